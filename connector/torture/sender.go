package torture

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/crm-connector/crm-connector/connector/internal/webhook/sample"
)

// secret signs the webhooks of a run.
const secret = "torture"

// How long a webhook waits for an answer, and before it is sent again: like
// AISoule, but for the pace.
const (
	answerWithin = 30 * time.Second
	retryFirst   = 20 * time.Millisecond
	retryMost    = 500 * time.Millisecond
)

// sender sends the plan's webhooks.
type sender struct {
	o      *Options
	url    string
	client *http.Client
	book   *ledger
	queue  *queue
}

func newSender(o *Options, url string, book *ledger) *sender {
	start := time.Now()
	var until time.Time
	if o.Duration > 0 {
		until = start.Add(o.Duration)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	transport.MaxIdleConnsPerHost, transport.MaxConnsPerHost = o.Connections, o.Connections
	return &sender{
		o: o, url: url, book: book, queue: newQueue(newPlan(o, start), until),
		client: &http.Client{Transport: transport, Timeout: answerWithin},
	}
}

// run sends everything, each webhook until it is answered 200.
func (s *sender) run(ctx context.Context) error {
	defer s.client.CloseIdleConnections()
	defer context.AfterFunc(ctx, s.queue.stop)()
	var workers sync.WaitGroup
	errs := make([]error, s.o.Connections)
	for i := range s.o.Connections {
		workers.Go(func() { errs[i] = s.work(ctx) })
	}
	workers.Wait()
	return errors.Join(slices.DeleteFunc(errs, func(err error) bool { return err == nil })...)
}

func (s *sender) work(ctx context.Context) error {
	for {
		p, ok := s.queue.take()
		if !ok {
			return ctx.Err()
		}
		if err := s.deliver(ctx, p); err != nil {
			s.queue.stop()
			return err
		}
		s.queue.done(p)
	}
}

// deliver sends a webhook until it is answered 200. An answer that no repeat can
// change is an error.
func (s *sender) deliver(ctx context.Context, p parcel) error {
	s.book.begin(p.webhook)
	body := p.body()
	pause := retryFirst
	for {
		began := time.Now()
		status, answer, err := s.post(ctx, p, body)
		s.book.answer(status, time.Since(began))
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err == nil && status == http.StatusOK:
			s.book.accepted(p.webhook, answer)
			return nil
		case slices.Contains(hopeless, status):
			return fmt.Errorf("the connector answered a good webhook %d", status)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, retryMost)
	}
}

// hopeless are the answers after which a repeat is futile.
var hopeless = []int{
	http.StatusUnauthorized, http.StatusNotFound, http.StatusMethodNotAllowed,
	http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType,
}

// answer is what the connector says of a webhook.
type answer struct {
	Status string `json:"status"`
	ID     int64  `json:"id"`
}

func (s *sender) post(ctx context.Context, p parcel, body []byte) (int, answer, error) {
	var a answer
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return 0, a, err
	}
	header, signature := sample.Sign([]byte(secret), body, p.dialect())
	request.Header.Set(header, signature)
	request.Header.Set("Content-Type", "application/json")
	reply, err := s.client.Do(request)
	if err != nil {
		return 0, a, err
	}
	defer reply.Body.Close()
	// A status without its body is an answer all the same: only 200 counts.
	text, _ := io.ReadAll(io.LimitReader(reply.Body, 64<<10))
	_ = json.Unmarshal(text, &a)
	return reply.StatusCode, a, nil
}
