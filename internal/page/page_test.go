package page

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"jeton/internal/dialect"
)

var update = flag.Bool("update", false, "write the pages to testdata")

// now is when the pages of tests are drawn.
var now = time.Date(2026, time.November, 22, 5, 2, 11, 0, time.UTC)

func newSet(t testing.TB, o Options) *Set {
	t.Helper()
	o.Now = func() time.Time { return now }
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func draw(t testing.TB, s *Set, x sample) dialect.Reply {
	t.Helper()
	r, err := s.HTML(x.status, x.frame, x.view)
	if err != nil {
		t.Fatalf("%s: %v", x.name, err)
	}
	return r
}

func body(t testing.TB, r dialect.Reply) string {
	t.Helper()
	b, ok := r.Body.([]byte)
	if !ok {
		t.Fatalf("body is a %T", r.Body)
	}
	return string(b)
}

// hashes change with every asset; a page's own file should not.
var hashes = regexp.MustCompile(`-[0-9a-f]{12}\.|v=[0-9a-f]{12}`)

func TestPagesAreAsTheyWere(t *testing.T) {
	s := newSet(t, Options{})
	for _, x := range samples() {
		t.Run(x.name, func(t *testing.T) {
			got := hashes.ReplaceAllStringFunc(body(t, draw(t, s, x)), func(h string) string {
				return h[:1] + strings.Repeat("0", 12) + h[13:]
			})
			file := filepath.Join("testdata", x.name+".html")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("run with -update if this is meant (-was +is):\n%s", diff)
			}
		})
	}
}

func TestEveryViewHasASample(t *testing.T) {
	seen := map[string]bool{}
	for _, x := range samples() {
		seen[nameOf(x.view)] = true
	}
	for _, k := range kinds {
		if !seen[nameOf(k)] {
			t.Errorf("no sample shows a %T", k)
		}
	}
}

func TestEveryPageTellsTheBrowserItsPolicy(t *testing.T) {
	const want = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; " +
		"base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
	s := newSet(t, Options{})
	for _, x := range samples() {
		r := draw(t, s, x)
		policy := want
		if _, ok := x.view.(FormPost); ok {
			policy = strings.Replace(want, "form-action 'self'; ", "", 1)
		}
		for name, value := range map[string]string{
			"Content-Security-Policy": policy, "X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff",
			"Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			if got := r.Header.Get(name); got != value {
				t.Errorf("%s: %s is %q, want %q", x.name, name, got, value)
			}
		}
		if r.Cache != "no-store" || r.ContentType != "text/html; charset=utf-8" || r.Status != x.status {
			t.Errorf("%s: cache %q, type %q, status %d", x.name, r.Cache, r.ContentType, r.Status)
		}
	}
}

func TestABusyPageSaysWhenInItsHeader(t *testing.T) {
	r := draw(t, newSet(t, Options{}), sample{"busy", 429, Frame{}, Problem{Key: "busy", Retry: 40}})
	if got := r.Header.Get("Retry-After"); got != "40" {
		t.Errorf("Retry-After %q", got)
	}
}

func TestATextThatIsNotThereIsOurFault(t *testing.T) {
	s := newSet(t, Options{})
	for _, view := range []any{nil, struct{}{}, Problem{Key: "nosuch"}, SignIn{Problem: Note{Key: "nosuch"}}, SignIn{Problem: Note{Key: "signin.wrong"}}, HandOver{URL: "javascript:alert(1)"}} {
		r, err := s.HTML(200, Frame{}, view)
		if err == nil || r.Status != http.StatusInternalServerError || !strings.Contains(body(t, r), "Something went wrong") || r.Header.Get("Content-Security-Policy") != Policy {
			t.Errorf("%+v: status %d, error %v", view, r.Status, err)
		}
	}
}

// node is one step through a page: a start tag or text.
type node struct {
	open string
	attr map[string]string
	text string
}

// walk reads a page as a tree: what does not nest fails.
func walk(t testing.TB, name, page string, see func(n node)) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(page))
	d.Strict, d.AutoClose, d.Entity = false, slices.Concat(xml.HTMLAutoClose, []string{"rect", "path", "circle"}), xml.HTMLEntity
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		switch x := tok.(type) {
		case xml.StartElement:
			attr := map[string]string{}
			for _, a := range x.Attr {
				if _, twice := attr[a.Name.Local]; twice {
					t.Errorf("%s: <%s> has %s twice", name, x.Name.Local, a.Name.Local)
				}
				attr[a.Name.Local] = a.Value
			}
			see(node{open: x.Name.Local, attr: attr})
		case xml.CharData:
			see(node{text: string(x)})
		}
	}
}

