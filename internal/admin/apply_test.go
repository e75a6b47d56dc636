package admin_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"jeton/examples"
	"jeton/internal/admin"
	"jeton/internal/client"
	"jeton/internal/config"
	"jeton/internal/identity"
	"jeton/internal/oauth"
	"jeton/internal/servertest"
	"jeton/internal/store"
	"jeton/internal/store/storetest/pg"
)

var postgres *pg.Server

func TestMain(m *testing.M) { os.Exit(pg.Run(m, func(s *pg.Server) { postgres = s })) }

func engines(t *testing.T, run func(t *testing.T, s *servertest.Server)) {
	t.Run("sqlite", func(t *testing.T) { run(t, servertest.Start(t, servertest.Options{})) })
	t.Run("postgres", func(t *testing.T) { run(t, servertest.Start(t, servertest.Options{DSN: postgres.Database(t)})) })
}

func say(steps []admin.Step) string {
	var out []string
	for _, s := range steps {
		out = append(out, s.Verb+" "+s.Object+" "+strings.Join(s.Fields, ","))
	}
	return strings.Join(out, "\n")
}

func TestApplyingTwiceChangesNothing(t *testing.T) {
	engines(t, func(t *testing.T, s *servertest.Server) {
		if steps := s.Apply(t, string(examples.Demo)); len(steps) != 0 {
			t.Errorf("the second time:\n%s", say(steps))
		}
	})
}

func TestApplySaysWhatItChangesAndOnlyThatChanges(t *testing.T) {
	engines(t, func(t *testing.T, s *servertest.Server) {
		before, _ := s.Core.Clients.Client("default", "batch")
		changed := strings.Replace(string(examples.Demo), "scopes: [read, write]\n    audiences", "scopes: [read]\n    audiences", 1)
		if changed == string(examples.Demo) {
			t.Fatal("the demo world has changed: mend this test")
		}
		if got := say(s.Apply(t, changed)); got != "change client default/batch scopes" {
			t.Errorf("steps:\n%s", got)
		}
		after, _ := s.Core.Clients.Client("default", "batch")
		if after.Scopes.String() != "read" || after.Secrets[0].Hash != before.Secrets[0].Hash || after.RevokedBefore != before.RevokedBefore {
			t.Errorf("after: %+v", after)
		}
	})
}

func TestANewSecretInAFileReplacesTheOldOne(t *testing.T) {
	engines(t, func(t *testing.T, s *servertest.Server) {
		changed := strings.Replace(string(examples.Demo), "demo-batch-secret", "another-secret", 1)
		if got := say(s.Apply(t, changed)); got != "change client default/batch secrets" {
			t.Errorf("steps:\n%s", got)
		}
		ctx := context.Background()
		for secret, right := range map[string]bool{"demo-batch-secret": false, "another-secret": true} {
			_, err := s.Core.Clients.Authenticate(ctx, "default", "oidc", client.Credentials{ID: "batch", Method: client.SecretBasic, Secret: oauth.Secret(secret)})
			if (err == nil) != right {
				t.Errorf("%s: %v", secret, err)
			}
		}
	})
}

func TestTheDefaultOrganizationStaysUnlessAnotherIsNamed(t *testing.T) {
	engines(t, func(t *testing.T, s *servertest.Server) {
		s.Apply(t, "version: 1\norganizations: [{id: default, name: Renamed}]\n")
		if o := s.Core.Clients.Default(); o == nil || o.ID != "default" || o.Name != "Renamed" {
			t.Errorf("default organization: %+v", o)
		}
	})
}

func TestTwoOrganizationsAreNeverAtOnePlace(t *testing.T) {
	s := servertest.Start(t, servertest.Options{World: "version: 1\norganizations: [{id: one, name: One, hosts: [one.example], prefixes: [/one]}]\n"})
	for _, place := range []client.Org{{ID: "two", Hosts: []string{"ONE.example"}}, {ID: "two", Prefixes: []string{"/one/"}}} {
		_, err := s.Core.Admin.Apply(context.Background(), &config.World{Orgs: []client.Org{place}}, false)
		if !oauth.Is(err, oauth.InvalidValue) {
			t.Errorf("%+v: %v", place, err)
		}
	}
}

func TestANamesakeInheritsNothing(t *testing.T) { // adm-09
	engines(t, func(t *testing.T, s *servertest.Server) {
		ctx := context.Background()
		u, err := s.Core.Admin.UserByName(ctx, "default", "local", "sam")
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Core.Admin.DeleteUser(ctx, "default", u.ID); err != nil {
			t.Fatal(err)
		}
		again := &identity.User{Org: "default", Realm: "local", Name: "sam", Enabled: true}
		if err := s.Core.Admin.CreateUser(ctx, again, "a-new-password"); err != nil {
			t.Fatal(err)
		}
		if again.ID == u.ID {
			t.Error("the number was given again")
		}
	})
}

func TestAChangeIsRefusedInWords(t *testing.T) {
	engines(t, func(t *testing.T, s *servertest.Server) {
		ctx := context.Background()
		a := s.Core.Admin
		for name, err := range map[string]error{
			"user exists":        a.CreateUser(ctx, &identity.User{Org: "default", Name: "SAM"}, "x"),
			"client exists":      a.CreateClient(ctx, &client.Client{Org: "default", ID: "batch", Dialect: "oidc"}),
			"organization stays": a.DeleteOrg(ctx, "default"),
		} {
			if !oauth.Is(err, oauth.Conflict) {
				t.Errorf("%s: %v", name, err)
			}
		}
		for name, err := range map[string]error{
			"no user":         a.RevokeUser(ctx, "default", 1<<40),
			"no client":       a.RevokeClient(ctx, "default", "nobody"),
			"foreign client":  a.RevokeClient(ctx, "default", "mover"),
			"no organization": a.CreateClient(ctx, &client.Client{Org: "nowhere", ID: "x"}),
		} {
			if !oauth.Is(err, oauth.NotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
		for name, err := range map[string]error{
			"bad name": a.CreateUser(ctx, &identity.User{Org: "default", Name: "a\x00b"}, "x"),
			"bad mail": a.CreateUser(ctx, &identity.User{Org: "default", Name: "new", Email: "no address"}, "x"),
			"bad key":  a.CreateClient(ctx, &client.Client{Org: "default", ID: "new", Keys: []client.Key{{PEM: "nonsense"}}}),
			"bad hash": a.SetPasswordHash(ctx, "default", 1, "plain"),
			"bad id":   a.CreateClient(ctx, &client.Client{Org: "default", ID: strings.Repeat("x", 300)}),
		} {
			if !oauth.Is(err, oauth.InvalidValue) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestEveryChangeIsOneEvent(t *testing.T) { // adm-10
	engines(t, func(t *testing.T, s *servertest.Server) {
		ctx := context.Background()
		list, err := s.Store.ListEvents(ctx, store.EventFilter{Event: "configuration.apply"}, 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		var all string
		for _, r := range list {
			for _, c := range r.Checks {
				all += c.Name + " " + c.Got + "\n"
			}
		}
		for _, want := range []string{"create client default/batch\n", "create user acme/ada@example.com\n", "create aoc/authorization acme/mover/user/"} {
			if !strings.Contains(all, want) {
				t.Errorf("no %q among the events:\n%s", want, all)
			}
		}
		if strings.Contains(all, "demo-batch-secret") {
			t.Errorf("a secret in %s", all)
		}
	})
}
