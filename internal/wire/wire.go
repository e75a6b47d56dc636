// Package wire owns RFC 6749 and its relatives as bytes: form and JSON bodies,
// query strings, the Authorization header, client credentials, and the standard
// error body with its status and challenge. Every HTTP face calls it before any
// other work. Each parser is strict, bounded and linear in its input, and refuses
// with an *oauth.Error that never quotes a value. It never compares a secret,
// never looks anything up and never writes an answer.
package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"

	"jeton/internal/oauth"
)

// MaxBody is the usual limit of a request body in bytes.
const MaxBody = 64 << 10

// MaxName is the longest parameter or member name in bytes.
const MaxName = 256

// firstRead bounds what a mere Content-Length makes us allocate: a slow client
// that announces the maximum gets no more until its bytes are here.
const firstRead = 8 << 10

// ReadBody reads the whole body, at most limit bytes. A longer one is TooLarge,
// before any reading where Content-Length tells; a compressed one is
// UnsupportedMedia, for a small body may unpack to any size. A body that breaks
// off is MalformedBody.
func ReadBody(r *http.Request, limit int64) ([]byte, error) {
	if !identity(r.Header) {
		return nil, oauth.Refuse(oauth.UnsupportedMedia, "compressed bodies are not read here")
	}
	if r.ContentLength > limit {
		return nil, oauth.Refuse(oauth.TooLarge, "")
	}
	if r.Body == nil || r.ContentLength == 0 {
		return nil, nil
	}
	room := int64(bytes.MinRead)
	if r.ContentLength > 0 { // one byte more, so that the end is seen without growing
		room = min(r.ContentLength+1, firstRead)
	}
	body, err := readAll(io.LimitReader(r.Body, limit+1), make([]byte, 0, room))
	var tooMuch *http.MaxBytesError
	switch {
	case errors.As(err, &tooMuch) || int64(len(body)) > limit:
		return nil, oauth.Refuse(oauth.TooLarge, "")
	case err != nil:
		return nil, oauth.Refuse(oauth.MalformedBody, "").Because(fmt.Errorf("wire: read body: %w", err))
	}
	return body, nil
}

// readAll appends what r holds to b.
func readAll(r io.Reader, b []byte) ([]byte, error) {
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err == io.EOF {
			return b, nil
		}
		if err != nil {
			return b, err
		}
	}
}

// identity reports whether the body comes as it is (RFC 9110 §8.4).
func identity(h http.Header) bool {
	for _, line := range h["Content-Encoding"] {
		for coding := range strings.SplitSeq(line, ",") {
			coding = strings.Trim(coding, " \t")
			if coding != "" && !equalFold(coding, "identity") {
				return false
			}
		}
	}
	return true
}

// Invalid is what MediaType says of a header that names no single type.
const Invalid = "invalid"

// MediaType is the type and subtype of Content-Type in lower case. Parameters
// are ignored: clients add charset and OData ones at will. Without the header it
// is ""; a repeated header, or one that is no media type, is Invalid.
func MediaType(h http.Header) string {
	lines := h["Content-Type"]
	if len(lines) == 0 {
		return ""
	}
	if len(lines) > 1 {
		return Invalid
	}
	text, _, _ := strings.Cut(lines[0], ";")
	text = strings.Trim(text, " \t")
	if text == "" {
		return ""
	}
	kind, sub, ok := strings.Cut(text, "/")
	if !ok || !isToken(kind) || !isToken(sub) {
		return Invalid
	}
	return strings.ToLower(text)
}

// JSONText is v as JSON, without the HTML escapes of encoding/json (an "&" in an
// address stays one) and without a newline at the end.
func JSONText(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("wire: encode JSON: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// isToken reports whether s is an HTTP token (RFC 9110 §5.6.2).
func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		if !tokenChar[s[i]] {
			return false
		}
	}
	return s != ""
}

var tokenChar = alphabet("!#$%&'*+-.^_`|~" + alphanumeric)

const alphanumeric = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// alphabet makes a membership table of the characters in s.
func alphabet(s string) (t [256]bool) {
	for i := 0; i < len(s); i++ {
		t[s[i]] = true
	}
	return t
}

// lower is c in lower case if it is an ASCII letter.
func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// equalFold compares without regard to the case of ASCII letters. It is narrower
// than strings.EqualFold on purpose: there the Kelvin sign equals k.
func equalFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := 0; i < len(a); i++ {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

// hasControl reports whether s holds a control character (RFC 5234 CTL).
func hasControl(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < 0x20 || s[i] == 0x7f {
			return true
		}
	}
	return false
}

// isText reports whether s is UTF-8.
func isText(s string) bool { return utf8.ValidString(s) }

// repeated is the refusal of a name given twice. The name is a stranger's, so it
// is shown only when it is short and plain.
func repeated(kind, name string) error {
	e := oauth.Refuse(oauth.InvalidRequest, "a "+kind+" was given twice")
	if len(name) <= 64 && isToken(name) {
		e.Param = name
		e.Description = kind + " " + name + " was given twice"
	}
	return e
}
