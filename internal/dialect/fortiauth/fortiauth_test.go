package fortiauth_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"jeton/internal/servertest"
)

func TestTranscripts(t *testing.T) { servertest.Run(t, "testdata") }

// post sends a JSON body to the token endpoint and gives what was answered.
func post(t *testing.T, s *servertest.Server, body string) (status int, answer string) {
	t.Helper()
	resp, err := http.Post(s.URL+"/api/v1/oauth/token/", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func login(realm, password string) string {
	return `{"client_id":"client_id","client_secret":"client_secret","grant_type":"password","username":"luser1",` +
		`"password":"` + password + `","realm":` + realm + `}`
}

// What is wrong with a realm must not show: it is answered as a wrong password is.
func TestDial04EveryBadRealmLooksLikeAWrongPassword(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	status, want := post(t, s, login(`"local"`, "wrong"))
	if status != http.StatusUnauthorized {
		t.Fatalf("a wrong password is answered %d: %s", status, want)
	}
	if status, body := post(t, s, login(`"local"`, "12345678")); status != http.StatusOK {
		t.Fatalf("the right realm is answered %d: %s", status, body)
	}
	for name, realm := range map[string]string{
		"unknown":        `"nowhere"`,
		"path":           `"../local"`,
		"dots":           `"../"`,
		"other case":     `"LOCAL"`,
		"space":          `"local "`,
		"line feed":      `"local\n"`,
		"array":          `["local"]`,
		"object":         `{"name":"local"}`,
		"number":         `1`,
		"boolean":        `true`,
		"64 KiB":         `"` + strings.Repeat("a", 64<<10) + `"`,
		"64 KiB of dots": `"` + strings.Repeat("../", 64<<10/3) + `"`,
	} {
		t.Run(name, func(t *testing.T) {
			if status, body := post(t, s, login(realm, "12345678")); status != http.StatusUnauthorized || body != want {
				t.Errorf("status %d, body %s; want 401, %s", status, body, want)
			}
		})
	}
}

// A user's name and password beside a code neither replace nor extend what is
// checked of it.
func TestDial05UserFieldsBesideACodeCountForNothing(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	const code = `"grant_type":"authorization_code","code":"VqVGbVJ8vNgkLwV2bJfVZ1sYJ5sVpT","redirect_uri":"http://127.0.0.1:8423/callback"`
	for name, c := range map[string]struct {
		body   string
		status int
		answer string
	}{
		"right password":     {`{"client_id":"client_id","client_secret":"client_secret","username":"luser1","password":"12345678",` + code + `}`, 400, `{"error":"invalid_grant"}`},
		"wrong password":     {`{"client_id":"client_id","client_secret":"client_secret","username":"luser1","password":"wrong",` + code + `}`, 400, `{"error":"invalid_grant"}`},
		"no user":            {`{"client_id":"client_id","client_secret":"client_secret",` + code + `}`, 400, `{"error":"invalid_grant"}`},
		"wrong secret":       {`{"client_id":"client_id","client_secret":"wrong","username":"luser1","password":"12345678",` + code + `}`, 401, `"error":"invalid_client"`},
		"no code but a user": {`{"client_id":"client_id","client_secret":"client_secret","username":"luser1","password":"12345678","grant_type":"authorization_code"}`, 400, `Missing code parameter.`},
	} {
		t.Run(name, func(t *testing.T) {
			if status, body := post(t, s, c.body); status != c.status || !strings.Contains(body, c.answer) || strings.Contains(body, "access_token") {
				t.Errorf("status %d, body %s; want %d, %s", status, body, c.status, c.answer)
			}
		})
	}
}

func TestABodyBeyondTheLimitIsRefusedBySize(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	if status, body := post(t, s, login(`"`+strings.Repeat("a", 128<<10)+`"`, "12345678")); status != http.StatusRequestEntityTooLarge || !strings.Contains(body, `"error":"invalid_request"`) {
		t.Errorf("status %d, body %s", status, body)
	}
}
