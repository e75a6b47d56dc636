// Package saml is the service provider's side of SAML 2.0 and the assertion of
// RFC 7522: it reads a response or an assertion, believes the part of it that a
// configured key signed, and hands on who was named there. It also reads an
// identity provider's metadata and writes authentication requests and our own
// metadata. The grant for assertions and the browser's sign-in call it; admin
// calls ParseMetadata.
//
// It never remembers anything (the caller uses up the ids of requests and
// assertions), never reads a clock, never opens a connection, never decrypts, and
// never takes a key from a message.
package saml

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"time"
)

// The namespaces of SAML 2.0 and of what it borrows.
const (
	nsAssertion = "urn:oasis:names:tc:SAML:2.0:assertion"
	nsProtocol  = "urn:oasis:names:tc:SAML:2.0:protocol"
	nsMetadata  = "urn:oasis:names:tc:SAML:2.0:metadata"
	nsSignature = "http://www.w3.org/2000/09/xmldsig#"
	nsInstance  = "http://www.w3.org/2001/XMLSchema-instance"
)

// The bindings used here (SAML Bindings §3.4 and §3.5).
const (
	BindingRedirect = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
	BindingPost     = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
)

// Provider is one identity provider as configured, mostly from its metadata.
type Provider struct {
	Name     string
	Number   int64 // what a token request calls it; unique in the organization
	EntityID string
	Enabled  bool

	// Certificates are PEM. Their keys are the only ones a signature may be made
	// with; several let the provider change its key. They are pins: neither the dates
	// nor the issuer of a certificate matters, because providers' certificates are
	// self-signed and outlive their dates, and an operator takes a key back by
	// removing it here.
	Certificates []string
	SSO          []Endpoint
	Attributes   Mapping
}

// Endpoint is where a provider takes authentication requests.
type Endpoint struct{ Binding, Location string }

// Default limits of Expect.
const (
	DefaultSkew    = 60 * time.Second
	DefaultMaxLife = 2 * time.Hour
)

// Expect is what a message must say to count here.
type Expect struct {
	Provider  *Provider
	Audience  []string // our entity ids
	Recipient []string // our URLs, for Recipient and Destination; compared byte for byte

	// Request is the id of the authentication request that must be answered. "" means
	// none was sent: then the message must not claim to answer one, unless AnyRequest.
	Request    string
	AnyRequest bool

	// Bearer reads by RFC 7522 §3 instead of the browser profile (SAML Profiles
	// §4.1.4): a bare assertion passes, and a confirmation may leave its data out
	// where Conditions say how long the assertion lasts.
	Bearer bool

	Now     time.Time
	Skew    time.Duration // tolerance for every time; 0 = DefaultSkew
	MaxLife time.Duration // from issue to the end of use; 0 = DefaultMaxLife
}

func (e Expect) withDefaults() Expect {
	if e.Skew == 0 {
		e.Skew = DefaultSkew
	}
	if e.MaxLife == 0 {
		e.MaxLife = DefaultMaxLife
	}
	return e
}

// Assertion is what a verified message says, read from the canonical bytes that
// the signature covers and from nothing else.
type Assertion struct {
	ID           string // to be used up once per provider, until Until
	Issuer       string
	IssueInstant time.Time

	NameID, NameIDFormat string
	InResponseTo         string // the request that is answered, "" = none

	NotOnOrAfter time.Time // the earliest end of use it names
	Until        time.Time // NotOnOrAfter and the tolerance: nothing verifies from here on

	AuthnInstant time.Time // zero without an AuthnStatement
	AuthnContext string    // class reference, "" when none is given
	SessionIndex string

	// Attributes are the texts of each attribute by its Name, in the order they are
	// given. Values with elements inside are left out.
	Attributes map[string][]string
}

// ErrProvider says that a provider's configuration cannot be used.
var ErrProvider = errors.New("unusable identity provider")

// Check reports what in the configuration cannot work, wrapped around ErrProvider.
func (p *Provider) Check() error {
	if p.EntityID == "" || len(p.EntityID) > maxURI {
		return fmt.Errorf("saml: provider %s: %w: entity id of 1 to %d bytes wanted", p.Name, ErrProvider, maxURI)
	}
	for _, s := range p.SSO {
		if s.Binding != BindingRedirect && s.Binding != BindingPost {
			return fmt.Errorf("saml: provider %s: %w: binding %s is not known here", p.Name, ErrProvider, s.Binding)
		}
		if err := webAddress(s.Location); err != nil {
			return fmt.Errorf("saml: provider %s: %w: sign-on address: %w", p.Name, ErrProvider, err)
		}
	}
	_, err := p.keys()
	return err
}

const (
	maxURI  = 1024 // bytes of an entity id; SAML Core §1.3.2 sets none, §8.3.6 says 1024
	minRSA  = 2048 // bits
	maxKeys = 16   // of one provider; each is tried
)

// keys are the public keys of the configured certificates, in their order.
func (p *Provider) keys() ([]crypto.PublicKey, error) {
	if len(p.Certificates) == 0 || len(p.Certificates) > maxKeys {
		return nil, fmt.Errorf("saml: provider %s: %w: %d certificates, 1 to %d wanted", p.Name, ErrProvider, len(p.Certificates), maxKeys)
	}
	keys := make([]crypto.PublicKey, 0, len(p.Certificates))
	for i, text := range p.Certificates {
		block, _ := pem.Decode([]byte(text))
		if block == nil || block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("saml: provider %s: %w: certificate %d is not PEM", p.Name, ErrProvider, i+1)
		}
		key, err := publicKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("saml: provider %s: %w: certificate %d: %w", p.Name, ErrProvider, i+1, err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// publicKey takes the key out of a certificate, if signatures are checked with
// such keys here.
func publicKey(der []byte) (crypto.PublicKey, error) {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	switch key := cert.PublicKey.(type) {
	case *rsa.PublicKey:
		if key.N.BitLen() < minRSA {
			return nil, fmt.Errorf("an RSA key of %d bits; at least %d wanted", key.N.BitLen(), minRSA)
		}
		return key, nil
	case *ecdsa.PublicKey:
		switch key.Curve {
		case elliptic.P256(), elliptic.P384(), elliptic.P521():
			return key, nil
		}
	}
	return nil, errors.New("neither an RSA key nor one on P-256, P-384 or P-521")
}

// webAddress refuses what a browser must not be sent to.
func webAddress(s string) error {
	u, err := url.Parse(s)
	if err != nil {
		return errors.New("not a URL")
	}
	if (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.User != nil || u.Fragment != "" {
		return errors.New("not a plain http or https URL")
	}
	return nil
}
