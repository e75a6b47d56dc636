package faspex

import (
	"bytes"
	"cmp"
	"net/http"

	"jeton/internal/dialect"
	"jeton/internal/grant"
	"jeton/internal/identity"
	"jeton/internal/oauth"
	"jeton/internal/wire"
)

// The parameters that are read. Clients send a scope, too, which means nothing.
const (
	paramGrant     = "grant_type"
	paramRefresh   = "refresh_token"
	paramAssertion = "assertion" // people copy it with its line ends
	paramProvider  = "id"
)

// params are those of a token request. The last two are apart because in JSON the one
// may be a number and the other may have several lines.
type params struct {
	wire.Params
	assertion, provider string
}

func newParams(p wire.Params) params {
	return params{p, p.Text(paramAssertion), p.Text(paramProvider)}
}

// decode reads the parameters of a token request wherever they are: the query, a
// form, a JSON object, or the query beside an empty one of those. What the body
// says counts.
func decode(query, media string, body []byte) (params, error) {
	q, err := wire.Query(query, paramAssertion)
	if err != nil { // secrets travel here: not even a name of it is repeated
		return params{}, oauth.Refuse(oauth.InvalidRequest, "the query holds a parameter twice, or one that cannot be read")
	}
	asked := newParams(q)
	if len(bytes.TrimSpace(body)) == 0 { // whatever type is announced for it
		return asked, nil
	}
	p, err := decodeBody(media, body)
	if err != nil {
		return params{}, err
	}
	return params{wire.Merge(q, p.Params), cmp.Or(p.assertion, asked.assertion), cmp.Or(p.provider, asked.provider)}, nil
}

func decodeBody(media string, body []byte) (params, error) {
	switch media {
	case "application/x-www-form-urlencoded":
		p, err := wire.Form(body, paramAssertion)
		return newParams(p), err
	case "application/json":
		o, err := wire.JSON(body)
		if err != nil {
			return params{}, err
		}
		return decodeJSON(o)
	}
	return params{}, oauth.Refuse(oauth.UnsupportedMedia, "send application/json or application/x-www-form-urlencoded")
}

func decodeJSON(o wire.Object) (out params, err error) {
	if out.Params, err = o.Params(paramGrant, paramRefresh); err != nil {
		return params{}, err
	}
	if out.assertion, _, err = o.Text(paramAssertion); err != nil {
		return params{}, err
	}
	id, _ := o.Get(paramProvider)
	switch text, isText := id.Text(); {
	case isText:
		out.provider = text
	case !id.IsNull():
		out.provider = string(id.Raw())
	}
	return out, nil
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

func (f face) grant(r *dialect.Request, p params) (grant.Grant, error) {
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
	case oauth.GrantSAMLBearer:
		return samlBearer(r, p)
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

// samlBearer reads the response of an identity provider as a browser posted it to
// the callback. Which provider's it is says its number; without one it is the only
// provider's, or the one's that issued it. A Basic header beside it is not looked at:
// the assertion says who it is.
func samlBearer(r *dialect.Request, p params) (grant.Grant, error) {
	g := grant.SAMLBearer{Assertion: p.assertion, Audience: dialect.SAMLEntity(r), Recipient: dialect.SAMLCallback(r)}
	if p.provider == "" {
		return g, nil
	}
	n, ok := number(p.provider)
	if !ok {
		refusal := oauth.Refuse(oauth.InvalidRequest, "id must be the number of an identity provider")
		refusal.Param = paramProvider
		return nil, refusal
	}
	g.Provider = n
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
