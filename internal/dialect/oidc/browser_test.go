package oidc_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"jeton/internal/jose"
	"jeton/internal/servertest"
)

const browserWorld = `
version: 1
users:
  - name: ada
    password: {plain: demo-ada}
    email: ada@people.example
    given_name: Ada
    family_name: Lovelace
    display_name: Ada King
    groups: [engines, poets]
    attributes:
      email_verified: true
      phone_number: "+44 20 7946 0000"
      phone_number_verified: true
      address: {street_address: "12 St James's Square", locality: London, country: UK}
      birthdate: "1815-12-10"
      zoneinfo: Europe/London
      department: numbers
  - {name: bob, password: {plain: demo-bob}}
clients:
  - id: app
    name: Report Builder
    dialect: oidc
    secrets: [{plain: app-secret}]
    grants: [authorization_code, refresh_token]
    scopes: [openid, profile, email, address, phone, groups, offline_access, read]
    redirect_uris: ["https://app.example/cb"]
    post_logout_redirect_uris: ["https://app.example/bye"]
    initiate_login_uri: "https://app.example/start?x=1"
    claims:
      - {name: dept, from: department, scope: profile, in: [id_token, access_token]}
      - {name: mail, from: email, scope: email, in: [userinfo]}
  - id: old
    name: Old application
    dialect: oidc
    secrets: [{plain: old-secret}]
    pkce: optional
    grants: [authorization_code]
    scopes: [openid, email]
    redirect_uris: ["https://old.example/cb"]
    userinfo_signed_response_alg: ES256
    id_token: {alg: ES384, life: 120}
    default_max_age: 60
  - id: spa
    name: Single-page application
    dialect: oidc
    auth: none
    grants: [authorization_code, refresh_token]
    scopes: [openid, email]
    redirect_uris: ["https://spa.example/cb"]
`

const pkceVerifier = "abcdefghijklmnopqrstuvwxyz0123456789-._~ABCDEF"

// person is somebody in front of a browser, and the client they come from.
type person struct {
	*servertest.Browser
	t      *testing.T
	s      *servertest.Server
	client string
	secret string
}

func arrive(t *testing.T, s *servertest.Server, client string) *person {
	t.Helper()
	secret := map[string]string{"app": "app-secret", "old": "old-secret"}[client]
	return &person{s.Browser(t), t, s, client, secret}
}

func (p *person) callback() string { return "https://" + p.client + ".example/cb" }

// request is the client's authorization request; pairs change it, "" takes away.
func (p *person) request(pairs ...string) string {
	sum := sha256.Sum256([]byte(pkceVerifier))
	q := url.Values{
		"response_type": {"code"}, "client_id": {p.client}, "redirect_uri": {p.callback()}, "scope": {"openid"}, "state": {"st"},
		"nonce": {"no"}, "code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		if q.Del(pairs[i]); pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	return "/oauth2/authorize?" + q.Encode()
}

// through opens a request and does whatever is asked: signs in as ada, allows.
func (p *person) through(pairs ...string) url.Values {
	p.t.Helper()
	p.Open(p.request(pairs...))
	return p.onward()
}

func (p *person) onward() url.Values {
	p.t.Helper()
	for range 3 {
		switch {
		case p.Left != nil || strings.Contains(p.Page, `method="post" action="`+p.callback()):
			return p.Answer()
		case strings.Contains(p.Page, `name="password"`):
			p.SignIn("ada", "demo-ada")
		default:
			p.Submit("/consent", "decision", "allow")
		}
	}
	return p.Answer()
}

func (p *person) post(path string, f url.Values, header ...string) (int, http.Header, string) {
	p.t.Helper()
	req, err := http.NewRequest("POST", p.s.URL+path, strings.NewReader(f.Encode()))
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if p.secret != "" {
		req.SetBasicAuth(p.client, p.secret)
	} else {
		f.Set("client_id", p.client)
		req.Body = io.NopCloser(strings.NewReader(f.Encode()))
		req.ContentLength = int64(len(f.Encode()))
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return send(p.t, req)
}

func send(t *testing.T, req *http.Request) (int, http.Header, string) {
	t.Helper()
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(b)
}

type tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	ID      string `json:"id_token"`
	Scope   string `json:"scope"`
}

// redeem trades the answer's code in.
func (p *person) redeem(answer url.Values) tokens {
	p.t.Helper()
	if answer.Get("code") == "" {
		p.t.Fatalf("no code but %v", answer)
	}
	f := url.Values{"grant_type": {"authorization_code"}, "code": {answer.Get("code")}, "redirect_uri": {p.callback()}, "code_verifier": {pkceVerifier}}
	status, _, body := p.post("/oauth2/token", f)
	var out tokens
	if status != 200 || json.Unmarshal([]byte(body), &out) != nil {
		p.t.Fatalf("%d %s", status, body)
	}
	return out
}

func claimsOf(t *testing.T, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("no JWT: %q", token)
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]any{}
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func (p *person) userinfo(access string) map[string]any {
	p.t.Helper()
	req, err := http.NewRequest("GET", p.s.URL+"/oauth2/userinfo", nil)
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+access)
	status, h, body := send(p.t, req)
	if status != 200 {
		p.t.Fatalf("%d %s", status, body)
	}
	if strings.HasPrefix(h.Get("Content-Type"), "application/jwt") {
		return claimsOf(p.t, body)
	}
	out := map[string]any{}
	if err := json.Unmarshal([]byte(body), &out); err != nil {
		p.t.Fatal(err)
	}
	return out
}

