package docs_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"jeton/internal/config"
	"jeton/internal/servertest"
)

// conformance is examples/conformance.yaml as text.
func conformance(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "examples/conformance.yaml"))
	must(t, err)
	return string(text)
}

func TestTheConfigurationForTheConformanceSuiteIsRight(t *testing.T) {
	_, problems := config.Load("conformance.yaml", []byte(conformance(t)), config.Options{
		Getenv: func(string) string { return "a-secret-of-the-environment" },
	})
	for _, x := range problems {
		t.Error(x)
	}
}

// inEnvironment are values the configuration takes from there.
var inEnvironment = regexp.MustCompile(`\{env: [A-Z_]+\}`)

// TestThePersonOfTheConformanceSuiteHasEveryClaim walks the flow of the suite's first
// client, without PKCE as the suite does, and compares what userinfo says with what
// discovery promises.
func TestThePersonOfTheConformanceSuiteHasEveryClaim(t *testing.T) {
	s := servertest.Start(t, servertest.Options{NoDemo: true, World: inEnvironment.ReplaceAllString(conformance(t), "{plain: battery staple horse}")})
	const callback = "https://localhost.emobix.co.uk:8443/test/a/jeton/callback?dummy1=lorem&dummy2=ipsum"
	b := s.Browser(t).Open("/oauth2/authorize?" + url.Values{
		"response_type": {"code"}, "client_id": {"conformance-1"}, "redirect_uri": {callback},
		"scope": {"openid profile email address phone groups"}, "state": {"s"}, "nonce": {"n"},
	}.Encode())
	b.SignIn("conformance", "battery staple horse").Submit("/consent", "decision", "allow")
	if b.Left == nil || !strings.HasPrefix(b.Left.String(), callback+"&code=") {
		t.Fatalf("left for %v", b.Left)
	}
	var tokens struct {
		Access string `json:"access_token"`
	}
	ask(t, s, "POST", "/oauth2/token", "Basic", url.Values{
		"grant_type": {"authorization_code"}, "code": {b.Left.Query().Get("code")}, "redirect_uri": {callback},
	}, &tokens)
	var person map[string]any
	ask(t, s, "GET", "/oauth2/userinfo", "Bearer "+tokens.Access, nil, &person)
	var discovery struct {
		Claims []string `json:"claims_supported"`
	}
	ask(t, s, "GET", "/.well-known/openid-configuration", "", nil, &discovery)
	ofTokens := []string{"iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "at_hash", "c_hash", "sid"}
	want := slices.DeleteFunc(discovery.Claims, func(name string) bool { return slices.Contains(ofTokens, name) })
	var got []string
	for name := range person {
		got = append(got, name)
	}
	if diff := gocmp.Diff(sorted(want), sorted(got)); diff != "" {
		t.Errorf("the person has other claims (-discovery +userinfo):\n%s", diff)
	}
}

// ask calls an endpoint as the suite's first client and reads its JSON.
func ask(t *testing.T, s *servertest.Server, method, path, auth string, form url.Values, into any) {
	t.Helper()
	r, err := http.NewRequest(method, s.URL+path, strings.NewReader(form.Encode()))
	must(t, err)
	switch {
	case auth == "Basic":
		r.SetBasicAuth("conformance-1", url.QueryEscape("battery staple horse"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	case auth != "":
		r.Header.Set("Authorization", auth)
	}
	resp, err := http.DefaultClient.Do(r)
	must(t, err)
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s is answered %d", path, resp.StatusCode)
	}
	must(t, json.NewDecoder(resp.Body).Decode(into))
}

// TestTestsThatPagesNameExist: where a page says that a test shows something, there
// is such a test.
func TestTestsThatPagesNameExist(t *testing.T) {
	there := map[string]bool{}
	named := regexp.MustCompile(`\bTest[A-Z][A-Za-z0-9]+`)
	must(t, filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() && d.Name() == "node_modules" {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, m := range regexp.MustCompile(`(?m)^func (Test[A-Za-z0-9]+)\(`).FindAllStringSubmatch(string(text), -1) {
			there[m[1]] = true
		}
		return err
	}))
	seen := 0
	for _, p := range pages(t) {
		for _, name := range named.FindAllString(p.text, -1) {
			seen++
			if !there[name] {
				t.Errorf("%s: there is no %s", p.name, name)
			}
		}
	}
	if seen < 30 {
		t.Errorf("only %d tests are named", seen)
	}
}
