package bench

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// timeout is how long an answer may take. A server that locks up must end as
// errors in the table, not as a benchmark that hangs.
const timeout = 10 * time.Second

// maxBody bounds one answer.
const maxBody = 1 << 20

// Conn is one kept-alive HTTP/1.1 connection. It writes requests made beforehand
// and reads no more of an answer than it needs, so that the load generator takes
// little of the processor it measures on.
type Conn struct {
	addr  string
	limit time.Duration // for one answer
	c     net.Conn
	r     *bufio.Reader
	body  []byte

	// ETag, Location, Cookies and close are of the last answer.
	ETag     string
	Location string
	Cookies  []string // name=value of each Set-Cookie
	close    bool
}

// Dial prepares a connection; it opens with the first request and again after an
// error.
func Dial(addr string) *Conn { return &Conn{addr: addr, limit: timeout} }

// Close closes the connection if it is open.
func (c *Conn) Close() {
	if c.c != nil {
		_ = c.c.Close() // nothing is pending
		c.c = nil
	}
}

// Do sends a request and reads its answer. The body is valid until the next call.
func (c *Conn) Do(request []byte) (status int, body []byte, err error) {
	if c.c == nil {
		if c.c, err = net.DialTimeout("tcp", c.addr, c.limit); err != nil {
			c.c = nil
			return 0, nil, err
		}
		c.r = bufio.NewReaderSize(c.c, 8192)
	}
	status, err = c.exchange(request)
	if err != nil || c.close {
		c.Close()
	}
	return status, c.body, err
}

func (c *Conn) exchange(request []byte) (int, error) {
	if err := c.c.SetDeadline(time.Now().Add(c.limit)); err != nil {
		return 0, err
	}
	if _, err := c.c.Write(request); err != nil {
		return 0, err
	}
	status, length, err := c.head()
	if err != nil {
		return 0, err
	}
	if status == 304 || status == 204 { // RFC 9112 §6.3: no body, whatever the length says
		length = 0
	}
	if length < 0 || length > maxBody {
		return 0, fmt.Errorf("an answer of status %d with no length or too long a body", status)
	}
	if cap(c.body) < length {
		c.body = make([]byte, length)
	}
	c.body = c.body[:length]
	_, err = io.ReadFull(c.r, c.body)
	return status, err
}

var errHead = errors.New("not an HTTP/1.1 answer")

// head reads the status line and the fields that matter.
func (c *Conn) head() (status, length int, err error) {
	line, err := c.line()
	if err != nil {
		return 0, 0, err
	}
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return 0, 0, errHead
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, 0, errHead
	}
	length, c.ETag, c.Location, c.Cookies, c.close = -1, "", "", c.Cookies[:0], false
	for {
		if line, err = c.line(); err != nil || len(line) == 0 {
			return status, length, err
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch value = bytes.TrimSpace(value); {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(value)); err != nil {
				return 0, 0, errHead
			}
		case bytes.EqualFold(name, []byte("ETag")):
			c.ETag = string(value)
		case bytes.EqualFold(name, []byte("Location")):
			c.Location = string(value)
		case bytes.EqualFold(name, []byte("Set-Cookie")):
			pair, _, _ := bytes.Cut(value, []byte(";"))
			c.Cookies = append(c.Cookies, string(pair))
		case bytes.EqualFold(name, []byte("Connection")):
			c.close = bytes.EqualFold(value, []byte("close"))
		}
	}
}

func (c *Conn) line() ([]byte, error) {
	line, err := c.r.ReadSlice('\n')
	if err != nil {
		return nil, err
	}
	return bytes.TrimRight(line, "\r\n"), nil
}

// Request spells a request. fields are whole header lines without line ends.
func Request(method, path, host, body string, fields ...string) []byte {
	var b strings.Builder
	b.WriteString(method + " " + path + " HTTP/1.1\r\nHost: " + host + "\r\n")
	for _, f := range fields {
		b.WriteString(f + "\r\n")
	}
	if body != "" || method == "POST" {
		b.WriteString("Content-Length: " + strconv.Itoa(len(body)) + "\r\n")
	}
	b.WriteString("\r\n" + body)
	return []byte(b.String())
}

// Member finds the text of a member of a flat JSON object whose texts have no
// escapes, as tokens have none; "" when it is not there.
func Member(body []byte, name string) string {
	_, rest, ok := bytes.Cut(body, []byte(`"`+name+`":"`))
	if !ok {
		return ""
	}
	text, _, ok := bytes.Cut(rest, []byte(`"`))
	if !ok {
		return ""
	}
	return string(text)
}
