package simulation

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/crm-connector/crm-connector/connector"
)

// Profile is what kind of CRM is simulated, and how it misbehaves.
type Profile struct {
	connector.Description
	// AllOrNothing refuses a batch whole for one bad record; Jobs answers batches
	// with asynchronous jobs.
	AllOrNothing bool
	Jobs         bool
	// Fault is the probability of each kind of fault in a call.
	Fault float64
	// LateBy is how long after our deadline a call may still be carried out. An
	// honest description settles longer than that.
	LateBy time.Duration
	// forgetLag describes no index lag, though there is one.
	forgetLag bool
}

// CRM is a simulated CRM and its adapter. It makes what it is asked to make,
// twice if it is asked twice, except where its description says that it keeps
// our keys.
type CRM struct {
	p   Profile
	rng *rand.Rand
	now func() time.Time
	// healthy stops all faults, for the drain at the end; down refuses every call.
	healthy, down bool
	// crash is called when the process is to die in the middle of a call.
	crash func()
	// required makes tickets without a category be refused.
	required bool

	seq      int
	contacts []*contact
	tickets  []*ticket
	late     []late
	jobs     map[string]*job
	// attempted is the body with which each comment was sent.
	attempted map[string]string
	// Calls counts calls to the adapter.
	Calls int
	// violation takes what the CRM itself sees go wrong, opened each new ticket.
	violation func(format string, args ...any)
	opened    func(*ticket)
	// acting is the time at which the CRM does what it was asked for a while ago.
	acting time.Time
	note   func(format string, args ...any)
}

// at is when what happens now happens.
func (c *CRM) at() time.Time {
	if c.acting.IsZero() {
		return c.now()
	}
	return c.acting
}

type contact struct {
	id, key, phone string
	fields         map[string]any
	gone           bool
	successor      string
	visible        time.Time
}

type ticket struct {
	id, key   string
	contact   string
	customer  string // our key for the contact when the ticket was made
	account   string // told by the first comment
	condition connector.Condition
	successor string
	closedAt  time.Time
	followUp  string
	comments  []comment
	visible   time.Time
}

type comment struct {
	id, key, body string
	seq           int
	at            time.Time
	// swallowed says that the ticket was closed when the comment came, late that
	// the CRM took its time.
	swallowed, late bool
	visible         time.Time
}

type late struct {
	at time.Time
	do func()
}

type job struct {
	at   time.Time
	ids  map[string]string
	errs map[string]*connector.Error
}

var (
	_ connector.Adapter = (*CRM)(nil)
	_ connector.Checker = (*CRM)(nil)
)

// Describe gives the profile's description.
func (c *CRM) Describe() connector.Description {
	d := c.p.Description
	if c.p.forgetLag {
		for _, k := range []*connector.KindDescription{&d.Contact, &d.Ticket, &d.Comment} {
			k.Lag, k.Settling = 0, max(0, k.Settling-time.Minute)
		}
	}
	return d
}

// Check answers while the CRM is up.
func (c *CRM) Check(context.Context) (connector.Account, error) {
	if c.down {
		return connector.Account{}, connector.Errorf(connector.Retry, "check", "503", "down")
	}
	return connector.Account{Name: "simulated"}, nil
}

// tick carries out what the CRM had still to do.
func (c *CRM) tick() {
	now := c.now()
	slices.SortStableFunc(c.late, func(a, b late) int { return a.at.Compare(b.at) })
	for len(c.late) > 0 && !c.late[0].at.After(now) {
		next := c.late[0]
		c.late = c.late[1:]
		c.acting = next.at
		next.do()
		c.acting = time.Time{}
	}
}

func (c *CRM) chance(p float64) bool { return !c.healthy && c.rng.Float64() < p }

