package page

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"net/http"
	"strconv"

	"jeton/internal/dialect"
)

// color is sRGB, each 0 to 255.
type color [3]float64

// parseColor reads "#rrggbb".
func parseColor(s string) (color, bool) {
	if len(s) != 7 || s[0] != '#' {
		return color{}, false
	}
	n, err := strconv.ParseUint(s[1:], 16, 32)
	if err != nil {
		return color{}, false
	}
	return color{float64(n >> 16), float64(n >> 8 & 255), float64(n & 255)}, true
}

func (c color) String() string {
	return fmt.Sprintf("#%02x%02x%02x", int(math.Round(c[0])), int(math.Round(c[1])), int(math.Round(c[2])))
}

// mix is c with a share of other in it, 0 to 1, rounded as it will be written.
func (c color) mix(other color, share float64) color {
	for i := range c {
		c[i] = math.Round(c[i] + (other[i]-c[i])*share)
	}
	return c
}

// luminance is WCAG 2.2's relative luminance.
func (c color) luminance() float64 {
	sum := 0.0
	for i, weight := range [3]float64{0.2126, 0.7152, 0.0722} {
		v := c[i] / 255
		if v <= 0.04045 {
			v /= 12.92
		} else {
			v = math.Pow((v+0.055)/1.055, 2.4)
		}
		sum += weight * v
	}
	return sum
}

// contrast is WCAG 2.2's contrast ratio, 1 to 21.
func contrast(a, b color) float64 {
	x, y := a.luminance(), b.luminance()
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// Ratios that must hold: of text (WCAG 2.2 §1.4.3), of controls (§1.4.11).
const (
	forText    = 4.5
	forControl = 3.0
)

// theme is what an accent decides on one kind of background.
type theme struct {
	primary, hover, on, link, focus color
}

// ground is a kind of background: light or dark, as in the stylesheet.
type ground struct {
	bg, surface, on color
	away            color // what contrast grows towards
}

var (
	lightGround = ground{color{255, 255, 255}, color{0xf5, 0xf6, 0xf8}, color{255, 255, 255}, color{0, 0, 0}}
	darkGround  = ground{color{0x10, 0x13, 0x18}, color{0x18, 0x1c, 0x23}, color{0x0b, 0x10, 0x20}, color{255, 255, 255}}
)

// over mixes the accent away from the background until everything drawn with it can
// be read there. It ends: black on white and white on black can be.
func (g ground) over(accent color) theme {
	c := accent
	for share := 0.0; share <= 1; share += 0.02 {
		c = accent.mix(g.away, share)
		if contrast(c, g.bg) >= forText && contrast(c, g.surface) >= forText && contrast(c, g.on) >= forText {
			break
		}
	}
	return theme{primary: c, hover: c.mix(g.away, 0.22), on: g.on, link: c, focus: c}
}

func (t theme) css() string {
	return fmt.Sprintf("--primary: %s; --primary-hover: %s; --on-primary: %s; --link: %s; --focus: %s;", t.primary, t.hover, t.on, t.link, t.focus)
}

// CheckAccent says in a sentence why an accent cannot be used: it is no color, or
// too light for the light pages, where it would have to be darkened beyond
// recognition. A dark one passes: the dark pages show it lightened.
func CheckAccent(hex string) error {
	c, ok := parseColor(hex)
	if !ok {
		return fmt.Errorf("the accent %.20q is not a color: write six hexadecimal digits after #, like #2f5bd0", hex)
	}
	if ratio := contrast(c, lightGround.surface); ratio < forControl {
		return fmt.Errorf("the accent %s is too light to be seen on light pages: its contrast is %.1f to 1, and %.0f to 1 is needed; %s is the nearest that can be read",
			c, ratio, forControl, lightGround.over(c).primary)
	}
	return nil
}

// themeCSS is an accent's stylesheet, "" for none.
func themeCSS(accent string) string {
	c, ok := parseColor(accent)
	if !ok {
		return ""
	}
	return ":root { " + lightGround.over(c).css() + " }\n@media (prefers-color-scheme: dark) {\n:root { " + darkGround.over(c).css() + " }\n}\n"
}

// themeLink is the name of an accent's stylesheet below the site, "" for none.
func (s *Set) themeLink(b Brand) string {
	if b.Accent == "" {
		return ""
	}
	if link, ok := s.themes.Load(b.Accent); ok {
		return link.(string)
	}
	css := themeCSS(b.Accent)
	if css == "" {
		return ""
	}
	link := "/theme.css?v=" + tag(css)
	s.themes.Store(b.Accent, link) // as many as organizations have accents
	return link
}

// Theme answers /theme.css with the variables the brand decides. It is kept for an
// hour, not for good: another server of a cluster may know the newer settings first.
func (s *Set) Theme(b Brand) dialect.Reply {
	css := themeCSS(b.Accent)
	if css == "" {
		css = "/* no accent */\n"
	}
	return dialect.Reply{
		Status: http.StatusOK, ContentType: typeCSS, Body: []byte(css), Header: assetHeader.Clone(),
		Cache: "public, max-age=3600", ETag: `"` + tag(css) + `"`,
	}
}

// tag is a short name for a content.
func tag[T string | []byte](content T) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:6])
}
