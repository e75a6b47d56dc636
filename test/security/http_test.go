package security_test

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"jeton/internal/hash"
	"jeton/internal/jose"
	"jeton/internal/server"
	"jeton/internal/servertest"
)

// raw writes a request as it stands and reads the answer.
func (s site) raw(request string) answer {
	s.t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		s.t.Fatal(err)
	}
	if _, err := io.WriteString(c, request); err != nil {
		s.t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		s.t.Fatalf("%q: %v", request, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{resp.StatusCode, string(b), resp.Header}
}

const discovery = "/.well-known/openid-configuration"

func TestWeb09AForeignHostIsRefusedAndChangesNothing(t *testing.T) {
	s := shared(t)
	host := strings.TrimPrefix(s.URL, "http://")
	request := func(line, hosts string) answer {
		return s.raw(line + "\r\n" + hosts + "Connection: close\r\n\r\n")
	}
	for _, evil := range []string{
		"evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil.example", "jeton.example.evil.example", "eviljeton.example", "jeton.example:1",
		"jeton.example.", "10.0.0.7", "169.254.169.254", "[2001:db8::1]", "jeton.example@evil.example", "", "%00",
	} {
		for _, a := range []answer{
			request("GET "+discovery+" HTTP/1.1", "Host: "+evil+"\r\n"),
			request("GET http://"+evil+discovery+" HTTP/1.1", "Host: "+host+"\r\n"),
		} {
			if evil == "" && strings.Contains(a.body, servertest.Public+`"`) {
				continue // a target without a host leaves the header, which is ours
			}
			if a.status != 400 && a.status != 421 {
				t.Errorf("%q: %v", evil, a)
			}
			if evil != "" && strings.Contains(a.body, evil) {
				t.Errorf("%q: repeated: %v", evil, a)
			}
		}
	}
	if a := request("GET "+discovery+" HTTP/1.1", "Host: "+host+"\r\nHost: evil.example\r\n"); a.status != 400 {
		t.Errorf("two hosts: %v", a)
	}
	if a := request("GET "+discovery+" HTTP/1.1", ""); a.status != 400 {
		t.Errorf("no host: %v", a)
	}
	for _, good := range []string{host, "jeton.example", "JETON.example", "localhost"} {
		a := request("GET "+discovery+" HTTP/1.1", "Host: "+good+"\r\n")
		if a.status != 200 || a.member("issuer") != servertest.Public || strings.Contains(a.body, host) {
			t.Errorf("%s: %v", good, a)
		}
	}
}

func TestWeb10ForwardingHeadersOfStrangersAreIgnored(t *testing.T) {
	lies := headers(
		"X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "gopher", "X-Forwarded-For", "203.0.113.9", "X-Forwarded-Port", "1", "X-Forwarded-Prefix", "/other",
		"Forwarded", "for=203.0.113.9;host=evil.example;proto=gopher", "X-Real-IP", "203.0.113.9", "X-Original-URL", "/oauth2/token", "X-Rewrite-URL", "/oauth2/token",
		"X-Original-Host", "evil.example", "X-Host", "evil.example", "True-Client-IP", "203.0.113.9", "CF-Connecting-IP", "203.0.113.9", "X-Client-Cert", "x",
	)
	s := open(t)
	plain, lied := s.must(s.send("GET", discovery, "", nil)), s.must(s.send("GET", discovery, "", lies))
	if plain.body != lied.body {
		t.Errorf("%v\n%v", plain, lied)
	}
	addr := func(s site, h http.Header) string {
		t.Helper()
		return s.refused("nothing", s.send("GET", "/oauth2/userinfo", "", h), 401).Addr
	}
	if got := addr(s, lies); got != "127.0.0.1" {
		t.Errorf("the address is %s", got)
	}
	s.must(s.form("/oauth2/token", credentialsGrant, with(lies, "Authorization", batch().Get("Authorization"))))

	behind := open(t, func(c *server.Config) {
		c.Proxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("10.0.0.0/8")}
	})
	for forwarded, want := range map[string]string{
		"203.0.113.9": "203.0.113.9", "1.1.1.1, 203.0.113.9": "203.0.113.9", "1.1.1.1, 203.0.113.9, 10.1.2.3": "203.0.113.9",
		"203.0.113.9, nonsense": "127.0.0.1", "": "127.0.0.1", "10.1.1.1, 10.1.2.3": "10.1.1.1", "::ffff:203.0.113.9": "203.0.113.9", "2001:db8::7": "2001:db8::7",
		"203.0.113.9:443": "127.0.0.1", strings.Repeat("1.1.1.1,", 500) + "203.0.113.9": "203.0.113.9",
	} {
		if got := addr(behind, headers("X-Forwarded-For", forwarded)); got != want {
			t.Errorf("X-Forwarded-For %.40q: %s, want %s", forwarded, got, want)
		}
	}
	if a := behind.must(behind.send("GET", discovery, "", lies)); a.body != plain.body {
		t.Errorf("a proxy's X-Forwarded-Host counts: %v", a)
	}
}

