package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"jeton/internal/store/postgres"
	"jeton/internal/store/sqlite"
)

// engine is all that differs between the two databases.
type engine struct {
	writes, reads *sql.DB
	ddl           *strings.Replacer // words of migrations that differ
	begin         string
	lock          string // keeps other processes out of a migration; "" = begin does
	tables        string // how many tables of a name there are
	powers        int    // statements insert 1, 2 … 1<<(powers-1) rows at once

	// wait bounds one transaction. 0: statements run without a context, for they
	// end by themselves and SQLite's driver pays a goroutine for each it watches.
	wait time.Duration

	unique      func(error) bool // a row with this key is there
	again       func(error) bool // the same operation may succeed when run again
	broken      func(error) bool // the connection is of no more use
	unavailable func(error) bool // may pass without a change of ours
}

// connect opens the engine dsn asks for.
func connect(ctx context.Context, dsn string, o Options) (*engine, Options, error) {
	switch {
	case dsn == "":
		return nil, o, errors.New("store: no database named: give a path or a postgres:// URL")
	case strings.HasPrefix(dsn, "postgres://"), strings.HasPrefix(dsn, "postgresql://"):
		return connectPostgres(ctx, dsn, o.withDefaults(8, 4))
	case strings.Contains(dsn, "://"):
		scheme, _, _ := strings.Cut(dsn, "://")
		return nil, o, fmt.Errorf("store: unknown kind of database %q: give a path or a postgres:// URL", scheme)
	}
	o.MaxWriters = 1
	return connectSQLite(ctx, dsn, o.withDefaults(defaultReaders(), 1))
}

func connectSQLite(ctx context.Context, path string, o Options) (*engine, Options, error) {
	write, read, err := sqlite.Open(ctx, path, o.Relaxed)
	if err != nil {
		return nil, o, fmt.Errorf("store: %w", err)
	}
	never := func(error) bool { return false }
	return &engine{
		writes: write, reads: read,
		ddl:    strings.NewReplacer("BIGKEY", "INTEGER PRIMARY KEY", "BYTES", "BLOB", "CLUSTERED", "WITHOUT ROWID"),
		begin:  "BEGIN IMMEDIATE",
		powers: 1, // no round trips to save, and its driver's binding is quadratic
		tables: "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = $1",
		unique: sqlite.Unique, again: never, broken: never, unavailable: sqlite.Unavailable,
	}, o, nil
}

func connectPostgres(ctx context.Context, dsn string, o Options) (*engine, Options, error) {
	write, read, err := postgres.Open(ctx, dsn, o.MaxWriters, o.MaxReaders, o.Relaxed)
	if err != nil {
		return nil, o, fmt.Errorf("store: %w", err)
	}
	return &engine{
		writes: write, reads: read,
		ddl:    strings.NewReplacer("BIGKEY", "BIGINT PRIMARY KEY", "BYTES", "BYTEA", "CLUSTERED", ""),
		begin:  "BEGIN",
		powers: maxPowers,
		lock:   "SELECT pg_advisory_xact_lock(7236842301)",
		tables: "SELECT COUNT(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = $1",
		wait:   10 * time.Second,
		unique: postgres.Unique, unavailable: postgres.Unavailable, broken: postgres.Broken,
		again: func(err error) bool { return postgres.Conflict(err) || postgres.Broken(err) },
	}, o, nil
}

// shared reports that reading and writing have one connection between them.
func (e *engine) shared() bool { return e.writes == e.reads }

func (e *engine) close() error {
	if e.shared() {
		return e.writes.Close()
	}
	return errors.Join(e.reads.Close(), e.writes.Close())
}

// limited gives the context the statements of one transaction run under. It is
// not the caller's: a client that goes away would cost a PostgreSQL connection,
// and what it asked for ends soon by itself.
func (e *engine) limited() (context.Context, context.CancelFunc) {
	if e.wait == 0 {
		return context.Background(), func() {}
	}
	return context.WithTimeout(context.Background(), e.wait)
}

// conn is one connection with the statements prepared on it. It opens when it is
// first used, and again after it broke.
type conn struct {
	engine *engine
	db     *sql.DB
	c      *sql.Conn
	stmts  map[string]*sql.Stmt
}

func (c *conn) open(ctx context.Context) error {
	if c.c != nil {
		return nil
	}
	got, err := c.db.Conn(ctx)
	if err != nil {
		return err
	}
	c.c, c.stmts = got, make(map[string]*sql.Stmt)
	return nil
}

// prepared gives the statement, prepared once for each connection.
func (c *conn) prepared(ctx context.Context, query string) (*sql.Stmt, error) {
	if s, ok := c.stmts[query]; ok {
		return s, nil
	}
	if err := c.open(ctx); err != nil {
		return nil, err
	}
	s, err := c.c.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	c.stmts[query] = s
	return s, nil
}

// checked drops the connection when err says that it broke.
func (c *conn) checked(err error) error {
	if err != nil && c.engine.broken(err) {
		c.drop()
	}
	return err
}

// drop closes the connection itself: closing a *sql.Conn only hands it back.
func (c *conn) drop() {
	if c.c == nil {
		return
	}
	// The error is the one returned here: it makes database/sql forget the connection.
	_ = c.c.Raw(func(any) error { return driver.ErrBadConn })
	_ = c.c.Close()
	c.c, c.stmts = nil, nil
}

