package outbound

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// loopback is the network a test may call.
var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// serve answers on loopback and counts the connections it saw.
func serve(t *testing.T, h http.HandlerFunc) (at string, connections *atomic.Int64) {
	t.Helper()
	connections = new(atomic.Int64)
	s := httptest.NewUnstartedServer(h)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	return s.URL, connections
}

// refused is the text of a call's failure.
func refused(t *testing.T, err error) string {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("error %v", err)
	}
	return e.Text
}

func TestOnlyPublicUnicastAddressesArePublic(t *testing.T) {
	for text, want := range map[string]bool{
		"8.8.8.8": true, "1.1.1.1": true, "192.0.1.1": true, "172.15.255.255": true, "172.32.0.1": true, "100.63.255.255": true,
		"100.128.0.1": true, "223.255.255.255": true, "2606:4700::1111": true, "2a00:1450::1": true, "2001:4860:4860::8888": true,

		"0.0.0.0": false, "0.1.2.3": false, "10.0.0.1": false, "100.64.0.1": false, "100.127.255.255": false, "127.0.0.1": false,
		"127.255.255.254": false, "169.254.169.254": false, "172.16.0.1": false, "172.31.255.255": false, "192.0.0.192": false,
		"192.0.2.1": false, "192.88.99.1": false, "192.168.1.1": false, "198.18.0.1": false, "198.19.255.255": false,
		"198.51.100.1": false, "203.0.113.1": false, "224.0.0.1": false, "239.1.1.1": false, "240.0.0.1": false, "255.255.255.255": false,

		"::": false, "::1": false, "::127.0.0.1": false, "64:ff9b::a9fe:a9fe": false, "64:ff9b:1::1": false, "100::1": false,
		"2001::1": false, "2001:2::1": false, "2001:20::1": false, "2001:db8::1": false, "2002:7f00:1::": false, "2002:a9fe:a9fe::1": false,
		"3fff::1": false, "5f00::1": false, "fc00::1": false, "fd00:ec2::254": false, "fe80::1": false, "fec0::1": false, "ff02::1": false,
		"::ffff:0:127.0.0.1": false, "4000::1": false,
	} {
		if got := public(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: public %v, want %v", text, got, want)
		}
	}
}

func TestARefusedAddressSeesNoConnection(t *testing.T) {
	at, connections := serve(t, func(http.ResponseWriter, *http.Request) {})
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(at, "http://"))
	c := New(Options{})
	for _, host := range []string{
		"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0.0.0.0", "[::]", "127.1", "127.0.1",
		"2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "017700000001", "127.0.0.1.", "LOCALHOST", "[fe80::1%25lo]", "[::1%25lo]",
		"10.0.0.1", "169.254.169.254", "[fd00:ec2::254]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "224.0.0.1", "192.0.2.1",
	} {
		for _, scheme := range []string{"http", "https"} {
			start := time.Now()
			_, _, err := c.Post(t.Context(), scheme+"://"+host+":"+port+"/", "text/plain", nil)
			if err == nil {
				t.Errorf("%s://%s was called", scheme, host)
				continue
			}
			if text := refused(t, err); strings.Contains(text, "connection refused") || strings.Contains(text, "no connection") {
				t.Errorf("%s://%s: tried, and %s", scheme, host, text)
			}
			if took := time.Since(start); took > 2*time.Second {
				t.Errorf("%s://%s took %v", scheme, host, took)
			}
		}
	}
	if n := connections.Load(); n != 0 {
		t.Errorf("the listener saw %d connections", n)
	}
}

