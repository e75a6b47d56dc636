package security_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"jeton/internal/config"
	"jeton/internal/jose"
	"jeton/internal/servertest"
)

// strays checks that each URI is answered with a page and leads nowhere, whoever
// asks, at the authorization endpoint and, where app registered one, at the end of a
// session.
func strays(t *testing.T, uris ...string) {
	t.Helper()
	s := people(t)
	nobody, bob := s.person(), s.signedIn()
	_, _, id := s.tokens("sealed", s.got(bob.Open(of("sealed")).Answer()))
	for _, uri := range uris {
		for _, p := range []*person{nobody, bob} {
			for _, more := range [][]string{nil, {"prompt", "none"}, {"response_mode", "form_post"}, {"scope", "admin"}} {
				s.errorPage(uri, p.get(asking(append([]string{"redirect_uri", uri}, more...)...)), 400)
			}
			s.errorPage("posted: "+uri, p.send("POST", authorizePath, ask("redirect_uri", uri), nil), 400)
		}
		s.errorPage("at the end: "+uri, nobody.get("/oauth2/logout?"+encoded("id_token_hint", id, "post_logout_redirect_uri", uri)), 400)
	}
	s.works()
}

// unregistrable checks that nobody can register a URI, in any field that has one.
func unregistrable(t *testing.T, uris ...string) {
	t.Helper()
	for _, uri := range uris {
		for _, field := range []string{"redirect_uris", "post_logout_redirect_uris"} {
			if lint(field+": ["+quoted(uri)+"]") == nil {
				t.Errorf("%s: %q can be registered", field, uri)
			}
		}
	}
}

func registrable(t *testing.T, uris ...string) {
	t.Helper()
	for _, uri := range uris {
		if problems := lint("redirect_uris: [" + quoted(uri) + "]"); problems != nil {
			t.Errorf("%q: %v", uri, problems)
		}
	}
}

func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// lint says what is wrong with a client that has this line.
func lint(line string) []config.Problem {
	_, problems := config.Load("world.yaml", []byte("version: 1\nclients:\n  - {id: x, dialect: oidc, auth: none, grants: [authorization_code], "+line+"}\n"), config.Options{})
	if len(problems) == 0 {
		return nil
	}
	return problems
}

func TestRedir01To08And10NobodyIsSentToAnUnregisteredAddress(t *testing.T) {
	for name, uris := range map[string][]string{
		"01 user info":      {"https://app.example@evil.example/cb", "https://app.example:x@evil.example/cb", "https://app.example%40evil.example/cb", "https://user@app.example/cb", "https://@app.example/cb"},
		"02 prefix, suffix": {"https://app.example.evil.example/cb", "https://evilapp.example/cb", "https://evil.app.example/cb", "https://app.example%2eevil.example/cb", "https://app.exampl/cb", "https://evil.example/https://app.example/cb", "https://app.example/cbx"},
		"03 path traversal": {"https://app.example/cb/../x", "https://app.example/cb/..;/x", "https://app.example/cb/%2e%2e/x", "https://app.example/cb/%252e%252e/x", "https://app.example/./cb", "https://app.example/x/../cb", "https://app.example//cb", `https://app.example/cb\..\x`, "https://app.example/%63b"},
		"04 fragment":       {"https://app.example/cb#x", "https://app.example/cb#", "https://app.example/cb%23x", "https://app.example/cb?tenant=1#x"},
		"05 query":          {"https://app.example/cb?", "https://app.example/cb?x=1", "https://app.example/cb?tenant=2", "https://app.example/cb?tenant=1&x=1", "https://app.example/cb?x=1&tenant=1", "https://app.example/other?tenant=1", "https://app.example/cb&tenant=1", "https://app.example/cb?Tenant=1"},
		"06 spelling": {"HTTPS://app.example/cb", "https://APP.example/cb", "https://app.example:443/cb", "https://app.example/cb/", "https://app.example./cb", "https://app.example/CB", "https:/app.example/cb", "https:app.example/cb",
			"//app.example/cb", "/cb", "cb", " https://app.example/cb", "https://app.example/cb ", "https://app.example/cb\t", "https://\u0430pp.example/cb", "https://app.example\u3002/cb", `https:\\app.example\cb`},
		"07 scripts": {"javascript:alert(1)", "JaVaScRiPt:alert(1)", "java\tscript:alert(1)", "data:text/html,<script>alert(1)</script>", "DATA:text/html;base64,PHNjcmlwdD4=", "vbscript:msgbox(1)", "javascript://app.example/cb?%0aalert(1)",
			"blob:https://app.example/1", "file:///etc/passwd", "view-source:https://app.example/cb", "about:blank", "filesystem:https://app.example/x"},
		"08 plain http": {"http://app.example/cb", "ws://app.example/cb", "ftp://app.example/cb"},
		"10 patterns":   {"https://app.example/*", "https://*.example/cb", "https://app.example/cb*", "*", ".*", "https://app.example/c.", "https://app.example/(cb|x)"},
		"fake schemes":  {"https", "https:", "https://", "https:///cb", "https:///app.example/cb", "https:https://app.example/cb", "urn:ietf:wg:oauth:2.0:oob", "com.example.app:/cb", strings.Repeat("https://app.example/cb", 200)},
	} {
		t.Run(name, func(t *testing.T) { strays(t, uris...) })
	}
}

