package cli

import (
	"fmt"
	"io"
	"strings"
)

// RevokeCmd ends tokens before their time.
type RevokeCmd struct {
	remoteFlags
	outFlags
	Token  string `arg:"" optional:"" help:"Token to end with its refreshes: @PROFILE, or - to read it from standard input. A token itself works too, but other users of the machine can read arguments."`
	User   string `placeholder:"NAME" help:"End every token of this user instead."`
	Realm  string `placeholder:"NAME" help:"Realm the user is of." otherwise:"the organization's default realm"`
	Client string `placeholder:"ID" help:"End every token of this client instead."`
}

// Examples implements exampler.
func (*RevokeCmd) Examples() []string {
	return []string{
		"jeton revoke @fortiauth                        # what jeton token saved",
		"jeton revoke --user ada",
	}
}

// Exits implements exiter.
func (*RevokeCmd) Exits() []int { return []int{ExitNotFound, ExitUnreachable} }

// Run ends the token, or all of a user or client.
func (c *RevokeCmd) Run(env *Env) error {
	given := 0
	for _, s := range []string{c.Token, c.User, c.Client} {
		if s != "" {
			given++
		}
	}
	switch {
	case given != 1:
		return fail(ExitUsage, "jeton revoke --help", "name one of a token, --user and --client")
	case c.User != "":
		return userFlags{remoteFlags: c.remoteFlags, outFlags: c.outFlags, Name: c.User, Realm: c.Realm}.revoke(env)
	case c.Client != "":
		f := clientFlags{remoteFlags: c.remoteFlags, outFlags: c.outFlags, ID: c.Client}
		return f.verb(env, "revoke", "keeps its registration; every token issued to it so far has ended")
	}
	token, err := tokenArgument(env, c.Token)
	if err != nil {
		return err
	}
	return c.with(env, func(api *adminClient) error {
		if err := api.post("/tokens/revoke", map[string]string{"token": token}, nil); err != nil {
			return err
		}
		c.say(env, "revoked, with everything that came of the same grant")
		return nil
	})
}

// maxTokenText bounds a token read from standard input, in bytes.
const maxTokenText = 64 << 10

// tokenArgument is the token an argument means: a profile's, standard input's, or
// the argument itself.
func tokenArgument(env *Env, arg string) (string, error) {
	if name, ok := strings.CutPrefix(arg, "@"); ok {
		p, err := loadProfile(env, name)
		if err != nil {
			return "", err
		}
		return p.Access, nil
	}
	if arg != "-" {
		return arg, nil
	}
	b, err := readAll(env.Stdin, maxTokenText+1)
	if err != nil {
		return "", err
	}
	text := strings.TrimSpace(string(b))
	if text == "" || len(b) > maxTokenText {
		return "", fail(ExitUsage, "send the token and nothing else", "standard input holds no token")
	}
	return text, nil
}

func readAll(r io.Reader, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, limit))
	if err != nil {
		return nil, fmt.Errorf("read standard input: %w", err)
	}
	return b, nil
}
