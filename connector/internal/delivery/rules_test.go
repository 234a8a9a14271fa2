package delivery_test

import (
	"errors"
	"strings"

	"github.com/crm-connector/crm-connector/connector"
)

// rules is a mapping that does what the message says: its first word, and the
// second one as the value.
type rules struct {
	version string
	policy  connector.Policy
	// receipts says that receipts make thread changes.
	receipts bool
	// plain leaves the contact's phone out, twice gives every message two comments.
	plain, twice bool
}

var _ connector.Mapper = (*rules)(nil)

func (r *rules) Policy() connector.Policy { return r.policy }
func (r *rules) Generation() string       { return r.version }
func (r *rules) Threads(t connector.EventType) bool {
	return t == connector.MessageReceived || r.receipts
}

func (r *rules) Map(e *connector.Event) (*connector.Mapped, error) {
	switch {
	case e.Type.IsReceipt():
		return &connector.Mapped{Rules: []string{"receipt"}, Contact: &connector.ContactWish{
			Set: connector.Write{Custom: connector.Fields{"status": string(e.Message.Status)}},
		}}, nil
	case e.Message == nil:
		return &connector.Mapped{}, nil
	case e.Message.Type == "reaction":
		return &connector.Mapped{Rules: []string{"reaction"}, Comments: r.comments(e)}, nil
	}
	return r.message(e)
}

func (r *rules) message(e *connector.Event) (*connector.Mapped, error) {
	verb, rest, _ := strings.Cut(e.Message.Text, " ")
	value, _, _ := strings.Cut(rest, " ")
	out := &connector.Mapped{
		Rules:    []string{"message"},
		Contact:  &connector.ContactWish{Make: true},
		Ticket:   &connector.TicketWish{Open: true, Create: standard(connector.FieldSubject, e.Message.ID)},
		Comments: r.comments(e),
	}
	if !r.plain {
		out.Contact.Set = standard(connector.FieldPhone, e.Identity.Phone)
	}
	switch verb {
	case "name":
		out.Contact.Set = standard(connector.FieldName, value)
	case "fill":
		out.Contact.Fill = standard(connector.FieldName, value)
	case "status", "priority":
		out.Ticket.Set = standard(verb, value)
	case "only":
		out.Contact, out.Comments = nil, nil
		out.Ticket = &connector.TicketWish{Set: standard(connector.FieldStatus, value)}
	case "nothing":
		return &connector.Mapped{Rules: out.Rules}, nil
	case "skip":
		return &connector.Mapped{Rules: out.Rules, Skipped: "bored"}, nil
	case "unmatched":
		return &connector.Mapped{}, nil
	case "unmappable":
		return nil, errors.New("rule 1: the value is not a number")
	}
	return out, nil
}

func (r *rules) comments(e *connector.Event) []connector.Comment {
	key := e.Key()
	if e.Revision > 0 {
		key += "/edited"
	}
	first := connector.Comment{Key: key, Body: r.version + ": " + e.Message.Text, Author: connector.AuthorCustomer, Time: e.Time}
	if !r.twice {
		return []connector.Comment{first}
	}
	second := first
	second.Key += "/more"
	return []connector.Comment{first, second}
}

func standard(name string, value any) connector.Write {
	return connector.Write{Standard: connector.Fields{name: value}}
}
