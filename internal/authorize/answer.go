package authorize

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"math/big"
	"slices"
	"time"

	"jeton/internal/audit"
	"jeton/internal/client"
	"jeton/internal/identity"
	"jeton/internal/oauth"
	"jeton/internal/policy"
	"jeton/internal/session"
)

// Answer is what the client gets: where, how, and the parameters in their order.
type Answer struct {
	Redirect string
	Form     bool // as a form post, otherwise in the query
	Found    bool // 302, where the vendor redirects so
	Params   [][2]string
}

func (s *Service) answer(p *Pending, params ...[2]string) Answer {
	profile, _ := s.Profiles.Profile(p.Dialect)
	a := Answer{Redirect: p.Redirect, Form: p.Mode == modeForm, Params: params}
	if p.State != "" {
		a.Params = append(a.Params, [2]string{"state", p.State})
	}
	if profile.Code != nil {
		a.Found = profile.Code.Found
		if profile.Code.Issuer {
			a.Params = append(a.Params, [2]string{"iss", p.Issuer})
		}
	}
	return a
}

// Refuse words an error for the client (RFC 6749 §4.1.2.1).
func (s *Service) Refuse(p *Pending, err error) Answer {
	e := oauth.AsRefusal(err)
	params := [][2]string{{"error", e.Code.Word()}}
	profile, _ := s.Profiles.Profile(p.Dialect)
	if profile.Code == nil || !profile.Code.Silent {
		params = append(params, [2]string{"error_description", e.Description})
	}
	return s.answer(p, params...)
}

// Allow keeps what a person allows and notes it in the request: Next finds it
// finished. d must be what Next said for this browser; scope is what was ticked, and
// is never more than d has.
func (s *Service) Allow(ctx context.Context, p *Pending, d Due, u *identity.User, scope oauth.Scope) error {
	if d.Step != Ask {
		return oauth.Refuse(oauth.NotDue, "")
	}
	var allowed oauth.Scope
	for _, v := range d.Wanted {
		if scope.Has(v) || d.Had.Has(v) || v == "openid" || policy.IsClaim(v) {
			allowed = append(allowed, v)
		}
	}
	before, err := s.consent(ctx, p, u)
	if err != nil {
		return err
	}
	kept := Consent{Client: p.Client, Scope: allowed, Given: true}
	if before.Given {
		kept.Scope = and(before.Scope, allowed)
	}
	rec := audit.From(ctx)
	rec.Name("consent.give")
	rec.SetUser(u.Name)
	rec.Pass("consent", allowed.String())
	if err := s.Store.PutConsent(ctx, p.Org, u.ID, kept); err != nil {
		return fmt.Errorf("authorize: keep the consent: %w", err)
	}
	p.Allowed = &Allowed{u.ID, allowed}
	return nil
}

// Once uses a request up that pages were shown for: one request gives one code.
func (s *Service) Once(ctx context.Context, p *Pending) error {
	sum := sha256.Sum256(append([]byte("authorization request\x00"), p.ID...))
	first, err := s.Store.Mark(ctx, sum[:], p.Created/1000+int64((Life+time.Minute)/time.Second))
	if err != nil {
		return fmt.Errorf("authorize: %w", err)
	}
	if !first {
		audit.From(ctx).Fail("interaction", "answered once", "answered before", "start again at the client")
		return oauth.Refuse(oauth.StalePage, "")
	}
	return nil
}

// Finish gives the client its code where nothing is left to ask.
func (s *Service) Finish(ctx context.Context, p *Pending, d Due, at *session.Session, u *identity.User) (Answer, error) {
	if d.Step != Finished {
		return Answer{}, oauth.Refuse(oauth.NotDue, "")
	}
	if p.Allowed == nil && d.unlisted() {
		listed := Consent{Client: p.Client, Scope: and(d.before.Scope, d.Wanted)}
		if err := s.Store.PutConsent(ctx, p.Org, u.ID, listed); err != nil {
			return Answer{}, fmt.Errorf("authorize: keep what was not asked: %w", err)
		}
	}
	return s.code(ctx, p, d.Client, at, u, d.Wanted)
}

func (s *Service) code(ctx context.Context, p *Pending, c *client.Client, at *session.Session, u *identity.User, scope oauth.Scope) (Answer, error) {
	profile, _ := s.Profiles.Profile(p.Dialect)
	life := profile.Code.Life
	if life == 0 {
		life = defaultCodeLife
	}
	claims := policy.Told(p.Claims, scope)
	scope = slices.DeleteFunc(slices.Clone(scope), policy.IsClaim)
	rec := audit.From(ctx)
	rec.Name("code.issue")
	rec.SetUser(u.Name)
	rec.Pass("scope", scope.String())
	a := &oauth.Authorization{
		Org: p.Org, Dialect: p.Dialect, Client: p.Client, User: u.ID, Redirect: p.Redirect, Scope: scope, Audience: p.Audience,
		Challenge: p.Challenge, Nonce: p.Nonce, ACR: at.ACR, Claims: claims, Session: at.ID, AMR: at.AMR,
		AuthTime: at.AuthTime / 1000, UserSince: u.RevokedBefore, Since: c.RevokedBefore, Expires: s.Now().Add(life).Unix(),
	}
	if profile.Code.Sealed {
		if code := s.SealCode(a); code != "" {
			return s.answer(p, [2]string{"code", code}), nil
		}
	}
	code := spell(profile.Code)
	if err := s.Store.PutCode(ctx, s.CodeHash(code), a); err != nil {
		return Answer{}, fmt.Errorf("authorize: keep the code: %w", err)
	}
	return s.answer(p, [2]string{"code", code}), nil
}

// spell draws a code in the dialect's alphabet.
func spell(f *policy.CodeFlow) string {
	b := make([]byte, f.Length)
	for i := range b {
		n, err := rand.Int(rand.Reader, big.NewInt(int64(len(f.Alphabet))))
		if err != nil { // crypto/rand never fails
			continue
		}
		b[i] = f.Alphabet[n.Int64()]
	}
	return string(b)
}
