package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/journal"
)

// longestHold bounds, when a destination is opened, how long what failed before
// waits from then on. A clock that was ahead has written times that may not come
// for days; one trial too early is the lesser evil.
const longestHold = 15 * time.Minute

// Open gives the destination's remembered state and makes the destination known.
func (j *Journal) Open(ctx context.Context, destination string) (journal.DestinationState, error) {
	var state journal.DestinationState
	err := j.group.do(ctx, false, func(s *session) error {
		state = journal.DestinationState{}
		id, err := s.destination(destination)
		if err != nil {
			return err
		}
		limit := s.now().Add(longestHold)
		err = s.exec(`UPDATE queue SET due = ? WHERE destination = ? AND held = 1 AND due > ?`, limit, id, limit)
		if err != nil {
			return err
		}
		var text string
		_, err = s.one(func(r row) { text = r.text(0) }, `SELECT state FROM destinations WHERE id = ?`, id)
		if err != nil || text == "" {
			return err
		}
		if err := json.Unmarshal([]byte(text), &state); err != nil {
			return err
		}
		if state.Retry.After(limit) {
			state.Retry = limit
		}
		return nil
	})
	return state, said("open destination "+destination, err)
}

// Write makes one synced commit of all that a delta says, or nothing.
func (j *Journal) Write(ctx context.Context, destination string, d *journal.Delta) error {
	err := j.group.do(ctx, false, func(s *session) error {
		id, err := s.destination(destination)
		if err != nil {
			return err
		}
		w := writing{session: s, destination: id, touched: map[int64]*touched{}}
		return w.all(d)
	})
	return said("record a round at "+destination, err)
}

// writing is one delta on its way into the tables.
type writing struct {
	*session
	destination int64
	// touched holds the customers whose queue rows change, each written once.
	touched map[int64]*touched
}

type touched struct{ was, is *queued }

// all writes the parts of a delta in the order that their meaning needs.
func (w *writing) all(d *journal.Delta) error {
	for _, part := range []func(*journal.Delta) error{
		w.pins, w.settle, w.linked, w.revive, w.outcomes, w.postpone, w.unknown, w.release, w.state,
	} {
		if err := part(d); err != nil {
			return err
		}
	}
	return w.queues()
}

func (w *writing) pins(d *journal.Delta) error {
	for _, event := range slices.Sorted(maps.Keys(d.Pin)) {
		if d.Pin[event] == nil {
			if err := w.exec(`DELETE FROM pins WHERE event = ? AND destination = ?`, event, w.destination); err != nil {
				return err
			}
			continue
		}
		err := w.exec(`INSERT INTO pins (event, destination, mapped) VALUES (?, ?, ?)
			ON CONFLICT DO UPDATE SET mapped = excluded.mapped`, event, w.destination, d.Pin[event])
		if err != nil {
			return err
		}
	}
	return nil
}

// settle writes new intents after it has removed the settled ones, so that one
// key can be settled and intended again.
func (w *writing) settle(d *journal.Delta) error {
	for _, k := range d.Settle {
		kind, err := kindCode(k.Kind)
		if err != nil {
			return err
		}
		err = w.exec(`DELETE FROM intents WHERE destination = ? AND customer = ? AND kind = ? AND key = ?`,
			w.destination, k.Customer, kind, k.Key)
		if err != nil {
			return err
		}
	}
	for i := range d.Intend {
		if err := w.intend(&d.Intend[i]); err != nil {
			return err
		}
	}
	return nil
}

