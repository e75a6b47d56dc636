package internal_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"jeton/internal/servertest"
)

// judged are paths where a token is judged before the method: another method is
// 401 or 403 there, as the vendor answers it, and not 405.
var judged = map[string]*regexp.Regexp{"aspire": regexp.MustCompile(`^/(?:[A-Z][A-Za-z]+s|WorkTicketStatus)(?:/|$)`)}

func TestEveryDialectsDocumentDescribesWhatIsServed(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	variable := regexp.MustCompile(`\{[^}]*\}`)
	for _, d := range servertest.Dialects() {
		var doc struct {
			OpenAPI string `json:"openapi"`
			Info    struct{ Title, Version string }
			Paths   map[string]map[string]json.RawMessage
		}
		if err := json.Unmarshal(d.OpenAPI, &doc); err != nil {
			t.Errorf("%s: %v", d.Name, err)
			continue
		}
		if !strings.HasPrefix(doc.OpenAPI, "3.") || doc.Info.Title == "" || doc.Info.Version == "" || len(doc.Paths) == 0 {
			t.Errorf("%s: openapi %q, title %q, version %q, %d paths", d.Name, doc.OpenAPI, doc.Info.Title, doc.Info.Version, len(doc.Paths))
		}
		for path, methods := range doc.Paths {
			tokenFirst := judged[d.Name] != nil && judged[d.Name].MatchString(path)
			for _, method := range []string{"GET", "POST", "PUT", "DELETE", "PATCH"} {
				_, described := methods[strings.ToLower(method)]
				concrete := variable.ReplaceAllStringFunc(path, func(v string) string {
					if v == "{org}" {
						return "acme"
					}
					return "1"
				})
				req, err := http.NewRequest(method, s.URL+concrete, nil)
				if err != nil {
					t.Fatal(err)
				}
				resp, err := http.DefaultTransport.RoundTrip(req)
				if err != nil {
					t.Fatal(err)
				}
				_ = resp.Body.Close()
				served := resp.StatusCode != http.StatusMethodNotAllowed
				if served != described && (described || !tokenFirst) {
					t.Errorf("%s: %s %s: status %d, described %v", d.Name, method, path, resp.StatusCode, described)
				}
			}
		}
	}
}
