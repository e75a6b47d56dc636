package config

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"

	"jeton/internal/client"
	"jeton/internal/identity"
)

// Export writes a world as one configuration file: sorted, defaults left out,
// secrets as hashes. Parsing and resolving the result gives the world again, but
// for what a file does not say: numbers and times the server gives, Source, a
// secret kept sealed, World.Plain. A client secret without a hash is an error.
func Export(w World) ([]byte, error) {
	x := exporter{w: w, orgs: map[string]client.Org{}}
	for _, o := range w.Orgs {
		x.orgs[o.ID] = o
	}
	f, err := x.file()
	if err != nil {
		return nil, fmt.Errorf("config: export: %w", err)
	}
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(nodeOf(f)); err != nil {
		return nil, fmt.Errorf("config: export: %w", err)
	}
	if err := enc.Close(); err != nil {
		return nil, fmt.Errorf("config: export: %w", err)
	}
	return b.Bytes(), nil
}

type exporter struct {
	w    World
	orgs map[string]client.Org
}

// file is the document that Resolve turns into the world.
func (x exporter) file() (*File, error) {
	f := &File{Version: Version}
	for _, o := range sorted(x.w.Orgs, func(a, b client.Org) int { return cmp.Compare(a.ID, b.ID) }) {
		org, err := x.organization(o)
		if err != nil {
			return nil, err
		}
		f.Organizations = append(f.Organizations, org)
	}
	for _, u := range sorted(x.w.Users, byUser) {
		user, err := x.user(u)
		if err != nil {
			return nil, err
		}
		f.Users = append(f.Users, user)
	}
	for _, c := range sorted(x.w.Clients, byClient) {
		client, err := x.client(c)
		if err != nil {
			return nil, err
		}
		f.Clients = append(f.Clients, client)
	}
	for _, d := range sorted(x.w.Docs, byDoc) {
		body, err := mapping(d.Body)
		if err != nil {
			return nil, fmt.Errorf("%s %s %s: %w", d.Dialect, d.Kind, d.ID, err)
		}
		f.Objects = append(f.Objects, Object{x.organizationOf(d.Org), d.Dialect, d.Kind, d.ID, body})
	}
	return f, nil
}

func sorted[T any](in []T, by func(a, b T) int) []T {
	out := slices.Clone(in)
	slices.SortStableFunc(out, by)
	return out
}

func byUser(a, b identity.User) int {
	return cmp.Or(cmp.Compare(a.Org, b.Org), cmp.Compare(a.Realm, b.Realm), cmp.Compare(a.Name, b.Name))
}

func byClient(a, b client.Client) int {
	return cmp.Or(cmp.Compare(a.Org, b.Org), cmp.Compare(a.ID, b.ID))
}

func byDoc(a, b Doc) int {
	return cmp.Or(cmp.Compare(a.Org, b.Org), cmp.Compare(a.Dialect, b.Dialect), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID))
}

func (x exporter) organization(o client.Org) (Organization, error) {
	out := Organization{
		ID: o.ID, Name: unless(o.Name, o.ID), Number: o.Number, Default: o.Default,
		Hosts: list(o.Hosts), Prefixes: list(o.Prefixes), Dialects: o.Dialects,
		Brand: brandOf(o.Brand), Session: SessionLife{lengthOf(o.Session.Idle), lengthOf(o.Session.Life)}, Scopes: dictionary(o.Scopes),
	}
	for _, p := range o.Providers {
		out.SAML = append(out.SAML, providerOf(p))
	}
	for _, r := range o.Realms {
		out.Realms = append(out.Realms, Realm(r))
	}
	for dialect, s := range o.Settings {
		m, err := settingsOf(s)
		if err != nil {
			return out, fmt.Errorf("organization %s, settings of %s: %w", o.ID, dialect, err)
		}
		if out.Settings == nil {
			out.Settings = map[string]map[string]any{}
		}
		out.Settings[dialect] = m
	}
	return out, nil
}

func brandOf(b client.Brand) Brand {
	out := Brand{Name: b.Name, Accent: b.Accent, Help: b.Help, Terms: b.Terms}
	if b.Logo != "" {
		out.Logo = &Logo{Base64: b.Logo}
	}
	return out
}

func providerOf(p client.Provider) Provider {
	out := Provider{
		Name: p.Name, Title: p.Title, Number: p.Number, EntityID: p.EntityID, SSO: p.SSO, SSOBinding: unless(p.SSOBinding, bindingRedirect),
		Enabled: unlessTrue(!p.Disabled), Realm: p.Realm, Create: p.Create, Attributes: dictionary(p.Attributes), Groups: dictionary(p.Groups),
	}
	for _, text := range p.Certificates {
		out.Certificates = append(out.Certificates, Certificate{PEM: text})
	}
	return out
}

// lengthOf leaves a length of time out that is the default.
func lengthOf(seconds int64) *Seconds {
	if seconds == 0 {
		return nil
	}
	return (*Seconds)(&seconds)
}

// dictionary is nil for an empty one, so that a world has one form.
func dictionary(in map[string]string) map[string]string {
	if len(in) == 0 {
		return nil
	}
	return in
}

// organizationOf is what an entry of org says: nothing when the same file marks
// org as the default one. Elsewhere another server's default could be meant.
func (x exporter) organizationOf(org string) string {
	if x.orgs[org].Default {
		return ""
	}
	return org
}

