package journaltest

import (
	"time"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/journal"
)

// customerOf gives the key of the customer that an event was given to.
func (r *rig) customerOf(w webhook) string {
	r.Helper()
	return r.stored(r.accept(w)).Event.CustomerKey
}

var customerCases = map[string]func(*rig){
	"one customer for both spellings of a number": func(r *rig) {
		for reason, pair := range map[string][2]string{
			"Brazil's ninth digit": {"+5511987654321", "+551187654321"},
			"Mexico's one":         {"+525512345678", "+5215512345678"},
		} {
			first := r.customerOf(said(pair[0], reason+"1"))
			want(r, reason, r.customerOf(said(pair[1], reason+"2")), first)
		}
	},
	"Argentina's spellings stay apart without evidence": func(r *rig) {
		first := r.customerOf(said("+541123456789", "m1"))
		want(r, "one customer", r.customerOf(said("+5491123456789", "m2")) == first, false)
	},
	"Argentina's spellings join by a receipt of the same message": func(r *rig) {
		first := r.customerOf(receipt("+541123456789", "m1", connector.StatusSent))
		want(r, "the receipt", r.customerOf(receipt("+5491123456789", "m1", connector.StatusRead)), first)
		want(r, "the next message", r.customerOf(said("+5491123456789", "m2")), first)
	},
	"a number and a user id seen together are one customer": func(r *rig) {
		both := said(alice, "m1")
		both.User = "IN.1"
		first := r.customerOf(both)
		alone := said("", "m2")
		alone.User = "IN.1"
		want(r, "by user id", r.customerOf(alone), first)
		want(r, "by number", r.customerOf(said(alice, "m3")), first)
		c := r.claimOne()
		want(r, "identity", c.Customer.Identity, connector.Identity{Phone: alice, UserID: "IN.1"})
		want(r, "key", c.Customer.Key, "wa:918856879188")
	},
	"a user id alone": func(r *rig) {
		w := said("", "m1")
		w.User = "IN.1"
		want(r, "key", r.customerOf(w), "wa:IN.1")
	},
	"the newest of each kind": func(r *rig) {
		first := said("", "m1")
		first.User = "IN.1"
		r.accept(first)
		for _, phone := range []string{alice, bob} {
			w := said(phone, "m"+phone)
			w.User = "IN.1"
			r.accept(w)
		}
		want(r, "identity", r.claimOne().Customer.Identity, connector.Identity{Phone: bob, UserID: "IN.1"})
	},
	"businesses never share customers": func(r *rig) {
		r.accept(said(alice, "m1"))
		w := said(alice, "m2")
		w.Business = "second"
		r.accept(w)
		want(r, "customers", len(r.claim(connector.LaneThread)), 2)
	},
	"an event that belongs to nobody": func(r *rig) {
		id := r.accept(webhook{Type: connector.CampaignCompleted, Account: account})
		want(r, "key", r.stored(id).Event.CustomerKey, "")
		c := r.claimOne()
		want(r, "customer", c.Customer.ID, 0)
		r.deliver(c)
		want(r, "pending", len(r.claim(connector.LaneThread)), 0)
	},
	"a receipt goes to the conversation that holds its message": func(r *rig) {
		first := receipt(alice, "m1", connector.StatusSent)
		key := r.customerOf(first)
		for reason, w := range map[string]webhook{
			"without an identity": {Type: connector.MessageRead, ID: "m1", Account: account, Status: connector.StatusRead},
			"of another account": {
				Type: connector.MessageDelivered, ID: "m1", Phone: alice, Account: "other", Status: connector.StatusDelivered,
			},
			"without an account": {Type: connector.MessageFailed, ID: "m1", Phone: alice, Status: connector.StatusFailed},
		} {
			e := r.stored(r.accept(w)).Event
			want(r, reason+": customer", e.CustomerKey, key)
			want(r, reason+": account", e.Account, account)
		}
	},
	"a receipt without an identity finds a message of last week": func(r *rig) {
		key := r.customerOf(receipt(alice, "m1", connector.StatusSent))
		r.clock.advance(7 * 24 * time.Hour)
		w := receipt("", "m1", connector.StatusRead)
		want(r, "customer", r.customerOf(w), key)
	},
	"a receipt of another number is that one's, and shares nothing": func(r *rig) {
		first := r.customerOf(receipt(alice, "g1", connector.StatusSent))
		other := receipt(bob, "g1", connector.StatusFailed)
		other.Error = 131050
		st := r.stored(r.accept(other))
		want(r, "bob's own", st.Event.CustomerKey, "wa:918856879199")
		want(r, "bob's own status", st.Event.State.MessageStatus, "")
		want(r, "bob's words", r.customerOf(said(bob, "m9")), "wa:918856879199")
		id := r.accept(said(alice, "m10"))
		want(r, "alice", r.stored(id).Event.CustomerKey, first)
		want(r, "alice's consent", r.stored(id).Event.State.Consent, "")
		sent := r.append(receipt(bob, "g1", connector.StatusSent))[0]
		want(r, "the same receipt of another participant", sent.Fate, journal.Accepted)
	},
	"a number with another user id was given to somebody else": func(r *rig) {
		with := func(id, user string, at time.Time) webhook {
			w := said(alice, id)
			w.User, w.At = user, at
			return w
		}
		first := r.customerOf(with("m1", "IN.1", start))
		second := r.customerOf(with("m2", "IN.2", start.Add(time.Second)))
		want(r, "the new owner is the old one", second == first, false)
		want(r, "the number alone", r.customerOf(said(alice, "m3")), second)
		want(r, "a late message of the old owner", r.customerOf(with("m4", "IN.1", start.Add(-time.Minute))), first)
		want(r, "the number stays", r.customerOf(said(alice, "m5")), second)
		want(r, "a parent's id is no other person's", r.customerOf(with("m6", "IN.ENT.2", start.Add(2*time.Second))), second)
	},
	"a late receipt gives nobody a number back": func(r *rig) {
		first := r.customerOf(receipt(alice, "m1", connector.StatusSent))
		moved := said(alice, "m2")
		moved.NewPhone = bob
		r.accept(moved)
		r.clock.advance(time.Minute)
		want(r, "the receipt", r.customerOf(receipt(alice, "m1", connector.StatusRead)), first)
		want(r, "the number's new owner", r.customerOf(said(alice, "m3")) == first, false)
	},
	"a known customer's late receipt finds its message": func(r *rig) {
		r.accept(receipt(alice, "m1", connector.StatusRead))
		r.clock.advance(3 * 24 * time.Hour)
		st := r.stored(r.accept(receipt(alice, "m1", connector.StatusFailed)))
		want(r, "status", st.Status, connector.StatusRead)
	},
	"a customer's message belongs to its sender, whatever its id": func(r *rig) {
		first := r.customerOf(said(alice, "m1"))
		want(r, "one customer", r.customerOf(said(bob, "m1")) == first, false)
	},
	"a changed number": func(r *rig) {
		first := r.customerOf(said(alice, "m1"))
		w := said(alice, "m2")
		w.NewPhone = bob
		r.clock.advance(time.Minute)
		want(r, "the event itself", r.customerOf(w), first)
		want(r, "the newest number", r.claimOne().Customer.Identity.Phone, bob)
		late := said(alice, "m3")
		late.At = start
		want(r, "an older message from the old number", r.customerOf(late), first)
		r.clock.advance(time.Minute)
		want(r, "a message from the new number", r.customerOf(said(bob, "m4")), first)
		reissued := r.customerOf(said(alice, "m5"))
		want(r, "the old number is somebody else's now", reissued == first || reissued == "", false)
		want(r, "and stays so", r.customerOf(said(alice, "m6")), reissued)
		want(r, "the newest number stays", r.claim(connector.LaneThread)[0].Customer.Identity.Phone, bob)
	},
}

