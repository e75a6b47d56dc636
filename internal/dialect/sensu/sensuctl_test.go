package sensu_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"jeton/internal/dialect"
	"jeton/internal/dialect/sensu"
	"jeton/internal/server"
	"jeton/internal/servertest"
)

// start runs a server that is reached as a test's loopback client reaches it, so
// that iss is an address sensuctl can post to.
func start(t *testing.T, world string) *servertest.Server {
	t.Helper()
	return servertest.Start(t, servertest.Options{
		World: world, Dialects: []*dialect.Dialect{&sensu.Dialect},
		Change: func(c *server.Config) { c.PublicURL = "" },
	})
}

// tokens is what sensuctl keeps in its file.
type tokens struct {
	Access    string `json:"access_token"`
	ExpiresAt int64  `json:"expires_at"`
	Refresh   string `json:"refresh_token"`
}

// claims are those sensuctl reads, with the types it reads them into.
type claims struct {
	ExpiresAt int64    `json:"exp"`
	ID        string   `json:"jti"`
	Issuer    string   `json:"iss"`
	Subject   string   `json:"sub"`
	Groups    []string `json:"groups"`
	Provider  struct {
		ProviderID   string `json:"provider_id"`
		ProviderType string `json:"provider_type"`
		UserID       string `json:"user_id"`
	} `json:"provider"`
	APIKey    bool   `json:"api_key"`
	SessionID string `json:"session_id"`
}

// sensuctl behaves as the command does: it never verifies a signature, refuses a
// token object with an empty field, refreshes what ends within the minute, and
// posts the refresh to the issuer of the access token first.
type sensuctl struct {
	url  string
	now  func() time.Time
	kept tokens
	urls []string // where refreshes were posted
}

var errUnauthorized = errors.New("sensuctl: unauthorized")

func (c *sensuctl) send(method, url string, body any, auth func(*http.Request)) (int, []byte, error) {
	var in io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return 0, nil, err
		}
		in = bytes.NewReader(b)
	}
	req, err := http.NewRequest(method, url, in)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/json") // on every request, body or not
	if auth != nil {
		auth(req)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	out, err := io.ReadAll(resp.Body)
	return resp.StatusCode, out, err
}

func basicAuth(user, password string) func(*http.Request) {
	return func(r *http.Request) { r.SetBasicAuth(user, password) }
}

func bearer(token string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
}

func (c *sensuctl) keep(status int, body []byte) error {
	if status == http.StatusUnauthorized {
		return errUnauthorized
	}
	if status != http.StatusOK {
		return fmt.Errorf("sensuctl: status %d: %s", status, body)
	}
	var t tokens
	if err := json.Unmarshal(body, &t); err != nil {
		return err
	}
	if t.Access == "" || t.Refresh == "" || t.ExpiresAt == 0 {
		return fmt.Errorf("sensuctl: a field is empty in %s", body)
	}
	c.kept = t
	return nil
}

// configure is "sensuctl configure": test the credentials, then sign in.
func (c *sensuctl) configure(user, password string) error {
	status, body, err := c.send("GET", c.url+"/auth/test", nil, basicAuth(user, password))
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("%w: test: %d %s", errUnauthorized, status, body)
	}
	status, body, err = c.send("GET", c.url+"/auth", nil, basicAuth(user, password))
	if err != nil {
		return err
	}
	return c.keep(status, body)
}

func (c *sensuctl) refresh() error {
	issuer := parse(c.kept.Access).Issuer
	for _, base := range []string{issuer, c.url} {
		c.urls = append(c.urls, base)
		status, body, err := c.send("POST", base+"/auth/token", map[string]string{"refresh_token": c.kept.Refresh}, bearer(c.kept.Access))
		if err == nil {
			return c.keep(status, body)
		}
	}
	return errors.New("sensuctl: no address answered")
}

// users is "sensuctl user list".
func (c *sensuctl) users() (int, []byte, error) {
	if c.now().Unix() > c.kept.ExpiresAt-60 {
		if err := c.refresh(); err != nil {
			return 0, nil, err
		}
	}
	return c.send("GET", c.url+"/api/core/v2/users", nil, bearer(c.kept.Access))
}

func (c *sensuctl) logout() error {
	status, body, err := c.send("POST", c.url+"/auth/logout", map[string]string{"refresh_token": c.kept.Refresh}, bearer(c.kept.Access))
	if err != nil {
		return err
	}
	if status != http.StatusOK || len(body) != 0 {
		return fmt.Errorf("sensuctl: logout: %d %s", status, body)
	}
	return nil
}

func parse(token string) (c claims) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return c
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	if err != nil {
		return claims{}
	}
	return c
}

