package cli

import (
	"net"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"

	"jeton/internal/adminapi"
	"jeton/internal/client"
	"jeton/internal/outbound"
)

// SAMLCmd is the SAML identity providers of an organization.
type SAMLCmd struct {
	Import SAMLImportCmd `cmd:"" help:"Add an identity provider by its metadata, or take its new keys over."`
	List   SAMLListCmd   `cmd:"" help:"List identity providers."`
	Delete SAMLDeleteCmd `cmd:"" help:"Delete an identity provider."`
}

// Examples implements exampler.
func (*SAMLCmd) Examples() []string {
	return []string{"jeton saml import corp idp.xml --realm local", "jeton saml list"}
}

// SAMLImportCmd adds a provider or brings one up to date.
type SAMLImportCmd struct {
	remoteFlags
	outFlags
	Name       string            `arg:"" help:"Short name, in the path of its button: lower-case letters, digits, hyphens."`
	Source     string            `arg:"" help:"Its metadata: a file, an https URL, or - for standard input."`
	Number     int64             `placeholder:"N" help:"Number by which Faspex' clients name it." otherwise:"as it was, or the first that is free"`
	Title      string            `placeholder:"TEXT" help:"What people read on its button." otherwise:"as it was, or the name"`
	Realm      string            `placeholder:"NAME" help:"Realm of its users; it is trusted with every user there." otherwise:"as it was, or the default realm's users that it made"`
	Create     *bool             `negatable:"" help:"Make users at their first sign-in; --no-create stops it."`
	Attributes map[string]string `name:"attribute" placeholder:"OURS=THEIRS" help:"Name of an attribute, by what it is: user, email, given_name, family_name, display_name, groups. May be repeated."`
}

// Examples implements exampler.
func (*SAMLImportCmd) Examples() []string {
	return []string{
		"jeton saml import corp idp.xml --realm local --number 1",
		"jeton saml import corp https://idp.example.com/metadata   # again, when its keys have changed",
	}
}

// Exits implements exiter.
func (*SAMLImportCmd) Exits() []int { return []int{ExitRefused, ExitConflict, ExitUnreachable} }

// Run reads the metadata here and sends the server what it says.
func (c *SAMLImportCmd) Run(env *Env) error {
	text, err := c.read(env)
	if err != nil {
		return err
	}
	p, err := metadata(env)(text)
	if err != nil {
		return fail(ExitFailed, "download it from the identity provider again", "%s is not the metadata of an identity provider: %v", c.Source, err)
	}
	return c.with(env, func(api *adminClient) error {
		var out adminapi.Provider
		if _, err := api.call("PUT", "/providers"+escaped(c.Name), nil, c.body(p), &out); err != nil {
			return err
		}
		return c.show(env, out, fields(
			"name", out.Name, "title", out.Title, "number", strconv.FormatInt(out.Number, 10), "entity_id", out.EntityID, "sso", out.SSO,
			"certificates", strconv.Itoa(len(out.Certificates)), "realm", out.Realm, "create", yesNo(out.Create), "enabled", yesNo(out.Enabled),
		))
	})
}

// body is what changes: all that metadata says, and the flags that were given.
func (c *SAMLImportCmd) body(p client.Provider) map[string]any {
	var certificates []any
	for _, text := range p.Certificates {
		certificates = append(certificates, map[string]any{"pem": text})
	}
	b := map[string]any{"entity_id": p.EntityID, "sso": p.SSO, "sso_binding": "redirect", "certificates": certificates}
	if p.SSOBinding != "" {
		b["sso_binding"] = p.SSOBinding
	}
	if c.Number != 0 {
		b["number"] = c.Number
	}
	if c.Title != "" {
		b["title"] = c.Title
	}
	if c.Realm != "" {
		b["realm"] = c.Realm
	}
	if c.Create != nil {
		b["create"] = *c.Create
	}
	if len(c.Attributes) > 0 {
		b["attributes"] = c.Attributes
	}
	return b
}

// maxMetadata bounds metadata in bytes; a federation's whole list is not read.
const maxMetadata = 512 << 10

func (c *SAMLImportCmd) read(env *Env) ([]byte, error) {
	if c.Source == "-" {
		return readAll(env.Stdin, maxMetadata+1)
	}
	if strings.Contains(c.Source, "://") {
		return c.fetch(env)
	}
	text, err := os.ReadFile(env.Path(c.Source))
	if err != nil {
		return nil, fail(ExitUsage, "name a readable XML file", "the metadata could not be read: %v", err)
	}
	return text, nil
}

// everywhere is where an operator may send this command: providers often stand in the
// operator's own network, and it is he who names the address.
var everywhere = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}

// fetch gets metadata from its address. The keys in it are trusted from then on, so
// nobody on the way may change it.
func (c *SAMLImportCmd) fetch(env *Env) ([]byte, error) {
	u, err := url.Parse(c.Source)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && (u.Scheme != "http" || !thisMachine(u.Hostname())) {
		return nil, fail(ExitUsage, "name an https URL, or save the metadata to a file and compare its certificate with the provider's operator",
			"metadata is fetched by https only: its keys decide who can sign in")
	}
	text, err := outbound.New(outbound.Options{Allow: everywhere, Now: env.Now}).Get(env.Ctx, c.Source)
	if err != nil {
		return nil, fail(ExitUnreachable, "save the metadata to a file and name the file", "the metadata could not be fetched: %v", err)
	}
	return text, nil
}

func thisMachine(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// SAMLListCmd lists providers.
type SAMLListCmd struct {
	remoteFlags
	outFlags
}

// Examples implements exampler.
func (*SAMLListCmd) Examples() []string {
	return []string{"jeton saml list", "jeton saml list --organization acme -o json"}
}

// Exits implements exiter.
func (*SAMLListCmd) Exits() []int { return []int{ExitNotFound, ExitUnreachable} }

// Run lists providers.
func (c *SAMLListCmd) Run(env *Env) error {
	return c.with(env, func(api *adminClient) error {
		list, err := all[adminapi.Provider](api, "/providers", nil)
		if err != nil {
			return err
		}
		t := table{head: []string{"NAME", "TITLE", "NUMBER", "ENTITY ID", "REALM", "CREATES", "ENABLED"}, empty: "no identity providers; next: jeton saml import NAME FILE"}
		for _, p := range list {
			t.add(p.Name, p.Title, strconv.FormatInt(p.Number, 10), p.EntityID, p.Realm, yesNo(p.Create), yesNo(p.Enabled))
		}
		return c.show(env, list, t)
	})
}

// SAMLDeleteCmd deletes a provider.
type SAMLDeleteCmd struct {
	remoteFlags
	outFlags
	askFlags
	Name string `arg:"" help:"Name of the identity provider."`
}

// Examples implements exampler.
func (*SAMLDeleteCmd) Examples() []string {
	return []string{
		"jeton saml delete corp                         # asks for the name",
		"jeton saml delete corp --yes",
	}
}

// Exits implements exiter.
func (*SAMLDeleteCmd) Exits() []int { return []int{ExitNotFound, ExitConflict, ExitUnreachable} }

// Run asks and deletes.
func (c *SAMLDeleteCmd) Run(env *Env) error {
	return c.with(env, func(api *adminClient) error {
		if err := c.confirm(env, "identity provider", c.Name, "leaves the users it made: they cannot sign in with it any more"); err != nil {
			return err
		}
		if err := api.remove("/providers" + escaped(c.Name)); err != nil {
			return err
		}
		c.say(env, "identity provider %s deleted", c.Name)
		return nil
	})
}
