package saml

import (
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/beevik/etree"

	"jeton/internal/oauth"
)

// Limits of a metadata document.
const (
	maxMetadata         = 1 << 20 // bytes
	maxMetadataElements = 20000
	maxEndpoints        = 32
)

// ParseMetadata reads an identity provider's metadata (SAML Metadata §2): one
// EntityDescriptor, or several in an EntitiesDescriptor of which one is an identity
// provider. It gives entity id, signing certificates and sign-on addresses, enabled;
// name, number and attributes are the operator's to add. A signature on it is not
// checked: the operator who hands it over vouches for it. Refusals are
// oauth.InvalidValue with the reason.
func ParseMetadata(b []byte, now time.Time) (*Provider, error) {
	if len(b) > maxMetadata {
		return nil, badMetadata("longer than %d bytes", maxMetadata)
	}
	root, err := parse(b, maxMetadataElements)
	if err != nil {
		return nil, badMetadata("%s", err)
	}
	if !is(root, nsMetadata, "EntityDescriptor") && !is(root, nsMetadata, "EntitiesDescriptor") {
		return nil, badMetadata("%s is no SAML 2.0 metadata", root.Tag)
	}
	role, err := identityProvider(root)
	if err != nil {
		return nil, err
	}
	for el := role; el != nil; el = el.Parent() {
		if err := stillValid(el, now); err != nil {
			return nil, err
		}
	}
	return readProvider(role)
}

func badMetadata(format string, a ...any) error {
	e := oauth.Refuse(oauth.InvalidValue, "identity provider metadata: "+fmt.Sprintf(format, a...))
	e.Param = "metadata"
	return e
}

// identityProvider finds the one role that signs people in by SAML 2.0.
func identityProvider(root *etree.Element) (*etree.Element, error) {
	var found []*etree.Element
	each(root, func(el *etree.Element) {
		if is(el, nsMetadata, "IDPSSODescriptor") && el.Parent() != nil && is(el.Parent(), nsMetadata, "EntityDescriptor") &&
			slices.Contains(strings.Fields(value(el, "protocolSupportEnumeration")), nsProtocol) {
			found = append(found, el)
		}
	})
	if len(found) != 1 {
		return nil, badMetadata("%d identity providers of SAML 2.0 in it, one wanted", len(found))
	}
	return found[0], nil
}

// stillValid honours validUntil of one level (SAML Metadata §2.3.2).
func stillValid(el *etree.Element, now time.Time) error {
	v, ok := attribute(el, "validUntil")
	if !ok {
		return nil
	}
	if until, err := when(v); err != nil || !now.Before(until) {
		return badMetadata("valid until %q, which is over", v)
	}
	return nil
}

func readProvider(role *etree.Element) (*Provider, error) {
	p := &Provider{EntityID: value(role.Parent(), "entityID"), Enabled: true}
	if strings.TrimSpace(p.EntityID) != p.EntityID {
		return nil, badMetadata("white space around the entity id")
	}
	for _, kd := range children(role, nsMetadata, "KeyDescriptor") {
		if use, ok := attribute(kd, "use"); ok && use != "signing" {
			continue
		}
		if err := p.certificates(kd); err != nil {
			return nil, err
		}
	}
	for _, s := range children(role, nsMetadata, "SingleSignOnService") {
		e := Endpoint{Binding: value(s, "Binding"), Location: value(s, "Location")}
		if e.Binding == BindingRedirect || e.Binding == BindingPost {
			p.SSO = append(p.SSO, e)
		}
	}
	if len(p.SSO) == 0 || len(p.SSO) > maxEndpoints {
		return nil, badMetadata("%d sign-on addresses by HTTP-Redirect or HTTP-POST", len(p.SSO))
	}
	if err := p.Check(); err != nil {
		return nil, badMetadata("%s", err)
	}
	return p, nil
}

// certificates adds those of one KeyDescriptor, each once.
func (p *Provider) certificates(kd *etree.Element) error {
	var bad error
	each(kd, func(el *etree.Element) {
		if bad != nil || !is(el, nsSignature, "X509Certificate") {
			return
		}
		der, err := unwrap(trimmed(el))
		if err != nil || len(der) == 0 {
			bad = badMetadata("a certificate is not base64")
			return
		}
		text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
		if !slices.Contains(p.Certificates, text) {
			p.Certificates = append(p.Certificates, text)
		}
	})
	return bad
}
