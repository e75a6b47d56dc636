package aspire

import (
	"encoding/json"
	"errors"
	"net/url"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jeton/internal/client"
)

func TestAPathReachesOneEndpointOrNone(t *testing.T) {
	tests := []struct{ method, path, scope string }{
		{"GET", "/Contacts", "Contacts.GET"},
		{"GET", "/contacts", "Contacts.GET"},
		{"POST", "/CONTACTS", "Contacts.POST"},
		{"PUT", "/Contacts/7", "Contacts.PUT"},
		{"GET", "/Contacts/8e4c0f6a-9b1d-4f0e-a6a3-1f2d3c4b5a69", "Contacts.GET"},
		{"GET", "/Attachments/NewLink", "Attachments/NewLink.GET"},
		{"GET", "/attachments/newlink/7", "Attachments/NewLink.GET"},
		{"POST", "/WorkTickets/CreateAsNeededWorkTickets", "WorkTickets/CreateAsNeededWorkTickets.POST"},
		{"POST", "/WorkTicketStatus/MarkWorkTicketAsReviewed", "WorkTicketStatus/MarkWorkTicketAsReviewed.POST"},
		{"DELETE", "/OpportunityTags/7", "OpportunityTags.DELETE"},
		{"GET", "/OpportunityTags/7", "OpportunityTags.GET"},

		{"DELETE", "/OpportunityTags", ""},                        // only one object is deleted
		{"POST", "/Attachments/NewLink", ""},                      // an action's methods are its own, not its controller's
		{"GET", "/WorkTickets/CreateAsNeeded", "WorkTickets.GET"}, // not an action: one object by that name
		{"GET", "/WorkTicketStatus", ""},
		{"GET", "/WorkTicketStatus/7", ""},
		{"DELETE", "/Contacts", ""},
		{"HEAD", "/Contacts", ""},
		{"get", "/Contacts", ""},
		{"", "/Contacts", ""},
		{"GET", "/Nobody", ""},
		{"GET", "/Contacts/", ""},
		{"GET", "/Contacts/7/", ""},
		{"GET", "/Contacts/7/Notes", ""},
		{"GET", "/Attachments/NewLink/7/8", ""},
		{"GET", "//Contacts", ""},
		{"GET", "/Contacts//7", ""},
		{"GET", "/Jobs/../Contacts", ""},
		{"GET", "/Jobs/..", ""},
		{"GET", "/Jobs/.", ""},
		{"GET", "/./Jobs", ""},
		{"GET", "/Cont%61cts", ""},
		{"GET", "/Attachments/%4EewLink", ""},
		{"GET", "/Attachments%2fNewLink", ""},
		{"GET", "/Attachments/x%2f..%2fNewLink", ""},
		{"GET", `/Attachments\NewLink`, ""},
		{"GET", "/Attachments;x/NewLink", ""},
		{"GET", "/Attachments/NewLink;x", ""},
		{"GET", "/Contacts?x=1", ""},
		{"GET", "/Contacts#x", ""},
		{"GET", "/Contacts ", ""},
		{"GET", "/Contacts\x00", ""},
		{"GET", "/Tas\u212as", ""}, // a Kelvin sign is no k
		{"GET", "/OpportunityTags/{id}", ""},
		{"GET", "Contacts", ""},
		{"GET", "/", ""},
		{"GET", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) {
			got := ""
			if e, ok := standard.find(tt.method, tt.path); ok {
				got = e.scope(tt.method)
			}
			if got != tt.scope {
				t.Errorf("scope %q, want %q", got, tt.scope)
			}
		})
	}
}

func TestEveryScopeOfTheCatalogueIsAScopeAndNothingElseIs(t *testing.T) {
	for _, s := range append(standard.Scopes(), "*") {
		if err := CheckScope(s); err != nil {
			t.Error(err)
		}
	}
	for _, s := range []string{
		"", "**", "Contacts", "Contacts.", ".GET", "contacts.GET", "Contacts.get", "Contacts.DELETE", "Contacts.*", "*.GET",
		"Attachments/NewLink.POST", "OpportunityTags/{id}.DELETE", "Contacts.GET ", "Nobody.GET",
	} {
		if err := CheckScope(s); !errors.Is(err, ErrCatalogue) {
			t.Errorf("scope %q: %v", s, err)
		}
	}
}

