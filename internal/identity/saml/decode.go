package saml

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// maxMessage is the longest message read, in bytes after decoding.
const maxMessage = 256 << 10

var (
	errLong   = fmt.Errorf("longer than %d bytes", maxMessage)
	errBase64 = errors.New("not base64")
)

// Decode reads base64 of either alphabet, padded or not, with or without line
// ends: browsers post the one (SAML Bindings §3.5.4), RFC 7522 §2.1 asks for the
// other, and people copy either. One text holds one alphabet, and bits that carry
// nothing must be zero, so that a message has few spellings.
func Decode(encoded string) ([]byte, error) {
	if len(encoded) > 2*maxMessage {
		return nil, errLong
	}
	s := strings.NewReplacer("\r", "", "\n", "").Replace(encoded)
	if len(s)%4 == 0 {
		s = strings.TrimSuffix(strings.TrimSuffix(s, "="), "=")
	}
	alphabet := base64.RawStdEncoding
	if strings.ContainsAny(s, "-_") {
		alphabet = base64.RawURLEncoding
	}
	if s == "" {
		return nil, errBase64
	}
	if alphabet.DecodedLen(len(s)) > maxMessage {
		return nil, errLong
	}
	b, err := alphabet.Strict().DecodeString(s)
	if err != nil {
		return nil, errBase64
	}
	return b, nil
}
