package crm

import (
	"slices"
	"strconv"
	"sync"
	"time"
)

// The kinds of records, and a ticket's statuses.
const (
	contactKind = "contact"
	ticketKind  = "ticket"

	statusOpen    = "open"
	statusPending = "pending"
	statusSolved  = "solved"
	statusClosed  = "closed"
)

// suffixLength is how many digits of a number the phone index looks at, like
// the address books that find a number however it was written. Whoever searches
// must compare the whole number.
const suffixLength = 7

// contact is a person.
type contact struct {
	id, externalID string
	created        time.Time
	// phoned is when the index was last told of another phone.
	phoned  time.Time
	values  values
	tickets []*ticket
	gone    bool
	// into is the contact that this one was merged into.
	into *contact
}

// ticket is one matter of a contact.
type ticket struct {
	id, externalID string
	created        time.Time
	updated        time.Time
	contact        *contact
	status         string
	followUpOf     string
	values         values
	comments       []*comment
	gone           bool
	into           *ticket
	// newer and older chain the tickets by their last activity, for the page.
	newer, older *ticket
}

// comment is one message on a ticket.
type comment struct {
	id, externalID string
	created        time.Time
	body           string
	html           bool
	author         string
	private        bool
	writtenAt      string
	attachments    []attachment
}

// attachment is a link to a file.
type attachment struct {
	Name string `json:"name,omitempty"`
	URL  string `json:"url"`
}

// store holds the records. Its methods want the lock held; whoever takes it
// keeps it briefly.
type store struct {
	mu       sync.RWMutex
	last     int
	revision int64
	written  written

	contacts []*contact
	tickets  []*ticket
	comments int
	// living counts the records that are neither deleted nor merged.
	living struct{ contacts, tickets int }

	contactByID     map[string]*contact
	contactByKey    map[string][]*contact
	contactByUser   map[string][]*contact
	contactBySuffix map[string][]*contact
	ticketByID      map[string]*ticket
	ticketByKey     map[string][]*ticket
	newest          *ticket
}

// written counts what was saved.
type written struct {
	Contacts int `json:"contacts_created"`
	Tickets  int `json:"tickets_created"`
	Comments int `json:"comments_created"`
	Updates  int `json:"records_updated"`
}

func newStore() *store {
	return &store{
		contactByID:     make(map[string]*contact),
		contactByKey:    make(map[string][]*contact),
		contactByUser:   make(map[string][]*contact),
		contactBySuffix: make(map[string][]*contact),
		ticketByID:      make(map[string]*ticket),
		ticketByKey:     make(map[string][]*ticket),
	}
}

// nextID numbers all records in one row, so that an id of one kind never names
// a record of another.
func (s *store) nextID() string {
	s.last++
	return strconv.Itoa(s.last)
}

func (s *store) addContact(c *contact) {
	c.id = s.nextID()
	s.contacts = append(s.contacts, c)
	s.contactByID[c.id] = c
	if c.externalID != "" {
		s.contactByKey[c.externalID] = append(s.contactByKey[c.externalID], c)
	}
	s.written.Contacts++
	s.living.contacts++
	s.revision++
}

// saveContact gives a contact its values and keeps the indexes.
func (s *store) saveContact(c *contact, next values, now time.Time) {
	if before, after := digits(c.values.text("phone")), digits(next.text("phone")); before != after {
		reindex(s.contactBySuffix, suffix(before), suffix(after), c)
		c.phoned = now
	}
	reindex(s.contactByUser, c.values.text("user_id"), next.text("user_id"), c)
	c.values = next
	s.revision++
}

func (s *store) addTicket(t *ticket) {
	t.id = s.nextID()
	s.tickets = append(s.tickets, t)
	s.ticketByID[t.id] = t
	if t.externalID != "" {
		s.ticketByKey[t.externalID] = append(s.ticketByKey[t.externalID], t)
	}
	t.contact.tickets = append(t.contact.tickets, t)
	s.written.Tickets++
	s.living.tickets++
	s.touch(t)
}

func (s *store) addComment(t *ticket, c *comment) {
	c.id = s.nextID()
	t.comments = append(t.comments, c)
	s.comments++
	s.written.Comments++
}

// touch makes a ticket the one with the latest activity.
func (s *store) touch(t *ticket) {
	s.revision++
	if s.newest == t {
		return
	}
	s.unchain(t)
	t.older = s.newest
	if s.newest != nil {
		s.newest.newer = t
	}
	s.newest = t
}

func (s *store) unchain(t *ticket) {
	if t.newer != nil {
		t.newer.older = t.older
	}
	if t.older != nil {
		t.older.newer = t.newer
	}
	if s.newest == t {
		s.newest = t.older
	}
	t.newer, t.older = nil, nil
}

// dropContact deletes a contact, or merges it into another one, which gets its
// tickets and whatever it has blank itself.
func (s *store) dropContact(c, into *contact, now time.Time) {
	c.gone, c.into = true, into
	s.living.contacts--
	if into != nil {
		fill := make(map[string]any, len(c.values))
		for _, v := range c.values {
			fill[v.name] = v.data
		}
		s.saveContact(into, into.values.with(nil, fill), now)
		for _, t := range c.tickets {
			t.contact = into
		}
		into.tickets = append(into.tickets, c.tickets...)
		slices.SortFunc(into.tickets, func(a, b *ticket) int { return byNumber(a.id, b.id) })
		c.tickets = nil
	}
	s.saveContact(c, nil, now)
	reindex(s.contactByKey, c.externalID, "", c)
}

// dropTicket deletes a ticket, or merges it into another one, which gets its
// comments.
func (s *store) dropTicket(t, into *ticket) {
	t.gone, t.into = true, into
	s.living.tickets--
	s.unchain(t)
	t.contact.tickets = without(t.contact.tickets, t)
	reindex(s.ticketByKey, t.externalID, "", t)
	if into == nil {
		s.comments -= len(t.comments)
		t.comments = nil
		s.revision++
		return
	}
	into.comments = append(into.comments, t.comments...)
	slices.SortFunc(into.comments, func(a, b *comment) int { return byNumber(a.id, b.id) })
	t.comments = nil
	s.touch(into)
}

// successor is the living contact that a merged one ended in, or nil.
func (c *contact) successor() *contact {
	for c != nil && c.gone {
		c = c.into
	}
	return c
}

// successor is the living ticket that a merged one ended in, or nil.
func (t *ticket) successor() *ticket {
	for t != nil && t.gone {
		t = t.into
	}
	return t
}

func (t *ticket) comment(externalID string) *comment {
	for _, c := range t.comments {
		if externalID != "" && c.externalID == externalID {
			return c
		}
	}
	return nil
}

func (t *ticket) takesComments() bool { return t.status == statusOpen || t.status == statusPending }

func suffix(digits string) string { return digits[max(0, len(digits)-suffixLength):] }

func byNumber(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	if a < b {
		return -1
	}
	if a > b {
		return 1
	}
	return 0
}

func reindex[T comparable](index map[string][]T, before, after string, record T) {
	if before == after {
		return
	}
	if before != "" {
		index[before] = without(index[before], record)
		if len(index[before]) == 0 {
			delete(index, before)
		}
	}
	if after != "" {
		index[after] = append(index[after], record)
	}
}

func without[T comparable](list []T, record T) []T {
	return slices.DeleteFunc(list, func(one T) bool { return one == record })
}
