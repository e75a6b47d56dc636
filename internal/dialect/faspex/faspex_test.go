package faspex_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"jeton/internal/audit"
	"jeton/internal/servertest"
)

func TestTranscripts(t *testing.T) { servertest.Run(t, "testdata") }

type answer struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	Status  int    `json:"-"`
	Body    string `json:"-"`
	ErrorID string `json:"-"`
}

// post asks the token endpoint by query, as user "name:password" unless that is "".
func post(t *testing.T, s *servertest.Server, query, user string) answer {
	t.Helper()
	req, err := http.NewRequest("POST", s.URL+"/aspera/faspex/auth/oauth2/token?"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	if user != "" {
		req.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(user)))
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Error(err)
		return answer{}
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	a := answer{Status: resp.StatusCode, Body: string(b), ErrorID: resp.Header.Get("Jeton-Error-Id")}
	_ = json.Unmarshal(b, &a)
	return a
}

// Credentials in the query work, and are written nowhere: not in the log, not in a
// record, right or wrong.
func TestDial01CredentialsInTheQueryWorkAndAreNeverWritten(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	a := post(t, s, "grant_type=password", "sam:demo-sam")
	if a.Status != http.StatusCreated {
		t.Fatalf("password: %d %s", a.Status, a.Body)
	}
	b := post(t, s, "grant_type=refresh_token&refresh_token="+a.Refresh, "")
	if b.Status != http.StatusCreated {
		t.Fatalf("refresh: %d %s", b.Status, b.Body)
	}
	secrets := []string{"demo-sam", "CANARY", base64.StdEncoding.EncodeToString([]byte("sam:demo-sam")), a.Access, a.Refresh, b.Access, b.Refresh}
	var ids []string
	for _, c := range []struct{ query, user string }{
		{"grant_type=refresh_token&refresh_token=CANARY-nobodys-token00", ""},
		{"grant_type=refresh_token&refresh_token=" + b.Refresh, "sam:CANARY"},
		{"grant_type=password", "sam:CANARY"},
		{"grant_type=CANARY&refresh_token=" + b.Refresh, "sam:demo-sam"},
		{"grant_type=password&grant_type=CANARY", "sam:demo-sam"},
		{"CANARY=1&CANARY=1", ""},
		{"refresh_token=" + b.Refresh + "&grant_type=%zz", ""},
	} {
		r := post(t, s, c.query, c.user)
		if r.Status < 400 || r.ErrorID == "" {
			t.Errorf("%s: %d %s", c.query, r.Status, r.Body)
		}
		for _, secret := range secrets {
			if secret != "CANARY" && strings.Contains(r.Body, secret) {
				t.Errorf("%s: the answer repeats %q: %s", c.query, secret, r.Body)
			}
		}
		ids = append(ids, r.ErrorID)
	}
	written := []string{s.Logs.String()}
	for _, id := range ids {
		written = append(written, text(t, s.Record(t, id)))
	}
	for _, w := range written {
		for _, secret := range secrets {
			if strings.Contains(w, secret) {
				t.Errorf("%q was written down: %s", secret, w)
			}
		}
	}
}

func text(t *testing.T, r *audit.Record) string {
	t.Helper()
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Many refreshes at once with one token: all get the same successor.
func TestARefreshRaceMakesOneChain(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	first := post(t, s, "grant_type=password", "sam:demo-sam")
	const many = 32
	answers := make([]answer, many)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() { answers[i] = post(t, s, "grant_type=refresh_token&refresh_token="+first.Refresh, "") })
	}
	wg.Wait()
	for _, a := range answers {
		if a.Status != http.StatusCreated || a.Refresh != answers[0].Refresh || a.Access != answers[0].Access {
			t.Fatalf("got %+v and %+v", a, answers[0])
		}
	}
	if a := post(t, s, "grant_type=refresh_token&refresh_token="+answers[0].Refresh, ""); a.Status != http.StatusCreated || a.Refresh == answers[0].Refresh {
		t.Errorf("the chain does not go on: %d %s", a.Status, a.Body)
	}
}
