package delivery

import (
	"cmp"
	"context"
	"slices"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/fold"
	"github.com/crm-connector/crm-connector/connector/internal/journal"
)

// ask is one question to the CRM, and what to do with the answer.
type ask struct {
	h    *hand
	ref  connector.Ref
	take func(connector.Observation)
}

// sortAsks makes the order of questions a matter of the customers, not of a map.
func sortAsks(asks []ask) {
	slices.SortFunc(asks, func(a, b ask) int {
		return cmp.Or(cmp.Compare(a.h.customer.ID, b.h.customer.ID), cmp.Compare(a.ref.Key, b.ref.Key))
	})
}

// look asks the CRM, many questions a call, each kind apart. A question that is
// not answered stops its hand.
func (r *round) look(ctx context.Context, asks []ask) {
	for _, kind := range []connector.Kind{connector.KindContact, connector.KindTicket, connector.KindComment} {
		var of []ask
		for _, a := range asks {
			if a.ref.Kind == kind {
				of = append(of, a)
			}
		}
		for chunk := range slices.Chunk(of, r.w.desc.ObserveBatch) {
			r.lookOnce(ctx, kind, chunk)
		}
	}
}

func (r *round) lookOnce(ctx context.Context, kind connector.Kind, asks []ask) {
	if r.ends() || r.w.Await(ctx) != nil {
		for _, a := range asks {
			a.h.putBack()
		}
		return
	}
	found, err := r.observe(ctx, kind, asks)
	switch {
	case err != nil && err.Ending == connector.Refused && len(asks) > 1:
		r.lookOnce(ctx, kind, asks[:len(asks)/2])
		r.lookOnce(ctx, kind, asks[len(asks)/2:])
		return
	case err != nil && err.Ending != connector.Refused:
		r.callFailed(err)
	}
	for i, a := range asks {
		e := err
		if e == nil && found[i].Found && found[i].ID == "" {
			e = connector.Errorf(connector.Retry, "observe "+string(kind), "", "the adapter found a record without an id")
		}
		if e == nil {
			e = r.w.verify(ctx, connector.AsError("observe "+string(kind), asError(found[i].Err)))
			found[i].Err = e
		}
		switch {
		case e == nil:
			a.take(found[i])
		case e.Ending == connector.Broken:
			r.callFailed(e)
			a.h.stop(e)
		case e.Ending == connector.Refused && a.ref.Job == "":
			r.refusedLook(a.h, kind, e)
		case err != nil || found[i].Err == nil:
			a.h.whole = err != nil
			a.h.stop(e)
		default:
			a.take(found[i])
		}
	}
}

// observe makes one call to the adapter.
func (r *round) observe(ctx context.Context, kind connector.Kind, asks []ask) (found []connector.Observation, err *connector.Error) {
	refs := make([]connector.Ref, len(asks))
	for i, a := range asks {
		refs[i] = a.ref
	}
	call, cancel := context.WithTimeout(ctx, r.w.CallTimeout)
	defer cancel()
	op := "observe " + string(kind)
	err = connector.AsError(op, guarded(func() (err error) {
		found, err = r.w.Adapter.Observe(call, refs)
		return err
	}))
	if err == nil && len(found) != len(refs) {
		err = connector.Errorf(connector.Retry, op, "", "the adapter answered %d of %d", len(found), len(refs))
	}
	err = r.w.verify(ctx, err)
	r.w.called(op, err, len(refs))
	return found, err
}

// refusedLook makes a dead letter of the first event of a customer whose record
// the CRM refuses to show: nothing can be decided without it.
func (r *round) refusedLook(h *hand, kind connector.Kind, err *connector.Error) {
	for _, k := range h.works {
		if k.live() {
			r.refuse(h, k, kind, err)
			break
		}
	}
	h.again = true
}

// resolve finds out what is unknown and matters for this round: contacts that
// were never linked, the status of tickets that are about to take a customer's
// message, and which fields are blank.
func (r *round) resolve(ctx context.Context) {
	var asks []ask
	for _, h := range r.hands {
		if !h.halted() {
			asks = append(asks, r.contactAsks(h)...)
		}
	}
	r.look(ctx, asks)
	for range maxMerges {
		asks = nil
		for _, h := range r.hands {
			for _, t := range h.threads {
				if !h.halted() && r.takesPart(t) && r.doubtful(t) {
					asks = append(asks, r.ticketAsk(h, t))
				}
			}
		}
		r.look(ctx, asks)
	}
}

