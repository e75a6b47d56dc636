package security_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"jeton/internal/client"
	"jeton/internal/identity"
	"jeton/internal/oauth"
	"jeton/internal/servertest"
	"jeton/internal/store"
)

// session is a pair of tokens of one product, and what can be done with them.
type session struct {
	name            string
	access, refresh string
	alive           func(s site, access string) bool
	renew           func(s site, from session) answer
	pair            func(a answer) (access, refresh string)
}

func (x session) on(a answer) session {
	x.access, x.refresh = x.pair(a)
	return x
}

func standardPair(a answer) (string, string) {
	return a.member("access_token"), a.member("refresh_token")
}

func reaches(path string) func(site, string) bool {
	return func(s site, token string) bool { return s.send("GET", path, "", bearer(token)).ok() }
}

// sessions signs bob in to every product that gives a person a refresh token.
func sessions(s site) []session {
	s.t.Helper()
	list := []session{
		{name: "standard", pair: standardPair, alive: reaches("/oauth2/userinfo"),
			renew: func(s site, x session) answer { return s.refresh("legacy", x.refresh) }},
		{name: "Faspex", pair: standardPair, alive: reaches("/api/users/me"), renew: func(s site, x session) answer {
			return s.form(faspexToken, encoded("grant_type", "refresh_token", "refresh_token", x.refresh), nil)
		}},
		{name: "FortiAuthenticator", pair: standardPair, alive: reaches("/api/v1/oauth/verify_token/?client_id=client_id"), renew: func(s site, x session) answer {
			return s.form(fortiToken, encoded("grant_type", "refresh_token", "refresh_token", x.refresh), basic("client_id", "client_secret"))
		}},
		{name: "Sensu", pair: standardPair, alive: reaches("/api/core/v2/users/bob"), renew: func(s site, x session) answer {
			return s.send("POST", "/auth/token", marshal(s.t, map[string]string{"refresh_token": x.refresh}), bearer(x.access))
		}},
	}
	for i := range list {
		a := s.must(doors[i].try(s, "bob", "bobs-password", ""))
		list[i] = list[i].on(a)
		if list[i].access == "" || list[i].refresh == "" || !list[i].alive(s, list[i].access) {
			s.t.Fatalf("%s: %v", list[i].name, a)
		}
	}
	return list
}

func eachSession(t *testing.T, f func(s site, x session)) {
	s := open(t)
	for _, x := range sessions(s) {
		t.Run(x.name, func(t *testing.T) { f(s.on(t), x) })
	}
}

// over checks that nothing of a session works any more.
func (s site) over(what string, list ...session) {
	s.t.Helper()
	for i, x := range list {
		if x.alive(s, x.access) {
			s.t.Errorf("%s: access token %d lives", what, i+1)
		}
		if a := x.renew(s, x); a.ok() {
			s.t.Errorf("%s: refresh token %d works", what, i+1)
		} else {
			s.refused(what, a, 400, 401)
		}
	}
}

func TestTok01AUsedRefreshTokenEndsItsWholeFamily(t *testing.T) {
	eachSession(t, func(s site, first session) {
		second := first.on(s.must(first.renew(s, first)))
		s.Clock.Add(11 * time.Second)
		third := second.on(s.must(second.renew(s, second)))
		s.Clock.Add(11 * time.Second)
		if !third.alive(s, third.access) {
			s.t.Error("the newest access token is dead already")
		}
		s.refused("the first one again", first.renew(s, first), 400, 401)
		s.over("after the reuse", first, second, third)
		ended := 0
		for _, r := range s.events() {
			if r.Event == "family.revoke" {
				ended++
			}
		}
		if ended == 0 {
			s.t.Error("the end of the family is not recorded")
		}
	})
}

