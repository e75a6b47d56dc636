package page

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"text/template/parse"
	"time"

	"jeton/internal/dialect"
)

//go:embed templates/*.html
var templateFiles embed.FS

// Options is what a set of pages needs to know.
type Options struct {
	Demo bool // a bar on every page says so
	// Overrides holds an operator's own templates by our names ("signin.html",
	// "layout.html"); nil: ours alone.
	Overrides fs.FS
	Pseudo    bool             // the language Pseudo is there too
	Now       func() time.Time // nil: time.Now
}

// Set is every page in every language, parsed and checked. It is used by many
// requests at once.
type Set struct {
	demo    bool
	now     func() time.Time
	tongues map[string]*tongue
	pages   map[string]map[string]*template.Template // by language and name
	names   map[string]string                        // of assets by file name
	assets  map[string]asset                         // by path
	themes  sync.Map                                 // links by accent
}

// kinds lists the views there are: each has a template of its name in lower case.
// The values are drawn once by New, so that a template that cannot be drawn is
// found at the start and not by a person.
var kinds = []any{
	SignIn{}, Accounts{}, NewPassword{}, CodeEntry{Kind: "totp"}, Consent{},
	HandOver{URL: "https://client.example/"}, FormPost{Action: "https://client.example/"},
	SignOut{}, SignedOut{}, Problem{Key: "fault"},
	Overview{}, Profile{}, Sessions{}, Clients{}, Keys{}, Activity{}, Confirm{Key: "key", Args: []any{""}},
}

func nameOf(view any) string { return strings.ToLower(reflect.TypeOf(view).Name()) }

// chosen are keys templates put together while they are drawn.
var chosen = []string{
	"code.totp.title", "code.totp.text", "code.sms.title", "code.sms.text",
	"code.email.title", "code.email.text", "code.recovery.title", "code.recovery.text",
	"time.now", "time.minutes", "time.hours", "time.days", "time.never", "time.on", "time.date",
	"language.name", "activity.other",
	"menu.overview", "menu.profile", "menu.password", "menu.sessions", "menu.clients", "menu.keys", "menu.activity",
}

// New parses all templates and checks that they can be drawn and that every
// language has every text they ask for.
func New(o Options) (*Set, error) {
	s := &Set{demo: o.Demo, now: o.Now, pages: map[string]map[string]*template.Template{}}
	if s.now == nil {
		s.now = time.Now
	}
	var err error
	if s.tongues, err = loadAll(); err != nil {
		return nil, err
	}
	if o.Pseudo {
		s.tongues[Pseudo] = pseudo(s.tongues[Languages[0]])
	}
	if s.names, s.assets, err = loadAssets(); err != nil {
		return nil, err
	}
	files, err := readTemplates(o.Overrides)
	if err != nil {
		return nil, err
	}
	for lang, t := range s.tongues {
		if s.pages[lang], err = s.parse(t, files); err != nil {
			return nil, err
		}
	}
	return s, s.check()
}

// readTemplates reads our templates by name, and the operator's over them.
func readTemplates(overrides fs.FS) (map[string]string, error) {
	files := map[string]string{}
	ours, err := fs.Sub(templateFiles, "templates")
	if err != nil {
		return nil, fmt.Errorf("page: open templates: %w", err)
	}
	if err := readInto(files, ours, func(string) bool { return true }); err != nil || overrides == nil {
		return files, err
	}
	return files, readInto(files, overrides, func(name string) bool { _, known := files[name]; return known })
}

func readInto(files map[string]string, from fs.FS, known func(string) bool) error {
	names, err := fs.Glob(from, "*.html")
	if err != nil {
		return fmt.Errorf("page: list templates: %w", err)
	}
	for _, name := range names {
		if !known(name) {
			return fmt.Errorf("page: template %s is none of ours: nothing would show it", name)
		}
		text, err := fs.ReadFile(from, name)
		if err != nil {
			return fmt.Errorf("page: read template: %w", err)
		}
		files[name] = string(text)
	}
	return nil
}

