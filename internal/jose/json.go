package jose

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Bounds of what a stranger may send.
const (
	maxDepth   = 8
	maxMembers = 100 // of all objects of one document together
)

// Claims are the top-level members of one JSON object, read strictly. A getter
// says false for a member that is absent and for one of another type: nothing is
// converted.
type Claims struct{ members []member }

type member struct {
	name string
	raw  []byte
}

// Has reports whether the member is there, null included.
func (c Claims) Has(name string) bool { return c.Raw(name) != nil }

// Raw is the member's JSON, nil when it is absent. The caller must not change it.
func (c Claims) Raw(name string) []byte {
	for i := range c.members {
		if c.members[i].name == name {
			return c.members[i].raw
		}
	}
	return nil
}

// Names lists the members in the order they came.
func (c Claims) Names() []string {
	names := make([]string, len(c.members))
	for i, m := range c.members {
		names[i] = m.name
	}
	return names
}

// Text is a string member.
func (c Claims) Text(name string) (string, bool) { return text(c.Raw(name)) }

// Bool is a boolean member.
func (c Claims) Bool(name string) (value, ok bool) {
	switch string(c.Raw(name)) {
	case "true":
		return true, true
	case "false":
		return false, true
	}
	return false, false
}

// Texts is a member that is one string or an array of strings, as "aud" may be
// (RFC 7519 §4.1.3). An array with anything else in it is refused whole.
func (c Claims) Texts(name string) ([]string, bool) {
	raw := c.Raw(name)
	if len(raw) == 0 {
		return nil, false
	}
	if raw[0] != '[' {
		s, ok := text(raw)
		if !ok {
			return nil, false
		}
		return []string{s}, true
	}
	return texts(raw)
}

func texts(raw []byte) ([]string, bool) {
	s := scanner{b: raw, pos: 1}
	list := []string{}
	for s.space(); !s.take(']'); s.space() {
		if len(list) > 0 {
			s.take(',')
			s.space()
		}
		v, err := s.str()
		if err != nil {
			return nil, false
		}
		list = append(list, v)
	}
	return list, true
}

func text(raw []byte) (string, bool) {
	if len(raw) == 0 || raw[0] != '"' {
		return "", false
	}
	s := scanner{b: raw}
	v, err := s.str()
	return v, err == nil
}

// maxInt bounds numbers so that every implementation reads the same one: beyond
// 2^53 a double loses digits (RFC 8259 §6).
const maxInt = 1e15

// Int is a whole number of at most fifteen digits. A fraction of zeros is
// accepted, because some clients write times as 1700000000.0.
func (c Claims) Int(name string) (int64, bool) {
	raw := string(c.Raw(name))
	if raw == "" || raw[0] != '-' && (raw[0] < '0' || raw[0] > '9') {
		return 0, false
	}
	if i := strings.IndexAny(raw, "eE"); i >= 0 {
		return whole(raw, i)
	}
	if strings.Contains(raw, ".") {
		raw = strings.TrimSuffix(strings.TrimRight(raw, "0"), ".")
	}
	n, err := strconv.ParseInt(raw, 10, 64)
	if err != nil || n < -maxInt || n > maxInt {
		return 0, false
	}
	return n, true
}

// whole reads a number with an exponent at position e. Short ones only, and no
// negative exponent: then no digit is lost by going through a double.
func whole(raw string, e int) (int64, bool) {
	if len(raw) > 16 || raw[e+1] == '-' {
		return 0, false
	}
	f, err := strconv.ParseFloat(raw, 64)
	if err != nil || f < -maxInt || f > maxInt || f != float64(int64(f)) {
		return 0, false
	}
	return int64(f), true
}

// parseObject reads b as exactly one JSON object (RFC 8259), refusing what
// parsers are known to disagree about: names given twice, names of the top level
// that differ by case only, bad UTF-8, lone surrogates, deep nesting, trailing
// data.
func parseObject(b []byte) (Claims, error) {
	if !utf8.Valid(b) {
		return Claims{}, errors.New("not UTF-8")
	}
	s := scanner{b: b}
	s.space()
	if !s.take('{') {
		return Claims{}, errors.New("not a JSON object")
	}
	members, err := s.object(1)
	if err != nil {
		return Claims{}, err
	}
	if s.space(); s.pos != len(b) {
		return Claims{}, s.fail("data after the object")
	}
	if err := foldedTwice(members); err != nil {
		return Claims{}, err
	}
	return Claims{members}, nil
}

func foldedTwice(members []member) error {
	for i := range members {
		for j := range i {
			a, b := members[i].name, members[j].name
			if len(a) <= 2*len(b) && strings.EqualFold(a, b) {
				return fmt.Errorf("names %s and %s differ by case only", quoted(b), quoted(a))
			}
		}
	}
	return nil
}

// quoted shows a stranger's name in an error, bounded and on one line.
func quoted(name string) string {
	if len(name) > 40 {
		name = name[:40] + "…"
	}
	return strconv.QuoteToASCII(name)
}

// scanner walks over JSON text once, without building anything but names.
type scanner struct {
	b     []byte
	pos   int
	count int // members met
}

func (s *scanner) fail(what string) error { return fmt.Errorf("%s at byte %d", what, s.pos) }

