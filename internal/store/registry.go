package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"jeton/internal/audit"
	"jeton/internal/client"
	"jeton/internal/identity"
)

// Snapshot is every organization and client as of one revision.
type Snapshot struct {
	Revision int64
	Orgs     []client.Org
	Clients  []client.Client
}

const (
	snapshot = `SELECT 0 AS kind, value AS version, '' AS body FROM counter WHERE name = 'revision'
 UNION ALL SELECT 1, version, body FROM org UNION ALL SELECT 2, version, body FROM client`

	// revisionCounter is raised with every change of an organization, client or key.
	revisionCounter = "revision"

	putOrg    = `INSERT INTO org (id, version, body) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING`
	updateOrg = `UPDATE org SET version = $1, body = $2 WHERE id = $3 AND version = $4`
	deleteOrg = `DELETE FROM org WHERE id = $1`
	hasOrg    = `SELECT version FROM org WHERE id = $1`

	putClient    = `INSERT INTO client (org, id, version, body) VALUES ($1, $2, $3, $4) ON CONFLICT (org, id) DO NOTHING`
	updateClient = `UPDATE client SET version = $1, body = $2 WHERE org = $3 AND id = $4 AND version = $5`
	deleteClient = `DELETE FROM client WHERE org = $1 AND id = $2`
	hasClient    = `SELECT version FROM client WHERE org = $1 AND id = $2`
	clientBody   = `SELECT body FROM client WHERE org = $1 AND id = $2`
	clientsOf    = `SELECT body FROM client WHERE org = $1`
	usersOf      = `SELECT COALESCE(MAX(revoked_before), 0) FROM users WHERE org = $1`

	// Tombstones are counters that hold when an organization, a client of a name or
	// any user was last deleted, in unix milliseconds. They only grow, and are never
	// before a RevokedBefore of what was deleted: so what comes after has a
	// RevokedBefore that no grant of what was there before knows, whatever the clock does.
	getTombstones = `SELECT COALESCE(MAX(value), 0) FROM counter WHERE name = $1 OR name = $2`
)

// ofOrg deletes what an organization has, except for what may be many rows.
var ofOrg = []string{
	`DELETE FROM client WHERE org = $1`,
	`DELETE FROM users WHERE org = $1`,
	`DELETE FROM doc WHERE org = $1`,
	`DELETE FROM signing_key WHERE org = $1`,
	`DELETE FROM consent WHERE org = $1`,
	`DELETE FROM session_client WHERE sid IN (SELECT sid FROM session WHERE org = $1)`, // before the sessions that name them
	`DELETE FROM session WHERE org = $1`,
	`DELETE FROM delivery WHERE org = $1`,
}

// Revision changes with every change of an organization, a client or a signing
// key; it is cheap to ask.
func (s *Store) Revision(ctx context.Context) (n int64, err error) {
	err = s.read(ctx, "revision", func(t *tx) error {
		return found(t.row(getCounter, []any{revisionCounter}, &n))
	})
	return n, err
}

// raiseRevision tells other nodes that there is something new.
func raiseRevision(t *tx) error {
	_, err := nextNumber(t, revisionCounter)
	return err
}

// Snapshot reads every organization and client in one statement, so all of it is
// of one moment.
func (s *Store) Snapshot(ctx context.Context) (Snapshot, error) {
	var out Snapshot
	err := s.list(ctx, "snapshot", func(t *tx) error {
		out = Snapshot{}
		return t.rows(snapshot, nil, func(scan func(...any) error) error { return out.add(scan) })
	})
	if err != nil {
		return Snapshot{}, err
	}
	slices.SortFunc(out.Orgs, func(a, b client.Org) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(out.Clients, func(a, b client.Client) int {
		return cmp.Or(cmp.Compare(a.Org, b.Org), cmp.Compare(a.ID, b.ID))
	})
	return out, nil
}

// add takes one row of the snapshot statement.
func (s *Snapshot) add(scan func(...any) error) error {
	var kind, version int64
	var body string
	if err := scan(&kind, &version, &body); err != nil {
		return err
	}
	switch kind {
	case 0:
		s.Revision = version
	case 1:
		o := client.Org{}
		if err := json.Unmarshal([]byte(body), &o); err != nil {
			return fmt.Errorf("decode organization: %w", err)
		}
		o.Version = version
		s.Orgs = append(s.Orgs, o)
	default:
		c := client.Client{}
		if err := json.Unmarshal([]byte(body), &c); err != nil {
			return fmt.Errorf("decode client: %w", err)
		}
		c.Version = version
		s.Clients = append(s.Clients, c)
	}
	return nil
}

// LoadClients is Snapshot in the words of client.Storage.
func (s *Store) LoadClients(ctx context.Context) (int64, []client.Org, []client.Client, error) {
	all, err := s.Snapshot(ctx)
	return all.Revision, all.Orgs, all.Clients, err
}

// encode writes a body; named texts must be storable as they are.
func encode(v any, texts ...string) (string, error) {
	for _, text := range texts {
		if !storable(text) {
			return "", ErrText
		}
	}
	b, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("encode: %w", err)
	}
	return string(b), nil
}

