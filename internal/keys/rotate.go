package keys

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"jeton/internal/jose"
)

// changes is one conditional write.
type changes struct {
	put, update []Row
	del         []string
}

func (c *changes) empty() bool { return len(c.put)+len(c.update)+len(c.del) == 0 }

// attempts at a write that another node interferes with.
const attempts = 4

// change plans on what the ring has read and writes the plan. When the write
// fails and the store has changed meanwhile, it plans again: mostly there is
// nothing left to do then. It needs the lock.
func (r *Ring) change(ctx context.Context, plan func(*snapshot) (changes, error)) error {
	var err error
	for range attempts {
		before := r.snap.Load()
		c, failed := plan(before)
		if failed != nil {
			return failed
		}
		if c.empty() {
			return nil
		}
		err = r.store.ChangeKeys(ctx, c.put, c.update, c.del)
		if failed := r.read(ctx); failed != nil {
			return failed
		}
		if err == nil {
			r.report(c)
			return nil
		}
		if r.snap.Load().print == before.print {
			break
		}
	}
	return fmt.Errorf("keys: write: %w", err)
}

func (r *Ring) report(c changes) {
	for _, row := range append(c.put, c.update...) {
		r.log.Info("signing key", "key", row.ID, "kid", row.KID, "state", row.State)
	}
	for _, id := range c.del {
		r.log.Info("signing key", "key", id, "state", "gone")
	}
}

// first makes the first keys of a line, unless it finds them made.
func (r *Ring) first(ctx context.Context, p Purpose, l line) (*entry, error) {
	if err := r.acquire(ctx); err != nil {
		return nil, err
	}
	defer r.release()
	if e := r.snap.Load().signing[l]; e != nil {
		return e, nil
	}
	if err := r.read(ctx); err != nil {
		return nil, err
	}
	err := r.change(ctx, func(s *snapshot) (changes, error) {
		if s.signing[l] != nil {
			return changes{}, nil
		}
		return r.settle(s, p, l, false)
	})
	if err != nil {
		return nil, err
	}
	if e := r.snap.Load().signing[l]; e != nil {
		return e, nil
	}
	return nil, fmt.Errorf("%w: store did not keep it", ErrUnknown)
}

// Rotate makes the next key sign now and prepares another.
func (r *Ring) Rotate(ctx context.Context, org, purpose string, alg jose.Alg) error {
	p, l, err := r.purpose(org, purpose, alg)
	if err != nil {
		return err
	}
	if err := r.acquire(ctx); err != nil {
		return fmt.Errorf("keys: rotate %s: %w", l, err)
	}
	defer r.release()
	if err := r.read(ctx); err != nil {
		return err
	}
	was := r.snap.Load().signing[l]
	return r.change(ctx, func(s *snapshot) (changes, error) {
		if is := s.signing[l]; was != nil && is != nil && is.row.ID != was.row.ID {
			return changes{}, nil // another node rotated at the same moment: once is what was asked
		}
		return r.settle(s, p, l, true)
	})
}

// Retire takes one key of an organization out of use, named by its kid or, where
// keys have none, by the id List shows. A signing key is followed by the next one.
// Unless at once, it verifies until its last token has ended; at once means that
// those tokens die now, as after a theft. ErrUnknown says there is no such key.
func (r *Ring) Retire(ctx context.Context, org, kid string, atOnce bool) error {
	if err := r.acquire(ctx); err != nil {
		return fmt.Errorf("keys: retire: %w", err)
	}
	defer r.release()
	if err := r.read(ctx); err != nil {
		return err
	}
	e := r.snap.Load().named(org, kid)
	if e == nil {
		return fmt.Errorf("keys: retire: %w", ErrUnknown)
	}
	id := e.row.ID
	return r.change(ctx, func(s *snapshot) (changes, error) {
		e := s.byID[id]
		if e == nil {
			return changes{}, nil
		}
		return r.retire(s, e, atOnce)
	})
}

