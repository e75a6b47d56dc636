package security_test

import (
	"bytes"
	"compress/flate"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"math/big"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"jeton/internal/jose"
	"jeton/internal/policy"
	"jeton/internal/servertest"
)

func TestJWT01UnsignedTokensAreRefusedAtEveryInlet(t *testing.T) {
	eachInlet(t, func(s site, in inlet) {
		h, p := in.honest(s.t)
		for _, alg := range []any{"none", "None", "NONE", "nOnE", "", nil} {
			for _, header := range []members{h.set("alg", alg), h.set("alg", alg).without("kid"), members{}.set("alg", alg)} {
				token := forge(s.t, header.bytes(), p.bytes(), "none", nil)
				in.refuses(s, fmt.Sprintf("alg %v", alg), token)
				in.refuses(s, "alg none without the last dot", strings.TrimSuffix(token, "."))
			}
		}
		in.refuses(s, "no alg", forge(s.t, h.without("alg").bytes(), p.bytes(), "none", nil))
		signed := in.sign(s.t, h, p)
		in.refuses(s, "a good token's signature taken off", signed[:strings.LastIndexByte(signed, '.')+1])
	})
}

func TestJWT02AnHMACByThePublicKeyIsRefused(t *testing.T) {
	eachInlet(t, func(s site, in inlet) {
		if in.key.Public == nil {
			return // a symmetric key has no public half; the server's other public keys are tried below
		}
		h, p := in.honest(s.t)
		for how, secret := range spellings(s.t, in.key.Public) {
			for _, header := range []members{h.set("alg", "HS256"), h.set("alg", "HS256").without("kid")} {
				in.refuses(s, "HS256 by "+how, forge(s.t, header.bytes(), p.bytes(), jose.HS256, &jose.Key{Secret: secret}))
			}
			in.refuses(s, "an HMAC called "+string(in.key.Alg), forge(s.t, h.bytes(), p.bytes(), jose.HS256, &jose.Key{Secret: secret}))
		}
	})
	// Where HS256 is the rule, a public key of the same server is no HMAC key either.
	s := shared(t)
	for _, in := range inlets(s) {
		if in.key.Alg != jose.HS256 {
			continue
		}
		h, p := in.honest(t)
		for how, secret := range spellings(t, private(t, "global").Public) {
			in.refuses(s, "HS256 by another key's "+how, forge(t, h.bytes(), p.bytes(), jose.HS256, &jose.Key{Secret: secret}))
		}
	}
}

func TestJWT03AKeyInTheHeaderIsNeverUsed(t *testing.T) {
	mallory := private(t, "mallory")
	eachInlet(t, func(s site, in inlet) {
		h, p := in.honest(s.t)
		key := jwk(s.t, mallory.Public)
		for _, kid := range []string{h.text("kid"), "mallory", ""} {
			header := members{}.set("alg", "RS256").set("typ", h.text("typ")).plus("jwk", key)
			if kid != "" {
				header = header.set("kid", kid)
			}
			in.refuses(s, "jwk, kid "+kid, forge(s.t, header.bytes(), p.bytes(), jose.RS256, mallory))
		}
	})
}

func TestJWT04NobodyFetchesKeysAHeaderNames(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	called := make(chan struct{}, 100)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			called <- struct{}{}
			_ = c.Close()
		}
	}()
	mallory := private(t, "mallory")
	eachInlet(t, func(s site, in inlet) {
		h, p := in.honest(s.t)
		for _, name := range []string{"jku", "x5u"} {
			url := "http://" + l.Addr().String() + "/keys"
			header := members{}.set("alg", "RS256").set("typ", h.text("typ")).set("kid", "mallory").set(name, url)
			in.refuses(s, name, forge(s.t, header.bytes(), p.bytes(), jose.RS256, mallory))
		}
		der := b64([]byte("not looked at"))
		header := members{}.set("alg", "RS256").set("typ", h.text("typ")).set("x5c", []string{der})
		in.refuses(s, "x5c", forge(s.t, header.bytes(), p.bytes(), jose.RS256, mallory))
	})
	time.Sleep(50 * time.Millisecond)
	if len(called) > 0 {
		t.Errorf("%d connections to the address in the header", len(called))
	}
}

