package bench

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"sync/atomic"
	"time"

	"jeton/internal/admin"
	"jeton/internal/audit"
	"jeton/internal/client"
	"jeton/internal/config"
	"jeton/internal/hash"
	"jeton/internal/identity"
	"jeton/internal/jose"
	"jeton/internal/oauth"
)

// Kinds of client in a World, by what tokens they get.
const (
	ES256  = "es256"
	RS256  = "rs256"
	Opaque = "opaque"
	// The next two sign users in and refresh; the last one presents assertions.
	RefreshES     = "refresh-es256"
	RefreshOpaque = "refresh-opaque"
	Bearer        = "bearer"
	Code          = "code" // signs users in through a browser
)

// Callback is the redirect URI of the clients of kind Code.
const Callback = "https://app.example/cb"

// Clients is how many clients of kind ES256 there are: a server that remembers the
// last client it saw gains nothing.
const Clients = 1024

// counts of the other kinds, and of users.
var counts = map[string]int{ES256: Clients, RS256: 128, Opaque: 256, RefreshES: 128, RefreshOpaque: 128, Bearer: 128, Code: 128}

func clientCount() (sum int) {
	for _, n := range counts {
		sum += n
	}
	return sum
}

// Users is how many users there are.
const Users = 2048

// password is every user's; their hash is one and the same, and each costs a
// comparison all the same.
const password = "correct horse battery staple"

// World is who there is on a measured server. The same seed makes the same
// secrets.
type World struct {
	seed string
	key  *jose.Key    // every user's, for assertions
	next atomic.Int64 // the user of the next first login
}

// FloorSeed is the world whose clients the floor server knows.
const FloorSeed = "floor"

// NewSeed draws a seed.
func NewSeed() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// NewWorld makes the world of a seed.
func NewWorld(seed string) *World { return &World{seed: seed} }

// Client is the id and the secret of one client.
func (w *World) Client(kind string, i int) (id, secret string) {
	id = fmt.Sprintf("c-%s-%04d", kind, i%counts[kind])
	sum := sha256.Sum256([]byte(w.seed + "\x00" + id))
	return id, "jts_" + base64.RawURLEncoding.EncodeToString(sum[:])
}

// User is the name of one user.
func (w *World) User(i int) string { return fmt.Sprintf("user%04d", i%Users) }

// fresh is a user who has not signed in before, until all have.
func (w *World) fresh() string { return w.User(int(w.next.Add(1))) }

// Apply makes the server's objects those of the world. cost is that of passwords.
func (w *World) Apply(ctx context.Context, s *admin.Service, cost hash.Cost) error {
	config, err := w.config(ctx, cost)
	if err != nil {
		return err
	}
	now := time.Now()
	ctx = audit.With(ctx, &audit.Record{ID: audit.NewID(now), At: now, Org: "default", Outcome: audit.OK})
	if _, err := s.Apply(ctx, config, false); err != nil {
		return fmt.Errorf("bench: apply the world: %w", err)
	}
	return nil
}

func (w *World) config(ctx context.Context, cost hash.Cost) (*config.World, error) {
	kept, err := hash.New(hash.Options{Cost: cost}).Make(ctx, oauth.Secret(password))
	if err != nil {
		return nil, fmt.Errorf("bench: hash the password: %w", err)
	}
	public, err := w.newKey()
	if err != nil {
		return nil, err
	}
	out := &config.World{}
	for kind, n := range counts {
		for i := range n {
			out.Clients = append(out.Clients, w.client(kind, i))
		}
	}
	for _, name := range []string{"sensu", "faspex"} { // products whose clients send no client id
		out.Clients = append(out.Clients, client.Client{
			Org: "default", ID: name, Name: name, Dialect: name, Enabled: true, Auth: client.None,
			Grants: []oauth.GrantType{oauth.GrantPassword, oauth.GrantRefreshToken},
		})
	}
	for i := range Users {
		out.Users = append(out.Users, identity.User{
			Org: "default", Name: w.User(i), Enabled: true, Password: kept, Groups: []string{"dev"}, Keys: []client.Key{{PEM: public}},
		})
	}
	out.Users = append(out.Users, identity.User{Org: "default", Name: "owner", Enabled: true, Password: kept, Admin: true, Roles: []string{"owner"}})
	return out, nil
}

func (w *World) newKey() (public string, err error) {
	if w.key, err = jose.Generate(jose.ES256); err != nil {
		return "", fmt.Errorf("bench: %w", err)
	}
	der, err := x509.MarshalPKIXPublicKey(w.key.Public)
	if err != nil {
		return "", fmt.Errorf("bench: %w", err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), nil
}

func (w *World) client(kind string, i int) client.Client {
	id, secret := w.Client(kind, i)
	c := client.Client{
		Org: "default", ID: id, Name: id, Dialect: "oidc", Enabled: true, Auth: client.SecretBasic,
		Secrets: []client.Secret{{Hash: hash.Generated(secret), Hint: secret[len(secret)-4:]}},
		Scopes:  oauth.Scope{"read", "openid"}, DefaultScope: oauth.Scope{"read"}, Audiences: []string{"https://api.example.com"},
		Grants: []oauth.GrantType{oauth.GrantClientCredentials},
	}
	switch kind {
	case RS256:
		c.AccessAlg = string(jose.RS256)
	case Opaque:
		c.AccessFormat = client.Opaque
	case RefreshES, RefreshOpaque:
		c.Grants = []oauth.GrantType{oauth.GrantPassword, oauth.GrantRefreshToken}
		if kind == RefreshOpaque {
			c.AccessFormat = client.Opaque
		}
	case Code:
		c.Grants = []oauth.GrantType{oauth.GrantAuthorizationCode, oauth.GrantRefreshToken}
		c.IDTokenAlg, c.Consent, c.Own = string(jose.ES256), client.ConsentNever, true
		c.RedirectURIs = []string{Callback}
	case Bearer:
		c.Grants = []oauth.GrantType{oauth.GrantJWTBearer, oauth.GrantPassword}
	}
	return c
}

// assertion is a JWT by which a client speaks for a user (RFC 7523 §3).
func (w *World) assertion(clientID, user, audience string) (string, error) {
	now := time.Now().Unix()
	claims := jose.Obj().Str("iss", clientID).Str("sub", user).Str("aud", audience).
		Int("iat", now).Int("exp", now+300).Str("jti", NewSeed())
	return jose.Sign(w.key, w.key.Header("JWT").Bytes(), claims.Bytes())
}
