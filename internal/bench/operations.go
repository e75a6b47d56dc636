package bench

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Target is the server an operation is done on.
type Target struct {
	Addr   string // host:port
	Issuer string // as the server's discovery document says
	World  *World
}

// NewTarget asks the server who it is.
func NewTarget(addr string, w *World) (*Target, error) {
	c := Dial(addr)
	defer c.Close()
	status, body, err := c.Do(Request("GET", "/.well-known/openid-configuration", addr, ""))
	if err != nil {
		return nil, fmt.Errorf("bench: discovery: %w", err)
	}
	var d struct {
		Issuer string `json:"issuer"`
	}
	if err := json.Unmarshal(body, &d); err != nil || d.Issuer == "" {
		return nil, fmt.Errorf("bench: discovery: %w", unexpected(status, body))
	}
	return &Target{addr, d.Issuer, w}, nil
}

// Operation is one row of the table.
type Operation struct {
	Name    string
	Title   string
	Dialect string // whose it is
	// Worker makes the step of worker i; it may talk to the server for what it needs,
	// a token to ask about.
	Worker func(t *Target, i int) (Step, error)
	// Most bounds the connections: what the server refuses beyond is no error.
	Most int
}

// Operations are all there are, in the order of the table.
func Operations() []Operation {
	const oidc, sensu, faspex = "oidc", "sensu", "faspex"
	return []Operation{
		{"cc-es256", "client credentials → ES256 JWT", oidc, credentials(ES256, jwt), 0},
		{"cc-rs256", "client credentials → RS256 JWT", oidc, credentials(RS256, jwt), 0},
		{"cc-opaque", "client credentials → opaque, durable", oidc, credentials(Opaque, sealed), 0},
		{"jwt-bearer", "assertion (RFC 7523) → ES256 JWT, durable", oidc, bearer, 0},
		{"introspect-opaque", "introspect an opaque token", oidc, introspect(Opaque, sealed), 0},
		{"introspect-jwt", "introspect an ES256 JWT", oidc, introspect(ES256, jwt), 0},
		{"userinfo-jwt", "userinfo with an ES256 JWT", oidc, userinfo, 0},
		{"refresh-opaque", "refresh → opaque, rotated, durable", oidc, refresh(RefreshOpaque, sealed), 0},
		{"refresh-es256", "refresh → ES256 JWT, rotated, durable", oidc, refresh(RefreshES, jwt), 0},
		{"code", "authorize with a live session, then code + PKCE → ES256, ID token", oidc, codeFlow, 0},
		{"authorize", "authorize with a live session → code", oidc, authorizeOnly, 0},
		{"signin-page", "sign-in page of an authorization request", oidc, signInPage, 0},
		{"jwks", "JWK set", oidc, document("/.well-known/jwks.json", `"keys"`), 0},
		{"jwks-304", "JWK set, not modified", oidc, unmodified("/.well-known/jwks.json"), 0},
		{"discovery", "discovery document", oidc, document("/.well-known/openid-configuration", `"issuer"`), 0},
		{"discovery-304", "discovery document, not modified", oidc, unmodified("/.well-known/openid-configuration"), 0},
		{"sensu-login", "Sensu GET /auth, repeated", sensu, sensuLogin, 0},
		{"sensu-refresh", "Sensu POST /auth/token", sensu, sensuRefresh, 0},
		{"faspex-login", "Faspex password, repeated", faspex, faspexLogin, 0},
		{"faspex-refresh", "Faspex refresh", faspex, faspexRefresh, 0},
		{"password-first", "password, first time (argon2id)", oidc, firstLogin, 16},
	}
}

const formType = "Content-Type: application/x-www-form-urlencoded"

func basic(id, secret string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id)+":"+url.QueryEscape(secret)))
}

func (t *Target) form(path, auth string, pairs ...string) []byte {
	v := make([]string, 0, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		v = append(v, pairs[i]+"="+url.QueryEscape(pairs[i+1]))
	}
	fields := []string{formType}
	if auth != "" {
		fields = append(fields, auth)
	}
	return Request("POST", path, t.Addr, strings.Join(v, "&"), fields...)
}

const (
	tokenPath      = "/oauth2/token"
	introspectPath = "/oauth2/introspect"
)

// Looks of a token.
func jwt(token string) bool    { return strings.HasPrefix(token, "eyJ") && strings.Count(token, ".") == 2 }
func sealed(token string) bool { return strings.HasPrefix(token, "jta_") && len(token) > 60 }

// ask sends a request and gives the answer's access token, checked.
func ask(c *Conn, request []byte, want int, looks func(string) bool) (access string, body []byte, err error) {
	status, body, err := c.Do(request)
	if err != nil {
		return "", nil, err
	}
	access = Member(body, "access_token")
	if status != want || !looks(access) {
		return "", nil, unexpected(status, body)
	}
	return access, body, nil
}

