package mint

import (
	"crypto/sha256"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"jeton/internal/oauth"
	"jeton/internal/policy"
)

func testSealer(t interface{ Fatal(...any) }) *sealer {
	s, err := newSealer(func(label string, n int) []byte {
		sum := sha256.Sum256([]byte(label))
		return sum[:n]
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestASealedTokenOpensToWhatWasSealed(t *testing.T) {
	s := testSealer(t)
	rapid.Check(t, func(t *rapid.T) {
		n := name{rapid.Int64Min(0).Draw(t, "handle"), rapid.Uint32().Draw(t, "generation"), rapid.Uint32().Draw(t, "last")}
		secret := rapid.SliceOfN(rapid.Byte(), secretLen, secretLen).Draw(t, "secret")
		prefix := rapid.SampledFrom([]string{"", "jta_"}).Draw(t, "prefix")
		token := s.seal(prefix, accessToken, n, secret)
		got, body, ok := s.open(prefix, accessToken, token)
		if !ok || got != n || string(body) != string(secret) {
			t.Fatalf("open(seal(%+v)) = %+v, %v", n, got, ok)
		}
		if _, _, ok := s.open(prefix, refreshToken, token); ok {
			t.Fatal("an access token passes for a refresh token")
		}
	})
}

// jwt-18: one token has exactly one spelling.
func TestJWT18AnyChangedCharacterIsNoticedBeforeTheDatabaseIsAsked(t *testing.T) {
	s := testSealer(t)
	token := s.seal("jta_", accessToken, name{1 << 50, 3, math.MaxUint32}, random(secretLen))
	const letters = policy.Base64URL + "=+/ \n."
	for i := range token {
		for _, c := range letters {
			if byte(c) == token[i] {
				continue
			}
			if _, _, ok := s.open("jta_", accessToken, token[:i]+string(c)+token[i+1:]); ok {
				t.Fatalf("character %d changed to %q passes", i, c)
			}
		}
	}
	for n := 1; n <= 8; n++ {
		if _, _, ok := s.open("jta_", accessToken, token[:len(token)-n]); ok {
			t.Fatalf("cut by %d passes", n)
		}
	}
	for _, other := range []string{token + "A", strings.ToUpper(token), "jtr_" + token[4:], token[4:], "", "jta_"} {
		if _, _, ok := s.open("jta_", accessToken, other); ok {
			t.Errorf("%q passes", other)
		}
	}
}

func TestMarksInClaimsReadBackAndNothingElseDoes(t *testing.T) {
	s := testSealer(t)
	for _, m := range []uint32{markToken, markSession, markStateless} {
		text := s.mark(name{7 << 43, 9, m})
		n, ok := s.unmark(text)
		if !ok || n != (name{7 << 43, 9, m}) || len(text) != 32 {
			t.Errorf("unmark(mark) = %+v, %v", n, ok)
		}
		if _, ok := s.unmark(strings.ToUpper(text)); ok {
			t.Error("upper case passes: a second spelling")
		}
	}
	if _, ok := s.unmark(strings.Repeat("0", 32)); ok {
		t.Error("a guessed mark passes")
	}
	want := stateless{time.UnixMilli(1767323045123), 1<<20 | 5, 42, 4095, 17}
	if n := want.name(); readStateless(n) != want || !isStateless(n) {
		t.Errorf("stateless name: %+v", readStateless(n))
	}
}

func TestShortTokensHaveTheVendorsShapeAnd128RandomBits(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range []policy.Form{{Length: 22, Alphabet: policy.Base64URL}, {Length: 30, Alphabet: policy.Base62}} {
		for range 2000 {
			text := spell(f, random(secretLen))
			if len(text) != f.Length || strings.Trim(text, f.Alphabet) != "" || seen[text] {
				t.Fatalf("%q", text)
			}
			seen[text] = true
		}
	}
	// A changed input bit anywhere in the first 128 changes the text.
	base := make([]byte, secretLen)
	for _, f := range []policy.Form{{Length: 22, Alphabet: policy.Base64URL}, {Length: 30, Alphabet: policy.Base62}} {
		texts := map[string]bool{spell(f, base): true}
		for bit := range 128 {
			b := make([]byte, secretLen)
			at := bit
			if f.Alphabet == policy.Base62 { // the number's low end decides there
				at = 255 - bit
			}
			b[at/8] ^= 0x80 >> (at % 8)
			texts[spell(f, b)] = true
		}
		if len(texts) != 129 {
			t.Errorf("length %d: %d different texts of 129", f.Length, len(texts))
		}
	}
}

func TestTheChainIsSecretAndSteady(t *testing.T) {
	a, b := testSealer(t), testSealer(t)
	b.chain = random(32)
	secret := random(secretLen)
	first := string(a.next(refreshToken, 1, 1, secret))
	if string(a.next(refreshToken, 1, 1, secret)) != first {
		t.Error("the successor differs from one time to the next")
	}
	for _, other := range [][]byte{
		a.next(accessToken, 1, 1, secret), a.next(refreshToken, 2, 1, secret),
		a.next(refreshToken, 1, 2, secret), b.next(refreshToken, 1, 1, secret),
	} {
		if string(other) == first {
			t.Error("two places of the chain have one secret")
		}
	}
}

func TestAnAccessTokenKeepsItsOwnPartOfTheFamilysScope(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		family := oauth.Scope(rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z]{1,6}`), 0, 80, rapid.ID).Draw(t, "family"))
		var granted oauth.Scope
		for _, v := range family {
			if rapid.Bool().Draw(t, "has") {
				granted = append(granted, v)
			}
		}
		got := maskedScope(family, scopeMask(family, granted))
		if !got.Within(granted) {
			t.Fatalf("%v grew to %v", granted, got)
		}
		if len(family) <= 64 && len(got) != len(granted) {
			t.Fatalf("%v became %v", granted, got)
		}
	})
}

func FuzzOpen(f *testing.F) {
	s := testSealer(f)
	f.Add(s.seal("jta_", accessToken, name{1, 2, 3}, make([]byte, secretLen)))
	f.Add("jta_")
	f.Fuzz(func(t *testing.T, token string) {
		n, secret, ok := s.open("jta_", accessToken, token)
		if ok && s.seal("jta_", accessToken, n, secret) != token {
			t.Fatalf("%q has a second spelling", token)
		}
		if m, ok := s.unmark(token); ok && s.mark(m) != token {
			t.Fatalf("mark %q has a second spelling", token)
		}
	})
}
