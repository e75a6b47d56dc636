package ratelimit

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestALimiterGrantsABurstAndThenTheRate(t *testing.T) {
	c := newClock()
	l := NewLimiter(60, 3, c.now)
	for _, step := range []struct {
		after     time.Duration
		ok        bool
		wait      time.Duration
		remaining int
	}{
		{0, true, 0, 2}, {0, true, 0, 1}, {0, true, 0, 0},
		{0, false, time.Second, 0}, {0, false, time.Second, 0},
		{900 * time.Millisecond, false, 100 * time.Millisecond, 0},
		{100 * time.Millisecond, true, 0, 0},
		{2 * time.Second, true, 0, 1},
		{time.Hour, true, 0, 2},
	} {
		c.pass(step.after)
		ok, wait, remaining := l.Allow("k")
		if ok != step.ok || wait != step.wait || remaining != step.remaining {
			t.Errorf("after %v: %v, %v, %d; want %v, %v, %d", step.after, ok, wait, remaining, step.ok, step.wait, step.remaining)
		}
	}
	if ok, _, _ := l.Allow("other"); !ok {
		t.Error("another key is limited")
	}
}

// In any span a key gets at most its burst and what the rate gives in that span,
// and whoever waits as told is served.
func TestALimiterNeverGrantsMoreThanRateAndBurst(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		perMinute, burst := rapid.IntRange(1, 1000).Draw(t, "rate"), rapid.IntRange(1, 20).Draw(t, "burst")
		c := newClock()
		l := NewLimiter(perMinute, burst, c.now)
		start, granted := c.t, 0
		for range rapid.IntRange(1, 200).Draw(t, "requests") {
			c.pass(time.Duration(rapid.IntRange(0, 2000).Draw(t, "pause")) * time.Millisecond)
			ok, wait, _ := l.Allow("k")
			if !ok && rapid.Bool().Draw(t, "wait") {
				c.pass(wait)
				if ok, _, _ = l.Allow("k"); !ok {
					t.Fatalf("refused after waiting %v as told", wait)
				}
			}
			if ok {
				granted++
			}
			if most := burst + int(c.t.Sub(start)/l.every); granted > most {
				t.Fatalf("%d granted in %v, want at most %d", granted, c.t.Sub(start), most)
			}
		}
	})
}

func TestALimitersMemoryIsBounded(t *testing.T) {
	l := NewLimiter(1, 1, newClock().now)
	l.full.most = 10
	for i := range 1000 {
		l.Allow(fmt.Sprint(i))
	}
	if n := len(l.full.byKey); n != 10 {
		t.Errorf("%d keys remembered", n)
	}
}

func BenchmarkLimiter(b *testing.B) {
	l := NewLimiter(1_000_000, 100, nil)
	for b.Loop() {
		l.Allow("203.0.113.66")
	}
}

func BenchmarkThrottleAllow(b *testing.B) {
	th := NewThrottle(Limits{}, nil, nil)
	_ = th.Succeeded(b.Context(), alice, home)
	for b.Loop() {
		th.Allow(alice, home)
	}
}

func TestAKeyMayHaveARateOfItsOwn(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	l := NewLimiter(1200, 1200, func() time.Time { return now })
	for range 3 {
		if ok, _, _ := l.AllowRate("slow", 3); !ok {
			t.Fatal("refused within its rate")
		}
	}
	if ok, wait, _ := l.AllowRate("slow", 3); ok || wait != 20*time.Second {
		t.Errorf("the fourth request: %v, wait %s", ok, wait)
	}
	if ok, _, _ := l.AllowRate("quick", 60); !ok {
		t.Error("another key was slowed")
	}
	now = now.Add(20 * time.Second)
	if ok, _, _ := l.AllowRate("slow", 3); !ok {
		t.Error("refused after the wait")
	}
}
