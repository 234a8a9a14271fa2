package mappings

import (
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/crm-connector/crm-connector/connector"
)

// What expressions see. The names are in the expr tags, the reference's words in
// the doc tags. Whatever an event lacks is the zero value, never an error.
type (
	eventEnv struct {
		ID       int64     `expr:"id" doc:"the journal's number of the event"`
		Type     string    `expr:"type" doc:"what happened, such as message.received"`
		Time     time.Time `expr:"time" doc:"when it happened"`
		Accepted time.Time `expr:"accepted" doc:"when the connector took the webhook"`
		Now      time.Time `expr:"now" doc:"the same as accepted: mapping an event again gives the same result"`
		Account  string    `expr:"account" doc:"the business's WhatsApp number or account id"`
		Source   string    `expr:"source" doc:"the webhook endpoint it came in by"`
		Business string    `expr:"business" doc:"the business it belongs to"`
		Revision int       `expr:"revision" doc:"0, or how often the message came again with other content, such as an edit"`
		Inbound  bool      `expr:"inbound" doc:"true when the customer wrote"`
	}
	messageEnv struct {
		ID       string    `expr:"id" doc:"the message's id"`
		Type     string    `expr:"type" doc:"text, image, audio, video, document, sticker, location, contacts, button, interactive, reaction, order, system, template, unsupported"`
		Text     string    `expr:"text" doc:"what the customer wrote or reads: the body, a button's title, a reaction's emoji"`
		Caption  string    `expr:"caption" doc:"the words under a picture, video or document"`
		Media    mediaEnv  `expr:"media" doc:"the attachment"`
		ReplyTo  string    `expr:"reply_to" doc:"the id of the message that this one answers or reacts to"`
		Status   string    `expr:"status" doc:"how far it has come: sent, delivered, read or failed"`
		Error    failedEnv `expr:"error" doc:"why it failed"`
		NewPhone string    `expr:"new_phone" doc:"the customer's new number when it changed"`
	}
	mediaEnv struct {
		ID       string    `expr:"id" doc:"WhatsApp's id of the file"`
		URL      string    `expr:"url" doc:"where the file can be fetched for a while"`
		Type     string    `expr:"type" doc:"the MIME type, such as image/jpeg"`
		Filename string    `expr:"filename" doc:"the file's name"`
		Voice    bool      `expr:"voice" doc:"true for a voice message"`
		Expires  time.Time `expr:"expires" doc:"when the link stops working, where the webhook says so"`
	}
	failedEnv struct {
		Code   int    `expr:"code" doc:"WhatsApp's error code, 0 when there is none"`
		Title  string `expr:"title" doc:"its short text"`
		Detail string `expr:"detail" doc:"its long text"`
	}
	contactEnv struct {
		Name   string `expr:"name" doc:"the profile name, empty when WhatsApp gave none"`
		Phone  string `expr:"phone" doc:"the number, such as +918856879188; empty for users who hide it"`
		UserID string `expr:"user_id" doc:"the business-scoped user id"`
		Key    string `expr:"key" doc:"the connector's own stable name for the customer"`
	}
	stateEnv struct {
		FirstSeen     time.Time `expr:"first_seen" doc:"when the customer's first event was accepted"`
		LastCustomer  time.Time `expr:"last_customer_message" doc:"the time of the customer's message before this one"`
		Consent       string    `expr:"consent" doc:"withdrawn when the customer has opted out of marketing"`
		StatusBefore  string    `expr:"message_status_before" doc:"how far the message had come before this event"`
		IsNewCustomer bool      `expr:"new_customer" doc:"true for the customer's first event"`
	}
)

// variable is one top-level name of the expressions.
type variable struct {
	name string
	of   reflect.Type
	doc  string
}

// variables are the names that every expression sees.
func variables() []variable {
	return []variable{
		{"event", reflect.TypeFor[eventEnv](), "what happened"},
		{"message", reflect.TypeFor[messageEnv](), "the WhatsApp message; all its fields are empty for events that are not messages"},
		{"contact", reflect.TypeFor[contactEnv](), "the customer"},
		{"state", reflect.TypeFor[stateEnv](), "what earlier events said of the customer"},
		{"data", reflect.TypeFor[map[string]any](), "the webhook's data as it came; what is absent is empty"},
	}
}