// PutOrg keeps a new organization; ErrExists when there is one with its id.
func (s *Store) PutOrg(ctx context.Context, o *client.Org) error {
	return s.write(ctx, "put organization", 0, func(t *tx) error { return s.putOrg(t, o) })
}

func (s *Store) putOrg(t *tx, o *client.Org) error {
	next := *o
	next.Version = 1
	body, err := encode(&next, next.ID, next.Name)
	if err != nil {
		return err
	}
	n, err := t.exec(putOrg, next.ID, next.Version, body)
	if err != nil {
		return err
	}
	if n == 0 {
		return ErrExists
	}
	t.afterwards(func() { *o = next })
	return raiseRevision(t)
}

// UpdateOrg changes an organization that is still at Version, which it raises.
// ErrChanged when it is not, ErrNotFound when there is none.
func (s *Store) UpdateOrg(ctx context.Context, o *client.Org) error {
	return s.write(ctx, "update organization", 0, func(t *tx) error { return s.updateOrg(t, o) })
}

func (s *Store) updateOrg(t *tx, o *client.Org) error {
	next := *o
	next.Version++
	body, err := encode(&next, next.ID, next.Name)
	if err != nil {
		return err
	}
	n, err := t.exec(updateOrg, next.Version, body, o.ID, o.Version)
	if err != nil {
		return err
	}
	if n == 0 {
		return missed(t, hasOrg, o.ID)
	}
	t.afterwards(func() { o.Version = next.Version })
	return raiseRevision(t)
}

// DeleteOrg removes an organization and all that belongs to it: at once its
// clients, users, objects and keys, so that no token of it is good any more, and
// then step by step its families and events. The event of the deletion stays.
// ErrNotFound when there is none.
func (s *Store) DeleteOrg(ctx context.Context, id string) error {
	before := s.now().UnixMilli()
	err := s.write(ctx, "delete organization", 0, func(t *tx) error { return s.deleteOrg(t, id, before) })
	if err != nil {
		return err
	}
	own := audit.ID(0)
	if r := audit.From(ctx); r != nil {
		own = r.ID
	}
	if err := s.purgeFamilies(ctx, id, before); err != nil {
		return err
	}
	return s.purgeEvents(ctx, id, before, own)
}

func (s *Store) deleteOrg(t *tx, id string, now int64) error {
	var version int64
	if err := found(t.row(hasOrg, []any{id}, &version)); err != nil {
		return err
	}
	if err := bury(t, tombstone(id), now, clientsOf, id); err != nil {
		return err
	}
	if err := buryUser(t, now, usersOf, id); err != nil {
		return err
	}
	if err := remove(t, deleteOrg, id); err != nil {
		return err
	}
	for _, q := range ofOrg {
		if _, err := t.exec(q, id); err != nil {
			return err
		}
	}
	return raiseRevision(t)
}

// bury raises a tombstone past now and past the RevokedBefore of the clients that
// query finds and that are about to be deleted.
func bury(t *tx, name string, now int64, query string, key ...any) error {
	err := t.rows(query, key, func(scan func(...any) error) error {
		var body string
		if err := scan(&body); err != nil {
			return err
		}
		var c client.Client
		if err := json.Unmarshal([]byte(body), &c); err != nil {
			return fmt.Errorf("decode client: %w", err)
		}
		now = max(now, c.RevokedBefore)
		return nil
	})
	if err != nil {
		return err
	}
	_, err = t.exec(passCounter, name, now)
	return err
}

// buryUser does the same for users; all have one tombstone.
func buryUser(t *tx, now int64, query string, key ...any) error {
	var last int64
	if _, err := t.row(query, key, &last); err != nil {
		return err
	}
	_, err := t.exec(passCounter, userTombstone, max(now, last))
	return err
}

// tombstone names the counter that remembers when something was deleted. Quoting
// keeps names of different parts different.
func tombstone(parts ...string) string { return fmt.Sprintf("gone:%q", parts) }

// userTombstone is the one of all users: their numbers are not given twice, but
// one that is asked for by number may be an old one.
const userTombstone = "gone:users"

// PutClient keeps a new client; ErrExists when the organization has one with its
// id. Where one of that id was deleted before, what was issued to that one is
// ended (RevokedBefore), so that no old grant comes back with the name.
func (s *Store) PutClient(ctx context.Context, c *client.Client) error {
	return s.write(ctx, "put client", 0, func(t *tx) error { return s.putClient(t, c) })
}

func (s *Store) putClient(t *tx, c *client.Client) error {
	next := *c
	next.Version = 1
	var gone int64
	if _, err := t.row(getTombstones, []any{tombstone(c.Org), tombstone(c.Org, c.ID)}, &gone); err != nil {
		return err
	}
	if gone > 0 {
		next.RevokedBefore = max(next.RevokedBefore, gone+1)
	}
	body, err := encode(&next, next.Org, next.ID, next.Name)
	if err != nil {
		return err
	}
	n, err := t.exec(putClient, next.Org, next.ID, next.Version, body)
	if err != nil {
		return err
	}
	if n == 0 {
		return ErrExists
	}
	t.afterwards(func() { *c = next })
	return raiseRevision(t)
}

