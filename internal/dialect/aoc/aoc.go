// Package aoc speaks IBM Aspera on Cloud: its OAuth endpoints for programs that
// sign an assertion and for people in a browser, its node bearer tokens, and the
// part of its resource API by which clients, keys and lists of users are managed.
// The server mounts Dialect. The package decodes, calls the core and words the
// answer; it never verifies a signature, signs anybody in, decides a scope's life or
// opens the store.
package aoc

import (
	_ "embed"
	"time"

	"jeton/internal/client"
	"jeton/internal/core"
	"jeton/internal/dialect"
	"jeton/internal/jose"
	"jeton/internal/keys"
	"jeton/internal/oauth"
	"jeton/internal/policy"
)

// Name is the dialect's slug.
const Name = "aoc"

// purpose is what an organization's tokens, and its node tokens, are signed with.
const purpose = "aoc"

// resource is the voice of the resource API; the first voice is that of the OAuth
// endpoints.
const resource = "resource"

//go:embed openapi.json
var openapi []byte

// Dialect is Aspera on Cloud.
var Dialect = dialect.Dialect{
	Name:        Name,
	Title:       "IBM Aspera on Cloud",
	Settings:    settings,
	OrgSettings: orgSettings,
	Profile:     Profile,
	Keys: []keys.Purpose{{
		Name: purpose, Alg: jose.RS256, KID: kid, Overlap: policy.MaxJWTLife,
		// A transfer node is given the public key by hand, so it changes rarely.
		Period: 365 * 24 * time.Hour,
	}},
	OpenAPI: openapi,
	Voices:  []string{resource},
	Words:   words,
	Owns: []string{
		"/api/v1/oauth2", "/api/v1/self", "/api/v1/organization", "/api/v1/clients", "/api/v1/admin/clients",
		"/api/v1/client_authorizations", "/api/v1/users", "/api/v1/nodes",
	},
	Objects: []string{"node"},
	Mount:   mount,
}

// Names of the client's settings; the vendor's API has them under the same names.
const (
	explicitAuthorization = "explicit_authorization_required"
	listedOnly            = "whitelist_enabled"
	adminNodeTokens       = "admin_node_token_retrieval_enabled"
	originList            = "origins"
	creator               = "creator_id"
)

var settings = []dialect.Setting{
	{Name: explicitAuthorization, Kind: "bool", Default: "true", Meaning: "users must explicitly allow the client to access their account"},
	{Name: listedOnly, Kind: "bool", Default: "false", Meaning: "the client can retrieve tokens for listed users only"},
	{Name: adminNodeTokens, Kind: "bool", Default: "false", Meaning: "administrators may retrieve node tokens with node administrator permissions"},
	{Name: originList, Kind: "texts", Meaning: "web origins a browser may call the token endpoint from"},
	{Name: creator, Kind: "text", Meaning: "number of the user who registered the client"},
}

// Names of the organization's settings.
const (
	userLife  = "user_token_life"
	adminLife = "admin_token_life"
	nodeLife  = "node_token_life"
)

var orgSettings = []dialect.Setting{
	{Name: userLife, Kind: "duration", Default: "86400", Meaning: "life of access tokens with user scopes"},
	{Name: adminLife, Kind: "duration", Default: "86400", Meaning: "life of access tokens with an admin scope"},
	{Name: nodeLife, Kind: "duration", Default: "86400", Meaning: "life of node bearer tokens; a node honours one until it ends, revoked or not"},
}

const (
	accessLife = 24 * time.Hour
	codeLife   = time.Minute
	codeChars  = 43 // 256 bits
)

// Profile is how tokens of Aspera on Cloud live: a day for an access token, and a
// refresh token of thirty days, used once, for the browser flow only.
var Profile = policy.Profile{
	Dialect: Name,
	Access: policy.Form{
		Kind: policy.JWT, Purpose: purpose, Alg: jose.RS256, Typ: "JWT",
		Header: header, Claims: claims, Handle: handle,
	},
	Special:     &policy.Form{Kind: policy.Spelled, Purpose: purpose, Alg: jose.RS256, Spell: spellNode, Looks: looksNode},
	SpecialFor:  isNode,
	Refresh:     policy.Form{Kind: policy.Sealed, Prefix: "jtr_"},
	AccessLife:  accessLife,
	RefreshLife: 30 * 24 * time.Hour,
	FamilyLife:  90 * 24 * time.Hour,
	Scopes:      allowed,
	Grants:      []oauth.GrantType{oauth.GrantAuthorizationCode, oauth.GrantRefreshToken},
	RefreshFor:  []oauth.GrantType{oauth.GrantAuthorizationCode},
	Code: &policy.CodeFlow{
		Length: codeChars, Alphabet: policy.Base64URL, Life: codeLife, Found: true, Denied: "User denied access",
		PKCE: (*client.Client).Public, Consent: consent,
	},
	Rotate: true,
	Grace:  10 * time.Second,
}

type face struct{ core *core.Core }

func mount(m *dialect.Mux, c *core.Core) {
	f := face{c}
	asking := m.When(f.asksFirst)
	for _, base := range []string{"/api/v1/oauth2/{org}", "/oauth2/{org}", "/api/v1/oauth2"} {
		m.Handle("GET", base+"/authorize", f.authorize)
		m.Handle("POST", base+"/token", f.token)
		asking.Handle("OPTIONS", base+"/token", f.preflight)
		m.Handle("POST", base+"/revoke", f.revoke)
	}
	m.Handle("GET", "/api/v1/oauth2/{org}/login", f.login)
	m.Handle("GET", "/oauth2/{org}/login", f.login)
	m.Handle("GET", "/auth/ping", f.toLogin)
	m.When(func(r *dialect.Request) bool { return r.Bound }).Handle("GET", "/", f.toLogin)
	f.mountResources(m.Voice(resource))
}

func (f face) mountResources(m *dialect.Mux) {
	m.Handle("GET", "/api/v1/self", f.self)
	m.Handle("GET", "/api/v1/organization", f.organization)
	for _, base := range []string{"/api/v1/clients", "/api/v1/admin/clients"} {
		m.Handle("GET", base, f.listClients)
		m.Handle("POST", base, f.createClient)
		m.Handle("GET", base+"/{id}", f.showClient)
		m.Handle("PUT", base+"/{id}", f.changeClient)
		m.Handle("DELETE", base+"/{id}", f.deleteClient)
	}
	m.Handle("GET", "/api/v1/client_authorizations", f.listAuthorizations)
	m.Handle("POST", "/api/v1/client_authorizations", f.createAuthorization)
	m.Handle("GET", "/api/v1/client_authorizations/{id}", f.showAuthorization)
	m.Handle("DELETE", "/api/v1/client_authorizations/{id}", f.deleteAuthorization)
	m.Handle("GET", "/api/v1/users", f.listUsers)
	m.Handle("GET", "/api/v1/users/{id}", f.showUser)
	m.Handle("PUT", "/api/v1/users/{id}", f.changeUser)
	m.Handle("GET", "/api/v1/nodes/{id}", f.showNode)
}
