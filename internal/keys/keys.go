// Package keys owns the keys this server signs with: which one signs now, which
// comes next, which still verify, and when each goes. Minting asks for Signing,
// token checks for Find and Verifying, the published key sets for JWKS, and
// administration for List, Rotate and Retire. It never sees a token, and never
// hands a private part to the store unsealed.
//
// Keys come in lines: one organization, one purpose, one algorithm. A key of a
// line goes through four states:
//
//	next      published, so that everybody knows it before it signs
//	signing   the one key of the line that signs
//	retiring  signs no more, verifies until the last token it signed has ended
//	gone      deleted
//
// Every line has a key that signs and one that is next from its first moment on.
// Several nodes may share one store: each change is one conditional write, the
// loser of a race reads again and finds the work done.
package keys

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"jeton/internal/jose"
	"jeton/internal/vault"
)

// Defaults of a Purpose.
const (
	DefaultPeriod  = 90 * 24 * time.Hour
	DefaultOverlap = 30 * 24 * time.Hour
)

const (
	maxLead = 24 * time.Hour   // how long a key is published before it signs, at least
	slack   = 5 * time.Minute  // added to Overlap: another node may sign a little longer
	fresh   = 5 * time.Second  // what was read so lately is not read again for a stranger's sake
	budget  = 30 * time.Second // of key generation in one Tick; the rest waits for the next
	patient = 2 * time.Second  // for a reload that nobody's context bounds
)

// Purpose is one use of keys and its rules.
type Purpose struct {
	Name string
	Alg  jose.Alg // of keys for which no other algorithm is asked
	// KID names a new key; nil means its RFC 7638 thumbprint, and no name for HS256.
	// Alg, Org, Purpose, Public and Created of the key are set. When the name is
	// taken it is asked again with Created a second later.
	KID     func(*jose.Key) string
	Period  time.Duration // how long a key signs; 0 = DefaultPeriod
	Overlap time.Duration // life of the longest token it signs; 0 = DefaultOverlap
	Publish bool          // in JWK sets; HS256 keys never are
}

// lead is how long a key must have been published before it signs.
func (p Purpose) lead() time.Duration { return min(maxLead, p.Period/2) }

// State is where a key is in its life.
type State = string

// The states there are. A key that is gone has no row.
const (
	Next     State = "next"
	Signing  State = "signing"
	Retiring State = "retiring"
)

// Row is one key as it is stored. Times are unix seconds.
type Row struct {
	ID      string // line and number: two nodes that make the same next key collide
	Org     string
	Purpose string
	Alg     string
	KID     string // "" where the purpose gives none
	State   State
	Created int64
	Signs   int64  // since when it signs; for a next key: from when it should
	Retires int64  // until when it signs or signed; 0 for a next key
	Ends    int64  // until when it verifies; 0 unless retiring
	Public  string // PEM, "" for HS256
	Sealed  []byte // private part, sealed for this organization, purpose, algorithm, kid and public key
	Version int64  // kept by the store, raised with every update
}

// Storage is what the ring asks of the store.
type Storage interface {
	// Keys lists all keys.
	Keys(ctx context.Context) ([]Row, error)
	// ChangeKeys does all of it or nothing: inserts put, replaces update where the
	// stored Version is still the row's (and raises it), removes del. An id or a kid
	// (other than "") that exists, or a row changed meanwhile, is an error; the ring
	// then reads again and, if anything has changed, tries again.
	ChangeKeys(ctx context.Context, put, update []Row, del []string) error
}

// Options are what a Ring is made of. Logger may be nil.
type Options struct {
	Store    Storage
	Vault    *vault.Vault
	Now      func() time.Time
	Purposes []Purpose
	Logger   *slog.Logger
}

// ErrUnknown says that there is no such purpose, algorithm or key.
var ErrUnknown = errors.New("no such key")

// Ring holds all keys. It is safe for concurrent use.
type Ring struct {
	store    Storage
	vault    *vault.Vault
	now      func() time.Time
	purposes map[string]Purpose
	log      *slog.Logger

	snap   atomic.Pointer[snapshot]
	lock   chan struct{} // held while reading from and writing to the store
	loaded atomic.Int64  // unix nanoseconds of the last read
}

