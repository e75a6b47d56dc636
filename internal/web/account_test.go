package web_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"html"
	"html/template"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"jeton/internal/admin"
	"jeton/internal/audit"
	"jeton/internal/client"
	"jeton/internal/identity"
	"jeton/internal/jose"
	"jeton/internal/oauth"
	"jeton/internal/servertest"
	"jeton/internal/session"
	"jeton/internal/store/storetest/pg"
)

// Bea and cyd manage their details themselves; ada of flowWorld is managed by a file.
const (
	beaPassword = "violet-harbour-9"
	newPassword = "copper-lantern-27"
)

func member(t *testing.T, s *servertest.Server, u identity.User) *identity.User {
	t.Helper()
	u.Org, u.Enabled = "default", true
	rec := &audit.Record{ID: audit.NewID(s.Clock.Now()), At: s.Clock.Now()}
	if err := s.Core.Admin.CreateUser(audit.With(t.Context(), rec), &u, oauth.Secret(beaPassword)); err != nil {
		t.Fatal(err)
	}
	return &u
}

func accountServer(t *testing.T, dsn, world string) (*servertest.Server, *identity.User) {
	t.Helper()
	s := servertest.Start(t, servertest.Options{World: flowWorld + world, DSN: dsn})
	return s, member(t, s, identity.User{
		Name: "bea", Email: "bea@app.example", GivenName: "Bea", FamilyName: "Blum", Attr: map[string]any{"email_verified": true, "dept": "x"},
	})
}

