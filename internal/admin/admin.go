// Package admin owns administration, once: every face that changes users, clients
// or organizations calls these verbs, so each change is checked, recorded and made
// known to the running server in one way. It never decides who may call it; the
// faces do.
package admin

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"jeton/internal/audit"
	"jeton/internal/client"
	"jeton/internal/hash"
	"jeton/internal/identity"
	"jeton/internal/jose"
	"jeton/internal/oauth"
	"jeton/internal/session"
)

// Doc is an object a dialect keeps without needing a table of its own.
type Doc struct {
	Org     string          `json:"org"`
	Kind    string          `json:"kind"` // "aoc/node", "sensu/apikey": the dialect's slug comes first
	ID      string          `json:"id"`
	Ref     string          `json:"ref,omitempty"` // a second way to find it, unique in its kind when not empty
	Number  int64           `json:"number"`        // given once, in order
	Body    json.RawMessage `json:"body"`
	Created int64           `json:"created"` // unix seconds
	Updated int64           `json:"updated"`
	Version int64           `json:"version"`
}

// UserFilter narrows a list of users.
type UserFilter struct {
	Query string // part of name, display name or e-mail, any case
	Realm string
}

// Storage is what administration writes to. Changes of a stored object carry the
// version they were read at; the store refuses a change of anything else with
// ErrChanged.
type Storage interface {
	User(ctx context.Context, org string, id int64) (*identity.User, error)
	UserByName(ctx context.Context, org, realm, canon string) (*identity.User, error)
	ListUsers(ctx context.Context, org string, f UserFilter, after int64, limit int) ([]identity.User, error)
	CountUsers(ctx context.Context, org string, f UserFilter) (int64, error)
	PutUser(ctx context.Context, u *identity.User) error
	UpdateUser(ctx context.Context, u *identity.User) error
	DeleteUser(ctx context.Context, org string, id int64) error

	PutClient(ctx context.Context, c *client.Client) error
	UpdateClient(ctx context.Context, c *client.Client) error
	DeleteClient(ctx context.Context, org, id string) error
	PutOrg(ctx context.Context, o *client.Org) error
	UpdateOrg(ctx context.Context, o *client.Org) error
	DeleteOrg(ctx context.Context, id string) error

	Doc(ctx context.Context, org, kind, id string) (*Doc, error)
	DocByRef(ctx context.Context, org, kind, ref string) (*Doc, error)
	ListDocs(ctx context.Context, org, kind, refPrefix string, after int64, limit int) ([]Doc, error)
	PutDoc(ctx context.Context, d *Doc) error
	UpdateDoc(ctx context.Context, d *Doc) error
	DeleteDoc(ctx context.Context, org, kind, id string) error

	ListFamilies(ctx context.Context, org string, f FamilyFilter, after int64, limit int) ([]oauth.Family, error)
	// BrowserGrants counts the live grants of a sign-in in a browser, by client.
	BrowserGrants(ctx context.Context, org string, user int64) (map[string]int, error)
	ListEvents(ctx context.Context, f EventFilter, before audit.ID, limit int) ([]*audit.Record, error)

	Session(ctx context.Context, org, id string) (*session.Session, error)
	AllSessions(ctx context.Context, org, after string, limit int) ([]session.Session, error)
	ListConsents(ctx context.Context, org string, user int64) ([]Consent, error)
	DeleteConsent(ctx context.Context, org string, user int64, client string) error
	ListDeliveries(ctx context.Context, org, client string, before int64, limit int) ([]session.Delivery, error)
	RetryDelivery(ctx context.Context, org string, id int64) error

	// Apply makes all changes in one transaction.
	Apply(ctx context.Context, c Change) error

	IsNotFound(err error) bool
	IsExists(err error) bool
	IsChanged(err error) bool
}

// Service is administration.
type Service struct {
	Store   Storage
	Clients *client.Registry
	Hasher  *hash.Hasher
	Now     func() time.Time
	// Reset forgets the failures counted against an account when its password is set.
	Reset func(ctx context.Context, account string) error
	// Throttled says how many failures are counted against an account, and until when
	// no attempt counts.
	Throttled func(account string) (failures int, until time.Time)
	Keys      Signing
	Sessions  Sessions
}

