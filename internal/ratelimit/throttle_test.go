package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	alice    = "acme/local/alice"
	home     = "192.0.2.10"
	stranger = "203.0.113.66"
)

// clock is a time tests move on.
type clock struct{ t time.Time }

func newClock() *clock                      { return &clock{time.Unix(1_700_000_000, 0)} }
func (c *clock) now() time.Time             { return c.t }
func (c *clock) pass(d time.Duration)       { c.t = c.t.Add(d) }
func allowed(t *Throttle, a, s string) bool { ok, _ := t.Allow(a, s); return ok }

func fail(t testing.TB, th *Throttle, account, addr string, times int) {
	t.Helper()
	for range times {
		if err := th.Failed(t.Context(), account, addr); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAnAccountHasTenFailuresFreeAndThenGrowingDelays(t *testing.T) {
	c := newClock()
	th := NewThrottle(Limits{}, nil, c.now)
	for i := range 10 {
		if !allowed(th, alice, stranger) {
			t.Fatalf("attempt %d is not allowed", i+1)
		}
		fail(t, th, alice, stranger, 1)
	}
	for _, want := range []time.Duration{
		30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 15 * time.Minute, 15 * time.Minute,
	} {
		ok, wait := th.Allow(alice, stranger)
		if ok || wait != want {
			t.Fatalf("allowed %v, wait %v; want to wait %v", ok, wait, want)
		}
		if allowed(th, alice, "198.51.100.1") {
			t.Fatal("another source is not held back")
		}
		if !allowed(th, "acme/local/bob", "198.51.100.1") {
			t.Fatal("another account is held back")
		}
		c.pass(wait - time.Second)
		if allowed(th, alice, stranger) {
			t.Fatalf("allowed a second before %v were over", want)
		}
		c.pass(time.Second)
		if !allowed(th, alice, stranger) {
			t.Fatalf("not allowed after %v", want)
		}
		fail(t, th, alice, stranger, 1)
	}
}

func TestFailuresAreForgottenAfterAQuietWindow(t *testing.T) {
	c := newClock()
	th := NewThrottle(Limits{}, nil, c.now)
	fail(t, th, alice, "", 9)
	c.pass(15 * time.Minute)
	fail(t, th, alice, "", 9)
	if !allowed(th, alice, "") {
		t.Fatal("two windows were counted as one")
	}
	fail(t, th, alice, "", 1) // ten: 30 s
	c.pass(30*time.Second + 15*time.Minute)
	fail(t, th, alice, "", 9)
	if !allowed(th, alice, "") {
		t.Error("the delay was not forgotten after a quiet window")
	}
}

func TestASuccessSetsTheAccountFree(t *testing.T) {
	c := newClock()
	th := NewThrottle(Limits{}, nil, c.now)
	fail(t, th, alice, home, 10)
	c.pass(30 * time.Second)
	if err := th.Succeeded(t.Context(), alice, home); err != nil {
		t.Fatal(err)
	}
	if n, until := th.Throttled(alice); n != 0 || !until.IsZero() {
		t.Errorf("%d failures, until %v", n, until)
	}
	fail(t, th, alice, stranger, 9)
	if !allowed(th, alice, stranger) {
		t.Error("the free failures did not begin anew")
	}
}

func TestAttemptsUnderWayWhenTheDelayBeginsDoNotLengthenIt(t *testing.T) {
	c := newClock()
	th := NewThrottle(Limits{}, nil, c.now)
	fail(t, th, alice, stranger, 40)
	if _, wait := th.Allow(alice, stranger); wait != 30*time.Second {
		t.Errorf("wait %v", wait)
	}
	// and a right guess among them is none to build on
	if err := th.Succeeded(t.Context(), alice, stranger); err != nil {
		t.Fatal(err)
	}
	if allowed(th, alice, stranger) {
		t.Error("a guess among many set the account free")
	}
}

func TestAHundredFailuresInARowStopAnAccountUntilReset(t *testing.T) {
	c := newClock()
	th := NewThrottle(Limits{}, nil, c.now)
	for i := range 100 {
		c.pass(time.Hour)
		if !allowed(th, alice, stranger) {
			t.Fatalf("stopped after %d", i)
		}
		fail(t, th, alice, fmt.Sprintf("10.%d.0.1", i), 1)
	}
	c.pass(24 * 365 * time.Hour)
	if allowed(th, alice, stranger) {
		t.Fatal("not stopped")
	}
	if n, until := th.Throttled(alice); n != 100 || until.Unix() != Never {
		t.Errorf("%d failures, until %v", n, until)
	}
	if err := th.Reset(t.Context(), alice); err != nil {
		t.Fatal(err)
	}
	if !allowed(th, alice, stranger) {
		t.Error("still stopped after reset")
	}
}

func TestAThrottleWithoutHardStopOnlySlows(t *testing.T) {
	c := newClock()
	th := NewThrottle(Limits{Hard: -1}, nil, c.now)
	for range 300 {
		c.pass(time.Hour)
		fail(t, th, alice, "", 1)
	}
	if !allowed(th, alice, "") {
		t.Error("stopped")
	}
}

// An attacker keeps the account throttled for an hour; the owner gets in from
// where he came before, and from elsewhere after a bounded wait.
func TestStrangersCannotLockTheOwnerOut(t *testing.T) {
	c := newClock()
	th := NewThrottle(Limits{}, nil, c.now)
	if err := th.Succeeded(t.Context(), alice, home); err != nil {
		t.Fatal(err)
	}
	longest := time.Duration(0)
	for end := c.t.Add(time.Hour); c.t.Before(end); c.pass(time.Second) {
		if ok, wait := th.Allow(alice, stranger); ok {
			fail(t, th, alice, stranger, 1)
		} else {
			longest = max(longest, wait)
		}
		if !allowed(th, alice, home) {
			t.Fatalf("the owner is kept out at %v", c.t)
		}
	}
	if longest == 0 || longest > 15*time.Minute {
		t.Errorf("the longest wait was %v", longest)
	}
	for range 4 { // he mistypes, then gets it right, and the stranger gains nothing
		fail(t, th, alice, home, 4)
		if !allowed(th, alice, home) {
			t.Fatal("four of his own failures keep the owner out")
		}
		_, before := th.Allow(alice, stranger)
		if err := th.Succeeded(t.Context(), alice, home); err != nil {
			t.Fatal(err)
		}
		if _, after := th.Allow(alice, stranger); after != before {
			t.Errorf("the owner's login changed the stranger's wait from %v to %v", before, after)
		}
	}
}

func TestTheOwnersKnownSourceWorksEvenAfterAHardStop(t *testing.T) {
	c := newClock()
	th := NewThrottle(Limits{Hard: 20}, nil, c.now)
	_ = th.Succeeded(t.Context(), alice, home)
	fail(t, th, alice, stranger, 20)
	if allowed(th, alice, stranger) || !allowed(th, alice, home) {
		t.Error("want the stranger stopped and the owner not")
	}
	_ = th.Succeeded(t.Context(), alice, home)
	c.pass(24 * time.Hour)
	if allowed(th, alice, stranger) {
		t.Error("a login from the known source ended the stop")
	}
}

func TestAKnownSourceHasASmallBudgetOfItsOwn(t *testing.T) {
	c := newClock()
	th := NewThrottle(Limits{}, nil, c.now)
	_ = th.Succeeded(t.Context(), alice, home)
	fail(t, th, alice, stranger, 10) // throttled for everybody else
	for i := range 5 {
		if !allowed(th, alice, home) {
			t.Fatalf("known source stopped after %d", i)
		}
		fail(t, th, alice, home, 1)
	}
	if allowed(th, alice, home) {
		t.Error("the known source has more than five")
	}
	c.pass(15 * time.Minute)
	if !allowed(th, alice, home) {
		t.Error("the budget did not come back with the next window")
	}
	for range 3 {
		c.pass(15 * time.Minute)
		fail(t, th, alice, home, 5)
	}
	fail(t, th, alice, stranger, 10)
	if allowed(th, alice, home) {
		t.Error("a source that failed twenty times in a row is still known")
	}
}

func TestSprayingManyNamesThrottlesTheSourceAndHarmsNobodyElse(t *testing.T) {
	c := newClock()
	th := NewThrottle(Limits{}, nil, c.now)
	_ = th.Succeeded(t.Context(), "acme/local/user7", home)
	tried := 0
	for i := range 1000 {
		if name := fmt.Sprint("acme/local/user", i); allowed(th, name, stranger) {
			fail(t, th, name, stranger, 1)
			tried++
		}
	}
	if tried != 100 {
		t.Errorf("%d names were tried, want 100", tried)
	}
	for name, addr := range map[string]string{"acme/local/user5": home, "acme/local/user7": home, "acme/local/user900": "198.51.100.9"} {
		if !allowed(th, name, addr) {
			t.Errorf("%s from %s is held back", name, addr)
		}
	}
}

func TestSourcesAreCountedByAddressAndNetwork(t *testing.T) {
	for addr, want := range map[string][2]string{
		"192.0.2.10":                   {"192.0.2.10/32", "192.0.2.0/24"},
		"192.0.2.10:4711":              {"192.0.2.10/32", "192.0.2.0/24"},
		"::ffff:192.0.2.10":            {"192.0.2.10/32", "192.0.2.0/24"},
		"[2001:db8:1:2:3:4:5:6]:443":   {"2001:db8:1:2::/64", "2001:db8:1::/48"},
		"2001:db8:1:2::1":              {"2001:db8:1:2::/64", "2001:db8:1::/48"},
		"fe80::1%eth0":                 {"fe80::/64", "fe80::/48"},
		"":                             {"", ""},
		"@":                            {"@", ""},
		fmt.Sprintf("%0200d", 0)[:200]: {fmt.Sprintf("%064d", 0), ""},
	} {
		source, network := sourceOf(addr)
		if got := [2]string{source, network}; got != want {
			t.Errorf("sourceOf(%.40q) = %q, want %q", addr, got, want)
		}
	}
	c := newClock()
	th := NewThrottle(Limits{Source: 3, Network: 6}, nil, c.now)
	for i := range 6 {
		fail(t, th, fmt.Sprint("a", i), fmt.Sprintf("2001:db8:0:%d::%d", i/2, i), 1)
	}
	if allowed(th, "b", "2001:db8:0:99::1") {
		t.Error("a network has no budget")
	}
	if !allowed(th, "b", "2001:db8:1::1") {
		t.Error("a neighbouring network is held back")
	}
}

func TestEndlessNamesAreCutAndTheMemoryIsBounded(t *testing.T) {
	c := newClock()
	th := NewThrottle(Limits{Entries: 100}, nil, c.now)
	fail(t, th, alice, "", 10)
	fail(t, th, string(make([]byte, 1<<20)), "", 1)
	for i := range 5000 {
		fail(t, th, fmt.Sprint("flood", i), fmt.Sprintf("10.%d.%d.1", i/250, i%250), 1)
	}
	if n := len(th.accounts.byKey); n != 100 || th.accounts.order.Len() != n {
		t.Errorf("%d accounts remembered", n)
	}
	if n := len(th.sources.byKey); n > 100 {
		t.Errorf("%d sources remembered", n)
	}
	if allowed(th, alice, "") {
		t.Error("the flood washed the throttled account out")
	}
}

// shelf is a Keeper in memory that survives the Throttle.
type shelf struct {
	mu     sync.Mutex
	kept   map[string]Kept
	writes int
	err    error
}

func (s *shelf) PutThrottle(_ context.Context, key string, failures, until, updated int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	s.kept[key] = Kept{failures, until, updated}
	return s.err
}

func (s *shelf) DeleteThrottle(_ context.Context, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	delete(s.kept, key)
	return s.err
}

func (s *shelf) LoadThrottles(_ context.Context, now int64) (map[string]Kept, error) {
	out := maps.Clone(s.kept)
	maps.DeleteFunc(out, func(_ string, k Kept) bool { return k.Until <= now })
	return out, s.err
}

func TestALockoutOutlivesTheProcessAndSingleFailuresAreNotWritten(t *testing.T) {
	c := newClock()
	keeper := &shelf{kept: map[string]Kept{}}
	th := NewThrottle(Limits{}, keeper, c.now)
	fail(t, th, alice, stranger, 9)
	if keeper.writes != 0 {
		t.Fatalf("%d writes for nine failures", keeper.writes)
	}
	fail(t, th, alice, stranger, 1)
	c.pass(30 * time.Second)
	c.pass(300 * time.Millisecond)
	fail(t, th, alice, stranger, 1) // eleven: one minute
	if keeper.writes != 2 {
		t.Errorf("%d writes, want one for each delay", keeper.writes)
	}
	second := NewThrottle(Limits{}, keeper, c.now)
	if err := second.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if ok, wait := second.Allow(alice, stranger); ok || wait < time.Minute || wait > time.Minute+time.Second {
		t.Errorf("after a restart: allowed %v, wait %v", ok, wait)
	}
	c.pass(61 * time.Second)
	fail(t, second, alice, stranger, 1)
	if _, wait := second.Allow(alice, stranger); wait != 2*time.Minute {
		t.Errorf("the delays do not grow on: %v", wait)
	}
	if err := second.Reset(t.Context(), alice); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]Kept{}, keeper.kept); diff != "" {
		t.Error(diff)
	}
}

