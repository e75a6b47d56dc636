package wire

import (
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"jeton/internal/oauth"
)

// wantCode fails unless err is a refusal with code; "" asks for no error.
func wantCode(t *testing.T, err error, code oauth.Code) {
	t.Helper()
	switch {
	case code == "" && err != nil:
		t.Fatalf("refused: %v", err)
	case code != "" && !oauth.Is(err, code):
		t.Fatalf("got %v, want a refusal with %s", err, code)
	}
}

// wantFast fails unless f can be done in 50 ms. It takes the best of some runs:
// the machine may be busy with something else.
func wantFast(t *testing.T, f func()) {
	t.Helper()
	best := time.Hour
	for range 5 {
		start := time.Now()
		f()
		best = min(best, time.Since(start))
	}
	if best > slack*50*time.Millisecond {
		t.Errorf("took %v", best)
	}
}

// header makes a header of one name with the given lines.
func header(name string, lines ...string) http.Header { return http.Header{name: lines} }

// counter counts what is read from it; it never ends.
type counter struct{ n int64 }

func (c *counter) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 'a'
	}
	c.n += int64(len(b))
	return len(b), nil
}

func TestHTTP02ALargeChunkedBodyIsRefusedAfterOneByteTooMany(t *testing.T) {
	src := new(counter)
	r := httptest.NewRequest("POST", "/token", src)
	if r.ContentLength != -1 {
		t.Fatal("the request is not chunked")
	}
	_, err := ReadBody(r, 1000)
	wantCode(t, err, oauth.TooLarge)
	if src.n > 1001 {
		t.Errorf("read %d bytes of a body limited to 1000", src.n)
	}
}

func TestHTTP02ALargeContentLengthIsRefusedUnread(t *testing.T) {
	src := new(counter)
	r := httptest.NewRequest("POST", "/token", src)
	r.ContentLength = 10 << 20
	_, err := ReadBody(r, MaxBody)
	wantCode(t, err, oauth.TooLarge)
	if src.n != 0 {
		t.Errorf("read %d bytes before refusing", src.n)
	}
}

func TestHTTP02AnAnnouncedLengthAloneAllocatesLittle(t *testing.T) {
	r := httptest.NewRequest("POST", "/token", strings.NewReader("a=b"))
	r.ContentLength = 1 << 20
	body, err := ReadBody(r, 1<<20)
	wantCode(t, err, "")
	if cap(body) > firstRead {
		t.Errorf("allocated %d bytes for 3", cap(body))
	}
}

func TestReadBodyReadsUpToItsLimit(t *testing.T) {
	for _, n := range []int{0, 1, 511, 512, 513, firstRead, firstRead + 1, MaxBody} {
		text := strings.Repeat("x", n)
		for _, known := range []bool{true, false} {
			r := httptest.NewRequest("POST", "/", strings.NewReader(text))
			if !known {
				r.ContentLength = -1
			}
			body, err := ReadBody(r, MaxBody)
			if err != nil || string(body) != text {
				t.Errorf("%d bytes, length known %v: got %d bytes, %v", n, known, len(body), err)
			}
		}
	}
}

func TestReadBodyToleratesARequestWithoutBody(t *testing.T) {
	body, err := ReadBody(&http.Request{ContentLength: -1}, MaxBody)
	if err != nil || body != nil {
		t.Errorf("got %q, %v", body, err)
	}
}

func TestReadBodyHonoursAnOuterLimit(t *testing.T) {
	r := httptest.NewRequest("POST", "/", strings.NewReader("12345678"))
	r.Body = http.MaxBytesReader(nil, r.Body, 4)
	_, err := ReadBody(r, MaxBody)
	wantCode(t, err, oauth.TooLarge)
}

func TestABodyThatBreaksOffIsMalformedAndKeepsItsCauseForTheLog(t *testing.T) {
	r := httptest.NewRequest("POST", "/", io.MultiReader(strings.NewReader("a=b"), broken{}))
	_, err := ReadBody(r, MaxBody)
	wantCode(t, err, oauth.MalformedBody)
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("cause lost: %v", err)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestHTTP03CompressedBodiesAreRefusedUnread(t *testing.T) {
	tests := []struct {
		lines []string
		code  oauth.Code
	}{
		{nil, ""},
		{[]string{"identity"}, ""},
		{[]string{"Identity, "}, ""},
		{[]string{"gzip"}, oauth.UnsupportedMedia},
		{[]string{"deflate"}, oauth.UnsupportedMedia},
		{[]string{"br"}, oauth.UnsupportedMedia},
		{[]string{"zstd"}, oauth.UnsupportedMedia},
		{[]string{"identity, gzip"}, oauth.UnsupportedMedia},
		{[]string{"identity", "gzip"}, oauth.UnsupportedMedia},
	}
	for _, tt := range tests {
		r := httptest.NewRequest("POST", "/", strings.NewReader("a=b"))
		r.Header["Content-Encoding"] = tt.lines
		_, err := ReadBody(r, MaxBody)
		if tt.code == "" && err != nil || tt.code != "" && !oauth.Is(err, tt.code) {
			t.Errorf("%q: %v", tt.lines, err)
		}
	}
}

func TestMediaTypeIgnoresParametersAndCase(t *testing.T) {
	tests := []struct {
		lines []string
		want  string
	}{
		{nil, ""},
		{[]string{""}, ""},
		{[]string{"application/json"}, "application/json"},
		{[]string{"Application/JSON; charset=utf-8"}, "application/json"},
		{[]string{"application/json;odata.metadata=minimal;odata.streaming=true"}, "application/json"},
		{[]string{" application/x-www-form-urlencoded ; charset=\"a;b\""}, "application/x-www-form-urlencoded"},
		{[]string{"application/json", "application/json"}, Invalid},
		{[]string{"application/json, text/plain"}, Invalid},
		{[]string{"json"}, Invalid},
		{[]string{"/json"}, Invalid},
		{[]string{"application/"}, Invalid},
		{[]string{"application/js on"}, Invalid},
	}
	for _, tt := range tests {
		if got := MediaType(header("Content-Type", tt.lines...)); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.lines, got, tt.want)
		}
	}
}

func TestJSONTextKeepsAmpersandsAndEndsWithoutNewline(t *testing.T) {
	got, err := JSONText(map[string]string{"u": "https://a/?b=1&c=<2>"})
	if err != nil || string(got) != `{"u":"https://a/?b=1&c=<2>"}` {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := JSONText(math.NaN()); err == nil {
		t.Error("NaN was encoded")
	}
}

func TestFoldingIsForASCIILettersOnly(t *testing.T) {
	if !equalFold("ClientId", "CLIENTID") || equalFold("k", "\u212a") || equalFold("[", "{") || equalFold("ſ", "s") {
		t.Error("equalFold folds other than ASCII letters")
	}
}
