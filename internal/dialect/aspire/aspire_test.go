package aspire_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"jeton/internal/audit"
	"jeton/internal/client"
	"jeton/internal/dialect"
	"jeton/internal/dialect/aspire"
	"jeton/internal/oauth"
	"jeton/internal/server"
	"jeton/internal/servertest"
)

const (
	clientID = "5b0c1f7e-3a52-4b0e-9b3e-0f6f6c1f2a11"
	secret   = "demo-aspire-secret"
	login    = `{"ClientId":"` + clientID + `","Secret":"` + secret + `"}`
)

func TestTranscripts(t *testing.T) { servertest.Run(t, "testdata", &aspire.Dialect) }

func start(t *testing.T, o servertest.Options) *servertest.Server {
	t.Helper()
	o.Dialects = []*dialect.Dialect{&aspire.Dialect}
	return servertest.Start(t, o)
}

type pair struct{ Token, RefreshToken string }

// call sends a request and reads the answer, decoding it into v unless that is nil.
func call(t *testing.T, s *servertest.Server, method, path, token, body string, v any) (status int, h http.Header) {
	t.Helper()
	req, err := http.NewRequest(method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if v != nil {
		if err := json.Unmarshal(b, v); err != nil {
			t.Fatalf("%s %s: %d %s: %v", method, path, resp.StatusCode, b, err)
		}
	}
	return resp.StatusCode, resp.Header
}

func logIn(t *testing.T, s *servertest.Server) (p pair) {
	t.Helper()
	if status, _ := call(t, s, "POST", "/Authorization", "", login, &p); status != 200 || p.Token == "" || p.RefreshToken == "" {
		t.Fatalf("login: %d %+v", status, p)
	}
	return p
}

func recorded(s *servertest.Server) context.Context {
	return audit.With(context.Background(), &audit.Record{ID: audit.NewID(s.Clock.Now()), At: s.Clock.Now()})
}

func TestDial07AnEndpointOutsideTheScopeIsRefused(t *testing.T) {
	s := start(t, servertest.Options{})
	token := logIn(t, s).Token
	org, _ := s.Core.Clients.Org("default")
	tests := []struct {
		method, path, token string
		want                oauth.Code
	}{
		{"GET", "/Contacts", token, ""},
		{"POST", "/contacts", token, ""},
		{"GET", "/Contacts/7", token, ""},
		{"PUT", "/Contacts", token, oauth.InsufficientScope},
		{"HEAD", "/Contacts", token, oauth.InsufficientScope},
		{"GET", "/Companies", token, oauth.InsufficientScope},
		{"GET", "/companies", token, oauth.InsufficientScope},
		{"GET", "/Companies/", token, oauth.InsufficientScope},
		{"GET", "/%43ompanies", token, oauth.InsufficientScope},
		{"GET", "/Contacts/", token, oauth.InsufficientScope},
		{"GET", "/Contacts/..%2fCompanies", token, oauth.InsufficientScope},
		{"GET", "/Contacts/../Companies", token, oauth.InsufficientScope},
		{"GET", "/Attachments/NewLink", token, oauth.InsufficientScope},
		{"GET", "/Unknown", token, oauth.InsufficientScope},
		{"GET", "", token, oauth.InsufficientScope},
		{"GET", "/Contacts", "", oauth.MissingToken},
		{"GET", "/Contacts", "123", oauth.InvalidToken},
		{"GET", "/Contacts", token[:len(token)-1], oauth.InvalidToken},
		{"GET", "/Contacts", token + "A", oauth.InvalidToken},
	}
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) {
			a, err := aspire.Check(recorded(s), s.Core, org, tt.method, tt.path, tt.token)
			switch {
			case tt.want == "" && (err != nil || a.Client != clientID):
				t.Errorf("%+v, %v", a, err)
			case tt.want != "" && !oauth.Is(err, tt.want):
				t.Errorf("%v, want %s", err, tt.want)
			}
		})
	}
}

func TestDial09ATokenEndsWithItsCredentialsHoweverBusy(t *testing.T) {
	ends := map[string]func(s *servertest.Server, ctx context.Context) error{
		"disabled": func(s *servertest.Server, ctx context.Context) error {
			_, err := s.Core.Admin.ChangeClient(ctx, "default", clientID, "client.change", func(c *client.Client) error {
				c.Enabled = false
				return nil
			})
			return err
		},
		"revoked": func(s *servertest.Server, ctx context.Context) error {
			return s.Core.Admin.RevokeClient(ctx, "default", clientID)
		},
		"deleted": func(s *servertest.Server, ctx context.Context) error {
			return s.Core.Admin.DeleteClient(ctx, "default", clientID)
		},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			s := start(t, servertest.Options{})
			p := logIn(t, s)
			for range 3 {
				s.Clock.Add(20 * time.Hour)
				if status, _ := call(t, s, "GET", "/Contacts", p.Token, "", nil); status != 200 {
					t.Fatalf("a busy token: %d", status)
				}
			}
			if err := end(s, recorded(s)); err != nil {
				t.Fatal(err)
			}
			if status, _ := call(t, s, "GET", "/Contacts", p.Token, "", nil); status != 401 {
				t.Errorf("after the end: %d", status)
			}
			if status, _ := call(t, s, "POST", "/Authorization/RefreshToken", "", `{"RefreshToken":"`+p.RefreshToken+`"}`, nil); status != 401 {
				t.Errorf("refresh after the end: %d", status)
			}
		})
	}
}