var stateCases = map[string]func(*rig){
	"what earlier events said of the customer": func(r *rig) {
		first := r.stored(r.accept(said(alice, "m1"))).Event
		want(r, "a new customer is seen first with its event", first.State, connector.State{FirstSeen: start})
		later := r.clock.advance(time.Hour)
		second := r.stored(r.accept(said(alice, "m2"))).Event
		want(r, "the second", second.State, connector.State{FirstSeen: start, LastCustomerMessage: start})
		r.clock.advance(time.Hour)
		third := r.stored(r.accept(receipt(alice, "m3", connector.StatusSent))).Event
		want(r, "the third", third.State, connector.State{FirstSeen: start, LastCustomerMessage: later})
		fourth := r.stored(r.accept(receipt(alice, "m4", connector.StatusSent))).Event
		want(r, "receipts are no messages of the customer", fourth.State.LastCustomerMessage, later)
	},
	"a late older message does not go back": func(r *rig) {
		r.accept(said(alice, "m1"))
		late := said(alice, "m0")
		late.At = start.Add(-time.Hour)
		r.accept(late)
		e := r.stored(r.accept(said(alice, "m2"))).Event
		want(r, "last message", e.State.LastCustomerMessage, start)
	},
	"a time in the far future is shown and not believed": func(r *rig) {
		w := said(alice, "m1")
		w.At = start.Add(1000 * 24 * time.Hour)
		id := r.accept(w)
		want(r, "shown", r.stored(id).Event.Time, w.At)
		e := r.stored(r.accept(said(alice, "m2"))).Event
		want(r, "last message", e.State.LastCustomerMessage, start)
	},
	"an opt-out withdraws consent for what follows": func(r *rig) {
		w := receipt(alice, "m1", connector.StatusFailed)
		w.Error = 131050
		out := r.stored(r.accept(w)).Event
		want(r, "the event itself", out.State.Consent, "")
		next := r.stored(r.accept(said(alice, "m2"))).Event
		want(r, "the next", next.State.Consent, connector.ConsentWithdrawn)
		other := r.stored(r.accept(said(bob, "m3"))).Event
		want(r, "somebody else", other.State.Consent, "")
	},
	"a message only advances": func(r *rig) {
		for _, step := range []struct{ says, before, after connector.Status }{
			{connector.StatusSent, "", connector.StatusSent},
			{connector.StatusRead, connector.StatusSent, connector.StatusRead},
			{connector.StatusDelivered, connector.StatusRead, connector.StatusRead},
			{connector.StatusFailed, connector.StatusRead, connector.StatusRead},
		} {
			st := r.stored(r.accept(receipt(alice, "m1", step.says)))
			want(r, "status with "+string(step.says), st.Status, step.after)
			want(r, "status before "+string(step.says), st.Event.State.MessageStatus, step.before)
		}
		other := r.stored(r.accept(receipt(alice, "m2", connector.StatusFailed)))
		want(r, "another message", other.Status, connector.StatusFailed)
	},
	"a message advances over midnight": func(r *rig) {
		r.accept(receipt(alice, "m1", connector.StatusRead))
		r.clock.advance(24 * time.Hour)
		st := r.stored(r.accept(receipt(alice, "m1", connector.StatusDelivered)))
		want(r, "status", st.Status, connector.StatusRead)
	},
}
