package config

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"jeton/examples"
	"jeton/internal/client"
	"jeton/internal/identity"
	"jeton/internal/oauth"
)

// again writes w and reads it back.
func again(t testing.TB, w *World, o Options) (*World, []byte) {
	t.Helper()
	text, err := Export(*w)
	if err != nil {
		t.Fatal(err)
	}
	f, ps := Parse("exported", text)
	back, more := Resolve(f, o)
	if ps = append(ps, more...); len(ps) > 0 {
		t.Fatalf("what was exported does not read back:\n%s\n%s", lines(ps), text)
	}
	return back, text
}

func inOrder(w *World) *World {
	out := *w
	out.Orgs = sorted(w.Orgs, func(a, b client.Org) int { return strings.Compare(a.ID, b.ID) })
	out.Users = sorted(w.Users, byUser)
	out.Clients = sorted(w.Clients, byClient)
	out.Docs = sorted(w.Docs, byDoc)
	out.Listed = sorted(w.Listed, func(a, b Listing) int {
		return byClient(client.Client{Org: a.Org, ID: a.Client}, client.Client{Org: b.Org, ID: b.Client})
	})
	return &out
}

func TestTheDemoWorldSurvivesExport(t *testing.T) {
	o := options(t)
	w, ps := Load("demo.yaml", examples.Demo, o)
	if len(ps) > 0 {
		t.Fatal(lines(ps))
	}
	back, text := again(t, w, o)
	if diff := cmp.Diff(inOrder(w), back, ignored...); diff != "" {
		t.Errorf("(-before +after)\n%s", diff)
	}
	if strings.Contains(string(text), "demo-portal-secret") {
		t.Error("the export holds a secret")
	}
	_, second := again(t, back, o)
	if diff := cmp.Diff(string(text), string(second)); diff != "" {
		t.Errorf("a second export differs:\n%s", diff)
	}
	if ps := Lint(must(Parse("exported", text)), o); len(ps) > 0 {
		t.Errorf("the export has problems:\n%s", lines(ps))
	}
}

func must(f *File, _ []Problem) *File { return f }

