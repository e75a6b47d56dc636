package wire

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"

	"jeton/internal/oauth"
)

// Limits of the Authorization header in bytes.
const (
	MaxBasic = 4 << 10 // base64 text of Basic
	MaxToken = 8 << 10 // a bearer token or API key
)

// Scheme splits the Authorization header into its scheme, in lower case, and
// what follows the single space after it. Both are "" without the header. Two
// headers, or one whose scheme is no token, are InvalidRequest (RFC 9110 §11.4).
func Scheme(h http.Header) (scheme, rest string, err error) {
	lines := h["Authorization"]
	if len(lines) == 0 {
		return "", "", nil
	}
	if len(lines) > 1 {
		return "", "", oauth.Refuse(oauth.InvalidRequest, "more than one Authorization header")
	}
	scheme, rest, _ = strings.Cut(lines[0], " ")
	if !isToken(scheme) {
		return "", "", oauth.Refuse(oauth.InvalidRequest, "the Authorization header has no scheme")
	}
	switch scheme { // spares the hot path the copy that ToLower makes
	case "Basic":
		scheme = "basic"
	case "Bearer":
		scheme = "bearer"
	default:
		scheme = strings.ToLower(scheme)
	}
	return scheme, rest, nil
}

// Basic reads a user's name and password (RFC 7617), as they are: nothing is
// form-decoded. Without a Basic header ok is false. A malformed one is
// InvalidClient: no space or more than one, base64 that is not exact, more than
// MaxBasic bytes, no colon, no name, a control character, not UTF-8. An empty
// password is passed on.
func Basic(h http.Header) (user, password string, ok bool, err error) {
	scheme, rest, err := Scheme(h)
	if err != nil || scheme != "basic" {
		return "", "", false, err
	}
	user, password, good := splitBasic(rest)
	if !good {
		return "", "", false, badBasic()
	}
	return user, password, true, nil
}

// ClientBasic reads a client's id and secret: Basic, and then each half
// form-decoded (RFC 6749 §2.3.1). There are clients that encode more than they
// must (%2D for a hyphen), so decoding is no option; a client that does not
// encode at all is understood as long as its id and secret hold no % and no +.
// What does not decode is InvalidClient.
func ClientBasic(h http.Header) (id, secret string, ok bool, err error) {
	id, secret, ok, err = Basic(h)
	if err != nil || !ok {
		return "", "", false, err
	}
	id, idErr := url.QueryUnescape(id)
	secret, secretErr := url.QueryUnescape(secret)
	if idErr != nil || secretErr != nil || id == "" || !isCredential(id) || !isCredential(secret) {
		return "", "", false, badBasic()
	}
	return id, secret, true, nil
}

func badBasic() error {
	return oauth.Refuse(oauth.InvalidClient, "the Basic credentials could not be read")
}

// strict refuses base64 whose last character has bits nobody reads: two headers
// must not mean the same credentials.
var strict = base64.StdEncoding.Strict()

func splitBasic(text string) (user, password string, ok bool) {
	if len(text) > MaxBasic || strings.ContainsAny(text, "\r\n") { // the decoder skips newlines
		return "", "", false
	}
	plain, err := strict.AppendDecode(make([]byte, 0, 192), []byte(text))
	if err != nil {
		return "", "", false
	}
	both := string(plain)
	user, password, ok = strings.Cut(both, ":")
	return user, password, ok && user != "" && isCredential(both)
}

func isCredential(s string) bool { return isText(s) && !hasControl(s) }

// Bearer reads an access token from the Authorization header (RFC 6750 §2.1).
// Without a Bearer header ok is false; one with no token in it is MissingToken,
// one that is over MaxToken bytes or outside the b64token alphabet InvalidToken.
func Bearer(h http.Header) (token string, ok bool, err error) { return bearer(h, "bearer") }

// Key reads an API key from "Authorization: Key …" by the rules of Bearer.
func Key(h http.Header) (key string, ok bool, err error) { return bearer(h, "key") }

func bearer(h http.Header, want string) (string, bool, error) {
	scheme, rest, err := Scheme(h)
	switch {
	case err != nil || scheme != want:
		return "", false, err
	case rest == "":
		return "", false, oauth.Refuse(oauth.MissingToken, "")
	case len(rest) > MaxToken || !isB64Token(rest):
		return "", false, oauth.Refuse(oauth.InvalidToken, "")
	}
	return rest, true, nil
}

var b64Char = alphabet("-._~+/" + alphanumeric)

// isB64Token checks 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"=".
func isB64Token(s string) bool {
	s = strings.TrimRight(s, "=")
	for i := 0; i < len(s); i++ {
		if !b64Char[s[i]] {
			return false
		}
	}
	return s != ""
}
