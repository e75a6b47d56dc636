package aoc_test

import (
	"bytes"
	"compress/zlib"
	"crypto"
	"crypto/rsa"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"jeton/internal/audit"
	"jeton/internal/dialect/aoc"
	"jeton/internal/jose"
	"jeton/internal/servertest"
	"jeton/internal/store"
)

func TestTranscripts(t *testing.T) { servertest.Run(t, "testdata", &aoc.Dialect) }

const vendorAudience = "https://api.asperafiles.com/api/v1/oauth2/token"

// world is run by the tests below: clients for the four cells of the vendor's
// table of users and keys, and users beside ada, the administrator.
const world = `
version: 1
organizations:
  - {id: studio, name: Studio, hosts: [studio.example.com], dialects: [aoc]}
users:
  - {name: bob, organization: acme, email: bob@example.com, keys: [{file: demo/bob.pub}]}
  - {name: ada, organization: acme, email: ada+films@example.com, keys: [{file: demo/films.pub}]}
  - {name: rené, organization: acme, email: rené@example.com, keys: [{file: demo/rene.pub}]}
  - {name: kim, organization: acme, email: kim@example.com, keys: [{file: demo/kim.pub}]}
  - {name: gone, organization: acme, email: gone@example.com, enabled: false, keys: [{file: demo/gone.pub}]}
  - {name: eve, organization: studio, email: eve@example.com, admin: true, keys: [{file: demo/eve.pub}]}
clients:
  - {id: all-own, organization: acme, dialect: aoc, grants: [jwt-bearer]}
  - {id: all-global, organization: acme, dialect: aoc, grants: [jwt-bearer], keys: [{file: demo/global.pub}]}
  - {id: listed-own, organization: acme, dialect: aoc, grants: [jwt-bearer], users: [ada@example.com]}
  - {id: listed-global, organization: acme, dialect: aoc, grants: [jwt-bearer], keys: [{file: demo/global.pub}], users: [ada@example.com]}
  - {id: node-admin, organization: acme, dialect: aoc, grants: [jwt-bearer], secrets: [{plain: node-admin-secret}], settings: {admin_node_token_retrieval_enabled: true}}
  - {id: cutter, organization: studio, dialect: aoc, grants: [jwt-bearer], secrets: [{plain: cutter-secret}]}
`

func start(t *testing.T) *servertest.Server {
	t.Helper()
	return servertest.Start(t, servertest.Options{World: world})
}

// assertion signs claims as the vendor's clients do: no typ, no jti.
func assertion(t *testing.T, key string, claims map[string]any) string {
	t.Helper()
	b, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	return signedWith(t, key, `{"alg":"RS256"}`, string(b))
}

