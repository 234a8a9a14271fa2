package mappings

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/crm-connector/crm-connector/connector"
)

// rule is one rule, compiled.
type rule struct {
	name string
	at   place
	on   []string
	// types are those it names, and of the known ones those its wildcards take.
	types []connector.EventType
	// when holds when all its members do.
	when     []*expression
	contact  *record
	ticket   *record
	comments []*comment
	stop     bool
	skip     bool
}

// record is what a rule writes into a contact or a ticket.
type record struct {
	at                place
	set, create, fill []*field
	// make says that the record is made, or the ticket opened, where there is none.
	make bool
}

// field is one field of a record.
type field struct {
	name     string
	standard bool
	at       place
	value    *value
	// path names the field in error texts.
	path string
}

// comment is one comment of a rule.
type comment struct {
	at      place
	slot    string
	body    *value
	author  string
	private string
	media   bool
}

// takes reports whether the rule is for events of the type.
func (r *rule) takes(t connector.EventType) bool {
	return slices.ContainsFunc(r.on, func(pattern string) bool { return matchesType(pattern, string(t)) })
}

// matchesType knows one wildcard: a * at the end.
func matchesType(pattern, t string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(t, prefix)
	}
	return pattern == t
}

// always reports whether nothing but the type decides.
func (r *rule) always() bool { return len(r.when) == 0 }

func (l *loader) rules(o object) []*rule {
	n := o.fields["rules"]
	if n == nil {
		l.wrong(placeOf(o.node), "write rules:", "the mapping has no rules")
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		l.wrong(placeOf(n), "begin each rule with - name:", "rules must be a list")
		return nil
	}
	if len(n.Content) > maxRules {
		l.wrong(placeOf(n), "split it into several mappings", "the mapping has more than %d rules", maxRules)
		return nil
	}
	var rules []*rule
	names := map[string]int{}
	for _, item := range n.Content {
		r := l.rule(item)
		if r == nil {
			continue
		}
		if line, twice := names[r.name]; twice && r.name != "" {
			l.wrong(r.at, "choose another", "the rule in line %d is named %s already", line, quoteKey(r.name))
		}
		names[r.name] = r.at.line
		rules = append(rules, r)
	}
	return rules
}

func (l *loader) rule(n *yaml.Node) *rule {
	o, ok := l.object(n, "a rule")
	if !ok {
		return nil
	}
	r := &rule{at: placeOf(n), name: o.word("name"), stop: o.flag("stop"), skip: o.flag("skip")}
	if o.fields["name"] == nil {
		l.wrong(r.at, "write name: and what the rule does", "a rule has no name")
	} else {
		r.at = placeOf(o.fields["name"])
	}
	r.on = o.on()
	r.types = typesOf(r)
	r.when = o.when()
	if c := o.fields["contact"]; c != nil {
		r.contact = l.record(c, "contact", "make")
	}
	if t := o.fields["ticket"]; t != nil {
		r.ticket = l.record(t, "ticket", "open")
	}
	if c := o.fields["comment"]; c != nil {
		r.comments = l.comments(c)
	}
	l.checkRule(o, r)
	return r
}

// checkRule reports what can't stand together in one rule.
func (l *loader) checkRule(o object, r *rule) {
	writes := o.fields["contact"] != nil || o.fields["ticket"] != nil || o.fields["comment"] != nil
	switch {
	case r.skip && writes:
		l.wrong(placeOf(o.fields["skip"]), "remove skip: or the changes", "a rule that skips changes nothing, and this one has changes")
	case !r.skip && !writes && !r.stop && !o.strange:
		l.wrong(r.at, "add contact:, ticket: or comment:, or skip: true", "the rule does nothing")
	}
	l.checkOpen(o, r)
	if r.opens() && r.contact != nil && !r.contact.make {
		if c := o.fields["contact"]; c != nil && hasKey(c, "make") {
			l.wrong(r.contact.at, "leave make: out", "the rule opens a ticket, which needs its contact, and says make: false")
		}
	}
}

