package dialect

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"jeton/internal/core"
)

// Router finds the route of a request among all mounted dialects. A path is
// compared segment by segment after unescaping each, so an escaped slash never
// becomes a separator; empty, "." and ".." segments match nothing, nor does one
// that is no text (bad UTF-8, NUL).
type Router struct {
	static   map[string][]*Route // by path without trailing slash
	folded   map[string][]*Route
	patterns map[int][]*pattern // by number of segments
	owners   []owner
	fallback *Dialect
}

type pattern struct {
	segments []string // "{name}" or text
	fold     bool
	routes   []*Route
}

type owner struct {
	prefix  string
	dialect *Dialect
}

// NewRouter mounts the dialects. The first words what belongs to nobody. Two
// routes of the same method and path are a mistake in the code, and panic.
func NewRouter(c *core.Core, dialects ...*Dialect) *Router {
	r := &Router{static: map[string][]*Route{}, folded: map[string][]*Route{}, patterns: map[int][]*pattern{}, fallback: dialects[0]}
	for _, d := range dialects {
		var routes []*Route
		d.Mount(&Mux{dialect: d, routes: &routes}, c)
		for _, route := range routes {
			r.add(route)
		}
		for _, p := range d.Owns {
			r.owners = append(r.owners, owner{p, d})
		}
	}
	slices.SortFunc(r.owners, func(a, b owner) int { return len(b.prefix) - len(a.prefix) })
	return r
}

func (r *Router) add(route *Route) {
	path := strings.TrimSuffix(route.Pattern, "/")
	if !strings.Contains(path, "{") {
		table := r.static
		if route.Fold {
			table, path = r.folded, strings.ToLower(path)
		}
		table[path] = join(table[path], route)
		return
	}
	segments := strings.Split(path[1:], "/")
	for _, p := range r.patterns[len(segments)] {
		if slices.Equal(p.segments, segments) {
			p.routes = join(p.routes, route)
			return
		}
	}
	r.patterns[len(segments)] = append(r.patterns[len(segments)], &pattern{segments, route.Fold, []*Route{route}})
}

func join(routes []*Route, add *Route) []*Route {
	for _, old := range routes {
		if old.Method == add.Method && old.When == nil && add.When == nil {
			panic("dialect: two routes for " + add.Method + " " + add.Pattern)
		}
	}
	if add.When != nil { // asked before the one that is always there
		return append([]*Route{add}, routes...)
	}
	return append(routes, add)
}

// found is the outcome of a look-up: a route, or who words its absence.
type found struct {
	route   *Route
	vars    []variable
	allow   []string // methods the path has, when the asked one is not among them
	pattern string   // of that path
	dialect *Dialect
	voice   string
}

// find looks a request up. serves says whether a route is to be considered.
func (r *Router) find(method, escaped string, serves func(*Route) bool) found {
	path := strings.TrimSuffix(escaped, "/")
	routes, vars := r.match(path, serves)
	var allow []string
	for _, route := range routes {
		if !serves(route) {
			continue
		}
		if route.Method == "" || route.Method == method || (route.Method == http.MethodGet && method == http.MethodHead) {
			return found{route: route, vars: vars, dialect: route.dialect, voice: route.Voice}
		}
		allow = append(allow, route.Method)
		if route.Method == http.MethodGet {
			allow = append(allow, http.MethodHead)
		}
	}
	if len(allow) > 0 {
		i := slices.IndexFunc(routes, serves)
		slices.Sort(allow)
		return found{allow: allow, pattern: routes[i].Pattern, dialect: routes[i].dialect, voice: routes[i].Voice}
	}
	for _, o := range r.owners {
		if rest, ok := strings.CutPrefix(escaped, o.prefix); ok && (rest == "" || rest[0] == '/' || strings.HasSuffix(o.prefix, "/")) && serves(&Route{dialect: o.dialect}) {
			voice := ""
			if len(o.dialect.Voices) > 0 {
				voice = o.dialect.Voices[0]
			}
			return found{dialect: o.dialect, voice: voice}
		}
	}
	return found{dialect: r.fallback}
}

func (r *Router) match(path string, serves func(*Route) bool) ([]*Route, []variable) {
	usable := func(routes []*Route) bool {
		return slices.ContainsFunc(routes, serves)
	}
	if !strings.Contains(path, "%") {
		if routes := r.static[path]; usable(routes) {
			return routes, nil
		}
		if len(r.folded) > 0 {
			if routes := r.folded[strings.ToLower(path)]; usable(routes) {
				return routes, nil
			}
		}
	}
	if path == "" || path[0] != '/' {
		return nil, nil
	}
	segments := strings.Split(path[1:], "/")
	for i, s := range segments {
		text, err := url.PathUnescape(s)
		if err != nil || text == "" || text == "." || text == ".." || !utf8.ValidString(text) || strings.IndexByte(text, 0) >= 0 {
			return nil, nil
		}
		segments[i] = text
	}
	for _, p := range r.patterns[len(segments)] {
		if vars, ok := p.match(segments); ok && usable(p.routes) {
			return p.routes, vars
		}
	}
	return nil, nil
}

func (p *pattern) match(segments []string) (vars []variable, ok bool) {
	for i, want := range p.segments {
		got := segments[i]
		switch {
		case want[0] == '{':
			vars = append(vars, variable{want[1 : len(want)-1], got})
		case want == got, p.fold && strings.EqualFold(want, got):
		default:
			return nil, false
		}
	}
	return vars, true
}
