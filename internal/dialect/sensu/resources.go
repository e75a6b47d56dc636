package sensu

import (
	"errors"
	"net/http"
	"slices"
	"strconv"

	"jeton/internal/audit"
	"jeton/internal/dialect"
	"jeton/internal/identity"
	"jeton/internal/oauth"
	"jeton/internal/wire"
)

// administrators is the group whose members may change users and API keys: the
// one Sensu's default role binding gives all rights to.
const administrators = "cluster-admins"

// right is who may call an endpoint of the resource API.
type right int

const (
	forAdmins right = iota // members of administrators
	forSelf                // the user the path names, and administrators
)

// resource is one endpoint with its right.
type resource struct {
	method, pattern string
	right           right
	handle          func(face, *dialect.Request, caller) (dialect.Reply, error)
}

// resources is every endpoint of the resource API there is.
var resources = []resource{
	{"GET", "/api/core/v2/users", forAdmins, face.listUsers},
	{"POST", "/api/core/v2/users", forAdmins, face.createUser},
	{"GET", "/api/core/v2/users/{user}", forSelf, face.showUser},
	{"DELETE", "/api/core/v2/users/{user}", forAdmins, face.disableUser},
	{"PUT", "/api/core/v2/users/{user}/reinstate", forAdmins, face.reinstateUser},
	{"PUT", "/api/core/v2/users/{user}/password", forSelf, face.changePassword},
	{"PUT", "/api/core/v2/users/{user}/reset_password", forAdmins, face.resetPassword},
	{"PUT", "/api/core/v2/users/{user}/groups/{group}", forAdmins, face.addGroup},
	{"DELETE", "/api/core/v2/users/{user}/groups/{group}", forAdmins, face.removeGroup},
	{"DELETE", "/api/core/v2/users/{user}/groups", forAdmins, face.clearGroups},
	{"GET", "/api/core/v2/apikeys", forAdmins, face.listKeys},
	{"POST", "/api/core/v2/apikeys", forAdmins, face.createKey},
	{"GET", "/api/core/v2/apikeys/{name}", forAdmins, face.showKey},
	{"DELETE", "/api/core/v2/apikeys/{name}", forAdmins, face.deleteKey},
}

// caller is who calls the resource API.
type caller struct {
	user  *identity.User
	byKey bool // let in by an API key, not a session
	realm string
}

// guarded lets in whom the endpoint is for, and tells nobody else what there is.
func (f face) guarded(x resource) dialect.Handler {
	return func(r *dialect.Request) (dialect.Reply, error) {
		c, err := f.caller(r)
		if err != nil {
			return dialect.Reply{}, err
		}
		if !c.may(x.right, r.Var("user")) {
			return dialect.Reply{}, denied(r, "a member of "+administrators)
		}
		return x.handle(f, r, c)
	}
}

func (f face) caller(r *dialect.Request) (c caller, err error) {
	if c.realm, err = f.realm(r); err != nil {
		return caller{}, err
	}
	scheme, _, err := wire.Scheme(r.Header)
	switch {
	case err == nil && scheme == "bearer":
		c.user, err = f.byToken(r)
	case err == nil && scheme == "key":
		c.byKey = true
		c.user, err = f.byKey(r)
	default:
		r.Audit().Fail("credentials", "Authorization: Bearer or Key", "none that can be read", "sign in at /auth")
		return caller{}, oauth.Refuse(oauth.MissingToken, "").Because(err)
	}
	if errors.Is(err, identity.ErrNotFound) {
		return caller{}, oauth.Refuse(oauth.InvalidToken, "").Because(err)
	}
	if err != nil {
		return caller{}, err
	}
	r.Audit().SetUser(c.user.Name)
	r.Audit().Actor = audit.Clean(c.user.Name)
	return c, nil
}

func (f face) byToken(r *dialect.Request) (*identity.User, error) {
	token, _, err := wire.Bearer(r.Header)
	if err != nil {
		return nil, err
	}
	a, err := f.core.Bearer(r.Context(), r.Org.ID, Name, token)
	if err != nil {
		return nil, err
	}
	return f.core.Users.ByID(r.Context(), r.Org.ID, a.Subject.User)
}

