package server

import (
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"jeton/internal/core"
	"jeton/internal/dialect"
	"jeton/internal/oauth"
	"jeton/internal/web"
)

func encode(b []byte) string          { return base64.StdEncoding.EncodeToString(b) }
func decode(s string) ([]byte, error) { return base64.StdEncoding.DecodeString(s) }

// base is where clients reach the server, from configuration and never from a
// request's headers.
type base struct {
	url      string // scheme://host[:port][/path], "" = as a loopback request says
	scheme   string
	host     string // with port
	path     string
	loopback bool
}

func newBase(c Config) (base, error) {
	b := base{loopback: c.Loopback || c.PublicURL == "", scheme: "http"}
	if c.Secure {
		b.scheme = "https"
	}
	if c.PublicURL == "" {
		return b, nil
	}
	u, err := url.Parse(c.PublicURL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return base{}, fmt.Errorf("public URL %q: give scheme, host and at most a path, like https://login.example.com", c.PublicURL)
	}
	b.scheme, b.host, b.path = u.Scheme, strings.TrimSuffix(strings.ToLower(u.Host), defaultPorts[u.Scheme]), strings.TrimSuffix(u.Path, "/")
	b.url = b.scheme + "://" + b.host + b.path
	return b, nil
}

// open finds out about a request what no dialect needs to know how: organization,
// base URL, address. An unknown host is refused, so that nobody's Host header ends
// up in an issuer or a link.
func (s *Server) open(hr *http.Request) (*dialect.Request, error) {
	r := &dialect.Request{Request: hr}
	r.Addr, r.Secure = s.peer(hr)
	host := strings.TrimSuffix(strings.ToLower(hr.Host), defaultPorts[s.base.scheme])
	org, prefix, rest := s.Core.Clients.Resolve(hostname(host), strings.TrimPrefix(metadataPath(hr.URL.EscapedPath()), s.base.path))
	if org == nil {
		return r, oauth.Refuse(oauth.Unavailable, "this server is not set up yet")
	}
	bound := slices.ContainsFunc(org.Hosts, func(h string) bool { return strings.EqualFold(h, hostname(host)) })
	switch {
	case bound && s.ownPort(host):
		r.Base = s.base.scheme + "://" + host
	case s.base.url != "" && (host == s.base.host || (s.base.loopback && isLoopback(host))):
		r.Base = s.base.url + prefix
	case s.base.url == "" && isLoopback(host):
		r.Base = s.base.scheme + "://" + host + prefix
	default:
		return r, oauth.Refuse(oauth.InvalidRequest, "this server does not answer for that host name")
	}
	r.Bound = bound || prefix != ""
	r.Org, r.Rest = org, rest
	used, below := "", rest
	for name := range org.Settings { // the longest prefix that fits is meant
		p := strings.TrimSuffix(core.Setting(org, name, "prefix", ""), "/")
		if under, ok := strings.CutPrefix(rest, p); ok && len(p) > len(used) && (under == "" || under[0] == '/') {
			r.Only, used, below = name, p, under
		}
	}
	r.Site = r.Base
	r.Rest, r.Base = below, r.Base+used
	return r, nil
}

// defaultPorts are those a URL leaves out: with and without one it is the same URL.
var defaultPorts = map[string]string{"https": ":443", "http": ":80"}

// ownPort says whether a Host names a port that clients reach this server at: none,
// or the public URL's. Another service of the same name has another port, and an
// assertion made for that one must not count here.
func (s *Server) ownPort(host string) bool {
	_, port, err := net.SplitHostPort(host)
	if err != nil || s.base.url == "" {
		return true
	}
	_, own, err := net.SplitHostPort(s.base.host)
	return err == nil && port == own
}

// metadata is where RFC 8414 §3.1 has the document of an issuer with a path: before
// that path, where the issuers of OpenID Connect Discovery have theirs behind it.
const metadata = "/.well-known/oauth-authorization-server"

func metadataPath(path string) string {
	if issuer, ok := strings.CutPrefix(path, metadata+"/"); ok && issuer != "" {
		return "/" + strings.TrimSuffix(issuer, "/") + metadata
	}
	return path
}

// serves says whether a dialect answers this request: it is switched on for the
// organization, and the request came by the host name and prefix it is bound to.
func serves(r *dialect.Request, d *dialect.Dialect) bool {
	if d.Name == web.Name { // on every host, beside the dialects and below none of their prefixes
		return r.Only == ""
	}
	if !r.Org.Enabled(d.Name) {
		return false
	}
	if len(r.Org.Settings) == 0 {
		return r.Only == ""
	}
	if host := core.Setting(r.Org, d.Name, "host", ""); host != "" && !strings.EqualFold(host, hostname(r.Host())) {
		return false
	}
	if core.Setting(r.Org, d.Name, "prefix", "") != "" {
		return r.Only == d.Name
	}
	return r.Only == ""
}

// peer is the client's address and whether it came by https. Forwarding headers
// count only from listed proxies, and then from the right: what is left of the
// first address that is no proxy was written by a stranger.
func (s *Server) peer(r *http.Request) (addr string, secure bool) {
	secure = r.TLS != nil || s.config.Secure
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return "", secure
	}
	ip := at.Addr().Unmap()
	if !s.trusted(ip) {
		return ip.String(), secure
	}
	secure = secure || r.Header.Get("X-Forwarded-Proto") == "https"
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		if ip = hop.Unmap(); !s.trusted(ip) {
			break
		}
	}
	return ip.String(), secure
}

func (s *Server) trusted(ip netip.Addr) bool {
	return slices.ContainsFunc(s.config.Proxies, func(p netip.Prefix) bool { return p.Contains(ip) })
}

func hostname(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		return h
	}
	return strings.Trim(host, "[]")
}

func isLoopback(host string) bool {
	name := hostname(host)
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && ip.IsLoopback()
}