func world(t *testing.T) *servertest.Server {
	return servertest.Start(t, servertest.Options{World: browserWorld})
}

func TestAnIDTokenSaysWhoSignedInWhenAndHow(t *testing.T) {
	p := arrive(t, world(t), "app")
	got := p.redeem(p.through())
	c := claimsOf(t, got.ID)
	now := float64(servertest.Epoch.Unix())
	for name, want := range map[string]any{
		"iss": servertest.Public, "aud": "app", "nonce": "no", "acr": "1", "iat": now, "auth_time": now, "exp": now + 3600,
	} {
		if c[name] != want {
			t.Errorf("%s is %v, want %v", name, c[name], want)
		}
	}
	if amr, _ := json.Marshal(c["amr"]); string(amr) != `["pwd"]` {
		t.Errorf("amr %s", amr)
	}
	sum := sha256.Sum256([]byte(got.Access))
	if want := base64.RawURLEncoding.EncodeToString(sum[:16]); c["at_hash"] != want {
		t.Errorf("at_hash %v, want %s", c["at_hash"], want)
	}
	if sid, _ := c["sid"].(string); sid == "" || c["sub"] == "" {
		t.Errorf("sid %q, sub %v", sid, c["sub"])
	}
	parsed, err := jose.Parse(got.ID)
	if err != nil || parsed.Alg != jose.RS256 || parsed.KID == "" || parsed.Typ != "JWT" {
		t.Errorf("header %+v, %v", parsed, err)
	}
}

func TestAnOldClientMayGoWithoutPKCEAndWithoutNonce(t *testing.T) {
	p := arrive(t, world(t), "old")
	answer := p.through("code_challenge", "", "code_challenge_method", "", "nonce", "")
	f := url.Values{"grant_type": {"authorization_code"}, "code": {answer.Get("code")}, "redirect_uri": {p.callback()}}
	status, _, body := p.post("/oauth2/token", f)
	var got tokens
	if status != 200 || json.Unmarshal([]byte(body), &got) != nil {
		t.Fatalf("%d %s", status, body)
	}
	c := claimsOf(t, got.ID)
	if _, there := c["nonce"]; there {
		t.Error("a nonce nobody sent")
	}
	parsed, err := jose.Parse(got.ID)
	if err != nil || parsed.Alg != jose.ES384 {
		t.Errorf("signed %v, %v", parsed, err)
	}
	if c["exp"].(float64)-c["iat"].(float64) != 120 {
		t.Errorf("lives %v s", c["exp"].(float64)-c["iat"].(float64))
	}
	if got.Refresh != "" {
		t.Error("a refresh token for a client that may not refresh")
	}
	info := p.userinfo(got.Access) // signed
	if info["iss"] != servertest.Public || info["aud"] != "old" || info["sub"] != c["sub"] {
		t.Errorf("userinfo %v", info)
	}
	if a := arrive(t, p.s, "app").Open(arrive(t, p.s, "app").request("code_challenge", "", "code_challenge_method", "")); a.Answer().Get("error") != "invalid_request" {
		t.Errorf("a client that must send a challenge got %v", a.Answer())
	}
}

