package web_test

import (
	"flag"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"jeton/internal/oauth"
	"jeton/internal/server"
	"jeton/internal/servertest"
	"jeton/internal/web"
)

var update = flag.Bool("update", false, "rewrite the golden pages")

// site is a server without an administrator and a browser before it.
type site struct {
	*servertest.Server
	t    *testing.T
	url  string
	http *http.Client
}

func open(t *testing.T) *site {
	t.Helper()
	s := servertest.Start(t, servertest.Options{NoDemo: true, Change: func(c *server.Config) { c.PublicURL = "" }})
	h := httptest.NewServer(s.Site(false, false))
	t.Cleanup(h.Close)
	x := &site{Server: s, t: t, url: h.URL}
	x.http = x.browser()
	return x
}

func (s *site) browser() *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &http.Client{Jar: jar}
}

func (s *site) code() string {
	s.t.Helper()
	code, err := s.Setup().Code(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return code.Reveal()
}

func (s *site) get(path string) (int, string) {
	s.t.Helper()
	answer, err := s.http.Get(s.url + path)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.read(answer)
}

func (s *site) read(answer *http.Response) (int, string) {
	s.t.Helper()
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer.StatusCode, string(b)
}

func (s *site) send(form url.Values, headers ...string) (int, string) {
	s.t.Helper()
	r, err := http.NewRequest(http.MethodPost, s.url+"/setup", strings.NewReader(form.Encode()))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := s.http.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.read(answer)
}

var tokenField = regexp.MustCompile(`name="token" value="([0-9a-f]+)"`)

// follow opens the link and returns the form filled in.
func (s *site) follow(code string) url.Values {
	s.t.Helper()
	status, body := s.get("/setup/" + code)
	m := tokenField.FindStringSubmatch(body)
	if status != http.StatusOK || m == nil {
		s.t.Fatalf("the link leads to %d:\n%s", status, body)
	}
	return url.Values{
		"token": {m[1]}, "name": {"ada"}, "email": {"ada@example.com"}, "password": {"correct horse battery"}, "public_url": {s.url},
	}
}

func want(t *testing.T, status int, body string, code int, text string) {
	t.Helper()
	if status != code || !strings.Contains(body, text) {
		t.Errorf("got %d, want %d with %q:\n%s", status, code, text, body)
	}
}

func TestWhoeverComesFirstDoesNotWin(t *testing.T) {
	s := open(t)
	s.code()
	for _, path := range []string{"/", "/setup", "/setup/done"} {
		status, body := s.get(path)
		want(t, status, body, http.StatusOK, "Not set up yet")
		if strings.Contains(body, "<form") {
			t.Errorf("%s shows a form to a stranger", path)
		}
	}
	status, body := s.send(url.Values{"name": {"eve"}, "password": {"correct horse battery"}})
	want(t, status, body, http.StatusForbidden, "does not work")
	if status, body := s.get("/.well-known/jwks.json"); status != http.StatusOK || !strings.Contains(body, "keys") {
		t.Errorf("programs are answered in their own words: got %d %s", status, body)
	}
}

func TestTheLinkMakesOneAdministrator(t *testing.T) {
	s := open(t)
	code := s.code()
	form := s.follow(code)
	status, body := s.send(form)
	want(t, status, body, http.StatusOK, "Jeton is set up")

	org := s.Core.Clients.Default()
	u, err := s.Core.Admin.UserByName(t.Context(), org.ID, org.DefaultRealm(), "ada")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{web.RoleOwner}, u.Roles); diff != "" || u.Email != "ada@example.com" || !u.Enabled {
		t.Errorf("the administrator is %+v, roles differ: %s", u, diff)
	}
	for name, again := range map[string]func() (int, string){
		"the link": func() (int, string) { return s.get("/setup/" + code) },
		"the page": func() (int, string) { return s.get("/setup") },
	} {
		status, body := again()
		if status != http.StatusNotFound || strings.Contains(body, "<form") {
			t.Errorf("%s a second time: got %d\n%s", name, status, body)
		}
	}
	form.Set("name", "eve")
	if status, _ := s.send(form); status != http.StatusForbidden {
		t.Errorf("the form a second time: got %d, want 403", status)
	}
	if _, err := s.Setup().Code(t.Context()); !oauth.Is(err, oauth.Conflict) {
		t.Errorf("a further link: got %v, want a conflict", err)
	}
}

func TestOfManyAtOnceOneWins(t *testing.T) {
	s := open(t)
	code := s.code()
	var wins, refusals int
	var mu sync.Mutex
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			o := web.Owner{Name: fmt.Sprintf("ada%d", i), Email: fmt.Sprintf("ada%d@example.com", i), Password: "correct horse battery"}
			err := s.Setup().First(t.Context(), code, o)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				wins++
			case oauth.Is(err, oauth.AccessDenied), oauth.Is(err, oauth.Conflict):
				refusals++
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if wins != 1 || refusals != 7 {
		t.Errorf("%d won and %d were refused, want 1 and 7", wins, refusals)
	}
}

