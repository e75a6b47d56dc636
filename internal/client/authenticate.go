package client

import (
	"context"
	"crypto/sha256"
	"slices"
	"strconv"
	"time"

	"jeton/internal/audit"
	"jeton/internal/hash"
	"jeton/internal/jose"
	"jeton/internal/oauth"
)

// Credentials is what a request showed of its client.
type Credentials struct {
	ID        string
	Method    Method // as presented: SecretBasic, SecretPost, PrivateKeyJWT, None
	Secret    oauth.Secret
	Assertion string   // PrivateKeyJWT: a JWT signed by the client (RFC 7523 §2.2)
	Audience  []string // PrivateKeyJWT: the exact audience values accepted here
	Addr      string   // where the request came from, for throttling
	// Optional lets a confidential client come without a secret: its grant proves
	// enough (RFC 7523 §3.1). A secret that is sent must still be right.
	Optional bool
}

// Hasher checks secrets (hash.Hasher).
type Hasher interface {
	Verify(ctx context.Context, owner, encoded string, secret oauth.Secret) (hash.Result, error)
	Waste(ctx context.Context, secret oauth.Secret) error
}

// Throttle counts failures per client and source, each pair apart.
type Throttle interface {
	Allow(account, addr string) (ok bool, wait time.Duration)
	Failed(ctx context.Context, account, addr string) error
	Succeeded(ctx context.Context, account, addr string) error
}

// Auth is what authentication needs beside the registry itself.
type Auth struct {
	Hasher   Hasher
	Throttle Throttle
	Now      func() time.Time
	// Source is whose failures those of an address are (ratelimit.Source); nil = each
	// address is a party of its own.
	Source func(addr string) string
}

// waiting is ctx for slow comparisons on behalf of addr.
func (a Auth) waiting(ctx context.Context, addr string) context.Context {
	if a.Source != nil {
		addr = a.Source(addr)
	}
	return hash.For(ctx, addr)
}

// What an operator can do about a refused client, said in explain.
const (
	nextClient = "check the client id: jeton client list"
	nextSecret = "check the secret, or give the client a new one: jeton client secret add ID"
	nextMethod = "send credentials the registered way, or change it: jeton client set ID auth=METHOD"
	nextClock  = "set the sender's clock"
)

// Authenticate finds the client and checks its credentials by the one method it is
// registered with (RFC 6749 §2.3). Every failure is the same refusal: unknown id,
// wrong secret, disabled, wrong dialect and throttled do not differ in words or cost.
func (r *Registry) Authenticate(ctx context.Context, org, dialect string, cred Credentials) (*Client, error) {
	rec := audit.From(ctx)
	c, ok := r.Client(org, cred.ID)
	shown, spent := cred.ID, false
	if !ok {
		shown = r.shown(org, cred.ID)
	}
	rec.SetClient(shown)
	switch {
	case !ok:
		rec.Fail("client", "a registered client", shown, nextClient)
	case c.Dialect != dialect:
		rec.Fail("client", "a client of dialect "+dialect, "a client of dialect "+c.Dialect, nextClient)
	case !c.Enabled:
		rec.Fail("client", "enabled", "disabled", "jeton client set "+c.ID+" enabled=true")
	default:
		account := "client/" + org + "/" + c.ID
		if ok, wait := r.auth.Throttle.Allow(account, cred.Addr); !ok {
			rec.Fail("throttle", "fewer wrong secrets", "paused for "+wait.Round(time.Second).String(), "wait, or call from another address")
			break
		}
		rec.Pass("client", c.ID)
		proven, err := r.prove(ctx, c, cred)
		if err != nil {
			return nil, err
		}
		if proven {
			if cred.Method == None {
				return c, nil
			}
			return c, r.auth.Throttle.Succeeded(ctx, account, cred.Addr)
		}
		if err := r.auth.Throttle.Failed(ctx, account, cred.Addr); err != nil {
			return nil, err
		}
		spent = accepts(c.Auth, cred.Method) && c.slow(r.auth.Now().Unix())
	}
	if !spent && r.current.Load().slow[org] { // one failure costs what any other does
		if err := r.auth.Hasher.Waste(r.auth.waiting(ctx, cred.Addr), cred.Secret); err != nil {
			return nil, err
		}
	}
	return nil, oauth.Refuse(oauth.InvalidClient, "")
}

// shown is a client id as records may have it: a person who pasted the secret in its
// place must not find it written down.
func (r *Registry) shown(org, id string) string {
	if r.current.Load().secrets[name{org, hash.Generated(id)}] {
		return "(a client's secret)"
	}
	return id
}

// slow reports whether comparing a secret with those the client has takes a worker.
func (c *Client) slow(now int64) bool {
	return slices.ContainsFunc(c.Secrets, func(s Secret) bool { return (s.Ends == 0 || now < s.Ends) && !s.generated() })
}

// prove checks the credentials by the registered method. An error means "could not
// be checked"; false means wrong.
func (r *Registry) prove(ctx context.Context, c *Client, cred Credentials) (bool, error) {
	rec := audit.From(ctx)
	if cred.Method == None && cred.Optional && cred.Secret == "" && c.Auth != PrivateKeyJWT {
		rec.Pass("client authentication", "optional for this grant, none sent")
		return true, nil
	}
	if !accepts(c.Auth, cred.Method) {
		rec.Fail("client authentication", string(c.Auth), string(cred.Method), nextMethod)
		return false, nil
	}
	switch cred.Method {
	case None:
		rec.Pass("client authentication", "public client")
		return true, nil
	case PrivateKeyJWT:
		return r.proveAssertion(ctx, c, cred)
	default:
		return r.proveSecret(ctx, c, cred)
	}
}

