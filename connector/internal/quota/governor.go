package quota

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/journal"
)

// Ledger remembers, over a crash, calls that are about to be made.
type Ledger interface {
	// Reserve returns after the reservation is synced.
	Reserve(ctx context.Context, r journal.Reservation) error
	// Reserved gives the reservations that were made after a time.
	Reserved(ctx context.Context, after time.Time) ([]journal.Reservation, error)
}

// The arithmetic's constants.
const (
	// blockLife is how long reserved calls may be made; later they lapse. While the
	// ledger is slow they live longer, up to maxBlockLife.
	blockLife    = 2 * time.Second
	maxBlockLife = 64 * time.Second
	// blockShare bounds a block to this fraction of the narrowest window, since
	// a crash wastes what is left of one.
	blockShare = 20
	// DefaultLate is how long after our connection's end a server may still count
	// a request: it lay in a socket's buffer or in the accept queue.
	DefaultLate = time.Second
)

// Options says what a governor keeps to.
type Options struct {
	// Windows are the CRM's limits; none means no limit.
	Windows []connector.Window
	// Share is the fraction of them that is ours, 0 meaning all. At least one
	// call is left of every window.
	Share float64
	// Ledger keeps reservations; nil when a restart need not remember.
	Ledger Ledger
	// Late replaces DefaultLate.
	Late time.Duration
}

func (o *Options) validate() error {
	if o.Share < 0 || o.Share > 1 {
		return fmt.Errorf("quota share %v: want more than 0 and at most 1", o.Share)
	}
	for _, w := range o.Windows {
		if w.Calls <= 0 || w.Per <= 0 {
			return fmt.Errorf("quota window of %d calls in %s: want both to be positive", w.Calls, w.Per)
		}
	}
	return nil
}

// Governor hands out slots. It is safe for concurrent use.
type Governor struct {
	ledger Ledger
	late   time.Duration
	start  time.Time

	// turn is held by the one caller that is next: calls go out in the order in
	// which they asked, and one of them at a time writes the ledger.
	turn chan struct{}
	// landed wakes the caller that is next when a slot was given back.
	landed chan struct{}

	mu      sync.Mutex
	windows []*window
	block   block
	counts  Counts
}

// block is what may still be sent under the last reservation.
type block struct {
	left  int
	until time.Duration
	// size is of the next block: it doubles while blocks are used up, so that a
	// trickle reserves call by call and wastes nothing.
	size int
	// life is of the next block.
	life time.Duration
}

// Counts sums up a governor's calls since its start.
type Counts struct {
	Calls    int64
	Unsent   int64
	Reserved int64
	// Waited is the time that calls spent waiting for a slot.
	Waited time.Duration
}

// New makes a governor that remembers what its ledger holds.
func New(ctx context.Context, o Options) (*Governor, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	g := &Governor{
		ledger: o.Ledger, late: o.Late, start: time.Now(),
		turn: make(chan struct{}, 1), landed: make(chan struct{}, 1),
		block: block{size: 1, life: blockLife},
	}
	if g.late <= 0 {
		g.late = DefaultLate
	}
	for _, w := range o.Windows {
		limit := w.Calls
		if o.Share > 0 {
			limit = max(1, int(float64(w.Calls)*o.Share))
		}
		g.windows = append(g.windows, newWindow(w, limit))
	}
	return g, g.restore(ctx)
}

// restore counts every reserved call as made at the end of its reservation, or
// now if that is earlier: a dead process sends nothing, though the server may
// count late what it had sent.
func (g *Governor) restore(ctx context.Context) error {
	if g.ledger == nil || len(g.windows) == 0 {
		return nil
	}
	var longest time.Duration
	for _, w := range g.windows {
		longest = max(longest, w.hold+2*w.grain)
	}
	rs, err := g.ledger.Reserved(ctx, g.start.Add(-longest-g.late-maxBlockLife))
	if err != nil {
		return fmt.Errorf("read reserved calls: %w", err)
	}
	for _, r := range rs {
		// Reservations carry wall time, so the monotonic reading must not count.
		made := min(r.Until.Sub(g.start.Round(0)), 0) + g.late
		for _, w := range g.windows {
			w.keep(made, r.Calls)
		}
	}
	now := g.now()
	for _, w := range g.windows {
		w.expire(now)
		w.worst = w.used()
	}
	return nil
}

