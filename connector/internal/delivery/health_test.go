package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/journal"
)

// TestBroken: credentials that no call can succeed with pause the destination
// whole, and nothing is lost for it.
func TestBroken(t *testing.T) {
	t.Parallel()
	errWho := errors.New("nobody that we know")
	unknown := func(b *bench) {
		b.crm.check = func() error { return errWho }
		b.crm.always = fails(connector.Broken, "401", 0)
	}
	tell(t, []behaviour{
		{
			reason: "dead credentials pause loudly, and no event is a dead letter for it", given: unknown,
			story: func(b *bench) {
				m := b.say(0, "m1", "hello")
				b.say(1, "m2", "hello")
				b.work()
				b.calls("look contact c000 c001", "contact +c000; +c001", "check")
				b.want("paused for", b.w.Status().Paused, "apply: broken (401): as the script says")
				b.want("errors in the log", len(b.logs.AllEntries()), 1)
				b.outcome(m, "pending")
			},
		},
		{
			reason: "a paused destination only asks who we are", given: unknown,
			story: func(b *bench) {
				b.say(0, "m1", "hello")
				b.work()
				b.seen()
				for range 3 {
					time.Sleep(time.Until(b.w.Status().Retry))
					b.work()
				}
				b.calls("check", "check", "check")
			},
		},
		{
			reason: "it goes on by itself when we are known again", given: unknown,
			story: func(b *bench) {
				m := b.say(0, "m1", "hello")
				b.work()
				b.crm.check, b.crm.always = func() error { return nil }, nil
				b.drain()
				b.outcome(m, "delivered")
				b.want("paused", b.paused(), false)
				once(b)
			},
		},
		{
			reason: "a pause outlives the process", given: unknown,
			story: func(b *bench) {
				b.say(0, "m1", "hello")
				b.work()
				b.seen()
				b.start()
				b.work()
				b.want("paused", b.paused(), true)
				b.calls()
			},
		},
		{
			reason: "a spent day is waited out, to the time that the CRM names",
			story: func(b *bench) {
				b.crm.then(connector.KindContact, fails(connector.Broken, "quota", 7*time.Hour))
				began := time.Now()
				m := b.say(0, "m1", "hello")
				b.want("until when to rest", b.work(), began.Add(7*time.Hour))
				b.drain()
				b.outcome(m, "delivered")
				b.want("waited", time.Since(began) >= 7*time.Hour, true)
			},
		},
		{
			reason: "credentials that are found dead at a look pause, too",
			story: func(b *bench) {
				known(b, 1)
				b.pass(time.Hour)
				broken := true
				b.crm.observe = func(connector.Ref) *connector.Observation {
					if broken {
						return &connector.Observation{Err: connector.Errorf(connector.Broken, "observe ticket", "401", "no")}
					}
					return nil
				}
				m := b.say(0, "m1", "hello")
				b.work()
				b.want("paused", b.paused(), true)
				broken = false
				b.drain()
				b.outcome(m, "delivered")
			},
		},
		{
			reason: "what comes in meanwhile goes out in order afterwards", given: unknown,
			story: func(b *bench) {
				b.say(0, "m1", "hello")
				b.work()
				b.say(0, "m2", "hello")
				b.pass(time.Hour)
				b.say(0, "m3", "hello")
				b.crm.check, b.crm.always = func() error { return nil }, nil
				b.drain()
				b.want("comments", b.crm.ticket(1).keys(), "m1 m2 m3")
			},
		},
	})
}

// TestOperator: what a person pauses stays so until a person resumes it.
func TestOperator(t *testing.T) {
	t.Parallel()
	tell(t, []behaviour{
		{
			reason: "a person's pause has no trials, and outlives the process",
			story: func(b *bench) {
				b.ok(b.w.Pause(b.Context(), "maintenance"))
				b.say(0, "m1", "hello")
				b.want("until when to rest", b.work(), time.Time{})
				b.start()
				b.pass(24 * time.Hour)
				b.work()
				b.calls()
				b.want("paused for", b.w.Status().Paused, "maintenance")
			},
		},
		{
			reason: "a person resumes",
			story: func(b *bench) {
				b.ok(b.w.Pause(b.Context(), "maintenance"))
				m := b.say(0, "m1", "hello")
				b.ok(b.w.Resume(b.Context()))
				b.drain()
				b.outcome(m, "delivered")
			},
		},
	})
}

