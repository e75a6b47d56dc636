// Package dialect is the contract of a dialect: one product's way of asking for
// tokens, as a value. A dialect decodes, calls the core and words the answer; it
// never compares a secret, opens the store, reads a clock or chooses a lifetime.
// The server mounts dialects; Router and Serve are the one place that finds a
// route and writes an answer.
package dialect

import (
	"net/http"

	"jeton/internal/client"
	"jeton/internal/core"
	"jeton/internal/keys"
	"jeton/internal/mfa"
	"jeton/internal/oauth"
	"jeton/internal/policy"
)

// Dialect is one product's face. Adding one costs a folder that defines such a
// value and one line in server/dialects.go.
type Dialect struct {
	Name  string // slug, in configuration, audit records and metrics
	Title string // as people call the product

	Settings    []Setting      // options of a client
	OrgSettings []Setting      // options of an organization
	Profile     policy.Profile // how its tokens are spelled and live
	Keys        []keys.Purpose // what it signs with
	OpenAPI     []byte         // its API, for the guide
	Swagger     string         // path its OpenAPI document is served at, "" = none

	// Voices names the ways of wording this dialect has beside its first, ""; a token
	// endpoint and a product API often word the same refusal differently.
	Voices []string
	// Words turns every refusal there is into a reply with status ≥ 400. It is handed
	// nothing that a client must not read.
	Words func(Refusal) Reply
	// Owns lists path prefixes whose unknown paths this dialect words, "/api/v1/oauth".
	Owns []string
	// Objects lists the kinds of its own objects that a configuration file may hold
	// and export writes ("node"); what only this server can read is not among them.
	Objects []string
	// CheckScope refuses a scope a client of the organization cannot have, for the
	// checks of configuration; nil: any scope.
	CheckScope func(org *client.Org, scope string) error
	// Preview is what a client is told of a person, for an administrator to look at: the
	// claims of an ID token that are not the server's own, those of the userinfo endpoint
	// and those of an access token, each a JSON object; nil: the dialect has no such claims.
	Preview func(c *client.Client, s oauth.Subject, scope oauth.Scope) (id, userinfo, access []byte)
	// Mount adds the routes.
	Mount func(*Mux, *core.Core)
}

// Setting is one option, drawn by every face of administration.
type Setting struct {
	Name    string
	Kind    string // bool, int, text, texts, duration (seconds), choice
	Choices []string
	Default string
	Meaning string
}

// Reply is an answer. Body nil is an empty body, []byte is sent as it is, anything
// else is JSON in struct order.
type Reply struct {
	Status      int
	Header      http.Header
	ContentType string // "" = application/json for a JSON body, none for an empty one
	Body        any
	Newline     bool // the original ends its JSON with a line feed
	Cookies     []*http.Cookie
	// Show is something for the face for people to draw: an authorize.Answer to be
	// posted, a SignIn. The rest of the reply does not count then.
	Show any
	// Refused is the refusal an answer carries that is no error of HTTP, for the record.
	Refused *oauth.Error
	Cache   string // Cache-Control; "" = no-store
	ETag    string // with Cache: answers If-None-Match with 304
}

// OK is a 200 with body as JSON.
func OK(body any) Reply { return Reply{Status: http.StatusOK, Body: body} }

// With returns the reply with one header more.
func (r Reply) With(name, value string) Reply {
	h := r.Header.Clone()
	if h == nil {
		h = http.Header{}
	}
	h.Set(name, value)
	r.Header = h
	return r
}

// Refusal is all a dialect's words may use.
type Refusal struct {
	Code        oauth.Code
	Description string
	Param       string
	RetryAfter  int      // seconds, 0 = none
	Allow       []string // for MethodNotAllowed
	Challenge   *mfa.Challenge
	Voice       string
	Method      string
	Path        string
	ID          string // the error id; also sent as header Jeton-Error-Id
	Secure      bool
	State       string // RFC 6749 §4.1.1 state, where a dialect echoes it
}

// Handler answers one request: a reply, or an error that the dialect's Words will
// word. It never writes by itself.
type Handler func(r *Request) (Reply, error)

// Route is one method and path of a dialect.
type Route struct {
	Method  string // "" = any
	Pattern string // "/api/users/{id}"; the same with a trailing slash
	Handler Handler
	Voice   string
	Fold    bool // path letters match in any case
	// When, if not nil, says which requests the route exists for; all others do not see it.
	When    func(*Request) bool
	dialect *Dialect
}

// Mux collects the routes of one dialect.
type Mux struct {
	dialect *Dialect
	voice   string
	fold    bool
	when    func(*Request) bool
	routes  *[]*Route
}

// Handle adds a route. The pattern answers with and without a trailing slash and
// never redirects: a redirected POST loses its body in most HTTP libraries.
func (m *Mux) Handle(method, pattern string, h Handler) {
	*m.routes = append(*m.routes, &Route{method, pattern, h, m.voice, m.fold, m.when, m.dialect})
}

// Voice returns the mux for routes that word refusals in voice v.
func (m *Mux) Voice(v string) *Mux { n := *m; n.voice = v; return &n }

// When returns the mux for routes that exist only for requests that cond accepts:
// for a path that belongs to somebody else otherwise.
func (m *Mux) When(cond func(*Request) bool) *Mux { n := *m; n.when = cond; return &n }

// Fold returns the mux for routes whose path matches in any case.
func (m *Mux) Fold() *Mux { n := *m; n.fold = true; return &n }