// Observe looks records up as the description says that they can be.
func (c *CRM) Observe(ctx context.Context, refs []connector.Ref) ([]connector.Observation, error) {
	c.Calls++
	c.tick()
	if len(refs) > max(c.p.ObserveBatch, 1) {
		c.violation("%d refs in one call", len(refs))
	}
	switch {
	case c.down:
		return nil, connector.Errorf(connector.Retry, "observe", "503", "down")
	case c.chance(c.p.Fault):
		return nil, connector.Errorf(connector.Retry, "observe", "500", "internal")
	case c.chance(c.p.Fault):
		<-ctx.Done()
		return nil, connector.Errorf(connector.Retry, "observe", "", "timed out")
	}
	out := make([]connector.Observation, len(refs))
	for i, r := range refs {
		out[i] = c.observe(r)
		c.note("  observe %s %s %s %s: found %v %s %s %v", r.Kind, r.Key, r.ID, r.Job, out[i].Found, out[i].ID, out[i].Condition, out[i].Err)
	}
	return out, nil
}

func (c *CRM) observe(r connector.Ref) connector.Observation {
	if r.Job != "" {
		return c.observeJob(r)
	}
	switch r.Kind {
	case connector.KindContact:
		if x := c.findContact(r); x != nil {
			o := connector.Observation{Found: true, ID: x.id, Condition: connector.Active}
			if x.gone {
				o.Condition, o.Successor = connector.Gone, x.successor
			}
			return o
		}
	case connector.KindTicket:
		if t := c.findTicket(r); t != nil {
			return connector.Observation{Found: true, ID: t.id, Condition: t.condition, Successor: t.successor}
		}
	default:
		if r.Parent == nil || r.Parent.ID == "" {
			return connector.Observation{}
		}
		if t := c.ticket(r.Parent.ID); t != nil && c.p.Comment.Create != connector.Blind {
			for _, m := range t.comments {
				if m.key == r.Key && !c.now().Before(m.visible) {
					return connector.Observation{Found: true, ID: m.id, Condition: connector.Active}
				}
			}
		}
	}
	return connector.Observation{}
}

func (c *CRM) observeJob(r connector.Ref) connector.Observation {
	j := c.jobs[r.Job]
	switch {
	case j == nil:
		return connector.Observation{}
	case c.now().Before(j.at):
		return connector.Observation{Err: &connector.Error{Ending: connector.Pending, Op: "observe job", Job: r.Job, Wait: j.at.Sub(c.now())}}
	}
	c.tick()
	if id := j.ids[r.Key]; id != "" {
		o := connector.Observation{Found: true, ID: id, Condition: connector.Active}
		if t := c.ticket(id); t != nil {
			o.Condition, o.Successor = t.condition, t.successor
		}
		return o
	}
	return connector.Observation{Err: j.errs[r.Key]}
}

func (c *CRM) findContact(r connector.Ref) *contact {
	for _, x := range c.contacts {
		byID := r.ID != "" && x.id == r.ID
		byKey := r.ID == "" && !x.gone && !c.now().Before(x.visible) && c.p.Contact.Create != connector.Blind &&
			(x.key == r.Key || (r.Identity.Phone != "" && x.phone == r.Identity.Phone))
		if byID || byKey {
			return x
		}
	}
	return nil
}

func (c *CRM) findTicket(r connector.Ref) *ticket {
	if r.ID != "" {
		return c.ticket(r.ID)
	}
	for _, t := range c.tickets {
		if t.key == r.Key && !c.now().Before(t.visible) && c.p.Ticket.Create != connector.Blind {
			return t
		}
	}
	return nil
}

func (c *CRM) ticket(id string) *ticket {
	for _, t := range c.tickets {
		if t.id == id {
			return t
		}
	}
	return nil
}

func (c *CRM) contact(id string) *contact {
	for _, x := range c.contacts {
		if x.id == id {
			return x
		}
	}
	return nil
}

