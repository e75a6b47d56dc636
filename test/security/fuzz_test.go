package security_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"jeton/internal/servertest"
)

// target is one token inlet as strangers reach it, and honest requests to begin with.
type target struct {
	method, path string
	plain        bool // words refusals as one line of text
	first        []request
}

type request struct{ query, authorization, media, body string }

const (
	formType = "application/x-www-form-urlencoded"
	jsonType = "application/json"
)

func authorization(h http.Header) string { return h.Get("Authorization") }

// fuzz sends anything at all to an inlet. Whatever comes: no fault of ours, one JSON
// object (or one line of text where the product has that), an id on each refusal,
// and never a registered secret in the answer.
func fuzz(f *testing.F, x target) {
	for _, r := range x.first {
		f.Add(r.query, r.authorization, r.media, []byte(r.body))
	}
	for _, r := range []request{
		{}, {"a=b&a=c", "Basic", formType, "a=b&a=c"}, {"%zz", "Basic !", formType, "%zz"}, {"", "Bearer x.y.z", jsonType, `{"a":1,"a":2}`},
		{"", "\x00", "multipart/form-data", strings.Repeat("[", 99)}, {"", "basic Og==", jsonType + ";charset=utf-16", "\ufeff{}"},
	} {
		f.Add(r.query, r.authorization, r.media, []byte(r.body))
	}
	var once sync.Once
	var server *servertest.Server
	f.Fuzz(func(t *testing.T, query, authorization, media string, body []byte) {
		once.Do(func() { server = servertest.Start(&lasting, servertest.Options{World: world}) })
		server.Clock.Add(10 * time.Second) // so that nobody is slowed down for long
		req := httptest.NewRequest(x.method, servertest.Public+x.path, strings.NewReader(string(body)))
		req.Host, req.URL.RawQuery = "jeton.example", query
		for name, value := range map[string]string{"Authorization": authorization, "Content-Type": media} {
			if value != "" {
				req.Header[name] = []string{value}
			}
		}
		w := httptest.NewRecorder()
		server.Handler().ServeHTTP(w, req)
		check(t, x, w, server.Logs)
	})
}

func check(t *testing.T, x target, w *httptest.ResponseRecorder, logs *servertest.Logs) {
	t.Helper()
	body := w.Body.String()
	if w.Code >= 500 && (w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "") {
		t.Fatalf("%d %s\n%s", w.Code, body, logs)
	}
	if (w.Header().Get("Jeton-Error-Id") != "") != (w.Code >= 400) {
		t.Errorf("%d with error id %q", w.Code, w.Header().Get("Jeton-Error-Id"))
	}
	if w.Header().Get("X-Content-Type-Options") != "nosniff" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", w.Header())
	}
	for _, secret := range []string{"demo-batch-secret", "robot-secret", "bobs-password", "demo-sam", "demo-aspire-secret", "mypassword", "keeper-secret"} {
		if strings.Contains(body, secret) {
			t.Errorf("the answer holds a secret: %s", body)
		}
	}
	var object map[string]json.RawMessage
	one := json.Unmarshal([]byte(body), &object) == nil && object != nil
	line := x.plain && strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") && strings.Count(body, "\n") == 1 && strings.HasSuffix(body, "\n")
	if !one && !(line && w.Code >= 400) {
		t.Errorf("%d, no JSON object: %q", w.Code, body)
	}
}

func FuzzTokenEndpoint(f *testing.F) {
	robot := authorization(basic("robot", "robot-secret"))
	fuzz(f, target{method: "POST", path: "/oauth2/token", first: []request{
		{"", authorization(batch()), formType, credentialsGrant},
		{"", "", formType, "grant_type=password&username=bob&password=bobs-password&client_id=public"},
		{"", authorization(basic("legacy", "legacy-secret")), formType, "grant_type=refresh_token&refresh_token=jtr_x&scope=openid"},
		{"", robot, formType, encoded("grant_type", jwtBearer, "assertion", "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJyb2JvdCJ9.AAAA")},
		{"", "", formType, encoded("grant_type", "client_credentials", "client_assertion_type", assertionIs, "client_assertion", "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzaWduZXIifQ.AAAA")},
		{"", "", formType, "grant_type=client_credentials&client_id=robot&client_secret=robot-secret&resource=https%3A%2F%2Fapi.example.com"},
	}})
}

