package delivery_test

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/webhook/sample"
)

// crm is a CRM with its adapter. It does what it is asked to do, twice if it is
// asked twice, except where a script says otherwise, and writes every call down
// on one line each.
type crm struct {
	describe connector.Description
	// once are scripts for the next calls of a kind, always for all others;
	// refuse is how single changes end, nil for well.
	once   map[connector.Kind][]script
	always script
	refuse func(connector.Change) *connector.Error
	// comment is how a single comment ends, and observe what is answered instead
	// of the truth, or nil.
	comment func(connector.Change, connector.Comment) *connector.Error
	observe func(connector.Ref) *connector.Observation
	// check is what Check answers; without it the adapter is no Checker.
	check func() error
	// shows makes results tell the record's condition.
	shows bool

	mu       sync.Mutex
	calls    []string
	at       []time.Time
	contacts []*record
	tickets  []*record
}

// script is what becomes of one call.
type script func(ctx context.Context, changes []connector.Change) ([]connector.Result, error)

// record is a contact or a ticket.
type record struct {
	id, key   string
	contact   string
	fields    connector.Fields
	condition connector.Condition
	successor string
	comments  []connector.Comment
	// swallowed are the comments that came while the ticket was not open.
	swallowed []string
}

var (
	_ connector.Adapter = (*crm)(nil)
	_ connector.Checker = checkingCRM{}
)

// checkingCRM is a crm that can say who we are.
type checkingCRM struct{ *crm }

func (c checkingCRM) Check(context.Context) (connector.Account, error) {
	c.write("check")
	return connector.Account{Name: "a test"}, c.check()
}

// found is a CRM where what was made can be found again; the others differ in
// what protects a record from being made twice.
func found(c connector.Creation) connector.Description {
	kind := connector.KindDescription{Create: c, Batch: 100, Settling: 20 * time.Second, Lag: 5 * time.Second}
	return connector.Description{
		CRM: "test", Contact: kind, Ticket: kind, Comment: kind, ObserveBatch: 100, Comments: 10,
		FirstComment: connector.FirstCommentTaken, CallTimeout: 10 * time.Second,
	}
}

func (c *crm) Describe() connector.Description { return c.describe }

func (c *crm) write(line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls, c.at = append(c.calls, line), append(c.at, time.Now())
}

// Observe tells what is there.
func (c *crm) Observe(_ context.Context, refs []connector.Ref) ([]connector.Observation, error) {
	var words []string
	for _, r := range refs {
		words = append(words, cmp.Or(r.Job, r.ID, short(r.Key)))
	}
	c.write("look " + string(refs[0].Kind) + " " + strings.Join(words, " "))
	out := make([]connector.Observation, len(refs))
	for i, r := range refs {
		if c.observe != nil {
			if o := c.observe(r); o != nil {
				out[i] = *o
				continue
			}
		}
		out[i] = c.truth(r)
	}
	return out, nil
}

func (c *crm) truth(r connector.Ref) connector.Observation {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch r.Kind {
	case connector.KindComment:
		for _, t := range c.tickets {
			for _, m := range t.comments {
				if r.Parent != nil && t.id == r.Parent.ID && m.Key == r.Key {
					return connector.Observation{Found: true, ID: "N/" + m.Key, Condition: connector.Active}
				}
			}
		}
		return connector.Observation{}
	case connector.KindContact:
		return c.contactTruth(r)
	}
	return observed(find(c.tickets, r))
}

func (c *crm) contactTruth(r connector.Ref) connector.Observation {
	o := observed(find(c.contacts, r))
	if o.Found {
		o.Blank = []string{}
		for _, name := range []string{connector.FieldName, connector.FieldEmail} {
			if x := find(c.contacts, r); x.fields[name] == nil {
				o.Blank = append(o.Blank, name)
			}
		}
	}
	return o
}

func observed(x *record) connector.Observation {
	if x == nil {
		return connector.Observation{}
	}
	return connector.Observation{Found: true, ID: x.id, Condition: x.condition, Successor: x.successor}
}

func find(records []*record, r connector.Ref) *record {
	for _, x := range records {
		if x.id == r.ID || (r.ID == "" && x.key == r.Key && x.condition != connector.Gone) {
			return x
		}
	}
	return nil
}

