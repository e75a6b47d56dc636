package security_test

import (
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"jeton/internal/admin"
	"jeton/internal/jose"
	"jeton/internal/mint"
	"jeton/internal/oauth"
	"jeton/internal/policy"
	"jeton/internal/servertest"
	"jeton/internal/store"
	"jeton/internal/vault"
)

var familiesAll = store.FamilyFilter{}

// canaries are texts that may stand nowhere but where they were sent from or to.
type canaries struct {
	sent   map[string]string // passwords, secrets, codes: in no answer
	issued map[string]string // tokens: in the answers that issue them
	all    []answer
	// private is told on to the client as it came, and may be kept sealed: in no log or
	// record.
	private map[string]string
}

// sings reports whether text holds a canary, in any usual spelling.
func sings(text, canary string) bool {
	sum := []byte(canary)
	for _, form := range []string{canary, hex.EncodeToString(sum), base64.StdEncoding.EncodeToString(sum), base64.RawURLEncoding.EncodeToString(sum)} {
		if strings.Contains(text, form) {
			return true
		}
	}
	return false
}

const canaryWorld = `
version: 1
users:
  - {name: bird, password: {plain: canary-password-7f3a91}, keys: [{file: demo/ada.pub}]}
  - {name: caged, password: {plain: canary-caged-55d0c2}, enabled: false}
  - {name: bird@example.com, organization: acme, email: bird@example.com, admin: true, keys: [{file: demo/ada.pub}]}
clients:
  - {id: nest, dialect: oidc, secrets: [{plain: canary-nest-9c1b44}], grants: [password, refresh_token, jwt-bearer, client_credentials], scopes: [openid, read], access_token: {format: opaque}}
  - {id: nest-jwt, dialect: oidc, secrets: [{plain: canary-jwt-0be7d1}], grants: [password, refresh_token, jwt-bearer, client_credentials], scopes: [openid, read]}
  - {id: forti-nest, dialect: fortiauth, secrets: [{plain: canary-forti-31ac08}], grants: [password, refresh_token, authorization_code], scopes: [read], redirect_uris: ["https://app.example.com/cb"]}
  - {id: aspire-nest, dialect: aspire, secrets: [{plain: canary-aspire-e2f6b0}], grants: [client_credentials, refresh_token], scopes: [Contacts.GET]}
  - {id: aoc-nest, organization: acme, dialect: aoc, secrets: [{plain: canary-aoc-c45d7e}], grants: [jwt-bearer, refresh_token, authorization_code], redirect_uris: ["https://app.example.com/cb"]}
`

// sing walks through every flow and every kind of refusal with canaries in all places
// secrets have.
func sing(s site) *canaries {
	s.t.Helper()
	c := &canaries{issued: map[string]string{}, sent: map[string]string{
		"password": "canary-password-7f3a91", "caged": "canary-caged-55d0c2", "nest": "canary-nest-9c1b44", "jwt": "canary-jwt-0be7d1",
		"forti": "canary-forti-31ac08", "aspire": "canary-aspire-e2f6b0", "aoc": "canary-aoc-c45d7e",
		"wrong password": "canary-wrong-1d20ee", "wrong secret": "canary-guess-b7700c", "code": "canary-code-64aa19", "token": "canary-token-08f1f5",
		"new password": "canary-new-42c9d8", "assertion": "canary.assertion.9d77ab",
	}}
	do := func(a answer) answer {
		c.all = append(c.all, a)
		for _, name := range []string{"access_token", "refresh_token", "Token", "RefreshToken", "key", "secret"} {
			if v := a.member(name); len(v) > 8 {
				c.issued[fmt.Sprint(name, " ", len(c.issued))] = v
			}
		}
		return a
	}
	c.flows(s, do)
	c.refusals(s, do)
	return c
}

