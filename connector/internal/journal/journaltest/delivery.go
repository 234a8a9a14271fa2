package journaltest

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/journal"
)

var waitingCases = map[string]func(*rig){
	"nothing": func(r *rig) {
		want(r, "waiting", r.waiting(), journal.Waiting{})
	},
	"a thread is due at once": func(r *rig) {
		r.accept(said(alice, "m1"))
		want(r, "waiting", r.waiting(), journal.Waiting{ThreadDue: true})
	},
	"states are counted with the age of the oldest": func(r *rig) {
		for i := range 3 {
			r.accept(receipt(fmt.Sprintf("+9188568791%02d", i), fmt.Sprint(i), connector.StatusRead))
			r.accept(receipt(fmt.Sprintf("+9188568791%02d", i), fmt.Sprint(i), connector.StatusDelivered))
			r.clock.advance(time.Second)
		}
		want(r, "waiting", r.waiting(), journal.Waiting{States: 3, OldestState: start})
		w, err := r.j.Waiting(r.Context(), journal.WaitingRequest{Destination: crm, Now: r.clock.Now(), Count: 2})
		r.ok(err)
		want(r, "counted no further than asked", w.States, 2)
	},
	"a customer with both lanes is a thread": func(r *rig) {
		r.accept(receipt(alice, "m1", connector.StatusRead))
		r.accept(said(alice, "m2"))
		want(r, "waiting", r.waiting(), journal.Waiting{ThreadDue: true})
	},
	"what is held waits for its time": func(r *rig) {
		r.accept(said(alice, "m1"))
		until := start.Add(time.Minute)
		r.write(journal.Delta{Release: []journal.Release{{Customer: r.claimOne().Customer.ID, NotBefore: until}}})
		want(r, "held", r.waiting(), journal.Waiting{NextThread: until})
		r.accept(said(alice, "m2"))
		want(r, "held, whatever comes", r.waiting(), journal.Waiting{NextThread: until})
		r.clock.advance(time.Minute)
		want(r, "due", r.waiting().ThreadDue, true)
	},
	"states that are held are not counted, and are as old as they were later": func(r *rig) {
		r.accept(receipt(alice, "m1", connector.StatusRead))
		c := r.claim(connector.LaneState)[0]
		r.write(journal.Delta{Release: []journal.Release{{Customer: c.Customer.ID, NotBefore: start.Add(time.Minute)}}})
		want(r, "held", r.waiting(), journal.Waiting{NextState: start.Add(time.Minute)})
		r.clock.advance(time.Minute)
		want(r, "due", r.waiting(), journal.Waiting{States: 1, OldestState: start})
	},
}

