package page

import (
	"crypto/sha256"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"jeton/internal/oauth"
)

func newGuard(secret string) Guard {
	return Guard{
		Derive: func(label string, n int) []byte {
			sum := sha256.Sum256([]byte(secret + "\x00" + label))
			return sum[:n]
		},
		Now: func() time.Time { return now },
	}
}

func asking(cookies ...*http.Cookie) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "https://login.example/login", nil)
	for _, c := range cookies {
		r.AddCookie(c)
	}
	return r
}

func TestABrowserKeepsItsName(t *testing.T) {
	g := newGuard("a")
	for _, secure := range []bool{true, false} {
		id, cookie := g.Browser(asking(), secure)
		if cookie == nil || id == "" {
			t.Fatal("a new browser got no name")
		}
		again, other := g.Browser(asking(cookie), secure)
		if again != id || other != nil {
			t.Errorf("the browser %s came back as %s, cookie %v", id, again, other)
		}
		if !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode || cookie.Path != "/" || cookie.MaxAge != 0 || !cookie.Expires.IsZero() || cookie.Secure != secure || cookie.Domain != "" {
			t.Errorf("secure %v: %s", secure, cookie)
		}
		if strings.HasPrefix(cookie.Name, "__Host-") != secure {
			t.Errorf("secure %v: %s", secure, cookie.Name)
		}
	}
}

func TestAPlantedNameIsReplaced(t *testing.T) {
	g := newGuard("a")
	_, theirs := newGuard("b").Browser(asking(), true)
	id, ours := g.Browser(asking(), true)
	name, seal, _ := strings.Cut(ours.Value, ".")
	later := g
	later.Now = func() time.Time { return now.AddDate(0, 4, 0) }
	tests := map[string]string{
		"another server's": theirs.Value, "no seal": name, "an empty seal": name + ".", "an empty name": "." + seal, "empty": "",
		"token as seal": name + "." + g.Token(name), "a shorter name": name[:8] + "." + seal, "more after it": ours.Value + "x",
		"another name": strings.Repeat("A", len(name)) + "." + seal, "long": strings.Repeat("A", 9000),
	}
	for what, value := range tests {
		got, cookie := g.Browser(asking(&http.Cookie{Name: ours.Name, Value: value}), true)
		if cookie == nil || got == name || got == "" || !strings.HasPrefix(cookie.Value, got+".") {
			t.Errorf("%s: kept %q", what, got)
		}
	}
	if got, cookie := later.Browser(asking(ours), true); cookie == nil || got == id {
		t.Error("a name of four months ago is kept")
	}
	if got, cookie := g.Browser(asking(theirs, ours), true); got != id || cookie != nil {
		t.Error("a planted cookie before ours hides ours")
	}
	if got, cookie := g.Browser(asking(&http.Cookie{Name: BrowserCookie(false), Value: ours.Value}), true); cookie == nil || got == id {
		t.Error("a cookie without the prefix counts on https")
	}
}

func TestAFormCountsOnlyFromTheBrowserItWasShownTo(t *testing.T) {
	g := newGuard("a")
	id, cookie := g.Browser(asking(), true)
	other, _ := g.Browser(asking(), true)
	_, seal, _ := strings.Cut(cookie.Value, ".")
	if id == other {
		t.Fatal("two browsers of one name")
	}
	tests := []struct {
		name      string
		id, token string
		header    map[string]string
		ok        bool
	}{
		{"its own", id, g.Token(id), nil, true},
		{"its own, same origin", id, g.Token(id), map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": "null"}, true},
		{"its own, an older browser", id, g.Token(id), map[string]string{"Origin": "https://login.example"}, true},
		{"its own, an older browser without referrer", id, g.Token(id), map[string]string{"Origin": "null"}, true},
		{"none", id, "", nil, false},
		{"another browser's", id, g.Token(other), nil, false},
		{"swapped", other, g.Token(id), nil, false},
		{"the cookie's seal", id, seal, nil, false},
		{"cut", id, g.Token(id)[1:], nil, false},
		{"another server's", id, newGuard("b").Token(id), nil, false},
		{"no browser", "", g.Token(""), nil, false},
		{"no origin, no token", id, "", map[string]string{"Origin": "null"}, false},
		{"another site", id, g.Token(id), map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "null"}, false},
		{"a sister site", id, g.Token(id), map[string]string{"Sec-Fetch-Site": "same-site"}, false},
		{"another site, an older browser", id, g.Token(id), map[string]string{"Origin": "https://evil.example"}, false},
	}
	for _, x := range tests {
		r := asking()
		for k, v := range x.header {
			r.Header.Set(k, v)
		}
		err := g.Check(r, x.id, x.token)
		if x.ok && err != nil || !x.ok && !oauth.Is(err, oauth.Forbidden) {
			t.Errorf("%s: %v", x.name, err)
		}
	}
}

// FuzzBrowser: a name is kept only with the seal this server makes for it.
func FuzzBrowser(f *testing.F) {
	g := newGuard("a")
	_, cookie := g.Browser(asking(), true)
	f.Add(cookie.Value)
	f.Add("a.b")
	f.Add(strings.Repeat("A", 24) + ".")
	f.Fuzz(func(t *testing.T, value string) {
		id, ok := g.open(value)
		if ok && value != id+"."+g.mac(sealLabel, id) {
			t.Fatalf("%q was kept as %q", value, id)
		}
	})
}