func client(s *servertest.Server) *sensuctl { return &sensuctl{url: s.URL, now: s.Clock.Now} }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestSensuctlConfiguresWorksForADayAndLogsOut(t *testing.T) {
	s := start(t, "")
	c := client(s)
	must(t, c.configure("admin", "P@ssw0rd!"))
	first := c.kept
	for range 24 {
		s.Clock.Add(time.Hour)
		status, body, err := c.users()
		must(t, err)
		if status != http.StatusOK || !bytes.Contains(body, []byte(`"username":"admin"`)) {
			t.Fatalf("users: %d %s", status, body)
		}
	}
	if len(c.urls) != 24 {
		t.Errorf("%d refreshes in 24 hours, want one an hour", len(c.urls))
	}
	for _, u := range c.urls {
		if u != s.URL {
			t.Fatalf("a refresh was posted to %s: the issuer is not where the server is", u)
		}
	}
	if c.kept.Refresh == first.Refresh || parse(c.kept.Access).SessionID != parse(first.Access).SessionID {
		t.Error("a refresh must give another refresh token of the same session")
	}
	must(t, c.logout())
	if status, _, err := c.users(); err != nil || status != http.StatusUnauthorized {
		t.Errorf("after logout: %d, %v", status, err)
	}
	if err := c.refresh(); !errors.Is(err, errUnauthorized) {
		t.Errorf("refresh after logout: %v", err)
	}
}

func TestSensuctlReadsWhoItIsFromTheAccessToken(t *testing.T) {
	s := start(t, "")
	c := client(s)
	must(t, c.configure("myusername", "mypassword"))
	got := parse(c.kept.Access)
	if len(got.ID) != 32 || len(got.SessionID) != 32 {
		t.Errorf("jti %q, session_id %q", got.ID, got.SessionID)
	}
	want := claims{
		ExpiresAt: c.kept.ExpiresAt, ID: got.ID, Issuer: s.URL, Subject: "myusername",
		Groups: []string{"dev", "system:users"}, SessionID: got.SessionID,
	}
	want.Provider.ProviderID, want.Provider.UserID = "basic", "myusername"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	refresh := parse(c.kept.Refresh)
	if refresh.SessionID != got.SessionID || refresh.Groups != nil || refresh.Issuer != "" || refresh.ID == got.ID {
		t.Errorf("refresh token: %+v", refresh)
	}
}

func TestSensuctlIsRefusedAtTheTestBeforeItSignsIn(t *testing.T) {
	s := start(t, "")
	c := client(s)
	if err := c.configure("admin", "wrong"); !errors.Is(err, errUnauthorized) {
		t.Fatal(err)
	}
	if c.kept != (tokens{}) {
		t.Error("a token was given")
	}
}

// Parallel sensuctl processes share one file of tokens and refresh at once.
func TestParallelProcessesOfOneFileGetTheSameSuccessor(t *testing.T) {
	s := start(t, "")
	file := client(s)
	must(t, file.configure("admin", "P@ssw0rd!"))
	s.Clock.Add(time.Hour)
	processes := make([]sensuctl, 8)
	errs := make([]error, len(processes))
	var wait sync.WaitGroup
	for i := range processes {
		processes[i] = *file
		wait.Go(func() { errs[i] = processes[i].refresh() })
	}
	wait.Wait()
	for i := range processes {
		must(t, errs[i])
		if processes[i].kept.Refresh != processes[0].kept.Refresh {
			t.Error("two refresh tokens came of one")
		}
		if status, _, err := processes[i].users(); err != nil || status != http.StatusOK {
			t.Errorf("process %d: %d, %v", i, status, err)
		}
	}
}

func TestARefreshTokenStaysWithCompat5AndTheNumberMayBeText(t *testing.T) {
	for _, value := range []string{`5`, `"5"`} {
		s := start(t, "version: 1\norganizations:\n  - {id: default, name: Example, default: true, settings: {sensu: {compat: 5}}}\n")
		org := *s.Core.Clients.Default()
		org.Settings = map[string]map[string]json.RawMessage{sensu.Name: {"compat": json.RawMessage(value)}}
		must(t, s.Core.Admin.UpdateOrg(t.Context(), &org))
		c := client(s)
		must(t, c.configure("myusername", "mypassword"))
		first := c.kept
		s.Clock.Add(30 * 24 * time.Hour)
		must(t, c.refresh())
		if c.kept.Refresh != first.Refresh {
			t.Errorf("compat %s: the refresh token changed", value)
		}
		if c.kept.ExpiresAt <= first.ExpiresAt {
			t.Errorf("compat %s: expires_at is the old one", value)
		}
	}
}

func decode(r io.Reader, v any) error { return json.NewDecoder(r).Decode(v) }