// checkOpen refuses to open tickets for events that never do.
func (l *loader) checkOpen(o object, r *rule) {
	if !r.opens() {
		return
	}
	for _, t := range connector.EventTypes() {
		if r.takes(t) && t.IsReceipt() {
			at, hint := placeOf(o.fields["ticket"]), "remove open: true, or write on: "+string(connector.MessageReceived)
			if n := valueOf(o.fields["ticket"], "open"); n != nil {
				at = placeOf(n)
			}
			l.wrong(at, hint, "%s never opens a ticket", t)
			return
		}
	}
}

func (r *rule) opens() bool { return r.ticket != nil && r.ticket.make }

func hasKey(n *yaml.Node, key string) bool { return valueOf(n, key) != nil }

func valueOf(n *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// on reads the event types of a rule.
func (o object) on() []string {
	n := o.fields["on"]
	if n == nil {
		o.wrong(placeOf(o.node), "write on: "+string(connector.MessageReceived), "a rule does not say which events it is for")
		return nil
	}
	items := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		items = n.Content
	}
	if len(items) > maxTypes {
		o.wrong(placeOf(n), "use a wildcard such as message.*", "a rule names more than %d event types", maxTypes)
		return nil
	}
	var on []string
	for _, item := range items {
		if item.Kind != yaml.ScalarNode || item.Value == "" {
			o.wrong(placeOf(item), "write on: message.received", "on must be an event type or a list of them")
			continue
		}
		o.checkType(item)
		on = append(on, item.Value)
	}
	return on
}

// checkType warns of a type that AISoule does not send as far as is known.
func (o object) checkType(n *yaml.Node) {
	known := eventTypeNames()
	if slices.ContainsFunc(known, func(t string) bool { return matchesType(n.Value, t) }) {
		return
	}
	if i := strings.IndexByte(n.Value, '*'); i >= 0 && i != len(n.Value)-1 {
		o.wrong(placeOf(n), "put the * at the end, as in message.*", "%s is no pattern", quoteKey(n.Value))
		return
	}
	o.warn(placeOf(n), didYouMean(n.Value, known), "no known event has the type %s", quoteKey(n.Value))
}

// when reads the condition of a rule, with or without ${…} around it.
func (o object) when() []*expression {
	n := o.fields["when"]
	if n == nil {
		return nil
	}
	if n.Kind != yaml.ScalarNode {
		o.wrong(placeOf(n), `write it in quotes, or below >-`, "when must be a condition, and this is %s", nodeKind(n))
		return nil
	}
	if c, ok := constant(n); ok {
		if b, isBool := c.(bool); isBool && b {
			return nil
		} else if isBool {
			o.warn(placeOf(n), "remove the rule, or the condition", "the rule can never match")
		}
	}
	src := segment{text: n.Value}
	if only, ok := single(segments(n.Value)); ok {
		src = only
	}
	if o.spent() {
		return nil
	}
	parts, flaws := o.compiler.compileCondition(src.text)
	o.flaws(n, src.at, flaws)
	for _, p := range parts {
		p.at = placeOf(n)
	}
	return parts
}

// record reads contact: or ticket:.
func (l *loader) record(n *yaml.Node, what, makeKey string) *record {
	o, ok := l.object(n, what)
	r := &record{at: placeOf(n)}
	if !ok {
		return r
	}
	r.make = o.flag(makeKey)
	r.set = o.fieldsOf(what)
	for key, into := range map[string]*[]*field{"create": &r.create, "fill": &r.fill} {
		if sub := o.fields[key]; sub != nil {
			if so, ok := l.object(sub, what+": "+key); ok {
				*into = so.fieldsOf(what + "." + key)
			}
		}
	}
	return r
}

// fieldsOf reads the standard fields of a group, and those under fields:.
func (o object) fieldsOf(path string) []*field {
	var fields []*field
	o.loader.pairs(o.node, func(key, val *yaml.Node) {
		switch key.Value {
		case "make", "open", "create", "fill":
		case "fields":
			if val.Kind != yaml.MappingNode {
				o.wrong(placeOf(val), "write name: value in each line", "fields must be a group of the CRM's own fields")
				return
			}
			o.loader.pairs(val, func(k, v *yaml.Node) {
				if f := o.field(path+".fields."+k.Value, k, v); f != nil {
					fields = append(fields, f)
				}
			})
		default:
			if o.fields[key.Value] != val {
				return
			}
			if f := o.field(path+"."+key.Value, key, val); f != nil {
				f.standard = true
				o.checkKind(f, val)
				fields = append(fields, f)
			}
		}
	})
	return fields
}

