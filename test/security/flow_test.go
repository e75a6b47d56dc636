package security_test

import (
	"database/sql"
	"fmt"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"jeton/internal/client"
	"jeton/internal/identity"
	"jeton/internal/policy"
	"jeton/internal/servertest"
	"jeton/internal/vault"
)

// grants are what bob's clients hold after a sign-in: with and without
// offline_access, of JWTs and of opaque tokens.
type held struct {
	name, client    string
	access, refresh string
	offline         bool
}

func (s site) holdings(p *person) []held {
	s.t.Helper()
	var list []held
	for _, client := range []string{"app", "sealed"} {
		for _, offline := range []bool{false, true} {
			scope := "openid email"
			if offline {
				scope += " offline_access"
			}
			access, refresh, _ := s.tokens(client, s.got(p.goes(of(client, "scope", scope, "prompt", "consent"), "bob", "bobs-password")))
			list = append(list, held{fmt.Sprint(client, " ", scope), client, access, refresh, offline})
		}
	}
	return list
}

// alive checks what is left of a holding.
func (s site) alive(when string, x held, want bool) {
	s.t.Helper()
	if got := reaches("/oauth2/userinfo")(s, x.access); got != want {
		s.t.Errorf("%s: %s: userinfo answers: %t", when, x.name, got)
	}
	if got := s.active(x.client, x.client+"-secret", x.access); got != want {
		s.t.Errorf("%s: %s: the access token is active: %t", when, x.name, got)
	}
	if got := s.active(x.client, x.client+"-secret", x.refresh); got != want {
		s.t.Errorf("%s: %s: the refresh token is active: %t", when, x.name, got)
	}
	if a := s.refresh(x.client, x.refresh); a.ok() != want {
		s.t.Errorf("%s: %s: refresh: %v", when, x.name, a)
	} else if !want {
		s.invalid(when+": "+x.name, a, "invalid_grant", 400)
	}
}

func TestTok06NothingOfABrowserOutlivesItsUserOrClient(t *testing.T) {
	user := func(edit func(u *identity.User)) func(site) error {
		return func(s site) error {
			_, err := s.Core.Admin.ChangeUser(s.t.Context(), "default", s.bob().ID, "user.change", func(u *identity.User) error { edit(u); return nil })
			return err
		}
	}
	for name, end := range map[string]func(site) error{
		"disabled": user(func(u *identity.User) { u.Enabled = false }),
		"deleted":  func(s site) error { return s.Core.Admin.DeleteUser(s.t.Context(), "default", s.bob().ID) },
		"clients disabled": func(s site) error {
			for _, id := range []string{"app", "sealed"} {
				if _, err := s.Core.Admin.ChangeClient(s.t.Context(), "default", id, "client.disable", func(c *client.Client) error { c.Enabled = false; return nil }); err != nil {
					return err
				}
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := village(t)
			p := s.person()
			list := s.holdings(p)
			open := p.Open(of("old")).Answer().Get("code")
			pending := s.got(p.Open(of("sealed")).Answer())
			p.Open(asking("prompt", "consent"))
			to, body := p.filled("/consent", "decision", "allow")
			if err := end(s); err != nil {
				t.Fatal(err)
			}
			for _, x := range list {
				if reaches("/oauth2/userinfo")(s, x.access) {
					t.Errorf("%s: userinfo answers", x.name)
				}
				if a := s.refresh(x.client, x.refresh); a.ok() {
					t.Errorf("%s: refresh: %v", x.name, a)
				} else {
					s.refused(x.name, a, 400, 401)
				}
			}
			s.refused("a code of before", s.redeem("sealed", pending), 400, 401)
			a := p.send("POST", to, body, sameOrigin())
			for range 3 { // a page, or an error for the client; never a code
				if strings.Contains(a.body+a.header.Get("Location"), "code=") {
					t.Errorf("a page left open: %v %v", a, a.header)
				}
				if next := a.header.Get("Location"); strings.HasPrefix(next, servertest.Public) {
					a = p.get(next)
				}
			}
			if name == "clients disabled" {
				s.errorPage("a disabled client", p.get(asking()), 400)
				return
			}
			s.refused("another client's code of before", s.redeem("old", open), 400)
			if q := p.Open(of("sealed", "prompt", "none")).Answer(); q.Get("error") != "login_required" {
				t.Errorf("still signed in: %v", q)
			}
			if x := p.Open("/account"); !strings.Contains(x.Page, `name="password"`) {
				t.Errorf("the account of nobody: %s", x.Page)
			}
			if name == "disabled" { // and nothing comes back with the person
				s.Clock.Add(time.Second)
				if err := user(func(u *identity.User) { u.Enabled = true })(s); err != nil {
					t.Fatal(err)
				}
				for _, x := range list {
					s.alive("enabled again", x, false)
				}
				if p.stillIn() {
					t.Error("the session comes back")
				}
				s.works()
			}
		})
	}
}

