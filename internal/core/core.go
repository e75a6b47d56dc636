// Package core is the struct of rooms every face is given. It holds no behaviour.
package core

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"jeton/internal/admin"
	"jeton/internal/audit"
	"jeton/internal/authorize"
	"jeton/internal/client"
	"jeton/internal/grant"
	"jeton/internal/identity"
	"jeton/internal/jose"
	"jeton/internal/mint"
	"jeton/internal/oauth"
	"jeton/internal/ratelimit"
	"jeton/internal/session"
)

// Core is the rooms, wired.
type Core struct {
	Exchange  *grant.Exchange
	Authorize *authorize.Service
	Sessions  *session.Manager
	Mint      *mint.Mint
	Clients   *client.Registry
	Users     *identity.Directory
	Admin     *admin.Service
	Keys      Keys
	Limits    *ratelimit.Limiter // counts per key; a dialect names its keys "aspire/…"
	Vault     Vault
	Log       *slog.Logger
	Events    Events
	Now       func() time.Time
	// Demo says that this is the demo world: a dialect may answer for the product's
	// own API then, which in production stands behind this server.
	Demo bool
}

// Keys is what faces need of the signing keys.
type Keys interface {
	Signing(ctx context.Context, org, purpose string, alg jose.Alg) (*jose.Key, error)
	JWKS(ctx context.Context, org string, style jose.Style, purposes ...string) (body []byte, etag string, err error)
}

// Vault seals what must be readable again.
type Vault interface {
	Seal(label string, plain, ad []byte) []byte
	Unseal(label string, sealed, ad []byte) ([]byte, error)
}

// Events finds audit records for explain.
type Events interface {
	Event(ctx context.Context, id audit.ID) (*audit.Record, error)
}

// Bearer checks an access token that was sent to one of a dialect's own endpoints.
// A token of another dialect is refused.
func (c *Core) Bearer(ctx context.Context, org, dialect, token string) (*oauth.Access, error) {
	if token == "" {
		return nil, oauth.Refuse(oauth.MissingToken, "")
	}
	return c.Mint.CheckFor(ctx, org, dialect, token)
}

// Setting decodes an organization's setting of a dialect into v.
func Setting[T any](o *client.Org, dialect, name string, otherwise T) T {
	var v T
	if raw, ok := o.Settings[dialect][name]; ok && json.Unmarshal(raw, &v) == nil {
		return v
	}
	return otherwise
}
