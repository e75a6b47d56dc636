package oauth

import (
	"errors"
	"time"
)

// Code names one refusal. It is finer than the error words of RFC 6749 so that
// every dialect can word each cause as its vendor does; Word gives the standard
// word. The zero Code means "our fault" and is answered as ServerError.
type Code string

// The refusals there are. Each has one row in the table below; a dialect's
// wording must answer every one of them (a standing test walks the table).
const (
	InvalidRequest          Code = "invalid_request"                   // RFC 6749 §5.2: malformed, repeated or contradictory parameters
	MissingParameter        Code = "missing_parameter"                 // RFC 6749 §5.2: Error.Param names the one missing
	UnknownParameter        Code = "unknown_parameter"                 // Error.Param lists the names, joined by commas, where an endpoint refuses what it does not know
	MissingGrantType        Code = "missing_grant_type"                // RFC 6749 §5.2
	MalformedBody           Code = "malformed_body"                    // the body is not what its content type says
	InvalidClient           Code = "invalid_client"                    // RFC 6749 §5.2
	InvalidGrant            Code = "invalid_grant"                     // RFC 6749 §5.2, where nothing below fits
	BadPassword             Code = "bad_password"                      // unknown user, wrong password, disabled, expired, throttled: one code on purpose
	BadRefreshToken         Code = "bad_refresh_token"                 // unknown, used, expired or revoked
	BadAssertion            Code = "bad_assertion"                     // RFC 7521 §4.1.1
	BadCode                 Code = "bad_code"                          // RFC 6749 §4.1.3
	CodeUsed                Code = "code_used"                         // RFC 6749 §4.1.2: presented before; everything made from it ends
	CodeRedirect            Code = "code_redirect_uri"                 // RFC 6749 §4.1.3: redirect_uri is not the one of the authorization request
	UnauthorizedClient      Code = "unauthorized_client"               // RFC 6749 §5.2: grant not allowed for this client
	UnsupportedGrantType    Code = "unsupported_grant_type"            // RFC 6749 §5.2
	InvalidScope            Code = "invalid_scope"                     // RFC 6749 §5.2
	InvalidTarget           Code = "invalid_target"                    // RFC 8707 §2
	AccessDenied            Code = "access_denied"                     // RFC 6749 §4.1.2.1
	UnknownClient           Code = "unknown_client"                    // authorization request of a client there is not: a page, never a redirect
	BadRedirect             Code = "invalid_redirect_uri"              // redirect_uri is not registered: a page, never a redirect (RFC 9700 §4.1)
	ResponseType            Code = "unsupported_response_type"         // RFC 6749 §4.1.2.1
	LoginRequired           Code = "login_required"                    // OpenID Connect Core §3.1.2.6
	ConsentRequired         Code = "consent_required"                  // OpenID Connect Core §3.1.2.6
	SelectionRequired       Code = "account_selection_required"        // OpenID Connect Core §3.1.2.6
	InteractionRequired     Code = "interaction_required"              // OpenID Connect Core §3.1.2.6
	UnmetAuthentication     Code = "unmet_authentication_requirements" // OpenID Connect Core Error Code §3
	RequestUnsupported      Code = "request_not_supported"             // OpenID Connect Core §3.1.2.6
	RequestURIUnsupported   Code = "request_uri_not_supported"         // OpenID Connect Core §3.1.2.6
	RegistrationUnsupported Code = "registration_not_supported"        // OpenID Connect Core §3.1.2.6
	StalePage               Code = "page_stale"                        // a form or link of a page that waited too long, or of another browser
	NotDue                  Code = "step_not_due"                      // a step of signing in that is not the next one
	MFARequired             Code = "mfa_required"                      // a second factor is asked for and this dialect has no words for it
	MissingToken            Code = "missing_token"                     // RFC 6750 §3: no credentials at all
	InvalidToken            Code = "invalid_token"                     // RFC 6750 §3.1
	InsufficientScope       Code = "insufficient_scope"                // RFC 6750 §3.1: the token lacks the scope for this endpoint
	Forbidden               Code = "forbidden"                         // the subject's rights do not reach this object
	NotFound                Code = "not_found"                         // no such path or object
	MethodNotAllowed        Code = "method_not_allowed"                // Error.Allow lists the methods there are
	UnsupportedMedia        Code = "unsupported_media_type"            // the content type is not one this endpoint reads
	TooLarge                Code = "too_large"                         // body over its limit
	InvalidValue            Code = "invalid_value"                     // a well-formed request with a value that cannot be (Error.Param)
	Conflict                Code = "conflict"                          // exists already, or changed meanwhile
	RateLimited             Code = "rate_limited"                      // Error.RetryAfter says when
	Unavailable             Code = "temporarily_unavailable"
	ServerError             Code = "server_error"
)

