package torture

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/webhook/sample"
)

// perfect gives a small run in which nothing is wrong: two customers with three
// messages and the receipts of one message of the business, and a stranger with
// receipts alone.
func perfect() (*Options, *ledger, *seen) {
	o := Defaults()
	o.Conversations, o.Strangers, o.Messages, o.Replies = 2, 1, 3, 1
	o.Quota = Quota{Calls: 10, Per: 1, Kind: "sliding"}
	book, s := newLedger(), &seen{comments: map[string][]comment{}}
	id := int64(0)
	add := func(conversation, sequence int, kind connector.EventType) {
		id++
		w := &webhook{conversation: conversation, sequence: sequence, kind: kind}
		book.begin(w)
		book.accepted(w, answer{"accepted", id})
	}
	for c := range 3 {
		if c < 2 {
			for m := range 3 {
				add(c, m, connector.MessageReceived)
				w := webhook{conversation: c, sequence: m}
				t := fmt.Sprintf("t%d", c)
				s.comments[t] = append(s.comments[t], comment{fmt.Sprintf("c%d-%d", c, m), "[image] " + w.text()})
			}
			s.contacts = append(s.contacts, contact{
				fmt.Sprintf("k%d", c), "+" + sample.Phone(c), map[string]any{"whatsapp_status": "read"},
			})
			s.tickets = append(s.tickets, ticket{fmt.Sprintf("t%d", c), fmt.Sprintf("k%d", c)})
		}
		add(c, 0, connector.MessageRead)
		add(c, 0, connector.MessageSent)
	}
	s.stats.WorstWindow = 10
	s.status.Journal.Accepted = int(id)
	s.status.Destinations = []destination{{State: "working", Outcomes: map[string]int{"delivered": 10, "skipped": 2}}}
	return &o, book, s
}

