package saml_test

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jeton/internal/identity/saml"
	"jeton/internal/identity/saml/samltest"
)

// xmlsec is another implementation of XML Signature, run as a program, with the
// key of a provider.
type xmlsec struct {
	dir string
	idp *samltest.IdP
}

func newXMLSec(t *testing.T, i *samltest.IdP) xmlsec {
	t.Helper()
	x := xmlsec{t.TempDir(), i}
	der, err := x509.MarshalPKCS8PrivateKey(i.Key)
	if err != nil {
		t.Fatal(err)
	}
	x.write(t, "key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	x.write(t, "cert.pem", []byte(i.Certificate))
	return x
}

func (x xmlsec) write(t *testing.T, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(x.dir, name), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func (x xmlsec) run(arg ...string) (string, error) {
	ids := []string{"--id-attr:ID", samltest.Assertion + ":Assertion", "--id-attr:ID", samltest.Protocol + ":Response"}
	cmd := exec.Command("xmlsec1", append(append(arg[:1:1], ids...), arg[1:]...)...)
	cmd.Dir = x.dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// agrees reports whether xmlsec verifies every signature of a document.
func (x xmlsec) agrees(t *testing.T, doc []byte) error {
	t.Helper()
	x.write(t, "doc.xml", doc)
	n := 0
	for _, place := range []string{"/*/*[local-name()='Signature']", "/*/*[local-name()='Assertion']/*[local-name()='Signature']"} {
		root := read(t, doc)
		if (strings.Count(place, "Assertion") == 0 && root.SelectElement("Signature") == nil) ||
			(strings.Count(place, "Assertion") > 0 && (assertionOf(root) == nil || signatureOf(assertionOf(root)) == nil)) {
			continue
		}
		n++
		out, err := x.run("--verify", "--enabled-key-data", "key-name", "--pubkey-cert-pem", "cert.pem", "--node-xpath", place, "doc.xml")
		if err != nil {
			return fmt.Errorf("%s: %w: %s", place, err, out)
		}
	}
	if n == 0 {
		return fmt.Errorf("no signature in %s", doc)
	}
	return nil
}

func TestXMLSecVerifiesWhatIsVerifiedHere(t *testing.T) {
	for _, i := range []*samltest.IdP{idp(), samltest.Fixed("https://idp.example/saml")} {
		x := newXMLSec(t, i)
		for _, c := range []samltest.Claims{
			claims(),
			claims(func(c *samltest.Claims) { c.SignResponse = true }),
			claims(func(c *samltest.Claims) { c.SignResponse, c.BareAssertion = true, true }),
		} {
			doc := i.ResponseXML(c)
			accepted(t, samltest.Encode(doc), expect(func(e *saml.Expect) { e.Provider = i.Provider() }))
			if err := x.agrees(t, doc); err != nil {
				t.Error(err)
			}
			broken := bytes.Replace(doc, []byte(">ada<"), []byte(">eve<"), 1)
			if x.agrees(t, broken) == nil {
				t.Error("xmlsec believes what was changed: it checks nothing here")
			}
		}
	}
}

// template is a response with an empty signature for xmlsec to fill in, as other
// programs lay it out: other prefixes, the default namespace, types of XML Schema
// kept by InclusiveNamespaces.
func template(i *samltest.IdP, method, digest, prefixes string) string {
	return `<?xml version="1.0" encoding="UTF-8"?>
<saml2p:Response xmlns:saml2p="` + samltest.Protocol + `" xmlns:xs="http://www.w3.org/2001/XMLSchema" Destination="` + acs + `" ID="_r" InResponseTo="` + request + `" IssueInstant="2026-01-02T12:00:00.123Z" Version="2.0">
  <Issuer xmlns="` + samltest.Assertion + `" Format="urn:oasis:names:tc:SAML:2.0:nameid-format:entity">` + i.EntityID + `</Issuer>
  <saml2p:Status><saml2p:StatusCode Value="` + samltest.Success + `"/></saml2p:Status>
  <Assertion xmlns="` + samltest.Assertion + `" ID="_a" IssueInstant="2026-01-02T12:00:00.123Z" Version='2.0'>
    <Issuer>` + i.EntityID + `</Issuer>
    <Signature xmlns="http://www.w3.org/2000/09/xmldsig#">
      <SignedInfo>
        <CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/>
        <SignatureMethod Algorithm="` + method + `"/>
        <Reference URI="#_a">
          <Transforms>
            <Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>
            <Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#">` + prefixes + `</Transform>
          </Transforms>
          <DigestMethod Algorithm="` + digest + `"/>
          <DigestValue></DigestValue>
        </Reference>
      </SignedInfo>
      <SignatureValue></SignatureValue>
    </Signature>
    <Subject><NameID Format="urn:x &#9;&quot;'&lt;">ada &amp; &lt;b&gt; ädä &#x1F600;</NameID>
      <SubjectConfirmation Method="` + samltest.Bearer + `"><SubjectConfirmationData InResponseTo="` + request + `" NotOnOrAfter="2026-01-02T12:05:00.123Z" Recipient="` + acs + `"></SubjectConfirmationData></SubjectConfirmation>
    </Subject>
    <Conditions NotBefore="2026-01-02T11:59:00.123Z" NotOnOrAfter="2026-01-02T12:05:00.123Z"><AudienceRestriction><Audience> ` + us + `
    </Audience></AudienceRestriction></Conditions>
    <AuthnStatement AuthnInstant="2026-01-02T12:00:00Z"/>
    <AttributeStatement>
      <Attribute Name="mail"><AttributeValue xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="xs:string" z="1" a='2'>a<![CDATA[<b>]]>c<!-- d -->e&#13;
f</AttributeValue></Attribute>
    </AttributeStatement>
  </Assertion>
</saml2p:Response>
`
}

func TestWhatXMLSecSignsIsVerifiedHere(t *testing.T) {
	const more = "http://www.w3.org/2001/04/xmldsig-more#"
	inclusive := `<ec:InclusiveNamespaces xmlns:ec="http://www.w3.org/2001/10/xml-exc-c14n#" PrefixList="xs"/>`
	curve := samltest.Fixed("https://idp.example/saml")
	for _, c := range []struct {
		idp                      *samltest.IdP
		method, digest, prefixes string
	}{
		{idp(), more + "rsa-sha256", "http://www.w3.org/2001/04/xmlenc#sha256", ""},
		{idp(), more + "rsa-sha256", "http://www.w3.org/2001/04/xmlenc#sha256", inclusive},
		{idp(), more + "rsa-sha384", more + "sha384", inclusive},
		{idp(), more + "rsa-sha512", "http://www.w3.org/2001/04/xmlenc#sha512", ""},
		{curve, more + "ecdsa-sha256", "http://www.w3.org/2001/04/xmlenc#sha256", inclusive},
		{curve, more + "ecdsa-sha384", more + "sha384", ""},
	} {
		t.Run(c.method, func(t *testing.T) {
			x := newXMLSec(t, c.idp)
			x.write(t, "template.xml", []byte(template(c.idp, c.method, c.digest, c.prefixes)))
			if out, err := x.run("--sign", "--privkey-pem", "key.pem", "--output", "signed.xml", "template.xml"); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			doc, err := os.ReadFile(filepath.Join(x.dir, "signed.xml"))
			if err != nil {
				t.Fatal(err)
			}
			a := accepted(t, samltest.Encode(doc), expect(func(e *saml.Expect) { e.Provider = c.idp.Provider() }))
			if a.NameID != "ada & <b> ädä 😀" || a.NameIDFormat != "urn:x \t\"'<" {
				t.Errorf("named %q of %q", a.NameID, a.NameIDFormat)
			}
			if d := cmp.Diff(map[string][]string{"mail": {"a<b>ce\r\nf"}}, a.Attributes); d != "" {
				t.Error(d)
			}
		})
	}
}

// changes are what may happen to a document on its way without a reader noticing,
// and what an attacker does to it.
var changes = []func(r *rand.Rand, doc string) string{
	func(r *rand.Rand, doc string) string { n := r.IntN(len(doc)); return doc[:n] + doc[n+1:] },
	func(r *rand.Rand, doc string) string {
		n := r.IntN(len(doc))
		return doc[:n] + string(rune(32+r.IntN(95))) + doc[n+1:]
	},
	func(r *rand.Rand, doc string) string { n := r.IntN(len(doc)); return doc[:n] + "<!-- x -->" + doc[n:] },
	func(r *rand.Rand, doc string) string { n := r.IntN(len(doc)); return doc[:n] + " " + doc[n:] },
	func(r *rand.Rand, doc string) string { return at(r, doc, " ", "\n\t ") },
	func(r *rand.Rand, doc string) string { return at(r, doc, "a", "&#97;") },
	func(r *rand.Rand, doc string) string { return at(r, doc, "e", "&#x65;") },
	func(r *rand.Rand, doc string) string { return at(r, doc, ">ada<", "><![CDATA[ada]]><") },
	func(r *rand.Rand, doc string) string { return at(r, doc, ">ada<", "><![CDATA[a]]>d<!--b-->a<") },
	func(r *rand.Rand, doc string) string { return at(r, doc, "/>", "></x>") },
	func(r *rand.Rand, doc string) string { return at(r, doc, "<saml:", "<samlp:") },
	func(r *rand.Rand, doc string) string { return at(r, doc, `Version="2.0"`, `Version='2.0'`) },
	func(r *rand.Rand, doc string) string {
		return at(r, doc, `<samlp:Response`, `<samlp:Response xmlns:z="urn:z" z:a="b"`)
	},
	func(r *rand.Rand, doc string) string {
		return at(r, doc, `<saml:Assertion`, `<saml:Assertion xmlns:z="urn:z"`)
	},
	func(r *rand.Rand, doc string) string {
		return at(r, doc, `<saml:Subject>`, `<saml:Subject xmlns="urn:z">`)
	},
	func(r *rand.Rand, doc string) string { return at(r, doc, `<ds:KeyInfo>`, `<ds:KeyInfo Id="k">`) },
	func(r *rand.Rand, doc string) string { return at(r, doc, "=", " = ") },
	func(r *rand.Rand, doc string) string { return at(r, doc, "<", "\n<") },
}

// at replaces one occurrence of old, any of them.
func at(r *rand.Rand, doc, old, new string) string {
	parts := strings.Split(doc, old)
	if len(parts) == 1 {
		return doc
	}
	n := 1 + r.IntN(len(parts)-1)
	return strings.Join(parts[:n], old) + new + strings.Join(parts[n:], old)
}

// TestNoChangePassesHereThatXMLSecRefuses compares JETON_SAML_CHANGES documents
// that verify although they were changed; without it, a few.
func TestNoChangePassesHereThatXMLSecRefuses(t *testing.T) {
	i := idp()
	x := newXMLSec(t, i)
	r := rand.New(rand.NewPCG(1, 2))
	var originals []string
	for _, c := range []samltest.Claims{claims(), claims(func(c *samltest.Claims) { c.SignResponse, c.BareAssertion = true, true })} {
		originals = append(originals, string(i.ResponseXML(c)))
	}
	want := map[string][]string{"mail": {"ada@tokens.example"}, "groups": {"staff", "rädio & <tv>"}}
	compared, most := 0, 48
	if s := os.Getenv("JETON_SAML_CHANGES"); s != "" {
		if _, err := fmt.Sscan(s, &most); err != nil {
			t.Fatal(err)
		}
	}
	for n := 0; compared < most && n < 100*most; n++ {
		doc := originals[n%2]
		for range 1 + r.IntN(2) {
			doc = changes[r.IntN(len(changes))](r, doc)
		}
		a, err := saml.Verify(t.Context(), samltest.Encode([]byte(doc)), expect())
		if err != nil || doc == originals[n%2] {
			continue
		}
		compared++
		if a.NameID != "ada" || !cmp.Equal(want, a.Attributes) {
			t.Fatalf("named %q, %v by\n%s", a.NameID, a.Attributes, doc)
		}
		if err := x.agrees(t, []byte(doc)); err != nil {
			t.Errorf("%v\n%s", err, doc)
		}
	}
	if compared < most {
		t.Errorf("only %d changed documents verified: the changes are too coarse to tell anything", compared)
	}
}