func TestRedir04And07And08And10And11WhatCannotBeRegistered(t *testing.T) {
	registrable(t, "https://app.example/cb", "https://app.example/cb?tenant=1", "com.example.app:/cb", "com.example.app://cb", "http://127.0.0.1/cb", "http://[::1]:1234/cb", "http://localhost:8080/cb")
	unregistrable(t,
		"https://app.example/cb#x", "https://app.example/cb#", // 04
		"javascript:alert(1)", "JavaScript:alert(1)", "data:text/html,x", "vbscript:x", "VBScript:x", "blob:https://app.example/1", "file:///etc/passwd", "about:blank", "view-source:https://app.example/", // 07
		"http://app.example/cb", "http://127.0.0.1.example/cb", "http://localhost.example/cb", "http://10.0.0.1/cb", "http://0.0.0.0/cb", "http://2130706433/cb", // 08
		"https://*.example/cb", "https://app.example/cb*", "*", ".*", "+", "https://app.example/*", "https://app.example/{x}", // 10
		"app:/cb", "myapp://cb", "http.example:/cb", "https.app.example:/cb", "httpx:/cb", "mailto:a@b.example", "tel:1", "sms:1", ".app:/cb", "app.:/cb", // 11
		"https://u@app.example/cb", "https://app.example/../cb", "https://app.example/%2e%2e/cb", "https://app.example/%252e%252e/cb", "https://app.example/..;/cb", "https:///cb", "https:cb", "/cb", "", " https://app.example/cb",
		"https://app.example/c b", `https://app.example\@evil.example/cb`, "https://app.example./cb", "https://APP.example/cb", "https://аpp.example/cb", "https://app.example/"+strings.Repeat("a", 3000),
	)
	// What is wrong is said, never applied in part.
	s := people(t)
	before, err := s.Core.Admin.Client("default", "app")
	if err != nil {
		t.Fatal(err)
	}
	_, problems := config.Load("world.yaml", []byte("version: 1\nclients:\n  - {id: app, dialect: oidc, redirect_uris: ['https://app.example/cb', 'javascript:x']}\n"), config.Options{})
	if len(problems) == 0 {
		t.Error("one bad URI beside a good one passes")
	}
	after, err := s.Core.Admin.Client("default", "app")
	if err != nil || fmt.Sprint(before.RedirectURIs) != fmt.Sprint(after.RedirectURIs) {
		t.Errorf("%v, %v", after, err)
	}
}

