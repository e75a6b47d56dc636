package security_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// standard are the form endpoints a client authenticates at, each with a good body.
var standard = []struct{ path, body string }{
	{"/oauth2/token", credentialsGrant},
	{"/oauth2/introspect", "token=x"},
	{"/oauth2/revoke", "token=x"},
}

func batch() http.Header { return basic("batch", "demo-batch-secret") }

// eachEndpoint runs f for every standard endpoint and shows that it works afterwards.
func eachEndpoint(t *testing.T, f func(s site, path, body string)) {
	s := shared(t)
	for _, e := range standard {
		t.Run(e.path, func(t *testing.T) {
			s := s.on(t)
			f(s, e.path, e.body)
			s.must(s.form(e.path, e.body, batch()))
		})
	}
}

func (s site) invalid(what string, a answer, word string, statuses ...int) {
	s.t.Helper()
	s.refused(what, a, statuses...)
	if a.member("error") != word {
		s.t.Errorf("%s: %v, want %s", what, a, word)
	}
}

func TestParam01AParameterGivenTwiceIsRefused(t *testing.T) {
	eachEndpoint(t, func(s site, path, body string) {
		for _, name := range []string{
			"grant_type", "client_id", "client_secret", "scope", "redirect_uri", "code", "token", "token_type_hint", "refresh_token",
			"username", "password", "assertion", "client_assertion", "client_assertion_type", "anything",
		} {
			for _, twice := range []string{name + "=a&" + name + "=b", name + "=a&" + name + "=a", name + "=&" + name + "=a", "%" + fmt.Sprintf("%02x", name[0]) + name[1:] + "=a&" + name + "=b"} {
				if strings.Contains(body, name+"=") {
					twice = name + "=a"
				}
				s.invalid(twice, s.form(path, body+"&"+twice, batch()), "invalid_request", 400)
			}
		}
	})
}

func TestParam02TheQueryNeverMixesWithTheBody(t *testing.T) {
	eachEndpoint(t, func(s site, path, body string) {
		for _, query := range []string{"client_id=other", "client_id=batch", body, "scope=write", "x=y", "access_token=x", "%zz", "="} {
			s.invalid(query, s.form(path+"?"+query, body, batch()), "invalid_request", 400)
		}
		s.invalid("all in the query", s.form(path+"?"+body, "", batch()), "invalid_request", 400)
	})
	s := shared(t)
	aoc := "grant_type=refresh_token&refresh_token=x"
	for _, query := range []string{"client_id=mover", "grant_type=refresh_token", "refresh_token=y"} {
		s.invalid(query, s.form(aocToken+"?"+query, aoc+"&client_id=keeper", nil), "invalid_request", 400)
	}
	s.normal()
}

func TestParam03OtherMediaTypesAreNotReadAsForms(t *testing.T) {
	types := []string{
		"application/json", "text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded2", "", "application/xml", "*/*",
		"application/json, application/x-www-form-urlencoded",
	}
	eachEndpoint(t, func(s site, path, body string) {
		for _, media := range types {
			h := batch()
			if media != "" {
				h.Set("Content-Type", media)
			}
			for _, b := range []string{body, `{"grant_type":"client_credentials","token":"x"}`} {
				s.invalid(media, s.send("POST", path, b, h), "invalid_request", 400, 415)
			}
		}
		h := batch()
		h["Content-Type"] = []string{"application/x-www-form-urlencoded", "application/x-www-form-urlencoded"}
		s.invalid("two types", s.send("POST", path, body, h), "invalid_request", 400, 415)
	})
}

// jsonInlet is an endpoint that reads a JSON object.
type jsonInlet struct {
	name, method, path string
	header             http.Header
	body               func() string // a good one
}

