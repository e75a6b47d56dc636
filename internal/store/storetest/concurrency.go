package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"jeton/internal/audit"
	"jeton/internal/oauth"
	"jeton/internal/store"
)

func errorIs(err, target error) bool { return errors.Is(err, target) }

func concurrency(t *testing.T, open func(t *testing.T) *store.Store) {
	each(t, open, map[string]func(*testing.T, *store.Store){
		"64 workers finish, whatever they do": func(t *testing.T, s *store.Store) {
			ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
			defer cancel()
			u := putUser(t, s, "a", "ann")
			race(t, 64, func(i int) (bool, error) {
				for n := range 10 {
					if err := worker(ctx, s, u.ID, number("worker %d", i*100+n)); err != nil {
						return false, err
					}
				}
				return true, nil
			})
		},
		"an operation that is refused does not touch those it is committed with": func(t *testing.T, s *store.Store) {
			taken := putFamily(t, s, family("a"), store.Alias{Hash: hash("taken")})
			good := make([]*oauth.Family, 128)
			race(t, len(good), func(i int) (bool, error) {
				f := family("a")
				switch i % 4 {
				case 1: // refused before anything is written
					f.ID = taken.ID
					if err := s.PutFamily(t.Context(), f, nil); !s.IsExists(err) {
						return false, errors.Join(errors.New("handle taken"), err)
					}
				case 2: // refused after the family was written
					if err := s.PutFamily(t.Context(), f, []store.Alias{{Hash: hash("taken")}}); !s.IsExists(err) {
						return false, errors.Join(errors.New("alias taken"), err)
					}
				default:
					good[i] = f
					return true, s.PutFamily(audit.With(t.Context(), record("a", "token.issue")), f, nil)
				}
				return false, nil
			})
			n := 1
			for _, f := range good {
				if f == nil {
					continue
				}
				n++
				same(t, must(s.Family(t.Context(), f.ID))(t).Family, *f)
			}
			if all := must(s.ListFamilies(t.Context(), "a", store.FamilyFilter{}, 0, 1000))(t); len(all) != n {
				t.Fatalf("%d families, want %d", len(all), n)
			}
			if got := must(s.ListEvents(t.Context(), store.EventFilter{}, 0, 1000))(t); len(got) != n-1 {
				t.Fatalf("%d events, want %d", len(got), n-1)
			}
		},
		"an operation whose caller is gone does not run": func(t *testing.T, s *store.Store) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			f := family("a")
			wants(t, s.PutFamily(ctx, f, nil), context.Canceled)
			_, err := s.Family(t.Context(), f.ID)
			wants(t, err, store.ErrNotFound)
		},
		"statements are counted: one for each hot verb": func(t *testing.T, s *store.Store) {
			u := putUser(t, s, "a", "ann")
			f := family("a")
			f.User = u.ID
			ctx := func() context.Context { return audit.With(t.Context(), record("a", "token.issue")) }
			for _, step := range []struct {
				name          string
				reads, writes uint64
				run           func() error
			}{
				{"put", 0, 1, func() error { return s.PutFamily(ctx(), f, nil) }},
				{"read", 1, 0, func() error { _, err := s.Family(t.Context(), f.ID); return err }},
				{"rotate", 0, 1, func() error { _, err := s.Rotate(ctx(), successor(f, "x")); return err }},
				{"mark", 0, 1, func() error { _, err := s.Mark(t.Context(), hash("m"), 0); return err }},
				{"stateless", 1, 0, func() error {
					_, _, err := s.StatelessState(t.Context(), hash("m"), "a", u.ID, 0)
					return err
				}},
				{"event", 0, 0, func() error { return s.AppendEvents(t.Context(), []*audit.Record{record("a", "x")}) }},
			} {
				reads, writes := s.Statements()
				ok(t, step.run())
				if r, w := s.Statements(); r-reads != step.reads || w-writes != step.writes {
					t.Errorf("%s: %d reads, %d writes", step.name, r-reads, w-writes)
				}
			}
		},
		"a closed store refuses": func(t *testing.T, s *store.Store) {
			f := putFamily(t, s, family("a"))
			ok(t, s.Close())
			ok(t, s.Close())
			if err := s.PutFamily(t.Context(), family("a"), nil); !oauth.Is(err, oauth.Unavailable) {
				t.Fatalf("put: %v", err)
			}
			if _, err := s.Family(t.Context(), f.ID); !oauth.Is(err, oauth.Unavailable) {
				t.Fatalf("read: %v", err)
			}
		},
	})
}

// worker does a bit of everything a busy server does at once.
func worker(ctx context.Context, s *store.Store, user int64, name string) error {
	f := family("a")
	f.User = user
	if err := s.PutFamily(audit.With(ctx, record("a", "token.issue")), f, []store.Alias{{Hash: hash(name)}}); err != nil {
		return err
	}
	if _, _, err := s.FamilyByAlias(ctx, hash(name)); err != nil {
		return err
	}
	if _, err := s.Rotate(ctx, successor(f, name)); err != nil {
		return err
	}
	if _, err := s.Mark(ctx, hash(name), 0); err != nil {
		return err
	}
	if _, err := s.NextNumber(ctx, "n"); err != nil {
		return err
	}
	if _, err := s.Snapshot(ctx); err != nil {
		return err
	}
	if _, err := s.ListUsers(ctx, "a", store.UserFilter{}, 0, 10); err != nil {
		return err
	}
	_, err := s.RevokeFamily(ctx, "a", f.ID, 1)
	return err
}
