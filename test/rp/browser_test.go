package rp_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// chromium is the browser of all tests, started by the first and ended by TestMain.
// node/drive.mjs says what it understands.
type chromium struct {
	home   string
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	people atomic.Int32
}

// page is what a browser shows, and how it came there.
type page struct {
	URL, Heading, Text, Error string
	Status                    int
	Found                     []string // what was wrong with pages on the way
	Trail                     []document
}

// document is one page that was asked for.
type document struct {
	Method, URL, Form, Referer, Origin, Site, Policy string
	Status                                           int
}

func (d document) String() string {
	return fmt.Sprintf("%d %s %s", d.Status, d.Method, d.URL)
}

func startChromium() (*chromium, error) {
	home, err := os.MkdirTemp("", "jeton-rp-")
	if err != nil {
		return nil, err
	}
	c := &chromium{home: home, cmd: exec.Command("node", "drive.mjs")}
	c.cmd.Dir, c.cmd.Stderr = "node", os.Stderr
	c.cmd.Env = append(os.Environ(), "HOME="+home, "TMPDIR="+home)
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.out = bufio.NewReader(out)
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("node: %w (make deps installs what is needed)", err)
	}
	if p, err := c.answer(); err != nil || p.Text != "ready" {
		return c, fmt.Errorf("chromium did not start: %v %+v (make deps installs what is needed)", err, p)
	}
	return c, nil
}

// end ends the browser; what it leaves running is an error.
func (c *chromium) end() error {
	c.in.Close()
	late := time.AfterFunc(20*time.Second, func() { _ = c.cmd.Process.Kill() })
	err := c.cmd.Wait()
	late.Stop()
	if left := running(c.home); len(left) > 0 {
		err = fmt.Errorf("the browser has ended and still runs %q: %v", left, err)
	}
	_ = os.RemoveAll(c.home)
	return err
}

func (c *chromium) answer() (page, error) {
	var p page
	line, err := c.out.ReadBytes('\n')
	if err != nil {
		return p, fmt.Errorf("the browser is gone: %w", err)
	}
	return p, json.Unmarshal(line, &p)
}

func (c *chromium) say(command map[string]any) (page, error) {
	line, err := json.Marshal(command)
	if err != nil {
		return page{}, err
	}
	if _, err := c.in.Write(append(line, '\n')); err != nil {
		return page{}, fmt.Errorf("the browser is gone: %w", err)
	}
	return c.answer()
}

// person is somebody with a browser whose cookies are new.
type person struct {
	*testing.T
	page
	who   string
	jeton *jeton
	tests *chromium
}

// person opens a browser. Pages may ask the server and these parties, nobody else.
func (j *jeton) person(t *testing.T, parties ...string) *person {
	t.Helper()
	c := theBrowser(t)
	p := &person{T: t, who: fmt.Sprint(c.people.Add(1)), jeton: j, tests: c}
	for _, at := range append(parties, j.URL) {
		p.command("allow", "host", hostOf(t, at))
	}
	p.command("visitor")
	t.Cleanup(func() { p.command("close") })
	return p
}

func (p *person) command(do string, pairs ...any) page {
	p.Helper()
	command := map[string]any{"do": do, "who": p.who}
	for i := 0; i+1 < len(pairs); i += 2 {
		command[pairs[i].(string)] = pairs[i+1]
	}
	got, err := p.tests.say(command)
	if err != nil {
		p.Fatal(err)
	}
	if got.Error != "" {
		p.Fatalf("%s %q: %s\n%s", do, pairs, got.Error, got)
	}
	return got
}

func (p page) String() string {
	var b strings.Builder
	for _, d := range p.Trail {
		fmt.Fprintln(&b, d)
	}
	fmt.Fprintf(&b, "shown: %s\n%s", p.URL, p.Text)
	return b.String()
}

// go does something that leads to a page, and looks at how the browser came there:
// nothing stopped by a policy, no error in a script, no host asked that has no part in
// it, and no address of ours told to anybody else.
func (p *person) walk(do string, pairs ...any) {
	p.Helper()
	p.page = p.command(do, pairs...)
	for _, f := range p.Found {
		p.Errorf("on the way to %s: %s", p.URL, f)
	}
	for _, d := range p.Trail {
		if !strings.HasPrefix(d.URL, p.jeton.URL) && strings.HasPrefix(d.Referer, p.jeton.URL) {
			p.Errorf("%s learned where it was come from: %s", d.URL, d.Referer)
		}
	}
	if p.Failed() {
		p.FailNow()
	}
}

func (p *person) open(at string)     { p.Helper(); p.walk("open", "url", at) }
func (p *person) press(label string) { p.Helper(); p.walk("press", "label", label) }

// signIn fills in our sign-in page, which must be there and say who asks.
func (p *person) signIn() {
	p.Helper()
	p.wants("Sign in", clientName)
	p.prove()
}

// signInAgain fills in the page that asks a person who is known.
func (p *person) signInAgain() {
	p.Helper()
	if !strings.HasPrefix(p.URL, p.jeton.URL+"/login") {
		p.Fatalf("not asked to sign in again\n%s", p.page)
	}
	p.prove()
}

func (p *person) prove() {
	p.Helper()
	p.command("fill", "label", "Username or email", "text", "ada")
	p.command("fill", "label", "Password", "text", password)
	p.press("Sign in")
}

// allow answers our consent page, which must be there.
func (p *person) allow() {
	p.Helper()
	p.wants("Allow "+clientName+" to use your account?", "It will be able to")
	p.press("Allow")
}

// wants demands a page of ours.
func (p *person) wants(heading, text string) {
	p.Helper()
	if !strings.HasPrefix(p.URL, p.jeton.URL+"/") || p.Heading != heading || !strings.Contains(p.Text, text) {
		p.Fatalf("want our page %q with %q\n%s", heading, text, p.page)
	}
}

// at demands that the browser is at an address, whatever follows it.
func (p *person) at(address string) {
	p.Helper()
	if !strings.HasPrefix(p.URL, address) {
		p.Fatalf("want to be at %s\n%s", address, p.page)
	}
}

// asked is the documents of the last way whose address begins so.
func (p page) asked(address string) (some []document) {
	for _, d := range p.Trail {
		if strings.HasPrefix(d.URL, address) {
			some = append(some, d)
		}
	}
	return some
}

// pages of ours that were seen on the last way, beside those a person does not wait at.
func (p *person) ourPages() (some []string) {
	for _, d := range p.asked(p.jeton.URL) {
		if d.Status == 200 && !strings.HasPrefix(d.URL, p.jeton.URL+"/continue") {
			some = append(some, d.String())
		}
	}
	return some
}

// json reads a page that is a JSON text.
func (p *person) json(into any) {
	p.Helper()
	if err := json.Unmarshal([]byte(p.Text), into); err != nil {
		p.Fatalf("%v\n%s", err, p.page)
	}
}

func hostOf(t *testing.T, at string) string {
	t.Helper()
	u, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}
