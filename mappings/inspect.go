package mappings

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
)

// inspection walks an expression as it was written and finds every name that is
// unknown and everything that the language does not offer. The type checker
// after it stops at its first error.
type inspection struct {
	*compiler
	// callees are called, and bases have a member read, so that they are no
	// values of their own.
	callees, bases map[ast.Node]bool
	flaws          []flaw
	lets, paths    []int
	// changing is set when the expression reads what changes with each message.
	changing bool
}

func (c *compiler) inspect(root ast.Node) *inspection {
	in := &inspection{compiler: c, callees: map[ast.Node]bool{}, bases: map[ast.Node]bool{}}
	ast.Find(root, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallNode:
			in.callees[n.Callee] = true
		case *ast.MemberNode:
			in.bases[n.Node] = true
			if chain, ok := n.Node.(*ast.ChainNode); ok {
				in.bases[chain.Node] = true
			}
		}
		return false
	})
	ast.Walk(&root, in)
	return in
}

// wrong reports whether anything worse than a warning was found.
func (in *inspection) wrong() bool {
	return slices.ContainsFunc(in.flaws, func(f flaw) bool { return !f.warning })
}

func (in *inspection) add(n ast.Node, hint, format string, args ...any) {
	in.flaws = append(in.flaws, flaw{at: n.Location().From, text: fmt.Sprintf(format, args...), hint: hint})
}

// Visit looks at one node; its children were visited before it.
func (in *inspection) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		in.identifier(n)
	case *ast.MemberNode:
		in.member(n)
	case *ast.CallNode:
		in.call(n)
	case *ast.BuiltinNode:
		in.builtin(n)
	case *ast.BinaryNode:
		in.binary(n)
	case *ast.SliceNode:
		in.add(n, "write truncate(text, 10)", "parts of a text or list can't be cut out with […:…]")
	case *ast.VariableDeclaratorNode:
		in.add(n, "give it a name under the mapping's let:", "an expression can't have a let of its own")
	case *ast.SequenceNode:
		in.add(n, "write one expression", "an expression can't have several parts separated by ;")
	}
}

func (in *inspection) identifier(n *ast.IdentifierNode) {
	if in.callees[n] {
		return
	}
	if _, ok := in.known[n.Value]; ok {
		if i, ok := in.compiler.lets[n.Value]; ok && !slices.Contains(in.lets, i) {
			in.lets = append(in.lets, i)
		}
		in.group(n, in.known[n.Value])
		if n.Value == "message" || n.Value == "event" || n.Value == "data" || in.isLet(n.Value) {
			in.changing = true
		}
		return
	}
	if in.later[n.Value] {
		in.add(n, "move it up: a let sees only those above it", "%s is not known yet", n.Value)
		return
	}
	if slices.Contains(functionNames(), n.Value) {
		in.add(n, "write "+usage(n.Value), "%s is a function", n.Value)
		return
	}
	in.add(n, in.suggestName(n.Value), "there is no name %s", n.Value)
}

func (in *inspection) isLet(name string) bool {
	_, ok := in.compiler.lets[name]
	return ok
}

// suggestName looks among the names, then among the fields of the groups.
func (in *inspection) suggestName(name string) string {
	var names []string
	for n := range in.known {
		names = append(names, n)
	}
	for _, p := range allPaths() {
		if strings.HasSuffix(p, "."+name) {
			return "did you mean " + p + "?"
		}
	}
	if near := nearest(name, names); near != "" {
		return "did you mean " + near + "?"
	}
	return `a text needs quotes: "` + name + `"`
}

// member checks a field of a group.
func (in *inspection) member(n *ast.MemberNode) {
	base := in.typeOf(n.Node)
	if base == nil || base.Kind() != reflect.Struct {
		if in.callees[n] {
			in.methodCall(n)
		}
		return
	}
	name, ok := n.Property.(*ast.StringNode)
	if !ok {
		in.add(n, "name the field after a dot", "a field can't be worked out at run time")
		return
	}
	group, known := groups()[base]
	if !known || in.callees[n] {
		in.methodCall(n)
		return
	}
	of, ok := fieldOf(base, name.Value)
	if !ok {
		in.add(name, in.suggestField(base, group, name.Value), "%s has no field %s", group, name.Value)
		return
	}
	in.group(n, of)
	if _, leaf := in.leaves[pathOf(n)]; leaf {
		if i := in.pathNumber(pathOf(n)); !slices.Contains(in.paths, i) {
			in.paths = append(in.paths, i)
		}
	}
}

// group reports a group of fields where a value is needed.
func (in *inspection) group(n ast.Node, of reflect.Type) {
	name, isGroup := groups()[of]
	if isGroup && !in.bases[n] {
		in.add(n, "name one of them: "+name+"."+strings.Join(fieldNames(of), ", ."), "%s is a group of fields and no value", name)
	}
}

func (in *inspection) suggestField(base reflect.Type, group, name string) string {
	if near := nearest(name, fieldNames(base)); near != "" {
		return "did you mean " + group + "." + near + "?"
	}
	for _, p := range allPaths() {
		if strings.HasSuffix(p, "."+name) {
			return "did you mean " + p + "?"
		}
	}
	return "use " + group + "." + oneOf(fieldNames(base)) + ", or data." + name + " for what came in the webhook"
}

