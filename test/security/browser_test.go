package security_test

import (
	"bytes"
	"crypto/sha256"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"jeton/internal/identity"
	"jeton/internal/oauth"
	"jeton/internal/server"
	"jeton/internal/servertest"
)

// peopleWorld is what people before a browser meet, beside world.
const peopleWorld = `
version: 1
organizations:
  - {id: default, name: Example Corp, default: true, scopes: {read: "Read your <b>reports</b>"}}
users:
  - {name: carol, password: {plain: carols-password}, email: carol@example.com}
  - {name: erin, password: {plain: erins-password}}
  - {name: dan, organization: other, password: {plain: dans-password}}
clients:
  - id: app
    name: Report Builder
    dialect: oidc
    auth: client_secret_basic
    secrets: [{plain: app-secret}]
    grants: [authorization_code, refresh_token]
    scopes: [openid, profile, email, offline_access, read]
    redirect_uris: ["https://app.example/cb", "https://app.example/cb?tenant=1", "https://app.example/other"]
    post_logout_redirect_uris: ["https://app.example/bye"]
    client_uri: https://app.example/
  - id: sealed
    dialect: oidc
    secrets: [{plain: sealed-secret}]
    grants: [authorization_code, refresh_token]
    scopes: [openid, profile, email, offline_access]
    redirect_uris: ["https://sealed.example/cb"]
    post_logout_redirect_uris: ["https://sealed.example/bye"]
    access_token: {format: opaque}
    own: true
    consent: never
  - id: old
    dialect: oidc
    secrets: [{plain: old-secret}]
    grants: [authorization_code, refresh_token]
    scopes: [openid, profile]
    redirect_uris: ["https://old.example/cb"]
    pkce: optional
    own: true
    consent: never
  - id: native
    dialect: oidc
    auth: none
    grants: [authorization_code, refresh_token]
    scopes: [openid, profile]
    redirect_uris: ["http://127.0.0.1/cb", "http://[::1]/cb", "com.example.app:/cb"]
  - id: next
    organization: other
    dialect: oidc
    secrets: [{plain: next-secret}]
    grants: [authorization_code, refresh_token]
    scopes: [openid, profile]
    redirect_uris: ["https://next.example/cb"]
    post_logout_redirect_uris: ["https://next.example/bye"]
`

// leads are the addresses outside of the server that somebody registered; a browser
// is sent to nothing else, with nothing but parameters behind.
var leads = []string{
	"https://app.example/cb", "https://app.example/other", "https://app.example/bye", "https://sealed.example/cb", "https://sealed.example/bye",
	"https://old.example/cb", "com.example.app:/cb", "https://next.example/cb", "https://next.example/bye",
}

var nativeLead = regexp.MustCompile(`^http://(127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?/cb\?`)

// crowd is the server of the tests that change nobody; each gets a later second of
// its clock, so that what the one before did is past.
var crowd keeper

func people(t testing.TB) site {
	t.Helper()
	if crowd.server == nil {
		crowd.server = servertest.Start(&crowd, servertest.Options{World: world})
		crowd.server.Apply(&crowd, peopleWorld)
	}
	crowd.server.Clock.Add(time.Second)
	return site{Server: crowd.server, t: t}
}

// village is a server of its own with the same people.
func village(t testing.TB, change ...func(*server.Config)) site {
	t.Helper()
	s := open(t, change...)
	s.Apply(t.(servertest.TB), peopleWorld)
	return s
}

// person is somebody before a browser. Every answer the browser gets is checked for
// what no page may be.
type person struct {
	*servertest.Browser
	s   site
	all []answer // every answer so far
}

func (s site) person() *person {
	s.t.Helper()
	p := &person{Browser: s.Server.Browser(s.t.(servertest.TB)), s: s}
	p.HTTP.Transport = p
	return p
}

// RoundTrip implements http.RoundTripper.
func (p *person) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(b))
	a := answer{resp.StatusCode, string(b), resp.Header}
	p.all = append(p.all, a)
	p.s.decent(req, a)
	p.s.proper(req, a)
	return resp, nil
}

// last is the last answer.
func (p *person) last() answer { return p.all[len(p.all)-1] }

