package delivery

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/crm-connector/crm-connector/connector"
	"github.com/crm-connector/crm-connector/connector/internal/journal"
	"github.com/crm-connector/crm-connector/connector/internal/retry"
)

// health is how the destination is doing. The worker's mutex guards it.
type health struct {
	// state is what the journal remembers of it, dirty that the journal does not
	// know it yet.
	state journal.DestinationState
	dirty bool
	// rest is when calls may go on after a failure, failures how many calls
	// failed in a row, and pace how many customers a round takes.
	rest     time.Time
	failures int
	pace     retry.SlowStart
	// revive are dead letters that the journal must take back.
	revive []journal.PendingKey
}

const (
	// refusalsInARow of different customers, without a success of the same kind
	// between, mean that somebody changed the CRM.
	refusalsInARow = 20
	// idleGap bounds what the time between two successes counts as service.
	idleGap = 5 * time.Minute
)

// admit says how many customers the next round may take; 0 means none before
// until. A paused destination is tried now and then.
func (w *Worker) admit(ctx context.Context) (limit int, until time.Time) {
	w.mu.Lock()
	now, st := w.Now(), w.health.state
	rest, limit, busy := w.health.rest, w.health.pace.Claim(), len(w.busy)
	w.mu.Unlock()
	switch {
	case st.Paused != "" && st.ByOperator:
		return 0, time.Time{}
	case st.Paused != "" && now.Before(st.Retry):
		return 0, st.Retry
	case now.Before(rest):
		return 0, rest
	case st.Paused != "" && busy > 0:
		return 0, now.Add(time.Second)
	case st.Paused != "":
		return w.try(ctx, refusals(st))
	}
	return limit, time.Time{}
}

// minRound is how many customers a round takes at a CRM without batches.
const minRound = 10

// refusals reports whether the destination is paused because it refused too much.
func refusals(st journal.DestinationState) bool {
	for _, s := range st.Streaks {
		if len(s.Customers) >= refusalsInARow {
			return true
		}
	}
	return false
}

