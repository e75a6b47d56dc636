package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"time"

	"jeton/internal/server"
)

// starts is how often a start is measured.
const starts = 5

// start measures how long the server takes to be ready, and what it weighs (P13,
// P14, P15).
func (r *runner) start(ctx context.Context) error {
	if err := r.weigh(); err != nil {
		return err
	}
	var fresh, again []float64
	for range starts {
		data, err := os.MkdirTemp(r.dir, "start")
		if err != nil {
			return err
		}
		database, err := r.newDatabase(ctx)
		if err != nil {
			return err
		}
		for _, list := range []*[]float64{&fresh, &again} {
			took, err := r.once(data, database)
			if err != nil {
				return err
			}
			*list = append(*list, millis(took))
		}
	}
	r.figure("start-empty-ms", "first start, exec to ready, empty folder", median(fresh), "ms")
	r.figure("start-again-ms", "next start, exec to ready", median(again), "ms")
	return r.idle(ctx)
}

// weigh is the size of the binary, stripped.
func (r *runner) weigh() error {
	if r.built == "" {
		r.report.Note("no size of the binary: the server ran in a child of the benchmark")
		return nil
	}
	info, err := os.Stat(r.built)
	if err != nil {
		return fmt.Errorf("bench: size of the binary: %w", err)
	}
	r.figure("binary-mb", "size of the binary, stripped", float64(info.Size())/1e6, "MB")
	return nil
}

// once starts and stops a server.
func (r *runner) once(data, database string) (time.Duration, error) {
	c, err := r.serverChild(data, database, false)
	if err != nil {
		return 0, err
	}
	took, err := c.ready(30 * time.Second)
	return took, errors.Join(err, c.stop())
}

// idle measures servers with nothing to do: the memory of an empty one and of one
// that has clients, and how long the first token takes.
func (r *runner) idle(ctx context.Context) error {
	s, err := r.begin(ctx, false)
	if err != nil {
		return err
	}
	first, err := r.firstTokens(s)
	if err != nil {
		return err
	}
	r.figure("first-token-ms", "first token after a start", median(first), "ms")
	empty, err := os.MkdirTemp(r.dir, "idle")
	if err != nil {
		return err
	}
	database, err := r.newDatabase(ctx)
	if err != nil {
		return err
	}
	if _, err := r.once(empty, database); err != nil { // what a first start leaves behind is not idle
		return err
	}
	if err := r.resident(empty, database, "rss-idle-mib", "memory, idle, empty"); err != nil {
		return err
	}
	return r.resident(s.data, s.database, "rss-world-mib", "memory, idle, "+strconv.Itoa(clientCount())+" clients")
}

// settling is how long after its start a server is idle.
const settling = 2 * time.Second

func (r *runner) resident(data, database, name, title string) error {
	c, err := r.serverChild(data, database, false)
	if err != nil {
		return err
	}
	if _, err := c.ready(30 * time.Second); err != nil {
		return errors.Join(err, c.stop())
	}
	time.Sleep(settling)
	rss, err := c.proc().RSS()
	if err := errors.Join(err, c.stop()); err != nil {
		return err
	}
	r.figure(name, title, mib(rss), "MiB")
	return nil
}

