package servertest

import (
	"html"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
)

// Browser is a person's browser without scripts: it keeps cookies, follows our own
// redirects, posts the forms it is shown, and stops where it would leave for a
// client.
type Browser struct {
	T      TB
	S      *Server
	Host   string // Host header, "" = the server's public one
	Agent  string
	HTTP   *http.Client
	Status int
	Header http.Header
	Page   string   // body of the last page
	URL    string   // of the last page, as the server words it
	Left   *url.URL // where the browser was sent outside of this server, nil = nowhere
	Trail  []string // status and URL of each answer since the last Open or Submit
}

// Browser opens a new one.
func (s *Server) Browser(t TB) *Browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &Browser{T: t, S: s, HTTP: &http.Client{
		Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Open goes to a path of the server, or to a URL on it.
func (b *Browser) Open(to string) *Browser {
	b.T.Helper()
	b.Left, b.Trail = nil, nil
	return b.do(http.MethodGet, to, nil, nil)
}

// local puts a URL of the server as it words it into one that reaches it.
func (b *Browser) local(to string) (string, bool) {
	if strings.HasPrefix(to, "/") {
		return b.S.URL + to, true
	}
	if rest, ok := strings.CutPrefix(to, Public); ok && (rest == "" || rest[0] == '/' || rest[0] == '?') {
		return b.S.URL + rest, true
	}
	return to, strings.HasPrefix(to, b.S.URL+"/")
}

func (b *Browser) do(method, to string, form url.Values, header http.Header) *Browser {
	b.T.Helper()
	for range 10 {
		at, ours := b.local(to)
		if !ours {
			u, err := url.Parse(to)
			if err != nil {
				b.T.Fatalf("sent to %q: %v", to, err)
			}
			b.Left = u
			return b
		}
		var body io.Reader
		if form != nil {
			body = strings.NewReader(form.Encode())
		}
		req, err := http.NewRequest(method, at, body)
		if err != nil {
			b.T.Fatal(err)
		}
		maps.Copy(req.Header, header)
		if form != nil {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if req.Header.Get("Origin") == "" && req.Header.Get("Sec-Fetch-Site") == "" {
				req.Header.Set("Sec-Fetch-Site", "same-origin")
			}
		}
		if b.Agent != "" {
			req.Header.Set("User-Agent", b.Agent)
		}
		if b.Host != "" {
			req.Host = b.Host
		}
		resp, err := b.HTTP.Do(req)
		if err != nil {
			b.T.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			b.T.Fatal(err)
		}
		b.Status, b.Header, b.Page, b.URL = resp.StatusCode, resp.Header, string(text), to
		b.Trail = append(b.Trail, resp.Status[:3]+" "+to)
		next := resp.Header.Get("Location")
		if next == "" || resp.StatusCode < 300 || resp.StatusCode > 399 {
			if m := refresh.FindStringSubmatch(b.Page); m != nil {
				next = html.UnescapeString(m[1])
				if _, ours := b.local(next); !ours {
					if b.Left, err = url.Parse(next); err != nil {
						b.T.Fatalf("sent to %q: %v", next, err)
					}
				}
			}
			return b
		}
		if strings.HasPrefix(next, "?") || !strings.Contains(next, ":") && !strings.HasPrefix(next, "/") {
			b.T.Fatalf("a relative redirect: %q", next)
		}
		to, method, form, header = next, http.MethodGet, nil, nil
	}
	b.T.Fatalf("redirected in circles: %q", b.Trail)
	return b
}

var (
	refresh = regexp.MustCompile(`(?i)<meta http-equiv="refresh" content="0; ?url=([^"]*)"`)
	formTag = regexp.MustCompile(`(?s)<form\b([^>]*)>(.*?)</form>`)
	input   = regexp.MustCompile(`(?s)<input\b([^>]*)>`)
	attr    = regexp.MustCompile(`([a-z-]+)="([^"]*)"`)
)

func attrs(tag string) map[string]string {
	out := map[string]string{}
	for _, m := range attr.FindAllStringSubmatch(tag, -1) {
		out[m[1]] = html.UnescapeString(m[2])
	}
	return out
}

// Form is the form of the page whose action ends in action: where it posts to and
// what it holds before anybody types.
func (b *Browser) Form(action string) (to string, fields url.Values) {
	b.T.Helper()
	for _, m := range formTag.FindAllStringSubmatch(b.Page, -1) {
		to := attrs(m[1])["action"]
		if !strings.HasSuffix(to, action) {
			continue
		}
		fields := url.Values{}
		for _, i := range input.FindAllStringSubmatch(m[2], -1) {
			a := attrs(i[1])
			if a["name"] == "" || (a["type"] == "checkbox" && !strings.Contains(i[1], " checked")) {
				continue
			}
			fields.Add(a["name"], a["value"])
		}
		return to, fields
	}
	b.T.Fatalf("no form for %s on %s (%d):\n%s", action, b.URL, b.Status, b.Page)
	return "", nil
}

// Submit posts the form whose action ends in action with these fields set: pairs of
// name and value.
func (b *Browser) Submit(action string, pairs ...string) *Browser {
	b.T.Helper()
	to, fields := b.Form(action)
	for i := 0; i+1 < len(pairs); i += 2 {
		fields.Set(pairs[i], pairs[i+1])
	}
	return b.Post(to, fields, nil)
}

// Post posts fields, whatever page is shown.
func (b *Browser) Post(to string, fields url.Values, header http.Header) *Browser {
	b.T.Helper()
	b.Left, b.Trail = nil, nil
	return b.do(http.MethodPost, to, fields, header)
}

// SignIn fills in the sign-in page that is shown.
func (b *Browser) SignIn(name, password string) *Browser {
	b.T.Helper()
	return b.Submit("/login", "name", name, "password", password)
}

// Answer is the parameters a client got, by redirect or by a form that is shown.
func (b *Browser) Answer() url.Values {
	b.T.Helper()
	if b.Left != nil {
		return b.Left.Query()
	}
	for _, m := range formTag.FindAllStringSubmatch(b.Page, -1) {
		to := attrs(m[1])["action"]
		if _, ours := b.local(to); !ours && to != "" {
			_, fields := b.Form(to)
			return fields
		}
	}
	b.T.Fatalf("not back at a client but on %s (%d):\n%s", b.URL, b.Status, b.Page)
	return nil
}
