package docs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"jeton/internal/client"
	"jeton/internal/config"
	"jeton/internal/identity/saml/samltest"
	"jeton/internal/jose"
)

// What pages write for the demo's address and for the folder it is kept in.
const (
	pageURL  = "http://127.0.0.1:8420"
	pageData = "/tmp/jeton-demo"
)

// withPerson says in which pages somebody sits before a browser: xdg-open opens a
// page that a person signs in on, and the code in the address they end at is typed.
func withPerson(name string) bool { return strings.HasPrefix(name, "docs/quickstart/") }

// runnable says whose ```sh blocks are run: the pages that are followed beside a
// running demo.
func runnable(name string) bool {
	return name == "README.md" || name == "docs/people.md" || strings.HasPrefix(name, "docs/dialects/") || withPerson(name)
}

// TestCommandsRunAgainstTheDemo pastes every page's ```sh blocks, in their order,
// into one shell beside a demo of its own. A command fails the page when it exits
// with anything but 0, or when its curl is answered with another status than 2xx,
// or than the one a comment at its end names: `curl … # 401`. A ```json block after
// a ```sh block is the answer to its last curl: its members must be those of the
// real one, in their order; … stands for the rest.
func TestCommandsRunAgainstTheDemo(t *testing.T) {
	ran := 0
	for _, p := range pages(t) {
		steps := steps(t, p)
		if len(steps) == 0 {
			continue
		}
		ran++
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			startDemo(t, true).paste(t, p, steps)
		})
	}
	if ran < 7 {
		t.Errorf("only %d pages have commands to run", ran)
	}
}

// step is one command of a page.
type step struct {
	line    int
	text    string
	status  string // of its last curl; "" = 2xx
	answers string // what the page prints as the answer, "" = nothing
}

var expects = regexp.MustCompile(`\s# ([1-5]\d\d)\s*$`)

// steps are the commands of a page.
func steps(t *testing.T, p page) []step {
	t.Helper()
	if !runnable(p.name) {
		return nil
	}
	var out []step
	list, _ := p.blocks()
	for i, b := range list {
		if b.language != "sh" {
			continue
		}
		out = append(out, split(t, b)...)
		if i+1 < len(list) && list[i+1].language == "json" && adjacent(p, b, list[i+1]) {
			out[len(out)-1].answers = list[i+1].text
		}
	}
	return out
}

// adjacent reports whether nothing but empty lines is between two blocks.
func adjacent(p page, a, b block) bool {
	lines := strings.Split(p.text, "\n")
	between := lines[a.line+strings.Count(a.text, "\n") : b.line-2]
	return strings.TrimSpace(strings.Join(between, "")) == ""
}

// split cuts a block into commands: a line, or as many as it takes for the shell to
// see a whole one.
func split(t *testing.T, b block) []step {
	t.Helper()
	var out []step
	text, start := "", b.line
	for i, line := range strings.SplitAfter(b.text, "\n") {
		if text += line; strings.TrimSpace(text) == "" {
			text, start = "", b.line+i+1
			continue
		}
		if !whole(text) {
			continue
		}
		s := step{line: start, text: text}
		if m := expects.FindStringSubmatch(text); m != nil {
			s.status = m[1]
		}
		out = append(out, s)
		text, start = "", b.line+i+1
	}
	if text != "" {
		t.Fatalf("line %d: a command has no end:\n%s", start, text)
	}
	return out
}

