package torture

import (
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

func TestFlags(t *testing.T) {
	t.Parallel()
	o := Defaults()
	fs := pflag.NewFlagSet("torture", pflag.ContinueOnError)
	o.Register(fs)
	if err := fs.Parse([]string{"--quota", "100/10s/fixed", "--faults", "0.05", "--kill-every", "3s"}); err != nil {
		t.Fatal(err)
	}
	if err := o.Validate(); err != nil {
		t.Fatal(err)
	}
	if o.Quota != (Quota{100, 10 * time.Second, "fixed"}) || o.Faults != 0.05 || o.KillEvery != 3*time.Second {
		t.Errorf("options %+v", o)
	}
}

func TestQuotaIsReadStrictly(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "100", "0/10s", "100/0s", "100/ten", "100/10s/hourly", "1/1s/fixed/x"} {
		var q Quota
		if err := q.Set(text); err == nil {
			t.Errorf("%q is taken as %+v", text, q)
		}
	}
}

func TestValidateNamesEveryMistake(t *testing.T) {
	t.Parallel()
	o := Options{Replies: -1, Copies: 2, Faults: 1, Lag: -1}
	err := o.Validate()
	for _, want := range []string{"conversations", "records", "replies", "copies", "faults must", "not be negative", "timeout", "settling must"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q: %v", want, err)
		}
	}
}

func TestAddressesAreFreeAndOutsideOfWhatClientsAreGiven(t *testing.T) {
	t.Parallel()
	addresses, err := freeAddresses(t.Context(), 3)
	if err != nil {
		t.Fatal(err)
	}
	for i, address := range addresses {
		_, port, err := net.SplitHostPort(address)
		if err != nil || port < "15000" || port >= "45000" || slices.Contains(addresses[:i], address) {
			t.Errorf("addresses %v", addresses)
		}
	}
}

func TestKillsAreSpreadOverTheSending(t *testing.T) {
	t.Parallel()
	o := Defaults()
	o.Kills = 10
	k := newKiller(&o, nil, newLedger())
	if len(k.moments) != 10 || !slices.IsSorted(k.moments) || k.moments[9]-k.moments[0] < 4000 || k.moments[9] >= 16600 {
		t.Errorf("moments %v", k.moments)
	}
	o.Duration = 11 * time.Second
	if k := newKiller(&o, nil, newLedger()); k.every != time.Second {
		t.Errorf("10 kills in 11 s come every %s", k.every)
	}
}