func TestRedir09ANativeClientTakesThePortItGets(t *testing.T) {
	s := people(t)
	bob := s.signedIn()
	for _, uri := range []string{"http://127.0.0.1:49152/cb", "http://[::1]:61023/cb", "http://127.0.0.1/cb", "http://127.0.0.1:1/cb", "com.example.app:/cb"} {
		q := bob.goes(of("native", "redirect_uri", uri), "bob", "bobs-password")
		a := s.redeem("native", s.got(q), "redirect_uri", uri)
		if !a.ok() {
			t.Errorf("%s: %v", uri, a)
		}
		if got := bob.Left.Scheme + "://" + bob.Left.Host + bob.Left.Path; strings.HasPrefix(uri, "http") && got != uri {
			t.Errorf("sent to %s, not %s", got, uri)
		}
	}
	// The port of the request is the port of the redemption.
	code := s.got(bob.Open(of("native", "redirect_uri", "http://127.0.0.1:49152/cb")).Answer())
	s.invalid("another port", s.redeem("native", code, "redirect_uri", "http://127.0.0.1:49153/cb"), "invalid_grant", 400)
	for _, uri := range []string{
		"http://127.0.0.1:49152/other", "http://127.0.0.1:49152/cb/", "http://127.0.0.1:49152/cb?x=1", "http://127.0.0.1:49152", "https://127.0.0.1:49152/cb", "http://127.0.0.2:49152/cb",
		"http://localhost:49152/cb", "http://127.0.0.1:80@evil.example/cb", "http://127.0.0.1@evil.example/cb", "http://127.0.0.1.evil.example/cb", "http://127.0.0.1:/cb", "http://127.0.0.1:x/cb",
		"http://127.0.0.1:123456/cb", "http://127.0.0.1:-1/cb", "http://127.1:80/cb", "http://[::1]:80.evil.example/cb", "http://[::1].evil.example/cb", "http://[::ffff:127.0.0.1]:80/cb", "http://[0:0:0:0:0:0:0:1]:80/cb",
		"http://2130706433/cb", "http://0x7f000001/cb", "http://127.0.0.1:49152\\@evil.example/cb", "http://127.0.0.1:49152/cb#x", "HTTP://127.0.0.1:49152/cb", "http://127.0.0.1:49152//cb", "http://127.0.0.1:49152/./cb",
		"com.example.app://cb", "com.example.app:cb", "com.example.app:/cb/", "com.example.app:/CB", "com.example.app:/cb?x", "com.example.App:/cb",
	} {
		s.errorPage(uri, bob.get(of("native", "redirect_uri", uri)), 400)
	}
	// A web client's own address keeps its port.
	s.errorPage("a web client", bob.get(asking("redirect_uri", "https://app.example:8443/cb")), 400)
}

func TestRedir12And13WithoutAKnownClientAndAddressThereIsAPage(t *testing.T) {
	s := people(t)
	for _, p := range []*person{s.person(), s.signedIn()} {
		for _, client := range []string{"app", "sealed", "old", "native"} { // also where only one is registered
			s.errorPage(client+" without redirect_uri", p.get(of(client, "redirect_uri", "-")), 400)
			s.errorPage(client+" with an empty one", p.get(of(client, "redirect_uri", "")), 400)
		}
		for _, id := range []string{"", "-", "nobody", "APP", "app ", "app%00", "legacy", "faspex", "client_id", "next", "mover", strings.Repeat("a", 5000), "<script>alert(1)</script>"} {
			s.errorPage("client "+id, p.get(asking("client_id", id)), 400)
			s.errorPage("client "+id+" with an error of its own", p.get(asking("client_id", id, "scope", "\x01", "response_type", "token")), 400)
		}
		s.errorPage("another's redirect URI", p.get(asking("redirect_uri", "https://sealed.example/cb")), 400)
		s.errorPage("a logout URI", p.get(asking("redirect_uri", "https://app.example/bye")), 400)
		s.errorPage("nothing", p.get(authorizePath), 400)
	}
	for _, name := range []string{"client_id", "redirect_uri", "response_type", "state", "scope", "code_challenge", "nonce", "code_challenge_method"} {
		for _, p := range []*person{s.person(), s.signedIn()} {
			s.errorPage("two "+name, p.get(asking()+"&"+encoded(name, "https://evil.example/")), 400)
			s.errorPage("the same twice: "+name, p.send("POST", authorizePath, ask()+"&"+encoded(name, ""), nil), 400)
		}
	}
	s.works()
}

