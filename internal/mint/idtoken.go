package mint

import (
	"context"
	"crypto"
	"encoding/base64"
	"fmt"
	"time"

	"jeton/internal/client"
	"jeton/internal/jose"
	"jeton/internal/oauth"
	"jeton/internal/policy"
)

// signID adds the ID token to tokens whose scope has openid, when a person proved
// who they are in a browser (OpenID Connect Core §3.1.3.3).
func (m *Mint) signID(ctx context.Context, o Order, t *oauth.Tokens, now time.Time) error {
	form := o.Profile.ID
	t.ID = ""
	if form == nil || !t.Scope.Has("openid") || o.Proof.Subject.User == 0 || o.Proof.Login.Session == "" {
		return nil
	}
	alg := form.Alg
	if form.Choice && o.Client.IDTokenAlg != "" {
		alg = jose.Alg(o.Client.IDTokenAlg)
	}
	key, err := m.keys.Signing(ctx, o.Client.Org, form.Purpose, alg)
	if err != nil {
		return fmt.Errorf("mint: signing key of the ID token: %w", err)
	}
	login := o.Proof.Login
	f := policy.IDFacts{
		Facts: o.facts(facts{id: fmt.Sprintf("%x", random(16))}, *t, now.Add(o.Profile.IDLifeOf(o.Client, o.Decision.Access)), now),
		Nonce: login.Nonce, Session: login.Session, ACR: login.ACR, AtHash: HalfHash(alg, t.Access),
		Asked: policy.Told(login.Claims, o.Client.Scopes), // what was taken from the client since is gone
	}
	if login.Code != "" {
		f.CodeHash = HalfHash(alg, login.Code)
	}
	header := key.Header(form.Typ)
	if form.Header != nil {
		header = form.Header(key, form.Typ)
	}
	if t.ID, err = jose.Sign(key, header.Bytes(), o.Profile.IDClaims(f).Bytes()); err != nil {
		return fmt.Errorf("mint: sign the ID token: %w", err)
	}
	return nil
}

// HalfHash is the left half of the hash of a token, by the hash of the signature's
// algorithm (OpenID Connect Core §3.1.3.6: at_hash, c_hash).
func HalfHash(alg jose.Alg, token string) string {
	h := crypto.SHA256
	switch alg {
	case jose.ES384:
		h = crypto.SHA384
	case jose.EdDSA: // Ed25519 hashes with SHA-512 inside
		h = crypto.SHA512
	}
	d := h.New()
	d.Write([]byte(token))
	sum := d.Sum(nil)
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}

// IDKey is the key an ID token or another signed message to the client is made with.
func (m *Mint) IDKey(ctx context.Context, p policy.Profile, c *client.Client) (*jose.Key, error) {
	alg := p.ID.Alg
	if p.ID.Choice && c.IDTokenAlg != "" {
		alg = jose.Alg(c.IDTokenAlg)
	}
	key, err := m.keys.Signing(ctx, c.Org, p.ID.Purpose, alg)
	if err != nil {
		return nil, fmt.Errorf("mint: signing key of the ID token: %w", err)
	}
	return key, nil
}

// SignMessage signs claims for a client with the key of its ID tokens, or with alg
// when that is not "".
func (m *Mint) SignMessage(ctx context.Context, p policy.Profile, c *client.Client, alg jose.Alg, typ string, claims jose.Object) (string, error) {
	key, err := m.IDKey(ctx, p, c)
	if err == nil && alg != "" {
		key, err = m.keys.Signing(ctx, c.Org, p.ID.Purpose, alg)
	}
	if err != nil {
		return "", err
	}
	signed, err := jose.Sign(key, key.Header(typ).Bytes(), claims.Bytes())
	if err != nil {
		return "", fmt.Errorf("mint: sign: %w", err)
	}
	return signed, nil
}

// OpenID reads an ID token this server made for org, though it may have expired:
// id_token_hint (OpenID Connect Core §3.1.2.1). ok is false for anything else.
func (m *Mint) OpenID(org string, p policy.Profile, token string) (claims jose.Claims, ok bool) {
	t, err := jose.Parse(token)
	if err != nil || p.ID == nil || (t.Typ != p.ID.Typ && t.Typ != "") {
		return jose.Claims{}, false
	}
	key := m.verifyingKey(org, t)
	if key == nil || key.Org != org || key.Purpose != p.ID.Purpose {
		return jose.Claims{}, false
	}
	if typ := p.Access.Typ; p.Access.Purpose == p.ID.Purpose && t.Typ == typ {
		return jose.Claims{}, false // an access token is no ID token
	}
	return t.Claims, true
}