// Apply follows the script.
func (c *crm) Apply(ctx context.Context, changes []connector.Change) ([]connector.Result, error) {
	kind := changes[0].Kind
	var words []string
	for _, ch := range changes {
		words = append(words, line(ch))
	}
	c.write(string(kind) + " " + strings.Join(words, "; "))
	c.mu.Lock()
	do := c.always
	if queue := c.once[kind]; len(queue) > 0 {
		do, c.once[kind] = queue[0], queue[1:]
	}
	c.mu.Unlock()
	if do == nil {
		do = c.honest
	}
	return do(ctx, changes)
}

// honest carries the changes out.
func (c *crm) honest(_ context.Context, changes []connector.Change) ([]connector.Result, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]connector.Result, len(changes))
	for i, ch := range changes {
		if c.refuse != nil {
			if out[i].Err = c.refuse(ch); out[i].Err != nil {
				continue
			}
		}
		out[i] = c.carryOut(ch)
	}
	return out, nil
}

func (c *crm) carryOut(ch connector.Change) connector.Result {
	records, letter := &c.contacts, "C"
	if ch.Kind == connector.KindTicket {
		records, letter = &c.tickets, "T"
	}
	x := find(*records, connector.Ref{ID: cmp.Or(ch.ID, "none")})
	if ch.ID == "" && c.describe.For(ch.Kind).Create == connector.Keyed {
		x = find(*records, connector.Ref{Key: ch.Key})
	}
	if err := c.stale(ch, x); err != nil {
		return connector.Result{Err: err}
	}
	if x == nil {
		x = &record{id: letter + strconv.Itoa(len(*records)+1), key: ch.Key, contact: ch.Contact.ID, fields: connector.Fields{}, condition: connector.Active}
		*records = append(*records, x)
	}
	return c.update(x, ch)
}

// stale refuses what is for a record that is not there any more.
func (c *crm) stale(ch connector.Change, x *record) *connector.Error {
	if ch.ID != "" && (x == nil || x.condition == connector.Gone || x.condition == connector.Final) {
		e := &connector.Error{Ending: connector.Stale, Op: "update " + string(ch.Kind), Code: "gone"}
		if x != nil {
			e.Successor = x.successor
		}
		return e
	}
	if ch.Guard && c.describe.Guarded && x != nil && x.condition != connector.Active {
		return &connector.Error{Ending: connector.Stale, Op: "update ticket", Code: "not_open"}
	}
	if o := find(c.contacts, connector.Ref{ID: cmp.Or(ch.Contact.ID, "none")}); o != nil && ch.ID == "" && o.condition == connector.Gone {
		return &connector.Error{Ending: connector.Stale, Op: "create ticket", Code: "contact_gone", Stale: connector.KindContact, Successor: o.successor}
	}
	return nil
}

func (c *crm) update(x *record, ch connector.Change) connector.Result {
	if ch.Reopen {
		x.condition = connector.Active
	}
	maps.Copy(x.fields, ch.Set.Standard)
	maps.Copy(x.fields, ch.Set.Custom)
	for name, v := range ch.Fill.Standard {
		if x.fields[name] == nil {
			x.fields[name] = v
		}
	}
	res := connector.Result{ID: x.id, Comments: c.addAll(x, ch)}
	if s := ch.Set.Standard[connector.FieldStatus]; s == connector.TicketSolved || s == connector.TicketClosed {
		x.condition = connector.Closed
	}
	if c.shows {
		res.Condition = x.condition
	}
	return res
}

func (c *crm) addAll(x *record, ch connector.Change) []connector.CommentResult {
	var out []connector.CommentResult
	for _, m := range ch.Comments {
		switch {
		case len(out) > 0 && out[len(out)-1].Err != nil:
			out = append(out, connector.CommentResult{Err: connector.Errorf(connector.Retry, "add comment", "", "not tried")})
			continue
		case c.comment != nil:
			if err := c.comment(ch, m); err != nil {
				out = append(out, connector.CommentResult{Err: err})
				continue
			}
		}
		if c.describe.Comment.Create != connector.Keyed || !slices.ContainsFunc(x.comments, func(o connector.Comment) bool { return o.Key == m.Key }) {
			x.comments = append(x.comments, m)
		}
		if x.condition != connector.Active {
			x.swallowed = append(x.swallowed, m.Key)
		}
		out = append(out, connector.CommentResult{ID: "N/" + m.Key})
	}
	return out
}

// then scripts the next calls of a kind.
func (c *crm) then(kind connector.Kind, scripts ...script) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.once[kind] = append(c.once[kind], scripts...)
}

