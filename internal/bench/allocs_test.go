package bench

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"path/filepath"
	"runtime"
	"testing"

	"jeton/internal/store"
)

// sink is a response nobody reads.
type sink struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(status int)      { s.status = status }
func (s *sink) Write(p []byte) (int, error) { return s.body.Write(p) }

// inProcess answers a request without a network.
func inProcess(h http.Handler, raw []byte) (*sink, error) {
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
	if err != nil {
		return nil, err
	}
	r.RemoteAddr = "127.0.0.1:40000"
	w := &sink{header: http.Header{}}
	h.ServeHTTP(w, r)
	_, err = io.Copy(io.Discard, r.Body)
	return w, err
}

// What one request may allocate on SQLite, reading it included, with a tenth to
// spare: a change that costs more is to be seen, not to be felt.
func TestAllocationsOfARequest(t *testing.T) {
	s, target := under(t, filepath.Join(t.TempDir(), "jeton.db"), store.Options{})
	id, secret := target.World.Client(ES256, 0)
	opaqueID, opaqueSecret := target.World.Client(Opaque, 0)
	c := Dial(target.Addr)
	defer c.Close()
	grant := target.form(tokenPath, basic(opaqueID, opaqueSecret), "grant_type", "client_credentials")
	token, _, err := ask(c, grant, 200, sealed)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		name    string
		request []byte
		most    float64
	}{
		{"cc-es256", target.form(tokenPath, basic(id, secret), "grant_type", "client_credentials", "scope", "read"), 170}, // with its share of the audit log, which runs beside it
		{"cc-opaque", grant, 172},
		{"introspect-opaque", target.form(introspectPath, basic(opaqueID, opaqueSecret), "token", token), 168},
		{"jwks", Request("GET", "/.well-known/jwks.json", target.Addr, ""), 27},
		{"discovery", Request("GET", "/.well-known/openid-configuration", target.Addr, ""), 27},
	} {
		t.Run(x.name, func(t *testing.T) {
			got := allocations(t, s.Handler(), x.request)
			t.Logf("%.0f allocations", got)
			most := 1.1 * x.most
			if slack > 1 { // the race detector empties pools at random
				most = 1.3 * x.most
			}
			if got > most {
				t.Errorf("%.0f allocations, at most %.0f", got, most)
			}
		})
		if err := s.Audit.Flush(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
}

// allocations counts those of the whole process, for the work of a request is done
// by several goroutines.
func allocations(t *testing.T, h http.Handler, request []byte) float64 {
	t.Helper()
	const n = 300
	var from, to runtime.MemStats
	for i := range 2 * n {
		if i == n {
			runtime.ReadMemStats(&from)
		}
		w, err := inProcess(h, request)
		if err != nil || w.status != http.StatusOK {
			t.Fatalf("status %d, %v: %s", w.status, err, w.body.String())
		}
	}
	runtime.ReadMemStats(&to)
	return float64(to.Mallocs-from.Mallocs) / n
}
