// Package mint makes tokens and knows its own again: issue, rotate, check,
// introspect, revoke. The token pipeline calls Issue and Rotate with a decision
// that policy made; the faces call Check and Revoke. It never decides what a token
// may do and never sees a password.
package mint

import (
	"context"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"jeton/internal/client"
	"jeton/internal/identity"
	"jeton/internal/jose"
	"jeton/internal/oauth"
	"jeton/internal/policy"
)

// State is a family and whom it stands on, as of now.
type State struct {
	Family oauth.Family
	User   *identity.User // nil when the client speaks for itself, or the user is gone
}

// Alias finds a family by the hash of a token too short to name it.
type Alias struct {
	Hash       []byte
	Family     int64
	Generation int64
	Kind       int64
	Expires    int64 // unix seconds, 0 = never
}

// Kinds of alias.
const (
	AliasAccess  int64 = 1
	AliasRefresh int64 = 2
)

// Rotation is one conditional write: it happens only while the family's refresh
// secret is still From.
type Rotation struct {
	ID      int64
	Org     string
	Client  string
	From    []byte // SHA-256 of the secret presented
	To      []byte // SHA-256 of its successor
	Now     time.Time
	Expires int64 // unix seconds: end of the new access token
	Idle    int64 // unix seconds: end of the new refresh token unless used
	Used    int64 // unix seconds, rolling tokens only
	Drop    []int64
	Add     []Alias
}

// Storage keeps families. Every verb is one transaction.
type Storage interface {
	NewHandle(ends int64) int64
	// PutFamily fails with ErrExists when the handle is taken.
	PutFamily(ctx context.Context, f *oauth.Family, aliases []Alias) error
	// Redeem is PutFamily that uses up an authorization code (l.Redeem) with it;
	// ErrChanged when that was used already, is over, or its browser session ended.
	Redeem(ctx context.Context, f *oauth.Family, aliases []Alias, l oauth.Login, issuer string) error
	// Family and FamilyByAlias fail with ErrNotFound.
	Family(ctx context.Context, id int64) (State, error)
	FamilyByAlias(ctx context.Context, hash []byte) (State, Alias, error)
	// Rotate fails with ErrNotFound when From is no longer the family's secret, or the
	// family is revoked or ended.
	Rotate(ctx context.Context, r Rotation) error
	RevokeFamily(ctx context.Context, org string, id int64, nowMilli int64) (bool, error)
	Touch(ctx context.Context, id, generation, used int64) error
	// Deny notes a revoked token nothing is stored of, until expires (unix seconds).
	Deny(ctx context.Context, key []byte, expires int64) (first bool, err error)
	StatelessState(ctx context.Context, key []byte, org string, user int64, now int64) (denied bool, u *identity.User, err error)
	// ErrNotFound and ErrExists tell the store's two answers apart.
	IsNotFound(err error) bool
	IsExists(err error) bool
	IsChanged(err error) bool
}

// Keys signs and finds signing keys (keys.Ring).
type Keys interface {
	Signing(ctx context.Context, org, purpose string, alg jose.Alg) (*jose.Key, error)
	Find(kid string) *jose.Key
	Verifying(org, purpose, kid string) []*jose.Key
}

// Mint makes and knows tokens.
type Mint struct {
	store    Storage
	keys     Keys
	clients  *client.Registry
	profiles map[string]policy.Profile
	kidless  []string            // purposes whose tokens name no key (HS256)
	lengths  map[int]bool        // lengths of short tokens
	looks    []func(string) bool // of the spelled forms
	seal     *sealer
	now      func() time.Time
	counter  atomic.Uint32
}

// Options of New. Derive gives key material that stays the same across restarts
// and nodes (vault.Vault.Derive).
type Options struct {
	Store    Storage
	Keys     Keys
	Clients  *client.Registry
	Profiles []policy.Profile
	Derive   func(label string, n int) []byte
	Now      func() time.Time
}

