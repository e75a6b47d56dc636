package cli

import (
	"context"
	"flag"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// update rewrites the golden files: what every help and error says.
var update = flag.Bool("update", false, "rewrite golden files")

// TestMain lets scripts and tests run this binary as the command itself.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"jeton": main})
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	dir, err := os.Getwd()
	if err != nil {
		panic(err)
	}
	os.Exit(Run(os.Args[1:], &Env{
		Ctx: ctx, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv, Dir: dir, Now: time.Now,
	}))
}

// TestScripts runs the transcripts of the command line: one txtar file each, in a
// folder of its own that is also the home folder.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata", UpdateScripts: *update, RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir)
			return nil
		},
	})
}
