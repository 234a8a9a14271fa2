package journaltest

import (
	"reflect"
	"time"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/journal"
)

// ticket is a current ticket of a claim's customer.
func ticket(c journal.Claim, key string) journal.Link {
	return journal.Link{
		LinkKey: journal.LinkKey{Customer: c.Customer.ID, Kind: connector.KindTicket, Key: key},
		ID:      "id-" + key, URL: "https://crm.example/" + key, Account: account, Current: true,
		Condition: connector.Active, Seen: start, Active: start.Add(-time.Minute),
		Written: map[string]journal.Written{"status": {Hash: 1<<63 + 1, AsOf: 5}},
	}
}

func (r *rig) link(key journal.LinkKey) (journal.Link, bool) {
	r.Helper()
	links, err := r.j.Links(r.Context(), crm, []journal.LinkKey{key})
	r.ok(err)
	if len(links) == 0 {
		return journal.Link{}, false
	}
	return links[0], true
}

var linkCases = map[string]func(*rig){
	"a link is remembered as it was written": func(r *rig) {
		r.accept(said(alice, "m1"))
		l := ticket(r.claimOne(), "t1")
		r.write(journal.Delta{Link: []journal.Link{l}})
		r.reopen()
		got, _ := r.link(l.LinkKey)
		want(r, "by key", reflect.DeepEqual(got, l), true)
		l.Condition, l.Seen, l.Written = connector.Closed, start.Add(time.Hour), nil
		r.write(journal.Delta{Link: []journal.Link{l}})
		got, _ = r.link(l.LinkKey)
		want(r, "written over", reflect.DeepEqual(got, l), true)
	},
	"unknown keys are left out": func(r *rig) {
		r.accept(said(alice, "m1"))
		c := r.claimOne()
		l := ticket(c, "t1")
		r.write(journal.Delta{Link: []journal.Link{l}})
		links, err := r.j.Links(r.Context(), crm, []journal.LinkKey{
			{Customer: c.Customer.ID, Kind: connector.KindTicket, Key: "t2"},
			l.LinkKey,
			{Customer: c.Customer.ID, Kind: connector.KindContact, Key: "t1"},
			{Customer: c.Customer.ID + 1, Kind: connector.KindTicket, Key: "t1"},
		})
		r.ok(err)
		want(r, "found", len(links), 1)
		links, err = r.j.Links(r.Context(), "other", []journal.LinkKey{l.LinkKey})
		r.ok(err)
		want(r, "at another destination", len(links), 0)
	},
	"a conversation has one current ticket": func(r *rig) {
		r.accept(said(alice, "m1"))
		c := r.claimOne()
		first, second, apart := ticket(c, "t1"), ticket(c, "t2"), ticket(c, "t3")
		apart.Account = "other"
		r.write(journal.Delta{Link: []journal.Link{first, apart}})
		r.write(journal.Delta{Link: []journal.Link{second}})
		for key, current := range map[string]bool{"t1": false, "t2": true, "t3": true} {
			got, ok := r.link(ticket(c, key).LinkKey)
			want(r, key+" is there", ok, true)
			want(r, key+" is current", got.Current, current)
		}
		r.write(journal.Delta{Link: []journal.Link{first}})
		got, _ := r.link(second.LinkKey)
		want(r, "the first is current again", got.Current, false)
		second.Condition = connector.Final
		second.Current = false
		r.write(journal.Delta{Link: []journal.Link{second}})
		got, _ = r.link(first.LinkKey)
		want(r, "writing another that is not current leaves it", got.Current, true)
	},
	"a claim brings the contact and the current tickets": func(r *rig) {
		r.accept(said(alice, "m1"))
		c := r.claimOne()
		contact, comment := ticket(c, "c"), ticket(c, "m1")
		contact.Kind, contact.Current, contact.Account = connector.KindContact, false, ""
		comment.Kind, comment.Current, comment.Ticket = connector.KindComment, false, "t2"
		r.write(journal.Delta{Link: []journal.Link{contact, ticket(c, "t1"), ticket(c, "t2"), comment}})
		got := r.claimOne().Links
		wanted := []journal.Link{contact, ticket(c, "t2")}
		if !reflect.DeepEqual(got, wanted) {
			r.Errorf("links of the claim: got %+v, want %+v", got, wanted)
		}
		found, _ := r.link(comment.LinkKey)
		want(r, "the comment by its key", reflect.DeepEqual(found, comment), true)
	},
	"unlink": func(r *rig) {
		r.accept(said(alice, "m1"))
		c := r.claimOne()
		r.write(journal.Delta{Link: []journal.Link{ticket(c, "t1"), ticket(c, "t2")}})
		r.write(journal.Delta{Unlink: []journal.LinkKey{ticket(c, "t1").LinkKey, ticket(c, "t2").LinkKey}})
		_, former := r.link(ticket(c, "t1").LinkKey)
		_, current := r.link(ticket(c, "t2").LinkKey)
		want(r, "are there", former || current, false)
		third := ticket(c, "t3")
		r.write(journal.Delta{Link: []journal.Link{third}, Unlink: []journal.LinkKey{third.LinkKey}})
		_, there := r.link(third.LinkKey)
		want(r, "what is written and removed is there", there, false)
	},
	"links are written in order": func(r *rig) {
		r.accept(said(alice, "m1"))
		c := r.claimOne()
		r.write(journal.Delta{Link: []journal.Link{ticket(c, "t2"), ticket(c, "t1")}})
		last, _ := r.link(ticket(c, "t1").LinkKey)
		before, _ := r.link(ticket(c, "t2").LinkKey)
		want(r, "the last is current", last.Current, true)
		want(r, "the one before is current", before.Current, false)
	},
}
