package grant

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"jeton/internal/audit"
	"jeton/internal/client"
	"jeton/internal/identity"
	"jeton/internal/jose"
	"jeton/internal/oauth"
	"jeton/internal/policy"
)

// JWTBearer is a signed assertion of who the subject is (RFC 7523). What differs
// by product are the fields; the checks and their order are one.
type JWTBearer struct {
	Assertion string
	Audience  []string      // exact values accepted; the first is named when none matches
	AnyOf     bool          // aud may be an array that holds an accepted value beside others
	MaxLife   time.Duration // exp may lie this far ahead
	Skew      time.Duration // tolerance for every time claim
	NeedJTI   bool          // refuse an assertion without jti
	Typ       []string      // header types accepted; nil = JWT or none
	// Keys says whose registered keys may have signed: the user's own, the client's,
	// or both.
	UserKeys, ClientKeys bool
	// Subject finds the user sub names; nil = by user name in the default realm,
	// then by e-mail address.
	Subject func(ctx context.Context, users Users, org *client.Org, sub string) (*identity.User, error)
	// Also are further claims checked before the signature: name → exact value
	// required when the claim is there.
	Also map[string]string
	// May decides whether the client may speak for this user; nil = yes.
	May func(ctx context.Context, c *client.Client, u *identity.User) (bool, error)
}

// Type implements Grant.
func (JWTBearer) Type() oauth.GrantType { return oauth.GrantJWTBearer }

const (
	nextClock = "set the sender's clock"
	maxJTI    = 256 // bytes
)

// prove follows RFC 7523 §3. Outward there is one refusal; the audit record has
// the check that failed. The id is used up last, so that a broken assertion never
// spends a good one's.
func (g JWTBearer) prove(ctx context.Context, x *Exchange, r *Request, c *client.Client, _ policy.Profile) (oauth.Proof, error) {
	rec := audit.From(ctx)
	refuse := func(check, want, got, next string) (oauth.Proof, error) {
		rec.Fail(check, want, got, next)
		return oauth.Proof{}, oauth.Refuse(oauth.BadAssertion, "")
	}
	if g.Assertion == "" {
		return oauth.Proof{}, oauth.Missing("assertion")
	}
	t, err := jose.Parse(g.Assertion)
	if err != nil {
		return refuse("assertion", "a signed JWT", err.Error(), "send a compact JWS (RFC 7515 §7.1)")
	}
	if !g.typ(t.Typ) {
		return refuse("typ", "JWT", t.Typ, "an access token or ID token is no assertion")
	}
	if iss, _ := t.Claims.Text("iss"); iss != c.ID {
		return refuse("iss", c.ID, iss, "set iss to the client id")
	}
	if aud, ok := t.Claims.Texts("aud"); !ok || !g.audience(aud) {
		return refuse("aud", g.Audience[0], strings.Join(aud, ", "), "set aud to "+g.Audience[0])
	}
	for claim, want := range g.Also {
		if got, _ := t.Claims.Text(claim); t.Claims.Has(claim) && got != want {
			return refuse(claim, want, got, "set "+claim+" to "+want+", or leave it out")
		}
	}
	exp, check := g.times(t.Claims, x.Now())
	if check != nil {
		return refuse(check.Name, check.Want, check.Got, check.Next)
	}
	jti, hasJTI := t.Claims.Text("jti")
	if (g.NeedJTI || t.Claims.Has("jti")) && (!hasJTI || jti == "" || len(jti) > maxJTI) {
		return refuse("jti", "a unique id", "none", "send a new jti with each assertion")
	}
	u, check, err := g.subject(ctx, x, r, c, t)
	if err != nil {
		return oauth.Proof{}, err
	}
	if check != nil {
		return refuse(check.Name, check.Want, check.Got, check.Next)
	}
	if hasJTI {
		sum := sha256.Sum256([]byte("jti/g\x00" + c.Org + "\x00" + c.ID + "\x00" + jti))
		first, err := x.Marks.Mark(ctx, sum[:], exp+int64(g.Skew/time.Second))
		if err != nil {
			return oauth.Proof{}, err
		}
		if !first {
			return refuse("jti", "not used before", "used", "send a new jti with each assertion")
		}
	}
	rec.Pass("assertion", "by "+u.Name)
	return oauth.Proof{Subject: u.Subject(), AuthTime: x.Now()}, nil
}

