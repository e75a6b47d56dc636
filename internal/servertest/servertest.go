// Package servertest runs the whole server for tests: on an in-memory database,
// with a clock that stands still until it is moved, loaded with the demo world. Its
// scripts are the transcripts of the dialects.
package servertest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"jeton/examples"
	"jeton/internal/admin"
	"jeton/internal/audit"
	"jeton/internal/config"
	"jeton/internal/dialect"
	"jeton/internal/hash"
	"jeton/internal/jose"
	"jeton/internal/oauth"
	"jeton/internal/server"
	"jeton/internal/store"
	"jeton/internal/vault"
)

// Public is where clients reach the server in tests, as issuers and links word it.
const Public = "https://jeton.example"

// Epoch is when the clock of every test starts.
var Epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// Clock stands still until it is moved.
type Clock struct {
	mu sync.Mutex
	at time.Time
}

// Now is the clock's time.
func (c *Clock) Now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.at }

// Add moves the clock.
func (c *Clock) Add(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.at = c.at.Add(d) }

// TB is what of testing.T is used; a testscript's environment has it too.
type TB interface {
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Helper()
	Cleanup(func())
}

// Server is a running server under test.
type Server struct {
	*server.Server
	URL   string // http://127.0.0.1:PORT
	Clock *Clock
	HTTP  *httptest.Server
	Logs  *Logs
	DSN   string
}

// Logs keeps what the server logged.
type Logs struct {
	mu sync.Mutex
	b  strings.Builder
}

// Write implements io.Writer.
func (l *Logs) Write(p []byte) (int, error) { l.mu.Lock(); defer l.mu.Unlock(); return l.b.Write(p) }

// String is everything logged so far.
func (l *Logs) String() string { l.mu.Lock(); defer l.mu.Unlock(); return l.b.String() }

// Options of Start; the zero value is a demo world in memory.
type Options struct {
	World    string             // a further document applied after the demo world
	NoDemo   bool               // not the demo world: an empty server
	DSN      string             // "" = :memory:
	Dialects []*dialect.Dialect // beside server.Dialects()
	KEK      *vault.KEK
	Change   func(*server.Config)
	Real     bool // the real clock
}

// Start runs a server until the test ends.
func Start(t TB, o Options) *Server {
	t.Helper()
	s := &Server{Clock: &Clock{at: Epoch}, Logs: &Logs{}, DSN: o.DSN}
	kek := vault.NewKEK()
	if o.KEK != nil {
		kek = *o.KEK
	}
	if s.DSN == "" {
		s.DSN = ":memory:"
	}
	c := server.Config{
		Database: s.DSN, KEK: kek, PublicURL: Public, Loopback: true, Demo: !o.NoDemo, Now: s.Clock.Now,
		Store:    store.Options{Relaxed: true},
		Log:      slog.New(slog.NewJSONHandler(s.Logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
		HashCost: hash.Cost{Memory: 64, Passes: 1},
		Dialects: Dialects(o.Dialects...),
	}
	if o.Real {
		c.Now = time.Now
	}
	if o.Change != nil {
		o.Change(&c)
	}
	sv, err := server.Open(t.(interface{ Context() testingContext }).Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	s.Server = sv
	s.HTTP = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { sv.Handler().ServeHTTP(w, r) }))
	s.URL = s.HTTP.URL
	t.Cleanup(func() {
		s.HTTP.Close()
		if err := sv.Close(); err != nil {
			t.Fatal(err)
		}
	})
	if !o.NoDemo {
		s.Apply(t, string(examples.Demo))
	}
	if o.World != "" {
		s.Apply(t, o.World)
	}
	return s
}

// Dialects is the server's list and further ones that are not on it.
func Dialects(more ...*dialect.Dialect) []*dialect.Dialect {
	list := server.Dialects()
	for _, d := range more {
		known := false
		for _, have := range list {
			known = known || have.Name == d.Name
		}
		if !known {
			list = append(list, d)
		}
	}
	return list
}

// Apply applies a configuration document, with the test keys where it names
// demo/ada.pub or demo/global.pub, and the certificate of IdP("corp") where it names
// corp.crt.
func (s *Server) Apply(t TB, text string) []admin.Step {
	t.Helper()
	w, problems := config.Load("world.yaml", []byte(text), config.Options{
		AllowPlain: true,
		CheckKey:   func(text string) error { _, err := jose.ParsePublic(text); return err },
		ReadFile:   readKey,
		Existing:   s.existing(),
		KnownUser:  func(string, string, string) bool { return true },
	})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	ctx := audit.With(background(), &audit.Record{ID: audit.NewID(s.Clock.Now()), At: s.Clock.Now()})
	steps, err := s.Core.Admin.Apply(ctx, w, false)
	if err != nil {
		t.Fatal(err)
	}
	return steps
}

func readKey(name string) ([]byte, error) {
	base := name[strings.LastIndexByte(name, '/')+1:]
	if k, ok := strings.CutSuffix(base, ".pub"); ok {
		return PublicPEM(k), nil
	}
	if idp, ok := strings.CutSuffix(base, ".crt"); ok {
		return []byte(IdP(idp).Certificate), nil
	}
	return os.ReadFile(name)
}

var keyring = struct {
	sync.Mutex
	m map[string]*rsa.PrivateKey
}{m: map[string]*rsa.PrivateKey{}}

// Key is the test's private key of a name ("ada", "global", "other" …), the same
// throughout the test binary.
func Key(name string) *rsa.PrivateKey {
	keyring.Lock()
	defer keyring.Unlock()
	k, ok := keyring.m[name]
	if !ok {
		var err error
		if k, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			panic(err)
		}
		keyring.m[name] = k
	}
	return k
}

// PublicPEM is the public half of Key(name).
func PublicPEM(name string) []byte {
	b, err := x509.MarshalPKIXPublicKey(Key(name).Public())
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: b})
}

// PrivatePEM is Key(name) as a file.
func PrivatePEM(name string) []byte {
	b, err := x509.MarshalPKCS8PrivateKey(Key(name))
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: b})
}

// Record is the audit record of an error id a response carried.
func (s *Server) Record(t TB, id string) *audit.Record {
	t.Helper()
	eid, err := audit.ParseID(id)
	if err != nil {
		t.Fatalf("error id %q: %v", id, err)
	}
	r, err := s.Explain(background(), eid)
	if err != nil {
		t.Fatalf("explain %s: %v", id, err)
	}
	return r
}

// Secret makes a secret of a text, for tests that call the core.
func Secret(s string) oauth.Secret { return oauth.Secret(s) }

// Main runs a test binary's tests.
func Main(m *testing.M) { os.Exit(m.Run()) }
