package console

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/crm-connector/crm-connector/connector/internal/journal"
)

// Bounds of a request.
const (
	maxBody    = 64 << 10
	answerTime = 20 * time.Second
)

// routes is the table of everything that the console answers.
func (c *Console) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", c.health)
	mux.HandleFunc("GET /readyz", c.ready)
	mux.Handle("GET /metrics", promhttp.HandlerFor(c.metrics.registry, promhttp.HandlerOpts{
		ErrorHandling: promhttp.ContinueOnError,
	}))
	for pattern, h := range map[string]func(*http.Request) (any, error){
		"GET /api/status":                      c.status,
		"GET /api/events":                      c.events,
		"GET /api/events/{id}":                 c.event,
		"GET /api/quarantine":                  c.quarantine,
		"POST /api/destinations/{name}/pause":  c.pause,
		"POST /api/destinations/{name}/resume": c.resume,
		"POST /api/replay":                     c.replay,
	} {
		mux.Handle(pattern, c.api(h))
	}
	return c.guardHost(http.NewCrossOriginProtection().Handler(mux))
}

// health says that the process lives.
func (c *Console) health(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "ok") }

// ready says whether webhooks are taken, or what is waited for.
func (c *Console) ready(w http.ResponseWriter, _ *http.Request) {
	if what := *c.waiting.Load(); what != "" {
		say(w, http.StatusServiceUnavailable, "not ready: "+what)
		return
	}
	say(w, http.StatusOK, "ready")
}

func say(w http.ResponseWriter, status int, word string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, word+"\n") // The client may be gone; nobody is left to tell.
}

// refusal is an error for the one who asked.
type refusal struct {
	status int
	text   string
}

// Error gives the text that the answer has.
func (r *refusal) Error() string { return r.text }

func refuse(status int, text string) error { return &refusal{status, text} }

// api turns a question's answer, or its error, into JSON.
func (c *Console) api(h func(*http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), answerTime)
		defer cancel()
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		answer, err := h(r.WithContext(ctx))
		status := http.StatusOK
		if err != nil {
			status, answer = c.wrong(r, err)
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.WriteHeader(status)
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		_ = encoder.Encode(answer) // As above.
	})
}

// wrong gives the answer to a question that has none.
func (c *Console) wrong(r *http.Request, err error) (int, any) {
	status, text := http.StatusInternalServerError, "the journal could not be asked; the log says why"
	switch refused, ok := errors.AsType[*refusal](err); {
	case ok:
		status, text = refused.status, refused.text
	case errors.Is(err, journal.ErrNotFound):
		status, text = http.StatusNotFound, "there is no such event"
	case errors.Is(err, context.DeadlineExceeded):
		status, text = http.StatusGatewayTimeout, "that took too long; ask for less"
	case r.Context().Err() == nil:
		c.log.WithError(err).WithField("path", r.URL.Path).Error("a question could not be answered")
	}
	return status, map[string]string{"error": text}
}

// guardHost refuses requests under a foreign name: a page in the operator's
// browser can point its own name at any address that the browser reaches.
func (c *Console) guardHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !c.isOwnName(r.Host) {
			say(w, http.StatusForbidden, "ask by address or as localhost, or list the name under admin.hosts")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// isOwnName reports whether a Host header is one that no page can have: an
// address, a name without a dot, or one that the configuration lists.
func (c *Console) isOwnName(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if _, err := netip.ParseAddr(trimBrackets(host)); err == nil || !strings.Contains(host, ".") {
		return true
	}
	return slices.ContainsFunc(c.hosts, func(own string) bool { return strings.EqualFold(own, host) })
}

func trimBrackets(host string) string {
	if n := len(host); n > 2 && host[0] == '[' && host[n-1] == ']' {
		return host[1 : n-1]
	}
	return host
}
