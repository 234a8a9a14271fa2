// Command crm-connector carries WhatsApp messages from AISoule into a CRM.
//
// Main reads flags, turns signals into a context, calls the package that does
// the work, and turns its error into an exit code; each subcommand has a file of
// its own. Data goes to stdout, words for people to stderr.
//
// The exit codes:
//
//	0  it worked
//	1  it failed, or was answered with something other than was hoped for
//	2  it was called wrongly
//	3  the configuration or a mapping is invalid
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	_ "time/tzdata" // The time zones travel with the binary: minimal images have none.

	"golang.org/x/term"
)

// The exit codes.
const (
	exitOK      = 0
	exitFailed  = 1
	exitUsage   = 2
	exitInvalid = 3
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// Whoever presses Ctrl-C a second time doesn't want to wait for an orderly end.
	context.AfterFunc(ctx, stop)
	code := run(ctx, streams{in: os.Stdin, out: os.Stdout, err: os.Stderr}, os.Args[1:])
	stop()
	os.Exit(code)
}

// streams are what a command reads and writes.
type streams struct {
	in  io.Reader
	out io.Writer
	err io.Writer
}

// isTerminal reports whether a person looks at a stream.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// coloured reports whether a stream takes colours: a person looks at it who has
// not said no to them.
func coloured(stream any) bool { return isTerminal(stream) && os.Getenv("NO_COLOR") == "" }

// run is main without the process: it gives the exit code.
func run(ctx context.Context, s streams, args []string) int {
	root := newRoot(s)
	root.SetArgs(args)
	command, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	f, ok := errors.AsType[*failure](err)
	if !ok {
		f = usage(err, command.CommandPath()+" --help")
	}
	f.write(s.err)
	return f.code
}

// failure is an error with its exit code and the command that helps.
type failure struct {
	code int
	err  error
	try  string
}

// Error gives the cause's text.
func (f *failure) Error() string { return f.err.Error() }

// Unwrap gives the cause.
func (f *failure) Unwrap() error { return f.err }

// failed is an error for which the command was not to blame.
func failed(err error, try string) *failure { return &failure{exitFailed, err, try} }

// usage is an error of the one who typed the command.
func usage(err error, try string) *failure { return &failure{exitUsage, err, try} }

// invalid is a mistake in a file.
func invalid(err error, try string) *failure { return &failure{exitInvalid, err, try} }

// write tells the error. Mistakes in files stand on lines of their own, as
// editors jump to them.
func (f *failure) write(w io.Writer) {
	bold, plain := "", ""
	if coloured(w) {
		bold, plain = "\x1b[31m", "\x1b[0m"
	}
	text := strings.TrimSpace(f.err.Error())
	if f.code == exitInvalid {
		fmt.Fprintln(w, text)
		mistakes := strings.Count(text, "\n") + 1 - strings.Count(text, ": warning: ")
		text = fmt.Sprintf("%d to mend", mistakes)
	}
	fmt.Fprintf(w, "%serror:%s %s\n", bold, plain, text)
	if f.try != "" {
		fmt.Fprintf(w, "try: %s\n", f.try)
	}
}
