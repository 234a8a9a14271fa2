package journaltest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/journal"
)

// list gives the numbers of the events that a filter means, newest first.
func (r *rig) list(f journal.Filter) []int64 {
	r.Helper()
	listed, err := r.j.List(r.Context(), f)
	r.ok(err)
	out := []int64{}
	for i := range listed {
		out = append(out, listed[i].Event.ID)
	}
	return out
}

var readerCases = map[string]func(*rig){
	"an event that is not there": func(r *rig) {
		_, _, err := r.j.Event(r.Context(), 42)
		want(r, "not found", errors.Is(err, journal.ErrNotFound), true)
	},
	"every destination is named": func(r *rig) {
		_, err := r.j.Open(r.Context(), crm)
		r.ok(err)
		elsewhere := said(alice, "m1")
		elsewhere.To = []string{"removed"}
		r.accept(elsewhere)
		known, err := r.j.Destinations(r.Context())
		r.ok(err)
		want(r, "the destinations", slices.Contains(known, crm) && slices.Contains(known, "removed"), true)
		want(r, "in order", slices.IsSorted(known), true)
	},
	"what a clock ahead has put off is due soon after the next start": func(r *rig) {
		r.accept(said(alice, "m1"))
		c := r.claimOne()
		ahead := start.Add(48 * time.Hour)
		r.write(journal.Delta{
			Release: []journal.Release{{Customer: c.Customer.ID, NotBefore: ahead, Attempts: 1}},
			State:   &journal.DestinationState{Paused: "it is down", Retry: ahead},
		})
		state, err := r.j.Open(r.Context(), crm)
		r.ok(err)
		soon := start.Add(15 * time.Minute)
		want(r, "the next trial", state.Retry.After(soon), false)
		claims, err := r.j.Claim(r.Context(), journal.ClaimRequest{
			Destination: crm, Now: soon.Add(time.Second), Customers: 1, Events: 1,
		})
		r.ok(err)
		want(r, "customers that are due", len(claims), 1)
	},
	"a list gives little of a long quarantined element": func(r *rig) {
		long := journal.Entry{Raw: make([]byte, 1<<20), Quarantine: "it is no JSON"}
		_, err := r.j.Append(r.Context(), r.j.Mark(), []journal.Entry{long})
		r.ok(err)
		list, err := r.j.Quarantine(r.Context(), 10)
		r.ok(err)
		want(r, "elements", len(list), 1)
		want(r, "what is given", len(list[0].Raw), journal.QuarantineShown)
		want(r, "its size", list[0].Size, 1<<20)
	},
	"filters": func(r *rig) {
		a1 := r.accept(said(alice, "m1"))
		c := r.claimOne()
		r.write(journal.Delta{Outcomes: []journal.Outcome{r.end(c, a1, journal.StateDead)}})
		r.clock.advance(time.Hour)
		b1 := r.accept(said(bob, "m2"))
		r.clock.advance(time.Hour)
		elsewhere := said(alice, "m3")
		elsewhere.To = []string{"other"}
		a2 := r.accept(elsewhere)
		for _, f := range []struct {
			reason string
			filter journal.Filter
			events []int64
		}{
			{"all, newest first", journal.Filter{}, []int64{a2, b1, a1}},
			{"a destination", journal.Filter{Destination: crm}, []int64{b1, a1}},
			{"a destination that nobody knows", journal.Filter{Destination: "nowhere"}, []int64{}},
			{"a state", journal.Filter{State: journal.StatePending}, []int64{a2, b1}},
			{"dead letters", journal.Filter{State: journal.StateDead}, []int64{a1}},
			{"a state at a destination", journal.Filter{Destination: crm, State: journal.StatePending}, []int64{b1}},
			{"a customer by key", journal.Filter{Customer: "wa:918856879188"}, []int64{a2, a1}},
			{"a customer by number", journal.Filter{Customer: bob}, []int64{b1}},
			{"a customer that nobody knows", journal.Filter{Customer: "+15550100000"}, []int64{}},
			{"from", journal.Filter{From: start.Add(time.Hour)}, []int64{a2, b1}},
			{"to", journal.Filter{To: start.Add(time.Hour)}, []int64{a1}},
			{"a limit", journal.Filter{Limit: 2}, []int64{a2, b1}},
			{"the next page", journal.Filter{Limit: 2, Before: b1}, []int64{a1}},
			{"a customer's next page", journal.Filter{Customer: alice, Before: a2}, []int64{a1}},
		} {
			want(r, f.reason, fmt.Sprint(r.list(f.filter)), fmt.Sprint(f.events))
		}
	},
	"a customer of several businesses": func(r *rig) {
		first := r.accept(said(alice, "m1"))
		w := said(alice, "m1")
		w.Business, w.To = "second", []string{"other"}
		second := r.accept(w)
		third := r.accept(said(alice, "m2"))
		want(r, "all", fmt.Sprint(r.list(journal.Filter{Customer: alice})), fmt.Sprint([]int64{third, second, first}))
		want(r, "a destination's", fmt.Sprint(r.list(journal.Filter{Customer: alice, Destination: "other"})), fmt.Sprint([]int64{second}))
	},
	"what became of a listed event": func(r *rig) {
		w := said(alice, "m1")
		w.To = []string{crm, "other"}
		id := r.accept(w)
		o := r.end(r.claimOne(), id, journal.StateDelivered)
		r.write(journal.Delta{Outcomes: []journal.Outcome{o}})
		listed, err := r.j.List(r.Context(), journal.Filter{Destination: crm})
		r.ok(err)
		want(r, "at the destination", listed[0].Outcome, o)
		listed, err = r.j.List(r.Context(), journal.Filter{Destination: "other"})
		r.ok(err)
		want(r, "at the other", listed[0].Outcome.State, journal.StatePending)
		want(r, "the event", listed[0].Event.CustomerKey, "wa:918856879188")
	},
	"counts": func(r *rig) {
		id := r.accept(said(alice, "m1"))
		r.clock.advance(time.Minute)
		r.accept(said(bob, "m2"))
		r.accept(said(bob, "m3"))
		c := r.counts()
		want(r, "pending", c.Events[journal.StatePending], 3)
		want(r, "customers", c.Customers, 2)
		want(r, "oldest", c.OldestPending, start)
		r.write(journal.Delta{Outcomes: []journal.Outcome{
			r.end(r.claimWith(journal.ClaimRequest{Customers: 1, Events: 1})[0], id, journal.StateDelivered),
		}})
		r.reopen()
		c = r.counts()
		want(r, "pending", c.Events[journal.StatePending], 2)
		want(r, "delivered", c.Events[journal.StateDelivered], 1)
		want(r, "customers", c.Customers, 1)
		want(r, "oldest", c.OldestPending, start.Add(time.Minute))
		want(r, "accepted", c.Accepted, 3)
	},
}