func (c *canaries) flows(s site, do func(answer) answer) {
	s.t.Helper()
	ok := func(a answer) answer { s.t.Helper(); return s.must(do(a)) }
	bird := encoded("grant_type", "password", "username", "bird", "password", c.sent["password"])
	for id, secret := range map[string]string{"nest": c.sent["nest"], "nest-jwt": c.sent["jwt"]} {
		a := ok(s.form("/oauth2/token", bird, basic(id, secret)))
		ok(s.send("GET", "/oauth2/userinfo", "", bearer(a.member("access_token"))))
		ok(s.form("/oauth2/introspect", encoded("token", a.member("access_token")), basic(id, secret)))
		ok(s.form("/oauth2/introspect", encoded("token", a.member("refresh_token")), basic(id, secret)))
		b := ok(s.form("/oauth2/token", encoded("grant_type", "refresh_token", "refresh_token", a.member("refresh_token")), basic(id, secret)))
		ok(s.form("/oauth2/revoke", encoded("token", b.member("refresh_token")), basic(id, secret)))
		do(s.form("/oauth2/token", encoded("grant_type", "refresh_token", "refresh_token", b.member("refresh_token")), basic(id, secret)))
		do(s.send("GET", "/oauth2/userinfo", "", bearer(b.member("access_token"))))
		ok(s.form("/oauth2/token", credentialsGrant, basic(id, secret)))
		in := grantInlet(s, "", id, "bird", servertest.Public, "", nil, 0)
		token := in.good(s.t)
		c.issued["assertion "+id] = token
		ok(s.form("/oauth2/token", encoded("grant_type", jwtBearer, "assertion", token), basic(id, secret)))
		do(s.form("/oauth2/token", encoded("grant_type", jwtBearer, "assertion", token), basic(id, secret)))
	}
	// Faspex, by header and by query.
	a := ok(s.send("POST", faspexToken+"?grant_type=password", "", basic("bird", c.sent["password"])))
	ok(s.send("GET", "/api/users/me", "", bearer(a.member("access_token"))))
	ok(s.send("POST", faspexToken+"?grant_type=refresh_token&refresh_token="+a.member("refresh_token"), "", nil))
	// FortiAuthenticator.
	login := map[string]string{"client_id": "forti-nest", "client_secret": c.sent["forti"], "grant_type": "password", "username": "bird", "password": c.sent["password"]}
	a = ok(s.json(fortiToken, marshal(s.t, login), nil))
	ok(s.send("GET", "/api/v1/oauth/verify_token/?client_id=forti-nest", "", bearer(a.member("access_token"))))
	a = ok(s.form(fortiToken, encoded("grant_type", "refresh_token", "refresh_token", a.member("refresh_token")), basic("forti-nest", c.sent["forti"])))
	ok(s.form("/api/v1/oauth/revoke_token/", encoded("token", a.member("access_token")), basic("forti-nest", c.sent["forti"])))
	// Aspire.
	a = ok(s.json("/Authorization", marshal(s.t, map[string]string{"ClientId": "aspire-nest", "Secret": c.sent["aspire"]}), nil))
	ok(s.send("GET", "/Contacts", "", bearer(a.member("Token"))))
	ok(s.json("/Authorization/RefreshToken", marshal(s.t, map[string]string{"RefreshToken": a.member("RefreshToken")}), nil))
	// Sensu: sessions, API keys, passwords.
	a = ok(s.send("GET", "/auth", "", basic("bird", c.sent["password"])))
	ok(s.send("GET", "/auth/test", "", basic("bird", c.sent["password"])))
	a = ok(s.send("POST", "/auth/token", marshal(s.t, map[string]string{"refresh_token": a.member("refresh_token")}), bearer(a.member("access_token"))))
	ok(s.send("POST", "/auth/logout", marshal(s.t, map[string]string{"refresh_token": a.member("refresh_token")}), bearer(a.member("access_token"))))
	boss := ok(s.send("GET", "/auth", "", basic("admin", "P@ssw0rd!")))
	ok(s.send("POST", "/api/core/v2/users", marshal(s.t, map[string]string{"username": "fledgling", "password": c.sent["new password"]}), bearer(boss.member("access_token"))))
	key := ok(s.send("POST", "/api/core/v2/apikeys", `{"username":"bird"}`, bearer(boss.member("access_token")))).member("key")
	ok(s.send("GET", "/api/core/v2/users/bird", "", headers("Authorization", "Key "+key)))
	// Aspera on Cloud: tokens, a node's too, and a client made by the API.
	now := s.Clock.Now().Unix()
	assertion := func(iss string) string {
		p := members{}.set("iss", iss).set("sub", "bird@example.com").set("aud", aocAudience).set("exp", now+600).set("jti", unique())
		token := forge(s.t, rsaHeader().bytes(), p.bytes(), jose.RS256, private(s.t, "ada"))
		c.issued["assertion "+unique()] = token
		return token
	}
	ask := func(scope string) answer {
		return ok(s.form(aocToken, encoded("grant_type", jwtBearer, "scope", scope, "assertion", assertion("aoc-nest")), basic("aoc-nest", c.sent["aoc"])))
	}
	a = ask("admin:all")
	ask("node.demo-access-key:user:all")
	made := ok(s.json("/api/v1/clients", `{"name":"Hatchling","jwt_grant_enabled":true}`, bearer(a.member("access_token"))))
	ok(s.send("GET", "/api/v1/clients/"+made.member("id"), "", bearer(a.member("access_token"))))
	ok(s.send("GET", "/api/v1/self", "", bearer(a.member("access_token"))))
	ok(s.form("/api/v1/oauth2/acme/revoke", encoded("token", a.member("access_token")), basic("aoc-nest", c.sent["aoc"])))
	do(s.send("GET", "/api/v1/self", "", bearer(a.member("access_token"))))
}

