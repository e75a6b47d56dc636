package web

import (
	"cmp"
	"net/http"
	"slices"
	"time"

	"jeton/internal/authorize"
	"jeton/internal/client"
	"jeton/internal/dialect"
	"jeton/internal/oauth"
	"jeton/internal/page"
	"jeton/internal/policy"
)

// consent asks whether a client may.
func (f *Face) consent(r *dialect.Request) (dialect.Reply, error) {
	v, err := f.open(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	d, due, err := f.due(v, authorize.Ask)
	if v.pending == nil {
		return dialect.Reply{}, err
	}
	if err != nil || !due {
		return f.next(v)
	}
	return f.draw(v, http.StatusOK, f.consentPage(v, d))
}

func (f *Face) consentPage(v *visit, d authorize.Due) page.Consent {
	c := d.Client
	x := page.Consent{
		Client: cmp.Or(c.Name, c.ID), Name: displayName(v.user), Mail: v.user.Email, Reviewed: c.Own || c.ReviewedAt != 0,
		Host: host(v.pending.Redirect), Home: c.HomeURI, Policy: c.PolicyURI, Terms: c.TermsURI,
	}
	if c.Created != 0 {
		x.Added = time.Unix(c.Created, 0)
	}
	for _, value := range d.Wanted {
		g := describe(v.Org, value)
		if d.Had.Has(value) {
			x.Before = append(x.Before, g)
		} else {
			x.Scopes = append(x.Scopes, g)
		}
	}
	return x
}

// known are the scopes pages have words for.
var known = []string{"openid", "profile", "email", "address", "phone", "groups", "offline_access"}

// describe puts a scope into words: the organization's own, ours for the standard
// ones, else its name.
func describe(o *client.Org, value string) page.Grant {
	g := page.Grant{Value: value, Text: value, Needed: value == "openid" || policy.IsClaim(value)}
	switch {
	case o.Scopes[value] != "":
		g.Text, g.Detail = o.Scopes[value], []string{value}
	case slices.Contains(known, value):
		g.Key = "scope." + value
	case policy.IsClaim(value):
		name := value[len(policy.ClaimPrefix):]
		g.Key, g.Detail = "scope."+policy.ClaimScope(name), []string{name}
	}
	return g
}

// decide takes a person's answer. What is in the form counts only for what was
// asked: client, person and scope are the server's own.
func (f *Face) decide(r *dialect.Request) (dialect.Reply, error) {
	v, err := f.posted(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	d, due, err := f.due(v, authorize.Ask)
	if err != nil {
		return dialect.Reply{}, err
	}
	if !due {
		return dialect.Reply{}, oauth.Refuse(oauth.NotDue, "")
	}
	switch v.fields.Text("decision") {
	case "allow":
		if err := f.Core.Authorize.Allow(v.Context(), v.pending, d, v.user, v.fields.All("scope")); err != nil {
			return dialect.Reply{}, err
		}
	case "deny":
		r.Audit().Name("consent.deny")
		v.pending.Deny()
	default:
		x := f.consentPage(v, d)
		x.Wrong = "consent.choose"
		return f.draw(v, http.StatusUnprocessableEntity, x)
	}
	return v.see(v.Site + "/continue?r=" + f.seal(v)), nil
}