func (g JWTBearer) typ(typ string) bool {
	if g.Typ != nil {
		return slices.Contains(g.Typ, typ)
	}
	return typ == "" || strings.EqualFold(typ, "JWT")
}

func (g JWTBearer) audience(aud []string) bool {
	if !g.AnyOf && len(aud) != 1 {
		return false
	}
	return slices.ContainsFunc(aud, func(a string) bool { return slices.Contains(g.Audience, a) })
}

// times checks exp, nbf and iat; the failed check, or nil.
func (g JWTBearer) times(claims jose.Claims, at time.Time) (exp int64, failed *audit.Check) {
	now, skew := at.Unix(), int64(g.Skew/time.Second)
	exp, ok := claims.Int("exp")
	if !ok || exp <= now-skew {
		return 0, &audit.Check{Name: "exp", Want: "in the future (" + g.Skew.String() + " allowed)", Got: offset(ok, exp-now), Next: nextClock}
	}
	if exp > now+int64(g.MaxLife/time.Second)+skew {
		return 0, &audit.Check{Name: "exp", Want: "at most " + g.MaxLife.String() + " ahead", Got: offset(ok, exp-now), Next: "give the assertion a shorter life"}
	}
	for _, claim := range []string{"nbf", "iat"} {
		v, ok := claims.Int(claim)
		if claims.Has(claim) && (!ok || v > now+skew) {
			return 0, &audit.Check{Name: claim, Want: "not in the future (" + g.Skew.String() + " allowed)", Got: offset(ok, v-now), Next: nextClock}
		}
	}
	return exp, nil
}

func offset(ok bool, seconds int64) string {
	if !ok {
		return "none"
	}
	return strconv.FormatInt(seconds, 10) + " s from now"
}

// subject finds the user, the right to speak for him and the key that signed. All
// of it is done for unknown users too, so that they cost and look the same.
func (g JWTBearer) subject(ctx context.Context, x *Exchange, r *Request, c *client.Client, t *jose.Token) (*identity.User, *audit.Check, error) {
	sub, _ := t.Claims.Text("sub")
	find := g.Subject
	if find == nil {
		find = ByNameOrMail
	}
	u, err := find(ctx, x.Users, r.Org, sub)
	if err != nil && !errors.Is(err, identity.ErrNotFound) {
		return nil, nil, err
	}
	var keys []client.Key
	if g.ClientKeys && c.Auth != client.PrivateKeyJWT { // what a client proves itself with speaks for nobody else
		keys = append(keys, c.Keys...)
	}
	if g.UserKeys && u != nil {
		keys = append(keys, u.Keys...)
	}
	_, signed := x.Clients.SignedBy(keys, t)
	switch {
	case u == nil:
		return nil, &audit.Check{Name: "sub", Want: "a user of " + r.Org.ID, Got: sub, Next: "jeton user list " + audit.Clean(sub)}, nil
	case !u.Live(x.Now().Unix()):
		return nil, &audit.Check{Name: "sub", Want: "an enabled user", Got: sub + " is disabled", Next: "jeton user set " + u.Name + " enabled=true"}, nil
	case !signed:
		return nil, &audit.Check{Name: "signature", Want: g.whose(), Got: strconv.Itoa(len(keys)) + " keys tried, " + string(t.Alg), Next: "register the public key: jeton user key add " + u.Name + " FILE"}, nil
	}
	if g.May != nil {
		may, err := g.May(ctx, c, u)
		if err != nil {
			return nil, nil, err
		}
		if !may {
			return nil, &audit.Check{Name: "listed", Want: "a user listed for the client", Got: sub, Next: "list the user for client " + c.ID}, nil
		}
	}
	return u, nil, nil
}

func (g JWTBearer) whose() string {
	switch {
	case g.UserKeys && g.ClientKeys:
		return "by a key of the user or of the client"
	case g.ClientKeys:
		return "by a key of the client"
	}
	return "by a key of the user"
}

// ByNameOrMail finds a user by name in the default realm, then by e-mail address.
func ByNameOrMail(ctx context.Context, users Users, org *client.Org, sub string) (*identity.User, error) {
	u, err := users.ByName(ctx, org.ID, org.DefaultRealm(), sub)
	if errors.Is(err, identity.ErrNotFound) {
		return users.ByMail(ctx, org.ID, sub)
	}
	return u, err
}
