// Package outbound owns the calls this server makes to URLs that clients have
// registered: it is the one HTTP client for them. The rooms that tell clients
// something, or read something of theirs, call it. Such a URL is a stranger's wish
// to have a request sent from inside this network, so the address is judged where
// the connection is made, nothing is followed, and time and size are bounded. It
// never sends a credential of its own accord and never keeps an answer.
package outbound

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Bounds of a call; the figures are our choice.
const (
	callTime    = 5 * time.Second // name, connection, TLS, request and answer together
	connectTime = 3 * time.Second // name and connection
	maxBody     = 512 << 10       // bytes of an answer
	maxHeader   = 32 << 10        // bytes of an answer's header
	maxURL      = 2048            // bytes
	failureKept = 30 * time.Second
	maxFailures = 1000
)

// Options of New; the zero value calls public addresses by https alone.
type Options struct {
	// Allow is networks outside of the public Internet that URLs may point into, by
	// http, too.
	Allow []netip.Prefix
	// Loopback says, call by call, whether this machine may be called although Allow
	// does not hold it; nil: no.
	Loopback func() bool
	Roots    *x509.CertPool   // nil: the system's
	Resolver *net.Resolver    // nil: the system's
	Now      func() time.Time // nil: time.Now
}

// Client makes the calls.
type Client struct {
	allow    []netip.Prefix
	loopback func() bool
	resolver *net.Resolver
	now      func() time.Time
	plain    *http.Client
	secure   *http.Client
	whole    time.Duration // of a call
	connect  time.Duration

	mu      sync.Mutex
	flights map[string]*flight
	failed  map[string]failure
}

// New makes a client.
func New(o Options) *Client {
	c := &Client{
		allow: o.Allow, loopback: o.Loopback, resolver: o.Resolver, now: o.Now, whole: callTime, connect: connectTime,
		flights: map[string]*flight{}, failed: map[string]failure{},
	}
	if c.now == nil {
		c.now = time.Now
	}
	// By http whoever is on the way reads and answers: only inside networks the
	// operator named.
	c.plain = c.client(o.Roots, c.listed, "http is for networks listed under outgoing; use https")
	c.secure = c.client(o.Roots, func(a netip.Addr) bool { return public(a) || c.listed(a) }, "it is not a public address, and no network listed under outgoing holds it")
	return c
}

// client makes the HTTP client of a scheme. It has no proxy, for that would do the
// connecting; no connection is kept, since the next call judges anew.
func (c *Client) client(roots *x509.CertPool, may func(netip.Addr) bool, otherwise string) *http.Client {
	judge := func(_ context.Context, _, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return &Error{Text: "the address could not be read"}
		}
		if a := at.Addr().Unmap().WithZone(""); !may(a) {
			return &Error{Text: "refused to call " + a.String() + ": " + otherwise}
		}
		return nil
	}
	return &http.Client{
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				d := net.Dialer{Timeout: c.connect, Resolver: c.resolver, ControlContext: judge}
				return d.DialContext(ctx, network, address)
			},
			TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    connectTime,
			DisableKeepAlives:      true,
			DisableCompression:     true, // a small answer that unpacks to a huge one
			MaxResponseHeaderBytes: maxHeader,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Post sends body and gives the status, which may be any but a redirect, and the
// answer's first 512 KiB. The error is an *Error that says what an operator may
// read, unless ctx ended.
func (c *Client) Post(ctx context.Context, to, contentType string, body []byte) (status int, answer []byte, err error) {
	status, answer, _, err = c.call(ctx, http.MethodPost, to, contentType, body)
	return status, answer, err
}

// call makes one call. whole is false when the answer was longer than is read.
func (c *Client) call(ctx context.Context, method, to, contentType string, body []byte) (status int, answer []byte, whole bool, err error) {
	u, err := check(to)
	if err != nil {
		return 0, nil, false, err
	}
	bounded, cancel := context.WithTimeout(ctx, c.whole)
	defer cancel()
	req, err := http.NewRequestWithContext(bounded, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return 0, nil, false, &Error{Text: "not a URL that can be called"}
	}
	req.Header.Set("User-Agent", "jeton")
	req.Header.Set("Accept", "application/json")
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	by := c.secure
	if u.Scheme == "http" {
		by = c.plain
	}
	resp, err := by.Do(req)
	if err != nil {
		return 0, nil, false, c.reason(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		return 0, nil, false, &Error{Text: "answered " + strconv.Itoa(resp.StatusCode) + ": redirects are not followed; register the URL it leads to"}
	}
	answer, err = io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err != nil {
		return 0, nil, false, c.reason(ctx, err)
	}
	if len(answer) > maxBody {
		return resp.StatusCode, answer[:maxBody], false, nil
	}
	return resp.StatusCode, answer, true, nil
}

// Check refuses a URL that no call would be made to, whatever its name stands for.
func Check(to string) error {
	_, err := check(to)
	return err
}

func check(to string) (*url.URL, error) {
	if len(to) > maxURL {
		return nil, &Error{Text: fmt.Sprintf("the URL is longer than %d bytes", maxURL)}
	}
	u, err := url.Parse(to)
	switch {
	case err != nil || u.Opaque != "" || u.Hostname() == "":
		return nil, &Error{Text: "not a URL with a host"}
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, &Error{Text: "neither https nor http"}
	case u.User != nil:
		return nil, &Error{Text: "the URL has user-info"}
	case strings.Contains(to, "#"):
		return nil, &Error{Text: "the URL has a fragment"}
	case disguised(u.Hostname()):
		return nil, &Error{Text: "the host is a number and no address"}
	}
	if p := u.Port(); p != "" {
		if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 {
			return nil, &Error{Text: "the port is none"}
		}
	}
	return u, nil
}

// disguised reports whether a host is an IPv4 address in a form that some resolvers
// know and people do not (2130706433, 0177.0.0.1, 0x7f.1): its last label is a number,
// as no name's is, and it is no address as everybody writes it.
func disguised(host string) bool {
	host = strings.TrimSuffix(host, ".")
	if _, err := netip.ParseAddr(host); err == nil {
		return false
	}
	last := host[strings.LastIndexByte(host, '.')+1:]
	if strings.Trim(last, "0123456789") == "" {
		return true
	}
	digits, hex := strings.CutPrefix(strings.ToLower(last), "0x")
	return hex && strings.Trim(digits, "0123456789abcdef") == ""
}
