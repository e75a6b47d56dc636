package server

import (
	"jeton/internal/dialect"
	"jeton/internal/dialect/oidc"
)

// Dialects is the list of dialects this server speaks: a further one costs its
// folder and its line here. The first one words what belongs to nobody.
func Dialects() []*dialect.Dialect {
	return []*dialect.Dialect{
		&oidc.Dialect,
	}
}
