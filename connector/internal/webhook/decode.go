package webhook

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth bounds how deep an element is nested; AISoule's go six deep.
const maxDepth = 128

var errDepth = errors.New("nested too deeply")

// decode reads JSON into maps, slices and plain values. It differs from
// encoding/json where a mapping would suffer: whole numbers are int64, so that
// an order number prints as it came, and numbers that neither int64 nor float64
// can hold are kept as their digits. It is also a third of the cost, since every
// event is read twice: texts and names share one copy of the input.
func decode(raw []byte) (any, error) {
	d := decoder{in: string(raw)}
	d.space()
	v, err := d.value(0)
	if err != nil {
		return nil, err
	}
	if d.space(); d.at < len(d.in) {
		return nil, d.wrong()
	}
	return v, nil
}

type decoder struct {
	in string
	at int
}

// wrong says where the input stops being JSON.
func (d *decoder) wrong() error {
	if d.at >= len(d.in) {
		return errors.New("not JSON: it ends too early")
	}
	return errors.New("not JSON: wrong at byte " + strconv.Itoa(d.at))
}

func (d *decoder) space() {
	for d.at < len(d.in) {
		switch d.in[d.at] {
		case ' ', '\t', '\r', '\n':
			d.at++
		default:
			return
		}
	}
}

// peek gives the next byte, 0 at the end.
func (d *decoder) peek() byte {
	if d.at < len(d.in) {
		return d.in[d.at]
	}
	return 0
}

// take consumes the byte if it is the next one.
func (d *decoder) take(c byte) bool {
	if d.peek() != c || d.at >= len(d.in) {
		return false
	}
	d.at++
	return true
}

func (d *decoder) value(depth int) (any, error) {
	if depth > maxDepth {
		return nil, errDepth
	}
	switch c := d.peek(); {
	case c == '{':
		return d.object(depth)
	case c == '[':
		return d.array(depth)
	case c == '"':
		return d.text()
	case c == '-' || c >= '0' && c <= '9':
		return d.number()
	}
	return d.literal()
}

func (d *decoder) object(depth int) (any, error) {
	d.at++
	members := make(map[string]any, 8)
	for d.space(); !d.take('}'); d.space() {
		if len(members) > 0 {
			if !d.take(',') {
				return nil, d.wrong()
			}
			d.space()
		}
		if d.peek() != '"' {
			return nil, d.wrong()
		}
		name, err := d.text()
		if err != nil {
			return nil, err
		}
		if d.space(); !d.take(':') {
			return nil, d.wrong()
		}
		d.space()
		if members[name], err = d.value(depth + 1); err != nil {
			return nil, err
		}
	}
	return members, nil
}

func (d *decoder) array(depth int) (any, error) {
	d.at++
	elements := []any{}
	for d.space(); !d.take(']'); d.space() {
		if len(elements) > 0 {
			if !d.take(',') {
				return nil, d.wrong()
			}
			d.space()
		}
		v, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		elements = append(elements, v)
	}
	return elements, nil
}

func (d *decoder) literal() (any, error) {
	for _, l := range [...]struct {
		word  string
		value any
	}{{"true", true}, {"false", false}, {"null", nil}} {
		if strings.HasPrefix(d.in[d.at:], l.word) {
			d.at += len(l.word)
			return l.value, nil
		}
	}
	return nil, d.wrong()
}

// number reads a number by JSON's grammar.
func (d *decoder) number() (any, error) {
	start := d.at
	d.take('-')
	if !d.take('0') && !d.digits() {
		return nil, d.wrong()
	}
	whole := true
	if d.take('.') {
		whole = false
		if !d.digits() {
			return nil, d.wrong()
		}
	}
	if d.take('e') || d.take('E') {
		whole = false
		if !d.take('+') {
			d.take('-')
		}
		if !d.digits() {
			return nil, d.wrong()
		}
	}
	return plain(d.in[start:d.at], whole), nil
}

// plain gives a number in the type that holds it.
func plain(s string, whole bool) any {
	if whole {
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return n
		}
		return s
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		return f
	}
	return s
}

// digits consumes at least one digit.
func (d *decoder) digits() bool {
	start := d.at
	for c := d.peek(); c >= '0' && c <= '9'; c = d.peek() {
		d.at++
	}
	return d.at > start
}

// text reads a string. One without escapes is a part of the input.
func (d *decoder) text() (string, error) {
	d.at++
	start := d.at
	for ; d.at < len(d.in); d.at++ {
		switch c := d.in[d.at]; {
		case c == '"':
			d.at++
			return valid(d.in[start : d.at-1]), nil
		case c == '\\':
			return d.escaped(start)
		case c < ' ':
			return "", d.wrong()
		}
	}
	return "", d.wrong()
}

// escaped reads on from the first escape of the string that began at start.
func (d *decoder) escaped(start int) (string, error) {
	var b strings.Builder
	for d.at < len(d.in) {
		switch c := d.in[d.at]; {
		case c == '"':
			b.WriteString(valid(d.in[start:d.at]))
			d.at++
			return b.String(), nil
		case c < ' ':
			return "", d.wrong()
		case c == '\\':
			b.WriteString(valid(d.in[start:d.at]))
			r, ok := d.escape()
			if !ok {
				return "", d.wrong()
			}
			b.WriteRune(r)
			start = d.at
		default:
			d.at++
		}
	}
	return "", d.wrong()
}

// escape reads one escape, or a pair of them that is one character. Half a pair
// is replaced, as everywhere.
func (d *decoder) escape() (rune, bool) {
	d.at++
	c := d.peek()
	if i := strings.IndexByte(`"\/bfnrt`, c); i >= 0 && c != 0 {
		d.at++
		return rune("\"\\/\b\f\n\r\t"[i]), true
	}
	r, ok := d.unit()
	if !ok || !utf16.IsSurrogate(r) {
		return r, ok
	}
	back := d.at
	if d.take('\\') {
		if low, ok := d.unit(); ok {
			if both := utf16.DecodeRune(r, low); both != utf8.RuneError {
				return both, true
			}
		}
	}
	d.at = back
	return utf8.RuneError, true
}

// unit reads the "u" and four hexadecimal digits of an escape.
func (d *decoder) unit() (rune, bool) {
	if d.peek() != 'u' || d.at+5 > len(d.in) {
		return 0, false
	}
	n, err := strconv.ParseUint(d.in[d.at+1:d.at+5], 16, 16)
	if err != nil {
		return 0, false
	}
	d.at += 5
	return rune(n), true
}

// valid replaces what is no UTF-8.
func valid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		b.WriteRune(r)
	}
	return b.String()
}
