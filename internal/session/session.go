// Package session owns the browser sessions of people: one sign-on that many
// clients share. The pages for people open and end sessions; the authorization
// endpoint finds the one a browser has. It never checks a password and decides
// nothing about consent or tokens.
package session

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"jeton/internal/audit"
	"jeton/internal/client"
	"jeton/internal/identity"
)

// Session is one browser's sign-on for one person.
type Session struct {
	ID      string // public name: the sid of ID tokens, and in lists; the cookie is another secret
	Org     string
	User    int64
	Created int64 // unix seconds
	Used    int64 // unix seconds, written coarsely
	Idle    int64 // unix seconds: ends unless used before
	Ends    int64 // unix seconds: ends whatever happens
	Ended   int64 // unix milliseconds, 0 = live

	AuthTime int64    // unix milliseconds: when the person last proved who they are
	AMR      []string // RFC 8176
	ACR      string   // see ACR
	Source   string   // what proved it: "local", "saml/NAME"
	Agent    string   // browser and system, as shown in lists
	Addr     string   // at sign-in
	Since    int64    // the user's RevokedBefore then: once it moves on the session is dead
}

// Served is a client that a session gave tokens to, and the issuer it knows us by.
type Served struct{ Client, Issuer string }

// CookieName is the cookie a browser keeps its session's secret in. A browser takes
// a __Host- cookie from this very host and by https only; on loopback there is no
// https. Organizations that share a host have a cookie each.
func CookieName(o *client.Org, secure bool) string {
	n := "jeton-session"
	if !o.Default {
		n += "." + o.ID
	}
	if secure {
		n = "__Host-" + n
	}
	return n
}

// Delivery is a message to a client that is sent until it arrives.
type Delivery struct {
	ID      int64
	Org     string
	Kind    string // "backchannel_logout"
	Client  string
	User    int64
	State   string // waiting done failed
	Due     int64  // unix seconds
	Tries   int64
	Created int64 // unix seconds
	Updated int64 // unix seconds
	Result  string
	Body    string // JSON of the kind
}

// States of a Delivery.
const (
	Waiting = "waiting"
	Done    = "done"
	Failed  = "failed"
)

// Store keeps sessions. ErrNotFound of the look-ups is found with IsNotFound.
type Store interface {
	PutSession(ctx context.Context, hash []byte, s *Session) error
	// RenewSession gives a live session another secret; IsNotFound when there is none.
	RenewSession(ctx context.Context, old, hash []byte, s *Session) error
	SessionByHash(ctx context.Context, hash []byte) (*Session, *identity.User, error)
	TouchSession(ctx context.Context, id string, used, idle int64) error
	// EndSession ends a session, revokes the grants that live and die with it, and
	// queues what tell makes of the clients it served, all at once.
	EndSession(ctx context.Context, org, id string, nowMilli int64, tell func([]Served) []Delivery) error
	ListSessions(ctx context.Context, org string, user int64) ([]Session, error)
	IsNotFound(err error) bool
}

// Manager opens, finds and ends sessions.
type Manager struct {
	Store Store
	Now   func() time.Time
	// Tell makes the messages for the clients of a session that ends; nil: none.
	Tell func(s *Session, served []Served) []Delivery
}

// Lives of a session where the organization says nothing.
const (
	DefaultIdle = 12 * time.Hour
	DefaultLife = 7 * 24 * time.Hour
	// touchEvery is how far apart two uses must be for the later one to be kept: a
	// write for some uses, not for each.
	touchEvery = 5 * time.Minute
)

// ErrNone says that a browser has no live session.
var ErrNone = errors.New("session: none")

// Open begins a session for a person who has just proven who they are, here or, at
// an earlier s.AuthTime, elsewhere, and gives the secret for the browser's cookie. old is the secret the browser came with, ""
// for none: a session of the same person goes on under a new secret, another
// person's is ended. What a browser came with is never the secret of the new one.
func (m *Manager) Open(ctx context.Context, o *client.Org, u *identity.User, s Session, old string) (secret string, opened *Session, err error) {
	now := m.Now()
	s.Org, s.User, s.Since = o.ID, u.ID, u.RevokedBefore
	s.Used = now.Unix()
	if s.AuthTime == 0 || s.AuthTime > now.UnixMilli() {
		s.AuthTime = now.UnixMilli()
	}
	s.ACR = ACR(s.AMR)
	idle, life := lives(o)
	s.Idle, s.Ends = now.Add(idle).Unix(), now.Add(life).Unix()
	secret = random()
	before, owner, err := m.find(ctx, o, old)
	switch {
	case errors.Is(err, ErrNone):
	case err != nil:
		return "", nil, err
	case owner.ID == u.ID && before.Since == u.RevokedBefore:
		s.ID, s.Created = before.ID, before.Created
		if err := m.Store.RenewSession(ctx, digest(old), digest(secret), &s); err == nil {
			return secret, &s, nil
		} else if !m.Store.IsNotFound(err) {
			return "", nil, fmt.Errorf("session: renew: %w", err)
		}
	default:
		if err := m.End(audit.Aside(ctx, "session.end"), before); err != nil {
			return "", nil, err
		}
	}
	s.ID, s.Created = random()[:22], now.Unix()
	if err := m.Store.PutSession(ctx, digest(secret), &s); err != nil {
		return "", nil, fmt.Errorf("session: open: %w", err)
	}
	return secret, &s, nil
}

