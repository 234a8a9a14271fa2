package delivery

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"time"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/fold"
	"github.com/crm-connector/crm-connector/connector/internal/identity"
	"github.com/crm-connector/crm-connector/connector/internal/journal"
)

// step is one change of one record on its way out.
type step struct {
	h *hand
	t *thread // nil for a contact
	// change is what goes out, link what is remembered when it is done, of the
	// event of each comment, and events all that the step serves.
	change connector.Change
	link   journal.Link
	of     []int64
	events []int64
	// ends says that the change closes the ticket. deadline is the last call's.
	ends     bool
	deadline time.Time
}

// writes reports whether the change writes fields.
func (s *step) writes() bool {
	return !s.change.Set.Empty() || !s.change.Fill.Empty() || s.change.Reopen
}

func (s *step) creates() bool { return s.change.ID == "" }

// intends reports whether the step itself has an intent, beside its comments'.
func (s *step) intends() bool { return s.creates() || s.writes() }

// first gives the event for which the step goes out.
func (s *step) first() int64 {
	if len(s.events) == 0 {
		return 0
	}
	return s.events[0]
}

// apply brings the contacts, then the tickets with their comments to the state
// that the wishes call for. The tickets go in waves, each with at most one
// change of a thread, so that a thread is always in order.
func (r *round) apply(ctx context.Context) error {
	if err := r.send(ctx, connector.KindContact, r.contactSteps()); err != nil {
		return err
	}
	for {
		steps := r.ticketSteps()
		if len(steps) == 0 {
			return nil
		}
		if err := r.send(ctx, connector.KindTicket, steps); err != nil {
			return err
		}
	}
}

// contactSteps gives the contacts to write. Updates wait for the state lane, or
// ride on a call that goes anyway.
func (r *round) contactSteps() []*step {
	var must, ride []*step
	for _, h := range r.hands {
		if h.halted() {
			continue
		}
		s := r.contactStep(h)
		switch {
		case s == nil:
		case s.creates() || h.all:
			must = append(must, s)
		default:
			ride = append(ride, s)
		}
	}
	batch := r.w.desc.Contact.Batch
	room := (batch - len(must)%batch) % batch
	return append(must, ride[:min(room, len(ride))]...)
}

func (r *round) contactStep(h *hand) *step {
	key := journal.LinkKey{Customer: h.customer.ID, Kind: connector.KindContact, Key: h.customer.Key}
	change := connector.Change{Kind: connector.KindContact, Key: h.customer.Key, Identity: h.customer.Identity}
	if h.contact == nil {
		if !h.wish.Make && !h.active(r) {
			h.contactDone("the CRM has no such contact")
			return nil
		}
		if r.ticketMakesContact(h) {
			return nil
		}
		s := &step{h: h, change: change, link: journal.Link{LinkKey: key}, events: h.folded()}
		s.change.Set, s.link.Written = h.wish.ForCreate()
		return s
	}
	if !h.wanted {
		return nil
	}
	u := h.wish.ForUpdate(h.contact.Written)
	if !u.Fill.Empty() && !r.w.desc.Fills && !h.looked {
		return nil // the state lane looks which fields are blank
	}
	r.offer(&u, h.blank)
	if u.Empty() {
		r.sameAgain(h, h.contact, u.Written)
		h.contactDone("")
		return nil
	}
	if until, ok := h.echoes[h.contact.LinkKey]; ok {
		if h.all {
			h.wait(until)
		}
		return nil
	}
	s := &step{h: h, change: change, link: *h.contact, events: h.contactEvents()}
	s.change.ID, s.change.Set, s.change.Fill = h.contact.ID, u.Set, u.Fill
	s.link.Written = remember(h.contact.Written, u.Written)
	return s
}

// offer moves the values for blank fields to what is set, where the adapter
// does not do it by itself.
func (r *round) offer(u *fold.Update, blank map[string]bool) {
	if r.w.desc.Fills {
		return
	}
	pick := func(to *connector.Fields, from connector.Fields) {
		for name, v := range from {
			if _, set := (*to)[name]; blank[name] && !set {
				if *to == nil {
					*to = connector.Fields{}
				}
				(*to)[name] = v
			}
		}
	}
	pick(&u.Set.Standard, u.Fill.Standard)
	pick(&u.Set.Custom, u.Fill.Custom)
	u.Fill = connector.Write{}
}

// sameAgain remembers that a later event has said again what the record holds, so
// that an earlier one that is retried does not write over it.
func (r *round) sameAgain(h *hand, was *journal.Link, said map[string]journal.Written) {
	if len(said) == 0 {
		return
	}
	l := *was
	l.Written = remember(l.Written, said)
	r.link(h, l)
}

