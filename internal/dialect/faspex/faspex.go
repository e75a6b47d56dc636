// Package faspex speaks as IBM Aspera Faspex v4 does: a token endpoint whose
// parameters come by query, form or JSON, and the users its tokens are shown to.
// The server mounts it; it owns the vendor's wire forms and words. It never
// compares a secret, opens the store or chooses a life.
package faspex

import (
	_ "embed"
	"time"

	"jeton/internal/client"
	"jeton/internal/core"
	"jeton/internal/dialect"
	"jeton/internal/oauth"
	"jeton/internal/policy"
)

// Name is the dialect's slug; users keep their Faspex attributes under it.
const Name = "faspex"

// prefixes are the two places the product is found at: its own folder, which
// clients have in their base URL, and the root.
var prefixes = []string{"/aspera/faspex", ""}

// voiceAPI words refusals as the product's API does; it is the voice of unknown
// paths, too. The token endpoint's words are RFC 6749's.
const voiceAPI = "api"

//go:embed openapi.json
var openapi []byte

// Dialect is Faspex v4.
var Dialect = dialect.Dialect{
	Name:    Name,
	Title:   "IBM Aspera Faspex 4",
	Profile: Profile,
	OrgSettings: []dialect.Setting{{
		Name: settingGrace, Kind: "duration", Default: "10",
		Meaning: "how long a repeated refresh gets the same answer again; later the whole session ends (at most 60)",
	}},
	OpenAPI: openapi,
	Voices:  []string{voiceAPI},
	Words:   words,
	Owns:    []string{"/aspera/faspex", "/auth/oauth2", "/api/users"},
	Mount:   mount,
}

// Profile is how the vendor's tokens live. The access token before a refresh keeps
// its end: clients repeat a failed call with it right after they refreshed.
var Profile = policy.Profile{
	Dialect:     Name,
	Access:      token,
	Refresh:     token,
	AccessLife:  24 * time.Hour,
	RefreshLife: 30 * 24 * time.Hour,
	FamilyLife:  180 * 24 * time.Hour,
	Scopes:      noScope,
	RefreshFor:  []oauth.GrantType{oauth.GrantPassword, oauth.GrantSAMLBearer},
	Rotate:      true,
	Grace:       10 * time.Second,
}

// token is the vendor's form: 22 characters of base64url.
var token = policy.Form{Kind: policy.Short, Length: 22, Alphabet: policy.Base64URL}

// noScope: whatever scope is asked for, a Faspex token has its user's rights.
func noScope(*client.Client, oauth.Subject, oauth.Scope) (oauth.Scope, error) { return nil, nil }

const (
	settingGrace = "refresh_grace"
	maxGrace     = 60 // seconds; longer would be a second chance for a stolen token
)

// profile is the organization's: nil where it set nothing.
func profile(o *client.Org) *policy.Profile {
	seconds := core.Setting(o, Name, settingGrace, int64(-1))
	if seconds < 0 {
		return nil
	}
	p := Profile
	p.Grace = time.Duration(min(seconds, maxGrace)) * time.Second
	return &p
}

type face struct{ core *core.Core }

func mount(m *dialect.Mux, c *core.Core) {
	f := face{c}
	api := m.Voice(voiceAPI)
	for _, prefix := range prefixes {
		m.Handle("POST", prefix+"/auth/oauth2/token", f.token)
		api.Handle("GET", prefix+"/api/users", f.users)
		api.Handle("GET", prefix+"/api/users/{id}", f.user)
	}
}
