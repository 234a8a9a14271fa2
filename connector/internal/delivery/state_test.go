package delivery_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/webhook/sample"
)

// known gives the customers a contact and a ticket each, and forgets the calls.
func known(b *bench, customers int) {
	b.Helper()
	for i := range customers {
		b.say(i, fmt.Sprint("first", i), "hello")
	}
	b.work()
	b.seen()
}

// TestState: what converges waits until a call is worth it.
func TestState(t *testing.T) {
	t.Parallel()
	tell(t, []behaviour{
		{
			reason: "a receipt waits for fresh_within, and then goes",
			story: func(b *bench) {
				known(b, 1)
				r := b.receipt(0, "out", connector.StatusRead)
				b.want("until when to rest", b.work(), time.Now().Add(time.Minute))
				b.calls()
				b.outcome(r, "pending")
				b.pass(time.Minute)
				b.work()
				b.calls("contact C1 status=read")
				b.outcome(r, "delivered")
			},
		},
		{
			reason: "receipts that fill a batch wait no longer",
			given:  func(b *bench) { b.crm.describe.Contact.Batch = 3 },
			story: func(b *bench) {
				known(b, 3)
				b.receipt(0, "out0", connector.StatusRead)
				b.receipt(1, "out1", connector.StatusRead)
				b.work()
				b.calls()
				b.receipt(2, "out2", connector.StatusRead)
				b.work()
				b.calls("contact C1 status=read; C2 status=read; C3 status=read")
			},
		},
		{
			reason: "the three receipts of a message cost one call, and the furthest wins in any order",
			story: func(b *bench) {
				known(b, 1)
				for _, s := range []connector.Status{connector.StatusRead, connector.StatusSent, connector.StatusDelivered} {
					b.receipt(0, "out", s)
				}
				b.drain()
				b.calls("contact C1 status=read")
				b.want("events", b.states(), "4 delivered")
			},
		},
		{
			reason: "a receipt that comes when the message is further already makes no call",
			story: func(b *bench) {
				known(b, 1)
				b.receipt(0, "out", connector.StatusRead)
				b.drain()
				b.seen()
				r := b.receipt(0, "out", connector.StatusDelivered)
				b.drain()
				b.calls()
				b.outcome(r, "delivered")
			},
		},
		{
			reason: "a waiting receipt rides on a call that goes anyway",
			given:  func(b *bench) { b.rules.plain = true },
			story: func(b *bench) {
				known(b, 1)
				r := b.receipt(0, "out", connector.StatusRead)
				b.say(0, "m2", "hello")
				b.say(1, "m3", "hello")
				b.work()
				b.calls("look contact c001", "contact +c001; C1 status=read", "ticket T1 [m2]; +t/m3 [m3]")
				b.outcome(r, "delivered")
			},
		},
		{
			reason: "a call of a full batch takes no riders",
			given:  func(b *bench) { b.crm.describe.Contact.Batch = 1 },
			story: func(b *bench) {
				known(b, 1)
				r := b.receipt(0, "out", connector.StatusRead)
				b.say(0, "m2", "hello")
				b.say(1, "m3", "hello")
				b.w.Turn(b.Context())
				b.calls("look contact c001", "contact +c001", "ticket T1 [m2]; +t/m3 [m3]")
				b.outcome(r, "pending")
				b.drain()
				b.calls("contact C1 status=read")
				b.outcome(r, "delivered")
			},
		},
		{
			reason: "a message does not wait for the state that came before it",
			story: func(b *bench) {
				known(b, 1)
				b.receipt(0, "out", connector.StatusRead)
				b.say(0, "m2", "hello")
				b.work()
				b.calls("ticket T1 [m2]")
			},
		},
		{
			reason: "a message whose fields can wait is delivered when they are",
			story: func(b *bench) {
				known(b, 1)
				m := b.say(0, "m2", "name Asha")
				b.work()
				b.calls("ticket T1 [m2]")
				b.outcome(m, "pending")
				b.drain()
				b.calls("contact C1 name=Asha")
				b.outcome(m, "delivered")
			},
		},
		{
			reason: "state that waits outlives the process",
			story: func(b *bench) {
				known(b, 1)
				r := b.receipt(0, "out", connector.StatusRead)
				b.work()
				b.start()
				b.drain()
				b.calls("contact C1 status=read")
				b.outcome(r, "delivered")
			},
		},
		{
			reason: "a receipt never makes a contact or a ticket",
			story: func(b *bench) {
				r := b.receipt(0, "out", connector.StatusRead)
				b.drain()
				b.calls("look contact c000")
				b.outcome(r, "skipped: receipt: the CRM has no such contact")
			},
		},
		{
			reason: "receipts do not wait where the mapping makes thread changes of them",
			given:  func(b *bench) { b.rules.receipts = true },
			story: func(b *bench) {
				known(b, 1)
				r := b.receipt(0, "out", connector.StatusRead)
				b.work()
				b.calls("contact C1 status=read")
				b.outcome(r, "delivered")
			},
		},
		{
			reason: "threads go before state when both are due",
			story: func(b *bench) {
				known(b, 2)
				b.receipt(0, "out", connector.StatusRead)
				b.pass(time.Hour)
				b.say(1, "m2", "priority high")
				b.w.Turn(b.Context())
				calls := b.seen()
				b.want("the last call", calls[len(calls)-1], "ticket T2 priority=high [m2]")
			},
		},
		{
			reason: "a broadcast's receipts cost few calls",
			story: func(b *bench) {
				known(b, 100)
				for _, s := range []connector.Status{connector.StatusSent, connector.StatusDelivered, connector.StatusRead} {
					for i := range 100 {
						b.receipt(i, fmt.Sprint("out", i), s)
					}
				}
				b.drain()
				b.want("calls", len(b.seen()), 1)
				b.want("events", b.states(), "400 delivered")
			},
		},
	})
}

