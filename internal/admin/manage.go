package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"jeton/internal/audit"
	"jeton/internal/client"
	"jeton/internal/identity"
	"jeton/internal/jose"
	"jeton/internal/keys"
	"jeton/internal/oauth"
)

// FamilyFilter narrows a list of grants that were given; an empty field asks for
// nothing.
type FamilyFilter struct {
	User            int64
	Client, Dialect string
	Live            bool // neither revoked nor ended
}

// EventFilter narrows a list of audit records; an empty field asks for nothing.
type EventFilter struct {
	Org, Client, User, Event, Outcome, Code, Dialect string
	Since                                            int64 // unix seconds
}

// Signing is what administration needs of the signing keys (keys.Ring).
type Signing interface {
	List(org string) []keys.Info
	Rotate(ctx context.Context, org, purpose string, alg jose.Alg) error
	Retire(ctx context.Context, org, kid string, atOnce bool) error
}

// ChangeOrg reads an organization, lets edit change a copy and stores it, again if
// somebody else was faster. object names in the record what was changed.
func (s *Service) ChangeOrg(ctx context.Context, id, event, object string, edit func(o *client.Org) error) (*client.Org, error) {
	for range maxTries {
		old, ok := s.Clients.Org(id)
		if !ok {
			return nil, oauth.Refuse(oauth.NotFound, "organization not found")
		}
		o, err := cloneOrg(old)
		if err != nil {
			return nil, err
		}
		if err := edit(o); err != nil {
			return nil, err
		}
		change(ctx, event, object)
		err = s.Store.UpdateOrg(ctx, o)
		if err != nil && !s.Store.IsChanged(err) {
			return nil, s.refusal(err, "organization")
		}
		if reload := s.Clients.Load(ctx); reload != nil {
			return nil, reload
		}
		if err == nil {
			return o, nil
		}
	}
	return nil, oauth.Refuse(oauth.Conflict, "the organization was changed meanwhile; read it again")
}

// cloneOrg copies deeply enough that an edit never touches the registry's value.
func cloneOrg(o *client.Org) (*client.Org, error) {
	b, err := json.Marshal(o)
	if err != nil {
		return nil, fmt.Errorf("admin: copy an organization: %w", err)
	}
	out := new(client.Org)
	if err := json.Unmarshal(b, out); err != nil {
		return nil, fmt.Errorf("admin: copy an organization: %w", err)
	}
	return out, nil
}

// CreateRealm adds a realm to an organization; as its default one, the former
// default is one no more.
func (s *Service) CreateRealm(ctx context.Context, org string, realm client.Realm) error {
	name := realm.Name
	if name == "" || len(name) > 256 {
		return invalid("name", "a realm's name has 1 to 256 characters")
	}
	_, err := s.ChangeOrg(ctx, org, "realm.create", "realm/"+name, func(o *client.Org) error {
		if slices.ContainsFunc(o.Realms, func(r client.Realm) bool { return r.Name == name }) {
			return oauth.Refuse(oauth.Conflict, "realm exists already")
		}
		for i := range o.Realms {
			o.Realms[i].Default = o.Realms[i].Default && !realm.Default
		}
		o.Realms = append(o.Realms, realm)
		return nil
	})
	return err
}

// DeleteRealm removes a realm nobody is in. The default one stays, for names
// without a realm belong to it.
func (s *Service) DeleteRealm(ctx context.Context, org, name string) error {
	_, err := s.ChangeOrg(ctx, org, "realm.delete", "realm/"+name, func(o *client.Org) error {
		i := slices.IndexFunc(o.Realms, func(r client.Realm) bool { return r.Name == name })
		if i < 0 {
			return oauth.Refuse(oauth.NotFound, "realm not found")
		}
		if o.DefaultRealm() == name {
			return oauth.Refuse(oauth.Conflict, "the default realm cannot be removed")
		}
		n, err := s.Store.CountUsers(ctx, org, UserFilter{Realm: name})
		if err != nil {
			return err
		}
		if n > 0 {
			return oauth.Refuse(oauth.Conflict, fmt.Sprintf("the realm has %d users; delete them first", n))
		}
		o.Realms = slices.Delete(o.Realms, i, i+1)
		return nil
	})
	return err
}

// RevokeSecret ends one secret of a client, named by its hint or by its place in
// the list, from 1. A client keeps the last secret it authenticates with.
func (s *Service) RevokeSecret(ctx context.Context, org, id, which string) error {
	_, err := s.ChangeClient(ctx, org, id, "client.revoke_secret", func(c *client.Client) error {
		i := slices.IndexFunc(c.Secrets, func(k client.Secret) bool { return k.Hint != "" && k.Hint == which })
		for n := range c.Secrets {
			if i < 0 && fmt.Sprint(n+1) == which {
				i = n
			}
		}
		switch {
		case i < 0:
			return oauth.Refuse(oauth.NotFound, "secret not found")
		case len(c.Secrets) == 1:
			return oauth.Refuse(oauth.Conflict, "it is the client's only secret; add another first, or disable the client")
		}
		c.Secrets = slices.Delete(c.Secrets, i, i+1)
		return nil
	})
	return err
}

