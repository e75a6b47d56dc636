package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"jeton/internal/client"
	"jeton/internal/identity"
	"jeton/internal/oauth"
)

// Load reads, checks and resolves one document. The world is nil when there is
// any problem; problems are in the order of the file. While Parse has problems
// they are all there is: of a file half read, checks would report consequences.
func Load(name string, text []byte, o Options) (*World, []Problem) {
	f, problems := Parse(name, text)
	if len(problems) > 0 {
		return nil, problems
	}
	w, unresolved := Resolve(f, o)
	if problems = tidy(append(Lint(f, o), unresolved...)); len(problems) > 0 {
		return nil, problems
	}
	return w, nil
}

// Resolve follows a file's references: it reads the key and secret files and the
// variables it names, fills in defaults and gives the world it describes. What
// cannot be resolved is a problem; with problems the world is incomplete and must
// not be applied. Resolve does not repeat the checks of Lint.
func Resolve(f *File, o Options) (*World, []Problem) {
	r := &resolver{notes: notes{f: f}, o: o, orgs: organizations(f, o), w: &World{}}
	for i, x := range f.Organizations {
		r.organization(x, fmt.Sprintf("organizations[%d]", i))
	}
	for i, x := range f.Users {
		r.user(x, fmt.Sprintf("users[%d]", i))
	}
	for i, x := range f.Clients {
		r.client(x, fmt.Sprintf("clients[%d]", i))
	}
	for i, x := range f.Objects {
		r.object(x, fmt.Sprintf("objects[%d]", i))
	}
	return r.w, tidy(r.problems)
}

type resolver struct {
	notes
	o    Options
	orgs orgs
	w    *World
}

func (r *resolver) organization(x Organization, path string) {
	org := r.plainOrganization(x, path)
	org.Brand = client.Brand{Name: x.Brand.Name, Accent: x.Brand.Accent, Help: x.Brand.Help, Terms: x.Brand.Terms}
	if x.Brand.Logo != nil {
		org.Brand.Logo = r.logo(*x.Brand.Logo, path+".brand.logo")
	}
	org.Session = client.SessionLife{Idle: given(x.Session.Idle), Life: given(x.Session.Life)}
	org.Scopes = dictionary(x.Scopes)
	org.Providers = r.providers(x.SAML, path)
	r.w.Orgs = append(r.w.Orgs, org)
}

func given(s *Seconds) int64 {
	if s == nil {
		return 0
	}
	return int64(*s)
}

// plainOrganization is what an organization says without pointing to files.
func (r *resolver) plainOrganization(x Organization, path string) client.Org {
	org := client.Org{
		ID: x.ID, Name: or(x.Name, x.ID), Number: x.Number, Default: x.Default,
		Hosts: list(x.Hosts), Prefixes: list(x.Prefixes), Dialects: list(x.Dialects),
		Realms: realms(x.Realms),
	}
	for _, dialect := range sortedKeys(x.Settings) {
		known := r.o.Dialects[dialect].Organization
		if s := r.settings(x.Settings[dialect], known, join(path, "settings."+dialect)); s != nil {
			if org.Settings == nil {
				org.Settings = map[string]map[string]json.RawMessage{}
			}
			org.Settings[dialect] = s
		}
	}
	return org
}

// settings brings values into the form dialects read: a duration in seconds.
func (r *resolver) settings(in map[string]any, known map[string]Setting, path string) map[string]json.RawMessage {
	if len(in) == 0 {
		return nil
	}
	out := make(map[string]json.RawMessage, len(in))
	for name, v := range in {
		v, _ = known[name].read(v)
		out[name] = r.json(v, join(path, name))
	}
	return out
}

