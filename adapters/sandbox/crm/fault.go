package crm

import (
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// The faults that decide how a call ends, and those that last.
const (
	faultError  = "error"
	faultReset  = "reset"
	faultHang   = "hang"
	faultLate   = "late"
	faultStorm  = "storm"
	faultOutage = "outage"
)

// fate is what becomes of one record of a batch.
type fate int

// The fates. The zero value is that all goes well.
const (
	fateSaved fate = iota
	fateLocked
	fateUnsaved
)

// dice decides about faults.
type dice struct {
	mu          sync.Mutex
	rnd         *rand.Rand
	stormUntil  time.Time
	outageUntil time.Time
}

// thrown is what the dice gave a call.
type thrown struct {
	// latency is the part of the longest delay, zero for none.
	latency float64
	ending  string
	// after says that the fault comes after the commit.
	after  bool
	status int
	slow   bool
	// partial and unchanged strike some records of the batch; all of them when
	// the fault is certain.
	partial, unchanged       bool
	allPartial, allUnchanged bool
	// names are the faults that were thrown.
	names []string
}

func (d *dice) hit(p float64) bool { return p > 0 && d.rnd.Float64() < p }

// weather reports the storm or the outage that a call is in, and for how long
// it will last.
func (d *dice) weather(set *Settings, now time.Time) (string, time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.hit(set.Faults.Storm) && !now.Before(d.stormUntil) {
		d.stormUntil = now.Add(time.Duration(set.StormFor))
	}
	if d.hit(set.Faults.Outage) && !now.Before(d.outageUntil) {
		d.outageUntil = now.Add(time.Duration(set.OutageFor))
	}
	if wait := d.outageUntil.Sub(now); wait > 0 {
		return faultOutage, wait
	}
	return faultStorm, d.stormUntil.Sub(now)
}

// calm ends storms and outages.
func (d *dice) calm() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stormUntil, d.outageUntil = time.Time{}, time.Time{}
}

// throw decides about one call. Of the faults that end it the first one counts.
func (d *dice) throw(f *Faults) thrown {
	d.mu.Lock()
	defer d.mu.Unlock()
	var t thrown
	struck := func(name string, p float64) bool {
		hit := d.hit(p)
		if hit {
			t.names = append(t.names, name)
		}
		return hit
	}
	if struck("latency", f.Latency) {
		t.latency = d.rnd.Float64()
	}
	t.slow = struck("slow", f.Slow)
	t.partial = struck("partial", f.Partial)
	t.unchanged = struck("unchanged", f.Unchanged)
	t.allPartial, t.allUnchanged = f.Partial >= 1, f.Unchanged >= 1
	for _, ending := range []struct {
		name string
		p    float64
	}{{faultLate, f.Late}, {faultHang, f.Hang}, {faultReset, f.Reset}, {faultError, f.Error}} {
		if t.ending == "" && struck(ending.name, ending.p) {
			t.ending, t.after = ending.name, d.rnd.IntN(2) == 0
			t.status = []int{
				http.StatusInternalServerError, http.StatusBadGateway,
				http.StatusServiceUnavailable, http.StatusGatewayTimeout,
			}[d.rnd.IntN(4)]
		}
	}
	return t
}

// fates chooses the records that a fault strikes: about a third of the batch and
// at least one, or all where the fault is certain.
func (d *dice) fates(t thrown, n int) []fate {
	fates := make([]fate, n)
	if n == 0 || (!t.partial && !t.unchanged) {
		return fates
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	strike := func(with fate, all bool) {
		fates[d.rnd.IntN(n)] = with
		for i := range fates {
			if all || d.rnd.IntN(3) == 0 {
				fates[i] = with
			}
		}
	}
	if t.unchanged {
		strike(fateUnsaved, t.allUnchanged)
	}
	if t.partial {
		strike(fateLocked, t.allPartial)
	}
	return fates
}
