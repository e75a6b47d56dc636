// Package saml_test runs identity providers of others, unmodified, against the
// verifier: they read our metadata and our requests, we read theirs and their
// responses, and a third program confirms the signatures.
package saml_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"jeton/internal/audit"
	"jeton/internal/identity/saml"
	"jeton/internal/identity/saml/samltest"
	"jeton/internal/oauth"
)

const (
	us  = "https://tokens.example/saml?tenant=a&b"
	acs = "https://tokens.example/auth/saml/callback"
)

// program is one identity provider's program.
type program struct {
	name    string
	command func(dir, signed string) *exec.Cmd
	mapping saml.Mapping
	person  saml.Person
}

var programs = []program{
	{
		name: "pysaml2",
		command: func(dir, signed string) *exec.Cmd {
			// The system's Python has pysaml2 from its package.
			return exec.Command("/usr/bin/python3", "-B", "provider.py", dir+"/key.pem", dir+"/cert.pem", dir+"/sp.xml", signed)
		},
		mapping: saml.Mapping{User: "urn:mace:dir:attribute-def:uid", Email: "urn:mace:dir:attribute-def:mail", DisplayName: "urn:mace:dir:attribute-def:displayName", Groups: "urn:mace:dir:attribute-def:eduPersonAffiliation"},
		person:  saml.Person{User: "ada", Email: "ada@example.org", DisplayName: "Ädä & <Lovelace>", Groups: []string{"staff", "member"}},
	},
	{
		name: "samlp",
		command: func(dir, signed string) *exec.Cmd {
			cmd := exec.Command("node", "--no-deprecation", "provider.mjs", dir+"/key.pem", dir+"/cert.pem", us, acs, signed)
			cmd.Dir = "node"
			return cmd
		},
		mapping: saml.Mapping{
			Email:       "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress",
			GivenName:   "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/givenname",
			FamilyName:  "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/surname",
			DisplayName: "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name",
			Groups:      "http://schemas.passportjs.com/groups",
		},
		person: saml.Person{User: "ada", Email: "ada@example.org", GivenName: "Ada", FamilyName: "Lovelace", DisplayName: "Ädä & <Lovelace>", Groups: []string{"staff", "member"}},
	},
}

// running is a program that listens.
type running struct {
	dir      string
	provider *saml.Provider
}

// start runs p until the test ends and reads its metadata.
func start(t *testing.T, p program, signed string) running {
	t.Helper()
	dir := t.TempDir()
	key, certificate := keyPair(t, "key of "+p.name)
	sp, err := saml.SPMetadata(us, acs)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{
		"key.pem": []byte(key), "cert.pem": []byte(certificate), "sp.xml": sp,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	metadata := fetch(t, http.MethodGet, run(t, p.command(dir, signed)), nil)
	provider, err := saml.ParseMetadata([]byte(metadata), time.Now())
	if err != nil {
		t.Fatalf("%v in\n%s", err, metadata)
	}
	provider.Name = p.name
	return running{dir, provider}
}

// keyPair is a private key and its certificate as PEM, the same for the same name.
func keyPair(t *testing.T, name string) (key, certificate string) {
	t.Helper()
	i := samltest.New(name)
	der, err := x509.MarshalPKCS8PrivateKey(i.Key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), i.Certificate
}

// run starts a program and gives the address it prints. It ends with its standard
// input, and is killed should it not.
func run(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	var log bytes.Buffer
	cmd.Stderr = &log
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v (make deps installs what is needed)", err)
	}
	late := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	t.Cleanup(func() {
		stdin.Close()
		_ = cmd.Wait()
		late.Stop()
		if t.Failed() {
			t.Logf("%s: %s", cmd.Path, log.String())
		}
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("%s did not start: %v (make deps installs what is needed)", strings.Join(cmd.Args, " "), err)
	}
	return strings.TrimSpace(line)
}

func fetch(t *testing.T, method, address string, form url.Values) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s, %v\n%s", method, address, res.Status, err, b)
	}
	return string(b)
}

var (
	input = regexp.MustCompile(`(?s)<input[^>]*?name="([^"]*)"[^>]*?value="([^"]*)"`)
	form  = regexp.MustCompile(`(?s)<form[^>]*?action="([^"]*)"`)
)

// posted reads the page that would post the response: what a browser would do.
func posted(t *testing.T, page string) (response, relayState string) {
	t.Helper()
	if to := form.FindStringSubmatch(page); to == nil || html.UnescapeString(to[1]) != acs {
		t.Fatalf("the page posts to %q:\n%s", to, page)
	}
	for _, field := range input.FindAllStringSubmatch(page, -1) {
		switch v := html.UnescapeString(field[2]); field[1] {
		case "SAMLResponse":
			response = v
		case "RelayState":
			relayState = v
		}
	}
	return response, relayState
}