func TestTheCodeLeavesTheAddressBar(t *testing.T) {
	s := open(t)
	code := s.code()
	s.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	answer, err := s.http.Get(s.url + "/setup/" + strings.ToLower(strings.ReplaceAll(code, "-", "")))
	if err != nil {
		t.Fatal(err)
	}
	s.read(answer)
	if answer.StatusCode != http.StatusSeeOther || answer.Header.Get("Location") != "/setup" {
		t.Errorf("got %d to %q, want 303 to /setup", answer.StatusCode, answer.Header.Get("Location"))
	}
	c := answer.Cookies()[0]
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.MaxAge > 1800 {
		t.Errorf("cookie: %+v", c)
	}
	if got := answer.Header.Get("Referrer-Policy"); got != "no-referrer" {
		t.Errorf("Referrer-Policy: %q", got)
	}
}

func TestByHTTPSTheCookieIsBoundToTheHost(t *testing.T) {
	s := servertest.Start(t, servertest.Options{NoDemo: true, Change: func(c *server.Config) { c.Secure = true }})
	code, err := s.Setup().Code(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	s.Site(true, true).ServeHTTP(w, httptest.NewRequest(http.MethodGet, servertest.Public+"/setup/"+code.Reveal(), nil))
	if got := w.Header().Get("Set-Cookie"); !strings.HasPrefix(got, "__Host-") || !strings.Contains(got, "; Secure") {
		t.Errorf("Set-Cookie: %q", got)
	}
	if w.Header().Get("Strict-Transport-Security") == "" {
		t.Error("no Strict-Transport-Security")
	}
}

func TestACodeEndsAfterHalfAnHour(t *testing.T) {
	s := open(t)
	code := s.code()
	form := s.follow(code)
	s.Clock.Add(31 * time.Minute)
	status, body := s.get("/setup/" + code)
	want(t, status, body, http.StatusNotFound, "does not work")
	status, body = s.send(form)
	want(t, status, body, http.StatusForbidden, "does not work")
}

func TestWrongCodesAreSlowedDown(t *testing.T) {
	s := open(t)
	good := s.code()
	var busy bool
	for i := range 20 {
		status, body := s.get("/setup/" + web.NewCode().Reveal())
		if status == http.StatusTooManyRequests {
			want(t, status, body, http.StatusTooManyRequests, "Too many tries")
			busy = true
			break
		}
		want(t, status, body, http.StatusNotFound, "does not work")
		if i > 10 {
			t.Fatal("twelve tries were answered")
		}
	}
	if !busy {
		t.Fatal("nobody was slowed down")
	}
	s.Clock.Add(time.Minute)
	s.follow(good)
}

func TestAFormFromElsewhereIsRefused(t *testing.T) {
	s := open(t)
	form := s.follow(s.code())
	for name, x := range map[string]struct {
		token   string
		headers []string
	}{
		"another site":     {form.Get("token"), []string{"Sec-Fetch-Site", "cross-site"}},
		"a foreign origin": {form.Get("token"), []string{"Origin", "https://evil.example"}},
		"no token":         {"", nil},
		"a wrong token":    {strings.Repeat("0", 64), nil},
	} {
		bad := url.Values{}
		for k, v := range form {
			bad[k] = v
		}
		bad.Set("token", x.token)
		if status, _ := s.send(bad, x.headers...); status != http.StatusForbidden {
			t.Errorf("%s: got %d, want 403", name, status)
		}
	}
	s.http = s.browser()
	if status, _ := s.send(form); status != http.StatusForbidden {
		t.Errorf("another browser: got %d, want 403", status)
	}
}

func TestWhatIsWrongIsSaidAtItsField(t *testing.T) {
	s := open(t)
	form := s.follow(s.code())
	for _, x := range []struct{ field, value, text string }{
		{"name", "", "cannot be used"},
		{"email", "nobody", "not an e-mail address"},
		{"password", "short", "at least 15 characters"},
		{"password", "passwordpassword", "common"},
		{"public_url", "http://login.example.com", "https://login.example.com"},
		{"public_url", "javascript:alert(1)", "https://login.example.com"},
	} {
		bad := url.Values{}
		for k, v := range form {
			bad[k] = v
		}
		bad.Set(x.field, x.value)
		status, body := s.send(bad)
		want(t, status, body, http.StatusUnprocessableEntity, x.text)
		if !strings.Contains(body, `href="#`+x.field+`"`) || strings.Count(body, "aria-invalid") != 1 {
			t.Errorf("%s %q: the page does not lead to the field:\n%s", x.field, x.value, body)
		}
		if strings.Contains(body, form.Get("password")) {
			t.Errorf("%s: the page shows the password", x.field)
		}
		s.Clock.Add(time.Minute) // a person takes time
	}
	status, body := s.send(form)
	want(t, status, body, http.StatusOK, "Jeton is set up")
}

func TestTypedTextIsEscaped(t *testing.T) {
	s := open(t)
	form := s.follow(s.code())
	form.Set("name", `"><script>alert(1)</script>`)
	form.Set("password", "short")
	_, body := s.send(form)
	if strings.Contains(body, "<script>") {
		t.Errorf("the page runs what was typed:\n%s", body)
	}
}

func TestAnUnknownHostGetsNoPage(t *testing.T) {
	s := open(t)
	r, _ := http.NewRequest(http.MethodGet, s.url+"/setup/"+s.code(), nil)
	r.Host = "evil.example"
	answer, err := s.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if status, body := s.read(answer); status < 400 || strings.Contains(body, "<html") {
		t.Errorf("got %d\n%s", status, body)
	}
}

func TestCodesAndPasswordsAreInNoLogAndNoRecord(t *testing.T) {
	s := open(t)
	code := s.code()
	form := s.follow(code)
	s.get("/setup/" + code)
	s.send(form)
	if err := s.Audit.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	logs := s.Logs.String()
	for _, secret := range []string{code, strings.ReplaceAll(code, "-", ""), form.Get("password"), form.Get("token")} {
		if strings.Contains(logs, secret) {
			t.Errorf("%q is in the log", secret)
		}
	}
}

func TestPagesAreAsTheyWere(t *testing.T) {
	s := open(t)
	pages := map[string]string{}
	_, pages["wait"] = s.get("/")
	_, pages["bad"] = s.get("/setup/0000000000000000")
	form := s.follow(s.code())
	_, pages["form"] = s.get("/setup")
	form.Set("password", "short")
	_, pages["wrong"] = s.send(form)
	form.Set("password", "correct horse battery")
	form.Set("public_url", "https://login.example.com")
	_, pages["done"] = s.send(form)
	_, pages["home"] = s.get("/")
	_, pages["late"] = s.get("/setup")
	for name, body := range pages {
		body = strings.NewReplacer(s.url, "http://127.0.0.1:8420", form.Get("token"), "TOKEN").Replace(body)
		body = regexp.MustCompile(`(style|icon)-[0-9a-f]+`).ReplaceAllString(body, "$1-HASH")
		path := "testdata/" + name + ".html"
		if *update {
			if err := os.WriteFile(path, []byte(body), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		golden, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(golden), body); diff != "" {
			t.Errorf("%s (-was +is):\n%s", name, diff)
		}
		for _, bad := range []string{"<script", " style=", " onclick"} {
			if strings.Contains(body, bad) {
				t.Errorf("%s has %q, which the content policy forbids", name, bad)
			}
		}
	}
}

// TestTextCanBeRead recomputes the contrast of every pair of colours (WCAG 2.2
// §1.4.3: 4.5 to 1, §1.4.11: 3 to 1 for borders).
func TestTextCanBeRead(t *testing.T) {
	text, err := os.ReadFile("assets/style.css")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile(`(?s):root \{(.*?)\}`).FindAllStringSubmatch(string(text), -1)
	if len(blocks) != 2 {
		t.Fatalf("%d sets of colours, want light and dark", len(blocks))
	}
	pairs := []struct {
		on, under string
		least     float64
	}{
		{"text", "bg", 4.5}, {"text", "surface", 4.5}, {"muted", "bg", 4.5}, {"muted", "surface", 4.5}, {"link", "surface", 4.5},
		{"on-primary", "primary", 4.5}, {"on-primary", "primary-hover", 4.5}, {"warn", "warn-bg", 4.5}, {"danger", "danger-bg", 4.5},
		{"danger", "surface", 4.5}, {"control", "surface", 3}, {"control", "bg", 3}, {"focus", "surface", 3},
	}
	for i, b := range blocks {
		colours := map[string]float64{}
		for _, m := range regexp.MustCompile(`--([a-z-]+): #([0-9a-f]{6})`).FindAllStringSubmatch(b[1], -1) {
			colours[m[1]] = luminance(t, m[2])
		}
		for _, p := range pairs {
			x, y := colours[p.on], colours[p.under]
			if ratio := (max(x, y) + 0.05) / (min(x, y) + 0.05); ratio < p.least {
				t.Errorf("set %d: %s on %s is %.1f to 1, want %.1f", i, p.on, p.under, ratio, p.least)
			}
		}
	}
}

func luminance(t *testing.T, hex string) (l float64) {
	t.Helper()
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		n, err := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		c := float64(n) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		l += weight * c
	}
	return l
}
