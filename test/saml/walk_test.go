package saml_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"jeton/internal/identity/saml"
	"jeton/internal/server"
	"jeton/internal/servertest"
)

// The vendor's documented way to a token by SAML, walked by a browser: sign in with
// the identity provider's button, copy SAMLResponse out of what the browser posts to
// the callback, exchange it within five minutes. The provider is pysaml2 as it is.
func TestABrowsersResponseIsExchangedOnce(t *testing.T) {
	s := servertest.Start(t, servertest.Options{Real: true, Change: func(c *server.Config) { c.PublicURL = "" }})
	site := httptest.NewServer(s.Site(false, false))
	t.Cleanup(site.Close)
	base := strings.Replace(site.URL, "127.0.0.1", "localhost", 1) // the provider is another site, as in real life

	dir := t.TempDir()
	provider := registered(t, s, dir, base)
	file := filepath.Join(dir, "response.txt")
	journey(t, base, map[string]string{"provider": provider.SSO[0].Location, "file": file, "callback": base + "/auth/saml/callback"})

	response, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	status, body, _ := exchange(t, base, string(response))
	if status != http.StatusCreated {
		t.Fatalf("exchanged: %d %s", status, body)
	}
	var tokens struct {
		Access string `json:"access_token"`
	}
	if err := json.Unmarshal(body, &tokens); err != nil {
		t.Fatal(err)
	}
	if me := get(t, base+"/aspera/faspex/api/users/me", tokens.Access); !strings.Contains(me, `"name":"ada"`) {
		t.Errorf("the token is of %s", me)
	}

	status, body, id := exchange(t, base, string(response))
	if status != http.StatusUnauthorized || !strings.Contains(string(body), `"error":"invalid_grant"`) {
		t.Errorf("exchanged again: %d %s", status, body)
	}
	r := s.Record(t, id)
	last := r.Checks[len(r.Checks)-1]
	if last.OK || last.Name != "assertion id" || last.Want != "not exchanged before" {
		t.Errorf("explained by %+v", last)
	}
}

// registered runs pysaml2 with this server's own metadata, and this server with
// pysaml2's: both as their operators would exchange them.
func registered(t *testing.T, s *servertest.Server, dir, base string) *saml.Provider {
	t.Helper()
	key, certificate := keyPair(t, "key of the walk")
	write(t, filepath.Join(dir, "key.pem"), key)
	write(t, filepath.Join(dir, "cert.pem"), certificate)
	write(t, filepath.Join(dir, "sp.xml"), fetch(t, http.MethodGet, base+"/auth/saml/metadata", nil))
	metadata := fetch(t, http.MethodGet, run(t, programs[0].command(dir, "assertion")), nil)
	p, err := saml.ParseMetadata([]byte(metadata), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	world := fmt.Sprintf(`
version: 1
organizations:
  - id: default
    name: Example Corp
    realms: [{name: local, default: true}, {name: corp}]
    saml:
      - {name: corp, title: Company login, number: 1, realm: corp, create: true, entity_id: %q, sso: %q, certificates: [{pem: %q}],
         attributes: {user: %q, email: %q, display_name: %q, groups: %q}}
`, p.EntityID, p.SSO[0].Location, p.Certificates[0], programs[0].mapping.User, programs[0].mapping.Email, programs[0].mapping.DisplayName, programs[0].mapping.Groups)
	s.Apply(t, world)
	return p
}

// journey runs journeys/provider.mjs; each of its findings is an error of the test.
func journey(t *testing.T, base string, options any) {
	t.Helper()
	settings, err := json.Marshal(map[string]any{"base": base, "options": options})
	if err != nil {
		t.Fatal(err)
	}
	home, err := os.MkdirTemp("", "walk") // short: the browser's socket is below it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(home); err != nil {
			t.Error(err)
		}
	})
	cmd := exec.CommandContext(t.Context(), "node", filepath.Join("journeys", "provider.mjs"))
	cmd.Env = append(os.Environ(), "JETON_JOURNEY="+string(settings), "HOME="+home, "TMPDIR="+home)
	var log bytes.Buffer
	cmd.Stderr = &log
	stdin, err := cmd.StdinPipe() // the browser ends with it
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v (make deps installs what it needs)\n%s%s", err, out, log.String())
	}
	var kinds []string
	for text := range bytes.Lines(out) {
		var line struct{ Kind, Cell, Page, Rule, Text string }
		if err := json.Unmarshal(text, &line); err != nil {
			t.Fatalf("not a report: %q", text)
		}
		kinds = append(kinds, line.Kind)
		if line.Kind == "finding" {
			t.Errorf("%s, page %s: %s: %s", line.Cell, line.Page, line.Rule, line.Text)
		}
	}
	if !slices.Contains(kinds, "end") || !slices.Contains(kinds, "step") {
		t.Fatalf("the journey has no end, or no pages:\n%s%s", out, log.String())
	}
}

// exchange trades the value of SAMLResponse in as the vendor's document has it.
func exchange(t *testing.T, base, response string) (status int, body []byte, errorID string) {
	t.Helper()
	ask, err := json.Marshal(map[string]any{"grant_type": "urn:ietf:params:oauth:grant-type:saml2-bearer", "id": 1, "assertion": response})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(base+"/aspera/faspex/auth/oauth2/token", "application/json", bytes.NewReader(ask))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err = io.ReadAll(resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, body, resp.Header.Get("Jeton-Error-Id")
}

func get(t *testing.T, address, token string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do((&http.Request{Method: http.MethodGet, URL: u, Header: http.Header{"Authorization": {"Bearer " + token}}}).WithContext(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v %s", address, resp.Status, err, b)
	}
	return string(b)
}
