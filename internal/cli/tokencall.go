package cli

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"jeton/internal/jose"
	"jeton/internal/oauth"
)

// param is one name and value of a request. Of a secret the shell variable that
// stands for it in a curl line is known too.
type param struct {
	name, value string
	variable    string // "" = no secret
}

// exchange is a request for a token before it is spelled: sent, or written down as
// the curl line of the vendor's documents.
type exchange struct {
	method, url string
	basic       []param // user and password
	form, json  []param
	bearer      param
}

// newState is an id nobody guesses.
func newState() string { return rand.Text() }

// exchange is what the vendor's own client would send.
func (p *play) exchange() exchange {
	password := param{"password", p.password.Reveal(), "PASSWORD"}
	secret := param{"client_secret", p.secret.Reveal(), "CLIENT_SECRET"}
	if p.public {
		secret.variable = ""
	}
	user := param{name: "username", value: first(p.user, "USER")}
	client := param{name: "client_id", value: first(p.client, "CLIENT")}
	switch p.dialect {
	case "faspex":
		x := exchange{method: "POST", url: p.base + "/aspera/faspex/auth/oauth2/token?grant_type=password", basic: []param{user, password}}
		if p.refresh != "" {
			x.url, x.basic = p.base+"/aspera/faspex/auth/oauth2/token", nil
			x.form = []param{{name: "grant_type", value: "refresh_token"}, p.refreshParam("refresh_token")}
		}
		return x
	case "fortiauth":
		return exchange{method: "POST", url: p.base + "/api/v1/oauth/token/", json: p.fortiauth(user, password, client, secret)}
	case "aspire":
		client.name, secret.name = "ClientId", "Secret"
		if p.refresh != "" {
			return exchange{method: "POST", url: p.base + "/Authorization/RefreshToken", json: []param{p.refreshParam("RefreshToken")}}
		}
		return exchange{method: "POST", url: p.base + "/Authorization", json: []param{client, secret}}
	case "aoc":
		return exchange{method: "POST", url: p.base + "/api/v1/oauth2/" + url.PathEscape(first(p.org, "ORG")) + "/token", form: []param{
			{name: "grant_type", value: string(oauth.GrantJWTBearer)}, client,
			{name: "scope", value: first(p.scope, "user:all")}, {"assertion", p.assertion.Reveal(), "JWT"},
		}}
	case "sensu":
		if p.refresh != "" {
			return exchange{method: "POST", url: p.base + "/auth/token", json: []param{p.refreshParam("refresh_token")}, bearer: param{"", p.assertion.Reveal(), "TOKEN"}}
		}
		return exchange{method: "GET", url: p.base + "/auth", basic: []param{user, password}}
	}
	return p.oidc(user, password, client, secret)
}

func (p *play) refreshParam(name string) param {
	return param{name, p.refresh.Reveal(), "REFRESH_TOKEN"}
}

// present keeps the parameters that have a value, or stand for one.
func (p *play) present(list ...param) []param {
	var out []param
	for _, x := range list {
		if x.value != "" || x.variable != "" && p.flags.Curl && !p.demo {
			out = append(out, x)
		}
	}
	return out
}

func (p *play) fortiauth(user, password, client, secret param) []param {
	if p.refresh != "" {
		return p.present(client, secret, param{name: "grant_type", value: "refresh_token"}, p.refreshParam("refresh_token"))
	}
	return p.present(user, password, param{name: "realm", value: p.realm}, client, secret,
		param{name: "scope", value: p.scope}, param{name: "grant_type", value: "password"})
}

