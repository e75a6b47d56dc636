package aspire

import (
	"encoding/json"
	"net/http"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jeton/internal/dialect"
	"jeton/internal/oauth"
	"jeton/internal/wire"
)

func TestEveryRefusalIsAProblemObject(t *testing.T) {
	form := regexp.MustCompile(`^\{"type":"https://tools\.ietf\.org/html/rfc\d+#section-[\d.]+","title":"[A-Z][A-Za-z -]+","status":\d{3},` +
		`("detail":"[^"]+",)?("errors":\{"[^"]+":\["[^"]+"\]\},)?"traceId":"00-[0-9a-f]{32}-[0-9a-f]{16}-00"\}$`)
	for _, code := range append(oauth.Codes(), "", "no such code") {
		for _, voice := range append(Dialect.Voices, "") {
			r := words(dialect.Refusal{Code: code, Description: "what the client may read", Voice: voice, ID: "01ERRORID"})
			body, err := wire.JSONText(r.Body)
			if err != nil {
				t.Fatal(err)
			}
			if !form.Match(body) || r.Status < 400 || r.ContentType != "application/problem+json; charset=utf-8" {
				t.Errorf("%s in voice %q: %d %s %s", code, voice, r.Status, r.ContentType, body)
			}
			if got := r.Header.Get("WWW-Authenticate"); (r.Status == http.StatusUnauthorized) != (got == "Bearer") {
				t.Errorf("%s: %d with WWW-Authenticate %q", code, r.Status, got)
			}
		}
	}
}

func TestEachRefusalHasItsStatus(t *testing.T) {
	want := map[oauth.Code]int{
		oauth.InvalidClient: 404, oauth.BadPassword: 404, oauth.MissingParameter: 400, oauth.MalformedBody: 400, oauth.InvalidRequest: 400,
		oauth.UnsupportedMedia: 415, oauth.BadRefreshToken: 401, oauth.MissingToken: 401, oauth.InvalidToken: 401,
		oauth.InsufficientScope: 403, oauth.UnauthorizedClient: 403, oauth.RateLimited: 429, oauth.TooLarge: 413,
		oauth.NotFound: 404, oauth.MethodNotAllowed: 405, oauth.Unavailable: 503, oauth.ServerError: 500, "": 500,
	}
	got := map[oauth.Code]int{}
	for code := range want {
		got[code] = words(dialect.Refusal{Code: code}).Status
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if s := words(dialect.Refusal{Code: oauth.InvalidClient, Voice: voiceUnauthorized}).Status; s != 401 {
		t.Errorf("bad credentials in the other voice: %d", s)
	}
}

// FuzzCredentials: what is accepted is what another JSON reader finds under the names
// in any ASCII case, and is never empty.
func FuzzCredentials(f *testing.F) {
	for _, s := range []string{
		`{"ClientId":"a","Secret":"b"}`, `{"clientid":"a","SECRET":"b"}`, `{"ClientId":"a","clientId":"b","Secret":"c"}`,
		`{"ClientId":["a"],"Secret":"b"}`, `{"ClientId":"","Secret":null}`, `[]`, `{}`, `{"ClientId":"\ud800","Secret":"b"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		body, err := wire.JSONFold(b)
		if err != nil {
			return
		}
		c, err := readCredentials(body)
		if err != nil {
			if code := oauth.AsRefusal(err).Code; code != oauth.MissingParameter && code != oauth.InvalidRequest {
				t.Fatalf("refused with %s", code)
			}
			return
		}
		var plain map[string]any
		if err := json.Unmarshal(b, &plain); err != nil {
			t.Fatalf("encoding/json refuses it: %v", err)
		}
		read := map[string]any{}
		for name, v := range plain {
			read[asciiLower(name)] = v
		}
		if c.ClientID == "" || c.Secret == "" || c.ClientID != read["clientid"] || c.Secret.Reveal() != read["secret"] {
			t.Fatalf("read otherwise: %q, want %q", c.ClientID, read["clientid"])
		}
	})
}

func asciiLower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}
