package store

import (
	"context"
	"fmt"
)

// KeyRow is a signing key as it is kept: its private part sealed by its owner.
type KeyRow struct {
	ID                            string
	Org, Purpose, Alg, KID, State string
	Created, Signs, Retires, Ends int64 // unix seconds
	Public                        string
	Sealed                        []byte
	Version                       int64 // raised with every change
}

const (
	keyColumns = `id, org, purpose, alg, kid, state, created, signs, retires, ends, public, sealed, version`
	getKeys    = `SELECT ` + keyColumns + ` FROM signing_key ORDER BY org, purpose, alg, created, id`

	putKey = `INSERT INTO signing_key (` + keyColumns + `)
 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING`

	updateKey = `UPDATE signing_key SET state = $1, signs = $2, retires = $3, ends = $4, public = $5, sealed = $6, version = $7
 WHERE id = $8 AND org = $9 AND version = $10`
	deleteKey = `DELETE FROM signing_key WHERE id = $1`
	hasKey    = `SELECT version FROM signing_key WHERE id = $1 AND org = $2`
)

// Keys gives every signing key of every organization.
func (s *Store) Keys(ctx context.Context) (out []KeyRow, err error) {
	err = s.list(ctx, "keys", func(t *tx) error {
		out = nil
		return t.rows(getKeys, nil, func(scan func(...any) error) error {
			var k KeyRow
			err := scan(&k.ID, &k.Org, &k.Purpose, &k.Alg, &k.KID, &k.State, &k.Created, &k.Signs, &k.Retires, &k.Ends,
				&k.Public, &k.Sealed, &k.Version)
			out = append(out, k)
			return err
		})
	})
	return out, err
}

// PutKey keeps a new key; ErrExists when its ID, or its KID (other than "") for this
// organization, purpose and algorithm, is taken.
func (s *Store) PutKey(ctx context.Context, k *KeyRow) error {
	return s.ChangeKeys(ctx, []*KeyRow{k}, nil, nil)
}

// UpdateKey changes a key that is still at Version, which it raises. ErrChanged
// when it is not, ErrNotFound when there is none.
func (s *Store) UpdateKey(ctx context.Context, k *KeyRow) error {
	return s.ChangeKeys(ctx, nil, []*KeyRow{k}, nil)
}

// DeleteKey removes a key; ErrNotFound when there is none.
func (s *Store) DeleteKey(ctx context.Context, id string) error {
	return s.ChangeKeys(ctx, nil, nil, []string{id})
}

// ChangeKeys changes several keys together or none: updates first, each only if
// the key is still at its Version. So of two nodes that rotate at once one gets
// ErrChanged and reads again. Every change raises the revision.
func (s *Store) ChangeKeys(ctx context.Context, put, update []*KeyRow, remove []string) error {
	return s.write(ctx, "change keys", 0, func(t *tx) error {
		for _, k := range update {
			if err := updateKeyRow(t, k); err != nil {
				return fmt.Errorf("key %s: %w", k.ID, err)
			}
		}
		for _, id := range remove {
			if n, err := t.exec(deleteKey, id); err != nil || n == 0 {
				return fmt.Errorf("key %s: %w", id, found(false, err))
			}
		}
		for _, k := range put {
			if err := putKeyRow(t, k); err != nil {
				return fmt.Errorf("key %s: %w", k.ID, err)
			}
		}
		return raiseRevision(t)
	})
}

func putKeyRow(t *tx, k *KeyRow) error {
	n, err := t.exec(putKey, k.ID, k.Org, k.Purpose, k.Alg, k.KID, k.State, k.Created, k.Signs, k.Retires, k.Ends,
		k.Public, blob(k.Sealed), int64(1))
	if err != nil {
		return err
	}
	if n == 0 {
		return ErrExists
	}
	t.afterwards(func() { k.Version = 1 })
	return nil
}

func updateKeyRow(t *tx, k *KeyRow) error {
	version := k.Version + 1
	n, err := t.exec(updateKey, k.State, k.Signs, k.Retires, k.Ends, k.Public, blob(k.Sealed), version, k.ID, k.Org, k.Version)
	if err != nil {
		return err
	}
	if n == 0 {
		return missed(t, hasKey, k.ID, k.Org)
	}
	t.afterwards(func() { k.Version = version })
	return nil
}
