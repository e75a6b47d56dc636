// Package adminapi is administration over HTTP, under /admin/v1: JSON in and out,
// problems as RFC 9457 has them. It decodes, calls the rooms and words the answer;
// it checks no more than who may call, and decides nothing else. The server hangs
// it on the socket in its data folder, whose permissions are the credentials, and
// the command line calls it there or in its own process. It never answers on a
// network connection, and never shows a secret but once, when it is made.
package adminapi

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"

	"jeton/internal/audit"
	"jeton/internal/client"
	"jeton/internal/core"
	"jeton/internal/dialect"
	"jeton/internal/oauth"
	"jeton/internal/server"
)

// Root is the path everything here is below.
const Root = "/admin/v1"

// local is the actor of whoever may open the socket.
const local = "local"

// api answers administration of one server.
type api struct {
	*server.Server
	core *core.Core
}

// Handler answers administration requests for s that come over a Unix socket or
// from this process (InProcess). All others are refused, whatever they ask: there
// are no credentials yet that could be sent over a network.
func Handler(s *server.Server) http.Handler {
	a := &api{Server: s, core: s.Core}
	face := &dialect.Dialect{Name: "admin", Title: "Administration", Words: words, Mount: a.mount}
	return &dialect.Front{
		Router: dialect.NewRouter(s.Core, face), Audit: s.Audit, Now: s.Core.Now, Open: a.open,
		Serves: func(*dialect.Request, *dialect.Dialect) bool { return true },
		Log:    func(ctx context.Context, msg string, args ...any) { s.Core.Log.ErrorContext(ctx, msg, args...) },
	}
}

type inProcess struct{}

// InProcess marks requests that this very process makes of its own handler.
func InProcess(ctx context.Context) context.Context { return context.WithValue(ctx, inProcess{}, true) }

// isLocal: what came through a listener counts by the listener alone.
func isLocal(r *http.Request) bool {
	if at, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		return at.Network() == "unix"
	}
	own, _ := r.Context().Value(inProcess{}).(bool)
	return own
}

// open finds out who asks, and for which organization: the one the query names, or
// the default one.
func (a *api) open(hr *http.Request) (*dialect.Request, error) {
	r := &dialect.Request{Request: hr, Rest: hr.URL.EscapedPath(), Org: a.core.Clients.Default()}
	if !isLocal(hr) {
		return r, oauth.Refuse(oauth.MissingToken, "administration answers on the server's own socket only")
	}
	audit.From(hr.Context()).Actor = local
	q, err := r.Query()
	if err != nil {
		return r, err
	}
	if id, ok := q.Get("organization"); ok {
		o, known := a.core.Clients.Org(id)
		if !known {
			return r, refuse(oauth.NotFound, "organization", "organization not found")
		}
		r.Org = o
	}
	if r.Org == nil {
		return r, oauth.Refuse(oauth.Unavailable, "this server is not set up yet")
	}
	return r, nil
}

// named is the organization a request names, "" when it names none.
func named(r *dialect.Request) string {
	if r.URL.Query().Get("organization") == "" {
		return ""
	}
	return r.Org.ID
}

// route is one line of the table: a handler and the query parameters it knows.
type route struct {
	method, path string
	handle       dialect.Handler
	query        []string
}

func (a *api) mount(m *dialect.Mux, _ *core.Core) {
	for _, x := range a.routes() {
		m.Handle(x.method, Root+x.path, onlyKnown(x.query, x.handle))
	}
}

