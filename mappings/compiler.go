package mappings

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/checker"
	bytecode "github.com/expr-lang/expr/compiler"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/optimizer"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"
)

// Bounds of one expression. The machine's memory budget bounds the rest.
const (
	maxExpression = 4096
	maxNodes      = 500
)

// compiler turns the expressions of one mapping into programs.
type compiler struct {
	config    *conf.Config
	scope     *scope
	functions map[string]*function
	native    map[string]string
	// known has the type of every top-level name, the lets so far included, and
	// lets the number of each let.
	known map[string]reflect.Type
	lets  map[string]int
	// leaves are the paths that there are, and paths those that are read, with
	// their numbers.
	leaves map[string]path
	paths  []path
	number map[string]int
	// later has the lets that were not reached yet, for a hint.
	later map[string]bool
}

func newCompiler(zone *time.Location, tables map[string]map[string]any) *compiler {
	c := &compiler{
		scope:     &scope{zone: zone, zones: map[string]*time.Location{}, tables: tables},
		functions: library(), native: native(), leaves: leaves(), number: map[string]int{},
		known: map[string]reflect.Type{}, lets: map[string]int{}, later: map[string]bool{},
	}
	for _, v := range variables() {
		c.known[v.name] = v.of
	}
	c.config = conf.CreateNew()
	c.config.MaxNodes = maxNodes
	for name := range c.config.Builtins {
		if c.native[name] == "" {
			c.config.Disabled[name] = true
			delete(c.config.Builtins, name)
		}
	}
	for name, f := range c.functions {
		c.config.Functions[name] = f.bind(name, c.scope)
	}
	c.config.Visitors = []ast.Visitor{&loosener{leaves: c.leaves}}
	c.refresh()
	return c
}

// define makes a let known to the expressions behind it.
func (c *compiler) define(name string, t reflect.Type) {
	c.lets[name] = len(c.lets)
	c.known[name] = t
	delete(c.later, name)
	c.refresh()
}

// refresh tells the type checker the names that are known.
func (c *compiler) refresh() {
	c.config.WithEnv(map[string]any{})
	for name, p := range c.leaves {
		c.config.Env.Fields[name] = c.config.NtCache.FromType(p.of)
	}
	for name, t := range c.known {
		if t != nil && t.Kind() == reflect.Interface {
			t = nil
		}
		c.config.Env.Fields[name] = c.config.NtCache.FromType(t)
	}
}

// pathNumber numbers the paths that the mapping reads.
func (c *compiler) pathNumber(name string) int {
	i, ok := c.number[name]
	if !ok {
		i = len(c.paths)
		c.number[name] = i
		c.paths = append(c.paths, c.leaves[name])
	}
	return i
}

// expression is one compiled expression.
type expression struct {
	program *vm.Program
	// of is the type of the result, nil when it is only known at run time.
	of reflect.Type
	// lets and paths are what it reads.
	lets, paths []int
	// direct is the expression when it needs no machine.
	direct *direct
	// source is the text as written, and at where it begins.
	source string
	at     place
	// changing says that it reads something that differs between a customer's
	// messages.
	changing bool
}

// flaw is something wrong inside an expression, at a rune of its text.
type flaw struct {
	at         int
	text, hint string
	warning    bool
}

// compile compiles an expression whole, or says everything that is wrong with it.
func (c *compiler) compile(src string) (*expression, []flaw) {
	parts, flaws := c.compileParts(src, false)
	if len(parts) == 0 {
		return nil, flaws
	}
	return parts[0], flaws
}

// compileCondition compiles the members of a chain of "and" one by one, so that
// it can be said which of them did not hold.
func (c *compiler) compileCondition(src string) ([]*expression, []flaw) {
	return c.compileParts(src, true)
}

func (c *compiler) compileParts(src string, condition bool) (parts []*expression, flaws []flaw) {
	if len(src) > maxExpression {
		return nil, []flaw{{text: fmt.Sprintf("the expression is longer than %d bytes", maxExpression), hint: "give parts of it names under let:"}}
	}
	if strings.TrimSpace(src) == "" {
		return nil, []flaw{{text: "the expression is empty"}}
	}
	// The expression library panics on a few malformed trees; a mapping must
	// never bring the connector down.
	defer func() {
		if recover() != nil {
			parts, flaws = nil, append(flaws, flaw{text: "the expression can't be compiled", hint: "write it more simply"})
		}
	}()
	tree, err := parser.ParseWithConfig(src, c.config)
	if err != nil {
		return nil, []flaw{c.explain(err)}
	}
	seen := c.inspect(tree.Node)
	if seen.wrong() {
		return nil, seen.flaws
	}
	for _, node := range conjuncts(tree.Node, condition) {
		e, f := c.finish(&parser.Tree{Node: node, Source: tree.Source}, condition)
		if f != nil {
			seen.flaws = append(seen.flaws, *f)
			continue
		}
		e.lets, e.paths, e.changing = seen.lets, seen.paths, seen.changing
		parts = append(parts, e)
	}
	if seen.wrong() {
		return nil, seen.flaws
	}
	return parts, seen.flaws
}