func (c *canaries) refusals(s site, do func(answer) answer) {
	s.t.Helper()
	bad := func(a answer) {
		s.t.Helper()
		if do(a).ok() {
			s.t.Errorf("taken: %v", a)
		}
	}
	for _, d := range doors {
		bad(d.try(s, "bird", c.sent["wrong password"], ""))
		bad(d.try(s, "nobody", c.sent["wrong password"], ""))
		bad(d.try(s, "caged", c.sent["caged"], ""))
		bad(d.try(s, "", c.sent["wrong password"], ""))
		bad(d.try(s, "bird", c.sent["wrong password"]+"\x00", ""))
	}
	for _, x := range []string{"token", "assertion"} {
		for _, path := range []string{"/oauth2/userinfo", "/api/users/me", "/api/v1/oauth/verify_token/?client_id=forti-nest", "/api/core/v2/users", "/Contacts", "/api/v1/self"} {
			bad(s.send("GET", path, "", bearer(c.sent[x])))
			bad(s.send("GET", path, "", bearer(c.sent[x]+" "+c.sent[x])))
			bad(s.send("GET", path, "", headers("Authorization", c.sent[x])))
			bad(s.send("GET", path, "", headers("Authorization", "Basic "+c.sent[x])))
			bad(s.send("GET", path+"?access_token="+c.sent[x], "", nil))
		}
		bad(s.send("GET", "/api/core/v2/users", "", headers("Authorization", "Key "+c.sent[x])))
		bad(s.form("/oauth2/token", encoded("grant_type", "refresh_token", "refresh_token", c.sent[x]), basic("nest", c.sent["nest"])))
		bad(s.form("/oauth2/token", encoded("grant_type", jwtBearer, "assertion", c.sent[x]), basic("nest", c.sent["nest"])))
		bad(s.form("/oauth2/token", credentialsGrant+"&"+encoded("client_assertion_type", assertionIs, "client_assertion", c.sent[x]), nil))
		do(s.form("/oauth2/introspect", encoded("token", c.sent[x]), basic("nest", c.sent["nest"])))
		do(s.form("/oauth2/revoke", encoded("token", c.sent[x]), basic("nest", c.sent["nest"])))
		bad(s.send("POST", faspexToken+"?grant_type=refresh_token&refresh_token="+c.sent[x], "", nil))
		bad(s.send("POST", faspexToken+"?grant_type=refresh_token&refresh_token="+c.sent[x]+"&refresh_token="+c.sent[x], "", nil))
		bad(s.form(fortiToken, encoded("grant_type", "refresh_token", "refresh_token", c.sent[x]), basic("forti-nest", c.sent["forti"])))
		bad(s.json("/Authorization/RefreshToken", marshal(s.t, map[string]string{"RefreshToken": c.sent[x]}), nil))
		bad(s.send("POST", "/auth/token", marshal(s.t, map[string]string{"refresh_token": c.sent[x]}), bearer(c.sent[x])))
		bad(s.form(aocToken, encoded("grant_type", jwtBearer, "assertion", c.sent[x], "client_id", "aoc-nest"), nil))
	}
	guess := c.sent["wrong secret"]
	for _, e := range standard {
		bad(s.form(e.path, e.body, basic("nest", guess)))
		bad(s.form(e.path, e.body, basic("nobody", guess)))
		bad(s.form(e.path, e.body+"&client_secret="+guess, basic("nest", c.sent["nest"])))
		bad(s.form(e.path, e.body+"&"+encoded("client_id", "nest", "client_secret", guess), nil))
		bad(s.form(e.path, e.body+"&client_secret="+guess+"&client_secret="+guess, nil))
		bad(s.form(e.path+"?client_secret="+guess+"&token="+c.sent["token"], e.body, nil))
		bad(s.json(e.path, `{"client_secret":"`+guess+`"}`, nil))
		bad(s.send("GET", e.path+"?client_secret="+guess, "", nil))
	}
	bad(s.form(fortiToken, encoded("grant_type", "authorization_code", "code", c.sent["code"]), basic("forti-nest", c.sent["forti"])))
	bad(s.form(aocToken, encoded("grant_type", "authorization_code", "code", c.sent["code"]), basic("aoc-nest", c.sent["aoc"])))
	bad(s.form("/oauth2/token", encoded("grant_type", "authorization_code", "code", c.sent["code"]), basic("nest", c.sent["nest"])))
	bad(s.json(fortiToken, `{"client_secret":"`+guess+`","password":"`+c.sent["wrong password"]+`"`, nil))
	bad(s.json(fortiToken, `{"client_secret":["`+guess+`"],"client_id":"forti-nest","grant_type":"password"}`, nil))
	bad(s.json(fortiToken, `{"password":"`+guess+`","password":"`+guess+`"}`, nil))
	bad(s.json("/Authorization", `{"ClientId":"aspire-nest","Secret":"`+guess+`"}`, nil))
	bad(s.json("/Authorization", `{"ClientId":"`+c.sent["aspire"]+`","Secret":"aspire-nest"}`, nil))
	bad(s.json("/Authorization", `{"ClientId":"aspire-nest","Secret":{"x":"`+guess+`"}}`, nil))
	bad(s.form("/Authorization", "Secret="+guess, nil))
	bad(s.form(aocToken, encoded("grant_type", jwtBearer, "assertion", c.sent["assertion"]), basic("aoc-nest", guess)))
	bad(s.form("/api/v1/oauth2/acme/revoke", encoded("token", c.sent["token"]), basic("aoc-nest", guess)))
	bad(s.send("POST", "/auth/token", `{"refresh_token":"`+c.sent["token"], bearer(c.sent["token"])))
	bad(s.send("POST", "/nowhere?password="+c.sent["wrong password"], c.sent["wrong password"], basic("bird", c.sent["wrong password"])))
	bad(s.form("/nowhere/oauth2/token?code="+c.sent["code"], credentialsGrant, basic("nest", c.sent["nest"])))
}

