package storetest

import (
	"encoding/json"
	"testing"
	"time"

	"jeton/internal/audit"
	"jeton/internal/client"
	"jeton/internal/identity"
	"jeton/internal/oauth"
	"jeton/internal/store"
)

func org(id string) *client.Org {
	return &client.Org{
		ID: id, Name: "Org " + id, Number: 7, Hosts: []string{id + ".example"}, Prefixes: []string{"/" + id},
		Default: true, Realms: []client.Realm{{Name: "local", Default: true}}, Dialects: []string{"oidc"},
		Settings: map[string]map[string]json.RawMessage{"sensu": {"compat": json.RawMessage(`true`)}},
		Brand:    client.Brand{Name: "Brand", Logo: "PHN2Zy8+", Accent: "#0b5cad", Help: "https://help.example", Terms: "https://terms.example"},
		Session:  client.SessionLife{Idle: 60, Life: 3600}, Scopes: map[string]string{"read": "Read things"},
		Providers: []client.Provider{{
			Name: "adfs", Title: "Staff", Number: 1, EntityID: "urn:idp", Certificates: []string{"pem"}, SSO: "https://idp.example/sso", SSOBinding: "post",
			Disabled: true, Realm: "local", Create: true, Attributes: map[string]string{"user": "uid"}, Groups: map[string]string{"Admins": "admins"},
		}},
	}
}

func newClient(org, id string) *client.Client {
	life := int64(0)
	return &client.Client{
		Org: org, ID: id, Name: "Client " + id, Dialect: "oidc", Enabled: true, Auth: client.SecretBasic,
		Secrets: []client.Secret{{Hash: "$sha256$x", Sealed: []byte{0, 1}, Hint: "abcd"}}, Keys: []client.Key{{ID: "k", PEM: "p"}},
		Grants: []oauth.GrantType{oauth.GrantPassword}, Scopes: oauth.Scope{"a", "b"}, RedirectURIs: []string{"https://x/cb"},
		AccessLife: &life, Settings: map[string]json.RawMessage{"s": json.RawMessage(`{"a":1}`)}, RevokedBefore: 5,
		DefaultScope: oauth.Scope{"a"}, Audiences: []string{"urn:api"}, Introspect: true, Resource: "urn:r", AccessFormat: client.JWT,
		AccessAlg: "ES256", IDTokenAlg: "RS256", RefreshLife: &life, Realm: "local", Source: "f.yaml:1", Created: 1, Updated: 2,
		PKCE: client.PKCEOptional, Consent: client.ConsentNever, Own: true, ReviewedAt: 9, HomeURI: "https://x", PolicyURI: "https://x/p", TermsURI: "https://x/t",
		InitiateURI: "https://x/i", PostLogoutURIs: []string{"https://x/bye"}, BackchannelURI: "https://x/b", BackchannelSID: true, DefaultMaxAge: &life,
		UserinfoAlg: "ES256", IDTokenLife: &life, Claims: []client.Claim{{Name: "dept", From: "department", Scope: "profile", In: []string{client.InAccess}}},
	}
}

