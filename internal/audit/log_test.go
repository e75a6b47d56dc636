package audit

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"
)

// desk keeps records when it is let.
type desk struct {
	open chan struct{} // closed: nothing is in the way
	mu   sync.Mutex
	kept map[*Record]int
}

func newDesk() *desk { return &desk{open: make(chan struct{}), kept: map[*Record]int{}} }

func (d *desk) AppendEvents(ctx context.Context, records []*Record) error {
	select {
	case <-d.open:
	case <-ctx.Done():
		return ctx.Err()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range records {
		d.kept[r]++
	}
	return nil
}

func (d *desk) count() int { d.mu.Lock(); defer d.mu.Unlock(); return len(d.kept) }

// fill adds records until the queue is full and stays so: its reader is stuck with
// a batch.
func fill(t *testing.T, l *Log) (n int) {
	t.Helper()
	for still := 0; still < 20; still++ {
		for ; len(l.queue) < cap(l.queue); n++ {
			still = 0
			if err := l.Add(&Record{Event: "token.issue", Outcome: OK}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Millisecond)
	}
	return n
}

func TestASuccessWaitsForRoom(t *testing.T) {
	d := newDesk()
	l := NewLog(d, time.Now, func(err error) { t.Error(err) })
	n := fill(t, l)
	time.AfterFunc(50*time.Millisecond, func() { close(d.open) })
	if err := l.Add(&Record{Event: "token.issue", Outcome: OK}); err != nil {
		t.Errorf("a success is refused though there is room soon: %v", err)
	}
	l.Close()
	if d.count() != n+1 || l.Dropped() != 0 {
		t.Errorf("%d of %d kept, %d dropped", d.count(), n+1, l.Dropped())
	}
}

func TestAFullQueueThatStaysFullIsAnError(t *testing.T) {
	d := newDesk()
	l := NewLog(d, time.Now, func(error) {})
	fill(t, l)
	from := time.Now()
	if err := l.Add(&Record{Event: "token.issue", Outcome: OK}); !errors.Is(err, ErrFull) {
		t.Errorf("got %v, want ErrFull", err)
	}
	if waited := time.Since(from); waited < addPatience || l.Dropped() != 1 {
		t.Errorf("waited %s, %d dropped", waited, l.Dropped())
	}
	from = time.Now()
	if err := l.Add(&Record{Event: "request", Outcome: Refused}); !errors.Is(err, ErrFull) || time.Since(from) > addPatience/2 {
		t.Errorf("a refusal waited %s for room: %v", time.Since(from), err)
	}
	close(d.open)
	l.Close()
}

func TestEveryRecordIsKeptOnceAndInTheEnd(t *testing.T) {
	d := newDesk()
	close(d.open)
	l := NewLog(d, time.Now, func(err error) { t.Error(err) })
	const each = 3 * flushSize
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range each {
				if err := l.Add(&Record{Event: "token.issue", Outcome: OK}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := l.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d.count() != 4*each {
		t.Errorf("%d kept after the flush, want %d", d.count(), 4*each)
	}
	l.Close()
	for r, n := range d.kept {
		if n != 1 {
			t.Fatalf("record %v kept %d times", r.Event, n)
		}
	}
}

func TestRefusalsOverTheRateAreCountedOnly(t *testing.T) {
	d := newDesk()
	close(d.open)
	now := time.Now()
	l := NewLog(d, func() time.Time { return now }, func(err error) { t.Error(err) })
	for range refusalBurst + 50 {
		if err := l.Add(&Record{Event: "request", Outcome: Refused}); err != nil {
			t.Fatal(err)
		}
	}
	l.Close()
	if d.count() != refusalBurst || l.Dropped() != 50 {
		t.Errorf("%d kept, %d dropped", d.count(), l.Dropped())
	}
}
