package adminapi

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"jeton/examples"
	"jeton/internal/config"
	"jeton/internal/servertest"
)

// load reads a document as the command line does.
func load(t *testing.T, w *world, text string) *config.World {
	t.Helper()
	a := &api{Server: w.Server.Server, core: w.Core}
	o := a.options()
	o.ReadFile = func(name string) ([]byte, error) {
		return servertest.PublicPEM(strings.TrimSuffix(name[strings.LastIndexByte(name, '/')+1:], ".pub")), nil
	}
	world, problems := config.Load("world.yaml", []byte(text), o)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return world
}

func (w *world) apply(t *testing.T, text string, dry bool) Applied {
	t.Helper()
	body, err := EncodeWorld(load(t, w, text))
	if err != nil {
		t.Fatal(err)
	}
	var out Applied
	w.must(t, 200, "POST", fmt.Sprintf("/config?dry=%v", dry), string(body), &out)
	return out
}

func TestApplyingTheDemoWorldTwiceChangesNothingTheSecondTime(t *testing.T) {
	w := start(t, servertest.Options{NoDemo: true})
	dry := w.apply(t, string(examples.Demo), true)
	if len(dry.Steps) < 15 || !dry.Dry {
		t.Errorf("a dry run would make %d steps", len(dry.Steps))
	}
	if out := w.do(t, "GET", "/clients", "").Body.String(); !strings.Contains(out, `"items":[]`) {
		t.Errorf("a dry run made clients: %s", out)
	}
	if done := w.apply(t, string(examples.Demo), false); len(done.Steps) < len(dry.Steps) {
		t.Errorf("made %d steps of %d", len(done.Steps), len(dry.Steps))
	}
	if again := w.apply(t, string(examples.Demo), false); len(again.Steps) != 0 || again.Steps == nil {
		t.Errorf("the second time: %v", again.Steps)
	}
	w.token(t, "batch", "demo-batch-secret")
}

func TestWhatWasExportedChangesNothingAndMakesTheSameWorldElsewhere(t *testing.T) {
	w := start(t, servertest.Options{})
	luser, pem := w.user(t, "luser1"), text(string(servertest.PublicPEM("other")))
	w.must(t, 201, "POST", "/users/"+luser+"/keys", `{"pem":`+pem+`}`, nil)
	w.must(t, 201, "POST", "/clients", `{"id":"svc","dialect":"oidc","grants":["client_credentials"],"access_token":{"life":"15m"}}`, nil)
	w.Clock.Add(time.Hour)
	exported := w.do(t, "GET", "/config", "").Body.String()
	if done := w.apply(t, exported, false); len(done.Steps) != 0 {
		t.Errorf("applied where it came from: %v", done.Steps)
	}
	if w.do(t, "GET", "/config", "").Body.String() != exported {
		t.Error("applying what was exported changed it")
	}
	other := start(t, servertest.Options{NoDemo: true})
	other.apply(t, exported, false)
	if diff := cmp.Diff(exported, other.do(t, "GET", "/config", "").Body.String()); diff != "" {
		t.Errorf("exported elsewhere: %s", diff)
	}
	other.token(t, "batch", "demo-batch-secret")
	other.faspex(t, "sam", "demo-sam")
	part := w.do(t, "GET", "/config?organization=acme", "").Body.String()
	if !strings.Contains(part, "mover") || strings.Contains(part, "luser1") {
		t.Errorf("one organization alone: %s", part)
	}
}

// text is a string as JSON.
func text(s string) string { b, _ := json.Marshal(s); return string(b) }