func TestABusyTokenEndsAtItsAbsoluteEnd(t *testing.T) {
	s := start(t, servertest.Options{})
	p := logIn(t, s)
	for range 31 {
		s.Clock.Add(23 * time.Hour)
		if status, _ := call(t, s, "GET", "/Contacts", p.Token, "", nil); status != 200 {
			t.Fatalf("a busy token: %d", status)
		}
	}
	s.Clock.Add(7 * time.Hour) // 30 days in all
	if status, _ := call(t, s, "GET", "/Contacts", p.Token, "", nil); status != 401 {
		t.Errorf("after 30 days: %d", status)
	}
	var next pair
	if status, _ := call(t, s, "POST", "/Authorization/RefreshToken", "", `{"RefreshToken":"`+p.RefreshToken+`"}`, &next); status != 200 {
		t.Fatalf("refresh after 30 busy days: %d", status)
	}
	if status, _ := call(t, s, "GET", "/Contacts", next.Token, "", nil); status != 200 {
		t.Errorf("the new token: %d", status)
	}
}

func TestOneRefreshTokenUsedAtOnceGivesOneSuccessor(t *testing.T) {
	s := start(t, servertest.Options{})
	body := `{"RefreshToken":"` + logIn(t, s).RefreshToken + `"}`
	const users = 8
	got := make([]pair, users)
	var wg sync.WaitGroup
	for i := range users {
		wg.Go(func() {
			resp, err := http.Post(s.URL+"/Authorization/RefreshToken", "application/json", strings.NewReader(body))
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = resp.Body.Close() }()
			if err := json.NewDecoder(resp.Body).Decode(&got[i]); err != nil || resp.StatusCode != 200 {
				t.Errorf("%d, %v", resp.StatusCode, err)
			}
		})
	}
	wg.Wait()
	for _, p := range got {
		if p.RefreshToken != got[0].RefreshToken || p.RefreshToken == "" {
			t.Fatal("two successors")
		}
	}
}

