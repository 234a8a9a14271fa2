package delivery_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/webhook/sample"
)

// TestThread: what customers write becomes comments, in order, in few calls.
func TestThread(t *testing.T) {
	t.Parallel()
	tell(t, []behaviour{
		{
			reason: "a message becomes a contact, a ticket and a comment, in one call each",
			story: func(b *bench) {
				m := b.say(0, "m1", "hello")
				b.want("until when to rest", b.work(), time.Time{})
				b.calls("look contact c000", "contact +c000", "ticket +t/m1 [m1]")
				b.outcome(m, "delivered")
				b.want("the ticket's contact", b.crm.ticket(1).contact, "C1")
				b.want("the comment", b.crm.ticket(1).comments[0].Body, "v1: hello "+private)
			},
		},
		{
			reason: "a second message goes straight to the ticket that is known",
			story: func(b *bench) {
				b.say(0, "m1", "hello")
				b.work()
				b.seen()
				b.say(0, "m2", "again")
				b.work()
				b.calls("ticket T1 [m2]")
			},
		},
		{
			reason: "ten messages of one customer cost one call of the ticket",
			story: func(b *bench) {
				var keys []string
				for i := range 10 {
					keys = append(keys, fmt.Sprint("m", i))
					b.say(0, keys[i], "hello")
				}
				b.work()
				b.calls("look contact c000", "contact +c000", "ticket +t/m0 ["+strings.Join(keys, " ")+"]")
				b.want("events", b.states(), "10 delivered")
			},
		},
		{
			reason: "many customers share the calls",
			story: func(b *bench) {
				for i := range 3 {
					b.say(i, fmt.Sprint("m", i), "hello")
				}
				b.work()
				b.calls("look contact c000 c001 c002", "contact +c000; +c001; +c002", "ticket +t/m0 [m0]; +t/m1 [m1]; +t/m2 [m2]")
			},
		},
		{
			reason: "more comments than a change takes go in waves, in order",
			given:  func(b *bench) { b.crm.describe.Comments = 2 },
			story: func(b *bench) {
				for i := range 5 {
					b.say(0, fmt.Sprint("m", i), "hello")
				}
				b.say(1, "other", "hello")
				b.work()
				b.calls("look contact c000 c001", "contact +c000; +c001",
					"ticket +t/m0 [m0 m1]; +t/other [other]", "ticket T1 [m2 m3]", "ticket T1 [m4]")
			},
		},
		{
			reason: "more than one call's comments of one event are carried by one event's end",
			given:  func(b *bench) { b.crm.describe.Comments = 1; b.rules.twice = true },
			story: func(b *bench) {
				m := b.say(0, "m1", "hello")
				b.work()
				b.calls("look contact c000", "contact +c000", "ticket +t/m1 [m1]", "ticket T1 [m1/more]")
				b.outcome(m, "delivered")
			},
		},
		{
			reason: "overlapping webhooks go in the order of their own times",
			story: func(b *bench) {
				began := b.j.Mark()
				for i, second := range []int{3, 1, 2} {
					b.append(began, message(fmt.Sprint("m", i), second))
				}
				b.work()
				b.want("comments", b.crm.ticket(1).keys(), "m1 m2 m0")
			},
		},
		{
			reason: "webhooks that did not overlap stay as they came, whatever their times say",
			story: func(b *bench) {
				for i, second := range []int{3, 1, 2} {
					b.append(b.j.Mark(), message(fmt.Sprint("m", i), second))
				}
				b.work()
				b.want("comments", b.crm.ticket(1).keys(), "m0 m1 m2")
			},
		},
		{
			reason: "of three, only the two that overlapped change places",
			story: func(b *bench) {
				b.append(b.j.Mark(), message("m0", 3))
				began := b.j.Mark()
				b.append(began, message("m1", 2))
				b.append(began, message("m2", 1))
				b.work()
				b.want("comments", b.crm.ticket(1).keys(), "m0 m2 m1")
			},
		},
		{
			reason: "a status goes out behind its comments and before the next one",
			story: func(b *bench) {
				b.say(0, "m1", "hello")
				b.say(0, "m2", "status pending")
				b.say(0, "m3", "hello")
				b.work()
				b.calls("look contact c000", "contact +c000", "ticket +t/m1 status=pending [m1 m2]", "ticket T1 [m3]")
			},
		},
		{
			reason: "a customer with more events than a round takes is served to the end, in order",
			given:  func(b *bench) { b.crm.describe.Comments = 1000 },
			story: func(b *bench) {
				var keys []string
				for i := range 450 {
					keys = append(keys, fmt.Sprint("m", i))
					b.say(0, keys[i], "hello")
				}
				b.work()
				b.want("comments", b.crm.ticket(1).keys(), strings.Join(keys, " "))
				b.want("calls", len(b.seen()), 5)
				b.want("events", b.states(), "450 delivered")
			},
		},
		{
			reason: "each conversation has its own ticket, and one contact",
			story: func(b *bench) {
				b.say(0, "m1", "hello")
				b.append(b.j.Mark(), other("m2"))
				b.work()
				b.want("tickets", len(b.crm.tickets), 2)
				b.want("contacts", len(b.crm.contacts), 1)
			},
		},
		{
			reason: "an edited message is a comment of its own",
			story: func(b *bench) {
				b.say(0, "m1", "hello")
				b.work()
				b.say(0, "m1", "hello again")
				b.work()
				b.want("comments", b.crm.ticket(1).keys(), "m1 m1/edited")
			},
		},
		{
			reason: "a customer whose contact is in the CRM already gets no second one",
			given: func(b *bench) {
				b.crm.contacts = []*record{{id: "C1", key: "wa:" + sample.Phone(0), condition: connector.Active, fields: connector.Fields{}}}
			},
			story: func(b *bench) {
				b.say(0, "m1", "hello")
				b.work()
				b.want("contacts", len(b.crm.contacts), 1)
				b.want("the ticket's contact", b.crm.ticket(1).contact, "C1")
			},
		},
		{
			reason: "a CRM whose tickets make their contacts is spared the call",
			given:  func(b *bench) { b.crm.describe.MakesContact = true },
			story: func(b *bench) {
				b.crm.then(connector.KindTicket, b.crm.makesContact)
				m := b.say(0, "m1", "hello")
				b.work()
				b.calls("look contact c000", "ticket +t/m1 makes=c000 [m1]")
				b.outcome(m, "delivered")
				b.say(0, "m2", "hello")
				b.work()
				b.calls("ticket T1 [m2]")
			},
		},
	})
}

