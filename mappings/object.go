package mappings

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// object is a YAML mapping whose keys were checked.
type object struct {
	*loader
	node *yaml.Node
	// what names it in sentences, and fields are its values by key.
	what   string
	fields map[string]*yaml.Node
	// strange says that it has keys that it can't have.
	strange bool
}

// keysOf are the keys of each part of a mapping file.
func keysOf(what string) []string {
	switch what {
	case "the mapping":
		return []string{"mapping", "conversation", "when_contact_gone", "when_unknown", "let", "tables", "rules"}
	case "conversation":
		return []string{"idle", "reopen_within", "when_closed"}
	case "a rule":
		return []string{"name", "on", "when", "contact", "ticket", "comment", "stop", "skip"}
	case "contact":
		return []string{"make", "create", "fill", "fields", "phone", "name", "email", "tags"}
	case "contact: create", "contact: fill":
		return []string{"fields", "phone", "name", "email", "tags"}
	case "ticket":
		return []string{"open", "create", "fill", "fields", "subject", "status", "priority", "tags"}
	case "ticket: create", "ticket: fill":
		return []string{"fields", "subject", "status", "priority", "tags"}
	case "comment":
		return []string{"body", "html", "author", "visibility", "attachments", "slot"}
	}
	return nil
}

// synonyms are words that other tools use for our keys.
func synonyms() map[string]string {
	return map[string]string{
		"if": "when", "condition": "when", "events": "on", "event": "on", "trigger": "on", "text": "body", "message": "body",
		"public": "visibility", "private": "visibility", "custom_fields": "fields", "custom": "fields", "variables": "let",
		"vars": "let", "title": "subject", "mobile": "phone", "mapping_name": "mapping", "id": "name", "upsert": "make",
		"break": "stop", "ignore": "skip", "set": "fields",
	}
}

// object reads a YAML mapping and reports keys that it can't have.
func (l *loader) object(n *yaml.Node, what string) (object, bool) {
	o := object{loader: l, node: n, what: what, fields: map[string]*yaml.Node{}}
	if n.Kind != yaml.MappingNode {
		l.wrong(placeOf(n), "indent its keys below it", "%s must be a group of keys, and this is %s", what, nodeKind(n))
		return o, false
	}
	l.pairs(n, func(key, val *yaml.Node) {
		if !slices.Contains(keysOf(what), key.Value) {
			l.wrong(placeOf(key), keyHint(what, key.Value), "%s has no key %s", what, quoteKey(key.Value))
			o.strange = true
			return
		}
		o.fields[key.Value] = val
	})
	return o, true
}

// pairs walks the keys of a YAML mapping and reports those that come twice.
func (l *loader) pairs(n *yaml.Node, each func(key, val *yaml.Node)) {
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, val := n.Content[i], n.Content[i+1]
		if key.Kind != yaml.ScalarNode {
			l.wrong(placeOf(key), "", "a key must be a single word")
			continue
		}
		if line, twice := seen[key.Value]; twice {
			l.wrong(placeOf(key), "remove one of them", "%s is here twice, first in line %d", quoteKey(key.Value), line)
			continue
		}
		seen[key.Value] = key.Line
		each(key, val)
	}
}

// keyHint says what an unknown key was probably meant to be.
func keyHint(what, key string) string {
	if near := nearest(key, keysOf(what)); near != "" {
		return "did you mean " + near + "?"
	}
	if s := synonyms()[strings.ToLower(key)]; s != "" && slices.Contains(keysOf(what), s) {
		return "did you mean " + s + "?"
	}
	for _, other := range []string{"the mapping", "a rule", "conversation", "contact", "ticket", "comment"} {
		if other != what && slices.Contains(keysOf(other), key) {
			return "it belongs to " + other
		}
	}
	if slices.Contains(keysOf(what), "fields") {
		return "the CRM's own fields are written under fields:"
	}
	return "use " + oneOf(keysOf(what))
}

func quoteKey(key string) string {
	if len(key) > 60 {
		key = key[:60]
	}
	if strings.ContainsAny(key, " \n\t:") || key == "" || !isPrintable(key) {
		return strconv.Quote(key)
	}
	return key
}

func isPrintable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) })
}

func nodeKind(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a group of keys"
	case yaml.SequenceNode:
		return "a list"
	}
	if n.ShortTag() == "!!null" {
		return "empty"
	}
	return "a single value"
}

