// Package sensu speaks the authentication API of Sensu Go as sensuctl, the web UI
// and scripts call it: /auth with Basic credentials, a pair of HS256 JWTs, refresh
// and logout under /auth, and of the resource API what has to do with signing in:
// users, their passwords and groups, and API keys. The server mounts it. It owns
// Sensu's wire forms and nothing else; checks, entities and the other resources of
// a Sensu backend are not served here.
package sensu

import (
	_ "embed"
	"strconv"
	"strings"
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
const Name = "sensu"

// purpose is what both kinds of token are signed with: one secret key, as in the
// original. Their claims tell them apart.
const purpose = "sensu"

// Voices beside the first, which is that of /auth.
const (
	voiceResource = "resource" // JSON errors of the resource API; also words unknown paths
	voiceTest     = "test"     // /auth/test says one thing whatever is wrong
)

// familyLife is the absolute end of a session. The original has none.
const familyLife = 90 * 24 * time.Hour

//go:embed openapi.json
var openapi []byte

// Dialect is Sensu Go.
var Dialect = dialect.Dialect{
	Name:  Name,
	Title: "Sensu Go",
	OrgSettings: []dialect.Setting{{
		Name: "compat", Kind: "int", Choices: []string{"5", "6"}, Default: "6",
		Meaning: "Refresh tokens as in Sensu Go 5 (one for the whole session) or 6 (a new one with every refresh)",
	}},
	Profile: Profile,
	// An access token is still shown beside its refresh token when it has long
	// expired, so the key must verify as long as a session can last.
	Keys:    []keys.Purpose{{Name: purpose, Alg: jose.HS256, Overlap: familyLife}},
	OpenAPI: openapi,
	Voices:  []string{voiceResource, voiceTest},
	Words:   words,
	Owns:    []string{"/auth", "/api/core/v2"},
	Mount:   mount,
}

// Profile is how Sensu's tokens are spelled and live: "around 15 minutes" and 12
// hours, rotated. The grace lets two sensuctl processes share one file.
var Profile = policy.Profile{
	Dialect:     Name,
	Access:      policy.Form{Kind: policy.JWT, Purpose: purpose, Alg: jose.HS256, Typ: "JWT", Claims: accessClaims, Handle: readAccess},
	Refresh:     policy.Form{Kind: policy.JWT, Purpose: purpose, Alg: jose.HS256, Typ: "JWT", Claims: refreshClaims, Handle: readRefresh},
	AccessLife:  15 * time.Minute,
	RefreshLife: 12 * time.Hour,
	FamilyLife:  familyLife,
	Grants:      []oauth.GrantType{oauth.GrantPassword, oauth.GrantRefreshToken},
	RefreshFor:  []oauth.GrantType{oauth.GrantPassword},
	Rotate:      true,
	Grace:       10 * time.Second,
}

// steady is Profile as Sensu Go 5 has it: one refresh token for the whole session,
// with no end but the session's.
var steady = func() policy.Profile {
	p := Profile
	p.Rotate = false
	p.RefreshLife = familyLife
	return p
}()

// profile is what the organization's setting compat asks for.
func profile(o *client.Org) *policy.Profile {
	if core.Setting(o, Name, "compat", version(6)) == 5 {
		return &steady
	}
	return &Profile
}

// version reads 5 and "5" alike: a form sends text, a file a number.
type version int

// UnmarshalJSON implements json.Unmarshaler.
func (v *version) UnmarshalJSON(b []byte) error {
	n, err := strconv.Atoi(strings.Trim(string(b), `"`))
	*v = version(n)
	return err
}

type face struct{ core *core.Core }

func mount(m *dialect.Mux, c *core.Core) {
	f := face{c}
	for _, base := range []string{"/auth", "/api/core/v2/auth"} {
		m.Handle("GET", base, f.login)
		m.Voice(voiceTest).Handle("GET", base+"/test", f.test)
		m.Handle("POST", base+"/token", f.refresh)
		m.Handle("POST", base+"/logout", f.logout)
	}
	m.Handle("POST", "/api/core/v2/auth", f.refresh)
	for _, x := range resources {
		m.Voice(voiceResource).Handle(x.method, x.pattern, f.guarded(x))
	}
}
