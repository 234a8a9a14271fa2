// Package journaltest is the test of what package journal promises. Every store
// passes it; what only one store can do, such as lose power between two writes,
// is tested with that store.
//
// Start with [Run].
package journaltest

import (
	"context"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/journal"
)

// Opener opens one store, which is empty at first, as often as it is asked.
type Opener struct {
	// Open opens the store with a clock.
	Open func(ctx context.Context, now func() time.Time) (journal.Journal, error)
	// Newer makes the closed store look as if a newer version had written it.
	Newer func(t *testing.T)
	// Full makes the disk full, or gives it space again.
	Full func(full bool)
}

// Run runs the suite; fresh gives a store of its own to each test.
func Run(t *testing.T, fresh func(t *testing.T) Opener) {
	for _, part := range []struct {
		name  string
		cases map[string]func(*rig)
	}{
		{"Intake", intakeCases},
		{"Revisions", revisionCases},
		{"Customers", customerCases},
		{"State", stateCases},
		{"Waiting", waitingCases},
		{"Claim", claimCases},
		{"Write", writeCases},
		{"Links", linkCases},
		{"Reader", readerCases},
		{"Operator", operatorCases},
		{"Store", storeCases},
	} {
		t.Run(part.name, func(t *testing.T) {
			t.Parallel()
			for name, test := range part.cases {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					test(newRig(t, fresh(t)))
				})
			}
		})
	}
}

// rig is a journal under test with a clock that stands still.
type rig struct {
	*testing.T
	opener Opener
	j      journal.Journal
	clock  *clock
}

// clock is a clock that the test sets.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	return c.now
}

// start is when the clock of every test starts.
var start = time.Date(2026, 6, 2, 10, 0, 0, 0, time.UTC)

func newRig(t *testing.T, opener Opener) *rig {
	r := &rig{T: t, opener: opener, clock: &clock{now: start}}
	r.open()
	t.Cleanup(func() { _ = r.j.Close() })
	return r
}

func (r *rig) open() {
	r.Helper()
	j, err := r.opener.Open(r.Context(), r.clock.Now)
	if err != nil {
		r.Fatalf("open: %v", err)
	}
	r.j = j
}

// reopen closes the journal and opens it again, like a restart.
func (r *rig) reopen() {
	r.Helper()
	r.ok(r.j.Close())
	r.open()
}