func (p *play) oidc(user, password, client, secret param) exchange {
	x := exchange{method: "POST", url: p.base + "/oauth2/token"}
	grant := param{name: "grant_type", value: p.grant}
	switch {
	case p.refresh != "":
		grant.value = "refresh_token"
		x.form = []param{grant, p.refreshParam("refresh_token")}
	case p.grant == grantCode:
		grant.value = string(oauth.GrantAuthorizationCode)
		x.form = []param{grant, {"code", p.code.Reveal(), "CODE"}, {name: "redirect_uri", value: p.redirect}, {"code_verifier", p.verifier.Reveal(), "VERIFIER"}}
		x.form = append(x.form, p.present(param{name: "resource", value: p.resource})...) // the code carries the scope
		return p.authenticated(x, client, secret)
	case p.grant == "jwt":
		grant.value = string(oauth.GrantJWTBearer)
		x.form = []param{grant, {"assertion", p.assertion.Reveal(), "JWT"}}
	case p.grant == "password":
		x.form = []param{grant, user, password}
	default:
		x.form = []param{grant}
	}
	x.form = append(x.form, p.present(param{name: "scope", value: p.scope}, param{name: "resource", value: p.resource})...)
	return p.authenticated(x, client, secret)
}

// authenticated adds the client's credentials, or its name alone.
func (p *play) authenticated(x exchange, client, secret param) exchange {
	if p.secret == "" && (!p.flags.Curl || p.demo || p.public) {
		x.form = append(x.form, client)
		return x
	}
	x.basic = []param{client, secret}
	return x
}

// request spells the exchange for HTTP.
func (x exchange) request(p *play) (*http.Request, error) {
	var body io.Reader
	media := ""
	switch {
	case x.json != nil:
		b, err := jsonOf(x.json)
		if err != nil {
			return nil, err
		}
		body, media = bytes.NewReader(b), "application/json"
	case x.form != nil:
		form := url.Values{}
		for _, f := range x.form {
			form.Set(f.name, f.value)
		}
		body, media = strings.NewReader(form.Encode()), "application/x-www-form-urlencoded"
	}
	r, err := http.NewRequestWithContext(p.env.Ctx, x.method, x.url, body)
	if err != nil {
		return nil, fmt.Errorf("write the request: %w", err)
	}
	if media != "" {
		r.Header.Set("Content-Type", media)
	}
	if x.basic != nil {
		user, password := x.basic[0].value, x.basic[1].value
		if p.dialect == "oidc" { // RFC 6749 §2.3.1: both are form-encoded first
			user, password = url.QueryEscape(user), url.QueryEscape(password)
		}
		r.SetBasicAuth(user, password)
	}
	if x.bearer.value != "" {
		r.Header.Set("Authorization", "Bearer "+x.bearer.value)
	}
	return r, nil
}

