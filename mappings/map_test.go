package mappings_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/mappings"
)

// TestFunctionExamples holds every function's documentation to its example.
func TestFunctionExamples(t *testing.T) {
	t.Parallel()
	for _, f := range mappings.Functions() {
		t.Run(f.Name, func(t *testing.T) {
			t.Parallel()
			quoted := strings.ReplaceAll(f.Example, "'", "''")
			m := load(t, "rules:\n  - name: x\n    on: '*'\n    contact: {fields: {f: '=${"+quoted+"}'}}\n")
			got := mapped(t, m, received("hi")).Contact.Set.Custom["f"]
			if got != "="+f.Result {
				t.Errorf("%s gives %q, and is documented to give %q", f.Example, got, f.Result)
			}
		})
	}
}

// TestValues says what becomes of a value.
func TestValues(t *testing.T) {
	t.Parallel()
	e := received("STOP 😀 <b>")
	e.Data = map[string]any{
		"n": 12.0, "f": 1.5, "big": 12345678901.0, "number": json.Number("42"), "list": []any{"a", 1.0, nil}, "flag": true,
		"nested": map[string]any{"deep": []any{map[string]any{"x": "here"}}}, "none": nil,
	}
	cases := []struct {
		reason, value string
		want          any
	}{
		{"one expression keeps the kind of its result", `${data.flag}`, true},
		{"whole numbers of the mapping are int64", `7`, int64(7)},
		{"an int of an expression is int64", `${event.revision + 3}`, int64(3)},
		{"an expression in a text is text", `"n: ${data.n}"`, "n: 12"},
		{"ids that JSON made floats have no exponent", `"${data.big}!"`, "12345678901!"},
		{"a JSON number counts as a number", `${data.number + 1}`, 43.0},
		{"times stay times", `${event.time}`, moment},
		{"lists become lists of texts without the empty ones", `${data.list}`, []string{"a", "1"}},
		{"a written list takes expressions", `[whatsapp, "${data.none}", "${lower(message.text)}"]`, []string{"whatsapp", "stop 😀 <b>"}},
		{"members of open data are found", `${data.nested.deep[0].x}`, "here"},
		{"members of what is absent are nothing, and write nothing", `${data.no.such[3].field}`, nil},
		{"an empty text writes nothing", `${message.caption}`, nil},
		{"a group of open data is JSON", `${data.nested}`, `{"deep":[{"x":"here"}]}`},
		{"comparing with what is absent is false", `${data.none > 3 or data.nothing < 1}`, false},
		{"reckoning with what is absent is nothing", `${data.none * 2}`, nil},
		{"dividing by zero is nothing", `${data.n / 0}`, nil},
		{"absent conditions are false", `'${data.none ? "yes" : "no"}'`, "no"},
		{"not of what is absent is true", `${not data.none}`, true},
		{"loops over what is absent do nothing", `'${count(data.none, # == 1)}'`, int64(0)},
		{"loops see items", `'${join(filter(data.list, # == "a"), ",")}'`, "a"},
		{"$${ is written as it is", `"$${x}"`, "${x}"},
		{"patterns", `'${message.text matches "(?i)^stop"}'`, true},
		{"an absent phone is no country", `${phone(data.none, "country")}`, nil},
	}
	for _, c := range cases {
		t.Run(c.reason, func(t *testing.T) {
			t.Parallel()
			m := load(t, "rules:\n  - name: x\n    on: '*'\n    contact: {make: true}\n    ticket:\n      fields:\n        f: "+c.value+"\n")
			out := mapped(t, m, e)
			var got any
			if out.Ticket != nil {
				got = out.Ticket.Set.Custom["f"]
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("%s gives %#v, want %#v: %s", c.value, got, c.want, c.reason)
			}
		})
	}
}

const merging = `
let: {greeting: "Hello ${contact.name}"}
rules:
  - name: first
    on: message.*
    contact: {make: true, name: "${greeting}", tags: [a], fields: {x: 1, gone: null}}
    comment: {body: "one ${message.text}"}
  - name: second
    on: message.received
    when: message.text != "plain" and state.consent == ""
    contact: {name: Second, tags: "${data.tags}"}
    ticket: {open: true, status: pending}
    comment:
      - {slot: note, html: "<p>${message.text}</p>", author: system, visibility: public}
      - {slot: file, body: file, attachments: media}
    stop: true
  - name: third
    on: "*"
    contact: {fields: {x: 3}}
`