// json writes a free value; whatever Parse accepts has a JSON form.
func (r *resolver) json(v any, path string) json.RawMessage {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		r.add(path, last(path)+" has no JSON form", "use text, numbers, true, false, lists and mappings")
		return nil
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

func (r *resolver) user(x User, path string) {
	org := r.orgs.name(x.Organization)
	u := identity.User{
		Org: org, Realm: r.orgs.realm(org, x.Realm), Name: x.Name, Email: x.Email,
		GivenName: x.GivenName, FamilyName: x.FamilyName, DisplayName: x.DisplayName,
		Groups: list(x.Groups), Roles: list(x.Roles), Admin: x.Admin,
		Enabled: x.Enabled == nil || *x.Enabled, Expires: int64(x.Expires),
		Keys: r.keys(x.Keys, path), Source: r.f.source(path), PasswordDue: x.PasswordDue,
	}
	if len(x.Attributes) > 0 {
		u.Attr = x.Attributes
	}
	if x.Password != nil {
		key := SecretKey{Kind: UserSecret, Org: org, Realm: u.Realm, Name: u.Name}
		u.Password, _ = r.secret(*x.Password, key, path+".password")
	}
	r.w.Users = append(r.w.Users, u)
}

func (r *resolver) client(x Client, path string) {
	org := r.orgs.name(x.Organization)
	c := client.Client{
		Org: org, ID: x.ID, Name: or(x.Name, x.ID), Dialect: x.Dialect,
		Enabled: x.Enabled == nil || *x.Enabled,
		Auth:    or(client.Method(x.Auth), defaultAuth(x.Dialect)),
		Keys:    r.keys(x.Keys, path), Scopes: list(x.Scopes), DefaultScope: list(x.DefaultScope),
		Audiences: list(x.Audiences), RedirectURIs: list(x.RedirectURIs),
		Introspect: x.Introspect, Resource: x.Resource,
		AccessFormat: client.Format(x.AccessToken.Format), AccessAlg: x.AccessToken.Alg, IDTokenAlg: x.IDToken.Alg,
		AccessLife: (*int64)(x.AccessToken.Life), RefreshLife: (*int64)(x.RefreshToken.Life), IDTokenLife: (*int64)(x.IDToken.Life),
		PKCE: unless(x.PKCE, pkceRequired), Consent: unless(x.Consent, client.ConsentOnce), Own: x.Own, ReviewedAt: int64(x.Reviewed),
		HomeURI: x.HomeURI, PolicyURI: x.PolicyURI, TermsURI: x.TermsURI, InitiateURI: x.InitiateURI,
		PostLogoutURIs: list(x.PostLogoutURIs), BackchannelURI: x.BackchannelURI, BackchannelSID: x.BackchannelSID,
		DefaultMaxAge: (*int64)(x.DefaultMaxAge), UserinfoAlg: x.UserinfoAlg,
		Realm: x.Realm, Settings: r.settings(x.Settings, r.o.Dialects[x.Dialect].Client, path+".settings"), Source: r.f.source(path),
	}
	for _, g := range x.Grants {
		c.Grants = append(c.Grants, longGrant(g))
	}
	for _, claim := range x.Claims {
		c.Claims = append(c.Claims, client.Claim{Name: claim.Name, From: claim.From, Scope: claim.Scope, In: list(claim.In)})
	}
	for i, s := range x.Secrets {
		key := SecretKey{Kind: ClientSecret, Org: org, Name: x.ID, Index: i}
		hash, hint := r.secret(s.Password, key, fmt.Sprintf("%s.secrets[%d]", path, i))
		c.Secrets = append(c.Secrets, client.Secret{Hash: hash, Hint: or(s.Hint, hint), Ends: int64(s.Ends)})
	}
	if x.Users != nil {
		r.w.Listed = append(r.w.Listed, Listing{org, x.ID, r.orgs.realm(org, x.Realm), list(x.Users)})
	}
	r.w.Clients = append(r.w.Clients, c)
}

func (r *resolver) object(x Object, path string) {
	body := x.Body
	if body == nil {
		body = map[string]any{}
	}
	r.w.Docs = append(r.w.Docs, Doc{r.orgs.name(x.Organization), x.Dialect, x.Kind, x.ID, r.json(body, path+".body")})
}

// secret gives the hash of a secret and, for long ones, a hint to know it by.
func (r *resolver) secret(p Password, key SecretKey, path string) (hash, hint string) {
	if !r.exactlyOne(path, p) {
		return "", ""
	}
	if p.Hash != "" {
		return p.Hash, ""
	}
	plain, ok := r.plain(p, path)
	if !ok {
		return "", ""
	}
	if r.w.Plain == nil {
		r.w.Plain = map[SecretKey]oauth.Secret{}
	}
	r.w.Plain[key] = plain
	if r.o.HashSecret == nil {
		return "", hintOf(plain)
	}
	hash, err := r.o.HashSecret(key.Kind, plain)
	if err != nil {
		r.add(path, "the secret could not be hashed: "+err.Error(), "choose another one")
	}
	return hash, hintOf(plain)
}

// hintOf is the last four characters of a secret so long that four do not matter.
func hintOf(s oauth.Secret) string {
	if len(s) < 32 {
		return ""
	}
	return strings.ToValidUTF8(s.Reveal()[len(s)-4:], "?")
}

const secretNext = "use one of {file: NAME}, {env: NAME}, {hash: \"$…\"}"

func (r *resolver) exactlyOne(path string, p Password) bool {
	n := 0
	for _, s := range []string{p.File, p.Env, p.Hash, p.Plain} {
		if s != "" {
			n++
		}
	}
	if n != 1 {
		r.add(path, "exactly one source is needed for a secret", secretNext)
	}
	return n == 1
}

// plain reads a secret that is given as a value.
func (r *resolver) plain(p Password, path string) (oauth.Secret, bool) {
	text := p.Plain
	switch {
	case p.Plain != "" && !r.o.AllowPlain:
		r.add(path+".plain", "a secret in the file itself is readable to all who read the file", secretNext)
		return "", false
	case p.Env != "":
		if text = r.o.getenv(p.Env); text == "" {
			r.add(path+".env", "environment variable "+p.Env+" is not set", "set it, or use {file: NAME}")
			return "", false
		}
	case p.File != "":
		b, ok := r.file(p.File, path+".file")
		if !ok {
			return "", false
		}
		text = strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	}
	if text == "" || len(text) > maxSecret {
		r.add(path, fmt.Sprintf("a secret has 1 to %d bytes", maxSecret), "choose another one")
		return "", false
	}
	return oauth.Secret(text), true
}

const (
	maxSecret = 1024
	maxFile   = 64 << 10 // of a secret, key or image
	// maxMetadata is far more than metadata of one provider needs.
	maxMetadata = 1 << 20
)

// file reads a file the document names, relative to the document's own folder.
func (r *resolver) file(name, path string) ([]byte, bool) {
	return r.fileUpTo(name, path, maxFile)
}

func (r *resolver) fileUpTo(name, path string, limit int) ([]byte, bool) {
	if !filepath.IsAbs(name) {
		name = filepath.Join(r.o.Dir, name)
	}
	b, err := r.o.readFile(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r.add(path, "there is no file "+name, "create it; names are relative to the folder of this file")
	case errors.Is(err, fs.ErrPermission):
		r.add(path, "file "+name+" may not be read", "give the user that runs this command the right to read it")
	case err != nil:
		r.add(path, "file "+name+" could not be read: "+err.Error(), "see that it is a readable file")
	case len(b) > limit:
		r.add(path, fmt.Sprintf("file %s is larger than %d KiB", name, limit>>10), "name a file that holds one key, secret, image or provider")
	default:
		return b, true
	}
	return nil, false
}

func (r *resolver) keys(in []Key, path string) []client.Key {
	var out []client.Key
	for i, k := range in {
		at := fmt.Sprintf("%s.keys[%d]", path, i)
		if text, id, ok := r.key(k, at); ok {
			out = append(out, client.Key{ID: id, PEM: text})
		}
	}
	return out
}

// key gives a key's text and id, checked.
func (r *resolver) key(k Key, path string) (text, id string, ok bool) {
	text, id = k.PEM, k.ID
	switch sourcesOf(k) {
	case "file":
		b, ok := r.file(k.File, path+".file")
		if !ok {
			return "", "", false
		}
		text, path = string(b), path+".file"
	case "jwk":
		var err error
		if text, id, err = pemOf(k); err != nil {
			r.add(path+".jwk", "not a key that can be registered: "+err.Error(), keyNext)
			return "", "", false
		}
		path += ".jwk"
	case "pem":
		path += ".pem"
	default:
		r.add(path, "exactly one of file, pem and jwk is needed for a key", keyNext)
		return "", "", false
	}
	if r.o.CheckKey != nil {
		if err := r.o.CheckKey(text); err != nil {
			r.add(path, "not a key that can be registered: "+err.Error(), keyNext)
			return "", "", false
		}
	}
	return text, id, true
}

// list is nil for an empty list, so that a world has one form.
func list(in []string) []string {
	if len(in) == 0 {
		return nil
	}
	return in
}

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}
