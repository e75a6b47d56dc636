package internal_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"jeton/internal/client"
	"jeton/internal/core"
	"jeton/internal/dialect"
	"jeton/internal/grant"
	"jeton/internal/mfa"
	"jeton/internal/oauth"
	"jeton/internal/policy"
	"jeton/internal/server"
	"jeton/internal/servertest"
)

const marker = "CAUSE-dial-tcp-10.0.0.7-MARKER"

// refusalOf is what a dialect's words are handed for an error, made the way the
// server makes it.
func refusalOf(err error, voice string) dialect.Refusal {
	e := oauth.AsRefusal(err)
	c, _ := errors.AsType[*mfa.Challenge](err)
	return dialect.Refusal{Code: e.Code, Description: e.Description, Challenge: c, Voice: voice, Method: "POST", Path: "/x", ID: "0123456789ABC"}
}

func TestEveryDialectWordsEveryRefusal(t *testing.T) {
	for _, d := range append(server.Dialects(), &toy) {
		for _, voice := range append([]string{""}, d.Voices...) {
			for _, code := range oauth.Codes() {
				t.Run(fmt.Sprintf("%s/%s/%s", d.Name, voice, code), func(t *testing.T) {
					reply := d.Words(refusalOf(oauth.Refuse(code, "").Because(errors.New(marker)), voice))
					checkWords(t, reply, code)
				})
			}
			reply := d.Words(refusalOf(errors.New(marker), voice))
			if reply.Status != http.StatusInternalServerError {
				t.Errorf("%s/%s: an error without a code is answered %d, want 500", d.Name, voice, reply.Status)
			}
			reply = d.Words(dialect.Refusal{Voice: voice, Code: "no_such_code", Description: "x"})
			if reply.Status < 400 {
				t.Errorf("%s/%s: an unknown code is answered %d", d.Name, voice, reply.Status)
			}
			reply = d.Words(refusalOf(&mfa.Challenge{Kind: "otp", Method: "totp", Status: "pending"}, voice))
			if reply.Status < 400 {
				t.Errorf("%s/%s: a challenge is answered %d", d.Name, voice, reply.Status)
			}
		}
	}
}

func checkWords(t *testing.T, reply dialect.Reply, code oauth.Code) {
	t.Helper()
	if reply.Status < 400 || reply.Status > 599 {
		t.Errorf("status %d", reply.Status)
	}
	if (reply.Status == http.StatusInternalServerError) != (code == oauth.ServerError) {
		t.Errorf("status %d for %s", reply.Status, code)
	}
	body, ok := reply.Body.([]byte)
	if !ok {
		var err error
		if body, err = json.Marshal(reply.Body); err != nil {
			t.Fatal(err)
		}
	}
	if all := string(body) + fmt.Sprint(reply.Header); strings.Contains(all, marker) {
		t.Errorf("the reply repeats the cause: %s", all)
	}
}

// toy is a sixth dialect: this value is all of its code, and one line mounts it.
var toy = dialect.Dialect{
	Name:  "toy",
	Title: "Toy",
	Settings: []dialect.Setting{
		{Name: "greeting", Kind: "text", Default: "hello", Meaning: "what its answers begin with"},
	},
	Profile: policy.Profile{
		Dialect: "toy", Access: policy.Form{Kind: policy.Short, Length: 24, Alphabet: policy.Base62},
		Refresh:    policy.Form{Kind: policy.Sealed, Prefix: "toy_"},
		AccessLife: time.Minute, RefreshLife: time.Hour, FamilyLife: 24 * time.Hour,
		RefreshFor: []oauth.GrantType{oauth.GrantPassword}, Rotate: true, Grace: 10 * time.Second,
	},
	Words: func(f dialect.Refusal) dialect.Reply {
		status := http.StatusTeapot
		if f.Code == oauth.ServerError || f.Code.Word() == "server_error" {
			status = http.StatusInternalServerError
		}
		return dialect.Reply{Status: status, Body: map[string]string{"no": string(f.Code.Word())}}
	},
	Owns: []string{"/toy"},
	Mount: func(m *dialect.Mux, c *core.Core) {
		m.Handle("POST", "/toy/login", func(r *dialect.Request) (dialect.Reply, error) {
			o, err := r.JSON()
			if err != nil {
				return dialect.Reply{}, err
			}
			user, _, _ := o.Text("user")
			password, _, _ := o.Text("password")
			id, _, _ := o.Text("app")
			secret, _, _ := o.Text("key")
			t, err := c.Exchange.Token(r.Context(), &grant.Request{
				Org: r.Org, Dialect: "toy", Addr: r.Addr, Issuer: r.Base,
				Client: client.Credentials{ID: id, Secret: oauth.Secret(secret), Method: client.SecretPost},
				Grant:  grant.Password{Name: user, Password: oauth.Secret(password)},
			})
			if err != nil {
				return dialect.Reply{}, err
			}
			return dialect.OK(map[string]string{"token": t.Access, "again": t.Refresh}), nil
		})
		m.Handle("GET", "/toy/me/{what}", func(r *dialect.Request) (dialect.Reply, error) {
			a, err := c.Bearer(r.Context(), r.Org.ID, "toy", r.Header.Get("X-Toy"))
			if err != nil {
				return dialect.Reply{}, err
			}
			return dialect.OK(map[string]string{r.Var("what"): a.Subject.Name}), nil
		})
	},
}

const toyWorld = `
version: 1
users:
  - {name: bob, password: {plain: bobs-password}}
clients:
  - {id: toybox, dialect: toy, auth: client_secret_post, secrets: [{plain: toy-secret}], grants: [password, refresh_token], scopes: [play]}
`

func TestASixthDialectCostsOneValueAndOneLine(t *testing.T) {
	s := servertest.Start(t, servertest.Options{World: toyWorld, Dialects: []*dialect.Dialect{&toy}})
	post := func(body string) (int, string) {
		resp, err := http.Post(s.URL+"/toy/login/", "application/json", strings.NewReader(body))
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
	status, body := post(`{"user":"bob","password":"bobs-password","app":"toybox","key":"toy-secret"}`)
	if status != http.StatusOK {
		t.Fatalf("status %d: %s", status, body)
	}
	var answer struct{ Token, Again string }
	if err := json.Unmarshal([]byte(body), &answer); err != nil || len(answer.Token) != 24 || !strings.HasPrefix(answer.Again, "toy_") {
		t.Fatalf("answer %s: %v", body, err)
	}
	req, _ := http.NewRequest("GET", s.URL+"/toy/me/name", nil)
	req.Header.Set("X-Toy", answer.Token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, _ := io.ReadAll(resp.Body); string(b) != `{"name":"bob"}` {
		t.Errorf("me: %s", b)
	}
	for _, bad := range []string{
		`{"user":"bob","password":"wrong","app":"toybox","key":"toy-secret"}`,
		`{"user":"bob","password":"bobs-password","app":"toybox","key":"wrong"}`,
		`{"user":"bob","password":"bobs-password","app":"batch","key":"demo-batch-secret"}`, // another dialect's client
		`{"user":"bob"`,
	} {
		if status, body := post(bad); status != http.StatusTeapot {
			t.Errorf("%s: status %d, body %s", bad, status, body)
		}
	}
}
