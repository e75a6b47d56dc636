package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"jeton/internal/adminapi"
	"jeton/internal/config"
	"jeton/internal/server"
	"jeton/internal/web"
)

// ServeCmd runs the server.
type ServeCmd struct {
	placeFlags
	transportFlags
	Outgoing       []string `placeholder:"CIDR"`
	Readers        int      `placeholder:"N"`
	Writers        int      `placeholder:"N"`
	LogLevel       string   `name:"log-level" placeholder:"LEVEL"`
	LogFormat      string   `name:"log-format" placeholder:"FORM"`
	AuditRetention string   `name:"audit-retention" placeholder:"TIME"`
}

// Help implements kong.HelpProvider.
func (*ServeCmd) Help() string {
	return "Plain http is served on loopback alone. SIGHUP reads the certificate files again; SIGTERM lets\n" +
		"requests under way finish, for 25 seconds at most, and a second one quits."
}

// Examples implements exampler.
func (*ServeCmd) Examples() []string {
	return []string{
		"jeton serve",
		"jeton serve --listen 0.0.0.0:8420 --tls self-signed --public-url https://login.example.com:8420",
	}
}

// Run serves until it is told to stop.
func (c *ServeCmd) Run(env *Env) error {
	flags, err := c.settings(env)
	if err != nil {
		return err
	}
	s, err := load(env, flags, c.Config)
	if err != nil {
		return err
	}
	fixed := s.PublicURL != ""
	log := newLog(env, s)
	if passwordShown(c.Database) {
		log.Warn("the database password stands in the arguments, where every user of this machine can read it; use JETON_DATABASE_FILE")
	}
	ln, err := listen(env.Ctx, first(s.Listen, config.DefaultListen), "jeton serve")
	if err != nil {
		return err
	}
	defer ln.Close()
	s.Listen = bound(s.Listen, ln)
	s = s.WithDefaults(env.Getenv)
	x := &service{env: env, log: log, listener: ln, settings: s}
	if err := x.transport(); err != nil {
		return err
	}
	fresh := !remote(s.Database) && !exists(s.Database)
	if err := x.open(fixed); err != nil {
		return err
	}
	return x.run(func() error { return x.greet(fresh) })
}

func (c *ServeCmd) settings(env *Env) (config.Serve, error) {
	s := c.transportFlags.over(c.placeFlags.settings(env), env)
	s.Outgoing, s.Readers, s.Writers, s.LogLevel, s.LogFormat = c.Outgoing, c.Readers, c.Writers, c.LogLevel, c.LogFormat
	if c.AuditRetention != "" { // read as the variable is
		one := func(name string) string {
			if name == "JETON_AUDIT_RETENTION" {
				return c.AuditRetention
			}
			return ""
		}
		read, err := config.ServeFromEnv(one, os.ReadFile)
		if err != nil {
			return s, err
		}
		s.AuditRetention = read.AuditRetention
	}
	return s, nil
}

// newLog writes to Stderr: for a person what needs one, for a collector everything.
func newLog(env *Env, s config.Serve) *slog.Logger {
	level, format := slog.LevelInfo, "json"
	if env.TTY {
		level, format = slog.LevelWarn, "text"
	}
	if s.LogLevel != "" {
		_ = level.UnmarshalText([]byte(s.LogLevel)) // one of four, checked with the settings
	}
	o := &slog.HandlerOptions{Level: level}
	if first(s.LogFormat, format) == "text" {
		return slog.New(slog.NewTextHandler(env.Stderr, o))
	}
	return slog.New(slog.NewJSONHandler(env.Stderr, o))
}

// listen opens the port; again is the command to name in an error.
func listen(ctx context.Context, addr, again string) (net.Listener, error) {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err == nil {
		return ln, nil
	}
	host, port, _ := net.SplitHostPort(addr) // was checked with the settings
	n, _ := strconv.Atoi(port)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		by := ""
		if name := server.Holder(uint16(n)); name != "" {
			by = " by " + name
		}
		return nil, fail(ExitFailed, again+" --listen "+net.JoinHostPort(host, strconv.Itoa(n%65535+1)), "%s is taken%s", addr, by)
	case errors.Is(err, syscall.EACCES):
		return nil, fail(ExitFailed, again+" --listen "+net.JoinHostPort(host, "8420")+", with a proxy or port forwarding before it",
			"this user may not listen on port %s", port)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, fail(ExitFailed, "use an address of this machine, such as "+config.DefaultListen, "this machine has no address %s", host)
	}
	return nil, fail(ExitFailed, "use an address of this machine, such as "+config.DefaultListen, "cannot listen on %s: %v", addr, err)
}

