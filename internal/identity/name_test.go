package identity

import (
	"strings"
	"testing"
	"unicode/utf8"

	"jeton/internal/oauth"
)

func TestSpellingsOfOneNameHaveOneCanonicalForm(t *testing.T) {
	for _, c := range []struct{ name, want string }{
		{"alice", "alice"}, {"Alice", "alice"}, {"ALICE", "alice"},
		{"ａｌｉｃｅ", "alice"}, {"ＡＬＩＣＥ", "alice"}, // fullwidth
		{"andr\u00e9", "andr\u00e9"}, {"andre\u0301", "andr\u00e9"}, {"ANDRE\u0301", "andr\u00e9"}, {"ANDR\u00c9", "andr\u00e9"},
		{"\u212aelvin", "kelvin"}, {"Kelvin", "kelvin"}, // Kelvin sign
		{"\u212bngstrom", "\u00e5ngstrom"}, {"A\u030angstrom", "\u00e5ngstrom"}, // Ångström sign
		{"alice@Example.ORG", "alice@example.org"}, {"ACME\\Bob", "acme\\bob"}, {"bob.o'neil-2+x", "bob.o'neil-2+x"},
		{"John Smith", "john smith"}, {"Иван", "иван"}, {"ΣΟΦΟΣ", "σοφοσ"}, {"ΣΟΦΟς", "σοφος"},
		{"d\u0131\u015f", "d\u0131\u015f"}, {"I", "i"}, // dotless i is a letter of its own, never taken for i
		{"stra\u00dfe", "stra\u00dfe"}, {"STRASSE", "strasse"},
		{strings.Repeat("x", 256), strings.Repeat("x", 256)}, {strings.Repeat("é", 256), strings.Repeat("é", 256)},
	} {
		got, err := Canonical(c.name)
		if err != nil || got != c.want {
			t.Errorf("Canonical(%q) = %q, %v; want %q", c.name, got, err, c.want)
		}
	}
}

func TestNamesWithoutAStableFormAreRefused(t *testing.T) {
	for _, name := range []string{
		"", " ", "alice ", " alice", "al  ice", "alice\u00a0", "al\u2003ice", "\u3000alice", "alice\t", "alice\n", "ali\x00ce", "ali\x7fce", "\u0085",
		"al\u200bice", "al\u200dice", "al\u202eice", "\ufeffalice", "ali\u00adce", "al\u2060ice", // nobody sees these
		"\ufb01x", "\u017f", "\u2460", "½", "\u2128", // ligature, long s, circled digit …
		"\xff", "ali\xc3", strings.Repeat("x", 257), strings.Repeat("é", 257), strings.Repeat("\u4e00", 342),
		"א1a", "\ue000", "\U000e0041",
	} {
		if got, err := Canonical(name); !oauth.Is(err, oauth.InvalidValue) || got != "" {
			t.Errorf("Canonical(%q) = %q, %v; want a refusal", name, got, err)
		}
	}
}

func TestMailAddressesHaveOneCanonicalForm(t *testing.T) {
	for address, want := range map[string]string{
		"alice@example.org": "alice@example.org", "Alice@Example.ORG": "alice@example.org",
		"a.b+tag@x-y.example": "a.b+tag@x-y.example", "ａ@example.org": "a@example.org", "a＠example.org": "a@example.org",
		"andre\u0301@example.org": "andr\u00e9@example.org", "root@localhost": "root@localhost", "x@b\u00fccher.example": "x@b\u00fccher.example",
		strings.Repeat("a", 64) + "@example.org": strings.Repeat("a", 64) + "@example.org",
	} {
		if got, err := CanonicalMail(address); err != nil || got != want {
			t.Errorf("CanonicalMail(%q) = %q, %v; want %q", address, got, err, want)
		}
	}
	for _, address := range []string{
		"", "@", "alice", "alice@", "@example.org", "a@b@c", "a b@example.org", " a@example.org", "a@example.org ", "a@example..org",
		"a@.example.org", "a@example.org.", ".a@example.org", "a.@example.org", "a..b@example.org", `"a"@example.org`, "a@[192.0.2.1]",
		"a@-x.example", "a@x-.example", "a@exa_mple.org", "a@example.org\n", "a\x00@example.org", "Alice <a@example.org>", "a,b@example.org",
		strings.Repeat("a", 65) + "@example.org", "a@" + strings.Repeat("b", 64) + ".org", "a@" + strings.Repeat("b.", 130) + "org",
	} {
		if got, err := CanonicalMail(address); !oauth.Is(err, oauth.InvalidValue) {
			t.Errorf("CanonicalMail(%q) = %q, %v; want a refusal", address, got, err)
		}
	}
}

func FuzzCanonicalIsStable(f *testing.F) {
	for _, name := range []string{"alice", "Alice", "ａｌｉｃｅ", "andre\u0301", "\u212a", "John Smith", "İ", "ǅ", "ΣΑΣ", "ﬀ", "א", "ᾳ\u0345", "\u1e9e", "가\u11a8"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		canon, err := Canonical(name)
		if err != nil {
			if canon != "" || !oauth.Is(err, oauth.InvalidValue) {
				t.Fatalf("Canonical(%q) = %q, %v", name, canon, err)
			}
			return
		}
		if again, err := Canonical(canon); err != nil || again != canon {
			t.Fatalf("Canonical(%q) = %q, but Canonical of that is %q, %v", name, canon, again, err)
		}
		if canon == "" || !utf8.ValidString(canon) || utf8.RuneCountInString(canon) > maxNameChars || strings.TrimSpace(canon) != canon {
			t.Fatalf("Canonical(%q) = %q", name, canon)
		}
		if upper, err := Canonical(strings.ToUpper(canon)); err == nil && isASCII(canon) && upper != canon {
			t.Fatalf("%q in capitals is %q", canon, upper)
		}
	})
}

func FuzzCanonicalMailIsStable(f *testing.F) {
	f.Add("Alice@Example.ORG")
	f.Add("a＠b．c")
	f.Fuzz(func(t *testing.T, address string) {
		canon, err := CanonicalMail(address)
		if err != nil {
			return
		}
		if again, err := CanonicalMail(canon); err != nil || again != canon || strings.Count(canon, "@") != 1 {
			t.Fatalf("CanonicalMail(%q) = %q, and of that %q, %v", address, canon, again, err)
		}
	})
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
}

func BenchmarkCanonical(b *testing.B) {
	for _, name := range []string{"alice.smith@example.org", "Alice.Smith@example.org", "andré"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = Canonical(name)
			}
		})
	}
}
