package store

import (
	"context"
	"crypto/rand"
	"encoding/binary"

	"jeton/internal/session"
)

// deliveryKept is how long a message that arrived, or never will, can be looked at,
// in seconds.
const deliveryKept = 7 * 24 * 3600

const (
	deliveryColumns = `id, org, kind, client, user_id, state, due, tries, created, updated, result, body`

	putDelivery   = `INSERT INTO delivery (` + deliveryColumns + `) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`
	dueDeliveries = `SELECT ` + deliveryColumns + ` FROM delivery WHERE state = 'waiting' AND due <= $1 ORDER BY due LIMIT $2`
	// Whoever moves the time on has the message until then.
	leaseDelivery  = `UPDATE delivery SET due = $1, tries = tries + 1 WHERE id = $2 AND state = 'waiting' AND due = $3`
	finishDelivery = `UPDATE delivery SET state = $1, due = $2, updated = $3, result = $4 WHERE id = $5 AND state = 'waiting'`
	listDeliveries = `SELECT ` + deliveryColumns + ` FROM delivery WHERE org = $1 AND (CAST($2 AS BIGINT) = 0 OR id < $2)
 AND (CAST($3 AS TEXT) = '' OR client = $3) ORDER BY id DESC LIMIT $4`
	retryDelivery   = `UPDATE delivery SET state = 'waiting', due = $1 WHERE org = $2 AND id = $3 AND state = 'failed'`
	sweepDeliveries = `DELETE FROM delivery WHERE id IN (SELECT id FROM delivery WHERE state <> 'waiting' AND updated <= $1 LIMIT $2)`
)

func scanDelivery(scan func(...any) error) (session.Delivery, error) {
	var d session.Delivery
	err := scan(&d.ID, &d.Org, &d.Kind, &d.Client, &d.User, &d.State, &d.Due, &d.Tries, &d.Created, &d.Updated, &d.Result, &d.Body)
	return d, err
}

// putDeliveryRow queues a message; without a number it is given one that grows with
// time.
func putDeliveryRow(t *tx, d session.Delivery) error {
	if d.ID == 0 {
		var b [4]byte
		_, _ = rand.Read(b[:]) // never fails (crypto/rand)
		d.ID = d.Created<<28 | int64(binary.BigEndian.Uint32(b[:])>>4)
	}
	_, err := t.exec(putDelivery, d.ID, d.Org, d.Kind, d.Client, d.User, d.State, d.Due, d.Tries, d.Created, d.Updated, d.Result, d.Body)
	return err
}

// TakeDeliveries gives messages that are due at now (unix seconds) and keeps others
// from taking them until lease.
func (s *Store) TakeDeliveries(ctx context.Context, now, lease int64, limit int) ([]session.Delivery, error) {
	var due, out []session.Delivery
	err := s.list(ctx, "due deliveries", func(t *tx) error {
		due = nil
		return t.rows(dueDeliveries, []any{now, bounded(limit)}, func(scan func(...any) error) error {
			d, err := scanDelivery(scan)
			due = append(due, d)
			return err
		})
	})
	if err != nil || len(due) == 0 {
		return nil, err
	}
	err = s.prepare(ctx, "take deliveries", 0, func(t *tx) error {
		out = nil
		for _, d := range due {
			n, err := t.exec(leaseDelivery, lease, d.ID, d.Due)
			if err != nil {
				return err
			}
			if n > 0 {
				d.Tries++
				out = append(out, d)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// FinishDelivery notes what came of a try: done, failed for good, or waiting until
// due (unix seconds).
func (s *Store) FinishDelivery(ctx context.Context, id int64, state string, due int64, result string) error {
	return s.prepare(ctx, "finish delivery", id, func(t *tx) error {
		_, err := t.exec(finishDelivery, state, due, s.unix(), result, id)
		return err
	})
}

// ListDeliveries gives messages of an organization, the newest first, before the
// number before (0 = from the newest).
func (s *Store) ListDeliveries(ctx context.Context, org, client string, before int64, limit int) ([]session.Delivery, error) {
	var out []session.Delivery
	err := s.list(ctx, "list deliveries", func(t *tx) error {
		out = nil
		return t.rows(listDeliveries, []any{org, before, client, bounded(limit)}, func(scan func(...any) error) error {
			d, err := scanDelivery(scan)
			out = append(out, d)
			return err
		})
	})
	return out, err
}

// RetryDelivery sends a message again that was given up; ErrNotFound when there is
// no such one.
func (s *Store) RetryDelivery(ctx context.Context, org string, id int64) error {
	return s.write(ctx, "retry delivery", id, func(t *tx) error {
		n, err := t.exec(retryDelivery, s.unix(), org, id)
		if err == nil && n == 0 {
			return ErrNotFound
		}
		return err
	})
}
