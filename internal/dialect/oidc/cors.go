package oidc

import (
	"net/http"

	"jeton/internal/dialect"
)

// mountShared adds the endpoints that pages of other origins may call: what anybody
// may read, and what a single-page application needs. Sign-in, consent and
// administration are not among them, and no answer is ever shared with credentials.
func (f face) mountShared(m *dialect.Mux) {
	for _, route := range []struct {
		method, path string
		handle       dialect.Handler
		anybody      bool
	}{
		{"POST", "/oauth2/token", f.token, false},
		{"POST", "/oauth2/revoke", f.revoke, false},
		{"GET", "/oauth2/userinfo", f.userinfo, false},
		{"POST", "/oauth2/userinfo", f.userinfo, false},
		{"GET", "/.well-known/openid-configuration", f.discovery, true},
		{"GET", "/.well-known/oauth-authorization-server", f.discovery, true},
		{"GET", "/.well-known/jwks.json", f.jwks, true},
	} {
		m.Handle(route.method, route.path, f.shared(route.handle, route.anybody))
		if route.path != "/oauth2/userinfo" || route.method == http.MethodGet {
			m.Handle(http.MethodOptions, route.path, f.preflight)
		}
	}
}

// shared lets pages of a registered origin, or of any, read the answer.
func (f face) shared(h dialect.Handler, anybody bool) dialect.Handler {
	return func(r *dialect.Request) (dialect.Reply, error) {
		f.allow(r, anybody)
		return h(r)
	}
}

func (f face) allow(r *dialect.Request, anybody bool) {
	switch origin := r.Header.Get("Origin"); {
	case anybody:
		r.AllowOrigin = "*"
	case origin != "" && f.core.Clients.Origin(r.Org.ID, origin):
		r.AllowOrigin = origin
	}
}

// preflight answers a browser that asks before it sends (Fetch §4.8).
func (f face) preflight(r *dialect.Request) (dialect.Reply, error) {
	f.allow(r, false)
	reply := dialect.Reply{Status: http.StatusNoContent}
	if r.AllowOrigin == "" {
		return reply, nil // without the header the browser sends nothing
	}
	return reply.With("Access-Control-Allow-Methods", "GET, POST").
		With("Access-Control-Allow-Headers", "Authorization, Content-Type").
		With("Access-Control-Max-Age", "600"), nil
}
