package bench

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"jeton/internal/store/storetest/pg"
)

// Databases a run may be on. A postgres:// URL is one more: its database must be
// empty, and is left as the run leaves it.
const (
	SQLite   = "sqlite"
	Postgres = "postgres"
)

// engine is the kind of database, for goals.
func (o Options) engine() string {
	if o.Store == SQLite {
		return SQLite
	}
	return Postgres
}

// cluster is a PostgreSQL of this run.
type cluster struct {
	server *pg.Server
	count  int
}

// startPostgres starts a server that waits for the disk as one in production does.
func startPostgres() (*cluster, error) {
	s, err := pg.Start("fsync=on", "full_page_writes=on", "shared_buffers=256MB")
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	return &cluster{server: s}, nil
}

func (r *runner) stopPostgres() {
	if r.pg == nil {
		return
	}
	if err := r.pg.server.Stop(); err != nil {
		r.logf("PostgreSQL did not stop: %v", err)
	}
}

// newDatabase makes an empty database; "" stands for a file in the data folder.
func (r *runner) newDatabase(ctx context.Context) (string, error) {
	switch {
	case r.Store == SQLite:
		return "", nil
	case r.pg == nil:
		return r.Store, nil
	}
	db, err := sql.Open("pgx", r.pg.server.URL("postgres"))
	if err != nil {
		return "", fmt.Errorf("bench: %w", err)
	}
	r.pg.count++
	name := fmt.Sprintf("bench%d", r.pg.count)
	_, err = db.ExecContext(ctx, "CREATE DATABASE "+name)
	if err = errors.Join(err, db.Close()); err != nil {
		return "", fmt.Errorf("bench: make a database: %w", err)
	}
	return r.pg.server.URL(name), nil
}

// size is how much disk the database takes, in bytes, once all of it is where it
// belongs.
func size(ctx context.Context, data, database string) (int64, error) {
	if strings.HasPrefix(database, "postgres") {
		return postgresSize(ctx, database)
	}
	if database == "" {
		database = data + "/jeton.db"
	}
	var sum int64
	for _, end := range []string{"", "-wal"} {
		info, err := os.Stat(database + end)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("bench: size: %w", err)
		}
		sum += info.Size()
	}
	return sum, nil
}

func postgresSize(ctx context.Context, url string) (n int64, err error) {
	db, err := sql.Open("pgx", url)
	if err != nil {
		return 0, fmt.Errorf("bench: size: %w", err)
	}
	err = db.QueryRowContext(ctx, "SELECT pg_total_relation_size('family') + pg_total_relation_size('alias')").Scan(&n)
	if err = errors.Join(err, db.Close()); err != nil {
		return 0, fmt.Errorf("bench: size: %w", err)
	}
	return n, nil
}
