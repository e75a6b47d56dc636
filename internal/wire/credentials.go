package wire

import (
	"net/http"

	"jeton/internal/oauth"
)

// The ways a client can present itself, spelled as registrations spell them
// (OpenID Connect Core §9). MethodAbsent means the request names no client.
const (
	MethodAbsent        = ""
	MethodNone          = "none"
	MethodSecretBasic   = "client_secret_basic"
	MethodSecretPost    = "client_secret_post"
	MethodPrivateKeyJWT = "private_key_jwt"
)

// AssertionType is the client_assertion_type there is (RFC 7523 §2.2).
const AssertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// Presented is what a request says of its client; nothing of it is proven.
type Presented struct {
	ID        string       // client_id; may be "" beside an Assertion, whose sub then names the client
	Secret    oauth.Secret // for the two secret methods
	Method    string       // one of the Method constants
	Assertion string       // for private_key_jwt
}

// Credentials reads the client credentials of a request to a standard endpoint:
// Basic, client_secret or client_assertion, one of them at most (RFC 6749 §2.3),
// or client_id alone. Contradictions are InvalidRequest. An empty client_secret,
// in the form or in Basic, counts as none: a public client. Other schemes in the
// Authorization header are not client authentication and are ignored.
func Credentials(h http.Header, p Params) (Presented, error) {
	id, secret, basic, err := ClientBasic(h)
	if err != nil {
		return Presented{}, err
	}
	inForm, err := formCredentials(p)
	if err != nil {
		return Presented{}, err
	}
	if !basic {
		if inForm.Method == MethodSecretPost && inForm.ID == "" {
			return Presented{}, oauth.Missing("client_id")
		}
		return inForm, nil
	}
	if inForm.Method == MethodSecretPost || inForm.Method == MethodPrivateKeyJWT {
		return Presented{}, twoSources()
	}
	if inForm.ID != "" && inForm.ID != id {
		return Presented{}, contradiction("client_id", "client_id differs from the one in the Authorization header")
	}
	if secret == "" {
		return Presented{ID: id, Method: MethodNone}, nil
	}
	return Presented{ID: id, Secret: oauth.Secret(secret), Method: MethodSecretBasic}, nil
}

// formCredentials reads what stands in the form.
func formCredentials(p Params) (Presented, error) {
	id := p.Text("client_id")
	secret, hasSecret := p.Get("client_secret")
	assertion, err := clientAssertion(p)
	switch {
	case err != nil:
		return Presented{}, err
	case assertion != "" && hasSecret:
		return Presented{}, twoSources()
	case assertion != "":
		return Presented{ID: id, Assertion: assertion, Method: MethodPrivateKeyJWT}, nil
	case hasSecret:
		return Presented{ID: id, Secret: oauth.Secret(secret), Method: MethodSecretPost}, nil
	case id != "":
		return Presented{ID: id, Method: MethodNone}, nil
	}
	return Presented{}, nil
}

// clientAssertion reads client_assertion, which comes with its type or not at
// all (RFC 7521 §4.2).
func clientAssertion(p Params) (string, error) {
	assertion, sent := p.Get("client_assertion")
	kind, typed := p.Get("client_assertion_type")
	switch {
	case !sent && !typed:
		return "", nil
	case !sent:
		return "", oauth.Missing("client_assertion")
	case !typed:
		return "", oauth.Missing("client_assertion_type")
	case kind != AssertionType:
		return "", contradiction("client_assertion_type", "client_assertion_type is not supported")
	}
	return assertion, nil
}

func twoSources() error {
	return oauth.Refuse(oauth.InvalidRequest, "the client authenticated in more than one way")
}

func contradiction(name, text string) error {
	e := oauth.Refuse(oauth.InvalidRequest, text)
	e.Param = name
	return e
}
