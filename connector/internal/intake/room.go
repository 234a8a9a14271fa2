package intake

import (
	"container/list"
	"sync"
	"time"
)

// unverifiedRoom bounds what the longer bodies take that nobody has vouched for
// yet. Up to freeRoom a body takes nothing of it, so that single webhooks get
// through whatever strangers send; how many of those there are, the number of
// connections bounds.
const (
	unverifiedRoom = 64 << 20
	freeRoom       = 32 << 10
)

// room is memory that is given out in the order in which it was asked for.
type room struct {
	mu      sync.Mutex
	free    int64
	waiting list.List
}

// asking is one who waits; ready is closed when the room is there.
type asking struct {
	bytes int64
	ready chan struct{}
}

func newRoom(bytes int64) *room { return &room{free: bytes} }

// take waits for room until a time, and reports whether there was any.
func (r *room) take(bytes int64, until time.Time) bool {
	r.mu.Lock()
	if r.waiting.Len() == 0 && bytes <= r.free {
		r.free -= bytes
		r.mu.Unlock()
		return true
	}
	a := &asking{bytes, make(chan struct{})}
	place := r.waiting.PushBack(a)
	r.mu.Unlock()
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-a.ready:
		return true
	case <-timer.C:
		return r.leave(a, place)
	}
}

// leave ends a wait, and reports whether it was over in that very moment.
func (r *room) leave(a *asking, place *list.Element) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-a.ready:
		return true
	default:
	}
	r.waiting.Remove(place)
	r.hand()
	return false
}

// give gives room back.
func (r *room) give(bytes int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.free += bytes
	r.hand()
}

// hand lets those in who are next. The caller holds the lock.
func (r *room) hand() {
	for first := r.waiting.Front(); first != nil; first = r.waiting.Front() {
		a := first.Value.(*asking)
		if a.bytes > r.free {
			return
		}
		r.free -= a.bytes
		r.waiting.Remove(first)
		close(a.ready)
	}
}
