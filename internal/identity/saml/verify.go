package saml

import (
	"bytes"
	"context"
	"crypto"
	"fmt"
	"slices"
	"strings"

	"github.com/beevik/etree"

	"jeton/internal/audit"
	"jeton/internal/oauth"
)

const success = "urn:oasis:names:tc:SAML:2.0:status:Success"

// Verify reads the base64 of a response, or of an assertion where e.Bearer, and
// gives what the signed part of it says. A refusal is oauth.BadAssertion and says
// nothing outward; the audit record of ctx has the checks and the one that failed.
// Any other error is an unusable configuration (ErrProvider). The caller uses up
// the assertion's id and the request's.
func Verify(ctx context.Context, encoded string, e Expect) (*Assertion, error) {
	if e.Provider == nil {
		return nil, fmt.Errorf("saml: verify: %w: none given", ErrProvider)
	}
	keys, err := e.Provider.keys()
	if err != nil {
		return nil, err
	}
	r := reading{Expect: e.withDefaults(), keys: keys, rec: audit.From(ctx)}
	a, check := r.message(encoded)
	if check != nil {
		r.rec.Fail(check.Name, check.Want, check.Got, check.Next)
		return nil, oauth.Refuse(oauth.BadAssertion, "")
	}
	r.rec.Pass("assertion", "of "+a.NameID+" by "+a.Issuer)
	return a, nil
}

// reading is one message being read.
type reading struct {
	Expect
	keys []crypto.PublicKey
	rec  *audit.Record

	responseTo *string // InResponseTo of the response, nil when it has none
}

// message walks from the text to the assertion.
func (r *reading) message(encoded string) (*Assertion, *audit.Check) {
	if !r.Provider.Enabled {
		return nil, failed("provider", "an enabled identity provider", r.Provider.Name+" is disabled", "enable the identity provider")
	}
	root, check := open(encoded)
	if check != nil {
		return nil, check
	}
	response, assertion, check := r.parts(root)
	if check != nil {
		return nil, check
	}
	response, assertion, check = r.believe(response, assertion)
	if check != nil {
		return nil, check
	}
	if response != nil {
		if check := r.response(response); check != nil {
			return nil, check
		}
	}
	return r.assertion(assertion)
}

// open decodes and parses. A message by the redirect binding is compressed (SAML
// Bindings §3.4.4.1) and never a response here: nothing is ever inflated.
func open(encoded string) (*etree.Element, *audit.Check) {
	b, err := Decode(encoded)
	if err != nil {
		return nil, failed("encoding", "base64 of the message", err.Error(), "send the value of SAMLResponse as the identity provider posted it")
	}
	if !bytes.HasPrefix(bytes.TrimLeft(b, xmlSpace), []byte("<")) {
		return nil, failed("xml", "an XML document", "something else, compressed or encrypted", "have the identity provider answer by HTTP-POST")
	}
	root, err := parse(b, maxElements)
	if err != nil {
		return nil, failed("xml", "one plain XML document", err.Error(), "send the response as the identity provider signed it")
	}
	return root, nil
}

// parts finds the response and the one assertion there may be. The whole document
// is counted, however deep: a second assertion anywhere is an attack on somebody
// who looks elsewhere.
func (r *reading) parts(root *etree.Element) (response, assertion *etree.Element, check *audit.Check) {
	assertions, encrypted, responses := 0, 0, 0
	each(root, func(el *etree.Element) {
		switch el.Tag { // by local name: a second one in a strange namespace is no better
		case "Assertion":
			assertions++
		case "EncryptedAssertion":
			encrypted++
		case "Response":
			responses++
		}
	})
	switch {
	case is(root, nsProtocol, "Response"):
		if check := succeeded(root); check != nil {
			return nil, nil, check
		}
		response, assertion = root, only(root, nsAssertion, "Assertion")
	case is(root, nsAssertion, "Assertion") && r.Bearer:
		assertion = root
	default:
		return nil, nil, failed("form", r.form(), "{"+root.NamespaceURI()+"}"+root.Tag, "send what the identity provider posted")
	}
	if encrypted > 0 {
		return nil, nil, failed("form", "an assertion in the clear", "an encrypted assertion", "turn assertion encryption off at the identity provider: TLS protects it")
	}
	if assertion == nil || assertions != 1 || responses > 1 || responses == 1 && response == nil {
		return nil, nil, failed("form", "one assertion, directly in the response", fmt.Sprintf("%d assertions, %d responses", assertions, responses), "send the response as the identity provider signed it")
	}
	return response, assertion, nil
}

