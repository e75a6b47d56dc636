package aoc

import (
	"context"
	"encoding/json"
	"strconv"

	"jeton/internal/admin"
	"jeton/internal/audit"
	"jeton/internal/dialect"
	"jeton/internal/oauth"
	"jeton/internal/wire"
)

// entity is whom a client's list names: a user by number, a group by name.
type entity struct{ Type, ID string }

// kept is the body of an authorization as it is stored; the lists of a
// configuration file have it too.
type kept struct {
	Client string `json:"client_id"`
	Entity int64  `json:"entity_id"`
	Type   string `json:"entity_type"`
	Group  string `json:"entity_name,omitempty"`
}

// authorization is one entry of a client's list.
type authorization struct {
	client string
	number int64 // the entity's, as the API has it
	entity entity
	doc    *admin.Doc
}

// readAuthorization decodes what is stored; false for what is no such entry.
func readAuthorization(d *admin.Doc) (authorization, bool) {
	var k kept
	if json.Unmarshal(d.Body, &k) != nil {
		return authorization{}, false
	}
	a := authorization{client: k.Client, number: k.Entity, entity: entity{k.Type, number(k.Entity)}, doc: d}
	if k.Type == "group" {
		a.entity.ID = k.Group
	}
	return a, k.Client != "" && (k.Type == "user" && k.Entity > 0 || k.Type == "group" && k.Group != "")
}

// authorizationObject is an entry as the vendor's API shows it.
type authorizationObject struct {
	ID      string `json:"id"`
	Client  string `json:"client_id"`
	Number  int64  `json:"entity_id"`
	Type    string `json:"entity_type"`
	Created string `json:"created_at"`
	Updated string `json:"updated_at"`
	Entity  any    `json:"entity,omitempty"` // where embed[]=entity asks for it
}

type entityObject struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Email string `json:"email,omitempty"`
}

func (a authorization) object() authorizationObject {
	return authorizationObject{
		ID: number(a.doc.Number), Client: a.client, Number: a.number, Type: a.entity.Type,
		Created: seconds(a.doc.Created), Updated: seconds(a.doc.Updated),
	}
}

