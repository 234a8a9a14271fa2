package console_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/console"
	"github.com/crm-connector/crm-connector/connector/internal/journal"
)

var noon = time.Date(2026, 5, 29, 12, 0, 0, 0, time.UTC)

// fakeJournal answers as it is told to, and remembers what it was asked.
type fakeJournal struct {
	err      error
	listed   []journal.Listed
	asked    journal.Filter
	requeued string
	// removed are destinations that the configuration does not have.
	removed []string
}

func (f *fakeJournal) Event(_ context.Context, id int64) (journal.Stored, []journal.Outcome, error) {
	for _, l := range f.listed {
		if l.Event.ID == id {
			return journal.Stored{Event: l.Event, Raw: []byte(`{"event":"message.received"}`)}, []journal.Outcome{l.Outcome}, f.err
		}
	}
	return journal.Stored{}, nil, journal.ErrNotFound
}

func (f *fakeJournal) List(_ context.Context, ask journal.Filter) ([]journal.Listed, error) {
	f.asked = ask
	return f.listed, f.err
}

func (f *fakeJournal) Destinations(context.Context) ([]string, error) {
	return append([]string{"desk"}, f.removed...), f.err
}

func (f *fakeJournal) Quarantine(context.Context, int) ([]journal.QuarantinedElement, error) {
	return []journal.QuarantinedElement{{ID: 3, Source: "webhook", At: noon, Reason: "not JSON", Raw: []byte("Hello Maria"), Size: 11}}, f.err
}

func (f *fakeJournal) Counts(context.Context, string) (journal.Counts, error) {
	return journal.Counts{
		Events:        map[journal.State]int64{journal.StatePending: 4, journal.StateDead: 2, journal.StateDelivered: 90},
		OldestPending: noon.Add(-time.Minute), Accepted: 96, Quarantined: 1,
	}, f.err
}

func (f *fakeJournal) Requeue(_ context.Context, destination string, ask journal.Filter) (int, error) {
	f.requeued, f.asked = destination, ask
	return 7, f.err
}

// fakeDestination is a destination that is easily paused.
type fakeDestination struct {
	status console.Status
	woken  int
}

func (f *fakeDestination) About() console.About {
	return console.About{Name: "desk", Business: "main", Adapter: "sandbox", CRM: "Sandbox", Mapping: "builtin:support-desk"}
}
func (f *fakeDestination) Status() console.Status { return f.status }
func (f *fakeDestination) Pause(_ context.Context, reason string) error {
	f.status.Paused, f.status.ByOperator = reason, true
	return nil
}

func (f *fakeDestination) Resume(context.Context) error {
	f.status.Paused = ""
	return nil
}
func (f *fakeDestination) Wake() { f.woken++ }

type bundle struct {
	*console.Console
	journal     *fakeJournal
	destination *fakeDestination
	log         *logtest.Hook
}

func setup(t *testing.T) *bundle {
	t.Helper()
	logger, hook := logtest.NewNullLogger()
	logger.SetLevel(logrus.DebugLevel)
	b := &bundle{
		Console:     console.New(console.Options{Version: "1.2.3", Hosts: []string{"connector.internal", "example.com"}, Log: logger, Now: func() time.Time { return noon }}),
		journal:     &fakeJournal{},
		destination: &fakeDestination{status: console.Status{Generation: "abc"}}, log: hook,
	}
	b.destination.status.Quota = []console.Window{
		{Window: connector.Window{Calls: 100, Per: 10 * time.Second}, Limit: 50, Used: 12},
		{Window: connector.Window{Calls: 200, Per: 10 * time.Second}, Limit: 200, Used: 12},
	}
	b.Show(console.View{
		Journal: b.journal, Destinations: []console.Destination{b.destination}, Generation: 3, Loaded: noon,
	})
	return b
}

func (b *bundle) ask(method, path, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	b.ServeHTTP(w, r)
	return w
}