func FuzzFaspexTokenEndpoint(f *testing.F) {
	sam := authorization(basic("sam", "demo-sam"))
	fuzz(f, target{method: "POST", path: faspexToken, first: []request{
		{"grant_type=password", sam, "", ""}, {"", sam, formType, "grant_type=password"}, {"", sam, jsonType, `{"grant_type":"password","id":1}`},
		{"grant_type=refresh_token&refresh_token=b0s7_kDqT6aY-xP4nLr1Ew", "", "", ""}, {"grant_type=password", sam, jsonType, "{}"},
	}})
}

func FuzzFortiAuthenticatorTokenEndpoint(f *testing.F) {
	fuzz(f, target{method: "POST", path: fortiToken, first: []request{
		{"", "", jsonType, fortiLogin}, {"", authorization(basic("client_id", "client_secret")), formType, "grant_type=password&username=luser1&password=12345678"},
		{"", "", jsonType, `{"client_id":"client_id","client_secret":"client_secret","grant_type":"refresh_token","refresh_token":"0123456789abcdefghijABCDEFGHIJ"}`},
		{"", "", jsonType, `{"client_id":"client_id","client_secret":"client_secret","grant_type":"authorization_code","code":"x","realm":["a"]}`},
		{"", "", "", `{"grant_type":"password","iam_user":"a","iam_account":"b","password":"c","client_id":"client_id"}`},
	}})
}

func FuzzAspireAuthorization(f *testing.F) {
	fuzz(f, target{method: "POST", path: "/Authorization", first: []request{
		{"", "", jsonType, aspireLogin}, {"api-version=1", "Bearer 123", "text/json", `{"clientid":"x","SECRET":"y"}`}, {"", "", "application/odata+json", `{"ClientId":["x"]}`},
	}})
}

func FuzzAspireRefreshToken(f *testing.F) {
	fuzz(f, target{method: "POST", path: "/Authorization/RefreshToken", first: []request{
		{"", "", jsonType, `{"RefreshToken":"bm9uZQ"}`}, {"", "", jsonType, `{"RefreshToken":null}`},
		{"", "", jsonType, `{"refreshtoken":"` + strings.Repeat("A", 86) + `"}`},
	}})
}

func FuzzAsperaTokenEndpoint(f *testing.F) {
	fuzz(f, target{method: "POST", path: "/api/v1/oauth2/token", first: []request{
		{"", "", formType, encoded("grant_type", jwtBearer, "client_id", "mover", "scope", "user:all", "assertion", "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJtb3ZlciIsIm9yZyI6ImFjbWUifQ.AAAA")},
		{"", authorization(basic("keeper", "keeper-secret")), formType, "grant_type=refresh_token&refresh_token=x"},
		{"client_id=keeper", "", formType, "grant_type=authorization_code&code=x&client_id=keeper&client_secret=keeper-secret"},
	}})
}

func FuzzSensuLogin(f *testing.F) {
	fuzz(f, target{method: "GET", path: "/auth", plain: true, first: []request{
		{"", authorization(basic("myusername", "mypassword")), "", ""}, {"", authorization(basic("MyUserName", "mypassword")), jsonType, "{}"}, {"", "Key x", "", ""},
	}})
}

func FuzzSensuTokenEndpoint(f *testing.F) {
	token := "Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJteXVzZXJuYW1lIn0.AAAA"
	fuzz(f, target{method: "POST", path: "/auth/token", plain: true, first: []request{
		{"", token, jsonType, `{"refresh_token":"x"}`}, {"", authorization(basic("myusername", "mypassword")), jsonType, `{}`}, {"", token, formType, "refresh_token=x"},
	}})
}