func TestTok07SigningOutEndsWhatLivesWithTheSessionAndAPasswordChangeEndsAll(t *testing.T) {
	s := village(t)
	p := s.person()
	list := s.holdings(p)
	code := s.got(p.Open(of("sealed")).Answer())
	elsewhere := s.signedIn()
	p.Open("/logout").Submit("/logout")
	for _, x := range list {
		s.alive("signed out", x, x.offline)
	}
	s.invalid("a code of the session", s.redeem("sealed", code), "invalid_grant", 400)
	if !elsewhere.stillIn() {
		t.Error("signing out here signs out there")
	}
	for name, end := range map[string]func() error{
		"password set": func() error { return s.Core.Admin.SetPassword(t.Context(), "default", s.bob().ID, "bobs-password") },
		"all revoked":  func() error { return s.Core.Admin.RevokeUser(t.Context(), "default", s.bob().ID) },
	} {
		p := s.person()
		list := s.holdings(p)
		code := s.got(p.Open(of("sealed")).Answer())
		if err := end(); err != nil {
			t.Fatal(err)
		}
		for _, x := range list {
			s.alive(name, x, false)
		}
		s.invalid(name+": a code of before", s.redeem("sealed", code), "invalid_grant", 400)
		if p.stillIn() || elsewhere.stillIn() {
			t.Errorf("%s: a browser is still signed in", name)
		}
		s.works()
	}
	// By the person, in the browser: it alone goes on.
	mine, other := s.faye(), s.faye()
	access, refresh, _ := s.tokens("sealed", s.got(other.Open(of("sealed", "scope", "openid offline_access")).Answer()))
	old := mine.cookie("jeton-session")
	mine.Open("/account/password").Submit("/account/password", "old", fayes, "new", "another-password-2", "again", "another-password-2")
	if other.stillIn() || !mine.stillIn() || mine.cookie("jeton-session") == old {
		t.Error("the change of a password: other browsers end, this one goes on under another name")
	}
	s.invalid("offline, too", s.refresh("sealed", refresh), "invalid_grant", 400)
	if reaches("/oauth2/userinfo")(s, access) {
		t.Error("an access token outlives the change of the password")
	}
	q := s.person()
	q.Open("/login").SignIn("faye", fayes)
	if q.Status != 422 {
		t.Errorf("the old password: %d", q.Status)
	}
	// Consent taken back ends what stood on it, offline or not.
	last := s.person()
	list = s.holdings(last)
	last.Open("/account/clients/remove?client=app").Submit("/account/clients/remove")
	for _, x := range list {
		s.alive("app removed", x, x.client != "app")
	}
}

// At an endpoint of another product a user's name beside a code changes nothing.
func TestDial05UserFieldsBesideACodeChangeNothing(t *testing.T) {
	s := people(t)
	code := s.code("app")
	for _, more := range []string{"", `,"username":"luser1","password":"12345678"`, `,"username":"luser1","password":"wrong"`, `,"username":"bob"`, `,"realm":"local","username":"admin","password":"P@ssw0rd!"`} {
		body := `{"client_id":"client_id","client_secret":"client_secret","grant_type":"authorization_code","redirect_uri":"http://127.0.0.1:8423/callback","code_verifier":"` + verifier + `","code":"` + code + `"` + more + `}`
		s.refused(more, s.json(fortiToken, body, nil), 400, 401)
	}
	s.tokens("app", code)
}

