package grant

import (
	"cmp"
	"context"
	"time"

	"jeton/internal/audit"
	"jeton/internal/client"
	"jeton/internal/identity"
	"jeton/internal/jose"
	"jeton/internal/mint"
	"jeton/internal/oauth"
	"jeton/internal/policy"
)

// Token is a parsed, not yet verified JWT.
type Token = jose.Token

// ClientCredentials is a client that speaks for itself (RFC 6749 §4.4): client
// authentication is the whole proof, so a public client has none.
type ClientCredentials struct{}

// Type implements Grant.
func (ClientCredentials) Type() oauth.GrantType { return oauth.GrantClientCredentials }

func (ClientCredentials) prove(ctx context.Context, x *Exchange, _ *Request, c *client.Client, _ policy.Profile) (oauth.Proof, error) {
	if c.Public() {
		audit.From(ctx).Fail("client", "confidential", "public", "give the client a secret or a key")
		return oauth.Proof{}, oauth.Refuse(oauth.UnauthorizedClient, "")
	}
	return oauth.Proof{
		Subject:  oauth.Subject{Org: c.Org, Client: c.ID, Name: c.ID},
		AuthTime: x.Now(),
	}, nil
}

// Password is a user's name and password (RFC 6749 §4.3), for the dialects whose
// vendors' clients send them.
type Password struct {
	Realm    string // "" = the client's, or the organization's default
	Name     string
	Mail     bool // Name may also be the user's e-mail address
	Password oauth.Secret
}

// Type implements Grant.
func (Password) Type() oauth.GrantType { return oauth.GrantPassword }

func (g Password) prove(ctx context.Context, x *Exchange, r *Request, c *client.Client, _ policy.Profile) (oauth.Proof, error) {
	u, err := x.Users.Verify(ctx, identity.Attempt{
		Org: r.Org.ID, Realm: g.Realm, DefaultRealm: cmp.Or(c.Realm, r.Org.DefaultRealm()),
		Name: g.Name, Mail: g.Mail, Password: g.Password, Addr: r.Addr, Dialect: r.Dialect,
	})
	if err != nil {
		return oauth.Proof{}, err
	}
	return oauth.Proof{Subject: u.Subject(), AMR: []string{"pwd"}, AuthTime: x.Now()}, nil
}

// Refresh is a refresh token (RFC 6749 §6).
type Refresh struct {
	Token string
	// User, when not "", must be the name of the token's user in canonical form (a
	// dialect whose clients may send the user's credentials beside it).
	User string
	// Family, when not 0, must be the family the token belongs to (a dialect whose
	// clients send the access token beside it).
	Family int64

	found *mint.Refresh
}

// Type implements Grant.
func (*Refresh) Type() oauth.GrantType { return oauth.GrantRefreshToken }

func (g *Refresh) prove(ctx context.Context, x *Exchange, r *Request, c *client.Client, p policy.Profile) (oauth.Proof, error) {
	found, err := x.Mint.OpenRefresh(ctx, p, r.Org.ID, c.ID, g.Token, mint.Beside{User: g.User, Family: g.Family})
	if err != nil {
		return oauth.Proof{}, err
	}
	g.found = found
	f := &found.Family
	proof := oauth.Proof{
		Subject: found.Subject(), AMR: f.AMR, Bounded: true, Granted: f.Scope, Audience: f.Audience,
		Note: f.Note, Family: f, Login: oauth.Login{Session: f.Session, ACR: f.ACR, Claims: f.Claims},
	}
	if f.AuthTime != 0 {
		proof.AuthTime = time.Unix(f.AuthTime, 0)
	}
	return proof, nil
}
