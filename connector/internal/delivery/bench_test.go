package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
	logrustest "github.com/sirupsen/logrus/hooks/test"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/delivery"
	"github.com/crm-connector/crm-connector/connector/internal/journal"
	"github.com/crm-connector/crm-connector/connector/internal/journal/sqlite"
	"github.com/crm-connector/crm-connector/connector/internal/journal/sqlite/simdisk"
	"github.com/crm-connector/crm-connector/connector/internal/webhook"
	"github.com/crm-connector/crm-connector/connector/internal/webhook/sample"
)

// destination is the one destination of these tests.
const destination = "crm"

// private is in everything that a customer says here, so that it is noticed
// where it must not be.
const private = "hush"

// behaviour is one promise of the engine: what is given, and a story that would
// end otherwise without it.
type behaviour struct {
	reason string
	given  func(b *bench)
	story  func(b *bench)
}

// tell tells each story on a bench of its own, in simulated time.
func tell(t *testing.T, behaviours []behaviour) {
	t.Helper()
	for _, c := range behaviours {
		t.Run(c.reason, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				if c.given != nil {
					c.given(b)
				}
				b.start()
				c.story(b)
				b.discreet()
			})
		})
	}
}

// bench is a worker with the real journal on a simulated disk, between scripted
// customers and a scripted CRM.
type bench struct {
	*testing.T
	crm   *crm
	rules *rules
	opts  delivery.Options
	disk  *simdisk.Disk
	j     *gate
	w     *delivery.Worker
	logs  *logrustest.Hook
	// unknown counts what the worker's hooks were told.
	unknown []string
	// second counts the seconds of the events' own times.
	second int
}

// gate stands between the worker and the journal.
type gate struct {
	journal.Journal
	// fail is asked before each write, and dead after each: whether the process
	// lives to see that it was written.
	fail func(*journal.Delta) error
	dead func(*journal.Delta) bool
	// writes counts the writes that were made.
	writes atomic.Int64
}

var errGate = errors.New("the disk is gone")

func (g *gate) Write(ctx context.Context, destination string, d *journal.Delta) error {
	if g.fail != nil {
		if err := g.fail(d); err != nil {
			return err
		}
	}
	g.writes.Add(1)
	err := g.Journal.Write(ctx, destination, d)
	if err == nil && g.dead != nil && g.dead(d) {
		return errGate
	}
	return err
}

func newBench(t *testing.T) *bench {
	b := &bench{T: t, crm: &crm{describe: found(connector.Found), once: map[connector.Kind][]script{}}}
	b.rules = &rules{version: "v1", policy: connector.Policy{
		ReopenWithin: 24 * time.Hour, WhenClosed: connector.FollowUp, WhenContactGone: connector.Recreate, WhenUnknown: connector.Repeat,
	}}
	log := logrus.New()
	log.SetOutput(io.Discard)
	log.SetLevel(logrus.TraceLevel)
	b.logs = logrustest.NewLocal(log)
	b.disk = simdisk.New(fmt.Sprintf("delivery-%p", b), 1)
	t.Cleanup(b.disk.Close)
	j, err := sqlite.Open(t.Context(), sqlite.Options{Path: "/journal.db", VFS: b.disk.Name(), Log: log, Idle: -1})
	b.ok(err)
	t.Cleanup(func() { b.ok(j.Close()) })
	b.j = &gate{Journal: j}
	b.opts = delivery.Options{
		Destination: destination, Journal: b.j, Await: func(context.Context) error { return nil },
		FreshWithin: time.Minute, Now: time.Now, Rand: func() float64 { return 0.5 }, Log: log, Rounds: 1,
		Hooks: delivery.Hooks{Unknown: func(k connector.Kind, d connector.WhenUnknown) {
			b.unknown = append(b.unknown, fmt.Sprint(k, " ", d))
		}},
	}
	return b
}

// start makes a worker, as a process does when it begins, with nothing of an
// earlier one but the journal.
func (b *bench) start() {
	b.Helper()
	if b.crm.check != nil {
		b.startWith(checkingCRM{b.crm})
	} else {
		b.startWith(b.crm)
	}
}

func (b *bench) startWith(a connector.Adapter) {
	b.Helper()
	b.opts.Mapper, b.opts.Adapter = b.rules, a
	b.j.fail, b.j.dead = nil, nil
	b.w = delivery.New(b.opts)
	b.ok(b.w.Open(b.Context()))
}

