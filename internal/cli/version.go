package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is the release; a build may set another (-ldflags "-X …").
var version = "0.1.0"

// VersionCmd prints the version.
type VersionCmd struct{}

// Examples implements exampler.
func (*VersionCmd) Examples() []string {
	return []string{
		"jeton version",
		"jeton version | cut -d' ' -f2                  # the number alone",
	}
}

// Run prints the version, what it was built from and with.
func (*VersionCmd) Run(env *Env) error {
	_, err := fmt.Fprintf(env.Stdout, "jeton %s   %s %s/%s%s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH, revision())
	return err
}

func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return "   " + s.Value[:12]
		}
	}
	return ""
}
