package bench

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"jeton/internal/hash"
	"jeton/internal/server"
	"jeton/internal/servertest"
	"jeton/internal/store"
	"jeton/internal/store/storetest/pg"
)

var postgres *pg.Server

func TestMain(m *testing.M) { os.Exit(pg.Run(m, func(s *pg.Server) { postgres = s })) }

// cheap is the cost of passwords in tests.
var cheap = hash.Cost{Memory: 64, Passes: 1}

// engines are the databases the server is tested on, each empty.
func engines(t *testing.T, run func(t *testing.T, dsn string)) {
	t.Run(SQLite, func(t *testing.T) { run(t, filepath.Join(t.TempDir(), "jeton.db")) })
	t.Run(Postgres, func(t *testing.T) { run(t, postgres.Database(t)) })
}

// under runs a server with the bench's world on dsn.
func under(t *testing.T, dsn string, o store.Options) (*servertest.Server, *Target) {
	t.Helper()
	o.Relaxed = true
	s := servertest.Start(t, servertest.Options{NoDemo: true, DSN: dsn, Real: true, Change: func(c *server.Config) { c.Store = o }})
	w := NewWorld(NewSeed())
	if err := w.Apply(context.Background(), s.Core.Admin, cheap); err != nil {
		t.Fatal(err)
	}
	target, err := NewTarget(strings.TrimPrefix(s.URL, "http://"), w)
	if err != nil {
		t.Fatal(err)
	}
	return s, target
}

// Each operation, by 64 workers at once, with one connection to read and one to
// write: whoever held one and asked for another would never get it.
func TestNothingLocksUpWithOneDatabaseConnection(t *testing.T) {
	const each = 640
	engines(t, func(t *testing.T, dsn string) {
		s, target := under(t, dsn, store.Options{MaxReaders: 1, MaxWriters: 1})
		for _, o := range Operations() {
			t.Run(o.Name, func(t *testing.T) {
				r, err := o.Drive(target, Load{Conns: 64, Count: each}, nil)
				if err != nil {
					t.Fatal(err)
				}
				if r.Errors != 0 || r.Ops != each {
					t.Errorf("%d of %d done, %d errors, the first: %v", r.Ops, each, r.Errors, r.First)
				}
			})
		}
		if logs := s.Logs.String(); strings.Contains(logs, "SQLITE_BUSY") || strings.Contains(logs, "database is locked") {
			t.Error("the database was busy:\n" + logs)
		}
	})
}

// statements is what a request may ask of the database. Audit events are not
// counted: those of a change are part of its commit, all others are written later.
type statements struct{ reads, writes uint64 }

// cost is what an operation has the database do when its audit records are
// written apart.
func cost(t *testing.T, s *servertest.Server, c *Conn, step Step) statements {
	t.Helper()
	reads, writes := s.Store.Statements()
	if err := step(c); err != nil {
		t.Fatal(err)
	}
	r, w := s.Store.Statements()
	return statements{r - reads, w - writes}
}

func TestStatementsOfEachOperation(t *testing.T) {
	want := map[string]statements{
		"cc-es256":          {0, 0},
		"cc-rs256":          {0, 0},
		"cc-opaque":         {0, 1},
		"jwt-bearer":        {1, 1}, // the user; the assertion is used up
		"introspect-opaque": {1, 0},
		"introspect-jwt":    {1, 0},
		"userinfo-jwt":      {1, 0},
		"refresh-opaque":    {1, 1},
		"refresh-es256":     {1, 1},
		"code":              {3, 5}, // session, consent, user; family, code, session, consent again, its client
		"authorize":         {2, 0}, // session and consent
		"signin-page":       {0, 0}, // the request travels with the browser
		"jwks":              {0, 0},
		"jwks-304":          {0, 0},
		"discovery":         {0, 0},
		"discovery-304":     {0, 0},
		"sensu-login":       {1, 1},
		"sensu-refresh":     {1, 1},
		"faspex-login":      {1, 3}, // the family and an alias for each of its two short tokens
		"faspex-refresh":    {1, 3},
		"password-first":    {1, 0},
	}
	engines(t, func(t *testing.T, dsn string) {
		s, target := under(t, dsn, store.Options{})
		c := Dial(target.Addr)
		defer c.Close()
		for _, o := range Operations() {
			t.Run(o.Name, func(t *testing.T) {
				step, err := o.Worker(target, 0)
				if err != nil {
					t.Fatal(err)
				}
				if err := step(c); err != nil { // what is made once and kept: a key, an alias
					t.Fatal(err)
				}
				for range 3 {
					if got := cost(t, s, c, step); got != want[o.Name] {
						t.Errorf("%d reads and %d writes, want %d and %d", got.reads, got.writes, want[o.Name].reads, want[o.Name].writes)
					}
				}
			})
		}
	})
}

