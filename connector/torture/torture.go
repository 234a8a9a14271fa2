// Package torture puts the real connector to the proof: it starts the program
// itself and the sandbox CRM as processes, sends webhooks as AISoule would, makes
// the CRM fail in every way that it knows, kills the connector with SIGKILL, and
// at the end compares an exact ledger of what was sent and answered with what the
// CRM holds.
//
// It knows nothing of the engine but its promises: what was answered 200 is in
// the CRM once, on the right customer's ticket, in order, and no window saw more
// calls than were sold. All customers are invented; reports name conversations by
// their numbers.
//
// Start with [Run], which reads from top to bottom. plan.go makes the webhooks from
// a seed, sender.go sends them, killer.go kills, and verdict.go is the judge.
package torture

import (
	"context"
	"fmt"
	"os"
	"time"
)

// Run does one whole run and gives its report. The error says why there is none,
// or why it is incomplete; broken promises are in the report.
func Run(ctx context.Context, o Options) (report *Report, err error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	w, err := newWorld(o)
	if err != nil {
		return nil, err
	}
	defer func() {
		w.close()
		if w.o.Keep || err != nil || !report.OK() {
			report.keptAt(w.dir)
			return
		}
		_ = os.RemoveAll(w.dir) // What is left over lies where temporary things may.
	}()
	if err := w.start(ctx); err != nil {
		return nil, err
	}
	began := time.Now()
	book, err := w.torment(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w (see %s)", err, w.dir)
	}
	report = &Report{Options: o, Ledger: book.sum()}
	report.Seconds = book.drained.Sub(began).Seconds()
	seen, err := w.look(ctx)
	if err != nil {
		return report, fmt.Errorf("look at the end: %w", err)
	}
	report.fill(&w.o, book, seen)
	return report, nil
}

// torment sends everything while the CRM fails and the connector dies, and waits
// until the connector has nothing left to do and the CRM nothing up its sleeve.
func (w *world) torment(ctx context.Context) (*ledger, error) {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	w.connector.onEnd(fail)
	w.sandbox.onEnd(fail)
	if err := w.faults(ctx, w.o.Faults); err != nil {
		return nil, err
	}
	book := newLedger()
	s := newSender(&w.o, w.hook, book)
	k := newKiller(&w.o, w.connector, book)
	k.start(ctx, fail)
	defer k.stop()

	w.o.Tell("sending")
	err := s.run(ctx)
	book.sent = time.Now()
	w.o.Tell("waiting for the rest to be delivered")
	if err == nil {
		err = w.drain(ctx, k.stop)
		book.drained = time.Now()
	}
	if err == nil && w.o.Faults > 0 {
		err = w.settle(ctx)
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return book, err
}
