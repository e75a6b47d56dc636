package fortiauth_test

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

	"github.com/google/go-cmp/cmp"

	"jeton/internal/jose"
	"jeton/internal/servertest"
)

const callback = "http://127.0.0.1:8423/callback"

func authorizeURL(pairs ...string) string {
	q := url.Values{"response_type": {"code"}, "client_id": {"client_id_36000"}, "redirect_uri": {callback}, "scope": {"openid"}, "nonce": {"n-1"}}
	for i := 0; i+1 < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	return "/api/v1/oauth/authorize/?" + q.Encode()
}

// allowed is a browser in which luser1 signed in and allowed client_id_36000 openid.
func allowed(t *testing.T, s *servertest.Server) *servertest.Browser {
	t.Helper()
	b := s.Browser(t).Open(authorizeURL()).SignIn("luser1", "12345678").Submit("/consent", "decision", "allow")
	if b.Answer().Get("code") == "" {
		t.Fatalf("no code: %v", b.Answer())
	}
	return b
}

// redeem trades a code in, with further members beside it.
func redeem(t *testing.T, s *servertest.Server, code string, pairs ...string) (int, map[string]any) {
	t.Helper()
	m := map[string]string{
		"client_id": "client_id_36000", "client_secret": "client_secret", "grant_type": "authorization_code", "code": code, "redirect_uri": callback,
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	body, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	status, text := post(t, s, string(body))
	return status, object(t, text)
}

func object(t *testing.T, text string) map[string]any {
	t.Helper()
	m := map[string]any{}
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return m
}

func get(t *testing.T, s *servertest.Server, path, token string) (int, string) {
	t.Helper()
	req, err := http.NewRequest("GET", s.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
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
	return resp.StatusCode, string(b)
}

// A good code is enough by itself, and the person it was given for is whose tokens
// they are, whoever is named beside it.
func TestDial05AGoodCodeCountsWhoeverIsNamedBesideIt(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	b := allowed(t, s)
	for name, beside := range map[string][]string{
		"nobody":         nil,
		"wrong password": {"username", "luser1", "password", "wrong"},
		"another person": {"username", "sam", "password", "demo-sam"},
		"unknown person": {"username", "nobody", "password", "x", "realm", "nowhere"},
		"an answer":      {"challenge", "otp", "challenge_response", "000000", "method", "ftm"},
		"other grants":   {"refresh_token", "x", "iam_user", "sam", "iam_account", "local"},
		"more scope":     {"scope", "openid write email"},
	} {
		t.Run(name, func(t *testing.T) {
			code := b.Open(authorizeURL()).Answer().Get("code")
			status, m := redeem(t, s, code, beside...)
			if status != http.StatusOK || m["scope"] != "read openid" {
				t.Fatalf("%d %v", status, m)
			}
			if _, who := get(t, s, "/api/v1/oauth/userinfo/", m["access_token"].(string)); object(t, who)["username"] != "luser1" {
				t.Errorf("the tokens are of %s", who)
			}
		})
	}
	for name, beside := range map[string][]string{
		"another client":         {"client_id", "client_id"},
		"another redirect URI":   {"redirect_uri", callback + "/"},
		"a verifier":             {"code_verifier", strings.Repeat("v", 43)},
		"another client, a user": {"client_id", "client_id", "username", "luser1", "password", "12345678"},
	} {
		t.Run(name, func(t *testing.T) {
			code := b.Open(authorizeURL()).Answer().Get("code")
			status, m := redeem(t, s, code, beside...)
			if diff := cmp.Diff(map[string]any{"error": "invalid_grant"}, m); status != http.StatusBadRequest || diff != "" {
				t.Fatalf("%d %s", status, diff)
			}
			if status, m := redeem(t, s, code); status != http.StatusOK {
				t.Errorf("a wrong try spent the code: %d %v", status, m)
			}
		})
	}
}

// The ID token is checked as a relying party does it: with the published key of its
// kid, which is that key's thumbprint, and at_hash over the access token.
func TestAnIDTokenIsSignedWithAPublishedKeyAndNamesItsAccessToken(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	_, m := redeem(t, s, allowed(t, s).Answer().Get("code"))
	parsed, err := jose.Parse(m["id_token"].(string))
	if err != nil {
		t.Fatal(err)
	}
	_, text := get(t, s, "/api/v1/oauth/.well-known/keys/", "")
	var set struct {
		Keys []struct{ Kid, E, N, Kty string }
	}
	if err := json.Unmarshal([]byte(text), &set); err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(set.Keys, func(k struct{ Kid, E, N, Kty string }) bool { return k.Kid == parsed.KID })
	if at < 0 {
		t.Fatalf("key %s is not published: %s", parsed.KID, text)
	}
	k := set.Keys[at]
	thumb := sha256.Sum256([]byte(`{"e":"` + k.E + `","kty":"RSA","n":"` + k.N + `"}`)) // RFC 7638 §3
	if want := base64.RawURLEncoding.EncodeToString(thumb[:]); k.Kid != want {
		t.Errorf("kid %s is not the key's thumbprint %s", k.Kid, want)
	}
	pub, err := jose.ParsePublic(`{"kty":"RSA","e":"` + k.E + `","n":"` + k.N + `"}`)
	if err != nil {
		t.Fatal(err)
	}
	if err := parsed.VerifyPublic(pub, jose.RS256); err != nil {
		t.Error(err)
	}
	half := sha256.Sum256([]byte(m["access_token"].(string)))
	if got, _ := parsed.Claims.Text("at_hash"); got != base64.RawURLEncoding.EncodeToString(half[:16]) {
		t.Errorf("at_hash %s", got)
	}
}

// What a person's browser gave a client ends when the person signs out there.
func TestSigningOutEndsTheTokensOfThatBrowser(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	b := allowed(t, s)
	_, m := redeem(t, s, b.Answer().Get("code"))
	password := object(t, second(post(t, s, `{"client_id":"client_id_36000","client_secret":"client_secret","grant_type":"password","username":"luser1","password":"12345678"}`)))
	b.Open("/logout").Submit("/logout")
	if status, body := get(t, s, "/api/v1/oauth/verify_token/?client_id=client_id_36000", m["access_token"].(string)); status != http.StatusUnauthorized {
		t.Errorf("the access token is answered %d %s", status, body)
	}
	if status, body := get(t, s, "/api/v1/oauth/verify_token/?client_id=client_id_36000", password["access_token"].(string)); status != http.StatusOK {
		t.Errorf("a token of the password grant is answered %d %s", status, body)
	}
}

func second[A, B any](_ A, b B) B { return b }

// Codes are drawn anew each time, in the vendor's form.
func TestNoTwoCodesAreTheSame(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	b := allowed(t, s)
	seen := map[string]bool{}
	for range 20 {
		code := b.Open(authorizeURL()).Answer().Get("code")
		if len(code) != 30 || seen[code] {
			t.Fatalf("code %q, seen %v", code, seen[code])
		}
		seen[code] = true
	}
}
