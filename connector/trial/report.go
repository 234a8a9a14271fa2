package trial

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/crm-connector/crm-connector/connector"
)

// Write prints the results for a person, with why each rule did or did not match
// where the result has that.
func Write(w io.Writer, results []Result) error {
	var out strings.Builder
	for i := range results {
		if i > 0 {
			out.WriteByte('\n')
		}
		results[i].write(&out)
	}
	_, err := io.WriteString(w, out.String())
	return err
}

func (r *Result) write(out *strings.Builder) {
	if r.Unreadable {
		fmt.Fprintf(out, "event    not readable: %s; it would be quarantined\n", r.Error)
		return
	}
	fmt.Fprintf(out, "event    %s", r.Type)
	for _, part := range []string{r.Message, r.Customer} {
		if part != "" {
			fmt.Fprintf(out, ", %s", part)
		}
	}
	out.WriteByte('\n')
	if r.Ping {
		out.WriteString("nothing  a ping is answered and reaches no mapping\n")
		return
	}
	r.writeRules(out)
	r.writeChanges(out)
}

func (r *Result) writeRules(out *strings.Builder) {
	for _, rule := range r.Rules {
		mark := "  no "
		if rule.Matched {
			mark = "  yes"
		}
		fmt.Fprintf(out, "%s    %s (line %d): %s\n", mark, rule.Rule, rule.Line, rule.Why)
	}
}

func (r *Result) writeChanges(out *strings.Builder) {
	m := r.Mapped
	switch {
	case m == nil:
		fmt.Fprintf(out, "error    %s; it would be a dead letter\n", r.Error)
		return
	case m.Skipped != "":
		fmt.Fprintf(out, "nothing  the rule %q skips the event\n", m.Skipped)
		return
	case len(m.Rules) == 0:
		out.WriteString("nothing  no rule matches\n")
		return
	}
	fmt.Fprintf(out, "rules    %s\n", strings.Join(m.Rules, ", "))
	if m.Empty() {
		out.WriteString("nothing  the rules that match change nothing\n")
	}
	if c := m.Contact; c != nil {
		fmt.Fprintf(out, "contact  %s\n", either(c.Make, "made where there is none", "only where there is one"))
		writes(out, c.Set, c.Create, c.Fill)
	}
	if t := m.Ticket; t != nil {
		fmt.Fprintf(out, "ticket   %s\n", either(t.Open, "opened where the conversation has none", "only where there is one"))
		writes(out, t.Set, t.Create, t.Fill)
	}
	for i := range m.Comments {
		writeComment(out, &m.Comments[i])
	}
}

func either(is bool, yes, no string) string {
	if is {
		return yes
	}
	return no
}

func writeComment(out *strings.Builder, c *connector.Comment) {
	fmt.Fprintf(out, "comment  by the %s, %s\n", c.Author, either(c.Private, "private", "public"))
	for line := range strings.Lines(c.Body) {
		fmt.Fprintf(out, "  | %s\n", strings.TrimRight(line, "\n"))
	}
	for _, a := range c.Attachments {
		fmt.Fprintf(out, "  attachment %s %s\n", cmp.Or(a.Name, "without a name"), a.URL)
	}
}

// writes prints what is written always, at the creation, and where it is blank.
func writes(out *strings.Builder, set, create, fill connector.Write) {
	for _, part := range []struct {
		when  string
		write connector.Write
	}{{"", set}, {" (when it is made)", create}, {" (where blank)", fill}} {
		writeFields(out, part.write.Standard, part.when)
		writeFields(out, part.write.Custom, part.when+" (the CRM's own)")
	}
}

func writeFields(out *strings.Builder, fields connector.Fields, when string) {
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		fmt.Fprintf(out, "  %s%s: %s\n", name, when, shown(fields[name]))
	}
}

func shown(v any) string {
	switch v := v.(type) {
	case nil:
		return "(cleared)"
	case []string:
		return strings.Join(v, ", ")
	case string:
		return fmt.Sprintf("%q", v)
	}
	return fmt.Sprint(v)
}
