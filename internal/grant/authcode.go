package grant

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"jeton/internal/audit"
	"jeton/internal/client"
	"jeton/internal/identity"
	"jeton/internal/oauth"
	"jeton/internal/policy"
)

// AuthorizationCode is a code that the authorization endpoint gave (RFC 6749 §4.1.3).
type AuthorizationCode struct {
	Code     string
	Redirect string // redirect_uri as sent; it must be the one of the authorization request
	Verifier string // PKCE code_verifier (RFC 7636 §4.5), "" = none was sent
}

// Type implements Grant.
func (AuthorizationCode) Type() oauth.GrantType { return oauth.GrantAuthorizationCode }

// CodeHash is the form a code is kept in.
func CodeHash(code string) []byte {
	sum := sha256.Sum256([]byte("jeton code\x00" + code))
	return sum[:]
}

// prove checks everything the code is bound to; the code itself is used up by the
// transaction that keeps what is made from it, so a wrong try never spends it.
func (g AuthorizationCode) prove(ctx context.Context, x *Exchange, r *Request, c *client.Client, p policy.Profile) (oauth.Proof, error) {
	rec := audit.From(ctx)
	hash := CodeHash(g.Code)
	a, err := x.authorization(ctx, r.Org.ID, g.Code, hash)
	if x.Codes.IsNotFound(err) {
		rec.Fail("code", "one this server gave", "unknown", "start again at the authorization endpoint")
		return oauth.Proof{}, oauth.Refuse(oauth.BadCode, "")
	}
	if err != nil {
		return oauth.Proof{}, fmt.Errorf("grant: look up the code: %w", err)
	}
	if a.Org != r.Org.ID || a.Dialect != r.Dialect || a.Client != c.ID {
		rec.Fail("code", "given to "+a.Client, c.ID, "each client redeems its own codes")
		return oauth.Proof{}, oauth.Refuse(oauth.BadCode, "")
	}
	if a.Used != 0 || (a.Sealed != 0 && x.Now().Unix() >= a.Sealed) { // RFC 6749 §4.1.2: what was made from it ends too
		// Who has not the verifier made nothing from it, and read it in an address
		// somewhere: they must not be able to end what the client made.
		if why := verify(a.Challenge, g.Verifier); a.Challenge != "" && why != "" {
			rec.Fail("code_verifier", "the one of code_challenge (S256), of a code that is over or used", why, "see who else holds the code")
			return oauth.Proof{}, oauth.Refuse(oauth.BadCode, "")
		}
		return oauth.Proof{}, x.replayed(ctx, r, hash)
	}
	if err := g.bound(ctx, x.Now(), a); err != nil {
		return oauth.Proof{}, err
	}
	u, err := x.Users.ByID(ctx, a.Org, a.User)
	switch {
	case errors.Is(err, identity.ErrNotFound):
		rec.Fail("user", "one who may sign in", "not any more", "")
		return oauth.Proof{}, oauth.Refuse(oauth.BadCode, "")
	case err != nil:
		return oauth.Proof{}, err
	case u.RevokedBefore != a.UserSince || c.RevokedBefore != a.Since:
		rec.Fail("code", "given after everything was revoked", "given before", "sign in again")
		return oauth.Proof{}, oauth.Refuse(oauth.BadCode, "")
	}
	rec.Pass("code", a.Client)
	return oauth.Proof{
		Subject: u.Subject(), AMR: a.AMR, AuthTime: time.Unix(a.AuthTime, 0), Bounded: true, Granted: a.Scope, Audience: a.Audience,
		Note:  a.Note,
		Login: oauth.Login{Session: a.Session, ACR: a.ACR, Claims: a.Claims, Nonce: a.Nonce, Code: g.Code, Redeem: hash, Sealed: a.Sealed},
	}, nil
}

// sealed is what a code carries.
type sealed struct {
	oauth.Authorization
	Ends int64  `json:"ends"`
	Salt []byte `json:"salt"` // no two codes are one
}

const (
	codeLabel = "authorization code"
	// maxCode bounds a code that carries its authorization, in bytes: it stands in a
	// redirect, and there are programs that cut those.
	maxCode = 1500
)