var claimCases = map[string]func(*rig){
	"customers oldest first, events in order of arrival": func(r *rig) {
		a1 := r.accept(said(alice, "m1"))
		r.clock.advance(time.Second)
		b1 := r.accept(said(bob, "m2"))
		r.clock.advance(time.Second)
		late := said(alice, "m3")
		late.At = start.Add(-time.Hour)
		a2 := r.accept(late)
		claims := r.claim(connector.LaneThread)
		if len(claims) != 2 {
			r.Fatalf("%d customers, want 2", len(claims))
		}
		want(r, "first", fmt.Sprint(ids(claims[0])), fmt.Sprint([]int64{a1, a2}))
		want(r, "second", fmt.Sprint(ids(claims[1])), fmt.Sprint([]int64{b1}))
	},
	"claiming changes nothing": func(r *rig) {
		r.accept(said(alice, "m1"))
		first := r.claimOne()
		want(r, "the same again", reflect.DeepEqual(first, r.claimOne()), true)
	},
	"no more than asked for": func(r *rig) {
		for i := range 5 {
			r.accept(said(alice, fmt.Sprint(i)))
			r.accept(said(bob, fmt.Sprint("b", i)))
		}
		claims := r.claimWith(journal.ClaimRequest{Customers: 1, Events: 3})
		want(r, "customers", len(claims), 1)
		want(r, "events", len(claims[0].Events), 3)
		want(r, "there are more", claims[0].More, true)
		r.deliver(claims[0])
		claims = r.claimWith(journal.ClaimRequest{Customers: 10, Events: 3, Busy: map[int64]bool{}})
		want(r, "customers", len(claims), 2)
		rest := claims[slices.IndexFunc(claims, func(c journal.Claim) bool { return len(c.Events) == 2 })]
		want(r, "no more are left", rest.More, false)
	},
	"busy customers are left out and others found behind them": func(r *rig) {
		busy := map[int64]bool{}
		for i := range 5 {
			r.accept(said(fmt.Sprintf("+9188568791%02d", i), fmt.Sprint(i)))
			r.clock.advance(time.Second)
		}
		for _, c := range r.claimWith(journal.ClaimRequest{Customers: 3, Events: 1}) {
			busy[c.Customer.ID] = true
		}
		claims := r.claimWith(journal.ClaimRequest{Customers: 3, Events: 1, Busy: busy})
		want(r, "customers", len(claims), 2)
		want(r, "none of them busy", busy[claims[0].Customer.ID] || busy[claims[1].Customer.ID], false)
	},
	"each lane has its customers, and a thread takes its states along": func(r *rig) {
		r.accept(receipt(alice, "m1", connector.StatusRead))
		b := []int64{r.accept(receipt(bob, "m2", connector.StatusRead)), r.accept(said(bob, "m3"))}
		states := r.claim(connector.LaneState)
		want(r, "customers with states only", len(states), 1)
		want(r, "the state's lane", states[0].Events[0].Lane, connector.LaneState)
		thread := r.claimOne()
		want(r, "the thread's events", fmt.Sprint(ids(thread)), fmt.Sprint(b))
		want(r, "the receipt's lane", thread.Events[0].Lane, connector.LaneState)
		want(r, "the message's lane", thread.Events[1].Lane, connector.LaneThread)
	},
	"held customers are left out until their time": func(r *rig) {
		r.accept(said(alice, "m1"))
		c := r.claimOne()
		r.write(journal.Delta{Release: []journal.Release{{
			Customer: c.Customer.ID, NotBefore: start.Add(time.Minute), Attempts: 3, StuckSince: time.Hour,
		}}})
		want(r, "held", len(r.claim(connector.LaneThread)), 0)
		r.clock.advance(time.Minute)
		r.reopen()
		c = r.claimOne()
		want(r, "attempts", c.Attempts, 3)
		want(r, "stuck since", c.StuckSince, time.Hour)
		r.write(journal.Delta{Release: []journal.Release{{Customer: c.Customer.ID}}})
		c = r.claimOne()
		want(r, "attempts after a release by itself", c.Attempts, 0)
	},
}

