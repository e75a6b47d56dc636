package mint

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"jeton/internal/audit"
	"jeton/internal/identity"
	"jeton/internal/jose"
	"jeton/internal/oauth"
	"jeton/internal/policy"
)

const (
	nextToken = "get a new token; jeton explain TOKEN shows what this one is"
	markDeny  = "deny" // what a revoked stateless token is noted under
)

// Check says what an access token may do, as of now: every check reads again the
// state it stands on (family, user, client). InvalidToken otherwise.
func (m *Mint) Check(ctx context.Context, org, token string) (*oauth.Access, error) {
	return m.check(ctx, org, "", token, true)
}

// CheckFor is Check for one dialect's own endpoints: a token of another dialect is
// no token here.
func (m *Mint) CheckFor(ctx context.Context, org, dialect, token string) (*oauth.Access, error) {
	return m.check(ctx, org, dialect, token, true)
}

// Peek is Check without counting as a use: a rolling token does not roll.
func (m *Mint) Peek(ctx context.Context, org, token string) (*oauth.Access, error) {
	return m.check(ctx, org, "", token, false)
}

func (m *Mint) check(ctx context.Context, org, dialect, token string, use bool) (*oauth.Access, error) {
	a, why, err := m.read(ctx, org, token, use)
	if err != nil {
		return nil, err
	}
	rec := audit.From(ctx)
	if why == "" && dialect != "" && a.Dialect != dialect {
		why = "a token of dialect " + a.Dialect
	}
	if why != "" {
		rec.Fail("access token", "a live one", why, nextToken)
		return nil, oauth.Refuse(oauth.InvalidToken, "")
	}
	rec.SetClient(a.Client)
	rec.SetUser(a.Subject.Name)
	return a, nil
}

// read finds out what the token is; why says, for the operator, what is wrong with
// it.
func (m *Mint) read(ctx context.Context, org, token string, use bool) (a *oauth.Access, why string, err error) {
	switch {
	case strings.Count(token, ".") == 2:
		return m.readJWT(ctx, org, token, use)
	case m.lengths[len(token)]:
		return m.readAlias(ctx, org, token, use)
	}
	for _, p := range m.profiles {
		forms := []policy.Form{p.Access}
		if p.Opaque != nil {
			forms = append(forms, *p.Opaque)
		}
		for _, f := range forms {
			if f.Kind != policy.Sealed {
				continue
			}
			if n, secret, ok := m.seal.open(f.Prefix, accessToken, token); ok {
				return m.readSealed(ctx, org, n, secret, use)
			}
		}
	}
	if slices.ContainsFunc(m.looks, func(looks func(string) bool) bool { return looks(token) }) {
		return m.readAlias(ctx, org, token, use)
	}
	return nil, "not one this server made", nil
}

// readAlias finds a token by its hash.
func (m *Mint) readAlias(ctx context.Context, org, token string, use bool) (*oauth.Access, string, error) {
	state, alias, err := m.store.FamilyByAlias(ctx, digest([]byte(token)))
	if m.store.IsNotFound(err) || (err == nil && alias.Kind != AliasAccess) {
		return nil, "unknown", nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("mint: look up the token: %w", err)
	}
	return m.stand(ctx, org, state, alias.Generation, alias.Expires, state.Family.Scope, use)
}

func (m *Mint) readSealed(ctx context.Context, org string, n name, secret []byte, use bool) (*oauth.Access, string, error) {
	state, err := m.store.Family(ctx, n.handle)
	if m.store.IsNotFound(err) {
		return nil, "its grant is gone", nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("mint: look up the token: %w", err)
	}
	return m.stand(ctx, org, state, int64(n.generation), int64(n.last), maskedScope(state.Family.Scope, secret[:maskLen]), use)
}

