package adminapi

import (
	"strconv"
	"time"

	"jeton/internal/admin"
	"jeton/internal/audit"
	"jeton/internal/dialect"
	"jeton/internal/oauth"
)

// listEvents lists audit records of an organization, newest first.
func (a *api) listEvents(r *dialect.Request) (dialect.Reply, error) {
	p, err := readPage(r, "event")
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
	since, err := readSince(q.Text("since"))
	if err != nil {
		return dialect.Reply{}, err
	}
	if err := a.Audit.Flush(r.Context()); err != nil {
		return dialect.Reply{}, err
	}
	list, err := a.core.Admin.Events(r.Context(), admin.EventFilter{
		Org: r.Org.ID, Client: q.Text("client"), User: q.Text("user"), Event: q.Text("event"),
		Outcome: q.Text("outcome"), Code: q.Text("code"), Dialect: q.Text("dialect"), Since: since,
	}, audit.ID(before), p.limit+1)
	if err != nil {
		return dialect.Reply{}, err
	}
	list, more := full(list, p.limit)
	last := ""
	if len(list) > 0 {
		last = strconv.FormatInt(int64(list[len(list)-1].ID), 10)
	}
	return reply(r, "event", list, 0, more, last), nil
}

// readSince reads a moment: unix seconds, or as RFC 3339 has it.
func readSince(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= 0 && n < 1<<40 {
		return n, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil || at.Unix() < 0 {
		return 0, refuse(oauth.InvalidValue, "since", "since is a time like 2027-01-01T00:00:00Z, or unix seconds")
	}
	return at.Unix(), nil
}

// getEvent finds the record of an error id. An id names its organization itself,
// so it is looked for in all of them unless the request names one.
func (a *api) getEvent(r *dialect.Request) (dialect.Reply, error) {
	id, err := audit.ParseID(r.Var("id"))
	if err != nil {
		return dialect.Reply{}, oauth.Refuse(oauth.NotFound, "event not found")
	}
	rec, err := a.Explain(r.Context(), id)
	if err != nil && a.core.Admin.Store.IsNotFound(err) || err == nil && named(r) != "" && rec.Org != r.Org.ID {
		return dialect.Reply{}, oauth.Refuse(oauth.NotFound, "event not found")
	}
	if err != nil {
		return dialect.Reply{}, err
	}
	return dialect.OK(rec), nil
}
