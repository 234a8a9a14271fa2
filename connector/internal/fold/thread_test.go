package fold_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/fold"
)

var noon = time.Date(2026, 6, 2, 12, 0, 0, 0, time.UTC)

// item is one event of a conversation; the wishes are put on it one by one.
type item fold.Item

// at makes the event of a number, accepted so long after noon.
func at(event int64, after time.Duration) item { return item{Event: event, At: noon.Add(after)} }

// message gives the event n comments, and the wish for a ticket.
func (i item) message(n int) item {
	i = i.wish(connector.TicketWish{Open: true})
	for k := range n {
		i.Comments = append(i.Comments, connector.Comment{Key: fmt.Sprintf("%d.%d", i.Event, k)})
	}
	return i
}

// note gives the event a comment without the wish for a ticket.
func (i item) note() item {
	i.Comments = []connector.Comment{{Key: fmt.Sprintf("%d.n", i.Event)}}
	return i
}

func (i item) wish(w connector.TicketWish) item {
	i.Ticket = &w
	return i
}

// status adds a status to the event's wishes.
func (i item) status(s string) item {
	w := connector.TicketWish{}
	if i.Ticket != nil {
		w = *i.Ticket
	}
	w.Set = standard(connector.FieldStatus, s)
	return i.wish(w)
}

// field adds a field that is no status.
func (i item) field(name, value string) item {
	return i.wish(connector.TicketWish{Set: standard(name, value)})
}

// show writes segments on one line: the comments' keys, then what is set, "^" in
// front of a fresh one.
func show(segments []fold.Segment) string {
	var out []string
	for i := range segments {
		s := &segments[i]
		var words []string
		for _, c := range s.Comments {
			words = append(words, c.Key)
		}
		w, _ := s.ForCreate()
		for name, v := range w.Standard {
			words = append(words, fmt.Sprint(name, "=", v))
		}
		slices.Sort(words[len(s.Comments):])
		text := strings.Join(words, " ")
		if s.Fresh {
			text = "^" + text
		}
		out = append(out, text)
	}
	return strings.Join(out, " | ")
}

