// Package server wires the rooms, mounts the faces and keeps the server running:
// request context, background work, listeners. Everything is spelled out here;
// nothing else knows all rooms. It decides nothing about tokens.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"jeton/internal/admin"
	"jeton/internal/audit"
	"jeton/internal/authorize"
	"jeton/internal/client"
	"jeton/internal/core"
	"jeton/internal/dialect"
	"jeton/internal/grant"
	"jeton/internal/hash"
	"jeton/internal/identity"
	"jeton/internal/jose"
	"jeton/internal/keys"
	"jeton/internal/logout"
	"jeton/internal/mint"
	"jeton/internal/oauth"
	"jeton/internal/policy"
	"jeton/internal/ratelimit"
	"jeton/internal/session"
	"jeton/internal/store"
	"jeton/internal/vault"
)

// Config is what a server is opened with; Database and KEK are needed.
type Config struct {
	Database  string // path, ":memory:" or postgres://…
	Store     store.Options
	KEK       vault.KEK
	PublicURL string         // where clients reach it; "" = as the loopback request says
	Loopback  bool           // requests for loopback host names are answered too
	Proxies   []netip.Prefix // whose forwarding headers count
	Outgoing  []netip.Prefix // beyond the public Internet, where registered URLs may point
	Secure    bool           // clients come by https even without a proxy
	Demo      bool
	Now       func() time.Time
	Log       *slog.Logger
	HashCost  hash.Cost          // zero = the safe one; tests take a cheap one
	NoCache   bool               // check every password anew
	Retention time.Duration      // of audit events; 0 = 90 days
	Dialects  []*dialect.Dialect // nil = Dialects()
}

// Server is a wired server. Handler answers requests; Run does what time asks for.
type Server struct {
	Core  *core.Core
	Store *store.Store
	Audit *audit.Log
	Ring  *keys.Ring
	Faces []*dialect.Dialect
	// Address is where this process listens, as a URL: for commands of this machine,
	// where no public URL is set.
	Address string
	config  Config
	front   *dialect.Front
	base    base
	limits  *ratelimit.Throttle
	logouts *logout.Sender
	close   sync.Once
	// revision is that of the store when learn last read it; Run's alone.
	revision int64
}

// Defaults of Config.
const (
	defaultRetention = 90 * 24 * time.Hour
	dataKeyName      = "data_key"
)

// Open opens the database, brings it up to date and wires the rooms. The first
// start makes the default organization and the data key.
func Open(ctx context.Context, c Config) (*Server, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Retention == 0 {
		c.Retention = defaultRetention
	}
	if c.Dialects == nil {
		c.Dialects = Dialects()
	}
	c.Store.Now = c.Now
	st, err := store.Open(ctx, c.Database, c.Store)
	if err != nil {
		return nil, err
	}
	s := &Server{Store: st, Faces: c.Dialects, config: c}
	if err := s.wire(ctx); err != nil {
		return nil, errors.Join(err, st.Close())
	}
	return s, nil
}