func (x exporter) realmOf(org, realm string) string {
	o := x.orgs[org]
	if len(o.Realms) > 0 && o.DefaultRealm() == realm {
		return ""
	}
	return realm
}

func (x exporter) user(u identity.User) (User, error) {
	out := User{
		Name: u.Name, Organization: x.organizationOf(u.Org), Realm: x.realmOf(u.Org, u.Realm),
		Email: u.Email, GivenName: u.GivenName, FamilyName: u.FamilyName, DisplayName: u.DisplayName,
		Groups: list(u.Groups), Roles: list(u.Roles), Admin: u.Admin, Enabled: unlessTrue(u.Enabled),
		Expires: Time(u.Expires), Keys: keysOf(u.Keys),
	}
	out.PasswordDue = u.PasswordDue
	if u.Password != "" {
		out.Password = &Password{Hash: u.Password}
	}
	if len(u.Attr) == 0 {
		return out, nil
	}
	raw, err := json.Marshal(u.Attr)
	if err == nil {
		out.Attributes, err = mapping(raw)
	}
	if err != nil {
		return out, fmt.Errorf("user %s, attributes: %w", u.Name, err)
	}
	return out, nil
}

func (x exporter) client(c client.Client) (Client, error) {
	out := Client{
		ID: c.ID, Organization: x.organizationOf(c.Org), Dialect: c.Dialect, Name: unless(c.Name, c.ID),
		Enabled: unlessTrue(c.Enabled), Auth: unless(string(c.Auth), string(defaultAuth(c.Dialect))),
		Keys: keysOf(c.Keys), Scopes: list(c.Scopes), DefaultScope: list(c.DefaultScope),
		Audiences: list(c.Audiences), RedirectURIs: list(c.RedirectURIs), Introspect: c.Introspect, Resource: c.Resource,
		AccessToken:  AccessToken{string(c.AccessFormat), c.AccessAlg, (*Seconds)(c.AccessLife)},
		IDToken:      IDToken{c.IDTokenAlg, (*Seconds)(c.IDTokenLife)},
		RefreshToken: RefreshToken{(*Seconds)(c.RefreshLife)},
		Realm:        c.Realm, Users: x.listed(c),
		PKCE: unless(c.PKCE, pkceRequired), Consent: unless(c.Consent, client.ConsentOnce), Own: c.Own, Reviewed: Time(c.ReviewedAt),
		HomeURI: c.HomeURI, PolicyURI: c.PolicyURI, TermsURI: c.TermsURI, InitiateURI: c.InitiateURI,
		PostLogoutURIs: list(c.PostLogoutURIs), BackchannelURI: c.BackchannelURI, BackchannelSID: c.BackchannelSID,
		DefaultMaxAge: (*Age)(c.DefaultMaxAge), UserinfoAlg: c.UserinfoAlg,
	}
	for _, claim := range c.Claims {
		out.Claims = append(out.Claims, Claim{claim.Name, claim.From, claim.Scope, list(claim.In)})
	}
	for _, g := range c.Grants {
		out.Grants = append(out.Grants, shortGrant(string(g)))
	}
	for _, s := range c.Secrets {
		if s.Hash == "" {
			return out, fmt.Errorf("client %s: %w", c.ID, errNoHash)
		}
		out.Secrets = append(out.Secrets, Secret{Password{Hash: s.Hash}, s.Hint, Time(s.Ends)})
	}
	var err error
	if out.Settings, err = settingsOf(c.Settings); err != nil {
		return out, fmt.Errorf("client %s, settings: %w", c.ID, err)
	}
	return out, nil
}

var errNoHash = errors.New("a secret has no hash yet")

// listed is nil for a client that may speak for all users.
func (x exporter) listed(c client.Client) []string {
	for _, l := range x.w.Listed {
		if l.Org == c.Org && l.Client == c.ID {
			return append([]string{}, l.Users...)
		}
	}
	return nil
}

func keysOf(in []client.Key) []Key {
	var out []Key
	for _, k := range in {
		out = append(out, Key{PEM: k.PEM, ID: k.ID})
	}
	return out
}

func settingsOf(in map[string]json.RawMessage) (map[string]any, error) {
	if len(in) == 0 {
		return nil, nil
	}
	out := make(map[string]any, len(in))
	for name, raw := range in {
		v, err := freeOf(raw)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out[name] = v
	}
	return out, nil
}

var errNotObject = errors.New("not a JSON object")

func mapping(raw json.RawMessage) (map[string]any, error) {
	v, err := freeOf(raw)
	if err != nil {
		return nil, err
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, errNotObject
	}
	return m, nil
}

// freeOf reads JSON into the same values Parse makes of free YAML.
func freeOf(raw json.RawMessage) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, fmt.Errorf("read JSON: %w", err)
	}
	return plainNumbers(v)
}

func plainNumbers(v any) (any, error) {
	var err error
	switch v := v.(type) {
	case json.Number:
		n, ok := readNumber(v.String())
		if !ok {
			return nil, fmt.Errorf("number %s is out of range", v)
		}
		return n, nil
	case []any:
		for i := range v {
			if v[i], err = plainNumbers(v[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for k := range v {
			if v[k], err = plainNumbers(v[k]); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

// unless leaves a value out that is the default.
func unless(v, def string) string {
	if v == def {
		return ""
	}
	return v
}

func unlessTrue(v bool) *bool {
	if v {
		return nil
	}
	return &v
}
