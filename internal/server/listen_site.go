package server

import (
	"net/http"

	"jeton/internal/web"
)

// Setup is how the first administrator is made.
func (s *Server) Setup() *web.Setup {
	return &web.Setup{Store: s.Store, Admin: s.Core.Admin, Clients: s.Core.Clients, Now: s.config.Now}
}

// Site is Handler with the pages for people before it, and what browsers are told
// of the transport. fixed says that the public URL comes from settings; public,
// that certificates are such that browsers may insist on https.
func (s *Server) Site(fixed, public bool) http.Handler {
	pages := web.New(web.Pages{
		Setup: s.Setup(), Open: s.visitor, Prefix: s.base.path, Fixed: fixed, Demo: s.config.Demo, Audit: s.Audit, Log: s.config.Log,
	})
	h := pages.Over(s.Handler())
	if !public || s.base.scheme != "https" {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Strict-Transport-Security", "max-age=31536000") // RFC 6797 §6.1: one year
		h.ServeHTTP(w, r)
	})
}

func (s *Server) visitor(r *http.Request) (web.Visitor, error) {
	x, err := s.open(r)
	if err != nil {
		return web.Visitor{}, err
	}
	return web.Visitor{Path: x.Rest, Prefix: s.base.path, Base: x.Base, Addr: x.Addr, Secure: x.Secure, Taken: s.front.Answers(x)}, nil
}

// Reach says where clients reach the server, once that is known; it must be called
// before the first request is served. "" leaves it to the loopback requests.
func (s *Server) Reach(publicURL string) error {
	c := s.config
	c.PublicURL = publicURL
	b, err := newBase(c)
	if err != nil {
		return err
	}
	b.loopback = b.loopback || s.base.loopback
	s.config, s.base = c, b
	return nil
}
