package delivery_test

import (
	"context"
	"testing"
	"time"

	"github.com/crm-connector/crm-connector/connector"
)

// TestClosedTicket: what a customer writes never disappears on a ticket where
// nobody looks. The policy says where it goes instead.
func TestClosedTicket(t *testing.T) {
	t.Parallel()
	condition := func(c connector.Condition) func(b *bench) { return func(b *bench) { b.crm.ticket(1).condition = c } }
	never := func(b *bench) { b.rules.policy.ReopenWithin = 0 }
	anew := func(b *bench) { never(b); b.rules.policy.WhenClosed = connector.NewTicket }
	cases := []struct {
		reason string
		given  func(b *bench)
		agent  func(b *bench)
		after  time.Duration
		want   string
	}{
		{"a closed ticket is opened again within the time for it", nil, condition(connector.Closed), time.Hour, "ticket T1 reopen [m2]"},
		{"a closed ticket is followed up later", nil, condition(connector.Closed), 48 * time.Hour, "ticket +t/m2 after=T1 [m2]"},
		{"without a time for it no ticket is opened again", never, condition(connector.Closed), time.Hour, "ticket +t/m2 after=T1 [m2]"},
		{"a mapping can want a ticket that knows nothing of the closed one", anew, condition(connector.Closed), time.Hour, "ticket +t/m2 [m2]"},
		{"a ticket that is closed for good is followed up at once", nil, condition(connector.Final), time.Hour, "ticket +t/m2 after=T1 [m2]"},
		{"a ticket that is closed for good is left by a mapping that wants new ones", anew, condition(connector.Final), time.Hour, "ticket +t/m2 [m2]"},
		{"a deleted ticket can't be followed up", nil, condition(connector.Gone), time.Hour, "ticket +t/m2 [m2]"},
		{"a merged ticket's messages go to the one that took its place", nil, merged, time.Hour, "ticket T2 [m2]"},
		{"an open ticket takes the next message however old it is", nil, func(*bench) {}, 5000 * time.Hour, "ticket T1 [m2]"},
	}
	for _, guarded := range []bool{false, true} {
		var out []behaviour
		for _, c := range cases {
			reason := c.reason + ", by a look"
			if guarded {
				reason = c.reason + ", by the CRM's own guard"
			}
			out = append(out, behaviour{
				reason: reason,
				given: func(b *bench) {
					b.crm.describe.Guarded = guarded
					if c.given != nil {
						c.given(b)
					}
				},
				story: func(b *bench) {
					known(b, 1)
					c.agent(b)
					b.pass(c.after)
					m := b.say(0, "m2", "hello")
					b.work()
					calls := b.seen()
					b.want("the last call", calls[len(calls)-1], c.want)
					b.outcome(m, "delivered")
					for _, x := range b.crm.tickets {
						b.want("comments that nobody sees", x.swallowed, []string(nil))
					}
				},
			})
		}
		tell(t, out)
	}
}

// merged puts a second ticket in the first one's place.
func merged(b *bench) {
	b.crm.tickets = append(b.crm.tickets, &record{id: "T2", key: "theirs", contact: "C1", fields: connector.Fields{}, condition: connector.Active})
	b.crm.ticket(1).condition, b.crm.ticket(1).successor = connector.Gone, "T2"
}

