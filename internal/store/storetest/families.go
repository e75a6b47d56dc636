package storetest

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"jeton/internal/identity"
	"jeton/internal/oauth"
	"jeton/internal/store"
)

func families(t *testing.T, open func(t *testing.T) *store.Store) {
	each(t, open, map[string]func(*testing.T, *store.Store){
		"a family comes back as it was put": func(t *testing.T, s *store.Store) {
			want := family("a")
			want.User, want.Revoked = 1, 2
			want.Session, want.Offline, want.ACR, want.Claims = "sid", true, "2", `{"id_token":{}}`
			filled(t, want)
			putFamily(t, s, want)
			got := must(s.Family(t.Context(), want.ID))(t)
			same(t, got, store.FamilyState{Family: *want})
		},
		"a family of zero values comes back as it was put": func(t *testing.T, s *store.Store) {
			want := putFamily(t, s, &oauth.Family{Org: "a"})
			if want.ID == 0 {
				t.Fatal("no handle given")
			}
			same(t, must(s.Family(t.Context(), want.ID))(t).Family, *want)
		},
		"a taken handle is ErrExists and changes nothing": func(t *testing.T, s *store.Store) {
			first := putFamily(t, s, family("a"))
			second := family("b")
			second.ID = first.ID
			wants(t, s.PutFamily(t.Context(), second, nil), store.ErrExists)
			same(t, must(s.Family(t.Context(), first.ID))(t).Family, *first)
		},
		"an unknown handle is ErrNotFound": func(t *testing.T, s *store.Store) {
			_, err := s.Family(t.Context(), 7)
			wants(t, err, store.ErrNotFound)
		},
		"a family comes with its user as of now": func(t *testing.T, s *store.Store) {
			u := putUser(t, s, "a", "ann")
			f := family("a")
			f.User = u.ID
			putFamily(t, s, f)
			same(t, must(s.Family(t.Context(), f.ID))(t).User, standing(u))

			u.Enabled = false
			ok(t, s.UpdateUser(t.Context(), u))
			same(t, must(s.Family(t.Context(), f.ID))(t).User, standing(u))

			ok(t, s.DeleteUser(t.Context(), "a", u.ID))
			if got := must(s.Family(t.Context(), f.ID))(t); got.User != nil || got.Family.User != u.ID {
				t.Fatalf("deleted user: got %+v", got)
			}
		},
		"a user of another organization does not come with a family": func(t *testing.T, s *store.Store) {
			f := family("b")
			f.User = putUser(t, s, "a", "ann").ID
			putFamily(t, s, f)
			if got := must(s.Family(t.Context(), f.ID))(t); got.User != nil {
				t.Fatalf("got user %+v", got.User)
			}
		},
		"a family is found by its alias": func(t *testing.T, s *store.Store) {
			u := putUser(t, s, "a", "ann")
			f := family("a")
			f.User = u.ID
			putFamily(t, s, f, store.Alias{Hash: hash("short"), Kind: 2, Expires: 99}, store.Alias{Hash: hash("other"), Kind: 1})
			state, alias, err := s.FamilyByAlias(t.Context(), hash("short"))
			ok(t, err)
			same(t, state, store.FamilyState{Family: *f, User: standing(u)})
			same(t, alias, store.Alias{Hash: hash("short"), Family: f.ID, Generation: 1, Kind: 2, Expires: 99})
			_, _, err = s.FamilyByAlias(t.Context(), hash("nobody"))
			wants(t, err, store.ErrNotFound)
		},
		"a taken alias is ErrExists and keeps no family": func(t *testing.T, s *store.Store) {
			first := putFamily(t, s, family("a"), store.Alias{Hash: hash("short")})
			second := family("a")
			wants(t, s.PutFamily(t.Context(), second, []store.Alias{{Hash: hash("new")}, {Hash: hash("short")}}), store.ErrExists)
			_, err := s.Family(t.Context(), second.ID)
			wants(t, err, store.ErrNotFound)
			_, _, err = s.FamilyByAlias(t.Context(), hash("new"))
			wants(t, err, store.ErrNotFound)
			state, _, err := s.FamilyByAlias(t.Context(), hash("short"))
			ok(t, err)
			same(t, state.Family, *first)
		},
		"the first revocation counts, and only of the own organization": func(t *testing.T, s *store.Store) {
			f := putFamily(t, s, family("a"))
			for _, step := range []struct {
				org  string
				at   int64
				want bool
			}{{"b", 50, false}, {"a", 100, true}, {"a", 200, false}} {
				if got := must(s.RevokeFamily(t.Context(), step.org, f.ID, step.at))(t); got != step.want {
					t.Fatalf("revoke by %s at %d: got %v", step.org, step.at, got)
				}
			}
			if got := must(s.Family(t.Context(), f.ID))(t).Family.Revoked; got != 100 {
				t.Fatalf("revoked at %d, want 100", got)
			}
		},
		"of many revocations one is the first": func(t *testing.T, s *store.Store) {
			f := putFamily(t, s, family("a"))
			won := race(t, racers, func(i int) (bool, error) { return s.RevokeFamily(t.Context(), "a", f.ID, int64(i+1)) })
			if won != 1 {
				t.Fatalf("%d were first", won)
			}
		},
		"use is noted forwards only, for the present generation of a live family": func(t *testing.T, s *store.Store) {
			f := putFamily(t, s, family("a"))
			for _, step := range []struct{ generation, at, want int64 }{
				{1, f.Used + 10, f.Used + 10}, {1, f.Used + 5, f.Used + 10}, {0, f.Used + 20, f.Used + 10}, {1, f.Used + 30, f.Used + 30},
			} {
				ok(t, s.Touch(t.Context(), f.ID, step.generation, step.at))
				if got := must(s.Family(t.Context(), f.ID))(t).Family.Used; got != step.want {
					t.Fatalf("touch %+v: used %d", step, got)
				}
			}
			must(s.RevokeFamily(t.Context(), "a", f.ID, 1))(t)
			ok(t, s.Touch(t.Context(), f.ID, 1, f.Used+40))
			if got := must(s.Family(t.Context(), f.ID))(t).Family.Used; got != f.Used+30 {
				t.Fatalf("a revoked family was touched: %d", got)
			}
		},
		"lists keep to the organization and the filter": listsOfFamilies,
	})
}

