package hash

import (
	"context"
	"errors"
	"strings"
	"testing"

	"jeton/internal/oauth"
)

const horse = "correct horse"

// Encodings of horse (argon2: of "password") made by other programs: crypt(3) of
// libxcrypt, Python's hashlib, the reference implementation of argon2.
var vectors = []struct{ name, kind, encoded, secret string }{
	{"argon2id of the reference implementation", KindArgon2id, "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4", "password"},
	{"argon2i of the reference implementation", KindArgon2i, "$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA", "password"},
	{"argon2id of Django", KindArgon2id, "argon2$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4", "password"},
	{"bcrypt 2a", KindBcrypt, "$2a$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2", horse},
	{"bcrypt 2b", KindBcrypt, "$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2", horse},
	{"bcrypt 2y", KindBcrypt, "$2y$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2", horse},
	{"bcrypt of Django", KindBcrypt, "bcrypt$$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2", horse},
	{"bcrypt over SHA-256 of Django", KindBcrypt, "bcrypt_sha256$$2b$05$abcdefghijklmnopqrstuuFRrKxBsFtwnfZtmHymgDN/Qb8toxLuK", horse},
	{"sha256-crypt", KindSHA256Crypt, "$5$saltstring$vc6YOOogU4kWVvwga8e9zTFgKcy4tb5LaPxIiPJzqEC", horse},
	{"sha256-crypt with rounds", KindSHA256Crypt, "$5$rounds=1400$saltstringsaltst$b4WByD/A65dDIHyBKX.totcvXH3quLL22eNbl.q6g7.", horse},
	{"sha512-crypt", KindSHA512Crypt, "$6$saltstring$.r0X7ub5wGR2v4Xz7svCIozfnlorFh19V89t8KC9Umd81uGhFgsyTRNyzQDXDIm17fFcR9z3z7oBNdsyYBbtm/", horse},
	{"sha512-crypt with rounds", KindSHA512Crypt, "$6$rounds=1400$saltstringsaltst$0bvSrYRvxwx4LZJHBsyI1sDBDt6iAkinXon6ovVO626g.RZrKi6Mg4Qunu//Y7g0Z7drQfcV2MCIj/z7P6ume0", horse},
	{"sha512-crypt of a long password", KindSHA512Crypt, "$6$saltstring$t389DMhSoo4E0ZoBwi6pljSVVV2g3aqHWf0TDNhYgN8bq.ZZvSs36oL5OhBAJhEa0qstQyuXVFSHD/d.cFQMw0", strings.Repeat("x", 200)},
	{"yescrypt", KindYescrypt, "$y$j9T$LdJMENpBABJJ3hIHjB1Bi.$CbmXE/O/0bCHlsAzIaBSSe6Q31ZVeM4OxkjSOnAQ3C6", horse},
	{"yescrypt with less memory", KindYescrypt, "$y$j75$LdJMENpBABJJ3hIHjB1Bi.$rfA07bT0O97FNWV5Cb8oFDnoGBJLXwSI4w/PIpLfyy2", horse},
	{"PBKDF2 with SHA-1", KindPBKDF2, "$pbkdf2$1200$MDEyMzQ1Njc4OWFiY2RlZg$nW5psP9S3R1p4U4zUUVx8hODpC4", horse},
	{"PBKDF2 with SHA-256", KindPBKDF2, "$pbkdf2-sha256$1200$MDEyMzQ1Njc4OWFiY2RlZg$aCG4tQGUV.nhBFCGnfDHLhxUG3YEIh8hLILMSPQCWow", horse},
	{"PBKDF2 with SHA-512", KindPBKDF2, "$pbkdf2-sha512$1200$MDEyMzQ1Njc4OWFiY2RlZg$t2Ieqkr6V4kqOGnU77hNyviB15QzN7ZHTHjFOaCSunebXBIrpENNzz6iHaY.LeI0qjz5FvyJPUn5kC3nLijplQ", horse},
	{"PBKDF2 in PHC form", KindPBKDF2, "$pbkdf2-sha256$i=1200,l=32$MDEyMzQ1Njc4OWFiY2RlZg$aCG4tQGUV+nhBFCGnfDHLhxUG3YEIh8hLILMSPQCWow", horse},
	{"PBKDF2 in PHC form without length", KindPBKDF2, "$pbkdf2-sha256$i=1200$MDEyMzQ1Njc4OWFiY2RlZg$aCG4tQGUV+nhBFCGnfDHLhxUG3YEIh8hLILMSPQCWow", horse},
	{"PBKDF2 of Django", KindPBKDF2, "pbkdf2_sha256$1200$0123456789abcdef$aCG4tQGUV+nhBFCGnfDHLhxUG3YEIh8hLILMSPQCWow=", horse},
	{"PBKDF2 with SHA-1 of Django", KindPBKDF2, "pbkdf2_sha1$1200$0123456789abcdef$nW5psP9S3R1p4U4zUUVx8hODpC4=", horse},
	{"scrypt", KindScrypt, "$scrypt$ln=10,r=8,p=2$MDEyMzQ1Njc4OWFiY2RlZg$I4YuHpx/6xJJ4+sk74hQU+KhW++gPE8aHzXbHijxgzg", horse},
	{"SSHA", KindSSHA, "{SSHA}VtJJPXPvCfCWGkEI7kkQTL9vdXUwMTIzNDU2Nw==", horse},
	{"SSHA-256", KindSSHA, "{SSHA256}Z6RFW4+Ag8nVu3NoLdW3eEB0L78lzq2I7TCDYpvCVZkwMTIzNDU2Nw==", horse},
	{"SSHA-512", KindSSHA, "{SSHA512}9gh7lWYBcMag+soxMrJqPUXVL0lAMQImYop25Q9r58bcT6/WHV3BLb+JRomTQRChvw+Qp3usa6Yx2rCPfnvIZjAxMjM0NTY3", horse},
}

