package crm

import (
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// item is one record of a batch. With an id it changes that record, without one
// it creates a record.
type item struct {
	ID         string         `json:"id"`
	ExternalID string         `json:"external_id"`
	Set        map[string]any `json:"set"`
	// Fill is written only where the record has nothing.
	Fill map[string]any `json:"fill"`

	// What follows is for tickets.
	ContactID  string `json:"contact_id"`
	FollowUpOf string `json:"follow_up_of"`
	// Reopen opens a solved ticket before the comments are added.
	Reopen bool `json:"reopen"`
	// ExpectOpen refuses the item, and adds none of its comments, when the
	// ticket is neither open nor pending.
	ExpectOpen bool          `json:"expect_open"`
	Comments   []commentItem `json:"comments"`
}

// commentItem is one comment of a ticket's item.
type commentItem struct {
	ExternalID string `json:"external_id"`
	Body       string `json:"body"`
	HTML       bool   `json:"html"`
	Author     string `json:"author"`
	// ContactID is who wrote a customer's comment; the ticket's own contact when
	// empty.
	ContactID   string       `json:"contact_id"`
	Private     bool         `json:"private"`
	WrittenAt   string       `json:"written_at"`
	Attachments []attachment `json:"attachments"`
}

// itemResult is what became of an item. Record is the record as it is now, null
// when there is none.
type itemResult struct {
	Status   string          `json:"status"`
	Existing bool            `json:"existing,omitempty"`
	Record   any             `json:"record"`
	Error    *problem        `json:"error,omitempty"`
	Comments []commentResult `json:"comments,omitempty"`
}

// commentResult is what became of a comment of an item.
type commentResult struct {
	Status     string   `json:"status"`
	ID         string   `json:"id,omitempty"`
	ExternalID string   `json:"external_id,omitempty"`
	TicketID   string   `json:"ticket_id,omitempty"`
	Error      *problem `json:"error,omitempty"`
}

// problem is what the server has against a request or a record.
type problem struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Field   string `json:"field,omitempty"`
	// Successor is the id of the record that a merged one became.
	Successor string `json:"successor,omitempty"`
	// State is the status of a ticket that does not take the change.
	State string `json:"state,omitempty"`
}

// The results' statuses.
const (
	resultOK      = "ok"
	resultError   = "error"
	resultSkipped = "skipped"
)

func failed(p *problem) itemResult { return itemResult{Status: resultError, Error: p} }

func contactGone(c *contact) *problem {
	p := &problem{Code: "contact_gone", Message: "the contact was deleted"}
	if next := c.successor(); next != nil {
		p.Successor, p.Message = next.id, "the contact was merged into another one"
	}
	return p
}

func ticketGone(t *ticket) *problem {
	p := &problem{Code: "ticket_gone", Message: "the ticket was deleted"}
	if next := t.successor(); next != nil {
		p.Successor, p.Message = next.id, "the ticket was merged into another one"
	}
	return p
}

// plan is a checked item that can be committed.
type plan struct {
	kind    string
	item    *item
	contact *contact
	ticket  *ticket
	// existing says that a create found its key taken by its record.
	existing bool
	next     values
	status   string
	// comments are those before the first one that cannot be added for the
	// reason, if there is such a one.
	comments []plannedComment
	reason   *problem
}

// plannedComment is a comment to add, or one that is there already.
type plannedComment struct {
	asked *commentItem
	there *comment
}

// adds reports whether there is a comment to add.
func (p *plan) adds() bool {
	return slices.ContainsFunc(p.comments, func(c plannedComment) bool { return c.there == nil })
}

// planItem checks an item without changing anything.
func (s *store) planItem(kind string, it *item, set *Settings) (*plan, *problem) {
	if kind == contactKind {
		return s.planContact(it, set)
	}
	return s.planTicket(it, set)
}

func (s *store) planContact(it *item, set *Settings) (*plan, *problem) {
	p := &plan{kind: contactKind, item: it}
	switch {
	case it.ID != "":
		p.contact = s.contactByID[it.ID]
		if p.contact == nil {
			return nil, &problem{Code: "not_found", Message: "there is no such contact"}
		}
		if p.contact.gone {
			return nil, contactGone(p.contact)
		}
	case set.UniqueKeys && len(s.contactByKey[it.ExternalID]) > 0:
		p.contact, p.existing = s.contactByKey[it.ExternalID][0], true
	}
	var before values
	if p.contact != nil {
		before = p.contact.values
	}
	return p, p.fields(contactFields, before, set.Required[contactKind])
}

