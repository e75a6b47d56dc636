package jose

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// MaxToken is the longest compact token Parse reads, in bytes.
const MaxToken = 16 << 10

// What is wrong with a token. Everything else it may say is for the record, not
// for the client.
var (
	ErrMalformed = errors.New("malformed token")
	ErrAlgorithm = errors.New("algorithm not allowed")
	ErrSignature = errors.New("signature does not verify")
)

// Token is a compact JWS that was parsed and, until Verify or VerifyPublic
// returned nil, proves nothing.
type Token struct {
	Alg    Alg    // as the header claims; never a choice of key or algorithm
	KID    string // "" when absent; only a lookup key in the holder's own set
	Typ    string // "" when absent; compare with Is
	Header Claims
	Claims Claims

	text      string // as it came: the only spelling there is
	signed    int    // length of header.payload in text
	payload   []byte
	signature []byte
}

// strict refuses padding and changed trailing bits; Parse refuses line breaks
// itself, which this decoder skips.
var strict = base64.RawURLEncoding.Strict()

// Parse reads a compact JWS (RFC 7515 §3.1) of one JSON object and refuses every
// other form and every second spelling. It verifies nothing. Its errors wrap
// ErrMalformed or ErrAlgorithm.
func Parse(token string) (*Token, error) {
	t, err := split(token)
	if err != nil {
		return nil, fmt.Errorf("jose: %w: %w", ErrMalformed, err)
	}
	if err := t.readHeader(); err != nil {
		return nil, fmt.Errorf("jose: header: %w", err)
	}
	if t.Claims, err = parseObject(t.payload); err != nil {
		return nil, fmt.Errorf("jose: %w: payload: %w", ErrMalformed, err)
	}
	return t, nil
}

// split decodes the three parts and parses the header.
func split(token string) (*Token, error) {
	if len(token) > MaxToken {
		return nil, fmt.Errorf("longer than %d bytes", MaxToken)
	}
	if strings.Count(token, ".") != 2 {
		return nil, errors.New("not three parts")
	}
	if strings.ContainsAny(token, "\r\n") {
		return nil, errors.New("line break inside")
	}
	h := strings.IndexByte(token, '.')
	p := strings.LastIndexByte(token, '.')
	header, err := strict.DecodeString(token[:h])
	if err != nil {
		return nil, errors.New("header is not canonical base64url")
	}
	t := &Token{text: token, signed: p}
	if t.payload, err = strict.DecodeString(token[h+1 : p]); err != nil {
		return nil, errors.New("payload is not canonical base64url")
	}
	if t.signature, err = strict.DecodeString(token[p+1:]); err != nil {
		return nil, errors.New("signature is not canonical base64url")
	}
	if t.Header, err = parseObject(header); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	return t, nil
}

// refused are header members that change what the token means: extensions this
// package does not know (RFC 7515 §4.1.11, RFC 7797 §3) and encryption. Keys and
// URLs of keys (jwk, jku, x5u …) are merely never looked at.
var refused = [...]string{"crit", "b64", "zip", "enc"}

func (t *Token) readHeader() error {
	for _, name := range refused {
		if t.Header.Has(name) {
			return fmt.Errorf("%w: member %q is not supported", ErrMalformed, name)
		}
	}
	alg, ok := t.Header.Text("alg")
	if !ok {
		return fmt.Errorf("%w: alg is not a text", ErrMalformed)
	}
	if t.Alg = Alg(alg); !t.Alg.Known() { // "none" in any case is not known either
		return fmt.Errorf("%w: %s", ErrAlgorithm, quoted(alg))
	}
	if t.KID, ok = t.Header.Text("kid"); !ok && t.Header.Has("kid") {
		return fmt.Errorf("%w: kid is not a text", ErrMalformed)
	}
	if t.Typ, ok = t.Header.Text("typ"); !ok && t.Header.Has("typ") {
		return fmt.Errorf("%w: typ is not a text", ErrMalformed)
	}
	return nil
}

// Is reports whether the token's typ is typ, ignoring case and the prefix
// "application/" (RFC 7515 §4.1.9).
func (t *Token) Is(typ string) bool {
	return strings.EqualFold(shortType(t.Typ), shortType(typ))
}

func shortType(typ string) string {
	const prefix = "application/"
	if len(typ) > len(prefix) && strings.EqualFold(typ[:len(prefix)], prefix) {
		return typ[len(prefix):]
	}
	return typ
}

// Payload is the claims as they were sent. The caller must not change it.
func (t *Token) Payload() []byte { return t.payload }

// String names the token without its signature, so that a log cannot leak it.
func (t *Token) String() string { return fmt.Sprintf("%s token, kid %s", t.Alg, quoted(t.KID)) }

// GoString keeps the token out of %#v.
func (t *Token) GoString() string { return t.String() }
