package config

import (
	"fmt"
	"slices"
	"strings"
)

// Position is a place in a file. Line and Column count from 1; 0 means unknown.
type Position struct {
	File   string `json:"file"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
}

// String gives file:line:column, as far as it is known.
func (p Position) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Column == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// located remembers where a part of the configuration and its keys were written.
type located struct {
	self Position
	keys map[string]Position
}

// At gives the place of a key's value, or of the whole part where the file does
// not have the key. An element of a list is named like sources[0].
func (l *located) At(key string) Position {
	if p, ok := l.keys[key]; ok {
		return p
	}
	return l.self
}

func (l *located) locate(self Position, keys map[string]Position) { l.self, l.keys = self, keys }

// has reports whether the file gives the key.
func (l *located) has(key string) bool {
	_, ok := l.keys[key]
	return ok
}

// Problem is one mistake in a configuration.
type Problem struct {
	Position
	// Text says what is wrong, and Hint what to do about it or what was probably
	// meant; Hint can be empty.
	Text string `json:"text"`
	Hint string `json:"hint,omitempty"`
}

// String gives the mistake in one line.
func (p Problem) String() string {
	s := p.Position.String() + ": " + p.Text
	if p.Hint != "" {
		s += "; " + p.Hint
	}
	return s
}

// Problems are all mistakes of a configuration, in the order of the file. It is
// the error of whatever reads one.
type Problems []Problem

// Error gives one line for each mistake.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}

// add notes a mistake.
func (p *Problems) add(at Position, hint, format string, args ...any) {
	*p = append(*p, Problem{Position: at, Text: fmt.Sprintf(format, args...), Hint: hint})
}

// err gives the problems in order, or nil when there are none.
func (p Problems) err() error {
	if len(p) == 0 {
		return nil
	}
	slices.SortStableFunc(p, func(a, b Problem) int {
		if c := strings.Compare(a.File, b.File); c != 0 {
			return c
		}
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	return p
}
