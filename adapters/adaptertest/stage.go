package adaptertest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/crm-connector/crm-connector/connector"
)

// stage is where one case plays: a fresh CRM, an adapter, the wire between. It
// checks after every call what holds for all calls, and collects what does not.
type stage struct {
	ctx    context.Context
	config *Config
	bench  Bench
	about  connector.Description
	wire   *wire

	mu       sync.Mutex
	problems []string
	// words must not show in errors.
	words []string
	made  int
	// jobs says that the CRM has taken something as a job.
	jobs bool
}

func newStage(ctx context.Context, config *Config) (*stage, error) {
	w := newWire(config.Reads)
	bench, err := config.New(connector.Deps{HTTP: &http.Client{Transport: w}, Now: time.Now})
	if err != nil {
		return nil, fmt.Errorf("make the bench: %w", err)
	}
	if bench.Adapter == nil || bench.Count == nil || bench.Show == nil {
		return nil, errors.New("the bench needs an adapter, Count and Show")
	}
	return &stage{ctx: ctx, config: config, bench: bench, about: bench.Adapter.Describe(), wire: w}, nil
}

func (s *stage) stop() {
	s.wire.close()
	if s.bench.Stop != nil {
		s.bench.Stop()
	}
}

// errorf notes a problem and goes on.
func (s *stage) errorf(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.problems = append(s.problems, fmt.Sprintf(format, args...))
}

// apply applies changes, and waits for what the CRM has taken as a job.
func (s *stage) apply(ctx context.Context, changes ...connector.Change) []connector.Result {
	results := s.send(ctx, changes...)
	s.awaitJobs(ctx, changes, results)
	return results
}

// send applies changes. An error of the whole call becomes every result's, and
// an error of a result that of its comments, as the engine takes them.
func (s *stage) send(ctx context.Context, changes ...connector.Change) []connector.Result {
	results, err := s.bench.Adapter.Apply(ctx, changes)
	if err != nil {
		e := s.checkError("apply", err)
		results = make([]connector.Result, len(changes))
		for i, c := range changes {
			results[i] = failed(e, len(c.Comments))
		}
		return results
	}
	return s.checkResults(changes, results)
}

// failed is the result of a change that is not done, and so of its comments.
func failed(e *connector.Error, comments int) connector.Result {
	r := connector.Result{Err: e, Comments: make([]connector.CommentResult, comments)}
	for i := range r.Comments {
		r.Comments[i].Err = e
	}
	return r
}

// checkResults holds the results against the shape that the contract gives them.
func (s *stage) checkResults(changes []connector.Change, results []connector.Result) []connector.Result {
	if len(results) != len(changes) {
		s.errorf("apply answered %d results for %d changes", len(results), len(changes))
		results = append(results, make([]connector.Result, len(changes))...)[:len(changes)]
	}
	for i, r := range results {
		s.checkResult(fmt.Sprintf("result %d", i), r.ID, r.Err)
		if r.Err != nil {
			results[i] = failed(r.Err, len(changes[i].Comments))
			continue
		}
		if len(r.Comments) != len(changes[i].Comments) {
			s.errorf("result %d has %d comment results for %d comments", i, len(r.Comments), len(changes[i].Comments))
			results[i].Comments = append(r.Comments, make([]connector.CommentResult, len(changes[i].Comments))...)[:len(changes[i].Comments)]
		}
		s.checkComments(i, results[i])
	}
	return results
}

func (s *stage) checkComments(i int, r connector.Result) {
	stopped := false
	for j, c := range r.Comments {
		if c.Err != nil {
			_ = s.checkError(fmt.Sprintf("result %d, comment %d", i, j), c.Err)
		}
		if stopped && c.Err == nil {
			s.errorf("result %d: comment %d is done although a comment before it is not", i, j)
		}
		stopped = stopped || c.Err != nil
	}
}

func (s *stage) checkResult(what, id string, err *connector.Error) {
	switch {
	case err != nil:
		_ = s.checkError(what, err)
	case id == "":
		s.errorf("%s is a success without an id", what)
	}
}

// one applies one change.
func (s *stage) one(change connector.Change) connector.Result { return s.apply(s.ctx, change)[0] }

