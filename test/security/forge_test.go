package security_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"jeton/internal/client"
	"jeton/internal/config"
	"jeton/internal/identity"
	"jeton/internal/jose"
	"jeton/internal/servertest"
)

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func unb64(t testing.TB, s string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// members is an ordered JSON object an attacker writes: names may come twice.
type members []struct {
	name  string
	value json.RawMessage
}

func readMembers(t testing.TB, text []byte) (m members) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(string(text)))
	if _, err := d.Token(); err != nil {
		t.Fatal(err)
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		var v json.RawMessage
		if err := d.Decode(&v); err != nil {
			t.Fatal(err)
		}
		m = m.plus(name.(string), v)
	}
	return m
}

// plus appends a member, whether there is one of the name or not.
func (m members) plus(name string, value json.RawMessage) members {
	return append(m[:len(m):len(m)], struct {
		name  string
		value json.RawMessage
	}{name, value})
}

// set replaces a member or appends it; value is anything JSON has.
func (m members) set(name string, value any) members {
	b, err := json.Marshal(value)
	if err != nil {
		panic(err) // a test's own value
	}
	out := append(members(nil), m...)
	for i := range out {
		if out[i].name == name {
			out[i].value = b
			return out
		}
	}
	return out.plus(name, b)
}

func (m members) without(name string) (out members) {
	for _, x := range m {
		if x.name != name {
			out = append(out, x)
		}
	}
	return out
}

// text is a member that is a string, "" otherwise.
func (m members) text(name string) (s string) {
	for _, x := range m {
		if x.name == name {
			_ = json.Unmarshal(x.value, &s) // anything else is ""
		}
	}
	return s
}

func (m members) has(name string) bool { return len(m.without(name)) < len(m) }

func (m members) bytes() []byte {
	var parts []string
	for _, x := range m {
		name, err := json.Marshal(x.name)
		if err != nil {
			panic(err) // a string always encodes
		}
		parts = append(parts, string(name)+":"+string(x.value))
	}
	return []byte("{" + strings.Join(parts, ",") + "}")
}

// forge signs what an attacker wrote, whatever its header says: by the method named
// in sign, with whatever key fits it.
func forge(t testing.TB, header, payload []byte, sign jose.Alg, key *jose.Key) string {
	t.Helper()
	input := b64(header) + "." + b64(payload)
	return input + "." + b64(signature(t, input, sign, key))
}

