package mappings

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/expr-lang/expr/vm"

	"github.com/crm-connector/crm-connector/connector"
)

// memoryBudget is how many items an expression may make.
const memoryBudget = 100_000

// run maps one event. Runs are used again.
type run struct {
	*Mapping
	machine vm.VM
	vars    map[string]any
	event   eventEnv
	message messageEnv
	contact contactEnv
	state   stateEnv
	// known says which lets were worked out for this event, and read which paths.
	known, read []bool
	groups      map[string]reflect.Value
	// text and args are buffers that are used again.
	text []byte
	args []any
}

func newRun(m *Mapping) *run {
	r := &run{Mapping: m, known: make([]bool, len(m.lets)), read: make([]bool, len(m.paths)), vars: make(map[string]any, 1+len(m.lets)+len(m.paths))}
	r.machine.MemoryBudget = memoryBudget
	r.groups = map[string]reflect.Value{
		"event": reflect.ValueOf(&r.event).Elem(), "message": reflect.ValueOf(&r.message).Elem(),
		"contact": reflect.ValueOf(&r.contact).Elem(), "state": reflect.ValueOf(&r.state).Elem(),
	}
	return r
}

// begin takes a run for an event, and end gives it back without the customer's
// words in it.
func (m *Mapping) begin(e *connector.Event) *run {
	r, _ := m.runs.Get().(*run)
	r.fill(e)
	return r
}

func (r *run) end() {
	for i, l := range r.lets {
		if r.known[i] {
			r.known[i] = false
			r.vars[l.name] = nil
		}
	}
	for i, p := range r.paths {
		if r.read[i] {
			r.read[i] = false
			r.vars[p.name] = nil
		}
	}
	clear(r.args)
	r.args = r.args[:0]
	r.vars["data"] = nil
	r.event, r.message, r.contact, r.state = eventEnv{}, messageEnv{}, contactEnv{}, stateEnv{}
	clear(r.machine.Stack[:cap(r.machine.Stack)])
	if clear(r.text[:cap(r.text)]); cap(r.text) > 64<<10 {
		r.text = nil
	}
	r.runs.Put(r)
}

// Map makes the wishes of one event. It is pure. An error names the rule and the
// field and holds nothing of the event.
func (m *Mapping) Map(e *connector.Event) (*connector.Mapped, error) {
	r := m.begin(e)
	defer r.end()
	out := &connector.Mapped{}
	for _, rule := range m.rulesFor(e.Type) {
		ok, _, err := r.holds(rule)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		if rule.skip {
			return &connector.Mapped{Rules: append(out.Rules, rule.name), Skipped: rule.name}, nil
		}
		out.Rules = append(out.Rules, rule.name)
		if err := r.apply(rule, e, out); err != nil {
			return nil, fmt.Errorf("rule %s: %w", strconv.Quote(rule.name), err)
		}
		if rule.stop {
			break
		}
	}
	settle(e, out)
	return out, nil
}

// holds reports whether a rule's condition holds, else which part of it does not.
func (r *run) holds(rule *rule) (ok bool, failed *expression, err error) {
	for _, e := range rule.when {
		got, err := r.result(e)
		if err != nil {
			return false, e, fmt.Errorf("rule %s: when: %w", strconv.Quote(rule.name), err)
		}
		if b, isBool := got.(bool); !isBool && got != nil {
			return false, e, fmt.Errorf("rule %s: when: %w", strconv.Quote(rule.name), r.fault(e, "the condition is neither true nor false"))
		} else if !b {
			return false, e, nil
		}
	}
	return true, nil, nil
}

