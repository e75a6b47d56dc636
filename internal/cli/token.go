package cli

import (
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"crypto/tls"

	"jeton/examples"
	"jeton/internal/adminapi"
	"jeton/internal/config"
	"jeton/internal/jose"
	"jeton/internal/oauth"
	"jeton/internal/server"
)

// TokenCmd plays the client of a vendor's product.
type TokenCmd struct {
	Oidc      TokenOidcCmd      `cmd:"" help:"Get a token as an OAuth 2.0 client does."`
	Faspex    TokenFaspexCmd    `cmd:"" help:"Get a token as a Faspex client does."`
	Fortiauth TokenFortiauthCmd `cmd:"" help:"Get a token as a FortiAuthenticator relying party does."`
	Aspire    TokenAspireCmd    `cmd:"" help:"Get a token as an Aspire API client does."`
	Aoc       TokenAocCmd       `cmd:"" help:"Get a token as an Aspera on Cloud client does."`
	Sensu     TokenSensuCmd     `cmd:"" help:"Get a token as sensuctl does."`
	Show      TokenShowCmd      `cmd:"" help:"Show what was saved, refreshed when it has ended."`
}

// Examples implements exampler.
func (*TokenCmd) Examples() []string {
	return []string{
		"jeton token fortiauth -u luser1 --client client_id",
		"jeton token show @fortiauth --raw",
	}
}

// playFlags are what every way to get a token has.
type playFlags struct {
	Data    string `placeholder:"DIR"`
	Server  string `placeholder:"URL" help:"Where clients reach the server." otherwise:"the server of this machine, or its demo"`
	CACert  string `name:"cacert" placeholder:"FILE" help:"Certificate authority of the server, PEM." otherwise:"the system's, and the server's own"`
	Profile string `placeholder:"NAME" help:"Name to save the result under." otherwise:"the dialect"`
	Raw     bool   `help:"Print the access token and nothing else."`
	Curl    bool   `help:"Print the vendor's own curl line instead of running it."`
	Trace   bool   `help:"Print the exchange too, its secrets masked."`
	Quiet   bool   `short:"q" help:"Print the answer, and no remarks."`
	NoInput bool   `name:"no-input" help:"Never ask: what is missing is an error."`
}

// secretFlags are where a client's secret comes from.
type secretFlags struct {
	SecretFile  string `name:"secret-file" placeholder:"FILE" help:"File that holds the client's secret." otherwise:"asked for"`
	SecretStdin bool   `name:"secret-stdin" help:"Read the client's secret from standard input."`
}

// passwordFlags are where a user's password comes from.
type passwordFlags struct {
	User          string `short:"u" placeholder:"NAME" help:"User who signs in." otherwise:"asked for"`
	PasswordFile  string `name:"password-file" placeholder:"FILE" help:"File that holds the password." otherwise:"asked for"`
	PasswordStdin bool   `name:"password-stdin" help:"Read the password from standard input."`
}

var tokenExits = []int{ExitRefused, ExitWaiting, ExitUnreachable}

// TokenOidcCmd plays an OAuth 2.0 client.
type TokenOidcCmd struct {
	playFlags
	secretFlags
	passwordFlags
	Grant    string `enum:"client_credentials,code,password,refresh_token,jwt" default:"client_credentials" placeholder:"TYPE" help:"What is presented; with code a person signs in in a browser."`
	Client   string `placeholder:"ID" help:"Client id." otherwise:"asked for"`
	Scope    string `placeholder:"LIST" help:"Scope to ask for, separated by spaces."`
	Resource string `placeholder:"URI" help:"Resource server the token is for."`
	Key      string `placeholder:"FILE" help:"Private key that signs the assertion, PEM; with --grant jwt."`

	NoBrowser bool `name:"no-browser" help:"Print where to sign in and open no browser; with --grant code."`
}

