package cli

import (
	"strconv"

	"jeton/internal/adminapi"
)

// LogoutCmd is the messages that tell clients of a logout (OpenID Connect
// Back-Channel Logout).
type LogoutCmd struct {
	List  LogoutListCmd  `cmd:"" help:"List the messages that tell clients of a logout."`
	Retry LogoutRetryCmd `cmd:"" help:"Send a message again that was given up."`
}

// Examples implements exampler.
func (*LogoutCmd) Examples() []string {
	return []string{"jeton logout list --client portal", "jeton logout retry 478349236093440"}
}

// LogoutListCmd lists messages.
type LogoutListCmd struct {
	remoteFlags
	outFlags
	Client string `placeholder:"ID" help:"Only messages to this client."`
}

// Examples implements exampler.
func (*LogoutListCmd) Examples() []string {
	return []string{
		"jeton logout list                              # the newest first, those of a week",
		"jeton logout list --client portal -o json",
	}
}

// Exits implements exiter.
func (*LogoutListCmd) Exits() []int { return []int{ExitUnreachable} }

// Run lists messages.
func (c *LogoutListCmd) Run(env *Env) error {
	return c.with(env, func(api *adminClient) error {
		list, err := all[adminapi.Delivery](api, "/deliveries", query("client", c.Client))
		if err != nil {
			return err
		}
		t := table{head: []string{"ID", "CLIENT", "STATE", "TRIES", "BEGUN", "NEXT", "RESULT"}, empty: "no client was told of a logout yet"}
		for _, x := range list {
			t.add(x.ID, x.Client, x.State, strconv.FormatInt(x.Tries, 10), since(env, x.Created, ""), since(env, x.Due, ""), x.Result)
		}
		return c.show(env, list, t)
	})
}

// LogoutRetryCmd sends a message again.
type LogoutRetryCmd struct {
	remoteFlags
	outFlags
	ID string `arg:"" help:"Message that failed, as jeton logout list has it."`
}

// Examples implements exampler.
func (*LogoutRetryCmd) Examples() []string {
	return []string{"jeton logout retry 478349236093440", "jeton logout retry 478349236093440 --organization acme"}
}

// Exits implements exiter.
func (*LogoutRetryCmd) Exits() []int { return []int{ExitNotFound, ExitUnreachable} }

// Run has the message sent again.
func (c *LogoutRetryCmd) Run(env *Env) error {
	return c.with(env, func(api *adminClient) error {
		if err := api.post("/deliveries"+escaped(c.ID)+"/retry", nil, nil); err != nil {
			return err
		}
		c.say(env, "message %s will be sent again", c.ID)
		return nil
	})
}