// close hands the connection back to its *sql.DB, which is about to be closed.
func (c *conn) close() {
	if c.c == nil {
		return
	}
	for _, s := range c.stmts {
		_ = s.Close()
	}
	_ = c.c.Close()
	c.c, c.stmts = nil, nil
}

// pool is a fixed number of connections. Nobody who holds one asks for another.
type pool struct {
	free chan *conn
	gone chan struct{}
	once sync.Once
}

func newPool(e *engine, db *sql.DB, n int) *pool {
	p := &pool{free: make(chan *conn, n), gone: make(chan struct{})}
	for range n {
		p.free <- &conn{engine: e, db: db}
	}
	return p
}

// take waits for a free connection, no longer than takeWait.
func (p *pool) take(ctx context.Context) (*conn, error) {
	select {
	case <-p.gone:
		return nil, unavailable(errClosed)
	default:
	}
	select {
	case c := <-p.free:
		return c, nil
	default:
	}
	t := time.NewTimer(takeWait)
	defer t.Stop()
	select {
	case c := <-p.free:
		return c, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-p.gone:
		return nil, unavailable(errClosed)
	case <-t.C:
		return nil, unavailable(errTake)
	}
}

func (p *pool) put(c *conn) { p.free <- c }

// close waits for every connection to come back.
func (p *pool) close() {
	p.once.Do(func() {
		close(p.gone)
		for range cap(p.free) {
			(<-p.free).close()
		}
	})
}

// tx is what a verb works with: the connection it has for the moment, and what
// came of its statements.
type tx struct {
	conn    *conn
	ctx     context.Context
	count   uint64 // statements
	changed int64  // rows the present operation changed
	failed  error  // the first error of SQL itself; the transaction is lost
	after   []func()
}

// exec runs a statement that changes rows and says how many it changed.
func (t *tx) exec(query string, args ...any) (int64, error) {
	s, err := t.prepare(query, args)
	if err != nil {
		return 0, err
	}
	r, err := s.ExecContext(t.ctx, args...)
	if err != nil {
		return 0, t.fail(err)
	}
	n, err := r.RowsAffected()
	if err != nil {
		return 0, t.fail(err)
	}
	t.changed += n
	return n, nil
}

// change runs a statement with RETURNING; false when it changed no row.
func (t *tx) change(query string, args []any, dest ...any) (bool, error) {
	found, err := t.row(query, args, dest...)
	if found {
		t.changed++
	}
	return found, err
}

// row reads one row; false when there is none.
func (t *tx) row(query string, args []any, dest ...any) (bool, error) {
	s, err := t.prepare(query, args)
	if err != nil {
		return false, err
	}
	err = s.QueryRowContext(t.ctx, args...).Scan(dest...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, t.fail(err)
	}
	return true, nil
}

// rows reads every row; each is called once for one, to scan it.
func (t *tx) rows(query string, args []any, each func(scan func(...any) error) error) error {
	s, err := t.prepare(query, args)
	if err != nil {
		return err
	}
	rows, err := s.QueryContext(t.ctx, args...)
	if err != nil {
		return t.fail(err)
	}
	for rows.Next() {
		if err := each(rows.Scan); err != nil {
			return errors.Join(err, rows.Close())
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return t.fail(err)
	}
	return nil
}

func (t *tx) prepare(query string, args []any) (*sql.Stmt, error) {
	for _, a := range args {
		if text, ok := a.(string); ok && !storable(text) {
			return nil, ErrText
		}
	}
	t.count++
	s, err := t.conn.prepared(t.ctx, query)
	if err != nil {
		return nil, t.fail(err)
	}
	return s, nil
}

func (t *tx) fail(err error) error {
	if t.failed == nil {
		t.failed = err
	}
	return err
}

// afterwards has f run once the operation is committed.
func (t *tx) afterwards(f func()) { t.after = append(t.after, f) }

// storable reports whether both engines keep s as it is. PostgreSQL has no NUL in
// text; SQLite would take it, and one of the two must not keep what the other
// cannot.
func storable(s string) bool {
	return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0
}

// blob keeps the absence of bytes as NULL.
func blob(b []byte) any {
	if len(b) == 0 {
		return nil
	}
	return b
}

// read runs a verb that reads, on a reading connection. Such a verb may run
// twice: its first try may find the connection broken.
func (s *Store) read(ctx context.Context, name string, run func(*tx) error) error {
	limited, cancel := s.engine.limited()
	defer cancel()
	return s.query(ctx, limited, name, run)
}

// list is read for statements that may take long: the caller's context ends them.
func (s *Store) list(ctx context.Context, name string, run func(*tx) error) error {
	return s.query(ctx, ctx, name, run)
}

func (s *Store) query(ctx, limited context.Context, name string, run func(*tx) error) error {
	c, err := s.readers.take(ctx)
	if err != nil {
		return s.fail(name, err)
	}
	defer s.readers.put(c)
	for try := 0; ; try++ {
		t := tx{conn: c, ctx: limited}
		err := run(&t)
		s.reads.Add(t.count)
		if t.failed == nil || try > 0 || ctx.Err() != nil || !s.engine.broken(t.failed) {
			_ = c.checked(t.failed)
			return s.fail(name, err)
		}
		c.drop()
	}
}