func TestRedir14AfterALogoutNobodyIsSentToAnUnregisteredAddress(t *testing.T) {
	s := people(t)
	end := "/oauth2/logout?"
	fresh := func() (*person, string) {
		p := s.person()
		_, _, id := s.tokens("app", s.got(p.goes(asking(), "bob", "bobs-password")))
		return p, id
	}
	p, id := fresh()
	for _, uri := range []string{
		"https://evil.example/bye", "//evil.example/bye", "/\\evil.example", "https://app.example/bye/", "https://app.example/bye?x=1", "https://app.example/byebye", "https://app.example/by", "https://app.example/cb",
		"https://app.example@evil.example/bye", "javascript:alert(1)", "https://sealed.example/bye", "HTTPS://app.example/bye", "https://app.example/bye#x", "/", "bye", "https://app.example.evil.example/bye",
	} {
		s.errorPage(uri, p.get(end+encoded("id_token_hint", id, "post_logout_redirect_uri", uri)), 400)
		s.errorPage(uri+" without a hint", p.get(end+encoded("post_logout_redirect_uri", uri)), 400)
		s.errorPage(uri+" without a hint, with a client", p.get(end+encoded("client_id", "app", "post_logout_redirect_uri", uri)), 400)
	}
	s.errorPage("the right one without a hint", p.get(end+encoded("client_id", "app", "post_logout_redirect_uri", "https://app.example/bye")), 400)
	s.errorPage("another client's hint", p.get(end+encoded("client_id", "sealed", "id_token_hint", id, "post_logout_redirect_uri", "https://sealed.example/bye")), 400)
	s.errorPage("another organization", p.get("/other"+end+encoded("id_token_hint", id, "post_logout_redirect_uri", "https://next.example/bye")), 400)
	for _, hint := range []string{"x", "a.b.c", id + "x", id[:len(id)-4], strings.Replace(id, ".", "..", 1)} {
		s.errorPage("hint "+hint[:min(9, len(hint))], p.get(end+encoded("id_token_hint", hint, "post_logout_redirect_uri", "https://app.example/bye")), 400)
	}
	s.got(p.Open(asking("prompt", "none")).Answer()) // and bob is still signed in
	p.Open(end + encoded("id_token_hint", id, "post_logout_redirect_uri", "https://app.example/bye", "state", "s&1"))
	if p.Left == nil || p.Left.String() != "https://app.example/bye?state=s%261" {
		t.Errorf("left for %v, %d %s", p.Left, p.Status, p.Page)
	}
	// A session that is another's, or over: nobody is signed out unasked, nobody sent astray.
	q, _ := fresh()
	if q.Open(end + encoded("id_token_hint", id, "post_logout_redirect_uri", "https://app.example/bye")); q.Left != nil || !strings.Contains(q.Page, `action="/logout"`) {
		t.Errorf("an old hint: %v %s", q.Left, q.Page)
	}
	s.got(q.Open(asking("prompt", "none")).Answer())
}

func TestRedir15NobodyIsSentWhereAParameterWants(t *testing.T) {
	s := village(t)
	names := []string{"next", "return_to", "return", "returnUrl", "continue", "redirect", "redirect_uri", "url", "to", "goto", "RelayState", "target", "dest", "back", "r"}
	for i, to := range []string{"//evil.example", `/\evil.example`, "https:evil.example", "/%5cevil.example", "https://evil.example/", "javascript:alert(1)", "/account@evil.example", "\\\\evil.example", "http:///evil.example"} {
		var pairs []string
		for _, name := range names[:len(names)-1] {
			pairs = append(pairs, name, to)
		}
		p := s.person()
		p.Open("/login?" + encoded(pairs...))
		if p.Status != 200 || p.Left != nil {
			t.Fatalf("%s: %d, left for %v", to, p.Status, p.Left)
		}
		action, fields := p.Form("/login")
		for j := 0; j < len(pairs); j += 2 {
			fields.Set(pairs[j], to)
		}
		fields.Set("name", "bob")
		fields.Set("password", "bobs-password")
		a := p.send("POST", action+"?"+encoded(pairs...), fields.Encode(), sameOrigin())
		if where := a.header.Get("Location"); a.status != 303 || where != servertest.Public+"/account" {
			t.Errorf("%s: %d to %s", to, a.status, where)
		}
		s.errorPage("r "+to, p.get("/login?"+encoded("r", to)), 400)
		for _, path := range []string{"/continue", "/login", "/logout", "/login/password"} {
			at := p.get(path + "?" + encoded(pairs...))
			if where := at.header.Get("Location"); where != "" && where != servertest.Public+"/account" {
				t.Errorf("%s %s: to %s", path, to, where)
			}
		}
		if i == 0 { // on the way to a client neither
			q := s.person()
			q.Open(asking()+"&"+encoded("next", to, "return_to", to, "RelayState", to)).SignIn("bob", "bobs-password").Submit("/consent", "decision", "allow", "next", to, "return_to", to, "redirect_uri", "https://evil.example/")
			if q.Left == nil || q.Left.Host != "app.example" {
				t.Errorf("left for %v", q.Left)
			}
		}
	}
	p := s.signedIn()
	a := p.Open("/lang")
	if a.Status != 405 {
		t.Errorf("GET /lang: %d", a.Status)
	}
	s.works()
}

