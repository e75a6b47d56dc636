package dialect

import (
	"net/http"
	"testing"

	"jeton/internal/core"
)

func TestAConditionalRouteStandsBeforeAnothersAndOnlyWhenItsConditionHolds(t *testing.T) {
	name := func(d *Dialect) string {
		if d == nil {
			return ""
		}
		return d.Name
	}
	handler := func(*Request) (Reply, error) { return Reply{Status: http.StatusOK}, nil }
	home := &Dialect{Name: "home", Mount: func(m *Mux, _ *core.Core) { m.Handle("GET", "/", handler) }}
	guest := &Dialect{Name: "guest", Mount: func(m *Mux, _ *core.Core) {
		m.When(func(r *Request) bool { return r.Bound }).Handle("GET", "/", handler)
		m.When(func(r *Request) bool { return r.Bound }).Handle("GET", "/guest/{id}", handler)
	}}
	for _, order := range [][]*Dialect{{home, guest}, {guest, home}} {
		router := NewRouter(nil, order...)
		for _, c := range []struct {
			path  string
			bound bool
			want  string // whose route, "" = none
		}{{"/", true, "guest"}, {"/", false, "home"}, {"/guest/1", true, "guest"}, {"/guest/1", false, ""}} {
			r := &Request{Bound: c.bound}
			at := router.find("GET", c.path, func(x *Route) bool { return x.When == nil || x.When(r) })
			got := ""
			if at.route != nil {
				got = name(at.dialect)
			}
			if got != c.want {
				t.Errorf("%s, bound %t, %s first: %q answers, want %q", c.path, c.bound, order[0].Name, got, c.want)
			}
		}
	}
}
