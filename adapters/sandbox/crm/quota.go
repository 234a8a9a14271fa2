package crm

import (
	"maps"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// meter counts the calls under /v1 and keeps the quota. Its worst window counts
// every call that came, refused ones as well: whoever stays within the quota
// never sees a refusal.
type meter struct {
	mu       sync.Mutex
	quota    Quota
	calls    int
	refused  int
	endpoint map[string]int
	faults   map[string]int
	arrived  window
	admitted window
	worst    int
	worstAt  time.Time
}

func newMeter(q Quota) *meter {
	m := &meter{endpoint: make(map[string]int), faults: make(map[string]int)}
	m.set(q)
	return m
}

// set starts a new quota. The worst window goes on when only the number of calls
// changed.
func (m *meter) set(q Quota) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if q.Window != m.quota.Window || q.Kind != m.quota.Kind {
		per := time.Duration(q.Window)
		m.arrived, m.admitted = window{per: per, fixed: q.Kind == fixedWindow}, window{per: per, fixed: q.Kind == fixedWindow}
		m.worst, m.worstAt = 0, time.Time{}
	}
	m.quota = q
}

// allowance is what is left of the quota after a call.
type allowance struct {
	limit, left int
	reset       time.Duration
	// wait is not zero when the call was one too many.
	wait time.Duration
}

// count counts a call and says whether it is within the quota.
func (m *meter) count(endpoint string, now time.Time) allowance {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls++
	m.endpoint[endpoint]++
	if n := m.arrived.add(now); n > m.worst {
		m.worst, m.worstAt = n, now
	}
	a := allowance{limit: m.quota.Calls}
	if m.quota.Calls == 0 {
		return a
	}
	if used := m.admitted.count(now); used >= m.quota.Calls {
		m.refused++
		a.wait = m.admitted.reset(now)
		a.reset = a.wait
		return a
	}
	a.left = m.quota.Calls - m.admitted.add(now)
	a.reset = m.admitted.reset(now)
	return a
}

func (a *allowance) headers(h http.Header) {
	if a.limit == 0 {
		return
	}
	h.Set("X-RateLimit-Limit", strconv.Itoa(a.limit))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(a.left))
	h.Set("X-RateLimit-Reset", seconds(a.reset))
}

func (m *meter) suffered(names []string) {
	if len(names) == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range names {
		m.faults[name]++
	}
}

// statsView is what GET /api/stats answers.
type statsView struct {
	// Calls is all calls under /v1, and Refused those over the quota.
	Calls      int            `json:"calls"`
	Refused    int            `json:"refused"`
	ByEndpoint map[string]int `json:"by_endpoint"`
	// RecordsWritten is the sum of Written.
	RecordsWritten int     `json:"records_written"`
	Written        written `json:"written"`
	// WorstWindow is the most calls that came in one window of the quota.
	WorstWindow   int            `json:"worst_window"`
	WorstWindowAt time.Time      `json:"worst_window_at,omitzero"`
	Quota         Quota          `json:"quota"`
	Faults        map[string]int `json:"faults"`
}

func (m *meter) stats() statsView {
	m.mu.Lock()
	defer m.mu.Unlock()
	return statsView{
		Calls: m.calls, Refused: m.refused, ByEndpoint: maps.Clone(m.endpoint),
		WorstWindow: m.worst, WorstWindowAt: m.worstAt, Quota: m.quota, Faults: maps.Clone(m.faults),
	}
}

// window counts what came in a stretch of time: the one that the clock is in, or
// the one that ends now.
type window struct {
	per   time.Duration
	fixed bool
	// times are the arrivals in the window, the oldest first.
	times []time.Time
}

// add counts one more and says how many there are with it.
func (w *window) add(now time.Time) int {
	w.count(now)
	w.times = append(w.times, now)
	return len(w.times)
}

func (w *window) count(now time.Time) int {
	since := now.Add(-w.per)
	gone := 0
	for gone < len(w.times) && w.isOver(w.times[gone], now, since) {
		gone++
	}
	w.times = w.times[gone:]
	return len(w.times)
}

func (w *window) isOver(t, now, since time.Time) bool {
	if w.fixed {
		return t.Before(now.Truncate(w.per))
	}
	return !t.After(since)
}

// reset is how long it takes until the window has room again.
func (w *window) reset(now time.Time) time.Duration {
	if w.fixed {
		return now.Truncate(w.per).Add(w.per).Sub(now)
	}
	if len(w.times) == 0 {
		return 0
	}
	return w.times[0].Add(w.per).Sub(now)
}
