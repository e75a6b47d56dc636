package config

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io/fs"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"jeton/internal/client"
)

const drawing = `<?xml version="1.0"?>
<!-- a mark -->
<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 10 10">
  <defs><linearGradient id="g"><stop offset="0" stop-color="#fff"/></linearGradient></defs>
  <title>Example</title>
  <g fill="url(#g)" style="stroke:#000"><path d="M0 0h10v10z"/><use xlink:href="#g"/></g>
</svg>`

var certificate = func() string {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err) // no test could begin
	}
	return certificateOf(k)
}()

// certificateOf makes a certificate that ended long ago, as those of identity
// providers often have.
func certificateOf(key crypto.Signer) string {
	form := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1, 0)}
	der, err := x509.CreateCertificate(rand.Reader, form, form, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func TestWhatBrowsersNeedIsReadAsItIsMeant(t *testing.T) {
	w, ps := Load("browser.yaml", read(t, "browser.yaml"), options(t))
	if len(ps) > 0 {
		t.Fatal(lines(ps))
	}
	org := w.Orgs[0]
	if logo, _ := base64.StdEncoding.DecodeString(org.Brand.Logo); string(logo) != drawing || org.Brand.Accent != "#0B5cad" {
		t.Errorf("brand: %+v", org.Brand)
	}
	if diff := cmp.Diff(client.SessionLife{Idle: 8 * 3600, Life: 30 * 86400}, org.Session); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]client.Provider{
		{Name: "adfs", Title: "Company sign-in", Number: 2, EntityID: "urn:idp", SSO: "https://idp.example.com/sso", SSOBinding: "post", Certificates: []string{certificate},
			Realm: "partners", Create: true, Attributes: map[string]string{"user": "upn", "email": "mail", "groups": "memberOf"}, Groups: map[string]string{"CN=Admins": "admins"}},
		{Name: "other", Number: 1, EntityID: "https://other.example.com/idp", SSO: "https://other.example.com/sso", Certificates: []string{certificate}, Disabled: true},
	}, org.Providers); diff != "" {
		t.Error(diff)
	}
	if org.Realms[0].Title != "Staff of Example" || !w.Users[0].PasswordDue || org.Scopes["Contacts.GET"] != "Read contacts" {
		t.Errorf("realms %+v, scopes %v, user %+v", org.Realms, org.Scopes, w.Users[0])
	}
	portal, native := w.Clients[0], w.Clients[1]
	if portal.DefaultMaxAge == nil || *portal.DefaultMaxAge != 0 || *native.DefaultMaxAge != 3600 || *portal.IDTokenLife != 600 {
		t.Errorf("lives: %v %v %v", portal.DefaultMaxAge, native.DefaultMaxAge, portal.IDTokenLife)
	}
	if portal.PKCE != client.PKCEOptional || portal.Consent != client.ConsentNever || !portal.Own || portal.ReviewedAt != 1793491200 || native.PKCE != "" || native.Consent != "" {
		t.Errorf("portal %+v\nnative %+v", portal, native)
	}
	want := []client.Claim{{Name: "department", From: "dept", Scope: "profile"}, {Name: "roles", From: "groups", In: []string{client.InAccess}}}
	if diff := cmp.Diff(want, portal.Claims); diff != "" {
		t.Error(diff)
	}
}

