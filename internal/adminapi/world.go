package adminapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"jeton/internal/admin"
	"jeton/internal/client"
	"jeton/internal/config"
	"jeton/internal/dialect"
	"jeton/internal/identity"
	"jeton/internal/oauth"
)

// maxWorld bounds the body of an application in bytes: several times the largest
// configuration file.
const maxWorld = 32 << 20

// World is a resolved configuration on its way to the server. It holds secrets as
// they are: the server compares them with what it keeps before it hashes them.
type World struct {
	Organizations []client.Org    `json:"organizations,omitempty"`
	Clients       []client.Client `json:"clients,omitempty"`
	Users         []identity.User `json:"users,omitempty"`
	Objects       []WorldObject   `json:"objects,omitempty"`
	Listed        []WorldListing  `json:"listed,omitempty"`
	Secrets       []WorldSecret   `json:"secrets,omitempty"`
}

// WorldObject is one object of a dialect's own.
type WorldObject struct {
	Organization string          `json:"organization"`
	Dialect      string          `json:"dialect"`
	Kind         string          `json:"kind"`
	ID           string          `json:"id"`
	Body         json.RawMessage `json:"body"`
}

// WorldListing limits a client to listed users.
type WorldListing struct {
	Organization string   `json:"organization"`
	Client       string   `json:"client"`
	Realm        string   `json:"realm"`
	Users        []string `json:"users"`
}

// WorldSecret is one secret of a user or client.
type WorldSecret struct {
	Kind         config.Kind `json:"kind"`
	Organization string      `json:"organization"`
	Realm        string      `json:"realm,omitempty"`
	Name         string      `json:"name"`
	Index        int         `json:"index,omitempty"`
	Secret       string      `json:"secret"`
}

// Applied says what an application did, or would do.
type Applied struct {
	Dry   bool         `json:"dry"`
	Steps []admin.Step `json:"steps"`
}

// EncodeWorld writes a world as the body of an application.
func EncodeWorld(w *config.World) ([]byte, error) {
	out := World{Organizations: w.Orgs, Clients: w.Clients, Users: w.Users}
	for _, d := range w.Docs {
		out.Objects = append(out.Objects, WorldObject{d.Org, d.Dialect, d.Kind, d.ID, d.Body})
	}
	for _, l := range w.Listed {
		out.Listed = append(out.Listed, WorldListing{l.Org, l.Client, l.Realm, l.Users})
	}
	for k, secret := range w.Plain {
		out.Secrets = append(out.Secrets, WorldSecret{k.Kind, k.Org, k.Realm, k.Name, k.Index, secret.Reveal()})
	}
	b, err := json.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("adminapi: write the configuration: %w", err)
	}
	return b, nil
}

func decodeWorld(b []byte) (*config.World, error) {
	var in World
	if err := into(b, &in); err != nil {
		return nil, err
	}
	w := &config.World{Orgs: in.Organizations, Clients: in.Clients, Users: in.Users}
	for _, d := range in.Objects {
		w.Docs = append(w.Docs, config.Doc{Org: d.Organization, Dialect: d.Dialect, Kind: d.Kind, ID: d.ID, Body: d.Body})
	}
	for _, l := range in.Listed {
		w.Listed = append(w.Listed, config.Listing{Org: l.Organization, Client: l.Client, Realm: l.Realm, Users: l.Users})
	}
	for _, s := range in.Secrets {
		if w.Plain == nil {
			w.Plain = map[config.SecretKey]oauth.Secret{}
		}
		w.Plain[config.SecretKey{Kind: s.Kind, Org: s.Organization, Realm: s.Realm, Name: s.Name, Index: s.Index}] = oauth.Secret(s.Secret)
	}
	return w, nil
}

// applyConfig makes the server what a world says; with dry=true it only says what
// it would do.
func (a *api) applyConfig(r *dialect.Request) (dialect.Reply, error) {
	q, err := r.Query()
	if err != nil {
		return dialect.Reply{}, err
	}
	dry := false
	if text, sent := q.Get("dry"); sent {
		if dry, err = strconv.ParseBool(text); err != nil {
			return dialect.Reply{}, refuse(oauth.InvalidValue, "dry", "dry is true or false")
		}
	}
	b, err := large(r, maxWorld)
	if err != nil {
		return dialect.Reply{}, err
	}
	w, err := decodeWorld(b)
	if err != nil {
		return dialect.Reply{}, err
	}
	if err := a.check(r, w); err != nil {
		return dialect.Reply{}, err
	}
	steps, err := a.core.Admin.Apply(r.Context(), w, dry)
	if err != nil {
		return dialect.Reply{}, err
	}
	if steps == nil {
		steps = []admin.Step{}
	}
	return dialect.Reply{Status: http.StatusOK, Body: Applied{dry, steps}}, nil
}

// pending stands for the hash of a secret that is not hashed yet, so that the
// world can be checked as a document.
const pending = "$pending$"

