// Package grant is the token pipeline: Exchange.Token walks the rooms in their one
// order, and each grant type is a Grant that proves who the subject is and nothing
// else. The dialects call Exchange.Token; a grant cannot forget client
// authentication, the second factor, scope or audit, because it never does them.
package grant

import (
	"context"
	"time"

	"jeton/internal/audit"
	"jeton/internal/client"
	"jeton/internal/identity"
	"jeton/internal/mfa"
	"jeton/internal/mint"
	"jeton/internal/oauth"
	"jeton/internal/policy"
)

// Request is a token request in nobody's words.
type Request struct {
	Org     *client.Org
	Dialect string
	Client  client.Credentials
	// Own says the dialect's clients send no client id: it speaks for one registered
	// client of its own, found by the dialect's name.
	Own bool
	// ByToken says that a refresh request comes without a client: the refresh token
	// alone says whose it is.
	ByToken bool
	Grant   Grant
	Scope   oauth.Scope // asked scope
	// Resource lists resource indicators (RFC 8707).
	Resource []string
	Issuer   string // as tokens of this dialect word it
	Addr     string // where the request came from
	// Profile is used instead of the registered one when an organization's settings
	// change how its dialect's tokens live.
	Profile *policy.Profile
	// Confirm is the thumbprint of the key the request proved to hold (RFC 7800), "" = none.
	Confirm string
}

// Grant is what a token request presents. Implementations are in this package.
type Grant interface {
	// Type is the grant type, for policy and audit.
	Type() oauth.GrantType
	// prove finds out who the subject is. It refuses with BadPassword, BadAssertion,
	// BadRefreshToken …; any other error means it could not be found out.
	prove(ctx context.Context, x *Exchange, r *Request, c *client.Client, p policy.Profile) (oauth.Proof, error)
}

// Clients finds and authenticates clients (client.Registry).
type Clients interface {
	Authenticate(ctx context.Context, org, dialect string, cred client.Credentials) (*client.Client, error)
	Own(org, dialect string) (*client.Client, bool)
	Client(org, id string) (*client.Client, bool)
	SignedBy(keys []client.Key, t *Token) (client.Key, bool)
}

// Users answers who a name or an address is (identity.Directory).
type Users interface {
	Verify(ctx context.Context, a identity.Attempt) (*identity.User, error)
	ByID(ctx context.Context, org string, id int64) (*identity.User, error)
	ByMail(ctx context.Context, org, mail string) (*identity.User, error)
	ByName(ctx context.Context, org, realm, name string) (*identity.User, error)
}

// Marks notes what may be used once.
type Marks interface {
	Mark(ctx context.Context, key []byte, expires int64) (first bool, err error)
}

// Codes finds what a person allowed behind an authorization code.
type Codes interface {
	// Code finds it by the SHA-256 of the code, used or not; IsNotFound says there is none.
	Code(ctx context.Context, hash []byte) (*oauth.Authorization, error)
	IsNotFound(err error) bool
}

// Sealer hides what a code carries (vault.Vault).
type Sealer interface {
	Seal(label string, plain, ad []byte) []byte
	Unseal(label string, sealed, ad []byte) ([]byte, error)
}

// Exchange holds the rooms a token request walks through.
type Exchange struct {
	Clients Clients
	Users   Users
	Mint    *mint.Mint
	Marks   Marks
	Codes   Codes
	Seal    Sealer
	Now     func() time.Time
}