func (b *bench) ok(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// say takes in what a customer wrote and gives the event's number.
func (b *bench) say(customer int, id, text string) int64 {
	b.Helper()
	return b.accept(connector.MessageReceived, sample.Options{Conversation: customer, MessageID: id, Text: text + " " + private})
}

// react takes in a customer's reaction to a message.
func (b *bench) react(customer int, id, to string) int64 {
	b.Helper()
	return b.accept(connector.MessageReceived, sample.Options{Conversation: customer, MessageID: id, Kind: "reaction", ReplyTo: to})
}

// receipt takes in how far a message of the business has come.
func (b *bench) receipt(customer int, id string, status connector.Status) int64 {
	b.Helper()
	return b.accept(connector.EventType("message."+string(status)), sample.Options{Conversation: customer, MessageID: id})
}

func (b *bench) accept(kind connector.EventType, o sample.Options) int64 {
	b.Helper()
	if o.Time.IsZero() {
		b.second++
		o.Time = time.Now().Add(time.Duration(b.second) * time.Second)
	}
	return b.append(b.j.Mark(), sample.Event(kind, sample.Developer, o))
}

// append does what intake does with one webhook whose request began at the mark.
func (b *bench) append(began journal.Mark, raw []byte) int64 {
	b.Helper()
	reading, err := webhook.Read(raw)
	b.ok(err)
	e := reading.Event
	e.Business, e.Source = "b", "s"
	lane := e.Lane()
	if e.Type.IsReceipt() && b.rules.receipts {
		lane = connector.LaneThread
	}
	receipts, err := b.j.Append(b.Context(), began, []journal.Entry{{
		Raw: raw, Event: e, Routes: []journal.Route{{Destination: destination, Lane: lane}},
	}})
	b.ok(err)
	if receipts[0].Fate != journal.Accepted {
		b.Fatalf("the webhook was %s: %s", receipts[0].Fate, receipts[0].Reason)
	}
	return receipts[0].ID
}

// work does all rounds that are due now, and gives when the next one is.
func (b *bench) work() time.Time {
	b.Helper()
	for range 1000 {
		worked, until := b.w.Turn(b.Context())
		if !worked {
			return until
		}
	}
	b.Fatalf("the worker does not come to rest: %+v\n%s", b.w.Status(), b.tail())
	return time.Time{}
}

// drain lets time pass until nothing is left to do.
func (b *bench) drain() {
	b.Helper()
	for range 1000 {
		until := b.work()
		if until.IsZero() {
			return
		}
		time.Sleep(max(time.Until(until), time.Millisecond))
	}
	b.Fatalf("the worker never finishes: %+v\n%s", b.w.Status(), b.tail())
}

// pass lets time pass without a round.
func (b *bench) pass(d time.Duration) { time.Sleep(d) }

// tail gives the last calls.
func (b *bench) tail() string {
	return strings.Join(b.crm.calls[max(0, len(b.crm.calls)-20):], "\n")
}

// calls holds the calls since the last look against those that were due.
func (b *bench) calls(want ...string) {
	b.Helper()
	if got := b.seen(); !slices.Equal(got, want) {
		b.Errorf("calls:\n  %s\nwant:\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// seen gives the calls since the last look.
func (b *bench) seen() []string {
	b.crm.mu.Lock()
	defer b.crm.mu.Unlock()
	got := b.crm.calls
	b.crm.calls, b.crm.at = nil, nil
	return got
}

// outcome holds what became of an event against what should have: the state, and
// the rule or code and reason where there are any.
func (b *bench) outcome(event int64, want string) {
	b.Helper()
	if got := b.end(event); got != want {
		b.Errorf("event %d is %q, want %q", event, got, want)
	}
}

func (b *bench) end(event int64) string {
	b.Helper()
	_, outcomes, err := b.j.Event(b.Context(), event)
	b.ok(err)
	if len(outcomes) != 1 {
		b.Fatalf("event %d has %d outcomes", event, len(outcomes))
	}
	o := outcomes[0]
	words := []string{string(o.State)}
	for _, w := range []string{o.Rule, o.Code, o.Reason} {
		if w != "" {
			words = append(words, w)
		}
	}
	return strings.Join(words, ": ")
}

// states counts the events by what became of them.
func (b *bench) states() string {
	b.Helper()
	c, err := b.j.Counts(b.Context(), destination)
	b.ok(err)
	var words []string
	for _, s := range []journal.State{
		journal.StatePending, journal.StateDelivered, journal.StateSkipped, journal.StateUnmatched, journal.StateDead,
	} {
		if n := c.Events[s]; n > 0 {
			words = append(words, fmt.Sprint(n, " ", s))
		}
	}
	return strings.Join(words, ", ")
}

// want compares two values as they print.
func (b *bench) want(what string, got, want any) {
	b.Helper()
	if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
		b.Errorf("%s: got %s, want %s", what, g, w)
	}
}

// paused reports whether the destination is paused.
func (b *bench) paused() bool { return b.w.Status().Paused != "" }

// discreet looks for customers' words and numbers where they must not be.
func (b *bench) discreet() {
	b.Helper()
	for _, e := range b.logs.AllEntries() {
		text, err := e.String()
		b.ok(err)
		b.clean("a log line", text)
	}
	listed, err := b.j.List(b.Context(), journal.Filter{Destination: destination, Limit: 1000})
	b.ok(err)
	for _, l := range listed {
		b.clean("an outcome", l.Outcome.Rule+l.Outcome.Code+l.Outcome.Reason)
	}
	b.clean("the destination's state", b.w.Status().Paused)
}

func (b *bench) clean(what, text string) {
	b.Helper()
	if strings.Contains(text, private) || strings.Contains(text, sample.Phone(0)[:9]) {
		b.Errorf("%s tells what a customer wrote or who it is: %s", what, text)
	}
}