func TestWeb11NothingSecretIsKeptByACache(t *testing.T) {
	s := open(t)
	aspire := s.json("/Authorization", aspireLogin, nil)
	sensu := doors[3].try(s, "admin", "P@ssw0rd!", "")
	userinfo := s.form("/oauth2/token", "grant_type=password&username=bob&password=bobs-password&client_id=public", nil)
	answers := map[string]answer{
		"token": s.form("/oauth2/token", credentialsGrant, batch()), "refused": s.form("/oauth2/token", credentialsGrant, basic("batch", "x")),
		"introspection": s.form("/oauth2/introspect", "token=x", batch()), "revocation": s.form("/oauth2/revoke", "token=x", batch()),
		"password": userinfo, "userinfo": s.send("GET", "/oauth2/userinfo", "", bearer(userinfo.member("access_token"))),
		"Faspex": doors[1].try(s, "sam", "demo-sam", ""), "FortiAuthenticator": s.json(fortiToken, fortiLogin, nil), "Sensu": sensu,
		"Sensu test": doors[4].try(s, "admin", "P@ssw0rd!", ""), "Aspire": aspire, "Contacts": s.send("GET", "/Contacts", "", bearer(aspire.member("Token"))),
		"Aspera": s.send("GET", "/api/v1/self", "", bearer(s.aocToken("mover", "self"))), "no such page": s.send("GET", "/nowhere", "", nil),
		"Sensu users": s.send("GET", "/api/core/v2/users", "", bearer(sensu.member("access_token"))), "wrong method": s.send("GET", "/oauth2/token", "", nil),
		"Faspex user": s.send("GET", "/api/users/me", "", bearer(doors[1].try(s, "sam", "demo-sam", "").member("access_token"))),
		"login page":  s.send("GET", "/api/v1/oauth2/acme/login", "", nil), "Aspire page": s.send("GET", "/swagger/index.html", "", nil),
	}
	for name, a := range answers {
		page := strings.HasPrefix(a.header.Get("Content-Type"), "text/html")
		if a.header.Get("Cache-Control") != "no-store" && name != "Aspire page" {
			t.Errorf("%s: Cache-Control %q", name, a.header.Get("Cache-Control"))
		}
		if csp := a.header.Get("Content-Security-Policy"); page && (a.header.Get("Referrer-Policy") != "no-referrer" || !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'")) {
			t.Errorf("%s: headers of a page: %v", name, a.header)
		}
		if len(a.header["Set-Cookie"]) > 0 && !page {
			t.Errorf("%s: a cookie", name)
		}
	}
	for _, path := range []string{discovery, "/.well-known/jwks.json", "/api/v1/oauth/.well-known/keys/"} {
		a := s.must(s.send("GET", path, "", nil))
		if !strings.Contains(a.header.Get("Cache-Control"), "max-age=") || len(a.header["Vary"]) > 0 || a.header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: %v", path, a.header)
		}
	}
}

