package config

import (
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// checkRedirect says what is wrong with a redirect URI and what to write
// instead; both are empty when it can be registered. Comparison at a request is
// byte for byte (RFC 9700 §4.1.3), so whatever has several spellings is refused here.
func checkRedirect(s string) (text, next string) {
	u, text, next := readURI(s)
	if text != "" {
		return text, next
	}
	return checkScheme(s, u)
}

// checkEndpoint is checkRedirect for an address that is called, or opened, by this
// server's word: no app of somebody's machine answers there.
func checkEndpoint(s string) (text, next string) {
	u, text, next := readURI(s)
	if text == "" && u.Scheme != "https" && u.Scheme != "http" {
		return "not an https address", "write it in full, such as https://app.example.com/logout"
	}
	if text != "" {
		return text, next
	}
	return checkScheme(s, u)
}

// checkPage is for the address of a page people read; where on the page may be
// said, too.
func checkPage(s string) (text, next string) {
	page, _, _ := strings.Cut(s, "#")
	return checkEndpoint(page)
}

func readURI(s string) (u *url.URL, text, next string) {
	if s == "" || len(s) > 2048 {
		return nil, "a URI has 1 to 2048 characters", "write it in full: https://app.example.com/callback"
	}
	if strings.Contains(s, "*") {
		return nil, "a wildcard in a URI would send people and codes to whoever fits it", "list each URI in full"
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune("\\\"<>^`{|}", r) }) {
		return nil, "characters a URI cannot have (RFC 3986 §2)", "percent-encode them"
	}
	if strings.Contains(s, "#") {
		return nil, "a URI of this kind has no fragment (RFC 6749 §3.1.2)", "remove it from the # on"
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" {
		return nil, "not an absolute URI", "write it in full: https://app.example.com/callback"
	}
	if u.User != nil {
		return nil, "a URI of this kind has no user-info", "remove everything between // and @"
	}
	if dotted(u) {
		return nil, "dot segments in the path", "write the path as the browser would send it"
	}
	return u, "", ""
}

// dotted reports whether any reader of the path could take a part of it for "the
// folder above": written out, percent-encoded once or twice, with parameters behind
// it, or behind a backslash.
func dotted(u *url.URL) bool {
	path := u.EscapedPath() + u.Opaque
	for range 3 {
		for segment := range strings.FieldsFuncSeq(path, func(r rune) bool { return r == '/' || r == '\\' }) {
			if name, _, _ := strings.Cut(segment, ";"); name == "." || name == ".." {
				return true
			}
		}
		once, err := url.PathUnescape(path)
		if err != nil || once == path {
			return false
		}
		path = once
	}
	return false
}

var (
	// name is a host name in lower case, without a dot at its end: with one it is
	// another spelling of the same host.
	name = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$`)
	// private is a scheme after a reversed domain name (RFC 8252 §7.1), so that two
	// apps do not share one.
	private = regexp.MustCompile(`^[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+$`)
)

// running are schemes a browser runs or shows as a document of the page that names
// them, or that lead to this machine's files.
var running = []string{"javascript", "data", "vbscript", "blob", "file", "filesystem", "about", "view-source", "jar", "ws", "wss", "ftp"}

func checkScheme(s string, u *url.URL) (text, next string) {
	first, _, _ := strings.Cut(u.Scheme, ".")
	switch {
	case slices.Contains(running, u.Scheme):
		return "scheme " + u.Scheme + " runs or opens something and leads to no app", "write https://app.example.com/callback"
	case !strings.HasPrefix(s, u.Scheme+":") || u.Host != strings.ToLower(u.Host):
		return "scheme and host must be in lower case", "write them as the browser would send them"
	case u.Scheme == "https" || u.Scheme == "http":
		return checkHost(u)
	case !private.MatchString(u.Scheme) || first == "http" || first == "https":
		return "a private-use scheme has a dot, after a domain of yours", "write it like com.example.app:/callback"
	}
	return "", ""
}

func checkHost(u *url.URL) (text, next string) {
	h := u.Hostname()
	if _, err := netip.ParseAddr(h); h == "" || err != nil && !name.MatchString(h) {
		return "a URI without a host, or with one that is no host name", "write it in full: https://app.example.com/callback"
	}
	if u.Scheme == "http" && !loopback(h) {
		return "plain http to another machine would be readable on the way", "use https; http is for 127.0.0.1, [::1] and localhost"
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
