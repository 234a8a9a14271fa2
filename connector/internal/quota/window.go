package quota

import (
	"time"

	"github.com/crm-connector/crm-connector/connector"
)

// grains is how finely a window remembers when slots come free: a day's 250,000
// calls are at most this many numbers.
const grains = 1000

// window counts the slots of one limit. Times are durations since the
// governor's start. It is not safe for concurrent use.
type window struct {
	connector.Window
	limit int
	// grain is the width of one bucket, and hold how long a slot is kept after
	// its call has ended.
	grain time.Duration
	hold  time.Duration
	// flying are calls whose end has not been seen; held waits in buckets, by the
	// time at which it comes free, in order.
	flying  int
	held    int
	buckets []bucket
	worst   int
}

type bucket struct {
	free time.Duration
	n    int
}

func newWindow(w connector.Window, limit int) *window {
	grain := max(w.Per/grains, time.Millisecond)
	// One thousandth more is for clocks that run at different speeds, theirs
	// and ours, and covers the instant that belongs to two windows.
	return &window{Window: w, limit: limit, grain: grain, hold: w.Per + grain}
}

// expire gives back what has come free.
func (w *window) expire(now time.Duration) {
	n := 0
	for n < len(w.buckets) && w.buckets[n].free <= now {
		w.held -= w.buckets[n].n
		n++
	}
	w.buckets = w.buckets[n:]
}

func (w *window) used() int { return w.flying + w.held }

// next is when the first slot comes free, if one is known to.
func (w *window) next() (time.Duration, bool) {
	if len(w.buckets) == 0 {
		return 0, false
	}
	return w.buckets[0].free, true
}

func (w *window) take() {
	w.flying++
	w.worst = max(w.worst, w.used())
}

// untake gives a slot back at once: its call was surely never sent.
func (w *window) untake() { w.flying-- }

// land keeps a slot until a window after the call's end.
func (w *window) land(end time.Duration) {
	w.flying--
	w.keep(end, 1)
}

// keep holds n slots for calls that were made at a time, at the latest. Ends
// come nearly in order, so the search from the back is short.
func (w *window) keep(made time.Duration, n int) {
	free := (made + w.hold).Truncate(w.grain) + w.grain
	w.held += n
	i := len(w.buckets)
	for i > 0 && w.buckets[i-1].free > free {
		i--
	}
	if i > 0 && w.buckets[i-1].free == free {
		w.buckets[i-1].n += n
		return
	}
	w.buckets = append(w.buckets, bucket{})
	copy(w.buckets[i+1:], w.buckets[i:])
	w.buckets[i] = bucket{free: free, n: n}
}