// New makes a mint for the dialects whose profiles it is given.
func New(o Options) (*Mint, error) {
	seal, err := newSealer(o.Derive)
	if err != nil {
		return nil, fmt.Errorf("mint: token keys: %w", err)
	}
	m := &Mint{
		store: o.Store, keys: o.Keys, clients: o.Clients, seal: seal, now: o.Now,
		profiles: make(map[string]policy.Profile, len(o.Profiles)), lengths: map[int]bool{},
	}
	for _, p := range o.Profiles {
		m.profiles[p.Dialect] = p
		if p.Special != nil {
			m.looks = append(m.looks, p.Special.Looks)
		}
		for _, f := range []policy.Form{p.Access, p.Refresh} {
			switch {
			case f.Kind == policy.Short:
				m.lengths[f.Length] = true
			case f.Kind == policy.JWT && f.Alg == jose.HS256 && f.Purpose != "":
				m.kidless = append(m.kidless, f.Purpose)
			}
		}
	}
	return m, nil
}

// Profile is how a dialect wants its tokens.
func (m *Mint) Profile(dialect string) (policy.Profile, bool) {
	p, ok := m.profiles[dialect]
	return p, ok
}

// Order is everything Issue and Rotate need, decided elsewhere.
type Order struct {
	Client   *client.Client
	Profile  policy.Profile // may differ from the registered one by an organization's settings
	Proof    oauth.Proof
	Decision policy.Decision
	Issuer   string
	Org      policy.OrgInfo
	Confirm  string
}

// access is the form of the client's access tokens: its own choice where the
// dialect leaves one, else the dialect's.
func (o Order) access() policy.Form {
	if special := o.Profile.Special; special != nil && o.Profile.SpecialFor(o.Decision.Scope) {
		return *special
	}
	f := o.Profile.Access
	if o.Client.AccessFormat == client.Opaque && f.Kind == policy.JWT && o.Profile.Opaque != nil {
		return *o.Profile.Opaque
	}
	if f.Kind == policy.JWT && o.Client.AccessAlg != "" && f.Choice {
		f.Alg = jose.Alg(o.Client.AccessAlg)
	}
	return f
}

// Issue makes the tokens of a new grant and keeps what must be kept. When it
// returns, what it made is durable.
func (m *Mint) Issue(ctx context.Context, o Order) (oauth.Tokens, error) {
	now := m.now()
	form, d := o.access(), o.Decision
	t := m.tokens(o, now)
	// What comes of a code has a family, so that the code's replay can end it.
	redeem := o.Proof.Login.Redeem
	if user := o.Proof.Subject.User; form.Kind == policy.JWT && o.Profile.Stateless && !d.Refresh && redeem == nil && user <= math.MaxUint32 {
		// The name holds the millisecond, so that "everything issued before" can be revoked exactly.
		t.AccessID = m.seal.mark(stateless{now, m.counter.Add(1), user, o.Proof.Subject.RevokedBefore, o.Client.RevokedBefore}.name())
		return t, m.signAccess(ctx, o, form, &t, facts{id: t.AccessID}, now)
	}
	for range maxHandles {
		f := m.family(o, now)
		secret := random(secretLen)
		var aliases []Alias
		if err := m.spellTokens(ctx, o, form, &t, f, secret, secret, now, &aliases); err != nil {
			return oauth.Tokens{}, err
		}
		err := m.put(ctx, o, f, aliases)
		if m.store.IsChanged(err) {
			return oauth.Tokens{}, oauth.Refuse(oauth.CodeUsed, "")
		}
		if m.store.IsExists(err) && form.Kind == policy.Spelled {
			if redeem == nil { // a code is used up by a grant of its own
				if same, err := m.same(ctx, f, aliases); err != nil || same != 0 {
					t.Family = same
					return t, err
				}
			}
			if o.Decision.Access > time.Minute { // its text is another's: one that ends a second sooner
				o.Decision.Access -= time.Second
				t = m.tokens(o, now)
			}
		}
		if m.store.IsExists(err) {
			continue // another node took this handle in the same hour: take the next
		}
		if err != nil {
			return oauth.Tokens{}, fmt.Errorf("mint: keep the grant: %w", err)
		}
		return t, nil
	}
	return oauth.Tokens{}, fmt.Errorf("mint: no free handle after %d tries", maxHandles)
}

const maxHandles = 8

func (m *Mint) put(ctx context.Context, o Order, f *oauth.Family, aliases []Alias) error {
	if l := o.Proof.Login; l.Redeem != nil {
		return m.store.Redeem(ctx, f, aliases, l, o.Issuer)
	}
	return m.store.PutFamily(ctx, f, aliases)
}

