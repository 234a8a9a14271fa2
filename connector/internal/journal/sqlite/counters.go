package sqlite

import (
	"cmp"
	"slices"

	"github.com/crm-connector/crm-connector/connector/internal/journal"
)

// counter names a sum that is kept with every commit, so that nobody has to
// count rows. Destination 0 is the journal as a whole.
type counter struct {
	destination int64
	name        string
}

// The counters beside the states of events.
const (
	countAccepted    = "accepted"
	countQuarantined = "quarantined"
	countCustomers   = "customers"
	countUnknown     = "unknown"
)

func (s *session) count(destination int64, name string, by int64) {
	s.counts[counter{destination, name}] += by
}

// moved counts an event that went from one state to another; the empty state
// is none.
func (s *session) moved(destination int64, from, to journal.State) {
	if from != "" {
		s.count(destination, string(from), -1)
	}
	if to != "" {
		s.count(destination, string(to), 1)
	}
}

// flush writes the counters and the highest number, at the end of a transaction.
func (s *session) flush() error {
	if err := s.flushCounts(); err != nil {
		return err
	}
	return s.exec(`UPDATE sequence SET last = ?1 WHERE last <> ?1`, s.last)
}

func (s *session) flushCounts() error {
	keys := make([]counter, 0, len(s.counts))
	for c, by := range s.counts {
		if by != 0 {
			keys = append(keys, c)
		}
	}
	slices.SortFunc(keys, func(a, b counter) int {
		return cmp.Or(cmp.Compare(a.destination, b.destination), cmp.Compare(a.name, b.name))
	})
	for _, c := range keys {
		err := s.exec(`INSERT INTO counters (destination, name, n) VALUES (?, ?, ?)
			ON CONFLICT DO UPDATE SET n = n + excluded.n`, c.destination, c.name, s.counts[c])
		if err != nil {
			return err
		}
	}
	clear(s.counts)
	return nil
}
