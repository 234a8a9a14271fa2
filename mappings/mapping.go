package mappings

import (
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // a mapping must give the same dates on machines without a zone database

	"github.com/crm-connector/crm-connector/connector"
)

// Options are what a mapping takes from its destination.
type Options struct {
	// Zone is where times are shown that name no zone of their own; nil means UTC.
	Zone *time.Location
}

// Mapping is a loaded mapping. It is immutable and safe for concurrent use.
type Mapping struct {
	name       string
	file       string
	generation string
	policy     connector.Policy
	scope      *scope
	lets       []let
	paths      []path
	rules      []*rule
	// byType has the rules of every known type; others are looked for.
	byType   map[connector.EventType][]*rule
	warnings []Problem
	runs     sync.Pool
}

var _ connector.Mapper = (*Mapping)(nil)

// Load reads, checks and compiles a mapping. name is what the file is called in
// the positions of problems. The error, if any, is an [Errors] with all mistakes
// and warnings.
func Load(name string, src []byte, opts Options) (*Mapping, error) {
	zone := opts.Zone
	if zone == nil {
		zone = time.UTC
	}
	l := &loader{report: report{file: name}, source: newSource(src)}
	var m *Mapping
	if root := l.document(src); root != nil {
		m = l.mapping(root, strings.TrimSuffix(filepath.Base(name), filepath.Ext(name)), zone)
	}
	if m != nil {
		l.checkTogether(m)
	}
	problems, good := l.sorted()
	if !good {
		return nil, Errors(problems)
	}
	m.warnings = problems
	m.byType = map[connector.EventType][]*rule{}
	for _, t := range connector.EventTypes() {
		m.byType[t] = m.find(t)
	}
	m.runs.New = func() any { return newRun(m) }
	return m, nil
}

// Name is what the mapping calls itself, else its file's name.
func (m *Mapping) Name() string { return m.name }

// Warnings are what looks wrong and works all the same.
func (m *Mapping) Warnings() []Problem { return slices.Clone(m.warnings) }

// Policy is what the mapping decides for all its rules.
func (m *Mapping) Policy() connector.Policy { return m.policy }

// Generation names what the mapping means: its file without comments and layout.
func (m *Mapping) Generation() string { return m.generation }

// Threads reports whether events of the type may make thread changes.
func (m *Mapping) Threads(t connector.EventType) bool {
	return slices.ContainsFunc(m.rulesFor(t), func(r *rule) bool {
		return len(r.comments) > 0 || r.opens() || r.ticket != nil && r.ticket.sets(connector.FieldStatus)
	})
}

// sets reports whether the record's field is written whenever it changes.
func (r *record) sets(name string) bool {
	return slices.ContainsFunc(r.set, func(f *field) bool { return f.standard && f.name == name })
}

func (m *Mapping) rulesFor(t connector.EventType) []*rule {
	if rules, ok := m.byType[t]; ok {
		return rules
	}
	return m.find(t)
}

func (m *Mapping) find(t connector.EventType) []*rule {
	var rules []*rule
	for _, r := range m.rules {
		if r.takes(t) {
			rules = append(rules, r)
		}
	}
	return rules
}
