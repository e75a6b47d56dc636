package web

import (
	"cmp"
	"slices"
	"time"

	"jeton/internal/admin"
	"jeton/internal/audit"
	"jeton/internal/dialect"
	"jeton/internal/oauth"
	"jeton/internal/page"
)

// sessions lists the browsers somebody is signed in with.
func (f *Face) sessions(v *visit) (dialect.Reply, error) {
	open, err := f.Core.Admin.SessionsOf(v.Context(), v.user)
	if err != nil {
		return dialect.Reply{}, err
	}
	x := page.Sessions{Note: f.note(v)}
	for _, s := range open {
		x.List = append(x.List, page.SessionLine{
			ID: s.ID, Agent: s.Agent, Addr: s.Addr, Opened: time.Unix(s.Created, 0), Used: time.Unix(s.Used, 0), This: s.ID == v.session.ID,
		})
	}
	return f.present(v, x)
}

// endSession signs out one browser, or all but this one.
func (f *Face) endSession(v *visit) (dialect.Reply, error) {
	if v.fields.Text("all") != "" {
		ended, err := f.Core.Admin.EndOthers(v.Context(), v.user, v.session.ID)
		if err != nil {
			return dialect.Reply{}, err
		}
		return f.done(v, "sessions", message{Key: "sessions.ended.all", Count: ended})
	}
	v.Audit().Name("session.end")
	id := v.fields.Text("id")
	open, err := f.Core.Admin.SessionsOf(v.Context(), v.user)
	if err != nil {
		return dialect.Reply{}, err
	}
	// Another person's session is not there, as one that never was.
	if !slices.ContainsFunc(open, func(s admin.UserSession) bool { return s.ID == id }) {
		return dialect.Reply{}, oauth.Refuse(oauth.NotFound, "")
	}
	if err := f.Core.Admin.EndSession(v.Context(), v.Org.ID, id); err != nil {
		return dialect.Reply{}, err
	}
	if id == v.session.ID {
		v.cookies = append(v.cookies, sessionCookie(v, "", -1))
		return v.see(v.Site + "/logout"), nil
	}
	return f.done(v, "sessions", message{Key: "sessions.ended"})
}

// clients lists what has access to an account, by the person's own word or because
// an administrator vouches for it.
func (f *Face) clients(v *visit) (dialect.Reply, error) {
	allowed, err := f.Core.Admin.Consents(v.Context(), v.user)
	if err != nil {
		return dialect.Reply{}, err
	}
	live, err := f.Core.Admin.GrantsInBrowser(v.Context(), v.user)
	if err != nil {
		return dialect.Reply{}, err
	}
	x := page.Clients{Note: f.note(v)}
	for _, c := range allowed {
		line := page.ClientLine{ID: c.Client, Name: f.nameOf(v.Org.ID, c.Client), Since: time.Unix(c.Created, 0), Tokens: live[c.Client]}
		for _, value := range c.Scope {
			line.Scopes = append(line.Scopes, describe(v.Org, value))
		}
		x.List = append(x.List, line)
	}
	return f.present(v, x)
}

// confirmRemoval says what ends when a client's access is removed.
func (f *Face) confirmRemoval(v *visit) (dialect.Reply, error) {
	q, err := v.Query()
	if err != nil {
		return dialect.Reply{}, err
	}
	id := q.Text("client")
	allowed, err := f.Core.Admin.Consents(v.Context(), v.user)
	if err != nil {
		return dialect.Reply{}, err
	}
	if !slices.ContainsFunc(allowed, func(c admin.Consent) bool { return c.Client == id }) {
		return dialect.Reply{}, oauth.Refuse(oauth.NotFound, "")
	}
	live, err := f.Core.Admin.GrantsInBrowser(v.Context(), v.user)
	if err != nil {
		return dialect.Reply{}, err
	}
	return f.present(v, page.Confirm{
		Key: "client", Args: []any{f.nameOf(v.Org.ID, id), live[id]}, Action: places["clients"] + "/remove",
		Fields: []page.Choice{{Value: "client", Label: id}}, Cancel: places["clients"], Danger: true,
	})
}

