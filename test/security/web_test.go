package security_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"jeton/internal/client"
	"jeton/internal/identity"
	"jeton/internal/servertest"
)

// sight is a page and a browser that may see it.
type sight struct {
	name   string
	p      *person
	path   string
	status int
}

// sights are the pages there are, each before somebody who has come to it.
func (s site) sights() []sight {
	s.t.Helper()
	s.due("erin", "erins-password")
	nobody, bob, erin := s.person(), s.signedIn(), s.person()
	s.tokens("app", s.got(bob.goes(asking(), "bob", "bobs-password")))
	s.Clock.Add(time.Second)
	erin.Open(asking()).SignIn("erin", "erins-password")
	at := func(p *person, path string) string {
		s.t.Helper()
		return strings.TrimPrefix(p.Open(path).URL, servertest.Public)
	}
	list := []sight{
		{"sign-in", nobody, "/login", 200}, {"sign-in for a client", nobody, at(nobody, asking()), 200}, {"sign-in again", bob, at(bob, asking("prompt", "login")), 200},
		{"choice of an account", bob, at(bob, asking("prompt", "select_account")), 200}, {"consent", bob, at(bob, asking("prompt", "consent", "scope", "openid read")), 200},
		{"a password that is due", erin, strings.TrimPrefix(erin.URL, servertest.Public), 200}, {"an answer by form", bob, asking("response_mode", "form_post"), 200},
		{"sign-out", bob, "/logout", 200}, {"signed out", nobody, "/logout", 200},
		{"a bad redirect", nobody, asking("redirect_uri", "https://evil.example/"), 400}, {"no client", bob, asking("client_id", "x"), 400}, {"a bad parameter", nobody, authorizePath + "?%zz", 400},
		{"a stale request", bob, "/consent?r=x", 400}, {"a bad logout", bob, "/oauth2/logout?post_logout_redirect_uri=x", 400}, {"another method", nobody, "/lang", 405}, {"a step without a request", bob, "/consent", 400},
	}
	for _, path := range []string{"", "/profile", "/password", "/sessions", "/clients", "/clients/remove?client=app", "/keys", "/activity"} {
		list = append(list, sight{"account" + path, bob, "/account" + path, 200})
	}
	return list
}

// due has a person change their password at the next sign-in.
func (s site) due(name, password string) {
	s.t.Helper()
	u, err := s.Core.Admin.UserByName(s.t.Context(), "default", "local", name)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.Core.Admin.GivePassword(s.t.Context(), "default", u.ID, servertest.Secret(password), true); err != nil {
		s.t.Fatal(err)
	}
}

