package store_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"jeton/internal/oauth"
	"jeton/internal/store"
)

func TestOpenRefusesWhatItCannotKeepSafe(t *testing.T) {
	wide, open := file(t), filepath.Join(t.TempDir(), "open")
	if err := os.WriteFile(wide, nil, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(open, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o777); err != nil { // past the umask
		t.Fatal(err)
	}
	folder := t.TempDir()
	for name, test := range map[string]struct{ dsn, says string }{
		"nothing":             {"", "no database named"},
		"another kind":        {"mysql://root:hunter2@host/db", "unknown kind"},
		"a readable file":     {wide, "chmod 600"},
		"a folder of all":     {filepath.Join(open, "x.db"), "chmod go-w"},
		"a folder":            {folder, "is a folder"},
		"an address nowhere":  {"postgres://jeton:hunter2@127.0.0.1:1/db", "connect"},
		"a URL that is wrong": {"postgres://jeton:hunter2@host:port/db", "not valid"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := store.Open(t.Context(), test.dsn, store.Options{})
			if err == nil {
				_ = s.Close()
				t.Fatal("opened it")
			}
			if !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "hunter2") {
				t.Fatalf("got %v", err)
			}
		})
	}
}

func TestANewFileIsOursAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new folder", "with ? and # and %20.db")
	s := opened(t, path, store.Options{})
	if err := s.PutMeta(t.Context(), "a", "b"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{
		filepath.Dir(path): 0o700, path: 0o600, path + "-wal": 0o600, path + "-shm": 0o600,
	} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %04o, want %04o", name, got, want)
		}
	}
}

// both runs a test on a file and on PostgreSQL; each gets the address of an empty
// database.
func both(t *testing.T, run func(t *testing.T, dsn string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { run(t, file(t)) })
	t.Run("postgres", func(t *testing.T) { run(t, server.Database(t)) })
}

func TestProcessesThatStartAtOnceMigrateOnce(t *testing.T) {
	both(t, func(t *testing.T, dsn string) {
		var wg sync.WaitGroup
		values := make([]string, 8)
		for i := range values {
			wg.Go(func() {
				s, err := store.Open(context.Background(), dsn, store.Options{MaxReaders: 1, MaxWriters: 1})
				if err != nil {
					t.Error(err)
					return
				}
				defer s.Close()
				if values[i], err = s.PutMetaOnce(context.Background(), "issuer", string(rune('a'+i))); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for _, v := range values {
			if v != values[0] || v == "" {
				t.Fatalf("the nodes do not agree: %q", values)
			}
		}
	})
}

// raw opens the database behind the store's back.
func raw(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	driver := "sqlite"
	if strings.HasPrefix(dsn, "postgres:") {
		driver = "pgx"
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func TestANewerSchemaIsAcceptedAsFarAsItSaysSo(t *testing.T) {
	both(t, func(t *testing.T, dsn string) {
		s := opened(t, dsn, store.Options{})
		db := raw(t, dsn)
		step := func(version, needs int) {
			t.Helper()
			_, err := db.Exec(`INSERT INTO migration (version, needs, name, applied) VALUES ($1, $2, 'later', 0)`, version, needs)
			if err != nil {
				t.Fatal(err)
			}
		}
		step(1000, 1) // a later program added something this one need not know
		next := opened(t, dsn, store.Options{})
		if err := next.PutMeta(t.Context(), "a", "b"); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Meta(t.Context(), "a"); got != "b" || err != nil {
			t.Fatalf("side by side: %q, %v", got, err)
		}
		step(1001, 1001) // and now something this one would break
		if broken, err := store.Open(t.Context(), dsn, store.Options{}); err == nil || !strings.Contains(err.Error(), "schema 1001") {
			_ = broken.Close()
			t.Fatalf("got %v", err)
		}
	})
}

func TestTwoNodesShareOneDatabase(t *testing.T) {
	both(t, func(t *testing.T, dsn string) {
		nodes := []*store.Store{opened(t, dsn, store.Options{Relaxed: true}), opened(t, dsn, store.Options{Relaxed: true})}
		f := &oauth.Family{Org: "a", Client: "c", Secret: []byte("first")}
		if err := nodes[0].PutFamily(t.Context(), f, nil); err != nil {
			t.Fatal(err)
		}
		for round := range 20 {
			var wg sync.WaitGroup
			var mu sync.Mutex
			var next []byte
			won := 0
			for i := range 16 {
				wg.Go(func() {
					to := []byte{byte(round), byte(i), 1}
					_, err := nodes[i%2].Rotate(t.Context(), store.Rotation{
						ID: f.ID, Org: "a", Client: "c", From: f.Secret, To: to, Now: time.Now(),
					})
					mu.Lock()
					defer mu.Unlock()
					switch {
					case err == nil:
						won, next = won+1, to
					case !errors.Is(err, store.ErrNotFound):
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if won != 1 {
				t.Fatalf("round %d: %d won", round, won)
			}
			f.Secret = next
		}
		if _, err := nodes[0].RevokeFamily(t.Context(), "a", f.ID, 9); err != nil {
			t.Fatal(err)
		}
		if got, err := nodes[1].Family(t.Context(), f.ID); err != nil || got.Family.Revoked != 9 {
			t.Fatalf("the other node sees %+v, %v", got.Family, err)
		}
	})
}

func TestTheStoreComesBackWithItsServer(t *testing.T) {
	dsn := server.Database(t)
	s := opened(t, dsn, store.Options{})
	f := &oauth.Family{Org: "a"}
	if err := s.PutFamily(t.Context(), f, nil); err != nil {
		t.Fatal(err)
	}
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Family(t.Context(), f.ID); err != nil {
		t.Fatalf("first read after a restart: %v", err)
	}
	if err := s.PutFamily(t.Context(), &oauth.Family{Org: "a"}, nil); err != nil {
		t.Fatalf("first write after a restart: %v", err)
	}
}

func TestWithoutItsServerTheStoreRefusesAtOnce(t *testing.T) {
	own, err := startServer(t)
	if err != nil {
		t.Fatal(err)
	}
	s := opened(t, own.Database(t), store.Options{})
	if err := own.Stop(); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	for range 20 {
		if err := s.PutFamily(t.Context(), &oauth.Family{Org: "a"}, nil); !oauth.Is(err, oauth.Unavailable) {
			t.Fatalf("write: %v", err)
		}
		_, err := s.Family(t.Context(), 1)
		if !oauth.Is(err, oauth.Unavailable) {
			t.Fatalf("read: %v", err)
		}
		if refusal := oauth.AsRefusal(err); refusal.RetryAfter == 0 {
			t.Fatal("the client is not told when to come back")
		}
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Fatalf("40 refusals took %v", took)
	}
}