func TestLinesAddReplaceAndRemoveEndpoints(t *testing.T) {
	c, err := standard.Extend([]string{"Estimates GET", "Estimates/Approve POST", "contacts  GET", "Jobs"})
	if err != nil {
		t.Fatal(err)
	}
	has := func(scope string) bool { return c.CheckScope(scope) == nil }
	got := []bool{has("Estimates.GET"), has("Estimates/Approve.POST"), has("Contacts.GET"), has("Contacts.POST"), has("Jobs.GET"), has("Users.GET")}
	if d := cmp.Diff([]bool{true, true, true, false, false, true}, got); d != "" {
		t.Error(d)
	}
	if standard.CheckScope("Jobs.GET") != nil || standard.CheckScope("Estimates.GET") == nil {
		t.Error("the standard catalogue was changed")
	}
}

func TestLinesThatNameNothingAreRefused(t *testing.T) {
	for _, line := range []string{
		"", "   ", "/Contacts GET", "Contacts/ GET", "Contacts/7 GET", "Contacts/a/b GET", "Contacts/{name} GET", "{id} GET",
		"* GET", "Con-tacts GET", "Kontakte\u00fc GET", "Contacts get", "Contacts GET GET", "Contacts HEAD", "Contacts GET,POST",
		strings.Repeat("a", maxName+1) + " GET",
	} {
		if _, err := standard.Extend([]string{line}); !errors.Is(err, ErrCatalogue) {
			t.Errorf("line %q: %v", line, err)
		}
	}
}

func TestAnOrganizationMayHaveACatalogueOfItsOwn(t *testing.T) {
	org := func(settings string) *client.Org {
		o := &client.Org{ID: "west", Settings: map[string]map[string]json.RawMessage{Name: {}}}
		if err := json.Unmarshal([]byte(settings), &o.Settings); err != nil {
			t.Fatal(err)
		}
		return o
	}
	c, err := For(org(`{"aspire":{"catalogue":["Estimates GET"],"catalogue_only":true}}`))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"Estimates.GET"}, c.Scopes()); d != "" {
		t.Error(d)
	}
	if c, err = For(org(`{}`)); err != nil || c != standard {
		t.Errorf("without settings: %v, %v", c, err)
	}
	for _, broken := range []string{`{"aspire":{"catalogue":"Estimates GET"}}`, `{"aspire":{"catalogue":["Estimates get"]}}`} {
		if _, err := For(org(broken)); err == nil {
			t.Errorf("%s was taken", broken)
		}
	}
}

// FuzzFind: what reaches an endpoint can be read in one way only, by whatever
// server stands behind.
func FuzzFind(f *testing.F) {
	for _, s := range []string{"/Contacts", "/contacts/7", "/Attachments/NewLink", "/Attachments/%4eewLink", "/a/../Contacts", "/Contacts;/x", "//Contacts"} {
		f.Add("GET", s)
	}
	f.Fuzz(func(t *testing.T, method, p string) {
		e, ok := standard.find(method, p)
		if !ok {
			return
		}
		if err := standard.CheckScope(e.scope(method)); err != nil {
			t.Fatal(err)
		}
		if path.Clean(p) != p {
			t.Fatalf("%q is cleaned to %q", p, path.Clean(p))
		}
		if u, err := url.ParseRequestURI(p); err != nil || u.Path != p || u.RawQuery != "" {
			t.Fatalf("%q is read as %+v, %v", p, u, err)
		}
		controller, _, _ := strings.Cut(e.path, "/")
		if first, _, _ := strings.Cut(p[1:], "/"); !strings.EqualFold(first, controller) {
			t.Fatalf("%q reaches %s", p, e.path)
		}
	})
}

// FuzzExtend: a line that is taken comes out of the catalogue as it went in.
func FuzzExtend(f *testing.F) {
	for _, s := range []string{"Contacts GET POST", "Contacts/{id} DELETE", "A/B PUT", "x", "A GET GET", "A/ GET"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		c, err := (&Catalogue{}).Extend([]string{line})
		if err != nil {
			if !errors.Is(err, ErrCatalogue) {
				t.Fatal(err)
			}
			return
		}
		for _, e := range c.list() {
			again, err := (&Catalogue{}).Extend([]string{e.path + " " + strings.Join(e.methods, " ")})
			if err != nil || !slices.Equal(again.Scopes(), c.Scopes()) {
				t.Fatalf("%q became %v, then %v (%v)", line, c.Scopes(), again, err)
			}
		}
	})
}
