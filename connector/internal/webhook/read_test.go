package webhook_test

import (
	"strings"
	"testing"
	"time"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/webhook"
	"github.com/crm-connector/crm-connector/connector/internal/webhook/sample"
)

func read(t *testing.T, raw string) webhook.Reading {
	t.Helper()
	r, err := webhook.Read([]byte(raw))
	if err != nil {
		t.Fatalf("Read: %v", err)
	}
	return r
}

func TestPlaygroundRequest(t *testing.T) {
	t.Parallel()
	e := read(t, string(sample.Playground())).Event
	if e.Type != connector.MessageReceived || !e.Time.Equal(time.Unix(1780369298, 0)) {
		t.Errorf("type %s at %s", e.Type, e.Time)
	}
	if e.Identity != (connector.Identity{Phone: "+918856879188"}) || e.Account != "" {
		t.Errorf("identity %+v, account %q", e.Identity, e.Account)
	}
	want := connector.Message{ID: "msg_90a82b7194689c1", Type: "text", Text: "Hi there! I need pricing info."}
	if *e.Message != want {
		t.Errorf("message %+v, want %+v", *e.Message, want)
	}
	if e.Data["sender"] != "918856879188" {
		t.Errorf("data %v", e.Data)
	}
}

func TestDocumentedReadReceipt(t *testing.T) {
	t.Parallel()
	e := read(t, string(sample.ReadReceipt())).Event
	want := connector.Message{ID: "msg_90a82b7194689c1", Status: connector.StatusRead}
	if e.Type != connector.MessageRead || e.Identity.Phone != "+918856879188" || e.Account != "15550199999" || *e.Message != want {
		t.Errorf("read %+v with %+v", e, *e.Message)
	}
}

// TestDialectsAgree reads every sample in both dialects: they name the same
// customer and say the same.
func TestDialectsAgree(t *testing.T) {
	t.Parallel()
	for _, kind := range connector.EventTypes() {
		options := sample.Options{Conversation: 7, Sequence: 2}
		developer := read(t, string(sample.Event(kind, sample.Developer, options)))
		app := read(t, string(sample.Event(kind, sample.App, options)))
		a, b := developer.Event, app.Event
		if a.Type != kind || b.Type != kind || !a.Time.Equal(b.Time) || developer.Undated || app.Undated {
			t.Errorf("%s: %s at %s and %s at %s", kind, a.Type, a.Time, b.Type, b.Time)
		}
		phone := "+" + sample.Phone(7)
		if kind == connector.CampaignCompleted {
			phone = ""
		}
		if a.Identity.Phone != phone || b.Identity.Phone != phone {
			t.Errorf("%s: customers %q and %q, want %q", kind, a.Identity.Phone, b.Identity.Phone, phone)
		}
		if !kind.IsMessage() {
			continue
		}
		if a.Account != sample.BusinessNumber || b.Account != sample.BusinessUUID {
			t.Errorf("%s: accounts %q and %q", kind, a.Account, b.Account)
		}
		if a.Message.Text != b.Message.Text || a.Message.Status != b.Message.Status {
			t.Errorf("%s: %+v and %+v", kind, *a.Message, *b.Message)
		}
	}
}

func TestMessageKinds(t *testing.T) {
	t.Parallel()
	texts := map[string]string{
		"text": "words", "button": "words", "interactive": "words", "order": "words", "reaction": "👍",
		"system": "The customer changed the number.",
	}
	captions := map[string]bool{"image": true, "video": true, "document": true}
	for _, kind := range sample.Kinds() {
		for _, dialect := range sample.Dialects() {
			o := sample.Options{Kind: kind, Text: "words", ReplyTo: "msg_before"}
			m := read(t, string(sample.Event(connector.MessageReceived, dialect, o))).Event.Message
			if m.Type != kind || m.Text != texts[kind] || (m.Caption == "words") != captions[kind] || m.ReplyTo != "msg_before" {
				t.Errorf("%s in %s: %+v", kind, dialect, *m)
			}
			if m.Media != nil {
				if m.Media.URL == "" || m.Media.ID == "" || m.Media.MIMEType == "" || m.Media.Filename != kind+"-1" ||
					m.Media.Expires.Unix() != 1780369298+48*3600 || m.Media.Voice != (kind == "audio") {
					t.Errorf("%s in %s: media %+v", kind, dialect, *m.Media)
				}
			}
			if (m.NewPhone != "") != (kind == "system") || (m.Error != nil) != (kind == "unsupported") {
				t.Errorf("%s in %s: new phone %q, error %v", kind, dialect, m.NewPhone, m.Error)
			}
		}
	}
}

