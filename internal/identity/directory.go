package identity

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"jeton/internal/audit"
	"jeton/internal/hash"
	"jeton/internal/oauth"
	"jeton/internal/ratelimit"
)

// ErrNotFound says that there is no such user. A Store returns it, wrapped or
// not; the look-ups of Directory return it for users that may not sign in, too.
var ErrNotFound = errors.New("identity: no such user")

// Store keeps users. The users it returns are not changed by anybody.
type Store interface {
	UserByName(ctx context.Context, org, realm, canon string) (*User, error)
	User(ctx context.Context, org string, id int64) (*User, error)
	UserByMail(ctx context.Context, org, mail string) (*User, error)
	// SetPassword replaces the password hash old by new; false when it is not old
	// any more.
	SetPassword(ctx context.Context, org string, id int64, old, new string) (bool, error)
}

// Directory answers whether a password is a user's, and finds users for grants
// that prove who it is in other ways. All fields are needed but Now.
type Directory struct {
	Store    Store
	Hasher   *hash.Hasher
	Throttle *ratelimit.Throttle
	Now      func() time.Time // nil = time.Now
}

// localRealm is the realm of names when nobody says which.
const localRealm = "local"

// Attempt is one try to sign in with a password.
type Attempt struct {
	Org          string
	Realm        string // as asked for; "" = DefaultRealm
	DefaultRealm string // the client's or the organization's; "" = "local"
	Name         string // as typed
	Mail         bool   // Name may also be the user's e-mail address
	Password     oauth.Secret
	Due          bool   // a password that is due for a change will do: the caller asks for the change
	Addr         string // where it comes from: an address, with or without a port
	Dialect      string
}

// Verify finds the user an attempt names and checks the password. Every reason
// not to let him in is the one refusal BadPassword, after the same work, so that
// unknown, wrong, disabled, expired and throttled look alike; the audit record
// has the reason. Other errors: Unavailable when too many passwords are being
// checked, and anything that is no refusal when the store fails.
func (d *Directory) Verify(ctx context.Context, a Attempt) (*User, error) {
	record := audit.From(ctx)
	ctx = hash.For(ctx, ratelimit.Source(a.Addr))
	record.SetUser(a.Name)
	canon, err := d.readable(a)
	if err != nil {
		record.Fail("user", "a name and a password within the limits", err.Error(), "")
		return nil, refused()
	}
	record.SetUser(canon)
	u, err := d.find(ctx, a, canon)
	if err != nil {
		return nil, err
	}
	// The user is looked up first: an e-mail address must count on the same
	// account as the name.
	key := AccountKey(a.Org, a.realm(), canon)
	if u != nil {
		key = u.account()
		record.SetUser(u.Canon)
	}
	if ok, wait := d.Throttle.Allow(key, a.Addr); !ok {
		noteThrottle(record, wait)
		return nil, d.refuse(ctx, a)
	}
	if why := d.barred(u); why != nil {
		why.note(record, canon)
		return nil, d.reject(ctx, key, a)
	}
	return d.check(ctx, u, key, a)
}

// check compares the password of a user who may sign in.
func (d *Directory) check(ctx context.Context, u *User, key string, a Attempt) (*User, error) {
	record := audit.From(ctx)
	record.Pass("user", key)
	res, err := d.Hasher.Verify(ctx, key, u.Password, a.Password)
	switch {
	case errors.Is(err, hash.ErrUnknown) || errors.Is(err, hash.ErrCostly):
		record.Fail("password", "a password hash this server can verify", err.Error(), "set a new password")
		return nil, d.reject(ctx, key, a)
	case err != nil:
		return nil, fmt.Errorf("identity: verify password: %w", err)
	case !res.OK:
		record.Fail("password", "the user's password", "another", "")
		return nil, d.failed(ctx, key, a)
	}
	// Of many guesses sent at once, those that end after the budget is spent do
	// not count, right or wrong.
	if ok, wait := d.Throttle.Allow(key, a.Addr); !ok {
		noteThrottle(record, wait)
		return nil, refused()
	}
	if u.PasswordDue && !a.Due { // somebody else chose it: only its owner goes on with it, on a page
		record.Fail("password", "the user's own", "one that is due for a change", "change it at /login")
		return nil, refused()
	}
	record.Pass("password", "")
	if err := d.Throttle.Succeeded(ctx, key, a.Addr); err != nil {
		record.Fail("throttle", "", err.Error(), "see whether the database can be written")
	}
	if res.Rehash {
		d.rehash(ctx, u, a.Password)
	}
	return u, nil
}

// rehash replaces an encoding that is not today's. It is a favour: when the
// workers are busy or the store says no, the next login does it.
func (d *Directory) rehash(ctx context.Context, u *User, password oauth.Secret) {
	encoded, err := d.Hasher.Make(ctx, password)
	if err != nil {
		return
	}
	if _, err := d.Store.SetPassword(ctx, u.Org, u.ID, u.Password, encoded); err != nil {
		audit.From(ctx).Fail("rehash", "", err.Error(), "see whether the database can be written")
	}
}

// readable checks lengths before anything else and gives the canonical name. The
// answer does not depend on who there is, so it may come at once.
func (d *Directory) readable(a Attempt) (canon string, err error) {
	if len(a.Password) == 0 || len(a.Password) > hash.MaxSecret {
		return "", fmt.Errorf("a password of %d bytes", len(a.Password))
	}
	if len(a.realm()) > maxNameChars {
		return "", errors.New("a realm of more than 256 characters")
	}
	return Canonical(a.Name)
}

