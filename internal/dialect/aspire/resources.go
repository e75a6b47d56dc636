package aspire

import (
	"context"
	"strings"

	"jeton/internal/audit"
	"jeton/internal/client"
	"jeton/internal/core"
	"jeton/internal/dialect"
	"jeton/internal/oauth"
	"jeton/internal/wire"
)

// Check says whether a call of one of the product's endpoints is authorised, and
// counts it as a use of the token, which then lives another 24 hours. path is as it
// stood in the request line, without query and without a prefix the product does not
// know; token is what followed "Bearer ". Refusals: MissingToken, InvalidToken,
// RateLimited, and InsufficientScope for an endpoint the client has not, or nobody has.
func Check(ctx context.Context, c *core.Core, org *client.Org, method, path, token string) (*oauth.Access, error) {
	a, _, err := check(ctx, c, org, method, path, token)
	return a, err
}

func check(ctx context.Context, c *core.Core, org *client.Org, method, path, token string) (*oauth.Access, endpoint, error) {
	a, err := c.Bearer(ctx, org.ID, Name, token)
	if err != nil {
		return nil, endpoint{}, err
	}
	if err := limit(c, org, "call"); err != nil {
		return nil, endpoint{}, err
	}
	catalogue, err := For(org)
	if err != nil {
		return nil, endpoint{}, err
	}
	e, ok := catalogue.find(method, path)
	if !ok {
		audit.From(ctx).Fail("endpoint", "one of the catalogue", method+" "+path, "add it to the organization's setting aspire.catalogue")
		return nil, endpoint{}, oauth.Refuse(oauth.InsufficientScope, "")
	}
	return a, e, reaches(ctx, c, a, e.scope(method))
}

// reaches refuses a scope that the token was not given, or that its client has lost
// since: taking a scope away counts at once.
func reaches(ctx context.Context, c *core.Core, a *oauth.Access, scope string) error {
	rec := audit.From(ctx)
	now, ok := c.Clients.Client(a.Org, a.Client)
	if !ok || !has(a.Scope, scope) || !has(now.Scopes, scope) {
		rec.Fail("scope", scope, a.Scope.String(), "jeton client set "+a.Client+" scopes+="+scope+", then log in again")
		return oauth.Refuse(oauth.InsufficientScope, "")
	}
	rec.Pass("scope", scope)
	return nil
}

func has(granted oauth.Scope, scope string) bool { return granted.Has(full) || granted.Has(scope) }

// echo is what the demonstration answers in the product's place.
type echo struct {
	Endpoint string `json:"endpoint"`
	Method   string `json:"method"`
	ClientID string `json:"clientId"`
}

// mountResources adds the endpoints of the standard catalogue.
func (f face) mountResources(m *dialect.Mux) {
	done := map[string]bool{}
	for _, e := range standard.list() {
		controller, _, _ := strings.Cut(e.path, "/")
		if done[controller] {
			continue
		}
		done[controller] = true
		m.Handle("", "/"+controller, f.resource)
		m.Handle("", "/"+controller+"/{action}", f.resource)
		m.Handle("", "/"+controller+"/{action}/{id}", f.resource)
	}
}

func (f face) resource(r *dialect.Request) (dialect.Reply, error) {
	token, _, err := wire.Bearer(r.Header)
	if err != nil && !oauth.Is(err, oauth.MissingToken) {
		return dialect.Reply{}, oauth.Refuse(oauth.InvalidToken, "").Because(err)
	}
	a, e, err := check(r.Context(), f.core, r.Org, r.Method, r.Rest, token)
	if err != nil {
		return dialect.Reply{}, err
	}
	return ok(echo{Endpoint: strings.TrimSuffix(e.path, "/"+item), Method: r.Method, ClientID: a.Client}), nil
}
