package adaptertest

import (
	"net/http"
	"time"

	"github.com/crm-connector/crm-connector/connector"
)

// Config says how the suite meets one adapter.
type Config struct {
	// New makes a fresh CRM without records, and an adapter on it that uses
	// deps.HTTP for every call. It may be called concurrently.
	New func(deps connector.Deps) (Bench, error)

	// Secrets are the credentials that the adapter was configured with. They
	// must never show in an error.
	Secrets []string

	// Contact and Ticket are written into every record that the suite creates,
	// for CRMs that require more than the standard fields.
	Contact connector.Write
	Ticket  connector.Write

	// BadContact and BadTicket are writes that the CRM refuses for the record
	// that carries them, such as a field that does not exist. An empty one leaves
	// the cases of partial failure out, so give them for every kind that has a
	// batch.
	BadContact connector.Write
	BadTicket  connector.Write

	// Reads tells requests that change nothing from those that do. Nil means GET
	// and HEAD. A CRM that searches by POST says so here.
	Reads func(*http.Request) bool

	// Endings are the statuses by which the vendor means something else than the
	// rest of the world, with what the adapter must make of them.
	Endings map[int]connector.Ending

	// Answers are the vendor's own error answers, for codes that contradict the
	// status or say more than it.
	Answers []Answer

	// DaySpent is how the vendor says that the day's quota is spent, as against a
	// burst; its Want is Broken. Nil means that it knows no such quota.
	DaySpent *Answer

	// MaxBody is the largest comment that the CRM takes, in bytes; 0 means that
	// the suite's own 60,000 bytes fit. Adapters shorten or split what is longer.
	MaxBody int
}

// Answer is one vendor's answer to a write, and how the adapter must read it.
type Answer struct {
	Name   string
	Status int
	Header http.Header
	Body   string
	// To is the kind whose creation is answered so.
	To connector.Kind
	// Want is how the create ends, and Wait the least that its error must say.
	Want connector.Ending
	Wait time.Duration
}

// Bench is one fresh CRM with an adapter on it. Of its functions those that the
// CRM has no notion of stay nil; the suite prints which.
type Bench struct {
	Adapter connector.Adapter
	// Stop takes the CRM down. All goroutines that New started end with it.
	Stop func()

	// Count says how many records of a kind the CRM holds; deleted and merged
	// ones do not count.
	Count func(connector.Kind) int
	// Show reads one record back as a person would see it in the CRM.
	Show func(kind connector.Kind, id string) (Record, bool)

	// Solve closes a ticket in a way that can be undone, Finish for good. Delete
	// deletes a record, and Merge makes one record part of another.
	Solve  func(ticket string)
	Finish func(ticket string)
	Delete func(kind connector.Kind, id string)
	Merge  func(kind connector.Kind, id, into string)

	// FinishJobs makes the CRM carry out what it has taken as asynchronous jobs,
	// or waits until it has.
	FinishJobs func()

	// Unchanged makes the CRM answer writes with its success but do nothing, as
	// CRMs do that drop unknown values silently.
	Unchanged func(on bool)
	// IgnoreFilters makes the CRM answer every search with all its records.
	IgnoreFilters func(on bool)
}

// Record is what a CRM holds, as a person sees it: text unescaped, markup
// rendered.
type Record struct {
	Phone   string
	Name    string
	Subject string
	// Status is in the words of the adapter's mapping: open, pending, solved,
	// closed, or the CRM's own.
	Status string
	// Contact is the id of a ticket's contact.
	Contact string
	// Comments are a ticket's, in the order in which the CRM shows them.
	Comments []Comment
}

// Comment is one comment of a ticket as the CRM shows it.
type Comment struct {
	ID   string
	Body string
	// Files are the names or links of its files, as far as the CRM shows them
	// apart from the body.
	Files []string
	// Public says that the customer can see it.
	Public bool
}