type row struct {
	word    string // the error word of the RFCs
	section string
	text    string // default description
}

var table = map[Code]row{
	InvalidRequest:          {"invalid_request", "RFC 6749 §5.2", "the request is malformed"},
	MissingParameter:        {"invalid_request", "RFC 6749 §5.2", "a required parameter is missing"},
	UnknownParameter:        {"invalid_request", "RFC 6749 §5.2", "a parameter is not known here"},
	MissingGrantType:        {"invalid_request", "RFC 6749 §5.2", "missing grant_type"},
	MalformedBody:           {"invalid_request", "RFC 6749 §5.2", "the request body could not be read"},
	InvalidClient:           {"invalid_client", "RFC 6749 §5.2", "client authentication failed"},
	InvalidGrant:            {"invalid_grant", "RFC 6749 §5.2", "the grant is not valid"},
	BadPassword:             {"invalid_grant", "RFC 6749 §5.2", "invalid user name or password"},
	BadRefreshToken:         {"invalid_grant", "RFC 6749 §5.2", "invalid refresh token"},
	BadAssertion:            {"invalid_grant", "RFC 7521 §4.1.1", "invalid assertion"},
	BadCode:                 {"invalid_grant", "RFC 6749 §5.2", "invalid authorization code"},
	CodeUsed:                {"invalid_grant", "RFC 6749 §4.1.2", "authorization code already used"},
	CodeRedirect:            {"invalid_grant", "RFC 6749 §4.1.3", "redirect_uri is not the one of the authorization request"},
	UnknownClient:           {"invalid_client", "RFC 6749 §4.1.2.1", "client_id is not registered"},
	BadRedirect:             {"invalid_request", "RFC 6749 §4.1.2.1", "redirect_uri is not registered"},
	ResponseType:            {"unsupported_response_type", "RFC 6749 §4.1.2.1", "response_type must be code"},
	LoginRequired:           {"login_required", "OpenID Connect Core §3.1.2.6", "nobody is signed in"},
	ConsentRequired:         {"consent_required", "OpenID Connect Core §3.1.2.6", "the person has not allowed this yet"},
	SelectionRequired:       {"account_selection_required", "OpenID Connect Core §3.1.2.6", "an account must be chosen"},
	InteractionRequired:     {"interaction_required", "OpenID Connect Core §3.1.2.6", "the person must do something first"},
	UnmetAuthentication:     {"unmet_authentication_requirements", "OpenID Connect Core Unmet Authentication Requirements §2", "the way of signing in that was asked for is not there"},
	RequestUnsupported:      {"request_not_supported", "OpenID Connect Core §3.1.2.6", "request objects are not supported"},
	RequestURIUnsupported:   {"request_uri_not_supported", "OpenID Connect Core §3.1.2.6", "request_uri is not supported"},
	RegistrationUnsupported: {"registration_not_supported", "OpenID Connect Core §3.1.2.6", "the registration parameter is not supported"},
	StalePage:               {"invalid_request", "RFC 9110 §15.5.1", "this page waited too long, or belongs to another browser"},
	NotDue:                  {"invalid_request", "RFC 9110 §15.5.1", "this step is not the next one"},
	UnauthorizedClient:      {"unauthorized_client", "RFC 6749 §5.2", "the client is not allowed to use this grant type"},
	UnsupportedGrantType:    {"unsupported_grant_type", "RFC 6749 §5.2", "the grant type is not supported"},
	InvalidScope:            {"invalid_scope", "RFC 6749 §5.2", "the requested scope is invalid"},
	InvalidTarget:           {"invalid_target", "RFC 8707 §2", "the requested resource is not one this client may use"},
	AccessDenied:            {"access_denied", "RFC 6749 §4.1.2.1", "access was denied"},
	MFARequired:             {"invalid_grant", "RFC 6749 §5.2", "a second factor is required"},
	MissingToken:            {"invalid_token", "RFC 6750 §3", "no access token was sent"},
	InvalidToken:            {"invalid_token", "RFC 6750 §3.1", "the access token is invalid, expired or revoked"},
	InsufficientScope:       {"insufficient_scope", "RFC 6750 §3.1", "the access token does not reach this endpoint"},
	Forbidden:               {"access_denied", "RFC 9110 §15.5.4", "not allowed"},
	NotFound:                {"not_found", "RFC 9110 §15.5.5", "not found"},
	MethodNotAllowed:        {"invalid_request", "RFC 9110 §15.5.6", "method not allowed"},
	UnsupportedMedia:        {"invalid_request", "RFC 9110 §15.5.16", "this content type is not supported here"},
	TooLarge:                {"invalid_request", "RFC 9110 §15.5.14", "the request is too large"},
	InvalidValue:            {"invalid_request", "RFC 9110 §15.5.21", "a value is not valid"},
	Conflict:                {"conflict", "RFC 9110 §15.5.10", "already exists, or was changed meanwhile"},
	RateLimited:             {"temporarily_unavailable", "RFC 6585 §4", "too many requests"},
	Unavailable:             {"temporarily_unavailable", "RFC 6749 §4.1.2.1", "temporarily unavailable, try again"},
	ServerError:             {"server_error", "RFC 6749 §4.1.2.1", "internal error"},
}