func TestEveryPageCanBeUsedByEverybody(t *testing.T) {
	s := newSet(t, Options{})
	for _, x := range samples() {
		for _, lang := range Languages {
			x.frame.Lang = lang
			checkAccess(t, lang+" "+x.name, body(t, draw(t, s, x)))
		}
	}
}

// checkAccess holds the rules that need no eye (WCAG 2.2, A and AA).
func checkAccess(t *testing.T, name, page string) {
	t.Helper()
	count, ids, labelled, refs := map[string]int{}, map[string]bool{}, map[string]bool{}, []string{}
	var fields []string
	focus, last := 0, 0
	walk(t, name, page, func(n node) {
		count[n.open]++
		if id, ok := n.attr["id"]; ok {
			if ids[id] {
				t.Errorf("%s: id %q twice", name, id)
			}
			ids[id] = true
		}
		for _, a := range []string{"aria-describedby", "aria-labelledby", "data-copy", "for"} {
			refs = append(refs, strings.Fields(n.attr[a])...)
		}
		if _, ok := n.attr["autofocus"]; ok {
			focus++
		}
		for a := range n.attr {
			if a == "style" || strings.HasPrefix(a, "on") {
				t.Errorf("%s: <%s> carries %s", name, n.open, a)
			}
		}
		switch n.open {
		case "h1", "h2", "h3":
			level := int(n.open[1] - '0')
			if level > last+1 {
				t.Errorf("%s: %s after h%d", name, n.open, last)
			}
			last = level
		case "label":
			labelled[n.attr["for"]] = true
		case "input", "select", "textarea":
			if k := n.attr["type"]; k != "hidden" && k != "checkbox" {
				fields = append(fields, n.attr["id"])
			}
		case "img":
			if _, ok := n.attr["alt"]; !ok {
				t.Errorf("%s: picture without alt", name)
			}
		case "button":
			if _, ok := n.attr["disabled"]; ok {
				t.Errorf("%s: disabled button", name)
			}
		case "style":
			t.Errorf("%s: styles inside the page", name)
		case "script":
			if n.attr["src"] == "" {
				t.Errorf("%s: script inside the page", name)
			}
		case "form":
			if n.attr["method"] != "post" || n.attr["action"] == "" {
				t.Errorf("%s: form %v", name, n.attr)
			}
		}
	})
	for _, one := range []string{"h1", "main", "title", "header", "footer"} {
		if count[one] != 1 {
			t.Errorf("%s: %d of <%s>", name, count[one], one)
		}
	}
	if focus > 1 {
		t.Errorf("%s: %d fields take the focus", name, focus)
	}
	for _, f := range fields {
		if !labelled[f] {
			t.Errorf("%s: field %q has no label", name, f)
		}
	}
	for _, r := range refs {
		if !ids[r] {
			t.Errorf("%s: nothing is called %q", name, r)
		}
	}
	if !strings.Contains(page, `<a class="skip" href="#main">`) || strings.Count(page, ` · `) == 0 {
		t.Errorf("%s: no skip link, or a title without the organization", name)
	}
}

func TestWrongFieldsAreFocusedAndDescribed(t *testing.T) {
	s := newSet(t, Options{})
	tests := []struct {
		view  any
		field string
	}{
		{SignIn{Local: true, Wrong: "name", Problem: Note{"danger", "signin.empty.name", nil}}, "name"},
		{SignIn{Local: true, Name: "ada", Wrong: "password", Problem: Note{"danger", "signin.mismatch", nil}}, "password"},
		{NewPassword{Minimum: 8, Wrong: "old", Problem: Note{"danger", "password.wrong.old", nil}}, "old"},
		{NewPassword{Minimum: 8, Wrong: "new", Problem: Note{"danger", "password.wrong.common", nil}}, "new"},
		{NewPassword{Minimum: 8, Wrong: "again", Problem: Note{"danger", "password.wrong.again", nil}}, "again"},
		{CodeEntry{Kind: "totp", Digits: 6, Problem: Note{"danger", "code.wrong", nil}}, "code"},
		{Profile{Fields: []Field{{Name: "email", Key: "field.email"}}, Wrong: "email", Problem: "profile.wrong.email"}, "email"},
		{Keys{Problem: Note{"danger", "keys.wrong.private", nil}}, "pem"},
		{Keys{Problem: Note{"danger", "keys.wrong.label", nil}, Wrong: "label"}, "label"},
	}
	for _, x := range tests {
		page := body(t, draw(t, s, sample{x.field, 422, Frame{}, x.view}))
		alert, wrong := false, []string{}
		walk(t, x.field, page, func(n node) {
			alert = alert || n.attr["role"] == "alert"
			_, focus := n.attr["autofocus"]
			invalid := n.attr["aria-invalid"] == "true"
			if focus != invalid {
				t.Errorf("%T %s: focus %v, invalid %v", x.view, x.field, focus, invalid)
			}
			if invalid && n.attr["aria-describedby"] != "" {
				wrong = append(wrong, n.attr["id"])
			}
		})
		if diff := cmp.Diff([]string{x.field}, wrong); diff != "" || !alert {
			t.Errorf("%T %s: alert %v, wrong fields:\n%s", x.view, x.field, alert, diff)
		}
	}
}