// What proper checks of every answer: framing, policy, caching, referrer, cookies,
// scripts, sharing. Here is that all pages are really seen, by every method that reads.
func TestWeb01And08And11And12NoPageIsFramedKeptSharedOrTellsWhereFrom(t *testing.T) {
	s := people(t)
	for _, x := range s.sights() {
		for _, h := range []http.Header{
			nil, headers("Origin", "https://evil.example"), headers("Origin", "null"), headers("Origin", servertest.Public), headers("Sec-Fetch-Dest", "iframe", "Sec-Fetch-Site", "cross-site"),
			headers("Accept", "application/json"), headers("X-Requested-With", "XMLHttpRequest"),
		} {
			a := x.p.send("GET", x.path, "", h)
			if a.status != x.status || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html; charset=utf-8") || !strings.HasPrefix(a.body, "<!doctype html>") {
				t.Errorf("%s, %v: %v", x.name, h, a)
			}
		}
		a := x.p.send("HEAD", x.path, "", nil)
		if want := x.status; a.status != want || a.body != "" || !strings.Contains(a.header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
			t.Errorf("HEAD of %s: %v %v", x.name, a, a.header)
		}
		p := x.p.send("OPTIONS", x.path, "", headers("Origin", "https://evil.example", "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "content-type"))
		s.refused("OPTIONS of "+x.name, p, 405)
	}
	for _, path := range []string{"/oauth2/token", "/oauth2/introspect", "/oauth2/revoke", "/oauth2/userinfo", discovery, "/.well-known/jwks.json"} {
		for _, method := range []string{"GET", "POST", "OPTIONS"} {
			for _, origin := range []string{"https://evil.example", "null", "https://app.example.evil.example"} {
				a := s.send(method, path, "", headers("Origin", origin, "Access-Control-Request-Method", "POST", "Cookie", "jeton-session=x"))
				if a.header.Get("Access-Control-Allow-Credentials") != "" || a.header.Get("Access-Control-Allow-Origin") == origin {
					t.Errorf("%s %s from %s: %v", method, path, origin, a.header)
				}
			}
		}
	}
	s.works()
}

// posts are the forms there are, filled in so that they would do something.
func (s site) posts() []struct {
	name string
	p    *person
	to   string
	body url.Values
} {
	s.t.Helper()
	type post = struct {
		name string
		p    *person
		to   string
		body url.Values
	}
	s.due("erin", "erins-password")
	nobody, faye, erin := s.person(), s.faye(), s.person()
	s.tokens("app", s.got(faye.goes(asking(), "faye", fayes)))
	s.Clock.Add(time.Second)
	var list []post
	add := func(name string, p *person, action string, pairs ...string) {
		s.t.Helper()
		to, fields := p.Form(action)
		for i := 0; i+1 < len(pairs); i += 2 {
			fields.Set(pairs[i], pairs[i+1])
		}
		list = append(list, post{name, p, to, fields})
	}
	nobody.Open(asking())
	add("sign-in", nobody, "/login", "name", "bob", "password", "bobs-password")
	add("language", nobody, "/lang", "lang", "fr")
	faye.Open(asking("prompt", "select_account"))
	add("account", faye, "/login/account", "choice", "this")
	faye.Open(asking("prompt", "consent", "scope", "openid read"))
	add("consent", faye, "/consent", "decision", "allow")
	faye.Open("/logout")
	add("sign-out", faye, "/logout")
	erin.Open(asking()).SignIn("erin", "erins-password")
	add("new password", erin, "/login/password", "old", "erins-password", "new", "a rather long password", "again", "a rather long password")
	for path, forms := range map[string][][]string{
		"/account/profile":                   {{"/account/profile", "given_name", "Mallory"}},
		"/account/password":                  {{"/account/password", "old", fayes, "new", "a rather long password", "again", "a rather long password"}},
		"/account/sessions":                  {{"/account/sessions/end", "all", "1"}},
		"/account/keys":                      {{"/account/keys/add", "pem", string(servertest.PublicPEM("other")), "label", "x"}},
		"/account/clients/remove?client=app": {{"/account/clients/remove"}},
	} {
		faye.Open(path)
		for _, f := range forms {
			add(path, faye, f[0], f[1:]...)
		}
	}
	return list
}

// state is what a forged form could have changed.
func (s site) state() string {
	s.t.Helper()
	out := ""
	for _, name := range []string{"faye", "erin"} {
		u, err := s.Core.Admin.UserByName(s.t.Context(), "default", "local", name)
		if err != nil {
			s.t.Fatal(err)
		}
		consents, err := s.Core.Admin.Consents(s.t.Context(), u)
		if err != nil {
			s.t.Fatal(err)
		}
		open, err := s.Core.Admin.SessionsOf(s.t.Context(), u)
		if err != nil {
			s.t.Fatal(err)
		}
		out += fmt.Sprint(u.Password, u.PasswordDue, u.GivenName, u.Keys, consents, len(open), "\n")
	}
	return out
}

func TestWeb02FormsOfOtherSitesAreRefusedAndChangeNothing(t *testing.T) {
	s := village(t)
	list := s.posts()
	stranger := s.person()
	stranger.Open("/login")
	_, theirs := stranger.Form("/login")
	before := s.state()
	for _, x := range list {
		token := x.body.Get("token")
		if token == "" || token == theirs.Get("token") {
			t.Fatalf("%s: token %q", x.name, token)
		}
		try := func(what string, token string, h http.Header, statuses ...int) {
			t.Helper()
			body := url.Values{}
			for k, v := range x.body {
				body[k] = v
			}
			if body.Set("token", token); token == "" {
				body.Del("token")
			}
			s.errorPage(x.name+": "+what, x.p.send("POST", x.to, body.Encode(), h), append(statuses, 403)[0])
		}
		same := sameOrigin()
		try("no token", "", same)
		try("a stranger's token", theirs.Get("token"), same)
		try("a wrong token", token[:len(token)-1]+"x", same)
		try("a token cut short", token[:10], same)
		try("the browser's name", x.p.cookie("jeton-browser"), same)
		try("a foreign Origin", token, headers("Origin", "https://evil.example"))
		try("a sibling's Origin", token, headers("Origin", "https://evil.jeton.example"))
		try("http", token, headers("Origin", "http://jeton.example.evil.example"))
		try("Sec-Fetch-Site cross-site", token, headers("Sec-Fetch-Site", "cross-site"))
		try("Sec-Fetch-Site same-site", token, headers("Sec-Fetch-Site", "same-site"))
		try("cross-site, Origin null", token, headers("Sec-Fetch-Site", "cross-site", "Origin", "null"))
		try("another type", token, headers("Sec-Fetch-Site", "same-origin", "Content-Type", "text/plain"), 415)
		try("multipart", token, headers("Sec-Fetch-Site", "same-origin", "Content-Type", "multipart/form-data; boundary=x"), 415)
		try("JSON", token, headers("Sec-Fetch-Site", "same-origin", "Content-Type", "application/json"), 415)
		noToken := url.Values{}
		for k, v := range x.body {
			noToken[k] = v
		}
		noToken.Del("token")
		s.errorPage(x.name+": the token in the query", x.p.send("POST", x.to+"?token="+token, noToken.Encode(), same), 403)
		twice := x.body.Encode() + "&token=" + token
		s.errorPage(x.name+": two tokens", x.p.send("POST", x.to, twice, same), 400)
		// The browser's cookie is not the browser: without it, or with another, the token is nothing.
		s.errorPage(x.name+": another browser", stranger.send("POST", x.to, x.body.Encode(), same), 403)
		s.errorPage(x.name+": no cookies", s.person().send("POST", x.to, x.body.Encode(), same), 403)
		if a := x.p.get(x.to + "?" + x.body.Encode()); a.status == 303 && x.name != "sign-out" && strings.Contains(a.header.Get("Location"), "/continue") {
			t.Errorf("%s: a GET decides: %v", x.name, a.header)
		}
		for _, override := range []string{"X-HTTP-Method-Override", "X-Method-Override"} {
			x.p.send("GET", x.to, "", headers(override, "POST"))
		}
	}
	if after := s.state(); after != before {
		t.Errorf("before\n%safter\n%s", before, after)
	}
	// And each works as it stands; what ends the session comes last.
	slices.SortStableFunc(list, func(a, b struct {
		name string
		p    *person
		to   string
		body url.Values
	}) int {
		last := func(name string) int { return slices.Index([]string{"/account/password", "sign-out"}, name) }
		return last(a.name) - last(b.name)
	})
	for _, x := range list {
		if a := x.p.send("POST", x.to, x.body.Encode(), sameOrigin()); a.status != 303 {
			t.Errorf("%s, honest: %v", x.name, a)
		}
	}
	if s.state() == before {
		t.Error("the honest forms changed nothing: this test tries nothing")
	}
}

// cookie is the value of a cookie the browser has.
func (p *person) cookie(name string) string {
	p.s.t.Helper()
	for _, c := range p.HTTP.Jar.Cookies(mustURL(p.s.t, p.s.URL)) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// plant puts a cookie in the browser as somebody else's page would.
func (p *person) plant(name, value string) {
	p.s.t.Helper()
	p.HTTP.Jar.SetCookies(mustURL(p.s.t, p.s.URL), []*http.Cookie{{Name: name, Value: value, Path: "/"}})
}

// stillIn reports whether the browser is signed in.
func (p *person) stillIn() bool {
	p.s.t.Helper()
	return p.Open(of("sealed", "prompt", "none")).Answer().Get("code") != ""
}

func TestWeb03NobodyIsSignedOutByAPictureOnAnotherSite(t *testing.T) {
	s := people(t)
	bob, other := s.signedIn(), s.signedIn()
	_, _, theirs := s.tokens("app", s.got(other.goes(asking(), "bob", "bobs-password")))
	image := headers("Sec-Fetch-Site", "cross-site", "Sec-Fetch-Dest", "image", "Referer", "https://evil.example/")
	for _, path := range []string{
		"/logout", "/oauth2/logout", "/oauth2/logout?client_id=app", "/oauth2/logout?logout_hint=bob", "/oauth2/logout?id_token_hint=" + theirs,
		"/oauth2/logout?" + encoded("id_token_hint", theirs, "post_logout_redirect_uri", "https://app.example/bye"), "/logout?confirm=1&token=x", "/account/sessions/end?all=1",
	} {
		for _, method := range []string{"GET", "HEAD"} {
			a := bob.send(method, path, "", image)
			for range 3 {
				if to := a.header.Get("Location"); to != "" {
					a = bob.send(method, to, "", image)
				}
			}
			if method == "GET" && strings.Contains(path, "logout") && !strings.Contains(a.body, `action="/logout"`) {
				t.Errorf("%s: nobody is asked: %v", path, a)
			}
			if !bob.stillIn() {
				t.Fatalf("%s %s signs out", method, path)
			}
		}
	}
	a := bob.send("POST", "/oauth2/logout", encoded("client_id", "app"), headers("Sec-Fetch-Site", "cross-site"))
	if a.status != 303 || !bob.stillIn() {
		t.Errorf("a foreign form: %v", a)
	}
	// With the ID token of this very session the client's word is enough; and asked, the person's is.
	_, _, own := s.tokens("app", s.got(bob.goes(asking(), "bob", "bobs-password")))
	if bob.Open("/oauth2/logout?id_token_hint=" + own); bob.stillIn() {
		t.Error("a valid hint signs nobody out")
	}
	if other.Open("/logout").Submit("/logout"); other.stillIn() {
		t.Error("the person's own word signs nobody out")
	}
	s.works()
}

func TestWeb04SessionsChangeTheirNameAtSignInAndPlantedOnesDoNotCount(t *testing.T) {
	s := people(t)
	const name = "jeton-session"
	// What was planted, whatever it is, is not the name of the session afterwards.
	attacker := s.person()
	attacker.goes(of("sealed"), "carol", "carols-password")
	carols := attacker.cookie(name)
	for what, value := range map[string]string{"anything": strings.Repeat("A", 43), "the attacker's own session": carols, "short": "x"} {
		victim := s.person()
		victim.plant(name, value)
		if what != "the attacker's own session" && victim.Open(of("sealed", "prompt", "none")).Answer().Get("error") != "login_required" {
			t.Errorf("%s: a planted session counts", what)
		}
		s.Clock.Add(time.Second)
		victim.Open(of("sealed", "prompt", "login")).SignIn("bob", "bobs-password")
		if got := victim.cookie(name); got == value || len(got) != 43 {
			t.Errorf("%s: the session is %q", what, got)
		}
		thief := s.person()
		thief.plant(name, value)
		if thief.stillIn() {
			t.Errorf("%s: what was planted is a session now", what)
		}
	}
	// Each proof gives another name, and the old one ends.
	bob := s.signedIn()
	first := bob.cookie(name)
	s.Clock.Add(time.Second)
	bob.Open(of("sealed", "prompt", "login")).SignIn("bob", "bobs-password")
	if second := bob.cookie(name); second == first || second == "" {
		t.Errorf("signed in again under the same name")
	}
	thief := s.person()
	if thief.plant(name, first); thief.stillIn() {
		t.Error("the old name still counts")
	}
	// A browser's name that the server did not make is replaced; its forms are nobody's.
	q := s.person()
	for _, planted := range []string{"x", strings.Repeat("A", 24) + "." + strings.Repeat("A", 43), bob.cookie("jeton-browser") + "x", strings.ToUpper(bob.cookie("jeton-browser"))} {
		q.plant("jeton-browser", planted)
		q.Open("/login")
		if got := q.cookie("jeton-browser"); got == planted {
			t.Errorf("a planted name %q stays", planted)
		}
	}
	// The request's handle is another one after the sign-in, and of this browser.
	fresh := s.person()
	fresh.Open(asking("prompt", "consent"))
	_, before := fresh.Form("/login")
	fresh.SignIn("bob", "bobs-password")
	if _, after := fresh.Form("/consent"); after.Get("r") == before.Get("r") || after.Get("r") == "" {
		t.Error("the handle of the request stays the same")
	}
	s.works()
}

func TestWeb05CookiesAreBoundToTheHostAndHoldNothing(t *testing.T) {
	s := people(t)
	secure := httptest.NewTLSServer(s.Site(true, true))
	defer secure.Close()
	copied := *s.Server
	copied.URL = secure.URL
	p := site{Server: &copied, t: t}.person()
	names := map[string]bool{}
	tls := secure.Client().Transport
	p.HTTP.Transport = roundTrip(func(req *http.Request) (*http.Response, error) {
		resp, err := tls.RoundTrip(req)
		if err != nil {
			return nil, err
		}
		if resp.Header.Get("Strict-Transport-Security") == "" {
			t.Errorf("%s: no Strict-Transport-Security", req.URL.Path)
		}
		for i, c := range resp.Cookies() {
			names[c.Name] = true
			line := resp.Header["Set-Cookie"][i]
			if !strings.HasPrefix(c.Name, "__Host-") && c.Name != "jeton-lang" || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
				t.Errorf("%s: %s", req.URL.Path, line)
			}
			for _, told := range []string{"faye", "app.example", "st-1", "n-1", "eyJ", "jta_", "jtr_", "read"} {
				if strings.Contains(line, told) {
					t.Errorf("%s tells %s: %s", req.URL.Path, told, line)
				}
			}
		}
		return resp, nil
	})
	s.faye()
	p.goes(asking("prompt", "consent", "scope", "openid read"), "faye", fayes)
	p.Open("/account/profile").Submit("/account/profile", "family_name", "Builder")
	p.Open("/account").Submit("/lang", "lang", "fr")
	p.Open("/logout").Submit("/logout")
	for _, want := range []string{"__Host-jeton-session", "__Host-jeton-browser", "__Host-jeton-note"} {
		if !names[want] {
			t.Errorf("no cookie %s among %v", want, names)
		}
	}
	// A cookie without the prefix, as a neighbour may set it, is no session by https.
	plain := s.signedIn()
	q := site{Server: &copied, t: t}.person()
	q.HTTP.Transport = tls
	q.plant("jeton-session", plain.cookie("jeton-session"))
	if q.Open(of("sealed", "prompt", "none")).Answer().Get("error") != "login_required" {
		t.Error("a session without __Host- counts by https")
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// evil are texts that run where nobody escapes them.
var evil = []string{
	`<script>alert(1)</script>`, `"><script>alert(1)</script>`, `'><img src=x onerror=alert(1)>`, `" autofocus onfocus="alert(1)`, `</title><svg onload=alert(1)>`,
	`javascript:alert(1)`, `{{.Frame.Token}}`, `</style><style>*{}</style>`, `<a href="data:text/html,x">x</a>`, `&lt;script&gt;`, "<scr\u0131pt>", `--><script>1</script><!--`, `<base href=//evil.example/>`,
}

func TestWeb06And07NoTextRunsWhereverItComesFrom(t *testing.T) {
	s := village(t)
	s.faye()
	who, err := s.Core.Admin.UserByName(t.Context(), "default", "local", "faye")
	if err != nil {
		t.Fatal(err)
	}
	change := func(text string) {
		t.Helper()
		if _, err := s.Core.Admin.ChangeClient(t.Context(), "default", "app", "client.change", func(c *client.Client) error { c.Name = text; return nil }); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Core.Admin.ChangeUser(t.Context(), "default", who.ID, "user.change", func(u *identity.User) error {
			u.DisplayName, u.GivenName, u.FamilyName, u.Groups = text, text, text, []string{text}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Core.Admin.ChangeOrg(t.Context(), "default", "org.change", "default", func(o *client.Org) error {
			o.Brand.Name, o.Scopes = text, map[string]string{"read": text}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	escaped := 0
	for i, text := range evil {
		change(text)
		p := s.person()
		p.Agent = text + " Firefox/1 " + text
		param := func(more ...string) string {
			return asking(append([]string{"state", text, "login_hint", text, "ui_locales", text, "nonce", text, "prompt", "login consent"}, more...)...) + "&" + encoded("error", text, "error_description", text, "error_hint", text, "display", text, "RelayState", text)
		}
		s.Clock.Add(time.Minute)
		p.Open(param("scope", "openid read"))
		p.Submit("/login", "name", text, "password", "wrong") // shown again, with the name
		escaped += strings.Count(p.Page, "&lt;")
		p.Submit("/login", "name", "faye", "password", fayes)
		escaped += strings.Count(p.Page, "&lt;")
		if i == 0 && (!strings.Contains(p.Page, "&lt;script&gt;alert(1)&lt;/script&gt;") || !strings.Contains(p.Page, `value="allow"`)) {
			t.Errorf("the client's name is not on the page:\n%s", p.Page)
		}
		p.Submit("/consent", "decision", text)
		if got := p.Submit("/consent", "decision", "allow").Answer(); got.Get("state") != text {
			t.Errorf("%s: state %q", text, got.Get("state"))
		}
		for _, path := range []string{
			param("response_mode", "form_post", "prompt", "-"), asking("redirect_uri", "https://app.example/"+text), asking("client_id", text), asking("redirect_uri", text),
			"/login?r=" + url.QueryEscape(text), "/consent?r=" + url.QueryEscape(text), "/logout?r=" + url.QueryEscape(text), "/" + url.PathEscape(text), "/account/" + url.PathEscape(text), "/assets/" + url.PathEscape(text),
			"/oauth2/logout?" + encoded("state", text, "client_id", text, "id_token_hint", text, "post_logout_redirect_uri", text, "ui_locales", text), "/account", "/account/profile", "/account/sessions", "/account/clients",
			"/account/clients/remove?client=app", "/account/clients/remove?" + encoded("client", text), "/account/keys", "/account/activity", "/account/activity?" + encoded("before", text), "/logout", "/login?error=" + url.QueryEscape(text),
			"/login/saml/" + url.PathEscape(text), "/login?" + encoded(text, text),
		} {
			a := p.send("GET", path, "", headers("User-Agent", text, "Referer", "https://evil.example/"+url.PathEscape(text), "X-Forwarded-Host", text, "Accept-Language", text))
			escaped += strings.Count(a.body, "&lt;")
			if !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") && strings.Contains(a.body, "<script>") && a.header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s: %v", path, a)
			}
		}
		p.Open("/account/profile").Submit("/account/profile", "given_name", text, "phone", text, "locale", text, "display_name", text)
		p.Open("/account/keys").Submit("/account/keys/add", "pem", text, "label", text)
		p.Open("/account/sessions")
	}
	if escaped < len(evil) {
		t.Errorf("only %d of these texts were seen, escaped", escaped)
	}
	// Names of people with such letters are names like others.
	change("x")
	if err := s.Core.Admin.CreateUser(t.Context(), &identity.User{Org: "default", Realm: "local", Name: `<b>eve</b>`, Enabled: true}, "eves-password-1"); err == nil {
		p := s.person()
		p.goes(of("sealed"), `<b>eve</b>`, "eves-password-1")
		p.Open("/account")
		p.Open("/logout")
		if !strings.Contains(p.Page, "&lt;b&gt;eve") {
			t.Errorf("%s", p.Page)
		}
	}
	// What a page is reached by cannot be a script either.
	for _, bad := range []string{"javascript:alert(1)", "data:text/html,x", "JaVascript:1", "//evil.example", "vbscript:x"} {
		for _, field := range []string{"client_uri", "policy_uri", "tos_uri", "initiate_login_uri"} {
			if lint(field+": "+quoted(bad)) == nil {
				t.Errorf("%s %s can be registered", field, bad)
			}
		}
	}
	s.works()
}

func TestWeb09And10PagesKnowOneHostWhateverARequestSays(t *testing.T) {
	s := people(t)
	list := s.sights()
	lies := headers(
		"X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "gopher", "X-Forwarded-For", "203.0.113.9", "X-Forwarded-Port", "1", "X-Forwarded-Prefix", "/evil.example",
		"Forwarded", "for=203.0.113.9;host=evil.example;proto=gopher", "X-Real-IP", "203.0.113.9", "X-Original-URL", "/evil.example", "X-Rewrite-URL", "/evil.example", "X-Host", "evil.example", "X-Original-Host", "evil.example",
	)
	for _, x := range list {
		if x.name == "a bad redirect" {
			continue // it shows the address it was given, as text
		}
		a := x.p.send("GET", x.path, "", lies)
		if text := a.body + fmt.Sprint(a.header); a.status != x.status || strings.Contains(text, "evil.example") || strings.Contains(text, "gopher") || strings.Contains(text, "203.0.113.9") {
			t.Errorf("%s: %v %v", x.name, a, a.header)
		}
		for _, host := range []string{"evil.example", "jeton.example.evil.example", "evil.example:443"} {
			x.p.Host = host
			b := x.p.Open(x.path)
			if (b.Status != 400 && b.Status != 421) || strings.Contains(b.Page, "<form") || strings.Contains(b.Page, host) || b.Header.Get("Set-Cookie") != "" {
				t.Errorf("%s at %s: %d %s", x.name, host, b.Status, b.Page)
			}
			x.p.Host = ""
		}
	}
	// The whole way, with lies in every request: every redirect and form stays where it was.
	p := s.person()
	honest := p.HTTP.Transport
	p.HTTP.Transport = roundTrip(func(req *http.Request) (*http.Response, error) {
		for k, v := range lies {
			req.Header[k] = v
		}
		return honest.RoundTrip(req)
	})
	q := p.goes(asking("prompt", "consent"), "bob", "bobs-password")
	if q.Get("iss") != servertest.Public {
		t.Errorf("%v", q)
	}
	if open := p.Open("/account/sessions"); strings.Contains(open.Page, "203.0.113.9") {
		t.Error("the list of sessions believes where somebody says they are")
	}
	s.works()
}

func TestWeb13WhatTheConsentFormHoldsIsNotBelieved(t *testing.T) {
	s := people(t)
	s.Clock.Add(time.Second)
	tamper := func(pairs map[string][]string) (answer, *person) {
		p := s.person()
		p.Open(asking("prompt", "consent", "scope", "openid email")).SignIn("carol", "carols-password")
		to, fields := p.Form("/consent")
		fields.Set("decision", "allow")
		for k, v := range pairs {
			fields[k] = v
		}
		return p.send("POST", to, fields.Encode(), sameOrigin()), p
	}
	for what, pairs := range map[string]map[string][]string{
		"more scope":      {"scope": {"openid", "email", "read", "offline_access", "admin"}},
		"another client":  {"client": {"sealed"}, "client_id": {"sealed"}},
		"another person":  {"user": {"1"}, "sub": {"bob"}, "name": {"bob"}, "account": {"bob"}},
		"another address": {"redirect_uri": {"https://evil.example/"}, "state": {"evil"}, "response_mode": {"form_post"}, "nonce": {"evil"}},
		"an odd scope":    {"scope": {"openid", "email", "", "\u0000x", "claim:email"}},
	} {
		a, p := tamper(pairs)
		if what == "an odd scope" {
			s.errorPage(what, a, 400)
			continue
		}
		if a.status != 303 {
			t.Errorf("%s: %v", what, a)
			continue
		}
		q := p.Open(a.header.Get("Location")).Answer()
		if p.Left == nil || p.Left.Host != "app.example" || q.Get("state") != "st-1" {
			t.Errorf("%s: left for %v", what, p.Left)
		}
		got := s.must(s.redeem("app", s.got(q)))
		if got.member("scope") != "openid email" {
			t.Errorf("%s: scope %s", what, got.member("scope"))
		}
		who := s.must(s.send("GET", "/oauth2/userinfo", "", bearer(got.member("access_token"))))
		if who.member("email") != "carol@example.com" {
			t.Errorf("%s: %v", what, who)
		}
		if _, claims := split(t, got.member("id_token")); claims.text("nonce") != "n-1" || claims.text("aud") != "app" {
			t.Errorf("%s: %s", what, claims.bytes())
		}
	}
	// A request of one's own, with another person's form: the form counts for what is sealed in it alone.
	for what, decision := range map[string][]string{"none": {}, "both": {"allow", "deny"}, "another word": {"ALLOW"}, "yes": {"true"}} {
		a, _ := tamper(map[string][]string{"decision": decision})
		if a.status == 303 || strings.Contains(a.header.Get("Location"), "code=") {
			t.Errorf("decision %s: %v", what, a)
		}
	}
	u, err := s.Core.Admin.UserByName(t.Context(), "default", "local", "carol")
	if err != nil {
		t.Fatal(err)
	}
	list, err := s.Core.Admin.Consents(t.Context(), u)
	if err != nil || len(list) == 0 {
		t.Errorf("%v, %v", list, err)
	}
	for _, c := range list {
		if c.Client == "app" && c.Scope.String() != "openid email" || c.Client != "app" && c.Given {
			t.Errorf("%+v", c)
		}
	}
	s.works()
}

func TestWeb14ASignInPageLeftOpenDoesNotKeepASessionAlive(t *testing.T) {
	s := people(t)
	bob := s.signedIn()
	session := bob.cookie("jeton-session")
	open := bob.Open("/login?again=1")
	_ = open
	path := strings.TrimPrefix(bob.Open(of("sealed", "prompt", "login")).URL, servertest.Public)
	_, access, refresh := "", "", ""
	access, refresh, _ = s.tokens("sealed", s.got(bob.Open(of("sealed")).Answer()))
	bob.Open("/logout").Submit("/logout")
	if bob.cookie("jeton-session") != "" {
		t.Error("the cookie stays")
	}
	bob.plant("jeton-session", session) // a copy somebody kept
	for what, at := range map[string]string{"the page left open": path, "the account": "/account", "the sessions": "/account/sessions"} {
		a := bob.get(at)
		if strings.Contains(a.body, "bob") || strings.Contains(a.body, ">Sign out<") {
			t.Errorf("%s after signing out: %v", what, a)
		}
	}
	if bob.stillIn() {
		t.Error("the session counts after signing out")
	}
	s.invalid("refresh", s.refresh("sealed", refresh), "invalid_grant", 400)
	if reaches("/oauth2/userinfo")(s, access) {
		t.Error("the access token outlives the session")
	}
	s.works()
}

func TestStepsPostedBeforeTheirTurnAreRefused(t *testing.T) {
	s := people(t)
	s.Clock.Add(time.Second)
	p := s.person()
	p.Open(asking("prompt", "consent", "scope", "openid read"))
	_, f := p.Form("/login")
	form := func(pairs ...string) string {
		return encoded(append(pairs, "token", f.Get("token"), "r", f.Get("r"))...)
	}
	for path, body := range map[string]string{
		"/consent": form("decision", "allow", "scope", "openid"), "/login/account": form("choice", "this"), "/login/password": form("old", "x", "new", "y", "again", "y"),
	} {
		s.errorPage(path+" before the sign-in", p.send("POST", path, body, sameOrigin()), 400)
	}
	for _, path := range []string{"/continue", "/consent", "/login/account", "/login/password"} {
		a := p.get(path + "?r=" + f.Get("r"))
		if to := a.header.Get("Location"); a.status != 303 || !strings.HasPrefix(to, servertest.Public+"/login?r=") {
			t.Errorf("%s before the sign-in: %v to %s", path, a, to)
		}
	}
	for _, path := range []string{"/account/profile", "/account/password", "/account/sessions/end", "/account/keys/add", "/account/clients/remove"} {
		a := p.send("POST", path, encoded("token", f.Get("token")), sameOrigin())
		if to := a.header.Get("Location"); a.status != 303 || !strings.HasPrefix(to, servertest.Public+"/login?r=") {
			t.Errorf("%s by nobody: %v", path, a)
		}
	}
	p.SignIn("bob", "bobs-password")
	_, f = p.Form("/consent")
	a := p.get("/continue?r=" + f.Get("r"))
	if to := a.header.Get("Location"); a.status != 303 || !strings.HasPrefix(to, servertest.Public+"/consent?r=") {
		t.Errorf("/continue before the consent: %v to %s", a, to)
	}
	s.errorPage("an account to choose, not due", p.send("POST", "/login/account", form("choice", "this"), sameOrigin()), 400)
	s.errorPage("a password that is not due", p.send("POST", "/login/password", form("old", "bobs-password", "new", "a rather long password", "again", "a rather long password"), sameOrigin()), 400)
	s.errorPage("no request", p.send("POST", "/consent", encoded("token", f.Get("token"), "decision", "allow"), sameOrigin()), 400)
	p.Submit("/consent", "decision", "deny")
	if q := p.Answer(); q.Get("error") != "access_denied" || q.Has("code") {
		t.Errorf("%v", q)
	}
	// A password that is due comes before everything a client could get.
	s.due("erin", "erins-password")
	e := s.person()
	e.Open(asking()).SignIn("erin", "erins-password")
	_, f = e.Form("/login/password")
	s.errorPage("consent with a password due", e.send("POST", "/consent", form("decision", "allow", "scope", "openid"), sameOrigin()), 400)
	if a := e.get("/continue?r=" + f.Get("r")); !strings.Contains(a.header.Get("Location"), "/login/password") {
		t.Errorf("%v", a)
	}
	s.tellsClient("silently", e.get(asking("prompt", "none")), "interaction_required")
	for _, path := range []string{"/account", "/account/keys", "/account/password"} {
		if a := e.get(path); !strings.Contains(a.header.Get("Location"), "/login/password") {
			t.Errorf("%s with a password due: %v", path, a)
		}
	}
	s.works()
}

func TestASealedRequestIsTheServersOwnAndForOnePurpose(t *testing.T) {
	s := people(t)
	p := s.person()
	p.Open(asking("prompt", "consent"))
	_, f := p.Form("/login")
	r := f.Get("r")
	next := s.person()
	next.Open("/other" + of("app", "client_id", "next", "redirect_uri", "https://next.example/cb", "scope", "openid"))
	_, g := next.Form("/login")
	_, _, id := s.tokens("app", s.code("app"))
	out := s.person().get("/oauth2/logout?" + encoded("id_token_hint", id, "post_logout_redirect_uri", "https://app.example/bye")).header.Get("Location")
	_, wish, _ := strings.Cut(out, "r=")
	code := s.code("app")
	forged := map[string]string{
		"another organization's": g.Get("r"), "a wish to sign out": wish, "a code": code, "a session": s.signedIn().cookie("jeton-session"), "cut": r[:len(r)-1], "longer": r + "A", "padded": r + "=",
		"JSON": b64([]byte(`{"o":"default","d":"oidc","c":"app","r":"https://evil.example/"}`)), "none": "x", "long": strings.Repeat("A", 30_000),
	}
	for i := 0; i < len(r); i += max(1, len(r)/24) {
		c := byte('A')
		if r[i] == c {
			c = 'B'
		}
		forged[fmt.Sprint("changed at ", i)] = r[:i] + string(c) + r[i+1:]
	}
	for what, x := range forged {
		for _, path := range []string{"/login", "/consent", "/continue", "/login/account", "/login/password"} {
			a := p.get(path + "?r=" + url.QueryEscape(x))
			if a.status == 431 || a.status == 414 {
				continue
			}
			s.errorPage(what+" at "+path, a, 400)
		}
		s.errorPage(what+" posted", p.send("POST", "/login", encoded("token", f.Get("token"), "r", x, "name", "bob", "password", "bobs-password"), sameOrigin()), 400)
	}
	for what, x := range map[string]string{"a request": r, "a code": code, "cut": wish[:len(wish)-1], "none": "x", "changed": "B" + wish[1:]} {
		s.errorPage(what+" as a wish", p.get("/logout?r="+url.QueryEscape(x)), 400)
	}
	for what, x := range map[string]string{"a request": r, "a wish": wish} {
		s.invalid(what+" as a code", s.redeem("app", x), "invalid_grant", 400)
	}
	s.errorPage("two", p.get("/login?r="+r+"&r="+r), 400)
	if s.person().goes("/login?r="+last([]string{p.URL}), "bob", "bobs-password") == nil { // the untouched one still works
		t.Error("the request is lost")
	}
	s.Clock.Add(11 * time.Minute)
	s.errorPage("after eleven minutes", p.get("/consent?r="+r), 400)
	s.errorPage("a wish after eleven minutes", p.get("/logout?r="+wish), 400)
	s.works()
}
