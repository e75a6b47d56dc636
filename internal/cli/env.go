package cli

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"time"
)

// Env is all a command may touch of the process that runs it, so that tests run
// commands without one. Every command is a struct with a method Run(*Env) error.
type Env struct {
	Ctx    context.Context // ends when the process is asked to
	Stdin  io.Reader
	Stdout io.Writer // data
	Stderr io.Writer // everything else
	Getenv func(string) string
	Dir    string // working directory: relative file arguments start here
	Now    func() time.Time
	TTY    bool // a person reads Stdout: tables, widths, progress
}

// Path is a file argument as an absolute path.
func (e *Env) Path(name string) string {
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(e.Dir, name)
}

// Exit codes of every command.
const (
	ExitOK          = 0
	ExitFailed      = 1
	ExitUsage       = 2
	ExitRefused     = 3 // by the server
	ExitWaiting     = 4 // a second factor is waiting
	ExitNotFound    = 5
	ExitConflict    = 6 // or drift between file and server
	ExitUnreachable = 7
)

// exitTexts says in --help what a code means.
var exitTexts = map[int]string{
	ExitOK:          "done",
	ExitFailed:      "failed",
	ExitUsage:       "wrong arguments or settings",
	ExitRefused:     "the server refused",
	ExitWaiting:     "a second factor is waiting",
	ExitNotFound:    "not found",
	ExitConflict:    "conflict, or the server differs from the file",
	ExitUnreachable: "no server answered",
}

// Exit is an error with its exit code and what to do next. It prints as two lines,
// "error:" and "next:"; Next names a command or a setting. An Exit without Text
// prints nothing: the command has said it all.
type Exit struct {
	Code int
	Text string
	Next string
}

// Error is the line an operator reads first.
func (e *Exit) Error() string { return e.Text }

// fail is an Exit in one line.
func fail(code int, next, format string, args ...any) *Exit {
	return &Exit{Code: code, Text: fmt.Sprintf(format, args...), Next: next}
}