// same finds the live family of the same client and user that has a spelled token
// of this very text, 0 when there is none. Such a text has no random part, so two
// requests of one second get one token.
func (m *Mint) same(ctx context.Context, f *oauth.Family, aliases []Alias) (int64, error) {
	s, _, err := m.store.FamilyByAlias(ctx, aliases[0].Hash)
	if m.store.IsNotFound(err) {
		return 0, nil // the handle was taken, not the text
	}
	if err != nil {
		return 0, fmt.Errorf("mint: look up the same token: %w", err)
	}
	old := &s.Family
	if old.Org != f.Org || old.Client != f.Client || old.User != f.User || old.Revoked != 0 ||
		old.UserSince != f.UserSince || old.ClientSince != f.ClientSince { // dead, or another's
		return 0, nil
	}
	return old.ID, nil
}

func (m *Mint) tokens(o Order, now time.Time) oauth.Tokens {
	t := oauth.Tokens{
		IssuedAt: now, Scope: o.Decision.Scope, Audience: o.Decision.Audience,
		Subject: o.Proof.Subject, Client: o.Client.ID,
	}
	if o.Decision.Access != 0 {
		t.ExpiresAt = now.Add(o.Decision.Access)
	}
	return t
}

func (m *Mint) family(o Order, now time.Time) *oauth.Family {
	f := &oauth.Family{
		Org: o.Client.Org, Dialect: o.Client.Dialect, Client: o.Client.ID,
		User: o.Proof.Subject.User, Subject: o.Proof.Subject.Name,
		Scope: o.Decision.Family, Audience: o.Decision.Audience, AMR: o.Proof.AMR,
		AuthTime: unixSeconds(o.Proof.AuthTime), Created: now.UnixMilli(),
		UserSince: o.Proof.Subject.RevokedBefore, ClientSince: o.Client.RevokedBefore,
		Expires: after(now, o.Decision.Access), Ends: after(now, o.Decision.Life),
		Confirm: o.Confirm, Note: o.Proof.Note,
		Session: o.Proof.Login.Session, ACR: o.Proof.Login.ACR, Claims: o.Proof.Login.Claims,
		Offline: o.Decision.Family.Has(offline),
	}
	if o.Decision.Refresh {
		f.Idle = after(now, o.Decision.Idle)
	}
	if o.Profile.Rolling != 0 {
		f.Used = now.Unix()
	}
	f.ID = m.store.NewHandle(f.Ends)
	return f
}

// offline is the scope whose grants outlive the browser session (OpenID Connect Core §11).
const offline = "offline_access"

// after is now plus a life in unix seconds; a life of 0 never ends.
func after(now time.Time, life time.Duration) int64 {
	if life == 0 {
		return 0
	}
	return now.Add(life).Unix()
}

// spellTokens writes the access and refresh token of generation f.Generation into t
// and, for short forms, the aliases to keep. f.Secret is set to the digest of the
// refresh secret.
func (m *Mint) spellTokens(ctx context.Context, o Order, form policy.Form, t *oauth.Tokens, f *oauth.Family, access, refresh []byte, now time.Time, aliases *[]Alias) error {
	t.Family = f.ID
	x := facts{
		id:      m.seal.mark(name{f.ID, uint32(f.Generation), markToken}),
		session: m.seal.mark(name{f.ID, 0, markSession}),
	}
	t.Access, t.Refresh = "", ""
	switch form.Kind {
	case policy.Sealed:
		secret := append(scopeMask(f.Scope, t.Scope), random(secretLen-maskLen)...)
		t.Access = m.seal.seal(form.Prefix, accessToken, name{f.ID, uint32(f.Generation), uint32(unixSeconds(t.ExpiresAt))}, secret)
	case policy.Short:
		t.Access = spell(form, m.seal.next(accessToken, f.ID, f.Generation, access))
		*aliases = append(*aliases, Alias{digest([]byte(t.Access)), f.ID, f.Generation, AliasAccess, unixSeconds(t.ExpiresAt)})
	case policy.Spelled:
		if err := m.spellSpecial(ctx, o, form, t, x, now); err != nil {
			return err
		}
		*aliases = append(*aliases, Alias{digest([]byte(t.Access)), f.ID, f.Generation, AliasAccess, unixSeconds(t.ExpiresAt)})
	case policy.JWT:
		t.AccessID = x.id
		if err := m.signAccess(ctx, o, form, t, x, now); err != nil {
			return err
		}
	}
	if err := m.signID(ctx, o, t, now); err != nil {
		return err
	}
	if o.Decision.Refresh {
		return m.spellRefresh(ctx, o, t, f, refresh, x, now, aliases)
	}
	return nil
}

