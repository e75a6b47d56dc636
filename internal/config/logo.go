package config

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"image/png"
	"io"
	"slices"
	"strings"
)

// maxLogo is the size of a logo in bytes: it is part of every page that shows it.
const maxLogo = 64 << 10

// logo gives an image in base64, checked.
func (r *resolver) logo(x Logo, path string) string {
	switch {
	case (x.File == "") == (x.Base64 == ""):
		r.add(path, "exactly one of file and base64 is needed for a logo", logoNext)
	case x.File != "":
		b, ok := r.file(x.File, path+".file")
		if !ok {
			return ""
		}
		if text, next := checkLogo(b); text != "" {
			r.add(path+".file", text, next)
			return ""
		}
		return base64.StdEncoding.EncodeToString(b)
	}
	return x.Base64
}

const logoNext = "write {file: NAME}; an SVG or PNG image of at most 64 KiB"

// checkLogo says what is wrong with an image for the pages of people who sign in,
// and what to do; both are empty when it is fit.
func checkLogo(b []byte) (text, next string) {
	if len(b) == 0 || len(b) > maxLogo {
		return "a logo has 1 byte to 64 KiB", "make the image smaller"
	}
	if bytes.HasPrefix(b, []byte("\x89PNG\r\n\x1a\n")) {
		return checkPNG(b)
	}
	if err := checkSVG(b); err != nil {
		return "not an image that can be shown: " + err.Error(), "use a PNG, or an SVG of shapes alone: no script, style sheet, link or picture from elsewhere"
	}
	return "", ""
}

// maxSide is the width and height of a PNG in points: a small file can describe an
// image that fills a browser's memory.
const maxSide = 2048

func checkPNG(b []byte) (text, next string) {
	c, err := png.DecodeConfig(bytes.NewReader(b))
	if err != nil {
		return "not a PNG image that can be read", "save it as PNG again"
	}
	if c.Width > maxSide || c.Height > maxSide {
		return "a logo is at most 2048 by 2048 points", "make the image smaller"
	}
	return "", ""
}

// shapes are the elements of SVG a logo may have: what draws, and nothing that
// runs, links, animates, embeds or styles from elsewhere.
var shapes = []string{
	"svg", "g", "defs", "symbol", "use", "title", "desc", "metadata", "path", "rect", "circle", "ellipse", "line", "polyline", "polygon",
	"text", "tspan", "textPath", "linearGradient", "radialGradient", "stop", "pattern", "clipPath", "mask", "marker",
	"filter", "feGaussianBlur", "feOffset", "feBlend", "feColorMatrix", "feComposite", "feFlood", "feMerge", "feMergeNode", "feMorphology", "feDropShadow",
}

const svgSpace = "http://www.w3.org/2000/svg"

// The reasons an SVG is refused.
var (
	errNoSVG      = errors.New("neither PNG nor SVG")
	errDoctype    = errors.New("a document type (DOCTYPE) in it")
	errProcessing = errors.New("a processing instruction in it")
	errDeep       = errors.New("nested too deep")
)

// maxNested is how deep the elements of a logo nest.
const maxNested = 64

// checkSVG walks the document and refuses whatever is not known to be harmless.
func checkSVG(b []byte) error {
	dec := xml.NewDecoder(bytes.NewReader(b))
	depth, roots := 0, 0
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) && roots == 1 && depth == 0 {
			return nil
		}
		if err != nil {
			return errNoSVG
		}
		switch x := token.(type) {
		case xml.Directive:
			return errDoctype
		case xml.ProcInst:
			if x.Target != "xml" {
				return errProcessing
			}
		case xml.StartElement:
			if depth == 0 {
				roots++
			}
			if depth++; depth > maxNested {
				return errDeep
			}
			if err := checkElement(x, depth == 1); err != nil {
				return err
			}
		case xml.EndElement:
			depth--
		}
	}
}

func checkElement(x xml.StartElement, root bool) error {
	if root && (x.Name.Local != "svg" || x.Name.Space != svgSpace) {
		return errNoSVG
	}
	if x.Name.Space != svgSpace || !slices.Contains(shapes, x.Name.Local) {
		return errors.New("element " + brief(x.Name.Local) + " in it")
	}
	for _, a := range x.Attr {
		if err := checkAttribute(a); err != nil {
			return err
		}
	}
	return nil
}

// hiding are parts of a value that name something elsewhere, or keep a reader from
// seeing that it does (escapes and comments of style sheets).
var hiding = []string{`\`, "/*", "//", "@import", "javascript:", "data:", "image-set(", "src("}

func checkAttribute(a xml.Attr) error {
	name, value := strings.ToLower(a.Name.Local), strings.ToLower(strings.Join(strings.Fields(a.Value), ""))
	switch {
	case a.Name.Space == "xmlns" || name == "xmlns":
		return nil // names a vocabulary, fetches nothing
	case strings.HasPrefix(name, "on"):
		return errors.New("attribute " + brief(a.Name.Local) + " in it runs code")
	case (name == "href" || name == "src" || name == "base") && !strings.HasPrefix(value, "#"):
		return errors.New("a reference to elsewhere in it")
	case slices.ContainsFunc(hiding, func(s string) bool { return strings.Contains(value, s) }):
		return errors.New("attribute " + brief(a.Name.Local) + " in it hides or fetches something")
	}
	for rest := value; ; {
		_, after, found := strings.Cut(rest, "url(")
		if !found {
			return nil
		}
		if !strings.HasPrefix(strings.TrimLeft(after, `'"`), "#") {
			return errors.New("a reference to elsewhere in it")
		}
		rest = after
	}
}

// brief keeps a stranger's name short in a message.
func brief(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}

// lintLogo checks an image that is written in the file.
func lintLogo(x Logo) (text, next string) {
	if x.Base64 == "" {
		return "", ""
	}
	if len(x.Base64) > maxLogo*2 {
		return "a logo has 1 byte to 64 KiB", "make the image smaller"
	}
	b, err := base64.StdEncoding.Strict().DecodeString(x.Base64)
	if err != nil {
		return "not base64", logoNext
	}
	return checkLogo(b)
}