// New checks the purposes and makes an empty ring; Load fills it.
func New(o Options) (*Ring, error) {
	r := &Ring{
		store: o.Store, vault: o.Vault, now: o.Now, log: o.Logger,
		purposes: make(map[string]Purpose, len(o.Purposes)),
		lock:     make(chan struct{}, 1),
	}
	if r.store == nil || r.vault == nil {
		return nil, errors.New("keys: no store or no vault")
	}
	if r.now == nil {
		r.now = time.Now
	}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	for _, p := range o.Purposes {
		if _, twice := r.purposes[p.Name]; twice || p.Name == "" || !p.Alg.Known() || p.Period < 0 || p.Overlap < 0 {
			return nil, fmt.Errorf("keys: purpose %q is wrong or given twice", p.Name)
		}
		p.Period = cmp.Or(p.Period, DefaultPeriod)
		p.Overlap = cmp.Or(p.Overlap, DefaultOverlap)
		r.purposes[p.Name] = p
	}
	r.snap.Store(r.build(nil, nil, [32]byte{}))
	return r, nil
}

// purpose looks a purpose up and settles the algorithm. HS256 is only for the
// purposes that have it as their own: a verifier that can sign must be meant.
func (r *Ring) purpose(org, name string, alg jose.Alg) (Purpose, line, error) {
	p, ok := r.purposes[name]
	alg = cmp.Or(alg, p.Alg)
	if !ok || !alg.Known() || alg == jose.HS256 && p.Alg != jose.HS256 {
		return Purpose{}, line{}, fmt.Errorf("keys: %w: purpose %q with %q", ErrUnknown, name, alg)
	}
	return p, line{org, name, alg}, nil
}

// Signing is the key to sign with now; alg "" means the purpose's own. The first
// call for a line makes its keys (some tenths of a second for RSA), one caller for
// all who wait; every other costs one look at a map.
func (r *Ring) Signing(ctx context.Context, org, purpose string, alg jose.Alg) (*jose.Key, error) {
	p, l, err := r.purpose(org, purpose, alg)
	if err != nil {
		return nil, err
	}
	e := r.snap.Load().signing[l]
	if e == nil {
		if e, err = r.first(ctx, p, l); err != nil {
			return nil, fmt.Errorf("keys: first key of %s: %w", l, err)
		}
	}
	return e.private()
}

// Verifying lists the keys of a purpose by which a token with this kid ("" for a
// token without one) may have been signed. Purposes that name their keys have at
// most one; of those that do not, all live keys are listed, in a line the signing one
// first.
func (r *Ring) Verifying(org, purpose, kid string) []*jose.Key {
	find := func(s *snapshot) (list []*jose.Key) {
		now := r.now().Unix()
		for _, e := range s.purposes[scope{org, purpose}] {
			if e.row.KID == kid && e.live(now) {
				list = append(list, e.public)
			}
		}
		return list
	}
	s := r.snap.Load()
	list := find(s)
	if list == nil && r.refresh() {
		list = find(r.snap.Load())
	}
	return list
}

// Find is the live key of that kid, whatever its organization and purpose, which
// it carries; nil when there is none. An unknown kid makes the ring read the store
// at most every few seconds, because another node may have made the key.
func (r *Ring) Find(kid string) *jose.Key {
	if kid == "" {
		return nil
	}
	if k := r.find(kid); k != nil || !r.refresh() {
		return k
	}
	return r.find(kid)
}

func (r *Ring) find(kid string) *jose.Key {
	e := r.snap.Load().kids[kid]
	if e == nil || !e.live(r.now().Unix()) {
		return nil
	}
	return e.public
}

// Info is what administration is told of a key. Times are unix seconds.
type Info struct {
	ID        string   `json:"id"`
	Org       string   `json:"org"`
	Purpose   string   `json:"purpose"`
	Alg       jose.Alg `json:"alg"`
	KID       string   `json:"kid,omitempty"`
	State     State    `json:"state"`
	Created   int64    `json:"created"`
	Signs     int64    `json:"signs,omitempty"`
	Retires   int64    `json:"retires,omitempty"`
	Ends      int64    `json:"ends,omitempty"`
	Public    string   `json:"public,omitempty"` // PEM
	Published bool     `json:"published"`
}

// List is every live key of an organization, by purpose and algorithm; in a line
// the signing key comes first, then the next, then those retiring.
func (r *Ring) List(org string) []Info {
	now := r.now().Unix()
	list := []Info{}
	for _, e := range r.snap.Load().sorted {
		if e.row.Org != org || !e.live(now) {
			continue
		}
		list = append(list, Info{
			ID: e.row.ID, Org: org, Purpose: e.row.Purpose, Alg: e.public.Alg, KID: e.row.KID, State: e.row.State,
			Created: e.row.Created, Signs: e.row.Signs, Retires: e.row.Retires, Ends: e.row.Ends,
			Public: e.row.Public, Published: r.published(e),
		})
	}
	return list
}

// acquire takes the ring's lock or gives up with ctx.
func (r *Ring) acquire(ctx context.Context) error {
	select {
	case r.lock <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *Ring) release() { <-r.lock }
