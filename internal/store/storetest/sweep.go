package storetest

import (
	"testing"
	"time"

	"jeton/internal/audit"
	"jeton/internal/oauth"
	"jeton/internal/store"
)

// sweepAll sweeps until there is no more, and says what went and in how many
// calls.
func sweepAll(t *testing.T, s *store.Store, now time.Time, retention time.Duration, limit int) (removed, calls int) {
	t.Helper()
	for more := true; more; calls++ {
		n, again, err := s.Sweep(t.Context(), now, retention, limit)
		ok(t, err)
		if calls > 10000 {
			t.Fatal("sweeping does not end")
		}
		removed, more = removed+n, again
	}
	return removed, calls
}

func sweep(t *testing.T, open func(t *testing.T) *store.Store) {
	now := time.Now()
	each(t, open, map[string]func(*testing.T, *store.Store){
		"what ended goes in steps, what lives stays": func(t *testing.T, s *store.Store) {
			var live []*oauth.Family
			put := func(i int, ends int64) *oauth.Family {
				f := family("a")
				f.Ends, f.ID = ends, store.NewHandle(ends)
				return putFamily(t, s, f, store.Alias{Hash: hash(number("alias %d", i))})
			}
			for i := range 25 {
				put(i, now.Unix()-int64(i+1)*3600)
			}
			for i := range 10 {
				live = append(live, put(100+i, now.Unix()+int64(i)*60+1))
			}
			live = append(live, put(200, 0))
			removed, calls := sweepAll(t, s, now, 0, 10)
			if removed != 25 || calls < 3 {
				t.Fatalf("removed %d in %d calls", removed, calls)
			}
			left := must(s.ListFamilies(t.Context(), "a", store.FamilyFilter{}, 0, 100))(t)
			if len(left) != len(live) {
				t.Fatalf("%d families left, want %d", len(left), len(live))
			}
			_, _, err := s.FamilyByAlias(t.Context(), hash("alias 3"))
			wants(t, err, store.ErrNotFound)
			_, _, err = s.FamilyByAlias(t.Context(), hash("alias 100"))
			ok(t, err)
			if again, _ := sweepAll(t, s, now, 0, 10); again != 0 {
				t.Fatalf("a second sweep removed %d", again)
			}
			put(300, now.Unix()-7200) // behind the walk
			if again, _ := sweepAll(t, s, now, 0, 10); again != 1 {
				t.Fatalf("the next walk removed %d", again)
			}
		},
		"families without an end go when they are over": func(t *testing.T, s *store.Store) {
			old, sec := now.Add(-48*time.Hour), now.Unix()
			var kept []int64
			for name, f := range map[string]*oauth.Family{
				"live":                     {},
				"live with secret":         {Expires: old.Unix(), Secret: hash("s")},
				"just revoked":             {Revoked: now.UnixMilli()},
				"access token runs":        {Expires: sec + 9e5, Idle: old.Unix(), Secret: hash("s")},
				"- revoked long ago":       {Revoked: old.UnixMilli()},
				"- access token only":      {Expires: old.Unix()},
				"- neither can be used":    {Expires: old.Unix(), Idle: old.Unix(), Secret: hash("s")},
				"refresh token still runs": {Expires: old.Unix(), Idle: sec + 60, Secret: hash("s")},
			} {
				f.Org = "a"
				putFamily(t, s, f, store.Alias{Hash: hash(name)})
				if name[0] != '-' {
					kept = append(kept, f.ID)
				}
			}
			removed := 0
			for range 8 { // a walk that goes round does not say that there is more
				n, _, err := s.Sweep(t.Context(), now, 0, 3)
				ok(t, err)
				removed += n
			}
			left := must(s.ListFamilies(t.Context(), "a", store.FamilyFilter{}, 0, 100))(t)
			if removed != 3 || len(left) != len(kept) {
				t.Fatalf("removed %d, left %d", removed, len(left))
			}
			for _, id := range kept {
				must(s.Family(t.Context(), id))(t)
			}
			_, _, err := s.FamilyByAlias(t.Context(), hash("- revoked long ago"))
			wants(t, err, store.ErrNotFound)
		},
		"aliases that expired go though their family lives": func(t *testing.T, s *store.Store) {
			f := putFamily(t, s, family("a"), store.Alias{Hash: hash("old"), Expires: now.Unix() - 5}, store.Alias{Hash: hash("never")},
				store.Alias{Hash: hash("live"), Expires: now.Unix() + 60})
			if n, _ := sweepAll(t, s, now, 0, 2); n > 1 {
				t.Fatalf("removed %d", n)
			}
			sweepAll(t, s, now, 0, 2)
			_, _, err := s.FamilyByAlias(t.Context(), hash("old"))
			wants(t, err, store.ErrNotFound)
			for _, name := range []string{"never", "live"} {
				got, _, err := s.FamilyByAlias(t.Context(), hash(name))
				ok(t, err)
				same(t, got.Family.ID, f.ID)
			}
		},
		"marks, throttles and setup codes go when they expired": func(t *testing.T, s *store.Store) {
			for i := range 25 {
				must(s.Mark(t.Context(), hash(number("old %d", i)), now.Unix()-1))(t)
				must(s.Mark(t.Context(), hash(number("live %d", i)), now.Unix()+60))(t)
			}
			must(s.Mark(t.Context(), hash("for good"), 0))(t)
			ok(t, s.PutThrottle(t.Context(), "old", 1, now.Unix()-9e5, now.Unix()-9e5))
			ok(t, s.PutThrottle(t.Context(), "waits", 1, now.Unix()+60, now.Unix()-9e5))
			ok(t, s.PutThrottle(t.Context(), "recent", 1, 0, now.Unix()-60))
			ok(t, s.PutSetup(t.Context(), hash("old"), now.Unix()-1))
			ok(t, s.PutSetup(t.Context(), hash("live"), now.Unix()+60))
			if removed, calls := sweepAll(t, s, now, 0, 10); removed != 27 || calls < 3 {
				t.Fatalf("removed %d in %d calls", removed, calls)
			}
			for _, key := range []string{"live 3", "for good"} {
				if !must(s.Marked(t.Context(), hash(key), now.Unix()))(t) {
					t.Fatalf("%s is gone", key)
				}
			}
			_, err := s.Throttle(t.Context(), "old")
			wants(t, err, store.ErrNotFound)
			if got := must(s.LoadThrottles(t.Context(), now.Unix()))(t); len(got) != 2 {
				t.Fatalf("throttles left: %+v", got)
			}
			if !must(s.TakeSetup(t.Context(), hash("live"), now.Unix()))(t) {
				t.Fatal("the live setup code is gone")
			}
		},
		"events go after their retention, and never without one": func(t *testing.T, s *store.Store) {
			var all []*audit.Record
			for i := range 30 {
				r := record("a", "login")
				r.At = now.Add(-time.Duration(i) * 24 * time.Hour)
				r.ID = audit.NewID(r.At)
				all = append(all, r)
			}
			ok(t, s.AppendEvents(t.Context(), all))
			if removed, _ := sweepAll(t, s, now, 0, 4); removed != 0 {
				t.Fatalf("removed %d without a retention", removed)
			}
			if removed, _ := sweepAll(t, s, now, 10*24*time.Hour+time.Minute, 4); removed != 19 {
				t.Fatalf("removed %d", removed)
			}
			if got := must(s.ListEvents(t.Context(), store.EventFilter{}, 0, 0))(t); len(got) != 11 {
				t.Fatalf("left %d", len(got))
			}
		},
	})
}
