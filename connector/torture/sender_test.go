package torture

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crm-connector/crm-connector/connector"
)

// hooks is a connector that only answers.
type hooks struct {
	mu sync.Mutex
	// bodies are the accepted webhooks in order, and copies how many were known.
	bodies []string
	known  map[string]int64
	copies int
	// calls counts the requests; every third is answered 503, every fifth after it
	// was accepted not at all.
	calls  int
	status int
}

func (h *hooks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls++
	if h.status != 0 {
		w.WriteHeader(h.status)
		return
	}
	if h.calls%3 == 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	id, known := h.known[string(body)]
	if known {
		h.copies++
	} else {
		h.bodies = append(h.bodies, string(body))
		id = int64(len(h.bodies))
		h.known[string(body)] = id
	}
	if h.calls%5 == 0 {
		panic(http.ErrAbortHandler)
	}
	fmt.Fprintf(w, `{"status":"accepted","id":%d}`, id)
}

func setup(t *testing.T, status int) (*hooks, *ledger, *sender) {
	t.Helper()
	h := &hooks{known: map[string]int64{}, status: status}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	o := Defaults()
	o.Conversations, o.Messages, o.Strangers, o.Connections, o.Copies = 7, 5, 2, 5, 0.4
	book := newLedger()
	return h, book, newSender(&o, server.URL, book)
}

func TestEverythingIsSentInOrderUntilItIsAnswered(t *testing.T) {
	t.Parallel()
	h, book, s := setup(t, 0)
	if err := s.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	const events = 7*5 + 9*2*3
	sums := book.sum()
	if sums.Events != events || sums.Answered != events || sums.Messages != 35 || len(h.bodies) != events {
		t.Errorf("the ledger has %+v, the connector %d, want %d", sums, len(h.bodies), events)
	}
	if h.copies < events/5 {
		t.Errorf("only %d of %d came twice", h.copies, events)
	}
	if sums.Answers["503"] == 0 || sums.Answers["none"] == 0 {
		t.Errorf("the answers are %v", sums.Answers)
	}
	for c, es := range book.list() {
		last := int64(0)
		for _, e := range es {
			if e.twice || !e.written() {
				continue
			}
			if e.id <= last {
				t.Errorf("conversation %d: message %d has number %d, the one before %d", c+1, e.sequence+1, e.id, last)
			}
			last = e.id
		}
	}
}

func TestWhatNoRepeatCanMendEndsTheRun(t *testing.T) {
	t.Parallel()
	h, _, s := setup(t, http.StatusUnauthorized)
	err := s.run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "401") || h.calls > 2*s.o.Connections {
		t.Errorf("%d calls, error %v", h.calls, err)
	}
}

func TestACancelledRunEnds(t *testing.T) {
	t.Parallel()
	_, _, s := setup(t, http.StatusServiceUnavailable)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.run(ctx); err == nil {
		t.Error("it pretends to have sent everything")
	}
}

func TestOneSeedOnePlan(t *testing.T) {
	t.Parallel()
	o := Defaults()
	o.Conversations, o.Strangers = 50, 5
	start := time.Unix(1_800_000_000, 0)
	text := func(seed uint64) string {
		o.Seed = seed
		p := newPlan(&o, start)
		var b strings.Builder
		for range 2 {
			for _, w := range p.lap() {
				fmt.Fprintf(&b, "%s %d\n", w.body(), w.copy)
			}
		}
		return b.String()
	}
	first, again, other := text(1), text(1), text(2)
	if first != again || first == other {
		t.Error("the plan does not follow from the seed")
	}
}

func TestPlan(t *testing.T) {
	t.Parallel()
	o := Defaults()
	o.Conversations, o.Strangers = 50, 5
	p := newPlan(&o, time.Unix(1_800_000_000, 0))
	next, keys, receiptsFirst := map[int]int{}, map[string]bool{}, 0
	for range 2 {
		for _, w := range p.lap() {
			keys[fmt.Sprint(w.conversation, w.kind, w.sequence)] = true
			switch {
			case w.written() && w.sequence != next[w.conversation]:
				t.Fatalf("conversation %d: message %d where %d is next", w.conversation, w.sequence, next[w.conversation])
			case w.written():
				next[w.conversation]++
			case next[w.conversation] == 0:
				receiptsFirst++
			}
			var body struct {
				Event connector.EventType `json:"event"`
			}
			if json.Unmarshal(w.body(), &body) != nil || body.Event == "" {
				t.Fatalf("%s is no webhook", w.body())
			}
			if w.written() && !strings.Contains(string(w.body()), w.text()) {
				t.Errorf("%s does not say %q", w.body(), w.text())
			}
		}
	}
	if len(keys) != 2*(50*10+55*2*3) {
		t.Errorf("%d different webhooks", len(keys))
	}
	if receiptsFirst < 50 {
		t.Errorf("only %d receipts come before the customer's first message", receiptsFirst)
	}
}
