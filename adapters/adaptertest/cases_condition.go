package adaptertest

import (
	"slices"

	"github.com/crm-connector/crm-connector/connector"
)

// conditions are what agents do to records behind our back.
func conditions() []kase {
	return []kase{
		{"closed", "a closed ticket is seen as closed, and Reopen opens it before its comments", needs("closes tickets", func(b *Bench) bool { return b.Solve != nil }), closed},
		{"guard", "a guarded comment never lands on a closed ticket", needsGuard, guarded},
		{"closed for good", "a final ticket takes no comment: the link is stale, and a follow-up can be opened", needs("closes tickets for good", func(b *Bench) bool { return b.Finish != nil }), final},
		{"deleted ticket", "a deleted ticket is stale", needs("deletes", func(b *Bench) bool { return b.Delete != nil }), deletedTicket},
		{"deleted contact", "a deleted contact is stale, for its own changes and for new tickets", needs("deletes", func(b *Bench) bool { return b.Delete != nil }), deletedContact},
		{"merged contact", "a merged contact is gone and names its successor, or is the successor", needs("merges", func(b *Bench) bool { return b.Merge != nil }), mergedContact},
		{"unchanged", "a success that shows the record unchanged is none", needs("answers a success and does nothing", func(b *Bench) bool { return b.Unchanged != nil }), unchanged},
	}
}

// needs leaves a case out where the CRM has no notion of it.
func needs(what string, has func(*Bench) bool) func(*stage) string {
	return func(s *stage) string {
		if has(&s.bench) {
			return ""
		}
		return "the CRM never " + what
	}
}

func (s *stage) condition(what string, ref connector.Ref, want connector.Condition) {
	o := s.see(ref)
	if o.Err != nil || !o.Found || o.Condition != want {
		s.errorf("%s is observed as found %t, %q, %v; want %s", what, o.Found, o.Condition, o.Err, want)
	}
}

func closed(s *stage) {
	id, opened := s.opened()
	s.bench.Solve(id)
	ref := connector.Ref{Kind: connector.KindTicket, ID: id, Key: opened.Key}
	s.condition("a closed ticket", ref, connector.Closed)
	change := update(id, opened)
	change.Reopen = true
	change.Comments = []connector.Comment{s.comment()}
	if !s.done("reopen and comment", s.one(change)) {
		return
	}
	s.condition("a ticket that was opened again", ref, connector.Active)
	s.comments(id, append(slices.Clone(opened.Comments), change.Comments...)...)
}

func needsGuard(s *stage) string {
	if !s.about.Guarded || s.bench.Solve == nil {
		return "the engine observes tickets before it comments"
	}
	return ""
}

func guarded(s *stage) {
	id, opened := s.opened()
	s.bench.Solve(id)
	change := update(id, opened)
	change.Guard = true
	change.Comments = []connector.Comment{s.comment()}
	s.stale("a guarded comment on a closed ticket", s.one(change))
	s.comments(id, opened.Comments...)
}

// stale wants the record or the first comment to be stale, and nothing done.
func (s *stage) stale(what string, r connector.Result) {
	e := r.Err
	if e == nil && len(r.Comments) > 0 {
		e = r.Comments[0].Err
	}
	s.ended(what, e, connector.Stale)
	if len(r.Comments) > 0 && r.Comments[0].Err == nil {
		s.errorf("%s: the comment is taken for done", what)
	}
}

func final(s *stage) {
	id, opened := s.opened()
	s.bench.Finish(id)
	s.condition("a ticket closed for good", connector.Ref{Kind: connector.KindTicket, ID: id, Key: opened.Key}, connector.Final)
	change := update(id, opened)
	change.Comments = []connector.Comment{s.comment()}
	s.stale("a comment on a ticket closed for good", s.one(change))
	s.comments(id, opened.Comments...)

	follow := s.asTicket(connector.Change{
		Kind: connector.KindTicket, Identity: opened.Identity, Contact: opened.Contact, ContactSet: opened.ContactSet, FollowUp: id,
	})
	made := s.one(follow)
	if s.done("open a follow-up", made) && made.ID == id {
		s.errorf("the follow-up is the closed ticket itself")
	}
}