// apply adds a rule's wishes to those of the rules before it.
func (r *run) apply(rule *rule, e *connector.Event, out *connector.Mapped) error {
	if rec := rule.contact; rec != nil {
		if out.Contact == nil {
			out.Contact = &connector.ContactWish{}
		}
		w := out.Contact
		w.Make = w.Make || rec.make
		if err := r.write(rec, &w.Set, &w.Create, &w.Fill); err != nil {
			return err
		}
	}
	if rec := rule.ticket; rec != nil {
		if out.Ticket == nil {
			out.Ticket = &connector.TicketWish{}
		}
		w := out.Ticket
		w.Open = w.Open || rec.make
		if err := r.write(rec, &w.Set, &w.Create, &w.Fill); err != nil {
			return err
		}
	}
	for _, c := range rule.comments {
		if err := r.comment(c, e, out); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) write(rec *record, set, create, fill *connector.Write) error {
	return errors.Join(r.writeFields(rec.set, set), r.writeFields(rec.create, create), r.writeFields(rec.fill, fill))
}

func (r *run) writeFields(fields []*field, to *connector.Write) error {
	for _, f := range fields {
		got, clear, err := f.value.eval(r)
		if err != nil {
			return fmt.Errorf("%s: %w", f.path, err)
		}
		v := r.fieldValue(f, got)
		if v == nil && !clear {
			continue
		}
		into := &to.Custom
		if f.standard {
			into = &to.Standard
		}
		if *into == nil {
			*into = make(connector.Fields, len(fields))
		}
		(*into)[f.name] = v
	}
	return nil
}

// fieldValue makes a field's value of what came out; nil for what says nothing.
func (r *run) fieldValue(f *field, got any) any {
	if blank(got) {
		return nil
	}
	if f.standard {
		if f.name == connector.FieldTags {
			return tags(got, r.scope.zone)
		}
		if s, ok := got.(string); ok && len(s) <= MaxText {
			return got
		}
		return tidy(text(got, r.scope.zone))
	}
	switch v := got.(type) {
	case bool, int64, float64, time.Time:
		return got
	case int:
		return int64(v)
	case string:
		if len(v) <= MaxText {
			return got
		}
		return tidy(v)
	case []any:
		return tags(v, r.scope.zone)
	}
	return tidy(text(got, r.scope.zone))
}

// tags makes a list of texts; items without a text are left out.
func tags(v any, zone *time.Location) any {
	items, ok := v.([]any)
	if !ok {
		items = []any{v}
	}
	list := make([]string, 0, len(items))
	for _, item := range items[:min(len(items), maxItems)] {
		if s := tidy(strings.TrimSpace(text(item, zone))); s != "" {
			list = append(list, s)
		}
	}
	if len(list) == 0 {
		return nil
	}
	return list
}

func (r *run) comment(c *comment, e *connector.Event, out *connector.Mapped) error {
	got, _, err := c.body.eval(r)
	if err != nil {
		return fmt.Errorf("comment %s: %w", c.slot, err)
	}
	body := tidy(strings.TrimSpace(text(got, r.scope.zone)))
	if body == "" {
		return nil
	}
	author := connector.Author(c.author)
	if author == "" {
		author = authorOf(e)
	}
	made := connector.Comment{
		Key: commentKey(e, c.slot), Body: body, HTML: c.body.html, Author: author, Time: e.Time,
		Private: c.private == "private" || c.private == "" && author == connector.AuthorSystem,
	}
	if c.media && e.Message != nil && e.Message.Media != nil && e.Message.Media.URL != "" {
		a := e.Message.Media
		made.Attachments = []connector.Attachment{{Name: clip(a.Filename), URL: clip(a.URL), Expires: a.Expires}}
	}
	out.Comments = append(out.Comments, made)
	return nil
}

// authorOf is the side that an event's words come from.
func authorOf(e *connector.Event) connector.Author {
	switch e.Type {
	case connector.MessageReceived:
		return connector.AuthorCustomer
	case connector.MessageSent:
		return connector.AuthorBusiness
	}
	return connector.AuthorSystem
}

// commentKey names a comment by its message and slot. A message's later events,
// such as its failure, and its edits have names of their own.
func commentKey(e *connector.Event, slot string) string {
	key := e.Key()
	if e.Message != nil && e.Message.ID != "" && e.Type != connector.MessageReceived && e.Type != connector.MessageSent {
		key += "/" + strings.TrimPrefix(string(e.Type), "message.")
	}
	if e.Revision > 0 {
		key += "/revision-" + strconv.Itoa(e.Revision)
	}
	key += "/" + slot
	if len(key) <= 200 && !strings.ContainsFunc(key, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return "sha256-" + hex.EncodeToString(sum[:])
}

// settle takes back what must not happen whatever the rules say, and drops
// wishes that wish nothing.
func settle(e *connector.Event, out *connector.Mapped) {
	if e.CustomerKey == "" && e.Identity.Empty() {
		out.Contact, out.Ticket, out.Comments = nil, nil, nil
		return
	}
	if t := out.Ticket; t != nil {
		if e.Type.IsReceipt() || e.Message != nil && e.Message.Type == "reaction" {
			t.Open = false
		}
		if t.Open {
			if out.Contact == nil {
				out.Contact = &connector.ContactWish{}
			}
			out.Contact.Make = true
		} else if t.Set.Empty() && t.Create.Empty() && t.Fill.Empty() {
			out.Ticket = nil
		}
	}
	if c := out.Contact; c != nil && !c.Make && c.Set.Empty() && c.Create.Empty() && c.Fill.Empty() {
		out.Contact = nil
	}
}

// prepare works out the lets and paths that an expression reads.
func (r *run) prepare(e *expression) error {
	for _, i := range e.paths {
		if !r.read[i] {
			p := &r.paths[i]
			r.vars[p.name] = r.groups[p.root].FieldByIndex(p.index).Interface()
			r.read[i] = true
		}
	}
	for _, i := range e.lets {
		if r.known[i] {
			continue
		}
		got, _, err := r.lets[i].value.eval(r)
		if err != nil {
			return fmt.Errorf("let %s: %w", r.lets[i].name, err)
		}
		if n, ok := got.(int64); ok {
			got = int(n)
		}
		r.vars[r.lets[i].name] = got
		r.known[i] = true
	}
	return nil
}

// result works an expression out.
func (r *run) result(e *expression) (any, error) {
	if err := r.prepare(e); err != nil {
		return nil, err
	}
	var got any
	var err error
	if e.direct != nil {
		got, err = r.direct(e.direct)
	} else {
		got, err = r.machine.Run(e.program, r.vars)
	}
	if err == nil {
		return got, nil
	}
	if ours, ok := errors.AsType[callError](err); ok {
		return nil, r.fault(e, string(ours))
	}
	// The library's own words can hold values of the event.
	return nil, r.fault(e, "the expression has no result for this event")
}

func (r *run) fault(e *expression, what string) error {
	return fmt.Errorf("%s:%d:%d: %s", r.file, e.at.line, e.at.column, what)
}
