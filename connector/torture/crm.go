package torture

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/crm-connector/crm-connector/connector/internal/webhook/sample"
)

// seen is what the CRM and the connector show at the end.
type seen struct {
	contacts []contact
	tickets  []ticket
	// comments are those of each ticket, by its id, in order.
	comments map[string][]comment
	stats    stats
	status   status
	// dead are the connector's dead letters.
	dead []dead
}

// contact, ticket and comment are records as the sandbox shows them.
type contact struct {
	ID     string         `json:"id"`
	Phone  string         `json:"phone"`
	Fields map[string]any `json:"fields"`
}

type ticket struct {
	ID        string `json:"id"`
	ContactID string `json:"contact_id"`
}

type comment struct {
	ID   string `json:"id"`
	Body string `json:"body"`
}

// conversation gives the number of the customer, from 0, or -1 for a stranger to
// this run.
func (c *contact) conversation() int {
	first, _ := strconv.Atoi(sample.Phone(0))
	n, err := strconv.Atoi(strings.TrimPrefix(c.Phone, "+"))
	if err != nil || n < first {
		return -1
	}
	return n - first
}

// stats is the sandbox's own account.
type stats struct {
	Calls       int            `json:"calls"`
	Refused     int            `json:"refused"`
	ByEndpoint  map[string]int `json:"by_endpoint"`
	WorstWindow int            `json:"worst_window"`
	Faults      map[string]int `json:"faults"`
}

// dead is a dead letter as the connector lists it.
type dead struct {
	ID      int64  `json:"id"`
	Type    string `json:"type"`
	Outcome struct {
		Code   string `json:"code"`
		Reason string `json:"reason"`
	} `json:"outcome"`
}

// look reads everything back.
func (w *world) look(ctx context.Context) (*seen, error) {
	if err := w.connector.await(ctx, w.admin+"/readyz"); err != nil {
		return nil, err
	}
	s := &seen{comments: map[string][]comment{}}
	for _, one := range []struct {
		url  string
		into any
	}{
		{w.admin + "/api/status", &s.status},
		{w.crm + "/api/stats", &s.stats},
		{w.crm + "/api/contacts", &s.contacts},
		{w.crm + "/api/tickets", &s.tickets},
	} {
		if err := get(ctx, one.url, one.into); err != nil {
			return nil, err
		}
	}
	if err := w.readComments(ctx, s); err != nil {
		return nil, err
	}
	return s, w.readDead(ctx, s)
}

// readComments reads the comments of every ticket, a few tickets at a time.
func (w *world) readComments(ctx context.Context, s *seen) error {
	const readers = 4
	var mu sync.Mutex
	var all sync.WaitGroup
	var failed error
	for reader := range readers {
		all.Go(func() {
			for i := reader; i < len(s.tickets); i += readers {
				var comments []comment
				err := get(ctx, w.crm+"/api/tickets/"+s.tickets[i].ID+"/comments", &comments)
				mu.Lock()
				s.comments[s.tickets[i].ID] = comments
				if err != nil {
					failed = err
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return failed
}

// readDead lists the dead letters, a page at a time.
func (w *world) readDead(ctx context.Context, s *seen) error {
	q := url.Values{"state": {"dead_letter"}, "destination": {"crm"}, "limit": {"1000"}}
	for {
		var page struct {
			Events []dead `json:"events"`
			Before int64  `json:"before"`
		}
		if err := get(ctx, w.admin+"/api/events?"+q.Encode(), &page); err != nil {
			return err
		}
		s.dead = append(s.dead, page.Events...)
		if page.Before == 0 {
			return nil
		}
		q.Set("before", fmt.Sprint(page.Before))
	}
}
