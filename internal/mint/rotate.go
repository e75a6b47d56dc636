package mint

import (
	"bytes"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	"jeton/internal/audit"
	"jeton/internal/jose"
	"jeton/internal/oauth"
	"jeton/internal/policy"
)

// Refresh is a refresh token this server made, and the family it belongs to.
type Refresh struct {
	State
	material []byte // what its successor is derived from
	hash     []byte // what is kept of it
	alias    *Alias
}

// Subject is whom the family speaks for, as of now.
func (r *Refresh) Subject() oauth.Subject { return subject(r.State) }

// Beside is what a dialect's clients send next to a refresh token and what must
// then belong to it; zero values ask nothing.
type Beside struct {
	User   string // canonical name
	Family int64
}

const nextRefresh = "sign in again; a refresh token is used once"

// OpenRefresh finds the family of a refresh token and checks that it may be used
// now by this client: BadRefreshToken otherwise. A token that was used before and
// is past its grace ends the whole family (RFC 9700 §4.14.2).
func (m *Mint) OpenRefresh(ctx context.Context, p policy.Profile, org, clientID, token string, b Beside) (*Refresh, error) {
	rec := audit.From(ctx)
	refuse := func(check, want, got string) (*Refresh, error) {
		rec.Fail("refresh token "+check, want, got, nextRefresh)
		return nil, oauth.Refuse(oauth.BadRefreshToken, "")
	}
	gone := func(check, want, got string) (*Refresh, error) {
		rec.Fail("refresh token "+check, want, got, nextRefresh)
		return nil, oauth.Refuse(oauth.BadRefreshToken, "").Because(ErrGone)
	}
	r, err := m.findRefresh(ctx, p, org, token)
	if err != nil {
		return nil, err
	}
	if r == nil {
		return refuse("form", "one this server made", "unknown")
	}
	f := &r.Family
	rec.SetUser(f.Subject)
	rec.SetClient(f.Client)
	now := m.now()
	switch {
	case f.Org != org || f.Dialect != p.Dialect:
		return refuse("organization", org+" "+p.Dialect, f.Org+" "+f.Dialect)
	case clientID != "" && f.Client != clientID: // another client's token is not harmed by being shown here
		return refuse("client", f.Client, clientID)
	case b.Family != 0 && b.Family != f.ID: // nothing is consumed by a mismatched pair
		return refuse("access token beside it", "of the same session", "of another")
	case b.User != "" && (r.User == nil || r.User.Canon != b.User):
		return refuse("user beside it", f.Subject, b.User)
	case f.Revoked != 0:
		return gone("revoked", "live", "revoked "+ago(now, f.Revoked))
	case ended(f.Ends, now) || ended(f.Idle, now):
		return refuse("end", "before its end", "ended")
	}
	if why := m.dead(r.State, now); why != "" {
		return gone("standing", "user and client as they were", why)
	}
	if m.usable(f, r.hash, p.Grace, now) {
		rec.Pass("refresh token", "generation "+fmt.Sprint(f.Generation))
		return r, nil
	}
	if p.Rotate {
		rec.Fail("refresh token reuse", "unused", "used before; the whole family is ended", nextRefresh)
		if _, err := m.store.RevokeFamily(audit.Aside(ctx, "family.revoke"), f.Org, f.ID, now.UnixMilli()); err != nil {
			return nil, fmt.Errorf("mint: end the family of a used refresh token: %w", err)
		}
	}
	return nil, oauth.Refuse(oauth.BadRefreshToken, "").Because(ErrReused)
}

// Causes of a BadRefreshToken, for dialects that word them apart.
var (
	ErrReused = errors.New("refresh token was used before")
	ErrGone   = errors.New("what the refresh token stands on is gone: revoked, or its user or client is")
)

// RefreshClient says which client a refresh token was made for, "" when it is none
// of this organization and dialect. It says nothing of whether the token may still
// be used: OpenRefresh does. For dialects whose refresh requests name no client.
func (m *Mint) RefreshClient(ctx context.Context, p policy.Profile, org, token string) (string, error) {
	r, err := m.findRefresh(ctx, p, org, token)
	if err != nil || r == nil || r.Family.Org != org || r.Family.Dialect != p.Dialect {
		return "", err
	}
	return r.Family.Client, nil
}

// usable reports whether the secret is the current one, or the one before and
// still within its grace.
func (m *Mint) usable(f *oauth.Family, hash []byte, grace time.Duration, now time.Time) bool {
	if subtle.ConstantTimeCompare(hash, f.Secret) == 1 {
		return true
	}
	return m.repeat(f, hash, grace, now)
}

