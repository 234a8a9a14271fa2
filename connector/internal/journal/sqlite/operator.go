package sqlite

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/crm-connector/crm-connector/connector/internal/journal"
)

// Requeue makes events pending again, at the end of what is pending.
func (j *Journal) Requeue(ctx context.Context, destination string, f journal.Filter) (int, error) {
	f.Destination = destination
	n := 0
	err := j.group.do(ctx, false, func(s *session) error {
		var err error
		n, err = s.queueAgain(f)
		return err
	})
	if err != nil {
		return 0, said("queue events again", err)
	}
	return n, nil
}

// queueAgain finds all events that the filter means, and queues them in their
// order of acceptance.
func (s *session) queueAgain(f journal.Filter) (int, error) {
	sr := search{Filter: f}
	if err := s.begin(&sr); err != nil {
		return 0, err
	}
	var found []journal.Listed
	for sr.before != 0 && (f.Limit <= 0 || len(found) < f.Limit) {
		limit := readAtOnce
		if f.Limit > 0 {
			limit = f.Limit - len(found)
		}
		page, err := s.stretch(&sr, limit)
		if err != nil {
			return 0, err
		}
		found = append(found, page...)
	}
	slices.Reverse(found)
	n := 0
	for i := range found {
		done, err := s.pushAgain(sr.destination, &found[i].Outcome)
		if err != nil {
			return 0, err
		}
		if done {
			n++
		}
	}
	return n, nil
}

// pushAgain makes one ended event pending at the end of its customer's queue.
func (s *session) pushAgain(destination int64, o *journal.Outcome) (bool, error) {
	if o.State == journal.StatePending || o.State == journal.StateErased {
		return false, nil
	}
	before, err := s.ended(destination, o.Event)
	if err != nil {
		return false, err
	}
	s.last++
	now := s.now()
	err = s.push(&pending{destination, o.Customer, s.last, o.Event, before.lane, now})
	if err != nil {
		return false, err
	}
	code, err := stateCode(journal.StatePending)
	if err != nil {
		return false, err
	}
	err = s.exec(`UPDATE outcomes SET state = ?, place = ?, rule = 0, at = ? WHERE event = ? AND destination = ?`,
		code, s.last, now, o.Event, destination)
	if err != nil {
		return false, err
	}
	s.moved(destination, o.State, journal.StatePending)
	return true, s.exec(`DELETE FROM reasons WHERE event = ? AND destination = ?`, o.Event, destination)
}

// reservedFor is how long reservations are kept: past the longest quota, a day.
const reservedFor = 48 * time.Hour

// Reserve remembers calls that are about to be made.
func (j *Journal) Reserve(ctx context.Context, destination string, r journal.Reservation) error {
	if r.Calls < 0 {
		return errors.New("reserve calls: their number is negative")
	}
	err := j.group.do(ctx, false, func(s *session) error {
		id, err := s.destination(destination)
		if err != nil {
			return err
		}
		err = s.exec(`DELETE FROM reservations WHERE destination = ? AND until < ?`, id, r.At.Add(-reservedFor))
		if err != nil {
			return err
		}
		s.last++
		return s.exec(`INSERT INTO reservations (destination, until, id, at, calls) VALUES (?, ?, ?, ?, ?)`,
			id, r.Until, s.last, r.At, r.Calls)
	})
	return said("reserve calls", err)
}

// Reserved gives the reservations whose calls may have been made after a time,
// oldest first.
func (j *Journal) Reserved(ctx context.Context, destination string, after time.Time) ([]journal.Reservation, error) {
	var out []journal.Reservation
	err := j.group.do(ctx, true, func(s *session) error {
		id, err := s.nameOf(destination)
		if err != nil {
			return err
		}
		out = nil
		return s.each(func(r row) error {
			out = append(out, journal.Reservation{At: r.time(0), Until: r.time(1), Calls: int(r.int(2))})
			return nil
		}, `SELECT at, until, calls FROM reservations WHERE destination = ? AND until > ? ORDER BY until, id`, id, after)
	})
	return out, said("read reserved calls", err)
}