// wrap makes an event of a data member.
func wrap(event, data string) string {
	return `{"event":"` + event + `","timestamp":1780369298,"data":` + data + `}`
}

func TestCustomerIsTheOtherSide(t *testing.T) {
	t.Parallel()
	const customer = "+918856879188"
	cases := []struct {
		event, data string
		want        connector.Identity
		account     string
		reason      string
	}{
		{
			"message.received", `{"message_id":"m","sender":"918856879188","recipient":"15550199999"}`,
			connector.Identity{Phone: customer},
			"15550199999", "who receives a customer's message is the business",
		},
		{
			"message.received", `{"message_id":"m","sender":"15550199999","recipient":"918856879188","waba_number":"+1 555 019-9999"}`,
			connector.Identity{Phone: customer},
			"15550199999", "the business's number decides, whatever the event is called",
		},
		{
			"message.delivered", `{"message_id":"m","sender":"918856879188","recipient":"15550199999","waba_number":"15550199999"}`,
			connector.Identity{Phone: customer},
			"15550199999", "a receipt with the sides swapped",
		},
		{
			"message.read", `{"message_id":"m","sender":"15550199999"}`,
			connector.Identity{},
			"15550199999", "who sent a message of the business is no customer",
		},
		{
			"message.read", `{"message_id":"m","from":"+918856879188","whatsapp_account_id":"7F0C1D5E-3B8A-4C6E-9D21-5A4F0E8B7C33"}`,
			connector.Identity{Phone: customer},
			"7f0c1d5e-3b8a-4c6e-9d21-5a4f0e8b7c33", "the business is named otherwise",
		},
		{
			"message.sent", `{"message_id":"m","recipient_type":"group","recipient_id":"918000000000","recipient_participant_id":"918856879188"}`,
			connector.Identity{Phone: customer},
			"", "a group's receipt is a participant's",
		},
		{
			"message.sent", `{"message_id":"m","recipient_type":"group","recipient_id":"918000000000"}`,
			connector.Identity{},
			"", "a group is no customer",
		},
		{
			"message.received", `{"message_id":"m","from_user_id":"US.13491208655302741918"}`,
			connector.Identity{UserID: "US.13491208655302741918"},
			"", "a user that shows no number",
		},
		{
			"message.received", `{"message_id":"m","from":"US.13491208655302741918"}`,
			connector.Identity{UserID: "US.13491208655302741918"},
			"", "a user id in the number's place",
		},
		{
			"message.read", `{"message_id":"m","recipient_user_id":"US.1349","sender":"15550199999"}`,
			connector.Identity{UserID: "US.1349"},
			"15550199999", "a receipt of such a user",
		},
		{
			"message.received", `{"message_id":"m","sender":"918856879188","parent_user_id":"US.ENT.11815799212886844830"}`,
			connector.Identity{Phone: customer, UserID: "US.ENT.11815799212886844830"},
			"", "the parent's id where there is no other",
		},
		{
			"message.received", `{"message_id":"m","contacts":[{"wa_id":"918856879188","user_id":"IN.77","profile":{"name":"Asha"}}]}`,
			connector.Identity{Phone: customer, UserID: "IN.77"},
			"", "WhatsApp's own contacts",
		},
		{
			"message.received", `{"message_id":"m","from_user_id":"IN.1","type":"contacts","contacts":[{"name":"Bob","phone":"+919999999999","wa_id":"919999999999"}]}`,
			connector.Identity{UserID: "IN.1"},
			"", "a card that the customer passes on is somebody else's",
		},
		{
			"message.received", `{"message_id":"m","sender":"918856879188","type":"contacts","contacts":[{"name":"Bob","user_id":"IN.222"}]}`,
			connector.Identity{Phone: customer},
			"", "a card's user id is somebody else's",
		},
		{
			"message.received", `{"message_id":"m","sender":"918856879188","type":"text","body":"x","contacts":[{"wa_id":"919999999999","user_id":"IN.222"}]}`,
			connector.Identity{Phone: customer},
			"", "who has another number is not the sender",
		},
		{
			"message.received", `{"message_id":"m","sender":918856879188}`,
			connector.Identity{Phone: customer},
			"", "a number as a JSON number",
		},
		{
			"message.received", `{"message_id":"m","sender":"918856879188","metadata":{"display_phone_number":"15550199999","phone_number_id":"1061"}}`,
			connector.Identity{Phone: customer},
			"15550199999", "WhatsApp's own metadata",
		},
		{
			"transfer.created", `{"user_id":"9912345678","contact":{"id":4711000001,"phone":"+91 88568 79188"}}`,
			connector.Identity{Phone: customer},
			"", "ids of agents and contacts are no numbers",
		},
		{
			"campaign.completed", `{"phone":"15550199999","sent":3}`,
			connector.Identity{},
			"", "a campaign has no customer",
		},
		{
			"something.new", `{"phone":"918856879188"}`,
			connector.Identity{Phone: customer},
			"", "unknown events are read as far as they can be",
		},
	}
	for _, c := range cases {
		e := read(t, wrap(c.event, c.data)).Event
		if e.Identity != c.want || e.Account != c.account {
			t.Errorf("%s %s: %+v at %q, want %+v at %q: %s", c.event, c.data, e.Identity, e.Account, c.want, c.account, c.reason)
		}
	}
}

