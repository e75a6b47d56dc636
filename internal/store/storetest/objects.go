package storetest

import (
	"encoding/json"
	"slices"
	"testing"

	"jeton/internal/store"
)

func doc(org, kind, id, ref string) *store.Doc {
	return &store.Doc{Org: org, Kind: kind, ID: id, Ref: ref, Body: json.RawMessage(`{"a": "é", "n": 12345678901234567890}`), Created: 1, Updated: 2}
}

func objects(t *testing.T, open func(t *testing.T) *store.Store) {
	each(t, open, map[string]func(*testing.T, *store.Store){
		"an object comes back byte for byte, by id, reference and number": func(t *testing.T, s *store.Store) {
			want := doc("a", "k", "1", "user/5")
			ok(t, s.PutDoc(t.Context(), want))
			if want.Number != 1 || want.Version != 1 {
				t.Fatalf("got %+v", want)
			}
			same(t, must(s.Doc(t.Context(), "a", "k", "1"))(t), want)
			same(t, must(s.DocByRef(t.Context(), "a", "k", "user/5"))(t), want)
			same(t, must(s.DocByNumber(t.Context(), "a", "k", 1))(t), want)
			for _, other := range [][2]string{{"b", "k"}, {"a", "l"}} {
				_, err := s.Doc(t.Context(), other[0], other[1], "1")
				wants(t, err, store.ErrNotFound)
				_, err = s.DocByRef(t.Context(), other[0], other[1], "user/5")
				wants(t, err, store.ErrNotFound)
				_, err = s.DocByNumber(t.Context(), other[0], other[1], 1)
				wants(t, err, store.ErrNotFound)
				wants(t, s.DeleteDoc(t.Context(), other[0], other[1], "1"), store.ErrNotFound)
			}
			ok(t, s.DeleteDoc(t.Context(), "a", "k", "1"))
			wants(t, s.DeleteDoc(t.Context(), "a", "k", "1"), store.ErrNotFound)
		},
		"ids and numbers are taken once, references may be shared": func(t *testing.T, s *store.Store) {
			ok(t, s.PutDoc(t.Context(), doc("a", "k", "1", "r")))
			wants(t, s.PutDoc(t.Context(), doc("a", "k", "1", "s")), store.ErrExists)
			same2 := doc("a", "k", "2", "r")
			same2.Number = 1
			wants(t, s.PutDoc(t.Context(), same2), store.ErrExists)
			ok(t, s.PutDoc(t.Context(), doc("a", "k", "3", "r")))
			_, err := s.DocByRef(t.Context(), "a", "k", "r")
			wants(t, err, store.ErrMany)
		},
		"a body that is no JSON is refused": func(t *testing.T, s *store.Store) {
			bad := doc("a", "k", "1", "")
			bad.Body = json.RawMessage(`{`)
			if err := s.PutDoc(t.Context(), bad); err == nil {
				t.Fatal("kept it")
			}
		},
		"a change counts once for each version": func(t *testing.T, s *store.Store) {
			d := doc("a", "k", "1", "r")
			ok(t, s.PutDoc(t.Context(), d))
			won := race(t, racers, func(i int) (bool, error) {
				mine := *d
				mine.Ref, mine.Body, mine.Updated = number("racer %d", i), json.RawMessage(`1`), int64(i)
				err := s.UpdateDoc(t.Context(), &mine)
				if s.IsChanged(err) {
					return false, nil
				}
				return true, err
			})
			got := must(s.Doc(t.Context(), "a", "k", "1"))(t)
			if won != 1 || got.Version != 2 || string(got.Body) != "1" || got.Ref != number("racer %d", int(got.Updated)) {
				t.Fatalf("%d won, got %+v", won, got)
			}
			wants(t, s.UpdateDoc(t.Context(), doc("b", "k", "1", "")), store.ErrNotFound)
		},
		"lists and counts keep to organization, kind and prefix": func(t *testing.T, s *store.Store) {
			for _, d := range []*store.Doc{
				doc("a", "k", "1", "user/5/x"), doc("a", "k", "2", "user/5/y"), doc("a", "k", "3", "user/50"), doc("a", "k", "4", "User/5/"),
				doc("a", "l", "5", "user/5/"), doc("b", "k", "6", "user/5/"),
			} {
				ok(t, s.PutDoc(t.Context(), d))
			}
			for _, test := range []struct {
				prefix string
				after  int64
				limit  int
				want   []string
			}{
				{"", 0, 0, []string{"1", "2", "3", "4"}}, {"user/5/", 0, 0, []string{"1", "2"}},
				{"user/5_", 0, 0, nil}, {"", 1, 2, []string{"2", "3"}},
			} {
				var got []string
				for _, d := range must(s.ListDocs(t.Context(), "a", "k", store.DocFilter{RefPrefix: test.prefix}, test.after, test.limit))(t) {
					got = append(got, d.ID)
				}
				if !slices.Equal(got, test.want) {
					t.Errorf("%+v: got %v", test, got)
				}
				n := must(s.CountDocs(t.Context(), "a", "k", store.DocFilter{RefPrefix: test.prefix}))(t)
				if test.limit == 0 && int(n) != len(test.want) {
					t.Errorf("%+v: counted %d", test, n)
				}
			}
		},
	})
}

