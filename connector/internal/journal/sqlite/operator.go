package sqlite

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/crm-connector/crm-connector/connector/internal/journal"
)

// requeueAtOnce bounds how many events are queued again before others, such as
// webhooks, have their turn.
const requeueAtOnce = 500

// Requeue makes events pending again, at the end of what is pending, a stretch
// in each commit.
func (j *Journal) Requeue(ctx context.Context, destination string, f journal.Filter) (int, error) {
	f.Destination = destination
	sr := search{Filter: f}
	found, err := j.endedOf(ctx, &sr)
	if err != nil {
		return 0, said("queue events again", err)
	}
	n := 0
	for keys := range slices.Chunk(found, requeueAtOnce) {
		done := 0
		err := j.group.do(ctx, false, func(s *session) error {
			var err error
			done, err = s.queueAgain(&sr, keys)
			return err
		})
		if err != nil {
			return n, said("queue events again", err)
		}
		n += done
	}
	return n, nil
}

// endedOf finds all events that the filter means, in their order of acceptance.
func (j *Journal) endedOf(ctx context.Context, sr *search) ([]journal.PendingKey, error) {
	var found []journal.PendingKey
	for begun := false; (!begun || sr.before != 0) && (sr.Limit <= 0 || len(found) < sr.Limit); begun = true {
		limit := readAtOnce
		if sr.Limit > 0 {
			limit = sr.Limit - len(found)
		}
		err := j.group.do(ctx, true, func(s *session) error {
			if !begun {
				if err := s.begin(sr); err != nil {
					return err
				}
			}
			page, err := s.stretch(sr, limit)
			for i := range page {
				found = append(found, page[i].Outcome.PendingKey)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	slices.Reverse(found)
	return found, nil
}

// queueAgain queues a stretch of events, but for those that have changed since
// they were found.
func (s *session) queueAgain(sr *search, keys []journal.PendingKey) (int, error) {
	n := 0
	for _, key := range keys {
		o, found, err := s.outcomeAt(key.Event, key.Customer, sr.destination)
		if err != nil {
			return 0, err
		}
		if !found || sr.State != "" && sr.State != o.State {
			continue
		}
		done, err := s.pushAgain(sr.destination, &o)
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
