// Package client owns registered clients: what they are, how they prove who
// they are (RFC 6749 §2.3) and what they may ask for. The token pipeline and the
// introspection and revocation endpoints call Registry.Authenticate; no other
// package compares a client secret. It never looks at users.
package client

import (
	"encoding/json"
	"slices"
	"strings"

	"jeton/internal/oauth"
)

// Method is how a client authenticates; only the registered one counts.
type Method string

// The methods there are (OpenID Connect Core §9, RFC 7591 §2).
const (
	SecretBasic   Method = "client_secret_basic"
	SecretPost    Method = "client_secret_post"
	SecretAny     Method = "client_secret" // either of the two above; the vendor dialects promise both
	PrivateKeyJWT Method = "private_key_jwt"
	None          Method = "none" // public client
)

// Format is how an access token is spelled.
type Format string

// The formats there are. The empty one means the dialect's own.
const (
	Opaque Format = "opaque"
	JWT    Format = "jwt" // RFC 9068
)

// Secret is one client secret as it is kept: hashed. At most MaxSecrets live.
type Secret struct {
	Hash    string `json:"hash"`              // PHC string; "$sha256$…" for generated ones
	Sealed  []byte `json:"sealed,omitempty"`  // only where a vendor's document shows a secret again (aoc)
	Hint    string `json:"hint,omitempty"`    // last four characters
	Created int64  `json:"created,omitempty"` // unix seconds
	Ends    int64  `json:"ends,omitempty"`    // unix seconds, 0 = no end
}

// generated reports whether this server drew the secret: comparing it is cheap.
func (s Secret) generated() bool { return strings.HasPrefix(s.Hash, "$sha256$") }

// MaxSecrets is how many secrets of one client are valid at a time.
const MaxSecrets = 3

// Key is a public key registered for a client or a user, checked on registration
// (jose.ParsePublic).
type Key struct {
	ID      string `json:"kid,omitempty"`
	PEM     string `json:"pem"` // SubjectPublicKeyInfo, as handed in
	Label   string `json:"label,omitempty"`
	Created int64  `json:"created,omitempty"`
}