func TestErrorsOfFailures(t *testing.T) {
	t.Parallel()
	cases := []struct {
		data   string
		want   *connector.MessageError
		reason string
	}{
		{
			`"errors":[{"code":131026,"title":"Message undeliverable","message":"Message undeliverable","error_data":{"details":"Not on WhatsApp."}}]`,
			&connector.MessageError{Code: 131026, Title: "Message undeliverable", Detail: "Not on WhatsApp."}, "WhatsApp's own shape",
		},
		{
			`"error":{"code":"131047","message":"Re-engagement message"}`,
			&connector.MessageError{Code: 131047, Title: "Re-engagement message"}, "one object, the code in a string",
		},
		{
			`"error_code":131042,"error_message":"Payment issue"`,
			&connector.MessageError{Code: 131042, Title: "Payment issue"}, "flat fields",
		},
		{
			`"reason":"invalid number"`,
			&connector.MessageError{Title: "invalid number"}, "only a reason",
		},
		{
			`"reason":"131026"`,
			&connector.MessageError{Code: 131026, Title: "131026"}, "only a code",
		},
		{
			`"error":{"code":"invalid_number"}`,
			&connector.MessageError{Title: "invalid_number"}, "a word for a code",
		},
		{`"status":"failed"`, nil, "nothing at all"},
	}
	for _, c := range cases {
		m := read(t, wrap("message.failed", `{"message_id":"m","recipient":"918856879188",`+c.data+`}`)).Event.Message
		if (m.Error == nil) != (c.want == nil) || m.Error != nil && *m.Error != *c.want {
			t.Errorf("%s: %+v, want %+v: %s", c.data, m.Error, c.want, c.reason)
		}
	}
}