func (m *Mint) spellRefresh(ctx context.Context, o Order, t *oauth.Tokens, f *oauth.Family, secret []byte, x facts, now time.Time, aliases *[]Alias) error {
	form := o.Profile.Refresh
	switch form.Kind {
	case policy.Sealed:
		t.Refresh = m.seal.seal(form.Prefix, refreshToken, name{f.ID, uint32(f.Generation), 0}, secret)
		f.Secret = digest(secret)
	case policy.Short:
		t.Refresh = spell(form, secret)
		f.Secret = digest([]byte(t.Refresh))
		*aliases = append(*aliases, Alias{f.Secret, f.ID, f.Generation, AliasRefresh, f.Idle})
	case policy.JWT:
		x.secret = fmt.Sprintf("%x", secret[:16])
		f.Secret = digest([]byte(x.secret))
		signed, err := m.sign(ctx, o, form, x, *t, time.Unix(f.Idle, 0), f.Idle == 0, now)
		if err != nil {
			return err
		}
		t.Refresh = signed
	}
	return nil
}

type facts struct{ id, session, secret string }

func (m *Mint) signAccess(ctx context.Context, o Order, form policy.Form, t *oauth.Tokens, x facts, now time.Time) (err error) {
	t.Access, err = m.sign(ctx, o, form, x, *t, t.ExpiresAt, t.ExpiresAt.IsZero(), now)
	return err
}

func (m *Mint) sign(ctx context.Context, o Order, form policy.Form, x facts, t oauth.Tokens, expires time.Time, never bool, now time.Time) (string, error) {
	key, err := m.keys.Signing(ctx, o.Client.Org, form.Purpose, form.Alg)
	if err != nil {
		return "", fmt.Errorf("mint: signing key: %w", err)
	}
	if never {
		expires = time.Time{}
	}
	claims := form.Claims(o.facts(x, t, expires, now))
	header := key.Header(form.Typ)
	if form.Header != nil {
		header = form.Header(key, form.Typ)
	}
	signed, err := jose.Sign(key, header.Bytes(), claims.Bytes())
	if err != nil {
		return "", fmt.Errorf("mint: sign: %w", err)
	}
	return signed, nil
}

// facts is all a claims function may know of the token t.
func (o Order) facts(x facts, t oauth.Tokens, expires, now time.Time) policy.Facts {
	return policy.Facts{
		Issuer: o.Issuer, Subject: t.Subject, Client: o.Client.ID, Scope: t.Scope, Audience: t.Audience,
		Now: now, Expires: expires, ID: x.id, Session: x.session, Secret: x.secret,
		AMR: o.Proof.AMR, AuthTime: unixSeconds(o.Proof.AuthTime), Note: o.Proof.Note,
		Confirm: o.Confirm, Org: o.Org, Mapped: o.Client.Claims,
	}
}

// spellSpecial writes an access token of a Spelled form.
func (m *Mint) spellSpecial(ctx context.Context, o Order, form policy.Form, t *oauth.Tokens, x facts, now time.Time) error {
	key, err := m.keys.Signing(ctx, o.Client.Org, form.Purpose, form.Alg)
	if err != nil {
		return fmt.Errorf("mint: signing key: %w", err)
	}
	if t.Access, err = form.Spell(key, o.facts(x, *t, t.ExpiresAt, now)); err != nil {
		return fmt.Errorf("mint: spell: %w", err)
	}
	return nil
}

// scopeMask notes which of the family's scopes an access token has; all ones when
// it has them all.
func scopeMask(family, granted oauth.Scope) []byte {
	mask := make([]byte, maskLen)
	for i, v := range family {
		if i < maskLen*8 && granted.Has(v) {
			mask[i/8] |= 1 << (i % 8)
		}
	}
	if len(granted) == len(family) {
		for i := range mask {
			mask[i] = 0xff
		}
	}
	return mask
}

func maskedScope(family oauth.Scope, mask []byte) oauth.Scope {
	all := true
	for _, b := range mask {
		all = all && b == 0xff
	}
	if all {
		return family
	}
	var out oauth.Scope
	for i, v := range family {
		if i < maskLen*8 && mask[i/8]&(1<<(i%8)) != 0 {
			out = append(out, v)
		}
	}
	return out
}