// Codes lists every refusal there is, for tests that walk them all.
func Codes() []Code {
	out := make([]Code, 0, len(table))
	for c := range table {
		out = append(out, c)
	}
	return out
}

// Word is the error word the RFCs have for c; an unknown code is server_error.
func (c Code) Word() string {
	if r, ok := table[c]; ok {
		return r.word
	}
	return table[ServerError].word
}

// Section cites where the refusal is defined.
func (c Code) Section() string { return table[c].section }

// Text is the description sent when a room gives none.
func (c Code) Text() string {
	if r, ok := table[c]; ok {
		return r.text
	}
	return table[ServerError].text
}

// Error is a refusal: the client may be told Code and Description. The cause is
// for the log and the audit record alone and never reaches an answer.
type Error struct {
	Code        Code
	Description string        // what the client may read; never holds a secret or a value of somebody else
	Param       string        // the parameter at fault, where there is one
	RetryAfter  time.Duration // for RateLimited and Unavailable
	Allow       []string      // for MethodNotAllowed
	cause       error
}

// Refuse makes a refusal. An empty description stands for the code's own text.
func Refuse(code Code, description string) *Error {
	if description == "" {
		description = code.Text()
	}
	return &Error{Code: code, Description: description}
}

// Missing is the refusal of a request that lacks parameter name.
func Missing(name string) *Error {
	return &Error{Code: MissingParameter, Param: name, Description: "missing " + name}
}

// Because keeps the cause for the log; it returns e.
func (e *Error) Because(cause error) *Error { e.cause = cause; return e }

// Error is for logs: it may hold the cause, so it must never be sent to a client.
func (e *Error) Error() string {
	s := string(e.Code) + ": " + e.Description
	if e.cause != nil {
		s += " (" + e.cause.Error() + ")"
	}
	return s
}

// Unwrap gives the cause to errors.Is and errors.AsType.
func (e *Error) Unwrap() error { return e.cause }

// AsRefusal finds the refusal in err. Anything without one, nil code included,
// is our fault and becomes ServerError with err as its cause.
func AsRefusal(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok && e.Code != "" {
		return e
	}
	return Refuse(ServerError, "").Because(err)
}

// Is reports whether err is a refusal with code c.
func Is(err error, c Code) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Code == c
}
