package identity

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/secure/precis"

	"jeton/internal/oauth"
)

// Limits on names, checked before any other work.
const (
	maxNameChars = 256
	maxNameBytes = 1024
	maxMail      = 254 // RFC 5321 §4.5.3.1.3, less the angle brackets
	maxLocal     = 64  // RFC 5321 §4.5.3.1.1
	maxLabel     = 63  // RFC 1035 §2.3.4
)

// Canonical is the one form of a user name: the key in the store, the throttle,
// the factors and the audit trail. It is RFC 8265 §3.3 (UsernameCaseMapped):
// wide and narrow forms, letter case and composition make no difference; a name
// may be several such parts with single spaces between them. What has no stable
// form is refused with InvalidValue. Canonical(Canonical(x)) is Canonical(x).
func Canonical(name string) (string, error) {
	if plainName(name) {
		return name, nil
	}
	switch {
	case name == "":
		return "", badName("must not be empty")
	case len(name) > maxNameBytes || utf8.RuneCountInString(name) > maxNameChars:
		return "", badName("must be at most 256 characters")
	case !utf8.ValidString(name):
		return "", badName("must be UTF-8")
	}
	parts := strings.Split(name, " ")
	for i, part := range parts {
		mapped, err := mapPart(part)
		if err != nil {
			return "", err
		}
		parts[i] = mapped
	}
	canon := strings.Join(parts, " ")
	if len(canon) > maxNameBytes || utf8.RuneCountInString(canon) > maxNameChars { // mapping can lengthen
		return "", badName("must be at most 256 characters")
	}
	return canon, nil
}

// plainName reports whether name is visible ASCII without capitals, which is its
// own canonical form: most names, at no cost.
func plainName(name string) bool {
	if name == "" || len(name) > maxNameChars {
		return false
	}
	for i := 0; i < len(name); i++ {
		if c := name[i]; c <= ' ' || c >= 0x7f || (c >= 'A' && c <= 'Z') {
			return false
		}
	}
	return true
}

// mapPart maps one part without spaces. Applying the profile once does not
// always reach a form that stays (RFC 8264 §7), so it is applied until it does,
// and a name that never settles has no canonical form.
func mapPart(part string) (string, error) {
	if part == "" {
		return "", badName("must not begin or end with a space, nor have two together")
	}
	if lower := lowerASCII(part); plainName(lower) {
		return lower, nil
	}
	for range 4 {
		mapped, err := precis.UsernameCaseMapped.String(part)
		if err != nil || mapped == "" || strings.Contains(mapped, " ") {
			return "", badName("has characters a user name cannot have")
		}
		if mapped == part {
			return part, nil
		}
		part = mapped
	}
	return "", badName("has characters a user name cannot have")
}

func lowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

func badName(what string) error {
	e := oauth.Refuse(oauth.InvalidValue, "the user name "+what)
	e.Param = "name"
	return e
}

// CanonicalMail is the one form of an e-mail address: as Canonical has it, with
// both sides in small letters. Tags after a plus sign stay: whether they matter
// is the mail host's affair. Quoted local parts and address literals are refused.
func CanonicalMail(address string) (string, error) {
	if len(address) > maxMail {
		return "", badMail()
	}
	canon, err := Canonical(address)
	if err != nil || len(canon) > maxMail {
		return "", badMail()
	}
	local, domain, ok := strings.Cut(canon, "@")
	if !ok || strings.Contains(domain, "@") || !goodLocal(local) || !goodDomain(domain) {
		return "", badMail()
	}
	return canon, nil
}

func badMail() error {
	e := oauth.Refuse(oauth.InvalidValue, "not an e-mail address")
	e.Param = "email"
	return e
}

// goodLocal: dot-atom of RFC 5322 §3.2.3, with RFC 6531 letters.
func goodLocal(local string) bool {
	return local != "" && len(local) <= maxLocal && !strings.ContainsAny(local, ` "(),:;<>[\]`) && goodDots(local)
}

func goodDomain(domain string) bool {
	if !goodDots(domain) {
		return false
	}
	for label := range strings.SplitSeq(domain, ".") {
		if len(label) > maxLabel || label[0] == '-' || label[len(label)-1] == '-' || strings.ContainsFunc(label, notHost) {
			return false
		}
	}
	return true
}

func notHost(r rune) bool {
	return r < 0x80 && r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z')
}

func goodDots(s string) bool {
	return s != "" && s[0] != '.' && s[len(s)-1] != '.' && !strings.Contains(s, "..")
}
