package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"jeton/internal/adminapi"
	"jeton/internal/client"
	"jeton/internal/config"
	"jeton/internal/identity"
	"jeton/internal/identity/saml"
	"jeton/internal/oauth"
	look "jeton/internal/page"
	"jeton/internal/server"
)

// LintCmd checks configuration files without a server.
type LintCmd struct {
	Files []string `arg:"" name:"file" help:"Configuration file; - is standard input."`
	Plain bool     `help:"Accept secrets written in the file itself, as a demo does."`
	Quiet bool     `short:"q" help:"Print problems only."`
}

// Examples implements exampler.
func (*LintCmd) Examples() []string {
	return []string{
		"jeton lint world.yaml",
		"jeton lint --plain examples/demo.yaml          # a demo's file, which shows its secrets",
	}
}

// Run prints each problem with its place and what to do.
func (c *LintCmd) Run(env *Env) error {
	found := 0
	for _, name := range c.Files {
		text, err := readConfig(env, name)
		if err != nil {
			return err
		}
		problems := lint(name, text, fileOptions(env, name, c.Plain))
		if err := printProblems(env, problems); err != nil {
			return err
		}
		if found += len(problems); len(problems) == 0 && !c.Quiet {
			fmt.Fprintf(env.Stderr, "%s: no problems\n", name)
		}
	}
	if found > 0 {
		return &Exit{Code: ExitFailed}
	}
	return nil
}

// lint checks a file without following its references: the machine that checks
// need not hold the secrets.
func lint(name string, text []byte, o config.Options) []config.Problem {
	f, problems := config.Parse(name, text)
	if len(problems) > 0 {
		return problems
	}
	problems = config.Lint(f, o)
	if !o.AllowPlain {
		problems = append(problems, plainSecrets(f, o)...)
	}
	return problems
}

// plainSecrets finds secrets written in the file itself. Resolve says so; what
// else it says is about files and variables, which are not looked at here.
func plainSecrets(f *config.File, o config.Options) (list []config.Problem) {
	_, problems := config.Resolve(f, o)
	for _, p := range problems {
		if strings.HasSuffix(p.Path, ".plain") {
			list = append(list, p)
		}
	}
	return list
}

func printProblems(env *Env, problems []config.Problem) error {
	for _, p := range problems {
		if _, err := fmt.Fprintln(env.Stdout, p); err != nil {
			return err
		}
	}
	return nil
}

func readConfig(env *Env, name string) ([]byte, error) {
	if name == "-" {
		return readAll(env.Stdin, config.MaxBytes+1)
	}
	text, err := os.ReadFile(env.Path(name))
	if err != nil {
		return nil, fail(ExitUsage, "name a readable YAML file", "the configuration could not be read: %v", err)
	}
	return text, nil
}

// fileOptions are the checks of a configuration file on this machine. Users of
// whom the file says nothing may be there already: the server says.
func fileOptions(env *Env, name string, plain bool) config.Options {
	dir := env.Dir
	if name != "-" {
		dir = filepath.Dir(env.Path(name))
	}
	return config.Options{
		Dir: dir, Getenv: env.Getenv, AllowPlain: plain, CheckKey: adminapi.CheckKey, Canonical: identity.Canonical,
		Dialects: adminapi.Dialects(server.Dialects()), ReadMetadata: metadata(env), CheckAccent: look.CheckAccent,
	}
}

// metadata reads what an identity provider says of itself. Of two addresses the one
// that a link can lead to is taken.
func metadata(env *Env) func([]byte) (client.Provider, error) {
	return func(text []byte) (client.Provider, error) {
		p, err := saml.ParseMetadata(text, env.Now())
		if err != nil {
			return client.Provider{}, errors.New(oauth.AsRefusal(err).Description)
		}
		x := client.Provider{EntityID: p.EntityID, Certificates: p.Certificates}
		for _, at := range p.SSO {
			switch {
			case at.Binding == saml.BindingRedirect:
				x.SSO, x.SSOBinding = at.Location, ""
				return x, nil
			case at.Binding == saml.BindingPost && x.SSO == "":
				x.SSO, x.SSOBinding = at.Location, "post"
			}
		}
		return x, nil
	}
}

// ApplyCmd makes the server what a configuration file says.
type ApplyCmd struct {
	remoteFlags
	outFlags
	File   string `arg:"" help:"Configuration file; - is standard input."`
	DryRun bool   `name:"dry-run" short:"n" help:"Only say what would change."`
}

