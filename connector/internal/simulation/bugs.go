package simulation

import (
	"context"
	"slices"
	"time"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/journal"
)

// Bugs are mistakes that engines of this kind make. Each stands between the
// engine and the journal or the CRM and undoes one of the precautions; the
// simulation must notice every one, or it proves nothing.
func Bugs() []Bug {
	return []Bug{
		{Name: "no intent before a create", Journal: deltas(func(d *journal.Delta) { d.Intend = nil })},
		{Name: "recorded before it was applied", Journal: deltas(recordEarly)},
		{Name: "partial failure ignored", Adapter: results(ignorePartial)},
		{Name: "absence trusted too early", Profile: func(p *Profile) {
			p.Contact.Settling, p.Ticket.Settling, p.Comment.Settling = 0, 0, 0
		}},
		{Name: "index lag forgotten", Profile: func(p *Profile) {
			p.forgetLag = true
		}},
		{Name: "high-water mark instead of a pending set", Journal: func(j journal.Journal) journal.Journal {
			return &highWater{Journal: j, done: map[int64]int64{}}
		}},
		{Name: "unknown end taken as nothing happened", Adapter: results(func(e *connector.Error) *connector.Error {
			if e.Ending == connector.Ambiguous {
				return &connector.Error{Ending: connector.Retry, Op: e.Op, Code: e.Code}
			}
			return e
		})},
		{Name: "stale ticket taken as refused", Adapter: results(func(e *connector.Error) *connector.Error {
			if e.Ending == connector.Stale {
				return &connector.Error{Ending: connector.Refused, Op: e.Op, Code: "stale"}
			}
			return e
		})},
		{Name: "whole batch refused for one record", Adapter: blameAll},
		{Name: "newest first", Journal: claims(func(c *journal.Claim) {
			slices.Reverse(c.Events)
			for i := range c.Events {
				c.Events[i].After = 1 << 40
			}
		})},
		{Name: "links forgotten", Journal: func(j journal.Journal) journal.Journal { return &forgetful{j} }},
		{Name: "open intents not looked at", Journal: claims(func(c *journal.Claim) { c.Intents = nil })},
		{Name: "mapped anew at the second attempt", Journal: claims(func(c *journal.Claim) {
			for i := range c.Events {
				c.Events[i].Pinned = nil
			}
		})},
		{Name: "one outcome for all that was claimed", Journal: func(j journal.Journal) journal.Journal {
			return &hasty{Journal: j}
		}},
		{Name: "fields of a lost update taken as unwritten", Journal: deltas(func(d *journal.Delta) {
			d.Intend = slices.DeleteFunc(d.Intend, func(in journal.Intent) bool { return in.Link.ID != "" })
		})},
	}
}

// meddler changes what goes between the engine and the journal.
type meddler struct {
	journal.Journal
	delta func(*journal.Delta)
	claim func(*journal.Claim)
}

func deltas(f func(*journal.Delta)) func(journal.Journal) journal.Journal {
	return func(j journal.Journal) journal.Journal { return &meddler{Journal: j, delta: f} }
}

func claims(f func(*journal.Claim)) func(journal.Journal) journal.Journal {
	return func(j journal.Journal) journal.Journal { return &meddler{Journal: j, claim: f} }
}

func (m *meddler) Write(ctx context.Context, destination string, d *journal.Delta) error {
	if m.delta != nil {
		m.delta(d)
	}
	return m.Journal.Write(ctx, destination, d)
}

func (m *meddler) Claim(ctx context.Context, c journal.ClaimRequest) ([]journal.Claim, error) {
	out, err := m.Journal.Claim(ctx, c)
	for i := range out {
		if m.claim != nil {
			m.claim(&out[i])
		}
	}
	return out, err
}

// recordEarly ends the events of a create when its intent is written.
func recordEarly(d *journal.Delta) {
	for _, in := range d.Intend {
		if in.Link.ID == "" && in.Link.Kind == connector.KindComment {
			key := journal.PendingKey{Customer: in.Link.Customer, Event: in.Event}
			ended := func(o journal.Outcome) bool { return o.PendingKey == key }
			if !slices.ContainsFunc(d.Outcomes, ended) {
				d.Outcomes = append(d.Outcomes, journal.Outcome{PendingKey: key, State: journal.StateDelivered, At: time.Now()})
			}
		}
	}
}