func TestFindings(t *testing.T) {
	t.Parallel()
	swap := func(comments []comment, i, k int) { comments[i], comments[k] = comments[k], comments[i] }
	for name, test := range map[string]struct {
		reason string
		plant  func(o *Options, book *ledger, s *seen)
		want   map[Promise]int
		text   string
	}{
		"nothing": {
			reason: "a perfect run has no findings",
			plant:  func(*Options, *ledger, *seen) {},
		},
		"lost message": {
			reason: "a message that was answered 200 is not there",
			plant:  func(_ *Options, _ *ledger, s *seen) { s.comments["t1"] = s.comments["t1"][:2] },
			want:   map[Promise]int{Lost: 1}, text: "conversation 2: message 3 (event 8) is not there",
		},
		"lost conversation": {
			reason: "each message of a missing ticket counts",
			plant:  func(_ *Options, _ *ledger, s *seen) { s.tickets = s.tickets[1:] },
			want:   map[Promise]int{Lost: 3}, text: "conversation 1: message 1",
		},
		"unanswered message": {
			reason: "what was never answered 200 may be missing",
			plant: func(_ *Options, book *ledger, s *seen) {
				s.comments["t1"] = s.comments["t1"][:2]
				for _, e := range book.entries {
					e.answered = e.answered && (e.conversation != 1 || e.sequence != 2)
				}
			},
		},
		"dead letter": {
			reason: "a dead letter is not lost, but this CRM gives no reason for one",
			plant: func(_ *Options, _ *ledger, s *seen) {
				s.comments["t0"] = s.comments["t0"][:2]
				s.dead = []dead{{ID: 3, Type: "message.received"}}
			},
			want: map[Promise]int{Dead: 1}, text: "conversation 1: message.received (event 3)",
		},
		"doubled message": {
			reason: "a message is there twice, and its second place is no disorder of its own",
			plant: func(_ *Options, _ *ledger, s *seen) {
				s.comments["t0"] = append(s.comments["t0"], s.comments["t0"][0])
			},
			want: map[Promise]int{Doubled: 1}, text: "conversation 1: message 1 is there 2 times",
		},
		"doubled contact": {
			reason: "a customer has two contacts",
			plant: func(_ *Options, _ *ledger, s *seen) {
				s.contacts = append(s.contacts, contact{"k9", "+" + sample.Phone(1), nil})
			},
			want: map[Promise]int{Doubled: 1}, text: "conversation 2: there are 2 contacts",
		},
		"doubled ticket": {
			reason: "an empty second ticket counts too",
			plant: func(_ *Options, _ *ledger, s *seen) {
				s.tickets = append(s.tickets, ticket{"t9", "k1"})
			},
			want: map[Promise]int{Doubled: 1}, text: "conversation 2: there are 2 tickets",
		},
		"doubled event": {
			reason: "a copy was taken for a new event",
			plant: func(_ *Options, book *ledger, _ *seen) {
				for w, e := range book.entries {
					if e.id == 1 {
						book.accepted(w, answer{"accepted", 77})
						e.id = 1
					}
				}
			},
			want: map[Promise]int{Doubled: 1}, text: "accepted as two events",
		},
		"reordered": {
			reason: "two messages changed places",
			plant:  func(_ *Options, _ *ledger, s *seen) { swap(s.comments["t0"], 1, 2) },
			want:   map[Promise]int{Disordered: 1}, text: "conversation 1: message 2 stands behind message 3",
		},
		"numbered wrongly": {
			reason: "the journal's numbers must follow the answers",
			plant: func(_ *Options, book *ledger, _ *seen) {
				for _, e := range book.entries {
					if e.id == 1 {
						e.id = 50
					}
				}
			},
			want: map[Promise]int{Disordered: 2}, text: "numbered before",
		},
		"somebody else's ticket": {
			reason: "a message on the wrong ticket is lost to the right one",
			plant: func(_ *Options, _ *ledger, s *seen) {
				s.comments["t1"] = append(s.comments["t1"], s.comments["t0"][2])
				s.comments["t0"] = s.comments["t0"][:2]
			},
			want: map[Promise]int{Misplaced: 1, Lost: 1}, text: "message 3 of conversation 1 is on the ticket",
		},
		"ticket of a receipt": {
			reason: "nobody wrote who gets a ticket",
			plant: func(_ *Options, _ *ledger, s *seen) {
				s.contacts = append(s.contacts, contact{"k2", "+" + sample.Phone(2), nil})
				s.tickets = append(s.tickets, ticket{"t2", "k2"})
			},
			want: map[Promise]int{Misplaced: 2}, text: "ticket t2 belongs to nobody who wrote",
		},
		"foreign words": {
			reason: "nobody sent what the comment says",
			plant: func(_ *Options, _ *ledger, s *seen) {
				s.comments["t0"] = append(s.comments["t0"], comment{"c9", "hello"})
			},
			want: map[Promise]int{Misplaced: 1}, text: "comment c9 is no customer's message",
		},
		"old status": {
			reason: "the receipt accepted last decides, as far as receipts advance",
			plant: func(_ *Options, _ *ledger, s *seen) {
				s.contacts[0].Fields = map[string]any{"whatsapp_status": "sent"}
			},
			want: map[Promise]int{Outdated: 1}, text: `whatsapp_status is "sent", the last receipt says "read"`,
		},
		"pending": {
			reason: "patience ended before the backlog did",
			plant: func(_ *Options, _ *ledger, s *seen) {
				d := &s.status.Destinations[0]
				d.Backlog, d.Outcomes = 2, map[string]int{"delivered": 10, "pending": 2}
			},
			want: map[Promise]int{Unfinished: 1}, text: "2 events are pending, the destination is working",
		},
		"more accepted than sent": {
			reason: "the connector counts events that nobody sent",
			plant: func(_ *Options, _ *ledger, s *seen) {
				s.status.Journal.Accepted++
				s.status.Destinations[0].Outcomes["delivered"]++
			},
			want: map[Promise]int{Miscounted: 1}, text: "12 events were answered 200 and 12 sent, but the connector counts 13",
		},
		"no outcome": {
			reason: "an event has no outcome",
			plant: func(_ *Options, _ *ledger, s *seen) {
				s.status.Destinations[0].Outcomes["delivered"]--
			},
			want: map[Promise]int{Miscounted: 1}, text: "12 events were accepted, but 11 have an outcome",
		},
		"over quota": {
			reason: "the worst window saw one call too many",
			plant:  func(_ *Options, _ *ledger, s *seen) { s.stats.WorstWindow = 11 },
			want:   map[Promise]int{OverQuota: 1}, text: "11 calls came in one window",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, book, s := perfect()
			test.plant(o, book, s)
			r := Report{Options: *o}
			r.judged(findings(o, book.list(), s))
			if len(r.Broken)+len(test.want) > 0 && !maps.Equal(r.Broken, test.want) {
				t.Errorf("%s: broken %v, want %v: %v", test.reason, r.Broken, test.want, r.Findings)
			}
			var b strings.Builder
			if err := r.Write(&b); err != nil || !strings.Contains(b.String(), test.text) {
				t.Errorf("%s: the report lacks %q:\n%s", test.reason, test.text, &b)
			}
			if r.OK() != (len(test.want) == 0) {
				t.Errorf("%s: OK is %v", test.reason, r.OK())
			}
		})
	}
}

func TestTheReportSpellsOutTheFirstFew(t *testing.T) {
	t.Parallel()
	var all []Finding
	for i := range 40 {
		all = append(all, Finding{Disordered, i + 1, "x"}, Finding{Lost, i + 1, "y"})
	}
	var r Report
	r.judged(all)
	var b strings.Builder
	if err := r.Write(&b); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	if strings.Count(text, ": y\n") != most || !strings.Contains(text, "lost: and 35 more") {
		t.Errorf("the report is\n%s", text)
	}
	if strings.Index(text, ": y\n") > strings.Index(text, ": x\n") {
		t.Error("what was lost comes first")
	}
	if strings.Contains(text, sample.Phone(0)[:6]) {
		t.Error("the report names a number")
	}
}