func TestLeak01NoSecretIsLoggedRecordedOrToldToAnybodyElse(t *testing.T) {
	s := site{Server: servertest.Start(t, servertest.Options{World: canaryWorld}), t: t}
	c := sing(s)
	records := ""
	for _, r := range s.events() {
		records += marshal(t, r) + "\n"
	}
	if len(c.issued) < 25 || !strings.Contains(records, "bird") || len(c.all) < 150 {
		t.Fatalf("%d tokens, %d answers: this test walks nowhere", len(c.issued), len(c.all))
	}
	logs := s.Logs.String()
	for _, set := range []map[string]string{c.sent, c.issued} {
		for name, canary := range set {
			if sings(logs, canary) {
				t.Errorf("%s is in the log", name)
			}
			if sings(records, canary) {
				t.Errorf("%s is in a record", name)
			}
			if _, signature, ok := lastPart(canary); ok && (strings.Contains(records, signature) || strings.Contains(logs, signature)) {
				t.Errorf("the signature of %s was written down", name)
			}
		}
	}
	for _, a := range c.all {
		text := a.body + fmt.Sprint(a.header)
		for name, canary := range c.sent {
			if sings(text, canary) {
				t.Errorf("%s in an answer: %v", name, a)
			}
		}
	}
}

// lastPart is the signature of a JWT.
func lastPart(token string) (string, string, bool) {
	i := strings.LastIndexByte(token, '.')
	if i < 0 || len(token)-i < 40 {
		return "", "", false
	}
	return token[:i], token[i+1:], true
}

