package outbound

import "net/netip"

// special is what lies within the ranges of unicast addresses and is not the public
// Internet, or leads somewhere else (IANA special-purpose address registries, RFC
// 6890): private, shared, link-local with the metadata services of clouds, test
// networks, documentation, and addresses with another one inside.
var special = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
	"192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24",
	"203.0.113.0/24", "224.0.0.0/3",
	"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
)

// global is where IANA gives out IPv6 addresses (RFC 4291 §2.4); loopback, NAT64, ULA,
// link-local, multicast and whatever comes to be are outside.
var global = netip.MustParsePrefix("2000::/3")

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, text := range list {
		out[i] = netip.MustParsePrefix(text)
	}
	return out
}

// public reports whether a is a unicast address of the public Internet. a is not
// mapped and has no zone.
func public(a netip.Addr) bool {
	if !a.IsValid() || (a.Is6() && !global.Contains(a)) {
		return false
	}
	return !within(special, a)
}

// listed reports whether the operator let calls go to a.
func (c *Client) listed(a netip.Addr) bool {
	return within(c.allow, a) || (a.IsLoopback() && c.loopback != nil && c.loopback())
}

func within(list []netip.Prefix, a netip.Addr) bool {
	for _, p := range list {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
