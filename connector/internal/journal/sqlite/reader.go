package sqlite

import (
	"context"
	"encoding/json"
	"math"
	"time"

	"github.com/crm-connector/crm-connector/connector/internal/identity"
	"github.com/crm-connector/crm-connector/connector/internal/journal"
)

// readAtOnce bounds how many rows a person's question looks at before others
// have their turn, and pageLimit what it is answered with at once.
const (
	readAtOnce = 2000
	pageLimit  = 1000
)

// Event gives an event with its outcomes, or journal.ErrNotFound.
func (j *Journal) Event(ctx context.Context, id int64) (journal.Stored, []journal.Outcome, error) {
	var st journal.Stored
	var outcomes []journal.Outcome
	err := j.group.do(ctx, true, func(s *session) error {
		found, err := s.stored(nil, `SELECT `+storedFields+` FROM events e
			LEFT JOIN customers c ON c.id = e.customer WHERE e.id = ?`, id)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return journal.ErrNotFound
		}
		st = found[0]
		outcomes, err = s.outcomesOf(id)
		return err
	})
	return st, outcomes, said("read event", err)
}

// outcomesOf gives what became of an event, by destination in the order in which
// those were made known.
func (s *session) outcomesOf(event int64) ([]journal.Outcome, error) {
	customer, err := s.number(`SELECT customer FROM events WHERE id = ?`, event)
	if err != nil {
		return nil, err
	}
	destinations, err := s.destinations()
	if err != nil {
		return nil, err
	}
	var out []journal.Outcome
	for _, d := range destinations {
		o, found, err := s.outcomeAt(event, customer, d)
		if err != nil {
			return nil, err
		}
		if found {
			out = append(out, o)
		}
	}
	return out, nil
}

func (s *session) destinations() ([]int64, error) {
	var out []int64
	err := s.each(func(r row) error {
		out = append(out, r.int(0))
		return nil
	}, `SELECT id FROM destinations ORDER BY id`)
	return out, err
}

// outcomeAt gives what became of an event at a destination; found is false when
// it was never meant for it.
func (s *session) outcomeAt(event, customer, destination int64) (o journal.Outcome, found bool, err error) {
	o.Event, o.Customer = event, customer
	var rule int64
	found, err = s.one(func(r row) {
		o.State, rule, o.At = stateOf(r.int(0)), r.int(1), r.time(2)
		o.Code, o.Reason = r.text(3), r.text(4)
	}, `SELECT o.state, o.rule, o.at, coalesce(r.code, ''), coalesce(r.reason, '')
		FROM outcomes o LEFT JOIN reasons r ON r.event = o.event AND r.destination = o.destination
		WHERE o.event = ? AND o.destination = ?`, event, destination)
	if err != nil {
		return o, false, err
	}
	if found {
		o.Rule, err = s.text(rule)
		return o, true, err
	}
	found, err = s.one(func(row) { o.State = journal.StatePending },
		`SELECT 1 FROM pending WHERE destination = ? AND customer = ? AND place = ?`, destination, customer, event)
	return o, found, err
}

// search walks the events that a filter can mean, newest first, a stretch at a
// time. What it holds is lost and found again between stretches.
type search struct {
	journal.Filter
	// before is the number below which the walk goes on, 0 when it is at its end.
	before int64
	// destination is 0 for the first one of each event.
	destination int64
	// customers are those whom the filter's customer can mean, one in a business,
	// as a JSON array; empty is everybody.
	customers string
}

// List gives events in order of acceptance, newest first.
func (j *Journal) List(ctx context.Context, f journal.Filter) ([]journal.Listed, error) {
	limit := f.Limit
	if limit <= 0 || limit > pageLimit {
		limit = pageLimit
	}
	sr := search{Filter: f}
	var out []journal.Listed
	for begun := false; len(out) < limit; begun = true {
		var page []journal.Listed
		err := j.group.do(ctx, true, func(s *session) error {
			if !begun {
				if err := s.begin(&sr); err != nil {
					return err
				}
			}
			var err error
			page, err = s.stretch(&sr, limit-len(out))
			return err
		})
		if err != nil {
			return nil, said("list events", err)
		}
		out = append(out, page...)
		if sr.before == 0 {
			break
		}
	}
	return out, nil
}

