package identity

import (
	_ "embed"
	"strings"
	"unicode"
	"unicode/utf8"

	"jeton/internal/hash"
	"jeton/internal/oauth"
)

// MinPassword is how many characters a new password has at least where nothing else
// proves who it is (NIST SP 800-63B-4 §3.1.1.2).
const MinPassword = 15

const minWithFactor = 8 // where a second factor stands behind it

//go:embed common.txt
var commonText string

// common holds passwords guessers try first, folded.
var common = func() map[string]bool {
	m := map[string]bool{}
	for word := range strings.FieldsSeq(commonText) {
		m[fold(word)] = true
	}
	return m
}()

// CheckPassword says whether a person may choose this password: long enough and
// not among the first anybody would try. onlyFactor says that no second factor
// stands behind it; context are words a guesser knows (user name, organization,
// product). There are no rules of composition. Errors are InvalidValue refusals
// that name the reason and never the password. Imported hashes are not asked.
func CheckPassword(password oauth.Secret, onlyFactor bool, context ...string) error {
	text := password.Reveal()
	n := utf8.RuneCountInString(text)
	switch {
	case len(text) > hash.MaxSecret:
		return badPassword("must be at most 1024 bytes")
	case onlyFactor && n < MinPassword:
		return badPassword("must have at least 15 characters, as nothing else protects the account")
	case n < minWithFactor:
		return badPassword("must have at least 8 characters")
	case repeats(text) || counts(text):
		return badPassword("repeats or counts; choose one that is harder to guess")
	}
	if isCommon(text) {
		return badPassword("is one of the most common; choose another")
	}
	for _, word := range context {
		if leans(fold(text), word) {
			return badPassword("is built on a name others know; choose another")
		}
	}
	return nil
}

func badPassword(what string) error {
	e := oauth.Refuse(oauth.InvalidValue, "the password "+what)
	e.Param = "password"
	return e
}

// fold undoes what people do to a common word to make it pass: capitals, digits
// for letters.
func fold(s string) string {
	return strings.NewReplacer("0", "o", "1", "i", "3", "e", "4", "a", "5", "s", "7", "t",
		"@", "a", "$", "s", "!", "i", "|", "i").Replace(strings.ToLower(s))
}

// isCommon: the word itself, with digits and signs around it, or twice.
func isCommon(text string) bool {
	folded := fold(text)
	core := fold(strings.TrimFunc(text, func(r rune) bool { return !unicode.IsLetter(r) }))
	half := folded[:len(folded)/2]
	return common[folded] || common[core] || (half+half == folded && common[half])
}

// leans reports whether little is left of a password without a word others know.
func leans(folded, word string) bool {
	word, _, _ = strings.Cut(strings.TrimSpace(word), "@")
	word = fold(word)
	if utf8.RuneCountInString(word) < 4 || !strings.Contains(folded, word) {
		return false
	}
	return utf8.RuneCountInString(strings.ReplaceAll(folded, word, "")) < minWithFactor
}

// repeats reports whether s is a piece of at most four bytes over and over.
func repeats(s string) bool {
	for size := 1; size <= 4 && size*2 <= len(s); size++ {
		if s[size:] == s[:len(s)-size] {
			return true
		}
	}
	return false
}

// counts reports whether each byte follows the one before, up or down, as in
// 123456789 or hgfedcba; nine is followed by nought.
func counts(s string) bool {
	up, down := true, true
	for i := 1; i < len(s); i++ {
		up = up && (s[i] == s[i-1]+1 || s[i-1] == '9' && s[i] == '0')
		down = down && (s[i] == s[i-1]-1 || s[i-1] == '0' && s[i] == '9')
	}
	return up || down
}
