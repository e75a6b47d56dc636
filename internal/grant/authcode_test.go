package grant

import (
	"context"
	"errors"
	"testing"

	"jeton/internal/oauth"
)

// plainSeal hides nothing, so that a test sees what a code is made of.
type plainSeal struct{}

func (plainSeal) Seal(_ string, plain, _ []byte) []byte             { return plain }
func (plainSeal) Unseal(_ string, sealed, _ []byte) ([]byte, error) { return sealed, nil }

var errNone = errors.New("none")

// noCodes keeps none.
type noCodes struct{}

func (noCodes) Code(context.Context, []byte) (*oauth.Authorization, error) { return nil, errNone }
func (noCodes) IsNotFound(err error) bool                                  { return errors.Is(err, errNone) }

func TestACodeThatCarriesItsAuthorizationHasOneSpelling(t *testing.T) {
	x := &Exchange{Codes: noCodes{}, Seal: plainSeal{}}
	code := SealCode(plainSeal{}, &oauth.Authorization{Org: "a", Client: "app", Redirect: "https://app.example/cb", Expires: 60})
	a, err := x.authorization(t.Context(), "a", code, CodeHash(code))
	if err != nil || a.Client != "app" || a.Sealed != 60 {
		t.Fatalf("%+v %v", a, err)
	}
	for _, other := range []string{code + "\n", "\r" + code, code[:9] + "\r\n" + code[9:], code + "=", code + " "} {
		if a, err := x.authorization(t.Context(), "a", other, CodeHash(other)); !errors.Is(err, errNone) {
			t.Errorf("%q is a code, too: %+v %v", other[len(other)-3:], a, err)
		}
	}
}
