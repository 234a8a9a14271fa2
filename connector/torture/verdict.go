package torture

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"github.com/crm-connector/crm-connector/connector"
)

// Promise names what can be broken.
type Promise string

// The promises, in the order in which a report tells of them.
const (
	// Lost: answered 200, and neither in the CRM nor among the dead letters.
	Lost Promise = "lost"
	// Doubled: a customer has two contacts, a conversation two tickets, or a message
	// is there twice.
	Doubled Promise = "doubled"
	// Disordered: a message stands behind a later one.
	Disordered Promise = "out of order"
	// Misplaced: a message is on somebody else's ticket, or a receipt made one.
	Misplaced Promise = "misplaced"
	// Outdated: a contact shows an older status than the last receipt's.
	Outdated Promise = "outdated"
	// Dead: a dead letter, though the CRM refuses nothing for good.
	Dead Promise = "dead letters"
	// Unfinished: still pending when patience was at an end.
	Unfinished Promise = "unfinished"
	// Miscounted: the connector's own account is not the ledger's.
	Miscounted Promise = "miscounted"
	// OverQuota: more calls came in a window than were sold.
	OverQuota Promise = "over quota"
)

// Promises lists them.
func Promises() []Promise {
	return []Promise{Lost, Doubled, Disordered, Misplaced, Outdated, Dead, Unfinished, Miscounted, OverQuota}
}

// Finding is one breach.
type Finding struct {
	Promise Promise `json:"promise"`
	// Conversation is the customer's number from 1, 0 where it is about no single
	// one.
	Conversation int    `json:"conversation,omitempty"`
	Text         string `json:"text"`
}

// judge compares the ledger with what is seen.
type judge struct {
	o    *Options
	book map[int][]*entry
	seen *seen
	// contacts are the ids of each conversation's contacts, owner the conversation
	// of each contact, tickets those of each conversation.
	contacts map[int][]*contact
	owner    map[string]int
	tickets  map[int][]string
	// dead are the numbers of the dead letters.
	dead     map[int64]bool
	findings []Finding
}

// findings gives every breach, those of the first conversations first.
func findings(o *Options, book map[int][]*entry, s *seen) []Finding {
	j := &judge{
		o: o, book: book, seen: s, contacts: map[int][]*contact{}, owner: map[string]int{},
		tickets: map[int][]string{}, dead: map[int64]bool{},
	}
	for i := range s.dead {
		j.dead[s.dead[i].ID] = true
	}
	j.index()
	for c := range o.Conversations + o.Strangers {
		j.contact(c)
		j.thread(c)
	}
	j.accounts()
	return j.findings
}

func (j *judge) found(p Promise, conversation int, format string, args ...any) {
	j.findings = append(j.findings, Finding{p, conversation + 1, fmt.Sprintf(format, args...)})
}

// nobody stands for no single conversation.
const nobody = -1

func (j *judge) index() {
	for i := range j.seen.contacts {
		c := &j.seen.contacts[i]
		n := c.conversation()
		j.contacts[n] = append(j.contacts[n], c)
		j.owner[c.ID] = n
	}
	for _, t := range j.seen.tickets {
		n, known := j.owner[t.ContactID]
		if !known || n < 0 || n >= j.o.Conversations {
			j.found(Misplaced, nobody, "ticket %s belongs to nobody who wrote", t.ID)
			continue
		}
		j.tickets[n] = append(j.tickets[n], t.ID)
	}
}

// contact judges a customer's contact.
func (j *judge) contact(c int) {
	has, writes := len(j.contacts[c]), c < j.o.Conversations && len(j.book[c]) > 0
	switch {
	case has > 1:
		j.found(Doubled, c, "there are %d contacts", has)
	case has == 1 && !writes && j.o.Mapping == defaultMapping:
		j.found(Misplaced, c, "receipts alone made a contact")
	case has == 1 && writes && j.o.Mapping == defaultMapping:
		j.fields(c, j.contacts[c][0])
	}
	if n := len(j.tickets[c]); n > 1 {
		j.found(Doubled, c, "there are %d tickets", n)
	}
}

