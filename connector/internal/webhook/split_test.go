package webhook_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/webhook"
	"github.com/crm-connector/crm-connector/connector/internal/webhook/sample"
)

func TestSplit(t *testing.T) {
	t.Parallel()
	cases := []struct {
		in     string
		want   []string
		array  bool
		fails  bool
		reason string
	}{
		{` {"a":1} `, []string{`{"a":1}`}, false, false, "one object"},
		{`hello`, []string{`hello`}, false, false, "what is no object is one element still"},
		{`[]`, nil, true, false, "an empty array has no elements"},
		{` [ {"a":[1,2]} , {"b":"],["} ] `, []string{`{"a":[1,2]}`, `{"b":"],["}`}, true, false, "brackets and strings"},
		{`[{"a":"\"],"},1,"x",null]`, []string{`{"a":"\"],"}`, `1`, `"x"`, `null`}, true, false, "elements that are no objects"},
		{`[{"a":oops},{"b":2}]`, []string{`{"a":oops}`, `{"b":2}`}, true, false, "one broken element costs only itself"},
		{`[1,]`, []string{`1`, ``}, true, false, "an element that is missing"},
		{"\ufeff[1]", []string{`1`}, true, false, "a byte order mark"},
		{``, nil, false, true, "nothing"},
		{" \n", nil, false, true, "space"},
		{`[1,2`, nil, true, true, "an array without an end"},
		{`["a]`, nil, true, true, "a string without an end"},
		{`["a\`, nil, true, true, "an escape without an end"},
		{`[1] [2]`, nil, true, true, "more behind the array"},
		{`[` + strings.Repeat(`1,`, webhook.MaxElements) + `1]`, nil, true, true, "too many"},
	}
	for _, c := range cases {
		elements, array, err := webhook.Split([]byte(c.in))
		var got []string
		for _, e := range elements {
			got = append(got, string(e))
		}
		if array != c.array || (err != nil) != c.fails || !c.fails && !slices.Equal(got, c.want) {
			t.Errorf("Split(%.40q) = %q, %t, %v, want %q: %s", c.in, got, array, err, c.want, c.reason)
		}
	}
}

func TestDigest(t *testing.T) {
	t.Parallel()
	a := webhook.Digest([]byte(`{"a": 1, "b": "x y"}`))
	if a != webhook.Digest([]byte("{\"a\":1,\n\"b\":\"x y\"}")) {
		t.Error("space between tokens changes the digest")
	}
	if a == webhook.Digest([]byte(`{"a": 1, "b": "xy"}`)) {
		t.Error("space inside of a text does not change the digest")
	}
	if webhook.Digest([]byte("oops")) == webhook.Digest([]byte("oop")) {
		t.Error("what is not JSON has no digest of its own")
	}
}

// FuzzSplit holds Split against the standard library: a valid array gives the
// elements that it has.
func FuzzSplit(f *testing.F) {
	for _, seed := range []string{`[]`, `[{"a":"]"},[1,[2]],"\"",null]`, `{"a":1}`, `[1,]`, `["`, ` [ 1 ] `, `[}]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		elements, array, err := webhook.Split(body)
		var want []json.RawMessage
		if json.Unmarshal(body, &want) != nil || bytes.Equal(bytes.TrimSpace(body), []byte("null")) {
			return
		}
		if err != nil || !array || len(elements) != len(want) {
			t.Fatalf("Split(%q) = %q, %t, %v, want %q", body, elements, array, err, want)
		}
		for i := range want {
			if !bytes.Equal(elements[i], want[i]) {
				t.Fatalf("element %d of %q is %q, want %q", i, body, elements[i], want[i])
			}
		}
	})
}

// FuzzRead checks what must hold of any element: no panic, the same reading
// every time, and only keys that a CRM can take.
func FuzzRead(f *testing.F) {
	for _, dialect := range sample.Dialects() {
		for _, kind := range append(connector.EventTypes(), connector.Ping) {
			f.Add(sample.Event(kind, dialect, sample.Options{Conversation: 1, UserID: "US.1349"}))
		}
		for _, kind := range sample.Kinds() {
			f.Add(sample.Event(connector.MessageReceived, dialect, sample.Options{Kind: kind, ReplyTo: "msg_1"}))
		}
	}
	f.Add(sample.Playground())
	f.Add(sample.ReadReceipt())
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := webhook.Read(raw)
		if err != nil {
			return
		}
		e := r.Event
		again, err := webhook.Read(raw)
		if err != nil || again.Event.Identity != e.Identity || again.Undated != r.Undated || !again.Event.Time.Equal(e.Time) {
			t.Fatalf("%q reads as %+v, and again as %+v, %v", raw, e, again.Event, err)
		}
		if e.Type.IsMessage() != (e.Message != nil) || r.Undated != e.Time.IsZero() || e.Time.Year() > 9999 {
			t.Fatalf("%q reads as %+v", raw, e)
		}
		if e.Message != nil && (!printable(e.Message.ID) || !printable(e.Message.ReplyTo)) {
			t.Fatalf("%q has the message id %q in answer to %q", raw, e.Message.ID, e.Message.ReplyTo)
		}
		if !printable(e.Identity.Phone) || !printable(e.Identity.UserID) || !printable(e.Account) {
			t.Fatalf("%q has the customer %+v at %q", raw, e.Identity, e.Account)
		}
	})
}

func printable(s string) bool {
	return len(s) <= 160 && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

func BenchmarkRead(b *testing.B) {
	for _, c := range []struct {
		name string
		raw  []byte
	}{
		{"developer text", sample.Event(connector.MessageReceived, sample.Developer, sample.Options{})},
		{"app text", sample.Event(connector.MessageReceived, sample.App, sample.Options{})},
		{"receipt", sample.ReadReceipt()},
		{"image", sample.Event(connector.MessageReceived, sample.Developer, sample.Options{Kind: "image"})},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := webhook.Read(c.raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
