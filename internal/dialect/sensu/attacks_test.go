package sensu_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"jeton/internal/dialect/sensu"
)

func TestDial12AMismatchedPairIsRefusedAndNothingIsConsumed(t *testing.T) {
	s := start(t, "")
	a, b := client(s), client(s)
	must(t, a.configure("myusername", "mypassword"))
	must(t, b.configure("admin", "P@ssw0rd!"))
	own := client(s)
	must(t, own.configure("myusername", "mypassword")) // another session of the same user
	for _, beside := range []*sensuctl{b, own} {
		mixed := *a
		mixed.kept.Refresh = beside.kept.Refresh
		if err := mixed.refresh(); err != errUnauthorized {
			t.Errorf("refresh with another session's token: %v", err)
		}
		if err := mixed.logout(); err == nil {
			t.Error("logout with another session's token")
		}
	}
	for _, c := range []*sensuctl{a, b, own} {
		must(t, c.refresh())
		must(t, c.logout())
	}
}

func TestDial13TheTestEndpointCountsFailuresWithAuth(t *testing.T) {
	s := start(t, "")
	c := client(s)
	for i := range 100 {
		status, body, err := c.send("GET", s.URL+"/auth/test", nil, basicAuth("myusername", fmt.Sprint("wrong-", i)))
		must(t, err)
		if status != http.StatusUnauthorized || string(body) != "Request unauthorized\n" {
			t.Fatalf("guess %d: %d %q", i, status, body)
		}
	}
	for path, want := range map[string]string{"/auth": "Unauthorized\n", "/auth/test": "Request unauthorized\n"} {
		status, body, err := c.send("GET", s.URL+path, nil, basicAuth("myusername", "mypassword"))
		must(t, err)
		if status != http.StatusUnauthorized || string(body) != want {
			t.Errorf("%s with the right password after a hundred wrong ones: %d %q", path, status, body)
		}
	}
}

func TestTheOldPasswordIsThrottledTooWhenItIsChanged(t *testing.T) {
	s := start(t, "")
	c := client(s)
	must(t, c.configure("myusername", "mypassword"))
	body := map[string]string{"password": "wrong", "password_hash": "$2a$10$yeqF3DBw90ae5/oCY/J4PeaCbnjieHw0eSac0A.X/9El4ZJw.MrT6"}
	for range 30 {
		status, _, err := c.send("PUT", s.URL+"/api/core/v2/users/myusername/password", body, bearer(c.kept.Access))
		must(t, err)
		if status != http.StatusUnauthorized {
			t.Fatalf("status %d", status)
		}
	}
	body["password"] = "mypassword"
	status, _, err := c.send("PUT", s.URL+"/api/core/v2/users/myusername/password", body, bearer(c.kept.Access))
	must(t, err)
	if status != http.StatusUnauthorized {
		t.Errorf("the right password after thirty wrong ones: %d", status)
	}
}

func TestDial14NothingAnswersWhereTheDialectIsSwitchedOff(t *testing.T) {
	s := start(t, "version: 1\norganizations:\n  - {id: default, name: Example, default: true, dialects: [oidc]}\n")
	c := client(s)
	for _, x := range append(sensu.Endpoints(), sensu.Endpoint{Method: "GET", Pattern: "/auth"}, sensu.Endpoint{Method: "GET", Pattern: "/auth/test"},
		sensu.Endpoint{Method: "POST", Pattern: "/auth/token"}, sensu.Endpoint{Method: "POST", Pattern: "/auth/logout"}) {
		status, _, err := c.send(x.Method, s.URL+path(x, "myusername"), nil, basicAuth("myusername", "mypassword"))
		must(t, err)
		if status != http.StatusNotFound {
			t.Errorf("%s %s: %d, want 404", x.Method, x.Pattern, status)
		}
	}
}

func path(x sensu.Endpoint, user string) string {
	return strings.NewReplacer("{user}", user, "{group}", "ops", "{name}", "00000000-0000-0000-0000-000000000000").Replace(x.Pattern)
}