func TestFormsCarryTheTokenAndTheRequest(t *testing.T) {
	s := newSet(t, Options{})
	for _, x := range samples() {
		x.frame.Token, x.frame.Request = "the-token", "the-request"
		if _, ok := x.view.(FormPost); ok { // its form goes to the client
			if page := body(t, draw(t, s, x)); strings.Contains(page, "the-token") || strings.Contains(page, "the-request") {
				t.Errorf("%s tells a client the form token", x.name)
			}
			continue
		}
		page := body(t, draw(t, s, x))
		forms := strings.Count(page, "<form ")
		if got := strings.Count(page, `<input type="hidden" name="token" value="the-token">`); got != forms {
			t.Errorf("%s: %d forms, %d tokens", x.name, forms, got)
		}
		if got := strings.Count(page, `<input type="hidden" name="r" value="the-request">`); got != forms {
			t.Errorf("%s: %d forms, %d requests", x.name, forms, got)
		}
	}
}

func TestLinksAndFormsStayBelowTheSite(t *testing.T) {
	s := newSet(t, Options{})
	for _, x := range samples() {
		x.frame.Site, x.frame.Back, x.frame.Brand.Logo = "/site", "/site/account", "/logo.svg"
		switch v := x.view.(type) { // URLs that handlers make are whole already
		case SignIn:
			v.Forgot, v.Sources = "", nil
			x.view = v
		case Activity:
			v.More = ""
			x.view = v
		}
		walk(t, x.name, body(t, draw(t, s, x)), func(n node) {
			for _, a := range []string{"href", "src", "action"} {
				if u := n.attr[a]; strings.HasPrefix(u, "/") && !strings.HasPrefix(u, "/site/") {
					t.Errorf("%s: <%s %s=%q> leads outside of the site", x.name, n.open, a, u)
				}
			}
		})
	}
}

// fill puts s into every string below v, but keeps what chooses between texts and
// pages.
func fill(v reflect.Value, s string) {
	keep := map[string]bool{"Kind": true, "Key": true, "Wrong": true, "Problem": true, "Current": true, "Lang": true, "URL": true, "Action": true}
	switch v.Kind() {
	case reflect.String:
		v.SetString(s)
	case reflect.Slice:
		copied := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(copied, v)
		v.Set(copied)
		for i := range v.Len() {
			fill(v.Index(i), s)
		}
	case reflect.Interface:
		if _, ok := v.Interface().(string); ok {
			v.Set(reflect.ValueOf(s))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Field(i)
			if name := v.Type().Field(i).Name; f.CanSet() && (f.Kind() != reflect.String || !keep[name] || v.Type() == reflect.TypeFor[KeyLine]()) {
				fill(f, s)
			}
		}
	}
}

func filled(x sample, s string) sample {
	view := reflect.New(reflect.TypeOf(x.view)).Elem()
	view.Set(reflect.ValueOf(x.view))
	fill(view, s)
	x.view = view.Interface()
	fill(reflect.ValueOf(&x.frame).Elem(), s)
	return x
}

func TestWhatStrangersWriteStaysText(t *testing.T) {
	s := newSet(t, Options{})
	for _, evil := range []string{`"><script>alert(1)</script>`, `' onfocus=alert(1) autofocus x='`, "javascript:alert(1)", `{{.Frame}}</title><img src=x onerror=alert(1)>`} {
		for _, x := range samples() {
			page := body(t, draw(t, s, filled(x, evil)))
			if strings.Contains(page, "<script>") || strings.Contains(page, "<img src=x") {
				t.Errorf("%s: %q came out as markup", x.name, evil)
			}
			walk(t, x.name, page, func(n node) {
				for a, value := range n.attr {
					if strings.HasPrefix(a, "on") {
						t.Errorf("%s: %q came out as attribute %s", x.name, evil, a)
					}
					scheme, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(value)), ":")
					if (a == "href" || a == "src" || a == "action") && (scheme == "javascript" || scheme == "data") {
						t.Errorf("%s: <%s %s=%q>", x.name, n.open, a, value)
					}
				}
			})
		}
	}
}

func TestNoNameTurnsOurSentencesAround(t *testing.T) {
	page := body(t, draw(t, newSet(t, Options{}), sample{"consent", 200, Frame{}, Consent{Client: "Good\u202eevil\u2066\nx", Reviewed: true}}))
	if !strings.Contains(page, "Allow Goodevil x to use your account?") {
		t.Error("direction marks or line ends of a client's name came through")
	}
}

