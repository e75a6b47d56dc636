// Package oauth holds the words every room shares: grant types, scopes, the
// subject and the proof of who it is, tokens, and the refusals. It imports the
// standard library only and knows no HTTP, no storage and no vendor.
package oauth

import (
	"slices"
	"strings"
	"time"
)

// GrantType is what a token request presents (RFC 6749 §1.3).
type GrantType string

// The grant types there are. Those after Refresh are registered by URN.
const (
	GrantClientCredentials GrantType = "client_credentials"                              // RFC 6749 §4.4
	GrantPassword          GrantType = "password"                                        // RFC 6749 §4.3; off unless a client is given it
	GrantAuthorizationCode GrantType = "authorization_code"                              // RFC 6749 §4.1
	GrantRefreshToken      GrantType = "refresh_token"                                   // RFC 6749 §6
	GrantJWTBearer         GrantType = "urn:ietf:params:oauth:grant-type:jwt-bearer"     // RFC 7523
	GrantSAMLBearer        GrantType = "urn:ietf:params:oauth:grant-type:saml2-bearer"   // RFC 7522
	GrantDeviceCode        GrantType = "urn:ietf:params:oauth:grant-type:device_code"    // RFC 8628
	GrantTokenExchange     GrantType = "urn:ietf:params:oauth:grant-type:token-exchange" // RFC 8693
	GrantCIBA              GrantType = "urn:openid:params:grant-type:ciba"               // OpenID CIBA Core
)

// Scope is an ordered set of scope values (RFC 6749 §3.3).
type Scope []string

// MaxScopes is how many values one request may name, repeats included.
const MaxScopes = 100

// ParseScope splits a space-separated list, drops repeats, keeps the order, and
// refuses values outside the scope-token alphabet or more than MaxScopes.
func ParseScope(s string) (Scope, error) {
	var out Scope
	named := 0
	for s != "" {
		var v string
		v, s, _ = strings.Cut(s, " ")
		if v == "" {
			continue
		}
		if named++; named > MaxScopes {
			return nil, Refuse(InvalidScope, "too many scope values")
		}
		for i := 0; i < len(v); i++ { // scope-token = 1*( %x21 / %x23-5B / %x5D-7E )
			if c := v[i]; c < 0x21 || c > 0x7e || c == '"' || c == '\\' {
				return nil, Refuse(InvalidScope, "")
			}
		}
		if !out.Has(v) {
			out = append(out, v)
		}
	}
	return out, nil
}

// String joins the values with single spaces.
func (s Scope) String() string { return strings.Join(s, " ") }

// Has reports whether v is among the values.
func (s Scope) Has(v string) bool { return slices.Contains(s, v) }

// Within reports whether every value of s is in all.
func (s Scope) Within(all Scope) bool {
	for _, v := range s {
		if !all.Has(v) {
			return false
		}
	}
	return true
}

// Subject is whom a token speaks for: a user, or a client for itself.
type Subject struct {
	Org    string // organization; every subject belongs to exactly one
	User   int64  // the user's number, 0 when the client speaks for itself
	Client string // client id when User is 0
	Name   string // user name as registered, or the client id

	GivenName, FamilyName, DisplayName, Email string

	Realm  string
	Groups []string
	Admin  bool              // administrator of the organization
	Attr   map[string]string // single-valued attributes for claims
	More   map[string]any    // all attributes, as kept: for claims of other kinds; nobody changes it

	RevokedBefore int64 // of the user, see Family.UserSince
}

// Proof is what a grant hands on: who the subject is and how that was shown.
type Proof struct {
	Subject  Subject
	AMR      []string  // RFC 8176; empty for an assertion: nobody saw the person
	AuthTime time.Time // when the person or the assertion was checked

	// Granted and Audience limit the token to what an earlier grant allowed.
	// Bounded says they are to be applied even when empty.
	Bounded  bool
	Granted  Scope
	Audience []string

	// Node-like scopes and other per-dialect restrictions travel as the dialect's
	// own note, stored with the family and given back to its claims function.
	Note string

	// Family is set by the refresh grant: the refresh-token family to rotate.
	Family *Family

	Login Login
}

// Login is how a person signed in by a browser and what the client asked to be
// told about it. The zero Login: nobody did.
type Login struct {
	Session string // public name of the browser session: the ID token's sid
	ACR     string // OpenID Connect Core §2
	Claims  string // the claims parameter (OpenID Connect Core §5.5), canonical JSON, "" = none
	Nonce   string // of the authorization request; not kept beyond the first ID token
	Code    string // the authorization code itself, for c_hash; not kept
	// Redeem is the SHA-256 of the code to be used up in the transaction that keeps
	// the grant; nil: none.
	Redeem []byte
	// Sealed says that nothing was kept of the code so far: it carries its own
	// authorization, until this time (unix seconds). 0: it is kept.
	Sealed int64
}

