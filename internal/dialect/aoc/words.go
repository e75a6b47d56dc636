package aoc

import (
	"fmt"
	"net/http"
	"strings"

	"jeton/internal/audit"
	"jeton/internal/dialect"
	"jeton/internal/oauth"
	"jeton/internal/wire"
)

// failure is how the OAuth endpoints refuse. State is there always, null where the
// request had none.
type failure struct {
	Error       string  `json:"error"`
	Description string  `json:"error_description"`
	State       *string `json:"state"`
}

// texts are the vendor's descriptions.
var texts = map[oauth.Code]string{
	oauth.MissingGrantType:     "missing 'grant_type'",
	oauth.InvalidClient:        "invalid client id or secret",
	oauth.UnauthorizedClient:   "client not authorized for this grant type",
	oauth.UnsupportedGrantType: "grant type not supported",
	oauth.InvalidScope:         "requested scope is invalid",
	oauth.BadCode:              "invalid authorization code",
	oauth.CodeUsed:             "authorization code already used",
	oauth.CodeRedirect:         "redirect uri doesn't match authorized redirect uri",
	oauth.UnknownClient:        "client not found",
	oauth.BadRefreshToken:      "invalid refresh token",
	oauth.BadAssertion:         "invalid assertion",
}

func words(f dialect.Refusal) dialect.Reply {
	if f.Voice == resource {
		return resourceWords(f)
	}
	text, ok := texts[f.Code]
	switch {
	case f.Code == oauth.MissingParameter && f.Param != "":
		text = "missing '" + f.Param + "'"
	case !ok:
		text = f.Description
	}
	std := wire.NewFailure(&oauth.Error{Code: f.Code, Description: text})
	body := failure{Error: std.Error, Description: std.Description}
	if f.State != "" {
		body.State = &f.State
	}
	reply := dialect.Reply{Status: wire.Status(f.Code), Body: body}
	if f.Code == oauth.InvalidClient {
		return reply.With("WWW-Authenticate", wire.Challenge("Basic", Name, nil))
	}
	return reply
}

// unauthorized and trouble are how the resource API refuses.
type unauthorized struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

type trouble struct {
	Param   string   `json:"param,omitempty"`
	Params  []string `json:"params,omitempty"`
	Code    string   `json:"code"`
	Message string   `json:"message"`
	Request string   `json:"request_id"`
}

// resourceCodes are the vendor's words for a status, and ours where it has none.
var resourceCodes = map[int]string{
	http.StatusForbidden: "forbidden", http.StatusNotFound: "not_found", http.StatusMethodNotAllowed: "method_not_allowed",
	http.StatusConflict: "conflict", http.StatusRequestEntityTooLarge: "too_large",
	http.StatusUnsupportedMediaType: "unsupported_media_type", http.StatusTooManyRequests: "too_many_requests",
	http.StatusServiceUnavailable: "unavailable", http.StatusInternalServerError: "internal_error",
}

func resourceWords(f dialect.Refusal) dialect.Reply {
	status := wire.Status(f.Code)
	t := trouble{Code: resourceCodes[status], Message: f.Description, Request: requestID(f.ID)}
	switch f.Code {
	case oauth.MissingToken, oauth.InvalidToken, oauth.InvalidClient:
		e := &oauth.Error{Code: f.Code, Description: f.Description}
		return dialect.Reply{Status: http.StatusUnauthorized, Body: unauthorized{"unauthorized", f.Description}}.
			With("WWW-Authenticate", wire.Challenge("Bearer", Name, e))
	case oauth.MissingParameter:
		status, t.Param, t.Code = http.StatusUnprocessableEntity, f.Param, "parameter_missing"
	case oauth.UnknownParameter:
		status, t.Params, t.Code = http.StatusUnprocessableEntity, strings.Split(f.Param, ","), "unpermitted_parameters"
	case oauth.InvalidValue:
		t.Param, t.Code = f.Param, "invalid_parameter_value"
	}
	if t.Code == "" {
		t.Code = "bad_request"
	}
	return dialect.Reply{Status: status, Body: t}
}

// requestID writes an error id, 63 bits that sort by time, as a UUID of version 8
// (RFC 9562 §5.8).
func requestID(id string) string {
	n, _ := audit.ParseID(id)
	v := uint64(n)
	hex := fmt.Sprintf("%012x8%03x%x", v>>15, v>>3&0xfff, 1<<63|v&7)
	return uuid(hex)
}
