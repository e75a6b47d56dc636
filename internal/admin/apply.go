package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"jeton/internal/audit"
	"jeton/internal/client"
	"jeton/internal/config"
	"jeton/internal/hash"
	"jeton/internal/identity"
)

// Change is many changes that hold together or not at all.
type Change struct {
	PutOrgs, UpdateOrgs       []*client.Org
	PutClients, UpdateClients []*client.Client
	PutUsers, UpdateUsers     []*identity.User
	PutDocs, UpdateDocs       []*Doc
}

func (c *Change) empty() bool {
	return len(c.PutOrgs)+len(c.UpdateOrgs)+len(c.PutClients)+len(c.UpdateClients)+
		len(c.PutUsers)+len(c.UpdateUsers)+len(c.PutDocs)+len(c.UpdateDocs) == 0
}

// Step is one line of what Apply did or would do.
type Step struct {
	Verb   string   `json:"verb"`   // create or change
	Object string   `json:"object"` // "client default/batch"
	Fields []string `json:"fields,omitempty"`
}

// Apply makes the server's objects what a world says they are; what the world does
// not name stays. With dry it only says what it would do. Secrets given as values
// are compared with the kept hashes first, so applying twice changes nothing.
func (s *Service) Apply(ctx context.Context, w *config.World, dry bool) ([]Step, error) {
	a := &applier{Service: s, world: w, dry: dry}
	for _, step := range []func(context.Context) error{a.orgs, a.clients, a.users, a.docs} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	if err := a.commit(ctx); err != nil {
		return nil, err
	}
	if err := a.listings(ctx); err != nil {
		return nil, err
	}
	return a.steps, a.commit(ctx)
}

type applier struct {
	*Service
	world  *config.World
	dry    bool
	change Change
	steps  []Step

	recorded int              // how many of steps an audit event has
	revoked  []*identity.User // as they were before the change that ends their sessions
}

func (a *applier) commit(ctx context.Context) error {
	if a.dry || a.change.empty() {
		return nil
	}
	ctx = audit.Aside(ctx, "configuration.apply") // each transaction has its event
	rec := audit.From(ctx)
	rec.SetObject(fmt.Sprintf("%d objects", len(a.steps)-a.recorded))
	for _, step := range a.steps[a.recorded:] {
		rec.Pass(step.Verb, strings.TrimSuffix(step.Object+": "+strings.Join(step.Fields, " "), ": "))
	}
	a.recorded = len(a.steps)
	if err := a.Store.Apply(ctx, a.change); err != nil {
		return a.refusal(err, "an object")
	}
	a.change = Change{}
	if err := a.Clients.Load(ctx); err != nil {
		return err
	}
	for _, u := range a.revoked {
		if err := a.signOut(ctx, u); err != nil {
			return err
		}
	}
	a.revoked = nil
	return nil
}

func (a *applier) note(verb, object string, fields ...string) {
	a.steps = append(a.steps, Step{verb, object, fields})
}

// places refuses two organizations at one host name or path prefix: a request must
// belong to exactly one.
func (a *applier) places() error {
	owner := map[string]string{}
	claim := func(o *client.Org) error {
		for _, place := range append(slices.Clone(o.Hosts), o.Prefixes...) {
			place = strings.TrimSuffix(strings.ToLower(place), "/")
			if other, taken := owner[place]; taken && other != o.ID {
				return invalid("hosts", "organizations "+other+" and "+o.ID+" are both at "+place)
			}
			owner[place] = o.ID
		}
		return nil
	}
	for i := range a.world.Orgs {
		if err := claim(&a.world.Orgs[i]); err != nil {
			return err
		}
	}
	for _, o := range a.Clients.Orgs() {
		if slices.ContainsFunc(a.world.Orgs, func(w client.Org) bool { return w.ID == o.ID }) {
			continue
		}
		if err := claim(o); err != nil {
			return err
		}
	}
	return nil
}

func (a *applier) orgs(context.Context) error {
	if err := a.places(); err != nil {
		return err
	}
	number := int64(1)
	for _, o := range a.Clients.Orgs() {
		number = max(number, o.Number+1)
	}
	for i := range a.world.Orgs {
		want := a.world.Orgs[i]
		have, ok := a.Clients.Org(want.ID)
		if !ok {
			want.Number = number
			number++
			a.note("create", "organization "+want.ID)
			a.change.PutOrgs = append(a.change.PutOrgs, &want)
			continue
		}
		want.Number, want.Version = have.Number, have.Version
		want.Default = want.Default || (have.Default && !a.marksDefault())
		if want.Realms == nil {
			want.Realms = have.Realms
		}
		if fields := differ(*have, want); len(fields) > 0 {
			a.note("change", "organization "+want.ID, fields...)
			a.change.UpdateOrgs = append(a.change.UpdateOrgs, &want)
		}
	}
	return nil
}

// marksDefault reports whether the world names a default organization: if not, the
// one there is stays it, since a server without one answers nobody.
func (a *applier) marksDefault() bool {
	return slices.ContainsFunc(a.world.Orgs, func(o client.Org) bool { return o.Default })
}

