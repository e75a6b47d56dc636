package oidc

import (
	"jeton/internal/jose"
	"jeton/internal/oauth"
)

// userClaims are the standard claims each scope opens (OpenID Connect Core §5.4).
func userClaims(s oauth.Subject, scope oauth.Scope) jose.Object {
	o := jose.Obj().Str("sub", subject(s))
	add := func(name, value string) {
		if value != "" {
			o = o.Str(name, value)
		}
	}
	if scope.Has("profile") {
		name := s.DisplayName
		if name == "" && s.GivenName != "" {
			name = s.GivenName + " " + s.FamilyName
		}
		add("name", name)
		add("given_name", s.GivenName)
		add("family_name", s.FamilyName)
		add("preferred_username", s.Name)
	}
	if scope.Has("email") {
		add("email", s.Email)
	}
	if scope.Has("groups") {
		o = o.Strs("groups", s.Groups)
	}
	return o
}
