package config

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"jeton/examples"
	"jeton/internal/client"
	"jeton/internal/identity"
	"jeton/internal/oauth"
)

var update = flag.Bool("update", false, "rewrite golden files")

// what a file does not say, and so does not survive being written
var ignored = []cmp.Option{
	cmpopts.IgnoreFields(identity.User{}, "Source"),
	cmpopts.IgnoreFields(client.Client{}, "Source"),
	cmpopts.IgnoreFields(World{}, "Plain"),
}

func publicKey(t testing.TB) string {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return pemText(t, k.Public())
}

func pemText(t testing.TB, key any) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func checkKey(text string) error {
	if b, _ := pem.Decode([]byte(text)); b == nil {
		return errors.New("no PEM block")
	}
	return nil
}

func hash(kind Kind, s oauth.Secret) (string, error) {
	return fmt.Sprintf("$test$%s$%x", kind, s.Reveal()), nil
}

var dialects = map[string]Dialect{
	"oidc": {}, "faspex": {}, "aspire": {}, "aoc": {},
	"fortiauth": {Never: true, Client: map[string]Setting{"relative_issuer": {Kind: SettingBool}}},
	"sensu":     {Organization: map[string]Setting{"compat": {Kind: SettingChoice, Choices: []string{"5", "6"}}}},
}

func options(t testing.TB) Options {
	key := publicKey(t)
	return Options{
		ReadFile: func(name string) ([]byte, error) {
			switch {
			case strings.HasSuffix(name, ".pub"):
				return []byte(key), nil
			case strings.HasSuffix(name, ".crt"):
				return []byte(certificate), nil
			case strings.HasSuffix(name, ".svg"):
				return []byte(drawing), nil
			case strings.HasSuffix(name, ".xml"):
				return []byte("metadata"), nil
			}
			return nil, fs.ErrNotExist
		},
		ReadMetadata: func(text []byte) (client.Provider, error) {
			if string(text) != "metadata" {
				return client.Provider{}, errors.New("no metadata")
			}
			return client.Provider{EntityID: "urn:idp", SSO: "https://idp.example.com/sso", SSOBinding: "post", Certificates: []string{certificate}}, nil
		},
		AllowPlain: true, HashSecret: hash, CheckKey: checkKey, Dialects: dialects,
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := "testdata/" + name
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got, -update rewrites it):\n%s", file, diff)
	}
}

