package faspex

import (
	"net/http"

	"jeton/internal/dialect"
	"jeton/internal/oauth"
	"jeton/internal/wire"
)

// statuses are those that differ from the standard ones of wire.Status: here a bad
// grant is a bad proof of who it is, 401, which makes the vendor's clients sign in
// again, and the vendor has no 415 and no 422.
var statuses = map[oauth.Code]int{
	oauth.InvalidGrant:     http.StatusUnauthorized,
	oauth.BadPassword:      http.StatusUnauthorized,
	oauth.BadRefreshToken:  http.StatusUnauthorized,
	oauth.BadAssertion:     http.StatusUnauthorized,
	oauth.BadCode:          http.StatusUnauthorized,
	oauth.MFARequired:      http.StatusUnauthorized,
	oauth.AccessDenied:     http.StatusForbidden,
	oauth.UnsupportedMedia: http.StatusBadRequest,
	oauth.InvalidValue:     http.StatusBadRequest,
}

func status(c oauth.Code) int {
	if s, ok := statuses[c]; ok {
		return s
	}
	return wire.Status(c)
}

// words is the vendor's wording: RFC 6749 §5.2 at the token endpoint, the product
// family's error object everywhere else and for a wrong method.
func words(f dialect.Refusal) dialect.Reply {
	reply := dialect.Reply{Status: status(f.Code)}
	if f.Voice == voiceAPI || f.Code == oauth.MethodNotAllowed {
		reply.Body = productError{detail{reply.Status, userMessage(f), description(f)}}
	} else {
		reply.Body = failure(f)
	}
	switch {
	case f.Code == oauth.BadPassword || f.Code == oauth.MFARequired:
		return reply.With("WWW-Authenticate", `Basic realm="faspex"`)
	case f.Code == oauth.InvalidToken || f.Code == oauth.InsufficientScope || f.Code == oauth.MissingToken:
		return reply.With("WWW-Authenticate", wire.Challenge("Bearer", Name, &oauth.Error{Code: f.Code, Description: description(f)}))
	}
	return reply
}

func failure(f dialect.Refusal) wire.Failure {
	if f.Code == oauth.UnsupportedGrantType { // the vendor sends the word alone
		return wire.Failure{Error: f.Code.Word()}
	}
	return wire.NewFailure(&oauth.Error{Code: f.Code, Description: description(f)})
}

func description(f dialect.Refusal) string {
	switch {
	case f.Code == oauth.MFARequired: // no words for a second factor: it is a failed sign-in
		return oauth.BadPassword.Text()
	case f.Description == "":
		return f.Code.Text()
	}
	return f.Description
}

// productError is the error object of the product family's APIs.
type productError struct {
	Error detail `json:"error"`
}

type detail struct {
	Code     int    `json:"code"`
	User     string `json:"user_message"`
	Internal string `json:"internal_message"`
}

func userMessage(f dialect.Refusal) string {
	switch f.Code {
	case oauth.InvalidToken, oauth.MissingToken:
		return "invalid or expired token"
	case oauth.MFARequired:
		return oauth.BadPassword.Text()
	}
	return f.Code.Text()
}
