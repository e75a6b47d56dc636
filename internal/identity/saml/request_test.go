package saml_test

import (
	"compress/flate"
	"encoding/base64"
	"errors"
	"io"
	"net/url"
	"strings"
	"testing"

	"github.com/beevik/etree"

	"jeton/internal/identity/saml"
)

func authnRequest() saml.AuthnRequest {
	return saml.AuthnRequest{ID: request, EntityID: us + "?a=b&c=<d>", ACS: acs, At: noon}
}

const wantRequest = `<samlp:AuthnRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_0123456789abcdef" Version="2.0" IssueInstant="2026-01-02T12:00:00Z" Destination="https://idp.example/saml/sso" ProtocolBinding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" AssertionConsumerServiceURL="https://tokens.example/auth/saml/callback"><saml:Issuer>https://tokens.example/saml?a=b&amp;c=&lt;d&gt;</saml:Issuer><samlp:NameIDPolicy Format="urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified" AllowCreate="true"/></samlp:AuthnRequest>`

func TestARequestTravelsInTheAddress(t *testing.T) {
	to, err := authnRequest().Redirect(idp().Provider(), "a b&c")
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(to)
	if err != nil || u.Scheme+"://"+u.Host+u.Path != "https://idp.example/saml/sso" || u.Query().Get("RelayState") != "a b&c" {
		t.Fatalf("%s, %v", to, err)
	}
	b, err := base64.StdEncoding.DecodeString(u.Query().Get("SAMLRequest"))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := io.ReadAll(flate.NewReader(strings.NewReader(string(b))))
	if err != nil || string(doc) != wantRequest {
		t.Errorf("%v\n%s", err, doc)
	}
	p := idp().Provider()
	p.SSO[0].Location += "?tenant=1"
	if to, err = authnRequest().Redirect(p, ""); err != nil || !strings.HasPrefix(to, "https://idp.example/saml/sso?tenant=1&SAMLRequest=") || strings.Contains(to, "RelayState") {
		t.Errorf("%s, %v", to, err)
	}
}

func TestARequestTravelsInAForm(t *testing.T) {
	q := authnRequest()
	action, value, err := q.Form(idp().Provider())
	if err != nil || action != "https://idp.example/saml/sso" {
		t.Fatal(action, err)
	}
	if doc, err := base64.StdEncoding.DecodeString(value); err != nil || string(doc) != wantRequest {
		t.Errorf("%v\n%s", err, doc)
	}
	q.ForceAuthn, q.IsPassive = true, true
	_, value, _ = q.Form(idp().Provider())
	if doc, _ := base64.StdEncoding.DecodeString(value); !strings.Contains(string(doc), ` ForceAuthn="true" IsPassive="true"`) {
		t.Errorf("%s", doc)
	}
}

func TestARequestThatCannotBeSentIsAnError(t *testing.T) {
	p := idp().Provider()
	p.SSO = p.SSO[:1]
	if _, _, err := authnRequest().Form(p); !errors.Is(err, saml.ErrProvider) || p.Takes(saml.BindingPost) || !p.Takes(saml.BindingRedirect) {
		t.Errorf("a binding the provider lacks: %v", err)
	}
	if _, err := authnRequest().Redirect(p, strings.Repeat("a", 81)); !errors.Is(err, saml.ErrRelayState) {
		t.Errorf("a long RelayState: %v", err)
	}
	if _, err := (saml.AuthnRequest{ID: "1"}).Redirect(p, ""); err == nil {
		t.Error("an empty request was sent")
	}
}

func TestIDsOfRequestsAreNamesAndNeverTheSame(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		id := saml.NewID()
		if seen[id] || len(id) != 41 || id[0] != '_' {
			t.Fatalf("id %q", id)
		}
		seen[id] = true
	}
}

func TestOurMetadataNamesUs(t *testing.T) {
	b, err := saml.SPMetadata(us+"?a&b", acs, acs+"/2")
	if err != nil {
		t.Fatal(err)
	}
	d := etree.NewDocument()
	if err := d.ReadFromBytes(b); err != nil {
		t.Fatal(err)
	}
	if id := d.Root().SelectAttrValue("entityID", ""); id != us+"?a&b" {
		t.Errorf("entity id %q", id)
	}
	services := d.FindElements("//AssertionConsumerService")
	if len(services) != 2 || services[0].SelectAttrValue("Location", "") != acs || services[1].SelectAttrValue("index", "") != "1" || services[1].SelectAttr("isDefault") != nil {
		t.Errorf("%s", b)
	}
	if _, err := saml.SPMetadata(us); err == nil {
		t.Error("metadata without an address")
	}
}
