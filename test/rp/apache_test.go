package rp_test

import (
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// httpd is a configuration of Apache that protects everything behind it. It starts
// nothing but what it needs and keeps its files in a folder of the test.
const httpd = `
ServerRoot %[1]q
ServerName 127.0.0.1
Listen 127.0.0.1:%[2]s
PidFile httpd.pid
DefaultRuntimeDir %[1]q
ErrorLog /dev/stderr
LogLevel warn auth_openidc:info
Mutex pthread
StartServers 1
ServerLimit 2
MaxRequestWorkers 50
%[3]s
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authn_core_module /usr/lib/apache2/modules/mod_authn_core.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule authz_user_module /usr/lib/apache2/modules/mod_authz_user.so
LoadModule headers_module /usr/lib/apache2/modules/mod_headers.so
LoadModule proxy_module /usr/lib/apache2/modules/mod_proxy.so
LoadModule proxy_http_module /usr/lib/apache2/modules/mod_proxy_http.so
LoadModule auth_openidc_module /usr/lib/apache2/modules/mod_auth_openidc.so

OIDCProviderMetadataURL %[4]s/.well-known/openid-configuration
OIDCClientID rp
OIDCClientSecret %[5]q
OIDCPKCEMethod S256
OIDCScope "openid profile email groups"
OIDCRedirectURI http://127.0.0.1:%[2]s/callback
OIDCDefaultLoggedOutURL http://127.0.0.1:%[2]s/bye
OIDCCryptoPassphrase for-this-test-alone
OIDCRemoteUserClaim email
OIDCRefreshAccessTokenBeforeExpiry 100000
OIDCSessionInactivityTimeout 60
%[6]s

ProxyPass / %[7]s/
<Location />
  AuthType openid-connect
  Require valid-user
  RequestHeader set X-Remote-User "expr=%%{REMOTE_USER}"
</Location>
<LocationMatch "^/(bye|favicon\.ico)$">
  AuthType none
  Require all granted
</LocationMatch>
`

// upstream is a site that believes what the web server before it says: it shows who is
// signed in by the headers that came.
func upstream(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got := map[string]string{"path": r.URL.Path}
		for name := range r.Header {
			if strings.HasPrefix(name, "Oidc_") || name == "X-Remote-User" {
				got[strings.ToLower(name)] = r.Header.Get(name)
			}
		}
		b, err := json.Marshal(got)
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, `<!doctype html><html lang="en"><head><title>Site</title><link rel="icon" href="data:,"></head><body>%s</body></html>`, html.EscapeString(string(b)))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// apache runs one with lines of its own.
func apache(t *testing.T, j *jeton, lines ...string) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "jeton-rp-apache-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	who := ""
	if os.Getuid() == 0 {
		who = "User www-data\nGroup www-data"
	}
	listen := port(t)
	text := fmt.Sprintf(httpd, folder, listen, who, j.URL, secret, strings.Join(lines, "\n"), upstream(t))
	file := filepath.Join(folder, "httpd.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/usr/sbin/apache2", "-f", file, "-DFOREGROUND")
	log := run(t, cmd)
	at := "http://127.0.0.1:" + listen
	answers(t, at, log)
	return at
}

func TestApacheProtectsASite(t *testing.T) {
	for name, row := range map[string]struct{ lines, client []string }{
		"query":                   {nil, nil},
		"form_post, ES256":        {[]string{"OIDCResponseMode form_post", "OIDCIDTokenSignedResponseAlg ES256"}, []string{"id_token: {alg: ES256}"}},
		"request by a form, JWTs": {[]string{"OIDCProviderAuthRequestMethod POST", "OIDCUserInfoSignedResponseAlg RS256"}, []string{"userinfo_signed_response_alg: RS256"}},
	} {
		t.Run(name, func(t *testing.T) {
			j := serve(t)
			site := apache(t, j, row.lines...)
			j.register(t, "rp", site+"/callback", site+"/bye", append(row.client, "backchannel_logout_uri: "+site+"/callback?logout=backchannel")...)
			p := j.person(t, site)

			p.open(site + "/reports?of=may")
			p.signIn()
			p.allow()
			p.at(site + "/reports?of=may")
			p.throughApache()

			// Its access token is refreshed at each request (OIDCRefreshAccessTokenBeforeExpiry).
			p.open(site + "/reports")
			p.throughApache()
			if !j.refreshed() {
				t.Errorf("refreshed with %v", j.called("/oauth2/token", "refresh_token"))
			}

			// The site asks for the sign-out.
			p.open(site + "/callback?logout=" + url.QueryEscape(site+"/bye"))
			p.at(site + "/bye")
			if pages := p.ourPages(); len(pages) != 1 || !strings.Contains(pages[0], "/logout?r=") {
				t.Errorf("signing out showed %q", pages)
			}
			p.open(site + "/reports")
			p.wants("Sign in", clientName)
			p.prove() // allowed before
			p.at(site + "/reports")
			p.throughApache()

			// The person signs out here: the site is told.
			p.open(j.URL + "/logout")
			p.wants("Sign out?", "Ada Lovelace")
			p.press("Sign out")
			until(t, "the site ends its session", func() bool {
				p.open(site + "/reports")
				return p.Heading == "Sign in"
			})
		})
	}
}

func (p *person) throughApache() {
	p.Helper()
	var got map[string]string
	p.json(&got)
	want := map[string]string{
		"x-remote-user": "ada@rp.example", "oidc_claim_email": "ada@rp.example", "oidc_claim_given_name": "Ada",
		"oidc_claim_iss": p.jeton.URL, "oidc_claim_aud": "rp", "oidc_claim_groups": "staff",
	}
	for name, value := range want {
		if got[name] != value {
			p.Errorf("%s is %q, want %q\n%s", name, got[name], value, p.page)
		}
	}
}
