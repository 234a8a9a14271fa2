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

// ways are how a call ends that nobody answers.
var ways = []struct {
	name   string
	script func(c *crm) script
}{
	{"before the CRM did anything", func(c *crm) script { return c.lost }},
	{"after the CRM has done it", func(c *crm) script { return c.landed }},
	{"and the CRM does it later", func(c *crm) script { return c.late(15 * time.Second) }},
}

// TestNothingIsDoubled: whatever becomes of one call, a record that can be keyed
// or found again is made once, and what was said is there once, in order.
func TestNothingIsDoubled(t *testing.T) {
	t.Parallel()
	for _, creation := range []connector.Creation{connector.Keyed, connector.Found} {
		var out []behaviour
		given := func(b *bench) { b.crm.describe = found(creation) }
		for _, way := range ways {
			for _, kind := range []connector.Kind{connector.KindContact, connector.KindTicket} {
				out = append(out, behaviour{
					reason: fmt.Sprintf("the create of a %s %s times out %s", creation, kind, way.name), given: given,
					story: func(b *bench) { unanswered(b, kind, way.script(b.crm)) },
				})
			}
			out = append(out, behaviour{
				reason: fmt.Sprintf("a %s comment times out %s", creation, way.name), given: given,
				story: func(b *bench) {
					known(b, 1)
					b.crm.then(connector.KindTicket, way.script(b.crm))
					m, n := b.say(0, "m1", "hello"), b.say(0, "m2", "hello")
					b.drain()
					b.pass(time.Hour)
					b.want("comments", b.crm.ticket(1).keys(), "first0 m1 m2")
					b.outcome(m, "delivered")
					b.outcome(n, "delivered")
				},
			})
		}
		tell(t, out)
	}
}

// unanswered lets the first call of a kind go unanswered and expects each thing
// once at the end.
func unanswered(b *bench, kind connector.Kind, s script) {
	b.Helper()
	b.crm.then(kind, s)
	m, n := b.say(0, "m1", "hello"), b.say(0, "m2", "hello")
	b.drain()
	b.pass(time.Hour)
	once(b)
	b.want("comments", b.crm.ticket(1).keys(), "m1 m2")
	b.outcome(m, "delivered")
	b.outcome(n, "delivered")
	b.want("unknown ends", b.unknown, []string(nil))
}

// once expects one contact and one ticket.
func once(b *bench) {
	b.Helper()
	if len(b.crm.contacts) != 1 || len(b.crm.tickets) != 1 {
		b.Fatalf("%d contacts and %d tickets, want one of each; the last calls:\n%s", len(b.crm.contacts), len(b.crm.tickets), b.tail())
	}
}

