package config

import (
	"encoding/json"
	"strings"

	"jeton/internal/client"
	"jeton/internal/identity"
	"jeton/internal/oauth"
)

// World is what a file describes, in the types the rooms use. Numbers and times
// the server gives (User.ID, Created, Version …) and canonical forms
// (User.Canon, User.Mail) are left to whoever applies it.
type World struct {
	Orgs    []client.Org
	Clients []client.Client
	Users   []identity.User
	Docs    []Doc
	Listed  []Listing

	// Plain holds each secret that was given as a value and not as a hash, so that
	// applying a file again can verify the hash that is kept instead of making
	// another: applying twice changes nothing.
	Plain map[SecretKey]oauth.Secret
}

// Doc is one object of a dialect's own.
type Doc struct {
	Org     string
	Dialect string
	Kind    string
	ID      string
	Body    json.RawMessage // a JSON object
}

// Listing limits a client to listed users. A client without a Listing may speak
// for all users; one whose Listing is empty for none.
type Listing struct {
	Org    string
	Client string
	Realm  string   // realm of the users
	Users  []string // names as registered
}

// Kind is whose secret it is.
type Kind string

// The kinds there are.
const (
	UserSecret   Kind = "user"
	ClientSecret Kind = "client"
)

// SecretKey names one secret of a World.
type SecretKey struct {
	Kind  Kind
	Org   string
	Realm string // of a user
	Name  string // user name or client id
	Index int    // which of a client's Secrets
}

// Urn prefixes that grant types are registered under; files leave them out.
var grantPrefixes = []string{"urn:ietf:params:oauth:grant-type:", "urn:openid:params:grant-type:"}

// shortGrant is the name a file has for a grant type.
func shortGrant(g string) string {
	for _, p := range grantPrefixes {
		if s, ok := strings.CutPrefix(g, p); ok {
			return s
		}
	}
	return g
}

// longGrant is the registered name of the grant type a file calls g.
func longGrant(g string) oauth.GrantType {
	switch g {
	case "jwt-bearer":
		return oauth.GrantJWTBearer
	case "saml2-bearer":
		return oauth.GrantSAMLBearer
	case "device_code":
		return oauth.GrantDeviceCode
	case "token-exchange":
		return oauth.GrantTokenExchange
	case "ciba":
		return oauth.GrantCIBA
	}
	return oauth.GrantType(g)
}

// What a world leaves empty and a file may write out.
const (
	pkceRequired    = "required"
	bindingRedirect = "redirect"
)

// defaultAuth is how a client of the dialect authenticates when its file does
// not say: RFC 7591 §2 for standard clients; the vendors promise both ways.
func defaultAuth(dialect string) client.Method {
	if dialect == "oidc" {
		return client.SecretBasic
	}
	return client.SecretAny
}