func remember(old, next map[string]journal.Written) map[string]journal.Written {
	all := maps.Clone(old)
	if all == nil {
		all = map[string]journal.Written{}
	}
	maps.Copy(all, next)
	return all
}

// ticketMakesContact reports whether the hand's tickets will make the contact in
// the same call. A ticket that exists needs its contact beforehand.
func (r *round) ticketMakesContact(h *hand) bool {
	return r.w.desc.MakesContact && h.active(r) && !slices.ContainsFunc(h.threads, func(t *thread) bool {
		return r.takesPart(t) && t.known()
	})
}

// contactDone ends the contact's part of the folded events; note says why
// nothing was written, if nothing could be.
func (h *hand) contactDone(note string) {
	for _, k := range h.works {
		if k.folded && k.contact {
			k.contact = false
			k.touched = k.touched || note == ""
			if note != "" {
				k.note = note
			}
		}
	}
}

// folded gives the events whose wishes the round works on, contactEvents those
// that want something of the contact.
func (h *hand) folded() []int64 { return h.eventsWhere(func(k *work) bool { return k.folded }) }

func (h *hand) contactEvents() []int64 {
	return h.eventsWhere(func(k *work) bool { return k.folded && k.contact })
}

func (h *hand) eventsWhere(f func(*work) bool) (ids []int64) {
	for _, k := range h.works {
		if k.live() && f(k) {
			ids = append(ids, k.id())
		}
	}
	return ids
}

// ticketSteps gives the next change of each thread.
func (r *round) ticketSteps() []*step {
	var steps []*step
	for _, h := range r.hands {
		for _, t := range h.threads {
			for !h.halted() && r.takesPart(t) {
				s := r.ticketStep(h, t, &t.segments[0])
				if s == nil {
					t.segments = t.segments[1:] // nothing to do for it
					continue
				}
				until, echoes := h.echoes[s.link.LinkKey]
				switch {
				case echoes && !s.creates() && s.writes():
					h.wait(until)
				case h.contact == nil && len(steps) > 0 && steps[len(steps)-1].h == h:
					// The ticket before it makes the contact; this one goes in the next wave.
				default:
					steps = append(steps, s)
				}
				break
			}
		}
	}
	return steps
}

// ticketStep decides which ticket takes a segment, by the mapping's policy: the
// current one, opened again if need be, or a new one.
func (r *round) ticketStep(h *hand, t *thread, s *fold.Segment) *step {
	if t.known() && !s.Fresh && !r.leaves(t.current, s) {
		return r.updateStep(h, t, s)
	}
	if s.Opens == 0 {
		r.drop(h, s)
		return nil
	}
	return r.openStep(h, t, s)
}

// drop leaves out what has no ticket to go on. An event of which a part is there
// already must not look delivered.
func (r *round) drop(h *hand, s *fold.Segment) {
	const reason = "the conversation's ticket is closed or deleted"
	for _, id := range s.Events {
		k := h.work(id)
		k.note = reason
		if k.touched && slices.Contains(s.Of, id) {
			h.end(k, journal.StateDead, "", "ticket_closed", reason, r.now)
		}
	}
}

// leaves reports whether the segment must not go on the ticket.
func (r *round) leaves(l *journal.Link, s *fold.Segment) bool {
	switch l.Condition {
	case connector.Gone, connector.Final:
		return true
	case connector.Closed:
		return s.Opens != 0 && !r.reopens(l, s)
	}
	return false
}

func (r *round) reopens(l *journal.Link, s *fold.Segment) bool {
	return l.Condition == connector.Closed && s.Opens != 0 &&
		r.policy.ReopenWithin > 0 && s.First.Sub(l.Active) <= r.policy.ReopenWithin
}

