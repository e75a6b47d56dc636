package audit

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"strings"
	"sync/atomic"
	"time"
)

// ID names an event: 42 bits of unix milliseconds and a 21-bit counter that
// starts at random, so ids sort by time and one process never repeats one. It is
// shown as 13 characters of Crockford's base 32 and doubles as request id and
// error id.
type ID int64

const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

var sequence atomic.Uint32

func init() {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	sequence.Store(binary.BigEndian.Uint32(b[:]))
}

// NewID makes the id of an event at t.
func NewID(t time.Time) ID {
	return ID(t.UnixMilli()&(1<<42-1)<<21 | int64(sequence.Add(1)&(1<<21-1)))
}

// At is the time the id was made.
func (id ID) At() time.Time { return time.UnixMilli(int64(id) >> 21) }

// String is the form people see and type.
func (id ID) String() string {
	var b [13]byte
	v := uint64(id)
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = alphabet[v&31]
		v >>= 5
	}
	return string(b[:])
}

// MarshalText writes the id as people see it.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (id *ID) UnmarshalText(b []byte) (err error) { *id, err = ParseID(string(b)); return err }

// ErrID says that a text is no event id.
var ErrID = errors.New("not an event id: 13 letters and digits")

// ParseID reads an id as a person types it: any case, O for 0, I and L for 1.
func ParseID(s string) (ID, error) {
	s = strings.NewReplacer("O", "0", "I", "1", "L", "1", "-", "").Replace(strings.ToUpper(strings.TrimSpace(s)))
	if len(s) != 13 {
		return 0, ErrID
	}
	var v uint64
	for i := 0; i < len(s); i++ {
		n := strings.IndexByte(alphabet, s[i])
		if n < 0 || v>>59 != 0 {
			return 0, ErrID
		}
		v = v<<5 | uint64(n)
	}
	if v>>63 != 0 {
		return 0, ErrID
	}
	return ID(v), nil
}
