package ratelimit

import (
	"sync"
	"time"
)

// maxLimited is how many keys one Limiter remembers.
const maxLimited = 100_000

// Limiter grants each key a steady rate and a burst. It uses the generic cell
// rate algorithm: one time per key, the moment its bucket will be full again, so
// idle keys cost nothing and can be forgotten. Safe for concurrent use.
type Limiter struct {
	every time.Duration // between two requests at the steady rate
	burst int
	now   func() time.Time

	mu   sync.Mutex
	full *lru[time.Time] // when the key has its whole burst again
}

// NewLimiter allows perMinute requests a minute and burst at once, at least one
// of each. now may be nil.
func NewLimiter(perMinute, burst int, now func() time.Time) *Limiter {
	if now == nil {
		now = time.Now
	}
	return &Limiter{
		every: time.Minute / time.Duration(max(1, perMinute)), burst: max(1, burst), now: now,
		full: newLRU[time.Time](maxLimited, nil),
	}
}

// Allow takes one request of key's. When there is none left, retryAfter says how
// long until there is; remaining is what could follow at once. A refused request
// takes nothing, so hammering does not lengthen the wait.
func (l *Limiter) Allow(key string) (ok bool, retryAfter time.Duration, remaining int) {
	return l.allow(key, l.every, l.burst)
}

// AllowRate is Allow for a key with a rate of its own: perMinute requests a
// minute, and as many at once. A key must always be asked with its own rate; after
// a change of the rate it is right again within a minute.
func (l *Limiter) AllowRate(key string, perMinute int) (ok bool, retryAfter time.Duration, remaining int) {
	perMinute = max(1, perMinute)
	return l.allow(key, time.Minute/time.Duration(perMinute), perMinute)
}

func (l *Limiter) allow(key string, every time.Duration, burst int) (ok bool, retryAfter time.Duration, remaining int) {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	full := l.full.make(key)
	next := now
	if full.After(now) {
		next = *full
	}
	next = next.Add(every)
	room := time.Duration(burst)*every - next.Sub(now)
	if room < 0 {
		return false, -room, 0
	}
	*full = next
	return true, 0, int(room / every)
}