// message gives a webhook of the first customer with a time of its own.
func message(id string, second int) []byte {
	at := time.Date(2000, 1, 1, 0, 0, second, 0, time.UTC)
	return sample.Event(connector.MessageReceived, sample.Developer, sample.Options{MessageID: id, Text: private, Time: at})
}

// other gives a webhook of the first customer to the business's other number.
func other(id string) []byte {
	return []byte(strings.ReplaceAll(string(message(id, 9)), sample.BusinessNumber, "15550188888"))
}

// TestNotEverythingIsDelivered: what has nothing to do ends with its reason.
func TestNotEverythingIsDelivered(t *testing.T) {
	t.Parallel()
	tell(t, []behaviour{
		{
			reason: "an event that no rule matches is unmatched",
			story:  func(b *bench) { ends(b, "unmatched", "unmatched") },
		},
		{
			reason: "a rule that skips an event is named",
			story:  func(b *bench) { ends(b, "skip", "skipped: bored") },
		},
		{
			reason: "a rule that changes nothing is named",
			story:  func(b *bench) { ends(b, "nothing", "skipped: message: the rule changes nothing for this event") },
		},
		{
			reason: "an event that a rule can't be evaluated for is a dead letter with the rule's words",
			story: func(b *bench) {
				ends(b, "unmappable", "dead_letter: mapping: map event: refused (mapping): rule 1: the value is not a number")
			},
		},
		{
			reason: "a reaction where there is no ticket is skipped, and says so",
			story: func(b *bench) {
				r := b.react(0, "r1", "m0")
				b.work()
				b.outcome(r, "skipped: reaction: the conversation has no ticket")
				b.want("tickets and contacts", len(b.crm.tickets)+len(b.crm.contacts), 0)
			},
		},
		{
			reason: "a reaction where there is a ticket is a comment on it",
			story: func(b *bench) {
				b.say(0, "m1", "hello")
				r := b.react(0, "r1", "m1")
				b.work()
				b.outcome(r, "delivered")
				b.want("comments", b.crm.ticket(1).keys(), "m1 r1")
			},
		},
		{
			reason: "an event that belongs to nobody ends without a call",
			story: func(b *bench) {
				e := b.accept(connector.CampaignCompleted, sample.Options{})
				b.work()
				b.calls()
				b.outcome(e, "unmatched")
			},
		},
		{
			reason: "what is skipped holds nothing up",
			story: func(b *bench) {
				b.say(0, "m1", "unmappable")
				b.say(0, "m2", "skip")
				b.say(0, "m3", "hello")
				b.work()
				b.want("comments", b.crm.ticket(1).keys(), "m3")
				b.want("events", b.states(), "1 delivered, 1 skipped, 1 dead_letter")
			},
		},
	})
}

// ends says one thing to the connector and expects it to call nobody.
func ends(b *bench, text, want string) {
	b.Helper()
	m := b.say(0, "m1", text)
	b.work()
	b.outcome(m, want)
	b.calls()
}
