package policy

import "strings"

// claimScope says which scope covers a standard claim (OpenID Connect Core §5.4).
var claimScope = map[string]string{
	"name": "profile", "family_name": "profile", "given_name": "profile", "middle_name": "profile", "nickname": "profile",
	"preferred_username": "profile", "profile": "profile", "picture": "profile", "website": "profile", "gender": "profile",
	"birthdate": "profile", "zoneinfo": "profile", "locale": "profile", "updated_at": "profile",
	"email": "email", "email_verified": "email", "address": "address",
	"phone_number": "phone", "phone_number_verified": "phone", "groups": "groups",
}

// ClaimScope is the scope that covers a claim a client may ask for by name, "" for
// any other claim: what else is known of a user is mapped by an administrator.
func ClaimScope(name string) string { return claimScope[name] }

// ClaimPrefix begins what stands among the scopes a person is asked for when a
// client asks for a claim by name without the scope that covers it.
const ClaimPrefix = "claim:"

// IsClaim reports whether a value a person allowed is a claim and no scope.
func IsClaim(v string) bool { return strings.HasPrefix(v, ClaimPrefix) }
