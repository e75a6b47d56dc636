package bench

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Step does one operation on a connection and checks its answer.
type Step func(*Conn) error

// Load says how much is asked for how long.
type Load struct {
	Addr  string
	Conns int
	Warm  time.Duration
	Time  time.Duration
	Rate  float64         // requests a second over all connections; 0 = as fast as answers come
	Count int64           // stop after so many, instead of Time; 0 = no
	Until <-chan struct{} // stop when it is closed, instead of Time; nil = no
}

// Result is what a load came to. Errors count from the first request on; all else
// leaves the warm-up out.
type Result struct {
	Ops     uint64
	Errors  uint64
	First   error // the first error
	Elapsed time.Duration
	CPU     time.Duration // of the measured process
	RSS     int64         // of the measured process, bytes, at its largest
	Latency Histogram
}

// Rate is operations a second.
func (r *Result) Rate() float64 {
	if r.Elapsed <= 0 {
		return 0
	}
	return float64(r.Ops) / r.Elapsed.Seconds()
}

// Micros is processor time of one operation in microseconds.
func (r *Result) Micros() float64 {
	if r.Ops == 0 {
		return 0
	}
	return float64(r.CPU.Microseconds()) / float64(r.Ops)
}

// Meter reads the measured process (Proc).
type Meter interface {
	CPU() (time.Duration, error)
	RSS() (int64, error)
}

// worker is one connection and what came of it.
type worker struct {
	step    Step
	conn    *Conn
	ops     atomic.Uint64
	errors  atomic.Uint64
	first   error
	latency Histogram
}

// drive has each worker do its step until the time is over. meter may be nil.
func (l Load) drive(steps []Step, meter Meter) (*Result, error) {
	workers := make([]*worker, len(steps))
	var stop, measuring atomic.Bool
	var left atomic.Int64
	left.Store(l.Count)
	var wg sync.WaitGroup
	begin := time.Now()
	for i, s := range steps {
		w := &worker{step: s, conn: Dial(l.Addr)}
		workers[i] = w
		next := l.closed()
		if l.Rate > 0 {
			next = l.open(begin, i, len(steps))
		}
		wg.Go(func() {
			defer w.conn.Close()
			for !stop.Load() && (l.Count == 0 || left.Add(-1) >= 0) {
				w.once(next(), &measuring)
			}
		})
	}
	r, err := l.watch(workers, meter, &measuring, &wg)
	stop.Store(true)
	wg.Wait()
	for _, w := range workers {
		r.Errors += w.errors.Load()
		r.Latency.Merge(&w.latency)
		if r.First == nil {
			r.First = w.first
		}
	}
	return r, err
}

// closed sends as soon as the last answer came.
func (Load) closed() func() time.Time { return time.Now }

// open plans when each request is sent, whatever became of the one before, and
// counts latency from then: a stall is felt by all who would have come meanwhile.
func (l Load) open(begin time.Time, i, n int) func() time.Time {
	gap := time.Duration(float64(time.Second) * float64(n) / l.Rate)
	at := begin.Add(time.Duration(float64(gap) * float64(i) / float64(n)))
	return func() time.Time {
		planned := at
		at = at.Add(gap)
		time.Sleep(time.Until(planned))
		return planned
	}
}

func (w *worker) once(planned time.Time, measuring *atomic.Bool) {
	err := w.step(w.conn)
	took := time.Since(planned)
	if err != nil {
		w.errors.Add(1)
		if w.first == nil {
			w.first = err
		}
		return
	}
	w.ops.Add(1)
	if measuring.Load() {
		w.latency.Add(took)
	}
}

func total(workers []*worker) (n uint64) {
	for _, w := range workers {
		n += w.ops.Load()
	}
	return n
}

// watch measures between the end of the warm-up and the end of the load.
func (l Load) watch(workers []*worker, meter Meter, measuring *atomic.Bool, wg *sync.WaitGroup) (*Result, error) {
	time.Sleep(l.Warm)
	r := &Result{}
	used, err := cpu(meter)
	measuring.Store(true)
	from, ops := time.Now(), total(workers)
	if l.Count > 0 { // all of them are what is measured
		ops = 0
	}
	switch {
	case l.Count > 0:
		wg.Wait()
	case l.Until != nil:
		<-l.Until
	default:
		err = errors.Join(err, r.sample(meter, l.Time))
	}
	r.Elapsed, r.Ops = time.Since(from), total(workers)-ops
	then, err2 := cpu(meter)
	r.CPU = then - used
	return r, errors.Join(err, err2)
}

// sample waits and looks at the memory meanwhile.
func (r *Result) sample(meter Meter, d time.Duration) error {
	end := time.Now().Add(d)
	for time.Now().Before(end) {
		time.Sleep(min(100*time.Millisecond, time.Until(end)))
		if meter == nil {
			continue
		}
		rss, err := meter.RSS()
		if err != nil {
			return err
		}
		r.RSS = max(r.RSS, rss)
	}
	return nil
}

func cpu(m Meter) (time.Duration, error) {
	if m == nil {
		return 0, nil
	}
	return m.CPU()
}

// unexpected words an answer that is not the right one; the body tells why.
func unexpected(status int, body []byte) error {
	return fmt.Errorf("status %d: %.200s", status, body)
}
