package crm

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// Register makes a command-line flag of every option, with the values that the
// options hold as defaults. Call Validate after the flags were parsed.
func (o *Options) Register(fs *pflag.FlagSet) {
	s := &o.Settings
	*s = s.withDefaults().clone()
	fs.StringVar(&o.Token, "token", o.Token, "bearer token that every call under /v1 needs")
	fs.Uint64Var(&o.Seed, "seed", o.Seed, "start of the randomness behind the faults")
	fs.BoolVar(&s.UniqueKeys, "unique-keys", s.UniqueKeys, "external ids are unique: a second create finds the first one's record")
	fs.BoolVar(&s.Reopens, "reopens", s.Reopens, "a comment on a solved ticket opens it again")
	fs.BoolVar(&s.IgnoreFilters, "ignore-filters", s.IgnoreFilters, "answer every search with everything there is")
	fs.StringVar((*string)(&s.Batch), "batch", string(s.Batch), "how batches are answered: each, whole or job")
	fs.IntVar(&s.Quota.Calls, "quota", s.Quota.Calls, "calls allowed in a window, 0 for no limit")
	fs.StringVar(&s.Quota.Kind, "quota-kind", s.Quota.Kind, "how windows are counted: fixed or sliding")
	fs.StringVar(&s.Down, "down", s.Down, "be down from the start: 503 or refuse")
	fs.Var(requiredFlag(s.Required), "required", "field that records need, like ticket.category (can be repeated)")
	fs.Var((*allFaultsFlag)(&s.Faults), "faults", "probability of every fault, like 0.05")
	fs.Var((*faultFlag)(&s.Faults), "fault", "probability of one fault, like late=0.1 (can be repeated): "+strings.Join(FaultNames(), ", "))
	for name, usage := range map[string]string{
		"lag":        "how long a new record stays invisible to searches",
		"job_delay":  "how long an asynchronous job takes",
		"slowest":    "the longest delay of the latency fault",
		"drip":       "how long a slow body takes",
		"late_by":    "how long after the client gave up a late request is committed",
		"storm_for":  "how long a storm of 429 lasts",
		"outage_for": "how long an outage by fault lasts",
	} {
		d := (*time.Duration)(s.durations()[name])
		fs.DurationVar(d, strings.ReplaceAll(name, "_", "-"), *d, usage)
	}
	fs.DurationVar((*time.Duration)(&s.Quota.Window), "quota-window", time.Duration(s.Quota.Window), "length of the quota's window")
}

// requiredFlag reads "ticket.category".
type requiredFlag map[string][]string

func (f requiredFlag) String() string { return "" }
func (f requiredFlag) Type() string   { return "kind.field" }

func (f requiredFlag) Set(v string) error {
	kind, field, ok := strings.Cut(v, ".")
	if !ok || field == "" || (kind != contactKind && kind != ticketKind) {
		return fmt.Errorf("%q: want contact.field or ticket.field", v)
	}
	f[kind] = append(f[kind], field)
	return nil
}

// allFaultsFlag reads one probability for all faults.
type allFaultsFlag Faults

func (f *allFaultsFlag) String() string { return "" }
func (f *allFaultsFlag) Type() string   { return "probability" }

func (f *allFaultsFlag) Set(v string) error {
	p, err := strconv.ParseFloat(v, 64)
	if err != nil {
		return fmt.Errorf("%q: want a number from 0 to 1", v)
	}
	*f = allFaultsFlag(AllFaults(p))
	return nil
}

// faultFlag reads "late=0.1".
type faultFlag Faults

func (f *faultFlag) String() string { return "" }
func (f *faultFlag) Type() string   { return "name=probability" }

func (f *faultFlag) Set(v string) error {
	name, number, _ := strings.Cut(v, "=")
	p, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return fmt.Errorf("%q: want a fault and a number from 0 to 1, like late=0.1", v)
	}
	return (*Faults)(f).Set(name, p)
}