func jsonInlets(s site) []jsonInlet {
	s.t.Helper()
	login := s.must(s.send("GET", "/auth", "", basic("admin", "P@ssw0rd!")))
	sensu := bearer(login.member("access_token"))
	aoc := bearer(s.aocToken("mover", "admin:all"))
	aspire := s.must(s.json("/Authorization", aspireLogin, nil)).member("RefreshToken")
	constant := func(body string) func() string { return func() string { return body } }
	return []jsonInlet{
		{"Faspex", "POST", faspexToken, basic("sam", "demo-sam"), constant(`{"grant_type":"password"}`)},
		{"FortiAuthenticator", "POST", fortiToken, nil, constant(fortiLogin)},
		{"FortiAuthenticator revocation", "POST", "/api/v1/oauth/revoke_token/", nil, constant(`{"client_id":"client_id","client_secret":"client_secret","token":"x"}`)},
		{"Aspire", "POST", "/Authorization", nil, constant(aspireLogin)},
		{"Aspire refresh", "POST", "/Authorization/RefreshToken", nil, constant(`{"RefreshToken":"` + aspire + `"}`)},
		{"Sensu refresh", "POST", "/auth/token", sensu, constant(`{"refresh_token":"` + login.member("refresh_token") + `"}`)},
		{"Sensu API keys", "POST", "/api/core/v2/apikeys", sensu, constant(`{"username":"admin"}`)},
		{"Sensu users", "POST", "/api/core/v2/users", sensu, func() string { return `{"username":"` + unique() + `","password":"wool-and-water"}` }},
		{"Aspera clients", "POST", "/api/v1/clients", aoc, constant(`{"name":"Dailies"}`)},
		{"Aspera client change", "PUT", "/api/v1/clients/keeper", aoc, constant(`{"name":"Keeper"}`)},
	}
}

// eachJSON sends every bad body to every JSON inlet, and a good one after it.
func eachJSON(t *testing.T, bad func(good string) map[string]string, statuses ...int) {
	s := shared(t)
	for _, in := range jsonInlets(s) {
		t.Run(in.name, func(t *testing.T) {
			s := s.on(t)
			for name, body := range bad(in.body()) {
				var a answer
				within(t, name, 50*time.Millisecond, func() {
					a = s.send(in.method, in.path, body, with(in.header, "Content-Type", "application/json"))
				})
				s.refused(name, a, statuses...)
			}
			s.must(s.send(in.method, in.path, in.body(), with(in.header, "Content-Type", "application/json")))
		})
	}
}

func TestParam04AJSONNameGivenTwiceIsRefused(t *testing.T) {
	eachJSON(t, func(good string) map[string]string {
		var m map[string]any
		if err := json.Unmarshal([]byte(good), &m); err != nil {
			t.Fatal(err)
		}
		out := map[string]string{}
		for name := range m {
			out[name+" before"] = `{"` + name + `":"alice",` + good[1:]
			out[name+" after"] = good[:len(good)-1] + `,"` + name + `":"alice"}`
			out[name+" null"] = good[:len(good)-1] + `,"` + name + `":null}`
			out[name+" escaped"] = good[:len(good)-1] + fmt.Sprintf(`,"\u%04x%s":"alice"}`, name[0], name[1:])
		}
		out["unknown"] = good[:len(good)-1] + `,"x":1,"x":2}`
		out["inside"] = good[:len(good)-1] + `,"x":{"a":1,"a":2}}`
		return out
	}, 400)
}

func TestParam05NothingFollowsOrPrecedesAJSONObject(t *testing.T) {
	eachJSON(t, func(good string) map[string]string {
		return map[string]string{
			"twice": good + good, "letters": good + "xyz", "NUL": good + "\x00", "mark": "\ufeff" + good, "comment": good + "// x",
			"comment first": "/* x */" + good, "comma": good + ",", "brace": good + "}", "array": "[" + good + "]", "text": `"` + "x" + `"`,
			"trailing comma": good[:len(good)-1] + ",}", "cut": good[:len(good)-1], "bad UTF-8": good[:len(good)-1] + ",\"\xff\":1}",
			"single quotes": strings.ReplaceAll(good, `"`, `'`), "empty name half": good[:len(good)-1] + `,"`, "null": "null",
		}
	}, 400)
}

