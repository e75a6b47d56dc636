package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"jeton/internal/client"
	"jeton/internal/oauth"
)

// Lint finds what a well-formed file says that cannot be meant: repeats,
// references to nothing, redirect URIs that leak codes, clients that could never
// get a token. It reads no file and no variable; Resolve does.
func Lint(f *File, o Options) []Problem {
	l := &linter{notes: notes{f: f}, o: o, orgs: organizations(f, o), seen: map[string]string{}, byRealm: map[[2]string]map[string]bool{}}
	main := ""
	for i, x := range f.Organizations {
		path := fmt.Sprintf("organizations[%d]", i)
		if x.Default {
			l.onlyOne(&main, path+".default", "organization")
		}
		l.organization(x, path)
	}
	for i, x := range f.Users {
		l.user(x, fmt.Sprintf("users[%d]", i))
	}
	for i, x := range f.Clients {
		l.client(x, fmt.Sprintf("clients[%d]", i))
	}
	for i, x := range f.Objects {
		l.object(x, fmt.Sprintf("objects[%d]", i))
	}
	return tidy(l.problems)
}

type linter struct {
	notes
	o       Options
	orgs    orgs
	byRealm map[[2]string]map[string]bool // canonical user names in the file, by organization and realm
	seen    map[string]string             // key of what must be unique → path where it was first
}

// unique notes the second of two things with the same key. The parts of a key
// are joined by NUL, which no name holds.
func (l *linter) unique(path, what string, key ...string) bool {
	k := what + "\x00" + strings.Join(key, "\x00")
	first, repeated := l.seen[k]
	if !repeated {
		l.seen[k] = path
		return true
	}
	l.add(path, fmt.Sprintf("duplicate %s, first on line %d", what, l.f.place(first).line), "keep one of them, or rename one")
	return false
}

func (l *linter) onlyOne(first *string, path, what string) {
	if *first != "" {
		l.add(path, fmt.Sprintf("a second default %s, first on line %d", what, l.f.place(*first).line), "mark one only")
		return
	}
	*first = path
}

func (l *linter) needed(value, path string) bool {
	if value == "" {
		l.add(path, last(path)+" is missing", "add `"+last(path)+": …`")
		return false
	}
	return true
}

// unknown notes a name that is not among those known.
func (l *linter) unknown(path, what, name string, known []string) {
	next := "there is none yet; add one"
	if len(known) > 0 {
		next = "known here: " + strings.Join(known, ", ")
	}
	text := fmt.Sprintf("unknown %s `%s`", what, name)
	if near := Nearest(name, known); near != "" {
		text += ": did you mean `" + near + "`?"
	}
	l.add(path, text, next)
}

var (
	slug   = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	host   = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`)
	prefix = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)+$`)
	vschar = regexp.MustCompile(`^[\x20-\x7e]{1,255}$`)      // RFC 6749 Appendix A.1
	phc    = regexp.MustCompile(`^\$[a-z0-9-]+\$[!-~]+$`)    // PHC string, and modular crypt
	plainU = regexp.MustCompile(`^[^\x00-\x1f\x7f]{1,256}$`) // no control characters in a name
)

func (l *linter) organization(x Organization, path string) {
	if l.needed(x.ID, path+".id") {
		if !slug.MatchString(x.ID) {
			l.add(path+".id", "an organization's id has lower-case letters, digits and hyphens, 63 at most", "rename it; the readable name goes into `name`")
		}
		l.unique(path+".id", "organization", x.ID)
	}
	l.each(x.Hosts, path+".hosts", func(s, at string) {
		if len(s) > 253 || !host.MatchString(s) {
			l.add(at, "not a host name in lower case", "write the name alone, without scheme, port and path")
		}
		l.unique(at, "host", s)
	})
	l.each(x.Prefixes, path+".prefixes", func(s, at string) {
		if !prefix.MatchString(s) || strings.Contains(s+"/", "/../") || strings.Contains(s+"/", "/./") {
			l.add(at, "not a path prefix", "write it like /acme: a slash first, none at the end")
		}
		l.unique(at, "prefix", s)
	})
	if x.Dialects != nil && len(x.Dialects) == 0 {
		l.add(path+".dialects", "an organization without dialects answers nobody", "list some, or remove the line for all of them")
	}
	l.each(x.Dialects, path+".dialects", func(s, at string) {
		l.dialect(s, at)
		l.unique(at, "dialect", x.ID, s)
	})
	l.realms(x, path)
	l.brand(x.Brand, path+".brand")
	l.sessionLife(x.Session, path+".session")
	l.scopeTexts(x.Scopes, path+".scopes")
	l.providers(x, path)
	for _, name := range sortedKeys(x.Settings) {
		at := path + ".settings." + name
		if l.dialect(name, at) {
			l.settings(x.Settings[name], l.o.Dialects[name].Organization, at)
		}
	}
}

