// Package delivery brings a destination's CRM to the state that the accepted
// events call for. One Worker serves one destination. It takes customers that
// have something due, in rounds, and each round goes one way:
//
//	claim ▶ map ▶ fold ▶ resolve ▶ apply ▶ record
//
// The worker batches, orders, waits and retries; adapters do none of that, and
// nothing here knows a vendor. What a call's end means for the customer is
// decided in ending.go, what it means for the destination in health.go, and what
// becomes of a create whose end is unknown in settle.go.
//
// The states of an event at a destination:
//
//	pending ──▶ delivered | skipped | unmatched
//	   ▲  └───▶ dead letter ──▶ discarded
//	   └───────────┘ (a person retries it, or the CRM was to blame)
//
// Start with [Worker] and its round method.
package delivery

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/journal"
)

// Options are a worker's parts and settings. All fields but the last four are
// required.
type Options struct {
	Destination string
	Adapter     connector.Adapter
	Mapper      connector.Mapper
	Journal     journal.Delivery
	// Await blocks until the quota has room for a call, so that a call's deadline
	// does not run while it waits.
	Await func(ctx context.Context) error
	// FreshWithin is how long a state change may wait for a batch to fill.
	FreshWithin time.Duration
	// Now is the wall clock, and Rand gives numbers in [0, 1) for jitter.
	Now  func() time.Time
	Rand func() float64
	Log  logrus.FieldLogger

	// CallTimeout overrides what the adapter describes.
	CallTimeout time.Duration
	// StopWithin bounds how long rounds in flight may go on after a stop; 0
	// means 10 s.
	StopWithin time.Duration
	// Rounds is how many rounds run at once; 0 means the adapter's concurrency.
	Rounds int
	Hooks  Hooks
}

// Hooks are told what happens, for metrics. Any of them may be nil.
type Hooks struct {
	Outcome func(state journal.State)
	Call    func(op string, ending connector.Ending, records int)
	Unknown func(kind connector.Kind, decision connector.WhenUnknown)
}

// statusFresh is how long a ticket's status is trusted after it was seen.
const statusFresh = 60 * time.Second

// eventsPerCustomer bounds what a round takes of one customer.
const eventsPerCustomer = 200

// Worker serves one destination. Run it once; its other methods are safe to call
// at any time.
type Worker struct {
	Options
	desc   connector.Description
	mapper atomic.Pointer[connector.Mapper]
	wake   chan struct{}

	mu     sync.Mutex
	busy   map[int64]bool
	solo   map[int64]bool
	health health
}

// New makes a worker. It does no I/O.
func New(o Options) *Worker {
	w := &Worker{
		Options: o,
		desc:    o.Adapter.Describe(),
		wake:    make(chan struct{}, 1),
		busy:    map[int64]bool{},
		solo:    map[int64]bool{},
	}
	w.mapper.Store(&o.Mapper)
	w.normalise()
	w.health.pace.Max = max(w.desc.Contact.Batch, w.desc.Ticket.Batch, minRound)
	return w
}

// normalise puts the cautious choice wherever the description has a zero.
func (w *Worker) normalise() {
	d := &w.desc
	d.ObserveBatch = max(d.ObserveBatch, 1)
	d.Comments = max(d.Comments, 1)
	d.Concurrency = max(d.Concurrency, 1)
	d.Contact.Batch = max(d.Contact.Batch, 1)
	d.Ticket.Batch = max(d.Ticket.Batch, 1)
	for _, k := range []*connector.KindDescription{&d.Contact, &d.Ticket, &d.Comment} {
		if k.Create == "" {
			k.Create = connector.Blind
		}
	}
	if w.CallTimeout == 0 {
		w.CallTimeout = d.CallTimeout
	}
	if w.CallTimeout == 0 {
		w.CallTimeout = 30 * time.Second
	}
	if w.StopWithin == 0 {
		w.StopWithin = 10 * time.Second
	}
	if w.Rounds == 0 {
		w.Rounds = d.Concurrency
	}
}

// Remap puts another mapping to use, for events that were never attempted.
func (w *Worker) Remap(m connector.Mapper) {
	w.mapper.Store(&m)
	w.mu.Lock()
	w.forgive(kindMapping)
	w.mu.Unlock()
	w.Wake()
}