// begin finds where a search starts. A search for what nobody has heard of is at
// its end at once.
func (s *session) begin(sr *search) error {
	sr.before = math.MaxInt64
	if sr.Before > 0 {
		sr.before = sr.Before
	}
	if sr.Destination != "" {
		id, err := s.nameOf(sr.Destination)
		if err != nil {
			return err
		}
		if sr.destination = id; id == 0 {
			sr.before = 0
		}
	}
	if sr.Customer == "" {
		return nil
	}
	ids, err := s.customersNamed(sr.Customer)
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		sr.before = 0
		return nil
	}
	list, err := json.Marshal(ids)
	sr.customers = string(list)
	return err
}

// customersNamed finds whom a filter names, by key, number or user id, in every
// business.
func (s *session) customersNamed(name string) ([]int64, error) {
	const next = `SELECT coalesce(min(business), -1) FROM identities WHERE business > ?`
	var ids []int64
	business, err := s.number(next, -1)
	for err == nil && business >= 0 {
		var id int64
		if id, err = s.customerNamed(business, name); err != nil {
			break
		}
		if id != 0 {
			ids = append(ids, id)
		}
		business, err = s.number(next, business)
	}
	return ids, err
}

func (s *session) customerNamed(business int64, name string) (int64, error) {
	id, err := s.number(`SELECT id FROM customers WHERE business = ? AND key = ?`, business, name)
	for _, key := range []string{identity.PhoneKey(name), userPrefix + name} {
		if err == nil && id == 0 && key != "" {
			id, err = s.number(`SELECT customer FROM identities WHERE business = ? AND key = ?`, business, key)
		}
	}
	return id, err
}

// stretch looks at the search's next rows and gives those that it means.
func (s *session) stretch(sr *search, limit int) ([]journal.Listed, error) {
	ids, err := s.nextIDs(sr)
	if err != nil {
		return nil, err
	}
	var out []journal.Listed
	for _, id := range ids {
		if len(out) == limit {
			sr.before = out[limit-1].Event.ID
			break
		}
		l, fits, err := s.fits(sr, id)
		if err != nil {
			return nil, err
		}
		if fits {
			out = append(out, l)
		}
	}
	return out, nil
}

// nextIDs gives the numbers of the next events that the search has to look at,
// and moves it behind them. Dead letters and a customer's events are found
// without looking at others.
func (s *session) nextIDs(sr *search) ([]int64, error) {
	var ids []int64
	add := func(r row) error {
		ids = append(ids, r.int(0))
		return nil
	}
	var err error
	switch {
	case sr.before == 0:
	case sr.customers != "":
		err = s.each(add, `WITH RECURSIVE walk (id, previous) AS (
				SELECT id, previous FROM events WHERE id IN (
					SELECT last FROM customers WHERE id IN (SELECT value FROM json_each(?1)))
				UNION ALL SELECT e.id, e.previous FROM walk JOIN events e ON e.id = walk.previous
				ORDER BY 1 DESC)
			SELECT id FROM walk WHERE id < ?2 LIMIT ?3`, sr.customers, sr.before, readAtOnce)
	case sr.State == journal.StateDead:
		err = s.each(add, `SELECT DISTINCT event FROM reasons WHERE event < ? ORDER BY event DESC LIMIT ?`,
			sr.before, readAtOnce)
	default:
		err = s.each(add, `SELECT id FROM events WHERE id < ? ORDER BY id DESC LIMIT ?`, sr.before, readAtOnce)
	}
	sr.before = 0
	if len(ids) == readAtOnce {
		sr.before = ids[len(ids)-1]
	}
	return ids, err
}

// fits reads one event and reports whether the filter means it.
func (s *session) fits(sr *search, id int64) (l journal.Listed, fits bool, err error) {
	var customer int64
	var accepted time.Time
	_, err = s.one(func(r row) { customer, accepted = r.int(0), r.time(1) },
		`SELECT customer, accepted FROM events WHERE id = ?`, id)
	if err != nil || !sr.From.IsZero() && accepted.Before(sr.From) || !sr.To.IsZero() && !accepted.Before(sr.To) {
		return l, false, err
	}
	if l.Outcome, fits, err = s.outcomeFor(sr, id, customer); err != nil || !fits {
		return l, false, err
	}
	found, err := s.stored(nil, `SELECT `+storedFields+` FROM events e
		LEFT JOIN customers c ON c.id = e.customer WHERE e.id = ?`, id)
	if err != nil || len(found) == 0 {
		return l, false, err
	}
	l.Event = found[0].Event
	return l, true, nil
}

