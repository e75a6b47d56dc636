package dialect

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"jeton/internal/core"
)

func routerOf(t testing.TB) *Router {
	t.Helper()
	h := func(*Request) (Reply, error) { return Reply{Status: 200}, nil }
	first := &Dialect{Name: "first", Mount: func(m *Mux, _ *core.Core) {
		m.Handle("POST", "/token", h)
		m.Handle("GET", "/users/{id}", h)
		m.Handle("PUT", "/users/{id}", h)
	}}
	second := &Dialect{Name: "second", Voices: []string{"api"}, Owns: []string{"/second"}, Mount: func(m *Mux, _ *core.Core) {
		m.Voice("api").Handle("GET", "/second/thing/", h)
		m.Fold().Handle("POST", "/Authorization", h)
		m.Fold().Handle("GET", "/Contacts/{id}", h)
	}}
	return NewRouter(nil, first, second)
}

func TestRoutesAreFoundWithAndWithoutATrailingSlash(t *testing.T) {
	r := routerOf(t)
	for _, c := range []struct {
		method, path, pattern string
		vars                  []variable
	}{
		{"POST", "/token", "/token", nil},
		{"POST", "/token/", "/token", nil},
		{"GET", "/second/thing", "/second/thing/", nil},
		{"HEAD", "/second/thing/", "/second/thing/", nil},
		{"GET", "/users/7", "/users/{id}", []variable{{"id", "7"}}},
		{"GET", "/users/a%2Fb", "/users/{id}", []variable{{"id", "a/b"}}},
		{"PUT", "/users/7/", "/users/{id}", []variable{{"id", "7"}}},
		{"POST", "/AUTHORIZATION", "/Authorization", nil},
		{"GET", "/contacts/9", "/Contacts/{id}", []variable{{"id", "9"}}},
	} {
		f := r.find(c.method, c.path, func(x *Route) bool { return true })
		if f.route == nil || f.route.Pattern != c.pattern || !slices.Equal(f.vars, c.vars) {
			t.Errorf("%s %s: %+v", c.method, c.path, f)
		}
	}
}

func TestWhatIsNoRouteIsWordedByItsOwner(t *testing.T) {
	r := routerOf(t)
	for _, c := range []struct{ method, path, dialect, allow string }{
		{"GET", "/token", "first", "POST"},
		{"DELETE", "/users/7", "first", "GET HEAD PUT"},
		{"POST", "/second/thing", "second", "GET HEAD"},
		{"GET", "/second/other", "second", ""},
		{"GET", "/seconds", "first", ""},
		{"GET", "/nowhere", "first", ""},
		{"POST", "//token", "first", ""},
		{"POST", "/./token", "first", ""},
		{"POST", "/x/../token", "first", ""},
		{"POST", "/%2e%2e/token", "first", ""},
		{"POST", "/token%2F", "first", ""},
		{"GET", "/users/", "first", ""},
		{"GET", "/users//", "first", ""},
		{"GET", "/TOKEN", "first", ""},
		{"GET", "", "first", ""},
		{"GET", "*", "first", ""},
	} {
		f := r.find(c.method, c.path, func(*Route) bool { return true })
		if f.route != nil || f.dialect.Name != c.dialect || strings.Join(f.allow, " ") != c.allow {
			t.Errorf("%s %s: route %v, dialect %s, allow %v", c.method, c.path, f.route, f.dialect.Name, f.allow)
		}
	}
}

func TestADialectThatIsOffHasNoRoutes(t *testing.T) {
	r := routerOf(t)
	f := r.find("GET", "/second/thing", func(x *Route) bool { return x.dialect.Name != "second" })
	if f.route != nil || f.allow != nil {
		t.Errorf("%+v", f)
	}
}

func TestTwoRoutesForOneRequestAreAMistake(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	h := func(*Request) (Reply, error) { return Reply{}, nil }
	NewRouter(nil, &Dialect{Mount: func(m *Mux, _ *core.Core) {
		m.Handle("GET", "/a", h)
		m.Handle("GET", "/a/", h)
	}})
}

func FuzzRouter(f *testing.F) {
	for _, p := range []string{"/token", "/users/%2e%2e", "/users/a%2fb/", "//", "/%", "/Contacts/%00"} {
		f.Add(p)
	}
	r := routerOf(f)
	f.Fuzz(func(t *testing.T, path string) {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			got := r.find(method, path, func(*Route) bool { return true })
			if got.dialect == nil {
				t.Fatalf("%q belongs to nobody", path)
			}
			if got.route == nil {
				continue
			}
			// What a variable holds is one segment: escaping it gives a path that is found again.
			again := got.route.Pattern
			for _, v := range got.vars {
				if v.value == "" || v.value == "." || v.value == ".." {
					t.Fatalf("%q: variable %q", path, v.value)
				}
				again = strings.Replace(again, "{"+v.name+"}", url.PathEscape(v.value), 1)
			}
			if second := r.find(method, again, func(*Route) bool { return true }); second.route != got.route || !slices.Equal(second.vars, got.vars) {
				t.Fatalf("%q and %q differ", path, again)
			}
		}
	})
}