func TestParam06DeepAndWideJSONIsRefusedInTime(t *testing.T) {
	wide := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"m%d":1`, i)
		}
		return b.String()
	}
	million := wide(1_000_000)
	eachJSON(t, func(good string) map[string]string {
		open := good[:len(good)-1]
		return map[string]string{
			"nested 17":        open + `,"x":` + strings.Repeat("[", 17) + strings.Repeat("]", 17) + "}",
			"nested 10k":       open + `,"x":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + "}",
			"nested 1M":        open + `,"x":` + strings.Repeat("[", 1_000_000),
			"objects 10k":      open + `,"x":` + strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_000) + "}",
			"200 members":      open + wide(200) + "}",
			"1M members":       open + million + "}",
			"10^5 digits":      open + `,"x":` + strings.Repeat("9", 100_000) + "}",
			"10^4 digits":      open + `,"x":` + strings.Repeat("9", 10_000) + "}",
			"long name":        open + `,"` + strings.Repeat("n", 1000) + `":1}`,
			"array of 50k":     open + `,"x":[` + strings.Repeat("1,", 50_000) + `1]}`,
			"1 MiB of nothing": open + strings.Repeat(" ", 1<<20),
		}
	}, 400, 413)
}

func TestParam07CredentialsFromTwoSourcesAreRefused(t *testing.T) {
	eachEndpoint(t, func(s site, path, body string) {
		invalid := func(what, body string, h http.Header) {
			s.t.Helper()
			s.invalid(what, s.form(path, body, h), "invalid_request", 400)
		}
		invalid("Basic and a secret in the body", body+"&client_id=batch&client_secret=demo-batch-secret", batch())
		invalid("Basic and a secret alone", body+"&client_secret=demo-batch-secret", batch())
		invalid("Basic of another client", body+"&client_id=robot", batch())
		invalid("Basic and an assertion", body+"&"+encoded("client_assertion", "x.y.z", "client_assertion_type", assertionIs), batch())
		invalid("a secret and an assertion", body+"&client_id=batch&client_secret=x&"+encoded("client_assertion", "x.y.z", "client_assertion_type", assertionIs), nil)
		invalid("an assertion without its type", body+"&client_assertion=x", nil)
		invalid("the type without an assertion", body+"&"+encoded("client_assertion_type", assertionIs), nil)
		invalid("an assertion of another type", body+"&client_assertion=x&client_assertion_type=saml", nil)
		two := http.Header{"Authorization": {batch().Get("Authorization"), batch().Get("Authorization")}}
		invalid("two headers", body, two)
		two["Authorization"][1] = "Bearer x"
		invalid("two headers of two schemes", body, two)
	})
	s := shared(t)
	s.refused("FortiAuthenticator", s.json(fortiToken, fortiLogin, basic("client_id", "client_secret")), 400)
	s.must(s.json(fortiToken, fortiLogin, nil))
	s.refused("Aspera", s.form(aocToken, "grant_type=refresh_token&refresh_token=x&client_id=keeper&client_secret=keeper-secret", basic("keeper", "keeper-secret")), 400)
	two := http.Header{"Authorization": {basic("sam", "demo-sam").Get("Authorization"), basic("jsmith", "demo-jsmith").Get("Authorization")}}
	s.refused("Faspex", s.send("POST", faspexToken+"?grant_type=password", "", two), 400, 401)
	s.refused("Sensu", s.send("GET", "/auth", "", two), 400, 401)
	s.refused("Sensu test", s.send("GET", "/auth/test", "", two), 400, 401)
}

