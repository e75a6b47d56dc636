package page

import (
	"net/http"
	"time"
)

// sample is a page as a handler would ask for it.
type sample struct {
	name   string
	status int
	frame  Frame
	view   any
}

func ago(d time.Duration) time.Time { return now.Add(-d) }

const day = 24 * time.Hour

// samples are all pages in all the states that look different.
func samples() []sample {
	signing := Frame{Brand: Brand{Name: "Example Corp", Help: "https://help.example.org/", Terms: "https://example.org/privacy"}, Lang: "en", Token: "form-token", Request: "sealed-request"}
	account := signing
	account.Account, account.Request = "ada", ""
	at := func(entry string) Frame { f := account; f.Current = entry; return f }
	org := signing
	org.Site, org.Brand = "/acme", Brand{Name: "Acme", Accent: "#0f7a6c", Logo: "/logo.svg"}
	failed := account
	failed.ErrorID, failed.Back, failed.Request = "01JD8Y2M7Q", "/account", ""
	stranger := signing
	stranger.Token, stranger.Request, stranger.ErrorID = "", "", "01JD8Y2M7Q"
	scopes := []Grant{
		{Value: "openid", Key: "scope.openid", Needed: true},
		{Value: "packages:read", Text: "Read your packages", Detail: []string{"GET /packages", "GET /packages/{id}"}},
		{Value: "offline_access", Key: "scope.offline_access"},
	}
	realms := []Choice{{"local", "Example Corp"}, {"corp", "corp.example"}}
	sources := []Choice{{"/login/saml/corp", "Corporate sign-on"}, {"/login/oidc/partner", "Partner Inc."}}
	return []sample{
		{"signin", 200, signing, SignIn{Client: "Report Builder", Local: true, Forgot: "/recover"}},
		{"signin-all", 200, org, SignIn{Client: "Report Builder", Name: "ada", Local: true, Realms: realms, Realm: "corp", Sources: sources}},
		{"signin-wrong", 422, signing, SignIn{Client: "Report Builder", Name: "ada", Local: true, Wrong: "password", Problem: Note{"danger", "signin.wrong", []any{4, 5}}}},
		{"signin-pause", 429, signing, SignIn{Name: "ada", Local: true, Problem: Note{"danger", "signin.pause", []any{5}}}},
		{"signin-again", 200, signing, SignIn{Client: "Report Builder", Name: "ada", Fixed: true, Local: true, Problem: Note{"info", "signin.again", []any{"Report Builder"}}}},
		{"signin-sources", 200, signing, SignIn{Sources: sources}},
		{"signin-none", 200, signing, SignIn{}},
		{"accounts", 200, signing, Accounts{Client: "Report Builder", Name: "ada", Mail: "ada@example.test"}},
		{"newpassword-due", 200, signing, NewPassword{Due: true, Minimum: 15}},
		{"newpassword-wrong", 422, at("password"), NewPassword{Minimum: 15, Problem: Note{"danger", "password.wrong.short", []any{15}}, Wrong: "new"}},
		{"codeentry-totp", 200, signing, CodeEntry{Kind: "totp", Name: "ada", Digits: 6}},
		{"codeentry-sms", 422, signing, CodeEntry{Kind: "sms", Target: "••• 41", Name: "ada", Digits: 6, Problem: Note{"danger", "code.wrong", nil}}},
		{"codeentry-email", 200, signing, CodeEntry{Kind: "email", Target: "a••@example.test", Digits: 8}},
		{"codeentry-recovery", 200, signing, CodeEntry{Kind: "recovery", Name: "ada"}},
		{"consent", 200, signing, Consent{
			Client: "Report Builder", Name: "ada", Mail: "ada@example.test", Added: ago(2 * day), Host: "reports.example", Scopes: scopes,
			Before: []Grant{{Value: "email", Key: "scope.email"}}, Home: "https://reports.example/", Policy: "https://reports.example/privacy", Terms: "https://reports.example/terms",
		}},
		{"consent-wrong", 422, org, Consent{Client: "Report Builder", Name: "ada", Reviewed: true, Host: "reports.example", Scopes: scopes, Wrong: "consent.missing"}},
		{"handover", 200, signing, HandOver{Client: "Report Builder", Host: "reports.example", URL: "https://reports.example/cb?code=xyz&state=a%20b"}},
		{"formpost-onward", 200, signing, FormPost{Client: "Example University", Host: "idp.example", Action: "https://idp.example/sso", Onward: true, Fields: []Choice{{"SAMLRequest", "xyz"}}}},
		{"formpost", 200, signing, FormPost{Client: "Report Builder", Host: "reports.example", Action: "https://reports.example/cb", Fields: []Choice{{"code", "xyz"}, {"state", `a "b" <c>`}}}},
		{"signout", 200, account, SignOut{Client: "Report Builder", Name: "ada"}},
		{"signedout", 200, signing, SignedOut{Client: "Report Builder", URL: "https://reports.example/bye", Told: 2}},
		{"signedout-here", 200, signing, SignedOut{}},
		{"problem-redirect", 400, stranger, Problem{Status: 400, Key: "redirect", Args: []any{"Report Builder"}, Facts: []Choice{
			{"error", "invalid_redirect_uri"}, {"client_id", "report-builder"}, {"received", "https://r.example/cb2"}, {"registered", "https://r.example/cb"},
		}}},
		{"problem-busy", 429, signing, Problem{Status: 429, Key: "busy", Retry: 40}},
		{"problem-fault", 500, failed, Problem{Status: 500, Key: "fault"}},
		{"problem-notfound", 404, account, Problem{Status: http.StatusNotFound, Key: "notfound"}},
		{"overview", 200, at("overview"), Overview{Name: "Ada Lovelace", Mail: "ada@example.test", Since: time.Date(2024, 3, 1, 9, 0, 0, 0, time.UTC), Sessions: 2, Clients: 1, Keys: 0, Note: Note{"ok", "password.changed", nil}}},
		{"profile", 200, at("profile"), Profile{Fields: []Field{
			{Name: "username", Key: "field.username", Value: "ada", Auto: "username", Fixed: true},
			{Name: "given_name", Key: "field.given_name", Value: "Ada", Auto: "given-name"},
			{Name: "family_name", Key: "field.family_name", Value: "Lovelace", Auto: "family-name"},
			{Name: "email", Key: "field.email", Value: "ada@example.test", Auto: "email"},
		}, Note: Note{"ok", "profile.saved", nil}}},
		{"profile-wrong", 422, at("profile"), Profile{Fields: []Field{
			{Name: "given_name", Key: "field.given_name", Value: "Ada", Auto: "given-name", Fixed: true},
			{Name: "email", Key: "field.email", Value: "ada(at)example", Auto: "email"},
		}, Source: "corp.example", Wrong: "email", Problem: "profile.wrong.email"}},
		{"profile-empty", 200, at("profile"), Profile{}},
		{"sessions", 200, at("sessions"), Sessions{List: []SessionLine{
			{"s1", "Chrome, Linux", "198.51.100.7", ago(3 * time.Hour), ago(10 * time.Second), true},
			{"s2", "Firefox, macOS", "2001:db8::7", ago(9 * day), ago(2 * day), false},
			{"s3", "", "203.0.113.9", ago(80 * day), ago(40 * day), false},
		}, Note: Note{"ok", "sessions.ended", nil}}},
		{"sessions-empty", 200, at("sessions"), Sessions{}},
		{"clients", 200, at("clients"), Clients{List: []ClientLine{
			{"report-builder", "Report Builder", scopes, ago(5 * day), 2}, {"tv", "TV", nil, ago(50 * day), 1},
		}, Note: Note{"ok", "clients.removed", []any{"Mover"}}}},
		{"clients-empty", 200, at("clients"), Clients{}},
		{"keys", 200, at("keys"), Keys{List: []KeyLine{
			{"k1", "Laptop", "RSA 3072", "SHA256:p4ZtYc0cYqQ0v0Jw9T7Nl8rFf7m8vJwq3u0u8r2sX1A", ago(3 * day)}, {"k2", "", "EC P-256", "SHA256:9Zq0bJ7e", ago(time.Minute)},
		}, Note: Note{"ok", "keys.saved", nil}}},
		{"keys-wrong", 422, at("keys"), Keys{Typed: "-----BEGIN RSA PUBLIC KEY-----\n…", Label: "Old", Problem: Note{"danger", "keys.wrong.weak", []any{"RSA 1024", "RSA 2048"}}}},
		{"activity", 200, at("activity"), Activity{List: []ActivityLine{
			{ago(10 * time.Second), "activity.login", "", "198.51.100.7", true, ""},
			{ago(2 * time.Minute), "activity.consent.give", "Report Builder", "198.51.100.7", true, ""},
			{ago(25 * time.Hour), "activity.login", "", "203.0.113.9", false, "01JD8Y2M7Q"},
			{ago(40 * day), "activity.not.there", "", "203.0.113.9", true, ""},
		}, More: "/account/activity?after=9"}},
		{"activity-empty", 200, at("activity"), Activity{}},
		{"confirm", 200, at("sessions"), Confirm{Key: "sessions", Args: []any{2}, Action: "/account/sessions/end", Fields: []Choice{{"all", "1"}}, Cancel: "/account/sessions", Danger: true}},
		{"confirm-client", 200, at("clients"), Confirm{Key: "client", Args: []any{"Report Builder", 2}, Action: "/account/clients/remove", Fields: []Choice{{"client", "report-builder"}}, Cancel: "/account/clients"}},
	}
}