func TestHashesOfOtherProgramsVerifyAndAskToBeReplaced(t *testing.T) {
	h := cheap(Options{})
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) {
			kind, err := Recognise(v.encoded)
			if err != nil || kind != v.kind {
				t.Fatalf("Recognise = %q, %v; want %q", kind, err, v.kind)
			}
			r, err := h.Verify(t.Context(), "u", v.encoded, oauth.Secret(v.secret))
			if err != nil || r != (Result{OK: true, Rehash: true}) {
				t.Errorf("right secret: %+v, %v", r, err)
			}
			for _, wrong := range []string{v.secret + "x", v.secret[1:], strings.ToUpper(v.secret), v.secret + "\x00", v.secret + "\x00" + v.secret} {
				r, err = h.Verify(t.Context(), "u", v.encoded, oauth.Secret(wrong))
				if err != nil || r.OK {
					t.Errorf("wrong secret %q: %+v, %v", wrong, r, err)
				}
			}
		})
	}
}

func TestRecogniseRefusesWhatItDoesNotKnow(t *testing.T) {
	long := strings.Repeat("a", 600)
	for _, encoded := range []string{
		"", "password", "$", "$$", "$1$salt$qJH7.N4xYta3aEG/dfqo/0", "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=",
		"5f4dcc3b5aa765d61d8327deb882cf99", "$2x$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2",
		"$2$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2",
		"$2b$5$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2",
		"$2b$03$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2",
		"$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy3", // bits no key has
		"$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy",
		"$argon2d$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
		"$argon2id$v=16$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
		"$argon2id$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
		"$argon2id$v=19$m=256,t=0,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
		"$argon2id$v=19$m=256,t=2,p=0$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
		"$argon2id$v=19$m=8,t=2,p=4$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
		"$argon2id$v=19$m=+256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
		"$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/5", // changed trailing bits
		"$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIP\nnA4rEsF5h7TKyQwu9U1bMCHGi/4",
		"$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$", "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$" + long,
		"$pbkdf2-sha256$0$MDEyMzQ1Njc4OWFiY2RlZg$aCG4tQGUV.nhBFCGnfDHLhxUG3YEIh8hLILMSPQCWow",
		"$pbkdf2-sha256$i=1200,l=20$MDEyMzQ1Njc4OWFiY2RlZg$aCG4tQGUV+nhBFCGnfDHLhxUG3YEIh8hLILMSPQCWow",
		"$5$rounds=10$saltstring$vc6YOOogU4kWVvwga8e9zTFgKcy4tb5LaPxIiPJzqEC", "$5$saltstring$vc6YOOogU4k",
		"$6$saltstring$vc6YOOogU4kWVvwga8e9zTFgKcy4tb5LaPxIiPJzqEC", "$y$j$x$y", "$y$k9T$LdJMENpBABJJ3hIHjB1Bi.$CbmXE/O/0bCHlsAzIaBSSe6Q31ZVeM4OxkjSOnAQ3C6",
		"{SSHA}", "{SSHA}VtJJPXPvCfCWGkEI7kkQTL9vdXU=", "$sha256$short", "$bcrypt72", "$bcrypt72$2x$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2",
	} {
		if kind, err := Recognise(encoded); !errors.Is(err, ErrUnknown) || kind != "" {
			t.Errorf("Recognise(%.60q) = %q, %v; want ErrUnknown", encoded, kind, err)
		}
	}
}

