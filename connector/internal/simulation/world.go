// Package simulation runs the real engine and the real journal against a
// simulated CRM, in simulated time, with everything that can go wrong drawn from
// one seed: lost answers, calls that are carried out long after they were given
// up, refusals, outages, agents who close, merge and delete, a process that dies
// between any two of its steps, and a disk that tears what was not synced. After
// every step an oracle holds the CRM against what was answered 200.
//
// Start with [Run]: one seed gives one story, the same each time.
package simulation

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/delivery"
	"github.com/crm-connector/crm-connector/connector/internal/journal"
	"github.com/crm-connector/crm-connector/connector/internal/journal/sqlite"
	"github.com/crm-connector/crm-connector/connector/internal/journal/sqlite/simdisk"
	"github.com/crm-connector/crm-connector/connector/internal/webhook"
)

// statusTrust is how long the engine trusts a ticket's status after it saw it,
// with the time that a call may take on top.
const statusTrust = 60*time.Second + 15*time.Second

// destination is the one destination of a simulation.
const destination = "crm"

// Bug breaks the engine on purpose, so that the oracle can be seen to notice. The
// zero value breaks nothing.
type Bug struct {
	Name string
	// Journal and Adapter stand between the engine and the real thing.
	Journal func(journal.Journal) journal.Journal
	Adapter func(connector.Adapter) connector.Adapter
	// Profile changes what the engine is told of the CRM.
	Profile func(*Profile)
}

// Report is what a run found.
type Report struct {
	Seed       uint64
	Violations []string
	Story      []string
	// What happened, for seeing that the runs exercise what they should.
	Accepted, Duplicates, Crashes, Unknown, Dead, Calls int
}

// world is everything of one run.
type world struct {
	rng    *rand.Rand
	report Report
	crm    *CRM
	mapper *mapper
	bug    Bug
	disk   *simdisk.Disk
	// process is the journal as the process holds it, j what the engine sees.
	process *mortal
	j       journal.Journal
	w       *delivery.Worker
	// crashed says that the process died and was not started again yet.
	crashed bool

	script    []*message
	sent      []*message
	customers int
}

// message is one event of the script and what became of it at intake.
type message struct {
	customer int
	account  string
	id       string
	raw      []byte
	text     string
	kind     connector.EventType
	status   connector.Status
	accepted bool
	event    int64
	// began is how many events had been answered when the first request began,
	// and answered when it was first answered itself.
	tried           bool
	began, answered int
}

// Run plays the story of a seed and reports what was wrong with it. It must run
// in a bubble of testing/synctest, whose time it uses.
func Run(ctx context.Context, seed uint64, bug Bug) Report {
	w := &world{rng: rand.New(rand.NewPCG(seed, 0)), bug: bug}
	w.report.Seed = seed
	w.setUp()
	defer w.tearDown(ctx)
	w.play(ctx)
	w.heal()
	w.drain(ctx)
	w.judge(ctx)
	w.report.Calls = w.crm.Calls
	return w.report
}

func (w *world) setUp() {
	p := w.profile()
	if w.bug.Profile != nil {
		w.bug.Profile(&p)
	}
	w.crm = &CRM{p: p, rng: w.rng, now: time.Now, jobs: map[string]*job{}, attempted: map[string]string{}, violation: w.violation, opened: w.opened, note: w.note}
	w.crm.crash = func() { w.kill(0) }
	w.mapper = &mapper{version: 1, policy: w.policy()}
	w.disk = simdisk.New(fmt.Sprintf("disk-%p", w), w.rng.Uint64())
	w.write()
	w.note("profile: contact %s, ticket %s, comment %s, batch %d, comments %d, guarded %v, all-or-nothing %v, jobs %v, makes contact %v, faults %.2f; policy %+v",
		p.Contact.Create, p.Ticket.Create, p.Comment.Create, p.Contact.Batch, p.Comments, p.Guarded, p.AllOrNothing, p.Jobs, p.MakesContact, p.Fault, w.mapper.policy)
}

