package saml

import (
	"cmp"

	"jeton/internal/client"
	"jeton/internal/identity"
)

// Configured is the provider as an organization has it.
func Configured(p client.Provider) *Provider {
	binding := BindingRedirect
	if p.SSOBinding == "post" {
		binding = BindingPost
	}
	out := &Provider{
		Name: p.Name, Number: p.Number, EntityID: p.EntityID, Enabled: !p.Disabled, Certificates: p.Certificates,
		Attributes: Mapping{
			User: p.Attributes["user"], Email: p.Attributes["email"], GivenName: p.Attributes["given_name"],
			FamilyName: p.Attributes["family_name"], DisplayName: p.Attributes["display_name"], Groups: p.Attributes["groups"],
		},
	}
	if p.SSO != "" {
		out.SSO = []Endpoint{{Binding: binding, Location: p.SSO}}
	}
	return out
}

// Source is what users a provider made, and sessions it proved, are marked with.
func Source(p client.Provider) string { return "saml/" + p.Name }

// Realm is whose users a provider names: its own, or the organization's default one.
func Realm(o *client.Org, p client.Provider) string { return cmp.Or(p.Realm, o.DefaultRealm()) }

// Speaks reports whether a provider may say that somebody is u, a user of its realm.
// It may of users it made, and of every user of a realm that its configuration names:
// naming one is to trust it with all of them. Otherwise whoever can choose a name at
// the provider could become a namesake here.
func Speaks(p client.Provider, u *identity.User) bool {
	return p.Realm != "" && p.Realm == u.Realm || u.Source == Source(p)
}

// NextSpeaks is what an operator can do about a provider that may not.
func NextSpeaks(p client.Provider, u *identity.User) string {
	return "if " + p.Name + " is to be trusted with every user of that realm, write `realm: " + u.Realm + "` at it"
}

// Issuer is who a message says issued it, "" when it cannot be read. Nothing is
// proven by that: it serves to choose the provider whose keys Verify is to try.
func Issuer(encoded string) string {
	root, check := open(encoded)
	if check != nil {
		return ""
	}
	at := root
	if is(root, nsProtocol, "Response") {
		if at = only(root, nsAssertion, "Assertion"); at == nil {
			at = root // a provider that refuses somebody sends no assertion
		}
	}
	if i := only(at, nsAssertion, "Issuer"); i != nil && bare(i) {
		return trimmed(i)
	}
	return ""
}
