package web

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"
	"time"

	"jeton/internal/authorize"
	"jeton/internal/client"
	"jeton/internal/core"
	"jeton/internal/dialect"
	"jeton/internal/identity"
	"jeton/internal/oauth"
	"jeton/internal/page"
	"jeton/internal/session"
	"jeton/internal/wire"
)

// Name is the face's slug, in audit records.
const Name = "web"

// Face is the pages on the way to a token and the account's own, as routes beside
// the dialects'.
type Face struct {
	Core  *core.Core
	Pages *page.Set
	Guard page.Guard
	// Tickets keeps who is away at an identity provider.
	Tickets Tickets
}

// Dialect is the face as the server mounts it. It issues nothing, so it has no
// profile.
func (f *Face) Dialect() *dialect.Dialect {
	return &dialect.Dialect{
		Name: Name, Title: "Pages for people", Words: words, Mount: f.mount,
		Voices: []string{dialect.Page}, Owns: []string{"/account", "/login", "/consent", "/continue", "/logout"},
	}
}

// words is for refusals before it is known whose page it would be.
func words(r dialect.Refusal) dialect.Reply {
	e := &oauth.Error{Code: r.Code, Description: r.Description}
	return dialect.Reply{Status: wire.Status(r.Code), Body: wire.NewFailure(e)}
}

func (f *Face) mount(m *dialect.Mux, _ *core.Core) {
	m = m.Voice(dialect.Page)
	for _, route := range []struct {
		method, path string
		handle       dialect.Handler
	}{
		{"GET", "/login", f.signIn},
		{"POST", "/login", f.submitSignIn},
		{"GET", "/login/account", f.accounts},
		{"POST", "/login/account", f.pick},
		{"GET", "/login/password", f.duePassword},
		{"POST", "/login/password", f.changeDue},
		{"GET", "/consent", f.consent},
		{"POST", "/consent", f.decide},
		{"GET", "/continue", f.goOn},
		{"GET", "/logout", f.signOut},
		{"POST", "/logout", f.confirmSignOut},
		{"POST", "/lang", f.language},
		{"GET", "/open/{client}", f.launch},
		{"GET", "/assets/{name}", f.asset},
		{"GET", "/theme.css", f.theme},
	} {
		m.Handle(route.method, route.path, route.handle)
	}
	f.mountAccount(m)
	f.mountSources(m)
}

// visit is one request to a page: the browser it came from, the authorization
// request on its way, and who is signed in.
type visit struct {
	*dialect.Request
	browser string
	cookies []*http.Cookie
	fields  wire.Params // of a form that was posted from our own page
	sealed  string      // request as it came
	locales string      // ui_locales of a wish to sign out
	pending *authorize.Pending
	to      string // page of the account that comes next, "" = none
	place   string // page of the account this is, "" = none of them
	session *session.Session
	user    *identity.User
	proven  time.Time // when an identity provider saw the person, zero = now
}

// open finds out about a request for a page. A sealed request that this browser may
// not go on with is refused.
func (f *Face) open(r *dialect.Request) (*visit, error) {
	v := &visit{Request: r}
	if err := f.identify(v); err != nil {
		return v, err
	}
	q, err := r.Query()
	if err != nil {
		return v, err
	}
	return v, f.resume(v, q.Text("r"))
}

// posted is open for a form; one that our page in this browser did not send is
// refused before anything else is looked at.
func (f *Face) posted(r *dialect.Request) (*visit, error) {
	v := &visit{Request: r}
	if err := f.identify(v); err != nil {
		return v, err
	}
	p, err := fields(r)
	if err != nil {
		return v, err
	}
	if err := f.Guard.Check(r.Request, v.browser, p.Text("token")); err != nil {
		return v, err
	}
	v.fields = p
	return v, f.resume(v, p.Text("r"))
}

// fields reads the form of one of our pages.
func fields(r *dialect.Request) (wire.Params, error) {
	b, err := r.Bytes()
	if err != nil {
		return wire.Params{}, err
	}
	if r.Media() != "application/x-www-form-urlencoded" {
		return wire.Params{}, oauth.Refuse(oauth.UnsupportedMedia, "send application/x-www-form-urlencoded")
	}
	return wire.Fields(b, []string{"scope"}, "pem", "address")
}

