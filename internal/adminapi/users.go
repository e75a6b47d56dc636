package adminapi

import (
	"encoding/json"
	"fmt"
	"strconv"

	"jeton/internal/admin"
	"jeton/internal/client"
	"jeton/internal/dialect"
	"jeton/internal/hash"
	"jeton/internal/identity"
	"jeton/internal/oauth"
)

// User is a person or machine account as it is read: members named as in
// configuration files. What a request may not change is below Attributes.
type User struct {
	Name         string         `json:"name"`
	Organization string         `json:"organization"`
	Realm        string         `json:"realm"`
	Email        string         `json:"email,omitempty"`
	GivenName    string         `json:"given_name,omitempty"`
	FamilyName   string         `json:"family_name,omitempty"`
	DisplayName  string         `json:"display_name,omitempty"`
	Groups       []string       `json:"groups,omitempty"`
	Roles        []string       `json:"roles,omitempty"`
	Admin        bool           `json:"admin,omitempty"`
	Enabled      bool           `json:"enabled"`
	Expires      string         `json:"expires,omitempty"` // RFC 3339
	Keys         []Key          `json:"keys,omitempty"`
	Attributes   map[string]any `json:"attributes,omitempty"`

	PasswordDue bool `json:"password_due,omitempty"` // must be changed at the next sign-in

	ID            int64  `json:"id,omitempty"`
	Password      string `json:"password,omitempty"` // "set", or absent
	Failures      int    `json:"failures,omitempty"` // wrong passwords in a row
	LockedUntil   int64  `json:"locked_until,omitempty"`
	Source        string `json:"source,omitempty"`
	Created       int64  `json:"created,omitempty"`
	Updated       int64  `json:"updated,omitempty"`
	RevokedBefore int64  `json:"revoked_before,omitempty"` // unix milliseconds
	Version       int64  `json:"version,omitempty"`
}

var userReadOnly = map[string]string{
	"id": "the server gives it", "failures": "use the user's unlock", "locked_until": "use the user's unlock",
	"source": "the server sets it", "created": "the server sets it", "updated": "the server sets it",
	"revoked_before": "use the user's revoke", "version": "the server sets it",
}

func (a *api) viewUser(u *identity.User) User {
	v := User{
		ID: u.ID, Name: u.Name, Organization: u.Org, Realm: u.Realm, Email: u.Email, GivenName: u.GivenName,
		FamilyName: u.FamilyName, DisplayName: u.DisplayName, Groups: u.Groups, Roles: u.Roles, Admin: u.Admin,
		Enabled: u.Enabled, Expires: rfc3339(u.Expires), Keys: viewKeys(u.Keys), Attributes: u.Attr, PasswordDue: u.PasswordDue,
		Source: u.Source, Created: u.Created, Updated: u.Updated, RevokedBefore: u.RevokedBefore, Version: u.Version,
	}
	if u.Password != "" {
		v.Password = "set"
	}
	failures, until := a.core.Admin.Locked(u)
	if v.Failures = failures; until.After(a.core.Now()) {
		v.LockedUntil = until.Unix()
	}
	return v
}

func (a *api) listUsers(r *dialect.Request) (dialect.Reply, error) {
	p, err := readPage(r, "user")
	if err != nil {
		return dialect.Reply{}, err
	}
	after, err := p.number()
	if err != nil {
		return dialect.Reply{}, err
	}
	q, err := r.Query()
	if err != nil {
		return dialect.Reply{}, err
	}
	if name, ok := q.Get("name"); ok {
		return a.userByName(r, name, q.Text("realm"))
	}
	f := admin.UserFilter{Query: q.Text("q"), Realm: q.Text("realm")}
	found, err := a.core.Admin.Users(r.Context(), r.Org.ID, f, after, p.limit+1)
	if err != nil {
		return dialect.Reply{}, err
	}
	total, err := a.core.Admin.CountUsers(r.Context(), r.Org.ID, f)
	if err != nil {
		return dialect.Reply{}, err
	}
	found, more := full(found, p.limit)
	views, last := make([]User, len(found)), ""
	for i := range found {
		views[i], last = a.viewUser(&found[i]), strconv.FormatInt(found[i].ID, 10)
	}
	return reply(r, "user", views, total, more, last), nil
}

