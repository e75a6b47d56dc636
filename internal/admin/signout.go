package admin

import (
	"context"
	"fmt"

	"jeton/internal/audit"
	"jeton/internal/identity"
)

// signOut ends the browser sessions that a person, as they were before a change, had
// open: dead already by that change, they are ended so that their clients are told. It
// is a part of the change and no event of its own. Should the server stop in between,
// the sessions stay dead and nobody is told.
func (s *Service) signOut(ctx context.Context, before *identity.User) error {
	if s.Sessions == nil {
		return nil
	}
	list, err := s.Sessions.List(ctx, before)
	if err != nil {
		return fmt.Errorf("admin: sign %d out: %w", before.ID, err)
	}
	for i := range list {
		if err := s.Sessions.End(audit.With(ctx, nil), &list[i]); err != nil {
			return fmt.Errorf("admin: sign %d out: %w", before.ID, err)
		}
	}
	return nil
}