func TestJWT05AKidIsNoPath(t *testing.T) {
	mallory := private(t, "mallory")
	kids := []any{
		"../../../../dev/null", "/dev/null", "..\\..\\nul", "file:///dev/null", "' OR '1'='1", "x' UNION SELECT '' --", "\x00", "\u212a",
		strings.Repeat("k", 4000), "", 0, nil, []string{"a"}, map[string]any{},
	}
	eachInlet(t, func(s site, in inlet) {
		h, p := in.honest(s.t)
		for _, kid := range kids {
			what := fmt.Sprintf("kid %.40v", kid)
			in.refuses(s, what, forge(s.t, h.set("alg", "HS256").set("kid", kid).bytes(), p.bytes(), jose.HS256, &jose.Key{}))
			in.refuses(s, what, forge(s.t, h.set("alg", "RS256").set("kid", kid).bytes(), p.bytes(), jose.RS256, mallory))
		}
	})
}

// Keys count for their holder alone: another client's, another user's, another
// organization's and another product's sign nothing here.
func TestJWT06KeysOfOthersCountForNothing(t *testing.T) {
	s := shared(t)
	list := inlets(s)
	for _, in := range list {
		t.Run(in.name, func(t *testing.T) {
			s := s.on(t)
			h, p := in.honest(t)
			for _, name := range []string{"other", "ada", "global", "mallory"} { // "other" is a registered key of rival, eve and the other ada
				if in.assertion && bytes.Equal(servertest.PublicPEM(name), publicPEM(in, "ada", "global")) {
					continue
				}
				key := private(t, name)
				in.refuses(s, "the key of "+name, forge(t, h.bytes(), p.bytes(), jose.RS256, key))
				in.refuses(s, "the key and kid of "+name, forge(t, h.set("kid", jose.Thumbprint(key.Public)).bytes(), p.bytes(), jose.RS256, key))
			}
			for _, from := range list {
				if from.key.ID == in.key.ID && bytes.Equal(from.key.Secret, in.key.Secret) {
					continue
				}
				header := members{}.set("alg", from.key.Alg).set("typ", h.text("typ"))
				if from.key.ID != "" {
					header = header.set("kid", from.key.ID)
				}
				if from.assertion != in.assertion || !from.assertion {
					in.refuses(s, "a key of "+from.name, forge(t, header.bytes(), p.bytes(), from.key.Alg, from.key))
				}
			}
		})
	}
	// The same token at home and next door.
	there := s.must(s.form("/other/oauth2/token", credentialsGrant, basic("robot", "other-secret"))).member("access_token")
	if a := s.form("/other/oauth2/introspect", encoded("token", there), basic("robot", "other-secret")); a.member("active") != "true" {
		t.Errorf("at home: %v", a)
	}
	if a := s.form("/oauth2/introspect", encoded("token", there), basic("robot", "robot-secret")); a.body != `{"active":false}` {
		t.Errorf("next door: %v", a)
	}
}

// publicPEM is the public key of an assertion inlet, by trying the names.
func publicPEM(in inlet, names ...string) []byte {
	for _, name := range names {
		if pub, ok := in.key.Public.(*rsa.PublicKey); ok && pub.Equal(servertest.Key(name).Public()) {
			return servertest.PublicPEM(name)
		}
	}
	return nil
}

func TestJWT07AnUnknownCriticalExtensionIsRefusedThoughTheSignatureIsGood(t *testing.T) {
	eachInlet(t, func(s site, in inlet) {
		h, p := in.honest(s.t)
		for _, header := range []members{
			h.set("crit", []string{"urn:x"}).set("urn:x", 1), h.set("crit", []string{}), h.set("crit", "exp"), h.set("crit", nil),
			h.set("crit", []string{"b64"}).set("b64", false), h.set("b64", false),
		} {
			in.refuses(s, string(header.bytes()), in.sign(s.t, header, fresh(p)))
		}
	})
}

// fresh gives an assertion an id of its own. Tokens of this server keep theirs.
func fresh(p members) members {
	if id := p.text("jti"); strings.HasPrefix(id, "id-") {
		return p.set("jti", unique())
	}
	return p
}

