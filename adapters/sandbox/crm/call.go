package crm

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// call is one request under /v1, read to its end so that it can be carried out
// before, during or long after its answer.
type call struct {
	id    string
	query url.Values
	body  []byte
	// fates decides what becomes of each record of a batch.
	fates func(n int) []fate
}

// decode reads the call's JSON. Members that nobody knows are ignored, as
// servers do.
func (c *call) decode(into any) bool { return json.Unmarshal(c.body, into) == nil }

// v1 wraps an endpoint of the adapter-facing API: it is counted, needs the
// token, and suffers the faults.
func (s *Server) v1(endpoint string, h func(*call) reply) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, wrong := readBody(w, r)
		now := s.now()
		left := s.meter.count(endpoint, now)
		left.headers(w.Header())
		switch {
		case left.wait > 0:
			w.Header().Set("Retry-After", seconds(left.wait))
			writeJSON(w, overQuota(s.config().Quota))
		case !s.authentic(r):
			w.Header().Set("WWW-Authenticate", "Bearer")
			writeJSON(w, refuse(http.StatusUnauthorized, "unauthorized", "the token is not valid"))
		case wrong.status != 0:
			writeJSON(w, wrong)
		default:
			c := &call{id: r.PathValue("id"), query: r.URL.Query(), body: body}
			s.suffer(w, r, c, h)
		}
	})
}

// longQuota is the window from which a quota is no burst's but the day's.
const longQuota = Duration(time.Hour)

// overQuota says that the quota is used up: by a burst, or for long.
func overQuota(q Quota) reply {
	if q.Window >= longQuota {
		return refuse(http.StatusTooManyRequests, "quota_spent", "the quota is spent")
	}
	return refuse(http.StatusTooManyRequests, "rate_limited", "too many calls")
}

func (s *Server) authentic(r *http.Request) bool {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return s.token == "" || (ok && subtle.ConstantTimeCompare([]byte(token), []byte(s.token)) == 1)
}

// suffer carries a call out under the faults that the dice give it.
func (s *Server) suffer(w http.ResponseWriter, r *http.Request, c *call, h func(*call) reply) {
	set, now := s.config(), s.now()
	if set.Down == "refuse" {
		drop(w)
	}
	switch kind, wait := s.dice.weather(set, now); {
	case set.Down != "":
		s.badWeather(w, faultOutage, 0)
		return
	case wait > 0:
		s.meter.suffered([]string{kind})
		s.badWeather(w, kind, wait)
		return
	}
	f := s.dice.throw(&set.Faults)
	s.meter.suffered(f.names)
	c.fates = func(n int) []fate { return s.dice.fates(f, n) }
	if f.latency > 0 && !s.sleep(r.Context(), time.Duration(f.latency*float64(set.Slowest))) {
		return
	}
	switch {
	case f.ending == faultLate:
		<-r.Context().Done()
		s.afterFunc(time.Duration(set.LateBy), func() { h(c) })
	case f.ending == faultHang:
		h(c)
		<-r.Context().Done()
	case f.ending == faultReset:
		if f.after {
			h(c)
		}
		drop(w)
	case f.ending == faultError:
		if f.after && f.status != http.StatusServiceUnavailable {
			h(c)
		}
		writeJSON(w, refuse(f.status, "server_error", "something went wrong"))
	case f.slow:
		s.drip(w, r, h(c), time.Duration(set.Drip))
	default:
		writeJSON(w, h(c))
	}
}

// badWeather answers while a storm or an outage lasts. Servers that are down
// rarely say for how long.
func (s *Server) badWeather(w http.ResponseWriter, kind string, wait time.Duration) {
	if kind == faultStorm {
		w.Header().Set("Retry-After", seconds(wait))
		writeJSON(w, refuse(http.StatusTooManyRequests, "rate_limited", "too many calls"))
		return
	}
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(http.StatusServiceUnavailable)
	//nolint:errcheck // The client may be gone; nobody is left to tell.
	w.Write([]byte("<html><body><h1>503 Service Unavailable</h1></body></html>"))
}

// sleep waits, and reports whether the client is still there.
func (s *Server) sleep(ctx context.Context, d time.Duration) bool {
	done := make(chan struct{})
	s.afterFunc(d, func() { close(done) })
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
}

// drip writes an answer in a few pieces over a while.
func (s *Server) drip(w http.ResponseWriter, r *http.Request, answer reply, over time.Duration) {
	const pieces = 8
	body, err := json.Marshal(answer.body)
	if err != nil {
		drop(w)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(answer.status)
	out := http.NewResponseController(w)
	for piece := range slices.Chunk(body, len(body)/pieces+1) {
		if _, err := w.Write(piece); err != nil || !s.sleep(r.Context(), over/pieces) {
			return
		}
		//nolint:errcheck // What cannot be flushed is sent in the end.
		out.Flush()
	}
}

// drop closes the connection without an answer, with a reset where the
// connection can be had. It does not return.
func drop(w http.ResponseWriter) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		if tcp, ok := conn.(*net.TCPConn); ok {
			//nolint:errcheck // A close without a reset will do as well.
			tcp.SetLinger(0)
		}
		//nolint:errcheck // It is closed one way or the other.
		conn.Close()
	}
	panic(http.ErrAbortHandler)
}

func seconds(d time.Duration) string {
	return strconv.Itoa(int((d + time.Second - 1) / time.Second))
}
