// Package examples holds configuration files that are documentation and are run
// as such: the demo serves demo.yaml, the tests check it.
package examples

import _ "embed"

// Demo is the world of `jeton demo`. Its secrets are written out, so it is read
// with plain secrets allowed; the key files it names are made by the demo itself.
//
//go:embed demo.yaml
var Demo []byte
