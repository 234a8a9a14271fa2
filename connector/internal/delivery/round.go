package delivery

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/fold"
	"github.com/crm-connector/crm-connector/connector/internal/journal"
)

// round is the story: what happens to the events of the customers in hand. What
// goes wrong for one customer stops that customer and nobody else; an error
// means that the journal could not be read or written, and then nothing that the
// round learned is lost: open intents tell the next one what to ask the CRM.
func (w *Worker) round(ctx context.Context, j *job) error {
	r := w.begin(j) // the customers that were claimed, each with its events in order

	r.mapEvents() // events ▶ wishes, as pinned by an earlier attempt or by the mapping
	if err := r.recall(ctx); err != nil {
		return err // which wishes are fulfilled already
	}
	if err := r.settle(ctx); err != nil {
		return err // how did the creates end whose end is open
	}
	r.fold()            // wishes ▶ the fewest with the same end
	r.resolve(ctx)      // what is there at the CRM, and which ticket takes a message
	err := r.apply(ctx) // contacts, then tickets with their comments
	return r.record(ctx, err)
}

// round is one turn's work. Its hands are worked on side by side.
type round struct {
	w      *Worker
	mapper connector.Mapper
	policy connector.Policy
	now    time.Time
	hands  []*hand
	// delta is what the journal is to be told with the next write.
	delta journal.Delta
	// stopped says that the destination was paused while the round went on, and
	// resting that it does not answer: no further call goes out.
	stopped, resting bool
}

// hand is one customer in hand.
type hand struct {
	claim    journal.Claim
	customer journal.Customer
	works    []*work
	// contact is the link to the contact, nil while the CRM's is not known.
	contact *journal.Link
	// wish is what the events want of the contact, wanted whether they do.
	wish   fold.Contact
	wanted bool
	// solo says that one event is taken alone, and whole; all that state changes
	// go out in this round, though others wait.
	solo, all bool
	threads   []*thread
	intents   map[journal.LinkKey]*journal.Intent
	// begun are the keys of ticket creates that are done again, by account: a
	// second try must not name the ticket after another message. absent are the
	// tickets that turned out not to be there, and repeats how often the end of a
	// create stayed unknown.
	begun   map[string]string
	absent  map[string]bool
	repeats map[journal.LinkKey]int
	// echoes are calls that may still be carried out though the record is there:
	// until then a newer value could be overwritten by the older one.
	echoes map[journal.LinkKey]time.Time
	// blank names the contact's empty fields, once they were looked at.
	blank  map[string]bool
	looked bool

	// err stopped the hand in this round; until is when it may go on, again says
	// that it may at once; progress that something was done.
	err      *connector.Error
	until    time.Time
	again    bool
	progress bool
	// deferred says that an event was moved to the state lane, blamed that the
	// destination is to blame for a refusal, whole that a whole call failed.
	deferred, blamed, whole bool
	// back says that the round ended before the hand's turn.
	back bool
	// suspects are events that were refused: dead letters, if the destination is
	// not to blame. refused says that the CRM refused anything.
	suspects []suspect
	refused  bool
}

// stop ends the hand's part in the round.
func (h *hand) stop(err *connector.Error) {
	if h.err == nil {
		h.err = err
	}
}

// putBack leaves the hand to the next round: its turn did not come.
func (h *hand) putBack() { h.again, h.back = true, true }

// ends reports whether no further call goes out in this round.
func (r *round) ends() bool { return r.stopped || r.resting }

// halted reports whether the hand goes no further in this round.
func (h *hand) halted() bool { return h.err != nil || !h.until.IsZero() || h.again }

// work is one event in hand.
type work struct {
	stored journal.Stored
	event  *connector.Event
	mapped *connector.Mapped
	pinned bool
	// folded says that the round works on the event. thread and contact say that
	// this part of the event is not done yet.
	folded          bool
	thread, contact bool
	// touched says that something of the event went out or is there already.
	touched bool
	// refused says that it is among the hand's suspects, opened that it has
	// opened a ticket before.
	refused, opened bool
	// note says why a part was dropped.
	note string
	// outcome is set when the event has ended, recorded when it is in a delta.
	outcome  *journal.Outcome
	recorded bool
}

func (k *work) id() int64 { return k.stored.Event.ID }

// opens reports whether the event opens a ticket where there is none.
func (k *work) opens() bool { return k.mapped.Ticket != nil && k.mapped.Ticket.Open }

// live reports whether the event still wants something.
func (k *work) live() bool { return k.outcome == nil && !k.refused }

func (h *hand) work(event int64) *work {
	for _, k := range h.works {
		if k.id() == event {
			return k
		}
	}
	return nil
}