// No ID token is issued yet; one our own key had signed would be no access token.
func TestJWT08AnIDTokenIsNoAccessToken(t *testing.T) {
	s := shared(t)
	for _, in := range bearerInlets(s) {
		t.Run(in.name, func(t *testing.T) {
			s := s.on(t)
			h, p := in.honest(t)
			now := s.Clock.Now().Unix()
			id := members{}.set("iss", servertest.Public).set("sub", p.text("sub")).set("aud", p.text("client_id")).
				set("iat", now).set("exp", now+900).set("nonce", "n").set("at_hash", "x").set("auth_time", now)
			in.refuses(s, "an ID token", in.sign(t, h.set("typ", "JWT"), id))
			in.refuses(s, "an ID token that claims to be an access token", in.sign(t, h, id))
			in.refuses(s, "an ID token with an id of its own", in.sign(t, h, id.set("jti", strings.Repeat("0a", 16))))
			if h.text("typ") != "JWT" { // the same claims, but signed as another kind of token
				in.refuses(s, "typ JWT", in.sign(t, h.set("typ", "JWT"), p))
			}
		})
	}
}

func TestJWT09ArtefactsSignedForOtherPurposesAreRefused(t *testing.T) {
	kinds := []string{
		"at+jwt", "logout+jwt", "secevent+jwt", "oauth-authz-req+jwt", "dpop+jwt", "token-introspection+jwt", "entity-statement+jwt",
		"application/at+jwt", "jose", "JWE", "JWT2", "jwt ",
	}
	eachInlet(t, func(s site, in inlet) {
		h, p := in.honest(s.t)
		for _, typ := range kinds {
			if typ != h.text("typ") {
				in.refuses(s, "typ "+typ, in.sign(s.t, h.set("typ", typ), fresh(p)))
			}
		}
		for _, typ := range []any{7, nil, []string{"JWT"}} {
			in.refuses(s, fmt.Sprintf("typ %v", typ), in.sign(s.t, h.set("typ", typ), fresh(p)))
		}
		now := s.Clock.Now().Unix()
		logout := members{}.set("iss", servertest.Public).set("sub", p.text("sub")).set("aud", "robot").set("iat", now).set("exp", now+120).
			set("jti", unique()).set("events", map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}})
		jarm := members{}.set("iss", servertest.Public).set("aud", "robot").set("exp", now+120).set("code", "x").set("state", "y")
		in.refuses(s, "a logout token", in.sign(s.t, h, logout))
		in.refuses(s, "an authorization answer", in.sign(s.t, h, jarm))
	})
	// Every genuine token at every other inlet.
	s := shared(t)
	list := inlets(s)
	for _, in := range list {
		for _, from := range list {
			if from.assertion == in.assertion && (in.assertion || sameKey(in, from)) {
				continue
			}
			in.refuses(s, "a good token of "+from.name, from.good(t))
		}
	}
}

func sameKey(a, b inlet) bool { return a.key == b.key || a.key.ID != "" && a.key.ID == b.key.ID }

func TestJWT10TimesCountWithSixtySecondsOfSkew(t *testing.T) {
	s := shared(t)
	for _, in := range inlets(s) {
		if !in.assertion {
			continue
		}
		t.Run(in.name, func(t *testing.T) {
			s := s.on(t)
			now := s.Clock.Now().Unix()
			skew := int64(60)
			if in.name == "aoc assertion" {
				skew = 300 // the vendor's clients send times that far off
			}
			h, p := in.honest(t)
			for name, claims := range map[string]members{
				"exp past":       p.set("exp", now-skew-1),
				"exp just past":  p.set("exp", now-skew),
				"exp missing":    p.without("exp"),
				"exp text":       p.set("exp", fmt.Sprint(now+60)),
				"exp fraction":   p.set("exp", float64(now)+60.5),
				"exp negative":   p.set("exp", -1),
				"exp huge":       p.plus("x", []byte("1")).without("exp").plus("exp", []byte("99999999999999999999")),
				"exp far ahead":  p.set("exp", now+100*24*3600),
				"nbf ahead":      p.set("nbf", now+skew+1),
				"iat ahead":      p.set("iat", now+skew+1),
				"nbf far ahead":  p.set("nbf", now+3600),
				"iat text":       p.set("iat", "now"),
				"nbf not number": p.set("nbf", []int{1}),
			} {
				in.refuses(s, name, in.sign(t, h, fresh(claims)))
			}
			for name, claims := range map[string]members{
				"8 s ahead":          p.set("nbf", now+8).set("iat", now+8),
				"60 s ahead":         p.set("nbf", now+60).set("iat", now+60),
				"59 s after its end": p.set("exp", now-59),
			} {
				if !in.send(s, in.sign(t, h, fresh(claims))) {
					t.Errorf("%s is refused", name)
				}
			}
		})
	}
	// Tokens of our own end to the second: the clock that reads them is the one that made them.
	for _, in := range bearerInlets(s) {
		h, p := in.honest(t)
		if !p.has("exp") || in.name == "sensu refresh, Bearer" || in.name == "sensu refresh, body" {
			continue // the refresh takes an expired access token, and its own end is the stored one
		}
		in.refuses(s, "exp now", in.sign(t, h, p.set("exp", s.Clock.Now().Unix())))
		in.refuses(s, "exp text", in.sign(t, h, p.set("exp", "never")))
	}
}

