package wire

import (
	"encoding/json"
	"errors"
	"testing"

	"jeton/internal/oauth"
)

func TestErrorBodyIsTheOneOfRFC6749(t *testing.T) {
	tests := []struct {
		e    *oauth.Error
		want string
	}{
		{oauth.Refuse(oauth.BadPassword, ""), `{"error":"invalid_grant","error_description":"invalid user name or password"}`},
		{oauth.Missing("code"), `{"error":"invalid_request","error_description":"missing code"}`},
		{oauth.Refuse(oauth.InvalidScope, "a \"b\" c\\d\r\nü\x7f<>&"), `{"error":"invalid_scope","error_description":"a 'b' c/d????<>&"}`},
		{&oauth.Error{Code: oauth.InvalidGrant}, `{"error":"invalid_grant"}`},
		{oauth.AsRefusal(errors.New("dial tcp 10.0.0.7")), `{"error":"server_error","error_description":"internal error"}`},
		{oauth.Refuse(oauth.BadCode, "").Because(errors.New("secret cause")), `{"error":"invalid_grant","error_description":"invalid authorization code"}`},
		{nil, `{"error":"server_error","error_description":"internal error"}`},
	}
	for _, tt := range tests {
		if got := string(ErrorBody(tt.e)); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}

func TestEveryCodeHasAStatusAndABody(t *testing.T) {
	for _, c := range oauth.Codes() {
		if s := Status(c); s < 400 || s > 599 {
			t.Errorf("%s: status %d", c, s)
		}
		var f Failure
		if err := json.Unmarshal(ErrorBody(oauth.Refuse(c, "")), &f); err != nil || f != NewFailure(oauth.Refuse(c, "")) || f.Error == "" {
			t.Errorf("%s: %+v, %v", c, f, err)
		}
		if (Status(c) == 500) != (c == oauth.ServerError) {
			t.Errorf("%s: status %d", c, Status(c))
		}
	}
	if Status("") != 500 || Status("nobody defined this") != 500 {
		t.Error("an unknown code is not our fault")
	}
}

func TestStatusesAreThoseOfTheStandards(t *testing.T) {
	tests := map[oauth.Code]int{
		oauth.InvalidRequest: 400, oauth.MalformedBody: 400, oauth.BadPassword: 400, oauth.MFARequired: 400,
		oauth.UnauthorizedClient: 400, oauth.AccessDenied: 400, oauth.InvalidClient: 401, oauth.InvalidToken: 401,
		oauth.MissingToken: 401, oauth.InsufficientScope: 403, oauth.Forbidden: 403, oauth.NotFound: 404,
		oauth.MethodNotAllowed: 405, oauth.Conflict: 409, oauth.TooLarge: 413, oauth.UnsupportedMedia: 415,
		oauth.InvalidValue: 422, oauth.RateLimited: 429, oauth.Unavailable: 503, oauth.ServerError: 500,
	}
	for c, want := range tests {
		if got := Status(c); got != want {
			t.Errorf("%s: %d, want %d", c, got, want)
		}
	}
}

func TestChallengeQuotesWhatItIsGiven(t *testing.T) {
	tests := []struct {
		scheme, realm string
		e             *oauth.Error
		want          string
	}{
		{"Basic", "jeton", oauth.Refuse(oauth.InvalidClient, ""), `Basic realm="jeton", charset="UTF-8"`},
		{"Bearer", "jeton", nil, `Bearer realm="jeton"`},
		{"Bearer", "jeton", oauth.Refuse(oauth.MissingToken, ""), `Bearer realm="jeton"`},
		{"Bearer", "jeton", oauth.Refuse(oauth.InvalidToken, "no \"such\"\r\ntoken"), `Bearer realm="jeton", error="invalid_token", error_description="no 'such'??token"`},
		{"Bearer", "a\"b\\c\r\nX-Evil: 1é", nil, `Bearer realm="a\"b\\c??X-Evil: 1?"`},
		{"Key", "x", &oauth.Error{Code: oauth.InsufficientScope}, `Key realm="x", error="insufficient_scope"`},
	}
	for _, tt := range tests {
		if got := Challenge(tt.scheme, tt.realm, tt.e); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}
