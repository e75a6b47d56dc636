package rp_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// proxy is a configuration of oauth2-proxy whose upstream is a status.
const proxy = `
http_address = "127.0.0.1:%[1]s"
redirect_url = "http://127.0.0.1:%[1]s/oauth2/callback"
provider = "oidc"
oidc_issuer_url = %[2]q
client_id = "rp"
client_secret = %[3]q
scope = "openid profile email groups"
code_challenge_method = "S256"
email_domains = ["rp.example"]
allowed_groups = ["staff"]
upstreams = ["static://202"]
cookie_secret = "0123456789abcdef0123456789abcdef"
cookie_secure = false
cookie_refresh = "1s"
skip_provider_button = true
skip_auth_routes = ['GET=^/favicon\.ico$']
whitelist_domains = [%[4]q]
`

// The program is built by make deps from the version the module in oauth2proxy names.
func TestOAuth2ProxyProtectsASite(t *testing.T) {
	program, err := filepath.Abs("../../.tools/oauth2-proxy")
	if err != nil {
		t.Fatal(err)
	}
	j := serve(t)
	listen := port(t)
	site := "http://127.0.0.1:" + listen
	j.register(t, "rp", site+"/oauth2/callback", site+"/ping")
	file := filepath.Join(t.TempDir(), "proxy.cfg")
	if err := os.WriteFile(file, fmt.Appendf(nil, proxy, listen, j.URL, secret, hostOf(t, j.URL)), 0o600); err != nil {
		t.Fatal(err)
	}
	log := run(t, exec.Command(program, "--config", file))
	answers(t, site, log)
	p := j.person(t, site)

	p.open(site + "/reports")
	p.signIn()
	p.allow()
	p.at(site + "/reports")
	if p.Status != http.StatusAccepted {
		t.Fatalf("the upstream was not reached\n%s", p.page)
	}
	p.open(site + "/oauth2/userinfo")
	var who struct {
		User, Email       string
		PreferredUsername string
		Groups            []string
	}
	p.json(&who)
	if who.Email != "ada@rp.example" || who.PreferredUsername != "ada" || len(who.Groups) != 1 || who.Groups[0] != "staff" {
		t.Errorf("the proxy knows %+v", who)
	}

	until(t, "the proxy refreshes (cookie_refresh)", func() bool {
		p.open(site + "/reports")
		p.at(site + "/reports")
		return j.refreshed()
	})

	out := j.URL + "/oauth2/logout?id_token_hint={id_token}&post_logout_redirect_uri=" + url.QueryEscape(site+"/ping")
	p.open(site + "/oauth2/sign_out?rd=" + url.QueryEscape(out))
	p.at(site + "/ping")
	p.open(site + "/reports")
	p.wants("Sign in", clientName)

	// Without an ID token nobody is signed out unasked.
	p.prove()
	p.at(site + "/reports")
	p.open(site + "/oauth2/sign_out?rd=" + url.QueryEscape(j.URL+"/oauth2/logout"))
	p.wants("Sign out?", "Ada Lovelace")
	p.press("Sign out")
	if !strings.Contains(p.Text, "signed out") {
		t.Errorf("after signing out\n%s", p.page)
	}
	p.open(site + "/reports")
	p.wants("Sign in", clientName)
}
