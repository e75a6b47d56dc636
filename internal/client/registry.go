package client

import (
	"context"
	"crypto"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"jeton/internal/jose"
)

// Storage is what the registry reads; writing is administration's.
type Storage interface {
	// LoadClients returns every organization and client, and the revision they stand at.
	LoadClients(ctx context.Context) (revision int64, orgs []Org, clients []Client, err error)
	// Revision is cheap: it tells whether LoadClients would answer otherwise.
	Revision(ctx context.Context) (int64, error)
	// Mark notes key until expires (unix seconds); false when it is noted already.
	Mark(ctx context.Context, key []byte, expires int64) (first bool, err error)
}

type name struct{ org, id string }

// snapshot is everything registered, as of one revision. It is never changed.
type snapshot struct {
	revision int64
	orgs     map[string]*Org
	numbers  map[int64]*Org
	hosts    map[string]*Org
	prefixes []prefix
	fallback *Org
	clients  map[name]*Client
	byID     map[string][]*Client
	slow     map[string]bool // organizations with a client whose secret is slow to check
	origins  map[name]bool   // web origins of redirect URIs, by organization
	secrets  map[name]bool   // hashes of generated secrets, by organization
}

type prefix struct {
	path string
	org  *Org
}

// Registry answers from memory: a request never reads a client from the database.
type Registry struct {
	store   Storage
	current atomic.Pointer[snapshot]
	reload  sync.Mutex
	auth    Auth
	keys    keyCache
}

// NewRegistry makes an empty registry; Load fills it.
func NewRegistry(store Storage, auth Auth) *Registry {
	r := &Registry{store: store, auth: auth}
	r.current.Store(&snapshot{})
	return r
}

// Load reads everything again and swaps it in at once.
func (r *Registry) Load(ctx context.Context) error {
	r.reload.Lock()
	defer r.reload.Unlock()
	revision, orgs, clients, err := r.store.LoadClients(ctx)
	if err != nil {
		return err
	}
	s := &snapshot{
		revision: revision,
		orgs:     make(map[string]*Org, len(orgs)), numbers: make(map[int64]*Org, len(orgs)), hosts: map[string]*Org{},
		clients: make(map[name]*Client, len(clients)), byID: make(map[string][]*Client, len(clients)),
		slow: map[string]bool{}, secrets: map[name]bool{}, origins: map[name]bool{},
	}
	for i := range orgs {
		s.addOrg(&orgs[i])
	}
	for i := range orgs { // behind those that were given: one of those may be the same
		if _, own := orgs[i].Home(); own != "" && len(orgs[i].Prefixes) == 0 {
			s.prefixes = append(s.prefixes, prefix{own, &orgs[i]})
		}
	}
	for i := range clients {
		c := &clients[i]
		s.clients[name{c.Org, c.ID}] = c
		s.byID[c.ID] = append(s.byID[c.ID], c)
		s.addOrigins(c)
		for _, secret := range c.Secrets {
			if secret.generated() {
				s.secrets[name{c.Org, secret.Hash}] = true
			} else {
				s.slow[c.Org] = true
			}
		}
	}
	// The longest prefix that fits is meant.
	slices.SortStableFunc(s.prefixes, func(a, b prefix) int { return len(b.path) - len(a.path) })
	r.current.Store(s)
	return nil
}

func (s *snapshot) addOrg(o *Org) {
	s.orgs[o.ID] = o
	if o.Number != 0 {
		s.numbers[o.Number] = o
	}
	for _, h := range o.Hosts {
		s.hosts[strings.ToLower(h)] = o
	}
	for _, p := range o.Prefixes {
		s.prefixes = append(s.prefixes, prefix{strings.TrimSuffix(p, "/"), o})
	}
	if o.Default {
		s.fallback = o
	}
}

// addOrigins notes where a public client's pages may call from: a browser lets them
// read answers only of servers that name their origin.
func (s *snapshot) addOrigins(c *Client) {
	if !c.Enabled || !c.Public() {
		return
	}
	for _, uri := range c.RedirectURIs {
		u, err := url.Parse(uri)
		if err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" {
			s.origins[name{c.Org, u.Scheme + "://" + strings.ToLower(u.Host)}] = true
		}
	}
}

