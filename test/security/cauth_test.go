package security_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"jeton/internal/client"
	"jeton/internal/jose"
	"jeton/internal/oauth"
	"jeton/internal/servertest"
	"jeton/internal/vault"
)

// nobody checks that an answer is the one refusal of client authentication.
func (s site) nobody(what string, a answer) {
	s.t.Helper()
	s.invalid(what, a, "invalid_client", 401)
}

func TestCauth01AWrongEmptyOrMissingSecretIsRefused(t *testing.T) {
	eachEndpoint(t, func(s site, path, body string) {
		for _, secret := range []string{"wrong", "", "demo-batch-secre", "demo-batch-secret ", "DEMO-BATCH-SECRET", "demo-batch-secretdemo-batch-secret", strings.Repeat("a", 1000)} {
			a := s.form(path, body, basic("batch", secret))
			s.nobody("Basic "+secret, a)
			if !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Basic ") {
				s.t.Errorf("WWW-Authenticate %q", a.header.Get("WWW-Authenticate"))
			}
			s.nobody("body "+secret, s.form(path, body+"&"+encoded("client_id", "robot", "client_secret", secret), nil))
			s.must(s.form(path, body, batch()))
			s.must(s.form(path, body, basic("robot", "robot-secret")))
		}
		s.nobody("no secret", s.form(path, body+"&client_id=batch", nil))
		s.nobody("nothing", s.form(path, body, nil))
		s.nobody("a token", s.form(path, body, bearer("x")))
	})
	s := open(t)
	for _, secret := range []string{"wrong", "", "client_secre"} {
		s.refused("FortiAuthenticator", s.json(fortiToken, strings.Replace(fortiLogin, `"client_secret":"client_secret"`, `"client_secret":"`+secret+`"`, 1), nil), 401)
		s.refused("Aspire", s.json("/Authorization", strings.Replace(aspireLogin, "demo-aspire-secret", "x"+secret, 1), nil), 404)
		s.refused("Aspera", s.form(aocToken, "grant_type=refresh_token&refresh_token=x", basic("keeper", secret)), 401)
	}
	s.must(s.json(fortiToken, fortiLogin, nil))
	s.must(s.json("/Authorization", aspireLogin, nil))
}

func TestCauth02OnlyTheRegisteredMethodCounts(t *testing.T) {
	s := shared(t)
	batchAssertion := func(id string) string {
		now := s.Clock.Now().Unix()
		p := members{}.set("iss", id).set("sub", id).set("aud", servertest.Public).set("exp", now+200).set("jti", unique())
		return encoded("client_assertion_type", assertionIs, "client_assertion", forge(t, rsaHeader().bytes(), p.bytes(), jose.RS256, private(t, "global")))
	}
	for _, e := range standard {
		s.nobody("signer by secret", s.form(e.path, e.body, basic("signer", "secret")))
		s.nobody("signer by secret in the body", s.form(e.path, e.body+"&client_id=signer&client_secret=secret", nil))
		s.nobody("signer by nothing", s.form(e.path, e.body+"&client_id=signer", nil))
		s.nobody("signer by empty Basic", s.form(e.path, e.body, basic("signer", "")))
		s.nobody("batch by the body", s.form(e.path, e.body+"&client_id=batch&client_secret=demo-batch-secret", nil))
		s.nobody("batch by assertion", s.form(e.path, e.body+"&"+batchAssertion("batch"), nil))
		s.nobody("public by secret", s.form(e.path, e.body, basic("public", "x")))
		s.nobody("public by assertion", s.form(e.path, e.body+"&"+batchAssertion("public"), nil))
		s.must(s.form(e.path, e.body+"&"+batchAssertion("signer"), nil))
		s.must(s.form(e.path, e.body, batch()))
	}
}

