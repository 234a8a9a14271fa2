package simulation

import (
	"context"
	"errors"

	"github.com/crm-connector/crm-connector/connector/internal/journal"
)

var errDead = errors.New("the process is dead")

// mortal is the journal as a process holds it that can be killed between any two
// of its steps: before a commit, or after it and before the answer.
type mortal struct {
	journal.Journal
	// dieIn counts the steps down to the death, negative for never.
	dieIn int
	dead  bool
	died  func()
}

// step reports whether the process still lives.
func (m *mortal) step() bool {
	if m.dieIn == 0 && !m.dead {
		m.dead = true
		m.died()
	}
	m.dieIn--
	return !m.dead
}

// between does a step before the call and one after it.
func (m *mortal) between(call func() error) error {
	if !m.step() {
		return errDead
	}
	err := call()
	if !m.step() {
		return errDead
	}
	return err
}

func (m *mortal) Append(ctx context.Context, began journal.Mark, entries []journal.Entry) (out []journal.Receipt, err error) {
	err = m.between(func() error { out, err = m.Journal.Append(ctx, began, entries); return err })
	return out, err
}

func (m *mortal) Write(ctx context.Context, destination string, d *journal.Delta) error {
	return m.between(func() error { return m.Journal.Write(ctx, destination, d) })
}

func (m *mortal) Claim(ctx context.Context, c journal.ClaimRequest) (out []journal.Claim, err error) {
	err = m.between(func() error { out, err = m.Journal.Claim(ctx, c); return err })
	return out, err
}

func (m *mortal) Links(ctx context.Context, destination string, keys []journal.LinkKey) (out []journal.Link, err error) {
	err = m.between(func() error { out, err = m.Journal.Links(ctx, destination, keys); return err })
	return out, err
}

func (m *mortal) Requeue(ctx context.Context, destination string, f journal.Filter) (n int, err error) {
	err = m.between(func() error { n, err = m.Journal.Requeue(ctx, destination, f); return err })
	return n, err
}
