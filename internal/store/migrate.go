package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migration is one step of the schema. Its file begins with "-- needs: N": the
// oldest schema whose programs still work with the database after it. So an old
// and a new version may run side by side where the step allows it.
type migration struct {
	version    int64
	needs      int64
	name       string
	statements []string
}

const createMigration = `CREATE TABLE migration (
  version BIGKEY,
  needs   BIGINT NOT NULL,
  name    TEXT NOT NULL,
  applied BIGINT NOT NULL
)`

// migrate brings the schema up to date, each step in a transaction of its own.
// Of several processes that start at once one takes each step, the others wait
// and find it done.
func (s *Store) migrate(ctx context.Context, p *pool) error {
	steps, err := loadMigrations()
	if err != nil {
		return err
	}
	c, err := p.take(ctx)
	if err != nil {
		return err
	}
	defer p.put(c)
	for i := range steps {
		if err := s.step(ctx, c, &steps[i], steps[len(steps)-1].version); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) step(ctx context.Context, c *conn, m *migration, newest int64) error {
	t := tx{conn: c, ctx: ctx}
	if _, err := t.exec(s.engine.begin); err != nil {
		return c.checked(err)
	}
	err := s.apply(&t, m, newest)
	if err == nil {
		_, err = t.exec("COMMIT")
	}
	if err == nil {
		return nil
	}
	if c.c != nil {
		_, undo := c.c.ExecContext(ctx, "ROLLBACK")
		err = errors.Join(err, undo)
	}
	return fmt.Errorf("step %s: %w", m.name, err)
}

// apply takes one step unless it is taken already.
func (s *Store) apply(t *tx, m *migration, newest int64) error {
	if s.engine.lock != "" {
		if _, err := t.conn.c.ExecContext(t.ctx, s.engine.lock); err != nil {
			return err
		}
	}
	if err := s.prepareMigrations(t); err != nil {
		return err
	}
	var applied, needs int64
	const state = `SELECT COUNT(CASE WHEN version = $1 THEN 1 END), COALESCE(MAX(needs), 0) FROM migration`
	if _, err := t.row(state, []any{m.version}, &applied, &needs); err != nil {
		return err
	}
	if needs > newest {
		return fmt.Errorf("the database needs a program of schema %d or later, this one knows %d", needs, newest)
	}
	if applied > 0 {
		return nil
	}
	for _, q := range m.statements {
		if _, err := t.conn.c.ExecContext(t.ctx, s.engine.ddl.Replace(q)); err != nil {
			return err
		}
	}
	_, err := t.exec(`INSERT INTO migration (version, needs, name, applied) VALUES ($1, $2, $3, $4)`,
		m.version, m.needs, m.name, s.unix())
	return err
}

func (s *Store) prepareMigrations(t *tx) error {
	var n int64
	if _, err := t.row(s.engine.tables, []any{"migration"}, &n); err != nil || n > 0 {
		return err
	}
	_, err := t.conn.c.ExecContext(t.ctx, s.engine.ddl.Replace(createMigration))
	return err
}

// loadMigrations reads the steps in order; their numbers are their order.
func loadMigrations() ([]migration, error) {
	entries, err := migrations.ReadDir("migrations")
	if err != nil {
		return nil, err
	}
	steps := make([]migration, 0, len(entries))
	for i, e := range entries {
		text, err := migrations.ReadFile("migrations/" + e.Name())
		if err != nil {
			return nil, err
		}
		m, err := parseMigration(e.Name(), string(text))
		if err != nil {
			return nil, err
		}
		if m.version != int64(i+1) {
			return nil, fmt.Errorf("migration %s is out of order", e.Name())
		}
		steps = append(steps, m)
	}
	return steps, nil
}

func parseMigration(name, text string) (migration, error) {
	number, _, _ := strings.Cut(name, "_")
	version, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return migration{}, fmt.Errorf("migration %s has no number", name)
	}
	first, rest, _ := strings.Cut(text, "\n")
	needs, err := strconv.ParseInt(strings.TrimPrefix(first, "-- needs: "), 10, 64)
	if err != nil {
		return migration{}, fmt.Errorf("migration %s does not begin with -- needs: N", name)
	}
	m := migration{version: version, needs: needs, name: strings.TrimSuffix(name, ".sql")}
	for q := range strings.SplitSeq(withoutComments(rest), ";") {
		if q = strings.TrimSpace(q); q != "" {
			m.statements = append(m.statements, q)
		}
	}
	return m, nil
}

func withoutComments(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(strings.TrimSpace(line), "--") {
			b.WriteString(line)
		}
	}
	return b.String()
}
