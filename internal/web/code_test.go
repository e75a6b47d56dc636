package web

import (
	"bytes"
	"strings"
	"testing"
)

func TestCodesAreEightyBitsAndNoTwoAreTheSame(t *testing.T) {
	seen := map[string]bool{}
	for range 10_000 {
		code := NewCode().Reveal()
		if len(code) != 17 || code[8] != '-' || strings.Trim(code, alphabet+"-") != "" {
			t.Fatalf("code %q", code)
		}
		if seen[code] {
			t.Fatalf("code %q came twice", code)
		}
		seen[code] = true
	}
}

func TestACodeReadOutIsTheSameCode(t *testing.T) {
	want, ok := hashCode("0A1B2C3D-4E5F6G7H")
	if !ok {
		t.Fatal("a good code was refused")
	}
	for _, said := range []string{"0a1b2c3d-4e5f6g7h", "OA1B2C3D4E5F6G7H", "0AIB2C3D 4E5F 6G7H", "oalb2c3d4e5f6g7h"} {
		if got, ok := hashCode(said); !ok || !bytes.Equal(got, want) {
			t.Errorf("%q is another code", said)
		}
	}
	for _, said := range []string{"", "0", "0A1B2C3D-4E5F6G7", "0A1B2C3D-4E5F6G7HH", "0A1B2C3D-4E5F6G7U", "0A1B2C3D-4E5F6G7é"} {
		if _, ok := hashCode(said); ok {
			t.Errorf("%q was taken for a code", said)
		}
	}
}

// FuzzCode: whatever is taken for a code is the same code however it is spelled,
// and its form token never shows it.
func FuzzCode(f *testing.F) {
	f.Add("0A1B2C3D-4E5F6G7H")
	f.Add("oooooooo-iiiilllL")
	f.Add("ſſſſſſſſſſſſſſſſ")
	f.Fuzz(func(t *testing.T, code string) {
		hash, ok := hashCode(code)
		if !ok {
			if formToken(code) != "" {
				t.Errorf("%q is no code and has a form", code)
			}
			return
		}
		for _, other := range []string{strings.ToLower(code), strings.ToUpper(code), strings.ReplaceAll(code, "-", ""), " " + code} {
			if again, ok := hashCode(other); !ok || !bytes.Equal(again, hash) {
				t.Errorf("%q and %q are two codes", code, other)
			}
		}
		if token := formToken(code); strings.Contains(strings.ToUpper(token), strings.ToUpper(code)) || len(token) != 64 {
			t.Errorf("form token %q of %q", token, code)
		}
	})
}
