package aoc

import (
	"context"
	"time"
	"unicode"

	"jeton/internal/admin"
	"jeton/internal/client"
	"jeton/internal/dialect"
	"jeton/internal/grant"
	"jeton/internal/identity"
	"jeton/internal/jose"
	"jeton/internal/oauth"
	"jeton/internal/wire"
)

// vendorAudience is what every client of the vendor puts into its assertions,
// whatever host it talks to.
const vendorAudience = "https://api.asperafiles.com/api/v1/oauth2/token"

// Bounds of an assertion (RFC 7523 §3; the figures fit the vendor's clients).
const (
	maxAssertionLife = 24 * time.Hour
	assertionSkew    = 5 * time.Minute
)

// tokenPath is where tokens are asked for when a path names no organization, and,
// behind the base URL, who issues them.
const tokenPath = "/api/v1/oauth2/token"

// audience lists what an assertion for this organization may be addressed to.
func audience(r *dialect.Request, o *client.Org) []string {
	return []string{
		vendorAudience, r.Base + tokenPath,
		r.Base + "/api/v1/oauth2/" + o.ID + "/token", r.Base + "/oauth2/" + o.ID + "/token",
	}
}

// form reads the body. A parameter that the query has too is refused; the query is
// not read otherwise.
func form(r *dialect.Request) (wire.Params, error) {
	p, err := r.Form()
	if err != nil {
		return wire.Params{}, err
	}
	query, err := r.Query()
	if err != nil {
		return wire.Params{}, err
	}
	return p, wire.Disjoint(query, p)
}

// org is the organization a request to an OAuth endpoint is for: the one its path
// names, else the one its host or prefix is bound to, else the client's, if only
// one organization has a client of that id, else the one the assertion names. A
// path that names another than the host is refused, and so is one that is unknown
// or does not speak this dialect: as an unknown client is, so that nobody learns
// which organizations there are.
func (f face) org(r *dialect.Request, clientID, assertion string) (*client.Org, error) {
	o := f.candidate(r, clientID, assertion)
	if o == nil || !o.Enabled(Name) || (r.Bound && o.ID != r.Org.ID) {
		r.Audit().Fail("organization", r.Org.ID, r.Var("org"), "use the organization's own path or host name; it must have dialect "+Name)
		return nil, oauth.Refuse(oauth.InvalidClient, "")
	}
	if rec := r.Audit(); rec != nil {
		rec.Org = o.ID
	}
	return o, nil
}

func (f face) candidate(r *dialect.Request, clientID, assertion string) *client.Org {
	if id := r.Var("org"); id != "" {
		o, _ := f.core.Clients.Org(id)
		return o
	}
	if r.Bound {
		return r.Org
	}
	if c, ok := f.core.Clients.Sole(clientID); ok {
		o, _ := f.core.Clients.Org(c.Org)
		return o
	}
	if t, err := jose.Parse(assertion); err == nil && assertion != "" {
		if id, ok := t.Claims.Text("org"); ok {
			o, _ := f.core.Clients.Org(id)
			return o
		}
	}
	return r.Org
}

// credentials reads how the client presents itself: Basic or form. For an
// assertion the secret may be left out, but one that is sent must be right.
func credentials(r *dialect.Request, p wire.Params) (client.Credentials, error) {
	shown, err := wire.Credentials(r.Header, p)
	if err != nil {
		return client.Credentials{}, err
	}
	if shown.ID == "" {
		return client.Credentials{}, oauth.Refuse(oauth.InvalidClient, "")
	}
	return client.Credentials{
		ID: shown.ID, Secret: shown.Secret, Assertion: shown.Assertion, Method: client.Method(shown.Method), Addr: r.Addr,
		Optional: p.Text("grant_type") == string(oauth.GrantJWTBearer),
	}, nil
}

// answer is what the vendor's token endpoint sends.
type answer struct {
	Access  string `json:"access_token"`
	Type    string `json:"token_type"`
	Expires int64  `json:"expires_in"`
	Scope   string `json:"scope"`
	Refresh string `json:"refresh_token,omitempty"`
}

