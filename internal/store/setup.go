package store

import "context"

const getSetup = `SELECT COUNT(*) FROM setup WHERE hash = $1 AND expires > $2`

// ValidSetup reports whether the code is there and valid at now (unix seconds). It
// takes nothing: whoever acts on the code calls TakeSetup.
func (s *Store) ValidSetup(ctx context.Context, hash []byte, now int64) (bool, error) {
	var n int64
	err := s.read(ctx, "valid setup", func(t *tx) error {
		_, err := t.row(getSetup, []any{hash, now}, &n)
		return err
	})
	return n > 0 && err == nil, err
}
