package delivery_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/journal"
)

// has reports whether a change carries a comment of which the key begins so.
func has(prefix string) func(connector.Change) bool {
	return func(ch connector.Change) bool {
		return slices.ContainsFunc(ch.Comments, func(m connector.Comment) bool { return strings.HasPrefix(m.Key, prefix) })
	}
}

// refusing refuses the tickets' changes that are so.
func refusing(bad func(connector.Change) bool) func(connector.Change) *connector.Error {
	return func(ch connector.Change) *connector.Error {
		if ch.Kind == connector.KindTicket && bad(ch) {
			return connector.Errorf(connector.Refused, "write ticket", "422", "category is required")
		}
		return nil
	}
}

// TestBadRecordInABatch: one bad record of a hundred costs itself and a few calls.
func TestBadRecordInABatch(t *testing.T) {
	t.Parallel()
	for _, bad := range []int{0, 1, 42, 99} {
		for _, update := range []bool{false, true} {
			tell(t, []behaviour{{
				reason: fmt.Sprintf("number %d, an update: %v", bad, update),
				story: func(b *bench) {
					if update {
						known(b, 100)
					}
					b.crm.always = b.crm.allOrNothing(has("bad"))
					var events []int64
					for i := range 100 {
						id := fmt.Sprint("m", i)
						if i == bad {
							id = "bad"
						}
						events = append(events, b.say(i, id, "hello"))
					}
					b.drain()
					clean := 3 // one look, one call for the contacts and one for the tickets
					if update {
						clean = 1
					}
					if n := len(b.seen()); n > clean+15 {
						b.Errorf("%d calls, %d would have done without the bad one: more than 15 extra", n, clean)
					}
					for i, e := range events {
						want := "delivered"
						if i == bad {
							want = "dead_letter: 422: apply: refused (422): a record is not right"
						}
						b.outcome(e, want)
					}
				},
			}})
		}
	}
	tell(t, []behaviour{
		{
			reason: "a bad contact costs its own customer alone",
			story: func(b *bench) {
				b.crm.always = b.crm.allOrNothing(func(ch connector.Change) bool {
					return ch.Kind == connector.KindContact && short(ch.Key) == "c007"
				})
				for i := range 20 {
					b.say(i, fmt.Sprint("m", i), "hello")
				}
				b.drain()
				b.want("events", b.states(), "19 delivered, 1 dead_letter")
			},
		},
		{
			reason: "three bad ones are found among a hundred",
			story: func(b *bench) {
				b.crm.always = b.crm.allOrNothing(has("bad"))
				for i := range 100 {
					id := fmt.Sprint("m", i)
					if i%40 == 10 {
						id = fmt.Sprint("bad", i)
					}
					b.say(i, id, "hello")
				}
				b.drain()
				b.want("events", b.states(), "97 delivered, 3 dead_letter")
			},
		},
	})
}

// TestBadRecord: a refused event is a dead letter with the CRM's own words, and
// what is beside it and behind it goes on.
func TestBadRecord(t *testing.T) {
	t.Parallel()
	const dead = "dead_letter: 422: write ticket: refused (422): category is required"
	tell(t, []behaviour{
		{
			reason: "the CRM's words are kept, and logged once",
			story: func(b *bench) {
				b.crm.refuse = refusing(has("bad"))
				m := b.say(0, "bad", "hello")
				b.drain()
				b.outcome(m, dead)
				b.want("log lines", len(b.logs.AllEntries()), 1)
				b.want("the event in the log", b.logs.LastEntry().Data["event"], m)
			},
		},
		{
			reason: "events that were refused together are tried one by one",
			story: func(b *bench) {
				known(b, 1)
				b.crm.refuse = refusing(has("bad"))
				events := []int64{b.say(0, "m1", "hello"), b.say(0, "bad", "hello"), b.say(0, "m3", "hello")}
				b.drain()
				b.outcome(events[0], "delivered")
				b.outcome(events[1], dead)
				b.outcome(events[2], "delivered")
				b.want("comments", b.crm.ticket(1).keys(), "first0 m1 m3")
				b.calls("ticket T1 [m1 bad m3]", "ticket T1 [m1]", "ticket T1 [bad m3]", "ticket T1 [bad]", "ticket T1 [m3]")
			},
		},
		{
			reason: "a comment that is refused by itself keeps none behind it",
			story: func(b *bench) {
				known(b, 1)
				b.crm.comment = func(_ connector.Change, m connector.Comment) *connector.Error {
					if m.Key == "bad" {
						return connector.Errorf(connector.Refused, "add comment", "413", "too long")
					}
					return nil
				}
				b.say(0, "m1", "hello")
				m := b.say(0, "bad", "hello")
				b.say(0, "m3", "hello")
				b.drain()
				b.outcome(m, "dead_letter: 413: add comment: refused (413): too long")
				b.want("comments", b.crm.ticket(1).keys(), "first0 m1 m3")
			},
		},
		{
			reason: "a customer's next message is tried although the last one was refused",
			story: func(b *bench) {
				b.crm.refuse = refusing(has("bad"))
				b.say(0, "bad", "hello")
				b.drain()
				m := b.say(0, "m2", "hello")
				b.drain()
				b.outcome(m, "delivered")
				b.want("ticket", b.crm.ticket(1).key, "t/m2")
			},
		},
		{
			reason: "a dead letter that is retried takes its place at the end",
			story: func(b *bench) {
				known(b, 1)
				b.crm.refuse = refusing(has("bad"))
				b.say(0, "bad", "hello")
				b.say(0, "m2", "hello")
				b.drain()
				b.crm.refuse = nil
				b.retry(journal.StateDead)
				b.drain()
				b.want("comments", b.crm.ticket(1).keys(), "first0 m2 bad")
			},
		},
	})
}

