package adminapi

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"jeton/internal/audit"
	"jeton/internal/jose"
	"jeton/internal/servertest"
)

// post asks an endpoint of a dialect and gives its answer's members.
func (w *world) post(t *testing.T, path, media, body string) map[string]any {
	t.Helper()
	r, err := http.NewRequest("POST", w.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", media)
	var out map[string]any
	w.send(t, r, &out)
	return out
}

const jsonMedia = "application/json"

func TestATokenOfEachDialectIsExplained(t *testing.T) {
	w := start(t, servertest.Options{})
	faspex, faspexRefresh := w.faspex(t, "sam", "demo-sam")
	forti := w.post(t, "/api/v1/oauth/token/", jsonMedia,
		`{"username":"luser1","password":"12345678","client_id":"client_id","client_secret":"client_secret","grant_type":"password"}`)
	aspire := w.post(t, "/Authorization", jsonMedia, `{"ClientId":"5b0c1f7e-3a52-4b0e-9b3e-0f6f6c1f2a11","Secret":"demo-aspire-secret"}`)
	r, _ := http.NewRequest("GET", w.URL+"/auth", nil)
	r.SetBasicAuth("myusername", "mypassword")
	var sensu map[string]any
	w.send(t, r, &sensu)
	str := func(m map[string]any, name string) string { s, _ := m[name].(string); return s }
	rows := []struct {
		token string
		want  Explanation
	}{
		{w.token(t, "batch", "demo-batch-secret"), Explanation{Kind: KindAccess, Format: "jwt", Alg: "ES256", Dialect: "oidc", Client: "batch", Scope: []string{"read", "write"}}},
		{faspex, Explanation{Kind: KindAccess, Format: "opaque", Dialect: "faspex", Client: "faspex", User: "sam"}},
		{faspexRefresh, Explanation{Kind: KindRefresh, Format: "opaque", Dialect: "faspex", Client: "faspex", User: "sam"}},
		{str(forti, "access_token"), Explanation{Kind: KindAccess, Format: "opaque", Dialect: "fortiauth", Client: "client_id", User: "luser1"}},
		{str(forti, "refresh_token"), Explanation{Kind: KindRefresh, Format: "opaque", Dialect: "fortiauth", Client: "client_id", User: "luser1"}},
		{str(aspire, "Token"), Explanation{Kind: KindAccess, Format: "jwt", Alg: "RS256", Dialect: "aspire", Client: "5b0c1f7e-3a52-4b0e-9b3e-0f6f6c1f2a11", Scope: []string{"Contacts.GET", "Contacts.POST"}}},
		{str(sensu, "access_token"), Explanation{Kind: KindAccess, Format: "jwt", Alg: "HS256", Dialect: "sensu", Client: "sensu", User: "myusername"}},
		{str(sensu, "refresh_token"), Explanation{Kind: KindRefresh, Format: "jwt", Alg: "HS256", Dialect: "sensu", Client: "sensu", User: "myusername"}},
	}
	for _, x := range rows {
		x.want.Organization = "default"
		got := explain(t, w, x.token)
		if !got.Accepted || got.Kind != x.want.Kind || got.Format != x.want.Format || got.Alg != x.want.Alg || got.Dialect != x.want.Dialect ||
			got.Client != x.want.Client || got.User != x.want.User || got.Organization != x.want.Organization || x.want.Scope != nil && !slices.Equal(got.Scope, x.want.Scope) {
			t.Errorf("got %+v\nwant %+v", got, x.want)
		}
		if got.Format == "jwt" && (got.Signature != "good" || got.KeyState != "signing") {
			t.Errorf("%s: signature %s by a key that is %s", got.Dialect, got.Signature, got.KeyState)
		}
		if b, _ := json.Marshal(got); strings.Contains(string(b), x.token) || got.Claims != nil {
			t.Errorf("%s: the explanation repeats the token", got.Dialect)
		}
	}
	for _, x := range rows {
		b, _ := json.Marshal(map[string]string{"token": x.token})
		if out := w.do(t, "POST", "/tokens/revoke", string(b)); out.Code != 204 && out.Code != 404 { // 404: ended with the token before it
			t.Errorf("revoking: %d %s", out.Code, out.Body)
		}
		if dead := explain(t, w, x.token); dead.Accepted || !strings.HasPrefix(dead.Verdict, "refused: ") || dead.Client != x.want.Client {
			t.Errorf("%s, revoked: %+v", x.want.Dialect, dead)
		}
	}
}

func TestATokenOfAnotherOrganizationIsFoundWithoutNamingIt(t *testing.T) {
	w := start(t, servertest.Options{World: "version: 1\nclients:\n  - {id: svc, organization: acme, dialect: oidc, secrets: [{plain: acme-svc-secret}], grants: [client_credentials], scopes: [read]}\n" +
		"organizations:\n  - {id: acme, name: Acme Media, dialects: [aoc, oidc], prefixes: [/acme]}\n"})
	r, _ := http.NewRequest("POST", w.URL+"/acme/oauth2/token", strings.NewReader("grant_type=client_credentials"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth("svc", "acme-svc-secret")
	var out struct {
		Access string `json:"access_token"`
	}
	w.send(t, r, &out)
	if x := explain(t, w, out.Access); !x.Accepted || x.Organization != "acme" || x.Client != "svc" {
		t.Errorf("%+v", x)
	}
	b, _ := json.Marshal(map[string]string{"token": out.Access})
	w.must(t, 204, "POST", "/tokens/revoke", string(b), nil)
	if x := explain(t, w, out.Access); x.Accepted {
		t.Error("it is still accepted")
	}
}

func TestATokenThatHasEndedIsExplained(t *testing.T) {
	w := start(t, servertest.Options{})
	token := w.token(t, "batch", "demo-batch-secret")
	w.Clock.Add(24 * time.Hour)
	x := explain(t, w, token)
	if x.Accepted || x.Client != "batch" || x.Kind != KindAccess || !strings.Contains(x.Verdict, "expired") || x.Expires == 0 {
		t.Errorf("%+v", x)
	}
}

func TestAJWTFromElsewhereIsDecodedAndNotJudged(t *testing.T) {
	w := start(t, servertest.Options{})
	k, err := jose.Generate(jose.ES256)
	if err != nil {
		t.Fatal(err)
	}
	k.ID = "theirs"
	token, err := jose.Sign(k, k.Header("JWT").Bytes(), jose.Obj().Str("iss", "https://else.example").Str("sub", "eve").Bytes())
	if err != nil {
		t.Fatal(err)
	}
	x := explain(t, w, token)
	if x.Accepted || x.Kind != KindForeign || x.Signature != "unknown" || !strings.Contains(x.Verdict, "https://else.example") || !strings.Contains(string(x.Claims), "eve") {
		t.Errorf("%+v", x)
	}
	ours := w.token(t, "batch", "demo-batch-secret")
	parts := strings.Split(ours, ".")
	forged := parts[0] + "." + parts[1] + "." + strings.Split(token, ".")[2]
	if x := explain(t, w, forged); x.Accepted || x.Signature != "bad" || x.Client != "" {
		t.Errorf("a forgery: %+v", x)
	}
	for _, text := range []string{"x", "a.b.c", strings.Repeat("A", 86), " "} {
		if x := explain(t, w, text); x.Accepted || x.Kind != KindUnknown {
			t.Errorf("%q: %+v", text, x)
		}
	}
}

func TestAnErrorIDIsExplainedWithItsChecks(t *testing.T) {
	w := start(t, servertest.Options{})
	r, _ := http.NewRequest("POST", w.URL+"/oauth2/token", strings.NewReader("grant_type=client_credentials"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth("batch", "wrong")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	var rec audit.Record
	w.must(t, 200, "GET", "/events/"+strings.ToLower(answer.Header.Get("Jeton-Error-Id")), "", &rec)
	if rec.Code != "invalid_client" || rec.Client != "batch" || len(rec.Checks) == 0 {
		t.Errorf("%+v", &rec)
	}
	w.problem(t, 404, "GET", "/events/"+answer.Header.Get("Jeton-Error-Id")+"?organization=acme", "")
}
