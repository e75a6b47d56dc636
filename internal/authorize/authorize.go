// Package authorize leads from an authorization request to a code. Begin judges a
// request before anything is shown; Next is the one place that decides a browser's
// next step; Allow, Finish and Refuse answer the client. The authorization endpoints of the
// dialects and the pages for people call it. Steps never call one another: each is
// done elsewhere, and whoever did it asks Next again. It never checks a password
// and makes no token.
package authorize

import (
	"context"
	"crypto/rand"
	"strconv"
	"time"

	"jeton/internal/audit"
	"jeton/internal/client"
	"jeton/internal/oauth"
	"jeton/internal/policy"
)

// Consent is what a person allowed a client.
type Consent struct {
	Client           string
	Scope            oauth.Scope
	Given            bool  // by the person; false: an administrator vouches for the client
	Created, Updated int64 // unix seconds
}

// Storage keeps codes and consents.
type Storage interface {
	PutCode(ctx context.Context, hash []byte, a *oauth.Authorization) error
	// Consent fails with what IsNotFound tells when nothing was allowed.
	Consent(ctx context.Context, org string, user int64, client string) (Consent, error)
	PutConsent(ctx context.Context, org string, user int64, c Consent) error
	Mark(ctx context.Context, key []byte, expires int64) (first bool, err error)
	IsNotFound(err error) bool
}

// Clients finds registered clients (client.Registry).
type Clients interface {
	Client(org, id string) (*client.Client, bool)
}

// Profiles says how a dialect answers (mint.Mint).
type Profiles interface {
	Profile(dialect string) (policy.Profile, bool)
}

// Sealer hides what travels with the browser (vault.Vault).
type Sealer interface {
	Seal(label string, plain, ad []byte) []byte
	Unseal(label string, sealed, ad []byte) ([]byte, error)
}

// Service leads browsers from a request to a code.
type Service struct {
	Clients  Clients
	Profiles Profiles
	Store    Storage
	Seal     Sealer
	CodeHash func(code string) []byte
	// SealCode makes a code that carries its authorization, "" when it would be too long.
	SealCode func(*oauth.Authorization) string
	Now      func() time.Time
}

// Life of an interaction, from the request to its answer.
const Life = 10 * time.Minute

// defaultCodeLife is how long a code lives (RFC 9700 §2.1.1: short).
const defaultCodeLife = time.Minute

// Begin judges a request. Without a Pending the error is for a page: client or
// redirect URI are not proven, so nobody is sent anywhere (RFC 9700 §4.11). With
// one, the error is for the client: Refuse words it.
func (s *Service) Begin(ctx context.Context, r Request) (*Pending, error) {
	rec := audit.From(ctx)
	c, err := s.client(ctx, r.Org.ID, r.Dialect, r.Client)
	if err != nil {
		return nil, err
	}
	if r.Redirect == "" {
		rec.Fail("redirect_uri", "one that is registered", "none", "send redirect_uri")
		return nil, oauth.Missing("redirect_uri")
	}
	if !Registered(c.RedirectURIs, r.Redirect) {
		rec.Fail("redirect_uri", "one that is registered, byte for byte", r.Redirect, "jeton client set "+c.ID+" redirect_uris+=URI")
		return nil, oauth.Refuse(oauth.BadRedirect, "")
	}
	rec.Pass("redirect_uri", r.Redirect)
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails (crypto/rand)
	p := &Pending{
		ID: id[:], Org: r.Org.ID, Dialect: r.Dialect, Client: c.ID, Issuer: r.Issuer, Created: s.Now().UnixMilli(),
		Redirect: r.Redirect, State: r.State, Challenge: r.Challenge, Nonce: r.Nonce, Prompt: r.Prompt, MaxAge: r.MaxAge,
		Claims: r.Claims, LoginHint: r.LoginHint, Locales: r.Locales, Hint: r.Hint, Force: r.Force,
	}
	switch {
	case r.Mode == modeForm && formable(r.Redirect):
		p.Mode = modeForm
	case r.Mode == modeForm:
		r.wrong(badValue("response_mode", "form_post needs a redirect_uri of https or http"))
	}
	err = s.settle(c, &r, p)
	if err == nil && len(s.Bind(p, "")) > maxBegun {
		err = oauth.Refuse(oauth.InvalidRequest, "the parameters are too long together")
	}
	if err != nil {
		e := oauth.AsRefusal(err)
		rec.Fail("authorization request", "one this client may make", e.Description, "")
		return p, e
	}
	return p, nil
}

func (s *Service) client(ctx context.Context, org, dialect, id string) (*client.Client, error) {
	rec := audit.From(ctx)
	if id == "" {
		rec.Fail("client_id", "a registered client", "none", "send client_id")
		return nil, oauth.Missing("client_id")
	}
	c, ok := s.Clients.Client(org, id)
	if !ok || !c.Enabled || c.Dialect != dialect {
		rec.Fail("client_id", "an enabled client of dialect "+dialect, id, "jeton client show "+id)
		return nil, oauth.Refuse(oauth.UnknownClient, "")
	}
	rec.SetClient(c.ID)
	return c, nil
}

// settle fills in what depends on the client.
func (s *Service) settle(c *client.Client, r *Request, p *Pending) error {
	profile, ok := s.Profiles.Profile(r.Dialect)
	if !ok || profile.Code == nil {
		return oauth.Refuse(oauth.UnauthorizedClient, "")
	}
	if err := policy.MayUse(profile, c, oauth.GrantAuthorizationCode); err != nil {
		return err
	}
	if err := r.check(); err != nil {
		return err
	}
	if r.Challenge == "" && policy.MustPKCE(profile, c) {
		return badValue("code_challenge", "code_challenge is required (PKCE, S256)")
	}
	demand, err := readClaims(r.Claims)
	if err != nil {
		return err
	}
	p.NeedACR = demand.acr
	if demand.sub != "" && p.Hint == 0 {
		if p.Hint, err = strconv.ParseInt(demand.sub, 10, 64); err != nil {
			p.Hint = -1 // nobody here
		}
	}
	if p.MaxAge == nil {
		p.MaxAge = c.DefaultMaxAge
	}
	p.Scope, p.Audience, err = policy.Authorize(profile, c, oauth.Subject{}, r.Scope, r.Resource)
	return err
}
