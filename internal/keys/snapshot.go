package keys

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"jeton/internal/jose"
)

// line is what has one signing key at a time.
type line struct {
	org, purpose string
	alg          jose.Alg
}

func (l line) String() string { return l.org + "/" + l.purpose + "/" + string(l.alg) }

type scope struct{ org, purpose string }

// entry is one key. It never changes; a changed row makes a new one, which takes
// over what was parsed.
type entry struct {
	row     Row
	public  *jose.Key                 // for verifying; with HS256 that is the secret itself
	private func() (*jose.Key, error) // parsed on first use: RSA keys take their time
}

func (e *entry) line() line { return line{e.row.Org, e.row.Purpose, jose.Alg(e.row.Alg)} }

func (e *entry) live(now int64) bool { return e.row.Ends == 0 || now < e.row.Ends }

// snapshot is all keys at one moment. Readers never wait for a writer.
type snapshot struct {
	print    [32]byte // fingerprint of the rows
	sorted   []*entry // by organization, purpose, algorithm, state
	byID     map[string]*entry
	signing  map[line]*entry
	purposes map[scope][]*entry
	kids     map[string]*entry
	sets     sync.Map // setKey → *set
}

// of lists the keys of a line.
func (s *snapshot) of(l line) []*entry {
	var list []*entry
	for _, e := range s.purposes[scope{l.org, l.purpose}] {
		if e.line() == l {
			list = append(list, e)
		}
	}
	return list
}

// Load reads all keys and fails when one cannot be opened: better no server than
// one that signs with new keys because it was given the wrong key file.
func (r *Ring) Load(ctx context.Context) error { return r.Reload(ctx) }

// Reload reads all keys again, as after a change by another node. On an error the
// ring goes on with what it had.
func (r *Ring) Reload(ctx context.Context) error {
	if err := r.acquire(ctx); err != nil {
		return fmt.Errorf("keys: read: %w", err)
	}
	defer r.release()
	return r.read(ctx)
}

// refresh reads again unless that was done lately or is being done; it reports
// whether it did.
func (r *Ring) refresh() bool {
	if r.now().Sub(time.Unix(0, r.loaded.Load())) < fresh {
		return false
	}
	select {
	case r.lock <- struct{}{}:
		defer r.release()
	default:
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), patient)
	defer cancel()
	if err := r.read(ctx); err != nil {
		r.loaded.Store(r.now().UnixNano()) // a store in trouble is not asked for every stranger's kid
		r.log.Warn("signing keys could not be read again", "error", err)
		return false
	}
	return true
}

// read needs the lock.
func (r *Ring) read(ctx context.Context) error {
	rows, err := r.store.Keys(ctx)
	if err != nil {
		return fmt.Errorf("keys: read: %w", err)
	}
	slices.SortFunc(rows, compare)
	old, sum := r.snap.Load(), fingerprint(rows)
	if sum != old.print {
		entries, err := r.entries(rows, old)
		if err != nil {
			return err
		}
		r.snap.Store(r.build(rows, entries, sum))
	}
	r.loaded.Store(r.now().UnixNano())
	return nil
}

// compare orders rows by line, and inside a line the signing key first.
func compare(a, b Row) int {
	return cmp.Or(
		cmp.Compare(a.Org, b.Org), cmp.Compare(a.Purpose, b.Purpose), cmp.Compare(a.Alg, b.Alg),
		cmp.Compare(rank(a.State), rank(b.State)), cmp.Compare(b.Signs, a.Signs), cmp.Compare(a.ID, b.ID),
	)
}

func rank(s State) int { return slices.Index([]State{Signing, Next, Retiring}, s) }

func fingerprint(rows []Row) (sum [32]byte) {
	h := sha256.New()
	var version [8]byte
	for _, r := range rows {
		binary.BigEndian.PutUint64(version[:], uint64(r.Version))
		fmt.Fprintf(h, "%q %s", r.ID, r.State)
		h.Write(version[:])
	}
	return [32]byte(h.Sum(nil))
}

// entries opens the rows, those known already without work.
func (r *Ring) entries(rows []Row, old *snapshot) ([]*entry, error) {
	list := make([]*entry, len(rows))
	for i, row := range rows {
		if e := old.byID[row.ID]; e != nil && bytes.Equal(e.row.Sealed, row.Sealed) && bytes.Equal(binding(e.row), binding(row)) {
			list[i] = &entry{row, e.public, e.private}
			continue
		}
		e, err := r.open(row)
		if err != nil {
			return nil, fmt.Errorf("keys: key %q of %s/%s: %w", row.ID, row.Org, row.Purpose, err)
		}
		list[i] = e
	}
	return list, nil
}

const label = "signing key"

