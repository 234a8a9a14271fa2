package mappings_test

import (
	"testing"
	"time"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/mappings"
)

// moment is the time of the documentation's sample webhook.
var moment = time.Unix(1780369298, 0).UTC()

// event makes an event of a known customer.
func event(t connector.EventType, m *connector.Message) *connector.Event {
	return &connector.Event{
		ID: 7, Business: "default", Source: "main", Type: t, Time: moment, Accepted: moment.Add(2 * time.Second),
		Identity: connector.Identity{Phone: "+918856879188"}, CustomerKey: "wa:918856879188", Account: "15550199999",
		ContactName: "Asha", Message: m, State: connector.State{FirstSeen: moment.Add(-time.Hour)},
	}
}

// received makes a customer's text message.
func received(text string) *connector.Event {
	return event(connector.MessageReceived, &connector.Message{ID: "msg_90a82b7194689c1", Type: "text", Text: text})
}

// load loads a mapping that must be good.
func load(t *testing.T, src string) *mappings.Mapping {
	t.Helper()
	m, err := mappings.Load("test.yaml", []byte(src), mappings.Options{})
	if err != nil {
		t.Fatalf("load:\n%v", err)
	}
	return m
}

// mapped maps an event that must not fail.
func mapped(t *testing.T, m *mappings.Mapping, e *connector.Event) *connector.Mapped {
	t.Helper()
	out, err := m.Map(e)
	if err != nil {
		t.Fatalf("map: %v", err)
	}
	return out
}
