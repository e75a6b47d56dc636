package aoc_test

import (
	"testing"

	"jeton/internal/audit"
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
