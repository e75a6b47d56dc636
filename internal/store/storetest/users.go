package storetest

import (
	"slices"
	"testing"

	"jeton/internal/identity"
	"jeton/internal/store"
)

func users(t *testing.T, open func(t *testing.T) *store.Store) {
	each(t, open, map[string]func(*testing.T, *store.Store){
		"a user comes back as it was put, by number, name and address": func(t *testing.T, s *store.Store) {
			want := putUser(t, s, "a", "ann")
			filled(t, want)
			if want.ID != 1 || want.Version != 1 {
				t.Fatalf("number %d, version %d", want.ID, want.Version)
			}
			same(t, must(s.User(t.Context(), "a", want.ID))(t), want)
			same(t, must(s.UserByName(t.Context(), "a", "local", "ann"))(t), want)
			same(t, must(s.UserByMail(t.Context(), "a", "ann@example.org"))(t), want)
		},
		"a user of another organization or realm is not found": func(t *testing.T, s *store.Store) {
			u := putUser(t, s, "a", "ann")
			_, err := s.User(t.Context(), "b", u.ID)
			wants(t, err, store.ErrNotFound)
			_, err = s.UserByName(t.Context(), "b", "local", "ann")
			wants(t, err, store.ErrNotFound)
			_, err = s.UserByName(t.Context(), "a", "other", "ann")
			wants(t, err, store.ErrNotFound)
			_, err = s.UserByMail(t.Context(), "b", u.Mail)
			wants(t, err, store.ErrNotFound)
			wants(t, s.DeleteUser(t.Context(), "b", u.ID), store.ErrNotFound)
			foreign := *u
			foreign.Org = "b"
			wants(t, s.UpdateUser(t.Context(), &foreign), store.ErrNotFound)
			if must(s.SetPassword(t.Context(), "b", u.ID, u.Password, "x"))(t) {
				t.Fatal("set the password of another organization's user")
			}
			same(t, must(s.User(t.Context(), "a", u.ID))(t), u)
		},
		"a name is taken once in a realm": func(t *testing.T, s *store.Store) {
			putUser(t, s, "a", "ann")
			wants(t, s.PutUser(t.Context(), user("a", "ann")), store.ErrExists)
			putUser(t, s, "b", "ann")
			other := user("a", "ann")
			other.Realm = "partners"
			ok(t, s.PutUser(t.Context(), other))
			bob := putUser(t, s, "a", "bob")
			bob.Canon = "ann"
			wants(t, s.UpdateUser(t.Context(), bob), store.ErrExists)
		},
		"of many with one name one is put": func(t *testing.T, s *store.Store) {
			won := race(t, racers, func(int) (bool, error) {
				err := s.PutUser(t.Context(), user("a", "ann"))
				if s.IsExists(err) {
					return false, nil
				}
				return true, err
			})
			if won != 1 {
				t.Fatalf("%d were put", won)
			}
		},
		"numbers are never given twice": func(t *testing.T, s *store.Store) {
			first := putUser(t, s, "a", "ann")
			ok(t, s.DeleteUser(t.Context(), "a", first.ID))
			if again := putUser(t, s, "a", "ann"); again.ID <= first.ID || again.RevokedBefore != 17 {
				t.Fatalf("number %d after %d", again.ID, first.ID)
			}
			kept := user("a", "kept")
			kept.ID = 500
			ok(t, s.PutUser(t.Context(), kept))
			if kept.ID != 500 || kept.RevokedBefore != 17 {
				t.Fatalf("got %+v", kept)
			}
			if next := putUser(t, s, "b", "next"); next.ID <= 500 {
				t.Fatalf("number %d after 500", next.ID)
			}
			taken := user("b", "taken")
			taken.ID = 500
			wants(t, s.PutUser(t.Context(), taken), store.ErrExists)
		},
		"a number that was another's ends what was issued to that one": func(t *testing.T, s *store.Store) {
			putUser(t, s, "a", "ann")
			seen := map[int64]bool{17: true}
			for range 20 { // several within one millisecond
				ok(t, s.DeleteUser(t.Context(), "a", 1))
				u := user("a", "bob")
				u.ID = 1
				ok(t, s.PutUser(t.Context(), u))
				if got := must(s.User(t.Context(), "a", 1))(t); seen[got.RevokedBefore] || got.RevokedBefore != u.RevokedBefore {
					t.Fatalf("RevokedBefore %d again", got.RevokedBefore)
				}
				seen[u.RevokedBefore] = true
			}
		},
		"an address of several users is ErrMany, none is nobody's": func(t *testing.T, s *store.Store) {
			for _, name := range []string{"ann", "bob"} {
				u := user("a", name)
				u.Mail = "team@example.org"
				ok(t, s.PutUser(t.Context(), u))
			}
			none := user("a", "none")
			none.Mail = ""
			ok(t, s.PutUser(t.Context(), none))
			_, err := s.UserByMail(t.Context(), "a", "team@example.org")
			wants(t, err, store.ErrMany)
			_, err = s.UserByMail(t.Context(), "a", "")
			wants(t, err, store.ErrNotFound)
		},
		"a change counts once for each version": func(t *testing.T, s *store.Store) {
			u := putUser(t, s, "a", "ann")
			won := race(t, racers, func(i int) (bool, error) {
				mine := *u
				mine.DisplayName = number("racer %d", i)
				err := s.UpdateUser(t.Context(), &mine)
				if s.IsChanged(err) {
					return false, nil
				}
				return mine.Version == 2, err
			})
			if got := must(s.User(t.Context(), "a", u.ID))(t); won != 1 || got.Version != 2 {
				t.Fatalf("%d won, version %d", won, got.Version)
			}
			wants(t, s.UpdateUser(t.Context(), u), store.ErrChanged)
			u.ID = 99
			wants(t, s.UpdateUser(t.Context(), u), store.ErrNotFound)
		},
		"a change changes every field": func(t *testing.T, s *store.Store) {
			u := putUser(t, s, "a", "ann")
			want := identity.User{ID: u.ID, Org: "a", Realm: "r", Name: "B", Canon: "b", Version: u.Version}
			ok(t, s.UpdateUser(t.Context(), &want))
			same(t, must(s.User(t.Context(), "a", u.ID))(t), &want)
		},
		"a password is set in place of the one that was checked": func(t *testing.T, s *store.Store) {
			u := putUser(t, s, "a", "ann")
			won := race(t, racers, func(i int) (bool, error) {
				return s.SetPassword(t.Context(), "a", u.ID, u.Password, number("new %d", i))
			})
			if got := must(s.User(t.Context(), "a", u.ID))(t); won != 1 || got.Password == u.Password || got.Version != u.Version {
				t.Fatalf("%d won, got %+v", won, got)
			}
		},
		"lists and counts keep to the organization and the filter": listsOfUsers,
	})
}

