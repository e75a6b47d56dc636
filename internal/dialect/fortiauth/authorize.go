package fortiauth

import (
	"net/http"

	"jeton/internal/authorize"
	"jeton/internal/client"
	"jeton/internal/dialect"
	"jeton/internal/oauth"
	"jeton/internal/policy"
	"jeton/internal/wire"
)

const settingPKCE = "require_pkce"

// codeFlow is how the authorization endpoint answers: a code of 30 letters and
// digits that lives 60 seconds, by 302, without iss.
var codeFlow = policy.CodeFlow{
	Length:   token.Length,
	Alphabet: token.Alphabet,
	Found:    true,
	PKCE:     mustPKCE,
}

// mustPKCE: the vendor has two types of client that get codes, "authorization code"
// for confidential ones and "authorization code with PKCE" for all. Whoever catches
// a public client's code could use it, so there is no way round PKCE for those.
func mustPKCE(c *client.Client) bool { return c.Public() || c.Bool(settingPKCE) }

// authorize is the authorization endpoint. A browser that is not signed in is sent to
// the sign-in page; no code is given without a person.
func (f face) authorize(r *dialect.Request) (dialect.Reply, error) {
	p, err := parameters(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	q := asked(p)
	q.Org, q.Dialect, q.Issuer = r.Org, Name, issuer(r)
	if c, ok := f.core.Clients.Client(r.Org.ID, q.Client); ok && q.Wrong == nil {
		// Whether the client may have a scope does not depend on the person: nobody
		// need sign in to learn that it may not.
		if _, err := scopes(c, oauth.Subject{}, q.Scope); err != nil {
			q.Wrong = oauth.AsRefusal(err)
		}
	}
	return dialect.Authorize(r, f.core, q, "")
}

// parameters of an authorization request: the query of a GET, the form of a POST.
func parameters(r *dialect.Request) (wire.Params, error) {
	if r.Method == http.MethodPost {
		return r.Form()
	}
	return r.Query()
}

// asked reads an authorization request: the standard parameters, and the vendor's
// approval_prompt. The claims of this dialect are the client's by registration, so
// none is asked for by parameter.
func asked(p wire.Params) authorize.Request {
	q := authorize.Read(p)
	q.Claims = ""
	if q.Wrong == nil && q.ResponseType == "" {
		q.Wrong = missingParameter("response_type")
	}
	switch p.Text("approval_prompt") {
	case "", "auto":
	case "force":
		q.Force = true
	default:
		if q.Wrong == nil {
			q.Wrong = oauth.Refuse(oauth.InvalidRequest, "approval_prompt is auto or force")
			q.Wrong.Param = "approval_prompt"
		}
	}
	return q
}

// missingParameter is oauth.Missing in the vendor's words, for a refusal that goes
// to the client in a redirect.
func missingParameter(name string) *oauth.Error {
	e := oauth.Missing(name)
	e.Description = lacks(name)
	return e
}
