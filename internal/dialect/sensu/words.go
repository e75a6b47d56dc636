package sensu

import (
	"net/http"

	"jeton/internal/dialect"
	"jeton/internal/oauth"
	"jeton/internal/wire"
)

// The texts of /auth.
const (
	noCredentials = "Request unauthorized"
	unauthorized  = "Unauthorized"
	badToken      = "invalid access token"
)

// words is how Sensu refuses: plain text, even where the text is JSON. Basic is
// never named in WWW-Authenticate: a browser would open a dialog of its own over
// the web UI's login page.
func words(f dialect.Refusal) dialect.Reply {
	switch {
	case f.Code == oauth.NotFound:
		return problem(http.StatusNotFound, codeNotFound, "not found")
	case f.Code == oauth.MethodNotAllowed:
		return dialect.Reply{Status: http.StatusMethodNotAllowed}
	case f.Voice == voiceResource:
		return resourceWords(f)
	}
	return authWords(f)
}

func authWords(f dialect.Refusal) dialect.Reply {
	switch f.Code {
	case oauth.MissingToken, oauth.InvalidToken, oauth.InvalidClient, oauth.BadRefreshToken:
		return text(http.StatusUnauthorized, noCredentials)
	case oauth.BadPassword, oauth.AccessDenied, oauth.UnauthorizedClient, oauth.MFARequired, oauth.Forbidden, oauth.InsufficientScope:
		if f.Voice == voiceTest {
			return text(http.StatusUnauthorized, noCredentials)
		}
		return text(http.StatusUnauthorized, unauthorized)
	case oauth.InvalidGrant, oauth.BadAssertion, oauth.BadCode:
		return text(http.StatusBadRequest, badToken)
	}
	switch status := wire.Status(f.Code); status {
	case http.StatusBadRequest:
		return text(status, f.Description)
	default:
		return text(status, http.StatusText(status))
	}
}

// Codes of the resource API.
const (
	codeInternal         = 0
	codeInvalidArgument  = 1
	codeNotFound         = 2
	codeAlreadyExists    = 3
	codePermissionDenied = 4
	codeUnauthenticated  = 5
)

// failure is the error body of the resource API; stranger the one of a request
// that was not let in, whose members the original spells with capitals.
type failure struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

type stranger struct {
	Code    int
	Message string
}

func resourceWords(f dialect.Refusal) dialect.Reply {
	switch f.Code {
	case oauth.MissingToken, oauth.InvalidClient, oauth.UnauthorizedClient:
		return jsonText(http.StatusUnauthorized, stranger{codeUnauthenticated, "bad credentials"})
	case oauth.InvalidToken:
		return jsonText(http.StatusUnauthorized, stranger{codeUnauthenticated, "invalid credentials"})
	case oauth.BadPassword:
		return problem(http.StatusUnauthorized, codeUnauthenticated, "bad credentials")
	case oauth.Forbidden, oauth.AccessDenied, oauth.InsufficientScope:
		return problem(http.StatusForbidden, codePermissionDenied, f.Description)
	case oauth.Conflict:
		return problem(http.StatusConflict, codeAlreadyExists, f.Description)
	case oauth.InvalidValue:
		return problem(http.StatusBadRequest, codeInvalidArgument, f.Description)
	}
	status := wire.Status(f.Code)
	if status >= http.StatusInternalServerError || status == http.StatusTooManyRequests {
		return problem(status, codeInternal, http.StatusText(status))
	}
	return problem(status, codeInvalidArgument, f.Description)
}

func problem(status, code int, message string) dialect.Reply {
	return jsonText(status, failure{code, message})
}

// jsonText is JSON that is sent as text, as the original does.
func jsonText(status int, body any) dialect.Reply {
	b, err := wire.JSONText(body)
	if err != nil {
		return text(http.StatusInternalServerError, http.StatusText(http.StatusInternalServerError))
	}
	return text(status, string(b))
}

func text(status int, s string) dialect.Reply {
	return dialect.Reply{Status: status, Body: []byte(s + "\n"), ContentType: "text/plain; charset=utf-8"}
}