func (l *linter) each(list []string, path string, check func(s, at string)) {
	for i, s := range list {
		check(s, fmt.Sprintf("%s[%d]", path, i))
	}
}

func (l *linter) realms(x Organization, path string) {
	main := ""
	for i, r := range x.Realms {
		at := fmt.Sprintf("%s.realms[%d]", path, i)
		if l.needed(r.Name, at+".name") {
			if !plainU.MatchString(r.Name) {
				l.add(at+".name", "a realm's name has no control characters, and 256 bytes at most", "rename it")
			}
			l.unique(at+".name", "realm", path, r.Name)
		}
		l.label(r.Title, at+".title")
		if r.Default {
			l.onlyOne(&main, at+".default", "realm")
		}
	}
	if main == "" && len(x.Realms) > 0 && !slices.ContainsFunc(x.Realms, func(r Realm) bool { return r.Name == "local" }) {
		l.add(path+".realms", "no realm is the default one, and none is named local", "mark one with `default: true`")
	}
}

// dialect notes a dialect nobody speaks.
func (l *linter) dialect(name, path string) bool {
	if l.o.Dialects == nil {
		return true
	}
	if _, ok := l.o.Dialects[name]; !ok {
		l.unknown(path, "dialect", name, sortedKeys(l.o.Dialects))
		return false
	}
	return true
}

func (l *linter) settings(got map[string]any, known map[string]Setting, path string) {
	if known == nil {
		return
	}
	for _, name := range sortedKeys(got) {
		at := path + "." + name
		setting, ok := known[name]
		if !ok {
			l.unknown(at, "setting", name, sortedKeys(known))
			continue
		}
		if _, wanted := setting.read(got[name]); wanted != "" {
			l.add(at, "not a value setting "+name+" can have", "write "+wanted)
		}
	}
}

// belongs checks the organization and realm an entry names, and gives the
// organization's name, "" when it is unknown.
func (l *linter) belongs(org, realm, path string) string {
	name := l.orgs.name(org)
	if !l.orgs.known(name) {
		l.unknown(path+".organization", "organization", name, l.orgs.names())
		return ""
	}
	if realms := l.orgs.realmNames(name); realm != "" && !slices.Contains(realms, realm) {
		l.unknown(path+".realm", "realm", realm, realms)
	}
	return name
}

func (l *linter) user(x User, path string) {
	org := l.belongs(x.Organization, x.Realm, path)
	realm := l.orgs.realm(org, x.Realm)
	if l.needed(x.Name, path+".name") {
		if !plainU.MatchString(x.Name) {
			l.add(path+".name", "a user name has no control characters, and 256 bytes at most", "rename the user")
		}
		canon := l.o.canonical(x.Name)
		l.unique(path+".name", "user", org, realm, canon)
		l.remember(org, realm, canon)
	}
	if x.Email != "" {
		if before, after, ok := strings.Cut(x.Email, "@"); !ok || before == "" || after == "" || strings.ContainsAny(x.Email, " \t\r\n<>,") {
			l.add(path+".email", "not a mail address", "write it like ada@example.com")
		} else {
			l.unique(path+".email", "email", org, realm, strings.ToLower(x.Email))
		}
	}
	l.each(x.Groups, path+".groups", func(s, at string) { l.unique(at, "group", path, s) })
	if x.Password != nil {
		l.hash(*x.Password, path+".password")
	}
	l.keys(x.Keys, path)
	for _, name := range sortedKeys(x.Attributes) {
		if _, ok := l.o.Dialects[name]; !ok {
			continue
		}
		if _, ok := x.Attributes[name].(map[string]any); !ok {
			l.add(path+".attributes."+name, "what a dialect reads must be a mapping", "write its fields below "+name+":")
		}
	}
}

// hash catches a value that was put where its hash belongs; it is not quoted.
func (l *linter) hash(p Password, path string) {
	if p.Hash != "" && !phc.MatchString(p.Hash) {
		l.add(path+".hash", "not a hash: it does not look like $argon2id$…", "use {file: NAME} or {env: NAME} and let the server hash it")
	}
}

func (l *linter) keys(in []Key, path string) {
	for i, k := range in {
		at := fmt.Sprintf("%s.keys[%d]", path, i)
		if k.ID != "" {
			l.unique(at+".kid", "key id", path, k.ID)
		}
		if sourcesOf(k) == "pem" && l.o.CheckKey != nil {
			if err := l.o.CheckKey(k.PEM); err != nil {
				l.add(at+".pem", "not a key that can be registered: "+err.Error(), keyNext)
			}
		}
	}
}