func (m *Mint) repeat(f *oauth.Family, hash []byte, grace time.Duration, now time.Time) bool {
	return len(f.Previous) > 0 && subtle.ConstantTimeCompare(hash, f.Previous) == 1 &&
		now.UnixMilli()-f.Rotated <= grace.Milliseconds()
}

// findRefresh reads the token by the profile's form; nil when it is none of ours.
// Whatever it returns is genuine: this server made the text.
func (m *Mint) findRefresh(ctx context.Context, p policy.Profile, org, token string) (*Refresh, error) {
	switch p.Refresh.Kind {
	case policy.Sealed:
		n, secret, ok := m.seal.open(p.Refresh.Prefix, refreshToken, token)
		if !ok {
			return nil, nil
		}
		return m.loadRefresh(ctx, n.handle, secret, secret)
	case policy.JWT:
		session, secret, ok := m.readRefreshJWT(p, org, token)
		if !ok {
			return nil, nil
		}
		return m.loadRefresh(ctx, session.handle, []byte(secret), []byte(secret))
	default:
		if len(token) != p.Refresh.Length {
			return nil, nil
		}
		hash := digest([]byte(token))
		state, alias, err := m.store.FamilyByAlias(ctx, hash)
		if m.store.IsNotFound(err) || (err == nil && alias.Kind != AliasRefresh) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("mint: look up the refresh token: %w", err)
		}
		return &Refresh{State: state, material: []byte(token), hash: hash, alias: &alias}, nil
	}
}

func (m *Mint) loadRefresh(ctx context.Context, id int64, secret, material []byte) (*Refresh, error) {
	state, err := m.store.Family(ctx, id)
	if m.store.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("mint: look up the refresh token: %w", err)
	}
	if state.Family.Secret == nil {
		return nil, nil
	}
	return &Refresh{State: state, material: material, hash: digest(secret)}, nil
}

func (m *Mint) readRefreshJWT(p policy.Profile, org, token string) (name, string, bool) {
	t, err := jose.Parse(token)
	if err != nil || p.Refresh.Handle == nil || t.Typ != p.Refresh.Typ {
		return name{}, "", false
	}
	for _, key := range m.keys.Verifying(org, p.Refresh.Purpose, t.KID) {
		if t.Verify(key) != nil {
			continue
		}
		id, secret := p.Refresh.Handle(t.Claims)
		n, ok := m.seal.unmark(id)
		return n, secret, ok && n.last == markSession && secret != ""
	}
	return name{}, "", false
}

// Rotate uses the refresh token up and makes its successors. Two at once: one
// wins, the other gets the winner's successor.
func (m *Mint) Rotate(ctx context.Context, o Order, r *Refresh) (oauth.Tokens, error) {
	now := m.now()
	t := m.tokens(o, now)
	t.Scope = o.Decision.Scope
	if !o.Profile.Rotate {
		return m.again(ctx, o, r, t, now)
	}
	if bytes.Equal(r.hash, r.Family.Secret) {
		t, done, err := m.rotate(ctx, o, r, t, now)
		for try := 0; m.taken(o, err) && try < maxHandles; try++ { // its text is another's: one that ends a second sooner
			o.Decision.Access -= time.Second
			t = m.tokens(o, now)
			t.Scope = o.Decision.Scope
			t, done, err = m.rotate(ctx, o, r, t, now)
		}
		if done || err != nil {
			return t, err
		}
		state, err := m.store.Family(ctx, r.Family.ID) // somebody was faster
		if err != nil {
			return oauth.Tokens{}, fmt.Errorf("mint: read the family again: %w", err)
		}
		r.State = state
		if r.Family.Revoked != 0 {
			return oauth.Tokens{}, oauth.Refuse(oauth.BadRefreshToken, "")
		}
	}
	if !m.repeat(&r.Family, r.hash, o.Profile.Grace, now) {
		return oauth.Tokens{}, oauth.Refuse(oauth.BadRefreshToken, "").Because(ErrReused)
	}
	audit.From(ctx).Pass("refresh token repeated", "within its grace: same successor")
	f := r.Family // the row already stands at the successor's generation
	return m.successor(ctx, o, r, &f, t, now)
}

// taken reports whether a rotation failed because the new access token's text, which
// has no random part, is there already.
func (m *Mint) taken(o Order, err error) bool {
	return err != nil && m.store.IsExists(err) && o.access().Kind == policy.Spelled && o.Decision.Access > time.Minute
}

