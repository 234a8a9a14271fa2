package crm

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Options is what a server is made with. The zero value is a friendly CRM: no
// token, no quota, no lag and no faults.
type Options struct {
	// Token is the bearer token that every call under /v1 needs; empty asks for
	// none.
	Token string
	// Settings can be changed while the server runs.
	Settings Settings
	// Seed starts the randomness, so that a run can be repeated.
	Seed uint64

	// Now is the clock, time.Now when nil.
	Now func() time.Time
	// AfterFunc calls a function after a while, time.AfterFunc when nil.
	AfterFunc func(d time.Duration, f func())
	// Rand replaces the randomness that Seed would start.
	Rand *rand.Rand
}

// Settings is how the server behaves. PUT /api/control changes them.
type Settings struct {
	// UniqueKeys makes external ids unique: a second create with the same one
	// finds the record that is there.
	UniqueKeys bool `json:"unique_keys"`
	// Lag is how long a new record stays invisible to searches.
	Lag Duration `json:"lag"`
	// Batch is how batches are answered.
	Batch BatchMode `json:"batch"`
	// JobDelay is how long an asynchronous job takes.
	JobDelay Duration `json:"job_delay"`
	// Reopens makes a comment on a solved ticket open it again. Without it the
	// ticket takes the comment and stays solved.
	Reopens bool `json:"reopens"`
	// IgnoreFilters answers every search with everything there is.
	IgnoreFilters bool `json:"ignore_filters"`
	// Required names, for "contact" and "ticket", the fields without which a
	// record cannot be saved.
	Required map[string][]string `json:"required"`
	Quota    Quota               `json:"quota"`
	Faults   Faults              `json:"faults"`
	// Down makes every call under /v1 fail until it is changed again: "503"
	// answers so, "refuse" closes the connection.
	Down string `json:"down"`
	// Slowest bounds the latency fault, and Drip is how long a slow body takes.
	Slowest Duration `json:"slowest"`
	Drip    Duration `json:"drip"`
	// LateBy is how long after the client gave up a late request is committed.
	LateBy Duration `json:"late_by"`
	// StormFor and OutageFor are how long a storm of 429 and an outage last.
	StormFor  Duration `json:"storm_for"`
	OutageFor Duration `json:"outage_for"`
}

// BatchMode is how a batch is answered.
type BatchMode string

// The batch modes.
const (
	// BatchEach gives each record of a batch its own result.
	BatchEach BatchMode = "each"
	// BatchWhole refuses a whole batch for one bad record and does not say which
	// one it was.
	BatchWhole BatchMode = "whole"
	// BatchJob takes a batch as a job and does it later.
	BatchJob BatchMode = "job"
)

// Quota is how many calls are allowed in a window. No calls means no limit.
type Quota struct {
	Calls  int      `json:"calls"`
	Window Duration `json:"window"`
	// Kind is "fixed" for windows that follow the clock, or "sliding".
	Kind string `json:"kind"`
}

// The kinds of quota windows.
const (
	fixedWindow   = "fixed"
	slidingWindow = "sliding"
)

// Faults holds the probability of each fault, from 0 to 1, for each call. In
// JSON a single number sets them all.
type Faults struct {
	// Latency delays the answer.
	Latency float64 `json:"latency"`
	// Error answers 500, 502, 503 or 504. All but 503 may come after the commit.
	Error float64 `json:"error"`
	// Reset closes the connection, before or after the commit.
	Reset float64 `json:"reset"`
	// Hang commits and then never answers.
	Hang float64 `json:"hang"`
	// Late never answers, and commits long after the client gave up.
	Late float64 `json:"late"`
	// Storm starts a storm in which every call is answered 429.
	Storm float64 `json:"storm"`
	// Partial leaves some records of a batch out, as locked.
	Partial float64 `json:"partial"`
	// Unchanged says that some records of a batch were saved when they were not;
	// the answer shows them as they are.
	Unchanged float64 `json:"unchanged"`
	// Slow drips the body.
	Slow float64 `json:"slow"`
	// Outage starts an outage in which every call is answered 503.
	Outage float64 `json:"outage"`
}

// AllFaults sets every fault at one probability.
func AllFaults(p float64) Faults {
	return Faults{
		Latency: p, Error: p, Reset: p, Hang: p, Late: p,
		Storm: p, Partial: p, Unchanged: p, Slow: p, Outage: p,
	}
}

