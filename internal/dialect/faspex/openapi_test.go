package faspex_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"jeton/internal/dialect/faspex"
	"jeton/internal/servertest"
)

func TestTheDocumentDescribesWhatIsServed(t *testing.T) {
	var doc struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	if err := json.Unmarshal(faspex.Dialect.OpenAPI, &doc); err != nil {
		t.Fatal(err)
	}
	s := servertest.Start(t, servertest.Options{})
	for path, methods := range doc.Paths {
		for _, method := range []string{"GET", "POST"} {
			req, err := http.NewRequest(method, s.URL+strings.ReplaceAll(path, "{id}", "me"), nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			_, described := methods[strings.ToLower(method)]
			if served := resp.StatusCode != http.StatusMethodNotAllowed; served != described {
				t.Errorf("%s %s: served %v, described %v", method, path, served, described)
			}
		}
	}
	if len(doc.Paths) != 3 {
		t.Errorf("%d paths", len(doc.Paths))
	}
}
