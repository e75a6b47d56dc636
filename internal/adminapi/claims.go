package adminapi

import (
	"encoding/json"
	"strconv"

	"jeton/internal/dialect"
	"jeton/internal/oauth"
	"jeton/internal/policy"
)

// Claims is what a client would be told of a user. ID tokens and access tokens have
// the server's own claims (iss, aud, exp …) beside these.
type Claims struct {
	Client      string          `json:"client"`
	User        string          `json:"user"`
	Scope       string          `json:"scope"`
	IDToken     json.RawMessage `json:"id_token"`
	Userinfo    json.RawMessage `json:"userinfo"`
	AccessToken json.RawMessage `json:"access_token"`
}

// previewClaims shows what a client would be told of a user with a scope; without
// one, with all it may ask for.
func (a *api) previewClaims(r *dialect.Request) (dialect.Reply, error) {
	q, err := r.Query()
	if err != nil {
		return dialect.Reply{}, err
	}
	c, err := a.core.Admin.Client(r.Org.ID, r.Var("id"))
	if err != nil {
		return dialect.Reply{}, err
	}
	id, err := strconv.ParseInt(q.Text("user"), 10, 64)
	if err != nil || id <= 0 {
		return dialect.Reply{}, refuse(oauth.InvalidValue, "user", "user is a user's number")
	}
	u, err := a.core.Admin.User(r.Context(), r.Org.ID, id)
	if err != nil {
		return dialect.Reply{}, err
	}
	scope := c.Scopes
	if text := q.Text("scope"); text != "" {
		if scope, err = oauth.ParseScope(text); err != nil {
			return dialect.Reply{}, err
		}
		if scope, err = policy.StandardScopes(c, scope); err != nil {
			return dialect.Reply{}, err
		}
	}
	for _, d := range a.Faces {
		if d.Name == c.Dialect && d.Preview != nil {
			v := Claims{Client: c.ID, User: u.Name, Scope: scope.String()}
			v.IDToken, v.Userinfo, v.AccessToken = d.Preview(c, u.Subject(), scope)
			return dialect.OK(v), nil
		}
	}
	return dialect.Reply{}, oauth.Refuse(oauth.Conflict, "clients of dialect "+c.Dialect+" have no claims to choose")
}
