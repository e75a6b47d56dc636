package faspex

import (
	"cmp"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"jeton/internal/client"
	"jeton/internal/dialect"
	"jeton/internal/identity"
	"jeton/internal/oauth"
	"jeton/internal/wire"
)

func TestDecodeReadsEveryWayParametersTravel(t *testing.T) {
	const (
		form = "application/x-www-form-urlencoded"
		js   = "application/json"
	)
	for name, c := range map[string]struct {
		query, media, body string
		grant, refresh     string
		assertion, id      string
		code               oauth.Code
	}{
		"query":                         {query: "grant_type=password", grant: "password"},
		"query and an empty object":     {query: "grant_type=password", media: js, body: "{}", grant: "password"},
		"query, JSON without a body":    {query: "grant_type=password", media: js, grant: "password"},
		"query and white space":         {query: "grant_type=password", media: "text/plain", body: " \r\n", grant: "password"},
		"form":                          {media: form, body: "scope=admin&grant_type=password", grant: "password"},
		"JSON":                          {media: js, body: `{"grant_type":"password"}`, grant: "password"},
		"JSON with an assertion":        {media: js, body: `{"grant_type":"x","assertion":"PD94\nbWw","id":1}`, grant: "x", assertion: "PD94\nbWw", id: "1"},
		"the number as a text":          {media: js, body: `{"grant_type":"x","assertion":"PD94","id":"1"}`, grant: "x", assertion: "PD94", id: "1"},
		"no number":                     {media: js, body: `{"grant_type":"x","assertion":"PD94","id":null}`, grant: "x", assertion: "PD94"},
		"another thing for the number":  {media: js, body: `{"grant_type":"x","assertion":"PD94","id":[1]}`, grant: "x", assertion: "PD94", id: "[1]"},
		"form with an assertion":        {media: form, body: "grant_type=x&assertion=PD94%2B%0D%0A&id=2", grant: "x", assertion: "PD94+\r\n", id: "2"},
		"query with an assertion":       {query: "grant_type=x&assertion=PD94&id=2", grant: "x", assertion: "PD94", id: "2"},
		"assertion in body over query":  {query: "grant_type=x&assertion=q&id=2", media: js, body: `{"assertion":"b","id":1}`, grant: "x", assertion: "b", id: "1"},
		"an assertion that is no text":  {media: js, body: `{"grant_type":"x","assertion":1}`, code: oauth.InvalidRequest},
		"query with a refresh token":    {query: "grant_type=refresh_token&refresh_token=b0s7_k-T", grant: "refresh_token", refresh: "b0s7_k-T"},
		"form with a refresh token":     {media: form, body: "grant_type=refresh_token&refresh_token=b0s7", grant: "refresh_token", refresh: "b0s7"},
		"body over query":               {query: "grant_type=password&refresh_token=q", media: form, body: "grant_type=refresh_token", grant: "refresh_token", refresh: "q"},
		"an empty value counts as none": {query: "grant_type=password", media: js, body: `{"grant_type":""}`, grant: "password"},
		"null counts as none":           {query: "grant_type=password", media: js, body: `{"grant_type":null}`, grant: "password"},
		"twice in the query":            {query: "grant_type=a&grant_type=a", code: oauth.InvalidRequest},
		"twice in JSON":                 {media: js, body: `{"grant_type":"a","grant_type":"b"}`, code: oauth.InvalidRequest},
		"not a string":                  {media: js, body: `{"grant_type":1}`, code: oauth.InvalidRequest},
		"not JSON":                      {media: js, body: `grant_type=password`, code: oauth.MalformedBody},
		"another type":                  {media: "text/plain", body: "grant_type=password", code: oauth.UnsupportedMedia},
		"YAML":                          {media: "application/x-yaml", body: "grant_type: password", code: oauth.UnsupportedMedia},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := decode(c.query, c.media, []byte(c.body))
			if c.code != "" {
				if !oauth.Is(err, c.code) {
					t.Fatalf("%v, want %s", err, c.code)
				}
				return
			}
			if err != nil || p.Text(paramGrant) != c.grant || p.Text(paramRefresh) != c.refresh || p.assertion != c.assertion || p.provider != c.id {
				t.Errorf("%q, %q, %q, %q, %v", p.Text(paramGrant), p.Text(paramRefresh), p.assertion, p.provider, err)
			}
		})
	}
}

// What the body says counts; where it says nothing the query does; and nothing is
// read that neither said.
func FuzzTheBodyCountsBeforeTheQuery(f *testing.F) {
	f.Add("grant_type=password", "application/json", []byte("{}"))
	f.Add("grant_type=refresh_token&refresh_token=abc", "", []byte(""))
	f.Add("grant_type=a", "application/x-www-form-urlencoded", []byte("grant_type=b&refresh_token=%20"))
	f.Add("", "application/json", []byte(`{"grant_type":"password","scope":["a"]}`))
	f.Add("id=1&assertion=PD94", "application/json", []byte(`{"id":"2","assertion":"PD94\n"}`))
	f.Fuzz(func(t *testing.T, query, media string, body []byte) {
		p, err := decode(query, media, body)
		if err != nil {
			if oauth.AsRefusal(err).Code == oauth.ServerError {
				t.Fatalf("not a refusal: %v", err)
			}
			return
		}
		// To net/url a raw semicolon is an error; here it is a part of the value, and separates nothing.
		inQuery, err := url.ParseQuery(strings.ReplaceAll(query, ";", "%3B"))
		if err != nil {
			t.Fatalf("query %q was read: %v", query, err)
		}
		var inBody params
		if p, err := decodeBody(media, body); err == nil {
			inBody = p
		}
		for name, got := range map[string][2]string{
			paramGrant:     {p.Text(paramGrant), inBody.Text(paramGrant)},
			paramRefresh:   {p.Text(paramRefresh), inBody.Text(paramRefresh)},
			paramAssertion: {p.assertion, inBody.assertion},
			paramProvider:  {p.provider, inBody.provider},
		} {
			want := cmp.Or(got[1], inQuery.Get(name))
			if got[0] != want {
				t.Errorf("query %q, body %q: %s is %q, want %q", query, body, name, got[0], want)
			}
		}
	})
}