// maxTries bounds how often a change is tried again when somebody else was faster.
const maxTries = 5

func (s *Service) refusal(err error, what string) error {
	switch {
	case err == nil:
		return nil
	case s.Store.IsNotFound(err):
		return oauth.Refuse(oauth.NotFound, what+" not found")
	case s.Store.IsExists(err):
		return oauth.Refuse(oauth.Conflict, what+" exists already")
	case s.Store.IsChanged(err):
		return oauth.Refuse(oauth.Conflict, what+" was changed meanwhile; read it again")
	}
	return err
}

func invalid(param, description string) error {
	return &oauth.Error{Code: oauth.InvalidValue, Param: param, Description: description}
}

// User finds a user of the organization by number; NotFound otherwise.
func (s *Service) User(ctx context.Context, org string, id int64) (*identity.User, error) {
	u, err := s.Store.User(ctx, org, id)
	return u, s.refusal(err, "user")
}

// UserByName finds a user by name in a realm; NotFound otherwise.
func (s *Service) UserByName(ctx context.Context, org, realm, name string) (*identity.User, error) {
	canon, err := identity.Canonical(name)
	if err != nil {
		return nil, oauth.Refuse(oauth.NotFound, "user not found")
	}
	u, err := s.Store.UserByName(ctx, org, realm, canon)
	return u, s.refusal(err, "user")
}

// Users lists users by number, those above after first.
func (s *Service) Users(ctx context.Context, org string, f UserFilter, after int64, limit int) ([]identity.User, error) {
	return s.Store.ListUsers(ctx, org, f, after, limit)
}

// CountUsers counts the users a filter matches.
func (s *Service) CountUsers(ctx context.Context, org string, f UserFilter) (int64, error) {
	return s.Store.CountUsers(ctx, org, f)
}

// CreateUser registers a user. Name, realm and address are brought into canonical
// form; password may be "" for a user who signs in another way.
func (s *Service) CreateUser(ctx context.Context, u *identity.User, password oauth.Secret) error {
	if err := s.prepare(u); err != nil {
		return err
	}
	if password != "" {
		var err error
		if u.Password, err = s.Hasher.Make(ctx, password); err != nil {
			return err
		}
	}
	u.Created, u.Updated = s.Now().Unix(), s.Now().Unix()
	change(ctx, "user.create", "user/"+u.Canon)
	return s.refusal(s.Store.PutUser(ctx, u), "user")
}

func (s *Service) prepare(u *identity.User) (err error) {
	if u.Canon, err = identity.Canonical(u.Name); err != nil {
		return err // a refusal that names the parameter
	}
	u.Mail = ""
	if u.Email != "" {
		if u.Mail, err = identity.CanonicalMail(u.Email); err != nil {
			return err
		}
	}
	if u.Realm == "" {
		org, ok := s.Clients.Org(u.Org)
		if !ok {
			return oauth.Refuse(oauth.NotFound, "organization not found")
		}
		u.Realm = org.DefaultRealm()
	}
	return checkKeys(u.Keys)
}

func checkKeys(list []client.Key) error {
	for _, k := range list {
		if _, err := jose.ParsePublic(k.PEM); err != nil {
			return invalid("public_key", err.Error())
		}
	}
	return nil
}

func change(ctx context.Context, event, object string) {
	rec := audit.From(ctx)
	rec.Name(event)
	rec.SetObject(object)
}