// stand checks what a token with a family stands on.
func (m *Mint) stand(ctx context.Context, org string, s State, generation, expires int64, scope oauth.Scope, use bool) (*oauth.Access, string, error) {
	f, now := &s.Family, m.now()
	p := m.profiles[f.Dialect]
	switch {
	case f.Org != org:
		return nil, "of another organization", nil
	case f.Revoked != 0:
		return nil, "revoked " + ago(now, f.Revoked), nil
	case ended(expires, now):
		return nil, "expired " + ago(now, expires*1000), nil
	case p.KillAccess && generation != f.Generation:
		return nil, "replaced by a refresh", nil
	}
	if why := m.dead(s, now); why != "" {
		return nil, why, nil
	}
	if p.Rolling != 0 {
		if why, err := m.roll(ctx, p, f, generation, now, use); why != "" || err != nil {
			return nil, why, err
		}
	}
	a := &oauth.Access{
		Org: f.Org, Dialect: f.Dialect, Client: f.Client, Scope: m.still(p, s, scope), Audience: f.Audience,
		IssuedAt: time.UnixMilli(f.Created), Family: f.ID, AMR: f.AMR, AuthTime: f.AuthTime, Note: f.Note,
		Subject: subject(s), Session: f.Session, Claims: f.Claims,
	}
	if f.Rotated != 0 && generation == f.Generation {
		a.IssuedAt = time.UnixMilli(f.Rotated)
	}
	if expires != 0 {
		a.Expires = time.Unix(expires, 0)
	}
	return a, "", nil
}

// still is the scope as of now: what the client lost since is gone.
func (m *Mint) still(p policy.Profile, s State, scope oauth.Scope) oauth.Scope {
	c, ok := m.clients.Client(s.Family.Org, s.Family.Client)
	if !ok || len(scope) == 0 {
		return scope
	}
	return policy.Still(p, c, subject(s), scope)
}

func subject(s State) oauth.Subject {
	if s.User != nil {
		return s.User.Subject()
	}
	return oauth.Subject{Org: s.Family.Org, Client: s.Family.Client, Name: s.Family.Client}
}

// dead says why the user or client behind a family no longer carries it.
func (m *Mint) dead(s State, now time.Time) string {
	f := &s.Family
	c, ok := m.clients.Client(f.Org, f.Client)
	switch {
	case !ok:
		return "client deleted"
	case !c.Enabled:
		return "client disabled"
	case f.ClientSince != c.RevokedBefore:
		return "all tokens of the client were revoked"
	case f.User == 0:
		return ""
	case s.User == nil:
		return "user deleted"
	case !s.User.Live(now.Unix()):
		return "user disabled"
	case f.UserSince != s.User.RevokedBefore:
		return "all tokens of the user were revoked"
	}
	return ""
}

// rollEvery is how much of a rolling life must have gone before a use is written
// down where the profile says nothing: a write per twentieth of the life, not per use.
const rollEvery = 20

func rollStep(p policy.Profile) time.Duration {
	if p.RollStep != 0 {
		return p.RollStep
	}
	return p.Rolling / rollEvery
}

// roll checks and moves the idle end of a rolling token. The token of the
// generation before keeps the end it had when it was refreshed.
func (m *Mint) roll(ctx context.Context, p policy.Profile, f *oauth.Family, generation int64, now time.Time, use bool) (string, error) {
	used := f.Used
	if generation < f.Generation {
		used = f.PrevUsed
		if generation < f.Generation-1 {
			return "replaced by a refresh", nil
		}
	}
	idle := now.Sub(time.Unix(used, 0))
	if idle >= p.Rolling {
		return "unused for " + idle.Round(time.Second).String(), nil
	}
	if use && generation == f.Generation && idle >= rollStep(p) {
		if err := m.store.Touch(ctx, f.ID, generation, now.Unix()); err != nil {
			return "", fmt.Errorf("mint: note the use: %w", err)
		}
	}
	return "", nil
}

// readJWT knows our own signed tokens: the key says which dialect's they are, and
// with it the type and the claim that names them.
func (m *Mint) readJWT(ctx context.Context, org, token string, use bool) (*oauth.Access, string, error) {
	t, err := jose.Parse(token)
	if err != nil {
		return nil, err.Error(), nil
	}
	key := m.verifyingKey(org, t)
	if key == nil {
		return nil, "signed by no key of this server", nil
	}
	p, form, ok := m.purpose(key.Purpose)
	switch {
	case key.Org != org:
		return nil, "of another organization", nil
	case !ok:
		return nil, "a key that signs no access tokens", nil
	case form.Typ != t.Typ:
		return nil, "typ " + t.Typ + " is no access token", nil
	}
	exp, has := t.Claims.Int("exp")
	if t.Claims.Has("exp") && (!has || m.now().Unix() >= exp) {
		return nil, "expired", nil
	}
	n, ok := m.seal.unmark(handle(form, t.Claims))
	if !ok {
		return nil, "not an access token", nil
	}
	scope := claimScope(t.Claims)
	if isStateless(n) {
		return m.standStateless(ctx, org, p, t, n, scope, exp)
	}
	state, err := m.store.Family(ctx, n.handle)
	if m.store.IsNotFound(err) {
		return nil, "its grant is gone", nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("mint: look up the token: %w", err)
	}
	if state.Family.Dialect != p.Dialect { // one dialect's key never speaks for another's grants
		return nil, "signed by a key of dialect " + p.Dialect, nil
	}
	generation := int64(n.generation)
	if n.last == markSession { // names the family, no generation
		generation = state.Family.Generation
	}
	if !t.Claims.Has("scope") {
		scope = state.Family.Scope
	}
	a, why, err := m.stand(ctx, org, state, generation, exp, scope, use)
	if a != nil {
		a.JWT, a.ID = true, handle(form, t.Claims)
	}
	return a, why, err
}