func TestAHardStopOutlivesTheProcess(t *testing.T) {
	c := newClock()
	keeper := &shelf{kept: map[string]Kept{}}
	fail(t, NewThrottle(Limits{Hard: 15}, keeper, c.now), alice, stranger, 15)
	want := map[string]Kept{alice: {15, Never, c.t.Unix()}}
	if diff := cmp.Diff(want, keeper.kept); diff != "" {
		t.Error(diff)
	}
	th := NewThrottle(Limits{Hard: 15}, keeper, c.now)
	if err := th.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.pass(1000 * time.Hour)
	if allowed(th, alice, stranger) {
		t.Error("the stop ended with the process")
	}
}

func TestASuccessAfterADelayIsWritten(t *testing.T) {
	c := newClock()
	keeper := &shelf{kept: map[string]Kept{}}
	th := NewThrottle(Limits{}, keeper, c.now)
	fail(t, th, alice, stranger, 10)
	c.pass(time.Minute)
	if err := th.Succeeded(t.Context(), alice, stranger); err != nil {
		t.Fatal(err)
	}
	_ = th.Succeeded(t.Context(), "acme/local/bob", stranger)
	if len(keeper.kept) != 0 || keeper.writes != 2 {
		t.Errorf("kept %v after %d writes", keeper.kept, keeper.writes)
	}
}

