package adaptertest

import (
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/crm-connector/crm-connector/connector"
)

// basics are creating, updating and commenting, when nothing goes wrong.
func basics() []kase {
	return []kase{
		{"describe", "Describe is pure and says how every kind is created", nil, describe},
		{"empty batch", "nothing to do is done without a call", nil, emptyBatch},
		{"create a contact", "a success has the CRM's id, and the CRM holds what was asked for", nil, createContact},
		{"create a ticket", "a ticket is opened for its contact, with its first comments, whether the CRM takes them along or not", nil, createTicket},
		{"comments in order", "comments are added in order, to this ticket", nil, commentsInOrder},
		{"update", "an update changes this record and no other", nil, updateContact},
		{"half done", "Retry and Refused mean that nothing happened: what is half done is Ambiguous, or told comment by comment", nil, halfDone},
		{"status after comments", "a status in the same change takes effect after its comments", nil, statusLast},
		{"fill", "Fill leaves a field alone that is not blank", needsFills, fill},
		{"check", "Check names the account, and a dead credential is Broken", needsChecker, check},
		{"concurrent calls", "the engine calls for different records at the same time", nil, concurrent},
	}
}

func describe(s *stage) {
	d := s.about
	if again := s.bench.Adapter.Describe(); !reflect.DeepEqual(d, again) {
		s.errorf("Describe answered differently the second time")
	}
	if d.CRM == "" {
		s.errorf("Describe names no CRM")
	}
	for _, kind := range []connector.Kind{connector.KindContact, connector.KindTicket, connector.KindComment} {
		k := d.For(kind)
		if !slices.Contains([]connector.Creation{connector.Keyed, connector.Found, connector.Blind}, k.Create) {
			s.errorf("%s: creation %q is none of keyed, found and blind", kind, k.Create)
		}
		if k.Batch < 0 || k.Settling < 0 || k.Lag < 0 || k.Updates.Calls < 0 {
			s.errorf("%s: a negative number in its description", kind)
		}
	}
	for _, w := range d.Quota {
		if w.Calls <= 0 || w.Per <= 0 {
			s.errorf("a quota of %d calls in %s is none", w.Calls, w.Per)
		}
	}
	if calls, _ := s.wire.count(); calls > 0 {
		s.errorf("New and Describe made %d calls, want none", calls)
	}
}

func emptyBatch(s *stage) {
	if got := s.apply(s.ctx); len(got) != 0 {
		s.errorf("apply answered %d results for nothing", len(got))
	}
	if got := s.observe(s.ctx); len(got) != 0 {
		s.errorf("observe answered %d observations for nothing", len(got))
	}
	if calls, _ := s.wire.count(); calls > 0 {
		s.errorf("%d calls were made for nothing", calls)
	}
}

func createContact(s *stage) {
	c := s.contact()
	made := s.one(c)
	if !s.done("create a contact", made) {
		return
	}
	s.count(connector.KindContact, 1, "after one create")
	s.holds(made.ID, c)
}

// holds compares what the CRM shows of a contact or ticket with a change.
func (s *stage) holds(id string, c connector.Change) {
	got := s.show(c.Kind, id)
	for field, shown := range map[string]string{
		connector.FieldName: got.Name, connector.FieldSubject: got.Subject,
	} {
		if want, ok := c.Set.Standard[field].(string); ok && shown != want {
			s.errorf("the CRM shows another %s than was written", field)
		}
	}
	want, ok := c.Set.Standard[connector.FieldPhone].(string)
	if ok && strings.Map(onlyDigits, got.Phone) != strings.Map(onlyDigits, want) {
		s.errorf("the CRM shows another phone than was written")
	}
}

func createTicket(s *stage) {
	c := s.ticket()
	for range min(per(s.about.Comments), 3) - len(c.Comments) {
		c.Comments = append(c.Comments, s.comment())
	}
	made := s.one(c)
	if !s.done("create a ticket", made) {
		return
	}
	s.count(connector.KindTicket, 1, "after one create")
	s.count(connector.KindContact, 1, "after one ticket")
	s.holds(made.ID, c)
	s.comments(made.ID, c.Comments...)
	contact := c.Contact.ID
	if s.about.MakesContact {
		if contact = made.Contact; contact == "" && !s.jobs {
			s.errorf("the create makes the contact but its result does not name it")
		}
	}
	if got := s.show(connector.KindTicket, made.ID); contact != "" && got.Contact != contact {
		s.errorf("the ticket belongs to another contact")
	}
}

// comments compares the comments of a ticket, in order.
func (s *stage) comments(ticket string, want ...connector.Comment) {
	got := s.show(connector.KindTicket, ticket).Comments
	if len(got) != len(want) {
		s.errorf("the ticket has %d comments, want %d", len(got), len(want))
		return
	}
	for i, c := range want {
		if !strings.Contains(unixLines(got[i].Body), unixLines(c.Body)) {
			s.errorf("comment %d does not show what was written", i)
		}
		if c.Private && got[i].Public {
			s.errorf("comment %d is private and was made public", i)
		}
	}
}

