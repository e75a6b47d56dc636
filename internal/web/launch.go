package web

import (
	"net/url"
	"strings"

	"jeton/internal/client"
	"jeton/internal/core"
	"jeton/internal/dialect"
	"jeton/internal/oauth"
)

// launch opens a client from here: it is asked to begin a sign-in itself (OpenID
// Connect Core §4, third-party-initiated login). The address is the client's own. Any
// site can send a browser here, so who is signed in is named to a client alone that
// may know it.
func (f *Face) launch(r *dialect.Request) (dialect.Reply, error) {
	c, ok := f.Core.Clients.Client(r.Org.ID, r.Var("client"))
	if !ok || !c.Enabled || c.InitiateURI == "" {
		return dialect.Reply{}, oauth.Refuse(oauth.NotFound, "")
	}
	q := url.Values{"iss": {issuer(r, c)}}
	_, u, err := r.Session(f.Core)
	if err != nil {
		return dialect.Reply{}, err
	}
	if u != nil {
		known := c.Own
		if !known {
			if known, err = f.Core.Authorize.Knows(r.Context(), u, c.ID); err != nil {
				return dialect.Reply{}, err
			}
		}
		if known {
			q.Set("login_hint", u.Name)
		}
	}
	sep := "?"
	if strings.Contains(c.InitiateURI, "?") {
		sep = "&"
	}
	return dialect.See(c.InitiateURI + sep + q.Encode()), nil
}

// issuer is what the client knows this server by: the organization's address and the
// prefix its dialect is bound to.
func issuer(r *dialect.Request, c *client.Client) string {
	return r.Site + strings.TrimSuffix(core.Setting(r.Org, c.Dialect, "prefix", ""), "/")
}

// launchPath is where a client is opened from here, "" when it cannot be.
func (f *Face) launchPath(r *dialect.Request, c *client.Client) string {
	if c.InitiateURI == "" {
		return ""
	}
	return sitePath(r.Site) + "/open/" + url.PathEscape(c.ID)
}
