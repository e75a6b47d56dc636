package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"embed"
	"encoding/hex"
	"html/template"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"jeton/internal/audit"
	"jeton/internal/oauth"
	"jeton/internal/ratelimit"
	"jeton/internal/wire"
)

//go:embed templates/*.html
var templates embed.FS

//go:embed assets/style.css
var style []byte

//go:embed assets/icon.svg
var icon []byte

// The paths of what pages are drawn with carry the content's hash, so that it may
// be cached for good.
var (
	styleName = hashed("/assets/style-", style, ".css")
	iconName  = hashed("/assets/icon-", icon, ".svg")
)

func hashed(before string, content []byte, after string) string {
	sum := sha256.Sum256(content)
	return before + hex.EncodeToString(sum[:6]) + after
}

// Visitor is what the server found out about a request.
type Visitor struct {
	Path   string // without the server's own prefix
	Prefix string // of the server, "" = none
	Base   string // URL the server is reached at
	Addr   string
	Secure bool // came by https
	Taken  bool // a dialect answers at this path
}

// Pages answers what a person's browser asks for while the server is set up.
type Pages struct {
	Setup  *Setup
	Open   func(*http.Request) (Visitor, error) // an error: not one of our host names
	Prefix string                               // of the path, "" = none
	Fixed  bool                                 // the public URL comes from settings
	Demo   bool
	Audit  interface{ Add(*audit.Record) error }
	Log    *slog.Logger
	each   *ratelimit.Limiter // tries of one address
	all    *ratelimit.Limiter // tries of everybody
	origin *http.CrossOriginProtection
	pages  map[string]*template.Template
}

// Tries of a setup code in a minute.
const (
	triesEach = 10
	triesAll  = 120
)

// New fills in what the pages keep for themselves.
func New(p Pages) *Pages {
	p.each = ratelimit.NewLimiter(triesEach, triesEach, p.Setup.Now)
	p.all = ratelimit.NewLimiter(triesAll, triesAll, p.Setup.Now)
	p.origin = http.NewCrossOriginProtection()
	p.pages = map[string]*template.Template{}
	for _, name := range []string{"form", "wait", "bad", "busy", "done", "home", "fault"} {
		p.pages[name] = template.Must(template.ParseFS(templates, "templates/layout.html", "templates/"+name+".html"))
	}
	return &p
}

// Over serves the pages and leaves everything else to next.
func (p *Pages) Over(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !p.mine(w, r) {
			next.ServeHTTP(w, r)
		}
	})
}

func (p *Pages) mine(w http.ResponseWriter, r *http.Request) bool {
	path, ok := strings.CutPrefix(r.URL.Path, p.Prefix)
	if !ok || path != "/" && path != "/setup" && path != styleName && path != iconName && !strings.HasPrefix(path, "/setup/") {
		return false // most requests: no look-up at all
	}
	v, err := p.Open(r)
	if err != nil {
		return false // the dialects have words for it
	}
	code, isCode := strings.CutPrefix(v.Path, "/setup/")
	read := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch {
	case v.Path == styleName && read:
		asset(w, "text/css; charset=utf-8", style)
	case v.Path == iconName && read:
		asset(w, "image/svg+xml", icon)
	case v.Taken:
		return false
	case p.Demo && v.Path != "/":
		return false
	case v.Path == "/" && read:
		p.home(w, r, v)
	case v.Path == "/setup/done" && read:
		p.finished(w, r, v)
	case isCode && read && code != "":
		p.follow(w, r, v, code)
	case v.Path == "/setup" && read:
		p.form(w, r, v)
	case v.Path == "/setup" && r.Method == http.MethodPost:
		p.submit(w, r, v)
	default:
		return false
	}
	return true
}

func asset(w http.ResponseWriter, kind string, content []byte) {
	secure(w.Header())
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	_, _ = w.Write(content)
}

// home is the server's own address: nobody's page yet.
func (p *Pages) home(w http.ResponseWriter, r *http.Request, v Visitor) {
	done, err := p.Setup.Done(r.Context())
	switch {
	case err != nil:
		p.fault(w, r, v, err)
	case done || p.Demo:
		p.show(w, v, http.StatusOK, "home", view{})
	default:
		p.show(w, v, http.StatusOK, "wait", view{})
	}
}

