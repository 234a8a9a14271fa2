package app_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crm-connector/crm-connector/adapters/sandbox/crm"
	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/webhook/sample"
)

// playground posts the documentation's request as it is printed.
func (b *bundle) playground() answer {
	b.t.Helper()
	header, value := sample.PlaygroundSignature()
	return b.postWith("/demo", sample.Playground(), header, value)
}

func TestMessageBecomesTicket(t *testing.T) {
	t.Parallel()
	b := started(t)
	if a := b.playground(); a.Code != http.StatusOK || a.Status != "accepted" {
		t.Fatalf("the documentation's request was answered %+v", a)
	}
	answered := time.Now()
	b.await("a comment", func() bool { return len(b.bodies()) == 1 })
	if took := time.Since(answered); took > time.Second {
		t.Errorf("the comment came %s after the answer, want within a second", took)
	}
	b.settle()
	contacts, tickets := b.contacts(), b.tickets()
	if len(contacts) != 1 || contacts[0].Phone != "+918856879188" {
		t.Errorf("contacts %+v", contacts)
	}
	if len(tickets) != 1 || tickets[0].Contact != contacts[0].ID || tickets[0].Status != "open" {
		t.Errorf("tickets %+v", tickets)
	}
	comments := b.comments(tickets[0].ID)
	if len(comments) != 1 || comments[0].Body != "Hi there! I need pricing info." || comments[0].Author != "customer" {
		t.Errorf("comments %+v", comments)
	}
}

func TestAgainChangesNothing(t *testing.T) {
	t.Parallel()
	b := started(t)
	first := b.playground()
	b.settle()
	var before, after string
	b.ask(http.MethodGet, b.crm.URL+"/api/stats", "", &before)
	if a := b.playground(); a.Code != http.StatusOK || a.Status != "duplicate" || a.ID != first.ID {
		t.Errorf("the second time it was answered %+v, want a duplicate of %d", a, first.ID)
	}
	b.settle()
	b.ask(http.MethodGet, b.crm.URL+"/api/stats", "", &after)
	if before != after {
		t.Errorf("the CRM was called again:\n%s\n%s", before, after)
	}
}

func TestReceiptMakesNoTicket(t *testing.T) {
	t.Parallel()
	b := started(t)
	header, value := sample.PlaygroundSignature()
	if a := b.postWith("/demo", sample.ReadReceipt(), header, value); a.Status != "accepted" {
		t.Fatalf("the receipt was answered %+v", a)
	}
	b.settle()
	if tickets, contacts := b.tickets(), b.contacts(); len(tickets)+len(contacts) > 0 {
		t.Errorf("a receipt made %+v %+v", contacts, tickets)
	}
}

func TestDialectsDoTheSame(t *testing.T) {
	t.Parallel()
	for i, d := range sample.Dialects() {
		b := started(t)
		b.accept(message(i, 0, d), d)
		b.accept(message(i, 1, d), d)
		b.settle()
		contacts := b.contacts()
		if len(contacts) != 1 || contacts[0].Phone != "+"+sample.Phone(i) {
			t.Errorf("%s: contacts %+v", d, contacts)
		}
		want := []string{
			fmt.Sprintf("Message 1 of customer %d.", i+1),
			fmt.Sprintf("Message 2 of customer %d.", i+1),
		}
		if got := b.bodies(); len(b.tickets()) != 1 || !slices.Equal(got, want) {
			t.Errorf("%s: comments %q in %d tickets", d, got, len(b.tickets()))
		}
	}
}

func TestArray(t *testing.T) {
	t.Parallel()
	b := started(t)
	const d = sample.Developer
	var before, elements [][]byte
	for i := range 25 {
		before = append(before, message(i, 0, d))
	}
	if a := b.post(sample.Array(before...), d); a.Accepted != 25 {
		t.Fatalf("25 messages were answered %+v", a)
	}
	elements = append(elements, before...) // 25 duplicates
	for i := range 63 {
		elements = append(elements, message(100+i, 0, d))
	}
	elements = append(elements, elements[30:35]...) // 5 duplicates inside the array
	for i := range 5 {
		elements = append(elements, fmt.Appendf(nil, `{"event":%d}`, i))
	}
	for i := range 2 {
		elements = append(elements, sample.Event(connector.MessageReceived, d, sample.Options{
			Conversation: i, Time: now().Add(time.Minute), Text: "On second thoughts.",
		}))
	}
	a := b.post(sample.Array(elements...), d)
	if len(elements) != 100 || a.Code != http.StatusOK || a.Accepted != 65 || a.Duplicate != 30 || a.Quarantined != 5 {
		t.Errorf("%d elements were answered %+v", len(elements), a)
	}
	b.settle()
	if n := len(b.contacts()); n != 88 {
		t.Errorf("%d contacts, want 88", n)
	}
	edits := 0
	for _, body := range b.bodies() {
		if body == "(edited) On second thoughts." {
			edits++
		}
	}
	if n := len(b.bodies()); n != 90 || edits != 2 {
		t.Errorf("%d comments with %d edits, want 90 and 2", n, edits)
	}
	s := b.status()
	if s.Journal.Accepted != 90 || s.Journal.Quarantined != 5 {
		t.Errorf("the journal counts %+v", s.Journal)
	}
	var quarantine struct{ Elements []struct{ Reason string } }
	b.ask(http.MethodGet, b.pages+"/api/quarantine", "", &quarantine)
	if len(quarantine.Elements) != 5 || quarantine.Elements[0].Reason == "" {
		t.Errorf("in quarantine: %+v", quarantine)
	}
}

