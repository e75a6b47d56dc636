package outbound

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"unicode"
)

// Error is why a call came to nothing, for the operator's eyes: one line, bounded,
// without the URL, whose query may hold what nobody else may know.
type Error struct {
	Text  string
	cause error
}

// Error implements error.
func (e *Error) Error() string { return e.Text }

// Unwrap gives what lies beneath.
func (e *Error) Unwrap() error { return e.cause }

// reason puts what the transport says into words. It is ctx's own error when that
// ended: then nothing is known about the other side.
func (c *Client) reason(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("outbound: the call was given up: %w", ctx.Err())
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err // its text has the URL
	}
	if own, ok := errors.AsType[*Error](err); ok {
		return own
	}
	return &Error{Text: c.words(err), cause: err}
}

func (c *Client) words(err error) string {
	if name, ok := errors.AsType[*net.DNSError](err); ok {
		if name.IsNotFound {
			return "the host name has no address"
		}
		return "the host name could not be looked up"
	}
	op, _ := errors.AsType[*net.OpError](err)
	dialing := op != nil && op.Op == "dial"
	var slow net.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &slow) && slow.Timeout():
		if dialing {
			return fmt.Sprintf("no connection within %v", c.connect)
		}
		return fmt.Sprintf("no whole answer within %v", c.whole)
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "no way to the address"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection ended before the answer"
	}
	if bad, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "certificate not accepted: " + Clean(bad.Err.Error())
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok || errors.Is(err, http.ErrSchemeMismatch) {
		return "no TLS at this port"
	}
	return "the call failed: " + Clean(err.Error())
}

// maxClean is how much of a stranger's text is kept, in bytes.
const maxClean = 160

// Clean makes a stranger's text fit for one line of a list: bounded, without control
// characters and what else does not print.
func Clean(text string) string {
	text = strings.ToValidUTF8(text[:min(len(text), 4*maxClean)], "")
	var b strings.Builder
	for word := range strings.FieldsSeq(text) {
		word = strings.Map(func(r rune) rune {
			if !unicode.IsGraphic(r) {
				return -1
			}
			return r
		}, word)
		if word == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(word)
	}
	text = b.String()
	if len(text) > maxClean {
		text = strings.ToValidUTF8(text[:maxClean-len("…")], "") + "…"
	}
	return text
}
