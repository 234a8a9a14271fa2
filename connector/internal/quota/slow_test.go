package quota_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/journal"
	"github.com/crm-connector/crm-connector/connector/internal/quota"
)

// slowLedger takes its time, and remembers what was reserved.
type slowLedger struct {
	takes    time.Duration
	reserved []journal.Reservation
}

func (s *slowLedger) Reserve(_ context.Context, r journal.Reservation) error {
	s.reserved = append(s.reserved, r)
	time.Sleep(s.takes)
	return nil
}

func (s *slowLedger) Reserved(context.Context, time.Time) ([]journal.Reservation, error) {
	return s.reserved, nil
}

func TestSlowLedger(t *testing.T) {
	t.Parallel()
	cases := []struct {
		takes  time.Duration
		served bool
		most   int
		reason string
	}{
		{1500 * time.Millisecond, true, 1, "in time, though late"},
		{2100 * time.Millisecond, true, 2, "later than a block usually lives"},
		{31 * time.Second, true, 2, "very slow"},
		{65 * time.Second, false, 2, "slower than any block lives"},
	}
	for _, c := range cases {
		synctest.Test(t, func(t *testing.T) {
			l := &slowLedger{takes: c.takes}
			g, err := quota.New(t.Context(), quota.Options{
				Windows: []connector.Window{{Calls: 100, Per: 10 * time.Second}}, Ledger: l,
			})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			slot, err := g.Wait(ctx)
			if (err == nil) != c.served || len(l.reserved) > c.most {
				t.Errorf("%s: %v after %d reservations, want served %t after at most %d: %s",
					c.takes, err, len(l.reserved), c.served, c.most, c.reason)
			}
			if err != nil {
				return
			}
			if last := l.reserved[len(l.reserved)-1]; !time.Now().Before(last.Until) {
				t.Errorf("%s: the call goes out after %s, when its reservation has lapsed", c.takes, last.Until)
			}
			slot.Release(quota.Answered)
		})
	}
}