// TestUnknownEnd: where a record can be neither keyed nor found, the mapping
// decides, and every case is counted.
func TestUnknownEnd(t *testing.T) {
	t.Parallel()
	blind := func(b *bench) { b.crm.describe = found(connector.Blind) }
	hold := func(b *bench) { blind(b); b.rules.policy.WhenUnknown = connector.Hold }
	first := func(b *bench, s script) int64 {
		known(b, 2)
		b.crm.then(connector.KindTicket, s)
		m := b.say(0, "m1", "hello")
		b.drain()
		return m
	}
	const held = "dead_letter: unknown_end: nobody knows whether the comment was created; look in the CRM, then retry or discard"
	tell(t, []behaviour{
		{
			reason: "repeat makes it again: nothing is lost", given: blind,
			story: func(b *bench) {
				b.outcome(first(b, b.crm.lost), "delivered")
				b.want("comments", b.crm.ticket(1).keys(), "first0 m1")
				b.want("counted", b.unknown, []string{"comment repeat"})
				b.want("counted in the journal", counted(b), 1)
			},
		},
		{
			reason: "repeat may double, and says so", given: blind,
			story: func(b *bench) {
				first(b, b.crm.landed)
				b.want("comments", b.crm.ticket(1).keys(), "first0 m1 m1")
				b.want("counted in the journal", counted(b), 1)
			},
		},
		{
			reason: "repeat waits until the CRM can no longer be at work on the first one", given: blind,
			story: func(b *bench) {
				known(b, 1)
				b.crm.then(connector.KindTicket, b.crm.lost)
				b.say(0, "m1", "hello")
				began := time.Now()
				b.drain()
				b.want("the second call comes in time", b.crm.at[len(b.crm.at)-1].Sub(began) >= 35*time.Second, true)
			},
		},
		{
			reason: "hold makes a dead letter: nothing is doubled", given: hold,
			story: func(b *bench) {
				b.outcome(first(b, b.crm.landed), held)
				b.want("comments", b.crm.ticket(1).keys(), "first0 m1")
				b.want("counted", b.unknown, []string{"comment hold"})
				b.want("counted in the journal", counted(b), 1)
			},
		},
		{
			reason: "hold holds up nobody else, nor what the customer writes next", given: hold,
			story: func(b *bench) {
				first(b, b.crm.lost)
				n := b.say(0, "m2", "hello")
				b.drain()
				b.outcome(n, "delivered")
				b.want("comments", b.crm.ticket(1).keys(), "first0 m2")
			},
		},
		{
			reason: "a person who has looked retries what was held, and then it is made", given: hold,
			story: func(b *bench) {
				m := first(b, b.crm.lost)
				b.retry(journal.StateDead)
				b.drain()
				b.outcome(m, "delivered")
				b.want("comments", b.crm.ticket(1).keys(), "first0 m1")
			},
		},
		{
			reason: "a held ticket keeps its conversation from getting a second one", given: hold,
			story: func(b *bench) {
				b.crm.then(connector.KindTicket, b.crm.landed)
				b.say(0, "m1", "hello")
				b.drain()
				b.say(0, "m2", "hello")
				b.drain()
				b.want("tickets", len(b.crm.tickets), 1)
				b.want("events", b.states(), "2 dead_letter")
			},
		},
		{
			reason: "one customer's unknown end delays nobody else", given: blind,
			story: func(b *bench) {
				known(b, 2)
				b.crm.then(connector.KindTicket, b.crm.lost)
				b.say(0, "m1", "hello")
				b.work()
				n := b.say(1, "m2", "hello")
				b.work()
				b.outcome(n, "delivered")
			},
		},
	})
}

// counted gives how many unknown ends the journal counts.
func counted(b *bench) int64 {
	b.Helper()
	c, err := b.j.Counts(b.Context(), destination)
	b.ok(err)
	return c.Unknown
}

// retry makes ended events pending again, as a person does.
func (b *bench) retry(s journal.State) {
	b.Helper()
	_, err := b.j.Requeue(b.Context(), destination, journal.Filter{State: s})
	b.ok(err)
}

// TestCrash: the process dies at any write of a first round, before it or after
// it, and what was accepted is there once.
func TestCrash(t *testing.T) {
	t.Parallel()
	for _, creation := range []connector.Creation{connector.Keyed, connector.Found} {
		var out []behaviour
		for n := range int64(4) {
			out = append(out,
				behaviour{
					reason: fmt.Sprintf("%s: before write %d", creation, n),
					given:  func(b *bench) { b.crm.describe = found(creation) },
					story:  func(b *bench) { b.dies(n, false) },
				},
				behaviour{
					reason: fmt.Sprintf("%s: after write %d", creation, n),
					given:  func(b *bench) { b.crm.describe = found(creation) },
					story:  func(b *bench) { b.dies(n, true) },
				})
		}
		tell(t, out)
	}
	tell(t, []behaviour{
		{
			reason: "a create that was begun and never sent is sent, under the same key",
			story: func(b *bench) {
				b.j.dead = func(d *journal.Delta) bool { return intends(d, connector.KindTicket) }
				b.say(0, "m1", "hello")
				b.w.Turn(b.Context())
				b.calls("look contact c000", "contact +c000")
				b.start()
				b.drain()
				b.want("the last call", b.tail()[strings.LastIndex(b.tail(), "\n")+1:], "ticket +t/m1 [m1]")
			},
		},
		{
			reason: "a keyed create is repeated without waiting",
			given:  func(b *bench) { b.crm.describe = found(connector.Keyed) },
			story: func(b *bench) {
				b.j.dead = func(d *journal.Delta) bool { return intends(d, connector.KindTicket) }
				m := b.say(0, "m1", "hello")
				b.w.Turn(b.Context())
				b.start()
				b.work()
				b.outcome(m, "delivered")
			},
		},
		{
			reason: "what a dead process was told is not asked again",
			story: func(b *bench) {
				known(b, 1)
				b.start()
				b.say(0, "m2", "hello")
				b.work()
				b.calls("ticket T1 [m2]")
			},
		},
	})
}

