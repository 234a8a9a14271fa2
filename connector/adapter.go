package connector

import (
	"context"
	"net/http"
	"time"
)

// Adapter translates between changes and one CRM's API.
//
// An adapter keeps no state, goroutine, cache or queue of its own, knows no
// rule, no journal and no other adapter, and neither sleeps nor retries beyond
// the HTTP client's quick transport retries where a repeat is harmless. The
// engine batches, orders, retries, waits, and decides between create and update.
// The engine calls Observe and Apply concurrently for different records, never
// for the same one. Every call ends soon after its context does.
type Adapter interface {
	// Describe says what the CRM can do. It is pure: no I/O, always the same
	// answer for the same configuration.
	Describe() Description

	// Observe looks records up, at most Description.ObserveBatch of one kind a
	// call, and answers one observation for each ref, in order. A record that
	// does not exist is an observation with Found false. The adapter compares
	// every row that comes back with what was asked for, since servers ignore
	// filters that they do not know and answer with everything. The error, if
	// any, speaks for the whole call.
	//
	// A ref is looked up by its ID where it has one, else by its Key, else (a
	// contact) by its identity, comparing whole normalised numbers.
	Observe(ctx context.Context, refs []Ref) ([]Observation, error)

	// Apply brings records of one kind to the state that the changes describe,
	// and answers one result for each change and for each comment that it
	// carries, in order. There are at most Description.For(kind).Batch changes,
	// and no key occurs twice.
	//
	// A result without an error means that the CRM has confirmed this very
	// record; a 2xx whose body says otherwise is not success. Comments are added
	// in order: when one is not done the adapter leaves those behind it, and a
	// status in Set, untouched, and answers Retry for those comments; the record
	// itself is then done. Retry always means that nothing
	// happened; an adapter that cannot know answers Ambiguous.
	//
	// The returned error, if any, speaks for every change of the call when
	// nothing in it can be told apart, such as a time-out, or a batch that the
	// CRM refuses whole. The engine halves a batch that was refused whole.
	Apply(ctx context.Context, changes []Change) ([]Result, error)
}

// Constructor makes an adapter from its own part of the configuration. It does
// no I/O: a destination that cannot be reached must not keep the connector from
// starting.
type Constructor func(settings Settings, deps Deps) (Adapter, error)

// Settings is an adapter's own part of the configuration.
type Settings interface {
	// Decode fills the struct that into points at, by its yaml tags. It is
	// strict: an unknown key or a wrong type is an error that names the file, the
	// line and the column, and what was probably meant. A field of type Secret
	// named k can be given as k_file too.
	Decode(into any) error
}

// Deps is what an adapter is given to work with.
type Deps struct {
	// HTTP counts every request against the destination's quota, retries and
	// redirects too, and refuses to write past a call's deadline. An error of its
	// that has a method NotSent() bool answering true says that the request never
	// left. Adapters use no other client.
	HTTP *http.Client
	// Now is the clock.
	Now func() time.Time
}

// Secret is a credential. It prints as a placeholder.
type Secret string

// String hides the secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "[secret]"
}

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return s.String() }

// MarshalText hides the secret from encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Reveal gives the secret itself, for the one place that sends it.
func (s Secret) Reveal() string { return string(s) }

// Checker is the optional ability to say who we are at the CRM. Check makes one
// cheap authenticated call; the engine uses it to tell a refused permission from
// a dead credential, and to notice that a paused destination works again.
type Checker interface {
	Check(ctx context.Context) (Account, error)
}

// Account is who the credentials belong to.
type Account struct {
	// Name is what a person recognises: the workspace, company or user.
	Name string
	// URL opens the CRM's own pages.
	URL string
}

// Creation is what protects a record kind from being made twice.
type Creation string

// The ways of creation.
const (
	// Keyed: the CRM takes our key and makes one record of two creates.
	Keyed Creation = "keyed"
	// Found: a record that may have been made can be found again, by our key or
	// under its parent.
	Found Creation = "found"
	// Blind: neither. After an ambiguous end nobody can know.
	Blind Creation = "blind"
)

// Description is what an adapter says of its CRM. The zero value of a field is
// the cautious choice.
type Description struct {
	// CRM is the vendor's name as people write it.
	CRM     string
	Contact KindDescription
	Ticket  KindDescription
	Comment KindDescription
	// ObserveBatch is how many refs one Observe takes; 0 means 1.
	ObserveBatch int
	// FirstComment says whether creating a ticket takes comments, or needs one.
	FirstComment FirstComment
	// Comments is how many comments one change of a ticket may carry, 0 means 1.
	// A CRM that takes many in one call says so here; so does an adapter that
	// joins several into one to spare the ticket's own budget.
	Comments int
	// MakesContact says that creating a ticket makes its contact as well, in the
	// same call, from Change.Contact and Change.ContactSet. The engine then
	// creates no contact of its own before a ticket.
	MakesContact bool
	// Guarded says that an update with Change.Guard is answered Stale, and leaves
	// no comment, when the ticket is closed. Without it the engine observes a
	// ticket whose status it has not seen lately.
	Guarded bool
	// Fills says that the adapter takes Change.Fill; otherwise the engine
	// observes which fields are blank.
	Fills bool
	// Concurrency is how many calls the CRM takes at once; 0 means 1.
	Concurrency int
	// CallTimeout bounds one call; 0 means 30 s.
	CallTimeout time.Duration
	// Quota holds for all calls together.
	Quota []Window
}

// For gives the description of a kind.
func (d *Description) For(k Kind) KindDescription {
	switch k {
	case KindContact:
		return d.Contact
	case KindTicket:
		return d.Ticket
	default:
		return d.Comment
	}
}

// KindDescription is what a CRM does with one kind of record.
type KindDescription struct {
	Create Creation
	// Settling is how long after our deadline the CRM may still finish a create,
	// and Lag how long a new record stays invisible to Observe. Absence counts
	// only after deadline + Settling + Lag.
	Settling time.Duration
	Lag      time.Duration
	// Batch is how many changes one Apply takes; 0 means 1. It is not used for
	// comments, which travel with their tickets.
	Batch int
	// Standard names the standard fields that the CRM can hold, and Required
	// those without which it refuses a create.
	Standard []string
	Required []string
	// Updates is how often one record may be updated; zero means no limit.
	Updates Window
}

// FirstComment is what creating a ticket does with comments.
type FirstComment string

// The ways of a ticket's first comment.
const (
	// FirstCommentApart: comments are added after the create.
	FirstCommentApart FirstComment = ""
	// FirstCommentTaken: the create can carry comments in the same call.
	FirstCommentTaken FirstComment = "taken"
	// FirstCommentNeeded: the create is refused without one.
	FirstCommentNeeded FirstComment = "needed"
)

// Window is a limit of Calls in any stretch of time of length Per.
type Window struct {
	Calls int
	Per   time.Duration
}
