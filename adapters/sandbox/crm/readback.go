package crm

import (
	"net/http"
	"strconv"
	"time"
)

// readContacts answers with every contact that is there, in order of creation,
// or with those of ?phone=, which must match in all its digits.
func (s *Server) readContacts(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, reply{http.StatusOK, s.contactsNow(r.URL.Query().Get("phone"), r.URL.Query().Has("phone"))})
}

func (s *Server) contactsNow(phone string, only bool) []contactView {
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	wanted, from := digits(phone), s.store.contacts
	if only {
		from = s.store.contactBySuffix[suffix(wanted)]
	}
	views := make([]contactView, 0, len(from))
	for _, c := range from {
		if !c.gone && (!only || digits(c.values.text("phone")) == wanted) {
			views = append(views, c.view())
		}
	}
	return views
}

// readTickets answers with every ticket that is there, in order of creation, or
// with those of ?contact_id=.
func (s *Server) readTickets(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, reply{http.StatusOK, s.ticketsNow(r.URL.Query().Get("contact_id"), r.URL.Query().Has("contact_id"))})
}

func (s *Server) ticketsNow(contactID string, only bool) []ticketView {
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	from := s.store.tickets
	if only {
		from = nil
		if c := s.store.contactByID[contactID]; c != nil {
			from = c.tickets
		}
	}
	views := make([]ticketView, 0, len(from))
	for _, t := range from {
		if !t.gone {
			views = append(views, t.view())
		}
	}
	return views
}

// readComments answers with a ticket's comments in order of creation.
func (s *Server) readComments(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, s.commentsNow(r.PathValue("id")))
}

func (s *Server) commentsNow(ticketID string) reply {
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	t := s.store.ticketByID[ticketID]
	switch {
	case t == nil:
		return refuse(http.StatusNotFound, "not_found", "there is no such ticket")
	case t.gone:
		return reply{http.StatusGone, errorBody{*ticketGone(t)}}
	}
	views := make([]commentView, 0, len(t.comments))
	for _, c := range t.comments {
		views = append(views, c.view(t))
	}
	return reply{http.StatusOK, views}
}

// readStats answers with what was called and written so far.
func (s *Server) readStats(w http.ResponseWriter, _ *http.Request) {
	stats := s.meter.stats()
	s.store.mu.RLock()
	stats.Written = s.store.written
	s.store.mu.RUnlock()
	stats.RecordsWritten = stats.Written.Contacts + stats.Written.Tickets + stats.Written.Comments + stats.Written.Updates
	writeJSON(w, reply{http.StatusOK, stats})
}

// board is what the page shows.
type board struct {
	Revision string      `json:"revision"`
	Contacts int         `json:"contacts"`
	Tickets  int         `json:"tickets"`
	Comments int         `json:"comments"`
	Calls    int         `json:"calls"`
	Latest   []boardLine `json:"latest"`
}

// boardLine is one ticket on the page.
type boardLine struct {
	ID       string    `json:"id"`
	Subject  string    `json:"subject"`
	Status   string    `json:"status"`
	Contact  string    `json:"contact"`
	Phone    string    `json:"phone"`
	Comments int       `json:"comments"`
	Last     string    `json:"last"`
	Author   string    `json:"author"`
	At       time.Time `json:"at"`
}

// The page shows so many tickets, and so much of their last comment.
const (
	boardTickets = 100
	boardExcerpt = 140
)

// readBoard answers with the tickets of the latest activity, or with 204 when
// nothing has changed since ?revision=.
func (s *Server) readBoard(w http.ResponseWriter, r *http.Request) {
	b, changed := s.boardNow(r.URL.Query().Get("revision"))
	if !changed {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	b.Calls = s.meter.stats().Calls
	writeJSON(w, reply{http.StatusOK, b})
}

func (s *Server) boardNow(known string) (board, bool) {
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	b := board{
		Revision: strconv.FormatInt(s.store.revision, 10), Comments: s.store.comments,
		Contacts: s.store.living.contacts, Tickets: s.store.living.tickets, Latest: []boardLine{},
	}
	if known == b.Revision {
		return b, false
	}
	for t := s.store.newest; t != nil && len(b.Latest) < boardTickets; t = t.older {
		b.Latest = append(b.Latest, t.line())
	}
	return b, true
}

func (t *ticket) line() boardLine {
	l := boardLine{
		ID: t.id, Subject: t.values.text("subject"), Status: t.status, Comments: len(t.comments), At: t.updated,
		Contact: t.contact.values.text("name"), Phone: t.contact.values.text("phone"),
	}
	if n := len(t.comments); n > 0 {
		last := t.comments[n-1]
		l.Author, l.At = last.author, last.created
		l.Last = excerpt(last.body, boardExcerpt)
	}
	return l
}

func excerpt(s string, n int) string {
	for i := range s {
		if n--; n < 0 {
			return s[:i] + "…"
		}
	}
	return s
}
