package torture

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// Report is what came of a run.
type Report struct {
	Options Options `json:"options"`
	Ledger  Sums    `json:"ledger"`
	// Contacts, Tickets and Comments are how many the CRM holds.
	Contacts int `json:"contacts"`
	Tickets  int `json:"tickets"`
	Comments int `json:"comments"`
	// Outcomes are the connector's own account, and Unknown the creates whose end
	// nobody can know.
	Outcomes map[string]int `json:"outcomes"`
	Unknown  int            `json:"unknown_ends"`
	// Calls, Endpoints, Faults and WorstWindow are the CRM's own account.
	Calls       int            `json:"calls"`
	PerThousand float64        `json:"calls_per_1000_events"`
	Refused     int            `json:"calls_over_quota"`
	Endpoints   map[string]int `json:"calls_by_endpoint"`
	Faults      map[string]int `json:"faults"`
	WorstWindow int            `json:"worst_window"`
	// Broken counts the breaches of each promise, and Findings are the first ones.
	Broken   map[Promise]int `json:"broken"`
	Findings []Finding       `json:"findings"`
	Seconds  float64         `json:"seconds"`
	// Kept is where the run's files are, empty when they were removed.
	Kept string `json:"kept,omitempty"`
}

// most is how many breaches of each promise are spelled out.
const most = 5

// OK reports whether every promise was kept.
func (r *Report) OK() bool { return r != nil && len(r.Broken) == 0 }

func (r *Report) keptAt(dir string) {
	if r != nil {
		r.Kept = dir
	}
}

// fill adds what was seen at the end, and the verdict.
func (r *Report) fill(o *Options, book *ledger, s *seen) {
	r.Contacts, r.Tickets = len(s.contacts), len(s.tickets)
	for _, comments := range s.comments {
		r.Comments += len(comments)
	}
	for _, d := range s.status.Destinations {
		r.Outcomes, r.Unknown = d.Outcomes, d.Unknown
	}
	r.Calls, r.Endpoints, r.Faults = s.stats.Calls, s.stats.ByEndpoint, s.stats.Faults
	r.Refused, r.WorstWindow = s.stats.Refused, s.stats.WorstWindow
	r.PerThousand = 1000 * float64(r.Calls) / float64(max(1, r.Ledger.Answered))
	r.judged(findings(o, book.list(), s))
}

// judged sums the breaches up and keeps the first ones of each promise.
func (r *Report) judged(all []Finding) {
	r.Broken, r.Findings = map[Promise]int{}, []Finding{}
	slices.SortStableFunc(all, func(a, b Finding) int {
		return cmp.Compare(slices.Index(Promises(), a.Promise), slices.Index(Promises(), b.Promise))
	})
	for _, f := range all {
		if r.Broken[f.Promise]++; r.Broken[f.Promise] <= most {
			r.Findings = append(r.Findings, f)
		}
	}
}

// Write prints the report for a person.
func (r *Report) Write(w io.Writer) error {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%-14s %s\n", name, fmt.Sprintf(format, args...))
	}
	l := &r.Ledger
	line("events", "%d, of which %d messages in %d conversations", l.Events, l.Messages, r.Options.Conversations)
	line("answers", "%s; half within %.1f ms, 99 %% within %.0f ms, the slowest %.0f ms", tally(l.Answers), l.P50, l.P99, l.Max)
	line("kills", "%d", l.Kills)
	line("faults", "%s", cmp.Or(tally(r.Faults), "none"))
	line("the CRM has", "%d contacts, %d tickets, %d comments", r.Contacts, r.Tickets, r.Comments)
	line("outcomes", "%s", tally(r.Outcomes))
	for _, p := range Promises() {
		line(string(p), "%d", r.Broken[p])
	}
	line("unknown ends", "%d", r.Unknown)
	line("calls", "%d, that is %.1f for 1,000 events", r.Calls, r.PerThousand)
	line("worst window", "%s", r.window())
	line("duration", "%s: %s of sending, %s until all was delivered", seconds(r.Seconds), seconds(l.Sending), seconds(l.Draining))
	line("seed", "%d", r.Options.Seed)
	if len(r.Findings) > 0 {
		fmt.Fprintln(w, "\nbroken promises:")
	}
	for _, f := range r.Findings {
		fmt.Fprintf(w, "  %s: %s\n", f.Promise, f.where()+f.Text)
	}
	for _, p := range Promises() {
		if n := r.Broken[p]; n > most {
			fmt.Fprintf(w, "  %s: and %d more\n", p, n-most)
		}
	}
	verdict := "every promise was kept"
	if !r.OK() {
		verdict = "a promise was broken"
	}
	_, err := fmt.Fprintln(w, "\n"+verdict)
	return err
}

func (r *Report) window() string {
	if q := r.Options.Quota; q.Calls > 0 {
		return fmt.Sprintf("%d of %d calls in %s, %s", r.WorstWindow, q.Calls, q.Per, q.Kind)
	}
	return fmt.Sprintf("%d calls, no quota", r.WorstWindow)
}

func (f *Finding) where() string {
	if f.Conversation == 0 {
		return ""
	}
	return fmt.Sprintf("conversation %d: ", f.Conversation)
}

// why says how the destination is.
func (d *destination) why() string {
	if d.Paused != nil {
		return "paused: " + d.Paused.Why
	}
	return d.State
}

func seconds(s float64) time.Duration {
	return time.Duration(s * float64(time.Second)).Round(100 * time.Millisecond)
}

// tally writes counts by name.
func tally(counts map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		if counts[name] == 0 {
			continue
		}
		parts = append(parts, fmt.Sprintf("%d %s", counts[name], name))
	}
	return strings.Join(parts, ", ")
}