func (s *Server) wire(ctx context.Context) (err error) {
	c := s.config
	if s.base, err = newBase(c); err != nil {
		return err
	}
	v, err := openVault(ctx, s.Store, c.KEK)
	if err != nil {
		return err
	}
	hasher := hash.New(hash.Options{Cost: c.HashCost, NoMemory: c.NoCache, Now: c.Now})
	s.limits = ratelimit.NewThrottle(ratelimit.Limits{}, throttles{s.Store}, c.Now)
	if err := s.limits.Load(ctx); err != nil {
		return fmt.Errorf("read the throttled accounts: %w", err)
	}
	// Wrong client secrets slow their source down and never lock the client out.
	guesses := ratelimit.NewThrottle(ratelimit.Limits{Hard: -1}, nil, c.Now)
	registry := client.NewRegistry(s.Store, client.Auth{Hasher: hasher, Throttle: perSource{guesses}, Now: c.Now, Source: ratelimit.Source})
	if err := registry.Load(ctx); err != nil {
		return fmt.Errorf("read the clients: %w", err)
	}
	var purposes []keys.Purpose
	var profiles []policy.Profile
	for _, d := range s.Faces {
		purposes = append(purposes, d.Keys...)
		profiles = append(profiles, d.Profile)
	}
	if s.Ring, err = keys.New(keys.Options{Store: signingKeys{s.Store}, Vault: v, Now: c.Now, Purposes: purposes, Logger: c.Log}); err != nil {
		return err
	}
	if err := s.Ring.Load(ctx); err != nil {
		return fmt.Errorf("read the signing keys: %w", err)
	}
	users := &identity.Directory{Store: people{s.Store}, Hasher: hasher, Throttle: s.limits, Now: c.Now}
	m, err := mint.New(mint.Options{
		Store: families{s.Store}, Keys: s.Ring, Clients: registry, Profiles: profiles, Derive: v.Derive, Now: c.Now,
	})
	if err != nil {
		return err
	}
	sessions := &session.Manager{Store: s.Store, Now: c.Now}
	s.Core = &core.Core{
		Exchange: &grant.Exchange{Clients: registry, Users: users, Mint: m, Marks: s.Store, Codes: s.Store, Seal: v, Now: c.Now},
		Authorize: &authorize.Service{
			Clients: registry, Profiles: m, Store: s.Store, Seal: v, CodeHash: grant.CodeHash, Now: c.Now,
			SealCode: func(a *oauth.Authorization) string { return grant.SealCode(v, a) },
		},
		Mint: m, Clients: registry, Users: users, Keys: s.Ring, Vault: v, Log: c.Log, Events: s.Store, Now: c.Now, Demo: c.Demo,
		Admin: &admin.Service{
			Store: objects{s.Store}, Clients: registry, Hasher: hasher, Now: c.Now,
			Reset: s.limits.Reset, Throttled: s.limits.Throttled, Keys: s.Ring, Sessions: sessions,
		},
		Sessions: sessions,
		Limits:   ratelimit.NewLimiter(1200, 1200, c.Now),
	}
	s.tellClients(sessions, m)
	if err := s.firstStart(ctx); err != nil {
		return err
	}
	s.Audit = audit.NewLog(s.Store, c.Now, func(err error) { c.Log.Error("audit records were not kept", "error", err) })
	people, err := s.people(v)
	if err != nil {
		return err
	}
	s.front = &dialect.Front{
		Router: dialect.NewRouter(s.Core, append(slices.Clone(s.Faces), people.Dialect())...), Audit: s.Audit, Now: c.Now,
		Open: s.open, Serves: serves, Show: people.Show, Problem: people.Problem,
		Log: func(ctx context.Context, msg string, args ...any) { c.Log.ErrorContext(ctx, msg, args...) },
	}
	return nil
}

// openVault opens the data key with the key-encryption key, or makes one the first
// time. Two nodes starting at once agree on the one that was stored first.
func openVault(ctx context.Context, st *store.Store, kek vault.KEK) (*vault.Vault, error) {
	wrapped, err := st.Meta(ctx, dataKeyName)
	if errors.Is(err, store.ErrNotFound) {
		_, fresh, err := vault.New(kek)
		if err != nil {
			return nil, err
		}
		if wrapped, err = st.PutMetaOnce(ctx, dataKeyName, encode(fresh)); err != nil {
			return nil, fmt.Errorf("keep the data key: %w", err)
		}
	} else if err != nil {
		return nil, fmt.Errorf("read the data key: %w", err)
	}
	b, err := decode(wrapped)
	if err != nil {
		return nil, fmt.Errorf("read the data key: %w", err)
	}
	return vault.Open(kek, b)
}

func (s *Server) firstStart(ctx context.Context) error {
	if s.Core.Clients.Default() != nil {
		return nil
	}
	err := s.Core.Admin.PutOrg(ctx, &client.Org{
		ID: "default", Name: "Jeton", Number: 1, Default: true,
		Realms: []client.Realm{{Name: "local", Default: true}},
	})
	if err != nil && s.Core.Clients.Load(ctx) == nil && s.Core.Clients.Default() != nil {
		return nil // another node was faster
	}
	return err
}

// Handler answers every request that reaches the server.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.serveHTTP) }

func (s *Server) serveHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/healthz":
		health(w, r, nil)
	case "/readyz":
		health(w, r, s.ready(r.Context()))
	default:
		s.front.ServeHTTP(w, r)
	}
}

func health(w http.ResponseWriter, r *http.Request, err error) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte("not ready\n"))
		return
	}
	_, _ = w.Write([]byte("ok\n"))
}

func (s *Server) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return s.Store.Ping(ctx)
}

// How often the background work is done.
const (
	sweepEvery   = time.Minute
	refreshEvery = 500 * time.Millisecond // how late this node may learn of another's change
	settle       = 500 * time.Millisecond // after a start, before work that can wait
	sweepStep    = 500                    // rows in one step, so that requests pass between
)