// fails makes calls fail whole.
func fails(ending connector.Ending, code string, wait time.Duration) script {
	return func(context.Context, []connector.Change) ([]connector.Result, error) {
		return nil, &connector.Error{Ending: ending, Op: "apply", Code: code, Text: "as the script says", Wait: wait}
	}
}

// lost lets a call time out before the CRM did anything.
func (c *crm) lost(ctx context.Context, _ []connector.Change) ([]connector.Result, error) {
	<-ctx.Done()
	return nil, connector.Errorf(connector.Ambiguous, "apply", "timeout", "no answer")
}

// landed lets a call time out after the CRM has carried it out.
func (c *crm) landed(ctx context.Context, changes []connector.Change) ([]connector.Result, error) {
	_, _ = c.honest(ctx, changes)
	return c.lost(ctx, changes)
}

// late lets a call time out that the CRM carries out some time later.
func (c *crm) late(by time.Duration) script {
	return func(ctx context.Context, changes []connector.Change) ([]connector.Result, error) {
		time.AfterFunc(c.describe.CallTimeout+by, func() { _, _ = c.honest(ctx, changes) })
		return c.lost(ctx, changes)
	}
}

// takesJob answers each change of a call with a job of its own and does nothing.
func takesJob(_ context.Context, changes []connector.Change) ([]connector.Result, error) {
	out := make([]connector.Result, len(changes))
	for i := range out {
		out[i].Err = &connector.Error{Ending: connector.Pending, Op: "apply", Job: "job-" + strconv.Itoa(i+1), Wait: time.Minute}
	}
	return out, nil
}

// allOrNothing refuses a whole batch for one bad change in it.
func (c *crm) allOrNothing(bad func(connector.Change) bool) script {
	return func(ctx context.Context, changes []connector.Change) ([]connector.Result, error) {
		if slices.ContainsFunc(changes, bad) {
			return nil, connector.Errorf(connector.Refused, "apply", "422", "a record is not right")
		}
		return c.honest(ctx, changes)
	}
}

// ticket gives a ticket by its number, contact a contact.
func (c *crm) ticket(n int) *record  { return c.tickets[n-1] }
func (c *crm) contact(n int) *record { return c.contacts[n-1] }

// keys gives the keys of the ticket's comments in order.
func (x *record) keys() string {
	var keys []string
	for _, m := range x.comments {
		keys = append(keys, m.Key)
	}
	return strings.Join(keys, " ")
}

// line writes a change in few words: "+" and our key for a create, the CRM's id
// for an update, what is set, offered and asked for, and the comments.
func line(ch connector.Change) string {
	words := []string{ch.ID}
	if ch.ID == "" {
		words[0] = "+" + short(ch.Key)
	}
	words = append(words, values("", ch.Set)...)
	words = append(words, values("?", ch.Fill)...)
	if ch.Kind == connector.KindTicket && ch.ID == "" && ch.Contact.ID == "" {
		words = append(words, "makes="+short(ch.Contact.Key))
	}
	if ch.FollowUp != "" {
		words = append(words, "after="+ch.FollowUp)
	}
	if ch.Reopen {
		words = append(words, "reopen")
	}
	var keys []string
	for _, m := range ch.Comments {
		keys = append(keys, m.Key)
	}
	if len(keys) > 0 {
		words = append(words, "["+strings.Join(keys, " ")+"]")
	}
	return strings.Join(words, " ")
}

func values(mark string, w connector.Write) []string {
	var words []string
	for _, f := range []connector.Fields{w.Standard, w.Custom} {
		for _, name := range slices.Sorted(maps.Keys(f)) {
			if name == connector.FieldPhone || name == connector.FieldSubject {
				continue // every one has it
			}
			words = append(words, fmt.Sprintf("%s%s=%v", mark, name, f[name]))
		}
	}
	return words
}

// short writes a customer's key as the number that it has in the tests.
func short(key string) string {
	return strings.Replace(key, "wa:"+sample.Phone(0)[:9], "c", 1)
}

// makesContact opens tickets along with their contacts, in one call.
func (c *crm) makesContact(ctx context.Context, changes []connector.Change) ([]connector.Result, error) {
	for i := range changes {
		made, _ := c.honest(ctx, []connector.Change{{Kind: connector.KindContact, Key: changes[i].Contact.Key, Set: changes[i].ContactSet}})
		changes[i].Contact.ID = made[0].ID
	}
	out, err := c.honest(ctx, changes)
	for i := range out {
		out[i].Contact = changes[i].Contact.ID
	}
	return out, err
}
