package quota_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/journal"
	"github.com/crm-connector/crm-connector/connector/internal/quota"
)

// ledger keeps reservations in memory and takes its time to sync them.
type ledger struct {
	mu    sync.Mutex
	delay time.Duration
	err   error
	kept  []journal.Reservation
}

func (l *ledger) Reserve(ctx context.Context, r journal.Reservation) error {
	if l.delay > 0 {
		pause(ctx, l.delay)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil || ctx.Err() != nil {
		return errors.Join(l.err, ctx.Err())
	}
	l.kept = append(l.kept, journal.Reservation{At: r.At.Round(0), Until: r.Until.Round(0), Calls: r.Calls})
	return nil
}

func (l *ledger) Reserved(_ context.Context, after time.Time) ([]journal.Reservation, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []journal.Reservation
	for _, r := range l.kept {
		if r.At.After(after) {
			out = append(out, r)
		}
	}
	return out, l.err
}

func (l *ledger) calls() int {
	n := 0
	for _, r := range l.kept {
		n += r.Calls
	}
	return n
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// server counts requests when they arrive.
type server struct {
	mu  sync.Mutex
	log []time.Time
}

func (s *server) arrive() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, time.Now())
}

// worst is the most arrivals in any closed stretch of a length.
func (s *server) worst(per time.Duration) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.SortFunc(s.log, time.Time.Compare)
	worst, first := 0, 0
	for i, at := range s.log {
		for at.Sub(s.log[first]) > per {
			first++
		}
		worst = max(worst, i-first+1)
	}
	return worst
}

func governor(ctx context.Context, t *testing.T, o quota.Options) *quota.Governor {
	t.Helper()
	g, err := quota.New(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// process is one life of the connector: callers that send without pause until
// it is killed. What was on its way then may still arrive, a little later.
type process struct {
	governor *quota.Governor
	server   *server
	seed     uint64
	callers  int
	// slowest bounds an answer, late what arrives after a connection's end.
	slowest, late time.Duration
}

func (p *process) run(ctx context.Context) {
	var wg sync.WaitGroup
	for i := range p.callers {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(p.seed, uint64(i)))
			for p.call(ctx, r) {
				if r.IntN(4) == 0 {
					pause(ctx, time.Duration(r.Int64N(int64(2*p.slowest))))
				}
			}
		})
	}
	wg.Wait()
}

func (p *process) call(ctx context.Context, r *rand.Rand) bool {
	slot, err := p.governor.Wait(ctx)
	if err != nil {
		return false
	}
	if r.IntN(10) == 0 {
		// A connection that takes longer than a reservation lives.
		pause(ctx, time.Duration(r.Int64N(int64(4*time.Second))))
	}
	if err := slot.Sending(ctx); err != nil || ctx.Err() != nil || r.IntN(20) == 0 {
		slot.Release(quota.Unsent)
		return ctx.Err() == nil
	}
	total := time.Duration(r.Int64N(int64(p.slowest)))
	arrival := time.Duration(r.Int64N(int64(total) + 1))
	pause(ctx, arrival)
	switch {
	case ctx.Err() != nil || r.IntN(10) == 0:
		slot.Release(quota.Lost)
		pause(context.Background(), time.Duration(r.Int64N(int64(p.late))))
		p.server.arrive()
	default:
		p.server.arrive()
		pause(ctx, total-arrival)
		slot.Release(quota.Answered)
	}
	return ctx.Err() == nil
}