// Apply carries the changes out, or not, or later, and answers truly, or not at
// all.
func (c *CRM) Apply(ctx context.Context, changes []connector.Change) (results []connector.Result, err error) {
	c.Calls++
	defer func() {
		if err != nil {
			for _, ch := range changes {
				c.note("  apply %s %s with %s: %v", ch.Key, ch.ID, keysOf(ch.Comments), err)
				if refused(connector.AsError("apply", err)) {
					c.forget(ch.Comments...)
				}
			}
		}
	}()
	c.tick()
	c.checkCall(changes)
	switch {
	case c.down:
		return nil, connector.Errorf(connector.Retry, "apply", "503", "down")
	case c.chance(c.p.Fault):
		e := connector.Errorf(connector.Retry, "apply", "429", "slow down")
		e.Wait = time.Duration(c.rng.IntN(5)) * time.Second
		return nil, e
	case c.p.AllOrNothing && len(changes) > 1 && slices.ContainsFunc(changes, c.bad):
		return nil, connector.Errorf(connector.Refused, "apply", "422", "one of the records is not right")
	case c.chance(c.p.Fault):
		return nil, c.ambiguous(ctx, func() {})
	case c.chance(c.p.Fault):
		return nil, c.ambiguous(ctx, func() { c.applyAll(changes) })
	case c.chance(c.p.Fault):
		by := time.Duration(c.rng.Int64N(int64(c.p.LateBy) + 1))
		e := c.ambiguous(ctx, func() {})
		c.late = append(c.late, late{at: c.now().Add(by), do: func() { c.applyAll(changes) }})
		return nil, e
	case c.p.Jobs && len(changes) > 1:
		return c.takeJob(changes), nil
	}
	results = c.applyAll(changes)
	c.noteResults(changes, results)
	if c.chance(c.p.Fault) {
		c.crash() // the process dies with the answer in its hands
	}
	return results, nil
}

func (c *CRM) noteResults(changes []connector.Change, results []connector.Result) {
	for i, ch := range changes {
		if refused(results[i].Err) {
			c.forget(ch.Comments...) // another version may be what mends them
		}
		c.note("  apply %s %s: %s %v", ch.Key, ch.ID, results[i].ID, results[i].Err)
		for k, m := range results[i].Comments {
			c.note("    comment %s: %s %v", ch.Comments[k].Key, m.ID, m.Err)
			if refused(m.Err) {
				c.forget(ch.Comments[k])
			}
		}
	}
}

// ambiguous lets the call run into its deadline, with or without effect.
func (c *CRM) ambiguous(ctx context.Context, do func()) error {
	do()
	if c.rng.IntN(2) == 0 {
		<-ctx.Done()
	}
	return connector.Errorf(connector.Ambiguous, "apply", "", "no answer")
}

// checkCall holds the engine to the contract.
func (c *CRM) checkCall(changes []connector.Change) {
	seen := map[string]bool{}
	kind := changes[0].Kind
	if n := max(c.p.For(kind).Batch, 1); len(changes) > n {
		c.violation("%d %s changes in one call", len(changes), kind)
	}
	for _, ch := range changes {
		if seen[ch.Key] {
			c.violation("key %s twice in one call", ch.Key)
		}
		seen[ch.Key] = true
		for _, m := range ch.Comments {
			if was, again := c.attempted[m.Key]; again && was != m.Body {
				c.violation("two versions: comment %s was attempted as %q and as %q", m.Key, was, m.Body)
			}
			c.attempted[m.Key] = m.Body
		}
		if len(ch.Comments) > max(c.p.Comments, 1) {
			c.violation("%d comments in one change", len(ch.Comments))
		}
		if ch.Kind == connector.KindTicket && ch.Contact.ID == "" && (!c.p.MakesContact || ch.ID != "") {
			c.violation("ticket %s without a contact", ch.Key)
		}
	}
}

func (c *CRM) takeJob(changes []connector.Change) []connector.Result {
	out := make([]connector.Result, len(changes))
	at := c.now().Add(time.Duration(1+c.rng.IntN(20)) * time.Second)
	for i, ch := range changes {
		c.seq++
		ref := "job" + strconv.Itoa(c.seq)
		j := &job{at: at, ids: map[string]string{}, errs: map[string]*connector.Error{}}
		c.jobs[ref] = j
		c.late = append(c.late, late{at: at, do: func() { c.runJob(j, ch) }})
		e := &connector.Error{Ending: connector.Pending, Op: "apply", Job: ref, Wait: time.Second}
		out[i] = connector.Result{Err: e}
	}
	return out
}