func TestAnExportLeavesDefaultsOut(t *testing.T) {
	text, err := Export(World{
		Orgs:  []client.Org{{ID: "default", Name: "default", Default: true, Realms: []client.Realm{{Name: "local", Default: true}}}},
		Users: []identity.User{{Org: "default", Realm: "local", Name: "ada", Enabled: true, Attr: map[string]any{"n": 1.0, "t": "true"}}},
		Clients: []client.Client{{Org: "default", ID: "c", Name: "c", Dialect: "oidc", Enabled: true, Auth: client.SecretBasic,
			Grants: []oauth.GrantType{oauth.GrantJWTBearer}, Secrets: []client.Secret{{Hash: "$x$y"}}, Scopes: oauth.Scope{"a", "b"}}},
		Listed: []Listing{{Org: "default", Client: "c", Realm: "local"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `version: 1
organizations:
  - id: default
    default: true
    realms:
      - name: local
        default: true
users:
  - name: ada
    attributes:
      n: 1
      t: "true"
clients:
  - id: c
    dialect: oidc
    secrets:
      - hash: $x$y
    grants: [jwt-bearer]
    scopes: [a, b]
    users: []
`
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Error(diff)
	}
}

func TestWhatBrowsersNeedSurvivesExport(t *testing.T) {
	o := options(t)
	w, ps := Load("browser.yaml", read(t, "browser.yaml"), o)
	if len(ps) > 0 {
		t.Fatal(lines(ps))
	}
	back, text := again(t, w, o)
	if diff := cmp.Diff(inOrder(w), back, ignored...); diff != "" {
		t.Errorf("(-before +after)\n%s", diff)
	}
	if ps := Lint(must(Parse("exported", text)), o); len(ps) > 0 {
		t.Errorf("the export has problems:\n%s", lines(ps))
	}
}

func TestASecretWithoutHashIsNotExported(t *testing.T) {
	if _, err := Export(World{Clients: []client.Client{{ID: "c", Secrets: []client.Secret{{}}}}}); err == nil {
		t.Error("want an error")
	}
	if _, err := Export(World{Docs: []Doc{{ID: "1", Body: json.RawMessage(`[1]`)}}}); err == nil {
		t.Error("a body that is not an object: want an error")
	}
}

var awkward = []string{"", " ", "true", "null", "~", "12", "0x1f", "1e3", "2020-01-01", "yes", "<<", "=", "- a", "a: b", "# c", "'", "\"", "\n", "a\nb\n", "\ta", " a\n", "a\n\n", "\r\n", "\u0085", "\u2028", "\ufeff", "é", "😀", "\x00", "\x7f", "{a}", "[b]", "*x", "&y", "!z", "|", ">", "%", "@", "`", "a #b", "...", "---"}

// texts are any text, the awkward ones often.
func texts() *rapid.Generator[string] {
	return rapid.OneOf(rapid.SampledFrom(awkward), rapid.String(), rapid.StringMatching(`[a-z]{1,8}`))
}

func filled() *rapid.Generator[string] {
	return texts().Filter(func(s string) bool { return s != "" })
}

func lists(of *rapid.Generator[string]) *rapid.Generator[[]string] {
	return rapid.Custom(func(t *rapid.T) []string { return list(rapid.SliceOfN(of, 0, 3).Draw(t, "list")) })
}

func frees(depth int) *rapid.Generator[any] {
	kinds := []*rapid.Generator[any]{
		rapid.Just[any](nil), rapid.Bool().AsAny(), texts().AsAny(), rapid.Int64().AsAny(),
		rapid.Map(rapid.Float64Range(-1e6, 1e6), func(f float64) any { v, _ := readNumber(fmt.Sprintf("%g", f)); return v }).Filter(func(v any) bool { return v != nil }),
	}
	if depth > 0 {
		kinds = append(kinds,
			rapid.Map(rapid.SliceOfN(frees(depth-1), 0, 3), func(l []any) any { return l }),
			rapid.Map(rapid.MapOfN(texts(), frees(depth-1), 0, 3), func(m map[string]any) any { return m }))
	}
	return rapid.OneOf(kinds...)
}

func mappings() *rapid.Generator[map[string]any] {
	return rapid.Custom(func(t *rapid.T) map[string]any {
		m := rapid.MapOfN(texts(), frees(2), 0, 3).Draw(t, "mapping")
		if len(m) == 0 {
			return nil
		}
		return m
	})
}

func settingsGen() *rapid.Generator[map[string]json.RawMessage] {
	return rapid.Custom(func(t *rapid.T) map[string]json.RawMessage {
		r := &resolver{}
		return r.settings(mappings().Draw(t, "settings"), nil, "")
	})
}

func lives() *rapid.Generator[*int64] {
	return rapid.Ptr(rapid.Int64Range(0, maxSeconds), true)
}

func keysGen() *rapid.Generator[[]client.Key] {
	return rapid.Custom(func(t *rapid.T) []client.Key {
		var out []client.Key
		for range rapid.IntRange(0, 2).Draw(t, "keys") {
			out = append(out, client.Key{ID: texts().Draw(t, "kid"), PEM: filled().Draw(t, "pem")})
		}
		return out
	})
}

func worlds() *rapid.Generator[*World] {
	return rapid.Custom(func(t *rapid.T) *World {
		w := &World{}
		ids := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z]{1,5}`), 1, 3, rapid.ID).Draw(t, "organizations")
		for i, id := range ids {
			o := client.Org{
				ID: id, Name: filled().Draw(t, "name"), Number: rapid.Int64Range(0, 1<<60).Draw(t, "number"), Default: i == 0,
				Hosts: lists(texts()).Draw(t, "hosts"), Prefixes: lists(texts()).Draw(t, "prefixes"), Dialects: lists(texts()).Draw(t, "dialects"),
			}
			for j, name := range lists(filled()).Draw(t, "realms") {
				o.Realms = append(o.Realms, client.Realm{Name: name, Title: texts().Draw(t, "title"), Default: j == 0})
			}
			o.Brand = client.Brand{Name: texts().Draw(t, "brand"), Accent: texts().Draw(t, "accent"), Help: texts().Draw(t, "help"), Terms: texts().Draw(t, "terms"), Logo: texts().Draw(t, "logo")}
			o.Session = client.SessionLife{Idle: rapid.Int64Range(0, maxSeconds).Draw(t, "idle"), Life: rapid.Int64Range(0, maxSeconds).Draw(t, "life")}
			o.Scopes = dictionaries().Draw(t, "scopes")
			for _, number := range rapid.SliceOfNDistinct(rapid.Int64Range(1, 1<<60), 0, 2, rapid.ID).Draw(t, "providers") {
				o.Providers = append(o.Providers, providerGen(number).Draw(t, "provider"))
			}
			if s := settingsGen().Draw(t, "settings"); s != nil {
				o.Settings = map[string]map[string]json.RawMessage{texts().Draw(t, "dialect"): s}
			}
			w.Orgs = append(w.Orgs, o)
		}
		for range rapid.IntRange(0, 3).Draw(t, "users") {
			w.Users = append(w.Users, userGen(ids).Draw(t, "user"))
		}
		for _, id := range rapid.SliceOfNDistinct(filled(), 0, 3, rapid.ID).Draw(t, "clients") {
			c := clientGen(ids, id).Draw(t, "client")
			w.Clients = append(w.Clients, c)
			if rapid.Bool().Draw(t, "listed") {
				o := w.Orgs[slices.Index(ids, c.Org)]
				w.Listed = append(w.Listed, Listing{c.Org, c.ID, or(c.Realm, o.DefaultRealm()), lists(texts()).Draw(t, "users")})
			}
		}
		for range rapid.IntRange(0, 2).Draw(t, "docs") {
			body := frees(2).Filter(func(v any) bool { _, ok := v.(map[string]any); return ok }).Draw(t, "body")
			raw := (&resolver{}).json(body, "")
			w.Docs = append(w.Docs, Doc{rapid.SampledFrom(ids).Draw(t, "org"), texts().Draw(t, "dialect"), texts().Draw(t, "kind"), texts().Draw(t, "id"), raw})
		}
		return inOrder(w)
	})
}

func dictionaries() *rapid.Generator[map[string]string] {
	return rapid.Custom(func(t *rapid.T) map[string]string {
		return dictionary(rapid.MapOfN(texts(), texts(), 0, 3).Draw(t, "dictionary"))
	})
}

func providerGen(number int64) *rapid.Generator[client.Provider] {
	return rapid.Custom(func(t *rapid.T) client.Provider {
		return client.Provider{
			Name: texts().Draw(t, "name"), Title: texts().Draw(t, "title"), Number: number, EntityID: texts().Draw(t, "entity"),
			Certificates: lists(filled()).Draw(t, "certificates"), SSO: texts().Draw(t, "sso"), SSOBinding: rapid.SampledFrom([]string{"", "post"}).Draw(t, "binding"),
			Disabled: rapid.Bool().Draw(t, "disabled"), Realm: texts().Draw(t, "realm"), Create: rapid.Bool().Draw(t, "create"),
			Attributes: dictionaries().Draw(t, "attributes"), Groups: dictionaries().Draw(t, "groups"),
		}
	})
}

func claimGen() *rapid.Generator[client.Claim] {
	return rapid.Custom(func(t *rapid.T) client.Claim {
		return client.Claim{
			Name: texts().Draw(t, "name"), From: texts().Draw(t, "from"), Scope: texts().Draw(t, "scope"),
			In: lists(rapid.SampledFrom([]string{client.InID, client.InUserinfo, client.InAccess})).Draw(t, "in"),
		}
	})
}

func userGen(orgs []string) *rapid.Generator[identity.User] {
	return rapid.Custom(func(t *rapid.T) identity.User {
		return identity.User{
			Org: rapid.SampledFrom(orgs).Draw(t, "org"), Realm: filled().Draw(t, "realm"), Name: texts().Draw(t, "name"), Email: texts().Draw(t, "email"),
			GivenName: texts().Draw(t, "given"), FamilyName: texts().Draw(t, "family"), DisplayName: texts().Draw(t, "display"),
			Enabled: rapid.Bool().Draw(t, "enabled"), Expires: rapid.Int64Range(0, 253402300799).Draw(t, "expires"), Password: texts().Draw(t, "password"),
			Admin: rapid.Bool().Draw(t, "admin"), Groups: lists(texts()).Draw(t, "groups"), Roles: lists(texts()).Draw(t, "roles"),
			PasswordDue: rapid.Bool().Draw(t, "due"),
			Keys:        keysGen().Draw(t, "keys"), Attr: mappings().Draw(t, "attributes"),
		}
	})
}

func clientGen(orgs []string, id string) *rapid.Generator[client.Client] {
	algs := rapid.SampledFrom([]string{"", "RS256", "PS256", "ES256", "ES384", "EdDSA"})
	return rapid.Custom(func(t *rapid.T) client.Client {
		c := client.Client{
			Org: rapid.SampledFrom(orgs).Draw(t, "org"), ID: id, Name: filled().Draw(t, "name"), Dialect: rapid.SampledFrom([]string{"oidc", "aoc", "x y"}).Draw(t, "dialect"),
			Enabled: rapid.Bool().Draw(t, "enabled"), Auth: rapid.SampledFrom([]client.Method{client.SecretBasic, client.SecretPost, client.SecretAny, client.PrivateKeyJWT, client.None}).Draw(t, "auth"),
			Keys: keysGen().Draw(t, "keys"), Scopes: lists(texts()).Draw(t, "scopes"), DefaultScope: lists(texts()).Draw(t, "default"),
			Audiences: lists(texts()).Draw(t, "audiences"), RedirectURIs: lists(texts()).Draw(t, "redirects"), Introspect: rapid.Bool().Draw(t, "introspect"),
			Resource: texts().Draw(t, "resource"), AccessFormat: rapid.SampledFrom([]client.Format{"", client.Opaque, client.JWT}).Draw(t, "format"),
			AccessAlg: algs.Draw(t, "alg"), IDTokenAlg: algs.Draw(t, "id alg"), AccessLife: lives().Draw(t, "access"), RefreshLife: lives().Draw(t, "refresh"),
			Realm: texts().Draw(t, "realm"), Settings: settingsGen().Draw(t, "settings"),
			PKCE: rapid.SampledFrom([]string{"", client.PKCEOptional}).Draw(t, "pkce"), Consent: rapid.SampledFrom([]string{"", client.ConsentAlways, client.ConsentNever}).Draw(t, "consent"),
			Own: rapid.Bool().Draw(t, "own"), ReviewedAt: rapid.Int64Range(0, 253402300799).Draw(t, "reviewed"),
			HomeURI: texts().Draw(t, "home"), PolicyURI: texts().Draw(t, "policy"), TermsURI: texts().Draw(t, "terms"), InitiateURI: texts().Draw(t, "initiate"),
			PostLogoutURIs: lists(texts()).Draw(t, "post logout"), BackchannelURI: texts().Draw(t, "backchannel"), BackchannelSID: rapid.Bool().Draw(t, "sid"),
			DefaultMaxAge: lives().Draw(t, "max age"), UserinfoAlg: algs.Draw(t, "userinfo alg"), IDTokenLife: lives().Draw(t, "id life"),
		}
		for range rapid.IntRange(0, 2).Draw(t, "claims") {
			c.Claims = append(c.Claims, claimGen().Draw(t, "claim"))
		}
		c.Grants = rapid.SliceOfN(rapid.SampledFrom([]oauth.GrantType{
			oauth.GrantClientCredentials, oauth.GrantPassword, oauth.GrantAuthorizationCode, oauth.GrantRefreshToken, oauth.GrantJWTBearer,
			oauth.GrantSAMLBearer, oauth.GrantDeviceCode, oauth.GrantTokenExchange, oauth.GrantCIBA,
		}), 1, 3).Draw(t, "grants")
		for range rapid.IntRange(0, 3).Draw(t, "secrets") {
			c.Secrets = append(c.Secrets, client.Secret{Hash: filled().Draw(t, "hash"), Hint: texts().Draw(t, "hint"), Ends: rapid.Int64Range(0, 253402300799).Draw(t, "ends")})
		}
		return c
	})
}

func TestEveryWorldReadsBackAsItWasWritten(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := worlds().Draw(rt, "world")
		text, err := Export(*w)
		if err != nil {
			rt.Fatal(err)
		}
		f, ps := Parse("exported", text)
		back, more := Resolve(f, Options{})
		if ps = append(ps, more...); len(ps) > 0 {
			rt.Fatalf("%s\n%s", lines(ps), text)
		}
		if diff := cmp.Diff(w, back, ignored...); diff != "" {
			rt.Fatalf("(-before +after)\n%s\n%s", diff, text)
		}
		if second, err := Export(*back); err != nil || string(second) != string(text) {
			rt.Fatalf("a second export differs: %v\n%s", err, cmp.Diff(string(text), string(second)))
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add(examples.Demo)
	f.Add(read(f, "wrong.yaml"))
	f.Add(read(f, "malformed.yaml"))
	for _, s := range []string{
		"version: 1\nusers: [{name: a, realm: b, expires: 2027-01-01, password: {env: X}, keys: [{pem: k}]}]",
		"version: 1\nclients: [{id: a, dialect: oidc, secrets: [{plain: x, ends: never}], access_token: {life: 1d2h}, users: []}]",
		"version: 1\nobjects: [{id: a, body: {a: [1.5, -0.0, 1e400, null, {}]}}]",
		"version: 1\norganizations: [{id: a, default: true, dialects: [], realms: [{name: x}], settings: {s: {a: b}}}]",
	} {
		f.Add([]byte(s))
	}
	f.Add(read(f, "browser.yaml"))
	for _, s := range awkward {
		f.Add([]byte("version: 1\nusers: [{name: a, attributes: {" + s + ": " + s + "}}]\n"))
		f.Add([]byte(fmt.Sprintf("version: 1\nusers: [{name: %q, attributes: {%q: %q, n: %s}}]\n", s, s, s, s)))
	}
	o := Options{
		AllowPlain: true, HashSecret: hash, Dialects: dialects,
		Getenv:   func(string) string { return "value" },
		ReadFile: func(string) ([]byte, error) { return []byte("content"), nil },
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		file, ps := Parse("f", text)
		for _, p := range append(ps, Lint(file, o)...) {
			if p.Line < 1 || p.Next == "" || p.Text == "" || strings.Count(p.String(), "\n") != 1 {
				t.Fatalf("a problem without place or remedy, or not of two lines: %#v", p)
			}
		}
		w, more := Resolve(file, o)
		if len(ps)+len(more) > 0 {
			return
		}
		back, first := again(t, w, o)
		if diff := cmp.Diff(sortedLikeExport(w), back, ignored...); diff != "" {
			t.Fatalf("(-before +after)\n%s\n%s", diff, first)
		}
		if _, second := again(t, back, o); string(second) != string(first) {
			t.Fatalf("a second export differs:\n%s", cmp.Diff(string(first), string(second)))
		}
	})
}

// sortedLikeExport puts w into the order of an export. Of two clients with one id,
// which Lint refuses, Export knows the first one's listing only.
func sortedLikeExport(w *World) *World {
	out := inOrder(w)
	listed := out.Listed
	out.Listed = nil
	for _, c := range out.Clients {
		for _, l := range listed {
			if l.Org == c.Org && l.Client == c.ID {
				out.Listed = append(out.Listed, l)
				break
			}
		}
	}
	return out
}
