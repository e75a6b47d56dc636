package wire

import (
	"net/url"
	"slices"
	"strings"

	"jeton/internal/oauth"
)

// MaxParams is how many parameters one form or query string may hold.
const MaxParams = 100

// Params is an ordered set of parameters: each name once. The zero value holds
// none. It is read-only and may be shared.
type Params struct{ list []param }

type param struct{ name, value string }

// repeatable is the one parameter of a protocol that may stand several times: a
// resource indicator (RFC 8707 §2). All gives its values.
const repeatable = "resource"

// All is every value of name, in order; more than one only where that was allowed.
func (p Params) All(name string) []string {
	var out []string
	for _, x := range p.list {
		if x.name == name && x.value != "" {
			out = append(out, x.value)
		}
	}
	return out
}

// Form reads an application/x-www-form-urlencoded body. It refuses, with
// InvalidRequest: more than MaxParams parameters, a name given twice (with the
// same value too), an empty name or one over MaxName bytes, a bad percent escape,
// bytes that are not UTF-8, and NUL, CR or LF in a value. Parameters named in raw
// may hold CR and LF: keys and other texts of many lines. A semicolon separates
// nothing; it is part of the value.
func Form(body []byte, raw ...string) (Params, error) {
	return parse(string(body), raw, []string{repeatable})
}

// Fields reads the body of a form on one of our own pages by the rules of Form;
// parameters named in repeat, check boxes, may stand several times.
func Fields(body []byte, repeat []string, raw ...string) (Params, error) {
	return parse(string(body), raw, repeat)
}

// Query reads the query string of a URL by the rules of Form.
func Query(rawQuery string, raw ...string) (Params, error) {
	return parse(rawQuery, raw, []string{repeatable})
}

func parse(s string, raw, repeat []string) (Params, error) {
	if s == "" {
		return Params{}, nil
	}
	p := Params{list: make([]param, 0, min(strings.Count(s, "&")+1, MaxParams))}
	for s != "" {
		var pair string
		if pair, s, _ = strings.Cut(s, "&"); pair == "" {
			continue
		}
		if len(p.list) == MaxParams {
			return Params{}, oauth.Refuse(oauth.InvalidRequest, "too many parameters")
		}
		next, err := parsePair(pair, raw)
		if err != nil {
			return Params{}, err
		}
		if p.Has(next.name) && !slices.Contains(repeat, next.name) {
			return Params{}, repeated("parameter", next.name)
		}
		p.list = append(p.list, next)
	}
	return p, nil
}

func parsePair(pair string, raw []string) (param, error) {
	name, value, _ := strings.Cut(pair, "=")
	name, err := unescape(name)
	if err != nil {
		return param{}, err
	}
	if name == "" || len(name) > MaxName || hasControl(name) {
		return param{}, oauth.Refuse(oauth.InvalidRequest, "a parameter has no usable name")
	}
	if value, err = unescape(value); err != nil {
		return param{}, err
	}
	if !isLine(value) && !allowed(value, name, raw) {
		return param{}, unusable(name)
	}
	return param{name, value}, nil
}

// unescape decodes %XX and +. The parse error of net/url is dropped on purpose:
// it quotes a piece of the value.
func unescape(s string) (string, error) {
	if strings.IndexByte(s, '%') >= 0 || strings.IndexByte(s, '+') >= 0 {
		decoded, err := url.QueryUnescape(s)
		if err != nil {
			return "", oauth.Refuse(oauth.InvalidRequest, "a parameter has a bad percent escape")
		}
		s = decoded
	}
	if !isText(s) {
		return "", oauth.Refuse(oauth.InvalidRequest, "a parameter is not UTF-8")
	}
	return s, nil
}

// isLine reports whether s has no NUL, CR or LF: those forge lines in whatever
// prints them, and NUL is no text to a database.
func isLine(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c == 0 || c == '\r' || c == '\n' {
			return false
		}
	}
	return true
}

// allowed reports whether a value of several lines may stand under name. NUL
// never may.
func allowed(value, name string, raw []string) bool {
	return slices.Contains(raw, name) && strings.IndexByte(value, 0) < 0
}

func unusable(name string) error {
	e := oauth.Refuse(oauth.InvalidRequest, "a parameter holds a control character")
	if len(name) <= 64 && isToken(name) {
		e.Param = name
	}
	return e
}

// find gives the index of name, or -1.
func (p Params) find(name string) int {
	for i := range p.list {
		if p.list[i].name == name {
			return i
		}
	}
	return -1
}

// Get is the value of name. An empty value counts as absent (RFC 6749 §3.1).
func (p Params) Get(name string) (string, bool) {
	v := p.Text(name)
	return v, v != ""
}

// Text is the value of name, "" when absent.
func (p Params) Text(name string) string {
	if i := p.find(name); i >= 0 {
		return p.list[i].value
	}
	return ""
}

// Need is the value of name; absent or empty it is refused as MissingParameter.
func (p Params) Need(name string) (string, error) {
	if v, ok := p.Get(name); ok {
		return v, nil
	}
	return "", oauth.Missing(name)
}

// Has reports whether name was sent, even with an empty value.
func (p Params) Has(name string) bool { return p.find(name) >= 0 }

// Len is the number of parameters.
func (p Params) Len() int { return len(p.list) }

// Names lists the names in the order they came.
func (p Params) Names() []string {
	out := make([]string, len(p.list))
	for i := range p.list {
		out[i] = p.list[i].name
	}
	return out
}

// Merge joins query and body for the vendor endpoints that read both: the body
// wins. A parameter the body sends without a value counts as omitted there
// (RFC 6749 §3.1), so the query's stands.
func Merge(query, body Params) Params {
	if len(query.list) == 0 {
		return body
	}
	out := Params{list: make([]param, len(body.list), len(body.list)+len(query.list))}
	copy(out.list, body.list)
	for _, q := range query.list {
		switch i := body.find(q.name); {
		case i < 0:
			out.list = append(out.list, q)
		case body.list[i].value == "":
			out.list[i].value = q.value
		}
	}
	return out
}

// Disjoint refuses a name that is in both: the standard endpoints read the body
// alone, and a second opinion in the query is an attempt to be read twice.
func Disjoint(query, body Params) error {
	for _, q := range query.list {
		if body.Has(q.name) {
			return repeated("parameter", q.name)
		}
	}
	return nil
}
