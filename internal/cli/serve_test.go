package cli

import (
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// tool runs a jeton command beside a server and returns its output.
func tool(t *testing.T, home, stdin string, args ...string) (code int, out string) {
	t.Helper()
	cmd := exec.Command("jeton", args...)
	cmd.Env, cmd.Dir, cmd.Stdin = environment(home), home, strings.NewReader(stdin)
	b, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(b)
}

const password = "correct horse battery"

func TestAFirstStartPrintsTheLinkAndASecondDoesNot(t *testing.T) {
	home, addr := t.TempDir(), address(t)
	c := begin(t, home, "serve", "--listen", addr)
	got := strings.Join(c.until("just looking"), "\n")
	link := strings.Split(got[strings.Index(got, "http://"+addr+"/setup/"):], "\n")[0]
	want := "jeton " + version + "   embedded database ~/.local/share/jeton/jeton.db (new)   http://" + addr + `

  Create the first administrator (works once, 30 minutes):
    ` + link + `

  or without a browser   jeton admin create ada --password-stdin
  lost this link         jeton setup-link
  just looking           jeton demo`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if code, out := tool(t, home, "", "setup-link"); code != ExitOK || !strings.HasPrefix(out, "http://"+addr+"/setup/") {
		t.Errorf("setup-link: exit %d, %s", code, out)
	}
	if code, out := tool(t, home, password+"\n", "admin", "create", "ada", "--password-stdin"); code != ExitOK {
		t.Errorf("admin create: exit %d, %s", code, out)
	}
	if code, out := tool(t, home, "", "setup-link"); code != ExitConflict {
		t.Errorf("setup-link when there is an administrator: exit %d, %s", code, out)
	}
	answer, err := http.Get(link)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusNotFound {
		t.Errorf("the link when there is an administrator: %s", answer.Status)
	}
	if code := c.end(syscall.SIGTERM); code != ExitOK {
		t.Errorf("exit code %d\n%s", code, c.errs)
	}
	for _, secret := range []string{link[strings.LastIndex(link, "/")+1:], password} {
		if strings.Contains(c.errs.String(), secret) {
			t.Errorf("%q is in the log", secret)
		}
	}

	again := begin(t, home, "serve", "--listen", addr)
	if got := again.until("jeton.db"); len(got) != 1 || strings.Contains(got[0], "(new)") {
		t.Errorf("a second start prints %q", got)
	}
	if code, out := tool(t, home, "", "healthcheck", "--listen", addr); code != ExitOK || out != "ok\n" {
		t.Errorf("healthcheck: exit %d, %s", code, out)
	}
	again.end(syscall.SIGTERM)
	if strings.Contains(strings.Join(again.out.text, "\n"), "setup") {
		t.Errorf("a second start prints a link: %q", again.out.text)
	}
}

func TestTheServersOwnCertificateIsGoodForCurl(t *testing.T) {
	home, addr := t.TempDir(), address(t)
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	c := begin(t, home, "serve", "--listen", "0.0.0.0:"+port, "--tls", "self-signed", "--public-url", "https://localhost:"+port)
	printed := strings.Join(c.until("just looking"), "\n")
	code, path := tool(t, home, "", "ca")
	if code != ExitOK {
		t.Fatalf("ca: exit %d, %s", code, path)
	}
	out, err := exec.Command("curl", "-sS", "--fail-with-body", "--cacert", strings.TrimSpace(path), "https://localhost:"+port+"/healthz").CombinedOutput()
	if err != nil || string(out) != "ok\n" {
		t.Errorf("curl --cacert: %v, %s", err, out)
	}
	finger, err := exec.Command("openssl", "x509", "-in", strings.TrimSpace(path), "-noout", "-fingerprint", "-sha256").Output()
	if err != nil {
		t.Fatal(err)
	}
	_, hex, _ := strings.Cut(strings.TrimSpace(string(finger)), "=")
	if !strings.Contains(printed, hex) {
		t.Errorf("the start does not show the fingerprint %s:\n%s", hex, printed)
	}
	if code, out := tool(t, home, "", "healthcheck", "--listen", "0.0.0.0:"+port, "--tls", "self-signed"); code != ExitOK {
		t.Errorf("healthcheck: exit %d, %s", code, out)
	}
	c.end(syscall.SIGTERM)
}

func TestATakenPortNamesItsHolderAndAnotherPort(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, err = listen(context.Background(), ln.Addr().String(), "jeton serve")
	e := exitOf(err)
	if !strings.Contains(e.Text, "is taken by") || !strings.HasPrefix(e.Next, "jeton serve --listen 127.0.0.1:") || e.Code != ExitFailed {
		t.Errorf("got %+v", e)
	}
}

func TestASecondServerOnTheSameFolderIsRefused(t *testing.T) {
	home := t.TempDir()
	c := begin(t, home, "serve", "--listen", address(t))
	c.until("just looking")
	code, out := tool(t, home, "", "serve", "--listen", address(t))
	if code != ExitFailed || !strings.Contains(out, "another server uses the data folder") {
		t.Errorf("exit %d, %s", code, out)
	}
	c.end(syscall.SIGTERM)
}

func TestAKilledServerStartsAgain(t *testing.T) {
	home, addr := t.TempDir(), address(t)
	c := begin(t, home, "serve", "--listen", addr)
	c.until("just looking")
	c.end(syscall.SIGKILL)
	again := begin(t, home, "serve", "--listen", addr)
	again.until("just looking")
	if code := again.end(syscall.SIGTERM); code != ExitOK {
		t.Errorf("exit code %d\n%s", code, again.errs)
	}
}

// leak-03: whatever is printed of a start names the database without its password.
func TestLeak03ADatabasePasswordIsMaskedEverywhere(t *testing.T) {
	home := t.TempDir()
	secret := filepath.Join(home, "dsn")
	for i, dsn := range []string{
		"postgres://jeton:hunter2@127.0.0.1:1/jeton?sslmode=disable",
		"postgres://jeton@127.0.0.1:1/jeton?password=hunter2",
		"postgres://jeton:hunter2%zz@127.0.0.1:1/jeton",
		"postgresql://jeton:hunter2@127.0.0.1:bad/jeton",
	} {
		if err := os.WriteFile(secret, []byte(dsn+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, arg := range [][]string{{"--database", dsn}, nil} {
			cmd := exec.Command("jeton", append([]string{"serve", "--listen", "127.0.0.1:0", "--log-level", "debug"}, arg...)...)
			cmd.Env, cmd.Dir = environment(home), home
			if arg == nil {
				cmd.Env = append(cmd.Env, "JETON_DATABASE_FILE="+secret)
			}
			out, err := cmd.CombinedOutput()
			if err == nil {
				t.Fatalf("%d: it opened a database that is not there", i)
			}
			if strings.Contains(string(out), "hunter2") {
				t.Errorf("%d: the password is shown:\n%s", i, out)
			}
			if warned := strings.Contains(string(out), "stands in the arguments"); warned != (arg != nil) {
				t.Errorf("%d: warned of the argument %v:\n%s", i, warned, out)
			}
		}
	}
}

// leak-04: what is kept is its owner's alone, and a start is refused when it is not.
func TestLeak04FilesAreTheirOwnersAloneOrTheStartIsRefused(t *testing.T) {
	home := t.TempDir()
	c := begin(t, home, "serve", "--listen", "127.0.0.1:0", "--tls", "self-signed")
	c.until("just looking")
	c.end(syscall.SIGTERM)
	data := filepath.Join(home, ".local", "share", "jeton")
	for _, x := range []struct {
		path string
		mode os.FileMode
	}{
		{data, 0o700},
		{filepath.Join(data, "jeton.db"), 0o600},
		{filepath.Join(data, "tls", "ca.key"), 0o600},
		{filepath.Join(home, ".config", "jeton", "kek"), 0o600},
	} {
		info, err := os.Stat(x.path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != x.mode {
			t.Errorf("%s has mode %04o, want %04o", x.path, info.Mode().Perm(), x.mode)
		}
		for _, wider := range []os.FileMode{x.mode | 0o040, x.mode | 0o004} {
			if err := os.Chmod(x.path, wider); err != nil {
				t.Fatal(err)
			}
			code, out := tool(t, home, "", "serve", "--listen", "127.0.0.1:0", "--tls", "self-signed")
			if code != ExitFailed || !strings.Contains(out, "error: ") || !strings.Contains(out, "chmod ") {
				t.Errorf("%s with mode %04o: exit %d, %s", x.path, wider, code, out)
			}
		}
		if err := os.Chmod(x.path, x.mode); err != nil {
			t.Fatal(err)
		}
	}
}

func TestThePublicURLTypedAtSetupCountsFromTheNextStart(t *testing.T) {
	home, addr := t.TempDir(), address(t)
	c := begin(t, home, "serve", "--listen", addr)
	printed := c.until("just looking")
	jar := filepath.Join(home, "jar")
	page := paste(t, home, "curl -L -c "+jar+" "+strings.TrimSpace(printed[3]))
	_, rest, ok := strings.Cut(page, `name="token" value="`)
	if !ok {
		t.Fatal(page)
	}
	token, _, _ := strings.Cut(rest, `"`)
	paste(t, home, "curl -b "+jar+" http://"+addr+"/setup -d token="+token+" -d name=ada -d email=ada@example.com"+
		" --data-urlencode password='"+password+"' -d public_url=https://login.example.com")
	c.end(syscall.SIGTERM)
	again := begin(t, home, "serve", "--listen", addr)
	if got := again.until("jeton.db")[0]; !strings.HasSuffix(got, "https://login.example.com") {
		t.Errorf("got %q", got)
	}
	issuer := paste(t, home, "curl http://"+addr+"/.well-known/openid-configuration")
	if !strings.Contains(issuer, `"issuer":"https://login.example.com"`) {
		t.Errorf("discovery: %s", issuer)
	}
	again.end(syscall.SIGTERM)
	fixed := begin(t, home, "serve", "--listen", addr, "--public-url", "https://sso.example.com")
	if got := fixed.until("jeton.db")[0]; !strings.HasSuffix(got, "https://sso.example.com") {
		t.Errorf("a flag goes before it: got %q", got)
	}
	fixed.end(syscall.SIGTERM)
}

func TestASecondSignalQuits(t *testing.T) {
	home, addr := t.TempDir(), address(t)
	c := begin(t, home, "serve", "--listen", addr)
	c.until("just looking")
	slow, err := net.Dial("tcp", addr) // a request under way, whose body never comes
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	if _, err := slow.Write([]byte("POST /oauth2/token HTTP/1.1\r\nHost: " + addr + "\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 9\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond)
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	time.Sleep(300 * time.Millisecond)
	begun := time.Now()
	if code := c.end(syscall.SIGTERM); code == ExitOK || time.Since(begun) > 5*time.Second {
		t.Errorf("exit code %d after %s", code, time.Since(begun))
	}
}