func TestNotAuthentic(t *testing.T) {
	t.Parallel()
	b := started(t)
	body := message(1, 0, sample.Developer)
	header, value := sample.Sign([]byte("guessed"), body, sample.Developer)
	if a := b.postWith("/webhook", body, header, value); a.Code != http.StatusUnauthorized {
		t.Errorf("a forged signature was answered %d", a.Code)
	}
	header, value = sample.PlaygroundSignature()
	if a := b.postWith("/webhook", sample.Playground(), header, value); a.Code != http.StatusUnauthorized {
		t.Errorf("the placeholder at a real source was answered %d", a.Code)
	}
	if s := b.status(); s.Journal.Accepted+s.Journal.Quarantined > 0 {
		t.Errorf("the journal took %+v", s.Journal)
	}
}

func TestRestartKeepsEverything(t *testing.T) {
	t.Parallel()
	b := started(t)
	const d = sample.App
	b.accept(message(1, 0, d), d)
	b.settle()
	b.down(true)
	b.accept(message(1, 1, d), d)
	b.accept(message(2, 0, d), d)
	b.stop()
	b.down(false)
	b.start()
	if a := b.post(message(1, 0, d), d); a.Status != "duplicate" {
		t.Errorf("after the restart a known message was answered %+v", a)
	}
	b.accept(message(1, 2, d), d)
	b.settle()
	if n := len(b.contacts()); n != 2 {
		t.Errorf("%d contacts, want 2", n)
	}
	want := []string{"Message 1 of customer 2.", "Message 2 of customer 2.", "Message 3 of customer 2.", "Message 1 of customer 3."}
	if got := b.bodies(); !slices.Equal(got, want) {
		t.Errorf("comments %q", got)
	}
}

// down lets the CRM be out of order, or work again.
func (b *bundle) down(is bool) {
	b.t.Helper()
	err := b.sandbox.Change(func(s *crm.Settings) {
		s.Down = ""
		if is {
			s.Down = "503"
		}
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

func TestManyConversationsStayInOrder(t *testing.T) {
	t.Parallel()
	b := started(t)
	const customers, messages = 40, 5
	done := make(chan struct{})
	for i := range customers {
		go func() {
			defer func() { done <- struct{}{} }()
			d := sample.Dialects()[i%2]
			for n := range messages {
				b.post(message(i, n, d), d)
			}
		}()
	}
	for range customers {
		<-done
	}
	b.settle()
	tickets := b.tickets()
	if len(tickets) != customers || len(b.contacts()) != customers {
		t.Fatalf("%d tickets of %d contacts, want %d", len(tickets), len(b.contacts()), customers)
	}
	for _, one := range tickets {
		comments := b.comments(one.ID)
		if len(comments) != messages {
			t.Fatalf("ticket %s has %d comments", one.ID, len(comments))
		}
		for n, c := range comments {
			if !strings.HasPrefix(c.Body, fmt.Sprintf("Message %d of", n+1)) {
				t.Errorf("ticket %s: comment %d is %q", one.ID, n+1, c.Body)
			}
		}
	}
}

func TestQuotaHolds(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *crm.Options) {
		o.Settings.Quota = crm.Quota{Calls: 6, Window: crm.Duration(time.Second), Kind: "sliding"}
	})
	b.write("connector.yaml", fmt.Sprintf(settings, b.crm.URL)+"    quota: {windows: [{calls: 6, per: 1s}]}\n")
	b.start()
	for i := range 8 {
		b.accept(message(i, 0, sample.Developer), sample.Developer)
		b.await("its turn", func() bool { return len(b.contacts()) >= i-2 })
	}
	b.settle()
	var stats struct {
		Refused     int `json:"refused"`
		WorstWindow int `json:"worst_window"`
	}
	b.ask(http.MethodGet, b.crm.URL+"/api/stats", "", &stats)
	if stats.Refused > 0 || stats.WorstWindow > 6 {
		t.Errorf("the CRM refused %d calls and saw %d in a window of 6", stats.Refused, stats.WorstWindow)
	}
	if q := b.status().Destinations[0].Quota; len(q) != 1 || q[0].Limit != 6 {
		t.Errorf("the status shows the quota %+v", q)
	}
}
