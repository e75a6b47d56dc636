// Package storetest is the suite every engine of the store must pass. Tests of
// package store call Run, once for each engine.
package storetest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"jeton/internal/client"
	"jeton/internal/identity"
	"jeton/internal/oauth"
	"jeton/internal/store"
)

// racers is how many goroutines race in tests of "one winner".
const racers = 32

// Run runs the suite; open gives each test an empty store, closed by the opener.
func Run(t *testing.T, open func(t *testing.T) *store.Store) {
	for _, part := range []struct {
		name string
		run  func(t *testing.T, open func(t *testing.T) *store.Store)
	}{
		{"families", families}, {"rotation", rotation}, {"marks", marks}, {"users", users}, {"registry", registry},
		{"objects", objects}, {"keys", keys}, {"small", small}, {"events", events}, {"sweep", sweep},
		{"texts", texts}, {"concurrency", concurrency}, {"browser", browser},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(t, open) })
	}
}

// each runs tests that each want an empty store.
func each(t *testing.T, open func(t *testing.T) *store.Store, tests map[string]func(*testing.T, *store.Store)) {
	t.Helper()
	for name, run := range tests {
		t.Run(name, func(t *testing.T) { run(t, open(t)) })
	}
}

func hash(s string) []byte {
	h := sha256.Sum256([]byte(s))
	return h[:]
}

// ok fails the test on an error.
func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// must hands on a value that came without an error.
func must[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		ok(t, err)
		return v
	}
}

func wants(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got error %v, want %v", err, want)
	}
}

func same(t *testing.T, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		t.Fatalf("-want +got\n%s", d)
	}
}

// race runs f in n goroutines at once and counts those that return true.
func race(t *testing.T, n int, f func(i int) (bool, error)) int {
	t.Helper()
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		won   int
		start = make(chan struct{})
	)
	for i := range n {
		wg.Go(func() {
			<-start
			first, err := f(i)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			if first {
				won++
			}
		})
	}
	close(start)
	wg.Wait()
	return won
}

// family is a family with every column filled.
func family(org string) *oauth.Family {
	now := time.Now()
	ends := now.Add(30 * 24 * time.Hour).Unix()
	return &oauth.Family{
		ID: store.NewHandle(ends), Org: org, Dialect: "oidc", Client: "app", Subject: "ann",
		Scope: oauth.Scope{"openid", "a:b"}, Audience: []string{"https://api.example", "urn:x"}, AMR: []string{"pwd", "otp"},
		AuthTime: now.Unix() - 5, Created: now.UnixMilli(), Expires: now.Unix() + 900, Idle: now.Unix() + 3600, Ends: ends,
		Used: now.Unix() - 60, PrevUsed: now.Unix() - 120, Generation: 1, Secret: hash("first"), Previous: hash("zeroth"),
		Rotated: now.UnixMilli() - 7, Confirm: "thumb", Note: `{"node":1}`,
		UserSince: 11, ClientSince: 12,
	}
}

// user is a user with every field filled but the numbers the store gives.
func user(org, name string) *identity.User {
	return &identity.User{
		Org: org, Realm: "local", Name: name, Canon: name, Email: name + "@Example.org", Mail: name + "@example.org",
		GivenName: "Ann", FamilyName: "O'Neill", DisplayName: "Ann \"A\" O'Neill", Enabled: true, Expires: 4102444800,
		Password: "$argon2id$x", PasswordDue: true, Admin: true, Groups: []string{"g1", "g2"},
		Keys: []client.Key{{ID: "k", PEM: "pem", Created: 3}}, Attr: map[string]any{"dept": "x", "aoc": map[string]any{"a": "b"}},
		Roles: []string{"owner"}, RevokedBefore: 17, Source: "f.yaml:3", Created: 1, Updated: 2,
	}
}

func putUser(t *testing.T, s *store.Store, org, name string) *identity.User {
	t.Helper()
	u := user(org, name)
	ok(t, s.PutUser(t.Context(), u))
	return u
}

func putFamily(t *testing.T, s *store.Store, f *oauth.Family, aliases ...store.Alias) *oauth.Family {
	t.Helper()
	ok(t, s.PutFamily(t.Context(), f, aliases))
	return f
}

func number(format string, n int) string { return fmt.Sprintf(format, n) }