func TestHTTP08LanguagesThatPagesAreAskedForCostNothing(t *testing.T) {
	s := people(t)
	in := s.signedIn()
	for name, value := range map[string]string{
		"many": strings.Repeat("en-GB ", 17_000), "long": strings.Repeat("a", 100<<10), "dashes": strings.Repeat("a-", 50<<10), "weights": strings.Repeat("x;q=0,", 17_000),
		"extensions": strings.Repeat("u-co-phonebk-", 8_000), "private": "x-" + strings.Repeat("abcdefgh-", 11_000), "grandfathered": strings.Repeat("i-klingon,zh-min-nan,", 5_000),
	} {
		for _, most := range []int{len(value), 30 << 10, 4096, 1000} {
			value := value[:min(most, len(value))]
			for _, path := range []string{asking(), "/login", "/logout", "/account", "/consent?r=x", asking("redirect_uri", "x")} {
				within(t, name+" "+path, 50*time.Millisecond, func() {
					if a := s.bare().send("GET", path, "", headers("Accept-Language", value, "Cookie", "jeton-lang="+value)); a.status >= 500 && a.status != 503 {
						t.Errorf("%s at %s: %v", name, path, a)
					}
				})
			}
			within(t, name+" as ui_locales", 50*time.Millisecond, func() {
				a := in.send("POST", authorizePath, ask("ui_locales", value), nil)
				if a.status != 303 && a.status != 413 {
					t.Errorf("%s: %v", name, a)
				}
			})
			if most > 4096 {
				continue
			}
			within(t, name+" on the page", 50*time.Millisecond, func() { in.get(asking("ui_locales", value, "prompt", "login")) })
			if p := s.person().Open(asking("ui_locales", value)); p.Status != 200 && p.Left == nil {
				t.Errorf("%s: %d %s", name, p.Status, p.Page)
			}
		}
	}
	s.works()
}

// A request travels with its browser: whatever is begun and not finished, nothing is
// kept of it.
func TestHTTP10RequestsNobodyFinishesLeaveNothing(t *testing.T) {
	dsn := postgres.Database(t)
	s := site{Server: servertest.Start(t, servertest.Options{World: world, DSN: dsn}), t: t}
	s.Apply(t, peopleWorld)
	s.works()
	s.events()
	before, logged := rows(t, dsn), len(s.Logs.String())
	h := s.Handler()
	get := func(path string) *httptest.ResponseRecorder {
		req := httptest.NewRequest("GET", servertest.Public+path, nil)
		req.Host = "jeton.example"
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		return w
	}
	begin := func(i int) {
		w := get(asking("state", fmt.Sprint(i)))
		to := w.Header().Get("Location")
		if w.Code != 303 || !strings.HasPrefix(to, servertest.Public+"/login?r=") {
			t.Errorf("%d %v", w.Code, w.Header())
		}
		if i%100 == 0 { // some open the page, too, and leave
			if page := get(strings.TrimPrefix(to, servertest.Public)); page.Code != 200 {
				t.Errorf("%d", page.Code)
			}
		}
	}
	for i := range 500 {
		begin(i)
	}
	heap := inUse()
	var wg sync.WaitGroup
	const all, workers = 100_000, 4
	for w := range workers {
		wg.Go(func() {
			for i := w; i < all/slack; i += workers {
				begin(i)
			}
		})
	}
	wg.Wait()
	if grown := int64(inUse()) - int64(heap); grown > 8<<20 {
		t.Errorf("%d MiB more are in use", grown>>20)
	}
	s.events()
	after := rows(t, dsn)
	for table, n := range after {
		if n != before[table] {
			t.Errorf("%s: %d rows, %d before", table, n, before[table])
		}
	}
	if n := len(s.Logs.String()) - logged; n > 4096 {
		t.Errorf("%d bytes of log", n)
	}
	s.works()
}

func inUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// No request a client can word is our fault, and none that may be made ends before a
// page that nobody can leave.
func TestRequestsOfEverySizeAndModeAreAnswered(t *testing.T) {
	s := people(t)
	nobody, bob := s.person(), s.signedIn()
	bob.goes(of("native"), "bob", "bobs-password")
	for _, p := range []*person{nobody, bob} { // an app's own scheme takes no form
		for _, more := range [][]string{{}, {"prompt", "none"}, {"scope", "admin"}, {"prompt", "consent"}, {"prompt", "none login"}} {
			a := p.get(of("native", append([]string{"response_mode", "form_post"}, more...)...))
			if !strings.HasPrefix(a.header.Get("Location"), "com.example.app:/cb?error=") {
				t.Errorf("form_post to an app, %v: %v %v", more, a, a.header)
			}
		}
	}
	for _, filler := range []string{"a", "<", "\x01", "é", "\u2028", "\""} {
		for _, size := range []int{500, 1300, 2700, 4096} {
			text := strings.Repeat(filler, size/len(filler))
			var pairs []string
			for _, name := range []string{"state", "nonce", "login_hint", "ui_locales"} {
				pairs = append(pairs, name, text)
			}
			pairs = append(pairs, "claims", `{"userinfo":{"`+strings.Repeat("c", 50)+`":null}}`)
			a := nobody.send("POST", authorizePath, ask(pairs...), nil)
			to := a.header.Get("Location")
			if strings.HasPrefix(to, "https://app.example/cb?error=invalid_request") {
				continue
			}
			if a.status == 413 {
				continue
			}
			if page := nobody.get(to); page.status != 200 {
				t.Errorf("%d of %q each: the way ends at %d", size, filler, page.status)
			}
		}
	}
	s.works()
}