func TestJWT11OnlyTheExactAudiencePasses(t *testing.T) {
	s := shared(t)
	for _, in := range inlets(s) {
		if !in.assertion {
			continue
		}
		t.Run(in.name, func(t *testing.T) {
			s := s.on(t)
			h, p := in.honest(t)
			right := p.text("aud")
			in.refuses(s, "aud missing", in.sign(t, h, fresh(p.without("aud"))))
			bad := []any{
				"", "https://stranger.example", right + "/", right[:len(right)-1], strings.ToUpper(right), right + "/x", right + "#", right + "?",
				" " + right, "http" + strings.TrimPrefix(right, "https"), "//jeton.example", "robot", nil, 7, true,
				[]string{}, []any{right, 7}, []any{[]string{right}}, map[string]string{"aud": right},
				servertest.Public + "/other", servertest.Public + "/other/oauth2/token",
			}
			if in.name != "aoc assertion" { // whose clients address several hosts at once
				bad = append(bad, []string{right, "https://stranger.example"}, []string{"https://stranger.example", right}, []string{right, right})
			}
			for _, aud := range bad {
				in.refuses(s, fmt.Sprintf("aud %v", aud), in.sign(t, h, fresh(p.set("aud", aud))))
			}
			if !in.send(s, in.sign(t, h, fresh(p.set("aud", []string{right})))) {
				t.Error("the exact audience in an array is refused")
			}
		})
	}
}

func TestJWT12OnlyTheExactIssuerPasses(t *testing.T) {
	s := shared(t)
	for _, in := range inlets(s) {
		if !in.assertion {
			continue
		}
		t.Run(in.name, func(t *testing.T) {
			s := s.on(t)
			h, p := in.honest(t)
			right := p.text("iss")
			in.refuses(s, "iss missing", in.sign(t, h, fresh(p.without("iss"))))
			for _, iss := range []any{
				strings.ToUpper(right), right + "/", right + " ", " " + right, "", nil, 1, []string{right}, "batch", "rival", servertest.Public,
				"other/" + right, right + "\u200b", right[:len(right)-1],
			} {
				in.refuses(s, fmt.Sprintf("iss %v", iss), in.sign(t, h, fresh(p.set("iss", iss))))
			}
		})
	}
	// A sibling tenant's robot has its own ada: neither speaks for the other.
	h, p := grantInlet(s, "", "robot", "ada", servertest.Public+"/other", "", nil, 0).honest(t)
	token := forge(t, h.bytes(), p.bytes(), jose.RS256, private(t, "other"))
	s.must(s.form("/other/oauth2/token", encoded("grant_type", jwtBearer, "assertion", token), basic("robot", "other-secret")))
	for _, aud := range []string{servertest.Public, servertest.Public + "/other"} {
		token = forge(t, h.bytes(), fresh(p.set("aud", aud)).bytes(), jose.RS256, private(t, "other"))
		s.refused("the other ada's key", s.form("/oauth2/token", encoded("grant_type", jwtBearer, "assertion", token), basic("robot", "robot-secret")), 400)
	}
}

