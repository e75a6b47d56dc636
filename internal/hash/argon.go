package hash

import (
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// argonid is one set of argon2id inputs beside the secret.
type argonid struct {
	cost  Cost
	lanes uint8
	salt  []byte
}

func (a argonid) key(secret string, size int) []byte {
	return argon2.IDKey([]byte(secret), a.salt, a.cost.Passes, a.cost.Memory, a.lanes, uint32(size))
}

// encode writes the PHC string form.
func (a argonid) encode(secret string) string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, a.cost.Memory, a.cost.Passes, a.lanes,
		b64.EncodeToString(a.salt), b64.EncodeToString(a.key(secret, keySize)))
}

func readArgon2id(rest string) (*kept, error) {
	a, want, err := readArgon(KindArgon2id, rest)
	if err != nil {
		return nil, err
	}
	return &kept{
		kind: KindArgon2id, cost: a.cost, whole: len(a.salt) >= saltSize && len(want) >= keySize,
		match: func(secret string) bool {
			return subtle.ConstantTimeCompare(want, a.key(secret, len(want))) == 1
		},
	}, nil
}

func readArgon2i(rest string) (*kept, error) {
	a, want, err := readArgon(KindArgon2i, rest)
	if err != nil {
		return nil, err
	}
	return &kept{kind: KindArgon2i, match: func(secret string) bool {
		got := argon2.Key([]byte(secret), a.salt, a.cost.Passes, a.cost.Memory, a.lanes, uint32(len(want)))
		return subtle.ConstantTimeCompare(want, got) == 1
	}}, nil
}

// readArgon reads what follows the name: version 1.3 only, parameters in the
// order of the reference implementation.
func readArgon(kind, rest string) (a argonid, key []byte, err error) {
	part := strings.Split(rest, "$")
	if len(part) != 4 || part[0] != "v=19" {
		return a, nil, malformed(kind)
	}
	p, ok := settings(part[1], "m", "t", "p")
	a.salt = bytesOf(base64.RawStdEncoding, part[2], 8, maxSalt)
	key = bytesOf(base64.RawStdEncoding, part[3], 16, maxKey)
	if !ok || a.salt == nil || key == nil {
		return a, nil, malformed(kind)
	}
	memory, passes, lanes := p[0], p[1], p[2]
	switch {
	case passes < 1 || lanes < 1 || memory < 8*lanes: // RFC 9106 §3.1
		return a, nil, malformed(kind)
	case memory > maxMemory:
		return a, nil, costly(kind, "more than 256 MiB of memory")
	case passes > maxPasses:
		return a, nil, costly(kind, "more than 10 passes")
	case lanes > maxLanes:
		return a, nil, costly(kind, "more than 16 lanes")
	}
	a.cost, a.lanes = Cost{Memory: uint32(memory), Passes: uint32(passes)}, uint8(lanes)
	return a, key, nil
}
