package mint_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"jeton/internal/client"
	"jeton/internal/dialect"
	"jeton/internal/grant"
	"jeton/internal/identity"
	"jeton/internal/oauth"
	"jeton/internal/policy"
	"jeton/internal/servertest"
	"jeton/internal/store/storetest/pg"
)

// Three ways to spell tokens, one behaviour.
const world = `
version: 1
users:
  - {name: ann, password: {plain: anns-password}}
clients:
  - {id: sealed, dialect: oidc, secrets: [{plain: s}], grants: [password, refresh_token], scopes: [a, b, c], access_token: {format: opaque}}
  - {id: jwt, dialect: oidc, secrets: [{plain: s}], grants: [password, refresh_token], scopes: [a, b, c]}
  - {id: short, dialect: fortiauth, secrets: [{plain: s}], grants: [password, refresh_token], scopes: [a, b, c], default_scope: [a, b, c]}
`

type party struct {
	*servertest.Server
	id, dialect string
}

func (p party) ask(g grant.Grant, scope oauth.Scope) (oauth.Tokens, error) {
	org, _ := p.Core.Clients.Org("default")
	return p.Core.Exchange.Token(context.Background(), &grant.Request{
		Org: org, Dialect: p.dialect, Grant: g, Scope: scope, Issuer: servertest.Public,
		Client: client.Credentials{ID: p.id, Secret: "s", Method: client.SecretBasic},
	})
}

func (p party) begin(t interface{ Fatal(...any) }) oauth.Tokens {
	tokens, err := p.ask(grant.Password{Name: "ann", Password: "anns-password"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

func (p party) refresh(token string) (oauth.Tokens, error) {
	return p.ask(&grant.Refresh{Token: token}, nil)
}

func (p party) live(access string) bool {
	_, err := p.Core.Mint.Check(context.Background(), "default", access)
	return err == nil
}

var postgres *pg.Server

func TestMain(m *testing.M) { os.Exit(pg.Run(m, func(s *pg.Server) { postgres = s })) }

func parties(t *testing.T, s *servertest.Server) []party {
	return []party{{s, "sealed", "oidc"}, {s, "jwt", "oidc"}, {s, "short", "fortiauth"}}
}

func engines(t *testing.T, run func(t *testing.T, s *servertest.Server)) {
	t.Run("sqlite", func(t *testing.T) { run(t, servertest.Start(t, servertest.Options{World: world})) })
	t.Run("postgres", func(t *testing.T) {
		run(t, servertest.Start(t, servertest.Options{World: world, DSN: postgres.Database(t)}))
	})
}

// model is what one family must do: a list of refresh tokens, the last the current.
type model struct {
	tokens  []string
	rotated time.Time
	dead    bool
}

func TestAnyOrderOfRefreshesLeavesOneLiveChainOrNone(t *testing.T) {
	s := servertest.Start(t, servertest.Options{World: world})
	for _, p := range parties(t, s) {
		t.Run(p.id, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				first := p.begin(t)
				m := model{tokens: []string{first.Refresh}}
				t.Repeat(map[string]func(*rapid.T){
					"wait": func(t *rapid.T) {
						p.Clock.Add(time.Duration(rapid.IntRange(1, 20).Draw(t, "seconds")) * time.Second)
					},
					"refresh": func(t *rapid.T) {
						i := len(m.tokens) - 1 - rapid.IntRange(0, min(3, len(m.tokens)-1)).Draw(t, "back")
						m.refresh(t, p, i)
					},
				})
			})
		})
	}
}

func (m *model) refresh(t *rapid.T, p party, i int) {
	now := p.Clock.Now()
	got, err := p.refresh(m.tokens[i])
	last := len(m.tokens) - 1
	switch {
	case m.dead:
		if !oauth.Is(err, oauth.BadRefreshToken) {
			t.Fatalf("a dead family answered %v", err)
		}
	case i == last:
		if err != nil {
			t.Fatalf("the current token is refused: %v", err)
		}
		m.tokens, m.rotated = append(m.tokens, got.Refresh), now
		if !p.live(got.Access) {
			t.Fatal("the new access token is not live")
		}
	case i == last-1 && now.Sub(m.rotated) <= 10*time.Second:
		if err != nil || got.Refresh != m.tokens[last] {
			t.Fatalf("a repeat in its grace got another successor: %v", err)
		}
		if !p.live(got.Access) {
			t.Fatal("the repeated access token is not live")
		}
	default:
		if !oauth.Is(err, oauth.BadRefreshToken) {
			t.Fatalf("a used token is answered %v", err)
		}
		m.dead = true
		if _, err := p.refresh(m.tokens[last]); !oauth.Is(err, oauth.BadRefreshToken) {
			t.Fatalf("reuse did not end the family: %v", err)
		}
	}
}

