// Package webhook reads AISoule's webhooks: it checks their signature, splits
// what came in one request, and makes of either dialect the same
// [connector.Event].
//
// The dialect is not configured and not guessed as a whole: each field is looked
// up under every name it is known by, so an account that mixes both is read as
// well. What is not understood is kept in the event's data. Reading is pure and
// does not depend on the time, since an event is read when it is taken in and
// again, from its raw bytes, when it is delivered.
//
// The package knows no source, no journal and no rule, and its errors hold
// nothing of what a customer wrote.
//
// Start with [Verifier], [Split] and [Read].
package webhook

import (
	"errors"

	"github.com/crm-connector/crm-connector/connector"
)

// Reading is what one element of a webhook says.
type Reading struct {
	// Event has the fields that the webhook itself gives: type, time, identity,
	// account, contact name, message and data.
	Event connector.Event
	// Undated says that the webhook has no time that can be read; Event.Time is
	// then zero.
	Undated bool
}

// The reasons why an element can't be used. Their texts are shown to people.
var (
	errNotObject = errors.New("not a JSON object")
	errNoEvent   = errors.New("no event name")
	errEventName = errors.New("the event name is not a name")
	errNoData    = errors.New("no data object")
	errNobody    = errors.New("the message names no customer")
	errNoMessage = errors.New("the receipt names neither a message nor a customer")
)

// maxEventName bounds an event's name, which goes into metrics and pages.
const maxEventName = 64

// Read makes an event of one element. The error's text says why that can't be
// done and holds nothing of the content.
func Read(raw []byte) (Reading, error) {
	doc, err := decode(raw)
	if err != nil {
		return Reading{}, err
	}
	envelope, ok := doc.(map[string]any)
	if !ok {
		return Reading{}, errNotObject
	}
	kind, err := eventType(envelope["event"])
	if err != nil {
		return Reading{}, err
	}
	data, _ := envelope["data"].(map[string]any)
	if data == nil && kind.IsMessage() {
		return Reading{}, errNoData
	}
	r := newReader(kind, envelope, data)
	return r.read(raw)
}

// eventType gives the event's name in the developer documentation's words.
func eventType(v any) (connector.EventType, error) {
	name := text(v)
	_, isText := v.(string)
	switch {
	case name == "":
		return "", errNoEvent
	case !isText: // A number is no name.
		return "", errEventName
	case len(name) > maxEventName || !isToken(name):
		return "", errEventName
	case name == "message.incoming":
		return connector.MessageReceived, nil
	}
	return connector.EventType(name), nil
}

// reader holds one element while it is read.
type reader struct {
	kind connector.EventType
	// envelope is the element, data its data member, and nested the message
	// inside of data where there is one.
	envelope, data, nested fields
	// number is the business's own number, where the webhook says it apart from
	// the two sides of the message.
	number string
}

func newReader(kind connector.EventType, envelope, data fields) *reader {
	r := &reader{kind: kind, envelope: envelope, data: data, nested: data.object("message")}
	r.number = r.businessNumber()
	return r
}

func (r *reader) read(raw []byte) (Reading, error) {
	e := connector.Event{Type: r.kind, Data: r.data}
	e.Time = r.time()
	out := Reading{Undated: e.Time.IsZero()}
	customer, business := r.sides()
	e.Identity = connector.Identity{Phone: customer.phone, UserID: customer.user}
	e.Account = r.account(business)
	e.ContactName = r.contactName(customer)
	if r.kind.IsMessage() {
		e.Message = r.message(e.Time)
		if err := complete(&e, raw); err != nil {
			return Reading{}, err
		}
	}
	out.Event = e
	return out, nil
}

// complete refuses a message that could never reach anybody, and names one that
// came without an id by its content, so that two of them are not taken for one.
func complete(e *connector.Event, raw []byte) error {
	m := e.Message
	switch {
	case e.Inbound() && e.Identity.Empty():
		return errNobody
	case m.ID == "" && e.Identity.Empty():
		return errNoMessage
	case m.ID == "" && (e.Inbound() || m.Text != ""):
		m.ID = digestID(raw)
	}
	return nil
}

// get looks a field of the message up.
func (r *reader) get(name string) any {
	v := r.data[name]
	if v == nil && r.nested != nil {
		return r.nested[name]
	}
	return v
}

// text looks the first of several names of a field up that has a text.
func (r *reader) text(names ...string) string {
	for _, name := range names {
		if s := text(r.get(name)); s != "" {
			return s
		}
	}
	return ""
}

// object looks a field up that is an object, or an array with one in front.
func (r *reader) object(name string) fields { return object(r.get(name)) }
