package cli

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"

	"jeton/internal/adminapi"
	"jeton/internal/config"
)

// ClientCmd is registered clients.
type ClientCmd struct {
	List    ClientListCmd    `cmd:"" help:"List clients."`
	Show    ClientShowCmd    `cmd:"" help:"Show one client."`
	Create  ClientCreateCmd  `cmd:"" help:"Register a client, and print the call it makes."`
	Set     ClientSetCmd     `cmd:"" help:"Change a client."`
	Secret  ClientSecretCmd  `cmd:"" help:"Add and revoke a client's secrets."`
	Enable  ClientEnableCmd  `cmd:"" help:"Let a client authenticate again."`
	Disable ClientDisableCmd `cmd:"" help:"Stop a client and its tokens, until it is enabled again."`
	Delete  ClientDeleteCmd  `cmd:"" help:"Delete a client; its tokens end."`
	Revoke  ClientRevokeCmd  `cmd:"" help:"End every token a client was issued."`
	Claims  ClientClaimsCmd  `cmd:"" help:"Show what a client is told of a user."`
}

// Examples implements exampler.
func (*ClientCmd) Examples() []string {
	return []string{
		"jeton client list --grant password             # who still uses passwords",
		"jeton client create batch --kind oidc --grant client_credentials",
	}
}

// clientFlags are what every command about one client has.
type clientFlags struct {
	remoteFlags
	outFlags
	ID string `arg:"" help:"Client id."`
}

func (f clientFlags) path(more ...string) string {
	return "/clients" + escaped(f.ID) + strings.Join(more, "")
}

// ClientListCmd lists clients.
type ClientListCmd struct {
	remoteFlags
	outFlags
	Dialect string `placeholder:"NAME" help:"Only clients of this dialect."`
	Grant   string `placeholder:"TYPE" help:"Only clients that may use this grant."`
	Search  string `placeholder:"TEXT" help:"Only clients with this in id or name."`
}

// Examples implements exampler.
func (*ClientListCmd) Examples() []string {
	return []string{
		"jeton client list",
		"jeton client list --dialect fortiauth -o json | jq -r '.[].id'",
	}
}

// Exits implements exiter.
func (*ClientListCmd) Exits() []int { return []int{ExitRefused, ExitUnreachable} }

// Run lists clients.
func (c *ClientListCmd) Run(env *Env) error {
	return c.with(env, func(api *adminClient) error {
		list, err := all[adminapi.Client](api, "/clients", query("dialect", c.Dialect, "grant", c.Grant, "q", c.Search))
		if err != nil {
			return err
		}
		t := table{head: []string{"ID", "NAME", "DIALECT", "GRANTS", "SECRETS", "STATE"}, empty: "no clients; next: jeton client create NAME --kind web"}
		for _, x := range list {
			t.add(x.ID, x.Name, x.Dialect, strings.Join(x.Grants, " "), secretState(env, x), clientState(x))
		}
		return c.show(env, list, t)
	})
}

// query makes a query of pairs, leaving out what is empty.
func query(pairs ...string) url.Values {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	return q
}

func clientState(c adminapi.Client) string {
	if !c.Enabled {
		return "disabled"
	}
	return "active"
}

func secretState(env *Env, c adminapi.Client) string {
	if len(c.Secrets) == 0 {
		return "none (" + c.Auth + ")"
	}
	out := fmt.Sprintf("%d", len(c.Secrets))
	for _, s := range c.Secrets {
		if s.Ends != 0 {
			return out + ", one ends " + since(env, s.Ends, "")
		}
	}
	return out
}

// ClientShowCmd shows one client.
type ClientShowCmd struct{ clientFlags }

// Examples implements exampler.
func (*ClientShowCmd) Examples() []string {
	return []string{"jeton client show portal", "jeton client show portal -o yaml"}
}

// Exits implements exiter.
func (*ClientShowCmd) Exits() []int { return []int{ExitNotFound, ExitUnreachable} }

// Run shows one client.
func (c *ClientShowCmd) Run(env *Env) error {
	return c.with(env, func(api *adminClient) error {
		var x adminapi.Client
		if err := api.get(c.path(), nil, &x); err != nil {
			return err
		}
		return c.show(env, x, clientTable(env, x))
	})
}

