package adaptertest_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/crm-connector/crm-connector/adapters/adaptertest"
	"github.com/crm-connector/crm-connector/connector"
)

func config(f flaw) adaptertest.Config {
	bad := connector.Write{Custom: connector.Fields{"bad": "x"}}
	return adaptertest.Config{
		New: bench(f), Secrets: []string{referenceToken}, BadContact: bad, BadTicket: bad,
		DaySpent: &adaptertest.Answer{
			Status: 429, Header: http.Header{"Retry-After": {"3600"}}, Body: `{"code":"day","message":"come back tomorrow"}`,
			Want: connector.Broken, Wait: time.Hour,
		},
		Answers: []adaptertest.Answer{{
			Name: "contact gone", Status: 422, Body: `{"code":"contact gone","message":"no such contact"}`,
			To: connector.KindTicket, Want: connector.Stale,
		}},
	}
}

func TestTheReferenceAdapterPasses(t *testing.T) {
	t.Parallel()
	adaptertest.Run(t, config(none))
}

// TestEveryFlawIsCaught is the proof of the suite: an adapter that breaks one
// sentence of the contract fails the case that says it.
func TestEveryFlawIsCaught(t *testing.T) {
	t.Parallel()
	caughtBy := map[flaw]string{
		swapsResults: "full batch", ignoresPartial: "partial failure", trustsStatus: "unchanged", repeatsBlindly: "a reset",
		takesFirstRow: "rows that were not asked for", leaksNumbers: "discreet errors", leaksEcho: "discreet errors",
		retriesUnknown: "every status on a create", absentOnError: "every status on an observation",
		comparesSuffix: "numbers are compared whole", skipsComments: "every status on a comment", forgetsWait: "Retry-After",
		ignoresContext: "a cancelled context", leavesGoroutine: "create a contact", commentsOnFinal: "closed for good",
		escapesText: "awkward text", statusFirst: "status after comments",
		retriesUpdates: "every status on an update", repeatsUpdates: "a lost update", forgetsHalf: "half done", dropsFiles: "attachments",
		showsMarkup: "HTML comments", knowsOneForm: "observe by another form", takesTheFirst: "observe by another form", hidesSpentDay: "day's quota",
	}
	for _, f := range flaws {
		t.Run(string(f), func(t *testing.T) {
			t.Parallel()
			var failed []string
			for _, o := range adaptertest.Check(t.Context(), config(f), caughtBy[f]) {
				if len(o.Problems) > 0 {
					failed = append(failed, o.Case)
				}
			}
			if len(failed) == 0 {
				t.Errorf("an adapter that %s passes %q", f, caughtBy[f])
			}
		})
	}
}

func TestCheckGivesEveryOutcome(t *testing.T) {
	t.Parallel()
	left := 0
	for _, o := range adaptertest.Check(t.Context(), config(none)) {
		if o.Left != "" {
			left++
		}
		for _, p := range o.Problems {
			t.Errorf("%s: %s", o.Case, p)
		}
	}
	if left != 5 {
		t.Errorf("%d cases do not apply, want five: the reference neither fills nor guards, and its CRM takes no jobs", left)
	}
}

func TestCapabilities(t *testing.T) {
	t.Parallel()
	got := adaptertest.Capabilities(t.Context(), config(none))
	for _, want := range []string{"Reference", "contact  keyed", "batch 10", "ticket   found"} {
		if !strings.Contains(got, want) {
			t.Errorf("the table lacks %q:\n%s", want, got)
		}
	}
}
