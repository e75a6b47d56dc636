package aoc

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"jeton/internal/admin"
	"jeton/internal/client"
	"jeton/internal/dialect"
	"jeton/internal/jose"
	"jeton/internal/oauth"
	"jeton/internal/wire"
)

// caller is who calls the resource API, and of which organization: everything is
// looked up inside it, so that what belongs to another is not found.
type caller struct {
	org    *client.Org
	access *oauth.Access
}

// caller checks the bearer token.
func (f face) caller(r *dialect.Request) (caller, error) {
	token, _, err := wire.Bearer(r.Header)
	if err != nil {
		return caller{}, err
	}
	o := f.tokenOrg(r, token)
	a, err := f.core.Bearer(r.Context(), o.ID, Name, token)
	if err != nil {
		return caller{}, err
	}
	if rec := r.Audit(); rec != nil {
		rec.Org, rec.Actor = o.ID, a.Subject.Name
	}
	return caller{o, a}, f.stands(r, a)
}

// stands checks that the client may still speak for the user: a token an assertion
// was given (nobody saw the person) counts no longer than the client's right to it.
func (f face) stands(r *dialect.Request, a *oauth.Access) error {
	if a.Session != "" || len(a.AMR) > 0 {
		return nil
	}
	c, ok := f.core.Clients.Client(a.Org, a.Client)
	if !ok || !c.May(oauth.GrantJWTBearer) {
		r.Audit().Fail("grant", string(oauth.GrantJWTBearer), "not the client's any more", "jeton client set "+a.Client+" grants+=jwt-bearer")
		return oauth.Refuse(oauth.InvalidToken, "")
	}
	on, err := f.listed(r.Context(), c, a.Subject)
	if err == nil && !on {
		r.Audit().Fail("listed", "a user listed for the client", a.Subject.Name, "list the user for client "+c.ID)
		err = oauth.Refuse(oauth.InvalidToken, "")
	}
	return err
}

// tokenOrg is the organization a token is to be checked in: the one the host or
// prefix is bound to, else the one the token says. That is no proof: the check finds
// out whether that organization signed it.
func (f face) tokenOrg(r *dialect.Request, token string) *client.Org {
	if r.Bound {
		return r.Org
	}
	t, err := jose.Parse(token)
	if err != nil {
		return r.Org
	}
	text, _ := t.Claims.Text("organization_id")
	n, _ := strconv.ParseInt(text, 10, 64)
	if o, ok := f.core.Clients.OrgByNumber(n); ok && o.Enabled(Name) {
		return o
	}
	return r.Org
}

// needs checks that the token has one of these scopes.
func (c caller) needs(r *dialect.Request, scopes ...string) error {
	if slices.ContainsFunc(scopes, c.access.Scope.Has) {
		return nil
	}
	r.Audit().Fail("scope", strings.Join(scopes, " or "), c.access.Scope.String(), "ask for a token with scope "+scopes[0])
	return oauth.Refuse(oauth.InsufficientScope, "")
}

// wide are the scopes that reach beyond the caller's own profile.
var wide = []string{scopeUser, scopeAdmin, scopeAdminUser, scopeBoth}

// manager is the caller of what only an administrator with admin:all may do.
func (f face) manager(r *dialect.Request) (caller, error) {
	c, err := f.caller(r)
	if err != nil {
		return caller{}, err
	}
	if err := c.needs(r, scopeAdmin); err != nil {
		return caller{}, err
	}
	if !c.access.Subject.Admin { // was one when the token was made
		r.Audit().Fail("administrator", "an administrator of the organization", c.access.Subject.Name, "jeton user set "+c.access.Subject.Name+" admin=true")
		return caller{}, oauth.Refuse(oauth.Forbidden, "")
	}
	return c, nil
}

// manages reports whether the caller may deal with other users.
func (c caller) manages() bool { return c.access.Subject.Admin && isAdmin(c.access.Scope) }

// Bounds of lists.
const (
	defaultPage = 100
	maxPage     = 1000
	maxPages    = 1 << 20
	batch       = 1000 // objects read at a time
)

// page is which part of a list was asked for.
type page struct {
	query     string // part of the name or address, lower case
	from, end int    // positions in the whole list
}

func (p page) size() int { return p.end - p.from }

// paging reads q, page and per_page.
func paging(q wire.Params) (page, error) {
	size, err := count(q, "per_page", defaultPage, maxPage)
	if err != nil {
		return page{}, err
	}
	n, err := count(q, "page", 1, maxPages)
	if err != nil {
		return page{}, err
	}
	return page{query: strings.ToLower(q.Text("q")), from: (n - 1) * size, end: n * size}, nil
}

func count(q wire.Params, name string, otherwise, most int) (int, error) {
	text, ok := q.Get(name)
	if !ok {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, invalid(name, "must be a number from 1 to "+strconv.Itoa(most))
	}
	return n, nil
}