func TestTok02FiftyUsesOfOneRefreshTokenLeaveOneChain(t *testing.T) {
	engines(t, func(t *testing.T, s *servertest.Server) {
		for _, p := range parties(t, s) {
			first := p.begin(t)
			var mu sync.Mutex
			successors := map[string]int{}
			var wg sync.WaitGroup
			for range 50 {
				wg.Go(func() {
					got, err := p.refresh(first.Refresh)
					mu.Lock()
					defer mu.Unlock()
					switch {
					case err == nil:
						successors[got.Refresh]++
					case !oauth.Is(err, oauth.BadRefreshToken):
						t.Errorf("%s: %v", p.id, err)
					}
				})
			}
			wg.Wait()
			if len(successors) != 1 {
				t.Errorf("%s: %d chains", p.id, len(successors))
			}
			for token := range successors {
				if _, err := p.refresh(token); err != nil {
					t.Errorf("%s: the one successor is refused: %v", p.id, err)
				}
			}
		}
	})
}

func TestTok06WhatATokenStandsOnIsReadAgainAtEachUse(t *testing.T) {
	engines(t, func(t *testing.T, s *servertest.Server) {
		ctx := context.Background()
		for _, p := range parties(t, s) {
			u, err := s.Core.Admin.UserByName(ctx, "default", "local", "ann")
			if err != nil {
				t.Fatal(err)
			}
			tokens := p.begin(t)
			enable := func(on bool) {
				if _, err := s.Core.Admin.ChangeUser(ctx, "default", u.ID, "user.change", func(u *identity.User) error { u.Enabled = on; return nil }); err != nil {
					t.Fatal(err)
				}
			}
			enable(false)
			if p.live(tokens.Access) {
				t.Errorf("%s: the access token of a disabled user lives", p.id)
			}
			if _, err := p.refresh(tokens.Refresh); !oauth.Is(err, oauth.BadRefreshToken) {
				t.Errorf("%s: the refresh token of a disabled user: %v", p.id, err)
			}
			enable(true)
			if p.live(tokens.Access) {
				t.Errorf("%s: enabling the user brought a token back", p.id)
			}
			tokens = p.begin(t)
			if !p.live(tokens.Access) {
				t.Errorf("%s: a new token after the change is dead", p.id)
			}
			if err := s.Core.Admin.SetPassword(ctx, "default", u.ID, "anns-password"); err != nil {
				t.Fatal(err)
			}
			if _, err := p.refresh(tokens.Refresh); !oauth.Is(err, oauth.BadRefreshToken) {
				t.Errorf("%s: tok-07: a refresh after a password change: %v", p.id, err)
			}
			tokens = p.begin(t)
			// tok-15: a revocation by user and one by client hold side by side.
			if err := s.Core.Admin.RevokeUser(ctx, "default", u.ID); err != nil {
				t.Fatal(err)
			}
			fresh := p.begin(t)
			if p.live(tokens.Access) || !p.live(fresh.Access) {
				t.Errorf("%s: revoking by user: old %v new %v", p.id, p.live(tokens.Access), p.live(fresh.Access))
			}
			if err := s.Core.Admin.RevokeClient(ctx, "default", p.id); err != nil {
				t.Fatal(err)
			}
			if p.live(tokens.Access) || p.live(fresh.Access) {
				t.Errorf("%s: revoking by client left a token", p.id)
			}
		}
	})
}

func TestGrantedScopeNeverGoesBeyondWhatWasAskedAllowedOrGrantedBefore(t *testing.T) {
	all := []string{"a", "b", "c", "d"}
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) oauth.Scope {
			return oauth.Scope(rapid.SliceOfNDistinct(rapid.SampledFrom(all), 0, 4, rapid.ID).Draw(t, name))
		}
		c := &client.Client{Scopes: draw("client"), Grants: []oauth.GrantType{oauth.GrantPassword}}
		proof := oauth.Proof{Bounded: rapid.Bool().Draw(t, "bounded"), Granted: draw("granted")}
		asked := draw("asked")
		d, err := policy.Decide(policy.Profile{AccessLife: time.Minute}, c, proof, policy.Ask{Grant: oauth.GrantPassword, Scope: asked})
		limit := c.Scopes
		if proof.Bounded {
			limit = proof.Granted
		}
		if !asked.Within(limit) {
			if !oauth.Is(err, oauth.InvalidScope) {
				t.Fatalf("asked %v of %v: %v", asked, limit, err)
			}
			return
		}
		if err != nil || !d.Scope.Within(limit) || !d.Scope.Within(d.Family) || (len(asked) > 0 && !d.Scope.Within(asked)) {
			t.Fatalf("asked %v of %v got %+v, %v", asked, limit, d, err)
		}
	})
}