func (r *rig) ok(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// want fails the test unless got is what is wanted.
func want[T comparable](r *rig, reason string, got, wanted T) {
	r.Helper()
	if got != wanted {
		r.Errorf("%s: got %v, want %v", reason, got, wanted)
	}
}

// The names that most tests use.
const (
	crm     = "crm"
	account = "15550199999"
	alice   = "+918856879188"
	bob     = "+918856879199"
)

// webhook is an event as tests write it.
type webhook struct {
	Type     connector.EventType
	Phone    string
	User     string
	Name     string
	Account  string
	ID       string
	Text     string
	NewPhone string
	Business string
	Status   connector.Status
	Error    int
	// At is the event's own time, the clock's when zero.
	At      time.Time
	Undated bool
	Lane    connector.Lane
	// To names the destinations, crm when nil.
	To []string
}

// entry is the webhook as intake would pass it on.
func (r *rig) entry(w webhook) journal.Entry {
	if w.At.IsZero() && !w.Undated {
		w.At = r.clock.Now()
	}
	if w.To == nil {
		w.To = []string{crm}
	}
	raw, err := json.Marshal(w)
	r.ok(err)
	e := journal.Entry{Raw: raw, Undated: w.Undated, Event: connector.Event{
		Business: w.Business, Source: "main", Type: w.Type, Time: w.At, Account: w.Account, ContactName: w.Name,
		Identity: connector.Identity{Phone: w.Phone, UserID: w.User},
	}}
	if w.Type.IsMessage() {
		e.Event.Message = &connector.Message{ID: w.ID, Text: w.Text, Status: w.Status, NewPhone: w.NewPhone}
		if w.Error != 0 {
			e.Event.Message.Error = &connector.MessageError{Code: w.Error}
		}
	}
	for _, name := range w.To {
		e.Routes = append(e.Routes, journal.Route{Destination: name, Lane: w.Lane})
	}
	return e
}

// said is a message of a customer.
func said(phone, id string) webhook {
	return webhook{Type: connector.MessageReceived, Phone: phone, ID: id, Text: "text of " + id, Account: account}
}

// receipt is a receipt for a message of the business.
func receipt(phone, id string, status connector.Status) webhook {
	return webhook{
		Type: connector.EventType("message." + string(status)), Phone: phone, ID: id, Account: account,
		Status: status, Lane: connector.LaneState,
	}
}

// append takes webhooks in, in one request.
func (r *rig) append(hooks ...webhook) []journal.Receipt {
	r.Helper()
	entries := make([]journal.Entry, len(hooks))
	for i, w := range hooks {
		entries[i] = r.entry(w)
	}
	receipts, err := r.j.Append(r.Context(), r.j.Mark(), entries)
	r.ok(err)
	if len(receipts) != len(entries) {
		r.Fatalf("%d receipts for %d entries", len(receipts), len(entries))
	}
	return receipts
}

// accept takes one webhook in that must be accepted, and gives its number.
func (r *rig) accept(w webhook) int64 {
	r.Helper()
	receipt := r.append(w)[0]
	if receipt.Fate != journal.Accepted {
		r.Fatalf("%s is %s, want accepted", w.ID, receipt.Fate)
	}
	return receipt.ID
}

// stored gives an event as the journal has it.
func (r *rig) stored(id int64) journal.Stored {
	r.Helper()
	st, _, err := r.j.Event(r.Context(), id)
	r.ok(err)
	return st
}

// claim claims up to ten customers with ten events each.
func (r *rig) claim(lane connector.Lane) []journal.Claim {
	r.Helper()
	return r.claimWith(journal.ClaimRequest{Lane: lane, Customers: 10, Events: 10})
}

func (r *rig) claimWith(c journal.ClaimRequest) []journal.Claim {
	r.Helper()
	c.Destination, c.Now = crm, r.clock.Now()
	claims, err := r.j.Claim(r.Context(), c)
	r.ok(err)
	return claims
}

// claimOne claims the thread lane, in which one customer must be waiting.
func (r *rig) claimOne() journal.Claim {
	r.Helper()
	claims := r.claim(connector.LaneThread)
	if len(claims) != 1 {
		r.Fatalf("%d customers are due, want 1", len(claims))
	}
	return claims[0]
}

func (r *rig) waiting() journal.Waiting {
	r.Helper()
	w, err := r.j.Waiting(r.Context(), journal.WaitingRequest{Destination: crm, Now: r.clock.Now(), Count: 10})
	r.ok(err)
	return w
}

func (r *rig) write(d journal.Delta) {
	r.Helper()
	r.ok(r.j.Write(r.Context(), crm, &d))
}

func (r *rig) counts() journal.Counts {
	r.Helper()
	c, err := r.j.Counts(r.Context(), crm)
	r.ok(err)
	return c
}

// ids are the numbers of a claim's events, in their order.
func ids(c journal.Claim) []int64 {
	var out []int64
	for i := range c.Events {
		out = append(out, c.Events[i].Event.ID)
	}
	return out
}

// end is an outcome.
func (r *rig) end(c journal.Claim, event int64, state journal.State) journal.Outcome {
	return journal.Outcome{
		PendingKey: journal.PendingKey{Customer: c.Customer.ID, Event: event}, State: state, At: r.clock.Now(),
	}
}

// deliver ends all events of a claim and gives its customer back.
func (r *rig) deliver(c journal.Claim) {
	r.Helper()
	d := journal.Delta{Release: []journal.Release{{Customer: c.Customer.ID}}}
	for _, id := range ids(c) {
		d.Outcomes = append(d.Outcomes, r.end(c, id, journal.StateDelivered))
	}
	r.write(d)
}
