package sqlite

import (
	"time"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/journal"
)

// route makes an accepted event pending at its destinations.
func (s *session) route(rec *record, routes []journal.Route) error {
	for _, r := range routes {
		destination, err := s.destination(r.Destination)
		if err != nil {
			return err
		}
		err = s.pushNew(&pending{destination, rec.customer.id, rec.id, rec.id, r.Lane, rec.accepted})
		if err != nil {
			return err
		}
	}
	return nil
}

// pushNew makes an event pending where it never was.
func (s *session) pushNew(p *pending) error {
	s.moved(p.destination, "", journal.StatePending)
	return s.push(p)
}

// destination gives a destination's number and makes it known.
func (s *session) destination(name string) (int64, error) {
	id, err := s.name(name)
	if err != nil {
		return 0, err
	}
	if s.known[id] {
		return id, nil
	}
	s.known[id] = true
	return id, s.exec(`INSERT INTO destinations (id, state) VALUES (?, '') ON CONFLICT DO NOTHING`, id)
}

// pending is one event of a customer that a destination has not ended.
type pending struct {
	destination, customer int64
	// place orders the customer's events: the event's own number, or a later one
	// for an event that was queued again.
	place, event int64
	lane         connector.Lane
	since        time.Time
}

// push makes an event pending and its customer waiting.
func (s *session) push(p *pending) error {
	err := s.exec(`INSERT INTO pending (destination, customer, place, event, lane, since) VALUES (?, ?, ?, ?, ?, ?)`,
		p.destination, p.customer, p.place, p.event, int(p.lane), p.since)
	if err != nil {
		return err
	}
	q, err := s.queued(p.destination, p.customer)
	if err != nil {
		return err
	}
	was := *q
	q.add(p)
	return s.requeue(&was, q)
}

// queued is the row of a customer with something pending.
type queued struct {
	destination, customer int64
	// events counts what is pending, threads what of it is of the thread.
	events, threads int64
	// held says that the customer is kept back until due.
	held     bool
	due      time.Time
	since    time.Time
	attempts int64
	stuck    time.Duration
}

// lane is the thread's while anything of the thread is pending.
func (q *queued) lane() int {
	if q.threads > 0 {
		return int(connector.LaneThread)
	}
	return int(connector.LaneState)
}

func (q *queued) add(p *pending) {
	if q.events == 0 || p.since.Before(q.since) {
		q.since = p.since
	}
	q.events++
	if p.lane == connector.LaneThread {
		q.threads++
	}
	if !q.held {
		q.due = q.since
	}
}

// queued gives a customer's row, an empty one where nothing is pending.
func (s *session) queued(destination, customer int64) (*queued, error) {
	q := &queued{destination: destination, customer: customer}
	_, err := s.one(func(r row) {
		q.events, q.threads, q.held, q.due = r.int(0), r.int(1), r.bool(2), r.time(3)
		q.since, q.attempts, q.stuck = r.time(4), r.int(5), r.dur(6)
	}, `SELECT events, threads, held, due, since, attempts, stuck
		FROM queue WHERE destination = ? AND customer = ?`, destination, customer)
	return q, err
}

// requeue writes a customer's row after a change. The index is left alone where
// its columns are as they were, which is so for most events.
func (s *session) requeue(was, q *queued) error {
	switch {
	case *was == *q || (was.events == 0 && q.events == 0):
		return nil
	case q.events == 0:
		s.count(q.destination, countCustomers, -1)
		return s.exec(`DELETE FROM queue WHERE destination = ? AND customer = ?`, q.destination, q.customer)
	case was.events == 0:
		s.count(q.destination, countCustomers, 1)
		return s.exec(`INSERT INTO queue
				(destination, customer, events, threads, held, lane, due, since, attempts, stuck)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, q.destination, q.customer,
			q.events, q.threads, q.held, q.lane(), q.due, q.since, q.attempts, q.stuck)
	case was.held == q.held && was.lane() == q.lane() && was.due.Equal(q.due):
		return s.exec(`UPDATE queue SET events = ?, threads = ?, since = ?, attempts = ?, stuck = ?
			WHERE destination = ? AND customer = ?`,
			q.events, q.threads, q.since, q.attempts, q.stuck, q.destination, q.customer)
	}
	return s.exec(`UPDATE queue SET events = ?, threads = ?, held = ?, lane = ?, due = ?, since = ?, attempts = ?, stuck = ?
		WHERE destination = ? AND customer = ?`,
		q.events, q.threads, q.held, q.lane(), q.due, q.since, q.attempts, q.stuck, q.destination, q.customer)
}

// pull takes an event out of what is pending and reports its lane; ok is false
// when it was not pending there.
func (s *session) pull(q *queued, place int64) (lane connector.Lane, ok bool, err error) {
	ok, err = s.one(func(r row) { lane = connector.Lane(r.int(0)) },
		`DELETE FROM pending WHERE destination = ? AND customer = ? AND place = ? RETURNING lane`,
		q.destination, q.customer, place)
	if err != nil || !ok {
		return lane, ok, err
	}
	q.events--
	if lane == connector.LaneThread {
		q.threads--
	}
	return lane, true, nil
}

// oldest brings the row's age up to date after events have gone.
func (s *session) oldest(q *queued) error {
	if q.events == 0 {
		return nil
	}
	_, err := s.one(func(r row) { q.since = r.time(0) },
		`SELECT since FROM pending WHERE destination = ? AND customer = ? ORDER BY place LIMIT 1`,
		q.destination, q.customer)
	if err == nil && !q.held {
		q.due = q.since
	}
	return err
}
