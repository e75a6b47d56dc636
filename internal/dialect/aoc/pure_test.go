package aoc

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"jeton/internal/audit"
	"jeton/internal/client"
	"jeton/internal/dialect"
	"jeton/internal/jose"
	"jeton/internal/oauth"
	"jeton/internal/policy"
	"jeton/internal/wire"
)

func TestScopesNeedTheRightsTheyName(t *testing.T) {
	plain := &client.Client{}
	nodes := &client.Client{Settings: map[string]json.RawMessage{adminNodeTokens: json.RawMessage("true")}}
	some := &client.Client{Scopes: oauth.Scope{scopeUser, scopeAdminUser, "node.*:user:all"}}
	listed := &client.Client{Scopes: oauth.Scope{scopeSelf}, DefaultScope: oauth.Scope{scopeSelf}}
	for _, c := range []struct {
		name  string
		c     *client.Client
		admin bool
		asked string
		want  string
		code  oauth.Code
	}{
		{"nothing asked", plain, false, "", scopeUser, ""},
		{"nothing asked of a client with a default", listed, false, "", scopeSelf, ""},
		{"user", plain, false, scopeUser, scopeUser, ""},
		{"self", plain, false, scopeSelf, scopeSelf, ""},
		{"user and self", plain, false, "user:all self", "user:all self", ""},
		{"admin for an administrator", plain, true, scopeAdmin, scopeAdmin, ""},
		{"admin for a user", plain, false, scopeAdmin, "", oauth.InvalidScope},
		{"user administration for a user", plain, false, scopeAdminUser, "", oauth.InvalidScope},
		{"both for a user", plain, false, scopeBoth, "", oauth.InvalidScope},
		{"both for an administrator", plain, true, scopeBoth, scopeBoth, ""},
		{"node", plain, false, "node.key-1_A:user:all", "node.key-1_A:user:all", ""},
		{"node administration", nodes, true, "node.key:admin:all", "node.key:admin:all", ""},
		{"node administration for a user", nodes, false, "node.key:admin:all", "", oauth.InvalidGrant},
		{"node administration by a client that may not", plain, true, "node.key:admin:all", "", oauth.InvalidGrant},
		{"node beside another", plain, true, "node.key:user:all user:all", "", oauth.InvalidScope},
		{"all nodes", nodes, true, "node.*:user:all", "", oauth.InvalidScope},
		{"no node", plain, false, "node.:user:all", "", oauth.InvalidScope},
		{"another right", plain, true, "node.key:self", "", oauth.InvalidScope},
		{"unknown", plain, true, "everything", "", oauth.InvalidScope},
		{"another case", plain, true, "User:All", "", oauth.InvalidScope},
		{"beyond what the client is registered for", some, true, scopeAdmin, "", oauth.InvalidScope},
		{"both, of which the client has each", some, true, scopeBoth, scopeBoth, ""},
		{"a node of a client registered for all nodes", some, false, "node.key:user:all", "node.key:user:all", ""},
		{"administration of a node such a client has not", some, true, "node.key:admin:all", "", oauth.InvalidScope},
	} {
		t.Run(c.name, func(t *testing.T) {
			asked, err := oauth.ParseScope(c.asked)
			if err != nil {
				t.Fatal(err)
			}
			got, err := scopes(c.c, oauth.Subject{Admin: c.admin}, asked)
			if got.String() != c.want || (c.code == "") != (err == nil) || err != nil && !oauth.Is(err, c.code) {
				t.Errorf("got %q, %v; want %q, %s", got, err, c.want, c.code)
			}
		})
	}
}

func TestNobodyButAnAdministratorGetsAnAdminScope(t *testing.T) {
	values := []string{scopeUser, scopeSelf, scopeAdmin, scopeAdminUser, scopeBoth, "node.k:user:all", "node.k:admin:all", "x"}
	rapid.Check(t, func(t *rapid.T) {
		c := &client.Client{Settings: map[string]json.RawMessage{adminNodeTokens: json.RawMessage("true")}}
		if rapid.Bool().Draw(t, "registered") {
			c.Scopes = rapid.SliceOf(rapid.SampledFrom(values)).Draw(t, "scopes")
		}
		asked := oauth.Scope(rapid.SliceOfN(rapid.SampledFrom(values), 1, 4).Draw(t, "asked"))
		got, err := scopes(c, oauth.Subject{}, asked)
		if err != nil {
			return
		}
		if !got.Within(asked) || strings.Contains(got.String(), "admin") {
			t.Fatalf("asked %q, got %q", asked, got)
		}
	})
}

