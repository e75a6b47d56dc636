package cli

import (
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"jeton/internal/config"
)

// width is where help text wraps, in columns; the same everywhere, so that it can
// be compared with what it was.
const width = 100

// firstExamples are of the whole program, shown by `jeton --help`.
var firstExamples = []string{
	"jeton demo                                     # look around: users, clients, calls to paste",
	"jeton serve                                    # a server on http://127.0.0.1:8420",
	"jeton client create --help                     # connect a client",
}

// help prints the manual of one command, or of all.
func help(w io.Writer, ctx *kong.Context) error {
	p := &page{w: w}
	n := ctx.Selected()
	if n == nil {
		if n = deepest(ctx); n == nil {
			n = ctx.Model.Node
		}
	}
	switch {
	case n.Parent == nil:
		p.whole(n)
	case len(n.Children) > 0:
		p.family(n)
	default:
		p.one(n)
	}
	return p.err
}

type page struct {
	w   io.Writer
	err error
}

func (p *page) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintln(p.w, strings.TrimRight(fmt.Sprintf(format, args...), " "))
	}
}

func (p *page) whole(n *kong.Node) {
	p.line("%s", purpose)
	p.line("")
	p.line("usage: jeton COMMAND [flags]")
	p.section("examples", firstExamples)
	byGroup := map[string][]row{}
	for _, c := range n.Children {
		if g := c.ClosestGroup(); g != nil && !c.Hidden {
			byGroup[g.Key] = append(byGroup[g.Key], row{c.Name, c.Help})
		}
	}
	for _, g := range groups() {
		p.rows(g.Title, byGroup[g.Key])
	}
	p.line("")
	p.line("`jeton COMMAND --help` shows examples, flags and exit codes.")
}

func (p *page) family(n *kong.Node) {
	p.line("%s", n.Help)
	p.line("")
	p.line("usage: %s COMMAND [flags]", fullPath(n))
	p.examples(n)
	var list []row
	for _, c := range n.Children {
		if !c.Hidden {
			list = append(list, row{c.Name, c.Help})
		}
	}
	p.rows("commands", list)
}

func (p *page) one(n *kong.Node) {
	p.line("%s", n.Help)
	p.line("")
	p.line("usage: %s", synopsis(n))
	if n.Detail != "" {
		p.line("")
		for _, l := range strings.Split(strings.TrimSpace(n.Detail), "\n") {
			p.line("%s", l)
		}
	}
	p.examples(n)
	var args []row
	for _, a := range n.Positional {
		args = append(args, row{strings.ToUpper(a.Name), a.Help})
	}
	p.rows("arguments", args)
	var flags []row
	for _, group := range n.AllFlags(true) {
		for _, f := range group {
			if f.Name != "help" {
				flags = append(flags, row{flagName(f), flagHelp(f)})
			}
		}
	}
	p.rows("flags", flags)
	p.exits(n)
}

func synopsis(n *kong.Node) string {
	out := fullPath(n)
	for _, a := range n.Positional {
		name := strings.ToUpper(a.Name)
		if a.IsCumulative() {
			name += "…"
		}
		if !a.Required {
			name = "[" + name + "]"
		}
		out += " " + name
	}
	for _, group := range n.AllFlags(true) {
		for _, f := range group {
			if f.Required {
				out += " " + flagName(f)
			}
		}
	}
	return out + " [flags]"
}

func (p *page) examples(n *kong.Node) {
	if x, ok := command(n).(exampler); ok {
		p.section("examples", x.Examples())
	}
}

func (p *page) exits(n *kong.Node) {
	codes := []int{ExitOK, ExitFailed, ExitUsage}
	if x, ok := command(n).(exiter); ok {
		codes = append(codes, x.Exits()...)
	}
	slices.Sort(codes)
	var texts []string
	for _, c := range slices.Compact(codes) {
		texts = append(texts, fmt.Sprintf("%d%s%s", c, glue, exitTexts[c]))
	}
	p.section("exit codes", wrap(strings.Join(texts, " · "), width-2))
}

func (p *page) section(title string, lines []string) {
	p.line("")
	p.line("%s", title)
	for _, l := range lines {
		p.line("  %s", l)
	}
}

type row struct{ name, text string }

func (p *page) rows(title string, list []row) {
	if len(list) == 0 {
		return
	}
	p.line("")
	p.line("%s", title)
	column := 0
	for _, r := range list {
		column = max(column, min(len(r.name), 28))
	}
	for _, r := range list {
		lines := wrap(r.text, width-column-4)
		if len(r.name) > column {
			p.line("  %s", r.name)
			r.name = ""
		}
		for i, l := range lines {
			if i > 0 {
				r.name = ""
			}
			p.line("  %-*s  %s", column, r.name, l)
		}
	}
}

// glue stands for a space at which no line ends.
const glue = "\x1f"

func wrap(text string, columns int) []string {
	var out []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len([]rune(line))+1+len([]rune(word)) > columns {
			out, line = append(out, strings.ReplaceAll(line, glue, " ")), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(out, strings.ReplaceAll(line, glue, " "))
}

func flagName(f *kong.Flag) string {
	out := "--" + f.Name
	if f.Short != 0 {
		out = "-" + string(f.Short) + ", " + out
	}
	if f.IsBool() || f.IsCounter() {
		return out
	}
	holder := f.PlaceHolder
	if holder == "" {
		holder = strings.ToUpper(f.Name)
	}
	return out + " " + holder
}

// flagHelp is what a flag means, its values, default and variable. What the tags
// of the flag leave out is taken from the setting of the same name.
func flagHelp(f *kong.Flag) string {
	text, value, env := f.Help, f.Default, strings.Join(f.Envs, ", ")
	if s, ok := setting(f.Name); ok && f.Tag.Get("setting") != "no" {
		if text == "" {
			text = upper(s.doc) + "."
		}
		if value == "" {
			value = s.value
		}
		if env == "" {
			env = s.env
		}
	}
	if v := f.Tag.Get("otherwise"); v != "" {
		value = v
	}
	var more []string
	if f.Enum != "" {
		more = append(more, "one of "+strings.ReplaceAll(f.Enum, ",", ", "))
	}
	if value != "" && !f.IsBool() {
		more = append(more, "default "+value)
	}
	if env != "" {
		more = append(more, env)
	}
	if len(more) > 0 {
		text += " (" + strings.Join(more, "; ") + ")"
	}
	return text
}

type settingDoc struct{ doc, value, env string }

// setting finds the server setting a flag sets, by name.
func setting(flag string) (settingDoc, bool) {
	t := reflect.TypeFor[config.Serve]()
	for i := range t.NumField() {
		tag := t.Field(i).Tag
		if tag.Get("yaml") != strings.ReplaceAll(flag, "-", "_") {
			continue
		}
		s := settingDoc{tag.Get("doc"), tag.Get("default"), tag.Get("env")}
		if one := tag.Get("one"); one != "" {
			s.doc += ": " + strings.ReplaceAll(one, " ", ", ")
		}
		return s, true
	}
	return settingDoc{}, false
}

func upper(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