// now is monotonic: a clock that is set must neither free nor freeze slots.
func (g *Governor) now() time.Duration { return time.Since(g.start) }

// Slot is the right to send one request.
type Slot struct {
	g    *Governor
	once sync.Once
	// until is when the reservation lapses under which it may be sent.
	until time.Duration
}

// Wait takes a slot in every window, when there is one. Callers are served in
// the order in which they asked. The slot must be released.
func (g *Governor) Wait(ctx context.Context) (*Slot, error) {
	asked := g.now()
	select {
	case g.turn <- struct{}{}:
		defer func() { <-g.turn }()
	case <-ctx.Done():
		return nil, waitError(ctx)
	}
	for {
		if ctx.Err() != nil {
			return nil, waitError(ctx)
		}
		if wait, free := g.free(); !free {
			g.sleep(ctx, wait)
			continue
		}
		if slot := g.take(asked); slot != nil {
			return slot, nil
		}
		if err := g.reserve(ctx); err != nil {
			return nil, err
		}
	}
}

// Room blocks until there is a slot in every window, and takes none: whoever
// begins a call with a deadline lets the time pass here that it would wait there.
func (g *Governor) Room(ctx context.Context) error {
	select {
	case g.turn <- struct{}{}:
		defer func() { <-g.turn }()
	case <-ctx.Done():
		return waitError(ctx)
	}
	for {
		if ctx.Err() != nil {
			return waitError(ctx)
		}
		wait, free := g.free()
		if free {
			return nil
		}
		g.sleep(ctx, wait)
	}
}

func waitError(ctx context.Context) error {
	return fmt.Errorf("wait for quota: %w", context.Cause(ctx))
}

// free reports whether every window has a slot, else how long the first one
// without has to wait. A wait of 0 is for a call in flight, of unknown length.
func (g *Governor) free() (time.Duration, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	var wait time.Duration
	free := true
	for _, w := range g.windows {
		w.expire(now)
		if w.used() < w.limit {
			continue
		}
		free = false
		if at, ok := w.next(); ok {
			wait = max(wait, at-now)
		}
	}
	return wait, free
}

// sleep returns after a time, when a slot is given back, or with the context.
func (g *Governor) sleep(ctx context.Context, wait time.Duration) {
	var timer <-chan time.Time
	if wait > 0 {
		t := time.NewTimer(wait)
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-timer:
	case <-g.landed:
	case <-ctx.Done():
	}
}

// take takes a slot under the current reservation, or nil when that is used up
// or has lapsed.
func (g *Governor) take(asked time.Duration) *Slot {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	if !g.spend(now) {
		return nil
	}
	for _, w := range g.windows {
		w.take()
	}
	g.counts.Calls++
	g.counts.Waited += now - asked
	return &Slot{g: g, until: g.block.until}
}

// spend uses one reserved call. Without windows there is nothing to remember.
func (g *Governor) spend(now time.Duration) bool {
	if g.ledger == nil || len(g.windows) == 0 {
		return true
	}
	if g.block.left == 0 || now >= g.block.until {
		return false
	}
	g.block.left--
	return true
}

// reserve writes the next block down before anything of it is sent. The caller
// holds the turn.
func (g *Governor) reserve(ctx context.Context) error {
	g.mu.Lock()
	n := g.nextBlock()
	g.mu.Unlock()
	until, err := g.write(ctx, n)
	if err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.counts.Reserved += int64(n)
	g.block.left, g.block.until = n, until
	return nil
}

// errSlow says that reserved calls had lapsed when their reservation was synced.
var errSlow = fmt.Errorf("reserve calls: the journal took longer than %s", maxBlockLife)

