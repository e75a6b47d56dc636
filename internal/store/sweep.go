package store

import (
	"context"
	"math"
	"sync"
	"time"

	"jeton/internal/audit"
)

// sweepState is where the walks of Sweep stand. A walk that goes on where it
// stopped does not read again the dead entries it left behind, which would make
// range deletes on PostgreSQL slower with every step.
type sweepState struct {
	sync.Mutex
	ended int64  // families up to here are gone in this walk
	event int64  // events up to here are gone in this walk
	never int64  // families without an end seen up to here
	alias []byte // aliases seen up to here
}

const (
	// Without an upper bound: with one, a planner that has no statistics yet sorts
	// the whole range to find its first rows.
	familyStep = `SELECT id FROM family WHERE id > $1 ORDER BY id LIMIT 1 OFFSET $2`
	dropFamily = `DELETE FROM family WHERE id > $1 AND id <= $2`
	dropNames  = `DELETE FROM alias WHERE family > $1 AND family <= $2`

	eventStep = `SELECT id FROM event WHERE id > $1 ORDER BY id LIMIT 1 OFFSET $2`
	dropEvent = `DELETE FROM event WHERE id > $1 AND id <= $2`

	sweepMarks     = `DELETE FROM mark WHERE key IN (SELECT key FROM mark WHERE expires > 0 AND expires <= $1 ORDER BY expires LIMIT $2)`
	sweepThrottles = `DELETE FROM throttle WHERE key IN
 (SELECT key FROM throttle WHERE until <= $1 AND updated <= $2 LIMIT $3)`
	sweepSetup = `DELETE FROM setup WHERE expires <= $1`

	// A family without an end is over when it was revoked, or when neither of its
	// tokens can be used any more. A rolling token (used > 0) whose refresh token is
	// over for that long has not been used for longer still.
	overFamilies = `SELECT id, CASE WHEN (revoked > 0 AND revoked < $3)
 OR (expires > 0 AND expires < $4 AND (secret IS NULL OR (idle > 0 AND idle < $4)))
 OR (used > 0 AND idle > 0 AND idle < $4) THEN 1 ELSE 0 END
 FROM family WHERE id > $1 ORDER BY id LIMIT $2`
	dropOneFamily = `DELETE FROM family WHERE id = $1`
	dropItsNames  = `DELETE FROM alias WHERE family = $1`

	someAliases  = `SELECT hash, expires FROM alias WHERE hash > $1 ORDER BY hash LIMIT $2`
	dropOneAlias = `DELETE FROM alias WHERE hash = $1 AND expires > 0 AND expires <= $2`

	familiesOfOrg = `SELECT id FROM family WHERE id > $1 AND org = $2 AND created <= $3 ORDER BY id LIMIT $4`
	eventsOfOrg   = `SELECT id FROM event WHERE id > $1 AND at <= $2 AND org = $3 AND id <> $4 ORDER BY id LIMIT $5`
	dropOneEvent  = `DELETE FROM event WHERE id = $1`
)

// goneFor is how long a revoked or unused family without an end is kept, in
// seconds: long enough for its replays to be seen as such.
const goneFor = 24 * 3600

// lastKey is the end of a range that has none.
const lastKey = math.MaxInt64

// Sweep removes what is over: families whose last hour has passed and their
// aliases, expired aliases, marks, throttles and setup codes, and events older
// than retention (0 = events are kept). One call takes at most one step of limit
// rows for each of these, each an operation of its own among the others; more
// says that another call would find more to remove.
func (s *Store) Sweep(ctx context.Context, now time.Time, retention time.Duration, limit int) (removed int, more bool, err error) {
	s.sweep.Lock()
	defer s.sweep.Unlock()
	step := bounded(limit)
	for _, sweep := range []func(context.Context, time.Time, time.Duration, int64) (int64, bool, error){
		s.sweepFamilies, s.sweepOver, s.sweepAliases, s.sweepMarks, s.sweepSmall, s.sweepBrowser, s.sweepEvents,
	} {
		n, again, err := sweep(ctx, now, retention, step)
		removed += int(n)
		more = more || again
		if err != nil {
			return removed, more, err
		}
	}
	return removed, more, nil
}

// sweepFamilies removes the next step of families that ended in an earlier hour:
// one range of keys.
func (s *Store) sweepFamilies(ctx context.Context, now time.Time, _ time.Duration, step int64) (int64, bool, error) {
	end := hour(now.Unix()) << sequenceBits
	return s.sweepRange(ctx, "sweep families", &s.sweep.ended, end, step, familyStep, dropFamily, dropNames)
}

func (s *Store) sweepEvents(ctx context.Context, now time.Time, retention time.Duration, step int64) (int64, bool, error) {
	if retention <= 0 {
		return 0, false, nil
	}
	end := firstEvent(now.Add(-retention))
	return s.sweepRange(ctx, "sweep events", &s.sweep.event, end, step, eventStep, dropEvent)
}

// sweepRange deletes the next step of keys in (*from, end), and moves from.
func (s *Store) sweepRange(ctx context.Context, name string, from *int64, end, step int64, next string, drop ...string) (int64, bool, error) {
	last := int64(lastKey)
	err := s.read(ctx, name, func(t *tx) error {
		_, err := t.row(next, []any{*from, step - 1}, &last)
		return err
	})
	more := last < end
	if last = min(last, end-1); err != nil || last <= *from {
		return 0, false, err
	}
	var n int64
	err = s.prepare(ctx, name, last, func(t *tx) (err error) {
		for i, q := range drop {
			deleted, err := t.exec(q, *from, last)
			if err != nil {
				return err
			}
			if i == 0 {
				n = deleted
			}
		}
		return nil
	})
	if err != nil {
		return 0, false, err
	}
	if *from = last; !more {
		*from = 0 // the next walk begins at the start
	}
	return n, more, nil
}

