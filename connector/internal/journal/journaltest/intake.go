package journaltest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/journal"
)

var intakeCases = map[string]func(*rig){
	"accepts an event and keeps it as it came": func(r *rig) {
		before := r.j.Mark()
		w := webhook{
			Type: connector.MessageReceived, Phone: alice, User: "IN.1", Name: "Alice", Account: account,
			ID: "m1", Text: "hi", Business: "acme", At: start.Add(-time.Minute),
		}
		e := r.entry(w)
		id := r.accept(w)
		r.reopen()
		st := r.stored(id)
		want(r, "raw", string(st.Raw), string(e.Raw))
		want(r, "after", st.After, before)
		want(r, "number", st.Event.ID, id)
		want(r, "business", st.Event.Business, "acme")
		want(r, "source", st.Event.Source, "main")
		want(r, "type", st.Event.Type, connector.MessageReceived)
		want(r, "time", st.Event.Time, w.At)
		want(r, "accepted", st.Event.Accepted, start)
		want(r, "identity", st.Event.Identity, e.Event.Identity)
		want(r, "account", st.Event.Account, account)
		want(r, "name", st.Event.ContactName, "Alice")
		want(r, "customer's key", st.Event.CustomerKey, "wa:918856879188")
	},
	"an exact re-send is a duplicate with the first one's number": func(r *rig) {
		id := r.accept(said(alice, "m1"))
		again := r.append(said(alice, "m1"))[0]
		want(r, "fate", again, journal.Receipt{Fate: journal.Duplicate, ID: id})
		want(r, "accepted in all", r.counts().Accepted, 1)
		r.reopen()
		want(r, "fate after a restart", r.append(said(alice, "m1"))[0].Fate, journal.Duplicate)
	},
	"white space makes no other event": func(r *rig) {
		e := r.entry(said(alice, "m1"))
		id := r.accept(said(alice, "m1"))
		var spaced bytes.Buffer
		r.ok(json.Indent(&spaced, e.Raw, " ", "\t"))
		e.Raw = spaced.Bytes()
		receipts, err := r.j.Append(r.Context(), r.j.Mark(), []journal.Entry{e})
		r.ok(err)
		want(r, "receipt", receipts[0], journal.Receipt{Fate: journal.Duplicate, ID: id})
	},
	"the same message at another source is new only to that one's destinations": func(r *rig) {
		first := r.accept(said(alice, "m1"))
		w := said(alice, "m1")
		w.To = []string{crm, "other"}
		e := r.entry(w)
		e.Event.Source = "second"
		for range 2 {
			receipts, err := r.j.Append(r.Context(), r.j.Mark(), []journal.Entry{e})
			r.ok(err)
			want(r, "receipt", receipts[0], journal.Receipt{Fate: journal.Duplicate, ID: first})
		}
		want(r, "pending here", r.counts().Events[journal.StatePending], 1)
		_, outcomes, err := r.j.Event(r.Context(), first)
		r.ok(err)
		want(r, "destinations", len(outcomes), 2)
	},
	"what was put aside is taken once it can be used": func(r *rig) {
		w := said(alice, "m1")
		w.At = start
		r.clock.advance(40 * 24 * time.Hour)
		want(r, "with a wrong clock", r.append(w)[0].Fate, journal.Quarantined)
		want(r, "still", r.append(w)[0].Fate, journal.Duplicate)
		r.clock.advance(-40 * 24 * time.Hour)
		got := r.append(w)[0]
		want(r, "with a right one", got.Fate, journal.Accepted)
		want(r, "again", r.append(w)[0], journal.Receipt{Fate: journal.Duplicate, ID: got.ID})
		want(r, "quarantined", r.counts().Quarantined, 0)
	},
	"a duplicate inside one request": func(r *rig) {
		got := r.append(said(alice, "m1"), said(alice, "m2"), said(alice, "m1"))
		want(r, "first", got[0].Fate, journal.Accepted)
		want(r, "second", got[1].Fate, journal.Accepted)
		want(r, "third", got[2], journal.Receipt{Fate: journal.Duplicate, ID: got[0].ID})
	},
	"an undated event has the time of its acceptance, and its re-send is known later": func(r *rig) {
		w := said(alice, "m1")
		w.Undated = true
		id := r.accept(w)
		want(r, "time", r.stored(id).Event.Time, start)
		r.clock.advance(48 * time.Hour)
		want(r, "fate", r.append(w)[0].Fate, journal.Duplicate)
	},
	"an old event is quarantined": func(r *rig) {
		for reason, c := range map[string]struct {
			age  time.Duration
			fate journal.Fate
		}{
			"at the edge of the reach": {journal.DuplicateReach, journal.Accepted},
			"a second past it":         {journal.DuplicateReach + time.Second, journal.Quarantined},
			"from the future":          {-time.Hour, journal.Accepted},
		} {
			w := said(alice, reason)
			w.At = start.Add(-c.age)
			want(r, reason, r.append(w)[0].Fate, c.fate)
		}
		want(r, "quarantined in all", r.counts().Quarantined, 1)
	},
	"an unusable element is quarantined alone, with its reason": func(r *rig) {
		bad := journal.Entry{Raw: []byte("not even json"), Quarantine: "it is no JSON"}
		bad.Event.Source = "main"
		receipts, err := r.j.Append(r.Context(), r.j.Mark(), []journal.Entry{r.entry(said(alice, "m1")), bad})
		r.ok(err)
		want(r, "the good one", receipts[0].Fate, journal.Accepted)
		want(r, "the bad one", receipts[1].Fate, journal.Quarantined)
		list, err := r.j.Quarantine(r.Context(), 10)
		r.ok(err)
		if len(list) != 1 {
			r.Fatalf("%d in the quarantine, want 1", len(list))
		}
		q := list[0]
		want(r, "number", q.ID, receipts[1].ID)
		want(r, "source", q.Source, "main")
		want(r, "at", q.At, start)
		want(r, "reason", q.Reason, "it is no JSON")
		want(r, "raw", string(q.Raw), "not even json")
		want(r, "pending", r.counts().Events[journal.StatePending], 1)
		receipts, err = r.j.Append(r.Context(), r.j.Mark(), []journal.Entry{bad})
		r.ok(err)
		want(r, "its re-send", receipts[0], journal.Receipt{Fate: journal.Duplicate, ID: q.ID})
	},
	"what a request's mark covers comes before it": func(r *rig) {
		first := r.accept(said(alice, "m1"))
		began := r.j.Mark()
		want(r, "the mark covers what was answered", int64(began) >= first, true)
		second := r.accept(said(alice, "m2"))
		receipts, err := r.j.Append(r.Context(), began, []journal.Entry{r.entry(said(alice, "m3"))})
		r.ok(err)
		st := r.stored(receipts[0].ID)
		want(r, "its own mark is kept", st.After, began)
		want(r, "the overlapping one is not covered", int64(st.After) < second, true)
		want(r, "numbers ascend", first < second && second < receipts[0].ID, true)
	},
	"numbers go on after a restart": func(r *rig) {
		first := r.accept(said(alice, "m1"))
		r.reopen()
		want(r, "the mark is back", int64(r.j.Mark()) >= first, true)
		want(r, "the next number is higher", r.accept(said(alice, "m2")) > first, true)
	},
	"each destination has its own pending event": func(r *rig) {
		w := said(alice, "m1")
		w.To = []string{crm, "other"}
		id := r.accept(w)
		_, outcomes, err := r.j.Event(r.Context(), id)
		r.ok(err)
		want(r, "outcomes", len(outcomes), 2)
		r.deliver(r.claimOne())
		other, err := r.j.Claim(r.Context(), journal.ClaimRequest{
			Destination: "other", Now: start, Customers: 1, Events: 1,
		})
		r.ok(err)
		want(r, "is still pending at the other", len(other), 1)
	},
	"an event without a route is kept": func(r *rig) {
		w := said(alice, "m1")
		w.To = []string{}
		id := r.accept(w)
		_, outcomes, err := r.j.Event(r.Context(), id)
		r.ok(err)
		want(r, "outcomes", len(outcomes), 0)
	},
	"an empty request": func(r *rig) {
		want(r, "receipts", len(r.append()), 0)
	},
	"many at once": manyAtOnce,
}