// find looks the user up by name and, where allowed, by e-mail address; nil when
// there is none.
func (d *Directory) find(ctx context.Context, a Attempt, canon string) (*User, error) {
	u, err := d.Store.UserByName(ctx, a.Org, a.realm(), canon)
	if errors.Is(err, ErrNotFound) && a.Mail && strings.Contains(canon, "@") {
		u, err = d.Store.UserByMail(ctx, a.Org, canon)
		if err == nil && u != nil && u.Realm != a.realm() {
			return nil, nil
		}
	}
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("identity: look up user: %w", err)
	}
	return u, nil
}

// bar is a reason why nobody can sign in as a user, whatever the password.
type bar struct{ check, want, got, next string }

func (b *bar) note(r *audit.Record, canon string) {
	got := b.got
	if b.check == "user" {
		got = canon
	}
	r.Fail(b.check, b.want, got, b.next)
}

var (
	unknown    = &bar{check: "user", want: "a user of the realm", next: "see whether the user exists, and in which realm"}
	disabled   = &bar{"enabled", "enabled", "disabled", "enable the user"}
	expired    = &bar{"enabled", "not expired", "expired", "change when the account expires"}
	noPassword = &bar{"password", "a user with a password", "none", "set a password, or use another grant"}
)

func (d *Directory) barred(u *User) *bar {
	switch {
	case u == nil:
		return unknown
	case !u.Enabled:
		return disabled
	case !u.Live(d.now().Unix()):
		return expired
	case u.Password == "":
		return noPassword
	}
	return nil
}

// refuse does the work of a comparison and refuses.
func (d *Directory) refuse(ctx context.Context, a Attempt) error {
	if err := d.Hasher.Waste(ctx, a.Password); err != nil {
		return fmt.Errorf("identity: verify password: %w", err)
	}
	return refused()
}

// reject does what a wrong password leads to: the work, the count, the refusal.
func (d *Directory) reject(ctx context.Context, key string, a Attempt) error {
	if err := d.refuse(ctx, a); !oauth.Is(err, oauth.BadPassword) {
		return err
	}
	return d.failed(ctx, key, a)
}

// failed counts the failure and refuses.
func (d *Directory) failed(ctx context.Context, key string, a Attempt) error {
	if err := d.Throttle.Failed(ctx, key, a.Addr); err != nil {
		audit.From(ctx).Fail("throttle", "", err.Error(), "see whether the database can be written")
	}
	return refused()
}

func refused() error { return oauth.Refuse(oauth.BadPassword, "") }

func noteThrottle(r *audit.Record, wait time.Duration) {
	got := "wait " + wait.Round(time.Second).String()
	if wait > 24*time.Hour {
		got = "stopped until reset"
	}
	r.Fail("throttle", "few failures", got, "wait, or reset the throttle of the user")
}

// ByName finds a user who may sign in by name, "" for the realm "local".
// ErrNotFound stands for an unknown, disabled or expired user and for a name
// that cannot be one.
func (d *Directory) ByName(ctx context.Context, org, realm, name string) (*User, error) {
	canon, err := Canonical(name)
	if err != nil {
		return nil, ErrNotFound
	}
	u, err := d.Store.UserByName(ctx, org, Attempt{Realm: realm}.realm(), canon)
	return d.live(ctx, u, err)
}

// ByID finds a user who may sign in by number; errors as ByName.
func (d *Directory) ByID(ctx context.Context, org string, id int64) (*User, error) {
	u, err := d.Store.User(ctx, org, id)
	return d.live(ctx, u, err)
}

// ByMail finds a user who may sign in by e-mail address; errors as ByName.
func (d *Directory) ByMail(ctx context.Context, org, address string) (*User, error) {
	mail, err := CanonicalMail(address)
	if err != nil {
		return nil, ErrNotFound
	}
	u, err := d.Store.UserByMail(ctx, org, mail)
	return d.live(ctx, u, err)
}

// live passes on what a look-up gave unless the user may not sign in, so that no
// grant can forget to ask. That somebody is unknown the caller notes: it may have
// another way to find him.
func (d *Directory) live(ctx context.Context, u *User, err error) (*User, error) {
	switch {
	case errors.Is(err, ErrNotFound) || (err == nil && u == nil):
		return nil, ErrNotFound
	case err != nil:
		return nil, fmt.Errorf("identity: look up user: %w", err)
	case !u.Enabled:
		disabled.note(audit.From(ctx), u.Canon)
		return nil, ErrNotFound
	case !u.Live(d.now().Unix()):
		expired.note(audit.From(ctx), u.Canon)
		return nil, ErrNotFound
	}
	return u, nil
}

// AccountKey names one user everywhere failures are counted, whether he exists
// or not.
func AccountKey(org, realm, canon string) string { return org + "/" + realm + "/" + canon }

func (u *User) account() string { return AccountKey(u.Org, u.Realm, u.Canon) }

func (a Attempt) realm() string {
	switch {
	case a.Realm != "":
		return a.Realm
	case a.DefaultRealm != "":
		return a.DefaultRealm
	}
	return localRealm
}

func (d *Directory) now() time.Time {
	if d.Now == nil {
		return time.Now()
	}
	return d.Now()
}