func (c caller) administrates() bool { return slices.Contains(c.user.Groups, administrators) }

func (c caller) may(x right, named string) bool {
	return c.administrates() || (x == forSelf && c.is(named))
}

// is reports whether name is the caller's own.
func (c caller) is(name string) bool {
	canon, err := identity.Canonical(name)
	return err == nil && c.user.Realm == c.realm && canon == c.user.Canon
}

// mayChange keeps Sensu's administrators from taking over, through a password or a
// key, somebody who may do more in this server than they: nobody gives himself
// what he does not hold. A key, which programs hold, never reaches as far as its
// user.
func (c caller) mayChange(r *dialect.Request, u *identity.User) error {
	if c.byKey && (u.Admin || len(u.Roles) > 0) || u.Admin && !c.user.Admin {
		return denied(r, "an administrator of this server, signed in")
	}
	for _, role := range u.Roles {
		if !slices.Contains(c.user.Roles, role) {
			return denied(r, "a user with role "+role)
		}
	}
	return nil
}

func denied(r *dialect.Request, want string) error {
	r.Audit().Fail("right", want, "another", "see the groups of the user")
	return oauth.Refuse(oauth.Forbidden, "permission denied")
}

// maxPage is how many objects one answer lists, asked for or not.
const maxPage = 1000

// page is which part of a list a request asks for.
type page struct {
	limit int
	after int64
}

// readPage reads limit and continue. Without limit, or with 0, a page is as long
// as a page can be.
func readPage(r *dialect.Request) (page, error) {
	q, err := r.Query()
	if err != nil {
		return page{}, err
	}
	p := page{limit: maxPage}
	if s := q.Text("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 {
			return page{}, invalid("limit", "limit must be a number")
		}
		if n > 0 {
			p.limit = min(n, maxPage)
		}
	}
	if s := q.Text("continue"); s != "" {
		if p.after, err = strconv.ParseInt(s, 10, 64); err != nil || p.after < 0 {
			return page{}, invalid("continue", "continue must be what Sensu-Continue said")
		}
	}
	return p, nil
}

// list words a page: rows holds one more than the page when there is more.
func list[T, W any](p page, rows []T, word func(T) (W, error), number func(T) int64) (dialect.Reply, error) {
	more := len(rows) > p.limit
	if more {
		rows = rows[:p.limit]
	}
	out := make([]W, 0, len(rows))
	for _, row := range rows {
		w, err := word(row)
		if err != nil {
			return dialect.Reply{}, err
		}
		out = append(out, w)
	}
	reply := dialect.OK(out)
	if more {
		reply = reply.With("Sensu-Continue", strconv.FormatInt(number(rows[len(rows)-1]), 10))
	}
	return reply, nil
}

// body reads a JSON object, bare or wrapped as {"type","api_version","spec"}. What
// the content type says does not matter, as in the original: scripts often send
// none.
func body(r *dialect.Request, kind string) (wire.Object, error) {
	b, err := r.Bytes()
	if err != nil {
		return wire.Object{}, err
	}
	o, err := wire.JSON(b)
	if err != nil {
		return wire.Object{}, err
	}
	spec, ok := o.Get("spec")
	if !ok {
		return o, nil
	}
	if t, _, err := o.Text("type"); err != nil || (t != "" && t != kind) {
		return wire.Object{}, invalid("type", "type must be "+kind)
	}
	if v, _, err := o.Text("api_version"); err != nil || (v != "" && v != "core/v2") {
		return wire.Object{}, invalid("api_version", "api_version must be core/v2")
	}
	inner, ok := spec.Object()
	if !ok {
		return wire.Object{}, invalid("spec", "spec must be an object")
	}
	return inner, nil
}

func invalid(param, description string) error {
	return &oauth.Error{Code: oauth.InvalidValue, Param: param, Description: description}
}

func created() dialect.Reply { return dialect.Reply{Status: http.StatusCreated} }

func gone() dialect.Reply { return dialect.Reply{Status: http.StatusNoContent} }
