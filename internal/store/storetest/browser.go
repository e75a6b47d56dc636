package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"jeton/internal/audit"
	"jeton/internal/oauth"
	"jeton/internal/session"
	"jeton/internal/store"
)

// browser is the part of the suite about what browsers leave: sessions, codes,
// consents, tickets and the messages that follow a logout.
func browser(t *testing.T, open func(t *testing.T) *store.Store) {
	for _, part := range []struct {
		name  string
		tests map[string]func(*testing.T, *store.Store)
	}{
		{"sessions", sessions}, {"codes", codes}, {"consents", consents}, {"tickets", tickets}, {"deliveries", deliveries}, {"sweeping", browserSweep},
	} {
		t.Run(part.name, func(t *testing.T) { each(t, open, part.tests) })
	}
}

// newSession is a session with every field filled that a new one has.
func newSession(org string, user int64, id string) *session.Session {
	now := time.Now()
	return &session.Session{
		ID: id, Org: org, User: user, Created: now.Unix(), Used: now.Unix(), Idle: now.Unix() + 3600, Ends: now.Unix() + 86400,
		AuthTime: now.UnixMilli(), AMR: []string{"pwd", "otp"}, ACR: session.Strong, Source: "saml/adfs", Agent: "Firefox, Linux", Addr: "192.0.2.1", Since: 17,
	}
}

// putSession keeps a session under the hash of its own name.
func putSession(t *testing.T, s *store.Store, org string, user int64, id string) *session.Session {
	t.Helper()
	x := newSession(org, user, id)
	ok(t, s.PutSession(t.Context(), hash(id), x))
	return x
}

func untold([]session.Served) []session.Delivery { return nil }

// authorization is what a code stands for, until it is redeemed.
func authorization(user int64, sid string) *oauth.Authorization {
	return &oauth.Authorization{
		Org: "a", Dialect: "oidc", Client: "app", User: user, Redirect: "https://app.example/cb", Scope: oauth.Scope{"openid"},
		Audience: []string{"https://api.example"}, Challenge: "challenge", Nonce: "nonce", ACR: "1", Claims: "{}", Session: sid,
		AMR: []string{"pwd"}, AuthTime: 5, UserSince: 17, Since: 3, Note: "n", Expires: time.Now().Unix() + 60,
	}
}

// putCode keeps a code of what its person allowed.
func putCode(t *testing.T, s *store.Store, name string, a *oauth.Authorization) {
	t.Helper()
	allow(t, s, a.User, a.Client)
	ok(t, s.PutCode(t.Context(), hash(name), a))
}

func allow(t *testing.T, s *store.Store, user int64, client string) {
	t.Helper()
	ok(t, s.PutConsent(t.Context(), "a", user, store.Consent{Client: client, Given: true}))
}

// granted is the family that is made of a code.
func granted(user int64, sid string) *oauth.Family {
	f := family("a")
	f.User, f.Session = user, sid
	return f
}

// kept names a code that was put, to be used up.
func kept(code, issuer string) store.Redeemed {
	return store.Redeemed{Code: hash(code), Issuer: issuer}
}

// sealed names a code that carries its own authorization.
func sealed(code string, expires int64) store.Redeemed {
	return store.Redeemed{Code: hash(code), Sealed: expires, Issuer: issuer}
}

const issuer = "https://login.example"

