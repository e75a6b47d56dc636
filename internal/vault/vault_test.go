package vault

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

func newVault(t testing.TB) (*Vault, KEK, []byte) {
	t.Helper()
	kek := NewKEK()
	v, wrapped, err := New(kek)
	if err != nil {
		t.Fatal(err)
	}
	return v, kek, wrapped
}

func TestASealedValueOpensOnlyAsItWasSealed(t *testing.T) {
	v, _, _ := newVault(t)
	other, _, _ := newVault(t)
	sealed := v.Seal("seed", []byte("plain"), []byte("row 1"))
	if len(sealed) != Overhead+len("plain") || bytes.Contains(sealed, []byte("plain")) {
		t.Errorf("sealed form is wrong: %x", sealed)
	}
	if bytes.Equal(sealed, v.Seal("seed", []byte("plain"), []byte("row 1"))) {
		t.Error("the same value seals to the same bytes")
	}
	if plain, err := v.Unseal("seed", sealed, []byte("row 1")); err != nil || string(plain) != "plain" {
		t.Errorf("%q, %v", plain, err)
	}
	for name, open := range map[string]func() ([]byte, error){
		"other label": func() ([]byte, error) { return v.Unseal("seeds", sealed, []byte("row 1")) },
		"other row":   func() ([]byte, error) { return v.Unseal("seed", sealed, []byte("row 2")) },
		"no row":      func() ([]byte, error) { return v.Unseal("seed", sealed, nil) },
		"other vault": func() ([]byte, error) { return other.Unseal("seed", sealed, []byte("row 1")) },
		"empty":       func() ([]byte, error) { return v.Unseal("seed", nil, []byte("row 1")) },
	} {
		if plain, err := open(); !errors.Is(err, ErrSealed) || plain != nil {
			t.Errorf("%s: %q, %v", name, plain, err)
		}
	}
}

func TestEveryChangedByteIsNoticed(t *testing.T) {
	v, kek, wrapped := newVault(t)
	sealed := v.Seal("seed", []byte("plain"), nil)
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		if _, err := v.Unseal("seed", changed, nil); !errors.Is(err, ErrSealed) {
			t.Errorf("byte %d of a sealed value: %v", i, err)
		}
		if _, err := v.Unseal("seed", sealed[:i], nil); !errors.Is(err, ErrSealed) {
			t.Errorf("cut after %d: %v", i, err)
		}
	}
	for i := range wrapped {
		changed := bytes.Clone(wrapped)
		changed[i] ^= 1
		if _, err := Open(kek, changed); err == nil {
			t.Errorf("byte %d of the wrapped key: accepted", i)
		}
		if _, err := Open(kek, wrapped[:i]); err == nil {
			t.Errorf("wrapped key cut after %d: accepted", i)
		}
	}
}

func TestSealAndUnsealAreInverse(t *testing.T) {
	v, _, _ := newVault(t)
	rapid.Check(t, func(t *rapid.T) {
		label := rapid.SampledFrom([]string{"a", "b", ""}).Draw(t, "label")
		plain, ad := rapid.SliceOf(rapid.Byte()).Draw(t, "plain"), rapid.SliceOf(rapid.Byte()).Draw(t, "ad")
		got, err := v.Unseal(label, v.Seal(label, plain, ad), ad)
		if err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("%x, %v", got, err)
		}
	})
}

func TestAnotherKEKIsToldFromDamage(t *testing.T) {
	v, kek, wrapped := newVault(t)
	other := NewKEK()
	_, err := Open(other, wrapped)
	if !errors.Is(err, ErrWrongKEK) || !strings.Contains(err.Error(), kek.ID()) || !strings.Contains(err.Error(), other.ID()) {
		t.Errorf("got %v", err)
	}
	wrapped[len(wrapped)-1] ^= 1
	if _, err := Open(kek, wrapped); err == nil || errors.Is(err, ErrWrongKEK) {
		t.Errorf("damage gives %v", err)
	}
	if _, _, err := New(KEK{}); err == nil {
		t.Error("a vault without a key was made")
	}
	if _, err := v.Rewrap(KEK{}); err == nil {
		t.Error("wrapped with no key")
	}
}

func TestTheKEKCanBeReplaced(t *testing.T) {
	v, old, _ := newVault(t)
	sealed := v.Seal("seed", []byte("plain"), nil)
	kek := NewKEK()
	wrapped, err := v.Rewrap(kek)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Open(kek, wrapped)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := again.Unseal("seed", sealed, nil); err != nil || string(plain) != "plain" {
		t.Errorf("%q, %v", plain, err)
	}
	if !bytes.Equal(v.Derive("x", 32), again.Derive("x", 32)) {
		t.Error("derived keys changed")
	}
	if _, err := Open(old, wrapped); !errors.Is(err, ErrWrongKEK) {
		t.Errorf("the old key gives %v", err)
	}
}

