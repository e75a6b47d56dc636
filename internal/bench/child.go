package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"jeton/internal/hash"
	"jeton/internal/server"
	"jeton/internal/vault"
)

// build builds the server as it is shipped: stripped, without paths.
func build(source, dir string) (string, error) {
	out := filepath.Join(dir, "jeton")
	c := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", out, "./cmd/jeton")
	c.Dir = source
	if text, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("bench: build: %w: %s", err, text)
	}
	return out, nil
}

// child is a process under measurement.
type child struct {
	cmd   *exec.Cmd
	addr  string
	side  string // of a child of our own: profiles and the sweep
	begun time.Time
	log   *tail
	ended chan error
}

// tail keeps the last of what a child wrote, to tell why it failed.
type tail struct{ b []byte }

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	if len(t.b) > 4096 {
		t.b = t.b[len(t.b)-4096:]
	}
	return len(p), nil
}

func launch(name string, args, env []string, stdout io.Writer) (*child, error) {
	c := &child{cmd: exec.Command(name, args...), log: &tail{}, ended: make(chan error, 1)}
	c.cmd.Stdout, c.cmd.Stderr = stdout, c.log
	c.cmd.Env = slices.DeleteFunc(os.Environ(), func(set string) bool { return strings.HasPrefix(set, "JETON_") })
	c.cmd.Env = append(c.cmd.Env, env...)
	// A child must not outlive a benchmark that was killed.
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.begun = time.Now()
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("bench: start %s: %w", filepath.Base(name), err)
	}
	go func() { c.ended <- c.cmd.Wait() }()
	return c, nil
}

func (c *child) proc() Proc { return Proc(c.cmd.Process.Pid) }

// stop asks the child to end and waits until it has.
func (c *child) stop() error {
	_ = c.cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
	select {
	case <-c.ended:
		return nil
	case <-time.After(30 * time.Second):
		return errors.Join(errors.New("bench: a child did not end when asked to"), c.cmd.Process.Kill())
	}
}

// freeAddr finds a port nobody listens on at the moment.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("bench: %w", err)
	}
	return l.Addr().String(), l.Close()
}

// serverChild starts the measured server on a data folder. still leaves out all
// it does by itself; only a child of our own can be still.
func (r *runner) serverChild(data, database string, still bool) (*child, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	side := ""
	// The key beside the data, so that nothing outside the folder of the run is used.
	name, args := r.built, []string{"serve", "--data", data, "--listen", addr, "--kek-file", kekPath(data)}
	if still || r.Own {
		if name, err = os.Executable(); err != nil {
			return nil, fmt.Errorf("bench: %w", err)
		}
		if side = r.Pprof; side == "" {
			if side, err = freeAddr(); err != nil {
				return nil, err
			}
		}
		args = []string{"serve", "--data", data, "--listen", addr, "--side", side}
		if still {
			args = append(args, "--still")
		}
	}
	if database != "" {
		args = append(args, "--database", database)
	}
	c, err := launch(name, args, r.Env, io.Discard)
	if err != nil {
		return nil, err
	}
	c.addr, c.side = addr, side
	return c, nil
}

// ready waits for the first 200 of /readyz and says how long after the start of
// the process it came.
func (c *child) ready(limit time.Duration) (time.Duration, error) {
	request := Request("GET", "/readyz", c.addr, "")
	conn := Dial(c.addr)
	defer conn.Close()
	for end := c.begun.Add(limit); time.Now().Before(end); time.Sleep(500 * time.Microsecond) {
		if status, _, err := conn.Do(request); err == nil && status == 200 {
			return time.Since(c.begun), nil
		}
		select {
		case err := <-c.ended:
			c.ended <- err
			return 0, fmt.Errorf("bench: the server ended: %w\n%s", err, c.log.b)
		default:
		}
	}
	return 0, fmt.Errorf("bench: the server is not ready after %s\n%s", limit, c.log.b)
}

// floorChild starts the floor server.
func (r *runner) floorChild() (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	dir, err := os.MkdirTemp(r.dir, "floor")
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	in, out, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	c, err := launch(self, []string{"floor", "--data", dir}, nil, out)
	_ = out.Close() // the child has its own
	if err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("bench: the floor server said no address: %w\n%s", err, c.log.b)
	}
	c.addr = strings.TrimSpace(line)
	return c, nil
}

