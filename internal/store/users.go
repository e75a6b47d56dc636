package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"jeton/internal/client"
	"jeton/internal/identity"
)

// userBody is what of a user has no column of its own.
type userBody struct {
	Name        string         `json:"name"`
	Email       string         `json:"email,omitempty"`
	GivenName   string         `json:"given_name,omitempty"`
	FamilyName  string         `json:"family_name,omitempty"`
	DisplayName string         `json:"display_name,omitempty"`
	Admin       bool           `json:"admin,omitempty"`
	Groups      []string       `json:"groups,omitempty"`
	Keys        []client.Key   `json:"keys,omitempty"`
	Attr        map[string]any `json:"attr,omitempty"`
	Roles       []string       `json:"roles,omitempty"`
	PasswordDue bool           `json:"password_due,omitempty"`
	Source      string         `json:"source,omitempty"`
	Created     int64          `json:"created,omitempty"`
	Updated     int64          `json:"updated,omitempty"`
}

// userRow is a user as the row has it; ID 0 is no row.
type userRow struct {
	u       identity.User
	enabled int64
	body    string
}

func (r *userRow) dest(to []any) []any {
	return append(to, &r.u.ID, &r.u.Org, &r.u.Realm, &r.u.Canon, &r.u.Mail, &r.enabled, &r.u.Expires, &r.u.Password,
		&r.u.RevokedBefore, &r.u.Version, &r.body)
}

// user is nil when there is no row.
func (r *userRow) user() (*identity.User, error) {
	if r.u.ID == 0 {
		return nil, nil
	}
	var b userBody
	if err := json.Unmarshal([]byte(r.body), &b); err != nil {
		return nil, fmt.Errorf("user %d: %w", r.u.ID, err)
	}
	u := r.u
	u.Enabled = r.enabled != 0
	u.Name, u.Email = b.Name, b.Email
	u.GivenName, u.FamilyName, u.DisplayName = b.GivenName, b.FamilyName, b.DisplayName
	u.Admin, u.Groups, u.Keys, u.Attr, u.Roles = b.Admin, b.Groups, b.Keys, b.Attr, b.Roles
	u.Source, u.Created, u.Updated, u.PasswordDue = b.Source, b.Created, b.Updated, b.PasswordDue
	return &u, nil
}

// bodies remembers what decoding a user's body gave. The body itself is read from
// the database each time and compared, so what is remembered is never stale.
type bodies struct {
	mu sync.Mutex
	m  map[int64]decoded
}

type decoded struct {
	body string
	user *identity.User
}

const maxBodies = 4096

// outer is where the columns of outerUser go.
func (r *userRow) outer(to []any) []any {
	return append(to, &r.u.Version, &r.enabled, &r.u.Expires, &r.u.RevokedBefore, &r.u.Realm, &r.u.Canon, &r.u.Mail, &r.body)
}

// outer is the user a row of outerUser tells of, nil when there is none.
func (b *bodies) outer(r *userRow, id int64, org string) (*identity.User, error) {
	if r.u.Version == 0 {
		return nil, nil
	}
	r.u.ID, r.u.Org = id, org
	return b.user(r)
}

// user is userRow.user for a user that is only read.
func (b *bodies) user(r *userRow) (*identity.User, error) {
	b.mu.Lock()
	kept := b.m[r.u.ID]
	b.mu.Unlock()
	if kept.user != nil && kept.body == r.body {
		u := *kept.user
		u.Org, u.Realm, u.Canon, u.Mail = r.u.Org, r.u.Realm, r.u.Canon, r.u.Mail
		u.Enabled, u.Expires, u.RevokedBefore, u.Version = r.enabled != 0, r.u.Expires, r.u.RevokedBefore, r.u.Version
		return &u, nil
	}
	u, err := r.user()
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.m == nil || len(b.m) >= maxBodies {
		b.m = make(map[int64]decoded)
	}
	b.m[u.ID] = decoded{r.body, u}
	return u, nil
}

// userValues are the columns after id and org, in the order of userNames.
func userValues(u *identity.User) ([]any, error) {
	body, err := json.Marshal(userBody{
		Name: u.Name, Email: u.Email, GivenName: u.GivenName, FamilyName: u.FamilyName, DisplayName: u.DisplayName,
		Admin: u.Admin, Groups: u.Groups, Keys: u.Keys, Attr: u.Attr, Roles: u.Roles,
		Source: u.Source, Created: u.Created, Updated: u.Updated, PasswordDue: u.PasswordDue,
	})
	if err != nil {
		return nil, fmt.Errorf("encode user: %w", err)
	}
	if !storable(u.Name) || !storable(u.Email) {
		return nil, ErrText
	}
	enabled := int64(0)
	if u.Enabled {
		enabled = 1
	}
	return []any{u.Realm, u.Canon, u.Mail, enabled, u.Expires, u.Password, u.RevokedBefore, u.Version, string(body)}, nil
}