func (f *Face) identify(v *visit) (err error) {
	var cookie *http.Cookie
	if v.browser, cookie = f.Guard.Browser(v.Request.Request, v.Secure); cookie != nil {
		v.cookies = append(v.cookies, cookie)
	}
	v.session, v.user, err = v.Session(f.Core)
	if v.user != nil {
		v.Audit().SetUser(v.user.Name)
	}
	return err
}

func (f *Face) resume(v *visit, sealed string) (err error) {
	if sealed == "" {
		return nil
	}
	if _, ours := places[sealed]; ours {
		v.to = sealed
		return nil
	}
	v.sealed = sealed
	v.pending, err = f.Core.Authorize.Open(v.Context(), v.Org.ID, sealed, v.browser)
	return err
}

// seal is the request for the next page, or the page of the account that comes next.
func (f *Face) seal(v *visit) string {
	if v.pending == nil {
		return v.to
	}
	return f.Core.Authorize.Bind(v.pending, v.browser)
}

// frame is what every page of this visit shares.
func (f *Face) frame(v *visit) page.Frame {
	x := page.Frame{
		Site: sitePath(v.Site), Brand: brand(v.Org), Lang: f.lang(v), Demo: f.Core.Demo,
		Token: f.Guard.Token(v.browser), Request: f.seal(v),
	}
	if v.user != nil {
		x.Account = v.user.Name
	}
	return x
}

// sitePath is the path our links begin with.
func sitePath(site string) string {
	u, err := url.Parse(site)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(u.EscapedPath(), "/")
}

func brand(o *client.Org) page.Brand {
	b := page.Brand{Name: cmp.Or(o.Brand.Name, o.Name), Accent: o.Brand.Accent, Help: o.Brand.Help, Terms: o.Brand.Terms}
	if o.Brand.Logo != "" {
		b.Logo = "/assets/logo" // the layout puts the site before it
	}
	return b
}

const langCookie = "jeton-lang"

func (f *Face) lang(v *visit) string {
	asked := ""
	if c, err := v.Cookie(langCookie); err == nil {
		asked = c.Value
	}
	if v.pending != nil {
		asked += " " + v.pending.Locales
	}
	asked += " " + v.locales
	return page.Match(strings.TrimSpace(asked), v.Header.Get("Accept-Language"))
}

// draw is a page, with the cookies this visit sets.
func (f *Face) draw(v *visit, status int, view any) (dialect.Reply, error) {
	return f.drawIn(v, status, f.frame(v), view)
}

func (f *Face) drawIn(v *visit, status int, x page.Frame, view any) (dialect.Reply, error) {
	reply, err := f.Pages.HTML(status, x, view)
	reply.Cookies = append(reply.Cookies, v.cookies...)
	return reply, err
}

// see is a 303 to a page of ours, with the cookies this visit sets.
func (v *visit) see(location string) dialect.Reply {
	reply := dialect.See(location)
	reply.Cookies = v.cookies
	return reply
}

// next sends the browser to whatever is due now: a page of ours, the account when
// no client is waiting, or the client.
func (f *Face) next(v *visit) (dialect.Reply, error) {
	if v.pending == nil {
		return v.see(v.Site + v.home()), nil
	}
	d, err := f.Core.Authorize.Next(v.Context(), v.pending, v.session, v.user)
	if oauth.Is(err, oauth.ServerError) {
		return dialect.Reply{}, err
	}
	if err != nil || d.Step == authorize.Finished {
		return v.see(v.Site + "/continue?r=" + f.seal(v)), nil
	}
	return v.see(f.step(v, d.Step)), nil
}

func (f *Face) step(v *visit, step authorize.Step) string {
	if v.pending.Browser == nil {
		f.seal(v)
	}
	return dialect.Step(v.Request, f.Core, v.pending, step, "")
}

// due gives the step that is due when it is the wanted one; otherwise the browser is
// to be sent on (a page) or the form is refused (a step posted before its turn).
func (f *Face) due(v *visit, want authorize.Step) (authorize.Due, bool, error) {
	if v.pending == nil {
		return authorize.Due{}, false, oauth.Refuse(oauth.StalePage, "")
	}
	d, err := f.Core.Authorize.Next(v.Context(), v.pending, v.session, v.user)
	return d, err == nil && d.Step == want, err
}