func TestRecogniseRefusesParametersThatWouldStallTheServer(t *testing.T) {
	for _, encoded := range []string{
		"$argon2id$v=19$m=262145,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
		"$argon2id$v=19$m=256,t=11,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
		"$argon2i$v=19$m=256,t=2,p=17$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
		"$2b$15$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2",
		"$2b$31$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2",
		"$pbkdf2-sha256$5000001$MDEyMzQ1Njc4OWFiY2RlZg$aCG4tQGUV.nhBFCGnfDHLhxUG3YEIh8hLILMSPQCWow",
		"$pbkdf2$2500001$MDEyMzQ1Njc4OWFiY2RlZg$aCG4tQGUV.nhBFCGnfDHLhxUG3YEIh8hLILMSPQCWow", // two blocks of SHA-1
		"pbkdf2_sha256$999999999$salt$aCG4tQGUV+nhBFCGnfDHLhxUG3YEIh8hLILMSPQCWow=",
		"$scrypt$ln=19,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$I4YuHpx/6xJJ4+sk74hQU+KhW++gPE8aHzXbHijxgzg",
		"$scrypt$ln=63,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$I4YuHpx/6xJJ4+sk74hQU+KhW++gPE8aHzXbHijxgzg",
		"$scrypt$ln=1,r=999999999,p=1$MDEyMzQ1Njc4OWFiY2RlZg$I4YuHpx/6xJJ4+sk74hQU+KhW++gPE8aHzXbHijxgzg",
		"$scrypt$ln=18,r=8,p=3$MDEyMzQ1Njc4OWFiY2RlZg$I4YuHpx/6xJJ4+sk74hQU+KhW++gPE8aHzXbHijxgzg",
		"$5$rounds=1000001$saltstring$vc6YOOogU4kWVvwga8e9zTFgKcy4tb5LaPxIiPJzqEC",
		"$y$jzz$LdJMENpBABJJ3hIHjB1Bi.$CbmXE/O/0bCHlsAzIaBSSe6Q31ZVeM4OxkjSOnAQ3C6",
	} {
		if kind, err := Recognise(encoded); !errors.Is(err, ErrCostly) || kind != "" {
			t.Errorf("Recognise(%q) = %q, %v; want ErrCostly", encoded, kind, err)
		}
		if r, err := cheap(Options{}).Verify(t.Context(), "u", encoded, horse); !errors.Is(err, ErrCostly) || r.OK {
			t.Errorf("Verify(%q) = %+v, %v; want ErrCostly", encoded, r, err)
		}
	}
}

const eighty = "01234567890123456789012345678901234567890123456789012345678901234567890123456789"
const cutAt72 = "$2b$05$abcdefghijklmnopqrstuuLkMZtUsVwf9Ptg/wgiNv8ZhtnAHnix." // crypt(3) of eighty, and of its first 72 bytes

var seventyTwo, anotherTail = eighty[:72], eighty[:72] + "another"

func TestBcryptTakesNoPasswordBeyond72BytesUnlessTheImportSaysItWasCut(t *testing.T) {
	marked, err := Truncating(cutAt72)
	if err != nil {
		t.Fatal(err)
	}
	if kind, err := Recognise(marked); err != nil || kind != KindBcrypt {
		t.Fatalf("Recognise(marked) = %q, %v", kind, err)
	}
	for _, c := range []struct {
		encoded, secret string
		ok              bool
	}{
		{cutAt72, seventyTwo, true}, {cutAt72, eighty, false}, {cutAt72, anotherTail, false}, {cutAt72, eighty[:71], false},
		{marked, seventyTwo, true}, {marked, eighty, true}, {marked, anotherTail, true}, {marked, eighty[:71], false},
	} {
		r, err := cheap(Options{}).Verify(t.Context(), "u", c.encoded, oauth.Secret(c.secret))
		if err != nil || r.OK != c.ok || r.Rehash != c.ok {
			t.Errorf("%.12s with %d bytes ending in %q: %+v, %v; want %v", c.encoded, len(c.secret), c.secret[len(c.secret)-3:], r, err, c.ok)
		}
	}
	for _, not := range []string{marked, "$sha256$x", vectors[0].encoded} {
		if _, err := Truncating(not); !errors.Is(err, ErrUnknown) {
			t.Errorf("Truncating(%.12s) = %v; want ErrUnknown", not, err)
		}
	}
}

func FuzzRecogniseAcceptsOnlyWhatVerifyReads(f *testing.F) {
	for _, v := range vectors {
		f.Add(v.encoded)
	}
	f.Add(Generated("secret"))
	f.Add("$bcrypt72" + cutAt72)
	h := cheap(Options{NoMemory: true})
	done, cancel := context.WithCancel(context.Background())
	cancel()
	f.Fuzz(func(t *testing.T, encoded string) {
		kind, err := Recognise(encoded)
		if (err == nil) == (kind == "") {
			t.Fatalf("kind %q with error %v", kind, err)
		}
		if err != nil && !errors.Is(err, ErrUnknown) && !errors.Is(err, ErrCostly) {
			t.Fatalf("an error of another kind: %v", err)
		}
		if kind == KindGenerated {
			return
		}
		// All workers are busy and the caller has gone: Verify ends after reading,
		// before the work the encoding asks for.
		leave, _ := h.pool.enter(context.Background())
		defer leave()
		_, got := h.Verify(done, "u", encoded, "x")
		if read := errors.Is(got, context.Canceled); read != (err == nil) {
			t.Fatalf("Recognise %v, Verify %v", err, got)
		}
	})
}
