package security_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"jeton/internal/servertest"
)

// browserFuzz is a server for anything at all a browser sends, by a person who is
// signed in and by one who is not.
type browserFuzz struct {
	s       site
	until   time.Time // when somebody has to sign in again
	cookies []*http.Cookie
	token   string // of the forms of the one who is signed in
	sealed  string // an honest request of that browser
	hint    string // an ID token app was given for the session
}

var fuzzing browserFuzz

func (x *browserFuzz) open(t testing.TB) {
	t.Helper()
	x.s = people(t) // a second later, so that records of refusals find their place
	if now := x.s.Clock.Now(); now.Before(x.until) {
		return
	}
	p := x.s.person()
	_, _, x.hint = x.s.tokens("app", x.s.got(p.goes(asking(), "bob", "bobs-password")))
	_, fields := p.Open(asking("prompt", "consent")).Form("/consent")
	x.token, x.sealed = fields.Get("token"), fields.Get("r")
	x.cookies, x.until = p.HTTP.Jar.Cookies(mustURL(t, x.s.URL)), x.s.Clock.Now().Add(8*time.Hour)
}

// send serves one request and checks what holds for every answer.
func (x *browserFuzz) send(t testing.TB, method, path, query, body string, signedIn bool) *httptest.ResponseRecorder {
	t.Helper()
	req := httptest.NewRequest(method, "http://127.0.0.1"+path, strings.NewReader(body))
	req.URL.RawQuery = query
	if method == http.MethodPost {
		req.Header.Set("Content-Type", formType)
		req.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for _, c := range x.cookies {
		if signedIn {
			req.AddCookie(c)
		}
	}
	w := httptest.NewRecorder()
	x.s.Handler().ServeHTTP(w, req)
	a := answer{w.Code, w.Body.String(), w.Header()}
	if w.Code >= 500 {
		t.Fatalf("%s %s?%s %q: %v\n%s", method, path, query, body, a, x.s.Logs)
	}
	x.s.decent(req, a)
	x.s.proper(req, a)
	if w.Code >= 400 && w.Code != 422 && w.Header().Get("Jeton-Error-Id") == "" {
		t.Errorf("%d without an error id", w.Code)
	}
	return w
}

// both sends as nobody and as bob.
func (x *browserFuzz) both(t testing.TB, method, path, query, body string, check func(*httptest.ResponseRecorder)) {
	t.Helper()
	x.open(t)
	for _, signedIn := range []bool{false, true} {
		check(x.send(t, method, path, query, body, signedIn))
	}
}

// FuzzAuthorizeQuery: whatever a request says, nobody is sent to anything but a
// registered address or a page of ours, and our own fault it never is.
func FuzzAuthorizeQuery(f *testing.F) {
	f.Add(ask())
	for _, more := range [][]string{
		{"redirect_uri", "https://evil.example/"}, {"redirect_uri", "https://app.example@evil.example/cb"}, {"response_mode", "form_post"}, {"prompt", "none"}, {"prompt", "login consent select_account"},
		{"claims", `{"id_token":{"sub":{"value":"1"},"acr":{"essential":true,"values":["2"]}},"userinfo":{"email":null}}`}, {"max_age", "0"}, {"id_token_hint", "a.b.c"}, {"resource", "https://api.example.com"}, {"scope", "openid read"},
		{"state", "\x01\u2028<>"}, {"request", "x"}, {"acr_values", "2 1"}, {"login_hint", `"><script>`}, {"ui_locales", "fr-CA en x-y"}, {"response_type", "code token"}, {"code_challenge_method", "plain"},
	} {
		f.Add(ask(more...))
	}
	for _, client := range []string{"native", "sealed", "old"} {
		_, query, _ := strings.Cut(of(client, "response_mode", "form_post"), "?")
		f.Add(query)
	}
	f.Add("client_id=native&response_type=code&redirect_uri=http://127.0.0.1:80@evil.example/cb")
	f.Add("client_id=app&redirect_uri=https://app.example/cb&response_type=code&response_type=token&%zz")
	f.Fuzz(func(t *testing.T, query string) {
		fuzzing.both(t, "GET", authorizePath, query, "", func(*httptest.ResponseRecorder) {})
		fuzzing.both(t, "POST", authorizePath, "", query, func(w *httptest.ResponseRecorder) {
			if strings.Contains(w.Header().Get("Location"), "code=") && !strings.Contains(w.Header().Get("Location"), "error") {
				t.Errorf("a form of another site gets a code: %v", w.Header())
			}
		})
	})
}

// FuzzSignInForm and FuzzConsentForm: without the browser's own token nothing is
// done, and with it no more than the page offers.
func FuzzSignInForm(f *testing.F) {
	f.Add("name=bob&password=wrong")
	f.Add("name=%3Cscript%3E&password=x&realm=local&next=//evil.example")
	f.Add("name=bob&name=carol&password=x")
	f.Add("password=x&r=account&choice=other")
	f.Add("name=" + strings.Repeat("a", 3000) + "&password=%00")
	f.Fuzz(func(t *testing.T, body string) {
		x := &fuzzing
		x.open(t)
		x.s.Clock.Add(20 * time.Minute) // nobody is slowed down for long
		for _, withToken := range []bool{false, true} {
			sent := body
			if withToken {
				sent += "&token=" + x.token
			}
			for _, path := range []string{"/login", "/lang", "/login/account"} {
				w := x.send(t, "POST", path, "", sent, true)
				if w.Code < 400 && !withToken {
					t.Errorf("%s without the token: %d %v", path, w.Code, w.Header())
				}
				for _, c := range w.Result().Cookies() {
					if c.Name == "jeton-session" && c.Value != "" {
						t.Errorf("%s: somebody is signed in: %q", path, body)
					}
				}
			}
		}
	})
}

func FuzzConsentForm(f *testing.F) {
	f.Add("decision=allow&scope=openid&scope=email")
	f.Add("decision=allow&scope=admin&scope=read&scope=offline_access&client_id=sealed")
	f.Add("decision=deny")
	f.Add("decision=allow&decision=deny")
	f.Add("scope=openid&redirect_uri=https://evil.example/")
	f.Fuzz(func(t *testing.T, body string) {
		x := &fuzzing
		x.open(t)
		x.fresh(t)
		if w := x.send(t, "POST", "/consent", "", body+"&r="+x.sealed, true); w.Code < 400 {
			t.Errorf("without the token: %d", w.Code)
		}
		w := x.send(t, "POST", "/consent", "", "token="+x.token+"&r="+x.sealed+"&"+body, true)
		if to := w.Header().Get("Location"); w.Code == 303 && !strings.HasPrefix(to, servertest.Public+"/continue?r=") {
			t.Errorf("sent to %s", to)
		}
		u := x.s.bob()
		list, err := x.s.Core.Admin.Consents(t.Context(), u)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range list {
			if c.Client == "app" && !c.Scope.Within([]string{"openid", "email"}) {
				t.Errorf("%q allowed %v", body, c.Scope)
			}
		}
	})
}

// fresh makes the honest request anew when it is about to be too old.
func (x *browserFuzz) fresh(t testing.TB) {
	t.Helper()
	w := x.send(t, "GET", authorizePath, ask("prompt", "consent"), "", true)
	_, r, found := strings.Cut(w.Header().Get("Location"), "r=")
	if !found {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	x.sealed = r
}

// FuzzSealedRequest: nothing but what this server sealed is a request.
func FuzzSealedRequest(f *testing.F) {
	f.Add("x")
	f.Add("overview")
	f.Add(b64([]byte(`{"o":"default","d":"oidc","c":"app","r":"https://evil.example/","t":9999999999999}`)))
	f.Add(strings.Repeat("A", 400))
	f.Add("AQ" + strings.Repeat("_", 100))
	f.Fuzz(func(t *testing.T, r string) {
		x := &fuzzing
		x.open(t)
		for _, at := range []string{r, x.sealed[:min(len(r), len(x.sealed))] + r} {
			if at == x.sealed {
				continue
			}
			query := encoded("r", at)
			for _, path := range []string{"/login", "/consent", "/continue", "/login/account", "/login/password", "/logout"} {
				w := x.send(t, "GET", path, query, "", true)
				if text := w.Body.String() + w.Header().Get("Location"); strings.Contains(text, "code=") || strings.Contains(text, `value="allow"`) {
					t.Errorf("%s takes %q", path, at)
				}
			}
			x.send(t, "POST", "/consent", "", "token="+x.token+"&decision=allow&"+query, true)
		}
	})
}

// FuzzLogoutQuery: nobody is sent to an address no client registered for it, and
// without the ID token of the session nobody is signed out.
func FuzzLogoutQuery(f *testing.F) {
	f.Add("post_logout_redirect_uri=https://evil.example/", false)
	f.Add("post_logout_redirect_uri=https://app.example/bye&client_id=app&state=%22%3E", true)
	f.Add("client_id=sealed&post_logout_redirect_uri=https://sealed.example/bye", true)
	f.Add("id_token_hint=a.b.c&ui_locales=fr", false)
	f.Add("post_logout_redirect_uri=https://app.example/cb", true)
	f.Add("state="+strings.Repeat("s", 5000), true)
	f.Fuzz(func(t *testing.T, query string, hint bool) {
		fuzzing.open(t)
		if hint {
			query += "&id_token_hint=" + fuzzing.hint
		}
		for _, method := range []string{"GET", "POST"} {
			q, body := query, ""
			if method == "POST" {
				q, body = "", query
			}
			w := fuzzing.send(t, method, "/oauth2/logout", q, body, true)
			to := w.Header().Get("Location")
			if to == "" {
				continue
			}
			_, r, ok := strings.Cut(to, servertest.Public+"/logout?r=")
			if !ok {
				t.Fatalf("sent to %s", to)
			}
			page := fuzzing.send(t, "GET", "/logout", "r="+r, "", false) // nobody is signed in: it goes straight on
			if page.Code != 200 {
				t.Errorf("the way ends at %d", page.Code)
			}
			if m := leaving.FindStringSubmatch(page.Body.String()); m != nil && m[1] != "" && !strings.HasPrefix(m[1], "https://app.example/bye") {
				t.Errorf("sent to %s", m[1])
			}
			if !hint {
				asks := fuzzing.send(t, "GET", "/logout", "r="+r, "", true)
				if !strings.Contains(asks.Body.String(), `action="/logout"`) {
					t.Errorf("%q signs out", query)
				}
			}
		}
	})
}
