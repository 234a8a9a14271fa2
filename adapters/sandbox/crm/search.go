package crm

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxFound is how many rows a search answers with.
const maxFound = 1000

// search is what to look for; a record that matches any part is found. Members
// that the server does not know are ignored, and a search that names nothing
// known is answered with everything, as real servers do.
type search struct {
	IDs         []string `json:"ids"`
	ExternalIDs []string `json:"external_ids"`
	// Phones and UserIDs find contacts, by the last digits and whole.
	Phones  []string `json:"phones"`
	UserIDs []string `json:"user_ids"`
	// ContactIDs finds tickets; TicketIDs and TicketKeys find comments.
	ContactIDs []string `json:"contact_ids"`
	TicketIDs  []string `json:"ticket_ids"`
	TicketKeys []string `json:"ticket_external_ids"`
}

// found is what a search found. Gone tells of the ids that are no more.
type found struct {
	Results []any     `json:"results"`
	Gone    []goneRow `json:"gone"`
	// More says that rows were left out.
	More bool `json:"more"`
	seen map[any]bool
}

// goneRow is an id whose record was deleted or merged.
type goneRow struct {
	ID         string `json:"id"`
	MergedInto string `json:"merged_into,omitempty"`
}

func newFound() *found {
	return &found{Results: []any{}, Gone: []goneRow{}, seen: make(map[any]bool)}
}

// add adds a row once and reports whether there is room for more.
func (f *found) add(record any, view func() any) bool {
	if f.seen[record] {
		return true
	}
	if len(f.Results) == maxFound {
		f.More = true
		return false
	}
	f.seen[record] = true
	f.Results = append(f.Results, view())
	return true
}

// question reads a search from the body or from the query.
func (s *Server) question(c *call) (search, bool) {
	q := search{
		IDs: list(c.query, "id"), ExternalIDs: list(c.query, "external_id"), Phones: list(c.query, "phone"),
		UserIDs: list(c.query, "user_id"), ContactIDs: list(c.query, "contact_id"), TicketIDs: list(c.query, "ticket_id"),
	}
	if len(c.body) > 0 && !c.decode(&q) {
		return q, false
	}
	if s.config().IgnoreFilters {
		q = search{}
	}
	return q, true
}

func list(query url.Values, name string) []string {
	var all []string
	for _, v := range query[name] {
		all = append(all, strings.Split(v, ",")...)
	}
	return all
}

// indexed is the time up to which the index has come.
func (s *Server) indexed() time.Time { return s.now().Add(-time.Duration(s.config().Lag)) }

func (s *Server) searchContacts(c *call) reply {
	q, ok := s.question(c)
	if !ok {
		return refuse(http.StatusBadRequest, "bad_request", "the body is not a search in JSON")
	}
	horizon, f := s.indexed(), newFound()
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	show := func(c *contact) bool { return f.add(c, func() any { return c.view() }) }
	if len(q.IDs)+len(q.ExternalIDs)+len(q.Phones)+len(q.UserIDs) == 0 {
		each(s.store.contacts, func(c *contact) bool { return c.gone || show(c) })
	}
	for _, id := range q.IDs {
		if c := s.store.contactByID[id]; c != nil && c.gone {
			f.Gone = append(f.Gone, goneRow{id, c.successor().identity()})
		} else if c != nil {
			show(c)
		}
	}
	for _, key := range q.ExternalIDs {
		each(s.store.contactByKey[key], func(c *contact) bool { return c.created.After(horizon) || show(c) })
	}
	for _, phone := range q.Phones {
		each(s.store.contactBySuffix[suffix(digits(phone))], func(c *contact) bool { return c.phoned.After(horizon) || show(c) })
	}
	for _, user := range q.UserIDs {
		each(s.store.contactByUser[user], func(c *contact) bool { return c.created.After(horizon) || show(c) })
	}
	return reply{http.StatusOK, f}
}