// Examples implements exampler.
func (*TokenOidcCmd) Examples() []string {
	return []string{
		"jeton token oidc --client batch --secret-file batch.secret --scope read",
		"jeton token oidc --grant jwt --client robot --key robot.pem -u ada",
		"jeton token oidc --grant code --client cli      # opens a browser",
	}
}

// Exits implements exiter.
func (*TokenOidcCmd) Exits() []int { return tokenExits }

// Run gets the token.
func (c *TokenOidcCmd) Run(env *Env) error {
	p := &play{env: env, flags: c.playFlags, dialect: "oidc", grant: c.Grant, client: c.Client, scope: c.Scope, resource: c.Resource,
		user: c.User, keyFile: env.Path(c.Key), noBrowser: c.NoBrowser, secretFlags: c.secretFlags, passwordFlags: c.passwordFlags}
	return p.run()
}

// TokenFaspexCmd plays a Faspex client.
type TokenFaspexCmd struct {
	playFlags
	passwordFlags
}

// Examples implements exampler.
func (*TokenFaspexCmd) Examples() []string {
	return []string{"jeton token faspex -u sam", "jeton token faspex -u sam --curl"}
}

// Exits implements exiter.
func (*TokenFaspexCmd) Exits() []int { return tokenExits }

// Run gets the token.
func (c *TokenFaspexCmd) Run(env *Env) error {
	p := &play{env: env, flags: c.playFlags, dialect: "faspex", grant: "password", user: c.User, passwordFlags: c.passwordFlags}
	return p.run()
}

// TokenFortiauthCmd plays a FortiAuthenticator relying party.
type TokenFortiauthCmd struct {
	playFlags
	secretFlags
	passwordFlags
	Client string `placeholder:"ID" help:"Client id." otherwise:"asked for"`
	Realm  string `placeholder:"NAME" help:"Realm of the user." otherwise:"none is sent"`
	Scope  string `placeholder:"LIST" help:"Scope to ask for, separated by spaces."`
}

// Examples implements exampler.
func (*TokenFortiauthCmd) Examples() []string {
	return []string{
		"jeton token fortiauth -u luser1 --client client_id",
		"jeton token fortiauth -u luser1 --client client_id --trace",
	}
}

// Exits implements exiter.
func (*TokenFortiauthCmd) Exits() []int { return tokenExits }

// Run gets the token.
func (c *TokenFortiauthCmd) Run(env *Env) error {
	p := &play{env: env, flags: c.playFlags, dialect: "fortiauth", grant: "password", user: c.User, client: c.Client, realm: c.Realm,
		scope: c.Scope, secretFlags: c.secretFlags, passwordFlags: c.passwordFlags}
	return p.run()
}

// TokenAspireCmd plays an Aspire API client.
type TokenAspireCmd struct {
	playFlags
	secretFlags
	Client string `placeholder:"ID" help:"Client id." otherwise:"asked for"`
}

// Examples implements exampler.
func (*TokenAspireCmd) Examples() []string {
	return []string{
		"jeton token aspire --client 5b0c1f7e-3a52-4b0e-9b3e-0f6f6c1f2a11 --secret-file crm.secret",
		"jeton token aspire --raw",
	}
}

// Exits implements exiter.
func (*TokenAspireCmd) Exits() []int { return tokenExits }

// Run gets the token.
func (c *TokenAspireCmd) Run(env *Env) error {
	p := &play{env: env, flags: c.playFlags, dialect: "aspire", grant: "client_credentials", client: c.Client, secretFlags: c.secretFlags}
	return p.run()
}

// TokenAocCmd plays an Aspera on Cloud client.
type TokenAocCmd struct {
	playFlags
	Org    string `placeholder:"NAME" help:"Organization in the path." otherwise:"asked for"`
	Client string `placeholder:"ID" help:"Client id." otherwise:"asked for"`
	Key    string `placeholder:"FILE" help:"Private key that signs the assertion, PEM." otherwise:"the demo's"`
	User   string `short:"u" placeholder:"ADDRESS" help:"E-mail address of the user the token is for." otherwise:"asked for"`
	Scope  string `default:"user:all" placeholder:"LIST" help:"Scope to ask for."`
}

