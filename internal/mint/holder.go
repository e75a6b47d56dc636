package mint

import (
	"context"
	"fmt"
	"strings"

	"jeton/internal/jose"
	"jeton/internal/policy"
)

// Holder finds the grant a token of an organization belongs to, live or not, and
// whether the token is a refresh token: for administration, which explains what a
// token is. nil when it names none, as what nothing is stored of does.
func (m *Mint) Holder(ctx context.Context, org, token string) (s *State, refresh bool, err error) {
	for _, p := range m.profiles {
		r, err := m.findRefresh(ctx, p, org, token)
		if err != nil {
			return nil, false, err
		}
		if r != nil && r.Family.Dialect == p.Dialect && r.Family.Org == org {
			return &r.State, true, nil
		}
	}
	found, err := m.accessHolder(ctx, org, token)
	if m.store.IsNotFound(err) || (err == nil && found.Family.Org != org) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("mint: look up the token: %w", err)
	}
	return &found, false, nil
}

func (m *Mint) accessHolder(ctx context.Context, org, token string) (State, error) {
	if strings.Count(token, ".") == 2 {
		return m.jwtHolder(ctx, org, token)
	}
	for _, p := range m.profiles {
		for _, f := range accessForms(p) {
			if f.Kind != policy.Sealed {
				continue
			}
			if n, _, ok := m.seal.open(f.Prefix, accessToken, token); ok {
				return m.store.Family(ctx, n.handle)
			}
		}
	}
	s, _, err := m.store.FamilyByAlias(ctx, digest([]byte(token)))
	return s, err
}

func (m *Mint) jwtHolder(ctx context.Context, org, token string) (State, error) {
	t, err := jose.Parse(token)
	if err != nil {
		return State{}, nil
	}
	key := m.verifyingKey(org, t)
	if key == nil {
		return State{}, nil
	}
	_, form, ok := m.purpose(key.Purpose)
	if !ok {
		return State{}, nil
	}
	n, ok := m.seal.unmark(handle(form, t.Claims))
	if !ok || isStateless(n) {
		return State{}, nil
	}
	return m.store.Family(ctx, n.handle)
}

func accessForms(p policy.Profile) []policy.Form {
	if p.Opaque != nil {
		return []policy.Form{p.Access, *p.Opaque}
	}
	return []policy.Form{p.Access}
}
