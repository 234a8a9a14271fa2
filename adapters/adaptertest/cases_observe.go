package adaptertest

import (
	"slices"
	"time"

	"github.com/crm-connector/crm-connector/connector"
)

// observations are about looking up.
func observations() []kase {
	return []kase{
		{"observe by id", "a known id is found", nil, observeByID},
		{"observe by key", "what was created is found by our key, unless its kind is blind", nil, observeByKey},
		{"observe a comment", "a comment is found under its ticket, unless comments are blind", needsFoundComments, observeComment},
		{"observe by identity", "a contact that somebody else made is found by its number", needsPhones, observeByIdentity},
		{"observe by another form", "a contact is found under every form of its number, the likeliest first", needsPhones, observeByForm},
		{"absence", "what does not exist is an observation and not an error", nil, absence},
		{"numbers are compared whole", "a number inside another number is somebody else's", needsPhones, wholeNumbers},
		{"observations in order", "there is one observation for each ref, in order, found and absent mixed", nil, observeMany},
		{"rows that were not asked for", "a server that ignores a filter answers with strangers; they are not ours", needsIgnoreFilters, strangers},
	}
}

// patience is how long the suite waits for a CRM's index.
const patience = 3 * time.Second

// lagged waits until a new record of a kind is visible, or says that it is too
// long to wait for.
func (s *stage) lagged(kinds ...connector.Kind) bool {
	var lag time.Duration
	for _, k := range kinds {
		lag = max(lag, s.about.For(k).Lag)
	}
	if lag > patience {
		s.errorf("the bench's lag of %s is longer than the suite waits; configure a short one", lag)
		return false
	}
	if lag > 0 {
		t := time.NewTimer(lag)
		defer t.Stop()
		<-t.C
	}
	return true
}

func (s *stage) found(what string, ref connector.Ref, id string) connector.Observation {
	o := s.see(ref)
	switch {
	case o.Err != nil:
		s.errorf("%s: %v", what, o.Err)
	case !o.Found:
		s.errorf("%s: not found", what)
	case o.ID != id:
		s.errorf("%s: found another record", what)
	}
	return o
}

func (s *stage) absent(what string, ref connector.Ref) {
	if o := s.see(ref); o.Err != nil {
		s.errorf("%s: %v, want an absence", what, o.Err)
	} else if o.Found && o.Condition != connector.Gone {
		s.errorf("%s: found", what)
	}
}

func observeByID(s *stage) {
	s.opened()
	id, opened := s.opened()
	o := s.found("a ticket by its id", connector.Ref{Kind: connector.KindTicket, ID: id}, id)
	if o.Condition != connector.Active {
		s.errorf("an open ticket is %q, want it active", o.Condition)
	}
	if contact := opened.Contact.ID; contact != "" {
		s.found("a contact by its id", connector.Ref{Kind: connector.KindContact, ID: contact}, contact)
	}
}

func observeByKey(s *stage) {
	for _, kind := range []connector.Kind{connector.KindContact, connector.KindTicket} {
		if s.about.For(kind).Create == connector.Blind {
			continue
		}
		changes := s.creates(kind, 2)
		s.one(changes[0])
		made := s.one(changes[1])
		if s.done("create", made) && s.lagged(kind) {
			ref := refOf(changes[1])
			if kind == connector.KindContact {
				ref.Identity = connector.Identity{}
			}
			s.found("a "+string(kind)+" by its key", ref, made.ID)
		}
	}
}

func needsFoundComments(s *stage) string {
	if s.about.Comment.Create == connector.Blind {
		return "comments are blind"
	}
	return ""
}

// commentRef points at a comment of a ticket as the engine does.
func commentRef(ticket string, of connector.Change, c connector.Comment) connector.Ref {
	return connector.Ref{
		Kind: connector.KindComment, Key: c.Key, Body: c.Body,
		Parent: &connector.Ref{Kind: connector.KindTicket, ID: ticket, Key: of.Key},
	}
}

func observeComment(s *stage) {
	id, opened := s.opened()
	change := update(id, opened)
	change.Comments = []connector.Comment{s.comment()}
	if !s.done("comment", s.one(change)) || !s.lagged(connector.KindComment) {
		return
	}
	if o := s.see(commentRef(id, opened, change.Comments[0])); o.Err != nil || !o.Found {
		s.errorf("a comment that was added is not found under its ticket: %v", o.Err)
	}
	s.absent("a comment that was never added", commentRef(id, opened, s.comment()))
}

