package dialect

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"jeton/internal/authorize"
	"jeton/internal/core"
	"jeton/internal/identity"
	"jeton/internal/oauth"
	"jeton/internal/session"
)

// Page is the voice of routes that a person's browser opens: the face for people
// words their refusals.
const Page = "page"

// SignIn, shown, is the sign-in page at a path of the vendor's.
type SignIn struct{}

// Session is the live browser session of a request and its person; nil, nil when
// there is none.
func (r *Request) Session(c *core.Core) (*session.Session, *identity.User, error) {
	cookie, err := r.Cookie(session.CookieName(r.Org, r.Secure))
	if err != nil {
		return nil, nil, nil
	}
	s, u, err := c.Sessions.Find(r.Context(), r.Org, cookie.Value)
	if errors.Is(err, session.ErrNone) {
		return nil, nil, nil
	}
	return s, u, err
}

// Authorize answers at an authorization endpoint: the client gets its code at once
// where nothing is left to ask, a page is opened where something is, and a refusal
// goes to the client as soon as its redirect URI is proven. login is the path of the
// sign-in page, "" for the usual one.
func Authorize(r *Request, c *core.Core, q authorize.Request, login string) (Reply, error) {
	p, err := c.Authorize.Begin(r.Context(), q)
	if p == nil {
		return Reply{}, err
	}
	if err != nil {
		return refused(r, c, p, err)
	}
	if r.Method == http.MethodPost { // a browser sends no cookies with another site's form: it comes back by itself
		return See(Step(r, c, p, authorize.Login, login)), nil
	}
	s, u, err := r.Session(c)
	if err != nil {
		return Reply{}, err
	}
	d, err := c.Authorize.Next(r.Context(), p, s, u)
	if err != nil {
		return refused(r, c, p, err)
	}
	if d.Step != authorize.Finished {
		return See(Step(r, c, p, d.Step, login)), nil
	}
	a, err := c.Authorize.Finish(r.Context(), p, d, s, u)
	if err != nil {
		return refused(r, c, p, err)
	}
	return Redirect(a), nil
}

// refused tells the client; what is our own fault, or about a client that is not there
// any more, is told on a page.
func refused(r *Request, c *core.Core, p *authorize.Pending, err error) (Reply, error) {
	e := oauth.AsRefusal(err)
	if e.Code == oauth.ServerError || authorize.Unproven(err) {
		return Reply{}, err
	}
	reply := Redirect(c.Authorize.Refuse(p, e))
	reply.Refused = e
	return reply, nil
}

// Redirect sends the browser back to the client with an answer.
func Redirect(a authorize.Answer) Reply {
	if a.Form {
		return Reply{Show: a}
	}
	status := http.StatusSeeOther // RFC 9700 §4.12: never one that repeats a form
	if a.Found {
		status = http.StatusFound
	}
	return Reply{Status: status}.With("Location", Location(a)).With("Referrer-Policy", "no-referrer")
}

// Location is the URL of an answer: the parameters behind what the redirect URI has
// (RFC 6749 §4.1.2).
func Location(a authorize.Answer) string {
	var b strings.Builder
	b.WriteString(a.Redirect)
	sep := byte('?')
	if strings.Contains(a.Redirect, "?") {
		sep = '&'
	}
	for _, p := range a.Params {
		b.WriteByte(sep)
		b.WriteString(p[0] + "=" + url.QueryEscape(p[1]))
		sep = '&'
	}
	return b.String()
}

// See is a 303 to one of our own pages.
func See(location string) Reply {
	return Reply{Status: http.StatusSeeOther}.With("Location", location).With("Referrer-Policy", "no-referrer")
}

// paths of the steps' pages.
var paths = map[authorize.Step]string{
	authorize.Login: "/login", authorize.Account: "/login/account", authorize.Password: "/login/password", authorize.Ask: "/consent",
}

// Step is the URL of the page for a step of p.
func Step(r *Request, c *core.Core, p *authorize.Pending, step authorize.Step, login string) string {
	path := r.Site + paths[step]
	if step == authorize.Login && login != "" {
		path = login
	}
	return path + "?r=" + c.Authorize.Bind(p, "")
}
