package aoc

import (
	"strconv"

	"jeton/internal/admin"
	"jeton/internal/dialect"
	"jeton/internal/identity"
	"jeton/internal/oauth"
)

// userObject is a person as the vendor's API shows him.
type userObject struct {
	ID           string  `json:"id"`
	Name         string  `json:"name"`
	Email        string  `json:"email"`
	FirstName    string  `json:"first_name"`
	LastName     string  `json:"last_name"`
	Organization string  `json:"organization_id"`
	Admin        bool    `json:"organization_admin"`
	Workspace    *string `json:"default_workspace_id"`
	PublicKey    *string `json:"public_key"`
	Deactivated  bool    `json:"deactivated"`
	Created      string  `json:"created_at"`
	Updated      string  `json:"updated_at"`
}

// attributes are what a user has for this product alone.
type attributes struct {
	Workspace string `json:"default_workspace_id"`
}

func (f face) person(c caller, u *identity.User) userObject {
	v := userObject{
		ID: number(u.ID), Name: displayName(u.Subject()), Email: u.Email, FirstName: u.GivenName, LastName: u.FamilyName,
		Organization: number(c.org.Number), Admin: u.Admin, PublicKey: f.firstKey(u.Keys), Deactivated: !u.Enabled,
		Created: seconds(u.Created), Updated: seconds(u.Updated),
	}
	var a attributes
	if u.Decode(Name, &a) && a.Workspace != "" {
		v.Workspace = &a.Workspace
	}
	return v
}

func (f face) self(r *dialect.Request) (dialect.Reply, error) {
	c, err := f.caller(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	if err := c.needs(r, append([]string{scopeSelf}, wide...)...); err != nil {
		return dialect.Reply{}, err
	}
	u, err := f.core.Admin.User(r.Context(), c.org.ID, c.access.Subject.User)
	if err != nil {
		return dialect.Reply{}, err
	}
	return dialect.OK(f.person(c, u)), nil
}

// listUsers lists all users for an administrator, and for anybody else himself.
func (f face) listUsers(r *dialect.Request) (dialect.Reply, error) {
	c, err := f.caller(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	if err := c.needs(r, wide...); err != nil {
		return dialect.Reply{}, err
	}
	q, err := r.Query()
	if err != nil {
		return dialect.Reply{}, err
	}
	p, err := paging(q)
	if err != nil {
		return dialect.Reply{}, err
	}
	if !c.manages() {
		u, err := f.core.Admin.User(r.Context(), c.org.ID, c.access.Subject.User)
		if err != nil {
			return dialect.Reply{}, err
		}
		return listing(cut(p, []userObject{f.person(c, u)}), 1), nil
	}
	total, err := f.core.Admin.CountUsers(r.Context(), c.org.ID, admin.UserFilter{Query: p.query})
	if err != nil {
		return dialect.Reply{}, err
	}
	list, err := f.usersOn(r, c, p, int(total))
	return listing(list, int(total)), err
}

// usersOn walks to the page: the store lists by number and counts no positions.
func (f face) usersOn(r *dialect.Request, c caller, p page, total int) (out []userObject, err error) {
	if p.from >= total {
		return nil, nil
	}
	var after int64
	for at := 0; at < p.end; {
		limit := batch
		if at >= p.from {
			limit = p.size()
		} else {
			limit = min(limit, p.from-at)
		}
		users, err := f.core.Admin.Users(r.Context(), c.org.ID, admin.UserFilter{Query: p.query}, after, limit)
		if err != nil || len(users) == 0 {
			return out, err
		}
		if at >= p.from {
			for i := range users {
				out = append(out, f.person(c, &users[i]))
			}
			return out, nil
		}
		at, after = at+len(users), users[len(users)-1].ID
	}
	return out, nil
}

// target is the user a path names, if the caller may deal with him: himself, or
// anybody as an administrator. All others are not found, whether they exist or not.
func (f face) target(r *dialect.Request) (caller, *identity.User, error) {
	c, err := f.caller(r)
	if err != nil {
		return caller{}, nil, err
	}
	if err := c.needs(r, wide...); err != nil {
		return caller{}, nil, err
	}
	id, err := strconv.ParseInt(r.Var("id"), 10, 64)
	if err != nil || number(id) != r.Var("id") || (id != c.access.Subject.User && !c.manages()) {
		return caller{}, nil, oauth.Refuse(oauth.NotFound, "user not found")
	}
	u, err := f.core.Admin.User(r.Context(), c.org.ID, id)
	return c, u, err
}

func (f face) showUser(r *dialect.Request) (dialect.Reply, error) {
	c, u, err := f.target(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	return dialect.OK(f.person(c, u)), nil
}

// changeUser registers the user's key, the one thing that may be set here.
func (f face) changeUser(r *dialect.Request) (dialect.Reply, error) {
	c, u, err := f.target(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	b, err := members(r, "public_key")
	if err != nil {
		return dialect.Reply{}, err
	}
	if !b.has("public_key") {
		return dialect.Reply{}, oauth.Missing("public_key")
	}
	keys, err := publicKey(b)
	if err != nil {
		return dialect.Reply{}, err
	}
	if len(u.Roles) > 0 {
		// Whoever sets a key can speak for its holder: an administrator of the
		// organization must not become one of the server. Nor by a detour: with a
		// client's global key he can have a token of anybody, so "himself" proves nothing.
		r.Audit().Fail("roles", "a user without roles of administration", u.Name, "jeton user key add "+u.Name+" FILE")
		return dialect.Reply{}, oauth.Refuse(oauth.Forbidden, "")
	}
	_, err = f.core.Admin.ChangeUser(r.Context(), c.org.ID, u.ID, "user.key", func(u *identity.User) error {
		u.Keys = keys
		return nil
	})
	return empty(), err
}