func TestOnlyWholePlainURLsAreCalled(t *testing.T) {
	c := New(Options{Allow: loopback})
	for url, want := range map[string]string{
		"file:///etc/passwd":                               "not a URL with a host",
		"gopher://127.0.0.1/":                              "neither https nor http",
		"//127.0.0.1/":                                     "neither https nor http",
		"http:127.0.0.1":                                   "not a URL with a host",
		"http://":                                          "not a URL with a host",
		"https://u:p@app.example/":                         "the URL has user-info",
		"https://app.example@127.0.0.1/":                   "the URL has user-info",
		"https://app.example/#x":                           "the URL has a fragment",
		"https://app.example/#":                            "the URL has a fragment",
		"https://app.example:0/":                           "the port is none",
		"https://app.example:65536/":                       "the port is none",
		"https://2130706433/":                              "the host is a number and no address",
		"https://0x7f.1/":                                  "the host is a number and no address",
		"https://1.2.3.4.5/":                               "the host is a number and no address",
		"https://app.example/" + strings.Repeat("a", 2048): "the URL is longer than 2048 bytes",
		"":           "not a URL with a host",
		"https:// /": "not a URL with a host",
	} {
		if err := Check(url); err == nil || refused(t, err) != want {
			t.Errorf("%.40s: %v, want %s", url, err, want)
		}
		if _, _, err := c.Post(t.Context(), url, "", nil); err == nil || refused(t, err) != want {
			t.Errorf("%.40s is called: %v", url, err)
		}
	}
	for _, url := range []string{"https://app.example", "https://a1.2b:8443/x?y=1", "http://[2a00::1]:80/", "https://8.8.8.8/", "https://xn--e1afmkfd.example./"} {
		if err := Check(url); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestAListedNetworkIsCalledByHTTPAndOthersAreNot(t *testing.T) {
	at, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if r.Header.Get("Cookie") != "" || r.Header.Get("Content-Type") != "text/plain" || r.Header.Get("Referer") != "" {
			t.Errorf("sent with %v", r.Header)
		}
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
		w.WriteHeader(http.StatusTeapot)
		_, _ = w.Write(append([]byte("got "), b...))
	})
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	c := New(Options{Allow: loopback})
	for range 2 {
		status, body, err := c.Post(t.Context(), at, "text/plain", []byte("hello"))
		if status != http.StatusTeapot || string(body) != "got hello" || err != nil {
			t.Fatalf("%d %q %v", status, body, err)
		}
	}
	other := New(Options{Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	if _, _, err := other.Post(t.Context(), at, "", nil); err == nil || refused(t, err) != "refused to call 127.0.0.1: http is for networks listed under outgoing; use https" {
		t.Errorf("error %v", err)
	}
	secure := strings.Replace(at, "http:", "https:", 1)
	if _, _, err := other.Post(t.Context(), secure, "", nil); err == nil || refused(t, err) != "refused to call 127.0.0.1: it is not a public address, and no network listed under outgoing holds it" {
		t.Errorf("error %v", err)
	}
	if _, _, err := c.Post(t.Context(), secure, "", nil); err == nil || refused(t, err) != "no TLS at this port" {
		t.Errorf("error %v", err)
	}
}

func TestLoopbackIsAskedForAtEachCall(t *testing.T) {
	at, connections := serve(t, func(http.ResponseWriter, *http.Request) {})
	may := false
	c := New(Options{Loopback: func() bool { return may }})
	if _, _, err := c.Post(t.Context(), at, "", nil); err == nil || connections.Load() != 0 {
		t.Fatalf("called: %v", err)
	}
	may = true
	if status, _, err := c.Post(t.Context(), at, "", nil); status != 200 || err != nil {
		t.Fatalf("%d %v", status, err)
	}
	if _, _, err := c.Post(t.Context(), "http://192.168.0.1/", "", nil); err == nil || !strings.HasPrefix(refused(t, err), "refused to call 192.168.0.1") {
		t.Errorf("beyond loopback: %v", err)
	}
}

func TestACertificateMustBeTrusted(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = &tls.Config{}
	s.StartTLS()
	t.Cleanup(s.Close)
	c := New(Options{Allow: loopback, Roots: x509.NewCertPool()})
	if _, _, err := c.Post(t.Context(), s.URL, "", nil); err == nil || !strings.HasPrefix(refused(t, err), "certificate not accepted: ") {
		t.Errorf("error %v", err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	c = New(Options{Allow: loopback, Roots: roots})
	if status, _, err := c.Post(t.Context(), s.URL, "", nil); status != 200 || err != nil {
		t.Errorf("%d %v", status, err)
	}
	s.TLS.MaxVersion = tls.VersionTLS11
	if _, _, err := c.Post(t.Context(), s.URL, "", nil); err == nil {
		t.Error("TLS 1.1 was spoken")
	}
}

func TestNoRedirectIsFollowed(t *testing.T) {
	target, connections := serve(t, func(http.ResponseWriter, *http.Request) {})
	for _, status := range []int{301, 302, 303, 307, 308, 304} {
		at, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", target)
			w.WriteHeader(status)
		})
		c := New(Options{Allow: loopback})
		_, _, err := c.Post(t.Context(), at, "", nil)
		if want := "answered " + strconv.Itoa(status) + ": redirects are not followed; register the URL it leads to"; err == nil || refused(t, err) != want {
			t.Errorf("%d: %v", status, err)
		}
		if _, err := c.Get(t.Context(), at); err == nil {
			t.Errorf("%d: fetched", status)
		}
	}
	if n := connections.Load(); n != 0 {
		t.Errorf("%d calls followed a redirect", n)
	}
}

func TestADrippingAnswerIsCutInTime(t *testing.T) {
	drip := func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			_, _ = w.Write([]byte("x"))
			w.(http.Flusher).Flush()
			time.Sleep(5 * time.Millisecond)
		}
	}
	silent := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	for name, h := range map[string]http.HandlerFunc{"drips": drip, "silent": silent} {
		at, _ := serve(t, h)
		c := New(Options{Allow: loopback})
		c.whole = 150 * time.Millisecond
		start := time.Now()
		_, _, err := c.Post(t.Context(), at, "", nil)
		if err == nil || refused(t, err) != "no whole answer within 150ms" {
			t.Errorf("%s: %v", name, err)
		}
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("%s: %v", name, took)
		}
	}
}

