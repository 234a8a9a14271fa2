package delivery

import (
	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/journal"
	"github.com/crm-connector/crm-connector/connector/internal/webhook"
)

// Whole gives a stored event with everything that its webhook says: the journal
// keeps what it decided at the acceptance, and the raw bytes tell the rest.
func Whole(s *journal.Stored) (*connector.Event, error) {
	reading, err := webhook.Read(s.Raw)
	if err != nil {
		return nil, err
	}
	e := s.Event
	e.Message, e.Data = reading.Event.Message, reading.Event.Data
	if e.Message != nil {
		e.Message.Status = s.Status
	}
	return &e, nil
}
