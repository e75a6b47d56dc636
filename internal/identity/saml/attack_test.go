package saml_test

import (
	"bytes"
	"compress/flate"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"

	"jeton/internal/identity/saml"
	"jeton/internal/identity/saml/samltest"
)

// read parses a document of ours for changing.
func read(t testing.TB, doc []byte) *etree.Element {
	t.Helper()
	d := etree.NewDocument()
	if err := d.ReadFromBytes(doc); err != nil {
		t.Fatal(err)
	}
	return d.Root()
}

func encode(root *etree.Element) string { return samltest.Encode(samltest.Bytes(root)) }

// onAssertion and onResponse are genuinely signed documents to attack; either
// verifies as it is.
func onAssertion(t testing.TB) *etree.Element { return read(t, idp().ResponseXML(claims())) }

func onResponse(t testing.TB) *etree.Element {
	return read(t, idp().ResponseXML(claims(func(c *samltest.Claims) { c.SignResponse, c.BareAssertion = true, true })))
}

func assertionOf(r *etree.Element) *etree.Element { return r.SelectElement("Assertion") }

func signatureOf(el *etree.Element) *etree.Element { return el.SelectElement("Signature") }

// evil turns an element into one that names eve, with an id of its own or the
// signed one's.
func evil(el *etree.Element, id string) *etree.Element {
	el.FindElement(".//NameID").SetText("eve")
	if id == "" {
		return el
	}
	el.CreateAttr("ID", id)
	if inner := el.SelectElement("Assertion"); inner != nil {
		inner.CreateAttr("ID", id+"-inner")
	}
	return el
}

func without(el *etree.Element, tag string) *etree.Element {
	c := el.Copy()
	c.RemoveChild(c.SelectElement(tag))
	return c
}

func TestSaml01NoSignatureAtAll(t *testing.T) {
	refused(t, idp().Response(claims(func(c *samltest.Claims) { c.BareAssertion = true })), expect(), "signature")
	r := onAssertion(t)
	accepted(t, encode(r), expect())
	assertionOf(r).RemoveChild(signatureOf(assertionOf(r)))
	refused(t, encode(r), expect(), "signature")
}

func TestSaml02ASignatureOnOnePartOnly(t *testing.T) {
	t.Run("response signed, assertion swapped", func(t *testing.T) {
		r := onResponse(t)
		accepted(t, encode(r), expect())
		evil(assertionOf(r), "_evil")
		refused(t, encode(r), expect(), "signature")
	})
	t.Run("response signed, assertion of another response", func(t *testing.T) {
		r, other := onResponse(t), read(t, idp().ResponseXML(claims(func(c *samltest.Claims) { c.NameID = "bob" })))
		r.RemoveChild(assertionOf(r))
		r.AddChild(assertionOf(other))
		refused(t, encode(r), expect(), "signature")
	})
	t.Run("assertion signed, wrapper edited", func(t *testing.T) {
		r := onAssertion(t)
		r.CreateElement("samlp:Extensions").CreateElement("saml:NameID").SetText("eve")
		r.CreateAttr("IssueInstant", "2031-01-01T00:00:00Z")
		if a := accepted(t, encode(r), expect()); a.NameID != "ada" {
			t.Errorf("named %q", a.NameID)
		}
		r.CreateElement("saml:Subject").CreateElement("saml:NameID").SetText("eve")
		refused(t, encode(r), expect(), "form")
	})
	t.Run("both signed, one broken", func(t *testing.T) {
		for _, part := range []string{"./Signature/SignatureValue", "./Assertion/Signature/SignatureValue"} {
			r := read(t, idp().ResponseXML(claims(func(c *samltest.Claims) { c.SignResponse = true })))
			accepted(t, encode(r), expect())
			value := r.FindElement(part)
			value.SetText("AAAA" + value.Text()[4:])
			refused(t, encode(r), expect(), "signature")
		}
	})
}

// wrapped builds one of the signature-wrapping attacks XSW1–8 from a genuinely
// signed document; id is the forged element's id, "" = the signed one's.
type wrapped struct {
	name  string
	check string
	build func(t *testing.T, id string) *etree.Element
}

