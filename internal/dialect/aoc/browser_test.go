package aoc_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"jeton/internal/servertest"
)

const browserWorld = `
version: 1
organizations:
  - {id: studio, name: Studio, hosts: [studio.example.com], dialects: [aoc]}
  - {id: lab, name: Lab, dialects: [aoc]}
  - {id: corp, name: Corp, prefixes: [/corp], dialects: [aoc], settings: {aoc: {prefix: /aspera}}}
users:
  - {name: ada, organization: acme, password: {plain: demo-ada}, email: ada@example.com}
  - {name: eve, organization: studio, password: {plain: demo-eve}, email: eve@example.com}
  - {name: lee, organization: lab, password: {plain: demo-lee}, email: lee@example.com}
  - {name: kim, organization: corp, password: {plain: demo-kim}, email: kim@example.com}
clients:
  - {id: locker, organization: acme, dialect: aoc, name: Portal, secrets: [{plain: s-locker}], grants: [authorization_code, refresh_token], redirect_uris: ["https://app.example/cb"]}
  - {id: cutter, organization: studio, dialect: aoc, name: Cutter, secrets: [{plain: s-cutter}], grants: [authorization_code, refresh_token], redirect_uris: ["https://app.example/cb"]}
  - {id: probe, organization: lab, dialect: aoc, name: Probe, secrets: [{plain: s-probe}], grants: [authorization_code, refresh_token], redirect_uris: ["https://app.example/cb"]}
  - {id: courier, organization: corp, dialect: aoc, name: Courier, secrets: [{plain: s-courier}], grants: [authorization_code, refresh_token], redirect_uris: ["https://app.example/cb"]}
`

func wants(client string, more ...string) string {
	q := url.Values{"response_type": {"code"}, "client_id": {client}, "redirect_uri": {"https://app.example/cb"}, "state": {"s1"}}
	for i := 0; i+1 < len(more); i += 2 {
		q.Set(more[i], more[i+1])
	}
	return "?" + q.Encode()
}

// onHost goes on as a browser does where the server sends it to a bound host, which
// the tests reach at the same address.
func onHost(b *servertest.Browser, name string) *servertest.Browser {
	for range 10 {
		if b.Left == nil || b.Left.Host != name {
			break
		}
		b.Host = name
		b.Open(b.Left.RequestURI())
	}
	return b
}

func redeem(t *testing.T, s *servertest.Server, client string, b *servertest.Browser) string {
	t.Helper()
	got := b.Answer()
	if got.Get("code") == "" || got.Get("state") != "s1" {
		t.Fatalf("answer %v, trail %q", got, b.Trail)
	}
	a := post(t, s, "/api/v1/oauth2/token", url.Values{
		"grant_type": {"authorization_code"}, "code": {got.Get("code")}, "redirect_uri": {"https://app.example/cb"},
		"client_id": {client}, "client_secret": {"s-" + client}, "scope": {"user:all"},
	})
	if a.status != 200 {
		t.Fatalf("%d %v", a.status, a.body)
	}
	return a.text("access_token")
}

// Wherever an organization's pages are, a request that names it by its path ends
// there, and the code is good at the shared host.
func TestEachOrganizationSignsItsOwnPeopleIn(t *testing.T) {
	s := servertest.Start(t, servertest.Options{World: browserWorld})
	for _, c := range []struct{ org, client, user, host, login string }{
		{"acme", "locker", "ada", "", servertest.Public + "/o/acme/api/v1/oauth2/acme/login?r="},
		{"lab", "probe", "lee", "", servertest.Public + "/o/lab/api/v1/oauth2/lab/login?r="},
		{"corp", "courier", "kim", "", servertest.Public + "/corp/aspera/api/v1/oauth2/corp/login?r="},
		{"studio", "cutter", "eve", "studio.example.com", "/api/v1/oauth2/studio/login?r="},
	} {
		for _, path := range []string{"/api/v1/oauth2/" + c.org + "/authorize", "/oauth2/" + c.org + "/authorize", "/api/v1/oauth2/authorize"} {
			t.Run(c.org+" at "+path, func(t *testing.T) {
				b := onHost(s.Browser(t).Open(path+wants(c.client)), c.host)
				if !strings.HasPrefix(b.URL, c.login) {
					t.Fatalf("asked to sign in at %s, want %s", b.URL, c.login)
				}
				onHost(b.SignIn(c.user, "demo-"+c.user), c.host)
				if b.Left == nil {
					onHost(b.Submit("/consent", "decision", "allow"), c.host)
				}
				if a := get(t, s, "/api/v1/self", redeem(t, s, c.client, b)); a.text("email") != c.user+"@example.com" {
					t.Errorf("%d %v", a.status, a.body)
				}
			})
		}
	}
}

