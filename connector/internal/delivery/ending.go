package delivery

import (
	"context"
	"time"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/journal"
)

// take takes in how a call ended for each of its steps. It reports whether
// anything was refused.
func (r *round) take(ctx context.Context, kind connector.Kind, steps []*step, results []connector.Result, whole *connector.Error) (refused bool) {
	if whole != nil && whole.Ending != connector.Refused {
		r.callFailed(whole)
	}
	for i, s := range steps {
		err := whole
		if err == nil {
			err = r.w.verify(ctx, connector.AsError("apply "+string(kind), asError(results[i].Err)))
		}
		if err != nil {
			refused = refused || err.Ending == connector.Refused
			s.h.whole = s.h.whole || whole != nil
			if whole == nil && err.Ending == connector.Ambiguous {
				r.knownComments(s, results[i].Comments)
			}
			r.failed(s, err)
			continue
		}
		r.w.succeeded(kind, s.h.customer.ID, r.now)
		r.done(ctx, s, results[i])
	}
	return refused
}

// done links the record and takes in how its comments ended.
func (r *round) done(ctx context.Context, s *step, res connector.Result) {
	l := s.link
	l.ID = res.ID
	if res.URL != "" {
		l.URL = res.URL
	}
	switch {
	case res.Condition != "":
		l.Condition, l.Seen = res.Condition, r.now
	case s.ends:
		l.Condition = ""
	case s.creates() || s.change.Reopen || (s.change.Guard && r.w.desc.Guarded):
		l.Condition, l.Seen = connector.Active, r.now // it could not have succeeded otherwise
	}
	all := r.commentsDone(ctx, s, res.Comments)
	if !all {
		delete(l.Written, connector.FieldStatus) // it waits for the comments
	}
	if s.intends() {
		r.settleKey(s.h, l.LinkKey)
	}
	until, echoes := s.h.echoes[l.LinkKey]
	if echoes && s.creates() {
		l.Written = nil // whatever it holds is written again when that is over
		r.delta.Intend = append(r.delta.Intend, journal.Intent{Link: l, Event: s.first(), Deadline: s.deadline, Settled: until})
	}
	r.link(s.h, l)
	s.h.progress = true
	if s.t == nil {
		if !echoes {
			s.h.contactDone("")
		}
		return
	}
	if s.h.contact == nil && res.Contact != "" {
		r.contactMade(s, res.Contact)
	}
	s.t.current = &l
	if all {
		r.segmentDone(s)
	}
}

// knownComments links the comments that are done though the end of the record's
// own write is not known.
func (r *round) knownComments(s *step, results []connector.CommentResult) {
	if len(results) != len(s.change.Comments) {
		return
	}
	for i, c := range s.change.Comments {
		if l := s.commentLink(c, results[i].ID); results[i].Err == nil && l.ID != "" {
			r.delta.Link = append(r.delta.Link, l)
			r.settleKey(s.h, l.LinkKey)
		}
	}
}

// contactMade links the contact that a ticket's create made along.
func (r *round) contactMade(s *step, id string) {
	l := journal.Link{
		LinkKey:   journal.LinkKey{Customer: s.h.customer.ID, Kind: connector.KindContact, Key: s.h.customer.Key},
		ID:        id,
		Condition: connector.Active,
		Seen:      r.now,
	}
	_, l.Written = s.h.wish.ForCreate()
	r.link(s.h, l)
	s.h.contactDone("")
}

// commentsDone links the comments that are done and reports whether all are.
func (r *round) commentsDone(ctx context.Context, s *step, results []connector.CommentResult) bool {
	all := true
	for i, c := range s.change.Comments {
		l := s.commentLink(c, results[i].ID)
		err := r.w.verify(ctx, connector.AsError("add comment", asError(results[i].Err)))
		if err == nil {
			r.delta.Link = append(r.delta.Link, l)
			r.settleKey(s.h, l.LinkKey)
			r.w.succeeded(connector.KindComment, s.h.customer.ID, r.now)
			s.h.work(s.of[i]).touched = true
			continue
		}
		all = false
		r.undone(s.h, l.LinkKey, err)
		if err.Ending == connector.Refused {
			r.unpin(s.h, s.of[i])
			r.refuse(s.h, s.h.work(s.of[i]), connector.KindComment, err)
			s.h.again = true
			continue
		}
		r.halt(s, err)
	}
	return all
}

// segmentDone takes the segment off the thread.
func (r *round) segmentDone(s *step) {
	for _, id := range s.events {
		s.h.work(id).touched = true
	}
	s.t.segments = s.t.segments[1:]
	if s.ends && len(s.t.segments) > 0 {
		s.h.again = true // what follows finds the ticket closed: the next round decides
	}
}

// failed takes in that a step is not done.
func (r *round) failed(s *step, err *connector.Error) {
	if err.Ending == connector.Pending && !s.intends() {
		r.intention(s, s.link, s.first(), s.deadline) // the job can find the ticket stale
		r.undone(s.h, s.link.LinkKey, err)
	}
	r.nothingDone(s, err)
	if err.Ending == connector.Ambiguous {
		s.pin(r) // another mapping must not leave half of each
	}
	if err.Ending == connector.Refused {
		r.unpin(s.h, s.events...)
		r.refusedStep(s, err)
		return
	}
	r.halt(s, err)
}