func TestAnOrganizationsTokensAreNoneElsewhere(t *testing.T) {
	s := start(t, servertest.Options{World: `
version: 1
organizations:
  - {id: west, name: West, prefixes: [/west], realms: [{name: local, default: true}]}
clients:
  - id: ` + clientID + `
    organization: west
    dialect: aspire
    secrets: [{plain: west-secret}]
    grants: [client_credentials, refresh_token]
    scopes: [Contacts.GET]
`})
	p := logIn(t, s)
	for _, path := range []string{"/west/Contacts", "/Contacts"} {
		want := map[string]int{"/west/Contacts": 401, "/Contacts": 200}[path]
		if status, _ := call(t, s, "GET", path, p.Token, "", nil); status != want {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
	}
	refresh := `{"RefreshToken":"` + p.RefreshToken + `"}`
	if status, _ := call(t, s, "POST", "/west/Authorization/RefreshToken", "", refresh, nil); status != 401 {
		t.Errorf("refresh elsewhere: %d", status)
	}
	if status, _ := call(t, s, "POST", "/west/Authorization", "", login, nil); status != 404 {
		t.Errorf("login elsewhere: %d", status)
	}
	if status, _ := call(t, s, "POST", "/Authorization/RefreshToken", "", refresh, nil); status != 200 {
		t.Errorf("refresh at home after that: %d", status)
	}
}

func TestDial14ASwitchedOffDialectAnswersNothing(t *testing.T) {
	s := start(t, servertest.Options{World: `
version: 1
organizations:
  - {id: default, name: Example Corp, default: true, dialects: [oidc], realms: [{name: local, default: true}]}
`})
	for _, r := range [][3]string{
		{"POST", "/Authorization", login}, {"POST", "/Authorization/RefreshToken", `{"RefreshToken":"x"}`},
		{"GET", "/Version/GetApiVersion", ""}, {"GET", "/swagger/v1/swagger.json", ""}, {"GET", "/swagger/index.html", ""},
		{"GET", "/Contacts", ""},
	} {
		if status, _ := call(t, s, r[0], r[1], "", r[2], nil); status != 404 {
			t.Errorf("%s %s: %d", r[0], r[1], status)
		}
	}
}

func TestOnlyTheDemonstrationAnswersForTheProduct(t *testing.T) {
	s := start(t, servertest.Options{Change: func(c *server.Config) { c.Demo = false }})
	token := logIn(t, s).Token
	if status, _ := call(t, s, "GET", "/Contacts", token, "", nil); status != 404 {
		t.Errorf("status %d", status)
	}
	org, _ := s.Core.Clients.Org("default")
	if _, err := aspire.Check(recorded(s), s.Core, org, "GET", "/Contacts", token); err != nil {
		t.Errorf("the check: %v", err)
	}
}

func TestACatalogueThatCannotBeReadOpensNothing(t *testing.T) {
	s := start(t, servertest.Options{World: `
version: 1
organizations:
  - {id: default, name: Example Corp, default: true, settings: {aspire: {catalogue: ["Contacts fetch"]}}, realms: [{name: local, default: true}]}
`})
	if status, _ := call(t, s, "GET", "/Contacts", logIn(t, s).Token, "", nil); status != 500 {
		t.Errorf("status %d", status)
	}
}

func TestLogInsOfStrangersDoNotStopCalls(t *testing.T) {
	s := start(t, servertest.Options{World: `
version: 1
organizations:
  - {id: default, name: Example Corp, default: true, settings: {aspire: {requests_per_minute: 5}}, realms: [{name: local, default: true}]}
`})
	token := logIn(t, s).Token
	limited := 0
	for range 20 {
		status, h := call(t, s, "POST", "/Authorization", "", `{"ClientId":"nobody","Secret":"guess"}`, nil)
		if status == 429 && h.Get("Retry-After") != "" {
			limited++
		}
	}
	if limited != 16 {
		t.Errorf("%d of 20 logins were limited, want 16", limited)
	}
	if status, _ := call(t, s, "GET", "/Contacts", token, "", nil); status != 200 {
		t.Errorf("a call beside: %d", status)
	}
}

// sample is how a well-behaved client uses this API: one login, its tokens kept,
// a refresh before the token is old, and a new login whenever something is refused.
type sample struct {
	base, id, secret string
	now              func() time.Time
	keep             time.Duration // how long a token is used before it is refreshed

	tokens  pair
	fetched time.Time
	logins  int
	renewed int
}

func (c *sample) post(path string, body any) bool {
	b, err := json.Marshal(body)
	if err != nil {
		return false
	}
	resp, err := http.Post(c.base+path, "application/json", bytes.NewReader(b))
	if err != nil {
		return false
	}
	defer func() { _ = resp.Body.Close() }()
	var p pair
	if resp.StatusCode/100 != 2 || json.NewDecoder(resp.Body).Decode(&p) != nil || p.Token == "" {
		return false
	}
	c.tokens, c.fetched = p, c.now()
	return true
}

func (c *sample) login() bool {
	c.logins++
	return c.post("/Authorization", map[string]string{"ClientId": c.id, "Secret": c.secret})
}

func (c *sample) refresh() bool {
	c.renewed++
	return c.post("/Authorization/RefreshToken", map[string]string{"RefreshToken": c.tokens.RefreshToken})
}

// ready sees to a token that may be used.
func (c *sample) ready() bool {
	switch {
	case c.tokens.Token == "":
		return c.login()
	case c.now().Sub(c.fetched) >= c.keep:
		return c.refresh() || c.login()
	}
	return true
}

// get calls an endpoint, once more with new tokens when these are refused.
func (c *sample) get(path string) int {
	status := 0
	for range 2 {
		if !c.ready() {
			return 0
		}
		req, err := http.NewRequest(http.MethodGet, c.base+path, nil)
		if err != nil {
			return 0
		}
		req.Header.Set("Authorization", "Bearer "+c.tokens.Token)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0
		}
		_ = resp.Body.Close()
		if status = resp.StatusCode; status != http.StatusUnauthorized {
			break
		}
		c.tokens = pair{}
	}
	return status
}

func TestAWellBehavedClientNeverMissesACall(t *testing.T) {
	for _, keep := range []time.Duration{time.Hour, 23 * time.Hour, 24 * time.Hour} {
		t.Run(keep.String(), func(t *testing.T) {
			s := start(t, servertest.Options{})
			c := &sample{base: s.URL, id: clientID, secret: secret, now: s.Clock.Now, keep: keep}
			pauses := []time.Duration{0, time.Minute, 2 * time.Hour, 22 * time.Hour, 24 * time.Hour, 47 * time.Hour, 49 * time.Hour, time.Hour}
			for _, pause := range pauses {
				s.Clock.Add(pause)
				if status := c.get("/Contacts"); status != 200 {
					t.Fatalf("after a pause of %s: %d", pause, status)
				}
			}
			if c.logins != 2 { // at the start, and after 49 hours without any use
				t.Errorf("%d logins and %d refreshes, want 2 logins", c.logins, c.renewed)
			}
			s.Clock.Add(time.Second) // a token of the very moment of a revocation is not older than it
			if err := s.Core.Admin.RevokeClient(recorded(s), "default", clientID); err != nil {
				t.Fatal(err)
			}
			s.Clock.Add(time.Second)
			if status := c.get("/Contacts"); status != 200 || c.logins != 3 {
				t.Errorf("after its tokens were revoked: %d with %d logins", status, c.logins)
			}
		})
	}
}
