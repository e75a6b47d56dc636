package logout_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"jeton/internal/identity"
	"jeton/internal/server"
	"jeton/internal/servertest"
	"jeton/internal/session"

	"github.com/coreos/go-oidc/v3/oidc"
)

const verifier = "abcdefghijklmnopqrstuvwxyz0123456789-._~ABCDEF"

// party is a relying party that verifies what it is sent with a library that knows
// nothing of this server.
type party struct {
	url    string
	mu     sync.Mutex
	raw    []string
	tokens []*oidc.LogoutToken
}

func (p *party) got() []*oidc.LogoutToken { p.mu.Lock(); defer p.mu.Unlock(); return p.tokens }

// start runs a server with clients app (RS256) and tool (ES256) that are told of
// logouts, and its background work.
func start(t *testing.T, change func(*server.Config)) (*servertest.Server, map[string]*party) {
	t.Helper()
	var s *servertest.Server
	parties := map[string]*party{}
	world := "version: 1\nusers:\n"
	for _, name := range []string{"eve", "bob", "cyd", "dan", "fay"} {
		world += "  - {name: " + name + ", password: {plain: demo-pass}}\n"
	}
	world += "clients:\n"
	for id, alg := range map[string]string{"app": "RS256", "tool": "ES256"} {
		p := &party{}
		at := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			verifier := oidc.NewVerifier(servertest.Public, oidc.NewRemoteKeySet(r.Context(), s.URL+"/.well-known/jwks.json"),
				&oidc.Config{ClientID: id, SupportedSigningAlgs: []string{alg}, Now: s.Clock.Now})
			raw := r.PostFormValue("logout_token")
			token, err := verifier.VerifyLogout(r.Context(), raw)
			if err != nil {
				t.Errorf("%s: %v", id, err)
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			p.raw, p.tokens = append(p.raw, raw), append(p.tokens, token)
		}))
		t.Cleanup(at.Close)
		p.url = at.URL
		parties[id] = p
		world += fmt.Sprintf(`  - {id: %s, dialect: oidc, auth: client_secret_basic, secrets: [{plain: app-secret}], grants: [authorization_code, refresh_token],
     scopes: [openid, offline_access], redirect_uris: ["https://app.example/cb"], own: true, consent: never, id_token: {alg: %s},
     post_logout_redirect_uris: ["https://app.example/bye"], backchannel_logout_uri: "%s/logout"}
`, id, alg, at.URL)
	}
	s = servertest.Start(t, servertest.Options{World: world, Change: change})
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() { s.Run(ctx) })
	t.Cleanup(func() { cancel(); work.Wait() })
	return s, parties
}

