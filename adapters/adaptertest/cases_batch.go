package adaptertest

import (
	"fmt"

	"github.com/crm-connector/crm-connector/connector"
)

// batches are several changes in one call.
func batches() []kase {
	return []kase{
		{"full batch", "a batch as large as declared is applied, with results in the order of the changes", nil, fullBatch},
		{"one over", "a batch that is too large is refused politely or done, never done by half in silence", nil, oneOver},
		{"duplicates in a batch", "the same key twice in a batch never makes two records where the CRM can tell", nil, duplicates},
		{"the same change twice", "a keyed create that is repeated is the same record", needsKeyed, sameTwice},
		{"partial failure", "each change has its own result: one that the CRM refuses is refused alone", needsBad, partialFailure},
	}
}

// fullSize bounds what the suite calls full, for CRMs that take thousands.
const fullSize = 250

func (s *stage) creates(kind connector.Kind, n int) []connector.Change {
	changes := make([]connector.Change, n)
	for i := range changes {
		if kind == connector.KindContact {
			changes[i] = s.contact()
		} else {
			changes[i] = s.ticket()
		}
	}
	return changes
}

func fullBatch(s *stage) {
	for _, kind := range []connector.Kind{connector.KindContact, connector.KindTicket} {
		before := s.bench.Count(kind)
		changes := s.creates(kind, min(per(s.about.For(kind).Batch), fullSize))
		for i, r := range s.apply(s.ctx, changes...) {
			if !s.done(fmt.Sprintf("%s %d of a full batch", kind, i), r) {
				return
			}
			s.holds(r.ID, changes[i])
		}
		s.count(kind, before+len(changes), "after a full batch")
	}
}

func oneOver(s *stage) {
	kind := connector.KindContact
	n := per(s.about.Contact.Batch) + 1
	if n > fullSize {
		return
	}
	changes := s.creates(kind, n)
	done := 0
	for i, r := range s.apply(s.ctx, changes...) {
		if r.Err == nil {
			done++
			s.holds(r.ID, changes[i])
		} else if r.Err.Ending != connector.Refused {
			s.errorf("change %d of one too many ended as %s, want it done or refused", i, r.Err.Ending)
		}
	}
	s.count(kind, done, "after one too many")
}

func duplicates(s *stage) {
	if per(s.about.Contact.Batch) < 2 {
		return
	}
	c := s.contact()
	done := 0
	for _, r := range s.apply(s.ctx, c, c) {
		if r.Err == nil {
			done++
		}
	}
	made := s.bench.Count(connector.KindContact)
	if made > 1 && s.about.Contact.Create == connector.Keyed {
		s.errorf("one key twice in a batch made %d records", made)
	}
	if made > done {
		s.errorf("one key twice in a batch: %d results are done and the CRM holds %d records", done, made)
	}
}

func needsKeyed(s *stage) string {
	for _, k := range []connector.KindDescription{s.about.Contact, s.about.Ticket, s.about.Comment} {
		if k.Create == connector.Keyed {
			return ""
		}
	}
	return "nothing is keyed; the engine never repeats a create blindly"
}

func sameTwice(s *stage) {
	for _, kind := range []connector.Kind{connector.KindContact, connector.KindTicket} {
		if s.about.For(kind).Create != connector.Keyed {
			continue
		}
		change := s.creates(kind, 1)[0]
		before := s.bench.Count(kind)
		a, b := s.one(change), s.one(change)
		if s.done("create", a) && s.done("create again", b) && a.ID != b.ID {
			s.errorf("%s: the same key gave two ids", kind)
		}
		s.count(kind, before+1, "after the same create twice")
	}
	if s.about.Comment.Create != connector.Keyed {
		return
	}
	id, opened := s.opened()
	change := update(id, opened)
	change.Comments = []connector.Comment{s.comment()}
	s.done("comment", s.one(change))
	s.done("comment again", s.one(change))
	s.comments(id, append(opened.Comments, change.Comments...)...)
}

func needsBad(s *stage) string {
	if s.config.BadContact.Empty() && s.config.BadTicket.Empty() {
		if per(s.about.Contact.Batch) > 1 || per(s.about.Ticket.Batch) > 1 {
			s.errorf("an adapter with batches needs BadContact or BadTicket")
		}
		return "the CRM refuses nothing that the suite was told of"
	}
	return ""
}

func partialFailure(s *stage) {
	for kind, bad := range map[connector.Kind]connector.Write{
		connector.KindContact: s.config.BadContact, connector.KindTicket: s.config.BadTicket,
	} {
		if bad.Empty() {
			continue
		}
		changes := s.creates(kind, min(per(s.about.For(kind).Batch), 5))
		middle := len(changes) / 2
		changes[middle].Set = extended(changes[middle].Set, bad)
		s.refusedAlone(kind, changes, middle)
	}
}

func (s *stage) refusedAlone(kind connector.Kind, changes []connector.Change, bad int) {
	before := s.bench.Count(kind)
	results := s.apply(s.ctx, changes...)
	s.ended(fmt.Sprintf("a bad %s", kind), results[bad].Err, connector.Refused)
	done := 0
	for i, r := range results {
		if r.Err == nil && i != bad {
			done++
			s.holds(r.ID, changes[i])
		}
	}
	// A CRM may take all or nothing; then every one of them is refused.
	if done != 0 && done != len(changes)-1 {
		s.errorf("%d of %d good ones of kind %s are done", done, len(changes)-1, kind)
	}
	if done == 0 {
		for i, r := range results {
			s.ended(fmt.Sprintf("%s %d of a batch that was refused whole", kind, i), r.Err, connector.Refused)
		}
	}
	s.count(kind, before+done, "after a batch with a bad one")
}