func clientTable(env *Env, x adminapi.Client) table {
	t := fields("id", x.ID, "name", x.Name, "organization", x.Organization, "dialect", x.Dialect, "state", clientState(x),
		"auth", x.Auth, "grants", strings.Join(x.Grants, " "), "scopes", strings.Join(x.Scopes, " "),
		"default_scope", strings.Join(x.DefaultScope, " "), "audiences", strings.Join(x.Audiences, " "),
		"redirect_uris", strings.Join(x.RedirectURIs, " "), "resource", x.Resource, "realm", x.Realm, "source", x.Source)
	if x.Introspect {
		t.add("introspect", "yes")
	}
	if a := x.AccessToken; a != nil {
		t.add("access_token", joined(a.Format, a.Alg, life(a.Life)))
	}
	if i := x.IDToken; i != nil {
		t.add("id_token", joined(i.Alg, life(i.Life)))
	}
	if r := x.RefreshToken; r != nil {
		t.add("refresh_token", life(r.Life))
	}
	browserRows(&t, x)
	for _, s := range x.Secrets {
		hint := s.Hint
		if hint != "" {
			hint = "…" + hint
		}
		t.add("secret", joined(hint, "made "+since(env, s.Created, "before"), "ends "+since(env, s.Ends, "never")))
	}
	for _, k := range x.Keys {
		t.add("key", joined(k.ID, fingerprint(k.PEM)))
	}
	for name, v := range x.Settings {
		t.add("settings."+name, string(v))
	}
	return t
}

// browserRows adds what concerns people's browsers, and only what is not as usual.
func browserRows(t *table, x adminapi.Client) {
	age := ""
	if x.DefaultMaxAge != nil {
		age = config.Age(*x.DefaultMaxAge).String()
	}
	t.rows = append(t.rows, fields("pkce", x.PKCE, "consent", x.Consent, "reviewed", x.Reviewed,
		"post_logout_redirect_uris", strings.Join(x.PostLogoutURIs, " "), "backchannel_logout_uri", x.BackchannelURI,
		"initiate_login_uri", x.InitiateURI, "client_uri", x.HomeURI, "policy_uri", x.PolicyURI, "tos_uri", x.TermsURI,
		"default_max_age", age, "userinfo_signed_response_alg", x.UserinfoAlg).rows...)
	if x.Own {
		t.add("own", "yes")
	}
	if x.BackchannelSID {
		t.add("backchannel_logout_session_required", "yes")
	}
	for _, c := range x.Claims {
		only := ""
		if c.Scope != "" {
			only = "with scope " + c.Scope
		}
		t.add("claim", joined(c.Name+" from "+c.From, only, strings.Join(c.In, " ")))
	}
}

// joined joins what is not empty.
func joined(parts ...string) string {
	var out []string
	for _, p := range parts {
		if p != "" {
			out = append(out, p)
		}
	}
	return strings.Join(out, ", ")
}

func life(seconds *int64) string {
	if seconds == nil {
		return ""
	}
	return "life " + config.Seconds(*seconds).String()
}

// ClientCreateCmd registers a client.
type ClientCreateCmd struct {
	remoteFlags
	outFlags
	Name         string   `arg:"" help:"Name people read; also the client id unless --id gives one."`
	Kind         string   `required:"" placeholder:"KIND" help:"What it is: web (an application with a server), spa (one that runs in a browser), native (one on a device), or the dialect it speaks: oidc, faspex, fortiauth, aspire, aoc, sensu."`
	ID           string   `name:"id" placeholder:"ID" help:"Client id."`
	Auth         string   `placeholder:"METHOD" help:"How it authenticates: client_secret_basic, client_secret_post, client_secret (either), private_key_jwt, none." otherwise:"what its kind does"`
	Grant        []string `placeholder:"TYPE" help:"Grant it may use; may be repeated." otherwise:"what its kind uses"`
	Scope        []string `placeholder:"VALUE" help:"Scope it may ask for; may be repeated. For web, spa and native: openid, profile, email and offline_access unless it is given."`
	RedirectURI  []string `name:"redirect-uri" placeholder:"URI" help:"Where a browser is sent back to, byte for byte; may be repeated. For native: any port of loopback unless it is given." sep:"none"`
	Audience     []string `placeholder:"URI" help:"Resource server its tokens are for; may be repeated." sep:"none"`
	PublicKey    string   `name:"public-key" placeholder:"FILE" help:"Public key of the client, PEM."`
	Realm        string   `placeholder:"NAME" help:"Whose users it signs in." otherwise:"the organization's default realm"`
	SecretFile   string   `name:"secret-file" placeholder:"FILE" help:"File that holds its secret." otherwise:"a new one is made and shown once"`
	SecretStdin  bool     `name:"secret-stdin" help:"Read its secret from standard input."`
	SettingPairs []string `name:"set" placeholder:"NAME=VALUE" help:"A member, such as consent=always, or a setting of its dialect; may be repeated." sep:"none"`
}

