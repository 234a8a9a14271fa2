package delivery_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crm-connector/crm-connector/connector"
)

// run lets the worker run, and gives what stops it and waits for it.
func (b *bench) run() (stop func()) {
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.w.Run(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}

// takes lets every call of a kind take some time before it is carried out.
func (c *crm) takes(d time.Duration) script {
	return func(ctx context.Context, changes []connector.Change) ([]connector.Result, error) {
		select {
		case <-time.After(d):
			return c.honest(ctx, changes)
		case <-ctx.Done():
			return nil, connector.Errorf(connector.Ambiguous, "apply", "timeout", "cut short")
		}
	}
}

// TestRun: the worker by itself, as the process runs it.
func TestRun(t *testing.T) {
	t.Parallel()
	tell(t, []behaviour{
		{
			reason: "what comes in goes out at a word, and the worker stops when it is told to",
			story: func(b *bench) {
				stop := b.run()
				m := b.say(0, "m1", "hello")
				b.w.Wake()
				synctest.Wait()
				b.outcome(m, "delivered")
				stop()
				n := b.say(0, "m2", "hello")
				b.w.Wake()
				synctest.Wait()
				b.outcome(n, "pending")
			},
		},
		{
			reason: "state goes out in its time, without a word",
			story: func(b *bench) {
				known(b, 1)
				r := b.receipt(0, "out", connector.StatusRead)
				stop := b.run()
				defer stop()
				b.pass(59 * time.Second)
				b.outcome(r, "pending")
				b.pass(2 * time.Second)
				b.outcome(r, "delivered")
			},
		},
		{
			reason: "a stop lets the call in flight end, and records it",
			story: func(b *bench) {
				known(b, 1)
				b.crm.always = b.crm.takes(3 * time.Second)
				stop := b.run()
				m := b.say(0, "m1", "hello")
				b.w.Wake()
				b.pass(time.Second)
				stop()
				b.outcome(m, "delivered")
				b.want("comments", b.crm.ticket(1).keys(), "first0 m1")
			},
		},
		{
			reason: "a stop waits no longer than it may, and a restart finds out what became of it",
			given:  func(b *bench) { b.opts.StopWithin = 2 * time.Second },
			story: func(b *bench) {
				known(b, 1)
				b.crm.then(connector.KindTicket, b.crm.landed)
				stop := b.run()
				m := b.say(0, "m1", "hello")
				b.w.Wake()
				b.pass(time.Second)
				began := time.Now()
				stop()
				b.want("waited", time.Since(began), 2*time.Second)
				b.start()
				b.drain()
				b.outcome(m, "delivered")
				b.want("comments", b.crm.ticket(1).keys(), "first0 m1")
			},
		},
		{
			reason: "a stop does not wait for the quota to have room",
			given: func(b *bench) {
				b.opts.StopWithin = time.Second
				b.opts.Await = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
			},
			story: func(b *bench) {
				stop := b.run()
				m := b.say(0, "m1", "hello")
				b.w.Wake()
				b.pass(time.Minute)
				stop()
				b.calls()
				b.outcome(m, "pending")
				b.opts.Await = func(context.Context) error { return nil }
				b.start()
				b.drain()
				b.outcome(m, "delivered")
			},
		},
		{
			reason: "a call's time does not run while it waits for the quota",
			given: func(b *bench) {
				b.opts.Await = func(context.Context) error { time.Sleep(time.Hour); return nil }
			},
			story: func(b *bench) {
				b.crm.always = b.crm.takes(9 * time.Second)
				m := b.say(0, "m1", "hello")
				b.drain()
				b.outcome(m, "delivered")
				once(b)
			},
		},
	})
}

// TestRoundsSideBySide: rounds run at once for different customers, never for
// the same one.
func TestRoundsSideBySide(t *testing.T) {
	t.Parallel()
	tell(t, []behaviour{{
		reason: "four rounds at once keep every conversation in order",
		given: func(b *bench) {
			b.opts.Rounds = 4
			b.crm.describe.Contact.Batch, b.crm.describe.Ticket.Batch = 5, 5
		},
		story: func(b *bench) {
			const customers, messages = 45, 4
			o := &overlap{crm: b.crm, customers: map[string]bool{}}
			b.crm.always = o.apply
			stop := b.run()
			var want []string
			for m := range messages {
				want = append(want, fmt.Sprint(m))
				for c := range customers {
					b.say(c, fmt.Sprintf("%d/%d", c, m), "hello")
				}
				b.w.Wake()
				b.pass(300 * time.Millisecond)
			}
			b.pass(time.Hour)
			stop()
			b.want("calls at once", o.most, 4)
			b.want("customers in two calls at once", o.doubled, []string(nil))
			b.want("events", b.states(), "180 delivered")
			b.want("tickets", len(b.crm.tickets), customers)
			for _, x := range b.crm.tickets {
				customer, _, _ := strings.Cut(strings.TrimPrefix(x.key, "t/"), "/")
				b.want("comments", strings.ReplaceAll(x.keys(), customer+"/", ""), strings.Join(want, " "))
			}
		},
	}})
}

// overlap watches which customers are in calls at once.
type overlap struct {
	crm       *crm
	mu        sync.Mutex
	now, most int
	customers map[string]bool
	doubled   []string
}

func (o *overlap) apply(ctx context.Context, changes []connector.Change) ([]connector.Result, error) {
	o.enter(changes)
	defer o.leave(changes)
	return o.crm.takes(time.Second)(ctx, changes)
}

func (o *overlap) enter(changes []connector.Change) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.now++
	o.most = max(o.most, o.now)
	for _, ch := range changes {
		if o.customers[ch.Identity.Phone] {
			o.doubled = append(o.doubled, ch.Key)
		}
		o.customers[ch.Identity.Phone] = true
	}
}

func (o *overlap) leave(changes []connector.Change) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.now--
	for _, ch := range changes {
		delete(o.customers, ch.Identity.Phone)
	}
}
