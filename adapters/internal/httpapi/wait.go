package httpapi

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// MaxWait bounds what is believed of a vendor's wish. A day's quota comes back
// within a day.
const MaxWait = 24 * time.Hour

// Reset names a header that says when calls are welcome again.
type Reset struct {
	Header string
	Unit   Unit
}

// Unit is how a Reset header counts.
type Unit int

// The ways in which vendors say when.
const (
	// Seconds from now.
	Seconds Unit = iota
	// Milliseconds from now.
	Milliseconds
	// UnixSeconds is a point in time.
	UnixSeconds
	// UnixMilliseconds is a point in time.
	UnixMilliseconds
)

// waitFor is the longest of what an answer's headers ask for.
func waitFor(h http.Header, resets []Reset, now time.Time) time.Duration {
	wait := RetryAfter(h, now)
	for _, r := range resets {
		wait = max(wait, r.wait(h.Get(r.Header), now))
	}
	return wait
}

func (r Reset) wait(value string, now time.Time) time.Duration {
	n, ok := number(value)
	if !ok {
		return 0
	}
	switch r.Unit {
	case Milliseconds:
		n /= 1000
	case UnixSeconds:
		n -= unix(now)
	case UnixMilliseconds:
		n = n/1000 - unix(now)
	}
	return bounded(n)
}

// RetryAfter reads the Retry-After header in both of its forms, seconds and an
// HTTP date. A date is compared with the answer's own Date, so that a clock
// that goes wrong, theirs or ours, does not matter. Garbage and the past are 0,
// and nothing exceeds MaxWait.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if n, ok := number(value); ok {
		return bounded(n)
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	if theirs, err := http.ParseTime(h.Get("Date")); err == nil {
		now = theirs
	}
	return bounded(at.Sub(now).Seconds())
}

// number reads a plain decimal number; exponents, signs, NaN and the like are
// garbage here.
func number(s string) (float64, bool) {
	s = strings.TrimSpace(s)
	if s == "" || strings.Trim(s, "0123456789.") != "" {
		return 0, false
	}
	n, err := strconv.ParseFloat(s, 64)
	return n, err == nil
}

func unix(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// bounded turns seconds into a wait, rounded up to the millisecond.
func bounded(seconds float64) time.Duration {
	if !(seconds > 0) {
		return 0
	}
	if seconds >= MaxWait.Seconds() {
		return MaxWait
	}
	return time.Duration(math.Ceil(seconds*1000)) * time.Millisecond
}
