package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
)

// Generate makes a new key without id, organization and purpose. RSA takes some
// tenths of a second, the others microseconds.
func Generate(alg Alg) (*Key, error) {
	k := &Key{Alg: alg}
	var err error
	switch alg {
	case HS256:
		k.Secret = make([]byte, minSecret)
		_, err = rand.Read(k.Secret)
	case RS256, PS256:
		k.Signer, err = rsa.GenerateKey(rand.Reader, minRSA)
	case ES256:
		k.Signer, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case ES384:
		k.Signer, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case ES512:
		k.Signer, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case EdDSA:
		_, k.Signer, err = generateEd25519()
	default:
		err = ErrAlgorithm
	}
	if err != nil {
		return nil, fmt.Errorf("jose: generate %s key: %w", alg, err)
	}
	if k.Signer != nil {
		k.Public = k.Signer.Public()
	}
	return k, nil
}

func generateEd25519() (crypto.PublicKey, crypto.Signer, error) {
	pub, private, err := ed25519.GenerateKey(rand.Reader)
	return pub, private, err
}

// MarshalPrivate writes the private part: PKCS#8, or the bare secret for HS256.
// What it returns must be sealed before it is kept.
func MarshalPrivate(k *Key) ([]byte, error) {
	if k.Alg == HS256 {
		return slices.Clone(k.Secret), nil
	}
	der, err := x509.MarshalPKCS8PrivateKey(k.Signer)
	if err != nil {
		return nil, fmt.Errorf("jose: marshal %s key: %w", k.Alg, err)
	}
	return der, nil
}

// ParsePrivate reads what MarshalPrivate wrote; the key must fit the algorithm.
func ParsePrivate(alg Alg, b []byte) (*Key, error) {
	if alg == HS256 {
		if len(b) < minSecret {
			return nil, fmt.Errorf("jose: HS256 secret is shorter than %d bytes", minSecret)
		}
		return &Key{Alg: alg, Secret: slices.Clone(b)}, nil
	}
	k, err := parsePKCS8(b)
	if err != nil {
		return nil, fmt.Errorf("jose: private key: %w", err)
	}
	if err := fits(k.Public, alg); err != nil {
		return nil, fmt.Errorf("jose: private key: %s: %w", alg, err)
	}
	k.Alg = alg
	return k, nil
}

// ParsePrivatePEM reads a private key that a client signs assertions with: PKCS#8,
// PKCS#1 or SEC 1 PEM without a passphrase. Alg is the usual one of the kind of
// key (RS256 for RSA); an RSA key may be set to PS256 afterwards.
func ParsePrivatePEM(text []byte) (*Key, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("not a private key: expected PEM text (-----BEGIN PRIVATE KEY-----)")
	}
	var k *Key
	var err error
	switch {
	case block.Type == "ENCRYPTED PRIVATE KEY", block.Headers["DEK-Info"] != "":
		return nil, errors.New("this private key has a passphrase: take it off with openssl pkcs8 -topk8 -nocrypt")
	case block.Type == "PRIVATE KEY":
		k, err = parsePKCS8(block.Bytes)
	case block.Type == "RSA PRIVATE KEY":
		k, err = signerKey(x509.ParsePKCS1PrivateKey(block.Bytes))
	case block.Type == "EC PRIVATE KEY":
		k, err = signerKey(x509.ParseECPrivateKey(block.Bytes))
	default:
		return nil, fmt.Errorf("not a private key but a %q block", block.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("private key: %w", err)
	}
	return k, nil
}

func parsePKCS8(der []byte) (*Key, error) {
	private, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, err
	}
	signer, ok := private.(crypto.Signer)
	if !ok {
		return nil, errKeyType
	}
	return signerKey(signer, nil)
}

// signerKey checks a parsed private key like a registered public one.
func signerKey[S crypto.Signer](signer S, err error) (*Key, error) {
	if err != nil {
		return nil, err
	}
	k := &Key{Signer: signer, Public: signer.Public()}
	if err := CheckPublic(k.Public); err != nil {
		return nil, err
	}
	switch pub := k.Public.(type) {
	case *rsa.PublicKey:
		k.Alg = RS256
	case *ecdsa.PublicKey:
		k.Alg = curveAlg(pub.Curve)
	case ed25519.PublicKey:
		k.Alg = EdDSA
	}
	return k, nil
}