// userByName lists the one user of that name, or nobody.
func (a *api) userByName(r *dialect.Request, name, realm string) (dialect.Reply, error) {
	if realm == "" {
		realm = r.Org.DefaultRealm()
	}
	u, err := a.core.Admin.UserByName(r.Context(), r.Org.ID, realm, name)
	if oauth.Is(err, oauth.NotFound) {
		return reply[User](r, "user", nil, 0, false, ""), nil
	}
	if err != nil {
		return dialect.Reply{}, err
	}
	return reply(r, "user", []User{a.viewUser(u)}, 1, false, ""), nil
}

// userID is the user number of the path; what is no number names nobody.
func userID(r *dialect.Request) (int64, error) {
	n, err := strconv.ParseInt(r.Var("id"), 10, 64)
	if err != nil || n <= 0 {
		return 0, oauth.Refuse(oauth.NotFound, "user not found")
	}
	return n, nil
}

func (a *api) getUser(r *dialect.Request) (dialect.Reply, error) {
	id, err := userID(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	u, err := a.core.Admin.User(r.Context(), r.Org.ID, id)
	if err != nil {
		return dialect.Reply{}, err
	}
	return dialect.OK(a.viewUser(u)), nil
}

// createUser registers a user. Its password is a text, or an object with the hash
// of one.
func (a *api) createUser(r *dialect.Request) (dialect.Reply, error) {
	o, err := object(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	if err := a.prepare(r, o, userReadOnly); err != nil {
		return dialect.Reply{}, err
	}
	password, encoded, err := takePassword(o)
	if err != nil {
		return dialect.Reply{}, err
	}
	w, err := a.load("users", o)
	if err != nil {
		return dialect.Reply{}, err
	}
	u := w.Users[0]
	u.Source, u.Password = "", encoded
	if password != "" {
		if err := acceptable(password, &u); err != nil {
			return dialect.Reply{}, err
		}
	}
	if err := a.core.Admin.CreateUser(r.Context(), &u, password); err != nil {
		return dialect.Reply{}, err
	}
	return created(r, strconv.FormatInt(u.ID, 10), a.viewUser(&u)), nil
}

// takePassword takes the password out of a document.
func takePassword(o map[string]any) (password oauth.Secret, encoded string, err error) {
	v, sent := o["password"]
	if !sent || v == nil {
		return "", "", nil
	}
	delete(o, "password")
	if text, ok := v.(string); ok {
		return oauth.Secret(text), "", nil
	}
	form, _ := v.(map[string]any)
	encoded, ok := form["hash"].(string)
	if !ok || len(form) != 1 {
		return "", "", refuse(oauth.InvalidValue, "/password", `a password is a text, or {"hash": "$argon2id$…"}`)
	}
	if _, err := hash.Recognise(encoded); err != nil {
		return "", "", refuse(oauth.InvalidValue, "/password/hash", err.Error())
	}
	return "", encoded, nil
}

// acceptable asks what every new password is asked. Nothing says here that a second
// factor stands behind it.
func acceptable(password oauth.Secret, u *identity.User) error {
	err := identity.CheckPassword(password, true, u.Name, u.Email, u.Org, "jeton")
	if e := oauth.AsRefusal(err); err != nil && e.Param != "" {
		return refuse(e.Code, "/"+e.Param, e.Description)
	}
	return err
}

func (a *api) changeUser(r *dialect.Request) (dialect.Reply, error) {
	id, err := userID(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	patch, err := object(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	if err := a.prepare(r, patch, userReadOnly, map[string]string{"password": "use PUT …/password"}); err != nil {
		return dialect.Reply{}, err
	}
	u, err := a.core.Admin.ChangeUser(r.Context(), r.Org.ID, id, "user.change", func(u *identity.User) error {
		return a.patchUser(u, patch)
	})
	if err != nil {
		return dialect.Reply{}, err
	}
	return dialect.OK(a.viewUser(u)), nil
}

func (a *api) patchUser(u *identity.User, patch map[string]any) error {
	v := a.viewUser(u)
	v.ID, v.Password, v.Failures, v.LockedUntil, v.Source, v.Created, v.Updated, v.RevokedBefore, v.Version = 0, "", 0, 0, "", 0, 0, 0, 0
	for i := range v.Keys {
		v.Keys[i].Created = 0
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("adminapi: write user %d: %w", u.ID, err)
	}
	o, err := decode(b)
	if err != nil {
		return err
	}
	w, err := a.load("users", merge(o, patch))
	if err != nil {
		return err
	}
	next := w.Users[0]
	next.ID, next.Password, next.Source = u.ID, u.Password, u.Source
	next.Created, next.Updated, next.RevokedBefore, next.Version = u.Created, u.Updated, u.RevokedBefore, u.Version
	*u = next
	return nil
}

// on runs a verb on the user of the path and answers with nothing.
func (a *api) on(r *dialect.Request, verb func(id int64) error) (dialect.Reply, error) {
	id, err := userID(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	return done(), verb(id)
}

func (a *api) deleteUser(r *dialect.Request) (dialect.Reply, error) {
	return a.on(r, func(id int64) error { return a.core.Admin.DeleteUser(r.Context(), r.Org.ID, id) })
}

func (a *api) revokeUser(r *dialect.Request) (dialect.Reply, error) {
	return a.on(r, func(id int64) error { return a.core.Admin.RevokeUser(r.Context(), r.Org.ID, id) })
}

func (a *api) unlockUser(r *dialect.Request) (dialect.Reply, error) {
	return a.on(r, func(id int64) error { return a.core.Admin.UnlockUser(r.Context(), r.Org.ID, id) })
}

// setPassword: the body is {"password": TEXT}, or {"password": {"hash": …}}; with
// "password_due": true the user must choose another at the next sign-in.
func (a *api) setPassword(r *dialect.Request) (dialect.Reply, error) {
	o, err := object(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	password, encoded, err := takePassword(o)
	if err != nil {
		return dialect.Reply{}, err
	}
	due, isBool := o["password_due"].(bool)
	if _, sent := o["password_due"]; sent && !isBool {
		return dialect.Reply{}, refuse(oauth.InvalidValue, "/password_due", "password_due is true or false")
	}
	delete(o, "password_due")
	for name := range o {
		return dialect.Reply{}, refuse(oauth.InvalidValue, pointer(name), "only password and password_due are read here")
	}
	return a.on(r, func(id int64) error {
		u, err := a.core.Admin.User(r.Context(), r.Org.ID, id)
		switch {
		case err != nil:
			return err
		case encoded != "":
			return a.core.Admin.GivePasswordHash(r.Context(), r.Org.ID, id, encoded, due)
		case password == "":
			return refuse(oauth.MissingParameter, "/password", "missing password")
		}
		if err := acceptable(password, u); err != nil {
			return err
		}
		return a.core.Admin.GivePassword(r.Context(), r.Org.ID, id, password, due)
	})
}

// addKey: the body is {"pem": PEM, "kid": name}; kid is the thumbprint when it is
// left out.
func (a *api) addKey(r *dialect.Request) (dialect.Reply, error) {
	id, err := userID(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	var k struct {
		ID  string `json:"kid"`
		PEM string `json:"pem"`
	}
	if err := read(r, &k); err != nil {
		return dialect.Reply{}, err
	}
	if k.PEM == "" {
		return dialect.Reply{}, refuse(oauth.MissingParameter, "/pem", "missing pem")
	}
	if err := CheckKey(k.PEM); err != nil {
		return dialect.Reply{}, refuse(oauth.InvalidValue, "/pem", "not a key that can be registered: "+err.Error())
	}
	u, err := a.core.Admin.AddKey(r.Context(), r.Org.ID, id, client.Key{ID: k.ID, PEM: k.PEM})
	if err != nil {
		return dialect.Reply{}, err
	}
	return dialect.Reply{Status: 201, Body: a.viewUser(u)}, nil
}

func (a *api) removeKey(r *dialect.Request) (dialect.Reply, error) {
	return a.on(r, func(id int64) error {
		_, err := a.core.Admin.RemoveKey(r.Context(), r.Org.ID, id, r.Var("key"))
		return err
	})
}

// allUsers reads every user of an organization, page by page.
func (a *api) allUsers(r *dialect.Request, org string) (all []identity.User, err error) {
	after := int64(0)
	for {
		list, err := a.core.Admin.Users(r.Context(), org, admin.UserFilter{}, after, maxLimit)
		if err != nil || len(list) == 0 {
			return all, err
		}
		all = append(all, list...)
		after = list[len(list)-1].ID
	}
}

// knownUser answers the checks of a document whether a user it names is there.
func (a *api) knownUser(r *dialect.Request) func(org, realm, name string) bool {
	return func(org, realm, name string) bool {
		_, err := a.core.Admin.UserByName(r.Context(), org, realm, name)
		return err == nil
	}
}
