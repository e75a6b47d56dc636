package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"jeton/internal/jose"
	"jeton/internal/oauth"
)

// savedToken is a profile: what was got, and what is needed to get it again. It
// never holds a password or a client's secret, only where they are.
type savedToken struct {
	Name         string `json:"name"`
	Dialect      string `json:"dialect"`
	Server       string `json:"server"`
	Data         string `json:"data,omitempty"`
	Organization string `json:"organization,omitempty"`
	Client       string `json:"client,omitempty"`
	User         string `json:"user,omitempty"`
	Realm        string `json:"realm,omitempty"`
	Grant        string `json:"grant"`
	Asked        string `json:"asked,omitempty"` // the scope asked for
	Resource     string `json:"resource,omitempty"`
	KeyFile      string `json:"key_file,omitempty"`
	SecretFile   string `json:"secret_file,omitempty"`
	PasswordFile string `json:"password_file,omitempty"`
	CACert       string `json:"cacert,omitempty"`
	Demo         bool   `json:"demo,omitempty"`

	Status  int    `json:"status"` // of the answer
	Access  string `json:"access"`
	Refresh string `json:"refresh,omitempty"`
	Scope   string `json:"scope,omitempty"`
	Issued  int64  `json:"issued"`            // unix seconds
	Expires int64  `json:"expires,omitempty"` // unix seconds, 0 = never

	id string // ID token of the answer; it is checked and not kept
}

// profileName is what a profile may be called: it becomes a file's name.
var profileName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)

// profilePath is the file of a profile, in a folder of its owner's alone.
func profilePath(env *Env, name string) (string, error) {
	if !profileName.MatchString(name) {
		return "", fail(ExitUsage, "use letters, digits, - and _", "%q cannot be a profile's name", name)
	}
	dir := env.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(env.Getenv("HOME"), ".local", "state")
	}
	return filepath.Join(dir, "jeton", "profiles", name+".json"), nil
}

func loadProfile(env *Env, name string) (*savedToken, error) {
	path, err := profilePath(env, name)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fail(ExitNotFound, "jeton token DIALECT --profile "+name, "there is no profile %s", name)
	}
	if err != nil {
		return nil, fmt.Errorf("read profile %s: %w", name, err)
	}
	if err := private(path, "profile", 0o600); err != nil {
		return nil, err
	}
	t := new(savedToken)
	if err := json.Unmarshal(text, t); err != nil || t.Access == "" {
		return nil, fail(ExitFailed, "get it again: jeton token DIALECT --profile "+name, "profile %s cannot be read", name)
	}
	t.Name = name
	return t, nil
}

func storeProfile(env *Env, t *savedToken) error {
	path, err := profilePath(env, t.Name)
	if err != nil {
		return err
	}
	if err := privateDir(filepath.Dir(path)); err != nil {
		return err
	}
	text, err := json.MarshalIndent(t, "", "  ")
	if err != nil {
		return fmt.Errorf("write profile %s: %w", t.Name, err)
	}
	return writePrivate(path, append(text, '\n'))
}

// save keeps what was got and says so.
func (p *play) save(t *savedToken) error {
	if err := storeProfile(p.env, t); err != nil {
		return err
	}
	if p.flags.Raw {
		_, err := fmt.Fprintln(p.env.Stdout, t.Access)
		return err
	}
	if _, err := fmt.Fprintln(p.env.Stdout, t.line(p.env.Now())); err != nil {
		return err
	}
	p.remark("saved as profile %q   show it: jeton token show @%s --raw   why: jeton explain @%s", t.Name, t.Name, t.Name)
	return nil
}

// line is the answer in one line, its tokens cut.
func (t *savedToken) line(now time.Time) string {
	kind := "opaque"
	if j, err := jose.Parse(t.Access); err == nil {
		kind = "JWT " + string(j.Alg)
	}
	out := fmt.Sprintf("%d access %s %s, %s", t.Status, brief(t.Access), kind, t.expiry(now))
	if t.Refresh != "" {
		out += " · refresh " + brief(t.Refresh)
	}
	if t.Scope != "" {
		out += " · scope " + t.Scope
	}
	return oneLine(out)
}

