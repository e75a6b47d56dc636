package cli

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"jeton/internal/adminapi"
	"jeton/internal/jose"
	"jeton/internal/oauth"
)

// UserCmd is people and machine accounts.
type UserCmd struct {
	List     UserListCmd     `cmd:"" help:"List users."`
	Show     UserShowCmd     `cmd:"" help:"Show one user."`
	Create   UserCreateCmd   `cmd:"" help:"Add a user."`
	Set      UserSetCmd      `cmd:"" help:"Change a user."`
	Password UserPasswordCmd `cmd:"" help:"Give a user a password; the user's tokens end."`
	Key      UserKeyCmd      `cmd:"" help:"Add and remove a user's public keys."`
	Unlock   UserUnlockCmd   `cmd:"" help:"Forget a user's wrong passwords."`
	Delete   UserDeleteCmd   `cmd:"" help:"Delete a user; the user's tokens end."`
	Revoke   UserRevokeCmd   `cmd:"" help:"End every token a user was issued."`
}

// Examples implements exampler.
func (*UserCmd) Examples() []string {
	return []string{
		"jeton user create ada --email ada@example.com --password-stdin < password.txt",
		"jeton user unlock ada",
	}
}

// userFlags are what every command about one user has.
type userFlags struct {
	remoteFlags
	outFlags
	Name  string `arg:"" help:"User name, or a user's number behind a #."`
	Realm string `placeholder:"NAME" help:"Realm the name is of." otherwise:"the organization's default realm"`
}

// find looks the user up, so that every other call goes by number.
func (f userFlags) find(api *adminClient) (adminapi.User, error) {
	var u adminapi.User
	if number, ok := strings.CutPrefix(f.Name, "#"); ok {
		return u, api.get("/users"+escaped(number), nil, &u)
	}
	list, err := all[adminapi.User](api, "/users", query("name", f.Name, "realm", f.Realm))
	if err != nil {
		return u, err
	}
	if len(list) == 0 {
		return u, fail(ExitNotFound, "jeton user list "+f.Name, "there is no user %s", f.Name)
	}
	return list[0], nil
}

func userPath(u adminapi.User, more string) string {
	return "/users/" + strconv.FormatInt(u.ID, 10) + more
}

// onUser finds the user and runs f.
func (f userFlags) onUser(env *Env, run func(*adminClient, adminapi.User) error) error {
	return f.with(env, func(api *adminClient) error {
		u, err := f.find(api)
		if err != nil {
			return err
		}
		return run(api, u)
	})
}

// UserListCmd lists users.
type UserListCmd struct {
	remoteFlags
	outFlags
	Search string `arg:"" optional:"" name:"text" help:"Only users with this in name or e-mail address."`
	Realm  string `placeholder:"NAME" help:"Only users of this realm."`
}

// Examples implements exampler.
func (*UserListCmd) Examples() []string {
	return []string{"jeton user list", "jeton user list example.com -o json"}
}

// Exits implements exiter.
func (*UserListCmd) Exits() []int { return []int{ExitRefused, ExitUnreachable} }

// Run lists users.
func (c *UserListCmd) Run(env *Env) error {
	return c.with(env, func(api *adminClient) error {
		list, err := all[adminapi.User](api, "/users", query("q", c.Search, "realm", c.Realm))
		if err != nil {
			return err
		}
		t := table{head: []string{"#", "NAME", "REALM", "EMAIL", "GROUPS", "STATE"}, empty: "no users; next: jeton user create NAME --password-stdin"}
		for _, u := range list {
			t.add(strconv.FormatInt(u.ID, 10), u.Name, u.Realm, u.Email, strings.Join(u.Groups, " "), userState(env, u))
		}
		return c.show(env, list, t)
	})
}

func userState(env *Env, u adminapi.User) string {
	switch {
	case !u.Enabled:
		return "disabled"
	case u.LockedUntil != 0:
		return "locked, ends " + since(env, u.LockedUntil, "never")
	}
	state := "active"
	if u.Admin {
		state += ", admin"
	}
	if u.PasswordDue {
		state += ", password due"
	}
	return state
}

// UserShowCmd shows one user.
type UserShowCmd struct{ userFlags }

