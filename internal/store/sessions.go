package store

import (
	"context"
	"encoding/json"
	"fmt"

	"jeton/internal/identity"
	"jeton/internal/session"
)

const (
	sessionColumns = `s.sid, s.org, s.user_id, s.created, s.used, s.idle, s.ends, s.ended, s.body`

	putSession = `INSERT INTO session (sid, hash, org, user_id, created, used, idle, ends, ended, body)
 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9)`
	renewSession  = `UPDATE session SET hash = $1, used = $2, idle = $3, ends = $4, body = $5 WHERE hash = $6 AND sid = $7 AND ended = 0`
	sessionByHash = `SELECT ` + sessionColumns + `, ` + outerUser + ` FROM session s
 LEFT JOIN users u ON u.id = s.user_id AND u.org = s.org WHERE s.hash = $1`
	touchSession = `UPDATE session SET used = $1, idle = $2 WHERE sid = $3 AND ended = 0 AND used < $1`
	useSession   = `UPDATE session SET used = CASE WHEN used < $1 THEN $1 ELSE used END WHERE sid = $2 AND ended = 0`
	endSession   = `UPDATE session SET ended = $1 WHERE sid = $2 AND org = $3 AND ended = 0 RETURNING user_id`
	endGrants    = `UPDATE family SET revoked = $1 WHERE user_id = $2 AND sid = $3 AND sid <> '' AND offline = 0 AND revoked = 0`
	listSessions = `SELECT ` + sessionColumns + ` FROM session s WHERE s.user_id = $1 AND s.org = $2 AND s.ended = 0 ORDER BY s.used DESC, s.sid`
	allSessions  = `SELECT ` + sessionColumns + ` FROM session s WHERE s.org = $1 AND s.sid > $2 AND s.ended = 0 ORDER BY s.sid LIMIT $3`
	getSession   = `SELECT ` + sessionColumns + ` FROM session s WHERE s.sid = $1 AND s.org = $2`

	putSessionClient  = `INSERT INTO session_client (sid, client, issuer) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`
	clientsOfSession  = `SELECT client, issuer FROM session_client WHERE sid = $1 ORDER BY client`
	sweepSessionNames = `DELETE FROM session_client WHERE sid IN (SELECT sid FROM session WHERE ends <= $1 ORDER BY ends LIMIT $2)`
	sweepSessions     = `DELETE FROM session WHERE sid IN (SELECT sid FROM session WHERE ends <= $1 ORDER BY ends LIMIT $2)`
)

// sessionBody is what nobody searches for.
type sessionBody struct {
	AuthTime int64    `json:"auth_time"`
	AMR      []string `json:"amr,omitempty"`
	ACR      string   `json:"acr,omitempty"`
	Source   string   `json:"source,omitempty"`
	Agent    string   `json:"agent,omitempty"`
	Addr     string   `json:"addr,omitempty"`
	Since    int64    `json:"since,omitempty"`
}

func encodeSession(s *session.Session) (string, error) {
	b, err := json.Marshal(sessionBody{s.AuthTime, s.AMR, s.ACR, s.Source, s.Agent, s.Addr, s.Since})
	return string(b), err
}

type sessionRow struct {
	session.Session
	body string
}

func (r *sessionRow) dest() []any {
	return []any{&r.ID, &r.Org, &r.User, &r.Created, &r.Used, &r.Idle, &r.Ends, &r.Ended, &r.body}
}

func (r *sessionRow) session() (*session.Session, error) {
	var b sessionBody
	if err := json.Unmarshal([]byte(r.body), &b); err != nil {
		return nil, fmt.Errorf("session %s: %w", r.ID, err)
	}
	s := r.Session
	s.AuthTime, s.AMR, s.ACR, s.Source, s.Agent, s.Addr, s.Since = b.AuthTime, b.AMR, b.ACR, b.Source, b.Agent, b.Addr, b.Since
	return &s, nil
}

// PutSession keeps a new browser session under the hash of its secret.
func (s *Store) PutSession(ctx context.Context, hash []byte, x *session.Session) error {
	body, err := encodeSession(x)
	if err != nil {
		return fmt.Errorf("store: put session: %w", err)
	}
	return s.write(ctx, "put session", shardOf(hash), func(t *tx) error {
		_, err := t.exec(putSession, x.ID, hash, x.Org, x.User, x.Created, x.Used, x.Idle, x.Ends, body)
		return err
	})
}