func (l *linter) client(x Client, path string) {
	org := l.belongs(x.Organization, x.Realm, path)
	if l.needed(x.ID, path+".id") {
		if !vschar.MatchString(x.ID) {
			l.add(path+".id", "a client id has printable ASCII characters, 255 at most (RFC 6749 appendix A.1)", "rename the client; the readable name goes into `name`")
		}
		if x.Dialect == "oidc" && strings.Trim(x.ID, "0123456789") == "" {
			l.add(path+".id", "a client id of digits alone could be taken for a user's number in sub", "put a letter into it")
		}
		l.unique(path+".id", "client", org, x.ID)
	}
	if l.needed(x.Dialect, path+".dialect") && l.dialect(x.Dialect, path+".dialect") {
		l.spoken(x, org, path)
	}
	l.authentication(x, path)
	l.grants(x, path)
	l.scopes(x, path)
	l.each(x.RedirectURIs, path+".redirect_uris", func(s, at string) {
		if text, next := checkRedirect(s); text != "" {
			l.add(at, text, next)
		}
		l.unique(at, "redirect URI", path, s)
	})
	l.each(x.Audiences, path+".audiences", func(s, at string) {
		if s == "" || strings.Contains(s, "#") {
			l.add(at, "an audience is not empty and has no fragment (RFC 8707 §2)", "write the resource server's own `resource`")
		}
	})
	l.browser(x, path)
	l.keys(x.Keys, path)
	l.listed(x, org, path)
}

// spoken checks a client against its dialect and its organization.
func (l *linter) spoken(x Client, org, path string) {
	for i, o := range l.f.Organizations {
		if o.ID == org && o.Dialects != nil && !slices.Contains(o.Dialects, x.Dialect) {
			l.add(path+".dialect", fmt.Sprintf("dialect %s is switched off for organization %s", x.Dialect, org),
				fmt.Sprintf("add it on line %d, or choose another", l.f.place(fmt.Sprintf("organizations[%d].dialects", i)).line))
		}
	}
	if l.o.Dialects == nil {
		return
	}
	d := l.o.Dialects[x.Dialect]
	l.settings(x.Settings, d.Client, path+".settings")
	for _, life := range []struct {
		v    *Seconds
		path string
	}{{x.AccessToken.Life, ".access_token.life"}, {x.RefreshToken.Life, ".refresh_token.life"}} {
		if life.v != nil && *life.v == 0 && !d.Never {
			l.add(path+life.path, "tokens of dialect "+x.Dialect+" cannot live forever", "write a length of time, such as 30d")
		}
	}
}

func (l *linter) authentication(x Client, path string) {
	auth := or(client.Method(x.Auth), defaultAuth(x.Dialect))
	if len(x.Secrets) > client.MaxSecrets {
		l.add(path+".secrets", fmt.Sprintf("more than %d secrets", client.MaxSecrets), "remove the oldest")
	}
	for i, s := range x.Secrets {
		l.hash(s.Password, fmt.Sprintf("%s.secrets[%d]", path, i))
	}
	switch auth {
	case client.None:
		if len(x.Secrets) > 0 {
			l.add(path+".secrets", "a public client (auth: none) has no secrets", "remove them, or choose another `auth`")
		}
		if slices.Contains(x.Grants, "client_credentials") {
			l.add(path+".grants", "a public client cannot use client_credentials (RFC 6749 §4.4)", "give it a secret or a key, or remove the grant")
		}
		if x.Introspect {
			l.add(path+".introspect", "a public client cannot introspect: nobody could tell who asks (RFC 7662 §2.1)", "give it a secret or a key")
		}
	case client.PrivateKeyJWT:
		if len(x.Keys) == 0 {
			l.add(path+".auth", "private_key_jwt without keys: it could never authenticate", "add `keys`")
		}
		if len(x.Secrets) > 0 {
			l.add(path+".secrets", "secrets are not used with private_key_jwt", "remove them, or choose another `auth`")
		}
	default:
		// With an assertion as its grant a client need not authenticate (RFC 7521 §3.1).
		if len(x.Secrets) == 0 && !assertionsOnly(x.Grants) {
			l.add(path, fmt.Sprintf("client `%s` authenticates with a secret and has none", x.ID), "add `secrets`, or `auth: none` for a public client")
		}
	}
}

func assertionsOnly(grants []string) bool {
	return len(grants) > 0 && !slices.ContainsFunc(grants, func(g string) bool {
		return g != "jwt-bearer" && g != "saml2-bearer"
	})
}