func (r *reading) form() string {
	if r.Bearer {
		return "a SAML 2.0 Response or Assertion"
	}
	return "a SAML 2.0 Response"
}

// succeeded reads Status (SAML Core §3.2.2). It is looked at first because a
// provider that refuses a person sends nothing else, often unsigned.
func succeeded(response *etree.Element) *audit.Check {
	var got []string
	status := only(response, nsProtocol, "Status")
	for code := status; code != nil; {
		if code = only(code, nsProtocol, "StatusCode"); code != nil {
			got = append(got, value(code, "Value"))
		}
	}
	if len(got) > 0 && got[0] == success {
		return nil
	}
	if status != nil {
		if m := only(status, nsProtocol, "StatusMessage"); m != nil {
			got = append(got, trimmed(m))
		}
	}
	return failed("status", success, strings.Join(got, ", "), "ask at the identity provider why it refused")
}

// believe verifies what signatures there are, on the response, the assertion or
// both, and gives the trees they cover. Without a signature of its own a response
// is only a wrapper: it can make a message fail, never pass.
func (r *reading) believe(response, assertion *etree.Element) (_, _ *etree.Element, check *audit.Check) {
	root := assertion
	if response != nil {
		root = response
	}
	all := 0
	each(root, func(el *etree.Element) {
		if el.Tag == "Signature" {
			all++
		}
	})
	onResponse := response != nil && len(children(response, nsSignature, "Signature")) > 0
	onAssertion := len(children(assertion, nsSignature, "Signature")) > 0
	if want := count(onResponse) + count(onAssertion); want == 0 || all != want {
		return nil, nil, badSignature("one signature directly in the assertion or the response", fmt.Sprintf("%d signatures, %d in their place", all, want))
	}
	inner := assertion
	if onAssertion {
		if inner, check = r.covered(assertion); check != nil {
			return nil, nil, check
		}
	}
	if onResponse {
		if response, check = r.covered(response); check != nil {
			return nil, nil, check
		}
		if !onAssertion {
			inner = only(response, nsAssertion, "Assertion")
		}
	}
	if inner == nil || !is(inner, nsAssertion, "Assertion") {
		return nil, nil, badSignature("an assertion among what was signed", "none")
	}
	return response, inner, nil
}

func (r *reading) covered(el *etree.Element) (*etree.Element, *audit.Check) {
	tree, how, check := signed(el, r.keys)
	if check == nil {
		r.rec.Pass("signature", how)
	}
	return tree, check
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// response checks the wrapper (SAML Core §3.2.2, Profiles §4.1.4.2).
func (r *reading) response(el *etree.Element) *audit.Check {
	for c := range el.ChildElementsSeq() {
		known := is(c, nsAssertion, "Issuer") || is(c, nsSignature, "Signature") || is(c, nsProtocol, "Extensions") ||
			is(c, nsProtocol, "Status") || is(c, nsAssertion, "Assertion")
		if !known {
			return failed("form", "a plain response", "an element "+c.Tag, "send the response as the identity provider signed it")
		}
	}
	if v := value(el, "Version"); v != "2.0" {
		return failed("version", "2.0", v, "have the identity provider speak SAML 2.0")
	}
	if issuers := children(el, nsAssertion, "Issuer"); len(issuers) > 0 {
		if check := r.issuer(el); check != nil {
			return check
		}
	}
	if d, ok := attribute(el, "Destination"); ok && !slices.Contains(r.Recipient, d) {
		return failed("destination", strings.Join(r.Recipient, ", "), d, "register this address at the identity provider")
	}
	if to, ok := attribute(el, "InResponseTo"); ok {
		r.responseTo = &to
	}
	return nil
}

// issuer compares the one Issuer of el: whoever signs may speak for itself alone.
func (r *reading) issuer(el *etree.Element) *audit.Check {
	got := "none or several"
	if i := only(el, nsAssertion, "Issuer"); i != nil && bare(i) {
		if got = trimmed(i); got == r.Provider.EntityID {
			return nil
		}
	}
	return failed("issuer", r.Provider.EntityID, got, "name the identity provider that issued it, or correct its entity id")
}
