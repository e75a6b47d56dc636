// Package security_test attacks a running server from outside. Each test is named
// after its case; for all of them: no 5xx but a deliberate 503, no secret in an
// answer or the log, one record for the refusal, and the same client works normally
// right afterwards.
package security_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"jeton/internal/audit"
	"jeton/internal/server"
	"jeton/internal/servertest"
	"jeton/internal/store"
	"jeton/internal/store/storetest/pg"
	"jeton/internal/vault"
)

func TestMain(m *testing.M) {
	code := m.Run()
	lasting.close()
	crowd.close()
	if err := postgres.stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// postgres is started by the first test that needs one.
var postgres engine

type engine struct {
	once   sync.Once
	server *pg.Server
	err    error
}

// Database makes an empty database and returns its address.
func (e *engine) Database(t testing.TB) string {
	t.Helper()
	e.once.Do(func() { e.server, e.err = pg.Start() })
	if e.err != nil {
		t.Fatal(e.err)
	}
	return e.server.Database(t)
}

func (e *engine) stop() error {
	if e.server == nil {
		return nil
	}
	return e.server.Stop()
}

// lasting is the server of all tests that move no clock and change nobody: making
// its keys takes longer than most attacks. Refusals of a moment are recorded up to a
// bound, and the clock stands still, so another server follows well before that.
var lasting keeper

const enoughRefusals = 1000

type keeper struct {
	server   *servertest.Server
	refusals int
	cleanups []func()
}

func (k *keeper) Fatal(args ...any)                 { panic(fmt.Sprint(args...)) }
func (k *keeper) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
func (k *keeper) Helper()                           {}
func (k *keeper) Cleanup(f func())                  { k.cleanups = append(k.cleanups, f) }
func (k *keeper) Context() context.Context          { return context.Background() }

func (k *keeper) close() {
	for _, f := range k.cleanups {
		f()
	}
}

func shared(t testing.TB) site {
	t.Helper()
	if lasting.server == nil || lasting.refusals > enoughRefusals {
		lasting.server, lasting.refusals = servertest.Start(&lasting, servertest.Options{World: world}), 0
	}
	return site{Server: lasting.server, t: t}
}

const world = `
version: 1
organizations: [{id: other, name: Other, prefixes: [/other]}]
users:
  - {name: ada, keys: [{file: demo/ada.pub}]}
  - {name: bob, password: {plain: bobs-password}, email: bob@example.com}
  - {name: gone, password: {plain: gones-password}, enabled: false}
  - {name: late, password: {plain: lates-password}, expires: 2020-01-01T00:00:00Z}
  - {name: ada, organization: other, keys: [{file: demo/other.pub}]}
  - {name: eve@example.com, organization: acme, email: eve@example.com, keys: [{file: demo/other.pub}]}
clients:
  - {id: robot, dialect: oidc, secrets: [{plain: robot-secret}], grants: [jwt-bearer, client_credentials], scopes: [read, write]}
  - {id: signer, dialect: oidc, auth: private_key_jwt, keys: [{file: demo/global.pub}], grants: [client_credentials], scopes: [read]}
  - {id: rival, dialect: oidc, auth: private_key_jwt, keys: [{file: demo/other.pub}], grants: [client_credentials], scopes: [read]}
  - {id: legacy, dialect: oidc, secrets: [{plain: legacy-secret}], grants: [password, refresh_token], scopes: [openid, profile, email], access_token: {format: opaque}}
  - {id: second, dialect: oidc, secrets: [{plain: second-secret}], grants: [password, refresh_token], scopes: [openid, profile, email], access_token: {format: opaque}}
  - {id: public, dialect: oidc, auth: none, grants: [password, refresh_token], scopes: [openid]}
  - {id: opaque, dialect: oidc, secrets: [{plain: opaque-secret}], grants: [client_credentials], scopes: [read], access_token: {format: opaque}}
  - {id: "odd:id%", dialect: oidc, secrets: [{plain: "odd:secret%&"}], grants: [client_credentials], scopes: [read]}
  - {id: robot, organization: other, dialect: oidc, secrets: [{plain: other-secret}], grants: [jwt-bearer, client_credentials], scopes: [read]}
  - {id: keeper, organization: acme, dialect: aoc, secrets: [{plain: keeper-secret}], grants: [jwt-bearer, refresh_token]}
`

// site is a server under attack.
type site struct {
	*servertest.Server
	t      testing.TB
	beyond bool // answers are not checked: the HTTP library may refuse, or the fault is ours on purpose
}

func open(t testing.TB, change ...func(*server.Config)) site {
	t.Helper()
	o := servertest.Options{World: world, Change: func(c *server.Config) {
		for _, f := range change {
			f(c)
		}
	}}
	return site{Server: servertest.Start(t.(servertest.TB), o), t: t}
}

// behindProxies has requests say by X-Forwarded-For where they come from.
func behindProxies(c *server.Config) {
	c.Proxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
}

// nodes are two servers on one PostgreSQL database, with clocks of their own.
func nodes(t testing.TB) (a, b site) {
	t.Helper()
	dsn, kek := postgres.Database(t), vault.NewKEK()
	a = site{Server: servertest.Start(t.(servertest.TB), servertest.Options{World: world, DSN: dsn, KEK: &kek}), t: t}
	a.prepare()
	b = site{Server: servertest.Start(t.(servertest.TB), servertest.Options{NoDemo: true, DSN: dsn, KEK: &kek}), t: t}
	return a, b
}

// prepare has the keys made that tokens are signed with.
func (s site) prepare() {
	s.t.Helper()
	s.normal()
	s.must(s.send("GET", "/auth", "", basic("myusername", "mypassword")))
	s.aocToken("mover", "self")
}

// on is the same site for a subtest.
func (s site) on(t testing.TB) site { s.t = t; return s }

// bare is the same site with nothing expected of its answers.
func (s site) bare() site { s.beyond = true; return s }

// answer is a reply, read whole.
type answer struct {
	status int
	body   string
	header http.Header
}

// member is a member of a JSON answer as text, "" when there is none.
func (a answer) member(name string) string {
	var v map[string]any
	if json.Unmarshal([]byte(a.body), &v) != nil || v[name] == nil {
		return ""
	}
	return fmt.Sprint(v[name])
}

// String leaves out most of a page.
func (a answer) String() string {
	if strings.HasPrefix(a.body, "<!doctype") && len(a.body) > 1500 {
		_, main, _ := strings.Cut(a.body, "<h1>")
		return fmt.Sprintf("%d page %.700s", a.status, main)
	}
	return fmt.Sprintf("%d %s", a.status, a.body)
}

// send sends a request. Every answer is checked for what no answer may be.
func (s site) send(method, path, body string, h http.Header) answer {
	s.t.Helper()
	req, err := http.NewRequest(method, s.URL+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for k, v := range h {
		req.Header[k] = v
	}
	return s.do(req)
}

func (s site) do(req *http.Request) answer {
	s.t.Helper()
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	a := answer{resp.StatusCode, string(b), resp.Header}
	s.decent(req, a)
	return a
}

// decent is what holds for every answer there is.
func (s site) decent(req *http.Request, a answer) {
	s.t.Helper()
	if s.beyond {
		return
	}
	fault := a.status >= 500 && (a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "")
	if fault || strings.Contains(a.body, "panic") || strings.Contains(a.body, "goroutine") {
		s.t.Errorf("%s %s: %v\n%s", req.Method, req.URL.Path, a, s.Logs)
	}
	if a.header.Get("X-Content-Type-Options") != "nosniff" || a.header.Get("Server") != "" || a.header.Get("X-Powered-By") != "" {
		s.t.Errorf("%s %s: headers %v", req.Method, req.URL.Path, a.header)
	}
}

func headers(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i+1 < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

func basic(user, secret string) http.Header {
	return headers("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(user+":"+secret)))
}

func bearer(token string) http.Header { return headers("Authorization", "Bearer "+token) }

func with(h http.Header, name, value string) http.Header {
	h = h.Clone()
	if h == nil {
		h = http.Header{}
	}
	h.Set(name, value)
	return h
}

// form posts a body as a form, as it is.
func (s site) form(path, body string, h http.Header) answer {
	s.t.Helper()
	return s.send("POST", path, body, with(h, "Content-Type", "application/x-www-form-urlencoded"))
}

func (s site) json(path, body string, h http.Header) answer {
	s.t.Helper()
	return s.send("POST", path, body, with(h, "Content-Type", "application/json"))
}

// encoded is a form of the pairs.
func encoded(pairs ...string) string {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v.Encode()
}

// refused checks that an answer is a refusal with one of the statuses and that its
// error id leads to its record, which it returns.
func (s site) refused(what string, a answer, statuses ...int) *audit.Record {
	s.t.Helper()
	ok := false
	for _, want := range statuses {
		ok = ok || a.status == want
	}
	if !ok {
		s.t.Errorf("%s: %v, want %v", what, a, statuses)
		return nil
	}
	id := a.header.Get("Jeton-Error-Id")
	if id == "" {
		s.t.Errorf("%s: no error id: %v", what, a)
		return nil
	}
	if s.Server == lasting.server {
		lasting.refusals++
	}
	r := s.Record(s.t.(servertest.TB), id)
	if r.Outcome != audit.Refused || r.Code == "" || r.Status != a.status {
		s.t.Errorf("%s: recorded as %s %s %d, answered with %d", what, r.Outcome, r.Code, r.Status, a.status)
	}
	if strings.Contains(marshal(s.t, r), "\\u0000") {
		s.t.Errorf("%s: a control character in the record: %s", what, marshal(s.t, r))
	}
	return r
}

// failed is the check a record says failed first.
func failed(r *audit.Record) string {
	if r != nil {
		for _, c := range r.Checks {
			if !c.OK {
				return c.Name
			}
		}
	}
	return ""
}

// events are all records there are.
func (s site) events() []*audit.Record {
	s.t.Helper()
	ctx := s.t.Context()
	if err := s.Audit.Flush(ctx); err != nil {
		s.t.Fatal(err)
	}
	list, err := s.Store.ListEvents(ctx, store.EventFilter{}, 0, 1<<20)
	if err != nil {
		s.t.Fatal(err)
	}
	return list
}

const credentialsGrant = "grant_type=client_credentials&scope=read"

// normal shows that a client works, and gives its token.
func (s site) normal() string {
	s.t.Helper()
	a := s.form("/oauth2/token", credentialsGrant, basic("batch", "demo-batch-secret"))
	if a.status != http.StatusOK {
		s.t.Fatalf("the client does not work: %v", a)
	}
	return a.member("access_token")
}

// password signs bob in for a client.
func (s site) password(client, secret string) (access, refresh string) {
	s.t.Helper()
	a := s.form("/oauth2/token", "grant_type=password&username=bob&password=bobs-password", basic(client, secret))
	if a.status != http.StatusOK {
		s.t.Fatalf("password grant: %v", a)
	}
	return a.member("access_token"), a.member("refresh_token")
}

// refresh uses a refresh token of a client whose secret is its name and "-secret".
func (s site) refresh(client, token string) answer {
	s.t.Helper()
	return s.form("/oauth2/token", encoded("grant_type", "refresh_token", "refresh_token", token), basic(client, client+"-secret"))
}

// active asks a token's own client whether it is worth something.
func (s site) active(client, secret, token string) bool {
	s.t.Helper()
	a := s.form("/oauth2/introspect", encoded("token", token), basic(client, secret))
	if a.status != http.StatusOK {
		s.t.Fatalf("introspect: %v", a)
	}
	return a.member("active") == "true"
}

func marshal(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// within fails when f takes longer than limit three times in a row: the machine may
// be busy.
func within(t testing.TB, what string, limit time.Duration, f func()) {
	t.Helper()
	var took time.Duration
	limit *= slack
	for range 3 {
		start := time.Now()
		f()
		if took = time.Since(start); took < limit {
			return
		}
	}
	t.Errorf("%s: took %s, at most %s", what, took, limit)
}

// The other products' inlets, with the demo world's clients.
const (
	aspireClient = "5b0c1f7e-3a52-4b0e-9b3e-0f6f6c1f2a11"
	aspireLogin  = `{"ClientId":"` + aspireClient + `","Secret":"demo-aspire-secret"}`
	fortiLogin   = `{"client_id":"client_id","client_secret":"client_secret","grant_type":"password","username":"luser1","password":"12345678"}`
	fortiToken   = "/api/v1/oauth/token/"
	faspexToken  = "/auth/oauth2/token"
	aocToken     = "/api/v1/oauth2/acme/token"
	aocAudience  = "https://api.asperafiles.com/api/v1/oauth2/token"
	jwtBearer    = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	assertionIs  = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
)

// must is an answer that has to be a success.
func (s site) must(a answer) answer {
	s.t.Helper()
	if a.status < 200 || a.status > 299 {
		s.t.Fatalf("%v", a)
	}
	return a
}
