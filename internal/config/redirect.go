package config

import (
	"net/netip"
	"net/url"
	"strings"
)

// checkRedirect says what is wrong with a redirect URI and what to write
// instead; both are empty when it can be registered. Comparison at a request is
// byte for byte (RFC 9700 §4.1.3), so whatever has several spellings is refused here.
func checkRedirect(s string) (text, next string) {
	if s == "" || len(s) > 2048 {
		return "a redirect URI has 1 to 2048 characters", "write it in full: https://app.example.com/callback"
	}
	if strings.Contains(s, "*") {
		return "a wildcard in a redirect URI would send codes to whoever fits it", "list each URI in full"
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune("\\\"<>^`{|}", r) }) {
		return "characters a URI cannot have (RFC 3986 §2)", "percent-encode them"
	}
	if strings.Contains(s, "#") {
		return "a redirect URI has no fragment (RFC 6749 §3.1.2)", "remove it from the # on"
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" {
		return "not an absolute URI", "write it in full: https://app.example.com/callback"
	}
	if u.User != nil {
		return "a redirect URI has no user-info", "remove everything between // and @"
	}
	if strings.Contains(u.Path+"/", "/../") || strings.Contains(u.Path+"/", "/./") {
		return "dot segments in a redirect URI", "write the path as the browser would send it"
	}
	return checkScheme(s, u)
}

func checkScheme(s string, u *url.URL) (text, next string) {
	switch {
	case !strings.HasPrefix(s, u.Scheme+":") || u.Host != strings.ToLower(u.Host):
		return "scheme and host must be in lower case", "write them as the browser would send them"
	case u.Scheme == "https":
		if u.Hostname() == "" {
			return "a redirect URI without a host", "write it in full: https://app.example.com/callback"
		}
	case u.Scheme == "http":
		if !loopback(u.Hostname()) {
			return "plain http to another machine would carry codes readable", "use https; http is for 127.0.0.1, [::1] and localhost"
		}
	case !strings.Contains(u.Scheme, "."):
		// RFC 8252 §7.1: a reversed domain name, so that two apps do not share one.
		return "a private-use scheme has a dot, after a domain of yours", "write it like com.example.app:/callback"
	}
	return "", ""
}

// loopback reports whether host is this machine and nothing else.
func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