// Wake tells the worker that something may be due.
func (w *Worker) Wake() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Open reads what the worker must remember over a restart. It is called before
// Run or Turn.
func (w *Worker) Open(ctx context.Context) error {
	state, err := w.Journal.Open(ctx, w.Destination)
	if err != nil {
		return fmt.Errorf("open destination %s: %w", w.Destination, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.health.state = state
	return nil
}

// Run works until the context is done, and then until the rounds in flight have
// finished or StopWithin is over. What was cut short, a restart resolves.
func (w *Worker) Run(ctx context.Context) {
	calls, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	var rounds sync.WaitGroup
	slots := make(chan struct{}, w.Rounds)
	for ctx.Err() == nil {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			continue
		}
		job, until := w.next(ctx)
		if job == nil {
			<-slots
			w.rest(ctx, until)
			continue
		}
		rounds.Go(func() {
			defer func() { <-slots; w.Wake() }()
			w.do(calls, job)
		})
	}
	defer time.AfterFunc(w.StopWithin, cut).Stop()
	rounds.Wait()
}

// Turn does at most one round, and says when the next one may be due: zero for
// not before something is appended. Simulations drive a worker by it.
func (w *Worker) Turn(ctx context.Context) (worked bool, until time.Time) {
	job, until := w.next(ctx)
	if job == nil {
		return false, until
	}
	w.do(ctx, job)
	return true, time.Time{}
}

func (w *Worker) rest(ctx context.Context, until time.Time) {
	var due <-chan time.Time
	if !until.IsZero() {
		t := time.NewTimer(max(until.Sub(w.Now()), time.Millisecond))
		defer t.Stop()
		due = t.C
	}
	select {
	case <-ctx.Done():
	case <-w.wake:
	case <-due:
	}
}

// job is the work of one round.
type job struct {
	lane   connector.Lane
	claims []journal.Claim
}

// journalRest is how long the worker rests when the journal fails.
const journalRest = time.Second

// next chooses what to do now, or until when to rest. Threads go before state.
func (w *Worker) next(ctx context.Context) (*job, time.Time) {
	limit, until := w.admit(ctx)
	if limit == 0 {
		return nil, until
	}
	j, until, err := w.due(ctx, limit)
	if err != nil && ctx.Err() == nil {
		w.Log.WithError(err).Error("journal cannot be read")
		return nil, w.Now().Add(journalRest)
	}
	return j, until
}

func (w *Worker) due(ctx context.Context, limit int) (*job, time.Time, error) {
	now := w.Now()
	batch := w.desc.Contact.Batch
	waiting, err := w.Journal.Waiting(ctx, journal.WaitingRequest{Destination: w.Destination, Now: now, Count: batch})
	if err != nil {
		return nil, time.Time{}, err
	}
	if waiting.ThreadDue {
		if j, err := w.claim(ctx, connector.LaneThread, limit, now); j != nil || err != nil {
			return j, time.Time{}, err
		}
	}
	until := sooner(waiting.NextThread, waiting.NextState)
	stateDue := waiting.OldestState.Add(w.stateWait())
	switch {
	case waiting.States >= batch || (waiting.States > 0 && !stateDue.After(now)):
		j, err := w.claim(ctx, connector.LaneState, limit, now)
		return j, until, err // without a job, those that are due are in hand
	case waiting.States > 0:
		until = sooner(until, stateDue)
	}
	return nil, until, nil
}

// sooner gives the earlier of two times that may be zero for never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

// stateWait is how long state changes wait; not at all when the mapping makes
// thread changes of receipts.
func (w *Worker) stateWait() time.Duration {
	m := *w.mapper.Load()
	if m.Threads(connector.MessageDelivered) || m.Threads(connector.MessageRead) {
		return 0
	}
	return w.FreshWithin
}

func (w *Worker) claim(ctx context.Context, lane connector.Lane, limit int, now time.Time) (*job, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	claims, err := w.Journal.Claim(ctx, journal.ClaimRequest{
		Destination: w.Destination, Now: now, Lane: lane,
		Customers: limit, Events: eventsPerCustomer, Busy: w.busy, Fresh: limit < w.health.pace.Max,
	})
	if err != nil || len(claims) == 0 {
		return nil, err
	}
	for _, c := range claims {
		w.busy[c.Customer.ID] = true
	}
	return &job{lane: lane, claims: claims}, nil
}

// do runs a round and gives its customers back.
func (w *Worker) do(ctx context.Context, j *job) {
	defer w.free(j)
	if err := w.round(ctx, j); err != nil && ctx.Err() == nil {
		w.Log.WithError(err).Error("journal cannot be written; the round will be done again")
		w.pauseFor(journalRest)
	}
}

func (w *Worker) free(j *job) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range j.claims {
		delete(w.busy, c.Customer.ID)
	}
}
