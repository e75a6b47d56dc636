package saml_test

import (
	"crypto"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"
	"github.com/google/go-cmp/cmp"

	"jeton/internal/audit"
	"jeton/internal/identity/saml"
	"jeton/internal/identity/saml/samltest"
	"jeton/internal/oauth"
)

const (
	us      = "https://tokens.example/saml"
	acs     = "https://tokens.example/auth/saml/callback"
	request = "_0123456789abcdef"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func idp() *samltest.IdP { return samltest.New("https://idp.example/saml") }

// claims are those of a good response; edit changes them.
func claims(edit ...func(*samltest.Claims)) samltest.Claims {
	c := samltest.Claims{
		NameID: "ada", Audience: us, Recipient: acs, InResponseTo: request, Now: noon,
		Attributes: []samltest.Attribute{{Name: "mail", Values: []string{"ada@tokens.example"}}, {Name: "groups", Values: []string{"staff", "rädio & <tv>"}}},
	}
	for _, e := range edit {
		e(&c)
	}
	return c
}

// edited is a good response whose document was changed before it was signed.
func edited(edit func(assertion *etree.Element)) string {
	return idp().Response(claims(func(c *samltest.Claims) {
		c.Edit = func(r *etree.Element) { edit(r.SelectElement("saml:Assertion")) }
	}))
}

// expect demands what claims say.
func expect(edit ...func(*saml.Expect)) saml.Expect {
	e := saml.Expect{Provider: idp().Provider(), Audience: []string{us}, Recipient: []string{acs}, Request: request, Now: noon}
	for _, f := range edit {
		f(&e)
	}
	return e
}

func verify(t *testing.T, encoded string, e saml.Expect) (*saml.Assertion, *audit.Record, error) {
	t.Helper()
	rec := &audit.Record{}
	a, err := saml.Verify(audit.With(t.Context(), rec), encoded, e)
	return a, rec, err
}

// accepted verifies a message that must pass.
func accepted(t *testing.T, encoded string, e saml.Expect) *saml.Assertion {
	t.Helper()
	a, rec, err := verify(t, encoded, e)
	if err != nil {
		t.Fatalf("refused: %v %+v", err, rec.Checks)
	}
	for _, c := range rec.Checks {
		if !c.OK {
			t.Errorf("accepted, but check %+v failed", c)
		}
	}
	return a
}

// refused verifies a message that must fail, at the check of that name.
func refused(t *testing.T, encoded string, e saml.Expect, check string) {
	t.Helper()
	a, rec, err := verify(t, encoded, e)
	if a != nil || !oauth.Is(err, oauth.BadAssertion) {
		t.Fatalf("%+v, %v", a, err)
	}
	last := rec.Checks[len(rec.Checks)-1]
	if last.OK || last.Name != check || last.Want == "" || last.Next == "" {
		t.Errorf("failed at %+v, want %s", last, check)
	}
	if text := oauth.AsRefusal(err).Description; text != oauth.BadAssertion.Text() {
		t.Errorf("the answer says %q", text)
	}
}

func TestAGoodResponseNamesItsPerson(t *testing.T) {
	for name, c := range map[string]samltest.Claims{
		"assertion signed": claims(),
		"response signed":  claims(func(c *samltest.Claims) { c.SignResponse, c.BareAssertion = true, true }),
		"both signed":      claims(func(c *samltest.Claims) { c.SignResponse = true }),
		"by SHA-384":       claims(func(c *samltest.Claims) { c.Hash = crypto.SHA384 }),
		"by SHA-512":       claims(func(c *samltest.Claims) { c.Hash = crypto.SHA512 }),
	} {
		t.Run(name, func(t *testing.T) {
			c.ID = "_a"
			got := accepted(t, idp().Response(c), expect())
			want := &saml.Assertion{
				ID: "_a", Issuer: "https://idp.example/saml", IssueInstant: noon,
				NameID: "ada", NameIDFormat: "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified", InResponseTo: request,
				NotOnOrAfter: noon.Add(5 * time.Minute), Until: noon.Add(6 * time.Minute),
				AuthnInstant: noon, AuthnContext: "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport", SessionIndex: "s-_a",
				Attributes: map[string][]string{"mail": {"ada@tokens.example"}, "groups": {"staff", "rädio & <tv>"}},
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestEllipticKeysSignAsXMLSignatureSays(t *testing.T) {
	i := samltest.Fixed("https://curve.example")
	for _, hash := range []crypto.Hash{crypto.SHA256, crypto.SHA384} {
		accepted(t, i.Response(claims(func(c *samltest.Claims) { c.Hash = hash })), expect(func(e *saml.Expect) { e.Provider = i.Provider() }))
	}
	refused(t, i.Response(claims(func(c *samltest.Claims) { c.Hash = crypto.SHA512 })), expect(func(e *saml.Expect) { e.Provider = i.Provider() }), "signature")
}

func TestEitherKeyCountsWhileAProviderChangesItsKey(t *testing.T) {
	old, next := samltest.Fixed("https://old.example"), idp()
	both := expect(func(e *saml.Expect) { e.Provider.Certificates = []string{old.Certificate, next.Certificate} })
	accepted(t, next.Response(claims()), both)
	old.EntityID = next.EntityID
	accepted(t, old.Response(claims()), both)
	refused(t, old.Response(claims()), expect(), "signature")
}

func TestABareAssertionCountsWhereRFC7522IsSpoken(t *testing.T) {
	bearer := func(e *saml.Expect) { e.Bearer, e.Request = true, "" }
	alone := claims(func(c *samltest.Claims) { c.InResponseTo = "" })
	if a := accepted(t, idp().Assertion(alone), expect(bearer)); a.NameID != "ada" {
		t.Errorf("named %q", a.NameID)
	}
	refused(t, idp().Assertion(alone), expect(func(e *saml.Expect) { e.Request = "" }), "form")
	// A response captured from a browser says which request it answered.
	refused(t, idp().Response(claims()), expect(bearer), "InResponseTo")
	captured := expect(bearer, func(e *saml.Expect) { e.AnyRequest = true })
	if a := accepted(t, idp().Response(claims()), captured); a.InResponseTo != request {
		t.Errorf("answers %q", a.InResponseTo)
	}
}

func TestABearerAssertionMayEndInEitherPlace(t *testing.T) {
	data := func(a *etree.Element) *etree.Element {
		return a.FindElement("./Subject/SubjectConfirmation/SubjectConfirmationData")
	}
	noData := func(a *etree.Element) { d := data(a); d.Parent().RemoveChild(d) }
	noEnd := func(a *etree.Element) { a.SelectElement("Conditions").RemoveAttr("NotOnOrAfter") }
	noAuthn := func(a *etree.Element) { a.RemoveChild(a.SelectElement("AuthnStatement")) }
	sign := func(edits ...func(*etree.Element)) string {
		return idp().Assertion(claims(func(c *samltest.Claims) {
			c.InResponseTo = ""
			c.Edit = func(a *etree.Element) {
				for _, e := range edits {
					e(a)
				}
			}
		}))
	}
	bearer := expect(func(e *saml.Expect) { e.Bearer, e.Request = true, "" })
	for _, good := range [][]func(*etree.Element){{noData}, {noEnd}, {noAuthn}} {
		if a := accepted(t, sign(good...), bearer); !a.NotOnOrAfter.Equal(noon.Add(5 * time.Minute)) {
			t.Errorf("ends %v", a.NotOnOrAfter)
		}
	}
	refused(t, sign(noData, noEnd), bearer, "confirmation")
	refused(t, sign(noEnd, func(a *etree.Element) { data(a).RemoveAttr("NotOnOrAfter") }), bearer, "NotOnOrAfter")
	refused(t, sign(func(a *etree.Element) { data(a).RemoveAttr("Recipient") }), bearer, "recipient")
}

func TestTheEarliestEndIsTheEnd(t *testing.T) {
	m := edited(func(a *etree.Element) {
		a.FindElement("./Subject/SubjectConfirmation/SubjectConfirmationData").CreateAttr("NotOnOrAfter", "2026-01-02T12:02:00.250Z")
	})
	if a := accepted(t, m, expect()); !a.NotOnOrAfter.Equal(noon.Add(2*time.Minute + 250*time.Millisecond)) {
		t.Errorf("ends %v", a.NotOnOrAfter)
	}
	refused(t, m, expect(func(e *saml.Expect) { e.Now = noon.Add(3*time.Minute + time.Second) }), "NotOnOrAfter")
}

func TestAnAssertionThatLastsTooLongIsRefused(t *testing.T) {
	long := idp().Response(claims(func(c *samltest.Claims) { c.Life = 3 * time.Hour }))
	refused(t, long, expect(), "NotOnOrAfter")
	accepted(t, long, expect(func(e *saml.Expect) { e.MaxLife = 3 * time.Hour }))
}

func TestAnySufficientConfirmationIsEnough(t *testing.T) {
	accepted(t, edited(func(a *etree.Element) {
		first := a.FindElement("./Subject/SubjectConfirmation").Copy()
		first.CreateAttr("Method", "urn:oasis:names:tc:SAML:2.0:cm:sender-vouches")
		second := a.FindElement("./Subject/SubjectConfirmation").Copy()
		second.SelectElement("SubjectConfirmationData").CreateAttr("Recipient", "https://elsewhere.example")
		a.SelectElement("Subject").InsertChildAt(1, first)
		a.SelectElement("Subject").InsertChildAt(1, second)
	}), expect())
	refused(t, edited(func(a *etree.Element) {
		a.FindElement("./Subject/SubjectConfirmation").CreateAttr("Method", "urn:oasis:names:tc:SAML:2.0:cm:holder-of-key")
	}), expect(), "confirmation")
}

func TestWhatIsNotUnderstoodIsRefused(t *testing.T) {
	for _, c := range []struct {
		name, check string
		edit        func(a *etree.Element)
	}{
		{"an unknown condition", "conditions", func(a *etree.Element) { a.SelectElement("Conditions").CreateElement("saml:Condition") }},
		{"two Conditions", "conditions", func(a *etree.Element) { a.AddChild(a.SelectElement("Conditions").Copy()) }},
		{"two Subjects", "subject", func(a *etree.Element) { a.AddChild(a.SelectElement("Subject").Copy()) }},
		{"no Subject", "subject", func(a *etree.Element) { a.RemoveChild(a.SelectElement("Subject")) }},
		{"two NameIDs", "subject", func(a *etree.Element) { a.SelectElement("Subject").CreateElement("saml:NameID").SetText("eve") }},
		{"an encrypted NameID", "subject", func(a *etree.Element) { a.FindElement("./Subject/NameID").Tag = "EncryptedID" }},
		{"a NameID of another namespace", "subject", func(a *etree.Element) { a.FindElement("./Subject/NameID").CreateAttr("xmlns:saml", "urn:other") }},
		{"an empty NameID", "subject", func(a *etree.Element) { a.FindElement("./Subject/NameID").SetText("") }},
		{"a NameID in white space", "subject", func(a *etree.Element) { a.FindElement("./Subject/NameID").SetText(" ada") }},
		{"elements in NameID", "subject", func(a *etree.Element) { a.FindElement("./Subject/NameID").CreateElement("saml:b") }},
		{"a NameID of 300 bytes", "subject", func(a *etree.Element) { a.FindElement("./Subject/NameID").SetText(strings.Repeat("a", 300)) }},
		{"version 1.1", "version", func(a *etree.Element) { a.CreateAttr("Version", "1.1") }},
		{"no AuthnStatement", "authn", func(a *etree.Element) { a.RemoveChild(a.SelectElement("AuthnStatement")) }},
		{"a session that is over", "SessionNotOnOrAfter", func(a *etree.Element) {
			a.SelectElement("AuthnStatement").CreateAttr("SessionNotOnOrAfter", "2026-01-02T11:58:00Z")
		}},
		{"a time without zone", "IssueInstant", func(a *etree.Element) { a.CreateAttr("IssueInstant", "2026-01-02T12:00:00") }},
		{"issued tomorrow", "IssueInstant", func(a *etree.Element) { a.CreateAttr("IssueInstant", "2026-01-03T12:00:00Z") }},
		{"signed in tomorrow", "AuthnInstant", func(a *etree.Element) {
			a.SelectElement("AuthnStatement").CreateAttr("AuthnInstant", "2026-01-03T12:00:00Z")
		}},
	} {
		t.Run(c.name, func(t *testing.T) { refused(t, edited(c.edit), expect(), c.check) })
	}
}

func TestConditionsThatAskForNothingPass(t *testing.T) {
	accepted(t, edited(func(a *etree.Element) {
		a.SelectElement("Conditions").CreateElement("saml:OneTimeUse")
		a.SelectElement("Conditions").CreateElement("saml:ProxyRestriction").CreateAttr("Count", "0")
	}), expect())
}

func TestARefusalByTheProviderIsRecordedAsSuch(t *testing.T) {
	m := idp().Response(claims(func(c *samltest.Claims) {
		c.BareAssertion = true
		c.Edit = func(r *etree.Element) {
			r.RemoveChild(r.SelectElement("Assertion"))
			code := r.FindElement("./Status/StatusCode")
			code.CreateAttr("Value", "urn:oasis:names:tc:SAML:2.0:status:Responder")
			code.CreateElement("samlp:StatusCode").CreateAttr("Value", "urn:oasis:names:tc:SAML:2.0:status:AuthnFailed")
			r.SelectElement("Status").CreateElement("samlp:StatusMessage").SetText("account closed")
		}
	}))
	refused(t, m, expect(), "status")
	_, rec, _ := verify(t, m, expect())
	if got := rec.Checks[0].Got; !strings.Contains(got, "AuthnFailed") || !strings.Contains(got, "account closed") {
		t.Errorf("recorded %q", got)
	}
}

func TestAnEncryptedAssertionIsRefusedByName(t *testing.T) {
	m := idp().Response(claims(func(c *samltest.Claims) {
		c.BareAssertion = true
		c.Edit = func(r *etree.Element) { r.SelectElement("Assertion").Tag = "EncryptedAssertion" }
	}))
	_, rec, _ := verify(t, m, expect())
	refused(t, m, expect(), "form")
	if last := rec.Checks[len(rec.Checks)-1]; !strings.Contains(last.Got, "encrypted") {
		t.Errorf("recorded %+v", last)
	}
}

func TestAProviderThatCannotWorkIsOurFault(t *testing.T) {
	small := strings.TrimSpace(`-----BEGIN CERTIFICATE-----
AAAA
-----END CERTIFICATE-----`)
	for name, certs := range map[string][]string{"none": nil, "no PEM": {"x"}, "no certificate": {small}} {
		p := idp().Provider()
		p.Certificates = certs
		_, err := saml.Verify(t.Context(), idp().Response(claims()), expect(func(e *saml.Expect) { e.Provider = p }))
		if !errors.Is(err, saml.ErrProvider) || oauth.AsRefusal(err).Code != oauth.ServerError || !errors.Is(p.Check(), saml.ErrProvider) {
			t.Errorf("%s: %v, %v", name, err, p.Check())
		}
	}
	if _, err := saml.Verify(t.Context(), "x", saml.Expect{}); !errors.Is(err, saml.ErrProvider) {
		t.Errorf("no provider: %v", err)
	}
}

func TestAPersonIsReadFromTheNamedAttributes(t *testing.T) {
	a := accepted(t, idp().Response(claims(func(c *samltest.Claims) {
		c.Attributes = append(c.Attributes, samltest.Attribute{Name: "uid", Values: []string{"lovelace"}}, samltest.Attribute{Name: "sn", Values: []string{" Lovelace\n"}},
			samltest.Attribute{Name: "twice", Values: []string{"a", "b"}})
	})), expect())
	m := saml.Mapping{Email: "mail", Groups: "groups", FamilyName: "sn", GivenName: "absent"}
	got, err := m.Person(t.Context(), a)
	want := saml.Person{User: "ada", Email: "ada@tokens.example", FamilyName: "Lovelace", Groups: []string{"staff", "rädio & <tv>"}}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Error(err, d)
	}
	m.User = "uid"
	if got, err = m.Person(t.Context(), a); err != nil || got.User != "lovelace" {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{"twice", "absent", "sn"} {
		m.User = bad
		if got, err = m.Person(t.Context(), a); !oauth.Is(err, oauth.BadAssertion) || got.User != "" {
			t.Errorf("%s: %+v, %v", bad, got, err)
		}
	}
}

func TestAValueThatIsNoTextIsLeftOut(t *testing.T) {
	a := accepted(t, edited(func(a *etree.Element) {
		values := a.FindElements("./AttributeStatement/Attribute[@Name='groups']/AttributeValue")
		values[0].SetText("")
		values[0].CreateElement("saml:NameID").SetText("eve")
		values[1].CreateAttr("xsi:nil", "true")
	}), expect())
	if d := cmp.Diff(map[string][]string{"mail": {"ada@tokens.example"}}, a.Attributes); d != "" {
		t.Error(d)
	}
}
