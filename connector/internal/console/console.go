// Package console is the connector's face to its operator: health checks,
// metrics, and the JSON API that pages and commands read.
//
// It shows what the journal and the destinations' workers say and passes on what
// a person decides; it decides nothing and keeps nothing. It has no password: the
// listener it is served on is for the machine itself or a private network, so it
// refuses pages of other sites, and masks phone numbers in lists.
//
// Start with [New] and [Console.Show]. routes.go has every address, and
// metrics.go every metric.
package console

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/journal"
)

// Journal is what the console asks of the journal.
type Journal interface {
	journal.Reader
	Requeue(ctx context.Context, destination string, f journal.Filter) (int, error)
}

// Destination is one destination as its operator sees it.
type Destination interface {
	// About says what it is, and Status how it is doing.
	About() About
	Status() Status
	// Pause stops deliveries until Resume, which ends any pause.
	Pause(ctx context.Context, reason string) error
	Resume(ctx context.Context) error
	// Wake tells the worker that something may be due.
	Wake()
}

// About is what a destination is.
type About struct {
	Name     string `json:"name"`
	Business string `json:"business"`
	Adapter  string `json:"adapter"`
	CRM      string `json:"crm"`
	Mapping  string `json:"mapping"`
}

// Status is how a destination is doing.
type Status struct {
	journal.DestinationState
	// Resting says until when calls wait after a failure.
	Resting time.Time
	// Generation is the mapping's that is in use.
	Generation string
	Quota      []Window
}

// Window is one limit of calls and what of it is used. Limit is our share, Worst
// the most that ever counted at once.
type Window struct {
	connector.Window
	Limit, Used, Worst int
	// Next is how long until there is room again, 0 when there is.
	Next time.Duration
}

// View is what there is to see. The console shows one at a time, and a reload
// replaces it whole.
type View struct {
	Journal      Journal
	Destinations []Destination
	// Generation counts the configurations that took effect, and Loaded is when
	// this one did.
	Generation int
	Loaded     time.Time
}

// Options are what a console is made of.
type Options struct {
	// Version is the build's, as people read it.
	Version string
	Log     logrus.FieldLogger
	// Hosts are the names besides addresses and localhost that it is asked by.
	Hosts []string
	// Now is the clock, time.Now when nil.
	Now func() time.Time
}

// Console is the handler of the admin listener.
type Console struct {
	version string
	hosts   []string
	log     logrus.FieldLogger
	nowFunc func() time.Time
	started time.Time
	metrics *Metrics
	handler http.Handler

	view atomic.Pointer[View]
	// waiting says what keeps the connector from being ready, "" when nothing
	// does; refused says why the last configuration did not take effect.
	waiting atomic.Pointer[string]
	refused atomic.Pointer[string]
}

var _ http.Handler = (*Console)(nil)

// New makes a console that has nothing to show yet.
func New(o Options) *Console {
	c := &Console{version: o.Version, hosts: o.Hosts, log: o.Log.WithField("component", "console"), nowFunc: o.Now}
	if c.nowFunc == nil {
		c.nowFunc = time.Now
	}
	c.started = c.nowFunc()
	c.view.Store(&View{})
	c.NotReady("starting")
	c.ConfigRefused("")
	c.metrics = newMetrics(c)
	c.handler = c.routes()
	return c
}

// ServeHTTP answers people and monitors.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.handler.ServeHTTP(w, r) }

// Metrics gives what the engine's parts tell of themselves to.
func (c *Console) Metrics() *Metrics { return c.metrics }

// Show replaces what there is to see.
func (c *Console) Show(v View) { c.view.Store(&v) }

// Ready says that webhooks are taken and destinations served.
func (c *Console) Ready() { c.NotReady("") }

// NotReady says what the connector is waiting for.
func (c *Console) NotReady(what string) { c.waiting.Store(&what) }

// ConfigRefused says why the newest configuration did not take effect; "" means
// that it did.
func (c *Console) ConfigRefused(why string) { c.refused.Store(&why) }

// destination finds a destination by its name.
func (c *Console) destination(name string) Destination {
	for _, d := range c.view.Load().Destinations {
		if d.About().Name == name {
			return d
		}
	}
	return nil
}