var sessions = map[string]func(*testing.T, *store.Store){
	"a session comes back as it was put, with its person": func(t *testing.T, s *store.Store) {
		u := putUser(t, s, "a", "ann")
		want := putSession(t, s, "a", u.ID, "s1")
		got, person, err := s.SessionByHash(t.Context(), hash("s1"))
		ok(t, err)
		same(t, got, want)
		same(t, person, standing(u))
		same(t, must(s.Session(t.Context(), "a", "s1"))(t), want)
		_, _, err = s.SessionByHash(t.Context(), hash("guess"))
		wants(t, err, store.ErrNotFound)
		for _, name := range [][2]string{{"b", "s1"}, {"a", "s2"}} {
			_, err = s.Session(t.Context(), name[0], name[1])
			wants(t, err, store.ErrNotFound)
		}
	},
	"a session whose person is gone has none": func(t *testing.T, s *store.Store) {
		u := putUser(t, s, "a", "ann")
		putSession(t, s, "a", u.ID, "s1")
		ok(t, s.DeleteUser(t.Context(), "a", u.ID))
		if x, person, err := s.SessionByHash(t.Context(), hash("s1")); err == nil && person != nil {
			t.Fatalf("session %+v of %+v", x, person)
		} else if err != nil {
			wants(t, err, store.ErrNotFound)
		}
	},
	"a session goes on under a new secret, once": func(t *testing.T, s *store.Store) {
		x := putSession(t, s, "a", 1, "s1")
		x.AuthTime, x.AMR, x.Idle, x.Ends = x.AuthTime+5, []string{"pwd"}, x.Idle+9, x.Ends+9
		won := race(t, racers, func(i int) (bool, error) {
			err := s.RenewSession(t.Context(), hash("s1"), hash(number("new %d", i)), x)
			if s.IsNotFound(err) {
				return false, nil
			}
			return true, err
		})
		if won != 1 {
			t.Fatalf("%d renewed it", won)
		}
		_, _, err := s.SessionByHash(t.Context(), hash("s1"))
		wants(t, err, store.ErrNotFound)
		same(t, must(s.Session(t.Context(), "a", "s1"))(t), x)
	},
	"no other session's secret renews one, nor does one that ended": func(t *testing.T, s *store.Store) {
		one, two := putSession(t, s, "a", 1, "s1"), putSession(t, s, "a", 1, "s2")
		wants(t, s.RenewSession(t.Context(), hash("s1"), hash("new"), two), store.ErrNotFound)
		ok(t, s.EndSession(t.Context(), "a", "s1", time.Now().UnixMilli(), untold))
		wants(t, s.RenewSession(t.Context(), hash("s1"), hash("new"), one), store.ErrNotFound)
	},
	"a use counts when it is later, and not after the end": func(t *testing.T, s *store.Store) {
		x := putSession(t, s, "a", 1, "s1")
		for _, use := range []struct{ used, idle, want int64 }{{x.Used + 60, x.Idle + 60, x.Used + 60}, {x.Used + 30, x.Idle + 30, x.Used + 60}} {
			ok(t, s.TouchSession(t.Context(), "s1", use.used, use.idle))
			if got := must(s.Session(t.Context(), "a", "s1"))(t); got.Used != use.want || got.Idle != x.Idle+60 {
				t.Fatalf("used %d, idle %d", got.Used, got.Idle)
			}
		}
		ok(t, s.EndSession(t.Context(), "a", "s1", 1, untold))
		ok(t, s.TouchSession(t.Context(), "s1", x.Used+90, x.Idle+90))
		if got := must(s.Session(t.Context(), "a", "s1"))(t); got.Used != x.Used+60 || got.Ended != 1 {
			t.Fatalf("used %d, ended %d", got.Used, got.Ended)
		}
	},
	"of many that end a session one does, and tells its clients": func(t *testing.T, s *store.Store) {
		u := putUser(t, s, "a", "ann")
		putSession(t, s, "a", u.ID, "s1")
		for i, client := range []string{"two", "one"} {
			a := authorization(u.ID, "s1")
			f := granted(u.ID, "s1")
			a.Client, f.Client = client, client
			putCode(t, s, client, a)
			ok(t, s.Redeem(t.Context(), f, nil, kept(client, fmt.Sprint(issuer, "/", i))))
		}
		won := race(t, racers, func(int) (bool, error) {
			err := s.EndSession(t.Context(), "a", "s1", time.Now().UnixMilli(), func(served []session.Served) []session.Delivery {
				if d := cmp.Diff([]session.Served{{Client: "one", Issuer: issuer + "/1"}, {Client: "two", Issuer: issuer + "/0"}}, served); d != "" {
					t.Error(d)
				}
				return []session.Delivery{message("one", 1), message("two", 1)}
			})
			if s.IsNotFound(err) {
				return false, nil
			}
			return true, err
		})
		queued := must(s.ListDeliveries(t.Context(), "a", "", 0, 100))(t)
		if won != 1 || len(queued) != 2 {
			t.Fatalf("%d ended it, %d messages", won, len(queued))
		}
		if got := must(s.Session(t.Context(), "a", "s1"))(t); got.Ended == 0 {
			t.Fatal("it has not ended")
		}
	},
	"the grants of a session end with it, but for those that outlive it": func(t *testing.T, s *store.Store) {
		for _, id := range []string{"s1", "s2"} {
			putSession(t, s, "a", 1, id)
		}
		offline := granted(1, "s1")
		offline.Offline = true
		list := map[string]*oauth.Family{
			"its own": granted(1, "s1"), "offline": offline, "of another session": granted(1, "s2"), "of none": granted(1, ""), "of another person": granted(2, "s1"),
		}
		for _, f := range list {
			putFamily(t, s, f)
		}
		now := time.Now().UnixMilli()
		wants(t, s.EndSession(t.Context(), "b", "s1", now, untold), store.ErrNotFound)
		ok(t, s.EndSession(t.Context(), "a", "s1", now, untold))
		wants(t, s.EndSession(t.Context(), "a", "s1", now, untold), store.ErrNotFound)
		for name, f := range list {
			if got := must(s.Family(t.Context(), f.ID))(t); (got.Family.Revoked != 0) != (name == "its own") {
				t.Errorf("%s: revoked %d", name, got.Family.Revoked)
			}
		}
	},
	"an end whose messages cannot be queued is none": func(t *testing.T, s *store.Store) {
		putSession(t, s, "a", 1, "s1")
		f := putFamily(t, s, granted(1, "s1"))
		twice := message("app", 1)
		twice.ID = 7
		r := record("a", "session.end")
		err := s.EndSession(audit.With(t.Context(), r), "a", "s1", 1, func([]session.Served) []session.Delivery { return []session.Delivery{twice, twice} })
		if err == nil || r.Stored() {
			t.Fatalf("error %v, stored %v", err, r.Stored())
		}
		if got := must(s.Session(t.Context(), "a", "s1"))(t); got.Ended != 0 || must(s.Family(t.Context(), f.ID))(t).Family.Revoked != 0 {
			t.Fatal("a part of it was kept")
		}
		if got := must(s.ListDeliveries(t.Context(), "a", "", 0, 10))(t); len(got) != 0 {
			t.Fatalf("%d messages were kept", len(got))
		}
	},
	"lists keep to organization and person, the last used first, and leave out what ended": func(t *testing.T, s *store.Store) {
		for i, id := range []string{"s3", "s1", "s2", "s4"} {
			x := newSession("a", 1, id)
			x.Used += int64(i)
			ok(t, s.PutSession(t.Context(), hash(id), x))
		}
		putSession(t, s, "a", 2, "t1")
		putSession(t, s, "b", 1, "t2")
		ok(t, s.EndSession(t.Context(), "a", "s4", 1, untold))
		names := func(list []session.Session) (out []string) {
			for _, x := range list {
				out = append(out, x.ID)
			}
			return out
		}
		same(t, names(must(s.ListSessions(t.Context(), "a", 1))(t)), []string{"s2", "s1", "s3"})
		same(t, names(must(s.AllSessions(t.Context(), "a", "", 2))(t)), []string{"s1", "s2"})
		same(t, names(must(s.AllSessions(t.Context(), "a", "s2", 9))(t)), []string{"s3", "t1"})
	},
}

