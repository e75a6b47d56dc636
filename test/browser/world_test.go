package browser_test

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"jeton/internal/audit"
	"jeton/internal/identity"
	"jeton/internal/servertest"
)

// people is how many visitors a journey may have who sign in for themselves: ada1, ada2 …
const people = 16

// world is who there is for the journeys beside the demo world. Passwords are "demo".
// party is the address of the relying party where it must be known beforehand.
func world(party string) string {
	var b strings.Builder
	b.WriteString("version: 1\norganizations:\n" + studio + "users:\n")
	for i := range people {
		fmt.Fprintf(&b, "  - {name: ada%d, password: {plain: demo}, email: ada%[1]d@app.example, given_name: Ada, family_name: Lovelace, display_name: Ada Lovelace}\n", i+1)
		fmt.Fprintf(&b, "  - {name: due%d, password: {plain: demo}, password_due: true}\n", i+1)
		fmt.Fprintf(&b, "  - {organization: studio, realm: staff, name: ada%d, password: {plain: demo}}\n", i+1)
	}
	b.WriteString(clients)
	return strings.NewReplacer("PARTY", cmp.Or(party, "https://app.example"), "LOGO", base64.StdEncoding.EncodeToString([]byte(logo))).Replace(b.String())
}

// members makes people who look after their details themselves, which those of a file
// do not: bea1, bea2 …
func members(t *testing.T) func(*servertest.Server) {
	return func(s *servertest.Server) {
		t.Helper()
		for i := range people {
			name := fmt.Sprintf("bea%d", i+1)
			u := identity.User{
				Org: "default", Realm: "local", Name: name, Email: name + "@app.example", GivenName: "Bea", FamilyName: "Lovelace", DisplayName: "Bea Lovelace", Enabled: true,
			}
			now := time.Now()
			ctx := audit.With(t.Context(), &audit.Record{ID: audit.NewID(now), At: now})
			if err := s.Core.Admin.CreateUser(ctx, &u, "demo"); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// studio has its own look, two realms, and a path of its own.
const studio = `
  - id: studio
    name: Studio
    prefixes: [/studio]
    realms: [{name: guests, title: Guests, default: true}, {name: staff, title: Staff of the studio}]
    scopes: {read: Read your projects}
    brand: {name: Studio Lumière & Söhne, accent: "#f2c200", help: "https://help.example/", terms: "https://terms.example/", logo: {base64: LOGO}}
`

const logo = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 32"><rect width="64" height="32" rx="6" fill="#f2c200"/><circle cx="16" cy="16" r="9" fill="#222"/><path d="M32 8h24v16H32z" fill="#222"/></svg>`

const clients = `
clients:
  - id: app
    name: Report Builder
    dialect: oidc
    auth: client_secret_basic
    secrets: [{plain: app-secret}]
    grants: [authorization_code, refresh_token]
    scopes: [openid, profile, email, offline_access, read]
    redirect_uris: ["http://127.0.0.1/callback"]
    post_logout_redirect_uris: ["PARTY/bye"]
  - id: mobile
    name: Pocket Reports
    dialect: oidc
    auth: none
    grants: [authorization_code]
    scopes: [openid, email, read]
    redirect_uris: ["com.example.app:/cb"]
    reviewed: 2026-11-02
  - organization: studio
    id: app
    name: Cutting Room
    dialect: oidc
    auth: client_secret_basic
    secrets: [{plain: app-secret}]
    grants: [authorization_code]
    scopes: [openid, profile, read]
    redirect_uris: ["http://127.0.0.1/callback"]
`

// weak is a public key of RSA with 1024 bits.
const weak = `-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDrs4Z/B0QgLFWhfE1Q0wHmzL+2
UKN/Sri/pQYuB7EqBy96fZPBilwPfLlHwCto2jXDUjWPPXhMoeBhngX2DY/qJPdx
+c6vX0CQtQ23k99oIKhRO6Hz0DuUFHAvPflBNAvu0LRtZrwzs0HmIOkbc9ePG92D
Hs74JnKfNZzoUcubSQIDAQAB
-----END PUBLIC KEY-----
`

// door opens a port of loopback for a relying party whose address must be known
// before it is there.
func door(t *testing.T) (address string, socket *os.File) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if socket, err = l.(*net.TCPListener).File(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	return "http://" + l.Addr().String(), socket
}
