package aspire

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type described struct {
	OpenAPI string
	Info    struct{ Title, Version string }
	Paths   map[string]map[string]struct {
		ID          string `json:"operationId"`
		Tags        []string
		Description string
		Security    []map[string][]string
		Responses   map[string]any
	}
	Components struct {
		SecuritySchemes map[string]struct{ Type, Scheme, BearerFormat string }
		Schemas         map[string]any
	}
}

func describedBy(t *testing.T, document []byte) described {
	t.Helper()
	var d described
	if err := json.Unmarshal(document, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestTheDocumentIsTheVendorsByItsNames(t *testing.T) {
	d := describedBy(t, Dialect.OpenAPI)
	login, refresh := d.Paths["/Authorization"]["post"], d.Paths["/Authorization/RefreshToken"]["post"]
	bearer := d.Components.SecuritySchemes["Bearer"]
	got := []string{
		d.OpenAPI, d.Info.Title, d.Info.Version, login.ID, refresh.ID, login.Tags[0], refresh.Tags[0],
		bearer.Type, bearer.Scheme, bearer.BearerFormat,
	}
	want := []string{
		"3.0.0", "Aspire.ExternalApi", "1.0", "Authorization_AuthenticateApiRequest", "Authorization_RefreshToken",
		"Authorization", "Authorization", "http", "bearer", "JWT",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(login.Security)+len(refresh.Security) != 0 {
		t.Error("logging in asks for a token")
	}
}

func TestTheDocumentAndTheScopesComeFromOneCatalogue(t *testing.T) {
	c, err := standard.Extend([]string{"Estimates GET", "Estimates/Approve POST", "Jobs"})
	if err != nil {
		t.Fatal(err)
	}
	d := describedBy(t, document(c))
	var scopes []string
	ids := map[string]bool{}
	for path, ops := range d.Paths {
		for method, op := range ops {
			if ids[op.ID] {
				t.Errorf("operation id %s is used twice", op.ID)
			}
			ids[op.ID] = true
			if len(op.Security) == 0 {
				continue
			}
			e, ok := c.find(strings.ToUpper(method), strings.ReplaceAll(path, item, "7"))
			if !ok {
				t.Errorf("%s %s is described and reaches nothing", method, path)
				continue
			}
			if scope := e.scope(strings.ToUpper(method)); !slices.Contains(scopes, scope) {
				if scopes = append(scopes, scope); !strings.Contains(op.Description, "`"+scope+"`") {
					t.Errorf("%s %s: %q does not name %s", method, path, op.Description, scope)
				}
			}
		}
	}
	slices.Sort(scopes)
	if diff := cmp.Diff(slices.Sorted(slices.Values(c.Scopes())), scopes); diff != "" {
		t.Error(diff)
	}
}

func TestEveryReferenceInTheDocumentLeadsSomewhere(t *testing.T) {
	d := describedBy(t, Dialect.OpenAPI)
	for _, part := range strings.Split(string(Dialect.OpenAPI), `"$ref": "#/components/schemas/`)[1:] {
		name, _, _ := strings.Cut(part, `"`)
		if d.Components.Schemas[name] == nil {
			t.Errorf("no schema %s", name)
		}
	}
}