// TestRefusalsInARow: when everybody is refused the CRM was changed, and it is
// not the records that are wrong.
func TestRefusalsInARow(t *testing.T) {
	t.Parallel()
	small := func(b *bench) { b.crm.describe.Contact.Batch, b.crm.describe.Ticket.Batch = 5, 5 }
	everything := func(connector.Change) bool { return true }
	tell(t, []behaviour{
		{
			reason: "twenty customers pause the destination, and nobody's message is lost or out of order", given: small,
			story: func(b *bench) {
				b.crm.refuse = refusing(everything)
				twoEach(b, 25)
				b.want("events", b.states(), "50 pending")
				b.want("paused", b.paused(), true)
				b.want("refused customers", refusedCustomers(b), 20)
				b.crm.refuse = nil
				b.drain()
				b.want("events", b.states(), "50 delivered")
				b.want("paused", b.paused(), false)
				inOrder(b, 25)
			},
		},
		{
			reason: "a paused destination is tried with one customer, less and less often", given: small,
			story: func(b *bench) {
				b.crm.refuse = refusing(everything)
				twoEach(b, 25)
				began := time.Now()
				var waits []string
				for range 7 {
					b.seen()
					at := time.Now()
					until := b.work()
					for until.Before(b.w.Status().Retry) {
						time.Sleep(time.Until(until))
						until = b.work()
					}
					time.Sleep(time.Until(until))
					waits = append(waits, time.Since(at).Round(time.Second).String())
				}
				b.want("waits", waits, "[15s 30s 1m0s 2m0s 4m0s 5m0s 5m0s]")
				b.want("still paused", b.paused() && b.w.Status().Since.Before(began.Add(time.Second)), true)
			},
		},
		{
			reason: "a bad record as the first trial does not keep the destination paused", given: small,
			story: func(b *bench) {
				b.crm.refuse = refusing(everything)
				for i := range 25 {
					b.say(i, fmt.Sprint("m", i, "."), "hello")
				}
				b.work()
				b.want("paused", b.paused(), true)
				b.crm.refuse = refusing(has("m0."))
				began := time.Now()
				b.drain()
				b.want("events", b.states(), "24 delivered, 1 dead_letter")
				b.want("soon", time.Since(began) < 15*time.Minute, true)
			},
		},
		{
			reason: "nineteen refused customers pause nothing", given: small,
			story: func(b *bench) {
				b.crm.refuse = refusing(everything)
				for i := range 19 {
					b.say(i, fmt.Sprint("m", i), "hello")
				}
				b.drain()
				b.want("events", b.states(), "19 dead_letter")
				b.want("paused", b.paused(), false)
			},
		},
		{
			reason: "refusals with successes between them are the records' own fault", given: small,
			story: func(b *bench) {
				b.crm.refuse = refusing(has("bad"))
				for i := range 60 {
					id := fmt.Sprint("m", i)
					if i%2 == 0 {
						id = fmt.Sprint("bad", i)
					}
					b.say(i, id, "hello")
				}
				b.drain()
				b.want("events", b.states(), "30 delivered, 30 dead_letter")
			},
		},
		{
			reason: "one customer's many refusals are one customer's", given: small,
			story: func(b *bench) {
				b.crm.refuse = refusing(everything)
				for i := range 30 {
					b.say(0, fmt.Sprint("m", i), "hello")
				}
				b.drain()
				b.want("events", b.states(), "30 dead_letter")
				b.want("paused", b.paused(), false)
			},
		},
		{
			reason: "refusals for different reasons do not add up", given: small,
			story: func(b *bench) {
				n := 0
				b.crm.refuse = func(ch connector.Change) *connector.Error {
					if ch.Kind == connector.KindContact {
						return nil
					}
					n++
					return connector.Errorf(connector.Refused, "create ticket", fmt.Sprint("code", n%2), "no")
				}
				for i := range 30 {
					b.say(i, fmt.Sprint("m", i), "hello")
				}
				b.drain()
				b.want("events", b.states(), "30 dead_letter")
			},
		},
		{
			reason: "the row outlives the process", given: small,
			story: func(b *bench) {
				b.crm.refuse = refusing(everything)
				for i := range 25 {
					b.say(i, fmt.Sprint("m", i), "hello")
				}
				b.w.Turn(b.Context())
				b.want("dead letters so far", strings.Contains(b.states(), "10 dead_letter"), true)
				b.start()
				b.work()
				b.want("events", b.states(), "25 pending")
				b.start()
				b.want("paused", b.paused(), true)
				b.crm.refuse = nil
				b.drain()
				b.want("events", b.states(), "25 delivered")
			},
		},
		{
			reason: "a mapping that can't be evaluated for anybody pauses, too, and the next one serves all", given: small,
			story: func(b *bench) {
				for i := range 25 {
					b.say(i, fmt.Sprint("m", i), "unmappable")
				}
				b.work()
				b.want("paused", b.paused(), true)
				b.want("events", b.states(), "25 pending")
				b.w.Remap(&mended{*b.rules})
				b.drain()
				b.want("events", b.states(), "25 delivered")
			},
		},
	})
}