var codes = map[string]func(*testing.T, *store.Store){
	"a code comes back as it was put": func(t *testing.T, s *store.Store) {
		want := authorization(1, "s1")
		putCode(t, s, "code", want)
		same(t, must(s.Code(t.Context(), hash("code")))(t), want)
		_, err := s.Code(t.Context(), hash("guess"))
		wants(t, err, store.ErrNotFound)
	},
	"of many that redeem a code one does, and one family is made": func(t *testing.T, s *store.Store) {
		for _, sid := range []string{"", "s1"} {
			if sid != "" {
				putSession(t, s, "a", 1, sid)
			}
			code := "code of " + sid
			putCode(t, s, code, authorization(1, sid))
			made := make([]*oauth.Family, racers)
			won := race(t, racers, func(i int) (bool, error) {
				f := granted(1, sid)
				err := s.Redeem(t.Context(), f, []store.Alias{{Hash: hash(code + number(" %d", i))}}, kept(code, issuer))
				if s.IsChanged(err) {
					return false, nil
				}
				made[i] = f
				return true, err
			})
			if won != 1 {
				t.Fatalf("%q: %d redeemed it", sid, won)
			}
			i := slices.IndexFunc(made, func(f *oauth.Family) bool { return f != nil })
			got := must(s.Code(t.Context(), hash(code)))(t)
			if got.Used == 0 || got.Family != made[i].ID {
				t.Fatalf("%q: used %d by %d, want %d", sid, got.Used, got.Family, made[i].ID)
			}
			state, _, err := s.FamilyByAlias(t.Context(), hash(code+number(" %d", i)))
			ok(t, err)
			same(t, state.Family, *made[i])
		}
		if all := must(s.ListFamilies(t.Context(), "a", store.FamilyFilter{}, 0, 100))(t); len(all) != 2 {
			t.Fatalf("%d families", len(all))
		}
	},
	"a code that is over, of an ended session or of another one makes nothing": func(t *testing.T, s *store.Store) {
		putSession(t, s, "a", 1, "s1")
		putSession(t, s, "a", 1, "ended")
		ok(t, s.EndSession(t.Context(), "a", "ended", 1, untold))
		over := authorization(1, "s1")
		over.Expires = time.Now().Unix() - 1
		putCode(t, s, "over", over)
		putCode(t, s, "ended", authorization(1, "ended"))
		putCode(t, s, "gone", authorization(1, "gone"))
		putCode(t, s, "other", authorization(1, "s1"))
		for code, sid := range map[string]string{"over": "s1", "ended": "ended", "gone": "gone", "other": "s2", "unknown": "s1"} {
			r := record("a", "token.issue")
			f := granted(1, sid)
			wants(t, s.Redeem(audit.With(t.Context(), r), f, []store.Alias{{Hash: hash("alias")}}, kept(code, issuer)), store.ErrChanged)
			_, err := s.Family(t.Context(), f.ID)
			wants(t, err, store.ErrNotFound)
			_, _, err = s.FamilyByAlias(t.Context(), hash("alias"))
			wants(t, err, store.ErrNotFound)
			if r.Stored() {
				t.Errorf("%s: its record was stored", code)
			}
			if got, err := s.Code(t.Context(), hash(code)); err == nil && (got.Used != 0 || got.Family != 0) {
				t.Errorf("%s: used up by what failed", code)
			}
		}
	},
	"a person's grants of a browser are counted by client": func(t *testing.T, s *store.Store) {
		putSession(t, s, "a", 1, "s1")
		for i, sid := range []string{"s1", "s1", ""} {
			f := granted(1, sid)
			ok(t, s.PutFamily(t.Context(), f, nil))
			if i == 1 {
				_, err := s.RevokeFamily(t.Context(), "a", f.ID, 1)
				ok(t, err)
			}
		}
		ok(t, s.PutFamily(t.Context(), granted(2, "s1"), nil))
		same(t, must(s.BrowserGrants(t.Context(), "a", 1))(t), map[string]int{granted(1, "s1").Client: 1})
		same(t, must(s.BrowserGrants(t.Context(), "b", 1))(t), map[string]int{})
	},
	"a code that carries its authorization is redeemed once, too": func(t *testing.T, s *store.Store) {
		expires := time.Now().Unix() + 60
		putSession(t, s, "a", 1, "s1")
		allow(t, s, 1, "app")
		made := make([]*oauth.Family, racers)
		won := race(t, racers, func(i int) (bool, error) {
			f := granted(1, "s1")
			err := s.Redeem(t.Context(), f, nil, sealed("code", expires))
			if s.IsChanged(err) {
				return false, nil
			}
			made[i] = f
			return true, err
		})
		i := slices.IndexFunc(made, func(f *oauth.Family) bool { return f != nil })
		got := must(s.Code(t.Context(), hash("code")))(t)
		if won != 1 || got.Used == 0 || got.Family != made[i].ID || got.Expires != expires {
			t.Fatalf("%d redeemed it, used %d by %d", won, got.Used, got.Family)
		}
		for name, r := range map[string]store.Redeemed{"over": sealed("over", time.Now().Unix()-1), "ended": sealed("ended", expires)} {
			if name == "ended" {
				ok(t, s.EndSession(t.Context(), "a", "s1", 1, untold))
			}
			f := granted(1, "s1")
			wants(t, s.Redeem(t.Context(), f, nil, r), store.ErrChanged)
			_, err := s.Family(t.Context(), f.ID)
			wants(t, err, store.ErrNotFound)
			_, err = s.Code(t.Context(), hash(name))
			wants(t, err, store.ErrNotFound)
		}
	},
	"a code is worth nothing once what its person allowed was taken back": func(t *testing.T, s *store.Store) {
		putSession(t, s, "a", 1, "s1")
		putCode(t, s, "code", authorization(1, "s1"))
		ok(t, s.DeleteConsent(t.Context(), "a", 1, "app"))
		for _, r := range []store.Redeemed{kept("code", issuer), sealed("sealed", time.Now().Unix()+60)} {
			f := granted(1, "s1")
			wants(t, s.Redeem(t.Context(), f, nil, r), store.ErrChanged)
			_, err := s.Family(t.Context(), f.ID)
			wants(t, err, store.ErrNotFound)
		}
	},
	"of taking back and redeeming neither passes the other": func(t *testing.T, s *store.Store) {
		putSession(t, s, "a", 1, "s1")
		for i := range racers {
			code := number("code %d", i)
			putCode(t, s, code, authorization(1, "s1"))
			f := granted(1, "s1")
			race(t, 2, func(n int) (bool, error) {
				if n == 0 {
					return true, s.DeleteConsent(t.Context(), "a", 1, "app")
				}
				err := s.Redeem(t.Context(), f, nil, kept(code, issuer))
				if s.IsChanged(err) {
					return false, nil
				}
				return true, err
			})
			got, err := s.Family(t.Context(), f.ID)
			if !s.IsNotFound(err) && (err != nil || got.Family.Revoked == 0) {
				t.Fatalf("a grant is alive that was taken back: %+v, %v", got.Family, err)
			}
		}
	},
	"a redemption is a use of its session": func(t *testing.T, s *store.Store) {
		x := newSession("a", 1, "s1")
		x.Used -= 600
		ok(t, s.PutSession(t.Context(), hash("s1"), x))
		putCode(t, s, "code", authorization(1, "s1"))
		ok(t, s.Redeem(t.Context(), granted(1, "s1"), nil, kept("code", issuer)))
		if got := must(s.Session(t.Context(), "a", "s1"))(t); got.Used < x.Used+600 {
			t.Fatalf("used %d seconds after", got.Used-x.Used)
		}
	},
}

