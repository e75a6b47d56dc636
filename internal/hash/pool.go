package hash

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"jeton/internal/oauth"
)

// retryAfter is what a refused caller is told: a full queue of argon2id drains in
// about this time.
const retryAfter = time.Second

// pool bounds how many slow computations run, and with them memory and cores,
// and how many wait.
type pool struct {
	workers chan struct{}
	queue   int64 // how many may wait
	share   int   // how many of them for one party

	mu      sync.Mutex
	waiting atomic.Int64   // changed under mu alone
	of      map[string]int // who waits, by party
}

// shares is how many parties it takes at least to fill the queue.
const shares = 4

func newPool(workers, queue int) *pool {
	return &pool{workers: make(chan struct{}, workers), queue: int64(queue), share: max(1, queue/shares), of: map[string]int{}}
}

type party struct{}

// For says for whom the computations under ctx are: the source of the request, as
// failures are counted. One party's waiting ones never fill the queue, so that
// nobody who sends wrong passwords without a pause keeps the others out.
func For(ctx context.Context, source string) context.Context {
	return context.WithValue(ctx, party{}, source)
}

// enter takes a worker, waiting in the queue when all are busy. The caller must
// call leave. A full queue is refused at once: waiting longer would only move
// the pressure to connections.
func (p *pool) enter(ctx context.Context) (leave func(), err error) {
	select {
	case p.workers <- struct{}{}:
		return p.leave, nil
	default:
	}
	who, _ := ctx.Value(party{}).(string)
	if !p.join(who) {
		e := oauth.Refuse(oauth.Unavailable, "")
		e.RetryAfter = retryAfter
		return nil, e
	}
	defer p.quit(who)
	select {
	case p.workers <- struct{}{}:
		return p.leave, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("hash: wait for a worker: %w", ctx.Err())
	}
}

func (p *pool) leave() { <-p.workers }

// join takes a place in the queue; "" is nobody in particular and has no share.
func (p *pool) join(who string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting.Load() >= p.queue || who != "" && p.of[who] >= p.share {
		return false
	}
	p.waiting.Add(1)
	if who != "" {
		p.of[who]++
	}
	return true
}

func (p *pool) quit(who string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting.Add(-1)
	if p.of[who]--; p.of[who] <= 0 {
		delete(p.of, who)
	}
}
