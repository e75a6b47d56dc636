package web

import (
	"errors"
	"slices"

	"jeton/internal/client"
	"jeton/internal/dialect"
	"jeton/internal/identity"
	"jeton/internal/identity/saml"
	"jeton/internal/oauth"
)

// provided is the user an identity provider's person is here: one the provider may
// speak for, or one that is made now where its configuration says so.
func (f *Face) provided(r *dialect.Request, p client.Provider, who saml.Person) (*identity.User, error) {
	r.Audit().SetUser(who.User)
	realm := saml.Realm(r.Org, p)
	u, err := f.Core.Admin.UserByName(r.Context(), r.Org.ID, realm, who.User)
	if oauth.Is(err, oauth.NotFound) {
		if !p.Create {
			return nil, refuseLogin(r, "user", "a user of realm "+realm, who.User, "register the user, or let "+p.Name+" do so: `create: true`")
		}
		if u, err = f.admit(r, p, realm, who); oauth.Is(err, oauth.Conflict) { // in another window, just now
			u, err = f.Core.Admin.UserByName(r.Context(), r.Org.ID, realm, who.User)
		}
	}
	switch {
	case err != nil:
		return nil, err
	case !saml.Speaks(p, u):
		return nil, refuseLogin(r, "user", "a user of "+p.Name, u.Name+" of realm "+realm+", who is not", saml.NextSpeaks(p, u))
	case !u.Live(f.Core.Now().Unix()):
		return nil, refuseLogin(r, "user", "an enabled user", u.Name+" is disabled or over", "jeton user set "+u.Name+" enabled=true")
	case u.Source == saml.Source(p):
		return f.update(r, p, u, who)
	}
	return u, nil
}

// admit makes a user at the first sign-in. There is no password: the provider proves
// who it is.
func (f *Face) admit(r *dialect.Request, p client.Provider, realm string, who saml.Person) (*identity.User, error) {
	u := &identity.User{Org: r.Org.ID, Realm: realm, Name: who.User, Enabled: true, Source: saml.Source(p)}
	if err := f.describe(r, p, u, who); err != nil {
		return nil, err
	}
	err := f.Core.Admin.CreateUser(noteOf(r, "user.create"), u, "")
	if oauth.Is(err, oauth.InvalidValue) {
		return nil, refuseLogin(r, "user", "a name a user can have", who.User, oauth.AsRefusal(err).Description)
	}
	if err != nil {
		return nil, err
	}
	r.Audit().Pass("user", "made by "+p.Name)
	return f.Core.Admin.UserByName(r.Context(), r.Org.ID, realm, who.User)
}

// update keeps what the provider says now of a user it made.
func (f *Face) update(r *dialect.Request, p client.Provider, u *identity.User, who saml.Person) (*identity.User, error) {
	next := *u
	if err := f.describe(r, p, &next, who); err != nil {
		return nil, err
	}
	if next.Email == u.Email && next.GivenName == u.GivenName && next.FamilyName == u.FamilyName && next.DisplayName == u.DisplayName &&
		slices.Equal(next.Groups, u.Groups) {
		return u, nil
	}
	return f.Core.Admin.ChangeUser(noteOf(r, "user.change"), r.Org.ID, u.ID, "user.change", func(x *identity.User) error {
		setMail(x, next.Email) // what was checked was the address before
		x.GivenName, x.FamilyName, x.DisplayName, x.Groups = next.GivenName, next.FamilyName, next.DisplayName, next.Groups
		return nil
	})
}

// describe puts the provider's facts into a user. What cannot be is left out: a
// strange address is no reason to keep somebody out.
func (f *Face) describe(r *dialect.Request, p client.Provider, u *identity.User, who saml.Person) error {
	const most = 256 // bytes of a name
	text := func(s string) string {
		if len(s) > most {
			return ""
		}
		return s
	}
	u.GivenName, u.FamilyName, u.DisplayName = text(who.GivenName), text(who.FamilyName), text(who.DisplayName)
	u.Groups = groups(p, who.Groups)
	mail, err := f.free(r, u, who.Email)
	u.Email = mail
	return err
}

// free gives the address unless another user has it: two with one address could
// neither of them be found by it.
func (f *Face) free(r *dialect.Request, u *identity.User, address string) (string, error) {
	if address == "" {
		return "", nil
	}
	if _, err := identity.CanonicalMail(address); err != nil {
		return "", nil
	}
	other, err := f.Core.Users.ByMail(r.Context(), r.Org.ID, address)
	switch {
	case err == nil && other.ID != u.ID:
		r.Audit().Pass("email", "left out: another user has it")
		return "", nil
	case err != nil && !isUnknown(err):
		return "", err
	}
	return address, nil
}

// maxGroups bounds the groups of one user.
const maxGroups = 256

// groups are the provider's in our names: those of its configuration, or all as they
// are where it has none.
func groups(p client.Provider, theirs []string) []string {
	var out []string
	for _, g := range theirs {
		if len(p.Groups) > 0 {
			g = p.Groups[g]
		}
		if g != "" && !slices.Contains(out, g) && len(out) < maxGroups {
			out = append(out, g)
		}
	}
	return out
}

func isUnknown(err error) bool { return errors.Is(err, identity.ErrNotFound) }
