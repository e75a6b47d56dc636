package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"jeton/internal/mint"
	"jeton/internal/oauth"
	"jeton/internal/policy"
	"jeton/internal/server"
)

// fillers is how many goroutines fill: as many as one commit holds.
const fillers = 256

// The tokens that are kept of a filling, to ask about: some of each of the first
// clients, from all over the table.
const (
	askers   = 64
	perAsker = 512
)

// filling is many opaque tokens made the way the server makes them: by the mint,
// through the queue of the writer, each durable.
type filling struct {
	world *World
	rows  int
	// age is how long ago they were made; with an age beyond life they have expired.
	age, life time.Duration
	spread    int // hours over which their ends are spread
}

// run fills the database of a stopped server and gives sampled tokens by client.
func (f filling) run(ctx context.Context, data, database string) (tokens [][]string, err error) {
	then := func() time.Time { return time.Now().Add(-f.age) }
	s, err := open(ctx, data, database, then)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	profile, _ := s.Core.Mint.Profile("oidc")
	tokens = make([][]string, askers)
	stride := max(1, f.rows/(fillers*perAsker))
	var first error
	var mu sync.Mutex
	var wg sync.WaitGroup
	for w := range fillers {
		wg.Go(func() {
			kept, err := f.fill(ctx, s, profile, w, stride)
			mu.Lock()
			defer mu.Unlock()
			if w < askers {
				tokens[w] = kept
			}
			if first == nil {
				first = err
			}
		})
	}
	wg.Wait()
	return tokens, first
}

// fill makes the tokens of one client.
func (f filling) fill(ctx context.Context, s *server.Server, profile policy.Profile, w, stride int) (kept []string, err error) {
	id, _ := f.world.Client(Opaque, w)
	c, ok := s.Core.Clients.Client("default", id)
	if !ok {
		return nil, fmt.Errorf("bench: fill: no client %s", id)
	}
	scope := oauth.Scope{"read"}
	order := mint.Order{
		Client: c, Profile: profile, Issuer: "https://login.example.com",
		Proof: oauth.Proof{Subject: oauth.Subject{Org: "default", Client: id, Name: id}},
	}
	for n := 0; w+n*fillers < f.rows; n++ {
		life := f.life + time.Duration(n%f.spread)*time.Hour
		order.Decision = policy.Decision{Scope: scope, Family: scope, Audience: c.Audiences, Access: life, Life: life}
		t, err := s.Core.Mint.Issue(ctx, order)
		if err != nil {
			return nil, fmt.Errorf("bench: fill: %w", err)
		}
		if n%stride == 0 && len(kept) < perAsker {
			kept = append(kept, t.Access)
		}
	}
	return kept, nil
}

// fill fills a stopped server's database and reports how long it took.
func (r *runner) fill(ctx context.Context, s *started, f filling) ([][]string, error) {
	from := time.Now()
	tokens, err := f.run(ctx, s.data, s.database)
	if err == nil {
		took := time.Since(from)
		r.logf("filled %d tokens in %s (%.0f /s)", f.rows, took.Round(time.Millisecond), float64(f.rows)/took.Seconds())
	}
	return tokens, err
}
