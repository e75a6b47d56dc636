package adminapi

import (
	"runtime/debug"

	"jeton/internal/dialect"
)

// Info says what answers here.
type Info struct {
	Version      string   `json:"version"`
	Revision     string   `json:"revision,omitempty"` // of the source
	URL          string   `json:"url,omitempty"`      // where clients reach the server
	Demo         bool     `json:"demo,omitempty"`
	Organization string   `json:"organization"` // the default one
	Dialects     []string `json:"dialects"`
}

func (a *api) info(*dialect.Request) (dialect.Reply, error) {
	i := Info{URL: a.BaseURL(), Demo: a.Demo(), Organization: a.core.Clients.Default().ID, Dialects: []string{}}
	if i.URL == "" {
		i.URL = a.Address
	}
	i.Version, i.Revision = build()
	for _, d := range a.Faces {
		i.Dialects = append(i.Dialects, d.Name)
	}
	return dialect.OK(i), nil
}

// build is the version and source revision of this program.
func build() (version, revision string) {
	b, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown", ""
	}
	for _, s := range b.Settings {
		if s.Key == "vcs.revision" {
			revision = s.Value
		}
	}
	return b.Main.Version, revision
}