func TestCauth03APublicClientHasNoConfidentialRights(t *testing.T) {
	s := open(t)
	a := s.form("/oauth2/token", "grant_type=client_credentials&client_id=public", nil)
	s.invalid("client credentials", a, "unauthorized_client", 400)
	// Not even when it was registered for them in some other way.
	_, err := s.Core.Admin.ChangeClient(t.Context(), "default", "public", "client.change", func(c *client.Client) error {
		c.Grants = append(c.Grants, oauth.GrantClientCredentials)
		c.Introspect = true
		return nil
	})
	if err == nil {
		s.invalid("client credentials by registration", s.form("/oauth2/token", "grant_type=client_credentials&client_id=public", nil), "unauthorized_client", 400)
	}
	token := s.normal()
	s.nobody("introspection", s.form("/oauth2/introspect", encoded("client_id", "public", "token", token), nil))
	if a := s.form("/oauth2/revoke", encoded("client_id", "public", "token", token), nil); a.status == 200 && !s.active("batch", "demo-batch-secret", token) {
		t.Error("a public client revoked another's token")
	}
	own := s.must(s.form("/oauth2/token", "grant_type=password&username=bob&password=bobs-password&client_id=public", nil)).member("access_token")
	s.must(s.form("/oauth2/revoke", encoded("client_id", "public", "token", own), nil)) // its own it may (RFC 7009 §2.1)
	s.refused("userinfo", s.send("GET", "/oauth2/userinfo", "", bearer(own)), 401)
}

func TestCauth04AnAssertionIsForTheIssuerOrTheTokenEndpoint(t *testing.T) {
	s := shared(t)
	for _, e := range standard {
		in := clientInlet(s, e.path)
		h, p := in.honest(t)
		for _, aud := range []any{servertest.Public, servertest.Public + "/oauth2/token", []string{servertest.Public}} {
			if !in.send(s, in.sign(t, h, fresh(p.set("aud", aud)))) {
				t.Errorf("%s: aud %v is refused", e.path, aud)
			}
		}
		for _, aud := range []any{
			servertest.Public + "/oauth2/introspect", servertest.Public + "/oauth2/revoke", servertest.Public + "/oauth2/par", s.URL, s.URL + "/oauth2/token",
			servertest.Public + aocToken, []string{servertest.Public, servertest.Public + "/oauth2/token"}, []string{servertest.Public, "https://stranger.example"},
		} {
			in.refuses(s, fmt.Sprintf("aud %v", aud), in.sign(t, h, fresh(p.set("aud", aud))))
		}
	}
}

func TestCauth05AnAssertionNeedsAllItsClaims(t *testing.T) {
	s := shared(t)
	for _, e := range standard {
		in := clientInlet(s, e.path)
		h, p := in.honest(t)
		for _, name := range []string{"iss", "sub", "exp", "jti", "aud"} {
			in.refuses(s, "no "+name, in.sign(t, h, p.without(name)))
			for _, v := range []any{nil, 1, "", []string{"signer"}, map[string]any{}} {
				in.refuses(s, fmt.Sprintf("%s %v", name, v), in.sign(t, h, fresh(p).set(name, v)))
			}
		}
		for what, claims := range map[string]members{
			"iss is not sub": p.set("iss", "rival"), "sub is not the client": p.set("sub", "rival"), "both another": p.set("iss", "rival").set("sub", "rival"),
			"other letters": p.set("iss", "Signer").set("sub", "Signer"), "a long jti": p.set("jti", strings.Repeat("j", 257)), "six minutes": p.set("exp", s.Clock.Now().Unix()+6*60+1),
		} {
			if what == "a long jti" {
				in.refuses(s, what, in.sign(t, h, claims))
				continue
			}
			in.refuses(s, what, in.sign(t, h, fresh(claims)))
		}
	}
}

// once sends one request many times at once and counts the successes.
func once(n int, send func(i int) answer) (ok int) {
	var wins atomic.Int64
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if send(i).ok() {
				wins.Add(1)
			}
		})
	}
	wg.Wait()
	return int(wins.Load())
}

