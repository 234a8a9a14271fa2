package delivery_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/crm-connector/crm-connector/connector"
)

// half lets a call be carried out as far as the change is left, and then time
// out.
func (c *crm) half(leave func(*connector.Change)) script {
	return func(ctx context.Context, changes []connector.Change) ([]connector.Result, error) {
		part := slices.Clone(changes)
		for i := range part {
			leave(&part[i])
		}
		_, _ = c.honest(ctx, part)
		return c.lost(ctx, changes)
	}
}

// first makes one comment end so, the first time that it is sent.
func (c *crm) first(key string, err *connector.Error) {
	sent := false
	c.comment = func(_ connector.Change, m connector.Comment) *connector.Error {
		if m.Key != key || sent {
			return nil
		}
		sent = true
		return err
	}
}

// TestHalfDone: what a call did is not done again, and what it did not do is.
func TestHalfDone(t *testing.T) {
	t.Parallel()
	tell(t, []behaviour{
		{
			reason: "a status that was lost behind its comment is written",
			story: func(b *bench) {
				known(b, 1)
				b.crm.then(connector.KindTicket, b.crm.half(func(ch *connector.Change) { ch.Set = connector.Write{} }))
				b.say(0, "m1", "status pending")
				b.drain()
				b.want("comments", b.crm.ticket(1).keys(), "first0 m1")
				b.want("the status", b.crm.ticket(1).fields[connector.FieldStatus], "pending")
			},
		},
		{
			reason: "a ticket that was opened without its comments gets them",
			story: func(b *bench) {
				b.crm.then(connector.KindTicket, b.crm.half(func(ch *connector.Change) { ch.Comments = nil }))
				b.say(0, "m1", "hello")
				b.say(0, "m2", "hello")
				b.drain()
				once(b)
				b.want("comments", b.crm.ticket(1).keys(), "m1 m2")
			},
		},
		{
			reason: "of two comments the one that was lost is added",
			story: func(b *bench) {
				known(b, 1)
				b.crm.then(connector.KindTicket, b.crm.half(func(ch *connector.Change) { ch.Comments = ch.Comments[:1] }))
				b.say(0, "m1", "hello")
				b.say(0, "m2", "hello")
				b.drain()
				b.want("comments", b.crm.ticket(1).keys(), "first0 m1 m2")
				b.want("events", b.states(), "3 delivered")
			},
		},
		{
			reason: "a comment that must wait is followed by those behind it, each once",
			story: func(b *bench) {
				known(b, 1)
				b.crm.first("m2", connector.Errorf(connector.Retry, "add comment", "locked", "the ticket is locked"))
				for i := range 4 {
					b.say(0, fmt.Sprint("m", i), "hello")
				}
				b.drain()
				b.want("comments", b.crm.ticket(1).keys(), "first0 m0 m1 m2 m3")
				b.calls("ticket T1 [m0 m1 m2 m3]", "ticket T1 [m2 m3]")
			},
		},
		{
			reason: "a comment of unknown end is looked for before those behind it go on",
			story: func(b *bench) {
				known(b, 1)
				b.crm.first("m2", connector.Errorf(connector.Ambiguous, "add comment", "timeout", "no answer"))
				for i := range 4 {
					b.say(0, fmt.Sprint("m", i), "hello")
				}
				b.drain()
				b.want("comments", b.crm.ticket(1).keys(), "first0 m0 m1 m2 m3")
			},
		},
		{
			reason: "a status waits for the comment that must wait",
			story: func(b *bench) {
				known(b, 1)
				b.crm.first("m1", connector.Errorf(connector.Retry, "add comment", "locked", "the ticket is locked"))
				b.say(0, "m1", "status solved")
				b.drain()
				b.want("comments", b.crm.ticket(1).keys(), "first0 m1")
				b.want("the ticket", b.crm.ticket(1).condition, connector.Closed)
			},
		},
		{
			reason: "a contact that a ticket of unknown end made along is found again",
			given:  func(b *bench) { b.crm.describe.MakesContact = true },
			story: func(b *bench) {
				b.crm.then(connector.KindTicket, func(ctx context.Context, changes []connector.Change) ([]connector.Result, error) {
					_, _ = b.crm.makesContact(ctx, slices.Clone(changes))
					return b.crm.lost(ctx, changes)
				})
				m := b.say(0, "m1", "hello")
				b.drain()
				once(b)
				b.outcome(m, "delivered")
			},
		},
		{
			reason: "what of a batch was done before the credentials died is not done again",
			story: func(b *bench) {
				known(b, 2)
				b.crm.refuse = func(ch connector.Change) *connector.Error {
					if ch.ID != "T2" {
						return nil
					}
					return connector.Errorf(connector.Broken, "update ticket", "401", "no")
				}
				m, n := b.say(0, "m1", "hello"), b.say(1, "m2", "hello")
				b.work()
				b.outcome(m, "delivered")
				b.outcome(n, "pending")
				b.want("paused", b.paused(), true)
				b.crm.refuse = nil
				b.drain()
				b.outcome(n, "delivered")
				b.want("comments", b.crm.ticket(1).keys(), "first0 m1")
			},
		},
		{
			reason: "two conversations of a new customer share the contact, though its create had no answer",
			story: func(b *bench) {
				b.crm.then(connector.KindContact, b.crm.late(15*time.Second))
				b.say(0, "m1", "hello")
				b.append(b.j.Mark(), other("m2"))
				b.drain()
				b.pass(time.Hour)
				b.want("contacts", len(b.crm.contacts), 1)
				b.want("tickets", len(b.crm.tickets), 2)
			},
		},
		{
			reason: "a dead letter before a crash is one after it",
			story: func(b *bench) {
				b.crm.refuse = refusing(has("bad"))
				m := b.say(0, "bad", "hello")
				b.drain()
				b.start()
				b.crm.refuse = nil
				b.drain()
				b.want("dead", b.end(m) != "delivered", true)
			},
		},
	})
}
