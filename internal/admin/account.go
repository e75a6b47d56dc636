package admin

import (
	"context"
	"fmt"

	"jeton/internal/audit"
	"jeton/internal/identity"
	"jeton/internal/oauth"
)

// ChangePassword is SetPassword by the person themselves.
func (s *Service) ChangePassword(ctx context.Context, u *identity.User, password oauth.Secret) error {
	encoded, err := s.Hasher.Make(ctx, password)
	if err != nil {
		return err
	}
	changed, err := s.ChangeUser(ctx, u.Org, u.ID, "password.change", func(u *identity.User) error {
		u.Password, u.PasswordDue = encoded, false
		return nil
	})
	if err != nil || s.Reset == nil {
		return err
	}
	return s.Reset(ctx, identity.AccountKey(u.Org, changed.Realm, changed.Canon))
}

// EndOthers ends every live session of a person but the one named keep, each an
// event of its own, and says how many those were.
func (s *Service) EndOthers(ctx context.Context, u *identity.User, keep string) (int, error) {
	list, err := s.Sessions.List(ctx, u)
	if err != nil {
		return 0, err
	}
	ended := 0
	for i := range list {
		if list[i].ID == keep {
			continue
		}
		own := ctx
		if ended > 0 {
			own = audit.Aside(ctx, "session.end")
		}
		change(own, "session.end", "session/"+list[i].ID)
		if err := s.Sessions.End(own, &list[i]); err != nil {
			return ended, err
		}
		ended++
	}
	return ended, nil
}

// GrantsInBrowser counts a person's live grants that came of a sign-in in a browser,
// by client: what RemoveConsent ends.
func (s *Service) GrantsInBrowser(ctx context.Context, u *identity.User) (map[string]int, error) {
	out, err := s.Store.BrowserGrants(ctx, u.Org, u.ID)
	if err != nil {
		return nil, fmt.Errorf("count the grants of a user: %w", err)
	}
	return out, nil
}

// scanStep is how many rows are read at a time when all are looked through.
const scanStep = 500

// AddressTaken reports whether somebody else of the organization, live or not, has
// the address (canonical) or is called by it: it then must not become u's, for
// sign-ins and assertions find people by either.
func (s *Service) AddressTaken(ctx context.Context, u *identity.User, mail string) (bool, error) {
	return s.other(ctx, u, mail, func(x *identity.User) bool { return x.Mail == mail || x.Canon == mail })
}

// Namesake reports whether a user of another realm has u's name: records speak of
// both by it.
func (s *Service) Namesake(ctx context.Context, u *identity.User) (bool, error) {
	org, ok := s.Clients.Org(u.Org)
	if !ok || len(org.Realms) < 2 {
		return false, nil
	}
	for _, realm := range org.Realms {
		if realm.Name == u.Realm {
			continue
		}
		_, err := s.Store.UserByName(ctx, u.Org, realm.Name, u.Canon)
		if err == nil || !s.Store.IsNotFound(err) {
			return err == nil, err
		}
	}
	return false, nil
}

// other looks through the users whose name or address holds text for one that is
// not u.
func (s *Service) other(ctx context.Context, u *identity.User, text string, is func(*identity.User) bool) (bool, error) {
	for after := int64(0); ; {
		list, err := s.Store.ListUsers(ctx, u.Org, UserFilter{Query: text}, after, scanStep)
		if err != nil {
			return false, fmt.Errorf("look for another user: %w", err)
		}
		for i := range list {
			if list[i].ID != u.ID && is(&list[i]) {
				return true, nil
			}
			after = list[i].ID
		}
		if len(list) < scanStep {
			return false, nil
		}
	}
}
