package docs_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"jeton/internal/cli"
	"jeton/internal/config"
	"jeton/internal/dialect"
	"jeton/internal/oauth"
	"jeton/internal/policy"
	"jeton/internal/server"
)

// generators write the parts of pages that the code says better. A part stands
// between <!-- generated: NAME --> and <!-- end -->.
var generators = map[string]func(*testing.T) string{
	"commands":         commandPages,
	"file keys":        fileKeys,
	"server settings":  serverSettings,
	"dialect settings": dialectSettings,
	"codes":            codeTable,
	"lives":            lives,
	"signing keys":     signingKeys,
}

var part = regexp.MustCompile(`(?s)(<!-- generated: ([a-z ]+) -->\n)(.*?)(<!-- end -->)`)

func TestGeneratedPartsAreUpToDate(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range pages(t) {
		got := part.ReplaceAllStringFunc(p.text, func(old string) string {
			m := part.FindStringSubmatch(old)
			make, ok := generators[m[2]]
			if !ok {
				t.Errorf("%s: nothing generates %q", p.name, m[2])
				return old
			}
			seen[m[2]] = true
			return m[1] + "\n" + strings.TrimSpace(make(t)) + "\n\n" + m[4]
		})
		if got == p.text {
			continue
		}
		if *update {
			must(t, os.WriteFile(filepath.Join(root, p.name), []byte(got), 0o644))
			continue
		}
		t.Errorf("%s is out of date: go test ./test/docs -update (-is +should be)\n%s", p.name, gocmp.Diff(p.text, got))
	}
	for name := range generators {
		if !seen[name] {
			t.Errorf("no page has the part %q", name)
		}
	}
}

// help is a command and what it says of itself.
type help struct{ path, help string }

var listed = regexp.MustCompile(`(?m)^  ([a-z][a-z-]*)  +\S`)

// commands lists every command in the order of `jeton --help`, families before their
// members.
func commands(t *testing.T) []help {
	t.Helper()
	var out []help
	var walk func(path []string)
	walk = func(path []string) {
		var stdout, stderr bytes.Buffer
		code := cli.Run(append(slices.Clone(path), "--help"), &cli.Env{
			Ctx: context.Background(), Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr,
			Getenv: func(string) string { return "" }, Dir: t.TempDir(), Now: time.Now,
		})
		if code != 0 {
			t.Fatalf("%v --help: exit %d, %s", path, code, &stderr)
		}
		text := stdout.String()
		out = append(out, help{strings.Join(append([]string{"jeton"}, path...), " "), text})
		for _, section := range strings.Split(text, "\n\n") {
			title, rows, _ := strings.Cut(section, "\n")
			if title == "commands" || len(path) == 0 && title != "examples" {
				for _, m := range listed.FindAllStringSubmatch(rows, -1) {
					walk(append(slices.Clone(path), m[1]))
				}
			}
		}
	}
	walk(nil)
	if len(out) < 30 {
		t.Fatalf("only %d commands found", len(out))
	}
	return out
}

func commandPages(t *testing.T) string {
	var b strings.Builder
	for _, c := range commands(t) {
		level := "##"
		if strings.Count(c.path, " ") > 1 {
			level = "###"
		}
		fmt.Fprintf(&b, "%s %s\n\n```text\n%s```\n\n", level, c.path, strings.TrimRight(c.help, "\n")+"\n")
	}
	return b.String()
}

// cell makes a text fit for a table.
func cell(s string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(s), " "), "|", `\|`)
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}

func codes(list []string) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = code(s)
	}
	return strings.Join(out, " ")
}

func fileKeys(*testing.T) string {
	var b strings.Builder
	b.WriteString("| key | type | default | meaning |\n|---|---|---|---|\n")
	for _, f := range config.Reference() {
		meaning := f.Meaning
		if f.One != nil {
			meaning += ": one of " + codes(f.One)
			if strings.HasPrefix(f.Type, "list") {
				meaning = f.Meaning + ": any of " + codes(f.One)
			}
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.Name, cell(f.Type), cell(f.Default), cell(meaning))
	}
	return b.String()
}

// beside is what the command line adds to a setting: where it looks first, or that
// it has no such flag.
var beside = map[string]string{
	"kek_file": "`$CREDENTIALS_DIRECTORY/kek`, `$XDG_CONFIG_HOME/jeton/kek` or `~/.config/jeton/kek`; under systemd without a credential, `kek` in the data folder",
	"metrics":  "off; this version refuses any other value",
}

func serverSettings(t *testing.T) string {
	var b strings.Builder
	b.WriteString("| setting | flag of `jeton serve` | variable | default | meaning |\n|---|---|---|---|---|\n")
	flags := ""
	for _, c := range commands(t) {
		if c.path == "jeton serve" {
			flags = c.help
		}
	}
	for _, f := range config.ServeReference() {
		flag := "--" + strings.ReplaceAll(f.Name, "_", "-")
		if !strings.Contains(flags, "\n  "+flag) {
			flag = ""
		}
		meaning := f.Meaning
		if f.One != nil {
			meaning += ": one of " + codes(f.One)
		}
		fmt.Fprintf(&b, "| `%s` | %s | `%s` | %s | %s |\n", f.Name, code(flag), f.Env, cell(cmp.Or(beside[f.Name], f.Default)), cell(meaning))
	}
	return b.String()
}

