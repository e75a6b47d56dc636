package aspire

import (
	"crypto/rand"
	"encoding/hex"
	"net/http"

	"jeton/internal/dialect"
	"jeton/internal/oauth"
)

// problem is the error body of ASP.NET (RFC 9457).
type problem struct {
	Type    string              `json:"type"`
	Title   string              `json:"title"`
	Status  int                 `json:"status"`
	Detail  string              `json:"detail,omitempty"`
	Errors  map[string][]string `json:"errors,omitempty"` // by member; "$" is the body as a whole
	TraceID string              `json:"traceId"`
}

// sections say where a status is defined; ASP.NET puts that into "type".
var sections = map[int]string{
	http.StatusBadRequest:            "rfc9110#section-15.5.1",
	http.StatusUnauthorized:          "rfc9110#section-15.5.2",
	http.StatusForbidden:             "rfc9110#section-15.5.4",
	http.StatusNotFound:              "rfc9110#section-15.5.5",
	http.StatusMethodNotAllowed:      "rfc9110#section-15.5.6",
	http.StatusConflict:              "rfc9110#section-15.5.10",
	http.StatusRequestEntityTooLarge: "rfc9110#section-15.5.14",
	http.StatusUnsupportedMediaType:  "rfc9110#section-15.5.16",
	http.StatusTooManyRequests:       "rfc6585#section-4",
	http.StatusInternalServerError:   "rfc9110#section-15.6.1",
	http.StatusServiceUnavailable:    "rfc9110#section-15.6.4",
}

// words turns a refusal into a problem object. Only a rate limit says more than its
// status, and only a bad request says which member is at fault.
func words(f dialect.Refusal) dialect.Reply {
	status := status(f.Code, f.Voice)
	p := problem{
		Type: "https://tools.ietf.org/html/" + sections[status], Title: http.StatusText(status),
		Status: status, TraceID: trace(),
	}
	switch status {
	case http.StatusBadRequest:
		p.Errors = map[string][]string{member(f.Param): {f.Description}}
	case http.StatusTooManyRequests:
		p.Detail = f.Description
	}
	reply := dialect.Reply{Status: status, ContentType: "application/problem+json; charset=utf-8", Body: p}
	if status == http.StatusUnauthorized {
		reply = reply.With("WWW-Authenticate", "Bearer")
	}
	return reply
}

func member(param string) string {
	if param == "" {
		return "$"
	}
	return param
}

func status(c oauth.Code, voice string) int {
	switch c {
	case oauth.InvalidClient, oauth.BadPassword:
		if voice == voiceUnauthorized {
			return http.StatusUnauthorized
		}
		return http.StatusNotFound // what the vendor's clients see for bad credentials
	case oauth.InvalidRequest, oauth.MissingParameter, oauth.MissingGrantType, oauth.MalformedBody, oauth.InvalidValue,
		oauth.UnknownParameter, oauth.InvalidScope, oauth.InvalidTarget, oauth.UnsupportedGrantType:
		return http.StatusBadRequest
	case oauth.BadRefreshToken, oauth.InvalidGrant, oauth.BadAssertion, oauth.BadCode, oauth.MFARequired,
		oauth.MissingToken, oauth.InvalidToken:
		return http.StatusUnauthorized
	case oauth.UnauthorizedClient, oauth.AccessDenied, oauth.InsufficientScope, oauth.Forbidden:
		return http.StatusForbidden
	case oauth.NotFound:
		return http.StatusNotFound
	case oauth.MethodNotAllowed:
		return http.StatusMethodNotAllowed
	case oauth.Conflict:
		return http.StatusConflict
	case oauth.TooLarge:
		return http.StatusRequestEntityTooLarge
	case oauth.UnsupportedMedia:
		return http.StatusUnsupportedMediaType
	case oauth.RateLimited:
		return http.StatusTooManyRequests
	case oauth.Unavailable:
		return http.StatusServiceUnavailable
	case oauth.ServerError:
		return http.StatusInternalServerError
	}
	if c.Section() != "" { // a refusal of the browser's endpoints, which this product has none of
		return http.StatusBadRequest
	}
	return http.StatusInternalServerError
}

// trace is a W3C trace id of nobody's trace, for clients that expect one. Our own
// error id is in the header Jeton-Error-Id.
func trace() string {
	var b [24]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return "00-" + hex.EncodeToString(b[:16]) + "-" + hex.EncodeToString(b[16:]) + "-00"
}
