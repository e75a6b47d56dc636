package store

import (
	"context"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"

	"jeton/internal/identity"
	"jeton/internal/oauth"
)

// FamilyState is a family and whom it stands on, both as of now.
type FamilyState struct {
	Family oauth.Family
	User   *identity.User // nil when the client speaks for itself, or the user is gone
}

// Alias finds a family by the hash of a token that is too short to name it.
type Alias struct {
	Hash       []byte // SHA-256 of the token
	Family     int64
	Generation int64
	Kind       int64
	Expires    int64 // unix seconds, 0 = never
}

// Rotation is one conditional write: it happens only while the family's refresh
// secret is still From and the family lives.
type Rotation struct {
	ID      int64
	Org     string
	Client  string
	From    []byte // SHA-256 of the secret presented
	To      []byte // SHA-256 of its successor; nil = the secret stays
	Now     time.Time
	Expires int64   // unix seconds: end of the new access token
	Idle    int64   // unix seconds: end of the new refresh token unless used
	Used    int64   // unix seconds; the old value moves to PrevUsed
	Drop    []int64 // kinds whose aliases of earlier generations go
	Add     []Alias // Family and Generation are filled in where they are 0
}

// familyNames are the columns of a family. What never changes and is never asked
// for is one column, fixed: reading a column costs more than splitting a text.
var familyNames = []string{
	"id", "org", "dialect", "client", "user_id", "created", "expires", "idle", "ends", "used", "prev_used",
	"generation", "secret", "previous", "rotated", "revoked", "fixed", "sid", "offline",
}

var userNames = []string{
	"id", "org", "realm", "canon", "mail", "enabled", "expires", "password", "revoked_before", "version", "body",
}

// columns lists names, each behind prefix.
func columns(prefix string, names []string) string {
	return prefix + strings.Join(names, ", "+prefix)
}

// outerUser lists the columns read of a user who may be missing: what a token can
// depend on. Version 0 is no user. The password stays where it is.
const outerUser = `COALESCE(u.version, 0), COALESCE(u.enabled, 0), COALESCE(u.expires, 0),
 COALESCE(u.revoked_before, 0), COALESCE(u.realm, ''), COALESCE(u.canon, ''), COALESCE(u.mail, ''), COALESCE(u.body, '')`

var (
	// putFamily[i] inserts 1<<i families at once.
	putFamily = inserts(`INSERT INTO family (`+columns("", familyNames)+`) VALUES `, len(familyNames))

	getFamily = `SELECT ` + columns("f.", familyNames) + `, ` + outerUser + ` FROM family f
 LEFT JOIN users u ON u.id = f.user_id AND u.org = f.org WHERE f.id = $1`

	getFamilyByAlias = `SELECT a.generation, a.kind, a.expires, ` + columns("f.", familyNames) + `, ` + outerUser + `
 FROM alias a JOIN family f ON f.id = a.family
 LEFT JOIN users u ON u.id = f.user_id AND u.org = f.org WHERE a.hash = $1`

	listFamilies = `SELECT ` + columns("", familyNames) + ` FROM family WHERE id > $1 AND org = $2
 AND (CAST($3 AS BIGINT) = 0 OR user_id = $3)
 AND (CAST($4 AS TEXT) = '' OR client = $4)
 AND (CAST($5 AS TEXT) = '' OR dialect = $5)
 AND (CAST($6 AS BIGINT) = 0 OR (revoked = 0 AND (ends = 0 OR ends > $7)))
 ORDER BY id LIMIT $8`
)

