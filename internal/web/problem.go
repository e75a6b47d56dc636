package web

import (
	"cmp"
	"encoding/base64"
	"net/http"
	"strings"

	"jeton/internal/client"
	"jeton/internal/dialect"
	"jeton/internal/oauth"
	"jeton/internal/page"
	"jeton/internal/wire"
)

// problems are the pages' words for refusals, and their status.
var problems = map[oauth.Code]struct {
	key    string
	status int
}{
	oauth.UnknownClient:    {"client", http.StatusBadRequest},
	oauth.BadRedirect:      {"redirect", http.StatusBadRequest},
	oauth.MissingParameter: {"link", http.StatusBadRequest},
	oauth.InvalidRequest:   {"request", http.StatusBadRequest},
	oauth.StalePage:        {"stale", http.StatusBadRequest},
	oauth.NotDue:           {"turn", http.StatusBadRequest},
	oauth.Forbidden:        {"csrf", http.StatusForbidden},
	oauth.NotFound:         {"notfound", http.StatusNotFound},
	oauth.MethodNotAllowed: {"method", http.StatusMethodNotAllowed},
	oauth.RateLimited:      {"busy", http.StatusTooManyRequests},
	oauth.Unavailable:      {"down", http.StatusServiceUnavailable},
	oauth.ServerError:      {"fault", http.StatusInternalServerError},
	oauth.AccessDenied:     {"denied", http.StatusForbidden},
	oauth.BadAssertion:     {"login", http.StatusForbidden},
}

// Problem draws a refusal: a sentence for the person, the facts for the developer
// folded away. It is told nothing a stranger must not read.
func (f *Face) Problem(r *dialect.Request, e dialect.Refusal) dialect.Reply {
	how, ok := problems[e.Code]
	if !ok {
		how.key, how.status = "request", wire.Status(e.Code)
	}
	v := &visit{Request: r}
	var cookie *http.Cookie
	// With another site's form browsers send no cookies: the name this one has must not
	// be lost for it.
	if v.browser, cookie = f.Guard.Browser(r.Request, r.Secure); cookie != nil && r.Method != http.MethodPost {
		v.cookies = append(v.cookies, cookie)
	}
	x := f.frame(v)
	x.ErrorID = e.ID
	who, id := f.asker(r)
	if client, ok := f.Core.Clients.Client(r.Org.ID, id); ok {
		x.Back = cmp.Or(client.HomeURI, f.launchPath(r, client))
	}
	p := page.Problem{Status: how.status, Key: how.key, Args: []any{who}, Retry: e.RetryAfter}
	if how.status < 500 {
		p.Facts = append(p.Facts, page.Choice{Value: "error", Label: e.Code.Word()}, page.Choice{Value: "error_description", Label: e.Description})
	}
	if id != "" {
		p.Facts = append(p.Facts, page.Choice{Value: "client_id", Label: clip(id)})
	}
	if q, err := r.Query(); err == nil && q.Has("redirect_uri") && e.Code == oauth.BadRedirect {
		p.Facts = append(p.Facts, page.Choice{Value: "redirect_uri", Label: clip(q.Text("redirect_uri"))})
	}
	reply, err := f.drawIn(v, how.status, x, p)
	if err != nil {
		f.Core.Log.Error("a page could not be drawn", "page", how.key, "error", err)
	}
	if e.Code == oauth.MethodNotAllowed {
		return reply.With("Allow", strings.Join(e.Allow, ", "))
	}
	return reply
}

// asker is the name and id of the client a request speaks of; the name is "" when
// there is none.
func (f *Face) asker(r *dialect.Request) (name, id string) {
	q, err := r.Query()
	if err == nil && r.Method == http.MethodPost {
		q, err = fields(r)
	}
	if err == nil {
		id = q.Text("client_id")
		if sealed := q.Text("r"); sealed != "" {
			id = f.Core.Authorize.Asker(r.Org.ID, sealed)
		}
	}
	if c, ok := f.Core.Clients.Client(r.Org.ID, id); ok {
		return f.nameOf(r.Org.ID, c.ID), id
	}
	return "", id
}

// clip bounds a stranger's value on a page.
func clip(s string) string {
	const most = 200
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

// logo is the organization's own picture.
func logo(o *client.Org) (dialect.Reply, error) {
	b, err := base64.StdEncoding.DecodeString(o.Brand.Logo)
	if err != nil || len(b) == 0 {
		return dialect.Reply{}, oauth.Refuse(oauth.NotFound, "")
	}
	kind := "image/svg+xml"
	if strings.HasPrefix(string(b), "\x89PNG") {
		kind = "image/png"
	}
	return dialect.Reply{Status: http.StatusOK, Body: b, ContentType: kind, Cache: "public, max-age=300"}.
		With("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox"), nil
}