func registry(t *testing.T, open func(t *testing.T) *store.Store) {
	each(t, open, map[string]func(*testing.T, *store.Store){
		"a snapshot has every organization and client as they were put": func(t *testing.T, s *store.Store) {
			b, a := org("b"), org("a")
			ok(t, s.PutOrg(t.Context(), b))
			ok(t, s.PutOrg(t.Context(), a))
			c2, c1 := newClient("b", "1"), newClient("a", "2")
			ok(t, s.PutClient(t.Context(), c2))
			ok(t, s.PutClient(t.Context(), c1))
			filled(t, a)
			filled(t, c1)
			got := must(s.Snapshot(t.Context()))(t)
			same(t, got, store.Snapshot{
				Revision: must(s.Revision(t.Context()))(t), Orgs: []client.Org{*a, *b}, Clients: []client.Client{*c1, *c2},
			})
		},
		"every change raises the revision, a refused one does not": func(t *testing.T, s *store.Store) {
			o, c := org("a"), newClient("a", "c")
			last := must(s.Revision(t.Context()))(t)
			for i, step := range []struct {
				run  func() error
				want error
			}{
				{func() error { return s.PutOrg(t.Context(), o) }, nil},
				{func() error { return s.PutOrg(t.Context(), org("a")) }, store.ErrExists},
				{func() error { return s.UpdateOrg(t.Context(), o) }, nil},
				{func() error { return s.UpdateOrg(t.Context(), org("none")) }, store.ErrNotFound},
				{func() error { return s.PutClient(t.Context(), c) }, nil},
				{func() error { return s.PutClient(t.Context(), newClient("a", "c")) }, store.ErrExists},
				{func() error { return s.UpdateClient(t.Context(), c) }, nil},
				{func() error { return s.UpdateClient(t.Context(), newClient("a", "c")) }, store.ErrChanged},
				{func() error { return s.UpdateClient(t.Context(), newClient("b", "c")) }, store.ErrNotFound},
				{func() error { return s.DeleteClient(t.Context(), "b", "c") }, store.ErrNotFound},
				{func() error { return s.DeleteClient(t.Context(), "a", "c") }, nil},
				{func() error { return s.DeleteOrg(t.Context(), "none") }, store.ErrNotFound},
				{func() error { return s.DeleteOrg(t.Context(), "a") }, nil},
			} {
				wants(t, step.run(), step.want)
				now := must(s.Revision(t.Context()))(t)
				if (now > last) != (step.want == nil) {
					t.Fatalf("step %d: revision %d after %d", i, now, last)
				}
				last = now
			}
		},
		"a change of a client counts once for each version": func(t *testing.T, s *store.Store) {
			c := newClient("a", "c")
			ok(t, s.PutClient(t.Context(), c))
			won := race(t, racers, func(i int) (bool, error) {
				mine := *c
				mine.Name = number("racer %d", i)
				err := s.UpdateClient(t.Context(), &mine)
				if s.IsChanged(err) {
					return false, nil
				}
				return true, err
			})
			if got := must(s.Snapshot(t.Context()))(t).Clients[0]; won != 1 || got.Version != 2 {
				t.Fatalf("%d won, version %d", won, got.Version)
			}
		},
		"what was issued to a deleted client does not come back with its name": func(t *testing.T, s *store.Store) {
			seen := map[int64]bool{}
			for round := range 20 { // several within one millisecond
				c := newClient("a", "c")
				ok(t, s.PutClient(t.Context(), c))
				if round == 0 && c.RevokedBefore != 5 {
					t.Fatalf("a new name was revoked before %d", c.RevokedBefore)
				}
				if seen[c.RevokedBefore] {
					t.Fatalf("round %d: RevokedBefore %d again", round, c.RevokedBefore)
				}
				if round%3 == 1 { // as after a clock that ran ahead
					c.RevokedBefore = time.Now().UnixMilli() + 1000
					ok(t, s.UpdateClient(t.Context(), c))
				}
				seen[c.RevokedBefore] = true
				if got := must(s.Snapshot(t.Context()))(t).Clients[0].RevokedBefore; got != c.RevokedBefore {
					t.Fatalf("stored %d, said %d", got, c.RevokedBefore)
				}
				ok(t, s.DeleteClient(t.Context(), "a", "c"))
			}
			other := newClient("b", "c")
			ok(t, s.PutClient(t.Context(), other))
			if other.RevokedBefore != 5 {
				t.Fatal("a client of another organization was touched")
			}
		},
		"a deleted organization leaves nothing": deletedOrg,
		"an applied change holds whole":         applied,
		"a change that is refused in part holds in no part": func(t *testing.T, s *store.Store) {
			ok(t, s.PutOrg(t.Context(), org("a")))
			before := must(s.Snapshot(t.Context()))(t)
			stale := newClient("a", "none")
			stale.Version = 3
			wants(t, s.Apply(t.Context(), store.Change{
				PutOrgs: []*client.Org{org("b")}, PutUsers: []*identity.User{user("b", "ann")},
				UpdateClients: []*client.Client{stale},
			}), store.ErrNotFound)
			same(t, must(s.Snapshot(t.Context()))(t), before)
			wants(t, s.Apply(t.Context(), store.Change{
				PutClients: []*client.Client{newClient("a", "new")},
				PutUsers:   []*identity.User{user("b", "ann"), user("b", "ann")},
			}), store.ErrExists)
			same(t, must(s.Snapshot(t.Context()))(t), before)
			if n := must(s.CountUsers(t.Context(), "b", store.UserFilter{}))(t); n != 0 {
				t.Fatalf("%d users stayed", n)
			}
		},
	})
}