func TestThread(t *testing.T) {
	t.Parallel()
	const hour = time.Hour
	cases := []struct {
		reason string
		items  []item
		active time.Time
		idle   time.Duration
		limit  int
		want   string
	}{
		{reason: "nothing wants nothing", want: ""},
		{
			reason: "messages go together, in order",
			items:  []item{at(1, 0).message(1), at(2, 1).message(1), at(3, 2).message(1)},
			want:   "1.0 2.0 3.0",
		},
		{
			reason: "more than a change takes go on in the next one",
			items:  []item{at(1, 0).message(1), at(2, 1).message(1), at(3, 2).message(1)}, limit: 2,
			want: "1.0 2.0 | 3.0",
		},
		{
			reason: "one event with more comments than a change takes is spread",
			items:  []item{at(1, 0).message(5)}, limit: 2,
			want: "1.0 1.1 | 1.2 1.3 | 1.4",
		},
		{
			reason: "an event's comments fill up a change before they go on",
			items:  []item{at(1, 0).message(1), at(2, 1).message(2)}, limit: 2,
			want: "1.0 2.0 | 2.1",
		},
		{
			reason: "a status waits for the last comment of its event",
			items:  []item{at(1, 0).message(3).status("pending")}, limit: 2,
			want: "1.0 1.1 | 1.2 status=pending",
		},
		{
			reason: "other fields go with the first",
			items:  []item{at(1, 0).message(3).wishing("priority", "high")}, limit: 2,
			want: "1.0 1.1 priority=high | 1.2",
		},
		{
			reason: "a status is not moved across a later comment",
			items:  []item{at(1, 0).message(1), at(2, 1).status("solved"), at(3, 2).message(1)},
			want:   "1.0 status=solved | 3.0",
		},
		{
			reason: "the status of a message stays before the next message",
			items:  []item{at(1, 0).message(1).status("pending"), at(2, 1).message(1)},
			want:   "1.0 status=pending | 2.0",
		},
		{
			reason: "a rule that says the same status with every message costs one change",
			items:  []item{at(1, 0).message(1).status("open"), at(2, 1).message(1).status("open")},
			want:   "1.0 2.0 status=open",
		},
		{
			reason: "another status with the next message is another change",
			items:  []item{at(1, 0).message(1).status("open"), at(2, 1).message(1).status("pending")},
			want:   "1.0 status=open | 2.0 status=pending",
		},
		{
			reason: "a status that closes is never said again together: the second message finds the ticket closed",
			items:  []item{at(1, 0).message(1).status("solved"), at(2, 1).message(1).status("solved")},
			want:   "1.0 status=solved | 2.0 status=solved",
		},
		{
			reason: "closed ends like solved",
			items:  []item{at(1, 0).message(1).status("closed"), at(2, 1).message(1).status("closed")},
			want:   "1.0 status=closed | 2.0 status=closed",
		},
		{
			reason: "of two statuses without a comment between them the later one goes out",
			items:  []item{at(1, 0).message(1).status("open"), at(2, 1).status("pending")},
			want:   "1.0 status=pending",
		},
		{
			reason: "nothing is added behind a status that closes",
			items:  []item{at(1, 0).status("solved"), at(2, 1).field("priority", "low")},
			want:   "status=solved | priority=low",
		},
		{
			reason: "a field joins whatever is there",
			items:  []item{at(1, 0).message(1), at(2, 1).field("priority", "low"), at(3, 2).message(1)},
			want:   "1.0 3.0 priority=low",
		},
		{
			reason: "the same status on a full change begins another",
			items:  []item{at(1, 0).message(1).status("open"), at(2, 1).message(1).status("open")}, limit: 1,
			want: "1.0 status=open | 2.0 status=open",
		},
		{
			reason: "a message after too long a rest belongs on a new ticket",
			items:  []item{at(1, 25*hour).message(1)}, active: noon, idle: 24 * hour,
			want: "^1.0",
		},
		{
			reason: "a rest of exactly so long is not too long",
			items:  []item{at(1, 24*hour).message(1)}, active: noon, idle: 24 * hour,
			want: "1.0",
		},
		{
			reason: "without an idle time no rest is too long",
			items:  []item{at(1, 10000*hour).message(1)}, active: noon,
			want: "1.0",
		},
		{
			reason: "a conversation without a ticket has not rested",
			items:  []item{at(1, 10000*hour).message(1)}, idle: 24 * hour,
			want: "1.0",
		},
		{
			reason: "every message keeps the ticket awake",
			items:  []item{at(1, 20*hour).message(1), at(2, 40*hour).message(1)}, active: noon, idle: 24 * hour,
			want: "1.0 2.0",
		},
		{
			reason: "a rest between two messages in hand divides them",
			items:  []item{at(1, 20*hour).message(1), at(2, 45*hour).message(1)}, active: noon, idle: 24 * hour,
			want: "1.0 | ^2.0",
		},
		{
			reason: "what opens no ticket never leaves one",
			items:  []item{at(1, 48*hour).note(), at(2, 48*hour).field("priority", "low")}, active: noon, idle: 24 * hour,
			want: "1.n priority=low",
		},
		{
			reason: "what follows a message goes with it on the new ticket",
			items:  []item{at(1, 48*hour).message(1), at(2, 48*hour).note()}, active: noon, idle: 24 * hour,
			want: "^1.0 2.n",
		},
		{
			reason: "a field keeps no ticket awake",
			items:  []item{at(1, 20*hour).field("priority", "low"), at(2, 30*hour).message(1)}, active: noon, idle: 24 * hour,
			want: "priority=low | ^2.0",
		},
		{
			reason: "a late message of an earlier time does not turn the clock back",
			items:  []item{at(1, 20*hour).message(1), at(2, 1*hour).message(1), at(3, 40*hour).message(1)}, active: noon, idle: 24 * hour,
			want: "1.0 2.0 3.0",
		},
	}
	for _, c := range cases {
		t.Run(c.reason, func(t *testing.T) {
			t.Parallel()
			limit := c.limit
			if limit == 0 {
				limit = 100
			}
			if got := show(fold.Thread(items(c.items), c.active, c.idle, limit)); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// wishing adds a field to a message.
func (i item) wishing(name, value string) item {
	w := *i.Ticket
	w.Set = standard(name, value)
	return i.wish(w)
}

func items(in []item) []fold.Item {
	var out []fold.Item
	for _, i := range in {
		out = append(out, fold.Item(i))
	}
	return out
}

// TestSegmentServes holds a segment to whose it is: what a call's end is told to
// depends on it.
func TestSegmentServes(t *testing.T) {
	t.Parallel()
	segments := fold.Thread(items([]item{
		at(1, 0).note(), at(2, time.Second).message(3), at(3, 2*time.Second).message(1), at(4, 3*time.Second).status("solved"),
	}), time.Time{}, 0, 2)
	if got, want := show(segments), "1.n 2.0 | 2.1 2.2 | 3.0 status=solved"; got != want {
		t.Fatalf("segments %s, want %s", got, want)
	}
	want := []struct {
		events, of  []int64
		opens       int64
		first, last time.Duration
		ends        bool
	}{
		{events: []int64{1, 2}, of: []int64{1, 2}, opens: 2, first: time.Second, last: time.Second},
		{events: []int64{2}, of: []int64{2, 2}, opens: 2, first: time.Second, last: time.Second},
		{events: []int64{3, 4}, of: []int64{3}, opens: 3, first: 2 * time.Second, last: 2 * time.Second, ends: true},
	}
	for i, w := range want {
		s := segments[i]
		if !reflect.DeepEqual(s.Events, w.events) || !reflect.DeepEqual(s.Of, w.of) {
			t.Errorf("segment %d serves %v with comments of %v, want %v and %v", i, s.Events, s.Of, w.events, w.of)
		}
		if s.Opens != w.opens || s.Ends != w.ends {
			t.Errorf("segment %d opens for %d and ends %v, want %d and %v", i, s.Opens, s.Ends, w.opens, w.ends)
		}
		if first := noon.Add(w.first); !s.First.Equal(first) {
			t.Errorf("segment %d was wanted first at %v, want %v", i, s.First, first)
		}
		if last := noon.Add(w.last); !s.Last.Equal(last) {
			t.Errorf("segment %d has its last message at %v, want %v", i, s.Last, last)
		}
	}
}

// TestSegmentFields: a ticket's fields follow the rules of a contact's.
func TestSegmentFields(t *testing.T) {
	t.Parallel()
	wish := connector.TicketWish{
		Open: true, Set: standard("priority", "high"), Create: standard("subject", "Hello"), Fill: standard("email", "a@example.com"),
	}
	s := fold.Thread(items([]item{at(1, 0).wish(wish)}), time.Time{}, 0, 1)[0]
	got, written := s.ForCreate()
	if want := standard("priority", "high", "subject", "Hello", "email", "a@example.com"); !reflect.DeepEqual(got, want) {
		t.Errorf("a new ticket gets %v, want %v", got, want)
	}
	if u := s.ForUpdate(written); !u.Empty() {
		t.Errorf("a ticket opened a moment ago still needs %v and %v", u.Set, u.Fill)
	}
	u := s.ForUpdate(nil)
	if !reflect.DeepEqual(u.Set, standard("priority", "high")) || !reflect.DeepEqual(u.Fill, standard("email", "a@example.com")) {
		t.Errorf("an older ticket gets %v and %v for its blanks, want the priority and the address", u.Set, u.Fill)
	}
}