// generatedPrefix marks secrets this server made: they have 256 random bits, so a
// fast hash keeps them.
const generatedPrefix = "jts_"

func (a *applier) clients(ctx context.Context) error {
	listed := map[string]bool{}
	for _, l := range a.world.Listed {
		listed[l.Org+"/"+l.Client] = true
	}
	for i := range a.world.Clients {
		want := a.world.Clients[i]
		have, ok := a.Clients.Client(want.Org, want.ID)
		if !ok {
			have = &client.Client{}
		}
		want.Secrets = slices.Clone(want.Secrets)
		for j := range want.Secrets {
			if err := a.secret(ctx, &want, have, j); err != nil {
				return err
			}
		}
		if listed[want.Org+"/"+want.ID] {
			settings := map[string]json.RawMessage{"whitelist_enabled": json.RawMessage("true")}
			for k, v := range want.Settings {
				settings[k] = v
			}
			want.Settings = settings
		}
		if err := checkKeys(want.Keys); err != nil {
			return err
		}
		want.Keys = dated(want.Keys, have.Keys)
		want.Created, want.Updated, want.Version, want.RevokedBefore = have.Created, have.Updated, have.Version, have.RevokedBefore
		if !ok {
			now := a.Now()
			want.Created, want.Updated, want.RevokedBefore = now.Unix(), now.Unix(), now.UnixMilli()
			a.note("create", "client "+want.Org+"/"+want.ID)
			a.change.PutClients = append(a.change.PutClients, &want)
			continue
		}
		if fields := differ(*have, want); len(fields) > 0 {
			if have.Enabled && !want.Enabled {
				want.RevokedBefore = after(want.RevokedBefore, a.Now())
			}
			want.Updated = a.Now().Unix()
			a.note("change", "client "+want.Org+"/"+want.ID, fields...)
			a.change.UpdateClients = append(a.change.UpdateClients, &want)
		}
	}
	return nil
}

// secret settles the kept form of a client's secret: the one that is there when it
// is the same secret, else a new hash.
func (a *applier) secret(ctx context.Context, want, have *client.Client, i int) error {
	plain, given := a.world.Plain[config.SecretKey{Kind: config.ClientSecret, Org: want.Org, Name: want.ID, Index: i}]
	for _, kept := range have.Secrets {
		same := !given && kept.Hash == want.Secrets[i].Hash
		if given {
			r, err := a.Hasher.Verify(ctx, "client/"+want.Org+"/"+want.ID, kept.Hash, plain)
			if err != nil {
				return err
			}
			same = r.OK
		}
		if same {
			want.Secrets[i] = kept
			return nil
		}
	}
	if want.Secrets[i].Created = a.Now().Unix(); !given {
		return nil
	}
	text := plain.Reveal()
	if strings.HasPrefix(text, generatedPrefix) && len(text) >= 40 {
		want.Secrets[i].Hash = hash.Generated(text)
		want.Secrets[i].Hint = text[len(text)-4:]
		return nil
	}
	var err error
	want.Secrets[i].Hash, err = a.Hasher.Make(ctx, plain)
	return err
}

func (a *applier) users(ctx context.Context) error {
	for i := range a.world.Users {
		want := a.world.Users[i]
		if want.Realm == "" {
			want.Realm = a.realm(want.Org)
		}
		if err := a.canonical(&want); err != nil {
			return fmt.Errorf("user %s: %w", want.Name, err)
		}
		have, err := a.Store.UserByName(ctx, want.Org, want.Realm, want.Canon)
		if err != nil && !a.Store.IsNotFound(err) {
			return err
		}
		if have == nil || err != nil {
			have = nil
		}
		if err := a.password(ctx, &want, have); err != nil {
			return err
		}
		if have == nil {
			want.Created, want.Updated = a.Now().Unix(), a.Now().Unix()
			a.note("create", "user "+want.Org+"/"+want.Canon)
			a.change.PutUsers = append(a.change.PutUsers, &want)
			continue
		}
		want.Keys = dated(want.Keys, have.Keys)
		want.ID, want.Created, want.Updated, want.Version, want.RevokedBefore = have.ID, have.Created, have.Updated, have.Version, have.RevokedBefore
		if fields := differ(*have, want); len(fields) > 0 {
			if have.Password != want.Password || (have.Enabled && !want.Enabled) {
				want.RevokedBefore = after(want.RevokedBefore, a.Now())
				a.revoked = append(a.revoked, have)
			}
			want.Updated = a.Now().Unix()
			a.note("change", "user "+want.Org+"/"+want.Canon, fields...)
			a.change.UpdateUsers = append(a.change.UpdateUsers, &want)
		}
	}
	return nil
}

// canonical is prepare for a user whose organization may be made by this very
// change.
func (a *applier) canonical(u *identity.User) (err error) {
	if u.Canon, err = identity.Canonical(u.Name); err != nil {
		return err
	}
	if u.Mail = ""; u.Email != "" {
		if u.Mail, err = identity.CanonicalMail(u.Email); err != nil {
			return err
		}
	}
	return checkKeys(u.Keys)
}