// Origin reports whether pages of this web origin may read answers: it is, byte for
// byte, that of a redirect URI of an enabled public client of the organization.
func (r *Registry) Origin(org, origin string) bool {
	return r.current.Load().origins[name{org, origin}]
}

// Refresh loads again when the revision has moved: how a node learns within a
// second what another changed.
func (r *Registry) Refresh(ctx context.Context) error {
	revision, err := r.store.Revision(ctx)
	if err != nil || revision == r.current.Load().revision {
		return err
	}
	return r.Load(ctx)
}

// Client finds a registered client of an organization, enabled or not.
func (r *Registry) Client(org, id string) (*Client, bool) {
	c, ok := r.current.Load().clients[name{org, id}]
	return c, ok
}

// Sole finds the client with this id when exactly one organization has it: for
// vendor paths that name no organization.
func (r *Registry) Sole(id string) (*Client, bool) {
	if found := r.current.Load().byID[id]; len(found) == 1 {
		return found[0], true
	}
	return nil, false
}

// Own finds the client a dialect speaks for when its vendor's clients send no
// client id: the organization's one enabled client of that dialect, and the one
// named like the dialect where there are several.
func (r *Registry) Own(org, dialect string) (*Client, bool) {
	s := r.current.Load()
	if c, ok := s.clients[name{org, dialect}]; ok && c.Dialect == dialect && c.Enabled {
		return c, true
	}
	var found *Client
	for n, c := range s.clients {
		if n.org == org && c.Dialect == dialect && c.Enabled {
			if found != nil {
				return nil, false
			}
			found = c
		}
	}
	return found, found != nil
}

// Clients lists an organization's clients in no order.
func (r *Registry) Clients(org string) []*Client {
	var out []*Client
	for n, c := range r.current.Load().clients {
		if n.org == org {
			out = append(out, c)
		}
	}
	return out
}

// Org finds an organization by its id.
func (r *Registry) Org(id string) (*Org, bool) {
	o, ok := r.current.Load().orgs[id]
	return o, ok
}

// OrgByNumber finds an organization by the number vendors' objects carry.
func (r *Registry) OrgByNumber(n int64) (*Org, bool) {
	o, ok := r.current.Load().numbers[n]
	return o, ok
}

// Orgs lists every organization in no order.
func (r *Registry) Orgs() []*Org {
	s := r.current.Load()
	out := make([]*Org, 0, len(s.orgs))
	for _, o := range s.orgs {
		out = append(out, o)
	}
	return out
}

// Default is the organization a request belongs to when neither host nor path
// says otherwise; nil before the first one exists.
func (r *Registry) Default() *Org { return r.current.Load().fallback }

// Resolve finds the organization of a request by host name (without port), then by
// path prefix, else the default one. rest is the path without the prefix.
func (r *Registry) Resolve(host, path string) (o *Org, used, rest string) {
	s := r.current.Load()
	if o, ok := s.hosts[strings.ToLower(host)]; ok {
		return o, "", path
	}
	for _, p := range s.prefixes {
		if rest, ok := strings.CutPrefix(path, p.path); ok && (rest == "" || rest[0] == '/') {
			return p.org, p.path, rest
		}
	}
	return s.fallback, "", path
}

// PublicKey parses a registered key; the result is kept, since the same few keys
// verify every assertion.
func (r *Registry) PublicKey(k Key) (crypto.PublicKey, error) { return r.keys.parse(k.PEM) }

// keyCache remembers parsed keys by their text, up to a bound.
type keyCache struct {
	mu sync.Mutex
	m  map[string]crypto.PublicKey
}

const maxParsedKeys = 10_000

func (c *keyCache) parse(text string) (crypto.PublicKey, error) {
	c.mu.Lock()
	pub, ok := c.m[text]
	c.mu.Unlock()
	if ok {
		return pub, nil
	}
	pub, err := jose.ParsePublic(text)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m == nil || len(c.m) >= maxParsedKeys {
		c.m = make(map[string]crypto.PublicKey)
	}
	c.m[text] = pub
	return pub, nil
}