func TestLeak02NoSecretIsInTheDatabase(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) {
		dir := t.TempDir()
		kek := vault.NewKEK()
		s := site{Server: servertest.Start(t, servertest.Options{World: canaryWorld, DSN: filepath.Join(dir, "jeton.db"), KEK: &kek}), t: t}
		c := sing(s)
		s.events()
		found := 0
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			found += strings.Count(string(b), "aspire-nest")
			c.absent(t, filepath.Base(path), string(b))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if found == 0 {
			t.Error("the files hold nothing at all of what was done")
		}
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		dsn := postgres.Database(t)
		s := site{Server: servertest.Start(t, servertest.Options{World: canaryWorld, DSN: dsn}), t: t}
		c := sing(s)
		s.events()
		db, err := sql.Open("pgx", dsn)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		dump := ""
		for _, table := range tables(t, db) {
			list, err := db.QueryContext(t.Context(), `SELECT x::text FROM "`+table+`" x`)
			if err != nil {
				t.Fatal(err)
			}
			for list.Next() {
				var row string
				if err := list.Scan(&row); err != nil {
					t.Fatal(err)
				}
				dump += row + "\n"
			}
			if err := list.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if !strings.Contains(dump, "aspire-nest") {
			t.Error("the dump holds nothing of what was done")
		}
		c.absent(t, "dump", dump)
	})
}

func (c *canaries) absent(t *testing.T, where, text string) {
	t.Helper()
	for _, set := range []map[string]string{c.sent, c.issued} {
		for name, canary := range set {
			if sings(text, canary) {
				t.Errorf("%s: %s is there", where, name)
			}
		}
	}
	if strings.Contains(text, "PRIVATE KEY") {
		t.Errorf("%s: a private key", where)
	}
}

// How many of each kind are drawn. Those that cost a write and more are drawn less
// often; the number of their characters is far above what the test of bias needs.
const (
	manyTokens  = 100_000
	storedKinds = 10_000
)