// Token is the one place that walks the rooms for a token request: client, grant,
// factor, policy, mint. It returns a refusal (*oauth.Error), a challenge
// (*mfa.Challenge), or our own fault.
func (x *Exchange) Token(ctx context.Context, r *Request) (oauth.Tokens, error) {
	rec := audit.From(ctx)
	rec.Name("token.issue")
	rec.SetGrant(string(r.Grant.Type()))

	c, err := x.client(ctx, r)
	if err != nil {
		return oauth.Tokens{}, err
	}
	profile, ok := x.Mint.Profile(r.Dialect)
	if !ok {
		return oauth.Tokens{}, oauth.Refuse(oauth.UnsupportedGrantType, "")
	}
	if r.Profile != nil {
		profile = *r.Profile
	}
	if err := policy.MayUse(profile, c, r.Grant.Type()); err != nil {
		rec.Fail("grant", "one the client is registered for", string(r.Grant.Type()), "jeton client set "+c.ID+" grants+="+string(r.Grant.Type()))
		return oauth.Tokens{}, err
	}
	rec.Pass("grant", string(r.Grant.Type()))

	proof, err := r.Grant.prove(ctx, x, r, c, profile)
	if err != nil {
		return oauth.Tokens{}, err
	}
	rec.SetUser(proof.Subject.Name)
	if kind, lacking := policy.Factor(c, proof); lacking {
		rec.Fail("factor", kind, "none", "")
		return oauth.Tokens{}, &mfa.Challenge{Kind: "otp", Method: kind, Status: "pending"}
	}
	decision, err := policy.Decide(profile, c, proof, policy.Ask{Grant: r.Grant.Type(), Scope: r.Scope, Resource: r.Resource})
	if err != nil {
		rec.Fail("scope", c.Scopes.String(), r.Scope.String(), "jeton client set "+c.ID+" scopes+=SCOPE")
		return oauth.Tokens{}, err
	}
	rec.Pass("scope", decision.Scope.String())
	return x.mint(ctx, r, mint.Order{
		Client: c, Profile: profile, Proof: proof, Decision: decision, Issuer: r.Issuer,
		Org: policy.OrgInfo{ID: r.Org.ID, Number: r.Org.Number}, Confirm: r.Confirm,
	})
}

func (x *Exchange) client(ctx context.Context, r *Request) (*client.Client, error) {
	if g, ok := r.Grant.(*Refresh); ok && r.ByToken {
		return x.holder(ctx, r, g.Token)
	}
	if !r.Own {
		cred := r.Client
		cred.Addr = r.Addr
		return x.Clients.Authenticate(ctx, r.Org.ID, r.Dialect, cred)
	}
	c, ok := x.Clients.Own(r.Org.ID, r.Dialect)
	if !ok {
		audit.From(ctx).Fail("client", "one enabled client of dialect "+r.Dialect, "none, or several", "jeton client create "+r.Dialect+" --kind "+r.Dialect)
		return nil, oauth.Refuse(oauth.UnauthorizedClient, "")
	}
	audit.From(ctx).SetClient(c.ID)
	return c, nil
}

// holder finds the client a refresh token was made for. Whether the token may be
// used is the grant's to prove.
func (x *Exchange) holder(ctx context.Context, r *Request, token string) (*client.Client, error) {
	profile, ok := x.Mint.Profile(r.Dialect)
	if !ok {
		return nil, oauth.Refuse(oauth.UnsupportedGrantType, "")
	}
	id, err := x.Mint.RefreshClient(ctx, profile, r.Org.ID, token)
	if err != nil {
		return nil, err
	}
	c, ok := x.Clients.Client(r.Org.ID, id)
	if id == "" || !ok || c.Dialect != r.Dialect {
		audit.From(ctx).Fail("refresh token", "one made for a client of dialect "+r.Dialect, "another, or unknown", "sign in again")
		return nil, oauth.Refuse(oauth.BadRefreshToken, "")
	}
	audit.From(ctx).SetClient(c.ID)
	return c, nil
}

// mint makes new tokens, or rotates the family a refresh grant has proven.
func (x *Exchange) mint(ctx context.Context, r *Request, o mint.Order) (oauth.Tokens, error) {
	refresh, ok := r.Grant.(*Refresh)
	if !ok {
		t, err := x.Mint.Issue(ctx, o)
		if oauth.Is(err, oauth.CodeUsed) { // somebody redeemed it meanwhile: two hold it
			return t, x.replayed(ctx, r, o.Proof.Login.Redeem)
		}
		return t, err
	}
	audit.From(ctx).Name("token.refresh")
	t, err := x.Mint.Rotate(ctx, o, refresh.found)
	if err == nil && t.Refresh == "" {
		t.Refresh = refresh.Token // a profile that does not rotate
	}
	return t, err
}
