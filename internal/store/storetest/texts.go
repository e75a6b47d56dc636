package storetest

import (
	"testing"

	"jeton/internal/identity"
	"jeton/internal/store"
)

// odd are texts that trip careless SQL, quoting and encodings.
var odd = []string{
	`O'Neill`, `"quoted"`, "`tick`", `back\slash`, `'; DROP TABLE users; --`, `$1 ? :x @y %s`, `%_`, "línea\nnueva\ttab\r",
	"\x01\x1f\x7f", "\u202eright to left", "e\u0301 and é", "ﬁ ⅷ", "日本語", "👩‍👩‍👧", "\ufeffBOM", "\U0010ffff", " spaces ", "NULL", "\ufffd",
}

func texts(t *testing.T, open func(t *testing.T) *store.Store) {
	each(t, open, map[string]func(*testing.T, *store.Store){
		"odd texts come back as they were put": func(t *testing.T, s *store.Store) {
			for _, text := range odd {
				u := user(text, text)
				u.Realm, u.DisplayName, u.Groups = text, text, []string{text}
				ok(t, s.PutUser(t.Context(), u))
				same(t, must(s.UserByName(t.Context(), text, text, text))(t), u)
				c := newClient(text, text)
				ok(t, s.PutClient(t.Context(), c))
				d := doc(text, text, text, text)
				ok(t, s.PutDoc(t.Context(), d))
				same(t, must(s.DocByRef(t.Context(), text, text, text))(t), d)
				f := family(text)
				f.Client, f.Subject, f.Note, f.User = text, text, text, u.ID
				putFamily(t, s, f)
				same(t, must(s.Family(t.Context(), f.ID))(t), store.FamilyState{Family: *f, User: standing(u)})
				ok(t, s.PutMeta(t.Context(), text, text))
				if got := must(s.Meta(t.Context(), text))(t); got != text {
					t.Fatalf("meta %q came back as %q", text, got)
				}
			}
			if got := must(s.Snapshot(t.Context()))(t); len(got.Clients) != len(odd) {
				t.Fatalf("%d clients", len(got.Clients))
			}
		},
		"a NUL and bad UTF-8 are refused before they are stored": func(t *testing.T, s *store.Store) {
			for _, text := range []string{"a\x00b", "\xff", "\xed\xa0\x80", "\xc0\x80"} {
				f := family("a")
				f.Note = text
				for name, run := range map[string]func() error{
					"user name":  func() error { u := user("a", "n"); u.Name = text; return s.PutUser(t.Context(), u) },
					"user canon": func() error { return s.PutUser(t.Context(), user("a", text)) },
					"client":     func() error { return s.PutClient(t.Context(), newClient("a", text)) },
					"org":        func() error { return s.PutOrg(t.Context(), org(text)) },
					"object":     func() error { return s.PutDoc(t.Context(), doc("a", "k", "i", text)) },
					"family":     func() error { return s.PutFamily(t.Context(), f, nil) },
					"meta":       func() error { return s.PutMeta(t.Context(), "n", text) },
					"throttle":   func() error { return s.PutThrottle(t.Context(), text, 1, 1, 1) },
					"look-up":    func() error { _, err := s.UserByName(t.Context(), "a", "local", text); return err },
					"many at all": func() error {
						return s.Apply(t.Context(), store.Change{PutUsers: []*identity.User{user("a", "fine"), user("a", text)}})
					},
				} {
					if err := run(); !errorIs(err, store.ErrText) {
						t.Errorf("%s %q: got %v", name, text, err)
					}
				}
			}
			if n := must(s.CountUsers(t.Context(), "a", store.UserFilter{}))(t); n != 0 {
				t.Fatalf("%d users were kept", n)
			}
		},
		"a list value with a space is refused, for it would come back as two": func(t *testing.T, s *store.Store) {
			f := family("a")
			f.Audience = []string{"one two"}
			wants(t, s.PutFamily(t.Context(), f, nil), store.ErrText)
		},
	})
}
