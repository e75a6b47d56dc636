package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// drift is how far the two measurements of F in one round may be apart. What was
// measured between them is worth nothing otherwise: somebody else had the machine.
const drift = 0.25

// round is one pass over floors and operations.
type round struct {
	floors  map[string]float64 // processor µs
	results map[string]*Result
}

// operations measures every operation in rounds, each between two measurements of
// the floor.
func (r *runner) operations(ctx context.Context) (err error) {
	f, err := r.floorChild()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.stop()) }()
	s, err := r.begin(ctx, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	ops := r.served(s.target)
	var rounds, discarded []round
	floors := map[string][]*Result{}
	// Half as many again may be discarded before the machine counts as too busy.
	for n := 0; len(rounds) < r.Rounds && n < r.Rounds+(r.Rounds+1)/2; n++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		one, moved, err := r.round(f, s, ops, floors)
		if err != nil {
			return err
		}
		if moved > drift {
			r.report.Note("round %d was discarded: F moved by %.0f %% meanwhile", n+1, 100*moved)
			r.logf("round %d discarded: F moved by %.0f %%", n+1, 100*moved)
			r.errorsOf(ops, one)
			discarded = append(discarded, one)
			continue
		}
		rounds = append(rounds, one)
	}
	if len(rounds) == 0 {
		r.report.Busy = true
		r.report.Note("every round was discarded, so these are their figures all the same: somebody else had the machine")
		rounds = discarded
	}
	r.floorRows(floors, rounds)
	for _, o := range ops {
		r.report.Rows = append(r.report.Rows, r.row(o, rounds))
	}
	return nil
}

// errorsOf keeps the errors of a discarded round: they are no matter of noise.
func (r *runner) errorsOf(ops []Operation, x round) {
	for _, o := range ops {
		if res := x.results[o.Name]; res.Errors > 0 {
			r.report.Busy = true
			r.report.Note("%s had %d errors in a discarded round: %v", o.Name, res.Errors, res.First)
		}
	}
}

// served are the chosen operations that work at all. One that does not is a row
// that says so: it must not go missing from the table.
func (r *runner) served(t *Target) (out []Operation) {
	for _, o := range Operations() {
		if r.Only != nil && !r.Only.MatchString(o.Name) {
			continue
		}
		if _, err := o.Worker(t, 0); err != nil {
			r.report.Note("%s does not work: %v", o.Name, err)
			r.logf("%s does not work: %v", o.Name, err)
			r.report.Rows = append(r.report.Rows, Row{
				Name: o.Name, Title: o.Title, Store: r.engine(), Conns: r.Conns, Goal: r.goals.For(o.Name, r.engine()).ID, Errors: 1, Error: err.Error(),
			})
			continue
		}
		out = append(out, o)
	}
	return out
}

// requestFloors are measured with requests, in this order.
var requestFloors = []string{FloorJSON, Floor, FloorES256, FloorRS256, FloorHS256}

func (r *runner) round(f *child, s *started, ops []Operation, kept map[string][]*Result) (round, float64, error) {
	x := round{floors: map[string]float64{}, results: map[string]*Result{}}
	for _, name := range requestFloors {
		res, err := r.floor(f, name)
		if err != nil {
			return x, 0, err
		}
		kept[name] = append(kept[name], res)
		x.floors[name] = res.Micros()
	}
	for _, name := range []string{VerifyES256, CommitSingle, CommitGroup} {
		m, err := askMicro(f.addr, "GET", "/"+name)
		if err != nil {
			return x, 0, err
		}
		x.floors[name] = m.Micros
		kept[name] = append(kept[name], &Result{Ops: uint64(m.Rate * 1000), Elapsed: 1000 * time.Second})
		r.logf("%-20s %9.0f /s %8.1f µs", name, m.Rate, m.Micros)
	}
	for _, o := range ops {
		res, err := o.Drive(s.target, r.load(), s.proc())
		if err != nil {
			return x, 0, err
		}
		r.logf("%-20s %9.0f /s %8.1f µs  p99 %8.3f ms  %d errors", o.Name, res.Rate(), res.Micros(), millis(res.Latency.Quantile(.99)), res.Errors)
		x.results[o.Name] = res
	}
	last, err := r.floor(f, Floor)
	if err != nil {
		return x, 0, err
	}
	first := x.floors[Floor]
	moved := math.Abs(last.Micros()-first) / min(last.Micros(), first)
	x.floors[Floor] = (first + last.Micros()) / 2
	return x, moved, nil
}

func (r *runner) load() Load {
	return Load{Conns: r.Conns, Warm: r.Warm, Time: r.Time, Rate: r.Rate}
}