func intends(d *journal.Delta, kind connector.Kind) bool {
	return slices.ContainsFunc(d.Intend, func(in journal.Intent) bool { return in.Link.Kind == kind })
}

// dies lets the process die at a write of the round, and start again.
func (b *bench) dies(at int64, written bool) {
	b.Helper()
	m, n := b.say(0, "m1", "hello"), b.say(0, "m2", "status pending")
	dead := false
	from := b.j.writes.Load()
	b.j.fail = func(*journal.Delta) error {
		if dead = dead || (!written && b.j.writes.Load()-from == at); dead {
			return errGate
		}
		return nil
	}
	b.j.dead = func(*journal.Delta) bool {
		dead = dead || (written && b.j.writes.Load()-from == at+1)
		return dead
	}
	b.w.Turn(b.Context())
	b.start()
	b.drain()
	once(b)
	b.want("comments", b.crm.ticket(1).keys(), "m1 m2")
	b.want("the status", b.crm.ticket(1).fields[connector.FieldStatus], "pending")
	b.outcome(m, "delivered")
	b.outcome(n, "delivered")
}

// TestJournalFails: a write that fails costs a round, and nothing else.
func TestJournalFails(t *testing.T) {
	t.Parallel()
	tell(t, []behaviour{
		{
			reason: "a disk that fails for a while loses nothing and doubles nothing",
			story: func(b *bench) {
				known(b, 1)
				left := 3
				b.j.fail = func(*journal.Delta) error {
					if left--; left >= 0 {
						return errGate
					}
					return nil
				}
				m := b.say(0, "m1", "hello")
				b.drain()
				b.outcome(m, "delivered")
				b.want("comments", b.crm.ticket(1).keys(), "first0 m1")
			},
		},
		{
			reason: "the worker rests a second before it writes again",
			story: func(b *bench) {
				b.j.fail = func(*journal.Delta) error { return errGate }
				b.say(0, "m1", "hello")
				b.w.Turn(b.Context())
				b.want("until when to rest", b.work(), time.Now().Add(time.Second))
			},
		},
		{
			reason: "nothing goes out that the journal does not know of",
			story: func(b *bench) {
				b.j.fail = func(*journal.Delta) error { return errGate }
				b.say(0, "m1", "hello")
				b.w.Turn(b.Context())
				b.calls("look contact c000")
			},
		},
		{
			reason: "a full disk is waited out with the CRM's answers in hand",
			given:  func(b *bench) { b.crm.describe = found(connector.Blind) },
			story: func(b *bench) {
				known(b, 1)
				full := time.Now().Add(time.Hour)
				b.j.fail = func(d *journal.Delta) error {
					if len(d.Outcomes) > 0 && time.Now().Before(full) {
						return journal.ErrFull
					}
					return nil
				}
				m := b.say(0, "m1", "hello")
				b.drain()
				b.outcome(m, "delivered")
				b.calls("ticket T1 [m1]")
				b.want("unknown ends", b.unknown, []string(nil))
			},
		},
		{
			reason: "a refusal that the journal did not take is judged again",
			story: func(b *bench) {
				b.crm.refuse = func(connector.Change) *connector.Error {
					return connector.Errorf(connector.Refused, "create contact", "422", "no")
				}
				left := 1
				b.j.fail = func(d *journal.Delta) error {
					if len(d.Outcomes) > 0 && left > 0 {
						left--
						return errGate
					}
					return nil
				}
				m := b.say(0, "m1", "hello")
				b.drain()
				b.outcome(m, "dead_letter: 422: create contact: refused (422): no")
			},
		},
	})
}

