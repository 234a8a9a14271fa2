package intake_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/intake"
	"github.com/crm-connector/crm-connector/connector/internal/journal"
	"github.com/crm-connector/crm-connector/connector/internal/webhook/sample"
)

// text is a customer's message of a conversation.
func text(conversation, sequence int) string {
	return string(sample.Event(connector.MessageReceived, sample.Developer,
		sample.Options{Conversation: conversation, Sequence: sequence}))
}

func TestOneWebhook(t *testing.T) {
	t.Parallel()
	cases := []struct{ body, want, reason string }{
		{text(1, 0), `{"status":"accepted","id":1}`, "a message"},
		{text(1, 0), `{"status":"duplicate","id":1}`, "the same again"},
		{strings.Replace(text(1, 0), "customer 2", "customer two", 1), `{"status":"accepted","id":2,"revision":1}`, "an edit"},
		{`{"event":"ping"}`, `{"status":"pong"}`, "a ping is not kept"},
		{`{"event":"something.new","x":1}`, `{"status":"accepted","id":3}`, "unknown events are kept"},
		{`hello`, `{"status":"quarantined","id":4}`, "not JSON"},
		{``, `{"status":"quarantined","id":5}`, "nothing"},
		{`[{"event":"ping"}`, `{"status":"quarantined","id":6}`, "an array that was cut off is kept whole"},
	}
	b := setup(t)
	for _, c := range cases {
		w := b.post(c.body)
		if got := strings.TrimSpace(w.Body.String()); w.Code != http.StatusOK || got != c.want {
			t.Errorf("%d %s, want 200 %s: %s", w.Code, got, c.want, c.reason)
		}
		if w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("the answer is %s", w.Header().Get("Content-Type"))
		}
	}
	e := b.journal.entries[0]
	if e.Event.Business != "shop" || e.Event.Source != "support" || e.Event.Account != sample.BusinessNumber {
		t.Errorf("the journal got %+v", e.Event)
	}
	if len(e.Routes) != 1 || e.Routes[0] != (journal.Route{Destination: "support desk", Lane: connector.LaneThread}) {
		t.Errorf("routes %+v", e.Routes)
	}
	if b.taken[journal.Accepted] != 3 || b.taken[journal.Quarantined] != 3 || b.taken[intake.Pong] != 1 || b.status[200] != len(cases) {
		t.Errorf("counted %v and %v", b.taken, b.status)
	}
	if b.types["other"] != 1 || b.types[""] != 3 {
		t.Errorf("types %v: want what is unknown under one name", b.types)
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.post(`{"event":"message.received","data":{"message_id":"m","sender":"918856879188","body":"x"}}`)
	e := b.journal.entries[0]
	if e.Event.Account != "15550199999" {
		t.Errorf("account %q, want the source's in the form of events", e.Event.Account)
	}
	if !e.Undated || !e.Event.Time.Equal(b.now) {
		t.Errorf("time %s, undated %t, want now and true", e.Event.Time, e.Undated)
	}
}

