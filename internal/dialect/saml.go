package dialect

// The places of this server as a SAML service provider, below an organization's site.
// The one below the vendor's folder is where Faspex 4 has its callback.
const (
	SAMLMetadataPath = "/auth/saml/metadata"
	SAMLCallbackPath = "/auth/saml/callback"
	SAMLVendor       = "/aspera/faspex"
)

// SAMLEntity are the names this server answers to in an assertion's audience, the one
// it calls itself first. Its metadata is found at either.
func SAMLEntity(r *Request) []string {
	return []string{r.Site + SAMLMetadataPath, r.Site + SAMLVendor + SAMLMetadataPath}
}

// SAMLCallback are the addresses responses are posted to, the one that is asked for
// first.
func SAMLCallback(r *Request) []string {
	return []string{r.Site + SAMLCallbackPath, r.Site + SAMLVendor + SAMLCallbackPath}
}
