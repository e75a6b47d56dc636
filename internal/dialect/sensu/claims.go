package sensu

import (
	"slices"

	"jeton/internal/jose"
	"jeton/internal/policy"
)

// everybody is the group Sensu puts every user in.
const everybody = "system:users"

// provider names the source of users as sensuctl shows it: Sensu's built-in one.
const provider = "basic"

// accessClaims are those of an access token. sensuctl reads iss before every
// refresh and posts to iss + "/auth/token" first.
func accessClaims(f policy.Facts) jose.Object {
	return jose.Obj().Int("exp", f.Expires.Unix()).Str("jti", f.ID).Str("iss", f.Issuer).
		Str("sub", f.Subject.Name).Strs("groups", groups(f.Subject.Groups)).
		Obj("provider", providerClaim(provider, f.Subject.Name)).
		Bool("api_key", false).Str("session_id", f.Session)
}

// refreshClaims are those of a refresh token: jti is the secret of this rotation,
// session_id that of the access token beside it.
func refreshClaims(f policy.Facts) jose.Object {
	return jose.Obj().Int("exp", f.Expires.Unix()).Str("jti", f.Secret).Int("iat", f.Now.Unix()).
		Str("sub", f.Subject.Name).Null("groups").
		Obj("provider", providerClaim("", "")).
		Bool("api_key", false).Str("session_id", f.Session)
}

func providerClaim(id, user string) jose.Object {
	return jose.Obj().Str("provider_id", id).Str("provider_type", "").Str("user_id", user)
}

func groups(own []string) []string {
	if slices.Contains(own, everybody) {
		return own
	}
	return append(slices.Clone(own), everybody)
}

// readAccess and readRefresh read their own kind only. Both kinds have the same
// key and header, so without this a refresh token would open doors for hours and
// an access token would renew itself.
func readAccess(c jose.Claims) (id, secret string) {
	if !c.Has("iss") || c.Has("iat") || isNull(c.Raw("groups")) {
		return "", ""
	}
	id, _ = c.Text("jti")
	return id, ""
}

func readRefresh(c jose.Claims) (session, secret string) {
	if c.Has("iss") || !c.Has("iat") || !isNull(c.Raw("groups")) {
		return "", ""
	}
	session, _ = c.Text("session_id")
	secret, _ = c.Text("jti")
	return session, secret
}

func isNull(raw []byte) bool { return string(raw) == "null" }