func (w wrapped) run(t *testing.T) {
	t.Helper()
	for _, id := range []string{"_evil", ""} {
		t.Run(w.name+" id "+id, func(t *testing.T) {
			check := w.check
			if id == "" {
				check = "xml" // two elements of one id
			}
			r := w.build(t, id)
			if !strings.Contains(string(samltest.Bytes(r)), "eve") {
				t.Fatal("nothing is forged")
			}
			refused(t, encode(r), expect(), check)
		})
	}
}

func TestSaml03XSW1TheSignedResponseInsideTheSignatureOfAForgedOne(t *testing.T) {
	wrapped{"XSW1", "form", func(t *testing.T, id string) *etree.Element {
		r := onResponse(t)
		original := without(r, "Signature")
		signatureOf(r).CreateElement("ds:Object").AddChild(original)
		return evil(r, id)
	}}.run(t)
}

func TestSaml04XSW2TheSignedResponseBesideADetachedSignature(t *testing.T) {
	wrapped{"XSW2", "form", func(t *testing.T, id string) *etree.Element {
		r := onResponse(t)
		r.InsertChildAt(signatureOf(r).Index(), without(r, "Signature"))
		return evil(r, id)
	}}.run(t)
}

func TestSaml05XSW3AForgedAssertionBeforeTheSignedOne(t *testing.T) {
	wrapped{"XSW3", "form", func(t *testing.T, id string) *etree.Element {
		r := onAssertion(t)
		r.InsertChildAt(assertionOf(r).Index(), evil(without(assertionOf(r), "Signature"), id))
		return r
	}}.run(t)
}

func TestSaml06XSW4AForgedAssertionAroundTheSignedOne(t *testing.T) {
	wrapped{"XSW4", "form", func(t *testing.T, id string) *etree.Element {
		r := onAssertion(t)
		original := assertionOf(r)
		forged := evil(without(original, "Signature"), id)
		r.RemoveChild(original)
		forged.AddChild(original)
		r.AddChild(forged)
		return r
	}}.run(t)
}

func TestSaml07XSW5TheSignedOneCopiedToTheEndWithoutSignature(t *testing.T) {
	wrapped{"XSW5", "form", func(t *testing.T, id string) *etree.Element {
		r := onAssertion(t)
		original := without(assertionOf(r), "Signature")
		evil(assertionOf(r), id)
		r.AddChild(original)
		return r
	}}.run(t)
}

func TestSaml08XSW6TheSignedOneInsideTheSignatureOfAForgedOne(t *testing.T) {
	wrapped{"XSW6", "form", func(t *testing.T, id string) *etree.Element {
		r := onAssertion(t)
		original := without(assertionOf(r), "Signature")
		evil(assertionOf(r), id)
		signatureOf(assertionOf(r)).AddChild(original)
		return r
	}}.run(t)
}

func TestSaml09XSW7AForgedAssertionInExtensions(t *testing.T) {
	wrapped{"XSW7", "form", func(t *testing.T, id string) *etree.Element {
		r := onAssertion(t)
		extensions := etree.NewElement("samlp:Extensions")
		extensions.AddChild(evil(without(assertionOf(r), "Signature"), id))
		r.InsertChildAt(assertionOf(r).Index(), extensions)
		return r
	}}.run(t)
}

func TestSaml10XSW8TheSignedOneInAnObjectOfTheSignature(t *testing.T) {
	wrapped{"XSW8", "form", func(t *testing.T, id string) *etree.Element {
		r := onAssertion(t)
		original := without(assertionOf(r), "Signature")
		evil(assertionOf(r), id)
		signatureOf(assertionOf(r)).CreateElement("ds:Object").AddChild(original)
		return r
	}}.run(t)
}

