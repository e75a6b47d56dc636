package aoc

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"jeton/internal/client"
	"jeton/internal/dialect"
	"jeton/internal/oauth"
	"jeton/internal/wire"
)

func TestWhoAcceptsHTMLGetsAPage(t *testing.T) {
	for accept, want := range map[string]bool{
		"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8": true,
		"application/json, Text/HTML ;q=0.1":                              true,
		"":                                                                false,
		"*/*":                                                             false,
		"application/json":                                                false,
		"text/htmlx":                                                      false,
		"application/json;profile=text/html":                              false,
	} {
		r := &dialect.Request{Request: &http.Request{Header: http.Header{"Accept": {accept}}}}
		if got := readsPages(r); got != want {
			t.Errorf("Accept: %s: %v", accept, got)
		}
	}
}

func TestConsentFollowsTheClientsFlag(t *testing.T) {
	for flag, want := range map[string]string{"": client.ConsentOnce, "true": client.ConsentOnce, "false": client.ConsentNever} {
		c := &client.Client{Consent: client.ConsentAlways} // the vendor's own flag decides
		if flag != "" {
			c.Settings = map[string]json.RawMessage{explicitAuthorization: json.RawMessage(flag)}
		}
		if got := consent(c); got != want {
			t.Errorf("%q: %s, want %s", flag, got, want)
		}
	}
}

func TestARefusedAuthorizationSaysNothingOfOurOwnFaults(t *testing.T) {
	for _, err := range []error{errors.New("dial tcp 10.0.0.7"), oauth.Refuse(oauth.Unavailable, "").Because(errors.New("x"))} {
		if reply, got := withState("s1", err); !errors.Is(got, err) || reply.Body != nil {
			t.Errorf("%v is answered %+v, %v", err, reply, got)
		}
	}
}

// FuzzState: what is no fault of ours is told with the state exactly as it was sent.
func FuzzState(f *testing.F) {
	f.Add("s1")
	f.Add("\"\\</script>\u2028\x00")
	f.Add("")
	f.Fuzz(func(t *testing.T, state string) {
		if !utf8.ValidString(state) { // the query is refused before
			return
		}
		refused := oauth.Refuse(oauth.UnknownClient, "")
		reply, err := withState(state, refused)
		if state == "" {
			if err == nil {
				t.Error("a request without a state has one in its answer")
			}
			return
		}
		b, jsonErr := wire.JSONText(reply.Body)
		if err != nil || jsonErr != nil || reply.Refused != refused || reply.Status != 400 {
			t.Fatalf("%v %v %+v", err, jsonErr, reply)
		}
		var got struct {
			Error, State string
		}
		if err := json.Unmarshal(b, &got); err != nil || got.State != state || got.Error != "invalid_client" {
			t.Errorf("sent %q, got %s (%v)", state, b, err)
		}
	})
}

// FuzzNamedOrg: an organization is read out of a path only where the routes have it.
func FuzzNamedOrg(f *testing.F) {
	for _, path := range []string{"/api/v1/oauth2/acme/token", "/oauth2/acme/token/", "/api/v1/oauth2/token", "/oauth2//token", "/oauth2/a/oauth2/b/token", ""} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		id, named := namedOrg(path)
		if strings.Contains(id, "/") || named && !strings.Contains(path, "/oauth2/"+id+"/") {
			t.Errorf("%q names %q, %v", path, id, named)
		}
	})
}
