package page

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

// pairs are what is read or used on what, and the ratio it needs (WCAG 2.2 §1.4.3,
// §1.4.11).
var pairs = []struct {
	on, what string
	ratio    float64
}{
	{"bg", "text", forText},
	{"surface", "text", forText},
	{"bg", "muted", forText},
	{"surface", "muted", forText},
	{"bg", "control", forControl},
	{"surface", "control", forControl},
	{"primary", "on-primary", forText},
	{"primary-hover", "on-primary", forText},
	{"bg", "primary", forControl},
	{"surface", "primary", forControl},
	{"bg", "link", forText},
	{"surface", "link", forText},
	{"bg", "focus", forControl},
	{"surface", "focus", forControl},
	{"info-bg", "info", forText},
	{"ok-bg", "ok", forText},
	{"warn-bg", "warn", forText},
	{"danger-bg", "danger", forText},
	{"bg", "danger", forText},
	{"info-bg", "text", forText},
	{"ok-bg", "text", forText},
	{"warn-bg", "text", forText},
	{"danger-bg", "text", forText},
}

var token = regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]{6});`)

// tokens reads the colors of a stylesheet: those for light pages and for dark ones.
func tokens(t *testing.T, css string) (light, dark map[string]color) {
	t.Helper()
	before, after, found := strings.Cut(css, "@media (prefers-color-scheme: dark)")
	if !found {
		t.Fatal("no dark colors")
	}
	read := func(css string) map[string]color {
		out := map[string]color{}
		for _, m := range token.FindAllStringSubmatch(css, -1) {
			c, ok := parseColor(m[2])
			if !ok {
				t.Fatalf("%s is %s", m[1], m[2])
			}
			out[m[1]] = c
		}
		return out
	}
	light, dark = read(before), read(after)
	return light, dark
}

func checkContrast(t *testing.T, name string, colors map[string]color) {
	t.Helper()
	for _, p := range pairs {
		what, ok := colors[p.what]
		on, okOn := colors[p.on]
		if !ok || !okOn {
			t.Fatalf("%s: no color for %s on %s", name, p.what, p.on)
		}
		if got := contrast(what, on); got < p.ratio {
			t.Errorf("%s: %s %s on %s %s is %.2f to 1, want %.1f", name, p.what, what, p.on, on, got, p.ratio)
		}
	}
}

func stylesheet(t *testing.T) string {
	t.Helper()
	b, err := assetFiles.ReadFile("assets/app.css")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestEverythingCanBeReadInBothThemes(t *testing.T) {
	light, dark := tokens(t, stylesheet(t))
	checkContrast(t, "light", light)
	checkContrast(t, "dark", dark)
}

func TestRatiosAreThoseThatWereMeasured(t *testing.T) {
	light, dark := tokens(t, stylesheet(t))
	tests := []struct {
		what, on    string
		light, dark float64
	}{
		{"text", "bg", 17.4, 15.7}, {"text", "surface", 16.1, 14.4}, {"muted", "bg", 6.7, 8.4}, {"muted", "surface", 6.2, 7.7},
		{"control", "bg", 3.9, 5.1}, {"control", "surface", 3.6, 4.6}, {"on-primary", "primary", 5.9, 8.9}, {"on-primary", "primary-hover", 8.2, 11.2},
		{"ok", "ok-bg", 6.0, 8.5}, {"warn", "warn-bg", 6.4, 9.1}, {"danger", "danger-bg", 5.7, 8.2}, {"link", "surface", 6.6, 8.9},
	}
	for _, x := range tests {
		if l, d := contrast(light[x.what], light[x.on]), contrast(dark[x.what], dark[x.on]); l < x.light-.06 || l > x.light+.06 || d < x.dark-.06 || d > x.dark+.06 {
			t.Errorf("%s on %s: %.2f and %.2f, want %.1f and %.1f", x.what, x.on, l, d, x.light, x.dark)
		}
	}
}

func TestTheGroundsAreTheStylesheets(t *testing.T) {
	light, dark := tokens(t, stylesheet(t))
	for name, x := range map[string]struct {
		g ground
		c map[string]color
	}{"light": {lightGround, light}, "dark": {darkGround, dark}} {
		if x.g.bg != x.c["bg"] || x.g.surface != x.c["surface"] || x.g.on != x.c["on-primary"] {
			t.Errorf("%s pages mix accents for other backgrounds than theirs", name)
		}
	}
}

func TestAnyAccentCanBeReadInBothThemes(t *testing.T) {
	s := newSet(t, Options{})
	accents := []string{"#000000", "#ffffff", "#ffff00", "#0000ff", "#ff0000", "#808080"}
	for range 20 {
		accents = append(accents, color{float64(rand.IntN(256)), float64(rand.IntN(256)), float64(rand.IntN(256))}.String())
	}
	light, dark := tokens(t, stylesheet(t))
	for _, accent := range accents {
		ownLight, ownDark := tokens(t, body(t, s.Theme(Brand{Accent: accent})))
		for _, over := range []struct{ base, own map[string]color }{{light, ownLight}, {dark, ownDark}} {
			for name, c := range over.own {
				over.base[name] = c
			}
		}
		checkContrast(t, accent+" light", light)
		checkContrast(t, accent+" dark", dark)
	}
}

func TestAnAccentThatCanBeReadIsKept(t *testing.T) {
	light, _ := tokens(t, themeCSS("#2f5bd0"))
	if light["primary"].String() != "#2f5bd0" {
		t.Errorf("our own accent became %s", light["primary"])
	}
}

func TestAnAccentIsCheckedOnSave(t *testing.T) {
	for accent, want := range map[string]string{
		"#2f5bd0": "", "#0a1a5c": "", "#000000": "", "#0f7a6c": "",
		"#ffd400": "too light", "#ffffff": "too light",
		"": "not a color", "blue": "not a color", "#12345": "not a color", "#12345g": "not a color", "#+12345": "not a color", "2f5bd0#": "not a color",
	} {
		err := CheckAccent(accent)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", accent, err, want)
		}
	}
}

func TestTheThemeIsLinkedOnlyWithAnAccent(t *testing.T) {
	s := newSet(t, Options{})
	for accent, want := range map[string]bool{"": false, "red; } body { display: none": false, "#0f7a6c": true} {
		page := body(t, draw(t, s, sample{"", 200, Frame{Site: "/acme", Brand: Brand{Accent: accent}}, SignedOut{}}))
		if got := strings.Contains(page, `href="/acme/theme.css?v=`); got != want {
			t.Errorf("accent %q: linked %v", accent, got)
		}
		if css := body(t, s.Theme(Brand{Accent: accent})); strings.Contains(css, "display") || strings.Contains(css, "--primary") != want {
			t.Errorf("accent %q: %s", accent, css)
		}
	}
}
