package web_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"jeton/internal/client"
	"jeton/internal/identity"
	"jeton/internal/identity/saml/samltest"
	"jeton/internal/jose"
	"jeton/internal/oauth"
	"jeton/internal/servertest"
)

// promisesWorld is flowWorld with a client of the organization's own, and one that
// may have less.
const promisesWorld = flowWorld + `
  - id: own
    name: House
    dialect: oidc
    auth: client_secret_basic
    secrets: [{plain: app-secret}]
    own: true
    consent: never
    grants: [authorization_code]
    scopes: [openid, email]
    redirect_uris: ["https://app.example/cb"]
    initiate_login_uri: "https://own.example/start"
  - id: small
    name: Small
    dialect: oidc
    auth: client_secret_basic
    secrets: [{plain: app-secret}]
    grants: [authorization_code]
    scopes: [openid]
    redirect_uris: ["https://app.example/cb"]
    initiate_login_uri: "https://small.example/start"
`

// tick allows at the consent page that is shown with these scopes ticked alone.
func tick(b *servertest.Browser, scopes ...string) {
	b.T.Helper()
	to, fields := b.Form("/consent")
	fields["scope"] = scopes
	fields.Set("decision", "allow")
	b.Post(to, fields, nil)
}

// told is what the userinfo endpoint and the ID token say to the holder of tokens.
func told(t *testing.T, s *servertest.Server, tokens map[string]any) (info, id map[string]any) {
	t.Helper()
	req, err := http.NewRequest("GET", s.URL+"/oauth2/userinfo", nil)
	if err != nil {
		t.Fatal(err)
	}
	access, _ := tokens["access_token"].(string)
	req.Header.Set("Authorization", "Bearer "+access)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || json.Unmarshal(b, &info) != nil {
		t.Fatalf("%d %s %v", resp.StatusCode, b, err)
	}
	signed, _ := tokens["id_token"].(string)
	parsed, err := jose.Parse(signed)
	if err != nil {
		t.Fatal(err)
	}
	id = map[string]any{}
	for _, name := range []string{"email", "name", "groups"} {
		if v, ok := parsed.Claims.Text(name); ok {
			id[name] = v
		}
	}
	return info, id
}

