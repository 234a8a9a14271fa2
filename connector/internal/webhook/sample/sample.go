// Package sample makes webhooks as AISoule sends them, of every event type in
// both dialects, signed if wanted: for tests, for trying out a connector, and
// for load. The same options give the same bytes.
//
// Start with [Event] and [Sign].
package sample

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/webhook"
)

// Dialect is one of the two forms in which AISoule documents its webhooks.
type Dialect string

// The dialects.
const (
	// Developer is that of the developer documentation.
	Developer Dialect = "developer"
	// App is that of the help centre.
	App Dialect = "app"
)

// Dialects lists both.
func Dialects() []Dialect { return []Dialect{Developer, App} }

// The business of the samples, as each dialect names it.
const (
	BusinessNumber = "15550199999"
	BusinessUUID   = "7f0c1d5e-3b8a-4c6e-9d21-5a4f0e8b7c33"
)

// epoch is the time of the documentation's playground request, which is the
// time of the first sample.
const epoch = 1780369298

// Options choose among samples. The zero value is the first message of the first
// customer.
type Options struct {
	// Conversation numbers the customer, and Sequence the message in the
	// conversation.
	Conversation int
	Sequence     int
	// Time is the event's; by default it follows from Sequence.
	Time time.Time
	// Kind is the message's type, text by default; see Kinds.
	Kind string
	// Text is what the message says; by default it follows from the numbers.
	Text string
	// MessageID is by default that of the conversation and sequence, one for
	// what the customer wrote and one for what the business did.
	MessageID string
	// ReplyTo is the message that this one answers or reacts to.
	ReplyTo string
	// Name is the customer's profile name, where the dialect has one.
	Name string
	// ErrorCode is that of a failure, 131026 by default; see ErrorCodes.
	ErrorCode int
	// UserID is sent beside the number, or in its place with NoPhone.
	UserID  string
	NoPhone bool
}

// Phone gives the number of a conversation's customer, in digits.
func Phone(conversation int) string { return strconv.Itoa(917000000000 + conversation) }

// Event gives the body of one webhook.
func Event(kind connector.EventType, d Dialect, o Options) []byte {
	o = o.withDefaults(kind, d)
	if kind == connector.Ping {
		return encode(map[string]any{"event": kind})
	}
	body := map[string]any{"event": kind, "timestamp": o.Time.Unix()}
	if d == App {
		body["timestamp"] = o.Time.UTC().Format(time.RFC3339)
		if kind == connector.MessageReceived {
			body["event"] = "message.incoming"
		}
	}
	body["data"] = o.data(kind, d)
	return encode(body)
}

func (o Options) withDefaults(kind connector.EventType, d Dialect) Options {
	if o.Time.IsZero() {
		o.Time = time.Unix(epoch+int64(o.Sequence), 0)
	}
	if o.Kind == "" {
		o.Kind = "text"
	}
	if o.Text == "" {
		o.Text = fmt.Sprintf("Message %d of customer %d.", o.Sequence+1, o.Conversation+1)
	}
	if o.Name == "" {
		o.Name = fmt.Sprintf("Customer %d", o.Conversation+1)
	}
	if o.ErrorCode == 0 {
		o.ErrorCode = 131026
	}
	if o.MessageID == "" {
		o.MessageID = messageID(kind, d, o)
	}
	return o
}

// messageID gives the id of a message; the receipts of what the business wrote
// share one.
func messageID(kind connector.EventType, d Dialect, o Options) string {
	scheme, side := "msg_", "c"
	if d == App {
		scheme = "wamid."
	}
	if kind != connector.MessageReceived {
		side = "b"
	}
	return fmt.Sprintf("%s%s%08x%06x", scheme, side, o.Conversation, o.Sequence)
}

// data gives the data member of any event but a ping.
func (o Options) data(kind connector.EventType, d Dialect) map[string]any {
	switch kind {
	case connector.CampaignCompleted:
		return map[string]any{
			"campaign_id": "cmp_" + strconv.Itoa(o.Sequence+1), "name": "Spring sale",
			"sent": 1000, "delivered": 970, "read": 640, "failed": 30,
		}
	case connector.ContactCreated, connector.ContactUpdated:
		return map[string]any{
			"id": "cnt_" + Phone(o.Conversation), "phone": o.phone(d), "first_name": o.Name,
			"email": fmt.Sprintf("customer%d@example.com", o.Conversation+1), "tags": []string{"lead"},
		}
	case connector.TransferCreated:
		return map[string]any{
			"transfer_id": "trf_" + strconv.Itoa(o.Sequence+1), "contact_phone": o.phone(d),
			"contact_name": o.Name, "agent": "Asha", "reason": "asked for a person",
		}
	}
	data := o.sides(kind, d)
	data["message_id"] = o.MessageID
	switch kind {
	case connector.MessageReceived:
		o.content(data, d)
	case connector.MessageFailed:
		data["status"] = "failed"
		data["errors"] = []any{failure(o.ErrorCode)}
	default:
		data["status"] = string(kind[len("message."):])
	}
	return data
}

// sides names the customer and the business as the dialect does.
func (o Options) sides(kind connector.EventType, d Dialect) map[string]any {
	data := map[string]any{}
	customer, business, user := "sender", "recipient", "from_user_id"
	if d == App {
		customer, business = "from", "to"
		data["whatsapp_account_id"] = BusinessUUID
	} else {
		data["waba_number"] = BusinessNumber
	}
	if kind != connector.MessageReceived {
		customer, business, user = business, customer, "recipient_user_id"
	}
	if !o.NoPhone {
		data[customer] = o.phone(d)
	}
	if o.UserID != "" {
		data[user] = o.UserID
	}
	if d == Developer {
		data[business] = BusinessNumber
	}
	return data
}

// phone gives the customer's number as the dialect writes it.
func (o Options) phone(d Dialect) string {
	if d == App {
		return "+" + Phone(o.Conversation)
	}
	return Phone(o.Conversation)
}

// Array puts several webhooks into one body.
func Array(elements ...[]byte) []byte {
	return append(append([]byte{'['}, bytes.Join(elements, []byte{','})...), ']')
}

// Sign gives the header in which the dialect carries the signature of a body,
// and its value.
func Sign(secret, body []byte, d Dialect) (header, value string) {
	mac := hmac.New(sha256.New, secret)
	mac.Write(body)
	sum := hex.EncodeToString(mac.Sum(nil))
	if d == App {
		return webhook.HeaderApp, sum
	}
	return webhook.HeaderDeveloper, "sha256=" + sum
}

// Playground gives the documentation's playground request, byte for byte. Its
// signature is a literal placeholder.
func Playground() []byte {
	return []byte(`{ "event": "message.received", "timestamp": 1780369298,
            "data": { "message_id": "msg_90a82b7194689c1", "sender": "918856879188",
                      "type": "text", "body": "Hi there! I need pricing info." } }`)
}

// PlaygroundSignature gives the playground request's header and its value.
func PlaygroundSignature() (header, value string) {
	return webhook.HeaderDeveloper, "sha256=MOCK_SIGNATURE"
}

// ReadReceipt gives the documentation's read receipt.
func ReadReceipt() []byte {
	return []byte(`{ "event": "message.read", "timestamp": 1780369320,
  "data": { "message_id": "msg_90a82b7194689c1", "waba_number": "15550199999",
            "sender": "15550199999", "recipient": "918856879188", "status": "read" } }`)
}

// encode writes JSON whose members are in alphabetical order. The samples hold
// nothing that cannot be written.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil
	}
	return bytes.TrimSpace(b.Bytes())
}
