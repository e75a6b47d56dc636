package fortiauth

import (
	"encoding/json"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"jeton/internal/client"
	"jeton/internal/dialect"
	"jeton/internal/mfa"
	"jeton/internal/oauth"
	"jeton/internal/wire"
)

const session = "9b1f0c5e4a7d4c2f8e6a3b0d1c2e4f60"

// A challenge is 406 and says which factor, in the vendor's names and order.
func TestDial06AChallengeNamesTheFactorAndNothingElse(t *testing.T) {
	for want, c := range map[string]mfa.Challenge{
		`{"challenge":"otp","method":"ftm-push","session":"` + session + `","status":"pending"}`: {Kind: "otp", Method: "push", Session: session, Status: "pending"},
		`{"challenge":"otp","method":"ftm","status":"pending"}`:                                  {Kind: "otp", Method: "totp", Status: "pending"},
		`{"challenge":"otp","method":"ftk","status":"pending"}`:                                  {Kind: "otp", Method: "hotp", Status: "pending"},
		`{"challenge":"otp","method":"sms","status":"pending"}`:                                  {Kind: "otp", Method: "sms", Status: "pending", Prompt: "sent to +49 151 2345678"},
		`{"challenge":"otp","method":"email","status":"pending"}`:                                {Kind: "otp", Method: "email", Status: "pending", Prompt: "sent to luser1@example.com"},
		`{"challenge":"otp","method":"dual","status":"pending"}`:                                 {Method: "dual"},
		`{"challenge":"radius","message":"Enter PIN","session":"` + session + `","status":"pending"}`: {
			Kind: "radius", Prompt: "Enter PIN", Session: session, Status: "pending",
		},
	} {
		for _, voice := range append([]string{""}, Dialect.Voices...) {
			reply := words(dialect.Refusal{Code: oauth.MFARequired, Description: "a second factor is required", Challenge: &c, Voice: voice})
			body, err := wire.JSONText(reply.Body)
			if err != nil {
				t.Fatal(err)
			}
			if reply.Status != 406 || string(body) != want {
				t.Errorf("%s, voice %q: %d %s, want %s", c.Method, voice, reply.Status, body, want)
			}
		}
	}
}

func TestARefusalSaysWhatTheVendorSays(t *testing.T) {
	missing := func(param string) dialect.Refusal {
		e := oauth.Missing(param)
		return dialect.Refusal{Code: e.Code, Description: e.Description, Param: param}
	}
	for _, c := range []struct {
		f            dialect.Refusal
		status       int
		body, header string
	}{
		{dialect.Refusal{Code: oauth.BadRefreshToken, Description: "invalid refresh token"}, 400, `{"error":"invalid_grant"}`, ""},
		{dialect.Refusal{Code: oauth.MFARequired, Description: "x"}, 401, `{"error":"invalid_grant","error_description":"Invalid credentials given.","message":"User authentication failed","status":"error"}`, ""},
		{dialect.Refusal{Code: oauth.InvalidClient, Voice: voicePlain}, 401, `{"error":"invalid_client"}`, `Bearer error="invalid_client"`},
		{missing("token"), 400, `{"error":"invalid_request","error_description":"Missing token parameter."}`, ""},
		{missing("password"), 400, `{"error":"invalid_request","error_description":"Request is missing password parameter."}`, ""},
		{dialect.Refusal{Code: oauth.Forbidden, Description: "not allowed"}, 403, `{"error":"access_denied","error_description":"not allowed"}`, ""},
		{dialect.Refusal{Code: oauth.ServerError}, 500, `{"error":"server_error","error_description":"internal error"}`, ""},
		{dialect.Refusal{}, 500, `{"error":"server_error","error_description":"internal error"}`, ""},
		{dialect.Refusal{Code: oauth.ServerError, Voice: voicePush}, 500, `{"status":"error","message":"internal error"}`, ""},
	} {
		reply := words(c.f)
		body, err := wire.JSONText(reply.Body)
		if err != nil {
			t.Fatal(err)
		}
		if reply.Status != c.status || string(body) != c.body || reply.Header.Get("WWW-Authenticate") != c.header {
			t.Errorf("%+v: %d %s %q\nwant %d %s %q", c.f, reply.Status, body, reply.Header.Get("WWW-Authenticate"), c.status, c.body, c.header)
		}
	}
}

