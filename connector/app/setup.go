package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/config"
	"github.com/crm-connector/crm-connector/connector/internal/intake"
	"github.com/crm-connector/crm-connector/connector/internal/journal"
	"github.com/crm-connector/crm-connector/mappings"
)

// setup is everything that one configuration asks for. It is made whole before
// anything of it starts.
type setup struct {
	config       *config.Config
	generation   int
	sources      []intake.Source
	destinations []*destination
	byName       map[string]*destination
	// bySource are the destinations that take from a source.
	bySource     map[string][]*destination
	certificates *certificates
}

// prepare makes the parts of a configuration. All mistakes in the configuration
// and the adapters' settings are told at once.
func (a *App) prepare(c *config.Config, generation int) (*setup, error) {
	if err := c.CheckAdapters(a.options.Adapters); err != nil {
		return nil, err
	}
	s := &setup{
		config: c, generation: generation,
		byName: map[string]*destination{}, bySource: map[string][]*destination{},
	}
	for _, b := range c.All() {
		for i := range b.Sources {
			s.sources = append(s.sources, sourceOf(b.Name, &b.Sources[i]))
		}
		for i := range b.Destinations {
			d, err := a.newDestination(b.Name, &b.Destinations[i])
			if err != nil {
				return nil, err
			}
			s.destinations = append(s.destinations, d)
			s.byName[d.name] = d
			for _, source := range takesFrom(&b, &b.Destinations[i]) {
				s.bySource[source] = append(s.bySource[source], d)
			}
		}
	}
	var err error
	s.certificates, err = newCertificates(&c.TLS, a.log)
	return s, err
}

func sourceOf(business string, s *config.Source) intake.Source {
	out := intake.Source{
		Name: s.Name, Business: business, Path: s.Path, Account: s.Account, Placeholder: s.Placeholder,
	}
	for _, key := range s.Keys() {
		out.Secrets = append(out.Secrets, []byte(key.Reveal()))
	}
	return out
}

// takesFrom names the sources of a destination: all of its business unless it
// names some.
func takesFrom(b *config.Business, d *config.Destination) []string {
	if len(d.Sources) > 0 {
		return d.Sources
	}
	names := make([]string, len(b.Sources))
	for i := range b.Sources {
		names[i] = b.Sources[i].Name
	}
	return names
}

// loadMapping reads and checks a destination's mapping. The error is
// [mappings.Errors], or [config.Problems] when there is nothing to read.
func loadMapping(d *config.Destination) (*mappings.Mapping, error) {
	src, err := mappingSource(d.Mapping)
	if err != nil {
		hint := "built in are: " + strings.Join(mappings.BuiltinNames(), ", ")
		return nil, config.Problems{{Position: d.At("mapping"), Text: err.Error(), Hint: hint}}
	}
	m, err := mappings.Load(d.Mapping, src, mappings.Options{Zone: d.Timezone})
	if found, ok := errors.AsType[mappings.Errors](err); ok {
		// The first line is what the log says: it must be what is wrong.
		return nil, mappings.Errors(slices.DeleteFunc(found, func(p mappings.Problem) bool { return p.Warning }))
	}
	return m, err
}

func mappingSource(name string) ([]byte, error) {
	if builtin, ok := strings.CutPrefix(name, config.BuiltinMapping); ok {
		if src, ok := mappings.Builtin(builtin); ok {
			return src, nil
		}
		return nil, fmt.Errorf("no mapping %q ships inside", builtin)
	}
	src, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("mapping: %w", err)
	}
	return src, nil
}

// suits gives what an adapter needs and the mapping doesn't give.
func suits(m *mappings.Mapping, desc connector.Description) error {
	var wrong mappings.Errors
	for _, p := range m.Check(desc) {
		if !p.Warning {
			wrong = append(wrong, p)
		}
	}
	if len(wrong) > 0 {
		return wrong
	}
	return nil
}

// route says which destinations take an event. Receipts that a mapping makes
// thread changes of don't wait with the others.
func (s *setup) route(source string, e *connector.Event) []journal.Route {
	takers := s.bySource[source]
	routes := make([]journal.Route, 0, len(takers))
	for _, d := range takers {
		lane := e.Lane()
		if d.mapping.Threads(e.Type) {
			lane = connector.LaneThread
		}
		routes = append(routes, journal.Route{Destination: d.name, Lane: lane})
	}
	return routes
}

// open reads what the destinations must remember.
func (s *setup) open(ctx context.Context, j journal.Journal) error {
	for _, d := range s.destinations {
		if err := d.open(ctx, j); err != nil {
			return err
		}
	}
	return nil
}

func (s *setup) start() {
	for _, d := range s.destinations {
		d.start()
	}
}

// stop lets all destinations finish what is in flight.
func (s *setup) stop() {
	var all sync.WaitGroup
	for _, d := range s.destinations {
		all.Go(d.stop)
	}
	all.Wait()
}