func TestLeak05TokensAreUniqueAndUnbiased(t *testing.T) {
	s := open(t)
	s.prepare()
	c, err := s.Core.Admin.Client("default", "legacy")
	if err != nil {
		t.Fatal(err)
	}
	u := s.bob()
	issue := func(dialect string) func(int) (string, string) {
		profile, ok := s.Core.Mint.Profile(dialect)
		if !ok {
			t.Fatal(dialect)
		}
		own := *c
		own.Dialect = dialect
		return func(int) (string, string) {
			x, err := s.Core.Mint.Issue(t.Context(), mint.Order{
				Client: &own, Profile: profile, Issuer: servertest.Public, Org: policy.OrgInfo{ID: "default", Number: 1},
				Proof:    oauth.Proof{Subject: u.Subject(), AuthTime: s.Clock.Now()},
				Decision: policy.Decision{Scope: oauth.Scope{"a"}, Family: oauth.Scope{"a"}, Access: profile.AccessLife, Life: profile.FamilyLife, Idle: profile.RefreshLife, Refresh: true},
			})
			if err != nil {
				t.Error(err)
			}
			return x.Access, x.Refresh
		}
	}
	const masked = 4 + 32 // prefix, encrypted name and the mask of scopes: the rest is the random part
	for _, kind := range []struct {
		name             string
		n                int
		draw             func(int) (string, string)
		skipA, skipB     int
		alphabetA        string
		randomA, randomB int // characters that are tested
	}{
		{"standard", storedKinds, issue("oidc"), masked, 4, policy.Base64URL, 32, 64},
		{"Faspex", storedKinds, issue("faspex"), 0, 0, policy.Base64URL, 21, 21},
		{"FortiAuthenticator", storedKinds, issue("fortiauth"), 0, 0, policy.Base62, 30, 30},
		{"client secret", manyTokens, func(int) (string, string) {
			a, _ := admin.NewSecret("", s.Clock.Now())
			b, _ := admin.NewLongSecret("", 96, s.Clock.Now())
			return a.Reveal(), b.Reveal()
		}, 0, 0, policy.Base64URL, 42, 96},
	} {
		t.Run(kind.name, func(t *testing.T) {
			first, second := draw(kind.n, kind.draw)
			unbiased(t, "first", first, kind.skipA, kind.randomA, kind.alphabetA)
			unbiased(t, "second", second, kind.skipB, kind.randomB, kind.alphabetA)
		})
	}
	t.Run("names in JWTs", func(t *testing.T) {
		ids, _ := draw(storedKinds/10, func(int) (string, string) {
			_, p := split(t, s.normal())
			return p.text("jti"), ""
		})
		unbiased(t, "jti", ids, 0, 32, "0123456789abcdef")
	})
}

// draw calls f n times, on several goroutines.
func draw(n int, f func(int) (string, string)) (first, second []string) {
	first, second = make([]string, n), make([]string, n)
	var wg sync.WaitGroup
	const workers = 16
	for w := range workers {
		wg.Go(func() {
			for i := w; i < n; i += workers {
				first[i], second[i] = f(i)
			}
		})
	}
	wg.Wait()
	return first, second
}

// unbiased checks that no text comes twice and that the characters from skip on, and
// each of their places, are spread evenly: by chi-square, at a level that a sound
// source misses once in a million runs or so.
func unbiased(t *testing.T, name string, list []string, skip, random int, alphabet string) {
	t.Helper()
	seen := make(map[string]bool, len(list))
	place := make([][256]int, random)
	for _, x := range list {
		if seen[x] || len(x) < skip+random {
			t.Fatalf("%s: %q came twice, or is short", name, x)
		}
		seen[x] = true
		for i := range random {
			place[i][x[skip+i]]++
		}
	}
	if bits := float64(random) * math.Log2(float64(len(alphabet))); bits < 125 {
		t.Errorf("%s: %.0f random bits", name, bits)
	}
	var all [256]int
	for i := range place {
		for c, n := range place[i] {
			all[c] += n
		}
		even(t, fmt.Sprint(name, ", place ", i), place[i], len(list), alphabet)
	}
	even(t, name, all, len(list)*random, alphabet)
}