// Run does what time asks for until ctx ends: keys are rotated, what expired is
// swept, other nodes' changes are learned, clients are told of logouts.
func (s *Server) Run(ctx context.Context) {
	var sending sync.WaitGroup
	sending.Go(func() { s.logouts.Run(ctx) })
	defer sending.Wait()
	s.prepareKeys(ctx, false)
	settled := time.After(settle)
	sweep, refresh := time.NewTicker(sweepEvery), time.NewTicker(refreshEvery)
	defer sweep.Stop()
	defer refresh.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-settled:
			s.prepareKeys(ctx, true)
			s.prepareClientKeys(ctx)
			s.Tick(ctx)
		case <-refresh.C:
			changed, err := s.learn(ctx)
			if err != nil && ctx.Err() == nil {
				s.config.Log.Warn("other nodes' changes could not be read", "error", err)
			}
			if changed { // a client may have been registered for an algorithm nobody had
				s.prepareClientKeys(ctx)
			}
		case <-sweep.C:
			s.Tick(ctx)
		}
	}
}

// learn reads again what another node changed: organizations, clients and signing
// keys, for one that was stolen and taken out of use must count nowhere any more.
func (s *Server) learn(ctx context.Context) (changed bool, err error) {
	revision, err := s.Store.Revision(ctx)
	if err != nil || revision == s.revision {
		return false, err
	}
	if err := errors.Join(s.Core.Clients.Refresh(ctx), s.Ring.Reload(ctx)); err != nil {
		return false, err
	}
	s.revision = revision
	return true, nil
}

// Tick does one round of the background work.
func (s *Server) Tick(ctx context.Context) {
	if err := s.Ring.Tick(ctx); err != nil && ctx.Err() == nil {
		s.config.Log.Warn("signing keys could not be rotated", "error", err)
	}
	for more := true; more && ctx.Err() == nil; {
		var err error
		if _, more, err = s.Store.Sweep(ctx, s.config.Now(), s.config.Retention, sweepStep); err != nil {
			if ctx.Err() == nil {
				s.config.Log.Warn("expired rows could not be swept", "error", err)
			}
			return
		}
	}
}

// prepareKeys makes the keys every organization signs with before a request needs
// them. Those slow to make (RSA) have a turn of their own, a moment after the start,
// so that they do not compete with the first requests.
func (s *Server) prepareKeys(ctx context.Context, slow bool) {
	for _, o := range s.Core.Clients.Orgs() {
		for _, d := range s.Faces {
			for _, p := range d.Keys {
				if isSlow := p.Alg == jose.RS256 || p.Alg == jose.PS256; !o.Enabled(d.Name) || isSlow != slow || ctx.Err() != nil {
					continue
				}
				s.prepareKey(ctx, o.ID, p.Name, p.Alg)
			}
			if id := d.Profile.ID; id != nil && o.Enabled(d.Name) && slow && ctx.Err() == nil {
				s.prepareKey(ctx, o.ID, id.Purpose, id.Alg)
			}
		}
	}
}

// prepareClientKeys makes the keys of the algorithms clients are registered for, so
// that the key set has them before a client is sent the first token.
func (s *Server) prepareClientKeys(ctx context.Context) {
	for _, o := range s.Core.Clients.Orgs() {
		for _, c := range s.Core.Clients.Clients(o.ID) {
			p, ok := s.Core.Mint.Profile(c.Dialect)
			if !ok || !c.Enabled || !o.Enabled(c.Dialect) || ctx.Err() != nil {
				continue
			}
			if p.ID != nil && p.ID.Choice && c.May(oauth.GrantAuthorizationCode) {
				s.prepareAlgs(ctx, o.ID, p.ID.Purpose, c.IDTokenAlg, c.UserinfoAlg)
			}
			if p.Access.Choice {
				s.prepareAlgs(ctx, o.ID, p.Access.Purpose, c.AccessAlg)
			}
		}
	}
}

func (s *Server) prepareAlgs(ctx context.Context, org, purpose string, algs ...string) {
	for _, alg := range algs {
		if alg != "" {
			s.prepareKey(ctx, org, purpose, jose.Alg(alg))
		}
	}
}

func (s *Server) prepareKey(ctx context.Context, org, purpose string, alg jose.Alg) {
	if _, err := s.Ring.Signing(ctx, org, purpose, alg); err != nil && ctx.Err() == nil {
		s.config.Log.Warn("a signing key could not be made", "purpose", purpose, "error", err)
	}
}

// Explain finds the record of an error id, the moment it was shown.
func (s *Server) Explain(ctx context.Context, id audit.ID) (*audit.Record, error) {
	if err := s.Audit.Flush(ctx); err != nil {
		return nil, err
	}
	return s.Store.Event(ctx, id)
}

// Close keeps what is queued and closes the database.
func (s *Server) Close() (err error) {
	s.close.Do(func() {
		s.Audit.Close()
		err = s.Store.Close()
	})
	return err
}