const (
	rotate = `UPDATE family SET
 secret = $1, previous = CASE WHEN secret = $1 THEN previous ELSE secret END, generation = generation + 1,
 rotated = $2, idle = $3, expires = $4, prev_used = used, used = $5
 WHERE id = $6 AND org = $7 AND client = $8 AND secret = $9 AND revoked = 0
 AND (idle = 0 OR idle > $10) AND (ends = 0 OR ends > $10)
 RETURNING generation`

	putAlias = `INSERT INTO alias (hash, family, generation, kind, expires) VALUES ($1, $2, $3, $4, $5)
 ON CONFLICT (hash) DO NOTHING`
	dropAliases  = `DELETE FROM alias WHERE family = $1 AND kind = $2 AND generation <= $3`
	revokeFamily = `UPDATE family SET revoked = $1 WHERE id = $2 AND org = $3 AND revoked = 0`
	// The refresh token beside a rolling token ends later by as much as the use is later.
	touchFamily = `UPDATE family SET idle = CASE WHEN idle = 0 THEN 0 ELSE idle + $1 - used END, used = $1
 WHERE id = $2 AND generation = $3 AND used < $1 AND revoked = 0`
)

// familyRow is a family as its row has it.
type familyRow struct {
	oauth.Family
	fixed   string
	offline int64
}

func (r *familyRow) dest(to []any) []any {
	return append(to, &r.ID, &r.Org, &r.Dialect, &r.Client, &r.User, &r.Created, &r.Expires, &r.Idle, &r.Ends, &r.Used,
		&r.PrevUsed, &r.Generation, &r.Secret, &r.Previous, &r.Rotated, &r.Revoked, &r.fixed, &r.Session, &r.offline)
}

// pack writes texts one after the other, each behind its length, so that any text
// may stand in one.
func pack(parts []string) string {
	n := 0
	for _, p := range parts {
		n += len(p) + 4
	}
	b := make([]byte, 0, n)
	for _, p := range parts {
		b = append(strconv.AppendInt(b, int64(len(p)), 10), ':')
		b = append(b, p...)
	}
	return string(b)
}

// unpack reads what pack wrote; false when it is something else.
func unpack(text string, parts []string) bool {
	for i := range parts {
		head, rest, ok := strings.Cut(text, ":")
		n, err := strconv.Atoi(head)
		if !ok || err != nil || n < 0 || n > len(rest) {
			return false
		}
		parts[i], text = rest[:n], rest[n:]
	}
	return text == ""
}

// family is the row's family; a row whose fixed column cannot be read is an error.
func (r *familyRow) family() (oauth.Family, error) {
	f := r.Family
	var part [11]string
	if !unpack(r.fixed, part[:9]) && !unpack(r.fixed, part[:]) {
		return f, fmt.Errorf("family %d: its fixed part cannot be read", f.ID)
	}
	f.Subject, f.Scope, f.Audience, f.AMR = part[0], split(part[1]), split(part[2]), split(part[3])
	f.Confirm, f.Note = part[4], part[5]
	f.ACR, f.Claims, f.Offline = part[9], part[10], r.offline != 0
	for i, to := range []*int64{&f.AuthTime, &f.UserSince, &f.ClientSince} {
		n, err := strconv.ParseInt(part[6+i], 10, 64)
		if err != nil {
			return f, fmt.Errorf("family %d: %w", f.ID, err)
		}
		*to = n
	}
	return f, nil
}

func familyArgs(f *oauth.Family) ([]any, error) {
	parts := []string{f.Subject, "", "", "", f.Confirm, f.Note,
		strconv.FormatInt(f.AuthTime, 10), strconv.FormatInt(f.UserSince, 10), strconv.FormatInt(f.ClientSince, 10)}
	for i, list := range [][]string{f.Scope, f.Audience, f.AMR} {
		text, err := join(list)
		if err != nil {
			return nil, err
		}
		parts[1+i] = text
	}
	if f.ACR != "" || f.Claims != "" { // left out elsewhere: most families have neither
		parts = append(parts, f.ACR, f.Claims)
	}
	offline := int64(0)
	if f.Offline {
		offline = 1
	}
	return []any{
		f.ID, f.Org, f.Dialect, f.Client, f.User, f.Created, f.Expires, f.Idle, f.Ends, f.Used, f.PrevUsed,
		f.Generation, blob(f.Secret), blob(f.Previous), f.Rotated, f.Revoked, pack(parts), f.Session, offline,
	}, nil
}