// bound is the address that was asked for, with the port there is.
func bound(asked string, ln net.Listener) string {
	host, port, err := net.SplitHostPort(first(asked, config.DefaultListen))
	if err != nil || port != "0" {
		return first(asked, config.DefaultListen)
	}
	_, port, _ = net.SplitHostPort(ln.Addr().String()) // always splits
	return net.JoinHostPort(host, port)
}

// service is a running server: its port, its admin socket and its rooms.
type service struct {
	env      *Env
	log      *slog.Logger
	settings config.Serve
	listener net.Listener
	tls      *tls.Config
	files    *server.FileCert   // nil: no certificate files
	own      *server.SelfSigned // nil: no authority of our own
	socket   *server.Socket
	server   *server.Server
	fixed    bool // the public URL comes from settings
	change   func(*server.Config)
}

// transport prepares the certificate the listener needs.
func (x *service) transport() (err error) {
	s := x.settings
	switch s.TLS {
	case config.TLSFiles:
		if x.files, err = server.OpenFileCert(s.TLSCert, s.TLSKey, x.log); err != nil {
			return fail(ExitUsage, "check --tls-cert and --tls-key", "%v", err)
		}
		x.tls = server.TLSConfig(x.files.Certificate)
	case config.TLSSelfSigned:
		if err := privateDir(s.Data); err != nil {
			return err
		}
		if x.own, err = server.OpenSelfSigned(tlsDir(s), certNames(s), x.env.Now); err != nil {
			return fail(ExitFailed, "check the folder "+tlsDir(s)+", or remove it to make a new authority", "%v", err)
		}
		x.tls = server.TLSConfig(x.own.Certificate)
	}
	return nil
}