var consents = map[string]func(*testing.T, *store.Store){
	"a consent is kept, replaced, listed and taken back": func(t *testing.T, s *store.Store) {
		_, err := s.Consent(t.Context(), "a", 1, "app")
		wants(t, err, store.ErrNotFound)
		before := time.Now().Unix()
		ok(t, s.PutConsent(t.Context(), "a", 1, store.Consent{Client: "app", Scope: oauth.Scope{"openid", "a:b"}, Given: true}))
		first := must(s.Consent(t.Context(), "a", 1, "app"))(t)
		if first.Created < before || first.Updated != first.Created {
			t.Fatalf("made %d, changed %d", first.Created, first.Updated)
		}
		same(t, first, store.Consent{Client: "app", Scope: oauth.Scope{"openid", "a:b"}, Given: true, Created: first.Created, Updated: first.Updated})
		ok(t, s.PutConsent(t.Context(), "a", 1, store.Consent{Client: "app", Scope: oauth.Scope{"openid"}}))
		got := must(s.Consent(t.Context(), "a", 1, "app"))(t)
		same(t, got, store.Consent{Client: "app", Scope: oauth.Scope{"openid"}, Created: first.Created, Updated: got.Updated})

		ok(t, s.PutConsent(t.Context(), "a", 1, store.Consent{Client: "zoo"}))
		ok(t, s.PutConsent(t.Context(), "a", 2, store.Consent{Client: "app"}))
		ok(t, s.PutConsent(t.Context(), "b", 1, store.Consent{Client: "app"}))
		list := must(s.ListConsents(t.Context(), "a", 1))(t)
		if len(list) != 2 || list[0].Client != "app" || list[1].Client != "zoo" {
			t.Fatalf("list %+v", list)
		}
		ok(t, s.DeleteConsent(t.Context(), "a", 1, "app"))
		wants(t, s.DeleteConsent(t.Context(), "a", 1, "app"), store.ErrNotFound)
		for _, other := range []struct {
			org  string
			user int64
		}{{"a", 2}, {"b", 1}} {
			must(s.Consent(t.Context(), other.org, other.user, "app"))(t)
		}
	},
	"what a person gives is kept with its event, what is noted for them is not": func(t *testing.T, s *store.Store) {
		for _, given := range []bool{true, false} {
			r := record("a", "consent.give")
			ok(t, s.PutConsent(audit.With(t.Context(), r), "a", 1, store.Consent{Client: "app", Given: given}))
			if r.Stored() != given {
				t.Errorf("given %v: its event is stored: %v", given, r.Stored())
			}
		}
	},
	"a person's grants to a client end when the consent is taken back": func(t *testing.T, s *store.Store) {
		other, foreign, offline := granted(1, "s1"), granted(1, "s1"), granted(1, "s1")
		other.Client, foreign.Org, offline.Offline = "other", "b", true
		list := map[string]*oauth.Family{
			"+ in a browser": granted(1, "s1"), "+ offline": offline, "by password": granted(1, ""), "another client's": other, "another organization's": foreign, "another person's": granted(2, "s1"),
		}
		for _, f := range list {
			putFamily(t, s, f)
		}
		ok(t, s.PutConsent(t.Context(), "a", 1, store.Consent{Client: "app"}))
		ok(t, s.DeleteConsent(t.Context(), "a", 1, "app"))
		for name, f := range list {
			if got := must(s.Family(t.Context(), f.ID))(t); (got.Family.Revoked != 0) != (name[0] == '+') {
				t.Errorf("%s: revoked %d", name, got.Family.Revoked)
			}
		}
	},
	"what was allowed goes with its person, its client and its organization": func(t *testing.T, s *store.Store) {
		u := putUser(t, s, "a", "ann")
		ok(t, s.PutOrg(t.Context(), org("a")))
		ok(t, s.PutClient(t.Context(), newClient("a", "app")))
		putSession(t, s, "a", u.ID, "s1")
		putCode(t, s, "code", authorization(u.ID, "s1"))
		ok(t, s.Redeem(t.Context(), granted(u.ID, "s1"), nil, kept("code", issuer)))
		queue(t, s, message("app", 1), message("zoo", 1))
		for _, client := range []string{"app", "zoo"} {
			ok(t, s.PutConsent(t.Context(), "a", u.ID, store.Consent{Client: client}))
			ok(t, s.PutConsent(t.Context(), "a", 7, store.Consent{Client: client}))
		}
		ok(t, s.DeleteClient(t.Context(), "a", "app"))
		for _, user := range []int64{u.ID, 7} {
			if list := must(s.ListConsents(t.Context(), "a", user))(t); len(list) != 1 || list[0].Client != "zoo" {
				t.Fatalf("left for user %d: %+v", user, list)
			}
		}
		if list := must(s.ListDeliveries(t.Context(), "a", "", 0, 9))(t); len(list) != 1 || list[0].Client != "zoo" {
			t.Fatalf("messages left: %+v", list)
		}
		ok(t, s.EndSession(t.Context(), "a", "s1", 1, func(served []session.Served) []session.Delivery {
			if len(served) != 0 {
				t.Errorf("it served %v, which is gone", served)
			}
			return nil
		}))
		ok(t, s.DeleteUser(t.Context(), "a", u.ID))
		if list := must(s.ListConsents(t.Context(), "a", u.ID))(t); len(list) != 0 {
			t.Fatalf("left %+v", list)
		}
		must(s.Consent(t.Context(), "a", 7, "zoo"))(t)
		ok(t, s.DeleteOrg(t.Context(), "a"))
		_, err := s.Consent(t.Context(), "a", 7, "zoo")
		wants(t, err, store.ErrNotFound)
		_, err = s.Session(t.Context(), "a", "s1")
		wants(t, err, store.ErrNotFound)
		if list := must(s.ListDeliveries(t.Context(), "a", "", 0, 9))(t); len(list) != 0 {
			t.Fatalf("messages left: %+v", list)
		}
	},
}

