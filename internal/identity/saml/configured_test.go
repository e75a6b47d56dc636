package saml_test

import (
	"testing"

	"github.com/beevik/etree"

	"jeton/internal/client"
	"jeton/internal/identity"
	"jeton/internal/identity/saml"
)

func TestAProviderSpeaksForItsOwnUsersAndForTheRealmItWasGiven(t *testing.T) {
	for _, c := range []struct {
		realm, userRealm, source string
		want                     bool
	}{
		{"", "local", "", false},
		{"", "local", "world.yaml:4", false},
		{"", "local", "saml/other", false},
		{"", "local", "saml/corp", true},
		{"corp", "corp", "", true},
		{"corp", "corp", "saml/other", true},
		{"corp", "local", "", false},
		{"local", "local", "world.yaml:4", true},
	} {
		p := client.Provider{Name: "corp", Realm: c.realm}
		if got := saml.Speaks(p, &identity.User{Realm: c.userRealm, Source: c.source}); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

func TestAConfiguredProviderHasOneAddress(t *testing.T) {
	p := client.Provider{Name: "corp", Number: 3, EntityID: "https://corp.example", SSO: "https://corp.example/sso", Certificates: []string{idp().Certificate}, Disabled: true}
	for binding, text := range map[string]string{saml.BindingRedirect: "", saml.BindingPost: "post"} {
		p.SSOBinding = text
		got := saml.Configured(p)
		if err := got.Check(); err != nil || got.Enabled || got.Number != 3 || len(got.SSO) != 1 || !got.Takes(binding) {
			t.Errorf("%s: %+v %v", text, got, err)
		}
	}
}

func TestTheIssuerIsReadWithoutBelievingIt(t *testing.T) {
	i := idp()
	for name, c := range map[string]struct{ message, want string }{
		"response":         {i.Response(claims()), i.EntityID},
		"assertion":        {i.Assertion(claims()), i.EntityID},
		"a forged issuer":  {edited(func(a *etree.Element) { a.SelectElement("Issuer").SetText(" https://other.example ") }), "https://other.example"},
		"no issuer":        {edited(func(a *etree.Element) { a.RemoveChild(a.SelectElement("Issuer")) }), ""},
		"two issuers":      {edited(func(a *etree.Element) { a.AddChild(a.SelectElement("Issuer").Copy()) }), ""},
		"a list of things": {"PGE+PC9hPg==", ""},
		"no message":       {"no base64", ""},
	} {
		if got := saml.Issuer(c.message); got != c.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}
