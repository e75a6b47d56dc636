package hash

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"jeton/internal/oauth"
)

// cheap is a Hasher that costs tests nothing: 64 KiB, one pass, one worker.
func cheap(o Options) *Hasher {
	if o.Workers == 0 {
		o.Workers = 1
	}
	o.Cost = Cost{Memory: 64, Passes: 1}
	return New(o)
}

func mustMake(t testing.TB, h *Hasher, secret oauth.Secret) string {
	t.Helper()
	encoded, err := h.Make(t.Context(), secret)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

func TestANewHashIsArgon2idAtTodaysCost(t *testing.T) {
	h := New(Options{})
	encoded := mustMake(t, h, "correct horse battery")
	if !strings.HasPrefix(encoded, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("made %s", encoded)
	}
	if kind, err := Recognise(encoded); kind != KindArgon2id || err != nil {
		t.Errorf("Recognise = %q, %v", kind, err)
	}
	if r, err := h.Verify(t.Context(), "u", encoded, "correct horse battery"); err != nil || r != (Result{OK: true}) {
		t.Errorf("Verify = %+v, %v; want OK and no rehash", r, err)
	}
	if again := mustMake(t, h, "correct horse battery"); again == encoded {
		t.Error("the same salt twice")
	}
}

func TestPasswordsAreTakenAsTheyAre(t *testing.T) {
	h := cheap(Options{})
	all := []string{
		"x", strings.Repeat("a", 64), strings.Repeat("a", 72) + "1", strings.Repeat("a", 72) + "2", strings.Repeat("a", 128),
		" leading", "trailing ", "a\x00b", "a\x00c", "a\x00", "a", "pässwörd", "pa\u0308sswo\u0308rd", "\xff\xfe", strings.Repeat("z", MaxSecret),
	}
	for i, secret := range all {
		encoded := mustMake(t, h, oauth.Secret(secret))
		for j, tried := range all {
			r, err := h.Verify(t.Context(), "u", encoded, oauth.Secret(tried))
			if err != nil || r.OK != (i == j) {
				t.Errorf("%.20q against %.20q: %+v, %v", tried, secret, r, err)
			}
		}
	}
}

func TestSecretsOutsideTheLimitsAreRefusedWithoutWork(t *testing.T) {
	h := cheap(Options{})
	encoded := mustMake(t, h, "secret")
	leave, _ := h.pool.enter(t.Context()) // no worker is left, so work would wait for the context
	defer leave()
	for _, secret := range []oauth.Secret{"", oauth.Secret(strings.Repeat("x", MaxSecret+1)), oauth.Secret(strings.Repeat("x", 1<<20))} {
		if r, err := h.Verify(t.Context(), "u", encoded, secret); err != nil || r.OK {
			t.Errorf("Verify of %d bytes: %+v, %v", len(secret), r, err)
		}
		if err := h.Waste(t.Context(), secret); err != nil {
			t.Errorf("Waste of %d bytes: %v", len(secret), err)
		}
		if _, err := h.Make(t.Context(), secret); !oauth.Is(err, oauth.InvalidValue) {
			t.Errorf("Make of %d bytes: %v", len(secret), err)
		}
	}
}

func TestWeakerParametersAskForARehashAndStrongerOnesDoNot(t *testing.T) {
	for _, c := range []struct {
		name         string
		made, today  Cost
		wantRehashed bool
	}{
		{"same", Cost{64, 2}, Cost{64, 2}, false},
		{"less memory", Cost{32, 2}, Cost{64, 2}, true},
		{"fewer passes", Cost{64, 1}, Cost{64, 2}, true},
		{"stronger", Cost{128, 3}, Cost{64, 2}, false},
	} {
		encoded := mustMake(t, New(Options{Cost: c.made}), "secret")
		r, err := New(Options{Cost: c.today}).Verify(t.Context(), "u", encoded, "secret")
		if err != nil || !r.OK || r.Rehash != c.wantRehashed {
			t.Errorf("%s: %+v, %v", c.name, r, err)
		}
	}
}

func TestAGeneratedSecretNeedsNoWorker(t *testing.T) {
	h := cheap(Options{})
	leave, _ := h.pool.enter(t.Context())
	defer leave()
	encoded := Generated("n0tGuessable")
	if want := "$sha256$"; !strings.HasPrefix(encoded, want) || len(encoded) != len(want)+43 {
		t.Errorf("Generated = %q", encoded)
	}
	for secret, ok := range map[oauth.Secret]bool{"n0tGuessable": true, "n0tGuessablf": false, "m0tGuessable": false} {
		r, err := h.Verify(t.Context(), "c", encoded, secret)
		if err != nil || r != (Result{OK: ok}) {
			t.Errorf("%q: %+v, %v", secret.Reveal(), r, err)
		}
	}
	if r, err := h.Verify(t.Context(), "c", "$sha256$", "x"); err != nil || r.OK {
		t.Errorf("an empty digest: %+v, %v", r, err)
	}
}

func TestNoMoreComparisonsRunThanThereAreWorkersAndTheRestIsToldToComeBack(t *testing.T) {
	const workers, queue, callers = 2, 3, 40
	p := newPool(workers, queue)
	var running, most, refused, done atomic.Int64
	release := make(chan struct{})
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			leave, err := p.enter(context.Background())
			if err != nil {
				e := oauth.AsRefusal(err)
				if e.Code != oauth.Unavailable || e.RetryAfter <= 0 {
					t.Errorf("refused with %v, retry after %v", err, e.RetryAfter)
				}
				refused.Add(1)
				return
			}
			defer leave()
			n := running.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			<-release
			running.Add(-1)
			done.Add(1)
		})
	}
	for refused.Load() < callers-workers-queue {
		time.Sleep(time.Millisecond)
	}
	close(release)
	wg.Wait()
	if most.Load() != workers || done.Load() != workers+queue || refused.Load() != callers-workers-queue {
		t.Errorf("at most %d ran, %d ended, %d refused; want %d, %d, %d",
			most.Load(), done.Load(), refused.Load(), workers, workers+queue, callers-workers-queue)
	}
}

