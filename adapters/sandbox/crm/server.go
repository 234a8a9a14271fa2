package crm

import (
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// maxRequest is the largest body that the server reads.
const maxRequest = 8 << 20

// Server is the CRM.
type Server struct {
	token     string
	now       func() time.Time
	afterFunc func(time.Duration, func())
	handler   http.Handler
	store     *store
	jobs      *jobs
	meter     *meter
	dice      *dice

	mu       sync.RWMutex
	settings Settings
}

// New makes a server. The options are taken to be valid.
func New(o Options) *Server {
	s := &Server{
		token: o.Token, now: o.Now, afterFunc: o.AfterFunc,
		store: newStore(), jobs: newJobs(), settings: o.Settings.withDefaults().clone(),
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.afterFunc == nil {
		s.afterFunc = func(d time.Duration, f func()) { time.AfterFunc(d, f) }
	}
	if o.Rand == nil {
		o.Rand = rand.New(rand.NewPCG(o.Seed, o.Seed))
	}
	s.dice = &dice{rnd: o.Rand}
	s.meter = newMeter(s.settings.Quota)
	s.handler = s.routes()
	return s
}

// Handler serves the page and both APIs.
func (s *Server) Handler() http.Handler { return s.handler }

// routes is the table of everything that the server answers.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	for pattern, h := range map[string]func(*call) reply{
		"GET /v1/me":               s.me,
		"POST /v1/contacts/batch":  func(c *call) reply { return s.batch(contactKind, c) },
		"POST /v1/tickets/batch":   func(c *call) reply { return s.batch(ticketKind, c) },
		"GET /v1/contacts":         s.searchContacts,
		"POST /v1/contacts/search": s.searchContacts,
		"GET /v1/contacts/{id}":    s.getContact,
		"GET /v1/tickets":          s.searchTickets,
		"POST /v1/tickets/search":  s.searchTickets,
		"GET /v1/tickets/{id}":     s.getTicket,
		"POST /v1/comments/search": s.searchComments,
		"GET /v1/jobs":             s.searchJobs,
		"/v1/":                     func(*call) reply { return refuse(404, "no_endpoint", "there is no such endpoint") },
	} {
		mux.Handle(pattern, s.v1(pattern, h))
	}
	s.agentRoutes(mux)
	pageRoutes(mux)
	return mux
}

// reply is an answer before it is written.
type reply struct {
	status int
	body   any
}

func refuse(status int, code, message string) reply {
	return reply{status, errorBody{problem{Code: code, Message: message}}}
}

// errorBody wraps the problem of a whole request.
type errorBody struct {
	Error problem `json:"error"`
}

// config gives the settings as they are now. They must not be changed.
func (s *Server) config() *Settings {
	s.mu.RLock()
	defer s.mu.RUnlock()
	set := s.settings
	return &set
}

// me says whose token it is.
func (s *Server) me(*call) reply {
	return reply{http.StatusOK, map[string]string{"name": "Sandbox", "user": "connector"}}
}

func writeJSON(w http.ResponseWriter, r reply) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(r.status)
	if r.body != nil {
		//nolint:errcheck // The client may be gone; nobody is left to tell.
		json.NewEncoder(w).Encode(r.body)
	}
}

// readBody reads a request's body up to the limit.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, reply) {
	if r.Body == nil {
		// Only a request that never crossed a network has none.
		return nil, reply{}
	}
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if _, tooBig := errors.AsType[*http.MaxBytesError](err); tooBig {
		return nil, refuse(http.StatusRequestEntityTooLarge, "too_large", "the body is too large")
	}
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "bad_request", "the body could not be read")
	}
	return b, reply{}
}
