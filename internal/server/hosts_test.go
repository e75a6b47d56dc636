package server_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"jeton/internal/server"
	"jeton/internal/servertest"
)

const twoHosts = `
version: 1
organizations:
  - {id: studio, name: Studio, hosts: [studio.example.com], dialects: [aoc, oidc]}
  - {id: plain, name: Plain, hosts: [plain.example.com], dialects: [oidc]}
  - {id: corp, name: Corp, prefixes: [/corp], dialects: [oidc]}
`

func fetch(t *testing.T, h http.Handler, host, path string) (int, http.Header, string) {
	t.Helper()
	r := httptest.NewRequest("GET", path, nil)
	r.Host, r.RemoteAddr = host, "192.0.2.7:1234"
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	body, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Code, w.Header(), string(body)
}

func issuer(t *testing.T, body string) string {
	t.Helper()
	var d struct {
		Issuer string `json:"issuer"`
	}
	if err := json.Unmarshal([]byte(body), &d); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return d.Issuer
}

// The issuer is what assertions are addressed to. A port is as good as a name: the
// one of another service would make its assertions good here.
func TestWeb09AForeignPortOfABoundHostIsNoIssuer(t *testing.T) {
	s := servertest.Start(t, servertest.Options{World: twoHosts})
	const path = "/.well-known/openid-configuration"
	for host, want := range map[string]string{
		"studio.example.com":      "https://studio.example.com",
		"STUDIO.example.com":      "https://studio.example.com",
		"studio.example.com:443":  "https://studio.example.com",
		"jeton.example:443":       servertest.Public,
		"studio.example.com:8443": "", // refused
		"studio.example.com:0":    "",
		"studio.example.com:":     "",
	} {
		status, _, body := fetch(t, s.Handler(), host, path)
		switch {
		case want == "" && status != http.StatusBadRequest:
			t.Errorf("%s: %d %s", host, status, body)
		case want != "" && (status != http.StatusOK || issuer(t, body) != want):
			t.Errorf("%s: %d %s, want issuer %s", host, status, body, want)
		}
	}
}

// RFC 8414 §3.1: the well-known part stands before the issuer's path.
func TestTheDocumentOfAnIssuerWithAPathIsWhereRFC8414LooksForIt(t *testing.T) {
	s := servertest.Start(t, servertest.Options{World: twoHosts})
	for path, want := range map[string]string{
		"/.well-known/oauth-authorization-server":               servertest.Public,
		"/.well-known/oauth-authorization-server/":              servertest.Public,
		"/.well-known/oauth-authorization-server/corp":          servertest.Public + "/corp",
		"/corp/.well-known/oauth-authorization-server":          servertest.Public + "/corp",
		"/.well-known/oauth-authorization-server/api/v1/oauth":  servertest.Public + "/api/v1/oauth",
		"/.well-known/oauth-authorization-server/nobody":        "",
		"/.well-known/oauth-authorization-server/../corp":       "",
		"/.well-known/oauth-authorization-server/corp/../../up": "",
	} {
		status, _, body := fetch(t, s.Handler(), "jeton.example", path)
		switch {
		case want == "" && status != http.StatusNotFound:
			t.Errorf("%s: %d %s", path, status, body)
		case want != "" && (status != http.StatusOK || issuer(t, body) != want):
			t.Errorf("%s: %d %s, want issuer %s", path, status, body, want)
		}
	}
}

// Clients of Aspera on Cloud find the product by where the root of its host leads,
// also with the pages for people before the dialects.
func TestTheRootOfABoundHostIsTheDialectsThatAnswersThere(t *testing.T) {
	s := servertest.Start(t, servertest.Options{NoDemo: true, World: twoHosts})
	site := s.Site(true, false)
	status, h, _ := fetch(t, site, "studio.example.com", "/")
	if to := h.Get("Location"); status != http.StatusFound || !strings.HasSuffix(to, "/oauth2/studio/login?organization=studio") {
		t.Errorf("a bound host: %d, to %q", status, to)
	}
	for _, host := range []string{"jeton.example", "plain.example.com"} {
		if status, h, _ := fetch(t, site, host, "/"); status != http.StatusOK || !strings.HasPrefix(h.Get("Content-Type"), "text/html") {
			t.Errorf("%s: %d %s", host, status, h.Get("Content-Type"))
		}
	}
}

// Who has a /64 has 2^64 addresses; a guesser must not begin anew with each.
func TestCauth12AGuesserDoesNotBeginAnewWithEachAddressOfHisNetwork(t *testing.T) {
	s := servertest.Start(t, servertest.Options{
		World:  "version: 1\nclients:\n  - {id: box, dialect: oidc, secrets: [{plain: right-secret}], grants: [client_credentials], scopes: [a]}\n",
		Change: func(c *server.Config) { c.Proxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} },
	})
	try := func(addr, secret string) int {
		r, err := http.NewRequest("POST", s.URL+"/oauth2/token", strings.NewReader("grant_type=client_credentials"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("X-Forwarded-For", addr)
		r.SetBasicAuth("box", secret)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	for i := range 30 {
		try(fmt.Sprintf("2001:db8:1:2::%x", i+1), "wrong")
	}
	if status := try("2001:db8:1:2::beef", "right-secret"); status != http.StatusUnauthorized {
		t.Errorf("after 30 wrong secrets from one network: %d", status)
	}
	if status := try("2001:db8:1:3::1", "right-secret"); status != http.StatusOK {
		t.Errorf("from another network: %d", status)
	}
}
