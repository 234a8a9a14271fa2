package adaptertest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
)

// endless is how much of an endless answer the suite sends before it calls the
// adapter greedy.
const endless = 64 << 20

// mediaHost is where the files of messages are, for adapters that upload them.
const mediaHost = "media.adaptertest.invalid"

// wire is the connection between the adapter and the CRM, on which the suite
// makes go wrong what goes wrong on real ones.
type wire struct {
	base  http.RoundTripper
	reads func(*http.Request) bool

	mu    sync.Mutex
	fault fault
	// only limits the fault to reads or writes, and left to the next so many; a
	// negative number means all.
	only   target
	left   int
	calls  int
	writes int
	held   []*http.Request
	greedy bool
	tokens []string
}

type target int

const (
	anyCall target = iota
	onWrites
)

// fault answers a request in the CRM's place. pass lets it through.
type fault func(r *http.Request, pass func(*http.Request) (*http.Response, error)) (*http.Response, error)

func newWire(reads func(*http.Request) bool) *wire {
	if reads == nil {
		reads = func(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }
	}
	return &wire{base: &http.Transport{MaxIdleConnsPerHost: 16}, reads: reads}
}

// RoundTrip passes a request on, or applies the fault.
func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host == mediaHost {
		return respond(r, http.StatusOK, http.Header{"Content-Type": {"image/png"}}, strings.NewReader("\x89PNG\r\n\x1a\n")), nil
	}
	f := w.pick(r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if f == nil {
		return w.base.RoundTrip(r)
	}
	return f(r, w.base.RoundTrip)
}

func (w *wire) pick(r *http.Request) fault {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls++
	write := !w.reads(r)
	if write {
		w.writes++
	}
	if _, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && !slices.Contains(w.tokens, token) {
		w.tokens = append(w.tokens, token)
	}
	if w.fault == nil || w.left == 0 || (w.only == onWrites && !write) {
		return nil
	}
	w.left--
	return w.fault
}

// set makes the next n requests of a sort go wrong, all of them when n is
// negative. clear ends it.
func (w *wire) set(only target, n int, f fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fault, w.only, w.left = f, only, n
}

func (w *wire) clear() { w.set(anyCall, 0, nil) }

func (w *wire) count() (calls, writes int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calls, w.writes
}

func (w *wire) close() {
	if t, ok := w.base.(*http.Transport); ok {
		t.CloseIdleConnections()
	}
}

func drain(r *http.Request) []byte {
	if r.Body == nil {
		return nil
	}
	defer r.Body.Close()
	b, _ := io.ReadAll(r.Body)
	return b
}

func respond(r *http.Request, status int, header http.Header, body io.Reader) *http.Response {
	h := http.Header{"Content-Type": {"application/json"}}
	for name, values := range header {
		h[http.CanonicalHeaderKey(name)] = values
	}
	closer, ok := body.(io.ReadCloser)
	if !ok {
		closer = io.NopCloser(body)
	}
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: h, Body: closer, ContentLength: -1, Request: r,
	}
}

// answers gives an answer that the CRM never sees the request of.
func answers(status int, header http.Header, body string) fault {
	return func(r *http.Request, _ func(*http.Request) (*http.Response, error)) (*http.Response, error) {
		drain(r)
		return respond(r, status, header, strings.NewReader(body)), nil
	}
}

// after lets some requests through before the fault begins.
func after(n int64, f fault) fault {
	var seen atomic.Int64
	return func(r *http.Request, pass func(*http.Request) (*http.Response, error)) (*http.Response, error) {
		if seen.Add(1) <= n {
			return pass(r)
		}
		return f(r, pass)
	}
}

// echoes repeats all that the request said, as careless vendors do.
func echoes(status int) fault {
	return func(r *http.Request, _ func(*http.Request) (*http.Response, error)) (*http.Response, error) {
		said := map[string]any{
			"message": "not valid: " + string(drain(r)) + " from " + r.URL.String() + " with " + r.Header.Get("Authorization"),
		}
		b, _ := json.Marshal(said)
		return respond(r, status, nil, bytes.NewReader(b)), nil
	}
}

var errReset = &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}

// loses lets the CRM do its work and loses the answer.
func loses(r *http.Request, pass func(*http.Request) (*http.Response, error)) (*http.Response, error) {
	resp, err := pass(r)
	if err == nil {
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	return nil, errReset
}

// resets ends the connection before the CRM has seen anything; nobody can tell.
func resets(r *http.Request, _ func(*http.Request) (*http.Response, error)) (*http.Response, error) {
	drain(r)
	return nil, errReset
}

// refuses never lets a connection come about.
func refuses(r *http.Request, _ func(*http.Request) (*http.Response, error)) (*http.Response, error) {
	drain(r)
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
}

// hangs lets the CRM do its work and never gives the answer.
func hangs(r *http.Request, pass func(*http.Request) (*http.Response, error)) (*http.Response, error) {
	if resp, err := pass(r.WithContext(context.WithoutCancel(r.Context()))); err == nil {
		_ = resp.Body.Close()
	}
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// holds keeps requests back until release, long after the adapter gave up.
func (w *wire) holds(r *http.Request, _ func(*http.Request) (*http.Response, error)) (*http.Response, error) {
	body := drain(r)
	late := r.Clone(context.WithoutCancel(r.Context()))
	late.Body, late.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	w.mu.Lock()
	w.held = append(w.held, late)
	w.mu.Unlock()
	return nil, errReset
}

func (w *wire) release() error {
	w.mu.Lock()
	held := w.held
	w.held = nil
	w.mu.Unlock()
	for _, r := range held {
		resp, err := w.base.RoundTrip(r)
		if err != nil {
			return err
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	return nil
}

// dribbles sends the header of a success and never the end of its body.
func dribbles(r *http.Request, _ func(*http.Request) (*http.Response, error)) (*http.Response, error) {
	drain(r)
	return respond(r, http.StatusOK, nil, &slowBody{done: r.Context().Done()}), nil
}

type slowBody struct {
	done <-chan struct{}
	sent bool
}

func (b *slowBody) Read(p []byte) (int, error) {
	if !b.sent && len(p) > 0 {
		b.sent = true
		p[0] = '['
		return 1, nil
	}
	<-b.done
	return 0, context.DeadlineExceeded
}

// floods answers a success without end.
func (w *wire) floods(r *http.Request, _ func(*http.Request) (*http.Response, error)) (*http.Response, error) {
	drain(r)
	return respond(r, http.StatusOK, nil, &longBody{wire: w}), nil
}

type longBody struct {
	wire *wire
	n    int
}

func (b *longBody) Read(p []byte) (int, error) {
	if b.n += len(p); b.n > endless {
		b.wire.mu.Lock()
		b.wire.greedy = true
		b.wire.mu.Unlock()
		return 0, errors.New("the answer has no end")
	}
	for i := range p {
		p[i] = '['
	}
	return len(p), nil
}
