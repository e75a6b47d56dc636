// Command jeton-bench measures a running jeton against the machine it runs on and
// prints one table. See package bench.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"jeton/internal/bench"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "jeton-bench:", err)
		}
		stop()
		os.Exit(1)
	}
}

// run runs a child when the first argument names one, else the benchmark.
func run(ctx context.Context, args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case "floor":
			return floor(ctx, args[1:])
		case "serve":
			return serve(ctx, args[1:])
		}
	}
	return measure(ctx, args)
}

func floor(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("floor", flag.ContinueOnError)
	data := f.String("data", ".", "folder for databases of the commit floors")
	if err := f.Parse(args); err != nil {
		return err
	}
	return bench.ServeFloor(ctx, *data, os.Stdout)
}

func serve(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("serve", flag.ContinueOnError)
	var o bench.ServeOptions
	f.StringVar(&o.Data, "data", ".", "data folder")
	f.StringVar(&o.Listen, "listen", "127.0.0.1:0", "address of the server")
	f.StringVar(&o.Database, "database", "", "postgres:// URL, or file; default in the data folder")
	f.StringVar(&o.Side, "side", "127.0.0.1:0", "address for profiles and POST /sweep")
	f.BoolVar(&o.Still, "still", false, "nothing runs in the background")
	if err := f.Parse(args); err != nil {
		return err
	}
	return bench.Serve(ctx, o)
}

var errOver = errors.New("over the ceiling")

func measure(ctx context.Context, args []string) error {
	o, check, closeJSON, err := options(args)
	if err != nil {
		return err
	}
	over, err := bench.Run(ctx, o)
	if err = errors.Join(err, closeJSON()); err != nil {
		return err
	}
	if over > 0 && check {
		return fmt.Errorf("%d rows: %w", over, errOver)
	}
	return nil
}

func options(args []string) (o bench.Options, check bool, closeJSON func() error, err error) {
	f := flag.NewFlagSet("jeton-bench", flag.ContinueOnError)
	o = bench.Options{Out: os.Stdout, Log: os.Stderr}
	slack := 0.0
	if ci, err := strconv.ParseBool(os.Getenv("CI")); err == nil && ci {
		slack = 0.3
	}
	f.StringVar(&o.Binary, "bin", "", "server to measure; built from source when not named")
	f.StringVar(&o.Source, "source", ".", "folder of the source")
	f.BoolVar(&o.Own, "own", false, "run the server in a child of this program, which offers profiles")
	f.StringVar(&o.Pprof, "pprof", "", "with -own: address for profiles")
	f.Func("env", "NAME=VALUE for the measured server alone; may be repeated", func(set string) error {
		o.Env = append(o.Env, set)
		return nil
	})
	f.StringVar(&o.Store, "store", bench.SQLite, "sqlite, postgres (one of its own), or the postgres:// URL of an empty database")
	f.StringVar(&o.Dir, "dir", "", "folder for data; the disk that is measured")
	f.StringVar(&o.Goals, "goals", "bench/goals.json", "ceilings; empty for none")
	f.IntVar(&o.Conns, "conns", 16, "connections")
	f.DurationVar(&o.Warm, "warm", 0, "warm-up before each measurement (default 500ms)")
	f.DurationVar(&o.Time, "time", 0, "length of each measurement (default 2s)")
	f.IntVar(&o.Rounds, "rounds", 3, "rounds; the median counts")
	f.Float64Var(&o.Rate, "rate", 0, "open loop: requests a second; 0 is a closed loop")
	f.IntVar(&o.Cycles, "cycles", 2, "sweep: how often to fill and sweep")
	f.Float64Var(&o.Slack, "slack", slack, "how far over its ceiling a row may be: 0.3 is 30 % (the default where CI=true)")
	f.BoolVar(&check, "check", false, "exit 1 when a row is over its ceiling or had errors")
	fill := f.String("fill", "1e6", "growth and sweep: tokens to fill in")
	only := f.String("ops", "", "operations whose name matches this expression; default all")
	sections := f.String("run", "ops,start", "sections: "+strings.Join(bench.Sections, ",")+", or all")
	lines := f.String("json", "", "file for one line of JSON for each row")
	closeJSON = func() error { return nil }
	if err = f.Parse(args); err != nil {
		return o, check, closeJSON, err
	}
	if err = finish(&o, *fill, *only, *sections); err != nil || *lines == "" {
		return o, check, closeJSON, err
	}
	file, err := os.Create(*lines)
	if err != nil {
		return o, check, closeJSON, err
	}
	o.JSON = io.Writer(file)
	return o, check, file.Close, nil
}

// finish reads the flags that are no plain values.
func finish(o *bench.Options, fill, only, sections string) error {
	rows, err := strconv.ParseFloat(fill, 64)
	if err != nil || rows < 1 || rows > 1e9 {
		return fmt.Errorf("-fill %s is no number of tokens", fill)
	}
	o.Rows = int(rows)
	if only != "" {
		if o.Only, err = regexp.Compile(only); err != nil {
			return fmt.Errorf("-ops: %w", err)
		}
	}
	if sections == "all" {
		sections = strings.Join(bench.Sections, ",")
	}
	o.Sections = map[string]bool{}
	for _, s := range strings.Split(sections, ",") {
		if !strings.Contains(","+strings.Join(bench.Sections, ",")+",", ","+s+",") {
			return fmt.Errorf("-run %s: there is no such section", s)
		}
		o.Sections[s] = true
	}
	return nil
}
