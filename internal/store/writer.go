package store

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"time"

	"jeton/internal/audit"
)

// maxBatch is how many operations one transaction holds.
const maxBatch = 256

// maxTries is how often an operation runs when others are in its way.
const maxTries = 4

// Where an operation is on its way.
const (
	waiting int32 = iota
	started
	abandoned // by its caller; it never runs
)

// op is one verb's change on its way through a writer.
type op struct {
	row   []any // a family to insert first, together with those of others; nil = none
	run   func(*tx) error
	event *event // nil: nothing to record
	state atomic.Int32
	done  chan error // one answer, after the commit

	err     error
	changed bool
	after   []func()
}

// writer owns one connection's transactions. What is queued is committed in
// groups: one sync to disk for all that waited during the last.
type writer struct {
	store *Store
	pool  *pool
	queue chan *op
}

func (s *Store) startWriter(p *pool, length int) {
	w := &writer{store: s, pool: p, queue: make(chan *op, length)}
	s.writers = append(s.writers, w)
	s.running.Go(w.loop)
}

// write runs a change that the context's audit record describes: both are
// committed or none. Operations of the same shard run in the order they came.
func (s *Store) write(ctx context.Context, name string, shard int64, run func(*tx) error) error {
	return s.record(ctx, name, shard, &op{run: run})
}

// record gives the operation the event of the context's audit record.
func (s *Store) record(ctx context.Context, name string, shard int64, o *op) error {
	if r := audit.From(ctx); r != nil && !r.Stored() {
		e, err := s.newEvent(r)
		if err != nil {
			return s.fail(name, err)
		}
		o.event = e
	}
	return s.submit(ctx, name, shard, o)
}

// prepare runs a change that is only a step towards another: the audit record
// stays with the request, which may yet be refused.
func (s *Store) prepare(ctx context.Context, name string, shard int64, run func(*tx) error) error {
	return s.submit(ctx, name, shard, &op{run: run})
}

func (s *Store) submit(ctx context.Context, name string, shard int64, o *op) error {
	if err := ctx.Err(); err != nil {
		return s.fail(name, err)
	}
	o.done = make(chan error, 1)
	if err := s.enqueue(o, shard); err != nil {
		return s.fail(name, err)
	}
	select {
	case err := <-o.done:
		return s.fail(name, err)
	case <-ctx.Done():
	}
	if o.state.CompareAndSwap(waiting, abandoned) {
		return s.fail(name, ctx.Err())
	}
	// It has begun: whether it happens is the database's to say, so wait.
	return s.fail(name, <-o.done)
}

func (s *Store) enqueue(o *op, shard int64) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return unavailable(errClosed)
	}
	w := s.writers[uint64(shard)%uint64(len(s.writers))]
	select {
	case w.queue <- o:
		return nil
	default:
		return unavailable(errQueue)
	}
}

func (w *writer) loop() {
	batch := make([]*op, 0, maxBatch)
	for o := range w.queue {
		batch = w.gather(append(batch[:0], o))
		if len(batch) > 0 {
			w.commit(batch)
		}
		clear(batch)
	}
}

// maxYields is how often a writer lets others run before it goes with what it has:
// requests that are ready to queue then share this commit. It never waits.
const maxYields = 2

// gather adds what is queued already, without waiting for more, and leaves out
// what its caller gave up.
func (w *writer) gather(batch []*op) []*op {
	for yields := 0; len(batch) < maxBatch; {
		select {
		case o, ok := <-w.queue:
			if !ok {
				return claim(batch)
			}
			batch = append(batch, o)
		default:
			if yields == maxYields {
				return claim(batch)
			}
			yields++
			runtime.Gosched()
		}
	}
	return claim(batch)
}

func claim(batch []*op) []*op {
	kept := batch[:0]
	for _, o := range batch {
		if o.state.CompareAndSwap(waiting, started) {
			kept = append(kept, o)
		}
	}
	return kept
}

// commit runs a batch in one transaction and, where that fails, each of its
// operations in one of its own, so that none suffers for another.
func (w *writer) commit(batch []*op) {
	c := <-w.pool.free
	defer w.pool.put(c)
	if len(batch) > 1 && w.transact(c, batch) == nil {
		answerAll(batch)
		return
	}
	var down error
	for _, o := range batch {
		if down != nil { // no use in waiting for it once more for each
			o.err = down
		} else if err := w.alone(c, o); err != nil {
			o.err = err
			if c.c == nil && w.store.engine.unavailable(err) {
				down = err
			}
		}
		answerAll([]*op{o})
	}
}

// alone runs one operation in a transaction of its own, again when others were in
// its way. A key that is taken is the answer ErrExists.
func (w *writer) alone(c *conn, o *op) error {
	var err error
	for try := range maxTries {
		if try > 0 {
			time.Sleep(time.Duration(try) * 5 * time.Millisecond)
		}
		err = w.transact(c, []*op{o})
		if err == nil || !w.store.engine.again(err) {
			break
		}
	}
	if err != nil && w.store.engine.unique(err) {
		return ErrExists
	}
	return err
}

// errPartly says that an operation refused after something was written, so that
// the transaction must be undone.
var errPartly = errors.New("store: operation left half")

// transact runs the operations in one transaction. An error means that nothing of
// it holds; the operations' own answers are in op.err.
func (w *writer) transact(c *conn, batch []*op) error {
	ctx, cancel := w.store.engine.limited()
	defer cancel()
	t := tx{conn: c, ctx: ctx}
	if _, err := t.exec(w.store.engine.begin); err != nil {
		return c.checked(err)
	}
	t.count = 0
	err := w.runAll(&t, batch)
	w.store.writes.Add(t.count)
	if err == nil {
		err = insertEvents(&t, batch)
	}
	if err == nil {
		_, err = t.exec("COMMIT")
	}
	if err == nil {
		settle(batch)
		return nil
	}
	w.rollback(&t)
	if errors.Is(err, errPartly) && len(batch) == 1 {
		return nil // rolled back, and op.err says why
	}
	return err
}

func (w *writer) runAll(t *tx, batch []*op) error {
	if err := putFamilies(t, batch); err != nil {
		return err
	}
	for _, o := range batch {
		if o.err != nil {
			continue
		}
		t.changed, t.after = 0, nil
		if o.row != nil {
			t.changed = 1
		}
		o.err = o.run(t)
		o.changed, o.after = t.changed > 0, t.after
		switch {
		case t.failed != nil:
			return t.failed
		case o.err != nil && o.changed:
			return errPartly
		}
	}
	return nil
}

// rollback ends the transaction; a connection on which that fails is of no use.
func (w *writer) rollback(t *tx) {
	if t.failed != nil && t.conn.engine.broken(t.failed) {
		t.conn.drop()
		return
	}
	if _, err := t.conn.c.ExecContext(t.ctx, "ROLLBACK"); err != nil {
		t.conn.drop()
	}
}

// settle does what was to be done once the changes hold.
func settle(batch []*op) {
	for _, o := range batch {
		if o.err != nil {
			continue
		}
		for _, f := range o.after {
			f()
		}
		if o.event != nil && o.changed {
			o.event.stored()
		}
	}
}

func answerAll(batch []*op) {
	for _, o := range batch {
		o.done <- o.err
	}
}