// TestJobs: a batch that the CRM works on by itself is looked at until it ends.
func TestJobs(t *testing.T) {
	t.Parallel()
	tell(t, []behaviour{
		{
			reason: "a job that is done is delivered, with its comments",
			story: func(b *bench) {
				known(b, 1)
				m := b.job(2 * time.Minute)
				b.drain()
				b.outcome(m, "delivered")
				b.want("comments", b.crm.ticket(1).keys(), "first0 m1")
				b.want("looks at the job", strings.Count(strings.Join(b.seen(), "\n"), "job-1") > 1, true)
			},
		},
		{
			reason: "a job outlives the process",
			story: func(b *bench) {
				known(b, 1)
				m := b.job(2 * time.Minute)
				b.start()
				b.drain()
				b.outcome(m, "delivered")
				b.want("comments", b.crm.ticket(1).keys(), "first0 m1")
			},
		},
		{
			reason: "a job is not looked at before its time",
			story: func(b *bench) {
				known(b, 1)
				b.job(2 * time.Minute)
				b.seen()
				b.want("until when to rest", b.work(), time.Now().Add(time.Minute))
				b.calls()
			},
		},
		{
			reason: "what follows waits for the job, in order",
			story: func(b *bench) {
				known(b, 1)
				b.job(2 * time.Minute)
				b.say(0, "m2", "hello")
				b.drain()
				b.want("comments", b.crm.ticket(1).keys(), "first0 m1 m2")
			},
		},
		{
			reason: "a job that the CRM refused in the end is a dead letter with its words",
			story: func(b *bench) {
				known(b, 1)
				m := b.job(0)
				b.crm.observe = endsSo(connector.Errorf(connector.Refused, "add comment", "too_long", "the body is too long"))
				b.drain()
				b.outcome(m, "dead_letter: too_long: add comment: refused (too_long): the body is too long")
			},
		},
		{
			reason: "a job that found the ticket gone is followed by the policy",
			story: func(b *bench) {
				known(b, 1)
				m := b.job(0)
				b.crm.ticket(1).condition = connector.Final
				b.crm.observe = endsSo(&connector.Error{Ending: connector.Stale, Op: "update ticket", Code: "closed"})
				b.drain()
				b.outcome(m, "delivered")
				b.want("comments", b.crm.ticket(2).keys(), "m1")
			},
		},
	})
}

// job lets the CRM take the next message as a job that ends after a while.
func (b *bench) job(after time.Duration) int64 {
	b.Helper()
	var changes []connector.Change
	b.crm.then(connector.KindTicket, func(ctx context.Context, c []connector.Change) ([]connector.Result, error) {
		changes = c
		return takesJob(ctx, c)
	})
	m := b.say(0, "m1", "hello")
	b.work()
	done := time.Now().Add(after)
	b.crm.observe = func(r connector.Ref) *connector.Observation {
		switch {
		case r.Job == "":
			return nil
		case time.Now().Before(done):
			return &connector.Observation{Err: &connector.Error{Ending: connector.Pending, Job: r.Job, Wait: time.Minute}}
		}
		if changes != nil {
			_, _ = b.crm.honest(b.Context(), changes)
			changes = nil
		}
		o := b.crm.truth(connector.Ref{Kind: r.Kind, Key: r.Key, ID: r.ID, Parent: r.Parent})
		return &o
	}
	return m
}

// endsSo tells that every job ended so.
func endsSo(err *connector.Error) func(connector.Ref) *connector.Observation {
	return func(r connector.Ref) *connector.Observation {
		if r.Job == "" {
			return nil
		}
		return &connector.Observation{Err: err}
	}
}