func TestAScopeTakenFromTheClientIsGoneFromItsTokens(t *testing.T) {
	engines(t, func(t *testing.T, s *servertest.Server) {
		ctx := context.Background()
		for _, p := range parties(t, s) {
			tokens := p.begin(t)
			if _, err := s.Core.Admin.ChangeClient(ctx, "default", p.id, "client.change", func(c *client.Client) error {
				c.Scopes, c.DefaultScope = oauth.Scope{"a"}, oauth.Scope{"a"}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			a, err := s.Core.Mint.Check(ctx, "default", tokens.Access)
			if err != nil || a.Scope.String() != "a" {
				t.Errorf("%s: the token still has %v, %v", p.id, a, err)
			}
			next, err := p.refresh(tokens.Refresh)
			if err != nil || next.Scope.String() != "a" {
				t.Errorf("%s: a refresh still gives %v, %v", p.id, next.Scope, err)
			}
		}
	})
}

func TestASignedTokenNeverOutlivesItsKey(t *testing.T) {
	year := int64(365 * 24 * 3600)
	for format, want := range map[client.Format]time.Duration{client.JWT: policy.MaxJWTLife, "": policy.MaxJWTLife, client.Opaque: 365 * 24 * time.Hour} {
		d, err := policy.Decide(policy.Profile{Access: policy.Form{Kind: policy.JWT}, AccessLife: time.Minute},
			&client.Client{AccessLife: &year, AccessFormat: format}, oauth.Proof{}, policy.Ask{})
		if err != nil || d.Access != want {
			t.Errorf("%q: %v %v", format, d.Access, err)
		}
	}
}

func TestALifeOfZeroNeverEndsOnlyWhereTheDialectHasThat(t *testing.T) {
	zero := int64(0)
	for _, never := range []bool{true, false} {
		d, err := policy.Decide(policy.Profile{AccessLife: time.Minute, RefreshLife: time.Hour, FamilyLife: time.Hour, Never: never},
			&client.Client{AccessLife: &zero}, oauth.Proof{}, policy.Ask{})
		if err != nil || (d.Access == 0) != never || (d.Life == 0) != never {
			t.Errorf("never %v: %+v %v", never, d, err)
		}
	}
}

func TestNothingCrossesFromOneOrganizationToAnother(t *testing.T) {
	engines(t, func(t *testing.T, s *servertest.Server) {
		s.Apply(t, `
version: 1
organizations: [{id: other, name: Other, prefixes: [/other]}]
users: [{name: ann, organization: other, password: {plain: anns-password}}]
clients: [{id: sealed, organization: other, dialect: oidc, secrets: [{plain: s}], grants: [password, refresh_token], scopes: [a], access_token: {format: opaque}}]
`)
		ctx := context.Background()
		for _, p := range parties(t, s) {
			tokens := p.begin(t)
			if _, err := s.Core.Mint.Check(ctx, "other", tokens.Access); !oauth.Is(err, oauth.InvalidToken) {
				t.Errorf("%s: another organization takes the access token: %v", p.id, err)
			}
			if done, err := s.Core.Mint.Revoke(ctx, "other", p.id, tokens.Access); done || err != nil {
				t.Errorf("%s: another organization's namesake revokes it: %v %v", p.id, done, err)
			}
			if found, err := s.Core.Mint.FindRefresh(ctx, "other", tokens.Refresh); found != nil || err != nil {
				t.Errorf("%s: another organization reads the refresh token: %v %v", p.id, found, err)
			}
			other, _ := s.Core.Clients.Org("other")
			_, err := s.Core.Exchange.Token(ctx, &grant.Request{
				Org: other, Dialect: p.dialect, Grant: &grant.Refresh{Token: tokens.Refresh}, Issuer: servertest.Public,
				Client: client.Credentials{ID: p.id, Secret: "s", Method: client.SecretBasic},
			})
			if err == nil {
				t.Errorf("%s: another organization refreshes it", p.id)
			}
			if !p.live(tokens.Access) {
				t.Errorf("%s: the attempts harmed the token", p.id)
			}
		}
	})
}

func TestAChallengeRefusesWhereADialectHasNoWordsForIt(t *testing.T) {
	for _, d := range servertest.Dialects() {
		e := oauth.AsRefusal(errors.Join(oauth.Refuse(oauth.MFARequired, "")))
		if reply := d.Words(dialect.Refusal{Code: e.Code, Description: e.Description}); reply.Status < 400 {
			t.Errorf("%s: %d", d.Name, reply.Status)
		}
	}
	if !slices.Contains(oauth.Codes(), oauth.MFARequired) {
		t.Error(fmt.Sprint(oauth.Codes()))
	}
}
