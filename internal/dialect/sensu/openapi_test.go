package sensu

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestTheDocumentDescribesEveryEndpointAndNoOther(t *testing.T) {
	var doc struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	if err := json.Unmarshal(openapi, &doc); err != nil {
		t.Fatal(err)
	}
	described := map[string]bool{}
	for path, methods := range doc.Paths {
		for method := range methods {
			if method != "parameters" {
				described[strings.ToUpper(method)+" "+path] = true
			}
		}
	}
	served := map[string]bool{"POST /api/core/v2/auth": true}
	for _, base := range []string{"/auth", "/api/core/v2/auth"} {
		for _, route := range []string{"GET " + base, "GET " + base + "/test", "POST " + base + "/token", "POST " + base + "/logout"} {
			served[route] = true
		}
	}
	for _, x := range resources {
		served[x.method+" "+x.pattern] = true
	}
	for route := range served {
		if !described[route] {
			t.Errorf("%s is served and not described", route)
		}
	}
	for route := range described {
		if !served[route] {
			t.Errorf("%s is described and not served", route)
		}
	}
}
