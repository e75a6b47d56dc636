package server

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

// TLSConfig is what every listener speaks: TLS 1.2 with forward secrecy and
// authenticated encryption, or 1.3, with session tickets.
func TLSConfig(cert func(*tls.ClientHelloInfo) (*tls.Certificate, error)) *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"h2", "http/1.1"},
		GetCertificate: cert,
		CipherSuites: []uint16{ // of TLS 1.2; those of 1.3 are all good
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
	}
}

// FileCert is a certificate kept in two files, read again when they change.
type FileCert struct {
	cert, key string
	log       *slog.Logger
	now       atomic.Pointer[tls.Certificate]
	seen      string
}

// OpenFileCert reads the files; the key must be its owner's alone.
func OpenFileCert(cert, key string, log *slog.Logger) (*FileCert, error) {
	f := &FileCert{cert: cert, key: key, log: log}
	return f, f.Reload()
}

// Certificate is what a handshake gets.
func (f *FileCert) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return f.now.Load(), nil
}

// Reload reads the files again; after an error the old certificate stays.
func (f *FileCert) Reload() error {
	seen := f.stamp()
	if info, err := os.Stat(f.key); err == nil && info.Mode().Perm()&0o027 != 0 && modesCount {
		return fmt.Errorf("the TLS key %s may be read by others (mode %04o): chmod 640 it, or 600", f.key, info.Mode().Perm())
	}
	c, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return fmt.Errorf("read the TLS certificate: %w", err)
	}
	f.now.Store(&c)
	f.seen = seen
	return nil
}

// certEvery is how often changed certificate files are looked for.
const certEvery = 30 * time.Second

// Watch reads the files again when they change or when again says so, until ctx
// ends.
func (f *FileCert) Watch(ctx context.Context, again <-chan os.Signal) {
	tick := time.NewTicker(certEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-again:
		case <-tick.C:
			if f.stamp() == f.seen {
				continue
			}
		}
		if err := f.Reload(); err != nil {
			f.log.Error("the old certificate stays in use", "error", err)
			continue
		}
		f.log.Info("the certificate was read again", "file", f.cert)
	}
}

func (f *FileCert) stamp() string {
	var out string
	for _, name := range []string{f.cert, f.key} {
		if info, err := os.Stat(name); err == nil {
			out += fmt.Sprint(info.ModTime().UnixNano(), info.Size(), " ")
		}
	}
	return out
}

// Names of the server's own certificate authority in its folder.
const (
	caCertName = "ca.pem"
	caKeyName  = "ca.key"
)

// How long what the server signs for itself is good. A leaf is made anew at each
// start and whenever a third of its life is left.
const (
	caLife   = 10 * 365 * 24 * time.Hour
	leafLife = 90 * 24 * time.Hour
	backdate = time.Hour // for clocks that are late
)

// CAPath is where the authority's certificate is in folder dir.
func CAPath(dir string) string { return filepath.Join(dir, caCertName) }

// SelfSigned is a certificate authority of the server's own, for networks that
// have none, and the leaf it signs.
type SelfSigned struct {
	Path  string // of the authority's certificate
	ca    *x509.Certificate
	key   *ecdsa.PrivateKey
	names []string
	now   func() time.Time
	leaf  atomic.Pointer[tls.Certificate]
}

// OpenSelfSigned reads the authority in folder dir, or makes it there, and signs a
// leaf for names: host names and addresses.
func OpenSelfSigned(dir string, names []string, now func() time.Time) (*SelfSigned, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder for certificates: %w", err)
	}
	s := &SelfSigned{Path: CAPath(dir), names: names, now: now}
	err := s.read(dir)
	if errors.Is(err, fs.ErrNotExist) {
		err = s.create(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("open the certificate authority: %w", err)
	}
	_, err = s.renew()
	return s, err
}

// Fingerprint is the authority's, SHA-256, for comparing by eye.
func (s *SelfSigned) Fingerprint() string {
	sum := sha256.Sum256(s.ca.Raw)
	parts := make([]string, len(sum))
	for i, b := range sum {
		parts[i] = fmt.Sprintf("%02X", b)
	}
	return strings.Join(parts, ":")
}

// Certificate is what a handshake gets.
func (s *SelfSigned) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if c := s.leaf.Load(); c.Leaf.NotAfter.Sub(s.now()) > leafLife/3 {
		return c, nil
	}
	return s.renew()
}

func (s *SelfSigned) read(dir string) error {
	keyFile := filepath.Join(dir, caKeyName)
	info, err := os.Stat(keyFile)
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o077 != 0 && modesCount {
		return fmt.Errorf("others may read %s (mode %04o): chmod 600 it", keyFile, info.Mode().Perm())
	}
	pair, err := tls.LoadX509KeyPair(s.Path, keyFile)
	if err != nil {
		return err
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok || !pair.Leaf.IsCA {
		return fmt.Errorf("%s is not an authority this server made", s.Path)
	}
	s.ca, s.key = pair.Leaf, key
	return nil
}

func (s *SelfSigned) create(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	t := s.template("Jeton CA of "+host(), caLife)
	t.IsCA, t.BasicConstraintsValid, t.MaxPathLenZero = true, true, true
	t.KeyUsage = x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if s.ca, err = x509.ParseCertificate(der); err != nil {
		return err
	}
	s.key = key
	return errors.Join(
		writePEM(s.Path, "CERTIFICATE", der, 0o644),
		writePEM(filepath.Join(dir, caKeyName), "PRIVATE KEY", secret, 0o600),
	)
}

func (s *SelfSigned) renew() (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	t := s.template(s.names[0], leafLife)
	t.KeyUsage = x509.KeyUsageDigitalSignature
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for _, name := range s.names {
		if ip := net.ParseIP(name); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, s.ca, key.Public(), s.key)
	if err != nil {
		return nil, fmt.Errorf("sign a certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("sign a certificate: %w", err)
	}
	c := &tls.Certificate{Certificate: [][]byte{der, s.ca.Raw}, PrivateKey: key, Leaf: leaf}
	s.leaf.Store(c)
	return c, nil
}

func (s *SelfSigned) template(name string, life time.Duration) *x509.Certificate {
	serial := make([]byte, 16)
	_, _ = rand.Read(serial) // never fails (crypto/rand)
	serial[0] &= 0x7f        // RFC 5280 §4.1.2.2: positive
	return &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial), Subject: pkix.Name{CommonName: name},
		NotBefore: s.now().Add(-backdate), NotAfter: s.now().Add(life),
	}
}

func writePEM(path, kind string, der []byte, mode os.FileMode) error {
	var b bytes.Buffer
	if err := pem.Encode(&b, &pem.Block{Type: kind, Bytes: der}); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(b.Bytes())
	return errors.Join(err, f.Sync(), f.Close())
}

func host() string {
	if name, err := os.Hostname(); err == nil && name != "" {
		return name
	}
	return "this machine"
}
