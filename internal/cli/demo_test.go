package cli

import (
	"bufio"
	"bytes"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// child is a server started as a process of its own.
type child struct {
	t      *testing.T
	home   string
	cmd    *exec.Cmd
	out    *lines
	errs   *bytes.Buffer
	begun  time.Time
	exited chan error
}

// lines collects what a process prints and lets a test wait for a line.
type lines struct {
	text []string
	more chan string
}

func environment(home string) []string {
	return []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "TMPDIR=" + home}
}

// begin starts `jeton args…` with home as its home folder. The binary is this test's
// own, found in PATH.
func begin(t *testing.T, home string, args ...string) *child {
	t.Helper()
	c := &child{t: t, home: home, errs: &bytes.Buffer{}, out: &lines{more: make(chan string, 100)}, begun: time.Now(), exited: make(chan error, 1)}
	c.cmd = exec.Command("jeton", args...)
	c.cmd.Env, c.cmd.Dir, c.cmd.Stderr = environment(home), home, c.errs
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		for s := bufio.NewScanner(out); s.Scan(); {
			c.out.more <- s.Text()
		}
		close(c.out.more)
		c.exited <- c.cmd.Wait()
	}()
	t.Cleanup(func() {
		if c.cmd.ProcessState == nil {
			_ = c.cmd.Process.Kill()
		}
	})
	return c
}

// until collects output up to the line that holds text.
func (c *child) until(text string) []string {
	c.t.Helper()
	late := time.After(20 * time.Second)
	for {
		select {
		case line, ok := <-c.out.more:
			if !ok {
				<-c.exited
				c.t.Fatalf("it ended before it printed %q:\n%s\n%s", text, strings.Join(c.out.text, "\n"), c.errs)
			}
			c.out.text = append(c.out.text, line)
			if strings.Contains(line, text) {
				return c.out.text
			}
		case <-late:
			c.t.Fatalf("it never printed %q:\n%s", text, strings.Join(c.out.text, "\n"))
		}
	}
}

// end asks the process to finish and returns its exit code.
func (c *child) end(sig os.Signal) int {
	c.t.Helper()
	if err := c.cmd.Process.Signal(sig); err != nil {
		c.t.Fatal(err)
	}
	go func() {
		for range c.out.more {
		}
	}()
	select {
	case <-c.exited:
	case <-time.After(20 * time.Second):
		c.t.Fatalf("it did not end:\n%s", c.errs)
	}
	return c.cmd.ProcessState.ExitCode()
}

// address is a free port of this machine.
func address(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// paste runs a line as somebody who pastes it into a shell would; the answer must
// have a status of 2xx.
func paste(t *testing.T, home, line string) string {
	t.Helper()
	call := exec.Command("bash", "-c", strings.Replace(line, "curl ", "curl --fail-with-body -sS ", 1))
	call.Env, call.Dir = environment(home), home
	out, err := call.CombinedOutput()
	if err != nil {
		t.Errorf("%s\n%v: %s", line, err, out)
	}
	return string(out)
}

func TestEveryCallTheDemoPrintsWorksWhenPasted(t *testing.T) {
	home := t.TempDir()
	addr := address(t)
	c := begin(t, home, "demo", "--listen", addr)
	printed := c.until("Ctrl-C")
	var took time.Duration
	calls := 0
	for i, line := range printed {
		if !strings.HasPrefix(line, "curl ") {
			continue
		}
		calls++
		answer := paste(t, home, line)
		if took == 0 {
			took = time.Since(c.begun)
		}
		want := []string{`"access_token"`, `"Token"`, `"active":true`}
		if !strings.Contains(answer, want[0]) && !strings.Contains(answer, want[1]) && !strings.Contains(answer, want[2]) {
			t.Errorf("%s\n%s\nanswers no token: %s", printed[i-1], line, answer)
		}
	}
	if calls < 8 {
		t.Errorf("%d calls are printed, want 8 or more:\n%s", calls, strings.Join(printed, "\n"))
	}
	t.Logf("from the start to the first token: %s", took)
	if took > 5*time.Second {
		t.Errorf("the first token took %s", took)
	}
	opened := 0
	for _, line := range printed {
		if _, to, found := strings.Cut(line, "  http://"); found && !strings.HasPrefix(line, "jeton ") {
			opened++
			page := paste(t, home, "curl -L 'http://"+to+"'")
			if !strings.Contains(page, `autocomplete="current-password"`) && !strings.Contains(page, `autocomplete="username`) {
				t.Errorf("%s\nis no page to sign in on:\n%s", line, page)
			}
		}
	}
	if opened < 2 {
		t.Errorf("%d pages to open are printed:\n%s", opened, strings.Join(printed, "\n"))
	}
	for _, line := range printed { // a second time too: no assertion is used up
		if strings.Contains(line, "assertion@") && strings.HasPrefix(line, "curl ") {
			paste(t, home, line)
		}
	}
	if code := c.end(syscall.SIGTERM); code != ExitOK {
		t.Errorf("exit code %d\n%s", code, c.errs)
	}
	left, err := filepath.Glob(filepath.Join(home, "jeton-demo-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	if _, err := os.Stat(filepath.Join(home, ".cache", "jeton", "demo")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the word where the demo is was left behind: %v", err)
	}
}

func TestTheDemosFilesAreItsOwnersAlone(t *testing.T) {
	home := t.TempDir()
	data := filepath.Join(home, "kept")
	c := begin(t, home, "demo", "--listen", address(t), "--data", data)
	c.until("Ctrl-C")
	private := func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %04o", path, info.Mode().Perm())
		}
		return nil
	}
	if err := filepath.WalkDir(data, private); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"jeton.db", "kek", "admin.sock", "demo/ada.pem", "demo/ada.pub", "demo/ada.jwt", "demo/global.pem", "demo/global.pub", "demo/global.jwt"} {
		if _, err := os.Stat(filepath.Join(data, name)); err != nil {
			t.Error(err)
		}
	}
	word, err := os.ReadFile(filepath.Join(home, ".cache", "jeton", "demo"))
	if err != nil || strings.TrimSpace(string(word)) != data {
		t.Errorf("the word where the demo is: %q, %v", word, err)
	}
	c.end(os.Interrupt)
}

func TestAKilledDemoStartsAgain(t *testing.T) {
	home := t.TempDir()
	data, addr := filepath.Join(home, "kept"), address(t)
	c := begin(t, home, "demo", "--listen", addr, "--data", data)
	c.until("Ctrl-C")
	c.end(syscall.SIGKILL)
	again := begin(t, home, "demo", "--listen", addr, "--data", data)
	for _, line := range again.until("Ctrl-C") {
		if strings.HasPrefix(line, "curl ") {
			paste(t, home, line)
		}
	}
	if code := again.end(syscall.SIGTERM); code != ExitOK {
		t.Errorf("exit code %d\n%s", code, again.errs)
	}
}

func TestAPathIsQuotedForTheShell(t *testing.T) {
	for _, path := range []string{"/tmp/a", "/tmp/with space", "/tmp/it's", "/tmp/$HOME`x`"} {
		out, err := exec.Command("bash", "-c", "printf %s "+quoted(path)).Output()
		if err != nil || string(out) != path {
			t.Errorf("%q became %q, %v", path, out, err)
		}
	}
}