func TestMessageDetails(t *testing.T) {
	t.Parallel()
	cases := []struct {
		event, data string
		want        connector.Message
		reason      string
	}{
		{
			"message.received", `"type":"reaction","reaction":{"message_id":"msg_1","emoji":""}`,
			connector.Message{Type: "reaction", ReplyTo: "msg_1"},
			"an empty emoji takes the reaction back",
		},
		{
			"message.received", `"type":"reaction","body":"👍","reply_to":"msg_1"`,
			connector.Message{Type: "reaction", ReplyTo: "msg_1", Text: "👍"},
			"a flat reaction",
		},
		{
			"message.received", `"type":"interactive","interactive":{"type":"list_reply","list_reply":{"id":"1","title":"Sales","description":"Prices"}}`,
			connector.Message{Type: "interactive", Text: "Sales"},
			"a list's title",
		},
		{
			"message.received", `"type":"interactive","interactive":{"type":"nfm_reply","nfm_reply":{"name":"flow","body":"Sent","response_json":"{}"}}`,
			connector.Message{Type: "interactive", Text: "Sent"},
			"a form",
		},
		{
			"message.received", `"type":"button","button":"Yes, please"`,
			connector.Message{Type: "button", Text: "Yes, please"},
			"a button as a string",
		},
		{
			"message.received", `"type":"edit","edit":{"original_message_id":"msg_1","message":{"type":"text","text":{"body":"Corrected"}}}`,
			connector.Message{Type: "edit", ReplyTo: "msg_1", Text: "Corrected"},
			"an edit names what it replaces",
		},
		{
			"message.received", `"type":"revoke","revoke":{"original_message_id":"msg_1"}`,
			connector.Message{Type: "revoke", ReplyTo: "msg_1"},
			"so does a revocation",
		},
		{
			"message.received", `"text":{"body":"  kept as written\n"}`,
			connector.Message{Type: "text", Text: "  kept as written\n"},
			"WhatsApp's own text, and no type",
		},
		{
			"message.received", `"message":"Hello"`,
			connector.Message{Type: "text", Text: "Hello"},
			"a text under another name",
		},
		{
			"message.delivered", `"body":"Hello","type":"text"`,
			connector.Message{Type: "text", Status: "delivered"},
			"a receipt that repeats the words is no message",
		},
		{
			"message.sent", `"body":"Hello","type":"text"`,
			connector.Message{Type: "text", Text: "Hello", Status: "sent"},
			"the business's own words",
		},
		{
			"message.status", `"status":"Deleted"`,
			connector.Message{Status: "deleted"},
			"unknown statuses are kept",
		},
		{
			"message.received", `"type":"hologram","hologram":{"z":3}`,
			connector.Message{Type: "hologram"},
			"unknown types are kept",
		},
		{
			"message.received", `"type":"system","system":{"type":"user_changed_number","wa_id":"918856879189","body":"changed"}`,
			connector.Message{Type: "system", Text: "changed", NewPhone: "+918856879189"},
			"a changed number, without contacts",
		},
	}
	for _, c := range cases {
		data := `{"message_id":"m","wa_id":"918856879188",` + c.data + `}`
		m := *read(t, wrap(c.event, data)).Event.Message
		c.want.ID = "m"
		if m != c.want {
			t.Errorf("%s: %+v, want %+v: %s", c.data, m, c.want, c.reason)
		}
	}
}

func TestMedia(t *testing.T) {
	t.Parallel()
	at := time.Unix(1780369298, 0).UTC()
	cases := []struct {
		data   string
		want   connector.Media
		reason string
	}{
		{
			`"type":"image","media_url":"https://x.example/a.jpg","mime_type":"image/jpeg","media_expiry":172800`,
			connector.Media{URL: "https://x.example/a.jpg", MIMEType: "image/jpeg", Expires: at.Add(48 * time.Hour)},
			"flat fields; seconds to live",
		},
		{
			`"type":"document","media":{"id":"1","link":"https://x.example/a.pdf","file_name":"a.pdf","urlExpiry":"2026-06-10T00:00:00Z"}`,
			connector.Media{ID: "1", URL: "https://x.example/a.pdf", Filename: "a.pdf", Expires: time.Date(2026, 6, 10, 0, 0, 0, 0, time.UTC)},
			"an object",
		},
		{
			`"type":"voice","voice":{"id":"1"}`,
			connector.Media{ID: "1", Voice: true},
			"a voice note under its own type",
		},
		{
			`"type":"image","image":"https://x.example/a.jpg"`,
			connector.Media{URL: "https://x.example/a.jpg"},
			"a link in place of an object",
		},
		{
			`"type":"image","image":{"id":"1","url":"javascript:alert(1)"}`,
			connector.Media{ID: "1"},
			"only what can be followed is a link",
		},
	}
	for _, c := range cases {
		m := read(t, wrap("message.received", `{"message_id":"m","sender":"918856879188",`+c.data+`}`)).Event.Message
		if m.Media == nil || *m.Media != c.want {
			t.Errorf("%s: %+v, want %+v: %s", c.data, m.Media, c.want, c.reason)
		}
	}
}

