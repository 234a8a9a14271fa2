package mappings

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/crm-connector/crm-connector/connector"
)

// Bounds of one mapping.
const (
	maxSource      = 1 << 20
	maxExpressions = 5000
	maxRules       = 500
	maxLets        = 100
	maxTypes       = 30
	// maxInOneValue is how many expressions one value may have.
	maxInOneValue = 100
)

// language is part of every generation: it counts up when a new version of this
// package maps an unchanged mapping differently.
const language = "1"

// loader reads one mapping and collects what is wrong with it.
type loader struct {
	report
	source      *source
	compiler    *compiler
	expressions int
}

// document reads the YAML, and reports what no mapping may contain.
func (l *loader) document(src []byte) *yaml.Node {
	if len(src) > maxSource {
		l.wrong(place{1, 1}, "", "the mapping is larger than %d KiB", maxSource>>10)
		return nil
	}
	d := yaml.NewDecoder(bytes.NewReader(src))
	var doc, second yaml.Node
	if err := decode(d, &doc); err != nil {
		l.syntax(err)
		return nil
	}
	if err := decode(d, &second); !errors.Is(err, io.EOF) {
		l.wrong(place{max(second.Line, 1), 1}, "remove the --- and what follows", "a file holds one mapping only")
	}
	if len(doc.Content) == 0 {
		l.wrong(place{1, 1}, "begin with rules:", "the mapping is empty")
		return nil
	}
	if l.references(doc.Content[0]) {
		return nil
	}
	return doc.Content[0]
}

// decode guards against the YAML library's panics on malformed input.
func decode(d *yaml.Decoder, into *yaml.Node) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("yaml: line 1: the file can't be read")
		}
	}()
	return d.Decode(into)
}

// syntax reports what the YAML library found wrong.
func (l *loader) syntax(err error) {
	if errors.Is(err, io.EOF) {
		l.wrong(place{1, 1}, "begin with rules:", "the mapping is empty")
		return
	}
	at, words := place{1, 1}, strings.TrimPrefix(err.Error(), "yaml: ")
	if m := regexp.MustCompile(`^line (\d+): (.*)`).FindStringSubmatch(words); m != nil {
		at.line, _ = strconv.Atoi(m[1])
		words = m[2]
	}
	hint := "look at this line and the one before it"
	switch {
	case strings.Contains(words, "mapping values are not allowed"):
		hint = `put quotes around a value that has ": " in it, or write it in a line of its own below >-`
	case strings.Contains(words, "tab"), strings.Contains(words, "cannot start any token"):
		hint = "indent with spaces, and put quotes around a value that begins with a special sign"
	case strings.Contains(words, "flow"), strings.Contains(words, "did not find expected ',' or"):
		hint = "inside {…} and […] put quotes around every value with ${…}"
	}
	l.wrong(at, hint, "this is not YAML: %s", words)
}

// references reports anchors and aliases: a small file could stand for a huge one.
func (l *loader) references(n *yaml.Node) bool {
	found := false
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		l.wrong(placeOf(n), "give what is used several times a name under let:", "anchors and aliases are not available")
		return true
	}
	for _, c := range n.Content {
		found = l.references(c) || found
	}
	return found
}

// mapping reads the whole of a mapping.
func (l *loader) mapping(root *yaml.Node, name string, zone *time.Location) *Mapping {
	o, ok := l.object(root, "the mapping")
	if !ok {
		return nil
	}
	m := &Mapping{name: o.word("mapping"), generation: generation(root, zone), file: l.file}
	if m.name == "" {
		m.name = name
	}
	m.policy = o.policy()
	l.compiler = newCompiler(zone, l.tables(o.fields["tables"]))
	m.scope = l.compiler.scope
	m.lets = l.lets(o.fields["let"])
	m.rules = l.rules(o)
	m.paths = l.compiler.paths
	return m
}

// policy reads what is decided for all rules.
func (o object) policy() connector.Policy {
	p := connector.Policy{
		ReopenWithin: 72 * time.Hour, WhenClosed: connector.FollowUp,
		WhenContactGone: connector.WhenContactGone(o.choice("when_contact_gone", string(connector.Recreate), string(connector.LeaveGone))),
		WhenUnknown:     connector.WhenUnknown(o.choice("when_unknown", string(connector.Hold), string(connector.Repeat))),
	}
	n := o.fields["conversation"]
	if n == nil {
		return p
	}
	if c, ok := o.object(n, "conversation"); ok {
		p.Idle = c.span("idle", 0)
		p.ReopenWithin = c.span("reopen_within", p.ReopenWithin)
		p.WhenClosed = connector.WhenClosed(c.choice("when_closed", string(connector.FollowUp), string(connector.NewTicket)))
	}
	return p
}

// let is a name that several rules use.
type let struct {
	name  string
	value *value
}

// lets reads the names in order; each sees those above it.
func (l *loader) lets(n *yaml.Node) []let {
	if n == nil {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		l.wrong(placeOf(n), "write name: value in each line", "let must be a group of names")
		return nil
	}
	if len(n.Content)/2 > maxLets {
		l.wrong(placeOf(n), "", "let has more than %d names", maxLets)
		return nil
	}
	l.pairs(n, func(key, _ *yaml.Node) { l.compiler.later[key.Value] = true })
	var lets []let
	l.pairs(n, func(key, val *yaml.Node) {
		if !l.letName(key) {
			return
		}
		v := l.value(val)
		if v == nil {
			// Known all the same, so that its users are not reported as well.
			l.compiler.define(key.Value, nil)
			lets = append(lets, let{name: key.Value, value: &value{fixed: true}})
			return
		}
		l.compiler.define(key.Value, v.kind())
		lets = append(lets, let{name: key.Value, value: v})
	})
	return lets
}

func (l *loader) letName(key *yaml.Node) bool {
	delete(l.compiler.later, key.Value)
	if !regexp.MustCompile(`^[a-z][a-z0-9_]{0,39}$`).MatchString(key.Value) || isReserved(key.Value) {
		l.wrong(placeOf(key), "use small letters, digits and _", "%s can't be a name", quoteKey(key.Value))
		return false
	}
	_, taken := l.compiler.known[key.Value]
	if _, function := l.compiler.functions[key.Value]; taken || function || l.compiler.native[key.Value] != "" {
		l.wrong(placeOf(key), "choose another", "the name %s is taken by the language", key.Value)
		return false
	}
	return true
}

// isReserved reports whether a word has a meaning inside expressions.
func isReserved(word string) bool {
	switch word {
	case "and", "or", "not", "in", "matches", "contains", "true", "false", "nil", "let", "if", "else", "index", "reduce",
		"sum", "groupby", "sortby":
		return true
	}
	return false
}

// generation names a mapping's meaning: comments, quotes and layout don't count.
func generation(root *yaml.Node, zone *time.Location) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s %s\n", language, zone)
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		fmt.Fprintf(h, "%d %s %q %d\n", n.Kind, n.ShortTag(), n.Value, len(n.Content))
		for _, c := range n.Content {
			walk(c)
		}
	}
	walk(root)
	return hex.EncodeToString(h.Sum(nil)[:8])
}
