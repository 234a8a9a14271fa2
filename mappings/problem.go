package mappings

import (
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with a mapping, and where.
type Problem struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
	// Text says what is wrong, and Hint what was probably meant or what to do.
	Text string `json:"text"`
	Hint string `json:"hint,omitempty"`
	// Warning says that the mapping works all the same.
	Warning bool `json:"warning,omitempty"`
}

// String gives the problem as file:line:column: what is wrong; what to do.
func (p Problem) String() string {
	s := fmt.Sprintf("%s:%d:%d: ", p.File, p.Line, p.Column)
	if p.Warning {
		s += "warning: "
	}
	s += p.Text
	if p.Hint != "" {
		s += "; " + p.Hint
	}
	return s
}

// Errors is everything that is wrong with a mapping, in the order of its lines.
// At least one of them is not a warning.
type Errors []Problem

// Error gives one problem a line.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, p := range e {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// place is a position in a file, counted from 1.
type place struct{ line, column int }

// maxProblems is how many problems of one file are reported.
const maxProblems = 200

// report collects the problems of one file.
type report struct {
	file     string
	problems []Problem
}

func (r *report) wrong(at place, hint, format string, args ...any) {
	r.add(at, false, hint, fmt.Sprintf(format, args...))
}

func (r *report) warn(at place, hint, format string, args ...any) {
	r.add(at, true, hint, fmt.Sprintf(format, args...))
}

func (r *report) add(at place, warning bool, hint, text string) {
	if len(r.problems) >= maxProblems {
		return
	}
	p := Problem{File: r.file, Line: at.line, Column: at.column, Text: text, Hint: hint, Warning: warning}
	if !slices.Contains(r.problems, p) {
		r.problems = append(r.problems, p)
	}
}

// sorted gives the problems in the order of the file, and whether all of them are
// warnings.
func (r *report) sorted() (problems []Problem, good bool) {
	slices.SortStableFunc(r.problems, func(a, b Problem) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	return r.problems, !slices.ContainsFunc(r.problems, func(p Problem) bool { return !p.Warning })
}