// join makes one text of values that hold no space.
func join(values []string) (string, error) {
	for _, v := range values {
		if v == "" || strings.IndexByte(v, ' ') >= 0 {
			return "", fmt.Errorf("%w: a value of a list is empty or holds a space", ErrText)
		}
	}
	return strings.Join(values, " "), nil
}

func split(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, " ")
}

// PutFamily keeps a new family and the aliases it is found by. A family without a
// handle is given one. ErrExists when the handle is taken: the caller makes
// another, and another token with it.
func (s *Store) PutFamily(ctx context.Context, f *oauth.Family, aliases []Alias) error {
	return s.putFamily(ctx, "put family", f, func(t *tx) error {
		return putAliases(t, f.ID, f.Generation, aliases)
	})
}

// putFamily inserts a family and then does with, in the same transaction.
func (s *Store) putFamily(ctx context.Context, name string, f *oauth.Family, with func(*tx) error) error {
	if f.ID == 0 {
		f.ID = NewHandle(f.Ends)
	}
	args, err := familyArgs(f)
	if err != nil {
		return err
	}
	for _, a := range args { // here, for in a group it would be everybody's
		if text, ok := a.(string); ok && !storable(text) {
			return ErrText
		}
	}
	return s.record(ctx, name, f.ID, &op{row: args, run: with})
}

// putFamilies inserts the families of a batch together: issuing tokens is what a
// busy server does most. Where a handle is taken the batch is undone and each
// operation runs alone, which then says whose it was.
func putFamilies(t *tx, batch []*op) error {
	var with []*op
	for _, o := range batch {
		if o.err = nil; o.row != nil {
			with = append(with, o)
		}
	}
	var args []any
	return grouped(with, t.conn.engine.powers, func(i int, group []*op) error {
		args = args[:0]
		for _, o := range group {
			args = append(args, o.row...)
		}
		n, err := t.exec(putFamily[i], args...)
		switch {
		case err != nil:
			return err
		case n == 0 && len(batch) == 1:
			group[0].err = ErrExists
		case n < int64(len(group)):
			return errPartly
		}
		return nil
	})
}

// grouped hands on values in groups of a power of two, so that few statements
// serve every number; sizes is how many powers there are.
func grouped[T any](values []T, sizes int, each func(i int, group []T) error) error {
	for len(values) > 0 {
		i := min(bits.Len(uint(len(values))), sizes) - 1
		if err := each(i, values[:1<<i]); err != nil {
			return err
		}
		values = values[1<<i:]
	}
	return nil
}

// maxPowers: one statement inserts up to 64 rows.
const maxPowers = 7

// inserts makes statements that insert 1, 2, 4 … rows of so many columns behind
// head. A row whose id is taken changes nothing.
func inserts(head string, columns int) []string {
	out := make([]string, maxPowers)
	for i := range out {
		var b strings.Builder
		b.WriteString(head)
		for row := range 1 << i {
			if row > 0 {
				b.WriteString(", ")
			}
			for col := range columns {
				sep := ", "
				if col == 0 {
					sep = "("
				}
				fmt.Fprintf(&b, "%s$%d", sep, row*columns+col+1)
			}
			b.WriteByte(')')
		}
		b.WriteString(` ON CONFLICT (id) DO NOTHING`)
		out[i] = b.String()
	}
	return out
}

func putAliases(t *tx, family, generation int64, aliases []Alias) error {
	for _, a := range aliases {
		if a.Family != 0 && a.Family != family {
			return fmt.Errorf("alias of family %d among those of %d", a.Family, family)
		}
		g := a.Generation
		if g == 0 {
			g = generation
		}
		n, err := t.exec(putAlias, a.Hash, family, g, a.Kind, a.Expires)
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrExists
		}
	}
	return nil
}

// Family finds a family with the user it speaks for. ErrNotFound when there is
// none; whether it is revoked or has ended is the caller's to see.
func (s *Store) Family(ctx context.Context, id int64) (FamilyState, error) {
	var state FamilyState
	err := s.read(ctx, "family", func(t *tx) (err error) {
		state, err = s.readState(t, getFamily, []any{id}, nil)
		return err
	})
	return state, err
}