func TestRegisteredURIsHaveOneSpellingAndLeadToOneApp(t *testing.T) {
	for _, s := range []string{
		"https://app.example/cb", "https://app.example/cb?x=1", "https://app.example", "https://app.example:8443/cb", "https://10.0.0.7/cb", "https://app_1.example/cb",
		"http://127.0.0.1/cb", "http://127.0.0.1:49152/cb", "http://[::1]/cb", "http://localhost:3000/cb", // redir-09
		"com.example.app:/cb", "com.example.app://cb", "com.example-1.app:/cb", "https://app.example/a..b/...", // redir-11
	} {
		if text, _ := checkRedirect(s); text != "" {
			t.Errorf("%s is refused: %s", s, text)
		}
	}
	for test, list := range map[string][]string{
		"redir-01": {"https://app.example@evil.example/cb", "https://app.example:x@evil.example/cb", "https://@evil.example/cb"},
		"redir-02": {"https://app.example./cb", "https://.app.example/cb", "https://app..example/cb", "https://app.example%2eevil/cb"},
		"redir-03": {"https://app.example/cb/../x", "https://app.example/cb/..;/x", "https://app.example/cb/%2e%2e/x", "https://app.example/cb/%252e%252e/x",
			"https://app.example/cb/.%2e/x", "https://app.example/cb/..%2fx", "https://app.example/cb/..%5cx", "https://app.example/./cb", "https://app.example/..", "com.example.app:../cb"},
		"redir-04": {"https://app.example/cb#", "https://app.example/cb#x", "com.example.app:/cb#x"},
		"redir-06": {"HTTPS://app.example/cb", "https://APP.example/cb", "Com.Example.App:/cb"},
		"redir-07": {"javascript:alert(1)", "JavaScript:alert(1)", "data:text/html,x", "vbscript:x", "javascript://app.example/%0aalert(1)", "file:///etc/passwd", "blob:https://app.example/x", "about:blank"},
		"redir-08": {"http://app.example/cb", "http://localhost.evil.example/cb", "http://127.0.0.1.evil.example/cb", "http://0.0.0.0/cb", "http://2130706433/cb", "http:/cb"},
		"redir-10": {"https://*.example/cb", "https://app.example/cb*", "+", "*", ".*", "^https://app.example", "https://.+.example/cb", "https://[a-z]+.example/cb", "https://app(1|2).example/cb"},
		"redir-11": {"app:/cb", "httpx:/cb", "http.app:/cb", "https.example:/cb", "app.:/cb", "a.b..c:/cb", "1.2:/cb", ":/cb", "//app.example/cb", "/cb", ""},
		"redir-16": {"https://app.example/cb\r\nSet-Cookie: x=1", "https://app.example/c b", "https://app.example/cb\x00", "https://äpp.example/cb", "https://app.example\\@evil.example/cb"},
		"hostless": {"https:app.example/cb", "https:///cb", "https://:443/cb"},
	} {
		for _, s := range list {
			if text, next := checkRedirect(s); text == "" || next == "" {
				t.Errorf("%s: %q is taken", test, s)
			}
		}
	}
}

// FuzzRedirect: what is taken has one host, is written as it is read, and leads
// nowhere a browser runs code.
func FuzzRedirect(f *testing.F) {
	for _, s := range []string{"https://app.example/cb", "http://[::1]:80/cb?x", "com.example.app:/cb", "https://a/%252e%252e/", "javascript:alert(1)", "https://a@b/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		text, next := checkRedirect(s)
		if (text == "") != (next == "") {
			t.Fatalf("%q: %q, %q", s, text, next)
		}
		if text != "" {
			return
		}
		scheme, _, _ := strings.Cut(s, ":")
		switch {
		case strings.ContainsAny(s, "*#\\\"<> \r\n\x00") || strings.ToLower(scheme) != scheme:
			t.Fatalf("%q is taken", s)
		case scheme == "http" && !strings.HasPrefix(s, "http://localhost") && !strings.HasPrefix(s, "http://127.") && !strings.HasPrefix(s, "http://["):
			t.Fatalf("%q is taken", s)
		case scheme != "http" && scheme != "https" && !strings.Contains(scheme, "."):
			t.Fatalf("%q is taken", s)
		}
		if page, _ := checkPage(s + "#part"); page != "" && strings.HasPrefix(scheme, "http") && len(s) < 2000 && !strings.Contains(scheme, ".") {
			t.Fatalf("%q may be a redirect but no page: %s", s, page)
		}
	})
}

func TestEndpointsAreCalledOverHTTPS(t *testing.T) {
	for s, fit := range map[string]bool{
		"https://app.example/logout": true, "http://127.0.0.1:9000/logout": true, "http://localhost/logout": true,
		"http://app.example/logout": false, "com.example.app:/logout": false, "https://app.example/logout#x": false, "https://u:p@app.example/": false, "logout": false,
	} {
		if text, _ := checkEndpoint(s); (text == "") != fit {
			t.Errorf("%s: %q", s, text)
		}
	}
}

