package admin

import (
	"context"
	"fmt"

	"jeton/internal/audit"
	"jeton/internal/identity"
	"jeton/internal/oauth"
	"jeton/internal/session"
)

// Sessions is what administration needs of browser sessions (session.Manager).
type Sessions interface {
	List(ctx context.Context, u *identity.User) ([]session.Session, error)
	// End ends a session, revokes the grants that do not outlive it and has its clients
	// told.
	End(ctx context.Context, s *session.Session) error
}

// Consent is what a person allowed a client.
type Consent struct {
	Client           string
	Scope            oauth.Scope
	Given            bool  // by the person; false: an administrator vouches for the client
	Created, Updated int64 // unix seconds
}

// UserSession is a browser session with its person.
type UserSession struct {
	session.Session
	User *identity.User
}

// SessionsOf gives the live sessions of a person, the last used first.
func (s *Service) SessionsOf(ctx context.Context, u *identity.User) ([]UserSession, error) {
	list, err := s.Sessions.List(ctx, u)
	out := make([]UserSession, len(list))
	for i, x := range list {
		out[i] = UserSession{x, u}
	}
	return out, err
}

// AllSessions gives live sessions of an organization by name, those behind after
// first. last is where the next page begins, "" when there is none: a page may hold
// fewer than limit, for sessions nobody ended may be over all the same.
func (s *Service) AllSessions(ctx context.Context, org, after string, limit int) (live []UserSession, last string, err error) {
	list, err := s.Store.AllSessions(ctx, org, after, limit+1)
	if err != nil {
		return nil, "", err
	}
	if len(list) > limit {
		list = list[:limit]
		last = list[limit-1].ID
	}
	people := map[int64]*identity.User{}
	for _, x := range list {
		u, known := people[x.User]
		if !known {
			if u, err = s.Store.User(ctx, org, x.User); err != nil && !s.Store.IsNotFound(err) {
				return nil, "", err
			}
			people[x.User] = u
		}
		if x.Live(s.Now(), u) {
			live = append(live, UserSession{x, u})
		}
	}
	return live, last, nil
}

// EndSession ends one browser session; NotFound when it has ended already.
func (s *Service) EndSession(ctx context.Context, org, id string) error {
	x, err := s.Store.Session(ctx, org, id)
	if err != nil {
		return s.refusal(err, "session")
	}
	if x.Ended != 0 {
		return oauth.Refuse(oauth.NotFound, "session not found")
	}
	change(ctx, "session.end", "session/"+id)
	return s.Sessions.End(ctx, x)
}

// EndSessions ends every live session of a person and says how many those were. Each
// is an event of its own.
func (s *Service) EndSessions(ctx context.Context, u *identity.User) (int, error) {
	list, err := s.Sessions.List(ctx, u)
	if err != nil {
		return 0, err
	}
	for i := range list {
		own := ctx
		if i > 0 {
			own = audit.Aside(ctx, "session.end")
		}
		change(own, "session.end", "session/"+list[i].ID)
		audit.From(own).SetUser(u.Name)
		if err := s.Sessions.End(own, &list[i]); err != nil {
			return i, err
		}
	}
	return len(list), nil
}

// Consents gives all that a person allowed, by client.
func (s *Service) Consents(ctx context.Context, u *identity.User) ([]Consent, error) {
	return s.Store.ListConsents(ctx, u.Org, u.ID)
}

// RemoveConsent takes back what a person allowed a client; every token that came of
// it ends. NotFound when there was nothing to take back.
func (s *Service) RemoveConsent(ctx context.Context, u *identity.User, client string) error {
	change(ctx, "consent.remove", "client/"+client)
	audit.From(ctx).SetUser(u.Name)
	return s.refusal(s.Store.DeleteConsent(ctx, u.Org, u.ID, client), "consent")
}

// Deliveries gives messages to clients, the newest first, before the number before
// (0 = from the newest); client "" means all.
func (s *Service) Deliveries(ctx context.Context, org, client string, before int64, limit int) ([]session.Delivery, error) {
	return s.Store.ListDeliveries(ctx, org, client, before, limit)
}

// RetryDelivery sends a message again that was given up; NotFound when there is no
// such one.
func (s *Service) RetryDelivery(ctx context.Context, org string, id int64) error {
	change(ctx, "logout.retry", fmt.Sprintf("delivery/%d", id))
	return s.refusal(s.Store.RetryDelivery(ctx, org, id), "failed message")
}