// manyAtOnce has 32 conversations of 20 messages each at the same time, every
// message sent twice: each is accepted once, and each conversation is in order.
func manyAtOnce(r *rig) {
	const conversations, messages = 32, 20
	var mu sync.Mutex
	fates := map[journal.Fate]int{}
	var wg sync.WaitGroup
	for c := range conversations {
		for range 2 {
			wg.Go(func() {
				for m := range messages {
					w := said(fmt.Sprintf("+9188568%05d", c), fmt.Sprintf("m-%d-%d", c, m))
					receipts, err := r.j.Append(r.Context(), r.j.Mark(), []journal.Entry{r.entry(w)})
					if err != nil {
						r.Error(err)
						return
					}
					mu.Lock()
					fates[receipts[0].Fate]++
					mu.Unlock()
				}
			})
		}
	}
	wg.Wait()
	want(r, "accepted", fates[journal.Accepted], conversations*messages)
	want(r, "duplicates", fates[journal.Duplicate], conversations*messages)
	claims := r.claimWith(journal.ClaimRequest{Customers: 100, Events: 100})
	want(r, "customers", len(claims), conversations)
	for _, c := range claims {
		want(r, "messages of one customer", len(c.Events), messages)
		for i := 1; i < len(c.Events); i++ {
			before, after := &c.Events[i-1], &c.Events[i]
			if before.Event.ID >= after.Event.ID || int64(after.After) < before.Event.ID {
				r.Errorf("event %d after mark %d follows event %d", after.Event.ID, after.After, before.Event.ID)
			}
		}
	}
}

