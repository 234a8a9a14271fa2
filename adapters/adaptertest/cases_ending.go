package adaptertest

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/crm-connector/crm-connector/connector"
)

// endings are what the CRM's answers mean.
func endings() []kase {
	return []kase{
		{"every status on a create", "a status that may come after the commit is Ambiguous, never Retry", nil, statusesOfCreates},
		{"every status on a comment", "comments behind one that is not done are untouched", nil, statusesOfComments},
		{"every status on an observation", "a failed look-up is an error and never an absence", nil, statusesOfObservations},
		{"Retry-After", "the vendor's wish is passed on, in seconds and as a date", nil, retryAfter},
		{"vendor's own answers", "a vendor's code can mean something else than its status", needsAnswers, vendorAnswers},
		{"a success that confirms nothing", "a 2xx without the record is not success, and a create's end is then unknown", nil, emptySuccess},
		{"no connection", "what was surely not sent is a Retry", nil, noConnection},
	}
}

// afterCreate is what each status means when a create is answered by it.
var afterCreate = map[int][]connector.Ending{
	400: {connector.Refused},
	401: {connector.Broken},
	403: {connector.Refused, connector.Broken},
	404: {connector.Refused, connector.Stale},
	405: {connector.Refused, connector.Stale},
	408: {connector.Ambiguous},
	409: {connector.Refused, connector.Retry, connector.Ambiguous},
	413: {connector.Refused},
	422: {connector.Refused},
	429: {connector.Retry},
	500: {connector.Ambiguous},
	502: {connector.Ambiguous},
	503: {connector.Retry},
	504: {connector.Ambiguous},
	520: {connector.Ambiguous},
}

// wanted is what a status must end as, by the vendor's own words first.
func (s *stage) wanted(status int) []connector.Ending {
	if e, ok := s.config.Endings[status]; ok {
		return []connector.Ending{e}
	}
	return afterCreate[status]
}

const synthetic = `{"error":"synthetic","message":"synthetic"}`

func statusesOfCreates(s *stage) {
	for _, kind := range []connector.Kind{connector.KindContact, connector.KindTicket} {
		change := s.creates(kind, 1)[0]
		before := s.bench.Count(kind)
		for _, status := range slices.Sorted(maps.Keys(afterCreate)) {
			s.wire.set(onWrites, -1, answers(status, nil, synthetic))
			s.ended(fmt.Sprintf("create a %s, status %d", kind, status), s.one(change).Err, s.wanted(status)...)
		}
		s.wire.clear()
		s.count(kind, before, "after refusals of every status")
		s.done("the same create when the CRM is well again", s.one(change))
	}
}

func statusesOfComments(s *stage) {
	id, opened := s.opened()
	for _, status := range slices.Sorted(maps.Keys(afterCreate)) {
		change := update(id, opened)
		for range min(per(s.about.Comments), 3) {
			change.Comments = append(change.Comments, s.comment())
		}
		s.wire.set(onWrites, 1, answers(status, nil, synthetic))
		r := s.one(change)
		s.wire.clear()
		if status == 404 || status == 409 {
			continue
		}
		e := r.Comments[0].Err
		s.ended(fmt.Sprintf("comment, status %d", status), e, s.wanted(status)...)
	}
	s.comments(id, opened.Comments...)
}

func statusesOfObservations(s *stage) {
	id, opened := s.opened()
	ref := connector.Ref{Kind: connector.KindTicket, ID: id, Key: opened.Key}
	for _, status := range slices.Sorted(maps.Keys(afterCreate)) {
		s.wire.set(anyCall, -1, answers(status, nil, synthetic))
		o := s.see(ref)
		what := fmt.Sprintf("observe a ticket, status %d", status)
		_, own := s.config.Endings[status]
		switch {
		case own || status == 404:
		case status == 401:
			s.ended(what, o.Err, connector.Broken)
		case status >= 500 || status == 408 || status == 429:
			s.ended(what, o.Err, connector.Retry)
		case o.Err == nil:
			s.errorf("%s: taken for an answer, found %t", what, o.Found)
		}
	}
	s.wire.clear()
}

func retryAfter(s *stage) {
	change := s.contact()
	for _, status := range []int{429, 503} {
		if _, own := s.config.Endings[status]; own {
			continue
		}
		now := time.Now().Truncate(time.Second)
		date := http.Header{
			"Retry-After": {now.Add(90 * time.Second).UTC().Format(http.TimeFormat)}, "Date": {now.UTC().Format(http.TimeFormat)},
		}
		cases := map[string]struct {
			header   http.Header
			min, max time.Duration
		}{
			"seconds": {http.Header{"Retry-After": {"77"}}, 77 * time.Second, 80 * time.Second},
			"a date":  {date, 85 * time.Second, 95 * time.Second},
			"garbage": {http.Header{"Retry-After": {"soon; -1e99"}}, 0, time.Hour},
			"nothing": {nil, 0, time.Hour},
		}
		for form, c := range cases {
			s.wire.set(anyCall, -1, answers(status, c.header, synthetic))
			e := s.one(change).Err
			s.ended("a create that came too soon", e, connector.Retry)
			if e != nil && (e.Wait < c.min || e.Wait > c.max) {
				s.errorf("status %d, Retry-After as %s: wait %s, want %s to %s", status, form, e.Wait, c.min, c.max)
			}
		}
	}
}

func needsAnswers(s *stage) string {
	if len(s.config.Answers) == 0 {
		return "the suite was told of no answers of the vendor's own"
	}
	return ""
}

func vendorAnswers(s *stage) {
	for _, a := range s.config.Answers {
		change := s.creates(a.To, 1)[0]
		s.wire.set(onWrites, -1, answers(a.Status, a.Header, a.Body))
		s.ended("the vendor's answer "+a.Name, s.one(change).Err, a.Want)
		s.wire.clear()
	}
}

func emptySuccess(s *stage) {
	for _, kind := range []connector.Kind{connector.KindContact, connector.KindTicket} {
		change := s.creates(kind, 1)[0]
		for _, status := range []int{200, 201, 204} {
			for _, body := range []string{"", "{}", "[]", "null", "{\"success\":false}", "<html><body>Sign in</body></html>"} {
				s.wire.set(onWrites, -1, answers(status, nil, body))
				s.ended(fmt.Sprintf("create a %s, status %d, answer %q", kind, status, body), s.one(change).Err,
					connector.Ambiguous, connector.Refused, connector.Broken)
			}
		}
		s.wire.clear()
	}
}

func noConnection(s *stage) {
	change := s.creates(connector.KindTicket, 1)[0]
	s.wire.set(anyCall, -1, refuses)
	s.ended("create without a connection", s.one(change).Err, connector.Retry)
	s.ended("observe without a connection", s.see(refByID("1")).Err, connector.Retry)
	s.wire.clear()
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	if e := s.apply(ctx, change)[0].Err; e == nil {
		s.errorf("a create with a cancelled context is a success")
	}
	s.count(connector.KindTicket, 0, "after creates that were not sent")
}

func refByID(id string) connector.Ref { return connector.Ref{Kind: connector.KindTicket, ID: id} }
