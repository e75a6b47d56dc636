package bench

import (
	"math/bits"
	"time"
)

// Histogram counts latencies from a microsecond to a minute, to three digits. The
// zero value is empty. It is not safe for concurrent use: each worker has its own.
type Histogram struct {
	counts []uint64
	total  uint64
}

const (
	precision = 11 // bits: values below 2048 are exact, others within 0.1 %
	longest   = time.Minute
)

// slot is the counter a latency in microseconds belongs to.
func slot(v uint64) int {
	shift := max(0, bits.Len64(v)-precision)
	return shift<<(precision-1) + int(v>>shift)
}

// value is the least latency of a slot, in microseconds.
func value(slot int) uint64 {
	if slot < 1<<precision {
		return uint64(slot)
	}
	shift := slot>>(precision-1) - 1
	return uint64(slot-shift<<(precision-1)) << shift
}

// Add counts one latency; longer ones than a minute count as a minute.
func (h *Histogram) Add(d time.Duration) {
	if h.counts == nil {
		h.counts = make([]uint64, slot(uint64(longest.Microseconds()))+1)
	}
	h.counts[slot(uint64(max(0, min(d, longest)).Microseconds()))]++
	h.total++
}

// Merge adds what another one counted.
func (h *Histogram) Merge(other *Histogram) {
	if other.counts == nil {
		return
	}
	if h.counts == nil {
		h.counts = make([]uint64, len(other.counts))
	}
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.total += other.total
}

// Count is how many latencies were added.
func (h *Histogram) Count() uint64 { return h.total }

// Quantile is the latency that a share q of all do not exceed; 0 when none was
// added.
func (h *Histogram) Quantile(q float64) time.Duration {
	if h.total == 0 {
		return 0
	}
	rank := uint64(q * float64(h.total))
	if float64(rank) < q*float64(h.total) || rank == 0 {
		rank++
	}
	var seen uint64
	for i, n := range h.counts {
		if seen += n; seen >= rank {
			return time.Duration(value(i)) * time.Microsecond
		}
	}
	return longest
}
