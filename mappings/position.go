package mappings

import (
	"strings"
	"unicode"

	"gopkg.in/yaml.v3"
)

// source is a mapping's text as it was written, for finding places in it.
type source struct{ lines [][]rune }

func newSource(text []byte) *source {
	s := &source{}
	for line := range strings.SplitSeq(string(text), "\n") {
		s.lines = append(s.lines, []rune(strings.TrimSuffix(line, "\r")))
	}
	return s
}

// placeOf is where a node begins.
func placeOf(n *yaml.Node) place { return place{n.Line, n.Column} }

// within finds where the rune number at of a scalar's value stands in the file.
// It walks along the value and the text as written, past line folds, indents,
// doubled quotes and escapes. Where the two disagree, as behind a tag, it gives
// the scalar's beginning.
func (s *source) within(n *yaml.Node, at int) place {
	value := []rune(n.Value)
	c := cursor{source: s, line: n.Line - 1, column: n.Column - 1}
	if at > len(value) || !c.enter(n.Style) {
		return placeOf(n)
	}
	for i := range at {
		if unicode.IsSpace(value[i]) {
			continue
		}
		if !c.next(n.Style, value[i]) {
			return placeOf(n)
		}
	}
	if at < len(value) && !c.skipSpace(n.Style) {
		return placeOf(n)
	}
	return place{c.line + 1, c.column + 1}
}

// cursor is a position in a source while a scalar is followed through it.
type cursor struct {
	*source
	line, column int
}

// enter moves from a scalar's beginning to the first rune of its content.
func (c *cursor) enter(style yaml.Style) bool {
	switch {
	case style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		c.line, c.column = c.line+1, 0
	case style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0:
		r, ok := c.peek(0)
		if !ok || r != '"' && r != '\'' {
			return false
		}
		c.column++
	}
	return c.line < len(c.lines)
}

// next moves past the rune want.
func (c *cursor) next(style yaml.Style, want rune) bool {
	if !c.skipSpace(style) {
		return false
	}
	r, _ := c.peek(0)
	if style&yaml.SingleQuotedStyle != 0 && r == '\'' {
		c.column++
	}
	if style&yaml.DoubleQuotedStyle != 0 && r == '\\' {
		e, ok := c.peek(1)
		if !ok {
			return false
		}
		c.column += escapeLength(e)
		return true
	}
	c.column++
	return r == want
}

// skipSpace moves to the next rune that is not white, escaped white included.
func (c *cursor) skipSpace(style yaml.Style) bool {
	for c.line < len(c.lines) {
		r, ok := c.peek(0)
		switch {
		case !ok:
			c.line, c.column = c.line+1, 0
		case unicode.IsSpace(r):
			c.column++
		case r == '\\' && style&yaml.DoubleQuotedStyle != 0 && c.escapesSpace():
			c.column += 2
		default:
			return true
		}
	}
	return false
}

func (c *cursor) escapesSpace() bool {
	e, ok := c.peek(1)
	return !ok || strings.ContainsRune("ntrvf \tN_LP", e)
}

func (c *cursor) peek(ahead int) (rune, bool) {
	if c.line >= len(c.lines) || c.column+ahead >= len(c.lines[c.line]) {
		return 0, false
	}
	return c.lines[c.line][c.column+ahead], true
}

// escapeLength is how many runes an escape that begins with a backslash and e
// takes in a double-quoted scalar.
func escapeLength(e rune) int {
	switch e {
	case 'x':
		return 4
	case 'u':
		return 6
	case 'U':
		return 10
	}
	return 2
}