// TestRest: what a failure keeps from going out, and for how long.
func TestRest(t *testing.T) {
	t.Parallel()
	tell(t, []behaviour{
		{
			reason: "a 429 for a call lets the whole destination rest as long as it says",
			story: func(b *bench) {
				known(b, 1)
				b.crm.then(connector.KindTicket, fails(connector.Retry, "429", 30*time.Second))
				b.say(0, "m1", "hello")
				b.work()
				b.seen()
				b.say(1, "m2", "hello")
				b.want("until when to rest", b.work(), time.Now().Add(30*time.Second))
				b.calls()
				b.drain()
				b.want("events", b.states(), "3 delivered")
			},
		},
		{
			reason: "a locked record lets its own customer wait, and nobody else",
			story: func(b *bench) {
				known(b, 2)
				locked := true
				b.crm.refuse = func(ch connector.Change) *connector.Error {
					if locked && ch.ID == "T1" {
						return &connector.Error{Ending: connector.Retry, Op: "update ticket", Code: "locked", Wait: time.Minute}
					}
					return nil
				}
				m, n := b.say(0, "m1", "hello"), b.say(1, "m2", "hello")
				began := time.Now()
				b.want("until when to rest", b.work(), began.Add(time.Minute))
				b.outcome(m, "pending")
				b.outcome(n, "delivered")
				o := b.say(1, "m3", "hello")
				b.work()
				b.outcome(o, "delivered")
				locked = false
				b.drain()
				b.outcome(m, "delivered")
			},
		},
		{
			reason: "a customer who gets nowhere is tried less and less often, even with the dice at their lowest",
			given:  func(b *bench) { b.opts.Rand = func() float64 { return 0 } },
			story: func(b *bench) {
				known(b, 1)
				b.crm.refuse = ending(connector.Retry)
				b.say(0, "m1", "hello")
				b.seen()
				var waits []string
				for range 9 {
					until := b.work()
					waits = append(waits, time.Until(until).String())
					time.Sleep(time.Until(until))
				}
				b.want("waits", waits, "[50ms 100ms 200ms 400ms 800ms 1.6s 3.2s 6.4s 12.8s]")
			},
		},
		{
			reason: "a look that fails is a reason to wait, not to guess",
			story: func(b *bench) {
				known(b, 1)
				b.pass(time.Hour)
				b.crm.observe = func(connector.Ref) *connector.Observation {
					return &connector.Observation{Err: connector.Errorf(connector.Retry, "observe ticket", "500", "no")}
				}
				m := b.say(0, "m1", "hello")
				b.work()
				b.calls("look ticket T1")
				b.crm.observe = nil
				b.drain()
				b.outcome(m, "delivered")
				b.calls("look ticket T1", "ticket T1 [m1]")
			},
		},
		{
			reason: "after an outage the first call goes alone, and then more",
			story: func(b *bench) {
				known(b, 8)
				b.crm.always = fails(connector.Retry, "503", 0)
				for i := range 8 {
					b.say(i, fmt.Sprint("m", i), "hello")
				}
				began := time.Now()
				for time.Since(began) < 10*time.Minute {
					time.Sleep(max(time.Until(b.work()), time.Millisecond))
				}
				b.crm.always = nil
				b.seen()
				b.drain()
				calls := b.seen()
				b.want("customers in the first call", len(changesOf(calls[0])), 1)
				b.want("events", b.states(), "16 delivered")
			},
		},
		{
			reason: "calls that keep timing out let the destination rest",
			story: func(b *bench) {
				known(b, 3)
				b.crm.always = b.crm.lost
				b.say(0, "m1", "hello")
				began := time.Now()
				for time.Since(began) < time.Hour {
					time.Sleep(max(time.Until(b.work()), time.Millisecond))
				}
				b.want("few calls in an hour", len(b.seen()) < 400, true)
				b.crm.always = nil
				b.drain()
				b.want("comments", b.crm.ticket(1).keys(), "first0 m1")
			},
		},
	})
}

