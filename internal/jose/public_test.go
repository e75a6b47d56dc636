package jose

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"reflect"
	"strings"
	"testing"

	gojose "github.com/go-jose/go-jose/v4"
)

func encodePEM(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func pkix(t testing.TB, pub crypto.PublicKey) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	return encodePEM("PUBLIC KEY", der)
}

// modulus is an odd number of that many bits: nobody's key, but one in form.
func modulus(bits int) *big.Int {
	n := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
	return n.SetBit(n, 0, 1)
}

func rsaJWK(n *big.Int, e, more string) string {
	return `{"kty":"RSA","n":"` + base64.RawURLEncoding.EncodeToString(n.Bytes()) + `","e":"` + e + `"` + more + `}`
}

func TestPublicKeysAreReadInEveryFormPeoplePaste(t *testing.T) {
	for _, alg := range allAlgs[:6] {
		k := testKey(t, alg)
		der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1)},
			&x509.Certificate{SerialNumber: big.NewInt(1)}, k.Public, k.Signer)
		if err != nil {
			t.Fatal(err)
		}
		forms := map[string]string{
			"PEM": pkix(t, k.Public), "PEM with spaces": "\n  " + pkix(t, k.Public) + "\n\n",
			"certificate": encodePEM("CERTIFICATE", der),
			"JWK":         PublicJWK(k).String(), "JWK, other order": StyledJWK(k, AlgFirst).String(),
		}
		if pub, ok := k.Public.(*rsa.PublicKey); ok {
			forms["PKCS#1"] = encodePEM("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(pub))
		}
		for form, text := range forms {
			pub, err := ParsePublic(text)
			if err != nil || !reflect.DeepEqual(pub, k.Public) {
				t.Errorf("%s as %s: %v", alg, form, err)
			}
		}
	}
}

func TestKeysUnfitForRegistrationAreRefusedWithASentence(t *testing.T) {
	rs, es := testKey(t, RS256), testKey(t, ES256)
	private, err := MarshalPrivate(rs)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: modulus(1024), E: 65537})
	if err != nil {
		t.Fatal(err)
	}
	x := base64.RawURLEncoding.EncodeToString(make([]byte, 32))
	jwk := func(k *Key, from, to string) string { return strings.Replace(PublicJWK(k).String(), from, to, 1) }
	for _, c := range []struct{ name, text, want string }{
		{"private PEM", encodePEM("PRIVATE KEY", private), "private key: keep it to yourself"},
		{"private PKCS#1", encodePEM("RSA PRIVATE KEY", private), "private key: keep it to yourself"},
		{"private SEC 1", encodePEM("EC PRIVATE KEY", private), "private key: keep it to yourself"},
		{"private, encrypted", encodePEM("ENCRYPTED PRIVATE KEY", private), "private key: keep it to yourself"},
		{"private OpenSSH", encodePEM("OPENSSH PRIVATE KEY", private), "private key: keep it to yourself"},
		{"public and private", pkix(t, rs.Public) + encodePEM("PRIVATE KEY", private), "private key: keep it to yourself"},
		{"private JWK", jwk(es, `"kty"`, `"d":"AAAA","kty"`), "private key: keep it to yourself"},
		{"symmetric JWK", `{"kty":"oct","k":"AAAA"}`, "private key: keep it to yourself"},
		{"RSA 1024", encodePEM("PUBLIC KEY", der), "RSA 1024: at least 2048 bits"},
		{"RSA 512", rsaJWK(modulus(512), "AQAB", ""), "RSA 512: at least 2048 bits"},
		{"RSA 2047", rsaJWK(modulus(2047), "AQAB", ""), "RSA 2047: at least 2048 bits"},
		{"RSA 16384", rsaJWK(modulus(16384), "AQAB", ""), "RSA 16384: at most 8192 bits"},
		{"exponent 1", rsaJWK(modulus(2048), "AQ", ""), "RSA exponent 1"},
		{"exponent 2", rsaJWK(modulus(2048), "Ag", ""), "RSA exponent 2"},
		{"exponent 2^32", rsaJWK(modulus(2048), "AQAAAAE", ""), "exponent is longer"},
		{"exponent 2^31+1", rsaJWK(modulus(2048), "gAAAAQ", ""), "below 2^31"},
		{"even modulus", rsaJWK(new(big.Int).Lsh(big.NewInt(1), 2047), "AQAB", ""), "even"},
		{"for encryption", jwk(rs, `"use":"sig"`, `"use":"enc"`), `use is "enc"`},
		{"use that is no text", jwk(rs, `"use":"sig"`, `"use":["sig"]`), "use is"},
		{"key_ops without verify", jwk(rs, `"use":"sig"`, `"key_ops":["encrypt"]`), "key_ops"},
		{"algorithm of another kind", jwk(rs, `"RS256"`, `"ES256"`), `alg "ES256" does not fit`},
		{"algorithm of encryption", jwk(rs, `"RS256"`, `"RSA-OAEP"`), "does not fit"},
		{"kid that is a number", jwk(rs, `"kid":"k1"`, `"kid":1`), "kid is not a text"},
		{"point off the curve", `{"kty":"EC","crv":"P-256","x":"` + x + `","y":"` + x + `"}`, "not on the curve"},
		{"point of wrong size", `{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}`, "must be 32 bytes"},
		{"other curve", `{"kty":"EC","crv":"secp256k1","x":"AA","y":"AA"}`, "use P-256"},
		{"X25519", `{"kty":"OKP","crv":"X25519","x":"` + x + `"}`, "use Ed25519"},
		{"short Ed25519", `{"kty":"OKP","crv":"Ed25519","x":"AAAA"}`, "not 32 bytes"},
		{"member twice", jwk(rs, `"kid":"k1"`, `"kid":"k1","kid":"k2"`), "given twice"},
		{"base64 with padding", rsaJWK(modulus(2048), "AQ==", ""), "e is not base64url"},
		{"no kty", `{"n":"AA"}`, "kty is"},
		{"OpenSSH public", "ssh-rsa AAAAB3NzaC1yc2E me@host", "ssh-keygen -e -m PKCS8"},
		{"two keys", pkix(t, rs.Public) + pkix(t, es.Public), "one key at a time"},
		{"something else", "hello", "not a public key"},
		{"certificate request", encodePEM("CERTIFICATE REQUEST", der), "not a public key"},
		{"garbage in PEM", encodePEM("PUBLIC KEY", []byte("x")), "cannot read the public key"},
		{"far too long", strings.Repeat("A", maxText+1), "too long"},
		{"nothing", "", "not a public key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			pub, err := ParsePublic(c.text)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if pub != nil {
				t.Error("a key came with the error")
			}
		})
	}
}

