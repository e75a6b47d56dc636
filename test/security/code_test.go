package security_test

import (
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"jeton/internal/servertest"
	"jeton/internal/vault"
)

func TestCode01ACodeUsedTwiceEndsWhatWasMadeFromIt(t *testing.T) {
	s := people(t)
	for _, client := range []string{"app", "sealed"} {
		code := s.code(client)
		access, refresh, _ := s.tokens(client, code)
		alive := reaches("/oauth2/userinfo")
		if !alive(s, access) {
			t.Fatalf("%s: dead at once", client)
		}
		s.invalid(client+": again", s.redeem(client, code), "invalid_grant", 400)
		if alive(s, access) || s.active(client, client+"-secret", access) {
			t.Errorf("%s: the access token lives after the replay", client)
		}
		s.invalid(client+": refresh after the replay", s.refresh(client, refresh), "invalid_grant", 400)
		s.invalid(client+": a third time", s.redeem(client, code), "invalid_grant", 400)
	}
	s.works()
}

func TestCode02FiftyRedemptionsOnTwoNodesMakeOneGrantAtMostAndNoneThatLives(t *testing.T) {
	dsn, kek := postgres.Database(t), vault.NewKEK()
	a := site{Server: servertest.Start(t, servertest.Options{World: world, DSN: dsn, KEK: &kek}), t: t}
	a.Apply(t, peopleWorld)
	a.works() // the keys are there before the other node looks
	b := site{Server: servertest.Start(t, servertest.Options{NoDemo: true, DSN: dsn, KEK: &kek}), t: t}
	node := [2]site{a, b}
	for _, client := range []string{"app", "sealed"} {
		code := a.code(client)
		won := make(chan answer, 50)
		wins := once(50, func(i int) answer {
			got := node[i%2].redeem(client, code)
			if got.ok() {
				won <- got
			}
			return got
		})
		close(won)
		if wins > 1 {
			t.Errorf("%s: %d redemptions succeeded", client, wins)
		}
		for got := range won { // there were 49 others: the reuse was seen
			for i, s := range node {
				if reaches("/oauth2/userinfo")(s, got.member("access_token")) || s.active(client, client+"-secret", got.member("access_token")) {
					t.Errorf("%s: an access token lives on node %d", client, i)
				}
				s.invalid(client, s.refresh(client, got.member("refresh_token")), "invalid_grant", 400)
			}
		}
		for _, s := range node {
			s.invalid(client, s.redeem(client, code), "invalid_grant", 400)
		}
	}
	a.tokens("app", a.code("app"))
	b.tokens("app", a.code("app"))
}

func TestCode03ACodeIsItsClientsAlone(t *testing.T) {
	s := people(t)
	code := s.code("app")
	for _, other := range []string{"sealed", "old"} {
		s.invalid(other, s.redeem(other, code, "redirect_uri", "https://app.example/cb"), "invalid_grant", 400)
	}
	s.invalid("a public client", s.redeem("native", code, "redirect_uri", "https://app.example/cb"), "invalid_grant", 400)
	s.invalid("public, with the name of the right one beside", s.form("/oauth2/token", encoded("grant_type", "authorization_code", "code", code, "client_id", "app",
		"redirect_uri", "https://app.example/cb", "code_verifier", verifier), basic("sealed", "sealed-secret")), "invalid_request", 400)
	s.nobody("without authentication", s.form("/oauth2/token", encoded("grant_type", "authorization_code", "code", code, "client_id", "app",
		"redirect_uri", "https://app.example/cb", "code_verifier", verifier), nil))
	s.refused("next door", s.form("/other/oauth2/token", encoded("grant_type", "authorization_code", "code", code,
		"redirect_uri", "https://app.example/cb", "code_verifier", verifier), basic("next", "next-secret")), 400)
	s.refused("another product", s.form(fortiToken, encoded("grant_type", "authorization_code", "code", code,
		"redirect_uri", "https://app.example/cb", "code_verifier", verifier), basic("client_id", "client_secret")), 400, 401)
	s.tokens("app", code) // none of them spent it
}

func TestCode04TheRedirectURIIsRepeatedAtRedemption(t *testing.T) {
	s := people(t)
	code := s.code("app")
	for _, uri := range []string{
		"-", "https://app.example/cb/", "https://app.example/other", "https://app.example/cb?tenant=1", "https://app.example/cb?", "HTTPS://app.example/cb",
		"https://app.example:443/cb", "https://app.example/c%62", "https://evil.example/cb", " https://app.example/cb", "https://app.example/cb#",
	} {
		s.invalid(uri, s.redeem("app", code, "redirect_uri", uri), "invalid_grant", 400)
	}
	s.tokens("app", code)
}