func TestReadiness(t *testing.T) {
	t.Parallel()
	b := setup(t)
	if w := b.ask("GET", "/readyz", ""); w.Code != http.StatusServiceUnavailable || w.Body.String() != "not ready: starting\n" {
		t.Errorf("before the start: %d %s", w.Code, w.Body)
	}
	b.Ready()
	if w := b.ask("GET", "/readyz", ""); w.Code != http.StatusOK {
		t.Errorf("ready: %d %s", w.Code, w.Body)
	}
	b.NotReady("the stop")
	if w := b.ask("GET", "/readyz", ""); w.Code != http.StatusServiceUnavailable {
		t.Errorf("while it stops: %d %s", w.Code, w.Body)
	}
	if w := b.ask("GET", "/healthz", ""); w.Code != http.StatusOK {
		t.Errorf("health: %d %s", w.Code, w.Body)
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.ConfigRefused("connector.yaml:3:1: unknown key")
	cases := map[string]struct {
		status console.Status
		want   string
		reason string
	}{
		"working": {console.Status{}, "working", "nothing is the matter"},
		"resting": {console.Status{Resting: noon.Add(time.Second)}, "resting", "it waits after a failure"},
		"rested":  {console.Status{Resting: noon.Add(-time.Second)}, "working", "it has waited"},
		"paused":  {console.Status{DestinationState: journal.DestinationState{Paused: "401", Retry: noon.Add(time.Minute)}}, "paused", "the credentials died"},
	}
	for name, c := range cases {
		b.destination.status = c.status
		var got struct {
			Config       struct{ Refused string }
			Destinations []struct {
				State   string
				Backlog int
				Age     float64 `json:"oldest_pending_seconds"`
			}
		}
		if err := json.Unmarshal(b.ask("GET", "/api/status", "").Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		d := got.Destinations[0]
		if d.State != c.want || d.Backlog != 4 || d.Age != 60 || got.Config.Refused == "" {
			t.Errorf("%s: %+v, want %s: %s", name, got, c.want, c.reason)
		}
	}
}

func TestFilters(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		status int
		want   journal.Filter
		reason string
	}{
		"": {200, journal.Filter{Limit: 50}, "the newest"},
		"?destination=desk&state=dead_letter&limit=5&before=9": {200, journal.Filter{Destination: "desk", State: "dead_letter", Limit: 5, Before: 9}, "a page of dead letters"},
		"?from=2026-05-29T12:00:00Z&to=2026-05-29T13:00:00Z":   {200, journal.Filter{From: noon, To: noon.Add(time.Hour), Limit: 50}, "an hour"},
		"?customer=wa:1": {200, journal.Filter{Customer: "wa:1", Limit: 50}, "a customer"},
		"?state=lost":    {400, journal.Filter{}, "no such state"},
		"?limit=0":       {400, journal.Filter{}, "nothing to list"},
		"?limit=5000":    {400, journal.Filter{}, "more than a page"},
		"?before=x":      {400, journal.Filter{}, "not a number"},
		"?from=today":    {400, journal.Filter{}, "not a time"},
	}
	for query, c := range cases {
		b := setup(t)
		if w := b.ask("GET", "/api/events"+query, ""); w.Code != c.status || b.journal.asked != c.want {
			t.Errorf("%s: %d and asked %+v, want %d and %+v: %s", query, w.Code, b.journal.asked, c.status, c.want, c.reason)
		}
	}
}

func TestListsMaskNumbers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.journal.listed = []journal.Listed{{Event: connector.Event{
		ID: 5, CustomerKey: "wa:918856879188", Identity: connector.Identity{Phone: "+918856879188", UserID: "US.13491208655302741918"},
	}}}
	if said := b.ask("GET", "/api/events", "").Body.String(); strings.Contains(said, "8856") || strings.Contains(said, "1349") || !strings.Contains(said, "…9188") {
		t.Errorf("the list says %s", said)
	}
	if said := b.ask("GET", "/api/events?numbers=show", "").Body.String(); !strings.Contains(said, "+918856879188") {
		t.Errorf("the list that was asked to show numbers says %s", said)
	}
	if said := b.ask("GET", "/api/quarantine", "").Body.String(); strings.Contains(said, "Maria") {
		t.Errorf("the quarantine says %s", said)
	}
}

