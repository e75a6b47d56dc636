package cli

import (
	"strings"

	"jeton/internal/adminapi"
)

// SessionCmd is browser sessions: one sign-on that many clients share.
type SessionCmd struct {
	List SessionListCmd `cmd:"" help:"List browsers that are signed in."`
	End  SessionEndCmd  `cmd:"" help:"Sign a browser out, and its clients with it."`
}

// Examples implements exampler.
func (*SessionCmd) Examples() []string {
	return []string{"jeton session list --user ada", "jeton session end --user ada"}
}

// SessionListCmd lists browser sessions.
type SessionListCmd struct {
	remoteFlags
	outFlags
	User  string `placeholder:"NAME" help:"Only sessions of this user." otherwise:"all"`
	Realm string `placeholder:"NAME" help:"Realm the user is of." otherwise:"the organization's default realm"`
}

// Examples implements exampler.
func (*SessionListCmd) Examples() []string {
	return []string{"jeton session list", "jeton session list --user ada -o json"}
}

// Exits implements exiter.
func (*SessionListCmd) Exits() []int { return []int{ExitNotFound, ExitUnreachable} }

// Run lists sessions.
func (c *SessionListCmd) Run(env *Env) error {
	return c.with(env, func(api *adminClient) error {
		number := ""
		if c.User != "" {
			u, err := userFlags{Name: c.User, Realm: c.Realm}.find(api)
			if err != nil {
				return err
			}
			number = strings.TrimPrefix(userPath(u, ""), "/users/")
		}
		list, err := all[adminapi.Session](api, "/sessions", query("user", number))
		if err != nil {
			return err
		}
		t := table{head: []string{"ID", "USER", "BROWSER", "ADDRESS", "PROOF", "SIGNED IN", "USED", "ENDS"}, empty: "nobody is signed in"}
		for _, x := range list {
			t.add(x.ID, x.User, x.Agent, x.Addr, joined(strings.Join(x.AMR, " "), outside(x.Source)),
				since(env, x.AuthTime, ""), since(env, x.Used, ""), since(env, min(x.Idle, x.Ends), ""))
		}
		return c.show(env, list, t)
	})
}

// outside names who proved a sign-in, where that was not this server.
func outside(source string) string {
	if source == "local" {
		return ""
	}
	return source
}

// SessionEndCmd ends browser sessions.
type SessionEndCmd struct {
	remoteFlags
	outFlags
	ID    string `arg:"" optional:"" help:"Session to end, as jeton session list has it."`
	User  string `placeholder:"NAME" help:"End every session of this user instead."`
	Realm string `placeholder:"NAME" help:"Realm the user is of." otherwise:"the organization's default realm"`
}

// Examples implements exampler.
func (*SessionEndCmd) Examples() []string {
	return []string{
		"jeton session end 3pTz0uJd9bXcK4w2vQn5aA",
		"jeton session end --user ada                   # on every device; tokens with offline_access stay",
	}
}

// Exits implements exiter.
func (*SessionEndCmd) Exits() []int { return []int{ExitNotFound, ExitUnreachable} }

// Run ends the session, or all of a user.
func (c *SessionEndCmd) Run(env *Env) error {
	if (c.ID == "") == (c.User == "") {
		return fail(ExitUsage, "jeton session end --help", "name one of a session and --user")
	}
	if c.User != "" {
		f := userFlags{remoteFlags: c.remoteFlags, outFlags: c.outFlags, Name: c.User, Realm: c.Realm}
		return f.onUser(env, func(api *adminClient, u adminapi.User) error {
			var out adminapi.Ended
			if _, err := api.call("DELETE", userPath(u, "/sessions"), nil, nil, &out); err != nil {
				return err
			}
			c.say(env, "%s of user %s ended", count(out.Ended, "session"), u.Name)
			return nil
		})
	}
	return c.with(env, func(api *adminClient) error {
		if err := api.remove("/sessions" + escaped(c.ID)); err != nil {
			return err
		}
		c.say(env, "session %s ended", c.ID)
		return nil
	})
}
