package web

import (
	"encoding/pem"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"jeton/internal/client"
	"jeton/internal/identity"
	"jeton/internal/jose"
)

const (
	edKey = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n"
	edJWK = `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`
	p256  = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEVs/o5+uQbTjL3chynL4wXgUg2R9\nq9UU8I5mEovUf86QZ7kOBIjJwqnzD1omageEHWwHdBO6B+dFabmdT9POxg==\n-----END PUBLIC KEY-----\n"
)

func TestWhatStoodAroundAKeyIsNotKept(t *testing.T) {
	for _, text := range []string{edKey, "\r\n" + strings.ReplaceAll(edKey, "\n", "\r\n"), "my key\n\n" + edKey} {
		k, problem := readKey(text, "")
		if problem != nil || k.PEM != edKey {
			t.Errorf("%q is kept as %q (%v)", text, k.PEM, problem)
		}
	}
	if k, problem := readKey(edJWK, "x"); problem != nil || !strings.HasPrefix(k.PEM, "-----BEGIN PUBLIC KEY-----") {
		t.Errorf("a JWK: %v %v", k, problem)
	}
}

func TestTheSameKeyIsTheSameUnderAnyName(t *testing.T) {
	k, problem := readKey(edKey, "mine")
	if problem != nil {
		t.Fatal(problem)
	}
	for _, have := range []client.Key{{PEM: edKey}, {ID: "from-a-file", PEM: edKey}, {ID: k.ID, PEM: p256}} {
		u := &identity.User{Keys: []client.Key{have}}
		if problem := putKey(u, k); problem == nil || problem.Key != "keys.wrong.twice" || len(u.Keys) != 1 {
			t.Errorf("beside %q: %v", have.ID, problem)
		}
	}
}

// FuzzKey: whatever a form makes us keep is a public key alone, in our own spelling,
// that reads back as the same key; what holds a private key is never kept.
func FuzzKey(f *testing.F) {
	for _, text := range []string{
		edKey, edJWK, p256, "x\n" + edKey, edKey + p256, "", "{", "-----BEGIN PRIVATE KEY-----\nMC4=\n-----END PRIVATE KEY-----",
		"-----BEGIN PUBLIC KEY-----\nheader: x\n\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----",
		`{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"x"}`, `{"kty":"RSA","n":"AQAB","e":"AQAB"}`,
	} {
		f.Add(text, "label")
	}
	f.Fuzz(func(t *testing.T, text, label string) {
		k, problem := readKey(text, label)
		if problem != nil {
			if k.PEM != "" || !strings.HasPrefix(problem.Key, "keys.wrong.") {
				t.Fatalf("refused as %q and kept as %q", problem.Key, k.PEM)
			}
			return
		}
		pub, err := jose.ParsePublic(k.PEM)
		if err != nil || jose.MarshalPublicPEM(pub) != k.PEM || jose.Thumbprint(pub) != k.ID {
			t.Fatalf("kept %q (%v)", k.PEM, err)
		}
		block, rest := pem.Decode([]byte(k.PEM))
		if block == nil || block.Type != "PUBLIC KEY" || len(block.Headers) != 0 || len(rest) != 0 || private(k.PEM) {
			t.Fatalf("kept more than a public key: %q", k.PEM)
		}
		if utf8.RuneCountInString(k.Label) > maxLabel || strings.ContainsFunc(k.Label, func(r rune) bool { return r != ' ' && !unicode.IsPrint(r) }) {
			t.Fatalf("label %q", k.Label)
		}
		again, problem := readKey(k.PEM, k.Label)
		if problem != nil || again != k {
			t.Fatalf("%+v reads back as %+v (%v)", k, again, problem)
		}
		for _, both := range []string{text + "\n-----BEGIN RSA PRIVATE KEY-----\nAA==\n-----END RSA PRIVATE KEY-----", "-----BEGIN EC PRIVATE KEY-----\n" + text} {
			if k, problem := readKey(both, label); problem == nil {
				t.Fatalf("kept %q of text with a private key", k.PEM)
			}
		}
	})
}

// FuzzDetail: what is kept of a detail is kept as it is when it is typed once more,
// holds no character that forges a line or turns it around, and is bounded.
func FuzzDetail(f *testing.F) {
	for _, s := range []string{"", "Ada", "a\u202eb", "+33 1 23", "+33123456789", "a@b.example", "fr-CA", "\x00", strings.Repeat("é", 300)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		s = strings.TrimSpace(s)
		for _, d := range details {
			kept, wrong := d.check(s)
			if wrong != "" {
				if !strings.HasPrefix(wrong, "profile.wrong.") {
					t.Fatalf("%s: %q", d.name, wrong)
				}
				continue
			}
			if again, wrong := d.check(kept); wrong != "" || again != kept {
				t.Errorf("%s: %q is kept as %q, and that as %q (%s)", d.name, s, kept, again, wrong)
			}
			if utf8.RuneCountInString(kept) > maxDetail || strings.ContainsFunc(kept, func(r rune) bool { return r != ' ' && !unicode.IsPrint(r) }) {
				t.Errorf("%s: kept %q", d.name, kept)
			}
			u := &identity.User{}
			if d.write(u, kept); d.read(u) != kept {
				t.Errorf("%s: written %q, read %q", d.name, kept, d.read(u))
			}
		}
	})
}
