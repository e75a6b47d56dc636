package adminapi

import (
	"bytes"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"jeton/internal/audit"
	"jeton/internal/servertest"
)

// world is a server with the demo world, its administration and its token
// endpoints.
type world struct {
	*servertest.Server
	h http.Handler
}

func start(t *testing.T, o servertest.Options) *world {
	t.Helper()
	s := servertest.Start(t, o)
	return &world{s, Handler(s.Server)}
}

// do sends a request as this process and gives status, header and body.
func (w *world) do(t *testing.T, method, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, Root+path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	out := httptest.NewRecorder()
	w.h.ServeHTTP(out, r.WithContext(InProcess(r.Context())))
	return out
}

// must is do with a status, and its body decoded into v unless that is nil.
func (w *world) must(t *testing.T, status int, method, path, body string, v any) http.Header {
	t.Helper()
	out := w.do(t, method, path, body)
	if out.Code != status {
		t.Fatalf("%s %s: %d %s, want %d", method, path, out.Code, out.Body, status)
	}
	if v != nil {
		if err := json.Unmarshal(out.Body.Bytes(), v); err != nil {
			t.Fatalf("%s %s: %v in %s", method, path, err, out.Body)
		}
	}
	return out.Header()
}

// problem is must for a refusal; the error id must be one that explain knows.
func (w *world) problem(t *testing.T, status int, method, path, body string) Problem {
	t.Helper()
	var p Problem
	h := w.must(t, status, method, path, body, &p)
	if h.Get("Content-Type") != "application/problem+json" || p.Status != status || p.Instance != h.Get("Jeton-Error-Id") ||
		!strings.HasPrefix(p.Type, typePrefix) || p.Title == "" || p.Detail == "" {
		t.Errorf("%s %s: not a problem of RFC 9457: %+v", method, path, p)
	}
	if r := w.Record(t, p.Instance); r.Actor != local || r.Outcome != audit.Refused {
		t.Errorf("%s %s: its record is %+v", method, path, r)
	}
	return p
}

// token gets a token by the client credentials grant.
func (w *world) token(t *testing.T, id, secret string) string {
	t.Helper()
	r, err := http.NewRequest("POST", w.URL+"/oauth2/token", strings.NewReader("grant_type=client_credentials"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))
	var out struct {
		Access string `json:"access_token"`
	}
	w.send(t, r, &out)
	return out.Access
}

// faspex gets tokens of a user by password.
func (w *world) faspex(t *testing.T, user, password string) (access, refresh string) {
	t.Helper()
	r, err := http.NewRequest("POST", w.URL+"/aspera/faspex/auth/oauth2/token?grant_type=password", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(user, password)
	var out struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
	w.send(t, r, &out)
	return out.Access, out.Refresh
}

func (w *world) send(t *testing.T, r *http.Request, v any) {
	t.Helper()
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(answer.Body); err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode/100 != 2 {
		t.Fatalf("%s: %d %s", r.URL, answer.StatusCode, &b)
	}
	if err := json.Unmarshal(b.Bytes(), v); err != nil {
		t.Fatal(err)
	}
}

// user finds a user's number.
func (w *world) user(t *testing.T, name string) string {
	t.Helper()
	var l List[User]
	w.must(t, 200, "GET", "/users?name="+url.QueryEscape(name), "", &l)
	if len(l.Items) != 1 {
		t.Fatalf("user %s: %d found", name, len(l.Items))
	}
	return itoa(int(l.Items[0].ID))
}

func explain(t *testing.T, w *world, token string) Explanation {
	t.Helper()
	b, _ := json.Marshal(map[string]string{"token": token})
	var x Explanation
	w.must(t, 200, "POST", "/tokens/explain", string(b), &x)
	return x
}

func TestAdministrationIsRefusedOnTheNetworkWhateverIsAsked(t *testing.T) {
	w := start(t, servertest.Options{})
	network := httptest.NewServer(w.h)
	defer network.Close()
	marked := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.h.ServeHTTP(rw, r.WithContext(InProcess(r.Context())))
	}))
	defer marked.Close()
	a := &api{Server: w.Server.Server, core: w.Core}
	for _, at := range []string{network.URL, marked.URL} {
		for _, x := range append(a.routes(), route{method: "GET", path: "/nothing"}) {
			path := strings.NewReplacer("{", "", "}", "").Replace(x.path)
			r, err := http.NewRequest(x.method, at+Root+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			if answer.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s %s: %d", x.method, x.path, answer.StatusCode)
			}
		}
	}
	bare := httptest.NewRecorder()
	w.h.ServeHTTP(bare, httptest.NewRequest("GET", Root+"/info", nil))
	if bare.Code != http.StatusUnauthorized {
		t.Errorf("a request from nowhere: %d", bare.Code)
	}
}

func TestAdministrationIsNotMountedBesideTheDialects(t *testing.T) {
	w := start(t, servertest.Options{})
	answer, err := http.Get(w.URL + Root + "/clients")
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusNotFound {
		t.Errorf("GET %s/clients: %d", Root, answer.StatusCode)
	}
}

