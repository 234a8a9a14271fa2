package adaptertest_test

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/crm-connector/crm-connector/adapters/adaptertest"
	"github.com/crm-connector/crm-connector/connector"
)

// jobs is the part of a CRM that does later what it is asked for.
type jobs struct {
	mu      sync.Mutex
	last    int
	waiting []func()
	done    map[string]job
}

// job is one that is finished.
type job struct {
	change connector.Change
	result connector.Result
}

func (j *jobs) finish() {
	j.mu.Lock()
	waiting := j.waiting
	j.waiting = nil
	j.mu.Unlock()
	for _, f := range waiting {
		f()
	}
}

func (j *jobs) get(id string) (job, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	one, ok := j.done[id]
	return one, ok
}

// deferred is the reference adapter for a CRM that takes every change as a job.
type deferred struct {
	*reference
	jobs *jobs
}

const (
	jobsAreAbsent  flaw = "calls what a running job will make absent"
	jobsEndWell    flaw = "forgets how a job ended"
	jobsAreDone    flaw = "calls what the CRM has taken done"
	jobsHaveNoName flaw = "does not name the job"
)

func (a *deferred) Apply(_ context.Context, changes []connector.Change) ([]connector.Result, error) {
	a.jobs.mu.Lock()
	defer a.jobs.mu.Unlock()
	results := make([]connector.Result, len(changes))
	for i, c := range changes {
		a.jobs.last++
		id := strconv.Itoa(a.jobs.last)
		a.jobs.waiting = append(a.jobs.waiting, func() { a.carryOut(id, c) })
		results[i].Err = &connector.Error{Ending: connector.Pending, Job: id}
		switch a.flaw {
		case jobsAreDone:
			results[i] = connector.Result{ID: id, Comments: make([]connector.CommentResult, len(c.Comments))}
		case jobsHaveNoName:
			results[i].Err.Job = ""
		}
	}
	return results, nil
}

func (a *deferred) carryOut(id string, c connector.Change) {
	results, err := a.reference.Apply(context.Background(), []connector.Change{c})
	if err != nil {
		results = []connector.Result{{Err: connector.AsError("job", err)}}
	}
	a.jobs.mu.Lock()
	defer a.jobs.mu.Unlock()
	a.jobs.done[id] = job{c, results[0]}
}

func (a *deferred) Observe(ctx context.Context, refs []connector.Ref) ([]connector.Observation, error) {
	seen, err := a.reference.Observe(ctx, refs)
	for i, ref := range refs {
		if ref.Job == "" || err != nil {
			continue
		}
		one, finished := a.jobs.get(ref.Job)
		switch {
		case !finished && a.flaw != jobsAreAbsent:
			seen[i] = connector.Observation{Err: &connector.Error{Ending: connector.Pending, Job: ref.Job}}
		case finished && a.flaw != jobsEndWell:
			if e := one.ended(ref); e != nil {
				seen[i] = connector.Observation{Err: e}
			}
		}
	}
	return seen, err
}

// ended is how the job ended for a ref, nil where the records tell.
func (j job) ended(ref connector.Ref) *connector.Error {
	if j.result.Err != nil || ref.Kind != connector.KindComment {
		return j.result.Err
	}
	i := slices.IndexFunc(j.change.Comments, func(c connector.Comment) bool { return c.Key == ref.Key })
	if i < 0 || i >= len(j.result.Comments) {
		return nil
	}
	return j.result.Comments[i].Err
}

func deferring(f flaw) adaptertest.Config {
	c := config(f)
	inner := c.New
	c.New = func(deps connector.Deps) (adaptertest.Bench, error) {
		b, err := inner(deps)
		if err != nil {
			return b, err
		}
		later := &jobs{done: map[string]job{}}
		b.Adapter = &deferred{b.Adapter.(*reference), later}
		b.FinishJobs = later.finish
		return b, nil
	}
	return c
}

// jobCases are those that a CRM meets which only ever takes jobs.
var jobCases = []string{
	"a job", "a job that is refused", "a job whose ticket goes stale", "create a contact", "create a ticket",
	"comments in order", "full batch", "observe by another form", "closed", "closed for good", "HTML comments", "attachments",
}

func TestJobs(t *testing.T) {
	t.Parallel()
	for _, o := range adaptertest.Check(t.Context(), deferring(none), jobCases...) {
		for _, p := range o.Problems {
			t.Errorf("%s: %s", o.Case, p)
		}
		if o.Left != "" {
			t.Errorf("%s does not apply: %s", o.Case, o.Left)
		}
	}
}

func TestEveryFlawOfJobsIsCaught(t *testing.T) {
	t.Parallel()
	for f, by := range map[flaw]string{
		jobsAreAbsent: "a job", jobsAreDone: "a job", jobsHaveNoName: "a job", jobsEndWell: "a job that is refused",
	} {
		if o := adaptertest.Check(t.Context(), deferring(f), by); len(o[0].Problems) == 0 {
			t.Errorf("an adapter that %s passes %q", f, by)
		}
	}
}
