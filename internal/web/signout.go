package web

import (
	"net/http"

	"jeton/internal/authorize"
	"jeton/internal/dialect"
	"jeton/internal/page"
)

// signOut ends the browser's session when it is certain that this is meant, and
// asks otherwise.
func (f *Face) signOut(r *dialect.Request) (dialect.Reply, error) {
	v := &visit{Request: r}
	if err := f.identify(v); err != nil {
		return dialect.Reply{}, err
	}
	q, err := r.Query()
	if err != nil {
		return dialect.Reply{}, err
	}
	l, err := f.wish(v, q.Text("r"))
	if err != nil {
		return dialect.Reply{}, err
	}
	v.locales = l.Locales
	if v.session == nil || l.Sure(v.session) {
		return f.end(v, l)
	}
	x := f.frame(v)
	x.Request = q.Text("r")
	return f.drawIn(v, http.StatusOK, x, page.SignOut{Client: f.wishName(v, l), Name: displayName(v.user)})
}

// wish reads a client's wish; without one the person asks for themselves.
func (f *Face) wish(v *visit, sealed string) (authorize.Logout, error) {
	if sealed == "" {
		return authorize.Logout{Org: v.Org.ID}, nil
	}
	return f.Core.Authorize.OpenLogout(v.Org.ID, sealed)
}

func (f *Face) wishName(v *visit, l authorize.Logout) string {
	if l.Client == "" {
		return ""
	}
	return f.nameOf(v.Org.ID, l.Client)
}

func (f *Face) confirmSignOut(r *dialect.Request) (dialect.Reply, error) {
	v := &visit{Request: r}
	if err := f.identify(v); err != nil {
		return dialect.Reply{}, err
	}
	p, err := fields(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	if err := f.Guard.Check(r.Request, v.browser, p.Text("token")); err != nil {
		return dialect.Reply{}, err
	}
	l, err := f.wish(v, p.Text("r"))
	if err != nil {
		return dialect.Reply{}, err
	}
	v.locales = l.Locales
	return f.end(v, l)
}

// end ends the session on the server, takes the cookie away and goes where the
// client wants.
func (f *Face) end(v *visit, l authorize.Logout) (dialect.Reply, error) {
	if v.session != nil {
		v.Audit().Name("session.end")
		if err := f.Core.Sessions.End(v.Context(), v.session); err != nil {
			return dialect.Reply{}, err
		}
		v.cookies = append(v.cookies, sessionCookie(v, "", -1))
		v.session, v.user = nil, nil
	}
	name := f.wishName(v, l)
	if l.Redirect != "" {
		a := l.Answer()
		return f.draw(v, http.StatusOK, page.HandOver{Client: name, Host: host(a.Redirect), URL: dialect.Location(a)})
	}
	if v.Method == http.MethodPost {
		return v.see(v.Site + "/logout"), nil
	}
	return f.draw(v, http.StatusOK, page.SignedOut{Client: name})
}