func signature(t testing.TB, input string, sign jose.Alg, key *jose.Key) (sig []byte) {
	t.Helper()
	sum := sha256.Sum256([]byte(input))
	var err error
	switch sign {
	case "none":
		return nil
	case jose.HS256:
		mac := hmac.New(sha256.New, key.Secret)
		mac.Write([]byte(input))
		return mac.Sum(nil)
	case jose.RS256:
		sig, err = key.Signer.Sign(rand.Reader, sum[:], crypto.SHA256)
	case jose.PS256:
		sig, err = key.Signer.Sign(rand.Reader, sum[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256})
	case jose.ES256:
		r, s, failed := ecdsa.Sign(rand.Reader, key.Signer.(*ecdsa.PrivateKey), sum[:])
		if err = failed; err == nil {
			sig = append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
		}
	default:
		t.Fatalf("cannot sign with %s", sign)
	}
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

func private(t testing.TB, name string) *jose.Key {
	t.Helper()
	k, err := jose.ParsePrivatePEM(servertest.PrivatePEM(name))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// spellings of a public key that a careless verifier might take for an HMAC secret.
func spellings(t testing.TB, pub crypto.PublicKey) map[string][]byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	return map[string][]byte{
		"PEM": text, "PEM without its last newline": text[:len(text)-1], "DER": der, "JWK": jwk(t, pub),
	}
}

func jwk(t testing.TB, pub crypto.PublicKey) []byte {
	t.Helper()
	switch k := pub.(type) {
	case *rsa.PublicKey:
		return fmt.Appendf(nil, `{"kty":"RSA","n":"%s","e":"AQAB"}`, b64(k.N.Bytes()))
	case *ecdsa.PublicKey:
		point, err := k.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Appendf(nil, `{"kty":"EC","crv":"P-256","x":"%s","y":"%s"}`, b64(point[1:33]), b64(point[33:]))
	}
	t.Fatalf("no JWK of %T", pub)
	return nil
}

// inlet is a place where the server takes a signed token from a stranger.
type inlet struct {
	name string
	key  *jose.Key // the key that counts there, its private part included
	// honest writes the header and the payload of a good token; every call another one.
	honest func(t testing.TB) (header, payload members)
	// send shows a token and says whether it was taken for good. A refusal's form is
	// checked.
	send func(s site, token string) bool
	// assertion: made by clients; the others are tokens this server made.
	assertion bool
	// tries counts the forgeries, so that a good token comes between some of them.
	tries *int
	// another, if not nil, makes good tokens where a good one ends what honest gave.
	another func(t testing.TB) string
}

// good is a good token of the inlet.
func (in inlet) good(t testing.TB) string {
	t.Helper()
	if in.another != nil {
		return in.another(t)
	}
	h, p := in.honest(t)
	return in.sign(t, h, p)
}

func (in inlet) sign(t testing.TB, h, p members) string {
	t.Helper()
	return forge(t, h.bytes(), p.bytes(), in.key.Alg, in.key)
}

const goodAfter = 3

// refuses sends a bad token, and after some of them a good one: whoever forges must
// neither get in nor keep the owner out. There are fewer between than the failures
// that slow a client's source down, so that no forgery is refused for that alone.
func (in inlet) refuses(s site, what, token string) {
	s.t.Helper()
	if in.send(s, token) {
		s.t.Errorf("%s: %s was taken: %.300s", in.name, what, token)
	}
	if in.tries != nil {
		if *in.tries++; *in.tries%goodAfter != 0 {
			return
		}
	}
	if !in.send(s, in.good(s.t)) {
		s.t.Errorf("%s: a good token is refused after %s", in.name, what)
	}
}

var serial atomic.Int64

func unique() string { return fmt.Sprintf("id-%d-%d", time.Now().UnixNano(), serial.Add(1)) }

// eachInlet runs f for every inlet of one server, each with a good token first.
func eachInlet(t *testing.T, f func(s site, in inlet)) {
	s := shared(t)
	for _, in := range inlets(s) {
		t.Run(in.name, func(t *testing.T) {
			s := s.on(t)
			if !in.send(s, in.good(t)) {
				t.Fatal("a good token is refused")
			}
			f(s, in)
			if !in.send(s, in.good(t)) {
				t.Error("a good token is refused afterwards")
			}
		})
	}
}

func inlets(s site) []inlet {
	list := []inlet{
		grantInlet(s, "jwt-bearer", "robot", "ada", servertest.Public, "/oauth2/token", basic("robot", "robot-secret"), 400),
		grantInlet(s, "aoc assertion", "mover", "ada@example.com", aocAudience, aocToken, nil, 400),
	}
	for _, path := range []string{"/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"} {
		list = append(list, clientInlet(s, path))
	}
	list = append(list, bearerInlets(s)...)
	for i := range list {
		list[i].tries = new(int)
	}
	return list
}

func rsaHeader() members { return members{}.set("alg", "RS256").set("typ", "JWT") }

// grantInlet is an assertion as a grant (RFC 7523 §2.1).
func grantInlet(s site, name, client, subject, audience, path string, h http.Header, status int) inlet {
	return inlet{
		name: name, assertion: true, key: private(s.t, "ada"),
		honest: func(testing.TB) (members, members) {
			now := s.Clock.Now().Unix()
			return rsaHeader(), members{}.set("iss", client).set("sub", subject).set("aud", audience).
				set("iat", now).set("exp", now+240).set("jti", unique())
		},
		send: func(s site, token string) bool {
			s.t.Helper()
			body := encoded("grant_type", jwtBearer, "assertion", token)
			if h == nil {
				body += "&client_id=" + client
			}
			a := s.form(path, body, h)
			if a.status == http.StatusOK && a.member("access_token") != "" {
				return true
			}
			s.refused(name, a, status)
			return false
		},
	}
}

// clientInlet is an assertion as client authentication (RFC 7523 §2.2).
func clientInlet(s site, path string) inlet {
	return inlet{
		name: "client_assertion at " + path, assertion: true, key: private(s.t, "global"),
		honest: func(testing.TB) (members, members) {
			now := s.Clock.Now().Unix()
			return rsaHeader(), members{}.set("iss", "signer").set("sub", "signer").set("aud", servertest.Public).
				set("iat", now).set("exp", now+240).set("jti", unique())
		},
		send: func(s site, token string) bool {
			s.t.Helper()
			a := s.form(path, encoded(
				"grant_type", "client_credentials", "token", "none", "client_id", "signer",
				"client_assertion_type", assertionIs, "client_assertion", token), nil)
			if a.status == http.StatusOK {
				return true
			}
			s.refused(path, a, 400, 401) // 400: not even a parameter
			return false
		},
	}
}

// bearerInlets are where tokens of our own come back.
func bearerInlets(s site) []inlet {
	userinfo := s.must(s.form("/oauth2/token", "grant_type=password&username=bob&password=bobs-password&client_id=public", nil))
	batch := s.normal()
	login := s.must(s.send("GET", "/auth", "", basic("myusername", "mypassword")))
	aspire := s.must(s.json("/Authorization", aspireLogin, nil)).member("Token")
	aoc := s.aocToken("mover", "user:all")
	list := []inlet{
		s.bearerInlet("userinfo", "GET", "/oauth2/userinfo", userinfo.member("access_token"), "token", jose.ES256, "default"),
		s.bearerInlet("sensu users", "GET", "/api/core/v2/users/myusername", login.member("access_token"), "sensu", jose.HS256, "default"),
		s.bearerInlet("aspire", "GET", "/Contacts", aspire, "aspire", jose.RS256, "default"),
		s.bearerInlet("aoc self", "GET", "/api/v1/self", aoc, "aoc", jose.RS256, "acme"),
		s.ownInlet("introspection", batch, "token", jose.ES256, "default", func(s site, token string) bool {
			s.t.Helper()
			a := s.form("/oauth2/introspect", encoded("token", token), basic("batch", "demo-batch-secret"))
			if a.status == 400 { // not even a parameter
				s.refused("introspection", a, 400)
				return false
			}
			if a.status != 200 || (a.member("active") != "true" && a.body != `{"active":false}`) {
				s.t.Errorf("introspection: %v", a)
			}
			return a.member("active") == "true"
		}),
		s.ownInlet("sensu refresh, Bearer", login.member("access_token"), "sensu", jose.HS256, "default", func(s site, token string) bool {
			s.t.Helper()
			a := s.send("POST", "/auth/token", marshal(s.t, map[string]string{"refresh_token": login.member("refresh_token")}), bearer(token))
			if a.status == 200 {
				return true
			}
			s.refused("sensu refresh", a, 400, 401)
			return false
		}),
		s.ownInlet("sensu refresh, body", login.member("refresh_token"), "sensu", jose.HS256, "default", func(s site, token string) bool {
			s.t.Helper()
			a := s.send("POST", "/auth/token", marshal(s.t, map[string]string{"refresh_token": token}), bearer(login.member("access_token")))
			if a.status == 200 {
				return true
			}
			s.refused("sensu refresh", a, 400, 401)
			return false
		}),
	}
	return append(list, s.revocationInlet(batch))
}

// revocationInlet takes a forgery for good when the token it was made from has ended.
func (s site) revocationInlet(victim string) inlet {
	good := map[string]bool{}
	in := s.ownInlet("revocation", victim, "token", jose.ES256, "default", func(s site, token string) bool {
		s.t.Helper()
		if a := s.form("/oauth2/revoke", encoded("token", token), basic("batch", "demo-batch-secret")); a.status != 400 && (a.status != 200 || a.body != "") {
			s.t.Errorf("revocation: %v", a)
		}
		if good[token] {
			return !s.active("batch", "demo-batch-secret", token)
		}
		return !s.active("batch", "demo-batch-secret", victim)
	})
	in.another = func(t testing.TB) string {
		token := s.on(t).normal()
		good[token] = true
		return token
	}
	return in
}

func split(t testing.TB, token string) (header, payload members) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("no JWT: %s", token)
	}
	return readMembers(t, unb64(t, parts[0])), readMembers(t, unb64(t, parts[1]))
}

