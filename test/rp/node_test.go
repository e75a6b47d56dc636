package rp_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"testing"
)

// known is what the sites of these tests show of whoever is signed in.
type known struct {
	Claims struct {
		Iss, Sub, Aud, Nonce, Sid string
		Exp, Iat                  int64
		AuthTime                  int64 `json:"auth_time"`
	}
	Info struct {
		Iss, Aud, Sub, Email, Name string
		Verified                   bool `json:"email_verified"`
		Groups                     []string
	}
	Header         struct{ Alg string }
	ID             string
	Token, Refresh string

	// Of a refusal.
	Error, Message, Cause string

	// Of the page after signing out.
	SignedOut bool
	State     string
}

// ada demands that the site knows who signed in, from an ID token and userinfo.
func (k known) ada(t *testing.T, j *jeton) {
	t.Helper()
	if k.Claims.Iss != j.URL || k.Claims.Aud != "rp" || k.Claims.Sub == "" || k.Claims.Sid == "" || k.Claims.Exp <= k.Claims.Iat {
		t.Fatalf("ID token: %+v", k)
	}
	if k.Info.Sub != k.Claims.Sub || k.Info.Email != "ada@rp.example" || !k.Info.Verified || k.Info.Name != "Ada Lovelace" || len(k.Info.Groups) != 1 {
		t.Fatalf("userinfo: %+v", k)
	}
	if k.Token == "" || k.Refresh == "" {
		t.Fatalf("tokens: %+v", k)
	}
}

// shown is what the site says of whoever is signed in.
func (p *person) shown() (k known) {
	p.Helper()
	p.json(&k)
	return k
}

// javascript runs node/app.mjs with a library.
func javascript(t *testing.T, j *jeton, id, library, alg, userinfo string) string {
	t.Helper()
	settings, err := json.Marshal(map[string]string{
		"issuer": j.URL, "id": id, "secret": secret, "scope": "openid profile email groups", "alg": alg, "userinfoAlg": userinfo,
	})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", "app.mjs", library, string(settings))
	cmd.Dir = "node"
	return site(t, cmd)
}

func TestJavaScriptSitesSignPeopleInAndOut(t *testing.T) {
	for name, row := range map[string]struct{ client, alg, userinfo string }{
		"openid-client":                {"openid-client", "RS256", ""},
		"openid-client, ES256, signed": {"openid-client", "ES256", "ES256"},
		"oauth4webapi, PS256, signed":  {"oauth4webapi", "PS256", "PS256"},
	} {
		t.Run(name, func(t *testing.T) {
			j := serve(t)
			app := javascript(t, j, "rp", row.client, row.alg, row.userinfo)
			more := []string{"id_token: {alg: " + row.alg + "}"}
			if row.userinfo != "" {
				more = append(more, "userinfo_signed_response_alg: "+row.userinfo)
			}
			j.register(t, "rp", app+"/callback", app+"/bye", more...)
			p := j.person(t, app)

			// Nobody is signed in yet, and says so without a page.
			p.open(app + "/login?prompt=none")
			p.refused("login_required")

			p.open(app + "/login")
			p.signIn()
			p.allow()
			p.at(app + "/")
			first := p.shown()
			first.ada(t, j)
			if first.Header.Alg != row.alg || first.Claims.Nonce == "" {
				t.Errorf("ID token %+v", first)
			}
			if signed := row.userinfo != ""; signed != (first.Info.Iss == j.URL && first.Info.Aud == "rp") {
				t.Errorf("userinfo %+v, want signed: %t", first.Info, signed)
			}
			p.back(app+"/callback", http.MethodGet)

			p.open(app + "/refresh")
			second := p.shown()
			second.ada(t, j)
			if second.Token == first.Token || second.Refresh == first.Refresh || second.Claims.Sid != first.Claims.Sid || second.Claims.AuthTime != first.Claims.AuthTime {
				t.Errorf("refreshed %+v, before %+v", second, first)
			}

			p.open(app + "/logout")
			p.at(app + "/bye")
			if k := p.shown(); !k.SignedOut || k.State != "bye & <state>" {
				t.Errorf("after signing out: %+v", k)
			}
			if pages := p.ourPages(); len(pages) != 1 || !strings.Contains(pages[0], "/logout?r=") {
				t.Errorf("signing out showed %q", pages)
			}
			p.open(app + "/login?prompt=none")
			p.refused("login_required")
		})
	}
}