func (s *snapshot) named(org, kid string) *entry {
	if e := s.byID[kid]; e != nil && e.row.Org == org {
		return e
	}
	for _, e := range s.sorted {
		if e.row.Org == org && e.row.KID == kid && kid != "" {
			return e
		}
	}
	return nil
}

// retire plans the end of one key and what its line needs in its place.
func (r *Ring) retire(s *snapshot, e *entry, atOnce bool) (c changes, err error) {
	p, known := r.purposes[e.row.Purpose]
	if !known {
		p = Purpose{Overlap: DefaultOverlap}
	}
	switch {
	case e.row.State == Next && known:
		return r.replaceNext(s, p, e)
	case e.row.State == Next:
		atOnce = true
	case e.row.State == Signing && known:
		c, err = r.settle(s, p, e.line(), true)
	case e.row.State == Signing:
		c.update = []Row{retired(e.row, p, r.now().Unix())}
	}
	if err != nil || !atOnce {
		return c, err
	}
	c.update = slices.DeleteFunc(c.update, func(row Row) bool { return row.ID == e.row.ID })
	if !slices.Contains(c.del, e.row.ID) {
		c.del = append(c.del, e.row.ID)
	}
	return c, nil
}

// replaceNext drops a next key, which has signed nothing, for a new one.
func (r *Ring) replaceNext(s *snapshot, p Purpose, e *entry) (changes, error) {
	rows, err := r.make(s, p, e.line(), 1)
	if err != nil {
		return changes{}, err
	}
	rows[0].State, rows[0].Signs = Next, e.row.Signs
	return changes{put: rows, del: []string{e.row.ID}}, nil
}

// Tick does what time demands: it reads the store, lets due keys sign, prepares
// the next ones and deletes those whose last token has ended. It is called at
// start, in the background, and every minute after; a failed one is made up for
// by the next.
func (r *Ring) Tick(ctx context.Context) error {
	if err := r.Reload(ctx); err != nil {
		return err
	}
	start := time.Now()
	for _, l := range r.lines() {
		if time.Since(start) > budget {
			return nil
		}
		if err := r.tick(ctx, l); err != nil {
			return fmt.Errorf("keys: rotation of %s: %w", l, err)
		}
	}
	return nil
}

func (r *Ring) lines() []line {
	var list []line
	for _, e := range r.snap.Load().sorted {
		if l := e.line(); len(list) == 0 || list[len(list)-1] != l {
			list = append(list, l)
		}
	}
	return list
}

// tick looks after one line. The lock is taken per line, so that a request that
// needs its first key waits for one generation at most.
func (r *Ring) tick(ctx context.Context, l line) error {
	if err := r.acquire(ctx); err != nil {
		return err
	}
	defer r.release()
	return r.change(ctx, func(s *snapshot) (changes, error) {
		if p, ok := r.purposes[l.purpose]; ok {
			return r.settle(s, p, l, false)
		}
		return r.sweep(s, l), nil // a purpose that is no longer known: only time passes
	})
}

// sweep deletes the keys of a line whose last token has ended.
func (r *Ring) sweep(s *snapshot, l line) (c changes) {
	for _, e := range s.of(l) {
		if !e.live(r.now().Unix()) {
			c.del = append(c.del, e.row.ID)
		}
	}
	return c
}

// settle plans what makes a line whole: one key that signs, one that is next, none
// that has ended. With force the next key signs now, however short a time it has
// been published.
func (r *Ring) settle(s *snapshot, p Purpose, l line, force bool) (changes, error) {
	c, now := r.sweep(s, l), r.now().Unix()
	signing, next, extra := roles(s.of(l))
	for _, e := range extra {
		c.update = append(c.update, retired(e.row, p, now))
	}
	promote := force || signing == nil || next != nil && due(signing.row, next.row, p, now)
	made, err := r.make(s, p, l, lacking(promote, next != nil))
	if err != nil {
		return changes{}, err
	}
	if promote && signing != nil {
		c.update = append(c.update, retired(signing.row, p, now))
	}
	if promote && next != nil {
		c.update = append(c.update, signs(next.row, p, now))
	}
	if promote && next == nil {
		c.put, made = append(c.put, signs(made[0], p, now)), made[1:]
	}
	if len(made) > 0 {
		from := now + seconds(p.Period)
		if !promote {
			from = signing.row.Retires
		}
		c.put = append(c.put, follows(made[0], from))
	}
	return c, nil
}

