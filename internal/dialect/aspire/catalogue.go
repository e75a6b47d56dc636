package aspire

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"jeton/internal/client"
	"jeton/internal/core"
)

// full is the scope that reaches every endpoint of the catalogue.
const full = "*"

// item stands in a catalogue line for the number of one object.
const item = "{id}"

// methods a catalogue line may name, in the order of the vendor's scope table.
var methods = []string{"GET", "POST", "PUT", "PATCH", "DELETE"}

// ErrCatalogue says that a catalogue line or a scope names what cannot be.
var ErrCatalogue = errors.New("not in the endpoint catalogue")

//go:embed catalogue.json
var catalogueText []byte

// standard is the catalogue of an organization that changes nothing in it.
var standard = func() *Catalogue {
	var lines []string
	c := &Catalogue{}
	err := json.Unmarshal(catalogueText, &lines)
	if err == nil {
		c, err = c.Extend(lines)
	}
	if err != nil {
		panic("aspire: embedded catalogue: " + err.Error()) // part of this program, not input
	}
	return c
}()

// Catalogue is the endpoints a client may be given, and with them the scopes there
// are. It is immutable; the zero value has no endpoint.
type Catalogue struct {
	endpoints map[string]endpoint // by path in lower case, without the leading slash
}

// endpoint is one line: "Attachments/NewLink GET".
type endpoint struct {
	path    string // as the catalogue spells it
	methods []string
}

// scope is what a client needs for method here. One object of a controller is
// reached with the controller's own scope.
func (e endpoint) scope(method string) string {
	return strings.TrimSuffix(e.path, "/"+item) + "." + method
}

// Extend is the catalogue with further lines, "Controller METHOD…",
// "Controller/Action METHOD…" or "Controller/{id} METHOD…". A line about an endpoint
// there is already replaces its methods; one without methods removes it.
func (c *Catalogue) Extend(lines []string) (*Catalogue, error) {
	out := &Catalogue{endpoints: maps.Clone(c.endpoints)}
	if out.endpoints == nil {
		out.endpoints = make(map[string]endpoint, len(lines))
	}
	for i, line := range lines {
		e, err := parseEndpoint(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		key := strings.ToLower(e.path)
		if old, ok := out.endpoints[key]; ok {
			e.path = old.path // one spelling, so that scopes already given keep counting
		}
		if out.endpoints[key] = e; len(e.methods) == 0 {
			delete(out.endpoints, key)
		}
	}
	return out, nil
}

func parseEndpoint(line string) (endpoint, error) {
	words := strings.Fields(line)
	if len(words) == 0 {
		return endpoint{}, fmt.Errorf("%w: an empty line", ErrCatalogue)
	}
	e := endpoint{path: words[0]}
	controller, action, two := strings.Cut(e.path, "/")
	if !isName(controller) || (two && action != item && !isName(action)) {
		return endpoint{}, fmt.Errorf("%w: %q is not Controller, Controller/Action or Controller/{id}", ErrCatalogue, e.path)
	}
	for _, m := range methods { // in one order, each once
		if slices.Contains(words[1:], m) {
			e.methods = append(e.methods, m)
		}
	}
	if len(e.methods) != len(words)-1 {
		return endpoint{}, fmt.Errorf("%w: after %s come methods, each once: %s", ErrCatalogue, e.path, strings.Join(methods, " "))
	}
	return e, nil
}

// maxName is the longest name of a controller or action in bytes.
const maxName = 100

// isName reports whether s can be a controller or action: ASCII letters, digits and
// underscores, a letter first.
func isName(s string) bool {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
		case i > 0 && ('0' <= c && c <= '9' || c == '_'):
		default:
			return false
		}
	}
	return s != "" && len(s) <= maxName
}

// list gives the endpoints in the order of their paths.
func (c *Catalogue) list() []endpoint {
	keys := slices.Sorted(maps.Keys(c.endpoints))
	out := make([]endpoint, len(keys))
	for i, k := range keys {
		out[i] = c.endpoints[k]
	}
	return out
}