func TestJWT13ClaimsGivenTwiceOrInOtherLettersAreRefused(t *testing.T) {
	eachInlet(t, func(s site, in inlet) {
		h, p := in.honest(s.t)
		for _, x := range p {
			for _, name := range []string{x.name, strings.ToUpper(x.name[:1]) + x.name[1:], strings.ToUpper(x.name)} {
				in.refuses(s, "claim "+name+" beside "+x.name, in.sign(s.t, h, fresh(p).plus(name, []byte(`"admin"`))))
			}
		}
		escaped := strings.Replace(string(fresh(p).bytes()), `"sub"`, `"s\u0075b"`, 1)
		if strings.Contains(escaped, `s\u0075b`) { // the same name, spelled with an escape, beside the plain one
			both := escaped[:len(escaped)-1] + `,"sub":"admin"}`
			in.refuses(s, "an escaped twin", forge(s.t, h.bytes(), []byte(both), in.key.Alg, in.key))
		}
		in.refuses(s, "alg twice", forge(s.t, h.plus("alg", []byte(`"none"`)).bytes(), fresh(p).bytes(), in.key.Alg, in.key))
		in.refuses(s, "Alg beside alg", forge(s.t, h.plus("Alg", []byte(`"none"`)).bytes(), fresh(p).bytes(), in.key.Alg, in.key))
		deep := fresh(p).plus("x", []byte(`{"a":1,"a":2}`))
		in.refuses(s, "an inner name twice", in.sign(s.t, h, deep))
	})
}

func TestJWT14ATokenHasExactlyOneSpelling(t *testing.T) {
	eachInlet(t, func(s site, in inlet) {
		token := in.good(s.t)
		part := strings.Split(token, ".")
		spellings := map[string]string{
			"padded":           part[0] + "=." + part[1] + "." + part[2],
			"padded signature": token + "=",
			"newline":          token[:10] + "\n" + token[10:],
			"carriage return":  token[:10] + "\r\n" + token[10:],
			"newline last":     token + "\n",
			"space":            token + " ",
			"space first":      " " + token,
			"two parts":        part[0] + "." + part[1],
			"four parts":       token + "." + part[2],
			"four dots":        token + "..",
			"empty header":     "." + part[1] + "." + part[2],
			"empty payload":    part[0] + ".." + part[2],
			"JSON":             `{"payload":"` + part[1] + `","protected":"` + part[0] + `","signature":"` + part[2] + `"}`,
			"JSON, general":    `{"payload":"` + part[1] + `","signatures":[{"protected":"` + part[0] + `","signature":"` + part[2] + `"}]}`,
			"plus for minus":   strings.ReplaceAll(token, "-", "+"),
			"slash for line":   strings.ReplaceAll(token, "_", "/"),
			"quoted":           `"` + token + `"`,
			"trailing NUL":     token + "\x00",
			"percent encoded":  strings.Replace(token, ".", "%2E", 1),
			"signature cut":    token[:len(token)-2],
		}
		if last := changedBits(part[2]); last != part[2] {
			spellings["trailing bits"] = part[0] + "." + part[1] + "." + last
		}
		if last := changedBits(part[1]); last != part[1] {
			spellings["trailing bits of the payload"] = part[0] + "." + last + "." + part[2]
		}
		for name, text := range spellings {
			if text != token && sendable(in, text) {
				in.refuses(s, name, text)
			}
		}
	})
}

// sendable: a header cannot hold every character, and has no space at its end.
func sendable(in inlet, token string) bool {
	inHeader := map[string]bool{"userinfo": true, "sensu users": true, "aspire": true, "aoc self": true, "sensu refresh, Bearer": true}
	return !inHeader[in.name] || !strings.ContainsAny(token, "\r\n\x00") && !strings.HasSuffix(token, " ")
}

// changedBits flips the bits of the last character that carry nothing, if there are any.
func changedBits(part string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	if len(part)%4 == 0 {
		return part
	}
	i := strings.IndexByte(alphabet, part[len(part)-1])
	return part[:len(part)-1] + string(alphabet[i^1])
}