func TestRulesMerge(t *testing.T) {
	t.Parallel()
	m := load(t, merging)
	e := received("1 < 2\nok")
	e.Message.Media = &connector.Media{URL: "https://files.example/1", Filename: "a.pdf", Expires: moment}
	got := mapped(t, m, e)
	want := &connector.Mapped{
		Rules: []string{"first", "second"},
		Contact: &connector.ContactWish{Make: true, Set: connector.Write{
			Standard: connector.Fields{"name": "Second", "tags": []string{"a"}}, Custom: connector.Fields{"x": int64(1), "gone": nil},
		}},
		Ticket: &connector.TicketWish{Open: true, Set: connector.Write{Standard: connector.Fields{"status": "pending"}}},
		Comments: []connector.Comment{
			{Key: "msg_90a82b7194689c1/comment", Body: "one 1 < 2\nok", Author: connector.AuthorCustomer, Time: moment},
			{Key: "msg_90a82b7194689c1/note", Body: "<p>1 &lt; 2<br>\nok</p>", HTML: true, Author: connector.AuthorSystem, Time: moment},
			{
				Key: "msg_90a82b7194689c1/file", Body: "file", Author: connector.AuthorCustomer, Time: moment,
				Attachments: []connector.Attachment{{Name: "a.pdf", URL: "https://files.example/1", Expires: moment}},
			},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
	e.Message.Text = "plain"
	if got := mapped(t, m, e); !reflect.DeepEqual(got.Rules, []string{"first", "third"}) {
		t.Errorf("rules %v matched, want first and third", got.Rules)
	}
}

// TestNeverOpens: receipts and reactions open no ticket, whatever the rules say.
func TestNeverOpens(t *testing.T) {
	t.Parallel()
	m := load(t, "rules: [{name: x, on: message.received, ticket: {open: true}, comment: {body: hi}}]")
	e := received("👍")
	e.Message.Type = "reaction"
	if got := mapped(t, m, e); got.Ticket != nil || len(got.Comments) != 1 {
		t.Errorf("a reaction gives %+v, want only its comment", got)
	}
}

func TestNoCustomerNoWish(t *testing.T) {
	t.Parallel()
	m := load(t, "rules: [{name: x, on: campaign.*, contact: {make: true, name: y}}]")
	e := event(connector.CampaignCompleted, nil)
	e.Identity, e.CustomerKey = connector.Identity{}, ""
	if got := mapped(t, m, e); !got.Empty() || len(got.Rules) != 1 {
		t.Errorf("an event without a customer gives %+v", got)
	}
}

func TestCommentKeys(t *testing.T) {
	t.Parallel()
	m := load(t, "rules: [{name: x, on: '*', comment: {body: hi}}]")
	cases := []struct {
		reason string
		change func(e *connector.Event)
		want   string
	}{
		{"a message's comment is named by the message", func(*connector.Event) {}, "msg_90a82b7194689c1/comment"},
		{"an edit is another comment", func(e *connector.Event) { e.Revision = 2 }, "msg_90a82b7194689c1/revision-2/comment"},
		{"a failure is not the message's own comment", func(e *connector.Event) { e.Type = connector.MessageFailed }, "msg_90a82b7194689c1/failed/comment"},
		{"what is too long is hashed", func(e *connector.Event) { e.Message.ID = strings.Repeat("x", 300) }, "sha256-"},
		{"what is no printable ASCII is hashed", func(e *connector.Event) { e.Message.ID = "né 1" }, "sha256-"},
	}
	for _, c := range cases {
		e := received("hi")
		c.change(e)
		key := mapped(t, m, e).Comments[0].Key
		if !strings.HasPrefix(key, c.want) || len(key) > 200 {
			t.Errorf("the key is %q, want %q: %s", key, c.want, c.reason)
		}
	}
}

// TestErrorsAreDiscreet: an expression that fails names its place and nothing of
// the event.
func TestErrorsAreDiscreet(t *testing.T) {
	t.Parallel()
	for _, expression := range []string{"data.secret - 1", "data.secret and true", "duration(data.secret)", "abs(data.secret)"} {
		m := load(t, "rules:\n  - name: x\n    on: '*'\n    contact:\n      fields: {f: '${"+expression+"}'}\n")
		e := received("hi")
		e.Data = map[string]any{"secret": "my words"}
		_, err := m.Map(e)
		if err == nil || strings.Contains(err.Error(), "my words") || !strings.Contains(err.Error(), `rule "x": contact.fields.f: test.yaml:5:22: `) {
			t.Errorf("%s: the error is %v", expression, err)
		}
	}
}

func TestThreadsPolicyGeneration(t *testing.T) {
	t.Parallel()
	src, _ := mappings.Builtin("support-desk")
	m := load(t, string(src))
	for typ, want := range map[connector.EventType]bool{
		connector.MessageReceived: true, connector.MessageSent: true, connector.MessageFailed: true,
		connector.MessageRead: false, connector.MessageDelivered: false, "message.pinned": false,
	} {
		if m.Threads(typ) != want {
			t.Errorf("threads of %s: %v, want %v", typ, !want, want)
		}
	}
	want := connector.Policy{
		Idle: 30 * 24 * time.Hour, ReopenWithin: 72 * time.Hour, WhenClosed: connector.FollowUp,
		WhenContactGone: connector.Recreate, WhenUnknown: connector.Hold,
	}
	if m.Policy() != want {
		t.Errorf("the policy is %+v", m.Policy())
	}
	same := load(t, "# a comment\n"+strings.ReplaceAll(string(src), "on: message.sent", "on:    message.sent"))
	other := load(t, strings.ReplaceAll(string(src), "(edited)", "(changed)"))
	if same.Generation() != m.Generation() || other.Generation() == m.Generation() {
		t.Error("the generation must follow the meaning and not the layout")
	}
}

// TestPure: the same event gives the same wishes, from many goroutines at once.
func TestPure(t *testing.T) {
	t.Parallel()
	src, _ := mappings.Builtin("support-desk")
	m := load(t, string(src))
	var wants []*connector.Mapped
	for _, s := range samples() {
		wants = append(wants, mapped(t, m, s.event))
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 20 {
				for i, s := range samples() {
					if got, err := m.Map(s.event); err != nil || !reflect.DeepEqual(got, wants[i]) {
						t.Errorf("%s: got %+v, %v", s.name, got, err)
					}
				}
			}
		})
	}
	wg.Wait()
}

