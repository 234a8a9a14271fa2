package delivery

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/journal"
	"github.com/crm-connector/crm-connector/connector/internal/retry"
)

// record writes what became of the round in one commit: outcomes, links, what
// was written, and when each customer is due again. Whether the destination is
// to blame for a refusal is decided under the lock under which it is written.
func (r *round) record(ctx context.Context, err error) error {
	if err != nil {
		return err
	}
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	for _, h := range r.hands {
		r.judge(h)
		r.outcomes(h)
		r.release(h)
	}
	return r.insist(ctx)
}

// insist writes until there is space on the disk again: what the CRM has answered
// is known nowhere else.
func (r *round) insist(ctx context.Context) error {
	for {
		err := r.w.writeState(ctx, &r.delta)
		if !errors.Is(err, journal.ErrFull) || ctx.Err() != nil {
			return err
		}
		r.w.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-time.After(journalRest):
		}
		r.w.mu.Lock()
	}
}

// judge makes dead letters of the refused events, unless the destination was
// paused: then they are as innocent as those that were never sent.
func (r *round) judge(h *hand) {
	for _, s := range h.suspects {
		key := journal.PendingKey{Customer: h.customer.ID, Event: s.k.id()}
		if r.w.blames(s, key) {
			h.blamed = true
			continue // it stays pending
		}
		delete(r.w.solo, h.customer.ID)
		h.end(s.k, journal.StateDead, "", s.err.Code, s.err.Error(), r.now)
		r.w.Log.WithFields(map[string]any{"event": s.k.id(), "code": s.err.Code}).
			Warn("event refused; it is a dead letter now")
	}
	r.tooLong(h)
}

// tooLong gives the first event of a customer up that was stuck for a day in
// which the destination served others. The next one has a day of its own.
func (r *round) tooLong(h *hand) {
	if h.err == nil || !retry.GiveUp(h.claim.Attempts, h.claim.StuckSince, r.w.health.state.Served) {
		return
	}
	for _, k := range h.works {
		if k.live() {
			h.end(k, journal.StateDead, "", h.err.Code, "given up after a day in which others were served: "+h.err.Error(), r.now)
			h.progress = true
			return
		}
	}
}

// outcomes ends the events of which nothing is left to do, and moves those that
// only wait for a contact's batch to the state lane.
func (r *round) outcomes(h *hand) {
	open := map[int64]bool{}
	for _, t := range h.threads {
		for i := range t.segments {
			for _, id := range t.segments[i].Events {
				open[id] = true
			}
		}
	}
	for _, k := range h.works {
		if k.live() && k.folded {
			k.thread = open[k.id()]
			switch {
			case !k.thread && !k.contact:
				r.finished(h, k)
			case k.stored.Lane == connector.LaneThread && !h.halted() && r.waits(h, k):
				h.deferred = true
				r.delta.Defer = append(r.delta.Defer, journal.PendingKey{Customer: h.customer.ID, Event: k.id()})
			}
		}
	}
	r.ended(h)
}

// ended puts the outcomes that the journal does not have yet into the delta.
func (r *round) ended(h *hand) {
	for _, k := range h.works {
		if k.outcome == nil || k.recorded {
			continue
		}
		k.recorded = true
		r.delta.Outcomes = append(r.delta.Outcomes, *k.outcome)
		if f := r.w.Hooks.Outcome; f != nil {
			f(k.outcome.State)
		}
	}
}

// waits reports whether what is left of the event may wait in the state lane.
func (r *round) waits(h *hand, k *work) bool {
	if !k.thread {
		return true
	}
	for _, t := range h.threads {
		if t.account == k.event.Account {
			return !t.urgent
		}
	}
	return false
}

func (r *round) finished(h *hand, k *work) {
	if !k.touched && k.note != "" {
		rule := ""
		if len(k.mapped.Rules) > 0 {
			rule = k.mapped.Rules[0]
		}
		h.end(k, journal.StateSkipped, rule, "", k.note, r.now)
		return
	}
	h.end(k, journal.StateDelivered, "", "", "", r.now)
}

// release gives the customer back, due at once or held.
func (r *round) release(h *hand) {
	rel := journal.Release{Customer: h.customer.ID}
	rel.Attempts, rel.StuckSince = h.claim.Attempts+1, h.claim.StuckSince
	if h.claim.Attempts == 0 || h.progress {
		rel.Attempts, rel.StuckSince = 1, r.w.health.state.Served
	}
	switch {
	case h.blamed || (h.refused && r.stopped):
		// The destination is to blame. The next trial takes another customer, so
		// that one bad record cannot keep the destination paused.
		rel.NotBefore = r.now.Add(2 * trials.Bound(rel.Attempts))
	case h.err != nil && h.err.Ending == connector.Stale && rel.Attempts < 4:
		rel.NotBefore = r.now // look again at once
	case h.err != nil && h.err.Ending == connector.Broken:
		// The pause does the waiting, and a person can end it.
	case h.err != nil && h.whole:
		rel.NotBefore = r.now.Add(r.w.afterWhole(rel.Attempts, h.err.Wait))
	case h.err != nil:
		rel.NotBefore = r.now.Add(r.w.customerBackoff(rel.Attempts, h.err.Wait))
	case h.back && h.until.IsZero():
		rel.Attempts, rel.StuckSince = h.claim.Attempts, h.claim.StuckSince
	case !h.until.IsZero():
		rel.Attempts, rel.StuckSince, rel.NotBefore = h.claim.Attempts, h.claim.StuckSince, h.until
	case !h.moved():
		rel.NotBefore = r.now.Add(r.w.customerBackoff(rel.Attempts, 0)) // never in circles
	default:
		rel.Attempts, rel.StuckSince = 0, 0
	}
	r.delta.Release = append(r.delta.Release, rel)
}

// moved reports whether the round brought the customer any further.
func (h *hand) moved() bool {
	return h.progress || h.deferred || h.refused || slices.ContainsFunc(h.works, func(k *work) bool { return k.outcome != nil })
}
