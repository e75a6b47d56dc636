package policy

import (
	"encoding/json"
	"strings"

	"jeton/internal/oauth"
)

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

// Told is the part of a claims parameter (OpenID Connect Core §5.5) that allowed
// covers, by the scope of a claim or its own name, "" when nothing is left: what a
// person did not allow is not told by another way of asking.
func Told(asked string, allowed oauth.Scope) string {
	if asked == "" {
		return ""
	}
	var sent map[string]json.RawMessage
	if json.Unmarshal([]byte(asked), &sent) != nil {
		return ""
	}
	out := map[string]map[string]json.RawMessage{}
	for _, member := range []string{"id_token", "userinfo"} {
		var names map[string]json.RawMessage
		if sent[member] == nil || json.Unmarshal(sent[member], &names) != nil {
			continue
		}
		for name, details := range names {
			if scope := ClaimScope(name); scope == "" || !allowed.Has(scope) && !allowed.Has(ClaimPrefix+name) {
				delete(names, name)
			} else if details == nil {
				names[name] = json.RawMessage("null")
			}
		}
		if len(names) > 0 {
			out[member] = names
		}
	}
	if len(out) == 0 {
		return ""
	}
	b, err := json.Marshal(out)
	if err != nil { // of texts that were JSON: it never does
		return ""
	}
	return string(b)
}
