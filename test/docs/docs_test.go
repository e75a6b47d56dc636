// Package docs_test keeps the documentation true: links lead somewhere, commands
// run, answers look as printed, and what is generated is up to date. Run with
// -update to write the generated parts again.
package docs_test

import (
	"context"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"

	"jeton/internal/cli"
	"jeton/internal/server"
)

var update = flag.Bool("update", false, "write the generated parts of the documentation again")

// root is the folder of the repository.
const root = "../.."

// TestMain lets the test run itself as the command line: a link named jeton to this
// program is one.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "jeton" {
		command()
		return
	}
	if filepath.Base(os.Args[0]) == "xdg-open" {
		open(os.Args[1], os.Getenv("NOTES"))
		return
	}
	os.Exit(m.Run())
}

func command() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	dir, err := os.Getwd()
	if err != nil {
		panic(err)
	}
	os.Exit(cli.Run(os.Args[1:], &cli.Env{
		Ctx: ctx, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv, Dir: dir, Now: time.Now,
	}))
}

// page is one document.
type page struct {
	name string // path from the root, with slashes
	text string
}

// pages reads every document of the repository.
func pages(t *testing.T) []page {
	t.Helper()
	var out []page
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || strings.HasPrefix(d.Name(), ".") && len(d.Name()) > 2) {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, ".md") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		out = append(out, page{filepath.ToSlash(name), string(text)})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 20 {
		t.Fatalf("only %d pages: the test looks in the wrong place", len(out))
	}
	return out
}

// block is one fenced block of a page.
type block struct {
	language string
	line     int // of its first line in the page, from 1
	text     string
}

// blocks splits a page into its fenced blocks and what is outside them. Lines keep
// their numbers.
func (p page) blocks() (inside []block, outside string) {
	var open *block
	var plain []string
	for i, line := range strings.Split(p.text, "\n") {
		fence, isFence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case isFence && open == nil:
			open = &block{language: strings.TrimSpace(fence), line: i + 2}
		case isFence:
			inside, open = append(inside, *open), nil
		case open != nil:
			open.text += line + "\n"
			line = ""
		}
		if isFence {
			line = ""
		}
		plain = append(plain, line)
	}
	return inside, strings.Join(plain, "\n")
}

var (
	heading  = regexp.MustCompile(`(?m)^#{1,6} +(.+?) *#*$`)
	markup   = regexp.MustCompile("[`*]|\\[([^\\]]*)\\]\\([^)]*\\)")
	linkTo   = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	codeSpan = regexp.MustCompile("`[^`\n]*`")
)

// anchors are the names the headings of a page can be linked by.
func (p page) anchors() map[string]bool {
	out := map[string]bool{}
	_, text := p.blocks()
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		out[slug(m[1])] = true
	}
	return out
}

// slug is the anchor hosting sites give a heading.
func slug(title string) string {
	title = markup.ReplaceAllString(title, "$1")
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, title)
}

func TestLinksLeadSomewhere(t *testing.T) {
	all := pages(t)
	byName := map[string]page{}
	for _, p := range all {
		byName[p.name] = p
	}
	seen := 0
	for _, p := range all {
		_, text := p.blocks()
		for _, m := range linkTo.FindAllStringSubmatch(codeSpan.ReplaceAllString(text, ""), -1) {
			seen++
			checkLink(t, p, m[1], byName)
		}
	}
	if seen < 30 {
		t.Errorf("only %d links seen", seen)
	}
}

func checkLink(t *testing.T, p page, link string, byName map[string]page) {
	t.Helper()
	if strings.Contains(link, "://") || strings.HasPrefix(link, "mailto:") {
		return
	}
	path, anchor, _ := strings.Cut(link, "#")
	name := p.name
	if path != "" {
		name = filepath.ToSlash(filepath.Join(filepath.Dir(p.name), path))
	}
	if _, err := os.Stat(filepath.Join(root, name)); err != nil {
		t.Errorf("%s: the link %s leads nowhere", p.name, link)
		return
	}
	if to, ok := byName[name]; anchor != "" && (!ok || !to.anchors()[anchor]) {
		t.Errorf("%s: the link %s names no heading of %s", p.name, link, name)
	}
}