func (in *inspection) methodCall(n *ast.MemberNode) {
	name, _ := n.Property.(*ast.StringNode)
	if name == nil {
		in.add(n, "", "only functions can be called")
		return
	}
	hint := "times are written with date(time, layout)"
	if slices.Contains(functionNames(), name.Value) {
		hint = "write " + usage(name.Value)
	}
	in.add(name, hint, "nothing can be called after a dot")
}

// typeOf is the type of a path of fields, nil for anything else.
func (in *inspection) typeOf(n ast.Node) reflect.Type {
	switch n := n.(type) {
	case *ast.IdentifierNode:
		return in.known[n.Value]
	case *ast.ChainNode:
		return in.typeOf(n.Node)
	case *ast.MemberNode:
		base := in.typeOf(n.Node)
		name, ok := n.Property.(*ast.StringNode)
		if ok && base != nil && base.Kind() == reflect.Struct {
			t, _ := fieldOf(base, name.Value)
			return t
		}
	}
	return nil
}

// pathOf writes a path of fields, such as message.type.
func pathOf(n ast.Node) string {
	switch n := n.(type) {
	case *ast.IdentifierNode:
		return n.Value
	case *ast.ChainNode:
		return pathOf(n.Node)
	case *ast.MemberNode:
		if name, ok := n.Property.(*ast.StringNode); ok {
			return pathOf(n.Node) + "." + name.Value
		}
	}
	return ""
}

func (in *inspection) call(n *ast.CallNode) {
	callee, ok := n.Callee.(*ast.IdentifierNode)
	if !ok {
		if _, member := n.Callee.(*ast.MemberNode); !member {
			in.add(n, "", "only functions can be called")
		}
		return
	}
	f := in.functions[callee.Value]
	if f == nil || f.doc.Name == "" {
		in.add(callee, suggestFunction(callee.Value), "there is no function %s", callee.Value)
		return
	}
	for i, check := range f.fixed {
		if i < len(n.Arguments) {
			in.fixedArgument(n.Arguments[i], callee.Value, check)
		}
	}
}

// suggestFunction knows what other languages call our functions.
func suggestFunction(name string) string {
	others := map[string]string{
		"string": "text", "str": "text", "int": "number", "float": "number", "coalesce": "default", "concat": "join",
		"substr": "truncate", "substring": "truncate", "left": "truncate", "format": "date", "strftime": "date", "size": "len",
		"escape": "html", "tolower": "lower", "toupper": "upper", "strip": "trim", "now": "event.now", "sum": "count",
	}
	if ours := others[strings.ToLower(name)]; ours != "" {
		return "did you mean " + ours + "?"
	}
	return didYouMean(name, functionNames())
}

func (in *inspection) fixedArgument(arg ast.Node, name string, check func(*compiler, string) (string, string)) {
	s, ok := arg.(*ast.StringNode)
	if !ok {
		in.add(arg, "write "+usage(name), "this must be written out in quotes")
		return
	}
	if problem, hint := check(in.compiler, s.Value); problem != "" {
		in.add(s, hint, "%s", problem)
	}
}

func (in *inspection) builtin(n *ast.BuiltinNode) {
	if in.native[n.Name] == "" {
		in.add(n, suggestFunction(n.Name), "there is no function %s", n.Name)
		return
	}
	if !slices.Contains(loops(), n.Name) || len(n.Arguments) < 2 {
		return
	}
	if inner := ast.Find(n.Arguments[1], isLoop); inner != nil {
		in.add(inner, "give the inner list a name under let:", "a loop inside a loop could take too long")
	}
}

func isLoop(n ast.Node) bool {
	b, ok := n.(*ast.BuiltinNode)
	return ok && slices.Contains(loops(), b.Name)
}

func (in *inspection) binary(n *ast.BinaryNode) {
	switch n.Operator {
	case "..":
		in.add(n, "", "ranges are not available")
	case "matches":
		in.pattern(n.Right)
	case "==", "!=":
		in.value(n.Left, n.Right)
		in.value(n.Right, n.Left)
	case "in":
		if list, ok := n.Right.(*ast.ArrayNode); ok {
			for _, item := range list.Nodes {
				in.value(n.Left, item)
			}
		}
	}
}

func (in *inspection) pattern(n ast.Node) {
	s, ok := n.(*ast.StringNode)
	if !ok {
		in.add(n, `write it out, such as text matches "(?i)^stop"`, "a pattern can't be worked out at run time")
		return
	}
	if _, err := regexp.Compile(s.Value); err != nil {
		in.add(n, "in a pattern, write \\ before a sign that stands for itself", "the pattern is wrong: %s",
			strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
}

// value warns when a path is compared with something that it never is.
func (in *inspection) value(path, literal ast.Node) {
	s, ok := literal.(*ast.StringNode)
	values := valuesOf(pathOf(path))
	if !ok || s.Value == "" || values == nil || slices.Contains(values, s.Value) {
		return
	}
	in.flaws = append(in.flaws, flaw{
		at: s.Location().From, warning: true, hint: didYouMean(s.Value, values),
		text: fmt.Sprintf("%s is never known to be %q", pathOf(path), s.Value),
	})
}
