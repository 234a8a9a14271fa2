// Package send posts signed sample webhooks to a connector, to try one out and
// to put it under load, and sums up the answers. It knows AISoule's two dialects
// and nothing of the engine.
//
// Start with [Run].
package send

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/webhook/sample"
)

// Options say what to send. Validate names what is wrong with them.
type Options struct {
	// URL is the webhook's address.
	URL string
	// Secret signs the webhooks.
	Secret connector.Secret
	// Count is how many webhooks are sent.
	Count int
	// Rate bounds the webhooks in a second; 0 means as fast as it goes.
	Rate float64
	// Conversations is how many customers they belong to. Webhooks of one
	// customer go out one after the other.
	Conversations int
	// Connections is how many are in flight at once.
	Connections int
	// Types are the event types; each customer gets them in turn.
	Types []connector.EventType
	// Kind is the messages' type: text, image and so on.
	Kind string
	// Dialect is "developer" or "app".
	Dialect string
	// Name is part of the messages' ids. The same name sends the same messages
	// again, which a connector recognises as duplicates.
	Name string
	// Start is the time of the first message.
	Start time.Time
	// Client makes the requests, and Sent, when it is set, is called after each.
	Client *http.Client
	Sent   func()
}

// Dialects lists the dialects, and Kinds the message types.
func Dialects() []string {
	var names []string
	for _, d := range sample.Dialects() {
		names = append(names, string(d))
	}
	return names
}

// Kinds lists the message types that there are samples of.
func Kinds() []string { return sample.Kinds() }

// errStop ends a run that gets nowhere.
var errStop = errors.New("no connection could be made")

// hopeless is how many requests in a row may fail before any was answered.
const hopeless = 20

// run is one run of Run.
type run struct {
	Options
	slots    atomic.Int64
	began    time.Time
	mu       sync.Mutex
	report   Report
	failures atomic.Int64
	answered atomic.Bool
}

// Run sends everything and gives the report, also of a run that ended early
// because the context did or because nothing listens at the URL.
func Run(ctx context.Context, o Options) (Report, error) {
	if err := o.Validate(); err != nil {
		return Report{}, err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	r := &run{Options: o, began: time.Now(), report: Report{Answers: map[string]int{}}}
	var workers sync.WaitGroup
	for worker := range min(o.Connections, o.Conversations) {
		workers.Go(func() { r.work(ctx, worker, stop) })
	}
	workers.Wait()
	r.report.finish(time.Since(r.began))
	return r.report, context.Cause(ctx)
}

// work sends the webhooks of every customer that falls to this worker, in order.
func (r *run) work(ctx context.Context, worker int, stop context.CancelCauseFunc) {
	for n := range r.Count {
		if n%r.Conversations%r.Connections != worker {
			continue
		}
		if !r.pace(ctx) {
			return
		}
		r.one(ctx, n)
		if r.Sent != nil {
			r.Sent()
		}
		if r.failures.Load() >= hopeless && !r.answered.Load() {
			stop(errStop)
		}
	}
}

// pace waits for the next slot of the rate and reports whether to go on.
func (r *run) pace(ctx context.Context) bool {
	if r.Rate > 0 {
		slot := r.began.Add(time.Duration(float64(r.slots.Add(1)-1) / r.Rate * float64(time.Second)))
		timer := time.NewTimer(time.Until(slot))
		defer timer.Stop()
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
	}
	return ctx.Err() == nil
}

// one sends the n-th webhook.
func (r *run) one(ctx context.Context, n int) {
	body := r.body(n)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.URL, bytes.NewReader(body))
	if err != nil {
		r.note(reason(err), 0)
		return
	}
	header, signature := sample.Sign([]byte(r.Secret.Reveal()), body, sample.Dialect(r.Dialect))
	request.Header.Set(header, signature)
	request.Header.Set("Content-Type", "application/json")
	began := time.Now()
	answer, err := r.Client.Do(request)
	if err != nil {
		if ctx.Err() == nil {
			r.failures.Add(1)
			r.note(reason(err), 0)
		}
		return
	}
	defer answer.Body.Close()
	word, _ := io.ReadAll(io.LimitReader(answer.Body, 4<<10))
	r.answered.Store(true)
	r.note(describe(answer.StatusCode, word), time.Since(began))
}

// body makes the n-th webhook: each customer gets the types in turn, and the
// receipts between two messages belong to the same one.
func (r *run) body(n int) []byte {
	conversation, turn := n%r.Conversations, n/r.Conversations
	sequence, eventType := turn/len(r.Types), r.Types[turn%len(r.Types)]
	side := "c"
	if eventType != connector.MessageReceived {
		side = "b"
	}
	return sample.Event(eventType, sample.Dialect(r.Dialect), sample.Options{
		Conversation: conversation, Sequence: sequence, Kind: r.Kind,
		Time:      r.Start.Add(time.Duration(turn) * time.Second),
		MessageID: fmt.Sprintf("msg_%s_%s%d_%d", r.Name, side, conversation+1, sequence+1),
	})
}

func (r *run) note(answer string, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.add(answer, took)
}

// reason shortens a failed request to what a person needs, without the address.
func reason(err error) string {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	return err.Error()
}

// Validate names everything that is wrong with the options.
func (o *Options) Validate() error {
	var errs []error
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	u, err := url.Parse(o.URL)
	wrong(err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https"), "the url must be like http://127.0.0.1:8080/webhook")
	wrong(o.Secret == "", "a secret is needed to sign the webhooks")
	wrong(o.Count < 1 || o.Conversations < 1 || o.Connections < 1, "count, conversations and connections must be above 0")
	wrong(o.Rate < 0, "the rate must not be negative")
	wrong(len(o.Types) == 0, "at least one type is needed")
	wrong(!slices.Contains(Dialects(), o.Dialect), "there is no dialect %s; known are: %v", strconv.Quote(o.Dialect), Dialects())
	wrong(!slices.Contains(Kinds(), o.Kind), "there is no kind of message %s; known are: %v", strconv.Quote(o.Kind), Kinds())
	for _, t := range o.Types {
		wrong(t != connector.Ping && !slices.Contains(connector.EventTypes(), t), "there is no event type %s; known are: %v", strconv.Quote(string(t)), connector.EventTypes())
	}
	return errors.Join(errs...)
}
