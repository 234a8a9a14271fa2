// Package trial says what a mapping makes of a webhook, without a connector, a
// journal or a CRM: for people who write mappings.
//
// It knows no history: every webhook is read as a new customer's first, at the
// time that it carries. It calls nothing and stores nothing.
//
// Start with [Run] and [Sample].
package trial

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/identity"
	"github.com/crm-connector/crm-connector/connector/internal/webhook"
	"github.com/crm-connector/crm-connector/connector/internal/webhook/sample"
	"github.com/crm-connector/crm-connector/mappings"
)

// Result is what became of one element of a webhook.
type Result struct {
	Type     connector.EventType `json:"type,omitempty"`
	Customer string              `json:"customer,omitempty"`
	// Message is the WhatsApp message's type and its id.
	Message   string    `json:"message,omitempty"`
	MessageID string    `json:"message_id,omitempty"`
	Time      time.Time `json:"time,omitzero"`
	// Mapped are the changes, nil when Error says why there are none.
	Mapped *connector.Mapped `json:"changes,omitempty"`
	// Rules says of every rule why it did or did not match.
	Rules []mappings.RuleTrace `json:"rules,omitempty"`
	Error string               `json:"error,omitempty"`
	// Unreadable says that the connector would quarantine the element, where a
	// mapping's error makes a dead letter.
	Unreadable bool `json:"unreadable,omitempty"`
	// Ping says that it is AISoule's test of the connection, which reaches no
	// mapping.
	Ping bool `json:"ping,omitempty"`
}

// Run maps every element of a webhook. The error is for a body that is no webhook.
func Run(m *mappings.Mapping, body []byte, now time.Time) ([]Result, error) {
	elements, _, err := webhook.Split(body)
	if err != nil {
		return nil, fmt.Errorf("read the webhook: %w", err)
	}
	results := make([]Result, len(elements))
	for i, raw := range elements {
		results[i] = one(m, raw, now)
	}
	return results, nil
}

// one maps one element as if it were its customer's first.
func one(m *mappings.Mapping, raw []byte, now time.Time) Result {
	reading, err := webhook.Read(raw)
	if err != nil {
		return Result{Error: err.Error(), Unreadable: true}
	}
	e := reading.Event
	if reading.Undated {
		e.Time = now
	}
	e.Accepted, e.State.FirstSeen = e.Time, e.Time
	e.CustomerKey = identity.CustomerKey(e.Identity)
	r := Result{Type: e.Type, Customer: cmp.Or(e.Identity.Phone, e.Identity.UserID), Time: e.Time, Ping: e.Type == connector.Ping}
	if r.Ping {
		return r
	}
	if e.Message != nil {
		r.Message, r.MessageID = e.Message.Type, e.Message.ID
	}
	r.Rules = m.Explain(&e)
	if r.Mapped, err = m.Map(&e); err != nil {
		r.Mapped, r.Error = nil, err.Error()
	}
	return r
}

// Sample makes a webhook of a name like message.received, message.received/image
// or message.failed/131050, in one of the two dialects.
func Sample(name, dialect string) ([]byte, error) {
	kind, detail, _ := strings.Cut(name, "/")
	if t := connector.EventType(kind); t != connector.Ping && !slices.Contains(connector.EventTypes(), t) {
		return nil, fmt.Errorf("there is no event type %q; known are: %v", kind, connector.EventTypes())
	}
	if !slices.Contains(sample.Dialects(), sample.Dialect(dialect)) {
		return nil, fmt.Errorf("there is no dialect %q; known are: %v", dialect, sample.Dialects())
	}
	var o sample.Options
	if err := refine(&o, connector.EventType(kind), detail); err != nil {
		return nil, err
	}
	return sample.Event(connector.EventType(kind), sample.Dialect(dialect), o), nil
}

// refine chooses a message's kind or a failure's code.
func refine(o *sample.Options, t connector.EventType, detail string) error {
	switch {
	case detail == "":
	case t == connector.MessageReceived:
		if !slices.Contains(sample.Kinds(), detail) {
			return fmt.Errorf("there is no kind of message %q; known are: %v", detail, sample.Kinds())
		}
		o.Kind = detail
	case t == connector.MessageFailed:
		code, err := strconv.Atoi(detail)
		if err != nil || code < 1 {
			return fmt.Errorf("%q is no error code; known are: %v", detail, sample.ErrorCodes())
		}
		o.ErrorCode = code
	default:
		return errors.New("only message.received/KIND and message.failed/CODE take something after a /")
	}
	return nil
}

// Names lists the samples that there are.
func Names() []string {
	var names []string
	for _, t := range connector.EventTypes() {
		names = append(names, string(t))
		switch t {
		case connector.MessageReceived:
			for _, kind := range sample.Kinds() {
				names = append(names, string(t)+"/"+kind)
			}
		case connector.MessageFailed:
			for _, code := range sample.ErrorCodes() {
				names = append(names, fmt.Sprintf("%s/%d", t, code))
			}
		}
	}
	return names
}
