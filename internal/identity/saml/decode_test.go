package saml_test

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"jeton/internal/identity/saml"
)

func TestEverySpellingOfBase64IsRead(t *testing.T) {
	for _, b := range [][]byte{[]byte("<a/>"), {0xfb, 0xff, 0xfe}, {1}, {1, 2}, bytes.Repeat([]byte{0xff, 0xef}, 500)} {
		for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
			s := enc.EncodeToString(b)
			var wrapped strings.Builder
			for n, c := range s {
				if n > 0 && n%64 == 0 {
					wrapped.WriteString("\r\n")
				}
				wrapped.WriteRune(c)
			}
			for _, text := range []string{s, s + "\n", wrapped.String()} {
				if got, err := saml.Decode(text); err != nil || !bytes.Equal(got, b) {
					t.Errorf("Decode(%q) = %q, %v", text, got, err)
				}
			}
		}
	}
}

func TestWhatIsNotPlainBase64IsRefused(t *testing.T) {
	for name, s := range map[string]string{
		"nothing": "", "line ends": "\r\n", "padding alone": "====", "spaces": "PGEv Pg==", "both alphabets": "-_+/", "changed trailing bits": "AB==",
		"padding within": "AA==AAAA", "too much padding": "AAA==", "a cut text": "AAAAA", "percent encoding": "PGEvPg%3D%3D", "a data URL": "data:text/xml;base64,PGEvPg==",
		"too long":      strings.Repeat("A", (256<<10)/3*4+8),
		"far too long":  strings.Repeat("A", 1<<20),
		"just newlines": strings.Repeat("\n", 1<<20),
	} {
		if b, err := saml.Decode(s); err == nil {
			t.Errorf("%s: decoded to %d bytes", name, len(b))
		}
	}
	if b, err := saml.Decode(base64.StdEncoding.EncodeToString(make([]byte, 256<<10))); err != nil || len(b) != 256<<10 {
		t.Errorf("the longest message: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{"", "PGEvPg==", "PGEvPg", "-_-_", "+/+/", "AB==", "A\nA\r\nA=", "AA=A", "=", "A-+A"} {
		f.Add(s)
	}
	plain := strings.NewReplacer("\r", "", "\n", "", "-", "+", "_", "/")
	f.Fuzz(func(t *testing.T, s string) {
		b, err := saml.Decode(s)
		if err != nil {
			return
		}
		// One byte string has one spelling but for line ends, alphabet and padding.
		if got, want := strings.TrimRight(plain.Replace(s), "="), base64.RawStdEncoding.EncodeToString(b); got != want {
			t.Errorf("Decode(%q) = %q, which is spelled %q", s, b, want)
		}
		if len(b) == 0 || len(b) > 256<<10 {
			t.Errorf("%d bytes", len(b))
		}
	})
}
