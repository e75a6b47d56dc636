package faspex

import (
	"bytes"
	"net/http"

	"jeton/internal/dialect"
	"jeton/internal/grant"
	"jeton/internal/identity"
	"jeton/internal/oauth"
	"jeton/internal/wire"
)

// The parameters that are read. Clients send a scope, too, which means nothing.
const (
	paramGrant   = "grant_type"
	paramRefresh = "refresh_token"
)

// decode reads the parameters of a token request wherever they are: the query, a
// form, a JSON object, or the query beside an empty one of those. What the body
// says counts.
func decode(query, media string, body []byte) (wire.Params, error) {
	q, err := wire.Query(query)
	if err != nil { // secrets travel here: not even a name of it is repeated
		return wire.Params{}, oauth.Refuse(oauth.InvalidRequest, "the query holds a parameter twice, or one that cannot be read")
	}
	if len(bytes.TrimSpace(body)) == 0 { // whatever type is announced for it
		return q, nil
	}
	p, err := decodeBody(media, body)
	if err != nil {
		return wire.Params{}, err
	}
	return wire.Merge(q, p), nil
}

func decodeBody(media string, body []byte) (wire.Params, error) {
	switch media {
	case "application/x-www-form-urlencoded":
		return wire.Form(body)
	case "application/json":
		o, err := wire.JSON(body)
		if err != nil {
			return wire.Params{}, err
		}
		return o.Params(paramGrant, paramRefresh)
	}
	return wire.Params{}, oauth.Refuse(oauth.UnsupportedMedia, "send application/json or application/x-www-form-urlencoded")
}

// answer has the vendor's order of members.
type answer struct {
	Access  string `json:"access_token"`
	Type    string `json:"token_type"`
	Refresh string `json:"refresh_token,omitempty"`
	Expires int64  `json:"expires_in"`
}

// token answers every grant with 201, as the vendor's document has it.
func (f face) token(r *dialect.Request) (dialect.Reply, error) {
	r.Audit().Name("token.issue")
	body, err := r.Bytes()
	if err != nil {
		return dialect.Reply{}, err
	}
	p, err := decode(r.URL.RawQuery, r.Media(), body)
	if err != nil {
		return dialect.Reply{}, err
	}
	g, err := f.grant(r, p)
	if err != nil {
		return dialect.Reply{}, err
	}
	t, err := f.core.Exchange.Token(r.Context(), &grant.Request{
		Org: r.Org, Dialect: Name, Own: true, Grant: g, Issuer: r.Base, Addr: r.Addr, Profile: profile(r.Org),
	})
	if err != nil {
		return dialect.Reply{}, err
	}
	return dialect.Reply{Status: http.StatusCreated, Body: answer{
		Access: t.Access, Type: "bearer", Refresh: t.Refresh, Expires: t.ExpiresIn(),
	}}, nil
}

func (f face) grant(r *dialect.Request, p wire.Params) (grant.Grant, error) {
	name, ok := p.Get(paramGrant)
	if !ok {
		return nil, oauth.Refuse(oauth.MissingGrantType, "")
	}
	switch oauth.GrantType(name) {
	case oauth.GrantPassword:
		return password(r)
	case oauth.GrantRefreshToken:
		token, err := p.Need(paramRefresh)
		if err != nil {
			return nil, err
		}
		return f.refresh(r, token)
	}
	return nil, oauth.Refuse(oauth.UnsupportedGrantType, "")
}

// basic reads the user's name and password (RFC 7617): there is no client id in
// Faspex. What cannot be read is a wrong password.
func basic(r *dialect.Request) (name string, password oauth.Secret, ok bool, err error) {
	name, text, ok, err := wire.Basic(r.Header)
	if oauth.Is(err, oauth.InvalidClient) {
		r.Audit().Fail("user", "a name and a password in a Basic header", "a header that cannot be read", "send Authorization: Basic base64(name:password)")
		return "", "", false, oauth.Refuse(oauth.BadPassword, "")
	}
	return name, oauth.Secret(text), ok, err
}

func password(r *dialect.Request) (grant.Grant, error) {
	name, secret, ok, err := basic(r)
	if err != nil {
		return nil, err
	}
	if !ok {
		r.Audit().Fail("user", "a name and a password in a Basic header", "none", "send Authorization: Basic base64(name:password)")
		return nil, oauth.Refuse(oauth.BadPassword, "")
	}
	return grant.Password{Name: name, Password: secret}, nil
}

// refresh reads a refresh request. Clients may send the user's name and password
// beside the token; then they must be right, and the token that user's.
func (f face) refresh(r *dialect.Request, token string) (grant.Grant, error) {
	g := &grant.Refresh{Token: token}
	name, secret, ok, err := basic(r)
	if err != nil || !ok {
		return g, err
	}
	u, err := f.core.Users.Verify(r.Context(), identity.Attempt{
		Org: r.Org.ID, Realm: f.realm(r), Name: name, Password: secret, Addr: r.Addr, Dialect: Name,
	})
	if err != nil {
		return nil, err
	}
	g.User = u.Canon
	return g, nil
}

// realm is the one whose users Faspex has: its client's, or the organization's
// default one.
func (f face) realm(r *dialect.Request) string {
	if c, ok := f.core.Clients.Own(r.Org.ID, Name); ok && c.Realm != "" {
		return c.Realm
	}
	return r.Org.DefaultRealm()
}