func TestParam08AMalformedAuthorizationHeaderIsRefused(t *testing.T) {
	encode := func(text string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(text)) }
	good := encode("batch:demo-batch-secret")
	bad := []string{
		encode("batch"), encode(":"), encode(":demo-batch-secret"), encode("batch:"), encode(""), "Basic", "Basic ", "Basic  " + good[6:],
		"Basic\t" + good[6:], good + "!", good[:len(good)-1], "Basic !!!!", "Basic " + strings.Repeat("A", 100<<10), encode("batch:demo-batch-secret\x00"),
		encode("batch\n:demo-batch-secret"), encode("batch:\xff\xfe"), encode("batch:%zz"), encode("%00:x"), encode("batch:demo-batch-secret "), encode(" batch:demo-batch-secret"),
		"Basic realm=x, " + good, good + ", " + good, "Basic:" + good[6:], "Digest username=batch", "=", ",", "Bearer " + good[6:], good[6:],
		"Basic " + base64.RawURLEncoding.EncodeToString([]byte("batch:demo-batch-secret?")),
	}
	eachEndpoint(t, func(s site, path, body string) {
		for _, h := range bad {
			a := s.form(path, body, headers("Authorization", h))
			s.refused(fmt.Sprintf("%.60q", h), a, 400, 401)
		}
		for _, works := range []string{"basic", "BASIC", "bAsIc"} {
			s.must(s.form(path, body, headers("Authorization", works+good[5:])))
		}
		odd := basic(url.QueryEscape("odd:id%"), url.QueryEscape("odd:secret%&"))
		s.must(s.form(path, body, odd))
		odd = basic("odd%3aid%25", "%6fdd%3Asecret%25%26") // more encoded than need be
		s.must(s.form(path, body, odd))
		s.refused("an id that is not encoded", s.form(path, body, basic("odd:id%", "odd:secret%&")), 401)
		s.must(s.form(path, body+"&"+encoded("client_id", "batch"), batch())) // the same client named again
	})
	s := shared(t)
	for _, h := range bad {
		for _, request := range [][2]string{{"POST", faspexToken + "?grant_type=password"}, {"GET", "/auth"}, {"GET", "/auth/test"}, {"GET", "/api/users/me"}, {"GET", "/Contacts"}, {"GET", "/api/v1/self"}} {
			s.refused(request[1]+fmt.Sprintf(" %.60q", h), s.send(request[0], request[1], "", headers("Authorization", h)), 400, 401)
		}
	}
}

func TestParam09ControlsAndBrokenTextAreRefusedAndNeverLoggedRaw(t *testing.T) {
	s := open(t)
	bad := []string{"%00", "%0d", "%0a", "%0D%0ASet-Cookie:%20x=1", "%c0%af", "%ff", "%ed%a0%80", "%7f", "%1b%5b31m", "%e2%80%a8", "%e2%80%ae"}
	for _, x := range bad {
		for _, name := range []string{"scope", "username", "password", "client_id", "refresh_token", "assertion", "grant_type", "state", "token"} {
			for _, e := range standard {
				body := "grant_type=password&username=bob&password=bobs-password&token=x"
				if name == "grant_type" {
					body = "token=x"
				}
				body = strings.Join(removed(strings.Split(body, "&"), name+"="), "&")
				a := s.form(e.path, body+"&"+name+"=a"+x+"b", basic("legacy", "legacy-secret"))
				switch {
				case x == "%e2%80%a8" || x == "%e2%80%ae" || x == "%7f" || x == "%1b%5b31m": // may stand in a value: the record must be clean
				case e.path == "/oauth2/token" || name == "token" || name == "client_id":
					s.refused(name+x, a, 400, 401)
				}
				for _, values := range a.header {
					if strings.Contains(strings.Join(values, ""), "Set-Cookie") {
						t.Errorf("%s: %v", name, a.header)
					}
				}
				if _, ok := a.header["Set-Cookie"]; ok {
					t.Errorf("%s: a header was injected", name)
				}
			}
		}
	}
	for _, text := range []string{"a\\u0000b", "a\\r\\nb", "a\\u2028b", "a\\u001b[31mb", "a\\ud800b"} {
		body := strings.Replace(fortiLogin, "luser1", text, 1)
		s.refused("FortiAuthenticator "+text, s.json(fortiToken, body, nil), 400, 401)
		s.refused("Aspire "+text, s.json("/Authorization", `{"ClientId":"`+text+`","Secret":"x"}`, nil), 400, 404)
	}
	for _, name := range []string{"a\r\nb", "a\x00b", "a\u2028b", "a\u202eb", "\x1b[31m"} {
		s.refused("Sensu", s.send("GET", "/auth", "", basic(name, "x")), 401)
		s.refused("Faspex", s.send("POST", faspexToken+"?grant_type=password", "", basic(name, "x")), 401)
	}
	s.refused("in a path", s.send("GET", "/oauth2/a%0d%0ab%00", "", nil), 404)
	for _, r := range s.events() {
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		for _, raw := range []string{`\u0000`, `\u001b`, `\r`, `\n`, `\u2028`, "\u202e", `\u007f`, "\x7f", "\ufffd", `\ufffd`} {
			if strings.Contains(string(text), raw) {
				t.Errorf("%q in a record: %s", raw, text)
			}
		}
	}
	for _, line := range strings.Split(strings.TrimSpace(s.Logs.String()), "\n") {
		if line != "" && !json.Valid([]byte(line)) {
			t.Errorf("a forged line in the log: %q", line)
		}
	}
	s.password("legacy", "legacy-secret")
}

