package cli

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"jeton/internal/servertest"
)

// at runs a command line against a server on a data folder.
func at(t *testing.T, s *servertest.Server, data, in string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = Run(args, &Env{
		Ctx: context.Background(), Stdin: strings.NewReader(in), Stdout: &out, Stderr: &errs, Dir: data, Now: s.Clock.Now,
		Getenv: func(name string) string {
			return map[string]string{"HOME": data, "JETON_DATA": data}[name]
		},
	})
	return code, out.String(), errs.String()
}

// serverIn is a demo world on a data folder with a path short enough for a socket.
func serverIn(t *testing.T) (*servertest.Server, string) {
	t.Helper()
	data, err := os.MkdirTemp("", "jeton")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(data) })
	s, err := host(t, data)
	if err != nil {
		t.Fatal(err)
	}
	return s, data
}

var errorID = regexp.MustCompile(`jeton explain ([0-9A-Z]{13})`)

func TestARefusalIsExplainedCheckByCheck(t *testing.T) {
	s, data := serverIn(t)
	for _, x := range []struct {
		in   string
		args []string
		want []string // each begins a line of the explanation
	}{
		{"wrong\n", []string{"token", "faspex", "-u", "sam", "--password-stdin"}, []string{
			"refused   bad_password   POST /aspera/faspex/auth/oauth2/token   2026-01-02 03:04:05Z", "  ok  ", "  no  password another (wanted: the user's password)",
		}},
		{"wrong\n", []string{"token", "oidc", "--client", "batch", "--secret-stdin"}, []string{"refused   invalid_client   POST /oauth2/token", "  no  "}},
		{"", []string{"client", "create", "web", "--kind", "oidc", "--redirect-uri", "http://web.example/cb"}, []string{
			"refused   invalid_value   POST /admin/v1/clients   2026-01-02 03:04:05Z   by local   (shown to it: \"",
		}},
	} {
		_, _, stderr := at(t, s, data, x.in, x.args...)
		id := errorID.FindStringSubmatch(stderr)
		if id == nil {
			t.Fatalf("%v: no error id in %q", x.args, stderr)
		}
		code, got, stderr := at(t, s, data, "", "explain", strings.ToLower(id[1]))
		if code != ExitOK || stderr != "" {
			t.Errorf("explain: exit %d, %s", code, stderr)
		}
		rest := "\n" + got
		for _, line := range x.want {
			_, after, found := strings.Cut(rest, "\n"+line)
			if !found {
				t.Errorf("%v: no line %q in\n%s", x.args, line, got)
				break
			}
			rest = after
		}
		if strings.Contains(got, "wrong") {
			t.Errorf("%v: the explanation shows a secret:\n%s", x.args, got)
		}
		if code, got, _ := at(t, s, data, id[1], "explain", "-", "-o", "json"); code != ExitOK || !strings.Contains(got, `"outcome": "refused"`) {
			t.Errorf("as JSON: exit %d, %s", code, got)
		}
	}
}

func TestAProfileOthersMayReadIsRefused(t *testing.T) {
	s, data := serverIn(t)
	if code, _, stderr := at(t, s, data, "", "token", "oidc"); code != ExitOK {
		t.Fatal(stderr)
	}
	path := filepath.Join(data, ".local", "state", "jeton", "profiles", "oidc.json")
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := at(t, s, data, "", "token", "show", "@oidc"); code != ExitFailed || !strings.Contains(stderr, "next:  chmod 600 ") {
		t.Errorf("exit %d, %s", code, stderr)
	}
}

func TestALostServerIsUnreachableAndNothingIsChanged(t *testing.T) {
	s, data := serverIn(t)
	if code, _, stderr := at(t, s, data, "", "client", "list"); code != ExitOK {
		t.Fatal(stderr)
	}
	_ = os.Remove(filepath.Join(data, "admin.sock"))
	code, _, stderr := at(t, s, data, "", "client", "create", "web", "--kind", "oidc", "--grant", "client_credentials")
	if code != ExitUnreachable || !strings.Contains(stderr, "no server answers") {
		t.Errorf("exit %d, %s", code, stderr)
	}
}

func TestTimesReadAsPeopleSayThem(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 s", 119 * time.Second: "119 s", 2 * time.Minute: "2 min", 899 * time.Second: "15 min", 23*time.Hour + 59*time.Minute: "24 h",
		72 * time.Hour: "3 d", 30 * 24 * time.Hour: "30 d",
	} {
		if got := span(d); got != want {
			t.Errorf("%v reads %q, want %q", d, got, want)
		}
	}
}

// FuzzShell: a quoted text is the text itself to a shell, but for what stands for a
// variable.
func FuzzShell(f *testing.F) {
	for _, s := range []string{"", "plain", "it's", `{"a":"b c"}`, "a\nb", "$HOME `id` \\", "\x00V\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "\x00") {
			return
		}
		if got := unshell(t, shell(text)); got != text {
			t.Errorf("%q is %q to a shell", text, got)
		}
	})
}

// unshell reads one word as POSIX shells do (Shell Command Language §2.2), and
// fails for a character they would give another meaning.
func unshell(t *testing.T, word string) string {
	t.Helper()
	out, quote := []byte{}, false
	for i := 0; i < len(word); i++ {
		switch c := word[i]; {
		case c == '\'':
			quote = !quote
		case quote:
			out = append(out, c)
		case c == '\\' && i+1 < len(word):
			i++
			out = append(out, word[i])
		case strings.ContainsRune(" \t\n|&;<>()$`\"*?[#~{}!", rune(c)):
			t.Fatalf("%q is not quoted in %q", c, word)
		default:
			out = append(out, c)
		}
	}
	if quote {
		t.Fatalf("a quote is open in %q", word)
	}
	return string(out)
}

func TestACutTextKeepsItsEnds(t *testing.T) {
	for _, x := range []struct {
		text string
		n    int
		want string
	}{{"abcdefghij", 10, "abcdefghij"}, {"abcdefghij", 5, "ab…ij"}, {"abcdefghij", 6, "abc…ij"}, {"äöüß", 3, "ä…ß"}} {
		if got := shorten(x.text, x.n); got != x.want || len([]rune(got)) > x.n {
			t.Errorf("%q to %d is %q, want %q", x.text, x.n, got, x.want)
		}
	}
}