// TestLateUpdates: an update that was given up may still be carried out, and must
// not overwrite what is newer.
func TestLateUpdates(t *testing.T) {
	t.Parallel()
	for _, way := range ways {
		tell(t, []behaviour{{
			reason: "an update of the contact times out " + way.name,
			story: func(b *bench) {
				known(b, 1)
				b.crm.then(connector.KindContact, way.script(b.crm))
				b.receipt(0, "out", connector.StatusDelivered)
				b.pass(time.Minute)
				b.w.Turn(b.Context())
				b.receipt(0, "out", connector.StatusRead)
				b.drain()
				b.pass(time.Hour)
				b.want("the status", b.crm.contact(1).fields["status"], connector.StatusRead)
			},
		}, {
			reason: "an update of the ticket times out " + way.name,
			story: func(b *bench) {
				known(b, 1)
				b.crm.then(connector.KindTicket, way.script(b.crm))
				b.say(0, "m1", "priority low")
				b.w.Turn(b.Context())
				b.say(0, "m2", "priority high")
				b.drain()
				b.pass(time.Hour)
				b.want("the priority", b.crm.ticket(1).fields["priority"], "high")
				b.want("comments", b.crm.ticket(1).keys(), "first0 m1 m2")
			},
		}})
	}
}

// TestMappingChanges: an event is mapped once for good when it is first tried.
func TestMappingChanges(t *testing.T) {
	t.Parallel()
	body := func(b *bench) string {
		last := b.crm.tickets[len(b.crm.tickets)-1]
		return strings.TrimSuffix(last.comments[len(last.comments)-1].Body, " "+private)
	}
	remap := func(b *bench) { b.w.Remap(&rules{version: "v2", policy: b.rules.policy}) }
	tell(t, []behaviour{
		{
			reason: "what was never tried is mapped by the new mapping",
			story: func(b *bench) {
				b.say(0, "m1", "hello")
				remap(b)
				b.work()
				b.want("the comment", body(b), "v2: hello")
				b.want("in use", b.w.Status().Generation, "v2")
			},
		},
		{
			reason: "an event between two attempts keeps what the first one made of it",
			story: func(b *bench) {
				known(b, 1)
				b.crm.then(connector.KindTicket, b.crm.lost)
				b.say(0, "m1", "hello")
				b.w.Turn(b.Context())
				remap(b)
				b.drain()
				b.want("the comment", body(b), "v1: hello")
			},
		},
		{
			reason: "an event keeps it over a restart, too",
			story: func(b *bench) {
				known(b, 1)
				b.crm.then(connector.KindTicket, b.crm.lost)
				b.say(0, "m1", "hello")
				b.w.Turn(b.Context())
				b.rules = &rules{version: "v2", policy: b.rules.policy}
				b.start()
				b.drain()
				b.want("the comment", body(b), "v1: hello")
			},
		},
		{
			reason: "a refused event that is retried is mapped anew: that may be what mends it",
			story: func(b *bench) {
				known(b, 1)
				b.crm.comment = func(connector.Change, connector.Comment) *connector.Error {
					return connector.Errorf(connector.Refused, "add comment", "422", "no")
				}
				m := b.say(0, "m1", "hello")
				b.drain()
				b.crm.comment = nil
				remap(b)
				b.retry(journal.StateDead)
				b.drain()
				b.want("the comment", body(b), "v2: hello")
				b.outcome(m, "delivered")
			},
		},
		{
			reason: "a replay adds nothing, whatever the mapping",
			story: func(b *bench) {
				b.say(0, "m1", "name Asha")
				b.say(0, "m2", "priority high")
				b.receipt(0, "out", connector.StatusRead)
				b.drain()
				b.seen()
				b.retry(journal.StateDelivered)
				remap(b)
				b.drain()
				b.calls()
				b.want("events", b.states(), "3 delivered")
			},
		},
	})
}

// TestHeldIsRetried: what a person retries after a look is made, whatever kind of
// record it was that nobody knew of.
func TestHeldIsRetried(t *testing.T) {
	t.Parallel()
	for _, kind := range []connector.Kind{connector.KindContact, connector.KindTicket} {
		tell(t, []behaviour{{
			reason: "a held " + string(kind),
			given: func(b *bench) {
				b.crm.describe = found(connector.Blind)
				b.rules.policy.WhenUnknown = connector.Hold
			},
			story: func(b *bench) {
				b.crm.then(kind, b.crm.lost)
				m := b.say(0, "m1", "hello")
				b.drain()
				b.retry(journal.StateDead)
				b.drain()
				b.outcome(m, "delivered")
			},
		}})
	}
}
