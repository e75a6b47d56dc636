package mint

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"math/big"
	"strings"
	"time"

	"jeton/internal/policy"
)

// A sealed token is base64url of three parts:
//
//	block   16 bytes  AES(handle 8 ‖ generation 4 ‖ expiry 4): hides order and volume
//	secret  32 bytes  random, or derived from the secret before it
//	tag     16 bytes  HMAC over kind, block and secret
//
// so a guessed or changed token is refused before the database is asked, and one
// token has exactly one spelling. The block alone, in hex, names a family or a
// token inside JWT claims.
const (
	blockLen  = 16
	secretLen = 32
	tagLen    = 16
	sealedLen = blockLen + secretLen + tagLen
	maskLen   = 8 // of an access token's secret: which scopes of the family it has
)

type kind byte

const (
	accessToken  kind = 'a'
	refreshToken kind = 'r'
)

// Marks of a block in claims: what follows the handle and generation.
const (
	markToken     uint32 = 0x746f6b65 // one token of a family: handle, generation
	markSession   uint32 = 0x73657373 // the family: handle
	markStateless uint32 = 0xa5000000 // a token nothing is stored of; the low 24 bits are its own
)

type sealer struct {
	block cipher.Block
	mac   []byte
	chain []byte
}

func newSealer(derive func(label string, n int) []byte) (*sealer, error) {
	block, err := aes.NewCipher(derive("token block", 32))
	if err != nil {
		return nil, err
	}
	return &sealer{block: block, mac: derive("token tag", 32), chain: derive("refresh chain", 32)}, nil
}

// name is what a block says.
type name struct {
	handle     int64
	generation uint32
	last       uint32 // expiry in unix seconds (0 = never), or a mark
}

// stateless is what the name of a token nothing is stored of says: when it was
// made, for whom, and the low bits of the user's and the client's RevokedBefore. It
// stands in signed claims, so it need not prove itself.
type stateless struct {
	at                     time.Time
	counter                uint32 // tells tokens of one millisecond apart
	user                   int64  // at most MaxUint32
	userSince, clientSince int64  // low bits
}

const (
	counterBits = 21
	sinceBits   = 12
)

func low(since int64) int64 { return since & (1<<sinceBits - 1) }

func (x stateless) name() name {
	return name{
		x.at.UnixMilli()<<counterBits | int64(x.counter&(1<<counterBits-1)), uint32(x.user),
		markStateless | uint32(low(x.userSince)<<sinceBits|low(x.clientSince)),
	}
}

func readStateless(n name) stateless {
	return stateless{
		at: time.UnixMilli(n.handle >> counterBits), counter: uint32(n.handle & (1<<counterBits - 1)), user: int64(n.generation),
		userSince: low(int64(n.last) >> sinceBits), clientSince: low(int64(n.last)),
	}
}

func isStateless(n name) bool { return n.last>>(2*sinceBits) == markStateless>>(2*sinceBits) }

func (s *sealer) encrypt(n name) (out [blockLen]byte) {
	binary.BigEndian.PutUint64(out[:], uint64(n.handle))
	binary.BigEndian.PutUint32(out[8:], n.generation)
	binary.BigEndian.PutUint32(out[12:], n.last)
	s.block.Encrypt(out[:], out[:])
	return out
}

func (s *sealer) decrypt(b []byte) name {
	var p [blockLen]byte
	s.block.Decrypt(p[:], b)
	return name{int64(binary.BigEndian.Uint64(p[:])), binary.BigEndian.Uint32(p[8:]), binary.BigEndian.Uint32(p[12:])}
}

func (s *sealer) tag(k kind, body []byte) []byte {
	h := hmac.New(sha256.New, s.mac)
	h.Write([]byte{byte(k)})
	h.Write(body)
	return h.Sum(nil)[:tagLen]
}

// seal spells a token. secret has secretLen bytes.
func (s *sealer) seal(prefix string, k kind, n name, secret []byte) string {
	b := make([]byte, 0, sealedLen)
	block := s.encrypt(n)
	b = append(b, block[:]...)
	b = append(b, secret...)
	b = append(b, s.tag(k, b)...)
	return prefix + base64.RawURLEncoding.EncodeToString(b)
}

// open reads a token back; false for anything this server did not make.
func (s *sealer) open(prefix string, k kind, token string) (n name, secret []byte, ok bool) {
	text, ok := strings.CutPrefix(token, prefix)
	if !ok || len(text) != base64.RawURLEncoding.EncodedLen(sealedLen) {
		return name{}, nil, false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) != sealedLen {
		return name{}, nil, false
	}
	if subtle.ConstantTimeCompare(s.tag(k, b[:blockLen+secretLen]), b[blockLen+secretLen:]) != 1 {
		return name{}, nil, false
	}
	return s.decrypt(b[:blockLen]), b[blockLen : blockLen+secretLen], true
}

// mark spells a block for claims: 32 lower-case hex characters.
func (s *sealer) mark(n name) string {
	b := s.encrypt(n)
	return hex.EncodeToString(b[:])
}

// unmark reads a block from claims; false for anything this server did not make.
func (s *sealer) unmark(text string) (name, bool) {
	var b [blockLen]byte
	if len(text) != 2*blockLen || strings.ToLower(text) != text {
		return name{}, false
	}
	if _, err := hex.Decode(b[:], []byte(text)); err != nil {
		return name{}, false
	}
	n := s.decrypt(b[:])
	return n, n.last == markToken || n.last == markSession || isStateless(n)
}

// next derives the secret that follows: pseudo-random under a key of this server,
// so a client that repeats a refresh whose answer got lost gets the same successor
// though nothing of it was kept.
func (s *sealer) next(k kind, family int64, generation int64, secret []byte) []byte {
	h := hmac.New(sha256.New, s.chain)
	var b [17]byte
	b[0] = byte(k)
	binary.BigEndian.PutUint64(b[1:], uint64(family))
	binary.BigEndian.PutUint64(b[9:], uint64(generation))
	h.Write(b[:])
	h.Write(secret)
	return h.Sum(nil)
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return b
}

// spell writes 32 random bytes in a form's length and alphabet. Sixty-four
// characters are bits as they are; any other alphabet is a number in that base,
// whose bias over 256 bits is below 2^-70.
func spell(f policy.Form, bits []byte) string {
	if f.Alphabet == policy.Base64URL {
		return base64.RawURLEncoding.EncodeToString(bits[:f.Length*6/8])
	}
	n, base, digit := new(big.Int).SetBytes(bits), big.NewInt(int64(len(f.Alphabet))), new(big.Int)
	out := make([]byte, f.Length)
	for i := range out {
		n.DivMod(n, base, digit)
		out[i] = f.Alphabet[digit.Int64()]
	}
	return string(out)
}

// digest is what is kept of a secret.
func digest(secret []byte) []byte {
	sum := sha256.Sum256(secret)
	return sum[:]
}

func unixSeconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}
