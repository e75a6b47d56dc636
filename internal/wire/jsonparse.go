package wire

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"jeton/internal/oauth"
)

// Limits of a JSON body.
const (
	MaxDepth   = 16   // objects and arrays within one another
	MaxMembers = 100  // members of one object
	MaxValues  = 1000 // values in all
	MaxNumber  = 30   // characters of one number
)

// ErrEmpty is the cause of the refusal of a body with nothing in it but space;
// errors.Is tells it from other malformed bodies.
var ErrEmpty = errors.New("wire: empty JSON text")

// JSON reads exactly one JSON object (RFC 8259). What is no JSON, has a byte
// order mark, bytes that are not UTF-8, half a surrogate pair, an escaped NUL or
// anything after the object is MalformedBody; its Description says what and
// where, and quotes nothing. A name given twice, at any depth, and what exceeds
// MaxDepth, MaxMembers, MaxValues, MaxNumber or MaxName is InvalidRequest.
func JSON(body []byte) (Object, error) { return object(body, false) }

// JSONFold is JSON for vendors whose names have no case: two names that differ
// only in the case of ASCII letters are one name given twice, and Get on the
// result, at any depth, ignores case.
func JSONFold(body []byte) (Object, error) { return object(body, true) }

// JSONArray reads exactly one JSON array by the rules of JSON.
func JSONArray(body []byte) ([]Value, error) {
	v, err := document(body, false)
	if err != nil {
		return nil, err
	}
	items, ok := v.Array()
	if !ok {
		return nil, malformed("the JSON text is not an array")
	}
	return items, nil
}

func object(body []byte, fold bool) (Object, error) {
	v, err := document(body, fold)
	if err != nil {
		return Object{}, err
	}
	o, ok := v.Object()
	if !ok {
		return Object{}, malformed("the JSON text is not an object")
	}
	return o, nil
}

func malformed(text string) *oauth.Error { return oauth.Refuse(oauth.MalformedBody, text) }

func beyond(text string) *oauth.Error { return oauth.Refuse(oauth.InvalidRequest, text) }

// parser reads one text from left to right and looks at no byte twice but those
// of names (compared within an object of at most MaxMembers). Its recursion is
// bounded by MaxDepth.
type parser struct {
	in     string
	pos    int
	depth  int
	values int
	fold   bool
}

func document(body []byte, fold bool) (Value, error) {
	p := parser{in: string(body), fold: fold}
	if strings.HasPrefix(p.in, "\ufeff") {
		return Value{}, malformed("the JSON text begins with a byte order mark")
	}
	p.space()
	if p.pos == len(p.in) {
		return Value{}, malformed("the JSON text is empty").Because(ErrEmpty)
	}
	v, err := p.value()
	if err != nil {
		return Value{}, err
	}
	if p.space(); p.pos < len(p.in) {
		return Value{}, p.unexpected("the end of the text")
	}
	return v, nil
}

// unexpected says what should have stood at the current byte.
func (p *parser) unexpected(want string) error {
	if p.pos >= len(p.in) {
		return malformed("the JSON text ends where " + want + " should be")
	}
	return malformed("byte " + strconv.Itoa(p.pos) + " of the JSON text is not " + want)
}

func (p *parser) space() {
	for p.pos < len(p.in) {
		switch p.in[p.pos] {
		case ' ', '\t', '\n', '\r':
			p.pos++
		default:
			return
		}
	}
}

// peek is the next byte, 0 at the end (where no grammar rule has a NUL).
func (p *parser) peek() byte {
	if p.pos < len(p.in) {
		return p.in[p.pos]
	}
	return 0
}

// next takes c if it is the next byte after space.
func (p *parser) next(c byte) bool {
	p.space()
	if p.peek() != c {
		return false
	}
	p.pos++
	return true
}

func (p *parser) value() (Value, error) {
	p.space()
	if p.values++; p.values > MaxValues {
		return Value{}, beyond("the JSON text has too many values")
	}
	start := p.pos
	v, err := p.any()
	if err != nil {
		return Value{}, err
	}
	v.raw = p.in[start:p.pos]
	return v, nil
}

func (p *parser) any() (Value, error) {
	switch c := p.peek(); {
	case c == '{':
		return p.nested(p.object)
	case c == '[':
		return p.nested(p.array)
	case c == '"':
		text, err := p.text()
		return Value{kind: kindString, text: text}, err
	case c == '-' || isDigit(c):
		return Value{kind: kindNumber}, p.number()
	case c == 't':
		return Value{kind: kindBool}, p.word("true")
	case c == 'f':
		return Value{kind: kindBool}, p.word("false")
	case c == 'n':
		return Value{kind: kindNull}, p.word("null")
	}
	return Value{}, p.unexpected("a value")
}

// nested reads an object or array after its opening bracket.
func (p *parser) nested(read func() (Value, error)) (Value, error) {
	if p.depth == MaxDepth {
		return Value{}, beyond("the JSON text is nested too deeply")
	}
	p.depth++
	p.pos++
	v, err := read()
	p.depth--
	return v, err
}

func (p *parser) object() (Value, error) {
	o := Object{fold: p.fold}
	if p.next('}') {
		return Value{kind: kindObject, object: o}, nil
	}
	for {
		m, err := p.member(o)
		if err != nil {
			return Value{}, err
		}
		o.members = append(o.members, m)
		if p.next('}') {
			return Value{kind: kindObject, object: o}, nil
		}
		if !p.next(',') {
			return Value{}, p.unexpected("a comma or closing brace")
		}
	}
}

