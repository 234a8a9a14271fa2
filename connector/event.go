package connector

import (
	"strings"
	"time"
)

// EventType names what happened, in the words of AISoule's developer
// documentation whichever dialect the webhook was written in. Types that this
// version does not know are kept as they came.
type EventType string

// The event types that AISoule documents.
const (
	MessageReceived   EventType = "message.received"
	MessageSent       EventType = "message.sent"
	MessageDelivered  EventType = "message.delivered"
	MessageRead       EventType = "message.read"
	MessageFailed     EventType = "message.failed"
	ContactCreated    EventType = "contact.created"
	ContactUpdated    EventType = "contact.updated"
	CampaignCompleted EventType = "campaign.completed"
	TransferCreated   EventType = "transfer.created"
	Ping              EventType = "ping"
)

// EventTypes lists every documented event type that reaches a mapping.
func EventTypes() []EventType {
	return []EventType{
		MessageReceived, MessageSent, MessageDelivered, MessageRead, MessageFailed,
		ContactCreated, ContactUpdated, CampaignCompleted, TransferCreated,
	}
}

// IsReceipt reports whether the type tells the fate of a message that the
// business sent. A message.sent that carries words is a receipt as well as a
// message of the business.
func (t EventType) IsReceipt() bool {
	switch t {
	case MessageSent, MessageDelivered, MessageRead, MessageFailed:
		return true
	}
	return false
}

// IsMessage reports whether the type belongs to one WhatsApp message.
func (t EventType) IsMessage() bool { return strings.HasPrefix(string(t), "message.") }

// Event is one accepted webhook as it was read. It never changes after its
// acceptance.
type Event struct {
	// ID is the journal's number for the event; events of one process are
	// numbered in the order of their acceptance.
	ID int64
	// Business and Source say where the webhook came in.
	Business string
	Source   string
	Type     EventType
	// Time is the event's own time, to the second in most webhooks. Where the
	// webhook has none it is Accepted.
	Time time.Time
	// Accepted is when the journal took the event. Mappings see it as now.
	Accepted time.Time
	// Identity is what this webhook says of the customer: the side of the
	// message that is not the business.
	Identity Identity
	// CustomerKey is the journal's key for the customer, stable for ever and
	// fit to be an external id in a CRM, e.g. "wa:918856879188". It is empty
	// for events that belong to no customer.
	CustomerKey string
	// Account is the business's WhatsApp number or UUID.
	Account string
	// ContactName is the customer's profile name as WhatsApp has it. Users set
	// and change it themselves.
	ContactName string
	// Message is nil for events that are not messages.
	Message *Message
	// Revision is 0 for the first webhook of its id and type, and counts up for
	// each later one with other content, such as an edited message.
	Revision int
	// State is what earlier accepted events said of the customer.
	State State
	// Data is the webhook's data member with every field that arrived.
	Data map[string]any
}

// Inbound reports whether the customer wrote the message.
func (e *Event) Inbound() bool { return e.Type == MessageReceived }

// Key names the event's message, or the event itself where it has none, in a
// way that a replay, a re-send or the renaming of a rule does not change. The
// keys of comments and tickets derive from it.
func (e *Event) Key() string {
	if e.Message != nil && e.Message.ID != "" {
		return e.Message.ID
	}
	return string(e.Type) + "@" + e.Time.UTC().Format("20060102T150405") + "/" + e.CustomerKey
}

// Identity is the set of names under which a webhook knows a customer. Any of
// them can be missing: users with a WhatsApp username may show no phone at all.
type Identity struct {
	// Phone is E.164 with a leading plus, as it arrived but for punctuation.
	Phone string
	// UserID is the business-scoped user id, e.g. "US.13491208655302741918".
	UserID string
}

// Empty reports whether nothing identifies the customer.
func (i Identity) Empty() bool { return i.Phone == "" && i.UserID == "" }

// Message is one WhatsApp message, or what a receipt says of one.
type Message struct {
	ID string
	// Type is WhatsApp's: text, image, audio, video, document, sticker,
	// location, contacts, button, interactive, reaction, order, system,
	// template, unsupported, or whatever arrived.
	Type string
	// Text is what the customer reads or wrote: the body, a button's title, a
	// reaction's emoji.
	Text    string
	Caption string
	Media   *Media
	// ReplyTo is the id of the message that this one answers or reacts to. It
	// may be one that was never seen.
	ReplyTo string
	// Status is how far the message has come: of what is known up to and with
	// this event the furthest, so a late "delivered" after "read" stays read.
	Status Status
	Error  *MessageError
	// NewPhone is the customer's new number when the event says that it changed.
	NewPhone string
}

// Media describes an attachment. URL is short-lived and must not be stored as a
// permanent link.
type Media struct {
	ID       string
	URL      string
	MIMEType string
	Filename string
	Voice    bool
	// Expires is when URL stops working, zero when the webhook does not say.
	Expires time.Time
}

// MessageError says why a message failed, as far as the webhook does.
type MessageError struct {
	Code   int
	Title  string
	Detail string
}

// Status is how far a message of the business has come.
type Status string

// The statuses, weakest first but for failed; others are kept as they came.
const (
	StatusNone      Status = ""
	StatusSent      Status = "sent"
	StatusDelivered Status = "delivered"
	StatusRead      Status = "read"
	StatusFailed    Status = "failed"
)

// Advance returns the status of a message that was at s and is now reported as
// next. Receipts arrive in any order, so a status never goes back: sent <
// delivered < read, and failed is final unless delivered or read was seen.
func (s Status) Advance(next Status) Status {
	if next.rank() >= s.rank() {
		return next
	}
	return s
}

func (s Status) rank() int {
	switch s {
	case StatusSent:
		return 2
	case StatusFailed:
		return 3
	case StatusDelivered:
		return 4
	case StatusRead:
		return 5
	case StatusNone:
		return 0
	}
	return 1
}

// Consent is what the customer has said about marketing messages.
type Consent string

// ConsentWithdrawn is set when WhatsApp reports error 131050, the user's own
// opt-out. It is empty while nothing is known.
const ConsentWithdrawn Consent = "withdrawn"

// State is what the earlier accepted events of a customer say, as it stood when
// an event was accepted. It never holds anything that a CRM answered, so that
// mapping an event again gives the same changes.
type State struct {
	// FirstSeen is when the customer's first event was accepted; the event's own
	// acceptance for a new customer.
	FirstSeen time.Time
	// LastCustomerMessage is the time of the customer's last message before this
	// event. It is zero when there was none.
	LastCustomerMessage time.Time
	Consent             Consent
	// MessageStatus is how far the event's message had come before.
	MessageStatus Status
}

// Lane tells the pending work that goes at once from the work that may wait.
type Lane int

// Thread changes go at once and strictly in order; state changes converge, so
// they wait until a batch is full or the oldest is fresh_within old.
const (
	LaneThread Lane = iota
	LaneState
)

// Lane is the event's lane as far as its type tells: only receipts can wait.
// A mapping that makes more of a receipt than a field decides otherwise.
func (e *Event) Lane() Lane {
	switch {
	case !e.Type.IsReceipt() || e.Type == MessageFailed:
		return LaneThread
	case e.Type == MessageSent && e.Message.hasContent():
		return LaneThread
	}
	return LaneState
}

// hasContent reports whether the webhook brought what the message says.
func (m *Message) hasContent() bool {
	return m != nil && (m.Text != "" || m.Caption != "" || m.Media != nil)
}