// fly is a whole journey with a marker in each place a secret or a private value has.
func (c *canaries) fly(s site) {
	s.t.Helper()
	marks := map[string]string{"state": "canary-state-6a1c90", "nonce": "canary-nonce-b2e871", "verifier": "canary-verifier-0123456789-0123456789-0123456789", "key": "canary-key-d81f02"}
	s.Apply(s.t.(servertest.TB), peopleWorld)
	if err := s.Core.Admin.CreateUser(s.t.Context(), &identity.User{Org: "default", Realm: "local", Name: "wren", Enabled: true}, "canary-wren-31b7d4e2"); err != nil {
		s.t.Fatal(err)
	}
	c.sent = map[string]string{
		"password": "canary-wren-31b7d4e2", "wrong password": "canary-wrong-1d20ee", "new password": "canary-fresh-77aa10-x", "verifier": marks["verifier"],
		"client secret": "app-secret", "forged session": "canary-session-" + strings.Repeat("z", 28), "forged browser": "canary-browser-55e0a1", "forged token": "canary-form-9b1e3f", "forged request": "canary-request-4d2c88",
		"forged code": "canary-code-64aa19-" + strings.Repeat("y", 24), "forged hint": "canary.hint.5e6f70",
	}
	c.issued = map[string]string{}
	keep := func(name, value string) {
		if len(value) > 8 {
			c.issued[fmt.Sprint(name, " ", len(c.issued))] = value
		}
	}
	watch := func(p *person) {
		for _, cookie := range p.HTTP.Jar.Cookies(mustURL(s.t, s.URL)) {
			keep("cookie "+cookie.Name, cookie.Value)
		}
		for _, form := range []string{"/login", "/consent", "/logout", "/login/password", "/account/password", "/lang"} {
			if strings.Contains(p.Page, `action="`+form+`"`) {
				_, fields := p.Form(form)
				keep("form token", fields.Get("token"))
				if len(fields.Get("r")) > 20 {
					keep("sealed request", fields.Get("r"))
				}
			}
		}
	}
	request := func(more ...string) string {
		return asking(append([]string{"state", marks["state"], "nonce", marks["nonce"], "code_challenge", challengeOf(marks["verifier"]), "scope", "openid email offline_access"}, more...)...)
	}
	p := s.person()
	p.Open(request("login_hint", "wren"))
	watch(p)
	p.SignIn("wren", c.sent["wrong password"])
	watch(p)
	p.SignIn("wren", c.sent["password"])
	watch(p)
	p.Submit("/consent", "decision", "allow")
	watch(p)
	redeem := func(code string, pairs ...string) answer {
		keep("code", code)
		a := s.redeem("app", code, append([]string{"code_verifier", marks["verifier"]}, pairs...)...)
		for _, name := range []string{"access_token", "refresh_token", "id_token"} {
			keep(name, a.member(name))
		}
		return a
	}
	code := p.Answer().Get("code")
	redeem(code, "code_verifier", c.sent["verifier"]+"x")
	redeem(code, "redirect_uri", "https://app.example/other")
	first := s.must(redeem(code))
	redeem(code)
	redeem(p.Open(request()).Answer().Get("code"), "client_id", "sealed")
	redeem(p.Open(request("response_mode", "form_post")).Answer().Get("code"))
	s.Clock.Add(2 * time.Minute)
	redeem(code)
	redeem(c.sent["forged code"])
	forged := s.person()
	forged.plant("jeton-session", c.sent["forged session"])
	forged.plant("jeton-browser", c.sent["forged browser"])
	for _, path := range []string{
		"/login?r=" + c.sent["forged request"], "/consent?r=" + c.sent["forged request"], "/logout?r=" + c.sent["forged request"], "/continue?r=" + c.sent["forged request"], "/account",
		request("id_token_hint", c.sent["forged hint"]), "/oauth2/logout?id_token_hint=" + c.sent["forged hint"], request("redirect_uri", "https://evil.example/"), request("prompt", "none"), request("scope", "admin"),
		request() + "&state=" + marks["state"], "/login?password=" + c.sent["wrong password"], authorizePath + "?client_id=app&code=" + c.sent["forged code"],
	} {
		forged.get(path)
	}
	for _, path := range []string{"/login", "/consent", "/logout", "/lang", "/login/account", "/account/password"} {
		forged.send("POST", path, encoded("token", c.sent["forged token"], "r", c.sent["forged request"], "name", "wren", "password", c.sent["wrong password"], "old", c.sent["wrong password"]), sameOrigin())
		forged.send("POST", path, encoded("token", c.sent["forged token"], "password", c.sent["wrong password"], "password", c.sent["wrong password"]), sameOrigin())
		forged.send("POST", path+"?password="+c.sent["wrong password"], c.sent["wrong password"], headers("Content-Type", "text/plain"))
	}
	p.Open(of("sealed", "prompt", "login"))
	p.SignIn("wren", c.sent["password"])
	watch(p)
	p.Open("/account/password")
	watch(p)
	p.Submit("/account/password", "old", c.sent["wrong password"], "new", c.sent["new password"], "again", c.sent["new password"])
	p.Submit("/account/password", "old", c.sent["password"], "new", c.sent["new password"], "again", c.sent["new password"])
	watch(p)
	if !p.stillIn() {
		s.t.Errorf("the password was not changed: %s", p.Page)
	}
	s.invalid("refresh after the change", s.form("/oauth2/token", encoded("grant_type", "refresh_token", "refresh_token", first.member("refresh_token")), basic("app", "app-secret")), "invalid_grant", 400)
	second := s.must(redeem(p.Open(request()).Answer().Get("code")))
	p.Open("/oauth2/logout?" + encoded("id_token_hint", second.member("id_token"), "post_logout_redirect_uri", "https://app.example/bye", "state", marks["state"]))
	watch(p)
	c.all = append(p.all, forged.all...)
	// What comes with a redirect is told on in it, and nowhere else.
	c.private = map[string]string{"state": marks["state"], "nonce": marks["nonce"]}
}

func TestLeak01NothingOfABrowsersJourneyIsLoggedOrRecorded(t *testing.T) {
	s := site{Server: servertest.Start(t, servertest.Options{World: world}), t: t}
	c := &canaries{}
	c.fly(s)
	records := ""
	for _, r := range s.events() {
		records += marshal(t, r) + "\n"
	}
	if len(c.issued) < 25 || !strings.Contains(records, "wren") || len(c.all) < 40 {
		t.Fatalf("%d secrets, %d answers: this test goes nowhere", len(c.issued), len(c.all))
	}
	logs := s.Logs.String()
	for _, set := range []map[string]string{c.sent, c.issued, c.private} {
		for name, canary := range set {
			if sings(logs, canary) {
				t.Errorf("%s is in the log", name)
			}
			if sings(records, canary) {
				t.Errorf("%s is in a record", name)
			}
		}
	}
	for _, a := range c.all {
		text := a.body + fmt.Sprint(a.header)
		for name, canary := range c.sent {
			if sings(text, canary) {
				t.Errorf("%s in an answer: %v", name, a)
			}
		}
	}
}

