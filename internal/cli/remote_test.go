package cli

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"jeton/internal/adminapi"
	"jeton/internal/oauth"
	"jeton/internal/server"
	"jeton/internal/servertest"
	"jeton/internal/session"
	"jeton/internal/store"
)

// scriptTB lets a server be started in a script's setup.
type scriptTB struct{ env *testscript.Env }

func (s scriptTB) Fatal(args ...any) { s.env.T().Fatal(args...) }
func (s scriptTB) Fatalf(format string, args ...any) {
	s.env.T().Fatal(append([]any{format}, args...)...)
}
func (s scriptTB) Helper()                  {}
func (s scriptTB) Cleanup(f func())         { s.env.Defer(f) }
func (s scriptTB) Context() context.Context { return context.Background() }

// host serves a demo world on loopback and on the admin socket of a data folder.
func host(t servertest.TB, data string) (*servertest.Server, error) {
	s := servertest.Start(t, servertest.Options{Change: func(c *server.Config) { c.PublicURL = "" }})
	s.Address = s.URL
	if err := os.MkdirAll(filepath.Join(data, "demo"), 0o700); err != nil {
		return nil, err
	}
	for _, name := range []string{"ada", "global"} {
		if err := os.WriteFile(filepath.Join(data, "demo", name+".pem"), servertest.PrivatePEM(name), 0o600); err != nil {
			return nil, err
		}
	}
	ln, err := net.Listen("unix", server.SocketPath(data))
	if err != nil {
		return nil, err
	}
	h := &http.Server{Handler: s.Local("", adminapi.Handler(s.Server)), ReadHeaderTimeout: time.Second}
	go func() { _ = h.Serve(ln) }()
	t.Cleanup(func() { _ = h.Close() })
	return s, nil
}

// TestRemoteScripts runs the transcripts of the commands that talk to a server,
// in this process, each against a demo world of its own whose clock stands still.
// Their one command is
//
//	run [-in FILE] [-tty] [-env NAME=VALUE] EXIT ARGUMENTS…
func TestRemoteScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/remote", UpdateScripts: *update,
		Setup: func(env *testscript.Env) error {
			data := filepath.Join(env.WorkDir, "d")
			s, err := host(scriptTB{env}, data)
			if err != nil {
				return err
			}
			env.Values["server"] = s
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("URL", s.URL)
			env.Setenv("JETON_DATA", data)
			return os.WriteFile(filepath.Join(env.WorkDir, "other.pub"), servertest.PublicPEM("other"), 0o600)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"run": cmdRun, "clock": cmdClock, "mode": cmdMode, "signin": cmdSignin},
	})
}

// signin USER SESSION has a user signed in, who allowed client portal to read and
// was signed out of it once, which the client could not be told.
func cmdSignin(ts *testscript.TestScript, _ bool, args []string) {
	s := ts.Value("server").(*servertest.Server)
	ctx := context.Background()
	u, err := s.Core.Admin.UserByName(ctx, "default", "local", args[0])
	ts.Check(err)
	now := s.Clock.Now()
	for _, id := range []string{args[1], "before " + args[1]} {
		ts.Check(s.Store.PutSession(ctx, []byte(id), &session.Session{
			ID: id, Org: u.Org, User: u.ID, Created: now.Unix(), Used: now.Unix(), Idle: now.Unix() + 3600, Ends: now.Unix() + 86400,
			AuthTime: now.UnixMilli(), AMR: []string{"pwd", "otp"}, Source: "local", Agent: "Firefox, Linux", Addr: "192.0.2.1", Since: u.RevokedBefore,
		}))
	}
	ts.Check(s.Store.PutConsent(ctx, u.Org, u.ID, store.Consent{Client: "portal", Scope: oauth.Scope{"openid", "profile"}, Given: true}))
	ts.Check(s.Store.EndSession(ctx, u.Org, "before "+args[1], 1, func([]session.Served) []session.Delivery {
		return []session.Delivery{{ID: 7, Org: u.Org, Kind: "backchannel_logout", Client: "portal", User: u.ID, State: session.Waiting, Due: 1, Created: now.Unix()}}
	}))
	_, err = s.Store.TakeDeliveries(ctx, 1, 2, 1)
	ts.Check(err)
	ts.Check(s.Store.FinishDelivery(ctx, 7, session.Failed, 0, "status 400"))
}

func cmdRun(ts *testscript.TestScript, neg bool, args []string) {
	vars, in, tty := map[string]string{}, "", false
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		switch {
		case args[0] == "-tty":
			tty = true
		case len(args) > 1 && args[0] == "-in":
			in, args = ts.ReadFile(args[1]), args[1:]
		case len(args) > 1 && args[0] == "-env":
			name, value, _ := strings.Cut(args[1], "=")
			vars[name], args = value, args[1:]
		default:
			ts.Fatalf("unknown option %s", args[0])
		}
		args = args[1:]
	}
	if neg || len(args) == 0 {
		ts.Fatalf("usage: run [-in FILE] [-tty] [-env NAME=VALUE] EXIT ARGUMENTS")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	s := ts.Value("server").(*servertest.Server)
	var out, errs bytes.Buffer
	code := Run(args[1:], &Env{
		Ctx: context.Background(), Stdin: strings.NewReader(in), Stdout: &out, Stderr: &errs, TTY: tty,
		Dir: ts.MkAbs("."), Now: s.Clock.Now,
		Getenv: func(name string) string {
			if v, ok := vars[name]; ok {
				return v
			}
			return ts.Getenv(name)
		},
	})
	// Where the demo listens is another port each time.
	for _, w := range []struct {
		to   interface{ Write([]byte) (int, error) }
		text string
	}{{ts.Stdout(), out.String()}, {ts.Stderr(), errs.String()}} {
		_, err := w.to.Write([]byte(strings.ReplaceAll(w.text, s.URL, "http://B")))
		ts.Check(err)
	}
	if code != want {
		ts.Fatalf("exit %d, want %d\n%s%s", code, want, &out, &errs)
	}
}

// clock DURATION moves the server's clock, and the command line's with it.
func cmdClock(ts *testscript.TestScript, _ bool, args []string) {
	d, err := time.ParseDuration(args[0])
	ts.Check(err)
	ts.Value("server").(*servertest.Server).Clock.Add(d)
}

// mode OCTAL PATH: a file or folder has these permissions.
func cmdMode(ts *testscript.TestScript, _ bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := strconv.FormatInt(int64(info.Mode().Perm()), 8); got != args[0] {
		ts.Fatalf("%s has mode %s, want %s", args[1], got, args[0])
	}
}