// Examples implements exampler.
func (*ClientCreateCmd) Examples() []string {
	return []string{
		"jeton client create fac-portal --kind fortiauth --grant password --grant refresh_token",
		"jeton client create portal --kind web --redirect-uri https://portal.example.com/cb",
		"jeton client create phone --kind native        # a redirect to loopback, no secret",
	}
}

// Exits implements exiter.
func (*ClientCreateCmd) Exits() []int { return []int{ExitRefused, ExitConflict, ExitUnreachable} }

// usualGrants are what a client of a dialect uses when it is not told.
var usualGrants = map[string][]string{
	"oidc":      {"authorization_code", "refresh_token"},
	"faspex":    {"password", "refresh_token"},
	"fortiauth": {"password", "refresh_token"},
	"aspire":    {"client_credentials", "refresh_token"},
	"aoc":       {"jwt-bearer"},
	"sensu":     {"password", "refresh_token"},
}

// preset is what a kind of client that is no dialect means. A flag counts before it.
type preset struct {
	auth      string
	redirects []string
}

// presets are the kinds of OpenID Connect clients. An app on a device listens on
// whatever port is free (RFC 8252 §7.3).
var presets = map[string]preset{
	"web":    {},
	"spa":    {auth: "none"},
	"native": {auth: "none", redirects: []string{"http://127.0.0.1/callback", "http://[::1]/callback"}},
}

// presetScopes are what a client that signs people in may ask for.
var presetScopes = []string{"openid", "profile", "email", "offline_access"}

// preset fills in what the kind means, and gives the command with a dialect in its
// place.
func (c ClientCreateCmd) preset() ClientCreateCmd {
	p, ok := presets[c.Kind]
	if !ok {
		return c
	}
	c.Kind, c.Auth = "oidc", first(c.Auth, p.auth)
	if len(c.Scope) == 0 {
		c.Scope = presetScopes
	}
	if len(c.RedirectURI) == 0 {
		c.RedirectURI = p.redirects
	}
	return c
}

// withoutID are the dialects whose vendor's clients send no client id.
var withoutID = map[string]bool{"faspex": true, "sensu": true}

// Run registers the client and prints its secret once, and the call it makes.
func (c *ClientCreateCmd) Run(env *Env) error {
	body, err := c.preset().body(env)
	if err != nil {
		return err
	}
	return c.with(env, func(api *adminClient) error {
		var info adminapi.Info
		if err := api.get("/info", nil, &info); err != nil {
			return err
		}
		var x adminapi.NewClient
		if err := api.post("/clients", body, &x); err != nil {
			return err
		}
		return c.report(env, x, info)
	})
}

func (c ClientCreateCmd) body(env *Env) (map[string]any, error) {
	o := map[string]any{"id": first(c.ID, c.Name), "name": c.Name, "dialect": c.Kind}
	grants := c.Grant
	if len(grants) == 0 {
		grants = usualGrants[c.Kind]
	}
	for name, list := range map[string][]string{
		"grants": grants, "scopes": c.Scope, "redirect_uris": c.RedirectURI, "audiences": c.Audience,
	} {
		if len(list) > 0 {
			o[name] = list
		}
	}
	auth := c.Auth
	if auth == "" && withoutID[c.Kind] {
		auth = "none"
	}
	for name, v := range map[string]string{"auth": auth, "realm": c.Realm} {
		if v != "" {
			o[name] = v
		}
	}
	if c.PublicKey != "" {
		b, err := os.ReadFile(env.Path(c.PublicKey))
		if err != nil {
			return nil, fail(ExitUsage, "name a readable PEM file with --public-key", "the public key could not be read: %v", err)
		}
		o["keys"] = []any{map[string]any{"pem": string(b)}}
	}
	return o, c.addSecret(env, o)
}

// addSecret adds what is given of secrets and settings.
func (c ClientCreateCmd) addSecret(env *Env, o map[string]any) error {
	secret, given, err := givenSecret(env, c.SecretFile, c.SecretStdin)
	if err != nil {
		return err
	}
	if given {
		o["secrets"] = []any{map[string]any{"plain": secret.Reveal()}}
	}
	for _, pair := range c.SettingPairs {
		if err := assign(o, placed(today(env, pair), clientMembers)); err != nil {
			return err
		}
	}
	return nil
}