func TestLivesComeFromTheOrganization(t *testing.T) {
	o := &client.Org{Settings: map[string]map[string]json.RawMessage{Name: {
		adminLife: json.RawMessage("1800"), nodeLife: json.RawMessage("0"), userLife: json.RawMessage(`"long"`),
	}}}
	for scope, want := range map[string]time.Duration{
		scopeAdmin: 30 * time.Minute, scopeBoth: 30 * time.Minute, scopeAdminUser: 30 * time.Minute,
		scopeUser: accessLife, scopeSelf: accessLife, "node.k:admin:all": accessLife, // what is no life counts as none given
	} {
		if got := lives(o)(oauth.Scope{scope}); got != want {
			t.Errorf("%s: %s, want %s", scope, got, want)
		}
	}
}

func TestClaimsAreInTheRecordedOrder(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	got := claims(policy.Facts{
		Issuer: "https://api.example.com/api/v1/oauth2/token", Scope: oauth.Scope{scopeUser}, Now: at, Expires: at.Add(accessLife),
		ID: "00112233445566778899aabbccddeeff", Org: policy.OrgInfo{ID: "acme", Number: 7},
		Subject: oauth.Subject{User: 3, Email: "ada@example.com", GivenName: "Ada", FamilyName: "Lovelace", Realm: "local"},
	}).String()
	want := `{"user_id":"3","scope":"user:all","expires_at":"2026-01-03T03:04:05Z","uuid":"00112233-4455-6677-8899-aabbccddeeff",` +
		`"organization_id":"7","exp":1767409445,"sub":"ada@example.com","name":"Ada Lovelace","given_name":"Ada","family_name":"Lovelace",` +
		`"iat":1767323045,"iss":"https://api.example.com/api/v1/oauth2/token","id":"aoc-3","realmid":"local","identifier":"3"}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	k := &jose.Key{Alg: jose.RS256, Created: at.Unix()}
	k.ID = kid(k)
	if got := header(k, "JWT").String(); got != `{"typ":"JWT","alg":"RS256","kid":"2026-01-02T03:04:05+00:00"}` {
		t.Error(got)
	}
}

// parsed reads claims as they come back in a token.
func parsed(t testing.TB, uuid string) jose.Claims {
	t.Helper()
	k := &jose.Key{Alg: jose.HS256, Secret: make([]byte, 32)}
	text, err := jose.Sign(k, k.Header("").Bytes(), jose.Obj().Str("uuid", uuid).Bytes())
	if err != nil {
		t.Fatal(err)
	}
	token, err := jose.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return token.Claims
}

func FuzzAHandleHasOneSpelling(f *testing.F) {
	f.Add("00112233-4455-6677-8899-aabbccddeeff")
	f.Add("00112233445566778899aabbccddeeff")
	f.Add("0-0112233-4455-6677-8899-aabbccddeeff")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1<<10 { // a token that long is refused before its claims are read
			return
		}
		id, _ := handle(parsed(t, text))
		if id != "" && (len(id) != 32 || uuid(id) != strings.ToValidUTF8(text, "\ufffd")) {
			t.Fatalf("%q reads %q", text, id)
		}
	})
}

func FuzzNodeScopesAreReadAsTheyAreWritten(f *testing.F) {
	for _, v := range []string{"node.key:user:all", "node.key:admin:all", "node..:user:all", "node.a:b:user:all", "node.", "self", "node.*:user:all"} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, v string) {
		key, right, ok := nodeScope(v)
		if ok && ("node."+key+":"+right != v || !isAccessKey(key) || strings.ContainsAny(key, " \"\\:.*")) {
			t.Fatalf("%q reads %q, %q", v, key, right)
		}
		if isNode(oauth.Scope{v}) != ok {
			t.Fatalf("%q", v)
		}
	})
}

func FuzzOnlyCaseMakesNoDifferenceToAnAddress(f *testing.F) {
	f.Add("ada@example.com", "Ada@EXAMPLE.com")
	f.Add("kim", "\u212aim")
	f.Add("s", "\u017f")
	f.Add("\u00e5", "\u212b")
	f.Fuzz(func(t *testing.T, a, b string) {
		same := sameLetters(a, b)
		lower, upper := [2]string{strings.ToLower(a), strings.ToLower(b)}, [2]string{strings.ToUpper(a), strings.ToUpper(b)}
		if same && !strings.EqualFold(a, b) && lower[0] != lower[1] && upper[0] != upper[1] {
			t.Fatalf("%q and %q differ in more than case", a, b)
		}
		if same && isASCII(a) != isASCII(b) {
			t.Fatalf("%q and %q: one of them is not plain", a, b)
		}
		if !sameLetters(a, a) {
			t.Fatalf("%q differs from itself", a)
		}
	})
}

func isASCII(s string) bool {
	for _, r := range s {
		if r > 0x7f {
			return false
		}
	}
	return true
}

func TestStateIsThereAlways(t *testing.T) {
	for state, want := range map[string]string{
		"":    `{"error":"invalid_scope","error_description":"requested scope is invalid","state":null}`,
		"abc": `{"error":"invalid_scope","error_description":"requested scope is invalid","state":"abc"}`,
	} {
		b, err := json.Marshal(words(dialect.Refusal{Code: oauth.InvalidScope, State: state}).Body)
		if err != nil || string(b) != want {
			t.Errorf("%s, %v", b, err)
		}
	}
}

// A client of the vendor takes any message that holds this word for fatal.
func TestResourceRefusalsNeverSayInvalidGrant(t *testing.T) {
	for _, code := range oauth.Codes() {
		b, err := json.Marshal(resourceWords(dialect.Refusal{Code: code, Description: code.Text(), Param: "p"}).Body)
		if err != nil || strings.Contains(string(b), "invalid_grant") {
			t.Errorf("%s: %s, %v", code, b, err)
		}
	}
}

func TestRequestIDsAreUUIDsAndDiffer(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		id := requestID(audit.NewID(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)).String())
		if len(id) != 36 || id[14] != '8' || !strings.ContainsRune("89ab", rune(id[19])) || seen[id] {
			t.Fatal(id)
		}
		seen[id] = true
	}
}

func TestAddressesOfAClientAreExactPlaces(t *testing.T) {
	for text, want := range map[string]bool{
		"https://app.example.com/callback": true, "http://localhost:12345": true, "http://127.0.0.1:1/cb": true, "http://[::1]:1/cb": true,
		"com.example.app:/callback": true, "http://app.example.com/": false, "https://user@app.example.com/": false,
		"https://app.example.com/#top": false, "https://*.example.com/": false, "javascript:alert(1)": false, "app:/cb": false,
		"/callback": false, "": false, "https://": false, "https://a b/": false, `https://a\b/`: false, "http://localhost.example.com/": false,
	} {
		o := jsonBody(t, `{"redirect_uris":[`+quoted(t, text)+`]}`)
		if _, err := addresses(o, "redirect_uris", isRedirect); (err == nil) != want {
			t.Errorf("%q: %v", text, err)
		}
	}
	for text, want := range map[string]bool{
		"https://app.example.com": true, "http://localhost:3000": true, "https://app.example.com/": false, "http://app.example.com": false,
		"https://app.example.com?": false, "null": false, "*": false,
	} {
		o := jsonBody(t, `{"origins":[`+quoted(t, text)+`]}`)
		if _, err := addresses(o, "origins", isOrigin); (err == nil) != want {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func quoted(t *testing.T, s string) string {
	t.Helper()
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func jsonBody(t *testing.T, text string) body {
	t.Helper()
	o, err := wire.JSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return body{o}
}