var operatorCases = map[string]func(*rig){
	"queued again, at the end": func(r *rig) {
		first, second := r.accept(said(alice, "m1")), r.accept(said(alice, "m2"))
		r.deliver(r.claimOne())
		third := r.accept(said(alice, "m3"))
		n, err := r.j.Requeue(r.Context(), crm, journal.Filter{To: start.Add(time.Hour), Before: third})
		r.ok(err)
		want(r, "how many", n, 2)
		c := r.claimOne()
		want(r, "order", fmt.Sprint(ids(c)), fmt.Sprint([]int64{third, first, second}))
		want(r, "delivered", r.counts().Events[journal.StateDelivered], 0)
		n, err = r.j.Requeue(r.Context(), crm, journal.Filter{})
		r.ok(err)
		want(r, "pending ones are left", n, 0)
		r.deliver(c)
		want(r, "delivered in the end", r.counts().Events[journal.StateDelivered], 3)
		want(r, "customers", r.counts().Customers, 0)
	},
	"more than one commit's, in order": func(r *rig) {
		const events = 1201
		var hooks []webhook
		for i := range events {
			hooks = append(hooks, said(alice, fmt.Sprint("m", i)))
		}
		r.append(hooks...)
		all := journal.ClaimRequest{Customers: 1, Events: events}
		before := r.claimWith(all)[0]
		r.deliver(before)
		n, err := r.j.Requeue(r.Context(), crm, journal.Filter{})
		r.ok(err)
		want(r, "how many", n, events)
		want(r, "order", fmt.Sprint(ids(r.claimWith(all)[0])), fmt.Sprint(ids(before)))
	},
	"dead letters by filter": func(r *rig) {
		a := r.accept(said(alice, "m1"))
		r.write(journal.Delta{Outcomes: []journal.Outcome{r.end(r.claimOne(), a, journal.StateDead)}})
		b := r.accept(said(bob, "m2"))
		r.deliver(r.claimOne())
		n, err := r.j.Requeue(r.Context(), crm, journal.Filter{State: journal.StateDead})
		r.ok(err)
		want(r, "how many", n, 1)
		want(r, "event", fmt.Sprint(ids(r.claimOne())), fmt.Sprint([]int64{a}))
		n, err = r.j.Requeue(r.Context(), crm, journal.Filter{Customer: bob})
		r.ok(err)
		want(r, "how many of the customer", n, 1)
		want(r, "both", fmt.Sprint(r.list(journal.Filter{State: journal.StatePending})), fmt.Sprint([]int64{b, a}))
	},
	"reservations outlive a restart": func(r *rig) {
		for i := range 3 {
			at := start.Add(time.Duration(i) * 10 * time.Second)
			r.ok(r.j.Reserve(r.Context(), crm, journal.Reservation{At: at, Until: at.Add(5 * time.Second), Calls: i + 1}))
		}
		r.reopen()
		for reason, c := range map[string]struct {
			after time.Duration
			calls string
		}{
			"all":                            {-time.Second, "[1 2 3]"},
			"calls can be made until Until":  {2 * time.Second, "[1 2 3]"},
			"the first's calls are all past": {5 * time.Second, "[2 3]"},
			"none":                           {time.Hour, "[]"},
		} {
			got, err := r.j.Reserved(r.Context(), crm, start.Add(c.after))
			r.ok(err)
			calls := []int{}
			for _, res := range got {
				calls = append(calls, res.Calls)
			}
			want(r, reason, fmt.Sprint(calls), c.calls)
		}
		other, err := r.j.Reserved(r.Context(), "other", start)
		r.ok(err)
		want(r, "another destination's", len(other), 0)
	},
}

