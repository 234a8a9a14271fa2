package intake_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/intake"
	"github.com/crm-connector/crm-connector/connector/internal/journal"
	"github.com/crm-connector/crm-connector/connector/internal/webhook"
	"github.com/crm-connector/crm-connector/connector/internal/webhook/sample"
)

// memory is a journal in memory that keeps the promises of journal.Intake.
type memory struct {
	mu      sync.Mutex
	last    int64
	digests map[[16]byte]int64
	seen    map[string]int
	entries []journal.Entry
	marks   []journal.Mark
	err     error
}

var _ journal.Intake = (*memory)(nil)

func newMemory() *memory {
	return &memory{digests: map[[16]byte]int64{}, seen: map[string]int{}}
}

func (m *memory) Mark() journal.Mark {
	m.mu.Lock()
	defer m.mu.Unlock()
	return journal.Mark(m.last)
}

func (m *memory) Append(ctx context.Context, began journal.Mark, entries []journal.Entry) ([]journal.Receipt, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if m.err != nil {
		return nil, m.err
	}
	m.marks = append(m.marks, began)
	receipts := make([]journal.Receipt, len(entries))
	for i, e := range entries {
		receipts[i] = m.one(e)
	}
	return receipts, nil
}

func (m *memory) one(e journal.Entry) journal.Receipt {
	digest := webhook.Digest(e.Raw)
	if id, ok := m.digests[digest]; ok && e.Quarantine == "" {
		return journal.Receipt{Fate: journal.Duplicate, ID: id}
	}
	m.last++
	m.entries = append(m.entries, e)
	if e.Quarantine != "" {
		return journal.Receipt{Fate: journal.Quarantined, ID: m.last}
	}
	m.digests[digest] = m.last
	revision := 0
	if e.Event.Message != nil {
		name := string(e.Event.Type) + " " + e.Event.Message.ID
		revision = m.seen[name]
		m.seen[name]++
	}
	return journal.Receipt{Fate: journal.Accepted, ID: m.last, Revision: revision}
}

// bundle is an intake over a fresh journal, with a clock that tests move.
type bundle struct {
	*intake.Intake
	journal *memory
	log     *logtest.Hook
	mu      sync.Mutex
	now     time.Time
	taken   map[journal.Fate]int
	types   map[connector.EventType]int
	status  map[int]int
}

var secret = []byte("the secret of the tests")

// supportSource is the source of most tests, placeholderSource the demo's.
var (
	supportSource     = intake.Source{Name: "support", Business: "shop", Secrets: [][]byte{[]byte("old"), secret}, Account: "+1 555 019 9999"}
	placeholderSource = intake.Source{Name: "demo", Path: "/demo", Placeholder: true}
)

func setup(t testing.TB) *bundle {
	t.Helper()
	logger, hook := logtest.NewNullLogger()
	logger.SetLevel(logrus.DebugLevel)
	b := &bundle{
		journal: newMemory(), log: hook, now: time.Unix(1780369300, 0),
		taken: map[journal.Fate]int{}, types: map[connector.EventType]int{}, status: map[int]int{},
	}
	in, err := intake.New(intake.Options{
		Journal: b.journal, Sources: []intake.Source{supportSource, placeholderSource}, Route: toDesk,
		Log: logger, Now: b.clock, BodyLimit: 1 << 20, BodyTimeout: 50 * time.Millisecond,
		Hooks: intake.Hooks{
			Taken: func(_ string, kind connector.EventType, fate journal.Fate) {
				b.mu.Lock()
				defer b.mu.Unlock()
				b.taken[fate]++
				b.types[kind]++
			},
			Answered: func(_ string, status int, _ time.Duration) {
				b.mu.Lock()
				defer b.mu.Unlock()
				b.status[status]++
			},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	b.Intake = in
	return b
}

func (b *bundle) clock() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

func (b *bundle) advance(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(d)
}

// toDesk routes everything to one destination.
func toDesk(source string, e *connector.Event) []journal.Route {
	return []journal.Route{{Destination: source + " desk", Lane: e.Lane()}}
}

// post sends a signed body to the support source.
func (b *bundle) post(body string) *httptest.ResponseRecorder {
	return b.do(signed(body))
}

func (b *bundle) do(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	b.ServeHTTP(w, r)
	return w
}

func signed(body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/webhook", strings.NewReader(body))
	r.Header.Set(sample.Sign(secret, []byte(body), sample.Developer))
	return r
}
