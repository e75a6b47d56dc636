package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"jeton/internal/authorize"
	"jeton/internal/oauth"
)

// codeKept is how long a code is remembered after it expired, in seconds: long
// enough for a replay to be seen as one.
const codeKept = 3600

const (
	putCode = `INSERT INTO code (hash, sid, expires, used, family, body) VALUES ($1, $2, $3, 0, 0, $4)`
	getCode = `SELECT expires, used, family, body FROM code WHERE hash = $1`
	// A code is used up by the transaction that keeps what was made from it.
	useCode = `UPDATE code SET used = $1, family = $2 WHERE hash = $3 AND used = 0 AND expires > $4 RETURNING sid`
	// What carries its own authorization is kept from its use on.
	noteCode   = `INSERT INTO code (hash, sid, expires, used, family, body) VALUES ($1, $2, $3, $4, $5, '{}') ON CONFLICT (hash) DO NOTHING`
	sweepCodes = `DELETE FROM code WHERE hash IN (SELECT hash FROM code WHERE expires <= $1 ORDER BY expires LIMIT $2)`

	consentColumns = `client, scope, given, created, updated`
	putConsent     = `INSERT INTO consent (org, user_id, client, scope, given, created, updated) VALUES ($1, $2, $3, $4, $5, $6, $6)
 ON CONFLICT (org, user_id, client) DO UPDATE SET scope = excluded.scope, given = excluded.given, updated = excluded.updated`
	getConsent   = `SELECT ` + consentColumns + ` FROM consent WHERE org = $1 AND user_id = $2 AND client = $3`
	listConsents = `SELECT ` + consentColumns + ` FROM consent WHERE org = $1 AND user_id = $2 ORDER BY client`
	hasConsent   = `SELECT 1 FROM consent WHERE org = $1 AND user_id = $2 AND client = $3`
	holdSessions = `UPDATE session SET used = used WHERE org = $1 AND user_id = $2 AND ended = 0`
	dropConsent  = `DELETE FROM consent WHERE org = $1 AND user_id = $2 AND client = $3`
	endPersonal  = `UPDATE family SET revoked = $1 WHERE user_id = $2 AND client = $3 AND org = $4 AND sid <> '' AND revoked = 0`
	// By the index on persons: a person's page must not read everybody's tokens.
	browserGrants = `SELECT client, COUNT(*) FROM family WHERE user_id = $1 AND sid <> '' AND org = $2 AND revoked = 0
 AND (ends = 0 OR ends > $3) GROUP BY client`
	dropConsents = `DELETE FROM consent WHERE org = $1 AND user_id = $2`

	putTicket    = `INSERT INTO ticket (key, expires, body) VALUES ($1, $2, $3) ON CONFLICT (key) DO NOTHING`
	takeTicket   = `DELETE FROM ticket WHERE key = $1 AND expires > $2 RETURNING body`
	sweepTickets = `DELETE FROM ticket WHERE key IN (SELECT key FROM ticket WHERE expires <= $1 ORDER BY expires LIMIT $2)`
)

// leftBy deletes what people and browsers left for a client, so that a later one of
// its id inherits nothing.
var leftBy = []string{
	`DELETE FROM consent WHERE org = $1 AND client = $2`,
	`DELETE FROM session_client WHERE client = $2 AND sid IN (SELECT sid FROM session WHERE org = $1)`,
	`DELETE FROM delivery WHERE org = $1 AND client = $2`,
}

// PutCode keeps an authorization under the hash of its code.
func (s *Store) PutCode(ctx context.Context, hash []byte, a *oauth.Authorization) error {
	body, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("store: put code: %w", err)
	}
	return s.write(ctx, "put code", shardOf(hash), func(t *tx) error {
		_, err := t.exec(putCode, hash, a.Session, a.Expires, string(body))
		return err
	})
}

// Code finds an authorization by the hash of its code, used or not; ErrNotFound
// when there is none.
func (s *Store) Code(ctx context.Context, hash []byte) (*oauth.Authorization, error) {
	var out *oauth.Authorization
	err := s.read(ctx, "code", func(t *tx) error {
		var a oauth.Authorization
		var body string
		if err := found(t.row(getCode, []any{hash}, &a.Expires, &a.Used, &a.Family, &body)); err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(body), &a); err != nil {
			return fmt.Errorf("code: %w", err)
		}
		out = &a
		return nil
	})
	return out, err
}

// Redeemed is a code that is used up.
type Redeemed struct {
	Code   []byte // hash
	Sealed int64  // unix seconds it expires, of a code that carries its authorization; 0: it was kept by PutCode
	Issuer string // what the client knows this server by
}

// Redeem is PutFamily for what is made from an authorization code: the code is used
// up, and the browser session it was given in counts as used, in the same
// transaction. ErrChanged when the code was used already, is over, its session has
// ended, or what the person allowed was taken back; then nothing holds.
func (s *Store) Redeem(ctx context.Context, f *oauth.Family, aliases []Alias, r Redeemed) error {
	now := s.now()
	return s.putFamily(ctx, "redeem", f, func(t *tx) error {
		if err := s.use(t, f, r, now); err != nil {
			return err
		}
		sid := f.Session
		if sid == "" {
			return putAliases(t, f.ID, f.Generation, aliases)
		}
		n, err := t.exec(useSession, now.Unix(), sid)
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrChanged
		}
		// Behind the change of the session, for which DeleteConsent waits as well: so one
		// of the two sees what the other did.
		var there int64
		if ok, err := t.row(hasConsent, []any{f.Org, f.User, f.Client}, &there); err != nil || !ok {
			return cmp.Or(err, ErrChanged)
		}
		if _, err := t.exec(putSessionClient, sid, f.Client, r.Issuer); err != nil {
			return err
		}
		return putAliases(t, f.ID, f.Generation, aliases)
	})
}

