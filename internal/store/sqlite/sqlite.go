// Package sqlite opens the SQLite file the store lives in and tells the classes
// of its errors apart. The store alone calls it. It holds no query.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	driver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Memory is the path of a database that lives and dies with its one connection.
const Memory = ":memory:"

// busyTimeout is how long a statement waits for another process's lock, in
// milliseconds.
const busyTimeout = "5000"

// Open opens the file at path, which it makes, with mode 0600 and its folder
// with 0700, when it is not there. A file that others may read is refused.
// Relaxed leaves out every sync to disk: for tests alone.
//
// Of a file, write has one connection and read as many as are asked for; in
// memory both are the same handle, limited to its one connection.
func Open(ctx context.Context, path string, relaxed bool) (write, read *sql.DB, err error) {
	if path == Memory {
		db, err := open("file::memory:", relaxed, false)
		if err != nil {
			return nil, nil, err
		}
		limit(db)
		return db, db, nil
	}
	if err := prepare(path); err != nil {
		return nil, nil, err
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, nil, fmt.Errorf("sqlite: path %s: %w", path, err)
	}
	name := (&url.URL{Scheme: "file", Path: abs}).String()
	if write, err = open(name, relaxed, false); err != nil {
		return nil, nil, err
	}
	limit(write)
	if err := journal(ctx, write); err != nil {
		return nil, nil, errors.Join(err, write.Close())
	}
	if read, err = open(name, relaxed, true); err != nil {
		return nil, nil, errors.Join(err, write.Close())
	}
	return write, read, nil
}

func open(name string, relaxed, readOnly bool) (*sql.DB, error) {
	q := url.Values{"_txlock": {"immediate"}}
	// The timeout first: what follows may have to wait already.
	pragmas := []string{"busy_timeout(" + busyTimeout + ")", "foreign_keys(1)", "temp_store(memory)"}
	if relaxed {
		pragmas = append(pragmas, "synchronous(off)")
	} else {
		pragmas = append(pragmas, "synchronous(full)")
	}
	if readOnly {
		// A megabyte-sized cache misses most reads once there are a million rows.
		pragmas = append(pragmas, "query_only(1)", "cache_size(-5120)")
	}
	q["_pragma"] = pragmas
	db, err := sql.Open("sqlite", name+"?"+q.Encode())
	if err != nil {
		return nil, fmt.Errorf("sqlite: open: %w", err)
	}
	return db, nil
}

// limit keeps one connection for good.
func limit(db *sql.DB) {
	db.SetMaxOpenConns(1)
	db.SetMaxIdleConns(1)
	db.SetConnMaxLifetime(0)
	db.SetConnMaxIdleTime(0)
}

// journal turns on the write-ahead log, which stays with the file. Two processes
// that do so at once get SQLITE_BUSY without the usual waiting, so it is tried
// again until the busy timeout is over.
func journal(ctx context.Context, db *sql.DB) error {
	deadline := time.Now().Add(5 * time.Second)
	for {
		var mode string
		err := db.QueryRowContext(ctx, "PRAGMA journal_mode = wal").Scan(&mode)
		if err == nil && mode != "wal" {
			return fmt.Errorf("sqlite: this file system allows no write-ahead log (journal mode %s)", mode)
		}
		if err == nil {
			return nil
		}
		if !Busy(err) || time.Now().After(deadline) {
			return fmt.Errorf("sqlite: turn on write-ahead log: %w", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// prepare makes the file and its folder, or checks the modes of those there are.
func prepare(path string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("sqlite: make folder: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("sqlite: folder: %w", err)
	}
	// Whoever may write to the folder could put another file in place of ours.
	if info.Mode().Perm()&0o022 != 0 && info.Mode()&fs.ModeSticky == 0 {
		return fmt.Errorf("sqlite: others may write to folder %s (mode %04o): chmod go-w it", dir, info.Mode().Perm())
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		return f.Close()
	}
	if !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("sqlite: make file: %w", err)
	}
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		if err := private(name); err != nil {
			return err
		}
	}
	return nil
}

// private refuses a file that others may read or write.
func private(name string) error {
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("sqlite: file: %w", err)
	}
	if info.IsDir() {
		return fmt.Errorf("sqlite: %s is a folder", name)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("sqlite: others may read or write %s (mode %04o): chmod 600 it", name, info.Mode().Perm())
	}
	return nil
}

// code is SQLite's primary result code, 0 for an error of somebody else.
func code(err error) int {
	if e, ok := errors.AsType[*driver.Error](err); ok {
		return e.Code() & 0xff
	}
	return 0
}

// Busy reports that another process held the lock for too long.
func Busy(err error) bool {
	c := code(err)
	return c == sqlite3.SQLITE_BUSY || c == sqlite3.SQLITE_LOCKED
}

// Unique reports that a row with this key is there already.
func Unique(err error) bool {
	e, ok := errors.AsType[*driver.Error](err)
	return ok && (e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || e.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY ||
		e.Code() == sqlite3.SQLITE_CONSTRAINT_ROWID)
}

// Unavailable reports what may pass without a change of ours: a lock held too
// long, a full disk, a disk that fails.
func Unavailable(err error) bool {
	c := code(err)
	return Busy(err) || c == sqlite3.SQLITE_FULL || c == sqlite3.SQLITE_IOERR || c == sqlite3.SQLITE_CANTOPEN
}
