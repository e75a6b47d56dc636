// Package config owns the two documents an operator writes: the world
// (organizations, realms, users, clients, keys and the dialects' own objects,
// one YAML file) and the settings of the server process. It reads them strictly,
// finds what is wrong with line and remedy, reads the files and variables they
// point to, and writes a world back in one canonical form. The command line and
// administration call it; it never opens the store, compares a secret or decides
// what a request may do.
package config

// Version is the schema version this package reads and writes.
const Version = 1

// DefaultOrganization is where things belong when neither the file nor the
// server marks another organization as the default one.
const DefaultOrganization = "default"

// File is one configuration document as written: references are not followed
// yet. Resolve turns it into a World.
//
// Two rules hold everywhere. A part that is left out keeps its default; a part
// without a value ("users:" and nothing after it) is an error, because an empty
// list and no list differ. Text needs no quotes: 12345678 and true are the text
// as written wherever text is expected.
type File struct {
	Version       int            `yaml:"version" doc:"schema version of this file: 1"`
	Organizations []Organization `yaml:"organizations" doc:"organizations; without them everything belongs to the server's default one"`
	Users         []User         `yaml:"users" doc:"people and machine accounts"`
	Clients       []Client       `yaml:"clients" doc:"registered clients, resource servers included"`
	Objects       []Object       `yaml:"objects" doc:"a dialect's own objects: aoc nodes, an endpoint catalogue"`

	// Name is the file's name as problems and Source quote it.
	Name string `yaml:"-"`
	at   map[string]pos
}

// Organization is a set of realms, users and clients of its own.
type Organization struct {
	ID       string   `yaml:"id" doc:"short name: lower-case letters, digits, hyphen; also {org} in paths of the aoc dialect"`
	Name     string   `yaml:"name" default:"the id" doc:"name people read"`
	Number   int64    `yaml:"number" doc:"number that vendors' objects carry; 0 lets the server choose"`
	Default  bool     `yaml:"default" default:"false" doc:"requests that name no organization reach this one; at most one has it"`
	Hosts    []string `yaml:"hosts" doc:"host names bound to it, without scheme and port"`
	Prefixes []string `yaml:"prefixes" doc:"path prefixes bound to it, such as /acme"`
	Dialects []string `yaml:"dialects" default:"all" doc:"dialects switched on"`
	Realms   []Realm  `yaml:"realms" default:"one, named local" doc:"sets of users that share names"`

	Brand   Brand             `yaml:"brand" doc:"how the sign-in pages look"`
	Session SessionLife       `yaml:"session" doc:"how long a browser stays signed in"`
	Scopes  map[string]string `yaml:"scopes" doc:"what a scope value means, in words for the consent page, by scope value"`
	SAML    []Provider        `yaml:"saml" doc:"SAML identity providers people may sign in with"`

	Settings map[string]map[string]any `yaml:"settings" doc:"settings of a dialect for the whole organization, by dialect and setting name"`
}

// Brand is how an organization looks to the people who sign in.
type Brand struct {
	Name   string `yaml:"name" default:"the organization's name" doc:"name on the pages"`
	Logo   *Logo  `yaml:"logo" also:"logo_uri" default:"none" doc:"SVG or PNG image of at most 64 KiB: exactly one of file and base64"`
	Accent string `yaml:"accent" default:"the server's" doc:"colour of buttons and links, such as #0b5cad"`
	Help   string `yaml:"help" doc:"URL where people find help"`
	Terms  string `yaml:"terms" also:"tos_uri" doc:"URL of the terms of use"`
}

// Logo is where an image comes from: exactly one field is set.
type Logo struct {
	File   string `yaml:"file" doc:"SVG or PNG file, relative to this file"`
	Base64 string `yaml:"base64" doc:"the image itself, base64; set by export"`
}

// SessionLife bounds browser sessions.
type SessionLife struct {
	Idle *Seconds `yaml:"idle" default:"12h" doc:"signed out when unused for that long"`
	Life *Seconds `yaml:"life" default:"7d" doc:"signed out after that long, however much it was used"`
}