// end gives the event an outcome.
func (h *hand) end(k *work, state journal.State, rule, code, reason string, at time.Time) {
	if k.outcome != nil {
		return
	}
	k.thread, k.contact = false, false
	k.outcome = &journal.Outcome{
		PendingKey: journal.PendingKey{Customer: h.customer.ID, Event: k.id()},
		State:      state, Rule: rule, Code: code, Reason: reason, At: at,
	}
}

// begin takes the claimed customers in hand.
func (w *Worker) begin(j *job) *round {
	m := *w.mapper.Load()
	r := &round{w: w, mapper: m, policy: m.Policy(), now: w.Now()}
	r.delta.Pin = map[int64][]byte{}
	for _, c := range j.claims {
		h := &hand{
			claim: c, customer: c.Customer,
			intents: map[journal.LinkKey]*journal.Intent{}, echoes: map[journal.LinkKey]time.Time{},
			begun: map[string]string{}, absent: map[string]bool{}, repeats: map[journal.LinkKey]int{},
		}
		for i := range c.Intents {
			h.intents[c.Intents[i].Link.LinkKey] = &c.Intents[i]
		}
		for i := range c.Links {
			if c.Links[i].Kind == connector.KindContact {
				h.contact = &c.Links[i]
			}
		}
		h.all = j.lane == connector.LaneState || !slices.ContainsFunc(c.Events, inThread)
		for _, s := range order(c.Events) {
			h.works = append(h.works, &work{stored: s, pinned: s.Pinned != nil})
		}
		r.hands = append(r.hands, h)
	}
	return r
}

// inThread reports whether the event is of the thread. A customer whose thread is
// due may have so many receipts before it that none comes into the hand.
func inThread(s journal.Stored) bool { return s.Lane == connector.LaneThread }

// order puts overlapping webhooks in the order of their own times. An event
// never passes one that was answered before its own request began.
func order(events []journal.Stored) []journal.Stored {
	for i := 1; i < len(events); i++ {
		for k := i; k > 0 && mayPass(&events[k], &events[k-1]); k-- {
			events[k], events[k-1] = events[k-1], events[k]
		}
	}
	return events
}

func mayPass(b, a *journal.Stored) bool {
	return int64(b.After) < a.Event.ID && b.Event.Time.Before(a.Event.Time)
}

// mapEvents gives each event its wishes. An event that no rule matches, or that
// a rule skips, ends here.
func (r *round) mapEvents() {
	for _, h := range r.hands {
		for _, k := range h.works {
			r.mapEvent(h, k)
		}
	}
}

func (r *round) mapEvent(h *hand, k *work) {
	event, err := Whole(&k.stored)
	if err != nil {
		h.end(k, journal.StateDead, "", "unreadable", "read event: "+err.Error(), r.now)
		return
	}
	k.event = event
	if k.mapped, err = r.wishes(k); err != nil {
		r.refuse(h, k, kindMapping, &connector.Error{Ending: connector.Refused, Op: "map event", Code: "mapping", Text: err.Error()})
		return
	}
	switch {
	case k.mapped.Skipped != "":
		h.end(k, journal.StateSkipped, k.mapped.Skipped, "", "", r.now)
	case len(k.mapped.Rules) == 0:
		h.end(k, journal.StateUnmatched, "", "", "", r.now)
	case k.mapped.Empty():
		h.end(k, journal.StateSkipped, k.mapped.Rules[0], "", "the rule changes nothing for this event", r.now)
	case h.customer.ID == 0:
		h.end(k, journal.StateSkipped, "", "", "the event belongs to no customer", r.now)
	default:
		k.contact = k.mapped.Contact != nil
		k.thread = k.mapped.Ticket != nil || len(k.mapped.Comments) > 0
	}
}

func (r *round) wishes(k *work) (*connector.Mapped, error) {
	if k.pinned {
		m := &connector.Mapped{}
		return m, json.Unmarshal(k.stored.Pinned, m)
	}
	var m *connector.Mapped
	err := guarded(func() (err error) { m, err = r.mapper.Map(k.event); return err })
	if err == nil && m == nil {
		m = &connector.Mapped{}
	}
	return m, err
}

