package store

import "context"

const (
	getMeta     = `SELECT value FROM meta WHERE name = $1`
	putMeta     = `INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value`
	putMetaOnce = `INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING`

	getCounter  = `SELECT value FROM counter WHERE name = $1`
	nextCounter = `INSERT INTO counter (name, value) VALUES ($1, 1)
 ON CONFLICT (name) DO UPDATE SET value = counter.value + 1 RETURNING value`
	// passCounter goes on to a value, or by one where it is there already.
	passCounter = `INSERT INTO counter (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE
 SET value = CASE WHEN counter.value < excluded.value THEN excluded.value ELSE counter.value + 1 END`
	raiseCounter = `INSERT INTO counter (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE
 SET value = CASE WHEN counter.value < excluded.value THEN excluded.value ELSE counter.value END`
)

// Meta is a value of the installation; ErrNotFound when it was never set.
func (s *Store) Meta(ctx context.Context, name string) (string, error) {
	var value string
	err := s.read(ctx, "meta", func(t *tx) error { return found(t.row(getMeta, []any{name}, &value)) })
	return value, err
}

// PutMeta sets a value of the installation.
func (s *Store) PutMeta(ctx context.Context, name, value string) error {
	return s.prepare(ctx, "put meta", 0, func(t *tx) error {
		_, err := t.exec(putMeta, name, value)
		return err
	})
}

// PutMetaOnce sets a value unless there is one, and returns the value there is
// now: of several nodes that start at once all get the same.
func (s *Store) PutMetaOnce(ctx context.Context, name, value string) (string, error) {
	var now string
	err := s.prepare(ctx, "put meta once", 0, func(t *tx) error {
		if _, err := t.exec(putMetaOnce, name, value); err != nil {
			return err
		}
		return found(t.row(getMeta, []any{name}, &now))
	})
	return now, err
}

// NextNumber counts: 1, 2, 3 … for each name. A number is given once and never
// again; some may be left out.
func (s *Store) NextNumber(ctx context.Context, name string) (n int64, err error) {
	err = s.prepare(ctx, "next number", 0, func(t *tx) (err error) {
		n, err = nextNumber(t, numberPrefix+name)
		return err
	})
	return n, err
}

// numberPrefix keeps the counters of callers apart from the store's own.
const numberPrefix = "number:"

func nextNumber(t *tx, name string) (n int64, err error) {
	_, err = t.change(nextCounter, []any{name}, &n)
	return n, err
}
