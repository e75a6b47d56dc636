package fortiauth

import (
	"net/http"

	"jeton/internal/core"
	"jeton/internal/dialect"
	"jeton/internal/jose"
	"jeton/internal/oauth"
	"jeton/internal/wire"
)

const settingRelative = "relative_issuer"

// issuer is what the tokens of this dialect name as theirs.
func issuer(r *dialect.Request) string {
	if core.Setting(r.Org, Name, settingRelative, false) {
		return root
	}
	return r.Base + root
}

// verified is an integer and a string, exactly: clients decode them as such.
type verified struct {
	Expires  int64  `json:"expires_in"` // seconds left, 0 = never
	Username string `json:"username"`
}

// verify says whether the bearer's token is a live one of the client in the query.
// The client need not authenticate: who has the token may ask.
func (f face) verify(r *dialect.Request) (dialect.Reply, error) {
	q, err := r.Query()
	if err != nil {
		return dialect.Reply{}, err
	}
	id, err := q.Need("client_id")
	if err != nil {
		return dialect.Reply{}, err
	}
	token, _, err := wire.Bearer(r.Header)
	if err != nil {
		return dialect.Reply{}, err
	}
	a, err := f.core.Bearer(r.Context(), r.Org.ID, Name, token)
	if err != nil {
		return dialect.Reply{}, err
	}
	if a.Client != id {
		r.Audit().Fail("client", a.Client, id, "ask with the client the token was issued to")
		return dialect.Reply{}, oauth.Refuse(oauth.InvalidToken, "")
	}
	v := verified{Username: a.Subject.Name}
	if !a.Expires.IsZero() {
		v.Expires = max(a.Expires.Unix()-f.core.Now().Unix(), 1)
	}
	return dialect.OK(v), nil
}

// revoke is RFC 7009, as the vendor words it: the token is asked for before the
// client, and an unknown token is a success.
func (f face) revoke(r *dialect.Request) (dialect.Reply, error) {
	in, err := read(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	token, err := in.Need("token")
	if err != nil {
		return dialect.Reply{}, err
	}
	cred, err := credentials(r, in.Params)
	if err != nil {
		return dialect.Reply{}, err
	}
	c, err := f.core.Clients.Authenticate(r.Context(), r.Org.ID, Name, cred)
	if err != nil {
		return dialect.Reply{}, err
	}
	r.Audit().Name("token.revoke")
	if _, err := f.core.Mint.Revoke(r.Context(), r.Org.ID, c.ID, token); err != nil {
		return dialect.Reply{}, err
	}
	return dialect.Reply{Status: http.StatusOK}, nil
}

// poll answers for a push that waits for its phone. No factor starts one, so every
// session is unknown.
func (f face) poll(*dialect.Request) (dialect.Reply, error) {
	return dialect.Reply{}, oauth.Refuse(oauth.NotFound, "unknown session")
}

// document lists what answers, and nothing that does not. The vendor's has no
// code_challenge_methods_supported, which libraries look at before they use PKCE.
type document struct {
	Issuer        string   `json:"issuer"`
	Authorization string   `json:"authorization_endpoint"`
	Token         string   `json:"token_endpoint"`
	Userinfo      string   `json:"userinfo_endpoint"`
	JWKS          string   `json:"jwks_uri"`
	Responses     []string `json:"response_types_supported"`
	Subjects      []string `json:"subject_types_supported"`
	Algs          []string `json:"id_token_signing_alg_values_supported"`
	Methods       []string `json:"token_endpoint_auth_methods_supported"`
	Challenges    []string `json:"code_challenge_methods_supported"`
}

func (f face) discovery(r *dialect.Request) (dialect.Reply, error) {
	base := r.Base + root
	return dialect.Reply{Status: http.StatusOK, Cache: "public, max-age=300", Body: document{
		Issuer: issuer(r), Authorization: base + "/authorize/", Token: base + "/token/", Userinfo: base + "/userinfo/",
		JWKS: base + "/.well-known/keys/", Responses: []string{"code"}, Subjects: []string{"public"}, Algs: []string{string(jose.RS256)},
		Methods: []string{wire.MethodSecretPost, wire.MethodSecretBasic}, Challenges: []string{"S256"},
	}}, nil
}

func (f face) jwks(r *dialect.Request) (dialect.Reply, error) {
	body, etag, err := f.core.Keys.JWKS(r.Context(), r.Org.ID, jose.AlgFirst, purpose)
	if err != nil {
		return dialect.Reply{}, err
	}
	return dialect.Reply{Status: http.StatusOK, Body: body, ContentType: "application/json", Cache: "public, max-age=300", ETag: etag}, nil
}