// sweepOver looks at the next families without an end and removes those that are
// over. It goes round and round, so it never says that there is more.
func (s *Store) sweepOver(ctx context.Context, now time.Time, _ time.Duration, step int64) (int64, bool, error) {
	cut := now.Unix() - goneFor
	from := max(s.sweep.never, int64(lastHour)<<sequenceBits-1)
	var over []int64
	seen := int64(0)
	err := s.read(ctx, "sweep families without end", func(t *tx) error {
		over, seen = nil, 0
		return t.rows(overFamilies, []any{from, step, cut * 1000, cut}, func(scan func(...any) error) error {
			var id, is int64
			err := scan(&id, &is)
			if is != 0 {
				over = append(over, id)
			}
			seen++
			s.sweep.never = id
			return err
		})
	})
	if err != nil {
		return 0, false, err
	}
	if seen < step {
		s.sweep.never = 0
	}
	n, err := s.dropFamilies(ctx, over)
	return n, false, err
}

// dropFamilies removes families and their aliases. A family that is over, or whose
// organization is gone, never comes back to life, so no condition is needed.
func (s *Store) dropFamilies(ctx context.Context, ids []int64) (n int64, err error) {
	if len(ids) == 0 {
		return 0, nil
	}
	err = s.prepare(ctx, "drop families", ids[0], func(t *tx) error {
		n = 0
		for _, id := range ids {
			deleted, err := t.exec(dropOneFamily, id)
			if err != nil {
				return err
			}
			if _, err := t.exec(dropItsNames, id); err != nil {
				return err
			}
			n += deleted
		}
		return nil
	})
	return n, err
}

// sweepAliases looks at the next aliases and removes those that expired; most go
// with their family or with its rotation, before. It goes round and round too.
func (s *Store) sweepAliases(ctx context.Context, now time.Time, _ time.Duration, step int64) (n int64, _ bool, err error) {
	from := s.sweep.alias
	if from == nil {
		from = []byte{}
	}
	var expired [][]byte
	seen := int64(0)
	err = s.read(ctx, "sweep aliases", func(t *tx) error {
		expired, seen = nil, 0
		return t.rows(someAliases, []any{from, step}, func(scan func(...any) error) error {
			var hash []byte
			var expires int64
			err := scan(&hash, &expires)
			if expires > 0 && expires <= now.Unix() {
				expired = append(expired, hash)
			}
			seen++
			s.sweep.alias = hash
			return err
		})
	})
	if err != nil {
		return 0, false, err
	}
	if seen < step {
		s.sweep.alias = nil
	}
	if len(expired) == 0 {
		return 0, false, nil
	}
	err = s.prepare(ctx, "sweep aliases", 0, func(t *tx) error {
		n = 0
		for _, hash := range expired {
			deleted, err := t.exec(dropOneAlias, hash, now.Unix())
			if err != nil {
				return err
			}
			n += deleted
		}
		return nil
	})
	return n, false, err
}

func (s *Store) sweepMarks(ctx context.Context, now time.Time, _ time.Duration, step int64) (n int64, more bool, err error) {
	err = s.prepare(ctx, "sweep marks", 0, func(t *tx) (err error) {
		n, err = t.exec(sweepMarks, now.Unix(), step)
		return err
	})
	return n, n >= step, err
}

// sweepSmall cleans the tables that stay small.
func (s *Store) sweepSmall(ctx context.Context, now time.Time, _ time.Duration, step int64) (n int64, more bool, err error) {
	var throttles int64
	err = s.prepare(ctx, "sweep throttles", 0, func(t *tx) (err error) {
		if throttles, err = t.exec(sweepThrottles, now.Unix(), now.Unix()-throttleKept, step); err != nil {
			return err
		}
		n, err = t.exec(sweepSetup, now.Unix())
		n += throttles
		return err
	})
	return n, throttles >= step, err
}

// purgeStep is how many rows of a deleted organization go in one operation.
const purgeStep = 256

// purgeFamilies removes the families an organization had at before (unix
// milliseconds).
func (s *Store) purgeFamilies(ctx context.Context, org string, before int64) error {
	for from := int64(-1); ; {
		ids, err := s.keys(ctx, familiesOfOrg, from, org, before, int64(purgeStep))
		if err != nil || len(ids) == 0 {
			return err
		}
		if _, err := s.dropFamilies(ctx, ids); err != nil {
			return err
		}
		from = ids[len(ids)-1]
	}
}

// purgeEvents removes the events an organization had at before (unix
// milliseconds), but for one.
func (s *Store) purgeEvents(ctx context.Context, org string, before int64, except audit.ID) error {
	for from := int64(-1); ; {
		ids, err := s.keys(ctx, eventsOfOrg, from, before, org, int64(except), int64(purgeStep))
		if err != nil || len(ids) == 0 {
			return err
		}
		from = ids[len(ids)-1]
		err = s.prepare(ctx, "purge events", 0, func(t *tx) error {
			for _, id := range ids {
				if _, err := t.exec(dropOneEvent, id); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
}

// keys reads one column of numbers.
func (s *Store) keys(ctx context.Context, query string, args ...any) (out []int64, err error) {
	err = s.list(ctx, "keys to purge", func(t *tx) error {
		out = nil
		return t.rows(query, args, func(scan func(...any) error) error {
			var id int64
			err := scan(&id)
			out = append(out, id)
			return err
		})
	})
	return out, err
}
