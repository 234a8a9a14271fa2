// Package journal says what the durable record of the connector promises: every
// accepted event, what is pending where, which creates were begun, which record
// in a CRM is whose, and what became of each event. It holds the words and the
// interfaces; sqlite keeps the promises, and journaltest is their test.
//
// Start with [Intake], which the webhooks use, and [Delivery], which the rounds
// use. All methods are safe for concurrent use. A method that returns nil has
// synced what it wrote; one that returns an error has written nothing.
package journal

import (
	"context"
	"errors"
	"time"

	"github.com/crm-connector/crm-connector/connector"
)

// Errors that callers branch on.
var (
	// ErrLocked: another process holds the journal.
	ErrLocked = errors.New("the journal is in use by another process")
	// ErrNewer: a newer version of the connector has written the journal.
	ErrNewer = errors.New("the journal was written by a newer version")
	// ErrFull: no space is left on the disk. It passes when there is again.
	ErrFull = errors.New("no space is left for the journal")
	// ErrNotFound: there is no such event.
	ErrNotFound = errors.New("not in the journal")
)

// Journal is all of it, as the composition root holds it.
type Journal interface {
	Intake
	Delivery
	Reader
	Operator
	// Close waits for running calls and lets the journal go. Calls after it fail.
	Close() error
}

// Mark is a point in the journal's order: everything that was answered before
// the mark was taken comes before what is appended with it.
type Mark int64

// Intake takes events in.
type Intake interface {
	// Mark is taken when a request begins.
	Mark() Mark
	// Append writes all entries in one synced commit, or none. Concurrent calls
	// share commits. For each entry, in order: an exact re-send is Duplicate,
	// unless what was sent before is in the quarantine and can be used now; an
	// event older than DuplicateReach, or an entry that has a Quarantine reason
	// already, is Quarantined. What says the same as an earlier event of the same
	// customer, message id and type is Duplicate too, whatever source, dialect,
	// time or link it came with; that one is made pending at the routes it did
	// not have. Everything else is Accepted, given to its customer (found or made
	// by any of its identities; a receipt without any goes to its message's),
	// numbered as a revision when its id and type were there before and said
	// something else, and made pending at its routes. The first words of a
	// message.sent are no revision of the same without words.
	Append(ctx context.Context, began Mark, entries []Entry) ([]Receipt, error)
}

// DuplicateReach is how far back, by the events' own times, duplicates are
// recognised.
const DuplicateReach = 30 * 24 * time.Hour

// Entry is one element of a webhook on its way in.
type Entry struct {
	// Raw is the element as it came, from which it can be read again.
	Raw []byte
	// Event is what was read. ID, Accepted, CustomerKey, Revision, State and
	// Message.Status are the journal's to set.
	Event connector.Event
	// Undated says that the webhook held no time of its own.
	Undated bool
	// Quarantine says why the element can't be used; empty for a good one.
	Quarantine string
	// Routes are the destinations that take the event.
	Routes []Route
}

// Route is one destination of an event.
type Route struct {
	Destination string
	Lane        connector.Lane
}

// Receipt is what became of an entry.
type Receipt struct {
	Fate Fate
	// ID is the event's number, also for a duplicate, or the quarantine's.
	ID       int64
	Revision int
	// Reason says why it was quarantined.
	Reason string
}

// Fate is what intake did with an element.
type Fate string

// The fates; they are also the words of intake's answers.
const (
	Accepted    Fate = "accepted"
	Duplicate   Fate = "duplicate"
	Quarantined Fate = "quarantined"
)

// Delivery is what a destination's worker needs. A destination is worked by one
// worker at a time.
type Delivery interface {
	// Open gives the destination's remembered state and makes the destination
	// known. It is called once, before anything else about the destination.
	Open(ctx context.Context, destination string) (DestinationState, error)
	// Waiting says what is pending.
	Waiting(ctx context.Context, w WaitingRequest) (Waiting, error)
	// Claim gives customers that have something due, each with its pending events
	// in order of arrival. Who has been due longest comes first; one that was held
	// back is due since the end of that, so that nobody is tried twice before
	// everybody was. It changes nothing: the worker knows what it has in hand.
	Claim(ctx context.Context, c ClaimRequest) ([]Claim, error)
	// Links looks links up by key; those that do not exist are left out.
	Links(ctx context.Context, destination string, keys []LinkKey) ([]Link, error)
	// Write makes one synced commit of all that a delta says, or nothing.
	Write(ctx context.Context, destination string, d *Delta) error
}

// WaitingRequest asks what is pending at a destination.
type WaitingRequest struct {
	Destination string
	Now         time.Time
	// Count bounds how far customers are counted.
	Count int
}

