package fold_test

import (
	"reflect"
	"testing"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/fold"
	"github.com/crm-connector/crm-connector/connector/internal/journal"
)

// said is what one event wants of a contact.
type said struct {
	event int64
	wish  connector.ContactWish
}

func standard(pairs ...any) connector.Write { return connector.Write{Standard: fields(pairs...)} }
func custom(pairs ...any) connector.Write   { return connector.Write{Custom: fields(pairs...)} }

// fields makes fields of names and values in turn.
func fields(pairs ...any) connector.Fields {
	f := connector.Fields{}
	for i := 0; i < len(pairs); i += 2 {
		f[pairs[i].(string)] = pairs[i+1]
	}
	return f
}

func set(event int64, w connector.Write) said {
	return said{event, connector.ContactWish{Set: w}}
}

func fill(event int64, w connector.Write) said {
	return said{event, connector.ContactWish{Fill: w}}
}

func contactOf(wishes []said) *fold.Contact {
	var c fold.Contact
	for _, s := range wishes {
		c.Add(s.event, &s.wish)
	}
	return &c
}

// memory gives what a link remembers after the wishes went out.
func memory(wishes ...said) map[string]journal.Written {
	_, written := contactOf(wishes).ForCreate()
	return written
}

func TestContactForUpdate(t *testing.T) {
	t.Parallel()
	cases := []struct {
		reason  string
		written map[string]journal.Written
		wishes  []said
		set     connector.Write
		fill    connector.Write
	}{
		{
			reason: "what was never written goes out",
			wishes: []said{set(1, standard("name", "Asha"))},
			set:    standard("name", "Asha"),
		},
		{
			reason: "of several values that of the latest event goes out",
			wishes: []said{set(1, standard("name", "A")), set(2, standard("name", "B"))},
			set:    standard("name", "B"),
		},
		{
			reason: "the latest accepted event wins, whichever order they are folded in",
			wishes: []said{set(2, standard("name", "B")), set(1, standard("name", "A"))},
			set:    standard("name", "B"),
		},
		{
			reason:  "a value that we wrote last needs no call, so an agent's correction stands",
			written: memory(set(1, standard("name", "A"))),
			wishes:  []said{set(2, standard("name", "A"))},
		},
		{
			reason:  "a value of ours that changed goes out",
			written: memory(set(1, standard("name", "A"))),
			wishes:  []said{set(2, standard("name", "B"))},
			set:     standard("name", "B"),
		},
		{
			reason:  "an earlier accepted event never overwrites what a later one wrote",
			written: memory(set(5, standard("name", "new"))),
			wishes:  []said{set(4, standard("name", "old"))},
		},
		{
			reason:  "only the fields that changed go out",
			written: memory(set(1, standard("name", "A", "email", "a@example.com"))),
			wishes:  []said{set(2, standard("name", "B", "email", "a@example.com"))},
			set:     standard("name", "B"),
		},
		{
			reason:  "there and back again is no change",
			written: memory(set(1, standard("name", "A"))),
			wishes:  []said{set(2, standard("name", "B")), set(3, standard("name", "A"))},
		},
		{
			reason:  "nil clears a field, which is a change",
			written: memory(set(1, standard("email", "a@example.com"))),
			wishes:  []said{set(2, standard("email", nil))},
			set:     standard("email", nil),
		},
		{
			reason:  "a cleared field is not cleared twice",
			written: memory(set(1, standard("email", nil))),
			wishes:  []said{set(2, standard("email", nil))},
		},
		{
			reason:  "a standard field and the CRM's own of the same name are two",
			written: memory(set(1, standard("name", "A"))),
			wishes:  []said{set(2, custom("name", "A"))},
			set:     custom("name", "A"),
		},
		{
			reason:  "lists are compared by what is in them",
			written: memory(set(1, standard("tags", []string{"a", "b"}))),
			wishes:  []said{set(2, standard("tags", []string{"a", "b"}))},
		},
		{
			reason: "what is for a new contact only is not for an old one",
			wishes: []said{{1, connector.ContactWish{Create: standard("name", "A"), Make: true}}},
		},
		{
			reason: "a value for a blank is offered apart from what is set",
			wishes: []said{fill(1, standard("name", "A"))},
			fill:   standard("name", "A"),
		},
		{
			reason:  "a value is offered once: an agent who empties the field means it",
			written: memory(fill(1, standard("name", "A"))),
			wishes:  []said{fill(2, standard("name", "A"))},
		},
		{
			reason:  "another value is offered again",
			written: memory(fill(1, standard("name", "A"))),
			wishes:  []said{fill(2, standard("name", "B"))},
			fill:    standard("name", "B"),
		},
		{
			reason:  "what was set says nothing of what was offered",
			written: memory(set(1, standard("name", "A"))),
			wishes:  []said{fill(2, standard("name", "A"))},
			fill:    standard("name", "A"),
		},
	}
	for _, c := range cases {
		t.Run(c.reason, func(t *testing.T) {
			t.Parallel()
			u := contactOf(c.wishes).ForUpdate(c.written)
			if !reflect.DeepEqual(u.Set, c.set) || !reflect.DeepEqual(u.Fill, c.fill) {
				t.Errorf("set %v, fill %v; want %v and %v", u.Set, u.Fill, c.set, c.fill)
			}
			if got, want := u.Empty(), c.set.Empty() && c.fill.Empty(); got != want {
				t.Errorf("empty is %v, want %v", got, want)
			}
		})
	}
}

