// Package hash owns how passwords and client secrets are kept and compared: the
// one encoding for new ones, the encodings other products made, the bounded
// pool every slow comparison runs in, and the short memory of what was verified.
// identity calls it for users, client for secrets, administration for imports.
// It never counts failures, so a caller counts before it asks: a remembered
// success is answered without any work. It knows no users and no storage.
//
// Comparing against another product's encoding takes that encoding's time, so a
// user with an imported bcrypt hash can be told from one with argon2id until the
// first good login, when Result.Rehash has the caller replace it. Unknown users
// cost what argon2id costs (Hasher.Waste).
package hash

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"runtime"
	"strings"
	"time"

	"golang.org/x/crypto/argon2"

	"jeton/internal/oauth"
)

// MaxSecret is the longest password or secret that is looked at, in bytes.
const MaxSecret = 1024

const (
	saltSize = 16 // bytes, RFC 9106 §3.1
	keySize  = 32 // bytes
)

// Cost is the price of one argon2id computation with one lane (RFC 9106 §3.1).
type Cost struct {
	Memory uint32 // KiB
	Passes uint32
}

// Today is the cost of new hashes: 19 MiB and two passes, about 18 ms of one core.
var Today = Cost{Memory: 19 * 1024, Passes: 2}

// Options of a Hasher. The zero value is the one for production.
type Options struct {
	Workers    int              // slow comparisons at a time; 0 = one less than the cores, at least 1
	Queue      int              // how many more may wait for a worker; 0 = 256 for each worker, five seconds of waiting at most
	Now        func() time.Time // nil = time.Now
	Cost       Cost             // zero = Today; tests pass a cheap one
	NoMemory   bool             // do not remember verified credentials
	Remember   time.Duration    // how long one is remembered; 0 = a minute, which is also the most
	Remembered int              // how many are remembered; 0 = 10000
}

// Hasher makes and verifies. It is safe for concurrent use.
type Hasher struct {
	cost  Cost
	now   func() time.Time
	pool  *pool
	cache *cache // nil: nothing is remembered
}

// New makes a Hasher.
func New(o Options) *Hasher {
	if o.Workers <= 0 {
		o.Workers = max(1, runtime.GOMAXPROCS(0)-1)
	}
	if o.Queue <= 0 {
		o.Queue = 256 * o.Workers
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Cost == (Cost{}) {
		o.Cost = Today
	}
	h := &Hasher{cost: o.Cost, now: o.Now, pool: newPool(o.Workers, o.Queue)}
	if !o.NoMemory {
		h.cache = newCache(o.Remembered, o.Remember)
	}
	return h
}

// Result of a verification.
type Result struct {
	OK     bool // the secret is the one that was hashed
	Rehash bool // it is, and the encoding should be replaced by one from Make
}

const generatedPrefix = "$sha256$"

// Generated encodes a secret this server drew itself, of at least 128 random
// bits: nobody guesses those, so one SHA-256 is enough and costs no worker.
func Generated(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return generatedPrefix + base64.RawURLEncoding.EncodeToString(sum[:])
}

// Make encodes a password or a secret a person chose. It waits for a worker like
// Verify and refuses a secret that is empty or longer than MaxSecret.
func (h *Hasher) Make(ctx context.Context, secret oauth.Secret) (string, error) {
	if !fits(secret) {
		e := oauth.Refuse(oauth.InvalidValue, fmt.Sprintf("must be 1 to %d bytes", MaxSecret))
		e.Param = "password"
		return "", e
	}
	leave, err := h.pool.enter(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	salt := make([]byte, saltSize)
	_, _ = rand.Read(salt) // never fails (crypto/rand)
	return argonid{cost: h.cost, lanes: 1, salt: salt}.encode(secret.Reveal()), nil
}

// Verify compares a secret with what is kept of it. owner names whose it is (a
// user or client key), so that two owners never share a remembered success. A
// wrong secret is a Result, not an error: errors are ErrUnknown or ErrCostly for
// an encoding Recognise would refuse, a refusal Unavailable when too many
// comparisons wait already, and the context's own error.
func (h *Hasher) Verify(ctx context.Context, owner, encoded string, secret oauth.Secret) (Result, error) {
	if !fits(secret) {
		return Result{}, nil
	}
	if kept, ok := strings.CutPrefix(encoded, generatedPrefix); ok {
		return Result{OK: sameDigest(kept, secret.Reveal())}, nil
	}
	if h.cache == nil {
		return h.compare(ctx, encoded, secret.Reveal())
	}
	key := h.cache.key(owner, encoded, secret.Reveal())
	if h.cache.has(key, h.now()) {
		return Result{OK: true}, nil
	}
	r, err := h.compare(ctx, encoded, secret.Reveal())
	if err == nil && r.OK {
		h.cache.put(key, h.now())
	}
	return r, err
}

// Waste spends what verifying against a hash from Make costs, in the same pool
// and with the same errors, where there is no hash to compare with: so that an
// unknown user takes as long as a wrong password.
func (h *Hasher) Waste(ctx context.Context, secret oauth.Secret) error {
	if !fits(secret) {
		return nil
	}
	leave, err := h.pool.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	h.burn(secret.Reveal())
	return nil
}

func (h *Hasher) compare(ctx context.Context, encoded, secret string) (Result, error) {
	kept, err := parse(encoded)
	if err != nil {
		return Result{}, err
	}
	leave, err := h.pool.enter(ctx)
	if err != nil {
		return Result{}, err
	}
	defer leave()
	ok := kept.match(secret)
	if !ok && kept.quick {
		h.burn(secret)
	}
	return Result{OK: ok, Rehash: ok && kept.staleFor(h.cost)}, nil
}

var wasted = []byte("salt of no one's")

func (h *Hasher) burn(secret string) {
	key := argon2.IDKey([]byte(secret), wasted, h.cost.Passes, h.cost.Memory, 1, keySize)
	runtime.KeepAlive(key)
}

func sameDigest(kept, secret string) bool {
	sum := sha256.Sum256([]byte(secret))
	var text [43]byte
	base64.RawURLEncoding.Encode(text[:], sum[:])
	return subtle.ConstantTimeCompare([]byte(kept), text[:]) == 1
}

func fits(secret oauth.Secret) bool { return len(secret) > 0 && len(secret) <= MaxSecret }
