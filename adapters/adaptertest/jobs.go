package adaptertest

import (
	"context"
	"slices"

	"github.com/crm-connector/crm-connector/connector"
)

// finishJobs lets the CRM finish what it has taken.
func (s *stage) finishJobs() {
	if s.bench.FinishJobs != nil {
		s.bench.FinishJobs()
	}
}

// awaitJobs does what the engine does with changes that the CRM has taken as
// jobs: it keeps the reference, observes the record by it later, and then the
// comments, which have the job of their ticket.
func (s *stage) awaitJobs(ctx context.Context, changes []connector.Change, results []connector.Result) {
	var taken []int
	var refs []connector.Ref
	for i, r := range results {
		if r.Err != nil && r.Err.Ending == connector.Pending {
			ref := refOf(changes[i])
			ref.ID, ref.Job = changes[i].ID, r.Err.Job
			taken, refs = append(taken, i), append(refs, ref)
		}
	}
	if len(taken) == 0 {
		return
	}
	s.mu.Lock()
	s.jobs = true
	s.mu.Unlock()
	if s.bench.FinishJobs == nil {
		s.errorf("the CRM takes jobs: the bench needs FinishJobs")
		return
	}
	s.finishJobs()
	for n, o := range s.observeAll(ctx, refs) {
		i := taken[n]
		if e := undone(o); e != nil {
			results[i] = failed(e, len(changes[i].Comments))
			continue
		}
		results[i] = connector.Result{ID: o.ID, URL: o.URL, Condition: o.Condition}
		results[i].Comments = s.awaitComments(ctx, o.ID, refs[n].Job, changes[i])
	}
}

func (s *stage) awaitComments(ctx context.Context, ticket, job string, of connector.Change) []connector.CommentResult {
	refs := make([]connector.Ref, len(of.Comments))
	for i, c := range of.Comments {
		refs[i] = commentRef(ticket, of, c)
		refs[i].Job = job
	}
	results := make([]connector.CommentResult, len(refs))
	for i, o := range s.observeAll(ctx, refs) {
		results[i] = connector.CommentResult{ID: o.ID, Err: undone(o)}
	}
	return results
}

// observeAll observes as many at once as the adapter takes.
func (s *stage) observeAll(ctx context.Context, refs []connector.Ref) []connector.Observation {
	var all []connector.Observation
	for chunk := range slices.Chunk(refs, per(s.about.ObserveBatch)) {
		all = append(all, s.observe(ctx, chunk...)...)
	}
	return all
}

// undone says why an observation shows that a job did not do its work. A job
// that did nothing leaves nothing to be found, and its change is sent again.
func undone(o connector.Observation) *connector.Error {
	switch {
	case o.Err != nil:
		return o.Err
	case !o.Found:
		return connector.Errorf(connector.Retry, "observe a job", "", "the job did nothing")
	case o.Condition == connector.Gone:
		return connector.Errorf(connector.Stale, "observe a job", "", "the record is gone")
	}
	return nil
}