func TestWrappingThatHidesTheOriginalUnderAnotherNameFails(t *testing.T) {
	t.Run("the signature moved to the response", func(t *testing.T) {
		r := onAssertion(t)
		s := signatureOf(assertionOf(r))
		assertionOf(r).RemoveChild(s)
		r.InsertChildAt(1, s)
		refused(t, encode(r), expect(), "signature")
	})
	t.Run("a second signature of the attacker", func(t *testing.T) {
		r := onAssertion(t)
		samltest.New("https://eve.example").Sign(assertionOf(r), 0)
		refused(t, encode(r), expect(), "signature")
	})
	t.Run("a signature deeper down", func(t *testing.T) {
		r := onAssertion(t)
		s := signatureOf(assertionOf(r))
		assertionOf(r).RemoveChild(s)
		assertionOf(r).SelectElement("Subject").AddChild(s)
		refused(t, encode(r), expect(), "signature")
	})
	t.Run("an Object in the signature", func(t *testing.T) {
		r := onAssertion(t)
		signatureOf(assertionOf(r)).CreateElement("ds:Object")
		refused(t, encode(r), expect(), "signature")
	})
	t.Run("the original as text of another namespace", func(t *testing.T) {
		r := onAssertion(t)
		original := assertionOf(r).Copy()
		original.CreateAttr("xmlns:saml", "urn:other")
		r.CreateElement("samlp:Extensions").AddChild(original)
		evil(assertionOf(r), "_evil")
		refused(t, encode(r), expect(), "form")
	})
}

func TestSaml11SeveralAssertions(t *testing.T) {
	for _, signed := range []int{0, 1} {
		r := onAssertion(t)
		other := read(t, idp().ResponseXML(claims(func(c *samltest.Claims) { c.NameID, c.BareAssertion = "eve", true })))
		r.InsertChildAt(assertionOf(r).Index()+signed, assertionOf(other))
		refused(t, encode(r), expect(), "form")
	}
	both := onAssertion(t)
	both.AddChild(assertionOf(read(t, idp().ResponseXML(claims()))))
	refused(t, encode(both), expect(), "form")
}

func TestSaml12ACommentInsideANameCutsNothing(t *testing.T) {
	full := idp().Response(claims(func(c *samltest.Claims) {
		c.NameID = "admin@tokens.example.evil.example"
		c.Attributes = []samltest.Attribute{{Name: "uid", Values: []string{"admin.evil"}}}
	}))
	for _, inside := range []string{"<!-- -->", "<!---->", "<!--a--><!--b-->", "<![CDATA[]]>"} {
		m := samltest.Change(full, "admin@tokens.example.evil", "admin@tokens.example"+inside+".evil")
		m = samltest.Change(m, "admin.evil", "admin"+inside+".evil")
		a := accepted(t, m, expect())
		if a.NameID != "admin@tokens.example.evil.example" || a.Attributes["uid"][0] != "admin.evil" {
			t.Errorf("with %s: named %q, %q", inside, a.NameID, a.Attributes["uid"])
		}
	}
	pi := samltest.Change(full, "admin@tokens.example.evil", "admin@tokens.example<?x y?>.evil")
	refused(t, pi, expect(), "xml")
}

func TestSaml13ExternalEntitiesOpenNoConnection(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	called := make(chan bool, 1)
	go func() {
		if c, err := l.Accept(); err == nil {
			c.Close()
			called <- true
		}
		close(called)
	}()
	doc := string(idp().ResponseXML(claims()))
	for _, kind := range []string{
		`<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>`,
		`<!DOCTYPE r [<!ENTITY x SYSTEM "http://` + l.Addr().String() + `/x">]>`,
		`<!DOCTYPE r SYSTEM "http://` + l.Addr().String() + `/x.dtd">`,
		`<!DOCTYPE r>`,
	} {
		refused(t, samltest.Encode([]byte(kind+doc)), expect(), "xml")
		refused(t, samltest.Encode([]byte(kind+strings.Replace(doc, ">ada<", ">&x;<", 1))), expect(), "xml")
	}
	refused(t, samltest.Encode([]byte(strings.Replace(doc, ">ada<", ">&x;<", 1))), expect(), "xml")
	l.Close()
	if <-called {
		t.Error("an entity was fetched")
	}
}

// swift runs f and fails when even the quickest of five runs takes 100 ms: a
// machine busy with other tests is no attack.
func swift(t *testing.T, what string, f func()) {
	t.Helper()
	best := time.Hour
	for range 5 {
		start := time.Now()
		f()
		best = min(best, time.Since(start))
	}
	if best > slack*100*time.Millisecond {
		t.Errorf("%s: %v", what, best)
	}
}

