package store_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"jeton/internal/audit"
	"jeton/internal/oauth"
	"jeton/internal/store"
)

// benchRows is how many families are there before a benchmark measures.
const benchRows = 10_000

func secret(n uint64) []byte {
	h := sha256.Sum256(binary.BigEndian.AppendUint64(nil, n))
	return h[:]
}

func benchFamily(i uint64) *oauth.Family {
	now := time.Now().Unix()
	return &oauth.Family{
		ID: store.NewHandle(now + 30*86400), Org: "acme", Dialect: "oidc", Client: "app", Subject: "ann", Scope: oauth.Scope{"read"},
		Created: now * 1000, Expires: now + 900, Idle: now + 86400, Ends: now + 30*86400, Secret: secret(i),
	}
}

// benchmark runs f against each engine, filled, with 64 goroutines for each core
// and with full durability (of PostgreSQL as far as the test server has it).
func benchmark(b *testing.B, f func(b *testing.B, s *store.Store, ids []int64)) {
	for name, dsn := range map[string]string{
		"sqlite": filepath.Join(b.TempDir(), "jeton.db"), "postgres": server.Database(b),
	} {
		b.Run(name, func(b *testing.B) {
			s, err := store.Open(context.Background(), dsn, store.Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			f(b, s, fill(b, s))
		})
	}
}

func fill(b *testing.B, s *store.Store) []int64 {
	b.Helper()
	ids := make([]int64, benchRows)
	var wg sync.WaitGroup
	for w := range 64 {
		wg.Go(func() {
			for i := w; i < len(ids); i += 64 {
				f := benchFamily(uint64(i))
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

func BenchmarkPutFamily(b *testing.B) {
	benchmark(b, func(b *testing.B, s *store.Store, _ []int64) {
		b.ReportAllocs()
		b.SetParallelism(64)
		b.ResetTimer()
		b.RunParallel(func(p *testing.PB) {
			for p.Next() {
				if err := s.PutFamily(context.Background(), benchFamily(0), nil); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
}

func BenchmarkPutFamilyWithItsEvent(b *testing.B) {
	benchmark(b, func(b *testing.B, s *store.Store, _ []int64) {
		b.ReportAllocs()
		b.SetParallelism(64)
		b.ResetTimer()
		b.RunParallel(func(p *testing.PB) {
			for p.Next() {
				r := &audit.Record{
					Org: "acme", Event: "token.issue", Dialect: "oidc", Route: "POST /token", Addr: "192.0.2.1", Client: "app",
					Grant: "client_credentials", Status: 200, Checks: []audit.Check{{Name: "client", OK: true, Got: "app"}},
				}
				if err := s.PutFamily(audit.With(context.Background(), r), benchFamily(0), nil); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
}

func BenchmarkFamily(b *testing.B) {
	benchmark(b, func(b *testing.B, s *store.Store, ids []int64) {
		var n atomic.Uint64
		b.ReportAllocs()
		b.SetParallelism(8)
		b.ResetTimer()
		b.RunParallel(func(p *testing.PB) {
			for p.Next() {
				if _, err := s.Family(context.Background(), ids[n.Add(7919)%benchRows]); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
}

func BenchmarkRotate(b *testing.B) {
	benchmark(b, func(b *testing.B, s *store.Store, ids []int64) {
		var next atomic.Uint64
		b.ReportAllocs()
		b.SetParallelism(64)
		b.ResetTimer()
		b.RunParallel(func(p *testing.PB) {
			family := next.Add(1) % benchRows // a chain of its own for each goroutine
			from := secret(family)
			for n := uint64(benchRows); p.Next(); n++ {
				to := secret(n<<32 | family)
				_, err := s.Rotate(context.Background(), store.Rotation{
					ID: ids[family], Org: "acme", Client: "app", From: from, To: to, Now: time.Now(),
				})
				if err != nil && !errors.Is(err, store.ErrNotFound) { // an earlier run may have moved the chain
					b.Error(err)
					return
				}
				from = to
			}
		})
	})
}

// BenchmarkSweep removes families that have ended; one operation is one family.
func BenchmarkSweep(b *testing.B) {
	benchmark(b, func(b *testing.B, s *store.Store, _ []int64) {
		later := time.Now().Add(40 * 24 * time.Hour)
		for removed := benchRows; removed < b.N; removed += benchRows {
			fill(b, s)
		}
		b.ResetTimer()
		for removed := 0; removed < b.N; {
			n, more, err := s.Sweep(context.Background(), later, 0, 500)
			if removed += n; err != nil || !more {
				b.StopTimer()
				if err != nil {
					b.Fatal(err)
				}
				return
			}
		}
	})
}
