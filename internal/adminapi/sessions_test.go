package adminapi

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"jeton/internal/audit"
	"jeton/internal/oauth"
	"jeton/internal/servertest"
	"jeton/internal/session"
	"jeton/internal/store"
)

// signIn gives a user a browser session of that name and the client batch a grant in
// it.
func (w *world) signIn(t *testing.T, user, id string) *oauth.Family {
	t.Helper()
	u, err := w.Core.Admin.UserByName(t.Context(), "default", "local", user)
	if err != nil {
		t.Fatal(err)
	}
	now := w.Clock.Now()
	x := &session.Session{
		ID: id, Org: u.Org, User: u.ID, Created: now.Unix(), Used: now.Unix(), Idle: now.Unix() + 3600, Ends: now.Unix() + 86400,
		AuthTime: now.UnixMilli(), AMR: []string{"pwd"}, ACR: session.Single, Source: "local", Agent: "Firefox, Linux", Addr: "192.0.2.1", Since: u.RevokedBefore,
	}
	if err := w.Store.PutSession(t.Context(), []byte(id), x); err != nil {
		t.Fatal(err)
	}
	f := &oauth.Family{Org: u.Org, Dialect: "oidc", Client: "batch", User: u.ID, Subject: u.Name, Session: id, Created: now.UnixMilli(), Ends: now.Unix() + 86400}
	if err := w.Store.PutFamily(t.Context(), f, nil); err != nil {
		t.Fatal(err)
	}
	return f
}

func (w *world) ended(t *testing.T, f *oauth.Family) bool {
	t.Helper()
	s, err := w.Store.Family(t.Context(), f.ID)
	if err != nil {
		t.Fatal(err)
	}
	return s.Family.Revoked != 0
}

func TestSessionsAreListedAndEndedWithTheirGrants(t *testing.T) {
	w := start(t, servertest.Options{})
	sam, luser := w.user(t, "sam"), w.user(t, "luser1")
	first := w.signIn(t, "sam", "s1")
	w.Clock.Add(time.Minute)
	w.signIn(t, "sam", "s2")
	other := w.signIn(t, "luser1", "s3")

	var l List[Session]
	w.must(t, 200, "GET", "/sessions", "", &l)
	if len(l.Items) != 3 || l.Items[0].ID != "s1" || l.Items[0].User != "sam" || l.Items[0].Agent != "Firefox, Linux" || l.Items[0].AuthTime != first.Created/1000 {
		t.Fatalf("sessions %+v", l.Items)
	}
	w.must(t, 200, "GET", "/sessions?user="+sam, "", &l)
	if len(l.Items) != 2 || l.Items[0].ID != "s2" || l.Total != 2 {
		t.Fatalf("sam's sessions %+v", l.Items)
	}
	w.must(t, 204, "DELETE", "/sessions/s1", "", nil)
	w.problem(t, 404, "DELETE", "/sessions/s1", "")
	w.problem(t, 404, "DELETE", "/sessions/nobody", "")
	w.problem(t, 404, "DELETE", "/sessions/s2?organization=acme", "")
	if !w.ended(t, first) || w.ended(t, other) {
		t.Error("not the grants of that session ended, and those alone")
	}
	w.signIn(t, "sam", "s4")
	var out Ended
	if w.must(t, 200, "DELETE", "/users/"+sam+"/sessions", "", &out); out.Ended != 2 {
		t.Errorf("%d ended", out.Ended)
	}
	if w.must(t, 200, "DELETE", "/users/"+sam+"/sessions", "", &out); out.Ended != 0 {
		t.Errorf("%d ended again", out.Ended)
	}
	w.Clock.Add(2 * time.Hour) // luser1's goes unused for too long
	if w.must(t, 200, "GET", "/sessions", "", &l); len(l.Items) != 0 {
		t.Errorf("sessions left: %+v", l.Items)
	}
	if w.must(t, 200, "GET", "/sessions?user="+luser, "", &l); len(l.Items) != 0 || l.Items == nil {
		t.Errorf("luser1's sessions: %+v", l.Items)
	}
	w.problem(t, 404, "GET", "/sessions?user=99999", "")
	w.problem(t, 400, "GET", "/sessions?user=sam", "")
}