func TestReplay(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		status int
		reason string
	}{
		`{"destination":"desk","state":"dead_letter"}`: {200, "the dead letters"},
		`{"destination":"desk"}`:                       {400, "everything there ever was is a slip"},
		`{"destination":"desk","state":"lost"}`:        {400, "no such state"},
		`{"destination":"nowhere","state":"pending"}`:  {404, "no such destination"},
		`{"destintion":"desk"}`:                        {400, "an unknown key"},
		`{`:                                            {400, "not JSON"},
	}
	for body, c := range cases {
		b := setup(t)
		w := b.ask("POST", "/api/replay", body)
		if w.Code != c.status || (b.journal.requeued != "") != (c.status == 200) || (b.destination.woken > 0) != (c.status == 200) {
			t.Errorf("%s: %d %s, want %d: %s", body, w.Code, w.Body, c.status, c.reason)
		}
	}
}

func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	b := setup(t)
	if w := b.ask("POST", "/api/destinations/desk/pause", `{"reason":"moving"}`); w.Code != 200 || b.destination.status.Paused != "moving" {
		t.Errorf("pause: %d %s", w.Code, w.Body)
	}
	if w := b.ask("POST", "/api/destinations/desk/resume", ""); w.Code != 200 || b.destination.status.Paused != "" {
		t.Errorf("resume: %d %s", w.Code, w.Body)
	}
	if w := b.ask("POST", "/api/destinations/nowhere/pause", ""); w.Code != 404 {
		t.Errorf("a destination that is not there: %d %s", w.Code, w.Body)
	}
}

