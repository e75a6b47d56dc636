package server

import (
	"jeton/internal/dialect"
	"jeton/internal/dialect/aoc"
	"jeton/internal/dialect/aspire"
	"jeton/internal/dialect/faspex"
	"jeton/internal/dialect/fortiauth"
	"jeton/internal/dialect/oidc"
	"jeton/internal/dialect/sensu"
)

// Dialects is the list of dialects this server speaks: a further one costs its
// folder and its line here. The first one words what belongs to nobody.
func Dialects() []*dialect.Dialect {
	return []*dialect.Dialect{
		&oidc.Dialect,
		&faspex.Dialect,
		&fortiauth.Dialect,
		&aspire.Dialect,
		&aoc.Dialect,
		&sensu.Dialect,
	}
}
