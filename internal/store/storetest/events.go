package storetest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"jeton/internal/audit"
	"jeton/internal/oauth"
	"jeton/internal/store"
)

func record(org, event string) *audit.Record {
	now := time.Now().Truncate(time.Millisecond).UTC()
	return &audit.Record{
		ID: audit.NewID(now), At: now, Org: org, Event: event, Dialect: "oidc", Route: "POST /token", Addr: "192.0.2.1",
		Client: "app", User: "ann", Actor: "root", Grant: "password", Object: "x", Outcome: audit.Refused, Code: "bad_password",
		Shown: "no", Cause: "yes", Status: 400, Checks: []audit.Check{{Name: "c", OK: true, Want: "w", Got: "g", Next: "n"}},
	}
}

func sameRecord(t *testing.T, got, want *audit.Record) {
	t.Helper()
	if d := cmp.Diff(want, got, cmpopts.IgnoreUnexported(audit.Record{})); d != "" {
		t.Fatalf("-want +got\n%s", d)
	}
}

func events(t *testing.T, open func(t *testing.T) *store.Store) {
	each(t, open, map[string]func(*testing.T, *store.Store){
		"an event comes back as it was appended": func(t *testing.T, s *store.Store) {
			want := record("a", "login")
			ok(t, s.AppendEvents(t.Context(), []*audit.Record{want, nil}))
			if !want.Stored() {
				t.Fatal("the record does not know")
			}
			got := must(s.Event(t.Context(), want.ID))(t)
			sameRecord(t, got, want)
			if !got.Stored() {
				t.Fatal("a read record could be stored again")
			}
			_, err := s.Event(t.Context(), want.ID+1)
			wants(t, err, store.ErrNotFound)
		},
		"many are appended together, each once": func(t *testing.T, s *store.Store) {
			var all []*audit.Record
			for range 1000 {
				all = append(all, record("a", "login"))
			}
			ok(t, s.AppendEvents(t.Context(), all))
			ok(t, s.AppendEvents(t.Context(), all))
			if got := must(s.ListEvents(t.Context(), store.EventFilter{}, 0, 5000))(t); len(got) != len(all) {
				t.Fatalf("%d events", len(got))
			}
		},
		"an event whose id another node took keeps its content under a new one": func(t *testing.T, s *store.Store) {
			first, second := record("a", "login"), record("b", "logout")
			second.ID = first.ID
			ok(t, s.AppendEvents(t.Context(), []*audit.Record{first}))
			ok(t, s.PutFamily(audit.With(t.Context(), second), family("b"), nil))
			if first.ID == second.ID || !second.Stored() {
				t.Fatalf("ids %s and %s", first.ID, second.ID)
			}
			sameRecord(t, must(s.Event(t.Context(), first.ID))(t), first)
			sameRecord(t, must(s.Event(t.Context(), second.ID))(t), second)
		},
		"an event that was stored before an answer got lost is not stored twice": func(t *testing.T, s *store.Store) {
			first := record("a", "login")
			again := record("a", "login")
			again.ID, again.At = first.ID, first.At
			ok(t, s.AppendEvents(t.Context(), []*audit.Record{first}))
			ok(t, s.AppendEvents(t.Context(), []*audit.Record{again}))
			if got := must(s.ListEvents(t.Context(), store.EventFilter{}, 0, 0))(t); len(got) != 1 || again.ID != first.ID {
				t.Fatalf("%d events", len(got))
			}
		},
		"a change carries its record, with outcome ok unless it says otherwise": func(t *testing.T, s *store.Store) {
			for name, outcome := range map[string]audit.Outcome{"": audit.OK, "refused": audit.Refused} {
				r := &audit.Record{Event: "token.issue", Org: "a", Outcome: audit.Outcome(name)}
				ok(t, s.PutFamily(audit.With(t.Context(), r), family("a"), nil))
				if !r.Stored() || r.ID == 0 || r.At.IsZero() {
					t.Fatalf("record %+v", r)
				}
				if got := must(s.Event(t.Context(), r.ID))(t); got.Outcome != outcome || got.Event != "token.issue" {
					t.Fatalf("got %+v", got)
				}
			}
		},
		"a record is stored with the first change alone": func(t *testing.T, s *store.Store) {
			r := record("a", "token.issue")
			ctx := audit.With(t.Context(), r)
			ok(t, s.PutFamily(ctx, family("a"), nil))
			ok(t, s.PutFamily(ctx, family("a"), nil))
			if got := must(s.ListEvents(t.Context(), store.EventFilter{}, 0, 0))(t); len(got) != 1 {
				t.Fatalf("%d events", len(got))
			}
		},
		"what is refused, changes nothing or only prepares leaves the record alone": recordLeftAlone,
		"an event that cannot be written refuses its change": func(t *testing.T, s *store.Store) {
			r := record("a", "token.issue")
			r.At = time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC) // no JSON form
			f := family("a")
			if err := s.PutFamily(audit.With(t.Context(), r), f, nil); err == nil || r.Stored() {
				t.Fatalf("error %v, stored %v", err, r.Stored())
			}
			_, err := s.Family(t.Context(), f.ID)
			wants(t, err, store.ErrNotFound)
		},
		"strangers' texts cannot keep an event from being stored": func(t *testing.T, s *store.Store) {
			r := record("a", "login")
			r.User, r.Client, r.Org = "a\x00b", "\xff\xfe", "x'; DROP TABLE event; --"
			ok(t, s.AppendEvents(t.Context(), []*audit.Record{r}))
			if got := must(s.ListEvents(t.Context(), store.EventFilter{Org: r.Org}, 0, 0))(t); len(got) != 1 {
				t.Fatalf("%d events", len(got))
			}
		},
		"lists are newest first and keep to the filter": listsOfEvents,
	})
}