// TokenShowCmd shows a profile.
type TokenShowCmd struct {
	Profile string `arg:"" help:"Profile, with or without @ before it."`
	Raw     bool   `help:"Print the access token and nothing else."`
	Trace   bool   `help:"Print the exchange of a refresh too, its secrets masked."`
	Quiet   bool   `short:"q" help:"Print the answer, and no remarks."`
}

// Examples implements exampler.
func (*TokenShowCmd) Examples() []string {
	return []string{
		"jeton token show @fortiauth",
		`curl -H "Authorization: Bearer $(jeton token show @oidc --raw)" https://api.example.com/`,
	}
}

// Exits implements exiter.
func (*TokenShowCmd) Exits() []int { return append([]int{ExitNotFound}, tokenExits...) }

// soon is how long before its end a token is replaced: it must outlive the request
// it is for.
const soon = 10 * time.Second

// Run shows what is saved, and gets another first when that has ended.
func (c *TokenShowCmd) Run(env *Env) error {
	t, err := loadProfile(env, strings.TrimPrefix(c.Profile, "@"))
	if err != nil {
		return err
	}
	p := t.play(env)
	p.flags.Raw, p.flags.Trace, p.flags.Quiet = c.Raw, c.Trace, c.Quiet
	if t.Expires == 0 || env.Now().Add(soon).Unix() < t.Expires {
		if c.Raw {
			_, err = fmt.Fprintln(env.Stdout, t.Access)
		} else {
			_, err = fmt.Fprintln(env.Stdout, t.line(env.Now()))
		}
		return err
	}
	fresh, err := p.again(t)
	if err != nil {
		return err
	}
	if fresh.Refresh == "" {
		fresh.Refresh = p.refresh.Reveal() // a server that does not rotate sends none
	}
	p.remark("%s", "it had ended; refreshed")
	return p.save(fresh)
}

// play is the request a profile came of.
func (t *savedToken) play(env *Env) *play {
	p := &play{
		env: env, dialect: t.Dialect, grant: t.Grant, base: t.Server, org: t.Organization, client: t.Client, user: t.User,
		realm: t.Realm, scope: t.Asked, resource: t.Resource, keyFile: t.KeyFile, demo: t.Demo,
		flags: playFlags{Server: t.Server, Profile: t.Name, NoInput: true, CACert: t.CACert},
	}
	p.flags.Data, p.SecretFile, p.PasswordFile = t.Data, t.SecretFile, t.PasswordFile
	if t.Demo {
		p.world = demoWorld()
	}
	p.data = dataDir(env, env.Path(t.Data))
	if demo := demoData(env); t.Demo && demo != "" {
		p.data = demo
	}
	return p
}

// again gets what a profile holds once more: with its refresh token where there is
// one, else as it was got.
func (p *play) again(t *savedToken) (*savedToken, error) {
	if t.Refresh == "" && t.Grant == grantCode {
		return nil, p.stale(t, fail(ExitRefused, "", "its sign-in gave no refresh token"))
	}
	if t.Refresh == "" {
		if err := p.gather(); err != nil {
			return nil, p.stale(t, err)
		}
		return p.ask()
	}
	p.refresh = oauth.Secret(t.Refresh)
	if t.Dialect == "sensu" { // its clients show the access token that ended beside it
		p.assertion = oauth.Secret(t.Access)
	}
	if _, secret, _, _ := p.wants(); secret && t.Dialect != "aspire" {
		if err := p.gatherSecret(); err != nil && p.SecretFile != "" {
			return nil, p.stale(t, err)
		}
	}
	return p.ask()
}

// stale says that a profile has ended and cannot be renewed by itself.
func (p *play) stale(t *savedToken, why error) error {
	again := "jeton token " + t.Dialect + " --profile " + t.Name
	if t.Grant == grantCode {
		again += " --grant code --client " + t.Client
	}
	return fail(exitOf(why).Code, again, "profile %s has ended, and %s", t.Name, exitOf(why).Text)
}

func sortedNames(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }
