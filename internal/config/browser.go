package config

import (
	"fmt"
	"regexp"
	"slices"

	"jeton/internal/client"
	"jeton/internal/oauth"
)

var (
	colour = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)
	claim  = regexp.MustCompile(`^[!-~]{1,128}$`)
)

// label checks a text people read on a page.
func (l *linter) label(s, path string) {
	if s != "" && !plainU.MatchString(s) {
		l.add(path, last(path)+" has no control characters, and 256 bytes at most", "shorten it to one line")
	}
}

func (l *linter) brand(x Brand, path string) {
	l.label(x.Name, path+".name")
	if x.Accent != "" && !colour.MatchString(x.Accent) {
		l.add(path+".accent", "not a colour of the form #rrggbb", "write six hexadecimal digits in quotes, such as \"#0b5cad\"")
	} else if x.Accent != "" && l.o.CheckAccent != nil {
		if err := l.o.CheckAccent(x.Accent); err != nil {
			l.add(path+".accent", err.Error(), "choose a darker colour")
		}
	}
	l.page(x.Help, path+".help")
	l.page(x.Terms, path+".terms")
	if x.Logo != nil {
		if text, next := lintLogo(*x.Logo); text != "" {
			l.add(path+".logo.base64", text, next)
		}
	}
}

// page checks the address of a page people are shown a link to.
func (l *linter) page(s, path string) {
	if s == "" {
		return
	}
	if text, next := checkPage(s); text != "" {
		l.add(path, text, next)
	}
}

// shortestSession is long enough to type a password in.
const shortestSession = 60

func (l *linter) sessionLife(x SessionLife, path string) {
	for _, life := range []struct {
		v    *Seconds
		path string
	}{{x.Idle, path + ".idle"}, {x.Life, path + ".life"}} {
		if life.v != nil && *life.v < shortestSession {
			l.add(life.path, "a browser session ends, and not before a minute", "write a length of time, such as 12h")
		}
	}
	if x.Idle != nil && x.Life != nil && *x.Idle > *x.Life {
		l.add(path+".idle", "an unused session would outlive life", "make idle shorter than life")
	}
}

func (l *linter) scopeTexts(in map[string]string, path string) {
	for _, name := range sortedKeys(in) {
		at := path + "." + name
		if p, err := oauth.ParseScope(name); err != nil || len(p) != 1 || p[0] != name {
			l.add(at, "not one scope value (RFC 6749 §3.3)", "write one value, without spaces, quotes and backslashes")
		}
		if in[name] == "" {
			l.add(at, "no words for the scope", "say what it lets a client do, such as: Read your calendar")
		}
		l.label(in[name], at)
	}
}

// browser checks what a client says of its dealings with people's browsers.
func (l *linter) browser(x Client, path string) {
	l.each(x.PostLogoutURIs, path+".post_logout_redirect_uris", func(s, at string) {
		if text, next := checkRedirect(s); text != "" {
			l.add(at, text, next)
		}
		l.unique(at, "post-logout redirect URI", path, s)
	})
	for _, at := range []struct{ uri, name string }{{x.BackchannelURI, ".backchannel_logout_uri"}, {x.InitiateURI, ".initiate_login_uri"}} {
		if at.uri == "" {
			continue
		}
		if text, next := checkEndpoint(at.uri); text != "" {
			l.add(path+at.name, text, next)
		}
	}
	l.page(x.HomeURI, path+".client_uri")
	l.page(x.PolicyURI, path+".policy_uri")
	l.page(x.TermsURI, path+".tos_uri")
	if x.BackchannelSID && x.BackchannelURI == "" {
		l.add(path+".backchannel_logout_session_required", "nobody is told of a logout without backchannel_logout_uri", "add `backchannel_logout_uri`, or remove this")
	}
	if x.PKCE == client.PKCEOptional && client.Method(x.Auth) == client.None {
		l.add(path+".pkce", "a public client must use PKCE: its codes could be used by whoever catches one (RFC 9700 §2.1.1)", "remove the line")
	}
	if x.Consent == client.ConsentNever && !x.Own {
		l.add(path+".consent", "only the organization's own clients may go without asking the person", "add `own: true` if that is what the client is, or remove the line")
	}
	if x.IDToken.Life != nil && *x.IDToken.Life == 0 {
		l.add(path+".id_token.life", "an ID token ends (OpenID Connect Core §2)", "write a length of time, such as 15m")
	}
	l.claims(x, path)
}

// reserved are claims with a meaning of their own: what a client does with them must
// not depend on what somebody wrote into an attribute (OpenID Connect Core §2, Back-
// Channel Logout §2.4, RFC 9068 §2.2, RFC 7800 §3.1).
var reserved = []string{
	"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "auth_time", "nonce", "acr", "amr", "azp", "at_hash", "c_hash", "s_hash", "sid",
	"client_id", "scope", "cnf", "act", "may_act", "events",
}

func (l *linter) claims(x Client, path string) {
	for i, c := range x.Claims {
		at := fmt.Sprintf("%s.claims[%d]", path, i)
		if l.needed(c.Name, at+".name") {
			switch {
			case slices.Contains(reserved, c.Name):
				l.add(at+".name", "claim `"+c.Name+"` is the server's own to set", "give the claim another name")
			case !claim.MatchString(c.Name):
				l.add(at+".name", "a claim's name has printable ASCII characters without spaces, 128 at most", "rename the claim")
			}
			l.unique(at+".name", "claim", path, c.Name)
		}
		if l.needed(c.From, at+".from") {
			l.label(c.From, at+".from")
		}
		if c.Scope != "" && !slices.Contains(x.Scopes, c.Scope) {
			l.add(at+".scope", "scope `"+c.Scope+"` is not among scopes: the claim would never be sent", "add it to `scopes`, or remove the line")
		}
		l.each(c.In, at+".in", func(s, in string) { l.unique(in, "place", at, s) })
	}
}