// profile draws a kind of CRM.
func (w *world) profile() Profile {
	creations := []connector.Creation{connector.Keyed, connector.Found, connector.Found, connector.Blind}
	pick := func(n int) connector.Creation { return creations[w.rng.IntN(n)] }
	p := Profile{Fault: []float64{0, 0.02, 0.05, 0.15}[w.rng.IntN(4)], LateBy: 60 * time.Second}
	lag := time.Duration(w.rng.IntN(3)) * 5 * time.Second
	kind := func(c connector.Creation) connector.KindDescription {
		d := connector.KindDescription{Create: c, Settling: 61 * time.Second, Batch: []int{1, 3, 100}[w.rng.IntN(3)]}
		if c == connector.Found {
			d.Lag = lag
		}
		return d
	}
	p.Contact, p.Ticket, p.Comment = kind(pick(3)), kind(pick(4)), kind(pick(4))
	p.ObserveBatch = []int{1, 50}[w.rng.IntN(2)]
	p.Comments = []int{1, 2, 50}[w.rng.IntN(3)]
	p.Guarded = w.rng.IntN(2) == 0
	p.AllOrNothing = w.rng.IntN(3) == 0
	p.Jobs = w.rng.IntN(6) == 0
	p.MakesContact = w.rng.IntN(5) == 0 && p.Contact.Create == connector.Keyed
	p.CallTimeout = 10 * time.Second
	return p
}

func (w *world) policy() connector.Policy {
	return connector.Policy{
		Idle:            []time.Duration{0, 0, time.Hour}[w.rng.IntN(3)],
		ReopenWithin:    []time.Duration{0, time.Hour}[w.rng.IntN(2)],
		WhenClosed:      []connector.WhenClosed{connector.FollowUp, connector.NewTicket}[w.rng.IntN(2)],
		WhenContactGone: connector.Recreate,
		WhenUnknown:     []connector.WhenUnknown{connector.Repeat, connector.Hold}[w.rng.IntN(2)],
	}
}

// write writes the script: conversations, receipts, duplicates, poison.
func (w *world) write() {
	w.customers = 1 + w.rng.IntN(6)
	n := 5 + w.rng.IntN(40)
	if w.rng.IntN(8) == 0 {
		w.customers, n = 40, 80
	}
	for i := range n {
		m := &message{customer: w.rng.IntN(w.customers), account: "15550199999", id: fmt.Sprintf("msg_%d", i)}
		if w.rng.IntN(8) == 0 {
			m.account = "15550188888"
		}
		m.kind, m.text = connector.MessageReceived, fmt.Sprintf("text %d", i)
		switch w.rng.IntN(30) {
		case 0:
			m.text = "poison"
		case 1:
			m.text = "unmappable"
		case 2:
			m.text += " solve"
		}
		w.script = append(w.script, m)
		if w.rng.IntN(2) == 0 {
			w.receipts(i, m)
		}
	}
}

// receipts adds the receipts of a message of the business, in any order.
func (w *world) receipts(i int, near *message) {
	statuses := []connector.Status{connector.StatusSent, connector.StatusDelivered, connector.StatusRead}
	w.rng.Shuffle(len(statuses), func(a, b int) { statuses[a], statuses[b] = statuses[b], statuses[a] })
	for _, s := range statuses[:1+w.rng.IntN(3)] {
		w.script = append(w.script, &message{
			customer: near.customer, account: near.account, id: fmt.Sprintf("out_%d", i),
			kind: connector.EventType("message." + string(s)), status: s,
		})
	}
}

func phone(customer int) string { return fmt.Sprintf("9188568791%02d", customer) }

// webhook gives the message's webhook as AISoule posts it.
func (m *message) webhook(at time.Time) []byte {
	if m.kind == connector.MessageReceived {
		return fmt.Appendf(nil, `{"event":"message.received","timestamp":%d,"data":{"message_id":%q,"sender":%q,"recipient":%q,"type":"text","body":%q}}`,
			at.Unix(), m.id, phone(m.customer), m.account, m.text)
	}
	return fmt.Appendf(nil, `{"event":%q,"timestamp":%d,"data":{"message_id":%q,"sender":%q,"recipient":%q,"status":%q}}`,
		m.kind, at.Unix(), m.id, m.account, phone(m.customer), m.status)
}

// play interleaves webhooks, rounds, agents and disasters.
func (w *world) play(ctx context.Context) {
	w.start(ctx)
	for len(w.script) > 0 {
		switch n := w.rng.IntN(100); {
		case n < 40:
			w.post(ctx)
		case n < 75:
			w.turn(ctx)
		case n < 85:
			w.pass()
		case n < 88:
			w.agent()
		case n < 90:
			w.resend(ctx)
		case n < 92:
			w.weather()
		case n < 94:
			w.remap()
		case n < 95:
			w.replay(ctx)
		case n < 97:
			w.kill(w.rng.IntN(30))
		case n < 98:
			w.disk.CrashAfter(1 + w.rng.IntN(40))
		case n < 99:
			w.power()
		}
		w.restart(ctx)
		w.watch()
	}
}

