package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// How long a stopping server waits: for kept connections to bring their next
// request, which is told to be the last, and for requests to be answered.
const (
	lingerWithin = 300 * time.Millisecond
	answerWithin = 5 * time.Second
)

// listen gives the listener that is there, or makes one.
func listen(ctx context.Context, given net.Listener, address string) (net.Listener, error) {
	if given != nil {
		return given, nil
	}
	return (&net.ListenConfig{}).Listen(ctx, "tcp", address)
}

// maxConnections bounds the connections that anybody can open: each has its
// buffers, and the beginning of a body that nobody has vouched for.
const maxConnections = 1024

// limited is a listener that accepts no further connection while many are open.
type limited struct {
	net.Listener
	places chan struct{}
	closed chan struct{}
	close  func() error
}

func limit(l net.Listener, n int) net.Listener {
	closed := make(chan struct{})
	return &limited{
		Listener: l, places: make(chan struct{}, n), closed: closed,
		close: sync.OnceValue(func() error {
			close(closed)
			return l.Close()
		}),
	}
}

// Accept waits for a connection, and before that for a place.
func (l *limited) Accept() (net.Conn, error) {
	select {
	case l.places <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	conn, err := l.Listener.Accept()
	if err != nil {
		<-l.places
		return nil, err
	}
	return &placed{Conn: conn, leave: sync.OnceFunc(func() { <-l.places })}, nil
}

// Close lets nobody in any more.
func (l *limited) Close() error { return l.close() }

// placed is a connection that has a place.
type placed struct {
	net.Conn
	leave func()
}

// Close ends the connection and frees its place.
func (p *placed) Close() error {
	defer p.leave()
	return p.Conn.Close()
}

// closing closes a listener that nobody may have served, or a server already has.
func closing(l net.Listener) func() error {
	return func() error {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	}
}

// server is a running http.Server.
type server struct {
	http     *http.Server
	listener net.Listener
	done     chan struct{}
	open     atomic.Int64
	// stopping says that the end of Serve is expected, and last that answers
	// close their connections.
	stopping atomic.Bool
	last     atomic.Bool
}

// serve serves in the background until stop or drain. What ends it otherwise
// ends the run, by fail.
func serve(l net.Listener, h *http.Server, fail context.CancelCauseFunc) *server {
	s := &server{http: h, listener: l, done: make(chan struct{})}
	next := h.Handler
	h.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.last.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
	h.ConnState = s.count
	go func() {
		defer close(s.done)
		err := h.Serve(l)
		if !errors.Is(err, http.ErrServerClosed) && !s.stopping.Load() {
			fail(fmt.Errorf("serve %s: %w", l.Addr(), err))
		}
	}()
	return s
}

// count follows how many connections are open.
func (s *server) count(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.open.Add(1)
	case http.StateClosed, http.StateHijacked:
		s.open.Add(-1)
	}
}

// drain stops without breaking a request: new connections are left to whoever
// listens next, kept ones may bring one more request, and all are answered.
func (s *server) drain() error {
	s.stopping.Store(true)
	if err := closing(s.listener)(); err != nil {
		return fmt.Errorf("stop serving: %w", err)
	}
	// Only now: a client that is told to connect again must not get into the
	// queue of a listener that closes.
	s.last.Store(true)
	for until := time.Now().Add(lingerWithin); s.open.Load() > 0 && time.Now().Before(until); {
		time.Sleep(5 * time.Millisecond)
	}
	return s.stop()
}

// stop answers the requests that are there and closes the connections.
func (s *server) stop() error {
	s.stopping.Store(true)
	ctx, cancel := context.WithTimeout(context.Background(), answerWithin)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = s.http.Close()
	}
	<-s.done
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("stop serving: %w", err)
	}
	return nil
}

// adminServer gives the settings of the pages' server. What browsers do wrong is
// not the operator's concern, so its log goes nowhere.
func adminServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second,
		IdleTimeout: time.Minute, MaxHeaderBytes: 32 << 10, ErrorLog: log.New(io.Discard, "", 0),
	}
}
