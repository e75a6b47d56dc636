package sensu

import (
	"slices"
	"strings"

	"jeton/internal/admin"
	"jeton/internal/dialect"
	"jeton/internal/identity"
	"jeton/internal/oauth"
	"jeton/internal/wire"
)

// Limits of what a user may be given.
const (
	maxGroups = 100
	maxGroup  = 256 // bytes of one group's name
)

// user is a user as Sensu shows one. Password hashes are never shown.
type user struct {
	Name     string   `json:"username"`
	Groups   []string `json:"groups"`
	Disabled bool     `json:"disabled"`
}

func wordUser(u identity.User) (user, error) {
	return user{Name: u.Name, Groups: append([]string{}, u.Groups...), Disabled: !u.Enabled}, nil
}

func (f face) listUsers(r *dialect.Request, c caller) (dialect.Reply, error) {
	p, err := readPage(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	rows, err := f.core.Admin.Users(r.Context(), r.Org.ID, admin.UserFilter{Realm: c.realm}, p.after, p.limit+1)
	if err != nil {
		return dialect.Reply{}, err
	}
	return list(p, rows, wordUser, func(u identity.User) int64 { return u.ID })
}

func (f face) showUser(r *dialect.Request, c caller) (dialect.Reply, error) {
	u, err := f.named(r, c)
	if err != nil {
		return dialect.Reply{}, err
	}
	w, err := wordUser(*u)
	return dialect.OK(w), err
}

// named is the user the path names.
func (f face) named(r *dialect.Request, c caller) (*identity.User, error) {
	return f.core.Admin.UserByName(r.Context(), r.Org.ID, c.realm, r.Var("user"))
}

func (f face) createUser(r *dialect.Request, c caller) (dialect.Reply, error) {
	o, err := body(r, "User")
	if err != nil {
		return dialect.Reply{}, err
	}
	u, password, err := readUser(o)
	if err != nil {
		return dialect.Reply{}, err
	}
	u.Org, u.Realm = r.Org.ID, c.realm
	if err := f.core.Admin.CreateUser(r.Context(), u, password); err != nil {
		return dialect.Reply{}, err
	}
	return created(), nil
}

// readUser reads a new user: with a password, or with the hash sensuctl makes.
func readUser(o wire.Object) (*identity.User, oauth.Secret, error) {
	name, _, err := o.Text("username")
	if err != nil {
		return nil, "", err
	}
	if name == "" {
		return nil, "", oauth.Missing("username")
	}
	groups, _, err := o.Texts("groups")
	if err != nil {
		return nil, "", err
	}
	if err := checkGroups(groups); err != nil {
		return nil, "", err
	}
	disabled := false
	if v, ok := o.Get("disabled"); ok && !v.IsNull() {
		if disabled, ok = v.Bool(); !ok {
			return nil, "", invalid("disabled", "disabled must be true or false")
		}
	}
	u := &identity.User{Name: name, Groups: groups, Enabled: !disabled}
	password, err := readPassword(o, u)
	return u, password, err
}

func readPassword(o wire.Object, u *identity.User) (oauth.Secret, error) {
	text, _, err := o.Text("password")
	if err != nil {
		return "", err
	}
	if text != "" {
		password := oauth.Secret(text)
		return password, identity.CheckPassword(password, false, u.Name)
	}
	if !o.Has("password_hash") {
		return "", oauth.Missing("password")
	}
	u.Password, err = passwordHash(o)
	return "", err
}

// passwordHash reads the bcrypt hash sensuctl sends instead of a new password. The
// next sign-in replaces it by one of today's.
func passwordHash(o wire.Object) (string, error) {
	encoded, _, err := o.Text("password_hash")
	if err != nil {
		return "", err
	}
	if encoded == "" {
		return "", oauth.Missing("password_hash")
	}
	// Other kinds this server can read would let a caller choose a weak one.
	if !strings.HasPrefix(encoded, "$2") {
		return "", invalid("password_hash", "password_hash must be a bcrypt hash")
	}
	if _, err := admin.Recognise(encoded); err != nil || encoded[4:6] < minCost {
		return "", invalid("password_hash", "password_hash must be a bcrypt hash of cost 10 to 14")
	}
	return encoded, nil
}

// minCost is the two digits of the cost sensuctl uses.
const minCost = "10"

func checkGroups(groups []string) error {
	if len(groups) > maxGroups {
		return invalid("groups", "a user has at most 100 groups")
	}
	for _, g := range groups {
		if g == "" || len(g) > maxGroup || strings.ContainsFunc(g, func(c rune) bool { return c < 0x20 || c == 0x7f }) {
			return invalid("groups", "a group is a text of 1 to 256 bytes")
		}
	}
	return nil
}

// change edits the user the path names, if the caller may.
func (f face) change(r *dialect.Request, c caller, event string, edit func(*identity.User) error) error {
	u, err := f.named(r, c)
	if err != nil {
		return err
	}
	_, err = f.core.Admin.ChangeUser(r.Context(), r.Org.ID, u.ID, event, func(u *identity.User) error {
		if err := c.mayChange(r, u); err != nil {
			return err
		}
		return edit(u)
	})
	return err
}

// disableUser is what DELETE means to Sensu: the user stays, his sessions end.
func (f face) disableUser(r *dialect.Request, c caller) (dialect.Reply, error) {
	return gone(), f.change(r, c, "user.disable", func(u *identity.User) error {
		u.Enabled = false
		return nil
	})
}

func (f face) reinstateUser(r *dialect.Request, c caller) (dialect.Reply, error) {
	return created(), f.change(r, c, "user.enable", func(u *identity.User) error {
		u.Enabled = true
		return nil
	})
}

// changePassword needs the old password, through the same throttle as a sign-in.
func (f face) changePassword(r *dialect.Request, c caller) (dialect.Reply, error) {
	o, err := body(r, "User")
	if err != nil {
		return dialect.Reply{}, err
	}
	encoded, err := passwordHash(o)
	if err != nil {
		return dialect.Reply{}, err
	}
	old, _, err := o.Text("password")
	if err != nil {
		return dialect.Reply{}, err
	}
	u, err := f.core.Users.Verify(r.Context(), attempt(r, c.realm, r.Var("user"), oauth.Secret(old)))
	if err != nil {
		return dialect.Reply{}, err
	}
	return created(), f.core.Admin.SetPasswordHash(r.Context(), r.Org.ID, u.ID, encoded)
}

func (f face) resetPassword(r *dialect.Request, c caller) (dialect.Reply, error) {
	o, err := body(r, "User")
	if err != nil {
		return dialect.Reply{}, err
	}
	encoded, err := passwordHash(o)
	if err != nil {
		return dialect.Reply{}, err
	}
	u, err := f.named(r, c)
	if err != nil {
		return dialect.Reply{}, err
	}
	if err := c.mayChange(r, u); err != nil {
		return dialect.Reply{}, err
	}
	return created(), f.core.Admin.SetPasswordHash(r.Context(), r.Org.ID, u.ID, encoded)
}

func (f face) addGroup(r *dialect.Request, c caller) (dialect.Reply, error) {
	return created(), f.change(r, c, "user.groups", func(u *identity.User) error {
		if slices.Contains(u.Groups, r.Var("group")) {
			return nil
		}
		u.Groups = append(slices.Clone(u.Groups), r.Var("group"))
		return checkGroups(u.Groups)
	})
}

func (f face) removeGroup(r *dialect.Request, c caller) (dialect.Reply, error) {
	return gone(), f.change(r, c, "user.groups", func(u *identity.User) error {
		u.Groups = slices.DeleteFunc(slices.Clone(u.Groups), func(g string) bool { return g == r.Var("group") })
		return nil
	})
}

func (f face) clearGroups(r *dialect.Request, c caller) (dialect.Reply, error) {
	return gone(), f.change(r, c, "user.groups", func(u *identity.User) error {
		u.Groups = nil
		return nil
	})
}