// Client is one registered client. Values are immutable once in a Registry.
type Client struct {
	Org     string `json:"org"`
	ID      string `json:"id"`
	Name    string `json:"name"`
	Dialect string `json:"dialect"` // slug of the dialect it speaks: oidc faspex fortiauth aspire aoc sensu …
	Enabled bool   `json:"enabled"`

	Auth    Method   `json:"auth"`
	Secrets []Secret `json:"secrets,omitempty"`
	Keys    []Key    `json:"keys,omitempty"` // private_key_jwt; for aoc the client's global key

	Grants       []oauth.GrantType `json:"grants,omitempty"`
	Scopes       oauth.Scope       `json:"scopes,omitempty"`        // all it may ask for
	DefaultScope oauth.Scope       `json:"default_scope,omitempty"` // granted when it asks for none; empty = Scopes
	Audiences    []string          `json:"audiences,omitempty"`     // resource indicators it may name (RFC 8707); the first is the default
	RedirectURIs []string          `json:"redirect_uris,omitempty"`

	PKCE    string `json:"pkce,omitempty"`    // "" = S256 required; PKCEOptional for old confidential OpenID clients
	Consent string `json:"consent,omitempty"` // ConsentOnce (""), ConsentAlways, ConsentNever
	Own     bool   `json:"own,omitempty"`     // the organization's own client: an administrator vouches for it
	// ReviewedAt is when an administrator looked at the client (unix seconds), 0 = nobody did.
	ReviewedAt  int64  `json:"reviewed,omitempty"`
	HomeURI     string `json:"client_uri,omitempty"`         // RFC 7591 §2
	PolicyURI   string `json:"policy_uri,omitempty"`         // RFC 7591 §2
	TermsURI    string `json:"tos_uri,omitempty"`            // RFC 7591 §2
	InitiateURI string `json:"initiate_login_uri,omitempty"` // OpenID Connect Core §4

	PostLogoutURIs []string `json:"post_logout_redirect_uris,omitempty"`           // OpenID Connect RP-Initiated Logout §3.1
	BackchannelURI string   `json:"backchannel_logout_uri,omitempty"`              // OpenID Connect Back-Channel Logout §2.2
	BackchannelSID bool     `json:"backchannel_logout_session_required,omitempty"` // the same
	DefaultMaxAge  *int64   `json:"default_max_age,omitempty"`                     // seconds (OpenID Connect Registration §2)
	UserinfoAlg    string   `json:"userinfo_signed_response_alg,omitempty"`        // "" = plain JSON
	IDTokenLife    *int64   `json:"id_token_life,omitempty"`                       // seconds; nil = the dialect's
	Claims         []Claim  `json:"claims,omitempty"`                              // beside the standard ones

	Introspect bool   `json:"introspect,omitempty"` // a resource server: may introspect tokens whose audience it is
	Resource   string `json:"resource,omitempty"`   // the audience value this resource server stands for

	AccessFormat Format `json:"access_format,omitempty"`
	AccessAlg    string `json:"access_alg,omitempty"`   // "" = ES256
	IDTokenAlg   string `json:"id_token_alg,omitempty"` // "" = RS256
	AccessLife   *int64 `json:"access_life,omitempty"`  // seconds; nil = the dialect's; 0 = never ends, where the dialect has that
	RefreshLife  *int64 `json:"refresh_life,omitempty"` // seconds a refresh token lives unused; nil = the dialect's; 0 = no end, where the dialect has that

	Realm    string                     `json:"realm,omitempty"`    // whose users it signs in when a request names none
	Settings map[string]json.RawMessage `json:"settings,omitempty"` // per dialect, by setting name

	RevokedBefore int64  `json:"revoked_before,omitempty"` // unix ms: tokens issued earlier are dead
	Source        string `json:"source,omitempty"`         // file and line it is managed by, "" = by hand
	Created       int64  `json:"created,omitempty"`        // unix seconds
	Updated       int64  `json:"updated,omitempty"`        // unix seconds
	Version       int64  `json:"version,omitempty"`        // raised with every change
}

// When a person is asked for consent.
const (
	ConsentOnce   = "once"   // for what was not allowed before; the default
	ConsentAlways = "always" // each time
	ConsentNever  = "never"  // only for the organization's own clients
)

// PKCEOptional lets a confidential client go without PKCE (RFC 7636).
const PKCEOptional = "optional"

// Claim maps an attribute of a user to a claim.
type Claim struct {
	Name  string   `json:"name"`            // of the claim
	From  string   `json:"from"`            // attribute: name, email, realm, groups, or one of the user's own
	Scope string   `json:"scope,omitempty"` // sent only with this scope, "" = always
	In    []string `json:"in,omitempty"`    // tokens: id_token userinfo access_token; empty = id_token and userinfo
}

// Goes reports whether the claim goes into this kind of token when scope has been
// granted.
func (c Claim) Goes(into string, scope oauth.Scope) bool {
	if c.Scope != "" && !scope.Has(c.Scope) {
		return false
	}
	if len(c.In) == 0 {
		return into != InAccess
	}
	return slices.Contains(c.In, into)
}

// Kinds of token a claim goes into.
const (
	InID       = "id_token"
	InUserinfo = "userinfo"
	InAccess   = "access_token"
)

// Public reports whether the client has no credentials (RFC 6749 §2.1).
func (c *Client) Public() bool { return c.Auth == None }

// May reports whether the grant type is allowed to this client.
func (c *Client) May(g oauth.GrantType) bool { return slices.Contains(c.Grants, g) }

// Setting decodes the dialect's own setting name into v; false when it is unset.
func (c *Client) Setting(name string, v any) bool {
	raw, ok := c.Settings[name]
	return ok && json.Unmarshal(raw, v) == nil
}

// Bool is a boolean setting, false when unset.
func (c *Client) Bool(name string) bool {
	var b bool
	return c.Setting(name, &b) && b
}

