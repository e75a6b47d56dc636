package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"unicode/utf8"
)

// Bounds of registered keys.
const (
	minRSA  = 2048 // bits
	maxRSA  = 8192 // bits: beyond, one verification costs milliseconds
	maxText = 64 << 10
	maxKeys = 20
)

// PublicKey is one key of a JWK set.
type PublicKey struct {
	KID string
	Alg Alg    // "" when the set does not say
	Use string // "" or "sig"
	Key crypto.PublicKey
}

var (
	errPrivate = errors.New("this is a private key: keep it to yourself and paste the public part")
	errNoKey   = errors.New("not a public key: paste PEM text (-----BEGIN PUBLIC KEY-----), a certificate or a JWK")
)

// ParsePublic reads a public key as people paste it: PEM (SubjectPublicKeyInfo,
// PKCS#1 or a certificate) or one JWK. It checks all that must hold for a key to
// be registered; its errors are sentences for the person who pasted it.
func ParsePublic(text string) (crypto.PublicKey, error) {
	if len(text) > maxText {
		return nil, fmt.Errorf("too long for a public key: at most %d KiB", maxText>>10)
	}
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "{") {
		k, err := parseJWK([]byte(text))
		return k.Key, err
	}
	pub, err := parsePEM(text)
	if err == nil {
		err = CheckPublic(pub)
	}
	if err != nil {
		return nil, err
	}
	return pub, nil
}

func parsePEM(text string) (crypto.PublicKey, error) {
	block, rest := pem.Decode([]byte(text))
	switch {
	case strings.Contains(text, "PRIVATE KEY-----"):
		return nil, errPrivate
	case block == nil && strings.HasPrefix(text, "ssh-"), block == nil && strings.HasPrefix(text, "ecdsa-sha2-"):
		return nil, errors.New("this is an OpenSSH key: turn it into PEM with ssh-keygen -e -m PKCS8 -f FILE")
	case block == nil:
		return nil, errNoKey
	case len(strings.TrimSpace(string(rest))) > 0:
		return nil, errors.New("there is more than one block: paste one key at a time")
	}
	return parseBlock(block)
}

func parseBlock(block *pem.Block) (pub crypto.PublicKey, err error) {
	switch block.Type {
	case "PUBLIC KEY":
		pub, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		pub, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		var cert *x509.Certificate
		if cert, err = x509.ParseCertificate(block.Bytes); err == nil {
			pub = cert.PublicKey
		}
	default:
		return nil, errNoKey
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the %s: %w", strings.ToLower(block.Type), err)
	}
	return pub, nil
}

// CheckPublic says whether a key is strong enough and of a kind that can verify
// anything here: RSA of 2048 to 8192 bits with an odd exponent from 3, P-256,
// P-384, P-521 or Ed25519.
func CheckPublic(pub crypto.PublicKey) error {
	switch pub := pub.(type) {
	case *rsa.PublicKey:
		return checkRSA(pub)
	case *ecdsa.PublicKey:
		if curveAlg(pub.Curve) == "" {
			return fmt.Errorf("EC curve %s: use P-256, P-384 or P-521", pub.Params().Name)
		}
		if _, err := pub.Bytes(); err != nil { // the point must be on the curve
			return errors.New("EC key: the point is not on the curve")
		}
		return nil
	case ed25519.PublicKey:
		if len(pub) != ed25519.PublicKeySize {
			return errors.New("Ed25519 key: not 32 bytes")
		}
		return nil
	}
	return errors.New("kind of key not supported: use RSA, P-256, P-384, P-521 or Ed25519")
}

func checkRSA(pub *rsa.PublicKey) error {
	bits := pub.N.BitLen()
	switch {
	case bits < minRSA:
		return fmt.Errorf("RSA %d: at least %d bits", bits, minRSA)
	case bits > maxRSA:
		return fmt.Errorf("RSA %d: at most %d bits", bits, maxRSA)
	case pub.E < 3 || pub.E%2 == 0 || pub.E > 1<<31-1:
		return fmt.Errorf("RSA exponent %d: must be odd, at least 3 and below 2^31", pub.E)
	case pub.N.Bit(0) == 0:
		return errors.New("RSA modulus is even: this is no RSA key")
	}
	return nil
}

// curveAlg is the one algorithm of a curve, "" for others.
func curveAlg(c elliptic.Curve) Alg {
	switch c {
	case elliptic.P256():
		return ES256
	case elliptic.P384():
		return ES384
	case elliptic.P521():
		return ES512
	}
	return ""
}