func TestSaml14EntityBombsAreRefusedAtOnce(t *testing.T) {
	nested := `<!DOCTYPE r [<!ENTITY a0 "aaaaaaaaaa">`
	for n := range 40 {
		nested += fmt.Sprintf(`<!ENTITY a%d "%s">`, n+1, strings.Repeat(fmt.Sprintf("&a%d;", n), 10))
	}
	quadratic := `<!DOCTYPE r [<!ENTITY a "` + strings.Repeat("a", 100<<10) + `">]><r>` + strings.Repeat("&a;", 25<<10) + `</r>`
	for name, doc := range map[string]string{"nested": nested + "]><r>&a40;</r>", "quadratic": quadratic} {
		swift(t, name, func() { refused(t, samltest.Encode([]byte(doc)), expect(), "xml") })
	}
}

func TestOtherBombsAreRefusedAtOnce(t *testing.T) {
	room := 250 << 10
	fill := func(s string) string { return strings.Repeat(s, room/len(s)) }
	names := func(format string) (s string) {
		for n := 0; len(s) < room; n++ {
			s += fmt.Sprintf(format, n, n)
		}
		return s
	}
	for name, doc := range map[string]string{
		"depth":         fill("<a>"),
		"elements":      "<r>" + fill("<a/>") + "</r>",
		"attributes":    "<r " + names(` a%d="%d"`) + "/>",
		"declarations":  "<r " + names(` xmlns:a%d="u%d"`) + "/>",
		"open comment":  "<r><!--" + fill("- "),
		"open tag":      "<r " + fill("a "),
		"directives":    fill("<!a>"),
		"open brackets": "<!DOCTYPE" + fill("<"),
		"instructions":  fill("<?a?>"),
		"white space":   fill(" "),
		"references":    "<r>" + fill("&#65;") + "</r",
	} {
		swift(t, name, func() { refused(t, samltest.Encode([]byte(doc)), expect(), "xml") })
	}
	signature := "<ds:Signature xmlns:ds='http://www.w3.org/2000/09/xmldsig#'><ds:SignedInfo>%s</ds:SignedInfo><ds:SignatureValue/></ds:Signature>"
	wide := string(idp().ResponseXML(claims(func(c *samltest.Claims) {
		c.BareAssertion = true
		c.Edit = func(r *etree.Element) { assertionOf(r).InsertChildAt(1, etree.NewText("HERE")) }
	})))
	for name, inside := range map[string]string{
		"wide SignedInfo": strings.Repeat("<ds:Reference/>", 3000),
		"long SignedInfo": strings.Repeat("&gt;", 60000),
	} {
		doc := strings.Replace(wide, "HERE", fmt.Sprintf(signature, inside), 1)
		swift(t, name, func() { refused(t, samltest.Encode([]byte(doc)), expect(), "signature") })
	}
}

func TestStuffingBehindAGoodSignatureIsRefusedAtOnce(t *testing.T) {
	r := onAssertion(t)
	for n := range 24 {
		r.CreateAttr(fmt.Sprintf("xmlns:p%d", n), "urn:"+strings.Repeat("long", 60))
	}
	for n := range 3900 {
		assertionOf(r).CreateElement(fmt.Sprintf("p%d:a", n%24)).CreateAttr(fmt.Sprintf("p%d:b", (n+1)%24), "c")
	}
	m := encode(r)
	swift(t, "stuffed", func() { refused(t, m, expect(), "signature") })
}

// resigned changes a signature and signs SignedInfo again with the provider's own
// key, so that nothing but the change itself can be what is refused.
func resigned(t *testing.T, change func(r, signature *etree.Element), sign func(info []byte) []byte) string {
	t.Helper()
	r := onAssertion(t)
	signature := signatureOf(assertionOf(r))
	change(r, signature)
	if sign == nil {
		sign = func(info []byte) []byte { return pkcs1(t, crypto.SHA256, info) }
	}
	info := signature.SelectElement("SignedInfo").Copy()
	info.CreateAttr("xmlns:ds", "http://www.w3.org/2000/09/xmldsig#")
	b, err := dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("").Canonicalize(info)
	if err != nil {
		t.Fatal(err)
	}
	signature.SelectElement("SignatureValue").SetText(base64.StdEncoding.EncodeToString(sign(b)))
	return encode(r)
}