func TestRedir16NoParameterMakesAHeader(t *testing.T) {
	s := people(t)
	in := s.signedIn()
	in.goes(asking(), "bob", "bobs-password")
	for _, p := range []*person{s.person(), in} {
		for _, name := range []string{"redirect_uri", "state", "client_id", "scope", "nonce", "login_hint"} {
			for _, evil := range []string{"x\r\nSet-Cookie: evil=1", "x\nLocation: https://evil.example/", "x\r\n\r\n<script>", "x\x00y"} {
				a := p.get(asking(name, evil))
				s.errorPage(fmt.Sprintf("%s %q", name, evil), a, 400)
				if strings.Contains(fmt.Sprint(a.header), "evil") {
					t.Errorf("%s: %v", name, a.header)
				}
			}
		}
	}
	for _, state := range []string{"%0d%0aSet-Cookie: x=1", "a&code=evil&x=", "a#b", "a=b+c d", "é\u2028\"'<>", "\x01\x1b[31m\x7f", "https://evil.example/", strings.Repeat("s", 2000)} {
		at := in.get(asking("state", state))
		u, err := url.Parse(at.header.Get("Location"))
		if err != nil || at.status != 303 || u.Host != "app.example" || u.Fragment != "" {
			t.Errorf("%q: %v %v %v", state, at, at.header, err)
			continue
		}
		q := u.Query()
		if q.Get("state") != state || len(q["code"]) != 1 || len(q["state"]) != 1 {
			t.Errorf("%q came back as %v", state, q)
		}
	}
	for _, path := range []string{"/login?r=%0d%0aSet-Cookie:%20x=1", "/%0d%0aSet-Cookie:%20x=1", "/login%0d%0aX:%20y", "/logout?r=%0aX", "/oauth2/logout?state=%0d%0aX:%20y"} {
		if a := in.get(path); a.header.Get("X") != "" || len(a.header["Set-Cookie"]) > 0 && strings.Contains(fmt.Sprint(a.header["Set-Cookie"]), "x=1") {
			t.Errorf("%s: %v", path, a.header)
		}
	}
	s.works()
}

