package torture

import (
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// ledger is the exact account of what was sent and answered.
type ledger struct {
	// sent and drained are when the last webhook was answered and when nothing was
	// left to do.
	began, sent, drained time.Time
	// progress is how many webhooks were answered 200.
	progress atomic.Int64

	mu      sync.Mutex
	deaths  int
	entries map[*webhook]*entry
	// answers counts the answers of requests by status, "none" for those without.
	answers map[string]int
	took    []time.Duration
}

// entry is one webhook in the ledger.
type entry struct {
	*webhook
	// answered says that a 200 came, and id the number that the connector gave it;
	// 0 when the answer did not say. twice says that it was given two.
	answered bool
	id       int64
	twice    bool
}

func newLedger() *ledger {
	return &ledger{began: time.Now(), entries: map[*webhook]*entry{}, answers: map[string]int{}}
}

// killed counts a kill, and kills gives how many there were.
func (l *ledger) killed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.deaths++
}

func (l *ledger) kills() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.deaths
}

// begin notes that a webhook goes out.
func (l *ledger) begin(w *webhook) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.entries[w] == nil {
		l.entries[w] = &entry{webhook: w}
	}
}

// answer counts a request's answer; the status is 0 when there was none.
func (l *ledger) answer(status int, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if status == 0 {
		l.answers["none"]++
		return
	}
	l.answers[strconv.Itoa(status)]++
	l.took = append(l.took, took)
}

// accepted notes a 200.
func (l *ledger) accepted(w *webhook, a answer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[w]
	if !e.answered {
		l.progress.Add(1)
	}
	e.answered = true
	if a.ID != 0 && e.id != 0 && a.ID != e.id {
		e.twice = true
	}
	if a.ID != 0 {
		e.id = a.ID
	}
}

// list gives the entries by conversation, the messages of each by number and then
// the receipts as they were accepted.
func (l *ledger) list() map[int][]*entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := map[int][]*entry{}
	for _, e := range l.entries {
		all[e.conversation] = append(all[e.conversation], e)
	}
	for _, es := range all {
		slices.SortFunc(es, func(a, b *entry) int {
			switch {
			case a.written() != b.written():
				return ifElse(a.written(), -1, 1)
			case a.written():
				return a.sequence - b.sequence
			}
			return int(a.id - b.id)
		})
	}
	return all
}

func ifElse(yes bool, a, b int) int {
	if yes {
		return a
	}
	return b
}

// Sums is the ledger's part of the report.
type Sums struct {
	// Events is how many different webhooks there were, and Answered how many of
	// them were answered 200. Requests counts all attempts.
	Events   int            `json:"events"`
	Answered int            `json:"answered"`
	Messages int            `json:"messages"`
	Requests int            `json:"requests"`
	Kills    int            `json:"kills"`
	Answers  map[string]int `json:"answers"`
	// P50, P99 and Max are how long answers took, in milliseconds.
	P50 float64 `json:"p50_ms"`
	P99 float64 `json:"p99_ms"`
	Max float64 `json:"max_ms"`
	// Sending and Draining are how long it took until the last webhook was
	// answered, and from then until nothing was left to do, in seconds.
	Sending  float64 `json:"sending_seconds"`
	Draining float64 `json:"draining_seconds"`
}

func (l *ledger) sum() Sums {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := Sums{
		Events: len(l.entries), Answers: l.answers, Kills: l.deaths,
		Sending: l.sent.Sub(l.began).Seconds(), Draining: l.drained.Sub(l.sent).Seconds(),
	}
	for _, n := range l.answers {
		s.Requests += n
	}
	for _, e := range l.entries {
		s.Answered += ifElse(e.answered, 1, 0)
		s.Messages += ifElse(e.written(), 1, 0)
	}
	if len(l.took) > 0 {
		slices.Sort(l.took)
		at := func(part float64) float64 {
			return float64(l.took[int(part*float64(len(l.took)-1))].Microseconds()) / 1000
		}
		s.P50, s.P99, s.Max = at(0.5), at(0.99), at(1)
	}
	return s
}
