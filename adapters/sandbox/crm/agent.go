package crm

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
)

// agentRoutes adds the API that people and tests use: reading everything back,
// doing what an agent does in a CRM, and changing the server's behaviour. Pages
// of other sites cannot use it from a browser.
func (s *Server) agentRoutes(mux *http.ServeMux) {
	guard := http.NewCrossOriginProtection()
	for pattern, h := range map[string]http.HandlerFunc{
		"GET /api/contacts":               s.readContacts,
		"GET /api/tickets":                s.readTickets,
		"GET /api/tickets/{id}/comments":  s.readComments,
		"GET /api/stats":                  s.readStats,
		"GET /api/board":                  s.readBoard,
		"GET /api/control":                s.readControl,
		"PUT /api/control":                s.changeControl,
		"PUT /api/tickets/{id}/status":    s.changeStatus,
		"POST /api/contacts/{id}/merge":   s.mergeContact,
		"POST /api/tickets/{id}/merge":    s.mergeTicket,
		"DELETE /api/contacts/{id}":       s.deleteContact,
		"DELETE /api/tickets/{id}":        s.deleteTicket,
		"POST /api/tickets/{id}/comments": s.addReply,
	} {
		mux.Handle(pattern, guard.Handler(h))
	}
}

// readControl shows the settings.
func (s *Server) readControl(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, reply{http.StatusOK, s.config()})
}

// changeControl changes the settings that the body names.
func (s *Server) changeControl(w http.ResponseWriter, r *http.Request) {
	body, wrong := readBody(w, r)
	if wrong.status != 0 {
		writeJSON(w, wrong)
		return
	}
	set, err := s.applySettings(body)
	if err != nil {
		writeJSON(w, refuse(http.StatusBadRequest, "invalid_settings", err.Error()))
		return
	}
	writeJSON(w, reply{http.StatusOK, set})
}

func (s *Server) applySettings(body []byte) (*Settings, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.settings.clone()
	in := json.NewDecoder(strings.NewReader(string(body)))
	in.DisallowUnknownFields()
	if err := in.Decode(&next); err != nil {
		return nil, err
	}
	if err := next.validate(); err != nil {
		return nil, err
	}
	s.change(next.withDefaults())
	return &next, nil
}

// Change changes the settings while the server runs. Settings that are not valid
// change nothing.
func (s *Server) Change(f func(*Settings)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.settings.clone()
	f(&next)
	if err := next.validate(); err != nil {
		return err
	}
	s.change(next.withDefaults())
	return nil
}

func (s *Server) change(next Settings) {
	s.settings = next
	s.meter.set(next.Quota)
	if next.Faults.Storm == 0 && next.Faults.Outage == 0 {
		s.dice.calm()
	}
}

// agentRequest is the body of what an agent does.
type agentRequest struct {
	// Into is the id of the record to merge into.
	Into string `json:"into"`
	// Status is a ticket's new one, and Body an agent's words.
	Status  string `json:"status"`
	Body    string `json:"body"`
	Private bool   `json:"private"`
}

var (
	errNoTarget = errors.New("into names no other living record")
	errFinal    = errors.New("the ticket is closed for good")
	errInput    = errors.New("the body does not say what to do")
)

// onContact does something with a living contact.
func (s *Server) onContact(w http.ResponseWriter, r *http.Request, do func(*contact, agentRequest) error) {
	req, ok := agentBody(w, r)
	if !ok {
		return
	}
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	c := s.store.contactByID[r.PathValue("id")]
	switch {
	case c == nil:
		writeJSON(w, refuse(http.StatusNotFound, "not_found", "there is no such contact"))
	case c.gone:
		writeJSON(w, reply{http.StatusGone, errorBody{*contactGone(c)}})
	default:
		finish(w, do(c, req))
	}
}

// onTicket does something with a living ticket.
func (s *Server) onTicket(w http.ResponseWriter, r *http.Request, do func(*ticket, agentRequest) error) {
	req, ok := agentBody(w, r)
	if !ok {
		return
	}
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	t := s.store.ticketByID[r.PathValue("id")]
	switch {
	case t == nil:
		writeJSON(w, refuse(http.StatusNotFound, "not_found", "there is no such ticket"))
	case t.gone:
		writeJSON(w, reply{http.StatusGone, errorBody{*ticketGone(t)}})
	default:
		finish(w, do(t, req))
	}
}

func agentBody(w http.ResponseWriter, r *http.Request) (agentRequest, bool) {
	var req agentRequest
	body, wrong := readBody(w, r)
	if wrong.status == 0 && len(body) > 0 && json.Unmarshal(body, &req) != nil {
		wrong = refuse(http.StatusBadRequest, "bad_request", errInput.Error())
	}
	if wrong.status != 0 {
		writeJSON(w, wrong)
		return req, false
	}
	return req, true
}

func finish(w http.ResponseWriter, err error) {
	if err != nil {
		writeJSON(w, refuse(http.StatusUnprocessableEntity, "invalid_value", err.Error()))
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) mergeContact(w http.ResponseWriter, r *http.Request) {
	s.onContact(w, r, func(c *contact, req agentRequest) error {
		into := s.store.contactByID[req.Into]
		if into == nil || into.gone || into == c {
			return errNoTarget
		}
		s.store.dropContact(c, into, s.now())
		return nil
	})
}

func (s *Server) deleteContact(w http.ResponseWriter, r *http.Request) {
	s.onContact(w, r, func(c *contact, _ agentRequest) error {
		s.store.dropContact(c, nil, s.now())
		return nil
	})
}

func (s *Server) mergeTicket(w http.ResponseWriter, r *http.Request) {
	s.onTicket(w, r, func(t *ticket, req agentRequest) error {
		into := s.store.ticketByID[req.Into]
		if into == nil || into.gone || into == t {
			return errNoTarget
		}
		s.store.dropTicket(t, into)
		return nil
	})
}

func (s *Server) deleteTicket(w http.ResponseWriter, r *http.Request) {
	s.onTicket(w, r, func(t *ticket, _ agentRequest) error {
		s.store.dropTicket(t, nil)
		return nil
	})
}

func (s *Server) changeStatus(w http.ResponseWriter, r *http.Request) {
	s.onTicket(w, r, func(t *ticket, req agentRequest) error {
		if _, wrong := ticketFields["status"](req.Status); wrong != "" {
			return errInput
		}
		if t.status == statusClosed {
			return errFinal
		}
		t.status, t.updated = req.Status, s.now()
		s.store.touch(t)
		return nil
	})
}

// addReply is an agent's own comment, which no adapter made.
func (s *Server) addReply(w http.ResponseWriter, r *http.Request) {
	s.onTicket(w, r, func(t *ticket, req agentRequest) error {
		if strings.TrimSpace(req.Body) == "" || len(req.Body) > maxBody {
			return errInput
		}
		if t.status == statusClosed {
			return errFinal
		}
		t.updated = s.now()
		s.store.addComment(t, &comment{created: t.updated, body: req.Body, author: "agent", private: req.Private})
		s.store.touch(t)
		return nil
	})
}
