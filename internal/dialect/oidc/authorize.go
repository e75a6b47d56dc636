package oidc

import (
	"net/http"
	"slices"
	"strconv"

	"jeton/internal/authorize"
	"jeton/internal/dialect"
	"jeton/internal/oauth"
	"jeton/internal/wire"
)

// parameters of an authorization or logout request: the query of a GET, the form of
// a POST (OpenID Connect Core §3.1.2.1).
func parameters(r *dialect.Request) (wire.Params, error) {
	if r.Method != http.MethodPost {
		return r.Query()
	}
	return form(r)
}

// authorize is the authorization endpoint (RFC 6749 §3.1, OpenID Connect Core §3.1.2).
func (f face) authorize(r *dialect.Request) (dialect.Reply, error) {
	p, err := parameters(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	q := authorize.Read(p)
	q.Org, q.Dialect, q.Issuer = r.Org, Name, r.Base
	if hint := p.Text("id_token_hint"); hint != "" {
		h, ok := f.hinted(r, hint)
		q.Hint = h.User
		if (!ok || h.Client != q.Client) && q.Wrong == nil {
			q.Wrong = oauth.Refuse(oauth.InvalidRequest, "id_token_hint is not an ID token this client was given")
		}
	}
	for _, v := range q.Resource {
		if !absoluteURI(v) && q.Wrong == nil {
			q.Wrong = oauth.Refuse(oauth.InvalidTarget, "a resource is an absolute URI without fragment")
		}
	}
	q.Resource = slices.Compact(q.Resource)
	return dialect.Authorize(r, f.core, q, "")
}

// hinted reads an ID token of ours that a client sends back, expired or not.
func (f face) hinted(r *dialect.Request, token string) (authorize.Hinted, bool) {
	claims, ok := f.core.Mint.OpenID(r.Org.ID, Profile, token)
	if !ok {
		return authorize.Hinted{}, false
	}
	iss, _ := claims.Text("iss")
	aud, _ := claims.Text("aud")
	sub, _ := claims.Text("sub")
	sid, hasSession := claims.Text("sid")
	user, err := strconv.ParseInt(sub, 10, 64)
	if err != nil || iss != r.Base || aud == "" || !hasSession || claims.Has("events") {
		return authorize.Hinted{}, false
	}
	return authorize.Hinted{Client: aud, Session: sid, User: user}, true
}

// logout is the end-session endpoint (OpenID Connect RP-Initiated Logout §2).
func (f face) logout(r *dialect.Request) (dialect.Reply, error) {
	p, err := parameters(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	l := authorize.Logout{
		Org: r.Org.ID, Dialect: Name, Client: p.Text("client_id"), Redirect: p.Text("post_logout_redirect_uri"),
		State: p.Text("state"), Locales: p.Text("ui_locales"),
	}
	var hint *authorize.Hinted
	if token := p.Text("id_token_hint"); token != "" {
		h, ok := f.hinted(r, token)
		if !ok {
			r.Audit().Fail("id_token_hint", "an ID token of this server", "another, or changed", "send the last ID token")
			return dialect.Reply{}, oauth.Refuse(oauth.InvalidRequest, "id_token_hint is not an ID token of this server")
		}
		hint = &h
	}
	if l, err = f.core.Authorize.BeginLogout(r.Context(), l, hint); err != nil {
		return dialect.Reply{}, err
	}
	return dialect.See(r.Site + "/logout?r=" + f.core.Authorize.SealLogout(l)), nil
}