func TestTheSocketAnswers(t *testing.T) {
	w := start(t, servertest.Options{})
	socket := filepath.Join(t.TempDir(), "s")
	ln, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: w.h, ReadHeaderTimeout: time.Second}
	go func() { _ = s.Serve(ln) }()
	defer s.Close()
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("GET " + Root + "/info HTTP/1.0\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(conn); err != nil || !strings.HasPrefix(b.String(), "HTTP/1.0 200") {
		t.Errorf("%v %s", err, &b)
	}
}

// badInput is one request per row that must be refused, and where the fault is
// pointed at.
func TestEveryRouteRefusesWhatCannotBeAndSaysWhere(t *testing.T) {
	w := start(t, servertest.Options{})
	luser := w.user(t, "luser1")
	for _, x := range []struct {
		method, path, body string
		status             int
		pointer            string
	}{
		{"GET", "/info?x=1", "", 400, "x"},
		{"POST", "/config?dry=perhaps", "{}", 400, "dry"},
		{"POST", "/config", `{"clients":1}`, 400, "/clients"},
		{"POST", "/config", `{"world":{}}`, 400, "/world"},
		{"POST", "/config", `{"clients":[{"org":"default","id":"x","dialect":"cobol","auth":"none","enabled":true}]}`, 400, "/clients"},
		{"POST", "/config", `not json`, 400, ""},
		{"GET", "/clients?limit=x", "", 400, "limit"},
		{"POST", "/clients", `{"id":"x","dialect":"oidc","grants":["client_credentials"],"redirect_uri":"https://x"}`, 400, "/redirect_uri"},
		{"POST", "/clients", `{"id":"x","dialect":"oidc","grants":["authorization_code"],"redirect_uris":["http://x.example/cb"]}`, 400, "/redirect_uris/0"},
		{"POST", "/clients", `{"id":"x","dialect":"oidc","grants":["client_credentials"],"version":7}`, 400, "/version"},
		{"POST", "/clients", `{"id":"x","dialect":"oidc","grants":["client_credentials"],"organization":"acme"}`, 400, "/organization"},
		{"POST", "/clients", `{"id":"x","dialect":"oidc","grants":["client_credentials"],"users":["ada"]}`, 400, "/users"},
		{"POST", "/clients", `{"id":"x","dialect":"oidc","grants":["client_credentials"],"secrets":[{"file":"/etc/hostname"}]}`, 400, "/secrets/0/file"},
		{"POST", "/clients", `{"id":"x","dialect":"oidc","grants":["client_credentials"],"id":"y"}`, 400, "/id"},
		{"POST", "/clients", `[]`, 400, ""},
		{"PATCH", "/clients/batch", `{"grants":["client_credentials","magic"]}`, 400, "/grants/1"},
		{"PATCH", "/clients/batch", `{"secrets":[]}`, 400, "/secrets"},
		{"PATCH", "/clients/batch", `{"id":"other"}`, 400, "/id"},
		{"PATCH", "/clients/batch", `{"enabled":"perhaps"}`, 400, "/enabled"},
		{"POST", "/users", `{"name":""}`, 400, "/name"},
		{"POST", "/users", `{"name":"eve","email":"nowhere"}`, 400, "/email"},
		{"POST", "/users", `{"name":"eve","password":"short"}`, 400, "/password"},
		{"POST", "/users", `{"name":"eve","password":{"hash":"x"}}`, 400, "/password/hash"},
		{"POST", "/users", `{"name":"eve","keys":[{"pem":"x"}]}`, 400, "/keys/0/pem"},
		{"GET", "/users?limit=0", "", 400, "limit"},
		{"PATCH", "/users/" + luser, `{"id":9}`, 400, "/id"},
		{"PATCH", "/users/" + luser, `{"password":"x"}`, 400, "/password"},
		{"PATCH", "/users/" + luser, `{"expires":"tomorrow"}`, 400, "/expires"},
		{"PUT", "/users/" + luser + "/password", `{}`, 400, "/password"},
		{"PUT", "/users/" + luser + "/password", `{"password":"12345678"}`, 400, "/password"},
		{"PUT", "/users/" + luser + "/password", `{"passwort":"x"}`, 400, "/passwort"},
		{"POST", "/users/" + luser + "/keys", `{}`, 400, "/pem"},
		{"POST", "/users/" + luser + "/keys", `{"pem":"-----BEGIN"}`, 400, "/pem"},
		{"POST", "/organizations", `{"id":"Not A Slug"}`, 400, "/id"},
		{"POST", "/organizations", `{"id":"new","number":7}`, 400, "/number"},
		{"POST", "/realms", `{}`, 400, "/name"},
		{"PUT", "/providers/corp", `{"entity_id":"https://corp.example","sso":"https://corp.example/sso","certificates":[]}`, 400, "/certificates"},
		{"PUT", "/providers/corp", `{"metadata":"/etc/passwd"}`, 400, "/metadata"},
		{"PUT", "/providers/corp", `{"name":"other"}`, 400, "/name"},
		{"POST", "/realms", `{"name":"a\u0001b"}`, 400, "/name"},
		{"POST", "/realms", `{"name":7}`, 400, "/name"},
		{"POST", "/keys/rotate", `{}`, 400, "/purpose"},
		{"POST", "/keys/retire", `{"now":true}`, 400, "/key"},
		{"GET", "/tokens?user=ada", "", 400, "user"},
		{"POST", "/tokens/explain", `{}`, 400, "/token"},
		{"POST", "/tokens/revoke", `{"token":7}`, 400, "/token"},
		{"GET", "/events?since=yesterday", "", 400, "since"},
		{"GET", "/events?ip=1.2.3.4", "", 400, "ip"},
		{"PUT", "/clients", `{}`, 405, ""},
		{"GET", "/nothing", "", 404, ""},
	} {
		p := w.problem(t, x.status, x.method, x.path, x.body)
		got := ""
		if len(p.Errors) > 0 {
			got = p.Errors[0].Pointer
		}
		if got != x.pointer {
			t.Errorf("%s %s %s: points at %q (%s), want %q", x.method, x.path, x.body, got, p.Detail, x.pointer)
		}
	}
}