// TestTicketStatus: how long a status is believed, and what follows our own.
func TestTicketStatus(t *testing.T) {
	t.Parallel()
	tell(t, []behaviour{
		{
			reason: "a status seen a minute ago is believed",
			story: func(b *bench) {
				known(b, 1)
				b.pass(time.Minute)
				b.say(0, "m2", "hello")
				b.work()
				b.calls("ticket T1 [m2]")
			},
		},
		{
			reason: "an older status is looked at before a customer's message goes there",
			story: func(b *bench) {
				known(b, 1)
				b.pass(time.Minute + time.Millisecond)
				b.say(0, "m2", "hello")
				b.work()
				b.calls("look ticket T1", "ticket T1 [m2]")
			},
		},
		{
			reason: "many old statuses cost one look",
			story: func(b *bench) {
				known(b, 3)
				b.pass(time.Hour)
				for i, id := range []string{"a", "b", "c"} {
					b.say(i, id, "hello")
				}
				b.work()
				b.calls("look ticket T1 T2 T3", "ticket T1 [a]; T2 [b]; T3 [c]")
			},
		},
		{
			reason: "an adapter that guards its closed tickets is not made to look",
			given:  func(b *bench) { b.crm.describe.Guarded = true },
			story: func(b *bench) {
				known(b, 1)
				b.pass(time.Hour)
				b.say(0, "m2", "hello")
				b.work()
				b.calls("ticket T1 [m2]")
			},
		},
		{
			reason: "a status that the CRM shows in its answer is believed at once",
			given:  func(b *bench) { b.crm.shows = true },
			story: func(b *bench) {
				known(b, 1)
				b.say(0, "m2", "status solved")
				b.work()
				b.say(0, "m3", "hello")
				b.work()
				b.calls("ticket T1 status=solved [m2]", "ticket T1 reopen [m3]")
			},
		},
		{
			reason: "a message that our own rule makes solve the ticket is answered by the policy",
			story: func(b *bench) {
				b.say(0, "m1", "status solved")
				b.say(0, "m2", "hello")
				b.work()
				b.calls("look contact c000", "contact +c000", "ticket +t/m1 status=solved [m1]",
					"look ticket T1", "ticket T1 reopen [m2]")
				b.want("comments that nobody sees", b.crm.ticket(1).swallowed, []string(nil))
			},
		},
		{
			reason: "a status of ours is said again after the ticket was opened again",
			story: func(b *bench) {
				b.say(0, "m1", "status solved")
				b.work()
				b.say(0, "m2", "hello")
				b.work()
				b.seen()
				b.say(0, "m3", "status solved")
				b.work()
				b.calls("ticket T1 status=solved [m3]")
				b.want("the ticket", b.crm.ticket(1).condition, connector.Closed)
			},
		},
		{
			reason: "a status without a comment goes on the ticket that is there",
			story: func(b *bench) {
				known(b, 1)
				b.say(0, "m2", "only solved")
				b.work()
				b.calls("ticket T1 status=solved")
			},
		},
		{
			reason: "a status for a ticket that is not there is skipped",
			story: func(b *bench) {
				m := b.say(0, "m1", "only solved")
				b.work()
				b.outcome(m, "skipped: message: the conversation has no ticket")
				b.want("tickets", len(b.crm.tickets), 0)
			},
		},
		{
			reason: "a reaction on a ticket that is closed for good is skipped",
			story: func(b *bench) {
				known(b, 1)
				b.crm.ticket(1).condition = connector.Final
				b.pass(time.Hour)
				r := b.react(0, "r1", "first0")
				b.work()
				b.outcome(r, "skipped: reaction: the conversation's ticket is closed or deleted")
			},
		},
		{
			reason: "a ticket that rested too long is left open, and not followed up",
			given:  func(b *bench) { b.rules.policy.Idle = 24 * time.Hour },
			story: func(b *bench) {
				known(b, 1)
				b.pass(25 * time.Hour)
				b.say(0, "m2", "hello")
				b.work()
				b.calls("ticket +t/m2 [m2]")
				b.want("the ticket before", b.crm.ticket(1).condition, connector.Active)
				b.say(0, "m3", "hello")
				b.work()
				b.calls("ticket T2 [m3]")
			},
		},
		{
			reason: "every message keeps its ticket from resting too long",
			given:  func(b *bench) { b.rules.policy.Idle = 24 * time.Hour },
			story: func(b *bench) {
				known(b, 1)
				for _, id := range []string{"m2", "m3", "m4"} {
					b.pass(20 * time.Hour)
					b.say(0, id, "hello")
					b.work()
				}
				b.want("tickets", len(b.crm.tickets), 1)
				b.want("comments", b.crm.ticket(1).keys(), "first0 m2 m3 m4")
			},
		},
		{
			reason: "a ticket that is closed between two comments of one message takes no second one unseen",
			given: func(b *bench) {
				b.crm.describe.Guarded, b.crm.describe.Comments, b.rules.twice = true, 1, true
			},
			story: func(b *bench) {
				known(b, 1)
				b.crm.then(connector.KindTicket, func(ctx context.Context, changes []connector.Change) ([]connector.Result, error) {
					out, err := b.crm.honest(ctx, changes)
					b.crm.ticket(1).condition = connector.Closed
					return out, err
				})
				m := b.say(0, "m2", "hello")
				b.drain()
				b.outcome(m, "delivered")
				b.want("comments", b.crm.ticket(1).keys(), "first0 first0/more m2 m2/more")
				b.want("comments that nobody sees", b.crm.ticket(1).swallowed, []string(nil))
			},
		},
		{
			reason: "a ticket that a person deletes while we write to it is replaced by the policy",
			story: func(b *bench) {
				known(b, 1)
				b.crm.ticket(1).condition = connector.Gone
				m := b.say(0, "m2", "hello")
				b.work()
				b.calls("ticket T1 [m2]", "look ticket T1", "ticket +t/m2 [m2]")
				b.outcome(m, "delivered")
			},
		},
		{
			reason: "a deleted ticket of the same message gets a successor with a key of its own",
			story: func(b *bench) {
				b.say(0, "m1", "hello")
				b.work()
				b.crm.ticket(1).condition = connector.Gone
				b.say(0, "m1", "edited")
				b.pass(time.Hour)
				b.work()
				calls := b.seen()
				b.want("the last call", calls[len(calls)-1], "ticket +t/m1+ [m1/edited]")
			},
		},
	})
}