// Examples implements exampler.
func (*TokenAocCmd) Examples() []string {
	return []string{
		"jeton token aoc --org acme --client mover --key ada.pem -u ada@example.com",
		"jeton token aoc --org acme --client mover --key ada.pem -u ada@example.com --scope admin:all",
	}
}

// Exits implements exiter.
func (*TokenAocCmd) Exits() []int { return tokenExits }

// Run gets the token.
func (c *TokenAocCmd) Run(env *Env) error {
	p := &play{env: env, flags: c.playFlags, dialect: "aoc", grant: "jwt", org: c.Org, client: c.Client, user: c.User, scope: c.Scope, keyFile: env.Path(c.Key)}
	return p.run()
}

// TokenSensuCmd plays sensuctl.
type TokenSensuCmd struct {
	playFlags
	passwordFlags
}

// Examples implements exampler.
func (*TokenSensuCmd) Examples() []string {
	return []string{"jeton token sensu -u myusername", "jeton token sensu -u myusername --curl"}
}

// Exits implements exiter.
func (*TokenSensuCmd) Exits() []int { return tokenExits }

// Run gets the token.
func (c *TokenSensuCmd) Run(env *Env) error {
	p := &play{env: env, flags: c.playFlags, dialect: "sensu", grant: "password", user: c.User, passwordFlags: c.passwordFlags}
	return p.run()
}

// play is one request for a token: who asks what of whom.
type play struct {
	env   *Env
	flags playFlags
	secretFlags
	passwordFlags

	dialect, grant                            string
	base, org, client, realm, scope, resource string
	user, keyFile                             string
	secret, password, assertion, refresh      oauth.Secret
	demo, public                              bool          // public: the client is known to have no secret
	noBrowser                                 bool          // none is opened for a person
	redirect                                  string        // where the code came, and what it is redeemed with
	code, verifier                            oauth.Secret  // the same
	world                                     *config.World // of the demo
	filled                                    bool
	data                                      string // data folder of the server of this machine, "" when another is meant
}

// run finds the server, gathers what is missing, and asks.
func (p *play) run() error {
	if err := p.locate(); err != nil {
		return err
	}
	if err := p.gather(); err != nil {
		return err
	}
	if p.grant == grantCode {
		return p.signIn()
	}
	if p.flags.Curl {
		_, err := fmt.Fprintln(p.env.Stdout, p.curl())
		return err
	}
	got, err := p.ask()
	if err != nil {
		return err
	}
	return p.save(got)
}

// locate finds where clients reach the server, and whether it is a demo.
func (p *play) locate() error {
	p.base = strings.TrimRight(p.flags.Server, "/")
	info, err := p.flags.ask(p.env)
	switch {
	case err != nil && p.base == "":
		return err
	case err != nil: // another machine's server
		return p.checkBase()
	}
	own := first(info.URL, "http://"+config.DefaultListen)
	p.base = first(p.base, own)
	// The demo's secrets are known to all, but nothing is sent where it was not meant to go.
	p.demo = info.Demo && (p.base == own || info.URL == "" && loopbackURL(p.base))
	p.data = dataDir(p.env, p.env.Path(p.flags.Data))
	if demo := demoData(p.env); info.Demo && demo != "" && p.flags.Data == "" {
		p.data = demo
	}
	if p.demo {
		p.world = demoWorld()
	}
	return p.checkBase()
}

