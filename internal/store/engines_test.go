package store_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"jeton/internal/store"
	"jeton/internal/store/storetest"
	"jeton/internal/store/storetest/pg"
)

var server *pg.Server

func TestMain(m *testing.M) {
	if os.Getenv(writerEnv) != "" {
		writeUntilKilled()
	}
	os.Exit(pg.Run(m, func(s *pg.Server) { server = s }))
}

// opened opens a store that the test closes; nothing of it may go on running.
func opened(t *testing.T, dsn string, o store.Options) *store.Store {
	t.Helper()
	leaks := goleak.IgnoreCurrent()
	s, err := store.Open(context.Background(), dsn, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		goleak.VerifyNone(t, leaks)
	})
	return s
}

func file(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "jeton.db")
}

func TestEveryEnginePassesTheSuite(t *testing.T) {
	for name, open := range map[string]func(t *testing.T) *store.Store{
		"memory": func(t *testing.T) *store.Store { return opened(t, ":memory:", store.Options{}) },
		"sqlite": func(t *testing.T) *store.Store { return opened(t, file(t), store.Options{Relaxed: true}) },
		"sqlite, one reader": func(t *testing.T) *store.Store {
			return opened(t, file(t), store.Options{Relaxed: true, MaxReaders: 1})
		},
		"postgres": func(t *testing.T) *store.Store { return opened(t, server.Database(t), store.Options{Relaxed: true}) },
		"postgres, one connection each way": func(t *testing.T) *store.Store {
			return opened(t, server.Database(t), store.Options{Relaxed: true, MaxReaders: 1, MaxWriters: 1})
		},
	} {
		t.Run(name, func(t *testing.T) { storetest.Run(t, open) })
	}
}

// startServer starts a PostgreSQL for one test that wants to stop it.
func startServer(t *testing.T) (*pg.Server, error) {
	t.Helper()
	s, err := pg.Start()
	if err == nil {
		t.Cleanup(func() { _ = s.Stop() }) // the test has stopped it
	}
	return s, err
}