// fields checks the item's fields and works out what the record will hold.
func (p *plan) fields(standard map[string]fieldCheck, before values, required []string) *problem {
	for _, fields := range []map[string]any{p.item.Set, p.item.Fill} {
		if wrong := checkFields(standard, fields); wrong != nil {
			return wrong
		}
	}
	p.next = before.with(p.item.Set, p.item.Fill)
	for _, name := range required {
		if blank(p.next.get(name)) {
			return &problem{Code: "required", Field: name, Message: "must not be empty"}
		}
	}
	return nil
}

func (s *store) planTicket(it *item, set *Settings) (*plan, *problem) {
	p := &plan{kind: ticketKind, item: it}
	if wrong := s.findTicket(p, set); wrong != nil {
		return nil, wrong
	}
	if wrong := s.findOwner(p); wrong != nil {
		return nil, wrong
	}
	var before values
	if p.ticket != nil {
		before = p.ticket.values
	}
	status, given := it.Set["status"]
	fields := maps.Clone(it.Set)
	delete(fields, "status")
	if given {
		clean, wrong := ticketFields["status"](status)
		if wrong != "" {
			return nil, &problem{Code: "invalid_value", Field: "status", Message: wrong}
		}
		p.status, _ = clean.(string)
	}
	p.item = &item{
		ID: it.ID, ExternalID: it.ExternalID, Set: fields, Fill: it.Fill, ContactID: it.ContactID,
		FollowUpOf: it.FollowUpOf, Reopen: it.Reopen, ExpectOpen: it.ExpectOpen, Comments: it.Comments,
	}
	if wrong := p.fields(ticketFields, before, set.Required[ticketKind]); wrong != nil {
		return nil, wrong
	}
	s.planComments(p, set)
	if p.reason != nil && p.reason.Code == "contact_gone" {
		return nil, p.reason
	}
	return p, p.guard()
}

// findTicket finds the ticket that an item is about, if it is there.
func (s *store) findTicket(p *plan, set *Settings) *problem {
	switch {
	case p.item.ID != "":
		p.ticket = s.ticketByID[p.item.ID]
		if p.ticket == nil {
			return &problem{Code: "not_found", Message: "there is no such ticket"}
		}
		if p.ticket.gone {
			return ticketGone(p.ticket)
		}
	case set.UniqueKeys && len(s.ticketByKey[p.item.ExternalID]) > 0:
		p.ticket, p.existing = s.ticketByKey[p.item.ExternalID][0], true
	}
	return nil
}

// findOwner finds the contact of the ticket.
func (s *store) findOwner(p *plan) *problem {
	if p.ticket != nil {
		p.contact = p.ticket.contact
		return nil
	}
	if p.item.ContactID == "" {
		return &problem{Code: "required", Field: "contact_id", Message: "must not be empty"}
	}
	p.contact = s.contactByID[p.item.ContactID]
	if p.contact == nil {
		return &problem{Code: "contact_gone", Message: "there is no such contact"}
	}
	if p.contact.gone {
		return contactGone(p.contact)
	}
	return nil
}

// planComments takes the comments up to the first one that cannot be added.
// Where keys are unique, those that are there are not added again.
func (s *store) planComments(p *plan, set *Settings) {
	for i := range p.item.Comments {
		c := plannedComment{asked: &p.item.Comments[i]}
		if p.reason = s.checkComment(c.asked, p.contact); p.reason != nil {
			return
		}
		if set.UniqueKeys && p.ticket != nil {
			c.there = p.ticket.comment(c.asked.ExternalID)
		}
		p.comments = append(p.comments, c)
	}
}

