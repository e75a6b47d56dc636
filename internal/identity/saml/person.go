package saml

import (
	"context"
	"strings"

	"jeton/internal/audit"
	"jeton/internal/oauth"
)

// Mapping says by the Name of which attribute a provider gives each fact of a
// person; "" = not at all, and for User the NameID.
type Mapping struct {
	User, Email, GivenName, FamilyName, DisplayName, Groups string
}

// Person is what an assertion says of somebody, in our words.
type Person struct {
	User                                      string
	Email, GivenName, FamilyName, DisplayName string
	Groups                                    []string
}

// Person reads a verified assertion. The user's name must be there exactly once:
// the first of two would be a name the provider did not choose. Of the other facts
// the first value counts. A refusal is oauth.BadAssertion, with its check in the
// audit record of ctx.
func (m Mapping) Person(ctx context.Context, a *Assertion) (Person, error) {
	p := Person{
		User:        a.NameID,
		Email:       a.first(m.Email),
		GivenName:   a.first(m.GivenName),
		FamilyName:  a.first(m.FamilyName),
		DisplayName: a.first(m.DisplayName),
		Groups:      a.Attributes[m.Groups],
	}
	if m.User == "" {
		return p, nil
	}
	names := a.Attributes[m.User]
	if len(names) != 1 || names[0] == "" || len(names[0]) > maxName || strings.TrimSpace(names[0]) != names[0] {
		audit.From(ctx).Fail("user", "attribute "+m.User+" once", strings.Join(names, ", "), "have the identity provider send "+m.User+", or name another attribute")
		return Person{}, oauth.Refuse(oauth.BadAssertion, "")
	}
	p.User = names[0]
	return p, nil
}

// first is the first value of an attribute without the white space around it.
func (a *Assertion) first(name string) string {
	if v := a.Attributes[name]; len(v) > 0 {
		return strings.TrimSpace(v[0])
	}
	return ""
}
