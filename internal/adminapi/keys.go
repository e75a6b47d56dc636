package adminapi

import (
	"net/http"
	"strconv"

	"jeton/internal/admin"
	"jeton/internal/dialect"
	"jeton/internal/jose"
	"jeton/internal/keys"
	"jeton/internal/oauth"
)

func itoa(n int) string { return strconv.Itoa(n) }

func userFilter(realm string) admin.UserFilter { return admin.UserFilter{Realm: realm} }

func (a *api) listKeys(r *dialect.Request) (dialect.Reply, error) {
	p, err := readPage(r, "key")
	if err != nil {
		return dialect.Reply{}, err
	}
	start, err := p.number()
	if err != nil {
		return dialect.Reply{}, err
	}
	all := a.core.Admin.SigningKeys(r.Org.ID)
	from := min(start, int64(len(all)))
	items, more := full(all[from:], p.limit)
	return reply[keys.Info](r, "key", items, int64(len(all)), more, strconv.FormatInt(from+int64(len(items)), 10)), nil
}

// rotateKey: the body is {"purpose": …, "alg": …}; without alg the purpose's own.
func (a *api) rotateKey(r *dialect.Request) (dialect.Reply, error) {
	var in struct {
		Purpose string   `json:"purpose"`
		Alg     jose.Alg `json:"alg"`
	}
	if err := read(r, &in); err != nil {
		return dialect.Reply{}, err
	}
	if in.Purpose == "" {
		return dialect.Reply{}, refuse(oauth.MissingParameter, "/purpose", "missing purpose")
	}
	if err := a.core.Admin.RotateKey(r.Context(), r.Org.ID, in.Purpose, in.Alg); err != nil {
		return dialect.Reply{}, err
	}
	return a.keysOf(r)
}

// retireKey: the body is {"key": kid or id, "now": false}; now means that what the
// key signed dies at once.
func (a *api) retireKey(r *dialect.Request) (dialect.Reply, error) {
	var in struct {
		Key string `json:"key"`
		Now bool   `json:"now"`
	}
	if err := read(r, &in); err != nil {
		return dialect.Reply{}, err
	}
	if in.Key == "" {
		return dialect.Reply{}, refuse(oauth.MissingParameter, "/key", "missing key")
	}
	if err := a.core.Admin.RetireKey(r.Context(), r.Org.ID, in.Key, in.Now); err != nil {
		return dialect.Reply{}, err
	}
	return a.keysOf(r)
}

// keysOf answers a change with the keys there are now.
func (a *api) keysOf(r *dialect.Request) (dialect.Reply, error) {
	return dialect.Reply{Status: http.StatusOK, Body: List[keys.Info]{Items: a.core.Admin.SigningKeys(r.Org.ID)}}, nil
}
