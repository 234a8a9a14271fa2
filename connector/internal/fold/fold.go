// Package fold brings the wishes of a customer's events down to the fewest
// changes with the same end. It is pure arithmetic: no I/O, no clock, no vendor.
//
// Contact fields and other state converge: of several values for a field the one
// of the latest accepted event goes out, and only when it differs from what we
// last wrote. Threads do not: comments keep their order, and a status change is
// never moved across a comment.
//
// Start with [Contact] and [Thread].
package fold

import (
	"encoding/json"
	"hash/fnv"
	"maps"
	"slices"
	"time"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/journal"
)

// customPrefix sets the CRM's own field names apart from the standard ones in
// what a link remembers, and fillPrefix the values that were offered for a blank.
const (
	customPrefix = "fields."
	fillPrefix   = "fill:"
)

// Contact is what several events want of one contact.
type Contact struct {
	set, create, fill registers
	// Make says that one of the events makes the contact where there is none.
	Make bool
}

// Add merges an event's wish.
func (c *Contact) Add(event int64, w *connector.ContactWish) {
	c.set.write(event, w.Set)
	c.create.write(event, w.Create)
	c.fill.write(event, w.Fill)
	c.Make = c.Make || w.Make
}

// ForCreate gives what a new contact gets, and what the link remembers of it.
func (c *Contact) ForCreate() (connector.Write, map[string]journal.Written) {
	return forCreate(c.set, c.create, c.fill)
}

// ForUpdate gives what must be written to a contact of which the link remembers
// written; fill holds the values for fields that are blank.
func (c *Contact) ForUpdate(written map[string]journal.Written) (u Update) {
	return forUpdate(c.set, c.fill, written)
}

// Update is what must be written to a record that exists.
type Update struct {
	Set, Fill connector.Write
	// Written is what the link remembers afterwards, beside what it has.
	Written map[string]journal.Written
}

// Empty reports whether nothing needs to be written.
func (u *Update) Empty() bool { return u.Set.Empty() && u.Fill.Empty() }

func forCreate(set, create, fill registers) (connector.Write, map[string]journal.Written) {
	all := registers{}
	for _, r := range []registers{fill, create, set} { // what is set wins
		maps.Copy(all, r)
	}
	written := map[string]journal.Written{}
	for name, v := range set {
		written[name] = v.memory()
	}
	for name, v := range fill {
		written[fillPrefix+name] = v.memory()
	}
	return all.values(), written
}

func forUpdate(set, fill registers, written map[string]journal.Written) (u Update) {
	u.Written = map[string]journal.Written{}
	u.Set = changed(set, "", written, u.Written)
	u.Fill = changed(fill, fillPrefix, written, u.Written)
	return u
}

// changed gives the values that differ from what was written and are not older,
// and puts all that are newer into next.
func changed(r registers, prefix string, written, next map[string]journal.Written) connector.Write {
	out := registers{}
	for name, v := range r {
		was, known := written[prefix+name]
		if known && was.AsOf >= v.event && (was.AsOf > v.event || was.Hash == v.hash()) {
			continue
		}
		next[prefix+name] = v.memory()
		if !known || was.Hash != v.hash() {
			out[name] = v
		}
	}
	return out.values()
}

// registers hold the latest accepted event's value for each field.
type registers map[string]register

type register struct {
	value any
	event int64
}

func (r *registers) write(event int64, w connector.Write) {
	for name, v := range w.Standard {
		r.put(name, register{v, event})
	}
	for name, v := range w.Custom {
		r.put(customPrefix+name, register{v, event})
	}
}

func (r *registers) put(name string, v register) {
	if *r == nil {
		*r = registers{}
	}
	if old, ok := (*r)[name]; !ok || v.event >= old.event {
		(*r)[name] = v
	}
}

// values splits the registers into standard and custom fields again.
func (r registers) values() (w connector.Write) {
	for name, v := range r {
		if custom, ok := cutPrefix(name); ok {
			put(&w.Custom, custom, v.value)
		} else {
			put(&w.Standard, name, v.value)
		}
	}
	return w
}

func cutPrefix(name string) (string, bool) {
	if len(name) > len(customPrefix) && name[:len(customPrefix)] == customPrefix {
		return name[len(customPrefix):], true
	}
	return name, false
}

func put(f *connector.Fields, name string, v any) {
	if *f == nil {
		*f = connector.Fields{}
	}
	(*f)[name] = v
}

func (v register) memory() journal.Written {
	return journal.Written{Hash: v.hash(), AsOf: v.event}
}

func (v register) hash() uint64 {
	h := fnv.New64a()
	// Field values are strings, numbers, bools, times and lists of strings; all
	// of them marshal.
	_ = json.NewEncoder(h).Encode(v.value)
	return h.Sum64()
}

// Item is what one event wants of its conversation's ticket.
type Item struct {
	// Event is the event's id and At its acceptance.
	Event    int64
	At       time.Time
	Ticket   *connector.TicketWish
	Comments []connector.Comment
}

func (i *Item) opens() bool   { return i.Ticket != nil && i.Ticket.Open }
func (i *Item) message() bool { return len(i.Comments) > 0 }

func (i *Item) status() bool {
	return i.Ticket != nil && i.Ticket.Set.Standard[connector.FieldStatus] != nil
}

// Segment is a stretch of a thread that one change can carry: fields, comments
// in order, and then at most one status.
type Segment struct {
	set, create, fill registers
	// Comments are in order; Of names the event of each.
	Comments []connector.Comment
	Of       []int64
	// Events are all that the segment serves.
	Events []int64
	// Opens is the event that opens a ticket where there is none, 0 for none;
	// First and Last are the acceptance of the first opening event and of the
	// last message.
	Opens       int64
	First, Last time.Time
	// Fresh says that the ticket before was left idle for too long: the segment
	// belongs on a new one.
	Fresh bool
	// Ends says that the segment's status closes the ticket.
	Ends bool
	// hasStatus keeps a later comment out.
	hasStatus bool
}

// Thread folds a conversation's items, in order, into segments of at most limit
// comments. active is when the current ticket last got a message, and idle (0 for
// never) how long it may rest before the next message opens a new one.
func Thread(items []Item, active time.Time, idle time.Duration, limit int) []Segment {
	var out []Segment
	for _, it := range items {
		fresh := idle > 0 && it.opens() && !active.IsZero() && it.At.Sub(active) > idle
		if len(out) == 0 || fresh || !out[len(out)-1].takes(&it, limit) {
			out = append(out, Segment{Fresh: fresh})
		}
		out = add(out, &it, limit)
		if it.message() && it.At.After(active) {
			active = it.At
		}
	}
	return out
}

// takes reports whether the item folds into the segment without moving a status
// across a comment or carrying too many.
func (s *Segment) takes(it *Item, limit int) bool {
	if s.hasStatus && (it.message() || s.Ends) && !s.sameStatus(it) {
		return false
	}
	return !it.message() || len(s.Comments) < limit
}

// sameStatus reports whether the item only says the segment's status again, as a
// rule does that sets a status with every message.
func (s *Segment) sameStatus(it *Item) bool {
	if s.Ends || !it.status() {
		return false
	}
	again := register{value: it.Ticket.Set.Standard[connector.FieldStatus]}
	return again.hash() == s.set[connector.FieldStatus].hash()
}

// add puts the item into the last segment; comments beyond the limit go on in
// further ones, and a status waits for the last of them.
func add(out []Segment, it *Item, limit int) []Segment {
	first := len(out) - 1
	out[first].join(it)
	for _, c := range it.Comments {
		if len(out[len(out)-1].Comments) == limit {
			out = append(out, Segment{})
			out[len(out)-1].join(it) // what goes on of an opening message opens too
		}
		out[len(out)-1].comment(it, c)
	}
	if it.Ticket != nil {
		fields, status := splitStatus(it.Ticket.Set)
		out[first].set.write(it.Event, fields)
		out[first].create.write(it.Event, it.Ticket.Create)
		out[first].fill.write(it.Event, it.Ticket.Fill)
		if it.status() {
			out[len(out)-1].status(it.Event, status)
		}
	}
	return out
}

func (s *Segment) comment(it *Item, c connector.Comment) {
	s.serve(it.Event)
	s.Comments = append(s.Comments, c)
	s.Of = append(s.Of, it.Event)
	if it.At.After(s.Last) {
		s.Last = it.At
	}
}

func (s *Segment) status(event int64, w connector.Write) {
	s.serve(event)
	s.set.write(event, w)
	s.hasStatus = true
	status := w.Standard[connector.FieldStatus]
	s.Ends = status == connector.TicketSolved || status == connector.TicketClosed
}

// splitStatus sets the status apart from the other fields.
func splitStatus(w connector.Write) (fields, status connector.Write) {
	fields = connector.Write{Custom: w.Custom}
	for name, v := range w.Standard {
		if name == connector.FieldStatus {
			put(&status.Standard, name, v)
		} else {
			put(&fields.Standard, name, v)
		}
	}
	return fields, status
}

func (s *Segment) join(it *Item) {
	s.serve(it.Event)
	if it.opens() && s.Opens == 0 {
		s.Opens, s.First = it.Event, it.At
	}
}

func (s *Segment) serve(event int64) {
	if !slices.Contains(s.Events, event) {
		s.Events = append(s.Events, event)
	}
}

// ForCreate gives what a new ticket gets, and what the link remembers of it.
func (s *Segment) ForCreate() (connector.Write, map[string]journal.Written) {
	return forCreate(s.set, s.create, s.fill)
}

// ForUpdate gives what must be written to a ticket of which the link remembers
// written.
func (s *Segment) ForUpdate(written map[string]journal.Written) Update {
	return forUpdate(s.set, s.fill, written)
}
