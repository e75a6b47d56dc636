package web

import "jeton/internal/dialect"

// mountSources adds the ways to sign in that lead elsewhere.
func (f *Face) mountSources(m *dialect.Mux) {}