func observeByIdentity(s *stage) {
	s.one(s.contact())
	c := s.contact()
	made := s.one(c)
	if s.done("create", made) && s.lagged(connector.KindContact) {
		s.found("a contact by its number", connector.Ref{Kind: connector.KindContact, Identity: c.Identity}, made.ID)
	}
}

func needsPhones(s *stage) string {
	if has := s.about.Contact.Standard; len(has) > 0 && !slices.Contains(has, connector.FieldPhone) {
		return "the CRM keeps no phone numbers"
	}
	return ""
}

// observeByForm stores Brazilian numbers with and without the ninth digit.
func observeByForm(s *stage) {
	stored := func(phone string) string {
		c := s.contact()
		s.remember(phone)
		c.Key, c.Identity.Phone, c.Set.Standard[connector.FieldPhone] = c.Key+"x", phone, phone
		made := s.one(c)
		s.done("create", made)
		return made.ID
	}
	const with, without = "+5551987654321", "+555187654321"
	ref := connector.Ref{
		Kind: connector.KindContact, Key: "wa:" + with[1:], Identity: connector.Identity{Phone: with}, Phones: []string{with, without},
	}
	older := stored(without)
	stored("+555187654329")
	if !s.lagged(connector.KindContact) {
		return
	}
	s.found("a contact by another form of its number", ref, older)
	alone := ref
	alone.Phones = []string{with}
	s.absent("a form that the engine did not name", alone)
	likelier := stored(with)
	if s.lagged(connector.KindContact) {
		s.found("of two contacts the one with the likelier form", ref, likelier)
	}
}

func absence(s *stage) {
	id, opened := s.opened()
	for _, c := range []connector.Change{s.contact(), s.asTicket(connector.Change{Kind: connector.KindTicket, Contact: opened.Contact})} {
		if s.about.For(c.Kind).Create != connector.Blind {
			s.absent("a "+string(c.Kind)+" that was never made", refOf(c))
		}
	}
	if s.bench.Delete != nil {
		s.bench.Delete(connector.KindTicket, id)
		s.absent("a ticket that was deleted, by its id", connector.Ref{Kind: connector.KindTicket, ID: id})
	}
}

func wholeNumbers(s *stage) {
	c := s.contact()
	if !s.done("create", s.one(c)) || !s.lagged(connector.KindContact) {
		return
	}
	phone := c.Identity.Phone
	for what, other := range map[string]string{
		"a longer number": phone + "7", "a shorter number": phone[:len(phone)-1], "the end of a number": "+" + phone[4:],
	} {
		s.remember(other)
		s.absent(what, connector.Ref{Kind: connector.KindContact, Identity: connector.Identity{Phone: other}})
	}
}

func observeMany(s *stage) {
	var refs []connector.Ref
	var ids []string
	for i := range min(per(s.about.ObserveBatch), 20) {
		c := s.contact()
		ref := refOf(c)
		id := ""
		if i%2 == 0 {
			made := s.one(c)
			s.done("create", made)
			id = made.ID
		}
		if i%4 == 0 {
			ref = connector.Ref{Kind: connector.KindContact, ID: id}
		}
		refs, ids = append(refs, ref), append(ids, id)
	}
	if !s.lagged(connector.KindContact) {
		return
	}
	for i, o := range s.observe(s.ctx, refs...) {
		if o.Err != nil || o.Found != (ids[i] != "") || (o.Found && o.ID != ids[i]) {
			s.errorf("observation %d of %d is not that of its ref: found %t, %v", i, len(refs), o.Found, o.Err)
		}
	}
}

func needsIgnoreFilters(s *stage) string {
	if s.bench.IgnoreFilters == nil {
		return "the CRM refuses filters that it does not know"
	}
	return ""
}

func strangers(s *stage) {
	s.opened()
	id, opened := s.opened()
	never := s.contact()
	if !s.lagged(connector.KindContact, connector.KindTicket) {
		return
	}
	s.bench.IgnoreFilters(true)
	s.absent("a contact that was never made, among strangers", refOf(never))
	s.absent("a number that nobody has, among strangers", connector.Ref{Kind: connector.KindContact, Identity: never.Identity})
	if s.about.Ticket.Create != connector.Blind {
		s.found("a ticket among strangers", refOf(opened), id)
		s.absent("a ticket that was never made, among strangers",
			refOf(s.asTicket(connector.Change{Kind: connector.KindTicket, Contact: opened.Contact})))
	}
	s.bench.IgnoreFilters(false)
}
