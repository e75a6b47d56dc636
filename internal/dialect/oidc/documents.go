package oidc

import (
	"crypto/sha256"
	"encoding/hex"
	"sync"

	"jeton/internal/wire"
)

// maxDocuments is how many base URLs a document is remembered for. Loopback host
// names are a stranger's to choose, so the memory is bounded.
const maxDocuments = 64

// rendered is a public document as it is sent.
type rendered struct {
	body []byte
	etag string
}

// documents remembers a public document as text, by base URL: it is asked for far
// more often than it could change, and never changes while the process runs.
type documents struct {
	mu sync.RWMutex
	of map[string]rendered
}

// get gives the document of a base URL, made by write the first time.
func (d *documents) get(base string, write func() any) (rendered, error) {
	d.mu.RLock()
	r, ok := d.of[base]
	d.mu.RUnlock()
	if ok {
		return r, nil
	}
	body, err := wire.JSONText(write())
	if err != nil {
		return rendered{}, err
	}
	sum := sha256.Sum256(body)
	r = rendered{body, `"` + hex.EncodeToString(sum[:8]) + `"`}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.of == nil || len(d.of) >= maxDocuments {
		d.of = map[string]rendered{}
	}
	d.of[base] = r
	return r, nil
}