// mended maps what rules can't.
type mended struct{ rules }

func (m *mended) Map(e *connector.Event) (*connector.Mapped, error) {
	e.Message.Text = "hello"
	return m.rules.Map(e)
}

// twoEach lets customers say two things each and works until nothing is due.
func twoEach(b *bench, customers int) {
	b.Helper()
	for i := range customers {
		b.say(i, fmt.Sprint("m", i), "hello")
	}
	b.w.Turn(b.Context())
	for i := range customers {
		b.say(i, fmt.Sprint("n", i), "hello")
	}
	b.work()
}

// refusedCustomers counts the customers whose change of a ticket went out.
func refusedCustomers(b *bench) int {
	b.Helper()
	seen := map[string]bool{}
	for _, c := range b.seen() {
		for change := range strings.SplitSeq(strings.TrimPrefix(c, "ticket "), "; ") {
			if key, ok := strings.CutPrefix(strings.Fields(change)[0], "+t/"); ok {
				seen[key[1:]] = true
			}
		}
	}
	return len(seen)
}

// inOrder expects each customer's two messages in order, each once.
func inOrder(b *bench, customers int) {
	b.Helper()
	b.want("tickets", len(b.crm.tickets), customers)
	for _, x := range b.crm.tickets {
		n := strings.TrimPrefix(x.key, "t/m")
		b.want("comments", x.keys(), fmt.Sprintf("m%s n%s", n, n))
	}
}

// TestPermission: a 403 can mean one record or the credentials.
func TestPermission(t *testing.T) {
	t.Parallel()
	tell(t, []behaviour{
		{
			reason: "a record of which alone the permission is refused is a dead letter",
			given:  func(b *bench) { b.crm.check = func() error { return nil } },
			story: func(b *bench) {
				b.crm.refuse = func(ch connector.Change) *connector.Error {
					if !has("bad")(ch) {
						return nil
					}
					return connector.Errorf(connector.Broken, "create ticket", "403", "not yours")
				}
				m := b.say(0, "bad", "hello")
				n := b.say(1, "m2", "hello")
				b.drain()
				b.want("paused", b.paused(), false)
				b.want("dead", strings.HasPrefix(b.end(m), "dead_letter: 403"), true)
				b.outcome(n, "delivered")
			},
		},
		{
			reason: "without a way to ask, a lost permission pauses",
			story: func(b *bench) {
				b.crm.then(connector.KindTicket, fails(connector.Broken, "403", 0))
				m := b.say(0, "m1", "hello")
				b.work()
				b.want("paused", b.paused(), true)
				b.drain()
				b.outcome(m, "delivered")
			},
		},
	})
}

// changesOf gives the changes of a call.
func changesOf(call string) []string { return strings.Split(call, "; ") }

// TestForbiddenInABatch: a 403 for a whole batch while we are still known is a
// refusal, and so the batch is halved like any other.
func TestForbiddenInABatch(t *testing.T) {
	t.Parallel()
	tell(t, []behaviour{{
		reason: "a batch that is forbidden for one record costs that one alone",
		given:  func(b *bench) { b.crm.check = func() error { return nil } },
		story: func(b *bench) {
			b.crm.always = func(ctx context.Context, changes []connector.Change) ([]connector.Result, error) {
				if slices.ContainsFunc(changes, has("bad")) {
					return nil, connector.Errorf(connector.Broken, "apply", "403", "not yours")
				}
				return b.crm.honest(ctx, changes)
			}
			b.say(0, "bad", "hello")
			m := b.say(1, "m1", "hello")
			b.drain()
			b.outcome(m, "delivered")
			b.want("events", b.states(), "1 delivered, 1 dead_letter")
		},
	}})
}
