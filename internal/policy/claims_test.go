package policy

import (
	"encoding/json"
	"testing"

	"jeton/internal/client"
	"jeton/internal/oauth"
)

func TestOnlyWhatWasAllowedIsToldByName(t *testing.T) {
	const asked = `{"userinfo":{"email":null,"name":{"essential":true},"department":null},"id_token":{"email":{"value":"a"},"acr":{"essential":true}},"more":1}`
	for _, c := range []struct {
		name    string
		asked   string
		allowed oauth.Scope
		want    string
	}{
		{"by scope", asked, oauth.Scope{"openid", "email"}, `{"id_token":{"email":{"value":"a"}},"userinfo":{"email":null}}`},
		{"by name", asked, oauth.Scope{"claim:name"}, `{"userinfo":{"name":{"essential":true}}}`},
		{"both", asked, oauth.Scope{"profile", "claim:email"}, `{"id_token":{"email":{"value":"a"}},"userinfo":{"email":null,"name":{"essential":true}}}`},
		{"nothing", asked, oauth.Scope{"openid", "department", "claim:department"}, ""},
		{"none asked", "", oauth.Scope{"email"}, ""},
		{"null members", `{"userinfo":null}`, oauth.Scope{"email"}, ""},
		{"no JSON", `{"userinfo":`, oauth.Scope{"email"}, ""},
	} {
		if got := Told(c.asked, c.allowed); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func FuzzOnlyWhatWasAllowedIsToldByName(f *testing.F) {
	f.Add(`{"userinfo":{"email":null,"name":{"essential":true}},"id_token":{"email":{"value":"a"}}}`, "email", "claim:name")
	f.Add(`{"userinfo":{"email":1}}`, "openid", "email")
	f.Fuzz(func(t *testing.T, asked, one, two string) {
		allowed := oauth.Scope{one, two}
		got := Told(asked, allowed)
		if got == "" {
			return
		}
		var members map[string]map[string]json.RawMessage
		if err := json.Unmarshal([]byte(got), &members); err != nil {
			t.Fatalf("%q: %v", got, err)
		}
		for member, names := range members {
			for name := range names {
				if member != "id_token" && member != "userinfo" || !allowed.Has(ClaimScope(name)) && !allowed.Has(ClaimPrefix+name) {
					t.Errorf("%s.%s is told though %q was allowed", member, name, allowed)
				}
			}
		}
		if again := Told(got, allowed); again != got {
			t.Errorf("%q, and of that %q", got, again)
		}
	})
}

func TestNobodyGoesWithoutAskingButTheOrganizationsOwn(t *testing.T) {
	wanted := oauth.Scope{"openid"}
	for own, ask := range map[bool]bool{true: false, false: true} {
		c := &client.Client{Consent: client.ConsentNever, Own: own}
		if MustAsk(Profile{}, c, nil, wanted, false) != ask {
			t.Errorf("own %v: asked %v", own, !ask)
		}
	}
}
