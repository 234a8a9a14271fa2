package quota

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"
)

// Transport is the round tripper under a destination's HTTP client. It takes a
// slot for every request, so that redirects, retries, refreshes and polls are
// counted, and it writes nothing past a call's deadline.
//
// It has no CloseIdleConnections on purpose: one failed call of many must not
// throw away the connections of the others. Who made the base closes it.
type Transport struct {
	Governor *Governor
	// Base should come from [NewBase]: on HTTP/2 many calls share a connection,
	// and a write deadline would be everybody's.
	Base http.RoundTripper
	// Called, if not nil, is told of every request.
	Called func(Call)
}

// Call is what became of one request.
type Call struct {
	// Status is the answer's, 0 when there was none.
	Status int
	// Sent is false when the request surely never left.
	Sent bool
	// Waited is the time until there was a slot, Took the time from then until
	// the answer's header.
	Waited time.Duration
	Took   time.Duration
}

// NotSentError says that a request surely never left us. Adapters recognise it
// by its method.
type NotSentError struct{ Err error }

// Error gives the reason.
func (e *NotSentError) Error() string { return "not sent: " + e.Err.Error() }

// Unwrap gives the cause.
func (e *NotSentError) Unwrap() error { return e.Err }

// NotSent is always true.
func (e *NotSentError) NotSent() bool { return true }

// ErrDeadline is the cause when a call's deadline passed before the first byte.
var ErrDeadline = errors.New("the call's deadline has passed")

// RoundTrip sends one request when there is a slot for it.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	asked := time.Now()
	slot, err := t.admit(req.Context())
	if err != nil {
		closeBody(req)
		t.report(Call{Waited: time.Since(asked)})
		return nil, &NotSentError{Err: err}
	}
	began := time.Now()
	f := &flight{ctx: req.Context(), governor: t.Governor, slots: []*Slot{slot}}
	resp, err := t.base().RoundTrip(req.WithContext(httptrace.WithClientTrace(req.Context(), f.trace())))
	call := Call{Sent: true, Waited: began.Sub(asked), Took: time.Since(began)}
	switch {
	case err == nil:
		f.release(Answered)
		call.Status = resp.StatusCode
	case f.unsent():
		f.release(Unsent)
		call.Sent = false
		err = &NotSentError{Err: f.reason(err)}
	default:
		f.release(Lost)
	}
	t.report(call)
	return resp, err
}

func (t *Transport) admit(ctx context.Context) (*Slot, error) {
	slot, err := t.Governor.Wait(ctx)
	if err != nil {
		return nil, err
	}
	if late(ctx) {
		slot.Release(Unsent)
		return nil, ErrDeadline
	}
	return slot, nil
}

func (t *Transport) base() http.RoundTripper {
	if t.Base == nil {
		return http.DefaultTransport
	}
	return t.Base
}

func (t *Transport) report(c Call) {
	if t.Called != nil {
		t.Called(c)
	}
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}

// late compares wall clocks as well: a machine that slept has a monotonic clock
// that knows nothing of it, and an intent's deadline is wall time.
func late(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	if !ok {
		return ctx.Err() != nil
	}
	now := time.Now()
	return ctx.Err() != nil || !now.Before(deadline) || !now.Round(0).Before(deadline.Round(0))
}

// flight watches one request on its way through the base transport, which may
// write it a second time by itself when a kept connection turns out to be dead.
type flight struct {
	ctx      context.Context
	governor *Governor

	mu    sync.Mutex
	slots []*Slot
	// dialled says that the base looked for a connection, as only a real one
	// tells, and armed that it got one and was let write. From then on another
	// goroutine writes, and nothing is sure.
	dialled bool
	armed   bool
	wrote   bool
	refused error
}

func (f *flight) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn:      func(string) { f.set(&f.dialled) },
		GotConn:      func(i httptrace.GotConnInfo) { f.connected(i.Conn) },
		WroteHeaders: func() { f.set(&f.wrote) },
	}
}

func (f *flight) set(b *bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	*b = true
}

// connected arms the connection, which nothing has been written to yet, or
// spoils it when the request must not go out any more.
func (f *flight) connected(conn net.Conn) {
	err := f.permit()
	f.mu.Lock()
	f.refused, f.armed = err, f.armed || err == nil
	f.mu.Unlock()
	if err != nil {
		_ = conn.SetWriteDeadline(time.Unix(1, 0))
		return
	}
	// The zero time clears what an earlier call has left.
	deadline, _ := f.ctx.Deadline()
	_ = conn.SetWriteDeadline(deadline)
}

func (f *flight) permit() error {
	f.mu.Lock()
	again := f.wrote
	slot := f.slots[len(f.slots)-1]
	f.mu.Unlock()
	if again {
		more, err := f.governor.Wait(f.ctx)
		if err != nil {
			return err
		}
		f.mu.Lock()
		f.slots = append(f.slots, more)
		f.mu.Unlock()
		slot = more
	}
	if err := slot.Sending(f.ctx); err != nil {
		return err
	}
	if late(f.ctx) {
		return ErrDeadline
	}
	return nil
}

// unsent reports that nothing can have been written: the base never had a
// connection that it was let write to. A base that tells nothing, such as a
// test's, leaves it open.
func (f *flight) unsent() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dialled && !f.armed
}

func (f *flight) reason(err error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refused != nil {
		return f.refused
	}
	return err
}

func (f *flight) release(e End) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.slots {
		s.Release(e)
	}
}
