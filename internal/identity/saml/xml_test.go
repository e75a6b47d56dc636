package saml_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/beevik/etree"

	"jeton/internal/identity/saml"
	"jeton/internal/identity/saml/samltest"
)

func TestADocumentThatCouldMeanTwoThingsIsRefused(t *testing.T) {
	doc := string(idp().ResponseXML(claims()))
	accepted(t, samltest.Encode([]byte(doc)), expect())
	change := func(old, new string) string { return strings.Replace(doc, old, new, 1) }
	const status = "<samlp:Status>"
	for _, c := range []struct{ reason, doc string }{
		{"not UTF-8", change(status, status+"\xff")},
		{"not well-formed", change(status, "<samlp:Status")},
		{"not well-formed", change(status, status+"&unknown;")},
		{"not well-formed", change(status, status+"&#0;")},
		{"not well-formed", `<?xml version="1.0" encoding="UTF-16"?>` + doc},
		{"not well-formed", `<?xml version="1.1"?>` + doc},
		{"not complete", strings.TrimSuffix(doc, "</samlp:Response>")},
		{"a second root", doc + "<x/>"},
		{"text outside", doc + "x"},
		{"a processing instruction", doc + "<?x?>"},
		{"a processing instruction", " " + `<?xml version="1.0"?>` + doc},
		{"a processing instruction", change(status, status+"<?x y?>")},
		{"directive", change(status, status+"<!ELEMENT x>")},
		{"end tag", change("</samlp:Status>", "</saml:Status>")},
		{"end tag", doc + "</x>"},
		{"given twice", change(`Version="2.0"`, `Version="2.0" Version="2.0"`)},
		{"given twice", change("<samlp:Response", `<samlp:Response xmlns:a="urn:a" xmlns:b="urn:a" a:x="1" b:x="2"`)},
		{"given twice", change("<samlp:Response", `<samlp:Response xmlns:z="urn:a" xmlns:z="urn:b"`)},
		{"an id given twice", change(status, `<samlp:Status ID="`+read(t, []byte(doc)).SelectAttrValue("ID", "")+`">`)},
		{"an id given twice", change(status, `<samlp:Status id="a" xml:id="a">`)},
		{"stray colon", change(status, status+"<a:/>")},
		{"stray colon", change(status, status+"<:a/>")},
		{"stray colon", change(status, `<samlp:Status a:="b">`)},
		{"nobody declared", change(status, status+"<a:b/>")},
		{"nobody declared", change(status, `<samlp:Status a:b="c">`)},
		{"prefix without namespace", change(status, `<samlp:Status xmlns:a="">`)},
		{"reserved namespace", change(status, `<samlp:Status xmlns:xml="urn:a">`)},
		{"reserved namespace", change(status, `<samlp:Status xmlns:xmlns="urn:a">`)},
		{"reserved namespace", change(status, `<samlp:Status xmlns="http://www.w3.org/XML/1998/namespace">`)},
		{"reserved namespace", change(status, `<samlp:Status xmlns:a="http://www.w3.org/2000/xmlns/">`)},
		{"no URI", change(status, `<samlp:Status xmlns:a="relative">`)},
		{"no URI", change(status, `<samlp:Status xmlns:a="urn:a b">`)},
		{"too long", change(status, `<samlp:Status xmlns:a="urn:`+strings.Repeat("a", 300)+`">`)},
		{"without space", change(` Version="2.0"`, ` a="b"Version="2.0"`)},
		{"too deep", change(status, status+strings.Repeat("<a>", 40)+strings.Repeat("</a>", 40))},
		{"too many elements", change(status, status+strings.Repeat("<a/>", 4100))},
		{"too many attributes", change(status, "<samlp:Status"+numbered(` a%d="1"`, 40)+">")},
		{"too many namespaces", change(status, "<samlp:Status"+numbered(` xmlns:a%d="urn:a"`, 30)+"><a"+numbered(` xmlns:b%d="urn:a"`, 30)+"/>")},
		{"too many ids", change(status, status+numbered(`<a id="i%d"/>`, 300))},
	} {
		a, rec, err := verify(t, samltest.Encode([]byte(c.doc)), expect())
		if err == nil {
			t.Errorf("%s: accepted as %+v", c.reason, a)
			continue
		}
		if last := rec.Checks[len(rec.Checks)-1]; last.Name != "xml" || !strings.Contains(last.Got, c.reason) {
			t.Errorf("refused for %+v, want %s", last, c.reason)
		}
	}
}

func numbered(format string, n int) (s string) {
	for i := range n {
		s += fmt.Sprintf(format, i)
	}
	return s
}

func TestWhatChangesNoMeaningPasses(t *testing.T) {
	doc := string(idp().ResponseXML(claims()))
	for name, text := range map[string]string{
		"a declaration":           `<?xml version="1.0" encoding="utf-8" standalone="yes"?>` + "\n" + doc,
		"space around":            "\n\t" + doc + "\r\n",
		"comments around":         "<!-- a -->" + doc + "<!-- b -->",
		"a prefix of no use":      strings.Replace(doc, "<saml:Subject>", `<saml:Subject xmlns:z="urn:z">`, 1),
		"entities XML has itself": strings.Replace(doc, ">ada<", ">&#97;d&#x61;<", 1),
	} {
		t.Run(name, func(t *testing.T) {
			if a := accepted(t, samltest.Encode([]byte(text)), expect()); a.NameID != "ada" {
				t.Errorf("named %q", a.NameID)
			}
		})
	}
}

func TestAnAttributeOfAnotherNamespaceDoesNotCount(t *testing.T) {
	prefixed := func(path, name string) string {
		return edited(func(a *etree.Element) {
			el := a.FindElement(path)
			el.CreateAttr("saml:"+name, el.RemoveAttr(name).Value)
		})
	}
	refused(t, prefixed(".//SubjectConfirmationData", "Recipient"), expect(), "recipient")
	refused(t, prefixed(".//SubjectConfirmationData", "InResponseTo"), expect(), "InResponseTo")
	refused(t, prefixed(".//Conditions", "NotOnOrAfter"), expect(), "NotOnOrAfter")
}

func TestAGoodSignatureBesideAnotherDoesNotHelp(t *testing.T) {
	r := onAssertion(t)
	r.CreateElement("samlp:Extensions").AddChild(signatureOf(assertionOf(r)).Copy())
	refused(t, encode(r), expect(), "signature")
	r = onAssertion(t)
	r.CreateElement("samlp:Extensions").CreateElement("samlp:Response")
	refused(t, encode(r), expect(), "form")
}

func TestACapturedResponseAnswersOneRequest(t *testing.T) {
	m := idp().Response(claims(func(c *samltest.Claims) {
		c.Edit = func(r *etree.Element) { r.CreateAttr("InResponseTo", "_other") }
	}))
	refused(t, m, expect(func(e *saml.Expect) { e.Bearer, e.AnyRequest, e.Request = true, true, "" }), "InResponseTo")
}
