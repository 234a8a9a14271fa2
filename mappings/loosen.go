package mappings

import (
	"reflect"
	"slices"

	"github.com/expr-lang/expr/ast"
)

// loosener makes expressions bear what is absent from open data: a member of
// nothing is nothing, comparing with nothing is false, a loop over nothing does
// nothing. It runs after the types are known and puts calls of the internal
// functions in, also where texts are put together, so that they stay bounded.
// Typed paths become single names, which cost no reflection.
type loosener struct{ leaves map[string]path }

// Visit replaces a node whose operands are open.
func (l *loosener) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.MemberNode:
		if p, leaf := l.leaves[pathOf(n)]; leaf {
			name := &ast.IdentifierNode{Value: p.name}
			ast.Patch(node, name)
			name.SetType(p.of)
			return
		}
		if isOpen(n.Node) || n.Node.Type().Kind() == reflect.Map || n.Node.Type().Kind() == reflect.Slice {
			ast.Patch(node, internalCall("get", n.Node, n.Property))
		}
	case *ast.BuiltinNode:
		if slices.Contains(loops(), n.Name) {
			n.Arguments[0] = internalCall("items", n.Arguments[0])
			loosenPredicate(n)
		}
	case *ast.UnaryNode:
		if n.Operator == "!" || n.Operator == "not" {
			n.Node = condition(n.Node)
		}
	case *ast.ConditionalNode:
		n.Cond = condition(n.Cond)
	case *ast.BinaryNode:
		l.binary(node, n)
	}
}

// loosenPredicate makes a condition of what a loop asks of each item.
func loosenPredicate(n *ast.BuiltinNode) {
	if n.Name == "map" || len(n.Arguments) < 2 {
		return
	}
	if p, ok := n.Arguments[1].(*ast.PredicateNode); ok {
		p.Node = condition(p.Node)
	}
}

func (l *loosener) binary(node *ast.Node, n *ast.BinaryNode) {
	switch n.Operator {
	case "and", "&&", "or", "||":
		n.Left, n.Right = condition(n.Left), condition(n.Right)
	case "<", "<=", ">", ">=", "+", "-", "*", "/", "%":
		if n.Operator == "+" && n.Left.Type().Kind() == reflect.String && n.Right.Type().Kind() == reflect.String {
			ast.Patch(node, internalCall("concat", n.Left, n.Right))
		} else if isOpen(n.Left) || isOpen(n.Right) {
			ast.Patch(node, internalCall("operate", &ast.StringNode{Value: n.Operator}, n.Left, n.Right))
		}
	}
}

// condition makes a condition of an open value.
func condition(n ast.Node) ast.Node {
	if isOpen(n) {
		return internalCall("truth", n)
	}
	return n
}

// isOpen reports whether a node's type is only known at run time.
func isOpen(n ast.Node) bool {
	return n.Type() == nil || n.Type().Kind() == reflect.Interface
}

func internalCall(name string, args ...ast.Node) ast.Node {
	call := &ast.CallNode{Callee: &ast.IdentifierNode{Value: internalName(name)}, Arguments: args}
	call.SetLocation(args[0].Location())
	call.Callee.SetLocation(args[0].Location())
	return call
}