func TestAWorldThatWasNotCheckedIsCheckedHere(t *testing.T) {
	w := start(t, servertest.Options{})
	for name, x := range map[string]struct{ body, says string }{
		"no hash and no value": {`{"clients":[{"org":"default","id":"x","name":"x","dialect":"oidc","auth":"client_secret_basic","enabled":true,"grants":["client_credentials"],"secrets":[{"hash":""}]}]}`, "incomplete"},
		"a leaking redirect":   {`{"clients":[{"org":"default","id":"x","name":"x","dialect":"oidc","auth":"none","enabled":true,"grants":["authorization_code"],"redirect_uris":["http://evil.example/cb"]}]}`, "client x"},
		"an unknown user":      {`{"clients":[{"org":"acme","id":"mover","name":"x","dialect":"aoc","auth":"client_secret","enabled":true,"grants":["urn:ietf:params:oauth:grant-type:jwt-bearer"]}],"listed":[{"organization":"acme","client":"mover","realm":"local","users":["nobody"]}]}`, "nobody"},
		"somebody's host":      {`{"organizations":[{"id":"default","name":"d","default":true,"hosts":["a.example"]},{"id":"thief","name":"t","hosts":["a.example"]}]}`, "thief: duplicate host; keep"},
		"no such organization": {`{"users":[{"org":"nowhere","realm":"local","name":"x","enabled":true}]}`, "nowhere"},
	} {
		p := w.problem(t, 400, "POST", "/config", x.body)
		if b, _ := json.Marshal(p); !strings.Contains(string(b), x.says) {
			t.Errorf("%s: %s", name, b)
		}
	}
}

func TestNobodyTakesTheHostOfAnotherOrganization(t *testing.T) {
	w := start(t, servertest.Options{})
	w.must(t, 201, "POST", "/organizations", `{"id":"one","hosts":["one.example"],"prefixes":["/one"]}`, nil)
	if p := w.problem(t, 409, "POST", "/organizations", `{"id":"two","hosts":["one.example"]}`); p.Errors[0].Pointer != "/hosts/0" {
		t.Errorf("points at %v", p.Errors)
	}
	if p := w.problem(t, 409, "POST", "/organizations", `{"id":"two","prefixes":["/two","/one"]}`); p.Errors[0].Pointer != "/prefixes/1" {
		t.Errorf("points at %v", p.Errors)
	}
}

func TestAMergePatchChangesWhatItNamesAndNothingElse(t *testing.T) {
	w := start(t, servertest.Options{})
	var before, after Client
	w.must(t, 200, "GET", "/clients/client_id", "", &before)
	w.must(t, 200, "PATCH", "/clients/client_id", `{"name":"Other","default_scope":null,"access_token":{"life":3600},"refresh_token":{"life":"30d"}}`, &after)
	month, hour := int64(30*86400), int64(3600)
	want := before
	want.Name, want.DefaultScope = "Other", nil
	want.AccessToken, want.RefreshToken = &AccessToken{Life: &hour}, &RefreshToken{Life: &month}
	want.Version, want.Updated = after.Version, after.Updated
	if diff := cmp.Diff(want, after); diff != "" {
		t.Error(diff)
	}
	after = Client{}
	w.must(t, 200, "PATCH", "/clients/client_id", `{"access_token":null}`, &after)
	if after.AccessToken != nil {
		t.Error("a life that was taken back is still there")
	}

	var u User
	w.must(t, 200, "PATCH", "/users/"+w.user(t, "sam"), `{"groups":["dev"],"attributes":{"faspex":{"admin":true},"shoe":"44"}}`, &u)
	faspex, _ := u.Attributes["faspex"].(map[string]any)
	if u.Email != "sam@example.com" || len(u.Groups) != 1 || u.Attributes["shoe"] != "44" || faspex["admin"] != true || faspex["uploads_allowed"] != true {
		t.Errorf("the user is now %+v", u)
	}
	w.faspex(t, "sam", "demo-sam") // the password is what it was
}

func TestAUserIsUnlockedAndAPasswordEndsTheTokensBefore(t *testing.T) {
	w := start(t, servertest.Options{})
	id, access := w.user(t, "sam"), ""
	access, _ = w.faspex(t, "sam", "demo-sam")
	for range 10 {
		if err := w.Core.Users.Throttle.Failed(t.Context(), "default/local/sam", "192.0.2.1"); err != nil {
			t.Fatal(err)
		}
	}
	var u User
	if w.must(t, 200, "GET", "/users/"+id, "", &u); u.Failures != 10 || u.LockedUntil == 0 {
		t.Errorf("after ten failures: %+v", u)
	}
	w.must(t, 204, "POST", "/users/"+id+"/unlock", "", nil)
	u = User{}
	if w.must(t, 200, "GET", "/users/"+id, "", &u); u.Failures != 0 || u.LockedUntil != 0 {
		t.Errorf("unlocked: %+v", u)
	}
	w.Clock.Add(time.Second)
	w.must(t, 204, "PUT", "/users/"+id+"/password", `{"password":"correct horse battery"}`, nil)
	if x := explain(t, w, access); x.Accepted || !strings.Contains(x.Verdict, "revoked") {
		t.Errorf("a token from before: %+v", x)
	}
	w.faspex(t, "sam", "correct horse battery")
}

