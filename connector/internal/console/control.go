package console

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/crm-connector/crm-connector/connector/internal/journal"
)

// decode reads a request's body strictly. An empty one changes nothing.
func decode(r *http.Request, into any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil && !errors.Is(err, io.EOF) {
		return refuse(http.StatusBadRequest, "the body is not what is expected: "+err.Error())
	}
	return nil
}

func (c *Console) named(r *http.Request, name string) (Destination, error) {
	if d := c.destination(name); d != nil {
		return d, nil
	}
	if c.view.Load().Journal == nil {
		return nil, errNotOpen
	}
	return nil, refuse(http.StatusNotFound, "there is no destination of that name; "+r.Host+"/api/status lists them")
}

// pause stops a destination until a person resumes it.
func (c *Console) pause(r *http.Request) (any, error) {
	var ask struct {
		Reason string `json:"reason"`
	}
	if err := decode(r, &ask); err != nil {
		return nil, err
	}
	d, err := c.named(r, r.PathValue("name"))
	if err != nil {
		return nil, err
	}
	if ask.Reason == "" {
		ask.Reason = "an operator paused it"
	}
	if err := d.Pause(r.Context(), ask.Reason); err != nil {
		return nil, err
	}
	return c.answerFor(r.Context(), d)
}

// resume ends a pause, whoever began it.
func (c *Console) resume(r *http.Request) (any, error) {
	d, err := c.named(r, r.PathValue("name"))
	if err != nil {
		return nil, err
	}
	if err := d.Resume(r.Context()); err != nil {
		return nil, err
	}
	return c.answerFor(r.Context(), d)
}

// replayAsk says which events are to go out again.
type replayAsk struct {
	Destination string        `json:"destination"`
	State       journal.State `json:"state"`
	Customer    string        `json:"customer"`
	From        time.Time     `json:"from"`
	To          time.Time     `json:"to"`
	Limit       int           `json:"limit"`
}

// replay makes events pending again. What they already became in the CRM is
// found again and not doubled.
func (c *Console) replay(r *http.Request) (any, error) {
	var ask replayAsk
	if err := decode(r, &ask); err != nil {
		return nil, err
	}
	d, err := c.named(r, ask.Destination)
	if err != nil {
		return nil, err
	}
	if err := checkState(ask.State); err != nil {
		return nil, err
	}
	if ask.State == "" && ask.Customer == "" && ask.From.IsZero() && ask.To.IsZero() {
		return nil, refuse(http.StatusBadRequest, "name a state, a customer, from or to; all there ever was is seldom meant")
	}
	n, err := c.view.Load().Journal.Requeue(r.Context(), ask.Destination, journal.Filter{
		State: ask.State, Customer: ask.Customer, From: ask.From, To: ask.To, Limit: ask.Limit,
	})
	if err != nil {
		return nil, err
	}
	c.log.WithField("destination", ask.Destination).WithField("events", n).Info("events were queued again")
	d.Wake()
	return map[string]int{"queued": n}, nil
}