func stored(t *testing.T, s *servertest.Server, id int64) *identity.User {
	t.Helper()
	u, err := s.Core.Admin.User(t.Context(), "default", id)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func in(t *testing.T, s *servertest.Server, agent string) *servertest.Browser {
	t.Helper()
	b := s.Browser(t)
	b.Agent = agent
	b.Open("/login").SignIn("bea", beaPassword)
	if b.URL != servertest.Public+"/account" || b.Status != 200 {
		t.Fatalf("signed in and on %s (%d)\n%s", b.URL, b.Status, b.Page)
	}
	return b
}

const (
	firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
	safari  = "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_0) AppleWebKit/605.1.15 Version/17.0 Safari/605.1.15"
)

// wantPage checks status, address and texts of the page that is shown.
func wantPage(t *testing.T, b *servertest.Browser, status int, path string, texts ...string) {
	t.Helper()
	if b.Status != status || strings.TrimPrefix(b.URL, servertest.Public) != path {
		t.Fatalf("%d %s, want %d %s\n%s", b.Status, b.URL, status, path, b.Page)
	}
	for _, text := range texts {
		if !strings.Contains(b.Page, text) {
			t.Errorf("%s does not say %q:\n%s", path, text, b.Page)
		}
	}
}

// pageToken is what the forms of the page that is shown carry.
func pageToken(t *testing.T, b *servertest.Browser) string {
	t.Helper()
	m := regexp.MustCompile(`name="token" value="([^"]+)"`).FindStringSubmatch(b.Page)
	if m == nil {
		t.Fatalf("no form on %s:\n%s", b.URL, b.Page)
	}
	return html.UnescapeString(m[1])
}

// send posts a form of the account by itself, with this page's token.
func send(t *testing.T, b *servertest.Browser, path string, pairs ...string) *servertest.Browser {
	t.Helper()
	f := url.Values{"token": {pageToken(t, b)}}
	for i := 0; i+1 < len(pairs); i += 2 {
		f.Add(pairs[i], pairs[i+1])
	}
	return b.Post(path, f, nil)
}

// recorded counts the records of each event of bea's that changed something.
func recorded(t *testing.T, s *servertest.Server, event string) (list []*audit.Record) {
	t.Helper()
	if err := s.Audit.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	list, err := s.Core.Admin.Events(t.Context(), admin.EventFilter{Org: "default", Event: event, Outcome: "ok"}, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func wantEvent(t *testing.T, s *servertest.Server, event, object string) {
	t.Helper()
	list := recorded(t, s, event)
	if len(list) != 1 || list[0].Actor != "bea" || list[0].User != "bea" || list[0].Object != object {
		t.Errorf("%d records of %s: %+v", len(list), event, list)
	}
}

// tokensFor has bea allow the client, and gives its refresh token.
func tokensFor(t *testing.T, s *servertest.Server, b *servertest.Browser) string {
	t.Helper()
	b.Open(authorizeURL("scope", "openid email offline_access", "prompt", "consent"))
	b.Submit("/consent", "decision", "allow")
	status, m := redeem(t, s, b.Answer().Get("code"))
	if status != 200 {
		t.Fatalf("%d %v", status, m)
	}
	return m["refresh_token"].(string)
}

func refresh(t *testing.T, s *servertest.Server, token string) (int, map[string]any) {
	t.Helper()
	return post(t, s, "/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
}

var accountPaths = []string{
	"/account", "/account/profile", "/account/password", "/account/sessions", "/account/clients", "/account/keys", "/account/activity",
}

func TestWithoutASessionThePagesLeadToSigningInAndBack(t *testing.T) {
	s, _ := accountServer(t, "", "")
	for _, path := range accountPaths {
		b := s.Browser(t).Open(path)
		if b.Status != 200 || !strings.HasPrefix(b.URL, servertest.Public+"/login?r=") || strings.Contains(b.URL, "account") {
			t.Fatalf("%s: %d %s", path, b.Status, b.URL)
		}
		b.SignIn("bea", "wrong")
		wantPage(t, b, 422, "/login")
		b.SignIn("bea", beaPassword)
		wantPage(t, b, 200, path, `aria-current="page"`)
		if got := b.Header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("%s is cached: %q", path, got)
		}
		req, err := http.NewRequest(http.MethodHead, s.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := b.HTTP.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 200 || resp.ContentLength > 0 && resp.Header.Get("Content-Type") == "" {
			t.Errorf("HEAD %s: %d", path, resp.StatusCode)
		}
	}
	b := s.Browser(t).Open("/login") // gives the browser its name
	for _, path := range []string{"/account/profile", "/account/password", "/account/sessions/end", "/account/clients/remove", "/account/keys/add", "/account/keys/remove"} {
		send(t, b.Open("/login"), path, "all", "1", "client", "app")
		if !strings.HasPrefix(b.URL, servertest.Public+"/login?r=") {
			t.Errorf("POST %s without a session: %d %s", path, b.Status, b.URL)
		}
	}
}

func TestOnlyNamesOfOurOwnPagesAreFollowedAfterSigningIn(t *testing.T) {
	s, _ := accountServer(t, "", "")
	for _, to := range []string{"//evil.example", `/\evil.example`, "https:evil.example", "/%5cevil.example", "https://evil.example/", "/account/keys", "Keys", "keys/add", "../keys"} {
		b := s.Browser(t).Open("/login?r=" + url.QueryEscape(to))
		if b.Status == 200 {
			t.Errorf("r=%s opens a page", to)
		}
		if b.Left != nil || b.Header.Get("Location") != "" {
			t.Errorf("r=%s leads to %v", to, b.Left)
		}
		b.Open("/login?to=" + url.QueryEscape(to) + "&next=" + url.QueryEscape(to))
		b.SignIn("bea", beaPassword)
		wantPage(t, b, 200, "/account")
	}
}

func TestTheOverviewCountsWhatThereIs(t *testing.T) {
	s, bea := accountServer(t, "", "")
	in(t, s, safari)
	b := in(t, s, firefox)
	wantPage(t, b, 200, "/account", "Bea Blum", "bea@app.example", "<b>2</b>", "<b>0</b>", "2 January 2026")
	tokensFor(t, s, b)
	if _, err := s.Core.Admin.AddKey(t.Context(), "default", bea.ID, client.Key{PEM: string(servertest.PublicPEM("ada"))}); err != nil {
		t.Fatal(err)
	}
	if b.Open("/account"); strings.Count(b.Page, "<b>1</b>") != 2 {
		t.Errorf("one client and one key:\n%s", b.Page)
	}
}

func TestEmptyListsSayWhatTheyAreFor(t *testing.T) {
	s, _ := accountServer(t, "", "")
	b := in(t, s, firefox)
	for path, text := range map[string]string{
		"/account/clients":  "No client has access to your account yet.",
		"/account/keys":     "No keys. You need one only if a program signs in as you.",
		"/account/sessions": "Firefox, Linux",
		"/account/activity": "Sign-in",
	} {
		wantPage(t, b.Open(path), 200, path, text)
	}
}

func TestADuePasswordComesBeforeTheAccount(t *testing.T) {
	s, bea := accountServer(t, "", "")
	_, err := s.Core.Admin.ChangeUser(t.Context(), "default", bea.ID, "user.change", func(u *identity.User) error { u.PasswordDue = true; return nil })
	if err != nil {
		t.Fatal(err)
	}
	b := s.Browser(t).Open("/account/keys").SignIn("bea", beaPassword)
	wantPage(t, b, 200, "/login/password?r=keys")
	b.Submit("/login/password", "old", "wrong", "new", newPassword, "again", newPassword)
	wantPage(t, b, 422, "/login/password")
	if list := recorded(t, s, "password.change"); len(list) != 0 {
		t.Errorf("a try that failed is recorded as a change: %+v", list[0])
	}
	b.Submit("/login/password", "old", beaPassword, "new", newPassword, "again", newPassword)
	wantPage(t, b, 200, "/account/keys")
	wantEvent(t, s, "password.change", "user/bea")
}

func TestTheLanguageChangesWhereOneIs(t *testing.T) {
	s, _ := accountServer(t, "", "")
	b := in(t, s, firefox).Open("/account/clients").Submit("/lang", "lang", "fr")
	wantPage(t, b, 200, "/account/clients", `lang="fr"`)
	b = s.Browser(t).Open("/account/keys").Submit("/lang", "lang", "fr")
	wantPage(t, b, 200, "/login?r=keys", `lang="fr"`)
}

// Forms of every change, with what would make them succeed.
func changes(s *servertest.Server) map[string][]string {
	return map[string][]string{
		"/account/profile":        {"given_name", "Mallory"},
		"/account/password":       {"old", beaPassword, "new", newPassword, "again", newPassword},
		"/account/sessions/end":   {"all", "1"},
		"/account/clients/remove": {"client", "app"},
		"/account/keys/add":       {"pem", string(servertest.PublicPEM("other"))},
		"/account/keys/remove":    {"id", "k1"},
	}
}

func TestAFormThatIsNotOursChangesNothing(t *testing.T) {
	s, bea := accountServer(t, "", "")
	if _, err := s.Core.Admin.AddKey(t.Context(), "default", bea.ID, client.Key{ID: "k1", PEM: string(servertest.PublicPEM("ada"))}); err != nil {
		t.Fatal(err)
	}
	other := in(t, s, safari)
	b := in(t, s, firefox)
	token := tokensFor(t, s, b)
	strange := pageToken(t, s.Browser(t).Open("/login"))
	mine := pageToken(t, b.Open("/account"))
	before := stored(t, s, bea.ID)
	for path, pairs := range changes(s) {
		for name, x := range map[string]struct {
			token  string
			header http.Header
		}{
			"no token":              {"", nil},
			"another browser's":     {strange, nil},
			"sent by another site":  {mine, http.Header{"Sec-Fetch-Site": {"cross-site"}}},
			"sent by another host":  {mine, http.Header{"Origin": {"https://evil.example"}}},
			"a token in the cookie": {"x", http.Header{"Cookie": {"token=" + mine}}},
		} {
			f := url.Values{}
			if x.token != "" {
				f.Set("token", x.token)
			}
			for i := 0; i < len(pairs); i += 2 {
				f.Set(pairs[i], pairs[i+1])
			}
			if b.Post(path, f, x.header); b.Status != http.StatusForbidden {
				t.Errorf("%s, %s: %d", path, name, b.Status)
			}
		}
		b.Open(path + "?token=" + mine + "&" + url.Values{pairs[0]: {pairs[1]}}.Encode()) // a link is no form
	}
	if now := stored(t, s, bea.ID); now.Version != before.Version {
		t.Errorf("the account changed")
	}
	wantPage(t, other.Open("/account"), 200, "/account")
	if status, m := refresh(t, s, token); status != 200 {
		t.Errorf("the tokens ended: %d %v", status, m)
	}
}

func TestAStaleSignInIsAskedForAgainBeforeAChange(t *testing.T) {
	s, bea := accountServer(t, "", "")
	b := in(t, s, firefox)
	s.Clock.Add(5 * time.Minute)
	before := stored(t, s, bea.ID).Version
	for place, form := range map[string]struct {
		path  string
		pairs []string
	}{
		"password": {"/account/password", changes(s)["/account/password"]},
		"keys":     {"/account/keys/add", changes(s)["/account/keys/add"]},
		"profile":  {"/account/profile", []string{"email", "b@app.example"}},
	} {
		send(t, b.Open("/account"), form.path, form.pairs...)
		wantPage(t, b, 200, "/login?r="+place+"&again=1", "Sign in again before you change this.", `value="bea"`)
	}
	send(t, b.Open("/account"), "/account/keys/remove", "id", "k")
	wantPage(t, b, 200, "/login?r=keys&again=1")
	if v := stored(t, s, bea.ID).Version; v != before {
		t.Errorf("the account changed")
	}
	// A name may be changed all the same; the address is what password resets and
	// assertions find people by.
	b.Open("/account/profile").Submit("/account/profile", "given_name", "Beate")
	wantPage(t, b, 200, "/account/profile", "Your profile was saved.", `value="Beate"`)
	wantPage(t, b.Open("/account/password"), 200, "/login?r=password&again=1")
	b.SignIn("bea", beaPassword)
	wantPage(t, b, 200, "/account/password")
	if b.Open("/login?r=keys&again=1"); b.URL != servertest.Public+"/account/keys" {
		t.Errorf("asked again right after: %s", b.URL)
	}
	if list, err := s.Core.Sessions.List(t.Context(), stored(t, s, bea.ID)); err != nil || len(list) != 1 {
		t.Errorf("signing in again made another session: %v %v", list, err)
	}
}

func TestPeopleChangeTheirOwnDetailsAndNothingElse(t *testing.T) {
	s, bea := accountServer(t, "", "")
	b := in(t, s, firefox).Open("/account/profile")
	wantPage(t, b, 200, "/account/profile", `value="Bea"`, `value="bea@app.example"`)
	b.Submit("/account/profile", "given_name", " Béa ", "family_name", "O’Blum", "display_name", "<b>B</b>", "email", "Bea@New.example",
		"phone", "+33 (1) 23-45.67 89", "locale", "fr-CA",
		// None of these is a person's own to set (mass assignment).
		"username", "root", "name", "root", "realm", "other", "admin", "true", "Admin", "1", "roles", "owner", "groups", "cluster-admins",
		"enabled", "false", "email_verified", "true", "attr", `{"x":1}`, "dept", "y", "password", "x", "source", "f", "id", "1", "org", "acme", "keys", "k")
	wantPage(t, b, 200, "/account/profile", "Your profile was saved.", "&lt;b&gt;B&lt;/b&gt;", `value="&#43;33123456789"`)
	u := stored(t, s, bea.ID)
	if u.GivenName != "Béa" || u.FamilyName != "O’Blum" || u.DisplayName != "<b>B</b>" || u.Email != "Bea@New.example" || u.Mail != "bea@new.example" {
		t.Errorf("stored %+v", u)
	}
	want := map[string]any{"email_verified": false, "phone_number": "+33123456789", "phone_number_verified": false, "locale": "fr-CA", "dept": "x"}
	if fmt.Sprint(u.Attr) != fmt.Sprint(want) {
		t.Errorf("attributes %v, want %v", u.Attr, want)
	}
	if u.Name != "bea" || u.Realm != "local" || u.Admin || len(u.Roles)+len(u.Groups)+len(u.Keys) != 0 || !u.Enabled || u.Source != "" || u.ID != bea.ID {
		t.Errorf("more was changed: %+v", u)
	}
	wantEvent(t, s, "user.change", "user/bea")
	if b.Open("/account/profile"); strings.Contains(b.Page, "Your profile was saved.") {
		t.Error("the message stays")
	}
	if b.Submit("/account/profile"); len(recorded(t, s, "user.change")) != 1 {
		t.Error("nothing changed and was recorded")
	}
	b.Submit("/account/profile", "email", "", "phone", "")
	if u := stored(t, s, bea.ID); u.Email != "" || u.Mail != "" || len(u.Attr) != 2 {
		t.Errorf("emptied: %+v", u)
	}
}

func TestWhatIsWrongInTheProfileIsSaidAndWhatWasTypedStays(t *testing.T) {
	s, bea := accountServer(t, "", "")
	member(t, s, identity.User{Name: "gone", Email: "gone@app.example"})
	_, err := s.Core.Admin.ChangeUser(t.Context(), "default", bea.ID+1, "user.change", func(u *identity.User) error { u.Enabled = false; return nil })
	if err != nil {
		t.Fatal(err)
	}
	member(t, s, identity.User{Name: "mail@named.example"})
	b := in(t, s, firefox).Open("/account/profile")
	before := stored(t, s, bea.ID).Version
	for _, row := range []struct{ name, value, text string }{
		{"given_name", strings.Repeat("é", 255), "This is too long."},
		{"family_name", "Bl\u202eum", "This value cannot be used."},
		{"display_name", "a\tb", "This value cannot be used."},
		{"display_name", "a\u0085b", "This value cannot be used."},
		{"email", "no address", "Type an email address"},
		{"email", "a@" + strings.Repeat("x", 260), "This is too long."},
		{"email", "ADA@app.example", "Somebody else has this already."},
		{"email", "gone@app.example", "Somebody else has this already."},
		{"email", "mail@named.example", "Somebody else has this already."},
		{"phone", "0123", "Type a phone number with its country code"},
		{"phone", "+12345678901234567", "Type a phone number with its country code"},
		{"locale", "français", "This value cannot be used."},
	} {
		b.Open("/account/profile").Submit("/account/profile", row.name, row.value, "given_name", map[bool]string{true: row.value, false: "Bettina"}[row.name == "given_name"])
		wantPage(t, b, 422, "/account/profile", row.text, `id="`+row.name+`-error"`, strings.ReplaceAll(template.HTMLEscapeString(row.value), "+", "&#43;"))
		if row.name != "given_name" && !strings.Contains(b.Page, `value="Bettina"`) {
			t.Errorf("%s: what was typed elsewhere is gone", row.name)
		}
		if id := b.Header.Get("Jeton-Error-Id"); id == "" || s.Record(t, id).Outcome != audit.Refused {
			t.Errorf("%s: no record of the refusal", row.name)
		}
	}
	if send(t, b, "/account/profile", "given_name", "a\nb"); b.Status != 400 {
		t.Errorf("a line break: %d", b.Status)
	}
	if v := stored(t, s, bea.ID).Version; v != before {
		t.Error("something was stored")
	}
}

func TestDetailsManagedElsewhereAreReadOnly(t *testing.T) {
	s, bea := accountServer(t, "", "")
	b := s.Browser(t).Open("/account/profile").SignIn("ada", "demo-ada")
	wantPage(t, b, 200, "/account/profile", "These details come from", "Example Corp", `value="Lovelace"`, "cannot be changed here")
	if strings.Contains(b.Page, ">Save<") {
		t.Error("there is a button to save")
	}
	send(t, b, "/account/profile", "given_name", "Mallory", "email", "m@app.example")
	if b.Status != http.StatusForbidden {
		t.Errorf("saved: %d", b.Status)
	}
	u, err := s.Core.Admin.UserByName(t.Context(), "default", "local", "ada")
	if err != nil || u.GivenName != "Ada" || u.Email != "ada@app.example" {
		t.Errorf("%+v %v", u, err)
	}
	// Without a password here there is none to change.
	x := in(t, s, firefox)
	_, err = s.Core.Admin.ChangeUser(t.Context(), "default", bea.ID, "user.change", func(u *identity.User) error { u.Source = "saml/corp"; return nil })
	if err != nil {
		t.Fatal(err)
	}
	wantPage(t, x.Open("/account/profile"), 200, "/account/profile", "These details come from")
	provided := member(t, s, identity.User{Name: "pia", Source: "saml/corp"})
	if err := s.Core.Admin.Store.UpdateUser(t.Context(), without(t, s, provided.ID)); err != nil {
		t.Fatal(err)
	}
	secret, _, err := s.Core.Sessions.Open(t.Context(), s.Core.Clients.Default(), stored(t, s, provided.ID), session.Session{Source: "local"}, "")
	if err != nil {
		t.Fatal(err)
	}
	y := s.Browser(t)
	at, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	y.HTTP.Jar.SetCookies(at, []*http.Cookie{{Name: session.CookieName(s.Core.Clients.Default(), false), Value: secret}})
	wantPage(t, y.Open("/account/password"), 200, "/account/password", "Your password comes from")
	if send(t, y, "/account/password", "old", "x", "new", newPassword, "again", newPassword); y.Status != http.StatusForbidden {
		t.Errorf("a password was given: %d", y.Status)
	}
}

// without is a user as they are, without a password.
func without(t *testing.T, s *servertest.Server, id int64) *identity.User {
	u := stored(t, s, id)
	u.Password = ""
	return u
}

func TestAnotherPersonsThingsAreNotThere(t *testing.T) {
	s, _ := accountServer(t, "", "")
	ada := s.Browser(t).Open("/login").SignIn("ada", "demo-ada")
	token := tokensFor(t, s, ada)
	u, err := s.Core.Admin.UserByName(t.Context(), "default", "local", "ada")
	if err != nil {
		t.Fatal(err)
	}
	if u, err = s.Core.Admin.AddKey(t.Context(), "default", u.ID, client.Key{PEM: string(servertest.PublicPEM("ada"))}); err != nil {
		t.Fatal(err)
	}
	theirs, err := s.Core.Sessions.List(t.Context(), u)
	if err != nil || len(theirs) != 1 {
		t.Fatal(theirs, err)
	}
	b := in(t, s, firefox)
	for path, pair := range map[string][2]string{
		"/account/sessions/end":   {"id", theirs[0].ID},
		"/account/clients/remove": {"client", "app"},
		"/account/keys/remove":    {"id", admin.KeyName(u.Keys[0])},
	} {
		for _, value := range []string{pair[1], "invented"} {
			if send(t, b.Open("/account"), path, pair[0], value); b.Status != http.StatusNotFound {
				t.Errorf("%s %s: %d", path, value, b.Status)
			}
		}
	}
	for _, path := range []string{"/account/clients/remove?client=app", "/account/keys/remove?id=" + admin.KeyName(u.Keys[0]), "/account/keys/remove", "/account/clients/remove"} {
		if b.Open(path); b.Status != http.StatusNotFound {
			t.Errorf("%s, another person's: %d", path, b.Status)
		}
	}
	if b.Open("/account/sessions"); strings.Contains(b.Page, theirs[0].ID) {
		t.Error("another person's session is listed")
	}
	send(t, b.Open("/account"), "/account/sessions/end", "all", "1")
	wantPage(t, ada.Open("/account"), 200, "/account", "<b>1</b>")
	if status, m := refresh(t, s, token); status != 200 {
		t.Errorf("their tokens ended: %d %v", status, m)
	}
}

func TestActivityIsThisPersonsAlone(t *testing.T) {
	s, bea := accountServer(t, "", `
organizations:
  - id: default
    name: Example Corp
    default: true
    realms: [{name: local, default: true}, {name: staff}]
`)
	ada := s.Browser(t).Open("/login").SignIn("ada", "demo-ada")
	member(t, s, identity.User{Name: "Bea", Realm: "staff"})
	namesake := s.Browser(t)
	namesake.Open("/login").Submit("/login", "name", "bea", "realm", "staff", "password", "nope")
	b := in(t, s, firefox)
	b.Open("/account/profile").Submit("/account/profile", "given_name", "Beate")
	wrong := in(t, s, safari)
	send(t, wrong, "/account/keys/add", "pem", "x")
	id := wrong.Header.Get("Jeton-Error-Id")
	if err := s.Audit.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantPage(t, b.Open("/account/activity"), 200, "/account/activity", "Profile changed", "Sign-in", "Key added", id)
	if n := strings.Count(b.Page, "<tr") - 1; n != 4 {
		t.Errorf("%d lines, want two sign-ins, a change and a refusal:\n%s", n, b.Page)
	}
	if ada.Open("/account/activity"); strings.Contains(ada.Page, "Profile changed") || strings.Contains(ada.Page, id) {
		t.Error("another person's activity is shown")
	}
	for _, before := range []string{"x", "ZZZZZZZZZZZZZ", "' OR 1=1"} {
		if b.Open("/account/activity?before=" + url.QueryEscape(before)); b.Status != 400 {
			t.Errorf("before=%s: %d", before, b.Status)
		}
	}
	// Who takes the name later does not see it.
	s.Clock.Add(time.Minute)
	rec := &audit.Record{ID: audit.NewID(s.Clock.Now()), At: s.Clock.Now()}
	if err := s.Core.Admin.DeleteUser(audit.With(t.Context(), rec), "default", bea.ID); err != nil {
		t.Fatal(err)
	}
	member(t, s, identity.User{Name: "bea"})
	if c := in(t, s, firefox).Open("/account/activity"); strings.Contains(c.Page, "Profile changed") || strings.Contains(c.Page, id) {
		t.Errorf("an earlier bearer's activity is shown:\n%s", c.Page)
	}
}

func TestActivityIsPagedWithoutLosingOrRepeatingALine(t *testing.T) {
	s, _ := accountServer(t, "", "")
	b := in(t, s, firefox)
	for range 70 {
		s.Clock.Add(time.Second)
		send(t, b, "/account/sessions/end", "id", "invented")
		b.Open("/account")
	}
	if err := s.Audit.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	ids := regexp.MustCompile(`<small class="mono">([0-9A-Z]{13})</small>`)
	b.Open("/account/activity")
	for pages := 1; ; pages++ {
		for _, m := range ids.FindAllStringSubmatch(b.Page, -1) {
			if seen[m[1]] {
				t.Fatalf("%s twice", m[1])
			}
			seen[m[1]] = true
		}
		more := regexp.MustCompile(`href="([^"]*before=[^"]*)"`).FindStringSubmatch(b.Page)
		if more == nil {
			if len(seen) != 70 || pages != 2 || strings.Count(b.Page, "<tr") != 22 {
				t.Errorf("%d refusals on %d pages, %d lines on the last", len(seen), pages, strings.Count(b.Page, "<tr")-1)
			}
			return
		}
		b.Open(html.UnescapeString(more[1]))
	}
}

func TestAMessageIsShownOnceAndOnlyWhereItBelongs(t *testing.T) {
	s, _ := accountServer(t, "", "")
	b := in(t, s, firefox)
	send(t, b, "/account/sessions/end", "all", "1")
	wantPage(t, b, 200, "/account/sessions", "0 other sessions have ended.")
	at, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"", "x", "bm90ZQ", strings.Repeat("A", 4000), `{Key:keys.saved,User:1}`} {
		b.HTTP.Jar.SetCookies(at, []*http.Cookie{{Name: "jeton-note", Value: value, Path: "/"}})
		if b.Open("/account"); b.Status != 200 || strings.Contains(b.Page, `id="note"`) {
			t.Errorf("%q is shown as a message: %d", value, b.Status)
		}
	}
	if b.Open("/account/keys?note=keys.saved&key=keys.saved&said=hello"); strings.Contains(b.Page, `id="note"`) || strings.Contains(b.Page, "hello") {
		t.Error("an address says that something happened")
	}
}

// What changes state is done on both storage engines.
var accountChanges = map[string]func(t *testing.T, s *servertest.Server, bea *identity.User){
	"one browser is signed out, then all others": func(t *testing.T, s *servertest.Server, bea *identity.User) {
		one, two := in(t, s, safari), in(t, s, safari)
		b := in(t, s, firefox).Open("/account/sessions")
		wantPage(t, b, 200, "/account/sessions", "Firefox, Linux", "this one", "Safari, macOS", "127.0.0.1")
		list, err := s.Core.Sessions.List(t.Context(), bea)
		if err != nil || len(list) != 3 {
			t.Fatal(list, err)
		}
		first := list[slices.IndexFunc(list, func(x session.Session) bool { return strings.HasPrefix(x.Agent, "Safari") })]
		b.Submit("/account/sessions/end", "id", first.ID)
		wantPage(t, b, 200, "/account/sessions", "That session has ended.")
		wantEvent(t, s, "session.end", "session/"+first.ID)
		if out := []bool{lives(one), lives(two), lives(b)}; fmt.Sprint(out) != "[true false true]" && fmt.Sprint(out) != "[false true true]" {
			t.Errorf("signed in: %v", out)
		}
		three := in(t, s, safari)
		tokens := tokensFor(t, s, three)
		b.Open("/account/sessions").Submit("/account/sessions/end", "all", "1")
		wantPage(t, b, 200, "/account/sessions", "2 other sessions have ended.")
		if lives(one) || lives(two) || lives(three) || !lives(b) {
			t.Error("the others go on, or this one does not")
		}
		if n := len(recorded(t, s, "session.end")); n != 3 {
			t.Errorf("%d records of sessions that ended, want 3", n)
		}
		if status, m := refresh(t, s, tokens); status != 200 {
			t.Errorf("offline access ends with a browser: %d %v", status, m)
		}
		// A page that is still open in a browser that was signed out (back button).
		if three.Open("/account"); !strings.HasPrefix(three.URL, servertest.Public+"/login") {
			t.Errorf("on %s", three.URL)
		}
	},
	"a session ended elsewhere is over for an open page": func(t *testing.T, s *servertest.Server, bea *identity.User) {
		b := in(t, s, firefox).Open("/account/profile")
		to, form := b.Form("/account/profile")
		in(t, s, safari).Open("/account/sessions").Submit("/account/sessions/end", "all", "1")
		form.Set("given_name", "Late")
		if b.Post(to, form, nil); b.URL != servertest.Public+"/login?r=profile" {
			t.Errorf("on %s", b.URL)
		}
		if u := stored(t, s, bea.ID); u.GivenName != "Bea" {
			t.Error("a session that is over changed the account")
		}
	},
	"this very session is signed out": func(t *testing.T, s *servertest.Server, bea *identity.User) {
		b := in(t, s, firefox).Open("/account/sessions").Submit("/account/sessions/end", "id", only(t, s, bea).ID)
		if b.URL != servertest.Public+"/logout" || lives(b) {
			t.Errorf("on %s", b.URL)
		}
	},
	"a client's access is removed": func(t *testing.T, s *servertest.Server, bea *identity.User) {
		b := in(t, s, firefox)
		tokens := tokensFor(t, s, b)
		b.Open("/account/clients")
		wantPage(t, b, 200, "/account/clients", "Report Builder", "1 token in use", "See your email address")
		b.Open(link(t, b, "/account/clients/remove"))
		wantPage(t, b, 200, "/account/clients/remove?client=app", "Remove the access of Report Builder?", "1 token ends")
		if status, _ := refresh(t, s, tokens); status != 200 {
			t.Fatal("asking ended the tokens")
		}
		b.Submit("/account/clients/remove")
		wantPage(t, b, 200, "/account/clients", "Report Builder no longer has access.", "No client has access")
		wantEvent(t, s, "consent.remove", "client/app")
		if status, m := refresh(t, s, tokens); status != 400 || m["error"] != "invalid_grant" {
			t.Errorf("the tokens live on: %d %v", status, m)
		}
		if b.Open(authorizeURL()); !strings.Contains(b.URL, "/consent") {
			t.Errorf("not asked again: %s", b.URL)
		}
		if send(t, b.Open("/account"), "/account/clients/remove", "client", "app"); b.Status != 404 {
			t.Errorf("removed twice: %d", b.Status)
		}
	},
	"an access nobody was asked about is listed and removed too": func(t *testing.T, s *servertest.Server, bea *identity.User) {
		_, err := s.Core.Admin.ChangeClient(t.Context(), "default", "app", "client.change", func(c *client.Client) error {
			c.Consent, c.Own = client.ConsentNever, true
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		b := in(t, s, firefox).Open(authorizeURL())
		status, m := redeem(t, s, b.Answer().Get("code"))
		if status != 200 {
			t.Fatalf("%d %v", status, m)
		}
		wantPage(t, b.Open("/account/clients"), 200, "/account/clients", "Report Builder")
		send(t, b, "/account/clients/remove", "client", "app")
		wantPage(t, b, 200, "/account/clients", "no longer has access")
		if status, _ := refresh(t, s, m["refresh_token"].(string)); status != 400 {
			t.Errorf("the tokens live on: %d", status)
		}
	},
	"a new password ends everything but this browser": func(t *testing.T, s *servertest.Server, bea *identity.User) {
		other := in(t, s, safari)
		offline := tokensFor(t, s, other)
		b := in(t, s, firefox).Open("/account/password")
		for _, row := range []struct{ old, fresh, again, text string }{
			{"", newPassword, newPassword, "Fill in every field."},
			{"wrong", newPassword, newPassword, "That is not your current password."},
			{beaPassword, newPassword, newPassword + "x", "The two new passwords are not the same."},
			{beaPassword, "short", "short", "Too short: at least 15 characters."},
			{beaPassword, "passwordpassword", "passwordpassword", "lists attackers try first"},
			{beaPassword, beaPassword, beaPassword, "That is the password you have."},
		} {
			b.Submit("/account/password", "old", row.old, "new", row.fresh, "again", row.again)
			wantPage(t, b, 422, "/account/password", row.text)
			if strings.Contains(b.Page, row.fresh+`"`) || row.old != "" && strings.Contains(b.Page, row.old+`"`) {
				t.Error("a password is on the page")
			}
		}
		if list := recorded(t, s, "password.change"); len(list) != 0 {
			t.Fatalf("recorded as changed: %+v", list[0])
		}
		before := cookieOf(t, s, b)
		b.Submit("/account/password", "old", beaPassword, "new", newPassword, "again", newPassword)
		wantPage(t, b, 200, "/account", "Your password was changed, and you were signed out everywhere else.")
		wantEvent(t, s, "password.change", "user/bea")
		if lives(other) || !lives(b) {
			t.Error("the other browser goes on, or this one does not")
		}
		if after := cookieOf(t, s, b); after == before || after == "" {
			t.Error("this browser goes on under the same secret")
		}
		if status, m := refresh(t, s, offline); status != 400 || m["error"] != "invalid_grant" {
			t.Errorf("tokens live on: %d %v", status, m)
		}
		x := s.Browser(t).Open("/login").SignIn("bea", beaPassword)
		wantPage(t, x, 422, "/login")
		x.SignIn("bea", newPassword)
		wantPage(t, x, 200, "/account")
		if strings.Contains(s.Logs.String(), newPassword) || strings.Contains(s.Logs.String(), beaPassword) {
			t.Error("a password is in the log")
		}
	},
	"a key is added, signs for its person, and is removed": func(t *testing.T, s *servertest.Server, bea *identity.User) {
		s.Apply(t, `
version: 1
clients:
  - {id: robot, dialect: oidc, name: Robot, auth: client_secret_basic, secrets: [{plain: robot-secret}], grants: [jwt-bearer], scopes: [read]}
`)
		ask := func(jti string) int {
			key, err := jose.ParsePrivatePEM(servertest.PrivatePEM("other"))
			if err != nil {
				t.Fatal(err)
			}
			key.Alg = jose.RS256
			claims := jose.Obj().Str("iss", "robot").Str("sub", "bea").Str("aud", servertest.Public).Str("jti", jti).Int("exp", s.Clock.Now().Unix()+60)
			signed, err := jose.Sign(key, key.Header("JWT").Bytes(), claims.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			f := url.Values{"grant_type": {string(oauth.GrantJWTBearer)}, "assertion": {signed}}
			req, err := http.NewRequest("POST", s.URL+"/oauth2/token", strings.NewReader(f.Encode()))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			req.SetBasicAuth("robot", "robot-secret")
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			return resp.StatusCode
		}
		if status := ask("1"); status != 400 {
			t.Fatalf("a key nobody registered: %d", status)
		}
		b := in(t, s, firefox).Open("/account/keys")
		b.Submit("/account/keys/add", "label", "  Laptop\u202e ", "pem", "Here it is:\r\n"+string(servertest.PublicPEM("other")))
		wantPage(t, b, 200, "/account/keys", "The key was added.", "Laptop", "RSA 2048", "SHA256:")
		u := stored(t, s, bea.ID)
		if len(u.Keys) != 1 || u.Keys[0].Label != "Laptop" || u.Keys[0].PEM != string(servertest.PublicPEM("other")) || u.Keys[0].Created != s.Clock.Now().Unix() {
			t.Fatalf("stored %+v", u.Keys)
		}
		wantEvent(t, s, "key.add", "user/bea")
		if status := ask("2"); status != 200 {
			t.Errorf("the key does not sign: %d", status)
		}
		b.Submit("/account/keys/add", "pem", string(servertest.PublicPEM("other")))
		wantPage(t, b, 422, "/account/keys/add", "This key is there already.")
		b.Open(link(t, b.Open("/account/keys"), "/account/keys/remove"))
		wantPage(t, b, 200, "/account/keys/remove?id="+admin.KeyName(u.Keys[0]), "Remove the key Laptop?")
		if len(stored(t, s, bea.ID).Keys) != 1 {
			t.Fatal("asking removed the key")
		}
		b.Submit("/account/keys/remove")
		wantPage(t, b, 200, "/account/keys", "The key was removed.", "No keys.")
		wantEvent(t, s, "key.remove", "user/bea")
		if status := ask("3"); status != 400 {
			t.Errorf("the key signs on: %d", status)
		}
	},
}

func TestChangesOfTheAccount(t *testing.T) {
	for name, test := range accountChanges {
		t.Run("sqlite/"+name, func(t *testing.T) {
			s, bea := accountServer(t, "", "")
			test(t, s, bea)
		})
	}
	server, err := pg.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	}()
	for name, test := range accountChanges {
		t.Run("postgres/"+name, func(t *testing.T) {
			s, bea := accountServer(t, server.Database(t), "")
			test(t, s, bea)
		})
	}
}

// link is where the page leads whose path is given.
func link(t *testing.T, b *servertest.Browser, path string) string {
	t.Helper()
	m := regexp.MustCompile(`href="([^"]*` + path + `\?[^"]*)"`).FindStringSubmatch(b.Page)
	if m == nil {
		t.Fatalf("no link to %s on %s:\n%s", path, b.URL, b.Page)
	}
	return html.UnescapeString(m[1])
}

// lives reports whether a browser is signed in.
func lives(b *servertest.Browser) bool {
	b.Open("/account")
	return strings.TrimPrefix(b.URL, servertest.Public) == "/account"
}

func only(t *testing.T, s *servertest.Server, u *identity.User) session.Session {
	t.Helper()
	list, err := s.Core.Sessions.List(t.Context(), u)
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	return list[0]
}

func cookieOf(t *testing.T, s *servertest.Server, b *servertest.Browser) string {
	t.Helper()
	at, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range b.HTTP.Jar.Cookies(at) {
		if c.Name == session.CookieName(s.Core.Clients.Default(), false) {
			return c.Value
		}
	}
	return ""
}

func block(kind string, der []byte, err error) string {
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func spki(pub any) string {
	der, err := x509.MarshalPKIXPublicKey(pub)
	return block("PUBLIC KEY", der, err)
}

var textarea = regexp.MustCompile(`(?s)<textarea[^>]*>(.*?)</textarea>`)

func TestAKeyThatCannotBeRegisteredIsSaidWhy(t *testing.T) {
	s, bea := accountServer(t, "", "")
	small := &rsa.PublicKey{N: servertest.Key("other").Primes[0], E: 65537} // 1024 bits
	b := in(t, s, firefox)
	private := string(servertest.PrivatePEM("ada"))
	n := base64.RawURLEncoding.EncodeToString(servertest.Key("ada").N.Bytes())
	for name, row := range map[string]struct {
		pem, text string
		hidden    bool
	}{
		"nothing":                {" ", "Paste a public key.", false},
		"PKCS #8":                {private, "This is a private key", true},
		"PKCS #1":                {block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(servertest.Key("ada")), nil), "This is a private key", true},
		"both halves":            {string(servertest.PublicPEM("ada")) + private, "This is a private key", true},
		"OpenSSH":                {"-----BEGIN OPENSSH PRIVATE KEY-----\nx\n-----END OPENSSH PRIVATE KEY-----", "This is a private key", true},
		"a private JWK":          {`{"kty":"RSA","n":"` + n + `","e":"AQAB","d":"` + n + `"}`, "This is a private key", true},
		"a secret":               {`{"kty":"oct","k":"c2VjcmV0"}`, "This is a private key", true},
		"RSA 1024":               {spki(small), "RSA 1024 is too weak: at least 2048.", false},
		"RSA 1024 as a JWK":      {`{"kty":"RSA","e":"AQAB","n":"` + base64.RawURLEncoding.EncodeToString(small.N.Bytes()) + `"}`, "RSA 1024 is too weak", false},
		"words":                  {"hello", "This is not a public key in PEM form.", false},
		"an OpenSSH public key":  {"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA== me", "This is not a public key in PEM form.", false},
		"two keys":               {string(servertest.PublicPEM("ada")) + string(servertest.PublicPEM("other")), "cannot be used here", false},
		"markup":                 {"<script>alert(1)</script>", "This is not a public key in PEM form.", false},
		"a certificate of noise": {"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "This is not a public key in PEM form.", false},
	} {
		b.Open("/account/keys").Submit("/account/keys/add", "pem", row.pem, "label", "mine")
		if b.Status != 422 || !strings.Contains(b.Page, row.text) || !strings.Contains(b.Page, `value="mine"`) {
			t.Errorf("%s: %d, want %q\n%s", name, b.Status, row.text, b.Page)
		}
		typed := textarea.FindStringSubmatch(b.Page)
		want := row.pem
		if row.hidden {
			want = ""
		}
		if typed == nil || strings.TrimSpace(html.UnescapeString(typed[1])) != strings.TrimSpace(want) {
			t.Errorf("%s: the form holds %q", name, typed)
		}
	}
	b.Open("/account/keys").Submit("/account/keys/add", "pem", string(servertest.PublicPEM("ada")), "label", strings.Repeat("x", 65))
	wantPage(t, b, 422, "/account/keys/add", "The name is too long.")
	if u := stored(t, s, bea.ID); len(u.Keys) != 0 {
		t.Errorf("stored %v", u.Keys)
	}
	if log := s.Logs.String(); strings.Contains(log, "PRIVATE KEY") {
		t.Error("a private key is in the log")
	}
}

func TestThereAreAtMostTwentyKeys(t *testing.T) {
	s, bea := accountServer(t, "", "")
	b := in(t, s, firefox)
	for i := range 21 {
		pub, _, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		b.Open("/account/keys").Submit("/account/keys/add", "pem", spki(pub))
		if want := map[bool]int{true: 200, false: 422}[i < 20]; b.Status != want {
			t.Fatalf("key %d: %d", i+1, b.Status)
		}
	}
	if !strings.Contains(b.Page, "You have 20 keys, which is the most there can be.") || len(stored(t, s, bea.ID).Keys) != 20 {
		t.Errorf("%d keys\n%s", len(stored(t, s, bea.ID).Keys), b.Page)
	}
	wantPage(t, b.Open("/account/keys"), 200, "/account/keys", "Ed25519", "Unnamed key")
}