func (s *Server) searchTickets(c *call) reply {
	q, ok := s.question(c)
	if !ok {
		return refuse(http.StatusBadRequest, "bad_request", "the body is not a search in JSON")
	}
	horizon, f := s.indexed(), newFound()
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	show := func(t *ticket) bool { return f.add(t, func() any { return t.view() }) }
	if len(q.IDs)+len(q.ExternalIDs)+len(q.ContactIDs) == 0 {
		each(s.store.tickets, func(t *ticket) bool { return t.gone || show(t) })
	}
	for _, id := range q.IDs {
		if t := s.store.ticketByID[id]; t != nil && t.gone {
			f.Gone = append(f.Gone, goneRow{id, t.successor().identity()})
		} else if t != nil {
			show(t)
		}
	}
	for _, key := range q.ExternalIDs {
		each(s.store.ticketByKey[key], func(t *ticket) bool { return t.created.After(horizon) || show(t) })
	}
	for _, id := range q.ContactIDs {
		if c := s.store.contactByID[id]; c != nil {
			each(c.tickets, func(t *ticket) bool { return t.created.After(horizon) || show(t) })
		}
	}
	return reply{http.StatusOK, f}
}

// searchComments finds comments under tickets, by their external ids or all of
// them. A ticket's own list needs no index. The comments of a merged ticket are
// shown where they are now, under its successor.
func (s *Server) searchComments(c *call) reply {
	q, ok := s.question(c)
	if !ok {
		return refuse(http.StatusBadRequest, "bad_request", "the body is not a search in JSON")
	}
	wanted := make(map[string]bool, len(q.ExternalIDs))
	for _, key := range q.ExternalIDs {
		wanted[key] = true
	}
	horizon, f := s.indexed(), newFound()
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	show := func(t *ticket) bool {
		for _, c := range t.comments {
			if len(wanted) > 0 && !wanted[c.externalID] {
				continue
			}
			if !f.add(c, func() any { return c.view(t) }) {
				return false
			}
		}
		return true
	}
	if len(q.TicketIDs)+len(q.TicketKeys) == 0 {
		each(s.store.tickets, show)
	}
	for _, key := range q.TicketKeys {
		each(s.store.ticketByKey[key], func(t *ticket) bool { return t.created.After(horizon) || show(t) })
	}
	for _, id := range q.TicketIDs {
		switch t := s.store.ticketByID[id]; {
		case t == nil:
			f.Gone = append(f.Gone, goneRow{ID: id})
		case t.gone:
			next := t.successor()
			f.Gone = append(f.Gone, goneRow{id, next.identity()})
			if next != nil {
				show(next)
			}
		default:
			show(t)
		}
	}
	return reply{http.StatusOK, f}
}

// getContact answers by id, at once: 404 for what never was, 410 for what is no
// more, with the successor's id where there is one.
func (s *Server) getContact(c *call) reply {
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	one := s.store.contactByID[c.id]
	switch {
	case one == nil:
		return refuse(http.StatusNotFound, "not_found", "there is no such contact")
	case one.gone:
		return reply{http.StatusGone, errorBody{*contactGone(one)}}
	}
	return reply{http.StatusOK, one.view()}
}

func (s *Server) getTicket(c *call) reply {
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	one := s.store.ticketByID[c.id]
	switch {
	case one == nil:
		return refuse(http.StatusNotFound, "not_found", "there is no such ticket")
	case one.gone:
		return reply{http.StatusGone, errorBody{*ticketGone(one)}}
	}
	return reply{http.StatusOK, one.view()}
}

// each calls f for each record until it answers false.
func each[T any](records []T, f func(T) bool) {
	for _, one := range records {
		if !f(one) {
			return
		}
	}
}

// identity is the ticket's id, also for none.
func (t *ticket) identity() string {
	if t == nil {
		return ""
	}
	return t.id
}

// identity is the contact's id, also for none.
func (c *contact) identity() string {
	if c == nil {
		return ""
	}
	return c.id
}