func TestEveryPageOfSessionsIsReachedOnce(t *testing.T) {
	w := start(t, servertest.Options{})
	sam := w.user(t, "sam")
	for i := range 7 {
		w.Clock.Add(time.Second)
		w.signIn(t, "sam", fmt.Sprintf("s%d", i))
	}
	for path, want := range map[string]string{"/sessions?limit=3": "s0 s1 s2 s3 s4 s5 s6", "/sessions?limit=3&user=" + sam: "s6 s5 s4 s3 s2 s1 s0"} {
		var got []string
		for path != "" {
			var l List[Session]
			h := w.must(t, 200, "GET", path, "", &l)
			for _, x := range l.Items {
				got = append(got, x.ID)
			}
			_, link, _ := strings.Cut(h.Get("Link"), Root)
			path, _, _ = strings.Cut(link, ">")
		}
		if strings.Join(got, " ") != want {
			t.Errorf("got %v, want %s", got, want)
		}
	}
}

func TestConsentsAreListedAndTakenBackWithTheirTokens(t *testing.T) {
	w := start(t, servertest.Options{})
	sam := w.user(t, "sam")
	f := w.signIn(t, "sam", "s1")
	for _, c := range []store.Consent{{Client: "batch", Scope: oauth.Scope{"read"}, Given: true}, {Client: "gone"}} {
		if err := w.Store.PutConsent(t.Context(), "default", f.User, c); err != nil {
			t.Fatal(err)
		}
	}
	var l List[Consent]
	w.must(t, 200, "GET", "/users/"+sam+"/consents", "", &l)
	if len(l.Items) != 2 || l.Items[0].Name != "Nightly batch" || !l.Items[0].Given || len(l.Items[0].Scope) != 1 || l.Items[1].Scope == nil || l.Items[1].Name != "" {
		t.Fatalf("consents %+v", l.Items)
	}
	w.must(t, 204, "DELETE", "/users/"+sam+"/consents/batch", "", nil)
	w.problem(t, 404, "DELETE", "/users/"+sam+"/consents/batch", "")
	w.problem(t, 404, "GET", "/users/99999/consents", "")
	if !w.ended(t, f) {
		t.Error("the grant lives on")
	}
	if w.must(t, 200, "GET", "/users/"+sam+"/consents", "", &l); len(l.Items) != 1 {
		t.Errorf("left %+v", l.Items)
	}
}

// failed queues a message for a client and gives it up.
func (w *world) failed(t *testing.T, client string) string {
	t.Helper()
	id := fmt.Sprintf("q%d", w.Clock.Now().UnixNano())
	w.signIn(t, "sam", id)
	d := session.Delivery{Org: "default", Kind: "backchannel_logout", Client: client, User: 1, State: session.Waiting, Due: 1, Created: w.Clock.Now().Unix(), Body: `{"sid":"hidden-sid"}`}
	err := w.Store.EndSession(t.Context(), "default", id, 1, func([]session.Served) []session.Delivery { return []session.Delivery{d} })
	if err != nil {
		t.Fatal(err)
	}
	list, err := w.Store.TakeDeliveries(t.Context(), 1, 2, 1)
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	if err := w.Store.FinishDelivery(t.Context(), list[0].ID, session.Failed, 0, "status 400"); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(list[0].ID)
}

