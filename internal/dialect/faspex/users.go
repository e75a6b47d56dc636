package faspex

import (
	"strconv"
	"time"

	"jeton/internal/admin"
	"jeton/internal/dialect"
	"jeton/internal/identity"
	"jeton/internal/oauth"
	"jeton/internal/wire"
)

// maxUsers bounds the list of users: the vendor's has no pages.
const maxUsers = 1000

// me stands for the caller in a path.
const me = "me"

// users is the list an administrator may read.
func (f face) users(r *dialect.Request) (dialect.Reply, error) {
	caller, err := f.caller(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	if !isAdmin(caller) {
		return dialect.Reply{}, forbidden(r, "the list of users")
	}
	list, err := f.core.Admin.Users(r.Context(), r.Org.ID, admin.UserFilter{Realm: f.realm(r)}, 0, maxUsers)
	if err != nil {
		return dialect.Reply{}, err
	}
	now := f.core.Now().Unix()
	out := make([]user, len(list))
	for i := range list {
		out[i] = describe(&list[i], now)
	}
	return dialect.OK(out), nil
}

// user is one of them: the caller, by number or as "me", or anyone for an
// administrator. Others are told the same whether there is such a user or not.
func (f face) user(r *dialect.Request) (dialect.Reply, error) {
	caller, err := f.caller(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	now := f.core.Now().Unix()
	id, known := number(r.Var("id"))
	switch {
	case r.Var("id") == me, known && id == caller.ID:
		return dialect.OK(describe(caller, now)), nil
	case !isAdmin(caller):
		return dialect.Reply{}, forbidden(r, "another user")
	case !known:
		return dialect.Reply{}, oauth.Refuse(oauth.NotFound, "user not found")
	}
	u, err := f.core.Admin.User(r.Context(), r.Org.ID, id)
	if err != nil {
		return dialect.Reply{}, err
	}
	if u.Realm != f.realm(r) {
		return dialect.Reply{}, oauth.Refuse(oauth.NotFound, "user not found")
	}
	return dialect.OK(describe(u, now)), nil
}

// caller is the user the token speaks for, as he is now.
func (f face) caller(r *dialect.Request) (*identity.User, error) {
	token, _, err := wire.Bearer(r.Header)
	if err != nil {
		return nil, err
	}
	a, err := f.core.Bearer(r.Context(), r.Org.ID, Name, token)
	if err != nil {
		return nil, err
	}
	u, err := f.core.Admin.User(r.Context(), r.Org.ID, a.Subject.User)
	if oauth.Is(err, oauth.NotFound) { // deleted since the token was checked
		return nil, oauth.Refuse(oauth.InvalidToken, "")
	}
	return u, err
}

func forbidden(r *dialect.Request, what string) error {
	r.Audit().Fail("right", "an administrator", "a user who asks for "+what, "make the user an administrator: attribute "+Name+".admin")
	return oauth.Refuse(oauth.Forbidden, "only an administrator may see "+what)
}

// number reads a user's number as this API writes it, and no other spelling of it.
func number(text string) (int64, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil && n > 0 && strconv.FormatInt(n, 10) == text
}

// attributes are what a user has under the dialect's name. What is not there is
// not allowed.
type attributes struct {
	Admin         bool  `json:"admin"`
	Activated     *bool `json:"account_activated"` // nil = yes
	Downloads     bool  `json:"downloads_allowed"`
	Uploads       bool  `json:"uploads_allowed"`
	SendNormal    bool  `json:"can_send_normal_packages"`
	SendToAll     bool  `json:"can_send_to_all_faspex_users"`
	SendExternal  bool  `json:"can_send_to_external_email"`
	DeletePackage bool  `json:"delete_packages_after_download"`
	Profile       []struct {
		ID    int64  `json:"id"`
		Field int64  `json:"field"`
		Name  string `json:"name"`
		Value string `json:"value"`
	} `json:"profile"`
	Memberships []struct {
		ID          int64  `json:"id"`
		Workgroup   string `json:"workgroup"`
		WorkgroupID int64  `json:"workgroup_id"`
		Type        string `json:"type"`
		CanRead     bool   `json:"can_read"`
		CanWrite    bool   `json:"can_write"`
		Admin       bool   `json:"is_wg_admin"`
	} `json:"memberships"`
}

// attributesOf reads them; attributes that are not of this shape are none at all,
// so that half of a mistake gives nobody a right.
func attributesOf(u *identity.User) attributes {
	var a attributes
	if !u.Decode(Name, &a) {
		return attributes{}
	}
	return a
}

// isAdmin: an administrator of Faspex, or of the whole organization.
func isAdmin(u *identity.User) bool { return u.Admin || attributesOf(u).Admin }

// user is the vendor's object, its members in the vendor's order. The id is text
// here and a number inside the lists.
type user struct {
	ID            string         `json:"id"`
	Name          string         `json:"name"`
	FirstName     string         `json:"first_name"`
	LastName      string         `json:"last_name"`
	Activated     bool           `json:"account_activated"`
	Expires       bool           `json:"account_expires"`
	Admin         bool           `json:"admin"`
	Downloads     bool           `json:"downloads_allowed"`
	Uploads       bool           `json:"uploads_allowed"`
	SendNormal    bool           `json:"can_send_normal_packages"`
	SendToAll     bool           `json:"can_send_to_all_faspex_users"`
	SendExternal  bool           `json:"can_send_to_external_email"`
	Created       string         `json:"created_at"`
	Updated       string         `json:"updated_at"`
	DeletePackage bool           `json:"delete_packages_after_download"`
	Profile       []profileField `json:"user_profile_data_attributes"`
	Memberships   []membership   `json:"memberships"`
}

type profileField struct {
	Created   string `json:"created_at"`
	ID        int64  `json:"id"`
	Updated   string `json:"updated_at"`
	User      int64  `json:"user_id"`
	Field     int64  `json:"user_profile_field_id"`
	Value     string `json:"value"`
	FieldName string `json:"user_profile_field_name"`
}

type membership struct {
	ID          int64  `json:"id"`
	WorkgroupID int64  `json:"e_workgroup_id"`
	Type        string `json:"e_workgroup_type"`
	Workgroup   string `json:"e_workgroup_name"`
	User        int64  `json:"user_id"`
	CanRead     bool   `json:"can_read"`
	CanWrite    bool   `json:"can_write"`
	Admin       bool   `json:"is_wg_admin"`
	Created     string `json:"created_at"`
	Updated     string `json:"updated_at"`
}

// The vendor's two ways to write a time: one for a user, one inside its lists.
const (
	timeOfUser = "2006-01-02T15:04:05-07:00"
	timeInList = "2006/01/02 15:04:05 -0700"
)

func at(seconds int64, layout string) string { return time.Unix(seconds, 0).UTC().Format(layout) }

// describe is the user as the vendor shows it. The entries of the lists have no
// times of their own here: they carry the user's.
func describe(u *identity.User, now int64) user {
	a := attributesOf(u)
	out := user{
		ID: strconv.FormatInt(u.ID, 10), Name: u.Name, FirstName: u.GivenName, LastName: u.FamilyName,
		Activated: u.Live(now) && (a.Activated == nil || *a.Activated), Expires: u.Expires != 0,
		Admin: u.Admin || a.Admin, Downloads: a.Downloads, Uploads: a.Uploads,
		SendNormal: a.SendNormal, SendToAll: a.SendToAll, SendExternal: a.SendExternal,
		Created: at(u.Created, timeOfUser), Updated: at(u.Updated, timeOfUser), DeletePackage: a.DeletePackage,
		Profile: make([]profileField, len(a.Profile)), Memberships: make([]membership, len(a.Memberships)),
	}
	created, updated := at(u.Created, timeInList), at(u.Updated, timeInList)
	for i, p := range a.Profile {
		out.Profile[i] = profileField{
			Created: created, ID: p.ID, Updated: updated, User: u.ID, Field: p.Field, Value: p.Value, FieldName: p.Name,
		}
	}
	for i, m := range a.Memberships {
		out.Memberships[i] = membership{
			ID: m.ID, WorkgroupID: m.WorkgroupID, Type: m.Type, Workgroup: m.Workgroup, User: u.ID,
			CanRead: m.CanRead, CanWrite: m.CanWrite, Admin: m.Admin, Created: created, Updated: updated,
		}
	}
	return out
}
