package crm_test

import (
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/crm-connector/crm-connector/adapters/sandbox/crm"
)

func TestFlags(t *testing.T) {
	t.Parallel()
	parse := func(args ...string) (crm.Options, error) {
		var o crm.Options
		fs := pflag.NewFlagSet("sandbox", pflag.ContinueOnError)
		o.Register(fs)
		if err := fs.Parse(args); err != nil {
			return o, err
		}
		return o, o.Validate()
	}
	o, err := parse("--unique-keys", "--lag", "3s", "--quota", "100", "--quota-kind", "fixed", "--quota-window=1m",
		"--faults", "0.05", "--fault", "late=0.5", "--required", "ticket.category", "--batch", "whole", "--token", "t", "--seed", "9")
	if err != nil {
		t.Fatal(err)
	}
	s := o.Settings
	if !s.UniqueKeys || s.Lag != crm.Duration(3*time.Second) || s.Quota.Calls != 100 || s.Quota.Kind != "fixed" || s.Batch != crm.BatchWhole ||
		s.Faults.Late != 0.5 || s.Faults.Hang != 0.05 || s.Required["ticket"][0] != "category" || o.Token != "t" || o.Seed != 9 {
		t.Errorf("got %+v", o)
	}
	for _, wrong := range []string{"--faults=1.5", "--faults=x", "--fault=fire=1", "--fault=late", "--batch=some", "--required=city", "--quota-kind=x", "--lag=-1s"} {
		if _, err := parse(wrong); err == nil {
			t.Errorf("%s was taken", wrong)
		}
	}
}