var (
	selectUser = `SELECT ` + columns("", userNames) + ` FROM users WHERE `
	getUser    = selectUser + `id = $1 AND org = $2`
	userByName = selectUser + `org = $1 AND realm = $2 AND canon = $3`
	userByMail = selectUser + `org = $1 AND mail = $2 ORDER BY id LIMIT 2`
	listUsers  = selectUser + `id > $1 AND ` + userFilter + ` ORDER BY id LIMIT $5`
	countUsers = `SELECT COUNT(*) FROM users WHERE id > $1 AND ` + userFilter

	putUser = `INSERT INTO users (` + columns("", userNames) + `) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
 ON CONFLICT DO NOTHING`
)

const (
	userFilter = `org = $2 AND (CAST($3 AS TEXT) = '' OR realm = $3)
 AND (CAST($4 AS TEXT) = '' OR canon LIKE $4 ESCAPE '\' OR mail LIKE $4 ESCAPE '\')`

	userTaken  = `SELECT id FROM users WHERE org = $1 AND realm = $2 AND canon = $3 AND id <> $4`
	updateUser = `UPDATE users SET realm = $1, canon = $2, mail = $3, enabled = $4, expires = $5, password = $6,
 revoked_before = $7, version = $8, body = $9 WHERE id = $10 AND org = $11 AND version = $12`
	setPassword = `UPDATE users SET password = $1 WHERE id = $2 AND org = $3 AND password = $4`
	revokedUser = `SELECT revoked_before FROM users WHERE id = $1`
	deleteUser  = `DELETE FROM users WHERE id = $1 AND org = $2`
	hasUser     = `SELECT version FROM users WHERE id = $1 AND org = $2`

	// userCounter gives users their numbers.
	userCounter = "user"
)

// PutUser keeps a new user. Without an ID it is given the next number, which no
// user ever had; a given one is kept if it is free. A given number that may have
// been another's ends what was issued to that one (RevokedBefore). ErrExists when
// the name or the number is taken.
func (s *Store) PutUser(ctx context.Context, u *identity.User) error {
	return s.write(ctx, "put user", 0, func(t *tx) error { return s.putUser(t, u) })
}

func (s *Store) putUser(t *tx, u *identity.User) error {
	next := *u
	next.Version = 1
	var id int64
	taken, err := t.row(userTaken, []any{u.Org, u.Realm, u.Canon, int64(0)}, &id)
	if err != nil {
		return err
	}
	if taken {
		return ErrExists
	}
	if err := s.numberUser(t, &next); err != nil {
		return err
	}
	values, err := userValues(&next)
	if err != nil {
		return err
	}
	n, err := t.exec(putUser, append([]any{next.ID, next.Org}, values...)...)
	if err != nil {
		return err
	}
	if n == 0 {
		return ErrExists
	}
	t.afterwards(func() { *u = next })
	return nil
}

// numberUser gives a number, or keeps the given one and the counter ahead of it.
func (s *Store) numberUser(t *tx, u *identity.User) (err error) {
	if u.ID <= 0 {
		u.ID, err = nextNumber(t, userCounter)
		return err
	}
	var id, last int64
	taken, err := t.row(`SELECT id FROM users WHERE id = $1`, []any{u.ID}, &id)
	if err != nil {
		return err
	}
	if taken {
		return ErrExists
	}
	if _, err := t.row(getCounter, []any{userCounter}, &last); err != nil {
		return err
	}
	if u.ID <= last {
		var gone int64
		if _, err := t.row(getCounter, []any{userTombstone}, &gone); err != nil {
			return err
		}
		if gone > 0 {
			u.RevokedBefore = max(u.RevokedBefore, gone+1)
		}
		return nil
	}
	_, err = t.exec(raiseCounter, userCounter, u.ID)
	return err
}

// User finds a user by number; ErrNotFound when the organization has none.
func (s *Store) User(ctx context.Context, org string, id int64) (*identity.User, error) {
	return s.oneUser(ctx, "user", getUser, id, org)
}

// UserByName finds a user by canonical name; ErrNotFound when there is none.
func (s *Store) UserByName(ctx context.Context, org, realm, canon string) (*identity.User, error) {
	return s.oneUser(ctx, "user by name", userByName, org, realm, canon)
}

// UserByMail finds a user by canonical address; ErrNotFound when there is none,
// ErrMany when several share it.
func (s *Store) UserByMail(ctx context.Context, org, mail string) (*identity.User, error) {
	if mail == "" {
		return nil, ErrNotFound
	}
	return s.oneUser(ctx, "user by mail", userByMail, org, mail)
}