var (
	scriptTag = regexp.MustCompile(`(?i)<script\b[^>]*>`)
	anyTag    = regexp.MustCompile(`<[a-zA-Z][^>]*>`)
	inline    = regexp.MustCompile(`(?i)\s(on[a-z]+|style|srcdoc)\s*=|javascript:|vbscript:|data:text`)
	toScript  = regexp.MustCompile(`(?i)\b(href|src|action|formaction|content|data)="[^"]{0,9}(javascript|vbscript|data):`)
	attribute = regexp.MustCompile(`\s[a-zA-Z-]+="[^"]*"`)
)

// proper is what holds for every answer a browser gets: where it may lead, what a
// page may do, and what a cookie is.
func (s site) proper(req *http.Request, a answer) {
	s.t.Helper()
	bad := func(format string, args ...any) {
		s.t.Helper()
		s.t.Errorf(req.Method+" "+req.URL.Path+": "+format, args...)
	}
	if a.status == 301 || a.status == 302 || a.status == 307 || a.status == 308 {
		bad("redirected with %d", a.status)
	}
	for _, to := range a.header["Location"] {
		if why := s.astray(to); why != "" || len(a.header["Location"]) > 1 {
			bad("sent to %q: %s", to, why)
		}
		if a.header.Get("Referrer-Policy") != "no-referrer" {
			bad("a redirect tells where from: %v", a.header)
		}
	}
	for _, m := range leaving.FindAllStringSubmatch(a.body, -1) {
		if why := s.astray(unescapeHTML(m[1] + m[2])); why != "" {
			bad("a page leads to %q: %s", m[1]+m[2], why)
		}
	}
	for name := range a.header {
		if strings.HasPrefix(name, "Access-Control-") {
			bad("%s on a page", name)
		}
	}
	if a.header.Get("Cache-Control") != "no-store" && !strings.Contains(req.URL.Path, "/assets/") && !strings.HasPrefix(req.URL.Path, "/theme") {
		bad("Cache-Control %q", a.header.Get("Cache-Control"))
	}
	if strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
		s.harmless(a, bad)
	}
	for _, c := range (&http.Response{Header: a.header}).Cookies() {
		if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
			bad("cookie %s: %+v", c.Name, a.header["Set-Cookie"])
		}
	}
}

// leaving finds what takes a browser elsewhere by itself or by one press.
var leaving = regexp.MustCompile(`(?i)<meta http-equiv="refresh" content="0; ?url=([^"]*)"|<form\b[^>]*\baction="([^"]*)"`)

// astray says why nobody may be sent to an address; "" when all is well.
func (s site) astray(to string) string {
	switch {
	case strings.ContainsFunc(to, func(r rune) bool { return r <= ' ' || r == '\\' || r == 0x7f }):
		return "characters that browsers read in ways of their own"
	case strings.HasPrefix(to, "/") && !strings.HasPrefix(to, "//"):
		return ""
	case strings.HasPrefix(to, servertest.Public+"/"):
		return ""
	case nativeLead.MatchString(to):
		return ""
	}
	for _, lead := range leads {
		if to == lead || strings.HasPrefix(to, lead+"?") {
			return ""
		}
	}
	return "nobody registered it"
}

func unescapeHTML(s string) string {
	return strings.NewReplacer("&amp;", "&", "&#43;", "+", "&#39;", "'", "&#34;", `"`, "&lt;", "<", "&gt;", ">").Replace(s)
}

// harmless checks that a page cannot be framed and runs nothing but our own files.
func (s site) harmless(a answer, bad func(string, ...any)) {
	csp := a.header.Get("Content-Security-Policy")
	for _, must := range []string{"default-src 'none'", "script-src 'self'", "base-uri 'none'", "frame-ancestors 'none'"} {
		if !strings.Contains(csp, must) {
			bad("the policy lacks %s: %q", must, csp)
		}
	}
	for _, must := range []string{"unsafe", "*", "http:", "data:"} {
		if strings.Contains(csp, must) {
			bad("the policy allows %s: %q", must, csp)
		}
	}
	for name, want := range map[string]string{"X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin"} {
		if a.header.Get(name) != want {
			bad("%s: %q", name, a.header.Get(name))
		}
	}
	for _, tag := range scriptTag.FindAllString(a.body, -1) {
		if !strings.Contains(tag, ` src="/`) {
			bad("a script of its own: %s", tag)
		}
	}
	for _, tag := range anyTag.FindAllString(a.body, -1) {
		bare := attribute.ReplaceAllStringFunc(tag, func(x string) string { return x[:strings.IndexByte(x, '=')+1] })
		if inline.MatchString(bare) || strings.HasPrefix(strings.ToLower(tag), "<base") || strings.HasPrefix(strings.ToLower(tag), "<iframe") {
			bad("runs something: %s", tag)
		}
		if toScript.MatchString(tag) {
			bad("leads to a script: %s", tag)
		}
	}
}

