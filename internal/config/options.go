package config

import (
	"os"
	"slices"
	"strings"

	"jeton/internal/client"
	"jeton/internal/oauth"
)

// Options is what Lint and Resolve need to know of the world outside the file.
// The zero value works: no variable is set, files are read from the current
// folder, secrets stay unhashed in World.Plain, and what is unknown is not checked.
type Options struct {
	Dir      string                            // folder that relative file names start from
	Getenv   func(name string) string          // nil: no variable is set
	ReadFile func(name string) ([]byte, error) // nil: os.ReadFile

	// AllowPlain accepts secrets written in the file itself: demonstrations and tests.
	AllowPlain bool

	// HashSecret makes the hash of a secret given as a value; nil leaves the hash
	// empty, for a caller that compares World.Plain with what is kept first.
	HashSecret func(kind Kind, secret oauth.Secret) (string, error)

	// CheckKey refuses a public key that must not be registered. Its error is shown.
	CheckKey func(text string) error

	// CheckAccent refuses a brand's colour that could not be read on pages; nil: any.
	// Its error is shown.
	CheckAccent func(hex string) error

	// ReadMetadata reads the metadata of a SAML identity provider: its EntityID, SSO,
	// SSOBinding and Certificates. Its error is shown; nil: metadata cannot be read.
	ReadMetadata func(text []byte) (client.Provider, error)

	// Canonical is the form in which two user names are the same; nil: lower case.
	Canonical func(name string) (string, error)

	// Dialects lists the known dialects by name; nil: any name is accepted.
	Dialects map[string]Dialect

	// Existing lists the organizations the server has already; the file may refer
	// to them and their realms. KnownUser does the same for users.
	Existing  []client.Org
	KnownUser func(org, realm, name string) bool
}

// Dialect is what the file's checks know of one dialect.
type Dialect struct {
	Client       map[string]Setting // settings of one client; nil: any
	Organization map[string]Setting // settings of an organization; nil: any
	Never        bool               // a life of "never" is possible
	// CheckScope refuses a scope a client of the organization cannot have; nil: any.
	CheckScope func(org *client.Org, scope string) error
}

func (o Options) getenv(name string) string {
	if o.Getenv == nil {
		return ""
	}
	return o.Getenv(name)
}

func (o Options) readFile(name string) ([]byte, error) {
	if o.ReadFile == nil {
		return os.ReadFile(name)
	}
	return o.ReadFile(name)
}

func (o Options) canonical(name string) string {
	if o.Canonical != nil {
		if c, err := o.Canonical(name); err == nil {
			return c
		}
	}
	return strings.ToLower(name)
}

// orgs answers what a reference to an organization or realm means.
type orgs struct {
	main   string
	realms map[string][]client.Realm
}

func organizations(f *File, o Options) orgs {
	out := orgs{main: DefaultOrganization, realms: map[string][]client.Realm{}}
	for _, e := range o.Existing {
		out.realms[e.ID] = e.Realms
		if e.Default {
			out.main = e.ID
		}
	}
	for _, w := range f.Organizations {
		// An organization named again without realms keeps those it has.
		if w.Realms != nil || out.realms[w.ID] == nil {
			out.realms[w.ID] = realms(w.Realms)
		}
	}
	if i := slices.IndexFunc(f.Organizations, func(x Organization) bool { return x.Default }); i >= 0 {
		out.main = f.Organizations[i].ID
	}
	if _, ok := out.realms[out.main]; !ok {
		out.realms[out.main] = nil
	}
	return out
}

func realms(in []Realm) []client.Realm {
	var out []client.Realm
	for _, r := range in {
		out = append(out, client.Realm(r))
	}
	return out
}

// name is the organization that an entry naming org belongs to.
func (o orgs) name(org string) string {
	if org == "" {
		return o.main
	}
	return org
}

func (o orgs) known(org string) bool {
	_, ok := o.realms[org]
	return ok
}

// realm is the realm an entry of org naming realm belongs to.
func (o orgs) realm(org, realm string) string {
	if realm != "" {
		return realm
	}
	return (&client.Org{Realms: o.realms[org]}).DefaultRealm()
}

func (o orgs) names() []string { return sortedKeys(o.realms) }

// realmNames lists the realms of org; one without any has its default.
func (o orgs) realmNames(org string) []string {
	if len(o.realms[org]) == 0 {
		return []string{o.realm(org, "")}
	}
	var out []string
	for _, r := range o.realms[org] {
		out = append(out, r.Name)
	}
	return out
}
