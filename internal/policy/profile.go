// Package policy decides: may this client use this grant, is a factor lacking,
// which scope, audience and lives does a token get. It is pure: no clock, key,
// store or network; everything it needs is handed to it. The token pipeline calls
// it; no other package decides any of this.
package policy

import (
	"time"

	"jeton/internal/client"
	"jeton/internal/jose"
	"jeton/internal/oauth"
)

// Kind is how a token is spelled.
type Kind int

// The kinds there are.
const (
	// Sealed: prefix + base64url(encrypted handle, generation and checksum ‖ 256-bit secret).
	// It names its family without an index; any changed character is noticed before
	// the database is asked.
	Sealed Kind = iota
	// Short: a vendor's fixed length and alphabet, too short for a handle and a
	// secret. Found by its hash.
	Short
	// JWT: signed claims. With a family behind it when the dialect refreshes or rolls.
	JWT
	// Spelled: a vendor's own signed text, written by Form.Spell. Found by its hash, so
	// what a third party can check by itself is known here too.
	Spelled
)

// Form is how one kind of token of a dialect is spelled. Short forms have Length
// characters of Alphabet (at least 128 random bits); JWT forms have a key purpose
// and a claims function.
type Form struct {
	Kind     Kind
	Prefix   string // Sealed: what it starts with, for secret scanners; may be empty
	Length   int
	Alphabet string // Base62 or Base64URL
	Purpose  string // key purpose (keys.Purpose.Name)
	Alg      jose.Alg
	Choice   bool   // a client may be registered for another algorithm
	Typ      string // header typ, checked when the token comes back
	// Header writes the JOSE header in the vendor's order; nil = alg, typ, kid.
	Header func(k *jose.Key, typ string) jose.Object
	// Claims writes the payload in the vendor's order. It is pure: all it may use is in Facts.
	Claims func(Facts) jose.Object
	// Handle reads back what the claims function wrote: Facts.ID or Facts.Session,
	// and for a refresh JWT Facts.Secret. nil: claim jti.
	Handle func(jose.Claims) (id, secret string)
	// Spell writes the text of a Spelled form with the key of its purpose.
	Spell func(*jose.Key, Facts) (string, error)
	// Looks says whether a text may be of the Spelled form, so that most strangers'
	// texts are refused before the database is asked.
	Looks func(string) bool
}

// Alphabets of short tokens.
const (
	Base62    = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	Base64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
)

// Facts is all a claims function may know.
type Facts struct {
	Issuer   string // as the dialect words it (Request.Issuer)
	Subject  oauth.Subject
	Client   string
	Scope    oauth.Scope
	Audience []string
	Now      time.Time
	Expires  time.Time // zero = never
	ID       string    // names this token: 32 lower-case hex characters
	Session  string    // names its family, the same for every generation: 32 lower-case hex characters, "" when there is none
	Secret   string    // for a refresh JWT: the jti that is its secret, 32 hex characters
	AMR      []string
	AuthTime int64
	Note     string
	Confirm  string // RFC 7800 thumbprint the token is bound to, "" = bearer
	Org      OrgInfo
	Mapped   []client.Claim // the client's own claims
}

// IDFacts is all a claims function of an ID token may know.
type IDFacts struct {
	Facts           // Now and Expires are the ID token's
	Nonce    string // of the authorization request
	Session  string // sid
	ACR      string
	AtHash   string // left half of the hash of the access token (OpenID Connect Core §3.1.3.6)
	CodeHash string // the same of the code, "" = none
	Asked    string // the claims parameter, "" = none
}

// CodeFlow is how a dialect's authorization endpoint answers.
type CodeFlow struct {
	Length   int           // characters of a code
	Alphabet string        // Base62 or Base64URL; Length and Alphabet hold 128 bits or more
	Life     time.Duration // of a code, 0 = 60 s (RFC 9700 §2.1.1)
	Sealed   bool          // a code may be of any length: it carries its authorization, and only its use is kept
	Issuer   bool          // iss in every answer (RFC 9207)
	Found    bool          // the vendor redirects with 302
	Denied   string        // error_description of a person's no, "" = the standard one
	Silent   bool          // no error_description in redirects
	// PKCE says whether a client must send a challenge; nil = the standard rule: all
	// but confidential clients that are set to optional.
	PKCE func(*client.Client) bool
	// Consent says when a person is asked; nil = the client's setting.
	Consent func(*client.Client) string
}

// OrgInfo is what claims may say of the organization.
type OrgInfo struct {
	ID     string
	Number int64
}

// Profile is how a dialect wants its tokens: data, no code but the claims
// functions. Lives are seconds in the client (client.AccessLife …) and here the
// dialect's defaults.
type Profile struct {
	Dialect string
	Access  Form
	Refresh Form
	Opaque  *Form // what a client set to opaque access tokens gets, where Access is a JWT; nil: no choice
	// Special is the Spelled form of access tokens whose scope SpecialFor accepts,
	// whatever the client's choice; nil: there is none.
	Special    *Form
	SpecialFor func(oauth.Scope) bool

	Code *CodeFlow // nil: the dialect has no authorization endpoint
	// ID is the form of its ID tokens, given with scope openid, their claims written by
	// IDClaims; nil: it has none.
	ID       *Form
	IDLife   time.Duration // default life of an ID token, 0 = that of the access token
	IDClaims func(IDFacts) jose.Object

	AccessLife time.Duration // default life of an access token
	// LifeFor is that life where it depends on the granted scope; nil = AccessLife.
	LifeFor     func(oauth.Scope) time.Duration
	RefreshLife time.Duration // default: unused refresh tokens end after this; 0 = with the family
	FamilyLife  time.Duration // absolute end of a refresh family; 0 = none
	Never       bool          // a life of 0 means "never ends" (FortiAuthenticator)

	// Scopes decides the scope a request gets: pure, and never more than the client
	// may have. nil is the standard rule: what was asked must lie within
	// client.Scopes, and asking nothing gives client.DefaultScope (or all).
	Scopes func(c *client.Client, s oauth.Subject, asked oauth.Scope) (oauth.Scope, error)

	// Grants are what a client of this dialect may use when it is registered for
	// none in particular.
	Grants []oauth.GrantType
	// RefreshFor lists the grants that get a refresh token.
	RefreshFor []oauth.GrantType
	Rotate     bool          // a refresh gives a new refresh token
	KillAccess bool          // a refresh ends the access tokens before it
	Grace      time.Duration // a repeat of the same refresh within this gets the same successor

	// Audience is the audience of a token whose client names none; "" = the server
	// itself.
	Audience string

	// Rolling: the access token ends this long after its last use (0 = it does not
	// roll); AccessLife is then its absolute end. Each use moves the idle end of the
	// refresh token beside it by as much.
	Rolling time.Duration
	// RollStep is how far apart two uses must be for the later one to be written
	// down; the token may end this much too early. 0 = a twentieth of Rolling.
	RollStep time.Duration

	// Stateless: an access token without refresh token is kept nowhere; revoking
	// one puts its id on the deny list until it ends. Only with JWT, whose claims must
	// name the client as client_id.
	Stateless bool
}