var storeCases = map[string]func(*rig){
	"a second opener is refused": func(r *rig) {
		_, err := r.opener.Open(r.Context(), r.clock.Now)
		want(r, "locked", errors.Is(err, journal.ErrLocked), true)
		r.accept(said(alice, "m1"))
		r.reopen()
	},
	"a newer journal is refused": func(r *rig) {
		r.ok(r.j.Close())
		r.opener.Newer(r.T)
		_, err := r.opener.Open(r.Context(), r.clock.Now)
		want(r, "newer", errors.Is(err, journal.ErrNewer), true)
	},
	"calls after Close fail": func(r *rig) {
		r.ok(r.j.Close())
		_, err := r.j.Append(r.Context(), 0, []journal.Entry{r.entry(said(alice, "m1"))})
		want(r, "append fails", err != nil, true)
		_, err = r.j.Claim(r.Context(), journal.ClaimRequest{})
		want(r, "claim fails", err != nil, true)
		want(r, "a second Close fails", r.j.Close() != nil, true)
	},
	"a call whose context has ended writes nothing": func(r *rig) {
		ctx, cancel := context.WithCancel(r.Context())
		cancel()
		_, err := r.j.Append(ctx, r.j.Mark(), []journal.Entry{r.entry(said(alice, "m1"))})
		want(r, "is cancelled", errors.Is(err, context.Canceled), true)
		want(r, "nothing is written", r.append(said(alice, "m1"))[0].Fate, journal.Accepted)
	},
	"one caller's mistake fails nobody else": func(r *rig) {
		errs := make(chan error)
		const n = 50
		for i := range n {
			go func() {
				if i%10 == 0 {
					bad := journal.Outcome{State: "nonsense"}
					errs <- r.j.Write(r.Context(), crm, &journal.Delta{Outcomes: []journal.Outcome{bad}})
					return
				}
				w := said(fmt.Sprintf("+9188568791%02d", i), fmt.Sprint(i))
				_, err := r.j.Append(r.Context(), r.j.Mark(), []journal.Entry{r.entry(w)})
				errs <- err
			}()
		}
		failed := 0
		for range n {
			if <-errs != nil {
				failed++
			}
		}
		want(r, "failed", failed, n/10)
		want(r, "accepted", r.counts().Accepted, n-n/10)
	},
	"a full disk passes": func(r *rig) {
		r.accept(said(alice, "m1"))
		r.opener.Full(true)
		var err error
		taken := 0
		for i := range 200 {
			w := said(alice, fmt.Sprint("big", i))
			w.Text = fmt.Sprintf("%0100000d", i)
			if _, err = r.j.Append(r.Context(), r.j.Mark(), []journal.Entry{r.entry(w)}); err != nil {
				break
			}
			taken++
		}
		want(r, "full", errors.Is(err, journal.ErrFull), true)
		want(r, "what was answered is there", r.counts().Accepted, int64(taken+1))
		want(r, "reading goes on", len(r.claim(connector.LaneThread)), 1)
		r.opener.Full(false)
		r.accept(said(alice, "m2"))
		r.reopen()
		want(r, "everything answered is there", r.counts().Accepted, int64(taken+2))
	},
}