func picture(w, h int) []byte {
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, w, h))); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func TestALogoIsAPictureAndNothingElse(t *testing.T) {
	for name, b := range map[string][]byte{"png": picture(10, 10), "svg": []byte(drawing), "no declaration": []byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`)} {
		if text, _ := checkLogo(b); text != "" {
			t.Errorf("%s: %s", name, text)
		}
	}
	for name, inner := range map[string]string{
		"script":                   `<script>alert(1)</script>`,
		"script elsewhere":         `<x:script xmlns:x="http://www.w3.org/1999/xhtml">alert(1)</x:script>`,
		"foreign object":           `<foreignObject><p xmlns="http://www.w3.org/1999/xhtml">x</p></foreignObject>`,
		"event":                    `<path onload="alert(1)"/>`,
		"event in capitals":        `<path ONCLICK="alert(1)"/>`,
		"image":                    `<image href="https://evil.example/x.png"/>`,
		"link":                     `<a href="https://evil.example"><path/></a>`,
		"use elsewhere":            `<use href="https://evil.example/x.svg#a"/>`,
		"xlink elsewhere":          `<use xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href="data:image/svg+xml,x"/>`,
		"animation":                `<animate attributeName="href" to="javascript:alert(1)"/>`,
		"set":                      `<set attributeName="onload" to="x"/>`,
		"style sheet":              `<style>@import "https://evil.example/x.css";</style>`,
		"style elsewhere":          `<path style="fill:url(https://evil.example/x)"/>`,
		"style in quotes":          `<path style="fill:url( ' https://evil.example/x')"/>`,
		"style with escapes":       `<path style="fill:u\72l(https://evil.example/x)"/>`,
		"style in capitals":        `<path style="fill:URL(//evil.example/x)"/>`,
		"second reference":         `<path fill="url(#a)" style="fill:url(#b);stroke:url(//evil.example)"/>`,
		"another function":         `<path style="fill:image-set('x.png' 1x)"/>`,
		"base":                     `<g xml:base="https://evil.example/"/>`,
		"entity":                   `<text>&xxe;</text>`,
		"not closed":               `<g>`,
		"too deep":                 strings.Repeat("<g>", 100) + strings.Repeat("</g>", 100),
		"handler":                  `<handler type="text/ecmascript">x</handler>`,
		"processing instruction":   `<?xml-stylesheet href="https://evil.example/x.css"?>`,
		"an element of no drawing": `<iframe/>`,
	} {
		if text, next := checkLogo([]byte(`<svg xmlns="http://www.w3.org/2000/svg">` + inner + `</svg>`)); text == "" || next == "" {
			t.Errorf("%s is taken", name)
		}
	}
	for name, b := range map[string][]byte{
		"nothing":        nil,
		"html":           []byte(`<html><body/></html>`),
		"no namespace":   []byte(`<svg><path/></svg>`),
		"doctype":        []byte(`<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg xmlns="http://www.w3.org/2000/svg"/>`),
		"two roots":      []byte(`<svg xmlns="http://www.w3.org/2000/svg"/><svg xmlns="http://www.w3.org/2000/svg"/>`),
		"jpeg":           []byte("\xff\xd8\xff\xe0"),
		"broken png":     []byte("\x89PNG\r\n\x1a\nrubbish"),
		"enormous png":   picture(maxSide+1, 1),
		"a large file":   []byte(`<svg xmlns="http://www.w3.org/2000/svg">` + strings.Repeat(" ", maxLogo) + `</svg>`),
		"other encoding": []byte(`<?xml version="1.0" encoding="UTF-16"?><svg xmlns="http://www.w3.org/2000/svg"/>`),
	} {
		if text, next := checkLogo(b); text == "" || next == "" {
			t.Errorf("%s is taken", name)
		}
	}
}

// FuzzLogo: what is taken as SVG names no script, no event and no address but those
// of vocabularies.
func FuzzLogo(f *testing.F) {
	f.Add([]byte(drawing))
	f.Add(picture(3, 3))
	f.Add([]byte(`<svg xmlns="http://www.w3.org/2000/svg"><use href="#a"/><path style="fill:url('#b')"/></svg>`))
	f.Fuzz(func(t *testing.T, b []byte) {
		text, next := checkLogo(b)
		if (text == "") != (next == "") {
			t.Fatalf("%q, %q", text, next)
		}
		if text != "" || bytes.HasPrefix(b, []byte("\x89PNG")) {
			return
		}
		lower := strings.ToLower(string(b))
		for _, bad := range []string{"<script", "<foreignobject", "<!doctype", "<iframe", "<style", "<image"} {
			if i := strings.Index(lower, bad); i >= 0 && !strings.Contains(lower, "<!--") && !strings.Contains(lower, "<![cdata[") {
				t.Fatalf("%q is taken", b)
			}
		}
	})
}

func TestReferencesOfAnOrganizationAreFollowed(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	o := options(t)
	o.ReadFile = func(name string) ([]byte, error) {
		b, ok := map[string]string{
			"/etc/jeton/script.svg": `<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>`, "/etc/jeton/big.png": strings.Repeat("x", maxFile+1),
			"/etc/jeton/weak.crt": certificateOf(small), "/etc/jeton/two.crt": certificate + certificate, "/etc/jeton/bad.xml": "rubbish",
		}[name]
		if !ok {
			return nil, fs.ErrNotExist
		}
		return []byte(b), nil
	}
	o.Dir = "/etc/jeton"
	org := func(i int, inner string) string { return fmt.Sprintf("  - {id: o%d, %s}\n", i, inner) }
	saml := func(inner string) string {
		return "saml: [{name: x, entity_id: e, sso: https://idp.example/sso, " + inner + "}]"
	}
	text := "version: 1\norganizations:\n"
	for i, inner := range []string{
		"brand: {logo: {file: script.svg}}", "brand: {logo: {file: big.png}}", "brand: {logo: {file: none.svg}}", "brand: {logo: {}}", "brand: {logo: {file: a, base64: YQ==}}",
		saml("certificates: [{file: weak.crt}]"), saml("certificates: [{file: two.crt}]"), saml("certificates: [{}]"), saml("certificates: [{file: a, pem: b}]"),
		saml("metadata: bad.xml"), saml("metadata: https://idp.example/metadata"), saml("metadata: none.xml"),
	} {
		text += org(i, inner)
	}
	f, ps := Parse("f", []byte(text))
	_, more := Resolve(f, o)
	golden(t, "references.golden", lines(append(ps, more...)))

	o.ReadMetadata = nil
	f, _ = Parse("f", []byte("version: 1\norganizations:\n  - {id: a, saml: [{name: x, metadata: bad.xml}]}\n"))
	if _, ps := Resolve(f, o); len(ps) != 1 || !strings.Contains(ps[0].Text, "cannot be read here") {
		t.Errorf("without a reader: %s", lines(ps))
	}
}

// TestLintFollowsNoReference: a file is checked on machines that do not hold what it
// points to.
func TestLintFollowsNoReference(t *testing.T) {
	o := options(t)
	o.ReadFile = func(name string) ([]byte, error) { return nil, errors.New("read " + name) }
	f, ps := Parse("f", []byte(`version: 1
organizations:
  - {id: default, settings: {sensu: {compat: 6}}, brand: {logo: {file: a.svg}}, saml: [{name: x, metadata: a.xml, certificates: [{file: a.crt}]}]}
clients:
  - {id: c, dialect: sensu, auth: none, grants: [password]}
`))
	o.Dialects = map[string]Dialect{"sensu": {CheckScope: func(*client.Org, string) error { return nil }}}
	if ps = append(ps, Lint(f, o)...); len(ps) != 0 {
		t.Error(lines(ps))
	}
}

func TestAnAgeOfZeroIsNoLimitOfNever(t *testing.T) {
	for text, want := range map[string]Age{"0": 0, "900": 900, "15m": 900, "1d": 86400} {
		var a Age
		if wrong, ok := a.read(text); !ok || a != want {
			t.Errorf("%s reads as %d: %s", text, a, wrong)
		}
		var back Age
		if _, ok := back.read(a.String()); !ok || back != a {
			t.Errorf("%d prints as %q", int64(a), a.String())
		}
	}
	for _, text := range []string{"never", "", "-1", "soon"} {
		if _, ok := new(Age).read(text); ok {
			t.Errorf("%q is taken", text)
		}
	}
}

func TestEveryReservedClaimIsRefused(t *testing.T) {
	for _, name := range []string{"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "at_hash", "c_hash", "sid", "azp", "jti", "nbf", "client_id", "scope", "cnf"} {
		f := must(Parse("f", []byte("version: 1\nclients: [{id: c, dialect: oidc, auth: none, grants: [device_code], claims: [{name: "+name+", from: x}]}]\n")))
		ps := Lint(f, Options{})
		if !slices.ContainsFunc(ps, func(p Problem) bool { return strings.Contains(p.Text, "the server's own") }) {
			t.Errorf("%s is taken:\n%s", name, lines(ps))
		}
	}
}

func TestAnAccentNobodyCouldReadIsRefused(t *testing.T) {
	text := []byte("version: 1\norganizations:\n  - {id: acme, brand: {accent: \"#ffee00\"}}\n")
	o := Options{CheckAccent: func(hex string) error { return errors.New("too light: " + hex) }}
	f, problems := Parse("x.yaml", text)
	if len(problems) != 0 {
		t.Fatal(problems)
	}
	problems = Lint(f, o)
	if len(problems) != 1 || !strings.Contains(problems[0].String(), "too light: #ffee00") {
		t.Errorf("%v", problems)
	}
	o.CheckAccent = func(string) error { return nil }
	if problems := Lint(f, o); len(problems) != 0 {
		t.Errorf("%v", problems)
	}
}