func unixLines(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") }

func commentsInOrder(s *stage) {
	id, opened := s.opened()
	other, openedToo := s.opened()
	want := opened.Comments
	for range 3 {
		change := update(id, opened)
		for range per(s.about.Comments) {
			if len(change.Comments) < 5 {
				change.Comments = append(change.Comments, s.comment())
			}
		}
		change.Comments[0].Private = true
		if !s.done("comment", s.one(change)) {
			return
		}
		want = append(want, change.Comments...)
	}
	s.comments(id, want...)
	s.comments(other, openedToo.Comments...)
}

func updateContact(s *stage) {
	first, second := s.contact(), s.contact()
	a, b := s.one(first), s.one(second)
	if !s.done("create", a) || !s.done("create", b) {
		return
	}
	change := update(a.ID, first)
	change.Set.Standard = connector.Fields{connector.FieldName: "Xanthe Umber"}
	s.remember("Xanthe Umber")
	if !s.done("update a contact", s.one(change)) {
		return
	}
	first.Set.Standard[connector.FieldName] = "Xanthe Umber"
	s.holds(a.ID, first)
	s.holds(b.ID, second)
	s.count(connector.KindContact, 2, "after an update")
}

func statusLast(s *stage) {
	id, opened := s.opened()
	change := update(id, opened)
	change.Comments = []connector.Comment{s.comment()}
	change.Set.Standard = connector.Fields{connector.FieldStatus: connector.TicketSolved}
	if !s.done("comment and solve", s.one(change)) {
		return
	}
	s.comments(id, append(slices.Clone(opened.Comments), change.Comments...)...)
	if got := s.show(connector.KindTicket, id).Status; got != connector.TicketSolved {
		s.errorf("the ticket is %q, want it solved", got)
	}
	// Only the first write gets through, or only the first one is refused.
	s.solvedWithoutWords(-1, after(1, answers(503, nil, synthetic)))
	s.solvedWithoutWords(1, answers(422, nil, synthetic))
}

// solvedWithoutWords spoils some writes: whichever they are, a ticket must not
// be solved while its comment is missing.
func (s *stage) solvedWithoutWords(writes int, f fault) {
	id, opened := s.opened()
	change := update(id, opened)
	change.Comments = []connector.Comment{s.comment()}
	change.Set.Standard = connector.Fields{connector.FieldStatus: connector.TicketSolved}
	s.wire.set(onWrites, writes, f)
	s.one(change)
	s.wire.clear()
	got := s.show(connector.KindTicket, id)
	if got.Status == connector.TicketSolved && len(got.Comments) == len(opened.Comments) {
		s.errorf("the ticket was solved before its comment was there")
	}
}

// halfDone lets the first write through and answers the next with a status that
// says that nothing happened.
func halfDone(s *stage) {
	for _, status := range []int{422, 503} {
		id, opened := s.opened()
		change := update(id, opened)
		change.Comments = []connector.Comment{s.comment()}
		change.Set.Standard = connector.Fields{connector.FieldStatus: connector.TicketPending}
		s.wire.set(onWrites, -1, after(1, answers(status, nil, synthetic)))
		e := s.one(change).Err
		s.wire.clear()
		added := len(s.show(connector.KindTicket, id).Comments) > len(opened.Comments)
		if added && e != nil && e.Ending != connector.Ambiguous {
			s.errorf("a comment was added, the status answered with %d, and the change ended as %s: the comment would be added again", status, e.Ending)
		}
	}
}

func needsFills(s *stage) string {
	if !s.about.Fills {
		return "the engine observes what is blank"
	}
	return ""
}

func fill(s *stage) {
	c := s.contact()
	made := s.one(c)
	if !s.done("create", made) {
		return
	}
	change := update(made.ID, c)
	change.Fill.Standard = connector.Fields{connector.FieldName: "Xanthe Umber"}
	if s.done("fill", s.one(change)) {
		s.holds(made.ID, c)
	}
}

func needsChecker(s *stage) string {
	if _, ok := s.bench.Adapter.(connector.Checker); !ok {
		return "the adapter can't say who it is"
	}
	return ""
}

func check(s *stage) {
	checker, ok := s.bench.Adapter.(connector.Checker)
	if !ok {
		return
	}
	account, err := checker.Check(s.ctx)
	if err != nil || account.Name == "" {
		s.errorf("check: got the name %q and %v", account.Name, err)
	}
	s.wire.set(anyCall, -1, answers(401, nil, `{"error":"no"}`))
	if _, err = checker.Check(s.ctx); err == nil {
		s.errorf("check: a 401 is taken for a success")
		return
	}
	s.ended("check with a dead credential", s.checkError("check", err), connector.Broken)
	s.wire.set(anyCall, -1, answers(403, nil, `{"error":"no"}`))
	if _, err = checker.Check(s.ctx); err == nil {
		s.errorf("check: a 403 is taken for a success")
	}
}

// concurrent needs the race detector to say all that it can.
func concurrent(s *stage) {
	const callers = 8
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			id, opened := s.opened()
			change := update(id, opened)
			change.Comments = []connector.Comment{s.comment()}
			s.done("comment", s.one(change))
			s.see(connector.Ref{Kind: connector.KindTicket, ID: id, Key: opened.Key})
			s.comments(id, append(slices.Clone(opened.Comments), change.Comments...)...)
		})
	}
	wg.Wait()
	s.count(connector.KindContact, callers, "after concurrent calls")
	s.count(connector.KindTicket, callers, "after concurrent calls")
}