// Examples implements exampler.
func (*ApplyCmd) Examples() []string {
	return []string{
		"jeton apply world.yaml --dry-run               # what would change",
		"jeton apply world.yaml                         # what the file does not name stays",
	}
}

// Exits implements exiter.
func (*ApplyCmd) Exits() []int { return []int{ExitRefused, ExitConflict, ExitUnreachable} }

// Run reads the file and what it refers to here, and sends it to the server.
func (c *ApplyCmd) Run(env *Env) error {
	text, err := readConfig(env, c.File)
	if err != nil {
		return err
	}
	return c.with(env, func(api *adminClient) error {
		w, err := c.world(env, api, text)
		if err != nil {
			return err
		}
		body, err := adminapi.EncodeWorld(w)
		if err != nil {
			return err
		}
		var out adminapi.Applied
		if _, err := api.call("POST", "/config", query("dry", fmt.Sprint(c.DryRun)), body, &out); err != nil {
			return err
		}
		return c.report(env, out)
	})
}

// world resolves the file against what the server has.
func (c *ApplyCmd) world(env *Env, api *adminClient, text []byte) (*config.World, error) {
	var info adminapi.Info
	if err := api.get("/info", nil, &info); err != nil {
		return nil, err
	}
	o := fileOptions(env, c.File, info.Demo)
	o.KnownUser = func(string, string, string) bool { return true } // the server looks
	orgs, err := all[adminapi.Organization](api, "/organizations", nil)
	if err != nil {
		return nil, err
	}
	for _, x := range orgs {
		org := client.Org{ID: x.ID, Name: x.Name, Default: x.Default}
		for _, r := range x.Realms {
			org.Realms = append(org.Realms, client.Realm{Name: r.Name, Title: r.Title, Default: r.Default})
		}
		o.Existing = append(o.Existing, org)
	}
	w, problems := config.Load(c.File, text, o)
	if len(problems) > 0 {
		if err := printProblems(env, problems); err != nil {
			return nil, err
		}
		return nil, fail(ExitFailed, "correct the file, then apply it again", "%s; nothing was changed", count(len(problems), "problem"))
	}
	return w, nil
}

func (c *ApplyCmd) report(env *Env, out adminapi.Applied) error {
	if c.Output != "table" {
		return c.show(env, out, table{})
	}
	if len(out.Steps) == 0 {
		_, err := fmt.Fprintln(env.Stdout, "nothing to change")
		return err
	}
	for _, s := range out.Steps {
		line := s.Verb + "  " + s.Object
		if len(s.Fields) > 0 {
			line += "   " + strings.Join(s.Fields, ", ")
		}
		if _, err := fmt.Fprintln(env.Stdout, line); err != nil {
			return err
		}
	}
	if out.Dry {
		c.say(env, "%s to make; nothing was changed yet", count(len(out.Steps), "change"))
		return nil
	}
	c.say(env, "%s made", count(len(out.Steps), "change"))
	return nil
}

// count words a number of things.
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// ExportCmd writes the server's objects as a configuration file.
type ExportCmd struct {
	remoteFlags
	File string `short:"o" name:"out" placeholder:"FILE" help:"File to write, for its owner alone to read." otherwise:"standard output"`
}

// Examples implements exampler.
func (*ExportCmd) Examples() []string {
	return []string{
		"jeton export -o world.yaml                     # secrets as hashes",
		"jeton export --organization acme",
	}
}

// Exits implements exiter.
func (*ExportCmd) Exits() []int { return []int{ExitNotFound, ExitUnreachable} }

// Run writes the file.
func (c *ExportCmd) Run(env *Env) error {
	return c.with(env, func(api *adminClient) error {
		var text []byte
		if err := api.get("/config", nil, &text); err != nil {
			return err
		}
		if c.File == "" {
			_, err := env.Stdout.Write(text)
			return err
		}
		return writePrivate(env.Path(c.File), text)
	})
}

// writePrivate replaces a file in one step with one that only its owner may read.
func writePrivate(path string, text []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".jeton-*") // 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = tmp.Write(text)
	if err == nil {
		err = tmp.Sync()
	}
	if shut := tmp.Close(); err == nil {
		err = shut
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		_ = os.Remove(tmp.Name())
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