// TestFields: what goes out is what changed for us.
func TestFields(t *testing.T) {
	t.Parallel()
	tell(t, []behaviour{
		{
			reason: "a value that did not change makes no call",
			story: func(b *bench) {
				b.say(0, "m1", "name Asha")
				b.drain()
				b.seen()
				b.say(0, "m2", "name Asha")
				b.drain()
				b.calls("ticket T1 [m2]")
			},
		},
		{
			reason: "an agent's correction stands until our value changes",
			story: func(b *bench) {
				b.say(0, "m1", "name Asha")
				b.drain()
				b.crm.contact(1).fields[connector.FieldName] = "Asha Rao"
				b.say(0, "m2", "name Asha")
				b.drain()
				b.want("the name", b.crm.contact(1).fields[connector.FieldName], "Asha Rao")
				b.say(0, "m3", "name Usha")
				b.drain()
				b.want("the name", b.crm.contact(1).fields[connector.FieldName], "Usha")
			},
		},
		{
			reason: "what is for blanks is left out where an agent has filled it",
			story: func(b *bench) {
				b.say(0, "m1", "hello")
				b.drain()
				b.crm.contact(1).fields[connector.FieldName] = "Ms Rao"
				m := b.say(0, "m2", "fill Asha")
				b.drain()
				b.outcome(m, "delivered")
				b.want("the name", b.crm.contact(1).fields[connector.FieldName], "Ms Rao")
			},
		},
		{
			reason: "a contact that was found gets what is for blanks",
			given: func(b *bench) {
				b.crm.contacts = []*record{{id: "C1", key: "wa:" + sample.Phone(0), condition: connector.Active, fields: connector.Fields{}}}
			},
			story: func(b *bench) {
				b.say(0, "m1", "fill Asha")
				b.drain()
				b.calls("look contact c000", "ticket +t/m1 [m1]", "look contact C1", "contact C1 name=Asha")
			},
		},
		{
			reason: "an adapter that fills blanks itself is not made to look",
			given:  func(b *bench) { b.crm.describe.Fills = true },
			story: func(b *bench) {
				b.say(0, "m1", "hello")
				b.drain()
				b.crm.contact(1).fields[connector.FieldName] = "Ms Rao"
				b.seen()
				b.say(0, "m2", "fill Asha")
				b.drain()
				b.calls("ticket T1 [m2]", "contact C1 ?name=Asha")
				b.want("the name", b.crm.contact(1).fields[connector.FieldName], "Ms Rao")
				b.say(0, "m3", "fill Asha")
				b.drain()
				b.calls("ticket T1 [m3]")
			},
		},
		{
			reason: "a ticket's field rides on its comments, and goes once",
			story: func(b *bench) {
				b.say(0, "m1", "priority high")
				b.say(0, "m2", "priority high")
				b.work()
				b.say(0, "m3", "priority high")
				b.work()
				calls := b.seen()
				b.want("calls of the ticket", strings.Join(calls[2:], " | "), "ticket +t/m1 priority=high [m1 m2] | ticket T1 [m3]")
			},
		},
		{
			reason: "of values in one round the latest accepted event's goes out",
			story: func(b *bench) {
				known(b, 1)
				for _, name := range []string{"A", "B", "C"} {
					b.say(0, "m"+name, "name "+name)
				}
				b.drain()
				b.want("written", slices.Contains(b.seen(), "contact C1 name=C"), true)
			},
		},
	})
}

// TestFillOfKnownContact: an adapter without Fills is looked at before a value
// for a blank is dropped.
func TestFillOfKnownContact(t *testing.T) {
	t.Parallel()
	tell(t, []behaviour{
		{
			reason: "what is for blanks is set where it was seen to be blank",
			story: func(b *bench) {
				b.say(0, "m1", "hello")
				b.drain()
				b.seen()
				b.say(0, "m2", "fill Asha")
				b.drain()
				b.calls("ticket T1 [m2]", "look contact C1", "contact C1 name=Asha")
			},
		},
		{
			reason: "what is for blanks is not taken as offered because something else rode on a call",
			story: func(b *bench) {
				known(b, 1)
				b.receipt(0, "out", connector.StatusRead)
				b.say(0, "m2", "fill Asha")
				b.say(1, "m3", "hello")
				b.drain()
				b.want("the name", b.crm.contact(1).fields[connector.FieldName], "Asha")
			},
		},
	})
}