func signedWith(t *testing.T, key, header, claims string) string {
	t.Helper()
	k, err := jose.ParsePrivatePEM(servertest.PrivatePEM(key))
	if err != nil {
		t.Fatal(err)
	}
	signed, err := jose.Sign(k, []byte(header), []byte(claims))
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func usual(s *servertest.Server, iss, sub string) map[string]any {
	now := s.Clock.Now().Unix()
	return map[string]any{"iss": iss, "sub": sub, "aud": vendorAudience, "nbf": now - 60, "exp": now + 3600}
}

type answer struct {
	status int
	body   map[string]any
	id     string
}

func (a answer) text(name string) string { s, _ := a.body[name].(string); return s }

func post(t *testing.T, s *servertest.Server, path string, form url.Values, edit ...func(*http.Request)) answer {
	t.Helper()
	req, err := http.NewRequest("POST", s.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return do(t, req, edit...)
}

func do(t *testing.T, req *http.Request, edit ...func(*http.Request)) answer {
	t.Helper()
	for _, e := range edit {
		e(req)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{status: resp.StatusCode, id: resp.Header.Get("Jeton-Error-Id")}
	_ = json.Unmarshal(b, &a.body) // a list is no map; its tests look at the status
	return a
}

func get(t *testing.T, s *servertest.Server, path, token string, edit ...func(*http.Request)) answer {
	t.Helper()
	req, err := http.NewRequest("GET", s.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	return do(t, req, edit...)
}

func host(name string) func(*http.Request) { return func(r *http.Request) { r.Host = name } }

// ask presents an assertion for a client of organization acme.
func ask(t *testing.T, s *servertest.Server, client, scope, assertion string) answer {
	t.Helper()
	form := url.Values{"client_id": {client}, "grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {assertion}}
	if scope != "" {
		form.Set("scope", scope)
	}
	return post(t, s, "/api/v1/oauth2/acme/token", form)
}

// failed is the first check that did not hold.
func failed(t *testing.T, s *servertest.Server, a answer) string {
	t.Helper()
	for _, c := range s.Record(t, a.id).Checks {
		if !c.OK {
			return c.Name
		}
	}
	return ""
}

func refusedAs(t *testing.T, s *servertest.Server, a answer, word, check string) {
	t.Helper()
	if a.status != 400 || a.text("error") != word {
		t.Fatalf("status %d %v, want %s", a.status, a.body, word)
	}
	if got := failed(t, s, a); got != check {
		t.Errorf("first failed check %q, want %q", got, check)
	}
}

// The vendor's table: whose key counts, and for whom.
func TestUsersAndKeysFollowTheVendorsTable(t *testing.T) {
	s := start(t)
	for _, c := range []struct {
		client, key, sub string
		check            string // the one that fails, "" = a token
	}{
		{"all-own", "ada", "ada@example.com", ""},
		{"all-own", "bob", "bob@example.com", ""},
		{"all-own", "global", "ada@example.com", "signature"},
		{"all-own", "stranger", "ada@example.com", "signature"},
		{"all-own", "bob", "ada@example.com", "signature"},
		{"all-global", "ada", "ada@example.com", ""},
		{"all-global", "bob", "bob@example.com", ""},
		{"all-global", "global", "ada@example.com", ""},
		{"all-global", "global", "bob@example.com", ""},
		{"all-global", "stranger", "ada@example.com", "signature"},
		{"all-global", "bob", "ada@example.com", "signature"},
		{"listed-own", "ada", "ada@example.com", ""},
		{"listed-own", "bob", "bob@example.com", "listed"},
		{"listed-own", "global", "ada@example.com", "signature"},
		{"listed-own", "stranger", "ada@example.com", "signature"},
		{"listed-own", "bob", "ada@example.com", "signature"},
		{"listed-global", "ada", "ada@example.com", ""},
		{"listed-global", "bob", "bob@example.com", "listed"},
		{"listed-global", "global", "ada@example.com", ""},
		{"listed-global", "global", "bob@example.com", "listed"},
		{"listed-global", "stranger", "ada@example.com", "signature"},
		{"listed-global", "bob", "ada@example.com", "signature"},
		{"all-own", "gone", "gone@example.com", "enabled"},
		{"all-global", "global", "gone@example.com", "enabled"},
		{"all-global", "global", "eve@example.com", "sub"}, // of another organization
	} {
		t.Run(fmt.Sprintf("%s, key of %s, for %s", c.client, c.key, c.sub), func(t *testing.T) {
			a := ask(t, s, c.client, "", assertion(t, c.key, usual(s, c.client, c.sub)))
			if c.check == "" {
				if a.status != 200 {
					t.Fatalf("status %d %v", a.status, a.body)
				}
				return
			}
			if a.status != 400 || a.text("error") != "invalid_grant" || a.text("error_description") != "invalid assertion" {
				t.Fatalf("status %d %v", a.status, a.body)
			}
			if got := failed(t, s, a); got != c.check {
				t.Errorf("first failed check %q, want %q", got, c.check)
			}
		})
	}
}

func TestDial10AKeyCountsOnlyForItsHolder(t *testing.T) {
	s := start(t)
	refusedAs(t, s, ask(t, s, "all-own", "", assertion(t, "ada", usual(s, "all-own", "bob@example.com"))), "invalid_grant", "signature")
	refusedAs(t, s, ask(t, s, "all-own", "", assertion(t, "global", usual(s, "all-own", "ada@example.com"))), "invalid_grant", "signature")
	if a := ask(t, s, "all-own", "", assertion(t, "ada", usual(s, "all-own", "ada@example.com"))); a.status != 200 {
		t.Fatalf("the client cannot work afterwards: %d %v", a.status, a.body)
	}
}

func TestDial11ASubjectIsExactlyOneAccount(t *testing.T) {
	s := start(t)
	for _, c := range []struct {
		sub, key string
		want     string // address of the account, "" = refused
	}{
		{"ada@example.com", "ada", "ada@example.com"},
		{"Ada@Example.COM", "ada", "ada@example.com"},
		{"ada+films@example.com", "films", "ada+films@example.com"},
		{"ada+films@example.com", "ada", ""}, // a tag makes another account
		{"ada+other@example.com", "ada", ""},
		{"RENÉ@example.com", "rene", "rené@example.com"},
		{"rene@example.com", "rene", ""},
		{"rene\u0301@example.com", "rene", ""}, // another composition
		{"\uff41da@example.com", "ada", ""},    // full-width a
		{"\u0430da@example.com", "ada", ""},    // Cyrillic a
		{"\u212aim@example.com", "kim", ""},    // Kelvin sign
		{"ada@example.com ", "ada", ""},
		{" ada@example.com", "ada", ""},
		{"ada@example.com\u200b", "ada", ""},
		{"ada", "ada", ""}, // a name is no address
		{"", "ada", ""},
	} {
		t.Run(fmt.Sprintf("%q", c.sub), func(t *testing.T) {
			a := ask(t, s, "all-own", "", assertion(t, c.key, usual(s, "all-own", c.sub)))
			if c.want == "" {
				if a.status != 400 || a.text("error") != "invalid_grant" {
					t.Fatalf("status %d %v", a.status, a.body)
				}
				return
			}
			if a.status != 200 {
				t.Fatalf("status %d %v", a.status, a.body)
			}
			if self := get(t, s, "/api/v1/self", a.text("access_token")); self.text("email") != c.want {
				t.Errorf("it is %v", self.body)
			}
		})
	}
}

func TestAdm11ListedUsersAndNodeAdministrationAreRefusedAsGrants(t *testing.T) {
	s := start(t)
	refusedAs(t, s, ask(t, s, "listed-own", "", assertion(t, "bob", usual(s, "listed-own", "bob@example.com"))), "invalid_grant", "listed")
	refusedAs(t, s, ask(t, s, "node-admin", "node.key:admin:all", assertion(t, "bob", usual(s, "node-admin", "bob@example.com"))), "invalid_grant", "scope")
	refusedAs(t, s, ask(t, s, "all-own", "node.key:admin:all", assertion(t, "ada", usual(s, "all-own", "ada@example.com"))), "invalid_grant", "scope")
	refusedAs(t, s, ask(t, s, "all-own", "admin:all", assertion(t, "bob", usual(s, "all-own", "bob@example.com"))), "invalid_scope", "scope")
	if a := ask(t, s, "node-admin", "node.key:admin:all", assertion(t, "ada", usual(s, "node-admin", "ada@example.com"))); a.status != 200 {
		t.Errorf("an administrator of a client that may: %d %v", a.status, a.body)
	}
}

// The samples there are make assertions that differ in what they add.
func TestAssertionsOfTheKnownClientsAreAccepted(t *testing.T) {
	s := start(t)
	now := s.Clock.Now().Unix()
	for name, c := range map[string]struct{ header, claims string }{
		"the command line tool": {
			`{"alg":"RS256"}`,
			fmt.Sprintf(`{"iss":"all-own","sub":"ada@example.com","aud":%q,"nbf":%d,"exp":%d,"org":"acme"}`, vendorAudience, now-60, now+600),
		},
		"the Python sample": {
			`{"typ":"JWT","alg":"RS256"}`,
			fmt.Sprintf(`{"iss":"all-own","sub":"ada@example.com","aud":%q,"nbf":%d.0,"exp":%d.0,"jti":"b1a7c9c0-3f5d-4a53-9f0c-6f4b2a1d9e10"}`, vendorAudience, now-300, now+3600),
		},
		"the JavaScript sample": {
			`{"alg":"RS256","typ":"JWT"}`,
			fmt.Sprintf(`{"iss":"all-own","sub":"Ada@Example.com","aud":%q,"iat":%d,"nbf":%d,"exp":%d}`, vendorAudience, now-3600, now-3600, now+3600),
		},
		"one with several audiences": {
			`{"alg":"RS256"}`,
			fmt.Sprintf(`{"iss":"all-own","sub":"ada@example.com","aud":["https://elsewhere.example",%q],"exp":%d}`, vendorAudience, now+600),
		},
		"one addressed to this server": {
			`{"alg":"RS256"}`,
			fmt.Sprintf(`{"iss":"all-own","sub":"ada@example.com","aud":"%s/api/v1/oauth2/acme/token","exp":%d}`, servertest.Public, now+600),
		},
	} {
		t.Run(name, func(t *testing.T) {
			if a := ask(t, s, "all-own", "user:all", signedWith(t, "ada", c.header, c.claims)); a.status != 200 {
				t.Errorf("status %d %v", a.status, a.body)
			}
		})
	}
}

// openNode takes a node bearer token apart as a transfer node does.
func openNode(t *testing.T, token string) (body, signature string) {
	t.Helper()
	packed, err := base64.StdEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	z, err := zlib.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	body, signature, ok := strings.Cut(string(text), "\n==SIGNATURE==\n")
	if !ok {
		t.Fatalf("no delimiter in %q", text)
	}
	return body, signature
}

func TestANodeChecksItsTokenWithThePublicKeyAlone(t *testing.T) {
	s := start(t)
	a := ask(t, s, "node-admin", "node.key:user:all", assertion(t, "bob", usual(s, "node-admin", "bob@example.com")))
	if a.status != 200 {
		t.Fatalf("status %d %v", a.status, a.body)
	}
	body, signature := openNode(t, a.text("access_token"))
	self := ask(t, s, "node-admin", "self", assertion(t, "bob", usual(s, "node-admin", "bob@example.com")))
	bob := get(t, s, "/api/v1/self", self.text("access_token")).text("id")
	want := `{"user_id":"` + bob + `","group_ids":[],"scope":"node.key:user:all","auth_type":"access_key","expires_at":"2026-01-03T03:04:05Z"}`
	if body != want {
		t.Errorf("got %s\nwant %s", body, want)
	}
	for _, line := range strings.Split(strings.TrimSuffix(signature, "\n"), "\n") {
		if len(line) > 60 {
			t.Errorf("a line of %d characters", len(line))
		}
	}
	sig, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(signature, "\n", ""))
	if err != nil || !strings.HasSuffix(signature, "\n") {
		t.Fatalf("signature %q: %v", signature, err)
	}
	key, err := s.Core.Keys.Signing(t.Context(), "acme", "aoc", jose.RS256)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha512.Sum512([]byte(body))
	if err := rsa.VerifyPKCS1v15(key.Public.(*rsa.PublicKey), crypto.SHA512, sum[:], sig); err != nil {
		t.Error(err)
	}
}

func TestANodeTokenIsKnownHereAndItsClientRevokesIt(t *testing.T) {
	s := start(t)
	claims := usual(s, "cutter", "eve@example.com")
	form := url.Values{"client_id": {"cutter"}, "scope": {"node.key:user:all"}, "grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {assertion(t, "eve", claims)}}
	a := post(t, s, "/api/v1/oauth2/studio/token", form, host("studio.example.com"))
	if a.status != 200 {
		t.Fatalf("status %d %v", a.status, a.body)
	}
	token := a.text("access_token")
	self := func() int { return get(t, s, "/api/v1/self", token, host("studio.example.com")).status }
	if got := self(); got != 403 {
		t.Errorf("a node token at this API: %d", got)
	}
	revoke := func(path, client, secret string) {
		t.Helper()
		a := post(t, s, path, url.Values{"token": {token}}, func(r *http.Request) { r.SetBasicAuth(client, secret) })
		if a.status != 200 || a.text("status") != "ok" {
			t.Fatalf("revoke: %d %v", a.status, a.body)
		}
	}
	revoke("/api/v1/oauth2/acme/revoke", "node-admin", "node-admin-secret")
	if got := self(); got != 403 {
		t.Errorf("another client ended it: %d", got)
	}
	revoke("/api/v1/oauth2/studio/revoke", "cutter", "cutter-secret")
	if got := self(); got != 401 {
		t.Errorf("a revoked node token: %d", got)
	}
	again := post(t, s, "/api/v1/oauth2/studio/token", form)
	if again.status != 200 || again.text("access_token") == token {
		t.Errorf("after revocation: %d, the same token: %t", again.status, again.text("access_token") == token)
	}
}

func TestNothingOfAnotherOrganizationIsFound(t *testing.T) {
	s := start(t)
	claims := usual(s, "cutter", "eve@example.com")
	form := url.Values{"client_id": {"cutter"}, "scope": {"admin:all"}, "grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {assertion(t, "eve", claims)}}
	eve := post(t, s, "/api/v1/oauth2/studio/token", form).text("access_token")
	ada := ask(t, s, "all-own", "admin:all", assertion(t, "ada", usual(s, "all-own", "ada@example.com"))).text("access_token")
	adaID := get(t, s, "/api/v1/self", ada).text("id")
	for path, want := range map[string]int{
		"/api/v1/users/" + adaID: 404, "/api/v1/clients/all-own": 404, "/api/v1/nodes/1": 404,
		"/api/v1/client_authorizations/1": 404, "/api/v1/clients/cutter": 200,
	} {
		if got := get(t, s, path, eve).status; got != want {
			t.Errorf("%s of another organization: %d, want %d", path, got, want)
		}
	}
	for path, want := range map[string]int{"/api/v1/users/" + adaID: 200, "/api/v1/clients/all-own": 200, "/api/v1/nodes/1": 200} {
		if got := get(t, s, path, ada).status; got != want {
			t.Errorf("%s: %d, want %d", path, got, want)
		}
	}
	for method, path := range map[string]string{"DELETE": "/api/v1/clients/all-own", "PUT": "/api/v1/users/" + adaID} {
		req, err := http.NewRequest(method, s.URL+path, strings.NewReader(`{"public_key":null}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer "+eve)
		if a := do(t, req); a.status != 404 {
			t.Errorf("%s %s: %d", method, path, a.status)
		}
	}
	// A token that says it is of another organization is checked there, and fails.
	parts := strings.Split(eve, ".")
	forged := strings.Split(ada, ".")[0] + "." + parts[1] + "." + parts[2]
	if got := get(t, s, "/api/v1/self", forged).status; got != 401 {
		t.Errorf("a token put together of two: %d", got)
	}
}

func TestAWebPageCallsFromARegisteredOriginOnly(t *testing.T) {
	s := servertest.Start(t, servertest.Options{World: world + `
  - {id: page, organization: acme, dialect: aoc, auth: none, grants: [jwt-bearer], settings: {origins: ["https://app.example.com"]}}
`})
	for origin, want := range map[string]int{"https://app.example.com": 200, "https://app.example.com.evil.example": 401, "null": 401} {
		form := url.Values{"client_id": {"page"}, "grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {assertion(t, "ada", usual(s, "page", "ada@example.com"))}}
		a := post(t, s, "/api/v1/oauth2/acme/token", form, func(r *http.Request) { r.Header.Set("Origin", origin) })
		if a.status != want {
			t.Errorf("%s: %d %v", origin, a.status, a.body)
		}
	}
}

// A registration leaves one record with who did it, and no secret in it.
func TestRegistrationsAreRecordedWithoutTheirSecret(t *testing.T) {
	s := start(t)
	ada := ask(t, s, "all-own", "admin:all", assertion(t, "ada", usual(s, "all-own", "ada@example.com"))).text("access_token")
	req, err := http.NewRequest("POST", s.URL+"/api/v1/clients", strings.NewReader(`{"name":"Dailies"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+ada)
	made := do(t, req)
	if made.status != 201 {
		t.Fatalf("status %d %v", made.status, made.body)
	}
	if a := get(t, s, "/api/v1/clients/"+made.text("id"), ada); a.text("secret") != made.text("secret") {
		t.Errorf("the secret is not shown again: %v", a.body)
	}
	events := records(t, s)
	for _, name := range []string{"client.create", "client.show"} {
		r, ok := events[name]
		if !ok || r.Actor != "ada@example.com" || r.Object != "client/"+made.text("id") || r.Org != "acme" {
			t.Errorf("%s: %+v", name, r)
		}
	}
	all, err := json.Marshal(events)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(all)+s.Logs.String(), made.text("secret")) {
		t.Error("a record or the log holds the secret")
	}
}

func records(t *testing.T, s *servertest.Server) map[string]*audit.Record {
	t.Helper()
	if err := s.Audit.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	list, err := s.Store.ListEvents(t.Context(), store.EventFilter{Org: "acme"}, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]*audit.Record{}
	for _, r := range list {
		out[r.Event] = r
	}
	return out
}

// Whoever sets a key can speak for its holder, and whoever has a client with a global
// key can have a token that says he is the holder.
func TestAnAdministratorSetsNoKeyForOneWhoAdministersTheServer(t *testing.T) {
	s := servertest.Start(t, servertest.Options{World: `
version: 1
users:
  - {name: boss, organization: acme, email: boss@example.com, roles: [owner], keys: [{file: demo/boss.pub}]}
clients:
  - {id: all-own, organization: acme, dialect: aoc, grants: [jwt-bearer]}
  - {id: all-global, organization: acme, dialect: aoc, grants: [jwt-bearer], keys: [{file: demo/global.pub}]}
`})
	token := func(who string) (access, id string) {
		access = ask(t, s, "all-own", "", assertion(t, who, usual(s, "all-own", who+"@example.com"))).text("access_token")
		return access, get(t, s, "/api/v1/self", access).text("id")
	}
	boss, id := token("boss")
	ada := ask(t, s, "all-own", "admin:all", assertion(t, "ada", usual(s, "all-own", "ada@example.com"))).text("access_token")
	detour := ask(t, s, "all-global", "", assertion(t, "global", usual(s, "all-global", "boss@example.com"))).text("access_token")
	if detour == "" {
		t.Fatal("the global key speaks for nobody")
	}
	for name, c := range map[string]struct {
		token string
		want  int
	}{"an administrator": {ada, 403}, "an administrator by a global key": {detour, 403}, "the user himself": {boss, 403}} {
		key, err := json.Marshal(map[string]string{"public_key": string(servertest.PublicPEM("boss"))})
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequest("PUT", s.URL+"/api/v1/users/"+id, bytes.NewReader(key))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer "+c.token)
		if a := do(t, req); a.status != c.want {
			t.Errorf("%s: %d %v", name, a.status, a.body)
		}
	}
}

// The document lists each route once, with an example of every body it shows.
func TestTheDocumentHoldsEveryRoute(t *testing.T) {
	var doc struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(aoc.Dialect.OpenAPI, &doc); err != nil {
		t.Fatal(err)
	}
	s := start(t)
	for path, methods := range doc.Paths {
		for method := range methods {
			if method == "parameters" {
				continue
			}
			req, err := http.NewRequest(strings.ToUpper(method), s.URL+strings.NewReplacer("{org}", "acme", "{id}", "1").Replace(path), nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Host = "127.0.0.1"
			resp, err := http.DefaultTransport.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode == 404 || resp.StatusCode == 405 {
				t.Errorf("%s %s: %d", method, path, resp.StatusCode)
			}
		}
	}
}

func TestAdm01EachRouteAnswersEachRoleAsTabled(t *testing.T) {
	s := start(t)
	token := func(who, scope string) string {
		a := ask(t, s, "all-own", scope, assertion(t, who, usual(s, "all-own", who+"@example.com")))
		if a.status != 200 {
			t.Fatalf("%s for %s: %d %v", scope, who, a.status, a.body)
		}
		return a.text("access_token")
	}
	roles := []string{
		"", token("bob", "self"), token("bob", "user:all"), token("ada", "user:all"), token("ada", "admin-user:all"), token("ada", "admin:all"),
	}
	bob := get(t, s, "/api/v1/self", roles[1]).text("id")
	ada := get(t, s, "/api/v1/self", roles[5]).text("id")
	for _, c := range []struct {
		method, path, body string
		want               [6]int // no token; self; user; administrator with user, user administration, administration
	}{
		{"GET", "/api/v1/self", "", [6]int{401, 200, 200, 200, 200, 200}},
		{"GET", "/api/v1/organization", "", [6]int{401, 403, 200, 200, 200, 200}},
		{"GET", "/api/v1/nodes/1", "", [6]int{401, 403, 200, 200, 200, 200}},
		{"GET", "/api/v1/users", "", [6]int{401, 403, 200, 200, 200, 200}},
		{"GET", "/api/v1/users/" + ada, "", [6]int{401, 403, 404, 200, 200, 200}},
		{"GET", "/api/v1/users/" + bob, "", [6]int{401, 403, 200, 404, 200, 200}},
		{"PUT", "/api/v1/users/" + bob, `{"public_key":"no key"}`, [6]int{401, 403, 422, 404, 422, 422}},
		{"GET", "/api/v1/clients", "", [6]int{401, 403, 403, 403, 403, 200}},
		{"POST", "/api/v1/clients", `{}`, [6]int{401, 403, 403, 403, 403, 422}},
		{"GET", "/api/v1/clients/all-own", "", [6]int{401, 403, 403, 403, 403, 200}},
		{"PUT", "/api/v1/clients/all-own", `{"x":1}`, [6]int{401, 403, 403, 403, 403, 422}},
		{"DELETE", "/api/v1/clients/nobody", "", [6]int{401, 403, 403, 403, 403, 404}},
		{"GET", "/api/v1/admin/clients", "", [6]int{401, 403, 403, 403, 403, 200}},
		{"GET", "/api/v1/client_authorizations", "", [6]int{401, 403, 403, 403, 403, 200}},
		{"POST", "/api/v1/client_authorizations", `{}`, [6]int{401, 403, 403, 403, 403, 422}},
		{"GET", "/api/v1/client_authorizations/999999", "", [6]int{401, 403, 403, 403, 403, 404}},
		{"DELETE", "/api/v1/client_authorizations/999999", "", [6]int{401, 403, 403, 403, 403, 404}},
	} {
		for i, token := range roles {
			req, err := http.NewRequest(c.method, s.URL+c.path, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/json")
			if token != "" {
				req.Header.Set("Authorization", "Bearer "+token)
			}
			if a := do(t, req); a.status != c.want[i] {
				t.Errorf("%s %s as role %d: %d, want %d", c.method, c.path, i, a.status, c.want[i])
			}
		}
	}
}
