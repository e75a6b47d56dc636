package web_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"jeton/internal/client"
	"jeton/internal/jose"
	"jeton/internal/servertest"
)

const flowWorld = `
version: 1
users:
  - {name: ada, password: {plain: demo-ada}, email: ada@app.example, given_name: Ada, family_name: Lovelace}
clients:
  - id: app
    name: Report Builder
    dialect: oidc
    auth: client_secret_basic
    secrets: [{plain: app-secret}]
    grants: [authorization_code, refresh_token]
    scopes: [openid, profile, email, address, phone, groups, offline_access, read]
    redirect_uris: ["https://app.example/cb", "https://app.example/cb?tenant=1"]
    post_logout_redirect_uris: ["https://app.example/bye"]
`

const verifier = "abcdefghijklmnopqrstuvwxyz0123456789-._~ABCDEF"

func challenge() string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func authorizeURL(pairs ...string) string {
	q := url.Values{
		"response_type": {"code"}, "client_id": {"app"}, "redirect_uri": {"https://app.example/cb"}, "scope": {"openid email"},
		"state": {"s p&=?#1"}, "nonce": {"n-1"}, "code_challenge": {challenge()}, "code_challenge_method": {"S256"},
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			q.Del(pairs[i])
			continue
		}
		q.Set(pairs[i], pairs[i+1])
	}
	return "/oauth2/authorize?" + q.Encode()
}

// redeem trades a code in and gives status and members of the answer.
func redeem(t *testing.T, s *servertest.Server, code string, pairs ...string) (int, map[string]any) {
	t.Helper()
	f := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {"https://app.example/cb"}, "code_verifier": {verifier}}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			f.Del(pairs[i])
			continue
		}
		f.Set(pairs[i], pairs[i+1])
	}
	return post(t, s, "/oauth2/token", f)
}

