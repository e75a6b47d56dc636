package page

import (
	"html"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

var (
	refreshTag = regexp.MustCompile(`<meta http-equiv="refresh" content="([^"]*)">`)
	linkTag    = regexp.MustCompile(`<a class="button primary full" href="([^"]*)"`)
)

// target reads a page that leaves as a browser does: the refresh's address and the
// link's.
func target(t testing.TB, page string) (refresh, link string) {
	t.Helper()
	r, l := refreshTag.FindStringSubmatch(page), linkTag.FindStringSubmatch(page)
	if len(r) != 2 || len(l) != 2 {
		t.Fatal("no refresh, or no link")
	}
	refresh, found := strings.CutPrefix(html.UnescapeString(r[1]), "0;url=")
	if !found {
		t.Fatalf("refresh is %q", r[1])
	}
	return refresh, html.UnescapeString(l[1])
}

func TestAPageThatLeavesLeavesForTheClient(t *testing.T) {
	s := newSet(t, Options{})
	tests := []struct{ address, want string }{
		{"https://r.example/cb?code=a.b-c_d~e&state=%7B%22x%22%3A1%7D&iss=https%3A%2F%2Fop", "https://r.example/cb?code=a.b-c_d~e&state=%7B%22x%22%3A1%7D&iss=https%3A%2F%2Fop"},
		{"http://127.0.0.1:8080/cb#frag=1", "http://127.0.0.1:8080/cb#frag=1"},
		{"http://[::1]:8080/cb?a[]=1", "http://[::1]:8080/cb?a[]=1"},
		{"com.example.app:/cb?code=1", "com.example.app:/cb?code=1"},
		{"com.example.app:cb;url=javascript:alert(1)", "com.example.app:cb;url=javascript:alert%281%29"},
		{`https://r.example/a b"c'd<e>f;g`, "https://r.example/a%20b%22c%27d%3Ce%3Ef;g"},
		{`https://r.example/?s='"><script>alert(1)</script>`, "https://r.example/?s=%27%22%3E%3Cscript%3Ealert%281%29%3C/script%3E"},
		{"https://r.example/é", "https://r.example/%C3%A9"},
		{"https://r.example/?a=1;b=2;url=https://evil.example/", "https://r.example/?a=1;b=2;url=https://evil.example/"},
	}
	for _, x := range tests {
		refresh, link := target(t, body(t, draw(t, s, sample{x.address, 200, Frame{}, HandOver{Client: "C", Host: "h", URL: x.address}})))
		if refresh != x.want || link != x.want {
			t.Errorf("%s: refresh %s, link %s, want %s", x.address, refresh, link, x.want)
		}
	}
}

func TestAPageNeverLeavesForWhatWouldRunHere(t *testing.T) {
	s := newSet(t, Options{})
	for _, address := range []string{
		"javascript:alert(1)", "JavaScript:alert(1)", " javascript:alert(1)", "java\nscript:alert(1)", "\x01javascript:alert(1)", "java\tscript:alert(1)",
		"data:text/html,<script>alert(1)</script>", "vbscript:x", "blob:https://x/1", "about:blank", "file:///etc/passwd", "view-source:https://x/",
		"https://r.example/\r\nSet-Cookie: a=b", "https://r.example/\x00", "https://r.example/\x7f",
		"", "/cb", "//evil.example/cb", "cb", ":cb", "1a:cb", "a b:cb", "javascript&colon;alert(1)",
	} {
		for _, view := range []any{HandOver{URL: address}, SignedOut{URL: address}, FormPost{Action: address}} {
			if v, ok := view.(SignedOut); ok && v.URL == "" {
				continue // nowhere to go is fine there
			}
			if r, err := s.HTML(200, Frame{}, view); err == nil {
				t.Errorf("%T to %q: status %d", view, address, r.Status)
			}
		}
	}
	if _, err := s.HTML(200, Frame{}, FormPost{Action: "com.example.app:/cb"}); err == nil {
		t.Error("a form was sent to an application's scheme")
	}
}

func TestAFormIsPostedWithItsValues(t *testing.T) {
	page := body(t, draw(t, newSet(t, Options{}), sample{"", 200, Frame{}, FormPost{Action: "https://r.example/cb?x=1&y=2", Fields: []Choice{{"state", "a\"b'<c>&d"}}}}))
	found := map[string]string{}
	walk(t, "formpost", page, func(n node) {
		switch n.open {
		case "form":
			found["action"] = n.attr["action"]
		case "input":
			found[n.attr["name"]] = n.attr["value"]
		}
	})
	if found["action"] != "https://r.example/cb?x=1&y=2" || found["state"] != "a\"b'<c>&d" || len(found) != 2 {
		t.Errorf("the page posts %v", found)
	}
	if !strings.Contains(page, "/assets/post-") || regexp.MustCompile(`/assets/app-\w+\.js`).MatchString(page) || strings.Index(page, "<form") != strings.LastIndex(page, "<form") {
		t.Error("the page must load the script that posts, and hold one form")
	}
}

// FuzzLeave: whatever passes is read by a browser as the same address, of a scheme
// that leaves, and nothing of it ends the attribute it stands in.
func FuzzLeave(f *testing.F) {
	for _, s := range []string{"https://r.example/cb?x=1", "com.example.app:/cb", "javascript:alert(1)", "a:'\"><", "https://é/", "java\nscript:x", "x:%", "https://a/%zz"} {
		f.Add(s)
	}
	s := newSet(f, Options{})
	f.Fuzz(func(t *testing.T, address string) {
		r, err := s.HTML(200, Frame{}, HandOver{URL: address})
		if err != nil {
			return
		}
		refresh, link := target(t, string(r.Body.([]byte)))
		if refresh != link {
			t.Fatalf("refresh %q, link %q", refresh, link)
		}
		scheme, rest, _ := strings.Cut(link, ":")
		if stays[strings.ToLower(scheme)] || !isScheme(scheme) || strings.ContainsAny(link, " \"'<>\n\r\t\x00") {
			t.Fatalf("%q became %q", address, link)
		}
		_, was, _ := strings.Cut(address, ":")
		if got, err := url.PathUnescape(rest); err == nil {
			if want, err := url.PathUnescape(was); err == nil && got != want {
				t.Fatalf("%q leads to %q", address, link)
			}
		}
	})
}