const verifier = "abcdefghijklmnopqrstuvwxyz0123456789-._~ABCDEF"

func challengeOf(v string) string {
	sum := sha256.Sum256([]byte(v))
	return b64(sum[:])
}

// ask is the query of a good authorization request of app, with pairs changed; a
// value of "-" takes a parameter out.
func ask(pairs ...string) string {
	q := url.Values{
		"response_type": {"code"}, "client_id": {"app"}, "redirect_uri": {"https://app.example/cb"}, "scope": {"openid email"},
		"state": {"st-1"}, "nonce": {"n-1"}, "code_challenge": {challengeOf(verifier)}, "code_challenge_method": {"S256"},
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] == "-" {
			q.Del(pairs[i])
		} else {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	return q.Encode()
}

const authorizePath = "/oauth2/authorize"

func asking(pairs ...string) string { return authorizePath + "?" + ask(pairs...) }

// home is how every other client of peopleWorld asks.
var home = map[string][]string{
	"app":    nil,
	"sealed": {"client_id", "sealed", "redirect_uri", "https://sealed.example/cb"},
	"old":    {"client_id", "old", "redirect_uri", "https://old.example/cb", "scope", "openid profile"},
	"native": {"client_id", "native", "redirect_uri", "com.example.app:/cb", "scope", "openid profile"},
}

func of(client string, pairs ...string) string {
	return asking(append(slices.Clone(home[client]), pairs...)...)
}

// goes takes a person all the way from a request to the client's answer, over
// whatever pages there are.
func (p *person) goes(path, name, password string) url.Values {
	p.s.t.Helper()
	p.Open(path)
	for range 4 {
		switch {
		case p.Left != nil || strings.Contains(p.Page, `action="https://`):
			return p.Answer()
		case strings.Contains(p.Page, `name="password"`):
			p.SignIn(name, password)
		case strings.Contains(p.Page, `value="allow"`):
			p.Submit("/consent", "decision", "allow")
		default:
			p.s.t.Fatalf("%s leads to %d %s\n%s\n%q", path, p.Status, p.URL, p.Page, p.Trail)
		}
	}
	p.s.t.Fatalf("%s leads in circles: %q", path, p.Trail)
	return nil
}

// code gets a fresh code for bob by way of a new browser.
func (s site) code(client string, pairs ...string) string {
	s.t.Helper()
	return s.got(s.person().goes(of(client, pairs...), "bob", "bobs-password"))
}

// codeForm is how a code is spelled: it needs no encoding anywhere, and a URL has room
// for it.
var codeForm = regexp.MustCompile(`^[A-Za-z0-9_-]{43,}$`)

// got is the code of an answer, which must have one.
func (s site) got(answer url.Values) string {
	s.t.Helper()
	if !codeForm.MatchString(answer.Get("code")) || len(answer.Get("code")) > 1500 || answer.Has("error") {
		s.t.Fatalf("no code: %v", answer)
	}
	return answer.Get("code")
}

// redeem trades a code in as its client would, with pairs of the request changed.
func (s site) redeem(client, code string, pairs ...string) answer {
	s.t.Helper()
	f := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {"https://app.example/cb"}, "code_verifier": {verifier}}
	for i := 0; i+1 < len(home[client]); i += 2 {
		if home[client][i] == "redirect_uri" {
			f.Set("redirect_uri", home[client][i+1])
		}
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		if f.Set(pairs[i], pairs[i+1]); pairs[i+1] == "-" {
			f.Del(pairs[i])
		}
	}
	if client == "native" {
		f.Set("client_id", client)
		return s.form("/oauth2/token", f.Encode(), nil)
	}
	return s.form("/oauth2/token", f.Encode(), basic(client, client+"-secret"))
}

