package aoc

import (
	"slices"
	"strings"
	"time"

	"jeton/internal/client"
	"jeton/internal/core"
	"jeton/internal/oauth"
)

// The scopes there are beside those of nodes. The plus sign of the last is part of
// its name.
const (
	scopeUser      = "user:all"
	scopeAdmin     = "admin:all"
	scopeAdminUser = "admin-user:all"
	scopeSelf      = "self"
	scopeBoth      = "admin-user:all+user:all"
)

// anyNode stands, in the scopes a client is registered for, for all access keys.
const anyNode = "*"

// maxAccessKey bounds the name of a node's access key, in bytes.
const maxAccessKey = 128

// scopes decides what a token may do: what was asked, user:all when nothing was. A
// client that is registered for no scopes in particular may have any, as the
// vendor's clients do; whatever it may have, administration is for administrators.
func scopes(c *client.Client, s oauth.Subject, asked oauth.Scope) (oauth.Scope, error) {
	if len(asked) == 0 {
		asked = oauth.Scope{scopeUser}
		if len(c.DefaultScope) > 0 {
			asked = c.DefaultScope
		}
	}
	for _, v := range asked {
		if !registered(c, v) {
			return nil, badScope()
		}
		if err := permit(c, s, v, len(asked) == 1); err != nil {
			return nil, err
		}
	}
	return asked, nil
}

// badScope is the vendor's refusal of a scope, which travels in redirects too.
func badScope() error { return oauth.Refuse(oauth.InvalidScope, texts[oauth.InvalidScope]) }

// allowed is scopes for an authorization request, whose answer knows no
// invalid_grant (RFC 6749 §4.1.2.1).
func allowed(c *client.Client, s oauth.Subject, asked oauth.Scope) (oauth.Scope, error) {
	got, err := scopes(c, s, asked)
	if oauth.Is(err, oauth.InvalidGrant) {
		return nil, badScope()
	}
	return got, err
}

// consent: a person is asked about every set of scopes that was not allowed before,
// or never.
func consent(c *client.Client) string {
	if explicit(c) {
		return client.ConsentOnce
	}
	return client.ConsentNever
}

// permit says whether the subject may have one scope value through this client.
func permit(c *client.Client, s oauth.Subject, v string, alone bool) error {
	switch v {
	case scopeUser, scopeSelf:
		return nil
	case scopeAdmin, scopeAdminUser, scopeBoth:
		if s.Admin {
			return nil
		}
		return badScope()
	}
	_, right, ok := nodeScope(v)
	switch {
	case !ok || !alone: // a node token is another kind of token, so its scope comes alone
		return badScope()
	case right == scopeAdmin && !(s.Admin && c.Bool(adminNodeTokens)):
		return oauth.Refuse(oauth.InvalidGrant, "")
	}
	return nil
}

// registered reports whether the client may ask for v at all.
func registered(c *client.Client, v string) bool {
	if len(c.Scopes) == 0 || c.Scopes.Has(v) {
		return true
	}
	if v == scopeBoth {
		return c.Scopes.Has(scopeAdminUser) && c.Scopes.Has(scopeUser)
	}
	_, right, ok := nodeScope(v)
	return ok && c.Scopes.Has("node."+anyNode+":"+right)
}

// nodeScope splits node.{access_key}:user:all and node.{access_key}:admin:all.
func nodeScope(v string) (accessKey, right string, ok bool) {
	rest, ok := strings.CutPrefix(v, "node.")
	if !ok {
		return "", "", false
	}
	accessKey, right, _ = strings.Cut(rest, ":")
	return accessKey, right, isAccessKey(accessKey) && (right == scopeUser || right == scopeAdmin)
}

func isAccessKey(s string) bool {
	return s != "" && len(s) <= maxAccessKey && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
	})
}

// isNode reports whether a token of this scope is a node bearer token.
func isNode(s oauth.Scope) bool {
	if len(s) != 1 {
		return false
	}
	_, _, ok := nodeScope(s[0])
	return ok
}

// isAdmin reports whether a scope reaches into administration.
func isAdmin(s oauth.Scope) bool {
	return slices.ContainsFunc(s, func(v string) bool { return v == scopeAdmin || v == scopeAdminUser || v == scopeBoth })
}

// lives are the organization's own lives of access tokens, by what they may do.
func lives(o *client.Org) func(oauth.Scope) time.Duration {
	return func(s oauth.Scope) time.Duration {
		name := userLife
		switch {
		case isNode(s):
			name = nodeLife
		case isAdmin(s):
			name = adminLife
		}
		if seconds := core.Setting(o, Name, name, int64(0)); seconds > 0 {
			return time.Duration(seconds) * time.Second
		}
		return Profile.AccessLife
	}
}
