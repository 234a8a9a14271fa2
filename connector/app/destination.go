package app

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/config"
	"github.com/crm-connector/crm-connector/connector/internal/console"
	"github.com/crm-connector/crm-connector/connector/internal/delivery"
	"github.com/crm-connector/crm-connector/connector/internal/journal"
	"github.com/crm-connector/crm-connector/connector/internal/quota"
	"github.com/crm-connector/crm-connector/mappings"
)

// destination is one CRM account with all that serves it.
type destination struct {
	name     string
	business string
	config   *config.Destination
	log      logrus.FieldLogger
	metrics  *console.Metrics
	// decide carries an operator's word out at the destination of this name that
	// works now, which a reload may just have made another.
	decide func(ctx context.Context, name string, do func(*destination) error) error

	mapping   *mappings.Mapping
	adapter   connector.Adapter
	crm       string
	limits    []connector.Window
	base      *http.Transport
	transport *quota.Transport
	// governor and worker are there once the journal is.
	governor *quota.Governor
	worker   *delivery.Worker

	run    context.Context //nolint:containedctx // It is the worker's lifetime, which stop ends.
	cancel context.CancelFunc
	done   sync.WaitGroup
	// waking says that a lazy wake is on its way.
	waking atomic.Bool
	// failing counts the requests in a row that the CRM did not serve.
	failing atomic.Int64
}

var _ console.Destination = (*destination)(nil)

// maxRedirects bounds where a CRM can send a request; each step is a call of the
// quota.
const maxRedirects = 3

// newDestination makes a destination's parts as far as they need no journal.
func (a *App) newDestination(business string, c *config.Destination) (*destination, error) {
	d := &destination{
		name: c.Name, business: business, config: c, metrics: a.console.Metrics(), decide: a.decide,
		log: a.log.WithFields(logrus.Fields{"component": "delivery", "destination": c.Name}),
	}
	var err error
	if d.mapping, err = loadMapping(c); err != nil {
		return nil, err
	}
	d.transport = &quota.Transport{Called: d.called}
	client := &http.Client{Transport: d.transport, CheckRedirect: boundRedirects}
	if d.adapter, err = c.Open(a.options.Adapters, connector.Deps{HTTP: client, Now: time.Now}); err != nil {
		return nil, err
	}
	desc := d.adapter.Describe()
	if err := suits(d.mapping, desc); err != nil {
		return nil, err
	}
	d.crm, d.limits = desc.CRM, c.Quota.Limits(desc.Quota)
	d.base = quota.NewBase(desc.Concurrency)
	d.transport.Base = d.base
	d.run, d.cancel = context.WithCancel(context.Background())
	return d, nil
}

func boundRedirects(_ *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return errors.New("too many redirects")
	}
	return nil
}

// open reads what must be remembered over a restart and makes the worker.
func (d *destination) open(ctx context.Context, j journal.Journal) error {
	var err error
	d.governor, err = quota.New(ctx, quota.Options{Windows: d.limits, Ledger: ledger{j, d.name}})
	if err != nil {
		return fmt.Errorf("destination %s: %w", d.name, err)
	}
	d.transport.Governor = d.governor
	d.worker = delivery.New(delivery.Options{
		Destination: d.name, Adapter: d.adapter, Mapper: d.mapping, Journal: j,
		Await: d.await, FreshWithin: d.config.FreshWithin,
		Now: time.Now, Rand: rand.Float64, Log: d.log,
		Hooks: delivery.Hooks{
			Outcome: func(s journal.State) { d.metrics.Outcome(d.name, s) },
			Call: func(op string, e connector.Ending, records int) {
				d.metrics.Call(d.name, op, e, records)
			},
			Unknown: func(k connector.Kind, w connector.WhenUnknown) { d.metrics.Unknown(d.name, k, w) },
		},
	})
	return d.worker.Open(ctx)
}

