package aoc

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"jeton/internal/authorize"
	"jeton/internal/client"
	"jeton/internal/core"
	"jeton/internal/dialect"
	"jeton/internal/oauth"
	"jeton/internal/wire"
)

// Paths below an organization's, in the longer of their two forms.
const (
	authorizePath = "/authorize"
	loginPath     = "/login"
)

// orgPath is where an organization's OAuth endpoints are, behind the base URL.
func orgPath(o *client.Org) string { return "/api/v1/oauth2/" + o.ID }

// asked are the parameters of the vendor's authorization requests, and those of
// PKCE; others are ignored, as they are everywhere in this dialect.
type asked struct{ wire.Params }

var askedNames = []string{
	"client_id", "redirect_uri", "response_type", "scope", "state", "code_challenge", "code_challenge_method",
}

// Text implements authorize.Params.
func (a asked) Text(name string) string {
	if !slices.Contains(askedNames, name) {
		return ""
	}
	return a.Params.Text(name)
}

// Get implements authorize.Params.
func (a asked) Get(name string) (string, bool) {
	if !slices.Contains(askedNames, name) {
		return "", false
	}
	return a.Params.Get(name)
}

// All implements authorize.Params.
func (a asked) All(name string) []string {
	if !slices.Contains(askedNames, name) {
		return nil
	}
	return a.Params.All(name)
}

// authorize is the authorization endpoint. Before client and redirect URI are
// proven nobody is sent anywhere: a browser gets a page, and a program the vendor's
// JSON.
func (f face) authorize(r *dialect.Request) (dialect.Reply, error) {
	forPerson := readsPages(r)
	if forPerson {
		r.Speak(dialect.Page)
	}
	q, err := r.Query()
	if err != nil {
		return dialect.Reply{}, err
	}
	reply, err := f.begin(r, q)
	if err == nil || forPerson {
		return reply, err
	}
	return withState(q.Text("state"), err)
}

func (f face) begin(r *dialect.Request, q wire.Params) (dialect.Reply, error) {
	id := q.Text("client_id")
	o, err := f.org(r, id, "")
	if err != nil { // an organization nobody knows has no client anybody knows
		return dialect.Reply{}, oauth.Refuse(oauth.UnknownClient, "")
	}
	if elsewhere := f.enter(r, o); elsewhere != "" {
		return dialect.See(elsewhere + orgPath(o) + authorizePath + "?" + r.URL.RawQuery), nil
	}
	if r.Header.Get("Origin") != originOf(r.Site) && !f.allowOrigin(r, o, id) {
		return dialect.Reply{}, oauth.Refuse(oauth.InvalidRequest, "the client is not registered for this origin")
	}
	r.AllowOrigin = "" // a page reads the answer of the token endpoint; this one is a person's
	request := authorize.Read(asked{q})
	request.Org, request.Dialect, request.Issuer = o, Name, r.Base+tokenPath
	return dialect.Authorize(r, f.core, request, r.Base+orgPath(o)+loginPath)
}

// readsPages reports whether who asks wants a page.
func readsPages(r *dialect.Request) bool {
	for _, part := range strings.Split(strings.Join(r.Header.Values("Accept"), ","), ",") {
		media, _, _ := strings.Cut(part, ";")
		if strings.EqualFold(strings.TrimSpace(media), "text/html") {
			return true
		}
	}
	return false
}

// withState words a refusal with the request's state in it, as the vendor does.
// What is no fault of the request stays an error.
func withState(state string, err error) (dialect.Reply, error) {
	e := oauth.AsRefusal(err)
	if status := wire.Status(e.Code); state == "" || status < 400 || status >= 500 {
		return dialect.Reply{}, err
	}
	reply := words(dialect.Refusal{Code: e.Code, Description: e.Description, Param: e.Param, State: state})
	reply.Refused = e
	return reply, nil
}

// enter makes a request one of the organization its path or its client names, so
// that its session and its pages are found. Where these are on a host of their own
// it gives the base URL there instead.
func (f face) enter(r *dialect.Request, o *client.Org) (elsewhere string) {
	if r.Org.ID == o.ID {
		return ""
	}
	host, prefix := o.Home()
	below := strings.TrimSuffix(core.Setting(o, Name, "prefix", ""), "/")
	if host != "" {
		return hostOf(r.Site, host) + below
	}
	r.Org, r.Site = o, r.Site+prefix
	r.Base = r.Site + below
	return ""
}

// hostOf is the base URL of a bound host: scheme and port are the server's own.
func hostOf(site, host string) string {
	u, err := url.Parse(site)
	if err != nil {
		return ""
	}
	if port := u.Port(); port != "" {
		host += ":" + port
	}
	return u.Scheme + "://" + host
}

// login is the vendor's address of the sign-in page, at which product detection
// ends. Without an authorization request it leads to the account.
func (f face) login(r *dialect.Request) (dialect.Reply, error) {
	if readsPages(r) {
		r.Speak(dialect.Page)
	}
	o, ok := f.core.Clients.Org(r.Var("org"))
	if !ok || !o.Enabled(Name) || (r.Bound && o.ID != r.Org.ID) {
		return dialect.Reply{}, oauth.Refuse(oauth.NotFound, "")
	}
	if elsewhere := f.enter(r, o); elsewhere != "" {
		query := r.URL.RawQuery
		if query == "" {
			query = detect(o)
		}
		return dialect.See(elsewhere + orgPath(o) + loginPath + "?" + query), nil
	}
	return dialect.Reply{Show: dialect.SignIn{}}, nil
}

// detect is the query of a sign-in page nobody was sent to by a client: detection
// wants one, whatever it says.
func detect(o *client.Org) string { return "organization=" + o.ID }

// toLogin sends a client that looks for the product to the organization's login
// page, from whose address it reads the organization.
func (f face) toLogin(r *dialect.Request) (dialect.Reply, error) {
	return dialect.Reply{Status: http.StatusFound}.With("Location", r.Base+orgPath(r.Org)+loginPath+"?"+detect(r.Org)), nil
}