// Forged ID tokens at the two places that take one as a hint.
func TestJWT01To14AtIDTokenHint(t *testing.T) {
	s := people(t)
	access, _, id := s.tokens("app", s.code("app"))
	opaque, _, _ := s.tokens("sealed", s.code("sealed"))
	key, err := s.Ring.Signing(t.Context(), "default", "token", jose.RS256)
	if err != nil {
		t.Fatal(err)
	}
	h, p := split(t, id)
	mallory := private(t, "mallory")
	sign := func(h, p members) string { return forge(t, h.bytes(), p.bytes(), jose.RS256, key) }
	logout := p.without("nonce").set("events", map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}})
	bad := map[string]string{
		"01 alg none": forge(t, h.set("alg", "none").bytes(), p.bytes(), "none", nil), "01 alg None": forge(t, h.set("alg", "None").bytes(), p.bytes(), "none", nil),
		"01 without signature": id[:strings.LastIndexByte(id, '.')+1], "01 no alg": forge(t, h.without("alg").bytes(), p.bytes(), "none", nil),
		"03 jwk": forge(t, h.without("kid").plus("jwk", jwk(t, mallory.Public)).bytes(), p.bytes(), jose.RS256, mallory), "05 kid": forge(t, h.set("kid", "../../dev/null").set("alg", "HS256").bytes(), p.bytes(), jose.HS256, &jose.Key{}),
		"06 another key": forge(t, h.bytes(), p.bytes(), jose.RS256, mallory), "06 a client's key": forge(t, h.set("kid", jose.Thumbprint(private(t, "global").Public)).bytes(), p.bytes(), jose.RS256, private(t, "global")),
		"07 crit":            sign(h.set("crit", []string{"urn:x"}).set("urn:x", 1), p),
		"08 an access token": access, "08 an opaque one": opaque, "08 at+jwt": sign(h.set("typ", "at+jwt"), p), "08 application/at+jwt": sign(h.set("typ", "application/at+jwt"), p),
		"09 a logout token": sign(h.set("typ", "logout+jwt"), logout), "09 called JWT": sign(h, logout), "09 userinfo": sign(h, p.without("sid")), "09 JARM": sign(h.set("typ", "oauth-authz-resp+jwt"), p),
		"11 no audience": sign(h, p.without("aud")), "11 two audiences": sign(h, p.set("aud", []string{"app", "sealed"})), "11 another client": sign(h, p.set("aud", "nobody")),
		"12 issuer": sign(h, p.set("iss", servertest.Public+"/")), "12 another issuer": sign(h, p.set("iss", servertest.Public+"/other")), "12 no issuer": sign(h, p.without("iss")),
		"13 sub twice": sign(h, p.plus("sub", []byte(`"1"`))), "13 sub and Sub": sign(h, p.plus("Sub", []byte(`"1"`))), "no sub": sign(h, p.without("sub")), "sub a number": sign(h, p.set("sub", 1)), "sub of no form": sign(h, p.set("sub", "bob")),
		"14 padded": id + "=", "14 a line": id + "\t", "14 dots": id + ".", "14 JSON": `{"payload":"x","signatures":[]}`,
		"another organization's": s.idNextDoor(),
	}
	for how, secret := range spellings(t, key.Public) {
		bad["02 HS256 by "+how] = forge(t, h.set("alg", "HS256").bytes(), p.bytes(), jose.HS256, &jose.Key{Secret: secret})
	}
	bob := s.signedIn()
	takes := func(token string) bool { // a hint that counts is a word about who is to sign in
		a := s.person().get(asking("prompt", "none", "id_token_hint", token))
		return strings.Contains(a.header.Get("Location"), "error=login_required")
	}
	if !takes(id) {
		t.Fatal("a good hint is refused")
	}
	for what, token := range bad {
		if takes(token) {
			t.Errorf("%s: taken", what)
		}
		s.tellsClient(what, bob.get(asking("id_token_hint", token)), "invalid_request")
		if what == "11 another client" {
			continue // at the end of a session its client is looked for
		}
		s.errorPage(what+" at the end", bob.get("/oauth2/logout?"+encoded("id_token_hint", token, "post_logout_redirect_uri", "https://app.example/bye")), 400)
		s.errorPage(what+" at the end, alone", bob.get("/oauth2/logout?"+encoded("id_token_hint", token)), 400)
	}
	s.errorPage("another client's", bob.get("/oauth2/logout?"+encoded("id_token_hint", bad["11 another client"], "post_logout_redirect_uri", "https://app.example/bye")), 400)
	// A hint for another person never lets this one in as them.
	_, _, carol := s.tokens("app", s.got(s.person().goes(asking(), "carol", "carols-password")))
	s.tellsClient("carol is meant", bob.get(asking("prompt", "none", "id_token_hint", carol)), "login_required")
	s.Clock.Add(time.Second) // bob's proof is of before the request
	q := bob.Open(asking("id_token_hint", carol)).SignIn("bob", "bobs-password").Answer()
	if q.Get("error") != "login_required" || q.Has("code") {
		t.Errorf("bob in carol's place: %v", q)
	}
	// And an ID token opens nothing (jwt-08).
	for _, path := range []string{"/oauth2/userinfo", "/api/users/me", "/api/v1/self", "/api/core/v2/users", "/Contacts"} {
		s.refused(path, s.send("GET", path, "", bearer(id)), 401)
	}
	if s.active("app", "app-secret", id) {
		t.Error("an ID token is active")
	}
	s.refused("as an assertion", s.form("/oauth2/token", encoded("grant_type", jwtBearer, "assertion", id), basic("robot", "robot-secret")), 400)
	s.refused("as a client's assertion", s.form("/oauth2/token", encoded("grant_type", "client_credentials", "client_id", "signer", "client_assertion_type", assertionIs, "client_assertion", id), nil), 401)
	if !takes(id) {
		t.Error("a good hint is refused afterwards")
	}
}

// idNextDoor is an ID token of the other organization.
func (s site) idNextDoor() string {
	s.t.Helper()
	code := s.got(s.person().goes("/other"+of("app", "client_id", "next", "redirect_uri", "https://next.example/cb", "scope", "openid"), "dan", "dans-password"))
	a := s.must(s.form("/other/oauth2/token", encoded("grant_type", "authorization_code", "code", code, "redirect_uri", "https://next.example/cb", "code_verifier", verifier), basic("next", "next-secret")))
	return a.member("id_token")
}