// ChangeUser reads a user, lets edit change it and stores it, again if somebody
// else was faster. Disabling a user or setting a password ends every token issued
// to the user before, and the browser sessions with them.
func (s *Service) ChangeUser(ctx context.Context, org string, id int64, event string, edit func(u *identity.User) error) (*identity.User, error) {
	for range maxTries {
		u, err := s.Store.User(ctx, org, id)
		if err != nil {
			return nil, s.refusal(err, "user")
		}
		before := *u
		if err := edit(u); err != nil {
			return nil, err
		}
		if err := s.prepare(u); err != nil {
			return nil, err
		}
		now := s.Now()
		if (before.Enabled && !u.Enabled) || before.Password != u.Password {
			u.RevokedBefore = after(u.RevokedBefore, now)
		}
		u.Updated = now.Unix()
		change(ctx, event, "user/"+u.Canon)
		if err = s.Store.UpdateUser(ctx, u); s.Store.IsChanged(err) {
			continue
		}
		if err == nil && u.RevokedBefore != before.RevokedBefore {
			err = s.signOut(ctx, &before)
		}
		return u, s.refusal(err, "user")
	}
	return nil, oauth.Refuse(oauth.Conflict, "the user was changed meanwhile; read it again")
}

// after is the stamp of a revocation now: always later than the one before, since
// tokens are compared with it for equality.
func after(before int64, now time.Time) int64 { return max(now.UnixMilli(), before+1) }

// SetPassword gives a user a password; its tokens end, and it is not due for a
// change any more.
func (s *Service) SetPassword(ctx context.Context, org string, id int64, password oauth.Secret) error {
	return s.GivePassword(ctx, org, id, password, false)
}

// SetPasswordHash is SetPassword for an already hashed password of a known kind.
func (s *Service) SetPasswordHash(ctx context.Context, org string, id int64, encoded string) error {
	return s.GivePasswordHash(ctx, org, id, encoded, false)
}

// GivePassword is SetPassword by somebody else: due says that the user must choose
// another at the next sign-in.
func (s *Service) GivePassword(ctx context.Context, org string, id int64, password oauth.Secret, due bool) error {
	encoded, err := s.Hasher.Make(ctx, password)
	if err != nil {
		return err
	}
	return s.GivePasswordHash(ctx, org, id, encoded, due)
}

// GivePasswordHash is GivePassword for an already hashed password of a known kind.
func (s *Service) GivePasswordHash(ctx context.Context, org string, id int64, encoded string, due bool) error {
	if _, err := hash.Recognise(encoded); err != nil {
		return invalid("password_hash", err.Error())
	}
	u, err := s.ChangeUser(ctx, org, id, "user.password", func(u *identity.User) error {
		u.Password, u.PasswordDue = encoded, due
		return nil
	})
	if err != nil || s.Reset == nil {
		return err
	}
	return s.Reset(ctx, identity.AccountKey(org, u.Realm, u.Canon))
}

// Recognise names the kind of an already hashed password and refuses one this
// server cannot read, or that would stall it.
func Recognise(encoded string) (kind string, err error) { return hash.Recognise(encoded) }

// RevokeUser ends every token issued to the user so far, and the browser sessions.
func (s *Service) RevokeUser(ctx context.Context, org string, id int64) error {
	_, err := s.ChangeUser(ctx, org, id, "user.revoke", func(u *identity.User) error {
		u.RevokedBefore = after(u.RevokedBefore, s.Now())
		return nil
	})
	return err
}

// DeleteUser removes a user; its number is never given again, so nothing of it
// returns with a namesake.
func (s *Service) DeleteUser(ctx context.Context, org string, id int64) error {
	change(ctx, "user.delete", fmt.Sprintf("user/%d", id))
	u, err := s.Store.User(ctx, org, id)
	if err != nil {
		return s.refusal(err, "user")
	}
	if err := s.Store.DeleteUser(ctx, org, id); err != nil {
		return s.refusal(err, "user")
	}
	return s.signOut(ctx, u)
}

// Client finds a client; NotFound otherwise. The value must not be changed.
func (s *Service) Client(org, id string) (*client.Client, error) {
	c, ok := s.Clients.Client(org, id)
	if !ok {
		return nil, oauth.Refuse(oauth.NotFound, "client not found")
	}
	return c, nil
}

