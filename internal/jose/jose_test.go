package jose

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	gojose "github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var allAlgs = []Alg{RS256, PS256, ES256, ES384, ES512, EdDSA, HS256}

var testKeys sync.Map

// testKey makes one key per algorithm and test run.
func testKey(t testing.TB, alg Alg) *Key {
	t.Helper()
	if k, ok := testKeys.Load(alg); ok {
		return k.(*Key)
	}
	k, err := Generate(alg)
	if err != nil {
		t.Fatal(err)
	}
	k.ID = "k1"
	testKeys.Store(alg, k)
	return k
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func unb64(t testing.TB, s string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// signed makes a token with a header of any kind.
func signed(t testing.TB, k *Key, header, claims string) string {
	t.Helper()
	input := b64(header) + "." + b64(claims)
	sig, err := k.sign([]byte(input))
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(sig)
}

func header(alg Alg) string { return `{"alg":"` + string(alg) + `","kid":"k1"}` }

func publicOf(t testing.TB, jwk string) crypto.PublicKey {
	t.Helper()
	pub, err := ParsePublic(jwk)
	if err != nil {
		t.Fatal(err)
	}
	return pub
}

const (
	rfcClaims = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
	rfcRSA    = `{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}`
	rfcP256   = `{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`
	rfcP521   = `{"kty":"EC","crv":"P-521","x":"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk","y":"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2"}`
	rfcEd     = `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`
)

func TestTokensOfRFC7515Verify(t *testing.T) {
	secret := unb64(t, "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
	for _, c := range []struct {
		name, token string
		key         *Key
	}{
		{"A.1 HS256", "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." + rfcClaims + ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
			&Key{Alg: HS256, Secret: secret}},
		{"A.2 RS256", "eyJhbGciOiJSUzI1NiJ9." + rfcClaims + ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
			&Key{Alg: RS256, Public: publicOf(t, rfcRSA)}},
		{"A.3 ES256", "eyJhbGciOiJFUzI1NiJ9." + rfcClaims + ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
			&Key{Alg: ES256, Public: publicOf(t, rfcP256)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			tok, err := Parse(c.token)
			if err != nil {
				t.Fatal(err)
			}
			if err := tok.Verify(c.key); err != nil {
				t.Error(err)
			}
			if iss, _ := tok.Claims.Text("iss"); iss != "joe" {
				t.Errorf("iss is %q", iss)
			}
			if exp, _ := tok.Claims.Int("exp"); exp != 1300819380 {
				t.Errorf("exp is %d", exp)
			}
			if c.key.Public != nil {
				if err := tok.VerifyPublic(c.key.Public, c.key.Alg); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// The payloads of RFC 7515 A.4 and RFC 8037 A.4 are no JSON objects.
func TestSignaturesOfRFC7515A4AndRFC8037Verify(t *testing.T) {
	for _, c := range []struct{ alg, jwk, input, sig string }{
		{"ES512", rfcP521, "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA", "AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn"},
		{"EdDSA", rfcEd, "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc", "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"},
	} {
		t.Run(c.alg, func(t *testing.T) {
			sig := unb64(t, c.sig)
			if !valid(publicOf(t, c.jwk), Alg(c.alg), []byte(c.input), sig) {
				t.Error("does not verify")
			}
			sig[10] ^= 1
			if valid(publicOf(t, c.jwk), Alg(c.alg), []byte(c.input), sig) {
				t.Error("verifies though changed")
			}
			if _, err := Parse(c.input + "." + c.sig); !errors.Is(err, ErrMalformed) {
				t.Errorf("a payload that is no object gives %v", err)
			}
		})
	}
}

func TestGoJoseReadsWhatWeSign(t *testing.T) {
	claims := Obj().Str("iss", "https://as.example/").Int("exp", 1700000000).Bytes()
	for _, alg := range allAlgs {
		t.Run(string(alg), func(t *testing.T) {
			k := testKey(t, alg)
			for range 30 { // leading zeros in r or s come up about once in a hundred
				token, err := Sign(k, k.Header("at+jwt").Bytes(), claims)
				if err != nil {
					t.Fatal(err)
				}
				jws, err := gojose.ParseSignedCompact(token, []gojose.SignatureAlgorithm{gojose.SignatureAlgorithm(alg)})
				if err != nil {
					t.Fatal(err)
				}
				got, err := jws.Verify(verifier(k))
				if err != nil || string(got) != string(claims) {
					t.Fatalf("go-jose reads %q, %v", got, err)
				}
				checkOwn(t, k, token)
			}
		})
	}
}

func verifier(k *Key) any {
	if k.Alg == HS256 {
		return k.Secret
	}
	return k.Public
}

func checkOwn(t *testing.T, k *Key, token string) {
	t.Helper()
	tok, err := Parse(token)
	if err != nil {
		t.Fatal(err)
	}
	if tok.Alg != k.Alg || tok.KID != "k1" {
		t.Errorf("header reads %s %s %s", tok.Alg, tok.Typ, tok.KID)
	}
	if err := tok.Verify(k); err != nil {
		t.Error(err)
	}
	if k.Public != nil {
		if err := tok.VerifyPublic(k.Public, allAlgs...); err != nil {
			t.Error(err)
		}
	}
}

func TestWeReadWhatGoJoseSigns(t *testing.T) {
	for _, alg := range allAlgs {
		t.Run(string(alg), func(t *testing.T) {
			k := testKey(t, alg)
			var private any = k.Signer
			if alg == HS256 {
				private = k.Secret
			}
			signer, err := gojose.NewSigner(gojose.SigningKey{Algorithm: gojose.SignatureAlgorithm(alg), Key: private},
				(&gojose.SignerOptions{}).WithType("JWT").WithHeader("kid", "k1"))
			if err != nil {
				t.Fatal(err)
			}
			jws, err := signer.Sign([]byte(`{"sub":"alice"}`))
			if err != nil {
				t.Fatal(err)
			}
			token, err := jws.CompactSerialize()
			if err != nil {
				t.Fatal(err)
			}
			checkOwn(t, k, token)
		})
	}
}

func TestSignRefusesAHeaderOfAnotherAlgorithm(t *testing.T) {
	if _, err := Sign(testKey(t, ES256), []byte(header(RS256)), []byte(`{}`)); err == nil {
		t.Error("signed")
	}
	if _, err := Sign(&Key{Alg: HS256}, []byte(header(HS256)), []byte(`{}`)); err == nil {
		t.Error("signed with an empty secret")
	}
	if _, err := Sign(&Key{Alg: RS256, Signer: testKey(t, ES256).Signer}, []byte(header(RS256)), []byte(`{}`)); err == nil {
		t.Error("signed RS256 with an EC key")
	}
	if _, err := Sign(&Key{Alg: RS256, Public: testKey(t, RS256).Public}, []byte(header(RS256)), []byte(`{}`)); err == nil {
		t.Error("signed without a private part")
	}
}

func TestForgedTokensAreRefused(t *testing.T) {
	rs, es := testKey(t, RS256), testKey(t, ES256)
	other, err := Generate(ES256)
	if err != nil {
		t.Fatal(err)
	}
	const claims = `{"sub":"admin"}`
	pem := MarshalPublicPEM(rs.Public)
	good := signed(t, es, header(ES256), claims)
	cut := strings.Split(good, ".")
	mac := func(secret, head string) string {
		return b64(head) + "." + b64(claims) + "." +
			base64.RawURLEncoding.EncodeToString(mac([]byte(secret), []byte(b64(head)+"."+b64(claims))))
	}
	for _, c := range []struct {
		name, token string
		key         *Key
		want        error
	}{
		{"no signature, alg none", b64(`{"alg":"none"}`) + "." + b64(claims) + ".", es, ErrAlgorithm},
		{"alg nOnE with a signature", signed(t, es, `{"alg":"nOnE"}`, claims), es, ErrAlgorithm},
		{"signature left out", cut[0] + "." + cut[1] + ".", es, ErrSignature},
		{"HMAC with the public key as PEM", mac(pem, header(HS256)), rs, ErrAlgorithm},
		{"HMAC with PEM without its last newline", mac(strings.TrimSpace(pem), header(HS256)), rs, ErrAlgorithm},
		{"HMAC with the public key as JWK", mac(PublicJWK(rs).String(), header(HS256)), rs, ErrAlgorithm},
		{"HMAC under a header that says RS256", mac(pem, header(RS256)), rs, ErrSignature},
		{"key in the header", signed(t, other, `{"alg":"ES256","jwk":`+PublicJWK(other).String()+`}`, claims), es, ErrSignature},
		{"URL of keys in the header", signed(t, other, `{"alg":"ES256","jku":"http://127.0.0.1:1/"}`, claims), es, ErrSignature},
		{"certificate in the header", signed(t, other, `{"alg":"ES256","x5c":["AAAA"]}`, claims), es, ErrSignature},
		{"kid that is a path", signed(t, other, `{"alg":"ES256","kid":"../../../../dev/null"}`, claims), es, ErrSignature},
		{"kid that is a number", signed(t, es, `{"alg":"ES256","kid":1}`, claims), es, ErrMalformed},
		{"unknown critical extension", signed(t, es, `{"alg":"ES256","crit":["urn:x"],"urn:x":1}`, claims), es, ErrMalformed},
		{"known critical extension", signed(t, es, `{"alg":"ES256","crit":["exp"],"exp":1}`, claims), es, ErrMalformed},
		{"unencoded payload", signed(t, es, `{"alg":"ES256","b64":true}`, claims), es, ErrMalformed},
		{"compressed", signed(t, es, `{"alg":"ES256","zip":"DEF"}`, claims), es, ErrMalformed},
		{"JWE in five parts", b64(`{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2c":2147483648,"p2s":"AAAA"}`) + ".AA.AA.AA.AA", es, ErrMalformed},
		{"JWE header in three parts", signed(t, es, `{"alg":"dir","enc":"A128GCM","zip":"DEF"}`, claims), es, ErrMalformed},
		{"empty HMAC key", mac("", header(HS256)), &Key{Alg: HS256}, ErrSignature},
		{"short HMAC key", mac("short", header(HS256)), &Key{Alg: HS256, Secret: []byte("short")}, ErrSignature},
		{"alg missing", signed(t, es, `{"typ":"JWT"}`, claims), es, ErrMalformed},
		{"alg that is an array", signed(t, es, `{"alg":["ES256"]}`, claims), es, ErrMalformed},
		{"alg twice", signed(t, es, `{"alg":"ES256","alg":"ES256"}`, claims), es, ErrMalformed},
		{"alg in two cases", signed(t, es, `{"alg":"ES256","ALG":"none"}`, claims), es, ErrMalformed},
		{"PS256 header for an RS256 key", signed(t, testKey(t, PS256), header(PS256), claims), rs, ErrAlgorithm},
		{"ES256 key with ES384 header", b64(header(ES384)) + "." + cut[1] + "." + cut[2], es, ErrAlgorithm},
		{"claims of another token", cut[0] + "." + b64(`{"sub":"root"}`) + "." + cut[2], es, ErrSignature},
		{"signature one byte short", cut[0] + "." + cut[1] + "." + cut[2][:84], es, ErrSignature},
		{"signature in DER", b64(header(ES256)) + "." + b64(claims) + "." + b64("0\x06\x02\x01\x01\x02\x01\x01"), es, ErrSignature},
		{"signature of zeros", cut[0] + "." + cut[1] + "." + b64(strings.Repeat("\x00", 64)), es, ErrSignature},
		{"claim twice", signed(t, es, header(ES256), `{"sub":"alice","sub":"admin"}`), es, ErrMalformed},
		{"claim twice by escape", signed(t, es, header(ES256), `{"sub":"alice","s\u0075b":"admin"}`), es, ErrMalformed},
		{"claim in two cases", signed(t, es, header(ES256), `{"sub":"alice","Sub":"admin"}`), es, ErrMalformed},
		{"claim in two cases beyond ASCII", signed(t, es, header(ES256), "{\"sub\":\"alice\",\"\u017fub\":\"admin\"}"), es, ErrMalformed},
		{"claim twice inside", signed(t, es, header(ES256), `{"act":{"sub":"a","sub":"b"}}`), es, ErrMalformed},
		{"claim twice inside an array", signed(t, es, header(ES256), `{"act":[{"sub":"a","sub":"b"}]}`), es, ErrMalformed},
		{"two objects", signed(t, es, header(ES256), claims+claims), es, ErrMalformed},
		{"array", signed(t, es, header(ES256), `[`+claims+`]`), es, ErrMalformed},
		{"bad UTF-8", signed(t, es, header(ES256), "{\"sub\":\"\xff\"}"), es, ErrMalformed},
		{"half a surrogate pair", signed(t, es, header(ES256), `{"sub":"\ud800"}`), es, ErrMalformed},
		{"surrogates in wrong order", signed(t, es, header(ES256), `{"sub":"\udc00\ud800"}`), es, ErrMalformed},
		{"control character", signed(t, es, header(ES256), "{\"sub\":\"a\nb\"}"), es, ErrMalformed},
		{"deep", signed(t, es, header(ES256), `{"a":`+strings.Repeat("[", 8)+strings.Repeat("]", 8)+`}`), es, ErrMalformed},
		{"deep in objects", signed(t, es, header(ES256), strings.Repeat(`{"a":`, 9)+"1"+strings.Repeat("}", 9)), es, ErrMalformed},
		{"many members", signed(t, es, header(ES256), manyMembers(101)), es, ErrMalformed},
		{"too long", signed(t, es, header(ES256), `{"a":"`+strings.Repeat("a", MaxToken)+`"}`), es, ErrMalformed},
		{"padding", cut[0] + "." + cut[1] + "." + cut[2] + "==", es, ErrMalformed},
		{"newline at the end", good + "\n", es, ErrMalformed},
		{"newline inside", cut[0] + "." + cut[1][:4] + "\n" + cut[1][4:] + "." + cut[2], es, ErrMalformed},
		{"carriage return inside", cut[0][:4] + "\r" + cut[0][4:] + "." + cut[1] + "." + cut[2], es, ErrMalformed},
		{"space before", " " + good, es, ErrMalformed},
		{"changed trailing bits", good[:len(good)-1] + nextSymbol(good[len(good)-1]), es, ErrMalformed},
		{"standard alphabet", cut[0] + "." + cut[1] + ".+/+/", es, ErrMalformed},
		{"two parts", cut[0] + "." + cut[1], es, ErrMalformed},
		{"four parts", good + ".", es, ErrMalformed},
		{"JSON serialisation", `{"protected":"` + cut[0] + `","payload":"` + cut[1] + `","signature":"` + cut[2] + `"}`, es, ErrMalformed},
		{"empty", "", es, ErrMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			tok, err := Parse(c.token)
			if err == nil {
				err = tok.Verify(c.key)
				if c.key.Public != nil && tok.VerifyPublic(c.key.Public, c.key.Alg) == nil {
					t.Error("VerifyPublic accepts it")
				}
			}
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func manyMembers(n int) string {
	o := Obj()
	for i := range n {
		o = o.Int(fmt.Sprint("a", i), 1)
	}
	return o.String()
}

// nextSymbol is the neighbour in the alphabet: the same bytes with other unused bits.
func nextSymbol(c byte) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(alphabet[strings.IndexByte(alphabet, c)+1])
}

func TestTheBoundsThemselvesAreAccepted(t *testing.T) {
	k := testKey(t, HS256)
	for name, claims := range map[string]string{
		"depth":   `{"a":` + strings.Repeat("[", 7) + strings.Repeat("]", 7) + `}`,
		"members": manyMembers(100),
		"empty":   "{}",
		"spaces":  " {\r\n\t\"a\" : [ 1 , -0.5e+7 , null , { } ] } ",
	} {
		tok, err := Parse(signed(t, k, header(HS256), claims))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if err := tok.Verify(k); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestARegisteredKeyVerifiesOnlyItsOwnAlgorithms(t *testing.T) {
	for _, keyAlg := range allAlgs[:6] {
		for _, tokenAlg := range allAlgs {
			tok, err := Parse(signed(t, testKey(t, tokenAlg), header(tokenAlg), `{}`))
			if err != nil {
				t.Fatal(err)
			}
			k := testKey(t, keyAlg)
			if err := tok.VerifyPublic(k.Public, allAlgs...); (err == nil) != (keyAlg == tokenAlg) {
				t.Errorf("key of %s, token of %s: %v", keyAlg, tokenAlg, err)
			}
			if tok.VerifyPublic(k.Public) == nil || tok.VerifyPublic(k.Public, HS256) == nil {
				t.Errorf("%s: accepted without being allowed", tokenAlg)
			}
		}
	}
}

func TestAKeyTooWeakToRegisterVerifiesNothing(t *testing.T) {
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	tok, err := Parse(signed(t, &Key{Alg: RS256, Signer: weak}, header(RS256), `{}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := tok.VerifyPublic(weak.Public(), RS256); err == nil || !strings.Contains(err.Error(), "RSA 1024") {
		t.Errorf("got %v", err)
	}
}

func TestTypeIsComparedWithoutCaseAndPrefix(t *testing.T) {
	for _, c := range []struct {
		got, want string
		same      bool
	}{
		{"at+jwt", "at+jwt", true}, {"AT+JWT", "at+jwt", true}, {"application/at+jwt", "at+jwt", true},
		{"", "at+jwt", false}, {"JWT", "at+jwt", false}, {"application/", "", false}, {"", "", true},
	} {
		if tok := (&Token{Typ: c.got}); tok.Is(c.want) != c.same {
			t.Errorf("%q is %q: %v", c.got, c.want, !c.same)
		}
	}
}

func TestGettersConvertNothing(t *testing.T) {
	c, err := parseObject([]byte(`{"s":"t\u00e9\ud83d\ude00\/\b\f\n\r\t\"\\","n":1700000000,"f":1700000000.0,"h":1.5,"e":17e8,"e2":0.5e1,` +
		`"m":-3,"big":1000000000000000,"bigger":1000000000000001,"huge":1e400,"tiny":1e-400,"near":1.0000000000000000001,` +
		`"z":-0,"one":["a"],"many":["a","b"],"none":[],"mixed":["a",1],"nested":[["a"]],"t":true,"null":null,"o":{"a":1},"q":"1"}`))
	if err != nil {
		t.Fatal(err)
	}
	ints := map[string]int64{"n": 1700000000, "f": 1700000000, "e": 1700000000, "e2": 5, "m": -3, "big": 1e15, "z": 0}
	texts := map[string][]string{"s": {"té😀/\b\f\n\r\t\"\\"}, "q": {"1"}, "one": {"a"}, "many": {"a", "b"}, "none": {}}
	for _, name := range append(c.Names(), "absent") {
		n, ok := c.Int(name)
		if want, is := ints[name]; ok != is || n != want {
			t.Errorf("Int(%s) = %d, %v", name, n, ok)
		}
		list, ok := c.Texts(name)
		if want, is := texts[name]; ok != is || !slices.Equal(list, want) {
			t.Errorf("Texts(%s) = %q, %v", name, list, ok)
		}
		s, ok := c.Text(name)
		if want := name == "s" || name == "q"; ok != want || want && s != texts[name][0] {
			t.Errorf("Text(%s) = %q, %v", name, s, ok)
		}
		b, ok := c.Bool(name)
		if want := name == "t"; ok != want || b != want {
			t.Errorf("Bool(%s) = %v, %v", name, b, ok)
		}
		if c.Has(name) != (name != "absent") {
			t.Errorf("Has(%s)", name)
		}
	}
}

func TestObjectsKeepOrderAndEscapeLittle(t *testing.T) {
	o := Obj().Str("a", "<&>\u2028\"\\\n\x01\x7fé\xff").Int("b", -1).Bool("c", true).Null("d").
		Strs("e", nil).StrOrStrs("f", []string{"x"}).StrOrStrs("g", []string{"x", "y"}).StrOrStrs("h", nil).
		Raw("i", []byte("[1]")).Obj("j", Obj()).Obj("k", Obj().Int("l", 1)).Objs("m", []Object{{}, Obj().Int("n", 2)})
	want := "{\"a\":\"<&>\u2028\\\"\\\\\\n\\u0001\x7fé\ufffd\",\"b\":-1,\"c\":true,\"d\":null," +
		`"e":[],"f":"x","g":["x","y"],"h":[],"i":[1],"j":{},"k":{"l":1},"m":[{},{"n":2}]}`
	if got := o.String(); got != want {
		t.Error(cmp.Diff(want, got))
	}
	if got := (Object{}).String(); got != "{}" {
		t.Error(got)
	}
}

func TestObjectsAreValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		objects, want := []Object{Obj()}, []string{"{}"}
		for i := range rapid.IntRange(1, 40).Draw(t, "steps") {
			from := rapid.IntRange(0, len(objects)-1).Draw(t, "from")
			value := rapid.StringMatching(`[a-z]{0,90}`).Draw(t, "value")
			member := fmt.Sprintf(`"m%d":"%s"}`, i, value)
			text := strings.TrimSuffix(want[from], "}")
			if text != "{" {
				text += ","
			}
			objects, want = append(objects, objects[from].Str(fmt.Sprint("m", i), value)), append(want, text+member)
			if rapid.Bool().Draw(t, "read") {
				_ = objects[from].Bytes()
			}
		}
		for i, o := range objects {
			if got := o.String(); got != want[i] {
				t.Fatalf("object %d is %s, want %s", i, got, want[i])
			}
		}
	})
}

func TestObjectsDecodeToWhatWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want, o := map[string]any{}, Obj()
		for name, value := range rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "texts") {
			want[name], o = value, o.Str(name, value)
		}
		list := rapid.SliceOf(rapid.String()).Draw(t, "list")
		n := rapid.Int64Range(-maxInt, maxInt).Draw(t, "n")
		inner := o
		o = Obj().Obj("inner", inner).Strs("list", list).Int("n", n)
		var got struct {
			Inner map[string]any
			List  []string
			N     int64
		}
		if err := json.Unmarshal(o.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.List, list) || got.N != n || !cmp.Equal(got.Inner, want) {
			t.Fatalf("%s decodes to %v", o, got)
		}
	})
}

func TestOneBeginningServesManyGoroutines(t *testing.T) {
	base := Obj().Str("iss", "https://as.example")
	var wait sync.WaitGroup
	for g := range 8 {
		wait.Go(func() {
			for i := range 200 {
				v := fmt.Sprint(g, "-", i)
				if got := base.Str("jti", v).String(); got != `{"iss":"https://as.example","jti":"`+v+`"}` {
					t.Errorf("got %s", got)
				}
			}
		})
	}
	wait.Wait()
}

func TestKeysPrintWithoutTheirPrivatePart(t *testing.T) {
	k := &Key{ID: "k1", Alg: HS256, Secret: []byte("sssssssssssssssssssssssssssssssssssss")}
	text, _ := json.Marshal(k)
	out := fmt.Sprintf("%v %+v %#v %d %x %s", k, *k, k, k, *k, text) + slog.AnyValue(k).Resolve().String()
	for _, leak := range []string{"sss", "115 115", "115, 115", "737373", "c3Nz"} {
		if strings.Contains(out, leak) {
			t.Errorf("leaks %q: %s", leak, out)
		}
	}
}

func FuzzParse(f *testing.F) {
	k := testKey(f, HS256)
	for _, claims := range []string{`{}`, `{"sub":"a","aud":["x","y"],"exp":1e9,"o":{"a":[1,{}]}}`, `{"a":"\ud83d\ude00\n"}`, `{"a":1,"A":2}`} {
		f.Add(signed(f, k, header(HS256), claims))
	}
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Fuzz(func(t *testing.T, token string) {
		tok, err := Parse(token)
		if err != nil {
			if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrAlgorithm) {
				t.Fatalf("error of no kind: %v", err)
			}
			return
		}
		checkOneSpelling(t, token, tok)
		checkMembers(t, tok)
	})
}

// checkOneSpelling: the parts encode to the text they came from, and go-jose, which
// the world verifies with, sees the same payload.
func checkOneSpelling(t *testing.T, token string, tok *Token) {
	t.Helper()
	enc := base64.RawURLEncoding.EncodeToString
	if h, rest, _ := strings.Cut(token, "."); enc(unb64(t, h))+"."+enc(tok.payload)+"."+enc(tok.signature) != h+"."+rest {
		t.Fatalf("%q has another spelling", token)
	}
	jws, err := gojose.ParseSignedCompact(token, []gojose.SignatureAlgorithm{gojose.SignatureAlgorithm(tok.Alg)})
	if err == nil && string(jws.UnsafePayloadWithoutVerification()) != string(tok.payload) {
		t.Fatalf("go-jose reads another payload of %q", token)
	}
}

// checkMembers: the standard decoder, for all its laxity, finds the same members.
func checkMembers(t *testing.T, tok *Token) {
	t.Helper()
	var want map[string]json.RawMessage
	if err := json.Unmarshal(tok.payload, &want); err != nil {
		t.Fatalf("accepted what is no JSON: %q", tok.payload)
	}
	if len(want) != len(tok.Claims.members) {
		t.Fatalf("%q: %d members, not %d", tok.payload, len(want), len(tok.Claims.members))
	}
	for _, m := range tok.Claims.members {
		if string(want[m.name]) != string(m.raw) {
			t.Fatalf("%q: %q differs", tok.payload, m.name)
		}
		var s string
		text, ok := tok.Claims.Text(m.name)
		if err := json.Unmarshal(m.raw, &s); ok && (err != nil || s != text) {
			t.Fatalf("%q reads %q, not %q", m.raw, text, s)
		}
	}
}

func BenchmarkSign(b *testing.B) {
	for _, alg := range []Alg{ES256, EdDSA, RS256, HS256} {
		b.Run(string(alg), func(b *testing.B) {
			k := testKey(b, alg)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Sign(k, k.Header("at+jwt").Bytes(), benchClaims().Bytes()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func benchClaims() Object {
	return Obj().Str("iss", "https://as.example").Str("sub", "alice").Strs("aud", []string{"api"}).Int("exp", 1700000900).
		Int("iat", 1700000000).Int("nbf", 1700000000).Str("jti", "0123456789abcdef0123456789abcdef").Str("client_id", "mover").Str("scope", "read write")
}

func BenchmarkVerify(b *testing.B) {
	for _, alg := range []Alg{ES256, EdDSA, HS256} {
		b.Run(string(alg), func(b *testing.B) {
			k := testKey(b, alg)
			token := signed(b, k, header(alg), benchClaims().String())
			b.ReportAllocs()
			for b.Loop() {
				tok, err := Parse(token)
				if err != nil || tok.Verify(k) != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkObject(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_ = benchClaims().Bytes()
	}
}

func BenchmarkParse(b *testing.B) {
	token := signed(b, testKey(b, HS256), header(HS256), benchClaims().String())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(token); err != nil {
			b.Fatal(err)
		}
	}
}