func (s *scanner) space() {
	for s.pos < len(s.b) {
		switch s.b[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

func (s *scanner) take(c byte) bool {
	if s.pos < len(s.b) && s.b[s.pos] == c {
		s.pos++
		return true
	}
	return false
}

// object reads the members behind an opening brace.
func (s *scanner) object(depth int) ([]member, error) {
	if depth > maxDepth {
		return nil, s.fail("nested too deep")
	}
	if s.space(); s.take('}') {
		return nil, nil
	}
	members := make([]member, 0, 12)
	for {
		m, err := s.member(depth)
		if err != nil {
			return nil, err
		}
		for i := range members {
			if members[i].name == m.name {
				return nil, fmt.Errorf("name %s is given twice", quoted(m.name))
			}
		}
		members = append(members, m)
		s.space()
		if s.take('}') {
			return members, nil
		}
		if !s.take(',') {
			return nil, s.fail("no comma or closing brace")
		}
		s.space()
	}
}

func (s *scanner) member(depth int) (member, error) {
	if s.count++; s.count > maxMembers {
		return member{}, s.fail("too many members")
	}
	name, err := s.str()
	if err != nil {
		return member{}, err
	}
	if s.space(); !s.take(':') {
		return member{}, s.fail("no colon")
	}
	s.space()
	start := s.pos
	if err := s.value(depth); err != nil {
		return member{}, err
	}
	return member{name, s.b[start:s.pos]}, nil
}

func (s *scanner) array(depth int) error {
	if depth > maxDepth {
		return s.fail("nested too deep")
	}
	if s.space(); s.take(']') {
		return nil
	}
	for {
		if err := s.value(depth); err != nil {
			return err
		}
		s.space()
		if s.take(']') {
			return nil
		}
		if !s.take(',') {
			return s.fail("no comma or closing bracket")
		}
		s.space()
	}
}

// value passes over one value; depth is that of what holds it.
func (s *scanner) value(depth int) error {
	if s.pos == len(s.b) {
		return s.fail("cut short")
	}
	switch c := s.b[s.pos]; {
	case c == '{':
		s.pos++
		_, err := s.object(depth + 1)
		return err
	case c == '[':
		s.pos++
		return s.array(depth + 1)
	case c == '"':
		_, err := s.quoted()
		return err
	case c == '-' || c >= '0' && c <= '9':
		return s.number()
	}
	for _, word := range [...]string{"true", "false", "null"} {
		if bytes.HasPrefix(s.b[s.pos:], []byte(word)) {
			s.pos += len(word)
			return nil
		}
	}
	return s.fail("no JSON value")
}

func (s *scanner) number() error {
	s.take('-')
	if !s.take('0') && !s.digits() {
		return s.fail("bad number")
	}
	if s.take('.') && !s.digits() {
		return s.fail("bad number")
	}
	if s.take('e') || s.take('E') {
		if !s.take('+') {
			s.take('-')
		}
		if !s.digits() {
			return s.fail("bad number")
		}
	}
	return nil
}

func (s *scanner) digits() bool {
	start := s.pos
	for s.pos < len(s.b) && s.b[s.pos] >= '0' && s.b[s.pos] <= '9' {
		s.pos++
	}
	return s.pos > start
}

// str reads a string and resolves its escapes.
func (s *scanner) str() (string, error) {
	start := s.pos + 1
	escaped, err := s.quoted()
	if err != nil {
		return "", err
	}
	inner := s.b[start : s.pos-1]
	if !escaped {
		return string(inner), nil
	}
	return string(unescape(inner)), nil
}

// quoted passes over a string and says whether it has escapes.
func (s *scanner) quoted() (escaped bool, err error) {
	if !s.take('"') {
		return false, s.fail("no string")
	}
	for s.pos < len(s.b) {
		c := s.b[s.pos]
		s.pos++
		switch {
		case c == '"':
			return escaped, nil
		case c < 0x20:
			return false, s.fail("control character in a string")
		case c == '\\':
			escaped = true
			if err := s.escape(); err != nil {
				return false, err
			}
		}
	}
	return false, s.fail("string without an end")
}

// escape passes over what follows a backslash. Half of a surrogate pair stands
// for no character and is refused: parsers replace it in different ways.
func (s *scanner) escape() error {
	if s.pos == len(s.b) {
		return s.fail("cut short")
	}
	c := s.b[s.pos]
	s.pos++
	if c != 'u' {
		if strings.IndexByte(`"\/bfnrt`, c) < 0 {
			return s.fail("bad escape")
		}
		return nil
	}
	r, ok := hex4(s.b[s.pos:])
	if !ok {
		return s.fail("bad escape")
	}
	s.pos += 4
	if !utf16.IsSurrogate(r) {
		return nil
	}
	if len(s.b)-s.pos < 6 || s.b[s.pos] != '\\' || s.b[s.pos+1] != 'u' {
		return s.fail("half a surrogate pair")
	}
	low, ok := hex4(s.b[s.pos+2:])
	if !ok || utf16.DecodeRune(r, low) == utf8.RuneError {
		return s.fail("half a surrogate pair")
	}
	s.pos += 6
	return nil
}

func hex4(b []byte) (rune, bool) {
	if len(b) < 4 {
		return 0, false
	}
	var r rune
	for _, c := range b[:4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// unescape resolves the escapes of a string that quoted has passed.
func unescape(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] != '\\' {
			out = append(out, b[i])
			continue
		}
		i++
		if b[i] != 'u' {
			out = append(out, unescaped(b[i]))
			continue
		}
		r, _ := hex4(b[i+1:])
		i += 4
		if utf16.IsSurrogate(r) {
			low, _ := hex4(b[i+3:])
			r = utf16.DecodeRune(r, low)
			i += 6
		}
		out = utf8.AppendRune(out, r)
	}
	return out
}

func unescaped(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}
