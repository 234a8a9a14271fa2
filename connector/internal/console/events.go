package console

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/journal"
)

// Bounds of a list.
const (
	listLength    = 50
	maxListLength = 1000
)

// states are the words that a filter takes.
var states = []journal.State{
	journal.StatePending, journal.StateDelivered, journal.StateSkipped, journal.StateUnmatched,
	journal.StateDead, journal.StateDiscarded, journal.StateErased,
}

// eventAnswer is an event without what it says.
type eventAnswer struct {
	ID       int64               `json:"id"`
	Business string              `json:"business"`
	Source   string              `json:"source"`
	Type     connector.EventType `json:"type"`
	Time     time.Time           `json:"time"`
	Accepted time.Time           `json:"accepted"`
	Customer string              `json:"customer,omitempty"`
	Phone    string              `json:"phone,omitempty"`
	UserID   string              `json:"user_id,omitempty"`
	Account  string              `json:"account,omitempty"`
	Revision int                 `json:"revision,omitempty"`
}

// outcomeAnswer is what became of an event at a destination.
type outcomeAnswer struct {
	Destination string        `json:"destination,omitempty"`
	State       journal.State `json:"state,omitempty"`
	Rule        string        `json:"rule,omitempty"`
	Code        string        `json:"code,omitempty"`
	Reason      string        `json:"reason,omitempty"`
	At          time.Time     `json:"at,omitzero"`
}

type listedAnswer struct {
	eventAnswer
	Outcome outcomeAnswer `json:"outcome"`
}

type eventsAnswer struct {
	Events []listedAnswer `json:"events"`
	// Before asks for the next page, 0 when this is the last one.
	Before int64 `json:"before,omitempty"`
}

// events lists events, newest first. Numbers are masked unless ?numbers=show.
func (c *Console) events(r *http.Request) (any, error) {
	q := r.URL.Query()
	f, err := filterOf(q)
	if err != nil {
		return nil, err
	}
	j := c.view.Load().Journal
	if j == nil {
		return nil, errNotOpen
	}
	listed, err := j.List(r.Context(), f)
	if err != nil {
		return nil, err
	}
	a := eventsAnswer{Events: make([]listedAnswer, 0, len(listed))}
	for i := range listed {
		one := listedAnswer{eventOf(&listed[i].Event), outcomeOf(f.Destination, &listed[i].Outcome)}
		if q.Get("numbers") != "show" {
			one.mask()
		}
		a.Events = append(a.Events, one)
	}
	if len(listed) == f.Limit {
		a.Before = listed[len(listed)-1].Event.ID
	}
	return a, nil
}

var errNotOpen = refuse(http.StatusServiceUnavailable, "the journal is not open yet")

func filterOf(q url.Values) (f journal.Filter, err error) {
	f = journal.Filter{
		Destination: q.Get("destination"), State: journal.State(q.Get("state")), Customer: q.Get("customer"),
		Limit: listLength,
	}
	if err := checkState(f.State); err != nil {
		return f, err
	}
	if f.Limit, err = limitOf(q); err != nil {
		return f, err
	}
	if text := q.Get("before"); text != "" {
		if f.Before, err = strconv.ParseInt(text, 10, 64); err != nil || f.Before <= 0 {
			return f, refuse(http.StatusBadRequest, "before must be the number of an event")
		}
	}
	for name, into := range map[string]*time.Time{"from": &f.From, "to": &f.To} {
		if text := q.Get(name); text != "" {
			if *into, err = time.Parse(time.RFC3339, text); err != nil {
				return f, refuse(http.StatusBadRequest, name+" must be a time like 2026-05-29T10:30:00Z")
			}
		}
	}
	return f, nil
}

func limitOf(q url.Values) (int, error) {
	text := q.Get("limit")
	if text == "" {
		return listLength, nil
	}
	limit, err := strconv.Atoi(text)
	if err != nil || limit < 1 || limit > maxListLength {
		return 0, refuse(http.StatusBadRequest, "limit must be a number from 1 to "+strconv.Itoa(maxListLength))
	}
	return limit, nil
}

func checkState(s journal.State) error {
	if s == "" || slices.Contains(states, s) {
		return nil
	}
	return refuse(http.StatusBadRequest, fmt.Sprintf("state must be one of %s", states))
}

