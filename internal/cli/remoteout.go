package cli

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// outFlags say in what form a command answers.
type outFlags struct {
	Output string `short:"o" enum:"table,json,yaml" default:"table" placeholder:"FORM" help:"Form of the answer; json is the administration API's own."`
	Quiet  bool   `short:"q" help:"Print only what was asked for, and no remarks."`
}

// askFlags say whether a command may ask.
type askFlags struct {
	Yes     bool `short:"y" help:"Do it without asking."`
	NoInput bool `name:"no-input" help:"Never ask: what is missing is an error."`
}

// table is what a command shows on a terminal: a heading and rows.
type table struct {
	head  []string
	rows  [][]string
	empty string // said instead of a table without rows
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// show writes v in the form that was asked for; t is its table.
func (f outFlags) show(env *Env, v any, t table) error {
	switch f.Output {
	case "json":
		enc := json.NewEncoder(env.Stdout)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		return enc.Encode(v)
	case "yaml":
		return writeYAML(env.Stdout, v)
	}
	if len(t.rows) == 0 {
		if !f.Quiet && t.empty != "" {
			fmt.Fprintln(env.Stderr, t.empty)
		}
		return nil
	}
	return t.write(env)
}

// say is a remark: on Stderr, and not at all when it is quiet.
func (f outFlags) say(env *Env, format string, args ...any) {
	if !f.Quiet {
		fmt.Fprintf(env.Stderr, format+"\n", args...)
	}
}

// writeYAML writes a value in YAML, members in the order of its JSON.
func writeYAML(w io.Writer, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	var node yaml.Node // JSON is YAML
	if err := yaml.Unmarshal(b, &node); err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	block(&node)
	enc := yaml.NewEncoder(w)
	enc.SetIndent(2)
	if err := enc.Encode(&node); err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	return enc.Close()
}

// block takes the braces and quotes JSON has out of a document.
func block(n *yaml.Node) {
	n.Style = 0
	for _, c := range n.Content {
		block(c)
	}
}

// gap stands between two columns.
const gap = 2

// write lays the table out. On a terminal columns are cut to fit, in the middle,
// where names differ least; piped they never are.
func (t table) write(env *Env) error {
	widths := make([]int, len(t.head))
	for _, row := range append([][]string{t.head}, t.rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	if env.TTY {
		fit(widths, columns(env))
	}
	b := bufio.NewWriter(env.Stdout)
	for _, row := range append([][]string{t.head}, t.rows...) {
		line := ""
		for i, cell := range row {
			line += pad(shorten(oneLine(cell), widths[i]), widths[i]+gap)
		}
		if _, err := fmt.Fprintln(b, strings.TrimRight(line, " ")); err != nil {
			return err
		}
	}
	return b.Flush()
}

// columns is the width of the terminal.
func columns(env *Env) int {
	if n, err := strconv.Atoi(env.Getenv("COLUMNS")); err == nil && n >= 40 {
		return n
	}
	return width
}

// fit takes width from the widest columns until the row fits.
func fit(widths []int, total int) {
	const least = 6
	for {
		sum := gap * (len(widths) - 1)
		widest := 0
		for i, w := range widths {
			sum += w
			if w > widths[widest] {
				widest = i
			}
		}
		if sum <= total || widths[widest] <= least {
			return
		}
		widths[widest]--
	}
}

func pad(s string, n int) string { return s + strings.Repeat(" ", max(0, n-utf8.RuneCountInString(s))) }

// shorten cuts the middle out of a text longer than n characters.
func shorten(s string, n int) string {
	r := []rune(s)
	if len(r) <= n || n < 3 {
		return s
	}
	head := n / 2
	return string(r[:head]) + "…" + string(r[len(r)-(n-1-head):])
}

// oneLine keeps a name from the database from moving the cursor of a terminal.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f || r >= 0x80 && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return utf8.RuneError
		}
		return r
	}, s)
}

// fields is a table of names and values, for one object.
func fields(pairs ...string) table {
	t := table{head: []string{"FIELD", "VALUE"}}
	for pair := range slices.Chunk(pairs, 2) {
		if pair[1] != "" {
			t.add(pair[0], pair[1])
		}
	}
	return t
}

// since words a moment in unix seconds as people say it: "5 min ago", "in 3 d".
func since(env *Env, unix int64, never string) string {
	if unix == 0 {
		return never
	}
	d := env.Now().Sub(time.Unix(unix, 0)).Round(time.Second)
	if d < 0 {
		return "in " + span(-d)
	}
	if d == 0 {
		return "now"
	}
	return span(d) + " ago"
}

// span words a length of time with one unit.
func span(d time.Duration) string {
	in := func(unit time.Duration) int64 { return int64((d + unit/2) / unit) }
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", in(time.Second))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", in(time.Minute))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", in(time.Hour))
	}
	return fmt.Sprintf("%d d", in(24*time.Hour))
}

// confirm asks whether an object is to go; a person types its name. Where nobody
// can be asked --yes is needed.
func (f askFlags) confirm(env *Env, what, name, ends string) error {
	if f.Yes {
		return nil
	}
	if !env.TTY || f.NoInput {
		return fail(ExitUsage, "add --yes if that is meant", "deleting %s %s %s, and nobody can be asked here", what, name, ends)
	}
	fmt.Fprintf(env.Stderr, "Deleting %s %s %s.\nType its name to go on: ", what, name, ends)
	line, err := readLine(env.Stdin)
	if err != nil {
		return err
	}
	if line != name {
		return fail(ExitFailed, "type "+name+", or add --yes", "that was not its name; nothing was deleted")
	}
	return nil
}

// readLine reads one line and no byte beyond it, so that what follows stays for the
// next question.
func readLine(r io.Reader) (string, error) {
	var b []byte
	one := make([]byte, 1)
	for len(b) < maxSecretLine {
		n, err := r.Read(one)
		if n == 1 && one[0] == '\n' {
			break
		}
		b = append(b, one[:n]...)
		if err == io.EOF {
			break
		}
		if err != nil {
			return "", fmt.Errorf("read from standard input: %w", err)
		}
	}
	return strings.TrimSuffix(string(b), "\r"), nil
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