func TestArrayHasAFateForEachElement(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var elements [][]byte
	for i := range 58 {
		elements = append(elements, []byte(text(i, 0)))
	}
	for i := range 25 { // Sent before, so duplicates now.
		b.post(text(100+i, 0))
		elements = append(elements, []byte(text(100+i, 0)))
	}
	for i := range 5 { // Twice in this very array.
		elements = append(elements, []byte(text(i, 0)))
	}
	for _, broken := range []string{`oops`, `{"event":`, `"text"`, `{}`, `{"event":"message.read"}`} {
		if broken == `{"event":` {
			broken = `{"event":}`
		}
		elements = append(elements, []byte(broken))
	}
	for i := range 2 {
		elements = append(elements, []byte(strings.Replace(text(i, 0), "Message", "Edited", 1)))
	}
	elements = append(elements, []byte(`{"event":"ping"}`))
	appends := len(b.journal.marks)
	w := b.post(string(sample.Array(elements...)))
	want := `{"accepted":60,"duplicate":30,"quarantined":5,"pong":1}`
	if got := strings.TrimSpace(w.Body.String()); w.Code != http.StatusOK || got != want {
		t.Errorf("%d %s, want %s", w.Code, got, want)
	}
	if len(b.journal.marks) != appends+1 {
		t.Errorf("%d commits for one array", len(b.journal.marks)-appends)
	}
	for _, e := range b.journal.entries {
		if e.Quarantine != "" && (len(e.Routes) > 0 || len(e.Raw) == 0) {
			t.Errorf("quarantined with routes %v and %d bytes", e.Routes, len(e.Raw))
		}
	}
	if w := b.post(`[]`); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"accepted":0`) {
		t.Errorf("an empty array: %d %s", w.Code, w.Body)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	change := func(change func(*http.Request)) *http.Request {
		r := signed(text(1, 0))
		change(r)
		return r
	}
	cases := []struct {
		request *http.Request
		status  int
		header  string
		reason  string
	}{
		{change(func(r *http.Request) { r.Method = http.MethodGet }), 405, "Allow", "a browser"},
		{change(func(r *http.Request) { r.Method = http.MethodPut }), 405, "Allow", "another method"},
		{change(func(r *http.Request) { r.URL.Path = "/other" }), 404, "", "an unknown path"},
		{change(func(r *http.Request) { r.URL.Path = "/webhook/" }), 404, "", "a path is exact"},
		{change(func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") }), 415, "", "a compressed body"},
		{change(func(r *http.Request) { clear(r.Header) }), 401, "", "no signature"},
		{change(func(r *http.Request) { r.URL.Path = "/demo" }), 401, "", "another source has other secrets"},
		{change(func(r *http.Request) { r.Header.Set(sample.PlaygroundSignature()) }), 401, "", "the placeholder"},
		{change(func(r *http.Request) { r.ContentLength = 1<<20 + 1 }), 413, "", "too large by its own word"},
		{signed(strings.Repeat(" ", 1<<20+1)), 413, "", "too large"},
	}
	for _, c := range cases {
		b := setup(t)
		w := b.do(c.request)
		if w.Code != c.status || c.header != "" && w.Header().Get(c.header) == "" {
			t.Errorf("%d %v, want %d with %q: %s", w.Code, w.Header(), c.status, c.header, c.reason)
		}
		if len(b.journal.entries) != 0 || b.status[c.status] != 1 {
			t.Errorf("%d events kept, counted %v: %s", len(b.journal.entries), b.status, c.reason)
		}
	}
}

func TestBodyOfUnknownLengthIsLimited(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := signed(strings.Repeat(" ", 1<<20+1))
	r.ContentLength = -1
	if w := b.do(r); w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("%d, want 413", w.Code)
	}
}

func TestPlaceholderIsTakenFromThisMachineAlone(t *testing.T) {
	t.Parallel()
	cases := []struct {
		remote, forwarded, host string
		status                  int
		reason                  string
	}{
		{"127.0.0.1:4711", "", "localhost:8080", 200, "this machine"},
		{"[::1]:4711", "", "[::1]:8080", 200, "this machine by IPv6"},
		{"[::ffff:127.0.0.1]:4711", "", "127.0.0.1", 200, "this machine, mapped"},
		{"192.0.2.1:4711", "", "127.0.0.1", 401, "another machine"},
		{"127.0.0.1:4711", "192.0.2.1", "127.0.0.1", 401, "another machine through a proxy"},
		{"127.0.0.1:4711", "", "evil.example:8080", 401, "a page that pointed its own name here"},
		{"127.0.0.1:4711", "", "192.168.0.7:8080", 401, "an address that others can ask for, too"},
		{"pipe", "", "127.0.0.1", 401, "who knows"},
	}
	for _, c := range cases {
		b := setup(t)
		r := httptest.NewRequest(http.MethodPost, "/demo", strings.NewReader(string(sample.Playground())))
		r.Header.Set(sample.PlaygroundSignature())
		r.RemoteAddr, r.Host = c.remote, c.host
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		if w := b.do(r); w.Code != c.status {
			t.Errorf("%s: %d, want %d: %s", c.remote, w.Code, c.status, c.reason)
		}
	}
}

func TestSamplesAreNeverTooOldForTheDemo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.advance(200 * 24 * time.Hour)
	r := httptest.NewRequest(http.MethodPost, "/demo", strings.NewReader(string(sample.Playground())))
	r.Header.Set(sample.PlaygroundSignature())
	r.RemoteAddr, r.Host = "127.0.0.1:4711", "localhost:8080"
	if w := b.do(r); w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	b.post(string(sample.ReadReceipt()))
	demo, signed := b.journal.entries[0], b.journal.entries[1]
	if !demo.Undated || !demo.Event.Time.Equal(b.clock()) {
		t.Errorf("at the demo the sample is of %s, want now", demo.Event.Time)
	}
	if signed.Undated || signed.Event.Time.Unix() != 1780369320 {
		t.Errorf("elsewhere the webhook's own time is %s", signed.Event.Time)
	}
}

func TestJournalThatFails(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.journal.err = fmt.Errorf("append: %w", journal.ErrFull)
	for range 3 {
		w := b.post(text(1, 0))
		if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "10" {
			t.Errorf("%d %v", w.Code, w.Header())
		}
	}
	if w := b.post(`{"event":"ping"}`); w.Code != http.StatusOK {
		t.Errorf("a ping needs no journal: %d", w.Code)
	}
	if n := len(b.log.AllEntries()); n != 1 || b.log.LastEntry().Level != logrus.ErrorLevel {
		t.Errorf("%d lines for one reason", n)
	}
	b.journal.err = nil
	if w := b.post(text(1, 0)); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "accepted") {
		t.Errorf("after the failure: %d %s", w.Code, w.Body)
	}
}

func TestClientThatLeaves(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if w := b.do(signed(text(1, 0)).WithContext(ctx)); w.Code != http.StatusServiceUnavailable {
		t.Errorf("%d, want 503", w.Code)
	}
	if n := len(b.log.AllEntries()); n != 0 {
		t.Errorf("%d lines for a client that left", n)
	}
}

func TestLogIsQuietAndDiscreet(t *testing.T) {
	t.Parallel()
	b := setup(t)
	body := `{"event":"message.received","data":{"sender":"918856879188","body":"my password is hunter2"`
	for range 50 {
		r := signed(body + "}}")
		r.Header.Set("X-AISoule-Signature", "sha256="+strings.Repeat("0", 64))
		b.do(r)
		b.post(body)
	}
	if n := len(b.log.AllEntries()); n != 2 {
		t.Errorf("%d lines, want one for each reason", n)
	}
	b.advance(time.Minute)
	b.post(body)
	if n := b.log.LastEntry().Data["suppressed"]; n != 49 {
		t.Errorf("suppressed %v, want 49", n)
	}
	for _, e := range b.log.AllEntries() {
		if line, _ := e.String(); strings.Contains(line, "9188") || strings.Contains(line, "hunter2") || strings.Contains(line, string(secret)) {
			t.Errorf("the log holds %s", line)
		}
	}
}

func TestUpdate(t *testing.T) {
	t.Parallel()
	b := setup(t)
	cases := []struct {
		sources []intake.Source
		route   intake.RouteFunc
		want    string
	}{
		{[]intake.Source{supportSource, {Name: "sales", Secrets: [][]byte{secret}}}, toDesk, "support and sales both have the path /webhook"},
		{[]intake.Source{{Name: "sales", Secrets: [][]byte{nil}}}, toDesk, "no secret"},
		{[]intake.Source{{Name: "sales", Secrets: [][]byte{secret}, Path: "sales"}}, toDesk, "slash"},
		{[]intake.Source{supportSource}, nil, "no routes"},
	}
	for _, c := range cases {
		if err := b.Update(c.sources, c.route); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Update: %v, want %q", err, c.want)
		}
		if w := b.post(text(1, 0)); w.Code != http.StatusOK {
			t.Errorf("after a refused update: %d", w.Code)
		}
	}
	moved := supportSource
	moved.Path = "/moved"
	if err := b.Update([]intake.Source{moved}, toDesk); err != nil {
		t.Fatal(err)
	}
	if w := b.post(text(1, 0)); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "hint") {
		t.Errorf("at the old path: %d %s", w.Code, w.Body)
	}
}

func TestMarkIsTakenBeforeTheBodyIsRead(t *testing.T) {
	t.Parallel()
	b := setup(t)
	inner := text(1, 0)
	r := signed(text(2, 0))
	body := r.Body
	r.Body = readFirst{body, sync.OnceFunc(func() { b.post(inner) })}
	b.do(r)
	if len(b.journal.marks) != 2 || b.journal.marks[1] != 0 {
		t.Errorf("marks %v: want the second as it was before the first was answered", b.journal.marks)
	}
}

// readFirst does something before the body is read.
type readFirst struct {
	body interface {
		Read([]byte) (int, error)
		Close() error
	}
	first func()
}

func (r readFirst) Read(p []byte) (int, error) {
	r.first()
	return r.body.Read(p)
}

func (r readFirst) Close() error { return r.body.Close() }

func TestConcurrentRequests(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			for j := range 8 {
				b.post(text(i, j))
				if err := b.Update([]intake.Source{supportSource}, toDesk); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if len(b.journal.entries) != 256 || b.status[200] != 256 {
		t.Errorf("%d events kept, answers %v", len(b.journal.entries), b.status)
	}
}

// TestSlowClientIsCutOff holds a body back, behind requests that are read and
// behind those that are refused without their body.
func TestSlowClientIsCutOff(t *testing.T) {
	t.Parallel()
	b := setup(t)
	server := httptest.NewUnstartedServer(nil)
	server.Config = intake.Server(b, logrus.New())
	server.Start()
	defer server.Close()
	cases := []struct {
		request string
		status  int
	}{
		{"POST /webhook HTTP/1.1\r\nHost: x\r\nX-Webhook-Signature: " + strings.Repeat("0", 64) + "\r\n", http.StatusRequestTimeout},
		{"POST /webhook HTTP/1.1\r\nHost: x\r\n", http.StatusUnauthorized},
		{"POST /webhook HTTP/1.1\r\nHost: x\r\nX-Webhook-Signature: 00\r\n", http.StatusUnauthorized},
		{"PUT /nowhere HTTP/1.1\r\nHost: x\r\n", http.StatusNotFound},
	}
	for _, c := range cases {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprint(conn, c.request+"Content-Length: 100\r\n\r\n{")
		in := bufio.NewReader(conn)
		response, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != c.status {
			t.Errorf("%s, want %d", response.Status, c.status)
		}
		if _, err := io.Copy(io.Discard, in); err != nil {
			t.Errorf("the connection ended with %v", err)
		}
	}
}

func TestPlaygroundOverTheNetwork(t *testing.T) {
	t.Parallel()
	b := setup(t)
	server := httptest.NewServer(b)
	defer server.Close()
	for _, want := range []string{"accepted", "duplicate"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/demo", strings.NewReader(string(sample.Playground())))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set(sample.PlaygroundSignature())
		response, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		line, _ := bufio.NewReader(response.Body).ReadString('\n')
		response.Body.Close()
		if response.StatusCode != http.StatusOK || !strings.Contains(line, want) {
			t.Errorf("%s %s, want 200 %s", response.Status, line, want)
		}
	}
}