// finish checks the types of a tree and compiles it.
func (c *compiler) finish(tree *parser.Tree, condition bool) (*expression, *flaw) {
	e := &expression{source: tree.Node.String()}
	of, err := new(checker.Checker).PatchAndCheck(tree, c.config)
	if err != nil {
		f := c.explain(err)
		return nil, &f
	}
	if of != nil && of.Kind() != reflect.Interface {
		e.of = of
	}
	if condition && e.of != nil && e.of.Kind() != reflect.Bool {
		return nil, &flaw{
			at: start(tree.Node), text: "a condition is needed, and this is " + kindName(e.of),
			hint: "compare it with something, such as " + e.source + exampleComparison(e.of),
		}
	}
	if e.direct = c.directly(tree.Node); e.direct != nil {
		return e, nil
	}
	if err := optimizer.Optimize(&tree.Node, c.config); err != nil {
		f := c.explain(err)
		return nil, &f
	}
	if e.program, err = bytecode.Compile(tree, c.config); err != nil {
		// What passes the type checker and fails here is the library's fault, and
		// its error is a stack trace.
		return nil, &flaw{at: start(tree.Node), text: "the expression can't be compiled", hint: "write it more simply"}
	}
	return e, nil
}

func exampleComparison(t reflect.Type) string {
	switch {
	case t.Kind() == reflect.String:
		return ` != ""`
	case t == reflect.TypeFor[time.Time]():
		return " > state.first_seen"
	}
	return " > 0"
}

// conjuncts splits a chain of "and"; what is no condition stays whole.
func conjuncts(n ast.Node, condition bool) []ast.Node {
	if b, ok := n.(*ast.BinaryNode); ok && condition && (b.Operator == "and" || b.Operator == "&&") {
		return append(conjuncts(b.Left, true), conjuncts(b.Right, true)...)
	}
	return []ast.Node{n}
}

// start is where a node's text begins; an operator's own location is its sign.
func start(n ast.Node) int {
	first := n.Location().From
	ast.Find(n, func(inner ast.Node) bool {
		if !isImplied(inner) {
			first = min(first, inner.Location().From)
		}
		return false
	})
	return first
}

// isImplied reports whether a node stands nowhere in the text.
func isImplied(n ast.Node) bool {
	switch n.(type) {
	case *ast.PredicateNode, *ast.ChainNode:
		return true
	}
	return n.Location() == file.Location{}
}

// kindName names a type as people do.
func kindName(t reflect.Type) string {
	switch {
	case t == nil:
		return "a value of any kind"
	case t == reflect.TypeFor[time.Time]():
		return "a time"
	case t == reflect.TypeFor[time.Duration]():
		return "a duration"
	}
	switch t.Kind() {
	case reflect.String:
		return "a text"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64, reflect.Float64:
		return "a number"
	case reflect.Slice:
		return "a list"
	case reflect.Map, reflect.Struct:
		return "a group of fields"
	}
	return "a value of any kind"
}

// explain turns the expression library's error into ours.
func (c *compiler) explain(err error) flaw {
	fe, ok := errors.AsType[*file.Error](err)
	if !ok {
		return flaw{text: plainWords(err.Error())}
	}
	f := flaw{at: fe.From, text: plainWords(fe.Message)}
	f.hint = hintFor(fe.Message)
	return f
}

// plainWords replaces the names of Go types by what people call them.
func plainWords(s string) string {
	for t, name := range groups() {
		s = strings.ReplaceAll(s, t.String(), name)
	}
	return strings.NewReplacer(
		"interface {}", "any", "map[string]any", "data", "[]any", "list", "time.Time", "time", "time.Duration", "duration",
		"float64", "number", "int", "number", "string", "text",
	).Replace(s)
}

// hintFor says what was probably meant where the library's words give it away.
func hintFor(message string) string {
	switch {
	case strings.Contains(message, `Operator("=")`):
		return "compare with =="
	case strings.Contains(message, "EOF"):
		return "something is missing at the end"
	case strings.Contains(message, "mismatched types") && strings.HasPrefix(message, "invalid operation: +"):
		return "text(…) makes a text of a number"
	case strings.Contains(message, "mismatched types"):
		return "number(…) makes a number of a text"
	case strings.HasPrefix(message, "unexpected token Bracket"), strings.HasPrefix(message, "unexpected token Operator"):
		return "look for a sign too many or too few before it"
	}
	for _, name := range slices.Sorted(maps.Keys(library())) {
		if strings.HasSuffix(strings.TrimSpace(message), "call "+name) && usage(name) != "" {
			return "write " + usage(name)
		}
	}
	return ""
}
