// Package ratelimit owns the counting that slows guessing down: Throttle counts
// failed logins by account and by source, Limiter counts requests by key.
// identity and the second factors call Throttle, the faces call Limiter. It
// never decides whether a password is right, and it locks nobody out for good
// who comes from where he came before.
package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"
)

// Limits of a Throttle. Zero fields take the value named.
type Limits struct {
	Free    int           // failures of one account in Window before it is slowed: 10
	Window  time.Duration // 15 min
	First   time.Duration // the first delay; each failure after it doubles it: 30 s
	Longest time.Duration // 15 min
	Hard    int           // failures of one account in a row that stop it until reset: 100; negative = no stop
	Known   int           // failures in Window a known source of an account has for itself: 5
	Source  int           // failures of one source in Window: 100
	Network int           // failures of one network in Window: 500
	Entries int           // accounts and sources remembered, each: 100000
}

// Never is the end of a hard stop, as Keeper stores it: the last second of the
// year 9999.
const Never int64 = 253402300799

const (
	knownSources   = 8  // remembered for each account
	knownFailures  = 20 // in a row, after which a source is known no more
	maxAccountName = 2048
)

// Kept is what outlives a crash of one throttled account.
type Kept struct {
	Failures int64 // in a row
	Until    int64 // unix seconds; Never for a hard stop
	Updated  int64 // unix seconds of the failure that set Until
}

// Keeper stores throttled accounts. It is asked only when an account becomes
// throttled or is set free, never for a single failure.
type Keeper interface {
	PutThrottle(ctx context.Context, key string, failures, until, updated int64) error
	DeleteThrottle(ctx context.Context, key string) error
	// LoadThrottles gives those whose Until is after now (unix seconds).
	LoadThrottles(ctx context.Context, now int64) (map[string]Kept, error)
}

// Throttle slows password guessing. A caller asks Allow, compares, tells Failed
// or Succeeded; a success found while others failed must be asked for again with
// Allow, so that many guesses at once get no more than the budget. Safe for
// concurrent use.
type Throttle struct {
	limits Limits
	keeper Keeper // nil: nothing outlives the process
	now    func() time.Time

	mu       sync.Mutex
	accounts *lru[account]
	sources  *lru[budget] // sources and networks

	keeping sync.Mutex // one write to the keeper at a time, each of the latest state
}

type account struct {
	budget
	row   int // failures since the last success, from anywhere
	known []known
}

// known is a source that signed in to the account before. It has a budget of its
// own, so that strangers' failures cannot keep the owner out.
type known struct {
	source string
	budget
	row int
}

// budget counts failures: a number of them in a window is free, each one after
// that costs a delay twice as long as the one before.
type budget struct {
	count int
	start time.Time // of the window
	until time.Time // no attempt before
}

// NewThrottle makes a Throttle; keeper and now may be nil.
func NewThrottle(l Limits, keeper Keeper, now func() time.Time) *Throttle {
	if now == nil {
		now = time.Now
	}
	l = l.orDefault()
	t := &Throttle{limits: l, keeper: keeper, now: now}
	t.accounts = newLRU(l.Entries, func(a *account) bool { return a.until.After(t.now()) })
	t.sources = newLRU(l.Entries, func(b *budget) bool { return b.until.After(t.now()) })
	return t
}

func (l Limits) orDefault() Limits {
	for _, f := range []struct {
		field *int
		value int
	}{{&l.Free, 10}, {&l.Known, 5}, {&l.Source, 100}, {&l.Network, 500}, {&l.Entries, 100_000}} {
		if *f.field <= 0 {
			*f.field = f.value
		}
	}
	switch {
	case l.Hard == 0:
		l.Hard = 100
	case l.Hard < 0:
		l.Hard = math.MaxInt
	}
	for _, f := range []struct {
		field *time.Duration
		value time.Duration
	}{{&l.Window, 15 * time.Minute}, {&l.First, 30 * time.Second}, {&l.Longest, 15 * time.Minute}} {
		if *f.field <= 0 {
			*f.field = f.value
		}
	}
	return l
}

