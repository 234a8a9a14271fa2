package console

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/crm-connector/crm-connector/connector/internal/journal"
)

// statusAnswer is what GET /api/status says.
type statusAnswer struct {
	Version      string              `json:"version"`
	Started      time.Time           `json:"started"`
	Ready        bool                `json:"ready"`
	WaitingFor   string              `json:"waiting_for,omitempty"`
	Config       configAnswer        `json:"config"`
	Journal      journalAnswer       `json:"journal"`
	Destinations []destinationAnswer `json:"destinations"`
	// Removed are destinations that the configuration does not have, and that
	// events wait for all the same.
	Removed []Removed `json:"removed_destinations,omitempty"`
}

// Removed is a destination that events wait for and nobody works.
type Removed struct {
	Name    string    `json:"name"`
	Backlog int64     `json:"backlog"`
	Oldest  time.Time `json:"oldest_pending,omitzero"`
}

// Removed gives the destinations that the configuration does not have any more,
// or under another name, and that have events pending.
func (v *View) Removed(ctx context.Context) ([]Removed, error) {
	if v.Journal == nil {
		return nil, nil
	}
	names, err := v.Journal.Destinations(ctx)
	if err != nil {
		return nil, err
	}
	var removed []Removed
	for _, name := range names {
		if slices.ContainsFunc(v.Destinations, func(d Destination) bool { return d.About().Name == name }) {
			continue
		}
		counts, err := v.Journal.Counts(ctx, name)
		if err != nil {
			return nil, err
		}
		if n := counts.Events[journal.StatePending]; n > 0 {
			removed = append(removed, Removed{name, n, counts.OldestPending})
		}
	}
	return removed, nil
}

// configAnswer says which configuration is active, and why a newer one is not.
type configAnswer struct {
	Generation int       `json:"generation"`
	Loaded     time.Time `json:"loaded,omitzero"`
	Refused    string    `json:"refused,omitempty"`
}

type journalAnswer struct {
	Accepted    int64 `json:"accepted"`
	Quarantined int64 `json:"quarantined"`
}

// destinationAnswer is one destination in the status.
type destinationAnswer struct {
	About
	// State is working, resting after a failure, or paused.
	State      string                  `json:"state"`
	Paused     *pauseAnswer            `json:"paused,omitempty"`
	RestsUntil time.Time               `json:"rests_until,omitzero"`
	Generation string                  `json:"mapping_generation"`
	Backlog    int64                   `json:"backlog"`
	Oldest     time.Time               `json:"oldest_pending,omitzero"`
	OldestAge  float64                 `json:"oldest_pending_seconds"`
	Outcomes   map[journal.State]int64 `json:"outcomes"`
	Customers  int64                   `json:"waiting_customers"`
	Intents    int64                   `json:"open_intents"`
	Unknown    int64                   `json:"unknown_ends"`
	Quota      []windowAnswer          `json:"quota"`
}

type pauseAnswer struct {
	Why        string    `json:"why"`
	Since      time.Time `json:"since"`
	Retry      time.Time `json:"retry,omitzero"`
	ByOperator bool      `json:"by_operator"`
}

type windowAnswer struct {
	Calls int     `json:"calls"`
	Per   string  `json:"per"`
	Limit int     `json:"limit"`
	Used  int     `json:"used"`
	Worst int     `json:"worst"`
	Next  float64 `json:"next_seconds"`
}

// status sums everything up.
func (c *Console) status(r *http.Request) (any, error) {
	v := c.view.Load()
	a := statusAnswer{
		Version: c.version, Started: c.started, WaitingFor: *c.waiting.Load(),
		Config:       configAnswer{Generation: v.Generation, Loaded: v.Loaded, Refused: *c.refused.Load()},
		Destinations: []destinationAnswer{},
	}
	a.Ready = a.WaitingFor == ""
	for _, d := range v.Destinations {
		counts, err := v.Journal.Counts(r.Context(), d.About().Name)
		if err != nil {
			return nil, err
		}
		a.Journal = journalAnswer{counts.Accepted, counts.Quarantined}
		a.Destinations = append(a.Destinations, c.destinationAnswer(d, &counts))
	}
	var err error
	a.Removed, err = v.Removed(r.Context())
	return a, err
}

// answerFor gives one destination's part of the status.
func (c *Console) answerFor(ctx context.Context, d Destination) (any, error) {
	counts, err := c.view.Load().Journal.Counts(ctx, d.About().Name)
	if err != nil {
		return nil, err
	}
	return c.destinationAnswer(d, &counts), nil
}

func (c *Console) destinationAnswer(d Destination, counts *journal.Counts) destinationAnswer {
	s, now := d.Status(), c.nowFunc()
	a := destinationAnswer{
		About: d.About(), State: "working", Generation: s.Generation,
		Backlog: counts.Events[journal.StatePending], Oldest: counts.OldestPending,
		OldestAge: age(now, counts.OldestPending), Outcomes: counts.Events,
		Customers: counts.Customers, Intents: counts.Intents, Unknown: counts.Unknown,
		Quota: make([]windowAnswer, 0, len(s.Quota)),
	}
	for _, w := range s.Quota {
		a.Quota = append(a.Quota, windowAnswer{w.Calls, w.Per.String(), w.Limit, w.Used, w.Worst, w.Next.Seconds()})
	}
	switch {
	case s.Paused != "":
		a.State = "paused"
		a.Paused = &pauseAnswer{Why: s.Paused, Since: s.Since, ByOperator: s.ByOperator}
		if !s.ByOperator {
			a.Paused.Retry = s.Retry
		}
	case s.Resting.After(now):
		a.State, a.RestsUntil = "resting", s.Resting
	}
	return a
}

// age gives the seconds since a time, 0 when there is none.
func age(now, since time.Time) float64 {
	if since.IsZero() {
		return 0
	}
	return max(0, now.Sub(since).Seconds())
}
