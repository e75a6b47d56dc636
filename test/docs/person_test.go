package docs_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"jeton/internal/servertest"
)

// person is the keyboard of whoever follows a page: what is typed into the shell.
func (d *demo) person(t *testing.T) *os.File {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	must(t, os.Symlink(self, filepath.Join(d.dir, "bin", "xdg-open")))
	name := filepath.Join(d.dir, "notes", "typed")
	must(t, syscall.Mkfifo(name, 0o600))
	typed, err := os.OpenFile(name, os.O_RDWR, 0) // both ends, so that neither waits for the other
	must(t, err)
	t.Cleanup(func() { _ = typed.Close() })
	return typed
}

// alone is a test's helper in a process of its own.
type alone struct{}

func (alone) Fatal(args ...any)                 { fmt.Fprintln(os.Stderr, args...); os.Exit(1) }
func (alone) Fatalf(format string, args ...any) { alone{}.Fatal(fmt.Sprintf(format, args...)) }
func (alone) Helper()                           {}
func (alone) Cleanup(func())                    {}

// open is xdg-open: sam opens a page, signs in, allows what is asked, and types the
// code that stands in the address in the end, where nothing answers.
func open(to, notes string) {
	u, err := url.Parse(to)
	if err != nil {
		alone{}.Fatal(err)
	}
	code := allow(visit(alone{}, u.Scheme+"://"+u.Host), to).Left.Query().Get("code")
	if code == "" { // a sign-out brings none
		return
	}
	typed, err := os.OpenFile(filepath.Join(notes, "typed"), os.O_RDWR, 0)
	if err == nil {
		_, err = fmt.Fprintln(typed, code)
	}
	if err != nil {
		alone{}.Fatal(err)
	}
}

// visit is a new browser for the server at base.
func visit(t servertest.TB, base string) *servertest.Browser {
	return (&servertest.Server{URL: base}).Browser(t)
}

// allow opens a page as sam and answers what comes until the browser leaves.
func allow(b *servertest.Browser, to string) *servertest.Browser {
	b.T.Helper()
	b.Open(to)
	for b.Left == nil {
		switch {
		case strings.Contains(b.Page, `action="/consent"`):
			b.Submit("/consent", "decision", "allow")
		case strings.Contains(b.Page, `id="password"`) && len(b.Trail) < 10:
			if b.SignIn("sam", "demo-sam"); b.Status >= 400 {
				b.T.Fatalf("sam is not let in: %d\n%s", b.Status, b.Page)
			}
		default:
			b.T.Fatalf("sam does not know what to do at %s (%d):\n%s", b.URL, b.Status, b.Page)
		}
	}
	return b
}

// TestTheWebApplicationSignsPeopleIn builds and runs examples/webapp beside a demo.
func TestTheWebApplicationSignsPeopleIn(t *testing.T) {
	t.Parallel()
	d := startDemo(t, false)
	program := filepath.Join(t.TempDir(), "webapp")
	if out, err := exec.Command("go", "build", "-o", program, root+"/examples/webapp").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	at := freeAddress(t)
	cmd := exec.Command(program)
	var log bytes.Buffer
	cmd.Env, cmd.Stderr = []string{"ISSUER=" + d.url, "LISTEN=" + at}, &log
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	jar, err := cookiejar.New(nil)
	must(t, err)
	app := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	get := func(to string) (*http.Response, string) {
		t.Helper()
		resp, err := app.Get(to)
		must(t, err)
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		must(t, err)
		return resp, string(b)
	}
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if resp, err := http.Get("http://" + at + "/nothing"); err == nil {
			resp.Body.Close()
			break
		}
	}
	resp, _ := get("http://" + at + "/")
	back := allow(visit(t, d.url), resp.Header.Get("Location")).Left.String()
	if resp, page := get(back); resp.StatusCode != 200 || !strings.HasPrefix(page, "Hello sam@example.com, you are number ") {
		t.Errorf("%d %s\n%s", resp.StatusCode, page, &log)
	}
	forged := strings.Replace(back, "state=", "state=x", 1)
	if resp, page := get(forged); resp.StatusCode != 403 {
		t.Errorf("a forged answer: %d %s", resp.StatusCode, page)
	}
	if resp, page := get(back); resp.StatusCode != 502 {
		t.Errorf("a code used before: %d %s", resp.StatusCode, page)
	}
}

// TestTheSinglePageApplicationSignsPeopleIn serves examples/spa and goes through it
// in a real browser, so that what pages of other origins may read is a browser's word.
func TestTheSinglePageApplicationSignsPeopleIn(t *testing.T) {
	t.Parallel()
	d := startDemo(t, false)
	app := &http.Server{Handler: http.FileServer(http.Dir(root + "/examples/spa")), ReadHeaderTimeout: time.Second}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	at := "http://" + ln.Addr().String() + "/"
	set := exec.Command(filepath.Join(d.dir, "bin", "jeton"), "client", "set", "spa", "redirect_uris+="+at, "post_logout_redirect_uris+="+at)
	set.Env, set.Dir = d.env, d.dir
	if out, err := set.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	go func() { _ = app.Serve(ln) }()
	t.Cleanup(func() { _ = app.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", "spa.mjs", at+"?issuer="+url.QueryEscape(d.url))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v (make deps installs what it needs)\n%s", err, out)
	}
}