func TestJWT15BombsCostNothing(t *testing.T) {
	var packed bytes.Buffer
	z, err := flate.NewWriter(&packed, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	for range 4 << 10 {
		if _, err := z.Write(make([]byte, 1<<10)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	jwe := func(header string) string {
		return b64([]byte(header)) + "." + b64(make([]byte, 32)) + "." + b64(make([]byte, 12)) + "." + b64(packed.Bytes()) + "." + b64(make([]byte, 16))
	}
	eachInlet(t, func(s site, in inlet) {
		h, _ := in.honest(s.t)
		bombs := map[string]string{
			"zip":         jwe(`{"alg":"dir","enc":"A256GCM","zip":"DEF"}`),
			"PBES2":       jwe(`{"alg":"PBES2-HS256+A128KW","enc":"A256GCM","p2c":2147483647,"p2s":"c2FsdHNhbHQ"}`),
			"RSA1_5":      jwe(`{"alg":"RSA1_5","enc":"A128CBC-HS256"}`),
			"zip in JWS":  forge(s.t, h.set("zip", "DEF").bytes(), packed.Bytes(), in.key.Alg, in.key),
			"p2c in JWS":  forge(s.t, h.set("alg", "PBES2-HS256+A128KW").set("p2c", 1<<31).bytes(), []byte("{}"), in.key.Alg, in.key),
			"deep claims": forge(s.t, h.bytes(), []byte(strings.Repeat(`{"a":`, 900)+"1"+strings.Repeat("}", 900)), in.key.Alg, in.key),
		}
		for name, token := range bombs {
			var taken bool
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			within(s.t, name, 100*time.Millisecond, func() { taken = in.send(s, token) })
			runtime.ReadMemStats(&after)
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 10<<20 {
				s.t.Errorf("%s: %d bytes allocated", name, grown)
			}
			if taken {
				s.t.Errorf("%s was taken", name)
			}
		}
		in.refuses(s, "the last bomb", bombs["zip"])
	})
}

func TestJWT16AnHMACWithAnEmptyKeyIsNoClientAuthentication(t *testing.T) {
	s := shared(t)
	now := s.Clock.Now().Unix()
	for _, id := range []string{"signer", "public", "spa", "api", "robot"} {
		for _, secret := range []string{"", "\x00", id} {
			p := members{}.set("iss", id).set("sub", id).set("aud", servertest.Public).set("exp", now+200).set("jti", unique())
			token := forge(t, members{}.set("alg", "HS256").set("typ", "JWT").bytes(), p.bytes(), jose.HS256, &jose.Key{Secret: []byte(secret)})
			for _, path := range []string{"/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"} {
				a := s.form(path, encoded("grant_type", "client_credentials", "token", "x", "client_assertion_type", assertionIs, "client_assertion", token), nil)
				s.refused(id+" at "+path, a, 401)
				if a.member("error") != "invalid_client" {
					t.Errorf("%s at %s: %v", id, path, a)
				}
			}
		}
	}
	s.normal()
}

func TestJWT17KeysThatCannotProtectAreNotRegistered(t *testing.T) {
	s := shared(t)
	admin := bearer(s.aocToken("mover", "admin:all"))
	good := private(t, "global").Public.(*rsa.PublicKey)
	n := func(bits int) string { // some odd number of that size; nobody needs its factors
		v := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
		return b64(v.Or(v, big.NewInt(12345)).Bytes())
	}
	modulus := b64(good.N.Bytes())
	_, edPrivate, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	weak := map[string]string{
		"RSA 512":         `{"kty":"RSA","e":"AQAB","n":"` + n(512) + `"}`,
		"RSA 1024":        `{"kty":"RSA","e":"AQAB","n":"` + n(1024) + `"}`,
		"RSA 2047":        `{"kty":"RSA","e":"AQAB","n":"` + n(2047) + `"}`,
		"RSA 16384":       `{"kty":"RSA","e":"AQAB","n":"` + n(16384) + `"}`,
		"exponent 1":      `{"kty":"RSA","e":"AQ","n":"` + modulus + `"}`,
		"exponent 2":      `{"kty":"RSA","e":"Ag","n":"` + modulus + `"}`,
		"even modulus":    `{"kty":"RSA","e":"AQAB","n":"` + b64(new(big.Int).Lsh(big.NewInt(1), 2047).Bytes()) + `"}`,
		"for encryption":  `{"kty":"RSA","e":"AQAB","use":"enc","n":"` + modulus + `"}`,
		"to sign with":    `{"kty":"RSA","e":"AQAB","key_ops":["encrypt"],"n":"` + modulus + `"}`,
		"private part":    `{"kty":"RSA","e":"AQAB","d":"AQAB","n":"` + modulus + `"}`,
		"symmetric":       `{"kty":"oct","k":"c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"}`,
		"HS256":           `{"kty":"RSA","e":"AQAB","alg":"HS256","n":"` + modulus + `"}`,
		"alg none":        `{"kty":"RSA","e":"AQAB","alg":"none","n":"` + modulus + `"}`,
		"not on curve":    `{"kty":"EC","crv":"P-256","x":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE","y":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE"}`,
		"member twice":    `{"kty":"RSA","e":"AQ","e":"AQAB","n":"` + modulus + `"}`,
		"private PEM":     string(servertest.PrivatePEM("global")),
		"private Ed25519": `{"kty":"OKP","crv":"Ed25519","x":"` + b64(edPrivate[32:]) + `","d":"` + b64(edPrivate[:32]) + `"}`,
		"nonsense":        "nonsense",
		"empty PEM":       "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n",
	}
	me := s.must(s.send("GET", "/api/v1/self", "", admin)).member("id")
	for name, key := range weak {
		t.Run(name, func(t *testing.T) {
			s := s.on(t)
			body := marshal(t, map[string]any{"name": "x", "public_key": key})
			s.refused("a new client", s.send("POST", "/api/v1/clients", body, with(admin, "Content-Type", "application/json")), 422)
			s.refused("a client", s.send("PUT", "/api/v1/clients/mover-global", marshal(t, map[string]any{"public_key": key}), with(admin, "Content-Type", "application/json")), 422)
			s.refused("a user", s.send("PUT", "/api/v1/users/"+me, marshal(t, map[string]any{"public_key": key}), with(admin, "Content-Type", "application/json")), 422, 403)
			for where, problem := range s.register(t, key) {
				if problem == nil {
					t.Errorf("registered %s", where)
				}
			}
		})
	}
	for where, problem := range s.register(t, string(servertest.PublicPEM("fresh"))) {
		if problem != nil {
			t.Errorf("a good key %s: %v", where, problem)
		}
	}
	set := `{"keys":[{"kid":"a","kty":"RSA","e":"AQAB","n":"` + modulus + `"},{"kid":"a","kty":"RSA","e":"AQAB","n":"` + modulus + `"}]}`
	if _, err := jose.ParseJWKS([]byte(set)); err == nil {
		t.Error("a set with one kid twice is read")
	}
	s.normal()
}

func TestJWT18NoOpaqueTokenSurvivesAChange(t *testing.T) {
	s := open(t)
	forti := s.must(s.json(fortiToken, fortiLogin, nil))
	faspex := s.must(s.send("POST", faspexToken+"?grant_type=password", "", basic("sam", "demo-sam")))
	aspire := s.must(s.json("/Authorization", aspireLogin, nil))
	admin := s.must(s.send("GET", "/auth", "", basic("admin", "P@ssw0rd!")))
	key := s.must(s.send("POST", "/api/core/v2/apikeys", `{"username":"admin"}`, bearer(admin.member("access_token"))))
	access, refresh := s.password("legacy", "legacy-secret")
	status := func(f func(s site, token string) answer) func(site, string) bool {
		return func(s site, token string) bool {
			a := f(s, token)
			if a.status > 299 {
				s.refused(token, a, 400, 401, 404)
			}
			return a.status <= 299
		}
	}
	get := func(path string) func(site, string) bool {
		return status(func(s site, token string) answer { return s.send("GET", path, "", bearer(token)) })
	}
	kinds := []struct {
		name, token string
		works       func(site, string) bool
	}{
		{"standard access", access, get("/oauth2/userinfo")},
		{"standard access, introspected", access, func(s site, token string) bool { return s.active("legacy", "legacy-secret", token) }},
		{"standard refresh", refresh, status(func(s site, token string) answer { return s.refresh("legacy", token) })},
		{"Faspex access", faspex.member("access_token"), get("/api/users/me")},
		{"Faspex refresh", faspex.member("refresh_token"), status(func(s site, token string) answer {
			return s.form(faspexToken, encoded("grant_type", "refresh_token", "refresh_token", token), nil)
		})},
		{"FortiAuthenticator access", forti.member("access_token"), get("/api/v1/oauth/verify_token/?client_id=client_id")},
		{"FortiAuthenticator refresh", forti.member("refresh_token"), status(func(s site, token string) answer {
			return s.form(fortiToken, encoded("grant_type", "refresh_token", "refresh_token", token), basic("client_id", "client_secret"))
		})},
		{"Aspire refresh", aspire.member("RefreshToken"), status(func(s site, token string) answer {
			return s.json("/Authorization/RefreshToken", marshal(s.t, map[string]string{"RefreshToken": token}), nil)
		})},
		{"Sensu API key", key.member("key"), status(func(s site, token string) answer {
			return s.send("GET", "/api/core/v2/apikeys", "", headers("Authorization", "Key "+token))
		})},
	}
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			s := s.on(t)
			for name, token := range altered(kind.token) {
				if kind.works(s, token) {
					t.Errorf("%s was taken: %s for %s", name, token, kind.token)
				}
			}
			if !kind.works(s, kind.token) {
				t.Error("the token itself does not work any more")
			}
		})
	}
}