// check applies the rules of configuration files: whoever sends a world need not
// have read it from a file that was checked.
func (a *api) check(r *dialect.Request, w *config.World) error {
	copied := *w
	copied.Clients = slices.Clone(w.Clients)
	for i := range copied.Clients {
		c := &copied.Clients[i]
		c.Secrets = slices.Clone(c.Secrets)
		for j := range c.Secrets {
			if _, plain := w.Plain[config.SecretKey{Kind: config.ClientSecret, Org: c.Org, Name: c.ID, Index: j}]; plain {
				c.Secrets[j].Hash = pending + "secret"
			}
		}
	}
	text, err := config.Export(copied)
	if err != nil {
		return oauth.Refuse(oauth.InvalidValue, "the configuration is incomplete: a secret has neither value nor hash, or a body is no object").Because(err)
	}
	f, problems := config.Parse("request", text)
	if len(problems) == 0 {
		o := a.options()
		o.KnownUser = a.knownUser(r)
		problems = config.Lint(f, o)
	}
	if len(problems) > 0 {
		return faulty(byName(problems, f))
	}
	return a.free(w)
}

// lineOf is where the checks say a thing was first, in a document nobody sees.
var lineOf = regexp.MustCompile(`, first on line \d+`)

// byName words problems by the names of the objects: the document that was checked
// is sorted, so its positions are not those of the request.
func byName(problems []config.Problem, f *config.File) []Fault {
	for i := range problems {
		problems[i].Text = lineOf.ReplaceAllString(problems[i].Text, "")
	}
	list := faults(problems, "")
	for i, p := range problems {
		section, rest, _ := strings.Cut(p.Path, "[")
		n, _, _ := strings.Cut(rest, "]")
		at, err := strconv.Atoi(n)
		if err != nil {
			continue
		}
		name := ""
		switch {
		case section == "clients" && at < len(f.Clients):
			name = "client " + f.Clients[at].ID
		case section == "users" && at < len(f.Users):
			name = "user " + f.Users[at].Name
		case section == "organizations" && at < len(f.Organizations):
			name = "organization " + f.Organizations[at].ID
		}
		if name != "" {
			list[i] = Fault{"/" + section, name + ": " + list[i].Detail}
		}
	}
	return list
}

// exportConfig writes everything that a configuration file can say, secrets as
// hashes.
func (a *api) exportConfig(r *dialect.Request) (dialect.Reply, error) {
	w, err := a.world(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	text, err := config.Export(*w)
	if err != nil {
		return dialect.Reply{}, err
	}
	return dialect.Reply{Status: http.StatusOK, ContentType: "application/yaml", Body: text}, nil
}

// world reads what there is: of the organization the request names, or of all.
func (a *api) world(r *dialect.Request) (*config.World, error) {
	w := &config.World{}
	for _, o := range a.orgs() {
		if only := named(r); only != "" && only != o.ID {
			continue
		}
		w.Orgs = append(w.Orgs, *o)
		for _, c := range a.sortedClients(o.ID) {
			w.Clients = append(w.Clients, *c)
		}
		users, err := a.allUsers(r, o.ID)
		if err != nil {
			return nil, err
		}
		w.Users = append(w.Users, users...)
		if err := a.addObjects(r, w, o.ID); err != nil {
			return nil, err
		}
		if err := a.addListings(r, w, o, users); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// addObjects adds the dialects' own objects that are configuration.
func (a *api) addObjects(r *dialect.Request, w *config.World, org string) error {
	for _, d := range a.Faces {
		for _, kind := range d.Objects {
			docs, err := a.docs(r, org, d.Name+"/"+kind, "")
			if err != nil {
				return err
			}
			for _, x := range docs {
				w.Docs = append(w.Docs, config.Doc{Org: org, Dialect: d.Name, Kind: kind, ID: x.ID, Body: x.Body})
			}
		}
	}
	return nil
}

// addListings adds the users that are listed for clients, by name: their numbers
// mean nothing to another server.
func (a *api) addListings(r *dialect.Request, w *config.World, o *client.Org, users []identity.User) error {
	byID := make(map[string]*identity.User, len(users))
	for i := range users {
		byID[strconv.FormatInt(users[i].ID, 10)] = &users[i]
	}
	for _, c := range a.sortedClients(o.ID) {
		realm := c.Realm
		if realm == "" {
			realm = o.DefaultRealm()
		}
		prefix := admin.ListedID(c.ID, "user", "")
		docs, err := a.docs(r, o.ID, admin.Listed(c.Dialect), prefix)
		if err != nil {
			return err
		}
		l := config.Listing{Org: o.ID, Client: c.ID, Realm: realm}
		for _, d := range docs {
			if u := byID[strings.TrimPrefix(d.Ref, prefix)]; u != nil && u.Realm == realm {
				l.Users = append(l.Users, u.Name)
			}
		}
		if len(l.Users) > 0 {
			w.Listed = append(w.Listed, l)
		}
	}
	return nil
}

// docs reads all objects of a kind whose second name begins with prefix.
func (a *api) docs(r *dialect.Request, org, kind, prefix string) (all []admin.Doc, err error) {
	after := int64(0)
	for {
		list, err := a.core.Admin.Docs(r.Context(), org, kind, prefix, after, maxLimit)
		if err != nil || len(list) == 0 {
			return all, err
		}
		all = append(all, list...)
		after = list[len(list)-1].Number
	}
}