func TestCauth06AnAssertionCountsOnceOnAllNodesAndAfterARestart(t *testing.T) {
	a, b := nodes(t)
	_ = a.must(a.form("/oauth2/token", credentialsGrant, batch()))
	grants := map[string]struct {
		in   inlet
		path string
		body func(token string) string
		h    http.Header
	}{
		"client_assertion": {clientInlet(a, "/oauth2/token"), "/oauth2/token", func(token string) string {
			return credentialsGrant + "&" + encoded("client_assertion_type", assertionIs, "client_assertion", token)
		}, nil},
		"jwt-bearer": {grantInlet(a, "", "robot", "ada", servertest.Public, "", nil, 0), "/oauth2/token", func(token string) string {
			return encoded("grant_type", jwtBearer, "assertion", token)
		}, basic("robot", "robot-secret")},
		"Aspera": {grantInlet(a, "", "mover", "ada@example.com", aocAudience, "", nil, 0), aocToken, func(token string) string {
			return encoded("grant_type", jwtBearer, "assertion", token, "client_id", "mover")
		}, nil},
	}
	for name, g := range grants {
		t.Run(name, func(t *testing.T) {
			a, b := a.on(t), b.on(t)
			token := g.in.good(t)
			a.must(a.form(g.path, g.body(token), g.h))
			a.refused("again", a.form(g.path, g.body(token), g.h), 400, 401)
			b.refused("on the other node", b.form(g.path, g.body(token), g.h), 400, 401)
			token = g.in.good(t)
			if wins := once(20, func(i int) answer { return [2]site{a, b}[i%2].form(g.path, g.body(token), g.h) }); wins != 1 {
				t.Errorf("%d successes of 20 at once", wins)
			}
			b.Clock.Add(30 * time.Second)
			a.must(b.form(g.path, g.body(g.in.good(t)), g.h))
		})
	}
	dsn, kek := t.TempDir()+"/jeton.db", vault.NewKEK()
	var used string
	t.Run("before a restart", func(t *testing.T) {
		s := site{Server: servertest.Start(t, servertest.Options{World: world, DSN: dsn, KEK: &kek}), t: t}
		in := grantInlet(s, "jwt-bearer", "robot", "ada", servertest.Public, "/oauth2/token", basic("robot", "robot-secret"), 400)
		if used = in.good(t); !in.send(s, used) {
			t.Fatal("refused")
		}
	})
	t.Run("after it", func(t *testing.T) {
		s := site{Server: servertest.Start(t, servertest.Options{NoDemo: true, DSN: dsn, KEK: &kek}), t: t}
		in := grantInlet(s, "jwt-bearer", "robot", "ada", servertest.Public, "/oauth2/token", basic("robot", "robot-secret"), 400)
		in.refuses(s, "an assertion used before the restart", used)
	})
}

func TestCauth07AnAssertionSpeaksForItsOwnClientOnly(t *testing.T) {
	s := shared(t)
	now := s.Clock.Now().Unix()
	assertion := func(id, key string) string {
		p := members{}.set("iss", id).set("sub", id).set("aud", servertest.Public).set("exp", now+200).set("jti", unique())
		return forge(t, rsaHeader().bytes(), p.bytes(), jose.RS256, private(t, key))
	}
	ask := func(client, token string) answer {
		body := credentialsGrant + "&" + encoded("client_assertion_type", assertionIs, "client_assertion", token)
		if client != "" {
			body += "&client_id=" + client
		}
		return s.form("/oauth2/token", body, nil)
	}
	s.nobody("rival's assertion as signer", ask("signer", assertion("rival", "other")))
	s.nobody("signer's assertion as rival", ask("rival", assertion("signer", "global")))
	s.nobody("signer's claims by rival's key", ask("", assertion("signer", "other")))
	s.nobody("signer's claims by rival's key, named", ask("signer", assertion("signer", "other")))
	s.nobody("nobody's assertion", ask("", assertion("nobody", "other")))
	s.nobody("of the other organization", s.form("/other/oauth2/token", credentialsGrant+"&"+encoded("client_assertion_type", assertionIs, "client_assertion", assertion("signer", "global")), nil))
	s.must(ask("signer", assertion("signer", "global")))
	s.must(ask("", assertion("rival", "other")))
}

func TestCauth08AlgorithmsOutsideTheListAreRefused(t *testing.T) {
	s := shared(t)
	for _, e := range standard {
		in := clientInlet(s, e.path)
		h, p := in.honest(t)
		if !in.send(s, forge(t, h.set("alg", "PS256").bytes(), fresh(p).bytes(), jose.PS256, in.key)) {
			t.Errorf("%s: PS256 is refused", e.path)
		}
		for _, alg := range []string{"RS1", "RS384", "RS512", "PS384", "PS512", "ES256", "ES256K", "ES512", "EdDSA", "HS256", "HS384", "HS512", "rs256", "RS256 ", "RSA-OAEP", "dir"} {
			in.refuses(s, alg, forge(t, h.set("alg", alg).bytes(), fresh(p).bytes(), jose.RS256, in.key))
		}
		for how, secret := range spellings(t, in.key.Public) {
			in.refuses(s, "HS256 by "+how, forge(t, h.set("alg", "HS256").bytes(), fresh(p).bytes(), jose.HS256, &jose.Key{Secret: secret}))
		}
		in.refuses(s, "PS256 called RS256", forge(t, h.bytes(), fresh(p).bytes(), jose.PS256, in.key))
	}
}

// rounds of the timed cases: two classes, so twice as many requests.
const rounds = 500