// CreateClient registers a client and makes it known at once.
func (s *Service) CreateClient(ctx context.Context, c *client.Client) error {
	if err := s.checkClient(c); err != nil {
		return err
	}
	c.Created, c.Updated = s.Now().Unix(), s.Now().Unix()
	// A client that takes the id of a deleted one inherits nothing of it.
	c.RevokedBefore = s.Now().UnixMilli()
	change(ctx, "client.create", "client/"+c.ID)
	if err := s.Store.PutClient(ctx, c); err != nil {
		return s.refusal(err, "client")
	}
	return s.Clients.Load(ctx)
}

func (s *Service) checkClient(c *client.Client) error {
	if _, ok := s.Clients.Org(c.Org); !ok {
		return oauth.Refuse(oauth.NotFound, "organization not found")
	}
	if c.ID == "" || len(c.ID) > 256 || strings.ContainsFunc(c.ID, func(r rune) bool { return r < 0x20 || r == 0x7f }) {
		return invalid("id", "a client id has 1 to 256 characters and no control characters")
	}
	if c.Dialect == "oidc" && strings.Trim(c.ID, "0123456789") == "" {
		return invalid("id", "a client id of digits alone could be taken for a user's number in sub: put a letter into it")
	}
	return checkKeys(c.Keys)
}

// ChangeClient reads a client, lets edit change a copy and stores it. Disabling
// ends every token issued to it before.
func (s *Service) ChangeClient(ctx context.Context, org, id, event string, edit func(c *client.Client) error) (*client.Client, error) {
	for range maxTries {
		old, ok := s.Clients.Client(org, id)
		if !ok {
			return nil, oauth.Refuse(oauth.NotFound, "client not found")
		}
		c := clone(old)
		if err := edit(c); err != nil {
			return nil, err
		}
		if err := s.checkClient(c); err != nil {
			return nil, err
		}
		if old.Enabled && !c.Enabled {
			c.RevokedBefore = after(c.RevokedBefore, s.Now())
		}
		c.Updated = s.Now().Unix()
		change(ctx, event, "client/"+c.ID)
		err := s.Store.UpdateClient(ctx, c)
		if err != nil && !s.Store.IsChanged(err) {
			return nil, s.refusal(err, "client")
		}
		if reload := s.Clients.Load(ctx); reload != nil {
			return nil, reload
		}
		if err == nil {
			return c, nil
		}
	}
	return nil, oauth.Refuse(oauth.Conflict, "the client was changed meanwhile; read it again")
}

// clone copies deeply enough that an edit never touches the registry's value.
func clone(c *client.Client) *client.Client {
	b, err := json.Marshal(c)
	if err != nil {
		panic(err) // a Client always marshals
	}
	out := new(client.Client)
	if err := json.Unmarshal(b, out); err != nil {
		panic(err)
	}
	return out
}

// RevokeClient ends every token issued to the client so far.
func (s *Service) RevokeClient(ctx context.Context, org, id string) error {
	_, err := s.ChangeClient(ctx, org, id, "client.revoke", func(c *client.Client) error {
		c.RevokedBefore = after(c.RevokedBefore, s.Now())
		return nil
	})
	return err
}

// DeleteClient removes a client; its tokens die with it.
func (s *Service) DeleteClient(ctx context.Context, org, id string) error {
	c, ok := s.Clients.Client(org, id)
	if !ok {
		return oauth.Refuse(oauth.NotFound, "client not found")
	}
	change(ctx, "client.delete", "client/"+id)
	// First what lists users for it: should this be interrupted, the client speaks
	// for nobody, and never a later one of its id for them.
	if err := s.dropListings(ctx, c); err != nil {
		return err
	}
	if err := s.Store.DeleteClient(ctx, org, id); err != nil {
		return s.refusal(err, "client")
	}
	return s.Clients.Load(ctx)
}

// NewSecret makes a client secret of 256 random bits and its kept form. prefix lets
// secret scanners know it.
func NewSecret(prefix string, now time.Time) (oauth.Secret, client.Secret) {
	return NewLongSecret(prefix, 32, now)
}

// NewLongSecret is NewSecret with n random bytes, where a vendor's have a length.
func NewLongSecret(prefix string, n int, now time.Time) (oauth.Secret, client.Secret) {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	text := prefix + base64.RawURLEncoding.EncodeToString(b)
	return oauth.Secret(text), client.Secret{Hash: hash.Generated(text), Hint: text[len(text)-4:], Created: now.Unix()}
}

