package delivery

import (
	"context"
	"time"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/journal"
)

// settle finds out how the calls ended of which only the beginning is in the
// journal: the process was stopped in the middle, the answer got lost, or the
// CRM took a job. What turns out to be done is linked; an absence counts once the
// CRM can no longer be at work on the call, and then the create is done again.
// Until then the customer waits; not where the CRM knows our keys, since there a
// second create makes no second record.
func (r *round) settle(ctx context.Context) error {
	if err := r.settleKind(ctx, func(k connector.Kind) bool { return k != connector.KindComment }); err != nil {
		return err
	}
	return r.settleKind(ctx, func(k connector.Kind) bool { return k == connector.KindComment })
}

func (r *round) settleKind(ctx context.Context, of func(connector.Kind) bool) error {
	var asks []ask
	for _, h := range r.hands {
		for i := range h.claim.Intents {
			in := &h.claim.Intents[i]
			if h.halted() || !of(in.Link.Kind) {
				continue
			}
			if a, ok := r.question(h, in); ok {
				asks = append(asks, a)
			}
		}
	}
	sortAsks(asks)
	if err := r.findParents(ctx, asks); err != nil {
		return err
	}
	r.look(ctx, asks)
	return nil
}

// question is what to ask the CRM about an intent, if anything is to be asked.
func (r *round) question(h *hand, in *journal.Intent) (ask, bool) {
	if in.Job == "" && in.Link.ID != "" {
		r.echo(h, in)
		return ask{}, false
	}
	if in.Job == "" && r.creation(in) == connector.Blind {
		r.blind(h, in)
		return ask{}, false
	}
	ref := connector.Ref{Kind: in.Link.Kind, Key: in.Link.Key, ID: in.Link.ID, Job: in.Job}
	if ref.Kind == connector.KindContact {
		ref = h.contactRef()
		ref.ID, ref.Job = in.Link.ID, in.Job
	}
	if ref.Kind == connector.KindComment {
		ref.Body = h.body(in.Link.Key)
		ref.Parent = &connector.Ref{Kind: connector.KindTicket, Key: in.Link.Ticket}
	}
	return ask{h: h, ref: ref, take: func(o connector.Observation) { r.settled(h, in, o) }}, true
}

// blind takes in a create of which nothing can tell the end. A comment whose
// ticket is not there was not made either.
func (r *round) blind(h *hand, in *journal.Intent) {
	switch {
	case h.absent[in.Link.Ticket]:
		r.close(h, in)
	case r.now.Before(in.Settled):
		h.wait(in.Settled) // it may land yet, and nothing must come before it
	default:
		r.unknown(h, in)
	}
}

// echo takes in an update whose end is not known, or a create that was done again
// while the first one may still be carried out: until that is over, nothing newer
// is written that it could overwrite, and then all that it wrote is written again.
func (r *round) echo(h *hand, in *journal.Intent) {
	if r.now.Before(in.Settled) {
		h.echoes[in.Link.LinkKey] = in.Settled
	} else {
		r.close(h, in)
	}
	for _, l := range h.claim.Links {
		if l.LinkKey == in.Link.LinkKey {
			r.doubt(h, l, in.Link.Written)
		}
	}
}

// doubt forgets what was last written to those fields of a record that a call
// of unknown end wanted to change.
func (r *round) doubt(h *hand, l journal.Link, wanted map[string]journal.Written) {
	kept := map[string]journal.Written{}
	for name, v := range l.Written {
		if wanted[name] == v {
			kept[name] = v
		}
	}
	if len(kept) < len(l.Written) {
		l.Written = kept
		r.link(h, l)
	}
}

// creation is how a kind is protected from being made twice. A ticket's create
// that carries comments is only as safe as these are.
func (r *round) creation(in *journal.Intent) connector.Creation {
	c := r.w.desc.For(in.Link.Kind).Create
	if in.Link.Kind == connector.KindTicket && c == connector.Keyed && r.w.desc.Comment.Create != connector.Keyed {
		return connector.Found
	}
	return c
}

func (h *hand) body(comment string) string {
	for _, k := range h.works {
		if k.mapped == nil {
			continue
		}
		for _, c := range k.mapped.Comments {
			if c.Key == comment {
				return c.Body
			}
		}
	}
	return ""
}

// findParents gives the asks for comments the CRM's id of their ticket. A
// comment whose ticket was never made was not made either.
func (r *round) findParents(ctx context.Context, asks []ask) error {
	var keys []journal.LinkKey
	for i := range asks {
		if p := asks[i].ref.Parent; p != nil {
			keys = append(keys, journal.LinkKey{Customer: asks[i].h.customer.ID, Kind: connector.KindTicket, Key: p.Key})
		}
	}
	if len(keys) == 0 {
		return nil
	}
	links, err := r.w.Journal.Links(ctx, r.w.Destination, keys)
	if err != nil {
		return err
	}
	links = append(links, r.delta.Link...) // found a moment ago
	for i := range asks {
		if p := asks[i].ref.Parent; p != nil {
			for _, l := range links {
				if l.Kind == connector.KindTicket && l.Key == p.Key && l.Customer == asks[i].h.customer.ID {
					p.ID = l.ID
				}
			}
		}
	}
	return nil
}

