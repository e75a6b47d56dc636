package saml

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	_ "crypto/sha256" // the hashes of the tables below
	_ "crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"math/big"
	"regexp"
	"strings"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"

	"jeton/internal/audit"
)

// The transforms a reference must name: these two, in this order.
const (
	enveloped = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
	exclusive = "http://www.w3.org/2001/10/xml-exc-c14n#"
)

// method is how a signature is made.
type method struct {
	name string
	hash crypto.Hash
	rsa  bool // PKCS #1 v1.5; otherwise ECDSA
}

// methods are the signature methods that pass (RFC 9231 §2.3). SHA-1 is not among
// them, and neither is HMAC: its key would be the public certificate.
var methods = map[string]method{
	"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256":   {"rsa-sha256", crypto.SHA256, true},
	"http://www.w3.org/2001/04/xmldsig-more#rsa-sha384":   {"rsa-sha384", crypto.SHA384, true},
	"http://www.w3.org/2001/04/xmldsig-more#rsa-sha512":   {"rsa-sha512", crypto.SHA512, true},
	"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256": {"ecdsa-sha256", crypto.SHA256, false},
	"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384": {"ecdsa-sha384", crypto.SHA384, false},
}

// digests are the digest methods that pass.
var digests = map[string]crypto.Hash{
	"http://www.w3.org/2001/04/xmlenc#sha256":       crypto.SHA256,
	"http://www.w3.org/2001/04/xmldsig-more#sha384": crypto.SHA384,
	"http://www.w3.org/2001/04/xmlenc#sha512":       crypto.SHA512,
}