// lacking is how many new keys a line needs.
func lacking(promote, hasNext bool) int {
	switch {
	case promote && !hasNext:
		return 2
	case promote || !hasNext:
		return 1
	}
	return 0
}

// roles finds the key that signs and the one that is next. A second one of a kind,
// which only a restored database can hold, is extra.
func roles(entries []*entry) (signing, next *entry, extra []*entry) {
	for _, e := range entries {
		switch {
		case e.row.State == Signing && signing == nil:
			signing = e
		case e.row.State == Next && next == nil:
			next = e
		case e.row.State != Retiring:
			extra = append(extra, e)
		}
	}
	return signing, next, extra
}

// due: the period is over and the next key has been published long enough.
func due(signing, next Row, p Purpose, now int64) bool {
	return now >= signing.Retires && now >= next.Created+seconds(p.lead())
}

func signs(row Row, p Purpose, now int64) Row {
	row.State, row.Signs, row.Retires, row.Ends = Signing, now, now+seconds(p.Period), 0
	return row
}

func follows(row Row, from int64) Row {
	row.State, row.Signs = Next, from
	return row
}

func retired(row Row, p Purpose, now int64) Row {
	row.State, row.Retires, row.Ends = Retiring, now, now+seconds(p.Overlap+slack)
	return row
}

func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }

// make generates, names and seals n new keys of a line.
func (r *Ring) make(s *snapshot, p Purpose, l line, n int) ([]Row, error) {
	made, err := generate(l.alg, n)
	if err != nil {
		return nil, err
	}
	rows, last := make([]Row, n), number(s, l)
	taken := make(map[string]bool, n)
	for i, k := range made {
		k.Org, k.Purpose, k.Created = l.org, l.purpose, r.now().Unix()
		if err := name(k, p, func(kid string) bool { return taken[kid] || s.kids[kid] != nil }); err != nil {
			return nil, err
		}
		taken[k.ID] = true
		rows[i] = Row{
			ID:  l.String() + "/" + strconv.Itoa(last+1+i),
			Org: l.org, Purpose: l.purpose, Alg: string(l.alg), KID: k.ID, Created: k.Created, Public: pem(k.Public),
		}
		if err := r.seal(&rows[i], k); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// generate makes the keys side by side: a first RSA pair is waited for.
func generate(alg jose.Alg, n int) ([]*jose.Key, error) {
	made, errs := make([]*jose.Key, n), make([]error, n)
	var wait sync.WaitGroup
	for i := range n {
		wait.Go(func() { made[i], errs[i] = jose.Generate(alg) })
	}
	wait.Wait()
	return made, errors.Join(errs...)
}

func (r *Ring) seal(row *Row, k *jose.Key) error {
	plain, err := jose.MarshalPrivate(k)
	if err != nil {
		return err
	}
	row.Sealed = r.vault.Seal(label, plain, binding(*row))
	clear(plain)
	return nil
}

// names is how often a purpose is asked for another name.
const names = 1000

// name gives a key a kid that no other key has, in any organization: Find goes by
// kid alone.
func name(k *jose.Key, p Purpose, taken func(string) bool) error {
	for range names {
		switch {
		case p.KID != nil:
			k.ID = p.KID(k)
		case k.Alg != jose.HS256:
			k.ID = jose.Thumbprint(k.Public)
		}
		if k.ID == "" || !taken(k.ID) {
			return nil
		}
		k.Created++
	}
	return fmt.Errorf("purpose %q gives every key the kid %q", p.Name, k.ID)
}

// number is the highest number in the ids of a line.
func number(s *snapshot, l line) (highest int) {
	for _, e := range s.of(l) {
		n, err := strconv.Atoi(e.row.ID[strings.LastIndexByte(e.row.ID, '/')+1:])
		if err == nil {
			highest = max(highest, n)
		}
	}
	return highest
}