// signIn sends a request by a binding and gives the response.
func (r running) signIn(t *testing.T, q saml.AuthnRequest, binding string) string {
	t.Helper()
	const state = "state & <more>"
	var page string
	if binding == saml.BindingRedirect {
		to, err := q.Redirect(r.provider, state)
		if err != nil {
			t.Fatal(err)
		}
		page = fetch(t, http.MethodGet, to, nil)
	} else {
		to, request, err := q.Form(r.provider)
		if err != nil {
			t.Fatal(err)
		}
		page = fetch(t, http.MethodPost, to, url.Values{"SAMLRequest": {request}, "RelayState": {state}})
	}
	response, back := posted(t, page)
	if back != state {
		t.Errorf("RelayState came back as %q", back)
	}
	return response
}

// confirmed has xmlsec1 verify every signature.
func (r running) confirmed(t *testing.T, doc []byte, signed string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, "doc.xml"), doc, 0o600); err != nil {
		t.Fatal(err)
	}
	places := map[string]string{"response": "/*/*[local-name()='Signature']", "assertion": "/*/*[local-name()='Assertion']/*[local-name()='Signature']"}
	for part, place := range places {
		if signed != part && signed != "both" {
			continue
		}
		cmd := exec.Command("xmlsec1", "--verify", "--enabled-key-data", "key-name", "--pubkey-cert-pem", "cert.pem",
			"--id-attr:ID", samltest.Assertion+":Assertion", "--id-attr:ID", samltest.Protocol+":Response", "--node-xpath", place, "doc.xml")
		cmd.Dir = r.dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("xmlsec1 on the %s: %v (make deps installs it)\n%s", part, err, out)
		}
	}
}

func TestProvidersOfOthersSignPeopleInHere(t *testing.T) {
	for _, p := range programs {
		for _, signed := range []string{"assertion", "response", "both"} {
			t.Run(p.name+" with "+signed+" signed", func(t *testing.T) {
				t.Parallel()
				r := start(t, p, signed)
				for _, binding := range []string{saml.BindingRedirect, saml.BindingPost} {
					q := saml.AuthnRequest{ID: saml.NewID(), EntityID: us, ACS: acs, At: time.Now()}
					r.check(t, p, q, r.signIn(t, q, binding), signed)
				}
			})
		}
	}
}

// check verifies one response, compares what it says, has the signature confirmed,
// and sees that a changed one and one for somebody else are refused.
func (r running) check(t *testing.T, p program, q saml.AuthnRequest, response, signed string) {
	t.Helper()
	doc, err := base64.StdEncoding.DecodeString(response)
	if err != nil {
		t.Fatal(err)
	}
	e := saml.Expect{Provider: r.provider, Audience: []string{us}, Recipient: []string{acs}, Request: q.ID, Now: time.Now()}
	a, why, err := verify(t, response, e)
	if err != nil {
		t.Fatalf("refused at %s\n%s", why, doc)
	}
	if a.NameID != "ada" || a.InResponseTo != q.ID || a.AuthnInstant.IsZero() || time.Until(a.NotOnOrAfter) > 5*time.Minute {
		t.Errorf("%+v", a)
	}
	person, err := p.mapping.Person(t.Context(), a)
	if d := cmp.Diff(p.person, person); d != "" || err != nil {
		t.Errorf("%v %s\nattributes %v", err, d, a.Attributes)
	}
	r.confirmed(t, doc, signed)

	changed := samltest.Encode(bytes.ReplaceAll(doc, []byte(">ada<"), []byte(">eve<")))
	if _, why, err = verify(t, changed, e); !oauth.Is(err, oauth.BadAssertion) || !strings.HasPrefix(why, "signature") {
		t.Errorf("a changed response: %v at %s", err, why)
	}
	for check, change := range map[string]func(e *saml.Expect){
		"audience":     func(e *saml.Expect) { e.Audience = []string{"https://other.example"} },
		"destination":  func(e *saml.Expect) { e.Recipient = []string{"https://other.example"} },
		"InResponseTo": func(e *saml.Expect) { e.Request = saml.NewID() },
		"NotOnOrAfter": func(e *saml.Expect) { e.Now = e.Now.Add(10 * time.Minute) },
	} {
		other := e
		change(&other)
		if _, why, err = verify(t, response, other); !oauth.Is(err, oauth.BadAssertion) || !strings.HasPrefix(why, check) {
			t.Errorf("%s: %v at %s", check, err, why)
		}
	}
}

// verify gives the assertion, or the check that failed.
func verify(t *testing.T, response string, e saml.Expect) (a *saml.Assertion, why string, err error) {
	t.Helper()
	rec := &audit.Record{}
	a, err = saml.Verify(audit.With(t.Context(), rec), response, e)
	if n := len(rec.Checks); n > 0 {
		c := rec.Checks[n-1]
		why = fmt.Sprintf("%s: want %s, got %s", c.Name, c.Want, c.Got)
	}
	return a, why, err
}