// start opens the journal and makes a worker, as a process does.
func (w *world) start(ctx context.Context) {
	log := logrus.New()
	log.SetOutput(io.Discard)
	j, err := sqlite.Open(ctx, sqlite.Options{Path: "/journal.db", VFS: w.disk.Name(), Log: log, Idle: -1})
	if err != nil {
		if w.disk.Crashed() {
			w.crashed = true
			return
		}
		panic(fmt.Sprintf("seed %d: open: %v", w.report.Seed, err))
	}
	w.process = &mortal{Journal: j, dieIn: -1, died: func() { w.dies("between two steps") }}
	w.j = w.process
	if w.bug.Journal != nil {
		w.j = w.bug.Journal(w.j)
	}
	adapter := connector.Adapter(w.crm)
	if w.bug.Adapter != nil {
		adapter = w.bug.Adapter(adapter)
	}
	w.w = delivery.New(delivery.Options{
		Destination: destination, Adapter: adapter, Mapper: w.mapper, Journal: w.j,
		Await:       func(context.Context) error { return nil },
		FreshWithin: time.Minute, Now: time.Now, Rand: w.rng.Float64, Log: log, Rounds: 1,
		Hooks: delivery.Hooks{Unknown: func(connector.Kind, connector.WhenUnknown) { w.report.Unknown++ }},
	})
	if err := w.w.Open(ctx); err != nil {
		w.crashed = true
		return
	}
	w.crashed = false
}

// kill kills the process, now or in some steps; power cuts the power, so that
// what was not synced is lost or torn.
func (w *world) kill(in int) {
	if !w.crashed {
		w.process.dieIn = in
		if in == 0 {
			w.process.step()
		}
	}
}

func (w *world) power() {
	if !w.crashed {
		w.dies("with the power")
		w.disk.Crash()
	}
}

func (w *world) dies(how string) {
	w.crashed, w.process.dead = true, true
	w.note("the process dies %s", how)
}

// restart starts the process again if it died.
func (w *world) restart(ctx context.Context) {
	for w.crashed || w.disk.Crashed() {
		w.report.Crashes++
		if w.process != nil {
			_ = w.process.Close()
		}
		if w.disk.Crashed() {
			w.disk.Restart()
		}
		w.start(ctx)
		w.note("the process starts again")
	}
}

// post sends one webhook, or several in an array.
func (w *world) post(ctx context.Context) {
	n := min(len(w.script), 1)
	if w.rng.IntN(5) == 0 {
		n = min(len(w.script), 1+w.rng.IntN(6))
	}
	batch := w.script[:n]
	for _, m := range batch {
		if m.raw == nil {
			m.raw = m.webhook(time.Now())
		}
	}
	if w.append(ctx, batch) {
		w.script = w.script[n:]
		w.sent = append(w.sent, batch...)
	} // else AISoule gets no 200 and sends again
}

// append does what intake does.
func (w *world) append(ctx context.Context, batch []*message) bool {
	mark := w.j.Mark()
	for _, m := range batch {
		if !m.tried {
			m.tried, m.began = true, w.report.Accepted
		}
	}
	entries := make([]journal.Entry, len(batch))
	for i, m := range batch {
		reading, err := webhook.Read(m.raw)
		if err != nil {
			panic(err)
		}
		e := reading.Event
		e.Business, e.Source = "b", "s"
		entries[i] = journal.Entry{Raw: m.raw, Event: e, Routes: []journal.Route{{Destination: destination, Lane: e.Lane()}}}
	}
	receipts, err := w.j.Append(ctx, mark, entries)
	if err != nil {
		if !w.disk.Crashed() && !w.crashed {
			w.violation("append failed on a healthy disk: %v", err)
		}
		return false
	}
	for i, r := range receipts {
		m := batch[i]
		switch {
		case r.Fate == journal.Duplicate:
			w.report.Duplicates++
			if !m.accepted {
				m.event = r.ID // accepted before a crash that swallowed the answer
			}
		case m.accepted:
			w.violation("%s was accepted twice", m.id)
		}
		if !m.accepted {
			w.report.Accepted++
			m.accepted, m.event = true, r.ID
		}
		w.note("webhook %s %s of customer %d (%q): %s as event %d", m.kind, m.id, m.customer, m.text, r.Fate, r.ID)
	}
	for _, m := range batch {
		if m.answered == 0 {
			m.answered = w.report.Accepted
		}
	}
	return true
}

// resend sends a webhook again that was answered before.
func (w *world) resend(ctx context.Context) {
	if len(w.sent) > 0 {
		w.append(ctx, []*message{w.sent[w.rng.IntN(len(w.sent))]})
	}
}

