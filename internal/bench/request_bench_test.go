package bench

import (
	"context"
	"flag"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"jeton/internal/store"
)

// rows of the store benchmarks: -rows 1000000 shows what growth costs.
var rows = flag.Int("rows", 10_000, "families in the store benchmarks")

// benchmarked is a server without a network, on a durable SQLite.
func benchmarked(b *testing.B) (http.Handler, *World, func()) {
	b.Helper()
	data := b.TempDir()
	s, err := open(context.Background(), data, "", nil)
	if err != nil {
		b.Fatal(err)
	}
	w := NewWorld(NewSeed())
	if err := w.Apply(context.Background(), s.Core.Admin, cheap); err != nil {
		b.Fatal(err)
	}
	return s.Handler(), w, func() { _ = s.Close() } // the folder goes with the benchmark
}

// BenchmarkRequest is what the handler alone takes, without a connection.
func BenchmarkRequest(b *testing.B) {
	h, w, end := benchmarked(b)
	defer end()
	t := &Target{Addr: "127.0.0.1:8420", World: w}
	id, secret := w.Client(ES256, 0)
	oid, osecret := w.Client(Opaque, 0)
	issue := t.form(tokenPath, basic(oid, osecret), "grant_type", "client_credentials")
	first, err := inProcess(h, issue)
	if err != nil {
		b.Fatal(err)
	}
	for name, request := range map[string][]byte{
		"jwks":              Request("GET", "/.well-known/jwks.json", t.Addr, ""),
		"discovery":         Request("GET", "/.well-known/openid-configuration", t.Addr, ""),
		"cc-es256":          t.form(tokenPath, basic(id, secret), "grant_type", "client_credentials", "scope", "read"),
		"cc-opaque":         issue,
		"introspect-opaque": t.form(introspectPath, basic(oid, osecret), "token", Member(first.body.Bytes(), "access_token")),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetParallelism(8)
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					if w, err := inProcess(h, request); err != nil || w.status != http.StatusOK {
						b.Errorf("status %d, %v", w.status, err)
						return
					}
				}
			})
		})
	}
}

// BenchmarkStore is what the store takes, durable, with as many writers as one
// commit holds, at -rows families.
func BenchmarkStore(b *testing.B) {
	ctx := context.Background()
	s, err := store.Open(ctx, filepath.Join(b.TempDir(), "jeton.db"), store.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	ids := fillStore(b, s)
	var n atomic.Uint64
	run := func(name string, parallel int, one func(i uint64) error) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetParallelism(parallel)
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					if err := one(n.Add(7919)); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
	run("insert", 128, func(uint64) error { return s.PutFamily(ctx, plainFamily(), nil) })
	run("read", 8, func(i uint64) error { _, err := s.Family(ctx, ids[i%uint64(len(ids))]); return err })
	secret := []byte("0123456789abcdef0123456789abcdef")
	run("rotate", 128, func(i uint64) error {
		_, err := s.Rotate(ctx, store.Rotation{
			ID: ids[i%uint64(len(ids))], Org: "default", Client: "c-opaque-0001", From: secret, To: secret, Now: time.Now(),
		})
		return err
	})
}

func fillStore(b *testing.B, s *store.Store) []int64 {
	b.Helper()
	ids := make([]int64, *rows)
	var wg sync.WaitGroup
	for w := range fillers {
		wg.Go(func() {
			for i := w; i < len(ids); i += fillers {
				f := plainFamily()
				f.Secret = []byte("0123456789abcdef0123456789abcdef")
				if err := s.PutFamily(context.Background(), f, nil); err != nil {
					b.Error(err)
					return
				}
				ids[i] = f.ID
			}
		})
	}
	wg.Wait()
	return ids
}
