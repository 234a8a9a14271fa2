package connector

import (
	"bytes"
	"encoding/json"
	"time"
)

// Kind is a kind of record in a CRM.
type Kind string

// The kinds of records that the connector keeps.
const (
	KindContact Kind = "contact"
	KindTicket  Kind = "ticket"
	KindComment Kind = "comment"
)

// Fields are values by field name. A value is a string, bool, int64, float64,
// []string or nil; nil clears the field.
type Fields map[string]any

// UnmarshalJSON brings values back in the types that they had.
func (f *Fields) UnmarshalJSON(b []byte) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var raw map[string]any
	if err := dec.Decode(&raw); err != nil {
		return err
	}
	for name, v := range raw {
		raw[name] = restore(v)
	}
	*f = raw
	return nil
}

func restore(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		n, _ := v.Float64()
		return n
	case []any:
		list := make([]string, 0, len(v))
		for _, e := range v {
			if s, ok := e.(string); ok {
				list = append(list, s)
			}
		}
		return list
	}
	return v
}

// The standard fields: every adapter translates those that its CRM has.
// Mappings write further ones, in the CRM's own names, under fields:.
const (
	FieldPhone    = "phone"
	FieldName     = "name"
	FieldEmail    = "email"
	FieldTags     = "tags"
	FieldSubject  = "subject"
	FieldStatus   = "status"
	FieldPriority = "priority"
)

// The ticket statuses that every mapping can name. An adapter translates them
// and takes its CRM's own beside them.
const (
	TicketOpen    = "open"
	TicketPending = "pending"
	TicketSolved  = "solved"
	TicketClosed  = "closed"
)

// Mapped is what a mapping makes of one event: the vendor-free wishes that the
// engine folds with those of other events into changes. It marshals to JSON,
// since an event's first attempt pins it in the journal.
type Mapped struct {
	// Rules names the rules that matched, in order.
	Rules []string `json:"rules,omitempty"`
	// Skipped is the rule that decided to do nothing with the event.
	Skipped  string       `json:"skipped,omitempty"`
	Contact  *ContactWish `json:"contact,omitempty"`
	Ticket   *TicketWish  `json:"ticket,omitempty"`
	Comments []Comment    `json:"comments,omitempty"`
}

// Empty reports whether the event changes nothing.
func (m *Mapped) Empty() bool {
	return m.Contact == nil && m.Ticket == nil && len(m.Comments) == 0
}

// Lane is the lane of the wishes: everything that opens a ticket, says something
// on one or moves its status belongs to the thread.
func (m *Mapped) Lane() Lane {
	if len(m.Comments) > 0 {
		return LaneThread
	}
	if t := m.Ticket; t != nil && (t.Open || t.Set.Standard[FieldStatus] != nil) {
		return LaneThread
	}
	return LaneState
}

// Write is a set of field values, the standard ones apart from the CRM's own.
type Write struct {
	Standard Fields `json:"standard,omitempty"`
	Custom   Fields `json:"custom,omitempty"`
}

// Empty reports whether nothing is written.
func (w Write) Empty() bool { return len(w.Standard) == 0 && len(w.Custom) == 0 }

// ContactWish is what a mapping wants of the customer's contact.
type ContactWish struct {
	// Set goes out whenever the value that we want differs from what we last
	// wrote; Create only when the contact is made; Fill only where the CRM has
	// the field blank.
	Set    Write `json:"set,omitzero"`
	Create Write `json:"create,omitzero"`
	Fill   Write `json:"fill,omitzero"`
	// Make says that the contact is made where the CRM has none. Without it the
	// wish applies to a contact that exists and is dropped where none does.
	Make bool `json:"make,omitempty"`
}

// TicketWish is what a mapping wants of the conversation's current ticket.
type TicketWish struct {
	Set    Write `json:"set,omitzero"`
	Create Write `json:"create,omitzero"`
	Fill   Write `json:"fill,omitzero"`
	// Open says that a ticket is opened where the conversation has no current
	// one. Without it the wish, and the comments beside it, apply to a ticket
	// that exists and are dropped where none does.
	Open bool `json:"open,omitempty"`
}