// Examples implements exampler.
func (*UserShowCmd) Examples() []string {
	return []string{"jeton user show ada", "jeton user show '#7' -o json"}
}

// Exits implements exiter.
func (*UserShowCmd) Exits() []int { return []int{ExitNotFound, ExitUnreachable} }

// Run shows one user.
func (c *UserShowCmd) Run(env *Env) error {
	return c.onUser(env, func(_ *adminClient, u adminapi.User) error { return c.show(env, u, userTable(env, u)) })
}

func userTable(env *Env, u adminapi.User) table {
	t := fields("number", strconv.FormatInt(u.ID, 10), "name", u.Name, "organization", u.Organization, "realm", u.Realm,
		"state", userState(env, u), "email", u.Email, "given_name", u.GivenName, "family_name", u.FamilyName,
		"display_name", u.DisplayName, "groups", strings.Join(u.Groups, " "), "roles", strings.Join(u.Roles, " "),
		"password", first(u.Password, "none"), "expires", u.Expires, "source", u.Source)
	if u.Failures > 0 {
		t.add("failures", strconv.Itoa(u.Failures))
	}
	for _, k := range u.Keys {
		t.add("key", joined(k.ID, fingerprint(k.PEM)))
	}
	return t
}

// fingerprint names a public key as people compare it.
func fingerprint(pem string) string {
	pub, err := jose.ParsePublic(pem)
	if err != nil {
		return ""
	}
	return "SHA256:" + jose.Thumbprint(pub)
}

// UserCreateCmd adds a user.
type UserCreateCmd struct {
	remoteFlags
	outFlags
	Name          string   `arg:"" help:"Name to sign in with."`
	Realm         string   `placeholder:"NAME" help:"Realm the user belongs to." otherwise:"the organization's default realm"`
	Email         string   `placeholder:"ADDRESS" help:"E-mail address."`
	DisplayName   string   `name:"display-name" placeholder:"NAME" help:"Name shown on pages."`
	Group         []string `placeholder:"NAME" help:"Group the user is in; may be repeated."`
	Admin         bool     `help:"Administrator of the organization."`
	PasswordStdin bool     `name:"password-stdin" help:"Read the password from standard input; without it the user cannot sign in by password."`
	Due           bool     `name:"due" help:"The password must be changed at the first sign-in."`
}

// Examples implements exampler.
func (*UserCreateCmd) Examples() []string {
	return []string{
		"jeton user create ada --email ada@example.com --password-stdin < password.txt",
		"jeton user create robot --group ci             # signs in by key alone",
	}
}

// Exits implements exiter.
func (*UserCreateCmd) Exits() []int { return []int{ExitRefused, ExitConflict, ExitUnreachable} }

// Run adds the user.
func (c *UserCreateCmd) Run(env *Env) error {
	o := map[string]any{"name": c.Name, "admin": c.Admin, "password_due": c.Due}
	for name, v := range map[string]string{"realm": c.Realm, "email": c.Email, "display_name": c.DisplayName} {
		if v != "" {
			o[name] = v
		}
	}
	if len(c.Group) > 0 {
		o["groups"] = c.Group
	}
	if c.PasswordStdin {
		password, err := readSecret(env.Stdin)
		if err != nil {
			return err
		}
		o["password"] = password.Reveal()
	}
	return c.with(env, func(api *adminClient) error {
		var u adminapi.User
		if err := api.post("/users", o, &u); err != nil {
			return err
		}
		return c.show(env, u, userTable(env, u))
	})
}

// UserSetCmd changes a user.
type UserSetCmd struct {
	userFlags
	Change []string `arg:"" name:"name=value" help:"What to change: email=ada@example.com, groups=dev,ops, groups+=dev, enabled=false, expires=2027-01-01, attributes.NAME=TEXT; an empty value removes."`
}

// Examples implements exampler.
func (*UserSetCmd) Examples() []string {
	return []string{
		"jeton user set ada groups=dev,ops              # a list takes the place of the old one",
		"jeton user set ada enabled=false               # the user's tokens end",
	}
}

// Exits implements exiter.
func (*UserSetCmd) Exits() []int {
	return []int{ExitRefused, ExitNotFound, ExitConflict, ExitUnreachable}
}

