// Package crash_test kills a running server without warning, many times under
// load, and checks what it had acknowledged: nothing issued is lost, nothing used
// or revoked comes back.
package crash_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"jeton/internal/config"
	"jeton/internal/hash"
	"jeton/internal/server"
	"jeton/internal/vault"
)

const world = `
version: 1
users:
  - {name: sam, password: {plain: demo-sam}}
clients:
  - {id: legacy, dialect: oidc, secrets: [{plain: legacy-secret}], grants: [password, refresh_token, client_credentials], scopes: [read], access_token: {format: opaque}}
  - {id: faspex, dialect: faspex, auth: none, grants: [password, refresh_token]}
`

const (
	envChild = "JETON_CRASH_CHILD" // database of a child that serves
	envKEK   = "JETON_CRASH_KEK"
)

func TestMain(m *testing.M) {
	if db := os.Getenv(envChild); db != "" {
		serve(db, os.Getenv(envKEK))
		return
	}
	os.Exit(m.Run())
}

// serve is the child: a real server on a database file with durable writes.
func serve(db, kekText string) {
	fail := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	kek, err := vault.KEKFromText(kekText)
	fail(err)
	ctx := context.Background()
	s, err := server.Open(ctx, server.Config{
		Database: db, KEK: kek, HashCost: hash.Cost{Memory: 64, Passes: 1},
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	fail(err)
	if _, ok := s.Core.Clients.Client("default", "legacy"); !ok {
		w, problems := config.Load("world", []byte(world), config.Options{AllowPlain: true})
		if len(problems) > 0 {
			fail(fmt.Errorf("%v", problems))
		}
		_, err = s.Core.Admin.Apply(ctx, w, false)
		fail(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	fail(err)
	fmt.Println("http://" + l.Addr().String())
	fail(http.Serve(l, s.Handler()))
}

type child struct {
	cmd *exec.Cmd
	url string
}

func start(t *testing.T, db, kek string) *child {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{cmd: exec.Command(self)}
	c.cmd.Env = append(os.Environ(), envChild+"="+db, envKEK+"="+kek)
	c.cmd.Stderr = os.Stderr
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the server did not come up: %v", err)
	}
	if d := time.Since(began); d > 5*time.Second {
		t.Errorf("the server took %v to come back", d)
	}
	c.url = strings.TrimSpace(line)
	return c
}

func (c *child) kill() { _ = c.cmd.Process.Kill(); _ = c.cmd.Wait() }

// post gives status 0 when the connection broke: the answer is not known.
func post(c *http.Client, target string, form url.Values) (status int, body map[string]any) {
	req, err := http.NewRequest("POST", target, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, nil
	}
	req.SetBasicAuth("legacy", "legacy-secret")
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := c.Do(req)
	if err != nil {
		return 0, nil
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || json.Unmarshal(b, &body) != nil && len(b) > 0 {
		return 0, nil
	}
	return resp.StatusCode, body
}

// chain is one refresh-token family as its client knows it.
type chain struct {
	used    []string // tokens whose successors were acknowledged
	current string
	unsure  bool // the last refresh broke off
}

// ledger is what clients were told.
type ledger struct {
	live    []string // opaque tokens whose issue was acknowledged
	revoked []string // tokens whose revocation was acknowledged
}

func TestKillUnderLoadLosesNothing(t *testing.T) {
	points := 12
	if n, err := strconv.Atoi(os.Getenv("JETON_KILL_POINTS")); err == nil {
		points = n
	}
	dir := t.TempDir()
	db, kek := filepath.Join(dir, "jeton.db"), vault.NewKEK().Text()
	const workers = 8
	chains := make([]*chain, workers)
	ledgers := make([]*ledger, workers)
	for i := range chains {
		chains[i], ledgers[i] = &chain{}, &ledger{}
	}
	rotations, reuse := 0, 0
	for point := range points {
		c := start(t, db, kek)
		client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: workers}}
		for i, ch := range chains {
			verify(t, client, c.url, point, ch, ledgers[i], &reuse)
		}
		var wg sync.WaitGroup
		for i := range workers {
			wg.Go(func() { load(client, c.url, chains[i], ledgers[i]) })
		}
		time.Sleep(time.Duration(20+rand.IntN(180)) * time.Millisecond)
		c.kill()
		wg.Wait()
		client.CloseIdleConnections()
		for _, ch := range chains {
			rotations += len(ch.used)
		}
	}
	c := start(t, db, kek)
	defer c.kill()
	client := &http.Client{Timeout: 5 * time.Second}
	for i, ch := range chains {
		verify(t, client, c.url, points, ch, ledgers[i], &reuse)
	}
	if rotations < points || reuse == 0 {
		t.Fatalf("%d rotations seen and %d reuses tried at %d points: the load did not bite", rotations, reuse, points)
	}
	t.Logf("%d points, %d rotations acknowledged, %d reuses refused", points, rotations, reuse)
}

// load refreshes, issues and revokes until the server dies.
func load(client *http.Client, base string, ch *chain, l *ledger) {
	for n := 0; ; n++ {
		status, body := post(client, base+"/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {ch.current}})
		if status == 0 {
			ch.unsure = true
			return
		}
		next, _ := body["refresh_token"].(string)
		if next == "" {
			return // verify will say so
		}
		ch.used, ch.current = append(ch.used, ch.current), next
		if status, body = post(client, base+"/oauth2/token", url.Values{"grant_type": {"client_credentials"}}); status != http.StatusOK {
			return
		}
		token := body["access_token"].(string)
		if n%3 != 0 {
			l.live = append(l.live, token)
			continue
		}
		if status, _ = post(client, base+"/oauth2/revoke", url.Values{"token": {token}}); status == http.StatusOK {
			l.revoked = append(l.revoked, token)
		}
	}
}

// verify compares what a client was told with what the server says after coming
// back, and opens a new chain where there is none.
func verify(t *testing.T, client *http.Client, base string, point int, ch *chain, l *ledger, reuse *int) {
	t.Helper()
	active := func(token string) bool {
		_, body := post(client, base+"/oauth2/introspect", url.Values{"token": {token}})
		yes, _ := body["active"].(bool)
		return yes
	}
	for _, token := range l.live {
		if !active(token) {
			t.Errorf("point %d: an issued token is lost", point)
		}
	}
	for _, token := range l.revoked {
		if active(token) {
			t.Errorf("point %d: a revoked token is back", point)
		}
	}
	*l = ledger{}
	if ch.current != "" {
		status, body := post(client, base+"/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {ch.current}})
		next, _ := body["refresh_token"].(string)
		if status != http.StatusOK || next == "" {
			t.Errorf("point %d: the client cannot go on (unsure %v): %d %v", point, ch.unsure, status, body)
		}
		ch.used, ch.current, ch.unsure = append(ch.used, ch.current), next, false
	}
	if len(ch.used) > 2 { // a token used two rotations ago is spent, whatever the grace
		*reuse++
		old := ch.used[rand.IntN(len(ch.used)-2)]
		if status, _ := post(client, base+"/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {old}}); status != http.StatusBadRequest {
			t.Errorf("point %d: a used refresh token is answered %d", point, status)
		}
		if status, _ := post(client, base+"/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {ch.current}}); status != http.StatusBadRequest {
			t.Errorf("point %d: reuse did not end the family: %d", point, status)
		}
		*ch = chain{}
	}
	if ch.current == "" {
		status, body := post(client, base+"/oauth2/token", url.Values{"grant_type": {"password"}, "username": {"sam"}, "password": {"demo-sam"}})
		if status != http.StatusOK {
			t.Fatalf("point %d: no new chain: %d %v", point, status, body)
		}
		ch.current = body["refresh_token"].(string)
	}
}