func TestWeb12TransportHeaders(t *testing.T) {
	s := open(t) // nosniff and no banner: checked in every answer of every test here
	for _, x := range []struct {
		public string
		insist bool
		want   string
	}{{"https://jeton.example", true, "max-age=31536000"}, {"https://jeton.example", false, ""}, {"http://jeton.example", true, ""}} {
		if err := s.Reach(x.public); err != nil {
			t.Fatal(err)
		}
		h := httptest.NewServer(s.Site(true, x.insist))
		for _, path := range []string{discovery, "/oauth2/token", "/nowhere", "/"} {
			resp, err := http.Get(h.URL + path)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if got := resp.Header.Get("Strict-Transport-Security"); got != x.want {
				t.Errorf("%s, insisting %t, %s: %q", x.public, x.insist, path, got)
			}
		}
		h.Close()
	}
}

func TestHTTP08LongLanguageHeadersCostNothing(t *testing.T) {
	s := shared(t)
	for name, value := range map[string]string{
		"many": strings.Repeat("en-GB;q=0.9,", 8_500), "long": strings.Repeat("a", 100<<10), "dashes": strings.Repeat("a-", 50<<10), "weights": strings.Repeat(";q=0", 25<<10),
	} {
		for _, request := range [][2]string{{"GET", discovery}, {"POST", "/oauth2/token"}, {"GET", "/auth"}, {"GET", "/api/v1/oauth2/acme/login"}, {"POST", "/Authorization"}} {
			within(t, name+" "+request[1], 50*time.Millisecond, func() {
				a := s.bare().send(request[0], request[1], "", headers("Accept-Language", value))
				if a.status >= 500 {
					t.Errorf("%s %s: %v", name, request[1], a)
				}
			})
		}
		within(t, "ui_locales", 50*time.Millisecond, func() {
			a := s.form("/oauth2/token", credentialsGrant+"&ui_locales="+value[:60<<10], batch())
			if a.status != 200 && a.status != 400 && a.status != 413 {
				t.Errorf("%v", a)
			}
		})
	}
	s.normal()
}

func TestHTTP09HashingIsBoundedAndLeavesTheRestItsSpeed(t *testing.T) {
	s := open(t, behindProxies, func(c *server.Config) { c.HashCost = hash.Today })
	s.normal()                                      // the client's secret was verified a moment ago, as a busy client's is
	logins := 600 * max(1, runtime.GOMAXPROCS(0)-1) // more than twice the queue of so many workers
	answers := make(chan answer, logins)
	var wg sync.WaitGroup
	for i := range logins {
		wg.Go(func() { answers <- doors[i%len(doors)].try(s.bare(), fmt.Sprint("somebody-", i), "wrong", source()) })
	}
	var slowest time.Duration
	for range 20 {
		start := time.Now()
		s.normal()
		slowest = max(slowest, time.Since(start))
		time.Sleep(5 * time.Millisecond)
	}
	wg.Wait()
	close(answers)
	count := map[int]int{}
	for a := range answers {
		count[a.status]++
		if (a.status == 503 || a.status == 429) && a.header.Get("Retry-After") == "" {
			t.Errorf("no Retry-After: %v", a)
		}
		if a.status == 503 && (strings.Contains(a.body, "hash") || strings.Contains(a.body, "queue") || strings.Contains(a.body, "worker")) {
			t.Errorf("our inside shows: %v", a)
		}
	}
	if full := count[503] + count[429]; full == 0 || full == logins || full+count[400]+count[401] != logins {
		t.Errorf("answers by status: %v", count)
	}
	if slowest > 500*time.Millisecond {
		t.Errorf("a token request took %s meanwhile", slowest)
	}
	s.must(doors[0].try(s, "bob", "bobs-password", source()))
}