func handle(f policy.Form, c jose.Claims) string {
	if f.Handle != nil {
		id, _ := f.Handle(c)
		return id
	}
	id, _ := c.Text("jti")
	return id
}

func claimScope(c jose.Claims) oauth.Scope {
	text, _ := c.Text("scope")
	return strings.Fields(text)
}

// verifyingKey finds the key that signed t: by its kid among all our keys, or,
// for dialects whose tokens name none, among theirs.
func (m *Mint) verifyingKey(org string, t *jose.Token) *jose.Key {
	if t.KID != "" {
		if key := m.keys.Find(t.KID); key != nil && t.Verify(key) == nil {
			return key
		}
		return nil
	}
	for _, purpose := range m.kidless {
		for _, key := range m.keys.Verifying(org, purpose, "") {
			if t.Verify(key) == nil {
				return key
			}
		}
	}
	return nil
}

func (m *Mint) purpose(name string) (policy.Profile, policy.Form, bool) {
	for _, p := range m.profiles {
		if p.Access.Kind == policy.JWT && p.Access.Purpose == name {
			return p, p.Access, true
		}
	}
	return policy.Profile{}, policy.Form{}, false
}

// standStateless checks a token nothing is stored of: only what was revoked is.
func (m *Mint) standStateless(ctx context.Context, org string, p policy.Profile, t *jose.Token, n name, scope oauth.Scope, exp int64) (*oauth.Access, string, error) {
	id := handle(p.Access, t.Claims)
	clientID, _ := t.Claims.Text("client_id")
	x := readStateless(n)
	now := m.now()
	denied, u, err := m.store.StatelessState(ctx, denyKey(org, id), org, x.user, now.Unix())
	if err != nil {
		return nil, "", fmt.Errorf("mint: look up the token: %w", err)
	}
	if denied {
		return nil, "revoked", nil
	}
	if why := m.deadStateless(x, org, clientID, u, now); why != "" {
		return nil, why, nil
	}
	s := State{User: u, Family: oauth.Family{Org: org, Client: clientID}}
	aud, _ := t.Claims.Texts("aud")
	a := &oauth.Access{
		Org: org, Dialect: p.Dialect, Client: clientID, Subject: subject(s), Scope: m.still(p, s, scope), Audience: aud,
		IssuedAt: x.at, ID: id, JWT: true,
	}
	if exp != 0 {
		a.Expires = time.Unix(exp, 0)
	}
	return a, "", nil
}

// deadStateless is dead for a token that kept only the low bits of what it stands
// on beside the time it was made: together they tell a revocation before from one
// after, in the same millisecond too.
func (m *Mint) deadStateless(x stateless, org, clientID string, u *identity.User, now time.Time) string {
	f := oauth.Family{Org: org, Client: clientID, User: x.user}
	made := x.at.UnixMilli()
	if c, ok := m.clients.Client(org, clientID); ok {
		f.ClientSince = c.RevokedBefore
		if made < c.RevokedBefore || x.clientSince != low(c.RevokedBefore) {
			f.ClientSince = -1
		}
	}
	if u != nil {
		f.UserSince = u.RevokedBefore
		if made < u.RevokedBefore || x.userSince != low(u.RevokedBefore) {
			f.UserSince = -1
		}
	}
	return m.dead(State{Family: f, User: u}, now)
}

func denyKey(org, id string) []byte {
	sum := sha256.Sum256([]byte(markDeny + "\x00" + org + "\x00" + id))
	return sum[:]
}