func jsonOf(list []param) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	b.WriteByte('{')
	for i, f := range list {
		if i > 0 {
			b.WriteByte(',')
		}
		for j, text := range []string{f.name, f.value} {
			if j > 0 {
				b.WriteByte(':')
			}
			if err := enc.Encode(text); err != nil {
				return nil, fmt.Errorf("write the request: %w", err)
			}
			b.Truncate(b.Len() - 1) // the line feed
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// curl is the exchange as the vendor's documents write it. Secrets are shell
// variables, but for those of the demo, which everybody knows.
func (p *play) curl() string {
	x := p.exchange()
	line := "curl"
	if x.method == "POST" && (x.form == nil || x.json != nil) {
		line += " -X POST"
	}
	var hints []string
	value := func(f param) string {
		if f.variable == "" || p.demo && f.value != "" {
			return f.value
		}
		hints = append(hints, f.variable)
		return "\x00" + f.variable + "\x00"
	}
	if x.basic != nil {
		line += " -u " + shell(value(x.basic[0])+":"+value(x.basic[1]))
	}
	line += " " + shell(x.url)
	if x.bearer.variable != "" {
		line += " -H " + shell("Authorization: Bearer "+value(x.bearer))
	}
	if x.json != nil {
		list := make([]param, len(x.json))
		for i, f := range x.json {
			list[i] = param{name: f.name, value: strings.ReplaceAll(value(f), "\x00", "\x01")}
		}
		text, _ := jsonOf(list) // texts always encode
		line += " -H 'Content-Type: application/json' -d " + shell(strings.ReplaceAll(string(text), `\u0001`, "\x00"))
	}
	for _, f := range x.form {
		flag := " -d "
		if f.variable != "" || strings.ContainsAny(f.value, "&+%= ") {
			flag = " --data-urlencode "
		}
		line += flag + shell(f.name+"="+value(f))
	}
	return p.hints(hints) + line
}

// hints says how the variables of a curl line get their values.
func (p *play) hints(variables []string) string {
	out := ""
	for _, v := range variables {
		switch {
		case v == "CLIENT_SECRET" && p.SecretFile != "":
			out += v + `="$(cat ` + quoted(p.SecretFile) + ")\"\n"
		case v == "PASSWORD" && p.PasswordFile != "":
			out += v + `="$(cat ` + quoted(p.PasswordFile) + ")\"\n"
		case v == "JWT":
			out += "# JWT: signed with " + first(p.keyFile, "the user's private key") + "; iss is the client, sub the user, aud " + p.audienceHint() + "\n"
		default:
			out += "read -rs " + v + "\n"
		}
	}
	return out
}

func (p *play) audienceHint() string {
	if p.dialect == "aoc" {
		return aocAudience
	}
	return p.base
}

// shell quotes a text for one word of a shell. \x00NAME\x00 becomes the variable
// NAME, outside the single quotes.
func shell(text string) string {
	parts := strings.Split(text, "\x00")
	out := ""
	for i, s := range parts {
		switch {
		case i%2 == 1:
			out += `"$` + s + `"`
		case s == "":
		case strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-:=@,") == "":
			out += s
		default:
			out += "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
		}
	}
	if out == "" {
		return "''"
	}
	return out
}

// maxReply bounds what is read of a server's answer, in bytes.
const maxReply = 1 << 20

// ask sends the exchange and reads the vendor's answer.
func (p *play) ask() (*savedToken, error) {
	r, err := p.exchange().request(p)
	if err != nil {
		return nil, err
	}
	p.traceRequest(r)
	c, err := p.httpClient()
	if err != nil {
		return nil, err
	}
	answer, err := c.Do(r)
	if err != nil {
		return nil, fail(ExitUnreachable, "check --server, and that it runs", "%s did not answer: %v", p.base, cause(err))
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxReply))
	if err != nil {
		return nil, fail(ExitUnreachable, "try again", "the answer of %s broke off: %v", p.base, err)
	}
	p.traceAnswer(answer, body)
	if answer.StatusCode/100 != 2 {
		return nil, p.refusal(answer, body)
	}
	return p.read(answer.StatusCode, body)
}

// cause leaves out the URL that errors of http.Client begin with.
func cause(err error) error {
	if u, ok := err.(*url.Error); ok {
		return u.Err
	}
	return err
}

// refusal prints the vendor's answer, which says little on purpose, and the id that
// explains it.
func (p *play) refusal(answer *http.Response, body []byte) error {
	fmt.Fprintf(p.env.Stderr, "%d %s\n", answer.StatusCode, oneLine(strings.TrimSpace(string(body))))
	id := answer.Header.Get("Jeton-Error-Id")
	e := fail(ExitRefused, "see whether --server names a Jeton server", "the server refused")
	if id != "" {
		e.Text, e.Next = "the server refused; error id "+oneLine(id), "jeton explain "+oneLine(id)
	}
	if answer.StatusCode == http.StatusNotAcceptable && p.dialect == "fortiauth" {
		e.Code, e.Text = ExitWaiting, "a second factor is waiting"
	}
	return e
}

// wireNames are the members answers have, by dialect; the first is RFC 6749 §5.1.
var wireNames = map[string]struct{ access, refresh string }{
	"":       {"access_token", "refresh_token"},
	"aspire": {"Token", "RefreshToken"},
}

// read takes the tokens out of the vendor's answer.
func (p *play) read(status int, body []byte) (*savedToken, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return nil, fail(ExitFailed, "see whether --server names a Jeton server", "the answer %d of %s is no JSON object", status, p.base)
	}
	names, ok := wireNames[p.dialect]
	if !ok {
		names = wireNames[""]
	}
	text := func(name string) (s string) { _ = json.Unmarshal(members[name], &s); return s }
	number := func(name string) (n int64) { _ = json.Unmarshal(members[name], &n); return n }
	now := p.env.Now().Unix()
	t := &savedToken{
		Name: first(p.flags.Profile, p.dialect), Dialect: p.dialect, Server: p.base, Organization: p.org, Client: p.client, User: p.user,
		Realm: p.realm, Grant: p.grant, Asked: p.scope, Resource: p.resource, Status: status, Issued: now, Demo: p.demo,
		Access: text(names.access), Refresh: text(names.refresh), id: text("id_token"), Scope: first(text("scope"), p.scope), Data: p.flags.Data,
		KeyFile: p.keyFile, SecretFile: p.env.Path(p.SecretFile), PasswordFile: p.env.Path(p.PasswordFile), CACert: p.env.Path(p.flags.CACert),
	}
	switch {
	case t.Access == "":
		return nil, fail(ExitFailed, "add --trace to see it", "the answer %d of %s has no access token", status, p.base)
	case members["expires_at"] != nil:
		t.Expires = number("expires_at")
	case number("expires_in") > 0:
		t.Expires = now + number("expires_in")
	case members["expires_in"] == nil:
		if j, err := jose.Parse(t.Access); err == nil {
			t.Expires, _ = j.Claims.Int("exp")
		}
	}
	return t, nil
}

