// Package retry is the arithmetic of waiting: how long after a failure, how long
// at all, and how fast again after an outage. It holds no timer, no clock and no
// randomness of its own, and it does not know what failed.
//
// Start with [Backoff] and [SlowStart].
package retry

import "time"

// MaxVendorWait bounds what is believed of a Retry-After: a vendor that sends us
// away for a week has a bug, and one look an hour costs nobody anything.
const MaxVendorWait = time.Hour

// Backoff says how long to wait before the next attempt: full jitter, a uniform
// choice between nothing and a bound that doubles. It spreads those that failed
// together best of all (half of the bound on average), which matters because an
// outage fails everybody at one instant.
type Backoff struct {
	// Min is the first bound, Max the last one.
	Min time.Duration
	Max time.Duration
	// Rand gives numbers in [0, 1).
	Rand func() float64
}

// Default starts at a second and ends at five minutes: long enough not to
// trouble a CRM that is down, short enough to notice soon that it is back.
func Default(random func() float64) Backoff {
	return Backoff{Min: time.Second, Max: 5 * time.Minute, Rand: random}
}

// Bound is the longest wait after a number of failed attempts, counted from 1.
func (b Backoff) Bound(attempts int) time.Duration {
	bound := max(b.Min, time.Millisecond)
	for range attempts - 1 {
		if bound >= b.Max/2 {
			return max(b.Max, bound)
		}
		bound *= 2
	}
	return bound
}

// Wait is how long to wait after a number of failed attempts when the vendor
// asked for at least so much (0 when it did not). It is never less than a tenth
// of the bound, since a jitter of nothing would be no wait at all; and never
// less than what the vendor asked for, within MaxVendorWait.
func (b Backoff) Wait(attempts int, vendor time.Duration) time.Duration {
	bound := b.Bound(attempts)
	floor := bound / 10
	wait := floor + time.Duration(b.Rand()*float64(bound-floor))
	return max(wait, min(vendor, MaxVendorWait))
}

// GiveUpAfter is how long a record may get nowhere while its destination serves
// others.
const GiveUpAfter = 24 * time.Hour

// GiveUp reports whether a record that has been stuck since one reading of the
// destination's service clock is hopeless at another. The clock stands still
// during an outage, so waiting one out condemns nobody. One attempt is never
// enough: the clock may have run while the record waited for its turn.
func GiveUp(attempts int, since, served time.Duration) bool {
	return attempts > 1 && served-since >= GiveUpAfter
}

// SlowStart says how many customers to claim in a round. After an outage the
// first call goes alone, to learn at the price of one whether the CRM is back;
// each round that succeeds doubles the number. A CRM that comes up under its
// whole backlog at once goes down again.
//
// The zero value with a Max is at full speed. It is not safe for concurrent use.
type SlowStart struct {
	// Max is the number at full speed.
	Max int
	// limit is the number now; 0 stands for Max.
	limit int
}

// Claim is how many customers the next round may take.
func (s *SlowStart) Claim() int {
	full := max(s.Max, 1)
	if s.limit == 0 {
		return full
	}
	return min(s.limit, full)
}

// Succeeded doubles the number.
func (s *SlowStart) Succeeded() {
	if s.limit == 0 {
		return
	}
	if s.limit *= 2; s.limit >= s.Max {
		s.limit = 0
	}
}

// Failed starts over with one. It is meant for failures of the destination, not
// of a record.
func (s *SlowStart) Failed() { s.limit = 1 }