// start lets the worker work until stop.
func (d *destination) start() {
	d.done.Go(func() { d.worker.Run(d.run) })
}

// stop waits until what is in flight has ended, within the worker's bound. A
// destination that was never started stops, too.
func (d *destination) stop() {
	d.cancel()
	d.done.Wait()
	d.base.CloseIdleConnections()
}

// await blocks while the quota has no room. What would wait when the stop comes
// does not go out any more.
func (d *destination) await(ctx context.Context) error {
	if d.hasRoom() {
		return ctx.Err()
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(d.run, cancel)()
	return d.governor.Room(ctx)
}

func (d *destination) hasRoom() bool {
	for _, u := range d.governor.Usage() {
		if u.Remaining() == 0 {
			return false
		}
	}
	return true
}

// called counts a request.
func (d *destination) called(c quota.Call) {
	d.metrics.Request(d.name, c.Status, c.Sent, c.Waited, c.Took)
	if c.Took > 0 && d.run.Err() == nil {
		d.notice(c.Status)
	}
}

// tellAfter is how many requests in a row a CRM may leave unserved before that is
// told: single ones are everyday life.
const tellAfter = 3

// notice tells, once each, that the CRM can't be reached or is out of order, and
// that it is back.
func (d *destination) notice(status int) {
	if status == 0 || status >= http.StatusInternalServerError {
		if d.failing.Add(1) == tellAfter {
			d.log.WithField("status", status).
				Warn("the CRM does not serve our calls; events are kept and tried again until it does")
		}
		return
	}
	if d.failing.Swap(0) >= tellAfter {
		d.log.Info("the CRM serves our calls again")
	}
}

// lazily is how long a wake for changes that may wait is put off, so that a
// broadcast's receipts do not each make the worker look.
const lazily = 250 * time.Millisecond

// wakeFor tells the worker that something was accepted.
func (d *destination) wakeFor(lane connector.Lane) {
	if lane == connector.LaneThread {
		d.worker.Wake()
		return
	}
	if d.waking.CompareAndSwap(false, true) {
		time.AfterFunc(lazily, func() {
			d.waking.Store(false)
			d.worker.Wake()
		})
	}
}

// About says what the destination is.
func (d *destination) About() console.About {
	return console.About{
		Name: d.name, Business: d.business, Adapter: d.config.Adapter, CRM: d.crm, Mapping: d.config.Mapping,
	}
}

// Status says how it is doing.
func (d *destination) Status() console.Status {
	st := d.worker.Status()
	out := console.Status{DestinationState: st.DestinationState, Resting: st.Resting, Generation: st.Generation}
	for _, u := range d.governor.Usage() {
		out.Quota = append(out.Quota, console.Window{
			Window: u.Window, Limit: u.Limit, Used: u.Used, Worst: u.Worst, Next: u.Next,
		})
	}
	return out
}

// Pause stops deliveries until a person resumes them.
func (d *destination) Pause(ctx context.Context, reason string) error {
	return d.decide(ctx, d.name, func(d *destination) error { return d.worker.Pause(ctx, reason) })
}

// Resume ends a pause.
func (d *destination) Resume(ctx context.Context) error {
	return d.decide(ctx, d.name, func(d *destination) error { return d.worker.Resume(ctx) })
}

// Wake tells the worker that something may be due.
func (d *destination) Wake() { d.worker.Wake() }

// ledger is the journal as one destination's quota sees it.
type ledger struct {
	journal     journal.Operator
	destination string
}

var _ quota.Ledger = ledger{}

// Reserve remembers calls that are about to be made.
func (l ledger) Reserve(ctx context.Context, r journal.Reservation) error {
	return l.journal.Reserve(ctx, l.destination, r)
}

// Reserved gives the calls that were reserved after a time.
func (l ledger) Reserved(ctx context.Context, after time.Time) ([]journal.Reservation, error) {
	return l.journal.Reserved(ctx, l.destination, after)
}