func TestVerifyMakeAndWasteShareTheWorkers(t *testing.T) {
	h := cheap(Options{Queue: 1})
	encoded := mustMake(t, h, "secret")
	leave, _ := h.pool.enter(t.Context())
	waiter, cancel := context.WithCancel(t.Context())
	waited := make(chan error)
	go func() { waited <- h.Waste(waiter, "secret") }() // takes the one place in the queue
	for h.pool.waiting.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	if _, err := h.Verify(t.Context(), "u", encoded, "secret"); !oauth.Is(err, oauth.Unavailable) {
		t.Errorf("Verify: %v", err)
	}
	if _, err := h.Make(t.Context(), "secret"); !oauth.Is(err, oauth.Unavailable) {
		t.Errorf("Make: %v", err)
	}
	if err := h.Waste(t.Context(), "secret"); !oauth.Is(err, oauth.Unavailable) {
		t.Errorf("Waste: %v", err)
	}
	cancel()
	if err := <-waited; !errors.Is(err, context.Canceled) || oauth.Is(err, oauth.Unavailable) {
		t.Errorf("a caller that went away: %v", err)
	}
	leave()
	if r, err := h.Verify(t.Context(), "u", encoded, "secret"); err != nil || !r.OK {
		t.Errorf("after the worker came free: %+v, %v", r, err)
	}
}

func TestAVerifiedCredentialIsRememberedForAMinute(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	h := cheap(Options{Queue: 1, Now: func() time.Time { return now }})
	encoded, other := mustMake(t, h, "secret"), mustMake(t, h, "secret")
	verify := func(owner, encoded string, secret oauth.Secret) (bool, bool) { // right, answered without a worker
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		leave, _ := h.pool.enter(t.Context())
		r, err := h.Verify(gone, owner, encoded, secret)
		leave()
		if err == nil {
			return r.OK, true
		}
		r, _ = h.Verify(t.Context(), owner, encoded, secret)
		return r.OK, false
	}
	for _, step := range []struct {
		name            string
		owner, encoded  string
		secret          oauth.Secret
		after           time.Duration
		ok, remembering bool
	}{
		{"first", "u", encoded, "secret", 0, true, false},
		{"repeat", "u", encoded, "secret", 0, true, true},
		{"just before the minute ends", "u", encoded, "secret", 59 * time.Second, true, true},
		{"a hit does not extend it", "u", encoded, "secret", time.Second, true, false},
		{"wrong secret", "u", encoded, "Secret", 0, false, false},
		{"wrong secret again", "u", encoded, "Secret", 0, false, false},
		{"another owner", "v", encoded, "secret", 0, true, false},
		{"another hash of the same password", "u", other, "secret", 0, true, false},
		{"parts that join alike", "u" + encoded[:1], encoded[1:], "secret", 0, false, false},
	} {
		now = now.Add(step.after)
		ok, remembered := verify(step.owner, step.encoded, step.secret)
		if ok != step.ok || remembered != step.remembering {
			t.Errorf("%s: ok %v, remembered %v; want %v, %v", step.name, ok, remembered, step.ok, step.remembering)
		}
	}
}