// AddSecret gives a client a further secret; the oldest goes when there are more
// than client.MaxSecrets.
func (s *Service) AddSecret(ctx context.Context, org, id string) (oauth.Secret, error) {
	text, kept := NewSecret("jts_", s.Now())
	_, err := s.ChangeClient(ctx, org, id, "client.secret", func(c *client.Client) error {
		c.Secrets = append([]client.Secret{kept}, c.Secrets...)
		if len(c.Secrets) > client.MaxSecrets {
			c.Secrets = c.Secrets[:client.MaxSecrets]
		}
		return nil
	})
	return text, err
}

// Doc, DocByRef, Docs, PutDoc, ChangeDoc and DeleteDoc keep a dialect's own objects.
func (s *Service) Doc(ctx context.Context, org, kind, id string) (*Doc, error) {
	d, err := s.Store.Doc(ctx, org, kind, id)
	return d, s.refusal(err, "object")
}

// DocByRef finds an object by its second name.
func (s *Service) DocByRef(ctx context.Context, org, kind, ref string) (*Doc, error) {
	d, err := s.Store.DocByRef(ctx, org, kind, ref)
	return d, s.refusal(err, "object")
}

// Docs lists objects by number, those above after.
func (s *Service) Docs(ctx context.Context, org, kind, refPrefix string, after int64, limit int) ([]Doc, error) {
	return s.Store.ListDocs(ctx, org, kind, refPrefix, after, limit)
}

// PutDoc keeps a new object; its number is given by the store.
func (s *Service) PutDoc(ctx context.Context, d *Doc) error {
	d.Created, d.Updated = s.Now().Unix(), s.Now().Unix()
	change(ctx, d.Kind+".create", d.Kind+"/"+d.Number10())
	return s.refusal(s.Store.PutDoc(ctx, d), "object")
}

// Number10 names the object in records without its id, which may be a secret's name.
func (d *Doc) Number10() string { return fmt.Sprint(d.Number) }

// UpdateDoc stores a changed object.
func (s *Service) UpdateDoc(ctx context.Context, d *Doc) error {
	d.Updated = s.Now().Unix()
	change(ctx, d.Kind+".change", d.Kind+"/"+d.Number10())
	return s.refusal(s.Store.UpdateDoc(ctx, d), "object")
}

// DeleteDoc removes an object.
func (s *Service) DeleteDoc(ctx context.Context, org, kind, id string) error {
	change(ctx, kind+".delete", kind)
	return s.refusal(s.Store.DeleteDoc(ctx, org, kind, id), "object")
}

// PutOrg registers an organization; UpdateOrg and DeleteOrg change and remove one.
// Removing an organization removes everything of it.
func (s *Service) PutOrg(ctx context.Context, o *client.Org) error {
	change(ctx, "organization.create", "organization/"+o.ID)
	if err := s.Store.PutOrg(ctx, o); err != nil {
		return s.refusal(err, "organization")
	}
	return s.Clients.Load(ctx)
}

// UpdateOrg stores a changed organization.
func (s *Service) UpdateOrg(ctx context.Context, o *client.Org) error {
	change(ctx, "organization.change", "organization/"+o.ID)
	if err := s.Store.UpdateOrg(ctx, o); err != nil {
		return s.refusal(err, "organization")
	}
	return s.Clients.Load(ctx)
}

// DeleteOrg removes an organization; the default one stays.
func (s *Service) DeleteOrg(ctx context.Context, id string) error {
	if o, ok := s.Clients.Org(id); ok && o.Default {
		return oauth.Refuse(oauth.Conflict, "the default organization cannot be removed")
	}
	change(ctx, "organization.delete", "organization/"+id)
	if err := s.Store.DeleteOrg(ctx, id); err != nil {
		return s.refusal(err, "organization")
	}
	return s.Clients.Load(ctx)
}

// ErrNothing says that a change left everything as it was.
var ErrNothing = errors.New("nothing to change")
