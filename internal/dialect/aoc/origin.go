package aoc

import (
	"bytes"
	"net/http"
	"net/url"
	"strings"

	"jeton/internal/client"
	"jeton/internal/dialect"
)

// allowOrigin says whether the client may be spoken for by the page that calls, if
// one does: pages of a registered origin, exactly, may read the answer. Programs and
// links send no Origin; "null" is what pages of no origin of their own send, so it
// names nobody. An unknown client has no origins; who it is is judged elsewhere.
func (f face) allowOrigin(r *dialect.Request, o *client.Org, id string) bool {
	from := r.Header.Get("Origin")
	c, ok := f.core.Clients.Client(o.ID, id)
	if from == "" || !ok || c.Dialect != Name {
		return true
	}
	if from != "null" && has(c, originList, from) {
		r.AllowOrigin = from
		return true
	}
	r.Audit().Fail("origin", "one of the client's origins", from, "jeton client set "+c.ID+" settings.origins+=ORIGIN")
	return false
}

// asksFirst accepts the question a browser asks before it calls the token endpoint
// for a page (Fetch §4.8), when the page's origin is that of a client there. The
// question names no client, so the call itself is checked again, by its client.
func (f face) asksFirst(r *dialect.Request) bool {
	from := r.Header.Get("Origin")
	if r.Method != http.MethodOptions || from == "" || from == "null" {
		return false
	}
	if r.Bound {
		return f.origins(r.Org, from)
	}
	if id, named := namedOrg(r.Rest); named {
		o, ok := f.core.Clients.Org(id)
		return ok && o.Enabled(Name) && f.origins(o, from)
	}
	for _, o := range f.core.Clients.Orgs() {
		if o.Enabled(Name) && f.origins(o, from) {
			return true
		}
	}
	return false
}

// namedOrg is the organization in a path of an OAuth endpoint.
func namedOrg(path string) (id string, named bool) {
	_, rest, _ := strings.Cut(path, "/oauth2/")
	id, rest, _ = strings.Cut(rest, "/")
	return id, rest != ""
}

// origins reports whether an enabled client of the organization has this origin.
func (f face) origins(o *client.Org, from string) bool {
	for _, c := range f.core.Clients.Clients(o.ID) {
		if !c.Enabled || c.Dialect != Name || !bytes.Contains(c.Settings[originList], []byte(from)) {
			continue // the usual case decodes nothing
		}
		if has(c, originList, from) {
			return true
		}
	}
	return false
}

// preflight answers the question; never with credentials.
func (f face) preflight(r *dialect.Request) (dialect.Reply, error) {
	r.AllowOrigin = r.Header.Get("Origin")
	return dialect.Reply{Status: http.StatusNoContent}.
		With("Access-Control-Allow-Methods", "POST").
		With("Access-Control-Allow-Headers", "Authorization, Content-Type").
		With("Access-Control-Max-Age", "600"), nil
}

// originOf is the web origin of one of our own URLs (RFC 6454 §4).
func originOf(site string) string {
	u, err := url.Parse(site)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}
