package cli

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"
)

// inside runs a command line in this process and returns its output.
func inside(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = Run(args, &Env{
		Ctx: context.Background(), Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs,
		Getenv: func(string) string { return "" }, Dir: t.TempDir(), Now: time.Now,
	})
	return code, out.String(), errs.String()
}

// nodes lists every command, the whole first.
func nodes(t *testing.T) []*kong.Node {
	t.Helper()
	k, err := parser(&Env{Stdout: &bytes.Buffer{}, Stderr: &bytes.Buffer{}})
	if err != nil {
		t.Fatal(err)
	}
	var out []*kong.Node
	var walk func(*kong.Node)
	walk = func(n *kong.Node) {
		out = append(out, n)
		for _, c := range n.Children {
			walk(c)
		}
	}
	walk(k.Model.Node)
	return out
}

func TestHelpOfEveryCommandIsAsItWas(t *testing.T) {
	seen := map[string]bool{}
	for _, n := range nodes(t) {
		path := strings.Fields(fullPath(n))
		code, got, errs := inside(t, append(slices.Clone(path[1:]), "--help")...)
		if code != ExitOK || errs != "" {
			t.Errorf("%s --help: exit %d, %s", fullPath(n), code, errs)
		}
		file := filepath.Join("testdata", "help", strings.Join(path, "-")+".txt")
		seen[file] = true
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		was, err := os.ReadFile(file)
		if err != nil {
			t.Errorf("%v: run with -update", err)
			continue
		}
		if diff := cmp.Diff(string(was), got); diff != "" {
			t.Errorf("%s --help (-was +is):\n%s", fullPath(n), diff)
		}
	}
	files, err := filepath.Glob("testdata/help/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !seen[file] {
			t.Errorf("%s is help of no command", file)
		}
	}
}

func TestEveryCommandHasTwoExamplesAndSaysWhatItDoes(t *testing.T) {
	for _, n := range nodes(t)[1:] {
		x, ok := command(n).(exampler)
		if !ok || len(x.Examples()) < 2 {
			t.Errorf("%s has fewer than two examples", fullPath(n))
			continue
		}
		if !strings.Contains(strings.Join(x.Examples(), "\n"), fullPath(n)) {
			t.Errorf("%s: no example calls it", fullPath(n))
		}
		if !strings.HasSuffix(n.Help, ".") {
			t.Errorf("%s: %q is no sentence", fullPath(n), n.Help)
		}
		for _, f := range n.Flags {
			if f.Name != "help" && !f.Hidden && flagHelp(f) == "" {
				t.Errorf("%s --%s is not explained", fullPath(n), f.Name)
			}
		}
	}
}

// TestSecretsAreNoArguments: what is on a command line can be read by every user of
// the machine and stays in the shell's history.
func TestSecretsAreNoArguments(t *testing.T) {
	for _, n := range nodes(t) {
		for _, f := range n.Flags {
			name := strings.ToLower(f.Name)
			if f.IsBool() || strings.HasSuffix(name, "-file") {
				continue
			}
			if strings.Contains(name, "password") || strings.Contains(name, "secret") {
				t.Errorf("%s --%s takes a secret as an argument", fullPath(n), f.Name)
			}
		}
	}
}

func TestHelpFitsTheWidthOfATerminal(t *testing.T) {
	for _, n := range nodes(t) {
		path := strings.Fields(fullPath(n))
		_, got, _ := inside(t, append(slices.Clone(path[1:]), "--help")...)
		for _, line := range strings.Split(got, "\n") {
			if len([]rune(line)) > width+40 {
				t.Errorf("%s: a line of %d columns: %s", fullPath(n), len([]rune(line)), line)
			}
		}
	}
}

func TestBashCompletesCommandsAndFlags(t *testing.T) {
	_, script, _ := inside(t, "completion", "bash")
	for words, want := range map[string]string{
		"jeton hea": "healthcheck", "jeton admin cr": "create", "jeton serve --tls-": "--tls-cert --tls-key", "jeton completion b": "bash",
	} {
		list := strings.Fields(words)
		call := script + "\nCOMP_WORDS=(" + words + ") COMP_CWORD=" + strconv.Itoa(len(list)-1) + "; _jeton; echo ${COMPREPLY[@]}"
		out, err := exec.Command("bash", "-c", call).CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != want {
			t.Errorf("%s: got %s, %v, want %s", words, out, err, want)
		}
	}
}

func TestCompletionKnowsEveryCommandAndParses(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		code, got, errs := inside(t, "completion", shell)
		if code != ExitOK {
			t.Fatalf("%s: exit %d, %s", shell, code, errs)
		}
		for _, n := range nodes(t) {
			if !strings.Contains(got, fullPath(n)) {
				t.Errorf("%s does not know %s", shell, fullPath(n))
			}
		}
	}
}
