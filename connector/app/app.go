// Package app is the composition root: the one place that builds the engine's
// parts and joins them, and that knows in which order they start and stop.
//
// It decides nothing about events. Start with [New] and [App.Run], which reads
// from top to bottom; setup.go makes the parts of a configuration, reload.go
// replaces them while webhooks come in.
package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/config"
	"github.com/crm-connector/crm-connector/connector/internal/console"
	"github.com/crm-connector/crm-connector/connector/internal/intake"
	"github.com/crm-connector/crm-connector/connector/internal/journal"
	"github.com/crm-connector/crm-connector/connector/internal/journal/sqlite"
)

// Options are what an app is made of.
type Options struct {
	Config *config.Config
	// Adapters are the kinds of CRM, by the name that a destination's adapter
	// key has.
	Adapters map[string]connector.Constructor
	Log      logrus.FieldLogger
	// Version is shown to people and monitors.
	Version string

	// Listener and AdminListener take the place of the configuration's addresses
	// where they are given. The app closes them.
	Listener      net.Listener
	AdminListener net.Listener
	// Load reads the configuration again for a reload; nil means that there is
	// nothing to read.
	Load func() (*config.Config, error)
	// Ready, if not nil, is called once when webhooks are taken.
	Ready func()
}

// journalFile is the journal's name in the data directory.
const journalFile = "journal.db"

// App is a connector. Run it once.
type App struct {
	options Options
	log     logrus.FieldLogger
	console *console.Console

	journal journal.Journal
	current atomic.Pointer[setup]
	// reloads lets one reload happen at a time; intake is nil while none may.
	reloads sync.Mutex
	// takeover is held while new destinations take over, and while an operator's
	// word to one is carried out.
	takeover chan struct{}
	intake   *intake.Intake
}

// New checks the configuration and all that it names. It does no I/O but to read
// the mappings' and certificates' files. The error holds [config.Problems], all
// that is wrong with the configuration, or the first mapping's [mappings.Errors].
func New(o Options) (*App, error) {
	if o.Config == nil || o.Log == nil {
		return nil, errors.New("make the connector: a configuration and a log are needed")
	}
	a := &App{options: o, log: o.Log, takeover: make(chan struct{}, 1)}
	a.console = console.New(console.Options{Version: o.Version, Hosts: o.Config.Admin.Hosts, Log: o.Log})
	first, err := a.prepare(o.Config, 1)
	if err != nil {
		return nil, err
	}
	a.current.Store(first)
	return a, nil
}

// Config gives the configuration that is active.
func (a *App) Config() *config.Config { return a.current.Load().config }

// Run listens, opens the journal, serves until the context ends, and then stops
// everything in reverse: what is in flight is finished, within bounds. Webhooks
// that come while the journal opens wait in the listener.
func (a *App) Run(ctx context.Context) (err error) {
	began := time.Now()
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	var down teardown
	defer func() { err = errors.Join(err, down.drain()) }()
	first := a.current.Load()
	cfg := first.config

	hooks, err := listen(ctx, a.options.Listener, cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen for webhooks: %w", err)
	}
	down.add(closing(hooks))
	pages, err := listen(ctx, a.options.AdminListener, cfg.Admin.Listen)
	if err != nil {
		return fmt.Errorf("listen for the pages: %w", err)
	}
	admin := serve(pages, adminServer(a.console), fail)
	down.add(admin.stop)

	a.console.NotReady("the journal")
	kept, err := sqlite.Open(ctx, sqlite.Options{Path: filepath.Join(cfg.Data, journalFile), Log: a.log})
	if err != nil {
		return err
	}
	down.add(kept.Close)
	a.journal = kept

	a.console.NotReady("the destinations")
	if err := first.open(ctx, kept); err != nil {
		return err
	}
	taker, err := a.newIntake(first)
	if err != nil {
		return err
	}
	first.start()
	a.show(first)
	a.allowReloads(taker)
	down.add(a.stopCurrent)

	server := serve(secured(limit(hooks, maxConnections), &cfg.TLS, first.certificates), intake.Server(taker, a.log), fail)
	down.add(server.drain)
	a.console.Ready()
	a.log.WithFields(logrus.Fields{
		"listen": hooks.Addr().String(), "admin": pages.Addr().String(), "version": a.options.Version,
		"took": time.Since(began).Round(time.Millisecond).String(),
	}).Info("ready")
	if a.options.Ready != nil {
		a.options.Ready()
	}
	<-ctx.Done()
	a.console.NotReady("the stop")
	a.log.Info("stopping")
	return ended(ctx)
}

// ended gives what ended the run, nil when it was asked to.
func ended(ctx context.Context) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// newIntake makes the webhooks' way into the journal.
func (a *App) newIntake(s *setup) (*intake.Intake, error) {
	m := a.console.Metrics()
	return intake.New(intake.Options{
		Journal: waking{a.journal, a.wake}, Sources: s.sources, Route: s.route, Log: a.log,
		BodyLimit: int64(s.config.BodyLimit),
		Hooks:     intake.Hooks{Answered: m.Answered, Taken: m.Taken},
	})
}

// show lets the console see what runs now.
func (a *App) show(s *setup) {
	v := console.View{Journal: a.journal, Generation: s.generation, Loaded: time.Now()}
	for _, d := range s.destinations {
		v.Destinations = append(v.Destinations, d)
	}
	a.console.Show(v)
	a.warnOfRemoved(&v)
}

// warnOfRemoved tells of events that wait for a destination that nobody works.
func (a *App) warnOfRemoved(v *console.View) {
	removed, err := v.Removed(context.Background())
	if err != nil {
		a.log.WithError(err).Warn("the journal's destinations can't be read")
	}
	for _, d := range removed {
		a.log.WithField("destination", d.Name).WithField("events", d.Backlog).
			Warn("events wait for a destination that the configuration does not have; give one its old name to deliver them")
	}
}

// wake tells the destination's worker that something came for it.
func (a *App) wake(r journal.Route) {
	if d := a.current.Load().byName[r.Destination]; d != nil {
		d.wakeFor(r.Lane)
	}
}

// waking is the journal as the intake sees it: workers learn of what was accepted
// at once.
type waking struct {
	journal.Intake
	wake func(journal.Route)
}

// Append appends, and wakes those who have work by it.
func (w waking) Append(ctx context.Context, began journal.Mark, entries []journal.Entry) ([]journal.Receipt, error) {
	receipts, err := w.Intake.Append(ctx, began, entries)
	for i, r := range receipts {
		if r.Fate != journal.Accepted {
			continue
		}
		for _, route := range entries[i].Routes {
			w.wake(route)
		}
	}
	return receipts, err
}

// teardown is what was started, to be stopped in reverse.
type teardown []func() error

func (t *teardown) add(f func() error) { *t = append(*t, f) }

func (t *teardown) drain() error {
	var errs []error
	for _, stop := range slices.Backward(*t) {
		errs = append(errs, stop())
	}
	return errors.Join(errs...)
}
