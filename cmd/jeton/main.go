// Command jeton is the server and the commands around it. It hands arguments,
// environment and signals to package cli and does nothing else.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"jeton/internal/cli"
)

func main() {
	// The first signal asks the command to finish; then the usual effect is back, and
	// a second one ends the process at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	dir, err := os.Getwd()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error: the working directory cannot be found:", err)
		os.Exit(cli.ExitFailed)
	}
	os.Exit(cli.Run(os.Args[1:], &cli.Env{
		Ctx: ctx, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Getenv: os.Getenv, Dir: dir, Now: time.Now, TTY: terminal(os.Stdout),
	}))
}

// terminal reports whether a person reads f.
func terminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}
