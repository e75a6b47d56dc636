package store

import (
	"crypto/rand"
	"encoding/binary"
	"sync/atomic"
	"time"
)

// A handle is 20 bits of the hour a family ends ‖ 43 bits of a sequence. So the
// order of keys is the order of ends, and what ended is one range of keys: no
// index on expiry is needed. It is no secret.
const (
	sequenceBits = 43
	sequenceMask = 1<<sequenceBits - 1
	lastHour     = 1<<20 - 1 // families that never end
)

// firstHour is 2020-01-01 in hours since 1970.
var firstHour = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).Unix() / 3600

// handles counts up from a random start, so that processes do not meet.
var handles atomic.Uint64

func init() {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	handles.Store(binary.BigEndian.Uint64(b[:]))
}

// NewHandle makes the key of a family that ends at ends (unix seconds, 0 =
// never). No two calls in one process give the same.
func NewHandle(ends int64) int64 {
	return hourOf(ends)<<sequenceBits | int64(handles.Add(1)&sequenceMask)
}

// NewHandle makes the key of a family that ends at ends (unix seconds, 0 = never).
func (*Store) NewHandle(ends int64) int64 { return NewHandle(ends) }

// hourOf is the hour in a handle for an end.
func hourOf(ends int64) int64 {
	if ends == 0 {
		return lastHour
	}
	return hour(ends)
}

// hour is the hour of a time (unix seconds); times too early or too late for a
// handle are in the first or the last hour of those that end.
func hour(at int64) int64 { return max(0, min(at/3600-firstHour, lastHour-1)) }
