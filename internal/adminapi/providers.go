package adminapi

import (
	"slices"
	"strings"

	"jeton/internal/client"
	"jeton/internal/dialect"
	"jeton/internal/oauth"
)

// putProvider makes an identity provider what the body says, in the form
// configuration files have; what the body leaves out stays as it was. One that is not
// there is added.
func (a *api) putProvider(r *dialect.Request) (dialect.Reply, error) {
	patch, err := object(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	name := r.Var("name")
	if err := only(patch, map[string]string{"name": "the path says it", "metadata": "send what it says: this server follows no file names"}); err != nil {
		return dialect.Reply{}, err
	}
	at := 0
	o, err := a.core.Admin.ChangeOrg(r.Context(), r.Org.ID, "provider.change", "provider/"+name, func(o *client.Org) error {
		list, i := files(o.Providers, name)
		list[i] = merge(list[i], patch)
		w, err := a.load("organizations", map[string]any{"id": o.ID, "saml": list})
		if err != nil {
			return underProvider(err, i)
		}
		o.Providers, at = w.Orgs[0].Providers, i
		return nil
	})
	if err != nil {
		return dialect.Reply{}, err
	}
	return dialect.OK(viewProvider(o.Providers[at])), nil
}

// files are providers as configuration files have them, and where the one of that
// name is, if need be at the end.
func files(providers []client.Provider, name string) (list []map[string]any, at int) {
	for _, p := range providers {
		var certificates []any
		for _, c := range p.Certificates {
			certificates = append(certificates, map[string]any{"pem": c})
		}
		x := map[string]any{
			"name": p.Name, "number": p.Number, "entity_id": p.EntityID, "sso": p.SSO, "certificates": certificates,
			"enabled": !p.Disabled, "create": p.Create,
		}
		for key, text := range map[string]string{"title": p.Title, "sso_binding": p.SSOBinding, "realm": p.Realm} {
			if text != "" {
				x[key] = text
			}
		}
		for key, m := range map[string]map[string]string{"attributes": p.Attributes, "groups": p.Groups} {
			if len(m) > 0 {
				inner := map[string]any{}
				for k, v := range m {
					inner[k] = v
				}
				x[key] = inner
			}
		}
		list = append(list, x)
	}
	at = slices.IndexFunc(providers, func(p client.Provider) bool { return p.Name == name })
	if at < 0 {
		return append(list, map[string]any{"name": name}), len(list)
	}
	return list, at
}

// underProvider points at members of the request instead of those of the document it
// was checked in.
func underProvider(err error, i int) error {
	e := oauth.AsRefusal(err)
	if e.Code != oauth.InvalidValue {
		return err
	}
	at := strings.Split(e.Param, lines)
	for n := range at {
		at[n] = strings.TrimPrefix(at[n], "/saml/"+itoa(i))
	}
	return refuse(e.Code, strings.Join(at, lines), e.Description)
}

func (a *api) listProviders(r *dialect.Request) (dialect.Reply, error) {
	p, err := readPage(r, "provider")
	if err != nil {
		return dialect.Reply{}, err
	}
	all := []Provider{}
	for _, x := range r.Org.Providers {
		all = append(all, viewProvider(x))
	}
	slices.SortFunc(all, func(x, y Provider) int { return strings.Compare(x.Name, y.Name) })
	items, more, last := cut(all, p, func(x Provider) string { return x.Name })
	return reply(r, "provider", items, int64(len(all)), more, last), nil
}

func (a *api) deleteProvider(r *dialect.Request) (dialect.Reply, error) {
	name := r.Var("name")
	_, err := a.core.Admin.ChangeOrg(r.Context(), r.Org.ID, "provider.delete", "provider/"+name, func(o *client.Org) error {
		i := slices.IndexFunc(o.Providers, func(p client.Provider) bool { return p.Name == name })
		if i < 0 {
			return oauth.Refuse(oauth.NotFound, "identity provider not found")
		}
		o.Providers = slices.Delete(o.Providers, i, i+1)
		return nil
	})
	return done(), err
}
