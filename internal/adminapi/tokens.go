package adminapi

import (
	"context"
	"strconv"
	"time"

	"jeton/internal/admin"
	"jeton/internal/audit"
	"jeton/internal/dialect"
	"jeton/internal/mint"
	"jeton/internal/oauth"
)

// Family is one grant that was given: what stands behind an access token and its
// refreshes. Times are unix seconds, 0 or absent = never.
type Family struct {
	ID           string   `json:"id"`
	Organization string   `json:"organization"`
	Dialect      string   `json:"dialect"`
	Client       string   `json:"client"`
	User         string   `json:"user,omitempty"`
	Scope        []string `json:"scope,omitempty"`
	Created      int64    `json:"created"`
	Expires      int64    `json:"expires,omitempty"` // of the access token
	Idle         int64    `json:"idle,omitempty"`    // of the refresh token, unless used
	Ends         int64    `json:"ends,omitempty"`    // of everything
	Refreshes    int64    `json:"refreshes,omitempty"`
}

func viewFamily(f oauth.Family) Family {
	v := Family{
		ID: strconv.FormatInt(f.ID, 10), Organization: f.Org, Dialect: f.Dialect, Client: f.Client, Scope: f.Scope,
		Created: f.Created / 1000, Expires: f.Expires, Idle: f.Idle, Ends: f.Ends, Refreshes: f.Generation,
	}
	if f.User != 0 {
		v.User = f.Subject
	}
	return v
}

// listTokens lists the live grants of an organization that something is stored of.
func (a *api) listTokens(r *dialect.Request) (dialect.Reply, error) {
	p, err := readPage(r, "token")
	if err != nil {
		return dialect.Reply{}, err
	}
	after, err := p.number()
	if err != nil {
		return dialect.Reply{}, err
	}
	q, err := r.Query()
	if err != nil {
		return dialect.Reply{}, err
	}
	f := admin.FamilyFilter{Client: q.Text("client"), Dialect: q.Text("dialect"), Live: true}
	if text, ok := q.Get("user"); ok {
		if f.User, err = strconv.ParseInt(text, 10, 64); err != nil || f.User <= 0 {
			return dialect.Reply{}, refuse(oauth.InvalidValue, "user", "user is a user's number")
		}
	}
	list, err := a.core.Admin.Families(r.Context(), r.Org.ID, f, after, p.limit+1)
	if err != nil {
		return dialect.Reply{}, err
	}
	list, more := full(list, p.limit)
	views, last := make([]Family, len(list)), ""
	for i, x := range list {
		views[i] = viewFamily(x)
		last = views[i].ID
	}
	return reply(r, "token", views, 0, more, last), nil
}

// revokeFamily ends one grant by its number.
func (a *api) revokeFamily(r *dialect.Request) (dialect.Reply, error) {
	id, err := strconv.ParseInt(r.Var("id"), 10, 64)
	if err != nil {
		return dialect.Reply{}, oauth.Refuse(oauth.NotFound, "token not found")
	}
	return a.end(r, r.Org.ID, id)
}

// end revokes a family. One that has ended already, or is another organization's,
// is not there.
func (a *api) end(r *dialect.Request, org string, id int64) (dialect.Reply, error) {
	rec := r.Audit()
	rec.Name("token.revoke")
	rec.SetObject("token/" + strconv.FormatInt(id, 10))
	first, err := a.core.Mint.RevokeFamily(r.Context(), org, id)
	if err != nil {
		return dialect.Reply{}, err
	}
	if !first {
		return dialect.Reply{}, oauth.Refuse(oauth.NotFound, "token not found, or revoked already")
	}
	return done(), nil
}

// tokenIn reads the token of a body {"token": …}.
func tokenIn(r *dialect.Request) (string, error) {
	var in struct {
		Token string `json:"token"`
	}
	if err := read(r, &in); err != nil {
		return "", err
	}
	if in.Token == "" {
		return "", refuse(oauth.MissingParameter, "/token", "missing token")
	}
	return in.Token, nil
}

// revokeToken ends the token of the body, access or refresh, and all that came of
// the same grant.
func (a *api) revokeToken(r *dialect.Request) (dialect.Reply, error) {
	token, err := tokenIn(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	for _, org := range a.reach(r) {
		access, _, err := a.peek(r, org, token)
		if err != nil {
			return dialect.Reply{}, err
		}
		if access != nil {
			return a.endAccess(r, access)
		}
		s, _, err := a.core.Mint.Holder(quiet(r.Context()), org, token)
		if err != nil {
			return dialect.Reply{}, err
		}
		if s != nil {
			return a.endHeld(r, org, s)
		}
	}
	return dialect.Reply{}, oauth.Refuse(oauth.NotFound, "this server knows no such token")
}

func (a *api) endAccess(r *dialect.Request, access *oauth.Access) (dialect.Reply, error) {
	rec := r.Audit()
	rec.Name("token.revoke")
	rec.Org = access.Org
	rec.SetClient(access.Client)
	if access.Family != 0 {
		rec.SetObject("token/" + strconv.FormatInt(access.Family, 10))
	}
	return done(), a.core.Mint.End(r.Context(), access)
}

func (a *api) endHeld(r *dialect.Request, org string, s *mint.State) (dialect.Reply, error) {
	r.Audit().Org = org
	r.Audit().SetClient(s.Family.Client)
	return a.end(r, org, s.Family.ID)
}

// reach lists the organizations a token is looked for in: the one the request
// names, or all, the default one first. A token names its organization itself.
func (a *api) reach(r *dialect.Request) []string {
	list := []string{r.Org.ID}
	if named(r) != "" {
		return list
	}
	for _, o := range a.orgs() {
		if o.ID != r.Org.ID {
			list = append(list, o.ID)
		}
	}
	return list
}

// peek checks an access token without counting as a use, nil when it is none that
// is live; why says what is wrong with it then.
func (a *api) peek(r *dialect.Request, org, token string) (access *oauth.Access, why string, err error) {
	notes := &audit.Record{}
	access, err = a.core.Mint.Peek(audit.With(r.Context(), notes), org, token)
	if oauth.Is(err, oauth.InvalidToken) {
		for _, c := range notes.Checks {
			if !c.OK {
				why = c.Got
			}
		}
		return nil, why, nil
	}
	return access, "", err
}

// quiet is a context whose record is nobody's: what a look-up notes is not about
// the request.
func quiet(ctx context.Context) context.Context { return audit.With(ctx, &audit.Record{}) }

func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}