// ask asks a running server who it is. One that does not run issues no tokens.
func (f playFlags) ask(env *Env) (info adminapi.Info, err error) {
	for _, socket := range sockets(env, env.Path(f.Data)) {
		if conn, err := net.Dial("unix", socket); err == nil {
			_ = conn.Close() // it was only asked whether somebody answers
			r := remoteFlags{placeFlags: placeFlags{Data: f.Data}}
			return info, r.with(env, func(c *adminClient) error { return c.get("/info", nil, &info) })
		}
	}
	return info, fail(ExitUnreachable, "start one with `jeton serve` or `jeton demo`, or name it with --server URL", "no server of this machine answers")
}

// checkBase refuses to send secrets readable through a network.
func (p *play) checkBase() error {
	u, err := url.Parse(p.base)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fail(ExitUsage, "write it like https://login.example.com", "--server %s is not an http or https URL", p.base)
	}
	if u.Scheme == "http" && !loopbackURL(p.base) {
		return fail(ExitUsage, "use its https URL", "will not send secrets to %s over plain http", u.Host)
	}
	return nil
}

// demoWorld is what everybody knows of the demo. Its keys are made by the demo
// itself, and are not needed here.
func demoWorld() *config.World {
	f, problems := config.Parse("demo.yaml", examples.Demo)
	if len(problems) > 0 {
		return &config.World{}
	}
	w, _ := config.Resolve(f, config.Options{AllowPlain: true, ReadFile: func(string) ([]byte, error) { return nil, nil }})
	return w
}

// wants says what a request of this dialect and grant cannot do without.
func (p *play) wants() (client, secret, user, password bool) {
	switch p.dialect {
	case "faspex", "sensu":
		return false, false, true, true
	case "fortiauth":
		return true, true, true, true
	case "aspire":
		return true, true, false, false
	case "aoc":
		return true, false, true, false
	}
	return true, true, p.grant == "password" || p.grant == "jwt", p.grant == "password"
}

// gather fills in what was not given: from the demo, or by asking.
func (p *play) gather() (err error) {
	client, secret, user, password := p.wants()
	if client && p.client == "" {
		if p.client, err = p.need("Client id", "--client", p.demoClient()); err != nil {
			return err
		}
	}
	if p.dialect == "aoc" && p.org == "" {
		if p.org, err = p.need("Organization", "--org", p.demoOrg()); err != nil {
			return err
		}
	}
	if user && p.user == "" {
		if p.user, err = p.need("User", "-u", demoUsers[p.dialect]); err != nil {
			return err
		}
	}
	if password && !p.flags.Curl || password && p.demo {
		if err := p.gatherPassword(); err != nil {
			return err
		}
	}
	if secret && !p.flags.Curl || secret && p.demo {
		if err := p.gatherSecret(); err != nil {
			return err
		}
	}
	if p.grant == "refresh_token" {
		if err := p.gatherRefresh(); err != nil {
			return err
		}
	}
	return p.gatherAssertion()
}

// demoUsers are who signs in to the demo when nobody is named.
var demoUsers = map[string]string{
	"faspex": "sam", "fortiauth": "luser1", "aoc": "ada@example.com", "sensu": "myusername",
}

// demoClients are who asks in the demo when nobody is named.
var demoClients = map[string]string{
	"oidc": "batch", "fortiauth": "client_id", "aspire": "5b0c1f7e-3a52-4b0e-9b3e-0f6f6c1f2a11", "aoc": "mover",
}

func (p *play) demoClient() string {
	if p.grant == grantCode {
		return "cli"
	}
	return demoClients[p.dialect]
}

func (p *play) demoOrg() string {
	if !p.demo {
		return ""
	}
	for _, c := range p.world.Clients {
		if c.ID == p.client {
			return c.Org
		}
	}
	return ""
}