// parse makes the pages of one language: shared parts, and each page over a copy.
func (s *Set) parse(t *tongue, files map[string]string) (map[string]*template.Template, error) {
	base := template.New("base").Funcs(s.funcs(t))
	for _, name := range []string{"layout.html", "parts.html"} {
		if _, err := base.New(name).Parse(files[name]); err != nil {
			return nil, fmt.Errorf("page: %w", err)
		}
	}
	pages := map[string]*template.Template{}
	for _, k := range kinds {
		name := nameOf(k)
		p, err := base.Clone()
		if err != nil {
			return nil, fmt.Errorf("page: %s: %w", name, err)
		}
		if _, err := p.New(name + ".html").Parse(files[name+".html"]); err != nil {
			return nil, fmt.Errorf("page: %w", err)
		}
		pages[name] = p
	}
	return pages, nil
}

// funcs is what templates can call, in the language of t.
func (s *Set) funcs(t *tongue) template.FuncMap {
	return template.FuncMap{
		"t":     t.say,
		"rich":  t.rich,
		"words": func(key string, args []any) (string, error) { return t.say(key, args...) },
		"someone": func(args []any) ([]any, error) {
			if len(args) > 0 && args[0] != "" {
				return args, nil
			}
			who, err := t.say("problem.someone")
			return []any{who}, err
		},
		"event": func(key string) (string, error) { return t.say(t.orElse(key, "activity.other")) },
		"ago": func(at time.Time) (template.HTML, error) {
			words, err := t.ago(at, s.now())
			return element(at, words), err
		},
		"day": func(at time.Time) (template.HTML, error) {
			words, err := t.date(at)
			return element(at, words), err
		},
		"asset": func(name string) (string, error) {
			at, ok := s.names[name]
			if !ok {
				return "", fmt.Errorf("page: no asset %q", name)
			}
			return at, nil
		},
		"theme":     s.themeLink,
		"leave":     leave,
		"post":      post,
		"languages": s.languages,
		"minutes":   func(seconds int) int { return (seconds + 59) / 60 },
	}
}

func (t *tongue) orElse(key, other string) string {
	if _, ok := t.texts[key]; ok {
		return key
	}
	return other
}

// languages are the ones to choose from, each by the name it has for itself.
func (s *Set) languages() ([]Choice, error) {
	var out []Choice
	for _, lang := range Languages {
		name, err := s.tongues[lang].say("language.name")
		if err != nil {
			return nil, err
		}
		out = append(out, Choice{lang, name})
	}
	return out, nil
}

// check finds what a person would: texts that are missing, pages that fail.
func (s *Set) check() error {
	var problems []error
	for lang, t := range s.tongues {
		for name, p := range s.pages[lang] {
			for key := range asked(p) {
				if _, ok := t.texts[key]; !ok {
					problems = append(problems, fmt.Errorf("page: %s asks for the text %q, which the catalogue %s has not", name, key, lang))
				}
			}
		}
		for _, key := range append(CatalogueKeys(""), chosen...) {
			if _, ok := t.texts[key]; !ok {
				problems = append(problems, fmt.Errorf("page: the catalogue %s has no text %q", lang, key))
			}
		}
		for _, k := range kinds {
			if _, err := s.draw(Frame{Lang: lang}, k); err != nil {
				problems = append(problems, err)
			}
		}
	}
	return errors.Join(problems...)
}

// asked are the keys the templates of a page name.
func asked(p *template.Template) map[string]bool {
	keys := map[string]bool{}
	for _, t := range p.Templates() {
		if t.Tree != nil {
			collect(reflect.ValueOf(t.Tree.Root), keys)
		}
	}
	return keys
}

