// Package postgres opens the PostgreSQL database the store lives in and tells
// the classes of its errors apart. The store alone calls it. It holds no query of
// the store's. PostgreSQL 15 and later.
package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// connectTimeout bounds the wait for a server that does not answer.
const connectTimeout = 3 * time.Second

// oldest is the first server version supported (server_version_num).
const oldest = 150000

// Open makes the two pools for a postgres:// URL: one for writers, one for
// readers, each of a fixed size. It connects once, to find a wrong address or an
// old server now. Relaxed answers before a commit is on disk: for tests alone.
// No error holds the URL, which may hold a password.
func Open(ctx context.Context, dsn string, writers, readers int, relaxed bool) (write, read *sql.DB, err error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, nil, errors.New("postgres: the URL of the database is not valid")
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "jeton"
	}
	after := stdlib.OptionAfterConnect(func(ctx context.Context, c *pgx.Conn) error {
		if _, err := c.Exec(ctx, planned); err != nil {
			return err
		}
		return durable(ctx, c, relaxed)
	})
	write = pool(*config, writers, after)
	if err := check(ctx, write); err != nil {
		return nil, nil, errors.Join(err, write.Close())
	}
	return write, pool(*config, readers, after), nil
}

func pool(config pgx.ConnConfig, size int, o stdlib.OptionOpenDB) *sql.DB {
	db := stdlib.OpenDB(config, o)
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	return db
}

// planned keeps the planner from bitmap scans. Every statement of the store walks
// an index in its order and stops early; on a table that grew since its last
// ANALYZE the planner would rather collect and sort the whole range.
const planned = "SET enable_bitmapscan = off"

// durable makes a commit wait for the disk even where the server's default does
// not: an answer of success is sent only after the change is durable. A stronger
// default (remote_apply) stays.
func durable(ctx context.Context, c *pgx.Conn, relaxed bool) error {
	if relaxed {
		_, err := c.Exec(ctx, "SET synchronous_commit = off")
		return err
	}
	var level string
	if err := c.QueryRow(ctx, "SHOW synchronous_commit").Scan(&level); err != nil {
		return err
	}
	if level != "off" {
		return nil
	}
	_, err := c.Exec(ctx, "SET synchronous_commit = on")
	return err
}

func check(ctx context.Context, db *sql.DB) error {
	var version int
	err := db.QueryRowContext(ctx, "SELECT CAST(current_setting('server_version_num') AS INTEGER)").Scan(&version)
	if err != nil {
		return fmt.Errorf("postgres: connect: %w", err)
	}
	if version < oldest {
		return fmt.Errorf("postgres: server version %d is too old: 15 is the first supported", version/10000)
	}
	var encoding string
	if err := db.QueryRowContext(ctx, "SHOW server_encoding").Scan(&encoding); err != nil {
		return fmt.Errorf("postgres: server encoding: %w", err)
	}
	if encoding != "UTF8" {
		return fmt.Errorf("postgres: the database has encoding %s: make it with UTF8", encoding)
	}
	return nil
}

// code is the SQLSTATE of an error, "" for one that is not the server's.
func code(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}

// Unique reports that a row with this key is there already.
func Unique(err error) bool { return code(err) == "23505" }

// Conflict reports that another transaction was in the way and that the same
// operation may succeed when run again: serialization failure, deadlock.
func Conflict(err error) bool {
	c := code(err)
	return c == "40001" || c == "40P01"
}

// Broken reports that the connection cannot be used any more: it ended, the
// server stops or has just failed over, or its prepared statements are of an
// older schema.
func Broken(err error) bool {
	if err == nil {
		return false
	}
	c := code(err)
	if c == "" {
		return true // not the server's word: the connection's
	}
	return strings.HasPrefix(c, "08") || strings.HasPrefix(c, "57P") || c == "0A000" || c == "26000" ||
		c == "25006" // read-only: this server is a standby now
}

// Unavailable reports what may pass without a change of ours: no connection, a
// server that stops, a full disk, a statement that took too long.
func Unavailable(err error) bool {
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	if _, ok := errors.AsType[net.Error](err); ok || pgconn.Timeout(err) || pgconn.SafeToRetry(err) {
		return true
	}
	for _, ended := range []error{driver.ErrBadConn, sql.ErrConnDone, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed} {
		if errors.Is(err, ended) {
			return true
		}
	}
	c := code(err)
	return strings.HasPrefix(c, "08") || strings.HasPrefix(c, "57") || strings.HasPrefix(c, "53") || Conflict(err) || c == "25006"
}
