package cli

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"jeton/internal/servertest"
)

// login is a `jeton token oidc --grant code` that waits for its browser.
type login struct {
	t      *testing.T
	to     *url.URL // where it asks to sign in
	errs   *bytes.Buffer
	out    bytes.Buffer
	stop   context.CancelFunc
	ended  chan int
	copied chan bool
}

var asksFor = regexp.MustCompile(`  (http\S+)\n$`)

// begun starts the command and waits for the URL it prints.
func begun(t *testing.T, s *servertest.Server, data string, args ...string) *login {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	l := &login{t: t, errs: &bytes.Buffer{}, stop: stop, ended: make(chan int, 1), copied: make(chan bool)}
	t.Cleanup(stop)
	r, w := io.Pipe()
	go func() {
		code := Run(append([]string{"token", "oidc", "--grant", "code"}, args...), &Env{
			Ctx: ctx, Stdin: strings.NewReader(""), Stdout: &l.out, Stderr: w, Dir: data, Now: s.Clock.Now,
			Getenv: func(name string) string { return map[string]string{"HOME": data, "JETON_DATA": data}[name] },
		})
		_ = w.Close()
		l.ended <- code
	}()
	told := make(chan *url.URL, 1)
	go func() {
		defer close(l.copied)
		b := make([]byte, 4096)
		for {
			n, err := r.Read(b)
			l.errs.Write(b[:n])
			if m := asksFor.FindStringSubmatch(l.errs.String()); m != nil {
				u, _ := url.Parse(m[1])
				select {
				case told <- u:
				default:
				}
			}
			if err != nil {
				return
			}
		}
	}()
	select {
	case l.to = <-told:
	case code := <-l.ended:
		<-l.copied
		t.Fatalf("it ended (%d) before it asked to sign in: %s", code, l.errs)
	case <-time.After(20 * time.Second):
		t.Fatal("it does not ask to sign in")
	}
	return l
}

// end waits for the command.
func (l *login) end() (code int, stdout, stderr string) {
	l.t.Helper()
	select {
	case code = <-l.ended:
	case <-time.After(20 * time.Second):
		l.t.Fatal("the command does not end")
	}
	<-l.copied
	return code, l.out.String(), l.errs.String()
}

// bring is what the browser does at the end: it opens the answer's URL.
func bring(t *testing.T, to string) (status int, page string) {
	t.Helper()
	resp, err := http.Get(to)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(resp.Header.Get("Cache-Control"), "no-store") == false || !strings.Contains(resp.Header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("headers %v", resp.Header)
	}
	return resp.StatusCode, string(b)
}

func TestAPersonSignsInForTheCommandLine(t *testing.T) {
	s, data := serverIn(t)
	l := begun(t, s, data)
	q := l.to.Query()
	if q.Get("client_id") != "cli" || q.Get("code_challenge_method") != "S256" || len(q.Get("state")) < 26 || q.Get("nonce") == "" {
		t.Errorf("it asks %v", q)
	}
	b := s.Browser(t).Open(l.to.String()).SignIn("sam", "demo-sam").Submit("/consent", "decision", "allow")
	back := b.Left
	if back == nil || back.Hostname() != "127.0.0.1" {
		t.Fatalf("the browser left for %v", back)
	}
	// What is not the answer changes nothing.
	for _, other := range []string{"/callback?state=guessed&code=x&iss=" + url.QueryEscape(s.URL), "/", "/callback"} {
		if status, _ := bring(t, "http://"+back.Host+other); status != 404 {
			t.Errorf("%s is answered %d", other, status)
		}
	}
	if status, page := bring(t, back.String()); status != 200 || !strings.Contains(page, "Done") {
		t.Errorf("%d %s", status, page)
	}
	code, out, errs := l.end()
	if code != ExitOK || !strings.Contains(out, "JWT ES256") || !strings.Contains(out, "refresh jtr_") || !strings.Contains(out, "openid profile email offline_access read") {
		t.Fatalf("exit %d\n%s%s", code, out, errs)
	}
	if strings.Contains(out+errs, back.Query().Get("code")) {
		t.Error("the code is printed")
	}
	saved, err := os.ReadFile(filepath.Join(data, ".local", "state", "jeton", "profiles", "oidc.json"))
	if err != nil || bytes.Contains(saved, []byte(back.Query().Get("code"))) || bytes.Contains(saved, []byte("id_token")) {
		t.Errorf("saved: %s %v", saved, err)
	}
	// The profile renews itself, without anybody signing in.
	s.Clock.Add(time.Hour)
	if code, out, errs := at(t, s, data, "", "token", "show", "@oidc"); code != ExitOK || !strings.Contains(errs, "refreshed") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
}

