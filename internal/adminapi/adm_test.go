package adminapi

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"jeton/internal/admin"
	"jeton/internal/audit"
	"jeton/internal/config"
	"jeton/internal/servertest"
)

// The names of these tests begin with the attack they show to fail.

func TestAdm02ObjectsOfAnotherOrganizationAreNotFound(t *testing.T) {
	w := start(t, servertest.Options{})
	luser := w.user(t, "luser1")
	access := w.token(t, "batch", "demo-batch-secret")
	w.faspex(t, "sam", "demo-sam")
	var families List[Family]
	w.must(t, 200, "GET", "/tokens", "", &families)
	var keys List[struct{ ID, KID string }]
	w.must(t, 200, "GET", "/keys", "", &keys)
	foreign := unknown("batch", luser)
	foreign = append(foreign,
		[3]string{"DELETE", "/tokens/" + families.Items[0].ID, ""},
		[3]string{"POST", "/tokens/revoke", `{"token":"` + access + `"}`},
		[3]string{"POST", "/keys/retire", `{"key":"` + keys.Items[0].KID + `"}`},
		[3]string{"GET", "/events/" + w.problem(t, 404, "GET", "/clients/nobody", "").Instance, ""},
	)
	before := w.state(t)
	for _, x := range foreign {
		w.problem(t, 404, x[0], x[1]+"?organization=acme", x[2])
	}
	if after := w.state(t); after != before {
		t.Errorf("something changed:\n%s\n%s", before, after)
	}
	for _, path := range []string{"/clients?q=batch&", "/users?q=luser1&", "/tokens?"} {
		var l List[any]
		if w.must(t, 200, "GET", path+"organization=acme", "", &l); len(l.Items) != 0 {
			t.Errorf("%s lists %v", path, l.Items)
		}
	}
	b, _ := json.Marshal(map[string]string{"token": access})
	var x Explanation
	if w.must(t, 200, "POST", "/tokens/explain?organization=acme", string(b), &x); x.Accepted || x.Client != "" {
		t.Errorf("explained to another organization: %+v", x)
	}
}

// state is everything a configuration can say, and what lives.
func (w *world) state(t *testing.T) string {
	t.Helper()
	return w.do(t, "GET", "/config", "").Body.String() + w.do(t, "GET", "/tokens", "").Body.String() + w.do(t, "GET", "/keys", "").Body.String()
}

func TestAdm05ASecretIsShownOnceWhenItIsMadeAndInNoReadAfter(t *testing.T) {
	w := start(t, servertest.Options{})
	var made NewClient
	w.must(t, 201, "POST", "/clients", `{"id":"svc","dialect":"oidc","grants":["client_credentials"],"scopes":["read"]}`, &made)
	var second NewClient
	w.must(t, 201, "POST", "/clients/svc/secrets", "", &second)
	if !strings.HasPrefix(made.Secret, secretPrefix) || len(made.Secret) < 40 || made.Secret == second.Secret {
		t.Fatalf("secrets %q and %q", made.Secret, second.Secret)
	}
	w.must(t, 201, "POST", "/users", `{"name":"eve","password":"correct horse battery"}`, nil)
	access, refresh := w.faspex(t, "sam", "demo-sam")
	secrets := []string{made.Secret, second.Secret, "correct horse battery", "demo-batch-secret", "demo-sam", access, refresh, w.token(t, "svc", made.Secret)}
	for _, path := range []string{
		"/info", "/config", "/clients", "/clients/svc", "/users", "/users/" + w.user(t, "eve"), "/organizations", "/realms", "/providers", "/keys", "/tokens", "/events", "/sessions", "/deliveries",
	} {
		body := w.do(t, "GET", path, "").Body.String()
		for _, secret := range secrets {
			if strings.Contains(body, secret) {
				t.Errorf("GET %s shows %q", path, secret)
			}
		}
		if hashed := strings.Contains(body, "$argon2id$") || strings.Contains(body, "$sha256$"); hashed != (path == "/config") {
			t.Errorf("GET %s: hashes shown: %v", path, hashed)
		}
		if strings.Contains(body, "PRIVATE KEY") || strings.Contains(body, "sealed") {
			t.Errorf("GET %s shows a private part", path)
		}
	}
	for _, secret := range secrets {
		if strings.Contains(w.Logs.String(), secret) {
			t.Errorf("the log shows %q", secret)
		}
	}
	var shown Client
	w.must(t, 200, "GET", "/clients/svc", "", &shown)
	if len(shown.Secrets) != 2 || shown.Secrets[0].Hint != second.Secret[len(second.Secret)-4:] {
		t.Errorf("its secrets read as %+v", shown.Secrets)
	}
}