func TestSigningInToOneOrganizationIsNoSignInToAnother(t *testing.T) {
	s := servertest.Start(t, servertest.Options{World: browserWorld})
	b := s.Browser(t).Open("/oauth2/acme/authorize"+wants("locker")).SignIn("ada", "demo-ada").Submit("/consent", "decision", "allow")
	redeem(t, s, "locker", b)
	b.Open("/oauth2/lab/authorize" + wants("probe"))
	if b.Status != 200 || !b.Asks("/o/lab/login") {
		t.Fatalf("%d %s", b.Status, b.URL)
	}
	b.SignIn("ada", "demo-ada")
	if b.Status != http.StatusUnprocessableEntity {
		t.Errorf("a user of another organization signs in: %d %s", b.Status, b.URL)
	}
	b.Open("/oauth2/acme/authorize" + wants("locker"))
	redeem(t, s, "locker", b) // and is still at home in their own
}

// What a client that looks for the product needs: at most ten redirects to a page
// with a query, whose path says the organization.
func TestProductDetectionEndsAtTheSignInPage(t *testing.T) {
	s := servertest.Start(t, servertest.Options{World: browserWorld})
	for _, c := range []struct{ host, path, org string }{
		{"studio.example.com", "/", "studio"},
		{"studio.example.com", "/auth/ping", "studio"},
		{"", "/corp/aspera/", "corp"},
		{"", "/corp/aspera/auth/ping", "corp"},
		{"", "/o/acme/", "acme"},
		{"", "/o/acme/auth/ping", "acme"},
	} {
		b := s.Browser(t)
		b.Host = c.host
		onHost(b.Open(c.path), c.host)
		u, err := url.Parse(b.URL)
		if err != nil {
			t.Fatal(err)
		}
		if b.Status != 200 || u.RawQuery == "" || !strings.HasSuffix(u.Path, "/oauth2/"+c.org+"/login") || !b.Asks("/login") {
			t.Errorf("%s%s ends at %d %s", c.host, c.path, b.Status, b.URL)
		}
	}
}

func TestTheSignInPageWithoutAClientLeadsToTheAccount(t *testing.T) {
	s := servertest.Start(t, servertest.Options{World: browserWorld})
	b := s.Browser(t).Open("/oauth2/acme/login").SignIn("ada", "demo-ada")
	if b.Status != 200 || !strings.HasPrefix(b.URL, servertest.Public+"/o/acme/account") {
		t.Errorf("%d %s", b.Status, b.URL)
	}
	b.Open("/api/v1/oauth2/acme/login?organization=acme") // signed in already
	if b.Status != 200 || !strings.HasPrefix(b.URL, servertest.Public+"/o/acme/account") {
		t.Errorf("%d %s", b.Status, b.URL)
	}
}

// The person is asked about what is new; what they leave out the client does not
// get, though it asks for it again with the code.
func TestAClientGetsWhatWasTickedAndNoMore(t *testing.T) {
	s := servertest.Start(t, servertest.Options{World: browserWorld})
	b := s.Browser(t).Open("/oauth2/acme/authorize"+wants("locker", "scope", "user:all self")).SignIn("ada", "demo-ada")
	to, fields := b.Form("/consent")
	fields["scope"], fields["decision"] = []string{"self", "admin:all"}, []string{"allow"}
	token := redeem(t, s, "locker", b.Post(to, fields, nil))
	if a := get(t, s, "/api/v1/self", token); a.status != 200 {
		t.Errorf("self: %d %v", a.status, a.body)
	}
	if a := get(t, s, "/api/v1/users", token); a.status != 403 {
		t.Errorf("users, which were not allowed: %d %v", a.status, a.body)
	}
	b.Open("/oauth2/acme/authorize" + wants("locker", "scope", "user:all self"))
	if !b.Asks("/consent") {
		t.Errorf("not asked again: %d %s", b.Status, b.URL)
	}
}

// A person's token stands on the person: neither the list nor the switch of
// assertions is about it. It ends when they sign out or are disabled.
func TestATokenOfAPersonNeedsNoAssertionGrant(t *testing.T) {
	s := servertest.Start(t, servertest.Options{World: browserWorld})
	b := s.Browser(t).Open("/oauth2/acme/authorize"+wants("locker")).SignIn("ada", "demo-ada").Submit("/consent", "decision", "allow")
	token := redeem(t, s, "locker", b)
	s.Apply(t, `
version: 1
clients:
  - {id: locker, organization: acme, dialect: aoc, name: Portal, secrets: [{plain: s-locker}], grants: [authorization_code, refresh_token], redirect_uris: ["https://app.example/cb"], settings: {whitelist_enabled: true}}
`)
	if a := get(t, s, "/api/v1/self", token); a.status != 200 {
		t.Errorf("not listed: %d %v", a.status, a.body)
	}
	s.Apply(t, `
version: 1
users:
  - {name: ada, organization: acme, password: {plain: demo-ada}, email: ada@example.com, enabled: false}
`)
	if a := get(t, s, "/api/v1/self", token); a.status != 401 {
		t.Errorf("disabled: %d %v", a.status, a.body)
	}
}