func TestCauth09AComparisonOfSecretsTellsNothingByItsTime(t *testing.T) {
	s := open(t)
	generated, err := s.Core.Admin.AddSecret(t.Context(), "default", "opaque") // kept as a digest, so its comparison is the quick one
	if err != nil {
		t.Fatal(err)
	}
	for id, secret := range map[string]string{"batch": "demo-batch-secret", "opaque": generated.Reveal()} {
		t.Run(id, func(t *testing.T) {
			s := s.on(t)
			try := func(secret string, want int) func(int) {
				h := basic(id, secret)
				return func(int) {
					if a := s.form("/oauth2/token", credentialsGrant, h); a.status != want {
						t.Fatalf("%v, want %d", a, want)
					}
				}
			}
			flip := func(c byte) string { return string(c ^ 1) }
			first, last := flip(secret[0])+secret[1:], secret[:len(secret)-1]+flip(secret[len(secret)-1])
			alike(t, "first byte", slack*200*time.Microsecond, 0.05, func() map[string]time.Duration {
				return medians(rounds, func() { try(secret, 200)(0) }, map[string]func(int){"first byte": try(first, 401), "last byte": try(last, 401)})
			})
		})
	}
}

func TestCauth10AnUnknownClientLooksLikeAWrongSecret(t *testing.T) {
	s := open(t)
	if _, err := s.Core.Admin.ChangeClient(t.Context(), "default", "rival", "client.disable", func(c *client.Client) error { c.Enabled = false; return nil }); err != nil {
		t.Fatal(err)
	}
	for _, e := range standard {
		want := face(s.form(e.path, e.body, basic("batch", "wrong")))
		for _, id := range []string{"nobody", "signer", "rival", "public", "client_id", "mover", aspireClient, "sensu", strings.Repeat("a", 300), "Batch", "../batch"} {
			a := s.form(e.path, e.body, basic(id, "wrong"))
			s.nobody(id, a)
			if face(a) != want {
				t.Errorf("%s at %s:\n%s\nwant\n%s", id, e.path, face(a), want)
			}
		}
	}
	try := func(id string) func(int) {
		return func(int) { s.nobody(id, s.form("/oauth2/token", credentialsGrant, basic(id, "wrong"))) }
	}
	alike(t, "wrong secret", slack*500*time.Microsecond, 0.05, func() map[string]time.Duration {
		return medians(150, func() { s.normal() }, map[string]func(int){"wrong secret": try("batch"), "unknown": try("nobody"), "another dialect's": try("client_id")})
	})
	for name, ask := range map[string]func(id string) answer{
		"FortiAuthenticator": func(id string) answer {
			return s.json(fortiToken, `{"client_id":"`+id+`","client_secret":"wrong","grant_type":"password","username":"luser1","password":"12345678"}`, nil)
		},
		"Aspera": func(id string) answer {
			return s.form(aocToken, "grant_type=refresh_token&refresh_token=x", basic(id, "wrong"))
		},
	} {
		known := map[string]string{"FortiAuthenticator": "client_id", "Aspera": "keeper"}[name]
		if a, b := ask(known), ask("nobody"); face(a) != face(b) {
			t.Errorf("%s:\n%s\n%s", name, face(a), face(b))
		}
	}
}

func TestCauth12GuessingASecretIsSlowedForItsSourceOnly(t *testing.T) {
	s := open(t, behindProxies)
	const guesses = 10_000
	const attacker = "192.0.2.66"
	var wg sync.WaitGroup
	for part := range 4 {
		wg.Go(func() {
			for i := range guesses / 4 {
				if a := s.form("/oauth2/token", credentialsGrant, from(basic("batch", fmt.Sprint("guess-", part, "-", i)), attacker)); a.status != 401 && a.status != 503 {
					t.Errorf("%v", a)
					return
				}
			}
		})
	}
	wg.Wait()
	s.Clock.Add(time.Second) // so many refusals at once leave no room for the next one's record
	a := s.form("/oauth2/token", credentialsGrant, from(batch(), attacker))
	if r := s.refused("the right secret from there", a, 401); failed(r) != "throttle" {
		t.Errorf("refused by %q", failed(r))
	}
	s.must(s.form("/oauth2/token", credentialsGrant, from(batch(), source()))) // the real client
	s.normal()
	s.Clock.Add(time.Hour)
	s.must(s.form("/oauth2/token", credentialsGrant, from(batch(), attacker)))
}
