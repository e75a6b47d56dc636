package jose

import (
	"strconv"
	"sync/atomic"
	"unicode/utf8"
)

// Object is a JSON object under construction; its members keep the order they
// were written in, because some clients compare tokens and documents as text.
// It is a value: every method returns a longer object and leaves the one it was
// called on as it was, so that a common beginning may be shared, by goroutines
// too. The zero Object is the empty object. A name must be written once only.
type Object struct {
	b   []byte // everything but the closing brace; empty means "{"
	end *owner // who may write behind b; nil means nobody: copy first
}

// owner says how much of a shared buffer is taken. Only the object whose length
// is the buffer's end may grow in place; any other copies. This gives value
// semantics at the price of one compare-and-swap instead of one copy per member.
type owner struct {
	n     atomic.Int64
	first [firstSize]byte
}

const (
	firstSize = 704 // holds most headers and claims in one allocation
	claimed   = -1  // somebody is writing
)

// Obj starts an empty object.
func Obj() Object { return Object{} }

// Str adds a text. What is not UTF-8 becomes U+FFFD.
func (o Object) Str(name, value string) Object {
	b, e := o.member(name)
	return commit(appendText(b, value), e)
}

// Int adds an integer.
func (o Object) Int(name string, value int64) Object {
	b, e := o.member(name)
	return commit(strconv.AppendInt(b, value, 10), e)
}

// Bool adds true or false.
func (o Object) Bool(name string, value bool) Object {
	b, e := o.member(name)
	return commit(strconv.AppendBool(b, value), e)
}

// Null adds null.
func (o Object) Null(name string) Object {
	b, e := o.member(name)
	return commit(append(b, "null"...), e)
}

// Strs adds an array of texts, empty or not.
func (o Object) Strs(name string, values []string) Object {
	b, e := o.member(name)
	b = append(b, '[')
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(b, v)
	}
	return commit(append(b, ']'), e)
}

// StrOrStrs adds one text alone and several as an array, as "aud" is commonly
// written (RFC 7519 §4.1.3).
func (o Object) StrOrStrs(name string, values []string) Object {
	if len(values) == 1 {
		return o.Str(name, values[0])
	}
	return o.Strs(name, values)
}

// Raw adds a value that is JSON already. It is not checked.
func (o Object) Raw(name string, value []byte) Object {
	b, e := o.member(name)
	return commit(append(b, value...), e)
}

// Obj adds an object.
func (o Object) Obj(name string, value Object) Object {
	b, e := o.member(name)
	if len(value.b) == 0 {
		return commit(append(b, "{}"...), e)
	}
	return commit(append(append(b, value.b...), '}'), e)
}

// Objs adds an array of objects.
func (o Object) Objs(name string, values []Object) Object {
	b, e := o.member(name)
	b = append(b, '[')
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, v.Bytes()...)
	}
	return commit(append(b, ']'), e)
}

// Bytes is the object as JSON. The caller must not change it.
func (o Object) Bytes() []byte {
	if len(o.b) == 0 {
		return []byte("{}")
	}
	b, e := o.claim()
	done := commit(append(b, '}'), e)
	return done.b[:len(done.b):len(done.b)]
}

// String is the object as JSON.
func (o Object) String() string { return string(o.Bytes()) }

// member claims the right to write and writes the separator and the name.
func (o Object) member(name string) ([]byte, *owner) {
	b, e := o.claim()
	if len(b) == 0 {
		b = append(b, '{')
	} else {
		b = append(b, ',')
	}
	b = appendText(b, name)
	return append(b, ':'), e
}

// claim returns a buffer that begins with o and that nobody else writes to.
func (o Object) claim() ([]byte, *owner) {
	if o.end != nil && o.end.n.CompareAndSwap(int64(len(o.b)), claimed) {
		return o.b, o.end
	}
	e := new(owner)
	e.n.Store(claimed)
	return append(e.first[:0], o.b...), e
}

// commit ends what claim began. A buffer that had to grow has left the owner's
// array, but stays the owner's: objects of the old array are shorter than its end
// from now on and will copy.
func commit(b []byte, e *owner) Object {
	e.n.Store(int64(len(b)))
	return Object{b: b, end: e}
}

const hexDigits = "0123456789abcdef"

// appendText writes s as a JSON string, escaping no more than RFC 8259 §7 demands.
func appendText(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				b = append(append(b, s[start:i]...), "\ufffd"...)
				start = i + 1
			}
			i += size
			continue
		}
		b = appendEscape(append(b, s[start:i]...), c)
		i++
		start = i
	}
	return append(append(b, s[start:]...), '"')
}

func appendEscape(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	return append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}
