package config

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/crm-connector/crm-connector/connector"
)

// Open makes the destination's adapter. The error is [Problems].
func (d *Destination) Open(adapters map[string]connector.Constructor, deps connector.Deps) (connector.Adapter, error) {
	construct, ok := adapters[d.Adapter]
	if !ok {
		hint := suggest(d.Adapter, slices.Collect(maps.Keys(adapters)))
		var p Problems
		shown := d.shown
		if shown == "" {
			shown = quote(d.Adapter)
		}
		p.add(d.At("adapter"), hint, "there is no adapter %s", shown)
		return nil, p
	}
	adapter, err := construct(d.Settings, deps)
	if err == nil {
		return adapter, nil
	}
	if own, ok := errors.AsType[Problems](err); ok {
		return nil, own
	}
	return nil, d.settingsProblems(err)
}

// settingsProblems gives what an adapter found wrong with its settings, one
// problem for each error that it joined. An error that begins with a key and a
// colon is placed at that key.
func (d *Destination) settingsProblems(err error) Problems {
	var p Problems
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range joined.Unwrap() {
			p = append(p, d.settingsProblems(one)...)
		}
		return p
	}
	key, _, _ := strings.Cut(err.Error(), ":")
	p.add(d.Settings.place(key), "", "%s", err)
	return p
}

// CheckAdapters says what the adapters find wrong with their settings, of all
// destinations at once. Nothing is called: constructors do no I/O, and the
// client that they get here refuses.
func (c *Config) CheckAdapters(adapters map[string]connector.Constructor) error {
	var problems Problems
	deps := connector.Deps{HTTP: &http.Client{Transport: refusing{}}, Now: time.Now}
	for _, b := range c.All() {
		for i := range b.Destinations {
			d := &b.Destinations[i]
			if d.Adapter == "" {
				continue
			}
			_, err := d.Open(adapters, deps)
			if own, ok := errors.AsType[Problems](err); ok {
				problems = append(problems, own...)
			}
		}
	}
	return problems.err()
}

// Join puts the mistakes of several checks of one file into one error, in order.
// Other errors among them are kept.
func Join(errs ...error) error {
	var all Problems
	var others []error
	for _, err := range errs {
		if p, ok := errors.AsType[Problems](err); ok {
			all = append(all, p...)
		} else if err != nil {
			others = append(others, err)
		}
	}
	return errors.Join(append([]error{all.err()}, others...)...)
}

type refusing struct{}

func (refusing) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("the configuration is only being checked")
}