// maxMerges is how many merges in a row are followed.
const maxMerges = 3

// takesPart reports whether the thread has something to do in this round: state
// changes alone wait for the state lane.
func (r *round) takesPart(t *thread) bool {
	return len(t.segments) > 0 && t.urgent
}

func (h *hand) active(r *round) bool { return slices.ContainsFunc(h.threads, r.takesPart) }

func (r *round) contactAsks(h *hand) []ask {
	ref := h.contactRef()
	if h.contact == nil {
		if !h.wanted && !h.active(r) {
			return nil
		}
		return []ask{{h: h, ref: ref, take: func(o connector.Observation) { r.contactSeen(h, o) }}}
	}
	if u := h.wish.ForUpdate(h.contact.Written); h.all && !u.Fill.Empty() && !r.w.desc.Fills {
		return []ask{{h: h, ref: ref, take: func(o connector.Observation) { r.contactSeen(h, o) }}}
	}
	return nil
}

// contactSeen takes in what the CRM holds of a contact. One that is gone counts
// as absent, unless it was merged into another.
func (r *round) contactSeen(h *hand, o connector.Observation) {
	if o.Err != nil {
		h.stop(o.Err)
		return
	}
	id := o.ID
	if o.Condition == connector.Gone {
		id = o.Successor
	}
	h.blank, h.looked = names(o.Blank), true
	switch {
	case o.Found && id != "" && h.contact == nil:
		r.link(h, journal.Link{
			LinkKey: journal.LinkKey{Customer: h.customer.ID, Kind: connector.KindContact, Key: h.customer.Key},
			ID:      id, URL: o.URL, Condition: connector.Active, Seen: r.now,
		})
	case o.Found && id != "":
		h.contact.ID = id
	case h.contact != nil:
		r.contactGone(h, &connector.Error{Ending: connector.Stale, Op: "observe contact", Code: "gone", Text: "the contact was deleted"})
	}
}

// names makes a set of field names; nil stays nil, for not known.
func names(list []string) map[string]bool {
	if list == nil {
		return nil
	}
	set := make(map[string]bool, len(list))
	for _, n := range list {
		set[n] = true
	}
	return set
}

// doubtful reports whether a ticket must be looked at before it is written. Most
// CRMs swallow comments on a closed ticket where nobody looks, so a customer's
// message goes only where the status was seen lately, or where the adapter
// itself refuses to write to a closed one.
func (r *round) doubtful(t *thread) bool {
	if !t.known() {
		return false
	}
	if t.current.Condition == "" {
		return true
	}
	if f := t.segments[0].ForUpdate(t.current.Written).Fill; !f.Empty() && !r.w.desc.Fills && t.blank == nil {
		return true
	}
	opens := slices.ContainsFunc(t.segments, func(s fold.Segment) bool { return s.Opens != 0 && !s.Fresh })
	if !opens || r.now.Sub(t.current.Seen) <= statusFresh {
		return false
	}
	return !r.w.desc.Guarded || t.current.Condition != connector.Active
}

func (r *round) ticketAsk(h *hand, t *thread) ask {
	ref := connector.Ref{Kind: connector.KindTicket, Key: t.current.Key, ID: t.current.ID}
	return ask{h: h, ref: ref, take: func(o connector.Observation) { r.ticketSeen(h, t, o) }}
}

func (r *round) ticketSeen(h *hand, t *thread, o connector.Observation) {
	if o.Err != nil {
		h.stop(o.Err)
		return
	}
	l := *t.current
	l.Condition, l.Seen = o.Condition, r.now
	if o.URL != "" {
		l.URL = o.URL
	}
	switch {
	case !o.Found:
		l.Condition = connector.Gone
	case o.Condition == connector.Gone && o.Successor != "":
		l.ID, l.URL, l.Condition = o.Successor, "", "" // looked at in its turn
	}
	t.blank = names(o.Blank)
	if t.blank == nil {
		t.blank = map[string]bool{}
	}
	r.link(h, l)
	t.current = &l
}