// removeClient takes back what a client was allowed; all its tokens for this person
// end with it.
func (f *Face) removeClient(v *visit) (dialect.Reply, error) {
	v.Audit().Name("consent.remove")
	id := v.fields.Text("client")
	if id == "" {
		return dialect.Reply{}, oauth.Missing("client")
	}
	if err := f.Core.Admin.RemoveConsent(v.Context(), v.user, id); err != nil {
		return dialect.Reply{}, err
	}
	return f.done(v, "clients", message{Key: "clients.removed", Name: f.nameOf(v.Org.ID, id)})
}

// Sizes of the list of what happened.
const (
	activityLines = 50
	activityReads = 10 // of the store, for one page
)

// events are the pages' words for what a record calls otherwise.
var events = map[string]string{
	"user.change": "profile.change", "user.password": "password.change", "user.add_key": "key.add", "user.remove_key": "key.remove",
}

// activity lists what happened with an account, the newest first.
func (f *Face) activity(v *visit) (dialect.Reply, error) {
	q, err := v.Query()
	if err != nil {
		return dialect.Reply{}, err
	}
	before := audit.ID(0)
	if text, ok := q.Get("before"); ok {
		if before, err = audit.ParseID(text); err != nil {
			return dialect.Reply{}, oauth.Refuse(oauth.InvalidRequest, "before is no id of an event")
		}
	}
	list, last, err := f.happened(v, before)
	if err != nil {
		return dialect.Reply{}, err
	}
	var x page.Activity
	if last != 0 {
		x.More = sitePath(v.Site) + places["activity"] + "?before=" + last.String()
	}
	for _, r := range list {
		x.List = append(x.List, f.activityLine(v, r))
	}
	return f.present(v, x)
}

func (f *Face) activityLine(v *visit, r *audit.Record) page.ActivityLine {
	event := r.Event
	if known, ok := events[event]; ok {
		event = known
	}
	line := page.ActivityLine{At: r.At, Key: "activity." + event, Addr: r.Addr, OK: r.Outcome == audit.OK || r.Outcome == audit.Challenge}
	if r.Client != "" {
		line.Client = f.nameOf(v.Org.ID, r.Client)
	}
	if !line.OK {
		line.ErrorID = r.ID.String()
	}
	return line
}

// happened reads a page of records of this person, those older than before, and gives
// the id behind which the next page begins, 0 when there is none. Records speak of
// people by name, as registered or in canonical form, so what an earlier bearer of
// the name did is left out by its time, and what a namesake in another realm did by
// the account the record's checks name.
func (f *Face) happened(v *visit, before audit.ID) (out []*audit.Record, last audit.ID, err error) {
	namesake, err := f.Core.Admin.Namesake(v.Context(), v.user)
	if err != nil {
		return nil, 0, err
	}
	for range activityReads {
		list, err := f.recorded(v, before, activityLines+1)
		if err != nil {
			return nil, 0, err
		}
		for _, r := range list[:min(len(list), activityLines)] {
			before = r.ID
			if namesake && !speaksOf(r, accountOf(v.user)) {
				continue
			}
			if out = append(out, r); len(out) == activityLines {
				return out, before, nil
			}
		}
		if len(list) <= activityLines {
			return out, 0, nil
		}
	}
	return out, before, nil
}

// speaksOf reports whether a check of the record that held names the account.
func speaksOf(r *audit.Record, account string) bool {
	return slices.ContainsFunc(r.Checks, func(c audit.Check) bool { return c.Name == "user" && c.OK && c.Got == audit.Clean(account) })
}

// recorded reads the records under either form of the name as one list, newest first.
func (f *Face) recorded(v *visit, before audit.ID, limit int) (out []*audit.Record, err error) {
	for _, name := range slices.Compact([]string{v.user.Name, v.user.Canon}) {
		list, err := f.Core.Admin.Events(v.Context(), admin.EventFilter{Org: v.Org.ID, User: audit.Clean(name), Since: v.user.Created}, before, limit)
		if err != nil {
			return nil, err
		}
		out = append(out, list...)
	}
	slices.SortFunc(out, func(a, b *audit.Record) int { return cmp.Compare(b.ID, a.ID) })
	return out[:min(len(out), limit)], nil
}
