// Package fortiauth speaks as the OAuth server of Fortinet FortiAuthenticator does
// under /api/v1/oauth. The server mounts it; it owns the vendor's wire forms and
// words. It never compares a secret, opens the store or chooses a life: those are
// the core's, the client's and the profile's.
package fortiauth

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
const Name = "fortiauth"

// root is where the vendor's OAuth server lives; it is its issuer, too.
const root = "/api/v1/oauth"

// purpose is what ID tokens are signed with.
const purpose = "fortiauth"

// Voices beside the token endpoint's: plain is RFC 6749 without the vendor's
// message and status, push has those two alone.
const (
	voicePlain = "plain"
	voicePush  = "push"
)

//go:embed openapi.json
var openapi []byte

// Dialect is FortiAuthenticator.
var Dialect = dialect.Dialect{
	Name:    Name,
	Title:   "Fortinet FortiAuthenticator",
	Profile: Profile,
	Settings: []dialect.Setting{{
		Name: settingPKCE, Kind: "bool", Default: "false",
		Meaning: "codes need PKCE, as of the vendor's type “authorization code with PKCE”; those of public clients always do",
	}},
	OrgSettings: []dialect.Setting{{
		Name: settingRelative, Kind: "bool", Default: "false",
		Meaning: "name the issuer " + root + ", without scheme and host, as older versions of the product do",
	}},
	Keys: []keys.Purpose{
		{Name: purpose, Alg: jose.RS256, Overlap: policy.MaxJWTLife, Publish: true},
	},
	OpenAPI: openapi,
	Voices:  []string{voicePlain, voicePush},
	Words:   words,
	Owns:    []string{root, "/api/v1/pushpoll"},
	Mount:   mount,
}

const accessLife = 36000 * time.Second // the vendor's default, for access and ID tokens

// Profile is how the vendor's tokens live: a refresh ends everything before it, and
// a client whose access tokens live 0 seconds has tokens without end. Vendor
// clients know no absolute end of a session; ours is 90 days.
var Profile = policy.Profile{
	Dialect:     Name,
	Access:      token,
	Refresh:     token,
	Code:        &codeFlow,
	ID:          &idForm,
	IDLife:      accessLife,
	IDClaims:    idClaims,
	AccessLife:  accessLife,
	RefreshLife: 24 * time.Hour,
	FamilyLife:  90 * 24 * time.Hour,
	Never:       true,
	Scopes:      scopes,
	RefreshFor:  []oauth.GrantType{oauth.GrantPassword, oauth.GrantAuthorizationCode},
	Rotate:      true,
	KillAccess:  true,
	Grace:       10 * time.Second,
}

// token is the vendor's form: 30 letters and digits, 178 random bits.
var token = policy.Form{Kind: policy.Short, Length: 30, Alphabet: policy.Base62}

// defaultScope is what a client without any registered scope is given.
const defaultScope = "read"

// scopes grants the client's default scopes always and its other ones on request,
// as the vendor's default and optional scopes are. A scope the client is not
// registered for refuses the request.
func scopes(c *client.Client, _ oauth.Subject, asked oauth.Scope) (oauth.Scope, error) {
	all, granted := c.Scopes, c.DefaultScope
	if len(all) == 0 && len(granted) == 0 {
		all, granted = oauth.Scope{defaultScope}, oauth.Scope{defaultScope}
	}
	if len(granted) == 0 && len(asked) == 0 {
		return all, nil // nothing is marked as default: asking nothing gives all
	}
	granted = append(oauth.Scope(nil), granted...)
	for _, v := range asked {
		switch {
		case granted.Has(v):
		case all.Has(v):
			granted = append(granted, v)
		default:
			return nil, oauth.Refuse(oauth.InvalidScope, "")
		}
	}
	return granted, nil
}

type face struct{ core *core.Core }

func mount(m *dialect.Mux, c *core.Core) {
	f := face{c}
	m.Handle("POST", root+"/token", f.token)

	page := m.Voice(dialect.Page)
	page.Handle("GET", root+"/authorize", f.authorize)
	page.Handle("POST", root+"/authorize", f.authorize)

	plain := m.Voice(voicePlain)
	plain.Handle("GET", root+"/verify_token", f.verify)
	plain.Handle("POST", root+"/revoke_token", f.revoke)
	plain.Handle("GET", root+"/userinfo", f.userinfo)
	plain.Handle("POST", root+"/userinfo", f.userinfo)
	plain.Handle("GET", root+"/.well-known/openid-configuration", f.discovery)
	plain.Handle("GET", root+"/.well-known/oauth-authorization-server", f.discovery)
	plain.Handle("GET", root+"/.well-known/keys", f.jwks)

	m.Voice(voicePush).Handle("GET", "/api/v1/pushpoll", f.poll)
}