var tickets = map[string]func(*testing.T, *store.Store){
	"of many that take a ticket one gets it": func(t *testing.T, s *store.Store) {
		ok(t, s.PutTicket(t.Context(), hash("k"), time.Now().Unix()+60, `{"a":"é"}`))
		won := race(t, racers, func(int) (bool, error) {
			body, err := s.TakeTicket(t.Context(), hash("k"))
			if s.IsNotFound(err) {
				return false, nil
			}
			if body != `{"a":"é"}` {
				t.Errorf("body %q", body)
			}
			return true, err
		})
		if won != 1 {
			t.Fatalf("%d took it", won)
		}
		ok(t, s.PutTicket(t.Context(), hash("k"), time.Now().Unix()+60, "again"))
	},
	"a key is taken once, and a ticket that is over is nobody's": func(t *testing.T, s *store.Store) {
		ok(t, s.PutTicket(t.Context(), hash("k"), time.Now().Unix()+60, "first"))
		r := record("a", "login")
		wants(t, s.PutTicket(audit.With(t.Context(), r), hash("k"), time.Now().Unix()+60, "second"), store.ErrExists)
		if body := must(s.TakeTicket(audit.With(t.Context(), r), hash("k")))(t); body != "first" || r.Stored() {
			t.Fatalf("took %q, record stored %v", body, r.Stored())
		}
		ok(t, s.PutTicket(t.Context(), hash("old"), time.Now().Unix()-1, "x"))
		_, err := s.TakeTicket(t.Context(), hash("old"))
		wants(t, err, store.ErrNotFound)
	},
}