// rows counts the rows of every table but the records of what was asked.
func rows(t *testing.T, dsn string) map[string]int {
	t.Helper()
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	out := map[string]int{}
	for _, table := range tables(t, db) {
		var n int
		if err := db.QueryRowContext(t.Context(), `SELECT count(*) FROM "`+table+`"`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		if table != "event" {
			out[table] = n
		}
	}
	return out
}

func tables(t *testing.T, db *sql.DB) (names []string) {
	t.Helper()
	list, err := db.QueryContext(t.Context(), `SELECT tablename FROM pg_tables WHERE schemaname = current_schema()`)
	if err != nil {
		t.Fatal(err)
	}
	defer list.Close()
	for list.Next() {
		var name string
		if err := list.Scan(&name); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	if err := list.Err(); err != nil || len(names) < 10 {
		t.Fatalf("tables %v, %v", names, err)
	}
	return names
}

func TestHTTP10StrangersLeaveNoRows(t *testing.T) {
	dsn := postgres.Database(t)
	s := site{Server: servertest.Start(t, servertest.Options{World: world, DSN: dsn}), t: t}
	s.prepare()
	list := inlets(s)
	before := rows(t, dsn)
	mallory := private(t, "mallory")
	for range 20 {
		for i, d := range doors {
			d.try(s, unique(), "wrong", "")
			d.try(s, "bob", "wrong", "")
			s.refused("no grant", s.form(standard[i%3].path, standard[i%3].body, basic(unique(), "x")), 401)
		}
		for _, in := range list {
			h, p := in.honest(t)
			in.send(s, forge(t, h.set("alg", "RS256").bytes(), fresh(p).bytes(), jose.RS256, mallory))
		}
		s.send("POST", "/Authorization", `{"ClientId":"`+unique()+`","Secret":"x"}`, headers("Content-Type", "application/json"))
		s.send("POST", "/Authorization/RefreshToken", `{"RefreshToken":"`+unique()+`"}`, headers("Content-Type", "application/json"))
		s.send("GET", "/"+unique(), "", nil)
		s.form("/"+unique()+"/oauth2/token", credentialsGrant, batch())
		s.form("/api/v1/oauth2/"+unique()+"/token", "grant_type=refresh_token&refresh_token=x", basic("a", "b"))
	}
	s.events()
	after := rows(t, dsn)
	for table, n := range after {
		if n != before[table] && table != "throttle" {
			t.Errorf("%s: %d rows, %d before", table, n, before[table])
		}
	}
	if after["throttle"] > 4 { // bob's account, and nobody's name that was tried once
		t.Errorf("%d throttled accounts", after["throttle"])
	}
	s.Clock.Add(24 * time.Hour)
	s.Tick(context.Background())
	if n := rows(t, dsn)["throttle"]; n != 0 {
		t.Errorf("%d throttled accounts a day later", n)
	}
	s.password("legacy", "legacy-secret")
}

// documented are the routes every dialect's own document describes.
func documented(t *testing.T, s site) map[string][][2]string {
	t.Helper()
	out := map[string][][2]string{}
	fill := strings.NewReplacer("{org}", "default", "{id}", "1", "{user}", "admin", "{username}", "admin", "{group}", "ops", "{name}", "x")
	for _, d := range s.Faces {
		var doc struct {
			Paths map[string]map[string]json.RawMessage `json:"paths"`
		}
		if err := json.Unmarshal(d.OpenAPI, &doc); err != nil {
			t.Fatal(err)
		}
		for path, methods := range doc.Paths {
			for method := range methods {
				if upper := strings.ToUpper(method); upper == "GET" || upper == "POST" || upper == "PUT" || upper == "DELETE" || upper == "PATCH" {
					out[d.Name] = append(out[d.Name], [2]string{upper, fill.Replace(path)})
				}
			}
		}
		if len(out[d.Name]) == 0 {
			t.Errorf("%s documents nothing", d.Name)
		}
	}
	return out
}

// What the documents leave out.
var undocumented = map[string][][2]string{
	"faspex": {{"POST", "/aspera/faspex/auth/oauth2/token"}, {"GET", "/aspera/faspex/api/users"}, {"GET", "/aspera/faspex/api/users/me"}},
	"aoc":    {{"POST", "/api/v1/oauth2/token"}, {"POST", "/api/v1/oauth2/revoke"}, {"GET", "/auth/ping"}, {"GET", "/api/v1/oauth2/default/login"}},
	"aspire": {{"GET", "/swagger/v1/swagger.json"}, {"GET", "/swagger/index.html"}, {"GET", "/Version/GetApiVersion"}, {"GET", "/Contacts/1"}},
	"oidc":   {{"GET", "/oauth2/openapi.json"}, {"POST", "/oauth2/userinfo"}},
}

func TestDial14NothingOfASwitchedOffDialectAnswers(t *testing.T) {
	s := open(t)
	names := []string{}
	for _, d := range s.Faces {
		names = append(names, d.Name)
	}
	sensu := doors[3].try(s, "admin", "P@ssw0rd!", "").member("access_token")
	for name, routes := range documented(t, s) {
		t.Run(name, func(t *testing.T) {
			s := s.on(t)
			s.Apply(t, "version: 1\norganizations: [{id: default, default: true, dialects: ["+strings.Join(removed(names, name), ", ")+"]}]\n")
			before, err := s.Store.ListFamilies(t.Context(), "default", familiesAll, 0, 1000)
			if err != nil {
				t.Fatal(err)
			}
			events := len(s.events())
			asked := 0
			for _, route := range append(routes, undocumented[name]...) {
				for _, x := range []struct {
					body string
					h    http.Header
				}{
					{"", nil}, {"", basic("admin", "P@ssw0rd!")}, {"", bearer(sensu)},
					{credentialsGrant, with(batch(), "Content-Type", "application/x-www-form-urlencoded")},
					{fortiLogin, headers("Content-Type", "application/json")}, {aspireLogin, headers("Content-Type", "application/json")},
				} {
					if route[0] == "GET" && x.body != "" {
						continue
					}
					asked++
					s.refused(fmt.Sprint(route), s.send(route[0], route[1], x.body, x.h), 404, 405)
				}
			}
			after, err := s.Store.ListFamilies(t.Context(), "default", familiesAll, 0, 1000)
			if err != nil {
				t.Fatal(err)
			}
			if len(after) != len(before) {
				t.Errorf("%d grants were made", len(after)-len(before))
			}
			if n := len(s.events()) - events; n != asked {
				t.Errorf("%d records of %d refusals", n, asked)
			}
			s.Apply(t, "version: 1\norganizations: [{id: default, default: true, dialects: ["+strings.Join(names, ", ")+"]}]\n")
		})
	}
	for _, d := range doors {
		if a := d.try(s, "bob", "bobs-password", ""); !a.ok() {
			t.Errorf("%s, switched on again: %v", d.name, a)
		}
	}
}

// Every refusal, wherever it comes from, leaves exactly one record.
func TestARefusalLeavesOneRecord(t *testing.T) {
	s := open(t)
	s.prepare()
	list := inlets(s)
	count := func(what string, want int, f func()) {
		t.Helper()
		before := len(s.events())
		f()
		if n := len(s.events()) - before; n != want {
			t.Errorf("%s: %d records, want %d", what, n, want)
		}
	}
	for _, d := range doors {
		count(d.name, 1, func() { d.try(s, "bob", "wrong", "") })
		count(d.name, 1, func() { d.try(s, "", "", "") })
	}
	for _, in := range list {
		if in.name == "introspection" || in.name == "revocation" { // they refuse nothing: 200 and no word
			continue
		}
		h, p := in.honest(t)
		count(in.name, 1, func() { in.send(s, forge(t, h.set("alg", "none").bytes(), fresh(p).bytes(), "none", nil)) })
	}
	for _, e := range standard {
		count(e.path, 1, func() { s.form(e.path, e.body, basic("batch", "wrong")) })
		count(e.path, 1, func() { s.send("GET", e.path, "", nil) })
		count(e.path, 1, func() { s.form(e.path+"?a=b", e.body, batch()) })
	}
	for _, in := range jsonInlets(s) {
		count(in.name, 1, func() { s.send(in.method, in.path, "{", with(in.header, "Content-Type", "application/json")) })
	}
	count("no such page", 1, func() { s.send("GET", "/nowhere", "", nil) })
}