func TestEveryDialectHasAPageWithItsDivergences(t *testing.T) {
	index, err := os.ReadFile(filepath.Join(root, "docs/dialects/README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range server.Dialects() {
		text, err := os.ReadFile(filepath.Join(root, "docs/dialects", d.Name+".md"))
		if err != nil {
			t.Errorf("dialect %s has no page: %v", d.Name, err)
			continue
		}
		if p := (page{d.Name, string(text)}); !p.anchors()["divergences"] {
			t.Errorf("docs/dialects/%s.md has no heading Divergences", d.Name)
		}
		if !strings.Contains(string(index), "]("+d.Name+".md") {
			t.Errorf("docs/dialects/README.md does not link %s.md", d.Name)
		}
	}
}

// Pages name what is in the repository; what belongs to a desk, and what was left
// for later, does not belong in them.
var foreign = regexp.MustCompile(`/work\b|(?i)\bseeds?\b|\bTODO\b|\bFIXME\b|\bXXX\b`)

func TestNoPageHasWordsThatDoNotBelong(t *testing.T) {
	for _, p := range pages(t) {
		for i, line := range strings.Split(p.text, "\n") {
			if word := foreign.FindString(line); word != "" {
				t.Errorf("%s:%d: %q does not belong here", p.name, i+1, word)
			}
		}
	}
}

var (
	called  = regexp.MustCompile("(?m)(?:`|^\\$ |^)(jeton(?: [a-z][a-z-]*)+)([^`\n]*)")
	flagged = regexp.MustCompile(`(?:^|\s)(--[a-z][a-z-]*)`)
)

// TestCommandsInTextExist: a command a page names is one, and has the flags it is
// named with.
func TestCommandsInTextExist(t *testing.T) {
	helps := map[string]string{}
	for _, c := range commands(t) {
		helps[c.path] = c.help
	}
	seen := 0
	for _, p := range pages(t) {
		if p.name == "docs/cli.md" {
			continue // it is their help itself
		}
		for _, m := range called.FindAllStringSubmatch(p.text, -1) {
			path := longest(strings.Fields(m[1]), helps)
			seen++
			if path == "jeton" {
				t.Errorf("%s: there is no command %s", p.name, m[1])
				continue
			}
			rest, _, _ := strings.Cut(m[2], " | ") // another program's flags
			for _, f := range flagged.FindAllStringSubmatch(rest, -1) {
				if !strings.Contains(helps[path], f[1]+" ") && !strings.Contains(helps[path], f[1]+"\n") && f[1] != "--help" {
					t.Errorf("%s: %s has no flag %s", p.name, path, f[1])
				}
			}
		}
	}
	if seen < 30 {
		t.Errorf("only %d commands seen", seen)
	}
}

// TestCommandsInHintsExist: what an error tells an operator to run can be run.
func TestCommandsInHintsExist(t *testing.T) {
	helps := map[string]string{}
	for _, c := range commands(t) {
		helps[c.path] = c.help
	}
	seen := 0
	for file, hints := range literals(t) {
		for _, hint := range hints {
			m := hinted.FindStringSubmatch(hint)
			if m == nil || strings.Contains(hint, "\x00") { // a label of a hash
				continue
			}
			seen++
			path := longest(strings.Fields(m[1]), helps)
			rest := strings.TrimSpace(strings.TrimPrefix(m[1], path))
			switch {
			case path == "jeton":
				t.Errorf("%s: there is no command for %q", file, hint)
			case path == "jeton token": // its command is a dialect, which the program fills in
			case strings.Contains(helps[path], "\ncommands\n") && (rest != "" || strings.HasSuffix(hint, " ")):
				t.Errorf("%s: %q stops before the command", file, hint)
			}
		}
	}
	if seen < 30 {
		t.Errorf("only %d hints seen", seen)
	}
}

var hinted = regexp.MustCompile("(?:^|`)(jeton [a-z][a-z -]*)")

// literals are the texts in the program that begin with a command or quote one, by
// file. Those of package vault are labels of keys.
func literals(t *testing.T) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	err := filepath.WalkDir(filepath.Join(root, "internal"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || filepath.Base(filepath.Dir(path)) == "vault" {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if x, ok := n.(*ast.BasicLit); ok && x.Kind == token.STRING {
				if text, err := strconv.Unquote(x.Value); err == nil {
					out[path] = append(out[path], text)
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// longest is the command that words begin with; "jeton" when they begin with none.
func longest(words []string, helps map[string]string) string {
	for n := len(words); n > 1; n-- {
		if path := strings.Join(words[:n], " "); helps[path] != "" {
			return path
		}
	}
	return words[0]
}

var rule = regexp.MustCompile(`^[| :-]+$`)

// TestTablesAreWhole: a row with more or fewer cells than its head loses text when
// it is shown.
func TestTablesAreWhole(t *testing.T) {
	for _, p := range pages(t) {
		_, text := p.blocks()
		cells, head := 0, ""
		for i, line := range strings.Split(text, "\n") {
			switch {
			case !strings.HasPrefix(line, "|"):
				cells, head = 0, line
			case rule.MatchString(line) && strings.Contains(line, "---"):
				if cells = columns(line); cells != columns(head) {
					t.Errorf("%s:%d: %d columns under a head of %d", p.name, i+1, cells, columns(head))
				}
			case cells > 0 && columns(line) != cells:
				t.Errorf("%s:%d: %d cells in a table of %d columns", p.name, i+1, columns(line), cells)
			default:
				head = line
			}
		}
	}
}

func columns(row string) int {
	return strings.Count(strings.ReplaceAll(row, `\|`, ""), "|") - 1
}

// sorted sorts a list of texts in place and returns it.
func sorted[K ~string](list []K) []K {
	slices.Sort(list)
	return list
}