func TestCode05ACodeLivesAMinute(t *testing.T) {
	s := people(t)
	late, justInTime := s.code("app"), s.code("app")
	s.Clock.Add(59 * time.Second)
	s.tokens("app", justInTime)
	s.Clock.Add(2 * time.Second)
	s.invalid("after 61 s", s.redeem("app", late), "invalid_grant", 400)
	s.Clock.Add(time.Minute)
	s.Tick(t.Context()) // what is over is swept
	s.Clock.Add(-90 * time.Second)
	s.invalid("a used one, with the clock back", s.redeem("app", justInTime), "invalid_grant", 400)
	s.Clock.Add(90 * time.Second)
	s.works()
}

func TestCode06And07OnlyTheVerifierOfTheChallengeRedeems(t *testing.T) {
	s := people(t)
	for _, client := range []string{"app", "native"} {
		code := s.code(client)
		for what, v := range map[string]string{
			"none": "-", "random": strings.Repeat("x", 43), "the challenge itself": challengeOf(verifier), "42 characters": verifier[:42],
			"129 characters": strings.Repeat("a", 129), "illegal characters": strings.Repeat("+", 43), "one more character": verifier + "a", "one less": verifier[:len(verifier)-1],
			"other case": strings.ToUpper(verifier), "a space behind": verifier + " ", "not ASCII": strings.Repeat("é", 43),
		} {
			s.invalid(client+": "+what, s.redeem(client, code, "code_verifier", v), "invalid_grant", 400)
		}
		s.refused(client+": two", s.form("/oauth2/token", encoded("grant_type", "authorization_code", "code", code, "code_verifier", verifier, "code_verifier", verifier,
			"redirect_uri", "https://app.example/cb"), basic("app", "app-secret")), 400)
		s.must(s.redeem(client, code))
	}
}

func TestCode08PKCECannotBeTakenOutOfARequest(t *testing.T) {
	s := people(t)
	for _, client := range []string{"app", "native"} {
		a := s.page(of(client, "code_challenge", "-", "code_challenge_method", "-"))
		if u, err := url.Parse(a.header.Get("Location")); err != nil || u.Query().Get("error") != "invalid_request" {
			t.Errorf("%s: without a challenge: %v %v", client, a, a.header)
		}
	}
	// A client that may go without: what it sends later must fit what it sent first.
	without := s.code("old", "code_challenge", "-", "code_challenge_method", "-")
	s.invalid("a verifier nobody asked for", s.redeem("old", without), "invalid_grant", 400)
	s.must(s.redeem("old", without, "code_verifier", "-"))
	with := s.code("old")
	s.invalid("no verifier", s.redeem("old", with, "code_verifier", "-"), "invalid_grant", 400)
	s.must(s.redeem("old", with))
}

func TestCode09PlainChallengesAreRefused(t *testing.T) {
	s := people(t)
	for what, change := range map[string][]string{
		"plain": {"code_challenge_method", "plain"}, "plain, of the verifier": {"code_challenge_method", "plain", "code_challenge", verifier},
		"no method, which means plain": {"code_challenge_method", "-"}, "lower case": {"code_challenge_method", "s256"}, "S512": {"code_challenge_method", "S512"},
		"a method alone": {"code_challenge", "-"}, "a short challenge": {"code_challenge", challengeOf(verifier)[:42]}, "a long one": {"code_challenge", challengeOf(verifier) + "A"},
		"padded": {"code_challenge", challengeOf(verifier)[:42] + "="}, "of other letters": {"code_challenge", strings.Repeat("+", 43)},
	} {
		q := s.tellsClient(what, s.page(asking(change...)), "invalid_request")
		if q.Get("state") != "st-1" {
			t.Errorf("%s: %v", what, q)
		}
	}
	s.works()
}

func TestCode10OnlyCodesComeThroughTheBrowser(t *testing.T) {
	s := people(t)
	in := s.signedIn()
	for _, kind := range []string{"token", "id_token", "id_token token", "code token", "code id_token", "code id_token token", "none", "Code", "code code", "code "} {
		for _, mode := range []string{"-", "fragment"} {
			for _, p := range []*person{s.person(), in} {
				a := p.get(asking("response_type", kind, "response_mode", mode))
				want := "unsupported_response_type"
				s.tellsClient(kind, a, want)
				if to := a.header.Get("Location"); strings.Contains(to, "#") || strings.Contains(to, "access_token") || strings.Contains(to, "id_token=") {
					t.Errorf("%s: %s", kind, to)
				}
			}
		}
	}
	s.tellsClient("no type", in.get(asking("response_type", "-")), "invalid_request")
	for _, mode := range []string{"fragment", "jwt", "web_message", "QUERY"} {
		s.tellsClient(mode, in.get(asking("response_mode", mode)), "invalid_request")
	}
	s.works()
}

