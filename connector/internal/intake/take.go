package intake

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/journal"
	"github.com/crm-connector/crm-connector/connector/internal/webhook"
)

// take has the journal keep an authentic body, all of its elements in one
// commit, and gives the answer.
func (in *Intake) take(ctx context.Context, src *source, route RouteFunc, began journal.Mark, body []byte) *answer {
	elements, array, err := webhook.Split(body)
	if err != nil {
		array = false
		elements = append(elements[:0], body)
	}
	entries := make([]journal.Entry, 0, len(elements))
	for _, raw := range elements {
		entry := in.entry(src, raw, err)
		if entry.Event.Type != connector.Ping || entry.Quarantine != "" {
			if entry.Quarantine == "" {
				entry.Routes = route(src.Name, &entry.Event)
			}
			entries = append(entries, entry)
		}
	}
	receipts, a := in.append(ctx, src, began, entries)
	if a != nil {
		return a
	}
	pongs := len(elements) - len(entries)
	in.tell(src, entries, receipts, pongs)
	if array {
		return counted(receipts, pongs)
	}
	return single(receipts)
}

// entry reads one element. A body that could not be split has its reason
// already.
func (in *Intake) entry(src *source, raw []byte, err error) journal.Entry {
	var r webhook.Reading
	if err == nil {
		r, err = webhook.Read(raw)
	}
	entry := journal.Entry{Raw: raw, Event: r.Event, Undated: r.Undated}
	e := &entry.Event
	e.Business, e.Source = src.Business, src.Name
	if err != nil {
		entry.Quarantine = err.Error()
		reason, _, _ := strings.Cut(entry.Quarantine, ":") // Where it is wrong differs each time.
		in.log.warn("a webhook was quarantined", src.Name, reason)
	}
	if e.Account == "" {
		e.Account = src.Account
	}
	if e.Time.IsZero() || src.Placeholder && in.tooOld(e.Time) {
		e.Time = in.nowFunc()
		entry.Undated = true
	}
	return entry
}

// tooOld reports whether the journal would put an event aside for its age. The
// documentation's samples have a date of their own, and at a demo they are to
// work whatever the date is.
func (in *Intake) tooOld(t time.Time) bool {
	return t.Before(in.nowFunc().Add(-journal.DuplicateReach))
}

// append calls the journal, if there is anything to keep.
func (in *Intake) append(
	ctx context.Context, src *source, began journal.Mark, entries []journal.Entry,
) ([]journal.Receipt, *answer) {
	if len(entries) == 0 {
		return nil, nil
	}
	receipts, err := in.journal.Append(ctx, began, entries)
	if err != nil {
		if !isGone(ctx, err) {
			in.log.failure("the journal did not take a webhook", src.Name, err)
		}
		return nil, unavailable
	}
	if len(receipts) != len(entries) {
		in.log.failure("the journal did not answer for every event", src.Name, nil)
		return nil, unavailable
	}
	return receipts, nil
}

// tell counts what became of the elements.
func (in *Intake) tell(src *source, entries []journal.Entry, receipts []journal.Receipt, pongs int) {
	if in.hooks.Taken == nil {
		return
	}
	for i, r := range receipts {
		in.hooks.Taken(src.Name, label(entries[i].Event.Type), r.Fate)
	}
	for range pongs {
		in.hooks.Taken(src.Name, connector.Ping, Pong)
	}
}

// documented are the types that can be labels of a metric.
var documented = connector.EventTypes()

// label bounds the types that a metric can have.
func label(kind connector.EventType) connector.EventType {
	if kind == "" || slices.Contains(documented, kind) {
		return kind
	}
	return "other"
}