// ServeOptions are those of Serve.
type ServeOptions struct {
	Data, Listen, Database string
	Side                   string // address for profiles and POST /sweep
	Still                  bool   // nothing runs in the background
}

func kekPath(data string) string { return filepath.Join(data, "kek") }

// open opens a server with the settings a real one has. now may be nil.
func open(ctx context.Context, data, database string, now func() time.Time) (*server.Server, error) {
	kek, _, err := vault.LoadKEK(kekPath(data))
	if err != nil {
		return nil, err
	}
	if database == "" {
		database = filepath.Join(data, "jeton.db")
	}
	return server.Open(ctx, server.Config{
		Database: database, KEK: kek, Loopback: true, Now: now,
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
}

// Serve runs a server as `jeton serve` does, with a second listener for profiles
// and for what a benchmark asks beyond the protocol: POST /sweep removes what
// expired and says how long it took.
func Serve(ctx context.Context, o ServeOptions) error {
	s, err := open(ctx, o.Data, o.Database, nil)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return errors.Join(fmt.Errorf("bench: listen: %w", err), s.Close())
	}
	side, err := net.Listen("tcp", o.Side)
	if err != nil {
		return errors.Join(fmt.Errorf("bench: listen: %w", err), l.Close(), s.Close())
	}
	running, end := context.WithCancel(ctx)
	defer end()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if !o.Still {
			s.Run(running)
		}
	}()
	failed := make(chan error, 1)
	go func() { failed <- serve(running, side, control(s)) }()
	err = serve(running, l, s.Handler())
	end()
	<-done
	return errors.Join(err, <-failed, s.Close())
}

func control(s *server.Server) http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("/debug/pprof/", pprof.Index)
	m.HandleFunc("/debug/pprof/profile", pprof.Profile)
	m.HandleFunc("POST /sweep", func(w http.ResponseWriter, r *http.Request) {
		measured(w, func() (int, error) { return sweepAll(r.Context(), s) })
	})
	return m
}

// serve answers requests until ctx ends.
func serve(ctx context.Context, l net.Listener, h http.Handler) error {
	hs := &http.Server{Handler: h, ReadHeaderTimeout: timeout}
	stop := context.AfterFunc(ctx, func() {
		end, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = hs.Shutdown(end) // connections that stay open are cut with the process
	})
	defer stop()
	if err := hs.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("bench: serve: %w", err)
	}
	return nil
}

// furnish makes a data folder whose database holds the world.
func (r *runner) furnish(ctx context.Context) (data, database string, w *World, err error) {
	if data, err = os.MkdirTemp(r.dir, "data"); err != nil {
		return "", "", nil, fmt.Errorf("bench: %w", err)
	}
	if database, err = r.newDatabase(ctx); err != nil {
		return "", "", nil, err
	}
	s, err := open(ctx, data, database, nil)
	if err != nil {
		return "", "", nil, err
	}
	w = NewWorld(NewSeed())
	err = w.Apply(ctx, s.Core.Admin, hash.Today)
	return data, database, w, errors.Join(err, s.Close())
}

// started is a server with its world, ready.
type started struct {
	*child
	data, database string
	target         *Target
}

// begin starts a measured server with a world of its own.
func (r *runner) begin(ctx context.Context, still bool) (*started, error) {
	data, database, w, err := r.furnish(ctx)
	if err != nil {
		return nil, err
	}
	return r.again(&started{data: data, database: database, target: &Target{World: w}}, still)
}

// again starts a server on the folder and database of one that was stopped.
func (r *runner) again(s *started, still bool) (*started, error) {
	c, err := r.serverChild(s.data, s.database, still)
	if err != nil {
		return nil, err
	}
	if _, err := c.ready(30 * time.Second); err != nil {
		return nil, errors.Join(err, c.stop())
	}
	t, err := NewTarget(c.addr, s.target.World)
	if err != nil {
		return nil, errors.Join(err, c.stop())
	}
	return &started{c, s.data, s.database, t}, nil
}