// Revoke ends a token of this client, access or refresh, and with it the family it
// belongs to (RFC 7009 §2.1). An unknown token, or another client's, changes
// nothing and is no error (§2.2); the result says whether something ended.
func (m *Mint) Revoke(ctx context.Context, org, clientID, token string) (bool, error) {
	a, why, err := m.read(ctx, org, token, false)
	if err != nil {
		return false, err
	}
	if why != "" {
		return m.revokeRefresh(ctx, org, clientID, token)
	}
	if a.Client != clientID {
		return false, nil
	}
	return true, m.end(ctx, a)
}

// End revokes a checked token without asking whose it is: for logout and administration.
func (m *Mint) End(ctx context.Context, a *oauth.Access) error { return m.end(ctx, a) }

func (m *Mint) end(ctx context.Context, a *oauth.Access) error {
	audit.From(ctx).SetUser(a.Subject.Name)
	if a.Family != 0 {
		_, err := m.store.RevokeFamily(ctx, a.Org, a.Family, m.now().UnixMilli())
		return err
	}
	expires := unixSeconds(a.Expires)
	if expires == 0 {
		expires = 1 << 40 // a stateless token always ends; were one not to, its denial would not either
	}
	_, err := m.store.Deny(ctx, denyKey(a.Org, a.ID), expires)
	return err
}

func (m *Mint) revokeRefresh(ctx context.Context, org, clientID, token string) (bool, error) {
	for _, p := range m.profiles {
		r, err := m.findRefresh(ctx, p, org, token)
		if err != nil {
			return false, err
		}
		if r == nil || r.Family.Org != org || r.Family.Client != clientID || r.Family.Dialect != p.Dialect {
			continue
		}
		return m.store.RevokeFamily(ctx, org, r.Family.ID, m.now().UnixMilli())
	}
	return false, nil
}

// RevokeFamily ends a family found another way (an introspected refresh token, a
// vendor's session).
func (m *Mint) RevokeFamily(ctx context.Context, org string, id int64) (bool, error) {
	return m.store.RevokeFamily(ctx, org, id, m.now().UnixMilli())
}

// FindRefresh reads a refresh token without using it, nil when it is not live:
// for introspection and revocation.
func (m *Mint) FindRefresh(ctx context.Context, org, token string) (*State, error) {
	for _, p := range m.profiles {
		r, err := m.findRefresh(ctx, p, org, token)
		if err != nil {
			return nil, err
		}
		if r == nil {
			continue
		}
		f, now := &r.Family, m.now()
		live := f.Org == org && f.Dialect == p.Dialect && f.Revoked == 0 && !ended(f.Ends, now) && !ended(f.Idle, now) &&
			m.dead(r.State, now) == "" && m.usable(f, r.hash, 0, now)
		if live {
			return &r.State, nil
		}
	}
	return nil, nil
}

// Genuine reads which grant an access JWT belongs to and the subject it names,
// though it may have expired or been revoked meanwhile: for dialects whose clients
// send the old access token beside the refresh token. It lets nobody in by itself.
// ok is false for anything this server did not sign as an access token of the
// dialect, for org.
func (m *Mint) Genuine(ctx context.Context, org, dialect, token string) (family int64, subject string, ok bool) {
	refuse := func(got string) (int64, string, bool) {
		audit.From(ctx).Fail("access token", "one this server made, expired or not", got, nextToken)
		return 0, "", false
	}
	t, err := jose.Parse(token)
	if err != nil {
		return refuse(err.Error())
	}
	key := m.verifyingKey(org, t)
	if key == nil {
		return refuse("signed by no key of this server")
	}
	p, form, known := m.purpose(key.Purpose)
	if key.Org != org || !known || p.Dialect != dialect || form.Typ != t.Typ {
		return refuse("of another organization, dialect or type")
	}
	n, made := m.seal.unmark(handle(form, t.Claims))
	if !made || isStateless(n) {
		return refuse("not an access token")
	}
	subject, _ = t.Claims.Text("sub")
	return n.handle, subject, true
}

// Session finds the family a vendor's session id names, for dialects that log out
// by it.
func (m *Mint) Session(id string) (family int64, ok bool) {
	n, ok := m.seal.unmark(id)
	return n.handle, ok && (n.last == markSession || n.last == markToken)
}

// Algorithms lists the JWT algorithms clients may be registered for.
func Algorithms() []jose.Alg { return slices.Clone(algorithms) }

var algorithms = []jose.Alg{jose.ES256, jose.RS256, jose.PS256, jose.ES384, jose.EdDSA}
