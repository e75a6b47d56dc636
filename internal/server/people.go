package server

import (
	"fmt"

	"jeton/internal/page"
	"jeton/internal/vault"
	"jeton/internal/web"
)

// people is the face for people.
func (s *Server) people(v *vault.Vault) (*web.Face, error) {
	pages, err := page.New(page.Options{Demo: s.config.Demo})
	if err != nil {
		return nil, fmt.Errorf("pages: %w", err)
	}
	return &web.Face{
		Core: s.Core, Pages: pages, Guard: page.Guard{Derive: v.Derive, Now: s.config.Now}, Tickets: s.Store,
	}, nil
}