// word reads a single value that is no expression.
func (o object) word(key string) string {
	n := o.fields[key]
	if n == nil {
		return ""
	}
	if n.Kind != yaml.ScalarNode || n.ShortTag() == "!!null" {
		o.wrong(placeOf(n), "", "%s must be a single value, and this is %s", key, nodeKind(n))
		return ""
	}
	if strings.Contains(n.Value, "${") {
		o.wrong(placeOf(n), "write the value itself", "%s can't be an expression", key)
		return ""
	}
	return n.Value
}

// flag reads true or false.
func (o object) flag(key string) bool {
	n := o.fields[key]
	if n == nil {
		return false
	}
	if v, ok := constant(n); ok && n.Kind == yaml.ScalarNode {
		if b, ok := v.(bool); ok {
			return b
		}
	}
	o.wrong(placeOf(n), "write true or false", "%s must be true or false", key)
	return false
}

// choice reads one of a few words, or gives the first when the key is missing.
func (o object) choice(key string, options ...string) string {
	w := o.word(key)
	switch {
	case w == "":
		return options[0]
	case slices.Contains(options, w):
		return w
	}
	o.wrong(placeOf(o.fields[key]), didYouMean(w, options), "%s can't be %s", key, quoteKey(w))
	return options[0]
}

// span reads a length of time such as 72h or 30d.
func (o object) span(key string, otherwise time.Duration) time.Duration {
	w := o.word(key)
	if w == "" {
		return otherwise
	}
	d, err := parseSpan(w)
	if err != nil || d < 0 {
		o.wrong(placeOf(o.fields[key]), "write it such as 90m, 72h or 30d; 0 means never", "%s must be a length of time", key)
		return otherwise
	}
	return d
}

func parseSpan(w string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(w, "d"); ok {
		n, err := strconv.Atoi(days)
		if err != nil || n > 36500 {
			return 0, fmt.Errorf("not a number of days")
		}
		return time.Duration(n) * 24 * time.Hour, nil
	}
	return time.ParseDuration(w)
}

// tables reads the tables of a mapping on top of those that ship.
func (l *loader) tables(n *yaml.Node) map[string]map[string]any {
	all := shippedTables()
	if n == nil {
		return all
	}
	if n.Kind != yaml.MappingNode {
		l.wrong(placeOf(n), "write a name for each table, and its keys and values below it", "tables must be a group of tables")
		return all
	}
	l.pairs(n, func(key, val *yaml.Node) {
		if val.Kind != yaml.MappingNode {
			l.wrong(placeOf(val), "write key: value in each line", "the table %s must be a group of keys", quoteKey(key.Value))
			return
		}
		table := maps.Clone(all[key.Value])
		if table == nil {
			table = map[string]any{}
		}
		l.pairs(val, func(k, v *yaml.Node) {
			if v.Kind != yaml.ScalarNode || strings.Contains(v.Value, "${") {
				l.wrong(placeOf(v), "", "a value in a table must be a single value without ${…}")
				return
			}
			table[k.Value] = tableValue(v)
		})
		all[key.Value] = table
	})
	return all
}

func tableValue(n *yaml.Node) any {
	c, ok := constant(n)
	if !ok {
		return tidy(n.Value)
	}
	if i, isInt := c.(int64); isInt {
		return int(i)
	}
	return c
}

// shippedTables say what WhatsApp's error codes mean: one word for conditions,
// and a sentence for people.
func shippedTables() map[string]map[string]any {
	return map[string]map[string]any{
		"failures": {
			"131026": "unreachable", "131047": "template_needed", "131049": "not_delivered", "131050": "opted_out",
			"131051": "unsupported", "131060": "unsupported", "130472": "experiment", "131042": "account", "131031": "account",
			"130429": "throughput", "131048": "throughput", "131056": "throughput",
		},
		"failure_notes": {
			"131026": "The number can't be reached on WhatsApp.",
			"131047": "More than 24 hours have passed since the customer's last message: send a template.",
			"131049": "WhatsApp chose not to deliver this marketing message. Try again later, not at once.",
			"131050": "The customer has opted out of marketing messages.",
			"131051": "WhatsApp does not support this type of message.",
			"131060": "The message is not available.",
			"130472": "The number is part of an experiment by WhatsApp. Do not try again.",
			"131042": "There is a problem with the payment of the WhatsApp account.",
			"131031": "The WhatsApp account is locked.",
			"130429": "Too many messages were sent at once.",
			"131048": "Too many messages of this number were reported as spam.",
			"131056": "Too many messages went to this customer within a short time.",
		},
	}
}