func listsOfUsers(t *testing.T, s *store.Store) {
	var ids []int64
	for _, name := range []string{"ann", "bob", "a%b", "a_b", `a\b`, "élan"} {
		u := user("a", name)
		if name == "bob" {
			u.Realm = "partners"
		}
		ok(t, s.PutUser(t.Context(), u))
		ids = append(ids, u.ID)
	}
	putUser(t, s, "b", "ann")
	for name, test := range map[string]struct {
		filter store.UserFilter
		after  int64
		limit  int
		want   []int64
	}{
		"all":          {want: ids},
		"part":         {filter: store.UserFilter{Query: "NN"}, want: ids[:1]},
		"address":      {filter: store.UserFilter{Query: "bob@exam"}, want: ids[1:2]},
		"percent":      {filter: store.UserFilter{Query: "%"}, want: ids[2:3]},
		"underscore":   {filter: store.UserFilter{Query: "_"}, want: ids[3:4]},
		"backslash":    {filter: store.UserFilter{Query: `\`}, want: ids[4:5]},
		"accent":       {filter: store.UserFilter{Query: "Éla"}, want: ids[5:]},
		"realm":        {filter: store.UserFilter{Realm: "partners"}, want: ids[1:2]},
		"realm, other": {filter: store.UserFilter{Realm: "partners", Query: "ann"}},
		"limit":        {limit: 2, want: ids[:2]},
		"after":        {after: ids[1], limit: 2, want: ids[2:4]},
	} {
		var got []int64
		for _, u := range must(s.ListUsers(t.Context(), "a", test.filter, test.after, test.limit))(t) {
			got = append(got, u.ID)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: got %v, want %v", name, got, test.want)
		}
		if test.limit == 0 {
			if n := must(s.CountUsers(t.Context(), "a", test.filter))(t); int(n) != len(test.want) {
				t.Errorf("%s: counted %d, want %d", name, n, len(test.want))
			}
		}
	}
}
