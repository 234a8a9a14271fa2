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
		{"every status on an update", "an update, too, can be carried out after a newer one: its unknown end is Ambiguous, never Retry", nil, statusesOfUpdates},
		{"every status on a comment", "comments behind one that is not done are untouched", nil, statusesOfComments},
		{"every status on an observation", "a failed look-up is an error and never an absence", nil, statusesOfObservations},
		{"Retry-After", "the vendor's wish is passed on, in seconds and as a date", nil, retryAfter},
		{"day's quota", "a spent day is Broken until it is over, and a burst is a Retry, both with their wait", needsDaySpent, daySpent},
		{"vendor's own answers", "a vendor's code can mean something else than its status", needsAnswers, vendorAnswers},
		{"a success that confirms nothing", "a 2xx without the record is not success, and a create's end is then unknown", nil, emptySuccess},
		{"no connection", "what was surely not sent is a Retry", nil, noConnection},
	}
}

// afterCreate is what each status means when a write is answered by it.
var afterCreate = map[int][]connector.Ending{
	400: {connector.Refused},
	401: {connector.Broken},
	403: {connector.Refused, connector.Broken}, // Broken only where the engine can ask who we are.
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
	if _, checks := s.bench.Adapter.(connector.Checker); status == http.StatusForbidden && !checks {
		return []connector.Ending{connector.Refused}
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

func statusesOfUpdates(s *stage) {
	c := s.contact()
	made := s.one(c)
	id, opened := s.opened()
	if !s.done("create", made) {
		return
	}
	contact, ticket := update(made.ID, c), update(id, opened)
	contact.Set.Standard = connector.Fields{connector.FieldName: "Xanthe Umber"}
	ticket.Set.Standard = connector.Fields{connector.FieldStatus: connector.TicketPending}
	s.remember("Xanthe Umber")
	for _, status := range slices.Sorted(maps.Keys(afterCreate)) {
		want := s.wanted(status)
		if _, own := s.config.Endings[status]; !own && status == http.StatusNotFound {
			want = []connector.Ending{connector.Stale, connector.Refused}
		}
		for _, change := range []connector.Change{contact, ticket} {
			s.wire.set(onWrites, -1, answers(status, nil, synthetic))
			s.ended(fmt.Sprintf("update a %s, status %d", change.Kind, status), s.one(change).Err, want...)
		}
	}
	s.wire.clear()
	s.holds(made.ID, c)
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

// waits wants an error to say how long to wait at least; vendors' clocks and
// rounding are given a minute.
func (s *stage) waits(what string, e *connector.Error, least time.Duration) {
	if e != nil && least > 0 && (e.Wait < least-time.Second || e.Wait > least+time.Minute) {
		s.errorf("%s: wait %s, want %s", what, e.Wait, least)
	}
}

func needsDaySpent(s *stage) string {
	if s.config.DaySpent == nil {
		return "the suite was told of no quota but for bursts"
	}
	return ""
}

// daySpent asks by every kind of call, since none of them can succeed.
func daySpent(s *stage) {
	contact, ticket := s.creates(connector.KindContact, 1)[0], s.creates(connector.KindTicket, 1)[0]
	id, opened := s.opened()
	comment := update(id, opened)
	comment.Comments = []connector.Comment{s.comment()}
	burst := Answer{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"7"}}, Body: synthetic, Want: connector.Retry, Wait: 7 * time.Second}
	for what, a := range map[string]Answer{"a burst": burst, "a spent day": *s.config.DaySpent} {
		s.wire.set(anyCall, -1, answers(a.Status, a.Header, a.Body))
		for _, change := range []connector.Change{contact, ticket, comment} {
			r := s.one(change)
			e := r.Err
			if e == nil && len(r.Comments) > 0 {
				e = r.Comments[0].Err
			}
			s.ended("a write after "+what, e, a.Want)
			s.waits("a write after "+what, e, a.Wait)
		}
		o := s.see(connector.Ref{Kind: connector.KindTicket, ID: id, Key: opened.Key})
		s.ended("an observation after "+what, o.Err, a.Want)
		s.waits("an observation after "+what, o.Err, a.Wait)
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
		e := s.send(s.ctx, change)[0].Err
		s.ended("the vendor's answer "+a.Name, e, a.Want)
		s.waits("the vendor's answer "+a.Name, e, a.Wait)
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