// AddKey registers a further public key of a user.
func (s *Service) AddKey(ctx context.Context, org string, user int64, k client.Key) (*identity.User, error) {
	k.Created = s.Now().Unix()
	return s.ChangeUser(ctx, org, user, "user.add_key", func(u *identity.User) error {
		if k.ID == "" {
			k.ID = thumbprint(k.PEM)
		}
		if slices.ContainsFunc(u.Keys, func(have client.Key) bool { return KeyName(have) == KeyName(k) }) {
			return oauth.Refuse(oauth.Conflict, "key exists already")
		}
		u.Keys = append(u.Keys, k)
		return nil
	})
}

// RemoveKey removes a public key of a user, named by KeyName.
func (s *Service) RemoveKey(ctx context.Context, org string, user int64, name string) (*identity.User, error) {
	return s.ChangeUser(ctx, org, user, "user.remove_key", func(u *identity.User) error {
		i := slices.IndexFunc(u.Keys, func(k client.Key) bool { return KeyName(k) == name })
		if i < 0 {
			return oauth.Refuse(oauth.NotFound, "key not found")
		}
		u.Keys = slices.Delete(u.Keys, i, i+1)
		return nil
	})
}

// KeyName is what a registered key is called: its kid, or else its thumbprint
// (RFC 7638).
func KeyName(k client.Key) string {
	if k.ID != "" {
		return k.ID
	}
	return thumbprint(k.PEM)
}

func thumbprint(text string) string {
	pub, err := jose.ParsePublic(text)
	if err != nil {
		return ""
	}
	return jose.Thumbprint(pub)
}

// Locked says how often in a row a user's password was wrong, and until when no
// attempt counts (zero = now).
func (s *Service) Locked(u *identity.User) (failures int, until time.Time) {
	if s.Throttled == nil {
		return 0, time.Time{}
	}
	return s.Throttled(identity.AccountKey(u.Org, u.Realm, u.Canon))
}

// UnlockUser forgets the failures counted against a user's password.
func (s *Service) UnlockUser(ctx context.Context, org string, id int64) error {
	u, err := s.User(ctx, org, id)
	if err != nil {
		return err
	}
	change(ctx, "user.unlock", "user/"+u.Canon)
	if s.Reset == nil {
		return nil
	}
	return s.Reset(ctx, identity.AccountKey(org, u.Realm, u.Canon))
}

// SigningKeys lists the signing keys of an organization.
func (s *Service) SigningKeys(org string) []keys.Info { return s.Keys.List(org) }

// RotateKey makes the next key of a purpose sign now; alg "" means the purpose's
// own.
func (s *Service) RotateKey(ctx context.Context, org, purpose string, alg jose.Alg) error {
	change(ctx, "key.rotate", "key/"+purpose)
	return keyRefusal(s.Keys.Rotate(ctx, org, purpose, alg))
}

// RetireKey takes one signing key out of use; at once, the tokens it signed die
// now, as after a theft.
func (s *Service) RetireKey(ctx context.Context, org, kid string, atOnce bool) error {
	change(ctx, "key.retire", "key/"+kid)
	return keyRefusal(s.Keys.Retire(ctx, org, kid, atOnce))
}

func keyRefusal(err error) error {
	if errors.Is(err, keys.ErrUnknown) {
		return oauth.Refuse(oauth.NotFound, "key not found").Because(err)
	}
	return err
}

// Families lists grants that were given, by handle, those above after first.
func (s *Service) Families(ctx context.Context, org string, f FamilyFilter, after int64, limit int) ([]oauth.Family, error) {
	return s.Store.ListFamilies(ctx, org, f, after, limit)
}

// Events lists audit records, newest first, those older than before (0 = from the
// newest).
func (s *Service) Events(ctx context.Context, f EventFilter, before audit.ID, limit int) ([]*audit.Record, error) {
	return s.Store.ListEvents(ctx, f, before, limit)
}

// dropListings removes the entries that list users and groups for a client, so
// that a client that takes its id later speaks for nobody by them.
func (s *Service) dropListings(ctx context.Context, c *client.Client) error {
	kind := Listed(c.Dialect)
	for {
		docs, err := s.Store.ListDocs(ctx, c.Org, kind, c.ID+"/", 0, 100)
		if err != nil || len(docs) == 0 {
			return err
		}
		for _, d := range docs {
			// The deletion of the client is the event; these are part of it.
			if err := s.Store.DeleteDoc(audit.With(ctx, nil), c.Org, kind, d.ID); err != nil && !s.Store.IsNotFound(err) {
				return err
			}
		}
	}
}