// recall drops the comments that are on a ticket already, as those of a replayed
// event are.
func (r *round) recall(ctx context.Context) error {
	var keys []journal.LinkKey
	for _, h := range r.hands {
		for _, k := range h.works {
			if k.live() {
				for _, c := range k.mapped.Comments {
					keys = append(keys, journal.LinkKey{Customer: h.customer.ID, Kind: connector.KindComment, Key: c.Key})
				}
				if k.opens() {
					keys = append(keys, journal.LinkKey{Customer: h.customer.ID, Kind: connector.KindTicket, Key: ticketKey(k.event)})
				}
			}
		}
	}
	if len(keys) == 0 {
		return nil
	}
	links, err := r.w.Journal.Links(ctx, r.w.Destination, keys)
	if err != nil {
		return err
	}
	known := map[journal.LinkKey]journal.Link{}
	for _, l := range links {
		known[l.LinkKey] = l
	}
	for _, h := range r.hands {
		for _, k := range h.works {
			if k.live() && k.opens() {
				_, k.opened = known[journal.LinkKey{Customer: h.customer.ID, Kind: connector.KindTicket, Key: ticketKey(k.event)}]
			}
			h.fulfil(k, known)
			if k.live() {
				for _, c := range k.mapped.Comments { // a second event of the same message says nothing new
					key := journal.LinkKey{Customer: h.customer.ID, Kind: connector.KindComment, Key: c.Key}
					known[key] = journal.Link{LinkKey: key}
				}
			}
		}
	}
	return nil
}

// fulfil takes the comments that are done off the event's wishes. Once all are,
// nothing is opened for them any more; and when they stand on an earlier ticket,
// as those of a replayed event do, the wish was for that one.
func (h *hand) fulfil(k *work, done map[journal.LinkKey]journal.Link) {
	if !k.live() || len(k.mapped.Comments) == 0 {
		return
	}
	m, elsewhere := *k.mapped, false
	m.Comments = slices.DeleteFunc(slices.Clone(m.Comments), func(c connector.Comment) bool {
		l, ok := done[journal.LinkKey{Customer: h.customer.ID, Kind: connector.KindComment, Key: c.Key}]
		elsewhere = elsewhere || (ok && !h.isCurrent(l.Ticket))
		return ok
	})
	if len(m.Comments) == len(k.mapped.Comments) {
		return
	}
	if len(m.Comments) == 0 && m.Ticket != nil {
		t := *m.Ticket
		t.Open, m.Ticket = false, &t
		if elsewhere {
			m.Ticket = nil
		}
	}
	k.mapped, k.touched = &m, true
	k.thread = m.Ticket != nil || len(m.Comments) > 0
}

// isCurrent reports whether the ticket is a conversation's current one.
func (h *hand) isCurrent(ticket string) bool {
	return slices.ContainsFunc(h.claim.Links, func(l journal.Link) bool {
		return l.Kind == connector.KindTicket && l.Key == ticket
	})
}

// fold brings the wishes of each customer down to the fewest with the same end.
// A customer with an event that was refused together with others is taken one
// event at a time, so that only what fails alone is refused.
func (r *round) fold() {
	for _, h := range r.hands {
		if h.halted() {
			continue
		}
		h.solo = r.w.isSolo(h.customer.ID)
		h.all = h.all || h.solo
		for _, k := range h.works {
			if !k.live() {
				continue
			}
			k.folded = true
			if k.contact {
				h.wish.Add(k.id(), k.mapped.Contact)
				h.wanted = true
			}
			if k.thread {
				r.thread(h, k)
			}
			if h.solo {
				break
			}
		}
		for _, t := range h.threads {
			t.fold(r.policy.Idle, r.w.desc.Comments)
		}
	}
}

// thread puts the event's wishes on its conversation. What needs a ticket and
// opens none is dropped where the conversation has none.
func (r *round) thread(h *hand, k *work) {
	t := h.conversation(k.event.Account)
	item := fold.Item{Event: k.id(), At: k.event.Accepted, Ticket: k.mapped.Ticket, Comments: k.mapped.Comments}
	opens := k.opens()
	if !t.known() && !opens && !t.opened {
		k.thread, k.note = false, "the conversation has no ticket"
		return
	}
	t.opened = t.opened || opens
	t.items = append(t.items, item)
	t.urgent = t.urgent || h.all || k.mapped.Lane() == connector.LaneThread
}

// conversation gives the hand's thread for an account of the business.
func (h *hand) conversation(account string) *thread {
	for _, t := range h.threads {
		if t.account == account {
			return t
		}
	}
	t := &thread{account: account}
	for i := range h.claim.Links {
		l := &h.claim.Links[i]
		if l.Kind == connector.KindTicket && l.Current && l.Account == account {
			t.current = l
		}
	}
	h.threads = append(h.threads, t)
	return t
}

// thread is what a round does on one conversation.
type thread struct {
	account string
	// current is the link of the conversation's ticket, nil when it has none.
	current *journal.Link
	items   []fold.Item
	// segments are what is left to do, each one change of one ticket.
	segments []fold.Segment
	// opened says that an item opens a ticket, urgent that one can't wait.
	opened, urgent bool
	// blank names the ticket's empty fields where they were observed.
	blank map[string]bool
}

func (t *thread) known() bool { return t.current != nil }

func (t *thread) fold(idle time.Duration, limit int) {
	var active time.Time
	if t.known() {
		active = t.current.Active
	}
	t.segments = fold.Thread(t.items, active, idle, limit)
}