func even(t *testing.T, name string, count [256]int, total int, alphabet string) {
	t.Helper()
	want, sum, known := float64(total)/float64(len(alphabet)), 0.0, 0
	for _, c := range []byte(alphabet) {
		d := float64(count[c]) - want
		sum += d * d / want
		known += count[c]
	}
	if known != total {
		t.Errorf("%s: %d characters outside the alphabet", name, total-known)
	}
	free := float64(len(alphabet) - 1)
	if limit := free + 6.5*math.Sqrt(2*free) + 15; sum > limit { // the tail of chi-square is longer than the normal one's
		t.Errorf("%s: chi-square %.0f, at most %.0f", name, sum, limit)
	}
}

func TestLeak06AFaultOfOursTellsNothing(t *testing.T) {
	dir := t.TempDir()
	kek := vault.NewKEK()
	s := site{Server: servertest.Start(t, servertest.Options{World: world, DSN: filepath.Join(dir, "jeton.db"), KEK: &kek}), t: t}
	s.prepare()
	token := s.normal()
	opaque, refresh := s.password("legacy", "legacy-secret")
	forti := s.must(s.json(fortiToken, fortiLogin, nil))
	assertion := grantInlet(s, "", "mover", "ada@example.com", aocAudience, "", nil, 0).good(t)
	sensu := s.must(doors[3].try(s, "admin", "P@ssw0rd!", ""))
	if err := s.Store.Close(); err != nil {
		t.Fatal(err)
	}
	s = s.bare()
	answers := map[string]answer{
		"introspection": s.form("/oauth2/introspect", encoded("token", token), batch()), "revocation": s.form("/oauth2/revoke", encoded("token", token), batch()),
		"userinfo": s.send("GET", "/oauth2/userinfo", "", bearer(opaque)), "refresh": s.refresh("legacy", refresh),
		"token": s.form("/oauth2/token", credentialsGrant, batch()), "forti verify": s.send("GET", "/api/v1/oauth/verify_token/?client_id=client_id", "", bearer(forti.member("access_token"))),
		"aoc": s.form(aocToken, encoded("grant_type", jwtBearer, "assertion", assertion, "client_id", "mover"), nil), "aspire": s.json("/Authorization", aspireLogin, nil),
		"sensu users":   s.send("GET", "/api/core/v2/users", "", bearer(sensu.member("access_token"))),
		"sensu refresh": s.send("POST", "/auth/token", marshal(t, map[string]string{"refresh_token": sensu.member("refresh_token")}), bearer(sensu.member("access_token"))),
	}
	for _, d := range doors {
		answers[d.name] = d.try(s, "bob", "bobs-password", "")
	}
	for name, a := range answers {
		if name == "token" && a.ok() {
			continue // nothing is stored of such a token; only its record is, a moment later
		}
		if a.status != http.StatusInternalServerError && a.status != http.StatusServiceUnavailable {
			t.Errorf("%s: %v", name, a)
		}
		if a.header.Get("Jeton-Error-Id") == "" {
			t.Errorf("%s: no error id: %v", name, a)
		}
		text := strings.ToLower(a.body + fmt.Sprint(a.header))
		for _, inside := range []string{"sql", "store:", "database", "closed", dir, "jeton.db", ".go:", "goroutine", "panic", "127.0.0.1", "select ", "users", "mint", "context", "pgx", "/tmp"} {
			if strings.Contains(text, inside) {
				t.Errorf("%s tells %q: %v", name, inside, a)
			}
		}
	}
	if err := s.Audit.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(s.Logs.String(), "audit records were not kept") {
		t.Error("the operator's log does not tell that something is wrong")
	}
	if r := s.send("GET", "/readyz", "", nil); r.status != http.StatusServiceUnavailable {
		t.Errorf("ready: %v", r)
	}
}