// removed is the list without what starts with prefix.
func removed(list []string, prefix string) (out []string) {
	for _, x := range list {
		if !strings.HasPrefix(x, prefix) {
			out = append(out, x)
		}
	}
	return out
}

func TestParam10OtherMethodsAreRefusedAndNoHeaderChangesTheMethod(t *testing.T) {
	eachEndpoint(t, func(s site, path, body string) {
		form := with(batch(), "Content-Type", "application/x-www-form-urlencoded")
		for _, method := range []string{"GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "LINK", "post"} {
			for _, override := range []string{"", "X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"} {
				h := form
				if override != "" {
					h = with(form, override, "POST")
				}
				a := s.send(method, path, body+"&_method=POST", h)
				if method == "OPTIONS" && a.status == http.StatusNoContent && a.body == "" {
					continue // a page of a client's own asks first whether it may
				}
				s.refused(method, a, 405)
				if allow := a.header.Get("Allow"); allow != "POST" && allow != "OPTIONS, POST" {
					s.t.Errorf("%s: Allow %q", method, a.header.Get("Allow"))
				}
			}
		}
		for _, method := range []string{"GET", "DELETE"} {
			s.must(s.form(path, body, with(batch(), "X-HTTP-Method-Override", method)))
			s.must(s.form(path, body+"&_method="+method, batch()))
		}
	})
}

func TestParam11ScopesInBulkAreRefusedInTime(t *testing.T) {
	s := open(t)
	numbered := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "s%d+", i)
		}
		return b.String() + "read"
	}
	for name, scope := range map[string]string{
		"10^4 scopes": numbered(10_000), "101 scopes": numbered(100), "unknown": "read+admin", "64 KiB": strings.Repeat("a", 64<<10-60),
		"long one": strings.Repeat("a", 2000), "repeated 10^4": strings.Repeat("read+", 10_000) + "read", "quoted": "%22read%22", "backslash": "re%5Cad",
		"spaces": strings.Repeat("+", 5000) + "admin", "not ASCII": "r%C3%A9ad", "upper": "READ",
	} {
		var a answer
		within(t, name, 50*time.Millisecond, func() { a = s.form("/oauth2/token", "grant_type=client_credentials&scope="+scope, batch()) })
		s.refused(name, a, 400, 413)
		if a.status == 400 && a.member("error") != "invalid_scope" {
			t.Errorf("%s: %v", name, a)
		}
		if name != "64 KiB" {
			s.refused(name, s.json(fortiToken, fortiLogin[:len(fortiLogin)-1]+`,"scope":"`+strings.NewReplacer("+", " ", "%22", `\"`, "%5C", `\\`, "%C3%A9", "é").Replace(scope)+`"}`, nil), 400, 413)
		}
	}
	s.must(s.form("/oauth2/token", "grant_type=client_credentials&scope=read+read+write", batch()))
}