func TestLeak02NothingOfABrowsersJourneyIsInTheDatabase(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) {
		dir := t.TempDir()
		kek := vault.NewKEK()
		s := site{Server: servertest.Start(t, servertest.Options{World: world, DSN: filepath.Join(dir, "jeton.db"), KEK: &kek}), t: t}
		c := &canaries{}
		c.fly(s)
		s.events()
		files, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil || len(files) == 0 {
			t.Fatal(files, err)
		}
		all := ""
		for _, name := range files {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			all += string(b)
		}
		if !strings.Contains(all, "wren") {
			t.Error("the files hold nothing of what was done")
		}
		c.absent(t, "files", all)
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		dsn := postgres.Database(t)
		s := site{Server: servertest.Start(t, servertest.Options{World: world, DSN: dsn}), t: t}
		c := &canaries{}
		c.fly(s)
		s.events()
		text := dump(t, dsn)
		if !strings.Contains(text, "wren") {
			t.Error("the dump holds nothing of what was done")
		}
		c.absent(t, "dump", text)
	})
}

// dump is every row of a database as text.
func dump(t *testing.T, dsn string) string {
	t.Helper()
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var b strings.Builder
	for _, table := range tables(t, db) {
		list, err := db.QueryContext(t.Context(), `SELECT x::text FROM "`+table+`" x`)
		if err != nil {
			t.Fatal(err)
		}
		for list.Next() {
			var row string
			if err := list.Scan(&row); err != nil {
				t.Fatal(err)
			}
			b.WriteString(row + "\n")
		}
		if err := list.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

func TestLeak05CodesAndCookiesAreUniqueAndUnbiased(t *testing.T) {
	s := people(t)
	bob := s.signedIn()
	cookies := bob.HTTP.Jar.Cookies(mustURL(t, s.URL))
	h := s.Handler()
	ask := func(path string, with bool) *httptest.ResponseRecorder {
		req := httptest.NewRequest("GET", "http://127.0.0.1"+path, nil)
		for _, c := range cookies {
			if with {
				req.AddCookie(c)
			}
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		return w
	}
	cookie := func(w *httptest.ResponseRecorder, name string) string {
		for _, c := range w.Result().Cookies() {
			if strings.HasSuffix(c.Name, name) {
				return c.Value
			}
		}
		return ""
	}
	const many = 3000
	path := of("sealed")
	codes, browsers := draw(many, func(int) (string, string) {
		u, err := url.Parse(ask(path, true).Header().Get("Location"))
		if err != nil {
			t.Error(err)
		}
		return u.Query().Get("code"), cookie(ask("/login", false), "jeton-browser")
	})
	sealedAt := 12 // the version of the seal and its key come first, then a nonce of chance
	if len(codes[0]) == 43 {
		sealedAt = 0
	}
	unbiased(t, "code", codes, sealedAt, 31, policy.Base64URL)
	unbiased(t, "browser", browsers, 0, 21, policy.Base64URL)
	requests, _ := draw(many, func(int) (string, string) {
		_, r, _ := strings.Cut(ask(asking(), false).Header().Get("Location"), "r=")
		return r, ""
	})
	unbiased(t, "sealed request", requests, 12, 31, policy.Base64URL)
	// Signing in costs a password each, so there are fewer: enough to see one twice, or a short one.
	var sessions []string
	seen := map[string]bool{}
	p := s.person()
	for range 150 {
		s.Clock.Add(time.Second)
		p.Open(of("sealed", "prompt", "login")).SignIn("bob", "bobs-password")
		sessions = append(sessions, p.cookie("jeton-session"))
		if x := sessions[len(sessions)-1]; seen[x] {
			t.Fatalf("session %q came twice", x)
		} else {
			seen[x] = true
		}
	}
	var all [256]int
	for _, x := range sessions {
		if len(x) != 43 {
			t.Fatalf("session %q", x)
		}
		for _, c := range []byte(x[:42]) {
			all[c]++
		}
	}
	even(t, "session", all, len(sessions)*42, policy.Base64URL)
	s.works()
}