// Waiting is what is pending at a destination.
type Waiting struct {
	// ThreadDue says that at least one customer's thread is due, and NextThread
	// when the next one will be, zero when none waits.
	ThreadDue  bool
	NextThread time.Time
	// States counts the customers with only state changes that are not held
	// back, up to the request's Count; OldestState is since when the first of
	// them waits, and NextState when the next one that is held back will be due,
	// zero when none is.
	States      int
	OldestState time.Time
	NextState   time.Time
}

// ClaimRequest asks for customers with something due.
type ClaimRequest struct {
	Destination string
	Now         time.Time
	// Lane is LaneThread for customers whose thread is due, or LaneState for
	// those that have only state changes.
	Lane connector.Lane
	// Customers and Events (for each customer) bound the answer.
	Customers int
	Events    int
	// Busy leaves customers out, by id.
	Busy map[int64]bool
	// Fresh puts customers with fewer attempts before others: when only a few
	// calls are let through, one that failed before must not use them up.
	Fresh bool
}

// Claim is one customer with what is pending for it.
type Claim struct {
	Customer Customer
	// Attempts counts the rounds in a row that got nowhere, and StuckSince is
	// the destination's service clock at the first of them.
	Attempts   int
	StuckSince time.Duration
	// Events are in order of arrival; More says that there are further ones.
	Events []Stored
	More   bool
	// Links are the customer's contact and the current tickets.
	Links []Link
	// Intents are the creates whose end is not known.
	Intents []Intent
}

// Customer is an identity set: the unit of order.
type Customer struct {
	ID int64
	// Key is the stable external key, e.g. "wa:918856879188".
	Key string
	// Identity is the newest of each kind.
	Identity connector.Identity
}

// Stored is an event as the journal keeps it. Event holds what Append was given
// and set but for Data and Message, which webhook.Read reads from Raw again;
// of Message only the advanced Status is kept, in Status.
type Stored struct {
	Event  connector.Event
	Status connector.Status
	Raw    []byte
	// After is the mark of the event's own request: whatever has an ID up to it
	// was answered before the event's request began.
	After Mark
	Lane  connector.Lane
	// Pinned is the Mapped of the first attempt, as JSON, nil before.
	Pinned []byte
}

// LinkKey names a link.
type LinkKey struct {
	Customer int64
	Kind     connector.Kind
	Key      string
}

// Link is what the connector remembers: our key is that record in that CRM.
type Link struct {
	LinkKey
	ID  string
	URL string
	// Account is a ticket's conversation, and Current says that it is the
	// conversation's current ticket.
	Account string
	Current bool
	// Condition is as the CRM last showed it, at Seen.
	Condition connector.Condition
	Seen      time.Time
	// Active is the time of the last message that was put on a ticket, as
	// accepted.
	Active time.Time
	// Ticket is the key of a comment's ticket.
	Ticket string
	// Written is what we last wrote, by field name.
	Written map[string]Written
}

// Written is the memory of one field's value.
type Written struct {
	// Hash is of the value; AsOf the id of the event that gave it: an earlier
	// accepted event never overwrites what a later one wrote.
	Hash uint64 `json:"h"`
	AsOf int64  `json:"e"`
}

// Intent is a create or an update of fields that was begun. It is written before
// the call goes out and removed when its end is known.
type Intent struct {
	// Link is what to remember when the call turns out to be done; its ID is
	// empty for a create.
	Link Link
	// Event is the event that wanted it.
	Event int64
	// Deadline is when our connection stops writing the call. Only after Settled
	// does an absence count, or can an update no longer be carried out.
	Deadline time.Time
	Settled  time.Time
	// Job is the CRM's reference when it has taken an asynchronous job.
	Job string
	// Repeats counts how often the end of this create stayed unknown and it was
	// done again. Held says that it waits for a person instead.
	Repeats int
	Held    bool
}

// Delta is one commit of a worker.
type Delta struct {
	// Pin stores the Mapped of events at their first attempt, by event id; nil
	// takes a pin back, after an attempt that surely did nothing.
	Pin map[int64][]byte
	// Settle removes intents, and then Intend writes some; the same key again
	// overwrites.
	Settle []LinkKey
	Intend []Intent
	// Link writes links in order, and then Unlink removes some. Writing a ticket
	// that is Current makes the conversation's other tickets not so.
	Link   []Link
	Unlink []LinkKey
	// Outcomes end events at the destination: their pending rows and pins go.
	Outcomes []Outcome
	// Defer moves pending events to the state lane.
	Defer []PendingKey
	// Release gives customers back after Outcomes and Defer were done.
	Release []Release
	// Unknown records creates whose end could not be known.
	Unknown []Unknown
	// Revive takes the dead letters of these events back, at their place; not
	// those that a later event of the customer may have overtaken, since an intent
	// of it is open.
	Revive []PendingKey
	// State is the destination's, when it changed.
	State *DestinationState
}

