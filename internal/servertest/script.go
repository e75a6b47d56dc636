package servertest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"jeton/internal/audit"
	"jeton/internal/client"
	"jeton/internal/dialect"
	"jeton/internal/jose"
	"jeton/internal/store/storetest/pg"
)

type testingContext = context.Context

func background() context.Context { return context.Background() }

func (s *Server) existing() []client.Org {
	var out []client.Org
	for _, o := range s.Core.Clients.Orgs() {
		out = append(out, *o)
	}
	return out
}

// setupTB lets Start run in a script's setup.
type setupTB struct {
	env *testscript.Env
}

func (s setupTB) Fatal(args ...any)                 { panic(fmt.Sprint(args...)) }
func (s setupTB) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
func (s setupTB) Helper()                           {}
func (s setupTB) Cleanup(f func())                  { s.env.Defer(f) }
func (s setupTB) Context() context.Context          { return context.Background() }

// scriptTB lets a command's helpers fail the script.
type scriptTB struct{ *testscript.TestScript }

func (s scriptTB) Fatal(args ...any)                 { s.TestScript.Fatalf("%s", fmt.Sprint(args...)) }
func (s scriptTB) Fatalf(format string, args ...any) { s.TestScript.Fatalf(format, args...) }
func (s scriptTB) Helper()                           {}
func (s scriptTB) Cleanup(f func())                  { s.TestScript.Defer(f) }

type state struct {
	server  *Server
	browser *Browser // of signin, nil = none yet
	reply   *http.Response
	body    []byte
}

// Run runs every script of a folder on both storage engines, each against a server of its own that holds
// the demo world and what the script's own world.yaml adds. The commands beside
// testscript's are in the table below.
func Run(t *testing.T, dir string, dialects ...*dialect.Dialect) {
	t.Run("sqlite", func(t *testing.T) {
		run(t, dir, func() string { return "" }, dialects)
	})
	t.Run("postgres", func(t *testing.T) {
		server, err := pg.Start()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := server.Stop(); err != nil {
				t.Error(err)
			}
		})
		run(t, dir, func() string { return server.Database(t) }, dialects)
	})
}

func run(t *testing.T, dir string, dsn func() string, dialects []*dialect.Dialect) {
	testscript.Run(t, testscript.Params{
		Dir: dir,
		Setup: func(env *testscript.Env) error {
			world, err := os.ReadFile(filepath.Join(env.WorkDir, "world.yaml"))
			if err != nil && !os.IsNotExist(err) {
				return err
			}
			_, err = os.Stat(filepath.Join(env.WorkDir, "empty-world"))
			s := Start(setupTB{env}, Options{World: string(world), Dialects: dialects, NoDemo: err == nil, DSN: dsn()})
			env.Setenv("URL", s.URL)
			env.Values["state"] = &state{server: s}
			for _, name := range []string{"ada", "global", "other"} {
				if err := os.WriteFile(filepath.Join(env.WorkDir, name+".pem"), PrivatePEM(name), 0o600); err != nil {
					return err
				}
				if err := os.WriteFile(filepath.Join(env.WorkDir, name+".pub"), PublicPEM(name), 0o600); err != nil {
					return err
				}
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"http": cmdHTTP, "cmpjson": cmdCmpJSON, "cmpbody": cmdCmpBody, "empty": cmdEmpty,
			"header": cmdHeader, "noheader": cmdNoHeader, "save": cmdSave, "clock": cmdClock,
			"jwt": cmdJWT, "explain": cmdExplain, "assertion": cmdAssertion, "apply": cmdApply, "nolog": cmdNoLog, "equal": cmdEqual,
			"signin": cmdSignIn, "saml": cmdSAML,
		},
	})
}

func values(ts *testscript.TestScript) *state { return ts.Value("state").(*state) }

// http METHOD PATH STATUS [-H header]… [-u user:password] [-d text|@file] [-form k=v&…] [-json text] [-host name]
func cmdHTTP(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: http METHOD PATH STATUS [flags]")
	}
	st := values(ts)
	want, err := strconv.Atoi(args[2])
	ts.Check(err)
	req, err := http.NewRequest(args[0], st.server.URL, nil)
	ts.Check(err)
	path, query, _ := strings.Cut(args[1], "?")
	req.URL.Opaque, req.URL.RawQuery = "//"+req.URL.Host+path, query
	if strings.HasSuffix(args[1], "?") {
		req.URL.ForceQuery = true
	}
	if unescaped, err := url.PathUnescape(path); err == nil {
		req.URL.Path = unescaped
	}
	var body []byte
	for i := 3; i < len(args); i++ {
		flag := args[i]
		if i++; i >= len(args) {
			ts.Fatalf("http: %s needs a value", flag)
		}
		switch v := args[i]; flag {
		case "-H":
			name, value, _ := strings.Cut(v, ":")
			req.Header.Add(name, strings.TrimPrefix(value, " "))
		case "-u":
			req.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(v)))
		case "-d", "-form", "-json":
			if body = []byte(v); strings.HasPrefix(v, "@") {
				body = []byte(ts.ReadFile(v[1:]))
			}
			if flag == "-form" {
				req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			} else if flag == "-json" {
				req.Header.Set("Content-Type", "application/json")
			}
		case "-host":
			req.Host, req.URL.Opaque = v, "//"+v+path // the request line names the host too
		default:
			ts.Fatalf("http: unknown flag %s", flag)
		}
	}
	if body != nil {
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	}
	noRedirect := http.Client{
		Timeout:       30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := noRedirect.Do(req)
	ts.Check(err)
	defer func() { _ = resp.Body.Close() }()
	st.body, err = io.ReadAll(resp.Body)
	ts.Check(err)
	st.reply = resp
	ts.Check(os.WriteFile(ts.MkAbs("reply"), st.body, 0o600))
	if resp.StatusCode != want {
		why := ""
		if id := resp.Header.Get("Jeton-Error-Id"); id != "" {
			r, _ := json.Marshal(st.server.Record(scriptTB{ts}, id))
			why = "\nrecord: " + string(r)
		}
		ts.Fatalf("status %d, want %d; body:\n%s%s", resp.StatusCode, want, st.body, why)
	}
}

