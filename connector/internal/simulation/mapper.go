package simulation

import (
	"fmt"
	"strings"

	"github.com/crm-connector/crm-connector/connector"
)

// mapper is the mapping of a simulation: small, pure, and with every kind of
// wish in it. Its version changes what it makes of an event, but no key.
type mapper struct {
	version int
	policy  connector.Policy
}

var _ connector.Mapper = (*mapper)(nil)

func (m *mapper) Policy() connector.Policy           { return m.policy }
func (m *mapper) Threads(t connector.EventType) bool { return t == connector.MessageReceived }
func (m *mapper) Generation() string                 { return fmt.Sprint("v", m.version) }
func (m *mapper) rule(name string) []string          { return []string{fmt.Sprint(name, m.version)} }

func (m *mapper) comment(e *connector.Event) []connector.Comment {
	key := e.Key() + "/comment"
	if e.Revision > 0 {
		key += fmt.Sprint("/", e.Revision)
	}
	return []connector.Comment{{
		Key: key, Body: fmt.Sprintf("%s (v%d)", e.Message.Text, m.version), Author: connector.AuthorCustomer, Time: e.Time,
	}}
}

func (m *mapper) Map(e *connector.Event) (*connector.Mapped, error) {
	switch {
	case e.Type == connector.MessageReceived && strings.Contains(e.Message.Text, "unmappable"):
		return nil, fmt.Errorf("rule says no")
	case e.Type == connector.MessageReceived && e.Message.Type == "reaction":
		return &connector.Mapped{Rules: m.rule("reaction"), Comments: m.comment(e)}, nil
	case e.Type == connector.MessageReceived:
		out := &connector.Mapped{Rules: m.rule("message"), Comments: m.comment(e)}
		out.Contact = &connector.ContactWish{Make: true, Set: connector.Write{Standard: connector.Fields{
			connector.FieldPhone: e.Identity.Phone, connector.FieldName: e.ContactName,
		}}}
		out.Ticket = &connector.TicketWish{Open: true, Create: connector.Write{
			Standard: connector.Fields{connector.FieldSubject: e.Message.ID},
			Custom:   connector.Fields{"account": e.Account},
		}}
		if strings.Contains(e.Message.Text, "solve") {
			out.Ticket.Set = connector.Write{Standard: connector.Fields{connector.FieldStatus: connector.TicketSolved}}
		}
		return out, nil
	case e.Type.IsReceipt():
		return &connector.Mapped{Rules: m.rule("receipt"), Contact: &connector.ContactWish{Set: connector.Write{
			Custom: connector.Fields{"whatsapp_status": string(e.Message.Status)},
		}}}, nil
	}
	return &connector.Mapped{}, nil
}