func (o object) field(path string, key, val *yaml.Node) *field {
	if key.Value == "" {
		o.wrong(placeOf(key), "", "a field needs a name")
		return nil
	}
	v := o.value(val)
	if v == nil {
		return nil
	}
	return &field{name: key.Value, path: path, at: placeOf(key), value: v}
}

// checkKind reports a standard field whose value has the wrong kind.
func (o object) checkKind(f *field, n *yaml.Node) {
	t := f.value.kind()
	if t == nil {
		return
	}
	if f.name == connector.FieldStatus && f.value.fixed {
		o.checkStatus(f, n)
	}
	switch {
	case f.name == connector.FieldTags:
		if t.Kind() != reflect.Slice && t.Kind() != reflect.String {
			o.wrong(placeOf(n), "write a list such as [whatsapp]", "%s must be a list, and this is %s", f.path, kindName(t))
		}
	case t.Kind() == reflect.Bool, t.Kind() == reflect.Slice, t.Kind() == reflect.Map, t == reflect.TypeFor[time.Time]():
		hint := ""
		if t == reflect.TypeFor[time.Time]() {
			hint = "write it with date(…)"
		}
		o.wrong(placeOf(n), hint, "%s must be a text, and this is %s", f.path, kindName(t))
	}
}

// checkStatus warns of a status that is nearly one of those every CRM has.
func (o object) checkStatus(f *field, n *yaml.Node) {
	known := []string{connector.TicketOpen, connector.TicketPending, connector.TicketSolved, connector.TicketClosed}
	s, _ := f.value.constant.(string)
	if near := nearest(s, known); near != "" && near != s {
		o.warn(placeOf(n), "did you mean "+near+"?", "the status %s is not one that every CRM has", quoteKey(s))
	}
}

// comments reads one comment, or a list of them.
func (l *loader) comments(n *yaml.Node) []*comment {
	items := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		items = n.Content
	}
	var comments []*comment
	slots := map[string]bool{}
	for _, item := range items {
		c := l.comment(item)
		if c == nil {
			continue
		}
		if slots[c.slot] {
			l.wrong(c.at, "give it a name of its own with slot:", "two comments of the rule have the slot %s", c.slot)
		}
		slots[c.slot] = true
		comments = append(comments, c)
	}
	return comments
}

func (l *loader) comment(n *yaml.Node) *comment {
	o, ok := l.object(n, "comment")
	if !ok {
		return nil
	}
	c := &comment{
		at: placeOf(n), slot: o.word("slot"), author: o.choice("author", "", "customer", "business", "system"),
		private: o.choice("visibility", "", "public", "private"), media: o.choice("attachments", "none", "media") == "media",
	}
	if c.slot == "" {
		c.slot = "comment"
	} else if !regexp.MustCompile(`^[a-z][a-z0-9_-]{0,39}$`).MatchString(c.slot) {
		l.wrong(placeOf(o.fields["slot"]), "use small letters, digits, _ and -", "%s can't be a slot's name", quoteKey(c.slot))
	}
	c.body = o.body()
	return c
}

// body reads body: or html:, of which a comment has one.
func (o object) body() *value {
	plain, html := o.fields["body"], o.fields["html"]
	switch {
	case plain == nil && html == nil:
		o.wrong(placeOf(o.node), "write body:", "a comment says nothing")
		return nil
	case plain != nil && html != nil:
		o.wrong(placeOf(html), "remove one of them", "a comment has body: or html:, not both")
		return nil
	}
	n := plain
	if n == nil {
		n = html
	}
	if n.Kind != yaml.ScalarNode {
		o.wrong(placeOf(n), "write several lines below >- or |", "a comment's text must be a single value, and this is %s", nodeKind(n))
		return nil
	}
	return o.scalar(n, html != nil)
}