func lines(ps []Problem) string {
	var b strings.Builder
	for _, p := range ps {
		b.WriteString(p.String() + "\n\n")
	}
	return b.String()
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestEveryMalformedLineIsNotedInOnePass(t *testing.T) {
	_, ps := Parse("malformed.yaml", read(t, "malformed.yaml"))
	golden(t, "malformed.golden", lines(ps))
}

func TestEverySenselessEntryIsNotedInOnePass(t *testing.T) {
	f, ps := Parse("wrong.yaml", read(t, "wrong.yaml"))
	if len(ps) > 0 {
		t.Fatalf("the file should be well-formed:\n%s", lines(ps))
	}
	golden(t, "wrong.golden", lines(Lint(f, options(t))))
}

func TestProblemsNeverQuoteSecrets(t *testing.T) {
	f, ps := Parse("f", []byte(`version: 1
users:
  - {name: a, password: {hash: s3cret-hunter}}
  - {name: b, password: {plain: s3cret-hunter}}
  - {name: c, password: {plain: s3cret-hunter, env: X}}
clients:
  - {id: a, dialect: oidc, auth: s3cret-hunter, grants: [s3cret-hunter]}
  - {id: b, dialect: oidc, secrets: [{hash: s3cret-hunter}], grants: [client_credentials]}
`))
	_, unresolved := Resolve(f, Options{})
	ps = append(append(ps, Lint(f, Options{})...), unresolved...)
	if len(ps) < 6 {
		t.Errorf("too few problems:\n%s", lines(ps))
	}
	if text := lines(ps); strings.Contains(text, "s3cret-hunter") {
		t.Errorf("a problem shows a secret:\n%s", text)
	}
}

func TestDocumentsThatAreNotOneDocument(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", "f:1:1: version is missing"},
		{"comments", "# nothing\n", "f:1:1: version is missing"},
		{"version", "version: 2\n", "f:1:10: version 2 is not one this server reads"},
		{"two documents", "version: 1\n---\nversion: 1\n", "f:2:1: a second document begins here"},
		{"a list", "- a\n", "f:1:1: the file must be a mapping, not a list"},
		{"text", "hello\n", "f:1:1: the file must be a mapping, not a single value"},
		{"syntax", "version: 1\nusers: [\n", "f:2: not YAML: did not find expected node content"},
		{"tab", "version: 1\n\tusers: []\n", "f:2: not YAML: found a tab character that violates indentation"},
		{"bytes", "version: 1\nusers:\n  - name: \xff\n", "f:3: the text is not UTF-8"},
		{"key twice", "version: 1\nversion: 1\n", "f:2:1: duplicate key `version`, first on line 1"},
		{"key that is a list", "version: 1\n? [a]\n: 1\n", "f:2:3: this key is not a plain name"},
		{"alias", "version: 1\nusers: &a [*a]\n", "f:2:8: an anchor (&a) is not allowed"},
		{"large", "version: 1\n#" + strings.Repeat("x", MaxBytes), "f:1:1: the file is larger than 8 MiB"},
		{"deep", "version: 1\nobjects: [{body: {a: " + strings.Repeat("[", 200) + strings.Repeat("]", 200) + "}}]\n", "nested deeper than 32 levels"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, ps := Parse("f", []byte(c.text))
			if len(ps) != 1 || !strings.Contains(ps[0].String(), c.want) {
				t.Errorf("got\n%swant %s", lines(ps), c.want)
			}
			for _, p := range ps {
				if p.Next == "" {
					t.Errorf("no next step: %s", p)
				}
			}
		})
	}
}