func TestTok02FiftyUsesOfARefreshTokenOnTwoNodesLeaveOneChain(t *testing.T) {
	a, b := nodes(t)
	for i, x := range sessions(a) {
		t.Run(x.name, func(t *testing.T) {
			node := [2]site{a.on(t), b.on(t)}
			pairs := make(chan session, 50)
			wins := once(50, func(i int) answer {
				got := x.renew(node[i%2], x)
				if got.ok() {
					pairs <- x.on(got)
				}
				return got
			})
			close(pairs)
			next := map[string]bool{}
			var last session
			for p := range pairs {
				next[p.refresh] = true
				last = p
			}
			if wins == 0 || len(next) != 1 {
				t.Fatalf("%d successes with %d different successors", wins, len(next))
			}
			for _, s := range node {
				if !last.alive(s, last.access) {
					t.Error("the chain is dead on a node")
				}
			}
			node[0].must(last.renew(node[0], last))
			if i == 0 { // and after the grace the spent one ends them on both nodes
				a.Clock.Add(time.Minute)
				b.Clock.Add(time.Minute)
				node[1].refused("reuse", x.renew(node[1], x), 400, 401)
				node[0].over("after reuse on the other node", last)
				a.Clock.Add(-time.Minute)
				b.Clock.Add(-time.Minute)
			}
		})
	}
}

func TestTok03ARepeatWithinTheWindowGetsTheSameSuccessor(t *testing.T) {
	eachSession(t, func(s site, first session) {
		second := first.on(s.must(first.renew(s, first)))
		for range 3 {
			s.Clock.Add(3 * time.Second)
			if again := first.on(s.must(first.renew(s, first))); again.refresh != second.refresh {
				s.t.Error("a second chain began")
			}
		}
		third := second.on(s.must(second.renew(s, second)))
		s.Clock.Add(3 * time.Second)
		// The chain has gone on: the first one is no repeat any more, whatever the clock says.
		s.refused("the first one", first.renew(s, first), 400, 401)
		s.over("after it", third)
	})
}

func TestTok04ARefreshTokenIsItsClientsAlone(t *testing.T) {
	s := open(t)
	_, refresh := s.password("legacy", "legacy-secret")
	for _, h := range []struct{ id, secret string }{{"second", "second-secret"}, {"portal", "demo-portal-secret"}, {"robot", "robot-secret"}} {
		a := s.form("/oauth2/token", encoded("grant_type", "refresh_token", "refresh_token", refresh), basic(h.id, h.secret))
		s.refused(h.id, a, 400)
	}
	s.refused("nobody", s.form("/oauth2/token", encoded("grant_type", "refresh_token", "refresh_token", refresh, "client_id", "public"), nil), 400)
	s.refused("another product", s.form(fortiToken, encoded("grant_type", "refresh_token", "refresh_token", refresh), basic("client_id", "client_secret")), 400)
	s.refused("Faspex", s.form(faspexToken, encoded("grant_type", "refresh_token", "refresh_token", refresh), nil), 401)
	s.refused("Aspire", s.json("/Authorization/RefreshToken", `{"RefreshToken":"`+refresh+`"}`, nil), 401)
	s.refused("next door", s.form("/other/oauth2/token", encoded("grant_type", "refresh_token", "refresh_token", refresh), basic("robot", "other-secret")), 400)
	s.must(s.refresh("legacy", refresh))
}