// aName is what an id looks like (xs:NCName, ASCII).
var aName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.\-]{0,255}$`)

// maxSignedInfo is how many elements SignedInfo may have; the one form that passes
// has nine.
const maxSignedInfo = 16

const nextSign = "sign the assertion with RSA-SHA256 and exclusive canonicalisation"

// failed is a check that did not hold.
func failed(name, want, got, next string) *audit.Check {
	return &audit.Check{Name: name, Want: want, Got: got, Next: next}
}

func badSignature(want, got string) *audit.Check { return failed("signature", want, got, nextSign) }

// signed verifies the one signature directly inside el and gives the tree of the
// canonical bytes it covers, for nothing else may be read afterwards. key tells
// which of keys fits, from 1. KeyInfo is not looked at: whom to believe is
// configured.
func signed(el *etree.Element, keys []crypto.PublicKey) (tree *etree.Element, how string, check *audit.Check) {
	signature := only(el, nsSignature, "Signature")
	if signature == nil {
		return nil, "", badSignature("one signature in "+el.Tag, "none or several")
	}
	info, check := signedInfo(signature)
	if check != nil {
		return nil, "", check
	}
	ref, check := readInfo(info.tree, value(el, "ID"))
	if check != nil {
		return nil, "", check
	}
	key, check := ref.made(info.bytes, trimmed(signature.ChildElements()[1]), keys)
	if check != nil {
		return nil, "", check
	}
	covered, err := canonical(el, signature, ref.prefixes)
	if err != nil {
		return nil, "", badSignature("canonical XML", err.Error())
	}
	if subtle.ConstantTimeCompare(sum(ref.digest, covered), ref.sum) != 1 {
		return nil, "", badSignature("the content that was signed", "the digest of "+el.Tag+" differs: it was changed after signing")
	}
	tree, err = parse(covered, maxElements)
	if err != nil {
		return nil, "", badSignature("canonical XML", err.Error())
	}
	return tree, fmt.Sprintf("%s of %s by key %d of %d", ref.method.name, el.Tag, key, len(keys)), nil
}

// info is SignedInfo as it was signed: the canonical bytes and their tree.
type info struct {
	bytes []byte
	tree  *etree.Element
}

// signedInfo checks the form of a Signature (XML Signature §4.1): SignedInfo,
// SignatureValue and at most KeyInfo, no Object that could hide a document, no
// comment that one reader skips and another trips over.
func signedInfo(signature *etree.Element) (info, *audit.Check) {
	parts := signature.ChildElements()
	form := len(parts) == 2 || len(parts) == 3 && is(parts[2], nsSignature, "KeyInfo")
	if !form || !is(parts[0], nsSignature, "SignedInfo") || !is(parts[1], nsSignature, "SignatureValue") || len(parts[1].ChildElements()) > 0 {
		return info{}, badSignature("SignedInfo, SignatureValue, KeyInfo", "other elements in Signature")
	}
	comments, elements := 0, 0
	each(signature, func(el *etree.Element) {
		for _, c := range el.Child {
			if _, ok := c.(*etree.Comment); ok {
				comments++
			}
		}
	})
	each(parts[0], func(*etree.Element) { elements++ })
	if comments > 0 || elements > maxSignedInfo {
		return info{}, badSignature("a plain Signature", "comments in it, or too many elements")
	}
	b, err := canonical(parts[0], nil, "")
	if err != nil {
		return info{}, badSignature("canonical XML", err.Error())
	}
	tree, err := parse(b, maxSignedInfo)
	if err != nil {
		return info{}, badSignature("canonical XML", err.Error())
	}
	return info{b, tree}, nil
}

// reference is what SignedInfo says: how it was signed and what it covers.
type reference struct {
	method   method
	prefixes string // of InclusiveNamespaces
	digest   crypto.Hash
	sum      []byte
}

// readInfo reads the one form of SignedInfo that passes: one Reference, to id, the
// enveloped signature left out, exclusive canonical form, nothing else.
func readInfo(tree *etree.Element, id string) (reference, *audit.Check) {
	var r reference
	parts := tree.ChildElements()
	if len(parts) != 3 || !is(parts[0], nsSignature, "CanonicalizationMethod") ||
		!is(parts[1], nsSignature, "SignatureMethod") || !is(parts[2], nsSignature, "Reference") {
		return r, badSignature("one Reference", fmt.Sprintf("%d elements in SignedInfo", len(parts)))
	}
	if c := value(parts[0], "Algorithm"); c != exclusive || !bare(parts[0]) {
		return r, badSignature("canonicalisation "+exclusive, c)
	}
	var known bool
	if r.method, known = methods[value(parts[1], "Algorithm")]; !known || !bare(parts[1]) {
		return r, badSignature("RSA or ECDSA with SHA-256 or longer", value(parts[1], "Algorithm"))
	}
	return r.target(parts[2], id)
}

// target reads Reference.
func (r reference) target(ref *etree.Element, id string) (reference, *audit.Check) {
	uri, _ := attribute(ref, "URI")
	if !aName.MatchString(id) || uri != "#"+id {
		return r, badSignature("Reference #"+id, uri)
	}
	parts := ref.ChildElements()
	if len(parts) != 3 || !is(parts[0], nsSignature, "Transforms") ||
		!is(parts[1], nsSignature, "DigestMethod") || !is(parts[2], nsSignature, "DigestValue") {
		return r, badSignature("Transforms, DigestMethod and one DigestValue", fmt.Sprintf("%d elements in Reference", len(parts)))
	}
	prefixes, check := transforms(parts[0])
	if check != nil {
		return r, check
	}
	r.prefixes = prefixes
	var known bool
	if r.digest, known = digests[value(parts[1], "Algorithm")]; !known || !bare(parts[1]) {
		return r, badSignature("a digest of SHA-256 or longer", value(parts[1], "Algorithm"))
	}
	digest, err := unwrap(trimmed(parts[2]))
	if err != nil || !bare(parts[2]) || len(digest) != r.digest.Size() {
		return r, badSignature("a digest in base64", "none")
	}
	r.sum = digest
	return r, nil
}

// transforms checks that what is digested is the element itself, whole, without
// its signature; anything further could pick another part of the document.
func transforms(el *etree.Element) (prefixes string, check *audit.Check) {
	parts := el.ChildElements()
	var got []string
	for _, p := range parts {
		if !is(p, nsSignature, "Transform") {
			return "", badSignature("Transform", p.Tag)
		}
		got = append(got, value(p, "Algorithm"))
	}
	if len(got) != 2 || got[0] != enveloped || got[1] != exclusive || !bare(parts[0]) {
		return "", badSignature("transforms "+enveloped+" and "+exclusive, strings.Join(got, ", "))
	}
	switch below := parts[1].ChildElements(); {
	case len(below) == 0:
		return "", nil
	case len(below) == 1 && is(below[0], exclusive, "InclusiveNamespaces") && bare(below[0]):
		return value(below[0], "PrefixList"), nil
	}
	return "", badSignature("a transform without parameters", "parameters")
}

// bare reports that no element lies in el.
func bare(el *etree.Element) bool { return len(el.ChildElements()) == 0 }

// made verifies the signature itself, by each key in turn, and tells which fitted,
// from 1.
func (r reference) made(info []byte, encoded string, keys []crypto.PublicKey) (int, *audit.Check) {
	signature, err := unwrap(encoded)
	if err != nil {
		return 0, badSignature("a signature in base64", "none")
	}
	digest := sum(r.method.hash, info)
	for i, key := range keys {
		if r.method.fits(key, digest, signature) {
			return i + 1, nil
		}
	}
	return 0, failed("signature", "a key of the identity provider", fmt.Sprintf("%d keys tried, %s", len(keys), r.method.name),
		"read the provider's metadata again: its key may have changed")
}

// fits verifies one signature with one key. ECDSA values are r and s side by side,
// each as long as the order of the curve (XML Signature §6.4.3), not ASN.1.
func (m method) fits(key crypto.PublicKey, digest, signature []byte) bool {
	switch key := key.(type) {
	case *rsa.PublicKey:
		return m.rsa && rsa.VerifyPKCS1v15(key, m.hash, digest, signature) == nil
	case *ecdsa.PublicKey:
		n := (key.Curve.Params().N.BitLen() + 7) / 8
		if m.rsa || len(signature) != 2*n {
			return false
		}
		return ecdsa.Verify(key, digest, new(big.Int).SetBytes(signature[:n]), new(big.Int).SetBytes(signature[n:]))
	}
	return false
}

func sum(h crypto.Hash, b []byte) []byte {
	d := h.New()
	d.Write(b)
	return d.Sum(nil)
}

// unwrap decodes base64 that may be wrapped in lines.
func unwrap(s string) ([]byte, error) {
	return base64.StdEncoding.Strict().DecodeString(strings.NewReplacer(" ", "", "\t", "", "\r", "", "\n", "").Replace(s))
}

// canonical is el, without the child left out, in exclusive canonical form without
// comments. What the ancestors declare is carried along first: canonical form
// writes a namespace where it is used, wherever it was declared.
func canonical(el, without *etree.Element, prefixes string) ([]byte, error) {
	c := el.Copy()
	if without != nil {
		c.RemoveChildAt(without.Index())
	}
	for up := el.Parent(); up != nil; up = up.Parent() {
		for _, a := range up.Attr {
			if declares(a) && !declared(c, a) {
				c.Attr = append(c.Attr, etree.Attr{Space: a.Space, Key: a.Key, Value: a.Value})
			}
		}
	}
	return dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList(prefixes).Canonicalize(c)
}

func declares(a etree.Attr) bool {
	return a.Space == "xmlns" || a.Space == "" && a.Key == "xmlns"
}

func declared(el *etree.Element, a etree.Attr) bool {
	for _, b := range el.Attr {
		if b.Space == a.Space && b.Key == a.Key {
			return true
		}
	}
	return false
}
