package client_test

import (
	"testing"

	"jeton/internal/client"
)

func TestEveryOrganizationHasAHome(t *testing.T) {
	for _, c := range []struct {
		name         string
		org          client.Org
		host, prefix string
	}{
		{"its first host", client.Org{ID: "acme", Hosts: []string{"a.example", "b.example"}, Prefixes: []string{"/a"}}, "a.example", ""},
		{"its first prefix", client.Org{ID: "acme", Prefixes: []string{"/a/", "/b"}}, "", "/a"},
		{"its id", client.Org{ID: "acme"}, "", "/o/acme"},
		{"the default one is at the shared host", client.Org{ID: "main", Default: true}, "", ""},
	} {
		if host, prefix := c.org.Home(); host != c.host || prefix != c.prefix {
			t.Errorf("%s: %q %q", c.name, host, prefix)
		}
	}
}
