// Package samltest is a small identity provider for tests: a key made on the spot,
// metadata, and responses signed as asked. Tests of the verifier, the grant and the
// browser's sign-in use it; no part of the server does.
package samltest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"

	"jeton/internal/identity/saml"
)

// Namespaces and values of SAML 2.0 that tests write.
const (
	Assertion = "urn:oasis:names:tc:SAML:2.0:assertion"
	Protocol  = "urn:oasis:names:tc:SAML:2.0:protocol"
	Bearer    = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
	Success   = "urn:oasis:names:tc:SAML:2.0:status:Success"
)

// IdP is an identity provider with one key.
type IdP struct {
	EntityID    string
	SSO         string // its sign-on address
	Certificate string // PEM
	Key         crypto.Signer
	der         []byte
}

// rsaKeys makes the RSA key of a name once in a process: making one takes a while.
var rsaKeys sync.Map // entity id → func() crypto.Signer

// New is a provider with an RSA key of 2048 bits, the same for the same entity id
// as long as the process lives.
func New(entityID string) *IdP {
	made, _ := rsaKeys.LoadOrStore(entityID, sync.OnceValue(func() crypto.Signer {
		return must(rsa.GenerateKey(rand.Reader, 2048))
	}))
	return WithKey(entityID, made.(func() crypto.Signer)())
}

// Fixed is a provider whose P-256 key follows from its entity id, the same in
// every process: what fuzzing signs in one process must verify in another.
func Fixed(entityID string) *IdP {
	d := sha256.Sum256([]byte("test key of " + entityID))
	d[0] = 0 // below the order of the curve
	return WithKey(entityID, must(ecdsa.ParseRawPrivateKey(elliptic.P256(), d[:])))
}

// WithKey is a provider with this key and a certificate for it.
func WithKey(entityID string, key crypto.Signer) *IdP {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: entityID},
		NotBefore:    time.Unix(0, 0),
		NotAfter:     time.Unix(1<<32, 0),
	}
	der := must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))
	return &IdP{
		EntityID: entityID, SSO: entityID + "/sso", Key: key, der: der,
		Certificate: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
	}
}

// Provider is the configuration that trusts it.
func (i *IdP) Provider() *saml.Provider {
	return &saml.Provider{
		Name: "test", Number: 1, EntityID: i.EntityID, Enabled: true, Certificates: []string{i.Certificate},
		SSO: []saml.Endpoint{{Binding: saml.BindingRedirect, Location: i.SSO}, {Binding: saml.BindingPost, Location: i.SSO}},
	}
}

// Metadata describes it as providers do.
func (i *IdP) Metadata() []byte {
	return []byte(`<?xml version="1.0" encoding="UTF-8"?>
<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" xmlns:ds="http://www.w3.org/2000/09/xmldsig#" entityID="` + i.EntityID + `">
  <md:IDPSSODescriptor protocolSupportEnumeration="` + Protocol + `">
    <md:KeyDescriptor use="signing"><ds:KeyInfo><ds:X509Data><ds:X509Certificate>
` + base64.StdEncoding.EncodeToString(i.der) + `
    </ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>
    <md:SingleSignOnService Binding="` + saml.BindingRedirect + `" Location="` + i.SSO + `"/>
    <md:SingleSignOnService Binding="` + saml.BindingPost + `" Location="` + i.SSO + `"/>
  </md:IDPSSODescriptor>
</md:EntityDescriptor>
`)
}

// Attribute is one attribute of a user.
type Attribute struct {
	Name   string
	Values []string
}

// Claims are what a response says and how it is signed.
type Claims struct {
	NameID       string
	Format       string // of NameID, "" = unspecified
	Audience     string
	Recipient    string // also Destination of the response
	InResponseTo string // "" = none
	ID           string // of the assertion, "" = a new one
	Now          time.Time
	Life         time.Duration // 0 = 5 minutes
	Attributes   []Attribute

	// SignResponse signs the response. The assertion is signed too, unless
	// BareAssertion.
	SignResponse, BareAssertion bool
	Hash                        crypto.Hash // 0 = SHA-256

	// Edit changes the unsigned response, or the assertion where there is no
	// response, before it is signed.
	Edit func(root *etree.Element)
}

// Response is the base64 of a response, as a browser posts it.
func (i *IdP) Response(c Claims) string {
	return base64.StdEncoding.EncodeToString(i.ResponseXML(c))
}

// Assertion is the base64url of an assertion alone (RFC 7522 §2.1).
func (i *IdP) Assertion(c Claims) string {
	return base64.URLEncoding.EncodeToString(i.AssertionXML(c))
}

// ResponseXML is the document of Response.
func (i *IdP) ResponseXML(c Claims) []byte {
	r := etree.NewElement("samlp:Response")
	r.CreateAttr("xmlns:samlp", Protocol)
	r.CreateAttr("xmlns:saml", Assertion)
	r.CreateAttr("xmlns:xs", "http://www.w3.org/2001/XMLSchema")
	set(r, "ID", saml.NewID(), "Version", "2.0", "IssueInstant", stamp(c.Now), "Destination", c.Recipient, "InResponseTo", c.InResponseTo)
	r.CreateElement("saml:Issuer").SetText(i.EntityID)
	set(r.CreateElement("samlp:Status").CreateElement("samlp:StatusCode"), "Value", Success)
	i.assertion(r.CreateElement("saml:Assertion"), c)
	if c.Edit != nil {
		c.Edit(r)
	}
	if !c.BareAssertion {
		for _, a := range r.SelectElements("saml:Assertion") {
			i.Sign(a, c.Hash)
		}
	}
	if c.SignResponse {
		i.Sign(r, c.Hash)
	}
	return Bytes(r)
}