func TestTok05ScopeNeverGrowsOnRefresh(t *testing.T) {
	s := open(t)
	access, refresh := "", ""
	ask := func(scope string) answer {
		a := s.form("/oauth2/token", encoded("grant_type", "refresh_token", "refresh_token", refresh, "scope", scope), basic("legacy", "legacy-secret"))
		if a.ok() {
			access, refresh = standardPair(a)
		}
		return a
	}
	a := s.must(s.form("/oauth2/token", "grant_type=password&username=bob&password=bobs-password&scope=openid+email", basic("legacy", "legacy-secret")))
	_, refresh = standardPair(a)
	for _, wider := range []string{"openid email profile", "profile", "admin", "openid admin", "OPENID", "*"} {
		s.invalid(wider, ask(wider), "invalid_scope", 400)
	}
	if a := s.must(ask("openid")); a.member("scope") != "openid" {
		t.Errorf("narrower: %v", a)
	}
	claims := s.must(s.send("GET", "/oauth2/userinfo", "", bearer(access)))
	if strings.Contains(claims.body, "bob@example.com") {
		t.Errorf("the narrower token tells more: %v", claims)
	}
	if a := s.must(ask("")); a.member("scope") != "openid email" {
		t.Errorf("all again: %v", a)
	}
	s.invalid("wider after narrower", ask("openid email profile"), "invalid_scope", 400)
	s.must(ask("openid email"))
	// What the client lost since, nobody gets any more.
	_, err := s.Core.Admin.ChangeClient(t.Context(), "default", "legacy", "client.change", func(c *client.Client) error {
		c.Scopes = oauth.Scope{"openid"}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if a := ask(""); a.ok() && a.member("scope") != "openid" {
		t.Errorf("a scope the client lost: %v", a)
	}
}

// bob finds the user.
func (s site) bob() *identity.User {
	s.t.Helper()
	u, err := s.Core.Admin.UserByName(s.t.Context(), "default", "local", "bob")
	if err != nil {
		s.t.Fatal(err)
	}
	return u
}

func TestTok06NothingOutlivesItsUserOrClient(t *testing.T) {
	disable := func(t *testing.T, s site) {
		if _, err := s.Core.Admin.ChangeUser(t.Context(), "default", s.bob().ID, "user.disable", func(u *identity.User) error { u.Enabled = false; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	ends := map[string]func(t *testing.T, s site){
		"disabled": disable,
		"expired": func(t *testing.T, s site) {
			if _, err := s.Core.Admin.ChangeUser(t.Context(), "default", s.bob().ID, "user.change", func(u *identity.User) error { u.Expires = s.Clock.Now().Unix(); return nil }); err != nil {
				t.Fatal(err)
			}
		},
		"deleted": func(t *testing.T, s site) {
			if err := s.Core.Admin.DeleteUser(t.Context(), "default", s.bob().ID); err != nil {
				t.Fatal(err)
			}
		},
		"clients disabled": func(t *testing.T, s site) {
			for _, id := range []string{"legacy", "faspex", "client_id", "sensu"} {
				if _, err := s.Core.Admin.ChangeClient(t.Context(), "default", id, "client.disable", func(c *client.Client) error { c.Enabled = false; return nil }); err != nil {
					t.Fatal(err)
				}
			}
		},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			list := sessions(s)
			end(t, s)
			for _, x := range list {
				s.over(x.name, x)
			}
			for i, d := range doors {
				if a := d.try(s, "bob", "bobs-password", ""); a.ok() && !(name == "clients disabled" && i == 4) {
					t.Errorf("%s: signs in: %v", d.name, a)
				}
			}
			if name == "disabled" { // and does not come back with the user
				s.Clock.Add(time.Second)
				if _, err := s.Core.Admin.ChangeUser(t.Context(), "default", s.bob().ID, "user.enable", func(u *identity.User) error { u.Enabled = true; return nil }); err != nil {
					t.Fatal(err)
				}
				for _, x := range list {
					s.over(x.name+", enabled again", x)
				}
			}
		})
	}
}

func TestTok07APasswordChangeOrRevocationOfAllEndsEverySession(t *testing.T) {
	ends := map[string]func(s site) error{
		"password set": func(s site) error {
			return s.Core.Admin.SetPassword(s.t.Context(), "default", s.bob().ID, "a-new-password")
		},
		"all revoked": func(s site) error { return s.Core.Admin.RevokeUser(s.t.Context(), "default", s.bob().ID) },
		"clients revoked": func(s site) error {
			for _, id := range []string{"legacy", "faspex", "client_id", "sensu"} {
				if err := s.Core.Admin.RevokeClient(s.t.Context(), "default", id); err != nil {
					return err
				}
			}
			return nil
		},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			list := sessions(s)
			if err := end(s); err != nil {
				t.Fatal(err)
			}
			for _, x := range list {
				s.over(x.name, x)
			}
			if name == "password set" {
				s.refused("the old password", doors[0].try(s, "bob", "bobs-password", ""), 400)
				s.must(doors[0].try(s, "bob", "a-new-password", ""))
				return
			}
			for _, x := range sessions(s) { // what is made in the same millisecond, but after it, lives
				s.must(x.renew(s, x))
			}
		})
	}
}

func TestTok08ARevokedTokenIsDeadOnEveryNode(t *testing.T) {
	a, b := nodes(t)
	for i, x := range sessions(a) {
		t.Run(x.name, func(t *testing.T) {
			a, b := a.on(t), b.on(t)
			x := sessions(a)[i]
			if !x.alive(b, x.access) {
				t.Fatal("unknown on the other node")
			}
			switch x.name {
			case "standard":
				a.must(a.form("/oauth2/revoke", encoded("token", x.access), basic("legacy", "legacy-secret")))
			case "FortiAuthenticator":
				a.must(a.form("/api/v1/oauth/revoke_token/", encoded("token", x.access), basic("client_id", "client_secret")))
			case "Sensu":
				a.must(a.send("POST", "/auth/logout", marshal(t, map[string]string{"refresh_token": x.refresh}), bearer(x.access)))
			case "Faspex": // has no revocation of its own: the user's sessions are ended
				if err := a.Core.Admin.RevokeUser(t.Context(), "default", a.bob().ID); err != nil {
					t.Fatal(err)
				}
			}
			b.over("on the other node", x)
			a.over("at home", x)
		})
	}
	// Tokens nothing is stored of.
	token := a.normal()
	for _, s := range []site{a, b} {
		if !s.active("batch", "demo-batch-secret", token) {
			t.Fatal("inactive before it was revoked")
		}
	}
	a.must(a.form("/oauth2/revoke", encoded("token", token), batch()))
	for _, s := range []site{b, a} {
		if s.active("batch", "demo-batch-secret", token) {
			t.Error("active after it was revoked")
		}
	}
	other := b.normal()
	if !a.active("batch", "demo-batch-secret", other) {
		t.Error("another token of the client died with it")
	}
	mover := a.aocToken("keeper", "self")
	a.must(a.form("/api/v1/oauth2/acme/revoke", encoded("token", mover), basic("keeper", "keeper-secret")))
	b.refused("Aspera", b.send("GET", "/api/v1/self", "", bearer(mover)), 401)
}

func TestTok09ARevokedRefreshTokenTakesItsAccessTokenAlong(t *testing.T) {
	s := open(t)
	access, refresh := s.password("legacy", "legacy-secret")
	stays, _ := s.password("second", "second-secret")
	for _, token := range []string{"unknown", "", "a.b.c", refresh + "x", stays} {
		a := s.form("/oauth2/revoke", encoded("token", token), basic("legacy", "legacy-secret"))
		if token == "" {
			s.refused("no token", a, 400)
		} else if a.status != 200 || a.body != "" {
			t.Errorf("%s: %v", token, a)
		}
	}
	if !s.active("second", "second-secret", stays) {
		t.Error("another client's token was revoked")
	}
	if !s.active("legacy", "legacy-secret", access) || !s.active("legacy", "legacy-secret", refresh) {
		t.Error("dead too early")
	}
	s.must(s.form("/oauth2/revoke", encoded("token", refresh, "token_type_hint", "access_token"), basic("legacy", "legacy-secret")))
	if s.active("legacy", "legacy-secret", access) || s.active("legacy", "legacy-secret", refresh) {
		t.Error("something lives on")
	}
	s.refused("userinfo", s.send("GET", "/oauth2/userinfo", "", bearer(access)), 401)
	s.refused("refresh", s.refresh("legacy", refresh), 400)
	s.must(s.form("/oauth2/revoke", encoded("token", refresh), basic("legacy", "legacy-secret"))) // again: no error
}

func TestTok10OnlyWhoMayKnowIsToldWhatATokenIs(t *testing.T) {
	s := open(t)
	access, refresh := s.password("legacy", "legacy-secret")
	token := s.normal()
	for _, x := range []string{access, refresh, token} {
		s.nobody("no client", s.form("/oauth2/introspect", encoded("token", x), nil))
		s.nobody("a public client", s.form("/oauth2/introspect", encoded("token", x, "client_id", "public"), nil))
		s.nobody("a wrong secret", s.form("/oauth2/introspect", encoded("token", x), basic("legacy", "x")))
		s.nobody("a bearer", s.form("/oauth2/introspect", encoded("token", x), bearer(x)))
		for _, id := range []string{"second", "robot", "opaque"} {
			if a := s.form("/oauth2/introspect", encoded("token", x), basic(id, id+"-secret")); a.status != 200 || a.body != `{"active":false}` {
				t.Errorf("%s: %v", id, a)
			}
		}
		if a := s.form("/other/oauth2/introspect", encoded("token", x), basic("robot", "other-secret")); a.status != 200 || a.body != `{"active":false}` {
			t.Errorf("next door: %v", a)
		}
	}
	if a := s.form("/oauth2/introspect", encoded("token", token), basic("api", "demo-api-secret")); a.member("active") != "true" {
		t.Errorf("the audience: %v", a)
	}
	if a := s.form("/oauth2/introspect", encoded("token", access), basic("api", "demo-api-secret")); a.body != `{"active":false}` {
		t.Errorf("a resource server that is not the audience: %v", a)
	}
}

func TestTok11WhatIsNotLiveIsInactiveAndNothingMore(t *testing.T) {
	s := open(t)
	access, refresh := s.password("legacy", "legacy-secret")
	token := s.normal()
	dead := map[string]string{"garbage": "garbage", "JWT garbage": "a.b.c", "long": strings.Repeat("a", 10_000), "other issuer": s.must(s.form("/other/oauth2/token", credentialsGrant, basic("robot", "other-secret"))).member("access_token"),
		"one character": "x", "unicode": "žeton", "a client id": "legacy"}
	revoked := s.normal()
	s.must(s.form("/oauth2/revoke", encoded("token", revoked), batch()))
	dead["revoked"] = revoked
	check := func() {
		t.Helper()
		for name, x := range dead {
			for _, who := range [][2]string{{"legacy", "legacy-secret"}, {"batch", "demo-batch-secret"}, {"api", "demo-api-secret"}} {
				a := s.form("/oauth2/introspect", encoded("token", x), basic(who[0], who[1]))
				if a.status != 200 || a.body != `{"active":false}` {
					t.Errorf("%s to %s: %v", name, who[0], a)
				}
			}
		}
	}
	check()
	for _, hint := range []string{"access_token", "refresh_token", "id_token", "nonsense"} {
		if a := s.form("/oauth2/introspect", encoded("token", access, "token_type_hint", hint), basic("legacy", "legacy-secret")); a.member("active") != "true" {
			t.Errorf("hint %s: %v", hint, a)
		}
	}
	s.Clock.Add(15 * time.Minute)
	dead["expired"], dead["expired JWT"] = access, token
	check()
	s.Clock.Add(31 * 24 * time.Hour)
	dead["expired refresh"] = refresh
	check()
}

func TestTok13ATokenWithoutEndIsListedAndEndsWhenItIsRevoked(t *testing.T) {
	s := open(t)
	login := func() answer { return s.must(s.json(fortiToken, fortiLogin, nil)) }
	alive := reaches("/api/v1/oauth/verify_token/?client_id=client_id")
	a := login()
	access, refresh := standardPair(a)
	if a.member("expires_in") != "0" {
		t.Fatalf("%v", a)
	}
	s.Clock.Add(3 * 365 * 24 * time.Hour)
	s.Tick(t.Context())
	if !alive(s, access) {
		t.Error("it ended")
	}
	families, err := s.Store.ListFamilies(t.Context(), "default", store.FamilyFilter{Client: "client_id", Live: true}, 0, 10)
	if err != nil || len(families) != 1 || families[0].Expires != 0 {
		t.Errorf("listed: %v, %v", families, err)
	}
	s.must(s.form("/api/v1/oauth/revoke_token/", encoded("token", access), basic("client_id", "client_secret")))
	if alive(s, access) {
		t.Error("it lives after it was revoked")
	}
	s.refused("its refresh token", s.form(fortiToken, encoded("grant_type", "refresh_token", "refresh_token", refresh), basic("client_id", "client_secret")), 400)
	ends := map[string]func() error{
		"user revoked": func() error {
			u, err := s.Core.Admin.UserByName(t.Context(), "default", "local", "luser1")
			if err != nil {
				return err
			}
			return s.Core.Admin.RevokeUser(t.Context(), "default", u.ID)
		},
		"client revoked": func() error { return s.Core.Admin.RevokeClient(t.Context(), "default", "client_id") },
	}
	for name, end := range ends {
		access, _ := standardPair(login())
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if alive(s, access) {
			t.Errorf("%s: it lives", name)
		}
		s.Clock.Add(time.Second)
	}
	live, err := s.Store.ListFamilies(t.Context(), "default", store.FamilyFilter{Client: "client_id", Live: true}, 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range live { // a list by stamps may still name them; none of them opens anything
		if f.Revoked != 0 {
			t.Errorf("listed as live: %+v", f)
		}
	}
}

func TestTok14AnAccessTokenInTheQueryIsRefused(t *testing.T) {
	s := open(t)
	standard := s.must(s.form("/oauth2/token", "grant_type=password&username=bob&password=bobs-password&client_id=public", nil)).member("access_token")
	faspex := s.must(doors[1].try(s, "sam", "demo-sam", "")).member("access_token")
	forti := s.must(s.json(fortiToken, fortiLogin, nil)).member("access_token")
	sensu := s.must(doors[3].try(s, "admin", "P@ssw0rd!", "")).member("access_token")
	aspire := s.must(s.json("/Authorization", aspireLogin, nil)).member("Token")
	aoc := s.aocToken("mover", "self")
	for path, token := range map[string]string{
		"/oauth2/userinfo": standard, "/api/users/me": faspex, "/api/v1/oauth/verify_token/?client_id=client_id": forti, "/api/core/v2/users": sensu,
		"/Contacts": aspire, "/api/v1/self": aoc,
	} {
		s.must(s.send("GET", path, "", bearer(token)))
		mark := "?"
		if strings.Contains(path, "?") {
			mark = "&"
		}
		for _, name := range []string{"access_token", "token", "Authorization", "access%5Ftoken"} {
			s.refused(path+" "+name, s.send("GET", path+mark+name+"="+token, "", nil), 400, 401)
		}
	}
	for _, path := range []string{"/oauth2/introspect", "/oauth2/revoke"} {
		s.refused(path, s.form(path+"?token="+standard, "", batch()), 400)
	}
	s.refused("POST", s.form("/oauth2/userinfo?access_token="+standard, "", nil), 400, 401)
	s.refused("twice", s.form("/oauth2/userinfo", encoded("access_token", standard), bearer(standard)), 400)
	s.must(s.form("/oauth2/userinfo", encoded("access_token", standard), nil))
}

func TestTok15AStampNeverTakesAnotherBack(t *testing.T) {
	s := open(t)
	list := sessions(s)
	stateless := s.normal()
	if err := s.Core.Admin.RevokeUser(t.Context(), "default", s.bob().ID); err != nil {
		t.Fatal(err)
	}
	s.Clock.Add(-time.Hour) // the clock steps back between the two
	for _, id := range []string{"legacy", "faspex", "client_id", "sensu", "batch"} {
		if err := s.Core.Admin.RevokeClient(t.Context(), "default", id); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Core.Admin.RevokeUser(t.Context(), "default", s.bob().ID); err != nil {
		t.Fatal(err)
	}
	check := func(when string) {
		t.Helper()
		for _, x := range list {
			s.over(x.name+", "+when, x)
		}
		if s.active("batch", "demo-batch-secret", stateless) {
			t.Errorf("%s: a token of a revoked client is active", when)
		}
	}
	check("with the clock back")
	s.Clock.Add(time.Hour)
	check("with the clock right again")
	s.Clock.Add(time.Second)
	for _, x := range sessions(s) {
		s.must(x.renew(s, x))
	}
}

func TestAdm09ANewUserOrClientOfAnOldNameInheritsNothing(t *testing.T) {
	s := open(t)
	list := sessions(s)
	stateless := s.normal()
	key := s.must(s.send("POST", "/api/core/v2/apikeys", `{"username":"bob"}`, bearer(s.must(doors[3].try(s, "admin", "P@ssw0rd!", "")).member("access_token")))).member("key")
	own := func() bool {
		return s.send("GET", "/api/core/v2/users/bob", "", headers("Authorization", "Key "+key)).ok()
	}
	if !own() {
		t.Fatal("the API key does not work")
	}
	if err := s.Core.Admin.DeleteUser(t.Context(), "default", s.bob().ID); err != nil {
		t.Fatal(err)
	}
	if err := s.Core.Admin.CreateUser(t.Context(), &identity.User{Org: "default", Realm: "local", Name: "bob", Email: "bob@example.com", Enabled: true}, servertest.Secret("another-password")); err != nil {
		t.Fatal(err)
	}
	for _, x := range list {
		s.over(x.name, x)
	}
	if own() {
		t.Error("the API key of the user before opens his successor's account")
	}
	s.refused("the old password", doors[0].try(s, "bob", "bobs-password", ""), 400)
	s.must(doors[0].try(s, "bob", "another-password", ""))

	for _, id := range []string{"batch", "legacy"} {
		old, err := s.Core.Admin.Client("default", id)
		if err != nil {
			t.Fatal(err)
		}
		again := *old
		again.Version, again.RevokedBefore = 0, 0
		access, refresh := "", ""
		if id == "legacy" {
			a := s.must(doors[0].try(s, "bob", "another-password", ""))
			access, refresh = standardPair(a)
		}
		if err := s.Core.Admin.DeleteClient(t.Context(), "default", id); err != nil {
			t.Fatal(err)
		}
		if err := s.Core.Admin.CreateClient(t.Context(), &again); err != nil {
			t.Fatal(err)
		}
		if id == "batch" {
			if s.active("batch", "demo-batch-secret", stateless) {
				t.Error("a token of the client before is its successor's")
			}
			continue
		}
		s.refused("the client before's refresh token", s.refresh("legacy", refresh), 400)
		s.refused("the client before's access token", s.send("GET", "/oauth2/userinfo", "", bearer(access)), 401)
	}
	s.normal()
}

func TestAdm02WhatIsAnothersIsNotFound(t *testing.T) {
	s := open(t)
	admin := bearer(s.aocToken("mover", "admin:all"))
	for _, id := range []string{"batch", "robot", "client_id", "nobody", "signer"} { // of other organizations and products
		for _, method := range []string{"GET", "DELETE", "PUT"} {
			body := ""
			if method == "PUT" {
				body = `{"name":"mine"}`
			}
			s.refused(method+" "+id, s.send(method, "/api/v1/clients/"+id, body, with(admin, "Content-Type", "application/json")), 404)
		}
	}
	bob := fmt.Sprint(s.bob().ID)
	for _, id := range []string{bob, "999999", "0", "-1", "9223372036854775808", "me", "%2e%2e"} {
		s.refused("user "+id, s.send("GET", "/api/v1/users/"+id, "", admin), 404)
		s.refused("user "+id, s.send("PUT", "/api/v1/users/"+id, `{"public_key":null}`, with(admin, "Content-Type", "application/json")), 404)
	}
	for _, id := range []string{"0", "999999", "x", bob} {
		s.refused("authorization "+id, s.send("GET", "/api/v1/client_authorizations/"+id, "", admin), 404)
		s.refused("authorization "+id, s.send("DELETE", "/api/v1/client_authorizations/"+id, "", admin), 404)
	}
	s.normal()
	s.must(s.send("GET", "/api/v1/self", "", admin))
}