// cmpjson FILE EXPECTED: same members, order and values; "<any>", "<jwt>", "<int>",
// "<re:…>" match.
func cmdCmpJSON(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: cmpjson FILE EXPECTED")
	}
	got, want := tokens(ts, ts.ReadFile(args[0])), tokens(ts, ts.ReadFile(args[1]))
	same := len(got) == len(want)
	at := 0
	for ; same && at < len(got); at++ {
		same = matches(got[at], want[at])
	}
	if same == neg {
		if neg {
			ts.Fatalf("%s equals %s", args[0], args[1])
		}
		near := ""
		if at > 0 && at <= len(got) && at <= len(want) {
			near = fmt.Sprintf("\nfirst difference: got %v, want %v", got[at-1], want[at-1])
		}
		ts.Fatalf("got\n%s\nwant\n%s%s", ts.ReadFile(args[0]), ts.ReadFile(args[1]), near)
	}
}

func tokens(ts *testscript.TestScript, text string) []json.Token {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var out []json.Token
	for {
		t, err := d.Token()
		if err == io.EOF {
			return out
		}
		if err != nil {
			ts.Fatalf("not JSON: %v\n%s", err, text)
		}
		out = append(out, t)
	}
}

func matches(got, want json.Token) bool {
	w, ok := want.(string)
	if !ok {
		return got == want
	}
	switch {
	case w == "<any>":
		return true
	case w == "<int>":
		n, ok := got.(json.Number)
		_, err := strconv.ParseInt(string(n), 10, 64)
		return ok && err == nil
	case w == "<jwt>":
		s, ok := got.(string)
		return ok && strings.Count(s, ".") == 2 && strings.HasPrefix(s, "eyJ")
	case strings.HasPrefix(w, "<re:") && strings.HasSuffix(w, ">"):
		return regexp.MustCompile(`^(?:` + w[4:len(w)-1] + `)$`).MatchString(fmt.Sprint(got))
	}
	return got == want
}

func cmdCmpBody(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: cmpbody FILE EXPECTED")
	}
	got, want := ts.ReadFile(args[0]), strings.TrimSuffix(ts.ReadFile(args[1]), "\n")
	if (got == want) == neg {
		ts.Fatalf("got\n%q\nwant\n%q", got, want)
	}
}

func cmdEmpty(ts *testscript.TestScript, neg bool, _ []string) {
	if (len(values(ts).body) == 0) == neg {
		ts.Fatalf("body: %q", values(ts).body)
	}
}

// header [-re] NAME VALUE
func cmdHeader(ts *testscript.TestScript, neg bool, args []string) {
	re := len(args) > 0 && args[0] == "-re"
	if re {
		args = args[1:]
	}
	if len(args) < 2 {
		ts.Fatalf("usage: header [-re] NAME VALUE")
	}
	got, want := values(ts).reply.Header.Get(args[0]), strings.Join(args[1:], " ")
	same := got == want
	if re {
		same = regexp.MustCompile(want).MatchString(got)
	}
	if same == neg {
		ts.Fatalf("header %s: got %q, want %q", args[0], got, want)
	}
}

func cmdNoHeader(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		if v, ok := values(ts).reply.Header[http.CanonicalHeaderKey(name)]; ok {
			ts.Fatalf("header %s: %q", name, v)
		}
	}
}