func TestAKeeperThatFailsIsToldOfAndTheDelayHolds(t *testing.T) {
	broken := errors.New("disk full")
	keeper := &shelf{kept: map[string]Kept{}, err: broken}
	th := NewThrottle(Limits{Free: 1}, keeper, newClock().now)
	if err := th.Failed(t.Context(), alice, stranger); !errors.Is(err, broken) {
		t.Errorf("Failed: %v", err)
	}
	if allowed(th, alice, stranger) {
		t.Error("the delay does not hold")
	}
	if err := th.Load(t.Context()); !errors.Is(err, broken) {
		t.Errorf("Load: %v", err)
	}
}

func TestManyAtOnceGetNoMoreThanTheBudget(t *testing.T) {
	c := newClock()
	keeper := &shelf{kept: map[string]Kept{}}
	th := NewThrottle(Limits{}, keeper, c.now)
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			addr := fmt.Sprintf("10.0.%d.1", i)
			for range 20 {
				if allowed(th, alice, addr) {
					_ = th.Failed(context.Background(), alice, addr)
				}
				_ = th.Succeeded(context.Background(), fmt.Sprint("acme/local/", i), addr)
				_ = th.Failed(context.Background(), fmt.Sprint("acme/local/", i%7), addr)
			}
		})
	}
	wg.Wait()
	if allowed(th, alice, stranger) {
		t.Error("not throttled")
	}
	if _, ok := keeper.kept[alice]; !ok {
		t.Error("not kept")
	}
}