func TestAdm06ForgedListParametersAreRefusedAndEveryListIsBounded(t *testing.T) {
	w := start(t, servertest.Options{})
	forged := []string{
		"limit=1000000000", "limit=-1", "limit=0", "limit=1e3", "limit=5;DROP", "limit=5&limit=6", "after=x", "after=" + cursor("else:batch"),
		"sort=name", "order=id--", "q=%00",
	}
	for _, path := range []string{"/clients", "/users", "/organizations", "/realms", "/providers", "/keys", "/tokens", "/events", "/sessions", "/deliveries"} {
		for _, q := range forged {
			w.problem(t, 400, "GET", path+"?"+q, "")
		}
	}
	for _, x := range []struct{ path, kind string }{{"/users", "user"}, {"/tokens", "token"}, {"/events", "event"}, {"/keys", "key"}, {"/deliveries", "delivery"}} {
		for _, key := range []string{"1 OR 1=1", "-1", "99999999999999999999", ""} {
			w.problem(t, 400, "GET", x.path+"?after="+cursor(x.kind+":"+key), "")
		}
	}
	var l List[User]
	for _, q := range []string{"q=%25", "q=_", "q=%27%20OR%201%3D1", "realm=nowhere", "name=%2e%2e"} {
		if w.must(t, 200, "GET", "/users?"+q, "", &l); len(l.Items) != 0 {
			t.Errorf("%s finds %d users", q, len(l.Items))
		}
	}
	for i := range 60 {
		w.must(t, 201, "POST", "/users", fmt.Sprintf(`{"name":"many%d"}`, i), nil)
	}
	if w.must(t, 200, "GET", "/users", "", &l); len(l.Items) != defaultLimit || l.Total != 65 {
		t.Errorf("%d users of %d", len(l.Items), l.Total)
	}
}

