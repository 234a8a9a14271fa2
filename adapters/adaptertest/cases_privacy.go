package adaptertest

import (
	"context"

	"github.com/crm-connector/crm-connector/connector"
)

// privacy is what must never show.
func privacy() []kase {
	return []kase{
		{"discreet errors", "no secret, number, name or message text shows in an error, whatever the vendor repeats", nil, discreet},
		{"a cancelled context", "a call with a cancelled context changes nothing", nil, cancelled},
	}
}

// discreet relies on the check that every error goes through.
func discreet(s *stage) {
	id, opened := s.opened()
	contact := s.contact()
	created := s.creates(connector.KindTicket, 1)[0]
	for _, status := range []int{400, 401, 403, 404, 409, 422, 429, 500, 503} {
		s.wire.set(anyCall, -1, echoes(status))
		s.one(contact)
		s.one(created)
		change := update(id, opened)
		change.Comments = []connector.Comment{s.comment()}
		change.Set.Standard = connector.Fields{connector.FieldSubject: "Zither repair, urgent"}
		s.remember("Zither repair, urgent")
		s.one(change)
		s.see(connector.Ref{Kind: connector.KindContact, Identity: contact.Identity})
		s.see(commentRef(id, opened, change.Comments[0]))
	}
	for _, f := range []fault{resets, refuses} {
		s.wire.set(anyCall, -1, f)
		s.one(contact)
		s.see(connector.Ref{Kind: connector.KindContact, Identity: contact.Identity})
	}
}

func cancelled(s *stage) {
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	c := s.contact()
	if s.apply(ctx, c)[0].Err == nil {
		s.errorf("apply with a cancelled context is a success")
	}
	if s.observe(ctx, refOf(c))[0].Err == nil {
		s.errorf("observe with a cancelled context is an answer")
	}
	s.count(connector.KindContact, 0, "after a cancelled create")
}
