package server_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"jeton/internal/server"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestServeLetsARequestUnderWayFinish(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	began, goOn := make(chan bool), make(chan bool)
	l := server.Listening{Listener: ln, Log: discard(), Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(began)
		<-goOn
		_, _ = io.WriteString(w, "finished")
	})}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- l.Serve(ctx) }()
	got := make(chan string, 1)
	go func() {
		answer, err := http.Get("http://" + ln.Addr().String())
		if err != nil {
			got <- err.Error()
			return
		}
		defer answer.Body.Close()
		b, _ := io.ReadAll(answer.Body)
		got <- string(b)
	}()
	<-began
	stop()
	time.Sleep(50 * time.Millisecond) // new requests are refused now, this one goes on
	close(goOn)
	if text := <-got; text != "finished" {
		t.Errorf("got %q", text)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

func TestASocketLeftBehindIsReplacedAndAnAnsweringOneIsNot(t *testing.T) {
	dir := t.TempDir()
	first, err := server.ListenSocket(dir)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(first.Path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode of the socket: %v, %v", info, err)
	}
	if _, err := server.ListenSocket(dir); !errors.Is(err, server.ErrInUse) {
		t.Errorf("a second server: got %v, want ErrInUse", err)
	}
	first.Listener.(*net.UnixListener).SetUnlinkOnClose(false) // as if killed
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, server.SocketName)); err != nil {
		t.Fatalf("the test wants a socket that nobody answers on: %v", err)
	}
	second, err := server.ListenSocket(dir)
	if err != nil {
		t.Fatalf("after a kill: %v", err)
	}
	if err := second.Close(); err != nil {
		t.Error(err)
	}
}

func TestALongPathHasItsSocketElsewhere(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	s, err := server.ListenSocket(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := server.SocketPath(dir); got != s.Path || len(got) > 100 {
		t.Errorf("the pointer leads to %q, the socket is %q", got, s.Path)
	}
	if _, err := server.ListenSocket(dir); !errors.Is(err, server.ErrInUse) {
		t.Errorf("a second server: got %v, want ErrInUse", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Dir(s.Path)); err == nil {
		t.Errorf("%s is left behind", filepath.Dir(s.Path))
	}
}

func TestTheAuthorityStaysAndItsKeyIsPrivate(t *testing.T) {
	dir := t.TempDir()
	a, err := server.OpenSelfSigned(dir, []string{"login.example.com", "10.0.0.4"}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	b, err := server.OpenSelfSigned(dir, []string{"localhost"}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if a.Fingerprint() != b.Fingerprint() {
		t.Error("a second start made another authority")
	}
	leaf, err := a.Certificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"login.example.com", "10.0.0.4"} {
		if err := leaf.Leaf.VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
	key := filepath.Join(dir, "ca.key")
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := server.OpenSelfSigned(dir, []string{"localhost"}, time.Now); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a key others may read: got %v", err)
	}
}

func TestALeafIsRenewedBeforeItEnds(t *testing.T) {
	now := time.Now()
	s, err := server.OpenSelfSigned(t.TempDir(), []string{"localhost"}, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	first, _ := s.Certificate(nil)
	now = now.Add(30 * 24 * time.Hour)
	if same, _ := s.Certificate(nil); same != first {
		t.Error("renewed too early")
	}
	now = now.Add(40 * 24 * time.Hour)
	next, err := s.Certificate(nil)
	if err != nil || next == first || !next.Leaf.NotAfter.After(first.Leaf.NotAfter) {
		t.Errorf("not renewed: %v", err)
	}
}

func TestChangedCertificateFilesAreReadAgainAndBrokenOnesAreNot(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	install := func() {
		from := t.TempDir()
		if _, err := server.OpenSelfSigned(from, []string{"localhost"}, time.Now); err != nil {
			t.Fatal(err)
		}
		for src, dst := range map[string]string{"ca.pem": cert, "ca.key": key} {
			text, err := os.ReadFile(filepath.Join(from, src))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(dst, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	install()
	f, err := server.OpenFileCert(cert, key, discard())
	if err != nil {
		t.Fatal(err)
	}
	old, _ := f.Certificate(nil)
	install()
	if err := f.Reload(); err != nil {
		t.Fatal(err)
	}
	fresh, _ := f.Certificate(nil)
	if fresh == old {
		t.Error("the old certificate is still in use")
	}
	if err := os.WriteFile(cert, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := f.Reload(); err == nil {
		t.Error("a broken certificate was accepted")
	}
	if now, _ := f.Certificate(nil); now != fresh {
		t.Error("a broken file took the certificate away")
	}
}

func TestASignalReadsTheCertificateAgain(t *testing.T) {
	dir := t.TempDir()
	if _, err := server.OpenSelfSigned(dir, []string{"localhost"}, time.Now); err != nil {
		t.Fatal(err)
	}
	f, err := server.OpenFileCert(filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca.key"), discard())
	if err != nil {
		t.Fatal(err)
	}
	old, _ := f.Certificate(nil)
	ctx, stop := context.WithCancel(context.Background())
	done, again := make(chan bool), make(chan os.Signal)
	go func() { f.Watch(ctx, again); close(done) }()
	again <- os.Interrupt
	again <- os.Interrupt // taken once the first is dealt with
	stop()
	<-done
	if now, _ := f.Certificate(nil); now == old {
		t.Error("the certificate was not read again")
	}
}

func TestNotifyTellsTheServiceManager(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	server.Notify(path, "READY=1")
	b := make([]byte, 64)
	_ = c.SetReadDeadline(time.Now().Add(time.Second))
	n, err := c.Read(b)
	if err != nil || string(b[:n]) != "READY=1" {
		t.Errorf("got %q, %v", b[:n], err)
	}
}

func TestTheHolderOfAPortIsNamed(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	name := server.Holder(uint16(ln.Addr().(*net.TCPAddr).Port))
	if _, err := os.Stat("/proc/net/tcp"); err == nil && !strings.Contains(name, "process") {
		t.Errorf("got %q, want this process", name)
	}
}