// TestContactGone: a contact that somebody deleted or merged.
func TestContactGone(t *testing.T) {
	t.Parallel()
	leave := func(b *bench) { b.rules.policy.WhenContactGone = connector.LeaveGone }
	gone := func(b *bench) {
		b.crm.contact(1).condition = connector.Gone
		b.crm.ticket(1).condition = connector.Gone
	}
	tell(t, []behaviour{
		{
			reason: "a deleted contact is made again with the customer's next message",
			story: func(b *bench) {
				known(b, 1)
				gone(b)
				b.pass(time.Hour)
				m := b.say(0, "m2", "hello")
				b.drain()
				b.outcome(m, "delivered")
				b.want("the new ticket's contact", b.crm.ticket(2).contact, "C2")
			},
		},
		{
			reason: "a deleted contact is left alone where the mapping says so, and the events say why",
			given:  leave,
			story: func(b *bench) {
				known(b, 1)
				gone(b)
				b.pass(time.Hour)
				m := b.say(0, "m2", "hello")
				b.drain()
				b.outcome(m, "dead_letter: contact_gone: the contact was deleted in the CRM, and the mapping says to leave it so")
				b.want("contacts", len(b.crm.contacts), 1)
			},
		},
		{
			reason: "a merged contact's receipts go to the one that took its place",
			story: func(b *bench) {
				known(b, 2)
				b.crm.contact(1).condition, b.crm.contact(1).successor = connector.Gone, "C2"
				r := b.receipt(0, "out", connector.StatusRead)
				b.drain()
				b.calls("contact C1 status=read", "contact C2 status=read")
				b.outcome(r, "delivered")
			},
		},
		{
			reason: "a merged contact's next ticket belongs to the one that took its place, though the mapping leaves deleted ones",
			given:  leave,
			story: func(b *bench) {
				known(b, 2)
				gone(b)
				b.crm.contact(1).successor = "C2"
				b.pass(time.Hour)
				m := b.say(0, "m2", "hello")
				b.drain()
				b.outcome(m, "delivered")
				b.want("the new ticket's contact", b.crm.ticket(3).contact, "C2")
			},
		},
		{
			reason: "a receipt for a deleted contact makes none",
			story: func(b *bench) {
				known(b, 1)
				gone(b)
				r := b.receipt(0, "out", connector.StatusRead)
				b.drain()
				b.outcome(r, "skipped: receipt: the CRM has no such contact")
				b.want("contacts", len(b.crm.contacts), 1)
			},
		},
	})
}