func jwks(keys ...string) []byte { return []byte(`{"keys":[` + strings.Join(keys, ",") + `]}`) }

func TestKeySetsAreReadWhole(t *testing.T) {
	var list []string
	for i, alg := range allAlgs[:6] {
		k := *testKey(t, alg)
		k.ID = fmt.Sprint("key-", i)
		list = append(list, PublicJWK(&k).String())
	}
	keys, err := ParseJWKS(jwks(list...))
	if err != nil || len(keys) != 6 {
		t.Fatalf("%d keys, %v", len(keys), err)
	}
	for i, k := range keys {
		if k.KID != fmt.Sprint("key-", i) || k.Alg != allAlgs[i] || k.Use != "sig" || !reflect.DeepEqual(k.Key, testKey(t, allAlgs[i]).Public) {
			t.Errorf("key %d reads %+v", i, k)
		}
	}
}

func TestKeySetsWithAWrongKeyAreRefused(t *testing.T) {
	es := PublicJWK(testKey(t, ES256)).String()
	anonymous := strings.Replace(es, `"kid":"k1",`, "", 1)
	twenty := strings.Split(strings.Repeat(anonymous+" ", 20), " ")[:20]
	if keys, err := ParseJWKS(jwks(twenty...)); err != nil || len(keys) != 20 {
		t.Errorf("twenty keys: %d, %v", len(keys), err)
	}
	for name, b := range map[string][]byte{
		"kid twice": jwks(es, es), "21 keys": jwks(append(twenty, anonymous)...), "no object": []byte("[]"),
		"no keys": []byte(`{}`), "keys twice": []byte(`{"keys":[],"keys":[]}`), "trailing": append(jwks(es), '{'),
		"private": jwks(strings.Replace(es, `"kid"`, `"d":"AA","kid"`, 1)), "enc": jwks(strings.Replace(es, "sig", "enc", 1)),
		"text for a key": jwks(`"x"`), "cut short": jwks(es)[:40], "too long": make([]byte, maxText+1),
	} {
		if keys, err := ParseJWKS(b); err == nil || keys != nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestThumbprintsAreThoseOfTheRFCs(t *testing.T) {
	const n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
	for jwk, want := range map[string]string{
		`{"kty":"RSA","e":"AQAB","n":"` + n + `"}`: "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", // RFC 7638 §3.1
		rfcEd: "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", // RFC 8037 A.3
	} {
		if got := Thumbprint(publicOf(t, jwk)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	for _, alg := range allAlgs[:6] {
		pub := testKey(t, alg).Public
		sum, err := (&gojose.JSONWebKey{Key: pub}).Thumbprint(crypto.SHA256)
		if err != nil || Thumbprint(pub) != base64.RawURLEncoding.EncodeToString(sum) {
			t.Errorf("%s: go-jose makes another thumbprint", alg)
		}
	}
	if Thumbprint("no key") != "" || MarshalPublicPEM("no key") != "" {
		t.Error("something that is no key has a form")
	}
}

func TestPublishedKeysHaveTheOrderOfTheirStyle(t *testing.T) {
	for _, c := range []struct {
		alg   Alg
		style Style
		want  string
	}{
		{RS256, KtyFirst, "kty kid use alg n e"}, {RS256, AlgFirst, "alg use kid e kty n"},
		{ES256, KtyFirst, "kty kid use alg crv x y"}, {ES256, AlgFirst, "alg use kid crv kty x y"},
		{EdDSA, KtyFirst, "kty kid use alg crv x"}, {HS256, KtyFirst, ""}, {HS256, AlgFirst, ""},
	} {
		claims, err := parseObject(StyledJWK(testKey(t, c.alg), c.style).Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(claims.Names(), " "); got != c.want {
			t.Errorf("%s: %s", c.alg, got)
		}
	}
	for _, alg := range allAlgs[:6] { // go-jose reads them
		var k gojose.JSONWebKey
		if err := json.Unmarshal(PublicJWK(testKey(t, alg)).Bytes(), &k); err != nil || !k.Valid() || k.KeyID != "k1" {
			t.Errorf("%s: go-jose: %v", alg, err)
		}
	}
}

func TestPrivateKeysSurviveARoundTrip(t *testing.T) {
	for _, alg := range allAlgs {
		k := testKey(t, alg)
		b, err := MarshalPrivate(k)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParsePrivate(alg, b)
		if err != nil {
			t.Fatal(err)
		}
		again.ID = k.ID
		checkOwn(t, k, signed(t, again, header(alg), `{}`))
		for _, other := range allAlgs {
			sameKind := other == alg || alg == RS256 && other == PS256 || alg == PS256 && other == RS256 || other == HS256
			if _, err := ParsePrivate(other, b); err == nil && !sameKind {
				t.Errorf("key of %s reads as one of %s", alg, other)
			}
		}
		if alg == HS256 {
			continue
		}
		fromPEM, err := ParsePrivatePEM([]byte(encodePEM("PRIVATE KEY", b)))
		if err != nil || !reflect.DeepEqual(fromPEM.Public, k.Public) {
			t.Errorf("%s: %v", alg, err)
		}
	}
	if _, err := ParsePrivate(HS256, []byte("short")); err == nil {
		t.Error("a short secret is accepted")
	}
	if _, err := Generate("none"); err == nil {
		t.Error("a key for none was made")
	}
}

func TestPrivateKeysOfOtherFormsAreNamed(t *testing.T) {
	for text, want := range map[string]string{
		"":                                      "not a private key",
		pkix(t, testKey(t, ES256).Public):       "not a private key but a \"PUBLIC KEY\"",
		encodePEM("ENCRYPTED PRIVATE KEY", nil): "has a passphrase",
		encodePEM("PRIVATE KEY", []byte("x")):   "private key:",
	} {
		if _, err := ParsePrivatePEM([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func FuzzParsePublic(f *testing.F) {
	for _, alg := range allAlgs[:6] {
		k := testKey(f, alg)
		f.Add(pkix(f, k.Public))
		f.Add(PublicJWK(k).String())
	}
	f.Add(rsaJWK(modulus(1024), "AQAB", `,"use":"enc"`))
	f.Fuzz(func(t *testing.T, text string) {
		pub, err := ParsePublic(text)
		if err != nil {
			if pub != nil {
				t.Fatal("a key came with an error")
			}
			return
		}
		if CheckPublic(pub) != nil {
			t.Fatal("a key unfit for registration was accepted")
		}
		again, err := ParsePublic(MarshalPublicPEM(pub))
		if err != nil || !reflect.DeepEqual(pub, again) || Thumbprint(pub) != Thumbprint(again) || Thumbprint(pub) == "" {
			t.Fatalf("does not survive PEM: %v", err)
		}
		again, err = ParsePublic(PublicJWK(&Key{Public: pub, Alg: algOf(pub)}).String())
		if err != nil || !reflect.DeepEqual(pub, again) {
			t.Fatalf("does not survive JWK: %v", err)
		}
	})
}

func algOf(pub crypto.PublicKey) Alg {
	for _, a := range allAlgs {
		if fits(pub, a) == nil {
			return a
		}
	}
	return ""
}

func FuzzParseJWKS(f *testing.F) {
	f.Add(jwks(PublicJWK(testKey(f, ES256)).String(), PublicJWK(testKey(f, RS256)).String()))
	f.Add([]byte(`{"keys":[]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		keys, err := ParseJWKS(b)
		if err != nil {
			return
		}
		seen := map[string]bool{}
		for _, k := range keys {
			if CheckPublic(k.Key) != nil || k.KID != "" && seen[k.KID] || k.Alg != "" && fits(k.Key, k.Alg) != nil {
				t.Fatalf("accepted %q", b)
			}
			seen[k.KID] = true
		}
		var set struct{ Keys []json.RawMessage }
		if json.Unmarshal(b, &set) != nil || len(set.Keys) != len(keys) {
			t.Fatalf("the standard decoder sees %d keys, not %d", len(set.Keys), len(keys))
		}
	})
}