// try asks a paused destination who we are, where the adapter can: an answer ends
// a pause for dead credentials. After refusals only a success does, so one
// customer is let through.
func (w *Worker) try(ctx context.Context, refused bool) (limit int, until time.Time) {
	c, checks := w.Adapter.(connector.Checker)
	var err error
	if checks && w.Await(ctx) == nil {
		call, cancel := context.WithTimeout(ctx, w.CallTimeout)
		defer cancel()
		err = guarded(func() error { _, err := c.Check(call); return err })
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.again(w.Now())
	switch {
	case err != nil:
		return 0, w.health.state.Retry
	case checks && !refused:
		w.works(w.Now())
	}
	return 1, time.Time{}
}

// verify asks who we are before it believes that a permission was lost for good:
// CRMs say 403 to a single record, too.
func (w *Worker) verify(ctx context.Context, err *connector.Error) *connector.Error {
	c, checks := w.Adapter.(connector.Checker)
	if err == nil || err.Ending != connector.Broken || err.Wait > 0 || !checks || w.Await(ctx) != nil {
		return err
	}
	call, cancel := context.WithTimeout(ctx, w.CallTimeout)
	defer cancel()
	if guarded(func() error { _, err := c.Check(call); return err }) != nil {
		return err
	}
	single := *err
	single.Ending = connector.Refused
	return &single
}

// again puts the next trial of a paused destination off.
func (w *Worker) again(now time.Time) {
	st := &w.health.state
	st.Trials++
	st.Retry = now.Add(trials.Bound(st.Trials + 1))
	w.health.dirty = true
}

// trials spaces the trials of a paused destination.
var trials = retry.Backoff{Min: 15 * time.Second, Max: 5 * time.Minute}

// pauseFor lets the destination rest.
func (w *Worker) pauseFor(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.restUntil(w.Now().Add(d))
}

func (w *Worker) restUntil(t time.Time) {
	if t.After(w.health.rest) {
		w.health.rest = t
	}
}

// trouble takes in that a whole call failed, and reports whether the destination
// is paused for it.
func (w *Worker) trouble(err *connector.Error) (paused bool) {
	switch err.Ending {
	case connector.Pending:
		return false
	case connector.Broken:
		return w.breakDown(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.Now().Before(w.health.rest) && err.Wait == 0 {
		return false // a call that was on its way when another one failed tells nothing new
	}
	w.health.failures++
	if err.Ending == connector.Retry || w.health.failures > 2 {
		w.restUntil(w.Now().Add(w.backoff(w.health.failures, err.Wait)))
	}
	if w.health.failures > 2 {
		w.health.pace.Failed()
	}
	return false
}

// breakDown pauses the destination for a reason that holds for every call.
func (w *Worker) breakDown(err *connector.Error) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.Now()
	if w.health.state.Paused == "" {
		w.pause(err.Error(), now)
	}
	if err.Wait > 0 {
		w.health.state.Retry = now.Add(err.Wait)
	}
	return true
}

func (w *Worker) pause(reason string, now time.Time) {
	st := &w.health.state
	st.Paused, st.Since, st.Trials, st.Retry = reason, now, 0, now.Add(trials.Bound(1))
	w.health.dirty = true
	w.health.pace.Failed()
	w.Log.WithField("reason", reason).Error("destination is paused; events are kept and go out when it works again")
}

// backoff spaces the calls of a destination that does not answer.
func (w *Worker) backoff(failures int, wait time.Duration) time.Duration {
	return retry.Backoff{Min: 500 * time.Millisecond, Max: time.Minute, Rand: w.Rand}.Wait(failures, wait)
}

// customerBackoff spaces the attempts of one customer. It grows longer than the
// destination's: each attempt is a call that others could use.
func (w *Worker) customerBackoff(attempts int, wait time.Duration) time.Duration {
	return retry.Backoff{Min: 500 * time.Millisecond, Max: 15 * time.Minute, Rand: w.Rand}.Wait(attempts, wait)
}

// innocentAttempts is how often a call may fail whole before the customers in it
// are held themselves; until then the destination's rest is enough.
const innocentAttempts = 5

// afterWhole is how long a customer is held whose call failed whole: the CRM is
// the likelier cause, but a record can be, too.
func (w *Worker) afterWhole(attempts int, wait time.Duration) time.Duration {
	if attempts <= innocentAttempts {
		return 0
	}
	return w.customerBackoff(attempts-innocentAttempts, wait)
}

// succeeded ends what was wrong, as far as a success of the kind shows.
func (w *Worker) succeeded(kind connector.Kind, customer int64, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	h := &w.health
	h.failures = 0
	h.pace.Succeeded()
	delete(w.solo, customer)
	h.serve(now)
	w.forgive(kindMapping)
	w.forgive(kind)
	if h.state.Paused != "" && !h.state.ByOperator && !refusals(h.state) {
		w.works(now)
	}
}

// works ends a pause that the connector began.
func (w *Worker) works(now time.Time) {
	w.Log.WithField("paused_for", now.Sub(w.health.state.Since).Round(time.Second).String()).Info("destination works again")
	streaks := w.health.state.Streaks
	w.resume()
	w.health.state.Streaks = streaks
}

// forgive forgets the refusals in a row of a kind, and ends a pause for them.
func (w *Worker) forgive(kind connector.Kind) {
	st := &w.health.state
	paused := refusals(*st)
	for name := range st.Streaks {
		if strings.HasPrefix(name, string(kind)+" ") {
			delete(st.Streaks, name)
			w.health.dirty = true
		}
	}
	if st.Paused != "" && !st.ByOperator && paused && !refusals(*st) {
		w.works(w.Now())
	}
}

// serve runs the service clock: the time between successes, of long gaps only a
// part, since nobody knows what the CRM did meanwhile.
func (h *health) serve(now time.Time) {
	if gap := now.Sub(h.state.LastSuccess); gap > 0 && !h.state.LastSuccess.IsZero() {
		h.state.Served += min(gap, idleGap)
	}
	h.state.LastSuccess, h.dirty = now, true
}

func (w *Worker) resume() {
	st := &w.health.state
	st.Paused, st.Since, st.Retry, st.Trials, st.ByOperator = "", time.Time{}, time.Time{}, 0, false
	st.Streaks = nil
	w.health.dirty = true
}

// refused counts a refusal, and reports whether the destination is to blame: the
// same refusal for many customers without a success between means that the CRM
// was changed, not that the records are wrong.
func (w *Worker) refused(streak string, customer int64, err *connector.Error, now time.Time) (paused bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	st := &w.health.state
	if st.Streaks == nil {
		st.Streaks = map[string]journal.Streak{}
	}
	s := st.Streaks[streak]
	if !slices.Contains(s.Customers, customer) && len(s.Customers) < refusalsInARow {
		s.Customers = append(s.Customers, customer)
	}
	st.Streaks[streak] = s
	w.health.dirty = true
	ofMapping := strings.HasPrefix(streak, string(kindMapping))
	switch {
	case len(s.Customers) < refusalsInARow:
		return st.Paused != "" && !ofMapping
	case st.Paused == "" && ofMapping:
		w.pause("the mapping failed for "+strconv.Itoa(len(s.Customers))+" customers in a row: "+err.Error(), now)
	case st.Paused == "":
		w.pause("the CRM refused "+strconv.Itoa(len(s.Customers))+" customers in a row: "+err.Error(), now)
	}
	return true
}

// blames reports whether the destination is paused, so that a refusal proves
// nothing against the event; otherwise the dead letter counts to the streak. The
// caller holds the lock until the dead letter is written.
func (w *Worker) blames(s suspect, key journal.PendingKey) bool {
	st := &w.health.state
	streak, ok := st.Streaks[s.streak]
	ofMapping := strings.HasPrefix(s.streak, string(kindMapping))
	if st.Paused != "" && (!ofMapping || len(streak.Customers) >= refusalsInARow) {
		return true
	}
	if ok {
		streak.Events = append(streak.Events, key)
		st.Streaks[s.streak] = streak
		w.health.dirty = true
	}
	return false
}

// revived moves the dead letters of the streaks that paused the destination to
// those that the journal must take back: they were not to blame.
func (h *health) revived() {
	if h.state.Paused == "" {
		return
	}
	for name, s := range h.state.Streaks {
		if len(s.Customers) >= refusalsInARow && len(s.Events) > 0 {
			h.revive = append(h.revive, s.Events...)
			s.Events = nil
			h.state.Streaks[name] = s
		}
	}
	slices.SortFunc(h.revive, func(a, b journal.PendingKey) int { return cmp.Compare(a.Event, b.Event) })
}

func (w *Worker) setSolo(customer int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.solo[customer] = true
}

func (w *Worker) isSolo(customer int64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.solo[customer]
}

// called tells the metrics.
func (w *Worker) called(op string, err *connector.Error, records int) {
	if f := w.Hooks.Call; f != nil {
		ending := connector.Ending("done")
		if err != nil {
			ending = err.Ending
		}
		f(op, ending, records)
	}
}

// Status is a destination's state as people ask for it.
type Status struct {
	journal.DestinationState
	// Resting says until when calls wait after a failure.
	Resting time.Time
	// Generation is the mapping's that is in use.
	Generation string
}

// Status gives the destination's state.
func (w *Worker) Status() Status {
	m := *w.mapper.Load()
	w.mu.Lock()
	defer w.mu.Unlock()
	s := Status{DestinationState: w.health.state, Resting: w.health.rest, Generation: m.Generation()}
	s.Streaks = nil
	return s
}

// Pause stops deliveries until a person resumes them.
func (w *Worker) Pause(ctx context.Context, reason string) error {
	w.mu.Lock()
	w.pause(reason, w.Now())
	w.health.state.ByOperator = true
	defer w.mu.Unlock()
	return w.writeState(ctx, &journal.Delta{})
}

// Resume ends a pause, whoever began it.
func (w *Worker) Resume(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.resume()
	w.health.rest = time.Time{}
	defer w.Wake()
	return w.writeState(ctx, &journal.Delta{})
}

// writeState writes the delta with the destination's state, when it changed. The
// caller holds the lock, so that an older state never overwrites a newer one.
func (w *Worker) writeState(ctx context.Context, d *journal.Delta) error {
	w.health.revived()
	d.Revive = w.health.revive
	if w.health.dirty || len(d.Revive) > 0 {
		d.State = &w.health.state
	}
	if err := w.Journal.Write(context.WithoutCancel(ctx), w.Destination, d); err != nil {
		return err
	}
	w.health.dirty, w.health.revive = false, nil
	return nil
}
