package oidc

import (
	"encoding/json"
	"slices"

	"jeton/internal/client"
	"jeton/internal/jose"
	"jeton/internal/oauth"
	"jeton/internal/policy"
	"jeton/internal/wire"
)

// standard lists the claims each scope opens (OpenID Connect Core §5.4), in the
// order they are sent.
var standard = []struct {
	scope  string
	claims []string
}{
	{"profile", []string{
		"name", "given_name", "family_name", "middle_name", "nickname", "preferred_username", "profile", "picture", "website",
		"gender", "birthdate", "zoneinfo", "locale", "updated_at",
	}},
	{"email", []string{"email", "email_verified"}},
	{"address", []string{"address"}},
	{"phone", []string{"phone_number", "phone_number_verified"}},
	{"groups", []string{"groups"}},
}

// supported lists every claim there may be, for discovery.
func supported() []string {
	out := []string{"sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "at_hash", "c_hash", "sid"}
	for _, s := range standard {
		out = append(out, s.claims...)
	}
	return out
}

// claim is the value of a claim as JSON, nil when the user has none: a standard one
// from what is known of every user, any other from the user's attributes.
func claim(s oauth.Subject, name string) []byte {
	text := func(v string) []byte {
		if v == "" {
			return attribute(s, name)
		}
		return value(v)
	}
	switch name {
	case "sub":
		return value(subject(s))
	case "name":
		if s.DisplayName == "" && s.GivenName != "" && s.FamilyName != "" {
			return value(s.GivenName + " " + s.FamilyName)
		}
		return text(s.DisplayName)
	case "given_name":
		return text(s.GivenName)
	case "family_name":
		return text(s.FamilyName)
	case "preferred_username":
		return text(s.Name)
	case "email":
		return text(s.Email)
	case "email_verified":
		if s.Email == "" {
			return nil
		}
		return verified(s, name)
	case "phone_number_verified":
		if s.More["phone_number"] == nil {
			return nil
		}
		return verified(s, name)
	case "groups":
		if s.Groups == nil {
			return value([]string{})
		}
		return value(s.Groups)
	case "realm":
		return text(s.Realm)
	}
	return attribute(s, name)
}

// verified says whether somebody checked an address: an attribute that is true and
// nothing else. Applications sign people in by what was checked, and many read any
// text, "false" too, as a yes.
func verified(s oauth.Subject, name string) []byte { return value(s.More[name] == true) }

// attribute is a user's own attribute as JSON, nil when there is none.
func attribute(s oauth.Subject, name string) []byte {
	v, ok := s.More[name]
	if !ok || v == nil {
		return nil
	}
	return value(v)
}

func value(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil { // an attribute nobody can spell is not there
		return nil
	}
	return b
}

// claims is an object of claims that has each name once.
type claims struct {
	o   jose.Object
	has []string
}

func (c *claims) add(name string, value []byte) {
	if value != nil && !slices.Contains(c.has, name) {
		c.o = c.o.Raw(name, value)
		c.has = append(c.has, name)
	}
}

// addMapped adds what the client's own mapping sends into this kind of token.
func (c *claims) addMapped(s oauth.Subject, mapped []client.Claim, into string, scope oauth.Scope) {
	for _, m := range mapped {
		if m.Goes(into, scope) {
			c.add(m.Name, claim(s, m.From))
		}
	}
}

// addAsked adds what the claims parameter asks for (OpenID Connect Core §5.5). A
// claim whose value is not the one asked for is left out.
func (c *claims) addAsked(s oauth.Subject, asked, member string) {
	if asked == "" {
		return
	}
	o, err := wire.JSON([]byte(asked))
	if err != nil {
		return
	}
	v, _ := o.Get(member)
	wanted, ok := v.Object()
	if !ok {
		return
	}
	for _, name := range wanted.Names() {
		got := claim(s, name)
		details, _ := wanted.Get(name)
		if got != nil && wantedValue(details, got) && policy.ClaimScope(name) != "" {
			c.add(name, got)
		}
	}
}

func wantedValue(details wire.Value, got []byte) bool {
	o, ok := details.Object()
	if !ok {
		return true
	}
	if v, there := o.Get("value"); there {
		return string(v.Raw()) == string(got)
	}
	if v, there := o.Get("values"); there {
		list, _ := v.Array()
		return slices.ContainsFunc(list, func(v wire.Value) bool { return string(v.Raw()) == string(got) })
	}
	return true
}

// userClaims are those of the userinfo endpoint (OpenID Connect Core §5.3.2).
func userClaims(s oauth.Subject, scope oauth.Scope, asked string, mapped []client.Claim) jose.Object {
	c := claims{has: []string{"sub"}, o: jose.Obj().Str("sub", subject(s))}
	for _, group := range standard {
		if !scope.Has(group.scope) {
			continue
		}
		for _, name := range group.claims {
			c.add(name, claim(s, name))
		}
	}
	c.addAsked(s, asked, "userinfo")
	c.addMapped(s, mapped, client.InUserinfo, scope)
	return c.o
}

// idClaims are those of OpenID Connect Core §2, and after them what the client asked
// for or is mapped. What the scopes open is at the userinfo endpoint (§5.4).
func idClaims(f policy.IDFacts) jose.Object {
	o := jose.Obj().Str("iss", f.Issuer).Str("sub", subject(f.Subject)).Str("aud", f.Client).
		Int("exp", f.Expires.Unix()).Int("iat", f.Now.Unix()).Int("auth_time", f.AuthTime)
	if f.Nonce != "" {
		o = o.Str("nonce", f.Nonce)
	}
	o = o.Str("acr", f.ACR).Strs("amr", f.AMR).Str("at_hash", f.AtHash)
	if f.CodeHash != "" {
		o = o.Str("c_hash", f.CodeHash)
	}
	c := claims{o: o.Str("sid", f.Session), has: reserved}
	c.addAsked(f.Subject, f.Asked, "id_token")
	c.addMapped(f.Subject, f.Mapped, client.InID, f.Scope)
	return c.o
}

// reserved are the claims no mapping and no client's wish sets.
var reserved = []string{"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "at_hash", "c_hash", "sid", "azp", "jti", "nbf", "client_id", "scope"}

// Preview is what a client with this mapping is told of a user: in ID tokens, at the
// userinfo endpoint and in access tokens.
func Preview(c *client.Client, s oauth.Subject, scope oauth.Scope) (id, userinfo, access []byte) {
	i := claims{o: jose.Obj().Str("sub", subject(s)), has: reserved}
	i.addMapped(s, c.Claims, client.InID, scope)
	a := claims{o: jose.Obj().Str("sub", subject(s)), has: reserved}
	a.addMapped(s, c.Claims, client.InAccess, scope)
	return i.o.Bytes(), userClaims(s, scope, "", c.Claims).Bytes(), a.o.Bytes()
}
