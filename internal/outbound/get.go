package outbound

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// flight is one fetch that several may wait for. body and err are set when done is
// closed.
type flight struct {
	done chan struct{}
	body []byte
	err  error
}

// failure is a fetch that came to nothing.
type failure struct {
	err   error
	until time.Time
}

// Get fetches a document: status 200, at most 512 KiB. A URL is fetched once at a
// time, whoever waits for it, and not again for 30 s after it failed, so that nobody
// can make this server knock on a door. The error is as Post's. The body is shared:
// do not change it.
func (c *Client) Get(ctx context.Context, from string) ([]byte, error) {
	c.mu.Lock()
	if f, ok := c.failed[from]; ok && c.now().Before(f.until) {
		c.mu.Unlock()
		return nil, f.err
	}
	f, under := c.flights[from]
	if !under {
		f = &flight{done: make(chan struct{})}
		c.flights[from] = f
		// Whoever asked first may leave; the others still wait for the answer.
		go c.fly(context.WithoutCancel(ctx), from, f)
	}
	c.mu.Unlock()
	select {
	case <-f.done:
		return f.body, f.err
	case <-ctx.Done():
		return nil, fmt.Errorf("outbound: the call was given up: %w", ctx.Err())
	}
}

func (c *Client) fly(ctx context.Context, from string, f *flight) {
	f.body, f.err = c.fetch(ctx, from)
	c.mu.Lock()
	delete(c.flights, from)
	delete(c.failed, from)
	if f.err != nil {
		c.note(from, f.err)
	}
	c.mu.Unlock()
	close(f.done)
}

func (c *Client) fetch(ctx context.Context, from string) ([]byte, error) {
	status, body, whole, err := c.call(ctx, http.MethodGet, from, "", nil)
	switch {
	case err != nil:
		return nil, err
	case status != http.StatusOK:
		return nil, &Error{Text: "answered " + strconv.Itoa(status)}
	case !whole:
		return nil, &Error{Text: fmt.Sprintf("the answer is longer than %d KiB", maxBody>>10)}
	}
	return body, nil
}

// note remembers a failure for a while; the table is bounded. The lock is held.
func (c *Client) note(from string, err error) {
	now := c.now()
	if len(c.failed) >= maxFailures {
		for url, f := range c.failed {
			if !now.Before(f.until) {
				delete(c.failed, url)
			}
		}
	}
	if len(c.failed) < maxFailures {
		c.failed[from] = failure{err, now.Add(failureKept)}
	}
}
