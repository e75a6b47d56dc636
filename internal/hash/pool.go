package hash

import (
	"context"
	"fmt"
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
	waiting atomic.Int64
	queue   int64
}

func newPool(workers, queue int) *pool {
	return &pool{workers: make(chan struct{}, workers), queue: int64(queue)}
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
	if p.waiting.Add(1) > p.queue {
		p.waiting.Add(-1)
		e := oauth.Refuse(oauth.Unavailable, "")
		e.RetryAfter = retryAfter
		return nil, e
	}
	defer p.waiting.Add(-1)
	select {
	case p.workers <- struct{}{}:
		return p.leave, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("hash: wait for a worker: %w", ctx.Err())
	}
}

func (p *pool) leave() { <-p.workers }