// A request nobody stands behind must not make the database write: strangers are
// many.
func TestUnauthenticatedRequestsWriteNothing(t *testing.T) {
	s, target := under(t, filepath.Join(t.TempDir(), "jeton.db"), store.Options{})
	id, _ := target.World.Client(ES256, 0)
	requests := map[string][]byte{
		"unknown path":        Request("GET", "/nowhere", target.Addr, ""),
		"unknown client":      target.form(tokenPath, basic("nobody", "nothing"), "grant_type", "client_credentials"),
		"wrong secret":        target.form(tokenPath, basic(id, "wrong"), "grant_type", "client_credentials"),
		"no credentials":      target.form(tokenPath, "", "grant_type", "client_credentials"),
		"introspection":       target.form(introspectPath, "", "token", "jta_x"),
		"userinfo":            Request("GET", "/oauth2/userinfo", target.Addr, "", "Authorization: Bearer jta_x"),
		"garbage form":        Request("POST", tokenPath, target.Addr, "%%%", formType),
		"Sensu, unknown user": Request("GET", "/auth", target.Addr, "", plainBasic("nobody")),
		"Faspex, no user":     target.form(faspexPath, "", "grant_type", "password"),
		"Faspex refresh":      target.form(faspexPath, "", "grant_type", "refresh_token", "refresh_token", "0123456789012345678901"),
	}
	for name, request := range requests {
		t.Run(name, func(t *testing.T) {
			c := Dial(target.Addr)
			defer c.Close()
			got := cost(t, s, c, func(c *Conn) error {
				status, body, err := c.Do(request)
				if err == nil && (status < 400 || status >= 500) {
					err = unexpected(status, body)
				}
				return err
			})
			if got.writes != 0 {
				t.Errorf("%d writes", got.writes)
			}
		})
	}
}

func TestFillingMakesTokensTheServerKnows(t *testing.T) {
	engines(t, func(t *testing.T, dsn string) {
		ctx := context.Background()
		data := t.TempDir()
		s, err := open(ctx, data, dsn, nil)
		if err != nil {
			t.Fatal(err)
		}
		w := NewWorld(NewSeed())
		if err := w.Apply(ctx, s.Core.Admin, cheap); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		const rows = 1500
		tokens, err := filling{world: w, rows: rows, life: time.Hour, spread: 3}.run(ctx, data, dsn)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := (filling{world: w, rows: rows, age: 5 * time.Hour, life: time.Hour, spread: 3}).run(ctx, data, dsn); err != nil {
			t.Fatal(err)
		}
		s, err = open(ctx, data, dsn, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if n, err := sweepAll(ctx, s); err != nil || n != rows {
			t.Errorf("%d swept, %v; want the %d expired ones", n, err, rows)
		}
		for i, list := range tokens {
			if len(list) == 0 {
				t.Fatalf("no tokens of client %d", i)
			}
			for _, token := range list {
				if a, err := s.Core.Mint.Peek(ctx, "default", token); err != nil || a.Client != fmt.Sprintf("c-opaque-%04d", i) {
					t.Fatalf("token of client %d: %+v, %v", i, a, err)
				}
			}
		}
	})
}

func TestTheFloorServesEveryFloor(t *testing.T) {
	f, err := newFloor(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	addr := serveFloor(t, f)
	w := NewWorld(FloorSeed)
	target := &Target{Addr: addr, World: w}
	c := Dial(addr)
	defer c.Close()
	id, secret := w.Client(ES256, 7)
	for name, looks := range map[string]func(string) bool{
		Floor: func(s string) bool { return len(s) == 43 }, FloorES256: jwt, FloorRS256: jwt, FloorHS256: jwt,
	} {
		if _, _, err := ask(c, target.form("/"+name, basic(id, secret), "grant_type", "client_credentials", "scope", "read"), 200, looks); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if status, _, err := c.Do(target.form("/"+name, basic(id, "wrong"), "grant_type", "client_credentials")); err != nil || status != 401 {
			t.Errorf("%s with a wrong secret: %d, %v", name, status, err)
		}
	}
	for _, name := range []string{VerifyES256, CommitGroup} {
		if m, err := askMicro(addr, "GET", "/"+name); err != nil || m.Micros <= 0 || m.Rate <= 0 {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
}

func serveFloor(t *testing.T, f *floor) string {
	t.Helper()
	s := httptest.NewServer(f.handler())
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}