// UpdateClient changes a client that is still at Version, which it raises.
// ErrChanged when it is not, ErrNotFound when there is none.
func (s *Store) UpdateClient(ctx context.Context, c *client.Client) error {
	return s.write(ctx, "update client", 0, func(t *tx) error { return s.updateClient(t, c) })
}

func (s *Store) updateClient(t *tx, c *client.Client) error {
	next := *c
	next.Version++
	body, err := encode(&next, next.Org, next.ID, next.Name)
	if err != nil {
		return err
	}
	n, err := t.exec(updateClient, next.Version, body, c.Org, c.ID, c.Version)
	if err != nil {
		return err
	}
	if n == 0 {
		return missed(t, hasClient, c.Org, c.ID)
	}
	t.afterwards(func() { c.Version = next.Version })
	return raiseRevision(t)
}

// DeleteClient removes a client. ErrNotFound when there is none. Its families end
// by themselves; the caller no longer finds their client.
func (s *Store) DeleteClient(ctx context.Context, org, id string) error {
	return s.write(ctx, "delete client", 0, func(t *tx) error { return s.deleteClient(t, org, id) })
}

func (s *Store) deleteClient(t *tx, org, id string) error {
	var version int64
	if err := found(t.row(hasClient, []any{org, id}, &version)); err != nil {
		return err
	}
	if err := bury(t, tombstone(org, id), s.now().UnixMilli(), clientBody, org, id); err != nil {
		return err
	}
	if err := remove(t, deleteClient, org, id); err != nil {
		return err
	}
	for _, q := range leftBy {
		if _, err := t.exec(q, org, id); err != nil {
			return err
		}
	}
	return raiseRevision(t)
}

// ClientKey names a client, UserKey a user, DocKey an object.
type (
	ClientKey struct{ Org, ID string }
	UserKey   struct {
		Org string
		ID  int64
	}
	DocKey struct{ Org, Kind, ID string }
)

// Change is many changes that hold together or not at all. Deletions come first,
// then new organizations, then updates, then the rest that is new; so one change
// may put something in place of what it deletes.
type Change struct {
	DeleteDocs    []DocKey
	DeleteUsers   []UserKey
	DeleteClients []ClientKey

	PutOrgs       []*client.Org
	UpdateOrgs    []*client.Org
	UpdateClients []*client.Client
	UpdateUsers   []*identity.User
	UpdateDocs    []*Doc

	PutClients []*client.Client
	PutUsers   []*identity.User
	PutDocs    []*Doc
}

// Apply makes all changes of c in one transaction. The first answer that is not
// success (ErrNotFound, ErrExists, ErrChanged) undoes all and names the object.
func (s *Store) Apply(ctx context.Context, c Change) error {
	steps := slices.Concat(
		stepsOf(c.DeleteDocs, func(k DocKey) string { return "object " + k.Kind + "/" + k.ID }, s.deleteDocKey),
		stepsOf(c.DeleteUsers, func(k UserKey) string { return fmt.Sprintf("user %d", k.ID) },
			func(t *tx, k UserKey) error { return s.deleteUser(t, k.Org, k.ID) }),
		stepsOf(c.DeleteClients, func(k ClientKey) string { return "client " + k.ID },
			func(t *tx, k ClientKey) error { return s.deleteClient(t, k.Org, k.ID) }),
		stepsOf(c.PutOrgs, orgName, s.putOrg),
		stepsOf(c.UpdateOrgs, orgName, s.updateOrg),
		stepsOf(c.UpdateClients, clientName, s.updateClient),
		stepsOf(c.UpdateUsers, userName, s.updateUser),
		stepsOf(c.UpdateDocs, docName, s.updateDoc),
		stepsOf(c.PutClients, clientName, s.putClient),
		stepsOf(c.PutUsers, userName, s.putUser),
		stepsOf(c.PutDocs, docName, s.putDoc),
	)
	return s.write(ctx, "apply", 0, func(t *tx) error {
		for _, step := range steps {
			if err := step(t); err != nil {
				return err
			}
		}
		return nil
	})
}

func orgName(o *client.Org) string       { return "organization " + o.ID }
func clientName(c *client.Client) string { return "client " + c.ID }
func userName(u *identity.User) string   { return "user " + u.Name }
func docName(d *Doc) string              { return "object " + d.Kind + "/" + d.ID }

// stepsOf makes one step of each value, whose error names it.
func stepsOf[T any](values []T, name func(T) string, run func(*tx, T) error) []func(*tx) error {
	steps := make([]func(*tx) error, len(values))
	for i, v := range values {
		steps[i] = func(t *tx) error {
			if err := run(t, v); err != nil {
				return fmt.Errorf("%s: %w", name(v), err)
			}
			return nil
		}
	}
	return steps
}
