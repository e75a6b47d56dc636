package storetest

import (
	"testing"
	"time"

	"jeton/internal/store"
)

func marks(t *testing.T, open func(t *testing.T) *store.Store) {
	now := time.Now().Unix()
	each(t, open, map[string]func(*testing.T, *store.Store){
		"a mark is made once, and again after it expired": func(t *testing.T, s *store.Store) {
			for _, step := range []struct {
				key     string
				expires int64
				first   bool
			}{
				{"a", now + 60, true}, {"a", now + 60, false}, {"b", now + 60, true},
				{"old", now - 1, true}, {"old", now + 60, true}, {"old", now + 60, false},
				{"for good", 0, true}, {"for good", now + 60, false},
			} {
				if got := must(s.Mark(t.Context(), hash(step.key), step.expires))(t); got != step.first {
					t.Fatalf("%+v: got %v", step, got)
				}
			}
		},
		"a mark is seen until it expires": func(t *testing.T, s *store.Store) {
			must(s.Mark(t.Context(), hash("a"), now+60))(t)
			must(s.Deny(t.Context(), hash("good"), 0))(t)
			for _, q := range []struct {
				key  string
				at   int64
				want bool
			}{{"a", now, true}, {"a", now + 59, true}, {"a", now + 60, false}, {"b", now, false}, {"good", now + 1e9, true}} {
				if got := must(s.Marked(t.Context(), hash(q.key), q.at))(t); got != q.want {
					t.Fatalf("%+v: got %v", q, got)
				}
			}
		},
		"of many who mark one key one is first": func(t *testing.T, s *store.Store) {
			for _, key := range []string{"new", "expired"} {
				if key == "expired" {
					must(s.Mark(t.Context(), hash(key), now-5))(t)
				}
				won := race(t, racers, func(int) (bool, error) { return s.Mark(t.Context(), hash(key), now+60) })
				if won != 1 {
					t.Fatalf("%s: %d were first", key, won)
				}
			}
		},
		"the state of a stateless token is its denial and its user": func(t *testing.T, s *store.Store) {
			u := putUser(t, s, "a", "ann")
			must(s.Deny(t.Context(), hash("jti"), now+60))(t)
			for name, q := range map[string]struct {
				key, org string
				user     int64
				at       int64
				denied   bool
				found    bool
			}{
				"live":               {"other", "a", u.ID, now, false, true},
				"denied":             {"jti", "a", u.ID, now, true, true},
				"denial is over":     {"jti", "a", u.ID, now + 61, false, true},
				"other organization": {"other", "b", u.ID, now, false, false},
				"no user":            {"other", "a", 0, now, false, false},
			} {
				denied, got, err := s.StatelessState(t.Context(), hash(q.key), q.org, q.user, q.at)
				ok(t, err)
				if denied != q.denied || (got != nil) != q.found {
					t.Errorf("%s: denied %v, user %v", name, denied, got)
				}
				if got != nil {
					same(t, got, standing(u))
				}
			}
		},
	})
}

func small(t *testing.T, open func(t *testing.T) *store.Store) {
	now := time.Now().Unix()
	each(t, open, map[string]func(*testing.T, *store.Store){
		"throttles are kept, replaced, loaded and forgotten": func(t *testing.T, s *store.Store) {
			_, err := s.Throttle(t.Context(), "u")
			wants(t, err, store.ErrNotFound)
			ok(t, s.PutThrottle(t.Context(), "u", 3, now+10, now))
			ok(t, s.PutThrottle(t.Context(), "u", 4, now+20, now+1))
			want := store.Throttle{Key: "u", Failures: 4, Until: now + 20, Updated: now + 1}
			same(t, must(s.Throttle(t.Context(), "u"))(t), want)
			ok(t, s.PutThrottle(t.Context(), "long ago", 1, now-9e5, now-9e5))
			ok(t, s.PutThrottle(t.Context(), "long wait", 100, now+9e5, now-9e5))
			same(t, must(s.LoadThrottles(t.Context(), now))(t),
				[]store.Throttle{{Key: "long wait", Failures: 100, Until: now + 9e5, Updated: now - 9e5}, want})
			ok(t, s.DeleteThrottle(t.Context(), "u"))
			ok(t, s.DeleteThrottle(t.Context(), "u"))
			_, err = s.Throttle(t.Context(), "u")
			wants(t, err, store.ErrNotFound)
		},
		"a setup code is taken once, while it is valid": func(t *testing.T, s *store.Store) {
			if must(s.HasSetup(t.Context()))(t) {
				t.Fatal("there is a code before one was put")
			}
			ok(t, s.PutSetup(t.Context(), hash("code"), now+60))
			ok(t, s.PutSetup(t.Context(), hash("old"), now-60))
			wants(t, s.PutSetup(t.Context(), hash("code"), now+60), store.ErrExists)
			if !must(s.HasSetup(t.Context()))(t) {
				t.Fatal("the code is not there")
			}
			if must(s.TakeSetup(t.Context(), hash("old"), now))(t) || must(s.TakeSetup(t.Context(), hash("guess"), now))(t) {
				t.Fatal("took a code that was not valid")
			}
			for code, valid := range map[string]bool{"code": true, "old": false, "guess": false} {
				if got := must(s.ValidSetup(t.Context(), hash(code), now))(t); got != valid {
					t.Fatalf("code %q: valid %v", code, got)
				}
			}
			won := race(t, racers, func(int) (bool, error) { return s.TakeSetup(t.Context(), hash("code"), now) })
			if won != 1 || must(s.HasSetup(t.Context()))(t) {
				t.Fatalf("%d took the code", won)
			}
		},
		"a value put once stays, whoever was first": func(t *testing.T, s *store.Store) {
			_, err := s.Meta(t.Context(), "n")
			wants(t, err, store.ErrNotFound)
			values := make([]string, racers)
			race(t, racers, func(i int) (_ bool, err error) {
				values[i], err = s.PutMetaOnce(t.Context(), "n", number("v%d", i))
				return false, err
			})
			now := must(s.Meta(t.Context(), "n"))(t)
			for _, v := range values {
				if v != now {
					t.Fatalf("got %q, now %q", v, now)
				}
			}
			ok(t, s.PutMeta(t.Context(), "n", "new"))
			if got := must(s.PutMetaOnce(t.Context(), "n", "x"))(t); got != "new" {
				t.Fatalf("got %q", got)
			}
		},
		"numbers of a name are given once each": func(t *testing.T, s *store.Store) {
			got := make([]bool, racers+1)
			race(t, racers, func(int) (bool, error) {
				n, err := s.NextNumber(t.Context(), "revision")
				if err == nil && n > 0 && n <= racers {
					got[n] = true
				}
				return false, err
			})
			for n := 1; n <= racers; n++ {
				if !got[n] {
					t.Fatalf("%d was not given", n)
				}
			}
			if n := must(s.NextNumber(t.Context(), "other"))(t); n != 1 {
				t.Fatalf("another name begins at %d", n)
			}
		},
	})
}
