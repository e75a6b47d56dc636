package hash

import (
	"context"
	"testing"
	"testing/synctest"

	"jeton/internal/oauth"
)

// Whoever sends passwords without a pause fills his own share of the queue and no
// more: others still find a place in it.
func TestLogin06OnePartyNeverFillsTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(1, 8)
		leave, err := p.enter(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		results := make(chan error, 64)
		try := func(who string) {
			go func() {
				leave, err := p.enter(For(ctx, who))
				if err == nil {
					leave()
				}
				results <- err
			}()
			synctest.Wait()
		}
		refused := func() (n int) {
			for {
				select {
				case err := <-results:
					if oauth.Is(err, oauth.Unavailable) {
						n++
					}
				default:
					return n
				}
			}
		}
		for range 20 {
			try("192.0.2.9/32")
		}
		if n := refused(); n != 18 { // a quarter of eight waits
			t.Errorf("%d of 20 refused", n)
		}
		for _, who := range []string{"192.0.2.1/32", "", "192.0.2.2/32"} {
			try(who)
		}
		if n := refused(); n != 0 {
			t.Errorf("%d of the others refused", n)
		}
		leave()
		synctest.Wait()
		if n := p.waiting.Load(); n != 0 || len(p.of) != 0 {
			t.Errorf("%d still wait, of %v", n, p.of)
		}
		cancel()
	})
}
