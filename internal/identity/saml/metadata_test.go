package saml_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jeton/internal/identity/saml"
	"jeton/internal/identity/saml/samltest"
	"jeton/internal/oauth"
)

func TestMetadataGivesTheProvider(t *testing.T) {
	doc := string(idp().Metadata())
	want := idp().Provider()
	want.Name, want.Number = "", 0
	several := `<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" validUntil="2026-02-01T00:00:00Z">
<md:EntityDescriptor entityID="https://sp.example"><md:SPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"/></md:EntityDescriptor>
` + strings.TrimPrefix(doc, `<?xml version="1.0" encoding="UTF-8"?>`) + `</md:EntitiesDescriptor>`
	twoUses := strings.Replace(doc, `<md:KeyDescriptor use="signing">`, `<md:KeyDescriptor use="encryption"><ds:KeyInfo><ds:X509Data><ds:X509Certificate>AAAA</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor><md:KeyDescriptor>`, 1)
	for name, text := range map[string]string{
		"one entity": doc, "several": several, "a key for encryption beside one for anything": twoUses,
		"with a comment": strings.Replace(doc, "<md:IDPSSO", "<!-- ours --><md:IDPSSO", 1),
		"an artifact binding beside": strings.Replace(doc, "<md:SingleSignOnService",
			`<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:SOAP" Location="https://idp.example/soap"/><md:SingleSignOnService`, 1),
	} {
		got, err := saml.ParseMetadata([]byte(text), noon)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		got.Name = "test"
		accepted(t, idp().Response(claims()), expect(func(e *saml.Expect) { e.Provider = got }))
	}
}

func TestBothKeysOfMetadataAreKept(t *testing.T) {
	doc := string(idp().Metadata())
	from, to := strings.Index(doc, "<md:KeyDescriptor"), strings.Index(doc, "<md:SingleSignOn")
	other := string(samltest.Fixed("https://other.example").Metadata())
	second := other[strings.Index(other, "<md:KeyDescriptor"):strings.Index(other, "<md:SingleSignOn")]
	p, err := saml.ParseMetadata([]byte(doc[:from]+doc[from:to]+doc[from:to]+second+doc[to:]), noon)
	if err != nil || len(p.Certificates) != 2 {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestMetadataThatCannotBeUsedIsRefusedWithTheReason(t *testing.T) {
	doc := string(idp().Metadata())
	change := func(old, new string) string {
		if !strings.Contains(doc, old) {
			t.Fatalf("no %q", old)
		}
		return strings.ReplaceAll(doc, old, new)
	}
	begin := strings.Index(doc, "<md:EntityDescriptor")
	for reason, text := range map[string]string{
		"not well-formed":               "<",
		"document type":                 `<!DOCTYPE a>` + doc[begin:],
		"no SAML 2.0 metadata":          "<html/>",
		"0 identity providers":          change("IDPSSODescriptor", "SPSSODescriptor"),
		"SAML 2.0 in it, one wanted":    change("SAML:2.0:protocol", "SAML:1.1:protocol"),
		"2 identity providers":          `<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata">` + doc[begin:] + doc[begin:] + `</md:EntitiesDescriptor>`,
		"which is over":                 change("<md:IDPSSODescriptor", `<md:IDPSSODescriptor validUntil="2026-01-02T12:00:00Z"`),
		`"tomorrow"`:                    change("<md:EntityDescriptor", `<md:EntityDescriptor validUntil="tomorrow"`),
		"0 certificates":                change(`use="signing"`, `use="encryption"`),
		"not base64":                    change("<ds:X509Certificate>", "<ds:X509Certificate>*"),
		"certificate 1":                 change("<ds:X509Certificate>", "<ds:X509Certificate>AAAA"),
		"0 sign-on addresses":           change("bindings:HTTP", "bindings:FTP"),
		"not a plain http or https URL": change(`Location="https://`, `Location="javascript://`),
		"entity id":                     change(`entityID="https://idp.example/saml"`, ""),
		"white space around the entity": change(`entityID="https`, `entityID=" https`),
		"longer than":                   strings.Repeat(" ", 1<<20) + doc,
		"too many elements":             "<r>" + strings.Repeat("<a/>", 21000) + "</r>",
	} {
		p, err := saml.ParseMetadata([]byte(text), noon)
		if !oauth.Is(err, oauth.InvalidValue) || !strings.Contains(err.Error(), reason) {
			t.Errorf("%s: %+v, %v", reason, p, err)
		}
	}
}

func TestAProviderIsCheckedBeforeItIsUsed(t *testing.T) {
	if err := idp().Provider().Check(); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(p *saml.Provider){
		"no entity id":    func(p *saml.Provider) { p.EntityID = "" },
		"strange binding": func(p *saml.Provider) { p.SSO[0].Binding = "urn:x" },
		"user in address": func(p *saml.Provider) { p.SSO[0].Location = "https://a:b@idp.example/" },
		"relative":        func(p *saml.Provider) { p.SSO[0].Location = "/sso" },
		"fragment":        func(p *saml.Provider) { p.SSO[0].Location = "https://idp.example/#a" },
	} {
		p := idp().Provider()
		change(p)
		if err := p.Check(); !errors.Is(err, saml.ErrProvider) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzMetadata(f *testing.F) {
	i := samltest.Fixed("https://idp.example")
	doc := i.Metadata()
	f.Add(doc)
	f.Add([]byte(strings.ReplaceAll(string(doc), "md:", "")))
	f.Add([]byte("<EntityDescriptor/>"))
	f.Add([]byte(`<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata">` + string(doc[len(`<?xml version="1.0" encoding="UTF-8"?>`):]) + `</md:EntitiesDescriptor>`))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := saml.ParseMetadata(b, noon)
		if err != nil {
			if p != nil || !oauth.Is(err, oauth.InvalidValue) {
				t.Errorf("%+v, %v", p, err)
			}
			return
		}
		// What is taken works: it passes its own check and a request can be sent there.
		if err := p.Check(); err != nil || p.EntityID == "" || len(p.Certificates) == 0 {
			t.Errorf("%+v, %v", p, err)
		}
		q := saml.AuthnRequest{ID: saml.NewID(), EntityID: us, ACS: acs, At: noon}
		if p.Takes(saml.BindingRedirect) {
			if to, err := q.Redirect(p, "x"); err != nil || !(strings.HasPrefix(to, "http://") || strings.HasPrefix(to, "https://")) {
				t.Errorf("%q, %v", to, err)
			}
		}
	})
}
