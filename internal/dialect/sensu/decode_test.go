package sensu

import (
	"encoding/base64"
	"regexp"
	"strings"
	"testing"
	"time"

	"jeton/internal/dialect"
	"jeton/internal/jose"
	"jeton/internal/oauth"
	"jeton/internal/policy"
	"jeton/internal/wire"
)

var facts = policy.Facts{
	Issuer: "https://sensu.example", Subject: oauth.Subject{Name: "ada", Groups: []string{"ops"}},
	Now: time.Unix(1000, 0), Expires: time.Unix(1900, 0),
	ID: strings.Repeat("1", 32), Session: strings.Repeat("2", 32), Secret: strings.Repeat("3", 32),
}

// read parses claims as they come back in a token.
func read(t testing.TB, payload []byte) (jose.Claims, bool) {
	t.Helper()
	b64 := base64.RawURLEncoding.EncodeToString
	tok, err := jose.Parse(b64([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + b64(payload) + "." + b64([]byte("signature")))
	if err != nil {
		return jose.Claims{}, false
	}
	return tok.Claims, true
}

func TestClaimsAreWrittenInTheOrderOfTheOriginal(t *testing.T) {
	for _, c := range []struct{ name, got, want string }{
		{"access", accessClaims(facts).String(), `{"exp":1900,"jti":"` + facts.ID + `","iss":"https://sensu.example","sub":"ada","groups":["ops","system:users"],` +
			`"provider":{"provider_id":"basic","provider_type":"","user_id":"ada"},"api_key":false,"session_id":"` + facts.Session + `"}`},
		{"refresh", refreshClaims(facts).String(), `{"exp":1900,"jti":"` + facts.Secret + `","iat":1000,"sub":"ada","groups":null,` +
			`"provider":{"provider_id":"","provider_type":"","user_id":""},"api_key":false,"session_id":"` + facts.Session + `"}`},
	} {
		if c.got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, c.got, c.want)
		}
	}
}

func TestEachKindOfTokenIsReadAsItsKindOnly(t *testing.T) {
	access, _ := read(t, accessClaims(facts).Bytes())
	refresh, _ := read(t, refreshClaims(facts).Bytes())
	if id, _ := readAccess(access); id != facts.ID {
		t.Errorf("access token: %q", id)
	}
	if session, secret := readRefresh(refresh); session != facts.Session || secret != facts.Secret {
		t.Errorf("refresh token: %q %q", session, secret)
	}
	if id, secret := readAccess(refresh); id != "" || secret != "" {
		t.Error("a refresh token is read as an access token")
	}
	if session, secret := readRefresh(access); session != "" || secret != "" {
		t.Error("an access token is read as a refresh token")
	}
}

func TestGroupsOfTheUserAreNotChangedByTheClaim(t *testing.T) {
	own := make([]string, 1, 4)
	own[0] = "ops"
	_ = groups(own)
	if own[:2][1] != "" {
		t.Error("the claim wrote into the user's own list")
	}
	if got := groups([]string{everybody}); len(got) != 1 {
		t.Errorf("%q twice: %q", everybody, got)
	}
}

func TestAnAPIKeyHasOneSpelling(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		k := newKey()
		if !isKey(k) || seen[k] {
			t.Fatalf("key %q", k)
		}
		seen[k] = true
		for _, bad := range []string{strings.ToUpper(k), k + "0", k[:35], strings.ReplaceAll(k, "-", "_"), "{" + k[1:]} {
			if bad != k && isKey(bad) {
				t.Fatalf("%q passes for a key", bad)
			}
		}
	}
}

func TestEveryRefusalOfAuthIsOneLineOfText(t *testing.T) {
	for _, voice := range append([]string{""}, Dialect.Voices...) {
		for _, code := range oauth.Codes() {
			reply := words(refusal(code, voice))
			if code == oauth.MethodNotAllowed {
				if reply.Body != nil || reply.Status != 405 {
					t.Errorf("%s/%s: %d %v", voice, code, reply.Status, reply.Body)
				}
				continue
			}
			b, ok := reply.Body.([]byte)
			if !ok || reply.ContentType != "text/plain; charset=utf-8" || strings.Count(string(b), "\n") != 1 || b[len(b)-1] != '\n' {
				t.Errorf("%s/%s: %q as %s", voice, code, reply.Body, reply.ContentType)
			}
			if reply.Header.Get("WWW-Authenticate") != "" {
				t.Errorf("%s/%s: a browser would open its own dialog", voice, code)
			}
		}
	}
}

func FuzzNoPayloadIsBothKindsOfToken(f *testing.F) {
	f.Add(accessClaims(facts).Bytes())
	f.Add(refreshClaims(facts).Bytes())
	f.Add([]byte(`{"iss":"a","iat":1,"groups":null,"jti":"x","session_id":"y"}`))
	f.Add([]byte(`{"groups":null,"groups":["a"]}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		c, ok := read(t, payload)
		if !ok {
			return
		}
		id, _ := readAccess(c)
		session, secret := readRefresh(c)
		if id != "" && (session != "" || secret != "") {
			t.Fatalf("%s is read as both", payload)
		}
	})
}

var bcrypts = regexp.MustCompile(`^\$2[aby]\$1[0-4]\$[./A-Za-z0-9]{53}$`)

func FuzzANewUserHasANameAndAWayToSignIn(f *testing.F) {
	f.Add([]byte(`{"username":"a","password":"wool-and-water","groups":["ops"],"disabled":false}`))
	f.Add([]byte(`{"username":"a","password_hash":"$2a$10$yeqF3DBw90ae5/oCY/J4PeaCbnjieHw0eSac0A.X/9El4ZJw.MrT6"}`))
	f.Add([]byte(`{"username":"a","password_hash":"$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA"}`))
	f.Add([]byte(`{"username":"a","password":null,"password_hash":"$2a$"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		o, err := wire.JSON(body)
		if err != nil {
			return
		}
		u, password, err := readUser(o)
		if err != nil {
			if oauth.AsRefusal(err).Code == oauth.ServerError {
				t.Fatalf("a stranger's body is our fault: %v", err)
			}
			return
		}
		if u.Name == "" || u.Admin || len(u.Roles) > 0 || u.ID != 0 || len(u.Groups) > maxGroups {
			t.Fatalf("user %+v", u)
		}
		if (password == "") == (u.Password == "") || (u.Password != "" && !bcrypts.MatchString(u.Password)) {
			t.Fatalf("password %t, hash %q", password != "", u.Password)
		}
	})
}

func FuzzAKeyIsItsOwnSpelling(f *testing.F) {
	f.Add("19803eb8-36a6-4203-a225-28ec4e9f4444")
	f.Add("19803EB8-36a6-4203-a225-28ec4e9f4444")
	shape := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
	f.Fuzz(func(t *testing.T, s string) {
		if isKey(s) != (shape.MatchString(s) && !strings.HasSuffix(s, "\n")) {
			t.Fatalf("%q", s)
		}
	})
}

func refusal(code oauth.Code, voice string) dialect.Refusal {
	return dialect.Refusal{Code: code, Description: code.Text(), Voice: voice}
}