func (c *ClientCreateCmd) report(env *Env, x adminapi.NewClient, info adminapi.Info) error {
	if c.Output != "table" {
		return c.show(env, x, table{})
	}
	if c.Quiet {
		_, err := fmt.Fprintln(env.Stdout, first(x.Secret, x.ID))
		return err
	}
	fmt.Fprintf(env.Stdout, "client  %s   %s\n", x.ID, x.Dialect)
	if x.Secret != "" {
		fmt.Fprintf(env.Stdout, "secret  %s   (shown once; the server keeps a hash)\n", x.Secret)
	}
	for _, uri := range x.RedirectURIs {
		fmt.Fprintf(env.Stdout, "redirect  %s\n", uri)
	}
	call := vendorCall(env, x, first(info.URL, "http://"+config.DefaultListen))
	if call == "" {
		return nil
	}
	_, err := fmt.Fprintf(env.Stdout, "\nits call, which stays what it was but for the server's name:\n%s\n", indent(call))
	return err
}

// vendorCall is what the vendor's documents have a client send, "" where a browser
// comes first. Its secrets are shell variables.
func vendorCall(env *Env, x adminapi.NewClient, base string) string {
	p := play{env: env, dialect: x.Dialect, base: base, client: x.ID, org: x.Organization,
		public: x.Auth == "none", flags: playFlags{Curl: true}}
	for _, g := range []struct{ registered, played string }{
		{"client_credentials", "client_credentials"}, {"jwt-bearer", "jwt"}, {"password", "password"},
	} {
		if p.grant == "" && slices.Contains(x.Grants, g.registered) {
			p.grant = g.played
		}
	}
	if p.grant == "" {
		return ""
	}
	return p.curl()
}

func indent(text string) string { return "  " + strings.ReplaceAll(text, "\n", "\n  ") }

// ClientSetCmd changes a client.
type ClientSetCmd struct {
	clientFlags
	Change []string `arg:"" name:"name=value" help:"What to change: name=Portal, scopes=read,write, scopes+=email, scopes-=write, access_token.life=15m, consent=always, reviewed=now, a setting of the dialect; an empty value goes back to the default."`
}

// Examples implements exampler.
func (*ClientSetCmd) Examples() []string {
	return []string{
		"jeton client set portal scopes=openid,profile  # a list takes the place of the old one",
		"jeton client set portal scopes+=email          # one more",
		"jeton client set portal refresh_token.life=30d",
		`jeton client set portal 'claims=[{"name": "department", "from": "dept", "scope": "profile"}]'`,
	}
}

// Exits implements exiter.
func (*ClientSetCmd) Exits() []int {
	return []int{ExitRefused, ExitNotFound, ExitConflict, ExitUnreachable}
}

// Run sends what is to change as one patch.
func (c *ClientSetCmd) Run(env *Env) error {
	for _, pair := range c.Change {
		if err := assign(map[string]any{}, pair); err != nil {
			return err
		}
	}
	return c.with(env, func(api *adminClient) error {
		pairs, err := whole(c.Change, clientMembers, func(now any) error { return api.get(c.path(), nil, now) })
		if err != nil {
			return err
		}
		patch := map[string]any{}
		for _, pair := range pairs {
			if err := assign(patch, placed(today(env, pair), clientMembers)); err != nil {
				return err
			}
		}
		var x adminapi.Client
		if err := api.patch(c.path(), patch, &x); err != nil {
			return err
		}
		return c.show(env, x, clientTable(env, x))
	})
}

// clientMembers are the members of a client, and whether each is a list.
var clientMembers = map[string]bool{
	"name": false, "dialect": false, "enabled": false, "auth": false, "grants": true, "scopes": true, "default_scope": true,
	"audiences": true, "redirect_uris": true, "introspect": false, "resource": false, "realm": false,
	"access_token": false, "id_token": false, "refresh_token": false, "settings": false,
	"pkce": false, "consent": false, "own": false, "reviewed": false, "client_uri": false, "policy_uri": false, "tos_uri": false,
	"initiate_login_uri": false, "post_logout_redirect_uris": true, "backchannel_logout_uri": false,
	"backchannel_logout_session_required": false, "default_max_age": false, "userinfo_signed_response_alg": false, "claims": false,
}