func post(t *testing.T, s *servertest.Server, path string, f url.Values) (int, map[string]any) {
	t.Helper()
	req, err := http.NewRequest("POST", s.URL+path, strings.NewReader(f.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth("app", "app-secret")
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
	if len(b) > 0 && json.Unmarshal(b, &m) != nil {
		t.Fatalf("%d %s", resp.StatusCode, b)
	}
	return resp.StatusCode, m
}

func TestAPersonSignsInAllowsAndTheClientGetsItsTokens(t *testing.T) {
	s := servertest.Start(t, servertest.Options{World: flowWorld})
	b := s.Browser(t).Open(authorizeURL())
	if !strings.Contains(b.Page, "Report Builder") {
		t.Fatalf("the sign-in page does not say who asks:\n%s", b.Page)
	}
	b.SignIn("ada", "wrong")
	if b.Status != http.StatusUnprocessableEntity || !strings.Contains(b.Page, `value="ada"`) {
		t.Fatalf("%d\n%s", b.Status, b.Page)
	}
	b.SignIn("ada", "demo-ada")
	b.Submit("/consent", "decision", "allow")
	got := b.Answer()
	if got.Get("state") != "s p&=?#1" || got.Get("iss") != servertest.Public || len(got.Get("code")) < 43 {
		t.Fatalf("answer %v", got)
	}
	status, tokens := redeem(t, s, got.Get("code"))
	if status != 200 {
		t.Fatalf("%d %v", status, tokens)
	}
	id, _ := tokens["id_token"].(string)
	parsed, err := jose.Parse(id)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "at_hash", "c_hash", "sid"} {
		if !parsed.Claims.Has(name) {
			t.Errorf("the ID token has no %s", name)
		}
	}
	if parsed.Alg != jose.RS256 {
		t.Errorf("signed %s", parsed.Alg)
	}
	// Signed in and allowed: the next request needs no page at all.
	b.Open(authorizeURL("state", "2"))
	if len(b.Trail) != 1 || b.Answer().Get("code") == "" {
		t.Fatalf("trail %q", b.Trail)
	}
	status, refreshed := post(t, s, "/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens["refresh_token"].(string)}})
	if status != 200 || refreshed["id_token"] == nil {
		t.Fatalf("%d %v", status, refreshed)
	}
	// The client signs the person out: the tokens of this session end.
	b.Open("/oauth2/logout?" + url.Values{"id_token_hint": {id}, "post_logout_redirect_uri": {"https://app.example/bye"}, "state": {"x"}}.Encode())
	if b.Left == nil || b.Left.String() != "https://app.example/bye?state=x" {
		t.Fatalf("left for %v: %s", b.Left, b.Page)
	}
	if status, m := post(t, s, "/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refreshed["refresh_token"].(string)}}); status != 400 {
		t.Errorf("after signing out a refresh is answered %d %v", status, m)
	}
	if b.Open(authorizeURL("prompt", "none")); b.Answer().Get("error") != "login_required" {
		t.Errorf("answer %v", b.Answer())
	}
}

func TestARepeatedCodeEndsWhatWasMadeFromIt(t *testing.T) {
	s := servertest.Start(t, servertest.Options{World: flowWorld})
	b := s.Browser(t).Open(authorizeURL()).SignIn("ada", "demo-ada").Submit("/consent", "decision", "allow")
	code := b.Answer().Get("code")
	if status, m := redeem(t, s, code, "code_verifier", strings.Repeat("x", 43)); status != 400 || m["error"] != "invalid_grant" {
		t.Fatalf("%d %v", status, m)
	}
	status, tokens := redeem(t, s, code)
	if status != 200 {
		t.Fatalf("a wrong try spent the code: %d %v", status, tokens)
	}
	if status, m := redeem(t, s, code); status != 400 || m["error"] != "invalid_grant" {
		t.Fatalf("%d %v", status, m)
	}
	if status, m := post(t, s, "/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens["refresh_token"].(string)}}); status != 400 {
		t.Errorf("after the replay a refresh is answered %d %v", status, m)
	}
}

func TestALookAheadUsesNothingUp(t *testing.T) {
	s := servertest.Start(t, servertest.Options{World: flowWorld})
	b := s.Browser(t).Open(authorizeURL()).SignIn("ada", "demo-ada")
	to, fields := b.Form("/consent")
	fields.Set("decision", "allow")
	req, err := http.NewRequest("POST", s.URL+to, strings.NewReader(fields.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	resp, err := b.HTTP.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	next := strings.TrimPrefix(resp.Header.Get("Location"), servertest.Public)
	head, err := b.HTTP.Head(s.URL + next)
	if err != nil {
		t.Fatal(err)
	}
	head.Body.Close()
	if head.StatusCode != 200 {
		t.Errorf("HEAD: %d", head.StatusCode)
	}
	if code := b.Open(next).Answer().Get("code"); code == "" {
		t.Errorf("after a HEAD there is no code: %v", b.Answer())
	}
}

func TestABrowserThatIsLostReadsAPage(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	for accept, want := range map[string]string{"text/html,*/*": "text/html", "application/json": "application/json", "": "application/json"} {
		req, err := http.NewRequest("GET", s.URL+"/nope", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", accept)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if got := resp.Header.Get("Content-Type"); resp.StatusCode != 404 || !strings.HasPrefix(got, want) {
			t.Errorf("Accept %q: %d %s", accept, resp.StatusCode, got)
		}
	}
}

func TestAPasswordThatIsDueOpensNothingButItsChange(t *testing.T) {
	s := servertest.Start(t, servertest.Options{World: `
version: 1
users:
  - {name: due, password: {plain: given-by-somebody}, password_due: true}
clients:
  - {id: app, dialect: oidc, secrets: [{plain: app-secret}], grants: [password], scopes: [read]}
`})
	f := url.Values{"grant_type": {"password"}, "username": {"due"}, "password": {"given-by-somebody"}}
	if status, m := post(t, s, "/oauth2/token", f); status != 400 || m["error"] != "invalid_grant" || m["access_token"] != nil {
		t.Errorf("%d %v", status, m)
	}
	basic := func(password string) int { // an inlet that asks about a password and gives no token
		req, err := http.NewRequest("GET", s.URL+"/auth/test", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth("due", password)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	if got := basic("given-by-somebody"); got != 401 {
		t.Errorf("Sensu says %d to a password that is due", got)
	}
	b := s.Browser(t).Open("/login").SignIn("due", "given-by-somebody")
	b.Submit("/login/password", "old", "given-by-somebody", "new", "chosen by its owner 1", "again", "chosen by its owner 1")
	if !strings.HasSuffix(b.URL, "/account") {
		t.Fatalf("%d %s", b.Status, b.URL)
	}
	if got := basic("chosen by its owner 1"); got != 200 {
		t.Errorf("Sensu says %d to its owner's password", got)
	}
	f.Set("password", "chosen by its owner 1")
	if status, m := post(t, s, "/oauth2/token", f); status != 200 {
		t.Errorf("%d %v", status, m)
	}
}

func TestNoClientOfTheStandardDialectIsNamedLikeAUser(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	for dialect, wrong := range map[string]bool{"oidc": true, "fortiauth": false} {
		c := &client.Client{Org: "default", ID: "7", Name: "seven", Dialect: dialect, Enabled: true, Auth: client.SecretBasic}
		if dialect == "fortiauth" {
			c.ID = "77"
		}
		if err := s.Core.Admin.CreateClient(t.Context(), c); (err != nil) != wrong {
			t.Errorf("%s: %v", dialect, err)
		}
	}
}
