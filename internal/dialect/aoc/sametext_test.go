package aoc_test

import (
	"net/url"
	"testing"

	"jeton/internal/audit"
	"jeton/internal/servertest"
)

// Two node tokens of one second have one text. After everything of the user was
// ended, that text is dead, and a new token must not be it.
func TestANodeTokenOfTheSecondInWhichAllWereEndedIsANewOne(t *testing.T) {
	s := start(t)
	const scope = "node.key1:user:all"
	mint := func() string {
		a := ask(t, s, "all-own", scope, assertion(t, "bob", usual(s, "all-own", "bob@example.com")))
		if a.status != 200 {
			t.Fatalf("%d %v", a.status, a.body)
		}
		return a.text("access_token")
	}
	first := mint()
	if again := mint(); again != first {
		t.Error("two tokens of one second differ")
	}
	bob, err := s.Core.Users.ByMail(t.Context(), "acme", "bob@example.com")
	if err != nil {
		t.Fatal(err)
	}
	ctx := audit.With(t.Context(), &audit.Record{At: s.Clock.Now(), ID: audit.NewID(s.Clock.Now())})
	if err := s.Core.Admin.RevokeUser(ctx, "acme", bob.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Core.Mint.Check(t.Context(), "acme", first); err == nil {
		t.Error("a token lives on though all of the user were ended")
	}
	if _, err := s.Core.Mint.Check(t.Context(), "acme", mint()); err != nil {
		t.Errorf("the token made afterwards is dead: %v", err)
	}
}

// The key a client authenticates with says who the client is. That it may speak for
// every user, as a global key may, nobody has said.
func TestTheKeyAClientProvesItselfWithIsNoGlobalKey(t *testing.T) {
	s := servertest.Start(t, servertest.Options{World: world + `
  - {id: proves, organization: acme, dialect: aoc, auth: private_key_jwt, grants: [jwt-bearer], keys: [{file: demo/global.pub}]}
`})
	now := s.Clock.Now().Unix()
	own := func(jti string) string {
		return assertion(t, "global", map[string]any{
			"iss": "proves", "sub": "proves", "aud": vendorAudience, "exp": now + 60, "jti": jti,
		})
	}
	ask := func(jti, key string) answer {
		return post(t, s, "/api/v1/oauth2/acme/token", url.Values{
			"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "client_id": {"proves"},
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {own(jti)},
			"assertion": {assertion(t, key, usual(s, "proves", "bob@example.com"))},
		})
	}
	if a := ask("one", "bob"); a.status != 200 {
		t.Errorf("with the user's key: %d %v", a.status, a.body)
	}
	if a := ask("two", "global"); a.status != 400 || a.text("error") != "invalid_grant" {
		t.Errorf("with the key of the client: %d %v", a.status, a.body)
	}
}