// collect walks a parse tree for calls of t and rich with a key that is written out.
func collect(v reflect.Value, keys map[string]bool) {
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		if v.IsNil() || v.Type() == reflect.TypeFor[*parse.Tree]() { // nodes lead back to their tree
			return
		}
		if c, ok := v.Interface().(*parse.CommandNode); ok && len(c.Args) > 1 {
			f, isCall := c.Args[0].(*parse.IdentifierNode)
			key, isText := c.Args[1].(*parse.StringNode)
			if isCall && isText && (f.Ident == "t" || f.Ident == "rich") {
				keys[key.Text] = true
			}
		}
		collect(v.Elem(), keys)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				collect(v.Field(i), keys)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			collect(v.Index(i), keys)
		}
	}
}

// data is what a template sees.
type data struct {
	Frame Frame
	View  any
	Demo  bool
	Form  bool // the page leaves by itself: it has no forms but its own
	Shell bool // with the account's menu
}

// Policies browsers are told. Everything is ours alone; nothing is inline; scripts
// turn no text into markup. A browser applies form-action to a form's whole chain of
// redirects, so the page that posts to a client goes without.
const (
	policyHead = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
	policyForm = "form-action 'self'; "
	policyTail = "base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)

// Policy is the Content-Security-Policy of our pages.
const Policy = policyHead + policyForm + policyTail

func header(policy string) http.Header {
	return http.Header{
		"Content-Security-Policy":      {policy},
		"X-Frame-Options":              {"DENY"},
		"X-Content-Type-Options":       {"nosniff"},
		"Referrer-Policy":              {"no-referrer"},
		"Cross-Origin-Opener-Policy":   {"same-origin"},
		"Cross-Origin-Resource-Policy": {"same-origin"},
	}
}

const typeHTML = "text/html; charset=utf-8"

// HTML draws the page of a view, by value, completely before anything is sent; its
// type chooses the template. A template that fails, or a text that is not there, is
// our fault: the reply is then a plain page with status 500 that may be sent, and
// the error says why.
func (s *Set) HTML(status int, f Frame, view any) (dialect.Reply, error) {
	body, err := s.draw(f, view)
	if err != nil {
		return fault(), err
	}
	policy := Policy
	if _, ok := view.(FormPost); ok {
		policy = policyHead + policyTail
	}
	r := dialect.Reply{Status: status, Header: header(policy), ContentType: typeHTML, Body: body, Cache: "no-store"}
	r.Header.Set("Content-Language", s.tongueOf(f.Lang).lang)
	if p, ok := view.(Problem); ok && p.Retry > 0 {
		r.Header.Set("Retry-After", strconv.Itoa(p.Retry))
	}
	return r, nil
}

// fault is the page of last resort: no template, no language.
func fault() dialect.Reply {
	const text = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Something went wrong</title><h1>Something went wrong on our side</h1><p>Try again in a minute.</p></html>`
	return dialect.Reply{Status: http.StatusInternalServerError, Header: header(Policy), ContentType: typeHTML, Body: []byte(text), Cache: "no-store"}
}

func (s *Set) tongueOf(lang string) *tongue {
	if t, ok := s.tongues[lang]; ok {
		return t
	}
	return s.tongues[Languages[0]]
}

func (s *Set) draw(f Frame, view any) ([]byte, error) {
	if view == nil {
		return nil, errors.New("page: no view to draw")
	}
	f.Lang = s.tongueOf(f.Lang).lang
	if f.Brand.Name == "" {
		f.Brand.Name = "Jeton"
	}
	p, ok := s.pages[f.Lang][nameOf(view)]
	if !ok {
		return nil, fmt.Errorf("page: no template for a view of type %T", view)
	}
	d := data{Frame: f, View: view, Demo: s.demo || f.Demo, Shell: f.Account != "" && f.Current != ""}
	switch view.(type) {
	case HandOver, FormPost:
		d.Form = true
	}
	var b bytes.Buffer
	if err := p.ExecuteTemplate(&b, "layout.html", d); err != nil {
		return nil, fmt.Errorf("page: draw %s: %w", nameOf(view), err)
	}
	return b.Bytes(), nil
}