func (s *store) checkComment(c *commentItem, owner *contact) *problem {
	switch n := utf8.RuneCountInString(c.Body); {
	case strings.TrimSpace(c.Body) == "" && len(c.Attachments) == 0:
		return &problem{Code: "required", Field: "body", Message: "must not be empty"}
	case n > maxBody:
		return &problem{Code: "invalid_value", Field: "body", Message: "is too long"}
	}
	if !slices.Contains([]string{"customer", "business", "system"}, c.Author) {
		return &problem{Code: "invalid_value", Field: "author", Message: "is none of customer, business, system"}
	}
	if c.Author != "customer" {
		return nil
	}
	if c.ContactID != "" {
		owner = s.contactByID[c.ContactID]
	}
	switch {
	case owner == nil:
		return &problem{Code: "contact_gone", Message: "there is no such contact"}
	case owner.gone:
		return contactGone(owner)
	}
	return nil
}

// guard refuses what a ticket in its status does not take. A create that finds
// its own record complete asks for nothing.
func (p *plan) guard() *problem {
	t := p.ticket
	if t == nil || (p.existing && !p.adds()) {
		return nil
	}
	if t.status == statusClosed {
		return &problem{Code: "ticket_closed", State: t.status, Message: "the ticket is closed for good"}
	}
	if p.item.ExpectOpen && !p.item.Reopen && p.adds() && !t.takesComments() {
		return &problem{Code: "ticket_solved", State: t.status, Message: "the ticket is not open"}
	}
	return nil
}

// commit does what was planned and shows what came of it.
func (s *store) commit(p *plan, set *Settings, now time.Time) itemResult {
	if p.kind == contactKind {
		return s.commitContact(p, now)
	}
	return s.commitTicket(p, set, now)
}

func (s *store) commitContact(p *plan, now time.Time) itemResult {
	c := p.contact
	if c == nil {
		c = &contact{externalID: p.item.ExternalID, created: now}
		s.addContact(c)
	} else {
		s.written.Updates++
	}
	s.saveContact(c, p.next, now)
	return itemResult{Status: resultOK, Existing: p.existing, Record: c.view()}
}

func (s *store) commitTicket(p *plan, set *Settings, now time.Time) itemResult {
	t := p.ticket
	switch {
	case t == nil:
		t = &ticket{
			externalID: p.item.ExternalID, created: now, contact: p.contact, status: statusOpen,
			followUpOf: p.item.FollowUpOf,
		}
		s.addTicket(t)
	case p.existing && t.status == statusClosed:
		return p.show(t)
	default:
		s.written.Updates++
	}
	if p.item.Reopen || (set.Reopens && p.adds() && t.status == statusSolved) {
		t.status = statusOpen
	}
	t.values, t.updated = p.next, now
	for i := range p.comments {
		if c := &p.comments[i]; c.there == nil {
			c.there = newComment(c.asked, now)
			s.addComment(t, c.there)
		}
	}
	if p.status != "" && p.reason == nil && !p.existing {
		t.status = p.status
	}
	s.touch(t)
	return p.show(t)
}

func newComment(c *commentItem, now time.Time) *comment {
	return &comment{
		externalID: c.ExternalID, created: now, body: c.Body, html: c.HTML, author: c.Author,
		private: c.Private, writtenAt: c.WrittenAt, attachments: c.Attachments,
	}
}

// show is the result of an item as the ticket stands now.
func (p *plan) show(t *ticket) itemResult {
	r := itemResult{Status: resultOK, Existing: p.existing, Record: t.view()}
	for _, c := range p.comments {
		r.Comments = append(r.Comments, commentResult{
			Status: resultOK, ID: c.there.id, ExternalID: c.there.externalID, TicketID: t.id,
		})
	}
	if p.reason != nil {
		at := &p.item.Comments[len(r.Comments)]
		r.Comments = append(r.Comments, commentResult{Status: resultError, ExternalID: at.ExternalID, Error: p.reason})
	}
	for i := len(r.Comments); i < len(p.item.Comments); i++ {
		r.Comments = append(r.Comments, commentResult{Status: resultSkipped, ExternalID: p.item.Comments[i].ExternalID})
	}
	return r
}

// unsaved is the lie of the unchanged fault: the result says ok, and shows the
// record as it is.
func (p *plan) unsaved() itemResult {
	r := itemResult{Status: resultOK}
	switch {
	case p.ticket != nil:
		r.Record = p.ticket.view()
	case p.kind == contactKind && p.contact != nil:
		r.Record = p.contact.view()
	}
	return r
}