// embedded is the user or group itself, nil when it is gone.
func (f face) embedded(ctx context.Context, org string, a authorization) (any, error) {
	if a.entity.Type == "group" {
		return entityObject{ID: number(a.number), Name: a.entity.ID}, nil
	}
	u, err := f.core.Admin.User(ctx, org, a.number)
	if oauth.Is(err, oauth.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return entityObject{ID: number(u.ID), Name: displayName(u.Subject()), Email: u.Email}, nil
}

// filter is what a list of authorizations is narrowed by.
type filter struct {
	client, kind string
	number       int64
	embed        bool
}

func filters(q wire.Params) (filter, error) {
	x := filter{client: q.Text("client_id"), kind: q.Text("entity_type")}
	if x.kind != "" && x.kind != "user" && x.kind != "group" {
		return filter{}, invalid("entity_type", "must be user or group")
	}
	if text, ok := q.Get("entity_id"); ok {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 1 {
			return filter{}, invalid("entity_id", "must be a number")
		}
		x.number = n
	}
	if what, ok := q.Get("embed[]"); ok {
		if what != "entity" {
			return filter{}, invalid("embed[]", "must be entity")
		}
		x.embed = true
	}
	return x, nil
}

func (x filter) accepts(a authorization) bool {
	return (x.client == "" || a.client == x.client) && (x.kind == "" || a.entity.Type == x.kind) &&
		(x.number == 0 || a.number == x.number)
}

// authorizations lists the entries of an organization a filter accepts.
func (f face) authorizations(ctx context.Context, org string, x filter) (out []authorization, err error) {
	prefix := ""
	if x.client != "" {
		prefix = x.client + "/"
	}
	for after := int64(0); ; {
		docs, err := f.core.Admin.Docs(ctx, org, admin.Listed(Name), prefix, after, batch)
		if err != nil {
			return nil, err
		}
		for i := range docs {
			if a, ok := readAuthorization(&docs[i]); ok && x.accepts(a) {
				out = append(out, a)
			}
			after = docs[i].Number
		}
		if len(docs) < batch {
			return out, nil
		}
	}
}

func (f face) listAuthorizations(r *dialect.Request) (dialect.Reply, error) {
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
	x, err := filters(q)
	if err != nil {
		return dialect.Reply{}, err
	}
	all, err := f.authorizations(r.Context(), c.org.ID, x)
	if err != nil {
		return dialect.Reply{}, err
	}
	var out []authorizationObject
	for _, a := range cut(p, all) {
		v := a.object()
		if x.embed {
			if v.Entity, err = f.embedded(r.Context(), c.org.ID, a); err != nil {
				return dialect.Reply{}, err
			}
		}
		out = append(out, v)
	}
	return listing(out, len(all)), nil
}

// authorization finds the entry a path names.
func (f face) authorization(r *dialect.Request, c caller) (authorization, error) {
	gone := oauth.Refuse(oauth.NotFound, "client authorization not found")
	n, err := strconv.ParseInt(r.Var("id"), 10, 64)
	if err != nil || n < 1 || number(n) != r.Var("id") {
		return authorization{}, gone
	}
	docs, err := f.core.Admin.Docs(r.Context(), c.org.ID, admin.Listed(Name), "", n-1, 1)
	if err != nil {
		return authorization{}, err
	}
	if len(docs) == 0 || docs[0].Number != n {
		return authorization{}, gone
	}
	a, ok := readAuthorization(&docs[0])
	if !ok {
		return authorization{}, gone
	}
	return a, nil
}

func (f face) showAuthorization(r *dialect.Request) (dialect.Reply, error) {
	c, err := f.manager(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	a, err := f.authorization(r, c)
	if err != nil {
		return dialect.Reply{}, err
	}
	return dialect.OK(a.object()), nil
}

func (f face) deleteAuthorization(r *dialect.Request) (dialect.Reply, error) {
	c, err := f.manager(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	a, err := f.authorization(r, c)
	if err != nil {
		return dialect.Reply{}, err
	}
	return empty(), f.core.Admin.DeleteDoc(r.Context(), c.org.ID, admin.Listed(Name), a.doc.ID)
}

func (f face) createAuthorization(r *dialect.Request) (dialect.Reply, error) {
	c, err := f.manager(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	b, err := members(r, "client_id", "entity_id", "entity_type", "entity_name")
	if err != nil {
		return dialect.Reply{}, err
	}
	k, err := f.entry(r.Context(), c, b)
	if err != nil {
		return dialect.Reply{}, err
	}
	raw, err := json.Marshal(k)
	if err != nil {
		return dialect.Reply{}, err
	}
	d := &admin.Doc{Org: c.org.ID, Kind: admin.Listed(Name), Body: raw}
	a, _ := readAuthorization(d)
	d.ID = admin.ListedID(k.Client, k.Type, a.entity.ID)
	d.Ref = d.ID
	if err := f.core.Admin.PutDoc(r.Context(), d); err != nil {
		return dialect.Reply{}, err
	}
	return created(a.object()), nil
}

// entry reads whom a new entry names, and sees that client and entity exist here.
func (f face) entry(ctx context.Context, c caller, b body) (k kept, err error) {
	for _, name := range []string{"client_id", "entity_type"} {
		if !b.has(name) {
			return kept{}, oauth.Missing(name)
		}
	}
	if k.Client, err = b.text("client_id"); err != nil {
		return kept{}, err
	}
	if _, err := f.ours(c, k.Client); err != nil {
		return kept{}, invalid("client_id", "is no client of the organization")
	}
	if k.Type, err = b.text("entity_type"); err != nil {
		return kept{}, err
	}
	switch {
	case k.Type == "group" && b.has("entity_name"):
		return f.namedGroup(ctx, c, k, b)
	case !b.has("entity_id"):
		return kept{}, oauth.Missing("entity_id")
	}
	if k.Entity, err = b.number("entity_id"); err != nil {
		return kept{}, err
	}
	switch k.Type {
	case "user":
		if _, err := f.core.Admin.User(ctx, c.org.ID, k.Entity); oauth.Is(err, oauth.NotFound) {
			return kept{}, invalid("entity_id", "is no user of the organization")
		} else if err != nil {
			return kept{}, err
		}
		return k, nil
	case "group":
		return f.numberedGroup(ctx, c, k)
	}
	return kept{}, invalid("entity_type", "must be user or group")
}

// groupKind is under which groups that were listed once are kept: a group is a name
// that users carry, and this API wants a number for it.
const groupKind = Name + "/group"

const maxGroupName = 255 // characters

func (f face) namedGroup(ctx context.Context, c caller, k kept, b body) (kept, error) {
	var err error
	if k.Group, err = b.line("entity_name", maxGroupName); err != nil {
		return kept{}, err
	}
	d, err := f.core.Admin.Doc(ctx, c.org.ID, groupKind, k.Group)
	if oauth.Is(err, oauth.NotFound) {
		d = &admin.Doc{Org: c.org.ID, Kind: groupKind, ID: k.Group}
		err = f.core.Admin.PutDoc(audit.With(ctx, nil), d) // the event of this request is the entry's
	}
	if err != nil {
		return kept{}, err
	}
	k.Entity = d.Number
	return k, nil
}

func (f face) numberedGroup(ctx context.Context, c caller, k kept) (kept, error) {
	docs, err := f.core.Admin.Docs(ctx, c.org.ID, groupKind, "", k.Entity-1, 1)
	if err != nil {
		return kept{}, err
	}
	if len(docs) == 0 || docs[0].Number != k.Entity {
		return kept{}, invalid("entity_id", "is no group that was listed before; name it as entity_name")
	}
	k.Group = docs[0].ID
	return k, nil
}
