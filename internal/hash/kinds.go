package hash

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// The kinds Recognise names.
const (
	KindGenerated   = "sha256" // from Generated: for secrets drawn at random, never for passwords
	KindArgon2id    = "argon2id"
	KindArgon2i     = "argon2i"
	KindBcrypt      = "bcrypt"
	KindPBKDF2      = "pbkdf2"
	KindScrypt      = "scrypt"
	KindYescrypt    = "yescrypt"
	KindSHA256Crypt = "sha256-crypt"
	KindSHA512Crypt = "sha512-crypt"
	KindSSHA        = "ssha" // salted SHA-1, SHA-256 or SHA-512 of LDAP directories
)

// Why an encoding is not taken. Both are wrapped with what was found.
var (
	ErrUnknown = errors.New("not a password hash this server can verify")
	ErrCostly  = errors.New("password hash with parameters outside the limits")
)

// Limits on what an imported hash may ask of the server at each login.
const (
	maxEncoded    = 512        // bytes of the whole text
	maxMemory     = 256 * 1024 // KiB: argon2, scrypt, yescrypt
	maxPasses     = 10         // argon2
	maxLanes      = 16         // argon2, scrypt
	maxBcrypt     = 14         // about 0.8 s
	maxPBKDF2     = 5_000_000  // iterations, over all blocks of the key
	maxScrypt     = 1 << 22    // N·r·p, about 1.2 s
	minSHACrypt   = 1000       // below it crypt(3) silently computes with 1000
	maxSHACrypt   = 1_000_000  // rounds
	maxKey        = 64         // bytes of a derived key
	maxSalt       = 64         // bytes
	maxDigestSalt = 64
)

// kept is an encoding that was read and found affordable.
type kept struct {
	kind  string
	quick bool // its comparison is much cheaper than argon2id, which would show
	cost  Cost // argon2id only
	whole bool // argon2id only: salt and key are as long as those from Make
	match func(secret string) bool
}

// staleFor reports whether the encoding is weaker than one made at today's cost.
func (k *kept) staleFor(today Cost) bool {
	return k.kind != KindArgon2id || !k.whole || k.cost.Memory < today.Memory || k.cost.Passes < today.Passes
}

// Recognise tells what kind of hash encoded is, for imports. The error is
// ErrUnknown or ErrCostly with the reason: an encoding it accepts is one Verify
// reads and can afford. KindGenerated must not be taken for a password.
func Recognise(encoded string) (kind string, err error) {
	if sum, ok := strings.CutPrefix(encoded, generatedPrefix); ok {
		if b, err := base64.RawURLEncoding.Strict().DecodeString(sum); err != nil || len(b) != 32 || len(sum) != 43 {
			return "", fmt.Errorf("%w: malformed sha256", ErrUnknown)
		}
		return KindGenerated, nil
	}
	k, err := parse(encoded)
	if err != nil {
		return "", err
	}
	return k.kind, nil
}

// parsers by the text before the second "$", or by the whole prefix where the
// encoding has another form.
var parsers = []struct {
	prefix string
	read   func(rest string) (*kept, error)
}{
	{"$argon2id$", readArgon2id},
	{"$argon2i$", readArgon2i},
	{"argon2$argon2id$", readArgon2id}, // Django
	{"argon2$argon2i$", readArgon2i},   // Django
	{"$2a$", readBcrypt}, {"$2b$", readBcrypt}, {"$2y$", readBcrypt},
	{truncatingPrefix, readTruncating},
	{"bcrypt_sha256$$2b$", readDjangoBcrypt},
	{"bcrypt$$2b$", readBcrypt}, // Django
	{"$pbkdf2$", readPBKDF2("sha1")},
	{"$pbkdf2-sha1$", readPBKDF2("sha1")},
	{"$pbkdf2-sha256$", readPBKDF2("sha256")},
	{"$pbkdf2-sha512$", readPBKDF2("sha512")},
	{"pbkdf2_sha1$", readDjangoPBKDF2("sha1")},
	{"pbkdf2_sha256$", readDjangoPBKDF2("sha256")},
	{"$scrypt$", readScrypt},
	{"$y$", readYescrypt},
	{"$5$", readSHACrypt(KindSHA256Crypt, 43)},
	{"$6$", readSHACrypt(KindSHA512Crypt, 86)},
	{"{SSHA}", readSSHA("sha1")},
	{"{SSHA256}", readSSHA("sha256")},
	{"{SSHA512}", readSSHA("sha512")},
}

func parse(encoded string) (*kept, error) {
	if len(encoded) > maxEncoded {
		return nil, fmt.Errorf("%w: longer than %d characters", ErrUnknown, maxEncoded)
	}
	for _, p := range parsers {
		if rest, ok := strings.CutPrefix(encoded, p.prefix); ok {
			return p.read(rest)
		}
	}
	return nil, fmt.Errorf("%w: unknown prefix", ErrUnknown)
}

func malformed(kind string) error { return fmt.Errorf("%w: malformed %s", ErrUnknown, kind) }

func costly(kind, what string) error { return fmt.Errorf("%w: %s: %s", ErrCostly, kind, what) }

// number reads a decimal as programs write it: no sign, no leading zero, at most
// nine digits. Anything else is -1.
func number(s string) int {
	if s == "" || len(s) > 9 || (s[0] == '0' && s != "0") {
		return -1
	}
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return -1
		}
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		return -1
	}
	return n
}

// settings reads "m=1,t=2" whose names must be exactly names, in their order.
func settings(s string, names ...string) ([]int, bool) {
	out := make([]int, len(names))
	for i, name := range names {
		var part string
		part, s, _ = strings.Cut(s, ",")
		value, ok := strings.CutPrefix(part, name+"=")
		if out[i] = number(value); !ok || out[i] < 0 {
			return nil, false
		}
	}
	return out, s == ""
}

// bytesOf decodes base64 of low to high bytes; nil when it is anything else. The
// decoder's leave to skip newlines is taken away.
func bytesOf(enc *base64.Encoding, s string, low, high int) []byte {
	if strings.ContainsAny(s, "\r\n") {
		return nil
	}
	b, err := enc.Strict().DecodeString(s)
	if err != nil || len(b) < low || len(b) > high {
		return nil
	}
	return b
}