// member reads name, colon and value of o's next member. The name is judged
// before the value is read, so that a refusal costs no more than it must.
func (p *parser) member(o Object) (m member, err error) {
	if p.space(); p.peek() != '"' {
		return m, p.unexpected("a member name")
	}
	if m.name, err = p.text(); err != nil {
		return m, err
	}
	switch {
	case len(o.members) == MaxMembers:
		return m, beyond("a JSON object has too many members")
	case len(m.name) > MaxName:
		return m, beyond("a JSON member name is too long")
	case p.repeats(o, m.name):
		return m, repeated("member", m.name)
	case !p.next(':'):
		return m, p.unexpected("a colon")
	}
	m.value, err = p.value()
	return m, err
}

func (p *parser) repeats(o Object, name string) bool {
	for i := range o.members {
		if have := o.members[i].name; have == name || p.fold && equalFold(have, name) {
			return true
		}
	}
	return false
}

func (p *parser) array() (Value, error) {
	v := Value{kind: kindArray}
	if p.next(']') {
		return v, nil
	}
	for {
		item, err := p.value()
		if err != nil {
			return Value{}, err
		}
		v.items = append(v.items, item)
		if p.next(']') {
			return v, nil
		}
		if !p.next(',') {
			return Value{}, p.unexpected("a comma or closing bracket")
		}
	}
}

func (p *parser) word(w string) error {
	if !strings.HasPrefix(p.in[p.pos:], w) {
		return p.unexpected("a value")
	}
	p.pos += len(w)
	return nil
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// number reads RFC 8259 §6: no leading zero, no bare point, no plus sign.
func (p *parser) number() error {
	end := min(p.pos+MaxNumber, len(p.in))
	if p.peek() == '-' {
		p.pos++
	}
	if p.peek() == '0' {
		p.pos++
	} else if !p.digits(end) {
		return p.unexpected("a digit")
	}
	if p.peek() == '.' {
		p.pos++
		if !p.digits(end) {
			return p.unexpected("a digit")
		}
	}
	if c := p.peek(); c == 'e' || c == 'E' {
		p.pos++
		if c := p.peek(); c == '+' || c == '-' {
			p.pos++
		}
		if !p.digits(end) {
			return p.unexpected("a digit")
		}
	}
	if p.pos > end || isDigit(p.peek()) && p.pos == end {
		return beyond("a JSON number is too long")
	}
	return nil
}

// digits takes digits, at least one, and none from byte end on.
func (p *parser) digits(end int) bool {
	if !isDigit(p.peek()) {
		return false
	}
	for p.pos < end && isDigit(p.peek()) {
		p.pos++
	}
	return true
}

// text reads a string from its opening quote.
func (p *parser) text() (string, error) {
	p.pos++
	start := p.pos
	for ; p.pos < len(p.in); p.pos++ {
		switch c := p.in[p.pos]; {
		case c == '"':
			p.pos++
			return utf8Only(p.in[start : p.pos-1])
		case c == '\\':
			return p.escaped(start)
		case c < 0x20:
			return "", p.unexpected("a character a string may hold")
		}
	}
	return "", p.unexpected("a closing quote")
}

// utf8Only refuses a string that is not UTF-8. Strings are the one place where
// the grammar lets a byte beyond ASCII pass, so the text is checked by its parts
// and a long one that is refused early is not read to its end.
func utf8Only(s string) (string, error) {
	if !isText(s) {
		return "", malformed("a string of the JSON text is not UTF-8")
	}
	return s, nil
}

// escaped reads on from the first backslash of a string that began at start.
func (p *parser) escaped(start int) (string, error) {
	out := append(make([]byte, 0, 2*(p.pos-start)+16), p.in[start:p.pos]...)
	for p.pos < len(p.in) {
		switch c := p.in[p.pos]; {
		case c == '"':
			p.pos++
			return utf8Only(string(out))
		case c == '\\':
			p.pos++
			r, err := p.escape()
			if err != nil {
				return "", err
			}
			out = utf8.AppendRune(out, r)
		case c < 0x20:
			return "", p.unexpected("a character a string may hold")
		default:
			out = append(out, c)
			p.pos++
		}
	}
	return "", p.unexpected("a closing quote")
}

// escape reads what follows a backslash.
func (p *parser) escape() (rune, error) {
	c := p.peek()
	if c == 'u' {
		return p.unicode()
	}
	i := strings.IndexByte(`"\/bfnrt`, c)
	if i < 0 || p.pos == len(p.in) {
		return 0, p.unexpected("an escape there is")
	}
	p.pos++
	return rune("\"\\/\b\f\n\r\t"[i]), nil
}

// unicode reads uXXXX, and the second half of a surrogate pair. Half a pair is
// refused: other parsers put U+FFFD in its place and then see another name. An
// escaped NUL is refused too: no database keeps it in a text.
func (p *parser) unicode() (rune, error) {
	r, err := p.hex()
	if err != nil {
		return 0, err
	}
	if r == 0 {
		return 0, malformed("the JSON text has an escaped NUL")
	}
	if !utf16.IsSurrogate(r) {
		return r, nil
	}
	if strings.HasPrefix(p.in[p.pos:], `\u`) {
		p.pos++
		low, err := p.hex()
		if err != nil {
			return 0, err
		}
		if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
			return r, nil
		}
	}
	return 0, malformed("the JSON text has half a surrogate pair")
}

// hex reads the letter u and four hexadecimal digits.
func (p *parser) hex() (rune, error) {
	p.pos++
	var r rune
	for range 4 {
		n := strings.IndexByte("0123456789abcdef", lower(p.peek()))
		if n < 0 || p.pos == len(p.in) {
			return 0, p.unexpected("a hexadecimal digit")
		}
		r = r<<4 | rune(n)
		p.pos++
	}
	return r, nil
}
