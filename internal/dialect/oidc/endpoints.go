package oidc

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"jeton/internal/client"
	"jeton/internal/dialect"
	"jeton/internal/jose"
	"jeton/internal/mint"
	"jeton/internal/oauth"
	"jeton/internal/policy"
	"jeton/internal/session"
	"jeton/internal/wire"
)

func number(n int64) string { return strconv.FormatInt(n, 10) }

func absoluteURI(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme != "" && (u.Host != "" || u.Opaque != "") && !strings.Contains(s, "#")
}

// authenticate is the client authentication of introspection and revocation.
func (f face) authenticate(r *dialect.Request, p wire.Params) (*client.Client, error) {
	cred, err := credentials(r, p)
	if err != nil {
		return nil, err
	}
	return f.core.Clients.Authenticate(r.Context(), r.Org.ID, Name, cred)
}

// inactive is the whole answer for anything that is not a live token of the caller
// (RFC 7662 §2.2): it tells a stranger nothing.
type inactive struct {
	Active bool `json:"active"`
}

// introspection is RFC 7662 §2.2.
type introspection struct {
	Active   bool     `json:"active"`
	Scope    string   `json:"scope,omitempty"`
	Client   string   `json:"client_id"`
	Username string   `json:"username,omitempty"`
	Type     string   `json:"token_type,omitempty"`
	Exp      int64    `json:"exp,omitempty"`
	Iat      int64    `json:"iat"`
	Sub      string   `json:"sub"`
	Aud      any      `json:"aud,omitempty"`
	Iss      string   `json:"iss"`
	Jti      string   `json:"jti,omitempty"`
	AuthTime int64    `json:"auth_time,omitempty"`
	AMR      []string `json:"amr,omitempty"`
	Kind     string   `json:"dialect,omitempty"` // which product's token it is, when not a standard one
}

