package aoc

import (
	"cmp"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"jeton/internal/admin"
	"jeton/internal/client"
	"jeton/internal/dialect"
	"jeton/internal/jose"
	"jeton/internal/oauth"
)

// clientObject is a client as the vendor's API shows it.
type clientObject struct {
	ID              string   `json:"id"`
	Secret          *string  `json:"secret"`
	Name            string   `json:"name"`
	RedirectURIs    []string `json:"redirect_uris"`
	Origins         []string `json:"origins"`
	Explicit        bool     `json:"explicit_authorization_required"`
	JWT             bool     `json:"jwt_grant_enabled"`
	Whitelist       bool     `json:"whitelist_enabled"`
	PublicKey       *string  `json:"public_key"`
	AdminNodeTokens bool     `json:"admin_node_token_retrieval_enabled"`
	Implicit        bool     `json:"allow_implicit_grant"` // never
	Organization    string   `json:"organization_id"`
	Creator         *string  `json:"creator_id"`
	Created         string   `json:"created_at"`
	Updated         string   `json:"updated_at"`
}

// describe shows a client without its secret.
func (f face) describe(o *client.Org, c *client.Client) clientObject {
	v := clientObject{
		ID: c.ID, Name: c.Name, RedirectURIs: orEmpty(c.RedirectURIs), Origins: orEmpty(origins(c)),
		Explicit: explicit(c), JWT: c.May(oauth.GrantJWTBearer), Whitelist: c.Bool(listedOnly),
		PublicKey: f.firstKey(c.Keys), AdminNodeTokens: c.Bool(adminNodeTokens),
		Organization: number(o.Number), Created: seconds(c.Created), Updated: seconds(c.Updated),
	}
	if by := c.Text(creator); by != "" {
		v.Creator = &by
	}
	return v
}

func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

func explicit(c *client.Client) bool {
	var b bool
	return !c.Setting(explicitAuthorization, &b) || b
}

func origins(c *client.Client) (list []string) {
	c.Setting(originList, &list)
	return list
}

func has(c *client.Client, setting, value string) bool {
	var list []string
	return c.Setting(setting, &list) && slices.Contains(list, value)
}

// firstKey is a registered key as PEM, nil when there is none.
func (f face) firstKey(list []client.Key) *string {
	for _, k := range list {
		if pub, err := f.core.Clients.PublicKey(k); err == nil {
			text := jose.MarshalPublicPEM(pub)
			return &text
		}
	}
	return nil
}

// secretLabel is what the secrets shown again are sealed under.
const secretLabel = "aoc client secret"

func sealedFor(c *client.Client) []byte { return []byte(c.Org + "\x00" + c.ID) }

// secret is the client's secret in the open: the vendor's API shows it again to
// administrators. Clients registered in another way have none that could be.
func (f face) secret(c *client.Client) (*string, error) {
	for _, s := range c.Secrets {
		if len(s.Sealed) == 0 {
			continue
		}
		plain, err := f.core.Vault.Unseal(secretLabel, s.Sealed, sealedFor(c))
		if err != nil {
			return nil, fmt.Errorf("aoc: secret of client %s: %w", c.ID, err)
		}
		text := string(plain)
		return &text, nil
	}
	return nil, nil
}

// ours finds a client of the caller's organization and of this dialect.
func (f face) ours(c caller, id string) (*client.Client, error) {
	found, ok := f.core.Clients.Client(c.org.ID, id)
	if !ok || found.Dialect != Name {
		return nil, oauth.Refuse(oauth.NotFound, "client not found")
	}
	return found, nil
}