// finished follows the form.
func (p *Pages) finished(w http.ResponseWriter, r *http.Request, v Visitor) {
	done, err := p.Setup.Done(r.Context())
	if err != nil {
		p.fault(w, r, v, err)
		return
	}
	if !done {
		p.show(w, v, http.StatusOK, "wait", view{})
		return
	}
	url, err := p.Setup.PublicURL(r.Context())
	if err != nil {
		p.fault(w, r, v, err)
		return
	}
	differs := ""
	if !p.Fixed && url != "" && url != v.Base {
		differs = url
	}
	p.show(w, v, http.StatusOK, "done", view{NewURL: differs})
}

// follow takes the code out of the address bar, and out of the next Referer, into
// a cookie of this browser.
func (p *Pages) follow(w http.ResponseWriter, r *http.Request, v Visitor, code string) {
	if !p.admit(w, v) {
		return
	}
	if done, err := p.Setup.Done(r.Context()); done || err != nil {
		p.closed(w, r, v, err)
		return
	}
	valid, err := p.Setup.Valid(r.Context(), code)
	if err != nil {
		p.fault(w, r, v, err)
		return
	}
	if !valid {
		p.refused(r, v, "setup.open", errCode)
		p.show(w, v, http.StatusNotFound, "bad", view{})
		return
	}
	http.SetCookie(w, cookie(v, code, int(CodeLife/time.Second)))
	secure(w.Header())
	w.Header().Set("Location", v.Prefix+"/setup")
	w.WriteHeader(http.StatusSeeOther)
}

// form shows the form to the browser that came by the link, and to nobody else.
func (p *Pages) form(w http.ResponseWriter, r *http.Request, v Visitor) {
	if done, err := p.Setup.Done(r.Context()); done || err != nil {
		p.closed(w, r, v, err)
		return
	}
	code := held(r, v)
	valid, err := p.Setup.Valid(r.Context(), code)
	if err != nil {
		p.fault(w, r, v, err)
		return
	}
	if !valid {
		p.show(w, v, http.StatusOK, "wait", view{})
		return
	}
	p.show(w, v, http.StatusOK, "form", view{Token: formToken(code), URL: v.Base})
}

// submit makes the administrator.
func (p *Pages) submit(w http.ResponseWriter, r *http.Request, v Visitor) {
	if !p.admit(w, v) {
		return
	}
	code := held(r, v)
	body, err := p.body(r, code)
	if err != nil {
		p.refused(r, v, "administrator.create", err)
		p.show(w, v, http.StatusForbidden, "bad", view{})
		return
	}
	o := Owner{Name: strings.TrimSpace(body("name")), Email: strings.TrimSpace(body("email")), Password: oauth.Secret(body("password"))}
	if !p.Fixed {
		o.PublicURL = strings.TrimRight(strings.TrimSpace(body("public_url")), "/")
	}
	rec := p.open(r, v, "administrator.create")
	err = p.Setup.First(audit.With(r.Context(), rec), code, o)
	if err == nil {
		http.SetCookie(w, cookie(v, "", -1))
		secure(w.Header())
		w.Header().Set("Location", v.Prefix+"/setup/done")
		w.WriteHeader(http.StatusSeeOther)
		return
	}
	e := oauth.AsRefusal(err)
	if e.Code == oauth.ServerError || e.Code == oauth.Unavailable {
		p.fault(w, r, v, err)
		return
	}
	p.refused(r, v, "administrator.create", err)
	if e.Param == "" {
		p.show(w, v, http.StatusForbidden, "bad", view{})
		return
	}
	p.show(w, v, http.StatusUnprocessableEntity, "form", view{
		Token: formToken(code), Name: o.Name, Email: o.Email, URL: body("public_url"), Wrong: map[string]string{e.Param: e.Description}, At: e.Param,
	})
}

// maxForm bounds the form in bytes.
const maxForm = 16 << 10

// body reads the form once it is certain that our page in this browser sent it: a
// page of another site can neither read the cookie nor the token, and browsers say
// where a request comes from.
func (p *Pages) body(r *http.Request, code string) (func(name string) string, error) {
	if err := p.origin.Check(r); err != nil {
		return nil, oauth.Refuse(oauth.Forbidden, "the form was sent from another site")
	}
	text, err := wire.ReadBody(r, maxForm)
	if err != nil {
		return nil, err
	}
	form, err := wire.Form(text)
	if err != nil {
		return nil, err
	}
	get := func(name string) string {
		s, _ := form.Get(name)
		return s
	}
	if code == "" || subtle.ConstantTimeCompare([]byte(get("token")), []byte(formToken(code))) != 1 {
		return nil, oauth.Refuse(oauth.Forbidden, "the form was not sent from the page this browser was shown")
	}
	return get, nil
}

