package sandbox

import (
	"cmp"
	"context"
	"slices"

	"github.com/crm-connector/crm-connector/connector"
)

// Observe looks records of one kind up in one call, or two where they were
// written by jobs.
func (a *Adapter) Observe(ctx context.Context, refs []connector.Ref) ([]connector.Observation, error) {
	if len(refs) == 0 {
		return nil, nil
	}
	all := make([]sought, len(refs))
	for i, ref := range refs {
		all[i] = sought{ref: ref, phones: phones(&ref)}
	}
	if err := a.askJobs(ctx, all); err != nil {
		return nil, err
	}
	answer, err := a.client.find(ctx, refs[0].Kind, question(all))
	if err != nil {
		return nil, err
	}
	seen := make([]connector.Observation, len(all))
	for i := range all {
		if all[i].known == nil {
			all[i].known = a.pick(answer, &all[i])
		}
		seen[i] = *all[i].known
	}
	return seen, nil
}

// sought is one ref on its way, until known says what the sandbox holds of it.
type sought struct {
	ref    connector.Ref
	phones []string
	known  *connector.Observation
}

// phones are the forms of a customer's number in digits, the likeliest first.
func phones(ref *connector.Ref) []string {
	var all []string
	for _, p := range append([]string{ref.Identity.Phone}, ref.Phones...) {
		if d := digits(p); d != "" && !slices.Contains(all, d) {
			all = append(all, d)
		}
	}
	return all
}

// askJobs asks for the jobs that were to write the records. What a finished job
// wrote is then looked up by its id, and what a forgotten one wrote by its key.
func (a *Adapter) askJobs(ctx context.Context, all []sought) error {
	var ids []string
	for i := range all {
		if ref, ok := parseJobRef(all[i].ref.Job); ok && !slices.Contains(ids, ref.job) {
			ids = append(ids, ref.job)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	finished, resp, err := a.client.jobs(ctx, ids)
	if err != nil {
		return err
	}
	for i := range all {
		at, _ := parseJobRef(all[i].ref.Job)
		results, ok := finished[at.job]
		switch {
		case ok && results == nil:
			running := resp.Errorf(connector.Pending, "", "the job is not done")
			running.Job, running.Wait = all[i].ref.Job, jobWait
			all[i].known = &connector.Observation{Err: running}
		case ok && at.item < len(results):
			r := results[at.item]
			undone := all[i].finished(&r)
			if undone == nil {
				continue
			}
			all[i].known = &connector.Observation{}
			// What a job left undone for now is not there, and goes out again.
			if err := explain(resp, all[i].ref.Kind, undone); err.Ending != connector.Retry {
				all[i].known.Err = err
			}
		}
	}
	return nil
}

// finished takes over what a job says of the record, or says why it did nothing.
// A comment has the job of its ticket.
func (s *sought) finished(r *itemResult) *problem {
	unexplained := &problem{Code: "unexplained"}
	if r.Status != resultOK {
		return cmp.Or(r.Error, unexplained)
	}
	if s.ref.Kind != connector.KindComment {
		if s.ref.ID == "" && r.Record.text(fieldExternalID) == s.ref.Key {
			s.ref.ID = r.Record.text(fieldID)
		}
		return nil
	}
	i := slices.IndexFunc(r.Comments, func(c commentResult) bool { return c.ExternalID == s.ref.Key })
	if i < 0 || r.Comments[i].Status == resultOK || r.Comments[i].Status == resultSkipped {
		return nil
	}
	return cmp.Or(r.Comments[i].Error, unexplained)
}

// question asks for every ref by whatever is known of it.
func question(all []sought) search {
	var s search
	for i := range all {
		ref := &all[i].ref
		switch {
		case all[i].known != nil:
		case ref.Kind == connector.KindComment && (ref.Key == "" || ref.Parent == nil):
			err := connector.Errorf(connector.Refused, "look up comments", "no_parent", "a comment is found by its key and its ticket only")
			all[i].known = &connector.Observation{Err: err}
		case ref.Kind == connector.KindComment && ref.Parent.ID != "":
			s.ExternalIDs, s.TicketIDs = append(s.ExternalIDs, ref.Key), append(s.TicketIDs, ref.Parent.ID)
		case ref.Kind == connector.KindComment:
			s.ExternalIDs, s.TicketKeys = append(s.ExternalIDs, ref.Key), append(s.TicketKeys, ref.Parent.Key)
		case ref.ID != "":
			s.IDs = append(s.IDs, ref.ID)
		default:
			s.ExternalIDs, s.UserIDs = some(s.ExternalIDs, ref.Key), some(s.UserIDs, ref.Identity.UserID)
			s.Phones = append(s.Phones, all[i].phones...)
		}
	}
	return s
}

func some(list []string, s string) []string {
	if s == "" {
		return list
	}
	return append(list, s)
}

// pick finds the row that a ref means by what the row itself holds, never by its
// place: a server may answer with more than it was asked for. Where several fit
// by somebody's mistake, everybody takes the same one, the oldest.
func (a *Adapter) pick(f *found, s *sought) *connector.Observation {
	parent := ""
	if s.ref.Parent != nil {
		parent = s.ref.Parent.ID
	}
	for _, g := range f.Gone {
		switch {
		case s.ref.ID != "" && g.ID == s.ref.ID:
			return &connector.Observation{Found: true, ID: g.ID, Condition: connector.Gone, Successor: g.MergedInto}
		case parent != "" && g.ID == parent && g.MergedInto != "":
			parent = g.MergedInto // The comments went along.
		}
	}
	var best record
	rank := 0
	for _, r := range *f.Results {
		n := s.fit(r, parent)
		if n > 0 && (best == nil || n < rank || n == rank && older(r, best)) {
			best, rank = r, n
		}
	}
	switch {
	case best != nil:
		id, kind := best.text(fieldID), s.ref.Kind
		return &connector.Observation{
			Found: true, ID: id, URL: a.link(kind, id), Condition: condition(kind, best.text(connector.FieldStatus)),
		}
	case f.More:
		return &connector.Observation{Err: connector.Errorf(connector.Retry, "look up", "too_many", "the answer leaves rows out")}
	}
	return &connector.Observation{}
}

// fit says how well a row fits a ref: 1 is best, and 0 means not at all. A user
// id is never given to somebody else, as numbers are.
func (s *sought) fit(r record, parent string) int {
	ref := &s.ref
	id, key, user := r.text(fieldID), r.text(fieldExternalID), r.text(fieldUserID)
	switch {
	case id == "":
		return 0
	case ref.Kind == connector.KindComment:
		under := parent != "" && r.text(fieldTicketID) == parent || parent == "" && r.text(fieldTicketKey) == ref.Parent.Key
		return yes(key == ref.Key && under)
	case ref.ID != "":
		return yes(id == ref.ID)
	case key != "" && key == ref.Key:
		return 1
	case ref.Kind != connector.KindContact:
		return 0
	case user != "" && user == ref.Identity.UserID:
		return 2
	}
	if i := slices.Index(s.phones, digits(r.text(connector.FieldPhone))); i >= 0 {
		return 3 + i
	}
	return 0
}

func yes(b bool) int {
	if b {
		return 1
	}
	return 0
}

// older compares ids, which the sandbox counts up.
func older(a, b record) bool {
	x, y := a.text(fieldID), b.text(fieldID)
	if len(x) != len(y) {
		return len(x) < len(y)
	}
	return x < y
}
