package adminapi

import (
	"encoding/json"
	"slices"
	"strings"

	"jeton/internal/client"
	"jeton/internal/config"
	"jeton/internal/dialect"
	"jeton/internal/oauth"
)

// Organization is one organization as it is read.
type Organization struct {
	ID       string                                `json:"id"`
	Name     string                                `json:"name"`
	Number   int64                                 `json:"number"`
	Default  bool                                  `json:"default,omitempty"`
	Hosts    []string                              `json:"hosts,omitempty"`
	Prefixes []string                              `json:"prefixes,omitempty"`
	Dialects []string                              `json:"dialects,omitempty"` // absent: all
	Realms   []Realm                               `json:"realms"`
	Settings map[string]map[string]json.RawMessage `json:"settings,omitempty"`
	Brand    *Brand                                `json:"brand,omitempty"`
	Session  *SessionLife                          `json:"session,omitempty"`
	Scopes   map[string]string                     `json:"scopes,omitempty"`
	SAML     []Provider                            `json:"saml,omitempty"`
}

// Brand is how an organization looks; its logo is in an export only.
type Brand struct {
	Name   string `json:"name,omitempty"`
	Logo   bool   `json:"logo,omitempty"` // whether there is one
	Accent string `json:"accent,omitempty"`
	Help   string `json:"help,omitempty"`
	Terms  string `json:"terms,omitempty"`
}

// SessionLife is how long browser sessions live, in seconds; absent = the server's
// own.
type SessionLife struct {
	Idle int64 `json:"idle,omitempty"`
	Life int64 `json:"life,omitempty"`
}

// Provider is a SAML identity provider.
type Provider struct {
	Name         string            `json:"name"`
	Title        string            `json:"title,omitempty"`
	Number       int64             `json:"number"`
	EntityID     string            `json:"entity_id"`
	Certificates []string          `json:"certificates"` // PEM
	SSO          string            `json:"sso"`
	SSOBinding   string            `json:"sso_binding,omitempty"` // absent: redirect
	Enabled      bool              `json:"enabled"`
	Realm        string            `json:"realm,omitempty"`
	Create       bool              `json:"create,omitempty"`
	Attributes   map[string]string `json:"attributes,omitempty"`
	Groups       map[string]string `json:"groups,omitempty"`
}

// Realm is one set of users that share names.
type Realm struct {
	Name         string `json:"name"`
	Title        string `json:"title,omitempty"`
	Organization string `json:"organization,omitempty"`
	Default      bool   `json:"default,omitempty"`
	Users        *int64 `json:"users,omitempty"` // how many, where that was counted
}

func viewOrg(o *client.Org) Organization {
	v := Organization{
		ID: o.ID, Name: o.Name, Number: o.Number, Default: o.Default, Hosts: o.Hosts, Prefixes: o.Prefixes,
		Dialects: o.Dialects, Realms: []Realm{}, Settings: o.Settings, Scopes: o.Scopes,
	}
	for _, r := range o.Realms {
		v.Realms = append(v.Realms, Realm{Name: r.Name, Title: r.Title, Default: r.Default})
	}
	if b := o.Brand; b != (client.Brand{}) {
		v.Brand = &Brand{b.Name, b.Logo != "", b.Accent, b.Help, b.Terms}
	}
	if o.Session != (client.SessionLife{}) {
		v.Session = &SessionLife{o.Session.Idle, o.Session.Life}
	}
	for _, p := range o.Providers {
		v.SAML = append(v.SAML, viewProvider(p))
	}
	return v
}

func viewProvider(p client.Provider) Provider {
	return Provider{
		Name: p.Name, Title: p.Title, Number: p.Number, EntityID: p.EntityID, Certificates: p.Certificates, SSO: p.SSO, SSOBinding: p.SSOBinding,
		Enabled: !p.Disabled, Realm: p.Realm, Create: p.Create, Attributes: p.Attributes, Groups: p.Groups,
	}
}

func (a *api) listOrgs(r *dialect.Request) (dialect.Reply, error) {
	p, err := readPage(r, "organization")
	if err != nil {
		return dialect.Reply{}, err
	}
	var all []Organization
	for _, o := range a.orgs() {
		all = append(all, viewOrg(o))
	}
	items, more, last := cut(all, p, func(o Organization) string { return o.ID })
	return reply(r, "organization", items, int64(len(all)), more, last), nil
}