func TestAUserIsDescribedInTheVendorsForm(t *testing.T) {
	const created, updated = 1472847918, 1475526318
	u := &identity.User{
		ID: 4, Name: "ext@example.com", FamilyName: "(external email)", Enabled: true, Expires: updated + 1,
		Created: created, Updated: updated,
		Attr: map[string]any{Name: map[string]any{
			"account_activated": true, "can_send_to_external_email": true,
			"profile":     []any{map[string]any{"id": 3, "field": 1, "name": "Department", "value": "R&D"}},
			"memberships": []any{map[string]any{"id": 2, "workgroup": "wg", "workgroup_id": 7, "type": "Workgroup", "can_read": true}},
		}},
	}
	const want = `{"id":"4","name":"ext@example.com","first_name":"","last_name":"(external email)",` +
		`"account_activated":true,"account_expires":true,"admin":false,"downloads_allowed":false,"uploads_allowed":false,` +
		`"can_send_normal_packages":false,"can_send_to_all_faspex_users":false,"can_send_to_external_email":true,` +
		`"created_at":"2016-09-02T20:25:18+00:00","updated_at":"2016-10-03T20:25:18+00:00","delete_packages_after_download":false,` +
		`"user_profile_data_attributes":[{"created_at":"2016/09/02 20:25:18 +0000","id":3,"updated_at":"2016/10/03 20:25:18 +0000",` +
		`"user_id":4,"user_profile_field_id":1,"value":"R&D","user_profile_field_name":"Department"}],` +
		`"memberships":[{"id":2,"e_workgroup_id":7,"e_workgroup_type":"Workgroup","e_workgroup_name":"wg","user_id":4,` +
		`"can_read":true,"can_write":false,"is_wg_admin":false,"created_at":"2016/09/02 20:25:18 +0000","updated_at":"2016/10/03 20:25:18 +0000"}]}`
	got, err := wire.JSONText(describe(u, updated))
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
	if describe(u, updated+1).Activated {
		t.Error("an account that has ended is shown as activated")
	}
}

func TestANumberHasOneSpelling(t *testing.T) {
	for text, ok := range map[string]bool{"1": true, "42": true, "0": false, "-1": false, "+1": false, "01": false, "1 ": false, "1e1": false, "": false, "me": false, "9223372036854775808": false, "١": false} {
		if _, got := number(text); got != ok {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestTheGraceOfAnOrganizationIsBounded(t *testing.T) {
	for text, want := range map[string]int64{"": -1, "0": 0, "30": 30, "3600": 60, "-5": -1, `"x"`: -1} {
		o := &client.Org{}
		if text != "" {
			o.Settings = map[string]map[string]json.RawMessage{Name: {settingGrace: json.RawMessage(text)}}
		}
		got := int64(-1)
		if p := profile(o); p != nil {
			got = int64(p.Grace.Seconds())
		}
		if got != want {
			t.Errorf("%q: %d seconds, want %d", text, got, want)
		}
	}
}

// A wrong method at the token endpoint has the product's error object, any other
// refusal there RFC 6749's.
func TestARefusalSaysWhatTheVendorSays(t *testing.T) {
	for _, c := range []struct {
		f      dialect.Refusal
		status int
		body   string
	}{
		{dialect.Refusal{Code: oauth.BadAssertion, Description: "invalid assertion"}, 401, `{"error":"invalid_grant","error_description":"invalid assertion"}`},
		{dialect.Refusal{Code: oauth.MFARequired, Description: "a second factor is required"}, 401, `{"error":"invalid_grant","error_description":"invalid user name or password"}`},
		{dialect.Refusal{Code: oauth.MethodNotAllowed}, 405, `{"error":{"code":405,"user_message":"method not allowed","internal_message":"method not allowed"}}`},
		{dialect.Refusal{Code: oauth.ServerError}, 500, `{"error":"server_error","error_description":"internal error"}`},
		{dialect.Refusal{Voice: voiceAPI}, 500, `{"error":{"code":500,"user_message":"internal error","internal_message":"internal error"}}`},
		{dialect.Refusal{Code: oauth.InvalidToken, Voice: voiceAPI}, 401, `{"error":{"code":401,"user_message":"invalid or expired token","internal_message":"the access token is invalid, expired or revoked"}}`},
	} {
		reply := words(c.f)
		body, err := wire.JSONText(reply.Body)
		if err != nil {
			t.Fatal(err)
		}
		if reply.Status != c.status || string(body) != c.body {
			t.Errorf("%+v: %d %s\nwant %d %s", c.f, reply.Status, body, c.status, c.body)
		}
	}
}
