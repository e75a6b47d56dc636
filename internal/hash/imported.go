package hash

import (
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"

	cryptscrypt "github.com/go-crypt/crypt/algorithm/scrypt"
	"github.com/go-crypt/crypt/algorithm/shacrypt"
	"golang.org/x/crypto/bcrypt"
	"golang.org/x/crypto/scrypt"
)

// Imported encodings never match a password with a NUL byte. To bcrypt and to
// everything built on HMAC (PBKDF2, scrypt, yescrypt) a NUL is padding, so
// "secret" and "secret\x00" would be one password; crypt(3) cannot hold one.
func plain(match func(secret string) bool) func(string) bool {
	return func(secret string) bool { return strings.IndexByte(secret, 0) < 0 && match(secret) }
}

const (
	bcryptReads = 72 // bytes bcrypt takes from a password; the rest has no effect
	bcryptChars = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	cryptChars  = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// truncatingPrefix marks a bcrypt hash whose maker cut passwords at 72 bytes.
const truncatingPrefix = "$bcrypt72"

// Truncating marks a bcrypt hash as made by a program that silently used only
// the first 72 bytes of a password. Without the mark a longer password never
// matches: it would have endless twins. With it the first 72 bytes decide, until
// the first good login has the hash replaced by one of the whole password.
func Truncating(encoded string) (string, error) {
	if kind, err := Recognise(encoded); err != nil || kind != KindBcrypt || !strings.HasPrefix(encoded, "$2") {
		return "", fmt.Errorf("%w: not bcrypt", ErrUnknown)
	}
	return truncatingPrefix + encoded, nil
}

// readBcrypt reads what follows "$2b$": two digits of cost, "$", 22 characters
// of salt and 31 of key.
func readBcrypt(rest string) (*kept, error) {
	encoded, err := bcryptText(rest)
	if err != nil {
		return nil, err
	}
	return &kept{kind: KindBcrypt, match: plain(func(secret string) bool {
		return len(secret) <= bcryptReads && sameBcrypt(encoded, secret)
	})}, nil
}

func readTruncating(rest string) (*kept, error) {
	if len(rest) < 4 || (rest[:4] != "$2a$" && rest[:4] != "$2b$" && rest[:4] != "$2y$") {
		return nil, malformed(KindBcrypt)
	}
	encoded, err := bcryptText(rest[4:])
	if err != nil {
		return nil, err
	}
	return &kept{kind: KindBcrypt, match: plain(func(secret string) bool {
		return sameBcrypt(encoded, secret[:min(len(secret), bcryptReads)])
	})}, nil
}

// readDjangoBcrypt: bcrypt over the hexadecimal SHA-256, which has no limit of 72.
func readDjangoBcrypt(rest string) (*kept, error) {
	encoded, err := bcryptText(rest)
	if err != nil {
		return nil, err
	}
	return &kept{kind: KindBcrypt, match: func(secret string) bool {
		sum := sha256.Sum256([]byte(secret))
		return sameBcrypt(encoded, hex.EncodeToString(sum[:]))
	}}, nil
}

func bcryptText(rest string) ([]byte, error) {
	if len(rest) != 2+1+22+31 || rest[2] != '$' || strings.Trim(rest[3:], bcryptChars) != "" {
		return nil, malformed(KindBcrypt)
	}
	if strings.IndexByte(bcryptChars, rest[len(rest)-1])&3 != 0 { // two bits the key does not have
		return nil, malformed(KindBcrypt)
	}
	cost := number(strings.TrimPrefix(rest[:2], "0"))
	switch {
	case cost < bcrypt.MinCost:
		return nil, malformed(KindBcrypt)
	case cost > maxBcrypt:
		return nil, costly(KindBcrypt, "cost above 14")
	}
	return []byte("$2b$" + rest), nil // 2a, 2b and 2y differ by faults of old programs, not in the formula
}

func sameBcrypt(encoded []byte, secret string) bool {
	return bcrypt.CompareHashAndPassword(encoded, []byte(secret)) == nil
}

var digests = map[string]struct {
	new  func() hash.Hash
	size int
}{
	"sha1":   {sha1.New, sha1.Size},
	"sha256": {sha256.New, sha256.Size},
	"sha512": {sha512.New, sha512.Size},
}

// adapted is the base64 of passlib: "." for "+", no padding.
var adapted = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789./").WithPadding(base64.NoPadding)

// readPBKDF2 reads "iterations$salt$key" with adapted base64, and the PHC form
// "i=iterations[,l=size]$salt$key" with the standard one.
func readPBKDF2(digest string) func(string) (*kept, error) {
	return func(rest string) (*kept, error) {
		part := strings.Split(rest, "$")
		if len(part) != 3 {
			return nil, malformed(KindPBKDF2)
		}
		iterations, enc, size := number(part[0]), adapted, 0
		if p, ok := settings(part[0], "i"); ok {
			iterations, enc = p[0], base64.RawStdEncoding
		} else if p, ok := settings(part[0], "i", "l"); ok {
			iterations, enc, size = p[0], base64.RawStdEncoding, p[1]
		}
		salt, key := bytesOf(enc, part[1], 1, maxSalt), bytesOf(enc, part[2], 16, maxKey)
		if salt == nil || key == nil || (size != 0 && size != len(key)) {
			return nil, malformed(KindPBKDF2)
		}
		return keptPBKDF2(digest, iterations, salt, key)
	}
}

// readDjangoPBKDF2 reads "iterations$salt$key": the salt is text as it stands.
func readDjangoPBKDF2(digest string) func(string) (*kept, error) {
	return func(rest string) (*kept, error) {
		part := strings.Split(rest, "$")
		if len(part) != 3 || part[1] == "" || len(part[1]) > maxSalt {
			return nil, malformed(KindPBKDF2)
		}
		key := bytesOf(base64.StdEncoding, part[2], 16, maxKey)
		if key == nil {
			return nil, malformed(KindPBKDF2)
		}
		return keptPBKDF2(digest, number(part[0]), []byte(part[1]), key)
	}
}

func keptPBKDF2(digest string, iterations int, salt, want []byte) (*kept, error) {
	d := digests[digest]
	blocks := (len(want) + d.size - 1) / d.size // each costs all iterations, RFC 8018 §5.2
	switch {
	case iterations < 1:
		return nil, malformed(KindPBKDF2)
	case iterations > maxPBKDF2/blocks:
		return nil, costly(KindPBKDF2, "more than 5000000 iterations")
	}
	return &kept{kind: KindPBKDF2, match: plain(func(secret string) bool {
		got, err := pbkdf2.Key(d.new, secret, salt, iterations, len(want))
		return err == nil && subtle.ConstantTimeCompare(want, got) == 1
	})}, nil
}

// readScrypt reads the PHC form "ln=16,r=8,p=1$salt$key" (RFC 7914 §2).
func readScrypt(rest string) (*kept, error) {
	part := strings.Split(rest, "$")
	if len(part) != 3 {
		return nil, malformed(KindScrypt)
	}
	p, ok := settings(part[0], "ln", "r", "p")
	salt, want := bytesOf(base64.RawStdEncoding, part[1], 1, maxSalt), bytesOf(base64.RawStdEncoding, part[2], 16, maxKey)
	if !ok || salt == nil || want == nil {
		return nil, malformed(KindScrypt)
	}
	ln, r, lanes := p[0], p[1], p[2]
	if err := affordScrypt(KindScrypt, ln, r, lanes); err != nil {
		return nil, err
	}
	return &kept{kind: KindScrypt, match: plain(func(secret string) bool {
		got, err := scrypt.Key([]byte(secret), salt, 1<<ln, r, lanes, len(want))
		return err == nil && subtle.ConstantTimeCompare(want, got) == 1
	})}, nil
}

// affordScrypt: memory is 128·N·r bytes, time goes with N·r·p.
func affordScrypt(kind string, ln, r, lanes int) error {
	switch {
	case ln < 1 || r < 1 || lanes < 1:
		return malformed(kind)
	case ln > 20 || r > 64 || (1<<ln)*r > maxMemory*1024/128:
		return costly(kind, "more than 256 MiB of memory")
	case lanes > maxLanes || (1<<ln)*r*lanes > maxScrypt:
		return costly(kind, "too much work")
	}
	return nil
}

// readYescrypt reads "j9T$salt$key" as crypt(3) makes it: default flags ("j"),
// then log2 N and r by one character each, one lane.
func readYescrypt(rest string) (*kept, error) {
	part := strings.Split(rest, "$")
	if len(part) != 3 || len(part[0]) != 3 || part[0][0] != 'j' || len(part[1]) > 86 || len(part[2]) != 43 {
		return nil, malformed(KindYescrypt)
	}
	ln, r := strings.IndexByte(cryptChars, part[0][1])+1, strings.IndexByte(cryptChars, part[0][2])+1
	if ln < 10 || r < 1 {
		return nil, malformed(KindYescrypt)
	}
	if err := affordScrypt(KindYescrypt, ln, r, 1); err != nil {
		return nil, err
	}
	digest, err := cryptscrypt.DecodeVariant(cryptscrypt.VariantYescrypt)("$y$" + rest)
	if err != nil {
		return nil, malformed(KindYescrypt)
	}
	return &kept{kind: KindYescrypt, match: plain(func(secret string) bool {
		ok, err := digest.MatchAdvanced(secret)
		return err == nil && ok
	})}, nil
}

// readSHACrypt reads "[rounds=n$]salt$key" whose key has size characters.
func readSHACrypt(kind string, size int) func(string) (*kept, error) {
	return func(rest string) (*kept, error) {
		salted := rest
		if spec, after, ok := strings.Cut(rest, "$"); ok && strings.HasPrefix(spec, "rounds=") {
			rounds := number(strings.TrimPrefix(spec, "rounds="))
			switch {
			case rounds < minSHACrypt:
				return nil, malformed(kind)
			case rounds > maxSHACrypt:
				return nil, costly(kind, "more than 1000000 rounds")
			}
			salted = after
		}
		salt, key, _ := strings.Cut(salted, "$")
		if len(salt) > 16 || len(key) != size || strings.Trim(salt+key, cryptChars) != "" {
			return nil, malformed(kind)
		}
		id := map[string]string{KindSHA256Crypt: "$5$", KindSHA512Crypt: "$6$"}[kind]
		digest, err := shacrypt.Decode(id + rest)
		if err != nil {
			return nil, malformed(kind)
		}
		return &kept{kind: kind, match: plain(func(secret string) bool {
			ok, err := digest.MatchAdvanced(secret)
			return err == nil && ok
		})}, nil
	}
}

// readSSHA reads base64 of digest then salt, as directories keep userPassword.
func readSSHA(digest string) func(string) (*kept, error) {
	d := digests[digest]
	return func(rest string) (*kept, error) {
		b := bytesOf(base64.StdEncoding, rest, d.size+1, d.size+maxSalt)
		if b == nil {
			return nil, malformed(KindSSHA)
		}
		want, salt := b[:d.size], b[d.size:]
		return &kept{kind: KindSSHA, quick: true, match: plain(func(secret string) bool {
			h := d.new()
			h.Write([]byte(secret))
			h.Write(salt)
			return subtle.ConstantTimeCompare(want, h.Sum(nil)) == 1
		})}, nil
	}
}