// byName gives access to each probability under its name.
func (f *Faults) byName() map[string]*float64 {
	return map[string]*float64{
		"latency": &f.Latency, "error": &f.Error, "reset": &f.Reset, "hang": &f.Hang, "late": &f.Late,
		"storm": &f.Storm, "partial": &f.Partial, "unchanged": &f.Unchanged, "slow": &f.Slow, "outage": &f.Outage,
	}
}

// Set sets the fault of that name.
func (f *Faults) Set(name string, p float64) error {
	at, ok := f.byName()[name]
	if !ok {
		return fmt.Errorf("set fault %q: there is no such fault, only %s", name, strings.Join(FaultNames(), ", "))
	}
	*at = p
	return nil
}

// FaultNames lists the faults.
func FaultNames() []string {
	return slices.Sorted(maps.Keys((&Faults{}).byName()))
}

// UnmarshalJSON reads one number for all faults, or an object that changes the
// ones that it names.
func (f *Faults) UnmarshalJSON(b []byte) error {
	var all float64
	if json.Unmarshal(b, &all) == nil {
		*f = AllFaults(all)
		return nil
	}
	var some map[string]float64
	if err := json.Unmarshal(b, &some); err != nil {
		return errors.New("read faults: want a number, or an object of numbers")
	}
	for name, p := range some {
		if err := f.Set(name, p); err != nil {
			return err
		}
	}
	return nil
}

// Duration is a time.Duration that JSON writes like "90s".
type Duration time.Duration

// MarshalText writes the duration like "1m30s".
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads a duration like "90s".
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	*d = Duration(v)
	return err
}

// DefaultSettings is how a server behaves when nobody says otherwise.
func DefaultSettings() Settings {
	return Settings{
		Batch:     BatchEach,
		JobDelay:  Duration(2 * time.Second),
		Required:  map[string][]string{},
		Quota:     Quota{Window: Duration(10 * time.Second), Kind: slidingWindow},
		Slowest:   Duration(500 * time.Millisecond),
		Drip:      Duration(2 * time.Second),
		LateBy:    Duration(60 * time.Second),
		StormFor:  Duration(time.Second),
		OutageFor: Duration(time.Second),
	}
}

// Validate names everything that is wrong with the options.
func (o *Options) Validate() error { return o.Settings.validate() }

func (s *Settings) validate() error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	for _, name := range FaultNames() {
		if p := *s.Faults.byName()[name]; !(p >= 0 && p <= 1) {
			wrong("fault %s: a probability is from 0 to 1, not %v", name, p)
		}
	}
	if !slices.Contains([]BatchMode{"", BatchEach, BatchWhole, BatchJob}, s.Batch) {
		wrong("batch %q: want each, whole or job", s.Batch)
	}
	if !slices.Contains([]string{"", fixedWindow, slidingWindow}, s.Quota.Kind) {
		wrong("quota kind %q: want fixed or sliding", s.Quota.Kind)
	}
	if !slices.Contains([]string{"", "503", "refuse"}, s.Down) {
		wrong("down %q: want 503, refuse, or nothing", s.Down)
	}
	if s.Quota.Calls < 0 || s.Quota.Window < 0 {
		wrong("quota: calls and window cannot be negative")
	}
	for name, d := range s.durations() {
		if *d < 0 {
			wrong("%s: a time cannot be negative", name)
		}
	}
	for kind := range s.Required {
		if kind != contactKind && kind != ticketKind {
			wrong("required %q: want contact or ticket", kind)
		}
	}
	return errors.Join(errs...)
}

// durations gives access to each time under its name in JSON.
func (s *Settings) durations() map[string]*Duration {
	return map[string]*Duration{
		"lag": &s.Lag, "job_delay": &s.JobDelay, "slowest": &s.Slowest, "drip": &s.Drip,
		"late_by": &s.LateBy, "storm_for": &s.StormFor, "outage_for": &s.OutageFor,
	}
}

// withDefaults fills in what was left at zero and means nothing there.
func (s Settings) withDefaults() Settings {
	def := DefaultSettings()
	if s.Batch == "" {
		s.Batch = def.Batch
	}
	if s.Quota.Kind == "" {
		s.Quota.Kind = def.Quota.Kind
	}
	if s.Quota.Window == 0 {
		s.Quota.Window = def.Quota.Window
	}
	defaults := def.durations()
	for name, d := range s.durations() {
		if *d == 0 {
			*d = *defaults[name]
		}
	}
	return s
}

// clone copies the settings so that a change of the copy leaves them alone.
func (s Settings) clone() Settings {
	required := make(map[string][]string, len(s.Required))
	for kind, names := range s.Required {
		required[kind] = slices.Clone(names)
	}
	s.Required = required
	return s
}
