package policy_test

import (
	"testing"
	"time"

	"jeton/internal/client"
	"jeton/internal/oauth"
	"jeton/internal/policy"
)

func TestARefreshTokenHasNoEndOfItsOwnWhereAccessHasNone(t *testing.T) {
	zero, hour := int64(0), int64(3600)
	p := policy.Profile{
		AccessLife: 10 * time.Hour, RefreshLife: 24 * time.Hour, FamilyLife: 90 * 24 * time.Hour,
		RefreshFor: []oauth.GrantType{oauth.GrantPassword},
	}
	for name, c := range map[string]struct {
		never           bool
		access, refresh *int64
		idle, life      time.Duration
	}{
		"defaults":                    {never: true, idle: p.RefreshLife, life: p.FamilyLife},
		"access without end":          {never: true, access: &zero},
		"and a life for refresh":      {never: true, access: &zero, refresh: &hour, idle: time.Hour},
		"a dialect that has no never": {access: &zero, idle: p.RefreshLife, life: p.FamilyLife},
	} {
		p.Never = c.never
		d, err := policy.Decide(p, &client.Client{
			AccessLife: c.access, RefreshLife: c.refresh, Grants: []oauth.GrantType{oauth.GrantPassword, oauth.GrantRefreshToken},
		}, oauth.Proof{}, policy.Ask{Grant: oauth.GrantPassword})
		if err != nil || d.Idle != c.idle || d.Life != c.life {
			t.Errorf("%s: idle %s, life %s, %v; want %s and %s", name, d.Idle, d.Life, err, c.idle, c.life)
		}
	}
}
