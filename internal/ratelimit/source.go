package ratelimit

import (
	"net/netip"
	"strings"
)

// Whoever has one address of these sizes usually has them all: a home or server
// gets at least a /64 of IPv6, a site a /48; a /24 of IPv4 is one operator's.
const (
	source4, source6   = 32, 64
	network4, network6 = 24, 48
)

// maxAddr bounds a source that is not an address, in bytes.
const maxAddr = 64

// sourceOf gives the keys under which failures from addr are counted: its own
// and its network's. addr is an address, with or without a port; a text that is
// none counts as it stands, and no text at all is not counted.
func sourceOf(addr string) (source, network string) {
	ip, ok := parseAddr(addr)
	if !ok {
		if len(addr) > maxAddr {
			addr = addr[:maxAddr]
		}
		return strings.Clone(addr), ""
	}
	near, wide := source6, network6
	if ip.Is4() {
		near, wide = source4, network4
	}
	a, _ := ip.Prefix(near) // both sizes fit their family
	b, _ := ip.Prefix(wide)
	return a.String(), b.String()
}

// Source is the key one party's failures are counted under, wherever in its own
// addresses it calls from: an IPv4 address, or the /64 around an IPv6 one.
func Source(addr string) string {
	source, _ := sourceOf(addr)
	return source
}

func parseAddr(addr string) (netip.Addr, bool) {
	if ip, err := netip.ParseAddr(addr); err == nil {
		return ip.Unmap().WithZone(""), true
	}
	if ap, err := netip.ParseAddrPort(addr); err == nil {
		return ap.Addr().Unmap().WithZone(""), true
	}
	return netip.Addr{}, false
}
