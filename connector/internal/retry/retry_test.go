package retry_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/crm-connector/crm-connector/connector/internal/retry"
)

func fixed(v float64) func() float64 { return func() float64 { return v } }

func TestWait(t *testing.T) {
	t.Parallel()
	highest := math.Nextafter(1, 0)
	cases := []struct {
		reason   string
		random   float64
		attempts int
		vendor   time.Duration
		min, max time.Duration
	}{
		{"the first wait is short", highest, 1, 0, 999 * time.Millisecond, time.Second},
		{"the bound doubles", highest, 4, 0, 7999 * time.Millisecond, 8 * time.Second},
		{"the bound ends", highest, 60, 0, 299 * time.Second, 5 * time.Minute},
		{"any number of attempts is fine", highest, math.MaxInt, 0, 299 * time.Second, 5 * time.Minute},
		{"no attempt at all counts as the first", highest, 0, 0, 999 * time.Millisecond, time.Second},
		{"a jitter of nothing still waits", 0, 4, 0, 800 * time.Millisecond, 800 * time.Millisecond},
		{"never earlier than the vendor says", 0, 1, 30 * time.Second, 30 * time.Second, 30 * time.Second},
		{"a vendor's short wish does not shorten the wait", highest, 9, time.Second, 255 * time.Second, 256 * time.Second},
		{"a vendor's wish is bounded", 0, 1, 100 * time.Hour, time.Hour, time.Hour},
	}
	for _, tc := range cases {
		if got := retry.Default(fixed(tc.random)).Wait(tc.attempts, tc.vendor); got < tc.min || got > tc.max {
			t.Errorf("%s: got %s, want %s to %s", tc.reason, got, tc.min, tc.max)
		}
	}
}

func TestTheJitterIsFull(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	b := retry.Default(r.Float64)
	var tenths [10]int
	for range 10_000 {
		tenths[int(10*b.Wait(5, 0)/(16*time.Second+1))]++
	}
	for i, n := range tenths[1:] {
		if n < 900 {
			t.Errorf("only %d of 10000 waits fell into tenth %d, want them spread evenly: %v", n, i+1, tenths)
		}
	}
}

func TestGiveUp(t *testing.T) {
	t.Parallel()
	cases := []struct {
		reason        string
		attempts      int
		since, served time.Duration
		want          bool
	}{
		{"stuck for a day while others were served", 9, time.Hour, 25 * time.Hour, true},
		{"not yet", 9, time.Hour, 25*time.Hour - 1, false},
		{"an outage of days moves no service clock", 99, time.Hour, time.Hour, false},
		{"one attempt is not enough", 1, 0, 99 * time.Hour, false},
	}
	for _, tc := range cases {
		if got := retry.GiveUp(tc.attempts, tc.since, tc.served); got != tc.want {
			t.Errorf("%s: got %t", tc.reason, got)
		}
	}
}

func TestSlowStart(t *testing.T) {
	t.Parallel()
	s := retry.SlowStart{Max: 6}
	claims := []int{s.Claim()}
	s.Failed()
	for range 5 {
		claims = append(claims, s.Claim())
		s.Succeeded()
	}
	s.Failed()
	s.Succeeded()
	s.Failed()
	claims = append(claims, s.Claim())
	if got := fmt.Sprint(claims); got != "[6 1 2 4 6 6 1]" {
		t.Errorf("got %s, want full speed, then one, doubling to the most, and one again", got)
	}
	if none := (retry.SlowStart{}); none.Claim() != 1 {
		t.Errorf("got %d without a maximum, want 1", none.Claim())
	}
}
