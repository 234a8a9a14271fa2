package sqlite

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// groupLimit bounds the calls that share one commit, and so how long the first
// of them waits.
const groupLimit = 512

// The states of a call: the caller may take it back until it is started.
const (
	callWaiting = iota
	callStarted
	callAbandoned
)

// call is one caller's part of a commit, or one reading.
type call struct {
	reads bool
	run   func(s *session) error
	done  chan error
	state atomic.Int32
}

// start reports whether the call is to be run: its caller still waits.
func (c *call) start() bool {
	return c.state.CompareAndSwap(callWaiting, callStarted)
}

// group gathers the calls that wait while a commit is being synced.
type group struct {
	mu      sync.Mutex
	waiting []*call
	closed  bool
	// idle is how long nothing comes before work is called with nothing.
	idle    time.Duration
	wake    chan struct{}
	stopped chan struct{}
}

// start runs work with all calls that wait, again and again, and with none when
// nothing has come for a while.
func (g *group) start(work func([]*call), idle time.Duration) {
	g.idle = idle
	g.wake = make(chan struct{}, 1)
	g.stopped = make(chan struct{})
	go func() {
		defer close(g.stopped)
		for {
			calls, more := g.take()
			if len(calls) > 0 {
				work(calls)
				continue
			}
			if !more {
				return
			}
			g.sleep(work)
		}
	}()
}

func (g *group) sleep(work func([]*call)) {
	if g.idle < 0 {
		<-g.wake
		return
	}
	timer := time.NewTimer(g.idle)
	defer timer.Stop()
	select {
	case <-g.wake:
		return
	case <-timer.C:
		work(nil)
	}
	<-g.wake
}

// take gives the calls that wait, and whether there can be more.
func (g *group) take() ([]*call, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := min(len(g.waiting), groupLimit)
	calls := g.waiting[:n:n]
	g.waiting = g.waiting[n:]
	return calls, !g.closed
}

// do runs a call and waits for its end. A context that ends first takes the call
// back, unless it was started: then its end must be known.
func (g *group) do(ctx context.Context, reads bool, run func(s *session) error) error {
	c := &call{reads: reads, run: run, done: make(chan error, 1)}
	if err := g.add(ctx, c); err != nil {
		return err
	}
	select {
	case err := <-c.done:
		return err
	case <-ctx.Done():
	}
	if c.state.CompareAndSwap(callWaiting, callAbandoned) {
		return ctx.Err()
	}
	return <-c.done
}

func (g *group) add(ctx context.Context, c *call) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return errClosed
	}
	g.waiting = append(g.waiting, c)
	g.poke()
	return nil
}

func (g *group) poke() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// stop refuses further calls, waits for those that wait, and reports whether it
// was the first to do so.
func (g *group) stop() bool {
	g.mu.Lock()
	first := !g.closed
	g.closed = true
	g.poke()
	g.mu.Unlock()
	<-g.stopped
	return first
}
