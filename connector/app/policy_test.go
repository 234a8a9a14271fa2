package app_test

import (
	"net/http"
	"testing"

	"github.com/crm-connector/crm-connector/connector/internal/webhook/sample"
)

// TestAgentsInterfere lets an agent close, merge or delete what the last message
// made: the next message follows the mapping's policy.
func TestAgentsInterfere(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason   string
		act      func(b *bundle, contact, ticket string)
		contacts int
		// tickets are the states of the living ones, comments what each has.
		tickets  []string
		comments []int
	}{
		"solved": {
			reason:   "a ticket that can be opened again is, within 72 hours",
			act:      func(b *bundle, _, ticket string) { b.setStatus(ticket, "solved") },
			contacts: 1, tickets: []string{"open"}, comments: []int{2},
		},
		"closed": {
			reason:   "a ticket that is closed for good gets a follow-up",
			act:      func(b *bundle, _, ticket string) { b.setStatus(ticket, "closed") },
			contacts: 1, tickets: []string{"closed", "open"}, comments: []int{1, 1},
		},
		"ticket deleted": {
			reason: "a deleted ticket is replaced by a new one",
			act: func(b *bundle, _, ticket string) {
				b.agent(http.MethodDelete, "/api/tickets/"+ticket, "")
			},
			contacts: 1, tickets: []string{"open"}, comments: []int{1},
		},
		"ticket merged": {
			reason: "the message goes to the ticket that the other was merged into",
			act: func(b *bundle, _, ticket string) {
				b.accept(message(9, 0, sample.Developer), sample.Developer)
				b.settle()
				b.agent(http.MethodPost, "/api/tickets/"+ticket+"/merge", `{"into":"`+b.tickets()[1].ID+`"}`)
			},
			contacts: 2, tickets: []string{"open"}, comments: []int{3},
		},
		"contact deleted": {
			reason: "a deleted contact is made again, since the mapping says recreate",
			act: func(b *bundle, contact, _ string) {
				b.agent(http.MethodDelete, "/api/contacts/"+contact, "")
			},
			contacts: 1,
		},
		"contact merged": {
			reason: "the message goes to the contact that the other was merged into",
			act: func(b *bundle, contact, _ string) {
				b.accept(message(9, 0, sample.Developer), sample.Developer)
				b.settle()
				b.agent(http.MethodPost, "/api/contacts/"+contact+"/merge", `{"into":"`+b.contacts()[1].ID+`"}`)
			},
			contacts: 1,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := started(t)
			b.accept(message(1, 0, sample.Developer), sample.Developer)
			b.settle()
			c.act(b, b.contacts()[0].ID, b.tickets()[0].ID)
			b.accept(message(1, 1, sample.Developer), sample.Developer)
			b.settle()
			b.checkDelivered()
			if n := len(b.contacts()); n != c.contacts {
				t.Errorf("%s: %d contacts, want %d", c.reason, n, c.contacts)
			}
			if c.tickets != nil {
				b.checkTickets(c.reason, c.tickets, c.comments)
			}
		})
	}
}

func (b *bundle) setStatus(ticket, status string) {
	b.agent(http.MethodPut, "/api/tickets/"+ticket+"/status", `{"status":"`+status+`"}`)
}

// agent does what a person does in the CRM.
func (b *bundle) agent(method, path, body string) {
	b.t.Helper()
	var said string
	if code := b.ask(method, b.crm.URL+path, body, &said); code != http.StatusNoContent {
		b.t.Fatalf("%s %s was answered %d %s", method, path, code, said)
	}
}

// checkDelivered wants every event delivered, and the last message to be on a
// ticket exactly once.
func (b *bundle) checkDelivered() {
	b.t.Helper()
	if outcomes := b.status().Destinations[0].Outcomes; outcomes["dead_letter"] > 0 {
		b.t.Errorf("outcomes %v", outcomes)
	}
	n := 0
	for _, body := range b.bodies() {
		if body == "Message 2 of customer 2." {
			n++
		}
	}
	if n != 1 {
		b.t.Errorf("the last message is there %d times: %q", n, b.bodies())
	}
}

func (b *bundle) checkTickets(reason string, states []string, comments []int) {
	b.t.Helper()
	tickets := b.tickets()
	if len(tickets) != len(states) {
		b.t.Fatalf("%s: tickets %+v, want %v", reason, tickets, states)
	}
	for i, one := range tickets {
		if n := len(b.comments(one.ID)); one.Status != states[i] || n != comments[i] {
			b.t.Errorf("%s: ticket %d is %s with %d comments, want %s with %d", reason, i, one.Status, n, states[i], comments[i])
		}
	}
}
