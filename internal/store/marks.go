package store

import (
	"context"

	"jeton/internal/identity"
)

const (
	putMark = `INSERT INTO mark (key, expires) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET expires = excluded.expires
 WHERE mark.expires <> 0 AND mark.expires <= $3`
	getMark = `SELECT expires FROM mark WHERE key = $1 AND (expires = 0 OR expires > $2)`

	putThrottle = `INSERT INTO throttle (key, failures, until, updated) VALUES ($1, $2, $3, $4)
 ON CONFLICT (key) DO UPDATE SET failures = excluded.failures, until = excluded.until, updated = excluded.updated`
	getThrottle   = `SELECT key, failures, until, updated FROM throttle WHERE key = $1`
	dropThrottle  = `DELETE FROM throttle WHERE key = $1`
	loadThrottles = `SELECT key, failures, until, updated FROM throttle WHERE until > $1 OR updated > $2 ORDER BY key`

	putSetup  = `INSERT INTO setup (hash, expires) VALUES ($1, $2) ON CONFLICT (hash) DO NOTHING`
	takeSetup = `DELETE FROM setup WHERE hash = $1 AND expires > $2`
	hasSetup  = `SELECT COUNT(*) FROM setup WHERE expires > $1`
)

var statelessState = `SELECT (SELECT COUNT(*) FROM mark WHERE key = $1 AND (expires = 0 OR expires > $2)), ` + outerUser + `
 FROM (SELECT 1 AS one) x LEFT JOIN users u ON u.id = $3 AND u.org = $4`

// Mark notes that key is used, until expires (unix seconds, 0 = for good). Of any
// number of callers one is first. A mark that expired counts as none. It is a
// step towards something else: the context's audit record stays unwritten.
func (s *Store) Mark(ctx context.Context, key []byte, expires int64) (first bool, err error) {
	err = s.prepare(ctx, "mark", shardOf(key), func(t *tx) (err error) {
		first, err = s.mark(t, key, expires)
		return err
	})
	return first && err == nil, err
}

// Deny is Mark for a change of its own, the revocation of a token that nothing is
// stored of: the context's audit record is written with it.
func (s *Store) Deny(ctx context.Context, key []byte, expires int64) (first bool, err error) {
	err = s.write(ctx, "deny", shardOf(key), func(t *tx) (err error) {
		first, err = s.mark(t, key, expires)
		return err
	})
	return first && err == nil, err
}

func (s *Store) mark(t *tx, key []byte, expires int64) (bool, error) {
	n, err := t.exec(putMark, key, expires, s.unix())
	return n > 0, err
}

// shardOf spreads keys, which are hashes, over the writers.
func shardOf(key []byte) int64 {
	if len(key) == 0 {
		return 0
	}
	return int64(key[len(key)-1])
}

// Marked reports whether key is noted as used at now (unix seconds).
func (s *Store) Marked(ctx context.Context, key []byte, now int64) (marked bool, err error) {
	err = s.read(ctx, "marked", func(t *tx) (err error) {
		var expires int64
		marked, err = t.row(getMark, []any{key, now}, &expires)
		return err
	})
	return marked && err == nil, err
}

// StatelessState is all a token that nothing is stored of depends on: whether its
// key is denied at now (unix seconds), and its user as of now, nil when there is
// none of that number in the organization.
func (s *Store) StatelessState(ctx context.Context, key []byte, org string, user, now int64) (denied bool, u *identity.User, err error) {
	err = s.read(ctx, "stateless state", func(t *tx) error {
		var marks int64
		var row userRow
		if _, err := t.row(statelessState, []any{key, now, user, org}, row.outer([]any{&marks})...); err != nil {
			return err
		}
		denied = marks > 0
		u, err = s.bodies.outer(&row, user, org)
		return err
	})
	if err != nil {
		return true, nil, err // what cannot be checked is refused
	}
	return denied, u, nil
}

// Throttle is how often something failed of late, and until when it waits.
type Throttle struct {
	Key      string
	Failures int64
	Until    int64 // unix seconds
	Updated  int64 // unix seconds
}

// throttleKept is how long a throttle that waits for nothing is remembered, in
// seconds.
const throttleKept = 24 * 3600

// PutThrottle keeps a throttle, in place of one with the same key.
func (s *Store) PutThrottle(ctx context.Context, key string, failures, until, updated int64) error {
	return s.prepare(ctx, "put throttle", 0, func(t *tx) error {
		_, err := t.exec(putThrottle, key, failures, until, updated)
		return err
	})
}

// Throttle finds a throttle; ErrNotFound when there is none.
func (s *Store) Throttle(ctx context.Context, key string) (Throttle, error) {
	var out Throttle
	err := s.read(ctx, "throttle", func(t *tx) error {
		return found(t.row(getThrottle, []any{key}, &out.Key, &out.Failures, &out.Until, &out.Updated))
	})
	return out, err
}

// DeleteThrottle forgets a throttle, which may be gone already.
func (s *Store) DeleteThrottle(ctx context.Context, key string) error {
	return s.prepare(ctx, "delete throttle", 0, func(t *tx) error {
		_, err := t.exec(dropThrottle, key)
		return err
	})
}

// LoadThrottles gives all that still matter at now (unix seconds): those that
// wait, and those of the last day.
func (s *Store) LoadThrottles(ctx context.Context, now int64) ([]Throttle, error) {
	var out []Throttle
	err := s.list(ctx, "load throttles", func(t *tx) error {
		out = nil
		return t.rows(loadThrottles, []any{now, now - throttleKept}, func(scan func(...any) error) error {
			var r Throttle
			if err := scan(&r.Key, &r.Failures, &r.Until, &r.Updated); err != nil {
				return err
			}
			out = append(out, r)
			return nil
		})
	})
	return out, err
}

// PutSetup keeps the hash of a code that lets its holder make the first owner,
// until expires (unix seconds).
func (s *Store) PutSetup(ctx context.Context, hash []byte, expires int64) error {
	return s.write(ctx, "put setup", 0, func(t *tx) error {
		n, err := t.exec(putSetup, hash, expires)
		if err == nil && n == 0 {
			return ErrExists
		}
		return err
	})
}

// TakeSetup removes the code and reports whether it was there and valid at now
// (unix seconds). One caller wins.
func (s *Store) TakeSetup(ctx context.Context, hash []byte, now int64) (bool, error) {
	var n int64
	err := s.prepare(ctx, "take setup", 0, func(t *tx) (err error) {
		n, err = t.exec(takeSetup, hash, now)
		return err
	})
	return n > 0 && err == nil, err
}

// HasSetup reports whether a code waits to be used.
func (s *Store) HasSetup(ctx context.Context) (bool, error) {
	var n int64
	err := s.read(ctx, "has setup", func(t *tx) error {
		_, err := t.row(hasSetup, []any{s.unix()}, &n)
		return err
	})
	return n > 0, err
}