var revisionCases = map[string]func(*rig){
	"the same id and type with other content is a revision": func(r *rig) {
		edit := func(text string) webhook {
			w := said(alice, "m1")
			w.Text = text
			return w
		}
		want(r, "first", r.append(edit("one"))[0].Revision, 0)
		want(r, "second", r.append(edit("two"))[0].Revision, 1)
		third := r.append(edit("three"))[0]
		want(r, "third", third.Revision, 2)
		want(r, "stored", r.stored(third.ID).Event.Revision, 2)
		want(r, "a re-send counts none", r.append(edit("two"))[0].Revision, 0)
		r.clock.advance(20 * time.Hour)
		want(r, "the next day", r.append(edit("four"))[0].Revision, 3)
	},
	"in one request too": func(r *rig) {
		a, b := said(alice, "m1"), said(alice, "m1")
		b.Text = "edited"
		got := r.append(a, b, a)
		want(r, "first", got[0], journal.Receipt{Fate: journal.Accepted, ID: got[0].ID})
		want(r, "edit", got[1], journal.Receipt{Fate: journal.Accepted, ID: got[1].ID, Revision: 1})
		want(r, "re-send", got[2].Fate, journal.Duplicate)
	},
	"what says the same in other bytes is a duplicate": func(r *rig) {
		first := r.accept(said(alice, "m1"))
		later := said(alice, "m1")
		later.At = start.Add(10 * time.Second)
		want(r, "another time", r.append(later)[0], journal.Receipt{Fate: journal.Duplicate, ID: first})
		named := said(alice, "m1")
		named.Name = "Alice"
		want(r, "another name", r.append(named)[0], journal.Receipt{Fate: journal.Duplicate, ID: first})
		link := func(id, url string) journal.Receipt {
			e := r.entry(said(alice, "m2"))
			e.Raw = []byte(url)
			e.Event.Message.Media = &connector.Media{ID: id, URL: url}
			receipts, err := r.j.Append(r.Context(), r.j.Mark(), []journal.Entry{e})
			r.ok(err)
			return receipts[0]
		}
		link("f1", "https://one")
		want(r, "another link to the file", link("f1", "https://two").Fate, journal.Duplicate)
		want(r, "another file", link("f2", "https://three").Revision, 1)
	},
	"the first words of a message of the business are no edit": func(r *rig) {
		bare := receipt(alice, "m1", connector.StatusSent)
		first := r.accept(bare)
		full := bare
		full.Text = "hello"
		got := r.append(full)[0]
		want(r, "the words", got, journal.Receipt{Fate: journal.Accepted, ID: got.ID})
		bare.At = start.Add(time.Second)
		want(r, "without words again", r.append(bare)[0], journal.Receipt{Fate: journal.Duplicate, ID: first})
		full.Text = "edited"
		want(r, "other words", r.append(full)[0].Revision, 1)
	},
	"another type of the same id is none": func(r *rig) {
		r.accept(said(alice, "m1"))
		want(r, "read", r.append(receipt(alice, "m1", connector.StatusRead))[0].Revision, 0)
	},
	"the same id in another business is none": func(r *rig) {
		r.accept(said(alice, "m1"))
		w := said(alice, "m1")
		w.Business = "second"
		want(r, "revision", r.append(w)[0].Revision, 0)
	},
}