func TestCode11EveryAnswerNamesItsIssuer(t *testing.T) {
	s := people(t)
	p := s.person()
	answers := map[string]url.Values{
		"a code":                 p.goes(asking(), "bob", "bobs-password"),
		"a code at once":         p.goes(asking(), "bob", "bobs-password"),
		"a code by form":         p.goes(asking("response_mode", "form_post"), "bob", "bobs-password"),
		"a refusal":              s.tellsClient("scope", p.get(asking("scope", "admin")), "invalid_scope"),
		"a refusal of a type":    s.tellsClient("type", s.page(asking("response_type", "token")), "unsupported_response_type"),
		"nobody is signed in":    s.tellsClient("none", s.page(asking("prompt", "none")), "login_required"),
		"a refusal by form":      s.person().Open(asking("response_mode", "form_post", "prompt", "none")).Answer(),
		"the person says no":     s.signedIn().Open(asking("prompt", "consent")).Submit("/consent", "decision", "deny").Answer(),
		"no by form":             s.signedIn().Open(asking("prompt", "consent", "response_mode", "form_post")).Submit("/consent", "decision", "deny").Answer(),
		"another organization's": s.person().goes("/other"+of("app", "client_id", "next", "redirect_uri", "https://next.example/cb", "scope", "openid"), "dan", "dans-password"),
	}
	for what, q := range answers {
		want := servertest.Public
		if what == "another organization's" {
			want += "/other"
		}
		if len(q["iss"]) != 1 || q.Get("iss") != want || q.Get("state") != "st-1" || q.Has("code") == q.Has("error") {
			t.Errorf("%s: %v", what, q)
		}
	}
}

func TestCode12AnAnswerIsNeverARedirectThatRepeatsAForm(t *testing.T) {
	s := people(t)
	p := s.person()
	p.Open(asking("prompt", "consent")).SignIn("bob", "bobs-password")
	before := len(p.all)
	p.Submit("/consent", "decision", "allow")
	for _, a := range p.all[before:] {
		if a.status != 200 && a.status != 303 {
			t.Errorf("%d after a form", a.status)
		}
	}
	s.got(p.Answer())
	// At once, with nothing to ask; the request itself as a form, too.
	at := p.get(asking())
	if at.status != 303 || at.header.Get("Cache-Control") != "no-store" || at.header.Get("Referrer-Policy") != "no-referrer" || !strings.HasPrefix(at.header.Get("Location"), "https://app.example/cb?code=") {
		t.Errorf("%v %v", at, at.header)
	}
	posted := p.send("POST", authorizePath, ask(), nil)
	if posted.status != 303 || !strings.HasPrefix(posted.header.Get("Location"), servertest.Public+"/login?r=") {
		t.Errorf("a posted request: %v %v", posted, posted.header)
	}
	s.got(p.Open(posted.header.Get("Location")).Answer())
	s.tellsClient("a posted one that is wrong", p.send("POST", authorizePath, ask("scope", "admin"), nil), "invalid_scope")
	s.errorPage("both", p.send("POST", asking(), ask(), nil), 400)
}

func TestCode13WithoutPromptsNoPageIsShown(t *testing.T) {
	s := people(t)
	if a := s.page(asking("prompt", "none")); s.tellsClient("nobody", a, "login_required") == nil || strings.Contains(a.body, "<form") {
		t.Errorf("%v", a)
	}
	in := s.signedIn()
	s.tellsClient("without consent", in.get(asking("prompt", "none", "scope", "openid read")), "consent_required")
	for _, prompt := range []string{"none login", "none consent", "login none", "none select_account", "none none"} {
		s.tellsClient(prompt, in.get(asking("prompt", prompt)), "invalid_request")
	}
	s.tellsClient("too long ago", func() answer { s.Clock.Add(2 * time.Second); return in.get(asking("prompt", "none", "max_age", "1")) }(), "login_required")
	s.tellsClient("by form", in.get(asking("prompt", "none", "max_age", "-1")), "invalid_request")
	in.goes(asking(), "bob", "bobs-password")
	s.got(in.Open(asking("prompt", "none")).Answer())
}