func TestAnAliasBombIsRefusedAtOnce(t *testing.T) {
	var b strings.Builder
	b.WriteString("version: 1\nobjects:\n  - body:\n      a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 12; i++ {
		fmt.Fprintf(&b, "      a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10), ", "))
	}
	_, ps := Parse("bomb", []byte(b.String()))
	if len(ps) != 12 {
		t.Errorf("want one problem for each of 12 anchors, got %d", len(ps))
	}
}

func TestNearestFindsTheNameThatWasMeant(t *testing.T) {
	known := []string{"redirect_uris", "grants", "scopes", "id", "default_scope", "users", "realm"}
	for word, want := range map[string]string{
		"redirect_uri":                "redirect_uris",
		"redirct_uris":                "redirect_uris",
		"rediretc_uris":               "redirect_uris",
		"grant":                       "grants",
		"scope":                       "scopes",
		"default_scopes":              "default_scope",
		"realms":                      "realm",
		"user":                        "users",
		"sucoep":                      "",
		"xyz":                         "",
		"":                            "",
		"ip":                          "",
		strings.Repeat("grants", 1e4): "",
	} {
		if got := Nearest(word, known); got != want {
			t.Errorf("Nearest(%.20q) = %q, want %q", word, got, want)
		}
	}
}

func TestLengthsOfTime(t *testing.T) {
	for text, want := range map[string]Seconds{
		"0": 0, "never": 0, "900": 900, "900s": 900, "15m": 900, "1h30m": 5400, "30d": 30 * 86400, "1d12h": 129600,
	} {
		if got, err := ParseSeconds(text); err != nil || got != want {
			t.Errorf("ParseSeconds(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "soon", "-1", "-5m", "1.5s", "d", "1dd", "30D", "1e3", "99999999999999999999", "36501d", "9999999d", "1d-5m", "10ms", "+5"} {
		if got, err := ParseSeconds(text); err == nil {
			t.Errorf("ParseSeconds(%q) = %d, want an error", text, got)
		}
	}
	for _, s := range []Seconds{0, 1, 59, 60, 61, 3600, 5400, 86400, 86401, 30 * 86400} {
		if back, err := ParseSeconds(s.String()); err != nil || back != s {
			t.Errorf("%d prints as %q, which reads as %d, %v", int64(s), s, int64(back), err)
		}
	}
}

func TestTheDemoWorldIsWithoutProblems(t *testing.T) {
	w, ps := Load("demo.yaml", examples.Demo, options(t))
	if len(ps) > 0 {
		t.Fatal(lines(ps))
	}
	user := map[string]identity.User{}
	for _, u := range w.Users {
		user[u.Org+"/"+u.Name] = u
	}
	for name, password := range map[string]oauth.Secret{
		"myusername": "mypassword", "admin": "P@ssw0rd!", "luser1": "12345678", "sam": "demo-sam", "jsmith": "demo-jsmith",
	} {
		if got := w.Plain[SecretKey{Kind: UserSecret, Org: "default", Realm: "local", Name: name}]; got.Reveal() != password.Reveal() {
			t.Errorf("password of %s is %q", name, got.Reveal())
		}
	}
	for id, secret := range map[string]string{
		"client_id": "client_secret", "client_id_36000": "client_secret", "batch": "demo-batch-secret", "portal": "demo-portal-secret",
		"api": "demo-api-secret", "5b0c1f7e-3a52-4b0e-9b3e-0f6f6c1f2a11": "demo-aspire-secret",
	} {
		if got := w.Plain[SecretKey{Kind: ClientSecret, Org: "default", Name: id}]; got.Reveal() != secret {
			t.Errorf("secret of %s is %q", id, got.Reveal())
		}
	}
	if got := user["default/admin"].Groups; !cmp.Equal(got, []string{"cluster-admins"}) {
		t.Errorf("groups of admin: %v", got)
	}
	var faspex struct {
		Admin       bool
		Profile     []struct{ Name, Value string }
		Memberships []struct{ Workgroup string }
	}
	jsmith := user["default/jsmith"]
	if !jsmith.Decode("faspex", &faspex) || !faspex.Admin || len(faspex.Profile) != 2 || faspex.Memberships[0].Workgroup != "test_wg" {
		t.Errorf("jsmith's faspex attributes: %+v", faspex)
	}
	if ada := user["acme/ada@example.com"]; !ada.Admin || len(ada.Keys) != 1 {
		t.Errorf("ada: %+v", ada)
	}
	want := []Listing{{Org: "acme", Client: "mover", Realm: "local", Users: []string{"ada@example.com"}}}
	if diff := cmp.Diff(want, w.Listed); diff != "" {
		t.Error(diff)
	}
	for _, c := range w.Clients {
		switch c.ID {
		case "client_id":
			if c.AccessLife == nil || *c.AccessLife != 0 {
				t.Error("tokens of client_id should never end")
			}
		case "client_id_36000":
			if c.AccessLife == nil || *c.AccessLife != 36000 {
				t.Error("tokens of client_id_36000 should end after 36000 s")
			}
		case "mover":
			if !c.May(oauth.GrantJWTBearer) {
				t.Error("mover may not use the JWT grant")
			}
		}
		if c.Source == "" || c.Name == "" || !c.Enabled || c.Auth == "" {
			t.Errorf("client without source, name, auth, or disabled: %+v", c)
		}
	}
}

func TestSecretsComeFromFilesVariablesAndHashes(t *testing.T) {
	o := Options{
		Dir:    "/etc/jeton",
		Getenv: func(n string) string { return map[string]string{"PW": "from the environment"}[n] },
		ReadFile: func(n string) ([]byte, error) {
			if b, ok := map[string]string{"/etc/jeton/pw": "from a file\n", "/run/pw": "absolute\r\n", "/etc/jeton/big": strings.Repeat("x", maxFile+1), "/etc/jeton/none": "\n"}[n]; ok {
				return []byte(b), nil
			}
			return nil, fs.ErrNotExist
		},
	}
	w, ps := Load("f", []byte(`version: 1
users:
  - {name: env, password: {env: PW}}
  - {name: file, password: {file: pw}}
  - {name: absolute, password: {file: /run/pw}}
  - {name: hash, password: {hash: $argon2id$v=19$x}}
`), o)
	if len(ps) > 0 {
		t.Fatal(lines(ps))
	}
	got := map[string]string{}
	for k, s := range w.Plain {
		got[k.Name] = s.Reveal()
	}
	if diff := cmp.Diff(map[string]string{"env": "from the environment", "file": "from a file", "absolute": "absolute"}, got); diff != "" {
		t.Error(diff)
	}
	if w.Users[3].Password != "$argon2id$v=19$x" || w.Users[0].Password != "" {
		t.Error("a hash is taken as it is; without HashSecret a value stays unhashed")
	}

	_, ps = Load("f", []byte(`version: 1
users:
  - {name: a, password: {env: UNSET}}
  - {name: b, password: {file: missing}}
  - {name: c, password: {file: big}}
  - {name: d, password: {file: none}}
  - {name: e, password: {plain: x}}
  - {name: f, password: {}}
  - {name: g, keys: [{file: missing}]}
  - {name: h, keys: [{jwk: {kty: EC}}]}
`), o)
	golden(t, "resolve.golden", lines(ps))
}

func TestAJSONWebKeyBecomesPEMAndAPrivateOneIsRefused(t *testing.T) {
	key := ed25519.NewKeyFromSeed([]byte("0123456789abcdef0123456789abcdef"))
	x := "x: " + base64.RawURLEncoding.EncodeToString(key.Public().(ed25519.PublicKey))
	w, ps := Load("f", []byte(`version: 1
users:
  - {name: a, keys: [{jwk: {kty: OKP, crv: Ed25519, kid: k1, `+x+`}}]}
`), Options{CheckKey: checkKey})
	if len(ps) > 0 {
		t.Fatal(lines(ps))
	}
	if got := w.Users[0].Keys[0]; got.ID != "k1" || got.PEM != pemText(t, key.Public()) {
		t.Errorf("got %+v", got)
	}
	_, ps = Load("f", []byte(`version: 1
users:
  - {name: a, keys: [{jwk: {kty: oct, k: c2VjcmV0}}, {jwk: {kty: OKP, crv: Ed25519, d: MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY, `+x+`}}]}
`), Options{})
	if len(ps) != 2 {
		t.Errorf("want two refusals, got\n%s", lines(ps))
	}
}

func TestReferencesMayMeanWhatTheServerHasAlready(t *testing.T) {
	o := Options{
		Existing:  []client.Org{{ID: "corp", Default: true, Realms: []client.Realm{{Name: "staff", Default: true}}}},
		KnownUser: func(org, realm, name string) bool { return org == "corp" && realm == "staff" && name == "eve" },
	}
	w, ps := Load("f", []byte(`version: 1
users: [{name: ada}]
clients: [{id: c, dialect: aoc, grants: [jwt-bearer], users: [ada, eve]}]
`), o)
	if len(ps) > 0 {
		t.Fatal(lines(ps))
	}
	if u := w.Users[0]; u.Org != "corp" || u.Realm != "staff" {
		t.Errorf("ada is in %s/%s", u.Org, u.Realm)
	}
	_, ps = Load("f", []byte("version: 1\nclients: [{id: c, dialect: aoc, grants: [jwt-bearer], users: [bob]}]\n"), o)
	if len(ps) != 1 {
		t.Errorf("an unknown user is a problem:\n%s", lines(ps))
	}
}

func TestTheReferenceDescribesEveryKey(t *testing.T) {
	var b strings.Builder
	for _, f := range append(Reference(), ServeReference()...) {
		if f.Meaning == "" || f.Type == "anything" {
			t.Errorf("%s has no meaning or type", f.Name)
		}
		fmt.Fprintf(&b, "%s | %s | %s | %s | %s | %s\n", f.Name, f.Type, strings.Join(f.One, " "), f.Default, f.Env, f.Meaning)
	}
	golden(t, "reference.golden", b.String())
}