// Provider is a SAML identity provider. What its metadata says need not be written.
type Provider struct {
	Name         string            `yaml:"name" doc:"short name: lower-case letters, digits, hyphen; in the path of its button"`
	Title        string            `yaml:"title" default:"the name" doc:"what people read on its button"`
	Number       int64             `yaml:"number" also:"id" default:"the first that is free, from 1" doc:"number by which Faspex' clients name it"`
	Metadata     string            `yaml:"metadata" also:"metadata_file,metadata_url" doc:"its metadata, a file relative to this file; what is written beside it counts instead"`
	EntityID     string            `yaml:"entity_id" also:"issuer" doc:"its entity id"`
	Certificates []Certificate     `yaml:"certificates" also:"certificate" doc:"certificates its assertions may be signed with; each exactly one of file and pem"`
	SSO          string            `yaml:"sso" also:"sso_url" doc:"URL of its single sign-on service"`
	SSOBinding   string            `yaml:"sso_binding" one:"redirect post" default:"redirect" doc:"how a browser carries the request there"`
	Enabled      *bool             `yaml:"enabled" default:"true" doc:"false: nobody can sign in with it"`
	Realm        string            `yaml:"realm" default:"the users it made in the organization's default realm" doc:"realm of its users; naming one trusts it with every user there"`
	Create       bool              `yaml:"create" default:"false" doc:"users are made at their first sign-in"`
	Attributes   map[string]string `yaml:"attributes" doc:"names of its attributes, by what they are: user, email, given_name, family_name, display_name, groups"`
	Groups       map[string]string `yaml:"groups" default:"as they are" doc:"our group, by its group; others are left out"`
}

// Certificate is one certificate: exactly one field is set.
type Certificate struct {
	File string `yaml:"file" doc:"PEM file, relative to this file"`
	PEM  string `yaml:"pem" doc:"the certificate, PEM"`
}

// Realm is a set of users in which a name is unique.
type Realm struct {
	Name    string `yaml:"name" doc:"name of the realm"`
	Title   string `yaml:"title" default:"the name" doc:"what people read on the sign-in page"`
	Default bool   `yaml:"default" default:"false" doc:"user names without a realm belong to this one"`
}

// User is one person or machine account.
type User struct {
	Name         string    `yaml:"name" doc:"name the user signs in with, unique in the realm"`
	Organization string    `yaml:"organization" default:"the default organization" doc:"organization the user belongs to"`
	Realm        string    `yaml:"realm" default:"the organization's default realm" doc:"realm the user belongs to"`
	Password     *Password `yaml:"password" default:"none: cannot sign in by password" doc:"exactly one of file, env, hash, plain"`
	PasswordDue  bool      `yaml:"password_due" default:"false" doc:"the password must be changed at the next sign-in"`
	Email        string    `yaml:"email" doc:"mail address"`
	GivenName    string    `yaml:"given_name" also:"first_name" doc:"given name"`
	FamilyName   string    `yaml:"family_name" also:"last_name" doc:"family name"`
	DisplayName  string    `yaml:"display_name" doc:"name shown on pages"`
	Groups       []string  `yaml:"groups" doc:"groups the user is in"`
	Roles        []string  `yaml:"roles" doc:"roles in administration of this server, such as owner"`
	Admin        bool      `yaml:"admin" default:"false" doc:"administrator of the organization"`
	Enabled      *bool     `yaml:"enabled" default:"true" doc:"false: cannot sign in, and tokens stop working"`
	Expires      Time      `yaml:"expires" default:"never" doc:"when the user ends: 2027-01-01, 2027-01-01T00:00:00Z or never"`
	Keys         []Key     `yaml:"keys" also:"public_key" doc:"public keys for JWT grants"`

	Attributes map[string]any `yaml:"attributes" doc:"free; what a dialect needs is under its name, such as faspex"`
}