// binding is what a sealed key is tied to, so that nobody who can write to the
// database can move it, rename it or put another public key beside it.
func binding(row Row) []byte {
	o := jose.Obj().Str("org", row.Org).Str("purpose", row.Purpose).Str("alg", row.Alg).
		Str("kid", row.KID).Str("public", row.Public)
	return o.Bytes()
}

// open unseals a row, which proves the public part too, and parses the latter.
func (r *Ring) open(row Row) (*entry, error) {
	plain, err := r.vault.Unseal(label, row.Sealed, binding(row))
	if err != nil {
		return nil, fmt.Errorf("cannot be opened, was it sealed by another vault? %w", err)
	}
	named := func(k *jose.Key) *jose.Key {
		k.ID, k.Org, k.Purpose, k.Created = row.KID, row.Org, row.Purpose, row.Created
		return k
	}
	alg := jose.Alg(row.Alg)
	if alg == jose.HS256 {
		k, err := jose.ParsePrivate(alg, plain)
		if err != nil {
			return nil, err
		}
		named(k)
		return &entry{row, k, func() (*jose.Key, error) { return k, nil }}, nil
	}
	pub, err := jose.ParsePublic(row.Public)
	if err != nil {
		return nil, fmt.Errorf("public part: %w", err)
	}
	private := sync.OnceValues(func() (*jose.Key, error) {
		plain, err := r.vault.Unseal(label, row.Sealed, binding(row))
		if err != nil {
			return nil, fmt.Errorf("keys: key %q: %w", row.ID, err)
		}
		k, err := jose.ParsePrivate(alg, plain)
		if err != nil {
			return nil, fmt.Errorf("keys: key %q: %w", row.ID, err)
		}
		return named(k), nil
	})
	return &entry{row, named(&jose.Key{Alg: alg, Public: pub}), private}, nil
}

// build indexes entries that are sorted.
func (r *Ring) build(rows []Row, entries []*entry, sum [32]byte) *snapshot {
	s := &snapshot{
		print: sum, sorted: entries,
		byID:     make(map[string]*entry, len(rows)),
		signing:  make(map[line]*entry, len(rows)/2),
		purposes: make(map[scope][]*entry, len(rows)/2),
		kids:     make(map[string]*entry, len(rows)),
	}
	for _, e := range entries {
		s.byID[e.row.ID] = e
		sc := scope{e.row.Org, e.row.Purpose}
		s.purposes[sc] = append(s.purposes[sc], e)
		if s.signing[e.line()] == nil && e.row.State == Signing {
			s.signing[e.line()] = e
		}
		if s.kids[e.row.KID] == nil && e.row.KID != "" {
			s.kids[e.row.KID] = e
		}
	}
	return s
}

// published reports whether a key is in its organization's key sets.
func (r *Ring) published(e *entry) bool {
	return r.purposes[e.row.Purpose].Publish && e.public.Alg != jose.HS256
}

type setKey struct {
	org, purposes string
	style         jose.Style
}

type set struct {
	body []byte
	etag string
}

// JWKS is the key set of an organization for these purposes (RFC 7517 §5): for
// each the signing key, the next one and those that still verify. It makes the
// keys of purposes that have none yet, because a set without the key of the first
// token would be kept by those who read it. The caller must not change body.
func (r *Ring) JWKS(ctx context.Context, org string, style jose.Style, purposes ...string) (body []byte, etag string, err error) {
	r.refresh() // another node may have made a first key, which had no time to be published
	for _, name := range purposes {
		p, l, err := r.purpose(org, name, "")
		if err != nil {
			return nil, "", err
		}
		if !p.Publish || l.alg == jose.HS256 || len(r.snap.Load().purposes[scope{org, name}]) > 0 {
			continue
		}
		if _, err := r.first(ctx, p, l); err != nil {
			return nil, "", fmt.Errorf("keys: first key of %s: %w", l, err)
		}
	}
	s := r.snap.Load()
	key := setKey{org, strings.Join(purposes, "\x00"), style}
	if done, ok := s.sets.Load(key); ok {
		return done.(*set).body, done.(*set).etag, nil
	}
	made := r.render(s, org, style, purposes)
	s.sets.Store(key, made)
	return made.body, made.etag, nil
}

func (r *Ring) render(s *snapshot, org string, style jose.Style, purposes []string) *set {
	var list []jose.Object
	now := r.now().Unix()
	for _, name := range purposes {
		for _, e := range s.purposes[scope{org, name}] {
			if r.published(e) && e.live(now) {
				list = append(list, jose.StyledJWK(e.public, style))
			}
		}
	}
	body := jose.Obj().Objs("keys", list).Bytes()
	sum := sha256.Sum256(body)
	return &set{body, `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`}
}

// pem writes a public key for its row, "" for none.
func pem(pub crypto.PublicKey) string {
	if pub == nil {
		return ""
	}
	return jose.MarshalPublicPEM(pub)
}
