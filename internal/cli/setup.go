package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"jeton/internal/config"
	"jeton/internal/oauth"
	"jeton/internal/server"
	"jeton/internal/web"
)

// SetupLinkCmd prints a new link for creating the first administrator.
type SetupLinkCmd struct {
	placeFlags
	PublicURL string `name:"public-url" placeholder:"URL"`
}

// Examples implements exampler.
func (*SetupLinkCmd) Examples() []string {
	return []string{
		"jeton setup-link                               # the link alone, for a browser",
		"jeton setup-link --data /srv/jeton             # of another data folder",
	}
}

// Exits implements exiter.
func (*SetupLinkCmd) Exits() []int { return []int{ExitConflict} }

// Run asks the running server, or the database when none runs.
func (c *SetupLinkCmd) Run(env *Env) error {
	s, err := localSettings(env, c.placeFlags, c.PublicURL)
	if err != nil {
		return err
	}
	reply, err := postLocal(env.Ctx, s.Data, server.LocalSetupCode, struct{}{})
	if errors.Is(err, errNoServer) {
		reply, err = codeOffline(env, s)
	}
	if e, ok := errors.AsType[*Exit](err); ok && e.Code == ExitConflict {
		e.Next = "jeton admin create NAME --password-stdin"
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(env.Stdout, "%s/setup/%s\n", first(reply.Base, s.PublicURL), reply.Code)
	return err
}

func codeOffline(env *Env, s config.Serve) (server.LocalReply, error) {
	sv, err := openServer(env, s, func(*server.Config) {})
	if err != nil {
		return server.LocalReply{}, err
	}
	code, err := sv.Setup().Code(env.Ctx)
	if err := errors.Join(err, sv.Close()); err != nil {
		return server.LocalReply{}, exitOf(err)
	}
	return server.LocalReply{Code: code.Reveal()}, nil
}

func localSettings(env *Env, f placeFlags, publicURL string) (config.Serve, error) {
	flags := f.settings(env)
	flags.PublicURL = publicURL
	s, err := load(env, flags, f.Config)
	if err != nil {
		return s, err
	}
	return s.WithDefaults(env.Getenv), nil
}

// AdminCmd is administrators of the server itself.
type AdminCmd struct {
	Create AdminCreateCmd `cmd:"" help:"Create an administrator, who may do everything."`
}

// Examples implements exampler.
func (*AdminCmd) Examples() []string { return new(AdminCreateCmd).Examples() }

// AdminCreateCmd creates an administrator with the role owner.
type AdminCreateCmd struct {
	placeFlags
	Name          string `arg:"" help:"Name to sign in with."`
	Email         string `placeholder:"ADDRESS" help:"E-mail address."`
	PasswordStdin bool   `name:"password-stdin" help:"Read the password from standard input; it is never an argument."`
}

// Examples implements exampler.
func (*AdminCreateCmd) Examples() []string {
	return []string{
		"jeton admin create ada --password-stdin < password.txt",
		"pass show jeton | jeton admin create ada --email ada@example.com --password-stdin",
	}
}

// Exits implements exiter.
func (*AdminCreateCmd) Exits() []int { return []int{ExitRefused, ExitConflict} }

// Run creates the administrator through the running server, or in the database
// when none runs.
func (c *AdminCreateCmd) Run(env *Env) error {
	if !c.PasswordStdin {
		return fail(ExitUsage, "jeton admin create "+c.Name+" --password-stdin < FILE", "a password is read from standard input alone")
	}
	password, err := readSecret(env.Stdin)
	if err != nil {
		return err
	}
	s, err := localSettings(env, c.placeFlags, "")
	if err != nil {
		return err
	}
	in := server.LocalOwner{Name: c.Name, Email: c.Email, Password: password.Reveal()}
	if _, err = postLocal(env.Ctx, s.Data, server.LocalOwners, in); errors.Is(err, errNoServer) {
		err = c.offline(env, s, password)
	}
	if err != nil {
		return ownerError(err)
	}
	_, err = fmt.Fprintf(env.Stdout, "administrator %s created\n", c.Name)
	return err
}

func (c *AdminCreateCmd) offline(env *Env, s config.Serve, password oauth.Secret) error {
	sv, err := openServer(env, s, func(*server.Config) {})
	if err != nil {
		return err
	}
	return errors.Join(sv.Setup().Create(env.Ctx, web.Owner{Name: c.Name, Email: c.Email, Password: password}), sv.Close())
}

func ownerError(err error) error {
	e := exitOf(err)
	if e.Code == ExitConflict || e.Code == ExitRefused {
		if text := strings.TrimSuffix(e.Text, "."); text != "" { // said as on the page
			e.Text = strings.ToLower(text[:1]) + text[1:]
		}
		e.Next = "choose another name"
		switch {
		case strings.Contains(e.Text, "password"):
			e.Next = "choose another password, such as a few words"
		case strings.Contains(e.Text, "e-mail"):
			e.Next = "write it like ada@example.com"
		}
	}
	return e
}

// maxSecretLine bounds a secret read from standard input, in bytes.
const maxSecretLine = 4096

// readSecret reads one secret; the line feed at its end is not part of it.
func readSecret(r io.Reader) (oauth.Secret, error) {
	b, err := io.ReadAll(io.LimitReader(bufio.NewReader(r), maxSecretLine+1))
	if err != nil {
		return "", fmt.Errorf("read the password from standard input: %w", err)
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	if text == "" || len(b) > maxSecretLine {
		return "", fail(ExitUsage, "send the password and nothing else, as in: … --password-stdin < FILE", "standard input holds no password")
	}
	return oauth.Secret(text), nil
}
