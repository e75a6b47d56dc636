package server_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"jeton/internal/server"
	"jeton/internal/servertest"
)

// start serves the demo world on a real listener and returns its address.
func start(t *testing.T, config *tls.Config) string {
	t.Helper()
	s := servertest.Start(t, servertest.Options{})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := server.Listening{Listener: ln, TLS: config, Handler: s.Site(true, false), Log: slog.New(slog.DiscardHandler)}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Serve(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String()
}

// send writes a request as it stands and returns the status of the answer, 0 when
// the connection was closed without one.
func send(t *testing.T, addr, request string) int {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	go func() { _, _ = io.WriteString(c, request) }() // the server may answer before it has read everything
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0
	}
	defer answer.Body.Close()
	return answer.StatusCode
}

func post(addr, path, headers, body string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\n%s\r\n%s", path, addr, headers, body)
}

const formType = "Content-Type: application/x-www-form-urlencoded\r\n"

func healthy(t *testing.T, addr string) {
	t.Helper()
	begin := time.Now()
	if got := send(t, addr, "GET /healthz HTTP/1.1\r\nHost: "+addr+"\r\n\r\n"); got != http.StatusOK {
		t.Errorf("GET /healthz: got %d, want 200", got)
	}
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("GET /healthz took %s", took)
	}
}

func TestHTTP01ASlowHeaderIsClosedAndOthersAreUnharmed(t *testing.T) {
	t.Parallel()
	addr := start(t, nil)
	const slow = 200
	begin := time.Now()
	conns := make([]net.Conn, slow)
	for i := range conns {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, "GET /healthz HTTP/1.1\r\nX-Drip: "); err != nil {
			t.Fatal(err)
		}
		conns[i] = c
	}
	healthy(t, addr)
	for _, c := range conns {
		_ = c.SetReadDeadline(begin.Add(14 * time.Second))
		if _, err := c.Read(make([]byte, 1)); err != io.EOF && !strings.Contains(fmt.Sprint(err), "reset") {
			t.Fatalf("after %s the connection is still open: %v", time.Since(begin), err)
		}
	}
	healthy(t, addr)
}

func TestHTTP02ALargeBodyIsRefusedEarly(t *testing.T) {
	t.Parallel()
	addr := start(t, nil)
	chunk := fmt.Sprintf("%x\r\n%s\r\n", 64<<10, strings.Repeat("a", 64<<10))
	for _, path := range []string{
		"/oauth2/token", "/oauth2/introspect", "/oauth2/revoke", "/api/v1/oauth/token/", "/Authorization",
		"/api/v1/oauth2/acme/token", "/auth/token", "/setup",
	} {
		for name, request := range map[string]string{
			"in chunks":     post(addr, path, formType+"Transfer-Encoding: chunked\r\n", strings.Repeat(chunk, 160)),
			"with a length": post(addr, path, formType+"Content-Length: 10485760\r\n", ""),
		} {
			got := send(t, addr, request)
			if got < 400 || got >= 500 {
				t.Errorf("%s %s: got %d, want a refusal", path, name, got)
			}
			if path == "/oauth2/token" && got != http.StatusRequestEntityTooLarge {
				t.Errorf("%s %s: got %d, want 413", path, name, got)
			}
		}
	}
	healthy(t, addr)
}

func TestHTTP03ACompressedBodyIsRefused(t *testing.T) {
	t.Parallel()
	addr := start(t, nil)
	for _, coding := range []string{"gzip", "deflate", "br", "zstd", "identity, gzip"} {
		got := send(t, addr, post(addr, "/oauth2/token", formType+"Content-Encoding: "+coding+"\r\nContent-Length: 3\r\n", "abc"))
		if got != http.StatusUnsupportedMediaType {
			t.Errorf("%s: got %d, want 415", coding, got)
		}
	}
}

func TestHTTP04ALargeHeaderIsRefused(t *testing.T) {
	t.Parallel()
	addr := start(t, nil)
	for name, headers := range map[string]string{
		"one of 1 MiB":  "X-Large: " + strings.Repeat("a", 1<<20) + "\r\n",
		"10000 headers": strings.Repeat("X-Many: 1\r\n", 10_000),
		"5000 cookies":  "Cookie: " + strings.Repeat("a=1234; ", 5000) + "\r\n",
	} {
		if got := send(t, addr, "GET /healthz HTTP/1.1\r\nHost: "+addr+"\r\n"+headers+"\r\n"); got != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("%s: got %d, want 431", name, got)
		}
	}
	healthy(t, addr)
}

func TestHTTP05ManyParametersAreRefused(t *testing.T) {
	t.Parallel()
	addr := start(t, nil)
	many := strings.Repeat("a=1&", 100_000)
	small := strings.Repeat("a&", 30_000) // below the limit of a body
	for _, x := range []struct {
		name, request string
		want          int
	}{
		{"in a form", post(addr, "/oauth2/token", formType+fmt.Sprintf("Content-Length: %d\r\n", len(many)), many), http.StatusRequestEntityTooLarge},
		{"in a short form", post(addr, "/oauth2/token", formType+fmt.Sprintf("Content-Length: %d\r\n", len(small)), small), http.StatusBadRequest},
		// The request line counts as header here, and no dialect is reached.
		{"in a query", "GET /oauth2/token?" + many + " HTTP/1.1\r\nHost: " + addr + "\r\n\r\n", http.StatusRequestHeaderFieldsTooLarge},
	} {
		if got := send(t, addr, x.request); got != x.want {
			t.Errorf("%s: got %d, want %d", x.name, got, x.want)
		}
	}
	healthy(t, addr)
}

func selfSigned(t *testing.T) (*tls.Config, *tls.Config) {
	t.Helper()
	own, err := server.OpenSelfSigned(t.TempDir(), []string{"localhost", "127.0.0.1"}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(own.Path)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		t.Fatal("the authority's file holds no certificate")
	}
	return server.TLSConfig(own.Certificate), &tls.Config{RootCAs: pool, ServerName: "localhost"}
}

func TestHTTP12OldTLSIsRefused(t *testing.T) {
	ours, theirs := selfSigned(t)
	addr := start(t, ours)
	for name, x := range map[string]struct {
		change func(*tls.Config)
		ok     bool
	}{
		"TLS 1.0": {func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS10 }, false},
		"TLS 1.1": {func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS11, tls.VersionTLS11 }, false},
		"CBC suites": {func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}
		}, false},
		"TLS 1.2": {func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, true},
		"TLS 1.3": {func(*tls.Config) {}, true},
	} {
		config := theirs.Clone()
		x.change(config)
		c, err := tls.Dial("tcp", addr, config)
		if (err == nil) != x.ok {
			t.Errorf("%s: got %v, want success %v", name, err, x.ok)
		}
		if err == nil {
			_ = c.Close()
		}
	}
}

func TestTheServerSpeaksHTTP2(t *testing.T) {
	ours, theirs := selfSigned(t)
	addr := start(t, ours)
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: theirs, ForceAttemptHTTP2: true}}
	answer, err := c.Get("https://" + addr + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.ProtoMajor != 2 || answer.StatusCode != http.StatusOK {
		t.Errorf("got HTTP/%d and %d, want HTTP/2 and 200", answer.ProtoMajor, answer.StatusCode)
	}
}
