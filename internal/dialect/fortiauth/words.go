package fortiauth

import (
	"net/http"

	"jeton/internal/dialect"
	"jeton/internal/mfa"
	"jeton/internal/oauth"
	"jeton/internal/wire"
)

// failure is RFC 6749 §5.2 with the vendor's own two members beside it, so that a
// client finds the one it looks for.
type failure struct {
	Error       string `json:"error"`
	Description string `json:"error_description,omitempty"`
	Message     string `json:"message,omitempty"`
	Status      string `json:"status,omitempty"`
}

// statuses are those that differ from the standard ones of wire.Status: the vendor
// answers a wrong password with 401 and has no 415 and no 422.
var statuses = map[oauth.Code]int{
	oauth.BadPassword:      http.StatusUnauthorized,
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

// words is the vendor's wording of every refusal there is.
func words(f dialect.Refusal) dialect.Reply {
	if f.Challenge != nil {
		return dialect.Reply{Status: http.StatusNotAcceptable, Body: pendingOf(f.Challenge)}
	}
	if f.Voice == voicePush {
		return dialect.Reply{Status: status(f.Code), Body: outcome{Status: "error", Message: described(f)}}
	}
	reply := dialect.Reply{Status: status(f.Code), Body: body(f)}
	switch f.Code {
	case oauth.InvalidClient, oauth.InvalidToken:
		return reply.With("WWW-Authenticate", `Bearer error="`+f.Code.Word()+`"`)
	case oauth.MissingToken: // RFC 6750 §3.1: no error where nothing was sent
		return reply.With("WWW-Authenticate", "Bearer")
	}
	return reply
}

func body(f dialect.Refusal) failure {
	b := failure{Error: word(f.Code)}
	switch f.Code {
	case oauth.BadPassword, oauth.MFARequired:
		b.Description, b.Message, b.Status = "Invalid credentials given.", "User authentication failed", "error"
	case oauth.MalformedBody:
		b.Message, b.Status = "Request is not valid JSON", "error"
	case oauth.InvalidClient:
		if f.Voice != voicePlain {
			b.Description, b.Message, b.Status = "Client authentication failed.", "Client authentication failed", "error"
		}
	case oauth.BadCode, oauth.CodeUsed, oauth.CodeRedirect, oauth.BadRefreshToken, oauth.UnauthorizedClient, oauth.UnsupportedGrantType, oauth.MissingGrantType, oauth.InvalidScope:
		// the vendor sends the word alone
	default:
		b.Description = described(f)
	}
	return b
}

// word is the RFCs' but for a request without grant_type, which the vendor calls an
// unsupported one.
func word(c oauth.Code) string {
	if c == oauth.MissingGrantType {
		return oauth.UnsupportedGrantType.Word()
	}
	return c.Word()
}

// missing are the vendor's sentences for parameters that are not there.
var missing = map[string]string{
	"username":      "Request is missing username parameter.",
	"password":      "Request is missing password parameter.",
	"refresh_token": "Missing refresh token parameter.",
}

// lacks says that a parameter is not there.
func lacks(name string) string {
	if text, ok := missing[name]; ok {
		return text
	}
	return "Missing " + name + " parameter."
}

func described(f dialect.Refusal) string {
	switch {
	case f.Code == oauth.MissingParameter && f.Param != "":
		return lacks(f.Param)
	case f.Description == "":
		return f.Code.Text()
	}
	return f.Description
}

// outcome is the shape of everything that is asked about a push.
type outcome struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

// pending is the answer "not yet": which factor is asked for, and never to which
// phone, number or address it goes.
type pending struct {
	Challenge string `json:"challenge"`
	Message   string `json:"message,omitempty"`
	Method    string `json:"method,omitempty"`
	Session   string `json:"session,omitempty"`
	Status    string `json:"status"`
}

// methods are the vendor's names of our factors. FTM and FTK are the vendor's
// tokens on a phone and on a key ring.
var methods = map[string]string{
	"push":  "ftm-push",
	"totp":  "ftm",
	"hotp":  "ftk",
	"sms":   "sms",
	"email": "email",
	"dual":  "dual",
}

func pendingOf(c *mfa.Challenge) pending {
	p := pending{Challenge: c.Kind, Session: c.Session, Status: c.Status}
	if p.Challenge == "" {
		p.Challenge = "otp"
	}
	if p.Status == "" {
		p.Status = "pending"
	}
	if p.Challenge == "radius" { // a remote server asks, in its own words
		p.Message = c.Prompt
		return p
	}
	p.Method = methods[c.Method]
	return p
}