// Password is where a password comes from: exactly one field is set.
type Password struct {
	File  string `yaml:"file" doc:"file that holds it, relative to this file; one newline at its end is ignored"`
	Env   string `yaml:"env" doc:"environment variable that holds it"`
	Hash  string `yaml:"hash" doc:"its hash, a PHC string such as $argon2id$…"`
	Plain string `yaml:"plain" doc:"the value itself; accepted for demonstrations and tests only"`
}

// Secret is one client secret: where it comes from, as with Password, and how
// long it counts.
type Secret struct {
	Password
	Hint string `yaml:"hint" doc:"last four characters, to tell secrets apart; set by export"`
	Ends Time   `yaml:"ends" default:"never" doc:"when this secret stops counting"`
}

// Key is one public key: exactly one of file, pem and jwk is set.
type Key struct {
	File string         `yaml:"file" doc:"PEM file, relative to this file"`
	PEM  string         `yaml:"pem" doc:"the key, PEM (SubjectPublicKeyInfo)"`
	JWK  map[string]any `yaml:"jwk" doc:"the key as a JSON Web Key (RFC 7517), public members only"`
	ID   string         `yaml:"kid" doc:"key id that assertions name; for a jwk its own kid is taken"`
}

// Client is one registered client (RFC 6749 §2, field names of RFC 7591 §2 where
// it has them).
type Client struct {
	ID           string   `yaml:"id" also:"client_id" doc:"client_id"`
	Organization string   `yaml:"organization" default:"the default organization" doc:"organization the client belongs to"`
	Dialect      string   `yaml:"dialect" doc:"dialect it speaks: oidc, faspex, fortiauth, aspire, aoc, sensu"`
	Name         string   `yaml:"name" also:"client_name" default:"the id" doc:"name people read"`
	Enabled      *bool    `yaml:"enabled" default:"true" doc:"false: cannot authenticate, and tokens stop working"`
	Auth         string   `yaml:"auth" also:"token_endpoint_auth_method" one:"client_secret_basic client_secret_post client_secret private_key_jwt none" default:"client_secret_basic for oidc, client_secret (either way) for the others" doc:"how it authenticates; none makes it public"`
	Secrets      []Secret `yaml:"secrets" also:"client_secret,secret" doc:"its secrets, at most three; each exactly one of file, env, hash, plain"`
	Keys         []Key    `yaml:"keys" also:"jwks,public_key" doc:"public keys for private_key_jwt; for aoc the client's global key"`
	Grants       []string `yaml:"grants" also:"grant_types" one:"client_credentials password authorization_code refresh_token jwt-bearer saml2-bearer device_code token-exchange ciba" doc:"grant types it may use"`
	Scopes       []string `yaml:"scopes" also:"scope" doc:"all scope values it may ask for; for aspire its endpoints, such as Contacts.GET"`
	DefaultScope []string `yaml:"default_scope" default:"scopes" doc:"granted when it asks for none"`
	Audiences    []string `yaml:"audiences" also:"audience" doc:"resource indicators it may name (RFC 8707); the first is the default"`
	RedirectURIs []string `yaml:"redirect_uris" also:"redirect_uri,callback_urls" doc:"redirect URIs, compared byte for byte"`
	PKCE         string   `yaml:"pkce" also:"code_challenge_method" one:"required optional" default:"required" doc:"whether a code needs a PKCE challenge; optional is for old confidential clients"`
	Consent      string   `yaml:"consent" also:"skip_consent" one:"once always never" default:"once" doc:"when a person is asked: for what was not allowed before, each time, never"`
	Own          bool     `yaml:"own" also:"first_party,trusted" default:"false" doc:"the organization's own client: an administrator vouches for it"`
	Reviewed     Time     `yaml:"reviewed" default:"never" doc:"when an administrator looked at the client"`
	HomeURI      string   `yaml:"client_uri" doc:"URL of the client's home page"`
	PolicyURI    string   `yaml:"policy_uri" doc:"URL of its privacy policy"`
	TermsURI     string   `yaml:"tos_uri" also:"terms_uri" doc:"URL of its terms of use"`
	InitiateURI  string   `yaml:"initiate_login_uri" doc:"URL at which it begins a sign-in"`

	PostLogoutURIs []string `yaml:"post_logout_redirect_uris" also:"post_logout_redirect_uri,logout_uris" doc:"where a browser may be sent after signing out, compared byte for byte"`
	BackchannelURI string   `yaml:"backchannel_logout_uri" also:"frontchannel_logout_uri" doc:"URL that is told when a session ends"`
	BackchannelSID bool     `yaml:"backchannel_logout_session_required" default:"false" doc:"a logout token names the session"`
	DefaultMaxAge  *Age     `yaml:"default_max_age" default:"no limit" doc:"a sign-in counts for that long where a request does not say: 900, 15m; 0 asks each time"`
	UserinfoAlg    string   `yaml:"userinfo_signed_response_alg" one:"RS256 PS256 ES256 ES384 EdDSA" default:"none: plain JSON" doc:"signature of userinfo answers"`
	Claims         []Claim  `yaml:"claims" doc:"attributes of users in tokens, beside the standard claims"`

	Introspect bool   `yaml:"introspect" default:"false" doc:"a resource server: may introspect tokens whose audience it is"`
	Resource   string `yaml:"resource" doc:"audience value this resource server stands for"`

	AccessToken  AccessToken  `yaml:"access_token" doc:"its access tokens"`
	IDToken      IDToken      `yaml:"id_token" also:"id_token_signed_response_alg" doc:"its ID tokens"`
	RefreshToken RefreshToken `yaml:"refresh_token" doc:"its refresh tokens"`

	Realm    string         `yaml:"realm" default:"the organization's default realm" doc:"whose users it signs in when a request names none"`
	Settings map[string]any `yaml:"settings" doc:"settings of its dialect, by name"`
	Users    []string       `yaml:"users" default:"all users" doc:"only these users of its realm may be spoken for (aoc: only listed users)"`
}