func listsOfFamilies(t *testing.T, s *store.Store) {
	now := time.Now().Unix()
	put := func(org, client, dialect string, user, ends int64) int64 {
		f := &oauth.Family{ID: store.NewHandle(ends), Org: org, Client: client, Dialect: dialect, User: user, Ends: ends}
		return putFamily(t, s, f).ID
	}
	past := put("a", "x", "d", 1, now-7200)
	justPast := put("a", "x", "d", 1, now-1)
	x1 := put("a", "x", "d", 1, now+7200)
	y2 := put("a", "y", "e", 2, now+10000)
	gone := put("a", "y", "e", 2, now+20000)
	never := put("a", "x", "e", 0, 0)
	put("b", "x", "d", 1, now+7200)
	must(s.RevokeFamily(t.Context(), "a", gone, 5))(t)

	for name, test := range map[string]struct {
		filter store.FamilyFilter
		after  int64
		limit  int
		want   []int64
	}{
		"all":     {want: []int64{past, justPast, x1, y2, gone, never}},
		"live":    {filter: store.FamilyFilter{Live: true}, want: []int64{x1, y2, never}},
		"user":    {filter: store.FamilyFilter{User: 2}, want: []int64{y2, gone}},
		"client":  {filter: store.FamilyFilter{Client: "x", Live: true}, want: []int64{x1, never}},
		"dialect": {filter: store.FamilyFilter{Dialect: "e"}, want: []int64{y2, gone, never}},
		"limit":   {limit: 2, want: []int64{past, justPast}},
		"after":   {after: x1, limit: 2, want: []int64{y2, gone}},
		"end":     {after: never},
	} {
		var got []int64
		for _, f := range must(s.ListFamilies(t.Context(), "a", test.filter, test.after, test.limit))(t) {
			got = append(got, f.ID)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: got %v, want %v", name, got, test.want)
		}
	}
}

// successor is the rotation of f from its present secret.
func successor(f *oauth.Family, to string) store.Rotation {
	now := time.Now()
	return store.Rotation{
		ID: f.ID, Org: f.Org, Client: f.Client, From: f.Secret, To: hash(to), Now: now,
		Expires: now.Unix() + 1000, Idle: now.Unix() + 4000, Used: now.Unix(),
	}
}

