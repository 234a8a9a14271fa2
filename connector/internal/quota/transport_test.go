package quota_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/quota"
)

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func empty(status int, header ...string) *http.Response {
	h := http.Header{}
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(""))}
}

func hasNotSent(err error) bool {
	var n interface{ NotSent() bool }
	return errors.As(err, &n) && n.NotSent()
}

func TestEveryRequestTakesASlot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := governor(t.Context(), t, quota.Options{Windows: []connector.Window{{Calls: 2, Per: 10 * time.Second}}})
		var statuses []int
		tr := &quota.Transport{
			Governor: g, Called: func(c quota.Call) { statuses = append(statuses, c.Status) },
			Base: roundTrip(func(r *http.Request) (*http.Response, error) {
				if r.URL.Path == "/a" {
					return empty(302, "Location", "/b"), nil
				}
				return empty(204), nil
			}),
		}
		c := &http.Client{Transport: tr}
		began := time.Now()
		for range 2 {
			resp, err := c.Get("http://crm.example/a")
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
		}
		if took := time.Since(began); took < 10*time.Second {
			t.Errorf("two redirected calls took %s, want the redirects to count", took)
		}
		if got := fmt.Sprint(statuses); got != "[302 204 302 204]" {
			t.Errorf("got %s, want every request to be reported", got)
		}
	})
}

func TestACallThatWaitedTooLongIsNotSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := governor(t.Context(), t, quota.Options{Windows: []connector.Window{{Calls: 1, Per: time.Minute}}})
		var sent atomic.Int32
		tr := &quota.Transport{Governor: g, Base: roundTrip(func(*http.Request) (*http.Response, error) {
			sent.Add(1)
			return empty(204), nil
		})}
		c := &http.Client{Transport: tr}
		resp, err := c.Get("http://crm.example/")
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		body := &closed{Reader: strings.NewReader("x")}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://crm.example/", body)
		if err != nil {
			t.Fatal(err)
		}
		_, err = tr.RoundTrip(req)
		if !hasNotSent(err) || !errors.Is(err, context.DeadlineExceeded) || sent.Load() != 1 || !body.done {
			t.Errorf("got %v after %d sent, body closed %t; want it surely not sent", err, sent.Load(), body.done)
		}
	})
}

type closed struct {
	io.Reader
	done bool
}

func (c *closed) Close() error { c.done = true; return nil }

func TestARefusedConnectionTakesNoQuota(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	g := governor(t.Context(), t, quota.Options{Windows: []connector.Window{{Calls: 5, Per: time.Hour}}})
	tr := &quota.Transport{Governor: g, Base: quota.NewBase(1)}
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address, nil)
	if _, err := tr.RoundTrip(req); !hasNotSent(err) || g.Usage()[0].Used != 0 {
		t.Errorf("got %v and %+v, want nothing sent and nothing used", err, g.Usage()[0])
	}
}

// The deadline passes while the connection is being made, as when the process
// is stopped meanwhile, in a way that the context does not notice.
func TestNothingIsWrittenPastTheDeadline(t *testing.T) {
	t.Parallel()
	var served atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served.Add(1) }))
	t.Cleanup(srv.Close)
	base := quota.NewBase(1)
	t.Cleanup(base.CloseIdleConnections)
	g := governor(t.Context(), t, quota.Options{Windows: []connector.Window{{Calls: 5, Per: time.Hour}}})
	tr := &quota.Transport{Governor: g, Base: base}
	clock := &clockContext{Context: t.Context(), deadline: time.Now().Add(time.Hour)}
	base.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		clock.past.Store(true)
		return c, err
	}
	req, _ := http.NewRequestWithContext(clock, http.MethodPost, srv.URL, strings.NewReader("x"))
	_, err := tr.RoundTrip(req)
	if !hasNotSent(err) || !errors.Is(err, quota.ErrDeadline) || served.Load() != 0 || g.Usage()[0].Used != 0 {
		t.Errorf("got %v, served %d, want nothing to be written", err, served.Load())
	}
	// The spoiled connection is not used again, and the next call works.
	clock.past.Store(false)
	base.DialContext = (&net.Dialer{}).DialContext
	req, _ = http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL, strings.NewReader("x"))
	resp, err := tr.RoundTrip(req)
	if err != nil || served.Load() != 1 {
		t.Fatalf("got %v, served %d, want the next call to go through", err, served.Load())
	}
	_ = resp.Body.Close()
}

// clockContext has a deadline that passes without the context noticing.
type clockContext struct {
	context.Context
	deadline time.Time
	past     atomic.Bool
}

func (c *clockContext) Deadline() (time.Time, bool) {
	if c.past.Load() {
		return time.Now().Add(-time.Second), true
	}
	return c.deadline, true
}

// The base transport repeats a read by itself when a kept connection turns out
// to be dead. The server may have counted the first try.
func TestTheBaseTransportsOwnRepeatsCount(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	var seen atomic.Int32
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serveOneAndDrop(c, &seen)
		}
	}()
	base := quota.NewBase(1)
	t.Cleanup(base.CloseIdleConnections)
	g := governor(t.Context(), t, quota.Options{Windows: []connector.Window{{Calls: 9, Per: time.Hour}}, Ledger: &ledger{}})
	c := &http.Client{Transport: &quota.Transport{Governor: g, Base: base}}
	for range 2 {
		resp, err := c.Get("http://" + l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	if used := g.Usage()[0].Used; int32(used) != seen.Load() || used != 3 {
		t.Errorf("%d slots for %d requests that the server saw, want 3", used, seen.Load())
	}
}

// serveOneAndDrop answers the first request of a connection and drops the
// second one after it was read.
func serveOneAndDrop(c net.Conn, seen *atomic.Int32) {
	defer c.Close()
	r := bufio.NewReader(c)
	for i := range 2 {
		if _, err := http.ReadRequest(r); err != nil {
			return
		}
		seen.Add(1)
		if i == 0 {
			_, _ = io.WriteString(c, "HTTP/1.1 204 No Content\r\n\r\n")
		}
	}
}