func (w *writing) intend(in *journal.Intent) error {
	kind, err := kindCode(in.Link.Kind)
	if err != nil {
		return err
	}
	link, err := json.Marshal(in.Link)
	if err != nil {
		return err
	}
	return w.exec(`INSERT OR REPLACE INTO intents
			(destination, customer, kind, key, event, link, deadline, settled, job, repeats, held)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, w.destination, in.Link.Customer, kind, in.Link.Key,
		in.Event, string(link), in.Deadline, in.Settled, in.Job, in.Repeats, in.Held)
}

func (w *writing) linked(d *journal.Delta) error {
	for i := range d.Link {
		if err := w.link(w.destination, &d.Link[i]); err != nil {
			return err
		}
	}
	for _, k := range d.Unlink {
		if err := w.unlink(w.destination, k); err != nil {
			return err
		}
	}
	return nil
}

// queue gives a customer's row, to be written at the end.
func (w *writing) queue(customer int64) (*queued, error) {
	if t := w.touched[customer]; t != nil {
		return t.is, nil
	}
	q, err := w.queued(w.destination, customer)
	if err != nil {
		return nil, err
	}
	was := *q
	w.touched[customer] = &touched{was: &was, is: q}
	return q, nil
}

// ended is what the tables say of an event's end at the destination.
type ended struct {
	found bool
	state journal.State
	lane  connector.Lane
	place int64
}

func (s *session) ended(destination, event int64) (e ended, err error) {
	e.found, err = s.one(func(r row) {
		e.state, e.lane, e.place = stateOf(r.int(0)), connector.Lane(r.int(1)), r.int(2)
	}, `SELECT state, lane, place FROM outcomes WHERE event = ? AND destination = ?`, event, destination)
	if !e.found {
		e.place = event
	}
	return e, err
}

func (w *writing) outcomes(d *journal.Delta) error {
	for i := range d.Outcomes {
		if err := w.outcome(&d.Outcomes[i]); err != nil {
			return fmt.Errorf("event %d: %w", d.Outcomes[i].Event, err)
		}
	}
	return nil
}

// outcome ends an event. An event that has ended already, such as a dead letter
// that is discarded, has only the later end.
func (w *writing) outcome(o *journal.Outcome) error {
	if o.State == journal.StatePending {
		return fmt.Errorf("state %q is no end", o.State)
	}
	before, err := w.ended(w.destination, o.Event)
	if err != nil {
		return err
	}
	q, err := w.queue(o.Customer)
	if err != nil {
		return err
	}
	lane, was, err := w.pull(q, before.place)
	if err != nil {
		return err
	}
	switch {
	case was:
		before.lane, before.state = lane, journal.StatePending
	case !before.found || before.state == journal.StatePending:
		return fmt.Errorf("is not pending for customer %d", o.Customer)
	}
	w.moved(w.destination, before.state, o.State)
	return w.writeOutcome(o, before.lane)
}

func (w *writing) writeOutcome(o *journal.Outcome, lane connector.Lane) error {
	code, err := stateCode(o.State)
	if err != nil {
		return err
	}
	rule, err := w.name(o.Rule)
	if err != nil {
		return err
	}
	err = w.exec(`INSERT OR REPLACE INTO outcomes (event, destination, state, lane, place, rule, at)
		VALUES (?, ?, ?, ?, 0, ?, ?)`, o.Event, w.destination, code, int(lane), rule, o.At)
	if err != nil {
		return err
	}
	err = w.exec(`DELETE FROM pins WHERE event = ? AND destination = ?`, o.Event, w.destination)
	if err != nil {
		return err
	}
	return w.writeReason(o)
}

func (w *writing) writeReason(o *journal.Outcome) error {
	if o.Code == "" && o.Reason == "" && o.State != journal.StateDead {
		return w.exec(`DELETE FROM reasons WHERE event = ? AND destination = ?`, o.Event, w.destination)
	}
	return w.exec(`INSERT OR REPLACE INTO reasons (event, destination, code, reason) VALUES (?, ?, ?, ?)`,
		o.Event, w.destination, o.Code, o.Reason)
}

// revive makes dead letters pending again at the place of their event.
func (w *writing) revive(d *journal.Delta) error {
	for _, k := range d.Revive {
		before, err := w.ended(w.destination, k.Event)
		if err != nil {
			return err
		}
		if before.state != journal.StateDead {
			continue
		}
		overtaken, err := w.number(`SELECT count(*) FROM intents WHERE destination = ? AND customer = ? AND event > ?`,
			w.destination, k.Customer, k.Event)
		if err != nil {
			return err
		}
		if overtaken > 0 {
			continue
		}
		if err := w.reviveOne(k, before.lane); err != nil {
			return err
		}
	}
	return nil
}

func (w *writing) reviveOne(k journal.PendingKey, lane connector.Lane) error {
	q, err := w.queue(k.Customer)
	if err != nil {
		return err
	}
	p := pending{w.destination, k.Customer, k.Event, k.Event, lane, w.now()}
	_, err = w.one(func(r row) { p.since = r.time(0) }, `SELECT accepted FROM events WHERE id = ?`, k.Event)
	if err != nil {
		return err
	}
	if err := w.forgetOutcome(k.Event); err != nil {
		return err
	}
	err = w.exec(`INSERT INTO pending (destination, customer, place, event, lane, since) VALUES (?, ?, ?, ?, ?, ?)`,
		p.destination, p.customer, p.place, p.event, int(p.lane), p.since)
	if err != nil {
		return err
	}
	q.add(&p)
	w.moved(w.destination, journal.StateDead, journal.StatePending)
	return nil
}

func (w *writing) forgetOutcome(event int64) error {
	err := w.exec(`DELETE FROM outcomes WHERE event = ? AND destination = ?`, event, w.destination)
	if err != nil {
		return err
	}
	return w.exec(`DELETE FROM reasons WHERE event = ? AND destination = ?`, event, w.destination)
}

// postpone moves pending events to the state lane.
func (w *writing) postpone(d *journal.Delta) error {
	for _, k := range d.Defer {
		before, err := w.ended(w.destination, k.Event)
		if err != nil {
			return err
		}
		moved, err := w.changed(`UPDATE pending SET lane = ?
			WHERE destination = ? AND customer = ? AND place = ? AND lane <> ?1`,
			int(connector.LaneState), w.destination, k.Customer, before.place)
		if err != nil {
			return err
		}
		if !moved {
			continue
		}
		q, err := w.queue(k.Customer)
		if err != nil {
			return err
		}
		q.threads--
	}
	return nil
}

func (w *writing) unknown(d *journal.Delta) error {
	for _, u := range d.Unknown {
		kind, err := kindCode(u.Kind)
		if err != nil {
			return err
		}
		err = w.exec(`INSERT INTO unknown (destination, customer, kind, key, event, decision, at)
			VALUES (?, ?, ?, ?, ?, ?, ?)`, w.destination, u.Customer, kind, u.Key, u.Event, string(u.Decision), u.At)
		if err != nil {
			return err
		}
		w.count(w.destination, countUnknown, 1)
	}
	return nil
}

func (w *writing) release(d *journal.Delta) error {
	for _, r := range d.Release {
		q, err := w.queue(r.Customer)
		if err != nil {
			return err
		}
		q.held = !r.NotBefore.IsZero()
		q.due = r.NotBefore
		q.attempts, q.stuck = int64(r.Attempts), r.StuckSince
	}
	return nil
}

func (w *writing) state(d *journal.Delta) error {
	if d.State == nil {
		return nil
	}
	text, err := json.Marshal(d.State)
	if err != nil {
		return err
	}
	return w.exec(`UPDATE destinations SET state = ? WHERE id = ?`, string(text), w.destination)
}

// queues writes the rows of all customers that the delta touched.
func (w *writing) queues() error {
	for _, customer := range slices.Sorted(maps.Keys(w.touched)) {
		t := w.touched[customer]
		if err := w.oldest(t.is); err != nil {
			return err
		}
		if err := w.requeue(t.was, t.is); err != nil {
			return err
		}
	}
	return nil
}
