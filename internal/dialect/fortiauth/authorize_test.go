package fortiauth

import (
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"jeton/internal/authorize"
	"jeton/internal/client"
	"jeton/internal/jose"
	"jeton/internal/oauth"
	"jeton/internal/policy"
	"jeton/internal/wire"
)

func TestPublicClientsCannotGoWithoutPKCE(t *testing.T) {
	needs := client.Client{Auth: client.SecretAny, Settings: map[string]json.RawMessage{settingPKCE: json.RawMessage("true")}}
	for name, c := range map[string]struct {
		c    client.Client
		must bool
	}{
		"public":                        {client.Client{Auth: client.None}, true},
		"public, told it is optional":   {client.Client{Auth: client.None, PKCE: client.PKCEOptional, Settings: map[string]json.RawMessage{settingPKCE: json.RawMessage("false")}}, true},
		"confidential":                  {client.Client{Auth: client.SecretAny}, false},
		"confidential, set to need it":  {needs, true},
		"confidential, a broken option": {client.Client{Auth: client.SecretAny, Settings: map[string]json.RawMessage{settingPKCE: json.RawMessage(`"x"`)}}, false},
	} {
		if got := policy.MustPKCE(Profile, &c.c); got != c.must {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Whatever a client is registered for and a user's attributes hold, the claims an ID
// token stands on are this server's, and each is there once.
func TestNoMappingSetsAClaimOfTheServer(t *testing.T) {
	name := rapid.OneOf(rapid.SampledFrom(reserved), rapid.SampledFrom([]string{"username", "email", "groups", "room"}))
	rapid.Check(t, func(t *rapid.T) {
		mapped := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) client.Claim {
			return client.Claim{Name: name.Draw(t, "name"), From: name.Draw(t, "from")}
		}), 0, 8).Draw(t, "mapped")
		nonce := rapid.SampledFrom([]string{"", "n"}).Draw(t, "nonce")
		more := map[string]any{}
		for _, r := range reserved {
			more[r] = "forged"
		}
		text := idClaims(policy.IDFacts{
			Facts: policy.Facts{
				Issuer: "https://i", Client: "c", Now: time.Unix(1, 0), Expires: time.Unix(2, 0), ID: strings.Repeat("f", 32), AuthTime: 3,
				Subject: oauth.Subject{User: 7, Name: "test", Email: "a@b.example", Groups: []string{"SW", "HW"}, More: more}, Mapped: mapped,
			}, Nonce: nonce, AtHash: "h",
		}).String()
		o, err := wire.JSON([]byte(text)) // refuses a name given twice
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		want := `{"aud":"c","iat":1,"nonce":"n","at_hash":"h","sub":"7","iss":"https://i","exp":2,"auth_time":3,"jti":"ffffffff-ffff-4fff-bfff-ffffffffffff"`
		if nonce == "" {
			want = strings.Replace(want, `"nonce":"n",`, "", 1)
		}
		if !strings.HasPrefix(text, want) {
			t.Fatalf("%s\nwant it to begin %s", text, want)
		}
		for _, n := range o.Names() {
			if slices.Contains(reserved, n) && !strings.Contains(want, `"`+n+`":`) {
				t.Fatalf("%s has %s", text, n)
			}
		}
	})
}

func TestGroupsAreOneText(t *testing.T) {
	for want, groups := range map[string][]string{"": nil, `"SW"`: {"SW"}, `"SW,HW"`: {"SW", "HW"}} {
		if got := string(claim(oauth.Subject{Groups: groups, More: map[string]any{"groups": []string{"x"}}}, "groups")); got != want {
			t.Errorf("%q: %s, want %s", groups, got, want)
		}
	}
}

func TestAJTIIsARandomUUID(t *testing.T) {
	form := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	rapid.Check(t, func(t *rapid.T) {
		random := rapid.StringMatching(`[0-9a-f]{32}`).Draw(t, "random")
		got := uuid(random)
		if !form.MatchString(got) {
			t.Fatalf("%s gives %s", random, got)
		}
		plain := strings.ReplaceAll(got, "-", "")
		for i := range plain { // all but version and variant is the random text
			if i != 12 && i != 16 && plain[i] != random[i] {
				t.Fatalf("%s gives %s", random, got)
			}
		}
	})
}

// An ID token's header has the vendor's order.
func TestTypComesBeforeAlg(t *testing.T) {
	if got := idForm.Header(&jose.Key{ID: "k", Alg: jose.RS256}, "JWT").String(); got != `{"typ":"JWT","alg":"RS256","kid":"k"}` {
		t.Error(got)
	}
}

// A request that is read says what its query says: written again from what was read,
// it is read the same; and nothing but approval_prompt=force forces consent.
func FuzzAnAuthorizationRequestSaysWhatItsQuerySays(f *testing.F) {
	for _, seed := range []string{
		"response_type=code&client_id=c&redirect_uri=https%3A%2F%2Frp.example%2Fcb&scope=openid&state=a+b&nonce=n",
		"client_id=c&redirect_uri=x&state=%00", "response_type=code&approval_prompt=force&prompt=none", "approval_prompt=FORCE",
		"code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256", "scope=a++b&scope=c", "claims=%7B%7D&max_age=x&request=y", "&=&;", "%",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		p, err := wire.Query(query)
		if err != nil {
			if oauth.AsRefusal(err).Code == oauth.ServerError {
				t.Fatalf("%q: not a refusal: %v", query, err)
			}
			return
		}
		q := asked(p)
		if q.Force != (p.Text("approval_prompt") == "force") || q.Claims != "" {
			t.Fatalf("%q: force %v, claims %q", query, q.Force, q.Claims)
		}
		if q.ResponseType == "" && q.Wrong == nil {
			t.Fatalf("%q: taken without response_type", query)
		}
		if q.Wrong != nil {
			return
		}
		again, err := wire.Query(written(q).Encode())
		if err != nil {
			t.Fatalf("%q: %v", query, err)
		}
		if diff := cmp.Diff(q, asked(again)); diff != "" {
			t.Errorf("%q: %s", query, diff)
		}
	})
}

// written is the query of a request.
func written(q authorize.Request) url.Values {
	v := url.Values{}
	for name, value := range map[string]string{
		"client_id": q.Client, "redirect_uri": q.Redirect, "response_type": q.ResponseType, "response_mode": q.Mode, "state": q.State,
		"scope": q.Scope.String(), "code_challenge": q.Challenge, "code_challenge_method": q.Method, "nonce": q.Nonce,
		"prompt": strings.Join(q.Prompt, " "), "acr_values": strings.Join(q.ACR, " "), "login_hint": q.LoginHint, "ui_locales": q.Locales,
	} {
		if value != "" {
			v.Set(name, value)
		}
	}
	if q.MaxAge != nil {
		v.Set("max_age", strconv.FormatInt(*q.MaxAge, 10))
	}
	for _, r := range q.Resource {
		v.Add("resource", r)
	}
	if q.Force {
		v.Set("approval_prompt", "force")
	}
	return v
}