// cut takes the page out of a whole list.
func cut[T any](p page, all []T) []T {
	from, end := min(p.from, len(all)), min(p.end, len(all))
	return all[from:end]
}

// listing answers with an array, never null, and how many there are in all.
func listing[T any](items []T, total int) dialect.Reply {
	if items == nil {
		items = []T{}
	}
	return dialect.OK(items).With("X-Total-Count", strconv.Itoa(total))
}

func invalid(param, what string) error {
	return &oauth.Error{Code: oauth.InvalidValue, Param: param, Description: param + " " + what}
}

// maxNamed is how many unknown members a refusal names.
const maxNamed = 10

// members reads a JSON body that may have these members and no others.
func members(r *dialect.Request, permitted ...string) (body, error) {
	o, err := r.JSON()
	if err != nil {
		return body{}, err
	}
	var unknown []string
	for _, name := range o.Names() {
		if !slices.Contains(permitted, name) && len(unknown) < maxNamed {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		return body{}, &oauth.Error{Code: oauth.UnknownParameter, Param: strings.Join(unknown, ","), Description: "found unpermitted parameters"}
	}
	return body{o}, nil
}

// body is a decoded request; a member of the wrong type is an invalid value.
type body struct{ object wire.Object }

func (b body) has(name string) bool { return b.object.Has(name) }

func (b body) null(name string) bool {
	v, _ := b.object.Get(name)
	return v.IsNull()
}

func (b body) text(name string) (string, error) {
	v, _ := b.object.Get(name)
	s, ok := v.Text()
	if !ok || strings.ContainsRune(s, 0) {
		return "", invalid(name, "must be a string")
	}
	return s, nil
}

// line is a text of one line with 1 to most characters.
func (b body) line(name string, most int) (string, error) {
	s, err := b.text(name)
	if err != nil {
		return "", err
	}
	if s = strings.TrimSpace(s); s == "" {
		return "", oauth.Missing(name)
	}
	if utf8.RuneCountInString(s) > most || strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7f }) {
		return "", invalid(name, "must be one line of at most "+strconv.Itoa(most)+" characters")
	}
	return s, nil
}

func (b body) flag(name string) (bool, error) {
	v, _ := b.object.Get(name)
	set, ok := v.Bool()
	if !ok {
		return false, invalid(name, "must be true or false")
	}
	return set, nil
}

func (b body) number(name string) (int64, error) {
	v, _ := b.object.Get(name)
	n, ok := v.Int()
	if s, text := v.Text(); text { // ids are texts elsewhere in this API
		parsed, err := strconv.ParseInt(s, 10, 64)
		n, ok = parsed, err == nil
	}
	if !ok || n < 1 {
		return 0, invalid(name, "must be a number")
	}
	return n, nil
}

func (b body) list(name string) ([]string, error) {
	texts, ok, err := b.object.Texts(name)
	if err != nil || !ok {
		return nil, invalid(name, "must be an array of strings")
	}
	return texts, nil
}

func created(object any) dialect.Reply {
	return dialect.Reply{Status: http.StatusCreated, Body: object}
}

func empty() dialect.Reply { return dialect.Reply{Status: http.StatusNoContent} }

func seconds(unix int64) string { return stamp(time.Unix(unix, 0)) }

// organizationObject is the caller's organization.
type organizationObject struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Subdomain string `json:"subdomain_name"`
}

func (f face) organization(r *dialect.Request) (dialect.Reply, error) {
	c, err := f.caller(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	if err := c.needs(r, wide...); err != nil {
		return dialect.Reply{}, err
	}
	return dialect.OK(organizationObject{number(c.org.Number), c.org.Name, c.org.ID}), nil
}

// nodeObject is what a client needs of a transfer node before it asks for a token
// for it.
type nodeObject struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	URL       string `json:"url"`
	Host      string `json:"host"`
	AccessKey string `json:"access_key"`
	Created   string `json:"created_at"`
	Updated   string `json:"updated_at"`
}

// nodeKind is under which transfer nodes are kept.
const nodeKind = Name + "/node"

func (f face) showNode(r *dialect.Request) (dialect.Reply, error) {
	c, err := f.caller(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	if err := c.needs(r, wide...); err != nil {
		return dialect.Reply{}, err
	}
	d, err := f.core.Admin.Doc(r.Context(), c.org.ID, nodeKind, r.Var("id"))
	if err != nil {
		return dialect.Reply{}, err
	}
	n, err := node(d)
	if err != nil {
		return dialect.Reply{}, err
	}
	return dialect.OK(n), nil
}

func node(d *admin.Doc) (nodeObject, error) {
	var n nodeObject
	if err := json.Unmarshal(d.Body, &n); err != nil {
		return nodeObject{}, err
	}
	n.ID, n.Created, n.Updated = d.ID, seconds(d.Created), seconds(d.Updated)
	return n, nil
}