// SealCode makes a code that carries its authorization, so that nothing is kept
// until it is redeemed; "" when it would be too long for a URL.
func SealCode(s Sealer, a *oauth.Authorization) string {
	var salt [12]byte
	_, _ = rand.Read(salt[:]) // never fails (crypto/rand)
	b, err := json.Marshal(sealed{*a, a.Expires, salt[:]})
	if err != nil {
		return ""
	}
	code := base64.RawURLEncoding.EncodeToString(s.Seal(codeLabel, b, []byte(a.Org)))
	if len(code) > maxCode {
		return ""
	}
	return code
}

// minSealed tells a code that carries its authorization from a drawn one, by length.
const minSealed = 100

// authorization finds what stands behind a code: in the code itself, or kept. Of one
// that carries it, whether it was used is for the transaction that redeems it.
func (x *Exchange) authorization(ctx context.Context, org, code string, hash []byte) (*oauth.Authorization, error) {
	// A decoder passes over line ends: one code would have many spellings, each of them unused.
	if len(code) < minSealed || x.Seal == nil || strings.ContainsAny(code, "\r\n") {
		return x.Codes.Code(ctx, hash)
	}
	var c sealed
	b, err := base64.RawURLEncoding.Strict().DecodeString(code)
	if err != nil || len(code) > maxCode {
		return x.Codes.Code(ctx, hash)
	}
	plain, err := x.Seal.Unseal(codeLabel, b, []byte(org))
	if err != nil || json.Unmarshal(plain, &c) != nil {
		return x.Codes.Code(ctx, hash)
	}
	c.Expires, c.Sealed = c.Ends, c.Ends
	return &c.Authorization, nil
}

// bound checks life, redirect URI and PKCE verifier.
func (g AuthorizationCode) bound(ctx context.Context, now time.Time, a *oauth.Authorization) error {
	rec := audit.From(ctx)
	if now.Unix() >= a.Expires {
		rec.Fail("code", "used within its life", "expired "+now.Sub(time.Unix(a.Expires, 0)).Round(time.Second).String()+" ago", "redeem it at once")
		return oauth.Refuse(oauth.BadCode, "")
	}
	if subtle.ConstantTimeCompare([]byte(g.Redirect), []byte(a.Redirect)) != 1 {
		rec.Fail("redirect_uri", a.Redirect, g.Redirect, "send the redirect_uri of the authorization request")
		return oauth.Refuse(oauth.CodeRedirect, "")
	}
	if why := verify(a.Challenge, g.Verifier); why != "" {
		rec.Fail("code_verifier", "the one of code_challenge (S256)", why, "send the code_verifier this challenge was made of")
		return oauth.Refuse(oauth.BadCode, "the code_verifier is not right")
	}
	return nil
}

// verify says what is wrong with a verifier (RFC 7636 §4.6). One that was never
// asked for is an error too: somebody took the challenge out of the request (RFC
// 9700 §4.8.2).
func verify(challenge, verifier string) string {
	switch {
	case challenge == "" && verifier == "":
		return ""
	case challenge == "":
		return "one, though no challenge was sent"
	case verifier == "":
		return "none"
	case len(verifier) < 43 || len(verifier) > 128:
		return fmt.Sprintf("%d characters, not 43 to 128", len(verifier))
	}
	for i := range len(verifier) {
		if !unreserved(verifier[i]) {
			return "characters outside A-Z a-z 0-9 - . _ ~"
		}
	}
	sum := sha256.Sum256([]byte(verifier))
	if subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(challenge)) != 1 {
		return "another"
	}
	return ""
}

func unreserved(c byte) bool {
	return c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
}

// replayed ends what was made from a code that is presented again, and refuses.
func (x *Exchange) replayed(ctx context.Context, r *Request, hash []byte) error {
	a, err := x.Codes.Code(ctx, hash)
	if err != nil && !x.Codes.IsNotFound(err) {
		return fmt.Errorf("grant: look up the code: %w", err)
	}
	if a != nil && a.Family != 0 {
		if _, err := x.Mint.RevokeFamily(audit.Aside(ctx, "code.replay"), r.Org.ID, a.Family); err != nil {
			return err
		}
		audit.From(ctx).Fail("code", "used once", "used before; every token made from it was revoked", "see who else holds the code")
		return oauth.Refuse(oauth.CodeUsed, "")
	}
	audit.From(ctx).Fail("code", "of a live browser session, used once", "over, used, its session ended, or what was allowed was taken back", "start again at the authorization endpoint")
	return oauth.Refuse(oauth.BadCode, "")
}