func deletedOrg(t *testing.T, s *store.Store) {
	var kept []*oauth.Family
	for _, id := range []string{"a", "b"} {
		ok(t, s.PutOrg(t.Context(), org(id)))
		ok(t, s.PutClient(t.Context(), newClient(id, "c")))
		putUser(t, s, id, "ann")
		ok(t, s.PutDoc(t.Context(), &store.Doc{Org: id, Kind: "k", ID: "1"}))
		ok(t, s.PutKey(t.Context(), &store.KeyRow{ID: "key " + id, Org: id}))
		ok(t, s.AppendEvents(t.Context(), []*audit.Record{{Org: id, Event: "login"}}))
		for i := range 300 {
			f := putFamily(t, s, family(id), store.Alias{Hash: hash(number(id+" %d", i))})
			if id == "b" {
				kept = append(kept, f)
			}
		}
	}
	r := &audit.Record{Org: "a", Event: "org.delete"}
	ok(t, s.DeleteOrg(audit.With(t.Context(), r), "a"))

	all := must(s.Snapshot(t.Context()))(t)
	if len(all.Orgs) != 1 || len(all.Clients) != 1 || all.Clients[0].Org != "b" {
		t.Fatalf("left: %+v", all)
	}
	for id, want := range map[string]int{"a": 0, "b": 1} {
		users := must(s.CountUsers(t.Context(), id, store.UserFilter{}))(t)
		docs := must(s.CountDocs(t.Context(), id, "k", store.DocFilter{}))(t)
		events := must(s.ListEvents(t.Context(), store.EventFilter{Org: id, Event: "login"}, 0, 0))(t)
		if int(users) != want || int(docs) != want || len(events) != want {
			t.Errorf("%s: %d users, %d objects, %d events", id, users, docs, len(events))
		}
		left := must(s.ListFamilies(t.Context(), id, store.FamilyFilter{}, 0, 1000))(t)
		if len(left) != want*len(kept) {
			t.Errorf("%s: %d families", id, len(left))
		}
	}
	_, _, err := s.FamilyByAlias(t.Context(), hash("a 299"))
	wants(t, err, store.ErrNotFound)
	_, _, err = s.FamilyByAlias(t.Context(), hash("b 299"))
	ok(t, err)
	if k := must(s.Keys(t.Context()))(t); len(k) != 1 || k[0].Org != "b" {
		t.Errorf("keys left: %+v", k)
	}
	if got := must(s.Event(t.Context(), r.ID))(t); got.Event != "org.delete" || !r.Stored() {
		t.Errorf("the event of the deletion: %+v", got)
	}
	// The same name begins anew.
	again := newClient("a", "c")
	ok(t, s.PutOrg(t.Context(), org("a")))
	ok(t, s.PutClient(t.Context(), again))
	if again.RevokedBefore <= 5 {
		t.Error("old grants come back with the organization's name")
	}
}

func applied(t *testing.T, s *store.Store) {
	ok(t, s.PutOrg(t.Context(), org("a")))
	gone, changed := newClient("a", "gone"), newClient("a", "changed")
	ok(t, s.PutClient(t.Context(), gone))
	ok(t, s.PutClient(t.Context(), changed))
	goneUser, changedUser := putUser(t, s, "a", "gone"), putUser(t, s, "a", "changed")
	goneDoc, changedDoc := &store.Doc{Org: "a", Kind: "k", ID: "gone"}, &store.Doc{Org: "a", Kind: "k", ID: "changed"}
	ok(t, s.PutDoc(t.Context(), goneDoc))
	ok(t, s.PutDoc(t.Context(), changedDoc))

	o := &must(s.Snapshot(t.Context()))(t).Orgs[0]
	o.Name, changed.Name, changedUser.DisplayName, changedDoc.Ref = "new", "new", "new", "new"
	b, replaced, added, addedUser := org("b"), newClient("a", "gone"), newClient("b", "new"), user("b", "new")
	addedDoc := &store.Doc{Org: "b", Kind: "k", ID: "new", Body: json.RawMessage(`[]`)}
	ok(t, s.Apply(t.Context(), store.Change{
		DeleteClients: []store.ClientKey{{Org: "a", ID: "gone"}}, DeleteUsers: []store.UserKey{{Org: "a", ID: goneUser.ID}},
		DeleteDocs: []store.DocKey{{Org: "a", Kind: "k", ID: "gone"}},
		PutOrgs:    []*client.Org{b}, UpdateOrgs: []*client.Org{o}, UpdateClients: []*client.Client{changed},
		UpdateUsers: []*identity.User{changedUser}, UpdateDocs: []*store.Doc{changedDoc},
		PutClients: []*client.Client{replaced, added}, PutUsers: []*identity.User{addedUser}, PutDocs: []*store.Doc{addedDoc},
	}))
	all := must(s.Snapshot(t.Context()))(t)
	same(t, all.Orgs, []client.Org{*o, *b})
	same(t, all.Clients, []client.Client{*changed, *replaced, *added})
	same(t, must(s.User(t.Context(), "a", changedUser.ID))(t), changedUser)
	same(t, must(s.User(t.Context(), "b", addedUser.ID))(t), addedUser)
	_, err := s.User(t.Context(), "a", goneUser.ID)
	wants(t, err, store.ErrNotFound)
	same(t, must(s.Doc(t.Context(), "b", "k", "new"))(t), addedDoc)
	if o.Version != 2 || changed.Version != 2 || changedUser.Version != 2 || changedDoc.Version != 2 || addedDoc.Number == 0 {
		t.Fatal("the caller's values do not say what is stored")
	}
}