func TestEachScopeOpensItsClaims(t *testing.T) {
	s := world(t)
	for scope, want := range map[string][]string{
		"openid":                            {"sub"},
		"openid email":                      {"email", "email_verified", "mail", "sub"},
		"openid phone":                      {"phone_number", "phone_number_verified", "sub"},
		"openid address":                    {"address", "sub"},
		"openid groups":                     {"groups", "sub"},
		"openid profile":                    {"birthdate", "family_name", "given_name", "name", "preferred_username", "sub", "zoneinfo"},
		"phone openid email profile groups": {"birthdate", "email", "email_verified", "family_name", "given_name", "groups", "mail", "name", "phone_number", "phone_number_verified", "preferred_username", "sub", "zoneinfo"},
	} {
		t.Run(scope, func(t *testing.T) {
			p := arrive(t, s, "app")
			got := p.redeem(p.through("scope", scope))
			info := p.userinfo(got.Access)
			names := make([]string, 0, len(info))
			for n := range info {
				names = append(names, n)
			}
			slices.Sort(names)
			if !slices.Equal(names, want) {
				t.Errorf("claims %v, want %v", names, want)
			}
			if info["sub"] != claimsOf(t, got.ID)["sub"] {
				t.Error("two subjects")
			}
			if got.Scope != scope {
				t.Errorf("scope %q", got.Scope)
			}
		})
	}
}

func TestAClientsOwnClaimsGoWhereTheyAreMapped(t *testing.T) {
	p := arrive(t, world(t), "app")
	got := p.redeem(p.through("scope", "openid profile email"))
	id, access, info := claimsOf(t, got.ID), claimsOf(t, got.Access), p.userinfo(got.Access)
	if id["dept"] != "numbers" || access["dept"] != "numbers" || info["dept"] != nil {
		t.Errorf("dept: %v %v %v", id["dept"], access["dept"], info["dept"])
	}
	if info["mail"] != "ada@people.example" || id["mail"] != nil {
		t.Errorf("mail: %v %v", info["mail"], id["mail"])
	}
	if plain := claimsOf(t, p.redeem(p.through("scope", "openid")).ID); plain["dept"] != nil {
		t.Error("a claim without its scope")
	}
}

