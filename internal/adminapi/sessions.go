package adminapi

import (
	"slices"
	"strconv"
	"strings"

	"jeton/internal/admin"
	"jeton/internal/dialect"
	"jeton/internal/oauth"
	"jeton/internal/session"
)

// Session is one browser's sign-on. Times are unix seconds.
type Session struct {
	ID           string   `json:"id"` // the sid of ID tokens; no secret
	Organization string   `json:"organization"`
	User         string   `json:"user"`
	UserID       int64    `json:"user_id"`
	Realm        string   `json:"realm"`
	Created      int64    `json:"created"`
	Used         int64    `json:"used"`
	Idle         int64    `json:"idle"` // ends then, unless used before
	Ends         int64    `json:"ends"` // ends then, whatever happens
	AuthTime     int64    `json:"auth_time"`
	AMR          []string `json:"amr,omitempty"`
	ACR          string   `json:"acr,omitempty"`
	Source       string   `json:"source,omitempty"` // what proved it: "local", "saml/NAME"
	Agent        string   `json:"agent,omitempty"`
	Addr         string   `json:"addr,omitempty"`
}

func viewSession(x admin.UserSession) Session {
	return Session{
		ID: x.ID, Organization: x.Org, User: x.User.Name, UserID: x.User.ID, Realm: x.User.Realm,
		Created: x.Created, Used: x.Used, Idle: x.Idle, Ends: x.Ends, AuthTime: x.AuthTime / 1000,
		AMR: x.AMR, ACR: x.ACR, Source: x.Source, Agent: x.Agent, Addr: x.Addr,
	}
}

// listSessions lists live sessions: those of one user, the last used first, or all,
// by id.
func (a *api) listSessions(r *dialect.Request) (dialect.Reply, error) {
	q, err := r.Query()
	if err != nil {
		return dialect.Reply{}, err
	}
	if text, ok := q.Get("user"); ok {
		return a.sessionsOf(r, text)
	}
	p, err := readPage(r, "session")
	if err != nil {
		return dialect.Reply{}, err
	}
	list, last, err := a.core.Admin.AllSessions(r.Context(), r.Org.ID, p.after, p.limit)
	if err != nil {
		return dialect.Reply{}, err
	}
	return reply(r, "session", viewSessions(list), 0, last != "", last), nil
}

func viewSessions(list []admin.UserSession) []Session {
	views := make([]Session, len(list))
	for i, x := range list {
		views[i] = viewSession(x)
	}
	return views
}

func (a *api) sessionsOf(r *dialect.Request, user string) (dialect.Reply, error) {
	p, err := readPage(r, "sessions of "+user)
	if err != nil {
		return dialect.Reply{}, err
	}
	id, err := strconv.ParseInt(user, 10, 64)
	if err != nil || id <= 0 {
		return dialect.Reply{}, refuse(oauth.InvalidValue, "user", "user is a user's number")
	}
	u, err := a.core.Admin.User(r.Context(), r.Org.ID, id)
	if err != nil {
		return dialect.Reply{}, err
	}
	list, err := a.core.Admin.SessionsOf(r.Context(), u)
	if err != nil {
		return dialect.Reply{}, err
	}
	start := 0
	if p.after != "" {
		start = 1 + slices.IndexFunc(list, func(x admin.UserSession) bool { return x.ID == p.after })
	}
	items, more := full(list[start:], p.limit)
	last := ""
	if more {
		last = items[len(items)-1].ID
	}
	return reply(r, "sessions of "+user, viewSessions(items), int64(len(list)), more, last), nil
}

func (a *api) endSession(r *dialect.Request) (dialect.Reply, error) {
	return done(), a.core.Admin.EndSession(r.Context(), r.Org.ID, r.Var("id"))
}

// Ended says how many sessions a request ended.
type Ended struct {
	Ended int `json:"ended"`
}