func TestTheLastSecretOfAClientStays(t *testing.T) {
	w := start(t, servertest.Options{})
	w.problem(t, 409, "DELETE", "/clients/batch/secrets/1", "")
	w.problem(t, 409, "POST", "/clients/spa/secrets", "")
	for range 4 {
		w.must(t, 201, "POST", "/clients/batch/secrets", "", nil)
	}
	var c Client
	if w.must(t, 200, "GET", "/clients/batch", "", &c); len(c.Secrets) != 3 {
		t.Errorf("%d secrets", len(c.Secrets))
	}
}

func TestARealmWithUsersAndTheDefaultOneStay(t *testing.T) {
	w := start(t, servertest.Options{})
	w.must(t, 201, "POST", "/realms", `{"name":"partners"}`, nil)
	w.problem(t, 409, "POST", "/realms", `{"name":"partners"}`)
	w.must(t, 201, "POST", "/users", `{"name":"eve","realm":"partners"}`, nil)
	if p := w.problem(t, 409, "DELETE", "/realms/partners", ""); !strings.Contains(p.Detail, "1 users") {
		t.Errorf("says %q", p.Detail)
	}
	w.problem(t, 409, "DELETE", "/realms/local", "")
	var l List[Realm]
	if w.must(t, 200, "GET", "/realms", "", &l); len(l.Items) != 2 || *l.Items[1].Users != 1 {
		t.Errorf("realms: %+v", l.Items)
	}
}

// FuzzMerge: merging a patch twice is merging it once, and what the patch does not
// name stays (RFC 7396 §2).
func FuzzMerge(f *testing.F) {
	f.Add(`{"a":{"b":1},"c":2}`, `{"a":{"b":null,"d":3}}`)
	f.Add(`{"a":1}`, `{"a":{"b":null}}`)
	f.Fuzz(func(t *testing.T, target, patch string) {
		var x, y, p map[string]any
		if json.Unmarshal([]byte(target), &x) != nil || json.Unmarshal([]byte(target), &y) != nil || json.Unmarshal([]byte(patch), &p) != nil {
			return
		}
		once := merge(x, p)
		twice := merge(merge(y, p), p)
		if diff := cmp.Diff(once, twice); diff != "" {
			t.Error(diff)
		}
		for name := range p {
			if _, there := once[name]; there != (p[name] != nil) {
				t.Errorf("%q is there: %v", name, there)
			}
		}
	})
}

// FuzzBody: whatever is sent to the routes that read bodies, the answer is no fault
// of ours, and nothing is changed by a refusal.
func FuzzBody(f *testing.F) {
	for _, s := range []string{`{}`, `{"id":"x","dialect":"oidc"}`, `{"name":"\u202e"}`, `{"clients":[{}]}`, `[`, `{"token":"a.b.c"}`, `{"settings":{"a":1e999}}`} {
		f.Add(s)
	}
	s := servertest.Start(f, servertest.Options{})
	w := &world{s, Handler(s.Server)}
	f.Fuzz(func(t *testing.T, body string) {
		if body == "" {
			return
		}
		for _, path := range []string{"/clients", "/config?dry=true", "/realms", "/tokens/explain", "/keys/retire", "/tokens/revoke"} {
			if out := w.do(t, "POST", path, body); out.Code >= 500 {
				t.Errorf("POST %s: %d %s", path, out.Code, out.Body)
			}
		}
		if out := w.do(t, "PATCH", "/clients/batch", body); out.Code >= 500 {
			t.Errorf("PATCH: %d %s", out.Code, out.Body)
		}
	})
}