func accepts(registered, presented Method) bool {
	if registered == SecretAny {
		return presented == SecretBasic || presented == SecretPost
	}
	return registered == presented
}

func (r *Registry) proveSecret(ctx context.Context, c *Client, cred Credentials) (bool, error) {
	rec := audit.From(ctx)
	now := r.auth.Now().Unix()
	if c.slow(now) {
		ctx = r.auth.waiting(ctx, cred.Addr)
	}
	for _, s := range c.Secrets {
		if s.Ends != 0 && now >= s.Ends {
			continue
		}
		result, err := r.auth.Hasher.Verify(ctx, "client/"+c.Org+"/"+c.ID, s.Hash, cred.Secret)
		if err != nil {
			return false, err
		}
		if result.OK {
			rec.Pass("client authentication", "secret …"+s.Hint)
			return true, nil
		}
	}
	rec.Fail("client authentication", "one of its "+strconv.Itoa(len(c.Secrets))+" secrets", "another secret", nextSecret)
	return false, nil
}

// Bounds of a client assertion (RFC 7523 §3; the life is ours).
const (
	skew             = 60      // seconds
	maxAssertionLife = 5 * 60  // seconds
	maxJTI           = 256     // bytes
	markAssertion    = "jti/c" // what its use is noted under
)

// proveAssertion checks a private_key_jwt (RFC 7523 §3, OpenID Connect Core §9).
// It is used up last, so that a broken one never spends a good one's id.
func (r *Registry) proveAssertion(ctx context.Context, c *Client, cred Credentials) (bool, error) {
	rec := audit.From(ctx)
	fail := func(check, want, got, next string) (bool, error) {
		rec.Fail("client assertion "+check, want, got, next)
		return false, nil
	}
	t, err := jose.Parse(cred.Assertion)
	if err != nil {
		return fail("form", "a signed JWT", err.Error(), "send a compact JWS")
	}
	// What the client signed for another purpose (a request object, a token) is no
	// proof of who calls here (RFC 8725 §3.11).
	if t.Typ != "" && !t.Is("JWT") && !t.Is("client-authentication+jwt") {
		return fail("typ", "JWT", t.Typ, "leave typ out, or set it to JWT")
	}
	iss, _ := t.Claims.Text("iss")
	sub, _ := t.Claims.Text("sub")
	if iss != c.ID || sub != c.ID {
		return fail("iss, sub", c.ID, iss+", "+sub, "set both to the client id")
	}
	if aud, ok := t.Claims.Texts("aud"); !ok || len(aud) != 1 || !slices.Contains(cred.Audience, aud[0]) {
		return fail("aud", cred.Audience[0], join(aud), "set aud to the issuer")
	}
	now := r.auth.Now().Unix()
	exp, ok := t.Claims.Int("exp")
	if !ok || exp <= now-skew || exp > now+maxAssertionLife+skew {
		return fail("exp", "within 5 minutes", strconv.FormatInt(exp-now, 10)+" s from now", nextClock)
	}
	for _, claim := range []string{"nbf", "iat"} {
		if at, ok := t.Claims.Int(claim); t.Claims.Has(claim) && (!ok || at > now+skew) {
			return fail(claim, "not in the future", strconv.FormatInt(at-now, 10)+" s from now", nextClock)
		}
	}
	jti, ok := t.Claims.Text("jti")
	if !ok || jti == "" || len(jti) > maxJTI {
		return fail("jti", "a unique id", "none", "send a new jti with each assertion")
	}
	if !r.signed(c.Keys, t) {
		return fail("signature", "by a registered key of the client", string(t.Alg), "register the public key: keys of the client, jeton apply FILE")
	}
	sum := sha256.Sum256([]byte(markAssertion + "\x00" + c.Org + "\x00" + c.ID + "\x00" + jti))
	first, err := r.store.Mark(ctx, sum[:], exp+skew)
	if err != nil {
		return false, err
	}
	if !first {
		return fail("jti", "not used before", "used", "send a new jti with each assertion")
	}
	rec.Pass("client authentication", "private_key_jwt")
	return true, nil
}

// AssertionAlgs are what registered keys may sign with (RFC 8725 §3.1).
var AssertionAlgs = []jose.Alg{jose.RS256, jose.PS256, jose.ES256, jose.ES384, jose.EdDSA}

// signed looks for the key among the holder's own: kid only narrows the choice.
func (r *Registry) signed(keys []Key, t *jose.Token) bool {
	_, ok := r.SignedBy(keys, t)
	return ok
}

// SignedBy finds which of the holder's registered keys signed t. The header's kid
// only narrows the choice and is never a way to another holder's key.
func (r *Registry) SignedBy(keys []Key, t *jose.Token) (Key, bool) {
	for _, k := range keys {
		if t.KID != "" && k.ID != "" && k.ID != t.KID {
			continue
		}
		pub, err := r.PublicKey(k)
		if err == nil && t.VerifyPublic(pub, AssertionAlgs...) == nil {
			return k, true
		}
	}
	return Key{}, false
}

func join(list []string) string {
	s := ""
	for i, v := range list {
		if i > 0 {
			s += ", "
		}
		s += v
	}
	return s
}
