package internal_test

import (
	"strings"
	"testing"

	"jeton/internal/adminapi"
	"jeton/internal/config"
	"jeton/internal/server"
)

func TestAScopeThatIsNoEndpointIsFoundByLint(t *testing.T) {
	const file = `
version: 1
%organizations
clients:
  - {id: x, dialect: aspire, secrets: [{env: S}], grants: [client_credentials], scopes: [Contacts.GET, Contact.GET]}
`
	lint := func(organizations string) []config.Problem {
		f, problems := config.Parse("world.yaml", []byte(strings.Replace(file, "%organizations", organizations, 1)))
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		return config.Lint(f, config.Options{Dialects: adminapi.Dialects(server.Dialects())})
	}
	found := lint("")
	if len(found) != 1 || found[0].Line != 5 || !strings.Contains(found[0].Text, "Contact.GET") {
		t.Errorf("problems: %v", found)
	}
	own := `organizations: [{id: default, name: D, default: true, settings: {aspire: {catalogue: ["Contact GET"]}}}]`
	if found := lint(own); len(found) != 0 {
		t.Errorf("an endpoint of the organization's own: %v", found)
	}
}