// endSessions ends every session of a user.
func (a *api) endSessions(r *dialect.Request) (dialect.Reply, error) {
	id, err := userID(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	u, err := a.core.Admin.User(r.Context(), r.Org.ID, id)
	if err != nil {
		return dialect.Reply{}, err
	}
	n, err := a.core.Admin.EndSessions(r.Context(), u)
	if err != nil {
		return dialect.Reply{}, err
	}
	return dialect.OK(Ended{n}), nil
}

// Consent is what a person allowed a client. Times are unix seconds.
type Consent struct {
	Client  string   `json:"client"`
	Name    string   `json:"client_name,omitempty"` // absent: the client is gone
	Scope   []string `json:"scope"`
	Given   bool     `json:"given"` // by the person; false: an administrator vouches for the client
	Created int64    `json:"created"`
	Updated int64    `json:"updated"`
}

func (a *api) listConsents(r *dialect.Request) (dialect.Reply, error) {
	id, err := userID(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	p, err := readPage(r, "consent")
	if err != nil {
		return dialect.Reply{}, err
	}
	u, err := a.core.Admin.User(r.Context(), r.Org.ID, id)
	if err != nil {
		return dialect.Reply{}, err
	}
	list, err := a.core.Admin.Consents(r.Context(), u)
	if err != nil {
		return dialect.Reply{}, err
	}
	slices.SortFunc(list, func(x, y admin.Consent) int { return strings.Compare(x.Client, y.Client) }) // bytes, not a database's collation
	page, more, last := cut(list, p, func(c admin.Consent) string { return c.Client })
	items := make([]Consent, len(page))
	for i, c := range page {
		items[i] = Consent{Client: c.Client, Scope: append([]string{}, c.Scope...), Given: c.Given, Created: c.Created, Updated: c.Updated}
		if known, ok := a.core.Clients.Client(r.Org.ID, c.Client); ok {
			items[i].Name = known.Name
		}
	}
	return reply(r, "consent", items, int64(len(list)), more, last), nil
}

func (a *api) removeConsent(r *dialect.Request) (dialect.Reply, error) {
	id, err := userID(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	u, err := a.core.Admin.User(r.Context(), r.Org.ID, id)
	if err != nil {
		return dialect.Reply{}, err
	}
	return done(), a.core.Admin.RemoveConsent(r.Context(), u, r.Var("client"))
}

// Delivery is a message to a client: a logout it is told of. Times are unix seconds.
type Delivery struct {
	ID      string `json:"id"`
	Kind    string `json:"kind"`
	Client  string `json:"client"`
	UserID  int64  `json:"user_id,omitempty"`
	State   string `json:"state"`         // waiting done failed
	Due     int64  `json:"due,omitempty"` // when it is tried next
	Tries   int64  `json:"tries"`
	Created int64  `json:"created"`
	Updated int64  `json:"updated"`
	Result  string `json:"result,omitempty"` // of the last try
}

// viewDelivery leaves the body out: it names the session and is signed when sent.
func viewDelivery(d session.Delivery) Delivery {
	v := Delivery{
		ID: strconv.FormatInt(d.ID, 10), Kind: d.Kind, Client: d.Client, UserID: d.User, State: d.State,
		Tries: d.Tries, Created: d.Created, Updated: d.Updated, Result: d.Result,
	}
	if d.State == session.Waiting {
		v.Due = d.Due
	}
	return v
}

func (a *api) listDeliveries(r *dialect.Request) (dialect.Reply, error) {
	p, err := readPage(r, "delivery")
	if err != nil {
		return dialect.Reply{}, err
	}
	before, err := p.number()
	if err != nil {
		return dialect.Reply{}, err
	}
	q, err := r.Query()
	if err != nil {
		return dialect.Reply{}, err
	}
	list, err := a.core.Admin.Deliveries(r.Context(), r.Org.ID, q.Text("client"), before, p.limit+1)
	if err != nil {
		return dialect.Reply{}, err
	}
	list, more := full(list, p.limit)
	views, last := make([]Delivery, len(list)), ""
	for i, d := range list {
		views[i] = viewDelivery(d)
		last = views[i].ID
	}
	return reply(r, "delivery", views, 0, more, last), nil
}

func (a *api) retryDelivery(r *dialect.Request) (dialect.Reply, error) {
	id, err := strconv.ParseInt(r.Var("id"), 10, 64)
	if err != nil || id <= 0 {
		return dialect.Reply{}, oauth.Refuse(oauth.NotFound, "failed message not found")
	}
	return done(), a.core.Admin.RetryDelivery(r.Context(), r.Org.ID, id)
}