// Authorization is what a person allowed a client: the record behind an
// authorization code until, and some time after, it is redeemed (RFC 6749 §4.1.2).
type Authorization struct {
	Org       string   `json:"org"`
	Dialect   string   `json:"dialect"`
	Client    string   `json:"client"`
	User      int64    `json:"user"`
	Redirect  string   `json:"redirect"`
	Scope     Scope    `json:"scope,omitempty"`
	Audience  []string `json:"audience,omitempty"`
	Challenge string   `json:"challenge,omitempty"` // PKCE S256 (RFC 7636 §4.3), "" = none was sent
	Nonce     string   `json:"nonce,omitempty"`
	ACR       string   `json:"acr,omitempty"`
	Claims    string   `json:"claims,omitempty"`
	Session   string   `json:"session,omitempty"`
	AMR       []string `json:"amr,omitempty"`
	AuthTime  int64    `json:"auth_time"` // unix seconds
	UserSince int64    `json:"user_since,omitempty"`
	Since     int64    `json:"client_since,omitempty"` // the client's RevokedBefore
	Note      string   `json:"note,omitempty"`

	Expires int64 `json:"-"` // unix seconds
	Used    int64 `json:"-"` // unix milliseconds, 0 = not yet
	Family  int64 `json:"-"` // made from it
	Sealed  int64 `json:"-"` // of Login
}

// Family is one grant that was given: the record behind an opaque access token,
// and, when it has a refresh token, the chain of its rotations. One row, updated
// in place.
type Family struct {
	ID       int64 // handle; its high bits are the hour of Ends, so key order is expiry order
	Org      string
	Dialect  string
	Client   string
	User     int64 // 0: the client itself
	Subject  string
	Scope    Scope
	Audience []string
	AMR      []string
	AuthTime int64 // unix seconds
	Created  int64 // unix milliseconds
	Expires  int64 // unix seconds; end of the current access token, 0 = never
	Idle     int64 // unix seconds; end of the refresh token unless used before, 0 = never
	Ends     int64 // unix seconds; absolute end of everything in the family, 0 = never
	Used     int64 // unix seconds; last use, written coarsely and only for rolling tokens
	PrevUsed int64 // unix seconds; Used of the generation before, for rolling tokens

	Generation int64
	Secret     []byte // SHA-256 of the current refresh secret; nil: no refresh token
	Previous   []byte // SHA-256 of the one before
	Rotated    int64  // unix milliseconds of the last rotation
	Revoked    int64  // unix milliseconds, 0 = live
	Confirm    string // RFC 7800 thumbprint of the key the tokens are bound to, "" = bearer
	Note       string

	Session string // of Login
	Offline bool   // outlives the browser session it was given in (scope offline_access)
	ACR     string
	Claims  string // of Login

	// UserSince and ClientSince are the user's and the client's RevokedBefore when
	// the grant was given: once either has moved on, the family is dead. Compared
	// for equality, so that neither a clock that steps back nor a revocation in the
	// same millisecond brings anything back.
	UserSince, ClientSince int64
}

// Tokens is what the pipeline hands to a dialect for wording.
type Tokens struct {
	Access    string
	Refresh   string // "" when the grant gives none
	ID        string // ID token, "" when none
	IssuedAt  time.Time
	ExpiresAt time.Time // zero = never
	Scope     Scope
	Audience  []string
	Subject   Subject
	Client    string
	Family    int64
	AccessID  string // jti of a JWT access token
}

// ExpiresIn is the access token's life in whole seconds from issue, 0 = never.
func (t Tokens) ExpiresIn() int64 {
	if t.ExpiresAt.IsZero() {
		return 0
	}
	return int64(t.ExpiresAt.Sub(t.IssuedAt) / time.Second)
}

// Access is a checked access token: what it is and what it may do, as of now.
type Access struct {
	Org      string
	Dialect  string
	Client   string
	Subject  Subject
	Scope    Scope
	Audience []string
	IssuedAt time.Time
	Expires  time.Time // zero = never
	Family   int64     // 0 for a stateless JWT
	ID       string    // jti, or "" for opaque tokens
	AMR      []string
	AuthTime int64
	Note     string
	JWT      bool
	Session  string // public name of the browser session it was given in, "" = none
	Claims   string // of Login
}
