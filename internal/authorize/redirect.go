package authorize

import (
	"slices"
	"strings"
)

// Registered reports whether a redirect URI is one of those registered: byte for
// byte, for any looser match hands the code to whoever finds an open redirect (RFC
// 9700 §4.1). Only the port of a loopback address may differ: a native client takes
// the one it gets (RFC 8252 §7.3).
func Registered(registered []string, uri string) bool {
	return slices.ContainsFunc(registered, func(r string) bool {
		return r == uri || sameButPort(r, uri)
	})
}

// sameButPort compares two http URIs of the same loopback address without their
// ports.
func sameButPort(registered, uri string) bool {
	for _, host := range []string{"http://127.0.0.1", "http://[::1]"} {
		r, ok := strings.CutPrefix(registered, host)
		u, same := strings.CutPrefix(uri, host)
		if !ok || !same {
			continue
		}
		r, okR := dropPort(r)
		u, okU := dropPort(u)
		return okR && okU && r == u
	}
	return false
}

// dropPort takes a port off what follows the host; false when something else
// follows there.
func dropPort(rest string) (path string, ok bool) {
	if digits, found := strings.CutPrefix(rest, ":"); found {
		n := 0
		for n < len(digits) && digits[n] >= '0' && digits[n] <= '9' {
			n++
		}
		if n == 0 || n > 5 {
			return "", false
		}
		rest = digits[n:]
	}
	return rest, rest == "" || rest[0] == '/' || rest[0] == '?'
}

// formable reports whether a form can be sent to a redirect URI: browsers send none
// to an application's own scheme.
func formable(uri string) bool {
	return strings.HasPrefix(uri, "https://") || strings.HasPrefix(uri, "http://")
}