func (f face) token(r *dialect.Request) (dialect.Reply, error) {
	p, err := form(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	if err := known(p); err != nil {
		return dialect.Reply{}, err
	}
	cred, err := credentials(r, p)
	if err != nil {
		return dialect.Reply{}, err
	}
	o, err := f.org(r, cred.ID, p.Text("assertion"))
	if err != nil {
		return dialect.Reply{}, err
	}
	cred.Audience = audience(r, o)
	if !f.allowOrigin(r, o, cred.ID) {
		return dialect.Reply{}, oauth.Refuse(oauth.InvalidClient, "")
	}
	g := f.grant(p, o, cred)
	scope, err := oauth.ParseScope(p.Text("scope"))
	if err != nil {
		return dialect.Reply{}, err
	}
	if g.Type() == oauth.GrantAuthorizationCode {
		scope = nil // the vendor's clients repeat what they asked for, and the person may have allowed less
	}
	profile := Profile
	profile.LifeFor, profile.Scopes = lives(o), scopes
	t, err := f.core.Exchange.Token(r.Context(), &grant.Request{
		Org: o, Dialect: Name, Client: cred, Grant: g, Scope: scope, Issuer: r.Base + tokenPath, Addr: r.Addr, Profile: &profile,
	})
	if err != nil {
		return dialect.Reply{}, err
	}
	return dialect.OK(answer{
		Access: t.Access, Type: "bearer", Expires: left(t), Scope: t.Scope.String(), Refresh: t.Refresh,
	}), nil
}

// left is expires_in as the original counts: the seconds left when the answer
// arrives, one less than the life.
func left(t oauth.Tokens) int64 { return max(t.ExpiresIn()-1, 0) }

// known refuses what is missing from the request before anybody is asked who he is.
func known(p wire.Params) error {
	name, ok := p.Get("grant_type")
	if !ok {
		return oauth.Refuse(oauth.MissingGrantType, "")
	}
	need := map[oauth.GrantType]string{
		oauth.GrantJWTBearer: "assertion", oauth.GrantRefreshToken: "refresh_token", oauth.GrantAuthorizationCode: "code",
	}[oauth.GrantType(name)]
	if need == "" {
		return oauth.Refuse(oauth.UnsupportedGrantType, "")
	}
	_, err := p.Need(need)
	return err
}

func (f face) grant(p wire.Params, o *client.Org, cred client.Credentials) grant.Grant {
	switch oauth.GrantType(p.Text("grant_type")) {
	case oauth.GrantRefreshToken:
		return &grant.Refresh{Token: p.Text("refresh_token")}
	case oauth.GrantAuthorizationCode:
		return grant.AuthorizationCode{Code: p.Text("code"), Redirect: p.Text("redirect_uri"), Verifier: p.Text("code_verifier")}
	}
	return grant.JWTBearer{
		Assertion: p.Text("assertion"), Audience: cred.Audience, AnyOf: true,
		MaxLife: maxAssertionLife, Skew: assertionSkew,
		UserKeys: true, ClientKeys: true, // a client has a key only where the global key is allowed
		Subject: byMail, Also: map[string]string{"org": o.ID},
		May: func(ctx context.Context, c *client.Client, u *identity.User) (bool, error) {
			return f.listed(ctx, c, u.Subject())
		},
	}
}

// byMail finds the user whose e-mail address sub is. Letters may differ in case and
// in nothing else: the address under which somebody else's mail system files a
// message is another account.
func byMail(ctx context.Context, users grant.Users, org *client.Org, sub string) (*identity.User, error) {
	u, err := users.ByMail(ctx, org.ID, sub)
	if err == nil && !sameLetters(u.Email, sub) {
		return nil, identity.ErrNotFound
	}
	return u, err
}

// sameLetters compares letter by letter without regard to case. An ASCII letter
// equals no other than itself and its other case: Unicode has more letters that
// fold to k and s.
func sameLetters(a, b string) bool {
	x, y := []rune(a), []rune(b)
	if len(x) != len(y) {
		return false
	}
	for i := range x {
		if !sameLetter(x[i], y[i]) {
			return false
		}
	}
	return true
}

func sameLetter(a, b rune) bool {
	switch {
	case a == b:
		return true
	case a <= unicode.MaxASCII != (b <= unicode.MaxASCII):
		return false
	}
	return unicode.ToUpper(a) == b || unicode.ToLower(a) == b
}

// listed says whether the client may speak for the user: for everybody, or for
// those who are on its list, themselves or by one of their groups.
func (f face) listed(ctx context.Context, c *client.Client, s oauth.Subject) (bool, error) {
	if !c.Bool(listedOnly) {
		return true, nil
	}
	found, err := f.onList(ctx, c, entity{Type: "user", ID: number(s.User)})
	for _, g := range s.Groups {
		if found || err != nil {
			break
		}
		found, err = f.onList(ctx, c, entity{Type: "group", ID: g})
	}
	return found, err
}

func (f face) onList(ctx context.Context, c *client.Client, e entity) (bool, error) {
	d, err := f.core.Admin.Doc(ctx, c.Org, admin.Listed(Name), admin.ListedID(c.ID, e.Type, e.ID))
	if oauth.Is(err, oauth.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	// The id joins names with slashes, which names may hold: the body decides.
	on, ok := readAuthorization(d)
	return ok && on.client == c.ID && on.entity == e, nil
}

type done struct {
	Status string `json:"status"`
}

// revoke ends a token of the client; what is not a token of the client changes
// nothing (RFC 7009 §2.2).
func (f face) revoke(r *dialect.Request) (dialect.Reply, error) {
	p, err := form(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	cred, err := credentials(r, p)
	if err != nil {
		return dialect.Reply{}, err
	}
	cred.Optional = false
	o, err := f.org(r, cred.ID, "")
	if err != nil {
		return dialect.Reply{}, err
	}
	cred.Audience = audience(r, o)
	c, err := f.core.Clients.Authenticate(r.Context(), o.ID, Name, cred)
	if err != nil {
		return dialect.Reply{}, err
	}
	token, err := p.Need("token")
	if err != nil {
		return dialect.Reply{}, err
	}
	r.Audit().Name("token.revoke")
	if _, err := f.core.Mint.Revoke(r.Context(), o.ID, c.ID, token); err != nil {
		return dialect.Reply{}, err
	}
	return dialect.OK(done{"ok"}), nil
}