func (s *Store) oneUser(ctx context.Context, name, query string, args ...any) (*identity.User, error) {
	var users []identity.User
	err := s.read(ctx, name, func(t *tx) (err error) {
		users, err = readUsers(t, query, args)
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case len(users) == 0:
		return nil, ErrNotFound
	case len(users) > 1:
		return nil, ErrMany
	}
	return &users[0], nil
}

func readUsers(t *tx, query string, args []any) (out []identity.User, err error) {
	err = t.rows(query, args, func(scan func(...any) error) error {
		var r userRow
		if err := scan(r.dest(nil)...); err != nil {
			return err
		}
		u, err := r.user()
		if err != nil {
			return err
		}
		out = append(out, *u)
		return nil
	})
	return out, err
}

// UserFilter chooses users; an empty field asks for nothing.
type UserFilter struct {
	Query string // part of the name or the address, in any case
	Realm string
}

func (f UserFilter) args(org string, after int64) []any {
	return []any{after, org, f.Realm, like(f.Query)}
}

var likeEscapes = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// like is the pattern for texts that contain part; "" for no part.
func like(part string) string {
	if part == "" {
		return ""
	}
	return "%" + likeEscapes.Replace(strings.ToLower(part)) + "%"
}

// ListUsers gives users of an organization by number, after the number after.
func (s *Store) ListUsers(ctx context.Context, org string, f UserFilter, after int64, limit int) (out []identity.User, err error) {
	err = s.list(ctx, "list users", func(t *tx) (err error) {
		out, err = readUsers(t, listUsers, append(f.args(org, after), bounded(limit)))
		return err
	})
	return out, err
}

// CountUsers counts the users of an organization that ListUsers would give.
func (s *Store) CountUsers(ctx context.Context, org string, f UserFilter) (n int64, err error) {
	err = s.list(ctx, "count users", func(t *tx) error {
		_, err := t.row(countUsers, f.args(org, 0), &n)
		return err
	})
	return n, err
}

// UpdateUser changes a user that is still at Version, which it raises. ErrChanged
// when it is not, ErrNotFound when there is none, ErrExists when the new name is
// taken.
func (s *Store) UpdateUser(ctx context.Context, u *identity.User) error {
	return s.write(ctx, "update user", 0, func(t *tx) error { return s.updateUser(t, u) })
}

func (s *Store) updateUser(t *tx, u *identity.User) error {
	var id, version int64
	if err := found(t.row(hasUser, []any{u.ID, u.Org}, &version)); err != nil {
		return err
	}
	taken, err := t.row(userTaken, []any{u.Org, u.Realm, u.Canon, u.ID}, &id)
	if err != nil {
		return err
	}
	if taken {
		return ErrExists
	}
	next := *u
	next.Version++
	values, err := userValues(&next)
	if err != nil {
		return err
	}
	n, err := t.exec(updateUser, append(values, u.ID, u.Org, u.Version)...)
	if err != nil {
		return err
	}
	if n == 0 {
		return missed(t, hasUser, u.ID, u.Org)
	}
	t.afterwards(func() { u.Version = next.Version })
	return nil
}

// missed says why a compare-and-swap matched nothing: the row is gone, or has
// another version.
func missed(t *tx, query string, key ...any) error {
	var version int64
	if err := found(t.row(query, key, &version)); err != nil {
		return err
	}
	return ErrChanged
}

// SetPassword puts a new hash in place of the old one; false when that is no
// longer the user's. The user's version stays: a re-hash is no change to them.
func (s *Store) SetPassword(ctx context.Context, org string, id int64, old, hash string) (bool, error) {
	var n int64
	err := s.prepare(ctx, "set password", 0, func(t *tx) (err error) {
		n, err = t.exec(setPassword, hash, id, org, old)
		return err
	})
	return n > 0 && err == nil, err
}

// DeleteUser removes a user; what was issued to them finds nobody from then on.
// ErrNotFound when there is none.
func (s *Store) DeleteUser(ctx context.Context, org string, id int64) error {
	return s.write(ctx, "delete user", 0, func(t *tx) error { return s.deleteUser(t, org, id) })
}

func (s *Store) deleteUser(t *tx, org string, id int64) error {
	var version int64
	if err := found(t.row(hasUser, []any{id, org}, &version)); err != nil {
		return err
	}
	if err := buryUser(t, s.now().UnixMilli(), revokedUser, id); err != nil {
		return err
	}
	if err := remove(t, deleteUser, id, org); err != nil {
		return err
	}
	_, err := t.exec(dropConsents, org, id)
	return err
}

// remove deletes one row; ErrNotFound when there is none.
func remove(t *tx, query string, key ...any) error {
	n, err := t.exec(query, key...)
	return found(n > 0, err)
}