func (f face) listClients(r *dialect.Request) (dialect.Reply, error) {
	c, err := f.manager(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	q, err := r.Query()
	if err != nil {
		return dialect.Reply{}, err
	}
	p, err := paging(q)
	if err != nil {
		return dialect.Reply{}, err
	}
	all := f.core.Clients.Clients(c.org.ID)
	all = slices.DeleteFunc(all, func(x *client.Client) bool {
		return x.Dialect != Name || !strings.Contains(strings.ToLower(x.Name), p.query)
	})
	slices.SortFunc(all, func(a, b *client.Client) int {
		return cmp.Or(cmp.Compare(a.Created, b.Created), cmp.Compare(a.ID, b.ID))
	})
	var out []clientObject
	for _, x := range cut(p, all) {
		out = append(out, f.describe(c.org, x))
	}
	return listing(out, len(all)), nil
}

// showClient shows the secret, so it leaves a record.
func (f face) showClient(r *dialect.Request) (dialect.Reply, error) {
	c, err := f.manager(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	found, err := f.ours(c, r.Var("id"))
	if err != nil {
		return dialect.Reply{}, err
	}
	v := f.describe(c.org, found)
	if v.Secret, err = f.secret(found); err != nil {
		return dialect.Reply{}, err
	}
	r.Audit().Name("client.show")
	r.Audit().SetObject("client/" + found.ID)
	return dialect.OK(v), nil
}

// Lengths of what is made for a client, in bytes: 96 characters of secret, 10 of id.
const (
	secretBytes = 72
	idBytes     = 8
	idChars     = 10
)

func newID() string {
	b := make([]byte, idBytes)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(b)[:idChars]
}

func (f face) createClient(r *dialect.Request) (dialect.Reply, error) {
	caller, err := f.manager(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	b, err := members(r, clientMembers...)
	if err != nil {
		return dialect.Reply{}, err
	}
	if !b.has("name") || b.null("name") {
		return dialect.Reply{}, oauth.Missing("name")
	}
	c := &client.Client{
		Org: caller.org.ID, ID: newID(), Dialect: Name, Enabled: true, Auth: client.SecretAny,
		Grants: slices.Clone(Profile.Grants),
	}
	set(c, explicitAuthorization, true)
	set(c, creator, number(caller.access.Subject.User))
	if err := edit(c, b); err != nil {
		return dialect.Reply{}, err
	}
	secret, kept := admin.NewLongSecret("", secretBytes, f.core.Now())
	kept.Sealed = f.core.Vault.Seal(secretLabel, []byte(secret.Reveal()), sealedFor(c))
	c.Secrets = []client.Secret{kept}
	if err := f.core.Admin.CreateClient(r.Context(), c); err != nil {
		return dialect.Reply{}, err
	}
	v, text := f.describe(caller.org, c), secret.Reveal()
	v.Secret = &text
	return created(v), nil
}

func (f face) changeClient(r *dialect.Request) (dialect.Reply, error) {
	c, err := f.manager(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	found, err := f.ours(c, r.Var("id"))
	if err != nil {
		return dialect.Reply{}, err
	}
	b, err := members(r, clientMembers...)
	if err != nil {
		return dialect.Reply{}, err
	}
	_, err = f.core.Admin.ChangeClient(r.Context(), c.org.ID, found.ID, "client.change", func(x *client.Client) error { return edit(x, b) })
	return empty(), err
}

func (f face) deleteClient(r *dialect.Request) (dialect.Reply, error) {
	c, err := f.manager(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	found, err := f.ours(c, r.Var("id"))
	if err != nil {
		return dialect.Reply{}, err
	}
	return empty(), f.core.Admin.DeleteClient(r.Context(), c.org.ID, found.ID)
}

// clientMembers are what a caller may set.
var clientMembers = []string{
	"name", "redirect_uris", originList, explicitAuthorization, "jwt_grant_enabled", listedOnly, "public_key", adminNodeTokens,
}

const maxClientName = 255 // characters

// edit brings the members that were sent into the client.
func edit(c *client.Client, b body) (err error) {
	if b.has("name") {
		if c.Name, err = b.line("name", maxClientName); err != nil {
			return err
		}
	}
	if b.has("redirect_uris") {
		if c.RedirectURIs, err = addresses(b, "redirect_uris", isRedirect); err != nil {
			return err
		}
	}
	if b.has(originList) {
		list, err := addresses(b, originList, isOrigin)
		if err != nil {
			return err
		}
		set(c, originList, list)
	}
	for _, name := range []string{explicitAuthorization, listedOnly, adminNodeTokens} {
		if b.has(name) {
			on, err := b.flag(name)
			if err != nil {
				return err
			}
			set(c, name, on)
		}
	}
	if err := editJWT(c, b); err != nil {
		return err
	}
	if b.has("public_key") {
		c.Keys, err = publicKey(b)
	}
	return err
}

func editJWT(c *client.Client, b body) error {
	if !b.has("jwt_grant_enabled") {
		return nil
	}
	on, err := b.flag("jwt_grant_enabled")
	if err != nil {
		return err
	}
	grants := c.Grants
	if len(grants) == 0 {
		grants = Profile.Grants
	}
	grants = slices.DeleteFunc(slices.Clone(grants), func(g oauth.GrantType) bool { return g == oauth.GrantJWTBearer })
	if on {
		grants = append(grants, oauth.GrantJWTBearer)
	}
	c.Grants = grants
	return nil
}

func set(c *client.Client, name string, value any) {
	raw, err := json.Marshal(value)
	if err != nil { // texts, lists of texts and booleans always marshal
		return
	}
	if c.Settings == nil {
		c.Settings = map[string]json.RawMessage{}
	}
	c.Settings[name] = raw
}

// maxAddresses is how many addresses of a kind a client may have.
const maxAddresses = 100

func addresses(b body, name string, ok func(*url.URL) bool) ([]string, error) {
	list, err := b.list(name)
	if err != nil {
		return nil, err
	}
	if len(list) > maxAddresses {
		return nil, invalid(name, "has too many entries")
	}
	for _, text := range list {
		u, err := url.Parse(text)
		if err != nil || u.User != nil || strings.ContainsAny(text, "#*\\ ") || !ok(u) {
			return nil, invalid(name, "has an entry that cannot be used")
		}
	}
	return list, nil
}

// isRedirect: https, http on the own machine, or a scheme of the application's own,
// which has a dot (RFC 8252 §7).
func isRedirect(u *url.URL) bool {
	switch u.Scheme {
	case "https":
		return u.Host != ""
	case "http":
		return isLoopback(u.Hostname())
	}
	return strings.Contains(u.Scheme, ".")
}

// isOrigin: scheme and host, nothing behind (RFC 6454 §6.2).
func isOrigin(u *url.URL) bool {
	return u.Path == "" && u.RawQuery == "" && !u.ForceQuery && u.Host != "" &&
		(u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname()))
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Bits of an RSA key the vendor takes.
const (
	minKeyBits = 2048
	maxKeyBits = 4096
)

// publicKey reads the one key a user or client may have; null or "" removes it.
func publicKey(b body) ([]client.Key, error) {
	if b.null("public_key") {
		return nil, nil
	}
	text, err := b.text("public_key")
	if err != nil || text == "" {
		return nil, err
	}
	pub, err := jose.ParsePublic(text)
	if err != nil {
		return nil, &oauth.Error{Code: oauth.InvalidValue, Param: "public_key", Description: err.Error()}
	}
	key, ok := pub.(*rsa.PublicKey)
	if !ok || key.N.BitLen() < minKeyBits || key.N.BitLen() > maxKeyBits {
		return nil, invalid("public_key", "must be an RSA key of 2048 to 4096 bits in PEM")
	}
	return []client.Key{{PEM: jose.MarshalPublicPEM(pub)}}, nil
}