// TestContactIsRemembered holds an update to its own memory: applied to what it
// left behind, the same wishes want nothing more.
func TestContactIsRemembered(t *testing.T) {
	t.Parallel()
	c := contactOf([]said{
		set(1, standard("name", "A", "tags", []string{"x"})), set(2, custom("score", int64(7))), fill(3, standard("email", "a@example.com")),
	})
	after := c.ForUpdate(nil).Written
	if u := c.ForUpdate(after); !u.Empty() {
		t.Errorf("after an update the same wishes still want %v and %v", u.Set, u.Fill)
	}
	if u := c.ForUpdate(memory(set(1, standard("other", "x")))); len(u.Written) != 4 {
		t.Errorf("an update remembers %v, want the four fields that it wrote and no others", u.Written)
	}
}

func TestContactForCreate(t *testing.T) {
	t.Parallel()
	all := connector.ContactWish{
		Set:    standard("name", "set", "phone", "+918856879188"),
		Create: standard("name", "create", "email", "create@example.com"),
		Fill:   connector.Write{Standard: fields("name", "fill", "email", "fill@example.com"), Custom: fields("city", "Pune")},
	}
	c := contactOf([]said{{1, all}})
	got, written := c.ForCreate()
	want := connector.Write{
		Standard: fields("name", "set", "phone", "+918856879188", "email", "create@example.com"),
		Custom:   fields("city", "Pune"),
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("a new contact gets %v, want %v: what is set wins over what is for new ones, and that over what is for blanks", got, want)
	}
	if _, known := written["phone"]; !known {
		t.Error("what was set at the creation is forgotten")
	}
	if u := c.ForUpdate(written); !u.Empty() {
		t.Errorf("a contact made a moment ago still needs %v and %v", u.Set, u.Fill)
	}
	if u := contactOf([]said{set(2, standard("email", "create@example.com"))}).ForUpdate(written); u.Empty() {
		t.Error("what was for a new contact only counts as a value of ours, though a person may have changed it")
	}
}

func TestContactMake(t *testing.T) {
	t.Parallel()
	cases := []struct {
		reason string
		wishes []said
		want   bool
	}{
		{"nobody wants anything", nil, false},
		{"a wish alone makes no contact", []said{set(1, standard("name", "A"))}, false},
		{"one event that makes it is enough", []said{{1, connector.ContactWish{Make: true}}, set(2, standard("name", "A"))}, true},
	}
	for _, c := range cases {
		t.Run(c.reason, func(t *testing.T) {
			t.Parallel()
			if got := contactOf(c.wishes).Make; got != c.want {
				t.Errorf("make is %v, want %v", got, c.want)
			}
		})
	}
}