// Every endpoint, every kind of caller. A caller who is not let in learns nothing;
// one who is gets past the right, whatever comes then.
func TestEveryResourceEndpointKeepsItsRight(t *testing.T) {
	s := start(t, "")
	admin, user := client(s), client(s)
	must(t, admin.configure("admin", "P@ssw0rd!"))
	must(t, user.configure("myusername", "mypassword"))
	callers := []struct {
		name  string
		auth  func(*http.Request)
		named string
		want  func(sensu.Endpoint) []int
	}{
		{"nobody", nil, "luser1", func(sensu.Endpoint) []int { return []int{401} }},
		{"Basic", basicAuth("admin", "P@ssw0rd!"), "luser1", func(sensu.Endpoint) []int { return []int{401} }},
		{"a refresh token", bearer(admin.kept.Refresh), "luser1", func(sensu.Endpoint) []int { return []int{401} }},
		{"a user about another", bearer(user.kept.Access), "luser1", func(sensu.Endpoint) []int { return []int{403} }},
		{"a user about nobody", bearer(user.kept.Access), "no-such-user", func(sensu.Endpoint) []int { return []int{403} }},
		{"a user about himself", bearer(user.kept.Access), "myusername", func(x sensu.Endpoint) []int {
			if x.Self {
				return []int{200, 400}
			}
			return []int{403}
		}},
		{"an administrator", bearer(admin.kept.Access), "luser1", func(sensu.Endpoint) []int { return []int{200, 201, 204, 400, 404} }},
	}
	for _, who := range callers {
		for _, x := range sensu.Endpoints() {
			status, body, err := admin.send(x.Method, s.URL+path(x, who.named), nil, who.auth)
			must(t, err)
			ok := false
			for _, w := range who.want(x) {
				ok = ok || status == w
			}
			if !ok {
				t.Errorf("%s: %s %s: %d %s", who.name, x.Method, x.Pattern, status, body)
			}
		}
	}
}

const twoOrgs = `
version: 1
organizations:
  - {id: two, name: Two, prefixes: [/two], realms: [{name: local, default: true}]}
users:
  - {name: admin, organization: two, password: {plain: "P@ssw0rd!"}, groups: [cluster-admins]}
clients:
  - {id: sensu, organization: two, dialect: sensu, auth: none, grants: [password, refresh_token]}
`

func TestTokensAndKeysCountInTheirOrganizationOnly(t *testing.T) {
	s := start(t, twoOrgs)
	one, two := client(s), client(s)
	two.url += "/two"
	must(t, one.configure("admin", "P@ssw0rd!"))
	must(t, two.configure("admin", "P@ssw0rd!"))
	if iss := parse(two.kept.Access).Issuer; iss != two.url {
		t.Errorf("issuer %s, want %s", iss, two.url)
	}
	must(t, two.refresh())
	status, body, err := one.send("POST", one.url+"/api/core/v2/apikeys", map[string]string{"username": "admin"}, bearer(one.kept.Access))
	must(t, err)
	if status != http.StatusCreated {
		t.Fatalf("%d %s", status, body)
	}
	key := string(body[len(body)-38 : len(body)-2])
	for name, auth := range map[string]func(*http.Request){
		"token": bearer(one.kept.Access),
		"key":   func(r *http.Request) { r.Header.Set("Authorization", "Key "+key) },
	} {
		if status, _, err := one.send("GET", one.url+"/api/core/v2/users", nil, auth); err != nil || status != http.StatusOK {
			t.Errorf("%s at home: %d, %v", name, status, err)
		}
		if status, _, err := one.send("GET", two.url+"/api/core/v2/users", nil, auth); err != nil || status != http.StatusUnauthorized {
			t.Errorf("%s elsewhere: %d, %v", name, status, err)
		}
	}
	status, _, err = one.send("POST", two.url+"/auth/token", map[string]string{"refresh_token": one.kept.Refresh}, bearer(one.kept.Access))
	if err != nil || status != http.StatusUnauthorized {
		t.Errorf("refresh elsewhere: %d, %v", status, err)
	}
	must(t, one.refresh())
}