func TestLongTextsAreCut(t *testing.T) {
	t.Parallel()
	m := load(t, `
let:
  a: "${message.text}${message.text}"
  b: "${a}${a}${a}${a}"
  c: '${replace(b, "a", b)}'
rules: [{name: x, on: '*', comment: {body: "${b}${b}${c}"}}]`)
	got := mapped(t, m, received(strings.Repeat("aé", 1<<20)))
	if n := len(got.Comments[0].Body); n > mappings.MaxText {
		t.Errorf("the body has %d bytes", n)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	m := load(t, "rules:\n  - name: x\n    on: message.received\n    contact: {make: true, phone: '1', email: a}\n    ticket: {open: true}\n")
	problems := m.Check(connector.Description{
		CRM: "Desk", FirstComment: connector.FirstCommentNeeded,
		Contact: connector.KindDescription{Standard: []string{"phone", "name"}, Required: []string{"name"}},
		Ticket:  connector.KindDescription{Standard: []string{"subject"}, Required: []string{"subject"}},
	})
	var got []string
	for _, p := range problems {
		got = append(got, p.String())
	}
	want := []string{
		"test.yaml:4:14: Desk makes no contact without name; add name: to it, or to its create:",
		"test.yaml:4:39: warning: a contact of Desk has no email; remove it, or write one of the CRM's own under fields:",
		"test.yaml:5:13: Desk makes no ticket without subject; add subject: to it, or to its create:",
		"test.yaml:5:13: Desk opens no ticket without a first comment; add comment: to the rule",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	m := load(t, merging)
	e := received("hi")
	e.State.Consent = connector.ConsentWithdrawn
	var got []string
	for _, r := range m.Explain(e) {
		got = append(got, r.Rule+": "+r.Why)
	}
	want := []string{"first: it has no condition", `second: this did not hold: state.consent == ""`, "third: it has no condition"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