// altered are the ways to change a token a little.
func altered(token string) map[string]string {
	out := map[string]string{
		"one more": token + "A", "doubled": token + token, "space": token + "%20", "upper": strings.ToUpper(token), "lower": strings.ToLower(token),
		"equals sign": token + "=", "first gone": token[1:], "reversed": reversed(token),
		"access prefix":  "jta_" + strings.TrimPrefix(strings.TrimPrefix(token, "jtr_"), "jta_"),
		"refresh prefix": "jtr_" + strings.TrimPrefix(strings.TrimPrefix(token, "jtr_"), "jta_"),
		"no prefix":      strings.TrimPrefix(strings.TrimPrefix(token, "jtr_"), "jta_"),
		"other prefix":   "JTA_" + strings.TrimPrefix(strings.TrimPrefix(token, "jtr_"), "jta_"),
	}
	for n := 1; n <= 8; n++ {
		out[fmt.Sprintf("%d cut", n)] = token[:len(token)-n]
	}
	for _, i := range []int{0, 4, len(token) / 2, len(token) - 2, len(token) - 1} {
		c := byte('B')
		if token[i] == c {
			c = 'C'
		}
		out[fmt.Sprintf("character %d", i)] = token[:i] + string(c) + token[i+1:]
	}
	for name, text := range out {
		if text == token {
			delete(out, name)
		}
	}
	return out
}