// write reserves calls and gives when they lapse. A ledger that needs more than
// half of their life makes the next ones live longer; those that have lapsed
// already are reserved again while that can help.
func (g *Governor) write(ctx context.Context, calls int) (time.Duration, error) {
	for {
		g.mu.Lock()
		life := g.block.life
		g.mu.Unlock()
		at := time.Now()
		err := g.ledger.Reserve(ctx, journal.Reservation{At: at, Until: at.Add(life), Calls: calls})
		if err != nil {
			return 0, fmt.Errorf("reserve calls: %w", err)
		}
		took := time.Since(at)
		g.mu.Lock()
		g.block.life = nextLife(life, took)
		g.mu.Unlock()
		switch {
		case took < life:
			return at.Sub(g.start) + life, nil
		case life >= maxBlockLife:
			return 0, errSlow
		case ctx.Err() != nil:
			return 0, waitError(ctx)
		}
	}
}

// nextLife doubles a block's life until a commit that took so long uses less than
// half of it, and shortens it when commits have become quick again.
func nextLife(life, took time.Duration) time.Duration {
	if took < life/8 {
		return max(blockLife, life/2)
	}
	for took > life/2 && life < maxBlockLife {
		life *= 2
	}
	return min(life, maxBlockLife)
}

// nextBlock is twice the last block when that was used up in time, else one
// call; never more than a share of any window.
func (g *Governor) nextBlock() int {
	if g.block.left > 0 || g.now() >= g.block.until {
		g.block.size = 1
	} else {
		g.block.size *= 2
	}
	for _, w := range g.windows {
		g.block.size = min(g.block.size, max(1, w.limit/blockShare))
	}
	return g.block.size
}

// Sending is to be called when the connection is there and nothing has been
// written yet: dialling may have outlasted the reservation.
func (s *Slot) Sending(ctx context.Context) error {
	g := s.g
	if g.ledger == nil || len(g.windows) == 0 || g.now() < s.until {
		return nil
	}
	until, err := g.write(ctx, 1)
	if err != nil {
		return err
	}
	s.until = until
	return nil
}

// End is what is known of a call when its slot is released.
type End int

// The ends of a call.
const (
	// Answered: the answer's header has arrived, so the call has been counted.
	Answered End = iota
	// Lost: the connection ended without one, so it may be counted late.
	Lost
	// Unsent: nothing was written. The slot is free again at once.
	Unsent
)

// Release gives the slot back. Only the first call of it counts.
func (s *Slot) Release(e End) {
	s.once.Do(func() { s.g.release(e) })
}

func (g *Governor) release(e End) {
	g.mu.Lock()
	end := g.now()
	if e == Lost {
		end += g.late
	}
	for _, w := range g.windows {
		if e == Unsent {
			w.untake()
		} else {
			w.land(end)
		}
	}
	if e == Unsent {
		g.counts.Unsent++
	}
	g.mu.Unlock()
	select {
	case g.landed <- struct{}{}:
	default:
	}
}

// Usage is one window as it stands.
type Usage struct {
	connector.Window
	// Limit is our share of it, Used the calls that count at the moment, and
	// Worst the most that ever did: no stretch of the window's length has held
	// more.
	Limit int
	Used  int
	Worst int
	// Next is how long until a slot comes free, 0 when one is or nobody knows.
	Next time.Duration
}

// Remaining is how many calls can go at once.
func (u Usage) Remaining() int { return max(0, u.Limit-u.Used) }

// Usage gives the windows in the order of the options.
func (g *Governor) Usage() []Usage {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	out := make([]Usage, 0, len(g.windows))
	for _, w := range g.windows {
		w.expire(now)
		u := Usage{Window: w.Window, Limit: w.limit, Used: w.used(), Worst: w.worst}
		if at, ok := w.next(); ok && u.Remaining() == 0 {
			u.Next = at - now
		}
		out = append(out, u)
	}
	return out
}

// Counts gives the sums since the start.
func (g *Governor) Counts() Counts {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.counts
}