func cursor(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

func TestAdm09WhatIsDeletedAndMadeAgainInheritsNothing(t *testing.T) {
	w := start(t, servertest.Options{})
	const form = `{"id":"svc","dialect":"oidc","grants":["client_credentials"],"scopes":["read"]}`
	var made NewClient
	w.must(t, 201, "POST", "/clients", form, &made)
	w.Clock.Add(time.Second)
	access := w.token(t, "svc", made.Secret)
	if !explain(t, w, access).Accepted {
		t.Fatal("a fresh token is not accepted")
	}
	w.must(t, 204, "DELETE", "/clients/svc", "", nil)
	w.must(t, 201, "POST", "/clients", form, nil) // within the very same moment
	if x := explain(t, w, access); x.Accepted {
		t.Error("a client of the same id inherits tokens")
	}

	userAccess, userRefresh := w.faspex(t, "sam", "demo-sam")
	w.must(t, 204, "DELETE", "/users/"+w.user(t, "sam"), "", nil)
	w.must(t, 201, "POST", "/users", `{"name":"sam"}`, nil)
	for _, token := range []string{userAccess, userRefresh} {
		if x := explain(t, w, token); x.Accepted {
			t.Errorf("a user of the same name inherits a %s", x.Kind)
		}
	}

	ada := w.acme(t, "ada@example.com")
	listed := admin.ListedID("mover", "user", ada)
	if _, err := w.Core.Admin.Doc(t.Context(), "acme", admin.Listed("aoc"), listed); err != nil {
		t.Fatalf("ada is not listed: %v", err)
	}
	w.must(t, 204, "DELETE", "/clients/mover?organization=acme", "", nil)
	if _, err := w.Core.Admin.Doc(t.Context(), "acme", admin.Listed("aoc"), listed); err == nil {
		t.Error("a client of the same id speaks for the users that were listed")
	}
}

func (w *world) acme(t *testing.T, name string) string {
	t.Helper()
	var l List[User]
	w.must(t, 200, "GET", "/users?organization=acme&name="+name, "", &l)
	return itoa(int(l.Items[0].ID))
}

func TestAdm10EachChangeIsOneEventWithItsActor(t *testing.T) {
	w := start(t, servertest.Options{})
	pem, _ := json.Marshal(string(servertest.PublicPEM("other")))
	w.token(t, "batch", "demo-batch-secret")
	w.faspex(t, "sam", "demo-sam")
	var family List[Family]
	w.must(t, 200, "GET", "/tokens?client=faspex", "", &family)
	var keys List[struct{ KID, Purpose string }]
	w.must(t, 200, "GET", "/keys", "", &keys)
	luser := w.user(t, "luser1")
	world, err := EncodeWorld(&config.World{Users: nil, Orgs: nil, Docs: []config.Doc{{Org: "acme", Dialect: "aoc", Kind: "node", ID: "9", Body: json.RawMessage(`{}`)}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		method, path, body string
		status             int
		event, object      string
	}{
		{"POST", "/clients", `{"id":"svc","dialect":"oidc","grants":["client_credentials"]}`, 201, "client.create", "client/svc"},
		{"PATCH", "/clients/svc", `{"name":"Nightly\r\n\u202efake line"}`, 200, "client.change", "client/svc"},
		{"POST", "/clients/svc/secrets", "", 201, "client.secret", "client/svc"},
		{"DELETE", "/clients/svc/secrets/2", "", 204, "client.revoke_secret", "client/svc"},
		{"POST", "/clients/svc/disable", "", 204, "client.disable", "client/svc"},
		{"POST", "/clients/svc/enable", "", 204, "client.enable", "client/svc"},
		{"POST", "/clients/svc/revoke", "", 204, "client.revoke", "client/svc"},
		{"DELETE", "/clients/svc", "", 204, "client.delete", "client/svc"},
		{"POST", "/users", `{"name":"eve"}`, 201, "user.create", "user/eve"},
		{"PATCH", "/users/" + luser, `{"groups":["ops"]}`, 200, "user.change", "user/luser1"},
		{"PUT", "/users/" + luser + "/password", `{"password":"correct horse battery"}`, 204, "user.password", "user/luser1"},
		{"POST", "/users/" + luser + "/keys", `{"pem":` + string(pem) + `,"kid":"laptop"}`, 201, "user.add_key", "user/luser1"},
		{"DELETE", "/users/" + luser + "/keys/laptop", "", 204, "user.remove_key", "user/luser1"},
		{"POST", "/users/" + luser + "/unlock", "", 204, "user.unlock", "user/luser1"},
		{"POST", "/users/" + luser + "/revoke", "", 204, "user.revoke", "user/luser1"},
		{"DELETE", "/users/" + luser, "", 204, "user.delete", "user/" + luser},
		{"POST", "/organizations", `{"id":"globex"}`, 201, "organization.create", "organization/globex"},
		{"POST", "/realms", `{"name":"partners"}`, 201, "realm.create", "realm/partners"},
		{"DELETE", "/realms/partners", "", 204, "realm.delete", "realm/partners"},
		{"PUT", "/providers/corp", `{"entity_id":"https://corp.example","sso":"https://corp.example/sso","certificates":[{"pem":` + text(servertest.IdP("corp").Certificate) + `}]}`, 200, "provider.change", "provider/corp"},
		{"DELETE", "/providers/corp", "", 204, "provider.delete", "provider/corp"},
		{"POST", "/keys/rotate", `{"purpose":"` + keys.Items[0].Purpose + `"}`, 200, "key.rotate", "key/" + keys.Items[0].Purpose},
		{"POST", "/keys/retire", `{"key":"` + keys.Items[0].KID + `","now":true}`, 200, "key.retire", "key/" + keys.Items[0].KID},
		{"DELETE", "/tokens/" + family.Items[0].ID, "", 204, "token.revoke", "token/" + family.Items[0].ID},
		{"POST", "/config", string(world), 200, "configuration.apply", "1 objects"},
	} {
		w.Clock.Add(time.Second)
		since := w.Clock.Now().Unix()
		w.must(t, x.status, x.method, x.path, x.body, nil)
		var l List[audit.Record]
		w.must(t, 200, "GET", fmt.Sprintf("/events?since=%d", since), "", &l)
		if len(l.Items) != 1 {
			t.Errorf("%s %s: %d events", x.method, x.path, len(l.Items))
			continue
		}
		r := &l.Items[0]
		if r.Event != x.event || r.Object != x.object || r.Actor != local || r.Outcome != audit.OK || r.Org != "default" || strings.ContainsAny(r.Object, "\r\n\u202e") {
			t.Errorf("%s %s: %s of %s by %s: %s (want %s of %s)", x.method, x.path, r.Event, r.Object, r.Actor, r.Outcome, x.event, x.object)
		}
		b, _ := json.Marshal(r)
		if strings.Contains(string(b), "correct horse") || strings.Contains(string(b), secretPrefix) {
			t.Errorf("%s %s: its event holds a secret", x.method, x.path)
		}
	}
}

func TestAdm10AReadIsNoEventAndARefusalIsOne(t *testing.T) {
	w := start(t, servertest.Options{})
	w.Clock.Add(time.Second)
	since := w.Clock.Now().Unix()
	for _, path := range []string{"/clients", "/users", "/config", "/keys", "/tokens", "/info"} {
		w.must(t, 200, "GET", path, "", nil)
	}
	w.problem(t, 409, "POST", "/clients", `{"id":"spa","dialect":"oidc","auth":"none","grants":["authorization_code"],"redirect_uris":["https://x.example/cb"]}`)
	var l List[audit.Record]
	w.must(t, 200, "GET", fmt.Sprintf("/events?since=%d", since), "", &l)
	var got []string
	for i := range l.Items {
		got = append(got, l.Items[i].Event+" "+string(l.Items[i].Outcome))
	}
	if !slices.Equal(got, []string{"client.create refused"}) {
		t.Errorf("events: %v", got)
	}
}