// Text is a text setting, "" when unset.
func (c *Client) Text(name string) string {
	var s string
	c.Setting(name, &s)
	return s
}

// Org is one organization: everything belongs to exactly one.
type Org struct {
	ID       string   `json:"id"` // short name, also {org} in paths of the aoc dialect
	Name     string   `json:"name"`
	Number   int64    `json:"number"`             // the number vendors' objects carry
	Hosts    []string `json:"hosts,omitempty"`    // host names bound to it
	Prefixes []string `json:"prefixes,omitempty"` // path prefixes bound to it, "/acme"
	Default  bool     `json:"default,omitempty"`
	Realms   []Realm  `json:"realms,omitempty"`
	// Dialects switched on; nil means all. Settings of a dialect for the whole
	// organization (aspire.bad_credentials_status, sensu.compat …) by dialect.
	Dialects []string                              `json:"dialects,omitempty"`
	Settings map[string]map[string]json.RawMessage `json:"settings,omitempty"`

	Brand   Brand             `json:"brand,omitzero"`
	Session SessionLife       `json:"session,omitzero"`
	Scopes  map[string]string `json:"scopes,omitempty"` // what a scope means, in the organization's words, for the consent page
	// Providers are the SAML identity providers people may sign in with.
	Providers []Provider `json:"saml,omitempty"`

	Version int64 `json:"version,omitempty"`
}

// Brand is how an organization looks to the people who sign in.
type Brand struct {
	Name   string `json:"name,omitempty"`
	Logo   string `json:"logo,omitempty"`   // an SVG or PNG image, base64
	Accent string `json:"accent,omitempty"` // "#rrggbb"
	Help   string `json:"help,omitempty"`   // URL
	Terms  string `json:"terms,omitempty"`  // URL
}

// SessionLife bounds browser sessions.
type SessionLife struct {
	Idle int64 `json:"idle,omitempty"` // seconds unused, 0 = 12 hours
	Life int64 `json:"life,omitempty"` // seconds in all, 0 = 7 days
}

// Provider is a SAML identity provider (SAML 2.0 Metadata §2.4.3).
type Provider struct {
	Name         string            `json:"name"`            // in configuration and in the path of its button
	Title        string            `json:"title,omitempty"` // on the button; "" = Name
	Number       int64             `json:"number"`          // as Faspex' clients name it: id
	EntityID     string            `json:"entity_id"`
	Certificates []string          `json:"certificates"`          // PEM
	SSO          string            `json:"sso"`                   // URL of its single sign-on service
	SSOBinding   string            `json:"sso_binding,omitempty"` // "" = redirect; post
	Disabled     bool              `json:"disabled,omitempty"`
	Realm        string            `json:"realm,omitempty"`      // of its users; "" = the default realm
	Create       bool              `json:"create,omitempty"`     // users are made at their first sign-in
	Attributes   map[string]string `json:"attributes,omitempty"` // user, email, given_name, family_name, display_name, groups ← attribute names
	Groups       map[string]string `json:"groups,omitempty"`     // its group names → ours; empty = as they are
}

// Realm is a set of users that share names: a name is unique inside one realm.
type Realm struct {
	Name    string `json:"name"`
	Title   string `json:"title,omitempty"` // on the sign-in page; "" = Name
	Default bool   `json:"default,omitempty"`
}

// DefaultRealm is the realm a name without one belongs to.
func (o *Org) DefaultRealm() string {
	for _, r := range o.Realms {
		if r.Default {
			return r.Name
		}
	}
	return "local"
}

// Enabled reports whether the dialect is switched on for the organization.
func (o *Org) Enabled(dialect string) bool {
	return o.Dialects == nil || slices.Contains(o.Dialects, dialect)
}

// Setting decodes a dialect's setting of the organization into v.
func (o *Org) Setting(dialect, name string, v any) bool {
	raw, ok := o.Settings[dialect][name]
	return ok && json.Unmarshal(raw, v) == nil
}
