package mappings

import (
	"slices"
	"strings"

	"github.com/crm-connector/crm-connector/connector"
)

// checkTogether reports what is wrong between the rules.
func (l *loader) checkTogether(m *Mapping) {
	for i, r := range m.rules {
		if by := shadow(m.rules[:i], r); by != nil {
			l.wrong(r.at, "move it up, or give that rule a when:",
				"the rule can never match: %s in line %d takes all its events and stops", quoteKey(by.name), by.at.line)
		}
		for _, before := range m.rules[:i] {
			l.checkSlots(before, r)
		}
		l.checkSubject(r)
	}
	l.checkUncovered(m)
}

// shadow gives the earlier rule that leaves a rule no event.
func shadow(before []*rule, r *rule) *rule {
	var last *rule
	for _, t := range r.types {
		i := slices.IndexFunc(before, func(b *rule) bool { return b.always() && (b.stop || b.skip) && b.takes(t) })
		if i < 0 {
			return nil
		}
		last = before[i]
	}
	return last
}

// typesOf are the event types of a rule: those it names, and of the known ones
// those that its wildcards take. A wildcard takes unknown types as well.
func typesOf(r *rule) []connector.EventType {
	var types []connector.EventType
	for _, pattern := range r.on {
		types = append(types, connector.EventType(strings.Replace(pattern, "*", "\x00", 1)))
		for _, t := range connector.EventTypes() {
			if strings.HasSuffix(pattern, "*") && matchesType(pattern, string(t)) {
				types = append(types, t)
			}
		}
	}
	return types
}

func overlap(a, b *rule) bool {
	return slices.ContainsFunc(a.types, b.takes) || slices.ContainsFunc(b.types, a.takes)
}

// checkSlots reports comments of two rules that one event could give the same
// key, so that one of them would be lost.
func (l *loader) checkSlots(before, r *rule) {
	if len(r.comments) == 0 || len(before.comments) == 0 || before.stop || before.skip || !overlap(before, r) {
		return
	}
	for _, c := range r.comments {
		if slices.ContainsFunc(before.comments, func(b *comment) bool { return b.slot == c.slot }) {
			l.wrong(c.at, "give this one a name with slot:, or that rule stop: true",
				"an event that matches %s in line %d as well has two comments in the slot %s", quoteKey(before.name), before.at.line, c.slot)
		}
	}
}

// checkSubject warns of a subject that would be written anew with each message.
func (l *loader) checkSubject(r *rule) {
	if r.ticket == nil {
		return
	}
	for _, f := range r.ticket.set {
		if f.standard && f.name == connector.FieldSubject && f.value.changing() {
			l.warn(f.at, "put it under create: to write it only when the ticket is opened",
				"the subject is written again with every message, since it depends on the message")
		}
	}
}

// checkUncovered warns of event types that no rule takes.
func (l *loader) checkUncovered(m *Mapping) {
	var without []string
	for _, t := range connector.EventTypes() {
		if len(m.rules) > 0 && len(m.find(t)) == 0 {
			without = append(without, string(t))
		}
	}
	if len(without) > 0 {
		l.warn(m.rules[0].at, "write a rule with skip: true for those that are ignored on purpose",
			"no rule takes %s: such events are recorded as unmatched", strings.Join(without, ", "))
	}
}

// Check compares a mapping with what a destination's adapter says of its CRM.
// Problems that are no warnings mean that the CRM would refuse records.
func (m *Mapping) Check(desc connector.Description) []Problem {
	l := &report{file: m.file}
	for _, r := range m.rules {
		if r.opens() {
			m.checkTicket(l, r, &desc)
		}
		if r.contact != nil && (r.contact.make || r.opens()) {
			m.checkRequired(l, r, r.contact.at, connector.KindContact, &desc)
		}
		checkStandard(l, r.contact, connector.KindContact, &desc)
		checkStandard(l, r.ticket, connector.KindTicket, &desc)
	}
	problems, _ := l.sorted()
	return problems
}

func (m *Mapping) checkTicket(l *report, r *rule, desc *connector.Description) {
	m.checkRequired(l, r, r.ticket.at, connector.KindTicket, desc)
	if desc.FirstComment != connector.FirstCommentNeeded {
		return
	}
	if !slices.ContainsFunc(m.beside(r), func(b *rule) bool { return len(b.comments) > 0 }) {
		l.wrong(r.ticket.at, "add comment: to the rule", "%s opens no ticket without a first comment", desc.CRM)
	}
}

// beside are the rules that can match together with r, itself included.
func (m *Mapping) beside(r *rule) []*rule {
	var rules []*rule
	for _, b := range m.rules {
		if b == r || overlap(b, r) {
			rules = append(rules, b)
		}
	}
	return rules
}

func (m *Mapping) checkRequired(l *report, r *rule, at place, kind connector.Kind, desc *connector.Description) {
	for _, need := range desc.For(kind).Required {
		given := slices.ContainsFunc(m.beside(r), func(b *rule) bool {
			rec := b.contact
			if kind == connector.KindTicket {
				rec = b.ticket
			}
			return rec.gives(need)
		})
		if !given {
			l.wrong(at, "add "+need+": to it, or to its create:", "%s makes no %s without %s", desc.CRM, kind, need)
		}
	}
}

// gives reports whether the record has the field when it is created.
func (r *record) gives(name string) bool {
	if r == nil {
		return false
	}
	named := func(f *field) bool { return f.name == name }
	return slices.ContainsFunc(r.set, named) || slices.ContainsFunc(r.create, named) || slices.ContainsFunc(r.fill, named)
}

// checkStandard warns of standard fields that the CRM does not have.
func checkStandard(l *report, rec *record, kind connector.Kind, desc *connector.Description) {
	if rec == nil {
		return
	}
	for _, f := range slices.Concat(rec.set, rec.create, rec.fill) {
		if f.standard && !slices.Contains(desc.For(kind).Standard, f.name) {
			l.warn(f.at, "remove it, or write one of the CRM's own under fields:", "a %s of %s has no %s", kind, desc.CRM, f.name)
		}
	}
}
