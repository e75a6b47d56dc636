// Package oidc is the standard face: OAuth 2.1 and OpenID Connect in their own
// words. The server mounts it; it owns the standard wire forms and nothing else.
package oidc

import (
	_ "embed"
	"net/http"
	"slices"
	"time"

	"jeton/internal/client"
	"jeton/internal/core"
	"jeton/internal/dialect"
	"jeton/internal/grant"
	"jeton/internal/jose"
	"jeton/internal/keys"
	"jeton/internal/oauth"
	"jeton/internal/policy"
	"jeton/internal/wire"
)

// Name is the dialect's slug.
const Name = "oidc"

// purpose is what the standard tokens are signed with; typ tells access tokens and
// ID tokens apart.
const purpose = "token"

//go:embed openapi.json
var openapi []byte

// Dialect is the standard one.
var Dialect = dialect.Dialect{
	Name:    Name,
	Title:   "OAuth 2.1 and OpenID Connect",
	Profile: Profile,
	Keys: []keys.Purpose{
		{Name: purpose, Alg: jose.ES256, Overlap: policy.MaxJWTLife, Publish: true},
	},
	OpenAPI: openapi,
	Swagger: "/oauth2/openapi.json",
	Words:   words,
	Owns:    []string{"/oauth2", "/.well-known"},
	Preview: Preview,
	Mount:   mount,
}

// Profile is how standard tokens live: short access tokens, rotating refresh
// tokens with an idle and an absolute end (RFC 9700 §4.14).
var Profile = policy.Profile{
	Dialect: Name,
	Access: policy.Form{
		Kind: policy.JWT, Purpose: purpose, Alg: jose.ES256, Choice: true,
		Typ: "at+jwt", Claims: accessClaims, // RFC 9068
	},
	Opaque:      &policy.Form{Kind: policy.Sealed, Prefix: "jta_"},
	Refresh:     policy.Form{Kind: policy.Sealed, Prefix: "jtr_"},
	AccessLife:  15 * time.Minute,
	RefreshLife: 30 * 24 * time.Hour,
	FamilyLife:  90 * 24 * time.Hour,
	RefreshFor:  []oauth.GrantType{oauth.GrantPassword, oauth.GrantAuthorizationCode, oauth.GrantDeviceCode},
	Code:        &policy.CodeFlow{Length: 43, Alphabet: policy.Base64URL, Sealed: true, Issuer: true},
	ID:          &policy.Form{Kind: policy.JWT, Purpose: purpose, Alg: jose.RS256, Choice: true, Typ: "JWT"},
	IDLife:      time.Hour,
	IDClaims:    idClaims,
	Rotate:      true,
	Grace:       10 * time.Second,
	Stateless:   true,
}

// accessClaims are those of RFC 9068 §2.2. sub is the user's number, or the client
// id of a client that speaks for itself.
func accessClaims(f policy.Facts) jose.Object {
	aud := f.Audience
	if len(aud) == 0 {
		aud = []string{f.Issuer}
	}
	o := jose.Obj().Str("iss", f.Issuer).Str("sub", subject(f.Subject)).StrOrStrs("aud", aud).
		Str("client_id", f.Client).Int("iat", f.Now.Unix()).Int("exp", f.Expires.Unix()).Str("jti", f.ID)
	if len(f.Scope) > 0 {
		o = o.Str("scope", f.Scope.String())
	}
	if f.Subject.User != 0 && f.AuthTime != 0 && len(f.AMR) > 0 {
		o = o.Int("auth_time", f.AuthTime).Strs("amr", f.AMR)
	}
	if len(f.Mapped) == 0 || f.Subject.User == 0 {
		return o
	}
	c := claims{o: o, has: reserved}
	c.addMapped(f.Subject, f.Mapped, client.InAccess, f.Scope)
	return c.o
}

func subject(s oauth.Subject) string {
	if s.User == 0 {
		return s.Client
	}
	return number(s.User)
}

type face struct {
	core      *core.Core
	discovers *documents
}

func mount(m *dialect.Mux, c *core.Core) {
	f := face{c, &documents{}}
	f.mountShared(m)
	m.Voice(dialect.Page).Handle("GET", "/oauth2/authorize", f.authorize)
	m.Voice(dialect.Page).Handle("POST", "/oauth2/authorize", f.authorize)
	m.Voice(dialect.Page).Handle("GET", "/oauth2/logout", f.logout)
	m.Voice(dialect.Page).Handle("POST", "/oauth2/logout", f.logout)
	m.Handle("POST", "/oauth2/introspect", f.introspect)
	m.Handle("GET", "/oauth2/openapi.json", func(*dialect.Request) (dialect.Reply, error) {
		return dialect.Reply{Status: http.StatusOK, Body: openapi, ContentType: "application/json", Cache: "max-age=300"}, nil
	})
}

// form reads a standard endpoint's body. Parameters in the query are refused: they
// end up in logs, and two places for one parameter are a way to smuggle.
func form(r *dialect.Request) (wire.Params, error) {
	if r.URL.RawQuery != "" {
		return wire.Params{}, oauth.Refuse(oauth.InvalidRequest, "send parameters in the body, not in the query")
	}
	return r.Form()
}

