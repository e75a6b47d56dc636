// Package web is the face people meet in a browser: the page that makes the first
// administrator, and the one that says where to look while there is none. The
// server mounts it before the dialects, the command line calls Setup for the same
// work without a browser. It never decides what a token may do, and it shows no
// form to anybody who has not read the terminal of the server.
package web

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"jeton/internal/admin"
	"jeton/internal/audit"
	"jeton/internal/client"
	"jeton/internal/identity"
	"jeton/internal/oauth"
)

// RoleOwner is the role in administration that may do everything.
const RoleOwner = "owner"

// CodeLife is how long a setup code works.
const CodeLife = 30 * time.Minute

// Names of values of the installation.
const (
	metaOwner     = "administrator" // the first owner's name, once there was one
	metaPublicURL = "public_url"    // as typed at setup; settings go before it
)

// maxPublicURL bounds the address typed at setup, in bytes.
const maxPublicURL = 512

// Storage is what setting up keeps.
type Storage interface {
	PutSetup(ctx context.Context, hash []byte, expires int64) error
	ValidSetup(ctx context.Context, hash []byte, now int64) (bool, error)
	TakeSetup(ctx context.Context, hash []byte, now int64) (bool, error)
	Meta(ctx context.Context, name string) (string, error)
	PutMeta(ctx context.Context, name, value string) error
	PutMetaOnce(ctx context.Context, name, value string) (string, error)
	IsNotFound(err error) bool
}

// Admin is what setting up asks of administration.
type Admin interface {
	CreateUser(ctx context.Context, u *identity.User, password oauth.Secret) error
	UserByName(ctx context.Context, org, realm, name string) (*identity.User, error)
	Users(ctx context.Context, org string, f admin.UserFilter, after int64, limit int) ([]identity.User, error)
}

// Clients names the organizations.
type Clients interface {
	Default() *client.Org
	Orgs() []*client.Org
}

// Setup makes the first administrator: by a code that was printed in the server's
// terminal, or without one for somebody who is on the machine itself.
type Setup struct {
	Store   Storage
	Admin   Admin
	Clients Clients
	Now     func() time.Time
	done    atomic.Bool
}

// Owner is an administrator to be made.
type Owner struct {
	Name      string
	Email     string
	Password  oauth.Secret
	PublicURL string // where clients reach the server; "" = leave it as it is
}

// NewCode makes a code, 80 bits in two groups that are easy to read out.
func NewCode() oauth.Secret {
	var b [10]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	var out strings.Builder
	var bits, n uint
	for _, x := range b {
		bits, n = bits<<8|uint(x), n+8
		for n >= 5 {
			n -= 5
			out.WriteByte(alphabet[bits>>n&31])
		}
	}
	text := out.String()
	return oauth.Secret(text[:8] + "-" + text[8:])
}

// alphabet has no letters that are taken for digits.
const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// hashCode is the form a code is kept in; ok is false for what cannot be one.
func hashCode(code string) (hash []byte, ok bool) {
	code = strings.NewReplacer("-", "", " ", "", "O", "0", "I", "1", "L", "1").Replace(strings.ToUpper(code))
	if len(code) != 16 || strings.Trim(code, alphabet) != "" {
		return nil, false
	}
	sum := sha256.Sum256([]byte("jeton setup code\x00" + code))
	return sum[:], true
}

// ErrDone refuses to set up what is set up.
var ErrDone = oauth.Refuse(oauth.Conflict, "there is an administrator already")

// Code makes a further code; ErrDone when there is an administrator.
func (s *Setup) Code(ctx context.Context) (oauth.Secret, error) {
	done, err := s.Look(ctx)
	if err != nil {
		return "", err
	}
	if done {
		return "", ErrDone
	}
	code := NewCode()
	hash, _ := hashCode(code.Reveal())
	ctx, rec := s.record(ctx, "setup.code")
	rec.Outcome = audit.OK
	if err := s.Store.PutSetup(ctx, hash, s.Now().Add(CodeLife).Unix()); err != nil {
		return "", fmt.Errorf("keep the setup code: %w", err)
	}
	return code, nil
}

// Valid reports whether a code could be used now. It uses nothing up.
func (s *Setup) Valid(ctx context.Context, code string) (bool, error) {
	hash, ok := hashCode(code)
	if !ok {
		return false, nil
	}
	return s.Store.ValidSetup(ctx, hash, s.Now().Unix())
}

// Done reports whether there is an administrator, as far as is known cheaply.
func (s *Setup) Done(ctx context.Context) (bool, error) {
	if s.done.Load() {
		return true, nil
	}
	_, err := s.Store.Meta(ctx, metaOwner)
	if s.Store.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for an administrator: %w", err)
	}
	s.done.Store(true)
	return true, nil
}

// lookStep is how many users are read at a time.
const lookStep = 500

// Look is Done that also goes through the users, for an owner may have come from a
// configuration file.
func (s *Setup) Look(ctx context.Context) (bool, error) {
	if done, err := s.Done(ctx); done || err != nil {
		return done, err
	}
	for _, org := range s.Clients.Orgs() {
		name, err := s.owner(ctx, org.ID)
		if err != nil {
			return false, fmt.Errorf("look for an administrator: %w", err)
		}
		if name != "" {
			return true, s.finish(ctx, name)
		}
	}
	return false, nil
}

