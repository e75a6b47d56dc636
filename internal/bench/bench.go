// Package bench measures a running server against the machine it runs on: how
// many microseconds of processor time each operation costs, divided by what the
// same machine needs for the part nobody can avoid (HTTP, a form, one hash, one
// signature, one commit), both measured in the same run. Ratios hold from one
// machine to the next where times do not.
//
// cmd/jeton-bench calls Run, and Floor and Serve in its children. The package
// generates load and reads /proc; it never takes part in serving a real request.
package bench

import (
	"context"
	"fmt"
	"io"
	"os"
	"regexp"
	"time"
)

// Options of Run; the zero value of each field but Out is usable.
type Options struct {
	Binary   string          // jeton to measure; "" = built from source
	Source   string          // where go build finds ./cmd/jeton; "" = working directory
	Own      bool            // the server runs in a child of the benchmark itself
	Env      []string        // NAME=VALUE for the measured server alone
	Pprof    string          // address for the profiles of that child; "" = any free port
	Store    string          // sqlite, postgres or a postgres:// URL
	Dir      string          // for data; "" = a new temporary folder
	Goals    string          // file of ceilings
	Sections map[string]bool // ops, start, growth, sweep, tail
	Only     *regexp.Regexp  // operations by name; nil = all
	Conns    int
	Warm     time.Duration
	Time     time.Duration // of one measurement
	Rounds   int
	Rate     float64 // open loop: requests a second; 0 = closed loop
	Rows     int     // of growth and sweep
	Cycles   int     // of filling and sweeping
	Slack    float64 // how far over its ceiling a row may be, 0.3 = 30 %
	JSON     io.Writer
	Out      io.Writer // the table
	Log      io.Writer // progress
}

// Names of the sections, in the order they run.
var Sections = []string{"ops", "start", "growth", "sweep", "tail"}

func (o Options) withDefaults() Options {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&o.Warm, 500*time.Millisecond)
	set(&o.Time, 2*time.Second)
	if o.Conns == 0 {
		o.Conns = 16
	}
	if o.Rounds == 0 {
		o.Rounds = 3
	}
	if o.Rows == 0 {
		o.Rows = 1_000_000
	}
	if o.Cycles == 0 {
		o.Cycles = 2
	}
	if o.Store == "" {
		o.Store = SQLite
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	if o.Sections == nil {
		o.Sections = map[string]bool{"ops": true, "start": true}
	}
	return o
}

// runner is one run of the benchmark.
type runner struct {
	Options
	dir    string // everything of this run is below it
	goals  Goals
	report *Report
	built  string // the measured binary
	pg     *cluster
}

// Run runs the chosen sections and writes the report. The number is how many rows
// are over their ceilings; an error means that something could not be measured.
func Run(ctx context.Context, o Options) (over int, err error) {
	o = o.withDefaults()
	r := &runner{Options: o, report: &Report{Slack: o.Slack}}
	if r.goals, err = LoadGoals(o.Goals); err != nil {
		return 0, err
	}
	if r.dir, err = os.MkdirTemp(o.Dir, "jeton-bench"); err != nil {
		return 0, fmt.Errorf("bench: %w", err)
	}
	defer func() { _ = os.RemoveAll(r.dir) }() // a folder of the temporary directory
	if err := r.prepare(); err != nil {
		return 0, err
	}
	defer r.stopPostgres()
	for _, s := range []struct {
		name string
		run  func(context.Context) error
	}{{"ops", r.operations}, {"start", r.start}, {"growth", r.growth}, {"sweep", r.sweep}, {"tail", r.tail}} {
		if !o.Sections[s.name] {
			continue
		}
		if err := s.run(ctx); err != nil {
			return 0, fmt.Errorf("bench: %s: %w", s.name, err)
		}
	}
	return r.report.Over(), r.report.Write(o.Out, o.JSON)
}

// prepare makes the binary and, where asked for, a PostgreSQL.
func (r *runner) prepare() error {
	if r.Store == Postgres {
		var err error
		if r.pg, err = startPostgres(); err != nil {
			return err
		}
	}
	r.built = r.Binary
	if r.built != "" || r.Own {
		return nil
	}
	r.logf("building the server")
	var err error
	r.built, err = build(r.Source, r.dir)
	return err
}

func (r *runner) logf(format string, args ...any) {
	_, _ = fmt.Fprintf(r.Log, format+"\n", args...) // progress: nothing depends on it
}
