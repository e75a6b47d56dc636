// Package store keeps what must outlast a request: families of tokens, users,
// clients, signing keys, marks of what was used, audit events. It holds every SQL
// statement, written once for SQLite and PostgreSQL. The rooms call its verbs
// through small interfaces of their own; server calls Open, Sweep and Close.
//
// One verb is one transaction, and it answers only after the commit. Verbs that
// change something wait in a bounded queue and are committed in groups; a full
// queue, a store that is closed and a database that does not answer are refusals
// (oauth.Unavailable, with RetryAfter), to be retried by the client. The audit
// record of the context (audit.From) is written in the same transaction as the
// change: it must be filled in before the verb is called, is read until the verb
// returns, and is marked as stored. Verbs that only prepare something else (Mark,
// Touch, throttles, meta, counters, SetPassword) leave the record to the verb
// that follows, as does a verb that changed nothing.
//
// No rule of the domain is decided here, no transaction leaves the package, and
// no row of one organization is given to another.
package store

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"jeton/internal/oauth"
)

// The answers of verbs that are no failures. All are to be found with errors.Is.
var (
	ErrNotFound = errors.New("store: not found")
	ErrExists   = errors.New("store: exists already")
	ErrChanged  = errors.New("store: changed meanwhile")
	ErrMany     = errors.New("store: more than one found")
	// ErrText refuses a text no engine may keep: bad UTF-8 or a NUL character.
	ErrText = errors.New("store: text with a NUL character or bad UTF-8")
)

// IsNotFound reports whether err is ErrNotFound.
func (*Store) IsNotFound(err error) bool { return errors.Is(err, ErrNotFound) }

// IsExists reports whether err is ErrExists.
func (*Store) IsExists(err error) bool { return errors.Is(err, ErrExists) }

// IsChanged reports whether err is ErrChanged.
func (*Store) IsChanged(err error) bool { return errors.Is(err, ErrChanged) }

// Options of Open; every zero value is usable.
type Options struct {
	Now         func() time.Time // nil = time.Now
	MaxReaders  int              // connections that read; 0 = 4 on SQLite, 8 on PostgreSQL
	MaxWriters  int              // connections that write on PostgreSQL, 0 = 4; SQLite has one
	QueueLength int              // operations that may wait for one writer, 0 = 1024
	Relaxed     bool             // do not wait for the disk: for tests alone
}

// retryAfter is what a client is told to wait when the store cannot take a request.
const retryAfter = time.Second

// takeWait bounds the wait for a connection to read with.
const takeWait = 3 * time.Second

func (o Options) withDefaults(readers, writers int) Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.MaxReaders <= 0 {
		o.MaxReaders = readers
	}
	if o.MaxWriters <= 0 {
		o.MaxWriters = writers
	}
	if o.QueueLength <= 0 {
		o.QueueLength = 1024
	}
	return o
}

// Store has all the verbs. It is safe for concurrent use.
type Store struct {
	bodies  bodies
	engine  *engine
	now     func() time.Time
	readers *pool
	writers []*writer
	running sync.WaitGroup
	sweep   sweepState

	mu     sync.RWMutex // held shared while an operation is queued, whole to close
	closed bool

	reads, writes atomic.Uint64
}

// Open opens the database dsn names and brings its tables up to date: ":memory:",
// the path of a file, or a postgres:// URL.
func Open(ctx context.Context, dsn string, o Options) (*Store, error) {
	e, o, err := connect(ctx, dsn, o)
	if err != nil {
		return nil, err
	}
	s := &Store{engine: e, now: o.Now}
	s.startReaders(o)
	pools := s.writerPools(o)
	if err := s.migrate(ctx, pools[0]); err != nil {
		s.readers.close()
		return nil, errors.Join(fmt.Errorf("store: migrate: %w", err), e.close())
	}
	for _, p := range pools {
		s.startWriter(p, o.QueueLength)
	}
	return s, nil
}

func (s *Store) startReaders(o Options) {
	n := o.MaxReaders
	if s.engine.shared() {
		n = 1
	}
	s.readers = newPool(s.engine, s.engine.reads, n)
}

// writerPools gives each writer a connection of its own; in memory the one
// connection there is serves both sides, and whoever has it is alone.
func (s *Store) writerPools(o Options) []*pool {
	if s.engine.shared() {
		return []*pool{s.readers}
	}
	pools := make([]*pool, o.MaxWriters)
	for i := range pools {
		pools[i] = newPool(s.engine, s.engine.writes, 1)
	}
	return pools
}

// Close answers what is queued, waits for what is read, and closes the
// connections. Verbs called afterwards are refused.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	for _, w := range s.writers {
		close(w.queue)
	}
	s.mu.Unlock()
	s.running.Wait()
	s.readers.close()
	for _, w := range s.writers {
		w.pool.close()
	}
	return s.engine.close()
}

// Ping reads one row: the database answers.
func (s *Store) Ping(ctx context.Context) error {
	_, err := s.Revision(ctx)
	return err
}

// Statements counts the SQL statements verbs ran so far, on reading and on
// writing connections. Begin, commit and the insert of audit events, which
// operations of a group share, are not counted.
func (s *Store) Statements() (reads, writes uint64) { return s.reads.Load(), s.writes.Load() }

// unix is the time of the store's clock in seconds.
func (s *Store) unix() int64 { return s.now().Unix() }

// fail words an error of verb name: answers stay as they are, what may pass
// becomes a refusal, the rest is our fault and says what was attempted.
func (s *Store) fail(name string, err error) error {
	if err == nil || answer(err) {
		return err
	}
	wrapped := fmt.Errorf("store: %s: %w", name, err)
	if s.engine.unavailable(err) {
		return unavailable(wrapped)
	}
	return wrapped
}

// answer reports whether err is something a verb says rather than a failure.
func answer(err error) bool {
	for _, a := range []error{ErrNotFound, ErrExists, ErrChanged, ErrMany, ErrText} {
		if errors.Is(err, a) {
			return true
		}
	}
	_, refused := errors.AsType[*oauth.Error](err)
	return refused
}

func unavailable(cause error) error {
	e := oauth.Refuse(oauth.Unavailable, "").Because(cause)
	e.RetryAfter = retryAfter
	return e
}

var (
	errQueue  = errors.New("store: queue of the writer is full")
	errClosed = errors.New("store: closed")
	errTake   = errors.New("store: no free connection")
)

// defaultReaders is how many connections read a file: more than the cores there
// are would only wait for each other.
func defaultReaders() int { return max(2, min(4, runtime.GOMAXPROCS(0))) }