func TestTheClaimsParameterAsksByName(t *testing.T) {
	s := world(t)
	p := arrive(t, s, "app")
	p.Open(p.request("claims", `{"userinfo":{"name":{"essential":true},"email":null,"birthdate":{"value":"1900-01-01"},"department":null},"id_token":{"email":{"essential":true},"auth_time":{"essential":true},"iss":{"value":"x"}}}`))
	p.SignIn("ada", "demo-ada")
	if !strings.Contains(p.Page, "See your email address") || !strings.Contains(p.Page, "See your name and profile") {
		t.Errorf("the person is not told what is asked for:\n%s", p.Page)
	}
	p.Submit("/consent", "decision", "allow")
	got := p.redeem(p.Answer())
	info, id := p.userinfo(got.Access), claimsOf(t, got.ID)
	if info["name"] != "Ada King" || info["email"] != "ada@people.example" || id["email"] != "ada@people.example" {
		t.Errorf("userinfo %v, ID token %v", info, id)
	}
	if info["birthdate"] != nil || info["department"] != nil || id["iss"] != servertest.Public {
		t.Errorf("more than may be: %v %v", info, id)
	}
	// Refreshed, the ID token still has what was asked for.
	status, _, body := p.post("/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got.Refresh}})
	var again tokens
	if status != 200 || json.Unmarshal([]byte(body), &again) != nil {
		t.Fatalf("%d %s", status, body)
	}
	if c := claimsOf(t, again.ID); c["email"] != "ada@people.example" || c["sub"] != id["sub"] || c["auth_time"] != id["auth_time"] || c["sid"] != id["sid"] || c["nonce"] != nil {
		t.Errorf("refreshed %v", c)
	}
	if a := p.Open(p.request("claims", `{"userinfo":[]}`)).Answer(); a.Get("error") != "invalid_request" {
		t.Errorf("malformed claims: %v", a)
	}
	// A level nobody can reach yet is not given.
	if a := arrive(t, s, "app").through("claims", `{"id_token":{"acr":{"essential":true,"values":["2"]}}}`); a.Get("error") != "unmet_authentication_requirements" {
		t.Errorf("acr 2: %v", a)
	}
	// The claims parameter names the person: it must be them.
	if a := arrive(t, s, "app").through("claims", `{"id_token":{"sub":{"value":"999999"}}}`); a.Get("error") != "login_required" {
		t.Errorf("another sub: %v", a)
	}
}

func TestPromptSaysWhatThePersonIsAsked(t *testing.T) {
	s := world(t)
	p := arrive(t, s, "app")
	if a := p.through("prompt", "none"); a.Get("error") != "login_required" || a.Get("state") != "st" || a.Get("iss") != servertest.Public {
		t.Errorf("none without a session: %v", a)
	}
	p.Open(p.request())
	p.SignIn("ada", "demo-ada")
	if a := p.through("prompt", "none"); a.Get("error") != "consent_required" {
		t.Errorf("none without consent: %v", a)
	}
	first := claimsOf(t, p.redeem(p.through()).ID)
	if a := p.through("prompt", "none"); a.Get("code") == "" || len(p.Trail) != 1 {
		t.Errorf("none with both: %v %q", a, p.Trail)
	}
	if a := p.through("prompt", "none login"); a.Get("error") != "invalid_request" {
		t.Errorf("none with login: %v", a)
	}
	s.Clock.Add(2 * time.Second)
	p.Open(p.request("prompt", "login"))
	if !strings.Contains(p.Page, `name="password"`) {
		t.Fatalf("prompt=login asks for no password: %s", p.URL)
	}
	second := claimsOf(t, p.redeem(p.onward()).ID)
	if second["auth_time"].(float64) != first["auth_time"].(float64)+2 || second["sid"] != first["sid"] {
		t.Errorf("signed in again: %v, before %v", second, first)
	}
	p.Open(p.request("prompt", "consent"))
	if !strings.Contains(p.Page, `name="decision"`) {
		t.Errorf("prompt=consent asks nothing: %s", p.URL)
	}
	s.Clock.Add(time.Second)
	p.Open(p.request("prompt", "select_account"))
	p.Submit("/login/account", "choice", "this")
	if a := p.Answer(); a.Get("code") == "" {
		t.Errorf("this account: %v", a)
	}
	s.Clock.Add(time.Second)
	p.Open(p.request("prompt", "select_account"))
	p.Submit("/login/account", "choice", "other")
	p.SignIn("bob", "demo-bob")
	if bob := claimsOf(t, p.redeem(p.onward()).ID); bob["sub"] == first["sub"] || bob["sid"] == first["sid"] {
		t.Errorf("another account: %v", bob)
	}
}

func TestAnOldSignInIsNotEnoughForMaxAge(t *testing.T) {
	s := world(t)
	p := arrive(t, s, "app")
	p.redeem(p.through("max_age", "10000"))
	s.Clock.Add(30 * time.Second)
	if a := p.through("max_age", "10000"); a.Get("code") == "" || len(p.Trail) != 1 {
		t.Errorf("young enough: %v", p.Trail)
	}
	if a := p.through("max_age", "10", "prompt", "none"); a.Get("error") != "login_required" {
		t.Errorf("too old: %v", a)
	}
	p.Open(p.request("max_age", "10"))
	if !strings.Contains(p.Page, `name="password"`) {
		t.Fatal("too old, and no password is asked for")
	}
	c := claimsOf(t, p.redeem(p.onward()).ID)
	if c["auth_time"] != float64(s.Clock.Now().Unix()) {
		t.Errorf("auth_time %v", c["auth_time"])
	}
	for _, wrong := range []string{"-1", "x", "1.5"} {
		if a := p.through("max_age", wrong); a.Get("error") != "invalid_request" {
			t.Errorf("max_age %s: %v", wrong, a)
		}
	}
	old := arrive(t, s, "old") // registered with a default of 60 s
	old.through()
	s.Clock.Add(61 * time.Second)
	if a := old.through("prompt", "none"); a.Get("error") != "login_required" {
		t.Errorf("default_max_age: %v", a)
	}
}

func TestHintsHelpAndNeverDecide(t *testing.T) {
	s := world(t)
	p := arrive(t, s, "app")
	if p.Open(p.request("login_hint", "ada", "ui_locales", "fr-CA fr", "display", "popup", "acr_values", "2 1", "claims_locales", "fr", "anything", "else")); !strings.Contains(p.Page, `value="ada"`) || !strings.Contains(p.Page, `lang="fr"`) {
		t.Errorf("the hints are lost:\n%s", p.Page)
	}
	id := p.redeem(p.onward()).ID
	if a := p.through("id_token_hint", id, "prompt", "none"); a.Get("code") == "" {
		t.Errorf("the person of the hint: %v", a)
	}
	if a := p.through("id_token_hint", id[:len(id)-4]+"AAAA"); a.Get("error") != "invalid_request" {
		t.Errorf("a changed hint: %v", a)
	}
	bob := arrive(t, s, "app")
	bob.Open(bob.request()).SignIn("bob", "demo-bob").Submit("/consent", "decision", "allow")
	if a := bob.through("id_token_hint", id, "prompt", "none"); a.Get("error") != "login_required" {
		t.Errorf("another person's hint: %v", a)
	}
}

func TestAnAnswerCanComeAsAForm(t *testing.T) {
	s := world(t)
	p := arrive(t, s, "app")
	a := p.through("response_mode", "form_post")
	if a.Get("code") == "" || a.Get("state") != "st" || a.Get("iss") != servertest.Public || p.Left != nil {
		t.Fatalf("%v, left for %v", a, p.Left)
	}
	p.redeem(a)
	// With a live session, and an error, it is the same.
	if a := p.through("response_mode", "form_post"); a.Get("code") == "" || p.Left != nil {
		t.Errorf("%v", a)
	}
	if a := p.through("response_mode", "form_post", "prompt", "none", "max_age", "x"); a.Get("error") != "invalid_request" || p.Left != nil {
		t.Errorf("%v", a)
	}
	if csp := p.Header.Get("Content-Security-Policy"); strings.Contains(csp, "form-action") || !strings.Contains(csp, "default-src 'none'") {
		t.Errorf("policy %q", csp)
	}
	if a := p.through("response_mode", "fragment"); a.Get("error") != "invalid_request" {
		t.Errorf("fragment: %v", a)
	}
}

func TestARequestCanComeAsAForm(t *testing.T) {
	s := world(t)
	p := arrive(t, s, "app")
	at, err := url.Parse(p.request())
	if err != nil {
		t.Fatal(err)
	}
	foreign := http.Header{"Origin": {"https://app.example"}, "Sec-Fetch-Site": {"cross-site"}}
	p.Post("/oauth2/authorize", at.Query(), foreign)
	p.redeem(p.onward())
	p.Post("/oauth2/authorize", at.Query(), foreign)
	if a := p.Answer(); a.Get("code") == "" {
		t.Errorf("with a session: %v", a)
	}
}

func TestWhatIsNotSupportedIsSaid(t *testing.T) {
	p := arrive(t, world(t), "app")
	for want, pairs := range map[string][]string{
		"request_not_supported":      {"request", "eyJhbGciOiJub25lIn0.e30."},
		"request_uri_not_supported":  {"request_uri", "https://app.example/r"},
		"registration_not_supported": {"registration", "{}"},
		"unsupported_response_type":  {"response_type", "id_token token"},
		"invalid_scope":              {"scope", "openid everything"},
		"invalid_target":             {"resource", "https://other.example"},
		"invalid_request":            {"code_challenge_method", "plain"},
	} {
		a := p.Open(p.request(pairs...)).Answer()
		if a.Get("error") != want || a.Get("state") != "st" || a.Get("iss") != servertest.Public || a.Get("error_description") == "" {
			t.Errorf("%v: %v", pairs, a)
		}
	}
	if a := p.Open(p.request("response_type", "")).Answer(); a.Get("error") != "invalid_request" {
		t.Errorf("no response_type: %v", a)
	}
}

func TestOfflineAccessOutlivesTheSignIn(t *testing.T) {
	s := world(t)
	p := arrive(t, s, "app")
	stays := p.redeem(p.through("scope", "openid offline_access"))
	goes := p.redeem(p.through("scope", "openid"))
	p.Open("/oauth2/logout?" + url.Values{"id_token_hint": {goes.ID}, "post_logout_redirect_uri": {"https://app.example/bye"}}.Encode())
	if p.Left == nil || p.Left.String() != "https://app.example/bye" {
		t.Fatalf("left for %v", p.Left)
	}
	refresh := func(x tokens) int {
		status, _, _ := p.post("/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {x.Refresh}})
		return status
	}
	if got := refresh(stays); got != 200 {
		t.Errorf("offline access: %d", got)
	}
	if got := refresh(goes); got != 400 {
		t.Errorf("the session's own: %d", got)
	}
}

func TestSigningOutIsAskedInTheLanguageTheClientWants(t *testing.T) {
	p := arrive(t, world(t), "app")
	p.through()
	p.Open("/oauth2/logout?ui_locales=fr-CA")
	if !strings.Contains(p.Page, `lang="fr"`) || !strings.Contains(p.Page, `action="/logout"`) {
		t.Fatalf("%d\n%s", p.Status, p.Page)
	}
	p.Submit("/logout")
	if a := p.through("prompt", "none"); a.Get("error") != "login_required" {
		t.Errorf("still signed in: %v", a)
	}
}

func TestAClientIsOpenedFromHere(t *testing.T) {
	s := world(t)
	p := arrive(t, s, "app")
	p.Open("/open/app")
	if p.Left == nil || p.Left.Query().Get("iss") != servertest.Public || p.Left.Query().Get("x") != "1" || p.Left.Query().Has("login_hint") {
		t.Errorf("left for %v", p.Left)
	}
	p.through()
	p.Open("/open/app")
	if p.Left == nil || p.Left.Query().Get("login_hint") != "ada" {
		t.Errorf("left for %v", p.Left)
	}
	if p.Open("/open/old"); p.Status != 404 {
		t.Errorf("a client without such an address: %d", p.Status)
	}
}

func TestPagesOfAPublicClientMayReadAnswers(t *testing.T) {
	s := world(t)
	p := arrive(t, s, "spa")
	got := p.redeem(p.through())
	if got.ID == "" || got.Refresh == "" {
		t.Fatal("no tokens")
	}
	for origin, want := range map[string]string{"https://spa.example": "https://spa.example", "https://app.example": "", "https://evil.example": "", "null": ""} {
		_, h, _ := p.post("/oauth2/token", url.Values{"grant_type": {"authorization_code"}, "code": {"x"}}, "Origin", origin)
		if h.Get("Access-Control-Allow-Origin") != want || h.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: %q", origin, h.Get("Access-Control-Allow-Origin"))
		}
		req, err := http.NewRequest("OPTIONS", s.URL+"/oauth2/userinfo", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Origin", origin)
		req.Header.Set("Access-Control-Request-Method", "GET")
		if status, h, _ := send(t, req); status != 204 || h.Get("Access-Control-Allow-Origin") != want {
			t.Errorf("preflight of %s: %d %q", origin, status, h.Get("Access-Control-Allow-Origin"))
		}
	}
	for _, path := range []string{"/oauth2/authorize", "/login", "/consent", "/account"} {
		req, err := http.NewRequest("GET", s.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Origin", "https://spa.example")
		if _, h, _ := send(t, req); h.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s may be read by other origins", path)
		}
	}
}