// goOn gives the client its answer: the code, or why there is none.
func (f *Face) goOn(r *dialect.Request) (dialect.Reply, error) {
	v, err := f.open(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	if v.pending == nil {
		return v.see(v.Site + "/account"), nil
	}
	d, err := f.Core.Authorize.Next(v.Context(), v.pending, v.session, v.user)
	if err == nil && d.Step != authorize.Finished {
		return v.see(f.step(v, d.Step)), nil
	}
	if r.Method == http.MethodHead { // whoever only looks uses nothing up
		return dialect.Reply{Status: http.StatusOK, ContentType: "text/html; charset=utf-8"}, nil
	}
	var answer authorize.Answer
	if err == nil {
		if err = f.Core.Authorize.Once(v.Context(), v.pending); err != nil {
			return dialect.Reply{}, err
		}
		answer, err = f.Core.Authorize.Finish(v.Context(), v.pending, d, v.session, v.user)
	}
	if err == nil {
		return f.leave(v, answer, nil)
	}
	e := oauth.AsRefusal(err)
	if e.Code == oauth.ServerError || e.Code == oauth.Unavailable || authorize.Unproven(err) {
		return dialect.Reply{}, err
	}
	return f.leave(v, f.Core.Authorize.Refuse(v.pending, e), e)
}

// leave hands the browser over to the client. A redirect would be held back by
// form-action when the person has just posted a form.
func (f *Face) leave(v *visit, a authorize.Answer, refused *oauth.Error) (dialect.Reply, error) {
	name := f.clientName(v)
	var view any = page.HandOver{Client: name, Host: host(a.Redirect), URL: dialect.Location(a)}
	if a.Form {
		view = formPost(name, a)
	}
	reply, err := f.draw(v, http.StatusOK, view)
	reply.Refused = refused
	return reply, err
}

func formPost(name string, a authorize.Answer) page.FormPost {
	x := page.FormPost{Client: name, Host: host(a.Redirect), Action: a.Redirect}
	for _, p := range a.Params {
		x.Fields = append(x.Fields, page.Choice{Value: p[0], Label: p[1]})
	}
	return x
}

// host is what a person reads of a redirect URI.
func host(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return ""
	}
	if u.Host == "" {
		return u.Scheme
	}
	return u.Host
}

func (f *Face) clientName(v *visit) string {
	if v.pending == nil {
		return ""
	}
	return f.nameOf(v.Org.ID, v.pending.Client)
}

func (f *Face) nameOf(org, id string) string {
	if c, ok := f.Core.Clients.Client(org, id); ok {
		return cmp.Or(c.Name, c.ID)
	}
	return id
}

// Show draws what a dialect's reply asks for.
func (f *Face) Show(r *dialect.Request, what any) (dialect.Reply, error) {
	switch x := what.(type) {
	case authorize.Answer:
		v := &visit{Request: r}
		if err := f.identify(v); err != nil {
			return dialect.Reply{}, err
		}
		name := ""
		if q, err := r.Query(); err == nil {
			name = f.nameOf(r.Org.ID, q.Text("client_id"))
		}
		return f.draw(v, http.StatusOK, formPost(name, x))
	case dialect.SignIn:
		return f.signIn(r)
	}
	return dialect.Reply{}, oauth.Refuse(oauth.NotFound, "")
}

// language keeps the language a person chose.
func (f *Face) language(r *dialect.Request) (dialect.Reply, error) {
	v, err := f.posted(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	c := &http.Cookie{
		Name: langCookie, Value: page.Match(v.fields.Text("lang"), ""), Path: "/", MaxAge: 365 * 24 * 3600,
		Secure: v.Secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
	v.cookies = append(v.cookies, c)
	v.Request.Request.AddCookie(c)
	return f.next(v)
}

func (f *Face) asset(r *dialect.Request) (dialect.Reply, error) {
	if r.Var("name") == "logo" {
		return logo(r.Org)
	}
	reply, ok := f.Pages.Asset("/assets/"+r.Var("name"), r.Header.Get("Accept-Encoding"))
	if !ok {
		return dialect.Reply{}, oauth.Refuse(oauth.NotFound, "")
	}
	return reply, nil
}

func (f *Face) theme(r *dialect.Request) (dialect.Reply, error) {
	return f.Pages.Theme(brand(r.Org)), nil
}
