package policy_test

import (
	"slices"
	"testing"
	"time"

	"jeton/internal/client"
	"jeton/internal/oauth"
	"jeton/internal/policy"
)

// A rolling token without end of its own ends when it is not used, and the refresh
// token beside it has to end too, or nobody ever forgets either.
func TestARollingTokenWithoutEndHasARefreshTokenWithOne(t *testing.T) {
	zero := int64(0)
	p := policy.Profile{
		AccessLife: time.Hour, RefreshLife: 48 * time.Hour, FamilyLife: 90 * 24 * time.Hour, Never: true, Rolling: 24 * time.Hour,
		RefreshFor: []oauth.GrantType{oauth.GrantClientCredentials},
	}
	c := &client.Client{AccessLife: &zero, Grants: []oauth.GrantType{oauth.GrantClientCredentials, oauth.GrantRefreshToken}}
	d, err := policy.Decide(p, c, oauth.Proof{}, policy.Ask{Grant: oauth.GrantClientCredentials})
	if err != nil || d.Access != 0 || d.Idle != p.RefreshLife {
		t.Errorf("access %s, idle %s, %v", d.Access, d.Idle, err)
	}
}

// A short token is found by its hash and has its whole grant's scope. An answer that
// told of less would be wrong about what the token can do.
func TestARefreshAnswersTheScopeTheTokenHas(t *testing.T) {
	c := &client.Client{Scopes: oauth.Scope{"a", "b"}}
	proof := oauth.Proof{Bounded: true, Granted: oauth.Scope{"a", "b"}}
	for kind, want := range map[policy.Kind]oauth.Scope{policy.Sealed: {"a"}, policy.JWT: {"a"}, policy.Short: {"a", "b"}} {
		p := policy.Profile{Access: policy.Form{Kind: kind}}
		d, err := policy.Decide(p, c, proof, policy.Ask{Grant: oauth.GrantRefreshToken, Scope: oauth.Scope{"a"}})
		if err != nil || !slices.Equal(d.Scope, want) {
			t.Errorf("kind %d: %v, %v; want %v", kind, d.Scope, err, want)
		}
		if _, err := policy.Decide(p, c, proof, policy.Ask{Scope: oauth.Scope{"c"}}); !oauth.Is(err, oauth.InvalidScope) {
			t.Errorf("kind %d: a scope beyond the grant: %v", kind, err)
		}
	}
}