func TestATokenOfAnotherDialectIsNoTokenHere(t *testing.T) {
	s := start(t, "")
	c := client(s)
	resp, err := http.DefaultClient.PostForm(s.URL+"/oauth2/token", map[string][]string{
		"grant_type": {"client_credentials"}, "client_id": {"batch"}, "client_secret": {"demo-batch-secret"}, "scope": {"read"},
	})
	must(t, err)
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK { // batch is registered for Basic
		req, err := http.NewRequest("POST", s.URL+"/oauth2/token", strings.NewReader("grant_type=client_credentials&scope=read"))
		must(t, err)
		req.SetBasicAuth("batch", "demo-batch-secret")
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		_ = resp.Body.Close()
		resp, err = http.DefaultClient.Do(req)
		must(t, err)
		defer func() { _ = resp.Body.Close() }()
	}
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("status %d", resp.StatusCode)
	}
	var got tokens
	must(t, decode(resp.Body, &got))
	if status, _, err := c.send("GET", s.URL+"/api/core/v2/users", nil, bearer(got.Access)); err != nil || status != http.StatusUnauthorized {
		t.Errorf("%d, %v", status, err)
	}
	must(t, c.configure("myusername", "mypassword"))
	if status, _, err := c.send("POST", s.URL+"/auth/token", map[string]string{"refresh_token": c.kept.Refresh}, bearer(got.Access)); err != nil || status != http.StatusUnauthorized {
		t.Errorf("refresh: %d, %v", status, err)
	}
	if status, _, err := c.send("GET", s.URL+"/oauth2/userinfo", nil, bearer(c.kept.Access)); err != nil || status != http.StatusUnauthorized {
		t.Errorf("a sensu token at userinfo: %d, %v", status, err)
	}
}

// A disabled user's refresh token is refused as one of a session that is gone.
func TestADisabledUserCannotRefresh(t *testing.T) {
	s := start(t, "")
	admin, user := client(s), client(s)
	must(t, admin.configure("admin", "P@ssw0rd!"))
	must(t, user.configure("myusername", "mypassword"))
	s.Clock.Add(time.Second)
	status, _, err := admin.send("DELETE", s.URL+"/api/core/v2/users/myusername", nil, bearer(admin.kept.Access))
	if err != nil || status != http.StatusNoContent {
		t.Fatal(status, err)
	}
	status, body, err := user.send("POST", s.URL+"/auth/token", map[string]string{"refresh_token": user.kept.Refresh}, bearer(user.kept.Access))
	if err != nil || status != http.StatusUnauthorized || string(body) != "Unauthorized\n" {
		t.Errorf("%d %q, %v", status, body, err)
	}
}

// Without a client of its own, or with two, the dialect speaks for nobody.
func TestWithoutItsOwnClientTheDialectLetsNobodyIn(t *testing.T) {
	s := start(t, "")
	c := client(s)
	must(t, c.configure("admin", "P@ssw0rd!"))
	must(t, s.Core.Admin.DeleteClient(t.Context(), "default", "sensu"))
	for _, p := range []string{"/auth", "/auth/test"} {
		if status, _, err := c.send("GET", s.URL+p, nil, basicAuth("admin", "P@ssw0rd!")); err != nil || status != http.StatusUnauthorized {
			t.Errorf("%s: %d, %v", p, status, err)
		}
	}
	if status, _, err := c.send("GET", s.URL+"/api/core/v2/users", nil, bearer(c.kept.Access)); err != nil || status != http.StatusUnauthorized {
		t.Errorf("users: %d, %v", status, err)
	}
	if err := c.refresh(); err != errUnauthorized {
		t.Errorf("refresh: %v", err)
	}
}
