// Package logout owns OpenID Connect Back-Channel Logout 1.0: when a browser session
// ends it makes a message for each client that the session gave tokens to, and sends
// what is due until it arrives. The session manager calls Tell inside of the
// transaction that ends the session; the server runs Run. It never ends a session and
// decides about no token.
package logout

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"jeton/internal/client"
	"jeton/internal/jose"
	"jeton/internal/policy"
	"jeton/internal/session"
)

// Kind is the kind of a delivery that is a logout token.
const Kind = "backchannel_logout"

// Store keeps the messages. Whoever takes one has it until lease (unix seconds).
type Store interface {
	TakeDeliveries(ctx context.Context, now, lease int64, limit int) ([]session.Delivery, error)
	FinishDelivery(ctx context.Context, id int64, state string, due int64, result string) error
}

// Clients finds registered clients (client.Registry).
type Clients interface {
	Client(org, id string) (*client.Client, bool)
}

// Signer signs what clients are sent (mint.Mint).
type Signer interface {
	Profile(dialect string) (policy.Profile, bool)
	SignMessage(ctx context.Context, p policy.Profile, c *client.Client, alg jose.Alg, typ string, claims jose.Object) (string, error)
}

// Poster makes the calls (outbound.Client). The text of its errors is kept for the
// operator, who may read it.
type Poster interface {
	Post(ctx context.Context, to, contentType string, body []byte) (status int, answer []byte, err error)
}

// Options of New; all are needed.
type Options struct {
	Store   Store
	Clients Clients
	Signer  Signer
	HTTP    Poster
	Now     func() time.Time
	Log     *slog.Logger
}

// Sender makes and sends the messages.
type Sender struct {
	Options
	wake  chan struct{}
	every time.Duration // between two looks at the database without a call of Wake
	slow  time.Duration // a call that failed after so long let others wait

	mu      sync.Mutex
	resting map[string]int64 // URL → unix seconds until which nobody waits for it
}

// idle is often enough for a retry to be in time and rare enough to be no load.
const (
	idle = 3 * time.Second
	slow = 2 * time.Second
)

// New makes a sender.
func New(o Options) *Sender {
	return &Sender{Options: o, wake: make(chan struct{}, 1), every: idle, slow: slow, resting: map[string]int64{}}
}

// message is the body of a delivery: what the token says beside what every one does.
type message struct {
	Issuer string `json:"iss"` // the one the client knows
	Sub    string `json:"sub"`
	SID    string `json:"sid"`
}

// Tell makes the messages about a session that ends, for session.Manager.Tell. A
// client without ID tokens could not read one.
func (s *Sender) Tell(x *session.Session, served []session.Served) []session.Delivery {
	now := s.Now().Unix()
	var out []session.Delivery
	for _, to := range served {
		c, ok := s.Clients.Client(x.Org, to.Client)
		if !ok || unfit(c, s.Signer) != "" {
			continue
		}
		b, err := json.Marshal(message{Issuer: to.Issuer, Sub: strconv.FormatInt(x.User, 10), SID: x.ID})
		if err != nil { // of texts: it never does
			continue
		}
		out = append(out, session.Delivery{
			Org: x.Org, Kind: Kind, Client: to.Client, User: x.User, State: session.Waiting,
			Due: now, Created: now, Updated: now, Body: string(b),
		})
	}
	return out
}

// unfit says why a client takes no message, "" when it does.
func unfit(c *client.Client, signer Signer) string {
	p, ok := signer.Profile(c.Dialect)
	switch {
	case !c.Enabled:
		return "the client is disabled"
	case c.BackchannelURI == "":
		return "the client has no backchannel_logout_uri"
	case !ok || p.ID == nil:
		return "the client's dialect has no ID tokens"
	}
	return ""
}

// Token is a logout token's life and form (OpenID Connect Back-Channel Logout §2.4).
// It has no nonce, so that none takes it for an ID token.
const (
	tokenType = "logout+jwt"
	tokenLife = 2 * time.Minute
	event     = "http://schemas.openid.net/event/backchannel-logout"
)

// token makes a logout token for a client, with the key of its ID tokens.
func (s *Sender) token(ctx context.Context, c *client.Client, m message) (string, error) {
	p, _ := s.Signer.Profile(c.Dialect)
	now := s.Now()
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails (crypto/rand)
	claims := jose.Obj().Str("iss", m.Issuer).Str("sub", m.Sub).Str("aud", c.ID).
		Int("iat", now.Unix()).Int("exp", now.Add(tokenLife).Unix()).
		Str("jti", base64.RawURLEncoding.EncodeToString(id[:])).
		Obj("events", jose.Obj().Obj(event, jose.Obj())).Str("sid", m.SID)
	return s.Signer.SignMessage(ctx, p, c, "", tokenType, claims)
}