func TestMessagesOfLogoutAreListedAndSentAgain(t *testing.T) {
	w := start(t, servertest.Options{})
	one := w.failed(t, "batch")
	w.Clock.Add(time.Second)
	w.failed(t, "portal")
	var l List[Delivery]
	out := w.do(t, "GET", "/deliveries", "").Body.String()
	if strings.Contains(out, "hidden-sid") {
		t.Errorf("the body is shown: %s", out)
	}
	w.must(t, 200, "GET", "/deliveries?limit=1", "", &l)
	if len(l.Items) != 1 || l.Items[0].Client != "portal" || l.Items[0].State != "failed" || l.Items[0].Tries != 1 || l.Items[0].Result != "status 400" || l.Items[0].Due != 0 {
		t.Fatalf("messages %+v", l.Items)
	}
	w.must(t, 200, "GET", "/deliveries?client=batch", "", &l)
	if len(l.Items) != 1 || l.Items[0].ID != one {
		t.Fatalf("messages to batch: %+v", l.Items)
	}
	w.must(t, 204, "POST", "/deliveries/"+one+"/retry", "", nil)
	for _, id := range []string{one, "1", "x", "-1"} {
		w.problem(t, 404, "POST", "/deliveries/"+id+"/retry", "")
	}
	if w.must(t, 200, "GET", "/deliveries?client=batch", "", &l); l.Items[0].State != "waiting" || l.Items[0].Due == 0 {
		t.Errorf("then %+v", l.Items[0])
	}
}

func TestWhatEndsASessionIsOneEventEach(t *testing.T) { // adm-10
	w := start(t, servertest.Options{})
	sam := w.user(t, "sam")
	for _, id := range []string{"s1", "s2", "s3"} {
		w.signIn(t, "sam", id)
	}
	if err := w.Store.PutConsent(t.Context(), "default", 1, store.Consent{Client: "batch"}); err != nil {
		t.Fatal(err)
	}
	failed := w.failed(t, "batch")
	for _, x := range []struct {
		method, path string
		status       int
		want         []string
	}{
		{"DELETE", "/sessions/s1", 204, []string{"session.end session/s1 "}},
		{"DELETE", "/users/" + sam + "/sessions", 200, []string{"session.end session/s2 sam", "session.end session/s3 sam"}},
		{"DELETE", "/users/" + sam + "/sessions", 200, nil},
		{"POST", "/deliveries/" + failed + "/retry", 204, []string{"logout.retry delivery/" + failed + " "}},
	} {
		w.Clock.Add(time.Second)
		w.must(t, x.status, x.method, x.path, "", nil)
		var l List[audit.Record]
		w.must(t, 200, "GET", fmt.Sprintf("/events?since=%d", w.Clock.Now().Unix()), "", &l)
		got := map[string]bool{}
		for i := range l.Items {
			r := &l.Items[i]
			got[r.Event+" "+r.Object+" "+r.User] = r.Actor == local && r.Outcome == audit.OK
		}
		want := map[string]bool{}
		for _, name := range x.want {
			want[name] = true
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s %s: %s", x.method, x.path, diff)
		}
	}
}

func TestAnAdministratorSeesWhatAClientIsToldOfAUser(t *testing.T) {
	w := start(t, servertest.Options{World: `version: 1
users:
  - {name: dora, email: dora@example.com, groups: [ops], attributes: {dept: Research}}
clients:
  - id: board
    dialect: oidc
    auth: none
    grants: [authorization_code]
    scopes: [openid, email, read]
    redirect_uris: [https://board.example/cb]
    claims:
      - {name: department, from: dept, in: [id_token, access_token]}
      - {name: roles, from: groups, scope: read, in: [access_token]}
`})
	dora := w.user(t, "dora")
	type told struct{ id, userinfo, access string }
	for scope, want := range map[string]told{
		"": {
			`{"sub":"` + dora + `","department":"Research"}`,
			`{"sub":"` + dora + `","email":"dora@example.com","email_verified":false}`,
			`{"sub":"` + dora + `","department":"Research","roles":["ops"]}`,
		},
		"&scope=openid": {`{"sub":"` + dora + `","department":"Research"}`, `{"sub":"` + dora + `"}`, `{"sub":"` + dora + `","department":"Research"}`},
	} {
		var v Claims
		w.must(t, 200, "GET", "/clients/board/claims?user="+dora+scope, "", &v)
		if got := (told{string(v.IDToken), string(v.Userinfo), string(v.AccessToken)}); got != want {
			t.Errorf("scope %q: told %+v\nwant %+v", scope, got, want)
		}
	}
	for path, status := range map[string]int{
		"/clients/board/claims?user=dora":                     400,
		"/clients/board/claims":                               400,
		"/clients/board/claims?user=999999":                   404,
		"/clients/nobody/claims?user=" + dora:                 404,
		"/clients/board/claims?user=" + dora + "&scope=write": 400,
		"/clients/sensu/claims?user=" + dora:                  409,
	} {
		if got := w.do(t, "GET", path, ""); got.Code != status {
			t.Errorf("%s: %d %s, want %d", path, got.Code, got.Body, status)
		}
	}
}

