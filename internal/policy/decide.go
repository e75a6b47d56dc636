package policy

import (
	"slices"
	"time"

	"jeton/internal/client"
	"jeton/internal/oauth"
)

// Ask is what a token request asks for beside its proof.
type Ask struct {
	Grant    oauth.GrantType
	Scope    oauth.Scope // asked scope; empty = none was asked
	Resource []string    // resource indicators (RFC 8707)
}

// Decision is what the token will be.
type Decision struct {
	Scope    oauth.Scope // of the access token
	Family   oauth.Scope // of the grant as a whole; Scope lies within it
	Audience []string
	Access   time.Duration // life of the access token, 0 = never ends
	Idle     time.Duration // life of an unused refresh token, 0 = no end of its own
	Life     time.Duration // absolute life of the family, 0 = none
	Refresh  bool          // a refresh token is given
}

// MayUse refuses a grant type the client is not registered for (RFC 6749 §5.2).
func MayUse(p Profile, c *client.Client, g oauth.GrantType) error {
	if !may(p, c, g) {
		return oauth.Refuse(oauth.UnauthorizedClient, "")
	}
	return nil
}

func may(p Profile, c *client.Client, g oauth.GrantType) bool {
	return c.May(g) || (len(c.Grants) == 0 && slices.Contains(p.Grants, g))
}

// Decide settles scope, audience and lives. The result never goes beyond what was
// asked, what the client may have, or what an earlier grant allowed.
func Decide(p Profile, c *client.Client, proof oauth.Proof, ask Ask) (Decision, error) {
	var d Decision
	var err error
	d.Refresh = proof.Family != nil || // a refresh is answered with one again
		slices.Contains(p.RefreshFor, ask.Grant) && may(p, c, oauth.GrantRefreshToken)
	if d.Family, d.Scope, err = scopes(p, c, proof, ask.Scope); err != nil {
		return Decision{}, err
	}
	if d.Audience, err = audience(p, c, proof, ask.Resource); err != nil {
		return Decision{}, err
	}
	d.Access = life(c.AccessLife, p.accessLife(d.Scope), p.Never)
	if p.Access.Kind == JWT && p.Rolling == 0 && c.AccessFormat != client.Opaque {
		d.Access = min(d.Access, MaxJWTLife)
	}
	d.Idle = life(c.RefreshLife, p.RefreshLife, p.Never)
	if p.Never && p.Rolling == 0 && d.Access == 0 && c.RefreshLife == nil {
		d.Idle = 0 // what has no end is not ended by its refresh token's default; a rolling token has one
	}
	d.Life = p.FamilyLife
	if d.Access == 0 || (d.Refresh && d.Idle == 0) {
		d.Life = 0 // something in the family never ends, so the family does not either
	}
	if d.Life != 0 && d.Access > d.Life {
		d.Life = d.Access
	}
	if !d.Refresh {
		d.Life = d.Access
	}
	return d, nil
}

// accessLife is the dialect's own life of an access token with this scope.
func (p Profile) accessLife(s oauth.Scope) time.Duration {
	if p.LifeFor != nil {
		return p.LifeFor(s)
	}
	return p.AccessLife
}

// Authorize settles scope and audience of an authorization request before and after
// the person is known. The result is the most the code may be redeemed for.
func Authorize(p Profile, c *client.Client, s oauth.Subject, asked oauth.Scope, resource []string) (oauth.Scope, []string, error) {
	var proof oauth.Proof
	proof.Subject = s
	var scope oauth.Scope
	var err error
	if p.Scopes != nil && s.User == 0 { // what such a dialect grants depends on the person
		scope = asked
	} else if _, scope, err = scopes(p, c, proof, asked); err != nil {
		return nil, nil, err
	}
	aud, err := audience(p, c, proof, resource)
	return scope, aud, err
}

// MustPKCE says whether an authorization request of the client needs a challenge
// (RFC 7636, RFC 9700 §2.1.1).
func MustPKCE(p Profile, c *client.Client) bool {
	if p.Code != nil && p.Code.PKCE != nil {
		return p.Code.PKCE(c)
	}
	return c.Public() || c.PKCE != client.PKCEOptional
}

// MustAsk says whether a person is to be asked before c gets wanted, of which had was
// allowed before. forced says that the client itself wants the question.
func MustAsk(p Profile, c *client.Client, had, wanted oauth.Scope, forced bool) bool {
	mode := c.Consent
	if mode == client.ConsentNever && !c.Own { // whoever wrote that: nobody vouches for the client
		mode = client.ConsentOnce
	}
	if p.Code != nil && p.Code.Consent != nil {
		mode = p.Code.Consent(c)
	}
	switch {
	case forced || mode == client.ConsentAlways:
		return true
	case mode == client.ConsentNever:
		return false
	}
	return len(wanted) == 0 && len(had) == 0 || !wanted.Within(had)
}

