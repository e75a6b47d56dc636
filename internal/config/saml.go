package config

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"jeton/internal/client"
)

// providers follows what identity providers point to.
func (r *resolver) providers(in []Provider, path string) []client.Provider {
	var out []client.Provider
	taken := map[int64]bool{}
	for _, p := range in {
		taken[p.Number] = true
	}
	free := int64(1)
	for i, p := range in {
		x := r.provider(p, fmt.Sprintf("%s.saml[%d]", path, i))
		if x.Number == 0 {
			for taken[free] {
				free++
			}
			x.Number, taken[free] = free, true
		}
		out = append(out, x)
	}
	return out
}

func (r *resolver) provider(p Provider, path string) client.Provider {
	var x client.Provider
	if p.Metadata != "" {
		x = r.metadata(p.Metadata, path+".metadata")
	}
	x.Name, x.Title, x.Number = p.Name, p.Title, p.Number
	x.EntityID, x.SSO = or(p.EntityID, x.EntityID), or(p.SSO, x.SSO)
	x.SSOBinding = unless(or(p.SSOBinding, x.SSOBinding), bindingRedirect)
	x.Disabled, x.Realm, x.Create = p.Enabled != nil && !*p.Enabled, p.Realm, p.Create
	x.Attributes, x.Groups = dictionary(p.Attributes), dictionary(p.Groups)
	if len(p.Certificates) == 0 {
		return x
	}
	x.Certificates = nil
	for i, c := range p.Certificates {
		if text, ok := r.certificate(c, fmt.Sprintf("%s.certificates[%d]", path, i)); ok {
			x.Certificates = append(x.Certificates, text)
		}
	}
	return x
}

// metadata reads what a provider says of itself, from a file.
func (r *resolver) metadata(name, path string) client.Provider {
	if strings.Contains(name, "://") {
		r.add(path, "metadata is read from a file, not fetched", "save it beside this file and write the file's name")
		return client.Provider{}
	}
	b, ok := r.fileUpTo(name, path, maxMetadata)
	if !ok {
		return client.Provider{}
	}
	if r.o.ReadMetadata == nil {
		r.add(path, "metadata cannot be read here", "write entity_id, sso and certificates instead")
		return client.Provider{}
	}
	x, err := r.o.ReadMetadata(b)
	if err != nil {
		r.add(path, "not the metadata of an identity provider: "+err.Error(), "download it from the provider again")
	}
	return x
}

const certificateNext = "write {file: NAME} or {pem: TEXT}: one X.509 certificate, RSA of 2048 bits or more, P-256, P-384 or P-521"

func (r *resolver) certificate(c Certificate, path string) (string, bool) {
	text := c.PEM
	switch {
	case (c.File == "") == (c.PEM == ""):
		r.add(path, "exactly one of file and pem is needed for a certificate", certificateNext)
		return "", false
	case c.File != "":
		b, ok := r.file(c.File, path+".file")
		if !ok {
			return "", false
		}
		if err := checkCertificate(string(b)); err != nil {
			r.add(path+".file", "not a certificate that can be used: "+err.Error(), certificateNext)
			return "", false
		}
		text = string(b)
	}
	return text, true
}

// The reasons a certificate is refused.
var (
	errNoPEM   = errors.New("no PEM block of type CERTIFICATE")
	errMorePEM = errors.New("more than one PEM block")
	errWeak    = errors.New("its key is of a kind or size that is not accepted")
)

// checkCertificate looks at the key alone: the certificate of an identity provider
// is trusted because an administrator named it, whoever issued it and however old
// it is (SAML 2.0 Metadata Interoperability Profile §2.5).
func checkCertificate(text string) error {
	block, rest := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" {
		return errNoPEM
	}
	if more, _ := pem.Decode(rest); more != nil {
		return errMorePEM
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return fmt.Errorf("not an X.509 certificate: %w", err)
	}
	switch key := c.PublicKey.(type) {
	case *rsa.PublicKey:
		if n := key.N.BitLen(); n >= 2048 && n <= 8192 {
			return nil
		}
	case *ecdsa.PublicKey:
		if key.Params().BitSize >= 256 {
			return nil
		}
	}
	return errWeak
}

// personal are what attributes of an identity provider can stand for.
var personal = []string{"user", "email", "given_name", "family_name", "display_name", "groups"}

func (l *linter) providers(x Organization, path string) {
	for i, p := range x.SAML {
		l.provider(x, p, fmt.Sprintf("%s.saml[%d]", path, i), path)
	}
}

func (l *linter) provider(x Organization, p Provider, at, org string) {
	if l.needed(p.Name, at+".name") {
		if !slug.MatchString(p.Name) {
			l.add(at+".name", "a provider's name has lower-case letters, digits and hyphens, 63 at most", "rename it; the readable name goes into `title`")
		}
		l.unique(at+".name", "provider", org, p.Name)
	}
	if p.Number != 0 {
		l.unique(at+".number", "provider number", org, fmt.Sprint(p.Number))
	}
	l.label(p.Title, at+".title")
	if p.Realm != "" {
		if realms := l.orgs.realmNames(x.ID); !slices.Contains(realms, p.Realm) {
			l.unknown(at+".realm", "realm", p.Realm, realms)
		}
	}
	l.signOn(p, at, org)
	for _, name := range sortedKeys(p.Attributes) {
		if !slices.Contains(personal, name) {
			l.unknown(at+".attributes."+name, "attribute of a user", name, personal)
		} else if p.Attributes[name] == "" {
			l.add(at+".attributes."+name, "no name of an attribute", "write the name the provider gives it, such as mail")
		}
	}
	for _, name := range sortedKeys(p.Groups) {
		if p.Groups[name] == "" {
			l.add(at+".groups."+name, "no name of a group", "write our group's name, or remove the line")
		}
	}
}

// signOn checks what is needed to sign in: all of it where no metadata says it.
func (l *linter) signOn(p Provider, at, org string) {
	if p.Metadata == "" {
		l.needed(p.EntityID, at+".entity_id")
		l.needed(p.SSO, at+".sso")
		if len(p.Certificates) == 0 {
			l.add(at+".certificates", "an identity provider without certificates: no assertion of it could be believed", "add `certificates`, or `metadata: FILE`")
		}
	}
	if p.EntityID != "" {
		if len(p.EntityID) > 1024 || strings.ContainsFunc(p.EntityID, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
			l.add(at+".entity_id", "an entity id is a URI of at most 1024 characters (SAML 2.0 Core §8.3.6)", "copy it from the provider's metadata")
		}
		l.unique(at+".entity_id", "entity id", org, p.EntityID)
	}
	if p.SSO != "" {
		if text, next := checkEndpoint(p.SSO); text != "" {
			l.add(at+".sso", text, next)
		}
	}
	for i, c := range p.Certificates {
		if c.PEM == "" {
			continue
		}
		if err := checkCertificate(c.PEM); err != nil {
			l.add(fmt.Sprintf("%s.certificates[%d].pem", at, i), "not a certificate that can be used: "+err.Error(), certificateNext)
		}
	}
}