// Load takes up the throttled accounts a former process left.
func (t *Throttle) Load(ctx context.Context) error {
	if t.keeper == nil {
		return nil
	}
	now := t.now()
	kept, err := t.keeper.LoadThrottles(ctx, now.Unix())
	if err != nil {
		return fmt.Errorf("ratelimit: load throttled accounts: %w", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for key, k := range kept {
		a := t.accounts.make(key)
		a.row = int(min(max(k.Failures, 0), math.MaxInt32))
		a.until = time.Unix(k.Until, 0)
		a.start = time.Unix(k.Updated, 0)
		a.count = t.limits.countFor(time.Duration(k.Until-k.Updated) * time.Second)
	}
	return nil
}

// Allow reports whether an attempt on account from addr may be made now, and if
// not, after what wait. account is the canonical name in full, whether there is
// such an account or not. The answer must not reach whoever asks: to him the
// password is wrong.
func (t *Throttle) Allow(account, addr string) (ok bool, wait time.Duration) {
	now := t.now()
	source, network := sourceOf(addr)
	t.mu.Lock()
	defer t.mu.Unlock()
	var until time.Time
	if a := t.accounts.get(bounded(account)); a != nil {
		if k := a.knows(source); k != nil && !k.spent(now, t.limits.Window, t.limits.Known) {
			return true, 0
		}
		until = a.until
	}
	for _, key := range [...]string{source, network} {
		if b := t.sources.get(key); b != nil && b.until.After(until) {
			until = b.until
		}
	}
	if until.After(now) {
		return false, until.Sub(now)
	}
	return true, 0
}

// Failed counts a failed attempt. The error says that the keeper could not store
// a new delay, which holds in this process all the same.
func (t *Throttle) Failed(ctx context.Context, account, addr string) error {
	key := bounded(account)
	if t.count(key, addr) {
		return t.keep(ctx, key)
	}
	return nil
}

// count reports whether the account got a new delay.
func (t *Throttle) count(key, addr string) bool {
	now := t.now()
	source, network := sourceOf(addr)
	l := t.limits
	t.mu.Lock()
	defer t.mu.Unlock()
	if source != "" {
		t.sources.make(source).fail(now, l, l.Source)
	}
	if network != "" {
		t.sources.make(network).fail(now, l, l.Network)
	}
	a := t.accounts.make(key)
	if a.failKnown(source, now, l) {
		return false
	}
	a.row++
	slowed := a.fail(now, l, l.Free)
	if a.row >= l.Hard && a.until.Unix() != Never {
		a.until, slowed = time.Unix(Never, 0), true
	}
	return slowed
}

// Succeeded notes a good login: the source is known from now on. The account is
// free again, unless the source was known before: then the delay strangers earned
// stands, so that the owner's own logins do not hand a guesser a new budget each
// time. A hard stop ends by Reset alone.
func (t *Throttle) Succeeded(ctx context.Context, account, addr string) error {
	key := bounded(account)
	if t.clear(key, addr) {
		return t.keep(ctx, key)
	}
	return nil
}

// clear reports whether the account was throttled before and is free now.
func (t *Throttle) clear(key, addr string) bool {
	now := t.now()
	source, _ := sourceOf(addr)
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.accounts.get(key)
	if a == nil {
		if source == "" {
			return false
		}
		a = t.accounts.make(key)
	}
	if k := a.knows(source); k != nil {
		k.row, k.budget = 0, budget{}
		if a.row < t.limits.Hard {
			a.row = 0
		}
		return false
	}
	if a.until.After(now) {
		return false // found while others were being slowed: not a success to build on
	}
	a.learn(source)
	was := !a.until.IsZero()
	a.row, a.budget = 0, budget{}
	return was
}

// Reset sets an account free: an administrator or a second factor vouches for it.
func (t *Throttle) Reset(ctx context.Context, account string) error {
	key := bounded(account)
	t.mu.Lock()
	if a := t.accounts.get(key); a != nil {
		a.row, a.budget = 0, budget{}
		for i := range a.known {
			a.known[i].row, a.known[i].budget = 0, budget{}
		}
	}
	t.mu.Unlock()
	return t.keep(ctx, key)
}

// Throttled tells administration how an account stands: failures in a row, and
// until when strangers must wait; the zero time when they need not.
func (t *Throttle) Throttled(account string) (failures int, until time.Time) {
	now := t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.accounts.get(bounded(account))
	if a == nil {
		return 0, time.Time{}
	}
	if a.until.After(now) {
		until = a.until
	}
	return a.row, until
}

// keep writes the account's state as it is now, not as it was when the caller
// changed it: of two writes the later one always writes the newer state.
func (t *Throttle) keep(ctx context.Context, key string) error {
	if t.keeper == nil {
		return nil
	}
	t.keeping.Lock()
	defer t.keeping.Unlock()
	now := t.now()
	t.mu.Lock()
	var state account
	if a := t.accounts.get(key); a != nil {
		state = *a
	}
	t.mu.Unlock()
	var err error
	if state.until.After(now) {
		err = t.keeper.PutThrottle(ctx, key, int64(state.row), ceilSeconds(state.until), ceilSeconds(now))
	} else {
		err = t.keeper.DeleteThrottle(ctx, key)
	}
	if err != nil {
		return errors.Join(errors.New("ratelimit: keep the state of a throttled account"), err)
	}
	return nil
}

// ceilSeconds rounds up: a delay must not end early because of a restart.
func ceilSeconds(at time.Time) int64 {
	if at.Nanosecond() > 0 {
		return at.Unix() + 1
	}
	return at.Unix()
}

// fail counts one failure and reports whether it set a new delay. Attempts that
// were under way when a delay began do not lengthen it.
func (b *budget) fail(now time.Time, l Limits, free int) bool {
	if b.until.After(now) {
		return false
	}
	b.settle(now, l.Window, free)
	if b.count == 0 {
		b.start = now
	}
	b.count++
	if b.count < free {
		return false
	}
	b.until = now.Add(l.delay(b.count - free))
	return true
}

// settle forgets what is over: a window with failures to spare, and a delay that
// was followed by a quiet window.
func (b *budget) settle(now time.Time, window time.Duration, free int) {
	since := b.start
	if b.count >= free {
		since = b.until
	}
	if b.count > 0 && !now.Before(since.Add(window)) {
		*b = budget{}
	}
}

// spent reports whether nothing of the budget is left in this window.
func (b *budget) spent(now time.Time, window time.Duration, free int) bool {
	return b.count >= free && now.Before(b.start.Add(window))
}

// delay after n failures beyond the free ones.
func (l Limits) delay(n int) time.Duration {
	d := l.First
	for range n {
		if d >= l.Longest {
			break
		}
		d *= 2
	}
	return min(d, l.Longest)
}

// countFor is the count that led to delay: what delay does, backwards.
func (l Limits) countFor(delay time.Duration) int {
	n := l.Free
	for d := l.First; d < delay && d < l.Longest; d *= 2 {
		n++
	}
	return n
}

func (a *account) knows(source string) *known {
	if source == "" {
		return nil
	}
	i := slices.IndexFunc(a.known, func(k known) bool { return k.source == source })
	if i < 0 {
		return nil
	}
	return &a.known[i]
}

// learn remembers source and forgets the one that came first when there are many.
func (a *account) learn(source string) {
	if source == "" {
		return
	}
	if len(a.known) == knownSources {
		a.known = slices.Delete(a.known, 0, 1)
	}
	a.known = append(a.known, known{source: source})
}

// failKnown counts a failure on the budget source has for itself and reports
// whether there was one left. A source that only ever fails is known no more.
func (a *account) failKnown(source string, now time.Time, l Limits) bool {
	k := a.knows(source)
	if k == nil || k.spent(now, l.Window, l.Known) {
		return false
	}
	if !now.Before(k.start.Add(l.Window)) {
		k.budget = budget{start: now}
	}
	k.count++
	if k.row++; k.row >= knownFailures {
		a.known = slices.DeleteFunc(a.known, func(k known) bool { return k.source == source })
	}
	return true
}

// bounded keeps a stranger's endless name from filling memory. Canonical names
// are shorter; what is cut has no account.
func bounded(key string) string {
	if len(key) > maxAccountName {
		return key[:maxAccountName]
	}
	return key
}