// outcomeFor gives the outcome that the filter asks for: at its destination, or
// the first of the event that has its state.
func (s *session) outcomeFor(sr *search, event, customer int64) (journal.Outcome, bool, error) {
	var all []journal.Outcome
	var err error
	if sr.destination != 0 {
		o, found, err := s.outcomeAt(event, customer, sr.destination)
		return o, err == nil && found && (sr.State == "" || sr.State == o.State), err
	}
	if all, err = s.outcomesOf(event); err != nil {
		return journal.Outcome{}, false, err
	}
	for _, o := range all {
		if sr.State == "" || sr.State == o.State {
			return o, true, nil
		}
	}
	none := journal.Outcome{PendingKey: journal.PendingKey{Customer: customer, Event: event}}
	return none, sr.State == "" && len(all) == 0, nil
}

// Destinations names every destination that the journal knows, in order.
func (j *Journal) Destinations(ctx context.Context) ([]string, error) {
	var out []string
	err := j.group.do(ctx, true, func(s *session) error {
		out = nil
		return s.each(func(r row) error {
			out = append(out, r.text(0))
			return nil
		}, `SELECT n.text FROM destinations d JOIN names n ON n.id = d.id ORDER BY n.text`)
	})
	return out, said("list the destinations", err)
}

// Quarantine gives quarantined elements, newest first.
func (j *Journal) Quarantine(ctx context.Context, limit int) ([]journal.QuarantinedElement, error) {
	if limit <= 0 || limit > pageLimit {
		limit = pageLimit
	}
	var out []journal.QuarantinedElement
	err := j.group.do(ctx, true, func(s *session) error {
		var err error
		out, err = s.quarantined(limit)
		return err
	})
	return out, said("list the quarantine", err)
}

func (s *session) quarantined(limit int) ([]journal.QuarantinedElement, error) {
	var out []journal.QuarantinedElement
	err := s.each(func(r row) error {
		out = append(out, journal.QuarantinedElement{
			ID: r.int(0), Source: r.text(1), At: r.time(2), Reason: r.text(3), Raw: r.blob(4), Size: int(r.int(5)),
		})
		return nil
	}, `SELECT q.id, coalesce(n.text, ''), q.at, q.reason, substr(q.raw, 1, ?), length(q.raw)
		FROM quarantine q LEFT JOIN names n ON n.id = q.source ORDER BY q.id DESC LIMIT ?`,
		journal.QuarantineShown, limit)
	return out, err
}

// Counts sums up a destination.
func (j *Journal) Counts(ctx context.Context, destination string) (journal.Counts, error) {
	out := journal.Counts{Events: map[journal.State]int64{}}
	err := j.group.do(ctx, true, func(s *session) error {
		id, err := s.nameOf(destination)
		if err != nil {
			return err
		}
		return s.sums(&out, id)
	})
	return out, said("count events", err)
}

func (s *session) sums(out *journal.Counts, destination int64) error {
	err := s.each(func(r row) error {
		n := r.int(2)
		switch name := r.text(1); {
		case r.int(0) == 0 && name == countAccepted:
			out.Accepted = n
		case r.int(0) == 0:
			out.Quarantined = n
		case name == countCustomers:
			out.Customers = n
		case name == countUnknown:
			out.Unknown = n
		default:
			out.Events[journal.State(name)] = n
		}
		return nil
	}, `SELECT destination, name, n FROM counters WHERE destination = 0 OR destination = ?`, destination)
	if err != nil {
		return err
	}
	if out.Intents, err = s.number(`SELECT count(*) FROM intents WHERE destination = ?`, destination); err != nil {
		return err
	}
	_, err = s.one(func(r row) { out.OldestPending = r.time(0) },
		`SELECT coalesce(min(since), 0) FROM queue WHERE destination = ?`, destination)
	return err
}