const browserWorld = `version: 1
organizations:
  - id: default
    default: true
    realms: [{name: local, title: Staff, default: true}]
    brand: {name: Example, accent: "#0b5cad", logo: {base64: PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciLz4=}, help: "https://help.example.com"}
    session: {idle: 8h, life: 30d}
    scopes: {read: Read your calendar}
users:
  - {name: ada, password: {plain: correct horse battery}, password_due: true}
  - {name: bob, password_due: true}
clients:
  - id: web
    dialect: oidc
    secrets: [{plain: secret}]
    grants: [authorization_code, refresh_token]
    scopes: [openid, profile]
    redirect_uris: [https://portal.example.com/cb]
    pkce: optional
    consent: never
    own: true
    reviewed: 2026-11-01
    client_uri: https://portal.example.com
    post_logout_redirect_uris: [https://portal.example.com/bye]
    backchannel_logout_uri: https://portal.example.com/backchannel
    backchannel_logout_session_required: true
    default_max_age: 0
    userinfo_signed_response_alg: ES256
    id_token: {alg: PS256, life: 10m}
    claims: [{name: department, from: dept, scope: profile, in: [id_token]}]
`

func TestWhatBrowsersNeedIsAppliedOnceAndExported(t *testing.T) {
	w := start(t, servertest.Options{NoDemo: true})
	w.apply(t, browserWorld, false)
	if again := w.apply(t, browserWorld, false); len(again.Steps) != 0 {
		t.Errorf("the second time: %v", again.Steps)
	}
	exported := w.do(t, "GET", "/config", "").Body.String()
	if again := w.apply(t, exported, false); len(again.Steps) != 0 {
		t.Errorf("what was exported changes: %v\n%s", again.Steps, exported)
	}
	var l List[Organization]
	w.must(t, 200, "GET", "/organizations", "", &l)
	o := l.Items[0]
	if o.Brand == nil || !o.Brand.Logo || o.Session == nil || o.Session.Idle != 8*3600 || o.Scopes["read"] == "" || o.Realms[0].Title != "Staff" {
		t.Errorf("organization %+v", o)
	}
	other := start(t, servertest.Options{NoDemo: true})
	other.apply(t, exported, false)
	if diff := cmp.Diff(exported, other.do(t, "GET", "/config", "").Body.String()); diff != "" {
		t.Errorf("exported elsewhere: %s", diff)
	}
}

// TestAFileThatNamesNoPasswordLeavesItAlone: a person who has changed a password
// that was due is not asked for another one by the next application.
func TestAFileThatNamesNoPasswordLeavesItAlone(t *testing.T) {
	w := start(t, servertest.Options{NoDemo: true})
	w.apply(t, browserWorld, false)
	bob, ada := w.user(t, "bob"), w.user(t, "ada")
	w.must(t, 204, "PUT", "/users/"+bob+"/password", `{"password":"battery staple horse"}`, nil)
	if done := w.apply(t, browserWorld, false); len(done.Steps) != 0 {
		t.Errorf("bob's was asked for again: %v", done.Steps)
	}
	var u User
	if w.must(t, 200, "GET", "/users/"+bob, "", &u); u.PasswordDue || u.Password != "set" {
		t.Errorf("bob: %+v", u)
	}
	// ada's password is the file's, so it is what the file says it is.
	w.must(t, 204, "PUT", "/users/"+ada+"/password", `{"password":"battery staple horse","password_due":false}`, nil)
	if done := w.apply(t, browserWorld, false); len(done.Steps) != 1 || strings.Join(done.Steps[0].Fields, " ") != "password password_due" {
		t.Errorf("ada: %v", done.Steps)
	}
	w.must(t, 204, "PUT", "/users/"+bob+"/password", `{"password":"staple battery horse","password_due":true}`, nil)
	if w.must(t, 200, "GET", "/users/"+bob, "", &u); !u.PasswordDue {
		t.Error("a password given to be changed is not due")
	}
	w.problem(t, 400, "PUT", "/users/"+bob+"/password", `{"password":"staple battery horse","password_due":"yes"}`)
}

