package saml_test

import (
	"testing"

	"github.com/beevik/etree"
	"github.com/google/go-cmp/cmp"

	"jeton/internal/identity/saml"
	"jeton/internal/identity/saml/samltest"
)

// FuzzVerify starts from documents that were signed and documents that attack
// them: whatever still verifies names who was named, with the attributes that were
// given and nothing else.
func FuzzVerify(f *testing.F) {
	i := samltest.Fixed("https://idp.example/saml")
	for _, c := range []samltest.Claims{
		claims(),
		claims(func(c *samltest.Claims) { c.SignResponse = true }),
		claims(func(c *samltest.Claims) { c.SignResponse, c.BareAssertion = true, true }),
	} {
		f.Add(i.ResponseXML(c))
	}
	f.Add(i.AssertionXML(claims()))
	attack := func(change func(r *etree.Element)) {
		r := read(f, i.ResponseXML(claims()))
		change(r)
		f.Add(samltest.Bytes(r))
	}
	attack(func(r *etree.Element) { r.AddChild(evil(without(assertionOf(r), "Signature"), "_e")) })
	attack(func(r *etree.Element) {
		signatureOf(assertionOf(r)).CreateElement("ds:Object").AddChild(assertionOf(r).Copy())
	})
	attack(func(r *etree.Element) { r.FindElement(".//NameID").AddChild(etree.NewComment("x")) })
	attack(func(r *etree.Element) { r.FindElement(".//NameID").CreateAttr("xmlns:saml", "urn:x") })
	e := expect(func(e *saml.Expect) { e.Provider, e.Bearer = i.Provider(), true })
	attributes := map[string][]string{"mail": {"ada@tokens.example"}, "groups": {"staff", "rädio & <tv>"}}
	f.Fuzz(func(t *testing.T, doc []byte) {
		a, err := saml.Verify(t.Context(), samltest.Encode(doc), e)
		if err != nil {
			return
		}
		if a.NameID != "ada" || a.Issuer != i.EntityID || a.InResponseTo != request {
			t.Errorf("verified as %+v", a)
		}
		if d := cmp.Diff(attributes, a.Attributes); d != "" {
			t.Error(d)
		}
		if got := saml.Issuer(samltest.Encode(doc)); got != a.Issuer {
			t.Errorf("issued by %q, verified as by %q", got, a.Issuer)
		}
	})
}