func TestAJavaScriptSiteAsksForMoreThanASignIn(t *testing.T) {
	j := serve(t)
	app := javascript(t, j, "rp", "openid-client", "RS256", "")
	j.register(t, "rp", app+"/callback", app+"/bye")
	p := j.person(t, app)

	p.open(app + "/login?response_mode=form_post")
	p.signIn()
	p.allow()
	p.at(app + "/")
	first := p.shown()
	first.ada(t, j)
	sent := p.back(app+"/callback", http.MethodPost)
	for _, d := range p.asked(j.URL + "/continue") {
		if strings.Contains(d.Policy, "form-action") || !strings.Contains(d.Policy, "script-src 'self'") {
			t.Errorf("%s has the policy %q", d, d.Policy)
		}
	}
	if sent.Origin != "null" || sent.Site != "cross-site" {
		t.Errorf("the form came from %q, %q", sent.Origin, sent.Site)
	}

	// Who is signed in and has allowed it sees none of our pages.
	for _, how := range []string{"", "?prompt=none", "?max_age=3600", "?login_hint=ada&ui_locales=fr"} {
		p.open(app + "/login" + how)
		p.at(app + "/")
		p.shown().ada(t, j)
		if pages := p.ourPages(); len(pages) != 0 {
			t.Errorf("%s showed %q", how, pages)
		}
	}
	p.open(app + "/login?prompt=none&response_mode=form_post")
	p.shown().ada(t, j)
	p.back(app+"/callback", http.MethodPost)

	for _, how := range []string{"?max_age=0", "?prompt=login"} {
		before := p.shown().Claims.AuthTime
		p.open(app + "/login" + how)
		p.signInAgain()
		p.at(app + "/")
		k := p.shown()
		if k.ada(t, j); k.Claims.AuthTime < before || k.Claims.Sub != first.Claims.Sub {
			t.Errorf("%s: %+v, before %d", how, k, before)
		}
	}

	p.open(app + "/login?prompt=consent")
	p.wants("Allow "+clientName+" to use your account?", "Already allowed")
	p.press("Deny")
	p.refused("access_denied")

	p.open(app + "/login?scope=openid+elsewhere")
	p.refused("invalid_scope")
	p.open(app + "/login?response_mode=form_post&prompt=none+login")
	p.refused("invalid_request")
	p.back(app+"/callback", http.MethodPost)
}

func TestSitesLearnThatAPersonSignedOutElsewhere(t *testing.T) {
	j := serve(t)
	parties := map[string]string{}
	for id, row := range map[string]struct{ client, alg string }{"one": {"openid-client", "ES256"}, "two": {"oauth4webapi", "RS256"}} {
		app := javascript(t, j, id, row.client, row.alg, "")
		j.register(t, id, app+"/callback", app+"/bye", "id_token: {alg: "+row.alg+"}", "backchannel_logout_uri: "+app+"/backchannel")
		parties[id] = app
	}
	p := j.person(t, parties["one"], parties["two"])
	other := j.person(t, parties["two"])
	for who, apps := range map[*person][]string{p: {"one", "two"}, other: {"two"}} {
		for i, id := range apps {
			who.open(parties[id] + "/login")
			if i == 0 {
				who.signIn()
			}
			if who.Heading != "" { // ours: the same person may have allowed it in another browser
				who.allow()
			}
			if who.at(parties[id] + "/"); who.shown().Claims.Sid == "" {
				t.Fatalf("not signed in\n%s", who.page)
			}
		}
	}

	p.open(parties["one"] + "/logout")
	p.at(parties["one"] + "/bye")
	until(t, "the other site learns of it", func() bool {
		p.open(parties["two"] + "/")
		return p.shown().Claims.Sid == ""
	})
	if other.open(parties["two"] + "/"); other.shown().Claims.Sid == "" {
		t.Error("the session of another browser ended too")
	}
	other.open(parties["two"] + "/refresh")
	if k := other.shown(); k.Error != "" || k.Token == "" {
		t.Errorf("another browser's tokens: %+v", k)
	}
}

// refused demands that the site was told so, by the server it asked.
func (p *person) refused(code string) {
	p.Helper()
	if k := p.shown(); p.Status != http.StatusBadGateway || k.Error != code {
		p.Fatalf("want %s\n%s", code, p.page)
	}
}

// back demands that the browser was sent back to the site once, with the server's
// name (RFC 9207 §2) and without telling where it came from.
func (p *person) back(callback, method string) document {
	p.Helper()
	found := p.asked(callback)
	if len(found) != 1 || found[0].Method != method {
		p.Fatalf("sent back by %q, want once by %s\n%s", found, method, p.page)
	}
	d := found[0]
	u, err := url.Parse(d.URL)
	if err != nil {
		p.Fatal(err)
	}
	values := u.Query()
	if method == http.MethodPost {
		if values, err = url.ParseQuery(d.Form); err != nil {
			p.Fatal(err)
		}
	}
	if values.Get("iss") != p.jeton.URL || values.Get("state") == "" {
		p.Fatalf("sent back with %v", values)
	}
	return d
}