// traceRequest prints what is sent, secrets masked.
func (p *play) traceRequest(r *http.Request) {
	if !p.flags.Trace {
		return
	}
	w := p.env.Stderr
	fmt.Fprintf(w, "> %s %s\n", r.Method, r.URL)
	if user, _, ok := r.BasicAuth(); ok {
		fmt.Fprintf(w, "> Authorization: Basic %s:%s\n", user, mask)
	} else if r.Header.Get("Authorization") != "" {
		fmt.Fprintf(w, "> Authorization: Bearer %s\n", mask)
	}
	x := p.exchange()
	if media := r.Header.Get("Content-Type"); media != "" {
		fmt.Fprintf(w, "> Content-Type: %s\n", media)
	}
	for _, f := range append(x.json, x.form...) {
		v := f.value
		if f.variable != "" {
			v = mask
		}
		fmt.Fprintf(w, ">   %s = %s\n", f.name, oneLine(v))
	}
}

// mask stands where a secret was.
const mask = "********"

// plainMembers are what of an answer may be shown as it is.
var plainMembers = map[string]bool{
	"token_type": true, "expires_in": true, "expires_at": true, "scope": true, "message": true, "status": true,
	"error": true, "error_description": true, "challenge": true, "method": true, "title": true, "type": true, "state": true,
}

// traceAnswer prints what came back. What is not known to be harmless is masked.
func (p *play) traceAnswer(answer *http.Response, body []byte) {
	if !p.flags.Trace {
		return
	}
	w := p.env.Stderr
	fmt.Fprintf(w, "< %s\n", answer.Status)
	for _, name := range []string{"Content-Type", "Www-Authenticate", "Jeton-Error-Id"} {
		if v := answer.Header.Get(name); v != "" {
			fmt.Fprintf(w, "< %s: %s\n", name, oneLine(v))
		}
	}
	var members map[string]any
	if json.Unmarshal(body, &members) != nil {
		if answer.StatusCode/100 != 2 {
			fmt.Fprintf(w, "<   %s\n", oneLine(strings.TrimSpace(string(body))))
		}
		return
	}
	for _, name := range sortedNames(members) {
		v := fmt.Sprint(members[name])
		if !plainMembers[name] {
			v = brief(v)
		}
		fmt.Fprintf(w, "<   %s = %s\n", oneLine(name), oneLine(v))
	}
}

// brief shows enough of a token to know it again.
func brief(token string) string {
	if len(token) < 16 {
		return mask
	}
	return token[:8] + "…" + token[len(token)-3:]
}

// expiry words when a token ends.
func (t *savedToken) expiry(now time.Time) string {
	if t.Expires == 0 {
		return "never expires (0)"
	}
	d := time.Unix(t.Expires, 0).Sub(now)
	if d <= 0 {
		return "expired"
	}
	return "ends in " + span(d)
}