// certNames are the names clients may use: of the public URL, of the listener and
// of this machine.
func certNames(s config.Serve) []string {
	var names []string
	if u, err := url.Parse(s.PublicURL); err == nil && u.Hostname() != "" {
		names = append(names, u.Hostname())
	}
	host, _, _ := net.SplitHostPort(s.Listen)
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsUnspecified() {
		host = ""
		if name, err := os.Hostname(); err == nil {
			host = name
		}
	}
	for _, name := range []string{host, "localhost", "127.0.0.1", "::1"} {
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// open opens the admin socket, which keeps a second server out of the data folder,
// and then the rooms.
func (x *service) open(fixed bool) error {
	s := x.settings
	if err := privateDir(s.Data); err != nil {
		return err
	}
	var err error
	if x.socket, err = server.ListenSocket(s.Data); errors.Is(err, server.ErrInUse) {
		return fail(ExitFailed, "stop it first, or name another folder with --data", "another server uses the data folder %s", tilde(x.env, s.Data))
	}
	if err != nil {
		return fail(ExitFailed, "check the folder "+s.Data, "%v", err)
	}
	if x.server, err = openServer(x.env, s, x.configure); err != nil {
		_ = x.socket.Close()
		return err
	}
	x.fixed, x.server.Address = fixed, s.PublicURL
	if err := x.reach(); err != nil {
		return errors.Join(err, x.close())
	}
	return nil
}

func (x *service) configure(c *server.Config) {
	s := x.settings
	c.Log, c.Secure = x.log, x.tls != nil
	c.Proxies, _ = s.Proxies() // checked with the settings
	c.Outgoing, _ = s.OutgoingNetworks()
	c.Retention = time.Duration(*s.AuditRetention) * time.Second
	if *s.AuditRetention == 0 { // never: longer than anybody looks back
		c.Retention = 200 * 365 * 24 * time.Hour
	}
	if x.change != nil {
		x.change(c)
	}
}

// reach settles where clients reach the server: settings, else what was typed at
// setup, else where it listens.
func (x *service) reach() error {
	kept := x.settings.PublicURL
	if !x.fixed {
		typed, err := x.server.Setup().PublicURL(x.env.Ctx)
		if err != nil {
			return databaseError(x.env, x.settings, err)
		}
		kept = first(typed, kept)
		if host, _, _ := net.SplitHostPort(x.settings.Listen); loopbackURL(kept) && typed == "" {
			if !loopbackURL("http://" + net.JoinHostPort(host, "1")) {
				x.log.Warn("other machines are refused, for they know no name of this server: set --public-url")
			}
			return nil // as the request says: localhost and 127.0.0.1 are both right
		}
	}
	x.settings.PublicURL = kept
	if err := x.server.Reach(kept); err != nil {
		return fail(ExitUsage, "set --public-url", "%v", err)
	}
	return nil
}

func loopbackURL(text string) bool {
	u, err := url.Parse(text)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && ip.IsLoopback()
}

func (x *service) close() error { return errors.Join(x.server.Close(), x.socket.Close()) }

// run serves until the environment's context ends, then drains and closes. ready
// is called once requests can come.
func (x *service) run(ready func() error) error {
	ctx, stop := context.WithCancel(x.env.Ctx)
	defer stop()
	if err := ready(); err != nil {
		return errors.Join(err, x.close())
	}
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	site := server.Listening{Listener: x.listener, TLS: x.tls, Log: x.log, Handler: x.server.Site(x.fixed, x.own == nil)}
	var work sync.WaitGroup
	failed := make(chan error, 2)
	background, quit := context.WithCancel(context.WithoutCancel(ctx)) // outlives the requests that drain
	defer quit()
	work.Go(func() { x.server.Run(background) })
	work.Go(func() {
		if x.files != nil {
			x.files.Watch(background, hup)
		}
	})
	var faces sync.WaitGroup
	serve := func(f func() error) {
		faces.Go(func() {
			failed <- f()
			stop() // one face that fails ends the others
		})
	}
	serve(func() error { return site.Serve(ctx) })
	serve(func() error {
		return x.socket.Serve(ctx, x.server.Local(x.settings.PublicURL, adminapi.Handler(x.server)), x.log)
	})
	server.Notify(x.env.Getenv("NOTIFY_SOCKET"), "READY=1")
	x.log.Info("serving", "listen", x.listener.Addr().String(), "url", x.settings.PublicURL, "database", shownDatabase(x.env, x.settings.Database))
	<-ctx.Done()
	server.Notify(x.env.Getenv("NOTIFY_SOCKET"), "STOPPING=1")
	x.log.Info("stopping: requests under way may finish")
	faces.Wait()
	quit()
	work.Wait()
	return errors.Join(<-failed, <-failed, x.close())
}

// greet prints what a person sees of a start. The link is the last thing.
func (x *service) greet(fresh bool) error {
	s := x.settings
	kind, note := "embedded database ", ""
	if remote(s.Database) {
		kind = "database "
	}
	if fresh {
		note = " (new)"
	}
	if fresh {
		x.log.Info("the key file opens the database: back it up, and apart from it", "key_file", s.KEKFile)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "jeton %s   %s%s%s   %s\n", version, kind, shownDatabase(x.env, s.Database), note, s.PublicURL)
	if x.own != nil {
		fmt.Fprintf(&b, "\n  certificate authority  %s   (jeton ca)\n  SHA-256                %s\n", tilde(x.env, x.own.Path), x.own.Fingerprint())
	}
	done, err := x.server.Setup().Look(x.env.Ctx)
	if err != nil {
		return databaseError(x.env, s, err)
	}
	if !done {
		code, err := x.server.Setup().Code(x.env.Ctx)
		if err != nil && !errors.Is(err, web.ErrDone) {
			return databaseError(x.env, s, err)
		}
		if err == nil {
			fmt.Fprintf(&b, setupText, s.PublicURL, code.Reveal())
		}
	}
	_, err = x.env.Stdout.Write([]byte(b.String()))
	return err
}

const setupText = `
  Create the first administrator (works once, 30 minutes):
    %s/setup/%s

  or without a browser   jeton admin create ada --password-stdin
  lost this link         jeton setup-link
  just looking           jeton demo
`