// today lets a person write reviewed=now.
func today(env *Env, pair string) string {
	if pair == "reviewed=now" {
		return "reviewed=" + config.Time(env.Now().Unix()).String()
	}
	return pair
}

// whole turns name+=a,b and name-=a,b into the whole list that name becomes; read
// gives the object as it stands.
func whole(pairs []string, members map[string]bool, read func(any) error) ([]string, error) {
	var object map[string]any
	out := slices.Clone(pairs)
	for i, pair := range pairs {
		name, text, _ := strings.Cut(pair, "=")
		sign := name[max(len(name)-1, 0):]
		if sign != "+" && sign != "-" {
			continue
		}
		name = name[:len(name)-1]
		if !members[name] {
			return nil, fail(ExitUsage, "write "+name+"="+text, "%s is no list", name)
		}
		if object == nil {
			if err := read(&object); err != nil {
				return nil, err
			}
		}
		var list []string
		have, _ := object[name].([]any)
		for _, v := range have {
			list = append(list, fmt.Sprint(v))
		}
		for _, v := range valueOf(text, true).([]string) {
			switch has := slices.Contains(list, v); {
			case sign == "+" && !has:
				list = append(list, v)
			case sign == "-" && has:
				list = slices.DeleteFunc(list, func(x string) bool { return x == v })
			}
		}
		now := make([]any, len(list))
		for i, v := range list {
			now[i] = v
		}
		object[name] = now
		out[i] = name + "=" + strings.Join(list, ",")
	}
	return out, nil
}

// placed puts a name that is no member of the object among its settings.
func placed(pair string, members map[string]bool) string {
	name, _, _ := strings.Cut(pair, "=")
	head, _, _ := strings.Cut(name, ".")
	if _, known := members[head]; known {
		return pair
	}
	return "settings." + pair
}

// assign sets name=value in a patch. A dot leads into an object, but for settings,
// whose names hold dots themselves. An empty value removes.
func assign(patch map[string]any, pair string) error {
	name, text, ok := strings.Cut(pair, "=")
	if !ok || name == "" {
		return fail(ExitUsage, "write it like scopes=read,write", "%q is not name=value", pair)
	}
	at := patch
	if head, rest, nested := strings.Cut(name, "."); nested {
		inner, _ := patch[head].(map[string]any)
		if inner == nil {
			inner = map[string]any{}
		}
		patch[head] = inner
		at, name = inner, rest
	}
	at[name] = valueOf(text, clientMembers[name] || userMembers[name])
	return nil
}

// valueOf reads a value: a list where one belongs, else true, false, a whole number,
// JSON in brackets, or text.
func valueOf(text string, list bool) any {
	switch {
	case text == "":
		return nil
	case list:
		return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
	case text == "true" || text == "false":
		return text == "true"
	}
	var v any
	if (text[0] == '[' || text[0] == '{') && json.Unmarshal([]byte(text), &v) == nil {
		return v
	}
	var n json.Number
	if json.Unmarshal([]byte(text), &n) == nil && !strings.ContainsAny(text, `".eE`) {
		return n
	}
	return text
}

// ClientSecretCmd is a client's secrets.
type ClientSecretCmd struct {
	Add    ClientSecretAddCmd    `cmd:"" default:"withargs" help:"Make a further secret and show it once."`
	Revoke ClientSecretRevokeCmd `cmd:"" help:"End one secret."`
}

// Examples implements exampler.
func (*ClientSecretCmd) Examples() []string {
	return append(new(ClientSecretAddCmd).Examples()[:1], new(ClientSecretRevokeCmd).Examples()[0])
}

// ClientSecretAddCmd makes a further secret.
type ClientSecretAddCmd struct{ clientFlags }

// Examples implements exampler.
func (*ClientSecretAddCmd) Examples() []string {
	return []string{
		"jeton client secret add portal",
		"jeton client secret add portal -q > portal.secret",
	}
}

// Exits implements exiter.
func (*ClientSecretAddCmd) Exits() []int { return []int{ExitNotFound, ExitConflict, ExitUnreachable} }

// Run makes the secret. Three live at a time; the oldest goes when there are more.
func (c *ClientSecretAddCmd) Run(env *Env) error {
	return c.with(env, func(api *adminClient) error {
		var x adminapi.NewClient
		if err := api.post(c.path("/secrets"), nil, &x); err != nil {
			return err
		}
		if c.Output != "table" {
			return c.show(env, x, table{})
		}
		c.say(env, "shown once; the server keeps a hash. Old secrets still count: jeton client secret revoke %s HINT", x.ID)
		_, err := fmt.Fprintln(env.Stdout, x.Secret)
		return err
	})
}