func TestAHeaderThatNeverEndsIsCut(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			_, err = io.WriteString(conn, "HTTP/1.1 200 OK\r\n")
			for err == nil {
				_, err = io.WriteString(conn, "X-More: "+strings.Repeat("a", 1000)+"\r\n")
			}
			conn.Close()
		}
	}()
	c := New(Options{Allow: loopback})
	if _, _, err := c.Post(t.Context(), "http://"+ln.Addr().String(), "", nil); err == nil {
		t.Error("read to its end")
	}
}

func TestAHugeAnswerIsCut(t *testing.T) {
	var sent atomic.Int64
	at, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		block := make([]byte, 64<<10)
		for range 50 << 20 / len(block) {
			n, err := w.Write(block)
			sent.Add(int64(n))
			if err != nil {
				return
			}
		}
	})
	c := New(Options{Allow: loopback})
	if status, body, err := c.Post(t.Context(), at, "", nil); status != 200 || len(body) != maxBody || err != nil {
		t.Errorf("%d, %d bytes, %v", status, len(body), err)
	}
	if _, err := c.Get(t.Context(), at); err == nil || refused(t, err) != "the answer is longer than 512 KiB" {
		t.Errorf("error %v", err)
	}
	if n := sent.Load(); n > 40<<20 {
		t.Errorf("%d bytes were taken", n)
	}
}

func TestAnAnswerThatWouldUnpackIsNotUnpacked(t *testing.T) {
	at, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Accept-Encoding"); got != "" && got != "identity" {
			t.Errorf("asked for %s", got)
		}
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write([]byte("packed"))
	})
	if _, body, err := New(Options{Allow: loopback}).Post(t.Context(), at, "", nil); string(body) != "packed" || err != nil {
		t.Errorf("%q %v", body, err)
	}
}

// names is a resolver that answers with each address once, the last one for ever.
func names(t *testing.T, answers ...string) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { conn.Close(); <-done })
	go func() {
		defer close(done)
		buf := make([]byte, 1500)
		for next := 0; ; {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			a, isA := reply(buf[:n], netip.MustParseAddr(answers[min(next, len(answers)-1)]))
			if isA {
				next++
			}
			_, _ = conn.WriteTo(a, from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

// reply answers a question for an A record (RFC 1035 §4.1), and others with nothing.
func reply(question []byte, a netip.Addr) (message []byte, isA bool) {
	end := 12
	for question[end] != 0 {
		end += int(question[end]) + 1
	}
	kind := binary.BigEndian.Uint16(question[end+1:])
	asked := question[12 : end+5]
	m := append([]byte{question[0], question[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, asked...)
	if kind != 1 {
		return m, false
	}
	m[7] = 1
	m = append(m, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
	ip := a.As4()
	return append(m, ip[:]...), true
}

func TestANameThatChangesItsAddressIsJudgedWhereTheConnectionIsMade(t *testing.T) {
	at, connections := serve(t, func(http.ResponseWriter, *http.Request) {})
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(at, "http://"))
	good, err := net.Listen("tcp", "127.0.0.2:"+port)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) })}
	go s.Serve(good)
	defer s.Close()
	c := New(Options{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")}, Resolver: names(t, "127.0.0.2", "127.0.0.1")})
	to := "http://rebind.example:" + port + "/"
	if status, _, err := c.Post(t.Context(), to, "", nil); status != 204 || err != nil {
		t.Fatalf("%d %v", status, err)
	}
	if _, _, err := c.Post(t.Context(), to, "", nil); err == nil || !strings.HasPrefix(refused(t, err), "refused to call 127.0.0.1: ") {
		t.Errorf("error %v", err)
	}
	if n := connections.Load(); n != 0 {
		t.Errorf("the second address saw %d connections", n)
	}
}

func TestReasonsAreShortAndNameNoURL(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	rude, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer rude.Close()
	go func() {
		for {
			conn, err := rude.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 1000))
			_, _ = io.WriteString(conn, "\x1b[31mnonsense\r\n\r\n")
			conn.Close()
		}
	}()
	none := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("off") }}
	for _, x := range []struct {
		to   string
		o    Options
		want string
	}{
		{"http://" + closed.Addr().String(), Options{Allow: loopback}, "connection refused"},
		{"https://name.example", Options{Resolver: none}, "the host name could not be looked up"},
		{"http://" + rude.Addr().String(), Options{Allow: loopback}, `the call failed: net/http: HTTP/1.x transport connection broken: malformed HTTP response "\x1b[31mnonsense"`},
	} {
		_, _, err := New(x.o).Post(t.Context(), x.to+"/?key=hidden", "", nil)
		if err == nil || refused(t, err) != x.want || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s: %v, want %s", x.to, err, x.want)
		}
	}
}

