// Package internal_test holds the standing tests of the structure: which room may
// import which, that every dialect words every refusal, and that a further dialect
// costs a folder and a line.
package internal_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// layers says the direction of imports: a package imports only packages of layers
// before its own. This list is the place to change a rule.
var layers = [][]string{
	{"oauth"}, // the words; standard library only
	{"jose", "vault", "audit", "ratelimit", "wire", "hash", "outbound"}, // leaves
	{"client", "mfa"},                         //
	{"identity", "policy", "keys"},            //
	{"identity/saml"},                         // an assertion's own rules
	{"mint", "config", "session"},             //
	{"grant", "admin", "authorize", "logout"}, //
	{"core"},             //
	{"dialect"},          // the contract
	{"page"},             // what faces for people share
	{"dialect/*", "web"}, // faces: none imports another
	{"store", "store/*"}, // no room and no face imports the store
	{"server"},           //
	{"adminapi"},         // faces of the running server itself
	{"cli"},              //
	{"bench"},            // measures the server; nobody imports it
}

// further lists what a package may import beside the layers before it.
var further = map[string][]string{
	"store": {"store/sqlite", "store/postgres"}, // the engines it opens
}

// notBelow lists what a package must not import although it lies below: the rule of
// the rooms is tighter than layers there.
var notBelow = map[string][]string{
	"dialect/*": {"store", "hash", "vault", "keys!", "server", "adminapi", "web", "page"},
	"authorize": {"hash", "keys", "vault", "config", "mint"},
	"session":   {"wire", "hash", "keys", "vault", "config", "mint"},
	"logout":    {"wire", "hash", "keys", "vault", "config", "mint", "identity"},
	"page":      {"identity", "store", "hash", "vault", "session", "authorize"},
	"grant":     {"wire", "hash", "keys", "vault", "config"},
	"mint":      {"wire", "hash", "vault", "ratelimit", "config"},
	"policy":    {"audit", "hash", "vault", "wire", "ratelimit"},
	"store":     {"mint", "grant", "core", "dialect", "dialect/*", "admin", "wire", "hash"},
	"store/*":   {"mint", "grant", "core", "dialect", "dialect/*", "admin", "wire", "hash"},
	"core":      {"config", "wire"},
	"adminapi":  {"dialect/*", "web"},
	"client":    {"wire", "vault", "ratelimit"},
	"identity":  {"wire", "vault"},
}

const module = "jeton/internal/"

func class(pkg string) string {
	if i := strings.IndexByte(pkg, '/'); i >= 0 && (pkg[:i] == "dialect" || pkg[:i] == "store") {
		return pkg[:i] + "/*"
	}
	return pkg
}

func TestImportsPointOneWay(t *testing.T) {
	level := map[string]int{}
	for i, layer := range layers {
		for _, p := range layer {
			level[p] = i
		}
	}
	seen := 0
	walkImports(t, func(pkg, imported string) {
		from, to := class(pkg), class(imported)
		if from == "servertest" || from == "bench" || strings.HasPrefix(pkg, "store/storetest") || pkg == "identity/saml/samltest" { // helpers of tests
			return
		}
		seen++
		here, known := level[from]
		there, knownTo := level[to]
		switch {
		case !known:
			t.Errorf("%s is in no layer: add it", pkg)
		case !knownTo:
			t.Errorf("%s imports %s, which is in no layer", pkg, imported)
		case slices.Contains(further[from], imported):
		case there >= here:
			t.Errorf("%s must not import %s: it is not below it", pkg, imported)
		case slices.Contains(notBelow[from], to):
			t.Errorf("%s must not import %s", pkg, imported)
		}
	})
	if seen < 50 {
		t.Fatalf("only %d imports seen: the test reads the wrong place", seen)
	}
}

func walkImports(t *testing.T, see func(pkg, imported string)) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		pkg := filepath.ToSlash(filepath.Dir(path))
		for _, imp := range f.Imports {
			if name, ok := strings.CutPrefix(strings.Trim(imp.Path.Value, `"`), module); ok {
				see(pkg, name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestOnlyTheWordsUseNothing(t *testing.T) {
	err := filepath.WalkDir("oauth", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, imp := range f.Imports {
			if p := strings.Trim(imp.Path.Value, `"`); strings.Contains(p, ".") || (strings.HasPrefix(p, "jeton/") && !strings.HasSuffix(path, "_test.go")) {
				t.Errorf("%s imports %s: oauth uses the standard library only", path, p)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
