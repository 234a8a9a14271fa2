package simulation

import (
	"context"
	"fmt"
	"slices"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/journal"
)

// watch holds the CRM against the promises that must hold at any time: nothing
// doubled, everything in order, nothing on a stranger's record.
func (w *world) watch() {
	w.watchContacts()
	where := w.watchComments()
	w.watchOrder(where)
}

// allowed is how often a record may be doubled: once for each create of which
// nobody could know the end, where the mapping says to repeat those.
func (w *world) allowed() int {
	if w.mapper.policy.WhenUnknown == connector.Repeat {
		return w.report.Unknown
	}
	return 0
}

func (w *world) watchContacts() {
	live := map[string]int{}
	for _, x := range w.crm.contacts {
		if !x.gone {
			live[x.key]++
		}
	}
	for key, n := range live {
		if n > 1 {
			w.violation("doubled: %d contacts for %s", n, key)
		}
	}
}

// watchComments counts each message's comments and gives where each stands.
func (w *world) watchComments() map[string]int {
	first, count := map[string]int{}, map[string]int{}
	for _, t := range w.crm.tickets {
		for _, c := range t.comments {
			count[c.key]++
			if at, seen := first[c.key]; !seen || c.seq < at {
				first[c.key] = c.seq
			}
			w.watchPlace(t, c)
		}
	}
	for key, n := range count {
		if n > 1+w.allowed() {
			w.violation("doubled: %d comments for %s", n, key)
		}
	}
	return first
}

// watchPlace checks that a comment stands with its own customer and account.
func (w *world) watchPlace(t *ticket, c comment) {
	for _, m := range w.sent {
		if c.key != m.id+"/comment" {
			continue
		}
		if want := "wa:" + phone(m.customer); t.customer != want || t.account != m.account {
			w.violation("comment %s of %s on account %s stands with %s on %s", c.key, want, m.account, t.customer, t.account)
		}
	}
}

// watchOrder checks that whatever was answered before another webhook's request
// began stands before it.
func (w *world) watchOrder(where map[string]int) {
	for _, b := range w.sent {
		seqB, ok := where[b.id+"/comment"]
		if !ok {
			continue
		}
		for _, a := range w.sent {
			seqA, ok := where[a.id+"/comment"]
			if ok && a.customer == b.customer && a.account == b.account && a.answered <= b.began && seqA > seqB {
				w.violation("out of order: %s was answered before %s began, and stands after it", a.id, b.id)
			}
		}
	}
}

// opened is called by the CRM when a ticket is made: a conversation has one
// current ticket.
func (w *world) opened(t *ticket) {
	if w.mapper.policy.Idle > 0 || w.allowed() > 0 {
		return
	}
	for _, o := range w.crm.tickets {
		if o != t && o.customer == t.customer && o.account == t.account && o.condition == connector.Active {
			w.violation("doubled: ticket %s is opened while %s of the same conversation is open", t.id, o.id)
		}
	}
}

// judge checks, at rest, that nothing is lost.
func (w *world) judge(ctx context.Context) {
	where := w.watchComments()
	last, dead := map[int]*message{}, map[int]bool{}
	for _, m := range w.sent {
		stored, outcomes, err := w.j.Event(ctx, m.event)
		if err != nil {
			w.violation("lost: event %d of %s: %v", m.event, m.id, err)
			continue
		}
		o, ok := w.outcome(m, outcomes)
		if !ok {
			continue
		}
		if o.State == journal.StateDead {
			w.report.Dead++
			dead[m.customer] = true
		}
		if m.kind == connector.MessageReceived {
			_, there := where[m.id+"/comment"]
			w.judgeMessage(m, o, there)
		} else if o.State == journal.StateDelivered && (last[m.customer] == nil || last[m.customer].event < m.event) {
			last[m.customer] = &message{customer: m.customer, event: m.event, status: stored.Status}
		}
	}
	for customer, m := range last {
		if !dead[customer] { // what a dead letter had begun to write may stand
			w.judgeStatus(m)
		}
	}
	w.judgeSwallowed()
}

func (w *world) outcome(m *message, outcomes []journal.Outcome) (journal.Outcome, bool) {
	if len(outcomes) != 1 {
		w.violation("event %d of %s has %d outcomes", m.event, m.id, len(outcomes))
		return journal.Outcome{}, false
	}
	if outcomes[0].State == journal.StatePending {
		w.violation("lost: event %d of %s is pending still", m.event, m.id)
		return journal.Outcome{}, false
	}
	return outcomes[0], true
}

// judgeMessage checks that a message is on a ticket, or that its event says why
// it is not.
func (w *world) judgeMessage(m *message, o journal.Outcome, there bool) {
	var want string
	switch m.text {
	case "poison":
		want = "poison"
	case "unmappable":
		want = "mapping"
	}
	switch {
	case want != "" && (o.State != journal.StateDead || o.Code != want) && o.Code != "unknown_end" && o.Code != "required":
		w.violation("%s (%s) ended as %s %s", m.id, m.text, o.State, o.Code)
	case want != "":
	case o.State == journal.StateDelivered && !there:
		w.violation("lost: event %d of %s is delivered and on no ticket", m.event, m.id)
	case o.State == journal.StateDelivered:
	case o.State == journal.StateDead && (o.Code == "unknown_end" || o.Code == "required"):
	default:
		w.violation("lost: event %d of %s ended as %s (%s: %s)", m.event, m.id, o.State, o.Code, o.Reason)
	}
}

// judgeStatus checks that the contact shows the last receipt.
func (w *world) judgeStatus(m *message) {
	key := "wa:" + phone(m.customer)
	made := slices.DeleteFunc(slices.Clone(w.crm.contacts), func(x *contact) bool { return x.key != key })
	if len(made) != 1 || made[0].gone {
		return // deleted, or made again: the receipt went to the former one
	}
	if got := fmt.Sprint(made[0].fields["whatsapp_status"]); got != string(m.status) {
		w.violation("customer %d: the contact shows %q, the last receipt says %q", m.customer, got, m.status)
	}
}

// judgeSwallowed checks that no message stands on a ticket that had been closed
// for longer than its status is trusted.
func (w *world) judgeSwallowed() {
	for _, t := range w.crm.tickets {
		for _, c := range t.comments {
			if !c.swallowed || c.late {
				continue
			}
			if w.crm.p.Guarded || c.at.Sub(t.closedAt) > statusTrust {
				w.violation("message %s was put on ticket %s, closed %s before", c.key, t.id, c.at.Sub(t.closedAt))
			}
		}
	}
}