// Scopes lists every scope there is, by endpoint; "*" is not among them.
func (c *Catalogue) Scopes() []string {
	var out []string
	for _, e := range c.list() {
		for _, m := range e.methods {
			if s := e.scope(m); !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
	}
	return out
}

// CheckScope refuses a scope that no endpoint has, with ErrCatalogue.
func (c *Catalogue) CheckScope(scope string) error {
	if scope == full {
		return nil
	}
	for _, e := range c.endpoints {
		for _, m := range e.methods {
			if e.scope(m) == scope {
				return nil
			}
		}
	}
	return fmt.Errorf("%w: scope %q; write Controller.METHOD, Controller/Action.METHOD or * for all", ErrCatalogue, scope)
}

// find gives the endpoint that a request reaches. The path is as it stood in the
// request line, with its leading slash; letters match in any case. Nothing else is
// forgiven: an escape, an empty or dotted segment, or a slash at the end may mean
// another endpoint to the server behind, so such a path reaches none.
func (c *Catalogue) find(method, path string) (endpoint, bool) {
	segments, ok := split(path)
	if !ok {
		return endpoint{}, false
	}
	at := func(path ...string) (endpoint, bool) {
		e, ok := c.endpoints[strings.ToLower(strings.Join(path, "/"))]
		return e, ok
	}
	var e endpoint
	switch len(segments) {
	case 1:
		e, ok = at(segments[0])
	case 2: // an action of that name, else one object of the controller
		if e, ok = at(segments...); ok {
			break
		}
		if e, ok = at(segments[0], item); !ok || !slices.Contains(e.methods, method) {
			e, ok = at(segments[0])
		}
	case 3: // one object of an action
		e, ok = at(segments[:2]...)
	}
	return e, ok && slices.Contains(e.methods, method)
}

// maxSegments is how deep an endpoint lies: controller, action, object.
const maxSegments = 3

func split(path string) ([]string, bool) {
	rest, ok := strings.CutPrefix(path, "/")
	if !ok || strings.Count(rest, "/") >= maxSegments {
		return nil, false
	}
	segments := strings.Split(rest, "/")
	for _, s := range segments {
		if s == "" || s == "." || s == ".." || !isPlain(s) {
			return nil, false
		}
	}
	return segments, true
}

// isPlain reports whether s has unreserved characters only (RFC 3986 §2.3).
func isPlain(s string) bool {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~", c) >= 0:
		default:
			return false
		}
	}
	return true
}

// For is the catalogue of an organization: the standard one with what its setting
// "catalogue" adds, or with "catalogue_only" that setting alone. A setting that
// cannot be read is an error: then nobody can say what a scope reaches.
func For(org *client.Org) (*Catalogue, error) {
	base := standard
	if core.Setting(org, Name, settingOnly, false) {
		base = &Catalogue{}
	}
	raw, ok := org.Settings[Name][settingCatalogue]
	if !ok {
		return base, nil
	}
	var lines []string
	if err := json.Unmarshal(raw, &lines); err != nil {
		return nil, fmt.Errorf("aspire: setting %s of organization %s: %w", settingCatalogue, org.ID, err)
	}
	c, err := base.Extend(lines)
	if err != nil {
		return nil, fmt.Errorf("aspire: setting %s of organization %s: %w", settingCatalogue, org.ID, err)
	}
	return c, nil
}

// checkScope is CheckScope for an organization, which may have a catalogue of its own.
func checkScope(org *client.Org, scope string) error {
	c, err := For(org)
	if err != nil {
		return err
	}
	return c.CheckScope(scope)
}

// CheckScope refuses a scope that the standard catalogue does not have. For an
// organization with a catalogue of its own, ask For(org).
func CheckScope(scope string) error { return standard.CheckScope(scope) }