// Find is the live session of a cookie's secret and its person, as of now; ErrNone
// when there is none: unknown, ended, unused for too long, of another
// organization, of a person who may not sign in any more, or vouched for by an
// identity provider that is disabled or gone.
func (m *Manager) Find(ctx context.Context, o *client.Org, secret string) (*Session, *identity.User, error) {
	s, u, err := m.find(ctx, o, secret)
	if err != nil {
		return nil, nil, err
	}
	now := m.Now()
	idle, _ := lives(o)
	if now.Unix()-s.Used >= int64(touchEvery/time.Second) {
		if err := m.Store.TouchSession(ctx, s.ID, now.Unix(), min(now.Add(idle).Unix(), s.Ends)); err != nil {
			return nil, nil, fmt.Errorf("session: note the use: %w", err)
		}
	}
	return s, u, nil
}

func (m *Manager) find(ctx context.Context, o *client.Org, secret string) (*Session, *identity.User, error) {
	if len(secret) != secretChars {
		return nil, nil, ErrNone
	}
	s, u, err := m.Store.SessionByHash(ctx, digest(secret))
	if m.Store.IsNotFound(err) {
		return nil, nil, ErrNone
	}
	if err != nil {
		return nil, nil, fmt.Errorf("session: look up: %w", err)
	}
	if s.Org != o.ID || !s.Live(m.Now(), u) || !s.trusted(o) {
		return nil, nil, ErrNone
	}
	return s, u, nil
}

// trusted reports whether what proved the sign-in counts still: an identity provider
// that was disabled or removed vouches for nobody.
func (s *Session) trusted(o *client.Org) bool {
	name, provided := strings.CutPrefix(s.Source, "saml/")
	return !provided || slices.ContainsFunc(o.Providers, func(p client.Provider) bool { return p.Name == name && !p.Disabled })
}

// Live reports whether the session counts at now, for its person as they are now.
func (s *Session) Live(now time.Time, u *identity.User) bool {
	t := now.Unix()
	return s.Ended == 0 && t < s.Idle && t < s.Ends && u != nil && u.Live(t) && u.RevokedBefore == s.Since
}

// skew is how far the clocks of two servers may differ.
const skew = time.Minute

// Ahead reports whether the sign-in lies in the future: the clock went back since,
// and nobody knows how long ago the person proved who they are.
func (s *Session) Ahead(now time.Time) bool { return s.AuthTime > now.Add(skew).UnixMilli() }

// End ends a session: the grants that do not outlive it are revoked and its clients
// are told. A session that has ended already is no error.
func (m *Manager) End(ctx context.Context, s *Session) error {
	err := m.Store.EndSession(ctx, s.Org, s.ID, m.Now().UnixMilli(), func(served []Served) []Delivery {
		if m.Tell == nil {
			return nil
		}
		return m.Tell(s, served)
	})
	if err != nil && !m.Store.IsNotFound(err) {
		return fmt.Errorf("session: end: %w", err)
	}
	return nil
}

// List gives the live sessions of a person, the last used first.
func (m *Manager) List(ctx context.Context, u *identity.User) ([]Session, error) {
	all, err := m.Store.ListSessions(ctx, u.Org, u.ID)
	if err != nil {
		return nil, fmt.Errorf("session: list: %w", err)
	}
	live := all[:0]
	for _, s := range all {
		if s.Live(m.Now(), u) {
			live = append(live, s)
		}
	}
	return live, nil
}

// ACR is the level of a sign-in (OpenID Connect Core §2, our own names): "2" for
// two kinds of proof or a device that counts as two, "1" for one.
func ACR(amr []string) string {
	kinds := map[string]bool{}
	for _, m := range amr {
		switch m {
		case "mfa":
			return Strong
		case "pwd", "pin", "kba":
			kinds["knows"] = true
		case "otp", "sms", "hwk", "swk", "tel":
			kinds["has"] = true
		}
	}
	if len(kinds) > 1 {
		return Strong
	}
	return Single
}

// The levels there are.
const (
	Single = "1"
	Strong = "2"
)

func lives(o *client.Org) (idle, life time.Duration) {
	idle, life = DefaultIdle, DefaultLife
	if o.Session.Idle > 0 {
		idle = time.Duration(o.Session.Idle) * time.Second
	}
	if o.Session.Life > 0 {
		life = time.Duration(o.Session.Life) * time.Second
	}
	return min(idle, life), life
}

const secretChars = 43 // base64url of 256 bits

func random() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func digest(secret string) []byte {
	sum := sha256.Sum256([]byte("jeton session\x00" + secret))
	return sum[:]
}