func TestTimes(t *testing.T) {
	t.Parallel()
	want := time.Unix(1780369298, 0)
	cases := []struct{ timestamp, reason string }{
		{`1780369298`, "the developer documentation's"},
		{`"2026-06-02T03:01:38Z"`, "the help centre's"},
		{`"2026-06-02T08:31:38+05:30"`, "another zone"},
		{`"2026-06-02T03:01:38"`, "no zone is UTC"},
		{`"1780369298"`, "WhatsApp's own"},
		{`1780369298000`, "milliseconds"},
		{`"1780369298000"`, "milliseconds in a string"},
		{`1780369298.0`, "a float"},
		{`1780369298000000`, "microseconds"},
	}
	for _, c := range cases {
		r := read(t, `{"event":"contact.created","timestamp":`+c.timestamp+`,"data":{}}`)
		if !r.Event.Time.Equal(want) || r.Undated {
			t.Errorf("%s: %s, want %s: %s", c.timestamp, r.Event.Time, want, c.reason)
		}
	}
	for _, undated := range []string{`null`, `""`, `"yesterday"`, `0`, `-5`, `{}`, `"0001-01-01T00:00:00Z"`} {
		r := read(t, `{"event":"contact.created","timestamp":`+undated+`,"data":{}}`)
		if !r.Undated || !r.Event.Time.IsZero() {
			t.Errorf("%s: %s, want no time", undated, r.Event.Time)
		}
	}
	r := read(t, `{"event":"message.received","data":{"sender":"918856879188","timestamp":"1780369298"}}`)
	if !r.Event.Time.Equal(want) {
		t.Errorf("the message's own time was not taken: %s", r.Event.Time)
	}
}

func TestUnreadable(t *testing.T) {
	t.Parallel()
	const secret = "call me at 918856879188"
	cases := []struct{ raw, want, reason string }{
		{`{"event":"` + secret, "not JSON", "cut off"},
		{`hello ` + secret, "not JSON", "no JSON"},
		{`["` + secret + `"]`, "not a JSON object", "an array"},
		{`{"text":"` + secret + `"}`, "no event name", "no event"},
		{`{"event":{}}`, "no event name", "no name"},
		{`{"event":"` + secret + `"}`, "not a name", "a sentence is no name"},
		{`{"event":"message.received"}`, "no data", "no data"},
		{`{"event":"message.read","data":["` + secret + `"]}`, "no data", "data that is no object"},
		{`{"event":"message.received","data":{"message_id":"m","body":"` + secret + `"}}`, "names no customer", "from nobody"},
		{`{"event":"message.read","data":{"status":"read"}}`, "neither a message nor a customer", "about nothing"},
		{strings.Repeat(`{"event":`, 1000), "nested too deeply", "too deep"},
	}
	for _, c := range cases {
		_, err := webhook.Read([]byte(c.raw))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60s: %v, want %q: %s", c.raw, err, c.want, c.reason)
		} else if strings.Contains(err.Error(), secret[:4]) || strings.Contains(err.Error(), "9188") {
			t.Errorf("the reason %q holds the content", err)
		}
	}
}

func TestMessagesWithoutAnID(t *testing.T) {
	t.Parallel()
	first := wrap("message.received", `{"sender":"918856879188","body":"one"}`)
	a := read(t, first).Event.Message.ID
	b := read(t, wrap("message.received", `{"sender":"918856879188","body":"two"}`)).Event.Message.ID
	again := read(t, strings.ReplaceAll(first, `,`, ` , `)).Event.Message.ID
	if a == "" || a == b || a != again {
		t.Errorf("ids %q, %q and again %q: want one for each content", a, b, again)
	}
	long := read(t, wrap("message.received", `{"sender":"918856879188","message_id":"`+strings.Repeat("x", 300)+`"}`))
	if id := long.Event.Message.ID; len(id) > 100 {
		t.Errorf("an id of %d bytes was kept", len(id))
	}
}

// TestNamesOfOthers reads no name of somebody else as the customer's.
func TestNamesOfOthers(t *testing.T) {
	t.Parallel()
	cases := []struct{ data, want, reason string }{
		{`{"message_id":"m","sender":"918856879188","type":"contacts","contacts":[{"name":"Bob"}]}`, "", "a card"},
		{
			`{"message_id":"m","sender":"918856879188","body":"x","contacts":[{"wa_id":"919999999999","profile":{"name":"Bob"}}]}`,
			"", "another number",
		},
		{
			`{"message_id":"m","sender":"918856879188","body":"x","contacts":[{"wa_id":"918856879188","profile":{"name":"Asha"}}]}`,
			"Asha", "the sender's own",
		},
	}
	for _, c := range cases {
		if got := read(t, wrap("message.received", c.data)).Event.ContactName; got != c.want {
			t.Errorf("%s: name %q, want %q: %s", c.data, got, c.want, c.reason)
		}
	}
}
