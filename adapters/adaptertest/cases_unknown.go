package adaptertest

import (
	"context"
	"slices"
	"time"

	"github.com/crm-connector/crm-connector/connector"
)

// unknowns are creates whose answer is lost.
func unknowns() []kase {
	return []kase{
		{"an answer that is lost", "a create whose answer is lost is Ambiguous, and is found or is the same when repeated", nil, lostAnswer},
		{"a lost comment", "a comment whose answer is lost is Ambiguous, once in the CRM, and is found", nil, lostComment},
		{"a lost update", "an update whose answer is lost is Ambiguous and sent once: a newer one may come before it", nil, lostUpdate},
		{"a late commit", "a create may be committed long after we gave up", nil, lateCommit},
		{"a reset", "a create is never repeated blindly", nil, blindRepeat},
		{"a time-out", "a call ends soon after its context, and a create is then Ambiguous", nil, timeOut},
	}
}

// short is the context of a call that is meant to time out. It is long enough
// for a busy machine to get the call as far as the CRM.
const short = 300 * time.Millisecond

// soon is how long after its context a call may still take.
const soon = 2 * time.Second

func lostAnswer(s *stage) {
	for _, kind := range []connector.Kind{connector.KindContact, connector.KindTicket} {
		change := s.creates(kind, 1)[0]
		before := s.bench.Count(kind)
		s.wire.set(onWrites, 1, loses)
		r := s.one(change)
		s.wire.clear()
		if s.about.For(kind).Create == connector.Keyed && r.Err == nil {
			// A keyed create may be repeated at once, by the transport.
			s.count(kind, before+1, "after a keyed create was repeated")
			continue
		}
		s.ended("create a "+string(kind)+" whose answer is lost", r.Err, connector.Ambiguous)
		s.count(kind, before+1, "after a create whose answer was lost")
		s.recovers(kind, change, before+1)
	}
}

// recovers does what the engine does after an ambiguous end.
func (s *stage) recovers(kind connector.Kind, change connector.Change, want int) {
	s.finishJobs()
	if !s.lagged(kind) {
		return
	}
	switch s.about.For(kind).Create {
	case connector.Keyed:
		s.done("repeat a keyed create", s.one(change))
		s.count(kind, want, "after a keyed create was repeated")
	case connector.Found:
		if o := s.see(refOf(change)); o.Err != nil || !o.Found {
			s.errorf("a %s that may have been made, and was, is not found: %v", kind, o.Err)
		}
	}
}

func lostComment(s *stage) {
	id, opened := s.opened()
	change := update(id, opened)
	change.Comments = []connector.Comment{s.comment()}
	s.wire.set(onWrites, 1, loses)
	r := s.one(change)
	s.wire.clear()
	if e := r.Comments[0].Err; e != nil || s.about.Comment.Create != connector.Keyed {
		s.ended("a comment whose answer is lost", e, connector.Ambiguous)
	}
	s.comments(id, append(slices.Clone(opened.Comments), change.Comments...)...)
	if s.about.Comment.Create == connector.Blind || !s.lagged(connector.KindComment) {
		return
	}
	if o := s.see(commentRef(id, opened, change.Comments[0])); o.Err != nil || !o.Found {
		s.errorf("a comment that may have been added, and was, is not found: %v", o.Err)
	}
}

func lostUpdate(s *stage) {
	c := s.contact()
	made := s.one(c)
	if !s.done("create", made) {
		return
	}
	change := update(made.ID, c)
	change.Set.Standard = connector.Fields{connector.FieldName: "Xanthe Umber"}
	for name, f := range map[string]fault{"lost": loses, "reset": resets} {
		_, writes := s.wire.count()
		s.wire.set(onWrites, -1, f)
		s.ended("an update whose answer is "+name, s.one(change).Err, connector.Ambiguous)
		s.wire.clear()
		if _, after := s.wire.count(); after > writes+1 {
			s.errorf("an update whose answer is %s was sent %d times", name, after-writes)
		}
	}
}

func lateCommit(s *stage) {
	change := s.creates(connector.KindTicket, 1)[0]
	s.wire.set(onWrites, 1, s.wire.holds)
	r := s.one(change)
	s.wire.clear()
	if s.about.Ticket.Create == connector.Keyed && r.Err == nil {
		return
	}
	s.ended("create a ticket that comes late", r.Err, connector.Ambiguous)
	s.count(connector.KindTicket, 0, "before the late commit")
	if s.about.Ticket.Create != connector.Blind {
		s.absent("a ticket that is not committed yet", refOf(change))
	}
	if err := s.wire.release(); err != nil {
		s.errorf("the late commit: %v", err)
		return
	}
	s.recovers(connector.KindTicket, change, 1)
}

func blindRepeat(s *stage) {
	for _, kind := range []connector.Kind{connector.KindContact, connector.KindTicket} {
		change := s.creates(kind, 1)[0]
		before := s.bench.Count(kind)
		_, writes := s.wire.count()
		s.wire.set(onWrites, -1, resets)
		s.ended("create a "+string(kind)+" on a connection that is reset", s.one(change).Err, connector.Ambiguous)
		s.wire.clear()
		if _, after := s.wire.count(); s.about.For(kind).Create != connector.Keyed && after > writes+1 {
			s.errorf("a create of kind %s was sent %d times", kind, after-writes)
		}
		s.count(kind, before, "after a create that was reset")
	}
}

func timeOut(s *stage) {
	change := s.creates(connector.KindTicket, 1)[0]
	s.wire.set(onWrites, -1, hangs)
	ctx, cancel := context.WithTimeout(s.ctx, short)
	defer cancel()
	began := time.Now()
	e := s.apply(ctx, change)[0].Err
	if took := time.Since(began); took > soon {
		s.errorf("apply took %s with a context of %s", took, short)
	}
	s.ended("create a ticket that is never answered", e, connector.Ambiguous)
	s.count(connector.KindTicket, 1, "after a create that was never answered")
	s.wire.set(anyCall, -1, hangs)
	began = time.Now()
	ctx, cancel = context.WithTimeout(s.ctx, short)
	defer cancel()
	s.ended("observe what is never answered", s.observe(ctx, refOf(change))[0].Err, connector.Retry)
	if took := time.Since(began); took > soon {
		s.errorf("observe took %s with a context of %s", took, short)
	}
}