func (f face) introspect(r *dialect.Request) (dialect.Reply, error) {
	p, err := form(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	c, err := f.authenticate(r, p)
	if err != nil {
		return dialect.Reply{}, err
	}
	if c.Public() { // RFC 7662 §2.1: the caller must be authenticated
		r.Audit().Fail("client", "confidential", "public", "introspect with a client that has a secret or a key")
		return dialect.Reply{}, oauth.Refuse(oauth.InvalidClient, "")
	}
	token, err := p.Need("token")
	if err != nil {
		return dialect.Reply{}, err
	}
	a, err := f.core.Mint.Check(r.Context(), r.Org.ID, token)
	switch {
	case err == nil && mayRead(c, a.Client, a.Audience):
		return dialect.OK(describe(a, r.Base)), nil
	case err == nil:
		return dialect.OK(inactive{}), nil
	case !oauth.Is(err, oauth.InvalidToken):
		return dialect.Reply{}, err
	}
	s, err := f.core.Mint.FindRefresh(r.Context(), r.Org.ID, token)
	if err != nil {
		return dialect.Reply{}, err
	}
	if s == nil || s.Family.Client != c.ID { // a refresh token is its client's alone
		return dialect.OK(inactive{}), nil
	}
	return dialect.OK(describeRefresh(s, r.Base)), nil
}

// mayRead: the token's own client, or a resource server that is its audience. A
// resource server without a resource of its own stands for the whole organization.
func mayRead(c *client.Client, owner string, audience []string) bool {
	return owner == c.ID || (c.Introspect && (c.Resource == "" || slices.Contains(audience, c.Resource)))
}

func describe(a *oauth.Access, issuer string) introspection {
	d := introspection{
		Active: true, Scope: a.Scope.String(), Client: a.Client, Type: "Bearer",
		Iat: a.IssuedAt.Unix(), Sub: subject(a.Subject), Iss: issuer, Jti: a.ID, AMR: a.AMR,
	}
	if !a.Expires.IsZero() {
		d.Exp = a.Expires.Unix()
	}
	if a.Subject.User != 0 {
		d.Username, d.AuthTime = a.Subject.Name, a.AuthTime
	}
	if a.Dialect != Name {
		d.Kind = a.Dialect
	}
	switch len(a.Audience) {
	case 0:
	case 1:
		d.Aud = a.Audience[0]
	default:
		d.Aud = a.Audience
	}
	return d
}

func describeRefresh(s *mint.State, issuer string) introspection {
	f := &s.Family
	d := introspection{Active: true, Scope: f.Scope.String(), Client: f.Client, Iat: f.Created / 1000, Exp: f.Idle, Iss: issuer, Sub: f.Client}
	if s.User != nil {
		d.Sub, d.Username = number(s.User.ID), s.User.Name
	}
	return d
}

// revoke is RFC 7009: 200 whether the token was known or not.
func (f face) revoke(r *dialect.Request) (dialect.Reply, error) {
	p, err := form(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	c, err := f.authenticate(r, p)
	if err != nil {
		return dialect.Reply{}, err
	}
	token, err := p.Need("token")
	if err != nil {
		return dialect.Reply{}, err
	}
	r.Audit().Name("token.revoke")
	if _, err := f.core.Mint.Revoke(r.Context(), r.Org.ID, c.ID, token); err != nil {
		return dialect.Reply{}, err
	}
	return dialect.Reply{Status: http.StatusOK}, nil
}

// bearer takes the access token from the header or, for a POST, from the form
// body (RFC 6750 §2.1, §2.2); never from the query.
func bearer(r *dialect.Request) (string, error) {
	token, ok, err := wire.Bearer(r.Header)
	if err != nil {
		return "", err
	}
	if r.URL.RawQuery != "" && strings.Contains(r.URL.RawQuery, "access_token") {
		return "", oauth.Refuse(oauth.InvalidRequest, "send the access token in the Authorization header, not in the query")
	}
	if r.Method == http.MethodPost && !r.Empty() {
		p, err := r.Form()
		if err != nil {
			return "", err
		}
		if inForm, given := p.Get("access_token"); given {
			if ok {
				return "", oauth.Refuse(oauth.InvalidRequest, "the access token was sent twice")
			}
			return inForm, nil
		}
	}
	return token, nil
}

// userinfo is OpenID Connect Core §5.3.
func (f face) userinfo(r *dialect.Request) (dialect.Reply, error) {
	token, err := bearer(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	a, err := f.core.Bearer(r.Context(), r.Org.ID, Name, token)
	if err != nil {
		return dialect.Reply{}, err
	}
	if a.Subject.User == 0 || !a.Scope.Has("openid") {
		r.Audit().Fail("scope", "openid", a.Scope.String(), "ask for scope openid")
		return dialect.Reply{}, oauth.Refuse(oauth.InsufficientScope, "")
	}
	var mapped []client.Claim
	asked := ""
	c, ok := f.core.Clients.Client(r.Org.ID, a.Client)
	if ok {
		mapped, asked = c.Claims, policy.Told(a.Claims, c.Scopes)
	}
	o := userClaims(a.Subject, a.Scope, asked, mapped)
	if !ok || c.UserinfoAlg == "" {
		return dialect.Reply{Status: http.StatusOK, Body: o.Bytes(), ContentType: "application/json"}, nil
	}
	o = o.Str("iss", r.Base).Str("aud", a.Client) // OpenID Connect Core §5.3.2
	signed, err := f.core.Mint.SignMessage(r.Context(), Profile, c, jose.Alg(c.UserinfoAlg), "JWT", o)
	if err != nil {
		return dialect.Reply{}, err
	}
	return dialect.Reply{Status: http.StatusOK, Body: []byte(signed), ContentType: "application/jwt"}, nil
}

type document struct {
	Issuer        string   `json:"issuer"`
	Authorization string   `json:"authorization_endpoint"`
	Token         string   `json:"token_endpoint"`
	Introspection string   `json:"introspection_endpoint"`
	Revocation    string   `json:"revocation_endpoint"`
	Userinfo      string   `json:"userinfo_endpoint"`
	EndSession    string   `json:"end_session_endpoint"`
	JWKS          string   `json:"jwks_uri"`
	Responses     []string `json:"response_types_supported"`
	Modes         []string `json:"response_modes_supported"`
	Challenges    []string `json:"code_challenge_methods_supported"`
	Grants        []string `json:"grant_types_supported"`
	AuthMethods   []string `json:"token_endpoint_auth_methods_supported"`
	AuthAlgs      []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	IntroMethods  []string `json:"introspection_endpoint_auth_methods_supported"`
	IntroAlgs     []string `json:"introspection_endpoint_auth_signing_alg_values_supported"`
	RevokeMethods []string `json:"revocation_endpoint_auth_methods_supported"`
	RevokeAlgs    []string `json:"revocation_endpoint_auth_signing_alg_values_supported"`
	Subjects      []string `json:"subject_types_supported"`
	IDAlgs        []string `json:"id_token_signing_alg_values_supported"`
	UserinfoAlgs  []string `json:"userinfo_signing_alg_values_supported"`
	ACRs          []string `json:"acr_values_supported"`
	Prompts       []string `json:"prompt_values_supported"`
	Displays      []string `json:"display_values_supported"`
	ClaimTypes    []string `json:"claim_types_supported"`
	Locales       []string `json:"ui_locales_supported"`
	Scopes        []string `json:"scopes_supported"`
	Claims        []string `json:"claims_supported"`
	ClaimsParam   bool     `json:"claims_parameter_supported"`
	Request       bool     `json:"request_parameter_supported"`
	RequestURI    bool     `json:"request_uri_parameter_supported"`
	Iss           bool     `json:"authorization_response_iss_parameter_supported"`
	Backchannel   bool     `json:"backchannel_logout_supported"`
	BackchannelID bool     `json:"backchannel_logout_session_supported"`
	Guide         string   `json:"service_documentation,omitempty"`
}

// discovery is OpenID Connect Discovery §3 and RFC 8414 §2: one document under both
// names.
func (f face) discovery(r *dialect.Request) (dialect.Reply, error) {
	d, err := f.discovers.get(r.Base, func() any { return discovered(r.Base) })
	if err != nil {
		return dialect.Reply{}, err
	}
	return dialect.Reply{Status: http.StatusOK, Body: d.body, ContentType: "application/json", Cache: "public, max-age=300", ETag: d.etag}, nil
}

// discovered is the document of a base URL. It lists what there is and nothing that
// is not.
func discovered(base string) document {
	algs := make([]string, 0, 5)
	for _, a := range mint.Algorithms() {
		algs = append(algs, string(a))
	}
	private := []string{wire.MethodSecretBasic, wire.MethodSecretPost, wire.MethodPrivateKeyJWT}
	return document{
		Issuer: base, Token: base + "/oauth2/token", Introspection: base + "/oauth2/introspect",
		Revocation: base + "/oauth2/revoke", Userinfo: base + "/oauth2/userinfo", JWKS: base + "/.well-known/jwks.json",
		Authorization: base + "/oauth2/authorize", EndSession: base + "/oauth2/logout",
		Responses: []string{"code"}, Modes: []string{"query", "form_post"}, Challenges: []string{"S256"},
		Grants: []string{
			string(oauth.GrantAuthorizationCode), string(oauth.GrantClientCredentials), string(oauth.GrantRefreshToken),
			string(oauth.GrantJWTBearer), string(oauth.GrantSAMLBearer), string(oauth.GrantPassword),
		},
		AuthMethods: append(slices.Clone(private), wire.MethodNone), AuthAlgs: algs,
		IntroMethods: private, IntroAlgs: algs, RevokeMethods: append(slices.Clone(private), wire.MethodNone), RevokeAlgs: algs,
		Subjects: []string{"public"}, IDAlgs: algs,
		UserinfoAlgs: algs, ACRs: []string{session.Single, session.Strong}, Prompts: []string{"none", "login", "consent", "select_account"},
		Displays: []string{"page", "popup", "touch", "wap"}, ClaimTypes: []string{"normal"}, Locales: []string{"en", "fr"},
		Scopes: []string{"openid", "profile", "email", "address", "phone", "groups", "offline_access"},
		Claims: supported(), ClaimsParam: true, Iss: true, Backchannel: true, BackchannelID: true,
	}
}

// jwks is the key set (RFC 7517 §5). Whoever reads it finds the key ID tokens are
// signed with, on a server that has just begun too: clients keep what they read.
func (f face) jwks(r *dialect.Request) (dialect.Reply, error) {
	for _, alg := range []jose.Alg{Profile.Access.Alg, Profile.ID.Alg} {
		if _, err := f.core.Keys.Signing(r.Context(), r.Org.ID, purpose, alg); err != nil {
			return dialect.Reply{}, err
		}
	}
	body, etag, err := f.core.Keys.JWKS(r.Context(), r.Org.ID, jose.KtyFirst, purpose)
	if err != nil {
		return dialect.Reply{}, err
	}
	return dialect.Reply{Status: http.StatusOK, Body: body, ContentType: "application/json", Cache: "public, max-age=300", ETag: etag}, nil
}