// settled takes in what the CRM holds of an intent.
func (r *round) settled(h *hand, in *journal.Intent, o connector.Observation) {
	switch {
	case o.Err != nil && o.Err.Ending == connector.Pending:
		h.wait(r.now.Add(max(o.Err.Wait, jobPoll)))
	case o.Err != nil && o.Err.Ending == connector.Refused:
		r.close(h, in)
		if k := h.work(in.Event); k != nil && k.live() {
			r.unpin(h, in.Event)
			r.refuse(h, k, in.Link.Kind, o.Err)
		}
	case o.Err != nil && o.Err.Ending == connector.Stale:
		r.close(h, in)
		r.staleLink(h, in.Link, o.Err)
	case o.Err != nil:
		h.stop(o.Err)
	case o.Found:
		r.close(h, in)
		l := in.Link
		l.ID, l.URL, l.Condition, l.Seen = o.ID, o.URL, o.Condition, r.now
		r.link(h, l)
		r.w.succeeded(l.Kind, h.customer.ID, r.now)
	case in.Job == "" && r.creation(in) != connector.Keyed && r.now.Before(in.Settled):
		h.wait(r.lookAgain(in))
	default:
		r.again(h, in)
	}
}

// again lets a create be done again that is not there: as the same ticket, and
// with an eye on the first one where that may land yet.
func (r *round) again(h *hand, in *journal.Intent) {
	if in.Link.Kind == connector.KindTicket {
		h.begun[in.Link.Account], h.absent[in.Link.Key] = in.Link.Key, true
	}
	if in.Job == "" && r.now.Before(in.Settled) {
		h.echoes[in.Link.LinkKey] = in.Settled // its intent stays until another takes its place
		return
	}
	r.close(h, in)
}

// jobPoll is how soon a job is looked at again when the CRM does not say.
const jobPoll = 5 * time.Second

// lookAgain is when a create that is not there yet may be seen: once it had the
// time to show in the CRM's index, and at last when absence counts.
func (r *round) lookAgain(in *journal.Intent) time.Time {
	visible := in.Deadline.Add(r.w.desc.For(in.Link.Kind).Lag)
	if r.now.Before(visible) {
		return visible
	}
	return in.Settled
}

// maxRepeats bounds how often a create of unknown end is done again: a CRM that
// carries out what it answers with an error would get it without end.
const maxRepeats = 2

// unknown decides what follows a create of which nobody can know the end.
func (r *round) unknown(h *hand, in *journal.Intent) {
	k := h.work(in.Event)
	wanted := k != nil && k.live()
	switch {
	case in.Held && wanted: // a person has looked and retries the event
		r.close(h, in)
	case in.Held || (r.policy.WhenUnknown == connector.Hold || in.Repeats >= maxRepeats):
		r.hold(h, in, wanted)
	default:
		r.decided(in, connector.Repeat, wanted)
		h.repeats[in.Link.LinkKey] = in.Repeats + 1
		r.close(h, in)
	}
}

// hold leaves the create to a person. Without knowing whether the contact or the
// ticket is there, nothing that needs it can go out without risking a second one.
func (r *round) hold(h *hand, in *journal.Intent, wanted bool) {
	switch {
	case in.Link.Kind == connector.KindComment:
		r.close(h, in)
	case !in.Held:
		in.Held = true
		r.delta.Intend = append(r.delta.Intend, *in)
	}
	r.decided(in, connector.Hold, wanted)
	for _, k := range h.works {
		needs := in.Link.Kind == connector.KindContact || (in.Link.Kind == connector.KindTicket && k.thread)
		if k.id() == in.Event || needs {
			h.end(k, journal.StateDead, "", "unknown_end",
				"nobody knows whether the "+string(in.Link.Kind)+" was created; look in the CRM, then retry or discard", r.now)
		}
	}
}

// decided counts a create whose end could not be known.
func (r *round) decided(in *journal.Intent, decision connector.WhenUnknown, wanted bool) {
	if !wanted {
		return
	}
	r.delta.Unknown = append(r.delta.Unknown, journal.Unknown{
		LinkKey: in.Link.LinkKey, Event: in.Event, Decision: decision, At: r.now,
	})
	if f := r.w.Hooks.Unknown; f != nil {
		f(in.Link.Kind, decision)
	}
}

// wait holds the hand back until a time, the latest of those it is given.
func (h *hand) wait(until time.Time) {
	if until.After(h.until) {
		h.until = until
	}
}

// close forgets an intent whose end is known.
func (r *round) close(h *hand, in *journal.Intent) {
	delete(h.intents, in.Link.LinkKey)
	r.delta.Settle = append(r.delta.Settle, in.Link.LinkKey)
}

// link remembers a record and lets the hand go on with it.
func (r *round) link(h *hand, l journal.Link) {
	r.delta.Link = append(r.delta.Link, l)
	switch l.Kind {
	case connector.KindContact:
		h.contact = &l
	case connector.KindTicket:
		h.claim.Links = replaceTicket(h.claim.Links, l)
		for _, t := range h.threads {
			if t.account == l.Account && l.Current {
				t.current = &l
			}
		}
	case connector.KindComment:
		for _, k := range h.works {
			h.fulfil(k, map[journal.LinkKey]journal.Link{l.LinkKey: l})
		}
	}
}

// replaceTicket makes l the current ticket of its conversation.
func replaceTicket(links []journal.Link, l journal.Link) []journal.Link {
	out := links[:0:0]
	for _, o := range links {
		if o.Kind != connector.KindTicket || o.Account != l.Account {
			out = append(out, o)
		}
	}
	return append(out, l)
}
