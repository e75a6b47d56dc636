package server

import (
	"path/filepath"
	"testing"

	"jeton/internal/client"
	"jeton/internal/dialect"
	"jeton/internal/dialect/oidc"
	"jeton/internal/vault"
)

// A stolen key that one node takes out of use must not be good at another until its
// next round of rotations.
func TestANodeLearnsThatAnotherRetiredAKey(t *testing.T) {
	kek, path := vault.NewKEK(), filepath.Join(t.TempDir(), "jeton.db")
	open := func() *Server {
		s, err := Open(t.Context(), Config{
			Database: path, KEK: kek, PublicURL: "https://jeton.example", Dialects: []*dialect.Dialect{&oidc.Dialect},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		return s
	}
	one, two := open(), open()
	key, err := one.Ring.Signing(t.Context(), "default", "token", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := two.learn(t.Context()); err != nil {
		t.Fatal(err)
	}
	if two.Ring.Find(key.ID) == nil {
		t.Fatal("the key of the other node is not known")
	}
	if err := one.Ring.Retire(t.Context(), "default", key.ID, true); err != nil {
		t.Fatal(err)
	}
	if err := one.Core.Admin.CreateClient(t.Context(), &client.Client{Org: "default", ID: "new", Dialect: oidc.Name, Enabled: true, Auth: client.None}); err != nil {
		t.Fatal(err)
	}
	if _, err := two.learn(t.Context()); err != nil {
		t.Fatal(err)
	}
	if two.Ring.Find(key.ID) != nil {
		t.Error("the key that was taken out of use still verifies")
	}
	if _, ok := two.Core.Clients.Client("default", "new"); !ok {
		t.Error("the client the other node registered is not known")
	}
}
