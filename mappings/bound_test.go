package mappings_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/crm-connector/crm-connector/mappings"
)

// TestBounded: what is large is refused or done, and soon.
func TestBounded(t *testing.T) {
	t.Parallel()
	field := func(e string) string {
		return "rules:\n  - name: x\n    on: '*'\n    contact:\n      fields:\n        f: '${" + e + "}'\n"
	}
	many := func(n int, s string) string { return strings.Repeat(s, n) }
	cases := map[string]string{
		"deep parentheses":     field(many(2000, "(") + "1" + many(2000, ")")),
		"a long chain":         field("data" + many(240, ".a")),
		"a long sum":           field("message.text" + many(240, " + message.text")),
		"nested conditions":    field(many(120, "data.a ? 1 : ") + "2"),
		"nested calls":         field(many(120, "upper(") + "message.text" + many(120, ")")),
		"nested lists":         field(many(400, "[") + many(400, "]")),
		"nested YAML":          "rules: " + many(5000, "[") + many(5000, "]"),
		"many expressions":     "rules:\n  - name: x\n    on: '*'\n    comment: {body: '" + many(20000, "${message.text}") + "'}\n",
		"many lines":           "rules:\n  - name: x\n    on: '*'\n    contact:\n      fields:\n" + fields(1500),
		"many rules":           "rules:\n" + many(20000, "  - {name: a, on: '*', stop: true}\n"),
		"many types":           "rules:\n" + many(400, "  - {name: a, on: ['*'"+many(25, ", a.*")+"], comment: {body: x}}\n"),
		"a long unknown name":  field(many(4000, "m")),
		"a loop over the data": field("count(data.list, message.text + # == message.caption)"),
	}
	for name, src := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			m, err := mappings.Load("m.yaml", []byte(src), mappings.Options{})
			if err == nil {
				e := received(strings.Repeat("नमस्ते ", 1000))
				e.Data = map[string]any{"list": make([]any, 100_000)}
				_, _ = m.Map(e)
			}
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

// fields writes fields with an expression each.
func fields(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "        f%d: ${truncate(message.text, %d)}\n", i, i)
	}
	return b.String()
}