func (l *linter) grants(x Client, path string) {
	has := func(g string) bool { return slices.Contains(x.Grants, g) }
	l.each(x.Grants, path+".grants", func(s, at string) { l.unique(at, "grant", path, s) })
	switch {
	case len(x.Grants) == 0 && !x.Introspect:
		l.add(path, fmt.Sprintf("client `%s` has no grants: it could never get a token", x.ID), "add `grants`, or `introspect: true` for a resource server")
	case len(x.Grants) == 1 && has("refresh_token"):
		l.add(path+".grants", "refresh_token alone: nothing would give the first refresh token", "add the grant that does")
	}
	if has("authorization_code") && len(x.RedirectURIs) == 0 {
		l.add(path+".grants", "authorization_code without redirect_uris: the code could go nowhere", "add `redirect_uris`")
	}
	if x.RefreshToken.Life != nil && !has("refresh_token") {
		l.add(path+".refresh_token", "a client without the refresh_token grant has no refresh tokens", "add the grant, or remove this")
	}
	if x.AccessToken.Alg != "" && x.AccessToken.Format == string(client.Opaque) {
		l.add(path+".access_token.alg", "an opaque access token is not signed", "remove alg, or write `format: jwt`")
	}
	if x.Resource != "" && !x.Introspect {
		l.add(path+".resource", "only a resource server stands for an audience", "add `introspect: true`, or write this under `audiences`")
	}
}

// organizationOf is the client's organization as far as it is known: the file's
// settings of it before those it has.
func (l *linter) organizationOf(x Client) *client.Org {
	id := l.orgs.name(x.Organization)
	org := &client.Org{ID: id}
	for i := range l.o.Existing {
		if l.o.Existing[i].ID == id {
			org = &l.o.Existing[i]
		}
	}
	for i, o := range l.f.Organizations {
		if o.ID == id && o.Settings != nil {
			r := &resolver{notes: notes{f: l.f}, o: l.o, orgs: l.orgs, w: &World{}}
			org := r.plainOrganization(o, fmt.Sprintf("organizations[%d]", i))
			return &org
		}
	}
	return org
}

func (l *linter) scopes(x Client, path string) {
	for _, s := range []struct {
		list []string
		path string
	}{{x.Scopes, path + ".scopes"}, {x.DefaultScope, path + ".default_scope"}} {
		if len(s.list) > oauth.MaxScopes {
			l.add(s.path, fmt.Sprintf("more than %d scope values", oauth.MaxScopes), "name fewer")
		}
		l.each(s.list, s.path, func(v, at string) {
			if p, err := oauth.ParseScope(v); err != nil || len(p) != 1 || p[0] != v {
				l.add(at, "not one scope value (RFC 6749 §3.3)", "write a list: [read, write]; no spaces, quotes or backslashes")
			}
			l.unique(at, "scope", s.path, v)
		})
	}
	if check := l.o.Dialects[x.Dialect].CheckScope; check != nil {
		org := l.organizationOf(x)
		l.each(x.Scopes, path+".scopes", func(v, at string) {
			if err := check(org, v); err != nil {
				l.add(at, err.Error(), "see docs/dialects/"+x.Dialect+".md")
			}
		})
	}
	l.each(x.DefaultScope, path+".default_scope", func(v, at string) {
		if !slices.Contains(x.Scopes, v) {
			l.add(at, fmt.Sprintf("default scope `%s` is not among scopes", v), "add it to `scopes`, or remove it")
		}
	})
}

// listed checks that the users a client is limited to exist.
func (l *linter) listed(x Client, org, path string) {
	if len(x.Users) == 0 || org == "" {
		return
	}
	realm := l.orgs.realm(org, x.Realm)
	known := l.byRealm[[2]string{org, realm}]
	l.each(x.Users, path+".users", func(name, at string) {
		l.unique(at, "user of this client", path, l.o.canonical(name))
		if known[l.o.canonical(name)] || l.o.KnownUser != nil && l.o.KnownUser(org, realm, name) {
			return
		}
		text := fmt.Sprintf("there is no user `%s` in realm %s of organization %s", name, realm, org)
		if near := Nearest(name, sortedKeys(known)); near != "" {
			text += ": did you mean `" + near + "`?"
		}
		l.add(at, text, "add the user, or set the client's realm to the user's")
	})
}

func (l *linter) remember(org, realm, canon string) {
	key := [2]string{org, realm}
	if l.byRealm[key] == nil {
		l.byRealm[key] = map[string]bool{}
	}
	l.byRealm[key][canon] = true
}

func (l *linter) object(x Object, path string) {
	org := l.belongs(x.Organization, "", path)
	if l.needed(x.Dialect, path+".dialect") {
		l.dialect(x.Dialect, path+".dialect")
	}
	if l.needed(x.Kind, path+".kind") && l.needed(x.ID, path+".id") {
		l.unique(path+".id", "object", org, x.Dialect, x.Kind, x.ID)
	}
}
