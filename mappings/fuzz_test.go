package mappings_test

import (
	"strings"
	"testing"

	"github.com/crm-connector/crm-connector/mappings"
)

// FuzzLoad: no file panics or hangs, and what loads maps everything.
func FuzzLoad(f *testing.F) {
	for _, name := range mappings.BuiltinNames() {
		src, _ := mappings.Builtin(name)
		f.Add(string(src))
	}
	f.Add(merging)
	f.Add("rules: [{name: x, on: '*', contact: {tags: [\"${data.a}\", 1, ~]}}]")
	f.Fuzz(func(t *testing.T, src string) {
		m, err := mappings.Load("f.yaml", []byte(src), mappings.Options{})
		if err != nil {
			if strings.TrimSpace(err.Error()) == "" {
				t.Error("an error without words")
			}
			return
		}
		for _, s := range samples() {
			_, _ = m.Map(s.event)
			_ = m.Explain(s.event)
		}
	})
}

// FuzzExpression: no expression panics, hangs or makes more than its bound.
func FuzzExpression(f *testing.F) {
	for _, fn := range mappings.Functions() {
		f.Add(fn.Example)
	}
	for _, e := range []string{
		"message.text + message.caption", "data.a.b[0].c > 3", "filter(data.a, .x)", "event.time - state.first_seen > duration('1h')",
		"not data.x ? 1 : [1, 2]", "map(data.list, {a: #})", "message?.text", "first(data.a)?.b", "1 in [1, 2]", "data['a']", "-data.a",
	} {
		f.Add(e)
	}
	f.Fuzz(func(t *testing.T, expression string) {
		quoted := strings.ReplaceAll(expression, "'", "''")
		src := "rules: [{name: x, on: '*', contact: {make: true, fields: {f: '${" + quoted + "}'}}, comment: {body: 'a ${" + quoted + "}'}}]"
		m, err := mappings.Load("f.yaml", []byte(src), mappings.Options{})
		if err != nil {
			return
		}
		e := received("hello 😀")
		e.Data = map[string]any{"a": []any{1.0, "x", nil, map[string]any{"x": true}}, "list": []any{"p", "q"}}
		out, err := m.Map(e)
		if err != nil {
			return
		}
		for _, c := range out.Comments {
			if len(c.Body) > mappings.MaxText {
				t.Errorf("a body of %d bytes", len(c.Body))
			}
		}
	})
}