func TestJournalThatFails(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.journal.err = errors.New("disk I/O error in /var/lib")
	for _, path := range []string{"/api/status", "/api/events", "/api/quarantine"} {
		if w := b.ask("GET", path, ""); w.Code != 500 || strings.Contains(w.Body.String(), "disk") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	if n := len(b.log.AllEntries()); n != 3 {
		t.Errorf("%d lines for 3 failures", n)
	}
	if w := b.ask("GET", "/metrics", ""); w.Code != 200 || !strings.Contains(w.Body.String(), "crm_connector_ready 0") {
		t.Errorf("metrics: %d", w.Code)
	}
}

func TestNothingToShowYet(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.Show(console.View{})
	for path, want := range map[string]int{"/api/status": 200, "/api/events": 503, "/api/events/1": 503, "/api/quarantine": 503, "/metrics": 200} {
		if w := b.ask("GET", path, ""); w.Code != want {
			t.Errorf("%s: %d %s, want %d", path, w.Code, w.Body, want)
		}
	}
	if w := b.ask("POST", "/api/replay", `{"destination":"desk","state":"dead_letter"}`); w.Code != 503 {
		t.Errorf("replay: %d", w.Code)
	}
}

func TestForeignPagesAreRefused(t *testing.T) {
	t.Parallel()
	loopback := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8090}
	private := &net.TCPAddr{IP: net.IPv4(10, 0, 0, 5), Port: 8090}
	cases := []struct {
		local  net.Addr
		host   string
		site   string
		status int
		reason string
	}{
		{loopback, "127.0.0.1:8090", "", 200, "by address"},
		{loopback, "localhost:8090", "", 200, "by name"},
		{loopback, "[::1]:8090", "", 200, "by IPv6 address"},
		{loopback, "evil.example:8090", "", 403, "a name that was pointed at 127.0.0.1"},
		{private, "evil.example:8090", "same-origin", 403, "a name that was pointed at a container"},
		{private, "connector.internal:8090", "", 200, "a name that the configuration lists"},
		{private, "connector:8090", "", 200, "a name that no page on the internet has"},
		{private, "[fd00::2]:8090", "", 200, "an address"},
		{loopback, "127.0.0.1:8090", "cross-site", 403, "a form on another site"},
		{loopback, "127.0.0.1:8090", "same-origin", 200, "our own page"},
	}
	for _, c := range cases {
		b := setup(t)
		r := httptest.NewRequest("POST", "/api/destinations/desk/resume", nil)
		r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, c.local))
		r.Host = c.host
		if c.site != "" {
			r.Header.Set("Sec-Fetch-Site", c.site)
		}
		w := httptest.NewRecorder()
		b.ServeHTTP(w, r)
		if w.Code != c.status {
			t.Errorf("%s %s: %d, want %d: %s", c.host, c.site, w.Code, c.status, c.reason)
		}
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	b := setup(t)
	m := b.Metrics()
	m.Answered("webhook", 200, time.Millisecond)
	m.Taken("webhook", connector.MessageReceived, journal.Accepted)
	m.Outcome("desk", journal.StateDelivered)
	m.Call("desk", "apply ticket", "done", 12)
	m.Unknown("desk", connector.KindTicket, connector.Hold)
	m.Request("desk", 429, true, time.Second, time.Millisecond)
	m.Request("desk", 0, true, 0, time.Millisecond)
	m.Request("desk", 0, false, 0, 0)
	said := b.ask("GET", "/metrics", "").Body.String()
	for _, want := range []string{
		`crm_connector_webhooks_total{source="webhook",status="200"} 1`,
		`crm_connector_events_total{fate="accepted",source="webhook",type="message.received"} 1`,
		`crm_connector_outcomes_total{destination="desk",state="delivered"} 1`,
		`crm_connector_calls_total{destination="desk",ending="done",op="apply ticket"} 1`,
		`crm_connector_call_records_total{destination="desk",op="apply ticket"} 12`,
		`crm_connector_unknown_ends_total{decision="hold",destination="desk",kind="ticket"} 1`,
		`crm_connector_requests_total{destination="desk",status="429"} 1`,
		`crm_connector_requests_total{destination="desk",status="none"} 1`,
		`crm_connector_requests_total{destination="desk",status="unsent"} 1`,
		`crm_connector_quota_wait_seconds_total{destination="desk"} 1`,
		`crm_connector_backlog_events{destination="desk"} 4`,
		`crm_connector_dead_letters{destination="desk"} 2`,
		`crm_connector_oldest_pending_seconds{destination="desk"} 60`,
		`crm_connector_paused{by="operator",destination="desk"} 0`,
		`crm_connector_quota_used_calls{destination="desk",window="10s"} 12`,
		`crm_connector_quota_limit_calls{destination="desk",window="10s"} 50`,
		`crm_connector_quarantined_elements 1`,
		`crm_connector_config_generation 3`,
		`crm_connector_config_refused 0`,
		`crm_connector_build_info{go="`,
	} {
		if !strings.Contains(said, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
}

// TestMetricsAreDocumented compares the metrics with the table in docs/admin.md.
func TestMetricsAreDocumented(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../../docs/admin.md")
	if err != nil {
		t.Fatal(err)
	}
	b := setup(t)
	m := b.Metrics()
	m.Answered("webhook", 200, 0)
	m.Taken("webhook", connector.MessageReceived, journal.Accepted)
	m.Outcome("desk", journal.StateDelivered)
	m.Call("desk", "apply ticket", "done", 1)
	m.Unknown("desk", connector.KindTicket, connector.Hold)
	m.Request("desk", 200, true, 0, 0)
	for line := range strings.Lines(b.ask("GET", "/metrics", "").Body.String()) {
		name, isOurs := strings.CutPrefix(line, "# TYPE crm_connector_")
		name, _, _ = strings.Cut(name, " ")
		if isOurs && !strings.Contains(string(doc), "`"+name+"`") {
			t.Errorf("docs/admin.md lacks %s", name)
		}
	}
}