func pkcs1(t *testing.T, h crypto.Hash, b []byte) []byte {
	t.Helper()
	d := h.New()
	d.Write(b)
	s, err := rsa.SignPKCS1v15(rand.Reader, idp().Key.(*rsa.PrivateKey), h, d.Sum(nil))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTheSignerOfTheseTestsCanMakeAGoodSignature(t *testing.T) {
	accepted(t, resigned(t, func(_, _ *etree.Element) {}, nil), expect())
}

func TestSaml15OnlyTheTwoPlainTransformsPass(t *testing.T) {
	algorithm := func(n int, to string) func(_, s *etree.Element) {
		return func(_, s *etree.Element) { s.FindElements(".//Transform")[n].CreateAttr("Algorithm", to) }
	}
	for name, change := range map[string]func(r, s *etree.Element){
		"XSLT":            algorithm(1, "http://www.w3.org/TR/1999/REC-xslt-19991116"),
		"XPath":           algorithm(1, "http://www.w3.org/TR/1999/REC-xpath-19991116"),
		"XPath filter":    algorithm(0, "http://www.w3.org/2002/06/xmldsig-filter2"),
		"base64":          algorithm(1, "http://www.w3.org/2000/09/xmldsig#base64"),
		"unknown":         algorithm(1, "urn:unknown"),
		"with comments":   algorithm(1, "http://www.w3.org/2001/10/xml-exc-c14n#WithComments"),
		"inclusive":       algorithm(1, "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"),
		"twice enveloped": algorithm(1, "http://www.w3.org/2000/09/xmldsig#enveloped-signature"),
		"not enveloped":   algorithm(0, "http://www.w3.org/2001/10/xml-exc-c14n#"),
		"none":            func(_, s *etree.Element) { p := s.FindElement(".//Transforms"); p.Parent().RemoveChild(p) },
		"one":             func(_, s *etree.Element) { p := s.FindElement(".//Transforms"); p.RemoveChildAt(1) },
		"three": func(_, s *etree.Element) {
			p := s.FindElement(".//Transforms")
			p.AddChild(p.ChildElements()[1].Copy())
		},
		"parameters": func(_, s *etree.Element) { s.FindElements(".//Transform")[1].CreateElement("ds:XPath") },
		"SignedInfo itself": func(_, s *etree.Element) {
			s.FindElement(".//CanonicalizationMethod").CreateAttr("Algorithm", "http://www.w3.org/TR/2001/REC-xml-c14n-20010315")
		},
	} {
		t.Run(name, func(t *testing.T) { refused(t, resigned(t, change, nil), expect(), "signature") })
	}
}

func TestSaml16OneReferenceToTheElementItself(t *testing.T) {
	uri := func(to string) func(_, s *etree.Element) {
		return func(_, s *etree.Element) { s.FindElement(".//Reference").CreateAttr("URI", to) }
	}
	for name, change := range map[string]func(r, s *etree.Element){
		"two references": func(_, s *etree.Element) {
			info := s.SelectElement("SignedInfo")
			info.AddChild(info.SelectElement("Reference").Copy())
		},
		"no reference": func(_, s *etree.Element) {
			info := s.SelectElement("SignedInfo")
			info.RemoveChild(info.SelectElement("Reference"))
		},
		"the response's id": func(r, s *etree.Element) {
			s.FindElement(".//Reference").CreateAttr("URI", "#"+r.SelectAttrValue("ID", ""))
		},
		"an id of nothing": uri("#_nothing"),
		"empty":            uri(""),
		"a bare hash":      uri("#"),
		"a pointer":        uri("#xpointer(/)"),
		"an address":       uri("https://idp.example/a.xml"),
		"two digest values": func(_, s *etree.Element) {
			ref := s.FindElement(".//Reference")
			ref.InsertChildAt(2, ref.SelectElement("DigestValue").Copy())
		},
		"an empty digest":   func(_, s *etree.Element) { s.FindElement(".//DigestValue").SetText("") },
		"two SignedInfos":   func(_, s *etree.Element) { s.AddChild(s.SelectElement("SignedInfo").Copy()) },
		"two values":        func(_, s *etree.Element) { s.AddChild(s.SelectElement("SignatureValue").Copy()) },
		"no id at all":      func(r, s *etree.Element) { assertionOf(r).RemoveAttr("ID"); uri("#")(r, s) },
		"an id in a prefix": func(r, _ *etree.Element) { a := assertionOf(r); a.CreateAttr("saml:ID", a.RemoveAttr("ID").Value) },
	} {
		t.Run(name, func(t *testing.T) { refused(t, resigned(t, change, nil), expect(), "signature") })
	}
	comment := func(_, s *etree.Element) {
		v := s.FindElement(".//DigestValue")
		v.InsertChildAt(0, etree.NewComment("AAAA"))
	}
	refused(t, resigned(t, comment, nil), expect(), "signature")
}

func TestSaml17TheKeyInTheMessageIsNotBelieved(t *testing.T) {
	eve := samltest.New("https://eve.example")
	eve.EntityID = idp().EntityID
	refused(t, eve.Response(claims(func(c *samltest.Claims) { c.NameID = "admin" })), expect(), "signature")
	// And without a key, or with the attacker's, the provider's own signature counts.
	r := onAssertion(t)
	signatureOf(assertionOf(r)).FindElement(".//X509Certificate").SetText("AAAA")
	accepted(t, encode(r), expect())
	signatureOf(assertionOf(r)).RemoveChild(signatureOf(assertionOf(r)).SelectElement("KeyInfo"))
	accepted(t, encode(r), expect())
}

func TestSaml18SignatureAlgorithms(t *testing.T) {
	method := func(name string) func(_, s *etree.Element) {
		return func(_, s *etree.Element) { s.FindElement(".//SignatureMethod").CreateAttr("Algorithm", name) }
	}
	hash := func(b []byte) []byte {
		h := hmac.New(sha256.New, []byte(idp().Certificate))
		h.Write(b)
		return h.Sum(nil)
	}
	weak := func(b []byte) []byte { return pkcs1(t, crypto.SHA1, b) }
	refused(t, resigned(t, method("http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"), hash), expect(), "signature")
	refused(t, resigned(t, method("http://www.w3.org/2000/09/xmldsig#rsa-sha1"), weak), expect(), "signature")
	refused(t, resigned(t, method("urn:unknown"), nil), expect(), "signature")
	refused(t, resigned(t, method("http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"), nil), expect(), "signature")
	refused(t, resigned(t, method("http://www.w3.org/2001/04/xmldsig-more#rsa-sha512"), nil), expect(), "signature")
	refused(t, resigned(t, func(_, s *etree.Element) {
		s.FindElement(".//SignatureMethod").CreateElement("ds:HMACOutputLength").SetText("8")
	}, nil), expect(), "signature")
	refused(t, resigned(t, func(r, s *etree.Element) { // a digest by SHA-1, signed well
		sum := sha1.Sum([]byte("x"))
		s.FindElement(".//DigestMethod").CreateAttr("Algorithm", "http://www.w3.org/2000/09/xmldsig#sha1")
		s.FindElement(".//DigestValue").SetText(base64.StdEncoding.EncodeToString(sum[:]))
	}, nil), expect(), "signature")
}

func TestSaml19TheAudienceIsUs(t *testing.T) {
	conditions := func(a *etree.Element) *etree.Element { return a.SelectElement("Conditions") }
	restriction := func(name string) *etree.Element {
		r := etree.NewElement("saml:AudienceRestriction")
		r.CreateElement("saml:Audience").SetText(name)
		return r
	}
	for name, edit := range map[string]func(a *etree.Element){
		"missing": func(a *etree.Element) {
			conditions(a).RemoveChild(conditions(a).SelectElement("AudienceRestriction"))
		},
		"empty":                    func(a *etree.Element) { conditions(a).SelectElement("AudienceRestriction").RemoveChildAt(0) },
		"another":                  func(a *etree.Element) { conditions(a).FindElement(".//Audience").SetText("https://other.example") },
		"ours with more behind":    func(a *etree.Element) { conditions(a).FindElement(".//Audience").SetText(us + "/") },
		"two, the second wrong":    func(a *etree.Element) { conditions(a).AddChild(restriction("https://other.example")) },
		"two, the first wrong":     func(a *etree.Element) { conditions(a).InsertChildAt(0, restriction("https://other.example")) },
		"ours in another's pocket": func(a *etree.Element) { conditions(a).FindElement(".//Audience").Space = "samlp" },
	} {
		t.Run(name, func(t *testing.T) { refused(t, edited(edit), expect(), "audience") })
	}
	accepted(t, edited(func(a *etree.Element) {
		conditions(a).SelectElement("AudienceRestriction").CreateElement("saml:Audience").SetText("https://other.example")
		conditions(a).AddChild(restriction(us))
	}), expect())
}

func TestSaml20RecipientAndDestinationAreOurs(t *testing.T) {
	data := func(a *etree.Element) *etree.Element { return a.FindElement(".//SubjectConfirmationData") }
	for name, edit := range map[string]func(a *etree.Element){
		"another recipient": func(a *etree.Element) { data(a).CreateAttr("Recipient", "https://other.example/acs") },
		"of another case":   func(a *etree.Element) { data(a).CreateAttr("Recipient", strings.ToUpper(acs)) },
		"with a query":      func(a *etree.Element) { data(a).CreateAttr("Recipient", acs+"?a=b") },
		"missing":           func(a *etree.Element) { data(a).RemoveAttr("Recipient") },
		"empty":             func(a *etree.Element) { data(a).CreateAttr("Recipient", "") },
	} {
		t.Run(name, func(t *testing.T) { refused(t, edited(edit), expect(), "recipient") })
	}
	refused(t, edited(func(a *etree.Element) { data(a).Parent().RemoveChild(data(a)) }), expect(), "confirmation")
	r := onAssertion(t)
	r.CreateAttr("Destination", "https://other.example/acs")
	refused(t, encode(r), expect(), "destination")
	r.RemoveAttr("Destination")
	accepted(t, encode(r), expect())
}

func TestSaml21TheWindowOfTime(t *testing.T) {
	at := func(d time.Duration) saml.Expect { return expect(func(e *saml.Expect) { e.Now = noon.Add(d) }) }
	m := idp().Response(claims())
	for _, good := range []time.Duration{-60 * time.Second, 0, 5 * time.Minute, 6*time.Minute - time.Second} {
		accepted(t, m, at(good))
	}
	refused(t, m, at(6*time.Minute), "NotOnOrAfter")
	refused(t, m, at(24*time.Hour), "NotOnOrAfter")
	refused(t, m, at(-61*time.Second), "IssueInstant")
	conditions := func(a *etree.Element) *etree.Element { return a.SelectElement("Conditions") }
	for check, edits := range map[string][]func(a *etree.Element){
		"conditions": {func(a *etree.Element) { a.RemoveChild(conditions(a)) }},
		"NotBefore": {
			func(a *etree.Element) { conditions(a).CreateAttr("NotBefore", "2026-01-02T12:01:01Z") },
			func(a *etree.Element) { conditions(a).CreateAttr("NotBefore", "soon") },
			func(a *etree.Element) {
				a.FindElement(".//SubjectConfirmationData").CreateAttr("NotBefore", "2026-01-02T12:01:01Z")
			},
		},
		"NotOnOrAfter": {
			func(a *etree.Element) { conditions(a).RemoveAttr("NotOnOrAfter") },
			func(a *etree.Element) { conditions(a).CreateAttr("NotOnOrAfter", "") },
			func(a *etree.Element) { conditions(a).CreateAttr("NotOnOrAfter", "2026-01-02T11:59:00Z") },
			func(a *etree.Element) { a.FindElement(".//SubjectConfirmationData").RemoveAttr("NotOnOrAfter") },
			func(a *etree.Element) {
				a.FindElement(".//SubjectConfirmationData").CreateAttr("NotOnOrAfter", "2026-01-02T11:59:00Z")
			},
		},
	} {
		for _, edit := range edits {
			refused(t, edited(edit), expect(), check)
		}
	}
}

func TestSaml22AReplayIsNamedByTheSameIDUntilItIsOver(t *testing.T) {
	m := idp().Response(claims())
	first, again := accepted(t, m, expect()), accepted(t, m, expect(func(e *saml.Expect) { e.Now = noon.Add(5 * time.Minute) }))
	if first.ID != again.ID || first.ID == "" {
		t.Errorf("ids %q, %q", first.ID, again.ID)
	}
	if !first.Until.Equal(again.Until) {
		t.Errorf("until %v, %v", first.Until, again.Until)
	}
	refused(t, m, expect(func(e *saml.Expect) { e.Now = first.Until }), "NotOnOrAfter")
}

func TestSaml23TheAnswerIsToOurRequest(t *testing.T) {
	refused(t, idp().Response(claims(func(c *samltest.Claims) { c.InResponseTo = "_other" })), expect(), "InResponseTo")
	refused(t, idp().Response(claims(func(c *samltest.Claims) { c.InResponseTo = "" })), expect(), "InResponseTo")
	unasked := expect(func(e *saml.Expect) { e.Request = "" })
	refused(t, idp().Response(claims()), unasked, "InResponseTo")
	accepted(t, idp().Response(claims(func(c *samltest.Claims) { c.InResponseTo = "" })), unasked)
	for name, edit := range map[string]func(r *etree.Element){
		"the signed part says nothing": func(r *etree.Element) { r.FindElement(".//SubjectConfirmationData").RemoveAttr("InResponseTo") },
		"the wrapper says another":     func(r *etree.Element) { r.CreateAttr("InResponseTo", "_other") },
	} {
		m := idp().Response(claims(func(c *samltest.Claims) { c.Edit = edit }))
		t.Run(name, func(t *testing.T) { refused(t, m, expect(), "InResponseTo") })
	}
	wrapper := idp().Response(claims(func(c *samltest.Claims) {
		c.InResponseTo = ""
		c.Edit = func(r *etree.Element) { r.CreateAttr("InResponseTo", request) }
	}))
	refused(t, wrapper, unasked, "InResponseTo")
	refused(t, wrapper, expect(), "InResponseTo")
}

func TestSaml24ADisabledOrWrongProvider(t *testing.T) {
	refused(t, idp().Response(claims()), expect(func(e *saml.Expect) { e.Provider.Enabled = false }), "provider")
	b := samltest.New("https://b.example")
	refused(t, b.Response(claims()), expect(), "signature")
	// B speaks for itself where A was asked, and as A with its own key.
	trusted := expect(func(e *saml.Expect) { e.Provider.Certificates = []string{b.Certificate} })
	refused(t, b.Response(claims()), trusted, "issuer")
	inner := idp().Response(claims(func(c *samltest.Claims) {
		c.Edit = func(r *etree.Element) { r.FindElement("./Assertion/Issuer").SetText("https://b.example") }
	}))
	refused(t, inner, expect(), "issuer")
	none := edited(func(a *etree.Element) { a.RemoveChild(a.SelectElement("Issuer")) })
	refused(t, none, expect(), "issuer")
	outer := onAssertion(t)
	outer.SelectElement("Issuer").SetText("https://b.example")
	refused(t, encode(outer), expect(), "issuer")
}

func TestSaml25ACompressedMessageIsNeverInflated(t *testing.T) {
	var small bytes.Buffer
	w, _ := flate.NewWriter(&small, flate.BestCompression)
	for range 100 {
		_, _ = w.Write(make([]byte, 1<<20))
	}
	_ = w.Close()
	bomb := samltest.Encode(small.Bytes())
	var good bytes.Buffer
	w, _ = flate.NewWriter(&good, flate.BestCompression)
	_, _ = w.Write(idp().ResponseXML(claims()))
	_ = w.Close()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 10 {
		refused(t, bomb, expect(), "xml")
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 16<<20 {
		t.Errorf("%d bytes for ten bombs of %d", used, small.Len())
	}
	refused(t, samltest.Encode(good.Bytes()), expect(), "xml")
}