func recordLeftAlone(t *testing.T, s *store.Store) {
	f := putFamily(t, s, family("a"))
	u := putUser(t, s, "a", "ann")
	now := time.Now().Unix()
	for name, run := range map[string]func(r *audit.Record) error{
		"handle taken": func(r *audit.Record) error {
			wants(t, s.PutFamily(audit.With(t.Context(), r), f, nil), store.ErrExists)
			return nil
		},
		"no rotation": func(r *audit.Record) error {
			bad := successor(f, "x")
			bad.From = hash("guess")
			_, err := s.Rotate(audit.With(t.Context(), r), bad)
			wants(t, err, store.ErrNotFound)
			return nil
		},
		"nothing to revoke": func(r *audit.Record) error {
			_, err := s.RevokeFamily(audit.With(t.Context(), r), "b", f.ID, 1)
			return err
		},
		"mark": func(r *audit.Record) error {
			_, err := s.Mark(audit.With(t.Context(), r), hash("m"), now+60)
			return err
		},
		"touch":    func(r *audit.Record) error { return s.Touch(audit.With(t.Context(), r), f.ID, 1, now) },
		"throttle": func(r *audit.Record) error { return s.PutThrottle(audit.With(t.Context(), r), "k", 1, 2, 3) },
		"re-hash": func(r *audit.Record) error {
			_, err := s.SetPassword(audit.With(t.Context(), r), "a", u.ID, u.Password, "new")
			return err
		},
	} {
		r := record("a", "token.issue")
		ok(t, run(r))
		if r.Stored() {
			t.Errorf("%s: the record is stored", name)
		}
	}
	if got := must(s.ListEvents(t.Context(), store.EventFilter{}, 0, 0))(t); len(got) != 0 {
		t.Errorf("%d events", len(got))
	}
	r := record("a", "token.revoke")
	must(s.Deny(audit.With(t.Context(), r), hash("jti"), now+60))(t)
	if !r.Stored() {
		t.Error("a denial did not store its record")
	}
}

func listsOfEvents(t *testing.T, s *store.Store) {
	start := time.Now().Add(-time.Hour).Truncate(time.Second).UTC()
	var all []*audit.Record
	for i, change := range []func(*audit.Record){
		func(r *audit.Record) { r.Org = "b" },
		func(r *audit.Record) { r.Client = "other" },
		func(r *audit.Record) { r.User = "bob" },
		func(r *audit.Record) { r.Event = "logout" },
		func(r *audit.Record) { r.Outcome = audit.OK },
		func(r *audit.Record) { r.Code = string(oauth.BadCode) },
		func(r *audit.Record) { r.Dialect = "sensu" },
	} {
		r := record("a", "login")
		r.At = start.Add(time.Duration(i) * time.Second)
		r.ID = audit.NewID(r.At)
		change(r)
		all = append(all, r)
	}
	ok(t, s.AppendEvents(t.Context(), all))
	for name, test := range map[string]struct {
		filter store.EventFilter
		before audit.ID
		limit  int
		want   []int
	}{
		"all":          {want: []int{6, 5, 4, 3, 2, 1, 0}},
		"limit":        {limit: 2, want: []int{6, 5}},
		"before":       {before: all[5].ID, limit: 2, want: []int{4, 3}},
		"since":        {filter: store.EventFilter{Since: start.Unix() + 5}, want: []int{6, 5}},
		"organization": {filter: store.EventFilter{Org: "b"}, want: []int{0}},
		"client":       {filter: store.EventFilter{Client: "other"}, want: []int{1}},
		"user":         {filter: store.EventFilter{User: "bob"}, want: []int{2}},
		"event":        {filter: store.EventFilter{Event: "logout"}, want: []int{3}},
		"outcome":      {filter: store.EventFilter{Outcome: "ok"}, want: []int{4}},
		"code":         {filter: store.EventFilter{Code: "bad_code"}, want: []int{5}},
		"dialect":      {filter: store.EventFilter{Dialect: "sensu"}, want: []int{6}},
		"two at once":  {filter: store.EventFilter{Dialect: "sensu", Org: "b"}},
	} {
		got := must(s.ListEvents(t.Context(), test.filter, test.before, test.limit))(t)
		if len(got) != len(test.want) {
			t.Errorf("%s: got %d events, want %d", name, len(got), len(test.want))
			continue
		}
		for i, r := range got {
			sameRecord(t, r, all[test.want[i]])
		}
	}
}