func TestNoWindowIsEverExceeded(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		windows []connector.Window
		slowest time.Duration
		kill    time.Duration
		least   int
	}{
		"fast answers":        {[]connector.Window{{Calls: 20, Per: 10 * time.Second}}, 50 * time.Millisecond, 0, 900},
		"slow answers":        {[]connector.Window{{Calls: 20, Per: 10 * time.Second}}, 15 * time.Second, 0, 300},
		"several windows":     {[]connector.Window{{Calls: 5, Per: time.Second}, {Calls: 60, Per: time.Minute}}, 200 * time.Millisecond, 0, 400},
		"one call":            {[]connector.Window{{Calls: 1, Per: time.Second}}, 300 * time.Millisecond, 0, 200},
		"killed":              {[]connector.Window{{Calls: 40, Per: 10 * time.Second}}, 300 * time.Millisecond, 3 * time.Second, 700},
		"killed, big":         {[]connector.Window{{Calls: 400, Per: 10 * time.Second}, {Calls: 9000, Per: 24 * time.Hour}}, 300 * time.Millisecond, 3 * time.Second, 5000},
		"killed, slow":        {[]connector.Window{{Calls: 40, Per: 10 * time.Second}}, 4 * time.Second, 7 * time.Second, 300},
		"killed all the time": {[]connector.Window{{Calls: 100, Per: 5 * time.Second}}, 100 * time.Millisecond, 700 * time.Millisecond, 700},
	}
	for name, tc := range cases {
		for seed := range uint64(4) {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					s, l := &server{}, &ledger{delay: 3 * time.Millisecond}
					live(t, s, l, tc.windows, tc.slowest, tc.kill, seed)
					for _, w := range tc.windows {
						if got := s.worst(w.Per); got > w.Calls {
							t.Errorf("seed %d: %d calls in %s, want at most %d", seed, got, w.Per, w.Calls)
						}
					}
					if len(s.log) < tc.least {
						t.Errorf("seed %d: only %d calls got through, want %d at least", seed, len(s.log), tc.least)
					}
				})
			})
		}
	}
}

// live runs processes one after the other for ten minutes.
func live(t *testing.T, s *server, l *ledger, windows []connector.Window, slowest, kill time.Duration, seed uint64) {
	if kill == 0 {
		kill = 10 * time.Minute
	}
	var dying sync.WaitGroup
	for end := time.Now().Add(10 * time.Minute); time.Now().Before(end); {
		ctx, cancel := context.WithTimeout(t.Context(), kill)
		p := &process{
			governor: governor(ctx, t, quota.Options{Windows: windows, Ledger: l}),
			server:   s, seed: seed, callers: 16, slowest: slowest, late: quota.DefaultLate,
		}
		seed++
		dying.Go(func() { p.run(ctx) })
		<-ctx.Done()
		cancel()
		pause(t.Context(), 10*time.Millisecond)
	}
	dying.Wait()
}

func TestThroughputComesClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := []connector.Window{{Calls: 100, Per: 10 * time.Second}}
		g := governor(t.Context(), t, quota.Options{Windows: w, Ledger: &ledger{}})
		began := time.Now()
		for range 1000 {
			slot, err := g.Wait(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			slot.Release(quota.Answered)
		}
		if took := time.Since(began); took > 91*time.Second {
			t.Errorf("a thousand calls took %s, want the ninety seconds that the window allows", took)
		}
	})
}

func TestAShareIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := governor(t.Context(), t, quota.Options{
			Windows: []connector.Window{{Calls: 10, Per: time.Second}, {Calls: 1, Per: time.Minute}}, Share: 0.25,
		})
		u := g.Usage()
		if u[0].Limit != 2 || u[1].Limit != 1 {
			t.Errorf("got limits %d and %d, want 2 and never less than 1", u[0].Limit, u[1].Limit)
		}
	})
}

func TestADayIsCheap(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{}
		w := []connector.Window{{Calls: 250_000, Per: 24 * time.Hour}}
		g := governor(t.Context(), t, quota.Options{Windows: w, Ledger: l})
		for i := range 250_000 {
			slot, err := g.Wait(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			slot.Release(quota.Answered)
			if i%100 == 0 {
				pause(t.Context(), 10*time.Second)
			}
		}
		u := g.Usage()[0]
		if u.Remaining() != 0 || u.Worst != 250_000 || u.Next <= 0 {
			t.Errorf("got %+v, want the day to be used up", u)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if _, err := g.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want no call on the same day", err)
		}
		if n := len(l.kept); n > 20_000 {
			t.Errorf("%d reservations for a day's calls, want blocks", n)
		}
	})
}

func TestATrickleReservesNothingInVain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{}
		g := governor(t.Context(), t, quota.Options{Windows: []connector.Window{{Calls: 4000, Per: 24 * time.Hour}}, Ledger: l})
		for range 100 {
			slot, err := g.Wait(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			slot.Release(quota.Answered)
			pause(t.Context(), 5*time.Second)
		}
		if got := l.calls(); got != 100 {
			t.Errorf("reserved %d calls for 100, want no more: a restart would count them", got)
		}
	})
}

