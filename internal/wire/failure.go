package wire

import (
	"net/http"
	"strings"

	"jeton/internal/oauth"
)

// Failure is the error body of RFC 6749 §5.2.
type Failure struct {
	Error       string `json:"error"`
	Description string `json:"error_description,omitempty"`
}

// NewFailure words a refusal; nil is our own fault.
func NewFailure(e *oauth.Error) Failure {
	if e == nil {
		e = oauth.Refuse(oauth.ServerError, "")
	}
	return Failure{Error: e.Code.Word(), Description: describe(e)}
}

// ErrorBody is the refusal as JSON (RFC 6749 §5.2).
func ErrorBody(e *oauth.Error) []byte {
	f := NewFailure(e)
	b := make([]byte, 0, 48+len(f.Error)+len(f.Description))
	b = append(b, `{"error":"`...)
	b = append(b, f.Error...)
	if f.Description != "" { // describe left nothing in it that JSON would escape
		b = append(b, `","error_description":"`...)
		b = append(b, f.Description...)
	}
	return append(b, `"}`...)
}

// describe is the description in the characters RFC 6749 §5.2 allows.
func describe(e *oauth.Error) string { return strings.Map(plain, e.Description) }

// plain maps what is outside %x20-21 / %x23-5B / %x5D-7E to something inside.
func plain(r rune) rune {
	switch {
	case r == '"':
		return '\''
	case r == '\\':
		return '/'
	case r < 0x20 || r > 0x7e:
		return '?'
	}
	return r
}

var statuses = map[oauth.Code]int{
	oauth.InvalidClient:     http.StatusUnauthorized, // RFC 6749 §5.2
	oauth.InvalidToken:      http.StatusUnauthorized, // RFC 6750 §3.1
	oauth.MissingToken:      http.StatusUnauthorized, // RFC 6750 §3
	oauth.InsufficientScope: http.StatusForbidden,    // RFC 6750 §3.1
	oauth.Forbidden:         http.StatusForbidden,
	oauth.NotFound:          http.StatusNotFound,
	oauth.MethodNotAllowed:  http.StatusMethodNotAllowed,
	oauth.Conflict:          http.StatusConflict,
	oauth.TooLarge:          http.StatusRequestEntityTooLarge,
	oauth.UnsupportedMedia:  http.StatusUnsupportedMediaType,
	oauth.InvalidValue:      http.StatusUnprocessableEntity,
	oauth.RateLimited:       http.StatusTooManyRequests,
	oauth.Unavailable:       http.StatusServiceUnavailable,
	oauth.ServerError:       http.StatusInternalServerError,
}

// Status is the HTTP status the standard endpoints answer a refusal with: 400
// where the RFCs name no other, 500 for a code nobody defined.
func Status(code oauth.Code) int {
	if s, ok := statuses[code]; ok {
		return s
	}
	if code.Section() == "" {
		return http.StatusInternalServerError
	}
	return http.StatusBadRequest
}

// Challenge is a value for WWW-Authenticate. Basic gets its realm and charset
// (RFC 7617 §2.1); any other scheme also the error and its description (RFC 6750
// §3), unless e is nil or the request had no credentials at all, for then there
// is nothing to tell.
func Challenge(scheme, realm string, e *oauth.Error) string {
	s := scheme + ` realm=` + quote(realm)
	if equalFold(scheme, "Basic") {
		return s + `, charset="UTF-8"`
	}
	if e == nil || e.Code == oauth.MissingToken {
		return s
	}
	s += `, error=` + quote(e.Code.Word())
	if text := describe(e); text != "" {
		s += `, error_description=` + quote(text)
	}
	return s
}

// quote makes a quoted-string (RFC 9110 §5.6.4) of printable ASCII.
func quote(s string) string {
	var b strings.Builder
	b.Grow(len(s) + 2)
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteByte(byte(r))
		case r < 0x20 || r > 0x7e:
			b.WriteByte('?')
		default:
			b.WriteByte(byte(r))
		}
	}
	b.WriteByte('"')
	return b.String()
}
