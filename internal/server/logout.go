package server

import (
	"context"

	"jeton/internal/logout"
	"jeton/internal/mint"
	"jeton/internal/outbound"
	"jeton/internal/session"
	"jeton/internal/store"
)

// outgoing is the one client for URLs that clients have registered.
func (s *Server) outgoing() *outbound.Client {
	return outbound.New(outbound.Options{Allow: s.config.Outgoing, Loopback: s.here, Now: s.config.Now})
}

// here reports whether only this machine reaches the server: then its clients are
// on this machine, too, and may be called there.
func (s *Server) here() bool {
	return s.config.Demo || s.base.url == "" || isLoopback(s.base.host)
}

// tellClients has the clients of sessions that end told.
func (s *Server) tellClients(sessions *session.Manager, m *mint.Mint) {
	s.logouts = logout.New(logout.Options{
		Store: s.Store, Clients: s.Core.Clients, Signer: m, HTTP: s.outgoing(), Now: s.config.Now, Log: s.config.Log,
	})
	sessions.Store, sessions.Tell = ending{s.Store, s.logouts}, s.logouts.Tell
}

// ending wakes the sender when a session has ended and its messages are kept.
type ending struct {
	*store.Store
	sender *logout.Sender
}

func (e ending) EndSession(ctx context.Context, org, id string, nowMilli int64, tell func([]session.Served) []session.Delivery) error {
	err := e.Store.EndSession(ctx, org, id, nowMilli, tell)
	if err == nil {
		e.sender.Wake()
	}
	return err
}