// credentials reads how the client presents itself. The accepted audience of an
// assertion is the issuer and, as older libraries send it, the token endpoint
// (RFC 7523 §3).
func credentials(r *dialect.Request, p wire.Params) (client.Credentials, error) {
	shown, err := wire.Credentials(r.Header, p)
	if err != nil {
		return client.Credentials{}, err
	}
	c := client.Credentials{
		ID: shown.ID, Secret: shown.Secret, Assertion: shown.Assertion, Method: client.Method(shown.Method),
		Audience: []string{r.Base, r.Base + "/oauth2/token"}, Addr: r.Addr,
	}
	if c.ID == "" && c.Assertion != "" { // the assertion's subject names the client (RFC 7521 §4.2)
		if t, err := jose.Parse(c.Assertion); err == nil {
			c.ID, _ = t.Claims.Text("sub")
		}
	}
	if c.Method == "" {
		return client.Credentials{}, oauth.Refuse(oauth.InvalidClient, "no client authentication was sent")
	}
	return c, nil
}

// answer is RFC 6749 §5.1.
type answer struct {
	Access  string `json:"access_token"`
	Type    string `json:"token_type"`
	Expires int64  `json:"expires_in,omitempty"`
	Refresh string `json:"refresh_token,omitempty"`
	ID      string `json:"id_token,omitempty"`
	Scope   string `json:"scope,omitempty"`
}

func (f face) token(r *dialect.Request) (dialect.Reply, error) {
	p, err := form(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	cred, err := credentials(r, p)
	if err != nil {
		return dialect.Reply{}, err
	}
	g, err := f.grant(r, p)
	if err != nil {
		return dialect.Reply{}, err
	}
	scope, err := oauth.ParseScope(p.Text("scope"))
	if err != nil {
		return dialect.Reply{}, err
	}
	resource, err := resources(p)
	if err != nil {
		return dialect.Reply{}, err
	}
	t, err := f.core.Exchange.Token(r.Context(), &grant.Request{
		Org: r.Org, Dialect: Name, Client: cred, Grant: g, Scope: scope, Resource: resource,
		Issuer: r.Base, Addr: r.Addr,
	})
	if err != nil {
		return dialect.Reply{}, err
	}
	return dialect.OK(answer{
		Access: t.Access, Type: "Bearer", Expires: t.ExpiresIn(), Refresh: t.Refresh, ID: t.ID, Scope: t.Scope.String(),
	}), nil
}

// Bounds of an assertion as an authorization grant (RFC 7523 §3; figures ours).
const (
	maxAssertionLife = time.Hour
	assertionSkew    = time.Minute
)

func (f face) grant(r *dialect.Request, p wire.Params) (grant.Grant, error) {
	name, ok := p.Get("grant_type")
	if !ok {
		return nil, oauth.Refuse(oauth.MissingGrantType, "")
	}
	switch oauth.GrantType(name) {
	case oauth.GrantClientCredentials:
		return grant.ClientCredentials{}, nil
	case oauth.GrantAuthorizationCode:
		code, err := p.Need("code")
		return grant.AuthorizationCode{Code: code, Redirect: p.Text("redirect_uri"), Verifier: p.Text("code_verifier")}, err
	case oauth.GrantRefreshToken:
		token, err := p.Need("refresh_token")
		return &grant.Refresh{Token: token}, err
	case oauth.GrantPassword:
		user, err := p.Need("username")
		if err != nil {
			return nil, err
		}
		password, err := p.Need("password")
		return grant.Password{Name: user, Password: oauth.Secret(password)}, err
	case oauth.GrantJWTBearer:
		assertion, err := p.Need("assertion")
		return grant.JWTBearer{
			Assertion: assertion, Audience: []string{r.Base, r.Base + "/oauth2/token"},
			MaxLife: maxAssertionLife, Skew: assertionSkew, NeedJTI: true, UserKeys: true,
		}, err
	case oauth.GrantSAMLBearer:
		assertion, err := p.Need("assertion")
		return samlBearer(r, assertion), err
	}
	return nil, oauth.Refuse(oauth.UnsupportedGrantType, "")
}

// samlBearer takes an assertion made for this server as RFC 7522 §3 has it (the
// audience may be the issuer or the token endpoint, the recipient is the endpoint), or
// the response of a browser's sign-in.
func samlBearer(r *dialect.Request, assertion string) grant.SAMLBearer {
	endpoint := r.Base + "/oauth2/token"
	return grant.SAMLBearer{
		Assertion: assertion,
		Audience:  append(dialect.SAMLEntity(r), r.Base, endpoint),
		Recipient: append(dialect.SAMLCallback(r), endpoint),
	}
}

// resources reads resource indicators: absolute URIs without fragment (RFC 8707 §2).
func resources(p wire.Params) ([]string, error) {
	list := p.All("resource")
	for _, v := range list {
		if !absoluteURI(v) {
			return nil, oauth.Refuse(oauth.InvalidTarget, "a resource is an absolute URI without fragment")
		}
	}
	return slices.Compact(list), nil
}

// words is RFC 6749 §5.2, and RFC 6750 §3 for the endpoints a token is used at.
func words(f dialect.Refusal) dialect.Reply {
	e := &oauth.Error{Code: f.Code, Description: f.Description}
	reply := dialect.Reply{Status: wire.Status(f.Code), Body: wire.NewFailure(e)}
	switch f.Code {
	case oauth.InvalidClient:
		return reply.With("WWW-Authenticate", `Basic realm="jeton"`)
	case oauth.MissingToken:
		return reply.With("WWW-Authenticate", `Bearer realm="jeton"`) // no error code: nothing was sent
	case oauth.InvalidToken, oauth.InsufficientScope:
		return reply.With("WWW-Authenticate", wire.Challenge("Bearer", "jeton", e))
	}
	return reply
}
