package store

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"jeton/internal/audit"
)

// event is an audit record on its way into its table.
type event struct {
	record *audit.Record
	id     audit.ID
	values [9]any // the columns between id and body
	body   string
}

// newEvent writes down what the record says now. A record without an outcome
// describes a change that succeeds.
func (s *Store) newEvent(r *audit.Record) (*event, error) {
	if r.At.IsZero() {
		r.At = s.now()
	}
	if r.ID == 0 {
		r.ID = audit.NewID(r.At)
	}
	outcome := r.Outcome
	if outcome == "" {
		outcome = audit.OK
	}
	body, err := json.Marshal(struct {
		*audit.Record
		Outcome audit.Outcome `json:"outcome"`
	}{r, outcome})
	if err != nil {
		return nil, fmt.Errorf("encode event: %w", err)
	}
	return &event{
		record: r, id: r.ID, body: string(body),
		values: [9]any{
			r.At.UnixMilli(), plain(r.Org), plain(r.Event), plain(string(outcome)), plain(r.Code),
			plain(r.Dialect), plain(r.Client), plain(r.User), plain(r.Addr),
		},
	}, nil
}

// plain makes any text storable: no stranger's value may keep an event from being
// stored.
func plain(s string) string {
	if storable(s) {
		return s
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\ufffd"), "\x00", "\ufffd")
}

// stored tells the record that its event is committed.
func (e *event) stored() {
	e.record.ID = e.id
	e.record.MarkStored()
}

func (e *event) args(to []any) []any {
	to = append(to, int64(e.id))
	to = append(to, e.values[:]...)
	return append(to, e.body)
}

// insertEvent[i] inserts 1<<i events at once.
var insertEvent = inserts(
	`INSERT INTO event (id, at, org, event, outcome, code, dialect, client, user_name, addr, body) VALUES `, 11)

// insertEvents stores the records of the operations that changed something.
func insertEvents(t *tx, batch []*op) error {
	var events []*event
	for _, o := range batch {
		if o.event != nil && o.err == nil && o.changed {
			events = append(events, o.event)
		}
	}
	return putEvents(t, events)
}

func putEvents(t *tx, events []*event) error {
	var args []any
	return grouped(events, t.conn.engine.powers, func(i int, group []*event) error {
		args = args[:0]
		for _, e := range group {
			args = e.args(args)
		}
		n, err := t.exec(insertEvent[i], args...)
		if err != nil {
			return fmt.Errorf("audit events: %w", err)
		}
		if n == int64(len(group)) {
			return nil
		}
		for _, e := range group {
			if err := putEvent(t, e); err != nil {
				return fmt.Errorf("audit event: %w", err)
			}
		}
		return nil
	})
}

// putEvent stores one event whose id may be taken: by itself, from before a
// connection broke, or by an event of another node in the same millisecond. Then
// it takes one of the next ids.
func putEvent(t *tx, e *event) error {
	for try := audit.ID(0); try < 64; try++ {
		id := e.id + try
		var body string
		taken, err := t.row(`SELECT body FROM event WHERE id = $1`, []any{int64(id)}, &body)
		if err != nil {
			return err
		}
		if taken && body == e.body {
			e.id = id
			return nil
		}
		if taken {
			continue
		}
		n, err := t.exec(insertEvent[0], (&event{id: id, values: e.values, body: e.body}).args(nil)...)
		if err != nil {
			return err
		}
		if n == 1 {
			e.id = id
			return nil
		}
	}
	return fmt.Errorf("no free id after %s", e.id)
}

// AppendEvents stores records that describe no change of the store, all or none.
// Those stored already are left out.
func (s *Store) AppendEvents(ctx context.Context, records []*audit.Record) error {
	const name = "append events"
	events := make([]*event, 0, len(records))
	for _, r := range records {
		if r == nil || r.Stored() {
			continue
		}
		e, err := s.newEvent(r)
		if err != nil {
			return s.fail(name, err)
		}
		events = append(events, e)
	}
	if len(events) == 0 {
		return nil
	}
	return s.prepare(ctx, name, int64(events[0].id), func(t *tx) error {
		counted := t.count
		defer func() { t.count = counted }()
		t.afterwards(func() {
			for _, e := range events {
				e.stored()
			}
		})
		return putEvents(t, events)
	})
}

// Event finds one event, of whatever organization: the caller compares.
// ErrNotFound when there is none.
func (s *Store) Event(ctx context.Context, id audit.ID) (*audit.Record, error) {
	var body string
	err := s.read(ctx, "event", func(t *tx) error {
		return found(t.row(`SELECT body FROM event WHERE id = $1`, []any{int64(id)}, &body))
	})
	if err != nil {
		return nil, err
	}
	return decodeEvent(id, body)
}

func decodeEvent(id audit.ID, body string) (*audit.Record, error) {
	r := new(audit.Record)
	if err := json.Unmarshal([]byte(body), r); err != nil {
		return nil, fmt.Errorf("store: event %s: %w", id, err)
	}
	r.ID = id
	r.MarkStored()
	return r, nil
}

// EventFilter chooses events; an empty field asks for nothing. Only an empty Org
// gives events of every organization.
type EventFilter struct {
	Org, Client, User, Event, Outcome, Code, Dialect string
	Since                                            int64 // unix seconds
}

const listEvents = `SELECT id, body FROM event WHERE id < $1 AND id >= $2
 AND (CAST($3 AS TEXT) = '' OR org = $3)
 AND (CAST($4 AS TEXT) = '' OR client = $4)
 AND (CAST($5 AS TEXT) = '' OR user_name = $5)
 AND (CAST($6 AS TEXT) = '' OR event = $6)
 AND (CAST($7 AS TEXT) = '' OR outcome = $7)
 AND (CAST($8 AS TEXT) = '' OR code = $8)
 AND (CAST($9 AS TEXT) = '' OR dialect = $9)
 ORDER BY id DESC LIMIT $10`

// ListEvents gives events, newest first, that are older than before (0 = from the
// newest).
func (s *Store) ListEvents(ctx context.Context, f EventFilter, before audit.ID, limit int) ([]*audit.Record, error) {
	if before <= 0 {
		before = math.MaxInt64
	}
	args := []any{
		int64(before), firstEvent(time.Unix(f.Since, 0)), f.Org, f.Client, f.User, f.Event, f.Outcome, f.Code,
		f.Dialect, bounded(limit),
	}
	var out []*audit.Record
	err := s.list(ctx, "list events", func(t *tx) error {
		out = nil
		return t.rows(listEvents, args, func(scan func(...any) error) error {
			var id int64
			var body string
			if err := scan(&id, &body); err != nil {
				return err
			}
			r, err := decodeEvent(audit.ID(id), body)
			out = append(out, r)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// firstEvent is the smallest id an event of that time has.
func firstEvent(at time.Time) int64 {
	return max(0, min(at.UnixMilli(), 1<<42-1)) << 21
}

// defaultLimit is how many rows a list gives when it is not told.
const defaultLimit = 100

func bounded(limit int) int64 {
	if limit <= 0 {
		return defaultLimit
	}
	return int64(limit)
}

// found turns "no row" into ErrNotFound.
func found(ok bool, err error) error {
	if err == nil && !ok {
		return ErrNotFound
	}
	return err
}