// IDLifeOf is how long an ID token of the client lives.
func (p Profile) IDLifeOf(c *client.Client, access time.Duration) time.Duration {
	d := p.IDLife
	if d == 0 {
		d = access
	}
	if c.IDTokenLife != nil && *c.IDTokenLife > 0 {
		d = time.Duration(*c.IDTokenLife) * time.Second
	}
	if d == 0 || d > MaxJWTLife {
		d = MaxJWTLife
	}
	return d
}

// MaxJWTLife is the longest life of a signed access token: a key that is replaced
// verifies for that long and no longer.
const MaxJWTLife = 31 * 24 * time.Hour

// life is the registered life in seconds, or the dialect's own. Zero means "never
// ends" only where the dialect has that.
func life(registered *int64, own time.Duration, never bool) time.Duration {
	if registered == nil || (*registered == 0 && !never) {
		return own
	}
	return time.Duration(*registered) * time.Second
}

func scopes(p Profile, c *client.Client, proof oauth.Proof, asked oauth.Scope) (family, granted oauth.Scope, err error) {
	if proof.Bounded { // an earlier grant: at most what it gave (RFC 6749 §6), and what the client may still have
		if !asked.Within(proof.Granted) {
			return nil, nil, oauth.Refuse(oauth.InvalidScope, "the scope goes beyond what was granted")
		}
		if len(asked) == 0 || p.Access.Kind == Short { // which has no room for a part of its grant's scope
			asked = proof.Granted
		}
		return proof.Granted, Still(p, c, proof.Subject, asked), nil
	}
	if p.Scopes != nil {
		granted, err = p.Scopes(c, proof.Subject, asked)
		return granted, granted, err
	}
	granted, err = StandardScopes(c, asked)
	return granted, granted, err
}

// Still is the part of a granted scope that the client and the subject may have
// now: what was taken from the client since is gone from its tokens too.
func Still(p Profile, c *client.Client, s oauth.Subject, granted oauth.Scope) oauth.Scope {
	may := func(v string) bool {
		if p.Scopes == nil {
			return c.Scopes.Has(v)
		}
		got, err := p.Scopes(c, s, oauth.Scope{v})
		return err == nil && got.Has(v)
	}
	for i, v := range granted {
		if may(v) {
			continue
		}
		out := slices.Clone(granted[:i]) // the usual case copies nothing
		for _, v := range granted[i+1:] {
			if may(v) {
				out = append(out, v)
			}
		}
		return out
	}
	return granted
}

// StandardScopes is the standard rule (RFC 6749 §3.3): what was asked must lie
// within what the client may have; asking nothing gives its default.
func StandardScopes(c *client.Client, asked oauth.Scope) (oauth.Scope, error) {
	if len(asked) == 0 {
		if len(c.DefaultScope) > 0 {
			return c.DefaultScope, nil
		}
		return c.Scopes, nil
	}
	if !asked.Within(c.Scopes) {
		return nil, oauth.Refuse(oauth.InvalidScope, "the client may not ask for this scope")
	}
	return asked, nil
}

// audience picks the audience of the access token (RFC 8707 §2): the resources
// asked for, each of which the client must be registered for and an earlier grant
// must have allowed; the client's first one, or the dialect's, when none was asked.
// An empty result means the server itself.
func audience(p Profile, c *client.Client, proof oauth.Proof, asked []string) ([]string, error) {
	for _, r := range asked {
		if !slices.Contains(c.Audiences, r) || (proof.Bounded && !slices.Contains(proof.Audience, r)) {
			return nil, oauth.Refuse(oauth.InvalidTarget, "")
		}
	}
	switch {
	case len(asked) > 0:
		return asked, nil
	case proof.Bounded && len(proof.Audience) > 0: // what was taken from the client since is gone
		still := slices.DeleteFunc(slices.Clone(proof.Audience), func(a string) bool {
			return a != p.Audience && !slices.Contains(c.Audiences, a)
		})
		if len(still) == 0 {
			return nil, oauth.Refuse(oauth.InvalidTarget, "")
		}
		return still, nil
	case proof.Bounded:
		return nil, nil
	case len(c.Audiences) > 0:
		return c.Audiences[:1], nil
	case p.Audience != "":
		return []string{p.Audience}, nil
	}
	return nil, nil
}

// Factor says whether a second factor is lacking. No client demands one yet; the
// pipeline asks all the same, so that a grant can never go round it.
func Factor(*client.Client, oauth.Proof) (kind string, lacking bool) { return "", false }
