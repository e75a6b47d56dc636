package vault

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// keySize is the size of every key here in bytes: AES-256.
const keySize = 32

// KEK is the key-encryption key. It wraps the data key, is kept apart from the
// database and prints as "[redacted]". The zero KEK is no key.
type KEK struct{ key [keySize]byte }

const redacted = "[redacted]"

// Format implements fmt.Formatter, so that no verb shows the key.
func (KEK) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redacted) }

// LogValue implements slog.LogValuer.
func (KEK) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText keeps the key out of JSON and YAML.
func (KEK) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// ID names the key without telling anything about it: sixteen hex characters.
func (k KEK) ID() string { return hex.EncodeToString(k.id()) }

func (k KEK) id() []byte { return expand(k.key[:], "jeton kek id", idSize) }

// Text is the key as KEKFromText and the key file have it. Whoever calls it holds
// the key to everything.
func (k KEK) Text() string { return base64.StdEncoding.EncodeToString(k.key[:]) }

// NewKEK makes a random key, to replace one with Vault.Rewrap.
func NewKEK() KEK {
	var k KEK
	_, _ = rand.Read(k.key[:]) // never fails (crypto/rand)
	return k
}

// KEKFromText reads a key from an environment variable or a credential: 32 bytes
// in base64, either alphabet, with or without padding.
func KEKFromText(text string) (KEK, error) {
	text = strings.TrimRight(strings.TrimSpace(text), "=")
	text = strings.NewReplacer("-", "+", "_", "/").Replace(text)
	b, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil || len(b) != keySize {
		return KEK{}, errors.New("not a key-encryption key: want 32 bytes in base64 (openssl rand -base64 32)")
	}
	k := KEK{[keySize]byte(b)}
	if k == (KEK{}) {
		return KEK{}, errors.New("not a key-encryption key: all zeros")
	}
	return k, nil
}

// LoadKEK reads the key file at path, or makes one when there is none; created
// says which. It refuses a file that others may read. The folder must exist and
// should not be the one that is backed up with the database.
func LoadKEK(path string) (k KEK, created bool, err error) {
	k, err = readKEK(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return k, false, err
	}
	k = NewKEK()
	err = createFile(path, k.Text()+"\n")
	if errors.Is(err, fs.ErrExist) { // another process was faster: its key counts
		k, err = readKEK(path)
		return k, false, err
	}
	if err != nil {
		return KEK{}, false, fmt.Errorf("vault: create key file: %w", err)
	}
	return k, true, nil
}

// maxFile bounds what is read of a key file, in bytes.
const maxFile = 4 << 10

func readKEK(path string) (KEK, error) {
	info, err := os.Stat(path)
	if err != nil {
		return KEK{}, fmt.Errorf("vault: key file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return KEK{}, fmt.Errorf("vault: key file %s is not a regular file", path)
	}
	if open := info.Mode().Perm() & 0o077; open != 0 && runtime.GOOS != "windows" {
		return KEK{}, fmt.Errorf("vault: key file %s may be read by others (mode %04o): run chmod 600 %s",
			path, info.Mode().Perm(), path)
	}
	if info.Size() == 0 {
		return KEK{}, fmt.Errorf("vault: key file %s is empty: restore it from backup; if it never held a key, remove it", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return KEK{}, fmt.Errorf("vault: key file: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return KEK{}, fmt.Errorf("vault: read key file: %w", err)
	}
	k, err := KEKFromText(string(text))
	if err != nil {
		return KEK{}, fmt.Errorf("vault: key file %s: %w", path, err)
	}
	return k, nil
}

// createFile writes a new file so that it survives a power cut: losing it would
// lose every secret sealed afterwards.
func createFile(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// expand derives n bytes from a uniformly random key (RFC 5869 §2.3). The extract
// step is for keys that are not uniform.
func expand(key []byte, info string, n int) []byte {
	out, err := hkdf.Expand(sha256.New, key, info, n)
	if err != nil { // n is a constant of this program, at most 255 × 32
		panic("vault: derive: " + err.Error())
	}
	return out
}