// RenewSession gives a live session another secret and what x says of its sign-in.
// ErrNotFound when old is no live session's, or not that of x.ID.
func (s *Store) RenewSession(ctx context.Context, old, hash []byte, x *session.Session) error {
	body, err := encodeSession(x)
	if err != nil {
		return fmt.Errorf("store: renew session: %w", err)
	}
	return s.write(ctx, "renew session", shardOf(hash), func(t *tx) error {
		n, err := t.exec(renewSession, hash, x.Used, x.Idle, x.Ends, body, old, x.ID)
		if err == nil && n == 0 {
			return ErrNotFound
		}
		return err
	})
}

// SessionByHash finds a session and its person, nil when there is none of that
// number. ErrNotFound when there is no session; whether it is live is the caller's
// to see.
func (s *Store) SessionByHash(ctx context.Context, hash []byte) (*session.Session, *identity.User, error) {
	var out *session.Session
	var user *identity.User
	err := s.read(ctx, "session", func(t *tx) error {
		var r sessionRow
		var u userRow
		if err := found(t.row(sessionByHash, []any{hash}, u.outer(r.dest())...)); err != nil {
			return err
		}
		var err error
		if out, err = r.session(); err != nil {
			return err
		}
		user, err = s.bodies.outer(&u, out.User, out.Org)
		return err
	})
	return out, user, err
}

// TouchSession notes a use (unix seconds) and moves the idle end.
func (s *Store) TouchSession(ctx context.Context, id string, used, idle int64) error {
	return s.prepare(ctx, "touch session", 0, func(t *tx) error {
		_, err := t.exec(touchSession, used, idle, id)
		return err
	})
}

// EndSession ends a session, revokes the grants that do not outlive it and queues
// what tell makes of the clients it served. ErrNotFound when there is no live one.
func (s *Store) EndSession(ctx context.Context, org, id string, nowMilli int64, tell func([]session.Served) []session.Delivery) error {
	return s.write(ctx, "end session", 0, func(t *tx) error {
		var user int64
		if err := found(t.change(endSession, []any{max(nowMilli, 1), id, org}, &user)); err != nil {
			return err
		}
		if _, err := t.exec(endGrants, max(nowMilli, 1), user, id); err != nil {
			return err
		}
		var served []session.Served
		err := t.rows(clientsOfSession, []any{id}, func(scan func(...any) error) error {
			var c session.Served
			err := scan(&c.Client, &c.Issuer)
			served = append(served, c)
			return err
		})
		if err != nil {
			return err
		}
		for _, d := range tell(served) {
			if err := putDeliveryRow(t, d); err != nil {
				return err
			}
		}
		return nil
	})
}

// Session finds a session by its public name, ended or not; ErrNotFound when the
// organization has none of it.
func (s *Store) Session(ctx context.Context, org, id string) (*session.Session, error) {
	var out *session.Session
	err := s.read(ctx, "session by name", func(t *tx) error {
		var r sessionRow
		if err := found(t.row(getSession, []any{id, org}, r.dest()...)); err != nil {
			return err
		}
		var err error
		out, err = r.session()
		return err
	})
	return out, err
}

// AllSessions gives the sessions of an organization that nobody ended, by name, those
// behind after first; whether their time is over is the caller's to see.
func (s *Store) AllSessions(ctx context.Context, org, after string, limit int) ([]session.Session, error) {
	return s.sessions(ctx, allSessions, org, after, bounded(limit))
}

func (s *Store) sessions(ctx context.Context, query string, args ...any) ([]session.Session, error) {
	var out []session.Session
	err := s.list(ctx, "list sessions", func(t *tx) error {
		out = nil
		return t.rows(query, args, func(scan func(...any) error) error {
			var r sessionRow
			if err := scan(r.dest()...); err != nil {
				return err
			}
			x, err := r.session()
			if err == nil {
				out = append(out, *x)
			}
			return err
		})
	})
	return out, err
}

// ListSessions gives the sessions of a person that nobody ended, the last used
// first; whether their time is over is the caller's to see.
func (s *Store) ListSessions(ctx context.Context, org string, user int64) ([]session.Session, error) {
	return s.sessions(ctx, listSessions, user, org)
}