func (c *CRM) runJob(j *job, ch connector.Change) {
	res := c.applyOne(ch)
	c.noteResults([]connector.Change{ch}, []connector.Result{res})
	j.ends(ch.Key, res.ID, res.Err)
	for i, m := range res.Comments {
		j.ends(ch.Comments[i].Key, m.ID, m.Err)
	}
}

// ends keeps how a record of the job ended; a job that is over shows what is
// there, so nothing is ambiguous about it.
func (j *job) ends(key, id string, err *connector.Error) {
	switch {
	case err == nil:
		j.ids[key] = id
	case err.Ending == connector.Refused || err.Ending == connector.Stale:
		j.errs[key] = err
	}
}

func (c *CRM) applyAll(changes []connector.Change) []connector.Result {
	out := make([]connector.Result, len(changes))
	for i, ch := range changes {
		if c.chance(c.p.Fault / 4) {
			out[i].Err = connector.Errorf(connector.Retry, "apply", "locked", "the record is locked")
			continue
		}
		out[i] = c.applyOne(ch)
	}
	return out
}

// bad reports whether the CRM does not accept the record.
func (c *CRM) bad(ch connector.Change) bool {
	if c.required && ch.Kind == connector.KindTicket && ch.ID == "" {
		return true
	}
	return slices.ContainsFunc(ch.Comments, func(m connector.Comment) bool { return poisonous(m.Body) })
}

func poisonous(body string) bool { return strings.Contains(body, "poison") }

func (c *CRM) applyOne(ch connector.Change) connector.Result {
	if c.required && ch.Kind == connector.KindTicket && ch.ID == "" {
		return connector.Result{Err: connector.Errorf(connector.Refused, "create ticket", "required", "category is required")}
	}
	if ch.Kind == connector.KindContact {
		return c.applyContact(ch)
	}
	return c.applyTicket(ch)
}

func (c *CRM) applyContact(ch connector.Change) connector.Result {
	x := c.contact(ch.ID)
	switch {
	case ch.ID == "" && c.p.Contact.Create == connector.Keyed:
		x = c.keyedContact(ch.Key)
		if x == nil {
			x = c.makeContact(ch.Key, ch.Identity.Phone)
		}
	case ch.ID == "":
		x = c.makeContact(ch.Key, ch.Identity.Phone)
	case x == nil || x.gone:
		return connector.Result{Err: c.contactGone(x)}
	}
	maps.Copy(x.fields, ch.Set.Standard)
	maps.Copy(x.fields, ch.Set.Custom)
	return connector.Result{ID: x.id, Condition: connector.Active}
}

func (c *CRM) contactGone(x *contact) *connector.Error {
	e := connector.Errorf(connector.Stale, "apply", "gone", "the contact is gone")
	e.Stale = connector.KindContact
	if x != nil {
		e.Successor = x.successor
	}
	return e
}

func (c *CRM) keyedContact(key string) *contact {
	for _, x := range c.contacts {
		if x.key == key && !x.gone {
			return x
		}
	}
	return nil
}

func (c *CRM) makeContact(key, phone string) *contact {
	c.seq++
	x := &contact{id: "c" + strconv.Itoa(c.seq), key: key, phone: phone, fields: map[string]any{}, visible: c.at().Add(c.p.Contact.Lag)}
	c.contacts = append(c.contacts, x)
	return x
}

func (c *CRM) applyTicket(ch connector.Change) connector.Result {
	t := c.ticket(ch.ID)
	made := ""
	switch {
	case ch.ID == "":
		if x := c.contact(ch.Contact.ID); ch.Contact.ID != "" && (x == nil || x.gone) {
			return connector.Result{Err: c.contactGone(x)}
		}
		t, made = c.makeTicket(ch)
	case t == nil || t.condition == connector.Gone:
		e := connector.Errorf(connector.Stale, "update ticket", "gone", "the ticket is gone")
		if t != nil {
			e.Successor = t.successor
		}
		return connector.Result{Err: e}
	case t.condition == connector.Final:
		return connector.Result{Err: connector.Errorf(connector.Stale, "update ticket", "closed", "the ticket is closed")}
	case c.p.Guarded && ch.Guard && t.condition != connector.Active:
		return connector.Result{Err: connector.Errorf(connector.Stale, "update ticket", "not_open", "the ticket is not open")}
	case ch.Reopen:
		t.condition = connector.Active
	}
	res := connector.Result{ID: t.id, Contact: made}
	res.Comments = c.addComments(t, ch.Comments)
	if s, ok := ch.Set.Standard[connector.FieldStatus].(string); ok && (s == connector.TicketSolved || s == connector.TicketClosed) {
		t.condition, t.closedAt = connector.Closed, c.at()
	}
	if c.rng.IntN(2) == 0 {
		res.Condition = t.condition
	}
	return res
}