func TestABodyOfAnotherKindIsRefused(t *testing.T) {
	w := start(t, servertest.Options{})
	for _, path := range []string{"/clients", "/config"} {
		r := httptest.NewRequest("POST", Root+path, strings.NewReader(`{}`))
		r.Header.Set("Content-Type", "text/plain")
		out := httptest.NewRecorder()
		w.h.ServeHTTP(out, r.WithContext(InProcess(r.Context())))
		if out.Code != http.StatusBadRequest && out.Code != http.StatusUnsupportedMediaType {
			t.Errorf("%s: %d", path, out.Code)
		}
	}
}

func TestUnknownObjectsAreNotFound(t *testing.T) {
	w := start(t, servertest.Options{})
	for _, x := range unknown("nobody", "999") {
		w.problem(t, 404, x[0], x[1], x[2])
	}
	w.problem(t, 404, "GET", "/clients?organization=nowhere", "")
}

// unknown are requests for objects by a client id and a user number.
func unknown(client, user string) [][3]string {
	return [][3]string{
		{"GET", "/clients/" + client, ""},
		{"PATCH", "/clients/" + client, `{"name":"mine"}`},
		{"DELETE", "/clients/" + client, ""},
		{"POST", "/clients/" + client + "/enable", ""},
		{"POST", "/clients/" + client + "/disable", ""},
		{"POST", "/clients/" + client + "/revoke", ""},
		{"POST", "/clients/" + client + "/secrets", ""},
		{"DELETE", "/clients/" + client + "/secrets/1", ""},
		{"GET", "/users/" + user, ""},
		{"GET", "/users/ada", ""},
		{"PATCH", "/users/" + user, `{"display_name":"mine"}`},
		{"DELETE", "/users/" + user, ""},
		{"PUT", "/users/" + user + "/password", `{"password":"correct horse battery"}`},
		{"POST", "/users/" + user + "/revoke", ""},
		{"POST", "/users/" + user + "/unlock", ""},
		{"DELETE", "/users/" + user + "/keys/x", ""},
		{"DELETE", "/realms/nowhere", ""},
		{"DELETE", "/providers/nowhere", ""},
		{"POST", "/keys/rotate", `{"purpose":"nothing"}`},
		{"POST", "/keys/retire", `{"key":"nothing"}`},
		{"DELETE", "/tokens/7", ""},
		{"DELETE", "/tokens/x", ""},
		{"POST", "/tokens/revoke", `{"token":"nothing"}`},
		{"GET", "/events/0000000000000", ""},
		{"GET", "/events/x", ""},
	}
}

func TestListsBeginEmptyAndSayThatAllIsThere(t *testing.T) {
	w := start(t, servertest.Options{NoDemo: true})
	for _, path := range []string{"/clients", "/users", "/tokens", "/events"} {
		out := w.do(t, "GET", path, "")
		if out.Code != 200 || strings.TrimSpace(out.Body.String()) != `{"items":[]}` || out.Header().Get("Link") != "" {
			t.Errorf("%s: %d %s %v", path, out.Code, out.Body, out.Header())
		}
	}
}

func TestPagesFollowOneAnotherToTheEnd(t *testing.T) {
	w := start(t, servertest.Options{})
	for _, path := range []string{"/clients", "/users"} {
		var whole List[map[string]any]
		w.must(t, 200, "GET", path, "", &whole)
		seen, next := 0, path+"?limit=2"
		for next != "" {
			var l List[map[string]any]
			h := w.must(t, 200, "GET", next, "", &l)
			for _, item := range l.Items {
				want, _ := json.Marshal(whole.Items[seen])
				if got, _ := json.Marshal(item); string(got) != string(want) {
					t.Errorf("%s: item %d is %s", path, seen, got)
				}
				seen++
			}
			link, more := strings.CutPrefix(h.Get("Link"), "<"+Root)
			if next = ""; more {
				next, _, _ = strings.Cut(link, ">")
			}
		}
		if seen != len(whole.Items) || seen < 3 {
			t.Errorf("%s: %d of %d", path, seen, len(whole.Items))
		}
	}
}
