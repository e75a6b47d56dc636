package audit

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// Appender keeps records durably (store.Store).
type Appender interface {
	AppendEvents(ctx context.Context, records []*Record) error
}

// Bounds of the log. A refusal costs a stranger nothing, so what refusals may
// write is bounded: over the rate they are counted and not kept.
const (
	queueLength   = 8192
	flushEvery    = 100 * time.Millisecond
	flushSize     = 256
	refusalRate   = 100  // records a second, steady
	refusalBurst  = 2000 // records at once
	flushPatience = 5 * time.Second
	addPatience   = time.Second // how long a success waits for room in the queue
)

// ErrFull says that records come faster than they can be kept.
var ErrFull = errors.New("audit: the queue is full")

// Log keeps the records of requests that changed nothing in the store, a moment
// after the answer and many in one write. Records of changes never come here: the
// store writes them with their change.
type Log struct {
	to      Appender
	queue   chan *Record
	done    chan struct{}
	stop    sync.Once
	now     func() time.Time
	mu      sync.Mutex
	tokens  float64
	at      time.Time
	dropped atomic.Uint64
	failed  func(error)
}

// NewLog starts the log; failed is told when records could not be kept.
func NewLog(to Appender, now func() time.Time, failed func(error)) *Log {
	l := &Log{to: to, queue: make(chan *Record, queueLength), done: make(chan struct{}), now: now, tokens: refusalBurst, at: now(), failed: failed}
	go l.run()
	return l
}

// Add queues a record. For a refusal over the rate it counts and returns nil. For
// anything else it waits for room, which slows requests down to what can be written
// and leaves the processor to the writer; when there is none for a second it is an
// error, and the caller must answer no.
func (l *Log) Add(r *Record) error {
	if r.Outcome == Refused && !l.admit() {
		l.dropped.Add(1)
		return nil
	}
	select {
	case l.queue <- r:
		return nil
	default:
	}
	if r.Outcome != Refused && l.wait(r) {
		return nil
	}
	l.dropped.Add(1)
	return ErrFull
}

// wait queues a record when there is room for it; false when there was none in time.
func (l *Log) wait(r *Record) bool {
	t := time.NewTimer(addPatience)
	defer t.Stop()
	select {
	case l.queue <- r:
		return true
	case <-t.C:
		return false
	}
}

// admit takes one token from the bucket of refusals.
func (l *Log) admit() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if d := now.Sub(l.at).Seconds(); d > 0 {
		l.tokens = min(refusalBurst, l.tokens+d*refusalRate)
		l.at = now
	}
	if l.tokens < 1 {
		return false
	}
	l.tokens--
	return true
}

// Dropped counts the records that were not kept.
func (l *Log) Dropped() uint64 { return l.dropped.Load() }

func (l *Log) run() {
	defer close(l.done)
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	var batch []*Record
	flush := func() {
		if len(batch) == 0 {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), flushPatience)
		defer cancel()
		if err := l.to.AppendEvents(ctx, batch); err != nil {
			l.dropped.Add(uint64(len(batch)))
			l.failed(err)
		}
		clear(batch)
		batch = batch[:0]
	}
	for {
		select {
		case r, ok := <-l.queue:
			if !ok {
				flush()
				return
			}
			if r.Event == flushMark {
				flush()
				r.MarkStored()
				continue
			}
			if batch = append(batch, r); len(batch) >= flushSize {
				flush()
			}
		case <-tick.C:
			flush()
		}
	}
}

const flushMark = "\x00flush"

// Flush waits until everything queued before it is kept: explain calls it, so that
// an id works the moment it was shown.
func (l *Log) Flush(ctx context.Context) error {
	mark := &Record{Event: flushMark}
	select {
	case l.queue <- mark:
	case <-ctx.Done():
		return ctx.Err()
	}
	for !mark.Stored() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
	return nil
}

// Close keeps what is queued and ends the log.
func (l *Log) Close() {
	l.stop.Do(func() { close(l.queue) })
	<-l.done
}
