package mint

import (
	"context"
	"testing"
	"time"

	"jeton/internal/jose"
	"jeton/internal/oauth"
	"jeton/internal/policy"
)

// everywhere finds a family under every handle.
type everywhere struct{ Storage }

func (everywhere) Family(context.Context, int64) (State, error) {
	return State{Family: oauth.Family{ID: 7, Org: "o", Dialect: "d"}}, nil
}

type oneKey struct{ key *jose.Key }

func (k oneKey) Signing(context.Context, string, string, jose.Alg) (*jose.Key, error) {
	return k.key, nil
}
func (k oneKey) Find(string) *jose.Key                        { return k.key }
func (k oneKey) Verifying(string, string, string) []*jose.Key { return []*jose.Key{k.key} }

// The name of a token nothing is stored of holds a time where others hold a handle:
// it must never be looked up as one, whatever its other bits are.
func TestATokenNothingIsStoredOfNamesNoFamily(t *testing.T) {
	key, err := jose.Generate(jose.ES256)
	if err != nil {
		t.Fatal(err)
	}
	key.ID, key.Org, key.Purpose = "k", "o", "p"
	m := &Mint{
		store: everywhere{}, keys: oneKey{key}, seal: testSealer(t), now: time.Now,
		profiles: map[string]policy.Profile{"d": {Dialect: "d", Access: policy.Form{Kind: policy.JWT, Purpose: "p", Alg: jose.ES256, Typ: "JWT"}}},
	}
	for _, since := range []int64{0, 1767323045123} {
		id := m.seal.mark(stateless{time.Now(), 1, 3, since, since}.name())
		token, err := jose.Sign(key, key.Header("JWT").Bytes(), jose.Obj().Str("jti", id).Str("sub", "3").Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if family, _, ok := m.Genuine(t.Context(), "o", "d", token); ok {
			t.Errorf("since %d: genuine, of family %d", since, family)
		}
		s, err := m.jwtHolder(t.Context(), "o", token)
		if err != nil || s.Family.ID != 0 {
			t.Errorf("since %d: held by family %d, %v", since, s.Family.ID, err)
		}
	}
}