func (c *CRM) makeTicket(ch connector.Change) (t *ticket, contact string) {
	if c.p.Ticket.Create == connector.Keyed {
		for _, t := range c.tickets {
			if t.key == ch.Key {
				return t, t.contact
			}
		}
	}
	contact = ch.Contact.ID
	if contact == "" {
		x := c.keyedContact(ch.Contact.Key)
		if x == nil {
			x = c.makeContact(ch.Contact.Key, ch.Contact.Identity.Phone)
			maps.Copy(x.fields, ch.ContactSet.Standard)
			maps.Copy(x.fields, ch.ContactSet.Custom)
		}
		contact = x.id
	}
	c.seq++
	t = &ticket{
		id: "t" + strconv.Itoa(c.seq), key: ch.Key, contact: contact, customer: ch.Contact.Key,
		condition: connector.Active, followUp: ch.FollowUp, visible: c.at().Add(c.p.Ticket.Lag),
	}
	t.account, _ = ch.Set.Custom["account"].(string)
	c.tickets = append(c.tickets, t)
	c.opened(t)
	return t, contact
}

// addComments adds what it can, in order; a comment that is not done leaves
// those behind it untouched.
func (c *CRM) addComments(t *ticket, comments []connector.Comment) []connector.CommentResult {
	out := make([]connector.CommentResult, len(comments))
	for i, m := range comments {
		var err *connector.Error
		switch {
		case poisonous(m.Body):
			err = connector.Errorf(connector.Refused, "add comment", "poison", "the body is not right")
		case c.chance(c.p.Fault / 4):
			err = connector.Errorf(connector.Retry, "add comment", "locked", "the ticket is locked")
		case c.acting.IsZero() && c.chance(c.p.Fault/4): // a job shows how it ended
			c.addComment(t, m)
			err = connector.Errorf(connector.Ambiguous, "add comment", "", "no answer")
		}
		if err != nil {
			out[i].Err = err
			for k := i + 1; k < len(out); k++ {
				out[k].Err = connector.Errorf(connector.Retry, "add comment", "", "not tried")
			}
			return out
		}
		out[i].ID = c.addComment(t, m)
	}
	return out
}

func (c *CRM) addComment(t *ticket, m connector.Comment) string {
	if have := c.keyedComment(m.Key); have != "" {
		return have
	}
	c.seq++
	id := "m" + strconv.Itoa(c.seq)
	t.comments = append(t.comments, comment{
		id: id, key: m.Key, body: m.Body, seq: c.seq, at: c.at(),
		swallowed: t.condition != connector.Active, late: !c.acting.IsZero(), visible: c.at().Add(c.p.Comment.Lag),
	})
	return id
}

// keyedComment finds a comment by its key, wherever it stands.
func (c *CRM) keyedComment(key string) string {
	if c.p.Comment.Create != connector.Keyed {
		return ""
	}
	for _, t := range c.tickets {
		for _, m := range t.comments {
			if m.key == key {
				return m.id
			}
		}
	}
	return ""
}

func refused(e *connector.Error) bool { return e != nil && e.Ending == connector.Refused }

func (c *CRM) forget(comments ...connector.Comment) {
	for _, m := range comments {
		delete(c.attempted, m.Key)
	}
}

func keysOf(comments []connector.Comment) (keys []string) {
	for _, m := range comments {
		keys = append(keys, m.Key)
	}
	return keys
}