// highWater claims nothing below what was done.
type highWater struct {
	journal.Journal
	done map[int64]int64
}

func (h *highWater) Write(ctx context.Context, destination string, d *journal.Delta) error {
	for _, o := range d.Outcomes {
		h.done[0] = max(h.done[0], o.Event)
	}
	return h.Journal.Write(ctx, destination, d)
}

func (h *highWater) Claim(ctx context.Context, c journal.ClaimRequest) ([]journal.Claim, error) {
	out, err := h.Journal.Claim(ctx, c)
	for i := range out {
		out[i].Events = slices.DeleteFunc(out[i].Events, func(s journal.Stored) bool { return s.Event.ID < h.done[0] })
	}
	return slices.DeleteFunc(out, func(c journal.Claim) bool { return len(c.Events) == 0 }), err
}

// forgetful knows of no comment that was added before.
type forgetful struct{ journal.Journal }

func (f *forgetful) Links(ctx context.Context, destination string, keys []journal.LinkKey) ([]journal.Link, error) {
	out, err := f.Journal.Links(ctx, destination, keys)
	return slices.DeleteFunc(out, func(l journal.Link) bool { return l.Kind == connector.KindComment }), err
}

// hasty ends everything that was claimed with the first outcome of a round.
type hasty struct {
	journal.Journal
	claimed []journal.PendingKey
}

func (h *hasty) Claim(ctx context.Context, c journal.ClaimRequest) ([]journal.Claim, error) {
	out, err := h.Journal.Claim(ctx, c)
	h.claimed = nil
	for _, c := range out {
		for _, s := range c.Events {
			h.claimed = append(h.claimed, journal.PendingKey{Customer: c.Customer.ID, Event: s.Event.ID})
		}
	}
	return out, err
}

func (h *hasty) Write(ctx context.Context, destination string, d *journal.Delta) error {
	if len(d.Release) > 0 && len(d.Outcomes) > 0 {
		var all []journal.Outcome
		for _, key := range h.claimed {
			all = append(all, journal.Outcome{PendingKey: key, State: journal.StateDelivered, At: time.Now()})
		}
		d.Outcomes, d.Defer = all, nil
	}
	return h.Journal.Write(ctx, destination, d)
}

// twister changes how the adapter's calls end.
type twister struct {
	connector.Adapter
	twist func(*connector.Error) *connector.Error
}

func results(f func(*connector.Error) *connector.Error) func(connector.Adapter) connector.Adapter {
	return func(a connector.Adapter) connector.Adapter { return &twister{a, f} }
}

func (t *twister) Apply(ctx context.Context, changes []connector.Change) ([]connector.Result, error) {
	out, err := t.Adapter.Apply(ctx, changes)
	if err != nil {
		return nil, t.twist(connector.AsError("apply", err))
	}
	for i := range out {
		out[i].Err = t.end(out[i].Err)
		for k := range out[i].Comments {
			m := &out[i].Comments[k]
			if m.Err = t.end(m.Err); m.Err == nil && m.ID == "" {
				m.ID = "unknown"
			}
		}
	}
	return out, nil
}

func (t *twister) end(e *connector.Error) *connector.Error {
	if e == nil {
		return nil
	}
	return t.twist(e)
}

// ignorePartial takes a comment that was not added for one that was.
func ignorePartial(e *connector.Error) *connector.Error {
	if e.Code == "locked" && e.Op == "add comment" || e.Text == "not tried" {
		return nil
	}
	return e
}

// blamer answers a batch that was refused whole with a refusal of each record.
type blamer struct{ connector.Adapter }

func blameAll(a connector.Adapter) connector.Adapter { return &blamer{a} }

func (b *blamer) Apply(ctx context.Context, changes []connector.Change) ([]connector.Result, error) {
	out, err := b.Adapter.Apply(ctx, changes)
	e := connector.AsError("apply", err)
	if e == nil || e.Ending != connector.Refused {
		return out, err
	}
	out = make([]connector.Result, len(changes))
	for i := range out {
		out[i].Err = e
	}
	return out, nil
}