// Whatever a client asks for, it gets its default scopes and no scope it is not
// registered for.
func TestScopesStayWithinWhatTheClientHas(t *testing.T) {
	values := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-e]`), 0, 5, rapid.ID[string])
	rapid.Check(t, func(t *rapid.T) {
		all := oauth.Scope(values.Draw(t, "scopes"))
		c := &client.Client{Scopes: all}
		for _, v := range all {
			if rapid.Bool().Draw(t, "default") {
				c.DefaultScope = append(c.DefaultScope, v)
			}
		}
		asked := oauth.Scope(values.Draw(t, "asked"))
		before := append(oauth.Scope(nil), c.DefaultScope...)
		granted, err := scopes(c, oauth.Subject{}, asked)
		if diff := cmp.Diff(before, append(oauth.Scope(nil), c.DefaultScope...)); diff != "" {
			t.Fatalf("the client was changed: %s", diff)
		}
		within := all
		if len(all) == 0 {
			within = oauth.Scope{defaultScope}
		}
		if !asked.Within(within) {
			if !oauth.Is(err, oauth.InvalidScope) {
				t.Fatalf("asked %v of %v: %v, want invalid_scope", asked, all, err)
			}
			return
		}
		if err != nil || !granted.Within(within) || !c.DefaultScope.Within(granted) || !asked.Within(granted) {
			t.Fatalf("asked %v of %v, default %v: granted %v, %v", asked, all, c.DefaultScope, granted, err)
		}
		if len(asked) > 0 && !granted.Within(append(append(oauth.Scope{}, c.DefaultScope...), asked...)) {
			t.Fatalf("asked %v, default %v: granted %v", asked, c.DefaultScope, granted)
		}
	})
}

// A JSON body that is read says the same as the form of its members.
func FuzzAJSONBodySaysWhatItsFormSays(f *testing.F) {
	for _, seed := range []string{
		`{"client_id":"client_id","client_secret":"client_secret","grant_type":"password","username":"luser1","password":"12345678"}`,
		`{"client_id":"c","grant_type":"refresh_token","refresh_token":"Hn4TgB1xVwQ6oCzMk8RySdA2uLfE7p"}`,
		`{"realm":["a"],"username":"\u00e4","password":"a&b=c+d%20","iam_user":"x"}`,
		`{"realm":"../","token":"","scope":null}`,
		`{"username":1}`, `[]`, `{`, ``, `{"username":"a","username":"b"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		in, err := decode("application/json", body)
		if err != nil {
			if oauth.AsRefusal(err).Code == oauth.ServerError {
				t.Fatalf("%q: not a refusal: %v", body, err)
			}
			return
		}
		var sent map[string]json.RawMessage
		if err := json.Unmarshal(body, &sent); err != nil {
			t.Fatalf("%q was read, but it is no JSON object: %v", body, err)
		}
		form := url.Values{}
		for _, name := range members {
			if in.Has(name) {
				form.Set(name, in.Text(name))
			}
		}
		again, err := decode("application/x-www-form-urlencoded", []byte(form.Encode()))
		if err != nil {
			t.Fatalf("%q: the form %q: %v", body, form.Encode(), err)
		}
		for _, name := range members {
			if in.Text(name) != again.Text(name) {
				t.Errorf("%q: %s is %q in JSON and %q in the form", body, name, in.Text(name), again.Text(name))
			}
		}
		if g, err := in.grant(); err == nil && string(g.Type()) != in.Text("grant_type") {
			t.Errorf("%q: a grant of type %s for %q", body, g.Type(), in.Text("grant_type"))
		}
	})
}