// ClientSecretRevokeCmd ends one secret.
type ClientSecretRevokeCmd struct {
	clientFlags
	Secret string `arg:"" help:"Last four characters of the secret, or its place in the list, from 1."`
}

// Examples implements exampler.
func (*ClientSecretRevokeCmd) Examples() []string {
	return []string{"jeton client secret revoke portal 6MaT", "jeton client secret revoke portal 2"}
}

// Exits implements exiter.
func (*ClientSecretRevokeCmd) Exits() []int {
	return []int{ExitNotFound, ExitConflict, ExitUnreachable}
}

// Run ends the secret.
func (c *ClientSecretRevokeCmd) Run(env *Env) error {
	return c.with(env, func(api *adminClient) error {
		if err := api.remove(c.path("/secrets", escaped(c.Secret))); err != nil {
			return err
		}
		c.say(env, "secret %s of client %s ended", c.Secret, c.ID)
		return nil
	})
}

// ClientEnableCmd lets a client authenticate again.
type ClientEnableCmd struct{ clientFlags }

// Examples implements exampler.
func (*ClientEnableCmd) Examples() []string {
	return []string{"jeton client enable portal", "jeton client enable mover --organization acme"}
}

// Exits implements exiter.
func (*ClientEnableCmd) Exits() []int { return []int{ExitNotFound, ExitUnreachable} }

// Run enables the client.
func (c *ClientEnableCmd) Run(env *Env) error { return c.verb(env, "enable", "enabled") }

// ClientDisableCmd stops a client.
type ClientDisableCmd struct{ clientFlags }

// Examples implements exampler.
func (*ClientDisableCmd) Examples() []string {
	return []string{"jeton client disable portal", "jeton client disable mover --organization acme"}
}

// Exits implements exiter.
func (*ClientDisableCmd) Exits() []int { return []int{ExitNotFound, ExitUnreachable} }

// Run disables the client.
func (c *ClientDisableCmd) Run(env *Env) error {
	return c.verb(env, "disable", "disabled; its tokens have ended")
}

// ClientRevokeCmd ends every token of a client.
type ClientRevokeCmd struct{ clientFlags }

// Examples implements exampler.
func (*ClientRevokeCmd) Examples() []string {
	return []string{"jeton client revoke portal", "jeton client revoke mover --organization acme"}
}

// Exits implements exiter.
func (*ClientRevokeCmd) Exits() []int { return []int{ExitNotFound, ExitUnreachable} }

// Run ends the tokens.
func (c *ClientRevokeCmd) Run(env *Env) error {
	return c.verb(env, "revoke", "keeps its registration; every token issued to it so far has ended")
}

// verb runs a verb without answer on the client.
func (f clientFlags) verb(env *Env, verb, done string) error {
	return f.with(env, func(api *adminClient) error {
		if err := api.post(f.path("/"+verb), nil, nil); err != nil {
			return err
		}
		f.say(env, "client %s %s", f.ID, done)
		return nil
	})
}

// ClientDeleteCmd deletes a client.
type ClientDeleteCmd struct {
	clientFlags
	askFlags
}

// Examples implements exampler.
func (*ClientDeleteCmd) Examples() []string {
	return []string{
		"jeton client delete portal                     # asks for the name",
		"jeton client delete portal --yes",
	}
}

// Exits implements exiter.
func (*ClientDeleteCmd) Exits() []int { return []int{ExitNotFound, ExitUnreachable} }

// Run says what ends, asks, and deletes.
func (c *ClientDeleteCmd) Run(env *Env) error {
	return c.with(env, func(api *adminClient) error {
		var x adminapi.Client
		if err := api.get(c.path(), nil, &x); err != nil {
			return err
		}
		live, err := all[adminapi.Family](api, "/tokens", query("client", c.ID))
		if err != nil {
			return err
		}
		if err := c.confirm(env, "client", c.ID, ends(len(live))); err != nil {
			return err
		}
		if err := api.remove(c.path()); err != nil {
			return err
		}
		c.say(env, "client %s deleted", c.ID)
		return nil
	})
}

// ends says what a deletion takes along.
func ends(tokens int) string {
	switch tokens {
	case 0:
		return "ends no live grant"
	case 1:
		return "ends 1 live grant"
	}
	return fmt.Sprintf("ends %d live grants", tokens)
}