// AssertionXML is the document of Assertion.
func (i *IdP) AssertionXML(c Claims) []byte {
	a := etree.NewElement("saml:Assertion")
	a.CreateAttr("xmlns:saml", Assertion)
	i.assertion(a, c)
	if c.Edit != nil {
		c.Edit(a)
	}
	if !c.BareAssertion {
		i.Sign(a, c.Hash)
	}
	return Bytes(a)
}

func (i *IdP) assertion(a *etree.Element, c Claims) {
	if c.ID == "" {
		c.ID = saml.NewID()
	}
	if c.Life == 0 {
		c.Life = 5 * time.Minute
	}
	if c.Format == "" {
		c.Format = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"
	}
	end := stamp(c.Now.Add(c.Life))
	set(a, "ID", c.ID, "Version", "2.0", "IssueInstant", stamp(c.Now))
	a.CreateElement("saml:Issuer").SetText(i.EntityID)
	subject := a.CreateElement("saml:Subject")
	name := subject.CreateElement("saml:NameID")
	set(name, "Format", c.Format)
	name.SetText(c.NameID)
	confirmation := subject.CreateElement("saml:SubjectConfirmation")
	set(confirmation, "Method", Bearer)
	set(confirmation.CreateElement("saml:SubjectConfirmationData"), "NotOnOrAfter", end, "Recipient", c.Recipient, "InResponseTo", c.InResponseTo)
	conditions := a.CreateElement("saml:Conditions")
	set(conditions, "NotBefore", stamp(c.Now), "NotOnOrAfter", end)
	conditions.CreateElement("saml:AudienceRestriction").CreateElement("saml:Audience").SetText(c.Audience)
	authn := a.CreateElement("saml:AuthnStatement")
	set(authn, "AuthnInstant", stamp(c.Now), "SessionIndex", "s-"+c.ID)
	authn.CreateElement("saml:AuthnContext").CreateElement("saml:AuthnContextClassRef").
		SetText("urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport")
	if len(c.Attributes) == 0 {
		return
	}
	statement := a.CreateElement("saml:AttributeStatement")
	for _, attr := range c.Attributes {
		el := statement.CreateElement("saml:Attribute")
		set(el, "Name", attr.Name)
		for _, v := range attr.Values {
			value := el.CreateElement("saml:AttributeValue")
			value.CreateAttr("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance")
			set(value, "xsi:type", "saml:x")
			value.SetText(v)
		}
	}
}

// set adds attributes by name and value; an empty value adds none.
func set(el *etree.Element, pairs ...string) {
	for n := 0; n < len(pairs); n += 2 {
		if pairs[n+1] != "" {
			el.CreateAttr(pairs[n], pairs[n+1])
		}
	}
}

// Sign puts an enveloped signature into el, after its Issuer where there is one.
func (i *IdP) Sign(el *etree.Element, hash crypto.Hash) {
	if hash == 0 {
		hash = crypto.SHA256
	}
	ctx := must(dsig.NewSigningContext(i.Key, [][]byte{i.der}))
	ctx.Hash, ctx.Canonicalizer = hash, dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("")
	alone := el.Copy()
	for up := el.Parent(); up != nil; up = up.Parent() {
		for _, a := range up.Attr {
			if a.Space == "xmlns" && alone.SelectAttr("xmlns:"+a.Key) == nil {
				alone.CreateAttr("xmlns:"+a.Key, a.Value)
			}
		}
	}
	signature := must(ctx.ConstructSignature(alone, true))
	if key, ok := i.Key.Public().(*ecdsa.PublicKey); ok {
		v := signature.SelectElement("SignatureValue")
		v.SetText(sideBySide(v.Text(), (key.Curve.Params().N.BitLen()+7)/8))
	}
	at := 0
	if issuer := el.SelectElement("Issuer"); issuer != nil {
		at = issuer.Index() + 1
	}
	el.InsertChildAt(at, signature)
}

// sideBySide turns an ASN.1 signature into r and s of n bytes each, as XML has it.
func sideBySide(encoded string, n int) string {
	var v struct{ R, S *big.Int }
	must(asn1.Unmarshal(must(base64.StdEncoding.DecodeString(encoded)), &v))
	b := make([]byte, 2*n)
	v.R.FillBytes(b[:n])
	v.S.FillBytes(b[n:])
	return base64.StdEncoding.EncodeToString(b)
}

// Bytes writes a document.
func Bytes(root *etree.Element) []byte {
	doc := etree.NewDocument()
	doc.SetRoot(root.Copy())
	return must(doc.WriteToBytes())
}

// Encode is base64 as browsers post it.
func Encode(doc []byte) string { return base64.StdEncoding.EncodeToString(doc) }

// Change replaces old in the document of an encoded message, which must hold it.
func Change(encoded, old, new string) string {
	doc := string(must(base64.StdEncoding.DecodeString(encoded)))
	if !strings.Contains(doc, old) {
		panic(fmt.Sprintf("samltest: %q is not in the document", old))
	}
	return Encode([]byte(strings.ReplaceAll(doc, old, new)))
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// must is for what cannot fail in a test's own provider.
func must[T any](v T, err error) T {
	if err != nil {
		panic("samltest: " + err.Error())
	}
	return v
}
