// Package vault seals what must be kept and read back: private signing keys,
// second-factor seeds, secrets a vendor's document shows again. The store's
// callers seal before they put and unseal after they get; the store sees sealed
// bytes only.
//
// There are two layers. A random data key seals everything and lies in the
// database, itself wrapped by the key-encryption key (KEK), which lies elsewhere:
// a dump of the database alone opens nothing, and the KEK can be replaced without
// touching what is sealed. The package never opens a database and keeps no
// secret on disk but a KEK file it was told to make.
package vault

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
)

// Version bytes let a later format be told from this one.
const (
	wrapVersion = 1 // version ‖ KEK id ‖ nonce ‖ AES-256-GCM(data key)
	sealVersion = 1 // version ‖ nonce ‖ AES-256-GCM(plain)
)

const idSize = 8 // bytes of a KEK id

// Overhead is how many bytes longer a sealed value is.
const Overhead = 1 + 12 + 16

var (
	// ErrWrongKEK says that the data key was wrapped with another KEK.
	ErrWrongKEK = errors.New("the key-encryption key does not fit this database")
	// ErrSealed says that a value was changed, or sealed under another label, with
	// other additional data or by another vault.
	ErrSealed = errors.New("sealed value does not open")
)

// Vault seals and unseals. It is safe for concurrent use and prints as
// "[redacted]".
type Vault struct {
	data  [keySize]byte
	seals sync.Map // label → cipher.AEAD
}

// Format implements fmt.Formatter, so that no verb shows the key.
func (*Vault) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redacted) }

// LogValue implements slog.LogValuer.
func (*Vault) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText keeps the key out of JSON and YAML.
func (*Vault) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// New makes a vault with a fresh data key. The caller keeps wrapped in the
// database before it seals anything: without it the vault is lost.
func New(kek KEK) (v *Vault, wrapped []byte, err error) {
	v = new(Vault)
	_, _ = rand.Read(v.data[:]) // never fails (crypto/rand)
	if wrapped, err = v.Rewrap(kek); err != nil {
		return nil, nil, err
	}
	return v, wrapped, nil
}

// Open unwraps the data key. A KEK that is not the one it was wrapped with gives
// ErrWrongKEK with the ids of both; any other error means the bytes are damaged.
func Open(kek KEK, wrapped []byte) (*Vault, error) {
	if len(wrapped) < 1 || wrapped[0] != wrapVersion {
		return nil, errors.New("vault: wrapped data key has an unknown format")
	}
	if len(wrapped) != 1+idSize+keySize+Overhead-1 {
		return nil, errors.New("vault: wrapped data key has a wrong length")
	}
	head, body := wrapped[:1+idSize], wrapped[1+idSize:]
	if !bytes.Equal(head[1:], kek.id()) {
		return nil, fmt.Errorf("vault: %w: it was sealed with key %x, this one is %s", ErrWrongKEK, head[1:], kek.ID())
	}
	aead, err := newAEAD(wrapKey(kek))
	if err != nil {
		return nil, err
	}
	data, err := aead.Open(nil, nil, body, head)
	if err != nil {
		return nil, errors.New("vault: wrapped data key is damaged")
	}
	return &Vault{data: [keySize]byte(data)}, nil
}

// Rewrap wraps the data key with another KEK. What is sealed stays as it is; the
// old wrapped key still opens with the old KEK until the caller forgets it.
func (v *Vault) Rewrap(kek KEK) ([]byte, error) {
	if kek == (KEK{}) {
		return nil, errors.New("vault: no key-encryption key")
	}
	aead, err := newAEAD(wrapKey(kek))
	if err != nil {
		return nil, err
	}
	head := append([]byte{wrapVersion}, kek.id()...)
	return aead.Seal(slices.Clip(head), nil, v.data[:], head), nil
}

func wrapKey(kek KEK) []byte { return expand(kek.key[:], "jeton wrap", keySize) }

// Seal encrypts plain (AES-256-GCM, random nonce) under a key of its own per
// label. ad is not kept: Unseal must be given the same, so that a value copied
// into another row does not open there. Labels are constants of the program; one
// serves 2^32 values, then random nonces begin to repeat.
func (v *Vault) Seal(label string, plain, ad []byte) []byte {
	out := make([]byte, 1, Overhead+len(plain))
	out[0] = sealVersion
	return v.aead(label).Seal(out, nil, plain, ad)
}

// Unseal opens what Seal made with the same label and ad; any other error than
// ErrSealed does not exist.
func (v *Vault) Unseal(label string, sealed, ad []byte) ([]byte, error) {
	if len(sealed) < Overhead || sealed[0] != sealVersion {
		return nil, fmt.Errorf("vault: %s: %w", label, ErrSealed)
	}
	plain, err := v.aead(label).Open(nil, nil, sealed[1:], ad)
	if err != nil {
		return nil, fmt.Errorf("vault: %s: %w", label, ErrSealed)
	}
	return plain, nil
}

// Derive gives n secret bytes (at most 8160) that are the same for the life of
// the data key, for HMAC keys and the like. Its labels are apart from Seal's.
func (v *Vault) Derive(label string, n int) []byte {
	return expand(v.data[:], "jeton derive "+label, n)
}

func (v *Vault) aead(label string) cipher.AEAD {
	if a, ok := v.seals.Load(label); ok {
		return a.(cipher.AEAD)
	}
	aead, err := newAEAD(expand(v.data[:], "jeton seal "+label, keySize))
	if err != nil { // a key of 32 bytes is always right
		panic(err)
	}
	a, _ := v.seals.LoadOrStore(label, aead)
	return a.(cipher.AEAD)
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("vault: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("vault: %w", err)
	}
	return aead, nil
}
