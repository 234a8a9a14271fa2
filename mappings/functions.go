package mappings

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/expr-lang/expr/builtin"
)

// Function describes a function of the expressions, for the reference. Example
// is an expression and Result the text that it gives; a test holds them to it.
type Function struct {
	Name    string
	Usage   string
	Doc     string
	Example string
	Result  string
}

// Functions lists the functions of the expressions, by name.
func Functions() []Function {
	var docs []Function
	for _, f := range library() {
		if f.doc.Name != "" {
			docs = append(docs, f.doc)
		}
	}
	slices.SortFunc(docs, func(a, b Function) int { return strings.Compare(a.Name, b.Name) })
	return docs
}

// function is a function of the expressions. call is given the scope of its
// mapping, and arguments that fit one of the signatures.
type function struct {
	doc  Function
	call func(s *scope, args []any) (any, error)
	// signatures are typed nil functions. Without them result works the type
	// out of the arguments' types.
	signatures []any
	result     func(args []reflect.Type) (reflect.Type, error)
	// fixed are arguments that must be written out, so that they can be checked
	// when the mapping is loaded.
	fixed map[int]func(c *compiler, value string) (problem, hint string)
}

// scope is what functions know of their mapping.
type scope struct {
	zone   *time.Location
	zones  map[string]*time.Location
	tables map[string]map[string]any
}

// callError is an error of a function; its words are ours and hold nothing of
// the event.
type callError string

// Error gives the words.
func (e callError) Error() string { return string(e) }

// bind makes a function of a mapping's scope out of f.
func (f *function) bind(name string, s *scope) *builtin.Function {
	b := &builtin.Function{
		Name: name,
		Func: func(args ...any) (any, error) { return f.call(s, args) },
	}
	if f.result != nil {
		b.Validate = func(args []reflect.Type) (reflect.Type, error) {
			t, err := f.result(args)
			if err != nil {
				err = fmt.Errorf("%w to call %s", err, name)
			}
			return t, err
		}
	}
	for _, t := range f.signatures {
		b.Types = append(b.Types, reflect.TypeOf(t))
	}
	return b
}

// native are the functions of the expression language itself that stay: they
// are bounded by the length of one list, need no clock, and give the same result
// every time.
func native() map[string]string {
	return map[string]string{
		"all": "all(list, # > 3)", "any": "any(list, # > 3)", "none": "none(list, # > 3)", "one": "one(list, # > 3)",
		"filter": "filter(list, # > 3)", "map": "map(list, .name)", "find": "find(list, .id == 1)",
		"findIndex": "findIndex(list, .id == 1)", "findLast": "findLast(list, .id == 1)", "count": "count(list, # > 3)",
		"abs": "abs(-1)", "ceil": "ceil(1.5)", "floor": "floor(1.5)", "round": "round(1.5)", "duration": `duration("24h")`,
	}
}

// loops are those of them that walk a list.
func loops() []string {
	return []string{"all", "any", "none", "one", "filter", "map", "find", "findIndex", "findLast", "count"}
}

// functionNames are all names that can be called.
func functionNames() []string {
	var names []string
	for name := range native() {
		names = append(names, name)
	}
	for _, f := range Functions() {
		names = append(names, f.Name)
	}
	slices.Sort(names)
	return names
}

// usage shows how a function is called.
func usage(name string) string {
	if u, ok := native()[name]; ok {
		return u
	}
	if f, ok := library()[name]; ok {
		return f.doc.Usage
	}
	return ""
}

// sameOr is the result of functions that give back one of their arguments.
func sameOr(args []reflect.Type) (reflect.Type, error) {
	if len(args) != 2 {
		return nil, fmt.Errorf("two values are needed, and not %d,", len(args))
	}
	if args[0] == args[1] {
		return args[0], nil
	}
	return reflect.TypeFor[any](), nil
}

// anyResult takes from least to most arguments of any type and gives any.
func anyResult(least, most int) func([]reflect.Type) (reflect.Type, error) {
	return func(args []reflect.Type) (reflect.Type, error) {
		if len(args) < least || len(args) > most {
			return nil, fmt.Errorf("%d to %d values are needed, and not %d,", least, most, len(args))
		}
		return reflect.TypeFor[any](), nil
	}
}

// textFunc is a function of one text.
func textFunc(f func(string) string) func(*scope, []any) (any, error) {
	return func(s *scope, args []any) (any, error) { return tidy(f(clip(text(args[0], s.zone)))), nil }
}
