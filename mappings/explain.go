package mappings

import "github.com/crm-connector/crm-connector/connector"

// RuleTrace says whether one rule took part in mapping an event, and why.
type RuleTrace struct {
	Rule    string `json:"rule"`
	Line    int    `json:"line"`
	Matched bool   `json:"matched"`
	// Why is a sentence for people.
	Why string `json:"why"`
}

// Explain says of every rule why it did or did not match an event, in order.
func (m *Mapping) Explain(e *connector.Event) []RuleTrace {
	r := m.begin(e)
	defer r.end()
	var traces []RuleTrace
	ended := ""
	for _, rule := range m.rules {
		t := RuleTrace{Rule: rule.name, Line: rule.at.line}
		switch {
		case !rule.takes(e.Type):
			t.Why = "it is not for " + string(e.Type)
		case ended != "":
			t.Why = ended
		default:
			t.Matched, t.Why = r.why(rule)
		}
		if t.Matched && (rule.stop || rule.skip) {
			ended = "the rule " + quoteKey(rule.name) + " before it stopped"
		}
		traces = append(traces, t)
	}
	return traces
}

func (r *run) why(rule *rule) (bool, string) {
	ok, failed, err := r.holds(rule)
	switch {
	case err != nil:
		return false, err.Error()
	case !ok:
		return false, "this did not hold: " + failed.source
	case rule.skip:
		return true, "it matched, and says to skip the event"
	case rule.always():
		return true, "it has no condition"
	}
	return true, "its condition held"
}