var writeCases = map[string]func(*rig){
	"an outcome ends an event for good": func(r *rig) {
		id := r.accept(said(alice, "m1"))
		c := r.claimOne()
		o := r.end(c, id, journal.StateSkipped)
		o.Rule = "no stickers"
		r.write(journal.Delta{
			Pin: map[int64][]byte{id: []byte(`{}`)}, Outcomes: []journal.Outcome{o},
			Release: []journal.Release{{Customer: c.Customer.ID}},
		})
		r.reopen()
		want(r, "pending", len(r.claim(connector.LaneThread)), 0)
		_, outcomes, err := r.j.Event(r.Context(), id)
		r.ok(err)
		want(r, "outcomes", len(outcomes), 1)
		want(r, "outcome", outcomes[0], o)
	},
	"every state": func(r *rig) {
		for _, state := range []journal.State{
			journal.StateDelivered, journal.StateSkipped, journal.StateUnmatched, journal.StateDead,
			journal.StateDiscarded, journal.StateErased,
		} {
			id := r.accept(said(alice, string(state)))
			r.write(journal.Delta{Outcomes: []journal.Outcome{r.end(r.claimOne(), id, state)}})
			want(r, string(state), r.counts().Events[state], 1)
		}
		want(r, "pending", r.counts().Events[journal.StatePending], 0)
	},
	"a dead letter has its code and words": func(r *rig) {
		id := r.accept(said(alice, "m1"))
		o := r.end(r.claimOne(), id, journal.StateDead)
		o.Code, o.Reason = "422", "create ticket: refused (422): subject is missing"
		r.write(journal.Delta{Outcomes: []journal.Outcome{o}})
		_, outcomes, err := r.j.Event(r.Context(), id)
		r.ok(err)
		want(r, "outcome", outcomes[0], o)
	},
	"a dead letter can be discarded": func(r *rig) {
		id := r.accept(said(alice, "m1"))
		c := r.claimOne()
		r.write(journal.Delta{Outcomes: []journal.Outcome{r.end(c, id, journal.StateDead)}})
		r.write(journal.Delta{Outcomes: []journal.Outcome{r.end(c, id, journal.StateDiscarded)}})
		counts := r.counts().Events
		want(r, "dead", counts[journal.StateDead], 0)
		want(r, "discarded", counts[journal.StateDiscarded], 1)
	},
	"what is not pending can't be ended": func(r *rig) {
		id := r.accept(said(alice, "m1"))
		c := r.claimOne()
		for reason, o := range map[string]journal.Outcome{
			"an event that is not there": r.end(c, id+100, journal.StateDelivered),
			"another customer's":         r.end(journal.Claim{}, id, journal.StateDelivered),
			"pending is no end":          r.end(c, id, journal.StatePending),
		} {
			err := r.j.Write(r.Context(), crm, &journal.Delta{Outcomes: []journal.Outcome{o}})
			want(r, reason, err != nil, true)
		}
		want(r, "is still pending", len(r.claim(connector.LaneThread)), 1)
	},
	"all of a delta or nothing": func(r *rig) {
		id := r.accept(said(alice, "m1"))
		c := r.claimOne()
		err := r.j.Write(r.Context(), crm, &journal.Delta{
			Pin:      map[int64][]byte{id: []byte(`{}`)},
			Intend:   []journal.Intent{{Link: ticket(c, "t1"), Event: id}},
			Link:     []journal.Link{ticket(c, "t2")},
			Outcomes: []journal.Outcome{r.end(c, id, journal.StateDelivered), r.end(c, id+100, journal.StateDelivered)},
		})
		want(r, "is refused", err != nil, true)
		got := r.claimOne()
		want(r, "nothing is written", len(got.Links)+len(got.Intents)+len(got.Events[0].Pinned), 0)
	},
	"pins stay until the end": func(r *rig) {
		id := r.accept(said(alice, "m1"))
		r.write(journal.Delta{Pin: map[int64][]byte{id: []byte(`{"rules":["a"]}`)}})
		r.reopen()
		c := r.claimOne()
		want(r, "pinned", string(c.Events[0].Pinned), `{"rules":["a"]}`)
		r.write(journal.Delta{Pin: map[int64][]byte{id: nil}})
		want(r, "the pin is taken back", r.claimOne().Events[0].Pinned == nil, true)
		r.write(journal.Delta{Pin: map[int64][]byte{id: []byte(`{"rules":["b"]}`)}})
		r.write(journal.Delta{Outcomes: []journal.Outcome{r.end(c, id, journal.StateDead)}})
		r.write(journal.Delta{Revive: []journal.PendingKey{{Customer: c.Customer.ID, Event: id}}})
		want(r, "the pin is gone with the outcome", r.claimOne().Events[0].Pinned == nil, true)
	},
	"a dead letter that may have been overtaken stays dead": func(r *rig) {
		id := r.accept(said(alice, "m1"))
		later := r.accept(said(alice, "m2"))
		c := r.claimOne()
		r.write(journal.Delta{Outcomes: []journal.Outcome{r.end(c, id, journal.StateDead)}})
		r.write(journal.Delta{Intend: []journal.Intent{{Link: ticket(c, "t2"), Event: later}}})
		r.write(journal.Delta{Revive: []journal.PendingKey{{Customer: c.Customer.ID, Event: id}}})
		got := r.claimOne()
		want(r, "pending", len(got.Events), 1)
		want(r, "which", got.Events[0].Event.ID, later)
	},
	"a deferred event waits with the states": func(r *rig) {
		id := r.accept(said(alice, "m1"))
		c := r.claimOne()
		key := journal.PendingKey{Customer: c.Customer.ID, Event: id}
		r.write(journal.Delta{Defer: []journal.PendingKey{key, key}, Release: []journal.Release{{Customer: key.Customer}}})
		want(r, "no thread", len(r.claim(connector.LaneThread)), 0)
		states := r.claim(connector.LaneState)
		want(r, "states", len(states), 1)
		want(r, "lane", states[0].Events[0].Lane, connector.LaneState)
		r.accept(said(alice, "m2"))
		want(r, "a new message makes it a thread", len(r.claimOne().Events), 2)
	},
	"a released customer is due again with what came meanwhile": func(r *rig) {
		r.accept(said(alice, "m1"))
		c := r.claimOne()
		second := r.accept(said(alice, "m2"))
		r.deliver(c)
		want(r, "events", fmt.Sprint(ids(r.claimOne())), fmt.Sprint([]int64{second}))
	},
	"what is left decides the lane": func(r *rig) {
		id := r.accept(said(alice, "m1"))
		r.accept(receipt(alice, "m2", connector.StatusRead))
		c := r.claimOne()
		r.write(journal.Delta{
			Outcomes: []journal.Outcome{r.end(c, id, journal.StateDelivered)},
			Release:  []journal.Release{{Customer: c.Customer.ID}},
		})
		want(r, "no thread", len(r.claim(connector.LaneThread)), 0)
		want(r, "states", len(r.claim(connector.LaneState)), 1)
	},
	"a revived dead letter has its old place": func(r *rig) {
		first := r.accept(said(alice, "m1"))
		second := r.accept(said(alice, "m2"))
		c := r.claimOne()
		r.write(journal.Delta{Outcomes: []journal.Outcome{r.end(c, first, journal.StateDead)}})
		key := journal.PendingKey{Customer: c.Customer.ID, Event: first}
		r.write(journal.Delta{Revive: []journal.PendingKey{key}})
		want(r, "order", fmt.Sprint(ids(r.claimOne())), fmt.Sprint([]int64{first, second}))
		want(r, "dead", r.counts().Events[journal.StateDead], 0)
		want(r, "pending", r.counts().Events[journal.StatePending], 2)
		r.write(journal.Delta{Revive: []journal.PendingKey{key}})
		want(r, "what is no dead letter stays", r.counts().Events[journal.StatePending], 2)
	},
	"intents stay until they are settled": func(r *rig) {
		id := r.accept(said(alice, "m1"))
		c := r.claimOne()
		in := journal.Intent{
			Link: ticket(c, "t1"), Event: id, Deadline: start.Add(time.Minute), Settled: start.Add(time.Hour), Job: "j1",
		}
		r.write(journal.Delta{Intend: []journal.Intent{in}})
		r.reopen()
		want(r, "intent", reflect.DeepEqual(r.claimOne().Intents, []journal.Intent{in}), true)
		want(r, "counted", r.counts().Intents, 1)
		in.Job = "j2"
		r.write(journal.Delta{Intend: []journal.Intent{in}})
		want(r, "written over", reflect.DeepEqual(r.claimOne().Intents, []journal.Intent{in}), true)
		r.write(journal.Delta{Settle: []journal.LinkKey{in.Link.LinkKey}, Intend: []journal.Intent{in}})
		want(r, "settled and begun again", len(r.claimOne().Intents), 1)
		r.write(journal.Delta{Settle: []journal.LinkKey{in.Link.LinkKey}})
		want(r, "settled", len(r.claimOne().Intents), 0)
	},
	"unknown ends are counted": func(r *rig) {
		id := r.accept(said(alice, "m1"))
		c := r.claimOne()
		r.write(journal.Delta{Unknown: []journal.Unknown{{
			LinkKey: ticket(c, "t1").LinkKey, Event: id, Decision: connector.Hold, At: start,
		}}})
		want(r, "unknown", r.counts().Unknown, 1)
	},
	"the destination's state is remembered": func(r *rig) {
		state := journal.DestinationState{
			Paused: "401", Since: start, Retry: start.Add(time.Minute), Trials: 2, Served: time.Hour, LastSuccess: start,
			Streaks: map[string]journal.Streak{"422": {
				Customers: []int64{7}, Events: []journal.PendingKey{{Customer: 7, Event: 8}},
			}},
		}
		got, err := r.j.Open(r.Context(), crm)
		r.ok(err)
		want(r, "new", reflect.DeepEqual(got, journal.DestinationState{}), true)
		r.write(journal.Delta{State: &state})
		r.write(journal.Delta{})
		r.reopen()
		got, err = r.j.Open(r.Context(), crm)
		r.ok(err)
		want(r, "after a restart", reflect.DeepEqual(got, state), true)
		other, err := r.j.Open(r.Context(), "other")
		r.ok(err)
		want(r, "another's", reflect.DeepEqual(other, journal.DestinationState{}), true)
	},
}
