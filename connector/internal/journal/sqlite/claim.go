package sqlite

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/journal"
)

// Waiting says what is pending.
func (j *Journal) Waiting(ctx context.Context, w journal.WaitingRequest) (journal.Waiting, error) {
	var out journal.Waiting
	err := j.group.do(ctx, true, func(s *session) error {
		destination, err := s.nameOf(w.Destination)
		if err == nil {
			out, err = s.waiting(destination, w)
		}
		return err
	})
	return out, said("see what is waiting", err)
}

func (s *session) waiting(destination int64, w journal.WaitingRequest) (out journal.Waiting, err error) {
	threads, err := s.due(destination, connector.LaneThread, w.Now, 1)
	if err != nil {
		return out, err
	}
	out.ThreadDue = len(threads) > 0
	if out.NextThread, err = s.next(destination, connector.LaneThread, w.Now); err != nil {
		return out, err
	}
	if out.NextState, err = s.next(destination, connector.LaneState, w.Now); err != nil {
		return out, err
	}
	states, err := s.due(destination, connector.LaneState, w.Now, w.Count)
	if err != nil {
		return out, err
	}
	out.States = min(len(states), w.Count)
	for i, c := range states {
		if i == 0 || c.since.Before(out.OldestState) {
			out.OldestState = c.since
		}
	}
	return out, nil
}

// next is when the next customer of a lane that is held back will be due.
func (s *session) next(destination int64, lane connector.Lane, now time.Time) (due time.Time, err error) {
	_, err = s.one(func(r row) { due = r.time(0) },
		`SELECT due FROM queue WHERE destination = ? AND held = 1 AND lane = ? AND due > ?
		ORDER BY due LIMIT 1`, destination, int(lane), now)
	return due, err
}

// candidate is a customer with something due.
type candidate struct {
	customer int64
	due      time.Time
	since    time.Time
	attempts int
	stuck    time.Duration
}

// due gives customers of a lane with something due, the longest due first: those
// that are not held, and those whose time has come. Of both it reads as many as
// are asked for, so its cost does not depend on how many wait.
func (s *session) due(destination int64, lane connector.Lane, now time.Time, limit int) ([]candidate, error) {
	var out []candidate
	add := func(r row) error {
		out = append(out, candidate{r.int(0), r.time(1), r.time(2), int(r.int(3)), r.dur(4)})
		return nil
	}
	err := s.each(add, `SELECT customer, due, since, attempts, stuck FROM queue
		WHERE destination = ? AND held = 0 AND lane = ? ORDER BY due, customer LIMIT ?`,
		destination, int(lane), limit)
	if err != nil {
		return nil, err
	}
	err = s.each(add, `SELECT customer, due, since, attempts, stuck FROM queue
		WHERE destination = ? AND held = 1 AND lane = ? AND due <= ? ORDER BY due, customer LIMIT ?`,
		destination, int(lane), now, limit)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(out, func(a, b candidate) int {
		return cmp.Or(a.due.Compare(b.due), cmp.Compare(a.customer, b.customer))
	})
	return out, nil
}

// Claim gives customers that have something due, oldest first.
func (j *Journal) Claim(ctx context.Context, c journal.ClaimRequest) ([]journal.Claim, error) {
	var out []journal.Claim
	err := j.group.do(ctx, true, func(s *session) error {
		var err error
		out, err = s.claim(c)
		return err
	})
	if err != nil {
		return nil, said("claim customers", err)
	}
	return out, nil
}

func (s *session) claim(c journal.ClaimRequest) ([]journal.Claim, error) {
	destination, err := s.nameOf(c.Destination)
	if err != nil {
		return nil, err
	}
	candidates, err := s.due(destination, c.Lane, c.Now, c.Customers+len(c.Busy))
	if err != nil {
		return nil, err
	}
	if c.Fresh {
		slices.SortStableFunc(candidates, func(a, b candidate) int { return cmp.Compare(a.attempts, b.attempts) })
	}
	var out []journal.Claim
	for _, next := range candidates {
		if len(out) >= c.Customers {
			break
		}
		if c.Busy[next.customer] {
			continue
		}
		claim, err := s.claimOne(destination, next, c.Events)
		if err != nil {
			return nil, err
		}
		out = append(out, claim)
	}
	return out, nil
}

// claimOne loads all that a round needs of one customer.
func (s *session) claimOne(destination int64, next candidate, limit int) (journal.Claim, error) {
	claim := journal.Claim{Attempts: next.attempts, StuckSince: next.stuck}
	var c customer
	if next.customer != 0 {
		if err := s.loadCustomer(&c, next.customer); err != nil {
			return claim, err
		}
	}
	claim.Customer = journal.Customer{ID: next.customer, Key: c.key, Identity: c.identity}
	var err error
	if claim.Events, err = s.pendingEvents(destination, next.customer, limit+1); err != nil {
		return claim, err
	}
	if len(claim.Events) > limit {
		claim.Events, claim.More = claim.Events[:limit], true
	}
	claim.Links, err = s.links(`WHERE destination = ? AND customer = ? AND class <= ?`,
		destination, next.customer, classCurrent)
	if err != nil {
		return claim, err
	}
	claim.Intents, err = s.intents(destination, next.customer)
	return claim, err
}

// pendingEvents gives a customer's pending events in their order.
func (s *session) pendingEvents(destination, customer int64, limit int) ([]journal.Stored, error) {
	return s.stored(func(r row, st *journal.Stored) {
		st.Lane = connector.Lane(r.int(storedColumns))
		if !r.null(storedColumns + 1) {
			st.Pinned = r.blob(storedColumns + 1)
		}
	}, `SELECT `+storedFields+`, p.lane, pins.mapped
		FROM pending p CROSS JOIN events e ON e.id = p.event
		LEFT JOIN customers c ON c.id = e.customer
		LEFT JOIN pins ON pins.event = p.event AND pins.destination = p.destination
		WHERE p.destination = ? AND p.customer = ? ORDER BY p.place LIMIT ?`, destination, customer, limit)
}
