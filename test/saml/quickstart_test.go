package saml_test

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"html"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"jeton/internal/cli"
)

// TestMain lets the test run itself as the command line: a link named jeton to this
// program is one.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) != "jeton" {
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	dir, err := os.Getwd()
	if err != nil {
		panic(err)
	}
	os.Exit(cli.Run(os.Args[1:], &cli.Env{
		Ctx: ctx, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv, Dir: dir, Now: time.Now,
	}))
}

// commands are the sh blocks of a page.
var commands = regexp.MustCompile("(?ms)^```sh\n(.*?)^```$")

// example is the configuration file of a page.
var example = regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$")

// The page's commands, pasted in their order beside a demo and a real provider. What a
// person does in a browser between them is done here.
func TestTheQuickStartWorksAsItIsWritten(t *testing.T) {
	text, err := os.ReadFile("../../docs/saml.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := commands.FindAllSubmatch(text, -1)
	if len(blocks) != 4 {
		t.Fatalf("%d blocks of commands", len(blocks))
	}
	d := demo(t)
	paste := func(i int) string { return d.paste(t, string(blocks[i][1])) }
	paste(0)

	p := programs[0]
	metadata := run(t, p.command(keys(t, d.work, "jeton-metadata.xml"), "assertion"))
	write(t, filepath.Join(d.work, "idp.xml"), fetch(t, http.MethodGet, metadata, nil))
	world := example.FindSubmatch(text)
	if world == nil {
		t.Fatal("no example of a configuration file")
	}
	write(t, filepath.Join(d.work, "world.yaml"), string(world[1]))
	d.paste(t, "jeton lint world.yaml")
	if list := paste(1); !strings.Contains(list, "Company login") || !strings.Contains(list, metadata) {
		t.Errorf("listed:\n%s", list)
	}
	write(t, filepath.Join(d.work, "response.txt"), d.person(t))
	if tokens := paste(2); !strings.Contains(tokens, `"token_type":"bearer"`) {
		t.Errorf("exchanged: %s", tokens)
	}
	if why := paste(3); !strings.Contains(why, `"error":"invalid_grant"`) || !strings.Contains(why, "assertion id") {
		t.Errorf("explained: %s", why)
	}
}

// keys puts the provider's key and our metadata, as it was downloaded, where the
// provider's program looks for them.
func keys(t *testing.T, work, downloaded string) string {
	t.Helper()
	dir := t.TempDir()
	key, certificate := keyPair(t, "key of the quick start")
	ours, err := os.ReadFile(filepath.Join(work, downloaded))
	if err != nil {
		t.Fatal(err)
	}
	if err := xml.Unmarshal(ours, new(struct{ XMLName xml.Name })); err != nil {
		t.Fatalf("%v in\n%s", err, ours)
	}
	write(t, filepath.Join(dir, "key.pem"), key)
	write(t, filepath.Join(dir, "cert.pem"), certificate)
	write(t, filepath.Join(dir, "sp.xml"), string(ours))
	return dir
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// site is a demo that runs, and the folder its reader works in.
type site struct {
	url, work string
	env       []string
}

func demo(t *testing.T) *site {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(self, filepath.Join(dir, "jeton")); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := ln.Addr().String()
	ln.Close()
	d := &site{url: "http://" + address, work: t.TempDir(), env: []string{"PATH=" + dir + ":" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir, "LC_ALL=C.UTF-8"}}
	cmd := exec.Command(filepath.Join(dir, "jeton"), "demo", "--listen", address)
	var log bytes.Buffer
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = d.env, dir, &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the demo ended badly: %v\n%s", err, log.String())
		}
	})
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		resp, err := http.Get(d.url + "/readyz")
		if err != nil {
			continue
		}
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return d
		}
	}
	t.Fatal("the demo does not answer")
	return nil
}

// paste runs commands in a shell and gives what they print.
func (d *site) paste(t *testing.T, text string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", strings.ReplaceAll(text, "http://127.0.0.1:8420", d.url))
	cmd.Dir, cmd.Env = d.work, d.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, text, out)
	}
	return string(out)
}

var button = regexp.MustCompile(`href="(/login/saml/corp\?[^"]*)"`)

// person signs in with the button and gives the SAMLResponse that the browser posts.
func (d *site) person(t *testing.T) string {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar, Timeout: 30 * time.Second}
	read := func(resp *http.Response, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var b bytes.Buffer
		if _, err := b.ReadFrom(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s %v\n%s", resp.Request.URL, resp.Status, err, b.String())
		}
		return b.String()
	}
	page := read(browser.Get(d.url + "/login"))
	link := button.FindStringSubmatch(page)
	if link == nil {
		t.Fatalf("no button on\n%s", page)
	}
	page = read(browser.Get(d.url + html.UnescapeString(link[1]))) // the provider's
	fields := url.Values{}
	for _, f := range input.FindAllStringSubmatch(page, -1) {
		fields.Set(f[1], html.UnescapeString(f[2]))
	}
	resp, err := browser.PostForm(d.url+"/auth/saml/callback", fields)
	if page := read(resp, err); resp.Request.URL.Path != "/account" {
		t.Fatalf("ended at %s\n%s", resp.Request.URL, page)
	}
	if fields.Get("SAMLResponse") == "" {
		t.Fatal(fmt.Sprint("no SAMLResponse in ", fields))
	}
	return fields.Get("SAMLResponse")
}