// Change is what the engine asks an adapter for: one record, brought to a state.
type Change struct {
	// Kind is KindContact or KindTicket; all changes of one Apply have the same.
	Kind Kind
	// Key is our name for the record, unique within a call, at most 200 bytes of
	// printable ASCII. An adapter whose CRM can keep it stores it as the
	// external id, hashed where the alphabet or the length is narrower.
	Key string
	// ID is the CRM's id of the record. Empty means create, else update.
	ID string
	// Set is what to write; on create it holds all that the mapping gives.
	Set Write
	// Fill is what to write where the CRM has the field blank. Adapters whose
	// Describe says so take it; for the others the engine observes first.
	Fill Write
	// Identity is the customer's, for finding and making a contact.
	Identity Identity

	// Contact is the ticket's contact. Its ID is known, unless the create makes
	// the contact too (Description.MakesContact), with the fields of ContactSet.
	Contact    Ref
	ContactSet Write
	// FollowUp is the CRM's id of the closed ticket that a new one continues.
	FollowUp string
	// Reopen says that the ticket, known to be closed, is opened again before
	// its comments are added. Guard says that the comments are for an open ticket
	// only; adapters that are not Description.Guarded need not look at it.
	Reopen bool
	Guard  bool
	// Comments are added to the ticket in this order, before a status in Set
	// takes effect.
	Comments []Comment
}

// Comment is one message on a ticket.
type Comment struct {
	// Key is our name for the comment, from the message's id and a slot name.
	Key  string `json:"key"`
	Body string `json:"body"`
	// HTML says that Body is HTML; otherwise it is plain text, and an adapter
	// whose CRM takes HTML escapes it.
	HTML   bool   `json:"html,omitempty"`
	Author Author `json:"author"`
	// Private comments are not shown to the customer by the CRM. No adapter uses
	// a CRM's way of answering the customer, public or not.
	Private bool `json:"private,omitempty"`
	// Time is when the message was written. CRMs that take no time show it in
	// the body, by the mapping.
	Time        time.Time    `json:"time"`
	Attachments []Attachment `json:"attachments,omitempty"`
}

// Author is the side that wrote a comment.
type Author string

// The sides of a conversation, and the connector itself.
const (
	AuthorCustomer Author = "customer"
	AuthorBusiness Author = "business"
	AuthorSystem   Author = "system"
)

// Attachment is a file of a message, as a link that expires.
type Attachment struct {
	Name    string    `json:"name,omitempty"`
	URL     string    `json:"url"`
	Expires time.Time `json:"expires,omitzero"`
}

// Ref points at one record in a CRM by whatever is known of it.
type Ref struct {
	Kind Kind
	// Key is our name for it and ID the CRM's; one of them can be empty.
	Key string
	ID  string
	// Identity helps to find a contact that somebody else made. Phones are the
	// forms under which a CRM may have stored the number, with and without the
	// plus, the likeliest first: Brazil's ninth digit, Mexico's and Argentina's 1
	// and 9.
	Identity Identity
	Phones   []string
	// Parent is the ticket under which a comment is looked for.
	Parent *Ref
	// Body is the comment's text, for CRMs that keep no key of ours and where
	// a comment can only be found by what it says and when it was written.
	Body string
	// Job is the reference of an asynchronous job that was to write the record.
	Job string
}

// Observation is what a CRM holds of one Ref.
type Observation struct {
	// Found is false when the CRM has no such record. Absence is an
	// answer, not an error.
	Found bool
	ID    string
	// URL opens the record in the CRM's own pages, empty when it has none.
	URL string
	// Condition tells what can be done with it.
	Condition Condition
	// Successor is the id of the record that this one was merged into.
	Successor string
	// Blank names the fields that are empty in the CRM, for Fill. Nil means that
	// the adapter does not know.
	Blank []string
	// Err says that this one could not be observed, or how its job ended when it
	// is not done: Pending still, Refused, or Stale. The other fields then mean
	// nothing.
	Err *Error
}

// Condition is what an existing record can take.
type Condition string

// The conditions of a record. Contacts are active or gone.
const (
	// Active records take changes and comments.
	Active Condition = "active"
	// Closed tickets can be opened again.
	Closed Condition = "closed"
	// Final tickets are closed for good: they refuse comments for ever.
	Final Condition = "final"
	// Gone records are deleted, or merged into a Successor.
	Gone Condition = "gone"
)

// Result is what became of one change.
type Result struct {
	// ID is the CRM's id of the record, set when Err is nil.
	ID  string
	URL string
	// Contact is the id of the contact that the ticket's create made or found,
	// where Description.MakesContact says so.
	Contact string
	// Condition is the record's after the change, empty when the CRM's answer
	// does not show it.
	Condition Condition
	// Err is nil only when the CRM's answer for this very record says that it
	// now is as asked for.
	Err *Error
	// Comments has one result for each comment of the change, in order. Beside an
	// Err it means nothing, unless that is Ambiguous and the adapter knows how
	// the comments ended.
	Comments []CommentResult
}

// CommentResult is what became of one comment.
type CommentResult struct {
	ID  string
	Err *Error
}
