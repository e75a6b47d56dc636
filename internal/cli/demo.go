package cli

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"jeton/examples"
	"jeton/internal/audit"
	"jeton/internal/client"
	"jeton/internal/config"
	"jeton/internal/hash"
	"jeton/internal/jose"
	"jeton/internal/server"
)

// DemoCmd runs a server with the users and clients of examples/demo.yaml.
type DemoCmd struct {
	Listen    string `placeholder:"ADDR:PORT"`
	Data      string `setting:"no" placeholder:"DIR" help:"Folder to keep the demo in; without it everything is in memory and gone at the end."`
	PublicURL string `name:"public-url" hidden:""`
}

// Help implements kong.HelpProvider.
func (*DemoCmd) Help() string {
	return "Its passwords are known to everybody, so it answers on loopback alone. It prints a call to paste\n" +
		"for every dialect; commands such as `jeton explain ID` find it from another terminal."
}

// Examples implements exampler.
func (*DemoCmd) Examples() []string {
	return []string{
		"jeton demo",
		"jeton demo --listen 127.0.0.1:8421 --data /tmp/jeton-demo",
	}
}

// Run serves the demo until it is told to stop.
func (c *DemoCmd) Run(env *Env) (err error) {
	addr := first(c.Listen, config.DefaultListen)
	if err := c.check(env, addr); err != nil {
		return err
	}
	dir := env.Path(c.Data)
	if dir == "" {
		if dir, err = os.MkdirTemp("", "jeton-demo-"); err != nil {
			return fmt.Errorf("make a folder for the demo: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	ln, err := listen(env.Ctx, addr, "jeton demo")
	if err != nil {
		return err
	}
	defer ln.Close()
	d := &demo{dir: filepath.Join(dir, "demo"), now: env.Now}
	if err := errors.Join(privateDir(dir), privateDir(d.dir), d.makeKeys()); err != nil {
		return err
	}
	keep := config.DefaultAuditRetention
	d.service = service{env: env, listener: ln, log: newLog(env, config.Serve{}), settings: config.Serve{
		Listen: bound(addr, ln), Data: dir, Database: ":memory:", TLS: config.TLSOff, AuditRetention: &keep,
	}}
	if c.Data != "" {
		d.settings.Database, d.settings.KEKFile = filepath.Join(dir, "jeton.db"), filepath.Join(dir, "kek")
	}
	d.settings.PublicURL = "http://" + d.settings.Listen
	if err := d.open(); err != nil {
		return err
	}
	forget, err := d.point()
	if err != nil {
		return errors.Join(err, d.close())
	}
	defer forget()
	return d.run(func() error { return d.greet() })
}

// check refuses what would show known passwords to a network.
func (c *DemoCmd) check(env *Env, addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fail(ExitUsage, "write it like "+config.DefaultListen, "--listen %s is not an address and port", addr)
	}
	ip, err := netip.ParseAddr(host)
	if host != "localhost" && (err != nil || !ip.IsLoopback()) {
		return fail(ExitUsage, "jeton serve --listen "+addr+" --tls self-signed", "the demo answers on loopback alone, not on %s: everybody knows its passwords", addr)
	}
	if first(c.PublicURL, env.Getenv("JETON_PUBLIC_URL")) != "" {
		return fail(ExitUsage, "jeton serve --public-url URL, or unset JETON_PUBLIC_URL", "the demo has no public URL: everybody knows its passwords")
	}
	return nil
}

// demo is a service with a known world and assertions that are always fresh.
type demo struct {
	service
	dir   string // of keys and assertions
	now   func() time.Time
	world *config.World
	keys  map[string]*jose.Key
}

// The demo's assertions: who signs what for whom (examples/demo.yaml).
var assertions = []struct{ key, client, user string }{
	{"ada", "mover", "ada@example.com"},
	{"global", "mover-global", "ada@example.com"},
}

// aocAudience is the one audience clients of the product always name.
const aocAudience = "https://api.asperafiles.com/api/v1/oauth2/token"

const (
	assertionLife  = 12 * time.Hour
	assertionEvery = time.Hour
)

// makeKeys reads the demo's key pairs or makes them, side by side: RSA takes time.
func (d *demo) makeKeys() error {
	d.keys = map[string]*jose.Key{}
	var mu sync.Mutex
	var work sync.WaitGroup
	var all error
	for _, a := range assertions {
		work.Go(func() {
			k, err := d.makeKey(filepath.Join(d.dir, a.key))
			mu.Lock()
			defer mu.Unlock()
			d.keys[a.key], all = k, errors.Join(all, err)
		})
	}
	work.Wait()
	if all != nil {
		return fmt.Errorf("make the demo's keys: %w", all)
	}
	return d.sign()
}

func (d *demo) makeKey(path string) (*jose.Key, error) {
	text, err := os.ReadFile(path + ".pem")
	if err == nil && exists(path+".pub") {
		return jose.ParsePrivatePEM(text)
	}
	k, err := jose.Generate(jose.RS256)
	if err != nil {
		return nil, err
	}
	der, err := jose.MarshalPrivate(k)
	if err != nil {
		return nil, err
	}
	secret := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return k, errors.Join(replace(path+".pem", secret), replace(path+".pub", []byte(jose.MarshalPublicPEM(k.Public))))
}

// sign writes assertions that any client could have signed: without an id, so that
// a call can be pasted more than once.
func (d *demo) sign() error {
	now := d.now()
	for _, a := range assertions {
		k := d.keys[a.key]
		claims := jose.Obj().Str("iss", a.client).Str("sub", a.user).Str("aud", aocAudience).
			Int("nbf", now.Add(-time.Minute).Unix()).Int("iat", now.Unix()).Int("exp", now.Add(assertionLife).Unix())
		text, err := jose.Sign(k, k.Header("JWT").Bytes(), claims.Bytes())
		if err != nil {
			return fmt.Errorf("sign the demo's assertion: %w", err)
		}
		if err := replace(filepath.Join(d.dir, a.key+".jwt"), []byte(text)); err != nil {
			return fmt.Errorf("keep the demo's assertion: %w", err)
		}
	}
	return nil
}

// replace writes a file of its owner's alone, whole or not at all.
func replace(path string, text []byte) error {
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// open opens the rooms and loads the world.
func (d *demo) open() error {
	d.change = func(c *server.Config) {
		c.Demo, c.Store.Relaxed = true, true
		c.HashCost = hash.Cost{Memory: 1024, Passes: 1} // of passwords everybody knows
	}
	if err := d.service.open(false); err != nil {
		return err
	}
	if err := d.apply(); err != nil {
		return errors.Join(err, d.close())
	}
	return nil
}

func (d *demo) apply() error {
	orgs := []client.Org{}
	for _, o := range d.server.Core.Clients.Orgs() {
		orgs = append(orgs, *o)
	}
	w, problems := config.Load("demo.yaml", examples.Demo, config.Options{
		Dir: filepath.Dir(d.dir), AllowPlain: true, Existing: orgs,
		CheckKey: func(text string) error { _, err := jose.ParsePublic(text); return err },
	})
	if len(problems) > 0 {
		return fail(ExitFailed, problems[0].Next, "%s", problems[0].Text)
	}
	d.world = w
	now := d.now()
	ctx := audit.With(d.env.Ctx, &audit.Record{ID: audit.NewID(now), At: now, Actor: "demo", Outcome: audit.OK})
	if _, err := d.server.Core.Admin.Apply(ctx, w, false); err != nil {
		return fmt.Errorf("load the demo's users and clients: %w", err)
	}
	return nil
}

// run is the service, with assertions signed anew while it lasts.
func (d *demo) run(ready func() error) error {
	ctx, stop := context.WithCancel(d.env.Ctx)
	defer stop()
	go func() {
		tick := time.NewTicker(assertionEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if err := d.sign(); err != nil {
					d.log.Warn("an assertion was not signed anew", "error", err)
				}
			}
		}
	}()
	return d.service.run(ready)
}

// point leaves word where the demo is; forget takes it back, unless a later demo
// has left its own.
func (d *demo) point() (forget func(), err error) {
	path := demoPointer(d.env)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("leave word where the demo is: %w", err)
	}
	if err := replace(path, []byte(d.settings.Data+"\n")); err != nil {
		return nil, fmt.Errorf("leave word where the demo is: %w", err)
	}
	return func() {
		if demoData(d.env) == d.settings.Data {
			_ = os.Remove(path)
		}
	}, nil
}

func (d *demo) greet() error {
	var b strings.Builder
	kept := "in memory"
	if d.settings.Database != ":memory:" {
		kept = tilde(d.env, d.settings.Database)
	}
	fmt.Fprintf(&b, "jeton %s demo   %s   %s\n\n", version, kept, d.settings.PublicURL)
	d.users(&b)
	b.WriteByte('\n')
	d.clients(&b)
	b.WriteByte('\n')
	d.people(&b)
	b.WriteString("\nCalls to paste into another terminal:\n")
	for _, f := range d.server.Faces {
		for _, c := range calls[f.Name] {
			fmt.Fprintf(&b, "\n# %s: %s\n%s\n", f.Title, c.what, d.fill(c.line))
		}
	}
	b.WriteString("\nEvery refusal has an error id in its header Jeton-Error-Id: `jeton explain ID` says why.\nCtrl-C ends the demo.\n")
	_, err := d.env.Stdout.Write([]byte(b.String()))
	return err
}

func (d *demo) users(b *strings.Builder) {
	t := [][]string{{"user", "password", "organization", "is"}}
	for _, u := range d.world.Users {
		password := d.world.Plain[config.SecretKey{Kind: config.UserSecret, Org: u.Org, Realm: u.Realm, Name: u.Name}].Reveal()
		var is []string
		if u.Admin {
			is = append(is, "administrator")
		}
		if len(u.Keys) > 0 {
			is = append(is, "key "+d.shown("ada.pem"))
		}
		if u.Attr["faspex"] != nil {
			is = append(is, "in Faspex")
		}
		t = append(t, []string{u.Name, password, u.Org, strings.Join(append(is, u.Groups...), ", ")})
	}
	aligned(b, t)
}

func (d *demo) clients(b *strings.Builder) {
	t := [][]string{{"client", "dialect", "secret"}}
	for _, c := range d.world.Clients {
		secret := d.world.Plain[config.SecretKey{Kind: config.ClientSecret, Org: c.Org, Name: c.ID}].Reveal()
		switch {
		case secret != "":
		case len(c.Keys) > 0:
			secret = "key: " + d.shown("global.pem")
		case c.Dialect == "aoc":
			secret = "the user's key"
		default:
			secret = "none"
		}
		t = append(t, []string{c.ID, c.Dialect, secret})
	}
	aligned(b, t)
}

func (d *demo) shown(name string) string { return tilde(d.env, filepath.Join(d.dir, name)) }

// aligned writes columns as wide as what is in them.
func aligned(b *strings.Builder, rows [][]string) {
	widths := make([]int, len(rows[0]))
	for _, r := range rows {
		for i, cell := range r {
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	for _, r := range rows {
		line := ""
		for i, cell := range r {
			line += fmt.Sprintf("%-*s  ", widths[i], cell)
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
}

// people says where to sign in. The challenge is that of RFC 7636 Appendix B, whose
// verifier everybody knows: redeeming the code takes a curl line then.
func (d *demo) people(b *strings.Builder) {
	password := d.world.Plain[config.SecretKey{Kind: config.UserSecret, Org: config.DefaultOrganization, Realm: "local", Name: demoPerson}].Reveal()
	q := url.Values{
		"response_type": {"code"}, "client_id": {"portal"}, "redirect_uri": {"http://127.0.0.1:8421/callback"}, "scope": {"openid profile email read"},
		"state": {"demo"}, "code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"},
	}
	fmt.Fprintf(b, "Pages to open in a browser, as %s with password %s:\n\n", demoPerson, password)
	aligned(b, [][]string{
		{"your account", d.settings.PublicURL + "/login"},
		{"allow a client", d.settings.PublicURL + "/oauth2/authorize?" + q.Encode()},
		{"the same, with its tokens", "jeton token oidc --grant code"},
	})
	b.WriteString("\nThe client's own page does not run here: its address opens nothing, and has the code in it.\n")
}

// demoPerson is who signs in when somebody just looks.
const demoPerson = "sam"

type call struct{ what, line string }

// calls are what each product's own documentation would have one type, with BASE
// and KEYS to be filled in.
var calls = map[string][]call{
	"oidc": {
		{"a service gets a token for itself", `curl -u batch:demo-batch-secret BASE/oauth2/token -d grant_type=client_credentials`},
		{"an API asks what a token is worth", `curl -u api:demo-api-secret BASE/oauth2/introspect -d token="$(curl -s -u batch:demo-batch-secret BASE/oauth2/token -d grant_type=client_credentials | sed 's/.*"access_token":"\([^"]*\)".*/\1/')"`},
	},
	"faspex": {
		{"a user's token, by password", `curl -X POST -u sam:demo-sam "BASE/aspera/faspex/auth/oauth2/token?grant_type=password"`},
	},
	"fortiauth": {
		{"a token that never ends", `curl -X POST BASE/api/v1/oauth/token/ -H 'Content-Type: application/json' -d '{"username":"luser1","password":"12345678","client_id":"client_id","client_secret":"client_secret","grant_type":"password"}'`},
	},
	"aspire": {
		{"a token for an application", `curl -X POST BASE/Authorization -H 'Content-Type: application/json' -d '{"ClientId":"5b0c1f7e-3a52-4b0e-9b3e-0f6f6c1f2a11","Secret":"demo-aspire-secret"}'`},
	},
	"aoc": {
		{"an assertion signed with the user's key", `curl BASE/api/v1/oauth2/acme/token -d grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer -d client_id=mover -d scope=user:all --data-urlencode assertion@KEYS/ada.jwt`},
		{"an assertion signed with the client's global key", `curl BASE/api/v1/oauth2/acme/token -d grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer -d client_id=mover-global -d scope=user:all --data-urlencode assertion@KEYS/global.jwt`},
	},
	"sensu": {
		{"a pair of tokens", `curl -u myusername:mypassword BASE/auth`},
	},
}

func (d *demo) fill(line string) string {
	return strings.NewReplacer("BASE", d.settings.PublicURL, "KEYS", quoted(d.dir)).Replace(line)
}

// quoted is a path as a shell takes it for one word.
func quoted(path string) string {
	if strings.Trim(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-") == "" {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