func (r *round) openStep(h *hand, t *thread, s *fold.Segment) *step {
	key := h.newTicketKey(t, s)
	st := &step{h: h, t: t, of: s.Of, events: s.Events, ends: s.Ends}
	st.link = journal.Link{
		LinkKey: journal.LinkKey{Customer: h.customer.ID, Kind: connector.KindTicket, Key: key},
		Account: t.account, Current: true, Active: latest(s.Last, s.First),
	}
	st.change = connector.Change{Kind: connector.KindTicket, Key: key, Contact: h.contactRef(), Comments: s.Comments, Identity: h.customer.Identity}
	st.change.Set, st.link.Written = s.ForCreate()
	if h.contact == nil {
		st.change.ContactSet, _ = h.wish.ForCreate()
	}
	if t.known() && r.policy.WhenClosed == connector.FollowUp && t.current.Condition != connector.Gone && !s.Fresh {
		st.change.FollowUp = t.current.ID
	}
	return st
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (h *hand) contactRef() connector.Ref {
	id := h.customer.Identity
	ref := connector.Ref{Kind: connector.KindContact, Key: h.customer.Key, Identity: id, Phones: identity.Variants(id.Phone)}
	if h.contact != nil {
		ref.ID = h.contact.ID
	}
	return ref
}

// ticketKey names a new ticket after the message that opens it, so that a second
// try names it alike.
func ticketKey(e *connector.Event) string {
	key := "t/" + e.Key()
	if !fitsKey(key) {
		f := fnv.New128a()
		f.Write([]byte(key))
		key = fmt.Sprintf("t/%x", f.Sum(nil))
	}
	return key
}

// newTicketKey gives the key of the ticket that a segment opens. A create that was
// begun keeps its key, and a message that has opened a ticket before, since
// deleted or closed, gets another.
func (h *hand) newTicketKey(t *thread, s *fold.Segment) string {
	if key := h.begun[t.account]; key != "" {
		return key
	}
	for _, in := range h.intents {
		if in.Link.Kind == connector.KindTicket && in.Link.Account == t.account && in.Link.ID == "" {
			return in.Link.Key
		}
	}
	k := h.work(s.Opens)
	key := ticketKey(k.event)
	if k.opened {
		key += "+"
	}
	for t.known() && t.current.Key == key {
		key += "+"
	}
	return key
}

// fitsKey reports whether s is a key as adapters are promised it.
func fitsKey(s string) bool {
	if len(s) > 190 {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

func (r *round) updateStep(h *hand, t *thread, s *fold.Segment) *step {
	l := *t.current
	u := s.ForUpdate(l.Written)
	r.offer(&u, t.blank)
	reopen := r.reopens(t.current, s)
	if u.Empty() && len(s.Comments) == 0 && !reopen {
		r.sameAgain(h, t.current, u.Written)
		for _, id := range s.Events {
			h.work(id).touched = true
		}
		return nil
	}
	l.Written = remember(l.Written, u.Written)
	if len(s.Comments) > 0 {
		l.Active = latest(l.Active, s.Last)
	}
	if reopen {
		// Ours no longer holds, and none from before the reopening comes back.
		l.Written[connector.FieldStatus] = journal.Written{AsOf: slices.Max(s.Events)}
	}
	return &step{
		h: h, t: t, of: s.Of, events: s.Events, ends: s.Ends, link: l,
		change: connector.Change{
			Kind: connector.KindTicket, Key: l.Key, ID: l.ID, Set: u.Set, Fill: u.Fill, Contact: h.contactRef(),
			Identity: h.customer.Identity, Comments: s.Comments, Reopen: reopen, Guard: s.Opens != 0 && !reopen,
		},
	}
}

// send makes the calls for the steps, a batch at a time.
func (r *round) send(ctx context.Context, kind connector.Kind, steps []*step) error {
	desc := r.w.desc.For(kind)
	for chunk := range slices.Chunk(steps, desc.Batch) {
		if _, err := r.sendHalving(ctx, kind, chunk, false); err != nil {
			return err
		}
	}
	return nil
}

// sendHalving sends a batch, and a batch that the CRM refuses whole in halves, so
// that only a record that fails alone is refused. It reports whether anything was
// refused: when the first half went through, the fault is in the second, which
// then need not be sent whole.
func (r *round) sendHalving(ctx context.Context, kind connector.Kind, steps []*step, faulty bool) (refused bool, err error) {
	if r.ends() {
		for _, s := range steps {
			s.h.putBack()
		}
		return false, nil
	}
	if !faulty || len(steps) == 1 {
		results, whole, err := r.call(ctx, kind, steps)
		if err != nil {
			return false, err
		}
		if whole == nil || whole.Ending != connector.Refused || len(steps) == 1 {
			return r.take(ctx, kind, steps, results, whole), nil
		}
		for _, s := range steps {
			r.nothingDone(s, whole)
		}
	}
	half := len(steps) / 2
	refused, err = r.sendHalving(ctx, kind, steps[:half], false)
	if err != nil {
		return refused, err
	}
	second, err := r.sendHalving(ctx, kind, steps[half:], !refused)
	return refused || second, err
}

// call makes one call to the adapter. The journal knows of every create before
// the call goes out. The error returned last is the journal's; whole is the
// call's, when nothing in it can be told apart.
func (r *round) call(ctx context.Context, kind connector.Kind, steps []*step) (results []connector.Result, whole *connector.Error, err error) {
	if r.w.Await(ctx) != nil {
		return nil, &connector.Error{Ending: connector.Retry, Op: "wait for quota"}, nil
	}
	deadline := r.w.Now().Add(r.w.CallTimeout)
	if r.intend(steps, deadline) {
		if err := r.flush(ctx); err != nil {
			return nil, nil, err
		}
	}
	call, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	changes := make([]connector.Change, len(steps))
	for i, s := range steps {
		changes[i] = s.change
	}
	op := "apply " + string(kind)
	whole = connector.AsError(op, guarded(func() (err error) {
		results, err = r.w.Adapter.Apply(call, changes)
		return err
	}))
	if whole == nil {
		whole = connector.AsError(op, checkShape(changes, results))
	}
	r.w.called(op, whole, len(steps))
	r.now = r.w.Now()
	return results, r.w.verify(ctx, whole), nil
}

// guarded turns a panic in code that others wrote into an error: one record that
// nobody has thought of must not stop the intake of all others.
func guarded(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = panicError(fmt.Sprintf("%T", p))
		}
	}()
	return f()
}

// panicError says that code panicked, and with what type of value.
type panicError string

func (p panicError) Error() string { return "panic with a " + string(p) }

// checkShape refuses to guess which result belongs to which change.
func checkShape(changes []connector.Change, results []connector.Result) error {
	if len(results) != len(changes) {
		return fmt.Errorf("the adapter answered %d results for %d changes", len(results), len(changes))
	}
	for i := range results {
		if results[i].Err == nil && results[i].ID == "" {
			return fmt.Errorf("the adapter answered a result without an id")
		}
		if results[i].Err == nil && len(results[i].Comments) != len(changes[i].Comments) {
			return fmt.Errorf("the adapter answered %d results for %d comments", len(results[i].Comments), len(changes[i].Comments))
		}
	}
	return nil
}

// intend puts what the steps are about to do into the delta, with the wishes that
// creates come from. It reports whether the journal must know before the call.
func (r *round) intend(steps []*step, deadline time.Time) bool {
	before := len(r.delta.Intend)
	for _, s := range steps {
		s.deadline = deadline
		if s.intends() {
			r.intention(s, s.link, s.first(), deadline)
		}
		for i, c := range s.change.Comments {
			r.intention(s, s.commentLink(c, ""), s.of[i], deadline)
		}
		if s.creates() || len(s.change.Comments) > 0 {
			s.pin(r)
		}
	}
	return len(r.delta.Intend) > before
}

func (s *step) commentLink(c connector.Comment, id string) journal.Link {
	return journal.Link{
		LinkKey: journal.LinkKey{Customer: s.h.customer.ID, Kind: connector.KindComment, Key: c.Key},
		ID:      id, Ticket: s.link.Key,
	}
}

func (r *round) intention(s *step, l journal.Link, event int64, deadline time.Time) {
	desc := r.w.desc.For(l.Kind)
	in := journal.Intent{
		Link: l, Event: event, Deadline: deadline, Settled: deadline.Add(desc.Settling + desc.Lag),
		Repeats: s.h.repeats[l.LinkKey],
	}
	r.delta.Intend = append(r.delta.Intend, in)
	s.h.intents[l.LinkKey] = &in
}

// pin keeps the wishes of the step's events as they are attempted: what another
// mapping would make of them no longer matters.
func (s *step) pin(r *round) {
	for _, id := range s.events {
		k := s.h.work(id)
		if k == nil || k.pinned {
			continue
		}
		b, err := json.Marshal(k.mapped)
		if err != nil {
			continue // field values are plain; see connector.Fields
		}
		r.delta.Pin[id], k.pinned = b, true
	}
}

// unpin gives refused events of which nothing was done to whatever mapping comes
// next: it may be what mends them.
func (r *round) unpin(h *hand, events ...int64) {
	for _, id := range events {
		if k := h.work(id); k != nil && k.pinned && !k.touched {
			r.delta.Pin[id], k.pinned = nil, false
		}
	}
}

// flush writes the delta as it is and begins a new one. Events that have ended go
// along: an intent must not be forgotten before what was decided about it is known.
func (r *round) flush(ctx context.Context) error {
	for _, h := range r.hands {
		r.ended(h)
	}
	err := r.w.Journal.Write(context.WithoutCancel(ctx), r.w.Destination, &r.delta)
	r.delta = journal.Delta{Pin: map[int64][]byte{}}
	return err
}
