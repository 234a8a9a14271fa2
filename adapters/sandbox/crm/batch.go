package crm

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// maxBatch is how many records a batch takes, and maxJobs how many finished jobs
// are remembered.
const (
	maxBatch = 100
	maxJobs  = 10_000
)

// batchRequest is the body of a batch.
type batchRequest struct {
	Items []item `json:"items"`
}

// batchResponse has one result for each item, in order.
type batchResponse struct {
	Results []itemResult `json:"results"`
}

// batch saves up to a hundred contacts or tickets, in the way that the settings
// ask for.
func (s *Server) batch(kind string, c *call) reply {
	var req batchRequest
	if !c.decode(&req) {
		return refuse(http.StatusBadRequest, "bad_request", "the body is not a batch in JSON")
	}
	set := s.config()
	if wrong := checkBatch(req.Items, set.UniqueKeys); wrong != nil {
		return reply{http.StatusBadRequest, errorBody{*wrong}}
	}
	fates := c.fates(len(req.Items))
	switch set.Batch {
	case BatchJob:
		return s.startJob(kind, req.Items, fates, set)
	case BatchWhole:
		return s.saveWhole(kind, req.Items, fates, set)
	}
	return multi(s.saveEach(kind, req.Items, fates, set))
}

// checkBatch refuses batches that cannot be carried out at all.
func checkBatch(items []item, unique bool) *problem {
	if len(items) == 0 || len(items) > maxBatch {
		return &problem{Code: "batch_size", Message: fmt.Sprintf("a batch has 1 to %d items", maxBatch)}
	}
	seen := make(map[string]bool, len(items))
	for i := range items {
		name := "id " + items[i].ID
		if items[i].ID == "" {
			name = "key " + items[i].ExternalID
		}
		if seen[name] && (items[i].ID != "" || (unique && items[i].ExternalID != "")) {
			return &problem{Code: "duplicate_item", Message: "a record occurs twice in the batch"}
		}
		seen[name] = true
	}
	return nil
}

// multi answers 200 when all went well and 207 otherwise.
func multi(results []itemResult) reply {
	for i := range results {
		if results[i].Status != resultOK {
			return reply{http.StatusMultiStatus, batchResponse{results}}
		}
	}
	return reply{http.StatusOK, batchResponse{results}}
}

// saveEach gives each item its own result.
func (s *Server) saveEach(kind string, items []item, fates []fate, set *Settings) []itemResult {
	results := make([]itemResult, len(items))
	now := s.now()
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	for i := range items {
		if fates[i] == fateLocked {
			results[i] = failed(&problem{Code: "locked", Message: "the record is locked, try again"})
			continue
		}
		p, wrong := s.store.planItem(kind, &items[i], set)
		switch {
		case wrong != nil:
			results[i] = failed(wrong)
		case fates[i] == fateUnsaved:
			results[i] = p.unsaved()
		default:
			results[i] = s.store.commit(p, set, now)
		}
	}
	return results
}

// saveWhole saves all items or none. It says what is wrong only where a single
// item leaves no doubt.
func (s *Server) saveWhole(kind string, items []item, fates []fate, set *Settings) reply {
	now := s.now()
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	plans := make([]*plan, len(items))
	for i := range items {
		if fates[i] == fateLocked {
			return refuse(http.StatusServiceUnavailable, "locked", "a record is locked, try again")
		}
		p, wrong := s.store.planItem(kind, &items[i], set)
		if wrong == nil && len(items) > 1 {
			wrong = p.reason
		}
		if wrong != nil && len(items) > 1 {
			return refuse(http.StatusUnprocessableEntity, "invalid_batch", "the batch was not saved")
		}
		if wrong != nil {
			return reply{http.StatusUnprocessableEntity, batchResponse{[]itemResult{failed(wrong)}}}
		}
		plans[i] = p
	}
	results := make([]itemResult, len(items))
	for i, p := range plans {
		if fates[i] == fateUnsaved {
			results[i] = p.unsaved()
			continue
		}
		results[i] = s.store.commit(p, set, now)
	}
	return multi(results)
}

// job is a batch that is done later.
type job struct {
	ID      string       `json:"id"`
	Status  string       `json:"status"`
	Results []itemResult `json:"results,omitempty"`
}

// jobs remembers the newest jobs.
type jobs struct {
	mu   sync.Mutex
	last int
	byID map[string]*job
}

func newJobs() *jobs { return &jobs{byID: make(map[string]*job)} }

func (j *jobs) add() *job {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.last++
	one := &job{ID: fmt.Sprint("job-", j.last), Status: "queued"}
	j.byID[one.ID] = one
	delete(j.byID, fmt.Sprint("job-", j.last-maxJobs))
	return one
}

func (j *jobs) finish(one *job, results []itemResult) {
	j.mu.Lock()
	defer j.mu.Unlock()
	one.Status, one.Results = "completed", results
}

func (j *jobs) get(id string) (job, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	one, ok := j.byID[id]
	if !ok {
		return job{}, false
	}
	return *one, true
}

func (s *Server) startJob(kind string, items []item, fates []fate, set *Settings) reply {
	one := s.jobs.add()
	queued := *one
	s.afterFunc(time.Duration(set.JobDelay), func() {
		s.jobs.finish(one, s.saveEach(kind, items, fates, s.config()))
	})
	return reply{http.StatusAccepted, map[string]job{"job": queued}}
}

// searchJobs shows the jobs named by ?ids=a,b; those that are forgotten are left
// out.
func (s *Server) searchJobs(c *call) reply {
	found := []job{}
	for id := range strings.SplitSeq(c.query.Get("ids"), ",") {
		if one, ok := s.jobs.get(id); ok {
			found = append(found, one)
		}
	}
	return reply{http.StatusOK, map[string]any{"jobs": found}}
}
