// Package clients_test runs client libraries of others, unmodified, against the
// server: what they refuse is our fault.
package clients_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
	"golang.org/x/oauth2/jwt"

	"jeton/internal/server"
	"jeton/internal/servertest"
)

const world = `
version: 1
users:
  - {name: ada, keys: [{file: demo/ada.pub}]}
clients:
  - {id: poster, dialect: oidc, auth: client_secret_post, secrets: [{plain: "poster-secret+%&="}], grants: [client_credentials], scopes: [read]}
  - {id: signer, dialect: oidc, auth: private_key_jwt, keys: [{file: demo/ada.pub}], grants: [client_credentials, jwt-bearer], scopes: [read]}
  - {id: legacy, dialect: oidc, secrets: [{plain: legacy-secret}], grants: [password, refresh_token], scopes: [openid, profile, email]}
  - {id: alg-ES256, dialect: oidc, secrets: [{plain: alg-secret}], grants: [client_credentials], access_token: {alg: ES256}}
  - {id: alg-RS256, dialect: oidc, secrets: [{plain: alg-secret}], grants: [client_credentials], access_token: {alg: RS256}}
  - {id: alg-PS256, dialect: oidc, secrets: [{plain: alg-secret}], grants: [client_credentials], access_token: {alg: PS256}}
  - {id: alg-ES384, dialect: oidc, secrets: [{plain: alg-secret}], grants: [client_credentials], access_token: {alg: ES384}}
  - {id: alg-EdDSA, dialect: oidc, secrets: [{plain: alg-secret}], grants: [client_credentials], access_token: {alg: EdDSA}}
`

// start runs a server whose issuer is the address it listens on, by the real clock.
func start(t *testing.T) *servertest.Server {
	return servertest.Start(t, servertest.Options{World: world, Real: true, Change: func(c *server.Config) { c.PublicURL = "" }})
}

func TestCertifiedJavaScriptClientsWorkUnmodified(t *testing.T) {
	s := start(t)
	key := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(key, servertest.PrivatePEM("ada"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", "clients.mjs", s.URL, key)
	cmd.Dir = "node"
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v (make deps installs the libraries)\n%s\nserver log:\n%s", err, out, s.Logs)
	}
	if n := strings.Count(string(out), "ok "); n != 16 {
		t.Errorf("%d steps, want 16:\n%s", n, out)
	}
}

func TestGoOIDCDiscoversAndReadsUserinfo(t *testing.T) {
	s := start(t)
	provider, err := oidc.NewProvider(t.Context(), s.URL)
	if err != nil {
		t.Fatal(err)
	}
	config := oauth2.Config{ClientID: "legacy", ClientSecret: "legacy-secret", Endpoint: provider.Endpoint(), Scopes: []string{"openid", "email"}}
	token, err := config.PasswordCredentialsToken(t.Context(), "sam", "demo-sam")
	if err != nil {
		t.Fatal(err)
	}
	info, err := provider.UserInfo(t.Context(), oauth2.StaticTokenSource(token))
	if err != nil {
		t.Fatal(err)
	}
	if info.Email != "sam@example.com" || info.Subject == "" {
		t.Errorf("userinfo: %+v", info)
	}
	// The keys verify what they sign.
	verifier := provider.Verifier(&oidc.Config{SkipClientIDCheck: true, SupportedSigningAlgs: []string{"ES256"}})
	if _, err := verifier.Verify(t.Context(), token.AccessToken); err != nil {
		t.Errorf("the access token's signature, issuer or time: %v", err)
	}
}

func TestOAuth2LibraryRefreshesByItself(t *testing.T) {
	s := start(t)
	config := oauth2.Config{ClientID: "legacy", ClientSecret: "legacy-secret", Endpoint: oauth2.Endpoint{TokenURL: s.URL + "/oauth2/token"}}
	token, err := config.PasswordCredentialsToken(t.Context(), "sam", "demo-sam")
	if err != nil {
		t.Fatal(err)
	}
	token.Expiry = time.Now().Add(-time.Minute) // as if its time had come
	next, err := config.TokenSource(t.Context(), token).Token()
	if err != nil {
		t.Fatal(err)
	}
	if next.AccessToken == token.AccessToken || next.RefreshToken == token.RefreshToken {
		t.Error("the library got the same tokens again")
	}
}

func TestOAuth2LibraryWithClientCredentialsAndJWT(t *testing.T) {
	s := start(t)
	cc := clientcredentials.Config{ClientID: "batch", ClientSecret: "demo-batch-secret", TokenURL: s.URL + "/oauth2/token", Scopes: []string{"read"}}
	if _, err := cc.Token(t.Context()); err != nil {
		t.Errorf("client_credentials: %v", err)
	}
	cc.ClientSecret = "wrong"
	_, err := cc.Token(t.Context())
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) || refused.ErrorCode != "invalid_client" || refused.Response.StatusCode != http.StatusUnauthorized {
		t.Errorf("a wrong secret: %v", err)
	}
	// golang.org/x/oauth2/jwt sends neither client id nor jti: it is for servers where
	// the key is the client. Ours asks for both, and says so in the standard's words.
	bare := jwt.Config{Email: "signer", Subject: "ada", PrivateKey: servertest.PrivatePEM("ada"), TokenURL: s.URL + "/oauth2/token", Audience: s.URL}
	_, err = bare.TokenSource(t.Context()).Token()
	if !errors.As(err, &refused) || refused.Response.StatusCode != http.StatusUnauthorized {
		t.Errorf("an assertion without a client: %v", err)
	}
}