// userMembers are the members of a user, and whether each is a list.
var userMembers = map[string]bool{
	"name": false, "realm": false, "email": false, "given_name": false, "family_name": false, "display_name": false,
	"groups": true, "roles": true, "admin": false, "enabled": false, "expires": false, "password_due": false, "attributes": false,
}

// Run sends what is to change as one patch.
func (c *UserSetCmd) Run(env *Env) error {
	for _, pair := range c.Change {
		name, _, _ := strings.Cut(pair, "=")
		head, _, _ := strings.Cut(strings.TrimRight(name, "+-"), ".")
		if _, known := userMembers[head]; !known {
			return fail(ExitUsage, "for an attribute write attributes."+name+"=…", "a user has no %s", head)
		}
		if err := assign(map[string]any{}, pair); err != nil {
			return err
		}
	}
	return c.onUser(env, func(api *adminClient, u adminapi.User) error {
		pairs, err := whole(c.Change, userMembers, func(now any) error { return api.get(userPath(u, ""), nil, now) })
		if err != nil {
			return err
		}
		patch := map[string]any{}
		for _, pair := range pairs {
			if err := assign(patch, pair); err != nil {
				return err
			}
		}
		var out adminapi.User
		if err := api.patch(userPath(u, ""), patch, &out); err != nil {
			return err
		}
		return c.show(env, out, userTable(env, out))
	})
}

// UserPasswordCmd gives a user a password.
type UserPasswordCmd struct {
	userFlags
	askFlags
	PasswordStdin bool `name:"password-stdin" help:"Read the password from standard input; it is never an argument."`
	Due           bool `name:"due" help:"It must be changed at the next sign-in."`
}

// Examples implements exampler.
func (*UserPasswordCmd) Examples() []string {
	return []string{
		"jeton user password ada                        # asks",
		"jeton user password ada --password-stdin --due < password.txt",
	}
}

// Exits implements exiter.
func (*UserPasswordCmd) Exits() []int { return []int{ExitRefused, ExitNotFound, ExitUnreachable} }

// Run sets the password.
func (c *UserPasswordCmd) Run(env *Env) error {
	password, err := c.read(env)
	if err != nil {
		return err
	}
	return c.onUser(env, func(api *adminClient, u adminapi.User) error {
		if err := api.put(userPath(u, "/password"), map[string]any{"password": password.Reveal(), "password_due": c.Due}); err != nil {
			return err
		}
		c.say(env, "user %s has a new password; the tokens issued before have ended", u.Name)
		return nil
	})
}

func (c *UserPasswordCmd) read(env *Env) (oauth.Secret, error) {
	if c.PasswordStdin {
		return readSecret(env.Stdin)
	}
	if c.NoInput {
		return "", fail(ExitUsage, "add --password-stdin", "no password was given")
	}
	return ask(env, "New password of "+c.Name, "--password-stdin")
}

// UserKeyCmd is a user's public keys.
type UserKeyCmd struct {
	Add    UserKeyAddCmd    `cmd:"" help:"Register a public key, by whose other half a program signs in as the user."`
	Remove UserKeyRemoveCmd `cmd:"" help:"Remove a public key."`
}

// Examples implements exampler.
func (*UserKeyCmd) Examples() []string {
	return append(new(UserKeyAddCmd).Examples()[:1], new(UserKeyRemoveCmd).Examples()[0])
}

// UserKeyAddCmd registers a public key.
type UserKeyAddCmd struct {
	userFlags
	File string `arg:"" help:"File with the public key, PEM."`
	KID  string `name:"kid" placeholder:"NAME" help:"Name of the key." otherwise:"its thumbprint"`
}

// Examples implements exampler.
func (*UserKeyAddCmd) Examples() []string {
	return []string{
		"jeton user key add ada ada.pub",
		"openssl pkey -in ada.pem -pubout > ada.pub     # how to get that file",
	}
}

// Exits implements exiter.
func (*UserKeyAddCmd) Exits() []int {
	return []int{ExitRefused, ExitNotFound, ExitConflict, ExitUnreachable}
}

