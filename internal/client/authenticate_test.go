package client_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"jeton/internal/audit"
	"jeton/internal/client"
	"jeton/internal/hash"
	"jeton/internal/oauth"
)

type registered []client.Client

func (r registered) LoadClients(context.Context) (int64, []client.Org, []client.Client, error) {
	return 1, []client.Org{{ID: "o", Default: true}}, r, nil
}
func (registered) Revision(context.Context) (int64, error)                     { return 1, nil }
func (registered) Mark(context.Context, []byte, int64) (first bool, err error) { return true, nil }

// counter counts what is slow. Its hashes are the secrets themselves, marked.
type counter struct{ slow int }

func (c *counter) Verify(_ context.Context, _, encoded string, secret oauth.Secret) (hash.Result, error) {
	if strings.HasPrefix(encoded, "$sha256$") {
		return hash.Result{OK: encoded == hash.Generated(secret.Reveal())}, nil
	}
	c.slow++
	return hash.Result{OK: encoded == "slow:"+secret.Reveal()}, nil
}
func (c *counter) Waste(context.Context, oauth.Secret) error { c.slow++; return nil }

// calls notes what the throttle is asked about.
type calls struct{ seen []string }

func (c *calls) Allow(account, addr string) (bool, time.Duration) {
	c.seen = append(c.seen, account+" from "+addr)
	return true, 0
}
func (c *calls) Failed(context.Context, string, string) error    { return nil }
func (c *calls) Succeeded(context.Context, string, string) error { return nil }

func registry(t *testing.T, clients ...client.Client) (*client.Registry, *counter, *calls) {
	t.Helper()
	work, asked := &counter{}, &calls{}
	r := client.NewRegistry(registered(clients), client.Auth{Hasher: work, Throttle: asked, Now: time.Now})
	if err := r.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r, work, asked
}

func known(id string, method client.Method, hashes ...string) client.Client {
	c := client.Client{Org: "o", ID: id, Dialect: "oidc", Enabled: true, Auth: method}
	for _, h := range hashes {
		c.Secrets = append(c.Secrets, client.Secret{Hash: h})
	}
	return c
}

// What a failure costs must not tell which client there is.
func TestCauth10EveryFailureCostsTheSame(t *testing.T) {
	r, work, _ := registry(t,
		known("slow", client.SecretBasic, "slow:right"),
		known("drawn", client.SecretBasic, hash.Generated("right")),
		known("key", client.PrivateKeyJWT),
	)
	for name, cred := range map[string]client.Credentials{
		"unknown":                 {ID: "nobody", Method: client.SecretBasic, Secret: "x"},
		"wrong secret, typed":     {ID: "slow", Method: client.SecretBasic, Secret: "x"},
		"wrong secret, drawn":     {ID: "drawn", Method: client.SecretBasic, Secret: "x"},
		"another method, typed":   {ID: "slow", Method: client.SecretPost, Secret: "right"},
		"another method, its key": {ID: "key", Method: client.SecretBasic, Secret: "x"},
	} {
		work.slow = 0
		_, err := r.Authenticate(t.Context(), "o", "oidc", cred)
		if !oauth.Is(err, oauth.InvalidClient) || work.slow != 1 {
			t.Errorf("%s: %v after %d slow comparisons, want one", name, err, work.slow)
		}
	}
	if c, err := r.Authenticate(t.Context(), "o", "oidc", client.Credentials{ID: "slow", Method: client.SecretBasic, Secret: "right"}); err != nil || c.ID != "slow" {
		t.Errorf("the right secret: %v", err)
	}
}

// People paste the secret where the id belongs; a record is no place for it.
func TestASecretInPlaceOfTheIDIsNotRecorded(t *testing.T) {
	r, _, _ := registry(t, known("mover", client.SecretBasic, hash.Generated("jts_verysecretindeed")))
	rec := &audit.Record{}
	_, err := r.Authenticate(audit.With(t.Context(), rec), "o", "oidc", client.Credentials{ID: "jts_verysecretindeed", Method: client.SecretBasic, Secret: "mover"})
	if !oauth.Is(err, oauth.InvalidClient) {
		t.Fatal(err)
	}
	if b, err := json.Marshal(rec); err != nil || strings.Contains(string(b), "jts_verysecretindeed") {
		t.Errorf("%s, %v", b, err)
	}
	rec = &audit.Record{}
	_, _ = r.Authenticate(audit.With(t.Context(), rec), "o", "oidc", client.Credentials{ID: "typo", Method: client.SecretBasic, Secret: "x"})
	if rec.Client != "typo" {
		t.Errorf("a mistyped id is recorded as %q", rec.Client)
	}
}

func TestFailuresAreCountedForEachClientAndSource(t *testing.T) {
	r, _, asked := registry(t, known("mover", client.SecretBasic, hash.Generated("s")))
	_, _ = r.Authenticate(t.Context(), "o", "oidc", client.Credentials{ID: "mover", Method: client.SecretBasic, Secret: "x", Addr: "192.0.2.1"})
	if len(asked.seen) != 1 || asked.seen[0] != "client/o/mover from 192.0.2.1" {
		t.Errorf("%q", asked.seen)
	}
}
