package fortiauth

import (
	"strings"

	"jeton/internal/client"
	"jeton/internal/dialect"
	"jeton/internal/grant"
	"jeton/internal/oauth"
	"jeton/internal/wire"
)

// maxBody is this dialect's limit of a request body in bytes. It is twice the usual
// one, so that even a realm of 64 KiB is refused as a wrong password is and not by
// its size.
const maxBody = 2 * wire.MaxBody

// members are those of a request body that are read; all others are ignored. The
// realm is read apart.
var members = []string{
	"grant_type", "client_id", "client_secret", "username", "password", "iam_account", "iam_user",
	"refresh_token", "code", "redirect_uri", "code_verifier", "scope", "token",
}

// input is a request body, JSON as the vendor's own clients send it or a form as
// OAuth libraries do.
type input struct {
	wire.Params
	realm string
}

// noRealm stands for a realm that is not even a text. It is longer than a realm
// can be, so the request ends as one with a wrong password does.
var noRealm = strings.Repeat("?", 1024)

func read(r *dialect.Request) (input, error) {
	body, err := wire.ReadBody(r.Request, maxBody)
	if err != nil {
		return input{}, err
	}
	return decode(r.Media(), body)
}

func decode(media string, body []byte) (input, error) {
	switch media {
	case "application/x-www-form-urlencoded":
		p, err := wire.Form(body)
		return input{p, p.Text("realm")}, err
	case "application/json", "":
		o, err := wire.JSON(body)
		if err != nil {
			return input{}, err
		}
		p, err := o.Params(members...)
		return input{p, realm(o)}, err
	}
	return input{}, oauth.Refuse(oauth.UnsupportedMedia, "send application/json")
}

// realm is the realm a request names. One of another type than text is none there
// is: the answer must not tell what is wrong with a realm.
func realm(o wire.Object) string {
	name, _, err := o.Text("realm")
	if err != nil {
		return noRealm
	}
	return name
}

// credentials reads how the client presents itself: in the body or by Basic, and
// an empty client_secret is none.
func credentials(r *dialect.Request, p wire.Params) (client.Credentials, error) {
	shown, err := wire.Credentials(r.Header, p)
	if err != nil {
		return client.Credentials{}, err
	}
	switch shown.Method {
	case wire.MethodAbsent, wire.MethodPrivateKeyJWT: // the vendor's clients have a secret or nothing
		r.Audit().Fail("client authentication", "client_id, and client_secret unless the client is public", "none", "send them in the body or by Basic")
		return client.Credentials{}, oauth.Refuse(oauth.InvalidClient, "")
	}
	return client.Credentials{ID: shown.ID, Secret: shown.Secret, Method: client.Method(shown.Method), Addr: r.Addr}, nil
}

// grant is what the request presents. A user's name and password beside a code or a
// refresh token count for nothing: the grant named is the only one looked at.
func (in input) grant() (grant.Grant, error) {
	switch name, _ := in.Get("grant_type"); oauth.GrantType(name) {
	case "":
		return nil, oauth.Refuse(oauth.MissingGrantType, "")
	case oauth.GrantPassword:
		return in.password()
	case oauth.GrantRefreshToken:
		token, err := in.Need("refresh_token")
		return &grant.Refresh{Token: token}, err
	case oauth.GrantAuthorizationCode:
		code, err := in.Need("code")
		return grant.AuthorizationCode{Code: code, Redirect: in.Text("redirect_uri"), Verifier: in.Text("code_verifier")}, err
	}
	return nil, oauth.Refuse(oauth.UnsupportedGrantType, "")
}

// password reads the user: username and realm, or an IAM user and the IAM account
// he belongs to, which is a realm here. Where there is a username the IAM names
// are ignored.
func (in input) password() (grant.Grant, error) {
	g := grant.Password{Name: in.Text("username"), Realm: in.realm, Password: oauth.Secret(in.Text("password"))}
	if g.Name == "" {
		g.Name = in.Text("iam_user")
		if account := in.Text("iam_account"); account != "" {
			g.Realm = account
		}
	}
	switch {
	case g.Name == "":
		return nil, oauth.Missing("username")
	case g.Password == "":
		return nil, oauth.Missing("password")
	}
	return g, nil
}

// answer is the vendor's, its members in the order of their names.
type answer struct {
	Access  string `json:"access_token"`
	Expires int64  `json:"expires_in"`         // seconds, 0 = never
	ID      string `json:"id_token,omitempty"` // only after a refresh of what came of a code
	Message string `json:"message,omitempty"`
	Refresh string `json:"refresh_token,omitempty"`
	Scope   string `json:"scope"`
	Status  string `json:"status"`
	Type    string `json:"token_type"`
}

// redeemed is the vendor's answer to a code: the standard members, in an order of
// their own, and neither message nor status.
type redeemed struct {
	Access  string `json:"access_token"`
	Expires int64  `json:"expires_in"` // seconds, 0 = never
	Type    string `json:"token_type"`
	Scope   string `json:"scope"`
	Refresh string `json:"refresh_token,omitempty"`
	ID      string `json:"id_token,omitempty"` // with scope openid
}

// messages are the vendor's words of success by grant.
var messages = map[oauth.GrantType]string{
	oauth.GrantPassword:     "successfully authenticated",
	oauth.GrantRefreshToken: "Token has been refreshed successfully",
}

func (f face) token(r *dialect.Request) (dialect.Reply, error) {
	in, err := read(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	cred, err := credentials(r, in.Params)
	if err != nil {
		return dialect.Reply{}, err
	}
	g, err := in.grant()
	if err != nil {
		return dialect.Reply{}, err
	}
	scope, err := in.scope(g)
	if err != nil {
		return dialect.Reply{}, err
	}
	t, err := f.core.Exchange.Token(r.Context(), &grant.Request{
		Org: r.Org, Dialect: Name, Client: cred, Grant: g, Scope: scope, Issuer: issuer(r), Addr: r.Addr,
	})
	if err != nil {
		return dialect.Reply{}, err
	}
	return dialect.OK(worded(g.Type(), t)), nil
}

// scope is the scope a request asks for. A code has its own, asked for where it was
// given (RFC 6749 §4.1.3).
func (in input) scope(g grant.Grant) (oauth.Scope, error) {
	if g.Type() == oauth.GrantAuthorizationCode {
		return nil, nil
	}
	return oauth.ParseScope(in.Text("scope"))
}

// worded is the answer to a grant.
func worded(g oauth.GrantType, t oauth.Tokens) any {
	if g == oauth.GrantAuthorizationCode {
		return redeemed{Access: t.Access, Expires: expires(t), Type: "Bearer", Scope: t.Scope.String(), Refresh: t.Refresh, ID: t.ID}
	}
	return answer{
		Access: t.Access, Expires: expires(t), ID: t.ID, Message: messages[g], Refresh: t.Refresh,
		Scope: t.Scope.String(), Status: "success", Type: "Bearer",
	}
}

// expires is expires_in. The last part of a second is a second here: 0 would say
// that the token never ends.
func expires(t oauth.Tokens) int64 {
	if t.ExpiresAt.IsZero() {
		return 0
	}
	return max(t.ExpiresIn(), 1)
}