// Run registers the key.
func (c *UserKeyAddCmd) Run(env *Env) error {
	b, err := os.ReadFile(env.Path(c.File))
	if err != nil {
		return fail(ExitUsage, "name a readable PEM file", "the key could not be read: %v", err)
	}
	if strings.Contains(string(b), "PRIVATE KEY") {
		return fail(ExitUsage, "openssl pkey -in "+c.File+" -pubout > public.pem", "%s holds a private key: it stays where it is, only its public half is registered", c.File)
	}
	return c.onUser(env, func(api *adminClient, u adminapi.User) error {
		var out adminapi.User
		if err := api.post(userPath(u, "/keys"), map[string]string{"pem": string(b), "kid": c.KID}, &out); err != nil {
			return err
		}
		k := out.Keys[len(out.Keys)-1]
		return c.show(env, k, fields("user", u.Name, "key", k.ID, "fingerprint", fingerprint(k.PEM)))
	})
}

// UserKeyRemoveCmd removes a public key.
type UserKeyRemoveCmd struct {
	userFlags
	Key string `arg:"" help:"Name of the key, as jeton user show has it."`
}

// Examples implements exampler.
func (*UserKeyRemoveCmd) Examples() []string {
	return []string{"jeton user key remove ada laptop", "jeton user key remove ada p4Zt…"}
}

// Exits implements exiter.
func (*UserKeyRemoveCmd) Exits() []int { return []int{ExitNotFound, ExitUnreachable} }

// Run removes the key.
func (c *UserKeyRemoveCmd) Run(env *Env) error {
	return c.onUser(env, func(api *adminClient, u adminapi.User) error {
		if err := api.remove(userPath(u, "/keys"+escaped(c.Key))); err != nil {
			return err
		}
		c.say(env, "key %s of user %s removed", c.Key, u.Name)
		return nil
	})
}

// UserUnlockCmd forgets wrong passwords.
type UserUnlockCmd struct{ userFlags }

// Examples implements exampler.
func (*UserUnlockCmd) Examples() []string {
	return []string{"jeton user unlock ada", "jeton user unlock ada --realm partners"}
}

// Exits implements exiter.
func (*UserUnlockCmd) Exits() []int { return []int{ExitNotFound, ExitUnreachable} }

// Run unlocks the user.
func (c *UserUnlockCmd) Run(env *Env) error {
	return c.onUser(env, func(api *adminClient, u adminapi.User) error {
		if err := api.post(userPath(u, "/unlock"), nil, nil); err != nil {
			return err
		}
		c.say(env, "user %s may try again; %d wrong passwords were counted", u.Name, u.Failures)
		return nil
	})
}

// UserRevokeCmd ends every token of a user.
type UserRevokeCmd struct{ userFlags }

// Examples implements exampler.
func (*UserRevokeCmd) Examples() []string {
	return []string{"jeton user revoke ada", "jeton user revoke '#7'"}
}

// Exits implements exiter.
func (*UserRevokeCmd) Exits() []int { return []int{ExitNotFound, ExitUnreachable} }

// Run ends the tokens.
func (c *UserRevokeCmd) Run(env *Env) error { return c.revoke(env) }

func (f userFlags) revoke(env *Env) error {
	return f.onUser(env, func(api *adminClient, u adminapi.User) error {
		if err := api.post(userPath(u, "/revoke"), nil, nil); err != nil {
			return err
		}
		f.say(env, "every token issued to user %s so far has ended", u.Name)
		return nil
	})
}

// UserDeleteCmd deletes a user.
type UserDeleteCmd struct {
	userFlags
	askFlags
}

// Examples implements exampler.
func (*UserDeleteCmd) Examples() []string {
	return []string{
		"jeton user delete ada                          # asks for the name",
		"jeton user delete ada --yes",
	}
}

// Exits implements exiter.
func (*UserDeleteCmd) Exits() []int { return []int{ExitNotFound, ExitUnreachable} }

// Run says what ends, asks, and deletes.
func (c *UserDeleteCmd) Run(env *Env) error {
	return c.onUser(env, func(api *adminClient, u adminapi.User) error {
		live, err := all[adminapi.Family](api, "/tokens", query("user", fmt.Sprint(u.ID)))
		if err != nil {
			return err
		}
		if err := c.confirm(env, "user", u.Name, ends(len(live))); err != nil {
			return err
		}
		if err := api.remove(userPath(u, "")); err != nil {
			return err
		}
		c.say(env, "user %s deleted", u.Name)
		return nil
	})
}