func (w *world) turn(ctx context.Context) {
	for range 1 + w.rng.IntN(3) {
		if w.crashed || w.disk.Crashed() {
			return
		}
		if worked, _ := w.w.Turn(ctx); !worked {
			return
		}
	}
}

// pass lets some time pass.
func (w *world) pass() {
	steps := []time.Duration{100 * time.Millisecond, time.Second, 10 * time.Second, 70 * time.Second, 10 * time.Minute, 2 * time.Hour}
	time.Sleep(time.Duration(w.rng.Int64N(int64(steps[w.rng.IntN(len(steps))]))))
	w.crm.tick()
}

// agent does what people do in a CRM.
func (w *world) agent() {
	w.crm.tick()
	if len(w.crm.tickets) == 0 {
		return
	}
	t := w.crm.tickets[w.rng.IntN(len(w.crm.tickets))]
	if t.condition == connector.Gone {
		return
	}
	switch w.rng.IntN(6) {
	case 0, 1:
		if t.condition == connector.Active {
			t.condition, t.closedAt = connector.Closed, time.Now()
		}
	case 2:
		t.condition, t.closedAt = connector.Final, time.Now()
	case 3:
		t.condition, t.closedAt = connector.Gone, time.Now()
	case 4:
		w.merge(t)
	case 5:
		if x := w.crm.contact(t.contact); x != nil && !x.gone {
			x.gone = true
			w.note("an agent deletes contact %s", x.id)
			return
		}
	}
	w.note("an agent makes ticket %s %s %s", t.id, t.condition, t.successor)
}

// merge merges a ticket into another open one of the same contact.
func (w *world) merge(t *ticket) {
	for _, o := range w.crm.tickets {
		if o != t && o.contact == t.contact && o.account == t.account && o.condition == connector.Active {
			t.condition, t.closedAt, t.successor = connector.Gone, time.Now(), o.id
			return
		}
	}
}

// weather takes the CRM down or up again, or changes what it requires.
func (w *world) weather() {
	switch w.rng.IntN(3) {
	case 0:
		w.crm.down = !w.crm.down
	case 1:
		w.crm.required = !w.crm.required
	}
	w.note("the CRM is down: %v, requires a category: %v", w.crm.down, w.crm.required)
}

// remap puts a new version of the mapping to use.
func (w *world) remap() {
	if w.crashed {
		return
	}
	w.mapper = &mapper{version: w.mapper.version + 1, policy: w.mapper.policy}
	w.w.Remap(w.mapper)
	w.note("mapping version %d", w.mapper.version)
}

// replay makes events pending again that have ended.
func (w *world) replay(ctx context.Context) {
	if w.crashed || w.disk.Crashed() {
		return
	}
	n, err := w.j.Requeue(ctx, destination, journal.Filter{State: journal.StateDelivered})
	w.note("%d events are replayed (%v)", n, err)
}

// heal ends all faults.
func (w *world) heal() {
	w.crm.healthy, w.crm.down, w.crm.required = true, false, false
	w.disk.CrashAfter(-1)
	if w.process != nil {
		w.process.dieIn = -1
	}
	w.note("all faults end")
}

// drain lets the engine finish.
func (w *world) drain(ctx context.Context) {
	w.restart(ctx)
	for range 2000 {
		w.crm.tick()
		worked, until := w.w.Turn(ctx)
		w.watch()
		if worked {
			continue
		}
		if until.IsZero() {
			if len(w.crm.late) == 0 {
				return
			}
			until = w.crm.late[0].at
		}
		time.Sleep(max(time.Until(until), time.Millisecond))
	}
	w.violation("the engine does not come to rest: %+v", w.w.Status())
}

func (w *world) tearDown(context.Context) {
	if w.process != nil {
		_ = w.process.Close()
	}
	w.disk.Close()
}

func (w *world) note(format string, args ...any) {
	w.report.Story = append(w.report.Story, time.Now().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
}

func (w *world) violation(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if !slices.Contains(w.report.Violations, text) {
		w.report.Violations = append(w.report.Violations, text)
		w.note("VIOLATION: %s", text)
	}
}

// Err gives the violations with the story that led to them.
func (r *Report) Err() error {
	if len(r.Violations) == 0 {
		return nil
	}
	return fmt.Errorf("seed %d:\n%s\n\nthe story:\n%s", r.Seed, strings.Join(r.Violations, "\n"), strings.Join(r.Story, "\n"))
}