func change(t *testing.T, s *servertest.Server, id string, edit func(*client.Client)) {
	t.Helper()
	_, err := s.Core.Admin.ChangeClient(t.Context(), "default", id, "client.change", func(c *client.Client) error {
		edit(c)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestWhatAPersonDidNotTickIsNotToldByNameEither(t *testing.T) {
	s := servertest.Start(t, servertest.Options{World: promisesWorld})
	asked := `{"userinfo":{"email":null,"name":null},"id_token":{"email":{"essential":true}}}`
	b := s.Browser(t).Open(authorizeURL("scope", "openid email profile", "claims", asked)).SignIn("ada", "demo-ada")
	tick(b, "openid", "profile")
	status, tokens := redeem(t, s, b.Answer().Get("code"))
	if status != 200 || tokens["scope"] != "openid profile" {
		t.Fatalf("%d %v", status, tokens)
	}
	info, id := told(t, s, tokens)
	if info["email"] != nil || id["email"] != nil || info["name"] != "Ada Lovelace" {
		t.Errorf("told %v and %v", info, id)
	}
}

func TestAClientIsToldNothingByNameThatItsScopesDoNotCover(t *testing.T) {
	s := servertest.Start(t, servertest.Options{World: promisesWorld})
	b := s.Browser(t).Open(authorizeURL("client_id", "small", "scope", "openid", "claims", `{"userinfo":{"email":null,"groups":null}}`))
	if b.SignIn("ada", "demo-ada"); strings.Contains(b.Page, "claim:email") {
		t.Error("a person is asked for what the client may not have")
	}
	b.Submit("/consent", "decision", "allow")
	status, tokens := redeemAs(t, s, "small", b.Answer().Get("code"))
	if status != 200 {
		t.Fatalf("%d %v", status, tokens)
	}
	if info, _ := told(t, s, tokens); info["email"] != nil || info["groups"] != nil {
		t.Errorf("told %v", info)
	}
}

func redeemAs(t *testing.T, s *servertest.Server, id, code string) (int, map[string]any) {
	t.Helper()
	f := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {"https://app.example/cb"}, "code_verifier": {verifier}}
	req, err := http.NewRequest("POST", s.URL+"/oauth2/token", strings.NewReader(f.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(id, "app-secret")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	m := map[string]any{}
	if err := json.NewDecoder(resp.Body).Decode(&m); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, m
}

func TestWhoWasNeverAskedIsAskedOnceTheClientMustAsk(t *testing.T) {
	s := servertest.Start(t, servertest.Options{World: promisesWorld})
	b := s.Browser(t).Open(authorizeURL("client_id", "own")).SignIn("ada", "demo-ada")
	if b.Answer().Get("code") == "" {
		t.Fatal("the organization's own client asked")
	}
	change(t, s, "own", func(c *client.Client) { c.Own, c.Consent = false, "" })
	if b.Open(authorizeURL("client_id", "own")); !b.Asks("/consent") {
		t.Errorf("nobody was asked: %v", b.Trail)
	}
	if b.Open(authorizeURL("client_id", "own", "prompt", "none")); b.Answer().Get("error") != "consent_required" {
		t.Errorf("answer %v", b.Answer())
	}
}

func TestWhatAPersonAllowedIsNotForgottenWhenAnAdministratorVouches(t *testing.T) {
	s := servertest.Start(t, servertest.Options{World: promisesWorld})
	b := s.Browser(t).Open(authorizeURL()).SignIn("ada", "demo-ada").Submit("/consent", "decision", "allow")
	b.Answer()
	change(t, s, "app", func(c *client.Client) { c.Own, c.Consent = true, client.ConsentNever })
	if b.Open(authorizeURL("scope", "openid phone")); b.Answer().Get("code") == "" {
		t.Fatalf("answer %v", b.Answer())
	}
	change(t, s, "app", func(c *client.Client) { c.Own, c.Consent = false, "" })
	if b.Open(authorizeURL("prompt", "none")); b.Answer().Get("code") == "" {
		t.Errorf("what she allowed is forgotten: %v", b.Answer())
	}
	if b.Open(authorizeURL("prompt", "none", "scope", "openid phone")); b.Answer().Get("error") != "consent_required" {
		t.Errorf("what nobody asked her counts: %v", b.Answer())
	}
}

func TestASignInAfterTheClockWentBackIsNoFreshOne(t *testing.T) {
	s := servertest.Start(t, servertest.Options{World: promisesWorld})
	b := s.Browser(t).Open(authorizeURL()).SignIn("ada", "demo-ada").Submit("/consent", "decision", "allow")
	b.Answer()
	s.Clock.Add(-time.Hour)
	for _, pair := range [][2]string{{"prompt", "login"}, {"max_age", "60"}} {
		if b.Open(authorizeURL(pair[0], pair[1])); !b.Asks("/login") {
			t.Errorf("%s=%s: an old sign-in is enough: %v", pair[0], pair[1], b.Trail)
		}
	}
	b.SignIn("ada", "demo-ada")
	if b.Left == nil {
		t.Errorf("who has just signed in does not get on: %s", b.Page)
	}
}

func TestARedirectURIThatWasTakenAwayGetsNothing(t *testing.T) {
	s := servertest.Start(t, servertest.Options{World: promisesWorld})
	b := s.Browser(t).Open(authorizeURL()).SignIn("ada", "demo-ada")
	change(t, s, "app", func(c *client.Client) { c.RedirectURIs = []string{"https://app.example/other"} })
	to, fields := b.Form("/consent")
	fields.Set("decision", "allow")
	b.Post(to, fields, nil)
	if b.Left != nil || b.Status != http.StatusBadRequest {
		t.Errorf("%d, left for %v", b.Status, b.Left)
	}
}

func TestAClientThatWasDisabledGetsNoAnswer(t *testing.T) {
	s := servertest.Start(t, servertest.Options{World: promisesWorld})
	b := s.Browser(t).Open(authorizeURL())
	change(t, s, "app", func(c *client.Client) { c.Enabled = false })
	b.SignIn("ada", "demo-ada")
	if b.Left != nil || b.Status != http.StatusBadRequest {
		t.Errorf("%d, left for %v", b.Status, b.Left)
	}
}

func TestNobodyIsNamedToAClientTheyDoNotKnow(t *testing.T) {
	s := servertest.Start(t, servertest.Options{World: promisesWorld})
	b := s.Browser(t).Open(authorizeURL()).SignIn("ada", "demo-ada")
	for id, want := range map[string]string{"own": "ada", "small": ""} {
		b.Open("/open/" + id)
		if b.Left == nil || b.Left.Query().Get("login_hint") != want {
			t.Errorf("%s: sent to %v", id, b.Left)
		}
	}
}

func TestACodeGivenBeforeAPersonTookBackWhatTheyAllowedIsWorthNothing(t *testing.T) {
	s := servertest.Start(t, servertest.Options{World: promisesWorld})
	b := s.Browser(t).Open(authorizeURL()).SignIn("ada", "demo-ada").Submit("/consent", "decision", "allow")
	_, tokens := redeem(t, s, b.Answer().Get("code"))
	code := b.Open(authorizeURL()).Answer().Get("code")
	u, err := s.Core.Users.ByName(t.Context(), "default", "", "ada")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Store.DeleteConsent(t.Context(), "default", u.ID, "app"); err != nil {
		t.Fatal(err)
	}
	if status, m := post(t, s, "/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens["refresh_token"].(string)}}); status != 400 {
		t.Errorf("a refresh is answered %d %v", status, m)
	}
	if status, m := redeem(t, s, code); status != 400 || m["error"] != string(oauth.InvalidGrant) {
		t.Errorf("the code is worth %d %v", status, m)
	}
}

func TestAWishToSignOutThatAnybodyCanSendIsNoEvent(t *testing.T) {
	s := servertest.Start(t, servertest.Options{World: promisesWorld})
	for range 3 {
		if b := s.Browser(t).Open("/oauth2/logout"); b.Status != http.StatusOK {
			t.Fatalf("%d", b.Status)
		}
	}
	if list := recorded(t, s, "logout"); len(list) != 0 {
		t.Errorf("%d records of what did not happen", len(list))
	}
	b := s.Browser(t).Open(authorizeURL()).SignIn("ada", "demo-ada")
	if b.Open("/oauth2/logout").Submit("/logout"); len(recorded(t, s, "session.end")) != 1 {
		t.Errorf("%d records of a session that ended", len(recorded(t, s, "session.end")))
	}
}

func TestAnAddressCountsAsVerifiedOnlyWhenSomebodySaidTrue(t *testing.T) {
	for said, want := range map[string]bool{"true": true, "false": false, `"false"`: false, `"true"`: false, "1": false} {
		s := servertest.Start(t, servertest.Options{World: promisesWorld})
		u, err := s.Core.Users.ByName(t.Context(), "default", "", "ada")
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Core.Admin.ChangeUser(t.Context(), "default", u.ID, "user.change", func(u *identity.User) error {
			var v any
			u.Attr = map[string]any{"phone_number": "+44 20 7946 0000"}
			if err := json.Unmarshal([]byte(said), &v); err != nil {
				return err
			}
			u.Attr["email_verified"], u.Attr["phone_number_verified"] = v, v
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		b := s.Browser(t).Open(authorizeURL("scope", "openid email phone")).SignIn("ada", "demo-ada").Submit("/consent", "decision", "allow")
		_, tokens := redeem(t, s, b.Answer().Get("code"))
		info, _ := told(t, s, tokens)
		if info["email_verified"] != want || info["phone_number_verified"] != want {
			t.Errorf("%s: told %v", said, info)
		}
	}
}

func TestANewAddressFromAProviderIsNotVerified(t *testing.T) {
	s := servertest.Start(t, servertest.Options{World: samlWorld})
	arrives := func(mail string) *identity.User {
		b := s.Browser(t)
		q := begin(t, b, "/login", "corp")
		deliver(t, s, b, servertest.IdP("corp").Response(says(s, "eve", q.ID, func(c *samltest.Claims) {
			c.Attributes = []samltest.Attribute{{Name: "mail", Values: []string{mail}}}
		})))
		return user(t, s, "corp", "eve")
	}
	u := arrives("eve@one.example")
	_, err := s.Core.Admin.ChangeUser(t.Context(), "default", u.ID, "user.change", func(u *identity.User) error {
		u.Attr = map[string]any{"email_verified": true}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if u = arrives("EVE@one.example"); u.Attr["email_verified"] != true {
		t.Errorf("another spelling of the same address: %v", u.Attr)
	}
	if u = arrives("boss@two.example"); u.Email != "boss@two.example" || u.Attr["email_verified"] == true {
		t.Errorf("%s %v", u.Email, u.Attr)
	}
}

func TestAnErrorSaysNothingInLettersAnErrorHasNot(t *testing.T) {
	s := servertest.Start(t, servertest.Options{World: promisesWorld})
	a := s.Browser(t).Open(authorizeURL("claims", `{"id_token":{"caf\u00e9\"\\":1}}`)).Answer()
	for _, r := range a.Get("error_description") {
		if r < 0x20 || r > 0x7e || r == '"' || r == '\\' { // RFC 6749 §4.1.2.1
			t.Errorf("%q in %q", r, a.Get("error_description"))
		}
	}
	if a.Get("error") != "invalid_request" {
		t.Errorf("answer %v", a)
	}
}

func TestWhoReadACodeInAnAddressCannotEndWhatTheClientMadeOfIt(t *testing.T) {
	s := servertest.Start(t, servertest.Options{World: promisesWorld})
	code := s.Browser(t).Open(authorizeURL()).SignIn("ada", "demo-ada").Submit("/consent", "decision", "allow").Answer().Get("code")
	_, tokens := redeem(t, s, code)
	lives := func() string {
		status, m := post(t, s, "/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens["refresh_token"].(string)}})
		tokens = m
		return http.StatusText(status)
	}
	for _, later := range []time.Duration{0, 2 * time.Minute} {
		s.Clock.Add(later)
		for _, guess := range []string{"", strings.Repeat("x", 43)} {
			if status, m := redeem(t, s, code, "code_verifier", guess); status != 400 || m["error"] != "invalid_grant" {
				t.Errorf("%d %v", status, m)
			}
		}
		if got := lives(); got != "OK" {
			t.Fatalf("%s later a stranger has ended it: %s", later, got)
		}
	}
	redeem(t, s, code)
	if got := lives(); got == "OK" {
		t.Error("a replay by who has the verifier ends nothing")
	}
}
