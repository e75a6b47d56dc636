package cli

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strings"

	"github.com/alecthomas/kong"

	"jeton/internal/config"
	"jeton/internal/oauth"
)

// purpose is the line `jeton --help` begins with.
const purpose = "A self-hosted server that issues and checks access tokens, in the words of the clients you have."

// Run runs one command line and returns its exit code. What went wrong is printed
// on Stderr as two lines, "error:" and "next:".
func Run(args []string, env *Env) int {
	err := run(args, env)
	if err == nil {
		return ExitOK
	}
	e := exitOf(err)
	printError(env.Stderr, e)
	return e.Code
}

func printError(w io.Writer, e *Exit) {
	if e.Text == "" {
		return
	}
	fmt.Fprintf(w, "error: %s\n", e.Text)
	if e.Next != "" {
		fmt.Fprintf(w, "next:  %s\n", e.Next)
	}
}

// stop is how the parser ends a command line that asked for help.
type stop struct{}

func run(args []string, env *Env) (err error) {
	defer func() {
		if p := recover(); p != nil {
			if _, asked := p.(stop); !asked {
				panic(p)
			}
			err = nil
		}
	}()
	k, err := parser(env)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	ctx, err := k.Parse(args)
	if err != nil {
		return misuse(err, env)
	}
	return ctx.Run(env)
}

func parser(env *Env) (*kong.Kong, error) {
	return kong.New(&root{}, kong.Name("jeton"), kong.Description(purpose),
		kong.Writers(env.Stdout, env.Stderr), kong.Exit(func(int) { panic(stop{}) }),
		kong.Help(func(_ kong.HelpOptions, ctx *kong.Context) error { return help(env.Stdout, ctx) }),
		kong.ExplicitGroups(groups()),
	)
}

// groups are the titles of `jeton --help` in their order.
func groups() []kong.Group {
	var out []kong.Group
	for _, name := range []string{"Start", "Tokens", "Manage", "Configuration", "Data", "Other"} {
		out = append(out, kong.Group{Key: name, Title: name})
	}
	return out
}

var suggestion = regexp.MustCompile(`^(.*), did you mean (.*)\?$`)

// misuse words what the parser could not read.
func misuse(err error, env *Env) error {
	path := "jeton"
	if p, ok := errors.AsType[*kong.ParseError](err); ok && p.Context != nil {
		if n := p.Context.Selected(); n != nil {
			path = fullPath(n)
		} else if at := deepest(p.Context); at != nil {
			path = fullPath(at)
		}
	}
	text, next := err.Error(), path+" --help"
	if m := suggestion.FindStringSubmatch(text); m != nil {
		text, next = m[1], "did you mean "+strings.ReplaceAll(m[2], `"`, "")+"?"
	}
	text = strings.Replace(text, "unexpected argument", "unknown command or argument", 1)
	return &Exit{ExitUsage, text, next}
}

func deepest(c *kong.Context) *kong.Node {
	var at *kong.Node
	for _, p := range c.Path {
		if p.Command != nil {
			at = p.Command
		}
	}
	return at
}

// fullPath is how a command is called, without the aliases the model adds.
func fullPath(n *kong.Node) string {
	if n.Parent == nil {
		return n.Name
	}
	return fullPath(n.Parent) + " " + n.Name
}

// exitOf gives any error a code and a next step.
func exitOf(err error) *Exit {
	if e, ok := errors.AsType[*Exit](err); ok {
		return e
	}
	if e, ok := errors.AsType[*config.UsageError](err); ok {
		return &Exit{ExitUsage, e.Text, e.Next}
	}
	if e, ok := errors.AsType[*oauth.Error](err); ok {
		return refused(e)
	}
	return &Exit{Code: ExitFailed, Text: err.Error()}
}

// refused is a refusal of the rooms as an exit.
func refused(e *oauth.Error) *Exit {
	out := &Exit{Code: ExitRefused, Text: e.Description}
	switch e.Code {
	case oauth.NotFound:
		out.Code = ExitNotFound
	case oauth.Conflict:
		out.Code = ExitConflict
	case oauth.Unavailable:
		out.Code, out.Next = ExitUnreachable, "try again in a moment"
	}
	if out.Text == "" {
		out.Text = e.Code.Text()
	}
	if cause := errors.Unwrap(e); cause != nil && (e.Code == oauth.ServerError || e.Code == oauth.Unavailable) {
		out.Text += ": " + cause.Error()
	}
	return out
}

// command is the command's own struct, for what it says about itself.
func command(n *kong.Node) any {
	v := n.Target
	if v.Kind() != reflect.Pointer && v.CanAddr() {
		v = v.Addr()
	}
	if !v.IsValid() || !v.CanInterface() {
		return nil
	}
	return v.Interface()
}