func authorizeURL(client string) string {
	sum := sha256.Sum256([]byte(verifier))
	return "/oauth2/authorize?" + url.Values{
		"response_type": {"code"}, "client_id": {client}, "redirect_uri": {"https://app.example/cb"}, "scope": {"openid"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}.Encode()
}

// signIn signs a person in to a client and gives its tokens.
func signIn(t *testing.T, s *servertest.Server, b *servertest.Browser, client, name, password string) map[string]any {
	t.Helper()
	b.Open(authorizeURL(client))
	if b.Left == nil {
		b.SignIn(name, password)
	}
	status, tokens := post(t, s, client, "/oauth2/token", url.Values{
		"grant_type": {"authorization_code"}, "code": {b.Answer().Get("code")}, "redirect_uri": {"https://app.example/cb"}, "code_verifier": {verifier},
	})
	if status != 200 {
		t.Fatalf("%s at %s: %d %v", name, client, status, tokens)
	}
	return tokens
}

func post(t *testing.T, s *servertest.Server, client, path string, f url.Values) (int, map[string]any) {
	t.Helper()
	req, err := http.NewRequest("POST", s.URL+path, strings.NewReader(f.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(client, "app-secret")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	m := map[string]any{}
	_ = json.Unmarshal(b, &m)
	return resp.StatusCode, m
}

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 1000 {
		if ok() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("not " + what)
}

func deliveries(t *testing.T, s *servertest.Server) []session.Delivery {
	t.Helper()
	list, err := s.Core.Admin.Deliveries(t.Context(), "default", "", 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func sid(t *testing.T, tokens map[string]any) (sub, sid string) {
	t.Helper()
	text, _ := tokens["id_token"].(string)
	part := strings.Split(text, ".")
	b, err := base64.RawURLEncoding.DecodeString(part[min(1, len(part)-1)])
	var c struct{ Sub, SID string }
	if err != nil || json.Unmarshal(b, &c) != nil {
		t.Fatalf("ID token %q", text)
	}
	return c.Sub, c.SID
}

func TestClientsOfASessionAreToldWhenAPersonSignsOut(t *testing.T) {
	s, parties := start(t, nil)
	b := s.Browser(t)
	tokens := signIn(t, s, b, "app", "eve", "demo-pass")
	signIn(t, s, b, "tool", "eve", "demo-pass")
	sub, id := sid(t, tokens)
	b.Open("/oauth2/logout?" + url.Values{"id_token_hint": {tokens["id_token"].(string)}, "post_logout_redirect_uri": {"https://app.example/bye"}}.Encode())
	if b.Left == nil {
		t.Fatalf("%d %s", b.Status, b.Page)
	}
	for name, p := range parties {
		until(t, "told", func() bool { return len(p.got()) == 1 })
		if got := p.got()[0]; got.Subject != sub || got.SessionID != id || got.TokenID == "" || !got.IssuedAt.Equal(servertest.Epoch) {
			t.Errorf("%s: %+v, want %s %s", name, got, sub, id)
		}
	}
	until(t, "done", func() bool {
		list := deliveries(t, s)
		return len(list) == 2 && list[0].State == session.Done && list[1].State == session.Done
	})
	for _, d := range deliveries(t, s) {
		if !strings.HasPrefix(d.Result, "200 in ") || d.Tries != 1 {
			t.Errorf("%+v", d)
		}
	}

	// No inlet takes the logout token for another kind of token.
	raw := parties["app"].raw[0]
	b = s.Browser(t).Open(authorizeURL("app") + "&id_token_hint=" + raw)
	if b.Left == nil || b.Answer().Get("error") != "invalid_request" {
		t.Errorf("as a hint: %d %v", b.Status, b.Left)
	}
	if b.Open("/oauth2/logout?id_token_hint=" + raw); b.Status != http.StatusBadRequest {
		t.Errorf("as a hint for a logout: %d", b.Status)
	}
	req, err := http.NewRequest("GET", s.URL+"/oauth2/userinfo", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+raw)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("as an access token: %d", resp.StatusCode)
	}
	if status, m := post(t, s, "app", "/oauth2/introspect", url.Values{"token": {raw}}); status != 200 || m["active"] != false {
		t.Errorf("introspected: %d %v", status, m)
	}
	for _, f := range []url.Values{
		{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {raw}},
		{"grant_type": {"refresh_token"}, "refresh_token": {raw}},
		{"grant_type": {"client_credentials"}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {raw}},
	} {
		if status, m := post(t, s, "app", "/oauth2/token", f); status != 400 && status != 401 {
			t.Errorf("%s: %d %v", f.Get("grant_type"), status, m)
		}
	}
}

func TestClientsAreToldAtOnce(t *testing.T) {
	s, parties := start(t, nil)
	var waited time.Duration
	const rounds = 4
	for i := range rounds {
		_, id := sid(t, signIn(t, s, s.Browser(t), "app", "eve", "demo-pass"))
		begun := time.Now()
		if err := s.Core.Admin.EndSession(t.Context(), "default", id); err != nil {
			t.Fatal(err)
		}
		until(t, "told", func() bool { return len(parties["app"].got()) == i+1 })
		waited += time.Since(begun)
	}
	if waited > 4*time.Second { // a sender that only looks now and then makes them wait 10 s
		t.Errorf("told %d times after %v in all", rounds, waited)
	}
}

func TestClientsAreToldHoweverTheSessionsOfAPersonAreEnded(t *testing.T) {
	s, parties := start(t, nil)
	a := s.Core.Admin
	want := 0
	for name, end := range map[string]func(u *identity.User) error{
		"eve": func(u *identity.User) error { _, err := a.EndSessions(t.Context(), u); return err },
		"bob": func(u *identity.User) error { return a.RevokeUser(t.Context(), u.Org, u.ID) },
		"cyd": func(u *identity.User) error { return a.SetPassword(t.Context(), u.Org, u.ID, "another pass") },
		"dan": func(u *identity.User) error { return a.DeleteUser(t.Context(), u.Org, u.ID) },
		"fay": func(*identity.User) error {
			s.Apply(t, "version: 1\nusers: [{name: fay, password: {plain: demo-pass}, enabled: false}]\n")
			return nil
		},
	} {
		ids := map[string]bool{}
		for range 2 { // browsers
			_, id := sid(t, signIn(t, s, s.Browser(t), "app", name, "demo-pass"))
			ids[id] = true
		}
		u, err := a.UserByName(t.Context(), "default", "local", name)
		if err != nil {
			t.Fatal(err)
		}
		s.Clock.Add(time.Minute)
		if err := end(u); err != nil {
			t.Fatal(name, err)
		}
		want += 2
		until(t, "told of "+name, func() bool { return len(parties["app"].got()) >= want })
		for _, token := range parties["app"].got()[want-2:] {
			if !ids[token.SessionID] || token.Subject != fmt.Sprint(u.ID) {
				t.Errorf("%s: told of %s %s, want %v", name, token.Subject, token.SessionID, ids)
			}
		}
	}
	if n := len(parties["tool"].got()); n != 0 {
		t.Errorf("a client that served nobody was told %d times", n)
	}
}

func TestAPublicServerCallsNoAddressOfItsOwnNetwork(t *testing.T) {
	s, parties := start(t, func(c *server.Config) { c.Demo = false })
	tokens := signIn(t, s, s.Browser(t), "app", "eve", "demo-pass")
	_, id := sid(t, tokens)
	if err := s.Core.Admin.EndSession(t.Context(), "default", id); err != nil {
		t.Fatal(err)
	}
	until(t, "refused", func() bool {
		list := deliveries(t, s)
		return len(list) == 1 && list[0].State == session.Waiting &&
			list[0].Result == "refused to call 127.0.0.1: http is for networks listed under outgoing; use https"
	})
	if n := len(parties["app"].got()); n != 0 {
		t.Errorf("called %d times", n)
	}
}
