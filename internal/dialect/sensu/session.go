package sensu

import (
	"errors"
	"net/http"

	"jeton/internal/audit"
	"jeton/internal/client"
	"jeton/internal/dialect"
	"jeton/internal/grant"
	"jeton/internal/identity"
	"jeton/internal/mint"
	"jeton/internal/oauth"
	"jeton/internal/wire"
)

// pair is the token object; sensuctl refuses one with an empty field.
type pair struct {
	Access  string `json:"access_token"`
	Expires int64  `json:"expires_at"` // unix seconds
	Refresh string `json:"refresh_token"`
}

func answer(t oauth.Tokens) dialect.Reply {
	reply := dialect.OK(pair{Access: t.Access, Expires: t.ExpiresAt.Unix(), Refresh: t.Refresh})
	reply.Newline = true
	return reply
}

// login is GET /auth: a user's Basic credentials for a pair of tokens.
func (f face) login(r *dialect.Request) (dialect.Reply, error) {
	if r.Method == http.MethodHead { // a session nobody could use must not begin
		return dialect.Reply{}, &oauth.Error{Code: oauth.MethodNotAllowed, Description: oauth.MethodNotAllowed.Text(), Allow: []string{http.MethodGet}}
	}
	name, password, err := basic(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	t, err := f.core.Exchange.Token(r.Context(), f.request(r, grant.Password{Name: name, Password: password}))
	if err != nil {
		return dialect.Reply{}, err
	}
	return answer(t), nil
}

func (f face) request(r *dialect.Request, g grant.Grant) *grant.Request {
	return &grant.Request{
		Org: r.Org, Dialect: Name, Own: true, Grant: g,
		Issuer: r.Base, Addr: r.Addr, Profile: profile(r.Org),
	}
}

// basic reads RFC 7617 credentials. A header that cannot be read counts as none.
func basic(r *dialect.Request) (name string, password oauth.Secret, err error) {
	name, text, ok, err := wire.Basic(r.Header)
	if err != nil || !ok {
		r.Audit().Fail("credentials", "Authorization: Basic with user name and password", "none that can be read", "send Basic credentials")
		return "", "", oauth.Refuse(oauth.MissingToken, "").Because(err)
	}
	return name, oauth.Secret(text), nil
}

// test is GET /auth/test: are these credentials right? It counts failures as
// /auth does, or it would be the place to guess at; it makes no token.
func (f face) test(r *dialect.Request) (dialect.Reply, error) {
	r.Audit().Name("password.verify")
	name, password, err := basic(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	realm, err := f.realm(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	if _, err := f.core.Users.Verify(r.Context(), attempt(r, realm, name, password)); err != nil {
		return dialect.Reply{}, err
	}
	return dialect.Reply{Status: http.StatusOK}, nil
}

func attempt(r *dialect.Request, realm, name string, password oauth.Secret) identity.Attempt {
	return identity.Attempt{Org: r.Org.ID, Realm: realm, Name: name, Password: password, Addr: r.Addr, Dialect: Name}
}

// own is the client this dialect speaks for: sensuctl sends no client id.
func (f face) own(r *dialect.Request) (*client.Client, error) {
	c, ok := f.core.Clients.Own(r.Org.ID, Name)
	if !ok {
		r.Audit().Fail("client", "one enabled client of dialect "+Name, "none, or several", "jeton client create "+Name+" --kind "+Name)
		return nil, oauth.Refuse(oauth.UnauthorizedClient, "")
	}
	return c, nil
}

// realm is whose users sign in here.
func (f face) realm(r *dialect.Request) (string, error) {
	c, err := f.own(r)
	switch {
	case err != nil:
		return "", err
	case c.Realm != "":
		return c.Realm, nil
	}
	return r.Org.DefaultRealm(), nil
}

// refresh is POST /auth/token: the access token, expired or not, as Bearer and the
// refresh token beside it.
func (f face) refresh(r *dialect.Request) (dialect.Reply, error) {
	family, token, err := f.shown(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	t, err := f.core.Exchange.Token(r.Context(), f.request(r, &grant.Refresh{Token: token, Family: family}))
	if err != nil {
		return dialect.Reply{}, apart(err)
	}
	return answer(t), nil
}

// logout is POST /auth/logout: the session ends, its access tokens with it.
func (f face) logout(r *dialect.Request) (dialect.Reply, error) {
	family, token, err := f.shown(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	c, err := f.own(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	r.Audit().Name("token.revoke")
	found, err := f.core.Mint.OpenRefresh(r.Context(), *profile(r.Org), r.Org.ID, c.ID, token, mint.Beside{Family: family})
	if err != nil {
		return dialect.Reply{}, apart(err)
	}
	if _, err := f.core.Mint.RevokeFamily(r.Context(), r.Org.ID, found.Family.ID); err != nil {
		return dialect.Reply{}, err
	}
	return dialect.Reply{Status: http.StatusOK}, nil
}

// shown reads what refresh and logout are sent: whose session the access token is
// of, and the refresh token.
func (f face) shown(r *dialect.Request) (family int64, refresh string, err error) {
	scheme, _, err := wire.Scheme(r.Header)
	if err == nil && scheme == "basic" {
		r.Audit().Fail("access token", "Authorization: Bearer", "Basic", "send the access token, expired or not, as Bearer")
		return 0, "", oauth.Refuse(oauth.InvalidGrant, "")
	}
	token, ok, err := wire.Bearer(r.Header)
	if err != nil || !ok {
		r.Audit().Fail("access token", "Authorization: Bearer", "none that can be read", "send the access token, expired or not, as Bearer")
		return 0, "", oauth.Refuse(oauth.MissingToken, "").Because(err)
	}
	family, subject, ok := f.core.Mint.Genuine(r.Context(), r.Org.ID, Name, token)
	if !ok {
		return 0, "", oauth.Refuse(oauth.InvalidToken, "")
	}
	audit.From(r.Context()).SetUser(subject)
	refresh, err = refreshToken(r)
	return family, refresh, err
}

func refreshToken(r *dialect.Request) (string, error) {
	b, err := r.Bytes()
	if err != nil {
		return "", err
	}
	o, err := wire.JSON(b)
	if errors.Is(err, wire.ErrEmpty) { // as a JSON decoder of the original says it
		return "", oauth.Refuse(oauth.MalformedBody, "EOF").Because(err)
	}
	if err != nil {
		return "", err
	}
	text, _, err := o.Text("refresh_token")
	if err != nil {
		return "", err
	}
	if text == "" {
		r.Audit().Fail("refresh token", "refresh_token in the body", "none", "")
		return "", oauth.Refuse(oauth.BadRefreshToken, "")
	}
	return text, nil
}

// apart gives the refusals of a refresh token that Sensu words differently codes
// of their own: used before, and its session or user gone.
func apart(err error) error {
	switch {
	case errors.Is(err, mint.ErrReused):
		return oauth.Refuse(oauth.InvalidGrant, "the refresh token was used before").Because(err)
	case errors.Is(err, mint.ErrGone):
		return oauth.Refuse(oauth.AccessDenied, "the session has ended").Because(err)
	}
	return err
}
