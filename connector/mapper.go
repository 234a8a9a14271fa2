package connector

import "time"

// Mapper turns events into wishes. Implementations are immutable after their
// making and safe for concurrent use.
type Mapper interface {
	// Map is pure: the same event gives the same wishes, whatever the time and
	// whatever a CRM has answered. An error says that a rule could not be
	// evaluated for this event; the event becomes a dead letter with its text,
	// which names the rule and the field and holds nothing of the event's words.
	Map(e *Event) (*Mapped, error)
	// Policy is what the mapping decides for all its rules.
	Policy() Policy
	// Threads reports whether events of the type may make thread changes, so
	// that they do not wait with the receipts.
	Threads(t EventType) bool
	// Generation names the mapping's content; two mappings with the same
	// generation map alike.
	Generation() string
}

// Policy is what a mapping decides about conversations and unknown ends.
type Policy struct {
	// Idle is how long after its last message a ticket is left and a new one
	// opened; 0 means never.
	Idle time.Duration
	// ReopenWithin is how long after its last message a closed ticket is opened
	// again by the customer's next one; later WhenClosed decides. 0 means never
	// to reopen.
	ReopenWithin time.Duration
	// WhenClosed is what follows a closed ticket that is not opened again.
	WhenClosed WhenClosed
	// WhenContactGone is what follows when somebody deleted the contact.
	WhenContactGone WhenContactGone
	// WhenUnknown is what follows a create whose end can never be known.
	WhenUnknown WhenUnknown
}

// WhenClosed is what follows a closed ticket.
type WhenClosed string

// The choices after a closed ticket.
const (
	// FollowUp opens a new ticket that names the closed one, where the CRM can.
	FollowUp WhenClosed = "follow_up"
	// NewTicket opens a new ticket that knows nothing of the closed one.
	NewTicket WhenClosed = "new"
)

// WhenContactGone is what follows a deleted contact.
type WhenContactGone string

// The choices after a deleted contact.
const (
	// Recreate makes the contact again with the customer's next change.
	Recreate WhenContactGone = "recreate"
	// LeaveGone makes dead letters of what the customer's events would change,
	// for deletions that a law demanded.
	LeaveGone WhenContactGone = "leave"
)

// WhenUnknown is what follows a create whose end can never be known.
type WhenUnknown string

// The choices after an unknown end.
const (
	// Repeat creates again: nothing is lost, something may be doubled.
	Repeat WhenUnknown = "repeat"
	// Hold makes a dead letter: nothing is doubled, something may be lost until
	// a person has looked.
	Hold WhenUnknown = "hold"
)
