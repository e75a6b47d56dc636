package session_test

import (
	"errors"
	"testing"
	"time"

	"jeton/internal/client"
	"jeton/internal/servertest"
	"jeton/internal/session"
)

func TestASignInCountsAsLongAsItsProviderDoes(t *testing.T) {
	s := servertest.Start(t, servertest.Options{World: "version: 1\nusers:\n  - {name: ida}\n"})
	u, err := s.Core.Users.ByName(t.Context(), "default", "", "ida")
	if err != nil {
		t.Fatal(err)
	}
	found, ok := s.Core.Clients.Org("default")
	if !ok {
		t.Fatal("no organization")
	}
	with := func(list ...client.Provider) *client.Org {
		o := *found
		o.Providers = list
		return &o
	}
	trusted := with(client.Provider{Name: "corp"})
	secret, _, err := s.Core.Sessions.Open(t.Context(), trusted, u, session.Session{Source: "saml/corp"}, "")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		org  *client.Org
		live bool
	}{
		"as it was":  {trusted, true},
		"disabled":   {with(client.Provider{Name: "corp", Disabled: true}), false},
		"another is": {with(client.Provider{Name: "corp"}, client.Provider{Name: "corp2", Disabled: true}), true},
	} {
		if _, _, err := s.Core.Sessions.Find(t.Context(), c.org, secret); errors.Is(err, session.ErrNone) == c.live {
			t.Errorf("%s: %v", name, err)
		}
	}
	local, _, err := s.Core.Sessions.Open(t.Context(), with(), u, session.Session{Source: "local"}, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Core.Sessions.Find(t.Context(), with(), local); err != nil {
		t.Errorf("a sign-in by password: %v", err)
	}
}

func TestASignInLiesAheadOnlyAfterTheClockWentBack(t *testing.T) {
	at := time.Unix(1_800_000_000, 0)
	s := session.Session{AuthTime: at.UnixMilli()}
	for ago, want := range map[time.Duration]bool{time.Hour: false, 0: false, -30 * time.Second: false, -2 * time.Minute: true} {
		if s.Ahead(at.Add(ago)) != want {
			t.Errorf("%s later: %v", ago, !want)
		}
	}
}
