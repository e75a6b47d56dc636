package page

import (
	"fmt"
	"html/template"
	"strings"
)

// Schemes that would run or show something here instead of leaving.
var stays = map[string]bool{
	"javascript": true, "data": true, "vbscript": true, "blob": true, "about": true, "file": true, "filesystem": true, "view-source": true,
}

// leave is the address of a client as a link may hold it. The client registered it
// and it was compared, but what stands in it is a stranger's choice: only an absolute
// URL passes, of a scheme that leaves this page, without what browsers drop while
// they read ("java\nscript:"), and with what could end the link's own text encoded
// (WHATWG URL, path and query percent-encode sets). An application's own scheme
// (RFC 8252 §7.1) passes; html/template alone would not let it.
func leave(address string) (template.URL, error) {
	scheme, _, found := strings.Cut(address, ":")
	if !found || !isScheme(scheme) || stays[strings.ToLower(scheme)] {
		return "", fmt.Errorf("page: an address of the scheme %.20q cannot be left for", scheme)
	}
	var b strings.Builder
	for i := range len(address) {
		switch c := address[i]; {
		case c < 0x20, c == 0x7f:
			return "", fmt.Errorf("page: control character %#x in an address to leave for", c)
		case c > 0x7f, strings.IndexByte(" \"'()<>`\\^{|}", c) >= 0, c == '%' && !isEncoded(address[i:]):
			fmt.Fprintf(&b, "%%%02X", c)
		default:
			b.WriteByte(c)
		}
	}
	return template.URL(b.String()), nil
}

// isEncoded: RFC 3986 §2.1.
func isEncoded(s string) bool {
	return len(s) >= 3 && strings.IndexByte(hexDigits, s[1]) >= 0 && strings.IndexByte(hexDigits, s[2]) >= 0
}

const hexDigits = "0123456789abcdefABCDEF"

// post is the address a form is sent to, which only web pages have.
func post(address string) (template.URL, error) {
	scheme, _, _ := strings.Cut(address, ":")
	if s := strings.ToLower(scheme); s != "https" && s != "http" {
		return "", fmt.Errorf("page: a form cannot be sent to the scheme %.20q", scheme)
	}
	return leave(address)
}

// isScheme: RFC 3986 §3.1.
func isScheme(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		letter := c >= 'a' && c <= 'z'
		other := s[i] >= '0' && s[i] <= '9' || s[i] == '+' || s[i] == '-' || s[i] == '.'
		if !letter && (i == 0 || !other) {
			return false
		}
	}
	return s != ""
}