func (a *api) routes() []route {
	paged := func(more ...string) []string { return append([]string{"limit", "after"}, more...) }
	return []route{
		{"GET", "/info", a.info, nil},
		{"GET", "/config", a.exportConfig, nil},
		{"POST", "/config", a.applyConfig, []string{"dry"}},

		{"GET", "/clients", a.listClients, paged("dialect", "grant", "q")},
		{"POST", "/clients", a.createClient, nil},
		{"GET", "/clients/{id}", a.getClient, nil},
		{"PATCH", "/clients/{id}", a.changeClient, nil},
		{"DELETE", "/clients/{id}", a.deleteClient, nil},
		{"POST", "/clients/{id}/enable", a.enableClient(true), nil},
		{"POST", "/clients/{id}/disable", a.enableClient(false), nil},
		{"POST", "/clients/{id}/revoke", a.revokeClient, nil},
		{"GET", "/clients/{id}/claims", a.previewClaims, []string{"user", "scope"}},
		{"POST", "/clients/{id}/secrets", a.addSecret, nil},
		{"DELETE", "/clients/{id}/secrets/{secret}", a.revokeSecret, nil},

		{"GET", "/users", a.listUsers, paged("q", "realm", "name")},
		{"POST", "/users", a.createUser, nil},
		{"GET", "/users/{id}", a.getUser, nil},
		{"PATCH", "/users/{id}", a.changeUser, nil},
		{"DELETE", "/users/{id}", a.deleteUser, nil},
		{"PUT", "/users/{id}/password", a.setPassword, nil},
		{"POST", "/users/{id}/revoke", a.revokeUser, nil},
		{"POST", "/users/{id}/unlock", a.unlockUser, nil},
		{"POST", "/users/{id}/keys", a.addKey, nil},
		{"DELETE", "/users/{id}/keys/{key}", a.removeKey, nil},

		{"GET", "/users/{id}/consents", a.listConsents, paged()},
		{"DELETE", "/users/{id}/consents/{client}", a.removeConsent, nil},
		{"DELETE", "/users/{id}/sessions", a.endSessions, nil},

		{"GET", "/sessions", a.listSessions, paged("user")},
		{"DELETE", "/sessions/{id}", a.endSession, nil},

		{"GET", "/deliveries", a.listDeliveries, paged("client")},
		{"POST", "/deliveries/{id}/retry", a.retryDelivery, nil},

		{"GET", "/organizations", a.listOrgs, paged()},
		{"POST", "/organizations", a.createOrg, nil},
		{"GET", "/realms", a.listRealms, paged()},
		{"POST", "/realms", a.createRealm, nil},
		{"DELETE", "/realms/{name}", a.deleteRealm, nil},
		{"GET", "/providers", a.listProviders, paged()},
		{"PUT", "/providers/{name}", a.putProvider, nil},
		{"DELETE", "/providers/{name}", a.deleteProvider, nil},

		{"GET", "/keys", a.listKeys, paged()},
		{"POST", "/keys/rotate", a.rotateKey, nil},
		{"POST", "/keys/retire", a.retireKey, nil},

		{"GET", "/tokens", a.listTokens, paged("user", "client", "dialect")},
		{"DELETE", "/tokens/{id}", a.revokeFamily, nil},
		{"POST", "/tokens/explain", a.explainToken, nil},
		{"POST", "/tokens/revoke", a.revokeToken, nil},

		{"GET", "/events", a.listEvents, paged("client", "user", "event", "outcome", "code", "dialect", "since")},
		{"GET", "/events/{id}", a.getEvent, nil},
	}
}

// onlyKnown refuses query parameters a route does not know: a mistyped filter must
// not list everything.
func onlyKnown(known []string, h dialect.Handler) dialect.Handler {
	return func(r *dialect.Request) (dialect.Reply, error) {
		q, err := r.Query()
		if err != nil {
			return dialect.Reply{}, err
		}
		for _, name := range q.Names() {
			if name != "organization" && !slices.Contains(known, name) {
				return dialect.Reply{}, refuse(oauth.UnknownParameter, name, "query parameter "+name+" is not known here")
			}
		}
		return h(r)
	}
}

// sortedClients lists an organization's clients by id.
func (a *api) sortedClients(org string) []*client.Client {
	list := a.core.Clients.Clients(org)
	slices.SortFunc(list, func(x, y *client.Client) int { return strings.Compare(x.ID, y.ID) })
	return list
}

// refuse is a refusal that points at what is wrong.
func refuse(code oauth.Code, param, description string) error {
	e := oauth.Refuse(code, description)
	e.Param = param
	return e
}

var errNotServed = errors.New("the server reads no files and variables for its callers")