func TestASignInWithoutOfflineAccessIsForAWebClientWithItsSecret(t *testing.T) {
	s, data := serverIn(t)
	l := begun(t, s, data, "--client", "portal", "--scope", "openid read", "-u", "sam", "--profile", "web", "-q")
	if l.to.Query().Get("scope") != "openid read" || l.to.Query().Get("login_hint") != "sam" {
		t.Errorf("it asks %v", l.to)
	}
	b := s.Browser(t).Open(l.to.String()).SignIn("sam", "demo-sam").Submit("/consent", "decision", "allow", "scope", "read")
	bring(t, b.Left.String())
	if code, out, errs := l.end(); code != ExitOK || !strings.Contains(out, "scope openid read") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
}

func TestASignInThatFailsSaysSo(t *testing.T) {
	s, data := serverIn(t)
	l := begun(t, s, data)
	b := s.Browser(t).Open(l.to.String()).SignIn("sam", "demo-sam").Submit("/consent", "decision", "deny")
	bring(t, b.Left.String())
	if code, _, errs := l.end(); code != ExitRefused || !strings.Contains(errs, "access_denied") {
		t.Errorf("denied: exit %d %s", code, errs)
	}

	l = begun(t, s, data) // an answer another server gave (RFC 9207 §2.4)
	q := url.Values{"state": {l.to.Query().Get("state")}, "code": {"x"}, "iss": {"https://evil.example"}}
	bring(t, l.to.Query().Get("redirect_uri")+"?"+q.Encode())
	if code, _, errs := l.end(); code != ExitFailed || !strings.Contains(errs, `of "https://evil.example"`) {
		t.Errorf("of another: exit %d %s", code, errs)
	}

	l = begun(t, s, data) // a code nobody gave
	q = url.Values{"state": {l.to.Query().Get("state")}, "code": {"x"}, "iss": {s.URL}}
	bring(t, l.to.Query().Get("redirect_uri")+"?"+q.Encode())
	if code, _, errs := l.end(); code != ExitRefused || !strings.Contains(errs, "invalid_grant") {
		t.Errorf("a code nobody gave: exit %d %s", code, errs)
	}

	l = begun(t, s, data) // Ctrl-C
	l.stop()
	if code, _, errs := l.end(); code != ExitFailed || !strings.Contains(errs, "given up before anybody signed in") {
		t.Errorf("interrupted: exit %d %s", code, errs)
	}
	if _, err := http.Get(l.to.Query().Get("redirect_uri")); err == nil {
		t.Error("it still listens")
	}
	if _, err := os.Stat(filepath.Join(data, ".local", "state", "jeton", "profiles", "oidc.json")); err == nil {
		t.Error("something was saved")
	}
	if code, _, errs := at(t, s, data, "", "token", "oidc", "--grant", "code", "--curl"); code != ExitUsage || !strings.Contains(errs, "leave out --curl") {
		t.Errorf("--curl: exit %d %s", code, errs)
	}
	name := strings.Replace(s.URL, "127.0.0.1", "localhost", 1)
	if code, _, errs := at(t, s, data, "", "token", "oidc", "--grant", "code", "--server", s.URL+"/", "--client", "nobody", "--curl"); code != ExitUsage {
		t.Errorf("%s: exit %d %s", name, code, errs)
	}
}
