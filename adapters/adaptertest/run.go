package adaptertest

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"runtime/pprof"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crm-connector/crm-connector/connector"
)

// Outcome is what became of one case.
type Outcome struct {
	Case string
	// Left says why the case does not apply to the adapter; empty when it ran.
	Left string
	// Problems are what the adapter broke; none means that it passed.
	Problems []string
}

// kase is one sentence of the contract.
type kase struct {
	name   string
	reason string
	// left says why the case does not apply, or nothing. Nil means that it
	// applies to every adapter.
	left func(s *stage) string
	run  func(s *stage)
}

// Run holds an adapter against the contract, one subtest for each case, and
// prints what the adapter and its CRM can do.
func Run(t *testing.T, config Config) {
	t.Helper()
	t.Log("\n" + Capabilities(t.Context(), config))
	for _, k := range cases() {
		t.Run(strings.ReplaceAll(k.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			o := play(t.Context(), &config, k)
			if o.Left != "" {
				t.Logf("does not apply: %s", o.Left)
			}
			for _, p := range o.Problems {
				t.Errorf("%s\n\tthe contract: %s", p, k.reason)
			}
		})
	}
}

// Check plays the same cases, or those that are named, one after the other, and
// gives their outcomes.
func Check(ctx context.Context, config Config, named ...string) []Outcome {
	var out []Outcome
	for _, k := range cases() {
		if len(named) == 0 || slices.Contains(named, k.name) {
			out = append(out, play(ctx, &config, k))
		}
	}
	return out
}

// played numbers the plays, so that each knows its own goroutines.
var played atomic.Int64

// caseTime bounds one case; an adapter that hangs must not hang the suite.
const caseTime = time.Minute

// play runs a case on a fresh stage. Goroutines inherit the label, so that those
// which outlive the case are found however many cases run beside it.
func play(ctx context.Context, config *Config, k kase) (out Outcome) {
	out.Case = k.name
	label := fmt.Sprintf("%d", played.Add(1))
	pprof.Do(ctx, pprof.Labels("adaptertest", label), func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, caseTime)
		defer cancel()
		s, err := newStage(ctx, config)
		if err != nil {
			out.Problems = []string{err.Error()}
			return
		}
		defer func() { out.Problems = s.problems }()
		defer s.stop()
		if k.left != nil {
			out.Left = k.left(s)
		}
		if out.Left == "" {
			k.run(s)
		}
	})
	if left := outlived(label); left > 0 {
		out.Problems = append(out.Problems, fmt.Sprintf("%d goroutines outlived the adapter", left))
	}
	return out
}

// outlived counts a play's goroutines, giving them two seconds to end.
func outlived(label string) int {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for try := 0; ; try++ {
		n := labelled(label)
		if n == 0 || try == 400 {
			return n
		}
		<-tick.C
	}
}

// labelled counts the goroutines that carry a play's label.
func labelled(label string) int {
	var b bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&b, 1); err != nil {
		return 0
	}
	n, group := 0, 0
	for line := range strings.Lines(b.String()) {
		if count, _, ok := strings.Cut(line, " @ "); ok {
			group = 0
			_, _ = fmt.Sscan(count, &group)
		}
		if strings.HasPrefix(line, "# labels:") && strings.Contains(line, fmt.Sprintf("%q:%q", "adaptertest", label)) {
			n += group
		}
	}
	return n
}

// Capabilities is the table of what an adapter says of its CRM, and which of the
// bench's functions the CRM has no notion of.
func Capabilities(ctx context.Context, config Config) string {
	s, err := newStage(ctx, &config)
	if err != nil {
		return err.Error() + "\n"
	}
	defer s.stop()
	var b strings.Builder
	d := s.about
	fmt.Fprintf(&b, "%s\n", d.CRM)
	for _, kind := range []connector.Kind{connector.KindContact, connector.KindTicket, connector.KindComment} {
		k := d.For(kind)
		fmt.Fprintf(&b, "  %-8s %-6s batch %-3d settling %s, lag %s, standard %v, required %v\n",
			kind, k.Create, per(k.Batch), k.Settling, k.Lag, k.Standard, k.Required)
	}
	fmt.Fprintf(&b, "  observe %d a call, %d comments a change, first comment %s\n", per(d.ObserveBatch), per(d.Comments), orApart(d.FirstComment))
	fmt.Fprintf(&b, "  makes contacts %t, guarded %t, fills %t, concurrency %d, quota %v\n", d.MakesContact, d.Guarded, d.Fills, per(d.Concurrency), d.Quota)
	_, checks := s.bench.Adapter.(connector.Checker)
	there := map[string]bool{
		"checks": checks, "solves": s.bench.Solve != nil, "finishes": s.bench.Finish != nil, "deletes": s.bench.Delete != nil,
		"merges": s.bench.Merge != nil, "jobs": s.bench.FinishJobs != nil,
		"day's quota": config.DaySpent != nil, "unchanged": s.bench.Unchanged != nil, "ignores filters": s.bench.IgnoreFilters != nil,
	}
	for _, name := range slices.Sorted(maps.Keys(there)) {
		if !there[name] {
			fmt.Fprintf(&b, "  without: %s\n", name)
		}
	}
	return b.String()
}

func orApart(f connector.FirstComment) string {
	if f == connector.FirstCommentApart {
		return "apart"
	}
	return string(f)
}

// cases are all of them, in the order in which an author should make them pass.
func cases() []kase {
	var all []kase
	for _, group := range [][]kase{basics(), contents(), batches(), observations(), conditions(), endings(), unknowns(), asynchronous(), limits(), privacy()} {
		all = append(all, group...)
	}
	return all
}