func key(id string) *store.KeyRow {
	return &store.KeyRow{
		ID: id, Org: "a", Purpose: "access", Alg: "ES256", KID: id, State: "next", Created: 1, Signs: 2, Retires: 3, Ends: 4,
		Public: "pem", Sealed: []byte{0, 255, 7},
	}
}

func keys(t *testing.T, open func(t *testing.T) *store.Store) {
	each(t, open, map[string]func(*testing.T, *store.Store){
		"keys come back as they were put, changed and deleted": func(t *testing.T, s *store.Store) {
			one, two := key("1"), key("2")
			two.Sealed = nil
			ok(t, s.PutKey(t.Context(), one))
			ok(t, s.PutKey(t.Context(), two))
			same(t, must(s.Keys(t.Context()))(t), []store.KeyRow{*one, *two})
			one.State, one.Signs, one.Retires, one.Ends, one.Public, one.Sealed = "signs", 5, 6, 7, "new", []byte("s")
			ok(t, s.UpdateKey(t.Context(), one))
			same(t, must(s.Keys(t.Context()))(t), []store.KeyRow{*one, *two})
			ok(t, s.DeleteKey(t.Context(), "1"))
			wants(t, s.DeleteKey(t.Context(), "1"), store.ErrNotFound)
			same(t, must(s.Keys(t.Context()))(t), []store.KeyRow{*two})
		},
		"a kid is taken once for organization, purpose and algorithm": func(t *testing.T, s *store.Store) {
			ok(t, s.PutKey(t.Context(), key("1")))
			wants(t, s.PutKey(t.Context(), key("1")), store.ErrExists)
			twin := key("2")
			twin.KID = "1"
			wants(t, s.PutKey(t.Context(), twin), store.ErrExists)
			twin.Purpose = "id"
			ok(t, s.PutKey(t.Context(), twin))
			for _, id := range []string{"3", "4"} { // keys that tokens do not name
				nameless := key(id)
				nameless.KID = ""
				ok(t, s.PutKey(t.Context(), nameless))
			}
		},
		"of many nodes that rotate at once one does, and all of it": func(t *testing.T, s *store.Store) {
			old := key("old")
			ok(t, s.PutKey(t.Context(), old))
			before := must(s.Revision(t.Context()))(t)
			won := race(t, racers, func(i int) (bool, error) {
				mine := *old
				mine.State = "retired"
				err := s.ChangeKeys(t.Context(), []*store.KeyRow{key(number("new %d", i))}, []*store.KeyRow{&mine}, nil)
				if s.IsChanged(err) {
					return false, nil
				}
				return true, err
			})
			if got := must(s.Keys(t.Context()))(t); won != 1 || len(got) != 2 {
				t.Fatalf("%d won, %d keys", won, len(got))
			}
			if after := must(s.Revision(t.Context()))(t); after != before+1 {
				t.Fatalf("revision %d after %d", after, before)
			}
		},
	})
}