var errRepeated = errors.New("the same token twice")

// perWorker is how many clients one worker goes round among.
const perWorker = 16

// credentials is the client credentials grant (RFC 6749 §4.4), by another client
// each time.
func credentials(kind string, looks func(string) bool) func(*Target, int) (Step, error) {
	return func(t *Target, i int) (Step, error) {
		requests := make([][]byte, perWorker)
		for k := range requests {
			id, secret := t.World.Client(kind, i*perWorker+k)
			requests[k] = t.form(tokenPath, basic(id, secret), "grant_type", "client_credentials", "scope", "read")
		}
		n, last := 0, ""
		return func(c *Conn) error {
			n++
			token, _, err := ask(c, requests[n%perWorker], 200, looks)
			if err == nil && token == last {
				return errRepeated
			}
			last = token
			return err
		}, nil
	}
}

// bearer is the JWT bearer grant with a new assertion each time.
func bearer(t *Target, i int) (Step, error) {
	id, secret := t.World.Client(Bearer, i)
	auth, user := basic(id, secret), t.World.User(i)
	return func(c *Conn) error {
		assertion, err := t.World.assertion(id, user, t.Issuer)
		if err != nil {
			return err
		}
		_, _, err = ask(c, t.form(tokenPath, auth, "grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion", assertion), 200, jwt)
		return err
	}, nil
}

// introspect asks about live tokens of its own, in turn.
func introspect(kind string, looks func(string) bool) func(*Target, int) (Step, error) {
	return func(t *Target, i int) (Step, error) {
		id, secret := t.World.Client(kind, i)
		auth := basic(id, secret)
		c := Dial(t.Addr)
		defer c.Close()
		tokens := make([]string, perWorker)
		for k := range tokens {
			token, _, err := ask(c, t.form(tokenPath, auth, "grant_type", "client_credentials"), 200, looks)
			if err != nil {
				return nil, err
			}
			tokens[k] = token
		}
		return t.introspecting(auth, tokens), nil
	}
}

func (t *Target) introspecting(auth string, tokens []string) Step {
	requests := make([][]byte, len(tokens))
	for k, token := range tokens {
		requests[k] = t.form(introspectPath, auth, "token", token)
	}
	n := 0
	return func(c *Conn) error {
		n++
		status, body, err := c.Do(requests[n%len(requests)])
		if err != nil {
			return err
		}
		if status != 200 || !bytes.HasPrefix(body, []byte(`{"active":true,`)) {
			return unexpected(status, body)
		}
		return nil
	}
}

// login signs user i in with his password (RFC 6749 §4.3).
func (t *Target) login(c *Conn, kind string, i int, scope string, looks func(string) bool) (access, refresh string, err error) {
	id, secret := t.World.Client(kind, i)
	access, body, err := ask(c, t.form(tokenPath, basic(id, secret), "grant_type", "password",
		"username", t.World.User(i), "password", password, "scope", scope), 200, looks)
	return access, Member(body, "refresh_token"), err
}

// userinfo is OpenID Connect Core §5.3.
func userinfo(t *Target, i int) (Step, error) {
	c := Dial(t.Addr)
	defer c.Close()
	access, _, err := t.login(c, Bearer, i, "openid", jwt)
	if err != nil {
		return nil, err
	}
	request := Request("GET", "/oauth2/userinfo", t.Addr, "", "Authorization: Bearer "+access)
	return fetch(request, `"sub"`), nil
}

// fetch expects a 200 that holds a text.
func fetch(request []byte, holds string) Step {
	want := []byte(holds)
	return func(c *Conn) error {
		status, body, err := c.Do(request)
		if err == nil && (status != 200 || !bytes.Contains(body, want)) {
			err = unexpected(status, body)
		}
		return err
	}
}

// refresh is RFC 6749 §6: one chain for each worker.
func refresh(kind string, looks func(string) bool) func(*Target, int) (Step, error) {
	return func(t *Target, i int) (Step, error) {
		c := Dial(t.Addr)
		defer c.Close()
		_, token, err := t.login(c, kind, i, "read", looks)
		if err != nil {
			return nil, err
		}
		id, secret := t.World.Client(kind, i)
		auth := basic(id, secret)
		return func(c *Conn) error {
			_, body, err := ask(c, t.form(tokenPath, auth, "grant_type", "refresh_token", "refresh_token", token), 200, looks)
			if err != nil {
				return err
			}
			return follow(&token, Member(body, "refresh_token"))
		}, nil
	}
}