func (a *applier) realm(org string) string {
	for i := range a.world.Orgs {
		if a.world.Orgs[i].ID == org && a.world.Orgs[i].Realms != nil {
			return a.world.Orgs[i].DefaultRealm()
		}
	}
	if o, ok := a.Clients.Org(org); ok {
		return o.DefaultRealm()
	}
	return (&client.Org{}).DefaultRealm()
}

func (a *applier) password(ctx context.Context, want, have *identity.User) error {
	plain, given := a.world.Plain[config.SecretKey{Kind: config.UserSecret, Org: want.Org, Realm: want.Realm, Name: want.Name}]
	if !given {
		if have != nil && want.Password == "" { // a file that names no password leaves it alone
			want.Password, want.PasswordDue = have.Password, have.PasswordDue
		}
		return nil
	}
	if have != nil && have.Password != "" {
		r, err := a.Hasher.Verify(ctx, "apply", have.Password, plain)
		if err != nil {
			return err
		}
		if r.OK {
			want.Password = have.Password
			return nil
		}
	}
	var err error
	want.Password, err = a.Hasher.Make(ctx, plain)
	return err
}

func (a *applier) docs(ctx context.Context) error {
	for _, d := range a.world.Docs {
		want := &Doc{Org: d.Org, Kind: d.Dialect + "/" + d.Kind, ID: d.ID, Body: d.Body}
		if err := a.doc(ctx, want); err != nil {
			return err
		}
	}
	return nil
}

func (a *applier) doc(ctx context.Context, want *Doc) error {
	have, err := a.Store.Doc(ctx, want.Org, want.Kind, want.ID)
	now := a.Now().Unix()
	switch {
	case err != nil && !a.Store.IsNotFound(err):
		return err
	case err != nil:
		want.Created, want.Updated = now, now
		a.note("create", want.Kind+" "+want.Org+"/"+want.ID)
		a.change.PutDocs = append(a.change.PutDocs, want)
	case !sameJSON(have.Body, want.Body):
		have.Body, have.Updated = want.Body, now
		a.note("change", want.Kind+" "+want.Org+"/"+want.ID, "body")
		a.change.UpdateDocs = append(a.change.UpdateDocs, have)
	}
	return nil
}

// Listed is the kind of object that lists a user or group for a client of a
// dialect: its id is "CLIENT/user/NUMBER" or "CLIENT/group/NAME".
func Listed(dialect string) string { return dialect + "/authorization" }

// ListedID names one entry.
func ListedID(client, entity, id string) string { return client + "/" + entity + "/" + id }

// listings lists users for the clients that may speak only for some. It runs when
// the users have their numbers.
func (a *applier) listings(ctx context.Context) error {
	for _, l := range a.world.Listed {
		dialect := ""
		for i := range a.world.Clients {
			if c := &a.world.Clients[i]; c.Org == l.Org && c.ID == l.Client {
				dialect = c.Dialect
			}
		}
		for _, name := range l.Users {
			canon, err := identity.Canonical(name)
			if err != nil {
				return invalid("users", "client "+l.Client+" lists a user who cannot be: "+name)
			}
			u, err := a.Store.UserByName(ctx, l.Org, l.Realm, canon)
			if a.Store.IsNotFound(err) && a.dry {
				a.note("create", Listed(dialect)+" "+l.Org+"/"+l.Client+"/"+canon)
				continue
			}
			if err != nil {
				return a.refusal(err, "user "+name+" listed for client "+l.Client)
			}
			id := fmt.Sprint(u.ID)
			ref := ListedID(l.Client, "user", id)
			body := fmt.Sprintf(`{"client_id":%q,"entity_id":%s,"entity_type":"user"}`, l.Client, id)
			if err := a.doc(ctx, &Doc{Org: l.Org, Kind: Listed(dialect), ID: ref, Ref: ref, Body: json.RawMessage(body)}); err != nil {
				return err
			}
		}
	}
	return nil
}

// dated gives keys the dates they have: a file does not say when a key was added.
func dated(want, have []client.Key) []client.Key {
	out := slices.Clone(want)
	for i := range out {
		for _, k := range have {
			if k.PEM == out[i].PEM {
				out[i].Created = k.Created
				if out[i].ID == "" && k.ID == thumbprint(k.PEM) {
					out[i].ID = k.ID
				}
			}
		}
	}
	return out
}

// differ names the JSON members in which two values differ. Only another line of
// the file, or the same from another file, is no difference.
func differ(have, want any) []string {
	a, b := members(have), members(want)
	var out []string
	for k := range b {
		if !sameJSON(a[k], b[k]) {
			out = append(out, k)
		}
	}
	for k := range a {
		if _, ok := b[k]; !ok {
			out = append(out, k)
		}
	}
	slices.Sort(out)
	return slices.DeleteFunc(out, func(name string) bool { return name == "source" })
}

func members(v any) map[string]json.RawMessage {
	out := map[string]json.RawMessage{}
	if b, err := json.Marshal(v); err == nil {
		_ = json.Unmarshal(b, &out) // it was marshalled from a struct
	}
	return out
}

func sameJSON(a, b json.RawMessage) bool {
	if string(a) == string(b) {
		return true
	}
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}