// AccessToken says how a client's access tokens are made.
type AccessToken struct {
	Format string   `yaml:"format" one:"opaque jwt" default:"the dialect's" doc:"how it is spelled"`
	Alg    string   `yaml:"alg" one:"RS256 PS256 ES256 ES384 EdDSA" default:"ES256" doc:"signature of a JWT access token"`
	Life   *Seconds `yaml:"life" default:"the dialect's" doc:"how long it lives: 900, 15m, 30d, or never where the dialect has that"`
}

// IDToken says how a client's ID tokens are made.
type IDToken struct {
	Alg  string   `yaml:"alg" one:"RS256 PS256 ES256 ES384 EdDSA" default:"RS256" doc:"signature of an ID token"`
	Life *Seconds `yaml:"life" default:"the dialect's" doc:"how long it lives: 900, 15m"`
}

// Claim puts an attribute of users into tokens.
type Claim struct {
	Name  string   `yaml:"name" doc:"name of the claim"`
	From  string   `yaml:"from" doc:"attribute it is read from: name, email, realm, groups, or one of the user's own"`
	Scope string   `yaml:"scope" default:"always" doc:"sent only with this scope value"`
	In    []string `yaml:"in" one:"id_token userinfo access_token" default:"id_token, userinfo" doc:"where it is sent"`
}

// RefreshToken says how a client's refresh tokens are made.
type RefreshToken struct {
	Life *Seconds `yaml:"life" default:"the dialect's" doc:"how long it lives unused: 30d, 12h, or never where the dialect has that"`
}

// Object is one object of a dialect's own, kept and read by that dialect alone.
type Object struct {
	Organization string         `yaml:"organization" default:"the default organization" doc:"organization it belongs to"`
	Dialect      string         `yaml:"dialect" doc:"dialect that reads it"`
	Kind         string         `yaml:"kind" doc:"what it is, in the dialect's word, such as node"`
	ID           string         `yaml:"id" doc:"its id, unique among its kind"`
	Body         map[string]any `yaml:"body" doc:"its fields; the dialect defines them"`
}

// pos is a place in the file, both from 1.
type pos struct{ line, column int }
