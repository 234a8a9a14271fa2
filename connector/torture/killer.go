package torture

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// killer kills the connector and starts it again at once.
type killer struct {
	o     *Options
	child *child
	book  *ledger
	rnd   *rand.Rand
	// every is about how often it kills; when it is 0 it kills when so many webhooks
	// are answered as moments say.
	every   time.Duration
	moments []int64
	stop    func()
}

func newKiller(o *Options, c *child, book *ledger) *killer {
	k := &killer{o: o, child: c, book: book, every: o.KillEvery, stop: func() {}}
	k.rnd = rand.New(rand.NewPCG(o.Seed, 0x4b4c))
	if k.every == 0 && o.Kills > 0 && o.Duration > 0 {
		k.every = o.Duration / time.Duration(o.Kills+1)
	}
	events := o.Conversations*o.Messages + (o.Conversations+o.Strangers)*o.Replies*3
	for range o.Kills {
		k.moments = append(k.moments, k.rnd.Int64N(int64(events)))
	}
	slices.Sort(k.moments)
	return k
}

// start begins to kill. Stop ends that and leaves a connector that runs; it may be
// called more than once.
func (k *killer) start(ctx context.Context, fail func(error)) {
	if k.every == 0 && len(k.moments) == 0 {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	var done sync.WaitGroup
	k.stop = func() {
		cancel()
		done.Wait()
	}
	done.Go(func() {
		for k.wait(ctx) {
			k.child.kill()
			k.book.killed()
			if err := k.child.start(); err != nil {
				fail(err)
				return
			}
		}
	})
}

// wait waits for the moment of the next kill; false means that there is none.
func (k *killer) wait(ctx context.Context) bool {
	done := k.book.kills()
	switch {
	case k.o.Kills > 0 && done >= k.o.Kills:
		return false
	case k.every > 0:
		return sleep(ctx, time.Duration((0.5+k.rnd.Float64())*float64(k.every)))
	}
	for k.book.progress.Load() < k.moments[done] {
		if !sleep(ctx, 2*time.Millisecond) {
			return false
		}
	}
	return sleep(ctx, time.Duration(k.rnd.Int64N(int64(20*time.Millisecond))))
}

// sleep waits a while, and reports whether to go on.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
