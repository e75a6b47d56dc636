package authorize

import (
	"net/url"
	"strings"
	"testing"
)

func TestOnlyThePortOfALoopbackAddressMayDiffer(t *testing.T) {
	registered := []string{"https://app.example/cb", "http://127.0.0.1/cb", "http://[::1]:9000/cb?x=1", "http://localhost:8080/cb", "com.example.app:/cb"}
	for uri, want := range map[string]bool{
		"https://app.example/cb":           true,
		"com.example.app:/cb":              true,
		"http://127.0.0.1/cb":              true,
		"http://127.0.0.1:49152/cb":        true,
		"http://[::1]:1/cb?x=1":            true,
		"http://localhost:8080/cb":         true,
		"http://localhost:8081/cb":         false,
		"https://127.0.0.1:49152/cb":       false,
		"http://127.0.0.1:49152/other":     false,
		"http://127.0.0.1:49152/cb?x=1":    false,
		"http://127.0.0.1:/cb":             false,
		"http://127.0.0.1:123456/cb":       false,
		"http://127.0.0.1@evil.example/cb": false,
		"http://127.0.0.1.evil.example/cb": false,
		"http://127.0.0.1:1@evil/cb":       false,
		"http://[::1]:9000/cb":             false,
		"https://app.example/cb/":          false,
		"HTTPS://app.example/cb":           false,
		"":                                 false,
	} {
		if got := Registered(registered, uri); got != want {
			t.Errorf("%q: %v", uri, got)
		}
	}
}

// FuzzRegistered: whatever passes is what was registered, or leads to the same
// loopback address and path.
func FuzzRegistered(f *testing.F) {
	for _, uri := range []string{"http://127.0.0.1:1/cb", "http://[::1]/cb", "http://127.0.0.1/cb", "https://a.example/cb", "http://127.0.0.1:80@x/cb"} {
		f.Add("http://127.0.0.1/cb", uri)
		f.Add("http://[::1]:5/cb?q", uri)
	}
	f.Fuzz(func(t *testing.T, registered, uri string) {
		if !Registered([]string{registered}, uri) || registered == uri {
			return
		}
		r, err := url.Parse(registered)
		if err != nil {
			return // nobody registers it
		}
		u, err := url.Parse(uri)
		if err != nil {
			t.Fatalf("%q passes for %q and is no URL: %v", uri, registered, err)
		}
		host := u.Hostname()
		if (host != "127.0.0.1" && host != "::1") || host != r.Hostname() || u.User != nil || u.Scheme != "http" ||
			u.EscapedPath() != r.EscapedPath() || u.RawQuery != r.RawQuery || strings.ContainsAny(u.Host, "@/\\") {
			t.Errorf("%q passes for %q", uri, registered)
		}
	})
}