// nothingDone takes in for the record and its comments that they are not done.
func (r *round) nothingDone(s *step, err *connector.Error) {
	if s.intends() {
		r.undone(s.h, s.link.LinkKey, err)
	}
	for _, c := range s.change.Comments {
		r.undone(s.h, s.commentLink(c, "").LinkKey, err)
	}
}

// asError keeps a nil *Error a nil error.
func asError(e *connector.Error) error {
	if e == nil {
		return nil
	}
	return e
}

// undone keeps the intent of what may be done, or is with the CRM as a job, and
// forgets that of what is surely not done.
func (r *round) undone(h *hand, key journal.LinkKey, err *connector.Error) {
	in := h.intents[key]
	switch {
	case in == nil || err.Ending == connector.Ambiguous:
	case err.Ending == connector.Pending:
		in.Job = err.Job
		r.delta.Intend = append(r.delta.Intend, *in)
	case in.Link.ID == "" && !h.echoes[key].IsZero():
		// This one did nothing, but the one before it may be carried out yet.
		in.Settled = h.echoes[key]
		r.delta.Intend = append(r.delta.Intend, *in)
	default:
		r.settleKey(h, key)
	}
}

func (r *round) settleKey(h *hand, key journal.LinkKey) {
	if h.intents[key] != nil {
		delete(h.intents, key)
		r.delta.Settle = append(r.delta.Settle, key)
	}
}

// halt ends the hand's part in the round for a reason that may pass.
func (r *round) halt(s *step, err *connector.Error) {
	switch err.Ending {
	case connector.Pending:
		s.h.wait(r.now.Add(max(err.Wait, jobPoll)))
		s.h.progress = true
	case connector.Stale:
		r.stale(s, err)
	case connector.Broken:
		r.callFailed(err)
		s.h.stop(err)
	default:
		s.h.stop(err)
	}
}

// stale forgets what the CRM has deleted, merged or closed for good: the next
// round looks again and decides by the mapping's policy.
func (r *round) stale(s *step, err *connector.Error) {
	switch {
	case s.t == nil || !s.t.known():
		r.staleLink(s.h, s.link, err)
	case err.Stale != connector.KindContact && s.t.current.Condition == connector.Closed && s.t.segments[0].Opens == 0:
		// The CRM takes nothing on a closed ticket, and this opens none.
		r.drop(s.h, &s.t.segments[0])
		s.t.segments = s.t.segments[1:]
		s.h.progress, s.h.again = true, true
	default:
		r.staleLink(s.h, *s.t.current, err)
	}
}

func (r *round) staleLink(h *hand, l journal.Link, err *connector.Error) {
	if err.Stale == connector.KindContact || l.Kind == connector.KindContact {
		r.contactGone(h, err)
		return
	}
	if l.Kind == connector.KindTicket && l.ID != "" {
		l.Condition, l.Seen = "", time.Time{}
		if err.Successor != "" {
			l.ID, l.URL = err.Successor, ""
		}
		r.link(h, l)
	}
	h.stop(err)
}

// contactGone follows a merged contact, and forgets a deleted one: it is made
// again, or left alone, as the mapping says.
func (r *round) contactGone(h *hand, err *connector.Error) {
	if h.contact == nil {
		h.stop(err)
		return
	}
	l := *h.contact
	switch {
	case err.Successor != "":
		l.ID, l.URL = err.Successor, ""
		r.link(h, l)
	case r.policy.WhenContactGone == connector.LeaveGone:
		for _, k := range h.works {
			h.end(k, journal.StateDead, "", "contact_gone", "the contact was deleted in the CRM, and the mapping says to leave it so", r.now)
		}
	default:
		r.delta.Unlink = append(r.delta.Unlink, l.LinkKey)
		h.contact = nil
	}
	h.stop(err)
}

// refusedStep makes a dead letter of the one event that a refused step serves;
// when it serves several, they are tried one by one.
func (r *round) refusedStep(s *step, err *connector.Error) {
	kind := connector.KindTicket
	if s.t == nil {
		kind = connector.KindContact
	}
	if len(s.events) == 1 {
		r.refuse(s.h, s.h.work(s.events[0]), kind, err)
	} else {
		r.suspect(s.h, nil, kind, err)
		r.w.setSolo(s.h.customer.ID)
	}
	s.h.again = true
}

// kindMapping counts the events that a rule could not be evaluated for. One is a
// dead letter; when it is everybody's, the mapping is to blame.
const kindMapping connector.Kind = "mapping"

// suspect is an event that was refused, and under which streak it counts.
type suspect struct {
	k      *work
	streak string
	err    *connector.Error
}

// refuse marks the event as refused; record makes the dead letter, unless the
// destination turns out to be to blame.
func (r *round) refuse(h *hand, k *work, kind connector.Kind, err *connector.Error) {
	r.suspect(h, k, kind, err)
}

func (r *round) suspect(h *hand, k *work, kind connector.Kind, err *connector.Error) {
	h.refused = h.refused || kind != kindMapping
	streak := string(kind) + " " + err.Code
	if r.w.refused(streak, h.customer.ID, err, r.now) {
		r.stopped = true
	}
	if k != nil {
		h.suspects = append(h.suspects, suspect{k, streak, err})
		k.refused = true
	}
}

// callFailed takes in that a whole call failed: the destination rests, or is
// paused.
func (r *round) callFailed(err *connector.Error) {
	if r.w.trouble(err) {
		r.stopped = true
	}
	r.resting = r.resting || err.Ending == connector.Retry
}