// firstTokens stops s, and measures the first token of each of a few starts.
func (r *runner) firstTokens(s *started) (list []float64, err error) {
	if err := s.stop(); err != nil {
		return nil, err
	}
	for range starts {
		c, err := r.serverChild(s.data, s.database, false)
		if err != nil {
			return nil, err
		}
		if _, err := c.ready(30 * time.Second); err != nil {
			return nil, errors.Join(err, c.stop())
		}
		t := &Target{Addr: c.addr, World: s.target.World}
		step, err := credentials(ES256, jwt)(t, 0)
		if err == nil {
			conn := Dial(c.addr)
			from := time.Now()
			err = step(conn)
			list = append(list, millis(time.Since(from)))
			conn.Close()
		}
		if err := errors.Join(err, c.stop()); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// smallRows is what growth compares with.
const smallRows = 10_000

// growth compares a server with many live tokens to one with few, side by side
// (P13, P14, P16).
func (r *runner) growth(ctx context.Context) error {
	small, few, err := r.grown(ctx, smallRows)
	if err != nil {
		return err
	}
	large, many, err := r.grown(ctx, r.Rows)
	if err != nil {
		return err
	}
	if err := r.tokenSize(ctx, small, large); err != nil {
		return err
	}
	if err := r.startGrown(large); err != nil {
		return err
	}
	if small, err = r.again(small, false); err != nil {
		return err
	}
	if large, err = r.again(large, false); err != nil {
		return errors.Join(err, small.stop())
	}
	return errors.Join(r.compare(small, large, few, many), r.crowd(large, many), small.stop(), large.stop())
}

// grown makes a database with that many live tokens; its server is stopped.
func (r *runner) grown(ctx context.Context, rows int) (*started, [][]string, error) {
	data, database, w, err := r.furnish(ctx)
	if err != nil {
		return nil, nil, err
	}
	s := &started{data: data, database: database, target: &Target{World: w}}
	tokens, err := r.fill(ctx, s, filling{world: w, rows: rows, life: 6 * time.Hour, spread: 24})
	return s, tokens, err
}

// tokenSize is what one more live token takes on disk.
func (r *runner) tokenSize(ctx context.Context, small, large *started) error {
	a, err := size(ctx, small.data, small.database)
	if err != nil {
		return err
	}
	b, err := size(ctx, large.data, large.database)
	if err != nil {
		return err
	}
	if r.Rows <= smallRows {
		return fmt.Errorf("rows must be more than %d", smallRows)
	}
	r.figure("bytes-per-token", "disk for one live opaque token", float64(b-a)/float64(r.Rows-smallRows), "bytes")
	return nil
}

func (r *runner) startGrown(large *started) error {
	var list []float64
	for range starts {
		took, err := r.once(large.data, large.database)
		if err != nil {
			return err
		}
		list = append(list, millis(took))
	}
	r.figure("start-grown-ms", fmt.Sprintf("start with %d live tokens", r.Rows), median(list), "ms")
	return nil
}

// compare measures both servers in turn and takes the median of the pairs.
func (r *runner) compare(small, large *started, few, many [][]string) error {
	issue := Operation{Name: "issue", Worker: credentials(Opaque, sealed)}
	for _, x := range []struct {
		name, title string
		few, many   Operation
	}{
		{"growth-issue", "issuance at %d live tokens / at %d", issue, issue},
		{"growth-introspect", "introspection at %d live tokens / at %d", asking(few), asking(many)},
	} {
		var rates, micros []float64
		for range r.Rounds {
			a, err := x.few.Drive(small.target, r.load(), small.proc())
			if err != nil {
				return err
			}
			b, err := x.many.Drive(large.target, r.load(), large.proc())
			if err != nil {
				return err
			}
			if a.Errors+b.Errors > 0 {
				return fmt.Errorf("%s: %w", x.name, errors.Join(a.First, b.First))
			}
			r.logf("%-20s %9.0f → %9.0f /s, %6.1f → %6.1f µs", x.name, a.Rate(), b.Rate(), a.Micros(), b.Micros())
			rates, micros = append(rates, b.Rate()/a.Rate()), append(micros, a.Micros()/b.Micros())
		}
		title := fmt.Sprintf(x.title, r.Rows, smallRows)
		r.figure(x.name, title+", requests/s", median(rates), "×")
		r.figure(x.name+"-cpu", title+", per CPU second", median(micros), "×")
	}
	return nil
}

// asking introspects tokens that were filled in.
func asking(tokens [][]string) Operation {
	return Operation{Name: "ask", Worker: func(t *Target, i int) (Step, error) {
		id, secret := t.World.Client(Opaque, i%askers)
		return t.introspecting(basic(id, secret), tokens[i%askers]), nil
	}}
}

// crowd is the memory with 64 connections at work.
func (r *runner) crowd(large *started, many [][]string) error {
	l := r.load()
	l.Conns = 64
	var most int64
	for _, o := range []Operation{{Name: "issue", Worker: credentials(Opaque, sealed)}, asking(many)} {
		res, err := o.Drive(large.target, l, large.proc())
		if err != nil {
			return err
		}
		if res.Errors > 0 {
			return fmt.Errorf("64 connections: %w", res.First)
		}
		most = max(most, res.RSS)
	}
	r.figure("rss-grown-mib", fmt.Sprintf("memory, 64 connections, %d live tokens", r.Rows), mib(most), "MiB")
	return nil
}

// sweepRows is how many rows one step of the sweep takes: as many as in a server
// (server.Tick).
const sweepRows = 500

// sweepAll removes all that expired.
func sweepAll(ctx context.Context, s *server.Server) (removed int, err error) {
	for more := true; more; {
		n := 0
		if n, more, err = s.Store.Sweep(ctx, time.Now(), 90*24*time.Hour, sweepRows); err != nil {
			return removed, err
		}
		removed += n
	}
	return max(removed, 1), nil
}

// sweep measures how expired tokens go (P17): the first time on a quiet server,
// then beside issuance.
func (r *runner) sweep(ctx context.Context) error {
	data, database, w, err := r.furnish(ctx)
	if err != nil {
		return err
	}
	s := &started{data: data, database: database, target: &Target{World: w}}
	var sizes []float64
	for n := range max(2, r.Cycles) {
		if _, err := r.fill(ctx, s, filling{world: w, rows: r.Rows, age: 5 * time.Hour, life: time.Hour, spread: 3}); err != nil {
			return err
		}
		b, err := size(ctx, data, database)
		if err != nil {
			return err
		}
		sizes = append(sizes, float64(b))
		r.logf("cycle %d: %.1f MiB", n+1, b2mib(b))
		if s, err = r.again(s, true); err != nil {
			return err
		}
		if err := errors.Join(r.swept(s, n == 0), s.stop()); err != nil {
			return err
		}
	}
	r.figure("sweep-size", fmt.Sprintf("size after filling %d times / once", len(sizes)), sizes[len(sizes)-1]/sizes[0], "×")
	return nil
}

func b2mib(n int64) float64 { return mib(n) }

func (r *runner) swept(s *started, quiet bool) error {
	if quiet {
		took, err := postSweep(s.side)
		if err != nil {
			return err
		}
		r.figure("sweep-s", fmt.Sprintf("removing %d expired tokens, quiet", r.Rows), took.Seconds(), "s")
		return nil
	}
	issue := Operation{Name: "issue", Worker: credentials(Opaque, sealed)}
	before, err := issue.Drive(s.target, r.load(), s.proc())
	if err != nil {
		return err
	}
	l := r.load()
	done := make(chan struct{})
	l.Until = done
	var took time.Duration
	var failed error
	go func() {
		defer close(done)
		time.Sleep(l.Warm)
		took, failed = postSweep(s.side)
	}()
	during, err := issue.Drive(s.target, l, s.proc())
	if err := errors.Join(err, failed, before.First, during.First); err != nil {
		return err
	}
	r.figure("sweep-busy-s", fmt.Sprintf("removing %d expired tokens beside issuance", r.Rows), took.Seconds(), "s")
	a, b := before.Latency.Quantile(.99), during.Latency.Quantile(.99)
	r.logf("p99 of issuance: quiet %s, during the sweep %s", a, b)
	r.figure("sweep-p99", "p99 of issuance during the sweep / quiet", float64(b)/float64(a), "×")
	return nil
}

// postSweep has a child of our own sweep, however long it takes.
func postSweep(addr string) (time.Duration, error) {
	from := time.Now()
	resp, err := http.Post("http://"+addr+"/sweep", "", nil)
	if err != nil {
		return 0, fmt.Errorf("bench: sweep: %w", err)
	}
	err = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("bench: sweep: %s", resp.Status)
	}
	return time.Since(from), err
}

// tailOps are the operations whose tail has a goal.
var tailOps = []string{"cc-es256", "introspect-opaque", "refresh-opaque"}

// tail measures latency in an open loop at half of what the server can do, and
// beside a storm of password logins (P18).
func (r *runner) tail(ctx context.Context) (err error) {
	s, err := r.begin(ctx, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	best := map[string]float64{}
	for _, o := range Operations() {
		for _, name := range tailOps {
			if o.Name != name {
				continue
			}
			if best[name], err = r.half(o, s); err != nil {
				return err
			}
		}
	}
	return r.storm(s, best["cc-es256"])
}

func (r *runner) half(o Operation, s *started) (rate float64, err error) {
	full, err := o.Drive(s.target, Load{Conns: r.Conns, Warm: r.Warm, Time: r.Time}, s.proc())
	if err != nil {
		return 0, err
	}
	half, err := o.Drive(s.target, Load{Conns: 64, Warm: r.Warm, Time: r.Time, Rate: full.Rate() / 2}, s.proc())
	if err := errors.Join(err, full.First); err != nil {
		return 0, err
	}
	if half.Errors > 0 {
		return 0, half.First
	}
	r.figure("tail-"+o.Name+"-ms", fmt.Sprintf("p99 of %s, open loop, %.0f /s", o.Name, full.Rate()/2), millis(half.Latency.Quantile(.99)), "ms")
	return full.Rate(), nil
}

// stormShare is how much of what the server can do is asked for beside a storm of
// logins, which may take all cores but one.
const stormShare = 0.25

func (r *runner) storm(s *started, best float64) error {
	logins := Operation{Name: "logins", Worker: func(t *Target, i int) (Step, error) {
		id, secret := t.World.Client(Bearer, i)
		auth := basic(id, secret)
		return func(c *Conn) error { // a login that is turned away for now is as good as one let in
			_, _, err := c.Do(t.form(tokenPath, auth, "grant_type", "password", "username", t.World.fresh(), "password", password))
			return err
		}, nil
	}}
	over := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		_, err := logins.Drive(s.target, Load{Conns: 64, Until: over}, nil)
		ended <- err
	}()
	cc := Operation{Name: "cc", Worker: credentials(ES256, jwt)}
	res, err := cc.Drive(s.target, Load{Conns: 16, Warm: r.Warm, Time: r.Time, Rate: best * stormShare}, s.proc())
	close(over)
	if err := errors.Join(err, <-ended); err != nil {
		return err
	}
	if res.Errors > 0 {
		return res.First
	}
	r.figure("tail-logins-ms", fmt.Sprintf("p99 of cc-es256 at %.0f /s while 64 connections sign in", best*stormShare), millis(res.Latency.Quantile(.99)), "ms")
	return nil
}