// use notes that a code is used, for good.
func (s *Store) use(t *tx, f *oauth.Family, r Redeemed, now time.Time) error {
	if r.Sealed != 0 {
		n, err := t.exec(noteCode, r.Code, f.Session, r.Sealed, now.UnixMilli(), f.ID)
		if err == nil && (n == 0 || now.Unix() >= r.Sealed) {
			return ErrChanged
		}
		return err
	}
	var sid string
	ok, err := t.change(useCode, []any{now.UnixMilli(), f.ID, r.Code, now.Unix()}, &sid)
	if err == nil && (!ok || sid != f.Session) {
		return ErrChanged
	}
	return err
}

// Consent is what a person allowed a client.
type Consent = authorize.Consent

// PutConsent keeps what a person allows a client from now on, in place of what they
// allowed before. What they gave is a change with an event of its own; what is noted
// for them is a step towards the code, which has one.
func (s *Store) PutConsent(ctx context.Context, org string, user int64, c Consent) error {
	given := int64(0)
	if c.Given {
		given = 1
	}
	keep := s.prepare
	if c.Given {
		keep = s.write
	}
	return keep(ctx, "put consent", user, func(t *tx) error {
		_, err := t.exec(putConsent, org, user, c.Client, c.Scope.String(), given, s.unix())
		return err
	})
}

type consentRow struct {
	Consent
	scope string
	given int64
}

func (r *consentRow) dest() []any {
	return []any{&r.Client, &r.scope, &r.given, &r.Created, &r.Updated}
}

func (r *consentRow) consent() Consent {
	c := r.Consent
	c.Scope, c.Given = split(r.scope), r.given != 0
	return c
}

// Consent finds what a person allowed a client; ErrNotFound when nothing.
func (s *Store) Consent(ctx context.Context, org string, user int64, client string) (Consent, error) {
	var r consentRow
	err := s.read(ctx, "consent", func(t *tx) error {
		return found(t.row(getConsent, []any{org, user, client}, r.dest()...))
	})
	return r.consent(), err
}

// ListConsents gives all that a person allowed.
func (s *Store) ListConsents(ctx context.Context, org string, user int64) ([]Consent, error) {
	var out []Consent
	err := s.list(ctx, "list consents", func(t *tx) error {
		out = nil
		return t.rows(listConsents, []any{org, user}, func(scan func(...any) error) error {
			var r consentRow
			err := scan(r.dest()...)
			out = append(out, r.consent())
			return err
		})
	})
	return out, err
}

// DeleteConsent takes back what a person allowed a client and revokes every token
// that came of it; codes that are out are worth nothing any more. ErrNotFound when
// there was nothing to take back.
func (s *Store) DeleteConsent(ctx context.Context, org string, user int64, client string) error {
	return s.write(ctx, "delete consent", user, func(t *tx) error {
		if _, err := t.exec(holdSessions, org, user); err != nil { // whoever redeems a code comes before or after
			return err
		}
		n, err := t.exec(dropConsent, org, user, client)
		if err != nil {
			return err
		}
		revoked, err := t.exec(endPersonal, max(s.now().UnixMilli(), 1), user, client, org)
		if err == nil && n+revoked == 0 {
			return ErrNotFound
		}
		return err
	})
}

// BrowserGrants counts the live grants of a person that came of a sign-in in a
// browser, by client.
func (s *Store) BrowserGrants(ctx context.Context, org string, user int64) (map[string]int, error) {
	var out map[string]int
	err := s.list(ctx, "browser grants", func(t *tx) error {
		out = map[string]int{}
		return t.rows(browserGrants, []any{user, org, s.unix()}, func(scan func(...any) error) error {
			var client string
			var n int
			err := scan(&client, &n)
			out[client] = n
			return err
		})
	})
	return out, err
}

// PutTicket keeps state of one use under a key until expires (unix seconds).
// ErrExists when the key is taken. It is a step: the audit record stays unwritten.
func (s *Store) PutTicket(ctx context.Context, key []byte, expires int64, body string) error {
	return s.prepare(ctx, "put ticket", shardOf(key), func(t *tx) error {
		n, err := t.exec(putTicket, key, expires, body)
		if err == nil && n == 0 {
			return ErrExists
		}
		return err
	})
}

// TakeTicket removes the state of a key and gives it; of any number of callers one
// gets it, the others ErrNotFound.
func (s *Store) TakeTicket(ctx context.Context, key []byte) (body string, err error) {
	err = s.prepare(ctx, "take ticket", shardOf(key), func(t *tx) error {
		return found(t.change(takeTicket, []any{key, s.unix()}, &body))
	})
	return body, err
}

// sweepBrowser removes what browsers left behind: sessions, codes and tickets that
// are over, messages that arrived or never will.
func (s *Store) sweepBrowser(ctx context.Context, now time.Time, _ time.Duration, step int64) (int64, bool, error) {
	at := now.Unix()
	var total int64
	more := false
	for _, q := range []struct {
		text string
		args []any
	}{
		{sweepSessionNames, []any{at, step}}, // before the sessions that name them
		{sweepSessions, []any{at, step}},
		{sweepCodes, []any{at - codeKept, step}},
		{sweepTickets, []any{at, step}},
		{sweepDeliveries, []any{at - deliveryKept, step}},
	} {
		var n int64
		err := s.prepare(ctx, "sweep browsers", 0, func(t *tx) (err error) {
			n, err = t.exec(q.text, q.args...)
			return err
		})
		if err != nil {
			return total, false, err
		}
		total += n
		more = more || n >= step
	}
	return total, more, nil
}