func TestCode14AnInteractionIsItsBrowsersAlone(t *testing.T) {
	s := people(t)
	victim := s.person()
	victim.Open(asking("prompt", "consent")).SignIn("bob", "bobs-password")
	if !strings.Contains(victim.Page, `value="allow"`) {
		t.Fatal(victim.Page)
	}
	_, fields := victim.Form("/consent")
	sealed := fields.Get("r")
	thief, signed := s.person(), s.signedIn()
	for what, p := range map[string]*person{"a thief": thief, "somebody who is signed in": signed} {
		for _, path := range []string{"/consent", "/continue", "/login", "/login/account"} {
			s.errorPage(what+" at "+path, p.get(path+"?r="+sealed), 400)
		}
		p.Open("/login")
		_, own := func() (string, url.Values) {
			if what == "a thief" {
				return p.Form("/login")
			}
			return p.Open(of("app", "prompt", "consent", "scope", "openid")).Form("/consent")
		}()
		for path, more := range map[string][]string{
			"/consent": {"decision", "allow", "scope", "openid"}, "/login": {"name", "bob", "password", "bobs-password"}, "/login/account": {"choice", "this"}, "/lang": {"lang", "fr"},
		} {
			s.errorPage(what+" posts to "+path, p.send("POST", path, encoded(append(more, "token", own.Get("token"), "r", sealed)...), sameOrigin()), 400)
		}
	}
	// The victim goes on as if nothing had happened, once.
	victim.Submit("/consent", "decision", "allow")
	s.tokens("app", s.got(victim.Answer()))
	s.errorPage("a second time", victim.get("/continue?r="+last(victim.Trail)), 400)
}

// last is the sealed request of the last address of a trail.
func last(trail []string) string {
	_, r, _ := strings.Cut(trail[len(trail)-1], "r=")
	return r
}

func TestCode15NoScopeIsAddedAtRedemption(t *testing.T) {
	s := people(t)
	for _, scope := range []string{"openid email read", "read", "openid email offline_access", "admin", "openid email profile"} {
		a := s.redeem("app", s.code("app"), "scope", scope)
		if !a.ok() {
			s.invalid(scope, a, "invalid_scope", 400)
			continue
		}
		if got := a.member("scope"); got != "openid email" {
			t.Errorf("%s: %s", scope, got)
		}
		a = s.form("/oauth2/token", encoded("grant_type", "refresh_token", "refresh_token", a.member("refresh_token"), "scope", scope), basic("app", "app-secret"))
		s.invalid(scope+" at refresh", a, "invalid_scope", 400)
	}
	// What the person unticked is not in the code, whatever the client asked for.
	p := s.person()
	p.Open(asking("prompt", "consent", "scope", "openid email read")).SignIn("carol", "carols-password")
	to, fields := p.Form("/consent")
	fields["scope"] = []string{"openid"}
	fields.Set("decision", "allow")
	code := s.got(p.Post(to, fields, nil).Answer())
	a := s.redeem("app", code, "scope", "openid email read")
	if a.ok() {
		t.Errorf("what was unticked is granted: %v", a)
	}
	if got := s.must(s.redeem("app", code)).member("scope"); got != "openid" {
		t.Errorf("scope %s, want openid", got)
	}
}

// One request gives one code, however often and however fast its last step is asked.
func TestCode02OneInteractionGivesOneCode(t *testing.T) {
	s := people(t)
	p := s.signedIn()
	p.Open(asking("prompt", "consent"))
	to, body := p.filled("/consent", "decision", "allow")
	a := p.send("POST", to, body, sameOrigin())
	next := a.header.Get("Location")
	if a.status != 303 || !strings.Contains(next, "/continue?r=") {
		t.Fatalf("%v %v", a, a.header)
	}
	path := strings.TrimPrefix(next, servertest.Public)
	cookies := p.HTTP.Jar.Cookies(mustURL(t, s.URL))
	var mu sync.Mutex
	codes := 0
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			h := headers()
			for _, c := range cookies {
				h.Add("Cookie", c.Name+"="+c.Value)
			}
			h.Set("Cookie", strings.Join(h["Cookie"], "; "))
			got := s.send("GET", path, "", h)
			mu.Lock()
			defer mu.Unlock()
			if strings.Contains(got.body, "code=") {
				codes++
			} else if got.status != 400 {
				t.Errorf("%v", got)
			}
		})
	}
	wg.Wait()
	if codes != 1 {
		t.Errorf("%d codes", codes)
	}
}

func mustURL(t testing.TB, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
