package mappings

import (
	"reflect"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// value is what a mapping writes somewhere: a constant, one expression whose
// result keeps its kind, a text with expressions in it, or a list of values.
type value struct {
	constant any
	single   *expression
	parts    []part
	list     []*value
	// fixed says that constant is meant, be it nil.
	fixed bool
	// html says that expressions in the text are escaped.
	html bool
}

// part is a piece of a text: an expression, or literal words.
type part struct {
	words      string
	expression *expression
}

// changing reports whether the value differs between a customer's messages.
func (v *value) changing() bool {
	if v.single != nil {
		return v.single.changing
	}
	for _, p := range v.parts {
		if p.expression != nil && p.expression.changing {
			return true
		}
	}
	return false
}

// kind is the type of the value as far as it is known, else nil.
func (v *value) kind() reflect.Type {
	switch {
	case v.fixed:
		return reflect.TypeOf(v.constant)
	case v.single != nil:
		return v.single.of
	case v.list != nil:
		return reflect.TypeFor[[]any]()
	}
	return reflect.TypeFor[string]()
}

// segment is a piece of a scalar's text before it is compiled.
type segment struct {
	text string
	// code says that the text is an expression, which begins at the rune at.
	code bool
	at   int
	// open says that the closing brace is missing.
	open bool
}

// segments splits a scalar at its expressions. $${ stands for ${ itself.
func segments(s string) []segment {
	var out []segment
	var words strings.Builder
	flush := func() {
		if words.Len() > 0 {
			out = append(out, segment{text: words.String()})
			words.Reset()
		}
	}
	counted, runes := 0, 0
	for i := 0; i < len(s); {
		switch {
		case strings.HasPrefix(s[i:], "$${"):
			words.WriteString("${")
			i += 3
		case strings.HasPrefix(s[i:], "${"):
			flush()
			end, ok := closing(s, i+2)
			runes += utf8.RuneCountInString(s[counted : i+2])
			counted = i + 2
			out = append(out, segment{text: s[i+2 : end], code: true, at: runes, open: !ok})
			i = min(end+1, len(s))
		default:
			words.WriteByte(s[i])
			i++
		}
	}
	flush()
	return out
}

// closing finds the brace that ends an expression, past braces and quotes in it.
func closing(s string, from int) (int, bool) {
	depth := 0
	var quote byte
	for i := from; i < len(s); i++ {
		c := s[i]
		switch {
		case quote != 0:
			if c == '\\' && quote != '`' {
				i++
			} else if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'' || c == '`':
			quote = c
		case c == '{':
			depth++
		case c == '}' && depth > 0:
			depth--
		case c == '}':
			return i, true
		}
	}
	return len(s), false
}

// value compiles a scalar, or a list of scalars, as something that a field holds.
func (l *loader) value(n *yaml.Node) *value {
	switch n.Kind {
	case yaml.ScalarNode:
		return l.scalar(n, false)
	case yaml.SequenceNode:
		v := &value{list: []*value{}}
		for _, item := range n.Content {
			if item.Kind != yaml.ScalarNode {
				l.wrong(placeOf(item), "", "an item of a list must be a single value")
				continue
			}
			if iv := l.scalar(item, false); iv != nil {
				v.list = append(v.list, iv)
			}
		}
		return v
	}
	l.wrong(placeOf(n), flowHint(n), "a single value or a list is needed here, and this is a group of keys")
	return nil
}

// flowHint explains the commonest reason for a group where none was meant.
func flowHint(n *yaml.Node) string {
	if n.Kind == yaml.MappingNode && n.Style&yaml.FlowStyle != 0 {
		return "an expression is written \"${…}\", with the $ in front"
	}
	return ""
}

// scalar compiles one scalar.
func (l *loader) scalar(n *yaml.Node, asHTML bool) *value {
	if c, ok := constant(n); ok {
		return &value{constant: c, fixed: true}
	}
	pieces := segments(n.Value)
	if only, ok := single(pieces); ok && !asHTML {
		e := l.expression(n, only)
		if e == nil {
			return nil
		}
		return &value{single: e}
	}
	if len(pieces) > 2*maxInOneValue {
		l.wrong(placeOf(n), "give parts of it names under let:", "a value has more than %d expressions", maxInOneValue)
		return nil
	}
	v, good := &value{html: asHTML}, true
	for _, p := range pieces {
		if !p.code {
			v.parts = append(v.parts, part{words: p.text})
			continue
		}
		e := l.expression(n, p)
		good = good && e != nil
		v.parts = append(v.parts, part{expression: e})
	}
	if !good {
		return nil
	}
	if len(v.parts) == 0 || len(v.parts) == 1 && v.parts[0].expression == nil {
		return &value{constant: tidy(strings.Join(words(v.parts), "")), fixed: true}
	}
	return v
}

func words(parts []part) []string {
	var w []string
	for _, p := range parts {
		w = append(w, p.words)
	}
	return w
}

// constant gives what YAML itself makes of a scalar that is no text.
func constant(n *yaml.Node) (any, bool) {
	switch n.ShortTag() {
	case "!!null":
		return nil, true
	case "!!bool":
		return strings.EqualFold(n.Value, "true"), true
	case "!!int":
		var i int64
		if n.Decode(&i) == nil {
			return i, true
		}
	case "!!float":
		var f float64
		if n.Decode(&f) == nil && f-f == 0 {
			return f, true
		}
	}
	return nil, false
}

// single gives the one expression of a scalar that is nothing else.
func single(pieces []segment) (segment, bool) {
	var only segment
	found := false
	for _, p := range pieces {
		if !p.code && strings.TrimSpace(p.text) == "" {
			continue
		}
		if found || !p.code {
			return segment{}, false
		}
		only, found = p, true
	}
	return only, found
}

// expression compiles an expression of a scalar and reports what is wrong with
// it where it stands.
func (l *loader) expression(n *yaml.Node, s segment) *expression {
	if l.spent() {
		return nil
	}
	if s.open {
		l.wrong(l.source.within(n, s.at-2), l.openHint(n), "an expression begins with ${ and does not end")
		return nil
	}
	e, flaws := l.compiler.compile(s.text)
	l.flaws(n, s.at, flaws)
	if e != nil {
		e.at = l.source.within(n, s.at)
	}
	return e
}

// openHint knows that YAML takes a # behind a space for a comment.
func (l *loader) openHint(n *yaml.Node) string {
	line := l.source.lines[min(max(n.Line, 1), len(l.source.lines))-1]
	if n.Style == 0 && strings.Contains(string(line), " #") {
		return `put quotes around the value: YAML takes " #" for the beginning of a comment`
	}
	return "close it with }"
}

// spent counts an expression, and reports once when there are too many.
func (l *loader) spent() bool {
	l.expressions++
	if l.expressions == maxExpressions+1 {
		l.wrong(place{1, 1}, "split it into several mappings", "the mapping has more than %d expressions", maxExpressions)
	}
	return l.expressions > maxExpressions
}

func (l *loader) flaws(n *yaml.Node, from int, flaws []flaw) {
	for _, f := range flaws {
		l.add(l.source.within(n, from+f.at), f.warning, f.hint, f.text)
	}
}

// eval works a value out. Nothing, and a text without a character, say that the
// field is left alone; clear says that it is emptied on purpose.
func (v *value) eval(r *run) (result any, clear bool, err error) {
	switch {
	case v.fixed:
		return v.constant, v.constant == nil, nil
	case v.single != nil:
		result, err = r.result(v.single)
		return result, false, err
	case v.list != nil:
		result, err = v.evalList(r)
		return result, false, err
	}
	result, err = v.evalText(r)
	return result, false, err
}

func (v *value) evalList(r *run) (any, error) {
	list := make([]any, 0, len(v.list))
	for _, item := range v.list {
		got, _, err := item.eval(r)
		if err != nil {
			return nil, err
		}
		if !blank(got) {
			list = append(list, got)
		}
	}
	return list, nil
}

func (v *value) evalText(r *run) (string, error) {
	// Lets use the same buffer, so they come before our text begins.
	for _, p := range v.parts {
		if p.expression == nil {
			continue
		}
		if err := r.prepare(p.expression); err != nil {
			return "", err
		}
	}
	b := r.text[:0]
	for _, p := range v.parts {
		if p.expression == nil {
			b = append(b, p.words...)
			continue
		}
		got, err := r.result(p.expression)
		if err != nil {
			return "", err
		}
		if v.html {
			b = append(b, toHTML(text(got, r.scope.zone))...)
		} else {
			b = appendText(b, got, r.scope.zone)
		}
		if len(b) > 2*MaxText {
			break
		}
	}
	r.text = b
	return tidy(string(b)), nil
}