// PendingKey names one event of one customer at the delta's destination.
type PendingKey struct {
	Customer int64
	Event    int64
}

// Outcome is the end of an event at a destination.
type Outcome struct {
	PendingKey
	State State
	// Rule is the rule that skipped it. Code and Reason are a dead letter's: the
	// vendor's code and words.
	Rule   string
	Code   string
	Reason string
	At     time.Time
}

// State is what became of an event at a destination.
type State string

// The states. Every accepted event has exactly one at each destination.
const (
	StatePending   State = "pending"
	StateDelivered State = "delivered"
	StateSkipped   State = "skipped"
	StateUnmatched State = "unmatched"
	StateDead      State = "dead_letter"
	StateDiscarded State = "discarded"
	StateErased    State = "erased"
)

// Release gives a customer back. Where pending events remain it is due again:
// by itself when NotBefore is zero, else held until then.
type Release struct {
	Customer   int64
	NotBefore  time.Time
	Attempts   int
	StuckSince time.Duration
}

// Unknown is a create whose end could not be known, with what was decided.
type Unknown struct {
	LinkKey
	Event    int64
	Decision connector.WhenUnknown
	At       time.Time
}

// DestinationState is what a destination's worker must remember over a restart.
type DestinationState struct {
	// Paused says why the destination is paused, empty while it is not, and
	// Since from when. Retry is when the next trial is.
	Paused string    `json:"paused,omitempty"`
	Since  time.Time `json:"since,omitzero"`
	Retry  time.Time `json:"retry,omitzero"`
	// Trials counts the trials of this pause.
	Trials int `json:"trials,omitempty"`
	// ByOperator says that a person paused it: there are no trials then.
	ByOperator bool `json:"by_operator,omitempty"`
	// Served is the service clock: how long the destination has been working,
	// by the time between successes. Waiting through an outage does not count.
	Served      time.Duration `json:"served,omitempty"`
	LastSuccess time.Time     `json:"last_success,omitzero"`
	// Streaks are the refusals in a row, by their code, without a success of the
	// same kind between.
	Streaks map[string]Streak `json:"streaks,omitempty"`
}

// Streak is a row of refusals that may be the CRM's fault and not the records'.
type Streak struct {
	Customers []int64      `json:"customers"`
	Events    []PendingKey `json:"events"`
}

// Reader answers the questions of people.
type Reader interface {
	// Event gives an event with its outcomes, or ErrNotFound.
	Event(ctx context.Context, id int64) (Stored, []Outcome, error)
	// List gives events in order of acceptance, newest first.
	List(ctx context.Context, f Filter) ([]Listed, error)
	// Destinations names every destination that the journal knows, also those
	// that no configuration has any more, in order.
	Destinations(ctx context.Context) ([]string, error)
	// Quarantine gives quarantined elements, newest first.
	Quarantine(ctx context.Context, limit int) ([]QuarantinedElement, error)
	// Counts sums up a destination. It may look at every row: a person asked.
	Counts(ctx context.Context, destination string) (Counts, error)
}

// Filter chooses events. Zero values choose all.
type Filter struct {
	Destination string
	State       State
	Customer    string
	From, To    time.Time
	// Before goes on from the last event of the page before.
	Before int64
	Limit  int
}

// Listed is an event with what became of it at the filter's destination, or at
// the first one.
type Listed struct {
	Event   connector.Event
	Outcome Outcome
}

// QuarantinedElement is an authentic element that could not be used.
type QuarantinedElement struct {
	ID     int64
	Source string
	At     time.Time
	Reason string
	// Raw is the element as it came, or its first QuarantineShown bytes, and Size
	// how long it was.
	Raw  []byte
	Size int
}

// QuarantineShown bounds what a list gives of each quarantined element.
const QuarantineShown = 16 << 10

// Counts is a destination's sum.
type Counts struct {
	Events        map[State]int64
	Customers     int64
	OldestPending time.Time
	Intents       int64
	Unknown       int64
	// Accepted and Quarantined are the journal's as a whole.
	Accepted    int64
	Quarantined int64
}

// Operator mends what people decide to mend.
type Operator interface {
	// Requeue makes events pending again, at the end of what is pending, and
	// says how many, also beside an error: it takes several commits, so that
	// intake has its turn between. Pending ones are left as they are.
	Requeue(ctx context.Context, destination string, f Filter) (int, error)
	// Reserve remembers calls that are about to be made, so that a restart counts
	// them, and Reserved gives those made after a time.
	Reserve(ctx context.Context, destination string, r Reservation) error
	Reserved(ctx context.Context, destination string, after time.Time) ([]Reservation, error)
}

// Reservation is a number of calls that may be made from At until Until.
type Reservation struct {
	At    time.Time
	Until time.Time
	Calls int
}