// observe looks refs up. An error of the whole call becomes everyone's.
func (s *stage) observe(ctx context.Context, refs ...connector.Ref) []connector.Observation {
	got, err := s.bench.Adapter.Observe(ctx, refs)
	if err != nil {
		e := s.checkError("observe", err)
		got = make([]connector.Observation, len(refs))
		for i := range got {
			got[i].Err = e
		}
		return got
	}
	if len(got) != len(refs) {
		s.errorf("observe answered %d observations for %d refs", len(got), len(refs))
		got = append(got, make([]connector.Observation, len(refs))...)[:len(refs)]
	}
	for i, o := range got {
		if o.Err != nil {
			_ = s.checkError(fmt.Sprintf("observation %d", i), o.Err)
		} else if o.Found && o.ID == "" {
			s.errorf("observation %d is found without an id", i)
		}
	}
	return got
}

func (s *stage) see(ref connector.Ref) connector.Observation { return s.observe(s.ctx, ref)[0] }

// checkError holds any error against what holds for all of them.
func (s *stage) checkError(what string, err error) *connector.Error {
	e, ok := errors.AsType[*connector.Error](err)
	if !ok {
		s.errorf("%s: the error is a %T, want a *connector.Error", what, err)
		e = connector.AsError(what, err)
	}
	known := []connector.Ending{
		connector.Pending, connector.Retry, connector.Ambiguous, connector.Stale, connector.Refused, connector.Broken,
	}
	if !slices.Contains(known, e.Ending) {
		s.errorf("%s: the ending %q is none of the contract's", what, e.Ending)
	}
	if e.Wait < 0 {
		s.errorf("%s: the wait is negative", what)
	}
	if (e.Ending == connector.Pending) != (e.Job != "") {
		s.errorf("%s: it ended as %s with the job %q; a job belongs to what is pending, and to nothing else", what, e.Ending, e.Job)
	}
	s.checkLeaks(what, strings.Join([]string{err.Error(), e.Op, e.Code, e.Text, e.Field, fmt.Sprintf("%+v", e.Cause)}, "\n"))
	return e
}

// checkLeaks looks for secrets, numbers and words. It never repeats them.
func (s *stage) checkLeaks(what, text string) {
	s.wire.mu.Lock()
	secrets := slices.Concat(s.config.Secrets, s.wire.tokens)
	s.wire.mu.Unlock()
	for _, secret := range secrets {
		if secret != "" && strings.Contains(text, secret) {
			s.errorf("%s: the error shows a secret", what)
		}
	}
	digits := strings.Map(onlyDigits, text)
	s.mu.Lock()
	words := s.words
	s.mu.Unlock()
	for _, w := range words {
		number := strings.Map(onlyDigits, w)
		switch {
		case len(number) >= 8 && len(number)+1 >= len(w):
			if strings.Contains(digits, number[len(number)-8:]) {
				s.errorf("%s: the error shows a phone number", what)
			}
		case strings.Contains(text, w), len(w) > 16 && strings.Contains(text, w[:16]):
			s.errorf("%s: the error shows a customer's words or name", what)
		}
	}
}

func onlyDigits(r rune) rune {
	if unicode.IsDigit(r) {
		return r
	}
	return -1
}

// count compares how many records the CRM holds once its jobs are done.
func (s *stage) count(kind connector.Kind, want int, when string) {
	s.finishJobs()
	if got := s.bench.Count(kind); got != want {
		s.errorf("%s: the CRM holds %d of kind %s, want %d", when, got, kind, want)
	}
}

// show reads a record back.
func (s *stage) show(kind connector.Kind, id string) Record {
	s.finishJobs()
	r, ok := s.bench.Show(kind, id)
	if !ok {
		s.errorf("the CRM does not show the %s that the adapter named", kind)
	}
	return r
}

// done notes a result that is not a success.
func (s *stage) done(what string, r connector.Result) bool {
	if r.Err != nil {
		s.errorf("%s: %v", what, r.Err)
		return false
	}
	for i, c := range r.Comments {
		if c.Err != nil {
			s.errorf("%s: comment %d: %v", what, i, c.Err)
			return false
		}
	}
	return true
}

// ended compares an ending with those that are right.
func (s *stage) ended(what string, e *connector.Error, want ...connector.Ending) {
	switch {
	case e == nil:
		s.errorf("%s: taken for a success, want %v", what, want)
	case !slices.Contains(want, e.Ending):
		s.errorf("%s: ended as %s, want %v", what, e.Ending, want)
	}
}
