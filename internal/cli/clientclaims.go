package cli

import (
	"encoding/json"
	"fmt"
	"strconv"

	"jeton/internal/adminapi"
	"jeton/internal/wire"
)

// ClientClaimsCmd previews the claims of a client's tokens.
type ClientClaimsCmd struct {
	clientFlags
	User  string `required:"" placeholder:"NAME" help:"User the client would be told of, or a user's number behind a #."`
	Realm string `placeholder:"NAME" help:"Realm the user is of." otherwise:"the organization's default realm"`
	Scope string `placeholder:"LIST" help:"Scope that would be granted, separated by spaces." otherwise:"all the client may ask for"`
}

// Examples implements exampler.
func (*ClientClaimsCmd) Examples() []string {
	return []string{
		"jeton client claims portal --user ada",
		"jeton client claims portal --user ada --scope 'openid email' -o json",
	}
}

// Help implements kong.HelpProvider.
func (*ClientClaimsCmd) Help() string {
	return "Nothing is issued. The claims every token has (iss, aud, exp and the like) are not shown; a claim\n" +
		"that a request asks for by name (OpenID Connect Core §5.5) would come beside these."
}

// Exits implements exiter.
func (*ClientClaimsCmd) Exits() []int {
	return []int{ExitRefused, ExitNotFound, ExitConflict, ExitUnreachable}
}

// Run shows the claims, a row for each.
func (c *ClientClaimsCmd) Run(env *Env) error {
	return c.with(env, func(api *adminClient) error {
		u, err := userFlags{Name: c.User, Realm: c.Realm}.find(api)
		if err != nil {
			return err
		}
		var v adminapi.Claims
		if err := api.get(c.path("/claims"), query("user", strconv.FormatInt(u.ID, 10), "scope", c.Scope), &v); err != nil {
			return err
		}
		t, err := claimTable(v)
		if err != nil {
			return err
		}
		return c.show(env, v, t)
	})
}

// claimTable has a row for each claim, in the order of the answers.
func claimTable(v adminapi.Claims) (table, error) {
	t := table{head: []string{"CLAIM", "ID TOKEN", "USERINFO", "ACCESS TOKEN"}}
	at := map[string]int{}
	for column, object := range []json.RawMessage{v.IDToken, v.Userinfo, v.AccessToken} {
		o, err := wire.JSON(object)
		if err != nil {
			return t, fmt.Errorf("read the claims: %w", err)
		}
		for _, name := range o.Names() {
			row, known := at[name]
			if !known {
				row = len(t.rows)
				at[name] = row
				t.add(name, "", "", "")
			}
			value, _ := o.Get(name)
			t.rows[row][column+1] = string(value.Raw())
		}
	}
	return t, nil
}