// fields compares a contact's status with that of the receipt that was accepted
// last. A receipt that came before the contact was made may have been dropped.
func (j *judge) fields(c int, at *contact) {
	want := connector.StatusNone
	statuses := map[int]connector.Status{}
	first := int64(0)
	for _, e := range j.book[c] {
		switch {
		case e.written() && (first == 0 || e.id < first):
			first = e.id
		case !e.written() && (!e.answered || e.id == 0 || j.dead[e.id]):
			return // Whether it counts can't be told.
		case !e.written():
			s := statuses[e.sequence].Advance(connector.Status(e.kind[len("message."):]))
			statuses[e.sequence] = s
			if e.id > first {
				want = s
			}
		}
	}
	got, _ := at.Fields["whatsapp_status"].(string)
	if want != connector.StatusNone && got != string(want) {
		j.found(Outdated, c, "the contact's whatsapp_status is %q, the last receipt says %q", got, want)
	}
}

// marker finds a message's text in a comment.
var marker = regexp.MustCompile(`This is conversation (\d+), message (\d+)\.`)

// thread judges the comments of a conversation.
func (j *judge) thread(c int) {
	times := map[int]int{}
	highest := -1
	for _, t := range j.tickets[c] {
		for _, one := range j.seen.comments[t] {
			m := marker.FindStringSubmatch(one.Body)
			if m == nil {
				j.found(Misplaced, c, "comment %s is no customer's message", one.ID)
				continue
			}
			owner, _ := strconv.Atoi(m[1])
			number, _ := strconv.Atoi(m[2])
			switch {
			case owner != c+1:
				j.found(Misplaced, c, "message %d of conversation %d is on the ticket", number, owner)
				continue
			case times[number] == 0 && number < highest:
				j.found(Disordered, c, "message %d stands behind message %d", number, highest)
			}
			times[number]++
			highest = max(highest, number)
		}
	}
	j.messages(c, times)
}

// messages judges how often each message is there.
func (j *judge) messages(c int, times map[int]int) {
	last := int64(0)
	for _, e := range j.book[c] {
		if e.twice {
			j.found(Doubled, c, "%s %d was accepted as two events", e.kind, e.sequence+1)
		}
		if !e.written() {
			continue
		}
		n := times[e.sequence+1]
		delete(times, e.sequence+1)
		switch {
		case n > 1:
			j.found(Doubled, c, "message %d is there %d times", e.sequence+1, n)
		case n == 0 && e.answered && !j.dead[e.id]:
			j.found(Lost, c, "message %d (event %d) is not there", e.sequence+1, e.id)
		}
		if e.id != 0 && e.id < last {
			j.found(Disordered, c, "message %d was numbered before the one that it follows", e.sequence+1)
		}
		last = max(last, e.id)
	}
	for number := range times {
		j.found(Misplaced, c, "message %d was never sent", number)
	}
}

// accounts judges what is about no single conversation.
func (j *judge) accounts() {
	events, answered := 0, 0
	for _, es := range j.book {
		for _, e := range es {
			events++
			answered += ifElse(e.answered, 1, 0)
		}
	}
	accepted := j.seen.status.Journal.Accepted
	if accepted < answered || accepted > events {
		j.found(Miscounted, nobody, "%d events were answered 200 and %d sent, but the connector counts %d", answered, events, accepted)
	}
	if n := j.seen.status.Journal.Quarantined; n > 0 {
		j.found(Miscounted, nobody, "%d events are in quarantine", n)
	}
	for _, d := range j.seen.status.Destinations {
		sum := 0
		for _, n := range d.Outcomes {
			sum += n
		}
		if sum != accepted {
			j.found(Miscounted, nobody, "%d events were accepted, but %d have an outcome or are pending", accepted, sum)
		}
		if d.Backlog > 0 {
			j.found(Unfinished, nobody, "%d events are pending, the destination is %s", d.Backlog, d.why())
		}
	}
	for _, d := range j.seen.dead {
		j.found(Dead, j.conversationOf(d.ID), "%s (event %d): %s %s", d.Type, d.ID, d.Outcome.Code, d.Outcome.Reason)
	}
	if q, worst := j.o.Quota, j.seen.stats.WorstWindow; q.Calls > 0 && worst > q.Calls {
		j.found(OverQuota, nobody, "%d calls came in one window of %s, where %d are sold", worst, q.Per, q.Calls)
	}
}

// conversationOf gives the conversation of an event.
func (j *judge) conversationOf(id int64) int {
	for c, es := range j.book {
		if slices.ContainsFunc(es, func(e *entry) bool { return e.id == id }) {
			return c
		}
	}
	return nobody
}