// need is a value that was not given.
func (p *play) need(what, flag, demo string) (string, error) {
	if p.demo && demo != "" {
		p.remark("%s: %s (filled in: this is the demo)", what, demo)
		return demo, nil
	}
	if p.flags.Curl {
		return "YOUR_" + strings.ToUpper(strings.ReplaceAll(what, " ", "_")), nil
	}
	if !p.env.TTY || p.flags.NoInput {
		return "", fail(ExitUsage, "add "+flag, "%s is missing", strings.ToLower(what))
	}
	fmt.Fprintf(p.env.Stderr, "%s: ", what)
	text, err := readLine(p.env.Stdin)
	if err == nil && text == "" {
		err = fail(ExitUsage, "add "+flag, "%s is missing", strings.ToLower(what))
	}
	return text, err
}

func (p *play) remark(format string, args ...any) {
	if !p.flags.Quiet && !p.flags.Raw {
		fmt.Fprintf(p.env.Stderr, format+"\n", args...)
	}
}

func (p *play) gatherPassword() error {
	text, given, err := givenSecret(p.env, p.PasswordFile, p.PasswordStdin)
	if err != nil || given {
		p.password = text
		return err
	}
	if known := p.known(config.UserSecret, p.user); known != "" {
		p.remark("Password: (filled in: this is the demo)")
		p.password, p.filled = known, true
		return nil
	}
	if p.flags.NoInput || p.flags.Curl {
		return fail(ExitUsage, "add --password-stdin or --password-file FILE", "no password was given")
	}
	p.password, err = ask(p.env, "Password of "+p.user, "--password-stdin or --password-file FILE")
	return err
}

// gatherSecret: a public client has none, and an empty one is not sent.
func (p *play) gatherSecret() error {
	text, given, err := givenSecret(p.env, p.SecretFile, p.SecretStdin)
	if err != nil || given {
		p.secret = text
		return err
	}
	if p.demo {
		if known := p.known(config.ClientSecret, p.client); known != "" {
			p.remark("Secret: (filled in: this is the demo)")
			p.secret, p.filled = known, true
			return nil
		}
		for _, c := range p.world.Clients {
			if c.ID == p.client && c.Public() {
				p.public = true
				return nil
			}
		}
	}
	if p.grant == grantCode { // a client on a person's machine has none (RFC 8252 §8.5)
		p.public = true
		return nil
	}
	if p.flags.NoInput || p.flags.Curl {
		return fail(ExitUsage, "add --secret-file FILE or --secret-stdin", "no secret of client %s was given", p.client)
	}
	p.secret, err = ask(p.env, "Secret of client "+p.client+" (empty for a public client)", "--secret-file FILE or --secret-stdin")
	return err
}

// known is a secret of the demo, "" for one nobody knows.
func (p *play) known(kind config.Kind, name string) oauth.Secret {
	if !p.demo {
		return ""
	}
	for k, secret := range p.world.Plain {
		if k.Kind == kind && k.Name == name && k.Index == 0 {
			return secret
		}
	}
	return ""
}

// gatherRefresh takes the refresh token a profile of the dialect has.
func (p *play) gatherRefresh() error {
	saved, err := loadProfile(p.env, first(p.flags.Profile, p.dialect))
	if err != nil {
		return err
	}
	if saved.Refresh == "" {
		return fail(ExitUsage, "use another --grant", "profile %s has no refresh token", saved.Name)
	}
	p.refresh = oauth.Secret(saved.Refresh)
	return nil
}

// aocAssertionLife is how long an assertion lives; vendors' clients use as much.
const aocAssertionLife = 10 * time.Minute

// gatherAssertion signs what a client of a JWT grant presents (RFC 7523 §3).
func (p *play) gatherAssertion() error {
	if p.grant != "jwt" {
		return nil
	}
	if p.keyFile == "" && p.demo && p.dialect == "aoc" {
		name := "ada"
		if p.client == "mover-global" {
			name = "global"
		}
		p.keyFile = filepath.Join(p.data, "demo", name+".pem")
		p.remark("Key: %s (filled in: this is the demo)", tilde(p.env, p.keyFile))
	}
	if p.flags.Curl {
		return nil
	}
	if p.keyFile == "" {
		return fail(ExitUsage, "add --key FILE", "no key was given to sign the assertion with")
	}
	text, err := os.ReadFile(p.keyFile)
	if err != nil {
		return fail(ExitUsage, "name a readable private key, PEM, with --key", "the key could not be read: %v", err)
	}
	key, err := jose.ParsePrivatePEM(text)
	if err != nil {
		return fail(ExitUsage, "name a private key, PEM, with --key", "%s: %v", p.keyFile, err)
	}
	p.assertion, err = p.sign(key)
	return err
}