// ParseJWKS reads a JWK set (RFC 7517 §5) of at most twenty keys, each of which
// must be fit to be registered; a kid may not come twice.
func ParseJWKS(b []byte) ([]PublicKey, error) {
	if len(b) > maxText {
		return nil, fmt.Errorf("key set is too long: at most %d KiB", maxText>>10)
	}
	list, err := elements(b)
	if err != nil {
		return nil, err
	}
	keys := make([]PublicKey, 0, len(list))
	for i, raw := range list {
		k, err := parseJWK(raw)
		if err != nil {
			return nil, fmt.Errorf("key %d of the set: %w", i+1, err)
		}
		if k.KID != "" && slices.ContainsFunc(keys, func(o PublicKey) bool { return o.KID == k.KID }) {
			return nil, fmt.Errorf("key %d of the set: kid %s is there twice", i+1, quoted(k.KID))
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// elements cuts the member "keys" into its objects.
func elements(b []byte) ([][]byte, error) {
	s := scanner{b: b, count: maxMembers - maxSetMembers}
	s.space()
	if !utf8.Valid(b) || !s.take('{') {
		return nil, errors.New("not a JWK set: no JSON object")
	}
	members, err := s.object(1)
	if err != nil {
		return nil, fmt.Errorf("not a JWK set: %w", err)
	}
	if s.space(); s.pos != len(b) {
		return nil, errors.New("not a JWK set: data after the object")
	}
	keys := Claims{members}.Raw("keys")
	if len(keys) == 0 || keys[0] != '[' {
		return nil, errors.New(`not a JWK set: no array "keys"`)
	}
	return items(keys)
}

// maxSetMembers bounds the members of all keys of a set together.
const maxSetMembers = 20*maxKeys + 10

// items cuts an array that was scanned before.
func items(array []byte) ([][]byte, error) {
	s := scanner{b: array, pos: 1, count: maxMembers - maxSetMembers}
	var list [][]byte
	for s.space(); !s.take(']'); s.space() {
		if len(list) > 0 {
			s.take(',')
			s.space()
		}
		if len(list) == maxKeys {
			return nil, fmt.Errorf("more than %d keys in the set", maxKeys)
		}
		start := s.pos
		if err := s.value(2); err != nil {
			return nil, err
		}
		list = append(list, array[start:s.pos])
	}
	return list, nil
}

// privateMembers hold private or symmetric keys (RFC 7518 §6.2.2, §6.3.2, §6.4).
var privateMembers = [...]string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"}

// parseJWK reads one public JWK and checks it for registration.
func parseJWK(b []byte) (PublicKey, error) {
	c, err := parseObject(b)
	if err != nil {
		return PublicKey{}, fmt.Errorf("not a JWK: %w", err)
	}
	for _, name := range privateMembers {
		if c.Has(name) {
			return PublicKey{}, errPrivate
		}
	}
	k := PublicKey{}
	if k.Key, err = jwkKey(c); err != nil {
		return PublicKey{}, err
	}
	if err := CheckPublic(k.Key); err != nil {
		return PublicKey{}, err
	}
	if err := k.purpose(c); err != nil {
		return PublicKey{}, err
	}
	return k, nil
}

// purpose reads kid, use, key_ops and alg and refuses a key that is not for
// verifying signatures (RFC 7517 §4.2–4.4).
func (k *PublicKey) purpose(c Claims) error {
	var ok bool
	if k.KID, ok = c.Text("kid"); !ok && c.Has("kid") {
		return errors.New("JWK: kid is not a text")
	}
	if k.Use, ok = c.Text("use"); c.Has("use") && (!ok || k.Use != "sig") {
		return fmt.Errorf("JWK: use is %s: only keys for signatures (use sig)", quoted(k.Use))
	}
	if ops, ok := c.Texts("key_ops"); c.Has("key_ops") && (!ok || !slices.Contains(ops, "verify")) {
		return errors.New("JWK: key_ops do not contain verify")
	}
	alg, ok := c.Text("alg")
	if !ok && !c.Has("alg") {
		return nil
	}
	if k.Alg = Alg(alg); fits(k.Key, k.Alg) != nil {
		return fmt.Errorf("JWK: alg %s does not fit the key", quoted(alg))
	}
	return nil
}

func jwkKey(c Claims) (crypto.PublicKey, error) {
	kty, _ := c.Text("kty")
	switch kty {
	case "RSA":
		return jwkRSA(c)
	case "EC":
		return jwkEC(c)
	case "OKP":
		return jwkOKP(c)
	case "oct":
		return nil, errors.New("this is a symmetric key: paste a public key")
	}
	return nil, fmt.Errorf("JWK: kty is %s: use RSA, EC or OKP", quoted(kty))
}

// octets is a member in canonical base64url.
func octets(c Claims, name string) ([]byte, error) {
	s, ok := c.Text(name)
	if !ok || s == "" || strings.ContainsAny(s, "\r\n") {
		return nil, fmt.Errorf("JWK: %s is missing or not base64url", name)
	}
	b, err := strict.DecodeString(s)
	if err != nil {
		return nil, fmt.Errorf("JWK: %s is not base64url", name)
	}
	return b, nil
}

func jwkRSA(c Claims) (crypto.PublicKey, error) {
	n, err := octets(c, "n")
	if err != nil {
		return nil, err
	}
	e, err := octets(c, "e")
	if err != nil {
		return nil, err
	}
	if len(e) > 4 {
		return nil, errors.New("RSA exponent is longer than 4 bytes")
	}
	var e4 [4]byte
	copy(e4[4-len(e):], e)
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(binary.BigEndian.Uint32(e4[:]))}, nil
}

func jwkEC(c Claims) (crypto.PublicKey, error) {
	crv, _ := c.Text("crv")
	curve := curveByName(crv)
	if curve == nil {
		return nil, fmt.Errorf("EC curve %s: use P-256, P-384 or P-521", quoted(crv))
	}
	x, err := octets(c, "x")
	if err != nil {
		return nil, err
	}
	y, err := octets(c, "y")
	if err != nil {
		return nil, err
	}
	size := (curve.Params().BitSize + 7) / 8
	if len(x) != size || len(y) != size { // RFC 7518 §6.2.1.2: full size, zeros included
		return nil, fmt.Errorf("EC key: x and y must be %d bytes", size)
	}
	pub, err := ecdsa.ParseUncompressedPublicKey(curve, slices.Concat([]byte{4}, x, y))
	if err != nil {
		return nil, errors.New("EC key: the point is not on the curve")
	}
	return pub, nil
}

func curveByName(crv string) elliptic.Curve {
	switch crv {
	case "P-256":
		return elliptic.P256()
	case "P-384":
		return elliptic.P384()
	case "P-521":
		return elliptic.P521()
	}
	return nil
}

func jwkOKP(c Claims) (crypto.PublicKey, error) {
	if crv, _ := c.Text("crv"); crv != "Ed25519" {
		return nil, fmt.Errorf("OKP curve %s: use Ed25519", quoted(crv))
	}
	x, err := octets(c, "x")
	if err != nil {
		return nil, err
	}
	return ed25519.PublicKey(x), nil
}

// MarshalPublicPEM writes SubjectPublicKeyInfo PEM, "" for a kind of key that
// CheckPublic refuses.
func MarshalPublicPEM(pub crypto.PublicKey) string {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return ""
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// Thumbprint is the SHA-256 JWK thumbprint in base64url (RFC 7638), "" for a kind
// of key that CheckPublic refuses.
func Thumbprint(pub crypto.PublicKey) string {
	var o Object
	for _, p := range parameters(pub, true) {
		o = o.Str(p.name, p.value)
	}
	if len(o.b) == 0 {
		return ""
	}
	sum := sha256.Sum256(o.Bytes())
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Style is the order of the members of a published JWK. Order means nothing to a
// parser; one vendor's document prints another.
type Style int

// The styles there are.
const (
	KtyFirst Style = iota // kty, kid, use, alg, parameters
	AlgFirst              // alg, use, kid, then kty and parameters by name
)

// PublicJWK is the key as a JWK set publishes it; the empty object for HS256.
func PublicJWK(k *Key) Object { return StyledJWK(k, KtyFirst) }

// StyledJWK is PublicJWK with another order of members.
func StyledJWK(k *Key, style Style) Object {
	params := parameters(k.Public, style == AlgFirst)
	if params == nil {
		return Obj()
	}
	o := Obj()
	if style == AlgFirst {
		o = o.Str("alg", string(k.Alg)).Str("use", "sig")
		if k.ID != "" {
			o = o.Str("kid", k.ID)
		}
	} else {
		o, params = o.Str(params[0].name, params[0].value), params[1:]
		if k.ID != "" {
			o = o.Str("kid", k.ID)
		}
		o = o.Str("use", "sig").Str("alg", string(k.Alg))
	}
	for _, p := range params {
		o = o.Str(p.name, p.value)
	}
	return o
}

type parameter struct{ name, value string }

// parameters are kty and the public parameters of RFC 7518 §6, kty first or all
// by name, as a thumbprint needs them (RFC 7638 §3).
func parameters(pub crypto.PublicKey, sorted bool) []parameter {
	enc := base64.RawURLEncoding.EncodeToString
	var list []parameter
	switch pub := pub.(type) {
	case *rsa.PublicKey:
		list = []parameter{{"kty", "RSA"}, {"n", enc(pub.N.Bytes())}, {"e", enc(big.NewInt(int64(pub.E)).Bytes())}}
	case *ecdsa.PublicKey:
		point, err := pub.Bytes()
		if err != nil || curveAlg(pub.Curve) == "" {
			return nil
		}
		x, y := point[1:1+len(point)/2], point[1+len(point)/2:]
		list = []parameter{{"kty", "EC"}, {"crv", pub.Params().Name}, {"x", enc(x)}, {"y", enc(y)}}
	case ed25519.PublicKey:
		list = []parameter{{"kty", "OKP"}, {"crv", "Ed25519"}, {"x", enc(pub)}}
	default:
		return nil
	}
	if sorted {
		slices.SortFunc(list, func(a, b parameter) int { return strings.Compare(a.name, b.name) })
	}
	return list
}