func reversed(s string) string {
	b := []byte(s)
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return string(b)
}

func TestJWT19ARotatedKeyVerifiesUntilItsLastTokenEnds(t *testing.T) {
	s := open(t)
	s.Tick(t.Context())
	s.normal()
	published := func() map[string]bool {
		kids := map[string]bool{}
		for _, line := range strings.Split(s.must(s.send("GET", "/.well-known/jwks.json", "", nil)).body, `"kid":"`)[1:] {
			kids[line[:strings.IndexByte(line, '"')]] = true
		}
		return kids
	}
	kid := func(token string) string { h, _ := split(t, token); return h.text("kid") }
	old := s.normal()
	before := published()
	if !before[kid(old)] || len(before) < 2 {
		t.Fatalf("published %v; signs with %s", before, kid(old))
	}
	if err := s.Core.Admin.RotateKey(t.Context(), "default", "token", jose.ES256); err != nil {
		t.Fatal(err)
	}
	young := s.normal()
	after := published()
	switch {
	case kid(young) == kid(old):
		t.Error("the key did not change")
	case !before[kid(young)]:
		t.Error("the new key was not published before it signed")
	case !after[kid(old)] || !after[kid(young)] || len(after) < 3:
		t.Errorf("published after the rotation: %v", after)
	case !s.active("batch", "demo-batch-secret", old):
		t.Error("a token of the key before is dead before its time")
	}
	s.Clock.Add(policy.MaxJWTLife + 10*time.Minute) // no token of this key lives any more, on any node
	s.Tick(t.Context())
	if published()[kid(old)] || s.Ring.Find(kid(old)) != nil {
		t.Error("a key of no live token is still there")
	}
	if s.active("batch", "demo-batch-secret", old) {
		t.Error("a token of a key that is gone is taken")
	}
	// After a theft its tokens die at once.
	stolen := s.normal()
	if err := s.Core.Admin.RetireKey(t.Context(), "default", kid(stolen), true); err != nil {
		t.Fatal(err)
	}
	if s.active("batch", "demo-batch-secret", stolen) {
		t.Error("a token of a key that was retired at once is taken")
	}
	s.refused("at userinfo", s.send("GET", "/oauth2/userinfo", "", bearer(stolen)), 401)
	if !s.active("batch", "demo-batch-secret", s.normal()) {
		t.Error("no key signs any more")
	}
}