func (p *play) sign(key *jose.Key) (oauth.Secret, error) {
	now := p.env.Now()
	audience := p.base
	if p.dialect == "aoc" {
		audience = aocAudience
	}
	claims := jose.Obj().Str("iss", p.client).Str("sub", p.user).Str("aud", audience).
		Int("nbf", now.Add(-time.Minute).Unix()).Int("iat", now.Unix()).Int("exp", now.Add(aocAssertionLife).Unix()).
		Str("jti", newState())
	text, err := jose.Sign(key, key.Header("JWT").Bytes(), claims.Bytes())
	if err != nil {
		return "", fmt.Errorf("sign the assertion: %w", err)
	}
	return oauth.Secret(text), nil
}

// givenSecret is a secret from a file or from standard input.
func givenSecret(env *Env, file string, stdin bool) (secret oauth.Secret, given bool, err error) {
	switch {
	case file != "" && stdin:
		return "", false, fail(ExitUsage, "leave one of them out", "a secret comes from a file or from standard input, not from both")
	case stdin:
		secret, err = readSecret(env.Stdin)
		return secret, true, err
	case file == "":
		return "", false, nil
	}
	b, err := os.ReadFile(env.Path(file))
	if err != nil {
		return "", false, fail(ExitUsage, "name a readable file", "the secret could not be read: %v", err)
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	if text == "" || len(text) > maxSecretLine {
		return "", false, fail(ExitUsage, "put the secret alone into it", "file %s holds no secret", file)
	}
	return oauth.Secret(text), true, nil
}

// ask asks a person for a secret, unseen where that can be.
func ask(env *Env, what, flag string) (oauth.Secret, error) {
	if !env.TTY {
		return "", fail(ExitUsage, "add "+flag, "nobody can be asked for: %s", what)
	}
	fmt.Fprintf(env.Stderr, "%s: ", what)
	defer fmt.Fprintln(env.Stderr)
	if f, ok := env.Stdin.(*os.File); ok {
		if show, err := unseen(f); err == nil {
			defer show()
		}
	}
	text, err := readLine(env.Stdin)
	return oauth.Secret(text), err
}

// unseen stops a terminal from showing what is typed.
func unseen(f *os.File) (show func(), err error) {
	stty := func(arg string) error {
		c := exec.Command("stty", arg)
		c.Stdin = f
		return c.Run()
	}
	if err := stty("-echo"); err != nil {
		return nil, err
	}
	return func() { _ = stty("echo") }, nil // it worked the other way
}

// client is an HTTP client that trusts the server of this machine.
func (p *play) httpClient() (*http.Client, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DisableKeepAlives = true
	file := p.env.Path(p.flags.CACert)
	if file == "" && p.data != "" {
		if own := server.CAPath(filepath.Join(p.data, "tls")); exists(own) {
			file = own
		}
	}
	if file != "" {
		text, err := os.ReadFile(file)
		pool, sys := x509.SystemCertPool()
		if sys != nil {
			pool = x509.NewCertPool()
		}
		if err != nil || !pool.AppendCertsFromPEM(text) {
			return nil, fail(ExitUsage, "name a PEM file with --cacert", "%s holds no certificate that can be read", file)
		}
		t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return &http.Client{
		Transport: t, Timeout: 30 * time.Second,
		// A token endpoint that sends elsewhere would send the secrets there.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}
