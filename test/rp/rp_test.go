// Package rp_test lets people sign in, in a real browser, at relying parties of
// others that know nothing of us: client libraries in three languages, a proxy and a
// web server's module. What they refuse is our fault.
//
// Each test runs a server of this process at localhost and a relying party of its own
// at 127.0.0.1, which for a browser is another site. All share one Chromium. What they
// need is installed by make deps; nothing is left out where it is missing. Every
// program ends with the test that started it, also when the test binary is killed: it
// then loses its standard input.
//
//	go test ./test/rp                        all of them
//	go test ./test/rp -run Apache -v         one, with the ways the browser took
package rp_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"jeton/internal/jose"
	"jeton/internal/server"
	"jeton/internal/servertest"
)

var shared struct {
	sync.Mutex
	*chromium
}

// theBrowser is the browser of all tests.
func theBrowser(t *testing.T) *chromium {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.chromium == nil {
		c, err := startChromium()
		shared.chromium = c
		if err != nil {
			t.Fatal(err)
		}
	}
	return shared.chromium
}

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.chromium != nil {
		if err := shared.end(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}
	os.Exit(code)
}

// Who signs in, and where.
const (
	clientName = "Report Builder"
	password   = "demo-ada"

	// In Basic each half is form-encoded first (RFC 6749 §2.3.1). Libraries that leave
	// that out can use only secrets without such characters.
	secret = "rp secret+%&=:"
	plain  = "rp-secret"
)

const world = `
version: 1
users:
  - {name: ada, password: {plain: demo-ada}, email: ada@rp.example, given_name: Ada, family_name: Lovelace, groups: [staff], attributes: {email_verified: true}}
clients:
  - id: %s
    name: Report Builder
    dialect: oidc
    secrets: [{plain: %q}, {plain: %q}]
    grants: [authorization_code, refresh_token]
    scopes: [openid, profile, email, groups]
    redirect_uris: [%q]
    post_logout_redirect_uris: [%q]
    %s
`

// jeton is a server under test, at http://localhost:PORT.
type jeton struct {
	*servertest.Server
	URL string

	mu    sync.Mutex
	calls []call
}

// call is a request of a relying party or a browser, and its answer's status.
type call struct {
	Method, Path string
	Form         url.Values
	Status       int
}

// serve runs a server until the test ends, with the work it does beside requests.
func serve(t *testing.T) *jeton {
	t.Helper()
	j := &jeton{Server: servertest.Start(t, servertest.Options{
		NoDemo: true, Real: true, Change: func(c *server.Config) { c.PublicURL, c.Demo = "", false },
	})}
	j.work(t)
	s := httptest.NewServer(j.listen(j.Site(false, false)))
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
		if t.Failed() {
			for _, c := range j.called("", "") {
				t.Logf("%d %s %s %v", c.Status, c.Method, c.Path, c.Form)
			}
		}
	})
	j.URL = strings.Replace(s.URL, "127.0.0.1", "localhost", 1)
	return j
}

// work does what the server does beside requests. Its RSA keys come a moment after it
// has started; no test begins before.
func (j *jeton) work(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() { j.Run(ctx) })
	t.Cleanup(func() { cancel(); done.Wait() })
	for _, o := range j.Core.Clients.Orgs() {
		if _, err := j.Core.Keys.Signing(ctx, o.ID, "token", jose.RS256); err != nil {
			t.Fatal(err)
		}
	}
}

// listen notes what is asked.
func (j *jeton) listen(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := call{Method: r.Method, Path: r.URL.Path}
		if r.Method == http.MethodPost {
			body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
			if err != nil {
				return
			}
			c.Form, _ = url.ParseQuery(string(body))
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		kept := &status{ResponseWriter: w, code: http.StatusOK}
		next.ServeHTTP(kept, r)
		c.Status = kept.code
		j.mu.Lock()
		defer j.mu.Unlock()
		j.calls = append(j.calls, c)
	})
}

type status struct {
	http.ResponseWriter
	code int
}

func (s *status) WriteHeader(code int) { s.code = code; s.ResponseWriter.WriteHeader(code) }

// called is what was asked of a path; with a grant, only token requests for it.
func (j *jeton) called(path, grant string) (some []call) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, c := range j.calls {
		if (path == "" || c.Path == path) && (grant == "" || c.Form.Get("grant_type") == grant) {
			some = append(some, c)
		}
	}
	return some
}

// refreshed: a refresh token was traded in, and each that was, was taken.
func (j *jeton) refreshed() bool {
	calls := j.called("/oauth2/token", "refresh_token")
	return len(calls) > 0 && !slices.ContainsFunc(calls, func(c call) bool { return c.Status != http.StatusOK })
}

// register makes a relying party known: where it is called back, where it sends
// people after they signed out, and further lines of its client.
func (j *jeton) register(t *testing.T, id, callback, bye string, more ...string) {
	t.Helper()
	j.Apply(t, fmt.Sprintf(world, id, secret, plain, callback, bye, strings.Join(more, "\n    ")))
}

// run starts a program that ends with the test. Its guard, a shell, ends it when the
// shell's standard input ends, so that it outlives this process not either: with a
// signal, and after 10 s without asking.
func run(t *testing.T, cmd *exec.Cmd) *servertest.Logs {
	t.Helper()
	log := &servertest.Logs{}
	cmd.Stderr = log
	const guard = `"$@" & p=$!; cat >/dev/null; kill -TERM $p 2>/dev/null
i=0; while kill -0 $p 2>/dev/null && [ $i -lt 100 ]; do sleep 0.1; i=$((i+1)); done; kill -KILL $p 2>/dev/null`
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath(cmd.Path); err != nil {
		t.Fatalf("%v (make deps installs what is needed)", err)
	}
	cmd.Args = append([]string{"sh", "-c", guard, "guard", cmd.Path}, cmd.Args[1:]...)
	cmd.Path = sh
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		late := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		if !late.Stop() {
			t.Errorf("%s did not end", cmd.Args[4])
		}
		if t.Failed() {
			t.Logf("%s: %s", cmd.Args[4], log)
		}
	})
	return log
}

// site runs a program that is a web site and prints its address when it listens.
func site(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	log := run(t, cmd)
	late := time.AfterFunc(30*time.Second, func() { out.Close() })
	defer late.Stop()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("%s did not start: %v (make deps installs what is needed)\n%s", strings.Join(cmd.Args[4:], " "), err, log)
	}
	return strings.TrimSpace(line)
}

// until tries again, at intervals, until a try succeeds or what is waited for has had its
// time.
func until(t *testing.T, what string, try func() bool) {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); !try(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within 15 s", what)
		}
	}
}

// port is one that nobody listens at.
func port(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, p, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// answers waits until a program listens.
func answers(t *testing.T, at string, log *servertest.Logs) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", hostOf(t, at))
		if err == nil {
			c.Close()
			return
		}
		if !errors.Is(err, syscall.ECONNREFUSED) || time.Now().After(end) {
			t.Fatalf("%s does not listen: %v\n%s", at, err, log)
		}
	}
}

// running finds processes that were started with a folder of ours.
func running(folder string) (some []string) {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range files {
		command, err := os.ReadFile(file) // not there: it has ended meanwhile
		if err == nil && bytes.Contains(command, []byte(folder)) {
			some = append(some, string(bytes.ReplaceAll(command, []byte{0}, []byte{' '})))
		}
	}
	return some
}
