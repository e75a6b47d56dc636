package cli

import (
	"strings"

	"jeton/internal/adminapi"
)

// ConsentCmd is what people allowed clients.
type ConsentCmd struct {
	List   ConsentListCmd   `cmd:"" help:"List what a user allowed."`
	Remove ConsentRemoveCmd `cmd:"" help:"Take back what a user allowed a client; the tokens that came of it end."`
}

// Examples implements exampler.
func (*ConsentCmd) Examples() []string {
	return []string{"jeton consent list --user ada", "jeton consent remove --user ada --client portal"}
}

// consentFlags are what every command about a user's consents has.
type consentFlags struct {
	remoteFlags
	outFlags
	User  string `required:"" placeholder:"NAME" help:"User name, or a user's number behind a #."`
	Realm string `placeholder:"NAME" help:"Realm the name is of." otherwise:"the organization's default realm"`
}

func (f consentFlags) onUser(env *Env, run func(*adminClient, adminapi.User) error) error {
	return userFlags{f.remoteFlags, f.outFlags, f.User, f.Realm}.onUser(env, run)
}

// ConsentListCmd lists what a user allowed.
type ConsentListCmd struct{ consentFlags }

// Examples implements exampler.
func (*ConsentListCmd) Examples() []string {
	return []string{"jeton consent list --user ada", "jeton consent list --user '#7' -o json"}
}

// Exits implements exiter.
func (*ConsentListCmd) Exits() []int { return []int{ExitNotFound, ExitUnreachable} }

// Run lists consents.
func (c *ConsentListCmd) Run(env *Env) error {
	return c.onUser(env, func(api *adminClient, u adminapi.User) error {
		list, err := all[adminapi.Consent](api, userPath(u, "/consents"), nil)
		if err != nil {
			return err
		}
		t := table{head: []string{"CLIENT", "NAME", "SCOPE", "BY", "FIRST", "LAST"}, empty: "user " + u.Name + " allowed no client anything"}
		for _, x := range list {
			by := "the user"
			if !x.Given {
				by = "an administrator"
			}
			t.add(x.Client, x.Name, strings.Join(x.Scope, " "), by, since(env, x.Created, ""), since(env, x.Updated, ""))
		}
		return c.show(env, list, t)
	})
}

// ConsentRemoveCmd takes a consent back.
type ConsentRemoveCmd struct {
	consentFlags
	Client string `required:"" placeholder:"ID" help:"Client that loses what it was allowed."`
}

// Examples implements exampler.
func (*ConsentRemoveCmd) Examples() []string {
	return []string{"jeton consent remove --user ada --client portal", "jeton consent remove --user ada --client mover --organization acme"}
}

// Exits implements exiter.
func (*ConsentRemoveCmd) Exits() []int { return []int{ExitNotFound, ExitUnreachable} }

// Run takes the consent back.
func (c *ConsentRemoveCmd) Run(env *Env) error {
	return c.onUser(env, func(api *adminClient, u adminapi.User) error {
		if err := api.remove(userPath(u, "/consents"+escaped(c.Client))); err != nil {
			return err
		}
		c.say(env, "client %s may do nothing for user %s any more; it will ask again", c.Client, u.Name)
		return nil
	})
}