func rotation(t *testing.T, open func(t *testing.T) *store.Store) {
	each(t, open, map[string]func(*testing.T, *store.Store){
		"a rotation moves the family one generation on": func(t *testing.T, s *store.Store) {
			f := putFamily(t, s, family("a"))
			r := successor(f, "second")
			generation := must(s.Rotate(t.Context(), r))(t)
			want := *f
			want.Secret, want.Previous, want.Generation = r.To, f.Secret, 2
			want.Rotated, want.Idle, want.Expires, want.PrevUsed, want.Used = r.Now.UnixMilli(), r.Idle, r.Expires, f.Used, r.Used
			same(t, generation, want.Generation)
			same(t, must(s.Family(t.Context(), f.ID))(t).Family, want)
		},
		"a rotation without a successor keeps the secret and the one before": func(t *testing.T, s *store.Store) {
			f := putFamily(t, s, family("a"))
			r := successor(f, "")
			r.To = nil
			must(s.Rotate(t.Context(), r))(t)
			got := must(s.Family(t.Context(), f.ID))(t).Family
			same(t, []any{got.Secret, got.Previous, got.Generation}, []any{f.Secret, f.Previous, int64(2)})
		},
		"no rotation for anybody or anything else": noRotation,
		"a rotation drops earlier aliases of its kinds and adds its own": func(t *testing.T, s *store.Store) {
			f := putFamily(t, s, family("a"), store.Alias{Hash: hash("access"), Kind: 1}, store.Alias{Hash: hash("refresh"), Kind: 2})
			other := putFamily(t, s, family("a"), store.Alias{Hash: hash("stranger"), Kind: 2})
			r := successor(f, "second")
			r.Drop = []int64{2}
			r.Add = []store.Alias{{Hash: hash("refresh 2"), Kind: 2, Expires: 5}}
			must(s.Rotate(t.Context(), r))(t)
			_, _, err := s.FamilyByAlias(t.Context(), hash("refresh"))
			wants(t, err, store.ErrNotFound)
			for name, want := range map[string]store.Alias{
				"access":    {Hash: hash("access"), Family: f.ID, Generation: 1, Kind: 1},
				"refresh 2": {Hash: hash("refresh 2"), Family: f.ID, Generation: 2, Kind: 2, Expires: 5},
				"stranger":  {Hash: hash("stranger"), Family: other.ID, Generation: 1, Kind: 2},
			} {
				_, got, err := s.FamilyByAlias(t.Context(), hash(name))
				ok(t, err)
				same(t, got, want)
			}
		},
		"of many with one refresh secret one wins": func(t *testing.T, s *store.Store) {
			f := putFamily(t, s, family("a"))
			won := race(t, racers, func(i int) (bool, error) {
				_, err := s.Rotate(t.Context(), successor(f, number("racer %d", i)))
				if s.IsNotFound(err) {
					return false, nil
				}
				return true, err
			})
			if got := must(s.Family(t.Context(), f.ID))(t).Family; won != 1 || got.Generation != 2 {
				t.Fatalf("%d won, generation %d", won, got.Generation)
			}
		},
		"under any history one secret is live, and a dead family stays dead": liveLeaf,
	})
}

// standing is what a token depends on of a user: not the password.
func standing(u *identity.User) *identity.User {
	out := *u
	out.Password = ""
	return &out
}

func noRotation(t *testing.T, s *store.Store) {
	now := time.Now().Unix()
	for name, change := range map[string]func(*oauth.Family, *store.Rotation){
		"other handle":       func(_ *oauth.Family, r *store.Rotation) { r.ID++ },
		"other organization": func(_ *oauth.Family, r *store.Rotation) { r.Org = "b" },
		"other client":       func(_ *oauth.Family, r *store.Rotation) { r.Client = "other" },
		"other secret":       func(_ *oauth.Family, r *store.Rotation) { r.From = hash("guess") },
		"previous secret":    func(f *oauth.Family, r *store.Rotation) { r.From = f.Previous },
		"no secret":          func(_ *oauth.Family, r *store.Rotation) { r.From = nil },
		"family without one": func(f *oauth.Family, r *store.Rotation) { f.Secret, r.From = nil, nil },
		"revoked":            func(f *oauth.Family, _ *store.Rotation) { f.Revoked = 1 },
		"idle for too long":  func(f *oauth.Family, _ *store.Rotation) { f.Idle = now - 1 },
		"ended":              func(f *oauth.Family, _ *store.Rotation) { f.Ends = now - 1 },
	} {
		f := family("a")
		r := successor(f, "second")
		change(f, &r)
		putFamily(t, s, f)
		if _, err := s.Rotate(t.Context(), r); !s.IsNotFound(err) {
			t.Errorf("%s: got error %v", name, err)
		}
		same(t, must(s.Family(t.Context(), f.ID))(t).Family, *f)
	}
	f := family("a")
	f.Idle, f.Ends = 0, 0 // never ends
	putFamily(t, s, f)
	must(s.Rotate(t.Context(), successor(f, "second")))(t)
}

// liveLeaf plays random histories of one family against a model of it.
func liveLeaf(t *testing.T, s *store.Store) {
	rapid.Check(t, func(rt *rapid.T) {
		f := family("a")
		if err := s.PutFamily(t.Context(), f, nil); err != nil {
			rt.Fatal(err)
		}
		secrets, live, revoked := [][]byte{f.Secret}, 0, false
		for i := range rapid.IntRange(1, 12).Draw(rt, "steps") {
			if rapid.IntRange(0, 9).Draw(rt, "what") == 0 {
				first, err := s.RevokeFamily(t.Context(), "a", f.ID, int64(i+1))
				if err != nil || first == revoked {
					rt.Fatalf("revoke: first %v, error %v, revoked before %v", first, err, revoked)
				}
				revoked = true
				continue
			}
			from := rapid.IntRange(0, len(secrets)-1).Draw(rt, "from")
			r := successor(f, number("step %d", i))
			r.From = secrets[from]
			_, err := s.Rotate(t.Context(), r)
			if won := err == nil; won != (from == live && !revoked) {
				rt.Fatalf("rotate from %d while %d is live, revoked %v: %v", from, live, revoked, err)
			}
			if err == nil {
				secrets, live = append(secrets, r.To), len(secrets)
			}
		}
	})
}