func TestAWaitingCallerCanLeave(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := governor(t.Context(), t, quota.Options{Windows: []connector.Window{{Calls: 1, Per: time.Minute}}})
		first, err := g.Wait(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if _, err := g.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v, want the context's end", err)
				}
			})
		}
		wg.Wait()
		began := time.Now()
		wg.Go(func() {
			if _, err := g.Wait(t.Context()); err != nil || time.Since(began) != 0 {
				t.Errorf("got %v after %s, want an unsent call's slot at once", err, time.Since(began))
			}
		})
		synctest.Wait()
		first.Release(quota.Unsent)
		first.Release(quota.Answered)
		wg.Wait()
		if u := g.Usage()[0]; u.Used != 1 || g.Counts().Unsent != 1 {
			t.Errorf("got %+v, want one slot in use", u)
		}
	})
}

func TestCallersAreServedInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := governor(t.Context(), t, quota.Options{Windows: []connector.Window{{Calls: 1, Per: time.Second}}})
		var wg sync.WaitGroup
		var order []int
		for i := range 8 {
			wg.Go(func() {
				slot, err := g.Wait(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				order = append(order, i)
				slot.Release(quota.Answered)
			})
			synctest.Wait()
		}
		wg.Wait()
		if !slices.IsSorted(order) {
			t.Errorf("got %v, want the order of asking", order)
		}
	})
}

func TestALedgerThatFails(t *testing.T) {
	t.Parallel()
	full := errors.New("disk full")
	w := []connector.Window{{Calls: 10, Per: time.Second}}
	if _, err := quota.New(t.Context(), quota.Options{Windows: w, Ledger: &ledger{err: full}}); !errors.Is(err, full) {
		t.Errorf("got %v, want no start without the past", err)
	}
	l := &ledger{}
	g := governor(t.Context(), t, quota.Options{Windows: w, Ledger: l})
	l.err = full
	if _, err := g.Wait(t.Context()); !errors.Is(err, full) {
		t.Errorf("got %v, want no call that a restart would forget", err)
	}
	l.err = nil
	if _, err := g.Wait(t.Context()); err != nil {
		t.Errorf("got %v, want calls again when the ledger works", err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	for reason, o := range map[string]quota.Options{
		"more than everything": {Share: 1.5},
		"less than nothing":    {Share: -1},
		"no calls":             {Windows: []connector.Window{{Per: time.Second}}},
		"no time":              {Windows: []connector.Window{{Calls: 1}}},
	} {
		if _, err := quota.New(t.Context(), o); err == nil || !strings.Contains(err.Error(), "quota") {
			t.Errorf("%s: got %v, want an error that names the quota", reason, err)
		}
	}
}

func TestASlotOutlivesItsReservation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{}
		g := governor(t.Context(), t, quota.Options{Windows: []connector.Window{{Calls: 10, Per: time.Minute}}, Ledger: l})
		slot, err := g.Wait(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := slot.Sending(t.Context()); err != nil || l.calls() != 1 {
			t.Errorf("got %v and %d reserved calls, want one reservation to do", err, l.calls())
		}
		pause(t.Context(), 5*time.Second)
		if err := slot.Sending(t.Context()); err != nil || l.calls() != 2 {
			t.Errorf("got %v and %d reserved calls, want one for the time of sending", err, l.calls())
		}
		if last := l.kept[len(l.kept)-1]; !last.Until.After(time.Now()) {
			t.Errorf("the reservation ended at %s, want it to hold", last.Until)
		}
	})
}

func TestRoomTakesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, err := quota.New(t.Context(), quota.Options{Windows: []connector.Window{{Calls: 1, Per: time.Minute}}})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if err := g.Room(t.Context()); err != nil {
				t.Fatalf("room while a slot is free: %v", err)
			}
		}
		slot, err := g.Wait(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		slot.Release(quota.Answered)
		began := time.Now()
		if err := g.Room(t.Context()); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(began); waited < time.Minute {
			t.Errorf("room came after %s, before the window was over", waited)
		}
		if used := g.Usage()[0].Used; used != 0 {
			t.Errorf("room took %d slots", used)
		}
	})
}

func TestRoomEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, err := quota.New(t.Context(), quota.Options{Windows: []connector.Window{{Calls: 1, Per: 24 * time.Hour}}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := g.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := g.Room(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("room in a spent day: %v, want the deadline", err)
		}
	})
}
