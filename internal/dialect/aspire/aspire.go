// Package aspire is the dialect of Aspire's External API: a client logs in with
// ClientId and Secret, gets a pair of tokens, and calls endpoints that its scopes
// name. The server mounts it; whoever stands before the product's API asks Check. It
// owns the vendor's wire forms, the endpoint catalogue and the rule which endpoint a
// path means. It never decides whether a secret is right or a token alive.
package aspire

import (
	"net/http"
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
const Name = "aspire"

// purpose is what the tokens are signed with.
const purpose = "aspire"

// Audience is the audience of a token whose client names none.
const Audience = "aspire-external-api"

// apiVersion is what the vendor's document and version call say.
const apiVersion = "1.0"

// Settings of an organization.
const (
	settingStatus    = "bad_credentials_status"
	settingRate      = "requests_per_minute"
	settingLife      = "token_life"
	settingCatalogue = "catalogue"
	settingOnly      = "catalogue_only"
)

const (
	tokenLife  = 30 * 24 * time.Hour // absolute end of a token, however busy
	familyLife = 90 * 24 * time.Hour // after that a client logs in again
	perMinute  = 1200                // requests of all API clients together
)

// voiceUnauthorized words bad credentials as 401.
const voiceUnauthorized = "unauthorized"

// Dialect is Aspire's External API.
var Dialect = dialect.Dialect{
	Name:  Name,
	Title: "Aspire External API",
	OrgSettings: []dialect.Setting{
		{Name: settingStatus, Kind: "int", Choices: []string{"404", "401"}, Default: "404",
			Meaning: "status that answers a wrong ClientId or Secret"},
		{Name: settingRate, Kind: "int", Default: "1200",
			Meaning: "requests a minute for all API clients together; the vendor's sandbox has 60; 0 = no limit"},
		{Name: settingLife, Kind: "duration", Default: "2592000",
			Meaning: "seconds after which a token ends however busy it is; 0 = only when it is not used for 24 hours"},
		{Name: settingCatalogue, Kind: "texts",
			Meaning: "further endpoints, one a line: Controller METHOD…, Controller/Action METHOD… or Controller/{id} METHOD…; no method removes it"},
		{Name: settingOnly, Kind: "bool", Default: "false",
			Meaning: "the lines of catalogue are all there is, the built-in ones do not count"},
	},
	Profile: Profile,
	// Not published: whether a token is alive stands in no signature, and a key set
	// shared with other dialects would let one kind of token pass for another.
	Keys:       []keys.Purpose{{Name: purpose, Alg: jose.RS256, Overlap: familyLife}},
	OpenAPI:    standardDocument,
	Swagger:    swaggerPath,
	Voices:     []string{voiceUnauthorized},
	CheckScope: checkScope,
	Words:      words,
	Owns:       []string{"/Authorization", "/authorization", "/Version", "/version", "/swagger"},
	Mount:      mount,
}

// Profile is how the tokens live: 24 hours from each use (vendor document). The
// refresh token can be used as long as its token lives and 24 hours after.
var Profile = policy.Profile{
	Dialect:     Name,
	Access:      policy.Form{Kind: policy.JWT, Purpose: purpose, Alg: jose.RS256, Typ: "JWT", Claims: claims},
	Refresh:     policy.Form{Kind: policy.Sealed},
	AccessLife:  tokenLife,
	RefreshLife: 48 * time.Hour,
	FamilyLife:  familyLife,
	Never:       true,
	Scopes:      scopes,
	Grants:      []oauth.GrantType{oauth.GrantClientCredentials, oauth.GrantRefreshToken},
	RefreshFor:  []oauth.GrantType{oauth.GrantClientCredentials},
	Rotate:      true,
	Grace:       10 * time.Second,
	Audience:    Audience,
	Rolling:     24 * time.Hour,
	RollStep:    time.Minute,
}

// claims are ours: the vendor documents none.
func claims(f policy.Facts) jose.Object {
	o := jose.Obj().Str("iss", f.Issuer).StrOrStrs("aud", f.Audience).Str("sub", f.Client).Str("client_id", f.Client).
		Str("jti", f.ID).Int("iat", f.Now.Unix()).Int("nbf", f.Now.Unix())
	if !f.Expires.IsZero() {
		o = o.Int("exp", f.Expires.Unix())
	}
	return o.Str("scope", f.Scope.String())
}

// scopes: a request names none, so a token gets all its client has.
func scopes(c *client.Client, _ oauth.Subject, _ oauth.Scope) (oauth.Scope, error) {
	return c.Scopes, nil
}

// profile is Profile as the organization's settings change it.
func profile(org *client.Org) *policy.Profile {
	p := Profile
	if seconds := core.Setting(org, Name, settingLife, int64(tokenLife/time.Second)); seconds >= 0 {
		p.AccessLife = time.Duration(seconds) * time.Second
	}
	return &p
}

type face struct{ core *core.Core }

func mount(m *dialect.Mux, c *core.Core) {
	f, m := face{c}, m.Fold()
	m.Handle(http.MethodPost, "/Authorization", f.authenticate)
	m.Handle(http.MethodPost, "/Authorization/RefreshToken", f.refresh)
	m.Handle(http.MethodGet, "/Version/GetApiVersion", version)
	m.Handle(http.MethodGet, swaggerPath, f.swagger)
	m.Handle(http.MethodGet, "/swagger/index.html", f.page)
	if c.Demo { // elsewhere the product's own API answers, behind Check
		f.mountResources(m)
	}
}

// ok is a 200 with the content type ASP.NET sends.
func ok(body any) dialect.Reply {
	reply := dialect.OK(body)
	reply.ContentType = "application/json; charset=utf-8"
	return reply
}

func version(*dialect.Request) (dialect.Reply, error) { return ok(apiVersion), nil }