// letters finds words outside of brackets, once data is taken out.
func letters(page string, data []string) string {
	for _, d := range data {
		page = strings.ReplaceAll(page, d, "")
	}
	depth := 0
	var out strings.Builder
	for _, r := range page {
		switch {
		case r == '[':
			depth++
		case r == ']':
			depth--
		case depth == 0 && unicode.IsLetter(r):
			out.WriteRune(r)
		}
	}
	return out.String()
}

func TestNoTextIsOutsideTheCatalogue(t *testing.T) {
	s := newSet(t, Options{Pseudo: true, Demo: true})
	const mark = "0x7"
	data := []string{mark, "–", "Français", "English"}
	for _, x := range samples() {
		x = filled(x, mark)
		x.frame.Lang = Pseudo
		page := body(t, draw(t, s, x))
		if !strings.Contains(page, `lang="x-pseudo"`) {
			t.Fatal("not the pseudo-language")
		}
		var all strings.Builder
		walk(t, x.name, page, func(n node) {
			if n.text != "" {
				all.WriteString(n.text)
			}
			for _, a := range []string{"aria-label", "alt", "placeholder", "data-l", "data-done"} {
				if found := letters(n.attr[a], data); found != "" {
					t.Errorf("%s: %s=%q is in no catalogue", x.name, a, n.attr[a])
				}
			}
		})
		if found := letters(all.String(), data); found != "" {
			t.Errorf("%s: %q is in no catalogue", x.name, found)
		}
	}
}

func TestOperatorsMayReplaceATemplate(t *testing.T) {
	own := fstest.MapFS{"signedout.html": {Data: []byte(`{{define "title"}}{{t "signedout.title"}}{{end}}{{define "main"}}<p>Our own words</p>{{end}}`)}}
	page := body(t, draw(t, newSet(t, Options{Overrides: own}), sample{"", 200, Frame{}, SignedOut{}}))
	if !strings.Contains(page, "Our own words") {
		t.Error("the operator's template is not used")
	}
}

func TestATemplateThatCannotBeDrawnIsFoundAtTheStart(t *testing.T) {
	for name, file := range map[string]string{
		"it does not parse":      `{{define "title"}}`,
		"it asks for no text":    `{{define "title"}}{{t "nosuch"}}{{end}}{{define "main"}}{{end}}`,
		"a text seldom shown":    `{{define "title"}}x{{end}}{{define "main"}}{{if .View.Told}}{{t "nosuch"}}{{end}}{{end}}`,
		"it asks for no member":  `{{define "title"}}{{.View.Nosuch}}{{end}}{{define "main"}}{{end}}`,
		"it has no main":         `{{define "title"}}x{{end}}`,
		"markup that cannot be":  `{{define "title"}}x{{end}}{{define "main"}}<a href='{{if .View.URL}}"{{end}}>{{end}}`,
		"it asks for some asset": `{{define "title"}}{{asset "nosuch.js"}}{{end}}{{define "main"}}{{end}}`,
	} {
		if _, err := New(Options{Overrides: fstest.MapFS{"signedout.html": {Data: []byte(file)}}}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := New(Options{Overrides: fstest.MapFS{"sign-in.html": {Data: []byte("x")}}}); err == nil {
		t.Error("a file that is none of ours: no error")
	}
}

func TestTheSignInPageIsSmall(t *testing.T) {
	s := newSet(t, Options{})
	page, err := zip([]byte(body(t, draw(t, s, samples()[1]))))
	if err != nil {
		t.Fatal(err)
	}
	total := len(page)
	for _, name := range []string{"app.css", "app.js"} {
		r, ok := s.Asset(s.names[name], "gzip")
		if !ok || r.Header.Get("Content-Encoding") != "gzip" {
			t.Fatalf("%s is not there in gzip", name)
		}
		total += len(r.Body.([]byte))
	}
	if total >= 15<<10 {
		t.Errorf("page, stylesheet and script are %d bytes", total)
	}
	t.Logf("page, stylesheet and script: %d bytes", total)
}

func TestNothingIsForgottenInTheTemplates(t *testing.T) {
	names, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		t.Fatal(err)
	}
	if want := len(kinds) + len([]string{"layout", "parts"}); len(names) != want {
		t.Errorf("%d templates, want %d", len(names), want)
	}
	for _, name := range names {
		b, err := templateFiles.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, no := range []string{"style=", "onclick", "disabled", "javascript:", "http://", "https://", "target="} {
			if bytes.Contains(b, []byte(no)) {
				t.Errorf("%s holds %s", name, no)
			}
		}
	}
}
