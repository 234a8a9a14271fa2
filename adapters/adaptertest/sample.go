package adaptertest

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/crm-connector/crm-connector/connector"
)

// awkward holds what is harmed on the way to a CRM: markup, entities, quotes,
// right-to-left script, combining marks, emoji of several runes, two lines.
const awkward = "a < b && c > d; \"quoted\" 'single' &amp; 100 % \\ back\nשלום عليكم नमस्ते \U0001F469\U0001F3FD\u200D\U0001F4BB é"

func (s *stage) number() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.made++
	return s.made
}

func (s *stage) remember(words ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.words = append(s.words, words...)
}

// contact is the create of a customer that the CRM has never heard of.
func (s *stage) contact() connector.Change {
	n := s.number()
	phone := fmt.Sprintf("+9198856%05d", n)
	name := fmt.Sprintf("Zubeida Quill %d", n)
	s.remember(phone, name)
	set := s.standard(s.about.Contact, connector.Fields{
		connector.FieldPhone: phone, connector.FieldName: name,
		connector.FieldEmail: fmt.Sprintf("zubeida.quill.%d@example.com", n),
	})
	return connector.Change{
		Kind: connector.KindContact, Key: "wa:" + phone[1:], Identity: connector.Identity{Phone: phone},
		Set: extended(set, s.config.Contact),
	}
}

// standard keeps the fields that the CRM has. One that names none is given all
// but the e-mail address.
func (s *stage) standard(about connector.KindDescription, all connector.Fields) connector.Write {
	has := slices.Concat(about.Standard, about.Required)
	out := connector.Fields{}
	for field, value := range all {
		if slices.Contains(has, field) || (len(has) == 0 && field != connector.FieldEmail) {
			out[field] = value
		}
	}
	return connector.Write{Standard: out}
}

// extended adds an author's own fields.
func extended(w, more connector.Write) connector.Write {
	out := connector.Write{Standard: maps.Clone(w.Standard), Custom: maps.Clone(w.Custom)}
	for field, value := range more.Standard {
		if out.Standard == nil {
			out.Standard = connector.Fields{}
		}
		out.Standard[field] = value
	}
	for field, value := range more.Custom {
		if out.Custom == nil {
			out.Custom = connector.Fields{}
		}
		out.Custom[field] = value
	}
	return out
}

// ticket is the create of a ticket for a contact, which is made first unless the
// ticket's create makes it.
func (s *stage) ticket() connector.Change {
	who := s.contact()
	ref := connector.Ref{Kind: connector.KindContact, Key: who.Key, Identity: who.Identity}
	change := connector.Change{Kind: connector.KindTicket, Identity: who.Identity}
	if s.about.MakesContact {
		change.ContactSet = who.Set
	} else {
		made := s.one(who)
		s.done("create the ticket's contact", made)
		ref.ID = made.ID
	}
	change.Contact = ref
	return s.asTicket(change)
}

func (s *stage) asTicket(change connector.Change) connector.Change {
	n := s.number()
	subject := fmt.Sprintf("Zither repair %d", n)
	s.remember(subject)
	change.Key = fmt.Sprintf("%s/t%d", change.Contact.Key, n)
	change.Set = extended(s.standard(s.about.Ticket, connector.Fields{
		connector.FieldSubject: subject, connector.FieldStatus: connector.TicketOpen,
	}), s.config.Ticket)
	if s.about.FirstComment == connector.FirstCommentNeeded {
		change.Comments = []connector.Comment{s.comment()}
	}
	return change
}

// comment is a customer's message.
func (s *stage) comment() connector.Comment {
	n := s.number()
	body := fmt.Sprintf("The zither %d has lost a string, please.", n)
	s.remember(body)
	return connector.Comment{
		Key: fmt.Sprintf("wamid.HBgM%06d#c", n), Body: body, Author: connector.AuthorCustomer,
		Time: time.Date(2026, 11, 22, 10, 0, n%60, 0, time.UTC),
	}
}

// opened makes a ticket and gives its id, with the change that made it.
func (s *stage) opened() (string, connector.Change) {
	change := s.ticket()
	made := s.one(change)
	s.done("create a ticket", made)
	return made.ID, change
}

// update is a change of a ticket that exists.
func update(id string, of connector.Change) connector.Change {
	return connector.Change{Kind: of.Kind, Key: of.Key, ID: id, Identity: of.Identity, Contact: of.Contact}
}

// refOf points at the record of a change by its key alone.
func refOf(c connector.Change) connector.Ref {
	return connector.Ref{Kind: c.Kind, Key: c.Key, Identity: c.Identity}
}

// per is a size that an adapter declares, 0 meaning 1.
func per(n int) int { return max(n, 1) }
