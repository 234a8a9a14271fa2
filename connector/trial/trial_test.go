package trial_test

import (
	"strings"
	"testing"
	"time"

	"github.com/crm-connector/crm-connector/connector/trial"
	"github.com/crm-connector/crm-connector/mappings"
)

func builtin(t *testing.T, name string) *mappings.Mapping {
	t.Helper()
	src, ok := mappings.Builtin(name)
	if !ok {
		t.Fatalf("no mapping %s ships", name)
	}
	m, err := mappings.Load(name, src, mappings.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func written(t *testing.T, results []trial.Result) string {
	t.Helper()
	var out strings.Builder
	if err := trial.Write(&out, results); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestEverySampleIsMapped tries every sample with every mapping that ships: each
// must be read, and mapped without an error.
func TestEverySampleIsMapped(t *testing.T) {
	t.Parallel()
	for _, name := range mappings.BuiltinNames() {
		m := builtin(t, name)
		for _, dialect := range []string{"developer", "app"} {
			for _, sample := range trial.Names() {
				body, err := trial.Sample(sample, dialect)
				if err != nil {
					t.Fatal(err)
				}
				results, err := trial.Run(m, body, time.Unix(1_800_000_000, 0))
				if err != nil || len(results) != 1 || results[0].Error != "" {
					t.Errorf("%s with %s in %s: %+v %v", name, sample, dialect, results, err)
				}
			}
		}
	}
}

func TestWhatIsSaidOfAnEvent(t *testing.T) {
	t.Parallel()
	m := builtin(t, "support-desk")
	cases := map[string]struct{ body, want, reason string }{
		"ping":       {`{"event":"ping"}`, "nothing  a ping", "it reaches no mapping"},
		"unreadable": {`{"event":"message.received"}`, "quarantined", "a message without data can't be used"},
		"skipped":    {`{"event":"campaign.completed","data":{}}`, `the rule "not about one customer's ticket" skips`, "the mapping says so"},
		"unmatched":  {`{"event":"message.pinned","data":{"message_id":"m","sender":"918856879188"}}`, "no rule matches", "no rule is for it"},
		"media": {
			`{"event":"message.received","data":{"message_id":"m","sender":"918856879188","type":"image","caption":"two\nlines","url":"https://files.example/1"}}`,
			"  | two\n  | lines\n", "a comment of several lines keeps them",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			results, err := trial.Run(m, []byte(c.body), time.Unix(1_800_000_000, 0))
			if err != nil {
				t.Fatal(err)
			}
			if got := written(t, results); !strings.Contains(got, c.want) {
				t.Errorf("%s: want %q in\n%s", c.reason, c.want, got)
			}
		})
	}
}

func TestWhatIsNoWebhook(t *testing.T) {
	t.Parallel()
	if _, err := trial.Run(builtin(t, "support-desk"), []byte(" "), time.Now()); err == nil {
		t.Error("an empty body was taken for a webhook")
	}
	for name, want := range map[string]string{
		"message.red": "no event type", "message.read/text": "only message.received", "message.failed/x": "no error code",
	} {
		if _, err := trial.Sample(name, "developer"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the sample %s gives %v, want %q", name, err, want)
		}
	}
	if _, err := trial.Sample("message.read", "both"); err == nil {
		t.Error("an unknown dialect was taken")
	}
}
