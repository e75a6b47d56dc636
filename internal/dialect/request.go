package dialect

import (
	"bytes"
	"net/http"
	"strings"

	"jeton/internal/audit"
	"jeton/internal/client"
	"jeton/internal/oauth"
	"jeton/internal/wire"
)

// Request is an HTTP request and what the server found out about it.
type Request struct {
	*http.Request
	Org    *client.Org
	Base   string // external base URL of the organization, no trailing slash: scheme, host, prefix
	Site   string // external base URL of the organization's pages: Base without a dialect's own prefix
	Addr   string // address of the client, behind listed proxies the one they tell
	Secure bool   // the client came by https
	Bound  bool   // host or path prefix named the organization
	Only   string // the dialect whose path prefix was used, "" = none
	Rest   string // path without the organization's and the dialect's prefix
	// AllowOrigin is the web origin whose pages may read the answer, "*" for any, "" for
	// none; never with credentials.
	AllowOrigin string
	vars        []variable
	voice       *string
	body        []byte
	read        bool
	err         error
}

type variable struct{ name, value string }

// Var is a {name} of the route's pattern, unescaped.
func (r *Request) Var(name string) string {
	for _, v := range r.vars {
		if v.name == name {
			return v.value
		}
	}
	return ""
}

// Speak has the dialect word a refusal of this request in voice v instead of the
// route's: where an organization's setting decides the wording.
func (r *Request) Speak(v string) { r.voice = &v }

// Audit is the request's record.
func (r *Request) Audit() *audit.Record { return audit.From(r.Context()) }

// Host is the name the client asked for.
func (r *Request) Host() string { return r.Request.Host }

// Bytes reads the body once, bounded by wire.MaxBody.
func (r *Request) Bytes() ([]byte, error) {
	if !r.read {
		r.read = true
		r.body, r.err = wire.ReadBody(r.Request, wire.MaxBody)
	}
	return r.body, r.err
}

// Media is the body's media type, lower case, without parameters.
func (r *Request) Media() string { return wire.MediaType(r.Header) }

// Query reads the query's parameters.
func (r *Request) Query() (wire.Params, error) { return wire.Query(r.URL.RawQuery) }

// Form reads a form body; any other media type is refused. Query parameters never
// mix in.
func (r *Request) Form() (wire.Params, error) {
	b, err := r.Bytes()
	if err != nil {
		return wire.Params{}, err
	}
	if r.Media() != "application/x-www-form-urlencoded" {
		return wire.Params{}, oauth.Refuse(oauth.UnsupportedMedia, "send application/x-www-form-urlencoded")
	}
	return wire.Form(b)
}

// JSON reads a JSON object body; any other media type is refused.
func (r *Request) JSON() (wire.Object, error) {
	b, err := r.Bytes()
	if err != nil {
		return wire.Object{}, err
	}
	if m := r.Media(); m != "application/json" && !strings.HasSuffix(m, "+json") {
		return wire.Object{}, oauth.Refuse(oauth.UnsupportedMedia, "send application/json")
	}
	return wire.JSON(b)
}

// Empty reports whether the request has no body, or only white space.
func (r *Request) Empty() bool {
	b, err := r.Bytes()
	return err == nil && len(bytes.TrimSpace(b)) == 0
}