func TestNothingIsRememberedWhenSwitchedOff(t *testing.T) {
	h := cheap(Options{NoMemory: true})
	if h.cache != nil {
		t.Error("there is a memory")
	}
	encoded := mustMake(t, h, "secret")
	for range 2 {
		if r, err := h.Verify(t.Context(), "u", encoded, "secret"); err != nil || !r.OK {
			t.Errorf("Verify: %+v, %v", r, err)
		}
	}
}

func TestTheMemoryOfVerifiedCredentialsIsBounded(t *testing.T) {
	c := newCache(3, 0)
	now := time.Unix(1, 0)
	key := func(i int) cacheKey { return c.key(fmt.Sprint(i), "", "") }
	for i := range 3 {
		c.put(key(i), now)
	}
	c.has(key(0), now) // used last, so 1 goes first
	c.put(key(3), now)
	for i, want := range []bool{true, false, true, true} {
		if got := c.has(key(i), now); got != want {
			t.Errorf("entry %d remembered: %v, want %v", i, got, want)
		}
	}
	if len(c.byKey) != 3 || c.order.Len() != 3 {
		t.Errorf("%d keys, %d entries", len(c.byKey), c.order.Len())
	}
}

func TestManyCallersAtOnceGetTheirOwnAnswers(t *testing.T) {
	h := cheap(Options{Workers: 4, Queue: 1000, Remembered: 5})
	var encoded [8]string
	for i := range encoded {
		encoded[i] = mustMake(t, h, oauth.Secret(fmt.Sprint("secret", i)))
	}
	var wg sync.WaitGroup
	for n := range 200 {
		wg.Go(func() {
			i, j := n%8, n%3
			r, err := h.Verify(context.Background(), "u", encoded[i], oauth.Secret(fmt.Sprint("secret", j)))
			if err != nil || r.OK != (i == j) {
				t.Errorf("%d against %d: %+v, %v", j, i, r, err)
			}
		})
	}
	wg.Wait()
}

func TestAnUnknownUserAndAQuickHashCostWhatAWrongPasswordCosts(t *testing.T) {
	h := New(Options{Cost: Cost{Memory: 8 * 1024, Passes: 1}, NoMemory: true})
	encoded := mustMake(t, h, "secret")
	const ssha = "{SSHA}VtJJPXPvCfCWGkEI7kkQTL9vdXUwMTIzNDU2Nw=="
	ways := map[string]func(){
		"wrong":   func() { _, _ = h.Verify(t.Context(), "u", encoded, "wrong") },
		"unknown": func() { _ = h.Waste(t.Context(), "wrong") },
		"ssha":    func() { _, _ = h.Verify(t.Context(), "u", ssha, "wrong") },
	}
	// A busy machine can make one round look uneven, a real difference shows in all.
	var uneven string
	for range 5 {
		if uneven = unevenness(ways, "wrong"); uneven == "" {
			return
		}
	}
	t.Error(uneven)
}

// unevenness compares the medians of 31 tries of each way with those of the one
// named; "" when all are within a tenth.
func unevenness(ways map[string]func(), than string) string {
	took := map[string][]time.Duration{}
	for range 31 { // in turns, so that what else the machine does slows all alike
		for name, way := range ways {
			start := time.Now()
			way()
			took[name] = append(took[name], time.Since(start))
		}
	}
	want := median(took[than])
	for name, d := range took {
		if got := median(d); (got - want).Abs() > want/10 {
			return fmt.Sprintf("%s takes %v, %s %v", name, got, than, want)
		}
	}
	return ""
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

func BenchmarkVerifyRemembered(b *testing.B) {
	h := cheap(Options{})
	encoded := mustMake(b, h, "secret")
	for b.Loop() {
		if r, err := h.Verify(b.Context(), "org/local/alice", encoded, "secret"); err != nil || !r.OK {
			b.Fatal(r, err)
		}
	}
}

func BenchmarkVerifyGenerated(b *testing.B) {
	h, encoded := cheap(Options{}), Generated("secret")
	for b.Loop() {
		if r, err := h.Verify(b.Context(), "client", encoded, "secret"); err != nil || !r.OK {
			b.Fatal(r, err)
		}
	}
}

func BenchmarkVerifyArgon2id(b *testing.B) {
	h := New(Options{NoMemory: true})
	encoded := mustMake(b, h, "secret")
	for b.Loop() {
		if r, err := h.Verify(b.Context(), "u", encoded, "secret"); err != nil || !r.OK {
			b.Fatal(r, err)
		}
	}
}