// groups are the struct types of the expressions by the name that people know.
func groups() map[reflect.Type]string {
	return map[reflect.Type]string{
		reflect.TypeFor[eventEnv]():   "event",
		reflect.TypeFor[messageEnv](): "message",
		reflect.TypeFor[mediaEnv]():   "message.media",
		reflect.TypeFor[failedEnv]():  "message.error",
		reflect.TypeFor[contactEnv](): "contact",
		reflect.TypeFor[stateEnv]():   "state",
	}
}

// fieldOf finds a field by the name that expressions use.
func fieldOf(t reflect.Type, name string) (reflect.Type, bool) {
	for f := range t.Fields() {
		if f.Tag.Get("expr") == name {
			return f.Type, true
		}
	}
	return nil, false
}

// fieldNames lists a group's fields.
func fieldNames(t reflect.Type) []string {
	var names []string
	for f := range t.Fields() {
		names = append(names, f.Tag.Get("expr"))
	}
	return names
}

// allPaths lists every path that is typed, for suggestions.
func allPaths() []string {
	var paths []string
	for t, group := range groups() {
		for _, f := range fieldNames(t) {
			paths = append(paths, group+"."+f)
		}
	}
	slices.Sort(paths)
	return paths
}

// path is one typed value that expressions read, such as message.media.url.
type path struct {
	name string
	// root is the group that it begins with, and index the way from there.
	root  string
	index []int
	of    reflect.Type
}

// leaves are all paths that end in a value, by name.
func leaves() map[string]path {
	all := map[string]path{}
	var walk func(t reflect.Type, p path)
	walk = func(t reflect.Type, p path) {
		for f := range t.Fields() {
			next := path{
				name: p.name + "." + f.Tag.Get("expr"), root: p.root, of: f.Type,
				index: slices.Concat(p.index, f.Index),
			}
			if _, group := groups()[f.Type]; group {
				walk(f.Type, next)
			} else {
				all[next.name] = next
			}
		}
	}
	for _, v := range variables() {
		if v.of.Kind() == reflect.Struct {
			walk(v.of, path{name: v.name, root: v.name})
		}
	}
	return all
}

// valuesOf are the values that some paths are known to take.
func valuesOf(path string) []string {
	switch path {
	case "event.type":
		return eventTypeNames()
	case "message.type":
		return messageTypes()
	case "message.status", "state.message_status_before":
		return []string{"sent", "delivered", "read", "failed"}
	case "state.consent":
		return []string{string(connector.ConsentWithdrawn)}
	}
	return nil
}

func eventTypeNames() []string {
	var names []string
	for _, t := range connector.EventTypes() {
		names = append(names, string(t))
	}
	return names
}

func messageTypes() []string {
	return []string{
		"text", "image", "audio", "video", "document", "sticker", "location", "contacts", "button",
		"interactive", "reaction", "order", "system", "template", "unsupported",
	}
}

// fill sets what expressions see to an event.
func (r *run) fill(e *connector.Event) {
	r.event = eventEnv{
		ID: e.ID, Type: string(e.Type), Time: e.Time, Accepted: e.Accepted, Now: e.Accepted,
		Account: e.Account, Source: e.Source, Business: e.Business, Revision: e.Revision, Inbound: e.Inbound(),
	}
	name := clip(strings.TrimSpace(e.ContactName))
	r.contact = contactEnv{Name: name, Phone: e.Identity.Phone, UserID: e.Identity.UserID, Key: e.CustomerKey}
	r.state = stateEnv{
		FirstSeen: e.State.FirstSeen, LastCustomer: e.State.LastCustomerMessage, Consent: string(e.State.Consent),
		StatusBefore:  string(e.State.MessageStatus),
		IsNewCustomer: e.State.FirstSeen.IsZero() || e.State.FirstSeen.Equal(e.Accepted),
	}
	r.message = messageOf(e.Message)
	r.vars["data"] = e.Data
}

func messageOf(m *connector.Message) messageEnv {
	if m == nil {
		return messageEnv{}
	}
	out := messageEnv{
		ID: m.ID, Type: m.Type, Text: clip(m.Text), Caption: clip(m.Caption), ReplyTo: m.ReplyTo,
		Status: string(m.Status), NewPhone: m.NewPhone,
	}
	if a := m.Media; a != nil {
		out.Media = mediaEnv{
			ID: a.ID, URL: clip(a.URL), Type: a.MIMEType, Filename: clip(a.Filename), Voice: a.Voice, Expires: a.Expires,
		}
	}
	if f := m.Error; f != nil {
		out.Error = failedEnv{Code: f.Code, Title: clip(f.Title), Detail: clip(f.Detail)}
	}
	return out
}