// orgs lists every organization by id.
func (a *api) orgs() []*client.Org {
	list := a.core.Clients.Orgs()
	slices.SortFunc(list, func(x, y *client.Org) int { return strings.Compare(x.ID, y.ID) })
	return list
}

// createOrg registers an organization in the form configuration files have.
func (a *api) createOrg(r *dialect.Request) (dialect.Reply, error) {
	o, err := object(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	if err := only(o, map[string]string{"number": "the server gives it", "default": "the first organization is the default one"}); err != nil {
		return dialect.Reply{}, err
	}
	w, err := a.load("organizations", o)
	if err != nil {
		return dialect.Reply{}, err
	}
	org := w.Orgs[0]
	org.Number = 1
	for _, have := range a.core.Clients.Orgs() {
		org.Number = max(org.Number, have.Number+1)
	}
	if org.Realms == nil {
		org.Realms = []client.Realm{{Name: org.DefaultRealm(), Default: true}}
	}
	if err := a.free(w); err != nil {
		return dialect.Reply{}, err
	}
	if err := a.core.Admin.PutOrg(r.Context(), &org); err != nil {
		return dialect.Reply{}, err
	}
	return created(r, org.ID, viewOrg(&org)), nil
}

// free refuses host names and path prefixes that lead to another organization
// already: requests would change their owner.
func (a *api) free(w *config.World) error {
	for _, org := range w.Orgs {
		for _, have := range a.core.Clients.Orgs() {
			if have.ID == org.ID {
				continue
			}
			for i, h := range org.Hosts {
				if slices.Contains(have.Hosts, h) {
					return refuse(oauth.Conflict, pointer("hosts["+itoa(i)+"]"), "host name "+h+" belongs to another organization")
				}
			}
			for i, p := range org.Prefixes {
				if slices.Contains(have.Prefixes, p) {
					return refuse(oauth.Conflict, pointer("prefixes["+itoa(i)+"]"), "path prefix "+p+" belongs to another organization")
				}
			}
		}
	}
	return nil
}

func (a *api) listRealms(r *dialect.Request) (dialect.Reply, error) {
	p, err := readPage(r, "realm")
	if err != nil {
		return dialect.Reply{}, err
	}
	realms := slices.Clone(r.Org.Realms)
	slices.SortFunc(realms, func(x, y client.Realm) int { return strings.Compare(x.Name, y.Name) })
	page, more, last := cut(realms, p, func(x client.Realm) string { return x.Name })
	items := []Realm{}
	for _, x := range page {
		n, err := a.core.Admin.CountUsers(r.Context(), r.Org.ID, userFilter(x.Name))
		if err != nil {
			return dialect.Reply{}, err
		}
		items = append(items, Realm{Name: x.Name, Title: x.Title, Organization: r.Org.ID, Default: x.Default, Users: &n})
	}
	return reply(r, "realm", items, int64(len(realms)), more, last), nil
}

// createRealm: the body is {"name": …, "title": …, "default": false}.
func (a *api) createRealm(r *dialect.Request) (dialect.Reply, error) {
	var in struct {
		Name    string `json:"name"`
		Title   string `json:"title"`
		Default bool   `json:"default"`
	}
	if err := read(r, &in); err != nil {
		return dialect.Reply{}, err
	}
	// The rules for a realm's name are those of configuration files.
	realm := map[string]any{"name": in.Name, "title": in.Title, "default": true}
	if _, err := a.load("organizations", map[string]any{"id": r.Org.ID, "realms": []any{realm}}); err != nil {
		return dialect.Reply{}, underRealm(err)
	}
	if err := a.core.Admin.CreateRealm(r.Context(), r.Org.ID, client.Realm{Name: in.Name, Title: in.Title, Default: in.Default}); err != nil {
		return dialect.Reply{}, err
	}
	return created(r, in.Name, Realm{Name: in.Name, Title: in.Title, Organization: r.Org.ID, Default: in.Default}), nil
}

// underRealm points at the member of the request instead of that of the document
// it was checked in.
func underRealm(err error) error {
	e := oauth.AsRefusal(err)
	if e.Code != oauth.InvalidValue {
		return err
	}
	return refuse(e.Code, "/name", e.Description)
}

func (a *api) deleteRealm(r *dialect.Request) (dialect.Reply, error) {
	return done(), a.core.Admin.DeleteRealm(r.Context(), r.Org.ID, r.Var("name"))
}
