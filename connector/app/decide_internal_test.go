package app

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestDecisionDuringAReloadReachesTheNewDestination(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, next := &destination{name: "desk"}, &destination{name: "desk"}
		a := &App{takeover: make(chan struct{}, 1)}
		a.current.Store(&setup{byName: map[string]*destination{"desk": old}})
		a.takeover <- struct{}{} // The new destination has read the journal.
		var told *destination
		done := make(chan error, 1)
		go func() {
			done <- a.decide(t.Context(), "desk", func(d *destination) error { told = d; return nil })
		}()
		synctest.Wait()
		a.current.Store(&setup{byName: map[string]*destination{"desk": next}})
		<-a.takeover
		if err := <-done; err != nil || told != next {
			t.Errorf("decide: %v, and the old destination was told: %t", err, told == old)
		}
		if err := a.decide(t.Context(), "gone", nil); err == nil {
			t.Error("a destination that was removed took a decision")
		}
		a.takeover <- struct{}{}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := a.decide(ctx, "desk", nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("while the reload lasts: %v", err)
		}
	})
}