// save NAME MEMBER: dotted path into the JSON reply; "-header Name" saves a header.
func cmdSave(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) == 3 && args[1] == "-header" {
		ts.Setenv(args[0], values(ts).reply.Header.Get(args[2]))
		return
	}
	if len(args) != 2 {
		ts.Fatalf("usage: save NAME MEMBER | save NAME -header HEADER")
	}
	var v any
	d := json.NewDecoder(bytes.NewReader(values(ts).body))
	d.UseNumber()
	ts.Check(d.Decode(&v))
	for _, part := range strings.Split(args[1], ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[part]
		case []any:
			i, err := strconv.Atoi(part)
			ts.Check(err)
			if i >= len(x) {
				ts.Fatalf("save: %s: only %d items", args[1], len(x))
			}
			v = x[i]
		}
	}
	if v == nil {
		ts.Fatalf("save: no %s in\n%s", args[1], values(ts).body)
	}
	ts.Setenv(args[0], fmt.Sprint(v))
}

func cmdClock(ts *testscript.TestScript, _ bool, args []string) {
	d, err := time.ParseDuration(args[0])
	ts.Check(err)
	values(ts).server.Clock.Add(d)
}

// jwt NAME: decodes the environment variable NAME into files jwt.header and jwt.claims.
func cmdJWT(ts *testscript.TestScript, _ bool, args []string) {
	parts := strings.Split(ts.Getenv(args[0]), ".")
	if len(parts) != 3 {
		ts.Fatalf("%s is no JWT", args[0])
	}
	for i, name := range []string{"jwt.header", "jwt.claims"} {
		b, err := base64.RawURLEncoding.DecodeString(parts[i])
		ts.Check(err)
		ts.Check(os.WriteFile(ts.MkAbs(name), b, 0o600))
	}
}

// explain CODE [CHECK]: the record of the last refusal.
func cmdExplain(ts *testscript.TestScript, _ bool, args []string) {
	id := values(ts).reply.Header.Get("Jeton-Error-Id")
	r := values(ts).server.Record(scriptTB{ts}, id)
	b, _ := json.MarshalIndent(r, "", " ")
	if r.Code != args[0] {
		ts.Fatalf("code %s, want %s\n%s", r.Code, args[0], b)
	}
	if len(args) > 1 && firstFailed(r) != strings.Join(args[1:], " ") {
		ts.Fatalf("first failed check %q, want %q\n%s", firstFailed(r), strings.Join(args[1:], " "), b)
	}
}

func firstFailed(r *audit.Record) string {
	for _, c := range r.Checks {
		if !c.OK {
			return c.Name
		}
	}
	return ""
}

// assertion VAR -key FILE -iss ISS -sub SUB [-aud A]… [-exp seconds|none] [-iat seconds] [-nbf seconds] [-jti ID] [-typ T] [-claim name=json]… [-alg RS256]
func cmdAssertion(ts *testscript.TestScript, _ bool, args []string) {
	now := values(ts).server.Clock.Now().Unix()
	var iss, sub, typ string
	var pemText []byte
	var aud []string
	exp, alg := "600", jose.RS256
	claims := jose.Obj()
	for i := 1; i+1 < len(args); i += 2 {
		v := args[i+1]
		switch args[i] {
		case "-key":
			pemText = []byte(ts.ReadFile(v))
		case "-iss":
			iss = v
		case "-sub":
			sub = v
		case "-aud":
			aud = append(aud, v)
		case "-exp":
			exp = v
		case "-typ":
			typ = v
		case "-alg":
			alg = jose.Alg(v)
		case "-jti":
			claims = claims.Str("jti", v)
		case "-iat", "-nbf":
			n, err := strconv.ParseInt(v, 10, 64)
			ts.Check(err)
			claims = claims.Int(args[i][1:], now+n)
		case "-claim":
			name, value, _ := strings.Cut(v, "=")
			claims = claims.Raw(name, []byte(value))
		default:
			ts.Fatalf("assertion: unknown flag %s", args[i])
		}
	}
	if aud == nil {
		aud = []string{"https://api.asperafiles.com/api/v1/oauth2/token"}
	}
	claims = claims.Str("iss", iss).Str("sub", sub).StrOrStrs("aud", aud)
	if exp != "none" {
		n, err := strconv.ParseInt(exp, 10, 64)
		ts.Check(err)
		claims = claims.Int("exp", now+n)
	}
	key, err := jose.ParsePrivatePEM(pemText)
	ts.Check(err)
	key.Alg = alg
	signed, err := jose.Sign(key, key.Header(typ).Bytes(), claims.Bytes())
	ts.Check(err)
	ts.Setenv(args[0], signed)
}

// apply FILE: applies a further configuration document.
func cmdApply(ts *testscript.TestScript, _ bool, args []string) {
	values(ts).server.Apply(scriptTB{ts}, ts.ReadFile(args[0]))
}

// nolog TEXT: neither the log nor the audit records hold the text.
func cmdNoLog(ts *testscript.TestScript, _ bool, args []string) {
	s := values(ts).server
	ts.Check(s.Audit.Flush(background()))
	if strings.Contains(s.Logs.String(), args[0]) {
		ts.Fatalf("the log holds %q", args[0])
	}
}

// equal A B: two texts are the same; "! equal" that they differ.
func cmdEqual(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 || (args[0] == args[1]) == neg {
		ts.Fatalf("equal %q", args)
	}
}
