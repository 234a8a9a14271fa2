package webhook

import (
	"strconv"
	"strings"
	"time"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/identity"
)

// message reads what the webhook says of its message.
func (r *reader) message(at time.Time) *connector.Message {
	m := &connector.Message{
		ID:     messageID(r.text("message_id", "wamid", "id")),
		Type:   r.messageType(),
		Status: r.status(),
	}
	body := r.object(m.Type)
	m.Text = r.messageText(m.Type, body)
	m.ReplyTo = r.replyTo(m.Type, body)
	m.Caption = r.caption(body)
	m.Media = r.media(m.Type, body, at)
	m.Error = r.messageError()
	if m.Type == "system" {
		m.NewPhone = r.newPhone(body)
	}
	return m
}

// maxMessageID bounds a message id that is used as it came. WhatsApp's have up
// to about 100 characters.
const maxMessageID = 160

// messageID keeps an id that can be part of a key and names any other by its
// digest.
func messageID(id string) string {
	if id == "" || len(id) <= maxMessageID && isToken(id) {
		return id
	}
	return digestID([]byte(id))
}

// kinds are the message types that a webhook without a type shows by a member of
// the same name.
var kinds = [...]string{
	"image", "video", "audio", "document", "sticker", "reaction", "interactive",
	"button", "location", "contacts", "order", "system", "edit", "revoke",
}

// messageType gives WhatsApp's type, which receipts mostly do not have.
func (r *reader) messageType() string {
	kind := strings.ToLower(r.text("type", "message_type"))
	switch kind {
	case "voice", "ptt":
		return "audio"
	case "":
	default:
		return kind
	}
	if r.get("body") != nil || r.get("text") != nil || r.plainMessage() != "" {
		return "text"
	}
	if r.kind.IsReceipt() && r.kind != connector.MessageSent {
		return ""
	}
	for _, k := range kinds {
		if r.get(k) != nil {
			return k
		}
	}
	return ""
}

// messageText gives what the customer reads or wrote. The receipts behind
// "sent" repeat at most what that one said; their words stay in the data, so
// that they do not look like messages.
func (r *reader) messageText(kind string, body fields) string {
	switch {
	case r.kind == connector.MessageDelivered || r.kind == connector.MessageRead:
		return ""
	case kind == "reaction":
		return r.reaction(body)
	case kind == "edit":
		if s := spoken(body.object("message")["text"]); s != "" {
			return s
		}
	}
	for _, name := range [...]string{"body", "text"} {
		if s := spoken(r.get(name)); s != "" {
			return s
		}
	}
	if s := r.plainMessage(); s != "" {
		return s
	}
	return r.choice(body)
}

// plainMessage gives a text that is named "message"; in a receipt that would be
// an error's.
func (r *reader) plainMessage() string {
	if r.kind != connector.MessageReceived {
		return ""
	}
	s, _ := r.data["message"].(string)
	return s
}

// spoken gives a text that is a string, or an object around one.
func spoken(v any) string {
	if o, ok := v.(map[string]any); ok {
		return words(fields(o)["body"])
	}
	return words(v)
}

// reaction gives the emoji, which is empty when the reaction was removed.
func (r *reader) reaction(body fields) string {
	if body != nil {
		return text(body["emoji"])
	}
	return r.text("reaction", "emoji", "reaction_emoji", "body", "text")
}

// choice gives the words of what the customer chose or filled in: a button, an
// entry of a list, a form, an order; or of a notice by WhatsApp.
func (r *reader) choice(body fields) string {
	for _, name := range [...]string{"button", "interactive"} {
		if s := text(r.get(name)); s != "" {
			return s
		}
	}
	for _, source := range [...]fields{
		body, r.object("button"), body.object("button_reply"), body.object("list_reply"),
		body.object("nfm_reply"), r.object("interactive").object("button_reply"),
		r.object("interactive").object("list_reply"), r.object("button_reply"), r.object("list_reply"),
		body.object("body"),
	} {
		if s := source.text("title", "text", "body", "description"); s != "" {
			return s
		}
	}
	return r.text("button_text", "button_title", "title", "button_payload")
}

// replyTo gives the id of the message that this one answers, reacts to, edits or
// takes back.
func (r *reader) replyTo(kind string, body fields) string {
	switch kind {
	case "reaction", "edit", "revoke":
		if s := body.text("message_id", "original_message_id", "id"); s != "" {
			return messageID(s)
		}
	}
	if s := r.object("context").text("id", "message_id"); s != "" {
		return messageID(s)
	}
	for _, name := range [...]string{"reply_to", "quoted"} {
		if s := r.object(name).text("id", "message_id"); s != "" {
			return messageID(s)
		}
	}
	return messageID(r.text("reply_to", "reply_to_message_id", "quoted_message_id", "context_id",
		"reaction_message_id", "original_message_id"))
}

// status gives how far the message has come. A receipt's name says so; other
// events may say it in words of their own, which are kept.
func (r *reader) status() connector.Status {
	switch r.kind {
	case connector.MessageReceived:
		return connector.StatusNone
	case connector.MessageSent:
		return connector.StatusSent
	case connector.MessageDelivered:
		return connector.StatusDelivered
	case connector.MessageRead:
		return connector.StatusRead
	case connector.MessageFailed:
		return connector.StatusFailed
	}
	if s := strings.ToLower(r.text("status")); isToken(s) && len(s) <= maxEventName {
		return connector.Status(s)
	}
	return connector.StatusNone
}

// newPhone gives the number that the customer changed to.
func (r *reader) newPhone(system fields) string {
	name := system.text("wa_id", "new_wa_id", "new_phone", "new_number")
	if name == "" {
		name = r.text("new_wa_id", "new_phone", "new_number")
	}
	number, _ := identity.Normalise(name)
	return number
}

// messageError reads why a message failed or could not be shown: WhatsApp's list,
// a single object, or flat fields, which only events that tell of a failure have.
func (r *reader) messageError() *connector.MessageError {
	source := r.object("errors")
	if source == nil {
		source = r.object("error")
	}
	if source != nil {
		return errorObject(source)
	}
	switch r.kind {
	case connector.MessageReceived, connector.MessageSent, connector.MessageDelivered, connector.MessageRead:
		return nil
	}
	e := connector.MessageError{
		Title:  r.text("error_title", "error_message", "error", "failure_reason", "failed_reason"),
		Detail: r.text("error_details", "error_detail"),
	}
	if e.Title == "" && r.kind == connector.MessageFailed {
		e.Title = r.text("reason")
	}
	return withCode(e, r.text("error_code"))
}

// errorObject reads WhatsApp's own shape and those that are like it.
func errorObject(o fields) *connector.MessageError {
	e := connector.MessageError{
		Title:  o.text("title", "message", "type"),
		Detail: or(o.object("error_data").text("details"), o.text("details", "detail", "error_details")),
	}
	if e.Detail == "" && o.text("message") != e.Title {
		e.Detail = o.text("message")
	}
	return withCode(e, o.text("code", "error_code"))
}

// withCode adds the code. Platforms send it as a number or in a string, some a
// word instead, which is better than no title.
func withCode(e connector.MessageError, code string) *connector.MessageError {
	if code == "" {
		code = e.Title // Some give nothing but a code as the reason.
	}
	if n, err := strconv.Atoi(strings.TrimPrefix(code, "#")); err == nil {
		e.Code = n
	} else if e.Title == "" {
		e.Title = code
	}
	if e == (connector.MessageError{}) {
		return nil
	}
	return &e
}