// message is a message that is due at due (unix seconds).
func message(client string, due int64) session.Delivery {
	now := time.Now().Unix()
	return session.Delivery{Org: "a", Kind: "backchannel_logout", Client: client, User: 1, State: session.Waiting, Due: due, Created: now, Updated: now, Body: `{"sid":"s"}`}
}

// queue puts messages the one way there is: a session ends.
func queue(t *testing.T, s *store.Store, list ...session.Delivery) {
	t.Helper()
	id := number("queue %d", int(time.Now().UnixNano()))
	putSession(t, s, "a", 1, id)
	ok(t, s.EndSession(t.Context(), "a", id, 1, func([]session.Served) []session.Delivery { return list }))
}

var deliveries = map[string]func(*testing.T, *store.Store){
	"a message comes back as it was queued, under a number that grows": func(t *testing.T, s *store.Store) {
		want := message("app", 5)
		queue(t, s, want)
		list := must(s.ListDeliveries(t.Context(), "a", "", 0, 10))(t)
		if len(list) != 1 || list[0].ID <= want.Created {
			t.Fatalf("list %+v", list)
		}
		want.ID = list[0].ID
		same(t, list[0], want)
	},
	"of several that take what is due one has a message, until its lease is over": func(t *testing.T, s *store.Store) {
		queue(t, s, message("one", 10), message("two", 20), message("later", 1000))
		taken := make([][]session.Delivery, racers)
		race(t, racers, func(i int) (bool, error) {
			var err error
			taken[i], err = s.TakeDeliveries(t.Context(), 100, 200, 10)
			return true, err
		})
		var names []string
		for _, list := range taken {
			for _, d := range list {
				names = append(names, d.Client)
				if d.Tries != 1 {
					t.Errorf("%s: try %d", d.Client, d.Tries)
				}
			}
		}
		slices.Sort(names)
		same(t, names, []string{"one", "two"})
		if again := must(s.TakeDeliveries(t.Context(), 199, 300, 10))(t); len(again) != 0 {
			t.Fatalf("took %+v within the lease", again)
		}
		if again := must(s.TakeDeliveries(t.Context(), 200, 300, 1))(t); len(again) != 1 || again[0].Tries != 2 {
			t.Fatalf("after the lease: %+v", again)
		}
	},
	"a message is tried again, arrives or is given up, and what was given up is sent again": func(t *testing.T, s *store.Store) {
		queue(t, s, message("app", 10))
		d := must(s.TakeDeliveries(t.Context(), 10, 20, 1))(t)[0]
		ok(t, s.FinishDelivery(t.Context(), d.ID, session.Waiting, 500, "status 503"))
		if early := must(s.TakeDeliveries(t.Context(), 499, 600, 1))(t); len(early) != 0 {
			t.Fatalf("taken early: %+v", early)
		}
		if late := must(s.TakeDeliveries(t.Context(), 500, 600, 1))(t); len(late) != 1 || late[0].Tries != 2 || late[0].Result != "status 503" {
			t.Fatalf("taken: %+v", late)
		}
		wants(t, s.RetryDelivery(t.Context(), "a", d.ID), store.ErrNotFound) // it still waits
		ok(t, s.FinishDelivery(t.Context(), d.ID, session.Failed, 0, "status 400"))
		if got := must(s.TakeDeliveries(t.Context(), 9e9, 9e9+1, 1))(t); len(got) != 0 {
			t.Fatalf("taken after it was given up: %+v", got)
		}
		wants(t, s.RetryDelivery(t.Context(), "b", d.ID), store.ErrNotFound)
		won := race(t, racers, func(int) (bool, error) {
			err := s.RetryDelivery(t.Context(), "a", d.ID)
			if s.IsNotFound(err) {
				return false, nil
			}
			return true, err
		})
		now := time.Now().Unix() + 1
		again := must(s.TakeDeliveries(t.Context(), now, now+60, 1))(t)
		if won != 1 || len(again) != 1 || again[0].Tries != 3 {
			t.Fatalf("%d retried it, taken %+v", won, again)
		}
		ok(t, s.FinishDelivery(t.Context(), d.ID, session.Done, 0, "status 200"))
		ok(t, s.FinishDelivery(t.Context(), d.ID, session.Failed, 0, "too late")) // by who lost the lease
		if got := must(s.ListDeliveries(t.Context(), "a", "app", 0, 1))(t)[0]; got.State != session.Done || got.Result != "status 200" {
			t.Fatalf("in the end: %+v", got)
		}
	},
	"lists are newest first and keep to organization and client": func(t *testing.T, s *store.Store) {
		for i, client := range []string{"one", "two", "one"} {
			d := message(client, 1)
			d.Created += int64(i)
			queue(t, s, d)
		}
		foreign := message("one", 1)
		foreign.Org = "b"
		queue(t, s, foreign)
		list := must(s.ListDeliveries(t.Context(), "a", "", 0, 10))(t)
		if len(list) != 3 || list[0].ID < list[1].ID || list[1].Client != "two" {
			t.Fatalf("list %+v", list)
		}
		same(t, must(s.ListDeliveries(t.Context(), "a", "one", 0, 10))(t), []session.Delivery{list[0], list[2]})
		same(t, must(s.ListDeliveries(t.Context(), "a", "", list[0].ID, 1))(t), []session.Delivery{list[1]})
	},
}