func whole(text string) bool {
	if strings.HasSuffix(strings.TrimRight(text, "\n"), `\`) {
		return false
	}
	cmd := exec.Command("bash", "-n")
	cmd.Stdin = strings.NewReader(text)
	out, err := cmd.CombinedOutput()
	return err == nil && len(out) == 0
}

// demo is a running `jeton demo` and the folder its shell starts in.
type demo struct {
	dir  string
	url  string
	env  []string
	stop func() // ends it; what it printed and logged may be read then

	printed, logged bytes.Buffer
}

func (d *demo) data() string { return filepath.Join(d.dir, "data") }

// wrapper is curl, with its status noted and its answer kept.
const wrapper = `#!/bin/bash
body=$(mktemp -p "$NOTES" body.XXXXXX)
%s -sS -o "$body" -w '%%{stderr}%%{http_code}\n' "$@" 2>"$body.err"
code=$?
cat "$body"
cp "$body" "$NOTES/last"
if [ $code -ne 0 ]; then cat "$body.err" >&2; exit $code; fi
tail -n 1 "$body.err" >> "$NOTES/statuses"
`

// startDemo runs a demo until the test ends; kept says that it is kept in a folder.
func startDemo(t *testing.T, kept bool) *demo {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	curl, err := exec.LookPath("curl")
	must(t, err)
	d := &demo{dir: t.TempDir()}
	var more []string
	if kept {
		more = []string{"--data", d.data()}
	}
	for _, name := range []string{"bin", "home", "notes", "work"} {
		must(t, os.Mkdir(filepath.Join(d.dir, name), 0o700))
	}
	must(t, os.Symlink(self, filepath.Join(d.dir, "bin", "jeton")))
	must(t, os.WriteFile(filepath.Join(d.dir, "bin", "curl"), fmt.Appendf(nil, wrapper, curl), 0o700))
	d.env = []string{
		"PATH=" + filepath.Join(d.dir, "bin") + ":" + os.Getenv("PATH"), "HOME=" + filepath.Join(d.dir, "home"),
		"NOTES=" + filepath.Join(d.dir, "notes"), "LC_ALL=C.UTF-8", "TMPDIR=" + d.dir,
	}
	address := freeAddress(t)
	d.url = "http://" + address
	cmd := exec.Command(filepath.Join(d.dir, "bin", "jeton"), append([]string{"demo", "--listen", address}, more...)...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = d.env, d.dir, &d.printed, &d.logged
	must(t, cmd.Start())
	d.stop = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the demo ended badly: %v\n%s%s", err, &d.printed, &d.logged)
		}
	})
	t.Cleanup(d.stop)
	d.wait(t)
	return d
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// freeAddress is a loopback address nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer ln.Close()
	return ln.Addr().String()
}

func (d *demo) wait(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		answer, err := http.Get(d.url + "/readyz")
		if err != nil {
			continue
		}
		answer.Body.Close()
		if answer.StatusCode == http.StatusOK {
			return
		}
	}
	t.Fatal("the demo does not answer")
}

// paste runs the commands in one shell and checks what they were answered.
func (d *demo) paste(t *testing.T, p page, steps []step) {
	t.Helper()
	here := strings.NewReplacer(pageURL, d.url, pageData, d.data())
	script := "set -eo pipefail\n"
	for i, s := range steps {
		script += fmt.Sprintf("%s\necho '= %d' >> \"$NOTES/statuses\"\n[ ! -e \"$NOTES/last\" ] || mv \"$NOTES/last\" \"$NOTES/answer%d\"\n",
			here.Replace(s.text), i, i)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", script)
	cmd.Env, cmd.Dir = d.env, filepath.Join(d.dir, "work")
	if withPerson(p.name) {
		cmd.Stdin = d.person(t)
	}
	out, err := cmd.CombinedOutput()
	noted, _ := os.ReadFile(filepath.Join(d.dir, "notes", "statuses"))
	statuses := perStep(string(noted))
	if err != nil {
		s := steps[min(len(statuses), len(steps)-1)]
		t.Fatalf("%s:%d: %v\n%s\noutput so far:\n%s", p.name, s.line, err, s.text, out)
	}
	for i, s := range steps {
		checkStatuses(t, p, s, statuses[i])
		if s.answers == "" {
			continue
		}
		answer, err := os.ReadFile(filepath.Join(d.dir, "notes", fmt.Sprintf("answer%d", i)))
		if err != nil {
			t.Errorf("%s:%d: an answer is printed and there was none: %v", p.name, s.line, err)
			continue
		}
		checkAnswer(t, p, s, answer)
	}
}

// TestTheReadmeShowsWhatTheDemoPrints: the block under the demo's command, line by
// line and in order, but for what it leaves out (…) and the width of columns.
func TestTheReadmeShowsWhatTheDemoPrints(t *testing.T) {
	d := startDemo(t, false)
	d.stop()
	printed := narrow(strings.ReplaceAll(d.printed.String(), d.url, pageURL))
	for _, p := range pages(t) {
		if p.name != "README.md" {
			continue
		}
		list, _ := p.blocks()
		for _, b := range list {
			shown, ok := strings.CutPrefix(b.text, "$ go run ./cmd/jeton demo\n")
			if !ok {
				continue
			}
			for line := range strings.Lines(narrow(shown)) {
				_, after, found := strings.Cut(printed, line)
				if line == "\n" || line == "…\n" {
					continue
				}
				if !found {
					t.Fatalf("the demo does not print, or not after what is before it: %sbut\n%s", line, &d.printed)
				}
				printed = after
			}
			return
		}
	}
	t.Error("README.md does not show the demo")
}

// narrow makes columns one space apart.
func narrow(s string) string { return regexp.MustCompile(` +`).ReplaceAllString(s, " ") }

// perStep groups the noted statuses by the command that ended after them.
func perStep(noted string) [][]string {
	var out [][]string
	var group []string
	for line := range strings.Lines(noted) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "=") {
			out, group = append(out, group), nil
			continue
		}
		group = append(group, line)
	}
	return out
}

func checkStatuses(t *testing.T, p page, s step, got []string) {
	t.Helper()
	for i, status := range got {
		last := i == len(got)-1
		if want := s.status; last && want != "" && status == want || !(last && want != "") && status[0] == '2' {
			continue
		}
		t.Errorf("%s:%d: answered %s, want %s\n%s", p.name, s.line, status, s.want(last), s.text)
	}
	if s.status != "" && len(got) == 0 {
		t.Errorf("%s:%d: a status is named and nothing was called", p.name, s.line)
	}
}

func (s step) want(last bool) string {
	if last && s.status != "" {
		return s.status
	}
	return "2xx"
}

func checkAnswer(t *testing.T, p page, s step, answer []byte) {
	t.Helper()
	want, whole := members(s.answers)
	got, _ := members(string(answer))
	if len(want) == 0 {
		t.Errorf("%s:%d: the printed answer has no members:\n%s", p.name, s.line, s.answers)
	}
	if !whole && len(got) > len(want) {
		got = got[:len(want)]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s:%d: the answer has other members (-page +server):\n%s", p.name, s.line, diff)
	}
}

// members are the names of a JSON object's members in their order, those of the
// first element for an array. whole is false where … cuts it short.
func members(text string) (names []string, whole bool) {
	text = strings.TrimLeft(strings.TrimSpace(text), "[")
	d := json.NewDecoder(strings.NewReader(text))
	depth, isName := 0, false
	for {
		token, err := d.Token()
		if err != nil {
			return names, errors.Is(err, io.EOF)
		}
		switch x := token.(type) {
		case json.Delim:
			if x == '{' || x == '[' {
				if depth++; depth == 1 {
					isName = true
				}
				continue
			}
			if depth--; depth == 0 {
				return names, true
			}
			isName = depth == 1
		case string:
			if depth == 1 && isName {
				names = append(names, x)
				isName = false
				continue
			}
			isName = depth == 1
		default:
			isName = depth == 1
		}
	}
}

// TestConfigurationExamplesAreRight checks every ```yaml block that is a whole
// configuration file, with files and variables taken to be there.
func TestConfigurationExamplesAreRight(t *testing.T) {
	key, err := jose.Generate(jose.ES256)
	must(t, err)
	public := []byte(jose.MarshalPublicPEM(key.Public))
	provider := samltest.Fixed("https://idp.example").Provider()
	seen := 0
	for _, p := range pages(t) {
		list, _ := p.blocks()
		for _, b := range list {
			if b.language != "yaml" || !strings.HasPrefix(b.text, "version:") {
				continue
			}
			seen++
			_, problems := config.Load(p.name, []byte(b.text), config.Options{
				Getenv: func(string) string { return "a-secret-of-the-environment" },
				ReadMetadata: func([]byte) (client.Provider, error) {
					return client.Provider{EntityID: "https://idp.example", SSO: "https://idp.example/sso", Certificates: provider.Certificates}, nil
				},
				ReadFile: func(name string) ([]byte, error) {
					if strings.HasSuffix(name, ".pub") || strings.HasSuffix(name, ".pem") {
						return public, nil
					}
					return []byte("a-secret-in-a-file\n"), nil
				},
			})
			for _, x := range problems {
				t.Errorf("%s:%d: %s", p.name, b.line, x)
			}
		}
	}
	if seen < 2 {
		t.Errorf("only %d configuration files seen", seen)
	}
}

func TestTheHarnessFindsWhatIsWrong(t *testing.T) {
	b := block{language: "sh", line: 10, text: "one \\\n  two\nA='x\ny'\n\nthree # 401\n"}
	var texts, statuses []string
	var lines []int
	for _, s := range split(t, b) {
		texts, statuses, lines = append(texts, s.text), append(statuses, s.status), append(lines, s.line)
	}
	if diff := cmp.Diff([]string{"one \\\n  two\n", "A='x\ny'\n", "three # 401\n"}, texts); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"", "", "401"}, statuses); diff != "" {
		t.Error(diff)
	}
	if !slices.Equal(lines, []int{10, 12, 15}) {
		t.Errorf("lines %v", lines)
	}
	for text, want := range map[string]string{
		`{"a":"b","c":{"d":["e"]},"f":[1,"g"],"h":null}`: "a c f h true",
		`[{"a":1,"b":"c"},{"z":1}]`:                      "a b true",
		`{"a":1,"b":true,…}`:                             "a b false",
	} {
		names, whole := members(text)
		if got := fmt.Sprint(strings.Join(names, " "), " ", whole); got != want {
			t.Errorf("members of %s: %s, want %s", text, got, want)
		}
	}
	for title, want := range map[string]string{
		"The `--data` folder, and keys": "the---data-folder-and-keys", "[A](b.md) link": "a-link", "RFC 6749 §5.2": "rfc-6749-52",
	} {
		if got := slug(title); got != want {
			t.Errorf("slug of %q is %s, want %s", title, got, want)
		}
	}
}