func (s site) ownInlet(name, token, purpose string, alg jose.Alg, org string, send func(site, string) bool) inlet {
	key, err := s.Ring.Signing(s.t.Context(), org, purpose, alg)
	if err != nil {
		s.t.Fatal(err)
	}
	return inlet{
		name: name, key: key, send: send,
		honest: func(t testing.TB) (members, members) { return split(t, token) },
	}
}

func (s site) bearerInlet(name, method, path, token, purpose string, alg jose.Alg, org string) inlet {
	return s.ownInlet(name, token, purpose, alg, org, func(s site, token string) bool {
		s.t.Helper()
		a := s.send(method, path, "", bearer(token))
		if a.status == 200 {
			return true
		}
		s.refused(name, a, 401)
		return false
	})
}

// aocToken gets ada a token of Aspera on Cloud.
func (s site) aocToken(client, scope string) string {
	s.t.Helper()
	now := s.Clock.Now().Unix()
	p := members{}.set("iss", client).set("sub", "ada@example.com").set("aud", aocAudience).set("exp", now+600)
	a := s.must(s.form(aocToken, encoded("client_id", client, "scope", scope, "grant_type", jwtBearer,
		"assertion", forge(s.t, rsaHeader().bytes(), p.bytes(), jose.RS256, private(s.t, "ada"))), nil))
	return a.member("access_token")
}

// register tries to register a key in every way administration has; by way, why not.
func (s site) register(t testing.TB, key string) map[string]error {
	t.Helper()
	keys := []client.Key{{PEM: key}}
	_, problems := config.Load("world.yaml", []byte("version: 1\nusers:\n  - {name: keyholder-"+strings.ToLower(fmt.Sprint(serial.Add(1)))+", keys: [{pem: "+marshal(t, key)+"}]}\n"),
		config.Options{CheckKey: func(text string) error { _, err := jose.ParsePublic(text); return err }})
	var fromFile error
	if len(problems) > 0 {
		fromFile = fmt.Errorf("%v", problems)
	}
	byKey := s.Core.Admin.CreateClient(t.Context(), &client.Client{
		Org: "default", ID: "holder" + fmt.Sprint(serial.Add(1)), Name: "x", Dialect: "oidc", Enabled: true, Auth: client.PrivateKeyJWT, Keys: keys,
	})
	byUser := s.Core.Admin.CreateUser(t.Context(), &identity.User{
		Org: "default", Realm: "local", Name: "holder" + fmt.Sprint(serial.Add(1)), Enabled: true, Keys: keys,
	}, "")
	return map[string]error{"by configuration": fromFile, "for a client": byKey, "for a user": byUser}
}