// closed answers for pages that are there only before there is an administrator.
func (p *Pages) closed(w http.ResponseWriter, r *http.Request, v Visitor, err error) {
	if err != nil {
		p.fault(w, r, v, err)
		return
	}
	p.show(w, v, http.StatusNotFound, "home", view{Late: true})
}

// admit counts a try of a code.
func (p *Pages) admit(w http.ResponseWriter, v Visitor) bool {
	ok, wait, _ := p.each.Allow(v.Addr)
	if ok {
		ok, wait, _ = p.all.Allow("")
	}
	if ok {
		return true
	}
	seconds := int((wait + time.Second - 1) / time.Second)
	w.Header().Set("Retry-After", strconv.Itoa(seconds))
	p.show(w, v, http.StatusTooManyRequests, "busy", view{Wait: seconds})
	return false
}

func (p *Pages) open(r *http.Request, v Visitor, event string) *audit.Record {
	now := p.Setup.Now()
	route := r.Method + " /setup"
	if r.Method != http.MethodPost {
		route += "/{code}"
	}
	return &audit.Record{ID: audit.NewID(now), At: now, Event: event, Route: route, Addr: v.Addr, Actor: "setup link"}
}

func (p *Pages) refused(r *http.Request, v Visitor, event string, err error) {
	rec := p.open(r, v, event)
	e := oauth.AsRefusal(err)
	rec.Outcome, rec.Code, rec.Shown = audit.Refused, string(e.Code), e.Description
	_ = p.Audit.Add(rec) // a refusal stays a refusal when its record is dropped
}

// fault is our own: a stranger reads an error id, the log has the rest.
func (p *Pages) fault(w http.ResponseWriter, r *http.Request, v Visitor, err error) {
	rec := p.open(r, v, "setup")
	rec.Outcome, rec.Code, rec.Cause = audit.Failed, string(oauth.ServerError), audit.Clean(err.Error())
	_ = p.Audit.Add(rec)
	p.Log.ErrorContext(r.Context(), "request failed", "id", rec.ID.String(), "route", rec.Route, "error", err)
	w.Header().Set("Jeton-Error-Id", rec.ID.String())
	p.show(w, v, http.StatusInternalServerError, "fault", view{ErrorID: rec.ID.String()})
}

// view is what a page is made of.
type view struct {
	Visitor
	Style   string
	Icon    string
	Demo    bool
	Fixed   bool
	Token   string
	Name    string
	Email   string
	URL     string
	NewURL  string
	Wrong   map[string]string // by field
	At      string            // the field that is wrong
	Late    bool
	Wait    int
	ErrorID string
}

func (p *Pages) show(w http.ResponseWriter, v Visitor, status int, name string, x view) {
	x.Visitor, x.Style, x.Icon, x.Demo, x.Fixed = v, v.Prefix+styleName, v.Prefix+iconName, p.Demo, p.Fixed
	var b strings.Builder
	if err := p.pages[name].ExecuteTemplate(&b, "layout.html", x); err != nil {
		p.Log.Error("a page could not be drawn", "page", name, "error", err)
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	secure(w.Header())
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(b.String()))
}

// browserPolicy allows a page its stylesheet and its own form, nothing else.
const browserPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; " +
	"base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

func secure(h http.Header) {
	h.Set("Content-Security-Policy", browserPolicy)
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-store")
	}
}

// cookieName: a browser takes a __Host- cookie from this very host and by https
// only; on loopback there is no https.
func cookieName(v Visitor) string {
	if v.Secure {
		return "__Host-jeton-setup"
	}
	return "jeton-setup"
}

func cookie(v Visitor, code string, age int) *http.Cookie {
	return &http.Cookie{
		Name: cookieName(v), Value: code, Path: "/", MaxAge: age, Secure: v.Secure, HttpOnly: true, SameSite: http.SameSiteStrictMode,
	}
}

func held(r *http.Request, v Visitor) string {
	c, err := r.Cookie(cookieName(v))
	if err != nil {
		return ""
	}
	return c.Value
}

// formToken ties the form to the cookie without showing the code again.
func formToken(code string) string {
	hash, ok := hashCode(code)
	if !ok {
		return ""
	}
	sum := sha256.Sum256(append([]byte("jeton setup form\x00"), append(hash, code...)...))
	return hex.EncodeToString(sum[:])
}