// ending ends every change of a ticket so.
func ending(e connector.Ending) func(connector.Change) *connector.Error {
	return func(ch connector.Change) *connector.Error {
		if ch.Kind == connector.KindContact {
			return nil
		}
		return connector.Errorf(e, "write ticket", "locked", "the ticket is locked")
	}
}

// TestGivenUp: a customer is given up after a day in which others were served,
// and never for an outage.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	tell(t, []behaviour{
		{
			reason: "the service clock runs while customers are served, and a rest counts for five minutes at most",
			story: func(b *bench) {
				for i := range 4 {
					b.say(0, fmt.Sprint("m", i), "hello")
					b.work()
					b.pass(4 * time.Minute)
				}
				b.want("served", b.w.Status().Served, 12*time.Minute)
				b.pass(24 * time.Hour)
				b.say(0, "late", "hello")
				b.work()
				b.want("served", b.w.Status().Served, 17*time.Minute)
			},
		},
		{
			reason: "a customer who is stuck for a day of service is given up, and the next event is tried",
			story: func(b *bench) {
				known(b, 1)
				stuck(b, 0)
				m := b.say(0, "bad", "hello")
				b.work()
				b.pass(time.Minute)
				b.work()
				n := b.say(0, "m2", "hello")
				b.serve(25 * time.Hour)
				b.pass(time.Minute)
				b.work()
				b.outcome(m, "dead_letter: locked: given up after a day in which others were served: write ticket: retry (locked): the ticket is locked")
				b.crm.refuse = nil
				b.drain()
				b.outcome(n, "delivered")
			},
		},
		{
			reason: "less than a day of service is not enough",
			story: func(b *bench) {
				known(b, 1)
				stuck(b, 0)
				m := b.say(0, "bad", "hello")
				b.work()
				b.pass(time.Minute)
				b.work()
				b.serve(23 * time.Hour)
				b.pass(time.Minute)
				b.work()
				b.outcome(m, "pending")
			},
		},
		{
			reason: "an outage of days gives nobody up",
			story: func(b *bench) {
				known(b, 2)
				b.crm.always = fails(connector.Retry, "503", 30*time.Minute)
				m := b.say(0, "m1", "hello")
				began := time.Now()
				for time.Since(began) < 96*time.Hour {
					time.Sleep(max(time.Until(b.work()), time.Millisecond))
				}
				b.outcome(m, "pending")
				b.crm.always = nil
				b.drain()
				b.outcome(m, "delivered")
			},
		},
		{
			reason: "a day of service before the first failure counts for nothing",
			story: func(b *bench) {
				known(b, 1)
				b.serve(25 * time.Hour)
				stuck(b, 0)
				m := b.say(0, "bad", "hello")
				b.work()
				b.pass(time.Minute)
				b.work()
				b.outcome(m, "pending")
			},
		},
	})
}

// stuck locks the ticket of one customer.
func stuck(b *bench, customer int) {
	b.crm.refuse = func(ch connector.Change) *connector.Error {
		if ch.ID != fmt.Sprint("T", customer+1) {
			return nil
		}
		return connector.Errorf(connector.Retry, "write ticket", "locked", "the ticket is locked")
	}
}

// serve lets the destination have served others for so long, and the process
// start again with what the journal remembers of it.
func (b *bench) serve(d time.Duration) {
	b.Helper()
	state := b.w.Status().DestinationState
	state.Served += d
	b.ok(b.j.Write(context.WithoutCancel(b.Context()), destination, &journal.Delta{State: &state}))
	b.start()
}
