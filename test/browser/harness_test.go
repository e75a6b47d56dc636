package browser_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"jeton/internal/cli"
	"jeton/internal/server"
	"jeton/internal/servertest"
)

// TestMain lets the test binary be the command jeton too: a child of itself.
func TestMain(m *testing.M) {
	if os.Getenv("JETON_BROWSER_CHILD") == "" {
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() { // the test is gone when its end of the pipe is
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	dir, err := os.Getwd()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(cli.Run(os.Args[1:], &cli.Env{
		Ctx: ctx, Stdin: strings.NewReader(""), Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv, Dir: dir, Now: time.Now,
	}))
}

// serve runs `jeton serve` on an empty folder until the test ends and returns its
// address and the path of the setup link it printed. It believes X-Forwarded-For of
// this machine.
func serve(t *testing.T) (base, link string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	cmd := exec.CommandContext(t.Context(), self, "serve", "--listen", "127.0.0.1:0", "--behind-proxy", "127.0.0.1/32")
	cmd.Env = []string{"JETON_BROWSER_CHILD=1", "HOME=" + home, "PATH=" + os.Getenv("PATH")}
	cmd.Dir = home
	var log bytes.Buffer
	cmd.Stderr = &log
	printed, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	run(t, cmd)
	for lines := bufio.NewScanner(printed); lines.Scan(); {
		if at := strings.TrimSpace(lines.Text()); strings.Contains(at, "/setup/") {
			u, err := url.Parse(at)
			if err != nil {
				t.Fatal(err)
			}
			go func() { _, _ = io.Copy(io.Discard, printed) }()
			return "http://localhost:" + u.Port(), u.Path
		}
	}
	t.Fatalf("jeton serve printed no setup link\n%s", log.String())
	return "", ""
}

// run starts a command with a standard input that ends with the test, and ends the
// command then.
func run(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v (make deps installs what the journeys need)", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
}

// site runs a server of this process with the pages for people, by the real clock,
// at the address it returns. It is reached as localhost: relying parties at
// 127.0.0.1 are other sites, as they are in real life. What then does with the server
// comes before.
func site(t *testing.T, o servertest.Options, then ...func(*servertest.Server)) string {
	t.Helper()
	o.Real = true
	change := o.Change
	o.Change = func(c *server.Config) {
		c.PublicURL = ""
		if change != nil {
			change(c)
		}
	}
	server := servertest.Start(t, o)
	for _, f := range then {
		f(server)
	}
	s := httptest.NewServer(server.Site(false, false))
	t.Cleanup(s.Close)
	return strings.Replace(s.URL, "127.0.0.1", "localhost", 1)
}

// line is one of a journey's report; report.mjs describes them.
type line struct {
	Kind, Cell, Page string
	Rule, Text       string // of a finding

	// Of a step and of the end: what it took, in ms.
	MS int
	// Of a measure: ms since the navigation began, bytes over the network.
	Read, Painted, Usable, Bytes, Requests int
}

func (l line) String() string {
	return fmt.Sprintf("%s, page %s: %s: %s", l.Cell, l.Page, l.Rule, l.Text)
}

type report []line

func (r report) of(kind string) (some []line) {
	for _, l := range r {
		if l.Kind == kind {
			some = append(some, l)
		}
	}
	return some
}

// parse reads a report and refuses one that proves nothing.
func parse(output []byte) (report, error) {
	var r report
	for text := range bytes.Lines(output) {
		var l line
		if err := json.Unmarshal(text, &l); err != nil {
			return r, fmt.Errorf("not a report: %q: %w", text, err)
		}
		r = append(r, l)
	}
	switch {
	case len(r.of("end")) != 1:
		return r, errors.New("the report has no end")
	case len(r.of("step")) == 0:
		return r, errors.New("no page was looked at")
	}
	return r, nil
}

// walk runs the journey of a name (journeys/NAME.mjs) against the server at base.
// Each of its findings is an error of the test.
func walk(t *testing.T, name, base string, options any, sockets ...*os.File) report {
	t.Helper()
	r := start(t, name, base, options, sockets...)
	for _, l := range r.of("finding") {
		t.Error(l)
	}
	for _, m := range r.of("measure") {
		t.Logf("%s on a slow phone: painted after %d ms, usable after %d ms, %d bytes in %d requests", m.Page, m.Painted, m.Usable, m.Bytes, m.Requests)
	}
	return r
}

// start runs a journey and returns its report. It finds sockets open under the numbers
// 3, 4 … Everything it leaves behind goes with the test; a browser that outlives it is
// an error.
func start(t *testing.T, name, base string, options any, sockets ...*os.File) report {
	t.Helper()
	settings, err := json.Marshal(map[string]any{"base": base, "options": options})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	home, err := os.MkdirTemp("", "jeton") // a browser's sockets are there: their paths must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	cmd := exec.CommandContext(ctx, "node", filepath.Join("journeys", name+".mjs"))
	cmd.Env = append(os.Environ(), "JETON_JOURNEY="+string(settings), "JETON_SHOTS="+shots(t), "HOME="+home, "TMPDIR="+home)
	cmd.ExtraFiles = sockets
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	run(t, cmd)
	err = cmd.Wait()
	r, problem := parse(out.Bytes())
	if err != nil || problem != nil {
		t.Fatalf("journey %s: %v; %v (make deps installs what it needs)\n%s%s", name, err, problem, out.String(), log.String())
	}
	for _, process := range left(t, home) {
		t.Errorf("journey %s is over and still runs %s", name, process)
	}
	t.Logf("journey %s: %d pages in %d ms", name, len(r.of("step")), r.of("end")[0].MS)
	return r
}

// shots is where pictures of pages go: JETON_SHOTS, or a folder that goes with the test.
func shots(t *testing.T) string {
	t.Helper()
	folder := os.Getenv("JETON_SHOTS")
	if folder == "" {
		return t.TempDir()
	}
	folder, err := filepath.Abs(folder)
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

// left finds processes that were started with a profile in a folder.
func left(t *testing.T, folder string) (some []string) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		command, err := os.ReadFile(file) // not there: it has ended meanwhile
		if err == nil && bytes.Contains(command, []byte(folder)) {
			some = append(some, string(bytes.ReplaceAll(command, []byte{0}, []byte{' '})))
		}
	}
	return some
}