var browserSweep = map[string]func(*testing.T, *store.Store){
	"sessions go when their time is over, with the clients they served": func(t *testing.T, s *store.Store) {
		for i := range 25 {
			id := number("s%d", i)
			x := newSession("a", 1, id)
			if i < 20 {
				x.Ends = time.Now().Unix() + 60
			}
			ok(t, s.PutSession(t.Context(), hash(id), x))
			putCode(t, s, id, authorization(1, id))
			ok(t, s.Redeem(t.Context(), granted(1, id), nil, kept(id, issuer)))
		}
		sweepAll(t, s, time.Now().Add(2*time.Minute), 0, 10)
		left := must(s.AllSessions(t.Context(), "a", "", 100))(t)
		if len(left) != 5 {
			t.Fatalf("%d sessions left", len(left))
		}
		ok(t, s.EndSession(t.Context(), "a", left[0].ID, 1, func(served []session.Served) []session.Delivery {
			if len(served) != 1 {
				t.Errorf("a live session served %v", served)
			}
			return nil
		}))
		// A namesake would inherit what was left behind.
		x := newSession("a", 1, "s0")
		ok(t, s.PutSession(t.Context(), hash("again"), x))
		ok(t, s.EndSession(t.Context(), "a", "s0", 1, func(served []session.Served) []session.Delivery {
			if len(served) != 0 {
				t.Errorf("a new session served %v", served)
			}
			return nil
		}))
	},
	"codes stay an hour after their end, tickets do not": func(t *testing.T, s *store.Store) {
		now := time.Now()
		for i := range 12 {
			a := authorization(1, "")
			a.Expires = now.Unix() - int64(i)*600 + 1
			putCode(t, s, number("code %d", i), a)
			ok(t, s.PutTicket(t.Context(), hash(number("ticket %d", i)), now.Unix()+int64(i)*60, "x"))
		}
		if removed, calls := sweepAll(t, s, now.Add(5*time.Minute+time.Second), 0, 2); removed != 6+6 || calls < 3 {
			t.Fatalf("removed %d in %d calls", removed, calls)
		}
		for i := range 12 {
			_, err := s.Code(t.Context(), hash(number("code %d", i)))
			if s.IsNotFound(err) != (i >= 6) {
				t.Errorf("code %d: %v", i, err)
			}
		}
		if body := must(s.TakeTicket(t.Context(), hash("ticket 6")))(t); body != "x" {
			t.Fatalf("ticket %q", body)
		}
	},
	"messages go a week after they arrived or were given up, never while they wait": func(t *testing.T, s *store.Store) {
		queue(t, s, message("done", 1), message("failed", 1), message("waiting", 1))
		for _, d := range must(s.ListDeliveries(t.Context(), "a", "", 0, 10))(t) {
			if d.Client != "waiting" {
				ok(t, s.FinishDelivery(t.Context(), d.ID, d.Client, 0, "x"))
			}
		}
		sweepAll(t, s, time.Now().Add(6*24*time.Hour), 0, 10)
		if got := must(s.ListDeliveries(t.Context(), "a", "", 0, 10))(t); len(got) != 3 {
			t.Fatalf("within the week %d are left", len(got))
		}
		sweepAll(t, s, time.Now().Add(8*24*time.Hour), 0, 10)
		if got := must(s.ListDeliveries(t.Context(), "a", "", 0, 10))(t); len(got) != 1 || got[0].State != session.Waiting {
			t.Fatalf("after a week: %+v", got)
		}
	},
}