func eventOf(e *connector.Event) eventAnswer {
	return eventAnswer{
		ID: e.ID, Business: e.Business, Source: e.Source, Type: e.Type, Time: e.Time, Accepted: e.Accepted,
		Customer: e.CustomerKey, Phone: e.Identity.Phone, UserID: e.Identity.UserID, Account: e.Account,
		Revision: e.Revision,
	}
}

func outcomeOf(destination string, o *journal.Outcome) outcomeAnswer {
	return outcomeAnswer{destination, o.State, o.Rule, o.Code, o.Reason, o.At}
}

// mask hides who the customer is, but for what tells two of them apart.
func (a *eventAnswer) mask() {
	for _, s := range []*string{&a.Customer, &a.Phone, &a.UserID} {
		*s = masked(*s)
	}
}

// masked leaves the last four characters of an identifier.
func masked(s string) string {
	if s == "" {
		return ""
	}
	tail := s
	for utf8.RuneCountInString(tail) > 4 {
		_, n := utf8.DecodeRuneInString(tail)
		tail = tail[n:]
	}
	return "…" + tail
}

// detailAnswer is all of one event, with the webhook as it came.
type detailAnswer struct {
	eventAnswer
	Status   connector.Status `json:"status,omitempty"`
	Outcomes []outcomeAnswer  `json:"outcomes"`
	Webhook  json.RawMessage  `json:"webhook,omitempty"`
}

// event gives one event with its outcomes and its webhook.
func (c *Console) event(r *http.Request) (any, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return nil, journal.ErrNotFound
	}
	v := c.view.Load()
	if v.Journal == nil {
		return nil, errNotOpen
	}
	stored, outcomes, err := v.Journal.Event(r.Context(), id)
	if err != nil {
		return nil, err
	}
	a := detailAnswer{eventAnswer: eventOf(&stored.Event), Status: stored.Status, Outcomes: []outcomeAnswer{}}
	if json.Valid(stored.Raw) {
		a.Webhook = stored.Raw
	}
	a.Outcomes, err = v.namedOutcomes(r.Context(), &stored.Event, outcomes)
	return a, err
}

// namedOutcomes says at which destination each outcome is. The journal does not
// name them beside an event, and some may be at one that was removed.
func (v *View) namedOutcomes(
	ctx context.Context, e *connector.Event, outcomes []journal.Outcome,
) ([]outcomeAnswer, error) {
	answers := make([]outcomeAnswer, 0, len(outcomes))
	if len(outcomes) == 0 {
		return answers, nil
	}
	names, err := v.Journal.Destinations(ctx)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		f := journal.Filter{Destination: name, Customer: e.CustomerKey, Before: e.ID + 1, Limit: 1}
		found, err := v.Journal.List(ctx, f)
		if err != nil {
			return nil, err
		}
		if len(found) == 1 && found[0].Event.ID == e.ID {
			answers = append(answers, outcomeOf(name, &found[0].Outcome))
		}
	}
	return answers, nil
}

// quarantinedAnswer is an element that could not be used. What it says is shown
// only when asked for with ?webhooks=show, as text since it may be anything.
type quarantinedAnswer struct {
	ID      int64     `json:"id"`
	Source  string    `json:"source"`
	At      time.Time `json:"at"`
	Reason  string    `json:"reason"`
	Size    int       `json:"size"`
	Webhook string    `json:"webhook,omitempty"`
}

// quarantine lists what was authentic and could not be used, newest first.
func (c *Console) quarantine(r *http.Request) (any, error) {
	q := r.URL.Query()
	limit, err := limitOf(q)
	if err != nil {
		return nil, err
	}
	j := c.view.Load().Journal
	if j == nil {
		return nil, errNotOpen
	}
	elements, err := j.Quarantine(r.Context(), limit)
	if err != nil {
		return nil, err
	}
	answers := make([]quarantinedAnswer, 0, len(elements))
	for _, e := range elements {
		a := quarantinedAnswer{ID: e.ID, Source: e.Source, At: e.At, Reason: e.Reason, Size: e.Size}
		if q.Get("webhooks") == "show" {
			a.Webhook = string(e.Raw)
		}
		answers = append(answers, a)
	}
	return map[string]any{"elements": answers}, nil
}