func TestAPatchReachesEveryMemberOfAClientThatSignsPeopleIn(t *testing.T) {
	w := start(t, servertest.Options{NoDemo: true})
	w.apply(t, browserWorld, false)
	var before, after Client
	w.must(t, 200, "GET", "/clients/web", "", &before)
	w.must(t, 200, "PATCH", "/clients/web", `{"name":"Other"}`, &after)
	want := before
	want.Name, want.Version, want.Updated = "Other", after.Version, after.Updated
	if diff := cmp.Diff(want, after); diff != "" {
		t.Errorf("a change of the name changes more: %s", diff)
	}
	after = Client{}
	w.must(t, 200, "PATCH", "/clients/web", `{"pkce":null,"consent":"always","own":null,"reviewed":"2026-12-01T10:00:00Z","default_max_age":"15m",
		"post_logout_redirect_uris":[],"id_token":{"life":"5m"},"claims":[{"name":"dept","from":"dept","in":["access_token"]}]}`, &after)
	if after.PKCE != "" || after.Consent != "always" || after.Own || after.Reviewed != "2026-12-01T10:00:00Z" || *after.DefaultMaxAge != 900 ||
		after.PostLogoutURIs != nil || *after.IDToken.Life != 300 || after.IDToken.Alg != "PS256" || after.Claims[0].In[0] != "access_token" {
		b, _ := json.Marshal(after)
		t.Errorf("now %s", b)
	}
	for body, at := range map[string]string{
		`{"consent":"never"}`: "/consent",
		`{"backchannel_logout_uri":"http://10.0.0.1/logout"}`:       "/backchannel_logout_uri",
		`{"post_logout_redirect_uris":["https://*.example.com/"]}`:  "/post_logout_redirect_uris/0",
		`{"claims":[{"name":"sub","from":"email"}]}`:                "/claims/0/name",
		`{"auth":"none","secrets":null}`:                            "/secrets",
		`{"initiate_login_uri":"javascript:alert(1)"}`:              "/initiate_login_uri",
		`{"redirect_uris":["https://portal.example.com/cb/../x"]}`:  "/redirect_uris/0",
		`{"userinfo_signed_response_alg":"none"}`:                   "/userinfo_signed_response_alg",
		`{"client_uri":"data:text/html,<script>alert(1)</script>"}`: "/client_uri",
	} {
		if p := w.problem(t, 400, "PATCH", "/clients/web", body); len(p.Errors) == 0 || p.Errors[0].Pointer != at {
			t.Errorf("%s: %+v", body, p)
		}
	}
}

// TestCallersReadNoFileOfTheServer: whoever may administer may still not see what
// the server's own user can.
func TestCallersReadNoFileOfTheServer(t *testing.T) {
	w := start(t, servertest.Options{})
	for _, inner := range []string{
		`"brand":{"logo":{"file":"/etc/passwd"}}`, `"saml":[{"name":"x","metadata":"/etc/passwd"}]`,
		`"saml":[{"name":"x","entity_id":"e","sso":"https://idp.example/","certificates":[{"file":"/etc/passwd"}]}]`,
	} {
		p := w.problem(t, 400, "POST", "/organizations", `{"id":"thief",`+inner+`}`)
		if b, _ := json.Marshal(p); !strings.Contains(string(b), "reads no files") {
			t.Errorf("%s: %s", inner, b)
		}
	}
	w.must(t, 201, "POST", "/organizations", `{"id":"looks","brand":{"accent":"#007f00"},"session":{"idle":"1h"},"scopes":{"read":"Read"}}`, nil)
}
