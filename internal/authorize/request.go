package authorize

import (
	"slices"
	"strconv"
	"strings"

	"jeton/internal/client"
	"jeton/internal/oauth"
	"jeton/internal/policy"
	"jeton/internal/wire"
)

// Request is an authorization request in nobody's words (RFC 6749 §4.1.1, OpenID
// Connect Core §3.1.2.1).
type Request struct {
	Org     *client.Org
	Dialect string
	Issuer  string // as the dialect words it

	Client       string
	Redirect     string
	ResponseType string
	Mode         string // response_mode: "" query form_post
	State        string
	Scope        oauth.Scope
	Resource     []string
	Challenge    string
	Method       string // code_challenge_method
	Nonce        string
	Prompt       []string
	MaxAge       *int64 // seconds
	ACR          []string
	Claims       string // the claims parameter as sent
	LoginHint    string
	Locales      string // ui_locales
	Hint         int64  // the person an id_token_hint names, 0 = none was sent
	Force        bool   // consent is asked whatever was allowed before

	// Wrong is what is wrong with a parameter; the client is told once its redirect
	// URI is proven.
	Wrong *oauth.Error
}

// Params is where the parameters of a request come from (wire.Params).
type Params interface {
	Text(name string) string
	Get(name string) (string, bool)
	All(name string) []string
}

// maxValue bounds a parameter that travels on with the person, in bytes.
const maxValue = 4096

// Read takes the standard parameters of an authorization request.
func Read(p Params) Request {
	r := Request{
		Client: p.Text("client_id"), Redirect: p.Text("redirect_uri"), ResponseType: p.Text("response_type"), Mode: p.Text("response_mode"),
		State: p.Text("state"), Challenge: p.Text("code_challenge"), Method: p.Text("code_challenge_method"), Nonce: p.Text("nonce"),
		Prompt: strings.Fields(p.Text("prompt")), ACR: strings.Fields(p.Text("acr_values")), Claims: p.Text("claims"),
		LoginHint: p.Text("login_hint"), Locales: p.Text("ui_locales"), Resource: p.All("resource"),
	}
	var err error
	if r.Scope, err = oauth.ParseScope(p.Text("scope")); err != nil {
		r.wrong(err)
	}
	for _, name := range []string{"state", "nonce", "claims", "login_hint", "ui_locales", "acr_values", "prompt"} {
		if len(p.Text(name)) > maxValue {
			r.wrong(badValue(name, name+" is too long"))
		}
	}
	for name, code := range map[string]oauth.Code{
		"request": oauth.RequestUnsupported, "request_uri": oauth.RequestURIUnsupported, "registration": oauth.RegistrationUnsupported,
	} {
		if _, sent := p.Get(name); sent {
			r.wrong(oauth.Refuse(code, ""))
		}
	}
	if text, sent := p.Get("max_age"); sent {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 {
			r.wrong(badValue("max_age", "max_age is a number of seconds"))
		}
		r.MaxAge = &n
	}
	return r
}

// wrong keeps the first thing that is wrong.
func (r *Request) wrong(err error) {
	if r.Wrong == nil {
		r.Wrong = oauth.AsRefusal(err)
	}
}

func badValue(name, text string) *oauth.Error {
	e := oauth.Refuse(oauth.InvalidRequest, text)
	e.Param = name
	return e
}

// check is everything about a request that needs no client.
func (r *Request) check() error {
	switch {
	case r.Wrong != nil:
		return r.Wrong
	case r.ResponseType == "":
		return oauth.Missing("response_type")
	case r.ResponseType != "code":
		return oauth.Refuse(oauth.ResponseType, "")
	case r.Mode != "" && r.Mode != modeQuery && r.Mode != modeForm:
		return badValue("response_mode", "response_mode must be query or form_post")
	case slices.Contains(r.Prompt, promptNone) && len(r.Prompt) > 1:
		return badValue("prompt", "prompt=none goes with no other value")
	}
	return r.challenge()
}

// challenge: S256 alone; a request without a method means plain (RFC 7636 §4.3).
func (r *Request) challenge() error {
	switch {
	case r.Challenge == "" && r.Method == "":
		return nil
	case r.Method != "S256":
		return badValue("code_challenge_method", "code_challenge_method must be S256")
	case r.Challenge == "":
		return oauth.Missing("code_challenge")
	case len(r.Challenge) != 43 || strings.Trim(r.Challenge, base64URL) != "":
		return badValue("code_challenge", "code_challenge is the base64url of a SHA-256, 43 characters")
	}
	return nil
}

const base64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// Values of response_mode and prompt.
const (
	modeQuery     = "query"
	modeForm      = "form_post"
	promptNone    = "none"
	promptLogin   = "login"
	promptConsent = "consent"
	promptAccount = "select_account"
)

// asked is what the claims parameter demands of the sign-in itself.
type asked struct {
	sub string   // it must be this person
	acr []string // it must be of one of these levels
}

// readClaims checks the claims parameter (OpenID Connect Core §5.5).
func readClaims(text string) (asked, error) {
	var a asked
	if text == "" {
		return a, nil
	}
	o, err := wire.JSON([]byte(text))
	if err != nil {
		return a, badValue("claims", "claims is a JSON object with id_token and userinfo")
	}
	for _, member := range []string{"id_token", "userinfo"} {
		v, there := o.Get(member)
		if !there || v.IsNull() {
			continue
		}
		claims, ok := v.Object()
		if !ok {
			return a, badValue("claims", "claims."+member+" is an object of claim names")
		}
		for _, name := range claims.Names() {
			v, _ := claims.Get(name)
			details, ok := v.Object()
			if !ok && !v.IsNull() {
				return a, badValue("claims", "each claim in claims."+member+" is null or an object") // its name may be in no alphabet for this (RFC 6749 §4.1.2.1)
			}
			if ok && member == "id_token" {
				a.demand(name, details)
			}
		}
	}
	return a, nil
}

// byName are the claims asked for by name that no granted scope covers, as a person
// is asked about them; those alone whose scope the client may have.
func byName(text string, may, scope oauth.Scope) oauth.Scope {
	if text == "" {
		return nil
	}
	o, err := wire.JSON([]byte(text))
	if err != nil {
		return nil
	}
	var out oauth.Scope
	for _, member := range []string{"id_token", "userinfo"} {
		v, _ := o.Get(member)
		claims, _ := v.Object()
		for _, name := range claims.Names() {
			covers := policy.ClaimScope(name)
			if v := policy.ClaimPrefix + name; may.Has(covers) && !scope.Has(covers) && !out.Has(v) {
				out = append(out, v)
			}
		}
	}
	return out
}

func (a *asked) demand(name string, details wire.Object) {
	switch name {
	case "sub":
		a.sub, _, _ = details.Text("value")
	case "acr":
		essential := false
		if v, there := details.Get("essential"); there {
			essential, _ = v.Bool()
		}
		if !essential {
			return
		}
		a.acr, _, _ = details.Texts("values")
		if one, there, err := details.Text("value"); there && err == nil {
			a.acr = append(a.acr, one)
		}
	}
}
