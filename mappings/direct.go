package mappings

import "github.com/expr-lang/expr/ast"

// direct is an expression that only calls our functions with names, constants
// and further such calls. Most are, and they need no machine.
type direct struct {
	name     string
	constant any
	call     func(s *scope, args []any) (any, error)
	args     []*direct
}

// directly gives a checked tree as direct calls, or nil when it is more.
func (c *compiler) directly(n ast.Node) *direct {
	switch n := n.(type) {
	case *ast.IdentifierNode:
		return &direct{name: n.Value}
	case *ast.StringNode:
		return &direct{constant: n.Value}
	case *ast.IntegerNode:
		return &direct{constant: n.Value}
	case *ast.BoolNode:
		return &direct{constant: n.Value}
	case *ast.CallNode:
		callee, ok := n.Callee.(*ast.IdentifierNode)
		if !ok || c.functions[callee.Value] == nil {
			return nil
		}
		d := &direct{call: c.functions[callee.Value].call}
		for _, arg := range n.Arguments {
			a := c.directly(arg)
			if a == nil {
				return nil
			}
			d.args = append(d.args, a)
		}
		return d
	}
	return nil
}

// direct works direct calls out. Arguments lie on one stack, which grows once.
func (r *run) direct(d *direct) (any, error) {
	if d.call == nil {
		if d.name != "" {
			return r.vars[d.name], nil
		}
		return d.constant, nil
	}
	base := len(r.args)
	for _, a := range d.args {
		got, err := r.direct(a)
		if err != nil {
			return nil, err
		}
		r.args = append(r.args, got)
	}
	got, err := d.call(r.scope, r.args[base:])
	clear(r.args[base:])
	r.args = r.args[:base]
	return got, err
}
