// Package pg starts a private PostgreSQL for a test binary, from the server
// programs Debian installs. One server for each binary, one schema for each
// test. Tests alone call it. A machine without the programs fails the tests: a
// suite that quietly leaves out an engine proves nothing.
package pg

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// programs is where Debian keeps the server programs of each version.
const programs = "/usr/lib/postgresql/*/bin"

// Server is one running PostgreSQL.
type Server struct {
	bin, dir string
	settings []string // name=value, over the usual ones
	count    atomic.Int64
}

// Run starts a server, runs the tests of the binary with it, stops it, and
// returns the exit code for os.Exit. It is what TestMain calls.
func Run(m *testing.M, use func(*Server)) int {
	s, err := Start()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	use(s)
	code := m.Run()
	if err := s.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// Start makes a database cluster in a temporary folder and starts its server,
// which listens on a socket in that folder alone. settings are name=value and go
// over the usual ones, which do not wait for the disk.
func Start(settings ...string) (*Server, error) {
	found, err := filepath.Glob(programs)
	if err != nil || len(found) == 0 {
		return nil, errors.New("pg: no PostgreSQL server programs in " + programs + ": apt-get install postgresql")
	}
	slices.Sort(found)
	// A short path: the name of a socket has at most 107 bytes.
	dir, err := os.MkdirTemp("/tmp", "pg")
	if err != nil {
		return nil, fmt.Errorf("pg: %w", err)
	}
	s := &Server{bin: found[len(found)-1], dir: dir, settings: settings}
	if err := s.start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

func (s *Server) start() error {
	if os.Getuid() == 0 { // the server refuses to run as root
		if out, err := exec.Command("chown", "postgres:postgres", s.dir).CombinedOutput(); err != nil {
			return fmt.Errorf("pg: chown: %w: %s", err, out)
		}
	}
	err := s.program("initdb", "-D", s.data(), "-U", "jeton", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8")
	if err != nil {
		return err
	}
	return s.launch()
}

// launch starts the server on the cluster there is. By itself it never waits for
// the disk.
func (s *Server) launch() error {
	options := "-c listen_addresses='' -c fsync=off -c full_page_writes=off -c max_connections=200 -c shared_buffers=32MB -k " + s.dir
	for _, set := range s.settings {
		options += " -c " + set
	}
	return s.program("pg_ctl", "-D", s.data(), "-w", "-t", "60", "-l", filepath.Join(s.dir, "log"), "-o", options, "start")
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// program runs one of the server's programs as a user it accepts.
func (s *Server) program(name string, args ...string) error {
	command := append([]string{filepath.Join(s.bin, name)}, args...)
	if os.Getuid() == 0 {
		command = append([]string{"setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"}, command...)
	}
	c := exec.Command(command[0], command[1:]...)
	c.Dir = s.dir
	// A file, not a pipe: the server inherits it and would keep a pipe open.
	f, err := os.Create(filepath.Join(os.TempDir(), filepath.Base(s.dir)+"."+name))
	if err != nil {
		return fmt.Errorf("pg: %w", err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	c.Stdout, c.Stderr = f, f
	if err := c.Run(); err != nil {
		out, _ := os.ReadFile(f.Name()) // best effort: the exit status is reported anyhow
		return fmt.Errorf("pg: %s: %w: %s", name, err, bytes.TrimSpace(out))
	}
	return nil
}

// Stop stops the server and removes its folder.
func (s *Server) Stop() error {
	err := s.program("pg_ctl", "-D", s.data(), "-m", "immediate", "-w", "stop")
	return errors.Join(err, os.RemoveAll(s.dir))
}

// Restart stops the server hard, as a crash would, and starts it again.
func (s *Server) Restart() error {
	if err := s.program("pg_ctl", "-D", s.data(), "-m", "immediate", "-w", "stop"); err != nil {
		return err
	}
	return s.launch()
}

// URL is the address of a database of the server.
func (s *Server) URL(name string) string {
	q := url.Values{"host": {s.dir}, "user": {"jeton"}}
	return "postgres:///" + name + "?" + q.Encode()
}

// Database makes an empty place for one test, which ends with the test, and returns
// its URL: a schema of its own, which is made far faster than a database.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	db, err := sql.Open("pgx", s.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	name := fmt.Sprintf("t%d", s.count.Add(1))
	if _, err := db.ExecContext(ctx, "CREATE SCHEMA "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.drop(name) })
	return s.URL("postgres") + "&options=" + url.QueryEscape("-csearch_path="+name)
}

// drop removes a test's schema, which keeps the folder of a long run small. The server
// may be stopped already, and then its folder goes with all of them.
func (s *Server) drop(name string) {
	db, err := sql.Open("pgx", s.URL("postgres"))
	if err != nil {
		return
	}
	defer db.Close()
	_, _ = db.Exec("DROP SCHEMA IF EXISTS " + name + " CASCADE")
}
