package client

import "strings"

// Home is where an organization's own pages are: the first host bound to it, else
// below a path prefix of the host that all share. Where nothing is bound to an
// organization, its id is its prefix, "/o/acme", so that a product whose paths name
// the organization has somewhere to send a person. The default organization needs
// neither.
func (o *Org) Home() (host, prefix string) {
	switch {
	case len(o.Hosts) > 0:
		return o.Hosts[0], ""
	case len(o.Prefixes) > 0:
		return "", strings.TrimSuffix(o.Prefixes[0], "/")
	case o.Default:
		return "", ""
	}
	return "", "/o/" + o.ID
}
