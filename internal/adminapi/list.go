package adminapi

import (
	"encoding/base64"
	"net/url"
	"strconv"
	"strings"

	"jeton/internal/dialect"
	"jeton/internal/oauth"
)

// Bounds of a list.
const (
	defaultLimit = 50
	maxLimit     = 200
)

// page is what of a list is asked for.
type page struct {
	limit int
	after string // the key of the last item of the page before, "" = from the first
}

// List is one page of a list. Items is never null.
type List[T any] struct {
	Items []T   `json:"items"`
	Total int64 `json:"total,omitempty"` // of all pages, where counting is cheap
}

// readPage reads limit and after. A cursor says which list it is of, so that no
// key of another list is taken for one of this.
func readPage(r *dialect.Request, kind string) (page, error) {
	q, err := r.Query()
	if err != nil {
		return page{}, err
	}
	p := page{limit: defaultLimit}
	if text, ok := q.Get("limit"); ok {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxLimit {
			return page{}, refuse(oauth.InvalidValue, "limit", "limit is a number from 1 to "+strconv.Itoa(maxLimit))
		}
		p.limit = n
	}
	if text, ok := q.Get("after"); ok {
		raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
		key, mine := strings.CutPrefix(string(raw), kind+":")
		if err != nil || !mine || key == "" {
			return page{}, badCursor()
		}
		p.after = key
	}
	return p, nil
}

func badCursor() error {
	return refuse(oauth.InvalidValue, "after", "after is not from a link of this list")
}

// number is the cursor as a number.
func (p page) number() (int64, error) {
	if p.after == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(p.after, 10, 64)
	if err != nil || n < 0 {
		return 0, badCursor()
	}
	return n, nil
}

// reply answers with a page and, when there may be more behind the item keyed
// last, the link to it (RFC 8288).
func reply[T any](r *dialect.Request, kind string, items []T, total int64, more bool, last string) dialect.Reply {
	if items == nil {
		items = []T{}
	}
	out := dialect.OK(List[T]{items, total})
	if !more {
		return out
	}
	q := r.URL.Query()
	q.Set("after", base64.RawURLEncoding.EncodeToString([]byte(kind+":"+last)))
	next := url.URL{Path: r.URL.Path, RawQuery: q.Encode()}
	return out.With("Link", "<"+next.RequestURI()+`>; rel="next"`)
}

// cut takes the page that begins after the cursor from a list ordered by key.
func cut[T any](list []T, p page, key func(T) string) (items []T, more bool, last string) {
	start := 0
	for p.after != "" && start < len(list) && key(list[start]) <= p.after {
		start++
	}
	end := min(start+p.limit, len(list))
	items = list[start:end]
	if end < len(list) {
		return items, true, key(list[end-1])
	}
	return items, false, ""
}

// full takes limit of limit+1 items that were asked for: the one too many tells
// that there is another page.
func full[T any](list []T, limit int) (items []T, more bool) {
	if len(list) > limit {
		return list[:limit], true
	}
	return list, false
}

func decodeBase64(s string) ([]byte, error) { return base64.RawURLEncoding.DecodeString(s) }