func (s *Setup) owner(ctx context.Context, org string) (string, error) {
	for after := int64(0); ; {
		list, err := s.Admin.Users(ctx, org, admin.UserFilter{}, after, lookStep)
		if err != nil {
			return "", err
		}
		for i := range list {
			for _, role := range list[i].Roles {
				if role == RoleOwner {
					return list[i].Name, nil
				}
			}
			after = list[i].ID
		}
		if len(list) < lookStep {
			return "", nil
		}
	}
}

func (s *Setup) finish(ctx context.Context, name string) error {
	if _, err := s.Store.PutMetaOnce(ctx, metaOwner, name); err != nil {
		return fmt.Errorf("note the administrator: %w", err)
	}
	s.done.Store(true)
	return nil
}

// First makes the first administrator for whoever holds a code. What is wrong with
// the input is told first; then the code is taken, by one winner, before anything
// is made: a crash in between costs a new link, never a second administrator.
func (s *Setup) First(ctx context.Context, code string, o Owner) error {
	done, err := s.Look(ctx)
	if err != nil {
		return err
	}
	if done {
		return ErrDone
	}
	if err := s.check(ctx, o); err != nil {
		return err
	}
	hash, ok := hashCode(code)
	if !ok {
		return errCode
	}
	won, err := s.Store.TakeSetup(ctx, hash, s.Now().Unix())
	if err != nil {
		return fmt.Errorf("take the setup code: %w", err)
	}
	if !won {
		return errCode
	}
	return s.create(ctx, o)
}

var errCode = oauth.Refuse(oauth.AccessDenied, "the setup link was used or is too old")

// Create makes an administrator for somebody on the machine itself.
func (s *Setup) Create(ctx context.Context, o Owner) error {
	if err := s.check(ctx, o); err != nil {
		return err
	}
	return s.create(ctx, o)
}

func (s *Setup) create(ctx context.Context, o Owner) error {
	org := s.Clients.Default()
	ctx, rec := s.record(ctx, "")
	rec.Org, rec.Outcome = org.ID, audit.OK
	u := &identity.User{
		Org: org.ID, Name: o.Name, DisplayName: o.Name, Email: o.Email, Enabled: true, Admin: true, Roles: []string{RoleOwner},
	}
	if err := s.Admin.CreateUser(ctx, u, o.Password); err != nil {
		return err
	}
	if o.PublicURL != "" {
		if err := s.Store.PutMeta(ctx, metaPublicURL, o.PublicURL); err != nil {
			return fmt.Errorf("keep the public URL: %w", err)
		}
	}
	return s.finish(ctx, o.Name)
}

// record gives a change the audit record it is kept with, where the caller has
// opened none.
func (s *Setup) record(ctx context.Context, event string) (context.Context, *audit.Record) {
	if rec := audit.From(ctx); rec != nil {
		return ctx, rec
	}
	rec := &audit.Record{ID: audit.NewID(s.Now()), At: s.Now(), Event: event, Actor: "this machine"}
	return audit.With(ctx, rec), rec
}

// check finds the first thing wrong with an owner; the refusal's Param names it.
func (s *Setup) check(ctx context.Context, o Owner) error {
	org := s.Clients.Default()
	if org == nil {
		return oauth.Refuse(oauth.Unavailable, "there is no default organization")
	}
	canon, err := identity.Canonical(o.Name)
	if err != nil {
		return wrong("name", "This name cannot be used: "+reason(err)+".")
	}
	if o.Email != "" {
		if _, err := identity.CanonicalMail(o.Email); err != nil {
			return wrong("email", "This is not an e-mail address.")
		}
	}
	if err := identity.CheckPassword(o.Password, true, canon, o.Email, org.Name, "jeton"); err != nil {
		return wrong("password", sentence(err))
	}
	if o.PublicURL != "" && !publicURL(o.PublicURL) {
		return wrong("public_url", "Write it like https://login.example.com; plain http works on this machine only.")
	}
	_, err = s.Admin.UserByName(ctx, org.ID, org.DefaultRealm(), o.Name)
	if e, ok := errors.AsType[*oauth.Error](err); ok && e.Code == oauth.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	return &oauth.Error{Code: oauth.Conflict, Param: "name", Description: "There is a user of this name already."}
}

func wrong(param, text string) error {
	return &oauth.Error{Code: oauth.InvalidValue, Param: param, Description: text}
}

// reason is what a person may read of an error.
func reason(err error) string { return cmp.Or(oauth.AsRefusal(err).Description, "not allowed") }

func sentence(err error) string {
	text := reason(err)
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

// publicURL accepts what an issuer can be (OpenID Connect Discovery §3); http only
// where it never leaves the machine.
func publicURL(text string) bool {
	u, err := url.Parse(text)
	if err != nil || len(text) > maxPublicURL || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(text, "#") {
		return false
	}
	host := u.Hostname()
	return u.Scheme == "https" || u.Scheme == "http" && (host == "localhost" || host == "127.0.0.1" || host == "::1" || strings.HasSuffix(host, ".localhost"))
}

// PublicURL is the address typed at setup, "" when none was.
func (s *Setup) PublicURL(ctx context.Context) (string, error) {
	text, err := s.Store.Meta(ctx, metaPublicURL)
	if s.Store.IsNotFound(err) {
		return "", nil
	}
	return text, err
}