func deletedTicket(s *stage) {
	id, opened := s.opened()
	s.bench.Delete(connector.KindTicket, id)
	s.absent("a deleted ticket", connector.Ref{Kind: connector.KindTicket, ID: id})
	change := update(id, opened)
	change.Comments = []connector.Comment{s.comment()}
	s.stale("a comment on a deleted ticket", s.one(change))
	s.count(connector.KindTicket, 0, "after a comment on a deleted ticket")
}

func deletedContact(s *stage) {
	c := s.contact()
	made := s.one(c)
	if !s.done("create", made) {
		return
	}
	s.bench.Delete(connector.KindContact, made.ID)
	change := update(made.ID, c)
	change.Set.Standard = connector.Fields{connector.FieldName: "Xanthe Umber"}
	s.ended("update a deleted contact", s.one(change).Err, connector.Stale)
	s.count(connector.KindContact, 0, "after an update of a deleted contact")
	if s.about.MakesContact {
		return
	}
	ticket := s.asTicket(connector.Change{
		Kind: connector.KindTicket, Identity: c.Identity,
		Contact: connector.Ref{Kind: connector.KindContact, ID: made.ID, Key: c.Key, Identity: c.Identity},
	})
	// Some CRMs don't look; then the ticket is there and nothing is wrong.
	if e := s.one(ticket).Err; e != nil {
		s.ended("a ticket for a deleted contact", e, connector.Stale)
		if e.Ending == connector.Stale && e.Stale != connector.KindContact {
			s.errorf("a ticket for a deleted contact: the error does not say that the contact is stale")
		}
	}
}

func mergedContact(s *stage) {
	from, into := s.contact(), s.contact()
	a, b := s.one(from), s.one(into)
	if !s.done("create", a) || !s.done("create", b) {
		return
	}
	s.bench.Merge(connector.KindContact, a.ID, b.ID)
	o := s.see(connector.Ref{Kind: connector.KindContact, ID: a.ID})
	switch {
	case o.Err != nil:
		s.errorf("observe a merged contact: %v", o.Err)
	case o.Found && o.Condition == connector.Gone && o.Successor != b.ID:
		s.errorf("a merged contact's successor is not named")
	case o.Found && o.Condition != connector.Gone && o.ID != b.ID:
		s.errorf("a merged contact is found as if nothing had happened")
	}
	change := update(a.ID, from)
	change.Set.Standard = connector.Fields{connector.FieldName: "Xanthe Umber"}
	if r := s.one(change); r.Err != nil {
		s.ended("update a merged contact", r.Err, connector.Stale)
	} else if r.ID != b.ID {
		s.errorf("an update of a merged contact is done, but not on its successor")
	}
}

func unchanged(s *stage) {
	c := s.contact()
	made := s.one(c)
	id, opened := s.opened()
	if !s.done("create", made) {
		return
	}
	s.bench.Unchanged(true)
	if !s.jobs {
		// Whoever observes a job no longer knows what was asked for.
		s.unchangedUpdates(update(made.ID, c), update(id, opened))
	}
	if s.one(s.contact()).Err == nil {
		s.errorf("a create that made nothing is taken for a success")
	}
	change := update(id, opened)
	change.Comments = []connector.Comment{s.comment()}
	if r := s.one(change); r.Err == nil && r.Comments[0].Err == nil {
		s.errorf("a comment that was not added is taken for a success")
	}
	s.bench.Unchanged(false)
	s.comments(id, opened.Comments...)
}

func (s *stage) unchangedUpdates(contact, ticket connector.Change) {
	contact.Set.Standard = connector.Fields{connector.FieldName: "Xanthe Umber"}
	if s.one(contact).Err == nil {
		s.errorf("an update that changed nothing is taken for a success")
	}
	ticket.Set.Standard = connector.Fields{connector.FieldStatus: connector.TicketPending}
	if s.one(ticket).Err == nil {
		s.errorf("a status that was not taken is taken for a success")
	}
}