func TestDerivedKeysAreApart(t *testing.T) {
	v, _, _ := newVault(t)
	other, _, _ := newVault(t)
	a := v.Derive("cursor", 32)
	if !bytes.Equal(a, v.Derive("cursor", 32)) {
		t.Error("not the same twice")
	}
	for name, b := range map[string][]byte{"label": v.Derive("cookie", 32), "vault": other.Derive("cursor", 32)} {
		if bytes.Equal(a, b) {
			t.Errorf("another %s gives the same key", name)
		}
	}
	if n := len(v.Derive("cursor", 100)); n != 100 {
		t.Errorf("%d bytes", n)
	}
}

func TestTheKeyFileIsMadeOnceAndReadAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kek")
	k, created, err := LoadKEK(path)
	if err != nil || !created {
		t.Fatalf("created %v, %v", created, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	again, created, err := LoadKEK(path)
	if err != nil || created || again != k {
		t.Errorf("created %v, same %v, %v", created, again == k, err)
	}
}

func TestKeyFilesThatCannotBeTrustedAreRefused(t *testing.T) {
	text := NewKEK().Text()
	for _, c := range []struct {
		name, text string
		mode       fs.FileMode
		want       string
	}{
		{"readable by the group", text, 0o640, "chmod 600"},
		{"readable by all", text, 0o604, "chmod 600"},
		{"writable by the group", text, 0o620, "chmod 600"},
		{"empty", "", 0o600, "is empty"},
		{"too short", text[:20], 0o600, "32 bytes in base64"},
		{"no base64", "secret words!", 0o600, "32 bytes in base64"},
		{"zeros", strings.Repeat("A", 43) + "=", 0o600, "all zeros"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "kek")
			if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, c.mode); err != nil {
				t.Fatal(err)
			}
			k, created, err := LoadKEK(path)
			if err == nil || created || k != (KEK{}) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("created %v, %v", created, err)
			}
			if c.text != "" && strings.Contains(err.Error(), c.text) {
				t.Error("the error shows the key")
			}
		})
	}
	if _, _, err := LoadKEK(t.TempDir()); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a folder gives %v", err)
	}
	if _, created, err := LoadKEK(filepath.Join(t.TempDir(), "none", "kek")); err == nil || created {
		t.Error("a missing folder was accepted")
	}
}

func TestKeysAreReadFromTextInAnySpelling(t *testing.T) {
	k := KEK{[keySize]byte(bytes.Repeat([]byte{0xfb, 0xef}, 16))}
	std := k.Text()
	url := strings.NewReplacer("+", "-", "/", "_").Replace(std)
	for _, text := range []string{std, url, strings.TrimRight(std, "="), strings.TrimRight(url, "="), " " + std + "\n"} {
		if got, err := KEKFromText(text); err != nil || got != k {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzKEKFromText(f *testing.F) {
	f.Add(NewKEK().Text())
	f.Add("secret")
	f.Fuzz(func(t *testing.T, text string) {
		k, err := KEKFromText(text)
		if err != nil {
			if k != (KEK{}) {
				t.Fatal("a key came with an error")
			}
			return
		}
		if again, err := KEKFromText(k.Text()); err != nil || again != k || k == (KEK{}) {
			t.Fatalf("does not survive: %v", err)
		}
	})
}

func FuzzUnseal(f *testing.F) {
	v, kek, wrapped := newVault(f)
	f.Add(v.Seal("seed", []byte("plain"), nil))
	f.Add(wrapped)
	f.Fuzz(func(t *testing.T, b []byte) {
		if plain, err := v.Unseal("other", b, nil); err == nil {
			t.Fatalf("opened a forgery: %x", plain)
		}
		if _, err := Open(kek, b); err == nil && !bytes.Equal(b, wrapped) {
			t.Fatal("opened a forged data key")
		}
	})
}

func TestKeysNeverPrint(t *testing.T) {
	v, kek, _ := newVault(t)
	json1, _ := json.Marshal(struct {
		K KEK
		V *Vault
	}{kek, v})
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "kek", kek, "vault", v)
	out := fmt.Sprintf("%v %+v %#v %d %x %s %v", kek, kek, kek, kek, kek, &kek, v) + fmt.Sprintf("%#v %d %x", v, v, v) + string(json1) + log.String()
	for _, secret := range [][]byte{kek.key[:], v.data[:]} {
		for _, form := range []string{"%x", "%v", "%d"} {
			if leak := strings.Trim(fmt.Sprintf(form, secret[:4]), "[]"); strings.Contains(out, leak) {
				t.Errorf("leaks %s", form)
			}
		}
	}
	if strings.Count(out, redacted) < 12 {
		t.Errorf("not redacted everywhere: %s", out)
	}
}

func TestAVaultServesManyGoroutines(t *testing.T) {
	v, _, _ := newVault(t)
	var wait sync.WaitGroup
	for g := range 8 {
		wait.Go(func() {
			label := fmt.Sprint("label", g%2)
			for range 50 {
				if _, err := v.Unseal(label, v.Seal(label, []byte("x"), nil), nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
}