// rotate is the first use: one conditional write.
func (m *Mint) rotate(ctx context.Context, o Order, r *Refresh, t oauth.Tokens, now time.Time) (oauth.Tokens, bool, error) {
	f := r.Family
	f.Generation++
	f.Expires, f.Idle = after(now, o.Decision.Access), after(now, o.Decision.Idle)
	withinFamily(&f, &t)
	var aliases []Alias
	if err := m.spellSuccessor(ctx, o, r, &f, &t, now, &aliases); err != nil {
		return oauth.Tokens{}, false, err
	}
	rotation := Rotation{
		ID: f.ID, Org: f.Org, Client: f.Client, From: r.hash, To: f.Secret, Now: now,
		Expires: f.Expires, Idle: f.Idle, Add: aliases,
	}
	if o.Profile.Rolling != 0 {
		rotation.Used = now.Unix()
	}
	if o.Profile.KillAccess {
		rotation.Drop = []int64{AliasAccess}
	}
	err := m.store.Rotate(ctx, rotation)
	if m.store.IsNotFound(err) {
		return oauth.Tokens{}, false, nil
	}
	if err != nil {
		return oauth.Tokens{}, false, fmt.Errorf("mint: rotate: %w", err)
	}
	return t, true, nil
}

// successor spells again what the winner was given: the same refresh token, and an
// access token of the same generation.
func (m *Mint) successor(ctx context.Context, o Order, r *Refresh, f *oauth.Family, t oauth.Tokens, now time.Time) (oauth.Tokens, error) {
	if f.Expires != 0 {
		t.ExpiresAt = time.Unix(f.Expires, 0)
	}
	var aliases []Alias
	if err := m.spellSuccessor(ctx, o, r, f, &t, now, &aliases); err != nil {
		return oauth.Tokens{}, err
	}
	if !bytes.Equal(f.Secret, r.Family.Secret) { // the chain has gone on since
		return oauth.Tokens{}, oauth.Refuse(oauth.BadRefreshToken, "").Because(ErrReused)
	}
	return t, nil
}

func (m *Mint) spellSuccessor(ctx context.Context, o Order, r *Refresh, f *oauth.Family, t *oauth.Tokens, now time.Time, aliases *[]Alias) error {
	form := o.access()
	issued := now
	if f.Rotated != 0 && f.Generation == r.Family.Generation {
		issued = time.UnixMilli(f.Rotated) // a refresh JWT must come out the same
	}
	next := m.seal.next(refreshToken, f.ID, f.Generation, r.material)
	return m.spellTokens(ctx, o, form, t, f, r.material, next, issued, aliases)
}

// again answers a refresh that does not rotate: the same refresh token, a new
// access token, and the idle end moved on.
func (m *Mint) again(ctx context.Context, o Order, r *Refresh, t oauth.Tokens, now time.Time) (oauth.Tokens, error) {
	f := r.Family
	f.Expires, f.Idle = after(now, o.Decision.Access), after(now, o.Decision.Idle)
	withinFamily(&f, &t)
	rotation := Rotation{ID: f.ID, Org: f.Org, Client: f.Client, From: r.hash, To: r.hash, Now: now, Expires: f.Expires, Idle: f.Idle}
	if err := m.store.Rotate(ctx, rotation); err != nil {
		if m.store.IsNotFound(err) {
			return oauth.Tokens{}, oauth.Refuse(oauth.BadRefreshToken, "")
		}
		return oauth.Tokens{}, fmt.Errorf("mint: extend: %w", err)
	}
	o.Decision.Refresh = false // spelled by the caller's own text
	f.Generation++
	var aliases []Alias
	if err := m.spellTokens(ctx, o, o.access(), &t, &f, r.material, nil, now, &aliases); err != nil {
		return oauth.Tokens{}, err
	}
	return t, nil
}

// withinFamily keeps a new access and refresh token from outliving their family.
func withinFamily(f *oauth.Family, t *oauth.Tokens) {
	if f.Ends == 0 {
		return
	}
	full := f.Expires
	f.Expires, f.Idle = earlier(f.Expires, f.Ends), earlier(f.Idle, f.Ends)
	if f.Expires != full { // otherwise the answer tells the whole life, not one second less
		t.ExpiresAt = time.Unix(f.Expires, 0)
	}
}

func ended(end int64, now time.Time) bool { return end != 0 && now.Unix() >= end }

func earlier(a, b int64) int64 {
	if a == 0 || b < a {
		return b
	}
	return a
}

func ago(now time.Time, milli int64) string {
	return now.Sub(time.UnixMilli(milli)).Round(time.Second).String() + " ago"
}