func dialectSettings(*testing.T) string {
	var b strings.Builder
	b.WriteString("| dialect | of | setting | type | default | meaning |\n|---|---|---|---|---|---|\n")
	for _, d := range server.Dialects() {
		settings := func(of string, list []dialect.Setting) {
			for _, s := range list {
				kind := s.Kind
				if len(s.Choices) > 0 {
					kind = codes(s.Choices)
				}
				fmt.Fprintf(&b, "| [%s](dialects/%s.md) | %s | `%s` | %s | %s | %s |\n", d.Name, d.Name, of, s.Name, kind, code(s.Default), cell(s.Meaning))
			}
		}
		settings("client", d.Settings)
		settings("organization", d.OrgSettings)
	}
	return b.String()
}

// codeTable has a row for each refusal: its word, its section, and the status each
// dialect's token endpoint answers it with.
func codeTable(*testing.T) string {
	var b strings.Builder
	b.WriteString("| code | standard word | defined in |")
	line := "|---|---|---|"
	faces := server.Dialects()
	for _, d := range faces {
		fmt.Fprintf(&b, " %s |", d.Name)
		line += "---|"
	}
	b.WriteString("\n" + line + "\n")
	for _, c := range sorted(oauth.Codes()) {
		fmt.Fprintf(&b, "| [`%s`](#%s) | `%s` | %s |", c, c, c.Word(), c.Section())
		for _, d := range faces {
			reply := d.Words(dialect.Refusal{Code: c, Description: c.Text(), Method: "POST", Path: "/", ID: "0123456789ABC", RetryAfter: 1})
			fmt.Fprintf(&b, " %d |", reply.Status)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// span words a length of time as configuration files do.
func span(d time.Duration) string {
	day := 24 * time.Hour
	switch {
	case d == 0:
		return "–"
	case d%day == 0:
		return fmt.Sprintf("%d d", d/day)
	case d%time.Hour == 0:
		return fmt.Sprintf("%d h", d/time.Hour)
	case d%time.Minute == 0:
		return fmt.Sprintf("%d min", d/time.Minute)
	}
	return fmt.Sprintf("%d s", d/time.Second)
}

func lives(*testing.T) string {
	var b strings.Builder
	b.WriteString("| dialect | access token | its life | refresh token | unused, it ends after | all ends after | a refresh | repeat |\n" +
		"|---|---|---|---|---|---|---|---|\n")
	for _, d := range server.Dialects() {
		p := d.Profile
		life := span(p.AccessLife)
		if p.Rolling != 0 {
			life = span(p.Rolling) + " after its last use, at most " + life
		}
		if p.Never {
			life += "; 0 = no end"
		}
		refresh := "gives a new refresh token"
		switch {
		case !p.Rotate:
			refresh = "keeps the refresh token"
		case p.KillAccess:
			refresh += ", ends the access token"
		}
		fmt.Fprintf(&b, "| [%s](%s.md) | %s | %s | %s | %s | %s | %s | %s |\n", d.Name, d.Name, form(p.Access), life,
			form(p.Refresh), cmp.Or(span(p.RefreshLife), "–"), span(p.FamilyLife), refresh, span(p.Grace))
	}
	return b.String()
}

func form(f policy.Form) string {
	switch f.Kind {
	case policy.JWT:
		return "JWT " + string(f.Alg)
	case policy.Short:
		return fmt.Sprintf("opaque, %d characters", f.Length)
	}
	return fmt.Sprintf("opaque, %d characters", 86+len(f.Prefix))
}

func signingKeys(*testing.T) string {
	var b strings.Builder
	b.WriteString("| purpose | dialect | algorithm | signs for | then verifies for | published |\n|---|---|---|---|---|---|\n")
	for _, d := range server.Dialects() {
		for _, p := range d.Keys {
			published := "no"
			if p.Publish {
				published = "yes"
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s |\n", p.Name, d.Name, p.Alg,
				span(cmp.Or(p.Period, 90*24*time.Hour)), span(cmp.Or(p.Overlap, 30*24*time.Hour)), published)
		}
	}
	return b.String()
}

// TestEveryCodeIsExplained: each refusal has a heading in docs/errors.md, and no
// heading there is of a refusal that is gone.
func TestEveryCodeIsExplained(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs/errors.md"))
	must(t, err)
	var explained []string
	for _, m := range regexp.MustCompile("(?m)^### `([a-z_]+)`$").FindAllStringSubmatch(string(text), -1) {
		explained = append(explained, m[1])
	}
	var want []string
	for _, c := range sorted(oauth.Codes()) {
		want = append(want, string(c))
	}
	if diff := gocmp.Diff(want, sorted(explained)); diff != "" {
		t.Errorf("docs/errors.md explains other codes (-there are +explained):\n%s", diff)
	}
	for _, section := range strings.Split(string(text), "\n### ")[1:] {
		for _, word := range []string{"**Causes.**", "**What to do.**"} {
			if !strings.Contains(section, word) {
				name, _, _ := strings.Cut(section, "\n")
				t.Errorf("docs/errors.md: %s lacks %s", name, word)
			}
		}
	}
}