// follow moves a chain to its next refresh token, which must be another one.
func follow(token *string, next string) error {
	if next == "" || next == *token {
		return errRepeated
	}
	*token = next
	return nil
}

// document reads a public document.
func document(path, holds string) func(*Target, int) (Step, error) {
	return func(t *Target, _ int) (Step, error) { return fetch(Request("GET", path, t.Addr, ""), holds), nil }
}

// unmodified reads it again with its entity tag (RFC 9110 §13.1.2).
func unmodified(path string) func(*Target, int) (Step, error) {
	return func(t *Target, _ int) (Step, error) {
		c := Dial(t.Addr)
		defer c.Close()
		status, body, err := c.Do(Request("GET", path, t.Addr, ""))
		if err != nil {
			return nil, err
		}
		if c.ETag == "" {
			return nil, fmt.Errorf("%s has no ETag: %w", path, unexpected(status, body))
		}
		request := Request("GET", path, t.Addr, "", "If-None-Match: "+c.ETag)
		return func(c *Conn) error {
			status, body, err := c.Do(request)
			if err == nil && status != 304 {
				err = unexpected(status, body)
			}
			return err
		}, nil
	}
}

// firstLogin signs in a user whose password was not compared before.
func firstLogin(t *Target, i int) (Step, error) {
	id, secret := t.World.Client(Bearer, i)
	auth := basic(id, secret)
	return func(c *Conn) error {
		_, _, err := ask(c, t.form(tokenPath, auth, "grant_type", "password", "username", t.World.fresh(), "password", password), 200, jwt)
		return err
	}, nil
}

func any22(token string) bool { return len(token) == 22 }

// plainBasic is RFC 7617: a user's name and password as they are.
func plainBasic(user string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func sensuLogin(t *Target, i int) (Step, error) {
	request := Request("GET", "/auth", t.Addr, "", plainBasic(t.World.User(i)))
	return warmed(t, func(c *Conn) error {
		_, _, err := ask(c, request, 200, jwt)
		return err
	})
}

// warmed does a step once before it is measured: the first comparison of a
// password is another row.
func warmed(t *Target, step Step) (Step, error) {
	c := Dial(t.Addr)
	defer c.Close()
	return step, step(c)
}

func sensuRefresh(t *Target, i int) (Step, error) {
	c := Dial(t.Addr)
	defer c.Close()
	access, body, err := ask(c, Request("GET", "/auth", t.Addr, "", plainBasic(t.World.User(i))), 200, jwt)
	if err != nil {
		return nil, err
	}
	token := Member(body, "refresh_token")
	return func(c *Conn) error {
		next, body, err := ask(c, Request("POST", "/auth/token", t.Addr, `{"refresh_token":"`+token+`"}`,
			"Content-Type: application/json", "Authorization: Bearer "+access), 200, jwt)
		if err != nil {
			return err
		}
		access = next
		return follow(&token, Member(body, "refresh_token"))
	}, nil
}

const faspexPath = "/aspera/faspex/auth/oauth2/token"

func faspexLogin(t *Target, i int) (Step, error) {
	request := t.form(faspexPath, plainBasic(t.World.User(i)), "grant_type", "password")
	return warmed(t, func(c *Conn) error {
		_, _, err := ask(c, request, 201, any22)
		return err
	})
}

func faspexRefresh(t *Target, i int) (Step, error) {
	c := Dial(t.Addr)
	defer c.Close()
	_, body, err := ask(c, t.form(faspexPath, plainBasic(t.World.User(i)), "grant_type", "password"), 201, any22)
	if err != nil {
		return nil, err
	}
	token := Member(body, "refresh_token")
	return func(c *Conn) error {
		_, body, err := ask(c, t.form(faspexPath, "", "grant_type", "refresh_token", "refresh_token", token), 201, any22)
		if err != nil {
			return err
		}
		return follow(&token, Member(body, "refresh_token"))
	}, nil
}

// steps makes a worker for each connection. Operations that begin with a slow
// password comparison queue up for it, so they are made one after another.
func (o Operation) steps(t *Target, n int) ([]Step, error) {
	out := make([]Step, n)
	for i := range out {
		s, err := o.Worker(t, i)
		if err != nil {
			return nil, fmt.Errorf("%s: worker %d: %w", o.Name, i, err)
		}
		out[i] = s
	}
	return out, nil
}

// Drive does the operation with each of l's connections on t.
func (o Operation) Drive(t *Target, l Load, m Meter) (*Result, error) {
	if o.Most > 0 {
		l.Conns = min(l.Conns, o.Most)
	}
	steps, err := o.steps(t, l.Conns)
	if err != nil {
		return nil, err
	}
	l.Addr = t.Addr
	return l.drive(steps, m)
}