// tokens redeems a code.
func (s site) tokens(client, code string) (access, refresh, id string) {
	s.t.Helper()
	a := s.must(s.redeem(client, code))
	return a.member("access_token"), a.member("refresh_token"), a.member("id_token")
}

// works shows that a person and a client get what they want, whatever was tried
// before.
func (s site) works() {
	s.t.Helper()
	s.tokens("app", s.code("app"))
}

// page opens a path in a new browser and gives the answer to that one request.
func (s site) page(path string) answer {
	s.t.Helper()
	return s.person().get(path)
}

// get opens a path without following anything.
func (p *person) get(path string) answer {
	p.s.t.Helper()
	return p.send("GET", path, "", nil)
}

// send sends one request with the browser's cookies.
func (p *person) send(method, path, body string, h http.Header) answer {
	p.s.t.Helper()
	if rest, ours := strings.CutPrefix(path, servertest.Public); ours {
		path = rest
	}
	req, err := http.NewRequest(method, p.s.URL+path, strings.NewReader(body))
	if err != nil {
		p.s.t.Fatal(err)
	}
	for k, v := range h {
		req.Header[k] = v
	}
	if method == "POST" && req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", formType)
	}
	resp, err := p.HTTP.Do(req)
	if err != nil {
		p.s.t.Fatal(err)
	}
	_ = resp.Body.Close()
	return p.last()
}

// errorPage checks that an answer is a page for the person, on this server, recorded
// under its id, and not a word to any client.
func (s site) errorPage(what string, a answer, statuses ...int) {
	s.t.Helper()
	if len(statuses) == 0 {
		statuses = []int{400}
	}
	s.refused(what, a, statuses...)
	if a.header.Get("Location") != "" || strings.Contains(a.body, "http-equiv") || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
		s.t.Errorf("%s: no page of an error: %v", what, a)
	}
}

// tellsClient checks that an answer sends the browser to app with an error.
func (s site) tellsClient(what string, a answer, code string) url.Values {
	s.t.Helper()
	u, err := url.Parse(a.header.Get("Location"))
	if err != nil || a.status != http.StatusSeeOther || !strings.HasPrefix(a.header.Get("Location"), "https://app.example/cb?") {
		s.t.Errorf("%s: %v, Location %q, want %s", what, a.status, a.header.Get("Location"), code)
		return url.Values{}
	}
	q := u.Query()
	if q.Get("error") != code || q.Has("code") {
		s.t.Errorf("%s: %v, want %s", what, q, code)
	}
	s.refused(what, a, http.StatusSeeOther)
	return q
}

// signedIn is a browser bob is signed in with.
func (s site) signedIn() *person { s.t.Helper(); return s.signIn("bob", "bobs-password") }

func (s site) signIn(name, password string) *person {
	s.t.Helper()
	p := s.person()
	p.goes(of("sealed", "scope", "openid"), name, password)
	return p
}

const fayes = "fayes-password-1"

// faye manages her account by herself: no file does. It makes her when she is not
// there yet, and signs her in.
func (s site) faye() *person {
	s.t.Helper()
	err := s.Core.Admin.CreateUser(s.t.Context(), &identity.User{Org: "default", Realm: "local", Name: "faye", Email: "faye@example.com", Enabled: true}, fayes)
	if err != nil && !oauth.Is(err, oauth.Conflict) {
		s.t.Fatal(err)
	}
	return s.signIn("faye", fayes)
}

// filled is the body of a form of the page that is shown, with pairs changed; "-"
// takes a field out.
func (p *person) filled(action string, pairs ...string) (to, body string) {
	p.s.t.Helper()
	to, fields := p.Form(action)
	for i := 0; i+1 < len(pairs); i += 2 {
		if fields.Set(pairs[i], pairs[i+1]); pairs[i+1] == "-" {
			fields.Del(pairs[i])
		}
	}
	return to, fields.Encode()
}

// sameOrigin is what a browser says of a form of our own page.
func sameOrigin() http.Header { return headers("Sec-Fetch-Site", "same-origin") }