func TestACallerWhoLeavesIsToldSo(t *testing.T) {
	at, _ := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	c := New(Options{Allow: loopback})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, _, err := c.Post(ctx, at, "", nil)
	if _, own := errors.AsType[*Error](err); own || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}

func TestADocumentIsFetchedOnceAtATimeAndAFailureIsKept(t *testing.T) {
	release, broken := make(chan struct{}), atomic.Bool{}
	at, connections := serve(t, func(w http.ResponseWriter, r *http.Request) {
		<-release
		if broken.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = w.Write([]byte("document"))
	})
	now := time.Unix(1000, 0)
	var mu sync.Mutex
	c := New(Options{Allow: loopback, Now: func() time.Time { mu.Lock(); defer mu.Unlock(); return now }})
	gone, leave := context.WithCancel(t.Context())
	var first sync.WaitGroup
	first.Go(func() {
		if _, err := c.Get(gone, at); !errors.Is(err, context.Canceled) {
			t.Errorf("who left: %v", err)
		}
	})
	for connections.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if body, err := c.Get(t.Context(), at); string(body) != "document" || err != nil {
				t.Errorf("%q %v", body, err)
			}
		})
	}
	leave()
	first.Wait()
	time.Sleep(20 * time.Millisecond)
	close(release)
	all.Wait()
	if n := connections.Load(); n != 1 {
		t.Errorf("%d calls at once", n)
	}
	broken.Store(true)
	for range 3 {
		if _, err := c.Get(t.Context(), at); err == nil || refused(t, err) != "answered 503" {
			t.Errorf("error %v", err)
		}
	}
	if n := connections.Load(); n != 2 {
		t.Errorf("a failure was not kept: %d calls", n)
	}
	broken.Store(false)
	mu.Lock()
	now = now.Add(failureKept)
	mu.Unlock()
	if body, err := c.Get(t.Context(), at); string(body) != "document" || err != nil {
		t.Errorf("after a while: %q %v", body, err)
	}
}

func TestTheTableOfFailuresIsBounded(t *testing.T) {
	c := New(Options{})
	for i := range 3 * maxFailures {
		c.note(strconv.Itoa(i), &Error{Text: "x"})
	}
	if len(c.failed) != maxFailures {
		t.Errorf("%d entries", len(c.failed))
	}
}

// FuzzCheck: a URL that is let through goes to the host that stands in it for a
// reader who takes a backslash for a slash, and a host that ends in a number is an
// address as everybody writes it.
func FuzzCheck(f *testing.F) {
	for _, s := range []string{
		"https://a.example/", "http://[::1]:80/", "https://0x7f.1", "https://a@b", "https://a#", "https://[fe80::1%25lo]/",
		"http://127.0.0.1.", "https:///x", "https://1.2.3.4.5", "https://a\\@b/", "https://0X/", "https://a.00/",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, to string) {
		u, err := check(to)
		if err != nil {
			return
		}
		shown := to[strings.Index(to, "//")+2:]
		if i := strings.IndexAny(shown, "/?\\#"); i >= 0 {
			shown = shown[:i]
		}
		if !strings.Contains(shown, "%") && shown != u.Host {
			t.Errorf("%q goes to %q", to, u.Host)
		}
		labels := strings.Split(strings.TrimSuffix(u.Hostname(), "."), ".")
		last, base := labels[len(labels)-1], 10
		if rest, hex := strings.CutPrefix(strings.ToLower(last), "0x"); hex {
			last, base = "0"+rest, 16
		}
		_, number := new(big.Int).SetString(last, base)
		if _, err := netip.ParseAddr(strings.Join(labels, ".")); number && !strings.ContainsAny(last, "_+-") && err != nil {
			t.Errorf("%q goes to the number %q", to, u.Hostname())
		}
	})
}

// FuzzClean: what comes out is one short line that prints, and stays as it is when
// cleaned again.
func FuzzClean(f *testing.F) {
	for _, s := range []string{"plain", "a\x1b[31m\r\nb", strings.Repeat("ü ", 500), "\xff\xfe", "\u202eright to left", " a   b "} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := Clean(s)
		if len(got) > maxClean || !utf8.ValidString(got) || strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsGraphic(r) }) {
			t.Errorf("%q from %q", got, s)
		}
		if again := Clean(got); again != got {
			t.Errorf("%q, and again %q", got, again)
		}
	})
}