// FamilyByAlias finds a family by the hash of a short token, and the alias that
// led there. ErrNotFound when there is none.
func (s *Store) FamilyByAlias(ctx context.Context, hash []byte) (FamilyState, Alias, error) {
	var state FamilyState
	a := Alias{Hash: hash}
	err := s.read(ctx, "family by alias", func(t *tx) (err error) {
		state, err = s.readState(t, getFamilyByAlias, []any{hash}, []any{&a.Generation, &a.Kind, &a.Expires})
		return err
	})
	if err != nil {
		return FamilyState{}, Alias{}, err
	}
	a.Family = state.Family.ID
	return state, a, nil
}

// readState scans dest, then a family, then its user.
func (s *Store) readState(t *tx, query string, args, dest []any) (FamilyState, error) {
	var f familyRow
	var u userRow
	if err := found(t.row(query, args, u.outer(f.dest(dest))...)); err != nil {
		return FamilyState{}, err
	}
	family, err := f.family()
	if err != nil {
		return FamilyState{}, err
	}
	user, err := s.bodies.outer(&u, f.User, f.Org)
	return FamilyState{Family: family, User: user}, err
}

// Rotate moves a family to its next generation, which it returns. ErrNotFound when
// From is no longer its secret, it is another client's, or it is revoked or over.
// Of any number of callers with one secret one wins.
func (s *Store) Rotate(ctx context.Context, r Rotation) (generation int64, err error) {
	if len(r.From) == 0 {
		return 0, ErrNotFound
	}
	to := r.To
	if len(to) == 0 {
		to = r.From
	}
	args := []any{to, r.Now.UnixMilli(), r.Idle, r.Expires, r.Used, r.ID, r.Org, r.Client, r.From, r.Now.Unix()}
	err = s.write(ctx, "rotate", r.ID, func(t *tx) error {
		if err := found(t.change(rotate, args, &generation)); err != nil {
			return err
		}
		for _, kind := range r.Drop {
			if _, err := t.exec(dropAliases, r.ID, kind, generation-1); err != nil {
				return err
			}
		}
		return putAliases(t, r.ID, generation, r.Add)
	})
	return generation, err
}

// RevokeFamily ends a family for good. It keeps the time of the first revocation
// and reports whether this was it.
func (s *Store) RevokeFamily(ctx context.Context, org string, id, nowMilli int64) (bool, error) {
	var n int64
	err := s.write(ctx, "revoke family", id, func(t *tx) (err error) {
		n, err = t.exec(revokeFamily, max(nowMilli, 1), id, org)
		return err
	})
	return n > 0 && err == nil, err
}

// Touch notes that a rolling token of this generation was used at used (unix
// seconds). An older time, another generation or a revoked family change nothing.
func (s *Store) Touch(ctx context.Context, id, generation, used int64) error {
	return s.prepare(ctx, "touch", id, func(t *tx) error {
		_, err := t.exec(touchFamily, used, id, generation)
		return err
	})
}

// FamilyFilter chooses families; an empty field asks for nothing.
type FamilyFilter struct {
	User            int64
	Client, Dialect string
	Live            bool // neither revoked nor ended
}

// ListFamilies gives families of an organization by handle, after the handle
// after: those that end first come first. It may read many rows to find few.
func (s *Store) ListFamilies(ctx context.Context, org string, f FamilyFilter, after int64, limit int) ([]oauth.Family, error) {
	now := s.unix()
	live := int64(0)
	if f.Live { // what ended in an earlier hour is one range of keys
		live, after = 1, max(after, hour(now)<<sequenceBits-1)
	}
	args := []any{after, org, f.User, f.Client, f.Dialect, live, now, bounded(limit)}
	var out []oauth.Family
	err := s.list(ctx, "list families", func(t *tx) error {
		out = nil
		return t.rows(listFamilies, args, func(scan func(...any) error) error {
			var r familyRow
			if err := scan(r.dest(nil)...); err != nil {
				return err
			}
			f, err := r.family()
			out = append(out, f)
			return err
		})
	})
	return out, err
}
