package saml_test

import (
	"testing"

	"jeton/internal/identity/saml"
)

func BenchmarkVerify(b *testing.B) {
	m, e := idp().Response(claims()), expect()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := saml.Verify(b.Context(), m, e); err != nil {
			b.Fatal(err)
		}
	}
}
