package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Problem is one thing wrong with a file. Text never holds a secret.
type Problem struct {
	File   string
	Line   int    // from 1; 0 when the problem has no place
	Column int    // from 1; 0 when only the line is known
	Path   string // where in the schema: clients[2].redirect_uris[0]
	Text   string // what is wrong
	Next   string // what to do about it
}

// String is the problem as a person reads it: "file:line:col: text", then a line
// that begins with "next:".
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d", p.Line)
		if p.Column > 0 {
			fmt.Fprintf(&b, ":%d", p.Column)
		}
	}
	b.WriteString(": " + shown(p.Text))
	if p.Next != "" {
		b.WriteString("\nnext: " + shown(p.Next))
	}
	return b.String()
}

// shown keeps a name from the file from moving the cursor of a terminal or from
// looking like a line of its own.
func shown(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

// tidy puts problems into the order of the file and drops repeats, which arise
// when two steps notice the same thing.
func tidy(ps []Problem) []Problem {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return slices.Compact(ps)
}

// MaxProblems is how many problems one step reports.
const MaxProblems = 1000

// notes collects the problems of one step over one file.
type notes struct {
	f        *File
	problems []Problem
}

// add notes a problem at the place path was read from, or at the nearest place
// around it when path itself is not written in the file.
func (n *notes) add(path, text, next string) {
	if len(n.problems) >= MaxProblems {
		return
	}
	at := n.f.place(path)
	n.problems = append(n.problems, Problem{n.f.Name, at.line, at.column, path, text, next})
}

// place finds where path is written; what is absent is where its parent is.
func (f *File) place(path string) pos {
	for {
		if at, ok := f.at[path]; ok {
			return at
		}
		i := strings.LastIndexAny(path, ".[")
		if i < 0 {
			return f.at[""]
		}
		path = path[:i]
	}
}

// source names the file and line an entry is managed by.
func (f *File) source(path string) string {
	return fmt.Sprintf("%s:%d", f.Name, f.place(path).line)
}
