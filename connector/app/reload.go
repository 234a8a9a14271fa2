package app

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/crm-connector/crm-connector/connector/config"
	"github.com/crm-connector/crm-connector/connector/internal/intake"
)

// reopenAfter is how long a reload waits when the journal can't be read.
const reopenAfter = time.Second

// Reload reads the configuration again and lets it take over whole: sources,
// secrets, destinations and mappings. When anything is wrong with it the old one
// stays whole, and log, metrics and status say why. Webhooks are taken all the
// while. Call it while the app runs.
func (a *App) Reload(ctx context.Context) error {
	a.reloads.Lock()
	defer a.reloads.Unlock()
	if a.options.Load == nil || a.intake == nil {
		return errors.New("reload: there is nothing to read again")
	}
	next, err := a.successor()
	if err != nil {
		a.console.ConfigRefused(err.Error())
		a.log.WithField("reason", firstLine(err)).WithField("generation", a.current.Load().generation).
			Error("the new configuration is refused; the old one stays")
		return err
	}
	a.replace(ctx, next)
	a.console.ConfigRefused("")
	a.log.WithField("generation", next.generation).Info("the new configuration is in use")
	return nil
}

func firstLine(err error) string {
	line, _, more := strings.Cut(err.Error(), "\n")
	if more {
		line += " …"
	}
	return line
}

func (a *App) allowReloads(in *intake.Intake) {
	a.reloads.Lock()
	defer a.reloads.Unlock()
	a.intake = in
}

// stopCurrent stops the destinations that run now, after a reload that is under
// way, and lets none begin.
func (a *App) stopCurrent() error {
	a.reloads.Lock()
	defer a.reloads.Unlock()
	a.intake = nil
	a.current.Load().stop()
	return nil
}

// successor makes the parts of the new configuration, and gives the webhooks to
// its sources as soon as nothing can be wrong any more.
func (a *App) successor() (*setup, error) {
	c, err := a.options.Load()
	if err != nil {
		return nil, err
	}
	old := a.current.Load()
	if fixed := unchangeable(old.config, c); len(fixed) > 0 {
		return nil, fixed
	}
	next, err := a.prepare(c, old.generation+1)
	if err != nil {
		return nil, err
	}
	return next, a.intake.Update(next.sources, next.route)
}

// unchangeable names what needs a restart.
func unchangeable(old, c *config.Config) config.Problems {
	var wrong config.Problems
	same := func(key string, is bool) {
		if !is {
			wrong = append(wrong, config.Problem{
				Position: c.At(key), Text: key + " can't change while the connector runs", Hint: "restart it",
			})
		}
	}
	same("listen", old.Listen == c.Listen)
	same("admin", old.Admin.Listen == c.Admin.Listen && slices.Equal(old.Admin.Hosts, c.Admin.Hosts))
	same("data", old.Data == c.Data)
	same("body_limit", old.BodyLimit == c.BodyLimit)
	same("tls", old.TLS.CertFile == c.TLS.CertFile && old.TLS.KeyFile == c.TLS.KeyFile &&
		reflect.DeepEqual(old.TLS.ACME.Domains, c.TLS.ACME.Domains) && old.TLS.ACME.Email == c.TLS.ACME.Email &&
		old.TLS.ACME.Cache == c.TLS.ACME.Cache)
	same("log", old.Log.Level == c.Log.Level && old.Log.Format == c.Log.Format)
	return wrong
}

// replace stops the old destinations and starts the new ones. There is no way
// back any more: while the journal can't be read it waits.
func (a *App) replace(ctx context.Context, next *setup) {
	a.takeover <- struct{}{}
	defer func() { <-a.takeover }()
	a.current.Load().stop()
	for {
		err := next.open(ctx, a.journal)
		if err == nil {
			break
		}
		a.log.WithError(err).Error("the destinations can't be opened; trying again")
		select {
		case <-ctx.Done():
			return
		case <-time.After(reopenAfter):
		}
	}
	next.start()
	a.current.Store(next)
	a.show(next)
}

// decide carries an operator's word out. During a reload it waits for the new
// destination: the old one's state has been handed on already.
func (a *App) decide(ctx context.Context, name string, do func(*destination) error) error {
	select {
	case a.takeover <- struct{}{}:
		defer func() { <-a.takeover }()
	case <-ctx.Done():
		return fmt.Errorf("wait for the reload: %w", ctx.Err())
	}
	d := a.current.Load().byName[name]
	if d == nil {
		return fmt.Errorf("destination %s: the configuration has none of that name any more", name)
	}
	return do(d)
}