// floor measures one path of the floor server with the clients it knows.
func (r *runner) floor(f *child, name string) (*Result, error) {
	w := NewWorld(FloorSeed)
	t := &Target{Addr: f.addr, World: w}
	steps := make([]Step, r.Conns)
	for i := range steps {
		if name == FloorJSON {
			steps[i] = fetch(Request("GET", "/"+name, f.addr, ""), "endpoint")
			continue
		}
		requests := make([][]byte, perWorker)
		for k := range requests {
			id, secret := w.Client(ES256, i*perWorker+k)
			requests[k] = t.form("/"+name, basic(id, secret), "grant_type", "client_credentials", "scope", "read")
		}
		n := 0
		steps[i] = func(c *Conn) error {
			n++
			_, _, err := ask(c, requests[n%perWorker], 200, func(s string) bool { return len(s) > 40 })
			return err
		}
	}
	l := r.load()
	l.Addr, l.Rate = f.addr, 0
	res, err := l.drive(steps, f.proc())
	if err == nil && res.Errors > 0 {
		err = fmt.Errorf("floor %s: %d errors: %w", name, res.Errors, res.First)
	}
	if err != nil {
		return nil, err
	}
	r.logf("%-20s %9.0f /s %8.1f µs", name, res.Rate(), res.Micros())
	return res, nil
}

// askMicro has a child measure something of itself.
func askMicro(addr, method, path string) (m micro, err error) {
	c := Dial(addr)
	defer c.Close()
	status, body, err := c.Do(Request(method, path, addr, ""))
	if err != nil {
		return m, fmt.Errorf("bench: %s: %w", path, err)
	}
	if status != 200 {
		return m, fmt.Errorf("bench: %s: %w", path, unexpected(status, body))
	}
	return m, json.Unmarshal(body, &m)
}

func (r *runner) floorRows(kept map[string][]*Result, rounds []round) {
	for _, name := range slices.Concat(requestFloors, []string{VerifyES256, CommitSingle, CommitGroup}) {
		var rates, micros []float64
		var latency Histogram
		for _, res := range kept[name] {
			rates = append(rates, res.Rate())
			latency.Merge(&res.Latency)
		}
		for _, x := range rounds {
			micros = append(micros, x.floors[name])
		}
		r.report.Floors = append(r.report.Floors, Row{
			Name: name, Title: name, Store: r.engine(), Conns: r.Conns, Rate: median(rates), CPU: median(micros), OK: true,
			P50: millis(latency.Quantile(.5)), P99: millis(latency.Quantile(.99)), P999: millis(latency.Quantile(.999)),
		})
	}
}

// row sums an operation up: the median over rounds, each round against its own
// floors.
func (r *runner) row(o Operation, rounds []round) Row {
	g := r.goals.For(o.Name, r.engine())
	var rates, micros, ratios []float64
	var sum Result
	for _, x := range rounds {
		res := x.results[o.Name]
		rates, micros = append(rates, res.Rate()), append(micros, res.Micros())
		if f := g.Of(x.floors); f > 0 {
			ratios = append(ratios, res.Micros()/f)
		}
		sum.Latency.Merge(&res.Latency)
		sum.Errors += res.Errors
		sum.RSS = max(sum.RSS, res.RSS)
		if sum.First == nil {
			sum.First = res.First
		}
	}
	out := Row{
		Name: o.Name, Title: o.Title, Store: r.engine(), Conns: r.Conns, Rate: median(rates), CPU: median(micros), Ratio: median(ratios),
		Goal: g.ID, Ceiling: g.Most, Floor: g.floorName(), Errors: sum.Errors, RSS: mib(sum.RSS),
		P50: millis(sum.Latency.Quantile(.5)), P99: millis(sum.Latency.Quantile(.99)), P999: millis(sum.Latency.Quantile(.999)),
	}
	if sum.First != nil {
		out.Error = sum.First.Error()
		r.report.Note("%s: %d errors, the first: %v", o.Name, sum.Errors, sum.First)
	}
	out.OK = sum.Errors == 0 && (g.ID == "" || (len(ratios) > 0 && g.Met(out.Ratio, r.Slack)))
	return out
}

// floorName spells what a goal divides by: "(F + V_ES256)".
func (g Goal) floorName() string {
	names := make([]string, 0, len(g.Floor))
	for name, times := range g.Floor {
		if times != 1 {
			name = fmt.Sprintf("%g %s", times, name)
		}
		names = append(names, name)
	}
	slices.Sort(names)
	if len(names) > 1 {
		return "(" + strings.Join(names, " + ") + ")"
	}
	return strings.Join(names, "")
}
