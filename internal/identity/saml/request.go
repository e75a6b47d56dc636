package saml

import (
	"bytes"
	"compress/flate"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/beevik/etree"
)

const formatUnspecified = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"

// maxRelayState is the longest RelayState, in bytes (SAML Bindings §3.4.3).
const maxRelayState = 80

// AuthnRequest asks a provider to say who sits before the browser (SAML Core
// §3.4.1). It is not signed: a provider answers to the addresses it has on file.
type AuthnRequest struct {
	ID         string // of NewID; remembered with the browser, demanded as InResponseTo
	EntityID   string // ours
	ACS        string // where the response is to be posted
	ForceAuthn bool   // ask for the password again
	IsPassive  bool   // never show a page
	At         time.Time
}

// NewID makes an id of 160 random bits (SAML Core §1.3.4).
func NewID() string {
	var b [20]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return "_" + hex.EncodeToString(b[:])
}

// ErrRelayState says that RelayState is longer than providers must keep.
var ErrRelayState = fmt.Errorf("RelayState longer than %d bytes", maxRelayState)

// Redirect is the address to send the browser to, by the HTTP-Redirect binding
// (SAML Bindings §3.4.4.1). "" relayState is left out.
func (q AuthnRequest) Redirect(p *Provider, relayState string) (string, error) {
	to, err := p.endpoint(BindingRedirect)
	if err != nil {
		return "", err
	}
	if len(relayState) > maxRelayState {
		return "", fmt.Errorf("saml: authentication request: %w", ErrRelayState)
	}
	doc, err := q.document(to)
	if err != nil {
		return "", err
	}
	var small bytes.Buffer
	w, _ := flate.NewWriter(&small, flate.BestCompression) // fails for unknown levels only
	if _, err = w.Write(doc); err == nil {
		err = w.Close()
	}
	if err != nil {
		return "", fmt.Errorf("saml: compress the authentication request: %w", err)
	}
	query := "SAMLRequest=" + url.QueryEscape(base64.StdEncoding.EncodeToString(small.Bytes()))
	if relayState != "" {
		query += "&RelayState=" + url.QueryEscape(relayState)
	}
	if strings.Contains(to, "?") {
		return to + "&" + query, nil
	}
	return to + "?" + query, nil
}

// Form is where a page is to post SAMLRequest, and its value, by the HTTP-POST
// binding (SAML Bindings §3.5.4).
func (q AuthnRequest) Form(p *Provider) (action, samlRequest string, err error) {
	to, err := p.endpoint(BindingPost)
	if err != nil {
		return "", "", err
	}
	doc, err := q.document(to)
	if err != nil {
		return "", "", err
	}
	return to, base64.StdEncoding.EncodeToString(doc), nil
}

// Takes reports whether p takes requests by binding.
func (p *Provider) Takes(binding string) bool {
	_, err := p.endpoint(binding)
	return err == nil
}

func (p *Provider) endpoint(binding string) (string, error) {
	for _, s := range p.SSO {
		if s.Binding == binding {
			return s.Location, nil
		}
	}
	return "", fmt.Errorf("saml: provider %s: %w: no sign-on address for %s", p.Name, ErrProvider, binding)
}

func (q AuthnRequest) document(to string) ([]byte, error) {
	if !aName.MatchString(q.ID) || q.EntityID == "" || q.ACS == "" || q.At.IsZero() {
		return nil, errors.New("saml: authentication request: id, entity id, address and time wanted")
	}
	el := etree.NewElement("samlp:AuthnRequest")
	el.CreateAttr("xmlns:samlp", nsProtocol)
	el.CreateAttr("xmlns:saml", nsAssertion)
	el.CreateAttr("ID", q.ID)
	el.CreateAttr("Version", "2.0")
	el.CreateAttr("IssueInstant", stamp(q.At))
	el.CreateAttr("Destination", to)
	el.CreateAttr("ProtocolBinding", BindingPost)
	el.CreateAttr("AssertionConsumerServiceURL", q.ACS)
	if q.ForceAuthn {
		el.CreateAttr("ForceAuthn", "true")
	}
	if q.IsPassive {
		el.CreateAttr("IsPassive", "true")
	}
	el.CreateElement("saml:Issuer").SetText(q.EntityID)
	policy := el.CreateElement("samlp:NameIDPolicy")
	policy.CreateAttr("Format", formatUnspecified)
	policy.CreateAttr("AllowCreate", "true")
	return write(el)
}

// SPMetadata describes this server to a provider's operator (SAML Metadata §2.4.4):
// entity id and the addresses responses are posted to, the first one preferred.
func SPMetadata(entityID string, acs ...string) ([]byte, error) {
	if entityID == "" || len(acs) == 0 {
		return nil, errors.New("saml: metadata: an entity id and an address wanted")
	}
	el := etree.NewElement("md:EntityDescriptor")
	el.CreateAttr("xmlns:md", nsMetadata)
	el.CreateAttr("entityID", entityID)
	sp := el.CreateElement("md:SPSSODescriptor")
	sp.CreateAttr("AuthnRequestsSigned", "false")
	sp.CreateAttr("WantAssertionsSigned", "true")
	sp.CreateAttr("protocolSupportEnumeration", nsProtocol)
	sp.CreateElement("md:NameIDFormat").SetText(formatUnspecified)
	for i, location := range acs {
		s := sp.CreateElement("md:AssertionConsumerService")
		s.CreateAttr("Binding", BindingPost)
		s.CreateAttr("Location", location)
		s.CreateAttr("index", fmt.Sprint(i))
		if i == 0 {
			s.CreateAttr("isDefault", "true")
		}
	}
	return write(el)
}

// write gives the bytes of a document.
func write(root *etree.Element) ([]byte, error) {
	doc := etree.NewDocument()
	doc.SetRoot(root)
	b, err := doc.WriteToBytes()
	if err != nil {
		return nil, fmt.Errorf("saml: write %s: %w", root.Tag, err)
	}
	return b, nil
}
