package web

import "jeton/internal/dialect"

// mountAccount adds the pages of a person's own account.
func (f *Face) mountAccount(m *dialect.Mux) {}
